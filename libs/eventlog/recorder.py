"""The `eventsourcing` PostgreSQL recorder, writing a whole unit of work in one transaction.

The library's own transaction holds its EXCLUSIVE lock on the event table, so units commit one
after another and a tailing reader never passes over a gap. Differences from its default, each for
a reason measured in DESIGN, Known traps: no pipeline (its sync hangs from 0.9 MB on the wire), one
array insert (`unnest`), no blind retry (a commit whose answer was lost must be looked at first),
and VACUUM left on.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from eventsourcing.persistence import IntegrityError, StoredEvent
from eventsourcing.postgres import PostgresApplicationRecorder, PostgresDatastore
from psycopg import Cursor
from psycopg.rows import DictRow
from pydantic_core import to_json

from libs.decider import Row
from libs.eventlog.failpoint import reach
from libs.eventlog.moved import Moved
from libs.eventlog.purging import (
    Scope,
    Step,
    check_steps,
    check_written,
    kind_of_subject,
    take_steps,
)
from libs.eventlog.schema import (
    RUNTIME_TABLES,
    CannotStart,
    ViewsOutdated,
    create_view,
    outdated,
)
from libs.eventlog.tables import KeptTable, Table


class NotKept(CannotStart):
    """The database has no keeper: its administrator must run infra/postgres/keeper.sql in it."""


class Overtaken(Moved):
    """Another instance has taken this partition further; this one must seek again."""


@dataclass(frozen=True, slots=True)
class Take:
    """How far one partition of one topic is taken by this unit (compare-and-set)."""

    topic: str
    partition: int
    topic_id: str
    expected: int
    next: int


@dataclass(frozen=True, slots=True)
class TimerRow:
    """A timer to be set: which stream asked for it, and when it is due."""

    originator_id: UUID
    name: str
    kind: str
    subject: str
    partition: int
    due: datetime


@dataclass(frozen=True, slots=True)
class ParkedRow:
    """A record set aside; `state` is parked, waiting, released, discarded or settled."""

    topic: str
    partition: int
    offset: int
    subject: str
    source: str
    record_id: str
    position: str
    state: str
    error_kind: str
    detail: str
    value: bytes | None


@dataclass(frozen=True, slots=True)
class Find:
    """A read of a read model, to be made again under the lock."""

    table: str
    equal: tuple[tuple[str, Any], ...]
    seen: tuple[tuple[Any, ...], ...]


@dataclass(slots=True)
class Unit:
    """Everything one batch or command writes, and everything it rested on."""

    events: list[StoredEvent] = field(default_factory=list)
    positions: list[int] = field(default_factory=list)
    """The events' notification ids, where they are copied from the log; else the database's own."""
    takes: list[Take] = field(default_factory=list)
    taken: dict[tuple[str, int], tuple[int, int]] = field(default_factory=dict)
    read_versions: dict[UUID, int] = field(default_factory=dict)
    finds: list[Find] = field(default_factory=list)
    rows: dict[tuple[str, tuple[Any, ...]], Row] = field(default_factory=dict)
    gone: dict[tuple[str, tuple[Any, ...]], Row] = field(default_factory=dict)
    timers: dict[tuple[UUID, str], TimerRow | None] = field(default_factory=dict)
    parked: list[ParkedRow] = field(default_factory=list)
    subjects: dict[str, bool] = field(default_factory=dict)
    """Subjects touched, and whether this unit believes them parked."""
    unsettled: dict[str, frozenset[tuple[str, int, int]]] = field(default_factory=dict)
    """Subjects being settled, and the places of all their records that this unit knows of."""
    outcomes: list[tuple[str, str, str, str, datetime]] = field(default_factory=list)
    """Idempotency rows: key, actor, fingerprint, outcome JSON, kept until."""
    written: set[str] = field(default_factory=set)
    """Subjects that get an event or a row; none of them may have been purged or be withheld."""
    looked_at: set[str] = field(default_factory=set)
    """Subjects that no purge withheld when this unit looked."""
    purges: list[Step] = field(default_factory=list)
    """What hearing of purges leads to, in order."""
    archive: Any = None
    """Called with the connection inside the transaction, or None."""

    @property
    def has_effect(self) -> bool:
        """Whether this unit must be committed now rather than ride with the next one."""
        return bool(
            self.events
            or self.rows
            or self.gone
            or self.parked
            or self.outcomes
            or self.purges
            or self.archive is not None
        )


class UnitRecorder(PostgresApplicationRecorder):
    """Appends events with everything that belongs to them, or nothing at all."""

    def __init__(
        self,
        datastore: PostgresDatastore,
        service: str,
        ddl: Sequence[str] = (),
        kept: Sequence[KeptTable] = (),
        *,
        scope: Scope,
    ) -> None:
        super().__init__(datastore)
        self._service = service
        self._tables: Mapping[str, Table] = scope.tables
        self.scope = scope
        self._ddl = tuple(ddl)
        self._kept = tuple(kept)
        self._insert = (
            f"INSERT INTO {self.events_table_name} "
            "(originator_id, originator_version, topic, state) "
            "SELECT * FROM unnest(%b::uuid[], %b::bigint[], %b::text[], %b::bytea[]) "
            "RETURNING notification_id"
        )
        self._insert_at = (
            f"INSERT INTO {self.events_table_name} "
            "(originator_id, originator_version, topic, state, notification_id) "
            "SELECT * FROM unnest(%b::uuid[], %b::bigint[], %b::text[], %b::bytea[], %b::bigint[]) "
            "RETURNING notification_id"
        )

    @property
    def tables(self) -> Mapping[str, Table]:
        """The read models by name."""
        return self._tables

    def create_table(self, *, views_anew: bool = False) -> None:
        """Makes every table this service needs; safe to call at each start, by two at once.

        Those that must never lose a row are handed to the database's keeper at once. Raises
        NotKept where there is none, and ViewsOutdated where another version's read models stand:
        `views_anew` makes those anew, empty, for who fills them.
        """
        with self.datastore.transaction(commit=True) as curs:
            # CREATE ... IF NOT EXISTS is not safe against itself; one starts after the other.
            curs.execute("SELECT pg_advisory_xact_lock(7231001)")
            kept = _kept_tables(curs)
            if self.events_table_name not in kept:
                self._create_events(curs)
            for one in self._kept:
                if one.name not in kept:
                    for statement in one.statements:
                        curs.execute(statement)
                    _hand_over(curs, one)
            for statement in RUNTIME_TABLES:
                curs.execute(statement)
            self._create_views(curs, anew=views_anew)
            for statement in self._ddl:
                curs.execute(statement)
        self.datastore.register_type_adapters()

    def _create_views(self, curs: Cursor[DictRow], *, anew: bool) -> None:
        tables = tuple(self._tables.values())
        old = outdated(curs, tables)
        if old and not anew:
            raise ViewsOutdated(self._service, old)
        for name in old:
            curs.execute(f"DROP TABLE {name}")
        for table in tables:
            for statement in create_view(table):
                curs.execute(statement)

    def _create_events(self, curs: Cursor[DictRow]) -> None:
        self._create_type_once(curs)
        self._create_table(curs)
        # The library's table options switch VACUUM off in effect (eventsourcing 9.5.6).
        curs.execute(
            f"ALTER TABLE {self.events_table_name} RESET "
            "(autovacuum_vacuum_threshold, autovacuum_vacuum_scale_factor)"
        )
        _hand_over(curs, KeptTable(self.events_table_name, ()))

    def _create_type_once(self, curs: Cursor[DictRow]) -> None:
        known = curs.execute(
            "SELECT 1 FROM pg_type WHERE typname = %s", (self.stored_event_type_name,)
        ).fetchone()
        if known is None:
            for statement in self.sql_create_statements:
                if "CREATE TYPE" in statement.as_string():
                    curs.execute(statement)

    def insert_events(
        self, stored_events: Sequence[StoredEvent], **kwargs: Any
    ) -> Sequence[int] | None:
        """Commits a unit (`unit=`); raises Moved when what it rested on has changed.

        Raises PurgeRefused when the database lets streams not go that the unit would purge.

        Raises the library's OperationalError when the database cannot be reached: whether the
        commit happened is then unknown, and the caller looks before it tries again.
        """
        unit: Unit = kwargs.get("unit") or Unit(events=list(stored_events))
        try:
            with (
                self.datastore.get_connection() as conn,
                conn.transaction(),
                conn.cursor() as curs,
            ):
                self._insert_events(curs, unit.events, unit=unit)
                ids = self._insert_all(curs, unit.events, unit.positions)
                if unit.archive is not None:
                    unit.archive(conn)
                reach("before-commit")
        except IntegrityError as error:
            raise Moved("another writer came first") from error
        reach("after-commit")
        return ids

    def _insert_events(
        self,
        curs: Cursor[DictRow],
        stored_events: Sequence[StoredEvent],  # noqa: ARG002 - the library's hook
        **kwargs: Any,
    ) -> None:
        unit: Unit = kwargs["unit"]
        self._lock_table(curs)
        _take_partitions(curs, unit)
        _check_versions(curs, self.events_table_name, unit)
        self._check_finds(curs, unit)
        _check_parked(curs, unit)
        check_written(curs, unit.written, unit.looked_at, unit.purges)
        check_steps(curs, unit.purges, self.scope)
        self._write_rows(curs, unit)
        _write_timers(curs, unit)
        _write_parked(curs, unit)
        _write_outcomes(curs, unit)
        take_steps(curs, unit.purges, self.scope)

    def _insert_all(
        self, curs: Cursor[DictRow], events: Sequence[StoredEvent], positions: Sequence[int]
    ) -> list[int]:
        if not events:
            return []
        arrays = (
            [event.originator_id for event in events],
            [event.originator_version for event in events],
            [event.topic for event in events],
            [event.state for event in events],
        )
        if positions:
            curs.execute(self._insert_at, (*arrays, list(positions)))
        else:
            curs.execute(self._insert, arrays)
        return [row["notification_id"] for row in curs.fetchall()]

    def find(self, curs: Cursor[Any], table: str, equal: tuple[tuple[str, Any], ...]) -> list[Any]:
        """The rows of `table` whose columns equal these values, as dicts, in key order."""
        return self.find_many(curs, table, [equal])[0]

    def find_many(
        self,
        curs: Cursor[Any],
        table: str,
        wanted: Sequence[tuple[tuple[str, Any], ...]],
    ) -> list[list[Any]]:
        """The same for many reads over the same columns of one table, in one statement.

        In the tables where the service wants it so, those of what is withheld are not found.
        """
        described = self._tables[table]
        columns = [name for name, _ in wanted[0]]
        arrays = ", ".join(f"%s::{described.type_of(name)}[]" for name in columns)
        names = ", ".join(columns)
        on = " AND ".join(f"t.{name} = w.{name}" for name in columns)
        if table in self.scope.withheld_is_gone and kind_of_subject(described) is not None:
            on += (
                f" AND NOT EXISTS (SELECT FROM withheld x WHERE x.subject = t.{described.stream}"
                "::text)"
            )
        order = ", ".join(f"t.{name}" for name in described.key)
        curs.execute(
            f"SELECT w.nr, t.* FROM unnest({arrays}) WITH ORDINALITY AS w({names}, nr) "
            f"JOIN {table} t ON {on} ORDER BY w.nr, {order}",
            [[dict(one)[name] for one in wanted] for name in columns],
        )
        found: list[list[Any]] = [[] for _ in wanted]
        for row in curs.fetchall():
            number = row.pop("nr")
            found[number - 1].append(row)
        return found

    def _check_finds(self, curs: Cursor[DictRow], unit: Unit) -> None:
        groups: dict[tuple[str, tuple[str, ...]], list[Find]] = {}
        for find in unit.finds:
            groups.setdefault((find.table, tuple(name for name, _ in find.equal)), []).append(find)
        for (table, _), finds in groups.items():
            now = self.find_many(curs, table, [find.equal for find in finds])
            for find, rows in zip(finds, now, strict=True):
                if tuple(tuple(row.values()) for row in rows) != find.seen:
                    raise Moved(f"a row of {table} has changed since it was read")

    def _write_rows(self, curs: Cursor[DictRow], unit: Unit) -> None:
        removals: dict[str, list[Row]] = {}
        for row in unit.gone.values():
            removals.setdefault(row.table, []).append(row)
        for name, rows in removals.items():
            table = self._tables[name]
            arrays = ", ".join(f"%s::{table.type_of(column)}[]" for column in table.key)
            columns = ", ".join(table.key)
            curs.execute(
                f"DELETE FROM {name} WHERE ({columns}) IN (SELECT * FROM unnest({arrays}))",
                [[dict(row.key)[column] for row in rows] for column in table.key],
            )
        writes: dict[tuple[str, tuple[str, ...]], list[Row]] = {}
        for row in unit.rows.values():
            shape = tuple(column for column, _ in (*row.key, *row.values))
            writes.setdefault((row.table, shape), []).append(row)
        for (name, shape), rows in writes.items():
            self._upsert(curs, self._tables[name], shape, rows)

    def _upsert(
        self,
        curs: Cursor[DictRow],
        table: Table,
        shape: tuple[str, ...],
        rows: list[Row],
    ) -> None:
        casts, arrays = [], []
        for number, column in enumerate(shape):
            kind = table.type_of(column)
            nested = kind == "jsonb" or kind.endswith("[]")
            arrays.append("%s::text[]" if nested else f"%b::{kind}[]")
            casts.append(f"u.c{number}::{kind}" if nested else f"u.c{number}")
        names = ", ".join(f"c{number}" for number in range(len(shape)))
        changed = [column for column in shape if column not in table.key]
        update = (
            "DO UPDATE SET " + ", ".join(f"{column} = EXCLUDED.{column}" for column in changed)
            if changed
            else "DO NOTHING"
        )
        curs.execute(
            f"INSERT INTO {table.name} ({', '.join(shape)}) "
            f"SELECT {', '.join(casts)} FROM unnest({', '.join(arrays)}) AS u({names}) "
            f"ON CONFLICT ({', '.join(table.key)}) {update}",
            _columns(table, shape, rows),
        )


def _kept_tables(curs: Cursor[DictRow]) -> frozenset[str]:
    """What belongs to the database's keeper already."""
    found = curs.execute("SELECT to_regprocedure('keeper.keep(text,text,text)') AS keep").fetchone()
    if found is None or found["keep"] is None:
        raise NotKept(
            "nobody keeps the records of this database: "
            "have its administrator run infra/postgres/keeper.sql in it"
        )
    owned = curs.execute(
        "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace "
        "AND relowner = to_regrole('bihuan_keeper')"
    ).fetchall()
    return frozenset(row["relname"] for row in owned)


