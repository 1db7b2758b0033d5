"""The life of a policy's versions: from now or later, never twice, never one beside another."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from contracts.housekeeping import PolicyActivated
from libs.decider import Context, Policies, PolicyInForce, Recorded
from libs.decider.policy import Fault
from libs.eventlog.envelope import STREAMS
from libs.eventlog.policies import (
    ActivatePolicy,
    CountsFromThePast,
    NotActivated,
    PolicyBelowFloor,
    PolicyUnsound,
    VersionsOverlap,
    VersionTaken,
    content_digest,
    policy_decider,
    version_of,
)

SHANGHAI = ZoneInfo("Asia/Shanghai")
NOW = "2026-11-28 12:00"


def sh(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=SHANGHAI)


def compile_policy(_name: str, content: Mapping[str, Any]) -> Any:
    if not isinstance(content.get("limit"), int):
        raise ValueError("`limit` is no whole number")
    return content


def vet(_name: str, content: Mapping[str, Any]) -> list[Fault]:
    return [Fault("floor", ("limit",), "the law says 48")] if content["limit"] > 48 else []


DECIDER = policy_decider(PolicyActivated, compile_policy, version_of, vet)


def command(version: str, since: str | None, limit: Any = 36, **more: Any) -> ActivatePolicy:
    content = {"name": "clocks", "version": version, "limit": limit}
    return ActivatePolicy(
        at=sh(NOW),
        name="clocks",
        version=version,
        effective_from=since and sh(since),
        content=content,
        **more,
    )


def decide(state: Any, asked: ActivatePolicy, now: str = NOW) -> list[Any]:
    return list(DECIDER.decide(state, asked, Context(sh(now), "admin:7", Policies())))


def given(*told: tuple[ActivatePolicy, str]) -> Any:
    """The stream after these activations, each at its instant."""
    state = None
    for number, (asked, now) in enumerate(told, start=1):
        (event,) = decide(state, asked, now)
        recorded = Recorded(
            STREAMS, "/bihuan/toy", event.type, "clocks", sh(now), number, "admin:7", event
        )
        state = DECIDER.evolve(state, recorded)
    return state


SEEDED = given((command("1", "2004-01-01", seed=True), "2026-11-01 09:00"))


def test_a_version_counts_from_its_own_instant() -> None:
    """EVENTS, policy.activated: version, sha256, the whole content, effective_from."""
    asked = command("2", "2026-12-07", 30)
    (event,) = decide(SEEDED, asked)
    assert event.effective_from == sh("2026-12-07")
    assert event.sha256 == content_digest(asked.content)
    assert (event.version, event.content, event.seed) == ("2", asked.content, False)


def test_who_names_no_instant_begins_at_once_and_follows_what_was_before() -> None:
    both = given(
        (command("1", "2004-01-01", seed=True), NOW),
        (command("2", None, 30), NOW),
        (command("3", None, 31), NOW),
    )
    known = Policies({"clocks": both.versions})
    assert known.in_force("clocks", sh(NOW)).version == "3"
    assert both.versions[2].activated_by == "admin:7"
    assert both.versions[2].activated_at == sh(NOW)


def test_the_same_content_again_does_nothing() -> None:
    second = command("2", "2026-12-07", 30)
    state = given((second, NOW))
    assert decide(state, second) == []
    assert decide(state, second, "2027-05-01 09:00") == [], "also once it counts"
    assert decide(state, command("2", None, 30)) == []


@pytest.mark.parametrize(
    ("asked", "refusal", "place", "told"),
    [
        (command("1", "2026-12-07", 30), VersionTaken, "version", "name a new one"),
        (command("1", "2026-12-07"), VersionTaken, "effective_from", "name a new version"),
        (command("3", "2026-12-14", 31), VersionsOverlap, "effective_from", "a later instant"),
        (command("3", "2026-11-28 11:59:59", 31), CountsFromThePast, "effective_from", "passed"),
        (command("3", "2026-12-21", 49), PolicyBelowFloor, "limit", "the law says 48"),
        (command("3", "2026-12-21", "x"), PolicyUnsound, "", "no whole number"),
        (command("-", "2026-12-21", 31), PolicyUnsound, "version", "pattern"),
    ],
    ids=["taken", "other beginning", "overlap", "past", "below the law", "unsound", "odd name"],
)
def test_what_cannot_come_into_force_is_refused_with_its_place(
    asked: ActivatePolicy, refusal: type[NotActivated], place: str, told: str
) -> None:
    """Bad input: refused at load with what to do; the old version stays in force."""
    second: tuple[ActivatePolicy, str] = (command("2", "2026-12-14", 30), NOW)
    state = given((command("1", "2004-01-01", seed=True), "2026-11-01 09:00"), second)
    with pytest.raises(refusal) as refused:
        decide(state, asked)
    (fault,) = refused.value.faults
    assert (".".join(map(str, fault.where)), refused.value.status) == (place, 422)
    assert told in fault.problem


def test_a_version_from_this_very_instant_is_not_from_the_past() -> None:
    assert len(decide(SEEDED, command("2", NOW, 30))) == 1


def test_a_version_may_begin_before_one_that_is_still_to_come() -> None:
    """It then counts until that one begins: no instant has two."""
    state = given(
        (command("1", "2004-01-01", seed=True), "2026-11-01 09:00"),
        (command("3", "2026-12-14", 31), NOW),
        (command("2", "2026-12-07", 30), NOW),
    )
    known = Policies()
    for one in state.versions:
        known = known.adding(one)
    found: list[PolicyInForce] = [
        known.in_force("clocks", sh(day)) for day in ("2026-12-06", "2026-12-07", "2026-12-14")
    ]
    assert [one.version for one in found] == ["1", "2", "3"]
