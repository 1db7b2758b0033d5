"""What feedback_survey does when it hears something: tell, ask, take the reply, or stop asking."""

from collections.abc import Callable, Mapping, Sequence
from itertools import zip_longest
from typing import Any

from contracts.escalation import CaseDecided, CaseDeclined, CompensationGranted
from contracts.feedback_survey import NoticeFact
from contracts.housekeeping import ErasureMode, PersonErased
from contracts.intake import (
    ComplaintAnswered,
    ComplaintClosed,
    ComplaintContactLinked,
    ComplaintMerged,
    ComplaintReopened,
    ComplaintVerified,
    ComplaintWithdrawn,
)
from contracts.routing import (
    HandlerKind,
    PromiseKind,
    ReportedCause,
    WaitingFor,
    WorkAnswered,
    WorkContacted,
    WorkPromised,
    WorkReportedBack,
    WorkSuspended,
)
from contracts.sla_watch import ClockBreached, ClocksStarted, StartCause, VerdictBasis
from contracts.values import ClockPurpose, Medium, NoticeKind
from libs.decider import Event, Recorded, To
from services.feedback_survey.domain.commands import (
    Ask,
    CallOffVisit,
    CancelAsking,
    ForgetPerson,
    HearReply,
    PlanConfirmation,
    PlanVisit,
    ReportDelivery,
    ResumeContact,
    Tell,
)
from services.feedback_survey.domain.texts import PROMISE


def react(recorded: Recorded[Any]) -> Sequence[To]:
    """The commands that a heard event leads to."""
    on_event = _ON.get(type(recorded.data))
    return () if on_event is None else on_event(recorded)


def on_clocks_started(recorded: Recorded[ClocksStarted]) -> Sequence[To]:
    """Registered: the receipt, at once, with the promised times (DOMAIN rule 2)."""
    event = recorded.data
    if event.cause is not StartCause.REGISTERED or event.correspondent is None:
        return ()
    promised = sorted(
        event.clocks, key=lambda clock: (clock.due is None, clock.due or recorded.at, clock.clock)
    )
    facts = tuple(
        NoticeFact(name=f"{PROMISE}{clock.purpose.value}", at=clock.due) for clock in promised
    )
    return _tell(
        recorded,
        NoticeKind.RECEIPT,
        "receipt",
        *facts,
        correspondent=event.correspondent,
    )


def on_complaint_verified(recorded: Recorded[ComplaintVerified]) -> Sequence[To]:
    """Not valid: the customer is told why (DOMAIN rule 5); valid is told by the handling."""
    event = recorded.data
    if event.valid:
        return ()
    return _tell(
        recorded,
        NoticeKind.ANSWER,
        "rejected",
        NoticeFact(name="note", sealed=event.note),
        correspondent=event.correspondent,
        answer=recorded.id,
    )


def on_work_suspended(recorded: Recorded[WorkSuspended]) -> Sequence[To]:
    """Waiting for the customer: the question."""
    event = recorded.data
    if event.waiting_for is not WaitingFor.CUSTOMER:
        return ()
    return _tell(
        recorded,
        NoticeKind.QUESTION,
        "question",
        NoticeFact(name="question", sealed=event.question),
        NoticeFact(name="until", at=event.until),
    )


def on_work_promised(recorded: Recorded[WorkPromised]) -> Sequence[To]:
    """A delay plan: the customer is told before the promise lapses (DOMAIN rule 8)."""
    event = recorded.data
    if event.kind is not PromiseKind.DELAY_PLAN:
        return ()
    return _tell(
        recorded,
        NoticeKind.DELAY,
        "delay",
        NoticeFact(name="old_due", at=event.old_due),
        NoticeFact(name="new_due", at=event.new_due),
        NoticeFact(name="plan", sealed=event.plan),
        lapses_at=event.old_due,
    )


