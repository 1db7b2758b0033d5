"""PostgreSQL and Kafka of one machine, together: started side by side, stopped in order."""

import contextlib
import fcntl
import json
import os
import shutil
import threading
from collections.abc import Iterable, Mapping
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Literal, Protocol, Self

from infra.local.kafka import KafkaBroker
from infra.local.kafka_jars import find_maven, have_jars, usable_java
from infra.local.memory_broker import MemoryBroker
from infra.local.postgres import PostgresServer
from infra.local.problems import DataFolderInUse, KafkaUnavailable
from infra.local.process import Progress, quiet

BrokerChoice = Literal["auto", "kafka", "memory"]


class Broker(Protocol):
    """What both brokers can be asked for."""

    kind: str
    partitions_fixed: int | None

    @property
    def running(self) -> bool:
        """Whether it runs."""

    @property
    def pid(self) -> int:
        """Its process id."""

    @property
    def bootstrap(self) -> str:
        """`127.0.0.1:port`."""

    def start(self, progress: Progress = quiet) -> None:
        """Start, and return when it answers."""

    def stop(self) -> None:
        """End cleanly."""

    def kill(self) -> None:
        """End at once."""

    def pause(self) -> None:
        """Answer nothing for a while."""

    def resume(self) -> None:
        """Go on after `pause`."""


@dataclass(frozen=True, slots=True)
class RunningStack:
    """How another process reaches a stack that runs: what `stack.json` in its folder says."""

    pid: int
    bootstrap: str
    broker_kind: str
    dsn_pattern: str
    """A libpq URI with `{database}` in it."""

    def dsn(self, database: str) -> str:
        """A libpq URI for `database`."""
        return self.dsn_pattern.format(database=database)


