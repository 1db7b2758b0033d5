"""Records of the log as lines of JSON, with what their headers and keys said and where they lay.

    {"partition":0,"life":1,"offset":7,"source":"/bihuan/intake","type":"complaint.registered.v1",
     "subject":"…","position":"1-5","after":"1-2","event":"{…}"}

`event` is the event's bytes as text; bytes that are no UTF-8 stand in base64 as `bytes` instead.
A file of them begins with a line that says how far each partition goes, and ends with a line that
says how many there are, so that half a file is not taken for a whole one:

    {"format":"bihuan-log/1","lives":{"1":"<topic id>"},"ends":[{"partition":0,"life":1,"next":8,
     "records":8}]}
    {"end":true,"records":8}
"""

from base64 import b64decode, b64encode
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import groupby
from typing import Any, BinaryIO, Protocol

from pydantic_core import from_json, to_json

from libs.eventlog.service import LogRecord
from libs.messaging.log_source import (
    Accepted,
    KafkaLog,
    LogPlace,
    LogUnusable,
    Progress,
    Source,
    quiet,
)
from libs.messaging.position import Position, RelayHeaders

FORMAT = "bihuan-log/1"
_BEGINNING = b'{"format":"bihuan-log/'
LINE_BYTES_MAX = 1024 * 1024
PARTITION_NONE = 2**31
"""Stands behind every partition."""


class ArchiveShort(LogUnusable):
    """The archive does not hold all that it says it accepted."""


class NotALog(LogUnusable):
    """These lines are not the records of a log, or only a part of them."""


@dataclass(frozen=True, slots=True)
class PartitionEnd:
    """How far one partition is archived: everything before `next` of its last life."""

    partition: int
    life: int
    next: int
    records: int
    """Records accepted there so far."""


@dataclass(frozen=True, slots=True)
class LogEnds:
    """How far the archive goes, in one look at it."""

    lives: Mapping[int, str]
    """Each life's topic id."""
    ends: Sequence[PartitionEnd]


PURGED = "purged"
"""The type of a record that was purged on record: its place is told, and no bytes."""


def to_line(life: int, one: LogRecord) -> bytes:
    """A record as a line, without its end."""
    told: dict[str, Any] = {
        "partition": one.partition,
        "life": life,
        "offset": one.offset,
        "source": one.source,
        "type": one.type,
        "subject": one.subject,
        "position": one.position,
        "after": one.after,
    }
    try:
        told["event"] = one.value.decode()
    except UnicodeDecodeError:
        told["bytes"] = b64encode(one.value).decode()
    return to_json(told)


