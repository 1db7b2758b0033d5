"""One real Apache Kafka in KRaft mode for this machine, under a data folder, on 127.0.0.1."""

import base64
import contextlib
import hashlib
import os
import signal
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from uuid import uuid4

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from infra.local.kafka_jars import Java, cache_folder, provide_jars, usable_java
from infra.local.ports import free_port, is_free
from infra.local.problems import ServerFailed
from infra.local.process import Launch, LeashedProcess, Progress, end_stale, quiet, tail

STARTUP_S_MAX = 90.0
STOP_S_MAX = 40.0
EXIT_STATUS_CLEAN = 128 + signal.SIGTERM  # the JVM's own, after its shutdown hooks
ARRIVING_S_MAX = 3600.0
HEAP = ("-Xms64m", "-Xmx256m", "-XX:+UseSerialGC")
LOGGING = (
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
    "-Dorg.slf4j.simpleLogger.log.kafka.server=info",
    "-Dorg.slf4j.simpleLogger.showDateTime=true",
    "-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd'T'HH:mm:ss.SSSZ",
)

SETTINGS: Mapping[str, str] = {
    "process.roles": "broker,controller",
    "node.id": "1",
    "controller.listener.names": "CONTROLLER",
    "inter.broker.listener.name": "CLIENT",
    "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,CLIENT:PLAINTEXT",
    "auto.create.topics.enable": "false",
    # One broker holds the only copy of everything.
    "offsets.topic.replication.factor": "1",
    "offsets.topic.num.partitions": "6",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "transaction.state.log.num.partitions": "1",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    "share.coordinator.state.topic.num.partitions": "1",
    # After a kill the controller must take the old session for dead before the broker may be back:
    # with the default of 9 s a restart took 12 s.
    "broker.session.timeout.ms": "2000",
    "broker.heartbeat.interval.ms": "500",
    # Groups form at once, and tests may ask for sessions that end soon.
    "group.initial.rebalance.delay.ms": "0",
    "group.min.session.timeout.ms": "1000",
    # The cleaner's default buffer alone is half of the heap.
    "log.cleaner.dedupe.buffer.size": "10485760",
    "log.segment.bytes": "134217728",
    "num.network.threads": "2",
    "num.io.threads": "4",
    "background.threads": "4",
    "num.recovery.threads.per.data.dir": "2",
}


