"""Every byte of the log, kept: one row a record, filed by cohort, checked as it arrives.

Runs inside the inbox's transaction, so that what is taken is archived and what is not is not. A
record that breaks its chain is kept like any other, and the break is put on record beside it.
"""

import logging
from collections import OrderedDict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from hashlib import sha256
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from prometheus_client import CollectorRegistry, Gauge
from psycopg import Connection, Cursor
from psycopg.rows import tuple_row
from pydantic_core import SchemaValidator, core_schema

from libs.eventlog.purging import End
from libs.eventlog.service import LogRecord
from libs.eventlog.tables import KeptTable
from services.audit.domain.chain import GENESIS, Fault, FaultKind, Head, Link, follow

log = logging.getLogger("bihuan.audit")

SHANGHAI = ZoneInfo("Asia/Shanghai")
UNDATED = date(1970, 1, 1)
"""The cohort of what has no readable time and belongs to no stream we know."""

LABEL_CHARACTERS_MAX = 200
COMPLAINT_ID_CHARACTERS = 36

KEPT: tuple[KeptTable, ...] = (
    # Each time the log was made anew, its offsets start again: a new life.
    KeptTable(
        "log_life",
        ("CREATE TABLE IF NOT EXISTS log_life (topic_id text PRIMARY KEY, life int NOT NULL)",),
    ),
    # One record of the log. (life, partition, record_offset) is its order of acceptance: no serial
    # and no now(), so a rebuilt archive is equal. source, subject and type are what the record's
    # headers and key said; sequence, previous and time what its bytes say (null: unreadable).
    KeptTable(
        "archive",
        (
            "CREATE TABLE IF NOT EXISTS archive ("
            "cohort date NOT NULL, life int NOT NULL, partition int NOT NULL, "
            "record_offset bigint NOT NULL, "
            'source text COLLATE "C" NOT NULL, subject text COLLATE "C" NOT NULL, sequence bigint, '
            "position text NOT NULL, after text NOT NULL, type text NOT NULL, time timestamptz, "
            "previous bytea, digest bytea NOT NULL, state bytea NOT NULL, "
            "PRIMARY KEY (partition, life, record_offset, cohort)) PARTITION BY LIST (cohort)",
            "CREATE INDEX IF NOT EXISTS archive_subject ON archive (subject)",
        ),
    ),
    # Where each stream ends. Kept apart from the archive, so that a stream cut short is noticed.
    KeptTable(
        "head",
        (
            "CREATE TABLE IF NOT EXISTS head ("
            'subject text COLLATE "C" NOT NULL, source text COLLATE "C" NOT NULL, '
            "cohort date NOT NULL, "
            "sequence bigint NOT NULL, digest bytea NOT NULL, time timestamptz NOT NULL, "
            "PRIMARY KEY (subject, source)) WITH (fillfactor = 80)",
            "CREATE INDEX IF NOT EXISTS head_cohort ON head (cohort)",
        ),
        grows="sequence",
    ),
    # running = SHA-256(running before, digest of the record), from 32 zeros.
    KeptTable(
        "running_digest",
        (
            "CREATE TABLE IF NOT EXISTS running_digest ("
            "partition int PRIMARY KEY, records bigint NOT NULL, digest bytea NOT NULL)",
        ),
        grows="records",
    ),
    # Of a purged record its place and its digest: the leaf that was sealed, and which purge it was.
    KeptTable(
        "purged_record",
        (
            "CREATE TABLE IF NOT EXISTS purged_record ("
            "partition int NOT NULL, life int NOT NULL, record_offset bigint NOT NULL, "
            'source text COLLATE "C" NOT NULL, subject text COLLATE "C" NOT NULL, sequence bigint, '
            "position text NOT NULL, after text NOT NULL, digest bytea NOT NULL, "
            "tombstone uuid NOT NULL, PRIMARY KEY (partition, life, record_offset))",
            "CREATE INDEX IF NOT EXISTS purged_record_subject ON purged_record (subject)",
        ),
    ),
    KeptTable(
        "fault",
        (
            "CREATE TABLE IF NOT EXISTS fault ("
            "life int NOT NULL, partition int NOT NULL, record_offset bigint NOT NULL, "
            "kind text NOT NULL, source text NOT NULL, subject text NOT NULL, sequence bigint, "
            "what text NOT NULL, since timestamptz, "
            "PRIMARY KEY (life, partition, record_offset, kind))",
        ),
    ),
)

