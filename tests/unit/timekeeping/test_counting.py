"""The counting conventions of DOMAIN, played through with the instants of SCENARIOS."""

from datetime import date, time, timedelta
from itertools import pairwise

import pytest

from libs.timekeeping.calendars import BeyondCalendar, library_calendar
from libs.timekeeping.counting import (
    Counting,
    LegalDays,
    Limit,
    RunsThrough,
    ServiceHours,
    WorkingDays,
    daily,
    date_of,
    last_counted_date,
    midnight,
    ordinal_of,
    since_midnight,
    warnings,
)
from tests.unit.timekeeping.instants import at

CHINA = library_calendar()
THROUGH = RunsThrough()
WORKING = WorkingDays(CHINA)
LEGAL = LegalDays(CHINA)
DESK = daily(time(8), time(18))


def levels(counting: Counting, start: str, limit: Limit) -> list[tuple[str, str]]:
    began = at(start)
    total = counting.counted(began, counting.due(began, limit))
    return [
        (level, f"{instant.astimezone(at(start).tzinfo):%m-%d %H:%M:%S}")
        for level, instant in warnings(counting, began, total, total)
    ]


# --- S1, National Day 2025 -------------------------------------------------------------------

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
def test_s1_day_counting(start: str, contact: str, reply: str, resolve: str, legal: str) -> None:
    assert THROUGH.due(at(start), Limit(1, "hours")) == at(contact)
    assert WORKING.due(at(start), Limit(2, "days")) == at(reply)
    assert WORKING.due(at(start), Limit(5, "days")) == at(resolve)
    assert LEGAL.due(at(start), Limit(15, "days")) == at(legal)


def test_s1_row_f_counted_from_its_arrival_would_be_wrong() -> None:
    arrival = at("2025-10-10 00:00:10")
    assert WORKING.due(arrival, Limit(2, "days")) == at("2025-10-14")
    assert WORKING.due(arrival, Limit(5, "days")) == at("2025-10-17")
    assert LEGAL.due(arrival, Limit(15, "days")) == at("2025-10-28")


def test_s1_row_b_warnings_fall_on_working_dates_only() -> None:
    start = at("2025-09-30 17:00")
    assert WORKING.counted(start, at("2025-10-11")) == timedelta(hours=55)
    assert WORKING.counted(start, at("2025-10-15")) == timedelta(hours=127)
    assert levels(WORKING, "2025-09-30 17:00", Limit(2, "days")) == [
        ("50", "10-09 20:30:00"),
        ("80", "10-10 13:00:00"),
        ("last", "10-10 23:45:00"),
    ]
    assert levels(WORKING, "2025-09-30 17:00", Limit(5, "days")) == [
        ("50", "10-11 08:30:00"),
        ("80", "10-13 22:36:00"),
        ("last", "10-14 23:45:00"),
    ]


# --- S2, S6, S7: their plain dues ------------------------------------------------------------


def test_s2_hours_run_through_the_holiday() -> None:
    start = "2025-10-01 20:00"
    assert THROUGH.due(at(start), Limit(36, "hours")) == at("2025-10-03 08:00")
    assert THROUGH.due(at(start), Limit(72, "hours")) == at("2025-10-04 20:00")
    assert levels(THROUGH, start, Limit(36, "hours")) == [
        ("50", "10-02 14:00:00"),
        ("80", "10-03 00:48:00"),
        ("last", "10-03 07:45:00"),
    ]


def test_s6_the_fifteenth_day_is_a_saturday_and_rolls_to_monday() -> None:
    start = at("2025-10-17 17:00")
    assert THROUGH.due(start, Limit(24, "hours")) == at("2025-10-18 17:00")
    assert LEGAL.due(start, Limit(15, "days")) == at("2025-11-04")


def test_s7_a_sunday_start_counts_the_week_that_follows() -> None:
    assert WORKING.due(at("2025-10-11 09:00"), Limit(5, "days")) == at("2025-10-18")
    assert WORKING.due(at("2025-10-12 20:15"), Limit(5, "days")) == at("2025-10-18")


# --- S3, the 10015 desk ----------------------------------------------------------------------

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
def test_s3_desk_hours(start: str, contact: str, half: str, most: str, decision: str) -> None:
    assert DESK.due(at(start), Limit(2, "hours")) == at(f"2025-{contact}")
    found = dict(levels(DESK, start, Limit(2, "hours")))
    assert found["50"] == half
    assert found["80"] == most
    assert WORKING.due(at(start), Limit(2, "days")) == at(decision)


