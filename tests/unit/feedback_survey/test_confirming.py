"""The confirming call-back after a partner's answer (DOMAIN rule 7)."""

from dataclasses import replace
from typing import Any

import pytest

from contracts.feedback_survey import CallAttempted, CallPlanned, CallReason
from contracts.routing import HandlerKind, ReportedCause, WorkReportedBack
from contracts.values import Correspondent, StaffRef
from libs.decider.story import Story
from services.feedback_survey.domain.commands import RecordCall
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
    ],
)
def test_only_a_partners_own_answer_is_confirmed(changed: dict[str, Any]) -> None:
    """One that says the cause lies elsewhere has not answered yet."""
    assert confirming(**changed).happened == ()


def test_it_is_planned_once_however_often_the_partner_answers() -> None:
    once = confirming()
    again = hear(once, report(forward=2), at("2025-10-17 15:10"))
    again.then_nothing()
    done = tried(replace(again, now=at("2025-10-17 15:20")), reached=True)
    done.then_types(CallAttempted)
    hear(done, report(forward=3), at("2025-10-17 16:00")).then_types(CallPlanned)


def test_each_attempt_is_on_record_and_it_takes_no_score() -> None:
    story = replace(confirming(), now=at("2025-10-17 15:05"))
    tried(story, reached=True, score=9).then_refused(NothingAsked)
    story = tried(story, reached=False)
    assert story.one(CallAttempted).again_at == at("2025-10-17 19:05")
    story = tried(replace(story, now=at("2025-10-17 19:05")), reached=True)
    assert story.one(CallAttempted).again_at is None
    tried(story, reached=True).then_refused(CallOver)


def test_the_owners_answer_and_its_survey_leave_the_call_to_be_made() -> None:
    story = hear(confirming(), answered(), at("2025-10-17 16:00"))
    tried(replace(story, now=at("2025-10-17 16:05")), reached=True).then_types(CallAttempted)


def test_nobody_is_called_who_cannot_be_or_wants_nothing_any_more() -> None:
    nowhere = hear(nothing(), clocks_started(correspondent(address=False)), TOLD)
    hear(nowhere, report(), ANSWERED).then_nothing()
    hear(nothing(), report(), ANSWERED).then_nothing()
    gone = hear(after(), withdrawn(), at("2025-10-17 10:00"))
    hear(gone, report(), ANSWERED).then_nothing()
    late = hear(confirming(), withdrawn(), at("2025-10-17 16:00"))
    tried(late, reached=True).then_refused(CallOver)
