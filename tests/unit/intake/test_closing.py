"""The closing rule, exhaustively, and every way its last blocker can go (EVENTS)."""

from dataclasses import replace
from itertools import product
from uuid import UUID

import pytest

from contracts.escalation import CaseOutcome
from contracts.feedback_survey import SurveyOutcome
from contracts.intake import (
    ComplaintAnswered,
    ComplaintClosed,
    ComplaintEscalationNoted,
    ComplaintSurveyNoted,
    ComplaintWithdrawn,
    NotedState,
    Outcome,
)
from contracts.values import CaseTrigger
from services.intake.domain.closing import close, outcome_of
from services.intake.domain.state import Answer, Asked, Closed, Complaint
from tests.unit.intake.given import (
    ANSWER,
    SURVEY,
    answer,
    asked,
    closed,
    concluded,
    ended,
    open_complaint,
    rejected,
    requested,
    told_of_rejection,
    with_open_case,
    with_regulator_case,
    withdraw,
)
from tests.unit.intake.world import HOUR, TOLD, event_id

ANSWERS = (None, "given", "asked")
ENDS = (None, Outcome.SATISFIED, Outcome.NO_ANSWER, Outcome.UNREACHABLE)
CASES = ((), (2,), (3,), (4,), (2, 4))
VALID = (None, True, False)
YES_NO = (False, True)


def in_state(
    answered: str | None,
    end: Outcome | None,
    tiers: tuple[int, ...],
    valid: bool | None,
    withdrawn: bool,
    merged: bool,
    over: bool,
) -> Complaint:
    state = open_complaint().state
    assert isinstance(state, Complaint)
    return replace(
        state,
        answer=None if answered is None else Answer(ANSWER, TOLD, ask=answered == "asked"),
        asked=None if end is None else Asked(SURVEY, end),
        cases_open=tuple(enumerate(tiers, start=1)),
        valid=valid,
        withdrawn_at=TOLD if withdrawn else None,
        merged_into=UUID(int=5) if merged else None,
        closed=Closed(Outcome.SATISFIED, TOLD) if over else None,
    )


ALLOWED: dict[tuple[object, ...], Outcome] = {}
"""(answered, end, open tiers, valid, withdrawn) -> outcome, for complaints neither merged nor
closed already: the whole list of what the page allows, written from it and not from the code."""

for _end, _valid in product(ENDS[1:], (None, True)):
    # (a) answered and asked, (b) ended so, (c) no case at all
    ALLOWED["asked", _end, (), _valid, False] = _end
for _answered, _end, _tiers, _valid in product(ANSWERS, ENDS, ((), (2,), (3,)), VALID):
    # withdrawn, and no tier-4 case open
    ALLOWED[_answered, _end, _tiers, _valid, True] = Outcome.WITHDRAWN
for _answered, _end, _tiers in product(("given", "asked"), ENDS, ((), (2,), (3,))):
    # rejected as not valid and told so, and no tier-4 case open
    ALLOWED[_answered, _end, _tiers, False, False] = Outcome.REJECTED


def test_the_rule_says_exactly_this_for_every_combination() -> None:
    seen = 0
    for facts in product(ANSWERS, ENDS, CASES, VALID, YES_NO, YES_NO, YES_NO):
        answered, end, tiers, valid, withdrawn, merged, over = facts
        expected = None
        if not merged and not over:
            expected = ALLOWED.get((answered, end, tiers, valid, withdrawn))
        assert outcome_of(in_state(*facts)) is expected, facts
        seen += 1
    assert seen == 1440


def test_the_closing_event_names_what_it_rests_on() -> None:
    (event,) = close(in_state("asked", Outcome.NO_ANSWER, (), True, False, False, False))
    assert event == ComplaintClosed(cycle=1, outcome=Outcome.NO_ANSWER, answer=ANSWER, asked=SURVEY)
    (event,) = close(in_state("asked", Outcome.SATISFIED, (), True, True, False, False))
    assert event.outcome is Outcome.WITHDRAWN
    assert event.asked is None


