"""Checkpoints carried to where the operator cannot reach them: into a folder, and to a webhook.

Each target has its own place in the order of checkpoints, kept in the database, and goes on from
there after any outage; what was carried out twice is the same bytes. Real time: a target's outage
has nothing to do with the domain's clock.
"""

import logging
import os
import secrets
import threading
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import httpx
from prometheus_client import CollectorRegistry, Counter, Gauge

from libs.eventlog.writer import UNAVAILABLE
from libs.messaging.app import App
from services.audit.cold.records import reading
from services.audit.cold.store import Store, StoreAway
from services.audit.domain.checkpoint import signed_of
from services.audit.domain.tree import NotInTree
from services.audit.tiles import TreeBroken, checkpoint_of, checkpoints, listed

log = logging.getLogger("bihuan.audit")

DDL = (
    "CREATE TABLE IF NOT EXISTS checkpoint_export (target text PRIMARY KEY, size bigint NOT NULL)",
)

RETRY_SECONDS_FIRST = 1.0
RETRY_SECONDS_MAX = 300.0
WEBHOOK_SECONDS_MAX = 30.0
SIZE_DIGITS = 15


class Differs(RuntimeError):
    """The target holds other bytes under this size: one of the two is not this log's."""


TRIED_AGAIN: tuple[type[Exception], ...] = (
    *UNAVAILABLE,
    OSError,
    httpx.HTTPError,
    Differs,
    StoreAway,
    TreeBroken,
    NotInTree,
)


class Target(Protocol):
    """Where checkpoints go."""

    name: str

    def deliver(self, size: int, note: str, leaves: Iterable[str]) -> None:
        """Hands one over; raises OSError, httpx.HTTPError or Differs, and is then tried again."""


class Drop:
    """A folder: `<size>.checkpoint`, and `<size>.leaves` beside it, written first."""

    name = "drop"

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def deliver(self, size: int, note: str, leaves: Iterable[str]) -> None:
        """Writes both files, complete or not at all; never over others."""
        self._folder.mkdir(parents=True, exist_ok=True)
        stem = f"{size:0{SIZE_DIGITS}}"
        self._write(f"{stem}.leaves", leaves)
        self._write(f"{stem}.checkpoint", (note,))

    def _write(self, name: str, content: Iterable[str]) -> None:
        path = self._folder / name
        partial = self._folder / f".{name}.{secrets.token_hex(4)}"
        try:
            with partial.open("x", encoding="utf-8", newline="\n") as file:
                file.writelines(content)
                file.flush()
                os.fsync(file.fileno())
            if not path.exists():
                partial.rename(path)
            elif path.read_bytes() != partial.read_bytes():
                raise Differs(f"{name} is there with other bytes")
        finally:
            partial.unlink(missing_ok=True)


class Webhook:
    """A URL that takes the list of what was sealed, then the note, both as text/plain.

    `idempotency-key` names them, `leaves-<size>` and `checkpoint-<size>`; anything but 2xx is tried
    again.
    """

    name = "webhook"

    def __init__(self, url: str) -> None:
        self._url = url

    def deliver(self, size: int, note: str, leaves: Iterable[str]) -> None:
        """POSTs the list, then the note: whoever has the note has what it covers."""
        with httpx.Client(timeout=WEBHOOK_SECONDS_MAX, trust_env=False) as client:
            self._post(client, f"leaves-{size}", (line.encode() for line in leaves))
            self._post(client, f"checkpoint-{size}", note.encode())

    def _post(self, client: httpx.Client, key: str, content: bytes | Iterable[bytes]) -> None:
        headers = {"content-type": "text/plain; charset=utf-8", "idempotency-key": key}
        client.post(self._url, content=content, headers=headers).raise_for_status()


@dataclass(slots=True)
class _Progress:
    target: Target
    failures: int = 0
    not_before: float = 0.0


class Exporter:
    """Carries every checkpoint to every target, in order, until it is told to stop."""

    def __init__(
        self,
        app: App,
        targets: Sequence[Target],
        registry: CollectorRegistry,
        store: Store | None = None,
    ) -> None:
        self._app = app
        self._store = store
        self._targets = [_Progress(one) for one in targets]
        self._wake = threading.Event()
        self._stopping = False
        self._thread: threading.Thread | None = None
        self._fates = Counter(
            "bihuan_checkpoint_exports",
            "Checkpoints carried off the machine, by target and what became of it",
            ["target", "fate"],
            registry=registry,
        )
        self._carried = Gauge(
            "bihuan_checkpoint_exported_events",
            "Events that the last checkpoint at this target covers",
            ["target"],
            registry=registry,
        )

    def start(self) -> None:
        """Begins, in a thread of its own."""
        if self._targets and self._thread is None:
            self._thread = threading.Thread(target=self._run, name="checkpoints", daemon=True)
            self._thread.start()

    def wake(self) -> None:
        """There is a new checkpoint."""
        self._wake.set()

    def stop(self) -> None:
        """Ends; what is under way is finished first."""
        self._stopping = True
        self._wake.set()
        if self._thread is not None:
            self._thread.join(WEBHOOK_SECONDS_MAX)

    def _run(self) -> None:
        while not self._stopping:
            self._wake.clear()
            waits = [self._carry(one) for one in self._targets]
            self._wake.wait(min(waits))

    def _carry(self, one: _Progress) -> float:
        """Everything this target lacks; returns the seconds until it is to be looked at again."""
        while not self._stopping:
            if (left := one.not_before - time.monotonic()) > 0:
                return left
            try:
                if not self._next(one):
                    return RETRY_SECONDS_MAX
                one.failures = 0
                self._fates.labels(one.target.name, "carried").inc()
            except TRIED_AGAIN as error:
                wait = min(RETRY_SECONDS_FIRST * 2**one.failures, RETRY_SECONDS_MAX)
                one.failures += 1
                one.not_before = time.monotonic() + wait
                self._fates.labels(one.target.name, "failed").inc()
                # Never the text: it may quote a URL, and a URL may hold a secret.
                log.warning(
                    "a checkpoint was not carried out; it is tried again",
                    extra={"target": one.target.name, "error": type(error).__name__},
                )
        return 0.0

    def _next(self, one: _Progress) -> bool:
        """Carries the next checkpoint to a target; False when it has all."""
        name = one.target.name
        with self._app.store.connection() as conn:
            row = conn.execute(
                "SELECT e.size, s.number FROM checkpoint_export e "
                "LEFT JOIN sealed s ON s.size = e.size WHERE target = %s",
                (name,),
            ).fetchone()
            following = checkpoints(conn, (row["number"] or 0) if row else 0, 1)
            if not following:
                return False
            (checkpoint,) = following
            if checkpoint_of(conn, checkpoint.size) is None:
                return False  # on record, and its leaves are not there yet: a rebuild goes on
            with reading(conn, self._store) as archived:
                told = listed(archived, checkpoint)
                one.target.deliver(checkpoint.size, signed_of(checkpoint).note(), told)
            conn.execute(
                "INSERT INTO checkpoint_export (target, size) VALUES (%s, %s) "
                "ON CONFLICT (target) DO UPDATE SET size = EXCLUDED.size",
                (name, checkpoint.size),
            )
        self._carried.labels(name).set(checkpoint.size)
        return True
