"""Six months and a day, with holds, appeals, erasures and a straddling complaint (issue 5).

DOMAIN, Audit and retention: "counted in calendar months after closing (closed 31 August -> nothing
goes before 1 March 00:00)"; "an open complaint, an open appeal or a legal hold stops every
deletion". The period is set to the floor itself, by a version of the policy.
"""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest
import yaml
from psycopg.rows import dict_row

from cli.player import Denied
from contracts.housekeeping import CohortPurged, Head
from contracts.purging import text_of
from contracts.values import Asked
from libs.eventlog.work import partition_of
from services.audit.legal_holds import asked_for
from services.audit.letting_go import ClockAhead, check
from services.audit.signing import open_purge_key
from tests.e2e.commands import bihuan, told
from tests.e2e.test_no_personal_data import tables
from tests.e2e.world import DATABASES, World, decode_event, play, read_log, sh
from tests.integration.audit.test_checkpoints import PAGE, run_the_page

START = "2025-08-31 09:00:00"
SEED = Path(__file__).parents[2] / "services/audit/policy/retention.v1.yaml"
NAMES = ("goes", "merged", "held", "appealed", "erased", "straddling", "open", "late", "longer")
LONGER = {"category": "mobile.noncoverage", "keep": {"months": 9}}
"""A period of its own, above the floor: what is told of a category below it is kept by it too."""
LEAP = timedelta(days=365, hours=12)
SIX = ["audit", "escalation", "feedback_survey", "intake", "routing", "sla_watch"]
BY_SMS = {"channel": "sms", "reply_to": {"kind": "sms", "address": "13977710001"}}


async def told_by(world: World, number: int, **more: Any) -> str:
    """A complaint of a customer of its own."""
    phone = f"139777100{number:02}"
    reply = {"kind": "sms", "address": phone}
    words = {"text": f"第{number}位客户", "subscriber": phone, "reply_to": reply, **more}
    return await world.say(**{"channel": "sms", "category": "mobile.coverage", **words})


async def told_all(world: World) -> dict[str, str]:
    """Nine complaints of 31 August."""
    below = {"longer": {"category": "mobile.noncoverage.data_speed"}}
    found = {
        name: await told_by(world, number, **below.get(name, {}))
        for number, name in enumerate(NAMES)
        if name != "merged"
    }
    await world.at("2025-08-31 09:30:00")
    found["merged"] = await told_by(world, 0, category="product")
    body = {"into": found["goes"], "reason": "same_matter"}
    await world.player.do("intake", f"/complaints/{found['merged']}/merge", body, role="manager")
    await world.settle()
    for name in ("goes", "held", "appealed", "erased", "straddling", "late", "longer"):
        who = await world.accepts(found[name])
        await world.answers(found[name], who)
    await world.at("2025-08-31 20:00:00")
    for name in ("goes", "held", "appealed", "erased", "late", "longer"):
        await world.replies(await world.receipt(found[name]), 9, resolved=True)
    return found


async def kept_for(world: World, data: Path, folder: Path, period: dict[str, int]) -> int:
    """Brings a version of the policy into force now; the exit code."""
    content = yaml.safe_load(SEED.read_text("utf-8"))
    content |= {"version": "half-a-year", "effective_from": "2025-08-31"}
    content |= {"otherwise": period, "categories": [LONGER]}
    path = folder / "retention.yaml"
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    code, _, _ = await bihuan(data, "policy", "activate", str(path), "--from", "now")
    await world.settle()
    return code


async def stays(data: Path, cohort: str = "2025-08") -> dict[str, tuple[bool, list[str], Any]]:
    """Of each complaint of the month: whether it goes, what keeps it, from when it may go."""
    code, plan = await told(data, "retention", "plan", "--cohort", cohort)
    assert code == 0
    return {
        one["complaint"]: (one["goes"], [why["code"] for why in one["reasons"]], one["due"])
        for one in plan["items"]
    }


