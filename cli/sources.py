"""Where a command reads events without asking a service: a file of JSON Lines, or Kafka's log."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from cli.places import Places
from contracts.catalogue import DECODE
from contracts.upcasters import UPCASTERS
from libs.decider import Recorded
from libs.eventlog.envelope import Unreadable, decode
from libs.eventlog.work import partition_of
from libs.messaging import topics
from libs.messaging.log_lines import begins_a_log, records_in
from libs.messaging.log_source import LogUnusable
from services.audit.log import Log, LogAway

KAFKA = "kafka"
"""What stands for the running system's `complaints.log` where a file could be named."""


class NoSource(RuntimeError):
    """The events cannot be read from there; says where it stopped and what to do."""


def events(source: str, subject: str | None = None) -> Iterator[Recorded[Any]]:
    """Every event there, in its order, or those of one subject; raises NoSource.

    `source` is a file that `bihuan log` wrote, or one with an event a line as the log has them, `-`
    for standard input, or `kafka` for the log of the running system.
    """
    lines = _kafka(subject) if source == KAFKA else _lines(source)
    for place, value in lines:
        if subject is not None and subject.encode() not in value:
            continue
        try:
            recorded = UPCASTERS.recorded(decode(value, DECODE))
        except Unreadable as error:
            raise NoSource(f"{place}: not an event of ours ({error.kind}: {error})") from None
        if subject is None or recorded.subject == subject:
            yield recorded


def _lines(source: str) -> Iterator[tuple[str, bytes]]:
    if source == "-":
        yield from ((f"line {number}", line) for number, line in enumerate(sys.stdin.buffer, 1))
        return
    try:
        with Path(source).open("rb") as file:
            if begins_a_log(file):
                yield from _records(source, file)
                return
            for number, line in enumerate(file, 1):
                if line.strip():
                    yield f"{source}:{number}", line
    except OSError as error:
        raise NoSource(f"{source}: {error.strerror}") from None


def _records(source: str, file: BinaryIO) -> Iterator[tuple[str, bytes]]:
    try:
        for one in records_in(file):
            if one.value:
                yield f"{source}: partition {one.partition}, offset {one.place.offset}", one.value
    except LogUnusable as error:
        raise NoSource(f"{source}: {error}") from None


def _kafka(subject: str | None) -> Iterator[tuple[str, bytes]]:
    told = Places.here().running()
    count = int(told["partitions"])
    wanted = range(count) if subject is None else (partition_of(subject, count),)
    topic = str(told.get("topic_prefix", "")) + topics.LOG
    log = Log(str(told["bootstrap"]), topic)
    try:
        for partition in wanted:
            tail = log.tail(partition)
            while tail.peek() is not None:
                entry = tail.pop()
                if entry.headers is not None and entry.value is not None:
                    yield f"{topics.LOG}/{partition}/{entry.offset}", entry.value
    except LogAway as error:
        raise NoSource(f"Kafka's log cannot be read: {error}") from None
    finally:
        log.close()