ACCEPTED = "accepted_record"
DDL: tuple[str, ...] = (
    # Every place that was accepted, in the order of the index: what went after its retention has no
    # bytes, type and time any more.
    f"CREATE OR REPLACE VIEW {ACCEPTED} AS SELECT partition, life, record_offset, source, subject, "
    "sequence, position, after, type, time, previous, digest, state FROM archive UNION ALL "
    "SELECT partition, life, record_offset, source, subject, sequence, position, after, "
    "NULL::text, NULL::timestamptz, NULL::bytea, digest, NULL::bytea FROM purged_record",
)

_UNREADABLE_SEQUENCE, _UNREADABLE_TIME, _UNREADABLE_PREVIOUS = 0, datetime(1, 1, 1, tzinfo=UTC), b""
"""Stand for null on the way to PostgreSQL: a binary array of nulls alone would have no type."""

_WRITE = (
    "WITH kept AS (INSERT INTO archive (cohort, life, partition, record_offset, source, subject, "
    "sequence, position, after, type, time, previous, digest, state) "
    "SELECT r.cohort, r.life, r.partition, r.place, r.source, r.subject, nullif(r.sequence, 0), "
    "r.position, r.after, r.type, nullif(r.time, '0001-01-01Z'), nullif(r.previous, ''), "
    "r.digest, r.state FROM unnest(%b::date[], %b::int[], %b::int[], %b::bigint[], %b::text[], "
    "%b::text[], %b::bigint[], %b::text[], %b::text[], %b::text[], %b::timestamptz[], "
    "%b::bytea[], %b::bytea[], %b::bytea[]) AS r (cohort, life, partition, place, source, "
    "subject, sequence, position, after, type, time, previous, digest, state)), "
    "moved AS (INSERT INTO head (source, subject, cohort, sequence, digest, time) "
    "SELECT * FROM unnest(%b::text[], %b::text[], %b::date[], %b::bigint[], %b::bytea[], "
    "%b::timestamptz[]) ON CONFLICT (subject, source) DO UPDATE SET "
    "sequence = EXCLUDED.sequence, digest = EXCLUDED.digest, time = EXCLUDED.time) "
    "INSERT INTO running_digest (partition, records, digest) "
    "SELECT * FROM unnest(%b::int[], %b::bigint[], %b::bytea[]) ON CONFLICT (partition) "
    "DO UPDATE SET records = EXCLUDED.records, digest = EXCLUDED.digest"
)
SUBJECTS_REMEMBERED_MAX = 1_000
"""Of each partition; a complaint's events come in bursts."""

Stream = tuple[str, str]
"""(source, subject)."""


@dataclass(slots=True)
class Filed:
    """Where a stream is filed, and where it ends (None: nothing readable has come yet)."""

    cohort: date
    head: Head | None


class Read(NamedTuple):
    """What the archive needs to know of an event's bytes."""

    source: str
    subject: str
    type: str
    sequence: int
    previous: bytes
    time: datetime


_TEXT = core_schema.typed_dict_field(core_schema.str_schema(strict=True))
_ENVELOPE = SchemaValidator(
    core_schema.typed_dict_schema(
        dict.fromkeys(("source", "subject", "type", "sequence", "previous", "time"), _TEXT),
        extra_behavior="ignore",
    )
)
"""Reads all of the JSON, and makes objects of these texts only: half of what the whole costs."""


def read(value: bytes) -> Read | None:
    """The envelope of an event; None for bytes that are not one of ours."""
    try:
        envelope = _ENVELOPE.validate_json(value)
        previous, time, sequence = envelope["previous"], envelope["time"], envelope["sequence"]
        if not (len(previous) == 64 and len(time) == 27 and time[-1] == "Z"):
            return None
        if not (sequence.isascii() and sequence.isdecimal() and 0 < int(sequence) < 10**18):
            return None
        return Read(
            envelope["source"],
            envelope["subject"],
            envelope["type"],
            int(sequence),
            bytes.fromhex(previous),
            datetime.fromisoformat(time),
        )
    except ValueError:
        return None


