"""The three topics as DESIGN (Relay) demands them: created where missing, asserted at every start.

complaints.log       every event of every service, kept until audit has archived it
complaints.channel   customers' words in clear: 72 hours, and not much longer on disk
complaints.outbound  notices for the gateways, sealed
"""

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from confluent_kafka import (
    ConsumerGroupTopicPartitions,
    KafkaError,
    KafkaException,
    TopicCollection,
    TopicPartition,
)
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # 2.16 exports them unmarked
    AdminClient,
    ConfigResource,
    NewTopic,
    OffsetSpec,
    ResourceType,
)

LOG = "complaints.log"
CHANNEL = "complaints.channel"
OUTBOUND = "complaints.outbound"

PARTITIONS_ONE_MACHINE = 12
HOUR_MS = 60 * 60 * 1000
MIB = 1024 * 1024

# Of an event's 256 KB in a batch of its own; the limit counts whole batches.
LOG_BYTES_MAX = 2 * MIB
# Far above what is accepted: a customer's oversized message must reach us to be refused with the
# reason, instead of failing in the channel's producer.
CHANNEL_BYTES_MAX = 8 * MIB
CHANNEL_KEPT_MS = 72 * HOUR_MS
OUTBOUND_KEPT_MS = 30 * 24 * HOUR_MS


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic as it must be. `config` is Kafka's own names and values."""

    name: str
    partitions: int
    config: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class TopicProblem:
    """One way in which a topic is not as it must be, and what to do."""

    topic: str
    problem: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.topic}: {self.problem}. {self.remedy}"


def wanted_topics(
    partitions: int = PARTITIONS_ONE_MACHINE, *, prefix: str = "", min_insync_replicas: int = 1
) -> tuple[Topic, ...]:
    """The three topics; `prefix` sets tests apart from each other on one broker."""
    always = {
        # Compaction would keep one event per complaint.
        "cleanup.policy": "delete",
        "message.timestamp.type": "LogAppendTime",
        "retention.bytes": "-1",
        "min.insync.replicas": str(min_insync_replicas),
    }
    log = {"retention.ms": "-1", "max.message.bytes": str(LOG_BYTES_MAX)}
    channel = {
        "retention.ms": str(CHANNEL_KEPT_MS),
        # Only closed segments are deleted: with the default of 7 days, 72 hours would be 10 days.
        "segment.ms": str(HOUR_MS),
        "max.message.bytes": str(CHANNEL_BYTES_MAX),
    }
    outbound = {"retention.ms": str(OUTBOUND_KEPT_MS), "max.message.bytes": str(LOG_BYTES_MAX)}
    return (
        Topic(prefix + LOG, partitions, always | log),
        Topic(prefix + CHANNEL, partitions, always | channel),
        Topic(prefix + OUTBOUND, partitions, always | outbound),
    )


def create_topics(
    bootstrap: str,
    topics: Sequence[Topic],
    *,
    replication_factor: int = 1,
    timeout_s: float = 30.0,
) -> None:
    """Create those that are missing and wait until every partition has a leader.

    Existing ones stay as they are: `assert_topics` says what is wrong with them. Raises
    KafkaException.
    """
    admin = _admin(bootstrap)
    asked = [
        NewTopic(topic.name, topic.partitions, replication_factor, config=dict(topic.config))
        for topic in topics
    ]
    for created in admin.create_topics(asked, request_timeout=timeout_s).values():
        try:
            created.result()
        except KafkaException as refusal:
            if refusal.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                raise
    _await_leaders(admin, [topic.name for topic in topics], timeout_s)


def delete_topics(bootstrap: str, names: Iterable[str], *, timeout_s: float = 30.0) -> None:
    """Delete the topics; those that do not exist are passed. Raises KafkaException."""
    admin = _admin(bootstrap)
    deleting = admin.delete_topics(list(names), request_timeout=timeout_s)
    for deleted in deleting.values():
        try:
            deleted.result()
        except KafkaException as refusal:
            if refusal.args[0].code() != KafkaError.UNKNOWN_TOPIC_OR_PART:
                raise


