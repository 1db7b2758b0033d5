"""A complaint goes on record once, however often and wherever it is told, and its loop is closed.

`decide` answers every command with the events that follow, and asks the closing rule
(`closing.py`) whenever a blocker may have gone. Only intake answers, closes and reopens.
"""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from contracts.escalation import CaseOutcome
from contracts.feedback_survey import SurveyOutcome
from contracts.intake import (
    Becomes,
    ComplaintAnswered,
    ComplaintClosed,
    ComplaintContactLinked,
    ComplaintContactUnlinked,
    ComplaintErasureNoted,
    ComplaintEscalationNoted,
    ComplaintHoldNoted,
    ComplaintMerged,
    ComplaintReclassified,
    ComplaintRegistered,
    ComplaintReopened,
    ComplaintRepeatsCounted,
    ComplaintSurveyNoted,
    ComplaintUnmerged,
    ComplaintVerified,
    ComplaintWithdrawn,
    MatchedBy,
    NotedState,
    Outcome,
    Registration,
    ReopenReason,
)
from contracts.values import (
    CaseTrigger,
    Category,
    Classification,
    Classified,
    Contact,
    ContactKind,
    Correspondent,
    ReopenRoute,
)
from libs.decider import Conflict, Context, Event, NotFound, Refused
from services.intake.domain import erasing, history, merging, reopening, repeating
from services.intake.domain.closing import TIER_REGULATOR, close
from services.intake.domain.commands import (
    AwaitErasure,
    ComplaintCommand,
    ConcludeSurvey,
    CountRepeats,
    ErasureDue,
    LinkContact,
    LinkMerged,
    Merge,
    NoteHold,
    Reclassify,
    RecordAnswer,
    RecordCaseAccepted,
    RecordCaseEnded,
    RecordCaseRequested,
    RecordLateReply,
    RecordTold,
    RecordVisit,
    RegisterComplaint,
    UnlinkContact,
    UnlinkMerged,
    Unmerge,
    VerifyComplaint,
    Withdraw,
)
from services.intake.domain.erasing import with_erasures
from services.intake.domain.person import Person
from services.intake.domain.policy import contacts_policy, reopening_policy, verification_policy
from services.intake.domain.state import Answer, Complaint, Linked, fold, urges_standing

EVENTS: tuple[type[Event], ...] = (
    ComplaintRegistered,
    ComplaintVerified,
    ComplaintContactLinked,
    ComplaintContactUnlinked,
    ComplaintReclassified,
    ComplaintRepeatsCounted,
    ComplaintMerged,
    ComplaintUnmerged,
    ComplaintWithdrawn,
    ComplaintAnswered,
    ComplaintSurveyNoted,
    ComplaintEscalationNoted,
    ComplaintClosed,
    ComplaintReopened,
    ComplaintErasureNoted,
    ComplaintHoldNoted,
)

ASKING_OVER = {
    SurveyOutcome.SATISFIED: Outcome.SATISFIED,
    SurveyOutcome.NO_ANSWER: Outcome.NO_ANSWER,
    SurveyOutcome.UNREACHABLE: Outcome.UNREACHABLE,
}
"""The ends of an asking that may close; dissatisfied never does, cancelled follows a withdrawal."""

SPEAKS_FOR_ITSELF = frozenset(
    {
        ContactKind.URGE,
        ContactKind.FACT,
        ContactKind.REPLY,
        ContactKind.ESCALATION_WISH,
        ContactKind.REGULATOR_REFERRAL,
        ContactKind.MEDIA_EXPOSURE,
    }
)
"""Contacts that could be a complaint of their own."""

OF_ITS_OWN = frozenset({ContactKind.DELIVERY_REPORT, ContactKind.SURVEY_REPLY})
"""Contacts about a notice or a survey of a complaint's own: they stay with it, merged or not."""

REOPENS = frozenset({ContactKind.URGE, ContactKind.FACT, ContactKind.REPLY})
"""Contacts that take a closed complaint up again; a wish, the regulator and the media go through
the 10015 desk, whose request reopens it (EVENTS race 2)."""


