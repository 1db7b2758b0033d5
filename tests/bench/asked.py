"""Questions over archived months as an auditor asks them: `bihuan archive query`, audit running.

python -m tests.bench.asked [--events 1000000] [--months 12] [--rounds 5] [--keep FOLDER]

Every event is another one: some loops are really played, all others are made of them
(synthetic.py). Months that lie in FOLDER from another time are not made again.
"""

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import duckdb
import psycopg

from cli.places import Places
from cli.system import System, database
from services.audit.cold import form
from services.audit.cold.asking import QUESTIONS
from services.audit.cold.form import CohortFile, file_digest
from services.audit.cold.store import Folder, Key
from tests.bench.archive import PARTITIONS, filed, stories
from tests.bench.figures import Figure, show
from tests.bench.synthetic import Story, records

ONE_COMPLAINT = "one complaint's events"
PEAK_OF = (
    "import os, resource, sys\n"
    "code = os.spawnv(os.P_WAIT, sys.argv[1], sys.argv[1:])\n"
    "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, file=sys.stderr)\n"
    "sys.exit(code)\n"
)
"""Tells what a command took at its peak, in KB: what forks it is small, for that would count."""


@dataclass(frozen=True)
class Asked:
    """One question answered: by the wall, and what memory it took."""

    seconds: float
    rows: int
    asker_mb: float
    """The command's process, at its peak."""
    audit_mb: float
    """The service's process, at its peak meanwhile."""


def made(told: list[Story], events: int, number: int, store: Path, work: Path) -> str:
    """Writes one month of so many events into the store; its key."""
    cohort = f"{2020 + number // 12}-{number % 12 + 1:02}"
    path = work / f"{cohort}.parquet"
    stream = map(filed, records(told, events, PARTITIONS, seed=1_000 + number))
    form.write(path, cohort, sorted(stream, key=lambda one: one[:3]))
    key = Key(cohort, file_digest(path))
    Folder(store).put(key, path)
    path.unlink()
    return str(key)


def months(events: int, count: int, store: Path) -> list[Key]:
    """So many months with so many events in all, those that are there already among them."""
    there = {key.cohort: key for key in Folder(store).keys()}  # noqa: SIM118 - no dict
    wanted = [one for one in range(count) if f"{2020 + one // 12}-{one % 12 + 1:02}" not in there]
    if wanted:
        told = stories()
        with tempfile.TemporaryDirectory(dir=store) as work, ProcessPoolExecutor(2) as pool:
            each = events // count
            parts = [pool.submit(made, told, each, one, store, Path(work)) for one in wanted]
            for part in parts:
                print("written", part.result(), flush=True)
    return list(Folder(store).keys())


def on_record(dsn: str, store: Path, keys: Sequence[Key]) -> int:
    """Lets audit know of these months; returns how many events they hold."""
    total = 0
    with psycopg.connect(dsn) as conn:
        for key in keys:
            path = Folder(store).proven(key)
            ends, events, streams = _held(path)
            conn.execute(
                "INSERT INTO archived_cohort (cohort, file, key, bytes, events, streams, ends) "
                "VALUES (%s, %s, %s, %s, %s, %s, %s)",
                (
                    *(key.cohort, key.digest, str(key), path.stat().st_size),
                    *(events, streams, json.dumps(ends)),
                ),
            )
            total += events
    return total


def _held(path: Path) -> tuple[list[tuple[int, int, int]], int, int]:
    """Where each partition ends in a file, how many events it holds, and of how many streams."""
    ends = duckdb.execute(
        'SELECT partition, max(life), max("offset") FROM read_parquet(?) GROUP BY 1 ORDER BY 1',
        [str(path)],
    ).fetchall()
    ((events, streams),) = duckdb.execute(
        "SELECT count(*), count(DISTINCT (source, subject)) FROM read_parquet(?)", [str(path)]
    ).fetchall()
    return ends, events, streams


