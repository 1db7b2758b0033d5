"""Where a record stands among those its service has sent: (generation, notification id)."""

from collections.abc import Iterable
from typing import NamedTuple


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
        if not (generation.isdecimal() and number.isdecimal() and len(text) <= 40):
            raise ValueError("a position is <generation>-<id>")
        return cls(int(generation), int(number))


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
            found[TYPE].decode(),
            found[SOURCE].decode(),
            Position.parse(found[POSITION].decode()),
            Position.parse(found[AFTER].decode()),
        )
    except (KeyError, ValueError):
        return None