AFTER_WITHDRAWAL = REOPENS | {ContactKind.ESCALATION_WISH}
"""The same after a withdrawal, which no case but the regulator's undoes by itself."""


class ComplaintUnknown(NotFound):
    """There is no complaint with this id."""

    rule = "complaint-unknown"
    zh = "没有找到该投诉"


class ComplaintNotOpen(Conflict):
    """The complaint is closed; a further contact that quotes its receipt reopens it."""

    rule = "complaint-not-open"
    zh = "该投诉已结案"


class ComplaintIsWithdrawn(Conflict):
    """The customer has withdrawn the complaint; only the regulator's case keeps it open."""

    rule = "complaint-withdrawn"
    zh = "该投诉已由客户撤回"


class ComplaintMergedAway(Conflict):
    """The complaint is merged into another one; go on there."""

    rule = "complaint-merged"
    zh = "该投诉已并入另一投诉"


class AlreadyVerified(Conflict):
    """The complaint was verified with the other result; a withdrawal or the appeal changes that."""

    rule = "already-verified"
    zh = "该投诉已完成核实"


class ReasonMissing(Refused):
    """A rejection needs its reason, which the customer is told (DOMAIN rule 5)."""

    rule = "rejection-needs-reason"
    zh = "不予受理必须说明理由"


class ContactUnknown(NotFound):
    """This complaint has no such contact."""

    rule = "contact-unknown"
    zh = "该投诉下没有这次联系记录"


class FirstContactStays(Refused):
    """The first contact is the complaint itself; it cannot be unlinked from it."""

    rule = "first-contact-stays"
    zh = "首次联系不能拆分"


class ContactCannotStandAlone(Refused):
    """This contact only makes sense within its complaint; it cannot become one of its own."""

    rule = "contact-cannot-stand-alone"
    zh = "该联系记录不能单独成立投诉"


class TooManyContacts(Conflict):
    """The complaint has as many contacts as the policy allows; a machine seems to be sending."""

    rule = "too-many-contacts"
    zh = "该投诉的联系次数已达上限"


class NothingUnclassified(Refused):
    """A desk classifies; it cannot make a complaint unclassified."""

    rule = "cannot-unclassify"
    zh = "不能改为未分类"


class ClosedTooLongAgo(Conflict):
    """The complaint was closed too long ago for a contact to reopen it; tell it as a new one."""

    rule = "closed-too-long-ago"
    zh = "该投诉已结案,请重新登记"


def decide(
    complaint: Complaint | None, command: ComplaintCommand, context: Context
) -> Sequence[Event]:
    """What follows from a command; raises DomainError to refuse; [] when it is told twice."""
    if complaint is not None and isinstance(command, AwaitErasure | NoteHold | ErasureDue):
        return erasing.decide(complaint, command)
    return with_erasures(complaint, _decide(complaint, command, context), context.now)


def _decide(  # noqa: C901 - one line per command, and nothing else
    complaint: Complaint | None, command: ComplaintCommand, context: Context
) -> Sequence[Event]:
    if isinstance(command, RegisterComplaint):
        return [] if complaint is not None else _register(command.registration, command, context)
    if complaint is None:
        raise ComplaintUnknown
    match command:
        case LinkContact():
            return _link(complaint, command, context)
        case UnlinkContact():
            return _unlink(complaint, command, context)
        case VerifyComplaint():
            return _verify(complaint, command, context)
        case Reclassify():
            return _reclassify(complaint, command)
        case CountRepeats():
            return list(repeating.count(complaint, command))
        case Withdraw():
            return _withdraw(complaint, command, context)
        case Merge() | Unmerge() | LinkMerged() | UnlinkMerged():
            return _merging(complaint, command, context)
        case RecordAnswer():
            return _answer(complaint, command)
        case RecordTold():
            return _told(complaint, command, context)
        case ConcludeSurvey():
            return _conclude(complaint, command, context)
        case RecordLateReply() | RecordVisit():
            return _late_reply(complaint, command, context)
        case RecordCaseRequested() | RecordCaseAccepted() | RecordCaseEnded():
            return _case(complaint, command, context)
        case _:  # what concerns erasing is decided before
            return []


# --- told and verified ---------------------------------------------------------------------------


