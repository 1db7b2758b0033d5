"""The broker where Java is missing: librdkafka's mock cluster, in this process, gone with it.

It speaks Kafka's protocol, but has no admin API, four partitions for every topic, one member per
group, and keeps nothing. The relay's read-back fills it again from the stores.
"""

from pathlib import Path
from typing import Any

from confluent_kafka import Producer

from infra.local.problems import NotOnMemoryBroker, ServerFailed
from infra.local.process import Progress, quiet


class MemoryBroker:
    """The same interface as `KafkaBroker`; what it cannot do raises NotOnMemoryBroker."""

    kind = "memory"
    partitions_fixed: int | None = 4
    """librdkafka's mock gives every topic four and takes no other number."""

    def __init__(self, reason: str = "") -> None:
        """`reason` says why real Kafka is not used; it is told at the start."""
        self.reason = reason
        self.log: Path | None = None
        self._cluster: Any = None
        self._bootstrap = ""

    @property
    def running(self) -> bool:
        """Whether the mock cluster is up."""
        return self._cluster is not None

    @property
    def pid(self) -> int:
        """It has no process of its own."""
        raise NotOnMemoryBroker("the in-memory broker has no process of its own")

    @property
    def bootstrap(self) -> str:
        """`127.0.0.1:port`; another one after every start."""
        if not self._bootstrap:
            raise ServerFailed("the in-memory broker is not started")
        return self._bootstrap

    def start(self, progress: Progress = quiet) -> None:
        """Start it and say loudly what it is."""
        if self.running:
            return
        self._cluster = Producer(
            {"bootstrap.servers": "mock", "test.mock.num.brokers": 1, "log_level": 0}
        )
        broker = next(iter(self._cluster.list_topics(timeout=10).brokers.values()))
        self._bootstrap = f"{broker.host}:{broker.port}"
        progress(
            "kafka",
            "NO REAL KAFKA: using an in-memory broker, whose log is gone when this ends. "
            + self.reason,
        )

    def stop(self) -> None:
        """End it; everything in it is gone."""
        self._cluster = None
        self._bootstrap = ""

    def kill(self) -> None:
        """The same as `stop`: there is nothing to keep."""
        self.stop()

    def pause(self) -> None:
        """Not possible here."""
        raise NotOnMemoryBroker("the in-memory broker cannot be paused")

    def resume(self) -> None:
        """Not possible here."""
        raise NotOnMemoryBroker("the in-memory broker cannot be paused")
