"""SCENARIOS S1, S2, S3, S4, S6 and S7, as far as clocks go; every instant is from that page."""

from datetime import datetime

import pytest

from contracts.feedback_survey import SurveyOutcome
from contracts.sla_watch import (
    CancelReason,
    ClockBreached,
    ClockMet,
    ClocksCancelled,
    ClocksStarted,
    ClockWarned,
    StartCause,
    VerdictBasis,
)
from contracts.values import Decision, DistrictType, ReopenRoute, Urgency
from tests.unit.sla_watch import told
from tests.unit.sla_watch.play import Play
from tests.unit.timekeeping.instants import at

NONCOVERAGE = "mobile.noncoverage.call_quality"

S1 = [
    # start, first contact 1 h, reply 2 working days, resolve 5 working days, legal 15 days
    ("2025-09-26 17:00", "2025-09-26 18:00", "2025-09-30", "2025-10-11", "2025-10-12"),
    ("2025-09-30 17:00", "2025-09-30 18:00", "2025-10-11", "2025-10-15", "2025-10-16"),
    ("2025-10-04 03:12", "2025-10-04 04:12", "2025-10-11", "2025-10-15", "2025-10-21"),
    ("2025-10-08 23:59:59", "2025-10-09 00:59:59", "2025-10-11", "2025-10-15", "2025-10-24"),
    ("2025-10-09 00:00:00", "2025-10-09 01:00", "2025-10-12", "2025-10-16", "2025-10-25"),
    ("2025-10-09 23:59:50", "2025-10-10 00:59:50", "2025-10-12", "2025-10-16", "2025-10-25"),
]


@pytest.mark.parametrize(("start", "contact", "reply", "resolve", "legal"), S1, ids="abcdef")
def test_s1_every_clock_of_a_mobile_complaint(
    start: str, contact: str, reply: str, resolve: str, legal: str
) -> None:
    play = Play().hear(told.registered(start, NONCOVERAGE), start)
    (started,) = play.started()
    assert started.cause is StartCause.REGISTERED
    assert {one.clock: one.due for one in started.clocks} == {
        "acknowledge": at(start) + (at("2025-01-01 00:05") - at("2025-01-01 00:00")),
        "first_contact": at(contact),
        "reply.mobile": at(reply),
        "resolve": at(resolve),
        "legal.answer": at(legal),
    }
    assert play.just == [started], "one event for all of them"


def test_s1_row_f_counts_from_the_message_not_from_its_delivery() -> None:
    """Convention 1: 'A clock starts when the customer's words reached a channel'."""
    start = "2025-10-09 23:59:50"
    play = Play().hear(told.registered(start, NONCOVERAGE), "2025-10-10 00:00:10")
    assert play.due("reply.mobile") == at("2025-10-12")
    assert play.due("resolve") == at("2025-10-16")
    assert play.due("legal.answer") == at("2025-10-25")


def row_b() -> Play:
    return Play().hear(told.registered("2025-09-30 17:00", NONCOVERAGE), "2025-09-30 17:00")


def test_s1_row_b_warnings() -> None:
    play = row_b()
    assert play.warnings("reply.mobile") == [
        ("50", at("2025-10-09 20:30")),
        ("80", at("2025-10-10 13:00")),
        ("last", at("2025-10-10 23:45")),
    ]
    assert play.warnings("resolve") == [
        ("50", at("2025-10-11 08:30")),
        ("80", at("2025-10-13 22:36")),
        ("last", at("2025-10-14 23:45")),
    ]
    play.until("2025-10-15 00:00")
    during = [
        one
        for one in play.told
        if isinstance(one.data, ClockWarned)
        and one.data.clock in ("reply.mobile", "resolve")
        and at("2025-10-01") <= one.time < at("2025-10-09")
    ]
    assert during == [], "none between 10-01 00:00 and 10-08 24:00"
    assert [one.level.value for one in play.all(ClockWarned, "resolve")] == ["50", "80", "last"]


def test_s1_row_b_answered_in_the_last_second_is_met() -> None:
    play = row_b().hear(told.answered(), "2025-10-10 23:59:59")
    met = play.one(ClockMet, "reply.mobile")
    assert (met.at, met.due) == (at("2025-10-10 23:59:59"), at("2025-10-11"))
    play.until("2025-10-31")
    assert play.breaches("reply.mobile") == []


def test_s1_row_b_answered_a_millisecond_late_is_breached_once_at_the_due() -> None:
    play = row_b().hear(told.answered(), "2025-10-11 00:00:00.001")
    play.until("2025-10-31")
    assert play.breaches("reply.mobile") == [at("2025-10-11 00:00:00")]
    assert play.status("reply.mobile") == "breached"
    assert play.status("resolve") == "met"


def village() -> Play:
    start = "2025-10-01 20:00"
    return Play().hear(
        told.registered(start, "broadband.fault", district_type=DistrictType.RURAL), start
    )


