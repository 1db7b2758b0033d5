"""Which clocks start, from when, and when they are due."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from contracts.values import Clock, Due, Warn, WarningLevel
from libs.decider import Policies, PolicyInForce, PolicyMissing
from libs.timekeeping.calendars import BeyondCalendar
from libs.timekeeping.counting import Counting, last_counted_date, warnings
from services.sla_watch.domain.policy import CLOCKS, WORKING_DAYS, Calendar, ClockTable, Rule
from services.sla_watch.domain.state import Standing, Status, Terms, Watched


@dataclass(frozen=True, slots=True)
class Start:
    """A clock to be started: its rule, its name, where it counts from.

    `due` is set where somebody else set the time (a promise, a survey, the regulator).
    """

    rule: Rule
    cycle: int
    clock_from: datetime
    instance: str = ""
    due: datetime | None = None
    case: int | None = None

    @property
    def name(self) -> tuple[str, str, int]:
        """The clock's name within its complaint."""
        return (self.rule.code, self.instance, self.cycle)


@dataclass(frozen=True, slots=True)
class Counted:
    """A limit counted: the due (None: unknown), and the calendar it was counted with."""

    due: datetime | None
    calendar: Calendar | None
    version: str | None


def count(start: Start, policies: Policies, now: datetime) -> Counted:
    """When a clock is due, by the calendar in force when it began.

    Where that calendar does not reach, the newest one in force now is asked; where that does not
    reach either, the due is unknown (convention 12). Never a guess.
    """
    rule = start.rule
    if start.due is not None:
        return Counted(start.due, None, None)
    assert rule.limit is not None, f"{rule.code} has no limit and nobody set its time"
    if rule.fixed is not None:
        return Counted(rule.fixed.due(start.clock_from, rule.limit), None, None)
    began = in_force(policies, WORKING_DAYS, start.clock_from, now)
    counted = _counted(rule, start.clock_from, began)
    return counted if counted.due else count_anew(rule, start.clock_from, policies, now)


def count_anew(rule: Rule, clock_from: datetime, policies: Policies, now: datetime) -> Counted:
    """When a clock is due by the newest calendar in force."""
    return _counted(rule, clock_from, policies.in_force(WORKING_DAYS, max(now, clock_from)))


def _counted(rule: Rule, clock_from: datetime, version: PolicyInForce) -> Counted:
    calendar: Calendar = version.compiled
    assert rule.limit is not None
    try:
        due = rule.counting(calendar).due(clock_from, rule.limit)
    except BeyondCalendar:
        return Counted(None, calendar, version.version)
    return Counted(due, calendar, version.version)


def in_force(policies: Policies, name: str, at: datetime, now: datetime) -> PolicyInForce:
    """The version in force at `at`; before the very first one, the present: never a refusal."""
    try:
        return policies.in_force(name, at)
    except PolicyMissing:
        return policies.in_force(name, now)


def table_at(policies: Policies, at: datetime, now: datetime) -> ClockTable:
    """The clock table that a clock starting at `at` goes by."""
    table: ClockTable = in_force(policies, CLOCKS, at, now).compiled
    return table


def rule_of(clock: Watched, policies: Policies) -> Rule:
    """The rule a clock started with; later versions never touch it (convention 11)."""
    table: ClockTable = policies.version(CLOCKS, clock.terms.policy).compiled
    return table.rules[clock.name[0]]


def calendar_of(clock: Watched, policies: Policies) -> Calendar | None:
    """The calendar a clock counts with; None when none matters."""
    if clock.terms.calendar is None:
        return None
    calendar: Calendar = policies.version(WORKING_DAYS, clock.terms.calendar).compiled
    return calendar


def watched(clock: Clock, begun: tuple[datetime, int], *, history: bool = False) -> Watched:
    """The clock as it starts to run; `begun` is when and where in the stream."""
    return Watched(
        name=(clock.clock, clock.instance, clock.started_in),
        purpose=clock.purpose,
        terms=Terms(
            policy=clock.policy.version,
            calendar=clock.calendar,
            clock_from=clock.clock_from,
            begun=begun,
            first_due=clock.due,
            pausable=clock.pausable,
            case=clock.case,
            history=history,
        ),
        standing=Standing(Status.RUNNING, clock.due),
        warn_at=warnings_told(clock),
        last_counted=clock.last_counted,
    )


def warnings_told(due: Due) -> tuple[tuple[str, datetime], ...]:
    """The warnings still to come, as the state keeps them."""
    return tuple([(warn.level.value, warn.at) for warn in due.warn_at])


def contract(start: Start, counted: Counted, warn_at: tuple[Warn, ...]) -> Clock:
    """The clock as the event tells it."""
    rule = start.rule
    return Clock(
        clock=rule.code,
        instance=start.instance,
        started_in=start.cycle,
        due=counted.due,
        last_counted=None if counted.due is None else last_counted_date(counted.due),
        warn_at=warn_at,
        calendar=counted.version,
        purpose=rule.purpose,
        clock_from=start.clock_from,
        pausable=rule.pausable,
        policy=rule.policy,
        case=start.case,
    )


def warnings_of(
    rule: Rule, counting: Counting, clock_from: datetime, due: datetime | None, after: datetime
) -> tuple[Warn, ...]:
    """The warnings of a clock that starts, but for levels already past at `after`."""
    if due is None or not rule.levels or due <= after:
        return ()
    try:
        total = counting.counted(clock_from, due)
        ahead = warnings(counting, clock_from, total, total, rule.levels)
    except BeyondCalendar:
        return ()
    return tuple(Warn(level=WarningLevel(level), at=at) for level, at in ahead if at > after)


def rescheduled(
    clock: Watched, rule: Rule, calendar: Calendar | None, standing: Standing, since: datetime
) -> Due:
    """A clock that goes on at `since`, as the event tells it."""
    return Due(
        clock=clock.name[0],
        instance=clock.name[1],
        started_in=clock.name[2],
        due=standing.due,
        last_counted=None if standing.due is None else last_counted_date(standing.due),
        warn_at=_warnings_ahead(clock, rule, calendar, standing, since),
        calendar=clock.terms.calendar,
    )


def _warnings_ahead(
    clock: Watched,
    rule: Rule,
    calendar: Calendar | None,
    standing: Standing,
    since: datetime,
) -> tuple[Warn, ...]:
    due = standing.due
    if standing.status is not Status.RUNNING:
        return ()
    if due is None or clock.terms.first_due is None or not rule.levels or due <= since:
        return ()
    counting = rule.counting(calendar)
    try:
        total = counting.counted(clock.terms.clock_from, clock.terms.first_due)
        left: timedelta = counting.counted(since, due)
        ahead = warnings(counting, since, total, left, rule.levels)
    except BeyondCalendar:
        return ()
    return tuple(Warn(level=WarningLevel(level), at=at) for level, at in ahead)
