"""Which events tell that clocks stand differently now."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from contracts.sla_watch import (
    CancelReason,
    ClockBreached,
    ClockCorrected,
    ClockLeft,
    ClockMet,
    ClocksCancelled,
    ClocksPaused,
    ClocksRescheduled,
    RescheduleReason,
    Verdict,
    VerdictBasis,
)
from contracts.values import ClockRef, Due, EventRef
from libs.decider import Event
from services.sla_watch.domain.policy import Calendar, Rule
from services.sla_watch.domain.starting import rescheduled
from services.sla_watch.domain.state import DECIDED, Standing, Status, Watched

_MICROSECOND = timedelta(microseconds=1)
_MILLISECOND = timedelta(milliseconds=1)
_VERDICTS = {
    Status.RUNNING: Verdict.RUNNING,
    Status.PAUSED: Verdict.RUNNING,
    Status.HELD: Verdict.RUNNING,
    Status.MET: Verdict.MET,
    Status.BREACHED: Verdict.BREACHED,
    Status.CANCELLED: Verdict.CANCELLED,
}


@dataclass(frozen=True, slots=True)
class Change:
    """A clock, where it stood, and where it stands now."""

    clock: Watched
    rule: Rule
    calendar: Calendar | None
    before: Standing
    after: Standing
    fresh: bool = False
    """It starts in this very decision: what has come due already was so before it began."""


@dataclass(slots=True)
class Telling:
    """Collects what one decision tells, so that lists go into one event."""

    cycle: int
    at: datetime
    """The time of the fact behind it."""
    now: datetime
    cause: EventRef | None = None
    basis: VerdictBasis = VerdictBasis.COMPLETE
    waiting_for: str = "unknown"
    resumed: bool = False
    """The fact is that the work goes on."""
    replaced_by: tuple[str, ...] = ()
    single: list[Event] = field(default_factory=list)
    paused: dict[datetime, list[ClockLeft]] = field(default_factory=dict)
    moved: dict[RescheduleReason, list[Due]] = field(default_factory=dict)
    stopped: dict[tuple[datetime, CancelReason], list[ClockRef]] = field(default_factory=dict)

    def tell(self, changes: Iterable[Change]) -> list[Event]:
        """The events for these changes: verdicts first, then what goes on."""
        for change in changes:
            self._tell(change)
        return [
            *self.single,
            *(
                ClocksCancelled(
                    cycle=self.cycle,
                    clocks=tuple(refs),
                    since=since,
                    reason=reason,
                    replaced_by=self.replaced_by,
                )
                for (since, reason), refs in self.stopped.items()
            ),
            *(
                ClocksPaused(
                    cycle=self.cycle, clocks=tuple(left), since=since, reason=self.waiting_for
                )
                for since, left in self.paused.items()
            ),
            *(
                ClocksRescheduled(
                    cycle=self.cycle, clocks=tuple(dues), since=self.at, reason=reason
                )
                for reason, dues in self.moved.items()
            ),
        ]

    def _tell(self, change: Change) -> None:
        before, after = change.before, change.after
        if before.status in DECIDED:
            if after.status is before.status and after.status is not Status.BREACHED:
                self._same_verdict(change)
                return
            self._correct(change)
        elif after.status is Status.MET:
            self._met(change)
        elif after.status is Status.BREACHED:
            assert after.due is not None
            self.single.append(
                breach(change.clock, after.due, self.cycle, self.basis, retroactive=change.fresh)
            )
        self._goes_on(change)

    def _same_verdict(self, change: Change) -> None:
        """On other grounds it is no news; only the month it belongs to may be another."""
        if change.after.status is Status.MET and change.after.due != change.before.due:
            self._move(change, RescheduleReason.FACT_HEARD_LATE)

    def _move(self, change: Change, reason: RescheduleReason) -> None:
        due = rescheduled(change.clock, change.rule, change.calendar, change.after, self.at)
        self.moved.setdefault(reason, []).append(due)

    def _goes_on(self, change: Change) -> None:
        clock, before, after = change.clock, change.before, change.after
        code, instance, cycle = clock.name
        if after.status is Status.CANCELLED:
            assert after.at is not None
            assert after.reason is not None
            self.stopped.setdefault((after.at, after.reason), []).append(
                ClockRef(clock=code, instance=instance, started_in=cycle)
            )
        elif after.status is Status.PAUSED:
            assert after.at is not None
            left = None if after.left is None else after.left // _MICROSECOND
            self.paused.setdefault(after.at, []).append(
                ClockLeft(clock=code, instance=instance, started_in=cycle, left_us=left)
            )
        elif after.status is Status.RUNNING:
            resumed = self.resumed and before.status is Status.PAUSED
            late = RescheduleReason.FACT_HEARD_LATE
            self._move(change, RescheduleReason.RESUMED if resumed else late)

    def _met(self, change: Change) -> None:
        clock, after = change.clock, change.after
        assert after.fact is not None
        assert after.at is not None
        self.single.append(
            ClockMet(
                cycle=self.cycle,
                clock=clock.name[0],
                instance=clock.name[1],
                started_in=clock.name[2],
                purpose=clock.purpose,
                fact=after.fact,
                at=after.at,
                due=after.due,
            )
        )

    def _correct(self, change: Change) -> None:
        clock, before, after = change.clock, change.before, change.after
        assert clock.told is not None
        assert self.cause is not None
        self.single.append(
            ClockCorrected(
                cycle=self.cycle,
                clock=clock.name[0],
                instance=clock.name[1],
                started_in=clock.name[2],
                purpose=clock.purpose,
                corrects=clock.told,
                was=_VERDICTS[before.status],
                now=_VERDICTS[after.status],
                fact=self.cause,
                at=after.at if after.status is Status.MET else None,
                due=after.due,
                heard_late_ms=max((self.now - self.at) // _MILLISECOND, 0),
            )
        )


def breach(
    clock: Watched, due: datetime, cycle: int, basis: VerdictBasis, *, retroactive: bool = False
) -> ClockBreached:
    """A broken promise, dated at its due instant (convention 6)."""
    return ClockBreached(
        cycle=cycle,
        clock=clock.name[0],
        instance=clock.name[1],
        started_in=clock.name[2],
        purpose=clock.purpose,
        due_at=due,
        retroactive=retroactive,
        basis=VerdictBasis.HISTORY if clock.terms.history else basis,
    )
