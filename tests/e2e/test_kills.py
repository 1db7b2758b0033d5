"""Guarantee 2: SIGKILL anywhere, any time: nothing lost, doubled, or out of order."""

import asyncio
import os
import random
import signal
from pathlib import Path

import pytest

from cli.places import SERVICES
from cli.system import System
from tests.e2e.processes import LOOP, PATIENCE_SECONDS, check, six
from tests.stack import on_real_kafka

KILLS = int(os.environ.get("BIHUAN_SOAK_KILLS", "20"))
SEED = int(os.environ.get("BIHUAN_SOAK_SEED", "10010"))
PLACES = ("before-commit", "after-commit", "after-take", "after-send", "amid-batch")
DYING = {
    "intake": (*PLACES, "amid-channel-batch"),
    "routing": PLACES,
    "sla_watch": PLACES,
    "feedback_survey": PLACES,
    # an undisturbed loop gives escalation nothing to send; audit keeps everything and hears nothing
    "escalation": ("before-commit", "after-commit", "after-take", "amid-batch"),
    "audit": ("before-commit", "after-commit", "after-take"),
}
pytestmark = pytest.mark.kafka


async def dies_everywhere(system: System, name: str, places: tuple[str, ...]) -> None:
    """This service dies at one place after another, under the load there is, and comes back."""
    system.running[name].kill()
    await asyncio.to_thread(system.running[name].wait)
    for place in places:
        system.start_process(name, {"BIHUAN_FAILPOINT": f"{place}:2"})
        died = await asyncio.to_thread(system.running[name].wait, PATIENCE_SECONDS)
        assert died == -signal.SIGKILL, (name, place)
    system.start_process(name)


@pytest.fixture(autouse=True)
def _needs_kafka() -> None:
    if not on_real_kafka():
        pytest.skip("NO REAL KAFKA: Java or Maven is missing")


def test_killed_at_every_place_where_it_could_matter(tmp_path: Path) -> None:
    async def scene() -> None:
        async with six(tmp_path) as (system, crew):
            told = await crew.tell(3)
            await crew.until_closed(told)
            dying = [
                asyncio.create_task(dies_everywhere(system, *service)) for service in DYING.items()
            ]
            while not all(task.done() for task in dying):
                told += await crew.tell(1)
                await asyncio.sleep(0.5)
            await asyncio.gather(*dying)
            await crew.until_closed(told)
            assert await check(system, crew, told, LOOP) > 20 * len(told)

    asyncio.run(scene())


def test_killed_at_random_moments_under_load(tmp_path: Path) -> None:
    dice = random.Random(SEED)
    print(f"{KILLS} kills, seed {SEED}")

    async def scene() -> None:
        async with six(tmp_path) as (system, crew):
            told = await crew.tell(5)
            for _ in range(KILLS):
                name = dice.choice(SERVICES)
                await asyncio.sleep(dice.uniform(0.0, 1.5))
                system.running[name].kill()
                await asyncio.to_thread(system.running[name].wait)
                told += await crew.tell(3)
                system.start_process(name)
            await crew.until_closed(told)
            await check(system, crew, told, LOOP)

    asyncio.run(scene())
