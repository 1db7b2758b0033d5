"""Whatever is done to the archive is found and named; without the mechanism it would not be.

The archive is edited with SQL, as somebody with the database's password could; real services filled
it over the real log.
"""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

import psycopg
import pytest
from psycopg import Connection
from psycopg.rows import dict_row

from libs.eventlog.work import partition_of
from services.audit import verification
from services.audit.domain.chain import FaultKind as F
from services.audit.log import Log
from services.audit.verification import Compared, Verified, verify
from tests.integration.audit.tellers import OWN, complaint, playing, tell_stories
from tests.stack import UNGUARDED, Room, room

VICTIM = complaint(2)
INTAKE, ROUTING = "/bihuan/intake", "/bihuan/routing"
COMPLAINTS = 6


def at(second: int) -> datetime:
    """So many seconds after 23:00 on 30 September in Shanghai."""
    return datetime(2025, 9, 30, 15, 0, second, tzinfo=UTC)


TOLD = {1: at(3), 2: at(9), 3: at(15), 4: at(21), 5: at(27)}
"""The victim's events: the third of six complaints, of each one event a second in turn."""
FORGED = TOLD | {6: at(27)}
"""One forged behind the last has that one's time."""


@dataclass(frozen=True)
class Archived:
    """An archive that was filled, and is not written any more."""

    where: Room
    topic_id: str
    topic: str


@pytest.fixture(scope="module")
def archived(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Archived]:
    async def play(where: Room) -> str:
        async with playing(where, tmp_path_factory.mktemp("keys")) as play:
            await tell_stories(play, COMPLAINTS)
            return play.audit.inbox.topic_id

    with room(("intake", "routing", "audit")) as where:
        topic_id = asyncio.run(play(where))
        yield Archived(where, topic_id, f"{where.prefix}complaints.log")


@contextmanager
def tampered(archived: Archived, tamper: Callable[[Connection[Any]], Any]) -> Iterator[str]:
    """The archive after somebody was at it; as it was, afterwards. Its DSN."""
    dsn = archived.where.dsns["audit"]
    with psycopg.connect(dsn, row_factory=dict_row, options=UNGUARDED) as conn:
        conn.execute("CREATE SCHEMA saved")
        for table in ("archive", "head"):
            conn.execute(f"CREATE TABLE saved.{table} AS SELECT * FROM {table}")
        tamper(conn)
    try:
        yield dsn
    finally:
        with psycopg.connect(dsn) as conn:
            for table in ("archive", "head"):
                conn.execute(f"DELETE FROM {table}")
                conn.execute(f"INSERT INTO {table} SELECT * FROM saved.{table}")
            conn.execute("DROP SCHEMA saved CASCADE")


def nothing(_conn: Connection[Any]) -> None:
    """Nobody was at it."""


def proven(archived: Archived, dsn: str, *, with_log: bool) -> Verified:
    if not with_log:
        return verify(dsn)
    log = Log(archived.where.bootstrap, archived.topic)
    try:
        return verify(dsn, log, archived.topic_id)
    finally:
        log.close()


Named = tuple[F, str, str, int | None]


def named(verified: Verified) -> list[Named]:
    return [(one.kind, one.source, one.subject, one.sequence) for one in verified.faults]


def of_victim(kind: F, *sequences: int, source: str = INTAKE) -> list[Named]:
    return [(kind, source, VICTIM, sequence) for sequence in sequences]


GAP, PARTITION = (F.GAP, INTAKE, "", None), (F.PARTITION, "", "", None)

# -- what somebody could do -----------------------------------------------------------------------

ROW = "source = %s AND subject = %s AND sequence = %s"


def flip(conn: Connection[Any], sequence: int = 3) -> None:
    conn.execute(
        "UPDATE archive SET state = set_byte(state, length(state) - 4, "
        f"get_byte(state, length(state) - 4) # 1) WHERE {ROW}",
        (INTAKE, VICTIM, sequence),
    )


def flip_and_hide(conn: Connection[Any]) -> None:
    flip(conn)
    conn.execute(f"UPDATE archive SET digest = sha256(state) WHERE {ROW}", (INTAKE, VICTIM, 3))


def flip_the_last_and_hide(conn: Connection[Any]) -> None:
    flip(conn, 5)
    conn.execute(f"UPDATE archive SET digest = sha256(state) WHERE {ROW}", (INTAKE, VICTIM, 5))


