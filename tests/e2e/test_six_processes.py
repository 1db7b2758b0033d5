"""Guarantees 1, 5 and 6 once more, in six processes on the system clock.

One story, told to two systems: to the first once, to the second thrice and in other orders. The
second then meets records that nobody can take and a rule that raises, and is rebuilt, service by
service, while the others run.
"""

import asyncio
import importlib
import json
import random
import re
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from aiokafka import AIOKafkaProducer

from cli.places import SERVICES
from cli.system import System, database
from contracts.housekeeping import CheckpointSealed, TokenIssued
from contracts.messages import CHANNEL_TOPIC
from libs.eventlog.work import partition_of
from libs.messaging import topics
from libs.messaging.clients import running
from libs.messaging.position import Position, RelayHeaders
from libs.messaging.topics import PARTITIONS_ONE_MACHINE
from tests.again import made_again
from tests.e2e import erased
from tests.e2e.processes import LOOP, NOT_OURS, PATIENCE_SECONDS, Crew, check, log_of, quiet, six
from tests.e2e.rebuilt import everything
from tests.e2e.test_parked import FOREIGN, WHY
from tests.e2e.test_same_again import PLACES, plain
from tests.stack import emptied, on_real_kafka

UNLUCKY = Path(__file__).parent / "unlucky"
INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|\+08:00)|\d+月\d+日\d\d:\d\d")
CLOSED = tuple(f"told-{number}" for number in range(6))
WAITING = tuple(f"waits-{number}" for number in range(4))
TOMORROWS = "/bihuan/tomorrows"
"""A service that this version has never heard of."""
pytestmark = pytest.mark.kafka

Streams = dict[str, list[str]]


@dataclass
class Seen:
    """What the story came to."""

    once: Streams = field(default_factory=dict)
    thrice: Streams = field(default_factory=dict)
    of_tomorrow: str = ""
    """The complaint that a record of a version to come was about."""
    unlucky: str = ""
    """The complaint over which a rule raised."""
    parked: dict[str, list[tuple[str, str]]] = field(default_factory=dict)
    """Service -> (complaint, error) of what it set aside of those two."""
    strange: dict[str, Counter[str]] = field(default_factory=dict)
    """Service -> errors of what it set aside beside them."""
    other_loops: int = 0
    """Loops that were closed while those stood aside."""
    caught_up: Counter[str] = field(default_factory=Counter)
    """Events of the unlucky complaint once the rule was mended and the record replayed."""
    told_again: int = 0
    after_rebuilds: int = 0
    """Events on the log, every one of them checked, before and after the rebuilds."""
    left: erased.Left = field(default_factory=erased.Left)
    """What was found of somebody who was erased."""
    not_equal: dict[str, list[str]] = field(default_factory=dict)
    """Service -> tables that a rebuild made otherwise."""


async def tell(crew: Crew, times: int) -> None:
    """Ten people say something, four of them again; each message so many times, shuffled."""
    dice = random.Random(times)
    crew.waiting.update(WAITING)
    first = [*CLOSED, *WAITING] * times
    again = list(WAITING) * times
    if times > 1:
        dice.shuffle(first)
        dice.shuffle(again)
    for name in first:
        await crew.tell_as(name)
    await crew.until_told(*CLOSED, *WAITING)
    for name in again:
        await crew.tell_as(f"{name}-again", of=name)
    await crew.until_closed(CLOSED)


async def streams_of(system: System) -> Streams:
    """Each stream's events in order, but for when, where and after what they were written."""
    for service in SERVICES:
        await quiet(system, service)
    found: Streams = defaultdict(list)
    for _, _, value in await log_of(system):
        event = json.loads(value)
        if event["type"] in (CheckpointSealed.type, TokenIssued.type):
            # One at full hours of the system's clock, over the bytes themselves; the other about a
            # token, which each of the two systems has made for itself.
            continue
        said = {name: part for name, part in event.items() if name not in PLACES}
        text = INSTANT.sub("instant", plain(said))
        found[f"{event['source']} {event['subject']}"].append(text)
    return {name: events for name, events in found.items() if "person" not in plain(name)}


