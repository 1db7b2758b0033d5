"""Asking once per cycle, reminding once, ending once (DOMAIN rule 11; EVENTS races 1 and 6)."""

from datetime import datetime, timedelta
from uuid import UUID

import pytest

from contracts.feedback_survey import (
    ContactingResumed,
    ContactingStopped,
    NoticeIssued,
    SurveyAnswered,
    SurveyAsked,
    SurveyConcluded,
    SurveyOutcome,
)
from contracts.housekeeping import ErasureMode, PersonErased
from contracts.values import (
    ChannelKind,
    Correspondent,
    Medium,
    NoticeKind,
    ReplyTo,
)
from libs.decider.story import SUBJECT, Story
from tests.unit.feedback_survey.heard import (
    TO,
    answered,
    at,
    clocks_started,
    correspondent,
    due_before,
    event_id,
    hear,
    merged,
    nothing,
    reopened,
    reply,
    withdrawn,
)

ASKED = at("2025-10-18 16:00")


def asked(to: Correspondent = TO, when: datetime = ASKED) -> Story:
    """Registered, answered, asked."""
    story = hear(nothing(), clocks_started(to), at("2025-10-17 17:00"))
    return hear(story, answered(to=to), when)


def survey_notice(story: Story) -> NoticeIssued:
    found = [event for event in story.happened if isinstance(event, NoticeIssued)]
    assert [one.kind for one in found] == [NoticeKind.SURVEY]
    return found[0]


def outcome(story: Story) -> tuple[SurveyOutcome, str]:
    concluded = story.one(SurveyConcluded)
    return concluded.outcome, concluded.reason


# --- asking --------------------------------------------------------------------------------------


def test_an_answer_is_asked_about_at_once_on_the_customers_channel() -> None:
    story = asked()
    notice, survey = survey_notice(story), story.one(SurveyAsked)
    assert (notice.by, notice.reply_to, notice.not_before) == (
        Medium.MESSAGE,
        TO.reply_to,
        ASKED,
    )
    assert (survey.remind_at, survey.expires) == (
        at("2025-10-19 16:00"),
        at("2025-10-21 16:00"),
    )
    assert survey.answer == event_id("answer-1")


def test_nothing_is_asked_while_intake_says_not_to() -> None:
    hear(nothing(), answered(ask=False), ASKED).then_nothing()


def test_one_survey_per_handling_cycle() -> None:
    story = asked()
    hear(story, answered(answer="again"), ASKED).then_nothing()
    done = hear(story, reply("r1", 8), ASKED)
    hear(done, answered(answer="again"), ASKED).then_nothing()


def test_pain_no_second_survey_after_reopening_every_cycle_is_asked() -> None:
    """S6: three cycles, three surveys (3, 2, 9)."""
    story = hear(asked(), reply("r1", 3, False), at("2025-10-18 20:30"))
    assert outcome(story) == (SurveyOutcome.DISSATISFIED, "not_resolved")
    story = hear(story, answered(cycle=2), at("2025-10-19 19:00"))
    assert story.one(SurveyAsked).cycle == 2
    story = hear(story, reply("r2", 2, cycle=2), at("2025-10-19 21:40"))
    assert outcome(story) == (SurveyOutcome.DISSATISFIED, "score")
    story = hear(story, answered(cycle=3), at("2025-10-20 15:00"))
    story = hear(story, reply("r3", 9, cycle=3), at("2025-10-20 15:20"))
    assert outcome(story) == (SurveyOutcome.SATISFIED, "score")
    assert [one.score for one in story.state.surveys.values()] == [3, 2, 9]
    assert len({one.id for one in story.state.surveys.values()}) == 3


def test_an_older_cycle_is_not_asked_any_more() -> None:
    story = hear(nothing(), answered(cycle=2), ASKED)
    hear(story, answered(cycle=1), ASKED).then_nothing()


def test_an_anonymous_customer_without_address_is_unreachable_at_once() -> None:
    story = hear(nothing(), answered(to=correspondent(address=False)), ASKED)
    story.then(
        SurveyConcluded(
            cycle=1,
            survey=None,
            answer=event_id("answer-1"),
            outcome=SurveyOutcome.UNREACHABLE,
            reason="no_address",
        )
    )
    hear(story, answered(to=correspondent(address=False)), ASKED).then_nothing()


