"""Where a consumer goes on is what the database says, whatever Kafka remembers of its group."""

import asyncio
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from faststream.kafka import KafkaBroker

from libs.messaging.clients import running
from libs.messaging.consumer import Consumer
from libs.messaging.inbox import Gap, KafkaRecord
from tests.stack import Room, on_real_kafka, room

pytestmark = pytest.mark.kafka

GROUP = "rebuilt"
RECORDS, REMEMBERED = 20, 10
PATIENCE_SECONDS = 60.0


@dataclass
class Database:
    """A taker whose database was rebuilt, and answers late."""

    topic: str
    says: int
    answer: threading.Event = field(default_factory=threading.Event)
    taken: list[int] = field(default_factory=list)

    def load(self, partitions: Sequence[int], _topic_id: str) -> dict[int, int]:
        assert self.answer.wait(PATIENCE_SECONDS)
        return dict.fromkeys(partitions, self.says)

    def position(self) -> Mapping[int, int]:
        return {}

    def take(self, records: Sequence[KafkaRecord]) -> Sequence[Gap]:
        self.taken += [record.offset for record in records]
        return ()


async def a_log(where: Room, topic: str, *, remembered: int) -> None:
    """Records of one partition, of which Kafka thinks the group took so many."""
    producer = AIOKafkaProducer(bootstrap_servers=where.bootstrap)
    async with running(producer):
        for number in range(RECORDS):
            await producer.send_and_wait(topic, str(number).encode(), partition=0)
    before = AIOKafkaConsumer(
        bootstrap_servers=where.bootstrap,
        group_id=where.prefix + GROUP,
        enable_auto_commit=False,
    )
    async with running(before):
        before.assign([TopicPartition(topic, 0)])
        await before.commit({TopicPartition(topic, 0): remembered})


class Asked(Consumer):
    """Counts how often FastStream asks it for records, in place of its own that sleeps."""

    asked = 0

    async def _fetched(self, kafka: Any) -> tuple[Any, ...]:
        self.asked += 1
        return await super()._fetched(kafka)


async def until(come: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not come():  # noqa: ASYNC110 - what is waited for tells nobody
            await asyncio.sleep(0.02)


@pytest.mark.parametrize(("says", "remembered"), [(0, REMEMBERED), (REMEMBERED, 0)])
def test_nothing_is_taken_before_the_database_has_said_where_to_go_on(
    says: int, remembered: int
) -> None:
    """DESIGN: the database is the truth, Kafka's offsets are a hint.

    Without the pause, what lies behind Kafka's own offset is fetched and taken while the database
    is still being asked: after a rebuild, records would be passed over or look like a gap.
    """
    if not on_real_kafka():
        pytest.skip("NO REAL KAFKA: Java or Maven is missing")

    async def play(where: Room) -> None:
        topic = next(one.name for one in where.topics if one.name.endswith("log"))
        await a_log(where, topic, remembered=remembered)
        database = Database(topic, says)
        broker = KafkaBroker(where.bootstrap)
        consumer = Asked(
            broker,
            database,
            group=where.prefix + GROUP,
            topic_id="one",
            in_thread=in_thread,
        )
        async with broker:
            await broker.start()
            await until(lambda: bool(consumer.assigned))
            # Time in which the client would fetch; on a slow machine it would find less, no more.
            await asyncio.sleep(1.0)
            before = list(database.taken)
            database.answer.set()
            await until(lambda: database.taken[-1:] == [RECORDS - 1])
        assert before == []
        assert database.taken == list(range(says, RECORDS))
        assert consumer.asked, "FastStream sleeps between two of its own (decision 22)"

    with room() as where:
        asyncio.run(play(where))


async def in_thread(work: Callable[..., Any], *args: Any) -> Any:
    return await asyncio.to_thread(work, *args)
