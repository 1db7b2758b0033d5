"""DOMAIN, how clocks count: conventions 1-12, each quoted and played."""

from datetime import timedelta

import pytest

from contracts.routing import HandlerKind, ReportedCause, WaitingFor
from contracts.sla_watch import (
    CancelReason,
    ClockBreached,
    ClockCorrected,
    ClockMet,
    ClocksCancelled,
    ClocksNoted,
    ClocksPaused,
    ClocksRescheduled,
    ClocksStarted,
    ClockWarned,
    NotedFact,
    RescheduleReason,
    StartCause,
    Verdict,
)
from contracts.values import (
    Complexity,
    Decision,
    ReopenRoute,
)
from libs.decider import Policies, TimerFired
from services.sla_watch.domain.commands import ReconsiderCalendar
from tests.unit.sla_watch import told
from tests.unit.sla_watch.play import SEEDS, Play, in_force, loaded, seed_content
from tests.unit.timekeeping.instants import at


def billing(start: str = "2025-10-16 10:00") -> Play:
    """A billing dispute on a plain Thursday: resolve is due 2025-10-24 00:00."""
    return Play().hear(told.registered(start), start)


# --- 1: where a clock starts -------------------------------------------------------------------


def test_1_partner_clocks_start_when_the_forward_reached_the_partner() -> None:
    """1: "Partner clocks: when the forward reached the partner"."""
    play = Play().hear(told.registered("2025-10-16 10:00", "value_added"), "2025-10-16 10:00")
    play.hear(told.forwarded(1, None, Complexity.SIMPLE), "2025-10-16 10:30")
    assert play.just == [], "on its way: the partner knows nothing yet"
    play.hear(told.forwarded(1, "2025-10-16 10:45", Complexity.SIMPLE), "2025-10-16 10:50")
    assert play.one(ClocksStarted).cause is StartCause.TRANSFERRED
    assert play.due("partner.preliminary", "forward-1") == at("2025-10-16 11:45")
    assert play.due("partner.simple", "forward-1") == at("2025-10-16 22:45")
    assert play.due("partner.all", "forward-1") == at("2025-10-18 10:45")
    assert "partner.complex" not in play.codes()


def test_1_a_complex_forward_has_72_hours_and_an_unspecified_one_48() -> None:
    play = Play().hear(told.registered("2025-10-16 10:00", "value_added"), "2025-10-16 10:00")
    play.hear(told.forwarded(1, "2025-10-16 10:45", Complexity.COMPLEX), "2025-10-16 10:45")
    play.hear(told.forwarded(2, "2025-10-16 12:00"), "2025-10-16 12:00")
    assert play.due("partner.complex", "forward-1") == at("2025-10-19 10:45")
    assert play.due("partner.all", "forward-2") == at("2025-10-18 12:00")
    assert ("partner.all", "forward-1", 1) not in play.verdicts


def test_1_on_statutory_holidays_the_partner_answers_within_120_minutes() -> None:
    """Clock table: "on statutory holidays (by the holiday's name, not an ordinary Sunday)"."""
    for reached, named in [
        ("2025-10-01 10:00", True),
        ("2025-10-06 10:00", True),
        ("2025-10-12 10:00", False),  # an ordinary Sunday
        ("2025-10-11 10:00", False),  # a Saturday, worked for the holiday
    ]:
        play = Play().hear(told.registered("2025-09-20 10:00"), "2025-09-20 10:00")
        play.hear(told.forwarded(1, reached), reached)
        assert ("partner.holiday", "forward-1", 1) in play.verdicts or not named
        assert ("partner.holiday" in play.codes()) is named, reached
        if named:
            assert play.due("partner.holiday", "forward-1") == at(reached) + timedelta(hours=2)


def test_1_a_bounced_or_inner_transfer_starts_no_partner_clock() -> None:
    play = Play().hear(told.registered("2025-10-16 10:00", "value_added"), "2025-10-16 10:00")
    play.hear(told.forwarded(1, "2025-10-16 11:00", kind=HandlerKind.PROVINCE), "2025-10-16 11:00")
    assert play.just == []


def test_1_the_partners_report_meets_its_own_forward_only() -> None:
    play = Play().hear(told.registered("2025-10-16 10:00", "value_added"), "2025-10-16 10:00")
    play.hear(told.forwarded(1, "2025-10-16 10:00", Complexity.SIMPLE), "2025-10-16 10:00")
    play.hear(told.forwarded(2, "2025-10-16 10:10", Complexity.SIMPLE), "2025-10-16 10:10")
    play.hear(told.reported_back(2), "2025-10-16 10:40")
    assert play.status("partner.simple", "forward-1") == "running"
    assert play.status("partner.simple", "forward-2") == "met"
    play.hear(told.reported_back(1, HandlerKind.TEAM), "2025-10-16 10:41")
    assert play.just == [], "a team's opinion is not the partner's"


