"""Calls that nobody tries to make: our silence is never taken for the customer's (rule 11)."""

from dataclasses import replace

from contracts.feedback_survey import (
    CallAttempted,
    CallMissed,
    CallReason,
    NoticeIssued,
    SurveyOutcome,
)
from contracts.values import DeliveryResult, Medium, StaffRef
from services.feedback_survey.domain.commands import RecordCall
from tests.unit.feedback_survey.heard import at, correspondent, delivery, hear
from tests.unit.feedback_survey.test_calls import (
    ANNA,
    ASKED,
    END,
    asked,
    calls,
    on,
    outcome,
    planned,
)


def test_who_was_never_called_has_not_been_asked_and_is_never_closed_as_silent() -> None:
    """DOMAIN, the closed loop: "the customer was answered AND asked"; rule 11: "VIPs get a call
    instead of a message, each attempt on record"."""
    story = asked()
    assert dict(story.timers) == {"call.missed": at("2025-10-18 20:00")}, "no end while untried"
    story = story.fire("call.missed")
    assert story.one(CallMissed).reason is CallReason.SURVEY
    assert story.one(CallMissed).due == at("2025-10-18 20:00")
    assert dict(story.timers) == {}, "told once, and it waits"
    assert story.state.open_survey is not None


def test_tried_only_after_the_end_the_customer_has_as_long_again() -> None:
    story = asked().fire("call.missed")
    call = next(iter(story.state.calls.values()))
    late = on(story, at("2025-10-25 10:00"))
    late = late.when(RecordCall(at=late.now, call=call.id, by=ANNA, reached=True))
    late.then_types(CallAttempted)
    assert dict(late.timers) == {"survey.end": at("2025-10-28 10:00")}
    assert outcome(late.fire("survey.end")) == (SurveyOutcome.NO_ANSWER, "expired")


def test_a_call_that_was_tried_in_time_is_never_missed() -> None:
    tried = calls(asked(), planned(asked()), reached=False)
    assert dict(tried.timers) == {"survey.end": END}
    assert outcome(tried.fire("survey.end")) == (SurveyOutcome.UNREACHABLE, "not_reached")


def test_a_call_instead_of_a_failed_message_is_missed_and_waits_as_well() -> None:
    story = asked(to=correspondent())
    sent = story.one(NoticeIssued).notice
    later = at("2025-10-18 16:05")
    story = hear(story, delivery(sent, DeliveryResult.FAILED, later), later)
    assert dict(story.timers) == {"call.missed": at("2025-10-18 20:05")}
    assert story.fire("call.missed").one(CallMissed).reason is CallReason.SURVEY


def test_a_visit_in_person_is_on_record_as_one() -> None:
    """Rule 11: "Follow-up visits to important customers": in person, or by a call."""
    story = asked()
    by = StaffRef(team="vip-seats", agent="1703")
    met = story.when(
        RecordCall(
            at=ASKED,
            call=planned(story).call,
            by=by,
            reached=True,
            how=Medium.VISIT,
            score=9,
        )
    )
    assert met.one(CallAttempted).how is Medium.VISIT
    assert [one.how for one in met.state.calls[planned(story).call].tried] == [Medium.VISIT]
    assert outcome(met) == (SurveyOutcome.SATISFIED, "score")
    assert calls(replace(story), planned(story), reached=True).one(CallAttempted).how is Medium.CALL