def _hand_over(curs: Cursor[DictRow], table: KeptTable) -> None:
    """From here on the service may add to the table and read it, and nothing else."""
    curs.execute("SELECT keeper.keep(%s, %s, %s)", (table.name, table.grows, table.extends))


def _columns(table: Table, shape: tuple[str, ...], rows: Sequence[Row]) -> list[list[Any]]:
    values = [dict((*row.key, *row.values)) for row in rows]
    out: list[list[Any]] = []
    for column in shape:
        kind = table.type_of(column)
        if kind == "jsonb":
            out.append([None if one[column] is None else _as_json(one[column]) for one in values])
        elif kind.endswith("[]"):
            out.append([None if one[column] is None else _as_array(one[column]) for one in values])
        else:
            out.append([one[column] for one in values])
    return out


def _as_json(value: Any) -> str:
    return to_json(value).decode()


def _as_array(values: Sequence[Any]) -> str:
    quoted = (str(value).replace("\\", "\\\\").replace('"', '\\"') for value in values)
    return "{" + ",".join(f'"{value}"' for value in quoted) + "}"


def _take_partitions(curs: Cursor[DictRow], unit: Unit) -> None:
    for take in unit.takes:
        curs.execute(
            "INSERT INTO inbox_offset AS o (topic, partition, topic_id, next) "
            "VALUES (%s, %s, %s, %s) ON CONFLICT (topic, partition) DO UPDATE "
            "SET next = EXCLUDED.next, topic_id = EXCLUDED.topic_id "
            "WHERE (o.next = %s AND o.topic_id = EXCLUDED.topic_id) "
            "OR (o.topic_id <> EXCLUDED.topic_id AND %s = 0) RETURNING 1",
            (
                take.topic,
                take.partition,
                take.topic_id,
                take.next,
                take.expected,
                take.expected,
            ),
        )
        if curs.fetchone() is None:
            raise Overtaken(f"{take.topic}/{take.partition} was taken further by another")
    if unit.taken:
        curs.execute(
            "INSERT INTO inbox_taken (source, partition, generation, id) "
            "SELECT * FROM unnest(%s::text[], %s::int[], %s::int[], %s::bigint[]) "
            "ON CONFLICT (source, partition) DO UPDATE "
            "SET generation = EXCLUDED.generation, id = EXCLUDED.id",
            (
                [source for source, _ in unit.taken],
                [partition for _, partition in unit.taken],
                [generation for generation, _ in unit.taken.values()],
                [number for _, number in unit.taken.values()],
            ),
        )


