"""The confirming call-back after a partner's answer (DOMAIN rule 7)."""

from dataclasses import replace
from typing import Any

import pytest

from contracts.feedback_survey import (
    CallAttempted,
    CallPlanned,
    CallReason,
    ConfirmationRecorded,
    SurveyConcluded,
    SurveyOutcome,
)
from contracts.routing import HandlerKind, ReportedCause, WorkContacted, WorkReportedBack
from contracts.values import Correspondent, StaffRef
from libs.decider.story import Story
from services.feedback_survey.domain.commands import RecordCall
from services.feedback_survey.domain.confirming import NotConfirmed
from services.feedback_survey.domain.reaching import CallOver, NothingAsked
from tests.unit.feedback_survey.heard import (
    answered,
    at,
    clocks_started,
    correspondent,
    hear,
    nothing,
    withdrawn,
)

ANNA = StaffRef(team="value-added-care", agent="5401")
TOLD, ANSWERED = at("2025-10-17 09:00"), at("2025-10-17 15:00")


def report(**changed: Any) -> WorkReportedBack:
    said = {
        "cycle": 1,
        "by": "sp-17",
        "kind": HandlerKind.PARTNER,
        "forward": 1,
        "opinion": "v1.sealed.opinion",
        "cause": ReportedCause.OWN,
    }
    return WorkReportedBack(**{**said, **changed})


def after(to: Correspondent | None = None) -> Story:
    """The customer has a receipt, and nothing else yet."""
    return hear(nothing(), clocks_started(to or correspondent()), TOLD)


def confirming(when: Any = ANSWERED, **changed: Any) -> Story:
    return hear(after(), report(**changed), when)


def tried(story: Story, **said: Any) -> Story:
    call = next(one for one in story.state.calls.values() if one.reason is CallReason.CONFIRM)
    return story.when(RecordCall(at=story.now, call=call.id, by=ANNA, **said))


def test_the_customer_gets_a_confirming_call_back() -> None:
    """DOMAIN rule 7: "the customer gets a confirming call-back", whoever the customer is."""
    call = confirming().one(CallPlanned)
    assert (call.reason, call.not_before, call.attempts_max) == (CallReason.CONFIRM, ANSWERED, 3)
    assert call.notice is None, "it has no words of its own"


def test_it_keeps_to_the_quiet_hours() -> None:
    call = confirming(at("2025-10-17 22:30")).one(CallPlanned)
    assert call.not_before == at("2025-10-18 09:00")


@pytest.mark.parametrize(
    "changed",
    [
        {"kind": HandlerKind.TEAM, "by": "mobile-care"},
        {"kind": HandlerKind.PROVINCE, "by": "xinjiang"},
        {"cause": ReportedCause.NETWORK, "responsible": "network"},
        {"cause": ReportedCause.BILLING},
        {"forward": None},
    ],
)
def test_only_a_partners_own_answer_is_confirmed(changed: dict[str, Any]) -> None:
    """One that says the cause lies elsewhere has not answered yet."""
    assert confirming(**changed).happened == ()


def test_it_is_planned_once_however_often_the_partner_answers_the_same() -> None:
    once = confirming()
    again = hear(once, report(), at("2025-10-17 15:10"))
    again.then_nothing()
    other = hear(again, report(forward=2, by="sp-18"), at("2025-10-17 15:11")).one(CallPlanned)
    assert (other.partner, other.forward) == ("sp-18", 2), "another partner's is asked about, too"
    done = tried(replace(again, now=at("2025-10-17 15:20")), reached=True, answered=True)
    done.then_types(CallAttempted, ConfirmationRecorded)
    hear(done, report(), at("2025-10-17 16:00")).then_types(CallPlanned)


def test_what_the_customer_said_of_the_partner_is_on_record() -> None:
    """DOMAIN rule 7: what the call is for: "never answered me", "answered, but not content"."""
    story = replace(confirming(), now=at("2025-10-17 15:05"))
    tried(story, reached=True).then_refused(NotConfirmed)
    tried(story, reached=False, answered=False).then_refused(NothingAsked)
    never = tried(story, reached=True, answered=False).one(ConfirmationRecorded)
    assert (never.partner, never.forward) == ("sp-17", 1)
    assert (never.answered, never.content) == (False, None)
    said = {"answered": True, "content": False, "words": "v1.sealed.words"}
    bad = tried(story, reached=True, **said)
    bad.then_types(CallAttempted, ConfirmationRecorded)
    told = bad.one(ConfirmationRecorded)
    assert (told.answered, told.content, told.words) == (True, False, "v1.sealed.words")


def test_a_partner_that_answers_after_a_denial_is_asked_about_again() -> None:
    told = WorkContacted(cycle=1, channel="email", reached=True, partner="sp-17", forwards=(1,))
    story = replace(confirming(), now=at("2025-10-17 15:05"))
    hear(tried(story, reached=True, answered=True), told, at("2025-10-17 16:00")).then_nothing()
    never = tried(story, reached=True, answered=False)
    again = hear(never, told, at("2025-10-17 16:00"))
    assert again.one(CallPlanned).forward == 1
    hear(again, told, at("2025-10-17 16:01")).then_nothing()


def test_not_content_while_our_answer_is_asked_about_answers_that_too() -> None:
    """DOMAIN, the closed loop: "A dissatisfied answer never closes"."""
    story = hear(confirming(), answered(), at("2025-10-17 16:00"))
    story = replace(story, now=at("2025-10-17 16:05"))
    ended = tried(story, reached=True, answered=True, content=False).one(SurveyConcluded)
    assert (ended.outcome, ended.reason) == (SurveyOutcome.DISSATISFIED, "not_resolved")
    content = tried(story, reached=True, answered=True, content=True)
    content.then_types(CallAttempted, ConfirmationRecorded)
    assert content.state.open_survey is not None, "content with the partner says nothing of us"


def test_each_attempt_is_on_record_and_it_takes_no_score() -> None:
    story = replace(confirming(), now=at("2025-10-17 15:05"))
    tried(story, reached=True, score=9).then_refused(NothingAsked)
    story = tried(story, reached=False)
    assert story.one(CallAttempted).again_at == at("2025-10-17 19:05")
    story = tried(replace(story, now=at("2025-10-17 19:05")), reached=True, answered=True)
    assert story.one(CallAttempted).again_at is None
    tried(story, reached=True, answered=True).then_refused(CallOver)


def test_the_owners_answer_and_its_survey_leave_the_call_to_be_made() -> None:
    story = hear(confirming(), answered(), at("2025-10-17 16:00"))
    told = tried(replace(story, now=at("2025-10-17 16:05")), reached=True, answered=True)
    told.then_types(CallAttempted, ConfirmationRecorded)


def test_nobody_is_called_who_cannot_be_or_wants_nothing_any_more() -> None:
    nowhere = hear(nothing(), clocks_started(correspondent(address=False)), TOLD)
    hear(nowhere, report(), ANSWERED).then_nothing()
    hear(nothing(), report(), ANSWERED).then_nothing()
    gone = hear(after(), withdrawn(), at("2025-10-17 10:00"))
    hear(gone, report(), ANSWERED).then_nothing()
    late = hear(confirming(), withdrawn(), at("2025-10-17 16:00"))
    tried(late, reached=True, answered=True).then_refused(CallOver)
