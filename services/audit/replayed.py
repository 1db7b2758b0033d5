"""The rows of reports made again from events alone: the log's, or those of a file.

The same fold as audit's read models; nothing is asked of a running system, nothing is written.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from pydantic_core import from_json

from contracts.catalogue import DECODE
from contracts.upcasters import UPCASTERS
from libs.eventlog.envelope import Unreadable, decode
from services.audit.domain.reporting import HEARD, Kept, fact_rows

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
    found: dict[_Place, tuple[int, bytes]] = {}
    for number, line in enumerate(lines, start=1):
        state = line.strip()
        if not state:
            continue
        place = _place(number, state)
        known = found.setdefault(place, (number, state))
        if known[1] != state:
            raise LogFileWrong(
                f"lines {known[0]} and {number} differ about event {place.sequence} of "
                f"{place.source} {place.subject}; one of them was changed"
            )
    ordered = sorted(found)
    last: _Place | None = None
    for place in ordered:
        same = last is not None and (last.source, last.subject) == (place.source, place.subject)
        expected = last.sequence + 1 if last is not None and same else 1
        if place.sequence != expected:
            raise LogFileWrong(
                f"event {expected} of {place.source} {place.subject} is not in the file; "
                "give the whole log"
            )
        last = place
    return replay(found[place][1] for place in ordered)


def _place(number: int, state: bytes) -> _Place:
    try:
        if len(state) > LINE_BYTES_MAX:
            raise ValueError("too long")
        event = from_json(state)
        place = _Place(event["source"], event["subject"], int(event["sequence"]))
        if not (isinstance(place.source, str) and isinstance(place.subject, str)):
            raise TypeError("no texts")
    except (ValueError, TypeError, KeyError) as error:
        raise LogFileWrong(
            f"line {number} is not an event; a log file has one event's JSON a line"
        ) from error
    else:
        return place
