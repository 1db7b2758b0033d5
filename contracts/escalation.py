"""What escalation tells: cases of the 10015 desk (tiers 2 to 4) and compensation granted."""

from enum import StrEnum
from typing import Annotated, ClassVar
from uuid import UUID

from pydantic import Field

from contracts.values import (
    Basis,
    CaseTrigger,
    ChannelKind,
    ClockRef,
    Code,
    ComplaintEvent,
    Decision,
    Digest,
    Instant,
    Money,
    PaidBy,
    Reason,
    RegulatorReferral,
    Sealed,
    Tier,
    Value,
)

Number = Annotated[int, Field(ge=1)]


class CaseOutcome(StrEnum):
    """How a case ended."""

    SETTLED = "settled"
    PASSED_UP = "passed_up"
    WITHDRAWN = "withdrawn"


class ReportedWhat(StrEnum):
    """What a case reported."""

    REGULATOR_REPORT = "regulator_report"
    CORRECTIVE_ACTION = "corrective_action"


class GrantedUnder(StrEnum):
    """By what authority money is given."""

    LIMIT = "limit"
    APPROVAL = "approval"


class CorrectiveAction(Value):
    """What must be set right, by whom and when (003 限时整改)."""

    owner: Code
    """The team that owes it."""
    due: Instant
    """By when."""
    action: Sealed | None = None
    """What, in words, sealed."""


class CaseCause(Value):
    """One thing that a request rests on."""

    trigger: CaseTrigger
    """What sort of cause."""
    cause: UUID
    """The event that led here."""
    clock: ClockRef | None = None
    """The breached clock."""
    contact: UUID | None = None
    """The contact that asked, urged or told."""


class CaseEvent(ComplaintEvent):
    """An event of one case."""

    case: Number
    """The case's number within the complaint."""
    tier: Tier
    """2 province 10015, 3 headquarters 10015, 4 regulator appeal."""


class CaseRequested(CaseEvent):
    """The 10015 desk is asked to look at a complaint."""

    type: ClassVar[str] = "case.requested.v1"

    trigger: CaseTrigger
    """Why."""
    cause: UUID
    """The event that led here."""
    clock: ClockRef | None = None
    """The breached clock, when that is the cause."""
    contact: UUID | None = None
    """The contact that asked, urged or told, when that is the cause."""
    regulator: RegulatorReferral | None = None
    """The referral, when the regulator asks."""
    passed_from: Number | None = None
    """The case of the tier below, when it was passed up."""


class CaseCausesChanged(CaseEvent):
    """An open case rests on more or fewer causes, or goes on in a new handling cycle."""

    type: ClassVar[str] = "case.causes_changed.v1"

    causes: Annotated[tuple[CaseCause, ...], Field(min_length=1)]
    """The causes that stand now; when none does, an unaccepted case is closed instead."""


class CaseDeclined(CaseEvent):
    """The desk does not take it."""

    type: ClassVar[str] = "case.declined.v1"

    reason: Reason
    """Why."""
    note: Sealed | None = None
    """The officer's words about it, sealed."""
    by: Code
    """The officer's pseudonym."""
    customer_asked: bool
    """The customer asked for it and is told."""


class CaseAccepted(CaseEvent):
    """An officer takes the case; this is not a contact."""

    type: ClassVar[str] = "case.accepted.v1"

    officer: Code
    """The officer's pseudonym."""


class CaseCustomerContacted(CaseEvent):
    """The officer tried to speak with the customer."""

    type: ClassVar[str] = "case.customer_contacted.v1"

    channel: ChannelKind
    """How."""
    reached: bool
    """Whether the customer was reached: then the desk's first contact is met."""
    occurred_at: Instant | None = None
    """When it happened, if an authorised late report says so; the envelope's `occurredat`."""


class CaseInstructed(CaseEvent):
    """The officer tells a team what to do."""

    type: ClassVar[str] = "case.instructed.v1"

    instruction: Number
    """The instruction's number within the case."""
    team: Code
    """The team."""
    due: Instant
    """By when."""
    text: Sealed
    """What to do, sealed."""


class CaseInstructionCarriedOut(CaseEvent):
    """What the officer told a team to do is done."""

    type: ClassVar[str] = "case.instruction_carried_out.v1"

    instruction: Number
    """The instruction's number within the case."""
    report: UUID
    """The work.reported_back event that says so."""


