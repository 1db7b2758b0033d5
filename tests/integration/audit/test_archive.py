"""The archive on a real database: filed by month, safe in any transaction, equal when rebuilt."""

import asyncio
import json
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from prometheus_client import CollectorRegistry
from psycopg import Connection
from psycopg.rows import dict_row

from contracts.housekeeping import Head
from libs.eventlog.envelope import GENESIS, Origin, digest, encode
from libs.eventlog.service import LogRecord
from libs.eventlog.store import Store
from libs.eventlog.work import partition_of
from libs.messaging.log_source import KafkaLog, Log, LogGap, quiet
from libs.messaging.rebuild import gather
from libs.messaging.spool import Spool
from services.audit.archive import Archive
from services.audit.cold.form import file_digest, write
from services.audit.cold.records import Records
from services.audit.cold.source import FilesLog
from services.audit.cold.store import Folder, Key
from services.audit.domain.chain import FaultKind
from services.audit.main import describe
from services.audit.verification import verify
from tests.again import made_again
from tests.e2e.rebuilt import trimmed
from tests.integration.audit.tellers import OWN, complaint, event, playing, tell_stories
from tests.integration.keeper.purges import KEY, public, purge, written
from tests.stack import Room, emptied, room

PARTITIONS = 4
SEPTEMBER = datetime(2025, 9, 30, 15, 59, tzinfo=UTC)
OCTOBER = datetime(2025, 10, 20, 4, 0, tzinfo=UTC)


class Relays:
    """Records of several sources as they would lie in the log, one after another."""

    def __init__(self, partitions: int = PARTITIONS) -> None:
        self._partitions = partitions
        self._heads: dict[tuple[str, str], tuple[int, str]] = {}
        self._positions: dict[str, int] = {}
        self._last: dict[tuple[str, int], str] = {}
        self._offsets: dict[int, int] = {}

    def record(self, source: str, subject: str, kind: str, time: datetime) -> LogRecord:
        sequence, previous = self._heads.get((source, subject), (0, GENESIS))
        state, _ = encode(
            event(kind),
            source=source,
            subject=subject,
            sequence=sequence + 1,
            previous=previous,
            time=time,
            origin=Origin("key:1", "agent:x"),
        )
        self._heads[source, subject] = (sequence + 1, digest(state))
        return self.sent(source, subject, kind, state)

    def sent(self, source: str, subject: str, kind: str, state: bytes) -> LogRecord:
        partition = partition_of(subject, self._partitions)
        offset = self._offsets[partition] = self._offsets.get(partition, -1) + 1
        number = self._positions[source] = self._positions.get(source, 0) + 1
        after = self._last.get((source, partition), "0-0")
        self._last[source, partition] = f"1-{number}"
        return LogRecord(partition, offset, source, kind, subject, f"1-{number}", after, state)


def stories(relays: Relays, numbers: range, time: datetime) -> list[LogRecord]:
    """Two services tell of so many complaints."""
    told = (
        ("/bihuan/intake", "complaint.registered.v1"),
        ("/bihuan/intake", "complaint.verified.v1"),
        ("/bihuan/routing", "work.routed.v1"),
    )
    return [
        relays.record(source, complaint(number), kind, time)
        for source, kind in told
        for number in numbers
    ]


Conn = Connection[dict[str, Any]]


@pytest.fixture
def conn() -> Iterator[Conn]:
    """A database of audit's own, without the rest of the service."""
    with room(("audit",), with_topics=False) as where, connected(where) as conn:
        store = Store(describe(), where.service_dsns["audit"])
        store.create_tables()
        store.close()
        conn.execute(
            "INSERT INTO inbox_offset (topic, partition, topic_id, next) "
            "SELECT 'log', p, 'first', 0 FROM generate_series(0, %s) AS p",
            (PARTITIONS - 1,),
        )
        yield conn


def connected(where: Room) -> Conn:
    return psycopg.connect(where.dsns["audit"], autocommit=True, row_factory=dict_row)


