"""A year of the calendar as people look it up; 2026 as the State Council declared it."""

from datetime import date

from libs.timekeeping.calendars import library_calendar
from services.sla_watch.domain.yearly import Month, months_of

YEAR = months_of(library_calendar(), 2026)


def test_every_month_has_its_working_days() -> None:
    """DOMAIN, Clocks: "Chinese working days with moved holidays (调休)"; counted by hand."""
    assert [one.working_days for one in YEAR] == [21, 16, 22, 21, 19, 21, 23, 21, 22, 18, 21, 23]


def test_a_holiday_is_told_by_its_dates_and_both_names() -> None:
    (national,) = YEAR[9].holidays
    assert (national.first, national.last, national.days) == (
        date(2026, 10, 1),
        date(2026, 10, 7),
        7,
    )
    assert (national.zh, national.en) == ("国庆节", "National Day")
    assert YEAR[10] == Month(11, 21, (), ())


def test_saturdays_and_sundays_that_are_worked_are_named() -> None:
    assert [day for one in YEAR for day in one.worked] == [
        date(2026, 1, 4),
        date(2026, 2, 14),
        date(2026, 2, 28),
        date(2026, 5, 9),
        date(2026, 9, 20),
        date(2026, 10, 10),
    ]


def test_where_the_calendar_ends_nothing_is_guessed() -> None:
    """DOMAIN, counting 12: "Never a guess"."""
    assert months_of(library_calendar(), 2027) == ()
    longer = library_calendar().amended(
        "v2", date(2027, 2, 10), {date(2027, 1, 1): "元旦"}, [date(2027, 2, 6)]
    )
    january, february = months_of(longer, 2027)
    assert (january.working_days, february.working_days) == (20, None)
    assert (january.holidays[0].zh, january.holidays[0].en) == ("元旦", "New Year's Day")
    assert february.worked == (date(2027, 2, 6),)