def _register(
    registration: Registration, command: RegisterComplaint, context: Context
) -> list[Event]:
    """Registered; and verified in the same decision where the policy checks by itself."""
    policies = context.policies
    followed = contacts_policy(policies, command.at).ref
    if registration.history is not None:
        return history.taken_over(registration, registration.history, followed)
    registered = ComplaintRegistered(cycle=1, registration=registration, policy=followed)
    policy = verification_policy(policies, command.at)
    rule = policy.rule_for(registration)
    if rule.by == "desk":
        return [registered]
    return [
        registered,
        ComplaintVerified(
            cycle=1,
            valid=True,
            checked=rule.checked,
            automatic=True,
            profile=registration.profile,
            correspondent=registration.correspondent,
            clock_from=registration.clock_from,
            policy=policy.ref,
        ),
    ]


def _verify(complaint: Complaint, command: VerifyComplaint, context: Context) -> list[Event]:
    if complaint.valid is not None:
        if complaint.valid == command.valid:
            return []
        raise AlreadyVerified
    _refuse_unless_open(complaint)
    if not command.valid and command.reason is None:
        raise ReasonMissing
    return [
        ComplaintVerified(
            cycle=complaint.cycle,
            valid=command.valid,
            reason=None if command.valid else command.reason,
            note=command.note,
            checked=command.checked,
            automatic=False,
            evidence=command.evidence,
            profile=complaint.profile,
            correspondent=complaint.registration.correspondent,
            clock_from=complaint.clock_from,
            policy=verification_policy(context.policies, command.at).ref,
        )
    ]


def _reclassify(complaint: Complaint, command: Reclassify) -> list[Event]:
    """A desk knows better; the new clocks start at the original contact (DOMAIN counting 9)."""
    _refuse_unless_open(complaint)
    if command.category is Category.UNCLASSIFIED:
        raise NothingUnclassified
    profile = complaint.profile
    was = Classification(category=profile.category, urgency=profile.urgency)
    now = Classification(
        category=command.category or was.category, urgency=command.urgency or was.urgency
    )
    if now == was:
        return []
    return [
        ComplaintReclassified(
            cycle=complaint.cycle,
            was=was,
            now=now,
            classified=Classified(by="desk"),
            reason=command.reason,
            note=command.note,
            clock_from=complaint.clock_from,
            profile=profile.model_copy(update={"category": now.category, "urgency": now.urgency}),
        )
    ]


# --- contacts ------------------------------------------------------------------------------------


def _link(complaint: Complaint, command: LinkContact, context: Context) -> list[Event]:
    contact = command.contact
    if contact.id in complaint.contact_ids:
        return []  # told twice is told once
    if complaint.merged_into is not None and contact.kind not in OF_ITS_OWN:
        raise ComplaintMergedAway
    if len(complaint.contacts) >= contacts_policy(context.policies, command.at).contacts_max:
        raise TooManyContacts
    if complaint.closed is not None:
        return _link_to_closed(complaint, command, context)
    return [_linked(complaint, command)]


def _linked(complaint: Complaint, command: LinkContact) -> ComplaintContactLinked:
    """An urge raises the count; after closing nothing is urged any more, it is a fact."""
    contact = command.contact
    closed = complaint.closed is not None
    if closed and contact.kind is ContactKind.URGE:
        contact = contact.model_copy(update={"kind": ContactKind.FACT})
    return ComplaintContactLinked(
        cycle=complaint.cycle,
        contact=contact,
        urge_no=complaint.urges + (contact.kind is ContactKind.URGE),
        matched_by=command.matched_by,
        text=command.text,
        standalone=command.standalone,
        evidence=command.evidence,
        survey_reply=command.survey_reply,
        delivery_report=command.delivery_report,
        regulator=command.regulator,
        closed=closed,
    )


