"""From the log to a decision: each record of `complaints.log` has its effect exactly once.

The database is the truth, Kafka's offsets are a hint. For each record, with `taken` = the last
position taken from (source, partition): at or below it is a duplicate; one that follows it is
taken; anything else is a gap, and the partition stops (DESIGN, Inbox).
"""

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, TypeVar
from uuid import uuid5

from prometheus_client import CollectorRegistry, Gauge
from prometheus_client import Counter as CounterMetric
from pydantic_core import from_json

from libs.decider import DomainError, Recorded, To
from libs.eventlog.envelope import STREAMS, Origin, Unreadable
from libs.eventlog.failpoint import reach
from libs.eventlog.housekeeping import Note
from libs.eventlog.purging import PurgeRefused, ends_of, subjects_of
from libs.eventlog.recorder import ParkedRow, Take
from libs.eventlog.service import LogRecord, Service
from libs.eventlog.work import Work
from libs.eventlog.writer import Writer
from libs.messaging.notes import note_on
from libs.messaging.position import START, Position, RelayHeaders, key_text, read_headers
from libs.messaging.purges import hear_of_purge, is_purge

log = logging.getLogger("bihuan.inbox")

PROBLEM_MAX = 500
"""Characters of a parked record's problem (contracts, RecordParked)."""

PURGE_REFUSED = "purge-refused"
"""The error kind of a purge that the database did not carry out."""

T = TypeVar("T")

RIDE_SECONDS_MAX = 1.0
"""A batch without effects is not committed alone: its tracking rides along, at most this long."""


class KafkaRecord(Protocol):
    """What we use of a consumer record (aiokafka's, or a test's)."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes | None]]


@dataclass(frozen=True, slots=True)
class Gap:
    """A partition that stopped: the record at `offset` does not follow the last one taken."""

    partition: int
    source: str
    taken: Position
    after: Position
    offset: int


@dataclass(slots=True)
class Progress:
    """How far one partition is taken: as committed, and as decided but not committed yet."""

    committed: int = 0
    processed: int = 0
    taken: dict[str, Position] = field(default_factory=dict)
    unsaved: set[str] = field(default_factory=set)
    gap: Gap | None = None


class InboxMetrics:
    """Counters of one service's inbox."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.records = CounterMetric(
            "bihuan_inbox_records",
            "Records seen, by what became of them",
            ["fate"],
            registry=registry,
        )
        self.refused = CounterMetric(
            "bihuan_reactions_refused",
            "Reactions a rule refused: no-ops",
            ["rule"],
            registry=registry,
        )
        self.gaps = Gauge("bihuan_inbox_gaps", "Partitions stopped at a gap", registry=registry)
        self.parked = Gauge(
            "bihuan_inbox_parked_subjects",
            "Subjects waiting behind a parked record",
            registry=registry,
        )


