"""Compares live views with a replay all the time, and rings when they differ.

For now, the state of a complaint equals what every service shows, byte by byte; what differs was
changed behind a service's back, or its fold is wrong. What is asked of the others is what an
auditor may ask: their rows of a complaint, with sealed words as marks.
"""

import asyncio
import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import psycopg
import psycopg_pool
from eventsourcing.persistence import InterfaceError, OperationalError
from prometheus_client import CollectorRegistry, Counter, Gauge

from libs.decider import DomainError
from libs.decider.plain import plain
from libs.messaging.app import App
from services.audit import views
from services.audit.cold.records import reading
from services.audit.cold.store import Store
from services.audit.domain.comparing import Sample, Shown, compare
from services.audit.knowing import StateAt, events_of

log = logging.getLogger("bihuan.audit")

TIMEOUT_SECONDS = 10.0
TURN_COMPLAINTS = 50
AGAIN_SECONDS = 0.5
TRIED_AGAIN = (
    httpx.HTTPError,
    psycopg.Error,
    psycopg_pool.PoolTimeout,
    OperationalError,
    InterfaceError,
    OSError,
    ValueError,
)
"""A service or the database is away, or answers nothing that can be read: that is no difference."""


class Comparer:
    """One complaint each so many seconds, in a thread of its own, until it is told to stop."""

    def __init__(
        self,
        app: App,
        state_at: StateAt,
        *,
        urls: Callable[[], Mapping[str, str]],
        token_file: Path | None,
        every_seconds: float,
        registry: CollectorRegistry,
        store: Store | None = None,
    ) -> None:
        self._app = app
        self._store = store
        self._state_at = state_at
        self._urls = urls
        self._token_file = token_file
        self._every = every_seconds
        self._sample = Sample()
        self._cursor = uuid4()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._http = httpx.Client(timeout=TIMEOUT_SECONDS, trust_env=False)
        self._compared = Counter(
            "bihuan_state_compared",
            "Complaints whose live views were compared with a replay, by what was found",
            ["found"],
            registry=registry,
        )
        self._different = Gauge(
            "bihuan_state_different",
            "Views of a service that a replay does not give: anything above 0 is an alarm",
            registry=registry,
        )
        self._at = Gauge(
            "bihuan_state_check_timestamp_seconds",
            "When a complaint was last compared",
            registry=registry,
        )

    def start(self) -> None:
        """Begins, where it has whom to ask."""
        if self._every > 0 and self._thread is None:
            self._thread = threading.Thread(target=self._run, name="comparing", daemon=True)
            self._thread.start()

    async def stop(self) -> None:
        """Ends; what is under way is finished first, by services of this process perhaps."""
        self._stopping.set()
        if self._thread is not None:
            await asyncio.to_thread(self._thread.join, TIMEOUT_SECONDS)
        self._http.close()

    def look(self, _conn: psycopg.Connection[Any]) -> Sequence[str]:
        """What a person should see to (`App.looking`)."""
        return self._sample.told()

    def _run(self) -> None:
        while not self._stopping.wait(self._every):
            if not self._urls():
                continue
            try:
                self._compare_next()
            except TRIED_AGAIN as error:
                self._compared.labels("failed").inc()
                log.warning("nothing was compared", extra={"error": type(error).__name__})
            except Exception:  # counted, and told; the next complaint is compared all the same
                self._compared.labels("failed").inc()
                log.exception("a complaint cannot be compared")

    def _compare_next(self) -> None:
        complaint = self._sample.next(self._draw)
        if complaint is None:
            return
        try:
            different = compare(
                lambda: (self._live(complaint), self._replayed(complaint)),
                lambda: self._stopping.wait(AGAIN_SECONDS),
            )
        except DomainError:  # a hole in the log, bytes that cannot be read: bihuan_audit_faults
            self._compared.labels("unreadable").inc()
            return
        self._sample.found(complaint, different)
        self._compared.labels(_word(different)).inc()
        self._different.set(self._sample.views())
        self._at.set_to_current_time()
        for one in different or ():
            log.error(
                "a view is not what the events say",
                extra={
                    "complaint": str(complaint),
                    "service": one.service,
                    "tables": list(one.tables),
                },
            )

    def _draw(self) -> Sequence[UUID]:
        """The next complaints by id, which are hashes and so in no order; round and round."""
        with self._app.store.connection() as conn:
            drawn = views.sample(conn, self._cursor, TURN_COMPLAINTS)
        if drawn:
            self._cursor = UUID(int=(drawn[-1].int + 1) % 2**128)
        return drawn

    def _live(self, complaint: UUID) -> Shown:
        headers = {"Authorization": f"Bearer {self._token()}"}
        live = {}
        for name, url in self._urls().items():
            answer = self._http.get(f"{url}/operations/rows/{complaint}", headers=headers)
            live[name] = answer.raise_for_status().json()
        return live

    def _replayed(self, complaint: UUID) -> Shown:
        with self._app.store.connection() as conn, reading(conn, self._store) as records:
            events = events_of(self._app, records, complaint)
        found: Any = self._state_at(events, self._app.clock.now())
        if found is None:
            return {}
        replayed: Any = plain(found.as_it_was.services)
        return {name: replayed.get(name, {}) for name in self._urls()}

    def _token(self) -> str:
        return self._token_file.read_text(encoding="ascii").strip() if self._token_file else ""


def _word(different: Sequence[Any] | None) -> str:
    if different is None:
        return "moving"
    return "different" if different else "equal"
