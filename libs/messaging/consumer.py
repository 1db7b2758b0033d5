"""FastStream's consumer, made safe: nothing of a record is touched before the inbox sees it.

FastStream's own parser decodes headers and JSON before the handler runs: one bad record makes it
drop the whole batch and commit past it. So every subscription brings its own parser and decoder,
acknowledges by hand, and goes where the database says on every assignment (DESIGN, Known traps).
"""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from itertools import chain
from typing import Any, Protocol

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import KafkaError
from faststream import AckPolicy
from faststream.kafka import KafkaBroker
from faststream.message import StreamMessage

from libs.eventlog.recorder import Overtaken
from libs.eventlog.writer import Busy, Unreachable
from libs.messaging.inbox import Gap, KafkaRecord

log = logging.getLogger("bihuan.consumer")

BATCH_RECORDS_MAX = 500
PATIENCE_MS = 500
"""How long one asking for records waits for the first; who has any answers at once."""
RETRY_SECONDS = 0.25
TROUBLE_SECONDS = 1.0
FETCH_BYTES_MAX = 9 * 1024 * 1024
HINT_SECONDS = 2.0
ASSIGNMENT = "assignment"


class Taker(Protocol):
    """An inbox: loads where to go on, takes batches (both called in a thread)."""

    topic: str

    def load(self, partitions: Sequence[int], topic_id: str) -> dict[int, int]:
        """Partition -> offset to go on from."""

    def position(self) -> Mapping[int, int]:
        """How far each partition is taken."""

    def saved(self) -> Mapping[int, int]:
        """How far the database has each partition; nothing in memory alone."""

    def take(self, records: Sequence[KafkaRecord]) -> Sequence[Gap] | None:
        """Takes a batch; the gaps it stopped at, if any."""


async def leave_alone(message: StreamMessage[Any]) -> tuple[int, Any]:
    """A decoder that decodes nothing: the assignment a batch was fetched under, and the batch."""
    return message.headers[ASSIGNMENT], message.raw_message


