"""Seals a checkpoint each hour in which something was accepted, by the clock port.

The tree is extended in a thread for reading; the event, the tiles and the order of the leaves are
committed together by audit's own writer. Of several instances the one that has the partition of
the checkpoints' stream does it; if another did it meanwhile, this one leaves it.
"""

import logging
from collections.abc import Callable
from datetime import datetime, timedelta

from prometheus_client import Gauge

from contracts.housekeeping import CheckpointSealed
from libs.decider import To
from libs.eventlog.envelope import Origin
from libs.eventlog.work import Work, partition_of
from libs.messaging.app import App
from services.audit.cold.records import Records, reading
from services.audit.cold.store import Store, StoreAway
from services.audit.domain.checkpoint import (
    SUBJECT,
    Accepted,
    Checkpoint,
    Seal,
    Superseded,
    event_of,
    next_mark,
    public_key_of,
)
from services.audit.domain.tree import NotInTree
from services.audit.signing import CheckpointKey
from services.audit.tiles import (
    Extension,
    TreeBroken,
    accepted,
    catch_up,
    extension,
    last_checkpoint,
)

log = logging.getLogger("bihuan.audit")


class Sealer:
    """A chore of the app (see App.chores); `sealed` is told of each new checkpoint."""

    name = "checkpoint"

    def __init__(
        self,
        app: App,
        key: CheckpointKey,
        *,
        origin: str,
        every: timedelta,
        store: Store | None = None,
        sealed: Callable[[], None] = lambda: None,
    ) -> None:
        self._app = app
        self._key = key
        self._origin = origin
        self._every = every
        self._store = store
        self._sealed = sealed
        self._due: datetime | None = None
        self._broken = Gauge(
            "bihuan_audit_seal_refused",
            "1 while no checkpoint can be sealed, for the tree is not what was sealed: an alarm",
            registry=app.registry,
        )
        self._size = Gauge(
            "bihuan_audit_sealed_events",
            "Events that the last checkpoint covers",
            registry=app.registry,
        )

    def open_up(self) -> None:
        """Makes what a rebuilt database lacks; a tree that does not fit is an alarm, no stop."""
        with self._app.store.connection() as conn:
            try:
                catch_up(conn, self._store)
            except (TreeBroken, NotInTree, StoreAway) as error:
                self._alarm(error)

    # -- when ------------------------------------------------------------------------------------

    def next_due(self) -> datetime | None:
        """When to seal next; None while nothing was accepted since, or another instance does it."""
        if partition_of(SUBJECT, self._app.settings.partitions) not in self._app.inbox.progress:
            self._due = None
            return None
        now = self._app.clock.now()
        if self._due is not None and self._due - now > self._every:
            self._due = None  # the clock was set back: that instant lies in what it leapt over
        if self._due is not None and now < self._due:
            return self._due
        with self._app.store.connection() as conn:
            _, last = last_checkpoint(conn)
            records = sum(many for many, _ in accepted(conn).values())
        # The last checkpoint's own event comes back from the log: that alone is nothing new, but
        # for a key that has sealed nothing yet, and that bundles wait for.
        own = last is not None and public_key_of(last) == self._key.public
        if records - (last.size if last else 0) <= (1 if own else 0):
            self._due = None
        elif self._due is None:
            overdue = last is not None and last.sealed_at + 2 * self._every < now
            self._due = now if overdue else next_mark(now, self._every)
        return self._due

    # -- what ------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Seals what was accepted up to now."""
        self._due = None
        made = await self._app.beside(self._prepare)
        if made is not None:
            await self._app.in_thread(self._commit, *made)
            self._sealed()

    def _prepare(self) -> tuple[int, CheckpointSealed, Extension] | None:
        now = self._app.clock.now()
        with self._app.store.connection() as conn, reading(conn, self._store) as archived:
            try:
                return self._made(archived, now)
            except (TreeBroken, NotInTree, StoreAway) as error:
                self._alarm(error)
                self._due = next_mark(now, self._every)
                return None

    def _made(
        self, archived: Records, now: datetime
    ) -> tuple[int, CheckpointSealed, Extension] | None:
        number, last = last_checkpoint(archived.conn)
        upto = accepted(archived.conn)
        added = extension(archived, last, {one: records for one, (records, _) in upto.items()})
        if last is not None and added.size == last.size:
            return None
        checkpoint = Checkpoint(
            origin=self._origin,
            size=added.size,
            root=added.root,
            sealed_at=now if last is None else max(now, last.sealed_at),
            previous_size=last.size if last else 0,
            previous_root=bytes.fromhex(last.root) if last else None,
            streams=added.streams,
            partitions=tuple(
                Accepted(partition, *state) for partition, state in sorted(upto.items())
            ),
        )
        signature = self._key.sign(checkpoint.text())
        return number + 1, event_of(checkpoint, self._key.public, signature), added

    def _commit(self, number: int, event: CheckpointSealed, added: Extension) -> None:
        def decide(work: Work) -> None:
            origin = Origin(causation=f"timer:{SUBJECT}:checkpoint", actor="system:audit")
            work.apply(To(SUBJECT, Seal(at=event.sealed_at, checkpoint=event)), origin)
            work.extra.archive = lambda conn: added.write(conn, number)

        try:
            self._app.writer.transact(decide)
        except Superseded:
            return  # another instance sealed meanwhile
        self._broken.set(0)
        self._size.set(event.size)

    def _alarm(self, error: Exception) -> None:
        self._broken.set(1)
        log.error("no checkpoint can be sealed", extra={"problem": str(error)})
