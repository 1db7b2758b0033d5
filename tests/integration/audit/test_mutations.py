"""A log of 11,100 events and one checkpoint kept elsewhere: whatever is done to it is named.

10,000 lie in the database as rows, 200 of them purged meanwhile; 500 lie in a month's file; 600
say who opened whose data. The acts are in tampering.py and tampering_kept.py, which share no code
with what seals, purges, files or verifies. BIHUAN_MUTATIONS says how often each act is tried
(default 2); how many were tried is printed.
"""

import asyncio
import os
import random
import shutil
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from prometheus_client import CollectorRegistry
from psycopg.rows import tuple_row

from contracts.housekeeping import CohortPurged, Head, PurgeApproved
from libs.decider import Command, To
from libs.eventlog.envelope import Origin
from libs.eventlog.store import Store
from libs.messaging.app import App
from libs.messaging.stepping import Stepper
from libs.timekeeping.clock import SteppedClock
from libs.web.auth import make_signing_key
from services.audit import holding
from services.audit.archive import Archive
from services.audit.cold.keeping import Keeper
from services.audit.cold.store import Folder
from services.audit.domain.checkpoint import read_note, read_verifier_key
from services.audit.domain.cohorts import ArchiveCohort
from services.audit.domain.leaves import read_list
from services.audit.domain.purging import ApprovePurge, ProposePurge, SignPurge
from services.audit.holding import Exported
from services.audit.main import build, describe
from services.audit.verification import Asked, Verified, make_room, prove
from tests.integration.audit import tampering_kept
from tests.integration.audit.tampering import ACTS, REACH, Act
from tests.integration.audit.tellers import POLICIES, complaint, settings
from tests.integration.audit.test_archive import Relays, keep
from tests.integration.keeper.purges import purge
from tests.stack import UNGUARDED, Room, room

EVENTS = 10_000
PURGED = range(20)
"""So many complaints of October have gone, ten events each."""
FILED = range(1_000, 1_050)
"""And so many of September lie in a file."""
PERSONS = range(120)
"""So many persons' data were opened, five times each."""
START = datetime(2025, 10, 20, 14, 0, tzinfo=UTC)
TIMES = int(os.environ.get("BIHUAN_MUTATIONS", "2"))
PURGE_KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(7, 39)))
TOLD = (
    ("/bihuan/intake", "complaint.registered.v1"),
    ("/bihuan/intake", "complaint.verified.v1"),
    ("/bihuan/routing", "work.routed.v1"),
    ("/bihuan/sla_watch", "clock.met.v1"),
    ("/bihuan/intake", "complaint.contact_linked.v1"),
    ("/bihuan/routing", "work.contacted.v1"),
    ("/bihuan/intake", "complaint.answered.v1"),
    ("/bihuan/routing", "work.contacted.v1"),
    ("/bihuan/sla_watch", "clock.met.v1"),
    ("/bihuan/intake", "complaint.closed.v1"),
)


@dataclass(frozen=True)
class Kept:
    """A sealed archive, and what somebody kept of it elsewhere."""

    dsn: str
    note: str
    leaves: str
    key: bytes
    files: Path
    acts: dict[str, Act]

    def proven(self, conn: Any, *, listed: bool) -> Verified:
        exported = Exported(read_note(self.note), read_list(self.leaves) if listed else None)
        keys = [tampering_kept.written(PURGE_KEY.public_key().public_bytes_raw())]
        asked = Asked("", threading.Event(), exported, [self.key], keys, Folder(self.files))
        return prove(conn, None, asked)

    def as_it_was(self, copy: Path) -> None:
        """The files, after somebody had them in hand."""
        shutil.rmtree(self.files)
        shutil.copytree(copy, self.files)
        REACH.forget()


