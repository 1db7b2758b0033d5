"""How a complaint's clocks follow from what was told about them; total, and without a guard."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from contracts.escalation import CaseDecided
from contracts.feedback_survey import ConfirmationRecorded
from contracts.sla_watch import (
    CancelReason,
    ClockBreached,
    ClockCorrected,
    ClockEvent,
    ClockMet,
    ClocksCancelled,
    ClocksNoted,
    ClocksPaused,
    ClocksRescheduled,
    ClocksStarted,
    ClockWarned,
    NotedFact,
    RescheduleReason,
    StartCause,
    Verdict,
)
from contracts.values import ClockPurpose, ClockRef, EventRef
from libs.decider import Recorded
from libs.timekeeping.counting import last_counted_date
from services.sla_watch.domain.facts import OF_THE_COMPLAINT, Fact, FactKind, name_of
from services.sla_watch.domain.starting import warnings_told, watched
from services.sla_watch.domain.state import Standing, Status, Watch, Watched
from services.sla_watch.domain.verdicts import forward_of

_KINDS = {
    "notice.issued.v1": FactKind.RECEIPT,
    "work.contacted.v1": FactKind.CONTACTED,
    "work.answered.v1": FactKind.ANSWERED,
    "work.reported_back.v1": FactKind.PARTNER_REPORTED,
    "case.customer_contacted.v1": FactKind.DESK_CONTACTED,
    "case.decided.v1": FactKind.DECIDED,
    "case.reported.v1": FactKind.REGULATOR_REPORTED,
    "confirmation.recorded.v1": FactKind.PARTNER_CONTACTED,
    "survey.concluded.v1": FactKind.SURVEY_ANSWERED,
    "complaint.registered.v1": FactKind.ANSWERED,  # history tells its answer along with itself
}
"""What an event that kept a promise was, to clocks."""

_BY_PURPOSE = {
    ClockPurpose.PARTNER: FactKind.PARTNER_ANSWERED,
    ClockPurpose.PARTNER_CUSTOMER: FactKind.PARTNER_CONTACTED,
}
"""What it was, where its type alone does not tell."""

_CASE_ENDS = {
    "case.declined.v1": CancelReason.CASE_DECLINED,
    "case.closed.v1": CancelReason.CASE_CLOSED,
}

_NOTED = {
    NotedFact.ANSWERED: FactKind.ANSWERED,
    NotedFact.SUSPENDED: FactKind.SUSPENDED,
    NotedFact.RESUMED: FactKind.RESUMED,
}

_ONCE = frozenset(
    {
        ClockPurpose.ACKNOWLEDGE,
        ClockPurpose.FIRST_CONTACT,
        ClockPurpose.LEGAL_ANSWER,
        ClockPurpose.LEGAL_REPAIR,
    }
)
"""Clocks that any cycle's fact may meet; the others are met by their own cycle's."""


def evolve(watch: Watch | None, recorded: Recorded[Any]) -> Watch:
    """The state after one more event of this stream."""
    event = recorded.data
    if isinstance(event, ClocksStarted):
        return _started(watch, event, recorded)
    assert watch is not None, "a stream of clocks begins with clocks.started"
    match event:
        case ClockMet():
            return _met(watch, event, recorded)
        case ClockWarned():
            return _warned(watch, event)
        case ClockBreached():
            return _breached(watch, event, recorded)
        case ClocksPaused():
            return _paused(watch, event, recorded)
        case ClocksRescheduled():
            return _rescheduled(watch, event, recorded)
        case ClocksCancelled():
            return _cancelled(watch, event, recorded)
        case ClockCorrected():
            return _corrected(watch, event, recorded)
        case ClocksNoted():
            return _noted(watch, event, recorded)
        case _:
            raise TypeError(f"{type(event).__name__} is no event of this stream")


def _started(watch: Watch | None, event: ClocksStarted, recorded: Recorded[Any]) -> Watch:
    begun = (event.clock_from, recorded.sequence)
    history = event.cause is StartCause.IMPORTED
    clocks = tuple([watched(clock, begun, history=history) for clock in event.clocks])
    if watch is None:
        assert event.profile is not None, "the first clocks come with what they go by"
        return Watch(event.cycle, event.profile, event.clock_from, event.clock_from, None, clocks)
    watch = replace(
        watch,
        cycle=event.cycle,
        profile=event.profile or watch.profile,
        clocks=_with_clocks(watch.clocks, clocks),
    )
    match event.cause:
        case StartCause.REOPENED:
            watch = replace(watch, cycle_from=event.clock_from, route=event.route, ended=None)
            return watch.with_fact(_end(watch, event.clock_from, CancelReason.REOPENED, recorded))
        case StartCause.RECLASSIFIED:
            fact = _end(watch, event.clock_from, CancelReason.RECLASSIFIED, recorded)
            return watch.with_fact(fact._replace(profile=event.profile, route=watch.route))
        case StartCause.UNMERGED:
            watch = replace(watch, ended=None)
            fact = _end(watch, event.clock_from, CancelReason.MERGED, recorded)._replace(
                kind=FactKind.RESTARTED, reason=None, profile=event.profile, route=watch.route
            )
            return watch.with_fact(fact)
        case _:
            return watch


def _with_clocks(known: tuple[Watched, ...], new: tuple[Watched, ...]) -> tuple[Watched, ...]:
    """New clocks; one that was stopped and starts again keeps its place and its beginning."""
    begun = {clock.name: clock.terms.begun for clock in known}
    again = {
        clock.name: replace(clock, terms=clock.terms._replace(begun=begun[clock.name]))
        for clock in new
        if clock.name in begun
    }
    if not again:
        return (*known, *new)
    return (
        *(again.get(clock.name, clock) for clock in known),
        *(clock for clock in new if clock.name not in again),
    )


def _end(watch: Watch, at: datetime, reason: CancelReason, recorded: Recorded[Any]) -> Fact:
    return Fact(FactKind.ENDED, at, watch.cycle, None, recorded.sequence, reason=reason)


def _met(watch: Watch, event: ClockMet, recorded: Recorded[Any]) -> Watch:
    standing = Standing(Status.MET, event.due, None, event.at, event.fact)
    changed = _change(watch, event, lambda clock: _decided(clock, standing, recorded))
    return _with_kept(changed, event, event.fact, recorded)


def _breached(watch: Watch, event: ClockBreached, recorded: Recorded[Any]) -> Watch:
    standing = Standing(Status.BREACHED, event.due_at)
    return _change(
        watch,
        event,
        lambda clock: replace(
            _decided(clock, standing, recorded),
            breached_due=event.due_at,
            retroactive=event.retroactive,
        ),
    )


def _corrected(watch: Watch, event: ClockCorrected, recorded: Recorded[Any]) -> Watch:
    match event.now:
        case Verdict.MET:
            standing = Standing(Status.MET, event.due, None, event.at, event.fact)
        case Verdict.BREACHED:
            standing = Standing(Status.BREACHED, event.due)
        case Verdict.CANCELLED:  # clocks.cancelled follows and says when and why
            standing = Standing(Status.CANCELLED, event.due)
        case Verdict.RUNNING:
            standing = Standing(Status.RUNNING, event.due)

    def correct(clock: Watched) -> Watched:
        breached = event.due if event.now is Verdict.BREACHED else clock.breached_due
        return replace(
            _decided(clock, standing, recorded),
            breached_due=breached,
            corrections=clock.corrections + 1,
        )

    watch = _change(watch, event, correct)
    if event.now is Verdict.MET and event.fact.type in _KINDS:
        return _with_kept(watch, event, event.fact, recorded)
    return watch  # a pause heard late, say: what kept the promise is on record already


def _warned(watch: Watch, event: ClockWarned) -> Watch:
    def warn(clock: Watched) -> Watched:
        levels = [level for level, _ in clock.warn_at]
        passed = levels.index(event.level.value) + 1 if event.level.value in levels else 0
        return replace(clock, warn_at=clock.warn_at[passed:], warned=event.level.value)

    return _change(watch, event, warn)


def _paused(watch: Watch, event: ClocksPaused, recorded: Recorded[Any]) -> Watch:
    left = {
        name_of(one): None if one.left_us is None else timedelta(microseconds=one.left_us)
        for one in event.clocks
    }

    def pause(clock: Watched) -> Watched:
        standing = Standing(Status.PAUSED, clock.terms.first_due, left[clock.name], event.since)
        return replace(clock, standing=standing, warn_at=())

    watch = _change_all(watch, event.clocks, pause)
    cycle = event.clocks[0].started_in
    known = any(
        fact.kind is FactKind.SUSPENDED and (fact.at, fact.cycle) == (event.since, cycle)
        for fact in watch.facts
    )
    if known:
        return watch
    return watch.with_fact(
        Fact(
            FactKind.SUSPENDED,
            event.since,
            cycle,
            None,
            recorded.sequence,
            waiting_for=event.reason,
        )
    )


def _rescheduled(watch: Watch, event: ClocksRescheduled, recorded: Recorded[Any]) -> Watch:
    dues = {name_of(one): one for one in event.clocks}
    loaded = event.reason is RescheduleReason.CALENDAR_LOADED

    def move(clock: Watched) -> Watched:
        due = dues[clock.name]
        met = clock.standing.status is Status.MET
        return replace(
            clock,
            standing=clock.standing._replace(due=due.due)
            if met
            else Standing(Status.RUNNING, due.due),
            warn_at=() if met else warnings_told(due),
            last_counted=due.last_counted,
            terms=clock.terms._replace(calendar=due.calendar, first_due=due.due)
            if loaded
            else clock.terms,
        )

    watch = _change_all(watch, event.clocks, move)
    if event.reason is RescheduleReason.RESUMED:
        cycle = event.clocks[0].started_in
        return watch.with_fact(Fact(FactKind.RESUMED, event.since, cycle, None, recorded.sequence))
    return watch


def _cancelled(watch: Watch, event: ClocksCancelled, recorded: Recorded[Any]) -> Watch:
    def cancel(clock: Watched) -> Watched:
        standing = Standing(
            Status.CANCELLED, clock.standing.due, None, event.since, None, event.reason
        )
        return _decided(clock, standing, recorded)

    watch = _change_all(watch, event.clocks, cancel)
    if event.reason in (CancelReason.RECLASSIFIED, CancelReason.REOPENED):
        return watch  # clocks.started follows and has it
    fact = _end(watch, event.since, event.reason, recorded)
    if event.reason in OF_THE_COMPLAINT:
        if watch.ended_by(fact):
            return watch  # on record: this clock was on its way when it happened
        watch = replace(watch, ended=event.since)
    if event.clocks:
        name = name_of(event.clocks[0])
        fact = fact._replace(case=watch.clock(name).terms.case, cycle=name[2])
    return watch.with_fact(fact)


def _noted(watch: Watch, event: ClocksNoted, recorded: Recorded[Any]) -> Watch:
    reason = _CASE_ENDS.get(event.fact.type)
    kind = _NOTED.get(event.kind) or (FactKind.ENDED if reason else _KINDS[event.fact.type])
    if event.fact.type == ConfirmationRecorded.type:
        kind = FactKind.PARTNER_DENIED
    if event.kind is NotedFact.ANSWERED and event.fact.type == CaseDecided.type:
        kind = FactKind.FINAL_RESPONSE
    return watch.with_fact(
        Fact(
            kind,
            event.at,
            event.cycle,
            event.fact,
            recorded.sequence,
            case=event.case,
            forwards=event.forwards,
            reason=reason,
        )
    )


def _with_kept(
    watch: Watch, event: ClockMet | ClockCorrected, ref: EventRef, recorded: Recorded[Any]
) -> Watch:
    """The fact that kept a promise, once however many clocks it met."""
    kind = _BY_PURPOSE.get(event.purpose, _KINDS[ref.type])
    if kind is FactKind.DECIDED and event.purpose is not ClockPurpose.DESK_DECISION:
        kind = FactKind.FINAL_RESPONSE
    clock = watch.clock((event.clock, event.instance, event.started_in))
    forward = forward_of(clock)
    for fact in watch.facts:
        if fact.kind is kind and fact.ref is not None and fact.ref.event == ref.event:
            if forward is None or forward in fact.forwards:
                return watch
            more = fact._replace(forwards=(*fact.forwards, forward))
            return watch.with_facts(tuple(more if one is fact else one for one in watch.facts))
    assert event.at is not None
    return watch.with_fact(
        Fact(
            kind,
            event.at,
            event.cycle if event.purpose in _ONCE else event.started_in,
            ref,
            recorded.sequence,
            case=clock.terms.case,
            forwards=() if forward is None else (forward,),
        )
    )


def _decided(clock: Watched, standing: Standing, recorded: Recorded[Any]) -> Watched:
    due, counted = standing.due, clock.last_counted
    if due != clock.standing.due:
        counted = None if due is None else last_counted_date(due)
    return Watched(  # as `replace` would, which costs three times as much, on every verdict
        clock.name,
        clock.purpose,
        clock.terms,
        standing,
        (),
        counted,
        recorded.id,
        clock.breached_due,
        clock.retroactive,
        clock.corrections,
        clock.warned,
    )


def _change(watch: Watch, event: ClockEvent, change: Callable[[Watched], Watched]) -> Watch:
    name = (event.clock, event.instance, event.started_in)
    return watch.with_clocks(
        tuple([change(one) if one.name == name else one for one in watch.clocks])
    )


def _change_all(
    watch: Watch, refs: Iterable[ClockRef], change: Callable[[Watched], Watched]
) -> Watch:
    names = {name_of(one) for one in refs}
    return watch.with_clocks(
        tuple([change(one) if one.name in names else one for one in watch.clocks])
    )
