"""The answer (DOMAIN rules 1 and 11; EVENTS 23, 49 and 50)."""

from datetime import datetime
from decimal import Decimal

from contracts.routing import DepartmentCause, ResumedBy, WaitingFor, WorkAnswered, WorkResumed
from contracts.values import Basis, Category, Decision, FaultLiesWith, Medium, ReopenRoute, StaffRef
from libs.decider.story import Story
from services.routing.domain.answering import CompensationPending
from services.routing.domain.commands import (
    Accept,
    Answer,
    ProposeCompensation,
    RecordFinding,
    Settled,
    SettledAs,
    Staff,
    Suspend,
)
from services.routing.domain.handling import FromTheFuture
from services.routing.domain.staffing import (
    AnsweredAlready,
    NoSuchWork,
    NotTheirs,
    NotTheOwnersDesk,
    WhichTeam,
)
from tests.unit.routing.desks import (
    BILLING_1,
    BILLING_2,
    MANAGER_1,
    MOBILE_1,
    MOBILE_2,
    NOON,
    OFFICER,
    SEALED,
    accepted,
    profile,
    reopened,
    routed,
    story,
    t,
    went,
)

BILLING = profile(Category.BILLING_OVERCHARGE)
FRONT_DESK_TOOK_IT = profile(taken_by=StaffRef(team="desk-10010", agent="8003"))
FRONT_DESK_2 = Staff(agent="8004", team="desk-10010")


def answer(
    told: Story, by: Staff = MOBILE_1, *settled: Settled, occurred_at: datetime | None = None
) -> Story:
    return told.when(
        Answer(
            at=told.now,
            by=by,
            explanation=SEALED,
            decision=Decision.UPHELD,
            next_steps=SEALED,
            told_by=Medium.MESSAGE,
            causes=(DepartmentCause(department="billing", cause="tariff_error"),),
            settled=settled,
            occurred_at=occurred_at,
        )
    )


def test_the_answer_says_who_gave_it_and_why() -> None:
    answer(accepted()).then(
        WorkAnswered(
            cycle=1,
            explanation=SEALED,
            decision=Decision.UPHELD,
            next_steps=SEALED,
            told_by=Medium.MESSAGE,
            team="mobile-care",
            agent="5001",
            causes=(DepartmentCause(department="billing", cause="tariff_error"),),
        )
    )


def test_the_owners_desk_answers_whoever_of_it() -> None:
    answer(accepted(), MOBILE_2).then_types(WorkAnswered)
    told = accepted(MOBILE_1, FRONT_DESK_TOOK_IT)
    answer(told, MOBILE_1).then_refused(NotTheOwnersDesk)
    answer(told, FRONT_DESK_2).then_types(WorkAnswered)


def test_nobody_else_answers() -> None:
    answer(accepted(), BILLING_1).then_refused(NotTheOwnersDesk)
    answer(routed(), MOBILE_1).then_refused(NotTheirs)
    answer(story(), MOBILE_1).then_refused(NoSuchWork)


def test_a_cycle_is_answered_once() -> None:
    answer(went(answer(accepted()))).then_refused(AnsweredAlready)


def test_a_desk_that_no_longer_exists_cannot_answer_so_the_handler_does() -> None:
    told = accepted(MOBILE_1, profile(taken_by=StaffRef(team="closed-hall")))
    answer(told, MOBILE_1).then_types(WorkAnswered)


def test_the_manager_to_whom_a_new_cycle_went_answers_and_so_does_the_owners_desk() -> None:
    told = went(answer(accepted()))
    told = told.when(reopened(profile(), ReopenRoute.TIER1, at=t("2025-10-10 09:00")))
    told = went(told.when(Accept(at=told.now, by=MANAGER_1)))
    answer(told, MANAGER_1).then_types(WorkAnswered)
    answer(told, MOBILE_2).then_types(WorkAnswered)
    answer(told, BILLING_1).then_refused(NotTheOwnersDesk)


def test_a_reworked_cycle_is_answered_by_the_owners_desk_only() -> None:
    told = went(answer(accepted(MOBILE_1, FRONT_DESK_TOOK_IT), FRONT_DESK_2))
    told = told.when(reopened(FRONT_DESK_TOOK_IT, ReopenRoute.REWORK, at=t("2025-10-10 09:00")))
    by = MOBILE_1
    if told.state.team != by.team:
        told = told.fire("accept")
    told = went(told.when(Accept(at=told.now, by=by)))
    answer(told, by).then_refused(NotTheOwnersDesk)


def test_an_answer_ends_the_waiting() -> None:
    told = went(
        accepted().when(
            Suspend(
                at=NOON,
                by=MOBILE_1,
                waiting_for=WaitingFor.CUSTOMER,
                reason="bill_needed",
                until=t("2025-10-13 12:00"),
            )
        )
    )
    told = answer(told)
    told.then_types(WorkResumed, WorkAnswered)
    assert told.one(WorkResumed).by is ResumedBy.AGENT
    assert told.timers == {}


