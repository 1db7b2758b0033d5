"""Reaching the customer: what gateways report, and the calls (回访) that a desk takes and makes."""

from collections.abc import Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from contracts.feedback_survey import (
    CallAttempted,
    CallReason,
    CallTaken,
    NoticeAttempted,
    SurveyOutcome,
)
from contracts.values import DeliveryResult, Medium, NoticeKind, StaffRef
from libs.decider import Conflict, Context, Event, NotFound, Refused
from services.feedback_survey.domain.commands import RecordCall, ReportDelivery, TakeCall
from services.feedback_survey.domain.confirming import confirmed
from services.feedback_survey.domain.notices import Telling, feedback_policy
from services.feedback_survey.domain.policy import FeedbackPolicy, GivenUp
from services.feedback_survey.domain.state import CALL_INSTEAD, Call, Feedback, Notice, Survey
from services.feedback_survey.domain.surveys import answered, concluded
from services.feedback_survey.domain.visits import visited

SHANGHAI = ZoneInfo("Asia/Shanghai")


class CallUnknown(NotFound):
    """There is no such call to make."""

    rule = "call-unknown"
    zh = "没有此回访任务"


class CallOver(Conflict):
    """Nobody needs to make this call any more: reached, tried often enough, or overtaken."""

    rule = "call-over"
    zh = "该回访任务已结束"


class CallTakenByOther(Conflict):
    """Somebody else makes this call now; take another one, or wait until it is free again."""

    rule = "call-taken"
    zh = "该回访任务已被他人领取"


class CallNotTaken(Conflict):
    """You have not taken this call, or not any more; take it to see the number and the words."""

    rule = "call-not-taken"
    zh = "请先领取该回访任务,再查看号码和话术"


class NotYet(Conflict):
    """Not now: customers are not called in the quiet hours, nor again before the pause is over."""

    rule = "not-yet"
    zh = "未到可回访时间(免打扰时段或两次拨打间隔)"


class NothingAsked(Refused):
    """Only a survey's call or a visit takes a score, and only from a customer who was reached."""

    rule = "nothing-asked"
    zh = "只有已接通的满意度回访或客户回访可以登记评分"


class NoPartnerAskedAbout(Refused):
    """Only a call that confirms a partner's answer says whether it came, and whether it helped."""

    rule = "no-partner-asked-about"
    zh = "只有确认合作方答复的回访可以登记合作方是否答复及客户是否认可"


def decide_take(state: Feedback, command: TakeCall, context: Context) -> Sequence[Event]:
    """Whoever takes a call has it for a while; it goes back to the list by itself."""
    call = _waiting(state, command.call)
    if call.held_by(command.by, command.at):
        return ()
    policy = feedback_policy(context, command.at)
    _check_may_call(call, command.by, command.at, policy)
    until = command.at + policy.calls.taken_for
    return [CallTaken(cycle=call.cycle, call=call.id, by=command.by, until=until)]


def decide_call(state: Feedback, command: RecordCall, context: Context) -> Sequence[Event]:
    """Each attempt is on record (DOMAIN rule 11); what is asked may be answered on the spot."""
    call = _waiting(state, command.call)
    policy = feedback_policy(context, command.at)
    if not call.held_by(command.by, command.at):
        _check_may_call(call, command.by, command.at, policy)
    survey = _asked_about(state, call)
    visits, confirms = call.reason is CallReason.VISIT, call.reason is CallReason.CONFIRM
    scored = any(one is not None for one in (command.score, command.resolved))
    of_partner = any(one is not None for one in (command.answered, command.content))
    said = scored or command.words is not None
    if scored and not (visits or survey is not None):
        raise NothingAsked
    if of_partner and not confirms:
        raise NoPartnerAskedAbout
    if (said or of_partner) and not (command.reached and (visits or confirms or survey)):
        raise NothingAsked
    events = _attempted(state, call, command.reached, command.at, command.by, context, command.how)
    if visits and command.reached:
        return [*events, visited(call, command, context)]
    if confirms and command.reached:
        return [*events, *confirmed(call, command, state.open_survey, context)]
    if survey is not None and said:
        return [*events, *answered(survey, command, context, None)]
    return events


