"""Clocks start: with a complaint, a reclassification, a new cycle, a forward, a promise, a case."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from contracts.sla_watch import (
    CancelReason,
    ClockMet,
    ClocksNoted,
    ClocksRescheduled,
    ClocksStarted,
    NotedFact,
    RescheduleReason,
    StartCause,
)
from contracts.values import Clock, ClockPurpose, Correspondent, Due, Profile, ReopenRoute
from libs.decider import Context, Event
from libs.timekeeping.calendars import BeyondCalendar
from libs.timekeeping.counting import date_of, last_counted_date
from services.sla_watch.domain.commands import (
    OpenCycle,
    ReconsiderCalendar,
    ReplaceClocks,
    RestartClocks,
    StartCase,
    StartForward,
    StartPromise,
    StartSurvey,
    StartWatching,
    TakeOver,
    WatchCommand,
)
from services.sla_watch.domain.facts import ANSWERS, Fact, FactKind
from services.sla_watch.domain.hearing import PENDING, end_of, hear, telling
from services.sla_watch.domain.policy import (
    WORKING_DAYS,
    Calendar,
    OncePer,
    Rule,
    Trigger,
    trigger_of,
)
from services.sla_watch.domain.starting import (
    Counted,
    Start,
    contract,
    count,
    count_anew,
    in_force,
    rule_of,
    table_at,
    warnings_of,
    watched,
)
from services.sla_watch.domain.state import Standing, Status, Watch, Watched
from services.sla_watch.domain.telling import Change, Telling
from services.sla_watch.domain.verdicts import judge, lapsed, tellable

_FIRST_CYCLE = 1


@dataclass(frozen=True, slots=True)
class Begun:
    """Why clocks start, and what the event tells besides them."""

    cause: StartCause
    clock_from: datetime
    profile: Profile | None = None
    correspondent: Correspondent | None = None
    route: ReopenRoute | None = None
    replayed: Fact | None = None
    """What takes back an earlier stop, if anything does."""


def start_watching(
    watch: Watch | None, command: StartWatching, context: Context
) -> Sequence[Event]:
    """A complaint's clocks, counted from the customer's words (convention 1)."""
    if watch is not None:
        return []
    table = table_at(context.policies, command.clock_from, context.now)
    starts = [
        Start(rule, command.cycle, command.clock_from)
        for rule in table.for_profile(Trigger.REGISTERED, command.profile)
    ]
    new = Watch(command.cycle, command.profile, command.clock_from, command.clock_from)
    begun = Begun(StartCause.REGISTERED, command.clock_from, command.profile, command.correspondent)
    return begin(new, starts, begun, command, context)


def take_over(watch: Watch | None, command: TakeOver, context: Context) -> Sequence[Event]:
    """A closed case of an older system: judged by its answer as its clocks start.

    No clock ever runs, so there is nothing to warn of and no timer. Only promises that an answer
    alone keeps are judged: an older system's receipts and calls are not known, and not guessed.
    """
    if watch is not None:
        return []
    table = table_at(context.policies, command.clock_from, context.now)
    starts = [
        Start(rule, command.cycle, command.clock_from)
        for rule in table.for_profile(Trigger.REGISTERED, command.profile)
        if ANSWERS.issuperset(rule.met_by)
    ]
    answer = Fact(FactKind.ANSWERED, command.answered_at, command.cycle, command.fact, PENDING)
    past = Watch(command.cycle, command.profile, command.clock_from, command.clock_from)
    begun = Begun(StartCause.IMPORTED, command.clock_from, command.profile)
    events = begin(past.with_fact(answer), starts, begun, command, context)
    if any(isinstance(event, ClockMet) for event in events):
        return events
    # A calendar that is loaded later may still want to know it (convention 12).
    noted = ClocksNoted(
        cycle=command.cycle,
        kind=NotedFact.ANSWERED,
        fact=command.fact,
        at=command.answered_at,
    )
    return [*events, noted]


def replace_clocks(
    watch: Watch, command: ReplaceClocks | RestartClocks, context: Context
) -> Sequence[Event]:
    """Set right what a complaint is about, or take it up again after a merge (convention 9).

    A clock that both need goes on as it is, pauses and all. One no longer wanted is cancelled, one
    wanted anew starts at the original contact and is judged by this cycle's pauses and answer.
    """
    if isinstance(command, ReplaceClocks):
        if command.profile == watch.profile:
            return []
        cause, taken_back = StartCause.RECLASSIFIED, CancelReason.RECLASSIFIED
        fact = end_of(command, CancelReason.RECLASSIFIED)
    else:
        if watch.ended is None:
            return []
        cause, taken_back = StartCause.UNMERGED, CancelReason.MERGED
        fact = end_of(command, CancelReason.MERGED)._replace(kind=FactKind.RESTARTED, reason=None)
    fact = fact._replace(profile=command.profile, route=watch.route)
    going_on = {
        clock.name
        for clock in watch.clocks
        if clock.standing.status is not Status.CANCELLED or clock.standing.reason is not taken_back
    }
    starts = [
        start for start in _wanted(watch, command.profile, context) if start.name not in going_on
    ]
    tell = telling(watch, command, context)
    tell.replaced_by = tuple(start.rule.code for start in starts)
    events = tell.tell(hear(watch, fact, context.policies).changes)
    begun = Begun(cause, command.at, command.profile, replayed=fact)
    return [*events, *begin(watch, starts, begun, command, context)]


def open_cycle(watch: Watch, command: OpenCycle, context: Context) -> Sequence[Event]:
    """The new cycle's clocks; the legal ones and the first contact are not started again."""
    if command.cycle <= watch.cycle:
        return []
    fact = end_of(command, CancelReason.REOPENED)
    events = telling(watch, command, context).tell(hear(watch, fact, context.policies).changes)
    starts = _of_cycle(command.cycle, command.route, command.clock_from, command.profile, context)
    begun = Begun(StartCause.REOPENED, command.clock_from, command.profile, route=command.route)
    return [*events, *begin(watch, starts, begun, command, context)]


