"""Kafka forgets only what audit has archived and everybody has heard (DESIGN, Relay).

What is left of the log, and how far each group is, is asked of the broker by a client of another
make than the one that deletes; how far a database is, of the database.
"""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any

import psycopg
import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from confluent_kafka import KafkaError, KafkaException

from cli.places import SERVICES
from cli.system import database
from libs.eventlog.work import partition_of
from libs.messaging import topics
from libs.messaging.stepping import Stepper
from tests.e2e.commands import bihuan, told
from tests.e2e.world import World

KEPT = timedelta(days=30)
"""DESIGN, Relay: what is older than 30 days `CFG` goes."""
MONTH = timedelta(days=31)
Offsets = Mapping[int, int]


async def offsets(playing: World) -> tuple[Offsets, Offsets, Offsets]:
    """Per partition: the first offset that the broker has, the end, and the first younger than 30
    days (the end where there is none)."""
    topic = f"{playing.system.topic_prefix}complaints.log"
    consumer = AIOKafkaConsumer(
        bootstrap_servers=playing.system.stack.bootstrap,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
    )
    await consumer.start()
    try:
        places = [TopicPartition(topic, number) for number in range(playing.system.partitions)]
        consumer.assign(places)
        begin = await consumer.beginning_offsets(places)
        end = await consumer.end_offsets(places)
        young = dict(end)
        await consumer.seek_to_beginning(*places)
        while any([await consumer.position(place) < end[place] for place in places]):
            for place, records in (await consumer.getmany(timeout_ms=200)).items():
                for one in records:
                    time = datetime.fromisoformat(json.loads(one.value)["time"])
                    if time > playing.clock.now() - KEPT:
                        young[place] = min(young[place], one.offset)
    finally:
        await consumer.stop()
    first, last, fresh = (
        {place.partition: offset for place, offset in found.items()}
        for found in (begin, end, young)
    )
    return first, last, fresh


def taken(playing: World, service: str) -> Offsets:
    """How far a service's own database is."""
    with psycopg.connect(playing.system.stack.dsn(database(service))) as connection:
        rows = connection.execute(
            "SELECT partition, next FROM inbox_offset WHERE topic = %s",
            (f"{playing.system.topic_prefix}complaints.log",),
        ).fetchall()
    return dict(rows)


async def may_go(playing: World) -> Offsets:
    """How far each partition may go at most: what nobody needs any more, and is old."""
    begin, _, young = await offsets(playing)
    limits = [young, taken(playing, "audit")]
    admin = AIOKafkaAdminClient(bootstrap_servers=playing.system.stack.bootstrap)
    await admin.start()
    try:
        for service in SERVICES:
            group = f"{playing.system.topic_prefix}bihuan-{service}"
            found = await admin.list_consumer_group_offsets(group)
            limits.append({place.partition: one.offset for place, one in found.items()})
    finally:
        await admin.close()
    return {n: max(one, min(limit.get(n, 0) for limit in limits)) for n, one in begin.items()}


async def trims(playing: World) -> Offsets:
    """Lets Kafka forget, exactly what it may; returns where the broker's log begins then."""
    before, wanted = (await offsets(playing))[0], await may_go(playing)
    code, _ = await told(playing.system.places.data, "archive", "trim")
    assert code == 0
    begin, _, _ = await offsets(playing)
    assert begin == wanted
    assert sum(begin.values()) > sum(before.values())
    return begin


@asynccontextmanager
async def a_month_without(playing: World, service: str, *, down: bool) -> AsyncIterator[str]:
    """Somebody complains and a month goes by, of which a service hears nothing; yields what.

    `down`: it is stopped; else its doors are open, and only its inbox stands still.
    """
    missing = playing.without(service) if down else playing.deaf(service)
    async with missing:
        others = [app for name, app in playing.system.apps.items() if name != service]
        stepper = Stepper(others, playing.clock)
        name = f"without-{service}"
        await playing.player.say(
            "10010",
            name,
            playing.clock.now(),
            kind="words",
            channel="hotline_10010",
            text="……",
            subscriber=f"138000008{len(service):02}",
            category="mobile.coverage",
        )
        await stepper.settle()
        await stepper.run_until(playing.clock.now() + MONTH)
        yield str((await playing.player.outcome("10010", name))["complaint"])


async def what_audit_has_not_archived_stays(playing: World) -> None:
    async with a_month_without(playing, "audit", down=False) as complaint:
        archived = taken(playing, "audit")
        _, end, _ = await offsets(playing)
        there = partition_of(complaint, playing.system.partitions)
        assert archived[there] < end[there]
        begin = await trims(playing)
        assert {n for n, offset in begin.items() if offset > archived.get(n, 0)} == set()
        events = len(await playing.events(complaint))
    archive = f"SELECT count(*) FROM archive WHERE subject = '{complaint}'"
    with psycopg.connect(playing.system.stack.dsn("bihuan_audit")) as connection:
        assert connection.execute(archive.encode()).fetchone() == (events,)


async def what_a_service_has_not_heard_stays(playing: World) -> None:
    async with a_month_without(playing, "routing", down=True) as complaint:
        heard = taken(playing, "routing")
        there = partition_of(complaint, playing.system.partitions)
        assert heard[there] < taken(playing, "audit")[there], "audit alone would let it go"
        begin = await trims(playing)
        assert {n for n, offset in begin.items() if offset > heard.get(n, 0)} == set()
        assert await playing.events(complaint, "work.routed") == []
    assert len(await playing.events(complaint, "work.routed")) >= 1
    assert await playing.app("routing").ready() == []

    # The next one goes as far as allowed, whatever broke off amid it.
    await playing.stepper.run_until(playing.clock.now() + MONTH)
    await playing.say(subscriber="13800000899", category="mobile.coverage")
    before = await broken_off(playing)
    await playing.restart("audit")
    begin = await trims(playing)
    assert begin[there] > max(before[there], heard[there])
    code, _ = await told(playing.system.places.data, "archive", "trim")
    assert (code, (await offsets(playing))[0]) == (0, begin), "done twice it is done once"


async def broken_off(playing: World) -> Offsets:
    """Kafka goes away when half of the partitions are done, and audit dies of it; returns where
    the log began before."""
    before, _, _ = await offsets(playing)

    def half(bootstrap: str, name: str, upto: Offsets, **more: Any) -> None:
        some = dict(sorted(upto.items())[: len(upto) // 2])
        assert 0 < len(some) < len(upto)
        delete_before(bootstrap, name, some, **more)
        raise KafkaException(KafkaError(KafkaError._TRANSPORT))

    delete_before = topics.delete_before
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(topics, "delete_before", half)
        code, _, err = await bihuan(playing.system.places.data, "archive", "trim")
    assert code == 1
    assert "_TRANSPORT" in err
    after, _, _ = await offsets(playing)
    assert sum(after.values()) > sum(before.values())
    return before
