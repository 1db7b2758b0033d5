"""Bears witness that the time which the database's clock tells was lived through.

A clock can be set, and one that both audit and its database go by, ahead by a year, would make the
floor seem to have passed. How long this process has run is told by a clock that nobody can set;
the keeper (infra/postgres/lived.sql) counts no more of the database's clock than that.
"""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

from prometheus_client import CollectorRegistry, Gauge
from psycopg import Connection
from psycopg.rows import tuple_row

from libs.decider.decider import wire_instant
from libs.eventlog.store import Store
from libs.eventlog.writer import UNAVAILABLE

log = logging.getLogger("bihuan.audit")

EVERY_SECONDS = 60.0
TOLERATED = timedelta(minutes=1)
"""So far two clocks may differ (`keeper.vouched_now` goes by the same)."""
TOLD_FROM = timedelta(days=1)
"""Less than this is no alarm: a restart after a night is not told to anybody."""


def ran_s() -> float:
    """Seconds by a clock that nobody can set; while the machine slept too, where that is known."""
    boot = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic() if boot is None else time.clock_gettime(boot)


class Witness:
    """Tells the database each minute, and before anything is let go, how long this process ran."""

    def __init__(
        self, store: Store, registry: CollectorRegistry, ran: Callable[[], float] = ran_s
    ) -> None:
        self._store = store
        self._ran_s = ran
        self._told_s: float | None = None
        self._one = threading.Lock()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._told = timedelta(0)
        self._unvouched = Gauge(
            "bihuan_audit_unvouched_seconds",
            "How much of what the database's clock says nobody lived through: a day is an alarm",
            registry=registry,
        )

    def start(self) -> None:
        """Tells once, then each minute in a thread of its own."""
        self.unvouched()
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="witness", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """Ends."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join(5.0)

    def unvouched(self) -> timedelta:
        """How much of what the clock says now does not count for any floor; blocks.

        Nothing, while it is less than a minute.
        """
        with self._one, self._store.connection() as conn, conn.cursor(row_factory=tuple_row) as one:
            now_s = self._ran_s()
            lived = None if self._told_s is None else timedelta(seconds=now_s - self._told_s)
            row: tuple[datetime, datetime] | None = one.execute(
                "SELECT clock, vouched FROM keeper.live_on(%s)", (lived,)
            ).fetchone()
            assert row is not None
            self._told_s = now_s
            clock, vouched = row
            self._say(clock - vouched, vouched)
        return timedelta(0) if clock - vouched < TOLERATED else clock - vouched

    def look(self, _conn: Connection[Any]) -> Sequence[str]:
        """What a person should see to (`App.looking`)."""
        if self._told < TOLD_FROM:
            return ()
        return (
            f"{self._told.days} days of the clock are not vouched for and do not count for "
            "retention: is the clock right? (docs/operations.md, Retention)",
        )

    def _say(self, unvouched: timedelta, vouched: datetime) -> None:
        self._unvouched.set(unvouched.total_seconds())
        if unvouched - self._told >= TOLD_FROM:
            log.error(
                "the clock says more than was lived through",
                extra={"days": unvouched.days, "vouched_until": wire_instant(vouched)},
            )
        self._told = unvouched

    def _run(self) -> None:
        while not self._stopping.wait(EVERY_SECONDS):
            try:
                self.unvouched()
            except UNAVAILABLE as error:
                log.warning("no witness of time", extra={"error": type(error).__name__})
