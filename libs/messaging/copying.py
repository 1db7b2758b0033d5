"""A service's database made from L: its own events copied and folded, what it heard shown.

Own events come first: they tell which heard records were parked, and so have had no effect. Nothing
is decided, so that a copy may be made while the service itself goes on deciding.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice
from typing import Any
from uuid import UUID

from libs.decider import Decider, Policies, Recorded
from libs.eventlog.envelope import Unreadable, decode
from libs.eventlog.housekeeping import BESIDE
from libs.eventlog.recorder import ParkedRow, Take, Unit
from libs.eventlog.service import LogRecord, Service
from libs.eventlog.store import Store, StreamBroken
from libs.eventlog.work import Stream, Work
from libs.messaging.in_order import InOrder
from libs.messaging.log_lines import PURGED
from libs.messaging.log_source import Accepted, LogPlace, LogUnusable, Missing, Progress
from libs.messaging.position import Position
from libs.messaging.purges_again import PurgesAgain
from libs.messaging.spool import Spool

CHUNK_RECORDS = 2_000
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
"""Rows take no `now`; where a unit of work needs one, it is this."""
BEFORE_ALL = LogPlace(0, -1)
ARCHIVIST = "/bihuan/audit"
"""Whose resolved gaps are missing in the archive as well."""


class NotAnArchive(LogUnusable):
    """A service that keeps every byte cannot be made of this."""


@dataclass(frozen=True, slots=True)
class Where:
    """The topic that the copy's inbox goes on from."""

    topic: str
    topic_id: str
    partitions: int
    life: int = 1


@dataclass(slots=True)
class Learnt:
    """What the service's own events say of the log."""

    events: int = 0
    generation: int = 0
    id_max: int = 0
    last: dict[int, tuple[Position, LogPlace]] = field(default_factory=dict)
    """Partition -> the last record of its own there."""
    causes: set[str] = field(default_factory=set)
    parked: dict[str, tuple[str, str, str]] = field(default_factory=dict)
    """Record id -> (subject, error kind, detail) of what is parked and not settled."""
    discarded: set[str] = field(default_factory=set)
    """Record ids that were given up: they never had an effect."""