class Inbox:
    """Takes batches of the log for one instance; one batch at a time."""

    def __init__(
        self, service: Service, writer: Writer, *, topic: str, registry: CollectorRegistry
    ) -> None:
        self.service = service
        self.writer = writer
        self.topic = topic
        self.topic_id = ""
        self.metrics = InboxMetrics(registry)
        self.progress: dict[int, Progress] = {}
        self._saved_at = time.monotonic()
        self._policy_type = service.housekeeping.policy_activated.type
        self.changed = threading.Condition()
        self.on_kept: list[Callable[[Sequence[bytes], float], None]] = []
        """Told of the bytes a batch put into the long-term log, and when its work began."""

    # -- assignment ------------------------------------------------------------------------------

    def load(self, partitions: Iterable[int], topic_id: str) -> dict[int, int]:
        """Reads where to go on from the database: partition -> offset to seek to.

        A topic made anew (another id) starts from 0; what was taken by position stays taken.
        """
        self.topic_id = topic_id
        wanted = list(partitions)
        with self.writer.lock, self.writer.store.connection() as conn:
            offsets = conn.execute(
                "SELECT partition, topic_id, next FROM inbox_offset "
                "WHERE topic = %s AND partition = ANY(%s)",
                (self.topic, wanted),
            ).fetchall()
            taken = conn.execute(
                "SELECT source, partition, generation, id FROM inbox_taken "
                "WHERE partition = ANY(%s)",
                (wanted,),
            ).fetchall()
            self.writer.refresh()
        fresh = {partition: Progress() for partition in wanted}
        for row in offsets:
            if row["topic_id"] == topic_id:
                progress = fresh[row["partition"]]
                progress.committed = progress.processed = row["next"]
        for row in taken:
            fresh[row["partition"]].taken[row["source"]] = Position(row["generation"], row["id"])
        self.progress = fresh
        self._show_gaps()
        return {partition: one.processed for partition, one in fresh.items()}

    # -- taking ----------------------------------------------------------------------------------

    def take(self, records: Sequence[KafkaRecord]) -> list[Gap]:
        """Takes a batch; returns the gaps it stopped at.

        Raises Overtaken (seek again), Unreachable (wait, load again, then the same batch again).
        """
        mine = [record for record in records if record.partition in self.progress]
        result: dict[int, Progress] = {}
        kept: list[LogRecord] = []
        refused: dict[str, str] = {}
        began = time.perf_counter()

        def decide(work: Work) -> Work:
            nonlocal result, kept
            batch = _Batch(self, work, refused)
            result, kept = batch.run(mine), batch.archive
            self._save_into(work, result)
            return work

        overdue = time.monotonic() - self._saved_at > RIDE_SECONDS_MAX
        work = without_refused_purges(
            refused, lambda: self.writer.transact(decide, always=overdue and self._unsaved(mine))
        )
        self._adopt(result, committed=work.committed)
        if kept:
            for tell in self.on_kept:
                tell([record.value for record in kept], began)
        reach("after-take")
        return [one.gap for one in result.values() if one.gap is not None]

    def save(self) -> None:
        """Commits tracking that has been riding along (called each second when idle)."""
        if self._unsaved(()) and time.monotonic() - self._saved_at > RIDE_SECONDS_MAX:
            self.take(())

    def _unsaved(self, records: Sequence[KafkaRecord]) -> bool:
        return bool(records) or any(
            one.processed != one.committed for one in self.progress.values()
        )

    def _save_into(self, work: Work, result: dict[int, Progress]) -> None:
        merged = {**self.progress, **result}
        for partition, one in merged.items():
            if one.processed != one.committed:
                work.extra.takes.append(
                    Take(self.topic, partition, self.topic_id, one.committed, one.processed)
                )
            for source in one.unsaved:
                work.extra.taken[(source, partition)] = one.taken[source]

    def _adopt(self, result: dict[int, Progress], *, committed: bool) -> None:
        with self.changed:
            for partition, one in result.items():
                if partition in self.progress:
                    self.progress[partition] = one
            if committed:
                self._saved_at = time.monotonic()
                for one in self.progress.values():
                    one.committed = one.processed
                    one.unsaved = set()
            self.changed.notify_all()
        self._show_gaps()

    def _show_gaps(self) -> None:
        self.metrics.gaps.set(sum(one.gap is not None for one in self.progress.values()))
        self.metrics.parked.set(len(self.writer.blocked))

    # -- looking ---------------------------------------------------------------------------------

    def gaps(self) -> list[Gap]:
        """Where this instance stopped."""
        return [one.gap for one in self.progress.values() if one.gap is not None]

    def position(self) -> dict[int, int]:
        """How far each partition is taken, riding tracking included."""
        return {number: one.processed for number, one in self.progress.items()}

    def saved(self) -> dict[int, int]:
        """How far the database has each partition."""
        return {number: one.committed for number, one in self.progress.items()}

    def reached(self, ends: dict[int, int]) -> bool:
        """Whether every one of these partitions is taken up to that end offset."""
        return all(
            partition in self.progress and self.progress[partition].processed >= end
            for partition, end in ends.items()
        )

    def resolve_gap(self, partition: int, source: str, by: str, reason: str) -> Gap:
        """Goes on over missing records; the resolving is itself an event (DESIGN, Inbox).

        Raises KeyError when that partition has no gap at that source.
        """
        progress = self.progress.get(partition)
        if progress is None or progress.gap is None or progress.gap.source != source:
            raise KeyError(f"no gap at {source} in partition {partition}")
        gap = progress.gap
        event = self.service.housekeeping.gap_resolved.model_validate(
            {
                "source": source,
                "partition": partition,
                "after": str(gap.taken),
                "upto": str(gap.after),
                "by": by,
                "reason": reason,
            }
        )

        def decide(work: Work) -> None:
            subject = f"{source}#{partition}"
            origin = Origin(causation=f"operator:{by}", actor=by)
            work.apply(To(subject, Note(at=work.now, event=event)), origin)
            work.extra.taken[(source, partition)] = gap.after

        self.writer.transact(decide)
        with self.changed:
            progress.taken[source] = gap.after
            progress.gap = None
        self._show_gaps()
        return gap