def fill(where: Room, topic: str) -> None:
    """Events of three services about 1,050 complaints, and of who read what, filed as they come."""
    store = Store(describe(), where.service_dsns["audit"])
    store.create_tables()
    relays, archive = Relays(partitions=where.topics[0].partitions), Archive(CollectorRegistry())
    with store.connection() as conn:
        conn.execute(
            "INSERT INTO inbox_offset (topic, partition, topic_id, next) "
            "SELECT %s, p, 'first', 0 FROM generate_series(0, 11) AS p",
            (topic,),
        )
        for step, (source, kind) in enumerate(TOLD):
            time = START - timedelta(days=30) + timedelta(minutes=5 * step)
            keep(
                archive, conn, [relays.record(source, complaint(one), kind, time) for one in FILED]
            )
        for step in range(5):
            time = START - timedelta(days=2) + timedelta(minutes=step)
            opened = [
                relays.record("/bihuan/intake", person(one), tampering_kept.ACCESS, time)
                for one in PERSONS
            ]
            keep(archive, conn, opened)
        for step, (source, kind) in enumerate(TOLD):
            time = START + timedelta(minutes=5 * step)
            told = [
                relays.record(source, complaint(number), kind, time)
                for number in range(EVENTS // len(TOLD))
            ]
            keep(archive, conn, told)
    store.close()


def person(number: int) -> str:
    return str(UUID(int=(7 << 64) + number))


def decided(audit: App, subject: str, *commands: Command) -> None:
    def decide(work: Any) -> None:
        for command in commands:
            work.apply(To(subject, command), Origin("test", "auditor:x"))

    audit.writer.transact(decide)


def let_go(where: Room, audit: App) -> None:
    """Two people let some complaints of October go, and audit signs it."""
    with psycopg.connect(where.dsns["audit"], autocommit=True, row_factory=tuple_row) as conn:
        public = tampering_kept.written(PURGE_KEY.public_key().public_bytes_raw())
        conn.execute("SELECT keeper.trust_purge_key(%s)", (public,))
        rows = conn.execute(
            "SELECT source, subject, sequence, encode(digest, 'hex') FROM head "
            "WHERE subject = ANY(%s) ORDER BY source, subject",
            ([complaint(one) for one in PURGED],),
        ).fetchall()
    names = ("source", "subject", "sequence", "digest")
    heads = tuple(Head(**dict(zip(names, row, strict=True))) for row in rows)
    month, now, plan = "2025-10", audit.clock.now(), "ab" * 32
    numbers = {"complaints": len(PURGED), "streams": len(heads), "events": 200, "kept": 0}
    two = {"proposed_by": "auditor:a", "by": "privacy:b"}
    ground = {"ground": "retention_over"}
    told = purge(*heads, key=PURGE_KEY, cohort=month, plan=plan, **ground, **two)["data"]
    approved = PurgeApproved(
        cohort=month,
        part=1,
        parts=1,
        plan=plan,
        heads=heads,
        asked=(audit.service.source,),
        by="privacy:b",
    )
    decided(
        audit,
        f"purge:{month}",
        ProposePurge(at=now, cohort=month, plan=plan, by="auditor:a", **ground, **numbers),
        ApprovePurge(at=now, asked=plan, plan=plan, by="privacy:b", parts=(approved,)),
        SignPurge(at=now, cohort=month, plan=plan, parts=(CohortPurged.model_validate(told),)),
    )


def put_away(where: Room, audit: App, files: Path) -> None:
    """September into its file."""

    def quiet(_phase: str, _events: int, _of: int) -> None:
        """Nobody looks."""

    keeper = Keeper(where.service_dsns["audit"], Folder(files), threading.Event())
    with keeper.alone():
        made = keeper.make("2025-09", datetime.now(UTC), quiet)
        decided(
            audit, "2025-09", ArchiveCohort(at=audit.clock.now(), archived=made.event("admin:x"))
        )
        assert keeper.leave("2025-09", quiet) == 10 * len(FILED)


async def seal(where: Room, folder: Path) -> None:
    """A real audit on that archive purges, files and seals, and carries the checkpoint out."""
    clock = SteppedClock(START + timedelta(hours=1))
    make_signing_key(folder)
    more = {
        "checkpoint_key_file": folder / "key",
        "checkpoint_drop": folder / "drop",
        "archive_store": str(folder / "files"),
    }
    audit = build(settings(where, folder, **more), clock)
    stepper = Stepper((audit,), clock)
    await audit.start()
    try:
        await asyncio.to_thread(let_go, where, audit)
        await stepper.settle()
        await asyncio.to_thread(put_away, where, audit, folder / "files")
        await stepper.settle()
        await stepper.run_until(START + timedelta(hours=2, minutes=1))
        for _ in range(1_000):
            if list((folder / "drop").glob("*.checkpoint")):
                break
            await asyncio.sleep(0.01)
    finally:
        await audit.stop()


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kept]:
    folder = tmp_path_factory.mktemp("kept")
    with room(("audit",)) as where:
        fill(where, f"{where.prefix}complaints.log")
        asyncio.run(seal(where, folder))
        (note,) = (folder / "drop").glob("*.checkpoint")
        _, key = read_verifier_key((folder / "key.pub").read_text("ascii"))
        leaves = note.with_suffix(".leaves").read_text("utf-8")
        REACH.folder = folder / "files"
        yield Kept(
            where.dsns["audit"],
            note.read_text("utf-8"),
            leaves,
            key,
            folder / "files",
            {**ACTS, **tampering_kept.acts(PURGE_KEY)},
        )


