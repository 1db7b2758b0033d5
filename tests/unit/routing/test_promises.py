"""Promises and delay plans (DOMAIN rule 8; EVENTS 22)."""

from datetime import datetime

import pytest

from contracts.routing import PromiseKind, WorkPromised
from contracts.values import ClockPurpose, ClockRef
from libs.decider.story import Story
from services.routing.domain.answering import LaterThanPolicy, NoDelay, NoSuchClock
from services.routing.domain.commands import ClockState, KnownClock, PlanDelay, Promise
from services.routing.domain.handling import InThePast
from services.routing.domain.staffing import NotTheirs
from tests.unit.routing.desks import BILLING_1, MOBILE_1, NOON, SEALED, accepted, clock, t

REPLY = clock("reply", ClockPurpose.REPLY, t("2025-10-12 00:00"))
RESOLVE = clock("resolve", ClockPurpose.RESOLVE, t("2025-10-17 00:00"))
LEGAL = clock("legal_answer", ClockPurpose.LEGAL_ANSWER, t("2025-10-25 00:00"))
FIRST_CONTACT = clock("first_contact", ClockPurpose.FIRST_CONTACT, t("2025-10-09 13:00"))
RUNNING = (FIRST_CONTACT, REPLY, RESOLVE, LEGAL)


def promise(new_due: datetime, clocks: tuple[KnownClock, ...] = RUNNING) -> Story:
    return accepted().when(
        Promise(at=NOON, by=MOBILE_1, new_due=new_due, plan=SEALED, clocks=clocks)
    )


def test_a_promise_is_a_clock_of_its_own() -> None:
    told = promise(t("2025-10-10 18:00"))
    told.then(
        WorkPromised(
            cycle=1,
            promise=1,
            kind=PromiseKind.AGREED,
            new_due=t("2025-10-10 18:00"),
            plan=SEALED,
        )
    )


def test_a_promise_is_never_later_than_the_policys() -> None:
    """DOMAIN rule 8: "never later than the policy's": the earliest of its times still to come."""
    promise(t("2025-10-12 00:00")).then_types(WorkPromised)
    promise(t("2025-10-12 00:00:00.000001")).then_refused(LaterThanPolicy)


@pytest.mark.parametrize(
    "clocks",
    [
        (RESOLVE, clock("reply", ClockPurpose.REPLY, t("2025-10-09 11:59"), ClockState.BREACHED)),
        (RESOLVE, clock("reply", ClockPurpose.REPLY, t("2025-10-12 00:00"), ClockState.OVER)),
        (RESOLVE, clock("reply", ClockPurpose.REPLY, None, ClockState.PAUSED)),
        (RESOLVE, FIRST_CONTACT),
    ],
    ids=["breached", "over", "paused", "first contact is no promise to solve"],
)
def test_only_running_promises_to_answer_or_solve_bind(clocks: tuple[KnownClock, ...]) -> None:
    promise(t("2025-10-17 00:00"), clocks).then_types(WorkPromised)
    promise(t("2025-10-17 00:01"), clocks).then_refused(LaterThanPolicy)


def test_beyond_the_known_calendar_nothing_is_guessed_and_nothing_refused() -> None:
    """DOMAIN counting 12: "Never a guess, never a refusal"."""
    unknown = (clock("resolve", ClockPurpose.RESOLVE, None),)
    promise(t("2027-03-01 00:00"), unknown).then_types(WorkPromised)


def test_no_time_in_the_past_is_promised() -> None:
    promise(NOON).then_refused(InThePast)


def test_who_does_not_have_it_promises_nothing() -> None:
    accepted().when(
        Promise(at=NOON, by=BILLING_1, new_due=t("2025-10-10 18:00"), clocks=RUNNING)
    ).then_refused(NotTheirs)


# -- S2: delay notice -----------------------------------------------------------------------------

REPAIR = clock("repair.broadband", ClockPurpose.REPAIR, t("2025-10-03 08:00"))
LEGAL_REPAIR = clock("legal_repair", ClockPurpose.LEGAL_REPAIR, t("2025-10-04 20:00"))
S2 = (REPAIR, LEGAL_REPAIR)


