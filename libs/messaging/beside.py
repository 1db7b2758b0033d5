"""A service's database made again beside the live one, while messages keep coming; then swapped in.

The copy is made from the log, follows it, and shows of it what the live service has taken. At a
moment of rest - its writers wait, its relay is drained - both must be equal by DESIGN's definition
(Rebuild, defined). Only what no log holds is carried over from the live database: how far its inbox
is, what is parked, and the outcomes of Idempotency-Keys.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from itertools import chain
from typing import Any

import psycopg
from psycopg import Connection, sql
from psycopg.rows import tuple_row

from libs.eventlog import half_made
from libs.eventlog.schema import RUNTIME_TABLE_NAMES
from libs.eventlog.service import Service
from libs.eventlog.store import Store
from libs.messaging.copying import Copy, Excuses, Track, Where
from libs.messaging.garbage import seldom_searched
from libs.messaging.log_source import Accepted, Log, Progress, quiet, refuse_missing
from libs.messaging.rebuild import Rebuilt, note
from libs.messaging.spool import Spool
from libs.messaging.swapping import swap_names

EVENTS = "stored_events"
CARRIED = ("inbox_offset", "inbox_taken", "parked", "idempotency", "withheld")
"""What no log holds and the live database knows."""
NOT_COMPARED = frozenset((*RUNTIME_TABLE_NAMES, "checkpoint_export")) - {"timer"}
"""What says how far an instance is, not what is known: outside DESIGN's definition."""
NEAR_RECORDS = 500
"""So few new records in a round that the live service may be held for the last one."""
ROUNDS_MAX = 50
DRAIN_SECONDS_MAX = 20.0
POLL_SECONDS = 0.02
IDS_AT_ONCE = 10_000
LOCK_MS_MAX = 10_000


class NotDrained(RuntimeError):
    """The live service's relay does not send: the log is not all that its database holds."""


class NeverNear(RuntimeError):
    """More keeps coming than the copy takes over."""


class EventsDiffer(RuntimeError):
    """The live database holds an event that the log does not: nothing is swapped."""


@dataclass(frozen=True, slots=True)
class Databases:
    """DSNs: the administrator's but for `own`."""

    live: str
    beside: str
    """An empty one in the same server."""
    own: str
    """The same as the service whose tables it will hold."""
    maintenance: str
    """Another one there, from which these two can be renamed."""


@dataclass(frozen=True, slots=True)
class Difference:
    """A table that is not equal, and how many rows each side has."""

    table: str
    live: int
    beside: int


@dataclass(frozen=True, slots=True)
class _Reached:
    """Where the live service is: its inbox per partition, and its last event."""

    gate: Mapping[int, int]
    last: int


@dataclass(slots=True)
class Held:
    """What was done while the live service's writers waited."""

    seconds: float = 0.0
    records: int = 0


