"""A complaint that audit does not hold: gone after its retention, by which event, or never here."""

from typing import Any
from uuid import UUID

from psycopg import Connection
from psycopg.rows import tuple_row

from libs.decider import DomainError, NotFound
from libs.decider.decider import wire_instant
from services.audit.domain.purging import GONE_ROWS


class NoSuchComplaint(NotFound):
    """The archive holds nothing about this complaint; it may still be under way."""

    rule = "no-such-complaint"
    zh = "档案中没有该投诉,可能尚在途中"


class Purged(DomainError):
    """The records of this complaint passed their retention and went; an event says so."""

    status = 410
    rule = "complaint-purged"
    zh = "该投诉的记录保存期满,已清除"


def absent(conn: Connection[Any], complaint: UUID) -> DomainError:
    """What to say of a complaint of which nothing is found: Purged, or NoSuchComplaint."""
    with conn.cursor(row_factory=tuple_row) as curs:
        row = curs.execute(
            f"SELECT cohort, tombstone, at FROM {GONE_ROWS} WHERE complaint = %s", (complaint,)
        ).fetchone()
    if row is None:
        return NoSuchComplaint()
    cohort, tombstone, at = row
    return Purged(
        f"The records of this complaint passed their retention and went at {wire_instant(at)}: "
        f"event {tombstone} of the purge of {cohort} says so."
    )


def absent_stream(conn: Connection[Any], subject: str) -> Purged | None:
    """The same of a stream by its subject; None where it is no complaint's, or never was here."""
    try:
        complaint = UUID(subject)
    except ValueError:
        return None
    found = absent(conn, complaint)
    return found if isinstance(found, Purged) else None
