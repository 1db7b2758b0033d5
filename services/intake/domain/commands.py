"""What can be asked of a complaint. Free text in them is sealed already."""

from typing import Annotated
from uuid import UUID

from pydantic import Field

from contracts.escalation import CaseOutcome
from contracts.feedback_survey import SurveyOutcome
from contracts.intake import (
    Check,
    DeliveryReport,
    HoldState,
    MatchedBy,
    MergedContact,
    NotedState,
    Registration,
    Standalone,
    SurveyReply,
    WithdrawnBy,
)
from contracts.values import (
    CaseTrigger,
    Category,
    Code,
    Contact,
    Evidence,
    Instant,
    Reason,
    Receipt,
    RegulatorReferral,
    Sealed,
    Urgency,
)
from libs.decider import Command, TimerFired


class RegisterComplaint(Command):
    """A complaint is told for the first time; `at` is when its words reached the channel."""

    registration: Registration


class VerifyComplaint(Command):
    """The intake desk has checked whether it is valid (DOMAIN rule 5)."""

    valid: bool
    reason: Reason | None = None
    note: Sealed | None = None
    checked: tuple[Check, ...]
    evidence: tuple[Evidence, ...] = ()


class LinkContact(Command):
    """A further contact about a complaint on record; `at` is the contact's own time."""

    contact: Contact
    matched_by: MatchedBy
    text: Sealed | None = None
    standalone: Standalone | None = None
    evidence: tuple[Evidence, ...] = ()
    survey_reply: SurveyReply | None = None
    delivery_report: DeliveryReport | None = None
    regulator: RegulatorReferral | None = None


class UnlinkContact(Command):
    """A contact was about something else: it becomes a complaint of its own (DOMAIN rule 2).

    `receipt` is the number it will have; `category` says what it is about where staff know.
    """

    contact: UUID
    reason: Reason
    note: Sealed | None = None
    receipt: Receipt
    category: Category | None = None
    repeat_no: Annotated[int, Field(ge=0)] = 0
    """Which repeat the complaint is that it becomes (rule 10)."""


class CountRepeats(Command):
    """Others of the customer's complaints were told, or got a category: this is what it repeats."""

    repeat_no: Annotated[int, Field(ge=0)]


class Reclassify(Command):
    """A desk sets category or urgency right; None leaves one as it is."""

    category: Category | None = None
    urgency: Urgency | None = None
    reason: Reason
    note: Sealed | None = None


class Withdraw(Command):
    """The customer takes it back; `contact` is the message that said so, if one did."""

    by: WithdrawnBy
    reason: Reason
    note: Sealed | None = None
    contact: Contact | None = None


class Merge(Command):
    """It is the same matter as `into`, which goes on for both (EVENTS 6).

    `arriving` are contacts of complaints merged into this one whose link is still on its way, and
    `leaving` those whose unlinking is: what `merging.choose_merge` read beside this stream.
    """

    into: UUID
    reason: Reason
    note: Sealed | None = None
    same_customer: bool = False
    arriving: tuple[MergedContact, ...] = ()
    leaving: tuple[UUID, ...] = ()


class Unmerge(Command):
    """It was not the same matter after all (EVENTS 7)."""

    reason: Reason
    note: Sealed | None = None


class LinkMerged(Command):
    """The survivor takes the contacts of a merged complaint (heard: complaint.merged)."""

    origin: UUID
    contacts: tuple[MergedContact, ...]


class UnlinkMerged(Command):
    """They go back to the complaint they came from (heard: complaint.unmerged)."""

    origin: UUID
    reason: Reason


class RecordAnswer(Command):
    """The owner answered the customer (heard: work.answered)."""

    cycle: int
    answer: UUID


class RecordTold(Command):
    """An answer notice went out (heard: notice.issued); it tells a rejection, if there is one."""

    notice: UUID


class ConcludeSurvey(Command):
    """The asking is over (heard: survey.concluded)."""

    cycle: int
    asked: UUID
    outcome: SurveyOutcome


class RecordLateReply(Command):
    """A dissatisfied reply came after the asking was over (heard: survey.answered, late)."""

    cycle: int
    reply: UUID


class RecordVisit(Command):
    """A follow-up visit, or a call to confirm a partner's answer, found the customer dissatisfied
    (heard: visit.recorded, confirmation.recorded)."""

    cycle: int
    visit: UUID


class RecordCaseRequested(Command):
    """The 10015 desk is asked to look at it (heard: case.requested)."""

    case: int
    tier: int
    trigger: CaseTrigger
    request: UUID
    regulator: RegulatorReferral | None = None
    passed_from: int | None = None


class RecordCaseAccepted(Command):
    """An officer has taken a case (heard: case.accepted)."""

    case: int
    tier: int


class RecordCaseEnded(Command):
    """A case was declined or is over (heard: case.declined, case.closed)."""

    cycle: int
    case: int
    tier: int
    state: NotedState
    outcome: CaseOutcome | None = None
    decision: UUID | None = None
    decided_at: Instant | None = None


class AwaitErasure(Command):
    """A person's data is to be destroyed as soon as this complaint allows it (race 15)."""

    person: UUID


class NoteHold(Command):
    """A legal hold on the complaint began or ended (heard: hold.placed, hold.lifted)."""

    hold: Code
    state: HoldState


class ErasureDue(TimerFired):
    """Nothing of the complaint keeps its person's data any more."""


ComplaintCommand = (
    RegisterComplaint
    | VerifyComplaint
    | LinkContact
    | UnlinkContact
    | Reclassify
    | CountRepeats
    | Withdraw
    | Merge
    | Unmerge
    | LinkMerged
    | UnlinkMerged
    | RecordAnswer
    | RecordTold
    | ConcludeSurvey
    | RecordLateReply
    | RecordVisit
    | RecordCaseRequested
    | RecordCaseAccepted
    | RecordCaseEnded
    | AwaitErasure
    | NoteHold
    | ErasureDue
)
"""Every command of the stream `complaint`."""
