"""What routing tells: who works on a complaint, what they found, promised and answered."""

from enum import StrEnum
from typing import Annotated, ClassVar
from uuid import UUID

from pydantic import Field

from contracts.values import (
    Basis,
    ChannelKind,
    ClockRef,
    Code,
    ComplaintEvent,
    Complexity,
    Decision,
    Evidence,
    FaultLiesWith,
    Instant,
    Medium,
    Money,
    PaidBy,
    PolicyRef,
    Profile,
    Province,
    Reason,
    ReopenRoute,
    Sealed,
    StaffRef,
    Value,
)

Number = Annotated[int, Field(ge=1)]


class RouteCause(StrEnum):
    """Why a queue was chosen."""

    VERIFIED = "verified"
    URGE = "urge"
    UNLINKED = "unlinked"
    RECLASSIFIED = "reclassified"
    RETURNED = "returned"
    REOPENED = "reopened"
    UNMERGED = "unmerged"
    TRANSFERRED = "transferred"
    REPORTED_BACK = "reported_back"
    INSTRUCTED = "instructed"


class ReturnReason(StrEnum):
    """Why an assignment came back to its queue (DOMAIN rule 6)."""

    REFUSED = "refused"
    IGNORED = "ignored"
    END_OF_DAY = "end_of_day"


class HandlerKind(StrEnum):
    """To whom work is passed."""

    TEAM = "team"
    PROVINCE = "province"
    PARTNER = "partner"


class ReportedCause(StrEnum):
    """Where the handler says the cause lies (DOMAIN rule 7)."""

    OWN = "own"
    NETWORK = "network"
    BILLING = "billing"


class WaitingFor(StrEnum):
    """Whom the work waits for."""

    CUSTOMER = "customer"
    THIRD_PARTY = "third_party"


class ResumedBy(StrEnum):
    """What ended the wait."""

    CONTACT = "contact"
    AGENT = "agent"
    TIMER = "timer"


class PromiseKind(StrEnum):
    """What sort of promise it is (DOMAIN rule 8)."""

    AGREED = "agreed"
    DELAY_PLAN = "delay_plan"


class EndReason(StrEnum):
    """Why work ended; this is never a closing (EVENTS race 3)."""

    CLOSED = "closed"
    WITHDRAWN = "withdrawn"
    MERGED = "merged"


class Informed(StrEnum):
    """Who is informed of every step of a complaint (DOMAIN rules 1 and 5)."""

    OWNER = "owner"
    """The owner of record, and the owner's team."""
    HOME_PROVINCE = "home_province"
    """The customer's home, when another province handles it."""


class SeenUpTo(Value):
    """How far the steps of one service have been seen."""

    source: Annotated[str, Field(pattern=r"^/bihuan/[a-z_]{1,40}$")]
    """The service whose steps they are, as the envelope's `source`."""
    sequence: Number
    """The last step seen, as the envelope's `sequence`."""


class Considered(Value):
    """A candidate that was looked at, and why it was not taken (DOMAIN rule 6)."""

    candidate: Code
    """The team, agent or queue."""
    load: Annotated[int, Field(ge=0)] = 0
    """The work it had in hand."""
    why_not: Reason | None = None
    """Why it lost; None for the one that won."""


class DepartmentCause(Value):
    """What a department's part in the cause was (DOMAIN rule 12, hot topics)."""

    department: Code
    """The department."""
    cause: Reason
    """The cause, as a code."""


class WorkRouted(ComplaintEvent):
    """A queue was chosen, by which rule and over whom."""

    type: ClassVar[str] = "work.routed.v1"

    cause: RouteCause
    """Why a queue was chosen now."""
    queue: Code
    """The queue."""
    priority: Annotated[int, Field(ge=0, le=1000)]
    """Higher goes first."""
    rule: Code
    """The matched rule."""
    policy: PolicyRef
    """The decision table's version."""
    considered: tuple[Considered, ...] = ()
    """The candidates and the losers' reasons."""
    province: Province | None = None
    """The province that handles it."""
    informed: tuple[Province, ...] = ()
    """Provinces told of it, e.g. the customer's home."""
    clock_from: Instant | None = None
    """The complaint's first contact; set with `profile`."""
    profile: Profile | None = None
    """What the rule keyed on; None when unchanged since the routing before."""
    urges: Annotated[int, Field(ge=0)] = 0
    """The urges that stood and raised the priority (DOMAIN rule 2)."""
    route: ReopenRoute | None = None
    """Where a reopened cycle goes; None in the first cycle."""