def test_six_months_and_a_day(tmp_path: Path) -> None:
    async def scene(world: World) -> None:
        data = world.system.places.data
        assert await kept_for(world, data, tmp_path, {"days": 183}) == 1, "below the floor"
        assert await kept_for(world, data, tmp_path, {"months": 6}) == 0
        all_of = await told_all(world)
        ids = {complaint: name for name, complaint in all_of.items()}
        await kept(world, data, all_of)

        await world.at("2026-02-28 23:59:59.999999")
        before = await stays(data)
        assert {ids[one]: why[1] for one, why in before.items()} == {
            "goes": ["not_yet"],
            "merged": ["not_yet"],
            "held": ["held", "not_yet"],
            "appealed": ["open", "appealed"],
            "erased": ["not_yet"],
            "straddling": ["not_yet"],
            "open": ["open"],
            "late": ["not_yet"],
            "longer": ["not_yet"],
        }
        code, _, err = await bihuan(
            data, "retention", "propose", "2025-08", "--ground", "retention_over"
        )
        assert (code, "nothing-goes" in err or "No complaint of this month" in err) == (2, True)

        await world.at("2026-03-01 00:00:00")
        now = await stays(data)
        await world.settle()  # who asks today is on record now
        was, sent = written(world), len(await read_log(world.system))
        assert (await stays(data)).keys() == now.keys()
        await world.settle()
        assert written(world) == was, "a plan writes nothing"
        assert len(await read_log(world.system)) == sent, "and sends nothing"
        assert {ids[one] for one, why in now.items() if why[0]} == {"goes", "merged", "late"}
        assert now[all_of["held"]][1] == ["held"]
        # The note that an erasure waits for it is a record of September.
        assert now[all_of["erased"]][1:] == (["not_yet"], "2026-03-15T16:00:00.000000Z")
        # Closed on 31 August as well: nine calendar months end with 31 May in Shanghai.
        assert now[all_of["longer"]][1:] == (["not_yet"], "2026-05-31T16:00:00.000000Z")
        await two_people(world, data, all_of)
        await gone(world, data, all_of)
        await no_archive_is_made_of_places(world, data, tmp_path / "log.jsonl")
        await made_again_as_it_is(world, data, all_of["goes"])
        await proven(world, data, all_of)

    play(tmp_path / "system", START, scene)


def written(world: World) -> dict[str, list[bytes]]:
    """Every row of every table of every database.

    Not how far each inbox has come: that is committed up to a second after what it took. Nor the
    answers kept for whoever asks again: they are swept when their time is over. Nor up to where
    time is vouched for: that moves with the clock.
    """
    return {
        table: sorted(content.splitlines())
        for name in DATABASES
        for table, content in tables(world.system.stack.dsn(name), name).items()
        if not table.endswith((".inbox_offset", ".inbox_taken", ".idempotency", ".lived_time"))
    }


async def kept(world: World, data: Path, all_of: dict[str, str]) -> None:
    """What keeps the others."""
    hold = ("--ground", "lawsuit", "--complaint", all_of["held"])
    assert (await bihuan(data, "hold", "place", "court-7", *hold))[0] == 0
    receipt = (await world.receipt(all_of["appealed"])).replace("-", "")
    await world.say(
        "regulator",
        kind="regulator_referral",
        channel="regulator",
        text="请核查",
        receipt=receipt,
        regulator={"ref": "GX-2025-0831"},
    )
    await world.at("2025-09-15 10:00:00")
    await world.replies(await world.receipt(all_of["straddling"]), 9, resolved=True)
    (registered,) = await world.events(all_of["erased"], "complaint.registered")
    person = str(registered.data.registration.correspondent.person)
    basis = ("--basis", "asked_by_the_person")
    assert (await bihuan(data, "person", "erase", person, *basis))[0] == 0
    await world.settle()


