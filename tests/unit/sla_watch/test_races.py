"""EVENTS, races and who wins: 1, 4, 5, 9 and 10, each in both orders of arrival."""

import pytest

from contracts.sla_watch import ClockBreached, ClockCorrected, ClocksCancelled, Verdict
from contracts.values import ReopenRoute
from tests.unit.sla_watch import told
from tests.unit.sla_watch.play import Play
from tests.unit.timekeeping.instants import at

START = "2025-10-16 10:00"


def told_to(category: str = "billing.overcharge") -> Play:
    play = Play().hear(told.registered(START, category), START)
    return play.hear(told.receipt(), START).hear(told.contacted(), START)


def test_race_4_answered_while_reclassified_is_in_flight() -> None:
    """ "new clock starts at clock_from and is at once met or breached by the known answer time"."""
    reclassified = told.reclassified(START, "service.attitude")
    in_order = told_to().hear(reclassified, "2025-10-17 09:00")
    in_order.hear(told.answered(), "2025-10-17 09:30")

    swapped = told_to().hear(told.answered(), "2025-10-17 09:30")
    swapped.hear(reclassified, "2025-10-17 09:00", heard_at="2025-10-17 09:31")
    assert swapped.verdicts == in_order.verdicts
    assert swapped.status("attitude") == "met"
    assert swapped.status("resolve") == "cancelled"
    corrected = [one for one in swapped.just if isinstance(one, ClockCorrected)]
    assert [(one.clock, one.was, one.now) for one in corrected] == [
        ("resolve", Verdict.MET, Verdict.CANCELLED)
    ]


def test_race_4_answered_too_late_for_the_new_clock() -> None:
    reclassified = told.reclassified(START, "service.attitude")
    in_order = told_to().hear(reclassified, "2025-10-17 09:00")
    in_order.hear(told.answered(), "2025-10-17 10:30")

    swapped = told_to().hear(told.answered(), "2025-10-17 10:30")
    swapped.hear(reclassified, "2025-10-17 09:00", heard_at="2025-10-17 10:31")
    assert swapped.verdicts == in_order.verdicts
    assert swapped.one(ClockBreached, "attitude").due_at == at("2025-10-17 10:00")


def test_race_4_an_answer_that_met_nothing_is_still_known() -> None:
    """The attitude clock was broken and the legal one met before: the answer counts for resolve."""
    play = told_to("service.attitude").hear(told.answered(), "2025-10-20 09:00")
    play.hear(
        told.reopened(2, "2025-10-21 09:00", ReopenRoute.REWORK, "service.attitude"),
        "2025-10-21 09:00",
    )
    play.hear(told.answered(2), "2025-10-23 09:00")
    assert play.breaches("attitude") == [at("2025-10-17 10:00"), at("2025-10-22 09:00")]
    play.hear(told.reclassified(START, "billing.overcharge", cycle=2), "2025-10-23 10:00")
    assert play.due("resolve", cycle=2) == at("2025-10-29")
    assert play.status("resolve", cycle=2) == "met"


@pytest.mark.parametrize("late_s", [0, 10, 3600])
def test_race_5_breach_timer_against_an_answer_still_in_flight(late_s: int) -> None:
    """ "barrier + grace, then `clock.corrected`": delayed by 0 s, 10 s, 1 h."""
    play = told_to()
    heard = f"2025-10-24 {late_s // 3600:02}:{late_s % 3600 // 60:02}:{late_s % 60:02}"
    if late_s:
        play.until(heard)
    play.hear(told.answered(), "2025-10-23 23:59:59.999999", heard_at=heard)
    assert play.status("resolve") == "met"
    assert len(play.all(ClockCorrected, "resolve")) == (1 if late_s else 0)
    assert len(play.breaches("resolve")) == (1 if late_s else 0)
    in_order = told_to().hear(told.answered(), "2025-10-23 23:59:59.999999")
    assert play.verdicts == in_order.verdicts


def test_race_10_a_pause_recorded_before_the_due_and_heard_after_the_breach() -> None:
    """ "verdict recomputed from facts by time"."""
    live = told_to().hear(told.suspended(), "2025-10-23 12:00")
    live.hear(told.resumed(), "2025-10-27 00:00").hear(told.answered(), "2025-10-27 11:00")

    late = told_to().until("2025-10-24 00:00:05")
    late.hear(told.suspended(), "2025-10-23 12:00", heard_at="2025-10-24 00:00:09")
    late.hear(told.resumed(), "2025-10-27 00:00").hear(told.answered(), "2025-10-27 11:00")
    assert late.verdicts == live.verdicts
    assert late.status("resolve") == "met"
    assert late.due("resolve") == at("2025-10-27 12:00")


def test_race_10_the_whole_pause_heard_after_breach_and_answer() -> None:
    late = (
        told_to()
        .until("2025-10-24 08:00")
        .hear(told.reclassified(START, "billing.arrears"), "2025-10-24 08:00")
    )
    late.hear(told.suspended(), "2025-10-23 12:00", heard_at="2025-10-28 09:00")
    late.hear(told.resumed(), "2025-10-27 00:00", heard_at="2025-10-28 09:00")
    late.hear(told.answered(), "2025-10-27 11:00", heard_at="2025-10-28 09:00")
    assert late.status("resolve") == "met"


def test_race_1_withdrawn_against_a_promise_in_flight() -> None:
    in_order = told_to().hear(told.promised(1, "2025-10-20 10:00"), "2025-10-17 09:00")
    in_order.hear(told.withdrawn(), "2025-10-17 10:00")
    swapped = told_to().hear(told.withdrawn(), "2025-10-17 10:00")
    swapped.hear(
        told.promised(1, "2025-10-20 10:00"), "2025-10-17 09:00", heard_at="2025-10-17 10:01"
    )
    for play in (in_order, swapped):
        assert not any(verdict == "running" for verdict, _ in play.verdicts.values())
        assert play.timer is None


def test_race_9_facts_of_an_older_cycle_still_correct_its_verdicts_and_start_nothing() -> None:
    """ "an event of an older cycle starts no work; sla_watch still corrects its verdicts"."""
    play = told_to().until("2025-10-24 09:00")
    assert play.breaches("resolve") == [at("2025-10-24")]
    play.hear(told.reopened(2, "2025-10-24 10:00", ReopenRoute.REWORK), "2025-10-24 10:00")
    play.hear(told.answered(1), "2025-10-23 18:00", heard_at="2025-10-24 10:05")
    corrected = play.one(ClockCorrected, "resolve")
    assert (corrected.started_in, corrected.cycle) == (1, 2)
    assert play.status("resolve") == "met"
    assert play.status("resolve", cycle=2) == "running", "the old answer does not meet the new"
    play.hear(told.suspended(1), "2025-10-24 11:00")
    assert play.status("resolve", cycle=2) == "running"
    assert play.all(ClocksCancelled) == []


def test_race_9_a_pause_of_an_older_cycle_touches_no_clock_of_a_later_one() -> None:
    play = told_to().hear(told.answered(), "2025-10-17 09:00")
    play.hear(told.reopened(2, "2025-10-20 09:00", ReopenRoute.REWORK), "2025-10-20 09:00")
    play.hear(told.suspended(1), "2025-10-20 09:30")
    play.hear(told.reclassified(START, "broadband.fault", cycle=2), "2025-10-20 10:00")
    assert play.status("repair.broadband.urban", cycle=2) == "running"
    assert play.due("repair.broadband.urban", cycle=2) == at("2025-10-21 09:00")
