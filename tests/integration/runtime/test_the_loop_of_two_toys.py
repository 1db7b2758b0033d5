"""The runtime on real PostgreSQL and Kafka, with the smallest domain that has everything."""

import asyncio
import threading
from datetime import timedelta
from pathlib import Path

import pytest

from libs.messaging.stepping import Stepper
from libs.timekeeping.clock import SteppedClock
from tests.integration.runtime.toys import (
    START,
    StillInTheAir,
    ball,
    playing,
    stored,
    throw_ball,
)
from tests.stack import Room, room


def test_a_throw_is_caught_and_seen_and_a_timer_fires_at_its_instant(tmp_path: Path) -> None:
    async def play(where: Room) -> None:
        clock = SteppedClock(START)
        async with playing(where, tmp_path, clock) as (thrower, catcher):
            stepper = Stepper((thrower, catcher), clock)
            for number in range(20):
                await throw_ball(thrower, ball(number))
            await stepper.settle()
            assert stored(thrower, ball(3)) == ["ball.thrown.v1"]
            assert stored(catcher, ball(3)) == ["ball.caught.v1"]
            seen = await thrower.query(lambda c: c.execute("SELECT * FROM seen").fetchall())
            assert len(seen) == 20
            with pytest.raises(StillInTheAir):
                await throw_ball(thrower, ball(3))

            await stepper.run_until(START + timedelta(minutes=30))
            assert stored(thrower, ball(3)) == ["ball.thrown.v1"]  # inputs at D come first
            await stepper.fire_present()
            assert stored(thrower, ball(3)) == ["ball.thrown.v1", "ball.dropped.v1"]
            assert await thrower.in_thread(thrower.timers.next_due) is None

    with room(("thrower", "catcher")) as where:
        asyncio.run(play(where))


def test_a_second_start_takes_nothing_twice(tmp_path: Path) -> None:
    async def play(where: Room) -> None:
        async with playing(where, tmp_path) as apps:
            await throw_ball(apps[0], ball(1))
            await Stepper(apps, SteppedClock(START)).settle()
        async with playing(where, tmp_path) as apps:
            await throw_ball(apps[0], ball(2))
            await Stepper(apps, SteppedClock(START)).settle()
            assert stored(apps[1], ball(1)) == ["ball.caught.v1"]
            assert stored(apps[1], ball(2)) == ["ball.caught.v1"]

    with room(("thrower", "catcher")) as where:
        asyncio.run(play(where))


def test_what_a_rebalance_took_away_is_not_taken(tmp_path: Path) -> None:
    """Else the stepped clock would go on while a starved consumer is out of its group."""

    async def play(where: Room) -> None:
        async with playing(where, tmp_path) as apps:
            await throw_ball(apps[0], ball(1))
            await Stepper(apps, SteppedClock(START)).settle()
            (consumer,) = apps[1].consumers
            held = sorted(consumer.assigned)
            ends = {consumer.taker.topic: await apps[1].ends_of(consumer.taker.topic, held)}
            assert apps[1].has_taken(ends)
            for left in (set(held[1:]), set[int]()):
                consumer.assigned = left
                assert not apps[1].has_taken(ends)
            consumer.assigned = set(held)

    with room(("thrower", "catcher")) as where:
        asyncio.run(play(where))


def test_what_is_being_decided_is_waited_for(tmp_path: Path) -> None:
    """A thread's commit shows as taken before the loop has heard of it: nothing is settled yet."""

    async def play(where: Room) -> None:
        async with playing(where, tmp_path) as apps:
            stepper = Stepper(apps, SteppedClock(START))
            await stepper.settle()
            going_on = threading.Event()
            deciding = asyncio.create_task(apps[1].in_thread(going_on.wait))
            await asyncio.sleep(0)
            settling = asyncio.create_task(stepper.settle())
            done, _ = await asyncio.wait({settling}, timeout=1)
            going_on.set()
            await asyncio.gather(deciding, settling)
            assert not done

    with room(("thrower", "catcher")) as where:
        asyncio.run(play(where))
