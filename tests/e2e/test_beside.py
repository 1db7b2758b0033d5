"""All six services rebuilt beside the live ones, from the archive alone, while people go on."""

import asyncio
import json
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient

from cli.crowd import crowd
from cli.places import SERVICES
from cli.system import database
from tests.e2e.commands import bihuan, told
from tests.e2e.test_operate import break_in
from tests.e2e.traffic import SEEN, Traffic
from tests.e2e.world import DATABASES, SHANGHAI, World, sh, world
from tests.integration.audit.proofs import exported_roots, is_sealed
from tests.stack import UNGUARDED, Room, on_real_kafka, room

START = "2025-10-09 09:00:00"
PEOPLE = 4
RETENTION = Path(__file__).parents[2] / "services/audit/policy/retention.v1.yaml"
pytestmark = pytest.mark.kafka


async def crowd_told(world: World) -> None:
    """A morning, so that every service has something to make again."""
    for one in crowd(7, sh(START), PEOPLE):
        await world.stepper.run_until(max(one.at, world.clock.now()))
        await world.player.say(one.source, one.message, one.at, **one.words)
    await world.at("2025-10-10 12:00:00")
    await world.settle()


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


def forgets(where: Room, file: Path) -> None:
    """Kafka forgets everything that a file of the archive tells of, and nothing else."""
    with file.open("rb") as lines:
        ends = json.loads(lines.readline())["ends"]
    topic = f"{where.prefix}complaints.log"
    admin = AdminClient({"bootstrap.servers": where.bootstrap})
    places = [TopicPartition(topic, one["partition"], one["next"]) for one in ends]
    for deleted in admin.delete_records(places).values():
        deleted.result(timeout=30)


async def scene(where: Room, folder: Path) -> None:
    async with world(where, folder, START) as playing:
        data = playing.system.places.data
        await crowd_told(playing)
        file = folder / "log.jsonl"
        code, copied = await told(data, "log", str(file))
        assert code == 0
        forgets(where, file)
        await playing.settle()
        left = {(one.source, one.type) for one in await playing.log()}
        made = {("/bihuan/audit", "export.made.v1")}
        # The command's own token is on record before the copy ends: in it, or just behind it. And
        # each service meets audit's token when audit first compares with it, by real time.
        met = {(f"/bihuan/{service}", "token.issued.v1") for service in SERVICES}
        assert made <= left <= made | met, "Kafka has no more than that the copy was made"

        traffic = Traffic(playing)
        for service in SERVICES:
            acts, missed = traffic.acts, tampered(where, service)
            source = str(file) if service == "audit" else "archive"
            asked = ("rebuild", service, "--beside", "--swap", "--from", source)
            code, found = await told(data, *asked, "--by", "admin:test")
            assert (code, found["swapped"]) == (0, True), service
            different = [(one["table"], one["beside"] - one["live"]) for one in found["different"]]
            assert different == missed, service
            assert found["records"] >= copied["records"]
            assert found["events"] > 0
            assert traffic.acts > acts, "nobody waited for it"
        await traffic.end()
        await at_rest(playing)
        await _goes_on(playing, traffic)
        await _each_act_is_sealed(playing, data, folder.parent)
        await _what_the_log_does_not_have_is_not_thrown_away(where, data)
        code, _, err = await bihuan(data, "rebuild", "audit", "--beside", "--from", "archive")
        assert code == 2
        assert "bihuan log" in err, "it is no archive of its own"


async def _goes_on(world: World, traffic: Traffic) -> None:
    """All that was told meanwhile led to what it leads to, and each rebuild is on record."""
    log = await world.log()
    assert {one.type for one in log} >= SEEN
    made = [(await world.player.outcome(*one))["complaint"] for one in traffic.told]
    registered = [one.subject for one in log if one.type == "complaint.registered.v1"]
    assert len(set(made)) == len(made) == len(registered)
    assert set(made) == set(registered)
    done = {one.source: one for one in log if one.type == "rebuild.done.v1"}
    assert set(done) == {f"/bihuan/{service}" for service in SERVICES}
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
    policy, today = folder / "retention.yaml", f"{world.clock.now().astimezone(SHANGHAI):%Y-%m-%d}"
    policy.write_text(text.replace("2004-01-01", today), encoding="utf-8")
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


