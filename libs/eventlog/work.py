"""One unit of work being decided: streams folded in memory, reads remembered, effects gathered.

A batch of log records, a channel message, a timer and an API call all go through here, so there is
one way in which anything comes to be recorded.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID
from zlib import crc32

from eventsourcing.persistence import StoredEvent

from libs.decider import (
    Command,
    Context,
    Decider,
    DomainError,
    Event,
    Policies,
    Recorded,
    Row,
    TimerFired,
    To,
)
from libs.eventlog.envelope import GENESIS, Origin, digest, encode, originator
from libs.eventlog.policies import ActivatePolicy, policy_streams
from libs.eventlog.policy_files import seed_instant
from libs.eventlog.purging import (
    End,
    Free,
    Known,
    StreamPurged,
    StreamWithheld,
    Withheld,
    subjects_of,
    withheld_after,
)
from libs.eventlog.recorder import Find, TimerRow, Unit
from libs.eventlog.service import Service

TIMERS_FIRED_FIRST_MAX = 1_000
"""More timers than this before one fact mean a timer that fires without effect: a defect."""


class OutOfOrder(RuntimeError):
    """A stream's events do not follow one another; its text names the place, never content."""


class TimerStuck(RuntimeError):
    """A decider does not let go of a timer that has fired."""


@dataclass(slots=True)
class Stream:
    """One stream as it stands within a unit of work."""

    originator_id: UUID
    subject: str
    decider: Decider[Any]
    version: int = 0
    head: str = GENESIS
    time: datetime | None = None
    state: Any = None
    timers: Mapping[str, datetime] = field(default_factory=dict)
    rows: tuple[Row, ...] = ()

    def snapshot(self) -> tuple[Any, ...]:
        """What `restore` needs to undo everything since."""
        return (self.version, self.head, self.time, self.state, self.timers, self.rows)

    def restore(self, was: tuple[Any, ...]) -> None:
        """Undoes everything since the snapshot."""
        self.version, self.head, self.time, self.state, self.timers, self.rows = was

    def refresh(self) -> None:
        """Recomputes what follows from the state."""
        if self.state is not None:
            self.timers = self.decider.timers(self.state)
            self.rows = tuple(self.decider.rows(self.subject, self.state))


class Reader:
    """Where streams and rows come from when they are not in the unit yet (implemented by Store)."""

    def stream(self, decider: Decider[Any], subject: str, originator_id: UUID) -> Stream:
        """The stream from the cache or the database; never one that this unit changed."""
        raise NotImplementedError

    def find(self, table: str, equal: tuple[tuple[str, Any], ...]) -> Sequence[Mapping[str, Any]]:
        """Rows of a read model as committed."""
        raise NotImplementedError

    def purged(self, subjects: Iterable[str]) -> frozenset[str]:
        """Which of these complaints' records were deleted after their retention."""
        raise NotImplementedError

    def withheld(self, subjects: Iterable[str]) -> Mapping[str, Withheld]:
        """Which of these complaints a purge withholds, and which purge."""
        raise NotImplementedError

    def moved(self, ends: Sequence[End]) -> frozenset[str]:
        """Which of these complaints do not end so any more."""
        raise NotImplementedError


@dataclass(slots=True)
class _Touched:
    stream: Stream
    loaded_version: int
    loaded_timers: Mapping[str, datetime]
    loaded_rows: tuple[Row, ...]


