"""Asking whether an answer is enough: once per handling cycle, one reminder, one end."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID, uuid5

from contracts.feedback_survey import (
    ContactingResumed,
    ContactingStopped,
    SurveyAnswered,
    SurveyAsked,
    SurveyConcluded,
    SurveyOutcome,
)
from contracts.values import Medium, NoticeKind, PolicyRef
from libs.decider import Context, Event, TimerFired
from services.feedback_survey.domain.commands import (
    Ask,
    CancelAsking,
    ForgetPerson,
    HearReply,
    RecordCall,
    ResumeContact,
)
from services.feedback_survey.domain.notices import NAMES, Telling, feedback_policy
from services.feedback_survey.domain.policy import POLICY
from services.feedback_survey.domain.state import Feedback, Notice, Survey

REMIND = "survey.remind"
END = "survey.end"
ERASED = "erased"


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
        events.append(concluded(state.open_survey, SurveyOutcome.CANCELLED, "new_cycle"))
    by = telling.medium(NoticeKind.SURVEY)
    stopped = state.stops(command.cycle)
    if stopped or by is Medium.ON_THE_SPOT:
        nobody = Survey(cycle=command.cycle, answer=command.answer)
        why = ERASED if stopped else "no_address"
        return [*events, concluded(nobody, SurveyOutcome.UNREACHABLE, why)]
    rules = feedback_policy(context, command.at).survey
    asked_at = max(context.now, command.at)
    return [
        *events,
        *telling.issue(command.cycle, NoticeKind.SURVEY, "survey", answer=command.answer),
        SurveyAsked(
            cycle=command.cycle,
            survey=uuid5(NAMES, f"{context.subject}|survey|{state.asked + 1}"),
            answer=command.answer,
            by=by,
            remind_at=asked_at + rules.remind_after,
            expires=asked_at + rules.ends_after,
        ),
    ]


def decide_reply(state: Feedback, command: HearReply, context: Context) -> Sequence[Event]:
    """A reply in time concludes; one after the conclusion is kept as late (EVENTS race 1)."""
    survey = state.open_survey or state.last_survey
    if survey is None or command.contact in survey.contacts:
        return ()
    return answered(survey, command, context, command.contact)


def decide_timer(state: Feedback, command: TimerFired, context: Context) -> Sequence[Event]:
    """One reminder after 24 h, the end after 72 h; a reminder that comes after the end is none."""
    survey, end = state.open_survey, ends_at(state)
    if survey is None or end is None:
        return ()
    if command.timer == REMIND and context.now < end:
        return _reminded(state, survey, command, context)
    return [_ended(state, survey)]


def _reminded(
    state: Feedback, survey: Survey, command: TimerFired, context: Context
) -> Sequence[Event]:
    """The way in which the survey itself was asked: VIPs get a call, not a message."""
    notice = state.asked_by(survey)
    if notice is None or state.correspondent is None or reminds_at(state) is None:
        return ()
    telling = Telling(state, state.correspondent, context, command.at)
    return telling.issue(
        survey.cycle, NoticeKind.REMINDER, "reminder", by=notice.by, answer=survey.answer
    )


def ends_at(state: Feedback) -> datetime | None:
    """When the asking ends without an answer; None while there is none to end.

    Who is to be called and whom nobody has tried to call was not asked: that asking waits
    (DOMAIN, the closed loop: "answered AND asked"). Tried only after its end, it has as long again.
    """
    survey = state.open_survey
    if survey is None or survey.expires is None:
        return None
    notice = state.asked_by(survey)
    if notice is None or notice.by is not Medium.CALL:
        return survey.expires
    if not notice.attempts:
        return None
    assert survey.asked_at is not None
    first = notice.attempts[0][0]
    late = first >= survey.expires
    return first + (survey.expires - survey.asked_at) if late else survey.expires


def reminds_at(state: Feedback) -> datetime | None:
    """When the one reminder is due; None where there is none (any more).

    None is due where the message never got there, nor while a call has still to reach the
    customer: the call itself is then what the desk is reminded of.
    """
    survey = state.open_survey
    if survey is None or survey.remind_at is None or survey.reminded:
        return None
    notice = state.asked_by(survey)
    if notice is None or notice.asked_at is None or notice.asked_at > survey.remind_at:
        return None
    return survey.remind_at


def decide_cancel(state: Feedback, command: CancelAsking) -> Sequence[Event]:
    """The loop ends another way: whatever is asked is cancelled, and that is the outcome."""
    known = state.surveys.get(command.cycle)
    if command.cycle < state.cycle or (known is not None and known.outcome is not None):
        return ()
    survey = known or Survey(cycle=command.cycle)
    return [concluded(survey, SurveyOutcome.CANCELLED, command.reason)]


def decide_contacting(state: Feedback, command: ForgetPerson | ResumeContact) -> Sequence[Event]:
    """Whether the customer may still be told and asked, and where."""
    if isinstance(command, ForgetPerson):
        return _forget(state, command)
    return _resume(state, command)


def _forget(state: Feedback, command: ForgetPerson) -> Sequence[Event]:
    """Who asked to be forgotten is neither asked nor called any more (PIPL).

    After a locking only about the cycle it came in: who complains again is asked again. Notices are
    still issued, for others go by them (a rejection closes once it was told); the vault opens none
    of them, so that no gateway can send one.
    """
    cycle = command.cycle or state.cycle
    if state.stopped_for_good or (state.stops(cycle) and not command.for_good):
        return ()
    stopped = ContactingStopped(cycle=cycle, reason=ERASED, for_good=command.for_good)
    survey = state.open_survey
    if survey is None or (survey.cycle > cycle and not command.for_good):
        return [stopped]
    return [stopped, concluded(survey, SurveyOutcome.UNREACHABLE, ERASED)]


def _resume(state: Feedback, command: ResumeContact) -> Sequence[Event]:
    """Who was locked and complains again is told where they are now; the old address is closed."""
    to = state.correspondent
    if to is None or command.cycle < state.cycle or to.reply_to == command.correspondent.reply_to:
        return ()
    return [ContactingResumed(cycle=command.cycle, correspondent=command.correspondent)]


def answered(
    survey: Survey, said: HearReply | RecordCall, context: Context, contact: UUID | None
) -> Sequence[Event]:
    """What the customer said; a word on satisfaction in time concludes the asking."""
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
    """Unreachable when we tried and nothing got there, else the customer did not answer.

    A message that nobody reports about counts as sent (docs/outbound.md).
    """
    asking = [one for one in state.notices.values() if _asks(one, survey)]
    tried = any(one.attempts for one in asking)
    if tried and not any(one.asked_at is not None for one in asking):
        return concluded(survey, SurveyOutcome.UNREACHABLE, "not_reached")
    return concluded(survey, SurveyOutcome.NO_ANSWER, "expired")


def _asks(notice: Notice, survey: Survey) -> bool:
    return notice.cycle == survey.cycle and notice.kind in (
        NoticeKind.SURVEY,
        NoticeKind.REMINDER,
    )


def concluded(survey: Survey, outcome: SurveyOutcome, reason: str) -> SurveyConcluded:
    """The asking is over."""
    return SurveyConcluded(
        cycle=survey.cycle,
        survey=survey.id,
        answer=survey.answer,
        outcome=outcome,
        reason=reason,
    )