def test_1_a_partner_owes_the_customer_and_10010_an_answer_within_the_same_limit() -> None:
    """Rule 7: "the partner answers customer **and** 10010": each of the two has its own clock."""
    play = Play().hear(told.registered("2025-10-16 10:00", "value_added"), "2025-10-16 10:00")
    play.hear(told.forwarded(1, "2025-10-16 10:00", Complexity.SIMPLE), "2025-10-16 10:00")
    assert play.due("partner.customer.simple", "forward-1") == at("2025-10-16 22:00")
    assert play.due("partner.customer.all", "forward-1") == at("2025-10-18 10:00")
    play.hear(told.reported_back(1), "2025-10-16 12:00")
    assert play.status("partner.simple", "forward-1") == "met"
    assert play.status("partner.customer.simple", "forward-1") == "running"
    play.hear(told.partner_contacted(1), "2025-10-16 22:00:00.000001")
    assert play.one(ClockBreached, "partner.customer.simple").due_at == at("2025-10-16 22:00")
    assert play.status("partner.customer.all", "forward-1") == "met"
    assert play.status("partner.simple", "forward-1") == "met"


def test_1_a_cause_that_is_not_its_own_is_a_first_word_and_no_answer() -> None:
    """Rule 7: a returned cause "does not release the partner from answering"."""
    play = Play().hear(told.registered("2025-10-16 10:00", "value_added"), "2025-10-16 10:00")
    play.hear(told.forwarded(1, "2025-10-16 10:00", Complexity.SIMPLE), "2025-10-16 10:00")
    play.hear(told.reported_back(1, cause=ReportedCause.NETWORK), "2025-10-16 10:30")
    assert play.status("partner.preliminary", "forward-1") == "met"
    assert play.status("partner.simple", "forward-1") == "running"
    play.hear(told.reported_back(1), "2025-10-16 22:00:00.000001")
    assert play.one(ClockBreached, "partner.simple").due_at == at("2025-10-16 22:00")


def test_1_a_partner_that_tells_the_customer_once_answers_all_it_was_forwarded() -> None:
    play = Play().hear(told.registered("2025-10-16 10:00", "value_added"), "2025-10-16 10:00")
    for forward in (1, 2, 3):
        play.hear(
            told.forwarded(forward, "2025-10-16 10:00", Complexity.SIMPLE), "2025-10-16 10:00"
        )
    play.hear(told.partner_contacted(1, 2), "2025-10-16 11:00")
    assert play.status("first_contact") == "met"
    stands = [play.status("partner.customer.simple", f"forward-{one}") for one in (1, 2, 3)]
    assert stands == ["met", "met", "running"]
    # A pause heard late judges all anew: the same facts, the same verdicts.
    play.hear(told.suspended(), "2025-10-16 10:30")
    stands = [play.status("partner.customer.simple", f"forward-{one}") for one in (1, 2, 3)]
    assert stands == ["met", "met", "running"]


def test_1_what_the_customer_denies_has_met_no_clock() -> None:
    """Rule 7, the confirming call-back: "the partner never answered me"."""
    play = Play().hear(told.registered("2025-10-16 10:00", "value_added"), "2025-10-16 10:00")
    play.hear(told.forwarded(1, "2025-10-16 10:00", Complexity.SIMPLE), "2025-10-16 10:00")
    play.hear(told.partner_contacted(1), "2025-10-16 11:00")
    play.hear(told.confirmation(1, answered=False), "2025-10-16 15:00")
    assert play.status("partner.customer.simple", "forward-1") == "running"
    assert play.due("partner.customer.simple", "forward-1") == at("2025-10-16 22:00")
    assert play.status("first_contact") == "met", "spoken with the customer they may have"
    play.hear(told.partner_contacted(1), "2025-10-16 16:00")
    assert play.status("partner.customer.simple", "forward-1") == "met"
    play.hear(told.confirmation(1, answered=False), "2025-10-17 09:00")
    play.hear(told.confirmation(1, answered=False), "2025-10-17 09:00")
    assert play.status("partner.customer.simple", "forward-1") == "breached"
    assert play.due("partner.customer.simple", "forward-1") == at("2025-10-16 22:00")
    # The other clock of this answer still runs, and the customer's own word meets it.
    assert play.status("partner.customer.all", "forward-1") == "running"
    play.hear(told.confirmation(1, answered=True), "2025-10-17 18:00")
    assert play.status("partner.customer.all", "forward-1") == "met"
    assert play.status("partner.customer.simple", "forward-1") == "breached"


# --- 2: minutes and hours ----------------------------------------------------------------------


