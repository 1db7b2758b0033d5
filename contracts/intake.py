"""What intake tells: complaints on record, their contacts, answers, closings and reopenings."""

from enum import StrEnum
from typing import Annotated, ClassVar
from uuid import UUID

from pydantic import Field

from contracts.housekeeping import ErasureState
from contracts.values import (
    CaseTrigger,
    Classification,
    Classified,
    Code,
    ComplaintEvent,
    Contact,
    Correspondent,
    DeliveryResult,
    Evidence,
    Instant,
    Medium,
    PolicyRef,
    Profile,
    Reason,
    RegulatorReferral,
    ReopenRoute,
    ReplyTo,
    Score,
    Sealed,
    Tier,
    Value,
)


class MatchedBy(StrEnum):
    """How a contact found its complaint (DOMAIN rule 2)."""

    RECEIPT = "receipt"
    WINDOW = "window"
    NOTICE = "notice"
    MERGE = "merge"
    STAFF = "staff"


class Check(StrEnum):
    """What verification looked at (DOMAIN rule 5)."""

    IDENTITY = "identity"
    FACTS = "facts"


class WithdrawnBy(StrEnum):
    """Who took the complaint back."""

    CUSTOMER = "customer"
    REPRESENTATIVE = "representative"
    STAFF = "staff"


class NotedState(StrEnum):
    """What became of a case, as far as closing is concerned."""

    OPEN = "open"
    ACCEPTED = "accepted"
    DECLINED = "declined"
    ENDED = "ended"


class Outcome(StrEnum):
    """How a complaint's loop closed (EVENTS, The closing rule)."""

    SATISFIED = "satisfied"
    NO_ANSWER = "no_answer"
    UNREACHABLE = "unreachable"
    WITHDRAWN = "withdrawn"
    REJECTED = "rejected"
    IMPORTED = "imported"
    """It was closed in an older system before it came here; nobody was asked here."""


class ReopenReason(StrEnum):
    """Why a new cycle starts."""

    DISSATISFIED = "dissatisfied"
    CONTACT = "contact"
    ESCALATED = "escalated"
    REGULATOR = "regulator"


class SurveyReply(Value):
    """What the customer said when asked (DOMAIN rule 11)."""

    score: Score | None = None
    """1 to 10; None when not said."""
    resolved: bool | None = None
    """Whether it is resolved; None when not said."""


class DeliveryReport(Value):
    """What a gateway or an agent says became of a notice."""

    notice: UUID
    """The notice."""
    by: Medium
    """Message or call."""
    result: DeliveryResult
    """What came of it."""
    at: Instant
    """When."""
    reason: Reason | None = None
    """Why it failed."""


class Standalone(Value):
    """What a contact would go on record with by itself: needed should it be unlinked."""

    person: UUID
    """Who said it; not always the complaint's own customer."""
    anonymous: bool = False
    """Nobody knows who it is."""
    reply_to: ReplyTo | None = None
    """Where this contact wants to be answered."""
    sender_name: Sealed | None = None
    """The name given, sealed."""
    profile: Profile
    """What its own words and its channel say it is about."""
    classified: Classified
    """How that was found."""


class MergedContact(Value):
    """A contact that moves with its complaint."""

    contact: Contact
    """The contact; `kind` is what it is to the survivor."""
    text: Sealed | None = None
    """Its words, sealed; None also where there are too many to move: its own complaint has them."""
    evidence: Annotated[tuple[Evidence, ...], Field(max_length=20)] = ()
    """What came with it; the same."""


class History(Value):
    """What an older system had done with a complaint before it was taken over."""

    answered_at: Instant
    """When the customer was answered there."""
    closed_at: Instant
    """When it was closed there."""
    answer: Sealed | None = None
    """What was answered, sealed; None: no words were kept."""


class Registration(Value):
    """All that a complaint needs to go on record."""

    correspondent: Correspondent
    """Receipt number, customer and where to answer."""
    profile: Profile
    """What rules key on."""
    classified: Classified
    """How category and urgency were found."""
    contact: Contact
    """The first contact."""
    clock_from: Instant
    """Where its clocks start: the first contact's own time."""
    summary: Sealed
    """The customer's words, sealed."""
    sender_name: Sealed | None = None
    """The name given with them, sealed."""
    evidence: tuple[Evidence, ...] = ()
    """What would vanish elsewhere, referenced at registration."""
    regulator: RegulatorReferral | None = None
    """Set when the regulator referred it."""
    unlinked_from: UUID | None = None
    """The complaint it was part of before, when it was unlinked."""
    history: History | None = None
    """Set for a closed case taken over from an older system: it starts no work."""
    repeat_no: Annotated[int, Field(ge=0)] = 0
    """How many complaints of the same customer in the same category went before it within the
    policy's days: it is their so manyth repeat; 0: the first."""


