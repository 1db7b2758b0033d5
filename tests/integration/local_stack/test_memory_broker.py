"""Where Java is missing, a broker in memory stands in, and says so loudly."""

from pathlib import Path

import pytest
from confluent_kafka import Consumer, Producer

from infra.local import KafkaUnavailable, LocalStack, NotOnMemoryBroker
from infra.local.memory_broker import MemoryBroker


@pytest.fixture
def no_java(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    monkeypatch.delenv("JAVA_HOME", raising=False)


@pytest.mark.usefixtures("no_java")
def test_without_java_the_stack_runs_in_memory_and_says_so(tmp_path: Path) -> None:
    said: list[str] = []
    stack = LocalStack(
        tmp_path / "data", durable=False, progress=lambda part, line: said.append(f"{part}: {line}")
    )
    with stack:
        assert stack.broker_kind == "memory"
        producer = Producer({"bootstrap.servers": stack.bootstrap, "log_level": 0})
        producer.produce("complaints.log", b"told", key=b"k")
        assert producer.flush(10) == 0
        settings = {
            "bootstrap.servers": stack.bootstrap,
            "group.id": "g",
            "auto.offset.reset": "earliest",
            "log_level": 0,
        }
        consumer = Consumer(settings)
        consumer.subscribe(["complaints.log"])
        message = consumer.poll(15)
        consumer.close()
        del producer
    assert message is not None
    assert message.value() == b"told"
    loud = [line for line in said if "NO REAL KAFKA" in line]
    assert len(loud) == 1
    assert "Java is not installed" in loud[0]
    assert "请安装 Java" in loud[0]


@pytest.mark.usefixtures("no_java")
def test_real_kafka_asked_for_is_never_replaced(tmp_path: Path) -> None:
    stack = LocalStack(tmp_path / "data", durable=False, broker="kafka")
    with pytest.raises(KafkaUnavailable, match="Java is not installed"):
        stack.start()
    assert not stack.postgres.running


def test_every_topic_has_the_partitions_it_says() -> None:
    broker = MemoryBroker()
    broker.start()
    producer = Producer({"bootstrap.servers": broker.bootstrap, "log_level": 0})
    partitions = producer.list_topics("complaints.log", timeout=10).topics["complaints.log"]
    assert len(partitions.partitions) == broker.partitions_fixed
    del producer
    broker.stop()


def test_what_it_cannot_do_it_says() -> None:
    broker = MemoryBroker()
    with pytest.raises(NotOnMemoryBroker):
        broker.pause()
    with pytest.raises(NotOnMemoryBroker):
        _ = broker.pid