class Work:
    """A unit of work in the making; see `apply` and `unit`."""

    def __init__(
        self,
        service: Service,
        reader: Reader,
        policies: Policies,
        now: datetime,
        partitions: int,
        blocked: frozenset[str] = frozenset(),
    ) -> None:
        self.service = service
        self.policies = policies
        self.now = now
        self.blocked = blocked
        self.committed = False
        self._reader = reader
        self._partitions = partitions
        self._by_command = service.by_command
        self._by_kind = service.by_kind
        self._touched: dict[UUID, _Touched] = {}
        self._events: list[StoredEvent] = []
        self.recorded: list[Recorded[Any]] = []
        self._finds: dict[tuple[str, tuple[tuple[str, Any], ...]], Find] = {}
        self._found: dict[tuple[str, tuple[tuple[str, Any], ...]], list[dict[str, Any]]] = {}
        self._overlay = _Overlay()
        self._heard_rows: dict[tuple[str, tuple[Any, ...]], Row] = {}
        self._journal: list[tuple[Stream, tuple[Any, ...]]] = []
        self._extra = Unit()

    # -- reading ---------------------------------------------------------------------------------

    def rows(self, table: str, **equal: Any) -> Sequence[Mapping[str, Any]]:
        """Lookups: rows as this unit would leave them; the committed part is checked at commit."""
        wanted = tuple(sorted(equal.items()))
        key = (table, wanted)
        if key not in self._found:
            self.found(table, wanted, self._reader.find(table, wanted))
        return self._overlay.merged(table, equal, self._found[key], self._key_of(table))

    def found(
        self,
        table: str,
        wanted: tuple[tuple[str, Any], ...],
        rows: Sequence[Mapping[str, Any]],
    ) -> None:
        """Takes note of rows read from the database, one by one or in bulk."""
        seen = tuple(tuple(row.values()) for row in rows)
        self._found[(table, wanted)] = [dict(row) for row in rows]
        self._finds[(table, wanted)] = Find(table, wanted, seen)

    def has_found(self, table: str, wanted: tuple[tuple[str, Any], ...]) -> bool:
        """Whether these rows have been read already."""
        return (table, wanted) in self._found

    def state(self, kind: str, subject: str) -> Any:
        """Lookups: a stream's state as this unit would leave it."""
        return self._stream(self._by_kind[kind], subject).state

    def _key_of(self, table: str) -> tuple[str, ...]:
        return next(one.key for one in self.service.tables if one.name == table)

    # -- deciding --------------------------------------------------------------------------------

    def savepoint(self) -> tuple[int, ...]:
        """A mark that `rollback_to` takes everything back to."""
        return (
            len(self._journal),
            self._overlay.mark(),
            len(self._events),
            len(self.recorded),
            len(self._extra.parked),
            len(self._extra.purges),
        )

    def rollback_to(self, mark: tuple[int, ...]) -> None:
        """Takes back an input that failed in the middle."""
        journal, overlay, events, recorded, parked, purges = mark
        while len(self._journal) > journal:
            stream, snapshot = self._journal.pop()
            stream.restore(snapshot)
        self._overlay.rollback_to(overlay)
        del self._events[events:]
        del self.recorded[recorded:]
        del self._extra.parked[parked:]
        del self._extra.purges[purges:]

    def apply(self, to: To, origin: Origin, *, heard: str = "") -> list[Recorded[Any]]:
        """Decides one command and folds what comes of it; raises what `decide` raises.

        Raises StreamPurged where the stream was deleted after its retention, StreamWithheld where
        it is about to be; `heard`: the complaint of which something was heard that led to this, so
        that it is taken up if anything comes of it.

        This stream's timers due before the command's fact fire first, so that live, late and
        replayed facts give the same verdicts (DESIGN, Timers).
        """
        decider = self._by_command[type(to.command)]
        stream = self._stream(decider, to.subject)
        if stream.version == 0 and decider.subject_is_id and self._reader.purged((to.subject,)):
            raise StreamPurged
        withheld = decider.subject_is_id and self.withheld(to.subject)
        if withheld:
            if isinstance(to.command, self.service.frees):
                self.free(to.subject)
            elif to.subject != heard:
                raise StreamWithheld
        recorded: list[Recorded[Any]] = []
        for _ in range(TIMERS_FIRED_FIRST_MAX):
            first = _next_timer(stream.timers, to.command)
            if first is None:
                break
            recorded += self._fire(stream, *first)
        else:
            raise TimerStuck(f"{decider.kind} keeps firing timers before one fact")
        recorded += self._decide(stream, to.command, origin)
        if recorded and withheld:
            self.free(to.subject)
        return recorded

    def fire(self, kind: str, subject: str, name: str, due: datetime, complete: bool) -> bool:
        """Fires a timer that came due; False when the stream does not wait for it any more."""
        stream = self._stream(self._by_kind[kind], subject)
        if stream.timers.get(name) != due:
            self._extra.timers[(stream.originator_id, name)] = None
            return False
        self.free(subject)
        while (first := _next_timer(stream.timers, None, before=due)) is not None:
            self._fire(stream, *first)
        if stream.timers.get(name) == due:
            self._fire(stream, name, due, complete=complete)
        return True

    def drop_timer(self, kind: str, subject: str, name: str) -> None:
        """Deletes a timer that leads nowhere (the caller raises the alarm)."""
        decider = self._by_kind[kind]
        key = originator(decider.kind, subject, subject_is_id=decider.subject_is_id)
        self._extra.timers[(key, name)] = None

    def _fire(
        self, stream: Stream, name: str, due: datetime, *, complete: bool = True
    ) -> list[Recorded[Any]]:
        command = stream.decider.timer_command(timer=name, at=due, complete=complete)
        origin = Origin(
            causation=f"timer:{stream.subject}:{name}",
            actor=f"system:{self.service.name}",
        )
        recorded = self._decide(stream, command, origin)
        if stream.timers.get(name) == due:
            raise TimerStuck(f"{stream.decider.kind} does not let go of timer {name!r}")
        return recorded

    def _decide(self, stream: Stream, command: Command, origin: Origin) -> list[Recorded[Any]]:
        context = Context(
            now=self.now,
            actor=origin.actor,
            policies=self.policies,
            subject=stream.subject,
            state_of=self.state,
        )
        try:
            events = stream.decider.decide(stream.state, command, context)
        except DomainError as refusal:
            if stream.state is not None:
                refusal.stood(stream.decider.stands(stream.state))
            raise
        if not events:
            return []
        recorded = [self.record(stream, event, origin, evolve=True) for event in events]
        before = stream.rows
        stream.refresh()
        if stream.rows != before:
            self._overlay.change(before, stream.rows)
        return recorded

    def record(
        self, stream: Stream, event: Event, origin: Origin, *, evolve: bool
    ) -> Recorded[Any]:
        """Appends one event to a stream; `time` never decreases within it (DESIGN, The event)."""
        self._journal.append((stream, stream.snapshot()))
        time = self.now if stream.time is None or stream.time < self.now else stream.time
        state, recorded = encode(
            event,
            source=self.service.source,
            subject=stream.subject,
            sequence=stream.version + 1,
            previous=stream.head,
            time=time,
            origin=origin,
        )
        stream.version += 1
        stream.head = digest(state)
        stream.time = time
        if evolve:
            stream.state = stream.decider.evolve(stream.state, recorded)
        self._events.append(StoredEvent(stream.originator_id, stream.version, event.type, state))
        self.recorded.append(recorded)
        return recorded

    def copy(
        self, stream: Stream, recorded: Recorded[Any], state: bytes, *, kind: str, position: int
    ) -> None:
        """Takes over an event of this service as the log has it, with its notification id.

        `kind` is its type as it was written, `recorded` as its newest version has it. A unit either
        decides or copies; rows and timers follow once `stream.refresh` is called. Raises OutOfOrder
        where it is not the stream's next.
        """
        if recorded.sequence != stream.version + 1:
            raise OutOfOrder(
                f"{recorded.source} {recorded.subject}: number {recorded.sequence} came where "
                f"{stream.version + 1} was to come"
            )
        stream.version += 1
        stream.head = digest(state)
        stream.time = recorded.time
        if recorded.type in self._types_of(stream.decider):
            stream.state = stream.decider.evolve(stream.state, recorded)
        self._events.append(StoredEvent(stream.originator_id, stream.version, kind, state))
        self._extra.positions.append(position)

    def _types_of(self, decider: Decider[Any]) -> frozenset[str]:
        return self.service.types_by_kind[decider.kind]

    def stream(self, kind: str, subject: str) -> Stream:
        """A stream of this service, to append housekeeping to."""
        return self._stream(self._by_kind[kind], subject)

    def _stream(self, decider: Decider[Any], subject: str) -> Stream:
        originator_id = originator(decider.kind, subject, subject_is_id=decider.subject_is_id)
        touched = self._touched.get(originator_id)
        if touched is None:
            stream = self._reader.stream(decider, subject, originator_id)
            touched = _Touched(stream, stream.version, stream.timers, stream.rows)
            self._touched[originator_id] = touched
        return touched.stream

    # -- purges ----------------------------------------------------------------------------------

    def withheld(self, subject: str) -> bool:
        """Whether nothing may be added to this complaint, as this unit would leave it."""
        return self._withheld(subject) is not None

    def _withheld(self, subject: str) -> Withheld | None:
        committed = self._reader.withheld((subject,)).get(subject)
        found = withheld_after(committed, self._extra.purges, subject)
        if committed is None and found is None:
            self._extra.looked_at.add(subject)
        return found

    def free(self, subject: str) -> None:
        """Something is on record about it: it is taken up, whatever withholds it."""
        if self.withheld(subject):
            self._extra.purges.append(Free(subject))

    def heard_of(self, subject: str, recorded: Recorded[Any] | None) -> None:
        """Something is heard about it, perhaps unreadable: takes it up, if it was not known yet."""
        withheld = self._withheld(subject)
        if withheld is not None:
            known = recorded is not None and withheld.knew_of(recorded)
            self._extra.purges.append(Known(subject) if known else Free(subject))

    def taken_up(self, ends: Sequence[End]) -> tuple[frozenset[str], frozenset[str]]:
        """Which of these complaints end otherwise: as committed, and as this unit leaves them."""
        seen = self._reader.moved(ends)
        changed = {
            touched.stream.subject
            for touched in self._touched.values()
            if touched.stream.version != touched.loaded_version
        }
        changed |= {row.subject for row in self._extra.parked if row.state != "settled"}
        return seen, seen | (changed & set(subjects_of(ends)))

    # -- effects ---------------------------------------------------------------------------------

    def show(self, rows: Iterable[Row]) -> None:
        """Rows kept from a heard event."""
        for row in rows:
            key = (row.table, tuple(value for _, value in row.key))
            known = self._heard_rows.get(key)
            values = {**dict(known.values), **dict(row.values)} if known else dict(row.values)
            self._heard_rows[key] = Row(row.table, row.key, tuple(values.items()))

    @property
    def extra(self) -> Unit:
        """Takes, parked records and outcomes go here directly."""
        return self._extra

    def unit(self) -> Unit:
        """What has to be committed."""
        unit = self._extra
        unit.events = self._events
        unit.finds = list(self._finds.values())
        for touched in self._touched.values():
            stream = touched.stream
            unit.subjects.setdefault(stream.subject, stream.subject in self.blocked)
            if stream.version == touched.loaded_version:
                unit.read_versions[stream.originator_id] = stream.version
                continue
            unit.written.add(stream.subject)
            self._timers_of(unit, touched)
            _rows_of(unit, touched)
        for key, row in self._heard_rows.items():
            unit.rows[key] = row
        if self._touched:
            unit.read_versions |= self._policies_followed()
        return unit

    def loaded_versions(self) -> dict[UUID, int]:
        """The version at which each touched stream was read, and those of the policies followed."""
        loaded = {key: touched.loaded_version for key, touched in self._touched.items()}
        return {**self._policies_followed(), **loaded}

    def _policies_followed(self) -> dict[UUID, int]:
        """How many versions of each policy this unit knew: another instance may have activated one.

        Every decision rests on them, so none is committed on policies that have moved.
        """
        known = policy_streams(self.policies)
        return {key: count for key, count in known.items() if key not in self._touched}

    def seed(self, policy: Mapping[str, Any]) -> None:
        """Brings a seed version of a policy into force, once."""
        content = dict(policy)
        command = ActivatePolicy(
            at=self.now,
            name=content["name"],
            version=str(content["version"]),
            effective_from=seed_instant(content["effective_from"]),
            content=content,
            seed=True,
        )
        self.apply(
            To(command.name, command),
            Origin(causation=f"seed:{command.name}", actor=f"system:{self.service.name}"),
        )

    def streams(self) -> Iterable[Stream]:
        """Every stream this unit touched, to be cached once it is committed."""
        return (touched.stream for touched in self._touched.values())

    def _timers_of(self, unit: Unit, touched: _Touched) -> None:
        stream = touched.stream
        for name in touched.loaded_timers:
            if name not in stream.timers:
                unit.timers[(stream.originator_id, name)] = None
        for name, due in stream.timers.items():
            if touched.loaded_timers.get(name) != due:
                unit.timers[(stream.originator_id, name)] = TimerRow(
                    stream.originator_id,
                    name,
                    stream.decider.kind,
                    stream.subject,
                    partition_of(stream.subject, self._partitions),
                    due,
                )


