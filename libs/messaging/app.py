"""One running instance of a service: consumer, relay, timers, HTTP; started and stopped whole."""

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol, TypeVar

import psycopg
import uvicorn
from aiokafka.errors import KafkaError
from faststream.kafka import KafkaBroker
from prometheus_client import CollectorRegistry, Gauge, Histogram
from starlette.applications import Starlette

from libs.decider import Recorded
from libs.eventlog.service import Service
from libs.eventlog.store import Store
from libs.eventlog.work import Work
from libs.eventlog.writer import UNAVAILABLE, Writer
from libs.messaging import topics
from libs.messaging.access import AccessInForce
from libs.messaging.catching_up import CATCHING_UP, caught_up
from libs.messaging.channel import Channel, Door
from libs.messaging.commands import RuntimeCommands
from libs.messaging.consumer import Consumer
from libs.messaging.ends import Ends
from libs.messaging.inbox import Inbox
from libs.messaging.relay import LogAhead, Relay
from libs.messaging.settings import RuntimeSettings
from libs.messaging.timers import Timers
from libs.telemetry.tracing import tracing_for
from libs.timekeeping.clock import Clock
from libs.web.access import SHIPPED, AccessTable, load_access_table
from libs.web.application import build_api
from libs.web.auth import Authenticator
from libs.web.health import build_health
from libs.web.keys import JwksFile, JwksUrl
from libs.web.routing import Router

log = logging.getLogger("bihuan.app")

T = TypeVar("T")

TICK_SECONDS = 0.25
BARRIER_SECONDS_MAX = 5.0
GRACE_SECONDS = 5.0
"""How long a batch that is being taken may go on at the end; well under STOP_SECONDS_MAX, for
FastStream closes its producer and its admin client only after that wait."""
STOP_SECONDS_MAX = 20.0


class TopicsWrong(RuntimeError):
    """The topics are not as the log's guarantees need them; the service refuses to start."""


@dataclass(frozen=True, slots=True)
class Interface:
    """What a service shows over HTTP."""

    title: str
    version: str
    routers: Callable[["App"], Sequence[Router]]
    description: str = ""
    body_bytes_max: int = 256 * 1024


class Chore(Protocol):
    """Something a service does by the clock beside its timers, for it needs more than a stream."""

    name: str

    def next_due(self) -> datetime | None:
        """When it is to run; None: it waits for nothing. Called in the writer's thread."""

    async def run(self) -> None:
        """Does it; afterwards `next_due` is another instant or None."""