def remove(*sequences: int) -> Callable[[Connection[Any]], None]:
    def tamper(conn: Connection[Any]) -> None:
        for sequence in sequences:
            done = conn.execute(f"DELETE FROM archive WHERE {ROW}", (INTAKE, VICTIM, sequence))
            assert done.rowcount == 1

    return tamper


def remove_the_last_and_hide(conn: Connection[Any]) -> None:
    remove(5)(conn)
    conn.execute(
        "UPDATE head SET sequence = 4, digest = a.digest, time = a.time FROM archive a "
        "WHERE head.subject = a.subject AND head.source = a.source AND a.source = %s "
        "AND a.subject = %s AND a.sequence = 4",
        (INTAKE, VICTIM),
    )


def remove_the_stream_and_hide(conn: Connection[Any]) -> None:
    remove(1, 2, 3, 4, 5)(conn)
    conn.execute("DELETE FROM head WHERE source = %s AND subject = %s", (INTAKE, VICTIM))


def swap(*columns: str) -> Callable[[Connection[Any]], None]:
    """Numbers 2 and 4 take each other's values of these columns."""

    def tamper(conn: Connection[Any]) -> None:
        if "record_offset" in columns:  # a key: one of them steps aside first
            conn.execute(
                f"UPDATE archive SET record_offset = record_offset + 1000000 WHERE {ROW}",
                (INTAKE, VICTIM, 2),
            )
        moved = ", ".join(f"{name} = other.{name}" for name in columns)
        conn.execute(
            f"UPDATE archive SET {moved} FROM archive other WHERE archive.source = %(source)s "
            "AND archive.subject = %(subject)s AND other.source = archive.source "
            "AND other.subject = archive.subject "
            "AND (archive.sequence, other.sequence) IN ((2, 4), (4, 2))",
            {"source": INTAKE, "subject": VICTIM},
        )

    return tamper


def swap_places(conn: Connection[Any]) -> None:
    rows = {
        row["sequence"]: row["record_offset"]
        for row in conn.execute(
            "SELECT sequence, record_offset FROM archive WHERE source = %s AND subject = %s",
            (INTAKE, VICTIM),
        ).fetchall()
    }
    for sequence, offset in ((2, -1), (4, rows[2]), (2, rows[4])):
        conn.execute(
            f"UPDATE archive SET record_offset = %s WHERE {ROW}",
            (offset, INTAKE, VICTIM, sequence),
        )


def forge(conn: Connection[Any], *, sequence: int, based_on: int, offset: int, life: int) -> None:
    """An event in our own form that continues the chain it is put into."""
    row = conn.execute(f"SELECT * FROM archive WHERE {ROW}", (INTAKE, VICTIM, based_on)).fetchone()
    assert row is not None
    state = bytes(row["state"]).replace(
        b'"sequence":"%d"' % based_on, b'"sequence":"%d"' % sequence
    )
    previous = bytes(row["previous"]) if sequence == based_on else bytes(row["digest"])
    state = state.replace(bytes(row["previous"]).hex().encode(), previous.hex().encode())
    state = state.replace(b'"actor":"channel:sms"', b'"actor":"channel:forged"')
    row |= {
        "sequence": sequence,
        "state": state,
        "previous": previous,
        "digest": sha256(state).digest(),
        "record_offset": offset,
        "life": life,
        "position": "1-999999",
        "after": row["position"],
    }
    names = list(row)
    conn.execute(
        f"INSERT INTO archive ({', '.join(names)}) VALUES ({', '.join(['%s'] * len(names))})",
        list(row.values()),
    )


def add_behind(conn: Connection[Any]) -> None:
    forge(conn, sequence=6, based_on=5, offset=9_999_999, life=1)


def add_beside(conn: Connection[Any]) -> None:
    forge(conn, sequence=3, based_on=3, offset=9_999_999, life=1)


def add_before(conn: Connection[Any]) -> None:
    forge(conn, sequence=3, based_on=3, offset=0, life=0)


def relabel(conn: Connection[Any]) -> None:
    conn.execute(
        f"UPDATE archive SET time = time + interval '1 hour' WHERE {ROW}", (INTAKE, VICTIM, 5)
    )


def lose_a_head(conn: Connection[Any]) -> None:
    conn.execute("DELETE FROM head WHERE source = %s AND subject = %s", (INTAKE, VICTIM))


# -- that it is found -----------------------------------------------------------------------------

DIGESTS = ((verification._Partition, "_odd"),)
CHAINS = ((verification._Verification, "_chains"),)
POSITIONS = ((verification._Partition, "_gap"),)
ENDS = ((verification._Partition, "_ends"),)