def keep(archive: Archive, conn: Conn, records: list[LogRecord]) -> None:
    """As the inbox does it: with the positions taken, in one transaction."""
    with conn.transaction():
        last = {(one.source, one.partition): one for one in records}
        for one in last.values():
            generation, number = map(int, one.position.split("-"))
            conn.execute(
                "INSERT INTO inbox_taken VALUES (%s, %s, %s, %s) "
                "ON CONFLICT (source, partition) DO UPDATE SET id = EXCLUDED.id",
                (one.source, one.partition, generation, number),
            )
        archive.keep(conn, records)


def test_a_late_record_of_a_purged_stream_is_kept_and_continues_it(conn: Conn) -> None:
    """As of a service that was restored from before the purge: it is no gap, and no other start."""
    relays, subject = Relays(), complaint(1)
    intake, kind = "/bihuan/intake", "complaint.registered.v1"
    routing, work = "/bihuan/routing", "work.routed.v1"
    told = [relays.record(intake, subject, kind, SEPTEMBER) for _ in range(3)]
    told += [relays.record(routing, subject, work, SEPTEMBER) for _ in range(3)]
    keep(Archive(CollectorRegistry()), conn, told)
    ends = conn.execute(
        "SELECT source, subject, sequence, encode(digest, 'hex') AS digest FROM head"
    ).fetchall()
    conn.execute("SELECT keeper.trust_purge_key(%s)", (written(public(KEY)),))
    event = purge(*(Head(**end) for end in ends))
    conn.execute("SELECT keeper.purge_archive(%s)", (json.dumps(event),))

    late = relays.record(intake, subject, kind, OCTOBER)
    keep(Archive(CollectorRegistry()), conn, [late])
    _, faults = proven(conn)
    assert [one for one in faults if "no signed purge" not in one.what] == []
    assert conn.execute("SELECT * FROM fault").fetchall() == []
    # One between them is missing; and one that does not continue it is named as well.
    relays.record(intake, subject, kind, OCTOBER)
    keep(Archive(CollectorRegistry()), conn, [relays.record(intake, subject, kind, OCTOBER)])
    conn.execute("UPDATE purged_record SET digest = %s WHERE sequence = 3", (bytes(32),))
    _, faults = proven(conn)
    found = {(one.kind, one.sequence) for one in faults if "no signed purge" not in one.what}
    assert {(FaultKind.CHAIN, 4), (FaultKind.MISSING, 5)} <= found
    # And one right behind what was purged: since when nobody can say, for no time of it is left.
    relays.record(routing, subject, work, OCTOBER)
    keep(Archive(CollectorRegistry()), conn, [relays.record(routing, subject, work, OCTOBER)])
    on_arrival = conn.execute("SELECT source, kind, sequence, since FROM fault ORDER BY source")
    assert [tuple(row.values()) for row in on_arrival] == [
        (intake, "missing", 5, OCTOBER),
        (routing, "missing", 4, None),
    ]
    _, faults = proven(conn)
    (missing,) = [one for one in faults if (one.source, one.sequence) == (routing, 4)]
    assert (missing.kind, missing.since) == (FaultKind.MISSING, None)


def dump(conn: Conn) -> dict[str, list[dict[str, Any]]]:
    return {
        table: conn.execute(f"SELECT * FROM {table} ORDER BY {key}").fetchall()
        for table, key in (
            ("archive", "partition, life, record_offset"),
            ("head", "subject, source"),
            ("running_digest", "partition"),
            ("fault", "life, partition, record_offset, kind"),
            ("log_life", "life"),
        )
    }


def proven(conn: Conn) -> tuple[int, list[Any]]:
    verified = verify(conn.info.dsn + f" password={conn.info.password}")
    return verified.events, verified.faults


