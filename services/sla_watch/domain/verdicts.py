"""The verdict on a clock: a pure function of facts in order, whenever they were heard.

`step` is the whole law: it folds one fact into a clock's standing. A fact that comes in order is
one step; one that comes late makes `judge` fold them all again, so that live, late, crashed and
replayed give the same (DOMAIN, counting conventions 6, 7, 10; DESIGN, Timers).
"""

from collections.abc import Iterable
from datetime import datetime
from operator import attrgetter

from contracts.sla_watch import CancelReason
from contracts.values import ClockPurpose
from libs.timekeeping.calendars import BeyondCalendar
from libs.timekeeping.counting import Counting, midnight, ordinal_of
from services.sla_watch.domain.facts import OF_THE_COMPLAINT, Fact, FactKind
from services.sla_watch.domain.policy import Calendar, OncePer, Rule, Trigger, trigger_of
from services.sla_watch.domain.state import DECIDED, Standing, Status, Watched

_BY_KEY = attrgetter("key")
REVOCABLE = frozenset({CancelReason.RECLASSIFIED, CancelReason.MERGED})
"""Stops that may be taken back: reclassified again, or not the same matter after all."""


def judge(clock: Watched, rule: Rule, calendar: Calendar | None, facts: Iterable[Fact]) -> Standing:
    """Where this clock stands, by all these facts."""
    in_order = _not_denied(sorted(facts, key=_BY_KEY), clock, rule)
    over = _over_already(clock, rule, in_order)
    if over is not None:
        due = clock.terms.first_due
        return Standing(Status.CANCELLED, due, None, over.at, None, over.reason)
    standing = unstopped = Standing(Status.RUNNING, clock.terms.first_due)
    for fact in in_order:
        if _revives(fact, standing, clock, rule):
            # Wanted again, it stands as if it had never been stopped (convention 9).
            overdue = unstopped.status is Status.RUNNING and lapsed(
                clock.purpose, unstopped.due, fact.at
            )
            standing = Standing(Status.BREACHED, unstopped.due) if overdue else unstopped
        elif fact.kind is FactKind.RESTARTED or fact.reason in REVOCABLE:
            standing = step(standing, fact, clock, rule, calendar)
        elif standing == unstopped:
            standing = unstopped = step(standing, fact, clock, rule, calendar)
        else:
            standing = step(standing, fact, clock, rule, calendar)
            unstopped = step(unstopped, fact, clock, rule, calendar)
    # What has come due once stays so: its timer has proven that nothing came before.
    if (
        standing.status is Status.RUNNING
        and standing.due is not None
        and clock.breached_due is not None
        and standing.due <= clock.breached_due
    ):
        return Standing(Status.BREACHED, standing.due)
    return standing


def tellable(before: Standing, after: Standing) -> Standing:
    """What can be told of a clock: a verdict that is held is none, and its due is not known.

    Where a due seemed certain, it was so only until a pause moved it beyond the calendar.
    """
    if after.status is not Status.HELD:
        return after
    return before if before.uncertain else Standing(Status.RUNNING, None)


def step(
    standing: Standing, fact: Fact, clock: Watched, rule: Rule, calendar: Calendar | None
) -> Standing:
    """One fact later. A verdict stands; what comes after it changes nothing."""
    status, due = standing.status, standing.due
    if status in DECIDED or status is Status.HELD:
        return standing
    if status is Status.RUNNING and lapsed(clock.purpose, due, fact.at):
        return Standing(Status.BREACHED, due)
    if fact.kind in rule.met_by:
        if concerns(fact, clock, rule):
            return _kept(standing, fact, clock, rule, calendar)
    elif fact.kind is FactKind.SUSPENDED:
        if status is Status.RUNNING and _pauses(fact, clock, rule):
            left = None if due is None else rule.counting(calendar).counted(fact.at, due)
            return Standing(Status.PAUSED, clock.terms.first_due, left, fact.at)
    elif fact.kind is FactKind.RESUMED:
        if status is Status.PAUSED and _pauses(fact, clock, rule):
            return Standing(Status.RUNNING, due_after(standing, fact.at, rule.counting(calendar)))
    elif fact.kind is FactKind.ENDED and _stops(fact, clock, rule):
        if standing.uncertain and not _surely_before_due(fact.at, clock, calendar):
            return Standing(Status.HELD, None, None, fact.at, fact.ref)
        return Standing(Status.CANCELLED, due, None, fact.at, None, fact.reason)
    return standing


def lapsed(purpose: ClockPurpose, due: datetime | None, at: datetime) -> bool:
    """Whether the promise is broken at `at`: kept on the instant is kept (convention 6).

    The end of a survey breaks no promise: feedback_survey ends it.
    """
    return due is not None and due < at and purpose is not ClockPurpose.SURVEY


def due_after(standing: Standing, resumed: datetime, counting: Counting) -> datetime | None:
    """New due = resume + what was left (convention 7); None beyond the calendar."""
    if standing.left is None:
        return None
    try:
        return counting.after(resumed, standing.left)
    except BeyondCalendar:
        return None


