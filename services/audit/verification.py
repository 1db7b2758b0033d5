"""The proof made again: every byte of the archive against its digest, chain, order and log.

First every record, partition by partition in the order of acceptance: do its bytes have the digest
they were accepted with, do the columns say what the bytes say, does each source's position follow
the one before, is the running digest the same, and are Kafka's bytes equal where it still has them.
Then every stream by its links alone: PostgreSQL finds those that are not whole, and only these are
looked at closely. Last every root that was sealed is made again from the digests found, and an
exported checkpoint is held against them (holding.py). Memory does not grow with the archive.
"""

import heapq
import re
import threading
from collections.abc import Collection, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from enum import StrEnum
from hashlib import sha256
from itertools import chain
from typing import Any, NamedTuple

import psycopg
from psycopg import Connection, IsolationLevel
from psycopg.rows import tuple_row

from libs.messaging.position import START, Position
from services.audit.archive import ACCEPTED, Read, read
from services.audit.cold.form import FileBroken, Record
from services.audit.cold.records import COLUMNS, Month, Records, record_of
from services.audit.cold.store import Store, StoreAway
from services.audit.domain.chain import (
    GENESIS,
    NOTHING_PURGED,
    Fault,
    FaultKind,
    Head,
    Link,
    diagnose,
)
from services.audit.findings import FAULTS_MAX, Found, Identity
from services.audit.holding import Exported, ResolvedGap, Roots, Spool, Witness, resolved_gaps
from services.audit.log import Entry, Log, LogAway, Tail
from services.audit.tombstones import Tombstone, tombstones

STOP_CHECKED_EACH_RECORDS = 1_000

CLOCK_BACK_MAX = timedelta(minutes=1)
"""Instances of a service may differ by as much; a clock that goes back further was set back."""

NOTHING_SENT = str(START)

_COLUMNS = (
    "life, record_offset, source, subject, sequence, position, after, type, time, previous, "
    "digest, state"
)
_TYPES = (
    *("int4", "int8", "text", "text", "int8", "text", "text", "text", "timestamptz"),
    *("bytea", "bytea", "bytea"),
)


class Compared(StrEnum):
    """Whether the archive was compared with Kafka's log."""

    COMPARED = "compared"
    AWAY = "away"
    """Kafka did not answer."""
    NOT_ASKED = "not_asked"


class Interrupted(RuntimeError):
    """The service stops; the proof was not finished."""


@dataclass(slots=True)
class Verified:
    """What was looked at, and everything that is wrong with it, events by name first."""

    events: int = 0
    streams: int = 0
    purged: int = 0
    """Records that went after their retention, whose places and digests are there."""
    tombstones: list[Tombstone] = field(default_factory=list)
    """By which events they went."""
    compared: int = 0
    """Records whose bytes were compared with Kafka's."""
    checkpoints: int = 0
    """Checkpoints on record whose root was made again."""
    held: bool = False
    """The checkpoint that was given is one of this archive, on record as it was given."""
    resolved: list[ResolvedGap] = field(default_factory=list)
    """Gaps that somebody went on over, on record: what is missing there is no fault."""
    log: Compared = Compared.NOT_ASKED
    faults: list[Fault] = field(default_factory=list)
    more: bool = False
    """There are more faults than are listed."""


class _Row(NamedTuple):
    life: int
    offset: int
    source: str
    subject: str
    sequence: int | None
    position: str
    after: str
    type: str
    time: datetime | None
    previous: bytes | None
    digest: bytes
    state: bytes | None
    """None: the record was purged, only its place is there."""


def verify(
    dsn: str,
    log: Log | None = None,
    topic_id: str = "",
    *,
    sort_mb: int = 32,
    stopping: threading.Event | None = None,
    exported: Exported | None = None,
    trusted: Collection[bytes] = (),
    purge_keys: Collection[str] = (),
    store: Store | None = None,
) -> Verified:
    """Makes the proof again on one snapshot of the database; blocks until done.

    `log` and the id of its topic: where to compare with; without, or when Kafka does not answer,
    the archive alone is proven. `exported` is held against the archive; `trusted` are the public
    keys that may have signed checkpoints, `purge_keys` those for purges (base64url); `store` is
    where months' files lie. Raises Interrupted once `stopping` is set.
    """
    options = "-c timezone=UTC"
    asked = Asked(topic_id, stopping or threading.Event(), exported, trusted, purge_keys, store)
    with psycopg.connect(dsn, options=options, row_factory=tuple_row) as conn:
        make_room(conn)
        conn.isolation_level = IsolationLevel.REPEATABLE_READ
        conn.read_only = True
        try:
            return prove(conn, log, asked, sort_mb=sort_mb)
        except LogAway:
            conn.rollback()
            verified = prove(conn, None, asked, sort_mb=sort_mb)
            verified.log = Compared.AWAY
            return verified


