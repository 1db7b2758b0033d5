"""Calls (回访): who gets one, who makes it, every attempt, and what follows (DOMAIN rule 11)."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.feedback_survey import (
    CallAttempted,
    CallPlanned,
    CallReason,
    CallTaken,
    ContactingStopped,
    NoticeAttempted,
    NoticeIssued,
    SurveyAnswered,
    SurveyAsked,
    SurveyConcluded,
    SurveyOutcome,
)
from contracts.housekeeping import ErasureMode, PersonErased
from contracts.values import (
    Correspondent,
    DeliveryResult,
    Medium,
    NoticeKind,
    StaffRef,
    ValueTier,
)
from libs.decider.story import SUBJECT, Story
from services.feedback_survey.domain.commands import RecordCall, TakeCall
from services.feedback_survey.domain.reaching import (
    CallOver,
    CallTakenByOther,
    CallUnknown,
    NothingAsked,
    NotYet,
)
from tests.unit.feedback_survey.heard import (
    answered,
    answered_by_work,
    at,
    clocks_started,
    correspondent,
    delivery,
    event_id,
    hear,
    nothing,
    reply,
    seed,
    suspended,
    told,
    withdrawn,
)

ASKED = at("2025-10-18 16:00")
END = at("2025-10-21 16:00")
ANNA = StaffRef(team="vip-seats", agent="1701")
BEN = StaffRef(team="vip-seats", agent="1702")
VIP = correspondent(tier=ValueTier.IMPORTANT)


def asked(to: Correspondent = VIP, when: datetime = ASKED, **changed: object) -> Story:
    """A customer who has the receipt and is asked about the answer."""
    story = hear(nothing(**changed), clocks_started(to), at("2025-10-17 17:00"))
    return hear(story, answered(to=to), when)


def calls_by(**changed: object) -> dict[str, object]:
    """The policy of calls with these figures changed."""
    return {"calls": {**seed("feedback")["content"]["calls"], **changed}}


def planned(story: Story) -> CallPlanned:
    call: CallPlanned = story.one(CallPlanned)
    return call


def on(story: Story, when: datetime) -> Story:
    return replace(story, now=when)


def takes(story: Story, call: CallPlanned, by: StaffRef = ANNA) -> Story:
    return story.when(TakeCall(at=story.now, call=call.call, by=by))


def calls(
    story: Story, call: CallPlanned, *, reached: bool, by: StaffRef = ANNA, **said: object
) -> Story:
    command = RecordCall(at=story.now, call=call.call, by=by, reached=reached, **said)
    return story.when(command)


def outcome(story: Story) -> tuple[SurveyOutcome, str]:
    concluded = story.one(SurveyConcluded)
    return concluded.outcome, concluded.reason


def waiting(story: Story) -> list[CallReason]:
    return [one.reason for one in story.state.calls.values() if story.state.waits(one)]


# --- "VIPs get a call (回访) instead of a message, each attempt on record" -----------------------


def test_important_customers_get_a_call_instead_of_a_message() -> None:
    story = asked()
    notice = next(one for one in story.happened if isinstance(one, NoticeIssued))
    assert (notice.kind, notice.by) == (NoticeKind.SURVEY, Medium.CALL)
    assert story.one(SurveyAsked).by is Medium.CALL
    call = planned(story)
    assert (call.reason, call.notice, call.not_before) == (
        CallReason.SURVEY,
        notice.notice,
        ASKED,
    )
    assert (call.remind_at, call.attempts_max) == (at("2025-10-18 20:00"), 3)
    ordinary = asked(correspondent())
    assert not [one for one in ordinary.happened if isinstance(one, CallPlanned)]


def test_a_call_that_reaches_the_customer_takes_the_answer_as_the_surveys_result() -> None:
    story = asked()
    call = planned(story)
    story = takes(story, call).then_types(CallTaken)
    story = calls(story, call, reached=True, score=9, words="v1.sealed.words")
    story.then_types(CallAttempted, SurveyAnswered, SurveyConcluded)
    said = story.one(SurveyAnswered)
    assert (said.contact, said.score, said.satisfied) == (None, 9, True)
    assert outcome(story) == (SurveyOutcome.SATISFIED, "score")
    assert waiting(story) == []
    calls(story, call, reached=True).then_refused(CallOver)
    takes(story, call).then_refused(CallOver)


def test_each_attempt_is_on_record_with_who_and_when() -> None:
    story = asked()
    call = planned(story)
    story = calls(on(story, at("2025-10-18 17:00")), call, reached=False)
    story.then(
        CallAttempted(
            cycle=1,
            call=call.call,
            attempt=1,
            by=ANNA,
            reached=False,
            at=at("2025-10-18 17:00"),
            again_at=at("2025-10-18 21:00"),
        )
    )
    shown = [dict(row.values) for row in story.rows if row.table == "feedback_call"]
    assert shown[0]["attempts"] == [
        {
            "at": "2025-10-18T09:00:00.000000Z",
            "how": "call",
            "reached": False,
            "agent": "1701",
            "team": "vip-seats",
        }
    ]


def test_a_dissatisfied_word_on_the_phone_never_closes() -> None:
    story = asked()
    story = calls(story, planned(story), reached=True, score=3, resolved=False)
    assert outcome(story) == (SurveyOutcome.DISSATISFIED, "not_resolved")


def test_words_alone_on_the_phone_are_kept_and_the_asking_goes_on() -> None:
    story = asked()
    story = calls(story, planned(story), reached=True, words="v1.sealed.words")
    story.then_types(CallAttempted, SurveyAnswered)
    assert story.state.open_survey is not None


# --- taking --------------------------------------------------------------------------------------


def test_who_takes_a_call_has_it_for_an_hour_and_nobody_else_makes_it() -> None:
    story = asked()
    call = planned(story)
    story = takes(story, call)
    assert story.one(CallTaken).until == at("2025-10-18 17:00")
    takes(story, call).then_nothing()
    takes(story, call, BEN).then_refused(CallTakenByOther)
    calls(story, call, reached=True, by=BEN).then_refused(CallTakenByOther)
    free = on(story, at("2025-10-18 17:00"))
    assert takes(free, call, BEN).one(CallTaken).by == BEN


def test_after_an_attempt_the_call_is_nobodys_again() -> None:
    story = asked()
    call = planned(story)
    story = calls(takes(story, call), call, reached=False)
    again = on(story, at("2025-10-18 20:00"))
    takes(again, call, BEN).then_types(CallTaken)


def test_an_unknown_call_is_refused() -> None:
    story = asked()
    unknown = planned(story).model_copy(update={"call": event_id("unknown")})
    takes(story, unknown).then_refused(CallUnknown)
    calls(story, unknown, reached=True).then_refused(CallUnknown)


# --- quiet hours, the pause between, and how often ----------------------------------------------


def test_a_call_due_in_quiet_hours_waits_until_nine() -> None:
    story = asked(when=at("2025-10-18 22:00"))
    call = planned(story)
    assert (call.not_before, call.remind_at) == (at("2025-10-19 09:00"), at("2025-10-19 13:00"))
    takes(story, call).then_refused(NotYet)
    calls(on(story, at("2025-10-19 08:59:59.999999")), call, reached=True).then_refused(NotYet)
    takes(on(story, at("2025-10-19 09:00")), call).then_types(CallTaken)


def test_nobody_is_called_at_night_about_what_was_due_by_day() -> None:
    story = asked()
    late = on(story, at("2025-10-18 21:00:00.000001"))
    takes(late, planned(story)).then_refused(NotYet)
    refused = calls(late, planned(story), reached=True)
    refused.then_refused(NotYet)
    assert "2025-10-19 09:00" in str(refused.refusal and refused.refusal.detail)


def test_a_call_taken_by_day_may_still_be_recorded_at_night() -> None:
    story = takes(on(asked(), at("2025-10-18 20:30")), planned(asked()))
    night = on(story, at("2025-10-18 21:05"))
    calls(night, planned(asked()), reached=True, score=9).then_types(
        CallAttempted, SurveyAnswered, SurveyConcluded
    )


@pytest.mark.parametrize(
    ("tried", "again"),
    [
        ("2025-10-18 16:30", "2025-10-18 20:30"),
        ("2025-10-18 17:00", "2025-10-18 21:00"),
        ("2025-10-18 17:00:00.000001", "2025-10-19 09:00"),
    ],
)
def test_the_next_attempt_is_four_hours_later_and_never_at_night(tried: str, again: str) -> None:
    story = asked()
    call = planned(story)
    story = calls(on(story, at(tried)), call, reached=False)
    assert story.one(CallAttempted).again_at == at(again)
    calls(on(story, at(tried) + timedelta(hours=3)), call, reached=True).then_refused(NotYet)
    takes(on(story, at(again)), call).then_types(CallTaken)


def three_times(story: Story, call: CallPlanned) -> Story:
    """Saturday 16:00 and 20:00, Sunday 09:00: nobody answers the phone."""
    for when in ("2025-10-18 16:00", "2025-10-18 20:00", "2025-10-19 09:00"):
        story = calls(on(story, at(when)), call, reached=False)
    return story


def test_tried_three_times_in_vain_the_customer_is_unreachable_at_once() -> None:
    story = asked()
    call = planned(story)
    story = three_times(story, call).then_types(CallAttempted, SurveyConcluded)
    last = story.one(CallAttempted)
    assert (last.attempt, last.again_at) == (3, None)
    assert outcome(story) == (SurveyOutcome.UNREACHABLE, "not_reached")
    calls(on(story, at("2025-10-19 14:00")), call, reached=True).then_refused(CallOver)


def test_an_operator_sets_how_often_and_what_then_a_message_after_all() -> None:
    story = asked(**calls_by(attempts_max=1, then="message"))
    call = planned(story)
    story = calls(story, call, reached=False).then_types(CallAttempted, NoticeIssued)
    notice = story.one(NoticeIssued)
    assert (notice.kind, notice.by, notice.repeats) == (
        NoticeKind.SURVEY,
        Medium.MESSAGE,
        call.notice,
    )
    assert dict(story.timers) == {
        "survey.remind": at("2025-10-19 16:00"),
        "survey.end": END,
    }
    said = hear(story, reply("r", 8), at("2025-10-18 18:00"))
    assert outcome(said) == (SurveyOutcome.SATISFIED, "score")
    assert outcome(story.fire("survey.end")) == (SurveyOutcome.NO_ANSWER, "expired")


def test_no_message_after_all_where_none_can_be_sent_or_none_got_through() -> None:
    voice = asked(correspondent(voice_only=True), **calls_by(attempts_max=1, then="message"))
    story = calls(voice, planned(voice), reached=False)
    assert outcome(story) == (SurveyOutcome.UNREACHABLE, "not_reached")
    written = asked(correspondent(), **calls_by(attempts_max=1, then="message"))
    failed = delivery(written.one(NoticeIssued).notice, DeliveryResult.FAILED, ASKED)
    story = hear(written, failed, ASKED)
    story = calls(story, planned(story), reached=False)
    assert outcome(story) == (SurveyOutcome.UNREACHABLE, "not_reached")


def test_a_survey_nobody_could_be_reached_for_ends_unreachable() -> None:
    story = asked()
    tried = calls(story, planned(story), reached=False)
    assert outcome(tried.fire("survey.end")) == (SurveyOutcome.UNREACHABLE, "not_reached")


# --- reminders -----------------------------------------------------------------------------------


def test_a_customer_reached_who_would_not_answer_is_called_once_more_after_24_hours() -> None:
    story = asked()
    assert "survey.remind" not in story.timers, "the call itself is still to be made"
    story = calls(on(story, at("2025-10-18 18:00")), planned(story), reached=True)
    assert story.timers["survey.remind"] == at("2025-10-19 16:00")
    story = story.fire("survey.remind").then_types(NoticeIssued, CallPlanned)
    notice, call = story.one(NoticeIssued), planned(story)
    assert (notice.kind, notice.by) == (NoticeKind.REMINDER, Medium.CALL)
    assert (call.reason, call.not_before) == (CallReason.SURVEY, at("2025-10-19 16:00"))
    assert story.timers["survey.end"] == END
    assert "survey.remind" not in story.timers, "one reminder, never a second"
    again = calls(story, call, reached=True, score=8)
    assert outcome(again) == (SurveyOutcome.SATISFIED, "score")
    silent = calls(story, call, reached=True)
    assert outcome(silent.fire("survey.end")) == (SurveyOutcome.NO_ANSWER, "expired")


def test_a_reminder_call_due_at_night_waits_until_nine() -> None:
    story = asked(when=at("2025-10-18 20:59"))
    story = takes(story, planned(story))
    story = calls(on(story, at("2025-10-18 21:20")), planned(asked()), reached=True)
    assert story.timers["survey.remind"] == at("2025-10-19 20:59")
    story = asked(when=at("2025-10-18 23:00"))
    call = planned(story)
    story = calls(on(story, at("2025-10-19 09:00")), call, reached=True).fire("survey.remind")
    assert story.now == at("2025-10-19 23:00")
    assert planned(story).not_before == at("2025-10-20 09:00")


def test_reached_only_after_the_reminders_time_nobody_is_called_again() -> None:
    story = asked()
    story = calls(on(story, at("2025-10-20 10:00")), planned(story), reached=True)
    assert dict(story.timers) == {"survey.end": END}


# --- calls because no message got there ---------------------------------------------------------


def test_a_failed_survey_becomes_a_call_and_its_written_reminder_is_dropped() -> None:
    story = asked(correspondent())
    failed = story.one(NoticeIssued)
    story = hear(story, delivery(failed.notice, DeliveryResult.FAILED, ASKED), ASKED)
    story.then_types(NoticeAttempted, NoticeIssued, CallPlanned)
    assert story.one(NoticeIssued).repeats == failed.notice
    assert "survey.remind" not in story.timers
    said = calls(story, planned(story), reached=True, resolved=True)
    assert outcome(said) == (SurveyOutcome.SATISFIED, "score")


def test_a_gateway_that_calls_by_itself_counts_as_an_attempt() -> None:
    story = asked()
    call = planned(story)
    assert call.notice is not None
    report = delivery(call.notice, DeliveryResult.NOT_REACHED, ASKED, Medium.CALL)
    story = hear(story, report, ASKED).then_types(CallAttempted)
    assert (story.one(CallAttempted).attempt, story.one(CallAttempted).by) == (1, None)
    hear(story, report, ASKED).then_nothing()


def test_a_voice_only_line_is_told_by_a_call_which_takes_no_score() -> None:
    voice = hear(nothing(), clocks_started(correspondent(voice_only=True)), at("2025-10-17 17:00"))
    voice = hear(voice, answered_by_work(), ASKED)
    call = planned(voice)
    assert call.reason is CallReason.TELL
    assert told(voice.one(NoticeIssued)).startswith("您好,受理编号TS-7781-4答复如下")
    calls(voice, call, reached=True, score=9).then_refused(NothingAsked)
    calls(voice, call, reached=True).then_types(CallAttempted)
    assert waiting(three_times(voice, call)) == []


def test_a_score_is_taken_only_from_a_customer_who_was_reached() -> None:
    story = asked()
    calls(story, planned(story), reached=False, score=9).then_refused(NothingAsked)


# --- called off ----------------------------------------------------------------------------------


def test_nobody_calls_about_an_answer_once_its_asking_is_over() -> None:
    story = hear(nothing(), clocks_started(), at("2025-10-17 17:00"))
    story = hear(story, answered_by_work(), ASKED)
    answer = story.one(NoticeIssued)
    story = hear(story, delivery(answer.notice, DeliveryResult.FAILED, ASKED), ASKED)
    call = planned(story)
    story = hear(hear(story, answered(), ASKED), reply("r", 8), ASKED)
    calls(story, call, reached=True).then_refused(CallOver)


def test_nobody_calls_with_a_question_about_a_complaint_that_was_withdrawn() -> None:
    voice = hear(nothing(), clocks_started(correspondent(voice_only=True)), at("2025-10-17 17:00"))
    voice = hear(voice, suspended(), ASKED)
    assert waiting(voice) == [CallReason.TELL]
    assert waiting(hear(voice, withdrawn(), ASKED)) == []


def test_nobody_calls_who_asked_to_be_forgotten() -> None:
    erased = PersonErased(mode=ErasureMode.LOCKED, basis="asked", complaints=(event_id("x"),))
    erased = erased.model_copy(update={"complaints": (SUBJECT,)})
    story = asked()
    gone = hear(story, erased, ASKED).then_types(ContactingStopped, SurveyConcluded)
    assert waiting(gone) == []
    calls(gone, planned(story), reached=True).then_refused(CallOver)
    voice = hear(nothing(), clocks_started(correspondent(voice_only=True)), at("2025-10-17 17:00"))
    voice = hear(voice, suspended(), ASKED)
    voice = hear(voice, erased, ASKED).then_types(ContactingStopped)
    assert waiting(voice) == []
    later = hear(voice, answered_by_work(), ASKED)
    assert waiting(later) == [], "nor about what is answered afterwards"


# --- whatever people do --------------------------------------------------------------------------

STEPS = st.lists(
    st.tuples(
        st.integers(min_value=1, max_value=600),
        st.sampled_from([ANNA, BEN]),
        st.sampled_from(["take", "not reached", "reached"]),
    ),
    max_size=30,
)


@given(STEPS)
def test_whatever_two_agents_try_the_rules_of_calling_hold(
    steps: list[tuple[int, StaffRef, str]],
) -> None:
    """Never more attempts than the policy's, one caller at a time, nothing begun at night."""
    story = asked()
    call = planned(story)
    holder: tuple[StaffRef, datetime] | None = None
    attempts: list[datetime] = []
    for minutes, who, what in steps:
        story = on(story, story.now + timedelta(minutes=minutes))
        story = story.when(
            TakeCall(at=story.now, call=call.call, by=who)
            if what == "take"
            else RecordCall(at=story.now, call=call.call, by=who, reached=what == "reached")
        )
        by_day = 9 * 60 <= story.now.hour * 60 + story.now.minute <= 21 * 60
        theirs = holder is not None and holder[0] == who and story.now < holder[1]
        for event in story.happened:
            match event:
                case CallTaken():
                    assert by_day
                    assert holder is None or story.now >= holder[1]
                    holder = (who, event.until)
                case CallAttempted():
                    assert theirs or (by_day and (holder is None or story.now >= holder[1]))
                    assert not attempts or story.now - attempts[-1] >= timedelta(hours=4)
                    attempts.append(story.now)
                    holder = None
    assert len(attempts) <= 3
    assert [one.at for one in story.state.calls[call.call].tried] == attempts
