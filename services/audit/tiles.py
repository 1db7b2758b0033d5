"""The tree in the database: its tiles, and which leaf is which record of the archive.

The order of the leaves follows from the checkpoints: each takes in, partition by partition, the
records accepted since the one before. A span is one such run of leaves. All of it can be made
again from the archive and the checkpoints on record, and is when a database was rebuilt.
"""

from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any
from uuid import UUID

from psycopg import Connection
from psycopg.rows import tuple_row

from contracts.housekeeping import CheckpointSealed
from libs.eventlog.envelope import decode, originator
from libs.eventlog.tables import KeptTable
from services.audit.cold.records import Records, reading
from services.audit.cold.store import Store
from services.audit.domain import leaves
from services.audit.domain.checkpoint import CHECKPOINTS, SUBJECT
from services.audit.domain.tree import NotInTree, Place, Tree, peaks_of

KEPT: tuple[KeptTable, ...] = (
    KeptTable(
        "tile",
        (
            "CREATE TABLE IF NOT EXISTS tile (level int NOT NULL, index bigint NOT NULL, "
            "hashes bytea NOT NULL, PRIMARY KEY (level, index))",
        ),
        extends="hashes",
    ),
    KeptTable(
        "sealed",
        ("CREATE TABLE IF NOT EXISTS sealed (size bigint PRIMARY KEY, number bigint NOT NULL)",),
    ),
    # Leaves [first, first + records) are the records of one partition from the place behind
    # (after_life, after_offset) up to (life, record_offset).
    KeptTable(
        "span",
        (
            "CREATE TABLE IF NOT EXISTS span (first bigint PRIMARY KEY, partition int NOT NULL, "
            "records bigint NOT NULL, after_life int NOT NULL, after_offset bigint NOT NULL, "
            "life int NOT NULL, record_offset bigint NOT NULL)",
            "CREATE INDEX IF NOT EXISTS span_place ON span (partition, first)",
        ),
    ),
)

STREAM: UUID = originator(CHECKPOINTS.kind, SUBJECT, subject_is_id=False)
BEFORE_ALL = (0, -1)
"""The place before every record: lives count from 1."""

LogPlace = tuple[int, int]
"""(life, offset) of a record in its partition."""


class TreeBroken(RuntimeError):
    """Archive, tiles and checkpoints do not agree; nothing may be sealed until somebody looked."""


@dataclass(frozen=True, slots=True)
class Span:
    """A run of leaves that are consecutive records of one partition."""

    first: int
    partition: int
    records: int
    after: LogPlace
    upto: LogPlace


@dataclass(slots=True)
class Extension:
    """What a further checkpoint adds to the tree; nothing is written yet."""

    size: int
    root: bytes
    streams: int = 0
    spans: list[Span] = field(default_factory=list)
    tiles: Mapping[Place, bytes] = field(default_factory=dict)

    def write(self, conn: Connection[Any], number: int) -> None:
        """Puts it where it is read from, as the checkpoint with this number in its stream."""
        with conn.cursor() as curs:
            curs.execute("INSERT INTO sealed (size, number) VALUES (%s, %s)", (self.size, number))
            curs.executemany(
                "INSERT INTO span (first, partition, records, after_life, after_offset, life, "
                "record_offset) VALUES (%s, %s, %s, %s, %s, %s, %s)",
                [
                    (one.first, one.partition, one.records, *one.after, *one.upto)
                    for one in self.spans
                ],
            )
            curs.executemany(
                "INSERT INTO tile (level, index, hashes) VALUES (%s, %s, %s) "
                "ON CONFLICT (level, index) DO UPDATE SET hashes = EXCLUDED.hashes",
                [(*place, hashes) for place, hashes in self.tiles.items()],
            )


def tree_at(conn: Connection[Any], size: int) -> Tree:
    """The tree of so many leaves, read from its tiles; raises NotInTree where one is missing."""

    def stored(place: Place) -> bytes:
        with conn.cursor(row_factory=tuple_row) as curs:
            row = curs.execute(
                "SELECT hashes FROM tile WHERE level = %s AND index = %s", place
            ).fetchone()
        if row is None:
            raise NotInTree(f"tile {place[1]} of level {place[0]} is missing")
        return bytes(row[0])

    return Tree(size, stored)