class CaseDecided(CaseEvent):
    """The officer decides."""

    type: ClassVar[str] = "case.decided.v1"

    decision: Decision
    """Upheld, partly, or rejected."""
    reasons: Sealed
    """Why, in words for the customer, sealed."""
    final: bool
    """The final response, which names the right to appeal (DOMAIN rule 10)."""
    corrective_action: CorrectiveAction | None = None
    """What must be set right."""


class CaseReported(CaseEvent):
    """A report that the case owed was given."""

    type: ClassVar[str] = "case.reported.v1"

    what: ReportedWhat
    """To the regulator, or that a corrective action is done."""
    ref: Annotated[str, Field(min_length=1, max_length=64)]
    """The report's number."""
    digest: Digest
    """The digest of the report's bytes."""


class CaseCorrectionMissed(CaseEvent):
    """A corrective action was not done by its due date; told once (DOMAIN rule 10)."""

    type: ClassVar[str] = "case.correction_missed.v1"

    owner: Code
    """The team that owes it."""
    due: Instant
    """When it was due: past due is dated here."""


class CaseClosed(CaseEvent):
    """The case is over; the complaint is not closed by it (EVENTS race 3)."""

    type: ClassVar[str] = "case.closed.v1"

    outcome: CaseOutcome
    """Settled, passed up, or withdrawn."""
    reason: Reason
    """Why, e.g. `decided`, `cause_gone`, `unlinked`, `complaint_withdrawn`."""
    next_tier: Tier | None = None
    """The tier it passes to."""
    answer: UUID | None = None
    """The event that decided it; None when undecided."""
    answered_at: Instant | None = None
    """When that event decided it: intake answers with the later of this and work.answered."""


class LapsedWhy(StrEnum):
    """Why nothing more comes of a proposal or of a corrected finding by itself."""

    COVERED = "covered"
    """What was granted is as much as is due, or more: no money is taken back."""
    PROPOSE_ANEW = "propose_anew"
    """The correction does not say how much is due, or the earlier proposal was refused."""


class CompensationEvent(ComplaintEvent):
    """An event about money for one finding."""

    finding: Number
    """The finding it rests on."""
    asked: UUID
    """What asked: the work.compensation_proposed event, or the corrected finding's own."""
    basis: Basis
    """On what ground."""


class CompensationSubmitted(CompensationEvent):
    """An amount over the proposer's limit waits for the next authority."""

    type: ClassVar[str] = "compensation.submitted.v1"

    amount: Money
    """The amount asked for now in CNY: what is due in all less what was granted."""
    total: Money
    """What the complaint would have been granted in all, this included, in CNY."""
    role: Code
    """The proposer's role."""
    limit: Money
    """That role's limit for a whole complaint in CNY."""
    authority: Code
    """The next authority: the first role whose limit reaches `total`."""
    proposed_by: Code
    """The proposer's pseudonym; of a supplement, who recorded the corrected finding."""
    not_by: Annotated[tuple[Code, ...], Field(min_length=1)]
    """Who never approves or refuses it: all who proposed or recorded what it rests on."""
    paid_by: PaidBy
    """The party at fault, which pays."""
    supplement_to: Number | None = None
    """The finding whose grant this one would add to."""


class CompensationGranted(CompensationEvent):
    """Money is given; a grant stands (EVENTS race 12)."""

    type: ClassVar[str] = "compensation.granted.v1"

    amount: Money
    """The amount given now in CNY."""
    total: Money
    """What the complaint was granted in all, this included, in CNY."""
    under: GrantedUnder
    """Within the role's limit, or by approval."""
    by: Code
    """Who granted it: a pseudonym."""
    role: Code
    """In which role."""
    paid_by: PaidBy
    """The party at fault, which pays."""
    supplement_to: Number | None = None
    """The finding whose grant this one adds to."""


class CompensationRefused(CompensationEvent):
    """The next authority does not give it."""

    type: ClassVar[str] = "compensation.refused.v1"

    amount: Money
    """The amount that was asked for in CNY."""
    reason: Reason
    """Why."""
    note: Sealed | None = None
    """The officer's words about it, sealed."""
    by: Code
    """The officer's pseudonym."""


class CompensationLapsed(CompensationEvent):
    """Nothing more comes of what was asked: whoever waited for it need not wait."""

    type: ClassVar[str] = "compensation.lapsed.v1"

    reason: LapsedWhy
    """Why."""
    granted: Money
    """What this finding and those it corrects were granted in all, in CNY."""
