"""What the verdicts would be, had another clock table or calendar counted: the same facts, decided
again by sla_watch's own rules, with nothing written, sent or timed.

Facts are what the other services' events say; sla_watch's own are left out, for they are what is
asked about. What people did because of a verdict (an escalation after a breach, say) stays as it
happened: this is no prophecy of what they would have done.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any
from uuid import UUID, uuid5

from contracts.sla_watch import ClocksRescheduled, RescheduleReason
from libs.decider import (
    Command,
    Context,
    DomainError,
    Policies,
    PolicyInForce,
    Recorded,
    Refused,
    TimerFired,
)
from replay.story import Story, told_once
from services.sla_watch.domain import CLOCKS as STREAM
from services.sla_watch.domain import Watch, compile_policy
from services.sla_watch.domain.commands import ReconsiderCalendar
from services.sla_watch.domain.policy import CLOCKS, WORKING_DAYS
from services.sla_watch.domain.state import OPEN, Watched
from services.sla_watch.reactions import react

SOURCE = "/bihuan/sla_watch"
ALWAYS = datetime(2004, 1, 1, tzinfo=UTC)
"""A candidate counts as if it always had; days of the calendar begin here."""

TIMERS_FIRED_MAX = 10_000
_IDS = UUID(int=0)


class NoCandidate(Refused):
    """This content is neither a clock table nor a calendar that sla_watch could follow."""

    rule = "no-candidate"
    zh = "该内容不是可用的时限表或工作日历"


class TimersWithoutEnd(Refused):
    """The rules of this version never come to rest; they cannot be tried."""

    rule = "timers-without-end"
    zh = "该版本的规则无法收敛"


class Change(StrEnum):
    """How a clock would differ."""

    VERDICT = "verdict"
    """Another state: kept instead of broken, running instead of kept …"""
    DUE = "due"
    """The same state with another due instant."""
    ADDED = "added"
    """It would run, and did not."""
    DROPPED = "dropped"
    """It ran, and would not."""


Name = tuple[str, str, int]
"""A clock: code, instance, cycle."""


@dataclass(frozen=True, slots=True)
class Judged:
    """Where a clock stands; `at` is when it was met or cancelled."""

    state: str
    due: datetime | None
    at: datetime | None


@dataclass(frozen=True, slots=True)
class Differs:
    """One clock of one complaint that another version would judge otherwise."""

    complaint: str
    clock: str
    instance: str
    cycle: int
    change: Change
    was: Judged | None
    would_be: Judged | None


@dataclass(slots=True)
class Tally:
    """How many verdicts a clock's code has, and would have; whole numbers."""

    was_met: int = 0
    was_breached: int = 0
    would_be_met: int = 0
    would_be_breached: int = 0


@dataclass(slots=True)
class Answer:
    """What would differ, over all complaints tried.

    `unlike_record` counts clocks that the same rules do not judge again as they are on record: 0
    unless the log is broken, and what differs is not to be trusted where it is more.
    """

    complaints: int = 0
    clocks: int = 0
    unlike_record: int = 0
    differs: list[Differs] = field(default_factory=list)
    tallies: dict[str, Tally] = field(default_factory=dict)

    def add(self, other: "Answer") -> None:
        """The same over more complaints."""
        self.complaints += other.complaints
        self.clocks += other.clocks
        self.unlike_record += other.unlike_record
        self.differs += other.differs
        for code, more in other.tallies.items():
            tally = self.tallies.setdefault(code, Tally())
            tally.was_met += more.was_met
            tally.was_breached += more.was_breached
            tally.would_be_met += more.would_be_met
            tally.would_be_breached += more.would_be_breached


def candidate(content: Mapping[str, Any]) -> PolicyInForce:
    """A version to try, as if it had always counted; raises NoCandidate saying what is wrong."""
    name = content.get("name")
    try:
        compiled = compile_policy(str(name), content)
    except ValueError as error:
        raise NoCandidate(f"{name}: {_first(error)}") from None
    return PolicyInForce(
        name=str(name),
        version=str(content.get("version", "")),
        sha256="",
        active_from=ALWAYS,
        content=content,
        compiled=compiled,
    )


def policies_of(activated: Iterable[tuple[Recorded[Any], datetime]]) -> Policies:
    """sla_watch's policies: (its `policy.activated`, from when it counts), in the log's order."""
    policies = Policies()
    for recorded, active_from in activated:
        data = recorded.data
        policies = policies.adding(
            PolicyInForce(
                name=data.name,
                version=data.version,
                sha256=data.sha256,
                active_from=active_from,
                content=data.content,
                compiled=compile_policy(data.name, data.content),
            )
        )
    return policies


def instead(policies: Policies, candidates: Iterable[PolicyInForce]) -> Policies:
    """The same policies, but of each candidate's name this version alone."""
    return Policies({**policies.versions, **{one.name: (one,) for one in candidates}})


