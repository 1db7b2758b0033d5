"""A service's database made again from the log, or its views from its own events.

Let L be the records the inbox rule accepts, in that order. The service's own records are copied
with their positions as notification ids; views and timers are folded from its own events and from
heard ones of L; tracking becomes, per partition, the last cause of its own events (DESIGN,
Rebuild, defined). The vault and what was never relayed are outside and need backups.
"""

import asyncio
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import psycopg
from psycopg.rows import dict_row

from libs.decider import To
from libs.eventlog import half_made
from libs.eventlog.envelope import Origin
from libs.eventlog.housekeeping import Note
from libs.eventlog.recorder import TimerRow, Unit
from libs.eventlog.service import Service
from libs.eventlog.store import Store
from libs.eventlog.work import Stream, Work, partition_of
from libs.messaging.copying import Copy, Excuses, Track, Where
from libs.messaging.garbage import seldom_searched
from libs.messaging.log_source import Accepted, Log, Progress, quiet, refuse_missing
from libs.messaging.position import START, Position
from libs.messaging.spool import Spool
from libs.timekeeping.clock import SystemClock

CHUNK_EVENTS = 2_000
CHUNK_STREAMS = 500
OPERATOR = "operator"


class StillRunning(RuntimeError):
    """An instance of the service holds the relay's lock: stop it before rebuilding."""


class NotEmpty(RuntimeError):
    """The database already holds events: drop it first, or rebuild its views only."""


@dataclass(slots=True)
class Rebuilt:
    """What a rebuild did."""

    what: str
    events: int = 0
    records: int = 0
    generation: int = 1
    digest: str = ""


def lock_out_instances(dsn: str) -> psycopg.Connection[Any]:
    """Takes the relay's lock for as long as the returned connection lives; raises StillRunning."""
    conn = psycopg.connect(dsn, autocommit=True, row_factory=dict_row)
    row = conn.execute("SELECT pg_try_advisory_lock(7231002) AS mine").fetchone()
    if not (row and row["mine"]):
        conn.close()
        raise StillRunning("an instance of this service is running; stop it first")
    return conn


async def rebuild(
    service: Service,
    store: Store,
    dsn: str,
    *,
    log: Log,
    where: Where,
    whole: bool,
    by: str = OPERATOR,
    source: str = "the log",
    progress: Progress = quiet,
) -> Rebuilt:
    """Rebuilds the views, or (`whole`) an emptied database; no instance may run meanwhile.

    Raises StillRunning, NotEmpty, or LogUnusable, and has then changed nothing. Broken off later it
    leaves a database that says it is half made, and that no instance starts on; views can then be
    made again by the same call. `source`: what L comes from, as it is said there.
    """

    def run() -> Rebuilt:
        guard = lock_out_instances(dsn)
        try:
            return offline(
                service, store, log, where, whole=whole, by=by, source=source, progress=progress
            )
        finally:
            guard.close()

    return await asyncio.to_thread(run)


def offline(
    service: Service,
    store: Store,
    log: Log,
    where: Where,
    *,
    whole: bool,
    by: str,
    source: str,
    progress: Progress,
) -> Rebuilt:
    """The same, on a database that nobody else uses."""
    store.create_tables(views_anew=True)
    if whole:
        refuse_events(store)
    with seldom_searched(), Spool() as spool:
        gather(spool, service, log, progress, everything=whole)
        with store.connection() as conn:
            half_made.begin(conn, "database" if whole else "views", source, by)
        if whole:
            done = _whole(service, store, spool, where, progress)
        else:
            done = _Views(service, store, where, progress).run(spool)
    note(store, done, where, by)
    with store.connection() as conn:
        half_made.end(conn)
    return done


def gather(
    spool: Spool, service: Service, log: Log, progress: Progress, *, everything: bool
) -> None:
    """Puts L, or what a service hears of it, into a spool; raises LogUnusable."""
    excuses = Excuses(service)
    for one in log.read(progress):
        excuses.hear(one)
        if everything or one.headers.type in service.heard_types:
            spool.add(one)
    refuse_missing(excuses.without(log.missing))


def refuse_events(store: Store) -> None:
    """Raises NotEmpty."""
    with store.connection() as conn:
        if conn.execute("SELECT 1 FROM stored_events LIMIT 1").fetchone() is not None:
            raise NotEmpty(f"the database of {store.service.name} still holds events")


def _whole(
    service: Service, store: Store, spool: Spool, where: Where, progress: Progress
) -> Rebuilt:
    with closing(Copy(service, store, where, progress)) as copy:
        copy.own(spool, spool.records)
        track = Track(where, everything=service.archive is not None)
        # All of L: what lies behind the tracking is taken again, and shows the same again.
        copy.follow(spool, track)
        copy.finish_parked()
        unit = Unit()
        track.into(unit)
        store.recorder.insert_events([], unit=unit)
        if service.archive is not None:
            with store.connection() as conn:
                service.archive_rebuilt(conn)
        copy.purge()  # behind the proof, which is made of all there was
        copy.purges.withhold(spool)
        generation = copy.learnt.generation + 1
        copy.relay_state(generation)
        done = Rebuilt("database", copy.learnt.events, copy.records, generation, digest_of(store))
        copy.purges.answer(lambda: _deciding(store, where), track.has)
        return done


