"""L, the records the inbox rule accepts: from Kafka, or from audit's archive and Kafka's tail.

A rebuild reads L and nothing else (DESIGN, Rebuild, defined). Where Kafka's log begins later than
the log did, for what the archive has confirmed is deleted there, the archive comes first.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from confluent_kafka import Consumer, KafkaException, Message, TopicPartition

from libs.messaging.position import START, Position, RelayHeaders, key_text, read_headers

FETCH_BYTES_MAX = 9 * 1024 * 1024
BATCH_RECORDS = 5_000
WAIT_SECONDS = 1.0
WAITS_MAX = 30
TOLD_MAX = 5

Progress = Callable[[str, int, int], None]
"""Told of (what, done, of how many) as something long goes on."""


def quiet(_what: str, _done: int, _total: int) -> None:
    """Tells nobody."""


class LogUnusable(RuntimeError):
    """L cannot be had whole from here; the text says what is missing and what to do."""


class LogTrimmed(LogUnusable):
    """Kafka's log begins later than what is wanted of it."""


class LogGap(LogUnusable):
    """Records are missing that nobody has resolved or purged on record."""


class LogAway(LogUnusable):
    """Kafka cannot be reached, or stopped answering."""


class LogPlace(NamedTuple):
    """Where a record lies in its partition: each time the topic was made anew is a new life."""

    life: int
    offset: int


@dataclass(frozen=True, slots=True)
class Accepted:
    """One record of L."""

    partition: int
    place: LogPlace
    headers: RelayHeaders
    key: str
    value: bytes | None


@dataclass(frozen=True, slots=True)
class Missing:
    """A stretch of one source's records in one partition that L does not have."""

    partition: int
    source: str
    taken: Position
    after: Position


class Source(Protocol):
    """Where records come from, only those with headers of ours: each partition's in order, which
    is all that L's order means, for a stream lies in one partition and so does what it heard."""

    def read(self, progress: Progress) -> Iterator[Accepted]:
        """What has come since the last call; raises LogUnusable."""

    def close(self) -> None:
        """Lets go of connections."""


@dataclass(slots=True)
class Log:
    """L: what a source holds, each record once, and what is missing of it."""

    source: Source
    missing: list[Missing] = field(default_factory=list)
    records: int = 0
    _taken: dict[tuple[str, int], Position] = field(default_factory=dict)

    def read(self, progress: Progress = quiet) -> Iterator[Accepted]:
        """What has come since the last call, by the inbox rule; raises LogUnusable."""
        for one in self.source.read(progress):
            if self._accepts(one):
                self.records += 1
                yield one

    def _accepts(self, one: Accepted) -> bool:
        key = (one.headers.source, one.partition)
        taken = self._taken.get(key, START)
        if one.headers.position <= taken:
            return False
        if one.headers.after != taken:
            self.missing.append(Missing(one.partition, key[0], taken, one.headers.after))
        self._taken[key] = one.headers.position
        return True

    def close(self) -> None:
        """Lets go of the source."""
        self.source.close()


def refuse_missing(missing: Iterable[Missing]) -> None:
    """Raises LogGap where anything is missing."""
    told = [
        f"partition {one.partition}: {one.source} {one.taken} is followed by a record that came "
        f"after {one.after}"
        for one in missing
    ]
    if told:
        more = f" (and {len(told) - TOLD_MAX} more)" if len(told) > TOLD_MAX else ""
        raise LogGap(
            f"records are missing: {'; '.join(told[:TOLD_MAX])}{more}. Nothing was changed. "
            "If Kafka dropped them, rebuild from the archive (--from archive)"
        )