@pytest.mark.parametrize(
    ("score", "resolved", "expected"),
    [
        (5, None, SurveyOutcome.DISSATISFIED),
        (6, None, SurveyOutcome.SATISFIED),
        (10, False, SurveyOutcome.DISSATISFIED),
        (1, True, SurveyOutcome.DISSATISFIED),
        (None, True, SurveyOutcome.SATISFIED),
        (None, False, SurveyOutcome.DISSATISFIED),
    ],
)
def test_dissatisfied_is_a_score_of_5_or_less_or_not_resolved(
    score: int | None, resolved: bool | None, expected: SurveyOutcome
) -> None:
    assert outcome(hear(asked(), reply("r", score, resolved), ASKED))[0] is expected


def test_an_operator_sets_what_dissatisfied_means() -> None:
    rules = {"remind_after_hours": 24, "ends_after_hours": 72, "dissatisfied_up_to": 7}
    story = hear(nothing(survey=rules), answered(), ASKED)
    assert outcome(hear(story, reply("r", 7), ASKED))[0] is SurveyOutcome.DISSATISFIED


def test_words_alone_are_kept_and_the_asking_goes_on() -> None:
    story = hear(asked(), reply("r"), ASKED).then_types(SurveyAnswered)
    assert story.one(SurveyAnswered).satisfied is None
    assert story.state.open_survey is not None
    hear(story, reply("r2", 8), ASKED).then_types(SurveyAnswered, SurveyConcluded)


def test_a_reply_told_twice_is_told_once() -> None:
    story = hear(asked(), reply("r", 8), ASKED)
    hear(story, reply("r", 8), ASKED).then_nothing()


def test_a_reply_before_anything_was_asked_is_nothing() -> None:
    hear(nothing(), reply("r", 8), ASKED).then_nothing()


# --- one reminder after 24 h, the end after 72 h -------------------------------------------------


def test_one_reminder_after_24_hours_and_never_a_second() -> None:
    story = asked().fire("survey.remind")
    notice = story.one(NoticeIssued)
    assert (notice.kind, notice.not_before) == (NoticeKind.REMINDER, at("2025-10-19 16:00"))
    assert dict(story.timers) == {"survey.end": at("2025-10-21 16:00")}


def test_pain_reminders_at_midnight_a_reminder_due_at_night_waits_until_nine() -> None:
    story = asked(when=at("2025-10-18 23:58"))
    assert survey_notice(story).not_before == at("2025-10-19 09:00")
    story = story.fire("survey.remind")
    assert story.now == at("2025-10-19 23:58")
    assert story.one(NoticeIssued).not_before == at("2025-10-20 09:00")


def test_no_answer_ends_after_72_hours() -> None:
    story = due_before(asked(), at("2025-10-21 16:00"))
    story = story.fire("survey.end")
    assert story.now == at("2025-10-21 16:00")
    assert outcome(story) == (SurveyOutcome.NO_ANSWER, "expired")
    assert dict(story.timers) == {}


def test_no_reminder_once_the_customer_has_answered() -> None:
    assert dict(hear(asked(), reply("r", 8), ASKED).timers) == {}


def test_a_reply_at_the_very_end_is_in_time_and_one_microsecond_later_late() -> None:
    end = at("2025-10-21 16:00")
    assert outcome(hear(asked(), reply("r", 8), end))[0] is SurveyOutcome.SATISFIED
    late = hear(asked(), reply("r", 8), end + timedelta(microseconds=1))
    assert outcome(late)[0] is SurveyOutcome.NO_ANSWER
    assert late.one(SurveyAnswered).late


def test_after_an_outage_beyond_the_end_nobody_is_reminded() -> None:
    story = asked()
    command = story.decider.timer_command(timer="survey.remind", at=at("2025-10-19 16:00"))
    story = story.when(command, now=at("2025-10-22 10:00"))
    assert outcome(story) == (SurveyOutcome.NO_ANSWER, "expired")


def test_a_timer_without_a_survey_is_nothing() -> None:
    story = hear(asked(), reply("r", 8), ASKED)
    command = story.decider.timer_command(timer="survey.end", at=at("2025-10-21 16:00"))
    story.when(command).then_nothing()


# --- race 1: withdrawn while the survey is out ---------------------------------------------------


def test_race_1_withdrawn_then_answered_the_reply_is_late() -> None:
    story = hear(asked(), withdrawn(), ASKED)
    assert outcome(story) == (SurveyOutcome.CANCELLED, "withdrawn")
    assert dict(story.timers) == {}
    story = hear(story, reply("r", 2, closed=True), ASKED + timedelta(hours=1))
    story.then_types(SurveyAnswered)
    late = story.one(SurveyAnswered)
    assert (late.late, late.satisfied) == (True, False)


