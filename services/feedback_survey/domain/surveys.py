"""Asking whether an answer is enough: once per handling cycle, one reminder, one end."""

from collections.abc import Sequence
from uuid import UUID, uuid5

from contracts.feedback_survey import (
    NoticeAttempted,
    SurveyAnswered,
    SurveyAsked,
    SurveyConcluded,
    SurveyOutcome,
)
from contracts.values import DeliveryResult, Medium, NoticeKind, PolicyRef
from libs.decider import Conflict, Context, Event, NotFound, Refused, TimerFired
from services.feedback_survey.domain.commands import (
    Ask,
    CancelAsking,
    ForgetPerson,
    HearReply,
    RecordCall,
)
from services.feedback_survey.domain.notices import NAMES, Telling, feedback_policy
from services.feedback_survey.domain.policy import POLICY
from services.feedback_survey.domain.state import Feedback, Notice, Survey

REMIND = "survey.remind"
END = "survey.end"


class NoticeUnknown(NotFound):
    """This complaint has no such notice."""

    rule = "notice-unknown"
    zh = "没有此通知"


class NotACall(Conflict):
    """This notice is a message; nobody calls about it."""

    rule = "not-a-call"
    zh = "该通知不是回访任务"


class CallOver(Conflict):
    """Nobody needs to call about this any more: reached already, or the asking is over."""

    rule = "call-over"
    zh = "该回访任务已结束"


class NothingAsked(Refused):
    """Only a call about a survey takes a score, and only from a customer who was reached."""

    rule = "nothing-asked"
    zh = "只有已接通的满意度回访可以登记评分"


def decide_ask(state: Feedback, command: Ask, context: Context) -> Sequence[Event]:
    """One survey per handling cycle (DOMAIN rule 11); nobody to ask is *unreachable* at once.

    A cancelled asking does not count: after an unmerge the same cycle is asked.
    """
    known = state.surveys.get(command.cycle)
    cancelled = known is not None and known.outcome is SurveyOutcome.CANCELLED
    if command.cycle < state.cycle or command.cycle <= state.withdrawn_in:
        return ()
    if known is not None and not cancelled:
        return ()
    to = command.correspondent
    telling = Telling(state, to, context, command.at)
    events: list[Event] = [*telling.held()]
    if state.open_survey is not None:
        events.append(_concluded(state.open_survey, SurveyOutcome.CANCELLED, "new_cycle"))
    by = telling.medium(NoticeKind.SURVEY)
    if by is Medium.ON_THE_SPOT:
        nobody = Survey(cycle=command.cycle, answer=command.answer)
        return [*events, _concluded(nobody, SurveyOutcome.UNREACHABLE, "no_address")]
    rules = feedback_policy(context, command.at).survey
    asked_at = max(context.now, command.at)
    return [
        *events,
        telling.issue(command.cycle, NoticeKind.SURVEY, "survey", answer=command.answer),
        SurveyAsked(
            cycle=command.cycle,
            survey=uuid5(NAMES, f"{context.subject}|survey|{state.asked + 1}"),
            answer=command.answer,
            by=by,
            remind_at=asked_at + rules.remind_after if by is Medium.MESSAGE else None,
            expires=asked_at + rules.ends_after,
        ),
    ]


def decide_reply(state: Feedback, command: HearReply, context: Context) -> Sequence[Event]:
    """A reply in time concludes; one after the conclusion is kept as late (EVENTS race 1)."""
    survey = state.open_survey or state.last_survey
    if survey is None or command.contact in survey.contacts:
        return ()
    return _answered(survey, command, context, command.contact)