def _link_to_closed(complaint: Complaint, command: LinkContact, context: Context) -> list[Event]:
    """After closing: words reopen within the policy's limits; the rest is kept on record."""
    closed = complaint.closed
    assert closed is not None
    linked = _linked(complaint, command)
    if command.contact.kind not in (AFTER_WITHDRAWAL if complaint.withdrawn else REOPENS):
        return [linked]
    if complaint.withdrawn_at is not None and command.at < complaint.withdrawn_at:
        return [linked]  # said before it was taken back, heard after
    policy = reopening_policy(context.policies, command.at)
    if not reopening.contact_reopens(closed.outcome, closed.at, policy, command.at):
        raise ClosedTooLongAgo
    return [
        linked,
        reopening.reopened(
            complaint,
            ReopenReason.CONTACT,
            policy.contact.route,
            max(command.at, closed.at),
            command.contact.id,
            correspondent=_answered_at(complaint, command, context),
        ),
    ]


def _answered_at(
    complaint: Complaint, command: LinkContact, context: Context
) -> Correspondent | None:
    """Where a customer whose data was locked is answered now: the old address opens no more."""
    to, alone = complaint.correspondent, command.standalone
    person: Person | None = context.state_of("person", str(to.person))
    if person is None or person.erased is None or alone is None or alone.person != to.person:
        return None
    return None if alone.reply_to is None else to.model_copy(update={"reply_to": alone.reply_to})


def _unlink(complaint: Complaint, command: UnlinkContact, context: Context) -> list[Event]:
    """It was about something else: its own complaint, dated at its own contact (DOMAIN rule 2)."""
    if command.contact == complaint.registration.contact.id:
        raise FirstContactStays
    linked = complaint.linked(command.contact)
    if linked is None:
        raise ContactUnknown
    if not linked.stands:
        return []
    if complaint.merged_into is not None:
        raise ComplaintMergedAway
    if linked.merged_from is not None:
        raise merging.CameByMerge
    becomes = Becomes(
        complaint=command.contact,
        registration=_registration_of(linked, command, UUID(context.subject)),
    )
    urge = linked.contact.kind is ContactKind.URGE and linked.cycle == complaint.cycle
    return [
        ComplaintContactUnlinked(
            cycle=complaint.cycle,
            contact=linked.contact,
            reason=command.reason,
            note=command.note,
            urge_no=urges_standing(complaint) - urge,
            becomes=becomes,
        )
    ]


def _registration_of(linked: Linked, command: UnlinkContact, origin: UUID) -> Registration:
    alone = linked.standalone
    if alone is None or linked.text is None or linked.contact.kind not in SPEAKS_FOR_ITSELF:
        raise ContactCannotStandAlone
    profile, classified = alone.profile, alone.classified
    if command.category not in (None, Category.UNCLASSIFIED):
        profile = profile.model_copy(update={"category": command.category})
        classified = Classified(by="desk")
    return Registration(
        correspondent=Correspondent(
            receipt=command.receipt,
            person=alone.person,
            anonymous=alone.anonymous,
            reply_to=alone.reply_to,
            language=profile.language,
            customer_class=profile.customer_class,
            value_tier=profile.value_tier,
        ),
        profile=profile,
        classified=classified,
        contact=linked.contact.model_copy(update={"kind": ContactKind.FIRST}),
        clock_from=linked.contact.at,
        repeat_no=command.repeat_no,
        summary=linked.text,
        sender_name=alone.sender_name,
        evidence=linked.evidence,
        unlinked_from=origin,
    )


def _merging(
    complaint: Complaint, command: Merge | Unmerge | LinkMerged | UnlinkMerged, context: Context
) -> Sequence[Event]:
    match command:
        case Merge():
            if complaint.merged_into == command.into:
                return []
            _refuse_unless_open(complaint)
            return merging.merge(complaint, command, context)
        case Unmerge():
            return merging.unmerge(complaint, command)
        case LinkMerged():
            return merging.link(complaint, command, context)
        case UnlinkMerged():
            return merging.unlink(complaint, command, context)


def _withdraw(complaint: Complaint, command: Withdraw, context: Context) -> list[Event]:
    """Closes in the same decision unless the regulator's case is open (EVENTS 8)."""
    contact = command.contact
    if contact is not None:
        if contact.id in complaint.contact_ids:
            return []
        if complaint.withdrawn or complaint.closed is not None:
            return [_linked(complaint, _as_contact(contact, command))]
    elif complaint.withdrawn:
        return []
    _refuse_unless_open(complaint)
    withdrawn = ComplaintWithdrawn(
        cycle=complaint.cycle,
        by=command.by,
        reason=command.reason,
        note=command.note,
        contact=contact,
    )
    return _and_close(complaint, [withdrawn], context)