def test_race_1_answered_then_withdrawn_the_conclusion_stands() -> None:
    story = hear(asked(), reply("r", 8), ASKED)
    hear(story, withdrawn(), ASKED).then_nothing()
    assert story.state.surveys[1].outcome is SurveyOutcome.SATISFIED


def test_withdrawn_before_any_answer_the_outcome_of_the_asking_is_on_record() -> None:
    story = hear(nothing(), withdrawn(), ASKED)
    story.then(SurveyConcluded(cycle=1, outcome=SurveyOutcome.CANCELLED, reason="withdrawn"))
    hear(story, answered(), ASKED).then_nothing()


def test_a_withdrawn_complaint_that_comes_back_is_asked_in_its_new_cycle() -> None:
    story = hear(asked(), withdrawn(), ASKED)
    assert hear(story, answered(cycle=2), ASKED).one(SurveyAsked).cycle == 2


def test_a_merged_complaint_is_not_asked_and_after_an_unmerge_it_is() -> None:
    story = hear(asked(), merged(), ASKED)
    assert outcome(story) == (SurveyOutcome.CANCELLED, "merged")
    again = hear(story, answered(), ASKED)
    assert again.one(SurveyAsked).survey != story.state.surveys[1].id


# --- erased --------------------------------------------------------------------------------------


def test_who_is_forgotten_is_not_asked_any_more() -> None:
    erased = PersonErased(mode=ErasureMode.LOCKED, basis="asked", complaints=(event_id("x"),))
    erased = erased.model_copy(update={"complaints": (SUBJECT,)})
    story = hear(asked(), erased, ASKED)
    assert outcome(story) == (SurveyOutcome.UNREACHABLE, "erased")
    hear(story, erased, ASKED).then_nothing()


def test_who_is_forgotten_before_the_answer_is_not_asked_and_the_loop_can_close() -> None:
    erased = PersonErased(mode=ErasureMode.LOCKED, basis="asked", complaints=(event_id("x"),))
    erased = erased.model_copy(update={"complaints": (SUBJECT,)})
    for before in (nothing(), hear(nothing(), clocks_started(), at("2025-10-17 17:00"))):
        story = hear(before, erased, ASKED).then_types(ContactingStopped)
        story = hear(story, answered(), ASKED).then_types(SurveyConcluded)
        assert outcome(story) == (SurveyOutcome.UNREACHABLE, "erased")


MOVED = TO.model_copy(update={"reply_to": ReplyTo(kind=ChannelKind.SMS, address="sealed-anew")})
ERASED_IN_1 = PersonErased(
    mode=ErasureMode.LOCKED, basis="asked", complaints=(UUID(SUBJECT),), cycles=(1,)
)
GONE = ERASED_IN_1.model_copy(update={"mode": ErasureMode.DESTROYED})


def complains_again(story: Story) -> Story:
    """The second cycle, in which the customer told a new address."""
    again = reopened(2).model_copy(update={"correspondent": MOVED})
    return hear(story, again, ASKED + timedelta(days=3))


def test_who_was_locked_and_complains_again_is_asked_again_where_they_are_now() -> None:
    """DOMAIN rule 11: one survey per handling cycle."""
    story = complains_again(hear(asked(), ERASED_IN_1, ASKED)).then_types(ContactingResumed)
    story = hear(story, answered(2, to=MOVED), ASKED + timedelta(days=4))
    assert survey_notice(story).correspondent.reply_to == MOVED.reply_to
    assert story.one(SurveyAsked).cycle == 2


def test_a_locking_that_is_heard_after_the_reopening_stops_the_cycle_it_came_in_only() -> None:
    story = hear(complains_again(asked()), ERASED_IN_1, ASKED + timedelta(days=3))
    assert outcome(story) == (SurveyOutcome.UNREACHABLE, "erased")
    hear(story, ERASED_IN_1, ASKED + timedelta(days=3)).then_nothing()
    story = hear(story, answered(2, to=MOVED), ASKED + timedelta(days=4))
    assert story.one(SurveyAsked).cycle == 2
    late = hear(story, ERASED_IN_1.model_copy(update={"cycles": (2,)}), ASKED + timedelta(days=5))
    assert outcome(late) == (SurveyOutcome.UNREACHABLE, "erased")


def test_who_is_destroyed_is_not_asked_in_any_later_cycle() -> None:
    story = hear(complains_again(hear(asked(), ERASED_IN_1, ASKED)), GONE, ASKED)
    story = hear(story, answered(2, to=MOVED), ASKED + timedelta(days=4))
    assert outcome(story) == (SurveyOutcome.UNREACHABLE, "erased")
