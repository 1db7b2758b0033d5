"""Months written to files and brought back: nothing leaves before its file was read back whole.

Each act may be interrupted anywhere and done again. In order: a file under a temporary name, synced
and renamed; read back from where it lies and compared record by record with what was written; then
`cohort.archived` goes on record, and from there on the file holds; then the rows leave, a partition
at a time; last a file that it replaces goes. What lies in both places meanwhile is one record
(records.py).
"""

import tempfile
import threading
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from heapq import merge
from itertools import islice
from pathlib import Path
from typing import Any

import psycopg
from psycopg import Connection
from psycopg.rows import tuple_row

from contracts.housekeeping import ArchivedRun, CohortArchived, CohortRestored
from libs.eventlog.envelope import decode
from libs.eventlog.failpoint import reach
from services.audit.cold import form
from services.audit.cold.form import CohortFile, FileBroken, Place, Record, Summary, file_digest
from services.audit.cold.leaving import come_back, leave
from services.audit.cold.records import (
    COLUMNS,
    Month,
    Records,
    reading,
    record_of,
    sealed_upto,
)
from services.audit.cold.store import Key, Store
from services.audit.domain.cohorts import (
    BROUGHT_BACK,
    MayNotLeave,
    NotArchived,
    Standing,
    may_lie_in_a_file,
)
from services.audit.verification import broken_streams, make_room

ROWS_AT_ONCE = 5_000
LOCK = 0x62696875
"""Of PostgreSQL, while one act is under way: no two at once, in however many instances."""

Tell = Callable[[str, int, int], None]
"""Told how far it is: what is done, how many events of it, of how many."""


class ArchiveBusy(MayNotLeave):
    """Another act on the archive is under way; try again when it is done."""

    rule = "archive-busy"
    zh = "归档正在进行,请稍后重试"


@dataclass(frozen=True, slots=True)
class Made:
    """A file that was written, read back and found equal; nothing has left yet."""

    cohort: str
    key: Key
    bytes: int
    summary: Summary
    replaces: Month | None

    def event(self, by: str) -> CohortArchived:
        """As it goes on record."""
        return CohortArchived(
            cohort=self.cohort,
            file=self.key.digest,
            key=str(self.key),
            bytes=self.bytes,
            events=self.summary.events,
            streams=self.summary.streams,
            partitions=_runs(self.summary),
            replaces=None if self.replaces is None else self.replaces.key.digest,
            by=by,
        )


def _runs(summary: Summary) -> tuple[ArchivedRun, ...]:
    return tuple(
        ArchivedRun(
            partition=partition,
            records=run.records,
            life=run.last[0],
            offset=run.last[1],
            digest=run.digest.hex(),
        )
        for partition, run in sorted(summary.runs.items())
    )


# -- looking --------------------------------------------------------------------------------------

