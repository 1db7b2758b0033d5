"""Streams that a signed purge names go: the database's keeper deletes them, we what showed them.

Nothing here decides that something may go. `keeper.purge_streams` (infra/postgres/purging.sql)
checks the signature, the streams' ends and the floor, and refuses the whole when one is wrong.

First, when a purge is approved, its streams are withheld: nothing is added to them until it is
carried out or withdrawn (docs/decisions/0021). A complaint whose stream does not end as the
approval says was taken up again: it is kept, and the service says so.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple
from uuid import UUID

import psycopg
from psycopg import Connection, Cursor
from psycopg.rows import tuple_row
from pydantic_core import to_json

from libs.decider import Conflict, Recorded
from libs.eventlog.moved import Moved
from libs.eventlog.tables import Table

KEEPERS_OWN = "KP"
"""Begins the SQLSTATE of what the keeper refuses, whose text names no content."""


class End(NamedTuple):
    """Where a stream ends, as a purge says it."""

    source: str
    subject: str
    sequence: int
    digest: str


AlsoPurge = Callable[[Connection[Any], bytes, Collection[str]], None]
"""What a service deletes besides, in the same transaction: (connection, the event's bytes, the
complaints that are kept)."""
AlsoMoved = Callable[[Connection[Any], Sequence[End]], Collection[str]]
"""Which of these complaints do not end so in what a service keeps besides its streams."""


class StreamPurged(Conflict):
    """Its records were deleted after their retention; nothing is added to them: tell it anew."""

    rule = "stream-purged"
    zh = "该投诉的记录已在保存期满后删除,不能再追加;请重新登记"


class StreamWithheld(Conflict):
    """Its records are about to be deleted after their retention: tell it anew, or later."""

    passing = True
    rule = "stream-withheld"
    zh = "该投诉保存期满,正在清除,暂不能追加;请重新登记或稍后再试"


class PurgeRefused(Exception):
    """The database did not let these streams go; nothing was deleted."""

    def __init__(self, record: str, reason: str) -> None:
        super().__init__(reason)
        self.record = record
        """The id of the event that asked for it."""
        self.reason = reason


# -- steps of a unit of work ----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Withhold:
    """Nothing is added to these streams from here on.

    `purge` is the subject of the purge's stream. `seen`: what had moved when it was decided; None:
    it was decided before, and is copied.
    """

    purge: str
    ends: tuple[End, ...]
    subjects: frozenset[str]
    seen: frozenset[str] | None


@dataclass(frozen=True, slots=True)
class Free:
    """Something came on record about a complaint that was withheld: it is taken up."""

    subject: str


@dataclass(frozen=True, slots=True)
class Known:
    """What is heard about a complaint that is withheld, and its purge knew of: it stays so."""

    subject: str


@dataclass(frozen=True, slots=True)
class Lift:
    """The purge is off: all that it withheld is free."""

    purge: str


@dataclass(frozen=True, slots=True)
class Purge:
    """One `cohort.purged` to be carried out, but for the complaints that are kept.

    `seen`: what had moved when it was decided; None: it was decided before, and is copied.
    """

    record: str
    purge: str
    event: bytes
    ends: tuple[End, ...]
    last: bool
    """No part of it follows."""
    kept: frozenset[str] = frozenset()
    seen: frozenset[str] | None = None
    rows_only: bool = False
    """The streams went before; only what shows them goes, for it was made anew."""


Step = Withhold | Free | Known | Lift | Purge


@dataclass(frozen=True, slots=True)
class Scope:
    """What a service's database holds that a purge concerns."""

    source: str
    tables: Mapping[str, Table]
    also_purge: AlsoPurge | None = None
    also_moved: AlsoMoved | None = None
    withheld_is_gone: frozenset[str] = frozenset()


class Withheld(NamedTuple):
    """Which purge withholds a complaint, and per source the last event that it knew of."""

    purge: str
    known: Mapping[str, int]

    def knew_of(self, recorded: Recorded[Any]) -> bool:
        """Whether this event is one of those."""
        return recorded.sequence <= self.known.get(recorded.source, 0)


def withheld_after(found: Withheld | None, steps: Sequence[Step], subject: str) -> Withheld | None:
    """What withholds a complaint behind these steps, where it was `found` before them."""
    lifted: set[str] = set()
    for step in reversed(steps):
        match step:
            case Free() if step.subject == subject:
                return None
            case Lift():
                lifted.add(step.purge)
            case Withhold() if subject in step.subjects:
                found = Withheld(step.purge, known_of(step.ends, subject))
                break
            case _:
                pass
    return None if found is None or found.purge in lifted else found


