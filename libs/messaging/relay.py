"""From the store to the log: every event sent in order, at least once, by one instance at a time.

Reads the notification log in order, sends the stored bytes unchanged, then saves how far it came.
On taking its lock it reads back the last record it saved: missing means the log was lost and
everything is sent again (inboxes skip what they have); a log that knows more than the database
means the database was lost, and the service must be rebuilt (DESIGN, Relay).
"""

import asyncio
import contextlib
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError
from prometheus_client import CollectorRegistry, Counter, Gauge
from psycopg.rows import dict_row

from libs.eventlog.envelope import digest
from libs.eventlog.failpoint import reach
from libs.eventlog.purging import purged_among
from libs.eventlog.service import Service
from libs.eventlog.work import partition_of
from libs.messaging.clients import running
from libs.messaging.position import START, Position, RelayHeaders, key_text, read_headers

log = logging.getLogger("bihuan.relay")

BATCH_RECORDS_MAX = 1_000
POLL_SECONDS = 0.05
RETRY_SECONDS = 0.5
REQUEST_BYTES_MAX = 2 * 1024 * 1024


class LogAhead(RuntimeError):
    """The log holds records of this service that its database does not: rebuild it first."""


@dataclass(frozen=True, slots=True)
class Sent:
    """The last record sent to one partition of one topic, and where it lies."""

    position: Position
    offset: int


@dataclass(frozen=True, slots=True)
class _Ours:
    """A record of ours that the log holds."""

    position: Position
    offset: int
    digest: str
    subject: str


