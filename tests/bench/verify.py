"""Proving a whole archive again, against `sha256sum` and a JSON parse of the same bytes.

python -m tests.bench.verify [--events N] [--rounds N]

The archive is sealed by a checkpoint an hour, whose roots are made again; it is proven once by
itself, and once with the last checkpoint and its list as somebody kept them elsewhere. Rates are by
the processor's time, PostgreSQL's included: proving takes two processes, its and ours, and so would
suffer more from others on the machine than the one that it is compared with.
"""

import argparse
import asyncio
import json
import subprocess
import tempfile
from datetime import UTC, datetime, timedelta
from itertools import count, islice
from pathlib import Path

import psycopg
from prometheus_client import CollectorRegistry
from psycopg.rows import dict_row

from libs.eventlog.store import Store
from libs.eventlog.work import partition_of
from libs.messaging.stepping import Stepper
from libs.timekeeping.clock import SteppedClock
from libs.web.auth import make_signing_key
from services.audit.archive import Archive
from services.audit.domain.checkpoint import SUBJECT, read_note, read_verifier_key
from services.audit.domain.leaves import read_list
from services.audit.holding import Exported
from services.audit.main import build, describe
from services.audit.verification import verify
from tests.bench.figures import Figure, in_turn, show, with_postgres
from tests.integration.audit.sealed_twice import TOLD
from tests.integration.audit.tellers import complaint, settings
from tests.integration.audit.test_archive import Relays, keep
from tests.stack import Room, room

START = datetime(2025, 10, 20, 14, 0, tzinfo=UTC)
PARTITIONS = 12
COMPLAINTS_AT_ONCE = 500
CHECKPOINTS = 24
BY_HAND = "sha256sum, and each line parsed as JSON"


def fill(where: Room, relays: Relays, subjects: list[str], hour: int) -> None:
    """Ten events of three services about each of these complaints."""
    archive, begun = Archive(CollectorRegistry()), START + timedelta(hours=hour)
    with psycopg.connect(where.dsns["audit"], autocommit=True, row_factory=dict_row) as conn:
        for first in range(0, len(subjects), COMPLAINTS_AT_ONCE):
            some = subjects[first : first + COMPLAINTS_AT_ONCE]
            for step, (source, kind) in enumerate(TOLD):
                time = begun + timedelta(seconds=first + step)
                keep(archive, conn, [relays.record(source, one, kind, time) for one in some])


async def seal(where: Room, events: int, folder: Path) -> Exported:
    """So many events, and a checkpoint of a real audit's each hour; returns the last of them."""
    store = Store(describe(), where.service_dsns["audit"])
    store.create_tables()
    store.close()
    with psycopg.connect(where.dsns["audit"], autocommit=True) as conn:
        conn.execute(
            "INSERT INTO inbox_offset (topic, partition, topic_id, next) "
            "SELECT %s, p, 'first', 0 FROM generate_series(0, %s) AS p",
            (f"{where.prefix}complaints.log", PARTITIONS - 1),
        )
    relays, drop = Relays(PARTITIONS), folder / "drop"
    # None in the partition of the checkpoints' own events, which come by way of Kafka.
    own = partition_of(SUBJECT, PARTITIONS)
    free = (one for one in map(complaint, count()) if partition_of(one, PARTITIONS) != own)
    each = events // len(TOLD) // CHECKPOINTS
    fill(where, relays, list(islice(free, each)), 0)
    clock = SteppedClock(START + timedelta(minutes=50))
    make_signing_key(folder)
    more = {"checkpoint_key_file": folder / "key", "checkpoint_drop": drop}
    audit = build(settings(where, folder, **more), clock)
    stepper = Stepper((audit,), clock)
    await audit.start()
    try:
        for hour in range(1, CHECKPOINTS + 1):
            await stepper.run_until(START + timedelta(hours=hour, minutes=1))
            if hour < CHECKPOINTS:
                await asyncio.to_thread(fill, where, relays, list(islice(free, each)), hour)
        for _ in range(6_000):
            if len(notes := sorted(drop.glob("*.checkpoint"))) == CHECKPOINTS:
                break
            await asyncio.sleep(0.01)
    finally:
        await audit.stop()
    last = notes[CHECKPOINTS - 1]
    return Exported(read_note(last.read_text()), read_list(last.with_suffix(".leaves").read_text()))


def measure(where: Room, events: int, folder: Path, rounds: int) -> list[Figure]:
    exported = asyncio.run(seal(where, events, folder))
    _, key = read_verifier_key((folder / "key.pub").read_text("ascii"))
    dsn, file, many = where.dsns["audit"], folder / "log.jsonl", 0
    with psycopg.connect(dsn) as conn, file.open("wb") as out:
        for (state,) in conn.execute("SELECT state FROM archive"):
            out.write(bytes(state) + b"\n")
            many += 1

    def by_hand() -> None:
        subprocess.run(["sha256sum", str(file)], check=True, capture_output=True)
        with file.open("rb") as lines:
            for line in lines:
                json.loads(line)

    def proven(exported: Exported | None = None) -> None:
        verified = verify(dsn, exported=exported, trusted=[key])
        assert (verified.events, verified.faults) == (many, [])
        assert (verified.checkpoints, verified.held) == (CHECKPOINTS, exported is not None)

    runs = {
        BY_HAND: by_hand,
        f"the whole archive proven again, {CHECKPOINTS} checkpoints": proven,
        "and held against the last of them, with its list": lambda: proven(exported),
    }
    return in_turn(many, runs, with_postgres(dsn), rounds)


def main() -> None:
    """Runs it on the shared test servers."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--events", type=int, default=100_000)
    asked.add_argument("--rounds", type=int, default=7)
    given = asked.parse_args()
    with room(("audit",)) as where, tempfile.TemporaryDirectory() as folder:
        show(measure(where, given.events, Path(folder), given.rounds), BY_HAND)


if __name__ == "__main__":
    main()
