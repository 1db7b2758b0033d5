"""What feedback_survey tells: notices that left the house, and what customers said when asked."""

from enum import StrEnum
from typing import Annotated, ClassVar
from uuid import UUID

from pydantic import Field

from contracts.values import (
    Code,
    ComplaintEvent,
    Correspondent,
    DeliveryResult,
    Instant,
    Medium,
    NoticeKind,
    Plain,
    PolicyRef,
    Reason,
    ReplyTo,
    Score,
    Sealed,
    StaffRef,
    TextSegment,
    Value,
)


class SurveyOutcome(StrEnum):
    """How an asking ended (EVENTS 37)."""

    SATISFIED = "satisfied"
    DISSATISFIED = "dissatisfied"
    NO_ANSWER = "no_answer"
    UNREACHABLE = "unreachable"
    CANCELLED = "cancelled"


class CallReason(StrEnum):
    """Why a customer is called back (回访)."""

    TELL = "tell"
    """To tell a notice that no message can carry."""
    SURVEY = "survey"
    """To ask whether the answer is enough, instead of a message (DOMAIN rule 11)."""
    CONFIRM = "confirm"
    """To confirm with the customer that the partner has answered (DOMAIN rule 7)."""
    VISIT = "visit"
    """To follow up on an important customer after the closing (004 客户回访)."""


class NoticeIssued(ComplaintEvent):
    """A notice is on its way; copied to `complaints.outbound` for the gateways."""

    type: ClassVar[str] = "notice.issued.v1"

    notice: UUID
    """The notice's id; delivery reports and replies quote it."""
    kind: NoticeKind
    """What it tells."""
    by: Medium
    """Message, call, or handed over on the spot."""
    reply_to: ReplyTo | None
    """Where it goes; None when handed over on the spot."""
    not_before: Instant
    """When it may leave: after quiet hours, receipts at once (DOMAIN rule 11)."""
    late: bool = False
    """A delay notice that leaves after the promise lapsed (DOMAIN rule 8)."""
    template: PolicyRef
    """The template and its version."""
    text: Annotated[tuple[TextSegment, ...], Field(min_length=1)]
    """The text: stretches in clear and sealed ones, in order."""
    correspondent: Correspondent
    """Receipt number, language, customer."""
    answer: UUID | None = None
    """The event it tells of, for answers, decisions and surveys."""
    repeats: UUID | None = None
    """The failed notice that this one tries again."""


class NoticeFact(Value):
    """One thing that a notice tells, before it is put into words of a language."""

    name: Code
    """What the templates call it."""
    text: Plain | None = None
    """Its value in clear: a code, a number."""
    at: Instant | None = None
    """Its value as an instant."""
    sealed: Sealed | None = None
    """Its value, sealed."""


class NoticeHeld(ComplaintEvent):
    """A notice has nobody to go to yet: it waits until the complaint's address is heard."""

    type: ClassVar[str] = "notice.held.v1"

    kind: NoticeKind
    """What it tells."""
    template: Code
    """The template's name."""
    facts: tuple[NoticeFact, ...] = ()
    """What it tells, not yet in words."""
    lapses_at: Instant | None = None
    """When the promise lapses that a delay notice is about."""
    answer: UUID | None = None
    """The event it tells of, for answers and decisions."""


class NoticeAttempted(ComplaintEvent):
    """A gateway's attempt to deliver a notice, and what came of it; for calls: call.attempted."""

    type: ClassVar[str] = "notice.attempted.v1"

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


class CallPlanned(ComplaintEvent):
    """Somebody is to call the customer: a task of a desk, until it is over (DOMAIN rule 11)."""

    type: ClassVar[str] = "call.planned.v1"

    call: UUID
    """The task's id; taking it and each attempt quote it."""
    reason: CallReason
    """Why."""
    notice: UUID | None = None
    """The notice whose words it tells or asks; None: it has no words of its own."""
    partner: Code | None = None
    """The partner whose answer it confirms (DOMAIN rule 7)."""
    forward: Annotated[int, Field(ge=1)] | None = None
    """The forward that the partner answered."""
    not_before: Instant
    """Not earlier than this: quiet hours."""
    remind_at: Instant
    """From then on the desk is reminded of it, as long as nobody has tried."""
    attempts_max: Annotated[int, Field(ge=1)]
    """How often the customer is tried."""
    policy: PolicyRef
    """The policy that says so."""


class CallTaken(ComplaintEvent):
    """Somebody of a desk makes this call; nobody else does meanwhile."""

    type: ClassVar[str] = "call.taken.v1"

    call: UUID
    """The task."""
    by: StaffRef
    """Who."""
    until: Instant
    """When others may take it again, if nothing was recorded."""


