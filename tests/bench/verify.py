"""Proving a whole archive again, against `sha256sum` and a JSON parse of the same bytes.

python -m tests.bench.verify [--events N] [--rounds N]

Rates are by the processor's time, PostgreSQL's included: proving takes two processes, its and ours,
and so would suffer more from others on the machine than the one that it is compared with.
"""

import argparse
import json
import subprocess
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
from prometheus_client import CollectorRegistry

from libs.eventlog.store import Store
from services.audit.archive import Archive
from services.audit.main import describe
from services.audit.verification import verify
from tests.bench.figures import Figure, in_turn, show, with_postgres
from tests.integration.audit.tellers import complaint
from tests.integration.audit.test_archive import Relays, keep
from tests.integration.audit.test_mutations import TOLD
from tests.stack import Room, room

START = datetime(2025, 10, 20, 14, 0, tzinfo=UTC)
PARTITIONS = 12
COMPLAINTS_AT_ONCE = 500
BY_HAND = "sha256sum, and each line parsed as JSON"


def fill(where: Room, events: int) -> int:
    """About so many events of three services, ten a complaint; returns how many."""
    store = Store(describe(), where.service_dsns["audit"])
    store.create_tables()
    relays, archive, count = Relays(PARTITIONS), Archive(CollectorRegistry()), 0
    with store.connection() as conn:
        conn.execute(
            "INSERT INTO inbox_offset (topic, partition, topic_id, next) "
            "SELECT 'log', p, 'first', 0 FROM generate_series(0, %s) AS p",
            (PARTITIONS - 1,),
        )
        for first in range(0, events // len(TOLD), COMPLAINTS_AT_ONCE):
            for step, (source, kind) in enumerate(TOLD):
                time = START + timedelta(seconds=first + step)
                numbers = range(first, first + COMPLAINTS_AT_ONCE)
                told = [relays.record(source, complaint(one), kind, time) for one in numbers]
                keep(archive, conn, told)
                count += len(told)
    store.close()
    return count


def measure(where: Room, events: int, folder: Path, rounds: int) -> list[Figure]:
    count = fill(where, events)
    dsn, file = where.dsns["audit"], folder / "log.jsonl"
    with psycopg.connect(dsn) as conn, file.open("wb") as out:
        for (state,) in conn.execute("SELECT state FROM archive"):
            out.write(bytes(state) + b"\n")

    def by_hand() -> None:
        subprocess.run(["sha256sum", str(file)], check=True, capture_output=True)
        with file.open("rb") as lines:
            for line in lines:
                json.loads(line)

    def proven() -> None:
        verified = verify(dsn)
        assert (verified.events, verified.faults) == (count, [])

    runs = {BY_HAND: by_hand, "the whole archive proven again": proven}
    return in_turn(count, runs, with_postgres(dsn), rounds)


def main() -> None:
    """Runs it on the shared test servers."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--events", type=int, default=100_000)
    asked.add_argument("--rounds", type=int, default=7)
    given = asked.parse_args()
    with room(("audit",), with_topics=False) as where, tempfile.TemporaryDirectory() as folder:
        show(measure(where, given.events, Path(folder), given.rounds), BY_HAND)


if __name__ == "__main__":
    main()
