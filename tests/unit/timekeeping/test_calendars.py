"""Chinese working days, and what lies beyond the known calendar (DOMAIN, convention 12)."""

from datetime import date, timedelta

import chinese_calendar
import pytest

from libs.timekeeping.calendars import BeyondCalendar, WorkingCalendar, library_calendar

CHINA = library_calendar()


def test_every_date_from_2004_to_2026_is_as_the_library_says() -> None:
    day = date(2004, 1, 1)
    while day <= date(2026, 12, 31):
        assert CHINA.is_worked(day) == chinese_calendar.is_workday(day), day
        day += timedelta(days=1)


@pytest.mark.parametrize(
    ("day", "worked"),
    [
        (date(2025, 9, 28), True),  # a Sunday made up
        (date(2025, 9, 30), True),
        (date(2025, 10, 1), False),
        (date(2025, 10, 8), False),  # a Wednesday, still holiday
        (date(2025, 10, 9), True),
        (date(2025, 10, 11), True),  # a Saturday made up
        (date(2025, 10, 12), False),  # an ordinary Sunday
    ],
)
def test_moved_holidays_are_known_date_by_date(day: date, worked: bool) -> None:
    assert CHINA.is_worked(day) is worked


def test_a_statutory_holiday_has_a_name_and_an_ordinary_sunday_has_none() -> None:
    assert CHINA.holiday(date(2025, 10, 1)) == "National Day"
    assert CHINA.holiday(date(2025, 10, 6)) == "Mid-autumn Festival"
    assert CHINA.holiday(date(2025, 10, 12)) is None
    assert CHINA.holiday(date(2025, 10, 11)) is None, "made up for the holiday, yet worked"
    assert CHINA.holiday(date(2025, 10, 9)) is None


def test_the_calendar_says_its_version_and_how_far_it_reaches() -> None:
    assert CHINA.version == "chinesecalendar-1.11.0"
    assert (CHINA.first, CHINA.last) == (date(2004, 1, 1), date(2026, 12, 31))


@pytest.mark.parametrize("day", [date(2003, 12, 31), date(2027, 1, 1), date(2030, 5, 1)])
def test_beyond_the_known_calendar_there_is_no_guess(day: date) -> None:
    for question in (CHINA.is_worked, CHINA.holiday, CHINA.worked_from):
        with pytest.raises(BeyondCalendar, match="2004-01-01 to 2026-12-31"):
            question(day)


def test_counting_working_dates_stops_where_the_calendar_ends() -> None:
    assert CHINA.worked_after(date(2026, 12, 29), 2) == date(2026, 12, 31).toordinal()
    with pytest.raises(BeyondCalendar):
        CHINA.worked_after(date(2026, 12, 29), 3)
    with pytest.raises(ValueError, match="number 1"):
        CHINA.worked_after(date(2026, 12, 1), 0)


def next_year() -> WorkingCalendar:
    return CHINA.amended(
        "state-council-2027",
        date(2027, 12, 31),
        {date(2027, 1, 1): "New Year's Day", date(2026, 12, 31): "New Year's Day"},
        {date(2027, 1, 3)},
    )


def test_an_operator_adds_a_year_and_corrects_a_date() -> None:
    known = next_year()
    assert (known.version, known.last) == ("state-council-2027", date(2027, 12, 31))
    assert not known.is_worked(date(2026, 12, 31)), "a Thursday, declared off late"
    assert not known.is_worked(date(2027, 1, 1))
    assert known.is_worked(date(2027, 1, 3)), "a Sunday, made up"
    assert known.is_worked(date(2027, 1, 4))
    assert not known.is_worked(date(2027, 1, 9))
    assert known.is_worked(date(2025, 10, 11)), "the past stands"
    assert CHINA.is_worked(date(2026, 12, 31)), "and so does the calendar it was made from"


def test_a_corrected_date_is_no_longer_what_it_was() -> None:
    changed = CHINA.amended(
        "v2", date(2026, 12, 31), {date(2025, 10, 11): "National Day"}, {date(2025, 10, 8)}
    )
    assert not changed.is_worked(date(2025, 10, 11))
    assert changed.is_worked(date(2025, 10, 8))
    assert changed.holiday(date(2025, 10, 8)) is None


def test_a_calendar_that_contradicts_itself_is_refused() -> None:
    new_year = date(2027, 1, 1)
    with pytest.raises(ValueError, match="both worked and off"):
        CHINA.amended("v2", date(2027, 12, 31), {new_year: "New Year's Day"}, {new_year})
    with pytest.raises(ValueError, match="outside"):
        CHINA.amended("v2", date(2027, 12, 31), {date(2028, 1, 1): "New Year's Day"}, ())
    with pytest.raises(ValueError, match="cannot end earlier"):
        CHINA.amended("v2", date(2025, 12, 31), {}, ())
    with pytest.raises(ValueError, match="before it begins"):
        WorkingCalendar("v2", date(2026, 1, 1), date(2025, 1, 1), {}, ())


def test_the_fingerprint_moves_with_any_date() -> None:
    assert CHINA.fingerprint() == library_calendar().fingerprint()
    assert CHINA.fingerprint() != next_year().fingerprint()
    moved = CHINA.amended("v2", date(2026, 12, 31), {}, {date(2026, 12, 27)})
    assert CHINA.fingerprint() != moved.fingerprint()
