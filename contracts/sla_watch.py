"""What sla_watch tells: clocks started, paused, met, breached and corrected."""

from enum import StrEnum
from typing import Annotated, ClassVar
from uuid import UUID

from pydantic import Field

from contracts.values import (
    Clock,
    ClockPurpose,
    ClockRef,
    Code,
    ComplaintEvent,
    Correspondent,
    Cycle,
    Due,
    EventRef,
    Instant,
    Profile,
    Reason,
    ReopenRoute,
    WarningLevel,
)


class StartCause(StrEnum):
    """Why clocks start."""

    REGISTERED = "registered"
    RECLASSIFIED = "reclassified"
    REOPENED = "reopened"
    UNMERGED = "unmerged"
    TRANSFERRED = "transferred"
    PROMISED = "promised"
    ASKED = "asked"
    CASE_REQUESTED = "case_requested"
    IMPORTED = "imported"
    """A closed case of an older system: judged at once, for the record."""


class RescheduleReason(StrEnum):
    """Why due instants moved."""

    RESUMED = "resumed"
    CALENDAR_LOADED = "calendar_loaded"
    FACT_HEARD_LATE = "fact_heard_late"


class VerdictBasis(StrEnum):
    """Whether everything earlier had been heard when a clock was found breached."""

    COMPLETE = "complete"
    INCOMPLETE = "incomplete"
    HISTORY = "history"
    """It happened in an older system: a verdict for the record, which starts no work."""


class Verdict(StrEnum):
    """What became of a clock."""

    RUNNING = "running"
    MET = "met"
    BREACHED = "breached"
    CANCELLED = "cancelled"


class NotedFact(StrEnum):
    """A fact that changes no clock now and may yet count for one that starts later."""

    ANSWERED = "answered"
    SUSPENDED = "suspended"
    RESUMED = "resumed"
    KEPT = "kept"
    """It decides about a clock whose due instant the calendar does not reach yet, or that is
    stopped and may start again; or a customer denies what had met a partner's clock."""


class CancelReason(StrEnum):
    """Why clocks stopped without a verdict."""

    RECLASSIFIED = "reclassified"
    MERGED = "merged"
    UNMERGED = "unmerged"
    WITHDRAWN = "withdrawn"
    REJECTED = "rejected"
    CLOSED = "closed"
    REOPENED = "reopened"
    REPORTED_BACK = "reported_back"
    CASE_DECLINED = "case_declined"
    CASE_CLOSED = "case_closed"
    SURVEY_ENDED = "survey_ended"


class ClockEvent(ComplaintEvent):
    """An event about one clock; `cycle` is the complaint's, `started_in` the clock's."""

    clock: Code
    """The policy's code for the clock."""
    instance: Annotated[str, Field(max_length=64)] = ""
    """Which of several of that code; else empty."""
    started_in: Cycle
    """The cycle in which it started."""
    purpose: ClockPurpose
    """What it promises."""

    @property
    def ref(self) -> ClockRef:
        """The clock meant."""
        return ClockRef(clock=self.clock, instance=self.instance, started_in=self.started_in)


class ClocksStarted(ComplaintEvent):
    """Clocks run."""

    type: ClassVar[str] = "clocks.started.v1"

    cause: StartCause
    """Why."""
    clock_from: Instant
    """The instant that caused them; each clock names its own start."""
    clocks: tuple[Clock, ...]
    """The clocks, each with its due instant."""
    profile: Profile | None = None
    """What the policy keyed on; set when it is new or changed."""
    correspondent: Correspondent | None = None
    """Set on registration: who gets the receipt with the promised times."""
    route: ReopenRoute | None = None
    """Set on reopening: where the cycle goes; the desk's has no clocks of its own here."""


class ClockWarned(ClockEvent):
    """A clock nears its end."""

    type: ClassVar[str] = "clock.warned.v1"

    level: WarningLevel
    """How near."""
    due: Instant
    """When it runs out."""
    stale: bool = False
    """Its moment had passed while nobody listened: for the record, nobody is told."""


class ClockLeft(ClockRef):
    """A clock that waits, and the counted time it keeps."""

    left_us: Annotated[int, Field(ge=0)] | None
    """Counted microseconds left; a working date counts 24 h (DOMAIN counting 7). None while the
    calendar does not reach the due instant (DOMAIN counting 12)."""


class ClocksPaused(ComplaintEvent):
    """Clocks wait, where their policy allows it."""

    type: ClassVar[str] = "clocks.paused.v1"

    clocks: tuple[ClockLeft, ...]
    """The clocks and what is left of each."""
    since: Instant
    """The time of the fact that paused them."""
    reason: Reason
    """Whom the work waits for."""


class ClocksRescheduled(ComplaintEvent):
    """Clocks have a new due instant."""

    type: ClassVar[str] = "clocks.rescheduled.v1"

    clocks: tuple[Due, ...]
    """The clocks and when they run out now."""
    since: Instant
    """The time of the fact that moved them."""
    reason: RescheduleReason
    """Why."""


class ClockMet(ClockEvent):
    """A promise was kept."""

    type: ClassVar[str] = "clock.met.v1"

    fact: EventRef
    """The event that kept it."""
    at: Instant
    """That event's own time."""
    due: Instant | None
    """When it would have run out; None when that lies beyond the calendar, and so after `at`."""


class ClockBreached(ClockEvent):
    """A promise was broken, once, at its due instant (DOMAIN counting 6)."""

    type: ClassVar[str] = "clock.breached.v1"

    due_at: Instant
    """The due instant: the breach is dated here."""
    retroactive: bool = False
    """The due instant was already past when the clock started (DOMAIN counting 9)."""
    basis: VerdictBasis
    """Whether everything earlier had been heard."""


class ClockCorrected(ClockEvent):
    """A fact heard late changed a verdict (DOMAIN counting 10)."""

    type: ClassVar[str] = "clock.corrected.v1"

    corrects: UUID
    """The clock.met, clock.breached or clock.corrected event that no longer holds."""
    was: Verdict
    """The verdict before."""
    now: Verdict
    """The verdict from now."""
    fact: EventRef
    """The fact that was heard late."""
    at: Instant | None = None
    """When the promise was kept, if it was."""
    due: Instant | None
    """When it runs out, by all that is known now; None as for `clock.met`."""
    heard_late_ms: Annotated[int, Field(ge=0)]
    """How long after it happened the fact was heard, in milliseconds."""


class ClocksCancelled(ComplaintEvent):
    """Clocks stop without a verdict."""

    type: ClassVar[str] = "clocks.cancelled.v1"

    clocks: tuple[ClockRef, ...]
    """The clocks."""
    since: Instant
    """The time of the fact that stopped them."""
    reason: CancelReason
    """Why."""
    replaced_by: tuple[Code, ...] = ()
    """The codes of the clocks that take their place."""


class ClocksNoted(ComplaintEvent):
    """A fact on record that changes no clock now: a clock that starts later may be judged by it."""

    type: ClassVar[str] = "clocks.noted.v1"

    kind: NotedFact
    """What happened."""
    fact: EventRef
    """The event that says so."""
    at: Instant
    """That event's own time."""
    case: Annotated[int, Field(ge=1)] | None = None
    """The case it belongs to, if any."""
    forwards: tuple[Annotated[int, Field(ge=1)], ...] = ()
    """The forwards to partners that it is about, if any."""
