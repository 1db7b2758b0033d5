"""What leaves audit's archive: purged records but their places, and what a month's file holds."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from typing import Any
from uuid import UUID, uuid5

import psycopg
import pytest

from contracts.housekeeping import Head
from libs.eventlog.envelope import STREAMS
from libs.eventlog.store import Store
from services.audit.main import describe
from tests.integration.keeper.purges import KEY, OTHER_KEY, TOMBSTONE, public, purge, written
from tests.stack import room

SOURCES = ("/bihuan/intake", "/bihuan/routing")
LONG_AGO = "2024-08-31T15:59:59.000000Z"
MONTH = "2024-02-01"
KEPT = ("archive", "head", "purged_record", "stored_events")

Conn = psycopg.Connection[Any]


@dataclass(slots=True)
class Archive:
    """Audit's database: as audit, and as its administrator."""

    own: Conn
    admin: Conn
    offset: int = 0

    def holds(self, name: str, time: str = LONG_AGO) -> list[Head]:
        """A complaint with three records in each of two streams; where they end."""
        subject, heads = str(uuid5(STREAMS, name)), []
        for source in SOURCES:
            for number in (1, 2, 3):
                state = json.dumps({"source": source, "subject": subject, "n": number}).encode()
                self.own.execute(
                    "INSERT INTO archive (cohort, life, partition, record_offset, source, subject, "
                    "sequence, position, after, type, time, digest, state) VALUES "
                    "(%s, 1, 0, %s, %s, %s, %s, %s, '1/0', 'a.v1', %s, %s, %s)",
                    (
                        *(MONTH, self.offset, source, subject, number, f"1/{number}", time),
                        *(sha256(state).digest(), state),
                    ),
                )
                self.offset += 1
            self.own.execute(
                "INSERT INTO head (source, subject, cohort, sequence, digest, time) "
                "VALUES (%s, %s, %s, 3, %s, %s)",
                (source, subject, MONTH, sha256(state).digest(), time),
            )
            digest = sha256(state).hexdigest()
            heads.append(Head(source=source, subject=subject, sequence=3, digest=digest))
        return heads

    def counts(self) -> tuple[int, ...]:
        """Rows of the archive, of the heads, and of places of what was purged."""
        found = []
        for table in KEPT[:3]:
            row = self.own.execute(f"SELECT count(*) FROM {table}".encode()).fetchone()
            assert row is not None
            found.append(row[0])
        return tuple(found)

    def purge(self, event: dict[str, Any]) -> int:
        row = self.own.execute("SELECT keeper.purge_archive(%s)", (json.dumps(event),)).fetchone()
        assert row is not None
        return int(row[0])

    def tells(self, kind: str, records: int, offset: int) -> None:
        """Puts a month's file, or its coming back, on record, as audit does."""
        run = {"partition": 0, "records": records, "life": 1, "offset": offset}
        state = {"type": kind, "data": {"cohort": "2024-02", "partitions": [run]}}
        self.own.execute(
            "INSERT INTO stored_events (originator_id, originator_version, topic, state) "
            "VALUES (gen_random_uuid(), 1, %s, %s)",
            (kind, json.dumps(state).encode()),
        )

    def release(self, offset: int) -> int:
        row = self.own.execute(
            "SELECT keeper.release_archived(%s, 0, 1, %s)", (MONTH, offset)
        ).fetchone()
        assert row is not None
        return int(row[0])


@pytest.fixture(scope="module")
def made() -> Iterator[Archive]:
    with room(("audit",), with_topics=False) as where:
        store = Store(describe(), where.service_dsns["audit"])
        store.create_tables()
        store.close()
        with (
            psycopg.connect(where.service_dsns["audit"], autocommit=True) as own,
            psycopg.connect(where.dsns["audit"], autocommit=True) as admin,
        ):
            admin.execute("SELECT keeper.trust_purge_key(%s)", (written(public(KEY)),))
            own.execute("SELECT keeper.add_partition('archive', 'archive_2024_02', %s)", (MONTH,))
            yield Archive(own, admin)


@pytest.fixture
def archive(made: Archive) -> Iterator[Archive]:
    yield made
    made.admin.execute(f"TRUNCATE {', '.join(KEPT)}".encode())


def test_of_what_is_purged_place_and_digest_stay(archive: Archive) -> None:
    """DESIGN, Audit: old roots stay checkable, for the leaves are the digests in their places."""
    heads = archive.holds("one")
    before = archive.own.execute(
        "SELECT partition, life, record_offset, source, subject, sequence, position, after, digest "
        "FROM archive ORDER BY record_offset"
    ).fetchall()
    archive.holds("stays")
    event = purge(*heads)
    assert archive.purge(event) == 6
    assert archive.counts() == (6, 2, 6)
    assert [(*row, UUID(TOMBSTONE)) for row in before] == archive.own.execute(
        "SELECT * FROM purged_record ORDER BY record_offset"
    ).fetchall()
    assert archive.purge(event) == 0
    assert archive.counts() == (6, 2, 6)