def test_a_complaint_is_filed_under_the_month_of_its_registration_for_ever(conn: Conn) -> None:
    relays, archive = Relays(), Archive(CollectorRegistry())
    keep(archive, conn, stories(relays, range(2), SEPTEMBER))
    later = relays.record("/bihuan/intake", complaint(1), "complaint.closed.v1", OCTOBER)
    first_of_another = relays.record("/bihuan/sla_watch", complaint(0), "clock.met.v1", OCTOBER)
    policy = relays.record("/bihuan/intake", "words", "policy.activated.v1", SEPTEMBER)
    others = relays.record("/bihuan/routing", "words", "policy.activated.v1", OCTOBER)
    again = relays.record("/bihuan/intake", "words", "policy.activated.v1", OCTOBER)
    keep(archive, conn, [later, first_of_another, policy, others, again])
    keep(archive, conn, stories(relays, range(2, 4), OCTOBER))

    def filed(source: str, subject: str) -> set[str]:
        rows = conn.execute(
            "SELECT cohort, tableoid::regclass::text AS name FROM archive "
            "WHERE source = %s AND subject = %s",
            (source, subject),
        ).fetchall()
        assert all(row["name"] == f"archive_{row['cohort']:%Y_%m}" for row in rows)
        return {f"{row['cohort']:%Y-%m}" for row in rows}

    for source in ("/bihuan/intake", "/bihuan/routing", "/bihuan/sla_watch"):
        assert filed(source, complaint(0)) <= {"2025-09"}
    assert filed("/bihuan/intake", complaint(1)) == {"2025-09"}
    assert filed("/bihuan/intake", complaint(2)) == {"2025-10"}
    # a stream that is no complaint's is filed by its own first event
    assert filed("/bihuan/intake", "words") == {"2025-09"}
    assert filed("/bihuan/routing", "words") == {"2025-10"}
    assert proven(conn) == (6 + 5 + 6, [])


def test_a_batch_rolled_back_leaves_no_trace_and_is_taken_again_as_if_for_the_first_time(
    conn: Conn,
) -> None:
    relays, archive = Relays(), Archive(CollectorRegistry())
    keep(archive, conn, stories(relays, range(3), SEPTEMBER))
    before = dump(conn)
    batch = stories(relays, range(3, 6), OCTOBER)
    batch.append(relays.record("/bihuan/intake", complaint(0), "complaint.closed.v1", OCTOBER))
    for _ in range(2):
        with conn.transaction(force_rollback=True):
            archive.keep(conn, batch)
        assert dump(conn) == before
    keep(archive, conn, batch)
    assert dump(conn)["fault"] == []
    assert proven(conn) == (9 + 10, [])


