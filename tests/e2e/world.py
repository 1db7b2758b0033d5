"""The six services on the session's real servers, acted on only over channels and HTTP."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from aiokafka import AIOKafkaConsumer, TopicPartition

from cli.places import SERVICES, Places
from cli.player import Player
from cli.system import System, database
from contracts.catalogue import DECODE
from libs.decider import Recorded
from libs.eventlog.envelope import decode
from libs.eventlog.work import partition_of
from libs.messaging.app import App
from libs.messaging.clients import running
from libs.messaging.stepping import NeverSettles, Stepper
from libs.timekeeping.clock import SteppedClock
from tests.stack import Room, room, shared_stack

SHANGHAI = ZoneInfo("Asia/Shanghai")
DATABASES = (*map(database, SERVICES), "bihuan_vault")


def sh(text: str) -> datetime:
    """An instant as SCENARIOS writes them: `2025-10-09 20:30:00`, Asia/Shanghai."""
    return datetime.fromisoformat(text).replace(tzinfo=SHANGHAI)


class RoomServers:
    """A test's room as the servers of a System."""

    def __init__(self, where: Room) -> None:
        self.where = where
        self.broker_kind = where.broker_kind
        self.bootstrap = where.bootstrap

    @property
    def partitions_fixed(self) -> int | None:
        return self.where.topics[0].partitions

    def start(self) -> None:
        """They run already."""

    def stop(self) -> None:
        """They go on for the next test."""

    def dsn(self, name: str) -> str:
        return self.where.dsns.get(name) or shared_stack().dsn(name)

    def service_dsn(self, name: str) -> str:
        return self.where.service_dsns[name]

    def create_databases(self, names: Iterable[str]) -> None:
        assert set(names) <= set(self.where.dsns)


class World:
    """A running system on a stepped clock, and the people around it."""

    def __init__(self, system: System, player: Player, clock: SteppedClock) -> None:
        self.system = system
        self.player = player
        self.clock = clock
        self.stepper = Stepper(tuple(system.apps.values()), clock)
        self._messages = 0

    def app(self, name: str) -> App:
        return self.system.apps[name]

    async def at(self, text: str) -> datetime:
        """Plays on until this instant (Asia/Shanghai); timers due at it have not fired yet."""
        instant = sh(text)
        await self.stepper.run_until(instant)
        return instant

    async def settle(self) -> None:
        """Everything that follows from what was done, and timers due at this very instant."""
        await self.stepper.settle()
        await self.stepper.fire_present()

    async def say(self, source: str = "10010", message: str | None = None, **words: Any) -> str:
        """A channel message told now; returns its complaint's id once all is quiet."""
        self._messages += 1
        name = message or f"m-{self._messages}"
        told = {"kind": "words", "channel": "hotline_10010", "text": "……", **words}
        await self.player.say(source, name, self.clock.now(), **told)
        await self.stepper.settle()
        return str((await self.player.outcome(source, name)).get("complaint"))

    async def restart(self, service: str) -> None:
        """Stops a service and starts it anew, as an operator would."""
        await self.system.restart(service)
        self.stepper = Stepper(tuple(self.system.apps.values()), self.clock)
        await self.settle()

    @asynccontextmanager
    async def without(self, service: str) -> AsyncIterator[None]:
        """This service is down meanwhile: what is told in between, it hears only afterwards.

        It is down for every scene of a shared world: whoever lets time pass meanwhile takes an
        instant at which no other scene plays.
        """
        await self.app(service).stop()
        others = tuple(app for name, app in self.system.apps.items() if name != service)
        self.stepper = Stepper(others, self.clock)
        try:
            yield
        except BaseException:
            with suppress(NeverSettles):  # what failed says more
                await self.restart(service)
            raise
        await self.restart(service)

    @asynccontextmanager
    async def deaf(self, service: str) -> AsyncIterator[None]:
        """This service hears nothing meanwhile, though its doors are open: facts in flight.

        Nothing settles before it hears again.
        """
        consumer = self.app(service).consumers[0].kafka
        held = consumer.assignment()
        consumer.pause(*held)
        try:
            yield
        finally:
            consumer.resume(*held)
        await self.settle()

    # -- staff -----------------------------------------------------------------------------------

    async def seat(self, complaint: str) -> dict[str, Any]:
        """Who is asked to take it, or may take it from its queue, as arguments for `player.do`."""
        work = await self.player.get("routing", f"/work/{complaint}")
        teams = (await self.player.get("routing", "/teams"))["teams"]
        asked = work["team"]
        fit = [one for one in teams if one["team"] == asked or (work["queue"] in one["queues"])]
        team = next((one for one in fit if one["team"] == asked), fit[0])
        agent = work["agent"] or team["seats"][0]["agent"]
        return {"actor": f"agent:{agent}", "team": team["team"], "role": "manager"}

    async def accepts(self, complaint: str, who: dict[str, Any] | None = None) -> dict[str, Any]:
        """Somebody who is asked, or whose queue it waits in, takes it now; returns who."""
        who = who or await self.seat(complaint)
        work = await self.player.get("routing", f"/work/{complaint}")
        step = "accept" if work["team"] else "take"
        await self.player.do("routing", f"/work/{complaint}/{step}", **who)
        await self.settle()
        return who

    async def answers(
        self, complaint: str, who: dict[str, Any], explanation: str = "已处理"
    ) -> None:
        """Who has it answers now, by message."""
        body = {"explanation": explanation, "decision": "upheld", "told_by": "message"}
        await self.player.do("routing", f"/work/{complaint}/answer", body, **who)
        await self.settle()

    async def replies(self, receipt: str, score: int, *, resolved: bool) -> None:
        """The customer answers the survey now."""
        self._messages += 1
        await self.player.say(
            "sms",
            f"reply-{self._messages}",
            self.clock.now(),
            kind="survey_reply",
            channel="sms",
            receipt=receipt.replace("-", ""),
            survey={"score": score, "resolved": resolved},
        )
        await self.settle()

    async def desk(
        self, complaint: str, step: str, body: Any = None, case: int = 1, *, role: str = "desk"
    ) -> None:
        """The 10015 desk does something with a case now; `role` headquarters from tier 3 on."""
        path = f"/complaints/{complaint}/cases/{case}/{step}"
        await self.player.do("escalation", path, body, role=role, actor="agent:1501")
        await self.settle()

    # -- looking ---------------------------------------------------------------------------------

    async def receipt(self, complaint: str) -> str:
        """The number its customer was told."""
        shown = await self.player.get("intake", f"/complaints/{complaint}", role="auditor")
        return str(shown["receipt"])

    async def clocks(self, complaint: str) -> dict[tuple[str, int], dict[str, Any]]:
        """Its clocks by code and cycle; instants as aware datetimes."""
        rows = await self.player.get("sla_watch", f"/clocks/{complaint}")
        for row in rows:
            for name in ("clock_from", "due_at", "met_at", "cancelled_at"):
                row[name] = row[name] and datetime.fromisoformat(row[name])
        return {(row["clock"], row["cycle"]): row for row in rows}

    async def log(self) -> list[Recorded[Any]]:
        """Every event of the log, partition by partition."""
        return [decode_event(value) for value in await read_log(self.system)]

    async def events(self, complaint: str, *types: str) -> list[Recorded[Any]]:
        """One complaint's events in the log's order; `types` without their version."""
        place = partition_of(complaint, self.system.partitions)
        return [
            one
            for one in map(decode_event, await read_log(self.system, place))
            if one.subject == complaint and (not types or one.type.rsplit(".", 1)[0] in types)
        ]