def ends_of(recorded: Recorded[Any]) -> tuple[End, ...]:
    """The streams that an approval or a purge names."""
    heads = recorded.data.heads
    return tuple(End(one.source, str(one.subject), one.sequence, one.digest) for one in heads)


def subjects_of(ends: Iterable[End]) -> tuple[str, ...]:
    """The complaints whose streams these are."""
    return tuple(dict.fromkeys(end.subject for end in ends))


def known_of(ends: Iterable[End], subject: str) -> dict[str, int]:
    """Per source where a complaint's stream ends by these."""
    return {end.source: end.sequence for end in ends if end.subject == subject}


def purge_of(
    recorded: Recorded[Any],
    event: bytes,
    *,
    kept: Collection[str] = (),
    seen: frozenset[str] | None = None,
) -> Purge:
    """What a heard `cohort.purged` asks for."""
    told = recorded.data
    return Purge(
        str(recorded.id),
        recorded.subject,
        event,
        ends_of(recorded),
        told.part == told.parts,
        frozenset(kept),
        seen,
    )


def is_forged(conn: Connection[Any], event: bytes) -> bool:
    """Whether a `cohort.purged` is not signed, or by a key that was revoked (the keeper looks)."""
    with conn.cursor(row_factory=tuple_row) as curs:
        row = curs.execute("SELECT keeper.is_forged(%s::jsonb)", (event.decode(),)).fetchone()
    return bool(row and row[0])


# -- in the transaction ---------------------------------------------------------------------------

_MOVED = """
SELECT s.subject FROM unnest(%(subjects)s::text[]) AS s(subject)
CROSS JOIN LATERAL (
  SELECT originator_version AS sequence, encode(sha256(state), 'hex') AS digest
  FROM stored_events WHERE originator_id = s.subject::uuid
  ORDER BY originator_version DESC LIMIT 1
) AS last
LEFT JOIN unnest(%(own)s::text[], %(sequences)s::bigint[], %(digests)s::text[])
  AS named(subject, sequence, digest) ON named.subject = s.subject
WHERE (named.sequence, named.digest) IS DISTINCT FROM (last.sequence, last.digest)
UNION
SELECT subject FROM parked WHERE subject = ANY(%(subjects)s) AND state <> 'settled'
"""


def moved(curs: Cursor[Any], ends: Sequence[End], scope: Scope) -> frozenset[str]:
    """Which of these complaints do not end here as is said, or wait for a decision.

    One that is gone already did not move.
    """
    subjects = [one for one in subjects_of(ends) if _is_uuid(one)]
    own = [end for end in ends if end.source == scope.source]
    asked = {
        "subjects": subjects,
        "own": [end.subject for end in own],
        "sequences": [end.sequence for end in own],
        "digests": [end.digest for end in own],
    }
    found = {row["subject"] for row in curs.execute(_MOVED, asked).fetchall()}
    if scope.also_moved is not None:
        found.update(scope.also_moved(curs.connection, ends))
    return frozenset(found)


def check_steps(curs: Cursor[Any], steps: Sequence[Step], scope: Scope) -> None:
    """As committed, the same have moved as when it was decided; else raises Moved."""
    for step in steps:
        if (
            isinstance(step, Withhold | Purge)
            and step.seen is not None
            and moved(curs, step.ends, scope) != step.seen
        ):
            raise Moved("a complaint was taken up meanwhile")


def take_steps(curs: Cursor[Any], steps: Sequence[Step], scope: Scope) -> None:
    """All of them, in order; raises PurgeRefused."""
    for step in steps:
        match step:
            case Withhold():
                subjects = sorted(step.subjects)
                known = [to_json(known_of(step.ends, one)).decode() for one in subjects]
                curs.execute(
                    "INSERT INTO withheld (subject, purge, known) SELECT s, %s, k::jsonb "
                    "FROM unnest(%s::text[], %s::text[]) AS named(s, k) "
                    "WHERE NOT EXISTS (SELECT FROM purged p WHERE p.subject = s) "
                    "ON CONFLICT (subject) DO UPDATE "
                    "SET purge = EXCLUDED.purge, known = EXCLUDED.known",
                    (step.purge, subjects, known),
                )
            case Free(subject):
                curs.execute("DELETE FROM withheld WHERE subject = %s", (subject,))
            case Known():
                pass
            case Lift(purge):
                curs.execute("DELETE FROM withheld WHERE purge = %s", (purge,))
            case Purge():
                _carry_out(curs, step, scope)


