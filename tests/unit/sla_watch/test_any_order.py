"""Verdicts are a pure function of facts ordered by time: however late and mixed they arrive.

Each service's own events come in their order (Kafka keeps it); between services anything may come
first, and time may pass in between, so that breaches are told that must be taken back.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from hypothesis import given, note, settings
from hypothesis import strategies as st

from contracts.routing import WaitingFor, WorkPromised
from contracts.values import Decision
from libs.decider import Event, Policies
from services.sla_watch.domain.commands import ReconsiderCalendar
from tests.unit.sla_watch import told
from tests.unit.sla_watch.play import SEEDS, Play, loaded
from tests.unit.timekeeping.instants import at


@dataclass(frozen=True)
class Season:
    """When a history plays: its first words, and when all has come due."""

    start: str
    end: str


OCTOBER = Season("2025-10-16 10:00", "2025-12-20 00:00")
NEW_YEAR = Season("2026-12-22 10:00", "2027-03-01 00:00")
"""Over the end of the known calendar (convention 12)."""

QUARTERS_MAX = 4 * 24 * 20
CATEGORIES = (
    "billing.overcharge",
    "service.attitude",
    "broadband.fault",
    "mobile.noncoverage",
    "mobile.coverage",
    "unclassified",
)


@dataclass(frozen=True)
class Happening:
    """An event of one service, so long after the first words."""

    source: str
    after: timedelta
    event: Event

    def when(self, season: Season) -> str:
        """Its instant, as told to `Play`."""
        return text(at(season.start) + self.after)


def text(instant: datetime) -> str:
    return instant.isoformat(sep=" ").removesuffix("+08:00")


moments = st.integers(1, QUARTERS_MAX).map(lambda quarters: quarters * timedelta(minutes=15))


def own_order(source: str, events: list[Event]) -> st.SearchStrategy[list[Happening]]:
    """These events of one service at increasing instants."""
    return st.lists(moments, min_size=len(events), max_size=len(events), unique=True).map(
        lambda after: [
            Happening(source, moment, event)
            for moment, event in zip(sorted(after), events, strict=True)
        ]
    )


@st.composite
def routing(draw: st.DrawFn) -> list[Happening]:
    events: list[Event] = []
    waiting = False
    for number in range(draw(st.integers(0, 5))):
        kind = draw(st.sampled_from(["contacted", "wait", "promised", "answered"]))
        if kind == "contacted":
            events.append(told.contacted())
        elif kind == "answered":
            events.append(told.answered())
        elif kind == "promised":
            events.append(told.promised(number + 1, "2004-01-01"))
        elif waiting:
            events.append(told.resumed())
            waiting = False
        else:
            events.append(told.suspended(waiting_for=draw(st.sampled_from(list(WaitingFor)))))
            waiting = True
    return draw(own_order("routing", events))


@st.composite
def intake(draw: st.DrawFn) -> list[Happening]:
    categories = draw(st.lists(st.sampled_from(CATEGORIES), max_size=2))
    events: list[Event] = [told.reclassified("2004-01-01", one) for one in categories]
    ending = draw(st.sampled_from(["none", "none", "withdrawn", "merged", "back", "back again"]))
    if ending == "withdrawn":
        events.append(told.withdrawn())
    elif ending != "none":
        events.append(told.merged())
    if ending.startswith("back"):
        category = draw(st.sampled_from(CATEGORIES))
        events.append(told.unmerged("2004-01-01", category))
    if ending == "back again":
        events.append(told.reclassified("2004-01-01", draw(st.sampled_from(CATEGORIES))))
    return draw(own_order("intake", events))


@st.composite
def escalation(draw: st.DrawFn) -> list[Happening]:
    events: list[Event] = []
    if draw(st.booleans()):
        events.append(told.case_requested())
        if draw(st.booleans()):
            events.append(told.case_contacted())
        if draw(st.booleans()):
            events.append(told.decided(draw(st.sampled_from(list(Decision)))))
        if draw(st.booleans()):
            events.append(told.case_closed())
    return draw(own_order("escalation", events))


feedback = st.booleans().flatmap(
    lambda sent: own_order("feedback", [told.receipt()] if sent else [])
)


@st.composite
def histories(draw: st.DrawFn, season: Season = OCTOBER) -> list[Happening]:
    """A history, every instant its own, so that `in order` is one order only."""
    parts = (routing(), intake(), escalation(), feedback)
    happened = []
    for second, one in enumerate([one for part in parts for one in draw(part)]):
        after = one.after + timedelta(seconds=second)
        event = one.event
        if isinstance(event, WorkPromised):
            due = at(season.start) + after + draw(moments)
            event = event.model_copy(update={"new_due": due})
        happened.append(Happening(one.source, after, event))
    return happened


def first_heard(category: str, season: Season, policies: Policies = SEEDS) -> Play:
    return Play(policies).hear(told.registered(season.start, category), season.start)


def play_in_order(
    category: str, history: list[Happening], season: Season, policies: Policies = SEEDS
) -> Play:
    play = first_heard(category, season, policies)
    for number, one in enumerate(sorted(history, key=lambda one: one.after), 1):
        play.hear(one.event, one.when(season), count=number)
    return play.until(season.end)


def play_mixed(
    category: str, history: list[Happening], season: Season, data: st.DataObject
) -> Play:
    """Each service's events in their order, the services in any; meanwhile time may pass.

    Some are told again at once, as after a batch whose commit was answered by nobody.
    """
    queues = {
        source: [one for one in history if one.source == source]
        for source in ("routing", "intake", "escalation", "feedback")
    }
    play = first_heard(category, season)
    while any(queues.values()):
        source = data.draw(st.sampled_from([name for name, queue in queues.items() if queue]))
        one = queues[source].pop(0)
        if data.draw(st.booleans()):
            play.until(text(at(season.start) + data.draw(moments)))  # timers fire without it
        play.hear(one.event, one.when(season))
        for _ in range(data.draw(st.integers(0, 2))):
            play.take(play.heard[-1])
            assert play.just == [], "told twice is told once"
    return play.until(season.end)


def story(category: str, play: Play) -> str:
    """What happened, in what order it was heard, and what was said: for a failing example."""
    heard = [f"{one.time} {one.type}" for one in play.heard]
    said = [f"{one.time} {one.type} {one.data!r}" for one in play.told]
    return "\n".join([category, *heard, "--", *said])


def verdicts(play: Play) -> dict[tuple[str, str, int], tuple[str, datetime | None]]:
    """All that anybody is measured by; what was cancelled counts for nobody."""
    return {name: verdict for name, verdict in play.verdicts.items() if verdict[0] != "cancelled"}


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(CATEGORIES), histories(), st.data())
def test_the_order_of_arrival_never_changes_a_verdict(
    category: str, history: list[Happening], data: st.DataObject
) -> None:
    expected = play_in_order(category, history, OCTOBER)
    play = play_mixed(category, history, OCTOBER, data)
    note(story(category, play))
    assert verdicts(play) == verdicts(expected)


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(CATEGORIES), histories(NEW_YEAR), st.data())
def test_a_calendar_that_comes_late_changes_no_verdict_either(
    category: str, history: list[Happening], data: st.DataObject
) -> None:
    expected = play_in_order(category, history, NEW_YEAR, loaded("2026-12-01"))
    play = play_mixed(category, history, NEW_YEAR, data)
    play.policies = loaded("2027-02-28")
    play.ask(ReconsiderCalendar(at=at(NEW_YEAR.end)), NEW_YEAR.end).until(NEW_YEAR.end)
    note(story(category, play))
    assert verdicts(play) == verdicts(expected)


@settings(max_examples=30, deadline=None)
@given(st.sampled_from(CATEGORIES), histories())
def test_in_order_nothing_is_ever_corrected_and_nothing_breached_twice(
    category: str, history: list[Happening]
) -> None:
    play = play_in_order(category, history, OCTOBER)
    types = [one.type for one in play.told]
    assert "clock.corrected.v1" not in types
    breached = [
        (one.data.clock, one.data.instance, one.data.started_in)
        for one in play.told
        if one.type == "clock.breached.v1"
    ]
    assert len(breached) == len(set(breached))
    assert play.timer is None or play.timer > at(OCTOBER.end)