def decode_event(value: bytes) -> Recorded[Any]:
    """A value of the log."""
    return decode(value, DECODE)


async def read_log(system: System, partition: int | None = None) -> list[bytes]:
    """The raw values of `complaints.log`, of one partition or partition by partition."""
    topic = f"{system.topic_prefix}complaints.log"
    consumer = AIOKafkaConsumer(
        bootstrap_servers=system.stack.bootstrap,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        max_partition_fetch_bytes=16 * 1024 * 1024,
    )
    await consumer.start()
    try:
        wanted = range(system.partitions) if partition is None else (partition,)
        places = [TopicPartition(topic, number) for number in wanted]
        consumer.assign(places)
        ends = await consumer.end_offsets(places)
        found: dict[TopicPartition, list[bytes]] = {place: [] for place in places}
        await consumer.seek_to_beginning(*places)
        while any([await consumer.position(place) < ends[place] for place in places]):
            batch = await consumer.getmany(*places, timeout_ms=200)
            for place, records in batch.items():
                found[place] += [one.value for one in records if one.value is not None]
        return [value for place in places for value in found[place]]
    finally:
        await consumer.stop()


async def ends(system: System, name: str) -> dict[int, int]:
    """Partition -> how many records a topic has come to."""
    topic = f"{system.topic_prefix}{name}"
    consumer = AIOKafkaConsumer(bootstrap_servers=system.stack.bootstrap, enable_auto_commit=False)
    async with running(consumer):
        places = [TopicPartition(topic, number) for number in range(system.partitions)]
        found = await consumer.end_offsets(places)
    return {place.partition: end for place, end in found.items()}


@asynccontextmanager
async def world(where: Room, folder: Path, start: str, **options: Any) -> AsyncIterator[World]:
    """The system up on a stepped clock from `start` (Asia/Shanghai)."""
    clock = SteppedClock(sh(start))
    system = System(
        Places(folder),
        clock=clock,
        servers=RoomServers(where),
        topic_prefix=where.prefix,
        **options,
    )
    await system.start()
    try:
        async with system.player() as player:
            playing = World(system, player, clock)
            await playing.settle()
            yield playing
    finally:
        await system.stop()


def play(
    folder: Path, start: str, scene: Callable[[World], Awaitable[None]], **options: Any
) -> None:
    """Runs a scene in a world of its own."""

    async def run(where: Room) -> None:
        async with world(where, folder, start, **options) as playing:
            await scene(playing)

    with room(DATABASES) as where:
        asyncio.run(run(where))
