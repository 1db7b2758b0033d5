"""How limits count, so that two people get the same instant (DOMAIN, counting conventions 1-12).

Four ways of counting share one shape: `due` (when a limit is used up), `counted` (how much of it
passed between two instants) and `after` (the earliest instant at which so much has passed). What is
left at a pause is `counted(pause, due)`; a resumed clock is due `after(resume, left)`.

Every instant in and out is aware; results are UTC. Dates are those of Asia/Shanghai, which has had
no daylight-saving time since 1991, so that a date is 24 h long.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from typing import Literal, NamedTuple, Protocol
from zoneinfo import ZoneInfo

from libs.timekeeping.calendars import WorkingCalendar

SHANGHAI = ZoneInfo("Asia/Shanghai")

DAY = timedelta(days=1)
NOTHING = timedelta(0)
_EPOCH = datetime(2000, 1, 1, tzinfo=SHANGHAI).astimezone(UTC)
_EPOCH_ORDINAL = date(2000, 1, 1).toordinal()
_LOOK_AHEAD_DAYS_MAX = 3660
"""Service hours that stay shut for ten years are an error, not a long wait."""

Unit = Literal["minutes", "hours", "days"]


class Limit(NamedTuple):
    """So many minutes, hours or days; what a day is, the way of counting says."""

    amount: int
    unit: Unit

    @property
    def span(self) -> timedelta:
        """Minutes or hours as a length of time; raises ValueError for days."""
        if self.unit == "days":
            raise ValueError("days have no fixed length; a way of counting days is needed")
        return (
            timedelta(minutes=self.amount)
            if self.unit == "minutes"
            else timedelta(hours=self.amount)
        )


class Counting(Protocol):
    """One way of counting time."""

    def due(self, start: datetime, limit: Limit) -> datetime:
        """The instant at which `limit`, begun at `start`, is used up."""
        ...

    def counted(self, start: datetime, end: datetime) -> timedelta:
        """How much time counts between two instants; nothing when `end` is not after `start`."""
        ...

    def after(self, start: datetime, counted: timedelta) -> datetime:
        """The earliest instant at which `counted` has passed since `start`."""
        ...


class RunsThrough:
    """Round the clock, 7x24: never rolls over a holiday (convention 2; civil code art. 201)."""

    def due(self, start: datetime, limit: Limit) -> datetime:
        """`start` plus the minutes or hours, on whatever day that falls."""
        return self.after(start, limit.span)

    def counted(self, start: datetime, end: datetime) -> timedelta:
        """The time between the two."""
        return max(end - start, NOTHING)

    def after(self, start: datetime, counted: timedelta) -> datetime:
        """`start` plus `counted`."""
        return start.astimezone(UTC) + counted


@dataclass(frozen=True, slots=True, eq=False)
class WorkingDays:
    """Working dates of a calendar, 24 h each and nothing on a day off (conventions 3 and 7).

    No office hours, no lunch. Raises BeyondCalendar where the calendar ends (convention 12).
    """

    calendar: WorkingCalendar

    def due(self, start: datetime, limit: Limit) -> datetime:
        """24:00 of the N-th working date after the start date (convention 3; art. 201, 203)."""
        return midnight(self.calendar.worked_after(ordinal_of(start), _days(limit)) + 1)

    def counted(self, start: datetime, end: datetime) -> timedelta:
        """The time between the two that falls on working dates."""
        if end <= start:
            return NOTHING
        first, began = _split(start)
        last, ended = _split(end)
        if first == last:
            return ended - began if self.calendar.is_worked(first) else NOTHING
        whole = DAY * self.calendar.worked_between(first, last)
        head = DAY - began if self.calendar.is_worked(first) else NOTHING
        # At 00:00:00 sharp the last date has not begun; it may even be unknown.
        tail = ended if ended and self.calendar.is_worked(last) else NOTHING
        return head + whole + tail

    def after(self, start: datetime, counted: timedelta) -> datetime:
        """As `Counting.after`; time used up at the end of a date is due at its 24:00."""
        if counted <= NOTHING:
            return start.astimezone(UTC)
        first, began = _split(start)
        if self.calendar.is_worked(first):
            if counted <= DAY - began:
                return start.astimezone(UTC) + counted
            counted -= DAY - began
        dates = -(-counted // DAY)
        last = self.calendar.worked_after(first, dates)
        return midnight(last) + (counted - DAY * (dates - 1))


@dataclass(frozen=True, slots=True, eq=False)
class LegalDays:
    """Calendar days as the law counts them: they run through, and the last may roll (convention 4).

    Raises BeyondCalendar when it is unknown whether the last day is worked (convention 12).
    """

    calendar: WorkingCalendar

    def due(self, start: datetime, limit: Limit) -> datetime:
        """24:00 of the N-th date after the start date or, if that is off, of the next worked."""
        return midnight(self.calendar.worked_from(ordinal_of(start) + _days(limit)) + 1)

    def counted(self, start: datetime, end: datetime) -> timedelta:
        """The time between the two."""
        return max(end - start, NOTHING)

    def after(self, start: datetime, counted: timedelta) -> datetime:
        """`start` plus `counted`."""
        return start.astimezone(UTC) + counted


Opening = tuple[timedelta, timedelta]
"""From when to when on one date, since its 00:00, half-open."""


@dataclass(frozen=True, slots=True, eq=False)
class ServiceHours:
    """The opening hours of a desk or a hall, half-open, by weekday (convention 5).

    `weekly` has seven lists of openings, Monday's first; `dates` replaces a date's list, and an
    empty one shuts it. Holidays are like any other date unless listed. A limit used up exactly at
    closing time is due then, not at the next opening. Raises ValueError for hours that overlap,
    run backwards, leave their date, or never open.
    """

    weekly: Sequence[Sequence[Opening]]
    dates: Mapping[int, Sequence[Opening]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if len(self.weekly) != 7 or not any(self.weekly):
            raise ValueError("service hours need seven weekdays, one of them open")
        for openings in (*self.weekly, *self.dates.values()):
            edges = [edge for opening in openings for edge in opening]
            if any(later <= earlier for earlier, later in pairwise(edges)):
                raise ValueError("openings must be in order and must not touch or overlap")
            if edges and (edges[0] < NOTHING or edges[-1] > DAY):
                raise ValueError("an opening begins and ends on its own date")

    def is_open(self, instant: datetime) -> bool:
        """Whether somebody serves at this instant."""
        ordinal, within = _split(instant)
        return any(opens <= within < shuts for opens, shuts in self._openings(ordinal))

    def due(self, start: datetime, limit: Limit) -> datetime:
        """The instant at which the minutes or hours of service are used up."""
        return self.after(start, limit.span)

    def counted(self, start: datetime, end: datetime) -> timedelta:
        """The time between the two that falls within service hours."""
        first, began = _split(start)
        last, ended = _split(end)
        total = NOTHING
        for ordinal in range(first, last + 1):
            since = began if ordinal == first else NOTHING
            until = ended if ordinal == last else DAY
            for opens, shuts in self._openings(ordinal):
                total += max(min(shuts, until) - max(opens, since), NOTHING)
        return total

    def after(self, start: datetime, counted: timedelta) -> datetime:
        """As `Counting.after`."""
        if counted <= NOTHING:
            return start.astimezone(UTC)
        ordinal, since = _split(start)
        for _ in range(_LOOK_AHEAD_DAYS_MAX):
            for opens, shuts in self._openings(ordinal):
                begins = max(opens, since)
                if counted <= shuts - begins:
                    return midnight(ordinal) + begins + counted
                counted -= max(shuts - begins, NOTHING)
            ordinal, since = ordinal + 1, NOTHING
        raise ValueError(f"these service hours do not open often enough after {start.isoformat()}")

    def _openings(self, ordinal: int) -> Sequence[Opening]:
        if self.dates and ordinal in self.dates:
            return self.dates[ordinal]
        return self.weekly[(ordinal - 1) % 7]


def daily(opens: time, shuts: time) -> ServiceHours:
    """The same hours on every date, holidays too: the 10015 desk is `daily(08:00, 18:00)`."""
    return ServiceHours([[(since_midnight(opens), since_midnight(shuts))]] * 7)


def since_midnight(at: time) -> timedelta:
    """A time of day as the time since 00:00."""
    return timedelta(
        hours=at.hour, minutes=at.minute, seconds=at.second, microseconds=at.microsecond
    )


class Level(NamedTuple):
    """A warning level: so much of the counted time used up, or so much of it left."""

    name: str
    percent: int | None = None
    before: timedelta | None = None

    def used(self, total: timedelta) -> timedelta:
        """How much of `total` has been used at this level; not above zero when there is none."""
        if self.percent is not None:
            return total * self.percent // 100
        return total - (self.before or NOTHING)


LEVELS = (
    Level("50", percent=50),
    Level("80", percent=80),
    Level("last", before=timedelta(minutes=15)),
)
"""Half, four fifths, and 15 counted minutes before the end (convention 8)."""


class LevelAt(NamedTuple):
    """A warning level and the instant it is reached."""

    level: str
    at: datetime


def warnings(
    counting: Counting,
    since: datetime,
    total: timedelta,
    left: timedelta,
    levels: Iterable[Level] = LEVELS,
) -> tuple[LevelAt, ...]:
    """When each level still ahead is reached, if counting goes on at `since` with `left` to go.

    `total` is the whole counted time of the clock; for one that starts, `left` equals it. Levels
    used up before `since` are left out. Of two levels at one instant the later named stays, so
    that staff hear it once. Raises BeyondCalendar.
    """
    used = total - left
    ahead: dict[datetime, str] = {}
    for level in levels:
        still = level.used(total) - used
        if still > NOTHING:
            ahead[counting.after(since, still)] = level.name
    return tuple(LevelAt(name, at) for at, name in sorted(ahead.items()))


def ordinal_of(instant: datetime) -> int:
    """The Shanghai date of an instant, as a proleptic ordinal."""
    return _EPOCH_ORDINAL + (instant - _EPOCH).days


def date_of(instant: datetime) -> date:
    """The Shanghai date of an instant."""
    return date.fromordinal(ordinal_of(instant))


def midnight(ordinal: int) -> datetime:
    """00:00 in Shanghai of the date with this ordinal, in UTC."""
    return _EPOCH + timedelta(days=ordinal - _EPOCH_ORDINAL)


def last_counted_date(due: datetime) -> date:
    """The date a due belongs to: 24:00 of a date is that date's, not the next one's.

    A verdict belongs to the month of this date (DOMAIN rule 12).
    """
    return date_of(due - timedelta(microseconds=1))


def _split(instant: datetime) -> tuple[int, timedelta]:
    days, within = divmod(instant - _EPOCH, DAY)
    return _EPOCH_ORDINAL + days, within


def _days(limit: Limit) -> int:
    if limit.unit != "days":
        raise ValueError(f"this way of counting takes days, not {limit.unit}")
    return limit.amount
