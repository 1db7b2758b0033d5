"""The whole system under load: closed loops a second, and how long a message takes to be routed.

python -m tests.bench.system [--loops N] [--window N] [--one-process]

Six processes, PostgreSQL and Kafka with everything durable, and the people, all on the cores there
are: the people's own share of the processor is told with the figures. First a window of loops is
kept open until N are closed (a new one is told whenever one closes), which gives loops a second at
steady state; then loops are told at half that pace, which gives the time from a message's sending
to its complaint's `work.routed` being in the log.
"""

import argparse
import asyncio
import json
import resource
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil
import uvloop
from aiokafka import AIOKafkaConsumer, TopicPartition

from cli.places import Places
from cli.player import Player
from cli.system import System

SERVERS = ("postgres", "java")
WORDS = "手机信号不好，打电话总是断线"
WARM_UP = 0.25
"""The share of the loops that is closed before the clock starts."""


@dataclass
class People:
    """Customers and agents: they tell, take, answer and reply as fast as the log shows them to."""

    system: System
    player: Player
    run: str
    sent: dict[str, float] = field(default_factory=dict)
    routed: list[float] = field(default_factory=list)
    receipts: dict[str, str] = field(default_factory=dict)
    counted: Counter[str] = field(default_factory=Counter)
    closed: asyncio.Queue[float] = field(default_factory=asyncio.Queue)
    seats: dict[str, str] = field(default_factory=dict)
    told: int = 0
    busy: set[asyncio.Task[None]] = field(default_factory=set)

    async def sit_down(self) -> None:
        """Finds somebody in each team, for work that any of its seats may take."""
        answer = await self.player.get("routing", "/teams")
        self.seats = {one["team"]: one["seats"][0]["agent"] for one in answer["teams"]}

    async def tell(self) -> None:
        """One more customer says one more thing."""
        self.told += 1
        number = f"187{self.told:08d}"
        name = f"{self.run}-{self.told}"
        self.sent[name] = time.perf_counter()
        await self.player.say(
            "bench",
            name,
            datetime.now(UTC),
            kind="words",
            channel="sms",
            text=WORDS,
            subscriber=number,
            category="mobile.coverage",
            urgency="ordinary",
            reply_to={"kind": "sms", "address": number},
        )

    def heard(self, kind: str, value: bytes) -> None:
        """What people do when the log shows them something."""
        self.counted[kind] += 1
        act = {
            "complaint.registered.v1": self._registered,
            "work.routed.v1": self._routed,
            "work.assigned.v1": self._assigned,
            "survey.asked.v1": self._asked,
            "complaint.closed.v1": self._closed,
        }.get(kind)
        if act is not None:
            act(json.loads(value))

    def _registered(self, event: dict[str, Any]) -> None:
        told = event["data"]["registration"]
        self.receipts[event["subject"]] = told["correspondent"]["receipt"]
        self.sent[event["subject"]] = self.sent.pop(told["contact"]["message"])

    def _routed(self, event: dict[str, Any]) -> None:
        self.routed.append(time.perf_counter() - self.sent.pop(event["subject"]))

    def _assigned(self, event: dict[str, Any]) -> None:
        self._do(self._handle(event["subject"], event["data"]["team"], event["data"]["agent"]))

    def _asked(self, event: dict[str, Any]) -> None:
        self._do(self._reply(event["subject"]))

    def _closed(self, event: dict[str, Any]) -> None:
        assert event["data"]["outcome"] == "satisfied", event["data"]
        self.closed.put_nowait(time.perf_counter())

    def _do(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self.busy.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: "asyncio.Task[None]") -> None:
        self.busy.discard(task)
        if not task.cancelled() and task.exception() is not None:
            raise SystemExit(f"the people were refused: {task.exception()}")

    async def _handle(self, complaint: str, team: str, agent: str | None) -> None:
        who = {"actor": f"agent:{agent or self.seats[team]}", "team": team}
        await self.player.do("routing", f"/work/{complaint}/accept", **who)
        await self.player.do(
            "routing",
            f"/work/{complaint}/answer",
            {"explanation": "基站已修复", "decision": "upheld", "told_by": "message"},
            **who,
        )

    async def _reply(self, complaint: str) -> None:
        await self.player.say(
            "bench",
            f"{complaint}-reply",
            datetime.now(UTC),
            kind="survey_reply",
            channel="sms",
            receipt=self.receipts.pop(complaint),
            survey={"score": 9, "resolved": True},
        )


