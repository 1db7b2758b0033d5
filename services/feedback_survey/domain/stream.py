"""The feedback stream of a complaint: decide, evolve, and what it waits for."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from types import MappingProxyType
from typing import Any, get_args
from uuid import UUID

from contracts.feedback_survey import (
    CallAttempted,
    CallCalledOff,
    CallMissed,
    CallPlanned,
    CallTaken,
    ConfirmationRecorded,
    ContactingResumed,
    ContactingStopped,
    NoticeAttempted,
    NoticeHeld,
    NoticeIssued,
    SurveyAnswered,
    SurveyAsked,
    SurveyConcluded,
    SurveyOutcome,
    VisitRecorded,
)
from contracts.values import DeliveryResult, Medium, NoticeKind
from libs.decider import Context, Decider, Event, Recorded, TimerFired
from services.feedback_survey.domain.commands import (
    Ask,
    CallOffVisit,
    CancelAsking,
    FeedbackCommand,
    ForgetPerson,
    HearReply,
    PlanConfirmation,
    PlanVisit,
    RecordCall,
    ReportDelivery,
    ResumeContact,
    TakeCall,
    Tell,
)
from services.feedback_survey.domain.confirming import decide_confirm
from services.feedback_survey.domain.missing import MISSED, decide_missed, missed_at
from services.feedback_survey.domain.notices import decide_tell
from services.feedback_survey.domain.reaching import decide_call, decide_delivery, decide_take
from services.feedback_survey.domain.standing import stands
from services.feedback_survey.domain.state import (
    CALL_INSTEAD,
    NOTHING,
    Call,
    Feedback,
    Notice,
    Survey,
    Tried,
    Visited,
)
from services.feedback_survey.domain.surveys import (
    END,
    REMIND,
    decide_ask,
    decide_cancel,
    decide_contacting,
    decide_reply,
    decide_timer,
    ends_at,
    reminds_at,
)
from services.feedback_survey.domain.visits import decide_call_off, decide_plan


class FeedbackTimer(TimerFired):
    """A survey's reminder or end has come due, or the attempt at a call."""


def decide(
    state: Feedback | None, command: FeedbackCommand | TimerFired, context: Context
) -> Sequence[Event]:
    """Pure; raises DomainError only for what those who call may not do."""
    known = state or NOTHING
    match command:
        case Tell():
            return decide_tell(known, command, context)
        case Ask():
            return decide_ask(known, command, context)
        case HearReply():
            return decide_reply(known, command, context)
        case ReportDelivery():
            return decide_delivery(known, command, context)
        case TakeCall():
            return decide_take(known, command, context)
        case RecordCall():
            return decide_call(known, command, context)
        case PlanVisit():
            return decide_plan(known, command, context)
        case CallOffVisit():
            return decide_call_off(known, command)
        case PlanConfirmation():
            return decide_confirm(known, command, context)
        case CancelAsking():
            return decide_cancel(known, command)
        case ForgetPerson() | ResumeContact():
            return decide_contacting(known, command)
        case TimerFired(timer=timer) if timer == MISSED:
            return decide_missed(known, command)
        case TimerFired():
            return decide_timer(known, command, context)


def evolve(state: Feedback | None, recorded: Recorded[Any]) -> Feedback:
    """Folds one event; total, without guards, for it runs at every replay."""
    known = state or NOTHING
    event = recorded.data
    match event:
        case NoticeIssued():
            return _issued(known, event, recorded)
        case NoticeHeld():
            return replace(known, held=(*known.held, event))
        case NoticeAttempted():
            notice = known.notices[event.notice]
            tried = replace(notice, attempts=(*notice.attempts, (event.at, event.by, event.result)))
            return replace(known, notices=_with(known.notices, notice.id, tried))
        case CallPlanned() | CallTaken() | CallAttempted() | CallMissed() | CallCalledOff():
            return _called(known, event, recorded.at)
        case ContactingStopped():
            return replace(
                known,
                stopped_in=max(known.stopped_in, event.cycle),
                stopped_for_good=known.stopped_for_good or event.for_good,
            )
        case ContactingResumed(cycle=cycle, correspondent=to):
            return replace(known, cycle=max(known.cycle, cycle), correspondent=to)
        case ConfirmationRecorded(forward=forward, answered=told):
            denied = known.denied - {forward} if told else known.denied | {forward}
            return replace(known, denied=denied)
        case VisitRecorded():
            visit = Visited(event.call, recorded.at, event.score, event.resolved, event.satisfied)
            return replace(known, visit=visit)
        case SurveyAsked():
            survey = Survey(
                cycle=event.cycle,
                id=event.survey,
                answer=event.answer,
                by=event.by,
                asked_at=recorded.at,
                remind_at=event.remind_at,
                expires=event.expires,
            )
            return replace(
                known,
                cycle=max(known.cycle, event.cycle),
                surveys=_with(known.surveys, event.cycle, survey),
                asked=known.asked + 1,
            )
        case SurveyAnswered():
            said = _said(known.surveys[event.cycle], event, recorded.at)
            return replace(known, surveys=_with(known.surveys, event.cycle, said))
        case SurveyConcluded():
            return _concluded(known, event, recorded.at)
        case _:
            return known