def test_2_minutes_and_hours_run_through_the_holiday() -> None:
    """2: "Minutes and hours run through, from the instant; they never roll over a holiday"."""
    play = Play().hear(told.registered("2025-10-01 20:00", "broadband.fault"), "2025-10-01 20:00")
    assert play.due("acknowledge") == at("2025-10-01 20:05")
    assert play.due("first_contact") == at("2025-10-01 21:00")
    assert play.due("repair.broadband.urban") == at("2025-10-02 20:00"), "not told: urban"
    assert play.due("legal.repair.urban") == at("2025-10-03 20:00")


# --- 3, 4, 5: days and desk hours (the tables of S1 and S3 say the rest) -------------------------


def test_3_friday_17_00_plus_two_working_days_is_tuesday_24_00() -> None:
    """3: "No office hours, no lunch. So Friday 17:00 + 2 = Tuesday 24:00"."""
    start = "2025-10-17 17:00"
    play = Play().hear(told.registered(start, "mobile.noncoverage"), start)
    assert play.due("reply.mobile") == at("2025-10-22")


def test_4_the_legal_answer_rolls_to_the_next_working_date() -> None:
    """4: "if it is a day off (holiday, or a weekend that is not made up) the next working date"."""
    assert billing("2025-10-04 03:12").due("legal.answer") == at("2025-10-21")
    assert billing("2025-09-26 17:00").due("legal.answer") == at("2025-10-12")


def test_5_a_limit_used_up_exactly_at_18_00_is_due_then_not_the_next_morning() -> None:
    """5: "Desk hours: [08:00, 18:00) on every date, holidays too"."""
    play = billing("2025-10-08 10:00").hear(told.case_requested(), "2025-10-08 16:00")
    assert play.due("desk.first_contact", "case-1") == at("2025-10-08 18:00")


# --- 6: met or breached --------------------------------------------------------------------------


def test_6_kept_on_the_very_instant_is_kept() -> None:
    """6: "Met if the fulfilling event's own `time` <= due"."""
    play = billing().hear(told.contacted(), "2025-10-16 11:00")
    assert play.one(ClockMet, "first_contact").at == at("2025-10-16 11:00")


def test_6_else_breached_once_at_the_due_whoever_notices_when() -> None:
    """6: "breached, once, at the due instant - not when a poll noticed it"."""
    play = billing()
    play.after_outage("2025-10-20 12:00")
    assert play.breaches("first_contact") == [at("2025-10-16 11:00")]
    play.hear(told.contacted(), "2025-10-20 12:00").until("2025-10-23")
    assert play.breaches("first_contact") == [at("2025-10-16 11:00")]
    assert play.status("first_contact") == "breached"


def test_6_a_contact_that_did_not_reach_the_customer_keeps_no_promise() -> None:
    play = billing().hear(told.contacted(reached=False), "2025-10-16 10:30")
    assert play.just == []


def test_6_an_answer_is_a_contact_and_meets_all_it_answers() -> None:
    play = billing().hear(told.answered(), "2025-10-16 10:30")
    met = {one.clock for one in play.all(ClockMet)}
    assert met == {"first_contact", "resolve", "legal.answer"}
    assert play.status("acknowledge") == "breached", "the receipt never went out"


def test_6_a_timer_without_proof_says_so() -> None:
    play = billing()
    play.ask(
        TimerFired(timer="next", at=at("2025-10-16 10:05"), complete=False), "2025-10-16 10:25"
    )
    assert play.one(ClockBreached).basis.value == "incomplete"


# --- 7: pauses -----------------------------------------------------------------------------------


def test_7_a_pause_keeps_the_counted_time() -> None:
    """7: "new due = resume + what was left; a working-day clock counts 24 h per working date"."""
    play = billing("2025-10-16 10:00")  # resolve: 17, 20, 21, 22, 23
    play.hear(told.suspended(waiting_for=WaitingFor.THIRD_PARTY), "2025-10-20 06:00")
    paused = play.one(ClocksPaused)
    assert paused.reason == "third_party"
    assert paused.since == at("2025-10-20 06:00")
    assert [(one.clock, one.left_us) for one in paused.clocks] == [
        ("resolve", (18 + 72) * 3_600_000_000)
    ]
    play.until("2025-10-25 12:00")
    assert play.status("resolve") == "paused", "past its old due, and not broken"
    play.hear(told.resumed(), "2025-10-25 12:00")  # a Saturday: nothing counts
    moved = play.one(ClocksRescheduled)
    assert moved.reason is RescheduleReason.RESUMED
    assert [(one.clock, one.due) for one in moved.clocks] == [("resolve", at("2025-10-30 18:00"))]
    assert play.warnings("resolve") == [
        ("50", at("2025-10-27 23:00")),
        ("80", at("2025-10-29 15:12")),
        ("last", at("2025-10-30 17:45")),
    ], "of 134 h counted in all, 44 h were used: 67 h, 107 h 12 min, 133 h 45 min"


