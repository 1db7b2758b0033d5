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
from libs.decider import Event
from tests.unit.sla_watch import told
from tests.unit.sla_watch.play import Play
from tests.unit.timekeeping.instants import at

START = at("2025-10-16 10:00")
END = "2025-12-20 00:00"
HOURS_MAX = 24 * 20
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
    """An event of one service at one instant."""

    source: str
    at: datetime
    event: Event


def text(instant: datetime) -> str:
    return instant.isoformat(sep=" ").removesuffix("+08:00")


moments = st.integers(1, HOURS_MAX * 4).map(lambda quarter: START + timedelta(minutes=15 * quarter))


def own_order(source: str, events: list[Event]) -> st.SearchStrategy[list[Happening]]:
    """These events of one service at increasing instants."""
    return st.lists(moments, min_size=len(events), max_size=len(events), unique=True).map(
        lambda when: [
            Happening(source, instant, event)
            for instant, event in zip(sorted(when), events, strict=True)
        ]
    )


@st.composite
def routing(draw: st.DrawFn) -> list[Happening]:
    events: list[Event] = []
    for number in range(draw(st.integers(0, 4))):
        kind = draw(st.sampled_from(["contacted", "wait", "promised", "answered"]))
        if kind == "contacted":
            events.append(told.contacted())
        elif kind == "answered":
            events.append(told.answered())
        elif kind == "promised":
            due = text(draw(moments))
            events.append(told.promised(number + 1, due))
        else:
            whom = draw(st.sampled_from(list(WaitingFor)))
            events.append(told.suspended(waiting_for=whom))
            if draw(st.booleans()):
                events.append(told.resumed())
            else:
                break  # still waiting; nothing of this desk follows
    return draw(own_order("routing", events))


@st.composite
def intake(draw: st.DrawFn) -> list[Happening]:
    categories = draw(st.lists(st.sampled_from(CATEGORIES), max_size=2))
    events: list[Event] = [told.reclassified("2025-10-16 10:00", one) for one in categories]
    if draw(st.booleans()):
        events.append(draw(st.sampled_from([told.withdrawn(), told.merged()])))
    return draw(own_order("intake", events))


@st.composite
def escalation(draw: st.DrawFn) -> list[Happening]:
    decisions = st.sampled_from(list(Decision))
    events: list[Event] = []
    if draw(st.booleans()):
        events.append(told.case_requested())
        if draw(st.booleans()):
            events.append(told.case_contacted())
        if draw(st.booleans()):
            decision = draw(decisions)
            events.append(told.decided(decision))
        if draw(st.booleans()):
            events.append(told.case_closed())
    return draw(own_order("escalation", events))


feedback = st.booleans().flatmap(
    lambda sent: own_order("feedback", [told.receipt()] if sent else [])
)


@st.composite
def histories(draw: st.DrawFn) -> list[Happening]:
    """A history, every instant its own, so that `in order` is one order only."""
    happened = [one for part in (routing(), intake(), escalation(), feedback) for one in draw(part)]
    spread = {id(one): index for index, one in enumerate(happened)}
    return [
        Happening(one.source, when, _ahead(one.event, when))
        for one in happened
        for when in (one.at + timedelta(seconds=spread[id(one)]),)
    ]


def _ahead(event: Event, when: datetime) -> Event:
    """Nobody promises the past."""
    if not isinstance(event, WorkPromised):
        return event
    return event.model_copy(update={"new_due": max(event.new_due, when + timedelta(minutes=5))})


def play_in_order(category: str, history: list[Happening]) -> Play:
    play = Play().hear(told.registered("2025-10-16 10:00", category), "2025-10-16 10:00")
    for number, one in enumerate(sorted(history, key=lambda one: one.at), 1):
        play.hear(one.event, text(one.at), count=number)
    return play.until(END)


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
    expected = play_in_order(category, history)
    queues = {
        source: [one for one in history if one.source == source]
        for source in ("routing", "intake", "escalation", "feedback")
    }
    play = Play().hear(told.registered("2025-10-16 10:00", category), "2025-10-16 10:00")
    while any(queues.values()):
        source = data.draw(st.sampled_from([name for name, queue in queues.items() if queue]))
        one = queues[source].pop(0)
        if data.draw(st.booleans()):
            play.until(text(data.draw(moments)))  # meanwhile timers fire without it
        play.hear(one.event, text(one.at))
    play.until(END)
    note(story(category, play))
    assert verdicts(play) == verdicts(expected)


@settings(max_examples=30, deadline=None)
@given(st.sampled_from(CATEGORIES), histories())
def test_in_order_nothing_is_ever_corrected_and_nothing_breached_twice(
    category: str, history: list[Happening]
) -> None:
    play = play_in_order(category, history)
    types = [one.type for one in play.told]
    assert "clock.corrected.v1" not in types
    breached = [
        (one.data.clock, one.data.instance, one.data.started_in)
        for one in play.told
        if one.type == "clock.breached.v1"
    ]
    assert len(breached) == len(set(breached))
    assert play.timer is None or play.timer > at(END)
