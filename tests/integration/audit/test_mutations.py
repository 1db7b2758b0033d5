"""A log of 10,000 events and one checkpoint kept elsewhere: whatever is done to it is named.

The acts are in tampering.py, which shares no code with what seals or verifies. BIHUAN_MUTATIONS
says how often each act is tried (default 3); how many were tried is printed.
"""

import asyncio
import os
import random
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from prometheus_client import CollectorRegistry
from psycopg.rows import tuple_row

from libs.eventlog.store import Store
from libs.messaging.stepping import Stepper
from libs.timekeeping.clock import SteppedClock
from libs.web.auth import make_signing_key
from services.audit import holding
from services.audit.archive import Archive
from services.audit.domain.checkpoint import read_note, read_verifier_key
from services.audit.domain.leaves import read_list
from services.audit.holding import Exported
from services.audit.main import build, describe
from services.audit.verification import Asked, Verified, prove
from tests.integration.audit.tampering import ACTS
from tests.integration.audit.tellers import POLICIES, complaint, settings
from tests.integration.audit.test_archive import Relays, keep
from tests.stack import UNGUARDED, Room, room

EVENTS = 10_000
START = datetime(2025, 10, 20, 14, 0, tzinfo=UTC)
TIMES = int(os.environ.get("BIHUAN_MUTATIONS", "3"))
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

    def proven(self, conn: Any, *, listed: bool) -> Verified:
        exported = Exported(read_note(self.note), read_list(self.leaves) if listed else None)
        return prove(conn, None, Asked("", threading.Event(), exported, [self.key]))


def fill(where: Room, topic: str) -> None:
    """10,000 events of three services about 1,000 complaints, filed as the inbox files them."""
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
            time = START + timedelta(minutes=5 * step)
            told = [
                relays.record(source, complaint(number), kind, time)
                for number in range(EVENTS // len(TOLD))
            ]
            keep(archive, conn, told)
    store.close()


async def seal(where: Room, folder: Path) -> None:
    """A real audit on that archive seals it, then once more, and carries both out."""
    clock = SteppedClock(START + timedelta(hours=1))
    make_signing_key(folder)
    more = {"checkpoint_key_file": folder / "key", "checkpoint_drop": folder / "drop"}
    audit = build(settings(where, folder, **more), clock)
    stepper = Stepper((audit,), clock)
    await audit.start()
    try:
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
        yield Kept(where.dsns["audit"], note.read_text("utf-8"), leaves, key)


def test_what_nobody_touched_holds(kept: Kept) -> None:
    with psycopg.connect(kept.dsn, row_factory=tuple_row, options=UNGUARDED) as conn:
        verified = kept.proven(conn, listed=True)
    assert verified.faults == []
    assert verified.held
    # the log, audit's own policies, and the checkpoint itself
    assert verified.events == EVENTS + POLICIES + 1


def test_every_act_is_found_and_every_event_it_harmed_is_named(kept: Kept) -> None:
    dice = random.Random(20251020)
    tried: Counter[str] = Counter()
    unfound: list[Any] = []
    with psycopg.connect(kept.dsn, row_factory=tuple_row, options=UNGUARDED) as conn:
        for name, act in ACTS.items():
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
                tried[name] += 1
    print(f"\n{sum(tried.values())} mutations of {len(tried)} kinds tried, {len(unfound)} unfound")
    assert unfound == []
    assert set(tried.values()) == {TIMES}


@pytest.mark.parametrize("name", ["chained anew", "dropped whole, and hidden"])
def test_without_checkpoints_what_is_hidden_well_would_not_be_found(
    kept: Kept, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(holding.Roots, "run", lambda _self: None)
    monkeypatch.setattr(holding.Witness, "settle", lambda _self, _findings: None)
    with (
        psycopg.connect(kept.dsn, row_factory=tuple_row, options=UNGUARDED) as conn,
        conn.transaction(force_rollback=True),
    ):
        ACTS[name](conn, random.Random(1))
        assert kept.proven(conn, listed=True).faults == []
