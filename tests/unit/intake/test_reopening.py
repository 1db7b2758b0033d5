"""A dissatisfied answer starts a new cycle, first at tier 1, then at the 10015 desk (rule 11)."""

from datetime import timedelta

import pytest

from contracts.feedback_survey import SurveyOutcome
from contracts.intake import (
    ComplaintAnswered,
    ComplaintClosed,
    ComplaintContactLinked,
    ComplaintReopened,
    Outcome,
    ReopenReason,
)
from contracts.values import ContactKind, ReopenRoute
from services.intake.domain.commands import RecordLateReply, RecordVisit
from services.intake.domain.complaint import ClosedTooLongAgo
from tests.unit.intake.given import (
    SURVEY,
    answer,
    asked,
    closed,
    concluded,
    link,
    open_complaint,
    rejected,
    requested,
    told_of_rejection,
    withdraw,
)
from tests.unit.intake.world import DAY, HOUR, TOLD, event_id

CLOSED_AT = TOLD + 4 * HOUR


def test_first_to_the_manager_then_to_the_10015_desk_and_never_a_closing() -> None:
    story = asked().when(concluded(SurveyOutcome.DISSATISFIED)).then_types(ComplaintReopened)
    second = story.one(ComplaintReopened)
    assert (second.cycle, second.route) == (2, ReopenRoute.TIER1)
    assert second.reason is ReopenReason.DISSATISFIED
    assert second.clock_from == TOLD + 4 * HOUR
    assert second.cause == SURVEY

    story = story.when(answer(2, identity=event_id(21), when=TOLD + 5 * HOUR))
    story = story.when(concluded(SurveyOutcome.DISSATISFIED, 2, TOLD + 6 * HOUR))
    third = story.one(ComplaintReopened)
    assert (third.cycle, third.route, third.case) == (3, ReopenRoute.ESCALATE, None)

    story = story.when(answer(3, identity=event_id(31), when=TOLD + 7 * HOUR))
    story = story.when(concluded(SurveyOutcome.SATISFIED, 3, TOLD + 8 * HOUR))
    assert story.one(ComplaintClosed).cycle == 3


def test_each_cycle_is_asked_once_more() -> None:
    story = asked().when(concluded(SurveyOutcome.DISSATISFIED))
    story = story.when(answer(2, identity=event_id(21)))
    assert story.one(ComplaintAnswered).ask
    assert story.one(ComplaintAnswered).cycle == 2


def test_an_answer_of_the_cycle_before_does_not_answer_the_new_one() -> None:
    story = asked().when(concluded(SurveyOutcome.DISSATISFIED))
    story.when(answer(1, identity=event_id(12))).then_nothing()
    story.when(concluded(SurveyOutcome.SATISFIED, cycle=1)).then_nothing()
    second = story.when(answer(2, identity=event_id(21)))
    second.when(concluded(SurveyOutcome.SATISFIED, cycle=1)).then_nothing()


def test_dissatisfied_while_a_case_is_open_names_it_so_that_no_second_one_is_requested() -> None:
    story = asked().when(concluded(SurveyOutcome.DISSATISFIED)).when(answer(2, identity=SURVEY))
    story = story.when(requested()).when(concluded(SurveyOutcome.DISSATISFIED, 2))
    assert story.one(ComplaintReopened).case == 1


# --- a contact that quotes the receipt of a closed complaint --------------------------------------


def test_a_contact_within_thirty_days_reopens() -> None:
    story = closed().when(link("again", CLOSED_AT + 30 * DAY))
    story.then_types(ComplaintContactLinked, ComplaintReopened)
    linked, again = story.happened
    assert isinstance(linked, ComplaintContactLinked)
    assert (linked.cycle, linked.closed, linked.urge_no) == (1, True, 0)
    assert linked.contact.kind is ContactKind.FACT  # nothing is urged that is closed
    assert isinstance(again, ComplaintReopened)
    assert (again.cycle, again.reason, again.route) == (2, ReopenReason.CONTACT, ReopenRoute.REWORK)
    assert again.cause == linked.contact.id
    assert again.clock_from == CLOSED_AT + 30 * DAY


def test_a_moment_later_it_is_a_complaint_of_its_own() -> None:
    late = link("again", CLOSED_AT + 30 * DAY + timedelta(microseconds=1))
    closed().when(late).then_refused(ClosedTooLongAgo)


