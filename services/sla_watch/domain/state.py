"""A complaint's clocks as they stand, and the facts they were judged by."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID

from contracts.sla_watch import CancelReason
from contracts.values import ClockPurpose, EventRef, Profile, ReopenRoute
from libs.decider import State
from services.sla_watch.domain.facts import OF_THE_COMPLAINT, Fact, Key


class Status(StrEnum):
    """Where a clock stands."""

    RUNNING = "running"
    PAUSED = "paused"
    MET = "met"
    BREACHED = "breached"
    CANCELLED = "cancelled"
    HELD = "held"
    """Answered or ended after the last date the calendar knows: no verdict until it knows more."""


OPEN = frozenset({Status.RUNNING, Status.PAUSED})
DECIDED = frozenset({Status.MET, Status.BREACHED, Status.CANCELLED})


class Standing(NamedTuple):
    """Where a clock stands: the result of folding facts, and equal exactly when that is.

    `due` is None while the calendar does not reach it. A paused clock keeps `left` counted time
    until it goes on, and meanwhile `due` is only its first one. `at` is when the promise was kept,
    the pause began or the clock was cancelled; a breach is dated `due`.
    """

    status: Status
    due: datetime | None
    left: timedelta | None = None
    at: datetime | None = None
    fact: EventRef | None = None
    reason: CancelReason | None = None

    @property
    def uncertain(self) -> bool:
        """Whether nobody can say yet when it is due, were it to go on now (convention 12)."""
        return self.due is None or (self.status is Status.PAUSED and self.left is None)

    @property
    def decided_at(self) -> datetime | None:
        """The instant of the verdict; None while there is none."""
        return self.due if self.status is Status.BREACHED else self.at


class Terms(NamedTuple):
    """What a clock started with. Only a calendar that was loaded later changes any of it.

    `begun` is when and where in the stream it started: ends of before do not concern it.
    `first_due` is its due without any pause. `history`: it ran in an older system.
    """

    policy: str
    calendar: str | None
    clock_from: datetime
    begun: tuple[datetime, int]
    first_due: datetime | None
    pausable: bool
    case: int | None
    history: bool = False


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class Watched:
    """One clock: its terms, and in `standing` what facts made of it.

    - `told` is the event that told the present verdict; `breached_due` the due of the last breach
      told, for what has come due stays so; `corrections` counts verdicts set right.
    - `warn_at` are the warnings still to come, in order.
    """

    name: tuple[str, str, int]
    purpose: ClockPurpose
    terms: Terms
    standing: Standing
    warn_at: tuple[tuple[str, datetime], ...] = ()
    last_counted: date | None = None
    told: UUID | None = None
    breached_due: datetime | None = None
    retroactive: bool = False
    corrections: int = 0
    warned: str | None = None

    @property
    def code(self) -> str:
        """The policy's code for it."""
        return self.name[0]

    @property
    def cycle(self) -> int:
        """The handling cycle it started in."""
        return self.name[2]

    @property
    def month(self) -> str | None:
        """The month its verdict belongs to (DOMAIN rule 12); None while its due is unknown."""
        counted = self.last_counted
        return None if counted is None else f"{counted.year:04}-{counted.month:02}"

    @property
    def open(self) -> bool:
        """Whether it still waits for a verdict."""
        return self.standing.status in OPEN


@dataclass(frozen=True, slots=True)
class Watch(State):
    """All clocks of one complaint."""

    cycle: int
    profile: Profile
    clock_from: datetime
    """The customer's first words: where the complaint's own clocks count from."""
    cycle_from: datetime
    """Where this cycle's clocks count from."""
    route: ReopenRoute | None = None
    """Where this cycle went; None for the first."""
    clocks: tuple[Watched, ...] = ()
    facts: tuple[Fact, ...] = ()
    """Those on record, as they came."""
    last: Key | None = None
    """The latest of them."""
    ended: datetime | None = None
    """When the complaint was withdrawn, rejected, merged or closed; None while it is not."""

    def knows(self, event: UUID) -> bool:
        """Whether this event is among the facts already."""
        return any(fact.ref is not None and fact.ref.event == event for fact in self.facts)

    def ended_by(self, end: Fact) -> bool:
        """Whether this end of the whole complaint is on record."""
        return end.reason in OF_THE_COMPLAINT and any(
            (one.reason, one.at) == (end.reason, end.at) for one in self.facts
        )

    def with_fact(self, fact: Fact) -> "Watch":
        """One more fact on record."""
        key = fact.key
        last = key if self.last is None or key > self.last else self.last
        return self._with(self.clocks, (*self.facts, fact), last)

    def with_facts(self, facts: tuple[Fact, ...]) -> "Watch":
        """The same complaint with these facts, none of them later than before."""
        return self._with(self.clocks, facts, self.last)

    def with_clocks(self, clocks: tuple[Watched, ...]) -> "Watch":
        """The same complaint with these clocks."""
        return self._with(clocks, self.facts, self.last)

    def clock(self, name: tuple[str, str, int]) -> Watched:
        """The clock of this name; raises StopIteration where there is none."""
        return next(clock for clock in self.clocks if clock.name == name)

    def _with(
        self, clocks: tuple[Watched, ...], facts: tuple[Fact, ...], last: Key | None
    ) -> "Watch":
        # As `dataclasses.replace` would, at a third of its cost; every event comes through here.
        return Watch(
            self.cycle,
            self.profile,
            self.clock_from,
            self.cycle_from,
            self.route,
            clocks,
            facts,
            last,
            self.ended,
        )