def _carry_out(curs: Cursor[Any], purge: Purge, scope: Scope) -> None:
    """Deletes the streams, then every row about their complaints; raises PurgeRefused."""
    if not purge.rows_only:
        _delete_streams(curs, purge, scope)
    _delete_rows(curs, purge, scope)


def _delete_streams(curs: Cursor[Any], purge: Purge, scope: Scope) -> None:
    kept = sorted(purge.kept)
    try:
        curs.execute(
            "SELECT keeper.purge_streams(%s::jsonb, %s::uuid[])", (purge.event.decode(), kept)
        )
        if scope.also_purge is not None:
            scope.also_purge(curs.connection, purge.event, kept)
    except psycopg.OperationalError:
        raise
    except psycopg.Error as error:
        known = (error.sqlstate or "").startswith(KEEPERS_OWN)
        reason = error.diag.message_primary if known else type(error).__name__
        raise PurgeRefused(purge.record, reason or "refused") from error


def _delete_rows(curs: Cursor[Any], purge: Purge, scope: Scope) -> None:
    named = subjects_of(purge.ends)
    subjects = [one for one in named if one not in purge.kept]
    for table in scope.tables.values():
        kind = kind_of_subject(table)
        if kind is not None:
            about: list[Any] = [UUID(one) for one in subjects] if kind == "uuid" else subjects
            curs.execute(f"DELETE FROM {table.name} WHERE {table.stream} = ANY(%s)", (about,))
    curs.execute("DELETE FROM timer WHERE subject = ANY(%s)", (subjects,))
    # Only what was settled, on record: with one that waits it would be kept.
    curs.execute("DELETE FROM parked WHERE subject = ANY(%s)", (subjects,))
    curs.execute(
        "INSERT INTO purged (subject, record) SELECT unnest(%s::text[]), %s ON CONFLICT DO NOTHING",
        (subjects, purge.record),
    )
    curs.execute(
        "DELETE FROM withheld WHERE subject = ANY(%s) OR (%s AND purge = %s)",
        (list(named), purge.last, purge.purge),
    )


def kind_of_subject(table: Table) -> str | None:
    """`uuid` or `text`: how a table names the complaint with which its rows go; None: they stay."""
    if table.outlives or table.stream not in table.columns:
        return None
    kind = table.type_of(table.stream)
    return kind if kind in ("uuid", "text") else None


def purged_among(curs: Cursor[Any], subjects: Iterable[str]) -> frozenset[str]:
    """Which of these complaints are gone."""
    found = curs.execute(
        "SELECT subject FROM purged WHERE subject = ANY(%s)", (list(subjects),)
    ).fetchall()
    return frozenset(row["subject"] for row in found)


def withheld_among(curs: Cursor[Any], subjects: Iterable[str]) -> dict[str, Withheld]:
    """Which of these complaints are withheld, and for which purge."""
    found = curs.execute(
        "SELECT subject, purge, known FROM withheld WHERE subject = ANY(%s)", (list(subjects),)
    ).fetchall()
    return {row["subject"]: Withheld(row["purge"], row["known"]) for row in found}


def check_written(
    curs: Cursor[Any], written: Collection[str], looked_at: Collection[str], steps: Sequence[Step]
) -> None:
    """Nothing is added to what is gone or withheld; raises Moved where it has become so.

    Nor is anything decided on what was looked at, and free, and is withheld by now.
    """
    if written and purged_among(curs, written):
        raise Moved("a complaint was purged meanwhile")
    subjects = {*written, *looked_at}
    if not subjects:
        return
    freed = {step.subject for step in steps if isinstance(step, Free | Known)}
    lifted = {step.purge for step in steps if isinstance(step, Lift)}
    for subject, withheld in withheld_among(curs, subjects).items():
        if subject not in freed and withheld.purge not in lifted:
            raise Moved("a complaint was withheld meanwhile")


def _is_uuid(text: str) -> bool:
    try:
        return str(UUID(text)) == text
    except ValueError:
        return False
