"""From a batch of log records through react, decide and commit: records a second.

python -m tests.bench.inbox [--profile]
"""

import cProfile
import pstats
import sys
from dataclasses import dataclass
from datetime import timedelta
from itertools import count
from typing import Any

from prometheus_client import CollectorRegistry

from libs.eventlog.envelope import GENESIS, Origin, encode
from libs.eventlog.store import Store
from libs.eventlog.writer import Writer
from libs.messaging.inbox import Inbox
from libs.messaging.position import START as NOTHING
from libs.messaging.position import Position, RelayHeaders
from libs.timekeeping.clock import SteppedClock
from tests.bench.figures import Figure, per_second, show
from tests.integration.runtime.toys import START, Thrown, ball, catcher
from tests.stack import room

RECORDS = 10_000
BATCH = 500


@dataclass(frozen=True)
class Record:
    topic: str
    partition: int
    offset: int
    key: bytes
    value: bytes
    headers: list[tuple[str, bytes]]


def records(number: int, first: count, heard: bool) -> list[Record]:  # type: ignore[type-arg]
    out = []
    for _ in range(number):
        at = next(first)
        subject = ball(at)
        state, _recorded = encode(
            Thrown(count=1, back_by=START + timedelta(hours=1)),
            source="/bihuan/thrower",
            subject=subject,
            sequence=1,
            previous=GENESIS,
            time=START,
            origin=Origin("bench", "agent:1"),
        )
        position = Position(1, at + 1)
        after = Position(1, at) if at else NOTHING
        kind = Thrown.type if heard else "ball.dropped.v1"
        headers = RelayHeaders(kind, "/bihuan/thrower", position, after)
        out.append(Record("complaints.log", 0, at, subject.encode(), state, headers.raw()))
    return out


def measure(name: str, heard: bool, dsn: str) -> Figure:
    store = Store(catcher(), dsn)
    writer = Writer(catcher(), store, SteppedClock(START), partitions=12)
    writer.start()
    inbox = Inbox(catcher(), writer, topic="complaints.log", registry=CollectorRegistry())
    inbox.load([0], "bench")
    first = count(inbox.progress[0].processed)
    made: list[list[Record]] = [records(BATCH, first, heard) for _ in range(6 * RECORDS // BATCH)]
    left = iter(made)

    def run() -> None:
        for _ in range(RECORDS // BATCH):
            inbox.take(next(left))

    def profiled() -> Any:
        with cProfile.Profile() as profile:
            run()
        pstats.Stats(profile).sort_stats("tottime").print_stats(25)

    figure = per_second(name, RECORDS, run)
    if "--profile" in sys.argv:
        profiled()
    store.close()
    return figure


def main() -> None:
    """Runs it on the shared test servers."""
    with room(("heard", "passed"), with_topics=False) as where:
        show(
            [
                measure("heard: react, decide, one event each", True, where.service_dsns["heard"]),
                measure("passed over by type", False, where.service_dsns["passed"]),
            ],
            "heard: react, decide, one event each",
        )


if __name__ == "__main__":
    main()