def test_s3_row_f_warns_for_the_last_time_in_counted_time() -> None:
    found = dict(levels(DESK, "2025-10-08 16:00:01", Limit(2, "hours")))
    assert found["last"] == "10-08 17:45:01"


def test_desk_hours_are_half_open() -> None:
    assert DESK.is_open(at("2025-10-08 08:00"))
    assert DESK.is_open(at("2025-10-08 17:59:59.999999"))
    assert not DESK.is_open(at("2025-10-08 18:00"))
    assert not DESK.is_open(at("2025-10-08 07:59:59"))


def test_a_hall_has_its_own_hours_by_weekday_and_by_date() -> None:
    hall = ServiceHours(
        weekly=[[(since_midnight(time(10)), since_midnight(time(19)))]] * 5
        + [[(since_midnight(time(10)), since_midnight(time(12)))], []],
        dates={date(2025, 10, 1).toordinal(): []},
    )
    assert hall.due(at("2025-10-10 18:00"), Limit(2, "hours")) == at("2025-10-11 11:00")
    assert hall.due(at("2025-10-11 11:00"), Limit(90, "minutes")) == at("2025-10-13 10:30")
    assert hall.due(at("2025-09-30 18:30"), Limit(1, "hours")) == at("2025-10-02 10:30")
    assert not hall.is_open(at("2025-10-12 11:00"))


@pytest.mark.parametrize(
    "weekly",
    [
        [[]] * 7,
        [[(timedelta(hours=8), timedelta(hours=18))]],
        [[(timedelta(hours=18), timedelta(hours=8))]] * 7,
        [[(timedelta(hours=8), timedelta(hours=25))]] * 7,
        [[(timedelta(hours=8), timedelta(hours=12)), (timedelta(hours=11), timedelta(hours=18))]]
        * 7,
    ],
    ids=["never open", "one weekday", "backwards", "past midnight", "overlapping"],
)
def test_impossible_service_hours_are_refused(
    weekly: list[list[tuple[timedelta, timedelta]]],
) -> None:
    with pytest.raises(ValueError, match=r"service hours|openings|opening"):
        ServiceHours(weekly)


# --- what people complain about in other systems ---------------------------------------------


def test_lunch_breaks_and_office_hours_play_no_part_in_working_days() -> None:
    """Convention 3: "No office hours, no lunch. So Friday 17:00 + 2 = Tuesday 24:00"."""
    for hour in range(24):
        start = at("2025-10-17") + timedelta(hours=hour)  # a Friday
        assert WORKING.due(start, Limit(2, "days")) == at("2025-10-22"), hour


def test_made_up_workdays_count_and_moved_holidays_do_not() -> None:
    assert WORKING.due(at("2025-09-26 17:00"), Limit(2, "days")) == at("2025-09-30")
    assert WORKING.due(at("2025-10-10 09:00"), Limit(1, "days")) == at("2025-10-12")


def test_limits_over_99_hours_count_to_the_end() -> None:
    assert THROUGH.due(at("2025-10-01 20:00"), Limit(100, "hours")) == at("2025-10-06 00:00")
    assert THROUGH.due(at("2025-10-01 20:00"), Limit(1000, "hours")) == at("2025-11-12 12:00")
    assert DESK.due(at("2025-10-01 08:00"), Limit(120, "hours")) == at("2025-10-12 18:00")


def test_the_legal_clock_runs_through_holidays_but_never_ends_on_one() -> None:
    assert LEGAL.due(at("2025-09-20 09:00"), Limit(15, "days")) == at("2025-10-10")  # 10-05 is off
    assert LEGAL.due(at("2025-09-26 09:00"), Limit(15, "days")) == at("2025-10-12")  # Sat, worked


# --- pauses ------------------------------------------------------------------------------------


def test_what_is_left_at_a_pause_is_what_is_counted_until_the_due() -> None:
    """Convention 7: "new due = resume + what was left"."""
    start, paused, resumed = at("2025-10-16 10:00"), at("2025-10-17 12:00"), at("2025-10-21 09:00")
    due = WORKING.due(start, Limit(2, "days"))
    assert due == at("2025-10-21")
    left = WORKING.counted(paused, due)
    assert left == timedelta(hours=36), "12 h of Friday and all of Monday"
    assert WORKING.after(resumed, left) == at("2025-10-22 21:00")


