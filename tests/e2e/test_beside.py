"""A service rebuilt beside the live one, from the archive alone, while messages keep coming."""

import asyncio
import contextlib
from pathlib import Path

import psycopg
import pytest

from cli.crowd import crowd
from cli.places import SERVICES
from cli.system import database
from tests.e2e.commands import told
from tests.e2e.rebuilt import trimmed
from tests.e2e.world import DATABASES, World, read_log, sh, world
from tests.stack import Room, on_real_kafka, room

START = "2025-10-09 09:00:00"
PEOPLE = 6
pytestmark = pytest.mark.kafka


async def crowd_told(world: World) -> None:
    """A morning, so that every service has something to make again."""
    for one in crowd(7, sh(START), PEOPLE):
        await world.stepper.run_until(max(one.at, world.clock.now()))
        await world.player.say(one.source, one.message, one.at, **one.words)
    await world.at("2025-10-10 12:00:00")
    await world.settle()


class Traffic:
    """People who go on telling, whatever is rebuilt meanwhile."""

    def __init__(self, world: World, name: str) -> None:
        self.told: list[str] = []
        self._world = world
        self._name = name
        self._task = asyncio.create_task(self._tell())

    async def _tell(self) -> None:
        while True:
            name = f"{self._name}-{len(self.told)}"
            await self._world.player.say(
                "10010",
                name,
                self._world.clock.now(),
                kind="words",
                channel="hotline_10010",
                text="……",
                subscriber=f"1380{len(self._name):03}{len(self.told):04}",
                category="mobile.coverage",
            )
            self.told.append(name)
            await asyncio.sleep(0.2)

    async def end(self) -> None:
        """Nobody tells any more."""
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task


async def at_rest(world: World) -> None:
    """Everything heard and sent, once the services have found their databases again."""
    async with asyncio.timeout(60):
        while True:
            try:
                for app in world.system.apps.values():
                    while await app.ready():  # noqa: ASYNC110 - asked, as a probe would
                        await asyncio.sleep(0.05)
                await world.settle()
            except psycopg.OperationalError:
                continue  # a connection of before
            else:
                return


async def scene(where: Room, folder: Path) -> None:
    async with world(where, folder, START) as playing:
        data = playing.system.places.data
        await crowd_told(playing)
        topic = f"{where.prefix}complaints.log"
        traffic = Traffic(playing, "before")
        code, found = await told(data, "rebuild", "audit", "--beside", "--swap")
        assert (code, found["different"], found["swapped"]) == (0, [], True)
        await traffic.end()
        await at_rest(playing)
        before_trim = len(await read_log(playing.system))
        trimmed(where.bootstrap, topic, playing.system.partitions)
        assert await read_log(playing.system) == []

        told_before = traffic.told
        traffic = Traffic(playing, "afterwards")
        for service in SERVICES[:-1]:
            if service == "routing":
                a_row_less(where)
            asked = ("rebuild", service, "--beside", "--swap", "--from", "archive")
            code, found = await told(data, *asked, "--by", "admin:test")
            assert (code, found["swapped"]) == (0, True), service
            different = [(one["table"], one["beside"] - one["live"]) for one in found["different"]]
            assert different == ([("work", 1)] if service == "routing" else []), service
            assert found["records"] >= before_trim
            assert found["events"] > 0
        await traffic.end()
        await at_rest(playing)
        await _goes_on(playing, [*told_before, *traffic.told])
        # The row is there again, and a look without --swap changes nothing.
        code, found = await told(data, "rebuild", "routing", "--beside", "--from", "archive")
        assert (code, found["different"], found["swapped"]) == (0, [], False)


async def _goes_on(world: World, messages: list[str]) -> None:
    """Each message told meanwhile is one complaint, and each rebuild is on record."""
    log = await world.log()
    made = [(await world.player.outcome("10010", one))["complaint"] for one in messages]
    assert len(set(made)) == len(messages)
    registered = [one.subject for one in log if one.type == "complaint.registered.v1"]
    assert set(made[-len(registered) :]) == set(registered)
    assert len(set(registered)) == len(registered)
    done = {one.source: one for one in log if one.type == "rebuild.done.v1"}
    assert set(done) == {f"/bihuan/{service}" for service in SERVICES[:-1]}
    for one in done.values():
        assert (one.data.what, one.data.by, one.data.generation) == ("beside", "admin:test", 2)
    verified = await world.player.get("audit", "/verify", role="auditor", log=False)
    # An operator's rebuild is dated by the machine's clock, which this world's is far behind.
    assert {fault["kind"] for fault in verified["faults"]} <= {"time"}


def a_row_less(where: Room) -> None:
    """Somebody takes a row out of a live view, behind the service's back."""
    with psycopg.connect(where.dsns[database("routing")], autocommit=True) as connection:
        first = "SELECT complaint FROM work ORDER BY complaint LIMIT 1"
        connection.execute(f"DELETE FROM work WHERE complaint = ({first})")


def test_each_service_rebuilt_from_the_archive_while_people_tell_equals_the_live_one(
    tmp_path: Path,
) -> None:
    """Issue 5: done while traffic runs; every service goes on by itself afterwards."""
    if not on_real_kafka():
        pytest.skip("NO REAL KAFKA: Java or Maven is missing")
    with room(DATABASES) as where:
        asyncio.run(scene(where, tmp_path / "data"))
