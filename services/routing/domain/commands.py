"""What may be asked of a complaint's work and of a team.

Two kinds: what another service's event asks (it names the handling cycle it belongs to, for an
older cycle starts no work any more), and what a person at a desk asks (it names who, `by`, and
means the present cycle). Whatever a rule needs from elsewhere, loads, clocks, grants, comes with
the command, read at the door in the same transaction; deciding looks nothing up.
"""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Annotated
from uuid import UUID

from pydantic import Field

from contracts.housekeeping import Seat
from contracts.routing import (
    DepartmentCause,
    EndReason,
    HandlerKind,
    Informed,
    ReportedCause,
    RouteCause,
    WaitingFor,
)
from contracts.values import (
    Basis,
    ChannelKind,
    ClockPurpose,
    ClockRef,
    Code,
    Complexity,
    Cycle,
    Decision,
    DistrictType,
    Evidence,
    FaultLiesWith,
    Instant,
    Medium,
    Money,
    Profile,
    Province,
    Reason,
    ReopenRoute,
    Sealed,
    Value,
)
from libs.decider import Command

Number = Annotated[int, Field(ge=1)]


class Staff(Value):
    """A person who asks for something: a pseudonym, and the team they speak for."""

    agent: Code
    team: Code | None = None
    """None: the only team the agent has a seat in."""
    steers: bool = False
    """A manager or the 10015 desk, as the token says: may pass work on without having it."""


# -- what events ask ------------------------------------------------------------------------------


class Heard(Command):
    """Asked by an event; `cycle` is that event's."""

    cycle: Cycle


class Route(Heard):
    """Find a queue for a complaint that was verified, or is its own again after a merge."""

    cause: RouteCause
    profile: Profile
    clock_from: Instant


class Reopen(Heard):
    """A new handling cycle starts (EVENTS 12)."""

    profile: Profile
    clock_from: Instant
    route: ReopenRoute


class Reclassify(Heard):
    """Category or urgency were set right."""

    profile: Profile


class Urge(Heard):
    """So many urges stand now: one more was heard, or one was unlinked (EVENTS 3, 4)."""

    urges: Annotated[int, Field(ge=0)]


class TakeReply(Heard):
    """The customer replied."""

    contact: UUID


class TakePartnerReport(Heard):
    """A partner's ticket came back through the front door (EVENTS, Two doors)."""

    contact: UUID
    opinion: Sealed


class TakeConfirmation(Heard):
    """The customer said whether a partner answered them (heard: confirmation.recorded)."""

    forward: Number
    answered: bool
    call: UUID


class Instruct(Heard):
    """The 10015 desk tells a team what to do (EVENTS 45)."""

    case: Number
    instruction: Number
    team: Code


class EndWork(Heard):
    """Nobody shall work on it any more; this closes nothing (EVENTS race 3)."""

    reason: EndReason


# -- what people ask ------------------------------------------------------------------------------


class Asked(Command):
    """Asked by a person."""

    by: Staff


class Assign(Asked):
    """Ask a team, or one of its people, to take it.

    Without an agent the team's least loaded seat is asked; `loads` is agent -> work in hand.
    """

    team: Code
    agent: Code | None = None
    loads: Mapping[Code, int] = {}


class Take(Asked):
    """Take work that waits in a queue of one's own team."""


class Accept(Asked):
    """Take the work one was asked to take."""


class Refuse(Asked):
    """Do not take it."""

    note: Sealed | None = None


class Transfer(Asked):
    """Pass it on to a team, a province or a partner."""

    to: Code
    kind: HandlerKind
    reason: Reason
    note: Sealed | None = None
    complexity: Complexity | None = None
    reached_at: Instant | None = None
    back_by: Instant | None = None


class ConfirmForward(Asked):
    """A forward reached its goal, or bounced and is sent again (DOMAIN rule 7)."""

    forward: Number
    reached_at: Instant | None = None
    bounced: Reason | None = None


class ReportBack(Asked):
    """Return a handling opinion (DOMAIN rule 1)."""

    handler: Code | None = None
    """The province or partner whose opinion it is; None: the reporter's own team."""
    opinion: Sealed
    cause: ReportedCause
    responsible: Code | None = None
    case: Number | None = None
    instruction: Number | None = None
    occurred_at: Instant | None = None


class Suspend(Asked):
    """Wait for the customer or a third party."""

    waiting_for: WaitingFor
    reason: Reason
    question: Sealed | None = None
    until: Instant