class Beside:
    """A copy of one live service's database, in an empty one beside it; `close` when done."""

    def __init__(
        self,
        service: Service,
        databases: Databases,
        log: Log,
        where: Where,
        by: str,
        progress: Progress = quiet,
    ) -> None:
        self.service = service
        self._by = by
        self.where = where
        self.held = Held()
        self._databases = databases
        self._log = log
        self._progress = progress
        self._excuses = Excuses(service)
        self._live = psycopg.connect(databases.live, autocommit=True, row_factory=tuple_row)
        self.store = Store(service, databases.own)
        self._copy = Copy(service, self.store, where, progress)
        self._track = Track(where, everything=True)
        self._left = Spool()
        self._digest = _Digest()
        self._events_differ = False

    def close(self) -> None:
        """Lets go of both databases."""
        self._left.close()
        self._copy.close()
        self.store.close()
        self._live.close()

    @property
    def events(self) -> int:
        """Events of the service's own that were copied."""
        return self._copy.learnt.events

    @property
    def records(self) -> int:
        """Records of L that were taken over."""
        return self._copy.records

    # -- following -------------------------------------------------------------------------------

    def catch_up(self) -> int:
        """Makes the copy and follows until it is near; returns the rounds it took.

        Raises LogUnusable, NotDrained or NeverNear.
        """
        self.store.create_tables()
        with self.store.connection() as conn:
            half_made.begin(conn, "database", "the log, beside the live one", self._by)
        with seldom_searched():
            for number in range(1, ROUNDS_MAX + 1):
                if self._round() <= NEAR_RECORDS:
                    return number
        raise NeverNear(
            f"after {ROUNDS_MAX} rounds more than {NEAR_RECORDS} records still come in each; "
            "do it when less is told"
        )

    def _round(self) -> int:
        """Takes over what has come since; returns how many records that was."""
        reached = self._reached()
        self._await_relay(reached.last)
        with Spool() as new:
            for one in self._log.read(self._progress):
                self._excuses.hear(one)
                new.add(one)
            refuse_missing(self._excuses.without(self._log.missing))
            self._copy.own(new, new.records)
            before, self._left = self._left, Spool()
            with before, Spool() as ours:
                for one in self._below(reached.gate, chain(before, new), self._left):
                    ours.add(one)
                self._copy.follow(ours, self._track)
            came = new.records
        with self.store.connection() as conn:
            self.service.archive_rebuilt(conn)
            if self._copy.purge():
                self._digest = _Digest()
            self._digest.extend(conn, reached.last)
        return came

    def _below(
        self, gate: Mapping[int, int], records: Iterator[Accepted], left: Spool
    ) -> Iterator[Accepted]:
        """What the live service has taken of these; the rest is left for later."""
        for one in records:
            older = one.place.life < self.where.life
            if older or one.place.offset < gate.get(one.partition, 0):
                yield one
            else:
                left.add(one)

    def _reached(self) -> _Reached:
        with self._live.transaction():
            self._live.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            gate: dict[int, int] = dict(
                self._live.execute(
                    "SELECT partition, next FROM inbox_offset WHERE topic = %s AND topic_id = %s",
                    (self.where.topic, self.where.topic_id),
                ).fetchall()
            )
            row = self._live.execute(f"SELECT max(notification_id) FROM {EVENTS}").fetchone()
        return _Reached(gate, (row[0] if row else None) or 0)

    def _await_relay(self, last: int) -> None:
        """Until everything up to this event is in the log: then it may be read to its end."""
        deadline = time.monotonic() + DRAIN_SECONDS_MAX
        while True:
            row = self._live.execute("SELECT sent FROM relay_state").fetchone()
            if row is not None and row[0] >= last:
                return
            if time.monotonic() > deadline:
                raise NotDrained(
                    f"{self.service.name} has events that it has not sent for "
                    f"{DRAIN_SECONDS_MAX:.0f} s; see to its relay first (bihuan doctor)"
                )
            time.sleep(POLL_SECONDS)

    # -- rest ------------------------------------------------------------------------------------

    @contextmanager
    def at_rest(self) -> Iterator[Connection[Any]]:
        """The live service's writers wait, and the copy is where it is; keep it short.

        Yields the connection that holds them.
        """
        began = time.monotonic()
        with psycopg.connect(self._databases.live) as holding:
            holding.execute(f"SET LOCAL lock_timeout = {LOCK_MS_MAX}")
            holding.execute(f"LOCK TABLE {EVENTS} IN EXCLUSIVE MODE")
            self.held.records = self._round()
            yield holding
        self.held.seconds = time.monotonic() - began

    def differences(self) -> list[Difference]:
        """The tables that differ at a moment of rest; its writers wait only until both are seen."""
        with (
            psycopg.connect(self._databases.live) as live,
            psycopg.connect(self._databases.beside) as beside,
        ):
            with self.at_rest():
                for conn in (live, beside):
                    conn.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
                    conn.execute("SELECT 1")
            found = compared(live, beside, self._progress)
            self._events_differ = any(one.table == EVENTS for one in found)
            return found

    # -- swapping --------------------------------------------------------------------------------

    def swap(self, aside: str) -> Rebuilt:
        """Puts the copy in the live one's place, which is kept as `aside`.

        Raises EventsDiffer, or psycopg's errors, and has then changed nothing.
        """
        with self.at_rest() as holding:
            self._refuse_unsent()
            self._carry_over()
            done = self._finish()
            self.store.close()
            self._live.close()
            databases = self._databases
            live, beside = (_name(dsn) for dsn in (databases.live, databases.beside))
            swap_names(databases.maintenance, live, beside, aside, holding)
        return done

    def _refuse_unsent(self) -> None:
        """What the live database holds and the log does not would be lost; the other way round, or
        changed there, it is what a rebuild is for."""
        count = f"SELECT count(*), max(notification_id) FROM {EVENTS}"
        live = self._live.execute(count).fetchone()
        with self.store.connection() as conn, conn.cursor(row_factory=tuple_row) as curs:
            if live == curs.execute(count).fetchone() and not self._events_differ:
                return
            with self._live.transaction(), self._live.cursor(name="ids") as ids:
                ids.itersize = IDS_AT_ONCE
                ids.execute(f"SELECT notification_id FROM {EVENTS}")
                while some := ids.fetchmany(IDS_AT_ONCE):
                    lacking = curs.execute(
                        "SELECT min(id) FROM unnest(%s::bigint[]) AS live (id) WHERE NOT EXISTS "
                        f"(SELECT FROM {EVENTS} WHERE notification_id = live.id)",
                        ([number for (number,) in some],),
                    ).fetchone()
                    if lacking is not None and lacking[0] is not None:
                        raise EventsDiffer(
                            f"{self.service.name}: the live database holds event {lacking[0]}, and "
                            "the log does not; nothing was swapped. Find out why first "
                            "(bihuan verify)"
                        )

    def _carry_over(self) -> None:
        with psycopg.connect(self._databases.own) as beside:
            for table in CARRIED:
                beside.execute(f"DELETE FROM {table}")
                with (
                    self._live.cursor() as there,
                    beside.cursor() as here,
                    there.copy(f"COPY {table} TO STDOUT (FORMAT binary)") as out,
                    here.copy(f"COPY {table} FROM STDIN (FORMAT binary)") as into,
                ):
                    for part in out:
                        into.write(part)

    def _finish(self) -> Rebuilt:
        learnt = self._copy.learnt
        row = self._live.execute("SELECT generation FROM relay_state").fetchone()
        generation = max(learnt.generation, row[0] if row else 0) + 1
        self._copy.relay_state(generation)
        with self.store.connection() as conn:
            self._digest.extend(conn, learnt.id_max)
        done = Rebuilt("beside", learnt.events, self._copy.records, generation)
        done.digest = self._digest.hexdigest()
        note(self.store, done, self.where, self._by)
        with self.store.connection() as conn:
            half_made.end(conn)
        return done


