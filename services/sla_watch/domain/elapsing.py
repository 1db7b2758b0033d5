"""Time passes: promises are broken at their due instants, and staff are warned before."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from contracts.sla_watch import ClockWarned, VerdictBasis
from contracts.values import ClockPurpose, WarningLevel
from libs.decider import Context, Event, TimerFired
from services.sla_watch.domain.state import Status, Watch, Watched
from services.sla_watch.domain.telling import breach

NEXT = "next"
"""The one timer of a complaint: the next instant at which any of its clocks wants something."""


def timers(watch: Watch) -> Mapping[str, datetime]:
    """When to look at these clocks next: the earliest warning or due of those that run.

    One timer for all, so that a clock kept in time costs the database no timer of its own. Names
    are `next` only; which clocks it is for follows from the state.
    """
    instants = [instant for clock in watch.clocks for instant in _waits_for(clock)]
    return {NEXT: min(instants)} if instants else {}


def time_passed(watch: Watch, command: TimerFired, context: Context) -> Sequence[Event]:
    """Breaches dated at their due, not when they were noticed (conventions 6 and 8)."""
    basis = VerdictBasis.COMPLETE if command.complete else VerdictBasis.INCOMPLETE
    broken: list[Event] = []
    warned: list[Event] = []
    for clock in watch.clocks:
        due = clock.standing.due
        if clock.standing.status is not Status.RUNNING or due is None:
            continue
        if due <= command.at and clock.purpose is not ClockPurpose.SURVEY:
            broken.append(breach(clock, due, watch.cycle, basis))
        elif clock.warn_at and clock.warn_at[0][1] <= command.at:
            warned.append(_warning(watch.cycle, clock, due, max(command.at, context.now)))
    return [*broken, *warned]


def _waits_for(clock: Watched) -> Sequence[datetime]:
    due = clock.standing.due
    if clock.standing.status is not Status.RUNNING or due is None:
        return ()
    if clock.warn_at:
        return (clock.warn_at[0][1],)
    return () if clock.purpose is ClockPurpose.SURVEY else (due,)


def _warning(cycle: int, clock: Watched, due: datetime, now: datetime) -> ClockWarned:
    """After an outage only the last level passed is told, and what is past its due to nobody."""
    level = [level for level, at in clock.warn_at if at <= now][-1]
    code, instance, started_in = clock.name
    return ClockWarned(
        cycle=cycle,
        clock=code,
        instance=instance,
        started_in=started_in,
        purpose=clock.purpose,
        level=WarningLevel(level),
        due=due,
        stale=now >= due,
    )
