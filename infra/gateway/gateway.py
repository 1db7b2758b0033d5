"""Consumes `complaints.outbound` as docs/outbound.md asks of every gateway, and delivers to a file.

It sends nothing anywhere by itself. `text` opens a notice's words through intake, on record, with
the purpose `deliver`; `report` says what became of it, as a channel does.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Protocol
from uuid import UUID
from zlib import crc32

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError

from contracts.messages import (
    CHANNEL_TOPIC,
    OUTBOUND_TOPIC,
    ChannelMessage,
    ChannelWords,
    Delivery,
    MessageKind,
)
from contracts.values import ChannelKind, ClearText, DeliveryResult, Medium
from infra.gateway.keeping import Kept, KeptNotices, Record
from libs.messaging.clients import running, start

log = logging.getLogger("bihuan.gateway")

PURPOSE = "deliver"
SOURCE = "/gateways/development"
GONE = "〔已销毁 / erased〕"
RETRY_SECONDS = 1.0
FETCH_BYTES_MAX = 4 * 1024 * 1024


class Opener(Protocol):
    """Opens sealed tokens (intake's `POST /open`)."""

    def open_many(
        self, tokens: Sequence[str], purpose: str, complaint: UUID | None = None
    ) -> Awaitable[list[str | None]]:
        """Each token's plaintext, or None where it does not open any more."""

    def close(self) -> Awaitable[None]:
        """Lets go of its connections."""


class Gateway:
    """One development gateway; `start` returns when it consumes, `stop` lets go of everything.

    `folder` keeps `notices.sqlite`, sealed as received, and `alive`, touched whenever the broker
    was asked: a health check may look at its age.
    """

    def __init__(
        self,
        bootstrap: str,
        folder: Path,
        *,
        opener: Opener | None = None,
        topic_prefix: str = "",
        partitions: int = 12,
    ) -> None:
        self.kept = KeptNotices(folder)
        self._alive = folder / "alive"
        self._bootstrap = bootstrap
        self._opener = opener
        self._outbound = topic_prefix + OUTBOUND_TOPIC
        self._channel = topic_prefix + CHANNEL_TOPIC
        self._group = f"{topic_prefix}bihuan-development-gateway"
        self._partitions = partitions
        self._task: asyncio.Task[None] | None = None
        self._producer: AIOKafkaProducer | None = None
        self._consuming = asyncio.Event()

    async def start(self) -> None:
        """Begins to consume; returns once it is subscribed, however long the broker takes."""
        self._task = asyncio.create_task(self._consume(), name="development-gateway")
        waiting = asyncio.create_task(self._consuming.wait())
        await asyncio.wait({self._task, waiting}, return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        if self._task.done():
            self._task.result()

    async def stop(self) -> None:
        """Stops consuming; what was taken is on disk."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None
        if self._producer is not None:
            await self._producer.stop()
            self._producer = None
        if self._opener is not None:
            await self._opener.close()
        self.kept.close()

    async def text(self, notice: UUID) -> str | None:
        """A notice's words in clear, opened now and on record; None when it was never given.

        A stretch whose person has been erased is shown as such.
        """
        kept = await asyncio.to_thread(self.kept.notice, notice)
        return None if kept is None else await render(kept, self._opener)

    async def report(
        self,
        notice: UUID,
        result: DeliveryResult,
        at: datetime,
        *,
        by: Medium = Medium.MESSAGE,
        reason: str | None = None,
    ) -> ChannelMessage:
        """Tells the log what became of a notice; raises LookupError for one never given."""
        kept = await asyncio.to_thread(self.kept.notice, notice)
        if kept is None:
            raise LookupError(f"no notice {notice} was given to this gateway")
        message = delivery_report(kept, result, at, by=by, reason=reason)
        if self._producer is None:
            producer = AIOKafkaProducer(
                bootstrap_servers=self._bootstrap, acks="all", enable_idempotence=True
            )
            await start(producer)
            self._producer = producer
        key = message.id.encode()
        await self._producer.send_and_wait(
            self._channel,
            message.model_dump_json(exclude_none=True).encode(),
            key=key,
            partition=crc32(key) % self._partitions,
        )
        return message

    async def _consume(self) -> None:
        while True:
            try:
                await self._consume_until_trouble()
            except KafkaError as error:
                log.warning("the broker cannot be reached", extra={"error": type(error).__name__})
                await asyncio.sleep(RETRY_SECONDS)

    async def _consume_until_trouble(self) -> None:
        consumer = AIOKafkaConsumer(
            self._outbound,
            bootstrap_servers=self._bootstrap,
            group_id=self._group,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            max_partition_fetch_bytes=FETCH_BYTES_MAX,
            fetch_max_wait_ms=100,
        )
        async with running(consumer):
            self._consuming.set()
            while True:
                batches = await consumer.getmany(timeout_ms=200)
                self._alive.touch()
                await self._take(batches, consumer.commit)

    async def _take(
        self,
        batches: dict[TopicPartition, list[object]],
        commit: Callable[[dict[TopicPartition, int]], Awaitable[None]],
    ) -> None:
        """On disk first, then the offsets: what comes again is dropped by its id."""
        if not batches:
            return
        records = [_record(one) for batch in batches.values() for one in batch]
        new = await asyncio.to_thread(self.kept.keep, records)
        log.info("notices kept", extra={"new": new, "records": len(records)})
        await commit({place: _record(batch[-1]).offset + 1 for place, batch in batches.items()})


def _record(consumed: object) -> Record:
    return Record(
        topic=consumed.topic,  # type: ignore[attr-defined]  # aiokafka ships no types
        partition=consumed.partition,  # type: ignore[attr-defined] # aiokafka ships no types
        offset=consumed.offset,  # type: ignore[attr-defined] # the same
        value=consumed.value,  # type: ignore[attr-defined] # the same
    )


async def render(kept: Kept, opener: Opener | None) -> str:
    """The words of a notice, sealed stretches opened with the purpose `deliver`."""
    sealed = kept.sealed
    opened: list[str | None] = []
    if sealed:
        if opener is None:
            raise LookupError("this gateway has no way to intake's /open")
        opened = await opener.open_many(sealed, PURPOSE, UUID(kept.message.subject))
    words = iter(opened)
    return "".join(
        part.lit if isinstance(part, ClearText) else next(words) or GONE
        for part in kept.message.data.text
    )


def delivery_report(
    kept: Kept,
    result: DeliveryResult,
    at: datetime,
    *,
    by: Medium = Medium.MESSAGE,
    reason: str | None = None,
) -> ChannelMessage:
    """The channel message that says what became of a notice (docs/outbound.md).

    Its id is made of the notice, the result and the instant, so that a report told twice is one.
    """
    told = kept.message.data
    channel = told.reply_to.kind if told.reply_to else ChannelKind.DESK
    return ChannelMessage(
        specversion="1.0",
        id=f"{told.notice}:{result.value}:{int(at.timestamp() * 1_000_000)}",
        source=SOURCE,
        type="channel.message.v1",
        time=at,
        data=ChannelWords(
            kind=MessageKind.DELIVERY_REPORT,
            channel=channel,
            receipt=told.correspondent.receipt,
            delivery=Delivery(notice=told.notice, by=by, result=result, reason=reason),
        ),
    )
