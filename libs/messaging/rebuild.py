"""A service's database made again from the log, or its views from its own events.

Let L be the records the inbox rule accepts, in that order. The service's own records are copied
with their positions as notification ids; views and timers are folded from its own events and from
heard ones of L; tracking becomes, per partition, the last cause of its own events (DESIGN,
Rebuild, defined). The vault and what was never relayed are outside and need backups.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any
from uuid import UUID

import psycopg
from aiokafka import AIOKafkaConsumer, TopicPartition
from eventsourcing.persistence import StoredEvent
from psycopg import Connection
from psycopg.rows import dict_row

from libs.decider import Policies, Recorded, To
from libs.eventlog.envelope import (
    GENESIS,
    Origin,
    Unreadable,
    decode,
    digest,
    originator,
)
from libs.eventlog.housekeeping import BESIDE, Note
from libs.eventlog.recorder import ParkedRow, Take, TimerRow, Unit
from libs.eventlog.service import LogRecord, Service
from libs.eventlog.store import Store
from libs.eventlog.work import Stream, Work, partition_of
from libs.messaging.clients import running
from libs.messaging.position import START, Position, RelayHeaders, key_text, read_headers
from libs.timekeeping.clock import SystemClock

FETCH_BYTES_MAX = 9 * 1024 * 1024
CHUNK_EVENTS = 2_000
CHUNK_STREAMS = 500
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
"""Rows take no `now`; where a unit of work needs one, it is this."""

Progress = Callable[[str, int, int], None]
"""Told of (what, done, of how many) as a rebuild goes on."""


class StillRunning(RuntimeError):
    """An instance of the service holds the relay's lock: stop it before rebuilding."""


class NotEmpty(RuntimeError):
    """The database already holds events: drop it first, or rebuild its views only."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """One record of L."""

    partition: int
    offset: int
    headers: RelayHeaders
    key: str
    value: bytes | None


@dataclass(slots=True)
class Rebuilt:
    """What a rebuild did."""

    what: str
    events: int = 0
    records: int = 0
    generation: int = 1
    digest: str = ""


@dataclass(slots=True)
class _Own:
    """What is known of the service's own streams while they are copied."""

    versions: dict[UUID, tuple[int, str]] = field(default_factory=dict)
    last: dict[int, tuple[Position, int]] = field(default_factory=dict)
    causes: set[str] = field(default_factory=set)
    parked: dict[str, tuple[str, str, str]] = field(default_factory=dict)
    """Record id -> (subject, error kind, detail) of what is parked and not settled."""
    events: int = 0
    generation: int = 0
    id_max: int = 0


async def read_log(
    bootstrap: str, topic: str, partitions: int, progress: Progress
) -> AsyncIterator[Accepted]:
    """L: every record the inbox rule accepts, partition by partition."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        max_partition_fetch_bytes=FETCH_BYTES_MAX,
    )
    async with running(consumer):
        places = [TopicPartition(topic, number) for number in range(partitions)]
        ends = await consumer.end_offsets(places)
        begins = await consumer.beginning_offsets(places)
        total, done = sum(ends.values()), 0
        for place in places:
            if ends[place] <= begins[place]:
                continue
            consumer.assign([place])
            consumer.seek(place, begins[place])
            taken: dict[str, Position] = {}
            while await consumer.position(place) < ends[place]:
                batch = await consumer.getmany(place, timeout_ms=500, max_records=5_000)
                for record in batch.get(place, ()):
                    done += 1
                    headers = read_headers(record.headers)
                    if headers is None or record.offset >= ends[place]:
                        continue
                    if headers.position > taken.get(headers.source, START):
                        taken[headers.source] = headers.position
                        yield Accepted(
                            place.partition,
                            record.offset,
                            headers,
                            key_text(record.key),
                            record.value,
                        )
                progress("reading the log", done, total)


def lock_out_instances(dsn: str) -> psycopg.Connection[Any]:
    """Takes the relay's lock for as long as the returned connection lives."""
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
    bootstrap: str,
    topic: str,
    topic_id: str,
    partitions: int,
    whole: bool,
    progress: Progress = lambda *_: None,
) -> Rebuilt:
    """Rebuilds the views, or (`whole`) an emptied database; no instance may run meanwhile.

    Raises StillRunning or NotEmpty.
    """
    guard = await asyncio.to_thread(lock_out_instances, dsn)
    try:
        await asyncio.to_thread(store.create_tables)
        log = [
            record
            async for record in read_log(bootstrap, topic, partitions, progress)
            if whole or record.headers.type in service.heard_types
        ]
        run = _Rebuild(service, store, topic, topic_id, partitions, progress)
        return await asyncio.to_thread(run.whole if whole else run.views, log)
    finally:
        await asyncio.to_thread(guard.close)


