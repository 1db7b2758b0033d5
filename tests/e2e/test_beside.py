"""A service rebuilt beside the live one, from the archive alone, while messages keep coming."""

import asyncio
import json
from pathlib import Path

import psycopg
import pytest

from cli.crowd import crowd
from cli.places import SERVICES
from cli.system import database
from tests.e2e.commands import bihuan, told
from tests.e2e.rebuilt import trimmed
from tests.e2e.test_operate import break_in
from tests.e2e.world import DATABASES, World, read_log, sh, world
from tests.integration.audit.proofs import exported_roots, is_sealed
from tests.stack import Room, on_real_kafka, room

START = "2025-10-09 09:00:00"
PEOPLE = 6
RETENTION = Path(__file__).parents[2] / "services/audit/policy/retention.v1.yaml"
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
        self._ended = False
        self._task = asyncio.create_task(self._tell())

    async def _tell(self) -> None:
        while not self._ended:
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
        """Nobody tells any more; what was begun is told: broken off, it might be nevertheless."""
        self._ended = True
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
            missed = [("stored_events", 1), ("work", 1)] if service == "routing" else []
            assert different == missed, service
            assert found["records"] >= before_trim
            assert found["events"] > 0
        await traffic.end()
        await at_rest(playing)
        await _goes_on(playing, [*told_before, *traffic.told])
        await _each_act_is_sealed(playing, data, folder.parent)
        await _what_the_log_does_not_have_is_not_thrown_away(where, data)


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


ITEM_10 = {
    "policies": {"policy.activated.v1"},
    "roles": {"role.changed.v1"},
    "holds": {"hold.placed.v1", "hold.lifted.v1"},
    "exports": {"export.made.v1"},
    "token issue": {"token.issued.v1"},
    "dead-letter decisions": {"record.settled.v1"},
    "rebuilds": {"rebuild.done.v1"},
}
"""Issue 5, 10: "policies, roles, holds, exports, token issue, dead-letter decisions, rebuilds"."""


async def _acts(world: World, data: Path, folder: Path) -> None:
    """One act of each kind, as somebody types it; the rebuilds were before."""
    text = RETENTION.read_text("utf-8").replace('version: "1"', "version: sealed")
    policy = folder / "retention.yaml"
    policy.write_text(text.replace("2004-01-01", "2025-10-10"), encoding="utf-8")
    complaint = await world.say(text="……", subscriber="13800007510")
    await break_in(world, b"who knows", b"\xff\x00 no JSON")
    await world.settle()
    (parked,) = (await told(data, "dead-letter", "list"))[1]["parked"]["audit"]
    why = ("--reason", "no_record_of_ours")
    for words in (
        ("policy", "activate", str(policy), "--from", "now"),
        ("role", "set", "agent:7510", "manager", "--reason", "new_task"),
        ("hold", "place", "court-7510", "--ground", "lawsuit", "--complaint", complaint),
        ("hold", "lift", "court-7510", "--ground", "settled"),
        ("log", str(folder / "copy.log"), "--purpose", "sealed"),
        ("token", "--role", "auditor", "--actor", "auditor:7510"),
        ("dead-letter", "discard", "audit", parked["subject"], *why),
    ):
        assert (await bihuan(data, *words))[0] == 0, words


async def _each_act_is_sealed(world: World, data: Path, folder: Path) -> None:
    """Issue 5, 10: an event in audit's log; and so a leaf of the next checkpoint, as RFC 9162 has
    it. Each service's rebuild is among them, and audit's own.
    """
    drop, before = world.system.places.checkpoints, set[int]()
    before.update(exported_roots(drop))
    await _acts(world, data, folder)
    await world.at("2025-10-10 13:00:00")
    await world.settle()
    async with asyncio.timeout(20):
        while not (new := exported_roots(drop).keys() - before):  # noqa: ASYNC110 - from a thread
            await asyncio.sleep(0.05)
    root = exported_roots(drop)[size := max(new)]
    with psycopg.connect(world.system.stack.dsn(database("audit"))) as conn:
        states = [bytes(one) for (one,) in conn.execute("SELECT state FROM archive").fetchall()]
    wanted = set[str]().union(*ITEM_10.values())
    events = {one["id"]: (state, one) for state in states if (one := json.loads(state))}
    acts = {name: one for name, one in events.items() if one[1]["type"] in wanted}
    code, listed = await told(data, "access", "log", "--limit", "1000")
    assert code == 0
    assert acts.keys() <= {one["id"] for one in listed["items"]}
    found = set[tuple[str, str]]()
    for state, event in acts.values():
        source = event["source"].removeprefix("/bihuan/")
        name = f"{source}/{event['subject']}/{event['sequence']}"
        place = await world.player.get(
            "audit", "/proofs/inclusion", role="auditor", event=name, size=size
        )
        assert is_sealed(state, place, root), event["type"]
        found.add((event["type"], source))
    assert {kind for kind, _ in found} == wanted
    rebuilds = {source for kind, source in found if kind == "rebuild.done.v1"}
    assert rebuilds == set(SERVICES), "audit's own among them"


def a_row_less(where: Room) -> None:
    """Somebody takes an event and a row of a view out of a database, as its administrator."""
    with psycopg.connect(where.dsns[database("routing")], autocommit=True) as connection:
        row = connection.execute("SELECT complaint FROM work ORDER BY complaint LIMIT 1").fetchone()
        assert row is not None
        connection.execute("DELETE FROM work WHERE complaint = %s", row)
        connection.execute(
            "DELETE FROM stored_events WHERE notification_id = (SELECT max(notification_id) "
            "FROM stored_events WHERE originator_id = %s)",
            row,
        )


async def _what_the_log_does_not_have_is_not_thrown_away(where: Room, data: Path) -> None:
    """And nothing is half done: no copy is left, the live database is where it was."""
    dsn = where.dsns[database("routing")]
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(
            "INSERT INTO stored_events (originator_id, originator_version, topic, state, "
            "notification_id) VALUES (gen_random_uuid(), 1, 'work.ended.v1', '{}', -1)"
        )
        code, found = await told(
            data, "rebuild", "routing", "--beside", "--swap", "--from", "archive"
        )
        assert code == 1
        assert "the live database holds event -1, and the log does not" in found["error"]
        databases = connection.execute("SELECT datname FROM pg_database").fetchall()
        name = psycopg.conninfo.conninfo_to_dict(dsn)["dbname"]
        assert (f"{name}_beside",) not in databases
        there = connection.execute("SELECT count(*) FROM stored_events").fetchone()
        assert there is not None
        assert there[0] > 1


def test_each_service_rebuilt_from_the_archive_while_people_tell_equals_the_live_one(
    tmp_path: Path,
) -> None:
    """Issue 5: done while traffic runs; every service goes on by itself afterwards."""
    if not on_real_kafka():
        pytest.skip("NO REAL KAFKA: Java or Maven is missing")
    with room(DATABASES) as where:
        asyncio.run(scene(where, tmp_path / "data"))
