"""Old versions lead on to new ones by pure steps; shown on a registry of its own."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, ClassVar

import pytest

from contracts.catalogue import CATALOGUE, DECODE, RETIRED
from contracts.upcasters import UPCASTERS, Upcasters, split
from libs.decider import Event
from libs.eventlog.envelope import GENESIS, Origin, decode, encode


class ToldV1(Event):
    """As it was."""

    type: ClassVar[str] = "thing.told.v1"
    minutes: int


class ToldV2(Event):
    """With its unit made finer."""

    type: ClassVar[str] = "thing.told.v2"
    seconds: int


class ToldV3(Event):
    """With where it was told."""

    type: ClassVar[str] = "thing.told.v3"
    seconds: int
    where: str


def seconds_of(old: ToldV1) -> ToldV2:
    return ToldV2(seconds=old.minutes * 60)


def told_nowhere(old: ToldV2) -> ToldV3:
    return ToldV3(seconds=old.seconds, where="unknown")


REGISTRY = Upcasters().adding(ToldV1, ToldV2, seconds_of).adding(ToldV2, ToldV3, told_nowhere)


def test_an_old_version_is_led_on_to_the_newest_step_by_step() -> None:
    assert REGISTRY.event(ToldV1(minutes=2)) == ToldV3(seconds=120, where="unknown")
    assert REGISTRY.event(ToldV2(seconds=7)) == ToldV3(seconds=7, where="unknown")


def test_the_newest_version_stays_as_it_is() -> None:
    newest = ToldV3(seconds=1, where="here")
    assert REGISTRY.event(newest) is newest
    assert Upcasters().event(ToldV1(minutes=1)) == ToldV1(minutes=1)


def test_stored_bytes_of_an_old_version_are_read_as_the_newest_and_stay_as_they_are() -> None:
    state, _ = encode(
        ToldV1(minutes=3),
        source="/bihuan/intake",
        subject="a",
        sequence=1,
        previous=GENESIS,
        time=datetime(2025, 10, 9, tzinfo=UTC),
        origin=Origin("cause", "system:intake"),
    )
    types: dict[str, type[Event]] = {one.type: one for one in (ToldV1, ToldV2, ToldV3)}
    recorded = decode(state, types)
    read: Any = REGISTRY.recorded(recorded)
    assert read == replace(
        recorded, type="thing.told.v3", data=ToldV3(seconds=180, where="unknown")
    )
    assert b'"thing.told.v1"' in state
    assert b'{"minutes":3}' in state


def test_a_record_of_the_newest_version_is_not_touched() -> None:
    state, recorded = encode(
        ToldV3(seconds=1, where="here"),
        source="/bihuan/intake",
        subject="a",
        sequence=1,
        previous=GENESIS,
        time=datetime(2025, 10, 9, tzinfo=UTC),
        origin=Origin("cause", "system:intake"),
    )
    assert state
    assert REGISTRY.recorded(recorded) is recorded


def test_a_step_leads_to_the_very_next_version() -> None:
    with pytest.raises(ValueError, match="not the version after"):
        Upcasters().adding(ToldV1, ToldV3, lambda _old: ToldV3(seconds=0, where=""))
    with pytest.raises(ValueError, match="not the version after"):
        Upcasters().adding(ToldV2, ToldV1, lambda _old: ToldV1(minutes=0))


def test_a_version_has_one_step() -> None:
    with pytest.raises(ValueError, match="already has a step"):
        REGISTRY.adding(ToldV1, ToldV2, seconds_of)


def test_a_step_that_makes_something_else_is_found_out() -> None:
    wrong = Upcasters().adding(ToldV1, ToldV2, lambda old: old)  # type: ignore[arg-type,return-value]
    with pytest.raises(AssertionError):
        wrong.event(ToldV1(minutes=1))


@pytest.mark.parametrize("wrong", ["told", "told.v", "told.v01", "told.vx", ".v1"])
def test_a_type_without_a_version_is_refused(wrong: str) -> None:
    with pytest.raises(ValueError, match="version"):
        split(wrong)


def test_every_retired_version_has_its_step_and_nothing_else_has() -> None:
    assert set(UPCASTERS.steps) == {entry.event.type for entry in RETIRED}
    for old, new, _ in UPCASTERS.steps.values():
        assert DECODE[old.type] is old
        assert DECODE[new.type] is new


def test_the_newest_version_of_each_event_is_the_one_that_is_written() -> None:
    newest: dict[str, int] = {}
    for event_type in DECODE:
        name, version = split(event_type)
        newest[name] = max(version, newest.get(name, 0))
    written = dict(split(entry.event.type) for entry in CATALOGUE)
    assert written == newest