class ComplaintRegistered(ComplaintEvent):
    """A complaint went on record: all that was told, once."""

    type: ClassVar[str] = "complaint.registered.v1"

    registration: Registration
    """What was told, by whom, where and when."""
    policy: PolicyRef
    """The intake policy followed."""
    occurred_at: Instant | None = None
    """Of history: when the words came to the older system; the envelope's `occurredat`."""


class ComplaintVerified(ComplaintEvent):
    """Its validity was checked: identity and facts."""

    type: ClassVar[str] = "complaint.verified.v1"

    valid: bool
    """Whether it is taken up."""
    reason: Reason | None = None
    """Why not; set when not valid."""
    note: Sealed | None = None
    """The desk's words to the customer about it, sealed."""
    checked: tuple[Check, ...] = ()
    """What was checked."""
    automatic: bool
    """A policy checked, not a desk."""
    evidence: tuple[Evidence, ...] = ()
    """What the check rests on."""
    profile: Profile
    """What routing keys on."""
    correspondent: Correspondent
    """Whom to tell when it is not valid."""
    clock_from: Instant
    """The first contact's own time."""
    policy: PolicyRef
    """The verification policy followed."""


class ComplaintContactLinked(ComplaintEvent):
    """A further contact belongs to this complaint."""

    type: ClassVar[str] = "complaint.contact_linked.v1"

    contact: Contact
    """The contact; its `kind` says what it is."""
    urge_no: Annotated[int, Field(ge=0)]
    """The urges that now stand, this one included."""
    matched_by: MatchedBy
    """How it found its complaint."""
    merged_from: UUID | None = None
    """The merged complaint it came from."""
    text: Sealed | None = None
    """Its words, sealed."""
    standalone: Standalone | None = None
    """What it would be by itself; None for what only makes sense here, e.g. a survey reply."""
    evidence: tuple[Evidence, ...] = ()
    """What came with it."""
    survey_reply: SurveyReply | None = None
    """Set for a survey reply."""
    delivery_report: DeliveryReport | None = None
    """Set for a delivery report."""
    regulator: RegulatorReferral | None = None
    """Set for a regulator's referral."""
    closed: bool = False
    """The complaint was already closed when it came."""


class Becomes(Value):
    """The complaint that an unlinked contact becomes (EVENTS race 17)."""

    complaint: UUID
    """Its id, fixed here, so that registering it twice is registering it once."""
    registration: Registration
    """What it goes on record with; `clock_from` is the contact's own time."""


class ComplaintContactUnlinked(ComplaintEvent):
    """A contact did not belong here; it becomes its own complaint."""

    type: ClassVar[str] = "complaint.contact_unlinked.v1"

    contact: Contact
    """The contact that goes."""
    reason: Reason
    """Why."""
    note: Sealed | None = None
    """Staff's words about it, sealed."""
    urge_no: Annotated[int, Field(ge=0)]
    """The urges that now stand."""
    becomes: Becomes | None = None
    """Its own complaint; None when it returns to one it was merged from."""


class ComplaintReclassified(ComplaintEvent):
    """Category or urgency were set right."""

    type: ClassVar[str] = "complaint.reclassified.v1"

    was: Classification
    """Before."""
    now: Classification
    """After."""
    classified: Classified
    """Who or what decided."""
    reason: Reason
    """Why."""
    note: Sealed | None = None
    """Staff's words about it, sealed."""
    clock_from: Instant
    """The original contact's time: new clocks start there (DOMAIN counting 9)."""
    profile: Profile
    """What rules key on from now."""


class ComplaintRepeatsCounted(ComplaintEvent):
    """Another complaint of the customer was heard late or got its category: counted again."""

    type: ClassVar[str] = "complaint.repeats_counted.v1"

    was: Annotated[int, Field(ge=0)]
    """The number until now."""
    repeat_no: Annotated[int, Field(ge=0)]
    """Which repeat it is (DOMAIN rule 10); 0: the first."""
    closed: bool = False
    """It was closed by then: on record, and nobody is asked to look."""


class ComplaintMerged(ComplaintEvent):
    """It is the same matter as another complaint, which goes on for both."""

    type: ClassVar[str] = "complaint.merged.v1"

    into: UUID
    """The survivor."""
    reason: Reason
    """Why."""
    note: Sealed | None = None
    """Staff's words about it, sealed."""
    same_customer: bool = False
    """Staff made sure that two different persons on record are one customer."""
    contacts: tuple[MergedContact, ...]
    """The contacts that the survivor links."""