class Copy:
    """A copy in the making: `own`, then `heard`, of the same records; again for later ones.

    What a purge on record names is copied like the rest, for as long as the log has it, and goes as
    it went then, by the database's own check: `purge` comes behind both, or amid what was heard
    where something came late of a complaint that was gone.
    """

    def __init__(self, service: Service, store: Store, where: Where, progress: Progress) -> None:
        self.service = service
        self.store = store
        self.where = where
        self.learnt = Learnt()
        self._progress = progress
        self._by_event = {
            event.type: decider for decider in service.deciders for event in decider.events
        }
        self._aside: dict[str, list[tuple[ParkedRow, Accepted]]] = {}
        self._matched: set[str] = set()
        self.purges = PurgesAgain(service, store)
        self.records = 0

    # -- own events ------------------------------------------------------------------------------

    def own(self, records: Iterable[Accepted], total: int) -> None:
        """Copies the service's own events among these, and folds them."""
        source = self.service.source
        mine = (
            one
            for one in self.purges.noticing(records)
            if one.headers.source == source and one.value
        )
        for chunk in _chunks(mine):
            self._own_chunk(chunk)
            self._progress("copying own events", self.learnt.events, total)
        for subject in list(self._aside):
            self._take_up(subject)

    def _own_chunk(self, chunk: list[Accepted]) -> None:
        read = [(one, *self._read_own(one)) for one in chunk]
        wanted = ((self._by_event.get(recorded.type), recorded.subject) for _, recorded, _ in read)
        self.store.load((decider, subject) for decider, subject in wanted if decider is not None)
        work = self.work()
        for one, recorded, kind in read:
            assert one.value is not None
            stream = self._stream(work, recorded, one.value)
            position = one.headers.position
            work.copy(stream, recorded, one.value, kind=kind, position=position.id)
            self._learn(one, recorded)
        for stream in work.streams():
            stream.refresh()
        self.store.commit(work.unit(), work)

    def _read_own(self, one: Accepted) -> tuple[Recorded[Any], str]:
        written = decode(one.value or b"", self.service.types)
        return self.service.upcasts.recorded(written), written.type

    def _stream(self, work: Work, recorded: Recorded[Any], state: bytes) -> Stream:
        """Which stream an event of ours stands in; the chain tells where the type does not."""
        decider: Decider[Any] | None = self._by_event.get(recorded.type)
        if decider is not None:
            return work.stream(decider.kind, recorded.subject)
        if recorded.type == self.service.housekeeping.policy_activated.type:
            return work.stream("policy", recorded.subject)
        primary = self.service.deciders[0] if self.service.deciders else None
        if primary is not None and primary.subject_is_id and _is_uuid(recorded.subject):
            try:
                stream = work.stream(primary.kind, recorded.subject)
            except StreamBroken:
                pass  # its notes stand beside it, under a subject of their own
            else:
                if f'"previous":"{stream.head}"'.encode() in state:
                    return stream
        return work.stream("housekeeping", recorded.subject)

    def _learn(self, one: Accepted, recorded: Recorded[Any]) -> None:
        learnt, keeping = self.learnt, self.service.housekeeping
        learnt.events += 1
        learnt.causes.add(recorded.causation)
        position = one.headers.position
        learnt.generation = max(learnt.generation, position.generation)
        learnt.id_max = max(learnt.id_max, position.id)
        known = learnt.last.get(one.partition)
        if known is None or position > known[0]:
            learnt.last[one.partition] = (position, one.place)
        data: Any = recorded.data
        if recorded.type == keeping.record_parked.type:
            subject = recorded.subject.removesuffix(BESIDE)
            learnt.parked[data.record] = (subject, data.error, data.problem)
        elif recorded.type == keeping.record_settled.type:
            learnt.parked.pop(data.record, None)
            if data.settlement == "discarded":
                learnt.discarded.add(data.record)

    # -- what was heard --------------------------------------------------------------------------

    def follow(self, records: Spool, track: "Track") -> None:
        """`heard`, with purges carried out where something came late of what was gone by then.

        The others are left to `purge`.
        """
        order = InOrder(self.purges.let_go())
        while True:
            self.heard(order.part(records), records.records, track)
            if not order.held:
                return
            done = self.purges.carry_out(order.ready())
            order.carried_out(done)
            if not done and not order.came:
                order.let_all_come()

    def heard(self, records: Iterable[Accepted], total: int, track: "Track") -> None:
        """Shows what was heard of these, archives them where the service does, and tracks them."""
        for done, chunk in enumerate(_chunks(records), start=1):
            work, gone = self.work(), self.store.purged({one.key for one in chunk})
            for one in chunk:
                track.passed(one, self.learnt)
                if one.key not in gone:
                    self._hear(work, one)
            self.records += len(chunk)
            if self.service.archive is not None:
                track.into(work.extra)
                self._archive(work, chunk)
            self.store.recorder.insert_events([], unit=work.unit())
            self._progress("folding what was heard", done * CHUNK_RECORDS, total)

    def show(self, records: Iterable[Accepted]) -> None:
        """Shows what was heard of these, none of which was parked."""
        for chunk in _chunks(records):
            work = self.work()
            for one in chunk:
                self._show(work, one)
            self.records += len(chunk)
            self.store.recorder.insert_events([], unit=work.unit())
            self._progress("folding what was heard", self.records, self.records)

    def purge(self, *, rows_only: bool = False) -> int:
        """Carries out the purges heard since the last call, in order; returns how many.

        `rows_only`: the streams are gone already. Raises PurgeRefused where the database does not
        let them go.
        """
        return len(self.purges.carry_out(rows_only=rows_only))

    def close(self) -> None:
        """Lets go of what was kept on disk."""
        self.purges.close()

    def finish_parked(self) -> None:
        """What nothing of ours wrote was parked too, and is in no L: its row again."""
        unit = Unit()
        for record, (subject, kind, detail) in self.learnt.parked.items():
            place = _place_of(record)
            if record not in self._matched and place is not None:
                unit.parked.append(
                    ParkedRow(*place, subject, "", record, "", "parked", kind, detail, None)
                )
        self.store.recorder.insert_events([], unit=unit)

    def _hear(self, work: Work, one: Accepted) -> None:
        kind = one.headers.type
        if not one.value and kind == PURGED:
            return
        if kind not in self.service.heard_types and kind in self.service.types:
            return
        names = (event_id(one.value), self._place(one))
        if not self.learnt.discarded.isdisjoint(names):
            return
        parked = next((name for name in names if name in self.learnt.parked), None)
        known = None if parked is None else self.learnt.parked[parked]
        if known is None and one.key not in self._aside:
            self._show(work, one)
            return
        subject, error, detail = known or (one.key, "waiting", "waits behind a parked record")
        row = ParkedRow(
            self.where.topic,
            one.partition,
            one.place.offset,
            subject,
            one.headers.source,
            parked or names[0] or names[1],
            str(one.headers.position),
            "parked" if known else "waiting",
            error,
            detail,
            one.value if names[0] else None,
        )
        self._matched.update(names)
        self._aside.setdefault(subject, []).append((row, one))
        work.extra.parked.append(row)

    def _take_up(self, subject: str) -> None:
        """Shows what was set aside of a subject and has been released since, in its order."""
        waiting, work = self._aside[subject], self.work()
        gone = self.store.purged((subject,))
        while waiting:
            row, one = waiting[0]
            if row.record_id in self.learnt.parked:
                break
            if row.record_id not in self.learnt.discarded and not gone:
                self._show(work, one)
            waiting.pop(0)
        if not waiting:
            del self._aside[subject]
        self.store.recorder.insert_events([], unit=work.unit())

    def _show(self, work: Work, one: Accepted) -> None:
        try:
            recorded = self.service.read(one.value or b"")
        except Unreadable:
            return  # parked under an id that its bytes do not tell: it had no effect
        self.purges.hear(one, recorded)
        if recorded.type in self.service.hears:
            work.show(self.service.heard_rows(recorded))

    def _archive(self, work: Work, chunk: list[Accepted]) -> None:
        assert self.service.archive is not None
        keep = self.service.archive
        for one in chunk:
            if one.headers.type == PURGED and not one.value:
                raise NotAnArchive(
                    f"partition {one.partition}, offset {one.place.offset}: the records of a purge "
                    "are told here by their places only, and an archive cannot be made of that: "
                    "take a copy of before the purge, Kafka's log if it begins before it, or a "
                    "backup. Nothing was changed"
                )
            if one.place.life != self.where.life:
                raise NotAnArchive(
                    f"partition {one.partition} has records of a topic before this one; audit's "
                    "database can only come from a backup. Nothing was changed"
                )
        kept = [
            LogRecord(
                one.partition,
                one.place.offset,
                one.headers.source,
                one.headers.type,
                one.key,
                str(one.headers.position),
                str(one.headers.after),
                one.value,
            )
            for one in chunk
            if one.value is not None
        ]
        if kept:
            work.extra.archive = lambda conn: keep(conn, kept)

    def _place(self, one: Accepted) -> str:
        return f"{self.where.topic}/{one.partition}/{one.place.offset}"

    def work(self) -> Work:
        """An empty unit that decides nothing."""
        return Work(
            self.service,
            self.store,
            Policies(),
            EPOCH,
            self.where.partitions,
            self.store.blocked(),
        )

    # -- the end ---------------------------------------------------------------------------------

    def relay_state(self, generation: int) -> None:
        """A new generation, whose first `after` names the last old position found."""
        learnt = self.learnt
        with self.store.connection() as conn, conn.transaction():
            conn.execute(
                "SELECT setval(pg_get_serial_sequence('stored_events', 'notification_id'), %s)",
                (max(learnt.id_max, 1),),
            )
            conn.execute(
                "UPDATE relay_state SET generation = %s, sent = %s", (generation, learnt.id_max)
            )
            for partition, (position, place) in learnt.last.items():
                if place.life != self.where.life:
                    continue
                conn.execute(
                    "INSERT INTO relay_sent "
                    "(topic, partition, generation, id, record_offset, topic_id) "
                    "VALUES (%s, %s, %s, %s, %s, %s)",
                    (
                        self.where.topic,
                        partition,
                        position.generation,
                        position.id,
                        place.offset,
                        self.where.topic_id,
                    ),
                )