def prove(conn: Connection[Any], log: Log | None, asked: "Asked", *, sort_mb: int = 32) -> Verified:
    """The same within the transaction of this connection, whose rows are tuples."""
    conn.execute("SELECT set_config('work_mem', %s, true)", (f"{sort_mb}MB",))
    with closing(Records(conn, asked.store)) as archived:
        return _Verification(archived, log, asked).run()


def make_room(conn: Connection[Any]) -> None:
    """Where the links of a month that lies in a file are put, to be looked at like others."""
    conn.execute(
        'CREATE TEMPORARY TABLE IF NOT EXISTS filed_link (cohort date, source text COLLATE "C", '
        'subject text COLLATE "C", sequence bigint, previous bytea, digest bytea, '
        "time timestamptz, life int, record_offset bigint, partition int)"
    )
    conn.commit()


@dataclass(frozen=True, slots=True)
class Asked:
    """What a proof is to look at; see `verify`."""

    topic_id: str
    stopping: threading.Event
    exported: Exported | None
    trusted: Collection[bytes]
    purge_keys: Collection[str] = ()
    store: Store | None = None


class _Verification:
    def __init__(self, archived: Records, log: Log | None, asked: Asked) -> None:
        self.archived = archived
        self.conn = conn = archived.conn
        self.log = log
        self.asked = asked
        self.findings = Found()
        self.result = Verified()
        found = conn.execute("SELECT life FROM log_life WHERE topic_id = %s", (asked.topic_id,))
        row = found.fetchone()
        self.life: int | None = row[0] if row else None
        upto = conn.execute(
            "SELECT partition, next FROM inbox_offset WHERE topic_id = %s", (asked.topic_id,)
        )
        self.upto: dict[int, int] = dict(upto.fetchall())
        self.resolved = resolved_gaps(conn)
        exported = asked.exported
        self.not_accepted: dict[int, str] = {}
        """What is wrong with a partition as a whole."""
        self.witness: Witness | None = None
        if exported is not None and exported.leaves is not None:
            self.witness = Witness(exported.leaves, exported.signed.checkpoint.sealed_at)

    def run(self) -> Verified:
        result = self.result
        self._files()
        with ExitStack() as stack:
            spool = Spool(stack)
            for partition in self._partitions():
                _Partition(self, partition, spool).run()
            if self.witness is not None:
                self.witness.settle(self.findings)
            for cohort in self._cohorts():
                self._chains(cohort)
            spool.rewind()
            roots = Roots(
                self.archived, spool, self.findings, self.asked.trusted, self.asked.exported
            )
            roots.run()
        for partition, what in self.not_accepted.items():
            since = roots.sound.get(partition)
            self.findings.add(Fault(FaultKind.PARTITION, "", "", None, what, since))
        result.tombstones = tombstones(self.archived, self.findings, self.asked.purge_keys)
        result.checkpoints, result.held = roots.checkpoints, roots.held
        result.resolved = [gap for gaps in self.resolved.values() for gap in gaps]
        result.log = Compared.COMPARED if self.log is not None else Compared.NOT_ASKED
        result.faults, result.more = self.findings.settled()
        return result

    def _files(self) -> None:
        """Each file's bytes against its digest; one that is away or broken is not read further."""
        sound = []
        for month in self.archived.months:
            self.look_up()
            try:
                self.archived.store.proven(month.key)
            except (FileNotFoundError, FileBroken, StoreAway) as error:
                what = f"the file of {month.cohort} cannot be vouched for: {error}"
                self.findings.add(Fault(FaultKind.FILE, "", month.cohort, None, what))
            else:
                sound.append(month)
        self.archived.months = sound

    def look_up(self) -> None:
        """Raises Interrupted when the service stops."""
        if self.asked.stopping.is_set():
            raise Interrupted("the service stops")

    def _partitions(self) -> Sequence[int]:
        # The recursion jumps from one partition to the next in the index, wherever rows lie.
        found = self.conn.execute(
            "WITH RECURSIVE there (p) AS (SELECT min(partition) FROM archive UNION ALL "
            "SELECT (SELECT min(partition) FROM archive WHERE partition > p) FROM there "
            "WHERE p IS NOT NULL) SELECT p FROM there WHERE p IS NOT NULL "
            "UNION SELECT partition FROM running_digest UNION SELECT partition FROM inbox_taken "
            "ORDER BY 1"
        )
        return [partition for (partition,) in found.fetchall()]

    # -- chains ----------------------------------------------------------------------------------

    def _cohorts(self) -> Sequence[date]:
        bounds = self.conn.execute(
            "SELECT pg_get_expr(c.relpartbound, c.oid) FROM pg_inherits i "
            "JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = 'archive'::regclass"
        ).fetchall()
        cohorts = {
            date.fromisoformat(text)
            for (bound,) in bounds
            for text in re.findall(r"'(\d{4}-\d\d-\d\d)'", bound)
        }
        cohorts |= {date.fromisoformat(f"{one.cohort}-01") for one in self.archived.months}
        heads = self.conn.execute("SELECT DISTINCT cohort FROM head").fetchall()
        return sorted(cohorts | {cohort for (cohort,) in heads})

    def _chains(self, cohort: date) -> None:
        """Which streams of a cohort are not whole, or do not end where they were accepted to."""
        streams, broken = broken_streams(self.archived, cohort)
        self.result.streams += streams
        for source, subject in broken[:FAULTS_MAX]:
            self.look_up()
            self.findings.add(*self._diagnosed(cohort, source, subject))
        if len(broken) > FAULTS_MAX:
            self.findings.more = True

    def _diagnosed(self, cohort: date, source: str, subject: str) -> Iterator[Fault]:
        records = self._of_stream(cohort, source, subject)
        links = [
            Link(one.sequence or 0, one.previous or b"", one.digest, time, one.place)
            for one, time in records
        ]
        head = self.conn.execute(
            "SELECT sequence, digest, time FROM head "
            "WHERE cohort = %s AND source = %s AND subject = %s",
            (cohort, source, subject),
        ).fetchone()
        positions = {one.sequence or 0: (one.partition, one.position) for one, _ in records}
        purged = self._purged_upto(source, subject)
        for fault in diagnose(source, subject, links, Head(*head) if head else None, purged):
            if fault.kind is not FaultKind.MISSING or not self._given_up(fault, positions):
                yield fault

    def _purged_upto(self, source: str, subject: str) -> Head:
        """Where a stream ended that was purged; its tombstone is looked at by itself."""
        row = self.conn.execute(
            "SELECT sequence, digest FROM purged_record WHERE source = %s AND subject = %s "
            "ORDER BY sequence DESC LIMIT 1",
            (source, subject),
        ).fetchone()
        return NOTHING_PURGED if row is None else Head(row[0], bytes(row[1]), None)

    def _of_stream(self, cohort: date, source: str, subject: str) -> list[tuple[Record, datetime]]:
        rows = self.conn.execute(
            f"SELECT {COLUMNS} FROM archive WHERE cohort = %s AND source = %s AND subject = %s",
            (cohort, source, subject),
        ).fetchall()
        found = {(one.partition, *one.place): one for one in map(record_of, rows)}
        for month in self.archived.months:
            if month.cohort == f"{cohort:%Y-%m}":
                for one in self.archived.file(month).of([subject]):
                    if one.source == source:
                        found[one.partition, *one.place] = one
        ordered = [found[place] for place in sorted(found)]
        return [(one, one.time) for one in ordered if one.sequence and one.time is not None]

    def _given_up(self, fault: Fault, positions: dict[int, tuple[int, str]]) -> bool:
        """Whether a missing event lay in a gap that somebody went on over, on record."""
        assert fault.sequence is not None
        before = max((one for one in positions if one < fault.sequence), default=None)
        behind = min((one for one in positions if one > fault.sequence), default=None)
        if behind is None:
            return False
        partition, position = positions[behind]
        low = Position.parse(NOTHING_SENT if before is None else positions[before][1])
        return any(
            low <= Position.parse(gap.after) and Position.parse(position) > Position.parse(gap.upto)
            for gap in self.resolved.get((fault.source, partition), ())
        )