class LocalStack:
    """PostgreSQL and a broker under one data folder; a context manager.

    One process at a time owns the folder. Leaving the context stops both; should the owner be
    killed instead, their leashes stop them.
    """

    def __init__(
        self,
        data_folder: Path | str,
        *,
        broker: BrokerChoice = "auto",
        durable: bool = True,
        short_lived: bool = False,
        kafka_port: int | None = None,
        postgres_settings: Mapping[str, str] | None = None,
        kafka_settings: Mapping[str, str] | None = None,
        progress: Progress = quiet,
    ) -> None:
        """`broker="auto"` is real Kafka where Java and Maven (or a filled cache) are there.

        `durable=False` and `short_lived=True` are for tests; see PostgresServer and KafkaBroker.
        """
        self.folder = Path(data_folder).absolute()
        self._choice = broker
        self._short_lived = short_lived
        self._kafka_port = kafka_port
        self._kafka_settings = kafka_settings
        self._progress = _in_turn(progress)
        self._lock: IO[str] | None = None
        self._broker: Broker | None = None
        self.postgres = PostgresServer(
            self.folder / "postgres", durable=durable, settings=postgres_settings
        )

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def broker(self) -> Broker:
        """The broker that was chosen. Raises KafkaUnavailable before the first start."""
        if self._broker is None:
            raise KafkaUnavailable("the stack is not started")
        return self._broker

    @property
    def broker_kind(self) -> str:
        """`kafka` or `memory`."""
        return self.broker.kind

    @property
    def bootstrap(self) -> str:
        """The broker's `127.0.0.1:port`."""
        return self.broker.bootstrap

    @property
    def partitions_fixed(self) -> int | None:
        """How many partitions the broker gives every topic, whatever is asked; or None."""
        return self.broker.partitions_fixed

    def dsn(self, database: str) -> str:
        """A libpq URI for `database`, which `create_databases` has made, as its administrator."""
        return self.postgres.dsn(database)

    def service_dsn(self, database: str) -> str:
        """The same as the service that the database is for."""
        return self.postgres.service_dsn(database)

    def create_databases(self, names: Iterable[str]) -> None:
        """Create those of the databases that do not exist yet, and give each a keeper."""
        self.postgres.create_databases(names)

    def start(self) -> None:
        """Start both at once; when one fails, the other is stopped too.

        Raises DataFolderInUse, ServerFailed, CannotLeaveRoot, KafkaUnavailable.
        """
        self._take_folder()
        try:
            with ThreadPoolExecutor(2, "local-stack") as pool:
                starting: list[Future[None]] = [
                    pool.submit(self.postgres.start, self._progress),
                    pool.submit(self._start_broker),
                ]
                try:
                    wait(starting, return_when=FIRST_EXCEPTION)
                except BaseException:  # Ctrl-C: what waits for a server sees it end
                    self._kill_both()
                    raise
            for started in starting:
                started.result()
            self._publish()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop both cleanly, side by side, and let go of the folder. Stopped already: nothing."""
        if self._lock is None:
            return
        (self.folder / "stack.json").unlink(missing_ok=True)
        stopping = [threading.Thread(target=self.postgres.stop)]
        if self._broker is not None:
            stopping.append(threading.Thread(target=self._broker.stop))
        for thread in stopping:
            thread.start()
        for thread in stopping:
            thread.join()
        self._lock.close()
        self._lock = None

    def restart_postgres(self) -> None:
        """PostgreSQL down and up again; every connection breaks."""
        self.postgres.restart()

    def stop_kafka(self) -> None:
        """The broker cleanly down; its port stays its own."""
        self.broker.stop()

    def start_kafka(self) -> None:
        """The broker up again after `stop_kafka` or a kill."""
        self.broker.start(self._progress)
        self._publish()

    def _start_broker(self) -> None:
        if self._broker is None:
            self._broker = self._choose_broker()
        try:
            self._broker.start(self._progress)
        except KafkaUnavailable as reason:
            if self._choice != "auto":
                raise
            self._broker = MemoryBroker(reason=str(reason))
            self._broker.start(self._progress)

    def _choose_broker(self) -> Broker:
        if self._choice == "memory":
            return MemoryBroker(reason="Asked for.")
        try:
            usable_java()
            if not have_jars() and find_maven() is None:
                raise KafkaUnavailable(
                    "Maven is not installed, and Kafka is not in the cache yet",
                    "Install Maven: it fetches Apache Kafka once.",
                    "请安装 Maven,用于首次下载 Apache Kafka。",
                )
        except KafkaUnavailable as reason:
            if self._choice == "kafka":
                raise
            return MemoryBroker(reason=str(reason))
        return KafkaBroker(
            self.folder / "kafka",
            port=self._kafka_port,
            short_lived=self._short_lived,
            settings=self._kafka_settings,
        )

    def discard(self) -> None:
        """Remove the folder with everything in it; raises DataFolderInUse while a stack runs."""
        if self.folder.exists():
            self._take_folder()
            shutil.rmtree(self.folder)
            if self._lock is not None:
                self._lock.close()
                self._lock = None

    def _kill_both(self) -> None:
        self.postgres.kill()
        if self._broker is not None:
            self._broker.kill()

    def _take_folder(self) -> None:
        if self._lock is not None:
            return
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = (self.folder / "stack.lock").open("a+", encoding="ascii")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            owner = lock.read().strip() or "unknown"
            lock.close()
            raise DataFolderInUse(
                f"{self.folder} is in use by process {owner}",
                "Stop it (Ctrl-C where it runs), or set BIHUAN_DATA to another folder.",
                "该数据目录正被另一个进程使用:请先停止它,或用 BIHUAN_DATA 指定另一个目录。",
            ) from None
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        self._lock = lock

    def _publish(self) -> None:
        """Tell other processes of this user how to reach us; whole or not at all."""
        told = {
            "pid": os.getpid(),
            "bootstrap": self.bootstrap,
            "broker_kind": self.broker_kind,
            "dsn_pattern": self.postgres.dsn("{database}"),
        }
        arriving = self.folder / "stack.json.arriving"
        arriving.touch(mode=0o600)
        arriving.write_text(json.dumps(told), "utf-8")
        arriving.replace(self.folder / "stack.json")


def find_running(data_folder: Path | str) -> RunningStack | None:
    """The stack that runs in this folder, owned by whichever process, or None."""
    folder = Path(data_folder).absolute()
    with contextlib.suppress(FileNotFoundError), (folder / "stack.lock").open("r+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return RunningStack(**json.loads((folder / "stack.json").read_text("utf-8")))
    return None


def _in_turn(progress: Progress) -> Progress:
    """Two threads report; whoever listens hears one at a time."""
    turn = threading.Lock()

    def tell(part: str, line: str) -> None:
        with turn:
            progress(part, line)

    return tell