class KafkaBroker:
    """Kafka under `folder`; start it, stop, kill or pause it, start it again on the same port."""

    kind = "kafka"
    partitions_fixed: int | None = None
    """How many partitions every topic has, where the broker and not the caller decides."""

    def __init__(
        self,
        folder: Path,
        *,
        port: int | None = None,
        short_lived: bool = False,
        settings: Mapping[str, str] | None = None,
    ) -> None:
        """`port` None: the folder's last one if still free, else a free one.

        `short_lived` starts faster and burns less at first (no optimising compiler): for tests and
        the demo, not for long runs. `settings` go on top of ours into server.properties.
        """
        self.folder = folder.resolve()
        self.log = self.folder / "kafka.log"
        self._properties = self.folder / "server.properties"
        self._data = self.folder / "data"
        self._pid_file = self.folder / "kafka.pid"
        self._port_file = self.folder / "port"
        self._port_wanted = port
        self._port = 0
        self._short_lived = short_lived
        self._settings = settings or {}
        self._process: LeashedProcess | None = None
        self._archive_arriving: Path | None = None

    @property
    def running(self) -> bool:
        """Whether the broker's process runs, paused or not."""
        return self._process is not None and self._process.running

    @property
    def pid(self) -> int:
        """The JVM's process id. Raises ServerFailed when it does not run."""
        if self._process is None:
            raise ServerFailed("Kafka is not started")
        return self._process.pid

    @property
    def bootstrap(self) -> str:
        """`127.0.0.1:port`, the same over stops and starts of this object."""
        if not self._port:
            raise ServerFailed("Kafka is not started")
        return f"127.0.0.1:{self._port}"

    def start(self, progress: Progress = quiet) -> None:
        """Fetch Kafka if need be, format once, start, return when an admin call is answered.

        Raises KafkaUnavailable when this machine cannot run it, else ServerFailed.
        """
        if self.running:
            return
        java = usable_java()
        jars = provide_jars(progress)
        self._end_left_over()
        self._data.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._choose_port()
        self._write_properties(controller_port=free_port())
        classes = _ClassArchive(java, jars)
        if not (self._data / "meta.properties").exists():
            progress("kafka", "formatting its log folder (once)")
            self._format(java, jars, classes)
        progress("kafka", f"starting Apache Kafka on {self.bootstrap}")
        self._launch(java, jars, classes)
        self._wait_until_ready()
        progress("kafka", "ready")

    def stop(self) -> None:
        """A clean shutdown; the log stays."""
        if self._process is None:
            return
        self._process.stop(STOP_S_MAX)
        clean = self._process.exit_status == EXIT_STATUS_CLEAN
        self._gone()
        if clean and self._archive_arriving is not None:
            _ClassArchive.keep(self._archive_arriving)

    def kill(self) -> None:
        """SIGKILL, as a crash would be."""
        if self._process is not None:
            self._process.kill()
            self._gone()

    def pause(self) -> None:
        """SIGSTOP: connections stay open and nothing is answered."""
        if self._process is not None:
            self._process.pause()

    def resume(self) -> None:
        """Go on after `pause`."""
        if self._process is not None:
            self._process.resume()

    def _gone(self) -> None:
        self._process = None
        self._pid_file.unlink(missing_ok=True)

    def _end_left_over(self) -> None:
        if self._pid_file.exists() and self._pid_file.read_text().strip().isdigit():
            end_stale(int(self._pid_file.read_text()), str(self._properties), signal.SIGTERM)
        self._pid_file.unlink(missing_ok=True)

    def _choose_port(self) -> None:
        """Ours from before, the folder's, or a new one; a given port is never replaced."""
        if self._port_wanted:
            if not is_free(self._port_wanted):
                raise ServerFailed(
                    f"port {self._port_wanted} on 127.0.0.1 is taken",
                    "Choose another Kafka port, or let one be chosen.",
                    "端口已被占用,请换一个端口,或不指定端口。",
                )
            self._port = self._port_wanted
        elif not self._port:
            last = self._port_file.read_text().strip() if self._port_file.exists() else ""
            reusable = last.isdigit() and is_free(int(last))
            self._port = int(last) if reusable else free_port()
        self._port_file.write_text(str(self._port))

    def _write_properties(self, controller_port: int) -> None:
        client = f"CLIENT://{self.bootstrap}"
        controller = f"CONTROLLER://127.0.0.1:{controller_port}"
        settings = {
            **SETTINGS,
            # Static voters: a dynamic quorum remembers its port, and ours may change.
            "controller.quorum.voters": f"1@127.0.0.1:{controller_port}",
            "listeners": f"{client},{controller}",
            "advertised.listeners": client,
            "log.dirs": str(self._data),
            **self._settings,
        }
        lines = (f"{name}={value}" for name, value in settings.items())
        self._properties.write_text("\n".join(lines) + "\n", "utf-8")

    def _format(self, java: Java, jars: Path, classes: "_ClassArchive") -> None:
        cluster = base64.urlsafe_b64encode(uuid4().bytes).decode().rstrip("=")
        cluster = cluster.replace("-", "A")  # a leading dash would read as an option
        command = [str(java.program), *HEAP, "-XX:TieredStopAtLevel=1", *classes.use, *LOGGING]
        command += ["-cp", _class_path(jars), "kafka.tools.StorageTool", "format"]
        command += ["--cluster-id", cluster, "--config", str(self._properties)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise ServerFailed("Kafka's log folder cannot be formatted", done.stderr[-2000:])

    def _launch(self, java: Java, jars: Path, classes: "_ClassArchive") -> None:
        self._archive_arriving = None if classes.exists else classes.arriving()
        record = classes.record(self._archive_arriving) if self._archive_arriving else ()
        command = [str(java.program), *HEAP, *classes.use, *record, *LOGGING]
        command += ["-XX:TieredStopAtLevel=1"] if self._short_lived else []
        command += ["-cp", _class_path(jars), "kafka.Kafka", str(self._properties)]
        self._process = LeashedProcess(
            Launch(
                name="Kafka",
                command=tuple(command),
                log=self.log,
                stop_signal=signal.SIGTERM,
            )
        )
        self._pid_file.write_text(str(self._process.pid))

    def _wait_until_ready(self) -> None:
        process = self._process  # held: whoever interrupts the start forgets it meanwhile
        assert process is not None
        deadline = time.monotonic() + STARTUP_S_MAX
        while process.running and time.monotonic() < deadline:
            if is_free(self._port):
                time.sleep(0.05)
            elif answers(self.bootstrap, timeout_s=2.0):
                return
        self.kill()
        raise ServerFailed("Kafka does not start", tail(self.log))


class _ClassArchive:
    """A class-data archive in the cache: it halves Kafka's start. Made at a first clean stop."""

    def __init__(self, java: Java, jars: Path) -> None:
        made_of = f"{java.program.resolve()} {java.version} {jars} {HEAP}"
        digest = hashlib.sha256(made_of.encode()).hexdigest()[:12]
        self._path = cache_folder() / f"kafka-classes-{digest}.jsa"

    @property
    def exists(self) -> bool:
        return self._path.exists()

    @property
    def use(self) -> tuple[str, ...]:
        return (f"-XX:SharedArchiveFile={self._path}", "-Xlog:cds=off") if self.exists else ()

    def arriving(self) -> Path:
        """Where a new one is written first; what an owner that was killed left there goes."""
        for left in self._path.parent.glob("kafka-classes-*.arriving-*"):
            with contextlib.suppress(FileNotFoundError):
                if time.time() - left.stat().st_mtime > ARRIVING_S_MAX:
                    left.unlink()
        return self._path.with_suffix(f".arriving-{os.getpid()}-{uuid4().hex[:8]}")

    @staticmethod
    def record(arriving: Path) -> tuple[str, ...]:
        return (f"-XX:ArchiveClassesAtExit={arriving}", "-Xlog:cds=off", "-Xlog:cds+dynamic=off")

    @staticmethod
    def keep(arriving: Path) -> None:
        """Put a finished archive in place; the JVM may have written none."""
        with contextlib.suppress(FileNotFoundError):
            arriving.rename(arriving.with_suffix(".jsa"))


def answers(bootstrap: str, timeout_s: float) -> bool:
    """Whether a broker there answers an admin call, with itself in the cluster and unfenced."""
    admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": 0})
    try:
        return bool(admin.list_topics(timeout=timeout_s).brokers)
    except KafkaException:
        return False


def _class_path(jars: Path) -> str:
    """In one order always, or the class archive would not fit."""
    return ":".join(str(jar) for jar in sorted(jars.glob("*.jar")))