class Relay:
    """The outbox of one service. `run` goes on until cancelled; failures are retried."""

    def __init__(
        self,
        service: Service,
        *,
        dsn: str,
        bootstrap: str,
        topic: str,
        topic_ids: Mapping[str, str],
        partitions: int,
        registry: CollectorRegistry,
        copies: Mapping[str, str] | None = None,
    ) -> None:
        self.service = service
        self.topic = topic
        self.copies = copies or {}
        self.topic_ids = topic_ids
        self.partitions = partitions
        self.wake = asyncio.Event()
        self.refusal: str | None = None
        self.sent = -1
        self.active = False
        self._dsn = dsn
        self._bootstrap = bootstrap
        self._generation = 1
        self._last: dict[tuple[str, int], Sent] = {}
        self._conn: psycopg.Connection[dict[str, Any]] | None = None
        self._records = Counter("bihuan_relay_records", "Records sent", registry=registry)
        self._lag = Gauge("bihuan_relay_active", "1 where this instance relays", registry=registry)

    async def run(self) -> None:
        """Relays until cancelled; raises LogAhead, which no retry mends."""
        while True:
            try:
                await self._session()
            except LogAhead as error:
                self.refusal = str(error)
                log.error("relay refuses to start", extra={"reason": str(error)})
                raise
            except (psycopg.Error, KafkaError, OSError, TimeoutError) as error:
                log.warning("relay interrupted", extra={"error": type(error).__name__})
            finally:
                self.active = False
                self._lag.set(0)
                await asyncio.to_thread(self._close)
            await asyncio.sleep(RETRY_SECONDS)

    async def _session(self) -> None:
        while not await asyncio.to_thread(self._lock):  # noqa: ASYNC110 - held elsewhere
            await asyncio.sleep(RETRY_SECONDS)
        await asyncio.to_thread(self._load)
        await self._read_back()
        producer = AIOKafkaProducer(
            bootstrap_servers=self._bootstrap,
            enable_idempotence=True,
            acks="all",
            max_request_size=REQUEST_BYTES_MAX,
            request_timeout_ms=10_000,
            retry_backoff_ms=50,
        )
        async with running(producer):
            self.active = True
            self._lag.set(1)
            while True:
                self.wake.clear()
                if not await self._relay(producer):
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(self.wake.wait(), POLL_SECONDS)

    async def _relay(self, producer: AIOKafkaProducer) -> int:
        """Sends the next batch; returns how many notifications it covered."""
        rows = await asyncio.to_thread(self._next)
        if not rows:
            return 0
        waiting: list[tuple[tuple[str, int], Position, asyncio.Future[Any]]] = []
        ahead = dict(self._last)
        for row in rows:
            position = Position(self._generation, row["notification_id"])
            for topic in self._topics_for(row["topic"]):
                subject = row["subject"]
                place = (topic, partition_of(subject, self.partitions))
                before = ahead.get(place)
                if before is not None and position <= before.position:
                    continue
                headers = RelayHeaders(
                    row["topic"],
                    self.service.source,
                    position,
                    before.position if before else START,
                )
                future = await producer.send(
                    topic,
                    row["state"],
                    key=subject.encode(),
                    partition=place[1],
                    headers=headers.raw(),
                )
                ahead[place] = Sent(position, -1)
                waiting.append((place, position, future))
        results = await asyncio.gather(*(future for _, _, future in waiting))
        reach("after-send")
        for (place, position, _), result in zip(waiting, results, strict=True):
            self._last[place] = Sent(position, result.offset)
        await asyncio.to_thread(
            self._save, rows[-1]["notification_id"], {place for place, _, _ in waiting}
        )
        self._records.inc(len(waiting))
        return len(rows)

    def _topics_for(self, kind: str) -> Sequence[str]:
        copy = self.copies.get(kind)
        return (self.topic,) if copy is None else (self.topic, copy)

    # -- database (in a thread) ------------------------------------------------------------------

    def _lock(self) -> bool:
        if self._conn is None:
            self._conn = psycopg.connect(self._dsn, autocommit=True, row_factory=dict_row)
            # Losing the last save in a crash costs sending again, which is harmless.
            self._conn.execute("SET synchronous_commit = off")
        row = self._conn.execute("SELECT pg_try_advisory_lock(7231002) AS mine").fetchone()
        return bool(row and row["mine"])

    def _close(self) -> None:
        if self._conn is not None:
            with contextlib.suppress(psycopg.Error):
                self._conn.close()
            self._conn = None

    def _load(self) -> None:
        conn = self._connection
        state = conn.execute("SELECT generation, sent FROM relay_state").fetchone()
        assert state is not None
        self._generation, self.sent = state["generation"], state["sent"]
        self._last = {}
        for row in conn.execute("SELECT * FROM relay_sent").fetchall():
            if self.topic_ids.get(row["topic"]) == row["topic_id"]:
                self._last[(row["topic"], row["partition"])] = Sent(
                    Position(row["generation"], row["id"]), row["record_offset"]
                )
            elif row["topic"] == self.topic:
                self._forget_log()
                return

    def _forget_log(self) -> None:
        """The log is another one than we sent to: start from the beginning."""
        log.warning("the log was made anew; everything is sent again")
        self._connection.execute("DELETE FROM relay_sent")
        self._connection.execute("UPDATE relay_state SET sent = 0")
        self._last, self.sent = {}, 0

    @property
    def _connection(self) -> psycopg.Connection[dict[str, Any]]:
        assert self._conn is not None
        return self._conn

    def _next(self) -> list[dict[str, Any]]:
        rows = self._connection.execute(
            "SELECT notification_id, topic, state FROM stored_events WHERE notification_id > %s "
            "ORDER BY notification_id LIMIT %s",
            (self.sent, BATCH_RECORDS_MAX),
        ).fetchall()
        for row in rows:
            row["state"] = bytes(row["state"])
            row["subject"] = subject_of(row["state"])
        return rows

    def _save(self, sent: int, places: set[tuple[str, int]]) -> None:
        conn = self._connection
        with conn.transaction():
            for topic, partition in places:
                last = self._last[(topic, partition)]
                conn.execute(
                    "INSERT INTO relay_sent "
                    "(topic, partition, generation, id, record_offset, topic_id) "
                    "VALUES (%s, %s, %s, %s, %s, %s) ON CONFLICT (topic, partition) DO UPDATE SET "
                    "generation = EXCLUDED.generation, id = EXCLUDED.id, "
                    "record_offset = EXCLUDED.record_offset, topic_id = EXCLUDED.topic_id",
                    (
                        topic,
                        partition,
                        last.position.generation,
                        last.position.id,
                        last.offset,
                        self.topic_ids.get(topic, ""),
                    ),
                )
            conn.execute("UPDATE relay_state SET sent = %s", (sent,))
        self.sent = sent

    def has_sent(self, last: int) -> bool:
        """Whether everything up to this notification id is in the log."""
        return self.active and last <= self.sent

    # -- read-back -------------------------------------------------------------------------------

    async def _read_back(self) -> None:
        """Looks at what the log really holds of ours, from the last save on."""
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self._bootstrap,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            max_partition_fetch_bytes=REQUEST_BYTES_MAX,
        )
        async with running(consumer):
            for topic in (self.topic, *self.copies.values()):
                await self._read_topic(consumer, topic)

    async def _read_topic(self, consumer: AIOKafkaConsumer, topic: str) -> None:
        wanted = [TopicPartition(topic, number) for number in range(self.partitions)]
        ends = await consumer.end_offsets(wanted)
        begins = await consumer.beginning_offsets(wanted)
        todo = {place for place in wanted if ends[place] > begins[place]}
        if topic == self.topic and any(
            ends[TopicPartition(*place)] <= sent.offset
            for place, sent in self._last.items()
            if place[0] == topic
        ):
            await asyncio.to_thread(self._forget_log)
        if not todo:
            # aiokafka 0.14 loses a cancellation that comes while it lets go of an old assignment:
            # `assign` with nothing to read and then `stop` waits for ever.
            return
        consumer.assign(wanted)
        for place in todo:
            last = self._last.get((place.topic, place.partition))
            consumer.seek(place, max(begins[place], last.offset if last else 0))
        found: dict[TopicPartition, list[_Ours]] = {}
        while todo:
            batch = await consumer.getmany(*todo, timeout_ms=200)
            for place, records in batch.items():
                for record in records:
                    headers = read_headers(record.headers)
                    if headers is not None and headers.source == self.service.source:
                        ours = _Ours(
                            headers.position,
                            record.offset,
                            digest(record.value or b""),
                            key_text(record.key),
                        )
                        found.setdefault(place, []).append(ours)
            for place in list(todo):
                if await consumer.position(place) >= ends[place]:
                    todo.discard(place)
        for place, sent in found.items():
            await asyncio.to_thread(self._compare, place, sent)

    def _compare(self, place: TopicPartition, ours: Sequence["_Ours"]) -> None:
        known = {
            row["notification_id"]: digest(bytes(row["state"]))
            for row in self._connection.execute(
                "SELECT notification_id, state FROM stored_events WHERE notification_id = ANY(%s)",
                ([one.position.id for one in ours],),
            ).fetchall()
        }
        with self._connection.cursor() as curs:
            purged = purged_among(curs, {one.subject for one in ours})
        for one in ours:
            if known.get(one.position.id) != one.digest and one.subject not in purged:
                raise LogAhead(
                    f"{place.topic}/{place.partition} holds {self.service.source} {one.position}, "
                    "which the database does not have; run: bihuan rebuild "
                    f"{self.service.name}"
                )
            last = self._last.get((place.topic, place.partition))
            if last is None or one.position >= last.position:
                self._last[(place.topic, place.partition)] = Sent(one.position, one.offset)


def subject_of(state: bytes) -> str:
    """The subject from an event's bytes without decoding all of it (our own byte form)."""
    start = state.index(b'"subject":"') + 11
    return state[start : state.index(b'"', start)].decode()
