"""The same facts under other rules: which verdicts would differ, and nothing done (S8, 9)."""

import copy
from dataclasses import replace
from typing import Any

import pytest

from libs.decider import Recorded
from replay.what_if import (
    ALWAYS,
    Answer,
    Change,
    Judged,
    NoCandidate,
    candidate,
    decide_again,
    instead,
    what_if,
)
from tests.unit.sla_watch.play import SEEDS, Play, seed_content
from tests.unit.sla_watch.told import answered, registered, resumed, suspended
from tests.unit.timekeeping.instants import at

REGISTERED = "2025-10-10 09:00"
"""S5's: resolve due 2025-10-17 00:00 (11, 13, 14, 15, 16)."""
UNTIL = "2025-11-01 00:00"


def log(play: Play) -> list[Recorded[Any]]:
    """What it heard and what it said, in the order of the log."""
    last: dict[str, int] = {}
    events = []
    for one in sorted((*play.heard, *play.told), key=lambda one: one.time):
        last[one.source] = last.get(one.source, 0) + 1
        events.append(replace(one, sequence=last[one.source]))
    return events


def played() -> list[Recorded[Any]]:
    """Answered Thu 16th 23:00: before the fifth working day ends, after the fourth has."""
    play = Play().hear(registered(REGISTERED), REGISTERED)
    return log(play.hear(answered(), "2025-10-16 23:00").until(UNTIL))


def clocks(**limits: Any) -> dict[str, Any]:
    """The clock table as it came with us, with other limits: code -> days."""
    content = copy.deepcopy(seed_content("clocks.v1.yaml"))
    for rule in content["clocks"]:
        if rule["code"] in limits:
            rule["limit"] = f"{limits[rule['code']]} days"
    return {**content, "version": "tried"}


def tried(content: dict[str, Any], events: list[Recorded[Any]] | None = None) -> Answer:
    return what_if(events or played(), SEEDS, [candidate(content)], at(UNTIL))


def test_the_same_version_differs_nowhere_and_judges_as_it_is_on_record() -> None:
    answer = tried(seed_content("clocks.v1.yaml"))
    assert (answer.complaints, answer.unlike_record, answer.differs) == (1, 0, [])
    assert answer.clocks > 3
    both = tried(seed_content("working_days.v1.yaml"))
    assert (both.unlike_record, both.differs) == (0, [])


def test_four_working_days_instead_of_five_would_have_been_broken() -> None:
    """11, 13, 14, 15: due 2025-10-16 00:00, answered 23 hours later."""
    answer = tried(clocks(resolve=4))
    (differs,) = answer.differs
    assert (differs.clock, differs.change) == ("resolve", Change.VERDICT)
    assert differs.was == Judged("met", at("2025-10-17 00:00"), at("2025-10-16 23:00"))
    assert differs.would_be == Judged("breached", at("2025-10-16 00:00"), None)
    tally = answer.tallies["resolve"]
    assert (tally.was_met, tally.was_breached) == (1, 0)
    assert (tally.would_be_met, tally.would_be_breached) == (0, 1)
    assert answer.unlike_record == 0


def test_another_due_without_another_verdict_is_said_so() -> None:
    """Six working days: 17 too, so 2025-10-18 00:00."""
    (differs,) = tried(clocks(resolve=6)).differs
    assert differs.change is Change.DUE
    assert differs.would_be == Judged("met", at("2025-10-18 00:00"), at("2025-10-16 23:00"))


def test_a_clock_that_would_not_be_there_and_one_that_would() -> None:
    content = clocks()
    for rule in content["clocks"]:
        if rule["code"] == "resolve":
            rule["code"] = "resolve.renamed"
    found = {(one.clock, one.change) for one in tried(content).differs}
    assert found == {("resolve", Change.DROPPED), ("resolve.renamed", Change.ADDED)}


def test_another_calendar_counts_other_days() -> None:
    """Saturday the 11th not worked after all: 13, 14, 15, 16, 17, so 2025-10-18 00:00."""
    content = copy.deepcopy(seed_content("working_days.v1.yaml"))
    content |= {"version": "tried", "days_off": {"2025-10-11": "National Day"}}
    (differs,) = tried(content).differs
    assert (differs.clock, differs.change) == ("resolve", Change.DUE)
    assert differs.would_be is not None
    assert differs.would_be.due == at("2025-10-18 00:00")


def test_facts_of_other_services_are_kept_pauses_too() -> None:
    play = Play().hear(registered(REGISTERED), REGISTERED)
    play.hear(suspended(), "2025-10-13 00:00").hear(resumed(), "2025-10-14 00:00")
    events = log(play.hear(answered(), "2025-10-17 23:00").until(UNTIL))
    assert tried(seed_content("clocks.v1.yaml"), events).unlike_record == 0
    (differs,) = tried(clocks(resolve=4), events).differs
    assert differs.would_be is not None
    assert (differs.would_be.state, differs.would_be.due) == ("breached", at("2025-10-17 00:00"))


def test_a_log_whose_verdicts_were_made_up_is_noticed() -> None:
    events = [one for one in played() if one.type != "clock.met.v1"]
    last: dict[str, int] = {}
    for number, one in enumerate(events):
        last[one.source] = last.get(one.source, 0) + 1
        events[number] = replace(one, sequence=last[one.source])
    answer = tried(seed_content("clocks.v1.yaml"), events)
    assert answer.unlike_record > 0
    assert answer.differs == []


def test_what_is_recorded_after_the_instant_asked_for_counts_for_nothing() -> None:
    early = what_if(played(), SEEDS, [candidate(clocks(resolve=4))], at("2025-10-16 12:00"))
    (differs,) = early.differs
    assert differs.was == Judged("running", at("2025-10-17 00:00"), None)
    assert differs.would_be == Judged("breached", at("2025-10-16 00:00"), None)
    assert what_if([], SEEDS, [candidate(clocks())], at(UNTIL)) == Answer()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({"name": "routing", "version": "1"}, "no policy 'routing'"),
        ({}, "no policy 'None'"),
        ({"name": "clocks", "version": "x"}, "clocks: "),
    ],
)
def test_what_cannot_be_followed_is_refused_and_says_why(content: Any, said: str) -> None:
    with pytest.raises(NoCandidate, match=said):
        candidate(content)


def test_a_candidate_counts_alone_and_from_the_beginning() -> None:
    policies = instead(SEEDS, [candidate(clocks())])
    assert [one.version for one in policies.versions["clocks"]] == ["tried"]
    assert policies.versions["clocks"][0].active_from == ALWAYS
    assert policies.versions["working-days"] == SEEDS.versions["working-days"]
    assert decide_again(tuple(played()), policies, at(UNTIL)) is not None