def test_7_only_where_the_policy_allows() -> None:
    play = billing().hear(told.suspended(), "2025-10-16 10:01")
    assert [one.clock for one in play.one(ClocksPaused).clocks] == ["resolve"]
    play.until("2025-11-15")
    assert play.breaches("first_contact") == [at("2025-10-16 11:00")]
    assert play.breaches("legal.answer") == [at("2025-11-01")]


def test_7_paused_at_the_due_instant_nothing_is_left() -> None:
    play = billing().hear(told.suspended(), "2025-10-24 00:00")
    assert play.one(ClocksPaused).clocks[0].left_us == 0
    play.hear(told.resumed(), "2025-10-27 09:00")
    assert play.due("resolve") == at("2025-10-27 09:00")
    play.until("2025-10-28")
    assert play.breaches("resolve") == [at("2025-10-27 09:00")]


def test_7_answered_while_waiting_is_met() -> None:
    play = billing().hear(told.suspended(), "2025-10-17 00:00")
    play.hear(told.answered(), "2025-10-27 09:00")
    met = play.one(ClockMet, "resolve")
    assert met.due == at("2025-11-03 09:00"), "five working days left from Monday 09:00"


def test_7_a_second_pause_keeps_what_the_first_one_left() -> None:
    play = Play().hear(told.registered("2025-10-16 00:00", "broadband.fault"), "2025-10-16 00:00")
    play.hear(told.suspended(), "2025-10-16 06:00").hear(told.resumed(), "2025-10-17 00:00")
    assert play.due("repair.broadband.urban") == at("2025-10-17 18:00")
    play.hear(told.suspended(), "2025-10-17 10:00").hear(told.resumed(), "2025-10-18 00:00")
    assert play.due("repair.broadband.urban") == at("2025-10-18 08:00")


# --- 8: warnings ---------------------------------------------------------------------------------


def test_8_warned_at_half_four_fifths_and_15_minutes_before() -> None:
    """8: "Warnings at 50 % and 80 % of the counted time and 15 counted minutes before"."""
    play = Play().hear(told.registered("2025-10-16 00:00", "broadband.fault"), "2025-10-16 00:00")
    play.hear(told.receipt(), "2025-10-16 00:00").hear(told.contacted(), "2025-10-16 00:10")
    play.until("2025-10-16 23:59")
    warned = [
        (one.data.level.value, one.time)
        for one in play.told
        if isinstance(one.data, ClockWarned) and one.data.clock == "repair.broadband.urban"
    ]
    assert warned == [
        ("50", at("2025-10-16 12:00")),
        ("80", at("2025-10-16 19:12")),
        ("last", at("2025-10-16 23:45")),
    ]


def test_8_levels_already_past_when_it_is_heard_are_left_out() -> None:
    play = Play().hear(told.registered("2025-10-16 00:00", "broadband.fault"), "2025-10-16 13:00")
    (started,) = play.started()
    repair = next(one for one in started.clocks if one.clock == "repair.broadband.urban")
    assert [one.level.value for one in repair.warn_at] == ["80", "last"]


def test_8_never_in_a_burst_after_an_outage() -> None:
    """8: "never in a burst after an outage": of all levels passed only the last is told."""
    play = billing().hear(told.receipt(), "2025-10-16 10:00")
    play.hear(told.contacted(), "2025-10-16 10:10")
    play.after_outage("2025-10-23 20:00")  # 50 % and 80 % of resolve passed unseen
    told_now = [one for one in play.just if isinstance(one, ClockWarned)]
    assert [(one.clock, one.level.value, one.stale) for one in told_now] == [
        ("resolve", "80", False)
    ]


def test_8_what_lapsed_during_the_outage_is_breached_and_nobody_is_warned_of_it() -> None:
    play = billing().hear(told.receipt(), "2025-10-16 10:00")
    play.hear(told.contacted(), "2025-10-16 10:10")
    play.after_outage("2025-10-24 09:00")
    assert play.breaches("resolve") == [at("2025-10-24")]
    assert [one.stale for one in play.all(ClockWarned, "resolve")] == [True]


def test_8_a_met_or_paused_clock_warns_nobody() -> None:
    play = (
        billing()
        .hear(told.receipt(), "2025-10-16 10:00")
        .hear(told.suspended(), "2025-10-16 10:01")
    )
    play.until("2025-11-20")
    assert play.all(ClockWarned, "resolve") == []
    assert play.all(ClockWarned, "acknowledge") == []


# --- 9: reclassified -----------------------------------------------------------------------------


def test_9_the_old_clock_is_cancelled_and_the_new_one_starts_at_the_original_contact() -> None:
    """9: "cancelled with the reason, the new one starts at the original contact"."""
    play = billing().hear(
        told.reclassified("2025-10-16 10:00", "service.attitude"), "2025-10-16 15:00"
    )
    cancelled = play.one(ClocksCancelled)
    assert [one.clock for one in cancelled.clocks] == ["resolve"]
    assert cancelled.reason is CancelReason.RECLASSIFIED
    assert cancelled.since == at("2025-10-16 15:00")
    assert play.due("attitude") == at("2025-10-17 10:00")
    assert play.all(ClockBreached, "attitude") == []


