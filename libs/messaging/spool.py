"""Records of the log on disk for as long as they are needed, to be read in order more than once.

A log of millions of records does not fit into memory, and Kafka or audit need be asked only once.
"""

import struct
import tempfile
from collections.abc import Iterator
from types import TracebackType
from typing import Self

from libs.messaging.log_source import Accepted, LogPlace
from libs.messaging.position import Position, RelayHeaders

_HEAD = struct.Struct(">iiqiqiqHHHi")
_NO_VALUE = -1


class Spool:
    """A file without a name that goes when it is closed."""

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile(buffering=1024 * 1024)  # noqa: SIM115 - closed by close
        self.records = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def add(self, one: Accepted) -> None:
        """Appends a record; not while it is being read."""
        kind, source = one.headers.type.encode(), one.headers.source.encode()
        key = one.key.encode()
        self._file.write(
            _HEAD.pack(
                one.partition,
                *one.place,
                *one.headers.position,
                *one.headers.after,
                len(kind),
                len(source),
                len(key),
                _NO_VALUE if one.value is None else len(one.value),
            )
        )
        self._file.write(kind + source + key + (one.value or b""))
        self.records += 1

    def __iter__(self) -> Iterator[Accepted]:
        self._file.seek(0)
        read, names = self._file.read, dict[bytes, str]()
        for _ in range(self.records):
            head = _HEAD.unpack(read(_HEAD.size))
            kind, source = read(head[7]), read(head[8])
            key = read(head[9]).decode()
            value = None if head[10] == _NO_VALUE else read(head[10])
            yield Accepted(
                head[0],
                LogPlace(head[1], head[2]),
                RelayHeaders(
                    names.setdefault(kind, kind.decode()),
                    names.setdefault(source, source.decode()),
                    Position(head[3], head[4]),
                    Position(head[5], head[6]),
                ),
                key,
                value,
            )

    def close(self) -> None:
        """Removes it."""
        self._file.close()
