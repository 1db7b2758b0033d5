"""A service's database: streams loaded and folded, units committed, the rest of its tables read."""

from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

from eventsourcing.postgres import PostgresDatastore
from psycopg import Connection
from psycopg.conninfo import conninfo_to_dict

from libs.decider import Decider, Policies, Recorded
from libs.eventlog.envelope import digest, originator
from libs.eventlog.policies import policy_streams
from libs.eventlog.purging import End, Scope, Withheld, moved, purged_among, withheld_among
from libs.eventlog.recorder import Unit, UnitRecorder
from libs.eventlog.service import Service
from libs.eventlog.work import Reader, Stream, Work

STREAMS_CACHED_MAX = 4_000


class StreamBroken(RuntimeError):
    """A stream's own events cannot be folded; its text names the event's place, never content."""


class Store(Reader):
    """One instance's way to its service's database. Not thread-safe: the Writer holds a lock."""

    def __init__(self, service: Service, dsn: str, *, pool_size: int = 2) -> None:
        self.service = service
        parts = conninfo_to_dict(dsn)
        self.datastore = PostgresDatastore(
            dbname=str(parts.get("dbname", "")),
            host=str(parts.get("host", "")),
            port=str(parts.get("port", "5432")),
            user=str(parts.get("user", "")),
            password=str(parts.get("password", "")),
            pool_size=pool_size,
            max_overflow=3,
            pre_ping=False,
            connect_timeout=5.0,
        )
        self.recorder = UnitRecorder(
            self.datastore,
            service.name,
            service.ddl,
            service.kept,
            scope=Scope(
                service.source,
                {table.name: table for table in service.tables},
                service.also_purge,
                service.also_moved,
                service.withheld_is_gone,
            ),
        )
        self._cache: OrderedDict[UUID, Stream] = OrderedDict()
        self._fresh: dict[UUID, Stream] = {}
        self._broken: dict[UUID, str] = {}
        self._any_purged: bool | None = None
        """Whether anything was ever purged here; None: not known since something moved."""
        self._any_withheld: bool | None = None
        """The same of what is withheld now."""

    def create_tables(self, *, views_anew: bool = False) -> None:
        """Makes what is missing; safe at each start. Raises NotKept, ViewsOutdated.

        `views_anew`: read models with other columns are made anew, empty, instead.
        """
        self.recorder.create_table(views_anew=views_anew)

    def close(self) -> None:
        """Gives the connections back."""
        self.datastore.close()

    @contextmanager
    def connection(self) -> Iterator[Connection[Any]]:
        """A connection in autocommit mode, for queries; rows come as dicts."""
        with self.datastore.get_connection() as conn:
            yield conn

    # -- streams -----------------------------------------------------------------------------

    def stream(self, decider: Decider[Any], subject: str, originator_id: UUID) -> Stream:
        """Reader: a copy that a unit may change."""
        known = self._cache.get(originator_id) or self._fresh.get(originator_id)
        if known is None:
            self.load([(decider, subject)])
            if originator_id in self._broken:
                raise StreamBroken(self._broken.pop(originator_id))
            known = self._cache.get(originator_id) or self._fresh[originator_id]
        elif originator_id in self._cache:
            self._cache.move_to_end(originator_id)
        return replace(known)

    def load(self, wanted: Iterable[tuple[Decider[Any], str]]) -> None:
        """Loads the streams that are not cached, all in one query."""
        missing: dict[UUID, Stream] = {}
        for decider, subject in wanted:
            key = originator(decider.kind, subject, subject_is_id=decider.subject_is_id)
            if key not in self._cache and key not in self._fresh:
                missing[key] = Stream(key, subject, decider)
        if not missing:
            return
        with self.connection() as conn:
            rows = conn.execute(
                f"SELECT originator_id, topic, state FROM {self.recorder.events_table_name} "
                "WHERE originator_id = ANY(%s) ORDER BY originator_id, originator_version",
                (list(missing),),
            ).fetchall()
        self._broken = {}
        for row in rows:
            key = row["originator_id"]
            if key in self._broken:
                continue
            try:
                self._fold(missing[key], bytes(row["state"]))
            except Exception as error:  # noqa: BLE001 - one broken stream must not stop the others
                place = f"{row['topic']} number {missing[key].version}"
                self._broken[key] = f"{type(error).__name__} when folding {place}"
        for key, stream in missing.items():
            if key in self._broken:
                continue
            stream.refresh()
            if stream.version:
                self._put(key, stream)
            else:
                self._fresh[key] = stream

    def _fold(self, stream: Stream, state: bytes) -> None:
        recorded = self.service.read(state)
        stream.version += 1
        stream.head = digest(state)
        stream.time = recorded.time
        if recorded.type in self.service.types_by_kind[stream.decider.kind]:
            stream.state = stream.decider.evolve(stream.state, recorded)

    def _put(self, key: UUID, stream: Stream) -> None:
        self._cache[key] = stream
        self._cache.move_to_end(key)
        while len(self._cache) > STREAMS_CACHED_MAX:
            self._cache.popitem(last=False)

    def commit(self, unit: Unit, work: Work) -> None:
        """Commits a unit and remembers its streams; forgets them when it did not happen."""
        try:
            self.recorder.insert_events(unit.events, unit=unit)
        except BaseException:
            self.forget(work.streams())
            raise
        self._fresh = {}
        if unit.purges:
            self.forget()
            return
        for stream in work.streams():
            if stream.version:
                self._put(stream.originator_id, stream)

    def end(self) -> None:
        """Ends a unit that was not committed because it had no effect."""
        self._fresh = {}

    def forget(self, streams: Iterable[Stream] | None = None) -> None:
        """Drops these streams from the cache (all of them by default)."""
        self._fresh = {}
        self._any_purged = self._any_withheld = None
        if streams is None:
            self._cache.clear()
            return
        for stream in streams:
            self._cache.pop(stream.originator_id, None)

    # -- rows --------------------------------------------------------------------------------

    def find(self, table: str, equal: tuple[tuple[str, Any], ...]) -> Sequence[Mapping[str, Any]]:
        """Reader: rows as committed."""
        with self.connection() as conn, conn.cursor() as curs:
            return self.recorder.find(curs, table, equal)

    def find_many(
        self, table: str, wanted: Sequence[tuple[tuple[str, Any], ...]]
    ) -> list[list[Any]]:
        """The same for many at once; all over the same columns."""
        with self.connection() as conn, conn.cursor() as curs:
            return self.recorder.find_many(curs, table, wanted)

    def purged(self, subjects: Iterable[str]) -> frozenset[str]:
        """Reader: which of these complaints' records were deleted after their retention."""
        if self._any_purged is False:
            return frozenset()
        with self.connection() as conn, conn.cursor() as curs:
            if self._any_purged is None:
                row = curs.execute("SELECT EXISTS (SELECT FROM purged) AS any").fetchone()
                self._any_purged = bool(row and row["any"])
            return purged_among(curs, subjects) if self._any_purged else frozenset()

    def withheld(self, subjects: Iterable[str]) -> Mapping[str, Withheld]:
        """Reader: which of these complaints a purge withholds, and which purge."""
        if self._any_withheld is False:
            return {}
        with self.connection() as conn, conn.cursor() as curs:
            if self._any_withheld is None:
                row = curs.execute("SELECT EXISTS (SELECT FROM withheld) AS any").fetchone()
                self._any_withheld = bool(row and row["any"])
            return withheld_among(curs, subjects) if self._any_withheld else {}

    def moved(self, ends: Sequence[End]) -> frozenset[str]:
        """Reader: which of these complaints do not end so here any more."""
        with self.connection() as conn, conn.cursor() as curs:
            return moved(curs, ends, self.recorder.scope)

    def policies(self) -> Policies:
        """All policies ever activated here, compiled."""
        policies = Policies()
        with self.connection() as conn:
            for recorded in activations(conn, self.service):
                policies = policies.adding(self.service.policy(recorded))
        return policies

    def policies_moved(self, policies: Policies) -> bool:
        """Whether another instance has activated a version that these policies lack."""
        known = policy_streams(policies)
        with self.connection() as conn:
            rows = conn.execute(
                "SELECT originator_id, max(originator_version) AS version "
                f"FROM {self.recorder.events_table_name} WHERE originator_id = ANY(%s) "
                "GROUP BY originator_id",
                (list(known),),
            ).fetchall()
        return {row["originator_id"]: row["version"] for row in rows} != known

    def blocked(self) -> frozenset[str]:
        """Subjects with a parked record that has not been settled."""
        with self.connection() as conn:
            rows = conn.execute(
                "SELECT DISTINCT subject FROM parked WHERE state <> 'settled'"
            ).fetchall()
        return frozenset(row["subject"] for row in rows)

    def outcomes(
        self, asked: Sequence[tuple[str, str]]
    ) -> Mapping[tuple[str, str], Mapping[str, Any]]:
        """What commands with these (Idempotency-Key, actor) led to the first time."""
        if not asked:
            return {}
        with self.connection() as conn:
            rows = conn.execute(
                "SELECT key, actor, fingerprint, outcome FROM idempotency "
                "JOIN unnest(%s::text[], %s::text[]) AS asked(key, actor) USING (key, actor)",
                ([key for key, _ in asked], [actor for _, actor in asked]),
            ).fetchall()
        return {(row["key"], row["actor"]): row for row in rows}

    def forget_outcomes(self, now: datetime) -> None:
        """Idempotency-Key outcomes are kept 24 h (DESIGN, Inbox)."""
        with self.connection() as conn:
            conn.execute("DELETE FROM idempotency WHERE kept_until < %s", (now,))


def activations(conn: Connection[Any], service: Service) -> Iterator[Recorded[Any]]:
    """Every `policy.activated` of a service, oldest first."""
    kind = service.housekeeping.policy_activated.type
    rows = conn.execute(
        "SELECT state FROM stored_events WHERE topic = ANY(%s) ORDER BY notification_id",
        (list(service.versions_of(kind)),),
    ).fetchall()
    return (service.read(bytes(row["state"])) for row in rows)