class _Digest:
    """SHA-256 over a store's events in order of notification id, extended as they come."""

    def __init__(self) -> None:
        self._running = sha256()
        self._upto = 0

    def extend(self, conn: Connection[Any], upto: int) -> None:
        """Takes in those up to this id; all of them must be there."""
        with conn.transaction(), conn.cursor(name="digest", row_factory=tuple_row) as curs:
            curs.itersize = 2_000
            curs.execute(
                f"SELECT state FROM {EVENTS} WHERE notification_id > %s AND notification_id <= %s "
                "ORDER BY notification_id",
                (self._upto, upto),
            )
            for (state,) in curs:
                self._running.update(bytes(state))
        self._upto = max(self._upto, upto)

    def hexdigest(self) -> str:
        """So far."""
        return self._running.hexdigest()


# -- DESIGN's equality -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Dump:
    rows: int
    digest: str


def compared(
    live: Connection[Any], beside: Connection[Any], progress: Progress = quiet
) -> list[Difference]:
    """The tables whose dumps, sorted by primary key, are not equal (DESIGN, Rebuild (a), (b))."""
    tables = sorted({*_tables(live), *_tables(beside)})
    found = []
    for number, table in enumerate(tables, start=1):
        sides = [_dump(conn, table) for conn in (live, beside)]
        if sides[0] != sides[1]:
            found.append(Difference(table, sides[0].rows, sides[1].rows))
        progress("comparing", number, len(tables))
    return found


def _tables(conn: Connection[Any]) -> Sequence[str]:
    """Every table that follows from the log; a partitioned one as a whole."""
    with conn.cursor(row_factory=tuple_row) as curs:
        rows = curs.execute(
            "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace "
            "AND relkind IN ('r', 'p') AND NOT relispartition"
        ).fetchall()
    return [name for (name,) in rows if name not in NOT_COMPARED]


def _dump(conn: Connection[Any], table: str) -> _Dump:
    with conn.cursor(row_factory=tuple_row) as curs:
        key = curs.execute(
            "SELECT string_agg(quote_ident(a.attname), ', ' ORDER BY k.place) "
            "FROM pg_index i, unnest(i.indkey) WITH ORDINALITY AS k (number, place), "
            "pg_attribute a WHERE i.indrelid = to_regclass(%s) AND i.indisprimary "
            "AND a.attrelid = i.indrelid AND a.attnum = k.number",
            (f'public."{table}"',),
        ).fetchone()
        if key is None or key[0] is None:
            return _Dump(-1, "there is no such table, or it has no key")
        running, rows = sha256(), 0
        query = sql.SQL("COPY (SELECT * FROM {} ORDER BY {}) TO STDOUT").format(
            sql.Identifier(table), sql.SQL(key[0])
        )
        with curs.copy(query) as out:
            for part in out:
                running.update(part)
                rows += bytes(part).count(b"\n")
    return _Dump(rows, running.hexdigest())


# -- databases -------------------------------------------------------------------------------------


def _name(dsn: str) -> str:
    return str(psycopg.conninfo.conninfo_to_dict(dsn)["dbname"])