async def two_people(world: World, data: Path, all_of: dict[str, str]) -> None:
    """One plan, two people; what changed in between is looked at again."""
    ground, month = ("--ground", "retention_over"), ("retention", "approve", "2025-08")
    leaps(world, LEAP)
    code, plans = await told(data, "retention", "plan")
    assert (code, sum(one["complaints"] for one in plans["months"])) == (0, 0)
    assert plans["unvouched_seconds"] // 86_400 == LEAP.days
    _, shown, _ = await bihuan(data, "retention", "plan", "--cohort", "2025-08")
    assert "365 days of what the clock says are not vouched for" in " ".join(shown.split())
    assert_kept_by_the_leap(*await told(data, "retention", "propose", "2025-08", *ground))
    leaps(world, -LEAP)
    code, proposed = await told(data, "retention", "propose", "2025-08", *ground)
    assert code == 0
    plan = ("--plan", proposed["plan"])
    asks = "a purge of it is proposed or approved: finish or withdraw it first"
    assert asks in await keeps(data), "into a file its records must not go meanwhile"
    code, no = await told(data, *month, *plan, "--as", "auditor")
    assert (code, "Nobody approves a purge that they proposed" in no["error"]) == (1, True)
    late = ("--ground", "lawsuit", "--complaint", all_of["late"])
    assert (await bihuan(data, "hold", "place", "court-8", *late))[0] == 0
    code, no = await told(data, *month, *plan)
    assert (code, "not what was proposed any more" in no["error"]) == (1, True)
    assert (await told(data, "retention", "withdraw", "2025-08", "--ground", "held"))[0] == 0

    code, proposed = await told(data, "retention", "propose", "2025-08", *ground)
    plan = ("--plan", proposed["plan"])
    leaps(world, LEAP)
    assert_kept_by_the_leap(*await told(data, *month, *plan))
    leaps(world, -LEAP)
    assert (await told(data, *month, *plan))[0] == 0
    code, again = await told(data, *month, *plan)
    assert (code, again["approvals"]) == (0, [])
    await world.settle()
    goes = ("--ground", "lawsuit", "--complaint", all_of["goes"])
    code, _, err = await bihuan(data, "hold", "place", "court-9", *goes)
    assert (code, "went" in err) == (1, True)
    meant = told_in_august(world)
    assert not {all_of["goes"], all_of["merged"]} & meant, "no hold keeps what is gone"
    assert {all_of["held"], all_of["open"], all_of["late"]} <= meant
    assert not [one for one in await keeps(data) if "purge" in one]
    code, listed = await told(data, "retention", "list")
    assert [(one["stage"], one["proposed_by"], one["settled_by"]) for one in listed["purges"]] == [
        ("withdrawn", "auditor:local", "auditor:local"),
        ("purged", "auditor:local", "privacy:local"),
    ]
    last = listed["purges"][-1]
    assert [one.removeprefix("/bihuan/") for one in last["done"]] == SIX
    assert (last["waits_for"], last["taken_up"]) == ([], [])


def leaps(world: World, ahead: timedelta) -> None:
    """Both clocks are set ahead by so much, of which audit's process has lived through nothing.

    Told as it looks afterwards: what the database's clock said last lies so much further back.
    """
    with psycopg.connect(world.system.stack.dsn("bihuan_audit")) as conn:
        conn.execute(
            "UPDATE keeper.lived_time SET seen = seen - %(by)s, vouched = vouched - %(by)s",
            {"by": ahead},
        )


def assert_kept_by_the_leap(code: int, no: dict[str, Any]) -> None:
    assert (code, "day(s) of what the clock says nobody lived through" in no["error"]) == (1, True)
    assert "kept until the clock says 2027-0" in no["error"], "a year after 1 March"
    assert "Set the clocks of audit and of its database right" in no["error"]


async def keeps(data: Path) -> list[str]:
    """Why the month's records may not go into a file."""
    code, listed = await told(data, "archive", "list")
    assert code == 0
    (month,) = (one for one in listed["months"] if one["cohort"] == "2025-08")
    return list(month["keeps"])


async def what_audit_kept_can_be_held(world: World, data: Path, complaint: str) -> None:
    """A purge names it, and audit alone kept it: a court may still ask for it."""
    hold = ("hold", "place", "court-10", "--ground", "lawsuit", "--complaint", complaint)
    tombstone = uuid4()
    with psycopg.connect(world.system.stack.dsn("bihuan_audit"), autocommit=True) as conn:
        conn.execute("INSERT INTO gone VALUES (%s, '2025-08', %s, now())", (complaint, tombstone))
        assert complaint not in told_in_august(world)
        assert (await bihuan(data, *hold))[0] == 1, "audit has not said that it keeps it"
        conn.execute(
            "INSERT INTO purge_answer VALUES (%s, '/bihuan/audit', 'gone', ARRAY[%s::uuid])",
            (tombstone, complaint),
        )
        assert complaint in told_in_august(world)
        assert (await bihuan(data, *hold))[0] == 0
        conn.execute("DELETE FROM gone WHERE tombstone = %s", (tombstone,))
        conn.execute("DELETE FROM purge_answer WHERE record = %s", (tombstone,))
    await world.settle()


def told_in_august(world: World) -> set[str]:
    """What a hold on the month's time is placed on."""
    start, end = (datetime(2025, month, 1, tzinfo=UTC) for month in (8, 9))
    with psycopg.connect(world.system.stack.dsn("bihuan_audit"), row_factory=dict_row) as conn:
        return {str(one) for one in asked_for(conn, Asked(told_from=start, told_to=end))}