CASES: dict[str, tuple[Any, list[Named], list[Named], tuple[Any, ...]]] = {
    # name: (tampering, found in the archive alone, found with Kafka's log, what finds it)
    "one flipped byte": (
        flip,
        of_victim(F.CHANGED, 3),
        of_victim(F.CHANGED, 3),
        DIGESTS,
    ),
    "one flipped byte, its digest made to fit": (
        flip_and_hide,
        [*of_victim(F.CHAIN, 3), PARTITION],
        of_victim(F.CHANGED, 3),
        (*CHAINS, *ENDS, *DIGESTS),
    ),
    "the last one's byte flipped, its digest made to fit": (
        flip_the_last_and_hide,
        [*of_victim(F.CHAIN, 5), PARTITION],
        of_victim(F.CHANGED, 5),
        (*CHAINS, *ENDS, *DIGESTS),
    ),
    "one removed from the middle": (
        remove(3),
        [PARTITION, *of_victim(F.MISSING, 3), GAP],
        of_victim(F.MISSING, 3),
        (*CHAINS, *POSITIONS, *ENDS),
    ),
    "the last of a stream removed": (
        remove(5),
        [PARTITION, *of_victim(F.MISSING, 5), GAP],
        of_victim(F.MISSING, 5),
        (*CHAINS, *POSITIONS, *ENDS),
    ),
    "the last of a stream removed, the head set back": (
        remove_the_last_and_hide,
        [PARTITION, GAP],
        of_victim(F.MISSING, 5),
        (*POSITIONS, *ENDS),
    ),
    "a whole stream removed, its head too": (
        remove_the_stream_and_hide,
        [PARTITION, GAP],
        of_victim(F.MISSING, 1, 2, 3, 4, 5),
        (*POSITIONS, *ENDS),
    ),
    "two swapped: their bytes": (
        swap("state"),
        of_victim(F.SWAPPED, 2, 4),
        of_victim(F.SWAPPED, 2, 4),
        DIGESTS,
    ),
    "two swapped: bytes and digests": (
        swap("state", "digest"),
        [*of_victim(F.SWAPPED, 2, 4), PARTITION],
        of_victim(F.SWAPPED, 2, 4),
        (*DIGESTS, *CHAINS, *ENDS),
    ),
    "two swapped: their places": (
        swap_places,
        [*of_victim(F.SWAPPED, 2, 4), PARTITION, GAP],
        [*of_victim(F.SWAPPED, 2, 4), GAP],
        (*CHAINS, *POSITIONS, *ENDS),
    ),
    "one added behind the last": (
        add_behind,
        [*of_victim(F.ADDED, 6), PARTITION, GAP],
        of_victim(F.ADDED, 6),
        (*CHAINS, *POSITIONS, *ENDS),
    ),
    "one added beside the true one": (
        add_beside,
        [*of_victim(F.ADDED, 3), PARTITION, GAP],
        of_victim(F.ADDED, 3),
        (*CHAINS, *POSITIONS, *ENDS),
    ),
    "one added before everything, in a life that never was": (
        add_before,
        [*of_victim(F.ADDED, 3), PARTITION, GAP],
        [*of_victim(F.ADDED, 3), PARTITION, GAP],
        (*CHAINS, *POSITIONS, *ENDS),
    ),
    "filed under another time": (
        relabel,
        of_victim(F.MISLABELLED, 5),
        of_victim(F.MISLABELLED, 5),
        DIGESTS,
    ),
    "a head taken away": (
        lose_a_head,
        of_victim(F.ADDED, 1),
        of_victim(F.ADDED, 1),
        CHAINS,
    ),
}


def once(faults: Sequence[Named]) -> set[Named]:
    return set(faults)


def test_what_nobody_touched_is_proven(archived: Archived) -> None:
    with tampered(archived, nothing) as dsn:
        for with_log in (False, True):
            verified = proven(archived, dsn, with_log=with_log)
            assert verified.faults == []
            # 6 stories of 6 events, and audit's own policies in force
            assert verified.events == 6 * COMPLAINTS + OWN
            assert verified.streams == 2 * COMPLAINTS + OWN
            assert verified.compared == (verified.events if with_log else 0)