async def _an_hour_later(world: World) -> list[int]:
    """The sizes of audit's checkpoints, newest first, with all that was due by then sealed."""
    await world.stepper.run_until(world.clock.now() + timedelta(hours=1))
    await world.settle()
    listed = await world.player.get("audit", "/checkpoints", role="auditor")
    return [one["size"] for one in listed["items"]]


async def _each_act_is_sealed(world: World, data: Path, folder: Path) -> None:
    """Issue 5, 10: an event in audit's log; and so a leaf of the next checkpoint, as RFC 9162 has
    it. Each service's rebuild is among them, and audit's own.
    """
    before = (await _an_hour_later(world))[0]
    await _acts(world, data, folder)
    size, previous, *_ = await _an_hour_later(world)
    assert previous == before, "the very next one"
    async with asyncio.timeout(20):
        while not (root := exported_roots(world.system.places.checkpoints).get(size)):  # noqa: ASYNC110 - from a thread
            await asyncio.sleep(0.05)
    with psycopg.connect(world.system.stack.dsn(database("audit"))) as conn:
        states = [bytes(one) for (one,) in conn.execute("SELECT state FROM archive").fetchall()]
    wanted = set[str]().union(*ITEM_10.values())
    events = {one["id"]: (state, one) for state in states if (one := json.loads(state))}
    acts = {name: one for name, one in events.items() if one[1]["type"] in wanted}
    code, listed = await told(data, "access", "log", "--limit", "1000")
    assert code == 0
    assert acts.keys() <= {one["id"] for one in listed["items"]}
    found, new = set[tuple[str, str]](), set[str]()
    for state, event in acts.values():
        source = event["source"].removeprefix("/bihuan/")
        name = f"{source}/{event['subject']}/{event['sequence']}"
        place = await world.player.get(
            "audit", "/proofs/inclusion", role="auditor", event=name, size=size
        )
        assert is_sealed(state, place, root), event["type"]
        found.add((event["type"], source))
        if place["index"] >= before:
            new.add(event["type"])
    assert new == wanted - ITEM_10["rebuilds"], "these were done just now"
    rebuilds = {source for kind, source in found if kind == "rebuild.done.v1"}
    assert rebuilds == set(SERVICES), "audit's own among them"


def tampered(where: Room, service: str) -> list[tuple[str, int]]:
    """Somebody changes a database as its administrator; returns what the comparison must tell:
    tables, and how many rows more the log has."""
    with psycopg.connect(
        where.dsns[database(service)], autocommit=True, options=UNGUARDED
    ) as connection:
        if service == "routing":
            row = connection.execute(
                "SELECT complaint FROM work ORDER BY complaint LIMIT 1"
            ).fetchone()
            assert row is not None
            connection.execute("DELETE FROM work WHERE complaint = %s", row)
            connection.execute(
                "DELETE FROM stored_events WHERE notification_id = (SELECT max(notification_id) "
                "FROM stored_events WHERE originator_id = %s)",
                row,
            )
            return [("stored_events", 1), ("work", 1)]
        if service == "audit":
            changed = connection.execute(
                "UPDATE archive SET after = '0-1' WHERE (partition, record_offset) = "
                "(SELECT partition, record_offset FROM archive ORDER BY 1, 2 LIMIT 1)"
            ).rowcount
            assert changed == 1
            return [("archive", 0)]
    return []


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


def test_each_service_rebuilt_from_the_archive_while_people_go_on_equals_the_live_one(
    tmp_path: Path,
) -> None:
    """Issue 5: done while traffic runs; every service goes on by itself afterwards."""
    if not on_real_kafka():
        pytest.skip("NO REAL KAFKA: Java or Maven is missing")
    with room(DATABASES) as where:
        asyncio.run(scene(where, tmp_path / "data"))