def test_9_if_its_due_is_past_one_breach_with_that_due_marked_retroactive() -> None:
    """9: "one breach with that due, recorded now, marked retroactive"."""
    play = billing().hear(
        told.reclassified("2025-10-16 10:00", "service.attitude"), "2025-10-20 09:00"
    )
    breach = play.one(ClockBreached, "attitude")
    assert breach.due_at == at("2025-10-17 10:00")
    assert breach.retroactive
    assert play.told[-1].time == at("2025-10-20 09:00"), "recorded now"
    play.until("2025-11-20")
    assert play.breaches("attitude") == [at("2025-10-17 10:00")]


def test_9_a_clock_that_both_need_goes_on() -> None:
    play = billing().hear(
        told.reclassified("2025-10-16 10:00", "roaming.domestic"), "2025-10-17 09:00"
    )
    assert play.all(ClocksCancelled) == []
    assert play.one(ClocksStarted).clocks == ()
    assert play.one(ClocksStarted).profile == told.profile("roaming.domestic")


def test_9_back_and_forth_the_clock_stands_as_if_it_had_never_been_stopped() -> None:
    play = billing().hear(
        told.reclassified("2025-10-16 10:00", "service.attitude"), "2025-10-16 15:00"
    )
    play.hear(told.reclassified("2025-10-16 10:00", "billing.arrears"), "2025-10-16 16:00")
    assert [one.clock for one in play.one(ClocksStarted).clocks] == ["resolve"]
    assert play.status("attitude") == "cancelled"
    assert play.status("resolve") == "running"
    assert play.due("resolve") == at("2025-10-24")


def test_9_back_after_its_due_it_is_breached_there_retroactively() -> None:
    play = billing().hear(
        told.reclassified("2025-10-16 10:00", "mobile.coverage"), "2025-10-16 15:00"
    )
    play.hear(told.reclassified("2025-10-16 10:00", "billing.arrears"), "2025-10-27 09:00")
    breach = play.one(ClockBreached, "resolve")
    assert (breach.due_at, breach.retroactive) == (at("2025-10-24"), True)


def test_9_what_has_its_verdict_keeps_it() -> None:
    play = billing().hear(told.answered(), "2025-10-17 09:00")
    play.hear(told.reclassified("2025-10-16 10:00", "service.attitude"), "2025-10-17 12:00")
    assert play.status("resolve") == "met"
    assert play.status("attitude") == "met", "answered Friday 09:00, due Friday 10:00"


def test_9_taken_up_again_after_a_merge_less_the_recorded_pauses() -> None:
    """EVENTS 7: "start from clock_from, less recorded pauses"."""
    play = billing().hear(told.receipt(), "2025-10-16 10:00")
    play.hear(told.contacted(), "2025-10-16 10:30")
    play.hear(told.suspended(), "2025-10-17 00:00").hear(told.resumed(), "2025-10-18 00:00")
    play.hear(told.merged(), "2025-10-18 09:00")
    assert play.one(ClocksCancelled).reason is CancelReason.MERGED
    assert play.timer is None
    play.hear(told.unmerged("2025-10-16 10:00"), "2025-10-20 09:00")
    assert play.due("resolve") == at("2025-10-25"), "a Friday's pause: one day more"
    assert play.status("acknowledge") == play.status("first_contact") == "met"
    assert play.due("legal.answer") == at("2025-11-01")


# --- 10: late facts ------------------------------------------------------------------------------


def test_10_a_fact_heard_late_but_done_in_time_corrects_the_verdict() -> None:
    """10: "corrects the verdict by a new event ... Nothing is rewritten"."""
    play = billing().until("2025-10-16 11:00:10")
    (breach,) = [one for one in play.told if isinstance(one.data, ClockBreached)][1:]
    assert breach.data.clock == "first_contact"
    play.hear(told.contacted(), "2025-10-16 10:59:59", heard_at="2025-10-16 11:10:00")
    corrected = play.one(ClockCorrected)
    assert (corrected.was, corrected.now) == (Verdict.BREACHED, Verdict.MET)
    assert corrected.corrects == breach.id
    assert corrected.at == at("2025-10-16 10:59:59")
    assert corrected.due == at("2025-10-16 11:00")
    assert corrected.heard_late_ms == 601_000
    assert corrected.fact.type == "work.contacted.v1"
    assert play.breaches("first_contact") == [at("2025-10-16 11:00")], "still on record"


def test_10_a_fact_heard_late_and_done_late_corrects_nothing() -> None:
    play = billing().until("2025-10-16 12:00")
    play.hear(told.contacted(), "2025-10-16 11:00:00.000001", heard_at="2025-10-16 12:00")
    assert play.just == []


