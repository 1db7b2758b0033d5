"""Six services in six processes on real Kafka and PostgreSQL, people around them, and an oracle.

The people never give up: what was not answered is asked again under the same key, as a gateway or a
desk would. The oracle shares no code with the services: it reads the log with a plain consumer and
the databases with plain SQL.
"""

import asyncio
import itertools
import json
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import psycopg
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from cli.places import SERVICES, Places
from cli.player import Denied, Player, message_of, to_bytes
from cli.system import System, database
from infra.local import LocalStack
from libs.messaging.clients import running

ASKED_AGAIN_MAX = 5
PATIENCE_SECONDS = 120.0
"""Far more than anything takes; a loop that is not closed by then is lost."""
RETRY_SECONDS = 0.2
NOT_OURS = b"not ours"
"""The key of every record that a test put into the log itself."""
SATISFIED = {"score": 9, "resolved": True}

LOOP = Counter(
    {
        "complaint.registered.v1": 1,
        "complaint.verified.v1": 1,
        "complaint.answered.v1": 1,
        "complaint.contact_linked.v1": 1,
        "complaint.closed.v1": 1,
        "work.routed.v1": 1,
        "work.assigned.v1": 1,
        "work.accepted.v1": 1,
        "work.answered.v1": 1,
        "work.ended.v1": 1,
        "survey.asked.v1": 1,
        "survey.answered.v1": 1,
        "survey.concluded.v1": 1,
        "notice.issued.v1": 3,
        "clocks.started.v1": 2,
        "clock.met.v1": 5,
    }
)
"""One closed loop of a mobile coverage complaint, as EVENTS has it: written down, not measured."""


