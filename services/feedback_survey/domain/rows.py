"""What a feedback stream shows: notices, calls to make, each cycle's asking. Pure."""

from collections.abc import Iterable
from dataclasses import replace
from enum import StrEnum
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from contracts.feedback_survey import CallReason
from libs.decider import Recorded, Row
from libs.decider.decider import wire_instant
from services.feedback_survey.domain import FEEDBACK
from services.feedback_survey.domain.state import Call, Feedback, Notice, Survey, Tried

SHANGHAI = ZoneInfo("Asia/Shanghai")


class CallState(StrEnum):
    """Where a call stands."""

    WAITING = "waiting"
    """Somebody has to make it."""
    REACHED = "reached"
    """The customer was reached."""
    NOT_REACHED = "not_reached"
    """Tried as often as the policy says."""
    OFF = "off"
    """Nobody needs to make it any more."""


def rows(subject: str, state: Feedback) -> Iterable[Row]:
    """What a feedback stream shows: notices, calls, visits, each cycle's asking."""
    complaint = UUID(subject)
    out = [_notice_row(complaint, notice) for notice in state.notices.values()]
    out += [_call_row(complaint, call, state) for call in state.calls.values()]
    out += [
        _visit_row(complaint, call, state)
        for call in state.calls.values()
        if call.reason is CallReason.VISIT
    ]
    out += [_survey_row(complaint, survey) for survey in state.surveys.values()]
    return out


DECIDERS = (replace(FEEDBACK, rows=rows),)
"""The service's streams with what they show."""


def heard_rows(_recorded: Recorded[Any]) -> Iterable[Row]:
    """Nothing is kept of what is heard: all that is shown is the service's own doing."""
    return ()


def _notice_row(complaint: UUID, notice: Notice) -> Row:
    return Row.of(
        "feedback_notice",
        {"notice": notice.id},
        complaint=complaint,
        number=notice.number,
        cycle=notice.cycle,
        kind=notice.kind.value,
        by=notice.by.value,
        issued_at=notice.issued_at,
        not_before=notice.not_before,
        late=notice.late,
        template=notice.template,
        answer=notice.answer,
        repeats=notice.repeats,
        attempts=len(notice.attempts),
        result=notice.result.value if notice.result else None,
        tried_at=notice.attempts[-1][0] if notice.attempts else None,
    )


def _call_row(complaint: UUID, call: Call, state: Feedback) -> Row:
    to = state.correspondent
    assert to is not None
    return Row.of(
        "feedback_call",
        {"call": call.id},
        complaint=complaint,
        number=call.number,
        receipt=to.receipt,
        cycle=call.cycle,
        reason=call.reason.value,
        notice=call.notice,
        kind=None if call.notice is None else state.notices[call.notice].kind.value,
        partner=call.partner,
        language=to.language.value,
        value_tier=to.value_tier.value,
        planned_at=call.planned_at,
        not_before=call.not_before,
        remind_at=call.remind_at,
        state=_call_state(call, state).value,
        reply_to=_whom(call, state),
        words=_words(call, state),
        attempts=[_attempt(one) for one in call.tried],
        attempts_max=call.attempts_max,
        missed=call.missed,
        taken_by=call.taken_by and call.taken_by.agent,
        taken_team=call.taken_by and call.taken_by.team,
        taken_until=call.taken_until,
    )


def _whom(call: Call, state: Feedback) -> dict[str, Any] | None:
    """Where to call, sealed; kept only while somebody has to."""
    script = state.script(call)
    to = state.correspondent
    reply_to = script.reply_to if script else to and to.reply_to
    if reply_to is None or not state.waits(call):
        return None
    return reply_to.model_dump(mode="json")


def _words(call: Call, state: Feedback) -> list[dict[str, Any]]:
    """What to say: stretches clear and sealed; kept only while somebody has to."""
    script = state.script(call)
    if script is None or not state.waits(call):
        return []
    return [part.model_dump(mode="json") for part in script.text]


def _visit_row(complaint: UUID, call: Call, state: Feedback) -> Row:
    to = state.correspondent
    assert to is not None
    said = state.visit if state.visit and state.visit.call == call.id else None
    last = call.tried[-1].by if call.tried else None
    return Row.of(
        "feedback_visit",
        {"call": call.id},
        complaint=complaint,
        receipt=to.receipt,
        cycle=call.cycle,
        customer_class=to.customer_class.value,
        value_tier=to.value_tier.value,
        planned_at=call.planned_at,
        not_before=call.not_before,
        remind_at=call.remind_at,
        state=_call_state(call, state).value,
        attempts=len(call.tried),
        agent=last and last.agent,
        team=last and last.team,
        visited_at=said and said.at,
        score=said and said.score,
        resolved=said and said.resolved,
        satisfied=said and said.satisfied,
        month=said and said.at.astimezone(SHANGHAI).strftime("%Y-%m"),
    )


def _call_state(call: Call, state: Feedback) -> CallState:
    if call.reached:
        return CallState.REACHED
    if len(call.tried) >= call.attempts_max:
        return CallState.NOT_REACHED
    return CallState.WAITING if state.waits(call) else CallState.OFF


def _attempt(one: Tried) -> dict[str, Any]:
    by = one.by
    return {
        "at": wire_instant(one.at),
        "how": one.how.value,
        "reached": one.reached,
        "agent": by and by.agent,
        "team": by and by.team,
    }


def _survey_row(complaint: UUID, survey: Survey) -> Row:
    concluded = survey.concluded_at
    return Row.of(
        "feedback_survey",
        {"complaint": complaint, "cycle": survey.cycle},
        survey=survey.id,
        answer=survey.answer,
        by=survey.by.value if survey.by else None,
        asked_at=survey.asked_at,
        expires=survey.expires,
        reminded=survey.reminded,
        score=survey.score,
        resolved=survey.resolved,
        satisfied=survey.satisfied,
        answered_at=survey.answered_at,
        late_score=survey.late_score,
        late_satisfied=survey.late_satisfied,
        late_at=survey.late_at,
        outcome=survey.outcome.value if survey.outcome else None,
        reason=survey.reason,
        concluded_at=concluded,
    )
