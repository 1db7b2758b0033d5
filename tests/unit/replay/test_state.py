"""State at an instant: what had been recorded, and what had happened (issue: State at T)."""

from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from libs.decider.plain import TOKEN_START, canonical, plain, tables
from libs.vault.sealing import PREFIX
from replay.state import Known, StateAt, state_at
from replay.story import LogBroken, told_once
from tests.unit.replay.played import story
from tests.unit.sla_watch.play import Play
from tests.unit.sla_watch.told import answered, registered
from tests.unit.timekeeping.instants import at

REGISTERED = "2025-10-10 09:00"
"""S5's: resolve due 2025-10-17 00:00 (11, 13, 14, 15, 16)."""


def rows(known: Known) -> dict[str, tuple[str, Any]]:
    """Clock -> (state, corrections)."""
    shown = known.services["sla_watch"].get("sla_clock", [])
    return {one["clock"]: (one["state"], one["corrections"]) for one in shown}


def late() -> Play:
    """Answered Thu 23:00, which sla_watch hears only Friday 09:00: breached, then corrected."""
    play = Play().hear(registered(REGISTERED), REGISTERED).until("2025-10-17 08:00")
    heard = play.record(answered(), "2025-10-16 23:00")
    return play.take(heard, "2025-10-17 09:00")


def asked(play: Play, when: str) -> StateAt:
    found = state_at(story(play), at(when))
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("when", "was", "now"),
    [
        ("2025-10-16 22:59:59.999999", "running", "running"),
        ("2025-10-16 23:00", "running", "met"),
        ("2025-10-16 23:59:59.999999", "running", "met"),
        ("2025-10-17 00:00", "breached", "met"),
        ("2025-10-17 08:59:59.999999", "breached", "met"),
        ("2025-10-17 09:00", "met", "met"),
    ],
)
def test_a_verdict_corrected_later_is_known_now_and_was_not_then(
    when: str, was: str, now: str
) -> None:
    found = asked(late(), when)
    assert rows(found.as_it_was)["resolve"][0] == was
    assert rows(found.as_known_now)["resolve"][0] == now
    assert found.differs is (was != now)


def test_a_breach_stands_from_its_due_instant_however_late_it_was_noticed() -> None:
    """DOMAIN counting 6: at the due instant, not when a poll noticed it."""
    play = Play().hear(registered(REGISTERED), REGISTERED).after_outage("2025-10-17 03:00")
    found = asked(play, "2025-10-17 00:00")
    assert rows(found.as_it_was)["resolve"][0] == "running"
    assert rows(found.as_known_now)["resolve"][0] == "breached"
    found = asked(play, "2025-10-16 23:59:59.999999")
    assert rows(found.as_known_now)["resolve"][0] == "running"


def test_a_verdict_of_before_its_clock_stands_from_the_clocks_own_beginning() -> None:
    """Retroactive (DOMAIN counting 9): told Sunday, on record only Wednesday."""
    play = Play().hear(registered("2025-10-12 20:15"), "2025-10-15 14:00")
    found = asked(play, "2025-10-15 14:00")
    assert rows(found.as_known_now)["first_contact"][0] == "breached"
    early = asked(play, "2025-10-12 22:00")
    assert rows(early.as_known_now) == {}
    assert early.as_known_now.events == 0


def test_what_was_sent_twice_counts_once_and_a_hole_is_named() -> None:
    events = story(late())
    twice = [one for one in events for _ in range(2)]
    assert told_once(twice) == tuple(events)
    assert told_once([*events, *events]) == tuple(events)
    sla = [one for one in events if one.source == "/bihuan/sla_watch"]
    with pytest.raises(LogBroken, match="number 2 is missing before 3"):
        told_once([sla[0], *sla[2:]])


def test_nothing_told_is_no_state() -> None:
    assert state_at([], at(REGISTERED)) is None


def test_the_state_does_not_depend_on_the_zone_an_instant_was_told_in() -> None:
    events = story(late())
    moved = [
        replace(one, data=type(one.data).model_validate_json(one.data.model_dump_json()))
        for one in events
    ]
    now = at("2025-11-01 00:00")
    one, other = state_at(events, now), state_at(moved, now)
    assert one is not None
    assert other is not None
    assert canonical(one.as_it_was.services) == canonical(other.as_it_was.services)


def test_sealed_words_are_marks_that_tell_apart_and_open_nothing() -> None:
    one, other = plain("bs1.abc"), plain("bs1.abd")
    assert one != other
    assert one.startswith("🔒")
    assert TOKEN_START == PREFIX, "what the vault makes"
    assert "abc" not in one
    assert plain({"words": ["bs1.abc"]}) == {"words": [one]}


def test_rows_are_canonical_whatever_order_they_came_in() -> None:
    rows = [("b", {"x": 2}), ("a", {"x": 1, "at": at("2025-10-10 09:00")}), ("b", {"x": 1})]
    text = '{"a":[{"at":"2025-10-10T01:00:00.000000Z","x":1}],"b":[{"x":1},{"x":2}]}'
    assert canonical(tables(rows)) == canonical(tables(reversed(rows))) == text


def test_dates_amounts_ids_and_instants_are_text() -> None:
    row = {
        "id": UUID("5b0fdb9c-6f5b-5f3c-9d55-0d3c6a0a4a11"),
        "on": date(2025, 10, 9),
        "at": datetime(2025, 10, 9, 1, tzinfo=UTC),
        "amount": Decimal("12.30"),
    }
    assert canonical(plain(row)) == (
        '{"amount":"12.30","at":"2025-10-09T01:00:00.000000Z",'
        '"id":"5b0fdb9c-6f5b-5f3c-9d55-0d3c6a0a4a11","on":"2025-10-09"}'
    )
