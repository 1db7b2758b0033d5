"""The whole system on one machine: servers, keys, topics, six services in one process or in six."""

import asyncio
import contextlib
import json
import logging
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import httpx

from cli.places import DECIDING, SERVICES, Places
from cli.player import Player
from cli.serve import service_modules
from infra.databases import PURGE_KEYS, trust_purge_keys
from infra.local import LocalStack
from infra.local.stack import BrokerChoice
from libs.messaging.app import App
from libs.messaging.catching_up import CATCHING_UP
from libs.messaging.topics import PARTITIONS_ONE_MACHINE, create_topics, wanted_topics
from libs.timekeeping.clock import Clock, SystemClock
from libs.web.auth import SigningKey, issue_token, make_signing_key
from services.audit.signing import open_purge_key

log = logging.getLogger("bihuan.system")

Progress = Callable[[str, str], None]

READY_SECONDS_MAX = 90.0
CATCH_UP_SECONDS_MAX = 1800.0
"""So long a service may take to hear what was told while it was down, before it lets anybody in."""

STOP_SECONDS_MAX = 20.0
PORT_FIRST = 8100
"""API ports from here in the order of SERVICES, health ports 100 above; free ones if taken."""
TOKEN_SECONDS = 365 * 24 * 3600


class Servers(Protocol):
    """PostgreSQL and a broker: `LocalStack`, or what tests share."""

    @property
    def broker_kind(self) -> str:
        """`kafka` or `memory`."""

    @property
    def bootstrap(self) -> str:
        """The broker's `host:port`."""

    @property
    def partitions_fixed(self) -> int | None:
        """How many partitions the broker insists on, or None."""

    def start(self) -> None:
        """Start both; returns when they answer."""

    def stop(self) -> None:
        """Stop both."""

    def dsn(self, database: str) -> str:
        """A libpq URI, as the database's administrator."""

    def service_dsn(self, database: str) -> str:
        """A libpq URI, as the service that the database is for."""

    def create_databases(self, names: Iterable[str]) -> None:
        """Create those that are missing."""


class ServiceFailed(RuntimeError):
    """A service did not come up; its log says why."""


def quiet(_part: str, _line: str) -> None:
    """Tells nobody."""