def test_10_a_pause_heard_late_takes_the_breach_back_and_the_clock_goes_on() -> None:
    play = billing().until("2025-10-25")
    assert play.breaches("resolve") == [at("2025-10-24")]
    play.hear(told.suspended(), "2025-10-23 12:00", heard_at="2025-10-25 10:00")
    corrected = play.one(ClockCorrected)
    assert (corrected.was, corrected.now) == (Verdict.BREACHED, Verdict.RUNNING)
    assert play.status("resolve") == "paused"
    play.hear(told.resumed(), "2025-10-24 09:00", heard_at="2025-10-25 10:01")
    assert play.due("resolve") == at("2025-10-24 21:00")
    play.until("2025-10-26")
    assert play.breaches("resolve") == [at("2025-10-24"), at("2025-10-24 21:00")]


def test_10_a_last_word_heard_after_the_pause_it_came_before() -> None:
    """The desk and the team tell apart: a pause does not touch a promise kept before it."""
    play = billing().hear(told.suspended(), "2025-10-20 12:00")
    play.hear(told.decided(Decision.REJECTED), "2025-10-20 11:00", heard_at="2025-10-20 12:30")
    met = play.one(ClockMet, "resolve")
    assert (met.at, met.due) == (at("2025-10-20 11:00"), at("2025-10-24"))


def test_10_a_late_fact_that_is_none_of_a_clocks_leaves_its_breach_alone() -> None:
    play = billing().until("2025-10-16 12:00")
    play.hear(told.suspended(), "2025-10-16 10:30", heard_at="2025-10-16 12:01")
    assert [type(one) for one in play.just] == [ClocksPaused]
    assert play.status("first_contact") == "breached"


# --- 11: versions and cycles ---------------------------------------------------------------------


def stricter(since: str) -> Policies:
    content = seed_content("clocks.v1.yaml")
    content["version"] = "2"
    content["service_hours"]["desk_10015"]["every_day"] = ["08:30-17:30"]
    for row in content["clocks"]:
        if row["code"] == "resolve":
            row["limit"] = "3 days"
    return SEEDS.adding(in_force(content, since))


def test_11_a_clock_keeps_the_version_it_started_with() -> None:
    """11: "later changes never touch a verdict" - and S3: row a, already running, keeps 09:30."""
    play = Play(stricter("2025-10-11 00:00"))
    play.hear(told.registered("2025-10-10 10:00"), "2025-10-10 10:00")
    play.hear(told.case_requested(1), "2025-10-10 17:30")
    assert play.due("desk.first_contact", "case-1") == at("2025-10-11 09:30")
    play.hear(told.case_requested(2), "2025-10-11 17:00")
    assert play.due("desk.first_contact", "case-2") == at("2025-10-12 10:00"), "0.5 + 1.5 h"
    play.hear(told.suspended(), "2025-10-13 00:00").hear(told.resumed(), "2025-10-14 00:00")
    assert play.due("resolve") == at("2025-10-18"), "five days of version 1, not three"
    assert play.clock("resolve").terms.policy == "1"


def test_11_a_clock_keeps_the_calendar_it_started_with() -> None:
    """11: "version of policy and calendar": a week declared off later moves nothing that runs."""
    content = seed_content("working_days.v1.yaml") | {
        "version": "2026.2",
        "days_off": {f"2025-10-{day}": "Autumn" for day in range(20, 25)},
    }
    play = Play(SEEDS.adding(in_force(content, "2025-10-17 00:00")))
    play.hear(told.registered("2025-10-16 10:00"), "2025-10-16 10:00")
    play.hear(told.suspended(), "2025-10-17 00:00").hear(told.resumed(), "2025-10-18 00:00")
    assert play.due("resolve") == at("2025-10-25"), "a Friday's pause: one day more"
    assert play.due("legal.answer") == at("2025-11-01")
    assert play.clock("resolve").terms.calendar == "2026.1"
    other = Play(play.policies).hear(told.registered("2025-10-17 10:00"), "2025-10-17 10:00")
    assert other.due("resolve") == at("2025-11-01"), "the 27th to the 31st"


def test_11_what_keeps_a_promise_is_what_its_own_version_says() -> None:
    content = seed_content("clocks.v1.yaml")
    content["version"] = "2"
    next(one for one in content["clocks"] if one["code"] == "resolve")["met_by"] = [
        "final_response"
    ]
    play = Play(SEEDS.adding(in_force(content, "2025-10-17 00:00")))
    play.hear(told.registered("2025-10-16 10:00"), "2025-10-16 10:00")
    play.hear(told.answered(), "2025-10-20 10:00")
    assert play.status("resolve") == "met"


def test_11_reclassified_later_it_goes_by_the_version_it_began_with() -> None:
    play = Play(stricter("2025-10-17 00:00"))
    play.hear(told.registered("2025-10-16 10:00", "service.attitude"), "2025-10-16 10:00")
    play.hear(told.reclassified("2025-10-16 10:00"), "2025-10-20 10:00")
    assert play.due("resolve") == at("2025-10-24")


