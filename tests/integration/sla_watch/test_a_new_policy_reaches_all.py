"""A policy activated on one instance counts on every other from its very next decision."""

from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from libs.decider import To
from libs.eventlog.envelope import Origin
from libs.eventlog.policies import (
    ActivatePolicy,
    PolicyBelowFloor,
    VersionsOverlap,
    content_digest,
)
from libs.eventlog.store import Store
from libs.eventlog.writer import Writer
from services.sla_watch import api
from services.sla_watch.main import describe
from tests.integration.office import Office, office
from tests.integration.sla_watch.test_clocks_over_http import record
from tests.unit.sla_watch import told
from tests.unit.sla_watch.play import seed_content
from tests.unit.timekeeping.instants import at

MONDAY = "2026-11-30 00:00"
ADMIN = Origin(causation="test", actor="admin:1")


def faster(version: str) -> ActivatePolicy:
    """The table with a repair limit of 20 h in towns, from Monday on."""
    content = seed_content("clocks.v1.yaml") | {"version": version}
    row = next(one for one in content["clocks"] if one["code"] == "repair.broadband.urban")
    row["limit"] = "20 hours"
    return ActivatePolicy(
        at=at("2026-11-28 12:00"),
        name="clocks",
        version=version,
        effective_from=at(MONDAY),
        content=content,
    )


def hear(writer: Writer, clock: Any, when: str, complaint: UUID) -> None:
    clock.jump(at(when))
    recorded = record(told.registered(when, "broadband.fault"), when, complaint)

    def decide(work: Any) -> None:
        for to in writer.service.react(recorded):
            work.apply(To(str(complaint), to.command), ADMIN)

    writer.transact(decide)


def repair(watch: Office, complaint: UUID) -> tuple[str, str]:
    (found,) = [one for one in watch.get(f"/clocks/{complaint}") if one["purpose"] == "repair"]
    return found["policy"], found["due_at"]


def test_another_instance_decides_by_the_policy_that_was_activated_beside_it(
    tmp_path: Path,
) -> None:
    """DOMAIN, counting 11: a clock keeps its version; later changes never touch a verdict.

    With `Work._policies_followed` returning nothing, the second instance goes on with version 1.
    """

    def routes(query: Any, _wax: Any) -> Any:
        return api.routes(query)

    with office(describe(), routes, tmp_path, at("2026-11-27 09:00")) as first:
        store = Store(describe(), first.dsn)
        other = Writer(describe(), store, first.clock, partitions=12)
        other.start()
        try:
            hear(other, first.clock, "2026-11-28 09:00", UUID(int=1))
            first.clock.jump(at("2026-11-28 12:00"))
            first.writer.transact(lambda work: work.apply(To("clocks", faster("2")), ADMIN))
            hear(other, first.clock, "2026-11-29 23:00", UUID(int=2))
            hear(other, first.clock, "2026-11-30 00:00", UUID(int=3))
            assert repair(first, UUID(int=1)) == ("1", "2026-11-29T01:00:00.000000Z")
            assert repair(first, UUID(int=2)) == ("1", "2026-11-30T15:00:00.000000Z")
            assert repair(first, UUID(int=3)) == ("2", "2026-11-30T12:00:00.000000Z")
        finally:
            store.close()


def test_a_refused_version_leaves_the_old_one_in_force(tmp_path: Path) -> None:
    """DOMAIN: a floor no setting can lower. Two versions never count from one instant."""

    def routes(query: Any, _wax: Any) -> Any:
        return api.routes(query)

    def activate(watch: Office, command: ActivatePolicy) -> Any:
        return watch.writer.transact(lambda work: work.apply(To("clocks", command), ADMIN))

    with office(describe(), routes, tmp_path, at("2026-11-28 12:00")) as watch:
        unlawful = faster("2")
        row = next(one for one in unlawful.content["clocks"] if one["code"] == "legal.answer")
        row["limit"] = "16 days"
        with pytest.raises(PolicyBelowFloor, match="promise 15 days or less"):
            activate(watch, unlawful)
        hear(watch.writer, watch.clock, "2026-11-30 00:00", UUID(int=1))
        assert repair(watch, UUID(int=1))[0] == "1"
        later = faster("2").model_copy(update={"effective_from": at("2026-12-07 00:00")})
        (recorded,) = activate(watch, later)
        assert (recorded.actor, recorded.time) == (ADMIN.actor, at(MONDAY))
        assert recorded.data.sha256 == content_digest(later.content)
        third = faster("3").model_copy(update={"effective_from": at("2026-12-07 00:00")})
        with pytest.raises(VersionsOverlap, match="from a later instant"):
            activate(watch, third)
        assert activate(watch, later) == []