_STANDINGS = """
WITH RECURSIVE ended (complaint, last, hops) AS (
  SELECT complaint, complaint, 0 FROM complaint
  UNION ALL
  SELECT e.complaint, r.merged_into, hops + 1 FROM ended e
  JOIN report_complaint r ON r.complaint = e.last WHERE r.merged_into IS NOT NULL AND hops < 50
), one AS (
  SELECT DISTINCT ON (e.complaint) e.complaint,
    c.closed_at IS NULL AND coalesce(r.kind, 'complaint') = 'complaint' AS open
  FROM ended e LEFT JOIN complaint c ON c.complaint = e.last
  LEFT JOIN report_complaint r ON r.complaint = e.complaint
  ORDER BY e.complaint, hops DESC
), told AS (
  SELECT h.cohort, o.complaint, bool_or(o.open) AS open, max(h.time) AS newest
  FROM one o JOIN head h ON h.subject = o.complaint::text GROUP BY h.cohort, o.complaint
), waits AS (
  SELECT h.cohort, count(DISTINCT h.subject) AS parked FROM parked p
  JOIN head h ON h.subject = p.subject WHERE p.state <> 'settled' GROUP BY h.cohort
), standing AS (
  SELECT cohort, count(*) AS complaints, count(*) FILTER (WHERE open) AS open,
    max(newest) AS newest FROM told GROUP BY cohort
), there AS (
  SELECT cohort, count(*) AS events FROM archive GROUP BY cohort
)
SELECT to_char(coalesce(t.cohort, s.cohort), 'YYYY-MM'), coalesce(t.events, 0),
  coalesce(s.complaints, 0), coalesce(s.open, 0), s.newest, coalesce(w.parked, 0),
  EXISTS (SELECT FROM purge p WHERE p.stage IN ('proposed', 'approved')
    AND p.cohort = to_char(coalesce(t.cohort, s.cohort), 'YYYY-MM')),
  EXISTS (SELECT FROM gone g WHERE g.cohort = to_char(coalesce(t.cohort, s.cohort), 'YYYY-MM')
    AND EXISTS (SELECT FROM archive a WHERE a.cohort = t.cohort AND a.subject = g.complaint::text)
    AND NOT EXISTS (SELECT FROM purge_answer w WHERE w.record = g.tombstone
      AND w.source = '/bihuan/audit' AND g.complaint = ANY(w.kept)))
FROM there t FULL JOIN standing s USING (cohort) LEFT JOIN waits w ON w.cohort = t.cohort
ORDER BY 1
"""


_LEFT = (
    "SELECT 1 FROM archive WHERE cohort = %s AND partition = %s "
    "AND (life, record_offset) <= (%s, %s) LIMIT 1"
)


def standings(archived: Records) -> list[Standing]:
    """How each month stands that has records, the oldest first."""
    with archived.conn.cursor(row_factory=tuple_row) as curs:
        return [Standing(*row) for row in curs.execute(_STANDINGS).fetchall()]


# -- acting ---------------------------------------------------------------------------------------