@pytest.mark.parametrize("name", CASES)
def test_tampering_is_found_and_named(archived: Archived, name: str) -> None:
    tamper, alone, with_log, _ = CASES[name]
    with tampered(archived, tamper) as dsn:
        without, beside = (proven(archived, dsn, with_log=one) for one in (False, True))
    assert once(named(without)) == once(alone)
    assert once(named(beside)) == once(with_log)
    # Of what is missing the archive knows the one before it, and the log when it was recorded.
    assert since(without) == {
        (kind, number): TOLD[number - 1] if kind is F.MISSING else FORGED[number]
        for kind, _, _, number in alone
        if number is not None
    }
    assert since(beside) == {
        (kind, number): FORGED[number] for kind, _, _, number in with_log if number is not None
    }
    for fault in (*without.faults, *beside.faults):
        if fault.kind is F.PARTITION:
            assert fault.since is None, "no checkpoint was sealed that could tell"


def since(verified: Verified) -> dict[tuple[F, int], datetime | None]:
    """Since when, of each fault that names an event."""
    return {
        (one.kind, one.sequence): one.since for one in verified.faults if one.sequence is not None
    }


@pytest.mark.parametrize("number", [3, 5])
def test_a_gap_is_since_the_last_record_of_its_source_before_it(
    archived: Archived, number: int
) -> None:
    """In the middle of the partition, and at its end as far as anything of intake's follows."""
    partitions = archived.where.topics[0].partitions
    mates = [
        one
        for one in range(COMPLAINTS)
        if partition_of(complaint(one), partitions) == partition_of(VICTIM, partitions)
    ]
    seconds = [6 * kind + mate + 1 for kind in range(5) for mate in mates]
    removed = 6 * (number - 1) + 3
    with tampered(archived, remove(number)) as dsn:
        verified = proven(archived, dsn, with_log=False)
    (gap,) = (one for one in verified.faults if one.kind is F.GAP)
    assert gap.since == at(max(one for one in seconds if one < removed))


@pytest.mark.parametrize("name", CASES)
def test_without_its_mechanism_it_would_not_be_found(
    archived: Archived, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    tamper, _, _, mechanisms = CASES[name]
    for owner, method in mechanisms:
        monkeypatch.setattr(owner, method, lambda *_: None)
    with tampered(archived, tamper) as dsn:
        assert named(proven(archived, dsn, with_log=False)) == []


def test_a_stream_forged_whole_is_given_away_by_the_log_event_by_event(archived: Archived) -> None:
    """Bytes, digests, chain and head all made to fit: only who else keeps the bytes can tell."""

    def forge_all(conn: Connection[Any]) -> None:
        rows = conn.execute(
            "SELECT sequence, previous, state FROM archive WHERE source = %s AND subject = %s "
            "ORDER BY sequence",
            (INTAKE, VICTIM),
        ).fetchall()
        previous = bytes(rows[0]["previous"])
        for row in rows:
            state = bytes(row["state"]).replace(b'"actor":"channel:sms"', b'"actor":"channel:web"')
            state = state.replace(bytes(row["previous"]).hex().encode(), previous.hex().encode())
            digest = sha256(state).digest()
            conn.execute(
                f"UPDATE archive SET state = %s, previous = %s, digest = %s WHERE {ROW}",
                (state, previous, digest, INTAKE, VICTIM, row["sequence"]),
            )
            previous = digest
        conn.execute(
            "UPDATE head SET digest = %s WHERE source = %s AND subject = %s",
            (previous, INTAKE, VICTIM),
        )

    with tampered(archived, forge_all) as dsn:
        assert named(proven(archived, dsn, with_log=False)) == [PARTITION]
        assert named(proven(archived, dsn, with_log=True)) == of_victim(F.CHANGED, 1, 2, 3, 4, 5)


def test_a_whole_month_gone_is_named_event_by_event(archived: Archived) -> None:
    with tampered(archived, lambda conn: conn.execute("DELETE FROM archive_2025_09")) as dsn:
        verified = proven(archived, dsn, with_log=False)
    missing = once(named(verified))
    assert once(of_victim(F.MISSING, 1, 2, 3, 4, 5)) <= missing
    assert (F.MISSING, ROUTING, VICTIM, 1) in missing
    ours = [one for one in verified.faults if one.subject == VICTIM]
    assert {one.since for one in ours} == {None}, "nothing of these streams is there any more"


def test_when_kafka_is_away_the_archive_alone_is_proven_and_it_is_said(archived: Archived) -> None:
    with tampered(archived, flip) as dsn:
        log = Log("127.0.0.1:1", archived.topic)
        try:
            verified = verify(dsn, log, archived.topic_id)
        finally:
            log.close()
        assert verified.log is Compared.AWAY
        assert verified.compared == 0
        assert named(verified) == of_victim(F.CHANGED, 3)