def what_if(
    events: Iterable[Recorded[Any]],
    policies: Policies,
    candidates: Sequence[PolicyInForce],
    until: datetime,
) -> Answer:
    """One complaint, judged by the versions that counted and by the candidates, up to `until`.

    Events come in the log's order, all of one subject. Raises LogBroken, TimersWithoutEnd.
    """
    story = told_once(one for one in events if one.time <= until)
    if not story:
        return Answer()
    recorded = _on_record(story)
    was = _verdicts(decide_again(story, policies, until))
    would_be = _verdicts(decide_again(story, instead(policies, candidates), until))
    answer = Answer(complaints=1, clocks=len(was))
    answer.unlike_record = sum(was.get(name) != recorded.get(name) for name in was | recorded)
    for name in sorted(was.keys() | would_be.keys()):
        _compare(answer, story[0].subject, name, was.get(name), would_be.get(name))
    return answer


def decide_again(story: Story, policies: Policies, until: datetime) -> Watch | None:
    """A complaint's clocks, from what the other services said, by these policies."""
    again = _Again(story[0].subject, policies)
    for one in story:
        if one.source == SOURCE:
            if _reconsidered(one):
                again.ask(ReconsiderCalendar(at=one.time), one.time)
            continue
        for to in react(one):
            again.ask(to.command, one.time)
    again.fire(until, including=True)
    return again.state


class _Again:
    """One stream of clocks in memory: commands in, events folded, timers fired when due."""

    def __init__(self, subject: str, policies: Policies) -> None:
        self._subject = subject
        self._policies = policies
        self._now = ALWAYS
        self._sequence = 0
        self.state: Watch | None = None

    def ask(self, command: Command, now: datetime) -> None:
        """Decides a command heard at `now`; what was due before its fact fires first (DESIGN)."""
        self.fire(command.at, including=False)
        self._now = max(self._now, now)
        try:
            self._decide(command)
        except DomainError:
            return  # a refused reaction is a no-op, here as in the service

    def fire(self, limit: datetime, *, including: bool) -> None:
        """Fires every timer due before `limit`, or at it."""
        for _ in range(TIMERS_FIRED_MAX):
            timers = {} if self.state is None else STREAM.timers(self.state)
            due, name = min(((due, name) for name, due in timers.items()), default=(None, ""))
            if due is None or due > limit or (due == limit and not including):
                return
            self._now = max(self._now, due)
            self._decide(TimerFired(timer=name, at=due))
        raise TimersWithoutEnd

    def _decide(self, command: Command) -> None:
        context = Context(self._now, "system:sla_watch", self._policies, self._subject)
        for event in STREAM.decide(self.state, command, context):
            self._sequence += 1
            recorded = Recorded(
                id=uuid5(_IDS, f"{self._subject}|{self._sequence}"),
                source=SOURCE,
                type=event.type,
                subject=self._subject,
                time=self._now,
                sequence=self._sequence,
                actor="system:sla_watch",
                data=event,
            )
            self.state = STREAM.evolve(self.state, recorded)


def _reconsidered(one: Recorded[Any]) -> bool:
    """Whether somebody had a calendar's unknown dues counted then: that was asked, not decided."""
    event = one.data
    return isinstance(event, ClocksRescheduled) and event.reason is RescheduleReason.CALENDAR_LOADED


def _on_record(story: Story) -> dict[Name, Judged]:
    watch: Watch | None = None
    for one in story:
        if one.source == SOURCE and type(one.data) in STREAM.events:
            watch = STREAM.evolve(watch, one)
    return _verdicts(watch)


def _verdicts(watch: Watch | None) -> dict[Name, Judged]:
    return {} if watch is None else {clock.name: _judged(clock) for clock in watch.clocks}


def _judged(clock: Watched) -> Judged:
    standing = clock.standing
    at = None if standing.status in OPEN else standing.at
    return Judged(standing.status.value, standing.due, at)


def _compare(
    answer: Answer, complaint: str, name: Name, was: Judged | None, would_be: Judged | None
) -> None:
    tally = answer.tallies.setdefault(name[0], Tally())
    tally.was_met += was is not None and was.state == "met"
    tally.was_breached += was is not None and was.state == "breached"
    tally.would_be_met += would_be is not None and would_be.state == "met"
    tally.would_be_breached += would_be is not None and would_be.state == "breached"
    if was is None:
        change = Change.ADDED
    elif would_be is None:
        change = Change.DROPPED
    elif was.state != would_be.state:
        change = Change.VERDICT
    elif was.due != would_be.due:
        change = Change.DUE
    else:
        return
    answer.differs.append(Differs(complaint, *name, change, was, would_be))


def _first(error: ValueError) -> str:
    """The first fault, in a line; a policy's content is no personal data."""
    errors = getattr(error, "errors", None)
    if not callable(errors):
        return str(error)
    fault = errors()[0]
    return f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}"


__all__ = [
    "CLOCKS",
    "SOURCE",
    "WORKING_DAYS",
    "Answer",
    "Change",
    "Differs",
    "Judged",
    "NoCandidate",
    "Tally",
    "candidate",
    "decide_again",
    "instead",
    "policies_of",
    "what_if",
]
