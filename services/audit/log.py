"""What Kafka's log still holds, read beside the archive to compare the two byte by byte."""

from collections import deque
from dataclasses import dataclass

from confluent_kafka import Consumer, KafkaException, Message, TopicPartition

from libs.messaging.position import RelayHeaders, key_text, read_headers

BATCH_RECORDS = 1_000
WAIT_SECONDS = 1.0
WAITS_MAX = 10
FETCH_BYTES_MAX = 9 * 1024 * 1024


class LogAway(RuntimeError):
    """Kafka cannot be reached, or stopped answering."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One record of the log; `headers` is None for one that nothing of ours wrote."""

    offset: int
    headers: RelayHeaders | None
    key: str
    value: bytes | None


class Tail:
    """One partition of the log from its present begin to its present end, in order."""

    def __init__(self, consumer: Consumer, topic: str, partition: int) -> None:
        self._consumer = consumer
        self._place = TopicPartition(topic, partition)
        self._waiting: deque[Entry] = deque()
        try:
            self.low, self.high = consumer.get_watermark_offsets(self._place, timeout=WAIT_SECONDS)
            self._next = self.low
            consumer.assign([TopicPartition(topic, partition, self.low)])
        except KafkaException as error:
            raise LogAway(str(error.args[0].name())) from error

    def peek(self) -> Entry | None:
        """The next record; None at the end. Raises LogAway."""
        if not self._waiting and self._next < self.high:
            self._fetch()
        return self._waiting[0] if self._waiting else None

    def pop(self) -> Entry:
        """Takes the record that `peek` showed."""
        return self._waiting.popleft()

    def _fetch(self) -> None:
        for _ in range(WAITS_MAX):
            # No more than there are: asked for more, it waits the whole time for them.
            wanted = min(BATCH_RECORDS, self.high - self._next)
            messages = self._consumer.consume(wanted, WAIT_SECONDS)
            for message in messages:
                self._take(message)
            if self._waiting or self._next >= self.high:
                return
        raise LogAway("no record came")

    def _take(self, message: Message) -> None:
        error = message.error()
        if error is not None:
            raise LogAway(str(error.name()))
        offset = message.offset()
        assert offset is not None
        self._next = offset + 1
        if offset >= self.high:
            return
        key, value = message.key(), message.value()
        self._waiting.append(
            Entry(
                offset,
                read_headers(_headers(message)),
                key_text(None if key is None else _bytes(key)),
                None if value is None else _bytes(value),
            )
        )


class Log:
    """The log of one installation; not thread-safe. `close` when done."""

    def __init__(self, bootstrap: str, topic: str) -> None:
        self.topic = topic
        self._consumer = Consumer(
            {
                "bootstrap.servers": bootstrap,
                "group.id": f"{topic}-verification",  # never committed to
                "enable.auto.commit": False,
                "auto.offset.reset": "error",
                "max.partition.fetch.bytes": FETCH_BYTES_MAX,
                # A fetch at the end of one partition would hold up the next for half a second.
                "fetch.wait.max.ms": 10,
                "log_level": 0,
            }
        )

    def tail(self, partition: int) -> Tail:
        """What the log holds of a partition; raises LogAway. One at a time."""
        return Tail(self._consumer, self.topic, partition)

    def close(self) -> None:
        """Lets go of the connection."""
        self._consumer.close()


def _headers(message: Message) -> list[tuple[str, bytes | None]]:
    headers = message.headers() or []
    pairs = headers.items() if isinstance(headers, dict) else headers
    return [(str(name), None if value is None else _bytes(value)) for name, value in pairs]


def _bytes(value: bytes | str | None) -> bytes:
    return value.encode() if isinstance(value, str) else value or b""