def _check_versions(curs: Cursor[DictRow], events_table: str, unit: Unit) -> None:
    if not unit.read_versions:
        return
    curs.execute(
        "SELECT w.id FROM unnest(%s::uuid[], %s::bigint[]) AS w(id, seen) WHERE w.seen <> "
        f"coalesce((SELECT originator_version FROM {events_table} e WHERE e.originator_id = w.id "
        "ORDER BY originator_version DESC LIMIT 1), 0) LIMIT 1",
        (list(unit.read_versions), list(unit.read_versions.values())),
    )
    if curs.fetchone() is not None:
        raise Moved("a stream that was read has moved")


def _check_parked(curs: Cursor[DictRow], unit: Unit) -> None:
    if not unit.subjects:
        return
    curs.execute(
        "SELECT DISTINCT subject FROM parked WHERE state <> 'settled' AND subject = ANY(%s)",
        (list(unit.subjects),),
    )
    parked = {row["subject"] for row in curs.fetchall()}
    believed = {subject for subject, is_parked in unit.subjects.items() if is_parked}
    if parked != believed:
        raise Moved("a complaint was parked or released meanwhile")
    _check_unsettled(curs, unit)


def _check_unsettled(curs: Cursor[DictRow], unit: Unit) -> None:
    """A record that came to wait while its subject was being settled would wait for ever."""
    for subject, known in unit.unsettled.items():
        curs.execute(
            "SELECT topic, partition, record_offset FROM parked "
            "WHERE state <> 'settled' AND subject = %s",
            (subject,),
        )
        places = {(row["topic"], row["partition"], row["record_offset"]) for row in curs.fetchall()}
        if places != known:
            raise Moved("another record came to wait meanwhile")