class Track:
    """Where the copy's inbox goes on: per partition behind the last cause of its own events.

    `everything` goes on behind all that was passed: for an archive, and for a copy beside a live
    service, whose own progress bounds what is passed.
    """

    def __init__(self, where: Where, *, everything: bool) -> None:
        self._where = where
        self._everything = everything
        self._upto: dict[int, LogPlace] = {}
        self._seen: dict[int, dict[str, Position]] = defaultdict(dict)
        self._taken: dict[int, dict[str, Position]] = {}
        self._written: dict[int, int] = {}
        self._strange: dict[int, int] | None = None

    def passed(self, one: Accepted, learnt: Learnt) -> None:
        """Takes note of a record of L, each partition's in order."""
        self._seen[one.partition][one.headers.source] = one.headers.position
        if self._everything or self._is_cause(one, learnt):
            self._upto[one.partition] = one.place
            self._taken[one.partition] = dict(self._seen[one.partition])

    def _is_cause(self, one: Accepted, learnt: Learnt) -> bool:
        if self._strange is None:
            self._strange = _strange_places(self._where.topic, learnt.causes)
        identity = event_id(one.value)
        return (
            identity in learnt.causes
            or f"record:{identity}" in learnt.causes
            or (
                one.place.life == self._where.life
                and one.place.offset <= self._strange.get(one.partition, -1)
            )
        )

    def has(self, one: Accepted) -> bool:
        """Whether this record lies before where the inbox goes on: it is not heard again."""
        return one.place <= self._upto.get(one.partition, BEFORE_ALL)

    def into(self, unit: Unit) -> None:
        """Puts what has changed since the last call into a unit."""
        where = self._where
        for partition, place in self._upto.items():
            written, following = self._written.get(partition, 0), place.offset + 1
            if place.life == where.life and following > written:
                unit.takes.append(Take(where.topic, partition, where.topic_id, written, following))
                self._written[partition] = following
            for source, position in self._taken[partition].items():
                unit.taken[(source, partition)] = position


