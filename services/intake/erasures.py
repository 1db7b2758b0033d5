"""Carries out in the vault what is on record about erasing: locks and destroys persons' keys.

The log decides, the vault follows: at once where it answers, else as soon as it does, and at each
start whatever is on record, for the vault does each locking and each destroying once (DESIGN,
Personal data: destroyed ids are applied again after a restore).
"""

import logging
import threading
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg import Error
from psycopg_pool import PoolTimeout

from contracts.housekeeping import ErasureMode, PersonErased
from libs.decider import Recorded
from libs.vault.store import Vault

log = logging.getLogger("bihuan.erasures")

RETRY_SECONDS = 2.0
Decided = tuple[ErasureMode, UUID, datetime]


class Erasures:
    """One instance's hand in the vault; `committed` may be called from any thread."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault
        self._late: list[Decided] = []
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self, on_record: Sequence[Decided]) -> None:
        """Applies everything on record, and from now on what could not be applied at once."""
        self._apply(on_record)
        self._stopped.clear()
        self._thread = threading.Thread(target=self._again, name="erasures", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """What is still late is applied at the next start."""
        self._stopped.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def committed(self, events: Sequence[Recorded[Any]], _started_s: float) -> None:
        """These are on record now: those about erasing are carried out."""
        decided = [
            (one.data.mode, UUID(one.subject), one.time)
            for one in events
            if isinstance(one.data, PersonErased)
        ]
        if not decided:
            return
        try:
            self._apply(decided)
        except (Error, PoolTimeout) as error:
            log.warning("the vault is away; erased later", extra={"error": type(error).__name__})
            with self._lock:
                self._late += decided

    def _apply(self, decided: Sequence[Decided]) -> None:
        self._vault.lock_again(
            (person, at) for mode, person, at in decided if mode is ErasureMode.LOCKED
        )
        self._vault.destroy_again(
            (person, at) for mode, person, at in decided if mode is ErasureMode.DESTROYED
        )

    def _again(self) -> None:
        while not self._stopped.wait(RETRY_SECONDS):
            with self._lock:
                late, self._late = self._late, []
            if late:
                try:
                    self._apply(late)
                except (Error, PoolTimeout):
                    with self._lock:
                        self._late += late