def test_the_same_contact_reopens_once() -> None:
    story = closed().when(link("again", CLOSED_AT + DAY))
    story.when(link("again", CLOSED_AT + DAY)).then_nothing()


@pytest.mark.parametrize(
    "kind", [ContactKind.SURVEY_REPLY, ContactKind.DELIVERY_REPORT, ContactKind.PARTNER_REPORT]
)
def test_replies_and_reports_on_a_closed_complaint_are_kept_but_reopen_nothing(
    kind: ContactKind,
) -> None:
    story = closed().when(link("r", CLOSED_AT + DAY, kind)).then_types(ComplaintContactLinked)
    assert story.one(ComplaintContactLinked).closed


def test_a_rejection_is_not_reopened_by_a_contact() -> None:
    over = rejected().when(told_of_rejection())
    over.when(link("again", TOLD + DAY)).then_refused(ClosedTooLongAgo)


def test_words_said_before_a_withdrawal_but_heard_after_it_reopen_nothing() -> None:
    over = open_complaint().when(withdraw())
    over.when(link("before", TOLD + 2 * HOUR)).then_types(ComplaintContactLinked)
    over.when(link("after", TOLD + 4 * HOUR)).then_types(ComplaintContactLinked, ComplaintReopened)


def test_a_new_cycle_counts_urges_anew() -> None:
    story = asked().when(link("u1", TOLD + 2 * HOUR)).when(link("u2", TOLD + 3 * HOUR))
    assert story.one(ComplaintContactLinked).urge_no == 2
    story = story.when(concluded(SurveyOutcome.SATISFIED))
    story = story.when(link("again", CLOSED_AT + DAY)).when(link("u3", CLOSED_AT + 2 * DAY))
    assert story.one(ComplaintContactLinked).urge_no == 1


# --- a late reply (EVENTS race 1) -----------------------------------------------------------------


def late_reply(days: int, cycle: int = 1) -> RecordLateReply:
    return RecordLateReply(at=CLOSED_AT + days * DAY, cycle=cycle, reply=event_id(5))


@pytest.mark.parametrize("outcome", [SurveyOutcome.NO_ANSWER, SurveyOutcome.UNREACHABLE])
def test_late_and_dissatisfied_reopens_within_thirty_days(outcome: SurveyOutcome) -> None:
    story = closed(outcome).when(late_reply(30)).then_types(ComplaintReopened)
    again = story.one(ComplaintReopened)
    assert (again.reason, again.route) == (ReopenReason.DISSATISFIED, ReopenRoute.TIER1)
    assert again.cause == event_id(5)
    closed(outcome).when(late_reply(31)).then_nothing()


def test_after_a_satisfied_reply_a_second_one_changes_nothing() -> None:
    assert closed().state.closed.outcome is Outcome.SATISFIED
    closed().when(late_reply(1)).then_nothing()


# --- a follow-up visit that finds the customer dissatisfied (DOMAIN rule 11) ---------------------


def visit(days: int, cycle: int = 1) -> RecordVisit:
    return RecordVisit(at=CLOSED_AT + days * DAY, cycle=cycle, visit=event_id(6))


@pytest.mark.parametrize(
    "outcome", [SurveyOutcome.SATISFIED, SurveyOutcome.NO_ANSWER, SurveyOutcome.UNREACHABLE]
)
def test_a_dissatisfied_follow_up_visit_reopens_within_thirty_days(outcome: SurveyOutcome) -> None:
    """As a late dissatisfied reply; also after a satisfied one, for the customer was asked anew."""
    again = closed(outcome).when(visit(30)).one(ComplaintReopened)
    assert (again.reason, again.route) == (ReopenReason.DISSATISFIED, ReopenRoute.TIER1)
    assert (again.cycle, again.cause) == (2, event_id(6))
    assert again.clock_from == CLOSED_AT + 30 * DAY
    closed(outcome).when(visit(31)).then_nothing()


def test_a_visit_about_an_older_cycle_or_an_open_complaint_changes_nothing() -> None:
    closed().when(visit(1, cycle=2)).then_nothing()
    open_complaint().when(visit(1)).then_nothing()


def test_a_late_reply_about_an_older_cycle_changes_nothing() -> None:
    closed(SurveyOutcome.NO_ANSWER).when(late_reply(1, cycle=2)).then_nothing()
    open_complaint().when(late_reply(1)).then_nothing()