class WorkAssigned(ComplaintEvent):
    """A team, and perhaps one of its people, is asked to take it."""

    type: ClassVar[str] = "work.assigned.v1"

    queue: Code
    """The queue it came from."""
    team: Code
    """The team."""
    agent: Code | None = None
    """The agent; None when any seat of the team may take it."""
    accept_by: Instant
    """When it goes back to the queue by itself."""


class WorkReturned(ComplaintEvent):
    """An assignment came back."""

    type: ClassVar[str] = "work.returned.v1"

    reason: ReturnReason
    """Why."""
    note: Sealed | None = None
    """Staff's words about it, sealed."""
    returned_by: StaffRef | None = None
    """Who had it."""
    queue: Code
    """The queue it goes back to."""


class WorkAccepted(ComplaintEvent):
    """Somebody took it; the first ever is its owner for life (DOMAIN rule 1)."""

    type: ClassVar[str] = "work.accepted.v1"

    team: Code
    """The team."""
    agent: Code
    """The agent."""
    owner: StaffRef
    """The owner of record."""
    owner_named: bool
    """True once in a complaint's life: this acceptance named the owner."""
    hand_over_at: Instant | None = None
    """When the team's day ends and the work is handed over; None: a team that never closes."""


class WorkTransferred(ComplaintEvent):
    """It was passed on; written again when the forward reaches its goal or bounces."""

    type: ClassVar[str] = "work.transferred.v1"

    forward: Number
    """The forward's number within the complaint; the same number is the same forward."""
    to: Code
    """The team, province or partner."""
    kind: HandlerKind
    """Which of these."""
    complexity: Complexity | None = None
    """Simple or complex; for partners."""
    reached_at: Instant | None = None
    """When it reached them: partner clocks start here; None while it is on its way."""
    bounced: Reason | None = None
    """Why it did not arrive and is sent again."""
    reason: Reason
    """Why it was passed on."""
    note: Sealed | None = None
    """Staff's words about it, sealed."""
    back_by: Instant | None = None
    """When it is wanted back."""


class WorkReportedBack(ComplaintEvent):
    """A handler returned an opinion; the owner's desk answers (DOMAIN rule 1)."""

    type: ClassVar[str] = "work.reported_back.v1"

    by: Code
    """The team, province or partner."""
    kind: HandlerKind
    """Which of these."""
    forward: Number | None = None
    """The forward that this answers."""
    opinion: Sealed
    """The handling opinion, sealed."""
    cause: ReportedCause
    """Where the cause lies."""
    responsible: Code | None = None
    """The company responsible, when the cause is not their own."""
    case: Number | None = None
    """The case whose instruction was carried out."""
    instruction: Number | None = None
    """That instruction."""
    occurred_at: Instant | None = None
    """When it happened, if an authorised late report says so; the envelope's `occurredat`."""


class WorkSuspended(ComplaintEvent):
    """Work waits for somebody else."""

    type: ClassVar[str] = "work.suspended.v1"

    waiting_for: WaitingFor
    """For whom."""
    reason: Reason
    """Why."""
    question: Sealed | None = None
    """What the customer is asked, sealed."""
    until: Instant
    """When work goes on by itself."""


class WorkResumed(ComplaintEvent):
    """Work goes on."""

    type: ClassVar[str] = "work.resumed.v1"

    by: ResumedBy
    """What ended the wait."""
    contact: UUID | None = None
    """The contact that ended it."""


class WorkContacted(ComplaintEvent):
    """The handler tried to speak with the customer."""

    type: ClassVar[str] = "work.contacted.v1"

    channel: ChannelKind
    """How."""
    reached: bool
    """Whether the customer was reached: then the first contact is met."""
    partner: Code | None = None
    """The partner who spoke with the customer and so answered them (DOMAIN rule 7); None: we."""
    forwards: tuple[Number, ...] = ()
    """The forwards to that partner which this answers."""
    occurred_at: Instant | None = None
    """When it happened, if an authorised late report says so; the envelope's `occurredat`."""


class WorkPartnerConfirmed(ComplaintEvent):
    """The customer says whether a partner answered them (DOMAIN rule 7: confirming call-back)."""

    type: ClassVar[str] = "work.partner_confirmed.v1"

    partner: Code
    """The partner."""
    forward: Number
    """The forward that it owes an answer for."""
    answered: bool
    """Whether it answered; if not, it owes that answer, whatever was told before."""
    call: UUID
    """The call in which the customer said so."""


