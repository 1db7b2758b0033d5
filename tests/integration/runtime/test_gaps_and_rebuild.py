"""A missing record stops its partition; a lost database comes back from the log, equal."""

import asyncio
import json
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import psycopg
import pytest

from libs.eventlog.schema import ViewsOutdated
from libs.eventlog.store import Store
from libs.messaging.app import App
from libs.messaging.rebuild import NotEmpty, StillRunning
from libs.messaging.stepping import Stepper
from libs.timekeeping.clock import SteppedClock
from tests.again import made_again
from tests.integration.runtime.toys import (
    START,
    ball,
    catcher,
    make_app,
    playing,
    stored,
    throw_ball,
    thrower,
)
from tests.stack import Room, emptied, room


def dump(store: Store) -> dict[str, list[Any]]:
    """DESIGN's (a) and (b): events by position, views and timers by key."""
    with store.connection() as conn:
        events = conn.execute(
            "SELECT originator_id, originator_version, topic, state, notification_id "
            "FROM stored_events WHERE topic <> 'rebuild.done.v1' ORDER BY notification_id"
        ).fetchall()
        views = {
            table.name: conn.execute(
                f"SELECT * FROM {table.name} ORDER BY {', '.join(table.key)}"
            ).fetchall()
            for table in store.service.tables
        }
        timers = conn.execute("SELECT * FROM timer ORDER BY originator_id, name").fetchall()
    return {"events": events, "timers": timers, **views}


def on_record(dsn: str, source: str, what: str) -> None:
    """Each way of rebuilding says what was made again, by whom, and of which events."""
    with psycopg.connect(dsn) as conn:
        rows = conn.execute("SELECT topic, state FROM stored_events ORDER BY notification_id")
        states = [(topic, bytes(state)) for topic, state in rows.fetchall()]
    topic, last = states.pop()
    done = json.loads(last)
    assert (topic, done["source"], done["actor"]) == ("rebuild.done.v1", source, "system:rebuild")
    before = sha256(b"".join(state for _, state in states)).hexdigest()
    assert {name: done["data"][name] for name in ("what", "by", "digest")} == {
        "what": what,
        "by": "operator",
        "digest": before,
    }


async def rebuilt(app: App, where: Room, *, whole: bool) -> dict[str, list[Any]]:
    service = thrower() if app.service.name == "thrower" else catcher()
    dsn = where.service_dsns[service.name]
    if whole:
        emptied(where.dsns[service.name])
    store = Store(service, dsn)
    try:
        await made_again(
            service,
            dsn,
            where.bootstrap,
            topic=where.prefix + "complaints.log",
            topic_id=app.inbox.topic_id,
            partitions=where.topics[0].partitions,
            whole=whole,
        )
        on_record(dsn, service.source, "database" if whole else "views")
        return dump(store)
    finally:
        store.close()


async def history(apps: list[App], clock: SteppedClock) -> None:
    stepper = Stepper(apps, clock)
    for number in range(40):
        await throw_ball(apps[0], ball(number))
    await stepper.run_until(START + timedelta(minutes=30))
    await stepper.fire_present()
    for number in range(20):
        await throw_ball(apps[0], ball(number))
    await stepper.settle()


@pytest.mark.parametrize("whole", [False, True], ids=["views dropped", "database dropped"])
def test_rebuilding_gives_back_what_was_there(tmp_path: Path, whole: bool) -> None:
    async def play(where: Room) -> None:
        clock = SteppedClock(START)
        async with playing(where, tmp_path, clock) as apps:
            await history(apps, clock)
            live = [dump(app.store) for app in apps]
            with pytest.raises(StillRunning):
                await rebuilt(apps[0], where, whole=False)
            ended = list(apps)
        for app, before in zip(ended, live, strict=True):
            assert await rebuilt(app, where, whole=whole) == before
        # (d) consuming the log again appends nothing, and the loop goes on
        async with playing(where, tmp_path, clock) as apps:
            await Stepper(apps, clock).settle()
            for app, before in zip(apps, live, strict=True):
                assert dump(app.store) == before
            await throw_ball(apps[0], ball(39))
            await Stepper(apps, clock).settle()
            assert stored(apps[1], ball(39)) == ["ball.caught.v1"] * 2

    with room(("thrower", "catcher")) as where:
        asyncio.run(play(where))


def test_a_database_that_holds_events_is_not_rebuilt_over(tmp_path: Path) -> None:
    async def play(where: Room) -> None:
        async with playing(where, tmp_path) as apps:
            await throw_ball(apps[0], ball(1))
            await Stepper(apps, SteppedClock(START)).settle()
            ended = apps[0]
        store = Store(thrower(), where.service_dsns["thrower"])
        with pytest.raises(NotEmpty):
            await made_again(
                thrower(),
                where.service_dsns["thrower"],
                where.bootstrap,
                topic=where.prefix + "complaints.log",
                topic_id=ended.inbox.topic_id,
                partitions=where.topics[0].partitions,
            )
        store.close()

    with room(("thrower", "catcher")) as where:
        asyncio.run(play(where))