def _values(one: Record) -> tuple[Any, ...]:
    """A record as the query of a partition's rows gives it (_COLUMNS)."""
    return (*one.place, *one[3:])


def broken_streams(archived: Records, cohort: date) -> tuple[int, list[tuple[str, str]]]:
    """How many streams a month has, and which are not whole or end elsewhere than their heads.

    At most FAULTS_MAX + 1 of these. `make_room` was called on the connection before.
    """
    asked = {"cohort": cohort}
    months = [one for one in archived.months if one.cohort == f"{cohort:%Y-%m}"]
    for month in months:
        _put_links(archived, cohort, month)
    filed = _FILED if months else ""
    streams, broken = 0, list[tuple[str, str]]()
    for source, subject, count in archived.conn.execute(
        _BROKEN_STREAMS.format(filed=filed).encode(), asked
    ).fetchall():
        if source is None:
            streams = count
        else:
            broken.append((source, subject))
    if months:
        archived.conn.execute("DELETE FROM filed_link WHERE cohort = %(cohort)s", asked)
    return streams, broken


def _put_links(archived: Records, cohort: date, month: Month) -> None:
    with archived.conn.cursor() as curs, curs.copy("COPY filed_link FROM STDIN") as copy:
        for one in archived.file(month).records():
            if one.sequence is not None:
                copy.write_row(
                    (
                        *(cohort, one.source, one.subject, one.sequence, one.previous),
                        *(one.digest, one.time, *one.place, one.partition),
                    )
                )


