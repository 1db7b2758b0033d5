"""Rebuilding a service's whole database against a raw scan of the same log with JSON decode.

python -m tests.bench.rebuild [--balls N]
"""

import argparse
import asyncio
import tempfile
import time
from pathlib import Path

from aiokafka import AIOKafkaConsumer, TopicPartition
from pydantic_core import from_json

from libs.eventlog.store import Store
from libs.messaging.clients import running
from libs.messaging.rebuild import rebuild
from libs.messaging.stepping import Stepper
from libs.timekeeping.clock import SteppedClock
from tests.bench.figures import Figure, show
from tests.integration.runtime.toys import START, ball, catcher, playing, throw_ball
from tests.stack import Room, emptied, room

AT_ONCE = 200


async def told(where: Room, balls: int) -> str:
    """So many throws and catches on the log; returns the topic's id."""
    clock = SteppedClock(START)
    with tempfile.TemporaryDirectory() as folder:
        async with playing(where, Path(folder), clock) as apps:
            for first in range(0, balls, AT_ONCE):
                numbers = range(first, min(first + AT_ONCE, balls))
                await asyncio.gather(*(throw_ball(apps[0], ball(number)) for number in numbers))
            await Stepper(apps, clock).settle()
            return apps[1].inbox.topic_id


async def scanned(where: Room) -> tuple[int, float]:
    """Every record of the log read and decoded, and nothing else."""
    consumer = AIOKafkaConsumer(bootstrap_servers=where.bootstrap, enable_auto_commit=False)
    began, count = time.perf_counter(), 0
    async with running(consumer):
        topic = where.prefix + "complaints.log"
        places = [TopicPartition(topic, number) for number in range(where.topics[0].partitions)]
        consumer.assign(places)
        await consumer.seek_to_beginning(*places)
        ends = sum((await consumer.end_offsets(places)).values())
        while count < ends:
            for records in (await consumer.getmany(timeout_ms=200)).values():
                for record in records:
                    from_json(record.value)
                count += len(records)
    return count, time.perf_counter() - began


async def rebuilt(where: Room, topic_id: str) -> float:
    """The catcher's database dropped and made again from the log."""
    emptied(where.dsns["catcher"])
    dsn = where.service_dsns["catcher"]
    store = Store(catcher(), dsn)
    began = time.perf_counter()
    try:
        await rebuild(
            catcher(),
            store,
            dsn,
            bootstrap=where.bootstrap,
            topic=where.prefix + "complaints.log",
            topic_id=topic_id,
            partitions=where.topics[0].partitions,
            whole=True,
        )
    finally:
        store.close()
    return time.perf_counter() - began


async def measure(where: Room, balls: int) -> list[Figure]:
    topic_id = await told(where, balls)
    records, seconds = await scanned(where)
    scan = Figure("raw scan with JSON decode", records / seconds, "/s", 1)
    again = Figure("whole database rebuilt", records / await rebuilt(where, topic_id), "/s", 1)
    return [scan, again]


def main() -> None:
    """Runs it on the shared test servers."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--balls", type=int, default=10_000)
    told_ = asked.parse_args()
    with room(("thrower", "catcher")) as where:
        show(asyncio.run(measure(where, told_.balls)), "raw scan with JSON decode")


if __name__ == "__main__":
    main()