def extension(
    archived: Records, last: CheckpointSealed | None, upto: Mapping[int, int]
) -> Extension:
    """What came since the last checkpoint, up to so many records of each partition.

    Reads one snapshot (cold.records.reading). Raises TreeBroken.
    """
    conn = archived.conn
    size = last.size if last else 0
    tree = tree_at(conn, size)
    if last is not None and tree.root().hex() != last.root:
        raise TreeBroken(f"the tiles do not give the root of the checkpoint of {size} leaves")
    had = {one.partition: one.records for one in last.partitions} if last else {}
    places = _places(conn)
    made = Extension(size, b"")
    streams: set[tuple[str, str]] = set()
    for partition, records in sorted(upto.items()):
        new = records - had.get(partition, 0)
        if new < 0:
            raise TreeBroken(f"partition {partition} has fewer records than were sealed")
        if new == 0:
            continue
        after = places.get(partition, BEFORE_ALL)
        behind = _Behind(after)
        tree.extend(behind.leaves(archived, partition, new, streams))
        if tree.size != made.size + new:
            raise TreeBroken(f"partition {partition} lacks records that were accepted")
        made.spans.append(Span(made.size, partition, new, after, behind.place))
        made.size = tree.size
    made.root, made.tiles, made.streams = tree.root(), tree.changed, len(streams)
    return made


class _Behind:
    """Takes the records behind a place, and remembers how far it came."""

    def __init__(self, place: LogPlace) -> None:
        self.place = place

    def leaves(
        self, archived: Records, partition: int, count: int, streams: set[tuple[str, str]]
    ) -> Iterator[bytes]:
        for record in islice(archived.accepted(partition, self.place), count):
            self.place = record.place
            streams.add((record.source, record.subject))
            yield record.digest


def _places(conn: Connection[Any]) -> dict[int, LogPlace]:
    """How far each partition is in the tree."""
    with conn.cursor(row_factory=tuple_row) as curs:
        rows = curs.execute(
            "SELECT DISTINCT ON (partition) partition, life, record_offset FROM span "
            "ORDER BY partition, first DESC"
        ).fetchall()
    return {partition: (life, offset) for partition, life, offset in rows}


# -- checkpoints on record ------------------------------------------------------------------------


def checkpoint_numbered(conn: Connection[Any], number: int) -> CheckpointSealed:
    """A checkpoint by its number in its stream."""
    row = _row(
        conn,
        "SELECT state FROM stored_events WHERE originator_id = %s AND originator_version = %s",
        (STREAM, number),
    )
    if row is None:
        raise TreeBroken(f"checkpoint number {number} is not on record")
    return read_checkpoint(row[0])


def last_checkpoint(conn: Connection[Any]) -> tuple[int, CheckpointSealed | None]:
    """The newest checkpoint and its number; (0, None) where none was sealed."""
    row = _row(
        conn,
        "SELECT originator_version, state FROM stored_events WHERE originator_id = %s "
        "ORDER BY originator_version DESC LIMIT 1",
        (STREAM,),
    )
    return (0, None) if row is None else (row[0], read_checkpoint(row[1]))


def checkpoint_of(conn: Connection[Any], size: int) -> CheckpointSealed | None:
    """The checkpoint over so many leaves."""
    row = _row(conn, "SELECT number FROM sealed WHERE size = %s", (size,))
    return None if row is None else checkpoint_numbered(conn, row[0])


def checkpoints(conn: Connection[Any], after: int, limit: int) -> list[CheckpointSealed]:
    """Checkpoints behind this number, oldest first; at most `limit`."""
    with conn.cursor(row_factory=tuple_row) as curs:
        rows = curs.execute(
            "SELECT state FROM stored_events WHERE originator_id = %s AND originator_version > %s "
            "ORDER BY originator_version LIMIT %s",
            (STREAM, after, limit),
        ).fetchall()
    return [read_checkpoint(state) for (state,) in rows]


def rebuilt(conn: Connection[Any]) -> int:
    """`catch_up` in a database just made anew: each record is a row there, no file is asked."""
    return catch_up(conn, all_rows=True)


