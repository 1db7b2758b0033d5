"""A complaint's state at an instant out of a large archive, and how fast rules are tried.

python -m tests.bench.state [--events 200000] [--asked 2000] [--tried 500]

Some loops are really played; their complaints are then written again under other ids until the
archive is as large as asked for. Asking is what the route does: read, decode, fold in both senses.
"""

import argparse
import asyncio
import random
import re
import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import UUID, uuid5

import psycopg
import yaml
from prometheus_client import CollectorRegistry
from psycopg.rows import dict_row

from contracts.catalogue import DECODE
from contracts.upcasters import UPCASTERS
from libs.decider import Recorded
from libs.eventlog.envelope import GENESIS, decode
from libs.eventlog.policies import active_from
from libs.eventlog.service import LogRecord
from replay.state import state_at
from replay.what_if import SOURCE, candidate, policies_of, what_if
from services.audit.archive import Archive
from services.audit.cold.records import Records
from services.audit.views import records_of
from tests.bench.figures import Figure, show
from tests.e2e.world import DATABASES, World, read_log, world
from tests.stack import Room, room

LOOPS = 8
BATCH_RECORDS = 500
START = "2025-10-09 09:00:00"
POLICY = Path(__file__).parents[2] / "services/sla_watch/policy/clocks.v1.yaml"
PREVIOUS = re.compile(rb'"previous":"([0-9a-f]{64})"')
SPACE = UUID(int=9)

Story = list[tuple[str, str, bytes]]
"""A complaint's events: source, type, bytes."""


@dataclass(frozen=True)
class Played:
    """What the system said: complaints' stories, and sla_watch's policies."""

    stories: list[Story]
    activated: list[Recorded[Any]]


async def played(where: Room, folder: Path) -> Played:
    """Some loops, half of them answered too late for the first contact."""
    async with world(where, folder, START) as running:
        for number in range(LOOPS):
            await _loop(running, number)
        values = await read_log(running.system)
    stories: dict[str, Story] = {}
    activated = []
    for value in values:
        one = read(value)
        if one.type.startswith("complaint.registered."):
            stories[one.subject] = []
        if one.subject in stories:
            stories[one.subject].append((one.source, one.type, value))
        if one.type.startswith("policy.activated.") and one.source == SOURCE:
            activated.append(one)
    return Played(list(stories.values()), activated)


async def _loop(running: World, number: int) -> None:
    complaint = await running.say(
        subscriber=f"138000009{number:02}", category="mobile.noncoverage.data_speed"
    )
    who = await running.accepts(complaint)
    if number % 2:
        await running.stepper.run_until(running.clock.now() + timedelta(hours=2))
    await running.answers(complaint, who)
    await running.replies(await running.receipt(complaint), 8, resolved=True)


def read(value: bytes) -> Recorded[Any]:
    """An event as its newest version has it."""
    return UPCASTERS.recorded(decode(value, DECODE))


def again(story: Story, subject: UUID) -> Story:
    """The same story of another complaint; its chains hold."""
    old = read(story[0][2]).subject.encode()
    heads: dict[str, str] = {}
    copied = []
    for source, kind, value in story:
        moved = value.replace(old, str(subject).encode())
        head = heads.get(source, GENESIS).encode()
        moved = PREVIOUS.sub(b'"previous":"' + head + b'"', moved, count=1)
        heads[source] = sha256(moved).hexdigest()
        copied.append((source, kind, moved))
    return copied


def fill(conn: psycopg.Connection[Any], stories: Sequence[Story], events: int) -> list[UUID]:
    """Writes stories into the archive, as it would take them, until it holds so many events."""
    archive, batch, written = Archive(CollectorRegistry()), list[LogRecord](), 0
    row = conn.execute(
        "SELECT partition, (SELECT coalesce(max(record_offset), 0) FROM archive) AS last "
        "FROM inbox_offset LIMIT 1"
    ).fetchone()
    assert row is not None
    partition, offset = row["partition"], row["last"]
    complaints = []
    while written < events:
        subject = uuid5(SPACE, str(len(complaints)))
        complaints.append(subject)
        for source, kind, value in again(stories[len(complaints) % len(stories)], subject):
            offset += 1
            written += 1
            batch.append(
                LogRecord(
                    partition, offset, source, kind, str(subject), f"1.{offset}", "0.0", value
                )
            )
        if len(batch) >= BATCH_RECORDS or written >= events:
            with conn.transaction():
                archive.keep(conn, batch)
            batch.clear()
    conn.execute("ANALYZE archive")
    conn.execute("ANALYZE head")
    return complaints


def asked(conn: psycopg.Connection[Any], complaints: Sequence[UUID], count: int) -> list[float]:
    """Seconds that each question takes: a complaint and an instant of its life, at random."""
    chance, seconds = random.Random(7), []
    for _ in range(count):
        complaint = chance.choice(complaints)
        began = time.perf_counter()
        events = [read(value) for value in records_of(Records(conn), complaint)]
        at = chance.choice(events).time
        found = state_at(events, at)
        seconds.append(time.perf_counter() - began)
        assert found is not None
        assert found.as_it_was.events
    return seconds


def tried(
    conn: psycopg.Connection[Any], complaints: Sequence[UUID], activated: Sequence[Recorded[Any]]
) -> tuple[float, float]:
    """Complaints a second, and events a second, tried with another limit."""
    content = yaml.safe_load(POLICY.read_text(encoding="utf-8"))
    for rule in content["clocks"]:
        if rule["code"] == "first_contact":
            rule["limit"] = "3 hours"
    candidates = [candidate({**content, "version": "tried"})]
    policies = policies_of((one, active_from(one)) for one in activated)
    began, events = time.perf_counter(), 0
    differing = 0
    for complaint in complaints:
        story = [read(value) for value in records_of(Records(conn), complaint)]
        answer = what_if(story, policies, candidates, story[-1].time)
        assert answer.unlike_record == 0
        differing += bool(answer.differs)
        events += len(story)
    took = time.perf_counter() - began
    assert differing
    return len(complaints) / took, events / took


def main() -> None:
    asking = argparse.ArgumentParser(description=__doc__)
    asking.add_argument("--events", type=int, default=200_000)
    asking.add_argument("--asked", type=int, default=2_000)
    asking.add_argument("--tried", type=int, default=500)
    given = asking.parse_args()
    with room(DATABASES) as where, tempfile.TemporaryDirectory() as folder:
        found = asyncio.run(played(where, Path(folder)))
        dsn = where.dsns["bihuan_audit"]
        with psycopg.connect(dsn, autocommit=True, row_factory=dict_row) as conn:
            complaints = fill(conn, found.stories, given.events)
            counted = conn.execute("SELECT count(*) AS n FROM archive").fetchone()
            assert counted is not None
            a_complaint = statistics.mean(len(story) for story in found.stories)
            print(
                f"{counted['n']:,} events in the archive, {len(complaints):,} complaints of "
                f"{a_complaint:.0f} events"
            )
            seconds = sorted(asked(conn, complaints, given.asked))
            sample = random.Random(8).sample(complaints, min(given.tried, len(complaints)))
            rate, events = tried(conn, sample, found.activated)
    median = statistics.median(seconds)
    p99 = seconds[int(len(seconds) * 0.99)]
    show(
        [
            Figure("state at T, median", median * 1e6, "us", given.asked),
            Figure("state at T, p99", p99 * 1e6, "us", given.asked),
            Figure("what-if, complaints", rate, "/s", 1),
            Figure("what-if, events", events, "/s", 1),
        ],
        "state at T, median",
    )


if __name__ == "__main__":
    main()