def test_s2_broadband_in_the_village_over_the_holiday() -> None:
    play = village()
    assert play.codes() == {
        "acknowledge",
        "first_contact",
        "repair.broadband.rural",
        "legal.repair.rural",
        "legal.answer",
    }
    assert play.due("repair.broadband.rural") == at("2025-10-03 08:00")
    assert play.due("legal.repair.rural") == at("2025-10-04 20:00")
    assert play.warnings("repair.broadband.rural") == [
        ("50", at("2025-10-02 14:00")),
        ("80", at("2025-10-03 00:48")),
        ("last", at("2025-10-03 07:45")),
    ]


def test_s2_a_delay_notice_neither_moves_nor_hides_the_breach() -> None:
    play = village().hear(told.promised(1, "2025-10-04 12:00"), "2025-10-02 20:50")
    assert play.due("agreed", "promise-1") == at("2025-10-04 12:00")
    assert play.due("repair.broadband.rural") == at("2025-10-03 08:00")
    play.hear(told.answered(), "2025-10-04 21:30")
    assert play.breaches("repair.broadband.rural") == [at("2025-10-03 08:00")]
    assert play.breaches("agreed") == [at("2025-10-04 12:00")]
    assert play.breaches("legal.repair.rural") == [at("2025-10-04 20:00")]
    play.until("2025-11-30")
    assert len(play.all(ClockBreached)) == 5, "with acknowledge and first contact: each once"


S3 = [
    # requested, first contact 2 desk h, 50 %, 80 %, decision 2 working days
    ("2025-10-10 17:30", "10-11 09:30:00", "10-11 08:30:00", "10-11 09:06:00", "2025-10-14"),
    ("2025-10-11 18:00", "10-12 10:00:00", "10-12 09:00:00", "10-12 09:36:00", "2025-10-15"),
    ("2025-10-12 07:00", "10-12 10:00:00", "10-12 09:00:00", "10-12 09:36:00", "2025-10-15"),
    ("2025-10-08 15:59:59", "10-08 17:59:59", "10-08 16:59:59", "10-08 17:35:59", "2025-10-11"),
    ("2025-10-08 16:00:00", "10-08 18:00:00", "10-08 17:00:00", "10-08 17:36:00", "2025-10-11"),
    ("2025-10-08 16:00:01", "10-09 08:00:01", "10-08 17:00:01", "10-08 17:36:01", "2025-10-11"),
]


@pytest.mark.parametrize(("start", "contact", "half", "most", "decision"), S3, ids="abcdef")
def test_s3_the_10015_desk(start: str, contact: str, half: str, most: str, decision: str) -> None:
    play = Play().hear(told.registered("2025-10-08 10:00"), "2025-10-08 10:00")
    play.hear(told.case_requested(), start)
    assert play.due("desk.first_contact", "case-1") == at(f"2025-{contact}")
    ahead = dict(play.warnings("desk.first_contact", "case-1"))
    assert ahead["50"] == at(f"2025-{half}")
    assert ahead["80"] == at(f"2025-{most}")
    assert play.due("desk.decision", "case-1") == at(decision)


def test_s3_row_f_warns_last_in_counted_time() -> None:
    play = Play().hear(told.registered("2025-10-08 10:00"), "2025-10-08 10:00")
    play.hear(told.case_requested(), "2025-10-08 16:00:01")
    ahead = dict(play.warnings("desk.first_contact", "case-1"))
    assert ahead["last"] == at("2025-10-08 17:45:01")


def kashgar() -> Play:
    start = "2025-10-04 10:20"
    return Play().hear(
        told.registered(
            start,
            "mobile.noncoverage.data_speed",
            home_province="guangdong",
            visited_province="xinjiang",
        ),
        start,
    )


def test_s4_home_guangdong_fault_in_xinjiang() -> None:
    play = kashgar()
    assert play.due("first_contact") == at("2025-10-04 11:20")
    assert play.due("feedback.ordinary") == at("2025-10-05 10:20")
    assert play.due("reply.mobile") == at("2025-10-11")
    assert play.due("resolve") == at("2025-10-15")
    assert play.due("legal.answer") == at("2025-10-21")


def test_s4_made_complex_the_24_hours_are_cancelled_and_72_run_from_the_original_start() -> None:
    play = kashgar().hear(
        told.reclassified(
            "2025-10-04 10:20",
            "mobile.noncoverage.data_speed",
            urgency=Urgency.COMPLEX,
            home_province="guangdong",
            visited_province="xinjiang",
        ),
        "2025-10-04 15:00",
    )
    cancelled = play.one(ClocksCancelled)
    assert [one.clock for one in cancelled.clocks] == ["feedback.ordinary"]
    assert cancelled.reason is CancelReason.RECLASSIFIED
    assert cancelled.replaced_by == ("feedback.complex",)
    assert [one.clock for one in play.one(ClocksStarted).clocks] == ["feedback.complex"]
    assert play.due("feedback.complex") == at("2025-10-07 10:20")
    play.hear(told.promised(1, "2025-10-09 18:00"), "2025-10-07 09:00")
    play.hear(told.answered(), "2025-10-09 16:00")
    assert play.breaches("feedback.complex") == [at("2025-10-07 10:20")]
    assert play.status("reply.mobile") == play.status("resolve") == "met"
    assert play.status("agreed", "promise-1") == "met"
    assert play.status("feedback.ordinary") == "cancelled"