def test_a_late_report_of_an_answer_is_dated_when_it_was_given() -> None:
    at = t("2025-10-09 11:59")
    assert answer(accepted(), occurred_at=at).one(WorkAnswered).occurred_at == at
    answer(accepted(), occurred_at=t("2025-10-09 12:01")).then_refused(FromTheFuture)


# -- compensation comes first ---------------------------------------------------------------------


def proposed(*, corrected: bool = False) -> Story:
    told = accepted(BILLING_1, BILLING)
    told = went(
        told.when(
            RecordFinding(
                at=NOON,
                by=BILLING_1,
                role="team",
                cause=FaultLiesWith.OPERATOR,
                overcharged="186.50",
            )
        )
    )
    told = went(
        told.when(
            ProposeCompensation(
                at=NOON, by=BILLING_1, finding=1, basis=Basis.DOUBLE_REFUND, role="team"
            )
        )
    )
    if not corrected:
        return told
    return went(
        told.when(
            RecordFinding(
                at=NOON,
                by=BILLING_2,
                role="team",
                cause=FaultLiesWith.OPERATOR,
                overcharged="196.50",
                corrects=1,
            )
        )
    )


def settled(told: Story, finding: int, state: SettledAs, total: str | None = None) -> Settled:
    """What escalation made of what was last asked for that finding."""
    return Settled(asked=told.state.asks[finding], state=state, granted_total=total)


def test_what_is_proposed_is_first_granted_or_refused() -> None:
    """EVENTS 49: "compensation.granted ... routing: may answer"."""
    told = proposed()
    answer(told, BILLING_1).then_refused(CompensationPending)
    waits = settled(told, 1, SettledAs.SUBMITTED)
    answer(told, BILLING_1, waits).then_refused(CompensationPending)
    granted = settled(told, 1, SettledAs.GRANTED, "373.00")
    answered = answer(told, BILLING_1, waits, granted)
    assert answered.one(WorkAnswered).compensation == Decimal("373.00")


def test_refused_compensation_is_answered_without() -> None:
    """EVENTS 50: "compensation.refused ... routing: answers without it"."""
    told = proposed()
    answered = answer(told, BILLING_1, settled(told, 1, SettledAs.REFUSED))
    assert answered.one(WorkAnswered).compensation is None


def test_no_answer_goes_out_while_a_supplement_is_pending() -> None:
    """EVENTS 23: the answer states what was granted; the 20.00 may still come."""
    granted = settled(proposed(), 1, SettledAs.GRANTED, "373.00")
    told = proposed(corrected=True)
    answer(told, BILLING_1, granted).then_refused(CompensationPending)
    waits = settled(told, 2, SettledAs.SUBMITTED)
    answer(told, BILLING_1, granted, waits).then_refused(CompensationPending)
    more = settled(told, 2, SettledAs.GRANTED, "393.00")
    answered = answer(told, BILLING_1, granted, waits, more)
    assert answered.one(WorkAnswered).compensation == Decimal("393.00")


def test_no_answer_waits_for_ever_for_what_is_not_due() -> None:
    """A corrected finding that adds nothing: the 373.00 stand, and the customer is answered."""
    granted = settled(proposed(), 1, SettledAs.GRANTED, "373.00")
    told = proposed(corrected=True)
    answered = answer(told, BILLING_1, granted, settled(told, 2, SettledAs.LAPSED))
    assert answered.one(WorkAnswered).compensation == Decimal("373.00")


def test_an_outcome_of_an_earlier_proposal_settles_no_later_one() -> None:
    told = proposed()
    refused = settled(told, 1, SettledAs.REFUSED)
    again = ProposeCompensation(
        at=NOON,
        by=BILLING_1,
        finding=1,
        basis=Basis.GOODWILL,
        amount="20.00",
        role="team",
        settled=(refused,),
    )
    answer(went(told.when(again)), BILLING_1, refused).then_refused(CompensationPending)


def test_a_correction_of_what_nobody_proposed_money_for_is_waited_for_by_nobody() -> None:
    told = accepted(BILLING_1, BILLING)
    for corrects in (None, 1):
        told = went(
            told.when(
                RecordFinding(
                    at=NOON,
                    by=BILLING_1,
                    role="team",
                    cause=FaultLiesWith.OPERATOR,
                    overcharged="186.50",
                    corrects=corrects,
                )
            )
        )
    answer(told, BILLING_1).then_types(WorkAnswered)


def test_the_10015_officer_has_no_seat_and_answers_nothing() -> None:
    answer(accepted(), OFFICER).then_refused(WhichTeam)