def from_line(line: bytes) -> Accepted:
    """The record of a line; raises NotALog."""
    try:
        told = from_json(line)
        value = told["event"].encode() if "event" in told else b64decode(told["bytes"])
        return Accepted(
            int(told["partition"]),
            LogPlace(int(told["life"]), int(told["offset"])),
            RelayHeaders(
                told["type"],
                told["source"],
                Position.parse(told["position"]),
                Position.parse(told["after"]),
            ),
            told["subject"],
            value,
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise NotALog(
            f"a line is no record of the log ({type(error).__name__}): take the archive's own lines"
        ) from error


class Pages(Protocol):
    """Audit's archive, as whoever reads it asks for it."""

    def ends(self) -> LogEnds:
        """How far it goes now."""

    def after(self, partition: int, place: LogPlace) -> Iterable[bytes]:
        """Lines of the partition's next records behind a place, in order; none at the end."""


class ArchiveLog:
    """Audit's archive up to where it goes when asked, then what Kafka holds behind it."""

    def __init__(
        self, pages: Pages, bootstrap: str, topic: str, topic_id: str, partitions: int
    ) -> None:
        self._pages = pages
        self._ends = pages.ends()
        lives = {known: life for life, known in self._ends.lives.items()}
        self.life = lives.get(topic_id, max(lives.values(), default=0) + 1)
        """The present topic's."""
        begin = {end.partition: end.next for end in self._ends.ends if end.life == self.life}
        self._tail: Source = KafkaLog(bootstrap, topic, partitions, begin=begin, life=self.life)
        self._archived = False

    def read(self, progress: Progress = quiet) -> Iterator[Accepted]:
        """See Source. Raises ArchiveShort, or LogTrimmed where Kafka begins behind its end."""
        if not self._archived:
            yield from archived(self._pages, self._ends, progress)
            self._archived = True
        yield from self._tail.read(progress)

    def close(self) -> None:
        """See Source."""
        self._tail.close()


def archived(pages: Pages, ends: LogEnds, progress: Progress) -> Iterator[Accepted]:
    """All of the archive up to these ends, partition by partition; raises ArchiveShort."""
    total, done = sum(end.records for end in ends.ends), 0
    for end in sorted(ends.ends, key=lambda one: one.partition):
        bound, place, found = LogPlace(end.life, end.next), LogPlace(0, -1), 0
        while True:
            before = place
            for line in pages.after(end.partition, place):
                one = from_line(line)
                if one.place >= bound:
                    break
                place, found = one.place, found + 1
                yield one
            if place == before:
                break
            progress("reading the archive", done + found, total)
        done += found
        if found != end.records:
            raise ArchiveShort(
                f"partition {end.partition}: audit accepted {end.records} records, and its archive "
                f"tells of {found}. Nothing was changed. Run bihuan verify, which names what is "
                "missing"
            )


# -- as a file ---------------------------------------------------------------------------------


def write_lines(file: BinaryIO, pages: Pages, progress: Progress = quiet) -> int:
    """The whole archive as a file of lines; returns how many records. Raises ArchiveShort."""
    ends, count = pages.ends(), 0
    head = {
        "format": FORMAT,
        "lives": {str(life): topic_id for life, topic_id in ends.lives.items()},
        "ends": [asdict(end) for end in ends.ends],
    }
    file.write(to_json(head) + b"\n")
    for one in archived(pages, ends, progress):
        record = LogRecord(
            one.partition,
            one.place.offset,
            one.headers.source,
            one.headers.type,
            one.key,
            str(one.headers.position),
            str(one.headers.after),
            one.value or b"",
        )
        file.write(to_line(one.place.life, record) + b"\n")
        count += 1
    file.write(to_json({"end": True, "records": count}) + b"\n")
    return count


def begins_a_log(file: BinaryIO) -> bool:
    """Whether a file begins as one that `write_lines` made; it is read from its start again."""
    start = file.read(len(_BEGINNING))
    file.seek(0)
    return start == _BEGINNING


def records_in(file: BinaryIO) -> Iterator[Accepted]:
    """The records of a file that `write_lines` made, in the log's order.

    Raises ArchiveShort or NotALog where some of them are not there.
    """
    pages = FilePages(file)
    return archived(pages, pages.ends(), quiet)


class FilePages:
    """A file that `write_lines` made, read once from its begin to its end; raises NotALog."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        try:
            head = from_json(file.readline(LINE_BYTES_MAX))
            if head["format"] != FORMAT:
                raise ValueError("another format")
            self._ends = LogEnds(
                {int(life): topic_id for life, topic_id in head["lives"].items()},
                tuple(PartitionEnd(**end) for end in head["ends"]),
            )
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise NotALog(f"the file does not begin as a {FORMAT} does") from error
        self._groups = groupby(self._lines(), key=lambda line: int(from_json(line)["partition"]))
        self._partition: tuple[int, Iterator[bytes]] | None = None

    def ends(self) -> LogEnds:
        """See Pages."""
        return self._ends

    def after(self, partition: int, place: LogPlace) -> Iterable[bytes]:
        """See Pages: all of a partition at once, partitions in their order."""
        while self._partition is None or self._partition[0] < partition:
            self._partition = next(self._groups, (PARTITION_NONE, iter(())))
        if self._partition[0] == partition and place.life == 0:
            yield from self._partition[1]

    def _lines(self) -> Iterator[bytes]:
        count = 0
        while line := self._file.readline(LINE_BYTES_MAX):
            if not line.endswith(b"\n"):
                break
            if line.startswith(b'{"end":true'):
                if from_json(line)["records"] != count:
                    raise NotALog(f"the file says {line.strip().decode()} and holds {count}")
                return
            count += 1
            yield line
        raise NotALog("the file has no last line: only a part of it is here")