def test_a_lost_database_keeps_its_service_from_starting(tmp_path: Path) -> None:
    async def play(where: Room) -> None:
        async with playing(where, tmp_path) as apps:
            await throw_ball(apps[0], ball(1))
            await Stepper(apps, SteppedClock(START)).settle()
        emptied(where.dsns["thrower"])
        async with playing(where, tmp_path) as apps:
            for _ in range(200):
                if any("rebuild" in reason for reason in await apps[0].ready()):
                    return
                await asyncio.sleep(0.05)
            pytest.fail("the service with a lost database says it is ready")

    with room(("thrower", "catcher")) as where:
        asyncio.run(play(where))


def test_a_missing_record_stops_its_partition_until_somebody_resolves_it(tmp_path: Path) -> None:
    async def play(where: Room) -> None:
        clock = SteppedClock(START)
        async with playing(where, tmp_path, clock) as apps:
            thrower_app, catcher_app = apps
            stepper = Stepper(apps, clock)
            await throw_ball(thrower_app, ball(1))
            await stepper.settle()
            # one record vanishes: the catcher never hears of it, the next one follows it
            with thrower_app.store.connection() as conn:
                row = conn.execute(
                    "SELECT partition, id FROM relay_sent WHERE topic LIKE '%%log' AND id > 0 "
                    "ORDER BY id DESC LIMIT 1"
                ).fetchone()
            assert row is not None
            relay = thrower_app.relay
            assert relay is not None
            place = (relay.topic, row["partition"])
            sent = relay._last[place]
            relay._last[place] = type(sent)(sent.position._replace(id=sent.position.id + 1), -1)
            thrower_app.inbox.progress[row["partition"]].taken["/bihuan/thrower"] = (
                sent.position._replace(id=sent.position.id + 1)
            )
            clock.jump(START + timedelta(hours=1))
            await thrower_app.fire_due()  # this event is never sent
            await throw_ball(thrower_app, ball(1))  # and this one says it follows it
            for _ in range(200):
                if catcher_app.inbox.gaps():
                    break
                await asyncio.sleep(0.02)
            gaps = catcher_app.inbox.gaps()
            assert len(gaps) == 1
            assert gaps[0].source == "/bihuan/thrower"
            assert any("gap" in reason for reason in await catcher_app.ready())
            await catcher_app.in_thread(
                catcher_app.inbox.resolve_gap,
                gaps[0].partition,
                gaps[0].source,
                "agent:1",
                "restored-from-backup",
            )
            await catcher_app.consumers[0].go_on(gaps[0].partition)
            await stepper.settle()
            assert catcher_app.inbox.gaps() == []
            assert await catcher_app.ready() == []
            with catcher_app.store.connection() as conn:
                told = conn.execute(
                    "SELECT count(*) AS n FROM stored_events WHERE topic = 'gap.resolved.v1'"
                ).fetchone()
            assert told is not None
            assert told["n"] == 1

    with room(("thrower", "catcher")) as where:
        asyncio.run(play(where))


OTHERWISE = {
    "hand": (
        "ALTER TABLE hand ADD COLUMN older int",
        "ALTER TABLE hand DROP COLUMN thrown",
        "ALTER TABLE hand ALTER COLUMN thrown TYPE bigint",
        "ALTER TABLE hand ALTER COLUMN thrown DROP NOT NULL",
    ),
    "seen": (
        "ALTER TABLE seen ALTER COLUMN caught TYPE numeric(14, 2)",
        "ALTER TABLE seen ALTER COLUMN caught SET NOT NULL",
        "ALTER TABLE seen DROP CONSTRAINT seen_pkey",
    ),
}


def test_views_of_another_version_stop_the_start_until_they_are_made_again(tmp_path: Path) -> None:
    """A service that starts on an earlier release's database says what is to be done."""

    async def play(where: Room) -> None:
        clock = SteppedClock(START)
        async with playing(where, tmp_path, clock) as apps:
            await history(apps, clock)
            ended, before = apps[0], dump(apps[0].store)
        for table, changes in OTHERWISE.items():
            for change in changes:
                with psycopg.connect(where.service_dsns["thrower"], autocommit=True) as conn:
                    conn.execute(change)
                with pytest.raises(ViewsOutdated, match=f": {table}; .*bihuan rebuild thrower"):
                    await make_app(thrower(), where, tmp_path, clock).start()
                assert await rebuilt(ended, where, whole=False) == before, change
        async with playing(where, tmp_path, clock) as apps:
            await Stepper(apps, clock).settle()
            assert dump(apps[0].store) == before

    with room(("thrower", "catcher")) as where:
        asyncio.run(play(where))
