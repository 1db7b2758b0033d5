"""Follows `complaints.log` from its end on, to learn what becomes of a source's messages."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition

from contracts.catalogue import DECODE
from contracts.housekeeping import MessageRefused, RecordParked
from contracts.intake import ComplaintContactLinked, ComplaintRegistered
from contracts.upcasters import UPCASTERS
from libs.eventlog.envelope import Unreadable, decode
from libs.messaging.clients import start
from libs.messaging.position import read_headers

INTAKE = "/bihuan/intake"
FETCH_BYTES_MAX = 9 * 1024 * 1024
RECORDS_MAX = 2_000

_TELLING = (ComplaintRegistered, ComplaintContactLinked, MessageRefused, RecordParked)
_NAMES = frozenset(event.type.rpartition(".")[0] for event in _TELLING)
"""Whatever version of them is written: decoding brings each to the newest."""


class Fate(StrEnum):
    """What became of a message."""

    REGISTERED = "registered"
    LINKED = "linked"
    IMPORTED = "imported"
    REFUSED = "refused"
    PARKED = "parked"
    """It could not be read, or a rule of ours failed on it: it waits for somebody to settle it."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one message: named by its id, or, where parked, by where it lies."""

    fate: Fate
    message: str | None = None
    place: str | None = None
    """`topic/partition/offset` of a parked record."""
    reason: str | None = None
    """Why it was refused or parked."""
    complaint: str | None = None
    """The complaint that it became, or belongs to."""
    at: datetime | None = None
    """When it was told or refused, where intake was asked; the log tells of nothing old."""


class Following:
    """The log from the moment `start` returns on; use as an async context manager."""

    def __init__(self, bootstrap: str, topic: str, partitions: Iterable[int], source: str) -> None:
        self._places = [TopicPartition(topic, number) for number in sorted(partitions)]
        self._source = source
        self._consumer = AIOKafkaConsumer(
            bootstrap_servers=bootstrap,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            max_partition_fetch_bytes=FETCH_BYTES_MAX,
        )

    async def __aenter__(self) -> "Following":
        await start(self._consumer)
        try:
            self._consumer.assign(self._places)
            ends = await self._consumer.end_offsets(self._places)
            for place, offset in ends.items():
                self._consumer.seek(place, offset)
        except BaseException:
            await self._consumer.stop()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._consumer.stop()

    async def outcomes(self, wait_ms: int) -> list[Outcome]:
        """What has become of messages since the last call; waits up to `wait_ms` for any record."""
        found = []
        batches = await self._consumer.getmany(timeout_ms=wait_ms, max_records=RECORDS_MAX)
        for records in batches.values():
            for record in records:
                told = self._told(record)
                if told is not None:
                    found.append(told)
        return found

    def _told(self, record: Any) -> Outcome | None:
        headers = read_headers(record.headers)
        if headers is None or headers.source != INTAKE or record.value is None:
            return None
        if headers.type.rpartition(".")[0] not in _NAMES:
            return None
        try:
            recorded = decode(record.value, DECODE)
            event = UPCASTERS.event(recorded.data)
        except Unreadable:
            return None  # every service parks such a record; it tells nothing about a message
        return outcome_of(event, self._source, recorded.subject)


def outcome_of(event: object, source: str, subject: str) -> Outcome | None:
    """What an event of intake about `subject` says of a message of this source; None: nothing."""
    match event:
        case ComplaintRegistered():
            contact = event.registration.contact
            fate = Fate.REGISTERED if event.registration.history is None else Fate.IMPORTED
        case ComplaintContactLinked():
            contact, fate = event.contact, Fate.LINKED
        case MessageRefused():
            if event.source != source:
                return None
            reason = f"{event.rule}: {event.problem}"
            return Outcome(Fate.REFUSED, message=event.message, reason=reason)
        case RecordParked():
            reason = f"parked ({event.error}): {event.problem}"
            return Outcome(Fate.PARKED, place=event.record, reason=reason)
        case _:
            return None
    if contact.source != source:
        return None
    return Outcome(fate, message=contact.message, complaint=subject)
