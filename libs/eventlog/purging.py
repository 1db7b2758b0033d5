"""Streams that a signed purge names go: the database's keeper deletes them, we what showed them.

Nothing here decides that something may go. `keeper.purge_streams` (infra/postgres/purging.sql)
checks the signature, the streams' ends and the floor, and refuses the whole when one is wrong.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import psycopg
from psycopg import Connection, Cursor

from libs.decider import Conflict, Recorded
from libs.eventlog.tables import Table

KEEPERS_OWN = "KP"
"""Begins the SQLSTATE of what the keeper refuses, whose text names no content."""

AlsoPurge = Callable[[Connection[Any], bytes], None]
"""What a service deletes besides, in the same transaction: (connection, the event's bytes)."""


class StreamPurged(Conflict):
    """Its records were deleted after their retention; nothing is added to them: tell it anew."""

    rule = "stream-purged"
    zh = "该投诉的记录已在保存期满后删除,不能再追加;请重新登记"


class PurgeRefused(Exception):
    """The database did not let these streams go; nothing was deleted."""

    def __init__(self, record: str, reason: str) -> None:
        super().__init__(reason)
        self.record = record
        """The id of the event that asked for it."""
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Purge:
    """One `cohort.purged` to be carried out."""

    record: str
    event: bytes
    subjects: tuple[str, ...]
    """The complaints whose streams it names, in whichever service."""


def purge_of(recorded: Recorded[Any], event: bytes) -> Purge:
    """What a heard `cohort.purged` asks for."""
    subjects = dict.fromkeys(str(head.subject) for head in recorded.data.heads)
    return Purge(str(recorded.id), event, tuple(subjects))


def carry_out(
    curs: Cursor[Any], purge: Purge, tables: Mapping[str, Table], also: AlsoPurge | None
) -> None:
    """Deletes the streams, then every row about their complaints; raises PurgeRefused."""
    try:
        curs.execute("SELECT keeper.purge_streams(%s::jsonb)", (purge.event.decode(),))
        if also is not None:
            also(curs.connection, purge.event)
    except psycopg.OperationalError:
        raise
    except psycopg.Error as error:
        known = (error.sqlstate or "").startswith(KEEPERS_OWN)
        reason = error.diag.message_primary if known else type(error).__name__
        raise PurgeRefused(purge.record, reason or "refused") from error
    subjects = list(purge.subjects)
    for table in tables.values():
        kind = table.type_of(table.stream) if table.stream in table.columns else ""
        if kind in ("uuid", "text") and not table.outlives:
            about: list[Any] = [UUID(one) for one in subjects] if kind == "uuid" else subjects
            curs.execute(f"DELETE FROM {table.name} WHERE {table.stream} = ANY(%s)", (about,))
    curs.execute("DELETE FROM timer WHERE subject = ANY(%s)", (subjects,))
    curs.execute("DELETE FROM parked WHERE subject = ANY(%s)", (subjects,))
    curs.execute(
        "INSERT INTO purged (subject, record) SELECT unnest(%s::text[]), %s ON CONFLICT DO NOTHING",
        (subjects, purge.record),
    )


def purged_among(curs: Cursor[Any], subjects: Iterable[str]) -> frozenset[str]:
    """Which of these complaints are gone."""
    found = curs.execute(
        "SELECT subject FROM purged WHERE subject = ANY(%s)", (list(subjects),)
    ).fetchall()
    return frozenset(row["subject"] for row in found)
