"""Which dates are worked in China: `chinesecalendar`, what an operator adds, and where it ends.

Some Saturdays and Sundays are worked to make up for moved holidays (调休), and the government says
only in late autumn which ones. So a calendar knows its first and last date, and asking beyond them
raises `BeyondCalendar`: never a guess (DOMAIN, counting convention 12).
"""

from collections.abc import Collection, Iterator, Mapping
from datetime import date
from hashlib import sha256
from importlib.metadata import version as installed_version
from itertools import accumulate

from chinese_calendar.constants import Holiday, holidays, workdays

LIBRARY_FIRST = date(2004, 1, 1)
LIBRARY_LAST = date(2026, 12, 31)
"""What the library's data covers. Pinned, so that a newer library does not silently move a due."""


class BeyondCalendar(LookupError):
    """This date is outside what the calendar knows, so whether it is worked is unknown."""

    def __init__(self, day: date, calendar: "WorkingCalendar") -> None:
        super().__init__(
            f"calendar {calendar.version} knows {calendar.first} to {calendar.last}, not {day}"
        )


class WorkingCalendar:
    """Working dates from `first` to `last`, both included; immutable, with O(1) counting.

    Mondays to Fridays are worked but for `days_off` (date -> the holiday's name); Saturdays and
    Sundays are not, but for `worked`. `version` goes on record with every due counted by it.
    Dates are given as `date` or, where it must be quick, as proleptic ordinals
    (`date.toordinal`). Raises ValueError for a calendar that contradicts itself.
    """

    __slots__ = ("_dates", "_first", "_names", "_ordinals", "_worked", "_worked_before", "version")

    def __init__(
        self,
        version: str,
        first: date,
        last: date,
        days_off: Mapping[date, str],
        worked: Collection[date],
    ) -> None:
        if last < first:
            raise ValueError(f"a calendar cannot end ({last}) before it begins ({first})")
        if both := sorted(set(days_off) & set(worked)):
            raise ValueError(f"both worked and off: {both[0]}")
        if outside := sorted(day for day in {*days_off, *worked} if not first <= day <= last):
            raise ValueError(f"{outside[0]} is outside {first} to {last}")
        self.version = version
        self._first = first.toordinal()
        self._dates = range(self._first, last.toordinal() + 1)
        off = {day.toordinal(): name for day, name in days_off.items()}
        made_up = {day.toordinal() for day in worked}
        self._names = off
        self._worked = tuple(
            day in made_up or (_is_weekday(day) and day not in off) for day in self._dates
        )
        self._worked_before = tuple(accumulate(self._worked, initial=0))
        self._ordinals = tuple(
            day for day, is_worked in zip(self._dates, self._worked, strict=True) if is_worked
        )

    @property
    def first(self) -> date:
        """The first date this calendar knows."""
        return date.fromordinal(self._dates.start)

    @property
    def last(self) -> date:
        """The last date this calendar knows."""
        return date.fromordinal(self._dates.stop - 1)

    def is_worked(self, day: date | int) -> bool:
        """Whether this date is worked; raises BeyondCalendar."""
        return self._worked[self._index(_ordinal(day))]

    def holiday(self, day: date | int) -> str | None:
        """The statutory holiday this date off belongs to, e.g. `National Day`.

        None for a working date, a made-up one too, and for an ordinary weekend; raises
        BeyondCalendar. The clock for partners on holidays asks this (DOMAIN, Clocks).
        """
        ordinal = _ordinal(day)
        self._index(ordinal)
        return self._names.get(ordinal)

    def worked_after(self, day: date | int, count: int) -> int:
        """The ordinal of the `count`-th (1, 2 …) working date after this date.

        The date itself is not counted, whatever kind of day (DOMAIN, counting convention 3).
        Raises BeyondCalendar when the calendar ends before that.
        """
        if count < 1:
            raise ValueError(f"the first working date after a day is number 1, not {count}")
        ordinal = _ordinal(day)
        seen = self._worked_before[self._index(ordinal) + 1]
        if seen + count > len(self._ordinals):
            raise BeyondCalendar(date.fromordinal(self._dates.stop), self)
        return self._ordinals[seen + count - 1]

    def worked_from(self, day: date | int) -> int:
        """The ordinal of this date if it is worked, else of the next one that is."""
        ordinal = _ordinal(day)
        return ordinal if self.is_worked(ordinal) else self.worked_after(ordinal, 1)

    def worked_between(self, after: int, before: int) -> int:
        """How many dates strictly between these two ordinals are worked; raises BeyondCalendar."""
        return (
            self._worked_before[self._index(before - 1) + 1]
            - (self._worked_before[self._index(after) + 1])
        )

    def amended(
        self, version: str, last: date, days_off: Mapping[date, str], worked: Collection[date]
    ) -> "WorkingCalendar":
        """This calendar as an operator supplements it: further years, or dates changed since.

        `last` may not lie before this calendar's. A date given as worked is no day off any more,
        and the other way round.
        """
        if last < self.last:
            raise ValueError(f"a newer calendar cannot end earlier ({last}) than {self.last}")
        kept_off = {day: name for day, name in self._days_off() if day not in worked}
        kept_worked = {day for day in self._made_up() if day not in days_off}
        return WorkingCalendar(
            version, self.first, last, {**kept_off, **days_off}, {*kept_worked, *worked}
        )

    def fingerprint(self) -> str:
        """SHA-256 over every exception to "Mondays to Fridays", so that data cannot drift."""
        lines = [f"{self.first}..{self.last}"]
        lines += [f"{day} off {name}" for day, name in self._days_off()]
        lines += [f"{day} worked" for day in self._made_up()]
        return sha256("\n".join(lines).encode()).hexdigest()

    def _days_off(self) -> Iterator[tuple[date, str]]:
        return ((date.fromordinal(day), self._names[day]) for day in sorted(self._names))

    def _made_up(self) -> Iterator[date]:
        return (date.fromordinal(day) for day in self._ordinals if not _is_weekday(day))

    def _index(self, ordinal: int) -> int:
        if ordinal not in self._dates:
            raise BeyondCalendar(date.fromordinal(ordinal), self)
        return ordinal - self._first


def library_calendar() -> WorkingCalendar:
    """Chinese working days 2004-2026 as `chinesecalendar` knows them.

    Only its tables are used: its own `is_holiday` is true on every ordinary Sunday and it accepts
    years it has no data for once a newer one is known (DESIGN, Known traps).
    """
    return WorkingCalendar(
        f"chinesecalendar-{installed_version('chinesecalendar')}",
        LIBRARY_FIRST,
        LIBRARY_LAST,
        {
            day: str(Holiday(name).value)
            for day, name in holidays.items()
            if LIBRARY_FIRST <= day <= LIBRARY_LAST
        },
        {day for day in workdays if LIBRARY_FIRST <= day <= LIBRARY_LAST},
    )


def holiday_names(name: str) -> tuple[str, str]:
    """A holiday in Chinese and English, whichever it is given in; the same where nobody knows."""
    for known in Holiday:
        chinese = str(known.chinese)
        if name in (known.value, chinese):
            return chinese, str(known.value)
    return name, name


def _ordinal(day: date | int) -> int:
    return day if isinstance(day, int) else day.toordinal()


def _is_weekday(ordinal: int) -> bool:
    return ordinal % 7 not in (6, 0)  # ordinal 1 (0001-01-01) was a Monday