def assert_topics(
    bootstrap: str, topics: Sequence[Topic], *, timeout_s: float = 10.0
) -> list[TopicProblem]:
    """What is not as it must be; empty when all is well. Raises KafkaException if unreachable.

    Not for the in-memory broker, which has no admin API (DESIGN, Relay).
    """
    admin = _admin(bootstrap)
    known = admin.list_topics(timeout=timeout_s).topics
    problems: list[TopicProblem] = []
    present = [topic for topic in topics if topic.name in known]
    for topic in topics:
        if topic.name not in known:
            remedy = "Create it with the set-up."
            problems.append(TopicProblem(topic.name, "does not exist", remedy))
            continue
        found = len(known[topic.name].partitions)
        if found != topic.partitions:
            problem = f"has {found} partitions and must have {topic.partitions}"
            remedy = "Partitions never change: order would break. Use a new topic."
            problems.append(TopicProblem(topic.name, problem, remedy))
    resources = [ConfigResource(ResourceType.TOPIC, topic.name) for topic in present]
    if not resources:
        return problems
    described = admin.describe_configs(resources, request_timeout=timeout_s)
    settings = {resource.name: answer.result() for resource, answer in described.items()}
    for topic in present:
        problems += _wrong_settings(topic, settings[topic.name])
    return problems


def topic_id(bootstrap: str, name: str, *, timeout_s: float = 10.0) -> str:
    """The topic's id: another one after it was deleted and made again. Raises KafkaException."""
    admin = _admin(bootstrap)  # held: an admin client that is let go fails what it was asked
    asked = admin.describe_topics(TopicCollection([name]), request_timeout=timeout_s)
    return str(asked[name].result().topic_id)


def partitions_of(bootstrap: str, name: str, *, timeout_s: float = 10.0) -> int:
    """How many partitions a topic has; 0: there is none of that name. Raises KafkaException."""
    known = _admin(bootstrap).list_topics(timeout=timeout_s).topics.get(name)
    return 0 if known is None else len(known.partitions)


def starts(bootstrap: str, name: str, *, timeout_s: float = 10.0) -> dict[int, int]:
    """Partition -> the first offset the log still has. Raises KafkaException."""
    admin = _admin(bootstrap)
    count = len(admin.list_topics(name, timeout=timeout_s).topics[name].partitions)
    earliest = OffsetSpec.earliest()  # type: ignore[no-untyped-call]  # 2.16 has no types there
    asked = {TopicPartition(name, one): earliest for one in range(count)}
    found = admin.list_offsets(asked, request_timeout=timeout_s)
    return {place.partition: answer.result().offset for place, answer in found.items()}


def group_offsets(
    bootstrap: str, group: str, name: str, *, timeout_s: float = 10.0
) -> dict[int, int]:
    """Partition -> the offset a group goes on from; one that never listened is left out.

    Raises KafkaException.
    """
    admin = _admin(bootstrap)
    asked = admin.list_consumer_group_offsets(
        [ConsumerGroupTopicPartitions(group)], request_timeout=timeout_s
    )
    found = asked[group].result().topic_partitions or []
    return {one.partition: one.offset for one in found if one.topic == name and one.offset >= 0}


def delete_before(
    bootstrap: str, name: str, offsets: Mapping[int, int], *, timeout_s: float = 30.0
) -> None:
    """Forgets every record before these offsets, for good. Raises KafkaException.

    Not for the in-memory broker, which has no admin API.
    """
    admin = _admin(bootstrap)
    asked = [TopicPartition(name, partition, upto) for partition, upto in offsets.items()]
    for answer in admin.delete_records(asked, request_timeout=timeout_s).values():
        answer.result()


def _wrong_settings(topic: Topic, settings: Mapping[str, object]) -> list[TopicProblem]:
    problems = []
    for name, wanted in topic.config.items():
        found = getattr(settings[name], "value", None)
        if found != wanted:
            problem = f"{name} is {found} and must be {wanted}"
            remedy = f"Set it: kafka-configs.sh --alter --topic {topic.name} --add-config "
            problems.append(TopicProblem(topic.name, problem, f"{remedy}{name}={wanted}"))
    return problems


def _await_leaders(admin: AdminClient, names: Sequence[str], timeout_s: float) -> None:
    deadline = time.monotonic() + timeout_s
    while True:
        known = admin.list_topics(timeout=timeout_s).topics
        partitions = [
            partition
            for name in names
            if name in known
            for partition in known[name].partitions.values()
        ]
        led = all(partition.leader >= 0 for partition in partitions)
        if led and all(name in known and known[name].partitions for name in names):
            return
        if time.monotonic() > deadline:
            raise KafkaException(
                KafkaError(KafkaError.LEADER_NOT_AVAILABLE, f"topics without a leader: {names}")
            )
        time.sleep(0.05)


def _admin(bootstrap: str) -> AdminClient:
    return AdminClient({"bootstrap.servers": bootstrap, "log_level": 0})