class Keeper:
    """Writes, brings back, rewrites and checks, on connections of its own; blocks until done."""

    def __init__(
        self, dsn: str, store: Store, stopping: threading.Event, work: Path | None = None
    ) -> None:
        self._dsn = dsn
        self._store = store
        self._stopping = stopping
        self._work = work

    @contextmanager
    def alone(self) -> Iterator[None]:
        """No other act meanwhile; raises ArchiveBusy."""
        with psycopg.connect(self._dsn, autocommit=True) as conn:
            row = conn.execute("SELECT pg_try_advisory_lock(%s)", (LOCK,)).fetchone()
            if row is None or not row[0]:
                raise ArchiveBusy
            yield

    def make(
        self,
        cohort: str,
        now: datetime,
        tell: Tell,
        *,
        excused: Collection[str] = (),
    ) -> Made:
        """Writes a month's file and proves it.

        Of each partition what lies before its first record that is under the floor at `now`, or
        under no checkpoint yet.

        Raises FileBroken where what is there is not what was accepted, StoreAway.
        """
        with self._reading() as archived, tempfile.TemporaryDirectory(dir=self._work) as folder:
            month = next((one for one in archived.months if one.cohort == cohort), None)
            self._whole(archived, cohort, excused)
            total = self._count(archived.conn, cohort) + (month.events if month else 0)
            wanted = _settled(
                self._records(archived, cohort, month), now, sealed_upto(archived.conn)
            )
            path = Path(folder) / "cohort.parquet"
            told = _told(wanted, lambda done: tell("writing", done, total), self._look_up)
            summary = form.write(path, cohort, told)
            if not summary.events:
                raise NotArchived(f"There is nothing of {cohort} to write.")
            key = Key(cohort, file_digest(path))
            reach("archive-before-put")
            self._store.put(key, path)
            size = path.stat().st_size
        reach("archive-after-put")
        self._read_back(key, summary, tell)
        return Made(cohort, key, size, summary, month)

    def leave(self, cohort: str, tell: Tell) -> int:
        """Takes out of the database what the file on record holds; returns how many rows left."""
        with self._reading() as archived:
            month = self._month(archived, cohort)
        gone = 0
        with (
            psycopg.connect(self._dsn, autocommit=True) as conn,
            closing(CohortFile(self._store.proven(month.key))) as file,
        ):
            for partition, last in sorted(month.ends.items()):
                self._look_up()
                gone += leave(conn, _first(cohort), partition, last, file.records(partition))
                reach("archive-amid-leaving")
                tell("leaving", gone, month.events)
        reach("archive-before-sweep")
        self.sweep(cohort)
        return gone

    def tidy_up(self, cohort: str, tell: Tell) -> int:
        """What an act that was cut off left to do: rows that the file on record holds leave, and a
        month's files that are not on record go. Returns how many rows left.
        """
        with self._reading() as archived:
            month = next((one for one in archived.months if one.cohort == cohort), None)
            there = month is not None and any(
                archived.conn.execute(_LEFT, (_first(cohort), partition, *last)).fetchone()
                for partition, last in month.ends.items()
            )
        if there:
            return self.leave(cohort, tell)
        self.sweep(cohort)
        return 0

    def come_back(self, cohort: str, tell: Tell) -> Month:
        """Puts a month's records back into the database; returns whose file that was.

        Its file still holds until `cohort.restored` is on record.
        """
        with self._reading() as archived:
            month = self._month(archived, cohort)
        with (
            psycopg.connect(self._dsn, autocommit=True) as conn,
            closing(CohortFile(self._store.proven(month.key))) as file,
        ):
            records, done = file.records(), 0
            while chunk := list(islice(records, ROWS_AT_ONCE)):
                self._look_up()
                come_back(conn, _first(cohort), chunk)
                reach("archive-amid-return")
                done += len(chunk)
                tell("bringing back", done, month.events)
        return month

    def sweep(self, cohort: str) -> list[Key]:
        """Removes files of a month that are not on record; returns which."""
        with self._reading() as archived:
            holds = {one.key for one in archived.months}
        stale = [one for one in self._store.keys(cohort) if one not in holds]
        for key in stale:
            self._store.remove(key)
        return stale

    def check(self, tell: Tell) -> list[str]:
        """Reads every file on record whole; what is wrong, in words, empty when all is well."""
        with self._reading() as archived:
            months, recorded = archived.months, _on_record(archived.conn)
            waiting = _for_the_next(archived.conn)
        problems: list[str] = []
        done, total = 0, sum(one.events for one in months)
        for month in months:
            self._look_up()
            try:
                with closing(CohortFile(self._store.proven(month.key))) as file:
                    found = form.summed(file)
            except FileNotFoundError:
                problems.append(f"{month.cohort}: the store holds no file {month.key}")
                continue
            except FileBroken as error:
                problems.append(f"{month.cohort}: {error}")
                continue
            said = recorded.get(month.cohort)
            if said is None or (said.partitions, said.file) != (_runs(found), month.key.digest):
                problems.append(f"{month.cohort}: the file does not hold what is on record")
            done += found.events
            tell("reading", done, total)
        holds = {one.key for one in months} | waiting
        problems += [
            f"{one.cohort}: {one} is not on record; `archive write {one.cohort}` tidies up"
            for one in self._store.keys()  # noqa: SIM118 - it is a store, no dict
            if one not in holds
        ]
        return problems

    # -- parts -----------------------------------------------------------------------------------

    @contextmanager
    def _reading(self) -> Iterator[Records]:
        options = "-c timezone=UTC"
        with psycopg.connect(self._dsn, autocommit=True, options=options) as conn:
            make_room(conn)
            with reading(conn, self._store) as archived:
                yield archived

    def _records(self, archived: Records, cohort: str, month: Month | None) -> Iterator[Record]:
        """What is there of a month, in the file and in the database, in the file's order."""
        last: Record | None = None
        with archived.conn.cursor(name="cohort", row_factory=tuple_row) as curs:
            curs.itersize = ROWS_AT_ONCE
            curs.execute(
                f"SELECT {COLUMNS} FROM archive WHERE cohort = %s "
                "ORDER BY partition, life, record_offset",
                (_first(cohort),),
            )
            streams: list[Iterator[Record]] = [map(record_of, curs)]
            if month is not None:
                streams.append(archived.file(month).records())
            for record in merge(*streams, key=lambda one: one[:3]):
                if last is None or record[:3] != last[:3]:
                    yield record
                elif record != last:
                    raise FileBroken(
                        f"partition {record.partition}, offset {record.offset}: file and database "
                        "hold different records; run verify"
                    )
                last = record

    def _whole(self, archived: Records, cohort: str, excused: Collection[str]) -> None:
        """Every stream ends where it was accepted to; else it must be on record that it does not.

        `excused` are sources of which somebody went on over a gap.
        """
        _, broken = broken_streams(archived, _first(cohort))
        with archived.conn.cursor(row_factory=tuple_row) as curs:
            known = curs.execute("SELECT DISTINCT source, subject FROM fault").fetchall()
        for source, subject in broken:
            if (source, subject) not in known and source not in excused:
                raise FileBroken(f"the stream {source} {subject} is not whole; run verify")

    def _read_back(self, key: Key, written: Summary, tell: Tell) -> None:
        with closing(CohortFile(self._store.proven(key))) as file:
            found = Summary()
            records = file.records()
            for record in _told(
                records, lambda done: tell("reading back", done, written.events), self._look_up
            ):
                found.add(record)
        if (found.events, found.streams, found.runs) != (
            *(written.events, written.streams),
            written.runs,
        ):
            raise FileBroken(f"{key} does not hold what was written; nothing left the database")

    def _month(self, archived: Records, cohort: str) -> Month:
        found = next((one for one in archived.months if one.cohort == cohort), None)
        if found is None:
            raise NotArchived
        return found

    def _count(self, conn: Connection[Any], cohort: str) -> int:
        row = conn.execute(
            "SELECT count(*) FROM archive WHERE cohort = %s", (_first(cohort),)
        ).fetchone()
        return 0 if row is None else int(row[0])

    def _look_up(self) -> None:
        if self._stopping.is_set():
            raise ArchiveBusy("The service stops; do it again, nothing is lost.")