def test_nothing_counts_on_a_day_off() -> None:
    friday, saturday = at("2025-10-17 12:00"), at("2025-10-18 12:00")
    assert WORKING.counted(saturday, at("2025-10-20 01:00")) == timedelta(hours=1)
    assert WORKING.after(saturday, timedelta(hours=1)) == at("2025-10-20 01:00")
    assert WORKING.after(friday, timedelta(hours=13)) == at("2025-10-20 01:00")


def test_time_used_up_at_the_end_of_a_date_is_due_at_its_24_00() -> None:
    assert WORKING.after(at("2025-10-17 12:00"), timedelta(hours=12)) == at("2025-10-18")
    assert DESK.after(at("2025-10-17 12:00"), timedelta(hours=6)) == at("2025-10-17 18:00")


def test_warnings_after_a_pause_keep_the_share_already_used() -> None:
    start, paused, resumed = at("2025-10-01 00:00"), at("2025-10-01 06:00"), at("2025-10-05 00:00")
    due = THROUGH.due(start, Limit(10, "hours"))
    left = THROUGH.counted(paused, due)
    ahead = warnings(THROUGH, resumed, timedelta(hours=10), left)
    assert ahead == (("80", at("2025-10-05 02:00")), ("last", at("2025-10-05 03:45")))


def test_two_levels_at_one_instant_are_told_once() -> None:
    total = timedelta(minutes=75)  # 80 % is 60 min, and so is 15 min before the end
    ahead = warnings(THROUGH, at("2025-10-09 00:00"), total, total)
    assert [level for level, _ in ahead] == ["50", "last"]


def test_a_limit_of_five_minutes_has_no_warning_fifteen_minutes_before() -> None:
    assert levels(THROUGH, "2025-10-09 00:00", Limit(5, "minutes")) == [
        ("50", "10-09 00:02:30"),
        ("80", "10-09 00:04:00"),
    ]


# --- the edges ---------------------------------------------------------------------------------


def test_beyond_the_calendar_hours_run_and_days_are_unknown() -> None:
    """Convention 12: "hour clocks run, the working-day due is unknown"."""
    late = at("2026-12-28 10:00")
    assert THROUGH.due(late, Limit(72, "hours")) == at("2026-12-31 10:00")
    assert DESK.due(at("2026-12-31 17:00"), Limit(2, "hours")) == at("2027-01-01 09:00")
    assert WORKING.due(late, Limit(3, "days")) == at("2027-01-01"), "24:00 of the last known date"
    with pytest.raises(BeyondCalendar):
        WORKING.due(late, Limit(4, "days"))
    with pytest.raises(BeyondCalendar):
        LEGAL.due(late, Limit(15, "days"))
    assert WORKING.counted(late, at("2027-01-01")) == timedelta(hours=14 + 72)
    with pytest.raises(BeyondCalendar):
        WORKING.counted(late, at("2027-01-01 00:00:01"))


def test_units_that_make_no_sense_are_refused() -> None:
    with pytest.raises(ValueError, match="no fixed length"):
        THROUGH.due(at("2025-10-09"), Limit(2, "days"))
    with pytest.raises(ValueError, match="takes days"):
        WORKING.due(at("2025-10-09"), Limit(2, "hours"))


def test_a_verdict_due_at_24_00_belongs_to_that_date() -> None:
    """DOMAIN rule 12; S8: registered 10-24, due 2025-11-01 00:00, is in October's table."""
    due = WORKING.due(at("2025-10-24 10:00"), Limit(5, "days"))
    assert due == at("2025-11-01")
    assert last_counted_date(due) == date(2025, 10, 31)
    assert last_counted_date(at("2025-11-01 00:00:00.000001")) == date(2025, 11, 1)


def test_shanghai_dates_are_24_hours_long_all_through_the_known_calendar() -> None:
    days = [midnight(day) for day in range(CHINA.first.toordinal(), CHINA.last.toordinal() + 2)]
    assert all(later - earlier == timedelta(hours=24) for earlier, later in pairwise(days))
    assert days[0] == at("2004-01-01")
    assert days[-1] == at("2027-01-01")
    assert all(
        day == at(date_of(day).isoformat()) and ordinal_of(day) == date_of(day).toordinal()
        for day in days
    ), "as the zone database has it"