async def gone(world: World, data: Path, all_of: dict[str, str]) -> None:
    """No byte of them in any database, the others untouched."""
    went = [all_of["goes"], all_of["merged"]]
    events = [one.encode() for complaint in went for one in await hexes(world, complaint)]
    assert len(events) == 40
    kept = {
        one.encode()
        for name, complaint in all_of.items()
        if complaint not in went
        for one in await hexes(world, complaint)
    }
    named, held = set[str](), set[bytes]()
    for name in DATABASES:
        for table, content in tables(world.system.stack.dsn(name), name).items():
            assert not [one for one in events if one in content], table
            named |= {table for one in went if one.encode() in content}
            held |= {one for one in kept if one in content}
    assert held == kept
    # That they went is remembered; nothing shows them any more.
    assert {one.split(".")[1] for one in named} == {"gone", "purged", "purged_record"}
    for verb, *at in (("timeline",), ("show",), ("show", "--at", "2020-01-01T00:00:00+08:00")):
        code, no = await told(data, verb, went[0], *at)
        assert (code, "passed their retention and went" in no["error"]) == (1, True)
    assert (await told(data, "timeline", all_of["held"]))[0] == 0
    await what_audit_kept_can_be_held(world, data, all_of["open"])
    with pytest.raises(Denied, match="complaint-purged") as no_stream:
        await world.player.get("audit", f"/streams/intake/{went[0]}", role="auditor")
    assert no_stream.value.status == 410
    with (
        psycopg.connect(world.system.stack.dsn("bihuan_audit")) as conn,
        pytest.raises(ClockAhead),
    ):
        check(conn, sh("2099-01-01 00:00:00"))


async def no_archive_is_made_of_places(world: World, data: Path, copy: Path) -> None:
    """A copy of audit's archive has no bytes of what was purged: it gives back every service but
    audit itself, which says so."""
    if world.system.places.running()["broker"] != "kafka":
        return
    assert (await told(data, "log", str(copy)))[0] == 0
    code, no = await told(data, "rebuild", "audit", "--beside", "--from", str(copy))
    assert code == 1
    assert "the records of a purge are told here by their places only" in no["error"]
    await world.settle()


async def made_again_as_it_is(world: World, data: Path, complaint: str) -> None:
    """Kafka has the purged records yet, the tombstone and one that came late: of these audit's
    archive is made again as it stands, and its views.
    """
    late(world, complaint, "bihuan_sla_watch")
    await world.settle()
    with psycopg.connect(world.system.stack.dsn("bihuan_audit")) as conn:
        kept = conn.execute(
            "SELECT sequence FROM archive WHERE subject = %s", (complaint,)
        ).fetchall()
    assert len(kept) == 1, "the late one, and none before it"
    code, found = await told(data, "rebuild", "audit", "--beside")
    assert (code, found["different"]) == (0, [])


def late(world: World, complaint: str, base: str) -> None:
    """A service that forgot the purge, as after a restore, goes on with the stream that it had."""
    with (
        psycopg.connect(world.system.stack.dsn("bihuan_audit")) as audit,
        psycopg.connect(world.system.stack.dsn(base)) as owner,
    ):
        end = audit.execute(
            "SELECT sequence, encode(digest, 'hex') FROM purged_record WHERE subject = %s "
            "AND source = '/bihuan/sla_watch' ORDER BY sequence DESC LIMIT 1",
            (complaint,),
        ).fetchone()
        like = owner.execute(
            "SELECT topic, state FROM stored_events WHERE topic LIKE 'clock.%%' "
            "ORDER BY notification_id DESC LIMIT 1"
        ).fetchone()
        assert end is not None
        assert like is not None
        event = json.loads(like[1])
        event |= {"id": str(uuid4()), "subject": complaint}
        event |= {"sequence": str(end[0] + 1), "previous": end[1]}
        state = json.dumps(event, ensure_ascii=False, separators=(",", ":")).encode()
        owner.execute(
            "INSERT INTO stored_events (originator_id, originator_version, topic, state) "
            "VALUES (%s, %s, %s, %s)",
            (complaint, end[0] + 1, like[0], state),
        )