def test_11_reopening_starts_the_new_cycles_clocks_but_not_those_once_per_complaint() -> None:
    """11: "acknowledge, first contact and legal ones are once per complaint"."""
    play = billing().hear(told.answered(), "2025-10-17 09:00")
    play.hear(told.closed(), "2025-10-17 10:00")
    play.hear(told.reopened(2, "2025-10-20 09:00", ReopenRoute.REWORK), "2025-10-20 09:00")
    assert [one.clock for one in play.one(ClocksStarted).clocks] == ["resolve"]
    assert play.due("resolve", cycle=2) == at("2025-10-28")
    assert play.status("resolve") == "met", "old verdicts stand"


def test_11_reopening_stops_what_the_old_cycle_still_owed() -> None:
    play = (
        billing()
        .hear(told.promised(1, "2025-10-20 12:00"), "2025-10-17 09:00")
        .hear(told.reopened(2, "2025-10-18 09:00", ReopenRoute.TIER1), "2025-10-18 09:00")
    )
    cancelled = play.one(ClocksCancelled)
    assert {one.clock for one in cancelled.clocks} == {"resolve", "agreed"}
    assert cancelled.reason is CancelReason.REOPENED
    assert play.status("legal.answer") == "running"


def test_11_reclassified_in_a_later_cycle_its_clocks_start_with_that_cycle() -> None:
    play = billing().hear(told.answered(), "2025-10-17 09:00")
    play.hear(told.reopened(2, "2025-10-20 09:00", ReopenRoute.REWORK), "2025-10-20 09:00")
    play.hear(told.reclassified("2025-10-16 10:00", "broadband.fault", cycle=2), "2025-10-20 10:00")
    assert play.due("repair.broadband.urban", cycle=2) == at("2025-10-21 09:00")
    assert play.due("legal.repair.urban") == at("2025-10-18 10:00"), "once, from the first words"
    assert play.status("legal.repair.urban") == "met", "answered on 10-17"


def test_11_reclassified_at_the_manager_or_the_desk_no_cycle_clock_changes() -> None:
    for route in (ReopenRoute.TIER1, ReopenRoute.ESCALATE):
        play = billing().hear(told.answered(), "2025-10-17 09:00")
        play.hear(told.reopened(2, "2025-10-20 09:00", route), "2025-10-20 09:00")
        before = play.codes(2)
        play.hear(
            told.reclassified("2025-10-16 10:00", "mobile.coverage", cycle=2), "2025-10-20 10:00"
        )
        assert play.codes(2) == before


# --- 12: beyond the calendar ---------------------------------------------------------------------


def test_12_the_complaint_is_taken_hours_run_and_the_working_day_due_is_unknown() -> None:
    """12: "Never a guess, never a refusal"."""
    play = billing("2026-12-29 10:00")
    assert play.due("acknowledge") == at("2026-12-29 10:05")
    assert play.due("first_contact") == at("2026-12-29 11:00")
    assert play.due("resolve") is None
    assert play.due("legal.answer") is None
    assert play.clock("resolve").month is None
    play.until("2027-03-01")
    assert play.breaches("resolve") == []


def test_12_once_a_calendar_is_loaded_the_due_is_known() -> None:
    """12: "until a calendar version is loaded"."""
    play = billing("2026-12-29 10:00")
    play.policies = loaded()
    play.ask(ReconsiderCalendar(at=at("2027-01-02 09:00")), "2027-01-02 09:00")
    moved = play.one(ClocksRescheduled)
    assert moved.reason is RescheduleReason.CALENDAR_LOADED
    assert {one.clock: one.due for one in moved.clocks} == {
        "resolve": at("2027-01-07"),  # 30, 31, Mon 4, 5, 6
        "legal.answer": at("2027-01-14"),
    }
    assert {one.calendar for one in moved.clocks} == {"state-council-2027"}
    assert play.clock("resolve").month == "2027-01"
    play.ask(ReconsiderCalendar(at=at("2027-01-02 10:00")), "2027-01-02 10:00")
    assert play.just == [], "loaded twice is loaded once"


def test_12_answered_before_the_calendar_ends_is_surely_in_time() -> None:
    play = billing("2026-12-29 10:00").hear(told.answered(), "2026-12-31 18:00")
    met = play.one(ClockMet, "resolve")
    assert met.due is None
    play.policies = loaded()
    play.ask(ReconsiderCalendar(at=at("2027-01-02 09:00")), "2027-01-02 09:00")
    assert play.due("resolve") == at("2027-01-07")
    assert play.status("resolve") == "met"
    assert play.clock("resolve").month == "2027-01", "now it has its place in the table"


