"""The rows of reports made again from events alone: the log's, or those of a file.

The same fold as audit's read models; nothing is asked of a running system, nothing is written.
"""

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from pydantic_core import from_json

from contracts.catalogue import DECODE
from contracts.upcasters import UPCASTERS
from libs.eventlog.envelope import Unreadable, decode
from services.audit.domain.reporting import HEARD, fact_rows
from services.audit.facts import Kept

LINE_BYTES_MAX = 1024 * 1024


class LogFileWrong(ValueError):
    """A file of events cannot be counted: where it is wrong, and what is to be done."""


class _Place(NamedTuple):
    """Where an event stands in its stream."""

    source: str
    subject: str
    sequence: int


def _heard_types() -> frozenset[str]:
    newest = {event.type for event in HEARD}
    return frozenset(one for one in DECODE if UPCASTERS.newest(one) in newest)


HEARD_TYPES = _heard_types()
"""The types on the wire, retired versions included, that reports rest on."""


@dataclass(slots=True)
class Replayed:
    """What a replay made, of how many events, and how many of them it could not read."""

    facts: Kept = field(default_factory=Kept)
    events: int = 0
    unreadable: int = 0


def replay(states: Iterable[bytes]) -> Replayed:
    """The rows that follow from these events, in the log's order, each once.

    What cannot be read is parked in a running system and has had no effect there; nor has it here.
    """
    replayed = Replayed()
    for state in states:
        replayed.events += 1
        try:
            recorded: Any = UPCASTERS.recorded(decode(state, DECODE))
        except Unreadable:
            replayed.unreadable += 1
            continue
        replayed.facts.keep(fact_rows(recorded))
    return replayed


def replay_lines(lines: Iterable[bytes]) -> Replayed:
    """The rows that follow from a file with one event a line, in whatever order, twice or once.

    Raises LogFileWrong where a line is no event, where two differ about the same place in a
    stream, or where a stream lacks an event: figures from half of a log would be wrong.
    """
    with closing(_Lines()) as sorted_lines:
        for number, line in enumerate(lines, start=1):
            if state := line.strip():
                sorted_lines.add(number, state)
        return replay(sorted_lines.states())


class _Lines:
    """A file's events in the order of their streams, in a temporary file: not in memory."""

    def __init__(self) -> None:
        self._conn = sqlite3.connect("", isolation_level=None)
        self._conn.execute("PRAGMA journal_mode = OFF")
        self._conn.execute(
            "CREATE TABLE line (source TEXT, subject TEXT, sequence INTEGER, number INTEGER, "
            "state BLOB, PRIMARY KEY (source, subject, sequence)) WITHOUT ROWID"
        )

    def close(self) -> None:
        """Lets go of the file."""
        self._conn.close()

    def add(self, number: int, state: bytes) -> None:
        """A line; told twice it is told once. Raises LogFileWrong."""
        place = _place(number, state)
        added = self._conn.execute(
            "INSERT INTO line VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
            (*place, number, state),
        )
        if added.rowcount:
            return
        (first, known) = self._conn.execute(
            "SELECT number, state FROM line WHERE source = ? AND subject = ? AND sequence = ?",
            place,
        ).fetchone()
        if known != state:
            raise LogFileWrong(
                f"lines {first} and {number} differ about event {place.sequence} of "
                f"{place.source} {place.subject}; one of them was changed"
            )

    def states(self) -> Iterator[bytes]:
        """Stream by stream. Raises LogFileWrong where a stream lacks an event."""
        last = _Place("", "", 0)
        found = self._conn.execute(
            "SELECT source, subject, sequence, state FROM line ORDER BY source, subject, sequence"
        )
        for source, subject, sequence, state in found:
            same = (last.source, last.subject) == (source, subject)
            expected = last.sequence + 1 if same else 1
            if sequence != expected:
                raise LogFileWrong(
                    f"event {expected} of {source} {subject} is not in the file; give the whole log"
                )
            last = _Place(source, subject, sequence)
            yield state


def _place(number: int, state: bytes) -> _Place:
    try:
        if len(state) > LINE_BYTES_MAX:
            raise ValueError("too long")
        event = from_json(state)
        place = _Place(event["source"], event["subject"], int(event["sequence"]))
        if not (isinstance(place.source, str) and isinstance(place.subject, str)):
            raise TypeError("no texts")
        if not 0 < place.sequence < 2**63:
            raise ValueError("no place in a stream")
    except (ValueError, TypeError, KeyError) as error:
        raise LogFileWrong(
            f"line {number} is not an event; a log file has one event's JSON a line"
        ) from error
    else:
        return place