def _rows_of(unit: Unit, touched: _Touched) -> None:
    if touched.stream.rows == touched.loaded_rows:
        return
    before = {(row.table, tuple(v for _, v in row.key)): row for row in touched.loaded_rows}
    after = {(row.table, tuple(v for _, v in row.key)): row for row in touched.stream.rows}
    for key, row in before.items():
        if key not in after:
            unit.gone[key] = row
    for key, row in after.items():
        if before.get(key) != row:
            unit.rows[key] = row


def _next_timer(
    timers: Mapping[str, datetime],
    command: Command | None,
    before: datetime | None = None,
) -> tuple[str, datetime] | None:
    if not timers:
        return None
    limit = before if command is None else command.at
    assert limit is not None
    own = command.timer if isinstance(command, TimerFired) else None
    due = min(
        ((due, name) for name, due in timers.items() if due < limit and name != own),
        default=None,
    )
    return None if due is None else (due[1], due[0])


def partition_of(subject: str, partitions: int) -> int:
    """Where a subject's records lie: crc32(subject) mod partitions (DESIGN, Relay)."""
    return crc32(subject.encode()) % partitions


class _Overlay:
    """Rows as this unit would leave them, found by any columns asked for before."""

    def __init__(self) -> None:
        self._rows: dict[str, dict[tuple[Any, ...], Row | None]] = {}
        self._index: dict[tuple[str, tuple[str, ...]], dict[tuple[Any, ...], set[Any]]] = {}
        self._undo: list[tuple[str, tuple[Any, ...], bool, Row | None]] = []

    def mark(self) -> int:
        return len(self._undo)

    def rollback_to(self, mark: int) -> None:
        while len(self._undo) > mark:
            table, key, known, row = self._undo.pop()
            if known:
                self._rows[table][key] = row
            else:
                del self._rows[table][key]

    def change(self, before: Sequence[Row], after: Sequence[Row]) -> None:
        kept = {(row.table, row.key) for row in after}
        for row in before:
            if (row.table, row.key) not in kept:
                self._put(row, None)
        unchanged = set(before) if _hashable((*before, *after)) else set()
        for row in after:
            if not unchanged or row not in unchanged:
                self._put(row, row)

    def _put(self, named: Row, row: Row | None) -> None:
        key = tuple(value for _, value in named.key)
        rows = self._rows.setdefault(named.table, {})
        self._undo.append((named.table, key, key in rows, rows.get(key)))
        rows[key] = row
        values = dict((*named.key, *named.values))
        for (table, columns), index in self._index.items():
            if table == named.table:
                index.setdefault(tuple(values.get(one) for one in columns), set()).add(key)

    def merged(
        self,
        table: str,
        equal: Mapping[str, Any],
        committed: Sequence[Mapping[str, Any]],
        key_columns: tuple[str, ...],
    ) -> Sequence[Mapping[str, Any]]:
        rows = self._rows.get(table)
        columns = tuple(sorted(equal))
        if (table, columns) not in self._index:
            self._build(table, columns)
        if not rows:
            return committed
        out = [one for one in committed if tuple(one[column] for column in key_columns) not in rows]
        wanted = tuple(equal[column] for column in columns)
        for key in self._index[(table, columns)].get(wanted, ()):
            row = rows.get(key)
            if row is not None:
                values = dict((*row.key, *row.values))
                if all(values.get(column) == equal[column] for column in columns):
                    out.append(values)
        return sorted(out, key=lambda one: tuple(str(one[column]) for column in key_columns))

    def _build(self, table: str, columns: tuple[str, ...]) -> None:
        index: dict[tuple[Any, ...], set[Any]] = {}
        for key, row in self._rows.get(table, {}).items():
            if row is not None:
                values = dict((*row.key, *row.values))
                index.setdefault(tuple(values.get(one) for one in columns), set()).add(key)
        self._index[(table, columns)] = index


def _hashable(rows: Sequence[Row]) -> bool:
    try:
        hash(tuple(rows))
    except TypeError:
        return False
    return True