def _as_contact(contact: Contact, command: Withdraw) -> LinkContact:
    """A withdrawal that changes nothing any more is still on record as a contact."""
    return LinkContact(
        at=command.at, contact=contact, matched_by=MatchedBy.RECEIPT, text=command.note
    )


# --- answered and asked --------------------------------------------------------------------------


def _answer(complaint: Complaint, command: RecordAnswer) -> list[Event]:
    """The owner's answer; the customer is asked at once unless a case is open (EVENTS 9)."""
    if command.cycle != complaint.cycle:
        return []
    kept = merging.undone(complaint, "answered")
    if not kept and not _awaits_answer(complaint):
        return []
    known = complaint.answer
    if known is not None and (known.ask or known.id == command.answer):
        return []
    answer = Answer(command.answer, command.at, ask=not complaint.has_case())
    return [*kept, _answered(complaint, answer)]


def _told(complaint: Complaint, command: RecordTold, context: Context) -> list[Event]:
    """A rejection is told: that is its answer, and it may close (DOMAIN rule 5)."""
    if not complaint.open or not complaint.rejected or complaint.answer is not None:
        return []
    answered = _answered(complaint, Answer(command.notice, command.at, ask=False))
    return _and_close(complaint, [answered], context)


def _conclude(complaint: Complaint, command: ConcludeSurvey, context: Context) -> list[Event]:
    """The asking is over: close, reopen, or keep the outcome until the last blocker goes."""
    answer = complaint.answer
    if (
        command.cycle != complaint.cycle
        or not _awaits_answer(complaint)
        or complaint.asked is not None
        or answer is None
        or not answer.ask
    ):
        return []
    if command.outcome is SurveyOutcome.DISSATISFIED:
        policy = reopening_policy(context.policies, command.at)
        return [reopening.dissatisfied(complaint, policy, command.at, command.asked)]
    outcome = ASKING_OVER.get(command.outcome)
    if outcome is None:
        return []
    noted = ComplaintSurveyNoted(cycle=complaint.cycle, asked=command.asked, outcome=outcome)
    closed = close(fold(complaint, noted, context.now))
    return [*closed] if closed else [noted]


def _late_reply(
    complaint: Complaint, command: RecordLateReply | RecordVisit, context: Context
) -> list[Event]:
    """Dissatisfied after all: may reopen what was closed (EVENTS race 1; DOMAIN rule 11)."""
    if command.cycle != complaint.cycle:
        return []
    policy = reopening_policy(context.policies, command.at)
    match command:
        case RecordLateReply(reply=cause):
            reopens = reopening.late_reply_reopens(complaint, policy, command.at)
        case RecordVisit(visit=cause):
            reopens = reopening.visit_reopens(complaint, policy, command.at)
    return [reopening.dissatisfied(complaint, policy, command.at, cause)] if reopens else []


# --- the 10015 desk ------------------------------------------------------------------------------


def _case(
    complaint: Complaint,
    command: RecordCaseRequested | RecordCaseAccepted | RecordCaseEnded,
    context: Context,
) -> list[Event]:
    match command:
        case RecordCaseRequested():
            return _case_requested(complaint, command, context)
        case RecordCaseAccepted():
            return _case_accepted(complaint, command)
        case RecordCaseEnded():
            return _case_ended(complaint, command, context)


