"""What may be asked of a complaint's feedback stream, by the log and by those who call."""

from typing import Annotated
from uuid import UUID

from pydantic import Field

from contracts.feedback_survey import NoticeFact
from contracts.intake import Outcome
from contracts.values import (
    Code,
    Correspondent,
    Cycle,
    DeliveryResult,
    Instant,
    Medium,
    NoticeKind,
    Reason,
    Score,
    Sealed,
    StaffRef,
)
from libs.decider import Command


class Tell(Command):
    """Tell the customer something; `facts` are not yet in words of a language."""

    cycle: Cycle
    kind: NoticeKind
    template: Code
    facts: tuple[NoticeFact, ...] = ()
    correspondent: Correspondent | None = None
    lapses_at: Instant | None = None
    answer: UUID | None = None


class Ask(Command):
    """The customer has an answer: ask whether it is enough."""

    cycle: Cycle
    answer: UUID
    correspondent: Correspondent


class HearReply(Command):
    """The customer said something when asked."""

    cycle: Cycle
    contact: UUID
    score: Score | None = None
    resolved: bool | None = None
    words: Sealed | None = None


class ReportDelivery(Command):
    """A gateway says what became of a notice."""

    notice: UUID
    by: Medium
    result: DeliveryResult
    tried_at: Instant
    reason: Reason | None = None


class TakeCall(Command):
    """Somebody of a desk is about to make a call."""

    call: UUID
    by: StaffRef


class RecordCall(Command):
    """Somebody called the customer; what was asked may be answered on the spot.

    `answered` and `content` are what the customer says of a partner's answer.
    """

    call: UUID
    by: StaffRef
    reached: bool
    how: Medium = Medium.CALL
    answered: bool | None = None
    content: bool | None = None
    score: Score | None = None
    resolved: bool | None = None
    words: Sealed | None = None


class PlanVisit(Command):
    """The complaint is closed: an important customer is followed up on."""

    cycle: Cycle
    outcome: Outcome


class CallOffVisit(Command):
    """The complaint is open again: who was to be followed up on is in touch with us anyway."""

    cycle: Cycle


class PlanConfirmation(Command):
    """A partner has answered: the customer is called back to confirm it (DOMAIN rule 7)."""

    cycle: Cycle
    partner: Code
    forward: Annotated[int, Field(ge=1)]
    only_if_denied: bool = False
    """The partner says that it has told the customer: confirmed anew only if it was denied."""


class CancelAsking(Command):
    """The complaint ends another way: withdrawn, or merged into another."""

    cycle: Cycle
    reason: Reason


class ForgetPerson(Command):
    """The person's data is locked, or destroyed (`for_good`): nobody can be asked any more.

    `cycle`: the one it came in; None: not told, so the one that is known here.
    """

    cycle: int | None = None
    for_good: bool = False


class ResumeContact(Command):
    """The complaint was reopened, and its customer is answered there from now on."""

    cycle: int
    correspondent: Correspondent


FeedbackCommand = (
    Tell
    | Ask
    | HearReply
    | ReportDelivery
    | TakeCall
    | RecordCall
    | PlanVisit
    | CallOffVisit
    | PlanConfirmation
    | CancelAsking
    | ForgetPerson
    | ResumeContact
)