@dataclass
class System:
    """One installation, running. `start` and `stop` in one event loop.

    `processes` runs each service in a process of its own, which needs the system clock and real
    Kafka (the in-memory broker lives in this process).
    """

    places: Places
    clock: Clock = field(default_factory=SystemClock)
    processes: bool = False
    broker: BrokerChoice = "auto"
    durable: bool = True
    fixed_ports: bool = False
    progress: Progress = quiet
    servers: Servers | None = None
    """Servers that are there already (tests); None: this installation's own."""
    topic_prefix: str = ""
    services: Sequence[str] = SERVICES

    def __post_init__(self) -> None:
        self.stack: Servers = self.servers or LocalStack(
            self.places.stack, broker=self.broker, durable=self.durable, progress=self.progress
        )
        self.apps: dict[str, App] = {}
        self.running: dict[str, subprocess.Popen[bytes]] = {}
        self.urls: dict[str, dict[str, str]] = {}
        self.signing: SigningKey

    @property
    def partitions(self) -> int:
        """12 on one machine; the in-memory broker has its own number."""
        return self.stack.partitions_fixed or PARTITIONS_ONE_MACHINE

    # -- start and stop --------------------------------------------------------------------------

    async def start(self) -> None:
        """Everything up and ready; raises what the stack raises, or ServiceFailed."""
        self.places.data.mkdir(mode=0o700, parents=True, exist_ok=True)
        await asyncio.to_thread(self.stack.start)
        try:
            await asyncio.to_thread(self._prepare)
            if self.processes:
                await self._start_processes()
            else:
                await self._start_apps()
            await self._await_ready()
            self._publish()
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Everything down, services first; what is under way is finished or safely left."""
        with contextlib.suppress(FileNotFoundError):
            self.places.run_file.unlink()
        if self.apps:
            self.progress("services", "stopping")
            await asyncio.gather(*(app.stop() for app in self.apps.values()))
            self.apps = {}
        if self.running:
            self.progress("services", "stopping")
            await asyncio.to_thread(self._stop_processes)
        self.progress("servers", "stopping")
        await asyncio.to_thread(self.stack.stop)

    def _prepare(self) -> None:
        self.stack.create_databases([*map(database, self.services), "bihuan_vault"])
        if self.stack.broker_kind == "kafka":
            create_topics(
                self.stack.bootstrap, wanted_topics(self.partitions, prefix=self.topic_prefix)
            )
        self.signing = prepare_keys(self.places)
        for name in self.services:
            trust_purge_keys(self.stack.dsn(database(name)), self.places.keys / PURGE_KEYS)

    async def _start_apps(self) -> None:
        for number, name in enumerate(self.services):
            build, settings_class = service_modules(name)
            values = self.values(name, self._port(number), self._port(number + 100))
            self.apps[name] = build(settings_class(**values), self.clock)
        intake = self.apps.get("intake")
        self.progress("services", "starting")
        if intake is not None:
            await intake.start()
        for name, app in self.apps.items():
            if name != "intake" and intake is not None:
                app.settings.intake_url = intake.api_url
        others = (app.start() for name, app in self.apps.items() if name != "intake")
        # None is stopped amid its start because another one failed.
        for failed in await asyncio.gather(*others, return_exceptions=True):
            if isinstance(failed, BaseException):
                raise failed
        self.urls = {
            name: {"api": app.api_url, "health": app.health_url} for name, app in self.apps.items()
        }
        self._introduce()

    async def restart(self, name: str) -> App:
        """Stops one service of this process and starts it anew, on ports of its own."""
        await self.apps[name].stop()
        build, settings_class = service_modules(name)
        app = build(settings_class(**self.values(name, 0, 0)), self.clock)
        self.apps[name] = app
        await app.start()
        self.urls[name] = {"api": app.api_url, "health": app.health_url}
        if name == "intake":
            for other in self.apps.values():
                other.settings.intake_url = app.api_url
        self._introduce()
        self._publish()
        return app

    def _introduce(self) -> None:
        """Tells audit where those are whose views it compares."""
        audit: Any = self.apps.get("audit")
        if audit is not None:
            audit.settings.service_urls = self._service_urls()

    def _service_urls(self) -> str:
        return ",".join(
            f"{name}={urls['api']}" for name, urls in self.urls.items() if name in DECIDING
        )

    def _port(self, number: int) -> int:
        return PORT_FIRST + number if self.fixed_ports and port_is_free(PORT_FIRST + number) else 0

    async def _start_processes(self) -> None:
        self.places.logs.mkdir(exist_ok=True)
        for name in self.services:
            ports = free_ports(2)
            self.urls[name] = {
                "api": f"http://127.0.0.1:{ports[0]}",
                "health": f"http://127.0.0.1:{ports[1]}",
            }
        for name in self.services:
            self.start_process(name)

    def start_process(
        self, name: str, more: Mapping[str, str] | None = None, *, of: str | None = None
    ) -> None:
        """Starts one service's process (again), on the ports it had.

        `of` makes `name` a further instance of that service, on ports of its own.
        """
        service = of or name
        if name not in self.urls:
            free = free_ports(2)
            self.urls[name] = {
                kind: f"http://127.0.0.1:{port}"
                for kind, port in zip(("api", "health"), free, strict=True)
            }
        ports = [int(self.urls[name][kind].rpartition(":")[2]) for kind in ("api", "health")]
        values = self.values(service, *ports)
        environment = {
            **os.environ,
            **{
                f"BIHUAN_{key.upper()}": str(value)
                for key, value in values.items()
                if value is not None
            },
            "BIHUAN_LEASHED": "1",
            **(more or {}),
        }
        self.places.logs.mkdir(exist_ok=True)
        if name in self.running:
            let_go(self.running[name])
        with (self.places.logs / f"{name}.log").open("ab") as out:
            self.running[name] = subprocess.Popen(  # noqa: S603 - our own interpreter and module
                [sys.executable, "-m", "cli.serve", service],
                env=environment,
                stdin=subprocess.PIPE,  # its end tells the service that we are gone
                stdout=out,
                stderr=out,
                start_new_session=True,
            )

    def _stop_processes(self) -> None:
        for process in self.running.values():
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + STOP_SECONDS_MAX
        for name, process in self.running.items():
            try:
                process.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                log.warning("killed: did not stop in time", extra={"service": name})
                process.kill()
                process.wait()
            let_go(process)
        self.running = {}

    async def _await_ready(self) -> None:
        began = time.monotonic()
        async with httpx.AsyncClient(timeout=5, trust_env=False) as client:
            for name, urls in self.urls.items():
                patience = READY_SECONDS_MAX
                while True:
                    process = self.running.get(name)
                    if process is not None and process.poll() is not None:
                        raise ServiceFailed(f"{name} ended; see {self.places.logs / name}.log")
                    with contextlib.suppress(httpx.HTTPError, ValueError):
                        answer = await client.get(f"{urls['health']}/health/ready")
                        if answer.status_code == 200:
                            break
                        if answer.json()["reasons"] == [CATCHING_UP]:
                            patience = CATCH_UP_SECONDS_MAX
                    if time.monotonic() - began > patience:
                        raise ServiceFailed(f"{name} was not ready in {patience:.0f} s")
                    await asyncio.sleep(0.05)
                self.progress(name, "ready")

    def _publish(self) -> None:
        told = {
            "pid": os.getpid(),
            "services": self.urls,
            "bootstrap": self.stack.bootstrap,
            "broker": self.stack.broker_kind,
            "partitions": self.partitions,
            "topic_prefix": self.topic_prefix,
            "processes": self.processes,
            "maintenance": self.stack.dsn("postgres"),
            "databases": {
                name: {
                    "live": self.stack.dsn(database(name)),
                    "own": self.stack.service_dsn(database(name)),
                }
                for name in self.services
            },
        }
        partial = self.places.run_file.with_suffix(".arriving")
        partial.write_text(json.dumps(told, indent=1), encoding="utf-8")
        partial.replace(self.places.run_file)

    def player(self) -> Player:
        """People of this running system; use as an async context manager."""
        return Player(
            bootstrap=self.stack.bootstrap,
            urls=self.urls,
            signing=self.signing,
            partitions=self.partitions,
            topic_prefix=self.topic_prefix,
        )

    # -- settings --------------------------------------------------------------------------------

    def values(self, name: str, api_port: int, health_port: int) -> dict[str, Any]:
        """One service's settings, by field name."""
        common: dict[str, Any] = {
            "postgres_dsn": self.stack.service_dsn(database(name)),
            "kafka_bootstrap": self.stack.bootstrap,
            "broker": self.stack.broker_kind,
            "partitions": self.partitions,
            "topic_prefix": self.topic_prefix,
            "api_port": api_port,
            "health_port": health_port,
            "jwks": str(self.places.keys / "jwks.json"),
            "service_token_file": self.places.keys / "service.token",
            "intake_url": self.urls.get("intake", {}).get("api", ""),
        }
        if name == "intake":
            common |= {
                "vault_dsn": self.stack.service_dsn("bihuan_vault"),
                "vault_key_file": self.places.keys / "vault.key",
            }
        if name == "audit":
            common |= {
                "checkpoint_key_file": self.places.keys / "checkpoint.key",
                "purge_key_file": self.places.keys / "purge.key",
                "checkpoint_drop": self.places.checkpoints,
                "archive_store": str(self.places.archive),
                "service_urls": self._service_urls(),
            }
        return common


