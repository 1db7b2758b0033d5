"""A fact is heard: which clocks stand differently now, and what has to be kept for later."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from contracts.sla_watch import (
    CancelReason,
    ClockCorrected,
    ClockMet,
    ClocksCancelled,
    ClocksNoted,
    ClocksPaused,
    ClocksRescheduled,
    NotedFact,
    RescheduleReason,
    Verdict,
)
from contracts.values import ClockPurpose
from libs.decider import Context, Event, Policies
from services.sla_watch.domain.commands import EndClocks, TakeFact, WatchCommand
from services.sla_watch.domain.facts import ANSWERS, PAUSES, Fact, FactKind
from services.sla_watch.domain.starting import calendar_of, rule_of
from services.sla_watch.domain.state import DECIDED, Status, Watch, Watched
from services.sla_watch.domain.telling import Change, Telling
from services.sla_watch.domain.verdicts import REVOCABLE, concerns, denies, judge, step, tellable

PENDING = 1 << 62
"""The order of a fact that is being heard: after all on record."""

FOR_GOOD = frozenset({CancelReason.WITHDRAWN, CancelReason.REJECTED, CancelReason.MERGED})
"""Ends that may overtake work still under way. A closing cannot: it follows from the answer."""

_NOTED = {
    FactKind.ANSWERED: NotedFact.ANSWERED,
    FactKind.FINAL_RESPONSE: NotedFact.ANSWERED,
    FactKind.SUSPENDED: NotedFact.SUSPENDED,
    FactKind.RESUMED: NotedFact.RESUMED,
}


@dataclass(frozen=True, slots=True)
class Heard:
    """What a fact does: the changes, and whether it decides about a clock that cannot be told yet.

    That is one whose due is not known, or one that is stopped and may start again.
    """

    changes: Sequence[Change]
    held: bool


def take(watch: Watch, command: TakeFact, context: Context) -> Sequence[Event]:
    """Something happened that may keep a promise, pause a clock or let it go on."""
    if watch.knows(command.fact.event):
        return []
    fact = Fact(
        kind=command.kind,
        at=command.at,
        cycle=command.cycle,
        ref=command.fact,
        order=PENDING,
        case=command.case,
        forwards=command.forwards,
        waiting_for=command.waiting_for,
    )
    heard = hear(watch, fact, context.policies)
    tell = telling(watch, command, context, command.waiting_for)
    tell.resumed = fact.kind is FactKind.RESUMED
    events = tell.tell(heard.changes)
    kind = _to_note(watch, fact, events, held=heard.held)
    if kind is not None:
        return [*events, _noted(command, kind, command.case)]
    return events


def end(watch: Watch, command: EndClocks, context: Context) -> Sequence[Event]:
    """Nobody owes anything any more: clocks stop without a verdict."""
    fact = end_of(command, command.reason, case=command.case)
    if watch.knows(command.fact.event) or watch.ended_by(fact):
        return []
    heard = hear(watch, fact, context.policies)
    events = telling(watch, command, context).tell(heard.changes)
    if command.reason in FOR_GOOD and not any(isinstance(one, ClocksCancelled) for one in events):
        # None was open. It is on record all the same: no clock may start any more.
        nothing = ClocksCancelled(
            cycle=watch.cycle, clocks=(), since=command.at, reason=command.reason
        )
        return [*events, nothing]
    if command.case is not None and heard.held:
        return [*events, _noted(command, NotedFact.KEPT, command.case)]
    return events


def _noted(command: WatchCommand, kind: NotedFact, case: int | None) -> ClocksNoted:
    """The fact for later, in the cycle that it happened in."""
    forwards = command.forwards if isinstance(command, TakeFact) else ()
    return ClocksNoted(
        cycle=command.cycle,
        kind=kind,
        fact=command.fact,
        at=command.at,
        case=case,
        forwards=forwards,
    )


def end_of(command: WatchCommand, reason: CancelReason, *, case: int | None = None) -> Fact:
    """The end of some clocks, as a fact."""
    return Fact(
        kind=FactKind.ENDED,
        at=command.at,
        cycle=command.cycle,
        ref=command.fact,
        order=PENDING,
        case=case,
        reason=reason,
    )


def hear(watch: Watch, fact: Fact, policies: Policies) -> Heard:
    """Which clocks stand differently after this fact.

    A fact in order is one step for an open clock, and nothing for one that has its verdict. Only
    what comes late, or meets a due that is not known, is judged from the beginning.
    """
    late = watch.last is not None and fact.key < watch.last
    changes, held = [], False
    for clock in watch.clocks:
        before = clock.standing
        decided = before.decided_at if before.status in DECIDED else None
        denied = fact.kind is FactKind.PARTNER_DENIED and denies(
            fact, clock, rule_of(clock, policies)
        )
        held = held or denied
        if decided is not None and fact.at > max(decided, clock.terms.begun[0]) and not denied:
            held = held or _kept_for_a_restart(fact, clock, policies)
            continue
        rule, calendar = rule_of(clock, policies), calendar_of(clock, policies)
        overtaken = late or denied or fact.at < clock.terms.begun[0]
        if overtaken or decided is not None or before.uncertain:
            after = judge(clock, rule, calendar, (*watch.facts, fact))
        else:
            after = step(before, fact, clock, rule, calendar)
        held = held or (after.status is Status.HELD and after.fact is fact.ref)
        after = tellable(before, after)
        if after != before:
            changes.append(Change(clock, rule, calendar, before, after))
    return Heard(changes, held)


def _kept_for_a_restart(fact: Fact, clock: Watched, policies: Policies) -> bool:
    """Whether it would have met a clock that is stopped only for now."""
    if clock.standing.reason not in REVOCABLE:
        return False
    rule = rule_of(clock, policies)
    return fact.kind in rule.met_by and concerns(fact, clock, rule)


def telling(
    watch: Watch, command: WatchCommand, context: Context, waiting_for: str | None = None
) -> Telling:
    """Collects the events of one decision."""
    return Telling(
        cycle=max(watch.cycle, command.cycle),
        at=command.at,
        now=context.now,
        cause=command.fact,
        waiting_for=waiting_for or "unknown",
    )


def _to_note(watch: Watch, fact: Fact, events: Iterable[Event], *, held: bool) -> NotedFact | None:
    """What to keep the fact as, when no event of this decision does and it may yet count."""
    if any(_carries(event, fact) for event in events):
        return None
    kind = _NOTED.get(fact.kind)
    if kind is not None and (held or _may_count(watch, fact)):
        return kind
    return NotedFact.KEPT if held else None


def _carries(event: Event, fact: Fact) -> bool:
    """Whether this event puts the fact on record, as `evolve` reads it."""
    if fact.kind is FactKind.PARTNER_DENIED:
        return False
    match event:
        case ClockMet():
            decided = event.purpose is ClockPurpose.DESK_DECISION
            mine = fact.ref is not None and event.fact.event == fact.ref.event
            return mine and not (decided and fact.kind is FactKind.FINAL_RESPONSE)
        case ClockCorrected():
            kept = event.now is Verdict.MET and fact.kind not in PAUSES
            return kept and event.purpose is not ClockPurpose.DESK_DECISION
        case ClocksPaused():
            return fact.kind is FactKind.SUSPENDED
        case ClocksRescheduled():
            return event.reason is RescheduleReason.RESUMED
        case _:
            return False


def _may_count(watch: Watch, fact: Fact) -> bool:
    """Whether a clock that starts later could be judged by it: any answer, every pause."""
    if fact.kind in ANSWERS:
        return True
    pauses = [
        one
        for one in watch.facts
        if one.kind in PAUSES and one.cycle == fact.cycle and one.at <= fact.at
    ]
    waiting = bool(pauses) and max(pauses, key=_place).kind is FactKind.SUSPENDED
    return waiting is (fact.kind is FactKind.RESUMED)


def _place(fact: Fact) -> tuple[datetime, int]:
    return fact.at, fact.order