class Consumer:
    """One subscription of one instance; `start` and `stop` are FastStream's."""

    def __init__(
        self,
        broker: KafkaBroker,
        taker: Taker,
        *,
        group: str,
        topic_id: str,
        in_thread: Callable[..., Awaitable[Any]],
        instance: str | None = None,
    ) -> None:
        self.taker = taker
        self.topic_id = topic_id
        self.assigned: set[int] = set()
        self.trouble: str | None = None
        self._in_thread = in_thread
        self._busy = asyncio.Lock()
        self._assignments = 0
        self._hinted = 0.0
        self._subscriber = broker.subscriber(
            taker.topic,
            group_id=group,
            group_instance_id=instance,
            batch=True,
            max_records=BATCH_RECORDS_MAX,
            ack_policy=AckPolicy.MANUAL,
            auto_offset_reset="earliest",
            listener=_Assignment(self),
            max_partition_fetch_bytes=FETCH_BYTES_MAX,
            fetch_max_wait_ms=100,
            session_timeout_ms=10_000,
            heartbeat_interval_ms=2_000,
            parser=self._parse,
            decoder=leave_alone,
        )
        self._subscriber.get_msg = self._fetched  # type: ignore[method-assign,assignment] # see there
        self._subscriber(self._handle)

    @property
    def kafka(self) -> AIOKafkaConsumer:
        """The client itself; only while started."""
        consumer = self._subscriber.consumer
        assert consumer is not None, "not started"
        return consumer

    async def _fetched(self, kafka: AIOKafkaConsumer) -> tuple[Any, ...]:
        """What came next, as soon as it is here; empty when nothing did for a while.

        FastStream's own sleeps once more when nothing came, so that a record waits for it: little
        at 2 ms, which keeps a core busy with six idle services, and much at 200.
        """
        came = await kafka.getmany(timeout_ms=PATIENCE_MS, max_records=BATCH_RECORDS_MAX)
        return tuple(chain.from_iterable(came.values()))

    async def _parse(self, records: Any) -> StreamMessage[Any]:
        stamp = {ASSIGNMENT: self._assignments}
        return StreamMessage(raw_message=records, body=b"", headers=stamp)

    async def _handle(self, fetched: Any) -> None:
        assignment, records = fetched
        async with self._busy:
            await self._take(assignment, records)

    async def _take(self, assignment: int, records: Sequence[KafkaRecord]) -> None:
        # A batch of an earlier assignment says nothing about where the database stands now; what
        # of it is still ours is fetched again.
        while assignment == self._assignments:
            try:
                gaps = await self._in_thread(self.taker.take, records)
            except Overtaken:
                await self._go_back()
                return
            except Busy:
                continue
            except Unreachable:
                # What was committed is unknown, and tracking that rode along unsaved is lost: go
                # back to where the database says, or the next record would look like a gap.
                log.warning("database away; waiting", extra={"topic": self.taker.topic})
                await asyncio.sleep(RETRY_SECONDS)
                await self._go_back()
                return
            except Exception as error:
                # Returning would let FastStream pass over the batch: stand still, loudly.
                self.trouble = f"{self.taker.topic}: {type(error).__name__}, standing still"
                log.exception("cannot take a batch", extra={"topic": self.taker.topic})
                await asyncio.sleep(TROUBLE_SECONDS)
            else:
                self.trouble = None
                self._stop_at(gaps or ())
                await self._hint()
                return

    def _stop_at(self, gaps: Iterable[Gap]) -> None:
        for gap in gaps:
            place = TopicPartition(self.taker.topic, gap.partition)
            self.kafka.pause(place)
            self.kafka.seek(place, gap.offset)
            log.error("gap: partition stopped", extra={"partition": gap.partition})

    async def _hint(self) -> None:
        """Tells Kafka now and then how far the database is, for those who watch lag.

        Never relied on to go on from, nor ever ahead of the database: what every group has put
        down may be dropped from the log one day (services/audit/trimming.py).
        """
        now = asyncio.get_running_loop().time()
        if now - self._hinted < HINT_SECONDS:
            return
        self._hinted = now
        saved = self.taker.saved()
        ends = {
            TopicPartition(self.taker.topic, partition): saved[partition]
            for partition in self.assigned
            if saved.get(partition)
        }
        with contextlib.suppress(KafkaError):
            if ends:
                await self.kafka.commit(ends)

    async def assign(self, partitions: Iterable[int]) -> None:
        """Makes these partitions ours, from where the database says.

        Until that is known they are paused: aiokafka begins at Kafka's own offsets, which may lie
        ahead of a database that was rebuilt, and taking from there would look like a gap.
        """
        self._assignments += 1
        self.assigned = set(partitions)
        self.kafka.pause(*self._places())
        async with self._busy:
            await self._go_back()

    async def _go_back(self) -> None:
        """Seeks to where the database says; a partition that stopped finds its gap again."""
        wanted = sorted(self.assigned)
        while True:
            try:
                offsets = await self._in_thread(self.taker.load, wanted, self.topic_id)
                break
            except Exception as error:  # noqa: BLE001 - whatever ails the database, wait for it
                log.warning("cannot load offsets", extra={"error": type(error).__name__})
                await asyncio.sleep(RETRY_SECONDS)
        for place in self._places():
            if place.partition in offsets:
                self.kafka.seek(place, offsets[place.partition])
                self.kafka.resume(place)

    def _places(self) -> list[TopicPartition]:
        """What is assigned to us, as the client knows it at this moment."""
        ours = self.kafka.assignment()
        places = (TopicPartition(self.taker.topic, partition) for partition in self.assigned)
        return [place for place in places if place in ours]

    async def go_on(self, partition: int) -> None:
        """Takes up a partition again whose gap was resolved."""
        self.kafka.resume(TopicPartition(self.taker.topic, partition))


class _Assignment(ConsumerRebalanceListener):  # type: ignore[misc] # aiokafka ships no types
    def __init__(self, consumer: Consumer) -> None:
        self._consumer = consumer

    async def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        # An in-flight batch may still commit: the compare-and-set on its offsets decides.
        log.info("partitions revoked", extra={"count": len(list(revoked))})
        self._consumer.assigned = set()

    async def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        partitions = {place.partition for place in assigned}
        log.info("partitions assigned", extra={"count": len(partitions)})
        await self._consumer.assign(partitions)