def _issued(state: Feedback, event: NoticeIssued, recorded: Recorded[Any]) -> Feedback:
    notice = Notice(
        id=event.notice,
        number=len(state.notices) + 1,
        kind=event.kind,
        cycle=event.cycle,
        by=event.by,
        issued_at=recorded.at,
        not_before=event.not_before,
        late=event.late,
        template=event.template.version,
        answer=event.answer,
        repeats=event.repeats,
        issued=event if event.by is Medium.CALL or _may_be_called_out(event) else None,
    )
    surveys = state.surveys
    if event.kind is NoticeKind.REMINDER and event.cycle in surveys:
        surveys = _with(surveys, event.cycle, replace(surveys[event.cycle], reminded=True))
    return replace(
        state,
        cycle=max(state.cycle, event.cycle),
        correspondent=event.correspondent,
        notices=_with(state.notices, notice.id, notice),
        surveys=surveys,
        held=(),  # whatever waited is issued in the decision that first learned whom to tell
        receipt=state.receipt or event.kind is NoticeKind.RECEIPT,
    )


def _may_be_called_out(event: NoticeIssued) -> bool:
    return event.kind in CALL_INSTEAD and event.by is Medium.MESSAGE


def _called(
    state: Feedback,
    event: CallPlanned | CallTaken | CallAttempted | CallMissed | CallCalledOff,
    at: datetime,
) -> Feedback:
    match event:
        case CallPlanned():
            call = Call(
                id=event.call,
                number=len(state.calls) + 1,
                reason=event.reason,
                cycle=event.cycle,
                notice=event.notice,
                planned_at=at,
                not_before=event.not_before,
                remind_at=event.remind_at,
                attempts_max=event.attempts_max,
                partner=event.partner,
                forward=event.forward,
            )
        case CallTaken():
            known = state.calls[event.call]
            call = replace(known, taken_by=event.by, taken_until=event.until)
        case CallAttempted():
            return _tried(state, event)
        case CallMissed():
            call = replace(state.calls[event.call], missed=True)
        case CallCalledOff():
            call = replace(state.calls[event.call], called_off=event.reason)
    return replace(state, calls=_with(state.calls, call.id, call))


def _tried(state: Feedback, event: CallAttempted) -> Feedback:
    """The attempt counts for the call, and for the notice that it told."""
    known = state.calls[event.call]
    call = replace(
        known,
        tried=(*known.tried, Tried(event.at, event.reached, event.by, event.how)),
        not_before=event.again_at or known.not_before,
        taken_by=None,
        taken_until=None,
    )
    notices = state.notices
    if call.notice is not None:
        result = DeliveryResult.REACHED if event.reached else DeliveryResult.NOT_REACHED
        notice = notices[call.notice]
        attempts = (*notice.attempts, (event.at, Medium.CALL, result))
        notices = _with(notices, notice.id, replace(notice, attempts=attempts))
    return replace(state, calls=_with(state.calls, call.id, call), notices=notices)


def _said(survey: Survey, event: SurveyAnswered, at: datetime) -> Survey:
    contacts = survey.contacts | {event.contact} if event.contact else survey.contacts
    if event.late:
        return replace(
            survey,
            contacts=contacts,
            late_score=event.score,
            late_satisfied=event.satisfied,
            late_at=at,
        )
    return replace(
        survey,
        contacts=contacts,
        score=event.score,
        resolved=event.resolved,
        satisfied=event.satisfied,
        answered_at=at,
    )


def _concluded(state: Feedback, event: SurveyConcluded, at: datetime) -> Feedback:
    survey = state.surveys.get(event.cycle) or Survey(cycle=event.cycle, answer=event.answer)
    if event.survey is None and survey.id is not None:
        survey = Survey(cycle=event.cycle, answer=event.answer)  # asked anew after an unmerge
    ended = replace(survey, outcome=event.outcome, reason=event.reason, concluded_at=at)
    withdrawn = event.outcome is SurveyOutcome.CANCELLED and event.reason == "withdrawn"
    return replace(
        state,
        cycle=max(state.cycle, event.cycle),
        surveys=_with(state.surveys, event.cycle, ended),
        withdrawn_in=event.cycle if withdrawn else state.withdrawn_in,
        notices=_forget_texts(state.notices, event.cycle),
    )


def _forget_texts(notices: Mapping[UUID, Notice], cycle: int) -> Mapping[UUID, Notice]:
    """Nothing of a cycle whose asking is over is called out any more."""
    return MappingProxyType(
        {
            key: replace(one, issued=None) if one.issued and one.cycle == cycle else one
            for key, one in notices.items()
        }
    )


def _with(mapping: Mapping[Any, Any], key: Any, value: Any) -> Mapping[Any, Any]:
    return MappingProxyType({**mapping, key: value})


def timers(state: Feedback) -> Mapping[str, datetime]:
    """A survey's reminder and its end, and calls that nobody has tried to make."""
    due = {END: ends_at(state), REMIND: reminds_at(state), MISSED: missed_at(state)}
    return {timer: at for timer, at in due.items() if at is not None}


FEEDBACK: Decider[Feedback] = Decider(
    kind="feedback",
    commands=(*get_args(FeedbackCommand), FeedbackTimer),
    events=(
        NoticeIssued,
        NoticeHeld,
        NoticeAttempted,
        CallPlanned,
        CallTaken,
        CallAttempted,
        CallMissed,
        CallCalledOff,
        ContactingResumed,
        ContactingStopped,
        VisitRecorded,
        ConfirmationRecorded,
        SurveyAsked,
        SurveyAnswered,
        SurveyConcluded,
    ),
    decide=decide,
    evolve=evolve,
    timers=timers,
    stands=stands,
    timer_command=FeedbackTimer,
)
"""The feedback stream; `views` adds what it shows."""