def refuses(archive: Archive, event: dict[str, Any], why: str) -> None:
    before = archive.counts()
    with pytest.raises(psycopg.DatabaseError, match=why) as refused:
        archive.purge(event)
    assert refused.value.sqlstate == "KP010"
    assert archive.counts() == before


def test_forged_or_altered_it_purges_nothing(archive: Archive) -> None:
    heads = archive.holds("one")
    refuses(archive, purge(*heads, key=OTHER_KEY), "not trusted here")
    event = purge(*heads[:1])
    more = [one.model_dump(mode="json") for one in heads]
    refuses(archive, {**event, "data": {**event["data"], "heads": more}}, "signature is not")


def test_a_stream_that_was_cut_or_went_on_purges_nothing(archive: Archive) -> None:
    heads = archive.holds("one")
    earlier = heads[0].model_copy(update={"sequence": 2})
    refuses(archive, purge(earlier, heads[1]), "does not end where it says")
    archive.admin.execute("DELETE FROM archive WHERE sequence = 3 AND source = %s", (SOURCES[0],))
    refuses(archive, purge(*heads), "does not end where it says")


def test_what_lies_in_a_file_is_not_purged_as_if_it_were_gone(archive: Archive) -> None:
    """Its rows are elsewhere, its end is on record: that must not go without them."""
    archive.offset = 0
    heads = archive.holds("filed")
    archive.tells("cohort.archived.v1", 6, 5)
    assert archive.release(5) == 6
    refuses(archive, purge(*heads), "has its end on record and no rows")
    assert archive.counts() == (0, 2, 0)


def test_a_stream_of_which_nothing_is_here_is_no_fault(archive: Archive) -> None:
    """A database made again from a log that has forgotten it carries the old purge out again."""
    nowhere = Head(source=SOURCES[0], subject=str(UUID(int=7)), sequence=1, digest="00" * 32)
    assert archive.purge(purge(*archive.holds("here"), nowhere)) == 6
    assert archive.counts() == (0, 0, 6)


def test_under_the_floor_nothing_is_purged(archive: Archive) -> None:
    row = archive.own.execute("SELECT now() - interval '179 days'").fetchone()
    assert row is not None
    old, young = archive.holds("old"), archive.holds("young", time=row[0].isoformat())
    refuses(archive, purge(*old, *young), "is kept until")


@pytest.mark.parametrize("table", ["archive", "purged_record"])
def test_audit_itself_deletes_neither_records_nor_their_places(
    archive: Archive, table: str
) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        archive.own.execute(f"DELETE FROM {table}".encode())


def test_rows_leave_for_a_file_only_as_far_as_the_file_is_on_record(archive: Archive) -> None:
    archive.offset = 0
    archive.holds("one")
    with pytest.raises(psycopg.DatabaseError, match="no file of 2024-02 holds so much"):
        archive.release(5)
    archive.tells("cohort.archived.v1", 3, 2)
    with pytest.raises(psycopg.DatabaseError, match="no file of 2024-02 holds so much"):
        archive.release(5)
    assert archive.release(2) == 3
    assert archive.release(2) == 0
    assert archive.counts() == (3, 2, 0)
    archive.tells("cohort.restored.v1", 3, 5)
    with pytest.raises(psycopg.DatabaseError, match="no file of 2024-02 holds so much"):
        archive.release(5)
    archive.tells("cohort.archived.v1", 6, 5)
    assert archive.release(5) == 3


def test_rows_in_the_files_span_that_it_does_not_hold_keep_all_of_them(archive: Archive) -> None:
    archive.offset = 0
    archive.holds("one")
    archive.tells("cohort.archived.v1", 5, 5)
    with pytest.raises(psycopg.DatabaseError, match="no file of 2024-02 holds so much"):
        archive.release(5)


def test_nothing_leaves_for_a_file_under_the_floor(archive: Archive) -> None:
    """The server cannot look into the file: until then it keeps the rows itself."""
    archive.offset = 0
    row = archive.own.execute("SELECT now() - interval '179 days'").fetchone()
    assert row is not None
    archive.holds("young", time=row[0].isoformat())
    archive.tells("cohort.archived.v1", 6, 5)
    with pytest.raises(psycopg.DatabaseError, match="are kept here until"):
        archive.release(5)