def _write_timers(curs: Cursor[DictRow], unit: Unit) -> None:
    gone = [key for key, timer in unit.timers.items() if timer is None]
    kept = [timer for timer in unit.timers.values() if timer is not None]
    if gone:
        curs.execute(
            "DELETE FROM timer WHERE (originator_id, name) IN "
            "(SELECT * FROM unnest(%s::uuid[], %s::text[]))",
            ([key[0] for key in gone], [key[1] for key in gone]),
        )
    if kept:
        curs.execute(
            "INSERT INTO timer (originator_id, name, kind, subject, partition, due) "
            "SELECT * FROM unnest(%b::uuid[], %b::text[], %b::text[], %b::text[], %b::int[], "
            "%b::timestamptz[]) ON CONFLICT (originator_id, name) DO UPDATE "
            "SET due = EXCLUDED.due",
            (
                [timer.originator_id for timer in kept],
                [timer.name for timer in kept],
                [timer.kind for timer in kept],
                [timer.subject for timer in kept],
                [timer.partition for timer in kept],
                [timer.due for timer in kept],
            ),
        )


def _write_parked(curs: Cursor[DictRow], unit: Unit) -> None:
    for row in unit.parked:
        curs.execute(
            "INSERT INTO parked (topic, partition, record_offset, subject, source, record_id, "
            "position, state, error_kind, detail, value) "
            "VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s) "
            "ON CONFLICT (topic, partition, record_offset) DO UPDATE SET state = EXCLUDED.state, "
            "error_kind = EXCLUDED.error_kind, detail = EXCLUDED.detail",
            (
                row.topic,
                row.partition,
                row.offset,
                row.subject,
                row.source,
                row.record_id,
                row.position,
                row.state,
                row.error_kind,
                row.detail,
                row.value,
            ),
        )


def _write_outcomes(curs: Cursor[DictRow], unit: Unit) -> None:
    for outcome in unit.outcomes:
        curs.execute(
            "INSERT INTO idempotency (key, actor, fingerprint, outcome, kept_until) "
            "VALUES (%s, %s, %s, %s::jsonb, %s)",
            outcome,
        )
