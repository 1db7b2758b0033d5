"""The way in: messages of `complaints.channel`, by Kafka and by HTTP through the same door.

That topic has no positions of ours: it is tracked by topic id and Kafka offset, and what a message
does is de-duplicated by its CloudEvents source and id (DESIGN, Inbox).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar
from uuid import UUID, uuid5

from prometheus_client import CollectorRegistry, Counter

from libs.decider import DomainError, Lookups, Recorded, To
from libs.eventlog.envelope import STREAMS, Origin, Unreadable
from libs.eventlog.failpoint import reach
from libs.eventlog.recorder import ParkedRow, Take
from libs.eventlog.work import Work
from libs.eventlog.writer import Writer
from libs.messaging.inbox import KafkaRecord, as_problem, describe
from libs.messaging.notes import note_on

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class RawMessage:
    """Bytes as a channel gave them, and where they lie: `topic/partition/offset`, or `http`.

    `actor` is who called, by HTTP (from the token, never from the body); by Kafka the door says it.
    """

    value: bytes | None
    place: str
    traceparent: str = ""
    actor: str = ""


class Outdated(Exception):
    """What was sealed for a message has been locked or destroyed since: it is sealed anew.

    `erasures` are what the vault has to carry out before, for the door to make sense of.
    """

    def __init__(self, *erasures: Any) -> None:
        super().__init__("sealed before an erasure, decided after it")
        self.erasures = erasures


class Prepared(Protocol):
    """A message whose plaintext has been sealed, or found wanting."""

    message_key: UUID
    causation: str
    actor: str
    traceparent: str
    wants: Sequence[tuple[str, Mapping[str, Any]]]

    def resolve(self, lookups: Lookups) -> Sequence[To]:
        """What the message asks for; empty when it is known already. Raises Outdated."""

    def refuse(self, error: DomainError) -> Sequence[To]:
        """How its refusal is put on record."""

    def outcome(self, lookups: Lookups) -> Mapping[str, Any]:
        """What to tell the channel: complaint, receipt, registered / linked / refused."""


@dataclass(frozen=True, slots=True)
class Sealed:
    """Bytes that cannot be read at all: sealed in the vault until settled, and parked."""

    place: str
    kind: str
    detail: str


class Door(Protocol):
    """The only place that sees plaintext (I/O: the vault); called outside any transaction."""

    def prepare(self, raw: Sequence[RawMessage]) -> Sequence[Prepared | Sealed]:
        """One answer per message, in order."""

    def again(self, raw: Sequence[RawMessage], outdated: Outdated) -> Sequence[Prepared | Sealed]:
        """The same once more, after what has outdated them."""


PREPARED_MAX = 5
"""How often a message is sealed anew; each time something must have been locked or destroyed."""


def prepared_anew(
    door: Door,
    raw: Sequence[RawMessage],
    attempt: Callable[[Sequence[Prepared | Sealed]], T],
) -> T:
    """Seals these and decides on them, anew while an erasure comes in between; raises Outdated."""
    prepared = door.prepare(raw)
    for _ in range(PREPARED_MAX - 1):
        try:
            return attempt(prepared)
        except Outdated as outdated:
            prepared = door.again(raw, outdated)
    return attempt(prepared)


class MessageFaulty(DomainError):
    """Taking this message failed in our own rules; it is parked until they are mended."""

    rule = "message-parked"
    status = 409
    zh = "该消息暂存待人工处理"


class Channel:
    """Takes channel messages for one instance of intake."""

    def __init__(
        self, writer: Writer, door: Door, *, topic: str, registry: CollectorRegistry
    ) -> None:
        self.writer = writer
        self.door = door
        self.topic = topic
        self.topic_id = ""
        self.committed: dict[int, int] = {}
        self.lost: dict[int, tuple[int, int]] = {}
        self._messages = Counter(
            "bihuan_channel_messages", "Channel messages by fate", ["fate"], registry=registry
        )

    def load(self, partitions: Sequence[int], topic_id: str) -> dict[int, int]:
        """Where to go on, from the database: partition -> offset to seek to."""
        self.topic_id = topic_id
        with self.writer.lock, self.writer.store.connection() as conn:
            rows = conn.execute(
                "SELECT partition, topic_id, next FROM inbox_offset "
                "WHERE topic = %s AND partition = ANY(%s)",
                (self.topic, list(partitions)),
            ).fetchall()
        known = {row["partition"]: row["next"] for row in rows if row["topic_id"] == topic_id}
        self.committed = {partition: known.get(partition, 0) for partition in partitions}
        return dict(self.committed)

    def position(self) -> dict[int, int]:
        """How far each partition is taken."""
        return dict(self.committed)

    saved = position

    def take(self, records: Sequence[KafkaRecord]) -> None:
        """Takes a batch; raises Overtaken or Unreachable like the log's inbox."""
        mine = [
            record
            for record in records
            if record.offset >= self.committed.get(record.partition, 1 << 62)
        ]
        if not mine:
            return
        raw = [RawMessage(record.value, _place(record)) for record in mine]
        upto: dict[int, int] = {}
        for record in mine:
            upto[record.partition] = record.offset + 1

        def decide(work: Work, prepared: Sequence[Prepared | Sealed]) -> list[str]:
            self._prefetch(work, prepared)
            fates = []
            for record, one in zip(mine, prepared, strict=True):
                fates.append(self._one(work, record, one))
                reach("amid-channel-batch")
            for partition, following in upto.items():
                work.extra.takes.append(
                    Take(self.topic, partition, self.topic_id, self.committed[partition], following)
                )
            return fates

        fates = prepared_anew(
            self.door,
            raw,
            lambda prepared: self.writer.transact(lambda work: decide(work, prepared), always=True),
        )
        for fate in fates:
            self._messages.labels(fate).inc()
        self.committed.update(upto)

    def take_one(self, raw: RawMessage) -> tuple[Mapping[str, Any], list[Recorded[Any]]]:
        """The same message by HTTP: its outcome, and the events it led to (none when repeated).

        Raises DomainError when it is parked, Unreachable when it cannot be taken now.
        """

        def decide(work: Work, prepared: Prepared) -> tuple[Mapping[str, Any], list[Recorded[Any]]]:
            self._prefetch(work, [prepared])
            self._apply(work, prepared)
            return prepared.outcome(work), list(work.recorded)

        def attempt(
            answers: Sequence[Prepared | Sealed],
        ) -> tuple[Mapping[str, Any], list[Recorded[Any]]]:
            (prepared,) = answers
            if isinstance(prepared, Sealed):
                raise MessageFaulty(prepared.detail)
            return self.writer.transact(lambda work: decide(work, prepared))

        result = prepared_anew(self.door, [raw], attempt)
        self._messages.labels("taken").inc()
        return result

    def again(self, work: Work, raw: RawMessage) -> None:
        """A parked message once more, within a unit of work; raises what fails."""

        def attempt(answers: Sequence[Prepared | Sealed]) -> None:
            (prepared,) = answers
            if isinstance(prepared, Sealed):
                raise Unreadable(prepared.kind, prepared.detail)
            self._prefetch(work, [prepared])
            self._apply(work, prepared)

        prepared_anew(self.door, [raw], attempt)

    def _prefetch(self, work: Work, prepared: Sequence[Prepared | Sealed]) -> None:
        """Reads in bulk what resolving will look up, one statement for each table and shape."""
        wanted: dict[tuple[str, tuple[str, ...]], dict[tuple[tuple[str, Any], ...], None]] = {}
        for one in prepared:
            if isinstance(one, Sealed):
                continue
            for table, equal in one.wants:
                key = tuple(sorted(equal.items()))
                shape = tuple(name for name, _ in key)
                wanted.setdefault((table, shape), {})[key] = None
        for (table, _), keys in wanted.items():
            asked = [key for key in keys if not work.has_found(table, key)]
            if asked:
                found = self.writer.store.find_many(table, asked)
                for key, rows in zip(asked, found, strict=True):
                    work.found(table, key, rows)

    def _one(self, work: Work, record: KafkaRecord, one: Prepared | Sealed) -> str:
        if isinstance(one, Sealed):
            self._park(work, record, one.kind, as_problem(one.detail))
            return "unreadable"
        mark = work.savepoint()
        try:
            return self._apply(work, one)
        except Outdated:
            raise
        except Exception as error:  # noqa: BLE001 - one message must not stop the others
            work.rollback_to(mark)
            kind, detail = describe(error)
            self._park(work, record, kind, detail)
            return "parked"

    def _apply(self, work: Work, one: Prepared) -> str:
        origin = Origin(causation=one.causation, actor=one.actor, traceparent=one.traceparent)
        mark = work.savepoint()
        try:
            commands = one.resolve(work)
            for to in commands:
                work.apply(to, origin)
        except DomainError as error:
            work.rollback_to(mark)
            for to in one.refuse(error):
                work.apply(to, origin)
            return "refused"
        return "taken" if commands else "repeated"

    def _park(self, work: Work, record: KafkaRecord, kind: str, detail: str) -> None:
        place = _place(record)
        subject = str(uuid5(STREAMS, place))
        work.extra.subjects[subject] = subject in work.blocked
        work.extra.parked.append(
            ParkedRow(
                record.topic,
                record.partition,
                record.offset,
                subject,
                "",
                place,
                "",
                "parked",
                kind,
                detail,
                None,
            )
        )
        event = self.writer.service.housekeeping.record_parked.model_validate(
            {"record": place, "source": "", "position": "", "error": kind, "problem": detail}
        )
        note_on(self.writer.service, work, subject, event, f"record:{place}")


def _place(record: KafkaRecord) -> str:
    return f"{record.topic}/{record.partition}/{record.offset}"