def _strange_places(topic: str, causes: Iterable[str]) -> dict[int, int]:
    """Per partition the last offset at which a record was parked by its place."""
    found: dict[int, int] = {}
    for cause in causes:
        place = _place_of(cause.removeprefix("record:"))
        if place is not None and place[0] == topic:
            found[place[1]] = max(found.get(place[1], -1), place[2])
    return found


def _place_of(record: str) -> tuple[str, int, int] | None:
    """Topic, partition and offset of a record that has no id of its own; None for an id."""
    rest, _, offset = record.rpartition("/")
    topic, _, partition = rest.rpartition("/")
    if not (topic and partition.isdecimal() and offset.isdecimal()):
        return None
    return topic, int(partition), int(offset)


class Excuses:
    """Who has answered on record for missing records: gaps resolved."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._resolved: set[Missing] = set()

    def hear(self, one: Accepted) -> None:
        """Takes note where a record resolves a gap of this service, or of the archive."""
        gap_resolved = self._service.housekeeping.gap_resolved
        if one.headers.type != gap_resolved.type or one.value is None:
            return
        if one.headers.source not in (self._service.source, ARCHIVIST):
            return
        data: Any = self._service.read(one.value).data
        self._resolved.add(
            Missing(
                data.partition, data.source, Position.parse(data.after), Position.parse(data.upto)
            )
        )

    def without(self, missing: Iterable[Missing]) -> list[Missing]:
        """What nobody has answered for."""
        return [one for one in missing if one not in self._resolved]


def event_id(value: bytes | None) -> str:
    """The `id` in our own byte form, without decoding it; empty for other bytes."""
    if value is None:
        return ""
    start = value.find(b'"id":"')
    return value[start + 6 : start + 42].decode("ascii", "replace") if start >= 0 else ""


def _is_uuid(text: str) -> bool:
    try:
        return str(UUID(text)) == text
    except ValueError:
        return False


def _chunks(records: Iterable[Accepted]) -> Iterator[list[Accepted]]:
    them = iter(records)
    while chunk := list(islice(them, CHUNK_RECORDS)):
        yield chunk
