"""A closed case of an older system gets its verdicts at exact instants, and no clock ever runs."""

import pytest

from contracts.intake import ComplaintRegistered, History
from contracts.sla_watch import ClockBreached, ClockMet, ClocksNoted, StartCause, VerdictBasis
from services.sla_watch.domain.rows import rows
from tests.unit.sla_watch import told
from tests.unit.sla_watch.play import SUBJECT, Play
from tests.unit.timekeeping.instants import at

IMPORTED = "2025-11-03 10:00"


def taken_over(
    told_at: str, answered_at: str, category: str = "billing.overcharge"
) -> ComplaintRegistered:
    registered = told.registered(told_at, category)
    past = History(answered_at=at(answered_at), closed_at=at(answered_at))
    return registered.model_copy(
        update={"registration": registered.registration.model_copy(update={"history": past})}
    )


@pytest.mark.parametrize(
    ("answered_at", "legal"),
    [
        ("2018-04-03 23:59:59.999999", "met"),
        ("2018-04-04 00:00:00", "met"),  # 24:00 is the due instant itself (convention 6)
        ("2018-04-04 00:00:00.000001", "breached"),
    ],
)
def test_the_legal_answer_is_judged_to_the_microsecond(answered_at: str, legal: str) -> None:
    """15 calendar days from Mon 19 March 2018, start date not counted: Tue 3 April 24:00."""
    play = Play().hear(taken_over("2018-03-19 10:05:04", answered_at), IMPORTED)
    assert play.due("legal.answer") == at("2018-04-04")
    assert play.status("legal.answer") == legal


def test_its_verdicts_are_told_with_the_start_and_nothing_is_left_to_wait_for() -> None:
    play = Play().hear(taken_over("2018-03-19 10:05:04", "2018-04-24 09:00"), IMPORTED)
    assert [one.cause for one in play.started()] == [StartCause.IMPORTED]
    assert not any(clock.warn_at for clock in play.started()[0].clocks)
    assert play.started()[0].correspondent is None, "nobody gets a receipt"
    assert {one.basis for one in play.all(ClockBreached)} == {VerdictBasis.HISTORY}
    assert play.all(ClocksNoted), "a calendar loaded later may want to know the answer"
    assert play.timer is None


def test_what_an_older_system_did_not_record_is_not_judged() -> None:
    play = Play().hear(taken_over("2018-03-19 10:05:04", "2018-03-20 09:00"), IMPORTED)
    assert "acknowledge" not in play.codes()
    assert "first_contact" not in play.codes()
    assert {one.at for one in play.all(ClockMet)} == {at("2018-03-20 09:00")}


def test_its_closing_changes_no_verdict_and_twice_is_once() -> None:
    play = Play().hear(taken_over("2018-03-19 10:05:04", "2018-03-20 09:00"), IMPORTED)
    verdicts = play.verdicts
    play.hear(told.closed(), "2025-11-03 10:00")
    assert play.just == []
    play.hear(taken_over("2018-03-19 10:05:04", "2018-03-20 09:00"), IMPORTED)
    assert play.just == []
    assert play.verdicts == verdicts


def test_its_rows_are_marked_as_history() -> None:
    play = Play().hear(taken_over("2018-03-19 10:05:04", "2018-04-24 09:00"), IMPORTED)
    assert play.state is not None
    assert {dict(row.values)["history"] for row in rows(SUBJECT, play.state)} == {True}
    live = Play().hear(told.registered("2025-10-16 10:00"), "2025-10-16 10:00")
    assert live.state is not None
    assert {dict(row.values)["history"] for row in rows(SUBJECT, live.state)} == {False}
