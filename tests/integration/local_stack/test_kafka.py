"""Kafka of one machine: private, keeps its log and its port, comes back after anything."""

import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka import Consumer, KafkaError, Producer

from infra.local import KafkaUnavailable, ServerFailed
from infra.local.kafka import KafkaBroker, answers
from infra.local.kafka_jars import find_maven, have_jars, usable_java
from infra.local.ports import free_port
from libs.messaging.topics import (
    Topic,
    assert_topics,
    create_topics,
    delete_topics,
    topic_id,
    wanted_topics,
)
from tests.integration.local_stack.owners import alive, ends_within, owner

TOPICS = wanted_topics(3)
LOG, CHANNEL, _OUTBOUND = (topic.name for topic in TOPICS)

pytestmark = pytest.mark.kafka


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaBroker]:
    try:
        usable_java()
    except KafkaUnavailable as reason:
        pytest.skip(f"NO REAL KAFKA: {reason}")
    if not have_jars() and find_maven() is None:
        pytest.skip("NO REAL KAFKA: Maven is missing, and Kafka is not in the cache")
    broker = KafkaBroker(tmp_path_factory.mktemp("kafka"), short_lived=True)
    broker.start()
    create_topics(broker.bootstrap, TOPICS)
    yield broker
    broker.stop()


def send(broker: KafkaBroker, topic: str, value: bytes) -> str:
    """The name of the error, or "" when the broker has it."""
    producer = Producer({"bootstrap.servers": broker.bootstrap, "message.max.bytes": 20_000_000})
    faults: list[KafkaError | None] = []
    producer.produce(topic, value, partition=0, callback=lambda fault, _: faults.append(fault))
    producer.flush(20)
    [fault] = faults
    return fault.name() if fault else ""


def first_value(broker: KafkaBroker, topic: str) -> bytes:
    consumer = Consumer(
        {"bootstrap.servers": broker.bootstrap, "group.id": "g", "auto.offset.reset": "earliest"}
    )
    consumer.subscribe([topic])
    message = consumer.poll(20)
    consumer.close()
    assert message is not None
    assert message.error() is None
    value = message.value()
    assert isinstance(value, bytes)
    return value


def test_only_this_machine_can_reach_it(broker: KafkaBroker) -> None:
    listening = set()
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            local, state = line.split()[1], line.split()[3]
            address, port = local.split(":")
            if state == "0A" and int(port, 16) == int(broker.bootstrap.rpartition(":")[2]):
                listening.add(address)
    loopback = {"0100007F", "0000000000000000FFFF00000100007F"}  # IPv4, and IPv4 inside IPv6
    assert listening
    assert listening <= loopback


def test_its_topics_are_as_demanded(broker: KafkaBroker) -> None:
    assert assert_topics(broker.bootstrap, TOPICS) == []


def test_creating_topics_again_changes_nothing(broker: KafkaBroker) -> None:
    before = topic_id(broker.bootstrap, LOG)
    create_topics(broker.bootstrap, TOPICS)
    assert topic_id(broker.bootstrap, LOG) == before


def test_each_wrong_setting_is_named(broker: KafkaBroker) -> None:
    wrong = {"cleanup.policy": "compact", "retention.ms": "1000"}
    create_topics(broker.bootstrap, [Topic("wrong", 2, wrong)])
    demanded = Topic("wrong", 3, wanted_topics()[0].config)
    problems = [str(one) for one in assert_topics(broker.bootstrap, [demanded])]
    said = "\n".join(problems)
    assert len(problems) == 5
    assert "wrong: has 2 partitions and must have 3" in said
    assert "cleanup.policy is compact and must be delete" in said
    assert "retention.ms is 1000 and must be -1" in said
    assert "message.timestamp.type is CreateTime and must be LogAppendTime" in said
    assert "max.message.bytes" in said
    missing = assert_topics(broker.bootstrap, [Topic("absent", 3)])
    assert [str(one) for one in missing] == ["absent: does not exist. Create it with the set-up."]


def test_a_topic_made_again_has_another_id(broker: KafkaBroker) -> None:
    again = [Topic("again", 1)]
    create_topics(broker.bootstrap, again)
    before = topic_id(broker.bootstrap, "again")
    delete_topics(broker.bootstrap, ["again"])
    create_topics(broker.bootstrap, again)
    assert topic_id(broker.bootstrap, "again") != before


def test_a_message_far_too_long_reaches_us_to_be_refused(broker: KafkaBroker) -> None:
    assert send(broker, CHANNEL, b"x" * 5_000_000) == ""
    assert send(broker, CHANNEL, b"x" * 9_000_000) == "MSG_SIZE_TOO_LARGE"


def test_the_log_survives_a_stop_on_the_same_port(broker: KafkaBroker) -> None:
    assert send(broker, LOG, b"kept") == ""
    before, topic = broker.bootstrap, topic_id(broker.bootstrap, LOG)
    broker.stop()
    assert not answers(before, timeout_s=0.5)
    started = time.monotonic()
    broker.start()
    assert time.monotonic() - started < 20.0  # measured: 1.5 to 3 s
    assert broker.bootstrap == before
    assert topic_id(broker.bootstrap, LOG) == topic
    assert first_value(broker, LOG) == b"kept"


def test_the_log_survives_a_kill(broker: KafkaBroker) -> None:
    create_topics(broker.bootstrap, [Topic("crash", 1)])
    assert send(broker, "crash", b"kept") == ""
    broker.kill()
    broker.start()
    assert first_value(broker, "crash") == b"kept"


def test_paused_it_answers_nothing_and_resumed_it_goes_on(broker: KafkaBroker) -> None:
    broker.pause()
    try:
        assert not answers(broker.bootstrap, timeout_s=1.0)
    finally:
        broker.resume()
    deadline = time.monotonic() + 20
    while not answers(broker.bootstrap, timeout_s=2.0):
        assert time.monotonic() < deadline
    assert send(broker, LOG, b"again") == ""


def test_a_given_port_that_is_taken_is_said(tmp_path: Path) -> None:
    port = free_port()
    taken = socket.create_server(("127.0.0.1", port))
    with taken, pytest.raises(ServerFailed, match=f"port {port}"):
        KafkaBroker(tmp_path, port=port).start()


def test_an_owner_killed_leaves_no_orphan(broker: KafkaBroker, tmp_path: Path) -> None:
    del broker  # for its check that Kafka can run here
    code = f"""
from infra.local.kafka import KafkaBroker
broker = KafkaBroker(__import__("pathlib").Path({str(tmp_path)!r}), short_lived=True)
broker.start()
print(broker.pid, flush=True)"""
    with owner(code) as (process, [pid]):
        assert alive(pid)
        process.kill()
        assert ends_within(pid, 15.0)