async def proven(world: World, data: Path, all_of: dict[str, str]) -> None:
    """Every proof is as before, and what is missing without a tombstone is still named."""
    code, proof = await told(data, "verify")
    assert (code, proof["faults"], proof["purged"]) == (0, [], 40)
    (tombstone,) = proof["tombstones"]
    assert (tombstone["events"], tombstone["streams"]) == (40, 8)
    dsn = world.system.stack.dsn("bihuan_audit")
    page = run_the_page(archive_lines(dsn))
    assert [one for one in page if one.startswith("WRONG")] == []
    assert len([one for one in page if one.startswith("purged")]) == 8
    assert len([one for one in page if one.startswith("holds")]) == proof["checkpoints"]

    with psycopg.connect(dsn, autocommit=True) as owner:
        forged = signed_and_never_sent(world, owner, all_of["open"], "/bihuan/sla_watch")
        # Somebody with the database in hand takes a stream away and calls it purged.
        taken = (all_of["held"], "/bihuan/routing")
        owner.execute(
            "INSERT INTO purged_record SELECT partition, life, record_offset, source, subject, "
            "sequence, position, after, digest, %s FROM archive WHERE subject = %s AND source = %s",
            (tombstone["event"], *taken),
        )
        owner.execute("DELETE FROM archive WHERE subject = %s AND source = %s", taken)
        owner.execute("DELETE FROM head WHERE subject = %s AND source = %s", taken)
        # And somebody else renames the tombstone of another.
        owner.execute(
            "UPDATE purged_record SET tombstone = %s WHERE subject = %s AND source = %s",
            (uuid4(), all_of["goes"], "/bihuan/intake"),
        )
    code, proof = await told(data, "verify")
    assert code == 1
    found = {(one["kind"], one["source"], one["subject"], one["what"]) for one in proof["faults"]}
    assert ("missing", "/bihuan/routing", all_of["held"]) in {one[:3] for one in found}
    without = [one for one in found if "no signed purge of this name is in the log" in one[3]]
    assert {one[:3] for one in without} == {
        ("missing", "/bihuan/intake", all_of["goes"]),
        ("missing", "/bihuan/sla_watch", all_of["open"]),
    }
    assert [one["event"] for one in proof["tombstones"]] == [tombstone["event"]] != [forged]
    page = run_the_page(archive_lines(dsn))
    assert [one for one in page if one.startswith("WRONG")] == [
        f"WRONG /bihuan/routing {all_of['held']}",
        f"WRONG /bihuan/sla_watch {all_of['open']}",
    ]


def signed_and_never_sent(
    world: World, owner: psycopg.Connection[Any], complaint: str, source: str
) -> str:
    """A stream taken away by a purge that audit's key signed and no log has; returns its id."""
    taken = (complaint, source)
    row = owner.execute(
        "SELECT originator_id, max(originator_version) + 1, "
        "(array_agg(convert_from(state, 'UTF8') ORDER BY originator_version DESC))[1] "
        "FROM stored_events WHERE topic = 'cohort.purged.v1' GROUP BY 1"
    ).fetchone()
    end = owner.execute(
        "SELECT sequence, encode(digest, 'hex') FROM head WHERE subject = %s AND source = %s", taken
    ).fetchone()
    assert row is not None
    assert end is not None
    event = json.loads(row[2])
    event["id"] = str(uuid4())
    head = Head(source=source, subject=complaint, sequence=end[0], digest=end[1])
    data = CohortPurged.model_validate({**event["data"], "heads": [head], "count": end[0]})
    key = open_purge_key(world.system.places.keys / "purge.key")
    event["data"] = data.model_dump(mode="json") | {"signature": key.sign(text_of(data))}
    owner.execute(
        "INSERT INTO stored_events (originator_id, originator_version, topic, state) "
        "VALUES (%s, %s, 'cohort.purged.v1', %s)",
        (row[0], row[1], json.dumps(event).encode()),
    )
    owner.execute(
        "INSERT INTO purged_record SELECT partition, life, record_offset, source, subject, "
        "sequence, position, after, digest, %s FROM archive WHERE subject = %s AND source = %s",
        (event["id"], *taken),
    )
    owner.execute("DELETE FROM archive WHERE subject = %s AND source = %s", taken)
    owner.execute("DELETE FROM head WHERE subject = %s AND source = %s", taken)
    return str(event["id"])


def archive_lines(dsn: str) -> list[bytes]:
    """The archive by the very query that docs/auditors.md prints, a line a record."""
    query = "SELECT" + PAGE.read_text("utf-8").split("`SELECT", 1)[1].split("`", 1)[0]
    with psycopg.connect(dsn) as conn:
        rows = conn.execute(query.encode()).fetchall()
    return ["{}\t{}\t{}\n".format(*row).encode() for row in rows]


async def hexes(world: World, complaint: str) -> list[str]:
    """The bytes of every event of a complaint, as PostgreSQL writes them."""
    place = partition_of(complaint, world.system.partitions)
    found = await read_log(world.system, place)
    return [one.hex() for one in found if decode_event(one).subject == complaint]
