"""Guarantees 1 and 6 on the six services: told again in other orders, or rebuilt: equal."""

import asyncio
import json
import random
import re
from collections import defaultdict
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from cli.crowd import Saying, crowd
from cli.places import SERVICES
from cli.system import database
from contracts.housekeeping import CheckpointSealed, TokenIssued
from services.intake.domain.identity import message_key
from tests.e2e.rebuilt import RUNTIME, assert_rebuilt_equal, assert_rebuilt_from_the_archive
from tests.e2e.world import DATABASES, World, read_log, sh, world
from tests.stack import Room, room

START = "2025-10-09 09:00:00"
PEOPLE = 24
TOGETHER = timedelta(minutes=4)
PLACES = {"time", "traceparent", "previous"}
"""Of the envelope: when, where and after what an event was written, not what it says."""
SECRET = re.compile(r"bs1\.[A-Za-z0-9_-]+")
UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
"""A random UUID (version 4): a person. Every other id follows from what was told."""

Batches = Sequence[Sequence[Saying]]


def batches() -> list[list[Saying]]:
    """The crowd's morning, in groups that reach the channels within four minutes."""
    grouped: list[list[Saying]] = []
    for saying in crowd(7, sh(START), PEOPLE):
        if grouped and saying.at - grouped[-1][0].at < TOGETHER:
            grouped[-1].append(saying)
        else:
            grouped.append([saying])
    return grouped


def thrice_and_shuffled(told: Batches) -> list[list[Saying]]:
    """Each message three times; other orders across complaints, each one's own order kept."""
    dice = random.Random(3)
    out = []
    for group in told:
        by_person: dict[str, list[Saying]] = defaultdict(list)
        for one in group:
            by_person[one.words.get("subscriber", one.message)] += [one, one, one]
        mixed: list[Saying] = []
        while by_person:
            person = dice.choice(sorted(by_person))
            mixed.append(by_person[person].pop(0))
            if not by_person[person]:
                del by_person[person]
        out.append(mixed)
    return out


async def played(where: Room, folder: Path, told: Batches) -> tuple[Any, Any]:
    """Plays the crowd; returns what was decided, and what the views show."""
    async with world(where, folder, START) as playing:
        for group in told:
            await playing.stepper.run_until(max(one.at for one in group))
            for one in group:
                await playing.player.say(one.source, one.message, one.at, **one.words)
            await playing.settle()
        await playing.at("2025-10-10 12:00:00")
        await playing.settle()
        return await decided(playing), views(where)


async def decided(playing: World) -> dict[str, list[str]]:
    """Each stream's events in order, but for time and positions."""
    streams: dict[str, list[str]] = defaultdict(list)
    for value in await read_log(playing.system):
        event = json.loads(value)
        if event["type"] in (CheckpointSealed.type, TokenIssued.type):
            # One seals the bytes themselves, instants and places and all; the other is about a
            # token, which each of the two installations has made for itself.
            continue
        said = {name: part for name, part in event.items() if name not in PLACES}
        streams[f"{event['source']} {event['subject']}"].append(plain(said))
    return streams


def views(where: Room) -> dict[str, list[str]]:
    """Every row of every read model of every service."""
    found = {}
    for service in SERVICES:
        with psycopg.connect(where.dsns[database(service)]) as connection:
            names = connection.execute(
                "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
            ).fetchall()
            for (name,) in names:
                if name in RUNTIME or service == "audit":  # audit's rows are the log's places
                    continue
                if name == "access_token":  # as with token.issued
                    continue
                rows = connection.execute(f'SELECT row_to_json(t) FROM "{name}" t').fetchall()
                found[f"{service}.{name}"] = sorted(plain(row) for (row,) in rows)
    return found


def plain(document: Any) -> str:
    """As text, with what is random told apart from what follows."""
    text = json.dumps(document, sort_keys=True, ensure_ascii=False)
    return UUID.sub("person", SECRET.sub("sealed", text))


def test_the_same_messages_thrice_and_in_other_orders_decide_the_same(tmp_path: Path) -> None:
    """Guarantee 1."""
    told = batches()
    assert max(map(len, told)) > 1
    results = []
    for number, input_ in enumerate((told, thrice_and_shuffled(told))):
        with room(DATABASES) as where:
            results.append(asyncio.run(played(where, tmp_path / str(number), input_)))
    (events, shown), (events_again, shown_again) = results
    assert len(events) > 4 * PEOPLE
    assert events_again == events
    assert shown_again == shown


def test_without_remembering_messages_the_same_would_be_told_thrice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Guarantee 1 with its mechanism switched off: no message is known again."""
    counted = iter(range(10_000))
    monkeypatch.setattr(
        "services.intake.door.message_key",
        lambda source, name: message_key(source, f"{name} {next(counted)}"),
    )
    group = [[one, one, one] for one in crowd(7, sh(START), 2)[:1]]
    with room(DATABASES) as where:
        events, _ = asyncio.run(played(where, tmp_path, group))
    registered = [one for one in events if one.startswith("/bihuan/intake ")]
    assert len(registered) > 1


@pytest.mark.parametrize("whole", [False, True], ids=["views dropped", "database dropped"])
def test_every_service_rebuilt_from_the_log_is_equal(tmp_path: Path, whole: bool) -> None:
    """Guarantee 6, for each of the six services."""
    with room(DATABASES) as where:
        asyncio.run(_rebuilt(where, tmp_path, whole))


async def _rebuilt(where: Room, folder: Path, whole: bool) -> None:
    topic_ids: dict[str, str] = {}
    async with world(where, folder, START) as playing:
        for group in batches()[:12]:
            await playing.stepper.run_until(max(one.at for one in group))
            for one in group:
                await playing.player.say(one.source, one.message, one.at, **one.words)
            await playing.settle()
        topic_ids = {name: app.inbox.topic_id for name, app in playing.system.apps.items()}
        partitions = playing.system.partitions
    await assert_rebuilt_equal(where, topic_ids, partitions, whole=whole)
    if whole and where.broker_kind == "kafka":
        await assert_rebuilt_from_the_archive(where, topic_ids["audit"], partitions)