@dataclass(slots=True)
class _Heard:
    record: KafkaRecord
    headers: RelayHeaders
    recorded: Recorded[Any] | None
    commands: Sequence[To]
    error: Exception | None


class _Batch:
    """One batch being decided; may run again when something moved, so it changes nothing itself.

    `refused`: what the database said no to when this very batch purged it, by record.
    """

    def __init__(self, inbox: Inbox, work: Work, refused: Mapping[str, str]) -> None:
        self.inbox = inbox
        self.service = inbox.service
        self.work = work
        self.blocked = set(work.blocked)
        self.refused = refused
        self.purged: set[str] = set()
        self.result: dict[int, Progress] = {}
        self.archive: list[LogRecord] = []
        self.fates: Counter[str] = Counter()

    def run(self, records: Sequence[KafkaRecord]) -> dict[int, Progress]:
        heard = self._accept(records)
        self._look_who_is_gone(heard)
        self._prefetch(heard)
        for one in heard:
            self._hear(one)
            reach("amid-batch")
        for fate, times in self.fates.items():
            self.inbox.metrics.records.labels(fate).inc(times)
        if self.archive and self.service.archive is not None:
            keep, kept = self.service.archive, tuple(self.archive)
            self.work.extra.archive = lambda conn: keep(conn, kept)
        return self.result

    def _accept(self, records: Sequence[KafkaRecord]) -> list[_Heard]:
        """Which records are taken, in order; foreign ones are parked, duplicates skipped."""
        heard: list[_Heard] = []
        fates = self.fates
        for record in records:
            progress = self._progress(record.partition)
            if progress.gap is not None or record.offset < progress.processed:
                continue
            headers = read_headers(record.headers)
            if headers is None:
                fates["foreign"] += 1
                self._park_foreign(record)
            else:
                taken = progress.taken.get(headers.source, START)
                if headers.position <= taken:
                    fates["duplicate"] += 1
                elif headers.after != taken:
                    progress.gap = Gap(
                        record.partition, headers.source, taken, headers.after, record.offset
                    )
                    fates["gap"] += 1
                    continue
                else:
                    progress.taken[headers.source] = headers.position
                    progress.unsaved.add(headers.source)
                    heard += self._taken(record, headers)
            progress.processed = record.offset + 1
        return heard

    def _taken(self, record: KafkaRecord, headers: RelayHeaders) -> list[_Heard]:
        if self.service.archive is not None and record.value is not None:
            self.archive.append(
                LogRecord(
                    record.partition,
                    record.offset,
                    headers.source,
                    headers.type,
                    _key(record),
                    str(headers.position),
                    str(headers.after),
                    record.value,
                )
            )
        if headers.type in self.service.heard_types or self._unknown(record, headers):
            self.fates["heard"] += 1
            return [self._read(record, headers)]
        self.fates["passed"] += 1
        return []

    def _unknown(self, record: KafkaRecord, headers: RelayHeaders) -> bool:
        """A record no contract knows, or without a body, is parked by everyone who would hear."""
        return record.value is None or headers.type not in self.service.types

    def _read(self, record: KafkaRecord, headers: RelayHeaders) -> _Heard:
        try:
            if record.value is None:
                raise Unreadable("no-body", "the record has no body")
            recorded = self.service.read(record.value)
            if recorded.source != headers.source or recorded.subject != _key(record):
                raise Unreadable("bad-envelope", "headers, key and body do not agree")
            mine = recorded.type in self.service.hears
            commands = tuple(self.service.react(recorded)) if mine else ()
        except Exception as error:  # noqa: BLE001 - whatever it is, it must not stop the others
            return _Heard(record, headers, None, (), error)
        return _Heard(record, headers, recorded, commands, None)

    def _look_who_is_gone(self, heard: Sequence[_Heard]) -> None:
        """Complaints purged before or within this batch: nothing that is heard of them counts."""
        self.purged |= self.inbox.writer.store.purged({_key(one.record) for one in heard})
        blocked = set(self.blocked)
        for one in heard:
            if one.recorded is None or not is_purge(self.service, one.recorded):
                continue
            if str(one.recorded.id) in self.refused:
                blocked.add(_key(one.record))
            if _key(one.record) not in blocked:
                ends = ends_of(one.recorded)
                kept = self.inbox.writer.store.moved(ends)
                self.purged |= {subject for subject in subjects_of(ends) if subject not in kept}

    def _prefetch(self, heard: Sequence[_Heard]) -> None:
        by_command = self.service.by_command
        wanted = [
            (by_command[type(to.command)], to.subject)
            for one in heard
            for to in one.commands
            if type(to.command) in by_command and _key(one.record) not in self.purged
        ]
        if wanted:
            self.inbox.writer.store.load(wanted)

    def _hear(self, one: _Heard) -> None:
        subject = _key(one.record)
        if subject in self.purged:
            self.fates["purged"] += 1
            return
        self.work.heard_of(subject, one.recorded)
        if subject in self.blocked:
            self._park(one, subject, "waiting", "waiting", "waits behind a parked record")
            return
        if one.error is not None or one.recorded is None:
            self._park_error(one, subject, one.error)
            return
        reason = self.refused.get(str(one.recorded.id))
        if reason is not None:
            self._park(one, subject, "parked", PURGE_REFUSED, as_problem(reason))
            self.blocked.add(subject)
            self.fates["parked"] += 1
            return
        mark = self.work.savepoint()
        try:
            hear_of_purge(self.service, self.work, one.recorded, one.record.value or b"")
            hear(self.service, self.work, one.recorded, one.commands, self._refused)
        except Exception as error:  # noqa: BLE001 - a rule that raises parks its complaint only
            self.work.rollback_to(mark)
            self._park_error(one, subject, error)

    def _refused(self, error: DomainError) -> None:
        self.inbox.metrics.refused.labels(error.rule).inc()

    def _progress(self, partition: int) -> Progress:
        progress = self.result.get(partition)
        if progress is None:
            known = self.inbox.progress[partition]
            progress = replace(known, taken=dict(known.taken), unsaved=set(known.unsaved))
            self.result[partition] = progress
        return progress

    # -- parking ---------------------------------------------------------------------------------

    def _park_error(self, one: _Heard, subject: str, error: Exception | None) -> None:
        kind, detail = describe(error)
        self._park(one, subject, "parked", kind, detail)
        self.blocked.add(subject)
        self.fates["parked"] += 1

    def _park(self, one: _Heard, subject: str, state: str, kind: str, detail: str) -> None:
        record = one.record
        record_id = str(one.recorded.id) if one.recorded is not None else _place(record)
        self.work.extra.parked.append(
            ParkedRow(
                record.topic,
                record.partition,
                record.offset,
                subject,
                one.headers.source,
                record_id,
                str(one.headers.position),
                state,
                kind,
                detail,
                # Bytes that are no JSON object of ours may hold anything; they stay in Kafka only.
                record.value if _is_object(record.value) else None,
            )
        )
        if state == "parked":
            self._note(
                subject, record_id, one.headers.source, str(one.headers.position), kind, detail
            )

    def _park_foreign(self, record: KafkaRecord) -> None:
        subject = str(uuid5(STREAMS, _place(record)))
        kind, detail = "foreign", "no valid relay headers: nothing of ours wrote this record"
        self.work.extra.parked.append(
            ParkedRow(
                record.topic,
                record.partition,
                record.offset,
                subject,
                "",
                _place(record),
                "",
                "parked",
                kind,
                detail,
                None,
            )
        )
        self._note(subject, _place(record), "", "", kind, detail)

    def _note(
        self, subject: str, record_id: str, source: str, position: str, kind: str, detail: str
    ) -> None:
        self.work.extra.subjects[subject] = subject in self.work.blocked
        event = self.service.housekeeping.record_parked.model_validate(
            {
                "record": record_id,
                "source": source,
                "position": position,
                "error": kind,
                "problem": detail,
            }
        )
        note_on(self.service, self.work, subject, event, f"record:{record_id}")