def on_clock_breached(recorded: Recorded[ClockBreached]) -> Sequence[To]:
    """A legal repair limit has passed: the law wants the customer told (DOMAIN, legal repair)."""
    event = recorded.data
    if event.purpose is not ClockPurpose.LEGAL_REPAIR or event.basis is VerdictBasis.HISTORY:
        return ()
    limit = NoticeFact(name="old_due", at=event.due_at)
    return _tell(recorded, NoticeKind.DELAY, "overdue_repair", limit)


def on_work_answered(recorded: Recorded[WorkAnswered]) -> Sequence[To]:
    """The answer, unless the owner told it already: explanation, decision, money, next steps."""
    event = recorded.data
    if event.told_by is not Medium.MESSAGE:
        return ()
    money = None if event.compensation is None else format(event.compensation, ".2f")
    return _tell(
        recorded,
        NoticeKind.ANSWER,
        "answer",
        NoticeFact(name="explanation", sealed=event.explanation),
        NoticeFact(name="decision", text=event.decision.value),
        NoticeFact(name="compensation", text=money),
        NoticeFact(name="next_steps", sealed=event.next_steps),
        answer=recorded.id,
    )


def on_work_reported_back(recorded: Recorded[WorkReportedBack]) -> Sequence[To]:
    """A partner's answer is confirmed with the customer by a call (DOMAIN rule 7).

    One that only says that the cause lies elsewhere is no answer: the partner still owes one.
    """
    event = recorded.data
    if event.kind is not HandlerKind.PARTNER or event.cause is not ReportedCause.OWN:
        return ()
    if event.forward is None:
        return ()  # nobody had forwarded it anything
    plan = PlanConfirmation(
        at=recorded.at, cycle=event.cycle, partner=event.by, forward=event.forward
    )
    return (To(recorded.subject, plan),)


def on_work_contacted(recorded: Recorded[WorkContacted]) -> Sequence[To]:
    """A partner has told the customer, it says: asked anew where the customer had denied it."""
    event = recorded.data
    if event.partner is None:
        return ()
    return [
        To(
            recorded.subject,
            PlanConfirmation(
                at=recorded.at,
                cycle=event.cycle,
                partner=event.partner,
                forward=forward,
                only_if_denied=True,
            ),
        )
        for forward in event.forwards
    ]


def on_complaint_answered(recorded: Recorded[ComplaintAnswered]) -> Sequence[To]:
    """Ask, once intake says that nothing stands against asking."""
    event = recorded.data
    if not event.ask:
        return ()
    command = Ask(
        at=recorded.at,
        cycle=event.cycle,
        answer=event.answer,
        correspondent=event.correspondent,
    )
    return (To(recorded.subject, command),)


def on_contact_linked(recorded: Recorded[ComplaintContactLinked]) -> Sequence[To]:
    """A survey's reply, or a gateway's report; any other contact is not for us."""
    event = recorded.data
    if event.survey_reply is not None:
        reply = HearReply(
            at=recorded.at,
            cycle=event.cycle,
            contact=event.contact.id,
            score=event.survey_reply.score,
            resolved=event.survey_reply.resolved,
            words=event.text,
        )
        return (To(recorded.subject, reply),)
    if event.delivery_report is not None:
        report = ReportDelivery(
            at=recorded.at,
            notice=event.delivery_report.notice,
            by=event.delivery_report.by,
            result=event.delivery_report.result,
            tried_at=event.delivery_report.at,
            reason=event.delivery_report.reason,
        )
        return (To(recorded.subject, report),)
    return ()


def on_complaint_withdrawn(recorded: Recorded[ComplaintWithdrawn]) -> Sequence[To]:
    """Whatever is asked is cancelled; a reply that still comes is late (EVENTS race 1)."""
    cycle = recorded.data.cycle
    return (To(recorded.subject, CancelAsking(at=recorded.at, cycle=cycle, reason="withdrawn")),)


def on_complaint_merged(recorded: Recorded[ComplaintMerged]) -> Sequence[To]:
    """A merged complaint is never surveyed; its survivor is."""
    cycle = recorded.data.cycle
    return (To(recorded.subject, CancelAsking(at=recorded.at, cycle=cycle, reason="merged")),)