_FILED = """
    UNION SELECT source, subject, sequence, previous, digest, time, life, record_offset, partition
    FROM filed_link WHERE cohort = %(cohort)s"""
"""UNION, not UNION ALL: what lies in the file and in the database is there once."""

_BROKEN_STREAMS = f"""
WITH link AS (
  SELECT source, subject, sequence, previous, digest, time, life, record_offset,
    lag(sequence, 1, 0::bigint) OVER w AS sequence_before,
    lag(digest, 1, '\\x{GENESIS.hex()}'::bytea) OVER w AS digest_before,
    lag(time) OVER w AS time_before,
    lag(life) OVER w AS life_before,
    lag(record_offset) OVER w AS offset_before,
    lead(sequence) OVER w IS NULL AS is_last
  FROM (
    SELECT source, subject, sequence, previous, digest, time, life, record_offset, partition
    FROM archive WHERE cohort = %(cohort)s AND sequence IS NOT NULL
    {{filed}}
  ) AS there
  WINDOW w AS (PARTITION BY subject, source ORDER BY sequence, life, record_offset)
), stream AS (
  SELECT source, subject, max(sequence) AS sequence,
    (array_agg(digest) FILTER (WHERE is_last))[1] AS digest,
    bool_or(sequence <> sequence_before + 1 OR previous IS DISTINCT FROM digest_before
      OR time IS NULL OR coalesce(time < time_before, false)
      OR coalesce((life, record_offset) < (life_before, offset_before), false)) AS broken
  FROM link GROUP BY subject, source
), compared AS MATERIALIZED (
  SELECT source, subject, s.sequence IS NOT NULL AS there,
    coalesce(s.broken, true) OR s.sequence IS DISTINCT FROM h.sequence
      OR s.digest IS DISTINCT FROM h.digest AS broken
  FROM stream s FULL JOIN (SELECT * FROM head WHERE cohort = %(cohort)s) h
  USING (subject, source)
)
SELECT NULL, NULL, count(*) FILTER (WHERE there) FROM compared
UNION ALL
(SELECT source, subject, 1 FROM compared WHERE broken ORDER BY subject, source
 LIMIT {FAULTS_MAX + 1})
"""