def label(text: str) -> str:
    """A header's or key's text as it can be filed: PostgreSQL takes no NUL, an index no novel."""
    if len(text) <= LABEL_CHARACTERS_MAX and "\0" not in text:
        return text
    return f"sha256:{sha256(text.encode('utf-8', 'surrogatepass')).hexdigest()}"


def cohort_of(instant: datetime) -> date:
    """The month in Shanghai that an instant lies in, as its first day."""
    there = instant.astimezone(SHANGHAI)
    return date(there.year, there.month, 1)


def partition_name(cohort: date) -> str:
    """The table that holds a cohort."""
    return f"archive_{cohort.year:04}_{cohort.month:02}"


@dataclass(slots=True)
class _Known:
    """What is remembered of one partition: valid as long as nobody else has added to it."""

    records: int = 0
    running: bytes = GENESIS
    subjects: OrderedDict[str, dict[str, Filed]] = field(default_factory=OrderedDict)


def moved_on(conn: Connection[Any], ends: Sequence[End]) -> list[str]:
    """Which of these complaints have a stream here that does not end so, or is not named."""
    with conn.cursor(row_factory=tuple_row) as curs:
        found = curs.execute(
            "SELECT DISTINCT h.subject FROM head h "
            "LEFT JOIN unnest(%(sources)s::text[], %(subjects)s::text[], %(sequences)s::bigint[], "
            "%(digests)s::text[]) AS named(source, subject, sequence, digest) "
            "ON named.source = h.source AND named.subject = h.subject "
            "WHERE h.subject = ANY(%(subjects)s) AND (named.sequence, named.digest) "
            "IS DISTINCT FROM (h.sequence, encode(h.digest, 'hex'))",
            {
                "sources": [end.source for end in ends],
                "subjects": [end.subject for end in ends],
                "sequences": [end.sequence for end in ends],
                "digests": [end.digest for end in ends],
            },
        ).fetchall()
    return [subject for (subject,) in found]


