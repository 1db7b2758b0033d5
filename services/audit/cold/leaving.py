"""The one place where archived rows leave the table: they lie in a month's file, on record."""

from collections.abc import Iterable
from datetime import date
from typing import Any

import psycopg
from psycopg import Connection
from psycopg.rows import tuple_row

from services.audit.cold.form import Place, Record

REFUSED = "KP011"
"""What `keeper.release_archived` raises."""


class RowsDiffer(RuntimeError):
    """The database holds a row that the month's file does not hold so: nothing left; run verify."""


def leave(
    conn: Connection[Any], cohort: date, partition: int, upto: Place, filed: Iterable[Record]
) -> int:
    """Takes one partition's rows of a month out of the database; returns how many there were.

    `filed` is what the file holds of that partition; a row up to that place that is not among it
    with the same bytes keeps all of them. In one transaction; safe to repeat. Raises RowsDiffer.
    """
    there = {one.place: one.digest for one in filed}
    with conn.transaction(), conn.cursor(row_factory=tuple_row) as curs:
        rows = curs.execute(
            "SELECT life, record_offset, digest FROM archive WHERE cohort = %s AND partition = %s "
            "AND (life, record_offset) <= (%s, %s)",
            (cohort, partition, *upto),
        ).fetchall()
        for life, offset, digest in rows:
            if there.get((life, offset)) != bytes(digest):
                raise RowsDiffer(
                    f"partition {partition}, offset {offset}: the file of {cohort:%Y-%m} does not "
                    "hold this row; nothing of the partition left, run verify"
                )
        gone = _take_out(conn, cohort, partition, upto)
        if gone != len(rows):
            raise RowsDiffer(f"partition {partition}: {gone} rows would leave, not {len(rows)}")
    return gone


def _take_out(conn: Connection[Any], cohort: date, partition: int, upto: Place) -> int:
    """By the database's keeper, who looks whether a file on record holds so much (decision 15)."""
    with conn.cursor(row_factory=tuple_row) as curs:
        try:
            row = curs.execute(
                "SELECT keeper.release_archived(%s, %s, %s, %s)", (cohort, partition, *upto)
            ).fetchone()
        except psycopg.Error as error:
            if error.sqlstate != REFUSED:
                raise
            raise RowsDiffer(f"the database keeps its rows: {error.diag.message_primary}") from None
    return 0 if row is None else int(row[0])


_BACK = (
    "INSERT INTO archive (cohort, partition, life, record_offset, source, subject, sequence, "
    "position, after, type, time, previous, digest, state) "
    "VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING"
)


def come_back(conn: Connection[Any], cohort: date, records: list[Record]) -> None:
    """Puts records into the table again, as they were; those that are there stay."""
    with conn.transaction(), conn.cursor() as curs:
        curs.executemany(_BACK, [(cohort, *one) for one in records])