def restored(month: Month, reason: str, by: str) -> CohortRestored:
    """As it goes on record."""
    return CohortRestored(
        cohort=month.cohort, file=month.key.digest, events=month.events, reason=reason, by=by
    )


def _on_record(conn: Connection[Any]) -> Mapping[str, CohortArchived]:
    found: dict[str, CohortArchived] = {}
    for (state,) in conn.execute(
        "SELECT state FROM stored_events WHERE topic = %s ORDER BY notification_id",
        (CohortArchived.type,),
    ).fetchall():
        told: CohortArchived = decode(bytes(state), {CohortArchived.type: CohortArchived}).data
        found[told.cohort] = told
    return found


def _for_the_next(conn: Connection[Any]) -> set[Key]:
    """Files whose month a purge had brought back: they go once the next one is there."""
    rows = conn.execute(f"SELECT cohort, file FROM {BROUGHT_BACK} WHERE NOT written").fetchall()
    return {Key(cohort, file) for cohort, file in rows}


def _settled(
    records: Iterator[Record], now: datetime, sealed: Mapping[int, Place] | None
) -> Iterator[Record]:
    """Of each partition what lies before its first record that must stay a row."""
    stopped: int | None = None
    for record in records:
        if record.partition == stopped:
            continue
        covered = sealed is None or record.place <= sealed.get(record.partition, (0, -1))
        if covered and may_lie_in_a_file(record.time, now):
            yield record
        else:
            stopped = record.partition


def _told(
    records: Iterator[Record], tell: Callable[[int], None], look_up: Callable[[], None]
) -> Iterator[Record]:
    for number, record in enumerate(records, start=1):
        if number % ROWS_AT_ONCE == 0:
            look_up()
            tell(number)
        yield record


def _first(cohort: str) -> date:
    return date.fromisoformat(f"{cohort}-01")