def test_two_instances_that_take_turns_keep_one_archive(conn: Conn) -> None:
    relays = Relays()
    archives = [Archive(CollectorRegistry()) for _ in range(2)]
    for turn in range(6):
        source = ("/bihuan/intake", "/bihuan/routing")[turn % 2]
        kind = ("complaint.contact_linked.v1", "work.contacted.v1")[turn % 2]
        records = [relays.record(source, complaint(n), kind, SEPTEMBER) for n in range(5)]
        keep(archives[turn // 2 % 2], conn, records)
    assert dump(conn)["fault"] == []
    assert proven(conn) == (30, [])


def test_bytes_of_any_kind_are_kept_even_alone(conn: Conn) -> None:
    relays, archive = Relays(), Archive(CollectorRegistry())
    values = [b"\xff\x00\xfe", b"", b"{}"]
    for value in values:
        keep(archive, conn, [relays.sent("/bihuan/intake", complaint(0), "x.y.v1", value)])
    rows = dump(conn)["archive"]
    assert [bytes(row["state"]) for row in rows] == values
    assert [(row["sequence"], row["time"], row["previous"]) for row in rows] == [(None,) * 3] * 3
    assert [fault["kind"] for fault in dump(conn)["fault"]] == ["unreadable"] * 3
    # and the complaint's own events are filed by their own month all the same
    keep(archive, conn, stories(relays, range(1), SEPTEMBER))
    assert {f"{row['cohort']:%Y-%m}" for row in dump(conn)["archive"]} == {"1970-01", "2025-09"}


def test_a_reader_of_the_archive_does_not_hold_up_a_new_month(conn: Conn) -> None:
    relays, archive = Relays(), Archive(CollectorRegistry())
    keep(archive, conn, stories(relays, range(1), SEPTEMBER))
    dsn = conn.info.dsn + f" password={conn.info.password}"
    with psycopg.connect(dsn) as reader:
        reader.execute("SELECT count(*) FROM archive").fetchone()  # its transaction stays open
        conn.execute("SET lock_timeout = '3s'")
        keep(archive, conn, stories(relays, range(1, 2), OCTOBER))
        reader.rollback()
    assert proven(conn) == (6, [])


def test_a_log_made_anew_goes_on_behind_the_old_one(conn: Conn) -> None:
    """Offsets start again; positions do not (DESIGN, Inbox)."""
    relays, archive = Relays(), Archive(CollectorRegistry())
    keep(archive, conn, stories(relays, range(2), SEPTEMBER))
    conn.execute("UPDATE inbox_offset SET topic_id = 'second'")
    relays._offsets.clear()
    keep(archive, conn, stories(relays, range(2), OCTOBER))
    lives = dump(conn)["log_life"]
    assert [(row["topic_id"], row["life"]) for row in lives] == [("first", 1), ("second", 2)]
    assert proven(conn) == (12, [])


def filed(conn: Conn, folder: Path, partitions: int) -> Folder:
    """Everything archived, in one file of a store."""
    path, store = folder / "made.parquet", Folder(folder / "store")
    with closing(Records(conn)) as records:
        write(path, "2025-09", (one for at in range(partitions) for one in records.in_order(at)))
    store.put(Key("2025-09", file_digest(path)), path)
    return store


def test_a_rebuilt_archive_is_equal(tmp_path: Path) -> None:
    async def play(where: Room) -> None:
        async with playing(where, tmp_path) as play:
            await tell_stories(play, 4)
            topic_id = play.audit.inbox.topic_id
        with connected(where) as conn:
            live = dump(conn)
            views = conn.execute("SELECT * FROM complaint ORDER BY complaint").fetchall()
        emptied(where.dsns["audit"])
        service = describe()
        await made_again(
            service,
            where.service_dsns["audit"],
            where.bootstrap,
            topic=f"{where.prefix}complaints.log",
            topic_id=topic_id,
            partitions=where.topics[0].partitions,
        )
        with connected(where) as conn:
            assert dump(conn) == live
            rebuilt = conn.execute("SELECT * FROM complaint ORDER BY complaint").fetchall()
            assert rebuilt == views
            assert len(live["archive"]) == 4 * 6 + OWN
            files = filed(conn, tmp_path, where.topics[0].partitions)
        # Kafka forgot most of it; the months' files have that.
        topic, partitions = f"{where.prefix}complaints.log", where.topics[0].partitions
        trimmed(where.bootstrap, topic, partitions, left=1)
        emptied(where.dsns["audit"])
        await made_again(
            service,
            where.service_dsns["audit"],
            where.bootstrap,
            topic=topic,
            topic_id=topic_id,
            partitions=partitions,
            log=Log(FilesLog(files, KafkaLog(where.bootstrap, topic, partitions))),
        )
        with connected(where) as conn:
            assert dump(conn) == live
        (key,) = files.keys()
        files.remove(key)
        log = Log(FilesLog(files, KafkaLog(where.bootstrap, topic, partitions)))
        with Spool() as spool, pytest.raises(LogGap, match="records are missing"):
            gather(spool, service, log, quiet, everything=True)
        log.close()

    with room(("intake", "routing", "audit")) as where:
        asyncio.run(play(where))


def test_a_services_clock_that_was_set_back_is_named_whatever_the_stream(conn: Conn) -> None:
    relays, archive = Relays(), Archive(CollectorRegistry())
    keep(archive, conn, stories(relays, range(8), OCTOBER))
    earlier = OCTOBER - timedelta(hours=2)
    back = [relays.record("/bihuan/intake", complaint(20), "complaint.registered.v1", earlier)]
    partition = back[0].partition
    told_there = conn.execute(
        "SELECT 1 FROM archive WHERE partition = %s AND source = '/bihuan/intake'", (partition,)
    ).fetchone()
    assert told_there is not None
    back.append(relays.record("/bihuan/intake", complaint(20), "complaint.verified.v1", earlier))
    keep(archive, conn, back)
    _, faults = proven(conn)
    (fault,) = faults  # the first one of that time, and no other
    assert (fault.kind, fault.subject, fault.sequence) == (FaultKind.TIME, complaint(20), 1)
    assert "went back by 2:00:00" in fault.what
