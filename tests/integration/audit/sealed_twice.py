"""The archive that mutations are tried on: told, purged, filed, sealed twice by a real audit."""

import asyncio
import threading
from datetime import UTC, datetime, timedelta
from itertools import count, islice
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from prometheus_client import CollectorRegistry
from psycopg.rows import dict_row, tuple_row

from contracts.housekeeping import CohortPurged, Head, PurgeApproved
from libs.decider import Command, To
from libs.eventlog.envelope import Origin
from libs.eventlog.store import Store
from libs.eventlog.work import partition_of
from libs.messaging.app import App
from libs.messaging.stepping import Stepper
from libs.timekeeping.clock import SteppedClock
from libs.web.auth import make_signing_key
from services.audit.archive import Archive
from services.audit.cold.keeping import Keeper
from services.audit.cold.store import Folder
from services.audit.domain.cohorts import ArchiveCohort
from services.audit.domain.purging import ApprovePurge, ProposePurge, SignPurge
from services.audit.main import build, describe
from tests.integration.audit import tampering_kept
from tests.integration.audit.tellers import complaint, settings
from tests.integration.audit.test_archive import Relays, keep
from tests.integration.keeper.purges import purge
from tests.stack import Room

EVENTS = 10_000
PURGED = range(20)
"""So many complaints of October have gone, ten events each."""
FILED = range(1_000, 1_050)
"""And so many of September lie in a file."""
PERSONS = range(120)
"""So many persons' data were opened, five times each."""
GOING_ON = 30
"""So many complaints go on after the first of two checkpoints, one event each."""
BEGUN_LATER = 20
"""And so many begin after it, four events each."""
START = datetime(2025, 10, 20, 14, 0, tzinfo=UTC)
FIRST, SECOND = START + timedelta(hours=2), START + timedelta(hours=3)
"""When the two were sealed; the second is the one that is kept elsewhere."""
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


def fill(where: Room, topic: str) -> Relays:
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
    return relays


def later() -> tuple[list[str], list[str]]:
    """Who goes on and who begins after the first checkpoint; none in the partition of its event."""
    own = partition_of("audit", tampering_kept.PARTITIONS)
    free = (
        complaint(one)
        for one in count(len(PURGED))
        if one not in FILED and partition_of(complaint(one), tampering_kept.PARTITIONS) != own
    )
    going_on = [next(free) for _ in range(GOING_ON)]
    begun = (complaint(one) for one in count(5_000))
    return going_on, [
        one
        for one in islice(begun, 4 * BEGUN_LATER)
        if partition_of(one, tampering_kept.PARTITIONS) != own
    ][:BEGUN_LATER]


def go_on(where: Room, relays: Relays) -> None:
    """What comes between the two checkpoints."""
    going_on, begun = later()
    archive, time = Archive(CollectorRegistry()), FIRST + timedelta(minutes=10)
    with psycopg.connect(where.dsns["audit"], autocommit=True, row_factory=dict_row) as conn:
        said = [relays.record(TOLD[0][0], one, "complaint.reopened.v1", time) for one in going_on]
        keep(archive, conn, said)
        for source, kind in (TOLD[0], TOLD[1], TOLD[6], TOLD[9]):
            time += timedelta(minutes=1)
            keep(archive, conn, [relays.record(source, one, kind, time) for one in begun])


def person(number: int) -> str:
    return str(UUID(int=(7 << 64) + number))


def decided(audit: App, subject: str, *commands: Command) -> None:
    def decide(work: Any) -> None:
        for command in commands:
            work.apply(To(subject, command), Origin("test", "auditor:x"))

    audit.writer.transact(decide)


def lived_through(where: Room) -> None:
    """The months since are told as audit had run through them all: else nothing may go."""
    with psycopg.connect(where.dsns["audit"]) as conn:
        conn.execute(
            "INSERT INTO keeper.lived_time (seen, vouched) VALUES (now(), now()) "
            "ON CONFLICT (one) DO UPDATE SET seen = now(), vouched = now()"
        )


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


async def seal(where: Room, folder: Path, relays: Relays) -> None:
    """A real audit on that archive purges, files and seals, twice, and carries both out."""
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
        lived_through(where)
        await asyncio.to_thread(let_go, where, audit)
        await stepper.settle()
        await asyncio.to_thread(put_away, where, audit, folder / "files")
        await stepper.settle()
        await stepper.run_until(FIRST + timedelta(minutes=1))
        await asyncio.to_thread(go_on, where, relays)
        await stepper.run_until(SECOND + timedelta(minutes=1))
        for _ in range(1_000):
            if len(list((folder / "drop").glob("*.checkpoint"))) == 2:
                break
            await asyncio.sleep(0.01)
    finally:
        await audit.stop()