def delay(
    at: datetime,
    new_due: datetime = t("2025-10-04 12:00"),  # noqa: B008 - an instant is immutable
    clocks: tuple[KnownClock, ...] = S2,
    code: str = "repair.broadband",
    instance: str = "",
) -> Story:
    return accepted(at=t("2025-10-01 20:00")).when(
        PlanDelay(
            at=at,
            by=MOBILE_1,
            clock=code,
            instance=instance,
            new_due=new_due,
            plan=SEALED,
            clocks=clocks,
        )
    )


def test_s2_a_delay_plan_names_the_promise_it_is_about_and_the_new_time() -> None:
    told = delay(t("2025-10-02 20:50"))
    told.then(
        WorkPromised(
            cycle=1,
            promise=1,
            kind=PromiseKind.DELAY_PLAN,
            of_clock=ClockRef(clock="repair.broadband", started_in=1),
            old_due=t("2025-10-03 08:00"),
            new_due=t("2025-10-04 12:00"),
            plan=SEALED,
        )
    )


@pytest.mark.parametrize("at", ["2025-10-03 07:30", "2025-10-03 08:00:01"])
def test_s2_a_delay_plan_that_is_told_late_is_recorded_all_the_same(at: str) -> None:
    """S2, variants: "marked late" by the notice (EVENTS 22), never lost at the desk."""
    breached = clock(
        "repair.broadband", ClockPurpose.REPAIR, t("2025-10-03 08:00"), ClockState.BREACHED
    )
    clocks = S2 if at < "2025-10-03 08" else (breached, LEGAL_REPAIR)
    event = delay(t(at), clocks=clocks).one(WorkPromised)
    assert event.old_due == t("2025-10-03 08:00")


def test_a_delay_plan_may_be_later_than_the_policys_time_a_promise_may_not() -> None:
    """S4: the 72 h run out on 10-07 10:20; the plan says 10-09 18:00."""
    feedback = clock("feedback.complex", ClockPurpose.FEEDBACK, t("2025-10-07 10:20"))
    clocks = (feedback, clock("reply", ClockPurpose.REPLY, t("2025-10-11 00:00")))
    at, plan = t("2025-10-07 09:00"), t("2025-10-09 18:00")
    delay(at, plan, clocks, "feedback.complex").then_types(WorkPromised)
    accepted(at=at).when(Promise(at=at, by=MOBILE_1, new_due=plan, clocks=clocks)).then_refused(
        LaterThanPolicy
    )


def test_a_plan_that_delays_nothing_is_no_delay_plan() -> None:
    delay(t("2025-10-02 20:50"), t("2025-10-03 08:00")).then_refused(NoDelay)
    delay(t("2025-10-02 20:50"), t("2025-10-02 20:50")).then_refused(InThePast)


@pytest.mark.parametrize(
    ("code", "instance"),
    [("resolve", ""), ("repair.broadband", "promise-1"), ("legal_repair", "")],
)
def test_a_delay_is_about_a_promise_of_ours_that_runs_or_is_broken(
    code: str, instance: str
) -> None:
    delay(t("2025-10-02 20:50"), code=code, instance=instance).then_refused(NoSuchClock)


def test_an_agreed_time_can_be_delayed_too() -> None:
    agreed = clock("agreed", ClockPurpose.AGREED, t("2025-10-02 22:00"), instance="promise-1")
    told = delay(t("2025-10-02 20:50"), clocks=(agreed,), code="agreed", instance="promise-1")
    assert told.one(WorkPromised).of_clock == ClockRef(
        clock="agreed", instance="promise-1", started_in=1
    )


def test_promises_are_numbered_within_the_complaint() -> None:
    told = promise(t("2025-10-10 18:00"))
    told = told.when(
        PlanDelay(
            at=NOON,
            by=MOBILE_1,
            clock="resolve",
            new_due=t("2025-10-18 00:00"),
            plan=SEALED,
            clocks=RUNNING,
        )
    )
    assert told.one(WorkPromised).promise == 2