class Archive:
    """Keeps accepted records; `keep` is the service's `archive` (see Service).

    Where streams end is remembered between batches. The number of records in a partition, read in
    each transaction, tells whether that is still so: a batch rolled back, or taken by another
    instance, makes it differ, and everything is read again.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self._known: dict[int, _Known] = {}
        self._tables: set[str] = set()
        self._faults = Gauge(
            "bihuan_audit_faults",
            "Breaks of chain or order found on arrival, by kind: anything above 0 is an alarm",
            ["kind"],
            registry=registry,
        )
        self._counted = False

    def keep(self, conn: Connection[Any], records: Sequence[LogRecord]) -> None:
        """Archives a batch in its transaction; `records` are in order within each partition."""
        with conn.cursor(row_factory=tuple_row) as curs:
            batch = _Batch(curs, records, self._known, self._tables)
            try:
                batch.write()
            except BaseException:
                self._tables.clear()  # perhaps one is gone that was there; look again
                raise
            if batch.faults or not self._counted:
                self._count(curs)
        for fault in batch.faults:
            log.error(
                "the log is not as it must be",
                extra={"kind": fault[1].kind.value, "source": fault[1].source},
            )

    def purge(self, conn: Connection[Any], event: bytes, kept: Collection[str]) -> None:
        """What a signed purge names goes, but for its places (the keeper's function checks it)."""
        conn.execute(
            "SELECT keeper.purge_archive(%s::jsonb, %s::uuid[])", (event.decode(), list(kept))
        )
        self._known.clear()

    def _count(self, curs: Cursor[Any]) -> None:
        counted = dict(curs.execute("SELECT kind, count(*) FROM fault GROUP BY kind").fetchall())
        for kind in FaultKind:
            self._faults.labels(kind.value).set(counted.get(kind.value, 0))
        self._counted = True


class _Batch:
    """One batch: what is known before it, and what must be known after it."""

    def __init__(
        self,
        curs: Cursor[Any],
        records: Sequence[LogRecord],
        known: dict[int, _Known],
        tables: set[str],
    ) -> None:
        self._curs = curs
        self._records = [(one, label(one.source), label(one.subject)) for one in records]
        self._known = known
        self._tables = tables
        self._lives: dict[int, int] = {}
        self._moved: dict[Stream, Filed] = {}
        self._purged: dict[Stream, Head] = {}
        self.faults: list[tuple[LogRecord, Fault]] = []
        self._partitions = {one.partition for one in records}
        self._read_places()
        self._read_subjects()

    # -- reading ---------------------------------------------------------------------------------

    def _read_places(self) -> None:
        """Which life of the log each partition's offsets belong to; what is still known of it."""
        found = self._curs.execute(
            "SELECT o.partition, o.topic_id, l.life, r.records, r.digest FROM inbox_offset o "
            "LEFT JOIN log_life l ON l.topic_id = o.topic_id "
            "LEFT JOIN running_digest r ON r.partition = o.partition "
            "WHERE o.partition = ANY(%s)",
            (list(self._partitions),),
        ).fetchall()
        new = sorted({topic_id for _, topic_id, life, _, _ in found if life is None})
        for topic_id in new:
            self._curs.execute(
                "INSERT INTO log_life (topic_id, life) "
                "SELECT %s, coalesce(max(life), 0) + 1 FROM log_life",
                (topic_id,),
            )
        if new:
            self._read_places()
            return
        for partition, _, life, records, digest in found:
            self._lives[partition] = life
            known = self._known.get(partition)
            if known is None or known.records != (records or 0):
                self._known[partition] = _Known(records or 0, bytes(digest or GENESIS))

    def _read_subjects(self) -> None:
        """Where the streams of subjects end that are not remembered."""
        wanted: dict[str, _Known] = {}
        for one, _, subject in self._records:
            known = self._known[one.partition]
            if subject in known.subjects:
                known.subjects.move_to_end(subject)
            else:
                known.subjects[subject] = {}
                wanted[subject] = known
        if wanted:
            self._curs.execute(
                # OFFSET 0 keeps this one index look-up each, whatever the planner has heard yet.
                "SELECT h.* FROM unnest(%s::text[]) AS wanted (subject), LATERAL ("
                "SELECT subject, source, cohort, sequence, digest, time FROM head "
                "WHERE head.subject = wanted.subject OFFSET 0) AS h",
                (list(wanted),),
            )
            for subject, source, cohort, sequence, digest, time in self._curs.fetchall():
                head = Head(sequence, bytes(digest), time)
                wanted[subject].subjects[subject][source] = Filed(cohort, head)
            self._read_purged(list(wanted))
        for partition in self._partitions:
            subjects = self._known[partition].subjects
            # Those of this batch are the youngest and stay, however many they are.
            while len(subjects) > max(SUBJECTS_REMEMBERED_MAX, len(self._records)):
                subjects.popitem(last=False)

    def _read_purged(self, subjects: list[str]) -> None:
        """Where those of them ended that were purged: a late record continues there."""
        self._curs.execute(
            "SELECT DISTINCT ON (subject, source) source, subject, sequence, digest "
            "FROM purged_record WHERE subject = ANY(%s) ORDER BY subject, source, sequence DESC",
            (subjects,),
        )
        for source, subject, sequence, digest in self._curs.fetchall():
            self._purged[source, subject] = Head(sequence, bytes(digest), None)

    # -- one record ------------------------------------------------------------------------------

    def _row(self, one: LogRecord, source: str, subject: str) -> tuple[Any, ...]:
        value = one.value
        digest = sha256(value).digest()
        known = self._known[one.partition]
        known.records += 1
        known.running = sha256(known.running + digest).digest()
        streams = known.subjects[subject]
        seen = read(value)
        filed = streams.get(source) or Filed(
            _cohort(subject, streams, seen), self._purged.get((source, subject))
        )
        if seen is None:
            what = "the bytes are not an event of ours"
            self.faults.append((one, Fault(FaultKind.UNREADABLE, source, subject, None, what)))
            sequence, time = _UNREADABLE_SEQUENCE, _UNREADABLE_TIME
            previous = _UNREADABLE_PREVIOUS
        else:
            sequence, time, previous = seen.sequence, seen.time, seen.previous
            self._check(one, (source, subject), filed.head, seen, digest)
            if filed.head is None or sequence > filed.head.sequence:
                filed.head = Head(sequence, digest, time)
                streams[source] = self._moved[source, subject] = filed
        return (
            filed.cohort,
            self._lives[one.partition],
            one.partition,
            one.offset,
            source,
            subject,
            sequence,
            one.position,
            one.after,
            label(one.type),
            time,
            previous,
            digest,
            value,
        )

    def _check(
        self, one: LogRecord, stream: Stream, head: Head | None, seen: Read, digest: bytes
    ) -> None:
        if (seen.source, seen.subject) != stream or seen.type != one.type:
            what = "headers, key and bytes do not agree on source, subject or type"
            fault = Fault(FaultKind.MISLABELLED, *stream, seen.sequence, what, seen.time)
            self.faults.append((one, fault))
        if (
            head is not None
            and seen.sequence == head.sequence + 1
            and seen.previous == head.digest
            and (head.time is None or seen.time >= head.time)
        ):
            return  # the rule; only what does not fit is looked at more closely
        place = (self._lives[one.partition], one.offset)
        link = Link(seen.sequence, seen.previous, digest, seen.time, place)
        self.faults += [(one, fault) for fault in follow(*stream, head, link)]

    # -- writing ---------------------------------------------------------------------------------

    def write(self) -> None:
        """Puts the batch into the archive, and heads, digests and faults where they are now."""
        rows = [self._row(*record) for record in self._records]
        self._make_partitions({row[0] for row in rows})
        streams = sorted(self._moved)
        heads = [self._moved[stream].head for stream in streams]
        partitions = sorted(self._partitions)
        self._curs.execute(
            _WRITE,
            (
                *map(list, zip(*rows, strict=True)),
                [source for source, _ in streams],
                [subject for _, subject in streams],
                [self._moved[stream].cohort for stream in streams],
                [head.sequence for head in heads if head],
                [head.digest for head in heads if head],
                [head.time for head in heads if head],
                partitions,
                [self._known[partition].records for partition in partitions],
                [self._known[partition].running for partition in partitions],
            ),
        )
        for one, fault in self.faults:
            self._write_fault(one, fault)

    def _make_partitions(self, cohorts: Iterable[date]) -> None:
        names = {partition_name(cohort): cohort for cohort in cohorts}
        unseen = names.keys() - self._tables
        if not unseen:
            return
        found = self._curs.execute(
            "SELECT name FROM unnest(%s::text[]) AS name WHERE to_regclass(name) IS NOT NULL",
            (list(unseen),),
        ).fetchall()
        # Only what an earlier transaction made is remembered: this one may yet be rolled back.
        self._tables |= {name for (name,) in found}
        for name in unseen - self._tables:
            self._curs.execute(
                "SELECT keeper.add_partition('archive', %s, %s)", (name, names[name])
            )

    def _write_fault(self, one: LogRecord, fault: Fault) -> None:
        self._curs.execute(
            "INSERT INTO fault (life, partition, record_offset, kind, source, subject, "
            "sequence, what, since) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s) "
            "ON CONFLICT DO NOTHING",
            (
                self._lives[one.partition],
                one.partition,
                one.offset,
                fault.kind.value,
                fault.source,
                fault.subject,
                fault.sequence,
                fault.what,
                fault.since,
            ),
        )


def _cohort(subject: str, streams: Mapping[str, Filed], seen: Read | None) -> date:
    """A complaint's records lie together with its first; another stream's with its own."""
    if len(subject) == COMPLAINT_ID_CHARACTERS and streams:
        return next(iter(streams.values())).cohort
    return UNDATED if seen is None else cohort_of(seen.time)