@dataclass
class App:
    """One instance. `start` returns once it takes records; `stop` lets go of everything."""

    service: Service
    settings: RuntimeSettings
    clock: Clock
    interface: Interface
    make_door: Callable[["App"], Door] | None = None
    access_table: AccessTable = field(default_factory=lambda: load_access_table(SHIPPED))
    """The table that came with the software; it counts until a version is on record."""
    registry: CollectorRegistry = field(default_factory=CollectorRegistry)
    chores: list[Chore] = field(default_factory=list)
    opening: list[Callable[[], None]] = field(default_factory=list)
    closing: list[Callable[[], None]] = field(default_factory=list)
    letting_go: list[Callable[[], Awaitable[None]]] = field(default_factory=list)
    """Awaited when it stops: clients of other services, whose connections would stay open."""
    looking: list[Callable[[psycopg.Connection[dict[str, Any]]], Sequence[str]]] = field(
        default_factory=list
    )
    """Called when somebody asks for metrics or readiness (`libs.web.health.Looking`)."""

    def __post_init__(self) -> None:
        settings = self.settings
        self.store = Store(self.service, settings.postgres_dsn.get_secret_value())
        self.writer = Writer(
            self.service,
            self.store,
            self.clock,
            partitions=settings.partitions,
            registry=self.registry,
        )
        self.tracing = tracing_for(self.service.name, settings.otlp_endpoint, time.time_ns)
        self.writer.on_commit.append(self.tracing.committed)
        prefix = settings.topic_prefix
        self.inbox = Inbox(
            self.service, self.writer, topic=prefix + topics.LOG, registry=self.registry
        )
        self.inbox.on_kept.append(self.tracing.kept)
        self.channel: Channel | None = None
        if self.make_door is not None:
            self.channel = Channel(
                self.writer,
                self.make_door(self),
                topic=prefix + topics.CHANNEL,
                registry=self.registry,
            )
        self.timers = Timers(self.writer, self.inbox, self.registry)
        self.commands = RuntimeCommands(self.writer, self.in_thread)
        self._observed = Histogram(
            "bihuan_http_seconds",
            "Requests by route template",
            ["method", "route", "status"],
            registry=self.registry,
        )
        self.access = self._access()
        self.api = build_api(
            self.service.name,
            self.interface.title,
            self.interface.version,
            self.interface.routers(self),
            authenticator=self._authenticator(),
            access=self.access_table,
            in_force=self.access,
            commands=self.commands,
            now=self.clock.now,
            body_bytes_max=self.interface.body_bytes_max,
            unavailable=UNAVAILABLE,
            observe=self._observe,
            description=self.interface.description,
        )
        self.health = build_health(
            self.service.name, self.ready, self.registry, self.api.openapi, self.look
        )
        Gauge(
            "bihuan_inbox_partitions",
            "Partitions of the log that this instance has",
            registry=self.registry,
        ).set_function(lambda: len(self.consumers[0].assigned) if self.consumers else 0)
        # One thread decides and commits; queries have their own, so a long report delays nothing.
        self._deciding = ThreadPoolExecutor(1, thread_name_prefix=f"{self.service.name}-writer")
        self._reading = ThreadPoolExecutor(2, thread_name_prefix=f"{self.service.name}-reader")
        self._tasks: list[asyncio.Task[Any]] = []
        self._servers: list[tuple[_Server, asyncio.Task[None]]] = []
        self.relay: Relay | None = None
        self.consumers: list[Consumer] = []
        self._asking = Ends(settings.kafka_bootstrap)
        self.api_url = self.health_url = ""
        self.activity = 0
        self.deciding = 0
        self._stopped = False

    # -- running ---------------------------------------------------------------------------------

    async def in_thread(self, call: Callable[..., T], *args: Any) -> T:
        """Runs something that decides or commits, one after another."""
        loop = asyncio.get_running_loop()
        self.deciding += 1
        try:
            result = await loop.run_in_executor(self._deciding, call, *args)
        finally:
            self.deciding -= 1
        self.activity += 1
        return result

    async def query(self, call: Callable[..., T], *args: Any) -> T:
        """Runs `call(connection, *args)` on a connection of its own, beside the writer."""

        def run() -> T:
            with self.store.connection() as conn:
                return call(conn, *args)

        return await self.beside(run)

    async def beside(self, call: Callable[..., T], *args: Any) -> T:
        """Runs a blocking call beside the writer, in a thread for reading."""
        return await asyncio.get_running_loop().run_in_executor(self._reading, call, *args)

    async def start(self) -> None:
        """Starts everything; raises TopicsWrong, LogAhead, or what the servers raise."""
        await self._database()
        ids = await asyncio.to_thread(self._topic_ids)
        prefix, settings = self.settings.topic_prefix, self.settings
        self.relay = Relay(
            self.service,
            dsn=settings.postgres_dsn.get_secret_value(),
            bootstrap=settings.kafka_bootstrap,
            topic=prefix + topics.LOG,
            topic_ids=ids,
            partitions=settings.partitions,
            registry=self.registry,
            copies={kind: prefix + topic for kind, topic in self.service.copies.items()},
        )
        loop = asyncio.get_running_loop()
        wake = self.relay.wake

        def committed(_recorded: Sequence[Recorded[Any]], _started: float) -> None:
            loop.call_soon_threadsafe(wake.set)

        self.writer.on_commit.append(committed)
        self._tasks.append(asyncio.create_task(self.relay.run(), name="relay"))
        await self._serve()
        self._broker = KafkaBroker(
            settings.kafka_bootstrap,
            client_id=f"bihuan-{self.service.name}",
            logger=None,
            apply_types=False,
            graceful_timeout=GRACE_SECONDS,
        )
        for taker in (self.inbox, self.channel):
            if taker is not None:
                self.consumers.append(self._consumer(taker, ids[taker.topic]))
        await self._broker.start()
        if not self.clock.stepped:
            self._tasks.append(asyncio.create_task(self._tick(), name="timers"))
        self._tasks.append(asyncio.create_task(self._housekeep(), name="housekeeping"))
        if self.access is not None:
            catching_up = asyncio.create_task(self._catch_up(self.access), name="catching up")
            self._tasks.append(catching_up)

    def _consumer(self, taker: Inbox | Channel, topic_id: str) -> Consumer:
        suffix = "" if taker is self.inbox else "-channel"
        prefix = self.settings.topic_prefix
        return Consumer(
            self._broker,
            taker,
            group=f"{prefix}bihuan-{self.service.name}{suffix}",
            topic_id=topic_id,
            in_thread=self.in_thread,
            instance=self.settings.instance,
        )

    async def stop(self) -> None:
        """Stops taking, finishes what is begun, lets go; a second call does nothing."""
        if self._stopped:
            return
        self._stopped = True
        for server, task in self._servers:
            server.should_exit = True
            await task
        if self.consumers:
            with contextlib.suppress(KafkaError, TimeoutError):
                await asyncio.wait_for(self._broker.stop(), STOP_SECONDS_MAX)
        with contextlib.suppress(*UNAVAILABLE):
            await self.in_thread(self.inbox.save)
        for running in self._tasks:
            running.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        with contextlib.suppress(KafkaError):
            await self._asking.stop()
        self._deciding.shutdown()
        self._reading.shutdown()
        for let_go in self.letting_go:
            await let_go()
        for close in self.closing:
            close()
        await asyncio.to_thread(self.tracing.close)
        self.store.close()

    async def _database(self) -> None:
        """Waits for the database: services may start before it does."""
        for attempt in range(60):
            try:
                await self.in_thread(self.writer.start)
                await self._look_at_access()
                for open_up in self.opening:
                    await self.beside(open_up)
            except UNAVAILABLE:
                if attempt == 59:
                    raise
                await asyncio.sleep(0.5)
            else:
                return

    def _topic_ids(self) -> dict[str, str]:
        settings = self.settings
        wanted = topics.wanted_topics(
            settings.partitions,
            prefix=settings.topic_prefix,
            min_insync_replicas=settings.min_insync_replicas,
        )
        if settings.broker == "memory":
            # No admin API there; its log is gone at exit and its port is another one each time.
            return {topic.name: f"memory:{settings.kafka_bootstrap}" for topic in wanted}
        problems = topics.assert_topics(settings.kafka_bootstrap, wanted, timeout_s=30)
        if problems:
            raise TopicsWrong("; ".join(map(str, problems)))
        return {
            topic.name: topics.topic_id(settings.kafka_bootstrap, topic.name) for topic in wanted
        }

    async def _serve(self) -> None:
        settings = self.settings
        self.api_url = await self._listen(self.api, settings.api_host, settings.api_port)
        self.health_url = await self._listen(
            self.health, settings.health_host, settings.health_port
        )

    async def _listen(self, app: Starlette, host: str, port: int) -> str:
        config = uvicorn.Config(
            app,
            host=host,
            port=port,
            log_config=None,
            access_log=False,
            lifespan="off",
            server_header=False,
            timeout_graceful_shutdown=5,
            # Longer than clients keep an idle connection (httpx: 5 s, uvicorn's own default too):
            # else one of them sends on it at the instant that we close it.
            timeout_keep_alive=75,
        )
        server = _Server(config)
        task = asyncio.create_task(server.serve())
        while not server.started:
            if task.done():
                await task
                raise OSError(f"cannot listen on {host}:{port}")
            await asyncio.sleep(0.005)
        self._servers.append((server, task))
        bound = server.servers[0].sockets[0].getsockname()
        return f"http://{bound[0]}:{bound[1]}"

    # -- timers and tracking ---------------------------------------------------------------------

    async def _tick(self) -> None:
        while True:
            try:
                fired = await self.fire_due()
            except UNAVAILABLE as error:
                log.warning("timers wait", extra={"error": type(error).__name__})
                fired = 0
            except KafkaError as error:
                log.warning("timers wait", extra={"error": type(error).__name__})
                fired = 0
            if not fired:
                await asyncio.sleep(TICK_SECONDS)

    async def fire_due(self) -> int:
        """One round of timers behind their barrier, then of chores; returns how many there were."""
        fired = await self.timers.tick(self.in_thread, self._ends, self._reached)
        for chore in self.chores:
            due = await self.in_thread(chore.next_due)
            if due is not None and due <= self.clock.now():
                await chore.run()
                fired += 1
        return fired

    def next_due(self) -> datetime | None:
        """The earliest instant a timer or a chore waits for; in the writer's thread."""
        dues = (self.timers.next_due(), *(chore.next_due() for chore in self.chores))
        return min((due for due in dues if due is not None), default=None)

    async def _ends(self) -> dict[int, int]:
        consumer = self.consumers[0]
        return await self.ends_of(consumer.taker.topic, consumer.assigned)

    async def _reached(self, ends: dict[int, int]) -> bool:
        deadline = time.monotonic() + BARRIER_SECONDS_MAX
        while not self.inbox.reached(ends):
            if time.monotonic() > deadline:
                return False
            await asyncio.sleep(0.005)
        return True

    async def _housekeep(self) -> None:
        while True:
            await asyncio.sleep(1)
            with contextlib.suppress(*UNAVAILABLE):
                await self.in_thread(self.inbox.save)
                await self.in_thread(self.store.forget_outcomes, self.clock.now())
                await self._look_at_access()

    # -- looking ---------------------------------------------------------------------------------

    async def ready(self) -> Sequence[str]:
        """Why this instance is not ready; empty when it is."""
        reasons = [
            f"gap in partition {gap.partition}: {gap.source} {gap.taken} then {gap.after}"
            for gap in self.inbox.gaps()
        ]
        if self.relay is None or not self.consumers:
            reasons.append("starting")
        elif self.relay.refusal:
            reasons.append(self.relay.refusal)
        if self.access is not None and self.access.closed:
            reasons.append(CATCHING_UP)
        reasons += [
            f"task {task.get_name()} has ended"
            for task in self._tasks
            if task.done() and not task.cancelled() and not _did_its_work(task)
        ]
        try:
            await self.query(lambda conn: conn.execute("SELECT 1"))
        except UNAVAILABLE:
            reasons.append("the database cannot be reached")
        reasons += [consumer.trouble for consumer in self.consumers if consumer.trouble]
        if any(not consumer.assigned for consumer in self.consumers):
            reasons.append("no partitions assigned yet")
        return reasons

    async def look(self) -> Sequence[str]:
        """Sets what is counted only when asked; what a person should do something about."""
        found: list[str] = [] if self.access is None else [*self.access.missing()]
        for look in self.looking:
            with contextlib.suppress(*UNAVAILABLE):  # readiness says so
                found += await self.query(look)
        return found

    async def all_sent(self) -> bool:
        """Whether everything committed is in the log, and this instance takes records at all."""
        if self.relay is None or any(not consumer.assigned for consumer in self.consumers):
            return False
        row = await self.query(
            lambda conn: conn.execute(
                "SELECT coalesce(max(notification_id), 0) AS last FROM stored_events"
            ).fetchone()
        )
        return self.relay.has_sent(row["last"])

    async def ends_of(self, topic: str, partitions: Iterable[int]) -> dict[int, int]:
        """Where these partitions end now."""
        return await self._asking.of(topic, partitions)

    def has_taken(self, ends: Mapping[str, Mapping[int, int]]) -> bool:
        """Whether each of these partitions is taken up to its end, and none is out of our hands.

        What is not assigned at this moment (the group is rebalancing) counts as not taken.
        """
        for consumer in self.consumers:
            at, known = consumer.taker.position(), ends[consumer.taker.topic]
            if not known or not consumer.assigned.issuperset(known):
                return False
            if any(at.get(number, 0) < end for number, end in known.items()):
                return False
        return True

    def _observe(self, method: str, route: str, status: int, seconds: float) -> None:
        self._observed.labels(method, route, str(status)).observe(seconds)

    def _authenticator(self) -> Authenticator:
        where = self.settings.jwks
        source = (
            JwksUrl(where, time.time)
            if where.startswith(("http://", "https://"))
            else JwksFile(Path(where), time.time)
        )
        return Authenticator(source, time.time, register=self.access)

    def _access(self) -> AccessInForce | None:
        events = self.service.access
        if events is None:
            return None

        async def transact(decide: Callable[[Work], None]) -> None:
            await self.in_thread(self.writer.transact, decide)

        return AccessInForce(self.access_table, events, self.clock.now, self.query, transact)

    async def _catch_up(self, access: AccessInForce) -> None:
        """Lets callers in once whatever was revoked while this instance was down is known."""

        async def ends() -> Mapping[int, int]:
            return await self.ends_of(self.inbox.topic, range(self.settings.partitions))

        await caught_up(self.inbox, ends, self.query)
        while True:
            with contextlib.suppress(*UNAVAILABLE):
                await self.query(access.look)
                access.let_in()
                return
            await asyncio.sleep(TICK_SECONDS)

    async def _look_at_access(self) -> None:
        if self.access is not None:
            await self.query(self.access.look)


def _did_its_work(task: asyncio.Task[Any]) -> bool:
    """Whether a task has ended that is meant to end: the others go on until they are stopped."""
    return task.get_name() == "catching up" and task.exception() is None


class _Server(uvicorn.Server):
    """A server that leaves signals to the process that runs it."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


__all__ = ["App", "Chore", "Interface", "LogAhead", "TopicsWrong"]