@dataclass
class Crew:
    """Customers and agents who follow the log and act on it until every loop is closed."""

    system: System
    player: Player
    told: dict[str, str] = field(default_factory=dict)
    """Message -> complaint, once registered."""
    waiting: set[str] = field(default_factory=set)
    """Messages whose complaints nobody works on."""
    receipts: dict[str, str] = field(default_factory=dict)
    closed: set[str] = field(default_factory=set)
    seats: dict[str, str] = field(default_factory=dict)
    _teams: dict[str, str] = field(default_factory=dict)
    _acknowledged: set[str] = field(default_factory=set)
    _numbers: Any = field(default_factory=itertools.count)
    _busy: set[asyncio.Task[None]] = field(default_factory=set)
    _failed: list[BaseException] = field(default_factory=list)

    async def tell(self, count: int) -> list[str]:
        """So many customers say something; returns their messages."""
        names = [f"m{next(self._numbers)}" for _ in range(count)]
        for name in names:
            await self.tell_as(name)
        return names

    async def tell_as(self, name: str, *, of: str | None = None) -> None:
        """One customer says one thing, on Kafka; `of` makes it a further contact of that one's."""
        self.told.setdefault(of or name, "")
        await self.player.say("crew", name, datetime.now(UTC), **words_of(of or name))

    async def until_told(self, *names: str) -> None:
        """Waits until each of these is registered."""
        await self._until(lambda: all(self.told[name] for name in names))

    def works_on(self, complaint: str) -> None:
        """From now on somebody works on a complaint that waited."""
        self.waiting -= {name for name, one in self.told.items() if one == complaint}
        self._begin(complaint)

    async def until_closed(self, names: Iterable[str]) -> None:
        """Waits until each of these loops is closed; raises TimeoutError, or what people met."""
        await self._until(lambda: all(self.told[name] in self.closed for name in names))

    async def _until(self, come: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not come():
                if self._failed:
                    raise self._failed[0]
                await asyncio.sleep(0.05)

    # -- what people do when the log shows them something ------------------------------------------

    async def follow(self) -> None:
        """Shows people the log, from its beginning, for as long as they are there."""
        while True:
            try:
                await self._follow()
            except OSError:
                await asyncio.sleep(RETRY_SECONDS)

    async def _follow(self) -> None:
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self.system.stack.bootstrap,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            fetch_max_wait_ms=50,
        )
        async with running(consumer):
            places = log_places(self.system)
            consumer.assign(places)
            await consumer.seek_to_beginning(*places)
            while True:
                for records in (await consumer.getmany(timeout_ms=100)).values():
                    for record in records:
                        if record.key != NOT_OURS:
                            self._heard(json.loads(record.value))

    def _heard(self, event: dict[str, Any]) -> None:
        complaint, data = event["subject"], event["data"]
        match event["type"]:
            case "complaint.registered.v1":
                told = data["registration"]
                self.told[told["contact"]["message"]] = complaint
                self.receipts[complaint] = told["correspondent"]["receipt"]
            case "work.assigned.v1":
                self._teams[complaint] = data["team"]
                self._begin(complaint)
            case "notice.issued.v1" if data["kind"] == "receipt":
                self._acknowledged.add(complaint)
                self._begin(complaint)
            case "survey.asked.v1":
                self._do(self._reply(complaint))
            case "complaint.closed.v1":
                self.closed.add(complaint)

    def _begin(self, complaint: str) -> None:
        """Work begins once it is assigned and its customer has the receipt.

        Quicker people would answer while sla_watch is dead, and then a clock is cancelled at the
        closing that else was met: right, but another loop than the one the oracle has.
        """
        acknowledged = complaint in self._acknowledged and complaint in self._teams
        if acknowledged and not any(self.told.get(name) == complaint for name in self.waiting):
            self._do(self._handle(complaint, self._teams[complaint]))

    def _do(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._busy.add(task)
        task.add_done_callback(self.done)

    def done(self, task: "asyncio.Task[None]") -> None:
        self._busy.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._failed.append(error)

    async def _handle(self, complaint: str, team: str) -> None:
        if not self.seats:
            told = await self.patiently(lambda: self.player.get("routing", "/teams"))
            self.seats = {one["team"]: one["seats"][0]["agent"] for one in told["teams"]}
        who = {"actor": f"agent:{self.seats[team]}", "team": team}
        body = {"explanation": "基站已修复", "decision": "upheld", "told_by": "message"}
        for step, said in (("accept", {}), ("answer", body)):
            path, key = f"/work/{complaint}/{step}", f"{complaint}-{step}"
            await self.patiently(
                lambda path=path, said=said, key=key: self.player.do(  # type: ignore[misc] # bound at once
                    "routing", path, said, key=key, **who
                )
            )

    async def _reply(self, complaint: str) -> None:
        at = datetime.now(UTC)
        await self.patiently(
            lambda: self.player.say(
                "crew",
                f"{complaint}-reply",
                at,
                kind="survey_reply",
                channel="sms",
                receipt=self.receipts[complaint].replace("-", ""),
                survey=SATISFIED,
            )
        )

    async def patiently(self, ask: Callable[[], Any]) -> Any:
        """Asks again, under the same key, while nobody answers or the answer is "not now"."""
        while True:
            try:
                return await ask()
            except (httpx.TransportError, KafkaError):
                pass  # a message sent twice is the same message
            except Denied as error:
                if error.status != 503:
                    raise
            await asyncio.sleep(RETRY_SECONDS)

    async def rest(self) -> None:
        """Everybody goes home."""
        for task in list(self._busy):
            task.cancel()
        await asyncio.gather(*self._busy, return_exceptions=True)


def words_of(name: str) -> dict[str, Any]:
    """What the customer of this message says; each is somebody else."""
    number = f"189{abs(hash_of(name)) % 10**8:08d}"
    return {
        "kind": "words",
        "channel": "sms",
        "text": "手机没信号",
        "category": "mobile.coverage",
        "subscriber": number,
        "reply_to": {"kind": "sms", "address": number},
    }


def hash_of(name: str) -> int:
    """A number of its own for each name; the same in every run."""
    return int.from_bytes(name.encode(), "big") * 7919


def message_bytes(name: str) -> bytes:
    """The same message as it goes over HTTP."""
    return to_bytes(message_of("crew", name, datetime.now(UTC), **words_of(name)))


def log_places(system: System) -> list[TopicPartition]:
    """Every partition of `complaints.log`."""
    return [TopicPartition("complaints.log", number) for number in range(system.partitions)]


@asynccontextmanager
async def six(
    folder: Path, *, working: bool = True, kafka: Mapping[str, str] | None = None
) -> AsyncIterator[tuple[System, Crew]]:
    """Six processes and their people; not `working`, they only tell.

    `kafka` goes on top of our settings of the broker.
    """
    places = Places(folder)
    servers = LocalStack(places.stack, broker="kafka", durable=False, kafka_settings=kafka)
    system = System(places, processes=True, servers=servers)
    await system.start()
    try:
        async with system.player() as player:
            crew = Crew(system, player)
            following = asyncio.create_task(crew.follow() if working else asyncio.sleep(0))
            following.add_done_callback(crew.done)
            try:
                yield system, crew
            finally:
                following.cancel()
                await asyncio.gather(following, return_exceptions=True)
                await crew.rest()
    finally:
        await system.stop()


# -- the oracle -----------------------------------------------------------------------------------


async def log_of(system: System) -> list[tuple[int, int, bytes]]:
    """Every record of the log that a service sent: partition, offset, bytes."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=system.stack.bootstrap,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
    )
    async with running(consumer):
        places = log_places(system)
        consumer.assign(places)
        ends = await consumer.end_offsets(places)
        await consumer.seek_to_beginning(*places)
        found: list[tuple[int, int, bytes]] = []
        while any([await consumer.position(place) < ends[place] for place in places]):
            for place, records in (await consumer.getmany(timeout_ms=200)).items():
                found += [
                    (place.partition, one.offset, one.value)
                    for one in records
                    if one.key != NOT_OURS
                ]
    return sorted(found)


async def check(system: System, crew: Crew, names: Iterable[str], loop: Counter[str]) -> int:
    """Nothing lost, nothing doubled, nothing out of order; returns how many events there are."""
    for service in SERVICES:
        await quiet(system, service)
    records = [json.loads(value) for _, _, value in await log_of(system)]
    ids = Counter(record["id"] for record in records)
    assert [one for one, times in ids.items() if times > 1] == [], "doubled on the log"
    last: dict[tuple[str, str], int] = defaultdict(int)
    kinds: dict[str, Counter[str]] = defaultdict(Counter)
    for record in records:
        stream = (record["source"], record["subject"])
        assert int(record["sequence"]) == last[stream] + 1, f"out of order: {stream}"
        last[stream] += 1
        kinds[record["subject"]][record["type"]] += 1
    for name in names:
        assert kinds[crew.told[name]] == loop, (
            f"{name}: {kinds[crew.told[name]] - loop}, missing {loop - kinds[crew.told[name]]}"
        )
    registered = [one for one in records if one["type"] == "complaint.registered.v1"]
    messages = Counter(one["data"]["registration"]["contact"]["message"] for one in registered)
    assert [one for one, times in messages.items() if times > 1] == [], (
        "told once, registered twice"
    )
    _same_as_stored(system, records)
    await _proven_whole(system, crew)
    return len(records)


async def quiet(system: System, service: str) -> None:
    """Waits until a service has sent and taken everything."""
    topic_ends = None
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            with psycopg.connect(system.stack.dsn(database(service))) as connection:
                stored = connection.execute(
                    "SELECT coalesce(max(notification_id), 0) FROM stored_events"
                ).fetchone()
                sent = connection.execute("SELECT coalesce(max(id), 0) FROM relay_sent").fetchone()
                taken = connection.execute(
                    "SELECT partition, next FROM inbox_offset WHERE topic = 'complaints.log'"
                ).fetchall()
            assert stored is not None
            assert sent is not None
            ends = await _ends(system)
            at = dict(taken)
            behind = [number for number, end in ends.items() if at.get(number, 0) < end]
            if sent[0] >= stored[0] and not behind and ends == topic_ends:
                return
            topic_ends = ends
            await asyncio.sleep(0.3)


async def _ends(system: System) -> dict[int, int]:
    consumer = AIOKafkaConsumer(bootstrap_servers=system.stack.bootstrap, enable_auto_commit=False)
    async with running(consumer):
        ends = await consumer.end_offsets(log_places(system))
    return {place.partition: end for place, end in ends.items()}


async def _proven_whole(system: System, crew: Crew) -> None:
    """Audit finds no fault in exactly what is on the log, at a moment when nothing comes.

    Asking may put something there itself: a token that audit has not seen is on record first.
    """
    for _ in range(ASKED_AGAIN_MAX):
        await quiet(system, "audit")
        before = len(await log_of(system))
        proven = await crew.player.get("audit", "/verify", role="auditor")
        assert proven["faults"] == []
        if len(await log_of(system)) == before:
            assert proven["events"] == before
            return
    raise AssertionError("the log never came to rest")


def _same_as_stored(system: System, records: list[dict[str, Any]]) -> None:
    """What each service stored is what stands on the log, and nothing else."""
    on_log: dict[str, set[str]] = defaultdict(set)
    for record in records:
        on_log[record["source"]].add(record["id"])
    for service in SERVICES:
        with psycopg.connect(system.stack.dsn(database(service))) as connection:
            rows = connection.execute("SELECT state FROM stored_events").fetchall()
        stored = {json.loads(bytes(state))["id"] for (state,) in rows}
        assert stored == on_log[f"/bihuan/{service}"], service
