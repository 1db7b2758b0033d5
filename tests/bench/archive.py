"""An archived month: how large it is, how fast it is written, read, searched, and asked.

python -m tests.bench.archive [--events 200000] [--months 1] [--keep FOLDER]

Some loops are really played; many more complaints are made of them (synthetic.py). Against gzip of
the same log as lines. Questions go over as many months as asked for: one file, copied.
"""

import argparse
import asyncio
import random
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

from libs.eventlog.service import LogRecord
from services.audit.archive import read
from services.audit.cold import form
from services.audit.cold.asking import QUESTIONS, ask
from services.audit.cold.form import CohortFile, Record, file_digest, summed
from services.audit.cold.store import Folder, Key
from tests.bench.figures import Figure, show
from tests.bench.state import played
from tests.bench.synthetic import Story, records
from tests.e2e.world import DATABASES
from tests.stack import room

PARTITIONS = 12
SEARCHED = 30


def filed(one: LogRecord) -> Record:
    """As the archive would have it."""
    seen = read(one.value)
    assert seen is not None
    return Record(
        *(one.partition, 1, one.offset, one.source, one.subject, seen.sequence, one.position),
        *(one.after, one.type, seen.time, seen.previous, sha256(one.value).digest(), one.value),
    )


def month(store: Folder, cohort: str, told: list[Record], folder: Path) -> tuple[Path, float]:
    """Writes one month into the store, read back; its path, and the seconds that took."""
    path = folder / "cohort.parquet"
    began = time.perf_counter()
    written = form.write(path, cohort, told)
    key = Key(cohort, file_digest(path))
    store.put(key, path)
    kept = store.proven(key)
    assert summed(CohortFile(kept)).runs == written.runs
    return kept, time.perf_counter() - began


def gzipped(told: list[Record], folder: Path) -> int:
    """Bytes of the same records as lines, in the order they were said, under gzip."""
    lines = folder / "log.jsonl"
    with lines.open("wb") as out:
        for one in sorted(told, key=lambda one: (one.offset, one.partition)):
            out.write(one.state + b"\n")
    subprocess.run(["gzip", "-f", str(lines)], check=True)
    return (folder / "log.jsonl.gz").stat().st_size


def searched(path: Path, told: list[Record]) -> list[float]:
    """Seconds that finding one complaint's records takes, opening included."""
    chance, seconds = random.Random(3), []
    for _ in range(SEARCHED):
        subject = chance.choice(told).subject
        began = time.perf_counter()
        file = CohortFile(path)
        assert file.of([subject])
        file.close()
        seconds.append(time.perf_counter() - began)
    return seconds


def stories() -> list[Story]:
    """What the running system says of some complaints."""
    with room(DATABASES) as where, tempfile.TemporaryDirectory() as folder:
        return [list(one) for one in asyncio.run(played(where, Path(folder))).stories]


def measure(events: int, months: int, folder: Path, told: list[Story]) -> list[Figure]:
    """One month of so many events; questions go over it and copies of it under other months."""
    store = Folder(folder / "store")
    stream = map(filed, records(told, events, PARTITIONS))
    some = sorted(stream, key=lambda one: one[:3])
    path, seconds = month(store, "2020-01", some, folder)
    paths = [path]
    for number in range(1, months):
        cohort = f"{2020 + number // 12}-{number % 12 + 1:02}"
        store.put(Key(cohort, path.stem), path)
        paths.append(store.local(Key(cohort, path.stem)))
    plain = sum(len(one.state) for one in some)
    found = sorted(searched(path, some))
    print(f"{len(some):,} events a month, {len(some) * months:,} asked")
    return [
        Figure("bytes an event, as it is", plain / len(some), "B", 1),
        Figure("bytes an event, gzip", gzipped(some, folder) / len(some), "B", 1),
        Figure("bytes an event, its month", path.stat().st_size / len(some), "B", 1),
        Figure("written, read back, compared", len(some) / seconds, "/s", 1),
        Figure("one complaint found", statistics.median(found) * 1e3, "ms", SEARCHED),
        Figure("one complaint found, worst", found[-1] * 1e3, "ms", SEARCHED),
        *asked(paths),
    ]


def asked(paths: list[Path]) -> Iterator[Figure]:
    """The ready-made questions over all months, five times each."""
    for name, sql in QUESTIONS.items():
        took = []
        for _ in range(5):
            began = time.perf_counter()
            ask(paths, sql)
            took.append(time.perf_counter() - began)
        yield Figure(f"asked: {name}", statistics.median(took) * 1e3, "ms", len(took))


def main() -> None:
    """Runs it."""
    asking = argparse.ArgumentParser(description=__doc__)
    asking.add_argument("--events", type=int, default=200_000)
    asking.add_argument("--months", type=int, default=1)
    asking.add_argument("--keep", type=Path, default=None)
    given = asking.parse_args()
    told = stories()
    with tempfile.TemporaryDirectory(dir=given.keep) as folder:
        show(measure(given.events, given.months, Path(folder), told), "bytes an event, gzip")


if __name__ == "__main__":
    main()