@pytest.mark.parametrize(
    ("answered", "verdict"),
    [("2027-01-06 23:59:59", "met"), ("2027-01-07 00:00:01", "breached")],
)
def test_12_answered_after_the_calendar_ended_the_verdict_waits(
    answered: str, verdict: str
) -> None:
    play = billing("2026-12-29 10:00").hear(told.receipt(), "2026-12-29 10:00")
    play.hear(told.contacted(), "2026-12-29 10:30")
    play.hear(told.answered(), answered)
    assert play.one(ClocksNoted).kind is NotedFact.ANSWERED
    play.hear(told.closed(), "2027-01-09 09:00")
    assert play.status("resolve") == "running", "closing takes nobody's verdict away"
    play.policies = loaded()
    play.ask(ReconsiderCalendar(at=at("2027-01-10 09:00")), "2027-01-10 09:00")
    assert play.status("resolve") == verdict
    assert play.due("resolve") == at("2027-01-07")


def test_12_the_desks_decision_after_the_calendar_ended_waits_too() -> None:
    play = billing("2026-12-20 10:00").hear(told.case_requested(), "2026-12-30 20:00")
    play.hear(told.decided(Decision.UPHELD), "2027-01-04 12:00")
    assert play.one(ClocksNoted).kind is NotedFact.KEPT
    play.policies = loaded("2027-01-05 09:00")
    play.ask(ReconsiderCalendar(at=at("2027-01-05 09:00")), "2027-01-05 09:00")
    assert play.one(ClockMet, "desk.decision").at == at("2027-01-04 12:00")


def test_12_paused_without_a_due_it_keeps_its_pause_when_the_calendar_comes() -> None:
    play = billing("2026-12-29 10:00").hear(told.suspended(), "2026-12-30 12:00")
    assert play.one(ClocksPaused).clocks[0].left_us is None
    play.policies = loaded()
    play.ask(ReconsiderCalendar(at=at("2027-01-02 09:00")), "2027-01-02 09:00")
    assert play.status("resolve") == "paused"
    play.hear(told.resumed(), "2027-01-04 12:00")
    assert play.due("resolve") == at("2027-01-09"), "108 h left: 12 h of Monday, four days"


def test_12_a_resumption_that_runs_beyond_the_calendar_is_unknown_not_wrong() -> None:
    play = billing("2026-12-21 10:00").hear(told.suspended(), "2026-12-22 00:00")
    play.hear(told.resumed(), "2026-12-31 12:00")
    assert play.due("resolve") is None
    play.policies = loaded()
    play.ask(ReconsiderCalendar(at=at("2027-01-02 09:00")), "2027-01-02 09:00")
    assert play.due("resolve") == at("2027-01-08 12:00"), "120 h left: 12 h, four days, 12 h"


def test_12_a_complaint_registered_after_loading_counts_by_the_new_calendar() -> None:
    play = Play(loaded("2026-12-01 09:00"))
    play.hear(told.registered("2026-12-29 10:00"), "2026-12-29 10:00")
    assert play.due("resolve") == at("2027-01-07")
    assert play.clock("resolve").terms.calendar == "state-council-2027"


def test_12_words_from_before_the_loading_registered_after_it_have_their_due() -> None:
    play = Play(loaded("2027-01-02 09:00"))
    play.hear(told.registered("2026-12-29 10:00"), "2027-01-03 09:00")
    assert play.due("resolve") == at("2027-01-07")
    assert play.clock("resolve").terms.calendar == "state-council-2027"
    assert play.due("first_contact") == at("2026-12-29 11:00")


@pytest.mark.parametrize(
    ("withdrawn", "verdict"),
    [("2027-01-06 23:00", "cancelled"), ("2027-01-07 00:00:01", "breached")],
)
def test_12_withdrawn_after_the_calendar_ended_the_verdict_waits(
    withdrawn: str, verdict: str
) -> None:
    play = billing("2026-12-29 10:00").hear(told.withdrawn(), withdrawn)
    assert play.status("resolve") == "running", "perhaps it had lapsed already"
    play.policies = loaded("2027-01-10 09:00")
    play.ask(ReconsiderCalendar(at=at("2027-01-10 09:00")), "2027-01-10 09:00").until("2027-01-11")
    assert play.status("resolve") == verdict


def test_12_a_case_closed_after_the_calendar_ended_waits_for_it_too() -> None:
    play = billing("2026-12-20 10:00").hear(told.case_requested(), "2026-12-30 20:00")
    play.hear(told.case_closed(), "2027-01-06 12:00")
    play.policies = loaded("2027-01-07 09:00")
    play.ask(ReconsiderCalendar(at=at("2027-01-07 09:00")), "2027-01-07 09:00").until("2027-01-08")
    assert play.status("desk.decision", "case-1") == "breached", "due 2027-01-05 00:00"
    assert play.breaches("desk.decision") == [at("2027-01-05")]