class KafkaLog:
    """The log as Kafka holds it; not thread-safe."""

    def __init__(
        self,
        bootstrap: str,
        topic: str,
        partitions: int,
        *,
        begin: Mapping[int, int] | None = None,
        life: int = 1,
    ) -> None:
        self.topic = topic
        self._partitions = partitions
        self._life = life
        self._next = {number: (begin or {}).get(number, 0) for number in range(partitions)}
        self._consumer = Consumer(
            {
                "bootstrap.servers": bootstrap,
                "group.id": f"{topic}-rebuild",  # never committed to
                "enable.auto.commit": False,
                "auto.offset.reset": "error",
                "max.partition.fetch.bytes": FETCH_BYTES_MAX,
                "queued.max.messages.kbytes": 8 * 1024,  # of each partition, else 64 MB
                "fetch.wait.max.ms": 10,  # one partition's end must not hold up the next
                "log_level": 0,
            }
        )

    def read(self, progress: Progress = quiet) -> Iterator[Accepted]:
        """See Source. Raises LogTrimmed before the first record, or LogAway."""
        ends = self._ends()
        left = {number: end for number, end in ends.items() if self._next[number] < end}
        total = sum(end - self._next[number] for number, end in left.items())
        done = 0
        self._consumer.assign(
            [TopicPartition(self.topic, number, self._next[number]) for number in left]
        )
        while left:
            for message in self._fetch(total - done):
                number, offset = message.partition(), message.offset()
                assert number is not None
                assert offset is not None
                if offset >= left.get(number, 0):
                    continue  # it came since
                self._next[number] = offset + 1
                done += 1
                if self._next[number] >= left[number]:
                    del left[number]
                one = self._record(number, offset, message)
                if one is not None:
                    yield one
            progress("reading the log", done, total)
        self._consumer.unassign()

    def begin_where_it_begins(self) -> Mapping[int, int]:
        """Wants no more than is there; partition -> where that is. Raises LogAway."""
        self._next = {number: low for number, (low, _) in self._marks().items()}
        return dict(self._next)

    def _marks(self) -> dict[int, tuple[int, int]]:
        try:
            return {
                number: self._consumer.get_watermark_offsets(
                    TopicPartition(self.topic, number), timeout=WAIT_SECONDS * WAITS_MAX
                )
                for number in self._next
            }
        except KafkaException as error:
            raise LogAway(f"Kafka does not answer: {error.args[0].name()}") from error

    def _ends(self) -> dict[int, int]:
        ends, trimmed = {}, []
        for number, (low, high) in self._marks().items():
            wanted = self._next[number]
            if low > wanted:
                trimmed.append(f"partition {number} begins at {low}, wanted is {wanted}")
            ends[number] = high
        if trimmed:
            more = f" (and {len(trimmed) - TOLD_MAX} more)" if len(trimmed) > TOLD_MAX else ""
            raise LogTrimmed(
                f"Kafka no longer holds all of {self.topic}: {'; '.join(trimmed[:TOLD_MAX])}{more}."
                " Nothing was changed. What it dropped is in audit's archive: rebuild with "
                "--from archive"
            )
        return ends

    def _fetch(self, wanted: int) -> Sequence[Message]:
        for _ in range(WAITS_MAX):
            # No more than there are: asked for more, it waits the whole time for them.
            messages = self._consumer.consume(min(BATCH_RECORDS, wanted), WAIT_SECONDS)
            for message in messages:
                error = message.error()
                if error is not None:
                    raise LogAway(f"Kafka stopped answering: {error.name()}")
            if messages:
                return messages
        raise LogAway(f"Kafka sent nothing for {WAITS_MAX * WAIT_SECONDS:.0f} s")

    def _record(self, number: int, offset: int, message: Message) -> Accepted | None:
        headers = read_headers(_headers(message))
        if headers is None:
            return None
        key, value = message.key(), message.value()
        return Accepted(
            number,
            LogPlace(self._life, offset),
            headers,
            key_text(None if key is None else _bytes(key)),
            None if value is None else _bytes(value),
        )

    def close(self) -> None:
        """See Source."""
        self._consumer.close()


def _headers(message: Message) -> list[tuple[str, bytes | None]]:
    headers = message.headers() or []
    pairs = headers.items() if isinstance(headers, dict) else headers
    return [(str(name), None if value is None else _bytes(value)) for name, value in pairs]


def _bytes(value: bytes | str) -> bytes:
    return value.encode() if isinstance(value, str) else value
