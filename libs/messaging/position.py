"""Where a record stands among those its service has sent: (generation, notification id)."""

from collections.abc import Iterable
from typing import NamedTuple
from uuid import uuid5

from libs.eventlog.envelope import STREAMS

SUBJECT_LENGTH_MAX = 200
"""Of a key and of the names in headers; ours are far shorter, and an index cannot hold much."""

NO_KEY = "no-key"
"""The subject of records without a key: it can be listed and asked for."""

GENERATION_MAX = 2**31 - 1
ID_MAX = 2**63 - 1
"""What the database can hold."""


class Position(NamedTuple):
    """Grows with every record a service relays; a rebuilt database starts a new generation."""

    generation: int
    id: int

    def __str__(self) -> str:
        return f"{self.generation}-{self.id}"

    @classmethod
    def parse(cls, text: str) -> "Position":
        """From `<generation>-<id>`; raises ValueError."""
        generation, _, number = text.partition("-")
        if not (
            text.isascii() and generation.isdecimal() and number.isdecimal() and len(text) <= 40
        ):
            raise ValueError("a position is <generation>-<id>")
        position = cls(int(generation), int(number))
        if position.generation > GENERATION_MAX or position.id > ID_MAX:
            raise ValueError("a position is <generation>-<id>, and no larger than the database has")
        return position


START = Position(0, 0)
"""`after` of the first record a service ever sends to a partition."""

TYPE, SOURCE, POSITION, AFTER, CONTENT = "type", "source", "position", "after", "content-type"
CONTENT_TYPE = b"application/cloudevents+json; charset=utf-8"

RawHeaders = Iterable[tuple[str, bytes | None]]


class RelayHeaders(NamedTuple):
    """What an inbox needs to know of a record before it looks at the body."""

    type: str
    source: str
    position: Position
    after: Position

    def raw(self) -> list[tuple[str, bytes]]:
        """As Kafka takes them."""
        return [
            (CONTENT, CONTENT_TYPE),
            (TYPE, self.type.encode()),
            (SOURCE, self.source.encode()),
            (POSITION, str(self.position).encode()),
            (AFTER, str(self.after).encode()),
        ]


def read_headers(headers: RawHeaders) -> RelayHeaders | None:
    """The relay's headers, or None for a foreign record (missing, null, garbled, doubled)."""
    found: dict[str, bytes] = {}
    for name, value in headers:
        if name in (TYPE, SOURCE, POSITION, AFTER):
            if value is None or name in found:
                return None
            found[name] = value
    try:
        return RelayHeaders(
            _name(found[TYPE]),
            _name(found[SOURCE]),
            Position.parse(found[POSITION].decode()),
            Position.parse(found[AFTER].decode()),
        )
    except (KeyError, ValueError):
        return None


def _name(value: bytes) -> str:
    """A type or a source; raises ValueError for what PostgreSQL or an event could not hold."""
    text = value.decode()
    if not (text.isprintable() and len(text) <= SUBJECT_LENGTH_MAX):
        raise ValueError("a name is short and printable")
    return text


def key_text(key: bytes | None) -> str:
    """A record's key as a subject that can be stored: PostgreSQL's text holds no NUL.

    What had to be changed no longer agrees with the body, so the record is parked.
    """
    if not key:
        return NO_KEY
    text = key.decode("utf-8", "replace").replace("\0", "\ufffd")
    return text if len(text) <= SUBJECT_LENGTH_MAX else str(uuid5(STREAMS, f"key:{text}"))