def decide_delivery(state: Feedback, command: ReportDelivery, context: Context) -> Sequence[Event]:
    """Every attempt is on record; a failed answer or survey is told by a call instead."""
    notice = state.notices.get(command.notice)
    attempt = (command.tried_at, command.by, command.result)
    if notice is None or attempt in notice.attempts:
        return ()
    call = state.call_about(notice.id)
    if call is not None and command.by is Medium.CALL and state.waits(call):
        reached = command.result in (DeliveryResult.REACHED, DeliveryResult.DELIVERED)
        return _attempted(state, call, reached, command.tried_at, None, context)
    events: list[Event] = [
        NoticeAttempted(
            cycle=notice.cycle,
            notice=notice.id,
            by=command.by,
            result=command.result,
            at=command.tried_at,
            reason=command.reason,
        )
    ]
    if command.result is DeliveryResult.FAILED and _is_called_instead(state, notice):
        assert notice.issued is not None
        telling = Telling(state, notice.issued.correspondent, context, command.at)
        events += telling.call_out(notice.issued)
    return events


def _waiting(state: Feedback, wanted: object) -> Call:
    call = next((one for one in state.calls.values() if one.id == wanted), None)
    if call is None:
        raise CallUnknown
    if not state.waits(call):
        raise CallOver
    return call


def _check_may_call(call: Call, by: StaffRef, at: datetime, policy: FeedbackPolicy) -> None:
    """Raises CallTakenByOther or NotYet; a call begun before the quiet hours may be recorded."""
    if call.held_by_other(by, at):
        raise CallTakenByOther
    earliest = policy.quiet_hours.after(max(at, call.not_before))
    if at < earliest:
        local = earliest.astimezone(SHANGHAI)
        raise NotYet(f"Not before {local:%Y-%m-%d %H:%M} (Asia/Shanghai).")


def _attempted(
    state: Feedback,
    call: Call,
    reached: bool,
    at: datetime,
    by: StaffRef | None,
    context: Context,
    how: Medium = Medium.CALL,
) -> list[Event]:
    """The attempt; the last one that reaches nobody gives the call up."""
    policy = feedback_policy(context, at)
    number = len(call.tried) + 1
    last = reached or number >= call.attempts_max
    attempt = CallAttempted(
        cycle=call.cycle,
        call=call.id,
        attempt=number,
        by=by,
        how=how,
        reached=reached,
        at=at,
        again_at=None if last else policy.quiet_hours.after(at + policy.calls.again_after),
    )
    if reached or not last:
        return [attempt]
    return [attempt, *_given_up(state, call, at, policy, context)]


def _given_up(
    state: Feedback, call: Call, at: datetime, policy: FeedbackPolicy, context: Context
) -> Sequence[Event]:
    """A survey nobody could be reached for ends, or is asked by a message after all, by policy."""
    survey = _asked_about(state, call)
    notice = None if call.notice is None else state.notices[call.notice]
    if survey is None or notice is None or notice.kind is not NoticeKind.SURVEY:
        return ()
    to = state.correspondent
    writable = to is not None and to.reply_to is not None and not to.reply_to.voice_only
    if policy.calls.then is GivenUp.UNREACHABLE or not writable or notice.repeats is not None:
        return [concluded(survey, SurveyOutcome.UNREACHABLE, "not_reached")]
    assert to is not None
    return Telling(state, to, context, at).issue(
        survey.cycle,
        NoticeKind.SURVEY,
        "survey",
        by=Medium.MESSAGE,
        answer=survey.answer,
        repeats=notice.id,
    )


def _asked_about(state: Feedback, call: Call) -> Survey | None:
    """The survey that this call asks, while it waits for an answer."""
    survey = state.open_survey
    asks = survey is not None and survey.cycle == call.cycle and call.reason is CallReason.SURVEY
    return survey if asks else None


def _is_called_instead(state: Feedback, notice: Notice) -> bool:
    if notice.kind not in CALL_INSTEAD or notice.by is not Medium.MESSAGE or notice.got_through:
        return False
    if state.stops(notice.cycle) or notice.repeats is not None:
        return False  # nobody calls any more, or a call was tried before this message
    if any(other.repeats == notice.id for other in state.notices.values()):
        return False
    survey = state.surveys.get(notice.cycle)
    return survey is None or survey.outcome is None