def start_more(
    watch: Watch,
    command: StartForward | StartPromise | StartSurvey | StartCase,
    context: Context,
) -> Sequence[Event]:
    """Clocks with a start of their own: a forward, a promise, a survey, a case."""
    match command:
        case StartForward():
            cause, starts = StartCause.TRANSFERRED, _of_forward(watch, command, context)
        case StartPromise():
            cause, starts = StartCause.PROMISED, _of_promise(watch, command, context)
        case StartSurvey():
            cause, starts = StartCause.ASKED, _of_survey(watch, command, context)
        case StartCase():
            cause, starts = StartCause.CASE_REQUESTED, _of_case(watch, command, context)
    known = {clock.name for clock in watch.clocks}
    new = [start for start in starts if start.name not in known]
    return begin(watch, new, Begun(cause, command.at), command, context) if new else []


def reconsider(watch: Watch, command: ReconsiderCalendar, context: Context) -> Sequence[Event]:
    """Unknown dues may be known now; what was answered since gets its verdict (convention 12)."""
    dues: list[Due] = []
    changes: list[Change] = []
    for clock in watch.clocks:
        if not clock.standing.uncertain or clock.standing.status is Status.CANCELLED:
            continue
        rule = rule_of(clock, context.policies)
        counted = count_anew(rule, clock.terms.clock_from, context.policies, context.now)
        if counted.due is None:
            continue
        terms = clock.terms._replace(first_due=counted.due, calendar=counted.version)
        known = replace(clock, terms=terms)
        after = judge(known, rule, counted.calendar, watch.facts)
        met = clock.standing.status is Status.MET
        due = after.due if met else counted.due
        dues.append(_due_of(known, rule, counted, due, command.at))
        before = Standing(Status.RUNNING, counted.due)
        after = tellable(before, after)
        if not met and after != before:
            changes.append(Change(known, rule, counted.calendar, before, after))
    if not dues:
        return []
    moved = ClocksRescheduled(
        cycle=watch.cycle,
        clocks=tuple(dues),
        since=command.at,
        reason=RescheduleReason.CALENDAR_LOADED,
    )
    tell = Telling(cycle=watch.cycle, at=command.at, now=context.now)
    tell.waiting_for = _waiting_for(watch) or "unknown"
    return [moved, *tell.tell(changes)]


# --- which clocks -------------------------------------------------------------------------------


def _wanted(watch: Watch, profile: Profile, context: Context) -> list[Start]:
    """The clocks that this complaint would have, had it been about this from the beginning."""
    table = table_at(context.policies, watch.clock_from, context.now)
    first = [
        Start(rule, _FIRST_CYCLE, watch.clock_from)
        for rule in table.for_profile(Trigger.REGISTERED, profile)
        if watch.cycle == _FIRST_CYCLE or rule.once_per is OncePer.COMPLAINT
    ]
    if watch.cycle == _FIRST_CYCLE:
        return first
    again = _of_cycle(watch.cycle, watch.route, watch.cycle_from, profile, context)
    return [*first, *again]


def _of_cycle(
    cycle: int,
    route: ReopenRoute | None,
    clock_from: datetime,
    profile: Profile,
    context: Context,
) -> list[Start]:
    trigger = trigger_of(route)
    if trigger is None:
        return []
    table = table_at(context.policies, clock_from, context.now)
    return [Start(rule, cycle, clock_from) for rule in table.for_profile(trigger, profile)]