async def follow(system: System, people: People) -> None:
    """Shows people the log as it grows, from where it ends now."""
    topic = f"{system.topic_prefix}complaints.log"
    consumer = AIOKafkaConsumer(
        bootstrap_servers=system.stack.bootstrap, enable_auto_commit=False, fetch_max_wait_ms=20
    )
    await consumer.start()
    try:
        places = [TopicPartition(topic, number) for number in range(system.partitions)]
        consumer.assign(places)
        await consumer.seek_to_end(*places)
        while True:
            batch = await consumer.getmany(timeout_ms=100)
            for records in batch.values():
                for record in records:
                    people.heard(dict(record.headers)["type"].decode(), record.value)
    finally:
        await consumer.stop()


@asynccontextmanager
async def peopled(system: System, run: str) -> AsyncIterator[People]:
    """People around a running system."""
    async with system.player() as player:
        people = People(system, player, run)
        await people.sit_down()
        following = asyncio.create_task(follow(system, people))
        await asyncio.sleep(1)
        try:
            yield people
        finally:
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)


async def steady(people: People, loops: int, window: int) -> dict[str, float]:
    """Loops a second with a window of them open, after the first quarter of them."""
    await asyncio.gather(*(people.tell() for _ in range(window)))
    warm = int(loops * WARM_UP)
    began = 0.0
    spent = cpu()
    for number in range(loops):
        at = await people.closed.get()
        if number == warm:
            began, spent = at, cpu(people.system)
        if people.told < loops:
            await people.tell()
    counted = loops - warm - 1
    seconds = at - began
    now = cpu(people.system)
    shares = {f"cpu {name}": (now[name] - spent[name]) * 1000 / counted for name in now}
    return {
        "loops/s": counted / seconds,
        "events a loop": sum(people.counted.values()) / loops,
        **shares,
    }


async def paced(people: People, loops: int, rate: float) -> dict[str, float]:
    """Milliseconds from a message's sending to `work.routed`, at so many loops a second."""
    began = time.perf_counter()
    for number in range(loops):
        wait = began + number / rate - time.perf_counter()
        if wait > 0:
            await asyncio.sleep(wait)
        await people.tell()
    for _ in range(loops):
        await people.closed.get()
    cuts = statistics.quantiles(people.routed[int(loops * WARM_UP) :], n=100)
    return {"p50 to routed, ms": cuts[49] * 1000, "p99 to routed, ms": cuts[98] * 1000}


def cpu(system: System | None = None) -> dict[str, float]:
    """Processor seconds so far: each service, PostgreSQL, Kafka, and the people."""
    if system is None:
        return {}
    spent = {name: _times(process.pid) for name, process in system.running.items()}
    for name in SERVERS:
        spent[name] = sum(
            _times(one.pid) for one in psutil.process_iter(["name"]) if one.info["name"] == name
        )
    used = resource.getrusage(resource.RUSAGE_SELF)
    spent["people"] = used.ru_utime + used.ru_stime
    return spent


def _times(pid: int) -> float:
    try:
        used = psutil.Process(pid).cpu_times()
    except psutil.NoSuchProcess:
        return 0.0
    return float(used.user + used.system)


def memory(system: System) -> dict[str, float]:
    """Resident megabytes of each service's process."""
    return {
        f"MB {name}": psutil.Process(process.pid).memory_info().rss / 2**20
        for name, process in system.running.items()
    }


async def measure(loops: int, window: int, processes: bool) -> dict[str, float]:
    """All of it, on an installation of its own that is removed afterwards."""
    with tempfile.TemporaryDirectory(prefix="bihuan-bench-") as folder:
        system = System(Places(Path(folder)), processes=processes, broker="kafka")
        began = time.perf_counter()
        await system.start()
        try:
            found = {"start, s": time.perf_counter() - began}
            async with peopled(system, "steady") as people:
                found |= await steady(people, loops, window)
            async with peopled(system, "paced") as people:
                people.told = loops
                rate = found["loops/s"] / 2
                found |= await paced(people, min(loops, int(rate * 20)), rate)
            found |= memory(system)
        finally:
            await system.stop()
    return found


def main() -> None:
    """Measures and prints; JSON on the last line."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--loops", type=int, default=3000)
    asked.add_argument("--window", type=int, default=200)
    asked.add_argument("--one-process", action="store_true")
    told = asked.parse_args()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        found = runner.run(measure(told.loops, told.window, not told.one_process))
    for name, value in found.items():
        print(f"{name:24} {value:10.1f}")
    print(json.dumps({name: round(value, 2) for name, value in found.items()}))


if __name__ == "__main__":
    main()
