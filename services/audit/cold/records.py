"""The one way to archived records: from the database, or from a month's file, whoever asks.

A month whose records lie in a file may get new ones (a late report, a stream of policies): these
lie in the database, and both are told together, in one order. A record that lies in both (a
database that was rebuilt) is one record.
"""

import heapq
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from psycopg import Connection
from psycopg.rows import tuple_row

from libs.eventlog import Table
from libs.messaging.app import App
from libs.web import Unavailable
from services.audit.archive import ACCEPTED
from services.audit.cold.form import CohortFile, FileBroken, Place, Record
from services.audit.cold.store import Key, NoStore, Store, StoreAway
from services.audit.domain.cohorts import ARCHIVED, BROUGHT_BACK
from services.audit.moment import one_moment

ARCHIVED_TABLE = Table(
    ARCHIVED,
    {
        "cohort": "text not null",
        "file": "text not null",
        "key": "text not null",
        "bytes": "bigint not null",
        "events": "bigint not null",
        "streams": "bigint not null",
        "ends": "jsonb not null",
    },
    key=("cohort",),
    stream="",
)

BROUGHT_BACK_TABLE = Table(
    BROUGHT_BACK,
    {"cohort": "text not null", "file": "text not null", "written": "boolean not null"},
    key=("cohort",),
    stream="",
)

COLUMNS = (
    "partition, life, record_offset, source, subject, sequence, position, after, type, time, "
    "previous, digest, state"
)
ROWS_AT_ONCE = 5_000
FILES_OPEN_MAX = 8

T = TypeVar("T")


class RecordsAway(StoreAway):
    """A month's records lie in a file that cannot be had or read now."""


@dataclass(frozen=True, slots=True)
class Month:
    """A month whose records lie in a file."""

    cohort: str
    key: Key
    bytes: int
    events: int
    streams: int
    ends: Mapping[int, Place]
    """Partition -> the place of its last record in the file."""


def months(conn: Connection[Any]) -> list[Month]:
    """Those whose records lie in files, the oldest first."""
    with conn.cursor(row_factory=tuple_row) as curs:
        rows = curs.execute(
            f"SELECT cohort, file, bytes, events, streams, ends FROM {ARCHIVED} ORDER BY cohort"
        ).fetchall()
    return [
        Month(cohort, Key(cohort, file), size, events, streams, {p: (x, y) for p, x, y in ends})
        for cohort, file, size, events, streams, ends in rows
    ]