def let_go(process: "subprocess.Popen[bytes]") -> None:
    """Closes our end of an ended service's leash."""
    if process.stdin is not None:
        process.stdin.close()


def database(service: str) -> str:
    """The name of a service's own database on one machine."""
    return f"bihuan_{service}"


def prepare_keys(places: Places) -> SigningKey:
    """The installation's keys, made at the first call; the services' token, renewed at each."""
    signing = make_signing_key(places.keys)
    vault_key = places.keys / "vault.key"
    if not vault_key.exists():
        _write_secret(vault_key, os.urandom(32).hex())
    token = issue_token(
        signing,
        actor="system:bihuan",
        roles=["service"],
        real_now_s=time.time(),
        lifetime_s=TOKEN_SECONDS,
    )
    _write_secret(places.keys / "service.token", token)
    open_purge_key(places.keys / "purge.key")  # before the databases, which are told its other half
    return signing


def _write_secret(path: Path, text: str) -> None:
    partial = path.with_suffix(".arriving")
    partial.unlink(missing_ok=True)
    partial.touch(mode=0o600)
    partial.write_text(text, encoding="ascii")
    partial.replace(path)


def wipe(places: Places) -> None:
    """Removes an installation's whole state (the demo's, at each run).

    Raises DataFolderInUse while it runs, and then removes nothing.
    """
    LocalStack(places.stack).discard()
    shutil.rmtree(places.data, ignore_errors=True)


def port_is_free(port: int) -> bool:
    """Whether nothing listens on 127.0.0.1:port."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def free_ports(count: int) -> list[int]:
    """Ports of 127.0.0.1 that nobody listens on now."""
    probes = [socket.socket() for _ in range(count)]
    for probe in probes:
        probe.bind(("127.0.0.1", 0))
    ports = [int(probe.getsockname()[1]) for probe in probes]
    for probe in probes:
        probe.close()
    return ports