async def put_bad_records(system: System, subject: str) -> None:
    """What nobody can take: on every partition of both topics, and one of a version to come."""
    producer = AIOKafkaProducer(bootstrap_servers=system.stack.bootstrap)
    async with running(producer):
        for partition in range(system.partitions):
            value, headers = FOREIGN[partition % len(FOREIGN)]
            for topic in (topics.LOG, CHANNEL_TOPIC):
                await producer.send_and_wait(
                    topic, value, key=NOT_OURS, headers=headers, partition=partition
                )
        event = {
            "specversion": "1.0",
            "id": "5b0e4a52-6a44-5d0c-9f5e-3b8de1d0a111",
            "source": TOMORROWS,
            "type": "complaint.answered.v9",
            "subject": subject,
            "time": "2026-01-01T00:00:00.000000Z",
            "sequence": "1",
            "previous": "0" * 64,
            "data": {},
        }
        headers_of = RelayHeaders(
            "complaint.answered.v9", TOMORROWS, Position(1, 1), Position(0, 0)
        )
        await producer.send_and_wait(
            topics.LOG,
            json.dumps(event).encode(),
            key=subject.encode(),
            headers=headers_of.raw(),
            partition=partition_of(subject, system.partitions),
        )


async def set_aside(crew: Crew, service: str) -> list[tuple[str, str]]:
    """What a service set aside, once it has heard all there is."""
    await quiet(crew.system, service)
    told = await crew.patiently(
        lambda: crew.player.get(service, "/operations/parked", role="admin", limit=200)
    )
    return sorted((one["subject"], one["error"]) for one in told["items"])


async def start_again(system: System, service: str, **more: str) -> None:
    """Stops a service's process as an operator would, and starts it anew."""
    await stop(system, service)
    system.start_process(service, more)


async def stop(system: System, service: str) -> None:
    system.running[service].terminate()
    await asyncio.to_thread(system.running[service].wait, PATIENCE_SECONDS)


async def bad_records(crew: Crew, seen: Seen) -> None:
    """Guarantee 5: each with its complaint only; all others go on; replay catches up."""
    system = crew.system
    crew.waiting.update(("of-tomorrow", "unlucky"))
    for name in ("of-tomorrow", "unlucky"):
        await crew.tell_as(name)
    await crew.until_told("of-tomorrow", "unlucky")
    of_tomorrow, unlucky = crew.told["of-tomorrow"], crew.told["unlucky"]
    for service in SERVICES:
        await quiet(system, service)
    await start_again(
        system,
        "feedback_survey",
        PYTHONPATH=str(UNLUCKY),
        BIHUAN_TEST_UNLUCKY=f"feedback_survey:{unlucky}",
    )
    await put_bad_records(system, of_tomorrow)
    crew.works_on(unlucky)
    others = await crew.tell(4)
    await crew.until_closed(others)
    seen.other_loops = len(others)
    for service in SERVICES:
        found = await set_aside(crew, service)
        seen.parked[service] = [one for one in found if one[0] in (of_tomorrow, unlucky)]
        seen.strange[service] = Counter(
            error for subject, error in found if subject not in (of_tomorrow, unlucky)
        )
    seen.of_tomorrow, seen.unlucky = of_tomorrow, unlucky

    await start_again(system, "feedback_survey")
    await settle(crew, "feedback_survey", unlucky, "replay")
    for service in SERVICES:
        await settle(crew, service, of_tomorrow, "discard")
    await crew.until_closed(["unlucky"])
    for service in SERVICES:
        await quiet(system, service)
    records = [json.loads(value) for _, _, value in await log_of(system)]
    seen.caught_up = Counter(one["type"] for one in records if one["subject"] == unlucky)
    seen.told_again = await check(system, crew, [*CLOSED, *others], LOOP)


async def settle(crew: Crew, service: str, subject: str, how: str) -> None:
    path = f"/operations/parked/{subject}/{how}"
    await crew.patiently(
        lambda: crew.player.do(
            service, path, WHY, role="admin", actor="admin:ops", key=f"{service}-{subject}-{how}"
        )
    )