def test_what_nobody_touched_holds(kept: Kept) -> None:
    with psycopg.connect(kept.dsn, row_factory=tuple_row, options=UNGUARDED) as conn:
        make_room(conn)
        verified = kept.proven(conn, listed=True)
    assert verified.faults == []
    assert verified.held
    went, filed, opened = 10 * len(PURGED), 10 * len(FILED), 5 * len(PERSONS)
    # the log, audit's own policies, the purge proposed, approved, signed, and twice answered; the
    # file, and the checkpoint itself
    assert verified.events == EVENTS - went + filed + opened + POLICIES + 5 + 1 + 1
    assert verified.purged == went
    (tombstone,) = verified.tombstones
    assert (tombstone.events, tombstone.streams, tombstone.sealed) == (went, 3 * len(PURGED), True)


def test_every_act_is_found_and_every_event_it_harmed_is_named(
    kept: Kept, tmp_path: Path, say_tried: Callable[[str], None]
) -> None:
    shutil.copytree(kept.files, tmp_path / "files")
    dice = random.Random(20251020)
    tried: Counter[str] = Counter()
    unfound: list[Any] = []
    with psycopg.connect(kept.dsn, row_factory=tuple_row, options=UNGUARDED) as conn:
        make_room(conn)
        for name, act in kept.acts.items():
            for number in range(TIMES):
                with conn.transaction(force_rollback=True):
                    harmed = act(conn, dice)
                    verified = kept.proven(conn, listed=True)
                    named = {(one.source, one.subject, one.sequence) for one in verified.faults}
                    streams = {one[:2] for one in harmed} | {("/bihuan/audit", "audit")}
                    others = {one[:2] for one in named if one[2] is not None} - streams
                    if not harmed <= named or others:
                        unfound.append((name, sorted(harmed - named), sorted(others)))
                    if number == 0 and not kept.proven(conn, listed=False).faults:
                        unfound.append((name, "not found by the checkpoint alone"))
                if name.startswith("filed: "):
                    kept.as_it_was(tmp_path / "files")
                tried[name] += 1
    counted = f"{sum(tried.values())} mutations of {len(tried)} kinds, {len(unfound)} unfound"
    say_tried(counted)
    assert unfound == []
    assert set(tried.values()) == {TIMES}


@pytest.mark.parametrize("name", ["chained anew", "dropped whole, and hidden"])
def test_without_checkpoints_what_is_hidden_well_would_not_be_found(
    kept: Kept, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(holding.Roots, "run", lambda _self: None)
    monkeypatch.setattr(holding.Witness, "settle", lambda _self, _findings: None)
    with psycopg.connect(kept.dsn, row_factory=tuple_row, options=UNGUARDED) as conn:
        make_room(conn)
        with conn.transaction(force_rollback=True):
            ACTS[name](conn, random.Random(1))
            assert kept.proven(conn, listed=True).faults == []
