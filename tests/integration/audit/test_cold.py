"""Months written to files on a real database: cut off anywhere, nothing is lost or told twice."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest
from prometheus_client import CollectorRegistry
from psycopg.rows import dict_row

from libs.decider import To
from libs.eventlog.envelope import Origin
from libs.eventlog.store import Store as Database
from libs.eventlog.work import Work
from libs.eventlog.writer import Writer
from libs.timekeeping.clock import SteppedClock
from services.audit.archive import Archive
from services.audit.cold import keeping, leaving, store
from services.audit.cold.form import Record
from services.audit.cold.keeping import Keeper, restored
from services.audit.cold.leaving import RowsDiffer
from services.audit.cold.records import reading
from services.audit.cold.store import Folder
from services.audit.domain.cohorts import ArchiveCohort, RestoreCohort
from services.audit.main import describe
from services.audit.verification import verify
from tests.integration.audit.tellers import complaint
from tests.integration.audit.test_archive import PARTITIONS, Relays, keep, stories
from tests.stack import room

SEPTEMBER = datetime(2025, 9, 20, 4, 0, tzinfo=UTC)
LATE = datetime(2026, 4, 20, 4, 0, tzinfo=UTC)
NOW = datetime(2026, 5, 1, tzinfo=UTC)


class Killed(BaseException):
    """The process ended here."""


@dataclass
class Cold:
    """Audit's database with some months in it, and a folder for files."""

    dsn: str
    folder: Path
    relays: Relays = field(default_factory=Relays)
    archive: Archive = field(default_factory=lambda: Archive(CollectorRegistry()))

    def __post_init__(self) -> None:
        self.files = Folder(self.folder)
        self.keeper = Keeper(self.dsn, self.files, threading.Event())
        self.database = Database(describe(), self.dsn)
        self.writer = Writer(describe(), self.database, SteppedClock(NOW), partitions=PARTITIONS)
        self.writer.start()

    def conn(self) -> psycopg.Connection[dict[str, Any]]:
        return psycopg.connect(self.dsn, autocommit=True, row_factory=dict_row)

    def told(self, numbers: range, time: datetime) -> None:
        with self.conn() as conn:
            keep(self.archive, conn, stories(self.relays, numbers, time))

    def everything(self) -> list[Record]:
        with self.conn() as conn, reading(conn, self.files) as archived:
            return [one for partition in range(PARTITIONS) for one in archived.in_order(partition)]

    def of(self, number: int) -> list[Record]:
        with self.conn() as conn, reading(conn, self.files) as archived:
            return archived.of([complaint(number)])

    def rows(self) -> int:
        with self.conn() as conn:
            row = conn.execute("SELECT count(*) AS n FROM archive").fetchone()
        assert row is not None
        return int(row["n"])

    def record(self, command: ArchiveCohort | RestoreCohort) -> None:
        def decide(work: Work) -> None:
            work.apply(To("2025-09", command), Origin(causation="request", actor="admin:x"))

        self.writer.transact(decide)

    def write(self) -> int:
        with self.keeper.alone():
            made = self.keeper.make("2025-09", NOW, quiet)
            self.record(ArchiveCohort(at=NOW, archived=made.event("admin:x")))
            return self.keeper.leave("2025-09", quiet)

    def restore(self) -> None:
        with self.keeper.alone():
            month = self.keeper.come_back("2025-09", quiet)
            self.record(RestoreCohort(at=NOW, restored=restored(month, "asked", "admin:x")))
            self.keeper.sweep("2025-09")


def quiet(_phase: str, _events: int, _of: int) -> None:
    """Nobody looks."""


@pytest.fixture
def cold(tmp_path: Path) -> Iterator[Cold]:
    with room(("audit",), with_topics=False) as where:
        made = Cold(where.service_dsns["audit"], tmp_path / "archive")
        with made.conn() as conn:
            conn.execute(
                "INSERT INTO inbox_offset (topic, partition, topic_id, next) "
                "SELECT 'log', p, 'first', 0 FROM generate_series(0, %s) AS p",
                (PARTITIONS - 1,),
            )
        made.told(range(40), SEPTEMBER)
        yield made
        made.database.close()


def dying(place: str) -> Callable[[str], None]:
    def reach(here: str) -> None:
        if here == place:
            raise Killed(here)

    return reach


PLACES = (
    "archive-before-sync",
    "archive-before-rename",
    "archive-before-put",
    "archive-after-put",
    "archive-amid-leaving",
    "archive-before-sweep",
)


def test_written_and_brought_back_cut_off_anywhere(
    cold: Cold, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, of_one = cold.everything(), cold.of(7)
    assert len(before) == 120
    rows = dict[str, int]()
    for place in PLACES:
        for module in (keeping, store):
            monkeypatch.setattr(module, "reach", dying(place))
        with pytest.raises(Killed):
            cold.write()
        assert cold.everything() == before, place
        assert cold.of(7) == of_one, place
        rows[place] = cold.rows()
    monkeypatch.undo()
    assert 0 < rows["archive-amid-leaving"] < 120  # it was cut off between two partitions
    assert rows["archive-before-sweep"] == 0
    cold.write()
    assert (cold.rows(), cold.everything(), cold.of(7)) == (0, before, of_one)
    assert [one.cohort for one in cold.files.keys()] == ["2025-09"]  # noqa: SIM118 - no dict
    assert cold.keeper.check(quiet) == []
    assert verify(cold.dsn, store=cold.files).faults == []
    what_comes_later_is_taken_and_told_with_the_rest(cold)
    monkeypatch.setattr(keeping, "reach", dying("archive-amid-return"))
    whole = cold.everything()
    with pytest.raises(Killed):
        cold.restore()
    assert cold.everything() == whole
    monkeypatch.undo()
    cold.restore()
    assert (cold.rows(), cold.everything()) == (len(whole), whole)
    assert list(cold.files.keys()) == []
    assert verify(cold.dsn, store=cold.files).faults == []


def what_comes_later_is_taken_and_told_with_the_rest(cold: Cold) -> None:
    """A late record of an archived complaint: chained on, in the database, told in one order.

    The next file takes it in; what is under the floor stays a row.
    """
    cold.told(range(3), SEPTEMBER.replace(day=25))
    cold.told(range(3, 5), LATE)
    assert [len(cold.of(number)) for number in (2, 4, 7)] == [6, 6, 3]
    assert verify(cold.dsn, store=cold.files).faults == []
    assert cold.rows() == 15
    assert cold.write() == 9
    assert (cold.rows(), [len(cold.of(number)) for number in (2, 4, 7)]) == (6, [6, 6, 3])
    assert len(list(cold.files.keys())) == 1


def test_a_row_that_the_file_does_not_hold_so_keeps_all_of_its_partition(cold: Cold) -> None:
    """Neither our own look at the file nor the database's keeper lets it go."""
    one = cold.of(7)[1]
    with cold.conn() as conn:
        other = [one._replace(digest=bytes(32))]
        with pytest.raises(RowsDiffer, match="does not hold this row"):
            leaving.leave(conn, SEPTEMBER.date().replace(day=1), one.partition, one.place, other)
        with pytest.raises(RowsDiffer, match="no file of 2025-09 holds so much"):
            leaving.leave(
                conn,
                SEPTEMBER.date().replace(day=1),
                one.partition,
                one.place,
                [filed for filed in cold.everything() if filed.partition == one.partition],
            )
    assert cold.rows() == 120