def decide_call(state: Feedback, command: RecordCall, context: Context) -> Sequence[Event]:
    """Each attempt is on record (DOMAIN rule 11); a survey may be answered on the spot."""
    notice = state.notices.get(command.notice)
    if notice is None:
        raise NoticeUnknown
    if notice.by is not Medium.CALL:
        raise NotACall
    if not state.waits_for_call(notice):
        raise CallOver
    said = command.score is not None or command.resolved is not None
    survey = state.open_survey
    asks = notice.kind is NoticeKind.SURVEY and survey is not None
    if (said or command.words is not None) and not (asks and command.reached):
        raise NothingAsked
    attempted = NoticeAttempted(
        cycle=notice.cycle,
        notice=notice.id,
        by=Medium.CALL,
        result=DeliveryResult.REACHED if command.reached else DeliveryResult.NOT_REACHED,
        at=command.at,
    )
    if not said or survey is None:
        return [attempted]
    return [attempted, *_answered(survey, command, context, None)]


def decide_timer(state: Feedback, command: TimerFired, context: Context) -> Sequence[Event]:
    """One reminder after 24 h, the end after 72 h; a reminder that comes after the end is none."""
    survey = state.open_survey
    if survey is None or survey.expires is None:
        return ()
    if command.timer == REMIND and context.now < survey.expires:
        assert state.correspondent is not None
        telling = Telling(state, state.correspondent, context, command.at)
        return [telling.issue(survey.cycle, NoticeKind.REMINDER, "reminder", answer=survey.answer)]
    return [_ended(state, survey)]


def decide_cancel(state: Feedback, command: CancelAsking) -> Sequence[Event]:
    """The loop ends another way: whatever is asked is cancelled, and that is the outcome."""
    known = state.surveys.get(command.cycle)
    if command.cycle < state.cycle or (known is not None and known.outcome is not None):
        return ()
    survey = known or Survey(cycle=command.cycle)
    return [_concluded(survey, SurveyOutcome.CANCELLED, command.reason)]


def decide_forget(state: Feedback, _command: ForgetPerson) -> Sequence[Event]:
    """Who may not be written to any more cannot be reached: the asking ends so (PIPL)."""
    survey = state.open_survey
    return () if survey is None else [_concluded(survey, SurveyOutcome.UNREACHABLE, "erased")]


def _answered(
    survey: Survey, said: HearReply | RecordCall, context: Context, contact: UUID | None
) -> Sequence[Event]:
    policy = context.policies.in_force(POLICY, said.at)
    satisfied = feedback_policy(context, said.at).survey.weigh(said.score, said.resolved)
    assert survey.id is not None
    answered = SurveyAnswered(
        cycle=survey.cycle,
        survey=survey.id,
        contact=contact,
        score=said.score,
        resolved=said.resolved,
        satisfied=satisfied,
        words=said.words,
        late=not survey.open,
        policy=PolicyRef(name=policy.name, version=policy.version),
    )
    if satisfied is None or not survey.open:
        return [answered]
    return [
        answered,
        SurveyConcluded(
            cycle=survey.cycle,
            survey=survey.id,
            answer=survey.answer,
            outcome=SurveyOutcome.SATISFIED if satisfied else SurveyOutcome.DISSATISFIED,
            reason="not_resolved" if said.resolved is False else "score",
            score=said.score,
            resolved=said.resolved,
        ),
    ]


def _ended(state: Feedback, survey: Survey) -> SurveyConcluded:
    """Unreachable when we tried and nothing got through, else the customer did not answer."""
    tried = [one for one in state.notices.values() if _asks(one, survey) and one.attempts]
    if tried and not any(one.got_through for one in tried):
        return _concluded(survey, SurveyOutcome.UNREACHABLE, "not_reached")
    return _concluded(survey, SurveyOutcome.NO_ANSWER, "expired")


def _asks(notice: Notice, survey: Survey) -> bool:
    return notice.cycle == survey.cycle and notice.kind in (
        NoticeKind.SURVEY,
        NoticeKind.REMINDER,
    )


def _concluded(survey: Survey, outcome: SurveyOutcome, reason: str) -> SurveyConcluded:
    return SurveyConcluded(
        cycle=survey.cycle,
        survey=survey.id,
        answer=survey.answer,
        outcome=outcome,
        reason=reason,
    )