class Resume(Asked):
    """Go on."""


class RecordContact(Asked):
    """The customer was called or written to."""

    handler: Code | None = None
    """The partner who did, as the desk writes it down; None: whoever records it."""
    channel: ChannelKind
    reached: bool
    occurred_at: Instant | None = None


class See(Asked):
    """Those who are informed of every step have seen them up to these (DOMAIN rules 1 and 5).

    `upto` and `happened` are source -> sequence: what was seen, and the last step there is.
    """

    informed: Informed
    upto: Mapping[str, Number]
    happened: Mapping[str, Number] = {}


class ClockState(StrEnum):
    """What is known of a clock."""

    RUNNING = "running"
    PAUSED = "paused"
    BREACHED = "breached"
    OVER = "over"
    """Met or cancelled."""


class KnownClock(ClockRef):
    """A clock of this complaint, as heard from sla_watch."""

    purpose: ClockPurpose
    due: Instant | None
    """None: paused, or beyond the known calendar (DOMAIN counting 12)."""
    state: ClockState
    warned: str | None = None
    """The last warning heard: `50`, `80` or `last`."""


class Promise(Asked):
    """Promise the customer a time (DOMAIN rule 8)."""

    new_due: Instant
    plan: Sealed | None = None
    clocks: tuple[KnownClock, ...]


class PlanDelay(Asked):
    """Tell the customer that a promise will not be kept, with a new plan (DOMAIN rule 8)."""

    clock: Code
    instance: str = ""
    new_due: Instant
    plan: Sealed
    clocks: tuple[KnownClock, ...]


class SettledAs(StrEnum):
    """What escalation made of money that was asked for."""

    SUBMITTED = "submitted"
    """It waits for the next authority."""
    GRANTED = "granted"
    REFUSED = "refused"
    LAPSED = "lapsed"


class Settled(Value):
    """What escalation made of one ask; of several the last counts."""

    asked: UUID
    """The proposal's event, or the corrected finding's own."""
    state: SettledAs
    granted_total: Money | None = None
    """What the complaint was granted in all by then; None unless granted."""


class RecordFinding(Asked):
    """Record what was found out (DOMAIN rule 9).

    `role` is the one whose limit counts for a supplement that it causes; `clocks` tell whether the
    legal repair limit has passed.
    """

    cause: FaultLiesWith
    partner: Code | None = None
    overcharged: Money | None = None
    outage_from: Instant | None = None
    outage_to: Instant | None = None
    monthly_rent: Money | None = None
    corrects: Number | None = None
    evidence: tuple[Evidence, ...] = ()
    note: Sealed | None = None
    role: Code
    clocks: tuple[KnownClock, ...] = ()


class ProposeCompensation(Asked):
    """Propose money for a finding (DOMAIN rule 9).

    `amount` is needed for goodwill; for the others it follows from the finding and, when given,
    must be that very amount. `clocks` tell whether the legal repair limit has passed.
    """

    finding: Number
    basis: Basis
    amount: Money | None = None
    role: Code
    clocks: tuple[KnownClock, ...] = ()
    settled: tuple[Settled, ...] = ()


class Answer(Asked):
    """Answer the customer (DOMAIN rule 11)."""

    explanation: Sealed
    decision: Decision
    next_steps: Sealed | None = None
    told_by: Medium
    causes: tuple[DepartmentCause, ...] = ()
    occurred_at: Instant | None = None
    settled: tuple[Settled, ...] = ()


WorkCommand = (
    Route
    | Reopen
    | Reclassify
    | Urge
    | TakeReply
    | TakePartnerReport
    | TakeConfirmation
    | Instruct
    | EndWork
    | Assign
    | Take
    | Accept
    | Refuse
    | Transfer
    | ConfirmForward
    | ReportBack
    | Suspend
    | Resume
    | RecordContact
    | See
    | Promise
    | PlanDelay
    | RecordFinding
    | ProposeCompensation
    | Answer
)


class ChangeTeam(Command):
    """A team's members, skills, seats or availability are now these."""

    team: Code
    queues: tuple[Code, ...]
    seats: tuple[Seat, ...]
    province: Province | None = None
    district_types: tuple[DistrictType, ...] = ()
    available: bool = True
    calendar: Code | None = None


def fact_time(command: ReportBack | RecordContact | Answer) -> datetime:
    """When the fact happened: as an authorised late report says, else now."""
    return command.occurred_at or command.at