def catch_up(conn: Connection[Any], store: Store | None = None, *, all_rows: bool = False) -> int:
    """Makes the tiles of checkpoints that have none yet (a rebuilt database); returns how many.

    `all_rows`: the database holds the records of months that lie in files as well.
    Raises TreeBroken where the archive does not give a checkpoint's root.
    """
    made = 0
    row = _row(conn, "SELECT coalesce(max(number), 0) FROM sealed", ())
    number = row[0] if row else 0
    last = checkpoint_numbered(conn, number) if number else None
    while found := checkpoints(conn, number, 1):
        (wanted,) = found
        number += 1
        with conn.transaction():
            with reading(conn, store) as archived:
                if all_rows:
                    archived.months = []
                upto = {one.partition: one.records for one in wanted.partitions}
                added = extension(archived, last, upto)
            if (added.size, added.root.hex()) != (wanted.size, wanted.root):
                raise TreeBroken(f"the archive does not give the root of checkpoint {number}")
            added.write(conn, number)
        last, made = wanted, made + 1
    return made


def accepted(conn: Connection[Any]) -> dict[int, tuple[int, bytes]]:
    """Of each partition: how many records were accepted, and its running digest."""
    with conn.cursor(row_factory=tuple_row) as curs:
        rows = curs.execute("SELECT partition, records, digest FROM running_digest").fetchall()
    return {partition: (records, bytes(digest)) for partition, records, digest in rows}


def _row(conn: Connection[Any], query: str, values: Sequence[Any]) -> tuple[Any, ...] | None:
    with conn.cursor(row_factory=tuple_row) as curs:
        return curs.execute(query.encode(), values).fetchone()


def read_checkpoint(state: bytes) -> CheckpointSealed:
    """A checkpoint from its event's bytes; raises Unreadable."""
    recorded = decode(bytes(state), {CheckpointSealed.type: CheckpointSealed})
    data: CheckpointSealed = recorded.data
    return data


# -- leaves and records ---------------------------------------------------------------------------


def listed(archived: Records, checkpoint: CheckpointSealed) -> Iterator[str]:
    """The list of the leaves that a checkpoint added, line by line (domain/leaves.py)."""
    conn = archived.conn
    before = checkpoint.previous_size
    yield leaves.head_line(before, checkpoint.size, peaks_of(before, tree_at(conn, before).node))
    with conn.cursor(row_factory=tuple_row) as curs:
        spans = curs.execute(
            "SELECT partition, records, after_life, after_offset FROM span "
            "WHERE first >= %s AND first < %s ORDER BY first",
            (before, checkpoint.size),
        ).fetchall()
    for partition, records, *after in spans:
        yield leaves.span_line(partition, records, (after[0], after[1]))
        yield from _listed_span(archived, partition, records, (after[0], after[1]))


def _listed_span(archived: Records, partition: int, count: int, place: LogPlace) -> Iterator[str]:
    told = 0
    for one in islice(archived.accepted(partition, place), count):
        told += 1
        leaf = leaves.Leaf(partition, one.place, one.digest, one.source, one.subject, one.sequence)
        yield leaf.line()
    if told < count:
        raise TreeBroken(f"partition {partition} lacks records that were sealed")


class Leaves:
    """Finds which leaf a record is, for many records: each span is read once."""

    def __init__(self, archived: Records) -> None:
        self._archived = archived
        self._spans: dict[int, list[Span]] = {}
        self._places: dict[int, list[LogPlace]] = {}

    def of(self, partition: int, place: LogPlace) -> int | None:
        """Its number; None while no checkpoint covers it."""
        span = self.span(partition, place)
        if span is None:
            return None
        places = self._places.get(span.first)
        if places is None:
            places = self._places[span.first] = self._archived.places(
                span.partition, span.after, span.upto
            )
        found = bisect_left(places, place)
        return span.first + found if places[found : found + 1] == [place] else None

    def span(self, partition: int, place: LogPlace) -> Span | None:
        """The run of leaves that it belongs to; None while no checkpoint covers it."""
        spans = self._spans.get(partition)
        if spans is None:
            spans = self._spans[partition] = _spans(self._archived.conn, partition)
        at = bisect_left(spans, place, key=lambda span: span.upto)
        return None if at == len(spans) or place <= spans[at].after else spans[at]


def _spans(conn: Connection[Any], partition: int) -> list[Span]:
    with conn.cursor(row_factory=tuple_row) as curs:
        rows = curs.execute(
            "SELECT first, partition, records, after_life, after_offset, life, record_offset "
            "FROM span WHERE partition = %s ORDER BY first",
            (partition,),
        ).fetchall()
    return [Span(row[0], row[1], row[2], (row[3], row[4]), (row[5], row[6])) for row in rows]