# --- the blockers, each going last ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "outcome"),
    [
        (SurveyOutcome.SATISFIED, Outcome.SATISFIED),
        (SurveyOutcome.NO_ANSWER, Outcome.NO_ANSWER),
        (SurveyOutcome.UNREACHABLE, Outcome.UNREACHABLE),
    ],
)
def test_closed_when_answered_and_the_asking_is_over(said: SurveyOutcome, outcome: Outcome) -> None:
    story = asked().when(concluded(said)).then_types(ComplaintClosed)
    assert story.one(ComplaintClosed).outcome is outcome
    assert story.one(ComplaintClosed).asked == SURVEY


def test_dissatisfied_never_closes() -> None:
    assert not asked().when(concluded(SurveyOutcome.DISSATISFIED)).state.closed


def test_an_answer_alone_never_closes() -> None:
    story = open_complaint().when(answer()).then_types(ComplaintAnswered)
    assert story.one(ComplaintAnswered).ask
    assert story.one(ComplaintAnswered).answered_at == TOLD + 2 * HOUR


def test_an_asking_nobody_began_is_not_an_asking() -> None:
    open_complaint().when(concluded(SurveyOutcome.SATISFIED)).then_nothing()


def test_while_a_case_is_open_the_customer_is_not_asked() -> None:
    story = with_open_case().when(answer())
    assert not story.one(ComplaintAnswered).ask
    story.when(answer()).then_nothing()


def test_the_last_open_case_ends_and_the_customer_is_asked_about_the_owners_answer() -> None:
    story = with_open_case().when(answer()).when(ended(outcome=CaseOutcome.WITHDRAWN))
    story.then_types(ComplaintEscalationNoted, ComplaintAnswered)
    answered = story.one(ComplaintAnswered)
    assert answered.ask
    assert answered.answer == ANSWER
    assert answered.answered_at == TOLD + 2 * HOUR


@pytest.mark.parametrize(("decided_after", "which"), [(1 * HOUR, ANSWER), (3 * HOUR, event_id(9))])
def test_the_later_of_answer_and_decision_is_asked_about(decided_after, which) -> None:  # type: ignore[no-untyped-def]
    story = with_open_case().when(answer())
    over = ended(decision=event_id(9), decided_at=TOLD + decided_after)
    assert story.when(over).one(ComplaintAnswered).answer == which


def test_a_decision_alone_is_an_answer() -> None:
    over = ended(decision=event_id(9), decided_at=TOLD + 3 * HOUR)
    answered = with_open_case().when(over).one(ComplaintAnswered)
    assert (answered.answer, answered.ask) == (event_id(9), True)
    assert answered.answered_at == TOLD + 3 * HOUR


def test_a_case_that_ends_without_any_answer_asks_nothing() -> None:
    with_open_case().when(ended(outcome=CaseOutcome.WITHDRAWN)).then_types(ComplaintEscalationNoted)


def test_of_two_cases_only_the_last_one_to_end_asks() -> None:
    story = with_open_case().when(requested(case=2, tier=3)).when(answer())
    story = story.when(ended(case=1)).then_types(ComplaintEscalationNoted)
    story.when(ended(case=2, tier=3)).then_types(ComplaintEscalationNoted, ComplaintAnswered)


def test_an_asking_that_ends_while_a_case_is_open_is_kept_until_the_case_ends() -> None:
    story = asked().when(requested(trigger=CaseTrigger.WISH))
    story = story.when(concluded(SurveyOutcome.SATISFIED)).then_types(ComplaintSurveyNoted)
    story = story.when(ended()).then_types(ComplaintEscalationNoted, ComplaintClosed)
    assert story.one(ComplaintClosed).outcome is Outcome.SATISFIED
    assert story.one(ComplaintClosed).asked == SURVEY