def test_s6_attitude_and_three_cycles() -> None:
    start = "2025-10-17 17:00"
    play = Play().hear(told.registered(start, "service.attitude"), start)
    play.hear(told.receipt(), start)
    play.hear(told.contacted(), start)
    assert play.due("attitude") == at("2025-10-18 17:00")
    assert play.due("legal.answer") == at("2025-11-04")

    play.hear(told.answered(), "2025-10-18 16:00")
    assert play.status("attitude") == play.status("legal.answer") == "met"
    play.hear(told.asked("2025-10-18 16:00"), "2025-10-18 16:00")
    play.hear(told.concluded(SurveyOutcome.DISSATISFIED), "2025-10-18 20:30")
    second = told.reopened(2, "2025-10-18 20:30", ReopenRoute.TIER1, "service.attitude")
    play.hear(second, "2025-10-18 20:30")
    assert [one.clock for one in play.one(ClocksStarted).clocks] == ["attitude"]
    assert play.due("attitude", cycle=2) == at("2025-10-19 20:30")

    play.hear(told.answered(2), "2025-10-19 19:00")
    play.hear(told.asked("2025-10-19 19:00", 2), "2025-10-19 19:00")
    play.hear(told.concluded(SurveyOutcome.DISSATISFIED, 2), "2025-10-19 21:40")
    third = told.reopened(3, "2025-10-19 21:40", ReopenRoute.ESCALATE, "service.attitude")
    play.hear(third, "2025-10-19 21:40")
    assert play.one(ClocksStarted).clocks == (), "a cycle at 10015 has desk clocks only"
    play.hear(told.case_requested(cycle=3), "2025-10-19 21:40")
    assert play.due("desk.first_contact", "case-1", 3) == at("2025-10-20 10:00")
    assert play.due("desk.decision", "case-1", 3) == at("2025-10-22")

    play.hear(told.case_contacted(), "2025-10-20 09:00")
    play.hear(told.decided(Decision.UPHELD), "2025-10-20 14:30")
    play.hear(told.answered(3), "2025-10-20 15:00")
    play.hear(told.asked("2025-10-20 15:00", 3), "2025-10-20 15:00")
    play.hear(told.concluded(SurveyOutcome.SATISFIED, 3), "2025-10-20 15:20")
    play.hear(told.closed(3), "2025-10-20 15:20")
    play.until("2025-12-31")
    assert {verdict for verdict, _ in play.verdicts.values()} == {"met"}
    assert [(one.started_in, one.at) for one in play.all(ClockMet, "attitude")] == [
        (1, at("2025-10-18 16:00")),
        (2, at("2025-10-19 19:00")),
    ], "verdicts of cycles 1 and 2 unchanged"
    assert len(play.all(ClockMet, "legal.answer")) == 1
    assert len(play.all(ClockMet, "survey")) == 3


def test_s7_urges_change_no_due_and_an_unlinked_contact_counts_from_its_own_time() -> None:
    """The contact of Sunday 20:15 becomes its own complaint on Wednesday 14:00 (convention 9)."""
    first = Play().hear(told.registered("2025-10-11 09:00"), "2025-10-11 09:00")
    assert first.due("resolve") == at("2025-10-18")

    own = Play().hear(told.registered("2025-10-12 20:15"), "2025-10-15 14:00")
    assert own.due("first_contact") == at("2025-10-12 21:15")
    assert own.due("resolve") == at("2025-10-18"), "13, 14, 15, 16, 17"
    breach = own.one(ClockBreached, "first_contact")
    assert breach.retroactive
    assert breach.due_at == at("2025-10-12 21:15")
    assert breach.basis is VerdictBasis.COMPLETE
    own.hear(told.receipt(), "2025-10-15 14:00").until("2025-10-17 23:59:59")
    assert own.breaches("first_contact") == [at("2025-10-12 21:15")], "once"
    assert own.status("resolve") == "running"


def test_s8_a_verdict_belongs_to_the_month_of_its_last_counted_date() -> None:
    play = Play().hear(told.registered("2025-10-24 10:00"), "2025-10-24 10:00")
    assert play.due("resolve") == at("2025-11-01")
    assert play.clock("resolve").month == "2025-10"


def test_dues_are_instants_in_utc_on_the_wire() -> None:
    play = row_b()
    (started,) = play.started()
    assert all(isinstance(one.due, datetime) for one in started.clocks)
    assert '"due":"2025-10-10T16:00:00.000000Z"' in started.model_dump_json()
