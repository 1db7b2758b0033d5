"""Waiting for others, and speaking to the customer (EVENTS 19 to 21)."""

from datetime import datetime
from uuid import UUID

import pytest

from contracts.routing import ResumedBy, WaitingFor, WorkContacted, WorkResumed, WorkSuspended
from contracts.values import ChannelKind
from libs.decider import DomainError
from libs.decider.story import Story
from services.routing.domain.commands import RecordContact, Resume, Suspend, TakeReply
from services.routing.domain.handling import (
    FromTheFuture,
    InThePast,
    NotAcceptedYet,
    NotSuspended,
    SuspendedAlready,
    TooLong,
)
from services.routing.domain.staffing import NotTheirs
from services.routing.domain.work import WorkTimerFired
from tests.unit.routing.desks import (
    BILLING_1,
    MOBILE_1,
    MOBILE_2,
    NOON,
    SEALED,
    accepted,
    routed,
    t,
    went,
)

REPLY = UUID("00000000-0000-4000-8000-000000000007")
UNTIL = t("2025-10-13 12:00")


def suspend(
    told: Story, waiting_for: WaitingFor = WaitingFor.CUSTOMER, until: datetime = UNTIL
) -> Story:
    return told.when(
        Suspend(
            at=told.now,
            by=MOBILE_1,
            waiting_for=waiting_for,
            reason="bill_needed",
            question=SEALED,
            until=until,
        )
    )


def reply(told: Story) -> Story:
    return told.when(TakeReply(at=told.now, cycle=1, contact=REPLY))


def test_work_waits_and_goes_on_by_itself_at_the_time_set() -> None:
    told = suspend(accepted())
    assert told.one(WorkSuspended).until == UNTIL
    assert told.timers == {"suspend": UNTIL}
    told = told.fire("suspend")
    told.then(WorkResumed(cycle=1, by=ResumedBy.TIMER))
    assert told.timers == {}
    told.when(WorkTimerFired(timer="suspend", at=UNTIL)).then_nothing()


def test_the_customers_reply_ends_the_wait() -> None:
    """EVENTS 3: "reply while suspended -> work.resumed"."""
    told = reply(suspend(accepted()))
    told.then(WorkResumed(cycle=1, by=ResumedBy.CONTACT, contact=REPLY))
    reply(told).then_nothing()


def test_a_reply_ends_no_wait_for_a_third_party() -> None:
    reply(suspend(accepted(), WaitingFor.THIRD_PARTY)).then_nothing()


def test_the_agent_goes_on_before_the_time() -> None:
    told = suspend(accepted())
    told.when(Resume(at=NOON, by=BILLING_1)).then_refused(NotTheirs)
    told.when(Resume(at=NOON, by=MOBILE_2)).then(WorkResumed(cycle=1, by=ResumedBy.AGENT))


@pytest.mark.parametrize(
    ("until", "error"),
    [(NOON, InThePast), (t("2025-11-08 12:01"), TooLong)],
)
def test_no_wait_ends_in_the_past_or_too_late(until: datetime, error: type[DomainError]) -> None:
    suspend(accepted(), until=until).then_refused(error)
    went(suspend(accepted(), until=t("2025-11-08 12:00")))


def test_only_accepted_work_waits_and_only_once() -> None:
    suspend(suspend(accepted())).then_refused(SuspendedAlready)
    accepted().when(Resume(at=NOON, by=MOBILE_1)).then_refused(NotSuspended)
    asked = routed()
    by = MOBILE_1 if asked.state.team == "mobile-care" else None
    if by is not None:
        suspend(asked).then_refused(NotAcceptedYet)


def contact(told: Story, reached: bool, occurred_at: datetime | None = None) -> Story:
    return told.when(
        RecordContact(
            at=told.now,
            by=MOBILE_1,
            channel=ChannelKind.HOTLINE_10010,
            reached=reached,
            occurred_at=occurred_at,
        )
    )


def test_only_reaching_the_customer_is_a_contact_made() -> None:
    told = contact(accepted(), reached=False)
    told.then_types(WorkContacted)
    assert told.state.contacted_at is None
    told = contact(told, reached=True)
    assert told.state.contacted_at == NOON


def test_a_contact_may_be_told_late_but_not_early() -> None:
    at = t("2025-10-09 11:59")
    assert contact(accepted(), True, at).one(WorkContacted).occurred_at == at
    contact(accepted(), True, t("2025-10-09 12:01")).then_refused(FromTheFuture)


def test_a_stranger_to_the_work_contacts_nobody() -> None:
    accepted().when(
        RecordContact(at=NOON, by=BILLING_1, channel=ChannelKind.SMS, reached=True)
    ).then_refused(NotTheirs)
