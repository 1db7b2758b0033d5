"""A second, slow opinion on counting: minute by minute, sharing no code with the real one."""

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta, timezone

import chinese_calendar

CHINA = timezone(timedelta(hours=8))
MINUTE = timedelta(minutes=1)
Counts = Callable[[datetime], bool]
"""Whether the minute that begins at or holds this local instant counts."""


def working_day(local: datetime) -> bool:
    """24 h on a working date, nothing on a day off."""
    return bool(chinese_calendar.is_workday(local.date()))


def desk_hour(local: datetime) -> bool:
    """[08:00, 18:00) on every date."""
    return 8 <= local.hour < 18


def always(_local: datetime) -> bool:
    """Round the clock."""
    return True


def counted(start: datetime, end: datetime, counts: Counts) -> timedelta:
    """How much of the time between the two counts."""
    total = timedelta()
    for since, until in minutes(start):
        if since >= end:
            break
        if counts(since):
            total += min(until, end) - since
    return total


def after(start: datetime, wanted: timedelta, counts: Counts) -> datetime:
    """The earliest instant at which `wanted` has counted."""
    if not wanted:
        return start
    for since, until in minutes(start):
        if counts(since):
            if wanted <= until - since:
                return since + wanted
            wanted -= until - since
    raise AssertionError("minutes never end")


def working_days_due(start: datetime, days: int) -> datetime:
    """Walk date by date; cross off a working date for each day of the limit."""
    day = start.astimezone(CHINA).date()
    while days:
        day += timedelta(days=1)
        days -= bool(chinese_calendar.is_workday(day))
    return end_of(day)


def legal_days_due(start: datetime, days: int) -> datetime:
    """The N-th later date; while it is a day off, the next."""
    day = start.astimezone(CHINA).date() + timedelta(days=days)
    while not chinese_calendar.is_workday(day):
        day += timedelta(days=1)
    return end_of(day)


def end_of(day: date) -> datetime:
    """24:00 of a date in Shanghai."""
    return datetime(day.year, day.month, day.day, tzinfo=CHINA) + timedelta(hours=24)


def minutes(start: datetime) -> Iterator[tuple[datetime, datetime]]:
    """From `start`, the rest of its minute, then whole minutes, in local time, for ever."""
    since = start.astimezone(UTC).astimezone(CHINA)
    until = since.replace(second=0, microsecond=0) + MINUTE
    while True:
        yield since, until
        since, until = until, until + MINUTE