class ComplaintUnmerged(ComplaintEvent):
    """It was not the same matter after all."""

    type: ClassVar[str] = "complaint.unmerged.v1"

    survivor: UUID
    """The complaint it had been merged into."""
    reason: Reason
    """Why."""
    note: Sealed | None = None
    """Staff's words about it, sealed."""
    contacts: tuple[UUID, ...]
    """The contacts that the survivor unlinks."""
    verified: bool
    """Whether its validity was checked before; if not, it waits for that, unrouted."""
    clock_from: Instant
    """Where its clocks start again."""
    profile: Profile
    """What rules key on."""


class ComplaintWithdrawn(ComplaintEvent):
    """The customer takes it back."""

    type: ClassVar[str] = "complaint.withdrawn.v1"

    by: WithdrawnBy
    """Who."""
    reason: Reason
    """Why."""
    note: Sealed | None = None
    """The customer's words about it, sealed."""
    contact: Contact | None = None
    """The contact that said so; None when staff recorded it."""


class ComplaintAnswered(ComplaintEvent):
    """The customer has an answer; may they be asked whether it is enough?"""

    type: ClassVar[str] = "complaint.answered.v1"

    answer: UUID
    """The event that answers: work.answered or case.decided; notice.issued tells a rejection. Of
    history: the contact that told of it, for the answer itself stands in no log."""
    answered_at: Instant
    """When it answered."""
    ask: bool
    """False while a case is open; written again with True when the last one ends."""
    correspondent: Correspondent
    """Whom to ask, where and how."""
    occurred_at: Instant | None = None
    """Of history: when the older system answered; the envelope's `occurredat`."""


class ComplaintSurveyNoted(ComplaintEvent):
    """The customer was asked, but something still keeps the complaint open.

    The closing rule folds intake's own stream only; where the asking ends while a case is open,
    this keeps its outcome until the case ends (EVENTS, The closing rule).
    """

    type: ClassVar[str] = "complaint.survey_noted.v1"

    asked: UUID
    """The survey.concluded event."""
    outcome: Outcome
    """How the asking ended: satisfied, no_answer or unreachable."""


class ComplaintErasureNoted(ComplaintEvent):
    """A person's erasure waits for this complaint, or no longer has to (EVENTS race 15).

    It waits while the complaint is open, appealed or held, and until six calendar months after its
    closing are over (DOMAIN, Audit and retention: a floor no setting can lower).
    """

    type: ClassVar[str] = "complaint.erasure_noted.v1"

    person: UUID
    """Whose data is to be destroyed."""
    state: ErasureState
    """Whether the complaint keeps it."""


class HoldState(StrEnum):
    """Whether a legal hold is on."""

    PLACED = "placed"
    LIFTED = "lifted"


class ComplaintHoldNoted(ComplaintEvent):
    """A legal hold on the complaint began or ended; while it is on nothing is destroyed."""

    type: ClassVar[str] = "complaint.hold_noted.v1"

    hold: Code
    """The hold's name."""
    state: HoldState
    """Whether it is on."""


class ComplaintEscalationNoted(ComplaintEvent):
    """A case of the 10015 desk opened or ended; an open one blocks closing.

    `accepted`: an officer has it, so the complaint cannot be merged away (EVENTS race 8).
    """

    type: ClassVar[str] = "complaint.escalation_noted.v1"

    case: Annotated[int, Field(ge=1)]
    """The case's number within the complaint."""
    tier: Tier
    """Its tier."""
    state: NotedState
    """Open, accepted (and open still), declined or ended."""
    trigger: CaseTrigger | None = None
    """Why it was requested."""


class ComplaintClosed(ComplaintEvent):
    """The loop is closed: answered, asked, and the outcome recorded."""

    type: ClassVar[str] = "complaint.closed.v1"

    outcome: Outcome
    """How it ended."""
    answer: UUID | None = None
    """The event that answered; None when withdrawn before an answer."""
    asked: UUID | None = None
    """The survey.concluded event; None when nobody was asked."""
    occurred_at: Instant | None = None
    """Of history: when the older system closed it; the envelope's `occurredat`. Retention counts
    from the event's own `time`, the import."""


class ComplaintReopened(ComplaintEvent):
    """The answer was not enough: a new handling cycle (`cycle` is the new one)."""

    type: ClassVar[str] = "complaint.reopened.v1"

    reason: ReopenReason
    """Why."""
    route: ReopenRoute
    """Where it goes."""
    clock_from: Instant
    """Where the new cycle's clocks start."""
    cause: UUID
    """What led here: survey.concluded, survey.answered (late) or case.requested, or the contact."""
    case: Annotated[int, Field(ge=1)] | None = None
    """The case that already asks for it (race 2); None: escalation requests one if routed so."""
    regulator: RegulatorReferral | None = None
    """Set when the regulator's referral reopens it."""
    profile: Profile
    """What rules key on."""
    correspondent: Correspondent
    """Whom to tell."""
