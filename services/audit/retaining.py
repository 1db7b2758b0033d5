"""What the archive knows of a month's complaints as far as it decides whether they may go."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from psycopg import Connection
from psycopg.rows import dict_row, tuple_row

from contracts.housekeeping import Head
from contracts.values import Category, Kind
from libs.eventlog.housekeeping import BESIDE
from services.audit.domain.holds import LEGAL_HOLDS
from services.audit.domain.purging import ANSWERS, GONE_ROWS
from services.audit.domain.retention import (
    Plan,
    RetentionPolicy,
    Standing,
    counted_from,
    fates,
    plan_of,
)

_IS_ID = "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"

GONE = f"""EXISTS (
  SELECT FROM {GONE_ROWS} g WHERE g.complaint = c.complaint AND NOT EXISTS (
    SELECT FROM {ANSWERS} a WHERE a.record = g.tombstone AND a.source = '/bihuan/audit'
    AND g.complaint = ANY(a.kept)
  )
)"""
"""Complaint `c` went by the signed word of a purge, and audit itself has not kept it: what it kept
may be held, and proposed again."""

_MEMBERS = f"""
SELECT DISTINCT c.complaint FROM head h
JOIN complaint c ON c.complaint = CASE WHEN h.subject ~ '{_IS_ID}' THEN h.subject::uuid END
WHERE h.cohort = %s AND NOT {GONE}
"""

# The complaints themselves, and whatever they were merged with, in both directions.
_STANDINGS = f"""
WITH RECURSIVE related (complaint) AS (
  SELECT unnest(%(complaints)s::uuid[])
  UNION
  SELECT other.complaint FROM related r, LATERAL (
    SELECT merged_into AS complaint FROM complaint c
    WHERE c.complaint = r.complaint AND merged_into IS NOT NULL
    UNION ALL SELECT c.complaint FROM complaint c WHERE c.merged_into = r.complaint
  ) other
)
SELECT c.complaint, c.kind, c.category, c.counts_from, c.kept_from, c.merged_into,
  (SELECT max(h.time) FROM head h WHERE h.subject = c.complaint::text) AS recorded,
  EXISTS (SELECT FROM appeal a WHERE a.complaint = c.complaint AND a.is_open) AS appealed,
  ARRAY(SELECT l.hold FROM {LEGAL_HOLDS} l WHERE l.complaint = c.complaint ORDER BY 1) AS holds,
  EXISTS (SELECT FROM parked p WHERE p.subject = c.complaint::text AND p.state <> 'settled')
    AS parked,
  EXISTS (SELECT FROM fault f WHERE f.subject = c.complaint::text)
    OR EXISTS (SELECT FROM head h WHERE h.subject = c.complaint::text || '{BESIDE}') AS faulty
FROM related JOIN complaint c USING (complaint)
WHERE NOT {GONE}
"""


@dataclass(frozen=True, slots=True)
class Month:
    """A month of registration, and how many complaints of it are there."""

    cohort: date
    complaints: int


def first_day(cohort: str) -> date:
    """`2025-08` as the archive files it."""
    return date.fromisoformat(f"{cohort}-01")


def months(conn: Connection[Any], after: date | None, limit: int) -> list[Month]:
    """The months with complaints, oldest first, after this one; limit + 1 at most."""
    with conn.cursor(row_factory=tuple_row) as curs:
        rows = curs.execute(
            "SELECT h.cohort, count(DISTINCT c.complaint) FROM head h "
            f"JOIN complaint c ON c.complaint = CASE WHEN h.subject ~ '{_IS_ID}' "
            "THEN h.subject::uuid END "
            "WHERE %s::date IS NULL OR h.cohort > %s GROUP BY 1 ORDER BY 1 LIMIT %s",
            (after, after, limit + 1),
        ).fetchall()
    return [Month(*row) for row in rows]


def plan(conn: Connection[Any], cohort: str, at: datetime, policy: RetentionPolicy) -> Plan:
    """The plan of one month at an instant; an empty one where the month has no complaints."""
    with conn.cursor(row_factory=tuple_row) as curs:
        found = curs.execute(_MEMBERS, (first_day(cohort),)).fetchall()
    members = {complaint for (complaint,) in found}
    standings = _standings(conn, members)
    known = fates(standings, policy, at, _gone(conn, standings.values()))
    goes = [one for one in members if known[one].goes]
    return plan_of(cohort, at, policy, members, known, _heads(conn, goes))


def _standings(conn: Connection[Any], complaints: Collection[UUID]) -> dict[UUID, Standing]:
    with conn.cursor(row_factory=dict_row) as curs:
        rows = curs.execute(_STANDINGS, {"complaints": list(complaints)}).fetchall()
    return {row["complaint"]: _standing(row) for row in rows}


def _standing(row: Mapping[str, Any]) -> Standing:
    kind = Kind(row["kind"]) if row["kind"] else Kind.COMPLAINT
    return Standing(
        complaint=row["complaint"],
        category=Category(row["category"]) if row["category"] else Category.UNCLASSIFIED,
        counts_from=counted_from(kind, row["counts_from"], row["kept_from"]),
        recorded=row["recorded"],
        into=row["merged_into"],
        appealed=row["appealed"],
        holds=tuple(row["holds"]),
        parked=row["parked"],
        faulty=row["faulty"],
    )


def _gone(conn: Connection[Any], standings: Iterable[Standing]) -> frozenset[UUID]:
    """Which of those that they were merged into went before."""
    into = [one.into for one in standings if one.into is not None]
    with conn.cursor(row_factory=tuple_row) as curs:
        rows = curs.execute(
            f"SELECT complaint FROM {GONE_ROWS} WHERE complaint = ANY(%s)", (into,)
        ).fetchall()
    return frozenset(complaint for (complaint,) in rows)


def _heads(conn: Connection[Any], complaints: Sequence[UUID]) -> dict[UUID, list[Head]]:
    """Where every stream of these complaints ends, audit's own holds among them."""
    with conn.cursor(row_factory=tuple_row) as curs:
        rows = curs.execute(
            "SELECT source, subject, sequence, digest FROM head WHERE subject = ANY(%s)",
            ([str(one) for one in complaints],),
        ).fetchall()
    heads: dict[UUID, list[Head]] = {one: [] for one in complaints}
    for source, subject, sequence, digest in rows:
        end = Head(source=source, subject=subject, sequence=sequence, digest=bytes(digest).hex())
        heads[UUID(subject)].append(end)
    return heads