class CallAttempted(ComplaintEvent):
    """An attempt to reach the customer, and what came of it."""

    type: ClassVar[str] = "call.attempted.v1"

    call: UUID
    """The task."""
    attempt: Annotated[int, Field(ge=1)]
    """Its number among the task's attempts."""
    by: StaffRef | None = None
    """Who called; None: a gateway that calls by itself."""
    how: Medium = Medium.CALL
    """By a call, or in person."""
    reached: bool
    """Whether the customer was reached."""
    at: Instant
    """When."""
    again_at: Instant | None = None
    """When the next attempt may be made; None: reached, or tried often enough."""


class CallMissed(ComplaintEvent):
    """Nobody has tried to make this call in time: not the customer's silence, but ours."""

    type: ClassVar[str] = "call.missed.v1"

    call: UUID
    """The task: it still waits."""
    reason: CallReason
    """Why the customer is to be called."""
    due: Instant
    """By when somebody should have tried."""


class CallCalledOff(ComplaintEvent):
    """Nobody needs to make this call any more."""

    type: ClassVar[str] = "call.called_off.v1"

    call: UUID
    """The task."""
    reason: Reason
    """Why, e.g. `reopened`."""


class ContactingStopped(ComplaintEvent):
    """Nobody asks or calls this customer any more in this cycle: their data is locked."""

    type: ClassVar[str] = "contacting.stopped.v1"

    reason: Reason
    """Why, e.g. `erased`."""
    for_good: bool = False
    """In no later cycle either: their data is destroyed."""


class ContactingResumed(ComplaintEvent):
    """The customer complained again after a locking, and is told and asked there from now on."""

    type: ClassVar[str] = "contacting.resumed.v1"

    correspondent: Correspondent
    """Whom to tell, where and how."""


class VisitRecorded(ComplaintEvent):
    """What an important customer said when followed up on after the closing (DOMAIN rule 11)."""

    type: ClassVar[str] = "visit.recorded.v1"

    call: UUID
    """The task; its last attempt reached the customer."""
    score: Score | None = None
    """1 to 10; None when not said."""
    resolved: bool | None = None
    """Whether it is still resolved; None when not said."""
    satisfied: bool | None
    """What the policy makes of it; None when it says nothing."""
    words: Sealed | None = None
    """The customer's words, sealed."""
    policy: PolicyRef
    """The policy that weighed it."""


class ConfirmationRecorded(ComplaintEvent):
    """What the customer said when called to confirm a partner's answer (DOMAIN rule 7)."""

    type: ClassVar[str] = "confirmation.recorded.v1"

    call: UUID
    """The task; its last attempt reached the customer."""
    partner: Code
    """The partner."""
    forward: Annotated[int, Field(ge=1)]
    """The forward that it answers for."""
    answered: bool
    """Whether the partner answered the customer; if not, its duty to them is still owed."""
    content: bool | None = None
    """Whether the customer is content; if not, the complaint goes on. None when not said."""
    words: Sealed | None = None
    """The customer's words, sealed."""


class SurveyAsked(ComplaintEvent):
    """The customer is asked, once per handling cycle."""

    type: ClassVar[str] = "survey.asked.v1"

    survey: UUID
    """The survey's id."""
    answer: UUID
    """The answer it asks about."""
    by: Medium
    """A message, or a call to important customers."""
    remind_at: Instant | None = None
    """When one reminder goes out; None: none."""
    expires: Instant
    """When it ends without an answer."""


class SurveyAnswered(ComplaintEvent):
    """The customer said something about the answer."""

    type: ClassVar[str] = "survey.answered.v1"

    survey: UUID
    """The survey."""
    contact: UUID | None = None
    """The contact that said it; None when a caller wrote it down."""
    score: Score | None = None
    """1 to 10; None when not said."""
    resolved: bool | None = None
    """Whether it is resolved; None when not said."""
    satisfied: bool | None
    """What the policy makes of it; None when it says nothing."""
    words: Sealed | None = None
    """The customer's words, sealed."""
    late: bool = False
    """It came after the survey had concluded."""
    policy: PolicyRef
    """The policy that weighed it."""


class SurveyConcluded(ComplaintEvent):
    """The asking is over; intake closes or reopens."""

    type: ClassVar[str] = "survey.concluded.v1"

    survey: UUID | None = None
    """The survey; None when nobody could be asked."""
    answer: UUID | None = None
    """The answer it asked about; None when cancelled before an answer."""
    outcome: SurveyOutcome
    """How it ended."""
    reason: Reason
    """Why, e.g. `score`, `not_resolved`, `expired`, `no_address`, `withdrawn`."""
    score: Score | None = None
    """The score given."""
    resolved: bool | None = None
    """Whether the customer calls it resolved."""
