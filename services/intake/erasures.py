"""Carries out in the vault what is on record about erasing: locks and destroys persons' keys.

The log decides, the vault follows: at once where it answers, else as soon as it does, and at each
start whatever is on record, for the vault does each locking and each destroying once (DESIGN,
Personal data: destroyed ids are applied again after a restore).
"""

import logging
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from contracts.housekeeping import ErasureMode, PersonErased
from libs.decider import Recorded
from libs.vault.store import Vault

log = logging.getLogger("bihuan.erasures")

RETRY_SECONDS = 2.0
AGAIN_SECONDS = 60.0
WAIT_SECONDS = 5.0
Decided = tuple[ErasureMode, UUID, datetime]


class Erasures:
    """One instance's hand in the vault: a thread of its own, for the writer must not wait for it.

    `on_record` reads everything decided so far; it is read at the start and every minute, for
    another instance may have died between its commit and the vault.
    """

    def __init__(self, vault: Vault, on_record: Callable[[], Sequence[Decided]]) -> None:
        self._vault = vault
        self._on_record = on_record
        self._waiting: list[Decided] = []
        self._changed = threading.Condition()
        self._stopping = False
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Applies everything on record, then goes on in a thread."""
        self._apply(self._on_record())
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="erasures", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """What is still late is applied at the next start."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def committed(self, events: Sequence[Recorded[Any]], _started_s: float) -> None:
        """These are on record now: those about erasing are carried out, at once if possible."""
        decided = [
            (one.data.mode, UUID(one.subject), one.time)
            for one in events
            if isinstance(one.data, PersonErased)
        ]
        if decided:
            with self._changed:
                self._waiting += decided
                self._changed.notify_all()

    def wait(self, seconds: float = WAIT_SECONDS) -> bool:
        """Whether all that was committed is carried out, after so many seconds at most."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._waiting, seconds)

    def _run(self) -> None:
        read_at = time.monotonic()
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._stopping or bool(self._waiting), AGAIN_SECONDS)
                if self._stopping:
                    return
                now = list(self._waiting)
            try:
                if time.monotonic() - read_at > AGAIN_SECONDS:
                    self._apply(self._on_record())
                    read_at = time.monotonic()
                self._apply(now)
            except Exception as error:  # noqa: BLE001 - it is tried again, whatever it was
                log.warning("erased later", extra={"error": type(error).__name__})
                time.sleep(RETRY_SECONDS)
                continue
            with self._changed:
                del self._waiting[: len(now)]
                self._changed.notify_all()

    def _apply(self, decided: Sequence[Decided]) -> None:
        carry_out(self._vault, decided)
        if not self._vault.vacuum():
            log.info("old versions of destroyed keys cannot leave yet")


class Erasing(Protocol):
    """What this needs of the vault: each locking and each destroying once, however often told."""

    def lock_again(self, lockings: Iterable[tuple[UUID, datetime]]) -> int:
        """Locks what was sealed so far; returns how much it was."""

    def destroy_again(self, erasures: Iterable[tuple[UUID, datetime]]) -> int:
        """Destroys every key; returns how many they were."""


def carry_out(vault: Erasing, decided: Sequence[Decided]) -> None:
    """Locks and destroys in the vault what is on record."""
    vault.lock_again((person, at) for mode, person, at in decided if mode is ErasureMode.LOCKED)
    vault.destroy_again(
        (person, at) for mode, person, at in decided if mode is ErasureMode.DESTROYED
    )