class _Rebuild:
    def __init__(
        self,
        service: Service,
        store: Store,
        topic: str,
        topic_id: str,
        partitions: int,
        progress: Progress,
    ) -> None:
        self.service = service
        self.store = store
        self.topic = topic
        self.topic_id = topic_id
        self.partitions = partitions
        self.progress = progress
        self._by_event = {
            event.type: decider for decider in service.deciders for event in decider.events
        }

    # -- views -----------------------------------------------------------------------------------

    def views(self, log: list[Accepted]) -> Rebuilt:
        """Views and timers again, from the events that are there and what was heard."""
        with self.store.connection() as conn, conn.transaction():
            for table in self.service.tables:
                conn.execute(f"TRUNCATE {table.name}")
            conn.execute("TRUNCATE timer")
            taken = {
                (row["source"], row["partition"]): Position(row["generation"], row["id"])
                for row in conn.execute("SELECT * FROM inbox_taken").fetchall()
            }
        events = self._fold_own()
        heard = [
            record
            for record in log
            if record.headers.position
            <= taken.get((record.headers.source, record.partition), START)
        ]
        self._fold_heard(heard)
        self._note("views", events, 1)
        return Rebuilt("views", events, len(heard), 1, self._digest())

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
                    partition_of(stream.subject, self.partitions),
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

    def _fold_heard(self, log: list[Accepted]) -> None:
        work = self._work()
        for number, record in enumerate(log, start=1):
            if record.headers.type not in self.service.heard_types:
                continue
            recorded = self._readable(record)
            if recorded is not None:
                work.show(self.service.heard_rows(recorded))
            if number % CHUNK_EVENTS == 0:
                self.store.recorder.insert_events([], unit=work.unit())
                work = self._work()
                self.progress("folding heard events", number, len(log))
        self.store.recorder.insert_events([], unit=work.unit())

    def _readable(self, record: Accepted) -> Recorded[Any] | None:
        """None for a record that is parked: it has had no effect yet."""
        try:
            return self.service.read(record.value or b"")
        except Unreadable:
            return None

    def _work(self) -> Work:
        return Work(self.service, self.store, Policies(), EPOCH, self.partitions)

    # -- the whole database ----------------------------------------------------------------------

    def whole(self, log: list[Accepted]) -> Rebuilt:
        """An emptied database again, from the log alone."""
        with self.store.connection() as conn:
            if conn.execute("SELECT 1 FROM stored_events LIMIT 1").fetchone() is not None:
                raise NotEmpty(f"the database of {self.service.name} still holds events")
        own = self._copy_own([one for one in log if one.headers.source == self.service.source])
        upto = self._tracking(log, own)
        if self.service.archive is not None:
            self._archive(log)
        self._fold_own()
        aside = self._park_again(
            [one for one in log if one.offset <= upto.get(one.partition, -1)], own
        )
        # All of L: what lies behind the tracking is taken again, and shows the same again.
        self._fold_heard([one for one in log if (one.partition, one.offset) not in aside])
        generation = own.generation + 1
        with self.store.connection() as conn:
            self._relay_state(conn, own, generation)
        self._note("database", own.events, generation)
        return Rebuilt("database", own.events, len(log), generation, self._digest())

    def _copy_own(self, records: list[Accepted]) -> _Own:
        own = _Own()
        ordered = sorted(records, key=lambda one: one.headers.position.id)
        for start in range(0, len(ordered), CHUNK_EVENTS):
            chunk = ordered[start : start + CHUNK_EVENTS]
            events = [self._own_event(one, own) for one in chunk]
            with self.store.connection() as conn, conn.cursor() as curs:
                curs.execute(
                    "INSERT INTO stored_events "
                    "(originator_id, originator_version, topic, state, notification_id) "
                    "SELECT * FROM unnest(%b::uuid[], %b::bigint[], %b::text[], %b::bytea[], "
                    "%b::bigint[])",
                    (
                        [event.originator_id for event in events],
                        [event.originator_version for event in events],
                        [event.topic for event in events],
                        [event.state for event in events],
                        [one.headers.position.id for one in chunk],
                    ),
                )
            self.progress("copying own events", start + len(chunk), len(ordered))
        for one in records:
            known = own.last.get(one.partition)
            if known is None or one.headers.position > known[0]:
                own.last[one.partition] = (one.headers.position, one.offset)
        own.events = len(ordered)
        own.generation = max((one.headers.position.generation for one in records), default=0)
        own.id_max = max((one.headers.position.id for one in records), default=0)
        return own

    def _own_event(self, one: Accepted, own: _Own) -> StoredEvent:
        assert one.value is not None
        written = decode(one.value, self.service.types)
        recorded = self.service.upcasts.recorded(written)
        key = self._originator(recorded, own)
        own.versions[key] = (recorded.sequence, digest(one.value))
        own.causes.add(recorded.causation)
        keeping = self.service.housekeeping
        if isinstance(recorded.data, keeping.record_parked):
            data: Any = recorded.data
            own.parked[data.record] = (
                recorded.subject.removesuffix(BESIDE),
                data.error,
                data.problem,
            )
        elif isinstance(recorded.data, keeping.record_settled):
            settled: Any = recorded.data
            own.parked.pop(settled.record, None)
        return StoredEvent(key, recorded.sequence, written.type, one.value)

    def _originator(self, recorded: Recorded[Any], own: _Own) -> UUID:
        """Which stream an event of ours stands in; the chain tells where the type does not."""
        decider = self._by_event.get(recorded.type)
        if decider is not None:
            return originator(decider.kind, recorded.subject, subject_is_id=decider.subject_is_id)
        if recorded.type == self.service.housekeeping.policy_activated.type:
            return originator("policy", recorded.subject, subject_is_id=False)
        primary = self.service.deciders[0] if self.service.deciders else None
        if primary is not None and primary.subject_is_id:
            try:
                key = UUID(recorded.subject)
            except ValueError:
                pass
            else:
                version, _head = own.versions.get(key, (0, GENESIS))
                if recorded.sequence == version + 1:
                    return key
        return originator("housekeeping", recorded.subject, subject_is_id=False)

    def _tracking(self, log: list[Accepted], own: _Own) -> dict[int, int]:
        """Per partition, the offset of the last record that is a cause of one of our events."""
        upto: dict[int, int] = {}
        for one in log:
            place = f"{self.topic}/{one.partition}/{one.offset}"
            if (
                _event_id(one.value) in own.causes
                or f"record:{place}" in own.causes
                or (f"record:{_event_id(one.value)}" in own.causes)
            ):
                upto[one.partition] = max(upto.get(one.partition, -1), one.offset)
        if self.service.archive is not None:
            for one in log:
                upto[one.partition] = max(upto.get(one.partition, -1), one.offset)
        unit = Unit()
        for partition, offset in upto.items():
            unit.takes.append(Take(self.topic, partition, self.topic_id, 0, offset + 1))
        for one in log:
            if one.offset <= upto.get(one.partition, -1):
                unit.taken[(one.headers.source, one.partition)] = one.headers.position
        self.store.recorder.insert_events([], unit=unit)
        return upto

    def _park_again(self, log: list[Accepted], own: _Own) -> set[tuple[int, int]]:
        """What was parked and never settled, and what waited behind it; returns their places."""
        aside: set[tuple[int, int]] = set()
        if not own.parked:
            return aside
        unit, blocked = Unit(), set[str]()
        for one in log:
            place = f"{self.topic}/{one.partition}/{one.offset}"
            record_id = _event_id(one.value)
            known = own.parked.get(record_id) or own.parked.get(place)
            if known is None and not (
                one.key in blocked and one.headers.type in self.service.heard_types
            ):
                continue
            subject, kind, detail = known or (one.key, "waiting", "waits behind a parked record")
            blocked.add(subject)
            aside.add((one.partition, one.offset))
            unit.parked.append(
                ParkedRow(
                    self.topic,
                    one.partition,
                    one.offset,
                    subject,
                    one.headers.source,
                    record_id or place,
                    str(one.headers.position),
                    "parked" if known else "waiting",
                    kind,
                    detail,
                    one.value if record_id else None,
                )
            )
        self.store.recorder.insert_events([], unit=unit)
        return aside

    def _archive(self, log: list[Accepted]) -> None:
        assert self.service.archive is not None
        for start in range(0, len(log), CHUNK_EVENTS):
            chunk = [
                LogRecord(
                    one.partition,
                    one.offset,
                    one.headers.source,
                    one.headers.type,
                    one.key,
                    str(one.headers.position),
                    str(one.headers.after),
                    one.value,
                )
                for one in log[start : start + CHUNK_EVENTS]
                if one.value is not None
            ]
            with self.store.connection() as conn, conn.transaction():
                self.service.archive(conn, chunk)
            self.progress("archiving", start + len(chunk), len(log))
        with self.store.connection() as conn:
            self.service.archive_rebuilt(conn)

    def _relay_state(self, conn: Connection[Any], own: _Own, generation: int) -> None:
        """A new generation, whose first `after` names the last old position found."""
        with conn.transaction():
            conn.execute(
                "SELECT setval(pg_get_serial_sequence('stored_events', 'notification_id'), %s)",
                (max(own.id_max, 1),),
            )
            conn.execute(
                "UPDATE relay_state SET generation = %s, sent = %s", (generation, own.id_max)
            )
            for partition, (position, offset) in own.last.items():
                conn.execute(
                    "INSERT INTO relay_sent "
                    "(topic, partition, generation, id, record_offset, topic_id) "
                    "VALUES (%s, %s, %s, %s, %s, %s)",
                    (
                        self.topic,
                        partition,
                        position.generation,
                        position.id,
                        offset,
                        self.topic_id,
                    ),
                )

    # -- the proof -------------------------------------------------------------------------------

    def _digest(self) -> str:
        """SHA-256 over the store's events in order of notification id."""
        running = sha256()
        with (
            self.store.connection() as conn,
            conn.transaction(),
            conn.cursor(name="digest") as curs,
        ):
            curs.itersize = CHUNK_EVENTS
            curs.execute("SELECT state FROM stored_events ORDER BY notification_id")
            for row in curs:
                running.update(bytes(row["state"]))
        return running.hexdigest()

    def _note(self, what: str, events: int, generation: int) -> None:
        """The rebuild itself goes on record (EVENTS, Housekeeping)."""
        work = Work(
            self.service,
            self.store,
            self.store.policies(),
            SystemClock().now(),
            self.partitions,
        )
        event = self.service.housekeeping.rebuild_done.model_validate(
            {
                "what": what,
                "events": events,
                "generation": generation,
                "by": "operator",
                "digest": self._digest(),
            }
        )
        work.apply(
            To(f"rebuild:{self.service.name}", Note(at=work.now, event=event)),
            Origin(causation="operator:rebuild", actor="system:rebuild"),
        )
        self.store.commit(work.unit(), work)


def _event_id(value: bytes | None) -> str:
    """The `id` in our own byte form, without decoding it; empty for other bytes."""
    if value is None:
        return ""
    start = value.find(b'"id":"')
    return value[start + 6 : start + 42].decode("ascii", "replace") if start >= 0 else ""
