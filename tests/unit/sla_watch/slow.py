"""A second, slow opinion on whole clocks: minute by minute, sharing no code with the real ones.

Works on whole minutes of Shanghai time. The table below is DOMAIN's, copied by hand.
"""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from functools import cache
from typing import NamedTuple

import chinese_calendar

MINUTE = timedelta(minutes=1)

TABLE = {
    # clock: (limit in minutes, or in days, what counts, whether it waits for the customer)
    "first_contact": (60, "always", False),
    "repair.broadband.urban": (24 * 60, "always", True),
    "legal.repair.urban": (48 * 60, "always", False),
    "reply.mobile": (2, "working", True),
    "resolve": (5, "working", True),
    "attitude": (24 * 60, "always", True),
    "legal.answer": (15, "legal", False),
}
DESK_MINUTES = 120


class Outcome(NamedTuple):
    """What became of a clock."""

    state: str
    due: datetime


@cache
def worked(day: date) -> bool:
    """A working date, as the library has it."""
    return bool(chinese_calendar.is_workday(day))


def counts(local: datetime, way: str) -> bool:
    """Whether the minute that begins here counts."""
    if way == "working":
        return worked(local.date())
    return way != "desk" or 8 <= local.hour < 18


def budget(start: datetime, limit: int, way: str) -> int:
    """How many minutes a clock has in all."""
    if way in ("always", "desk"):
        return limit
    last = start.date()
    if way == "legal":
        last += timedelta(days=limit)
        while not worked(last):
            last += timedelta(days=1)
    while way == "working" and limit:
        last += timedelta(days=1)
        limit -= worked(last)
    minutes, at = 0, start
    while at.date() <= last:
        minutes += counts(at, way)
        at += MINUTE
    return minutes


def outcome(
    start: datetime,
    limit: int,
    way: str,
    pauses: Sequence[tuple[datetime, datetime]] = (),
    answered: datetime | None = None,
) -> Outcome:
    """Walks from the start, a minute at a time, until the limit is used up.

    An answer ends every pause; what it kept would have been due when the walk ends.
    """
    begins, ends = {one for one, _ in pauses}, {other for _, other in pauses}
    left, at, waiting, state = budget(start, limit, way), start, False, "breached"
    while True:
        if at == answered:
            begins, ends, waiting, state = set(), set(), False, "met"
        if at in ends:
            waiting = False
        if at in begins:
            waiting = True
        if not waiting:
            if not left:
                return Outcome(state, at)
            left -= counts(at, way)
        at += MINUTE
