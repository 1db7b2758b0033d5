"""Where reports read: audit's own rows in PostgreSQL, or those of a replay in a file of its own.

Row by row in both, so that a report of ten years takes no more memory than one of a day. The same
SQL asks both, and both sort alike: texts by their characters' numbers.
"""

import sqlite3
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime
from decimal import Decimal
from itertools import count
from typing import Any
from uuid import UUID

from psycopg import Connection
from psycopg.rows import tuple_row

from libs.decider import Row
from services.audit.domain.reporting import COMPLAINT, TABLES, Fact, Facts, FactTable, Period
from services.audit.moment import one_moment

FETCHED_AT_ONCE = 2_000
KEPT_CACHE_KB = 32 * 1024
"""What a replay's rows take of memory; the rest of them lies in a temporary file."""


class _Asked(ABC):
    """`Facts`, as questions to a database."""

    mark: str
    """Where a value stands in a question."""
    text_order: str
    """What sorts texts by their characters' numbers."""

    def all(self, table: FactTable) -> Iterator[Fact]:
        """See `Facts`."""
        return self._select(table, "", ())

    def dated(self, table: FactTable, column: str, period: Period, *ordered: str) -> Iterator[Fact]:
        """See `Facts`."""
        where = f"WHERE f.{column} BETWEEN {self.mark} AND {self.mark}"
        return self._select(table, where, (period.first, period.last), ordered)

    def of(self, table: FactTable, complaints: Sequence[UUID]) -> Iterator[Fact]:
        """See `Facts`."""
        marks = ", ".join([self.mark] * len(complaints))
        return self._select(table, f"WHERE f.complaint IN ({marks})", complaints)

    def with_complaint(
        self, table: FactTable, column: str, period: Period, *ordered: str
    ) -> Iterator[tuple[Fact, Fact]]:
        """See `Facts`."""
        return self._pairs(table, f"f.{column}", period, ordered)

    def told_with(
        self, table: FactTable, period: Period, *ordered: str
    ) -> Iterator[tuple[Fact, Fact]]:
        """See `Facts`."""
        return self._pairs(table, "told.told_on", period, ordered)

    def _select(
        self, table: FactTable, where: str, given: Sequence[Any], ordered: Sequence[str] = ()
    ) -> Iterator[Fact]:
        columns = ", ".join(f"f.{column}" for column in table.columns)
        asked = f"SELECT {columns} FROM {table.name} f {where} {self._order(table, ordered)}"
        for row in self._fetch(asked, given):
            yield self._fact(table, row)

    def _pairs(
        self, table: FactTable, dated: str, period: Period, ordered: Sequence[str]
    ) -> Iterator[tuple[Fact, Fact]]:
        columns = [f"f.{name}" for name in table.columns]
        columns += [f"told.{name}" for name in COMPLAINT.columns]
        asked = (
            f"SELECT {', '.join(columns)} FROM {table.name} f "
            "JOIN report_complaint told ON told.complaint = f.complaint "
            f"WHERE {dated} BETWEEN {self.mark} AND {self.mark} {self._order(table, ordered)}"
        )
        ours = len(table.columns)
        for row in self._fetch(asked, (period.first, period.last)):
            yield self._fact(table, row[:ours]), self._fact(COMPLAINT, row[ours:])

    def _order(self, table: FactTable, ordered: Sequence[str]) -> str:
        by = [
            f"f.{name}{self.text_order if table.columns[name] == 'text' else ''}"
            for name in ordered
        ]
        return f"ORDER BY {', '.join(by)}" if by else ""

    @abstractmethod
    def _fetch(self, asked: str, given: Sequence[Any]) -> Iterator[Sequence[Any]]:
        """The rows of an answer, as they come."""

    @abstractmethod
    def _fact(self, table: FactTable, row: Sequence[Any]) -> Fact:
        """A row by its columns' names."""