def ask(data: Path, audit: int, sql: str) -> Asked | None:
    """Asks once, in a process of its own; None: it was refused, for it took too long."""
    Path(f"/proc/{audit}/clear_refs").write_text("5", "ascii")  # its peak counts from here
    command = (sys.executable, "-m", "cli.main", "archive", "query", sql, "--json")
    began = time.perf_counter()
    asked = subprocess.run(
        [sys.executable, "-S", "-c", PEAK_OF, *command],
        env={**os.environ, "BIHUAN_DATA": str(data)},
        capture_output=True,
        text=True,
        check=False,
    )
    seconds = time.perf_counter() - began
    if asked.returncode:
        print(f"not answered in {seconds:.0f} s: {sql}: {asked.stderr}", flush=True)
        return None
    peak_mb = int(asked.stderr.split()[-1]) / 1024
    return Asked(seconds, len(json.loads(asked.stdout)["rows"]), peak_mb, _peak_mb(audit))


def _peak_mb(process: int) -> float:
    lines = Path(f"/proc/{process}/status").read_text("ascii").splitlines()
    (peak,) = (one for one in lines if one.startswith("VmHWM:"))
    return int(peak.split()[1]) / 1024


def rows_in_database(dsn: str) -> int:
    """How many events lie in audit's database."""
    with psycopg.connect(dsn) as conn:
        row = conn.execute("SELECT count(*) FROM archive").fetchone()
    assert row is not None
    return int(row[0])


async def measure(keys: Sequence[Key], rounds: int, store: Path, data: Path) -> list[Figure]:
    """The ready-made questions and one complaint's events, so often each."""
    system = System(Places(data), processes=True, services=("audit",))
    await system.start()
    try:
        dsn = system.stack.dsn(database("audit"))
        total = on_record(dsn, store, keys)
        size = sum(Folder(store).local(one).stat().st_size for one in keys)
        before = rows_in_database(dsn)
        print(f"{total:,} events in {len(keys)} files of {size / 1e9:.2f} GB", flush=True)
        figures = list(_figures(data, system.running["audit"].pid, rounds, store, keys))
        after = rows_in_database(dsn)
        print(f"events in the database: {before} before, {after} after; load {os.getloadavg()}")
        return figures
    finally:
        await system.stop()


def _figures(
    data: Path, audit: int, rounds: int, store: Path, keys: Sequence[Key]
) -> Iterator[Figure]:
    file = CohortFile(Folder(store).local(keys[len(keys) // 2]))
    subject = next(file.records()).subject
    file.close()
    one = f"SELECT type, time FROM record WHERE subject = '{subject}' ORDER BY time"
    asked = {**{name: name for name in QUESTIONS}, ONE_COMPLAINT: one}
    for name, sql in asked.items():
        answers = [ask(data, audit, sql) for _ in range(rounds)]
        found = [answer for answer in answers if answer is not None]
        assert all(answer.rows for answer in found)
        if not found:
            continue
        for what, unit, values in (
            ("wall", "ms", [answer.seconds * 1e3 for answer in found]),
            ("command's peak", "MB", [answer.asker_mb for answer in found]),
            ("audit's peak", "MB", [answer.audit_mb for answer in found]),
        ):
            figure = Figure(f"{name}: {what}", statistics.median(values), unit, len(found))
            print(f"{figure.name:48} {figure.median:12,.0f} {unit}", flush=True)
            yield figure


def main() -> None:
    """Runs it."""
    asking = argparse.ArgumentParser(description=__doc__)
    asking.add_argument("--events", type=int, default=1_000_000)
    asking.add_argument("--months", type=int, default=12)
    asking.add_argument("--rounds", type=int, default=5)
    asking.add_argument("--keep", type=Path, default=None)
    given = asking.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        store = given.keep or Path(folder) / "store"
        store.mkdir(parents=True, exist_ok=True)
        keys = months(given.events, given.months, store)
        data = Path(folder) / "data"
        data.mkdir()
        Places(data).archive.symlink_to(store.resolve())
        figures = asyncio.run(measure(keys, given.rounds, store, data))
    show(figures, "months: wall")


if __name__ == "__main__":
    main()