class _Views:
    """Views and timers again, from the events that are there and what was heard."""

    def __init__(self, service: Service, store: Store, where: Where, progress: Progress) -> None:
        self.service = service
        self.store = store
        self.where = where
        self.progress = progress
        self._by_event = {
            event.type: decider for decider in service.deciders for event in decider.events
        }

    def run(self, spool: Spool) -> Rebuilt:
        with self.store.connection() as conn, conn.transaction():
            for table in self.service.tables:
                conn.execute(f"TRUNCATE {table.name}")
            conn.execute("TRUNCATE timer")
            taken = {
                (row["source"], row["partition"]): Position(row["generation"], row["id"])
                for row in conn.execute("SELECT * FROM inbox_taken").fetchall()
            }
            aside = {
                (row["partition"], row["record_offset"])
                for row in conn.execute(
                    "SELECT partition, record_offset FROM parked "
                    "WHERE topic = %s AND (state <> 'settled' OR detail = 'discarded')",
                    (self.where.topic,),
                ).fetchall()
            }
        events = self._fold_own()
        records = self._fold_heard(
            one
            for one in spool
            if one.headers.position <= taken.get((one.headers.source, one.partition), START)
            and (one.partition, one.place.offset) not in aside
        )
        return Rebuilt("views", events, records)

    def _fold_own(self) -> int:
        events = 0
        with self.store.connection() as conn:
            counted = conn.execute("SELECT count(*) AS n FROM stored_events").fetchone()
        total = counted["n"] if counted else 0
        unit = Unit()
        for streams, stream in enumerate(self._streams(), start=1):
            events += stream.version
            stream.refresh()
            for row in stream.rows:
                unit.rows[(row.table, tuple(value for _, value in row.key))] = row
            for name, due in stream.timers.items():
                unit.timers[(stream.originator_id, name)] = TimerRow(
                    stream.originator_id,
                    name,
                    stream.decider.kind,
                    stream.subject,
                    partition_of(stream.subject, self.where.partitions),
                    due,
                )
            if streams % CHUNK_STREAMS == 0:
                self.store.recorder.insert_events([], unit=unit)
                self.progress("folding own events", events, total)
                unit = Unit()
        self.store.recorder.insert_events([], unit=unit)
        return events

    def _streams(self) -> Iterator[Stream]:
        """Every stream of the store that a decider folds, one after another."""
        with (
            self.store.connection() as conn,
            conn.transaction(),
            conn.cursor(name="rebuild") as curs,
        ):
            curs.itersize = CHUNK_EVENTS
            curs.execute(
                "SELECT originator_id, topic, state FROM stored_events "
                "ORDER BY originator_id, originator_version"
            )
            current: Stream | None = None
            for row in curs:
                key, topic, state = row["originator_id"], row["topic"], bytes(row["state"])
                if current is None or current.originator_id != key:
                    if current is not None and current.state is not None:
                        yield current
                    current = None
                decider = self._by_event.get(self.service.upcasts.newest(topic))
                if decider is None:
                    continue
                recorded = self.service.read(state)
                if current is None:
                    current = Stream(key, recorded.subject, decider)
                current.version += 1
                current.state = decider.evolve(current.state, recorded)
            if current is not None and current.state is not None:
                yield current

    def _fold_heard(self, records: Iterable[Accepted]) -> int:
        with closing(Copy(self.service, self.store, self.where, self.progress)) as copy:
            copy.show(records)
            copy.purge(rows_only=True)
            return copy.records


# -- on record ---------------------------------------------------------------------------------


def digest_of(store: Store) -> str:
    """SHA-256 over the store's events in order of notification id."""
    running = sha256()
    with (
        store.connection() as conn,
        conn.transaction(),
        conn.cursor(name="digest") as curs,
    ):
        curs.itersize = CHUNK_EVENTS
        curs.execute("SELECT state FROM stored_events ORDER BY notification_id")
        for row in curs:
            running.update(bytes(row["state"]))
    return running.hexdigest()


def note(store: Store, done: Rebuilt, where: Where, by: str) -> Rebuilt:
    """The rebuild itself goes on record (EVENTS, Housekeeping): what, by whom, the digest."""
    service = store.service
    done.digest = done.digest or digest_of(store)
    work = _deciding(store, where)
    event = service.housekeeping.rebuild_done.model_validate(
        {
            "what": done.what,
            "events": done.events,
            "generation": done.generation,
            "by": by,
            "digest": done.digest,
        }
    )
    work.apply(
        To(f"rebuild:{service.name}", Note(at=work.now, event=event)),
        Origin(causation=f"operator:{by}", actor="system:rebuild"),
    )
    store.commit(work.unit(), work)
    return done


def _deciding(store: Store, where: Where) -> Work:
    """An empty unit that decides now."""
    now = SystemClock().now()
    return Work(store.service, store, store.policies(), now, where.partitions, store.blocked())
