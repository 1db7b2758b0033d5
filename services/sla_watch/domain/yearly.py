"""A year of a calendar for people: months, holidays by name, Saturdays that are worked."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import groupby

from libs.timekeeping.calendars import WorkingCalendar, holiday_names

ONE_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Holiday:
    """Consecutive dates off that belong to one statutory holiday, weekends among them included."""

    first: date
    last: date
    zh: str
    en: str

    @property
    def days(self) -> int:
        """How many dates."""
        return (self.last - self.first).days + 1


@dataclass(frozen=True, slots=True)
class Month:
    """One month: `working_days` is None where the calendar does not reach its end."""

    month: int
    working_days: int | None
    holidays: tuple[Holiday, ...]
    """Those that begin in it."""
    worked: tuple[date, ...]
    """Its Saturdays and Sundays that are worked (调休)."""


def months_of(calendar: WorkingCalendar, year: int) -> tuple[Month, ...]:
    """The months of a year as far as the calendar knows it; none where it knows no date of it."""
    holidays = tuple(_holidays(calendar, year))
    months = []
    for number in range(1, 13):
        first = date(year, number, 1)
        following = date(year + number // 12, number % 12 + 1, 1)
        known = list(_known(calendar, first, following))
        if not known:
            continue
        worked = [day for day in known if calendar.is_worked(day)]
        whole = len(known) == (following - first).days
        months.append(
            Month(
                number,
                len(worked) if whole else None,
                tuple(one for one in holidays if one.first.month == number),
                tuple(day for day in worked if day.isoweekday() > 5),
            )
        )
    return tuple(months)


def _holidays(calendar: WorkingCalendar, year: int) -> Iterator[Holiday]:
    """A holiday that spans the turn of a year is told in both, each with its own dates."""
    dates = _known(calendar, date(year, 1, 1), date(year + 1, 1, 1))
    for name, days in groupby(dates, calendar.holiday):
        if name is not None:
            off = list(days)
            yield Holiday(off[0], off[-1], *holiday_names(name))


def _known(calendar: WorkingCalendar, first: date, before: date) -> Iterator[date]:
    day = max(first, calendar.first)
    while day < before and day <= calendar.last:
        yield day
        day += ONE_DAY
