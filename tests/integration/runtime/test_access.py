"""What an instance makes of what it heard of access: the table, tokens, roles taken away."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
import yaml

from contracts.catalogue import DECODE
from contracts.housekeeping import PolicyActivated, RoleChanged, TokenIssued, TokenRevoked
from contracts.runtime import ACCESS
from libs.decider import Recorded
from libs.decider.story import Story
from libs.eventlog.service import Service
from libs.eventlog.store import Store
from libs.eventlog.writer import Writer
from libs.messaging.access import (
    AccessInForce,
    ChangeRoles,
    RevokeToken,
    ShowToken,
    as_code,
    following,
    role_decider,
    token_decider,
)
from libs.messaging.inbox import hear
from libs.timekeeping.clock import SteppedClock
from libs.web.access import SHIPPED, load_access_table
from libs.web.auth import Caller, Shown
from libs.web.auth import TokenRevoked as Refused
from tests.integration.runtime.toys import thrower
from tests.stack import room

NOON = datetime(2025, 10, 9, 4, 0, tzinfo=UTC)
DIGEST = "ab" * 32
ISSUED = TokenIssued(
    token="t-1",
    who="agent:8812",
    roles=("agent", "desk"),
    expires=NOON + timedelta(hours=8),
    by="key:k",
    digest=DIGEST,
)
REVOKED = TokenRevoked(
    token="t-1", who="agent:8812", by="admin:local", reason="lost", digest=DIGEST
)


def roles_of(*roles: str) -> RoleChanged:
    return RoleChanged(who="agent:8812", roles=roles, by="admin:local", reason="r", digest=DIGEST)


def heard(data: Any, subject: str, *, source: str = "/bihuan/intake", sequence: int = 1) -> Any:
    return Recorded(
        id=uuid4(),
        source=source,
        type=data.type,
        subject=subject,
        time=NOON,
        sequence=sequence,
        actor="admin:local",
        data=data,
    )


def table(version: str, since: datetime, **roles: list[str]) -> PolicyActivated:
    content = {"name": "access", "version": version, "effective_from": "2025-10-10", "roles": roles}
    return PolicyActivated(
        name="access", version=version, sha256=DIGEST, content=content, effective_from=since
    )


class Instance:
    """One instance of a service on its own database, at an instant that may move."""

    def __init__(self, service: Service, dsn: str) -> None:
        self.now, self.dsn = NOON, dsn
        self.service = service
        self.store = Store(service, dsn)
        self.writer = Writer(service, self.store, SteppedClock(NOON), partitions=1)
        self.writer.start()

        async def query(call: Any, *args: Any) -> Any:
            with self.store.connection() as conn:
                return call(conn, *args)

        async def transact(decide: Any) -> None:
            self.writer.transact(decide)

        self.access = AccessInForce(
            load_access_table(SHIPPED), ACCESS, lambda: self.now, query, transact
        )
        self.access.let_in()

    def hear(self, *recorded: Any) -> None:
        """These come by the log, and a second passes."""
        for one in recorded:
            self.writer.transact(
                lambda work, one=one: hear(self.service, work, one, (), pytest.fail)
            )
        with self.store.connection() as conn:
            self.access.look(conn)

    def issued(self) -> int:
        """How many tokens it put on record itself."""
        with self.store.connection() as conn:
            found = conn.execute(
                "SELECT count(*) AS n FROM stored_events WHERE topic = 'token.issued.v1'"
            ).fetchone()
        assert found is not None
        return int(found["n"])


@pytest.fixture
def one() -> Iterator[Instance]:
    service = following(replace(thrower(), types=DECODE), ACCESS)
    with room(("thrower",), with_topics=False) as where:
        instance = Instance(service, where.service_dsns["thrower"])
        yield instance
        instance.store.close()


CALLER = Caller("agent:8812", frozenset({"agent", "desk"}))


def test_a_token_is_issued_once_and_revoked_once_on_record() -> None:
    token = Story(token_decider(ACCESS), subject=DIGEST)
    show, revoke = ShowToken(at=NOON, event=ISSUED), RevokeToken(at=NOON, event=REVOKED)
    shown = token.when(show).then(ISSUED)
    shown.when(show).then_nothing()
    gone = shown.when(revoke).then(REVOKED)
    gone.when(revoke).then_nothing()
    gone.when(show).then_nothing()
    token.when(revoke).then(REVOKED).when(show).then(ISSUED)


def test_roles_that_are_so_already_are_not_said_again() -> None:
    none, desk = roles_of(), roles_of("desk")
    story = Story(role_decider(ACCESS), subject="agent:8812")
    take = ChangeRoles(at=NOON, event=none, roles=())
    give = ChangeRoles(at=NOON, event=desk, roles=("desk",))
    story.when(take).then(none).when(take).then_nothing()
    story.when(take).then(none).when(give).then(desk).when(take).then(none)


def test_until_anything_is_heard_the_shipped_table_counts(one: Instance) -> None:
    one.hear()
    assert one.access.table.version == "1"
    assert one.access.permits(frozenset({"admin"}), "intake.policy")
    assert one.access.standing(DIGEST, CALLER) is CALLER
    assert list(one.access.missing()) == []


def test_a_table_counts_from_its_own_instant_without_another_look(one: Instance) -> None:
    one.hear(heard(table("2", NOON + timedelta(hours=1), clerk=["intake.read"]), "access"))
    assert one.access.table.version == "1"
    one.now += timedelta(hours=1)
    assert one.access.table.version == "2"
    assert one.access.permits(frozenset({"clerk"}), "intake.read")
    assert not one.access.permits(frozenset({"admin"}), "intake.policy")
    (warning,) = one.access.missing()
    assert warning.startswith("access 2 lets nobody do audit.access, ")


def test_a_table_this_release_cannot_read_leaves_the_one_before_in_force(
    one: Instance,
) -> None:
    strange = table("3", NOON, clerk=["intake.read"])
    strange.content["novelty"] = True
    one.hear(heard(strange, "access"))
    assert one.access.table.version == "1"
    assert list(one.access.missing()) == ["access 3 is for another release: upgrade"]


def test_only_intake_decides_about_access(one: Instance) -> None:
    told = (roles_of(), "agent:8812"), (REVOKED, DIGEST), (table("2", NOON), "access")
    one.hear(*(heard(data, subject, source="/bihuan/routing") for data, subject in told))
    assert one.access.standing(DIGEST, CALLER) is CALLER
    assert one.access.table.version == "1"


def test_other_policies_are_no_table_of_access(one: Instance) -> None:
    one.hear(heard(table("2", NOON), "contacts"))
    assert one.access.table.version == "1"


@pytest.mark.parametrize("first", ["issued", "revoked"])
def test_a_revoked_token_is_refused_in_whatever_order_it_was_heard(
    one: Instance, first: str
) -> None:
    order = (ISSUED, REVOKED) if first == "issued" else (REVOKED, ISSUED)
    one.hear(*(heard(data, DIGEST) for data in order))
    with pytest.raises(Refused):
        one.access.standing(DIGEST, CALLER)
    assert one.access.standing("cd" * 32, CALLER) is CALLER, "another token of the same person"


def test_what_was_heard_counts_from_the_first_request_after_a_restart(one: Instance) -> None:
    one.hear(heard(REVOKED, DIGEST), heard(roles_of("desk"), "agent:8812"))
    again = Instance(one.service, one.dsn)
    again.hear()
    with pytest.raises(Refused):
        again.access.standing(DIGEST, CALLER)
    assert again.access.standing("cd" * 32, CALLER).roles == {"desk"}
    again.store.close()


def test_roles_taken_and_given_back_at_the_very_same_instant_are_both_seen(one: Instance) -> None:
    """The domain's clock may stand still: a change shows by its number, not by its time."""
    one.hear(heard(roles_of(), "agent:8812", sequence=1))
    assert one.access.standing(DIGEST, CALLER).roles == frozenset()
    one.hear(heard(roles_of("desk", "admin"), "agent:8812", sequence=2))
    assert one.access.standing(DIGEST, CALLER).roles == {"desk"}, "nothing is added to the token"


def test_a_token_that_was_heard_of_is_not_put_on_record_again(one: Instance) -> None:
    shown = Shown("t-1", DIGEST, "agent:8812", frozenset({"agent"}), 1.0, "k")
    asyncio.run(one.access.shown(shown))
    assert one.issued() == 1
    asyncio.run(one.access.shown(shown))
    assert one.issued() == 1, "two at once, and the log has not brought it back yet"
    other = "ef" * 32
    one.hear(heard(ISSUED, other, source="/bihuan/routing"))
    asyncio.run(one.access.shown(replace(shown, digest=other)))
    assert one.issued() == 1
    asyncio.run(one.access.shown(replace(shown, digest="cd" * 32)))
    assert one.issued() == 2


def test_a_strange_id_is_told_by_its_digest() -> None:
    assert as_code("t-1") == "t-1"
    assert as_code("a b\n").startswith("sha256-")
    assert len(as_code("x" * 97)) == 39


def test_the_shipped_table_is_one_that_can_be_activated() -> None:
    """Its version and its beginning are what `policy.activated` says of the seed."""
    told = yaml.safe_load(SHIPPED.read_text(encoding="utf-8"))
    assert (told["name"], told["version"]) == ("access", "1")