async def rebuilds(crew: Crew, seen: Seen) -> None:
    """Guarantee 6: one service after another stops, is rebuilt, goes on; the others run."""
    system = crew.system
    for before_it, service in zip(SERVICES[-1:] + SERVICES, SERVICES, strict=False):
        await quiet(system, before_it)  # each rebuild is itself on record, and audit keeps it
        await quiet(system, service)
        await stop(system, service)
        described = importlib.import_module(f"services.{service}.main").describe()
        dsn = system.stack.dsn(database(service))
        own = system.stack.service_dsn(database(service))
        before = everything(dsn)
        emptied(dsn)
        await made_again(
            described,
            own,
            system.stack.bootstrap,
            topic=topics.LOG,
            topic_id=topics.topic_id(system.stack.bootstrap, topics.LOG),
            partitions=system.partitions,
        )
        after = everything(dsn)
        seen.not_equal[service] = [
            name for name in before.keys() | after.keys() if before.get(name) != after.get(name)
        ]
        system.start_process(service)
    after_all = await crew.tell(3)
    await crew.until_closed(after_all)
    seen.after_rebuilds = await check(system, crew, [*CLOSED, *after_all], LOOP)


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Seen:
    """The whole story, played once."""
    if not on_real_kafka():
        pytest.skip("NO REAL KAFKA: Java or Maven is missing")
    came_to = Seen()

    async def scene() -> None:
        folder = tmp_path_factory.mktemp("once")
        async with six(folder, kafka=erased.KAFKA_CHECKS) as (system, crew):
            await tell(crew, 1)
            came_to.once = await streams_of(system)
            came_to.left = await erased.erase(crew, folder)
        async with six(tmp_path_factory.mktemp("thrice")) as (system, crew):
            await tell(crew, 3)
            came_to.thrice = await streams_of(system)
            await bad_records(crew, came_to)
            await rebuilds(crew, came_to)

    asyncio.run(scene())
    return came_to


def test_in_six_processes_told_thrice_in_other_orders_decides_the_same(seen: Seen) -> None:
    """Guarantee 1."""
    assert seen.once.keys() == seen.thrice.keys()
    assert len(seen.once) > 5 * len(CLOSED)
    for stream, events in seen.once.items():
        assert seen.thrice[stream] == events, stream


def test_in_six_processes_what_cannot_be_taken_stands_aside_alone(seen: Seen) -> None:
    """Guarantee 5: bad bytes, null, garbled headers, a version to come, a rule that raises."""
    raised = (seen.unlucky, "raised")
    on_log = Counter(foreign=PARTITIONS_ONE_MACHINE)
    on_channels = Counter({"bad-json": 3, "empty": 3, "unidentified": 6})  # FOREIGN, in turn
    for service in SERVICES:
        of_tomorrow = [(seen.of_tomorrow, "unknown-version")]
        wanted = sorted([*of_tomorrow, raised] if service == "feedback_survey" else of_tomorrow)
        assert seen.parked[service] == wanted, service
        strange = on_log + on_channels if service == "intake" else on_log
        assert seen.strange[service] == strange, service
    assert seen.other_loops == 4
    housekeeping = Counter({"record.parked.v1": 1, "record.settled.v1": 1})
    assert seen.caught_up == LOOP + housekeeping


def test_in_six_processes_a_rebuilt_service_is_equal_and_goes_on(seen: Seen) -> None:
    """Guarantee 6: whole databases, the others running meanwhile; then the loop closes again."""
    assert seen.not_equal == {service: [] for service in SERVICES}
    assert seen.after_rebuilds > seen.told_again


def test_in_six_processes_nothing_is_left_of_who_was_erased(seen: Seen) -> None:
    """No byte in stores, topics, archive, views, files or logs; `complaints.channel`, which keeps
    what was said for 72 hours, shows that the search finds, and once they are over it is there no
    more either.
    """
    left = seen.left
    assert left.tokens >= 3  # words, name, address
    assert "erased" in str(left.opened)
    channels = {one for one in left.places if "complaints.channel" in one}
    assert {place for _, place in left.found} <= channels
    assert {(planted, erased.CHANNEL) for planted in erased.PLANTED} <= left.found
    assert left.found_later == set(), "nowhere at all"
    looked_at = ("audit.archive", "intake.stored_events", "vault.person_key", "rows of", ".log")
    for part in (erased.CHANNEL, "file stack/kafka/data/complaints.channel-", *looked_at):
        for places in (left.places, left.places_later):
            assert any(part in place for place in places), part
