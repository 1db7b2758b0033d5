"""What intake does on hearing others: one command each, at the fact's own time; else nothing."""

from typing import Any
from uuid import UUID

import pytest

from contracts import catalogue
from contracts.escalation import CaseClosed, CaseDeclined, CaseOutcome, CaseRequested
from contracts.feedback_survey import (
    ConfirmationRecorded,
    SurveyAnswered,
    SurveyConcluded,
    SurveyOutcome,
    VisitRecorded,
)
from contracts.intake import ComplaintClosed, ComplaintContactUnlinked, NotedState, Outcome
from contracts.values import CaseTrigger, PolicyRef
from libs.decider import Event, Recorded
from services.intake.domain.commands import (
    ConcludeSurvey,
    RecordCaseEnded,
    RecordCaseRequested,
    RecordLateReply,
    RecordVisit,
)
from services.intake.reactions import HEARD, react
from tests.unit.intake.given import link, open_complaint
from tests.unit.intake.world import COMPLAINT, HOUR, TOLD, event_id

LATER = TOLD + HOUR


def heard(event: Event, occurred: Any = None) -> Recorded[Any]:
    return Recorded(
        id=event_id(7),
        source="/bihuan/other",
        type=event.type,
        subject=str(COMPLAINT),
        time=LATER,
        sequence=3,
        actor="system:other",
        data=event,
        occurred=occurred,
    )


def survey_answered(late: bool, satisfied: bool | None) -> SurveyAnswered:
    return SurveyAnswered(
        cycle=1,
        survey=UUID(int=1),
        satisfied=satisfied,
        late=late,
        policy=PolicyRef(name="survey", version="v1"),
    )


def test_an_asking_that_is_over() -> None:
    event = SurveyConcluded(cycle=2, outcome=SurveyOutcome.NO_ANSWER, reason="expired")
    (to,) = react(heard(event))
    assert to.subject == str(COMPLAINT)
    assert to.command == ConcludeSurvey(
        at=LATER, cycle=2, asked=event_id(7), outcome=SurveyOutcome.NO_ANSWER
    )


@pytest.mark.parametrize(
    ("late", "satisfied", "does"),
    [(True, False, True), (True, True, False), (True, None, False), (False, False, False)],
)
def test_only_a_late_dissatisfied_reply_is_heard_by_itself(
    late: bool, satisfied: bool | None, does: bool
) -> None:
    found = react(heard(survey_answered(late, satisfied)))
    expected = RecordLateReply(at=LATER, cycle=1, reply=event_id(7))
    assert [to.command for to in found] == ([expected] if does else [])


@pytest.mark.parametrize(("satisfied", "does"), [(False, True), (True, False), (None, False)])
def test_only_a_dissatisfied_visit_is_heard(satisfied: bool | None, does: bool) -> None:
    told = VisitRecorded(
        cycle=1,
        call=event_id(2),
        satisfied=satisfied,
        policy=PolicyRef(name="feedback", version="v1"),
    )
    expected = RecordVisit(at=LATER, cycle=1, visit=event_id(7))
    assert [to.command for to in react(heard(told))] == ([expected] if does else [])


@pytest.mark.parametrize(("content", "does"), [(False, True), (True, False), (None, False)])
def test_not_content_with_a_partners_answer_is_heard_as_a_dissatisfied_visit(
    content: bool | None, does: bool
) -> None:
    """DOMAIN rule 7: the customer is called back; a closed complaint is taken up again."""
    told = ConfirmationRecorded(
        cycle=1, call=event_id(2), partner="sp-1", forward=1, answered=True, content=content
    )
    expected = RecordVisit(at=LATER, cycle=1, visit=event_id(7))
    assert [to.command for to in react(heard(told))] == ([expected] if does else [])


def test_cases_are_noted_with_what_they_mean_for_closing() -> None:
    requested = CaseRequested(cycle=1, case=1, tier=2, trigger=CaseTrigger.WISH, cause=event_id(2))
    declined = CaseDeclined(
        cycle=1, case=1, tier=2, reason="r", by="officer-1", customer_asked=True
    )
    closed = CaseClosed(
        cycle=1,
        case=1,
        tier=2,
        outcome=CaseOutcome.SETTLED,
        reason="decided",
        answer=event_id(8),
        answered_at=TOLD,
    )
    events = (requested, declined, closed)
    assert [to.command for event in events for to in react(heard(event))] == [
        RecordCaseRequested(
            at=LATER, case=1, tier=2, trigger=CaseTrigger.WISH, request=event_id(7)
        ),
        RecordCaseEnded(at=LATER, cycle=1, case=1, tier=2, state=NotedState.DECLINED),
        RecordCaseEnded(
            at=LATER,
            cycle=1,
            case=1,
            tier=2,
            state=NotedState.ENDED,
            outcome=CaseOutcome.SETTLED,
            decision=event_id(8),
            decided_at=TOLD,
        ),
    ]  # fmt: skip


def test_the_facts_own_time_counts_when_it_was_recorded_late() -> None:
    event = SurveyConcluded(cycle=1, outcome=SurveyOutcome.SATISFIED, reason="score")
    (to,) = react(heard(event, occurred=TOLD))
    assert to.command.at == TOLD


def test_an_unlinked_contact_that_goes_back_where_it_came_from_registers_nothing() -> None:
    contact = link("u", TOLD).contact
    gone = ComplaintContactUnlinked(
        cycle=1, contact=contact, reason="unmerged", urge_no=0, becomes=None
    )
    assert react(heard(gone)) == []


def test_what_intake_does_not_hear_leads_nowhere() -> None:
    assert react(heard(ComplaintClosed(cycle=1, outcome=Outcome.SATISFIED))) == []


def test_the_catalogue_says_the_same() -> None:
    promised = set(catalogue.heard_by("intake"))
    of_the_runtime = {  # heard by every service, beside its reactions
        *("cohort.purged.v1", "purge.approved.v1", "purge.withdrawn.v1"),
        *("policy.activated.v1", "role.changed.v1"),
        *("token.issued.v1", "token.revoked.v1"),
    }
    assert set(HEARD) == {event for event in promised if event.type not in of_the_runtime}


def test_hearing_everything_twice_changes_nothing_more() -> None:
    story = open_complaint()
    requested = CaseRequested(cycle=1, case=1, tier=2, trigger=CaseTrigger.WISH, cause=event_id(2))
    (to,) = react(heard(requested))
    story.when(to.command).when(to.command).then_nothing()
