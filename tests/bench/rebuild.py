"""Rebuilding a service's whole database against a raw scan of the same log with JSON decode.

python -m tests.bench.rebuild [--events 100000] [--services routing,sla_watch]

Some loops are really played; their complaints are then told again under other ids, many at once,
until Kafka's log is as long as asked for. Each rebuild runs in a process of its own, whose memory
is its own.
"""

import argparse
import asyncio
import importlib
import multiprocessing
import os
import tempfile
import time
from collections.abc import Iterator, Sequence
from itertools import count
from pathlib import Path
from uuid import UUID, uuid5

from confluent_kafka import Producer
from pydantic_core import from_json

from cli.system import database
from libs.eventlog.work import partition_of
from libs.messaging.log_source import KafkaLog, Log
from libs.messaging.position import START, Position, RelayHeaders
from libs.messaging.topics import create_topics, wanted_topics
from tests.again import made_again
from tests.bench.figures import Figure, show
from tests.bench.state import SPACE, Story, again, played
from tests.e2e.world import DATABASES
from tests.stack import Room, emptied, room

PREFIX = "bench."
PARTITIONS = 12
AT_ONCE = 500
"""Complaints whose events come one after another, as when so many are open."""


def told(bootstrap: str, stories: Sequence[Story], events: int) -> int:
    """So many events on a log of their own, or a few more; returns how many."""
    create_topics(bootstrap, wanted_topics(PARTITIONS, prefix=PREFIX))
    producer = Producer({"bootstrap.servers": bootstrap, "linger.ms": 50})
    numbers = {source: count(1) for story in stories for source, _, _ in story}
    last: dict[tuple[str, int], Position] = {}
    written = 0
    for subject, source, kind, value in _interleaved(stories, events):
        partition = partition_of(subject, PARTITIONS)
        position = Position(1, next(numbers[source]))
        after = last.get((source, partition), START)
        last[(source, partition)] = position
        while True:
            try:
                producer.produce(
                    f"{PREFIX}complaints.log",
                    value,
                    key=subject,
                    partition=partition,
                    headers=[*RelayHeaders(kind, source, position, after).raw()],
                )
                break
            except BufferError:
                producer.poll(0.1)
        written += 1
        if written % 10_000 == 0:
            producer.poll(0)
    producer.flush()
    return written


def _interleaved(stories: Sequence[Story], events: int) -> Iterator[tuple[str, str, str, bytes]]:
    written, complaints = 0, count()
    while written < events:
        open_ones = []
        for _ in range(AT_ONCE):
            number = next(complaints)
            subject: UUID = uuid5(SPACE, str(number))
            open_ones.append((str(subject), again(stories[number % len(stories)], subject)))
        for step in range(max(len(story) for _, story in open_ones)):
            for name, story in open_ones:
                if step < len(story):
                    written += 1
                    yield name, *story[step]


def scanned(bootstrap: str) -> float:
    """Seconds to read and decode every record of the log, and nothing else."""
    began = time.perf_counter()
    log = Log(KafkaLog(bootstrap, f"{PREFIX}complaints.log", PARTITIONS))
    for one in log.read():
        from_json(one.value or b"")
    log.close()
    return time.perf_counter() - began


def rebuilt(service: str, dsn: str, bootstrap: str, answer: "multiprocessing.Queue[float]") -> None:
    """In a process of its own: seconds, its processor's, MiB before and at most, own events."""
    described = importlib.import_module(f"services.{service}.main").describe()
    before = memory_mib()
    began = time.perf_counter()
    done = asyncio.run(
        made_again(
            described,
            dsn,
            bootstrap,
            topic=f"{PREFIX}complaints.log",
            topic_id="bench",
            partitions=PARTITIONS,
        )
    )
    answer.put(time.perf_counter() - began)
    answer.put(time.process_time())
    answer.put(before)
    answer.put(memory_mib())
    answer.put(done.events)


def memory_mib() -> float:
    """The most this process ever had in memory; the kernel's other figure counts its parent's."""
    status = Path("/proc/self/status").read_text("ascii")
    (line,) = (one for one in status.splitlines() if one.startswith("VmHWM:"))
    return int(line.split()[1]) / 1024


def measure(where: Room, events: int, services: Sequence[str]) -> list[Figure]:
    with tempfile.TemporaryDirectory() as folder:
        found = asyncio.run(played(where, Path(folder)))
    began = time.perf_counter()
    records = told(where.bootstrap, found.stories, events)
    print(f"{records:,} events told in {time.perf_counter() - began:.0f} s")
    figures = [
        Figure("raw scan with JSON decode", records / scanned(where.bootstrap), "/s", 1),
    ]
    processes = multiprocessing.get_context("spawn")
    for service in services:
        emptied(where.dsns[database(service)])
        dsn = where.service_dsns[database(service)]
        answer: multiprocessing.Queue[float] = processes.Queue()
        process = processes.Process(target=rebuilt, args=(service, dsn, where.bootstrap, answer))
        process.start()
        seconds, busy, before, most, own = (answer.get() for _ in range(5))
        process.join()
        print(
            f"{service}: {seconds:.0f} s, {busy:.0f} s of Python's processor, {own:,.0f} own "
            f"events, {before:.0f} MiB before and {most:.0f} at most; load {os.getloadavg()[0]:.1f}"
        )
        figures.append(Figure(f"{service} rebuilt, records", records / seconds, "/s", 1))
    return figures


def main() -> None:
    """Runs it on the shared test servers."""
    asking = argparse.ArgumentParser(description=__doc__)
    asking.add_argument("--events", type=int, default=100_000)
    asking.add_argument("--services", default="routing,sla_watch")
    given = asking.parse_args()
    print(f"load before: {os.getloadavg()[0]:.1f}")
    with room(DATABASES) as where:
        figures = measure(where, given.events, given.services.split(","))
        show(figures, "raw scan with JSON decode")


if __name__ == "__main__":
    main()