class _Partition:
    """One partition's records in the order they were accepted, beside the log's."""

    def __init__(self, whole: _Verification, partition: int, spool: Spool) -> None:
        self.whole = whole
        self.digests = spool.writer(partition)
        self.findings = whole.findings
        self.partition = partition
        self.upto = whole.upto.get(partition, 0)
        self.tail: Tail | None = None
        if whole.log is not None and whole.life is not None:
            self.tail = whole.log.tail(partition)
        self.records = 0
        self.running = GENESIS
        self.sent: dict[str, str] = {}
        """The last position seen of each source."""
        self.sent_at: dict[str, datetime] = {}
        """The time of the last record seen of each source that has one."""
        self.latest: dict[str, tuple[datetime, Identity]] = {}
        """The time up to which each source has come, and by which event."""

    def run(self) -> None:
        conn = self.whole.conn
        # In the order of the index: sorting would write all bytes to disk once more.
        for switch in ("enable_sort", "enable_bitmapscan", "enable_seqscan"):
            conn.execute(f"SET LOCAL {switch} = off")
        query = (
            f"COPY (SELECT {_COLUMNS} FROM {ACCEPTED} WHERE partition = {self.partition} "
            "ORDER BY life, record_offset) TO STDOUT (FORMAT BINARY)"
        )
        with conn.cursor() as curs, curs.copy(query) as copy:
            copy.set_types(_TYPES)
            for number, values in enumerate(self._with_files(copy.rows()), start=1):
                if number % STOP_CHECKED_EACH_RECORDS == 0:
                    self.whole.look_up()
                self._record(values)
                self.whole.result.events += 1
        for switch in ("enable_sort", "enable_bitmapscan", "enable_seqscan"):
            conn.execute(f"SET LOCAL {switch} = on")
        self._rest_of_log()
        self._ends()

    def _with_files(self, rows: Iterator[tuple[Any, ...]]) -> Iterator[tuple[Any, ...]]:
        """The rows, and those that lie in files, in one order; what lies in both once."""
        filed = self.whole.archived.from_files(self.partition)
        first = next(filed, None)
        if first is None:
            yield from rows
            return
        away = (_values(one) for one in chain((first,), filed))
        last: tuple[Any, ...] = ()
        for values in heapq.merge(rows, away, key=lambda one: one[:2]):
            if values[:2] == last[:2] and (values[2:8], values[10:]) == (last[2:8], last[10:]):
                continue
            last = values
            yield values

    def _record(self, values: tuple[Any, ...]) -> None:
        life, offset, source, subject, sequence, position, after, kind = values[:8]
        time, previous, digest, state = values[8:]
        if state is None:
            self._purged(_Row._make(values))
            return
        found = sha256(state).digest()
        seen = read(state)
        if found != digest or seen != (source, subject, kind, sequence, previous, time):
            self._odd(_Row._make(values), seen, found)
        self.digests.write(found)
        if self.whole.witness is not None:
            filed = (self.partition, (life, offset), source, subject, sequence, time)
            self.whole.witness.see(found, filed, self.findings)
        if time is not None:
            latest = self.latest.get(source)
            if latest is None or time >= latest[0]:
                self.latest[source] = time, Identity(source, subject, sequence)
            elif latest[0] - time > CLOCK_BACK_MAX:
                self._clock_back(_Row._make(values), time, *latest)
                self.latest[source] = time, Identity(source, subject, sequence)
        tail = self.tail
        if tail is not None and life == self.whole.life and offset >= tail.low:
            digest = self._beside(tail, _Row._make(values))
            if digest is None:
                return  # it never was in the log: what follows it does not follow from it
        if after != self.sent.get(source, NOTHING_SENT):
            self._gap(source, after, offset)
        self._sent(source, position, time)
        self._accepted(digest)

    def _sent(self, source: str, position: str, time: datetime | None) -> None:
        self.sent[source] = position
        if time is not None:
            self.sent_at[source] = time

    def _purged(self, row: _Row) -> None:
        """A record that went after its retention: its place and digest are still there.

        Whether it might go is looked at in one go, by its tombstone.
        """
        self.whole.result.events -= 1
        self.whole.result.purged += 1
        self.digests.write(row.digest)
        if self.whole.witness is not None:
            filed = (self.partition, (row.life, row.offset), *row[2:5], row.time)
            self.whole.witness.see(row.digest, filed, self.findings)
        tail, digest = self.tail, row.digest
        if tail is not None and row.life == self.whole.life and row.offset >= tail.low:
            known = self._beside(tail, row)
            if known is None:
                return
            digest = known
        if row.after != self.sent.get(row.source, NOTHING_SENT):
            self._gap(row.source, row.after, row.offset)
        self._sent(row.source, row.position, None)
        self._accepted(digest)

    def _clock_back(self, row: _Row, time: datetime, latest: datetime, by: Identity) -> None:
        """Within one source and partition time goes on, whatever the stream.

        Where the positions do not follow each other either, a record is out of its place, and the
        one behind it is not to blame.
        """
        last = self.sent.get(row.source, NOTHING_SENT)
        if row.after != last or Position.parse(row.position) <= Position.parse(last):
            return
        what = (
            f"in partition {self.partition} its service's clock went back by {latest - time}, "
            f"from {latest.isoformat()}"
        )
        self.findings.out_of_time(
            Fault(FaultKind.TIME, row.source, row.subject, row.sequence, what, latest), by
        )

    def _accepted(self, digest: bytes) -> None:
        self.records += 1
        self.running = sha256(self.running + digest).digest()

    def _odd(self, row: _Row, seen: Read | None, found: bytes) -> None:
        place = f"partition {self.partition}, offset {row.offset}"
        stream = row.source, row.subject
        if found != row.digest:
            kind, what = FaultKind.CHANGED, f"its bytes are not those accepted ({place})"
        elif seen is None:
            kind, what = FaultKind.UNREADABLE, f"the bytes are not an event of ours ({place})"
        else:
            kind = FaultKind.MISLABELLED
            what = f"it is filed under something else than its bytes say ({place})"
        # What it is filed under is not to be believed where the bytes are those accepted.
        time = seen.time if kind is FaultKind.MISLABELLED and seen else row.time
        since = time or self.sent_at.get(row.source)
        fault = Fault(kind, *stream, row.sequence, what, since)
        if row.sequence is None or seen is None:
            self.findings.add(fault)
        else:
            self.findings.suspect(
                fault,
                Identity(*stream, row.sequence),
                Identity(seen.source, seen.subject, seen.sequence),
                row.time,
            )

    # -- beside the log --------------------------------------------------------------------------

    def _beside(self, tail: Tail, row: _Row) -> bytes | None:
        """Compares with the log; returns the digest of what was accepted there, by the log."""
        while (entry := tail.peek()) is not None and entry.offset < row.offset:
            self._only_in_log(tail.pop())
        stream = row.source, row.subject
        if entry is None or entry.offset != row.offset:
            what = f"the log holds no record at partition {self.partition}, offset {row.offset}"
            self.findings.add(Fault(FaultKind.ADDED, *stream, row.sequence, what, row.time))
            return None
        tail.pop()
        self.whole.result.compared += 1
        if sha256(entry.value or b"").digest() == row.digest and row.state in (None, entry.value):
            return row.digest
        what = f"the log holds other bytes at partition {self.partition}, offset {row.offset}"
        self.findings.add(Fault(FaultKind.CHANGED, *stream, row.sequence, what, row.time))
        return sha256(entry.value or b"").digest()

    def _only_in_log(self, entry: Entry) -> None:
        """A record that is not archived: foreign, sent twice, not taken yet, or taken away."""
        if entry.headers is None or entry.value is None or entry.offset >= self.upto:
            return
        source = entry.headers.source
        if entry.headers.position <= Position.parse(self.sent.get(source, NOTHING_SENT)):
            return
        seen = read(entry.value)
        what = f"the log holds it at partition {self.partition}, offset {entry.offset}"
        sequence, since = (seen.sequence, seen.time) if seen else (None, None)
        self.findings.add(Fault(FaultKind.MISSING, source, entry.key, sequence, what, since))
        self._sent(source, str(entry.headers.position), since)
        self._accepted(sha256(entry.value).digest())

    def _rest_of_log(self) -> None:
        if self.tail is None:
            return
        while (entry := self.tail.peek()) is not None and entry.offset < self.upto:
            self._only_in_log(self.tail.pop())

    # -- the partition as a whole ----------------------------------------------------------------

    def _gap(self, source: str, after: str, offset: int) -> None:
        last = self.sent.get(source, NOTHING_SENT)
        for gap in self.whole.resolved.get((source, self.partition), ()):
            if (gap.after, gap.upto) == (last, after):
                return
        what = (
            f"in partition {self.partition} the record at offset {offset} follows position "
            f"{after}, but the one before it has {last}"
        )
        self._no_event(source, what)

    def _no_event(self, source: str, what: str) -> None:
        since = self.sent_at.get(source)
        self.findings.add(Fault(FaultKind.GAP, source, "", None, what, since))

    def _ends(self) -> None:
        conn = self.whole.conn
        for source, generation, number in conn.execute(
            "SELECT source, generation, id FROM inbox_taken WHERE partition = %s ORDER BY source",
            (self.partition,),
        ).fetchall():
            taken, last = str(Position(generation, number)), self.sent.get(source, NOTHING_SENT)
            if taken != last:
                what = f"in partition {self.partition} position {taken} was taken, {last} is last"
                self._no_event(source, what)
        row = conn.execute(
            "SELECT records, digest FROM running_digest WHERE partition = %s", (self.partition,)
        ).fetchone()
        records, digest = row or (0, GENESIS)
        if (records, digest) != (self.records, self.running):
            what = (
                f"the running digest of partition {self.partition} is not that of the {records} "
                f"record(s) accepted; {self.records} are there"
            )
            self.whole.not_accepted[self.partition] = what
