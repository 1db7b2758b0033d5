"""An old version, stored or received, is read as the newest; and a note beside a broken stream."""

import asyncio
import json
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import psycopg

from contracts.upcasters import Upcasters
from libs.decider import Context, Event, Recorded, To
from libs.eventlog.service import AsWritten, Service, Upcasts
from libs.messaging.app import App
from libs.messaging.inbox import Inbox
from libs.messaging.parking import listed
from libs.messaging.stepping import Stepper
from libs.timekeeping.clock import SteppedClock
from tests.again import made_again
from tests.integration.runtime import toys
from tests.integration.runtime.toys import START, ball, make_app, playing, stored, throw_ball
from tests.stack import Room, emptied, room


class ThrownV2(Event):
    type: ClassVar[str] = "ball.thrown.v2"
    number: int


class CaughtV2(Event):
    type: ClassVar[str] = "ball.caught.v2"
    times: int


STEPS = (
    Upcasters()
    .adding(toys.Thrown, ThrownV2, lambda old: ThrownV2(number=old.count))
    .adding(toys.Caught, CaughtV2, lambda old: CaughtV2(times=old.count))
)


def catch(glove: toys.Glove | None, command: toys.Catch, _context: Context) -> list[Event]:
    return [] if glove and glove.caught >= command.count else [CaughtV2(times=command.count)]


def new_catcher(upcasts: Upcasts = STEPS) -> Service:
    """A later release: its rules and folds know the second versions only."""

    def fold(_glove: toys.Glove | None, recorded: Recorded[Any]) -> toys.Glove:
        return toys.Glove(recorded.data.times)

    old = toys.catcher()
    return replace(
        old,
        deciders=(replace(old.deciders[0], events=(CaughtV2,), decide=catch, evolve=fold),),
        types={**toys.TYPES, ThrownV2.type: ThrownV2, CaughtV2.type: CaughtV2},
        upcasts=upcasts,
        hears=frozenset({ThrownV2.type}),
        react=lambda heard: [To(heard.subject, toys.Catch(at=heard.at, count=heard.data.number))],
    )


async def throw_and_wait(apps: list[App], clock: SteppedClock, times: int) -> None:
    stepper = Stepper(apps, clock)
    for _ in range(times):
        await throw_ball(apps[0], ball(1))
        await stepper.settle()
        due = await stepper.next_due()
        assert due is not None
        await stepper.run_until(due)
        await stepper.fire_present()
        await stepper.settle()


def history(dsn: str) -> list[tuple[str, bytes]]:
    with psycopg.connect(dsn) as conn:
        return conn.execute(
            "SELECT topic, state FROM stored_events WHERE topic <> 'rebuild.done.v1' "
            "ORDER BY notification_id"
        ).fetchall()


async def with_new_catcher(where: Room, keys: Path, clock: SteppedClock, upcasts: Upcasts) -> Inbox:
    """The thrower knows nothing of second versions (how a rolling upgrade looks)."""
    apps = [make_app(toys.thrower(), where, keys, clock)]
    apps.append(make_app(new_catcher(upcasts), where, keys, clock))
    async with AsyncExitStack() as stack:
        for app in apps:
            await app.start()
            stack.push_async_callback(app.stop)
        # The thrower does not know ball.caught.v2 and parks it; it has thrown by then.
        await throw_ball(apps[0], ball(1))
        await Stepper(apps, clock).settle()
        return apps[1].inbox


def test_an_old_version_stored_or_received_is_read_as_the_newest(tmp_path: Path) -> None:
    async def play(where: Room) -> None:
        clock = SteppedClock(START)
        async with playing(where, tmp_path, clock) as apps:
            await throw_and_wait(apps, clock, 2)
        dsn = where.dsns["catcher"]
        assert [topic for topic, _ in history(dsn)] == ["ball.caught.v1"] * 2
        inbox = await with_new_catcher(where, tmp_path, clock, STEPS)
        before = history(dsn)
        assert [topic for topic, _ in before] == ["ball.caught.v1"] * 2 + ["ball.caught.v2"]
        assert json.loads(before[-1][1])["data"] == {"times": 3}

        emptied(dsn)
        await made_again(
            new_catcher(),
            where.service_dsns["catcher"],
            where.bootstrap,
            topic=where.prefix + "complaints.log",
            topic_id=inbox.topic_id,
            partitions=where.topics[0].partitions,
        )
        assert history(dsn) == before  # the bytes as they were written

    with room(("thrower", "catcher")) as where:
        asyncio.run(play(where))


def test_without_upcasting_an_old_version_would_not_be_heard(tmp_path: Path) -> None:
    """The mechanism switched off: the test above can fail."""

    async def play(where: Room) -> None:
        await with_new_catcher(where, tmp_path, SteppedClock(START), AsWritten())
        assert history(where.dsns["catcher"]) == []

    with room(("thrower", "catcher")) as where:
        asyncio.run(play(where))


def test_a_note_on_a_broken_stream_has_a_subject_and_an_id_of_its_own(tmp_path: Path) -> None:
    """Under the stream's subject it would have the id of that stream's first event."""

    async def play(where: Room) -> None:
        clock = SteppedClock(START)
        async with playing(where, tmp_path, clock) as apps:
            await throw_and_wait(apps, clock, 1)
            catcher = apps[1]
            ((_, first),) = history(where.dsns["catcher"])
            with psycopg.connect(where.dsns["catcher"]) as conn:
                conn.execute("UPDATE stored_events SET state = %s", (b"{}",))
            catcher.store.forget()
            await throw_and_wait(apps, clock, 1)
            assert stored(catcher, ball(1)) == ["ball.caught.v1"]
            assert [row["subject"] for row in await catcher.query(listed, None, 9)] == [ball(1)]
            topic, note = history(where.dsns["catcher"])[-1]
            assert topic == "record.parked.v1"
            said = json.loads(note)
            assert said["subject"] == f"{ball(1)}#beside"
            assert said["id"] != json.loads(first)["id"]

    with room(("thrower", "catcher")) as where:
        asyncio.run(play(where))
