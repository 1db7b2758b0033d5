"""The development gateway on a real broker: each notice once, and reports back."""

import asyncio
from pathlib import Path

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from contracts.messages import ChannelMessage
from contracts.values import DeliveryResult
from infra.gateway import Gateway
from tests.stack import Room, room
from tests.unit.gateway.given import NOON, Opener, notices, wire

PATIENCE_SECONDS = 30.0


async def send(where: Room, *values: bytes | None) -> None:
    topic = f"{where.prefix}complaints.outbound"
    producer = AIOKafkaProducer(bootstrap_servers=where.bootstrap)
    await producer.start()
    for value in values:
        await producer.send_and_wait(topic, value, key=b"complaint", partition=0)
    await producer.stop()


async def until_taken(gateway: Gateway, count: int) -> None:
    """Until this many records are kept, set aside or dropped as repeated."""
    kept = gateway.kept
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            if len(kept.notices()) + len(kept.unreadable()) + kept.repeated() >= count:
                return
            await asyncio.sleep(0.05)


def made(where: Room, folder: Path) -> Gateway:
    return Gateway(
        where.bootstrap,
        folder,
        opener=Opener(),
        topic_prefix=where.prefix,
        partitions=where.topics[0].partitions,
    )


def test_each_notice_is_kept_once_over_repeats_and_restarts(tmp_path: Path) -> None:
    receipt, answer = notices()

    async def play(where: Room) -> None:
        gateway = made(where, tmp_path)
        await gateway.start()
        await send(where, wire(receipt, 1), wire(receipt, 1), b"not JSON", None)
        await until_taken(gateway, 4)
        await gateway.stop()

        again = made(where, tmp_path)
        await again.start()
        await send(where, wire(receipt, 1), wire(answer, 2))
        await until_taken(again, 6)
        assert [one.message.data.kind for one in again.kept.notices()] == ["receipt", "answer"]
        assert len(again.kept.unreadable()) == 2
        text = await again.text(answer.notice)
        assert text is not None
        assert "<v1.sealed.explanation>" in text
        await again.stop()

    with room() as where:
        asyncio.run(play(where))


def test_what_became_of_a_notice_is_told_on_the_channel(tmp_path: Path) -> None:
    (receipt, _) = notices()

    async def play(where: Room) -> None:
        gateway = made(where, tmp_path)
        await gateway.start()
        await send(where, wire(receipt, 1))
        await until_taken(gateway, 1)
        sent = await gateway.report(receipt.notice, DeliveryResult.DELIVERED, NOON)
        consumer = AIOKafkaConsumer(
            f"{where.prefix}complaints.channel",
            bootstrap_servers=where.bootstrap,
            auto_offset_reset="earliest",
        )
        await consumer.start()
        record = await asyncio.wait_for(consumer.getone(), PATIENCE_SECONDS)
        await consumer.stop()
        assert ChannelMessage.model_validate_json(record.value) == sent
        await gateway.stop()

    with room() as where:
        asyncio.run(play(where))