def _of_forward(watch: Watch, command: StartForward, context: Context) -> list[Start]:
    table = table_at(context.policies, command.reached_at, context.now)
    return [
        Start(rule, command.cycle, command.reached_at, f"forward-{command.forward}")
        for rule in table.for_forward(
            watch.profile, command.complexity, holiday=_on_holiday(command.reached_at, context)
        )
    ]


def _on_holiday(at: datetime, context: Context) -> bool:
    """Whether a date is a statutory holiday by name; one beyond the calendar is none we know of."""
    version = in_force(context.policies, WORKING_DAYS, at, context.now)
    calendar: Calendar = version.compiled
    try:
        return calendar.days.holiday(date_of(at)) is not None
    except BeyondCalendar:
        return False


def _of_promise(watch: Watch, command: StartPromise, context: Context) -> list[Start]:
    table = table_at(context.policies, command.at, context.now)
    return [
        Start(rule, command.cycle, command.at, f"promise-{command.promise}", command.new_due)
        for rule in table.for_profile(Trigger.PROMISED, watch.profile)
    ]


def _of_survey(watch: Watch, command: StartSurvey, context: Context) -> list[Start]:
    table = table_at(context.policies, command.at, context.now)
    return [
        Start(rule, command.cycle, command.at, due=command.expires)
        for rule in table.for_profile(Trigger.ASKED, watch.profile)
    ]


def _of_case(watch: Watch, command: StartCase, context: Context) -> list[Start]:
    """The desk's clocks; a date that the regulator names goes before the policy's limit."""
    table = table_at(context.policies, command.at, context.now)
    return [
        Start(
            rule,
            command.cycle,
            command.at,
            f"case-{command.case}",
            command.report_by if rule.purpose is ClockPurpose.REGULATOR_REPORT else None,
            command.case,
        )
        for rule in table.for_case(watch.profile, command.tier)
    ]


# --- how they begin -----------------------------------------------------------------------------


def begin(
    watch: Watch,
    starts: Sequence[Start],
    begun: Begun,
    command: WatchCommand,
    context: Context,
) -> list[Event]:
    """These clocks start, each judged at once by what is known (conventions 9 and 10)."""
    clocks: list[Clock] = []
    changes: list[Change] = []
    for start in starts:
        counted = count(start, context.policies, context.now)
        rule = start.rule
        counting = rule.counting(counted.calendar)
        history = begun.cause is StartCause.IMPORTED
        warn_at = (
            ()
            if history
            else warnings_of(rule, counting, start.clock_from, counted.due, command.at)
        )
        clock = contract(start, counted, warn_at)
        clocks.append(clock)
        change = _at_once(watch, start, counted, clock, begun, command.at)
        if change is not None:
            changes.append(change)
    started = ClocksStarted(
        cycle=max(watch.cycle, command.cycle),
        cause=begun.cause,
        clock_from=begun.clock_from,
        clocks=tuple(clocks),
        profile=begun.profile,
        correspondent=begun.correspondent,
        route=begun.route,
    )
    if not changes:
        return [started]
    tell = telling(watch, command, context, _waiting_for(watch))
    return [started, *tell.tell(changes)]


def _at_once(
    watch: Watch,
    start: Start,
    counted: Counted,
    clock: Clock,
    begun: Begun,
    at: datetime,
) -> Change | None:
    """How a clock stands as it begins, if not simply running.

    One whose due is past already is breached with that due, recorded now (convention 9).
    """
    before = after = Standing(Status.RUNNING, counted.due)
    if not watch.facts and not lapsed(clock.purpose, counted.due, at):
        return None
    stopped = next((one for one in watch.clocks if one.name == start.name), None)
    history = begun.cause is StartCause.IMPORTED
    first = stopped.terms.begun if stopped else (begun.clock_from, PENDING)
    new = watched(clock, first, history=history)
    facts = watch.facts if begun.replayed is None else (*watch.facts, begun.replayed)
    after = judge(new, start.rule, counted.calendar, facts)
    if after.status is Status.RUNNING and lapsed(clock.purpose, after.due, at):
        after = Standing(Status.BREACHED, after.due)
    after = tellable(before, after)
    if after == before:
        return None
    return Change(new, start.rule, counted.calendar, before, after, fresh=True)


def _due_of(
    clock: Watched, rule: Rule, counted: Counted, due: datetime | None, at: datetime
) -> Due:
    counting = rule.counting(counted.calendar)
    return Due(
        clock=clock.name[0],
        instance=clock.name[1],
        started_in=clock.name[2],
        due=due,
        last_counted=None if due is None else last_counted_date(due),
        warn_at=warnings_of(rule, counting, clock.terms.clock_from, due, at),
        calendar=clock.terms.calendar,
    )


def _waiting_for(watch: Watch) -> str | None:
    """Whom the latest pause waits for."""
    return next((fact.waiting_for for fact in reversed(watch.facts) if fact.waiting_for), None)
