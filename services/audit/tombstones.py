"""What is gone, held against the signed events that say that it may be.

Of each purged record its place and digest are still there, so that every root and every running
digest can be made again. A place may be empty only where a `cohort.purged` that a key of ours
signed names its stream, to its very end; what lacks one is missing.
"""

from base64 import urlsafe_b64decode
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg import Connection
from psycopg.rows import tuple_row

from contracts.housekeeping import CohortPurged
from contracts.purging import text_of
from libs.decider import Recorded
from libs.eventlog.envelope import Unreadable, decode
from services.audit.domain.chain import Fault, FaultKind
from services.audit.holding import SOURCE, Findings
from services.audit.signing import is_signed_bytes

NAMED_MAX = 1_000
"""So many records without a tombstone are named; verify lists no more either."""


@dataclass(frozen=True, slots=True)
class Tombstone:
    """An event that says what went, and how much of it did."""

    event: UUID
    cohort: str
    at: datetime
    streams: int
    events: int
    """Records of which only the place is left."""
    by: str
    proposed_by: str
    ground: str


def tombstones(
    conn: Connection[Any], findings: Findings, trusted: Collection[str]
) -> list[Tombstone]:
    """Every purge on record that was carried out; what does not fit goes to `findings`.

    `trusted`: public keys that may have signed, base64url; empty: whichever an event names.
    """
    found: list[Tombstone] = []
    sound: list[UUID] = []
    for recorded in _recorded(conn):
        event = recorded.data
        if not _is_ours(event, trusted):
            what = f"the purge {recorded.id} is not signed by a key of this log: it was forged"
            findings.add(_fault(FaultKind.CHANGED, recorded, what))
            continue
        sound.append(recorded.id)
        left = _left(conn, recorded.id)
        if not left:
            continue  # approved, and not carried out here yet
        named = {(head.source, head.subject): head for head in event.heads}
        for (source, subject), (sequences, last, digest) in left.items():
            head = named.get((source, subject))
            if head is None:
                what = f"it went with the purge {recorded.id}, which does not name its stream"
                findings.add(Fault(FaultKind.MISSING, source, subject, last, what, recorded.time))
            elif (sequences, last, digest) != (head.sequence, head.sequence, head.digest):
                what = (
                    f"the purge {recorded.id} let {head.sequence} event(s) go that end otherwise "
                    f"than the {sequences} whose places are there"
                )
                findings.add(Fault(FaultKind.MISSING, source, subject, last, what, recorded.time))
        for source, subject in named.keys() - left.keys():
            head = named[source, subject]
            what = f"the purge {recorded.id} let it go, and not even its place is there"
            findings.add(
                Fault(FaultKind.MISSING, source, subject, head.sequence, what, recorded.time)
            )
        found.append(
            Tombstone(
                event=recorded.id,
                cohort=event.cohort,
                at=recorded.time,
                streams=len(left),
                events=sum(sequences for sequences, _, _ in left.values()),
                by=event.by,
                proposed_by=event.proposed_by,
                ground=event.ground,
            )
        )
    for source, subject, sequence, tombstone in _without(conn, sound):
        what = f"it is gone by {tombstone}, and no signed purge of this name is on record"
        findings.add(Fault(FaultKind.MISSING, source, subject, sequence, what))
    return found


def _recorded(conn: Connection[Any]) -> Iterator[Recorded[CohortPurged]]:
    """The purges on audit's own record, which nobody may delete from; each is signed by itself."""
    with conn.cursor(row_factory=tuple_row) as curs:
        rows = curs.execute(
            "SELECT state FROM stored_events WHERE topic = %s ORDER BY notification_id",
            (CohortPurged.type,),
        )
        for (state,) in rows.fetchall():
            try:
                yield decode(bytes(state), {CohortPurged.type: CohortPurged})
            except Unreadable:
                continue  # then what went by it went without one, and is named


def _left(conn: Connection[Any], tombstone: UUID) -> Mapping[tuple[str, str], tuple[int, int, str]]:
    """Of each stream that went with this event: how many places, the last number, its digest."""
    with conn.cursor(row_factory=tuple_row) as curs:
        rows = curs.execute(
            "SELECT source, subject, count(DISTINCT sequence), max(sequence), "
            "encode((array_agg(digest ORDER BY sequence DESC))[1], 'hex') FROM purged_record "
            "WHERE tombstone = %s GROUP BY source, subject",
            (tombstone,),
        ).fetchall()
    return {(row[0], row[1]): (row[2], row[3], row[4]) for row in rows}


def _without(conn: Connection[Any], sound: Collection[UUID]) -> list[tuple[str, str, int, UUID]]:
    """Places that are empty by an event that is not on record, or not ours."""
    with conn.cursor(row_factory=tuple_row) as curs:
        return curs.execute(
            "SELECT source, subject, sequence, tombstone FROM purged_record "
            "WHERE tombstone <> ALL(%s) ORDER BY source, subject, sequence LIMIT %s",
            (list(sound), NAMED_MAX),
        ).fetchall()


def _is_ours(event: CohortPurged, trusted: Collection[str]) -> bool:
    if trusted and event.key not in trusted:
        return False
    key, signature = (urlsafe_b64decode(f"{text}==") for text in (event.key, event.signature))
    return is_signed_bytes(text_of(event), signature, key)


def _fault(kind: FaultKind, recorded: Recorded[Any], what: str) -> Fault:
    return Fault(kind, SOURCE, recorded.subject, recorded.sequence, what, recorded.time)