def on_complaint_closed(recorded: Recorded[ComplaintClosed]) -> Sequence[To]:
    """The loop is closed: important customers are followed up on (DOMAIN rule 11)."""
    event = recorded.data
    plan = PlanVisit(at=recorded.at, cycle=event.cycle, outcome=event.outcome)
    return (To(recorded.subject, plan),)


def on_complaint_reopened(recorded: Recorded[ComplaintReopened]) -> Sequence[To]:
    """Handled anew: nobody follows up on what is not over, and the customer may be elsewhere."""
    told = recorded.data
    resume = ResumeContact(at=recorded.at, cycle=told.cycle, correspondent=told.correspondent)
    return (
        To(recorded.subject, CallOffVisit(at=recorded.at, cycle=told.cycle)),
        To(recorded.subject, resume),
    )


def on_case_declined(recorded: Recorded[CaseDeclined]) -> Sequence[To]:
    """Who asked for the desk is told that it did not take the matter up."""
    if not recorded.data.customer_asked:
        return ()
    note = NoticeFact(name="note", sealed=recorded.data.note)
    return _tell(recorded, NoticeKind.DECISION, "declined", note, answer=recorded.id)


def on_case_decided(recorded: Recorded[CaseDecided]) -> Sequence[To]:
    """The desk's decision; a final one names the right to appeal (DOMAIN rule 10)."""
    event = recorded.data
    return _tell(
        recorded,
        NoticeKind.DECISION,
        "decision",
        NoticeFact(name="decision", text=event.decision.value),
        NoticeFact(name="reasons", sealed=event.reasons),
        NoticeFact(name="final", text="yes" if event.final else None),
        answer=recorded.id,
    )


def on_compensation_granted(recorded: Recorded[CompensationGranted]) -> Sequence[To]:
    """Money that was granted is told."""
    amount = NoticeFact(name="amount", text=format(recorded.data.amount, ".2f"))
    return _tell(recorded, NoticeKind.COMPENSATION, "compensation", amount)


def on_person_erased(recorded: Recorded[PersonErased]) -> Sequence[To]:
    """Nobody asks who has asked to be forgotten, in the cycle that was then."""
    told = recorded.data
    gone = told.mode is ErasureMode.DESTROYED
    return [
        To(str(complaint), ForgetPerson(at=recorded.at, cycle=cycle, for_good=gone))
        for complaint, cycle in zip_longest(told.complaints, told.cycles)
    ]


def _tell(
    recorded: Recorded[Any], kind: NoticeKind, template: str, *facts: NoticeFact, **more: Any
) -> Sequence[To]:
    known = tuple(one for one in facts if one.name.startswith(PROMISE) or _says_something(one))
    command = Tell(
        at=recorded.at,
        cycle=recorded.data.cycle,
        kind=kind,
        template=template,
        facts=known,
        **more,
    )
    return (To(recorded.subject, command),)


def _says_something(fact: NoticeFact) -> bool:
    return fact.text is not None or fact.at is not None or fact.sealed is not None


_ON: Mapping[type[Event], Callable[[Recorded[Any]], Sequence[To]]] = {
    ComplaintVerified: on_complaint_verified,
    ComplaintContactLinked: on_contact_linked,
    ComplaintMerged: on_complaint_merged,
    ComplaintWithdrawn: on_complaint_withdrawn,
    ComplaintAnswered: on_complaint_answered,
    ComplaintClosed: on_complaint_closed,
    ComplaintReopened: on_complaint_reopened,
    WorkSuspended: on_work_suspended,
    WorkPromised: on_work_promised,
    WorkAnswered: on_work_answered,
    WorkReportedBack: on_work_reported_back,
    WorkContacted: on_work_contacted,
    ClocksStarted: on_clocks_started,
    ClockBreached: on_clock_breached,
    CaseDeclined: on_case_declined,
    CaseDecided: on_case_decided,
    CompensationGranted: on_compensation_granted,
    PersonErased: on_person_erased,
}

HEARD: tuple[type[Event], ...] = tuple(_ON)