class _Live(_Asked):
    """The facts as one transaction sees them."""

    mark, text_order = "%s", ' COLLATE "C"'

    def __init__(self, conn: Connection[Any]) -> None:
        self._conn = conn
        self._names = count()

    def _fetch(self, asked: str, given: Sequence[Any]) -> Iterator[Sequence[Any]]:
        name = f"facts_{next(self._names)}"
        with self._conn.cursor(name=name, row_factory=tuple_row) as curs:
            curs.itersize = FETCHED_AT_ONCE
            curs.execute(asked, given)
            yield from curs

    def _fact(self, table: FactTable, row: Sequence[Any]) -> Fact:
        return dict(zip(table.columns, row, strict=True))


@contextmanager
def live_facts(conn: Connection[Any]) -> Iterator[Facts]:
    """The facts, all as of one instant however long the reading takes."""
    with one_moment(conn):
        yield _Live(conn)


def _instant(value: datetime) -> str:
    return value.astimezone(UTC).isoformat(timespec="microseconds")


_STORED: Mapping[type, Callable[[Any], Any]] = {
    UUID: lambda value: value.hex,
    datetime: _instant,
    date: date.isoformat,
    Decimal: lambda value: format(value, "f"),
    bool: int,
}
_READ: Mapping[str, Callable[[Any], Any]] = {
    "uuid": lambda value: UUID(hex=value),
    "date": date.fromisoformat,
    "instant": datetime.fromisoformat,
    "money": Decimal,
    "flag": bool,
}


def _stored(value: Any) -> Any:
    """As SQLite keeps it, so that it sorts as it does elsewhere."""
    told = _STORED.get(type(value))
    return value if told is None else told(value)


class Kept(_Asked):
    """The same tables for a replay, in a temporary file that ends with it."""

    mark, text_order = "?", ""

    def __init__(self) -> None:
        # An empty name: SQLite's own temporary database, in a file only as far as it must be.
        self._conn = sqlite3.connect("", isolation_level=None)
        self._conn.execute("PRAGMA journal_mode = OFF")
        self._conn.execute(f"PRAGMA cache_size = -{KEPT_CACHE_KB}")
        self._written: dict[tuple[str, ...], str] = {}
        for table in TABLES:
            kinds = {"int": "INTEGER", "flag": "INTEGER"}
            columns = [f"{name} {kinds.get(kind, 'TEXT')}" for name, kind in table.columns.items()]
            key = ", ".join(table.key)
            self._conn.execute(
                f"CREATE TABLE {table.name} ({', '.join(columns)}, PRIMARY KEY ({key})) "
                "WITHOUT ROWID"
            )
            for column in table.dated_by:
                self._conn.execute(f"CREATE INDEX {table.name}_{column} ON {table.name} ({column})")

    def keep(self, rows: Iterable[Row]) -> None:
        """Rows as they come: what one says replaces what was said before."""
        for row in rows:
            told = (*row.key, *row.values)
            names = (row.table, *(name for name, _ in told))
            statement = self._written.get(names)
            if statement is None:
                statement = self._written[names] = _upsert(row)
            self._conn.execute(statement, [_stored(value) for _, value in told])

    def _fetch(self, asked: str, given: Sequence[Any]) -> Iterator[Sequence[Any]]:
        return self._conn.execute(asked, [_stored(value) for value in given])

    def _fact(self, table: FactTable, row: Sequence[Any]) -> Fact:
        return {
            name: value if value is None or kind not in _READ else _READ[kind](value)
            for (name, kind), value in zip(table.columns.items(), row, strict=True)
        }


def _upsert(row: Row) -> str:
    key = [name for name, _ in row.key]
    values = [name for name, _ in row.values]
    names = (*key, *values)
    now = ", ".join(f"{name} = excluded.{name}" for name in values)
    return (
        f"INSERT INTO {row.table} ({', '.join(names)}) VALUES ({', '.join('?' * len(names))}) "
        f"ON CONFLICT ({', '.join(key)}) DO {f'UPDATE SET {now}' if now else 'NOTHING'}"
    )
