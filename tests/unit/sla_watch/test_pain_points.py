"""What users of other systems complain about most (DOMAIN), as far as clocks are to blame."""

from contracts.feedback_survey import SurveyOutcome
from contracts.sla_watch import (
    ClockBreached,
    ClockMet,
    ClocksCancelled,
    ClocksPaused,
    ClocksStarted,
    ClockWarned,
)
from contracts.values import NoticeKind, ReopenRoute, Urgency
from tests.unit.sla_watch import told
from tests.unit.sla_watch.play import Play
from tests.unit.timekeeping.instants import at


def test_a_pause_is_not_lost_when_the_priority_changes() -> None:
    """Suspended, then made urgent: the clock that goes on stays paused, with what was left."""
    start = "2025-10-16 10:00"
    play = Play().hear(told.registered(start), start)
    play.hear(told.suspended(), "2025-10-17 00:00")
    play.hear(told.reclassified(start, urgency=Urgency.URGENT), "2025-10-17 09:00")
    assert play.status("resolve") == "paused"
    play.hear(told.resumed(), "2025-10-20 00:00")
    assert play.due("resolve") == at("2025-10-25"), "all five working dates still to come"


def test_a_pause_is_not_lost_when_the_category_changes() -> None:
    """The clock that takes the old one's place is judged by the pauses there were, and waits."""
    start = "2025-10-16 10:00"
    play = Play().hear(told.registered(start), start)
    play.hear(told.suspended(), "2025-10-16 12:00").hear(told.resumed(), "2025-10-16 15:00")
    play.hear(told.suspended(), "2025-10-16 20:00")
    play.hear(told.reclassified(start, "service.attitude"), "2025-10-18 09:00")
    assert play.status("attitude") == "paused", "22:00 of use would have been over on Friday"
    assert play.one(ClocksPaused).clocks[0].left_us == 17 * 3_600_000_000
    assert play.one(ClocksPaused).since == at("2025-10-16 20:00")
    play.hear(told.resumed(), "2025-10-18 10:00")
    assert play.due("attitude") == at("2025-10-19 03:00")
    assert play.breaches("attitude") == []


def test_a_pause_that_stopped_nothing_still_counts_for_a_clock_that_starts_later() -> None:
    """Coverage waits for nobody's clock but reply; unclassified has none at all to pause."""
    start = "2025-10-16 10:00"
    play = Play().hear(told.registered(start, "unclassified"), start)
    play.hear(told.suspended(), "2025-10-17 00:00").hear(told.resumed(), "2025-10-18 00:00")
    play.hear(told.reclassified(start, "billing.overcharge"), "2025-10-18 09:00")
    assert play.due("resolve") == at("2025-10-25"), "Friday did not count"


def test_resolved_time_is_not_counted_again_on_reopening() -> None:
    start = "2025-10-16 10:00"
    play = Play().hear(told.registered(start), start)
    play.hear(told.answered(), "2025-10-20 16:00")
    play.hear(told.reopened(2, "2025-11-20 10:00", ReopenRoute.REWORK), "2025-11-20 10:00")
    assert play.due("resolve", cycle=2) == at("2025-11-28"), "five dates of its own"
    play.until("2025-11-27")
    assert play.status("resolve") == "met"
    assert len(play.all(ClockMet, "resolve")) == 1


def test_lunch_breaks_holidays_and_made_up_workdays() -> None:
    """Lunch plays no part, 1-8 October do not count, Saturday 11 October does."""
    for start in ("2025-09-30 11:59", "2025-09-30 12:30", "2025-09-30 13:01"):
        play = Play().hear(told.registered(start, "mobile.noncoverage"), start)
        assert play.due("reply.mobile") == at("2025-10-11")
        assert play.due("resolve") == at("2025-10-15")


def test_warnings_at_midnight_go_to_staff_on_duty_never_on_a_day_off() -> None:
    """Working-day clocks warn within working dates; nothing here speaks to a customer at all."""
    start = "2025-09-30 17:00"
    play = Play().hear(told.registered(start, "mobile.noncoverage"), start)
    play.until("2025-10-20")
    days = {
        one.time.astimezone(at(start).tzinfo).strftime("%m-%d")
        for one in play.told
        if isinstance(one.data, ClockWarned) and one.data.clock in ("reply.mobile", "resolve")
    }
    assert days == {"10-09", "10-10", "10-11", "10-13", "10-14"}