def concerns(fact: Fact, clock: Watched, rule: Rule) -> bool:
    """Whether a fact of the right kind is about this very clock."""
    match rule.once_per:
        case OncePer.COMPLAINT:
            return True
        case OncePer.CYCLE:
            return fact.cycle == clock.cycle
        case OncePer.CASE:
            return fact.case == clock.terms.case
        case OncePer.FORWARD:
            mine = not fact.forwards or forward_of(clock) in fact.forwards
            return mine and fact.at >= clock.terms.clock_from
        case OncePer.PROMISE | OncePer.SURVEY:
            return fact.cycle == clock.cycle and fact.at >= clock.terms.begun[0]


def forward_of(clock: Watched) -> int | None:
    """The forward whose clock this is."""
    number = clock.name[1].partition("forward-")[2]
    return int(number) if number else None


def denies(fact: Fact, clock: Watched, rule: Rule) -> bool:
    """Whether the customer says that what kept this promise never was."""
    denied = fact.kind is FactKind.PARTNER_DENIED and rule.once_per is OncePer.FORWARD
    return denied and FactKind.PARTNER_CONTACTED in rule.met_by and concerns(fact, clock, rule)


def _not_denied(in_order: list[Fact], clock: Watched, rule: Rule) -> list[Fact]:
    """The facts without what a partner told the customer, by its own word, before the denial."""
    denied = max((one.key for one in in_order if denies(one, clock, rule)), default=None)
    if denied is None:
        return in_order
    told = FactKind.PARTNER_CONTACTED
    return [one for one in in_order if one.kind is not told or one.key > denied]


def _kept(
    standing: Standing, fact: Fact, clock: Watched, rule: Rule, calendar: Calendar | None
) -> Standing:
    """The promise is kept, unless that cannot be known yet."""
    due = standing.due
    if standing.status is Status.PAUSED:
        due = due_after(standing, fact.at, rule.counting(calendar))
    if standing.uncertain and not _surely_before_due(fact.at, clock, calendar):
        return Standing(Status.HELD, None, None, fact.at, fact.ref)
    return Standing(Status.MET, due, None, fact.at, fact.ref)


def _surely_before_due(at: datetime, clock: Watched, calendar: Calendar | None) -> bool:
    """An unknown due lies after the calendar's end, so what came before that is in time."""
    if calendar is None:
        return False
    days = calendar.days
    counted = ordinal_of(clock.terms.clock_from) >= days.first.toordinal()
    return counted and at <= midnight(days.last.toordinal() + 1)


def _pauses(fact: Fact, clock: Watched, rule: Rule) -> bool:
    return clock.terms.pausable and (
        rule.once_per is OncePer.COMPLAINT or fact.cycle == clock.cycle
    )


def _stops(fact: Fact, clock: Watched, rule: Rule) -> bool:
    """Whether this end stops this clock."""
    match fact.reason:
        case CancelReason.RECLASSIFIED:
            return _not_needed(fact, clock, rule) and _later_than_start(fact, clock)
        case CancelReason.REOPENED:
            once = rule.once_per
            return once not in (OncePer.COMPLAINT, OncePer.CASE) and clock.cycle < fact.cycle
        case CancelReason.SURVEY_ENDED:
            return rule.once_per is OncePer.SURVEY and clock.cycle == fact.cycle
        case CancelReason.CASE_DECLINED | CancelReason.CASE_CLOSED:
            return rule.once_per is OncePer.CASE and clock.terms.case == fact.case
        case CancelReason.CLOSED:
            return _later_than_start(fact, clock)
        case _:  # withdrawn, rejected, merged: a case goes on until its desk ends it
            return rule.once_per is not OncePer.CASE and _later_than_start(fact, clock)


def _not_needed(fact: Fact, clock: Watched, rule: Rule) -> bool:
    """Whether a complaint about something else would not have this clock (convention 9)."""
    assert fact.profile is not None
    if not rule.of_a_cycle:
        return False
    if rule.once_per is OncePer.COMPLAINT:
        return not rule.starts(Trigger.REGISTERED, fact.profile)
    needed = rule.starts(trigger_of(fact.route), fact.profile)
    return clock.cycle == fact.cycle and not needed


def _revives(fact: Fact, standing: Standing, clock: Watched, rule: Rule) -> bool:
    """Whether a clock that was stopped is wanted again from this fact on."""
    if standing.status is not Status.CANCELLED or fact.profile is None or not rule.of_a_cycle:
        return False
    merged = fact.kind is FactKind.RESTARTED
    stopped_by = CancelReason.MERGED if merged else CancelReason.RECLASSIFIED
    return standing.reason is stopped_by and not _not_needed(fact, clock, rule)


def _later_than_start(fact: Fact, clock: Watched) -> bool:
    """An end of before a clock started does not concern it."""
    return (fact.at, fact.order) > clock.terms.begun


def _over_already(clock: Watched, rule: Rule, in_order: Iterable[Fact]) -> Fact | None:
    """Why nobody owed anything any more when this clock was to start; None: it was owed.

    A promise or a forward may be on its way while the complaint is withdrawn; cases go on.
    """
    if rule.of_a_cycle or rule.once_per is OncePer.CASE:
        return None
    over: Fact | None = None
    for fact in in_order:
        if (fact.at, fact.order) >= clock.terms.begun:
            break
        if fact.kind is FactKind.RESTARTED or fact.reason is CancelReason.REOPENED:
            over = None
        elif fact.reason in OF_THE_COMPLAINT:
            over = fact
    return over