class WorkSeen(ComplaintEvent):
    """Those who are informed of every step have looked (DOMAIN rules 1 and 5)."""

    type: ClassVar[str] = "work.seen.v1"

    informed: Informed
    """As whom."""
    by: StaffRef
    """Who looked."""
    upto: tuple[SeenUpTo, ...]
    """What they had then before them, service by service; only what moved."""


class WorkPromised(ComplaintEvent):
    """The customer was given a time: a clock of its own (DOMAIN rule 8)."""

    type: ClassVar[str] = "work.promised.v1"

    promise: Number
    """The promise's number within the complaint."""
    kind: PromiseKind
    """Agreed with the customer, or the new plan of a delay notice."""
    of_clock: ClockRef | None = None
    """The clock that the delay is about."""
    old_due: Instant | None = None
    """When that one lapses; it stays."""
    new_due: Instant
    """The time now promised."""
    plan: Sealed | None = None
    """The plan in words, sealed."""


class WorkAnswered(ComplaintEvent):
    """The answer: explanation, decision, compensation, next steps (DOMAIN rule 11)."""

    type: ClassVar[str] = "work.answered.v1"

    explanation: Sealed
    """What happened, sealed."""
    decision: Decision
    """Whether the customer was right."""
    compensation: Money | None = None
    """What is paid or waived, in CNY; None when nothing."""
    next_steps: Sealed | None = None
    """What happens next, sealed."""
    told_by: Medium
    """A call already told it; for a message a notice goes out."""
    team: Code
    """The team that answers."""
    agent: Code
    """The agent that answers."""
    causes: tuple[DepartmentCause, ...] = ()
    """The cause per department."""
    occurred_at: Instant | None = None
    """When it happened, if an authorised late report says so; the envelope's `occurredat`."""


class Worth(Value):
    """What a finding is worth in all on one ground, by the refund table it counts with."""

    basis: Basis
    """On what ground."""
    amount: Money
    """How much in CNY; 0.00 where the finding gives none, e.g. the customer's own equipment."""


class WorkFindingRecorded(ComplaintEvent):
    """What was found out; compensation rests on it (DOMAIN rule 9)."""

    type: ClassVar[str] = "work.finding_recorded.v1"

    finding: Number
    """The finding's number within the complaint."""
    by: Code
    """Who recorded it: a pseudonym; never approves what comes of it."""
    role: Code
    """The role whose limit counts for a supplement that it causes, e.g. `team`."""
    cause: FaultLiesWith
    """Who or what caused it."""
    paid_by: PaidBy
    """The party at fault, which pays what is given for it."""
    overcharged: Money | None = None
    """The proven overcharge in CNY."""
    outage_from: Instant | None = None
    """When the outage began."""
    outage_to: Instant | None = None
    """When it ended; None while it lasts."""
    monthly_rent: Money | None = None
    """The line's rent per month in CNY."""
    corrects: Number | None = None
    """The finding that this one sets right; it stays on record."""
    chain: tuple[Number, ...] = ()
    """The findings that led to it by corrections, the latest first; one sum is due for all."""
    worth: tuple[Worth, ...] = ()
    """What it is worth in all by ground; a ground is left out where it says too little to tell."""
    policy: PolicyRef
    """The refund table's version; a correction counts with that of the first finding."""
    evidence: tuple[Evidence, ...] = ()
    """What it rests on."""
    note: Sealed | None = None
    """Staff's words about it, sealed."""


class WorkCompensationProposed(ComplaintEvent):
    """Somebody proposes money for a finding."""

    type: ClassVar[str] = "work.compensation_proposed.v1"

    finding: Number
    """The finding it rests on."""
    amount: Money
    """The amount in CNY due in all for that finding and those it corrects."""
    chain: tuple[Number, ...] = ()
    """The findings that led to it by corrections, the latest first; one sum is due for all."""
    basis: Basis
    """On what ground."""
    by: Code
    """The proposer's pseudonym; never the approver."""
    found_by: Code
    """Who recorded the finding; never the approver either."""
    paid_by: PaidBy
    """The party at fault, which pays."""
    role: Code
    """The role whose limit counts, e.g. `team`."""


class WorkEnded(ComplaintEvent):
    """Nobody works on it any more; not a closing (EVENTS race 3)."""

    type: ClassVar[str] = "work.ended.v1"

    reason: EndReason
    """Why."""
