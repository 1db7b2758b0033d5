"""What is gone, held against the signed events that say that it may be.

Of each purged record its place and digest are still there, so that every root and every running
digest can be made again. A place may be empty only where a `cohort.purged` that a key of ours
signed names its stream, to its very end; what lacks one is missing. And that event must be a record
of the log like any other, under the digests that are sealed: what stands in audit's own database
alone lets nothing go.
"""

from base64 import urlsafe_b64decode
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg import Connection
from psycopg.rows import tuple_row

from contracts.housekeeping import CohortPurged, Head
from contracts.purging import text_of
from libs.decider import Recorded
from libs.eventlog.envelope import Unreadable, decode
from services.audit.cold.form import Place
from services.audit.cold.records import Records, sealed_upto
from services.audit.domain.chain import Fault, FaultKind
from services.audit.holding import SOURCE, Findings
from services.audit.signing import is_signed_bytes

Stream = tuple[str, str]
"""Source and subject."""

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
    sealed: bool
    """A checkpoint covers it; else it came since the last one."""


def tombstones(archived: Records, findings: Findings, trusted: Collection[str]) -> list[Tombstone]:
    """Every purge on record that was carried out; what does not fit goes to `findings`.

    `trusted`: public keys that may have signed, base64url; empty: whichever an event names.
    """
    conn = archived.conn
    found: list[Tombstone] = []
    sound: list[UUID] = []
    sealed = sealed_upto(conn) or {}
    gone: dict[Stream, tuple[int, str]] = {}
    named_by: list[tuple[Recorded[CohortPurged], dict[Stream, Head]]] = []
    for recorded, state in _recorded(conn):
        event = recorded.data
        if not _is_ours(event, trusted):
            what = f"the purge {recorded.id} is not signed by a key of this log: it was forged"
            findings.add(_fault(FaultKind.CHANGED, recorded, what))
            continue
        place = _in_the_log(archived, recorded, state)
        if place is None:
            continue  # on its way here; what went by it already did so without it
        sound.append(recorded.id)
        left = _left(conn, recorded.id)
        if not left:
            continue  # approved, and not carried out here yet
        named = {(head.source, head.subject): head for head in event.heads}
        named_by.append((recorded, named))
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
                lacks = _lacks(conn, recorded.id, head)
                if not lacks or (last == head.sequence and digest != head.digest):
                    lacks.append(last)
                for one in lacks:
                    findings.add(
                        Fault(FaultKind.MISSING, source, subject, one, what, recorded.time)
                    )
            gone[source, subject] = (last, digest)
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
                sealed=place[1] <= sealed.get(place[0], (0, -1)),
            )
        )
    for recorded, named in named_by:
        for stream, head in named.items():
            if stream in gone or _is_there(conn, stream):
                continue  # it went by this one or another, or stayed: its chain is looked at
            what = f"the purge {recorded.id} let it go, and not even its place is there"
            findings.add(Fault(FaultKind.MISSING, *stream, head.sequence, what, recorded.time))
    for source, subject, sequence, tombstone in _without(conn, sound):
        what = f"it is gone by {tombstone}, and no signed purge of this name is in the log"
        findings.add(Fault(FaultKind.MISSING, source, subject, sequence, what))
    return found


def _recorded(conn: Connection[Any]) -> Iterator[tuple[Recorded[CohortPurged], bytes]]:
    """The purges on audit's own record, which nobody may delete from, with their bytes."""
    with conn.cursor(row_factory=tuple_row) as curs:
        rows = curs.execute(
            "SELECT state FROM stored_events WHERE topic = %s ORDER BY notification_id",
            (CohortPurged.type,),
        )
        for (state,) in rows.fetchall():
            try:
                yield decode(bytes(state), {CohortPurged.type: CohortPurged}), bytes(state)
            except Unreadable:
                continue  # then what went by it went without one, and is named


def _in_the_log(
    archived: Records, recorded: Recorded[CohortPurged], state: bytes
) -> tuple[int, Place] | None:
    """Where these very bytes were accepted (partition, place); None: nowhere."""
    for one in archived.of([recorded.subject], source=SOURCE, kinds=[CohortPurged.type]):
        if one.sequence == recorded.sequence and one.state == state:
            return one.partition, one.place
    return None


def _is_there(conn: Connection[Any], stream: Stream) -> bool:
    with conn.cursor(row_factory=tuple_row) as curs:
        row = curs.execute("SELECT FROM head WHERE source = %s AND subject = %s", stream).fetchone()
    return row is not None


def _left(conn: Connection[Any], tombstone: UUID) -> Mapping[Stream, tuple[int, int, str]]:
    """Of each stream that went with this event: how many places, the last number, its digest."""
    with conn.cursor(row_factory=tuple_row) as curs:
        rows = curs.execute(
            "SELECT source, subject, count(DISTINCT sequence), max(sequence), "
            "encode((array_agg(digest ORDER BY sequence DESC))[1], 'hex') FROM purged_record "
            "WHERE tombstone = %s GROUP BY source, subject",
            (tombstone,),
        ).fetchall()
    return {(row[0], row[1]): (row[2], row[3], row[4]) for row in rows}


def _lacks(conn: Connection[Any], tombstone: UUID, head: Head) -> list[int]:
    """Which numbers of a stream went with this event, and not even their places are there."""
    with conn.cursor(row_factory=tuple_row) as curs:
        rows = curs.execute(
            "SELECT number FROM generate_series(1, %s) AS number WHERE NOT EXISTS ("
            "SELECT FROM purged_record WHERE tombstone = %s AND source = %s AND subject = %s "
            "AND sequence = number) ORDER BY number LIMIT %s",
            (head.sequence, tombstone, head.source, head.subject, NAMED_MAX),
        )
        return [number for (number,) in rows.fetchall()]


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