def _case_requested(
    complaint: Complaint, command: RecordCaseRequested, context: Context
) -> list[Event]:
    """An open case blocks closing; for a closed complaint see EVENTS race 2."""
    if command.case in complaint.cases_known:
        return []
    ended = [
        _noted(complaint, case, tier, NotedState.ENDED)
        for case, tier in complaint.cases_open
        if case == command.passed_from
    ]
    if complaint.closed is None:
        opened = _noted(complaint, command.case, command.tier, NotedState.OPEN, command.trigger)
        appeal = command.tier == TIER_REGULATOR
        kept = merging.undone(complaint, "regulator_case") if appeal else []
        return [*kept, opened, *ended]
    policy = reopening_policy(context.policies, command.at)
    if not reopening.case_reopens(complaint, policy, command.trigger):
        declined = _noted(
            complaint, command.case, command.tier, NotedState.DECLINED, command.trigger
        )
        return [declined, *ended]
    regulator = command.trigger is CaseTrigger.REGULATOR
    again = reopening.reopened(
        complaint,
        ReopenReason.REGULATOR if regulator else ReopenReason.ESCALATED,
        ReopenRoute.ESCALATE,
        command.at,
        command.request,
        case=command.case,
        regulator=command.regulator,
    )
    complaint = fold(complaint, again, context.now)
    opened = _noted(complaint, command.case, command.tier, NotedState.OPEN, command.trigger)
    return [again, opened, *ended]


def _case_accepted(complaint: Complaint, command: RecordCaseAccepted) -> list[Event]:
    """An officer has it: from now on it cannot be merged away, nor has it been (EVENTS race 8)."""
    if not any(case == command.case for case, _ in complaint.cases_open):
        return []
    if command.case in complaint.cases_accepted:
        return []
    noted = _noted(complaint, command.case, command.tier, NotedState.ACCEPTED)
    return [*merging.undone(complaint, "case_accepted"), noted]


def _case_ended(complaint: Complaint, command: RecordCaseEnded, context: Context) -> list[Event]:
    """The last open case ends: close if nothing else is missing, else ask about the answer.

    A case passed up goes on in the next one, whose request ends it here, so that nothing closes
    between the two.
    """
    if command.outcome is CaseOutcome.PASSED_UP:
        return []
    if not any(case == command.case for case, _ in complaint.cases_open):
        return []
    noted = _noted(complaint, command.case, command.tier, command.state)
    after = fold(complaint, noted, context.now)
    closed = close(after)
    if closed or after.has_case() or not _awaits_answer(after):
        return [noted, *closed]
    answer = _last_answer(after, command)
    if answer is None or (after.answer is not None and after.answer.ask):
        return [noted]
    return [noted, _answered(after, answer)]


def _last_answer(complaint: Complaint, ended: RecordCaseEnded) -> Answer | None:
    """The later of the owner's answer and the desk's decision in this cycle (EVENTS 47)."""
    answers = []
    if ended.decision is not None and ended.cycle == complaint.cycle:
        answers.append(Answer(ended.decision, ended.decided_at or ended.at, ask=True))
    if complaint.answer is not None:
        answers.append(Answer(complaint.answer.id, complaint.answer.at, ask=True))
    return max(answers, key=lambda one: one.at, default=None)


# --- what several of them need -------------------------------------------------------------------


def _refuse_unless_open(complaint: Complaint) -> None:
    if complaint.merged_into is not None:
        raise ComplaintMergedAway
    if complaint.closed is not None:
        raise ComplaintNotOpen
    if complaint.withdrawn:
        raise ComplaintIsWithdrawn


def _awaits_answer(complaint: Complaint) -> bool:
    """Whether answers and askings still matter: open, not withdrawn, not rejected."""
    return complaint.open and not complaint.withdrawn and not complaint.rejected


def _answered(complaint: Complaint, answer: Answer) -> ComplaintAnswered:
    return ComplaintAnswered(
        cycle=complaint.cycle,
        answer=answer.id,
        answered_at=answer.at,
        ask=answer.ask,
        correspondent=complaint.correspondent,
    )


def _noted(
    complaint: Complaint,
    case: int,
    tier: int,
    state: NotedState,
    trigger: CaseTrigger | None = None,
) -> ComplaintEscalationNoted:
    return ComplaintEscalationNoted(
        cycle=complaint.cycle, case=case, tier=tier, state=state, trigger=trigger
    )


def _and_close(complaint: Complaint, events: list[Any], context: Context) -> list[Event]:
    """These events, and the closing if they took the last blocker away."""
    for event in events:
        complaint = fold(complaint, event, context.now)
    return [*events, *close(complaint)]
