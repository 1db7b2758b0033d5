"""One person of six running processes is erased; then everything that they keep is searched.

A suggestion told long ago runs no loop and its six months are over, so nothing keeps the data and
the key goes at once, on the system clock.
"""

import asyncio
import errno
import json
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
from confluent_kafka import TopicPartition
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # 2.16 exports them unmarked
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    OffsetSpec,
    ResourceType,
)

from cli.places import SERVICES
from cli.system import System, database
from libs.messaging import topics
from libs.vault.errors import BadToken
from libs.vault.sealing import parse
from tests.e2e.processes import PATIENCE_SECONDS, Crew, log_of, quiet
from tests.e2e.test_no_personal_data import forms, tables, topic

NAME = "erased"
LONG_AGO = timedelta(days=400)
PHONE, CALLED, WORDS = "13977700017", "欧阳六进程", "六进程之词-MARKSIX"
PLANTED = (PHONE, CALLED, WORDS)
CHANNEL = "topic complaints.channel"
TOPICS = ("complaints.channel", "complaints.log", "complaints.outbound")
KAFKA_CHECKS = {"log.retention.check.interval.ms": "500", "log.initial.task.delay.ms": "500"}
"""The broker looks for what is past its retention all the while, not every five minutes."""


@dataclass
class Left:
    """What the search came to."""

    found: set[tuple[str, str]] = field(default_factory=set)
    """(planted value, place)."""
    places: set[str] = field(default_factory=set)
    """Everything that was looked at."""
    found_later: set[tuple[str, str]] = field(default_factory=set)
    places_later: set[str] = field(default_factory=set)
    """The same once the channels' topic had reached its 72 hours."""
    opened: Mapping[str, Any] = field(default_factory=dict)
    """What an auditor is told who asks for the words."""
    tokens: int = 0


async def erase(crew: Crew, folder: Path) -> Left:
    """Tells, erases, waits until the vault has followed, searches; lets the channels' topic reach
    its 72 hours, searches again.
    """
    player, system = crew.player, crew.system
    crew.told[NAME] = ""
    crew.waiting.add(NAME)
    said = {
        "channel": "sms",
        "text": WORDS,
        "sender_name": CALLED,
        "subscriber": PHONE,
        "category": "mobile.coverage",
        "complaint_kind": "suggestion",
        "reply_to": {"kind": "sms", "address": PHONE},
    }
    await player.say("crew", NAME, datetime.now(UTC) - LONG_AGO, kind="words", **said)
    await crew.until_told(NAME)
    for service in SERVICES:
        await quiet(system, service)
    who = {"role": "privacy", "actor": "privacy:test"}
    asked = {"number": PHONE, "purpose": "request_of_the_person"}
    person = (await player.do("intake", "/persons/find", asked, **who))["person"]
    tokens = sorted(await tokens_of(crew, person))
    await player.do("intake", f"/persons/{person}/erase", {"basis": "asked_by_the_person"}, **who)
    await asyncio.to_thread(until_destroyed, system.stack.dsn(database("vault")), person)
    left = Left(tokens=len(tokens))
    body = {"tokens": tokens[:100], "purpose": "after-erasure"}
    try:
        left.opened = await player.do("intake", "/open", body, role="auditor", actor="auditor:test")
    except Exception as denied:  # noqa: BLE001 - whatever it is, its words are looked at
        left.opened = {"denied": str(denied)}
    left.found, left.places = await search(crew, folder)
    await asyncio.to_thread(until_forgotten, system, folder)
    left.found_later, left.places_later = await search(crew, folder)
    return left


async def search(crew: Crew, folder: Path) -> tuple[set[tuple[str, str]], set[str]]:
    """Where any planted value stands, as (value, place), and everything that was looked at."""
    system = crew.system
    places = {f"topic {name}": await topic(crew, system.topic_prefix + name) for name in TOPICS}
    for name in (*SERVICES, "vault"):
        places |= tables(system.stack.dsn(database(name)), name)
    for service in SERVICES:
        path = f"/operations/rows/{crew.told[NAME]}"
        shown = await crew.player.get(service, path, role="auditor", actor="auditor:test")
        places[f"rows of {service}"] = json.dumps(shown, ensure_ascii=False).encode()
    places |= await asyncio.to_thread(files, folder)
    found = {
        (planted, place)
        for place, content in places.items()
        for planted in PLANTED
        if any(form in content for form in forms(planted))
    }
    return found, set(places)


def until_forgotten(system: System, folder: Path) -> None:
    """Lets the 72 hours of the channels' topic be over, and waits until Kafka has acted on it.

    Nothing is deleted by us: Kafka's own retention finds every record older than it may be, begins
    the log behind them and removes the files. KAFKA_CHECKS has it look all the while.
    """
    bootstrap, name = system.stack.bootstrap, system.topic_prefix + topics.CHANNEL
    over = {"retention.ms": "1", "file.delete.delay.ms": "0"}
    entries = [
        ConfigEntry(key, value, incremental_operation=AlterConfigOpType.SET)
        for key, value in over.items()
    ]
    resource = ConfigResource(ResourceType.TOPIC, name, incremental_configs=entries)
    admin = AdminClient({"bootstrap.servers": bootstrap})
    for answer in admin.incremental_alter_configs([resource]).values():
        answer.result()
    end = {
        place.partition: answer.result().offset
        for place, answer in admin.list_offsets(
            {TopicPartition(name, one): OffsetSpec.latest() for one in range(system.partitions)}
        ).items()
    }
    ends = time.monotonic() + PATIENCE_SECONDS
    while topics.starts(bootstrap, name) != end or [*folder.rglob(f"{name}-*/*.deleted")]:
        if time.monotonic() > ends:
            raise TimeoutError("Kafka has not forgotten what is older than it may be")
        time.sleep(0.2)


async def tokens_of(crew: Crew, person: str) -> set[str]:
    """Every sealed text of this person on the log."""
    found = set[str]()
    for _, _, value in await log_of(crew.system):
        for part in json.dumps(json.loads(value)).split('"'):
            try:
                if str(parse(part).person) == person:
                    found.add(part)
            except BadToken:
                continue
    return found


def until_destroyed(dsn: str, person: str) -> None:
    """Waits until the person's keys are gone, and their old versions with them."""
    ends = time.monotonic() + PATIENCE_SECONDS
    with psycopg.connect(dsn, autocommit=True) as connection:
        while time.monotonic() < ends:
            row = connection.execute(
                "SELECT (SELECT bool_and(state = 'destroyed') FROM person_key WHERE person = %s), "
                "(SELECT count(*) FROM vacuum_due)",
                (person,),
            ).fetchone()
            if row == (True, 0):
                return
            time.sleep(0.2)
    raise TimeoutError("the key is not destroyed")


def files(folder: Path) -> dict[str, bytes]:
    """Every file of the installation, those of PostgreSQL and Kafka too."""
    found = (one for one in folder.rglob("*") if one.is_file())
    return {f"file {one.relative_to(folder)}": written(one) for one in found}


def written(file: Path) -> bytes:
    """A file's bytes without its holes: Kafka's indexes are more than a gigabyte of them."""
    parts, at = [], 0
    with file.open("rb") as opened:
        number = opened.fileno()
        while True:
            try:
                at = os.lseek(number, at, os.SEEK_DATA)
            except OSError as error:
                if error.errno != errno.ENXIO:
                    raise
                return b"\0".join(parts)  # nothing but a hole is left
            after = os.lseek(number, at, os.SEEK_HOLE)
            parts.append(os.pread(number, after - at, at))
            at = after