def test_warnings_are_not_repeated() -> None:
    start = "2025-10-16 10:00"
    play = Play().hear(told.registered(start), start).until("2025-11-30")
    levels = [(one.clock, one.level) for one in play.all(ClockWarned)]
    assert len(levels) == len(set(levels))


def test_a_breach_is_not_repeated_whatever_is_heard_afterwards() -> None:
    start = "2025-10-16 10:00"
    play = Play().hear(told.registered(start), start).until("2025-11-03")
    for event in (told.suspended(), told.resumed(), told.contacted(), told.answered()):
        play.hear(event, "2025-11-03 10:00").until("2025-11-10")
    breached = [(one.clock, one.due_at) for one in play.all(ClockBreached)]
    assert breached == [
        ("acknowledge", at("2025-10-16 10:05")),
        ("first_contact", at("2025-10-16 11:00")),
        ("resolve", at("2025-10-24")),
        ("legal.answer", at("2025-11-01")),
    ]


def test_not_escalated_although_answered() -> None:
    """Answered in time, heard after the barrier: the breach that escalates is corrected."""
    start = "2025-10-16 10:00"
    play = Play().hear(told.registered(start), start).until("2025-10-24 00:00:05")
    assert play.breaches("resolve") == [at("2025-10-24")]
    play.hear(told.answered(), "2025-10-23 23:59:59", heard_at="2025-10-24 00:00:07")
    assert play.status("resolve") == "met"


def test_after_a_merge_nothing_lapses_any_more() -> None:
    start = "2025-10-16 10:00"
    play = Play().hear(told.registered(start), start).hear(told.merged(), "2025-10-16 10:01")
    assert play.timer is None
    play.until("2025-12-01")
    assert play.all(ClockBreached) == []


def test_after_reopening_a_second_survey_has_its_own_clock() -> None:
    start = "2025-10-16 10:00"
    play = Play().hear(told.registered(start), start)
    play.hear(told.answered(), "2025-10-17 10:00").hear(
        told.asked("2025-10-17 10:00"), "2025-10-17 10:00"
    )
    play.hear(told.concluded(SurveyOutcome.DISSATISFIED), "2025-10-18 10:00")
    play.hear(told.reopened(2, "2025-10-18 10:00", ReopenRoute.TIER1), "2025-10-18 10:00")
    play.hear(told.answered(2), "2025-10-18 12:00")
    play.hear(told.asked("2025-10-18 12:00", 2), "2025-10-18 12:00")
    assert play.due("survey", cycle=2) == at("2025-10-21 12:00")
    assert play.status("survey") == "met"


def test_limits_over_99_hours_run_to_their_end() -> None:
    """A promise ten days ahead is a clock like any other."""
    start = "2025-10-16 10:00"
    play = Play().hear(told.registered(start), start)
    play.hear(told.promised(1, "2025-10-26 10:00"), "2025-10-16 10:00")  # 240 h
    assert play.warnings("agreed", "promise-1") == [
        ("50", at("2025-10-21 10:00")),
        ("80", at("2025-10-24 10:00")),
        ("last", at("2025-10-26 09:45")),
    ]
    play.until("2025-10-27")
    assert play.breaches("agreed") == [at("2025-10-26 10:00")]


def test_a_retried_call_starts_nothing_twice() -> None:
    start = "2025-10-16 10:00"
    play = Play().hear(told.registered(start), start)
    play.hear(told.registered(start), "2025-10-16 10:03")
    assert len(play.all(ClocksStarted)) == 1


def test_only_the_receipt_acknowledges() -> None:
    start = "2025-10-16 10:00"
    play = Play().hear(told.registered(start), start)
    for kind in NoticeKind:
        play.hear(told.notice(kind), "2025-10-16 10:01")
        assert (play.status("acknowledge") == "met") is True or kind is not NoticeKind.RECEIPT
    assert len(play.all(ClockMet)) == 1
    assert play.all(ClocksCancelled) == []
