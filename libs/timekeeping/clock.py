"""The clock is a port: the system's, a scaled one for play, a stepped one for exact tests.

This module is the only place that asks the machine for the time; everything else is told. Only
domain time comes from here: consumer, session and HTTP time-outs stay real (DESIGN, Time).
"""

from datetime import UTC, datetime, timedelta
from threading import Lock
from typing import Protocol

GRACE_REAL = timedelta(seconds=5)
"""How long a due timer waits for facts still under way (DESIGN, Timers; `CFG`)."""

SCALE_MAX = 60
"""Faster play would turn a real lag of 100 ms into a breach (DESIGN, Known traps)."""


class Clock(Protocol):
    """Where domain time comes from. Safe to share between threads."""

    @property
    def grace(self) -> timedelta:
        """Domain time a due timer waits before it may fire: 5 s of real time, none when stepped."""
        ...

    @property
    def stepped(self) -> bool:
        """True when time stands still until somebody moves it."""
        ...

    def now(self) -> datetime:
        """The present instant: aware, UTC, with microseconds."""
        ...


class SystemClock:
    """The machine's own time."""

    grace = GRACE_REAL
    stepped = False

    def now(self) -> datetime:
        """The machine's time in UTC."""
        return datetime.now(UTC)


class ScaledClock:
    """Time that runs `factor` times as fast as the machine's, from `origin` on.

    `anchor` is the real instant at which domain time is `origin` (default: now); processes that
    play together must be given the same one. `grace` is 5 s of *real* time, so it grows with the
    factor: what it waits for, a fact between two processes, does not travel faster in play.
    Raises ValueError for a factor outside 1..60 or an instant without a zone.
    """

    stepped = False

    def __init__(self, factor: int, origin: datetime, anchor: datetime | None = None) -> None:
        if not 1 <= factor <= SCALE_MAX:
            raise ValueError(f"a scaled clock runs 1 to {SCALE_MAX} times as fast, not {factor}")
        self.factor = factor
        self.origin = _utc(origin)
        self.anchor = datetime.now(UTC) if anchor is None else _utc(anchor)

    @property
    def grace(self) -> timedelta:
        """Five real seconds, in domain time."""
        return GRACE_REAL * self.factor

    def now(self) -> datetime:
        """The origin plus the real time since the anchor, scaled."""
        return self.origin + (datetime.now(UTC) - self.anchor) * self.factor


class SteppedClock:
    """Time that stands still until it is moved, and never goes back.

    Raises ValueError for an instant without a zone.
    """

    grace = timedelta(0)
    stepped = True

    def __init__(self, start: datetime) -> None:
        self._now = _utc(start)
        self._moving = Lock()

    def now(self) -> datetime:
        """The instant the clock was last moved to."""
        with self._moving:
            return self._now

    def jump(self, to: datetime) -> datetime:
        """Move to `to`, or stay where `to` is past already; returns the present instant.

        Staying is no error: a timer that was due before the clock started is due now.
        """
        with self._moving:
            self._now = max(self._now, _utc(to))
            return self._now


def _utc(instant: datetime) -> datetime:
    if instant.tzinfo is None:
        raise ValueError(f"an instant needs its zone: {instant.isoformat()}")
    return instant.astimezone(UTC)