def test_a_case_that_ends_while_the_customer_is_being_asked_asks_no_second_time() -> None:
    story = asked().when(requested()).when(ended()).then_types(ComplaintEscalationNoted)
    story.when(concluded(SurveyOutcome.SATISFIED)).then_types(ComplaintClosed)


def test_a_case_passed_up_goes_on_in_the_next_one_without_a_gap() -> None:
    story = with_open_case().when(answer())
    story = story.when(ended(outcome=CaseOutcome.PASSED_UP)).then_nothing()
    following = requested(case=2, tier=3, trigger=CaseTrigger.PASSED_UP, passed_from=1)
    story = story.when(following)
    story.then(
        ComplaintEscalationNoted(
            cycle=1, case=2, tier=3, state=NotedState.OPEN, trigger=CaseTrigger.PASSED_UP
        ),
        ComplaintEscalationNoted(cycle=1, case=1, tier=2, state=NotedState.ENDED),
    )
    story.when(ended(case=2, tier=3)).then_types(ComplaintEscalationNoted, ComplaintAnswered)


def test_declined_is_one_blocker_less() -> None:
    story = with_open_case().when(answer())
    story = story.when(ended(state=NotedState.DECLINED, outcome=None))
    assert story.one(ComplaintEscalationNoted).state is NotedState.DECLINED
    assert story.one(ComplaintAnswered).ask


def test_an_unknown_or_finished_case_ends_nothing() -> None:
    asked().when(ended()).then_nothing()
    with_open_case().when(ended()).when(ended()).then_nothing()


# --- withdrawn and rejected -----------------------------------------------------------------------


def test_withdrawn_closes_in_the_same_decision() -> None:
    story = open_complaint().when(withdraw()).then_types(ComplaintWithdrawn, ComplaintClosed)
    assert story.one(ComplaintClosed).outcome is Outcome.WITHDRAWN
    story.when(withdraw()).then_nothing()


def test_the_10015_desks_own_cases_do_not_keep_a_withdrawn_complaint_open() -> None:
    with_open_case().when(withdraw()).then_types(ComplaintWithdrawn, ComplaintClosed)


def test_the_regulators_case_goes_on_after_a_withdrawal() -> None:
    story = with_regulator_case().when(withdraw()).then_types(ComplaintWithdrawn)
    story = story.when(ended(tier=4)).then_types(ComplaintEscalationNoted, ComplaintClosed)
    assert story.one(ComplaintClosed).outcome is Outcome.WITHDRAWN


def test_nothing_is_answered_once_withdrawn() -> None:
    with_regulator_case().when(withdraw()).when(answer()).then_nothing()


def test_a_rejection_closes_once_told() -> None:
    story = rejected()
    assert story.state.closed is None
    story = story.when(told_of_rejection()).then_types(ComplaintAnswered, ComplaintClosed)
    assert story.one(ComplaintAnswered).answer == event_id(3)
    assert not story.one(ComplaintAnswered).ask  # a rejection is told, not surveyed
    assert story.one(ComplaintClosed).outcome is Outcome.REJECTED
    story.when(told_of_rejection()).then_nothing()


def test_a_rejection_that_went_to_the_regulator_waits_for_that_case() -> None:
    story = rejected().when(requested(tier=4, trigger=CaseTrigger.REGULATOR))
    story = story.when(told_of_rejection()).then_types(ComplaintAnswered)
    story = story.when(ended(tier=4)).then_types(ComplaintEscalationNoted, ComplaintClosed)
    assert story.one(ComplaintClosed).outcome is Outcome.REJECTED


def test_an_answer_notice_about_a_valid_complaint_closes_nothing() -> None:
    open_complaint().when(told_of_rejection()).then_nothing()
    asked().when(told_of_rejection()).then_nothing()


def test_what_is_closed_stays_closed() -> None:
    story = closed()
    story.when(answer()).then_nothing()
    story.when(concluded(SurveyOutcome.DISSATISFIED)).then_nothing()
    story.when(told_of_rejection()).then_nothing()