class Records:
    """Archived records through one connection, of one moment, for one thread; see `reading`."""

    def __init__(self, conn: Connection[Any], store: Store | None = None) -> None:
        self.conn = conn
        self.store: Store = store or NoStore()
        self.months = months(conn)
        self._open: OrderedDict[Key, CohortFile] = OrderedDict()

    def close(self) -> None:
        """Lets go of the files that were read."""
        for file in self._open.values():
            file.close()
        self._open.clear()

    def file(self, month: Month) -> CohortFile:
        """A month's file; raises RecordsAway."""
        known = self._open.get(month.key)
        if known is not None:
            self._open.move_to_end(month.key)
            return known
        try:
            file = CohortFile(self.store.local(month.key))
        except FileNotFoundError as error:
            raise RecordsAway(f"the archive's store holds no file {month.key}") from error
        except (StoreAway, FileBroken) as error:
            raise RecordsAway(str(error)) from error
        self._open[month.key] = file
        if len(self._open) > FILES_OPEN_MAX:
            self._open.popitem(last=False)[1].close()
        return file

    # -- by subject ------------------------------------------------------------------------------

    def of(
        self, subjects: Sequence[str], *, source: str | None = None, kinds: Sequence[str] = ()
    ) -> list[Record]:
        """Every record of these subjects, by (life, offset, partition); of one source, of types."""
        if not subjects:
            return []
        wanted = list(subjects)
        with self.conn.cursor(row_factory=tuple_row) as curs:
            cohorts = [
                cohort
                for (cohort,) in curs.execute(
                    "SELECT DISTINCT cohort FROM head WHERE subject = ANY(%s)", (wanted,)
                ).fetchall()
            ]
            found = curs.execute(
                f"SELECT {COLUMNS} FROM archive WHERE cohort = ANY(%s) AND subject = ANY(%s)",
                (cohorts, wanted),
            ).fetchall()
        records = [record_of(row) for row in found]
        filed = {f"{cohort:%Y-%m}" for cohort in cohorts}
        for month in self.months:
            if month.cohort in filed:
                records += self._read(month, lambda file: file.of(wanted))
        ordered = sorted(records, key=_by_place)
        return [
            one
            for at, one in enumerate(ordered)
            if (at == 0 or _by_place(ordered[at - 1]) != _by_place(one))
            and source in (None, one.source)
            and (not kinds or one.type in kinds)
        ]

    # -- in the order of acceptance --------------------------------------------------------------

    def in_order(self, partition: int, after: Place = (0, -1)) -> Iterator[Record]:
        """A partition's records behind a place, in the order in which they were accepted."""
        streams = [self._rows_in_order(partition, after)]
        streams += [
            self._file_in_order(one, partition, after) for one in self._behind(partition, after)
        ]
        if len(streams) == 1:
            yield from streams[0]
            return
        last: Place | None = None
        for record in heapq.merge(*streams, key=lambda one: one.place):
            if record.place != last:
                yield record
            last = record.place

    def accepted(self, partition: int, after: Place = (0, -1)) -> Iterator[Record]:
        """The same with the places of what was purged since: their digests, and no bytes."""
        with self.conn.cursor(row_factory=tuple_row) as curs:
            gone = curs.execute(
                "SELECT partition, life, record_offset, source, subject, sequence, position, "
                "after, '', NULL, NULL, digest, ''::bytea FROM purged_record "
                "WHERE partition = %s AND (life, record_offset) > (%s, %s) "
                "ORDER BY life, record_offset",
                (partition, *after),
            ).fetchall()
        there = self.in_order(partition, after)
        return heapq.merge(there, map(record_of, gone), key=lambda one: one.place)

    def from_files(self, partition: int) -> Iterator[Record]:
        """Only those of a partition that lie in files, in order."""
        files = [self._file_in_order(one, partition, (0, -1)) for one in self._behind(partition)]
        return heapq.merge(*files, key=lambda one: one.place)

    def places(self, partition: int, after: Place, upto: Place) -> list[Place]:
        """Where a partition's records lie, in (after, upto], in order."""
        with self.conn.cursor(row_factory=tuple_row) as curs:
            found = curs.execute(
                f"SELECT life, record_offset FROM {ACCEPTED} WHERE partition = %s "
                "AND (life, record_offset) > (%s, %s) AND (life, record_offset) <= (%s, %s) "
                "ORDER BY life, record_offset",
                (partition, *after, *upto),
            ).fetchall()
        away: list[Place] = []
        for month in self._behind(partition, after):
            away += self._read(month, lambda file: file.places(partition, after, upto))
        return sorted({*found, *away}) if away else found

    def _behind(self, partition: int, after: Place = (0, -1)) -> list[Month]:
        return [one for one in self.months if one.ends.get(partition, after) > after]

    def _rows_in_order(self, partition: int, after: Place) -> Iterator[Record]:
        place = after
        while True:
            with self.conn.cursor(row_factory=tuple_row) as curs:
                rows = curs.execute(
                    f"SELECT {COLUMNS} FROM archive WHERE partition = %s "
                    "AND (life, record_offset) > (%s, %s) ORDER BY life, record_offset LIMIT %s",
                    (partition, *place, ROWS_AT_ONCE),
                ).fetchall()
            yield from map(record_of, rows)
            if len(rows) < ROWS_AT_ONCE:
                return
            place = (rows[-1][1], rows[-1][2])

    def _file_in_order(self, month: Month, partition: int, after: Place) -> Iterator[Record]:
        try:
            # A file of its own: more may be read beside each other than are kept open.
            file = CohortFile(self.store.local(month.key))
            try:
                yield from file.records(partition, after)
            finally:
                file.close()
        except FileNotFoundError as error:
            raise RecordsAway(f"the archive's store holds no file {month.key}") from error
        except (StoreAway, FileBroken) as error:
            raise RecordsAway(str(error)) from error

    # -- by time ---------------------------------------------------------------------------------

    def between(self, since: datetime, until: datetime, limit: int) -> list[Record]:
        """Records made in [since, until), by (life, offset, partition); the first `limit`."""
        with self.conn.cursor(row_factory=tuple_row) as curs:
            rows = curs.execute(
                f"SELECT {COLUMNS} FROM archive WHERE time >= %s AND time < %s "
                "ORDER BY life, record_offset, partition LIMIT %s",
                (since, until, limit),
            ).fetchall()
        found = {_by_place(one): one for one in map(record_of, rows)}
        for month in self.months:
            for record in self._read(month, lambda file: file.between(since, until)):
                found[_by_place(record)] = record
                if len(found) > 2 * limit:
                    found = {place: found[place] for place in sorted(found)[:limit]}
        return [found[place] for place in sorted(found)[:limit]]

    def _read(self, month: Month, ask: Callable[[CohortFile], Iterable[T]]) -> list[T]:
        """What is asked of a month's file; raises RecordsAway."""
        try:
            return list(ask(self.file(month)))
        except FileBroken as error:
            raise RecordsAway(str(error)) from error


def _by_place(record: Record) -> tuple[int, int, int]:
    return record.life, record.offset, record.partition


def record_of(row: Sequence[Any]) -> Record:
    """A row of the table, its bytes as bytes."""
    *fields, previous, digest, state = row
    before = None if previous is None else bytes(previous)
    values: list[Any] = [*fields, before, bytes(digest), bytes(state)]
    return Record._make(values)


def sealed_upto(conn: Connection[Any]) -> dict[int, Place] | None:
    """How far each partition is under a checkpoint; None where nothing was ever sealed."""
    with conn.cursor(row_factory=tuple_row) as curs:
        rows = curs.execute(
            "SELECT DISTINCT ON (partition) partition, life, record_offset FROM span "
            "ORDER BY partition, first DESC"
        ).fetchall()
    return {partition: (life, offset) for partition, life, offset in rows} or None


# -- one moment -----------------------------------------------------------------------------------


@contextmanager
def reading(conn: Connection[Any], store: Store | None = None) -> Iterator[Records]:
    """Records of one moment: a month that leaves meanwhile is read from where it was.

    In a transaction of its own unless the connection is in one, which then must be such a one.
    """
    with one_moment(conn):
        records = Records(conn, store)
        try:
            yield records
        finally:
            records.close()


class Reading:
    """How routes ask for records, wherever they lie."""

    def __init__(self, app: App, store: Store) -> None:
        self.app = app
        self.store = store

    async def query(self, call: Callable[..., T], *args: Any) -> T:
        """Runs `call(records, *args)` beside the writer; raises Unavailable for a file away."""

        def asked(conn: Connection[Any]) -> T:
            with reading(conn, self.store) as records:
                return call(records, *args)

        try:
            return await self.app.query(asked)
        except StoreAway as error:
            raise Unavailable(f"{error}.") from error