def without_refused_purges(refused: dict[str, str], commit: Callable[[], T]) -> T:
    """Commits; again, with the reason in `refused`, for each purge the database says no to."""
    while True:
        try:
            return commit()
        except PurgeRefused as error:
            if error.record in refused:
                raise
            log.error("the database refuses a purge", extra={"reason": error.reason})
            refused[error.record] = error.reason


def hear(
    service: Service,
    work: Work,
    recorded: Recorded[Any],
    commands: Sequence[To],
    refused: Callable[[DomainError], None],
) -> None:
    """Everything that hearing one event leads to; a refusal by a rule is a no-op, counted."""
    for to in commands:
        origin = Origin(
            causation=str(recorded.id),
            actor=to.actor or f"system:{service.name}",
            traceparent=recorded.traceparent,
        )
        mark = work.savepoint()
        try:
            work.apply(to, origin, heard=recorded.subject)
        except DomainError as error:
            work.rollback_to(mark)
            refused(error)
    if recorded.type in service.hears:
        rows = tuple(service.heard_rows(recorded))
        work.show(rows)
        if rows:
            work.extra.written.add(recorded.subject)


def describe(error: Exception | None) -> tuple[str, str]:
    """An error's kind and a text that never quotes what was in the record."""
    if isinstance(error, Unreadable):
        return error.kind, as_problem(str(error))
    if error is None:
        return "unknown", "it could not be taken"
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    where = (
        f" at {trace.tb_frame.f_globals.get('__name__', '?')}:{trace.tb_lineno}" if trace else ""
    )
    return "raised", f"a rule raised {type(error).__name__}{where}; mend it, then replay"


def as_problem(text: str) -> str:
    """As `record.parked` may say it: one line, and no longer than its field."""
    printable = "".join(one if one.isprintable() else " " for one in text)
    return printable if len(printable) <= PROBLEM_MAX else printable[: PROBLEM_MAX - 1] + "…"


def _key(record: KafkaRecord) -> str:
    return key_text(record.key)


def _place(record: KafkaRecord) -> str:
    return f"{record.topic}/{record.partition}/{record.offset}"


def _is_object(value: bytes | None) -> bool:
    if value is None:
        return False
    try:
        return isinstance(from_json(value), dict)
    except ValueError:
        return False
