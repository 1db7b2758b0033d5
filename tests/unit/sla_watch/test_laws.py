"""Laws of counting, over random instants of 2004-2026: what holds for every clock and every pause.

`slow` is a second opinion that shares no code. Where a law needs a version, it is drawn as well.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache, reduce
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from libs.decider import Event, Policies, PolicyInForce
from libs.eventlog.policies import read_policies
from tests.unit.sla_watch import slow, told
from tests.unit.sla_watch.play import Play, in_force, seed_content
from tests.unit.sla_watch.test_any_order import (
    CATEGORIES,
    OCTOBER,
    Happening,
    histories,
    play_in_order,
    text,
)
from tests.unit.timekeeping.instants import at

MINUTE = timedelta(minutes=1)
FIRST, LAST = at("2004-01-01"), at("2026-10-01")
ABOUT = {
    "mobile.noncoverage": ("first_contact", "reply.mobile", "resolve", "legal.answer"),
    "broadband.fault": ("repair.broadband.urban", "legal.repair.urban"),
    "service.attitude": ("attitude",),
}

MINUTES = int((LAST - FIRST) / MINUTE)
starts = st.integers(0, MINUTES).map(lambda count: FIRST + count * MINUTE)
on_an_edge = starts.map(lambda start: start.replace(hour=0, minute=0)) | starts.map(
    lambda start: start.replace(hour=23, minute=59)
)
subjects = st.sampled_from([(about, code) for about, codes in ABOUT.items() for code in codes])


@dataclass(frozen=True)
class Waits:
    """When the work waited, and when it was answered, in minutes after the first words."""

    edges: tuple[int, ...]
    answered: int | None

    def pauses(self, start: datetime) -> list[tuple[datetime, datetime]]:
        """From when to when."""
        times = [start + edge * MINUTE for edge in self.edges]
        return list(zip(times[::2], times[1::2], strict=True))

    def answered_at(self, start: datetime) -> datetime | None:
        """When, if ever."""
        return None if self.answered is None else start + self.answered * MINUTE


def edges(most: int) -> st.SearchStrategy[tuple[int, ...]]:
    """Beginnings and ends of up to three pauses within ten days, none touching another."""
    return st.lists(st.integers(1, 10 * 24 * 60), max_size=most, unique=True).map(
        lambda found: tuple(sorted(found[: len(found) // 2 * 2]))
    )


waits = st.builds(Waits, edges(6), st.none() | st.integers(1, 20 * 24 * 60))


def played(about: str, start: datetime, waits: Waits) -> Play:
    """A complaint with these pauses and this answer, heard in order; nobody else says a word."""
    events: list[tuple[datetime, Event]] = []
    for begins, ends in waits.pauses(start):
        events += [(begins, told.suspended()), (ends, told.resumed())]
    if (answered := waits.answered_at(start)) is not None:
        events.append((answered, told.answered()))
    play = Play().hear(told.registered(text(start), about), text(start))
    # At one instant what keeps a promise goes first.
    events.sort(key=lambda one: (one[0], not one[1].type.startswith("work.answered")))
    for when, event in events:
        play.hear(event, text(when))
    return play


@settings(max_examples=60)
@given(starts | on_an_edge, subjects, waits)
def test_a_minute_by_minute_oracle_finds_the_same_verdict(
    start: datetime, subject: tuple[str, str], waits: Waits
) -> None:
    about, code = subject
    limit, way, pausable = slow.TABLE[code]
    pauses = waits.pauses(start) if pausable else []
    expected = slow.outcome(start, limit, way, pauses, waits.answered_at(start))
    play = played(about, start, waits).until(text(start + timedelta(days=90)))
    assert (play.status(code), play.due(code)) == expected


@settings(max_examples=40)
@given(starts, st.integers(0, 10 * 24 * 60))
def test_the_oracle_finds_the_same_desk_hours(start: datetime, later: int) -> None:
    requested = start + later * MINUTE
    play = Play().hear(told.registered(text(start)), text(start))
    play.hear(told.case_requested(), text(requested)).until(text(requested + timedelta(days=3)))
    assert ("breached", play.due("desk.first_contact", "case-1")) == slow.outcome(
        requested, slow.DESK_MINUTES, "desk"
    )


@settings(max_examples=40)
@given(starts, st.timedeltas(timedelta(), timedelta(days=9)), st.sampled_from(CATEGORIES))
def test_who_speaks_later_is_never_due_earlier(
    start: datetime, later: timedelta, category: str
) -> None:
    """For every clock of the table that a complaint begins with."""
    first = Play().hear(told.registered(text(start), category), text(start))
    second = Play().hear(told.registered(text(start + later), category), text(start + later))
    for name, (_, due) in first.verdicts.items():
        other = second.verdicts[name][1]
        assert due is not None
        assert other is not None
        assert start < due <= other, name


@settings(max_examples=40)
@given(starts, subjects, edges(6))
def test_pausing_and_going_on_conserves_the_counted_time(
    start: datetime, subject: tuple[str, str], edges: tuple[int, ...]
) -> None:
    """Convention 7: what is counted outside the pauses is the whole limit, no more, no less."""
    about, code = subject
    limit, way, pausable = slow.TABLE[code]
    waits = Waits(edges, None)
    play = played(about, start, waits).until(text(start + timedelta(days=90)))
    due = play.due(code)
    assert due is not None
    used, at = 0, start
    waiting = waits.pauses(start) if pausable else []
    while at < due:
        used += slow.counts(at, way) and not any(begin <= at < end for begin, end in waiting)
        at += MINUTE
    assert used == slow.budget(start, limit, way)


@settings(max_examples=60)
@given(starts, st.sampled_from(sorted(ABOUT)), waits, st.data())
def test_splitting_a_pause_changes_nothing(
    start: datetime, about: str, waits: Waits, data: st.DataObject
) -> None:
    cuts: list[int] = []
    for begin, end in zip(waits.edges[::2], waits.edges[1::2], strict=True):
        # Not at the answer's own instant: which of two facts of one instant counts first is a
        # matter of their order, not of how the pause is written down.
        inside = st.integers(begin, end).filter(lambda cut: cut != waits.answered)
        within = st.lists(inside, max_size=3)
        inner = sorted(data.draw(within))
        cuts += [begin, *(cut for one in inner for cut in (one, one)), end]
    split = Waits(tuple(cuts), waits.answered)
    end = text(start + timedelta(days=90))
    assert played(about, start, split).until(end).verdicts == (
        played(about, start, waits).until(end).verdicts
    )


# --- versions ------------------------------------------------------------------------------------


def clocks_version(version: str, since: str, *, days: int, opens: int) -> dict[str, Any]:
    """A clock table with other limits and other desk hours."""
    content = seed_content("clocks.v1.yaml")
    content |= {"version": version, "effective_from": since}
    content["service_hours"]["desk_10015"]["every_day"] = [f"{opens:02}:30-17:30"]
    for row in content["clocks"]:
        if row["code"] in ("resolve", "reply.mobile", "legal.answer"):
            row["limit"] = f"{days} days"
        if row["code"] == "resolve":
            row["met_by"] = ["final_response"]
    return content


def calendar_version(version: str, since: str, *, off: str) -> dict[str, Any]:
    """A calendar in which a week from `off` on is off after all."""
    content = seed_content("working_days.v1.yaml")
    content |= {"version": version, "effective_from": since}
    week = [at(off) + timedelta(days=day) for day in range(7)]
    return content | {"days_off": {f"{day:%Y-%m-%d}": "Autumn" for day in week}}


LATER = (
    clocks_version("c1", "2025-10-16T10:00:01+08:00", days=3, opens=7),
    calendar_version("w1", "2025-10-16T12:00:00+08:00", off="2025-10-17"),
    clocks_version("c2", "2025-10-17T00:00:00+08:00", days=30, opens=9),
    calendar_version("w2", "2025-10-20T09:15:00+08:00", off="2025-10-22"),
    clocks_version("c3", "2025-10-27T00:00:00+08:00", days=1, opens=8),
    calendar_version("w3", "2025-11-03T00:00:00+08:00", off="2025-11-04"),
)
SEED_FILES = (seed_content("clocks.v1.yaml"), seed_content("working_days.v1.yaml"))


@cache
def pool() -> list[PolicyInForce]:
    """All of them, compiled once."""
    return [
        in_force(content, str(content["effective_from"]).replace("T", " ").removesuffix("+08:00"))
        for content in (*SEED_FILES, *LATER)
    ]


def all_of(versions: Iterable[PolicyInForce]) -> Policies:
    """These versions, added in this order."""
    return reduce(Policies.adding, versions, Policies())


later_versions = st.sets(st.integers(0, len(LATER) - 1), min_size=1).map(
    lambda chosen: [*pool()[:2], *(pool()[2 + number] for number in sorted(chosen))]
)


@settings(max_examples=40)
@given(st.sampled_from(CATEGORIES), histories(), later_versions)
def test_a_later_version_never_touches_a_verdict(
    category: str, history: list[Happening], versions: list[PolicyInForce]
) -> None:
    """Convention 11, of policies and calendars: what had begun before the first of them."""
    plain = play_in_order(category, history, OCTOBER)
    changed = play_in_order(category, history, OCTOBER, all_of(versions))
    assert changed.state is not None
    first = versions[2].active_from
    begun = {one.name for one in changed.state.clocks if one.terms.clock_from < first}
    assert begun
    assert {name: plain.verdicts.get(name) for name in begun} == {
        name: changed.verdicts[name] for name in begun
    }


@settings(max_examples=40)
@given(st.sampled_from(CATEGORIES), histories(), later_versions.flatmap(st.permutations))
def test_the_order_of_policy_files_does_not_matter(
    category: str, history: list[Happening], versions: list[PolicyInForce]
) -> None:
    in_order = sorted(versions, key=lambda one: one.active_from)
    expected = play_in_order(category, history, OCTOBER, all_of(in_order))
    play = play_in_order(category, history, OCTOBER, all_of(versions))
    assert [one.data for one in play.told] == [one.data for one in expected.told]
    assert play.verdicts == expected.verdicts


@pytest.mark.parametrize("names", ["abcdefgh", "hgfedcba", "cahbgdfe"])
def test_nor_do_the_names_of_the_files(names: str, tmp_path: Path) -> None:
    for name, content in zip(names, (*SEED_FILES, *LATER), strict=True):
        (tmp_path / f"{name}.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
    read = all_of(
        in_force(dict(one), str(one["effective_from"]).replace("T", " ").removesuffix("+08:00"))
        for one in read_policies(tmp_path)
    )
    for name in ("clocks", "working-days"):
        expected = [one for one in pool() if one.name == name]
        assert [one.version for one in read.versions[name]] == [one.version for one in expected]
        for before, one in pairwise(expected):
            assert read.in_force(name, one.active_from).version == one.version
            assert read.in_force(name, one.active_from - MINUTE).version == before.version
