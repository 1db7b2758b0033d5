"""S8 on one system, after S1 to S7 have run on it: the auditor replays, proves and reads."""

import asyncio
import json
import zipfile
from collections.abc import Callable, Iterator, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

import psycopg
from psycopg import Connection
from psycopg.rows import dict_row

from contracts.values import Decision, Medium
from libs.decider import To
from libs.decider.decider import wire_instant
from libs.eventlog.envelope import Origin
from libs.eventlog.work import Work
from libs.sheets import FORMATS, Format, written
from services.audit.domain.chain import Fault, FaultKind
from services.audit.domain.reporting import REPORTS, Period
from services.audit.log import Log
from services.audit.replayed import replay
from services.audit.reports import report_file
from services.audit.verification import Verified, verify
from services.intake.domain.identity import message_key
from services.routing.domain.commands import Accept, Answer, Staff, Take
from services.sla_watch.main import describe as describe_sla_watch
from tests.again import made_again
from tests.e2e import (
    test_s1_national_day,
    test_s2_village_broadband,
    test_s3_desk_hours,
    test_s4_cross_region,
    test_s5_double_refund,
    test_s6_service_attitude,
    test_s7_many_channels,
)
from tests.e2e.commands import told
from tests.e2e.promised import kept_in_shanghai, whether_each_was_kept
from tests.e2e.scenes import Stage, after, scene
from tests.e2e.test_evidence import plain_python
from tests.e2e.test_show import holdings
from tests.e2e.world import RoomServers, read_log, sh
from tests.stack import UNGUARDED, Room, emptied

T = TypeVar("T")
Asked = Callable[[datetime, Staff, bool], Accept | Take | Answer]
"""(now, who, whether it waits in a queue) -> what they do."""

OCTOBER = Period(date(2025, 10, 1), date(2025, 10, 31))
LAST = "2026-02-20 00:00:00"
"""When every other scene is over: what is done to sla_watch and to the archive concerns nobody."""

S1_TO_S7 = (
    test_s1_national_day,
    test_s2_village_broadband,
    test_s3_desk_hours,
    test_s4_cross_region,
    test_s5_double_refund,
    test_s6_service_attitude,
    test_s7_many_channels,
)


@after(*S1_TO_S7)
@scene
async def test_s8_the_auditor_replays_proves_and_reads_what_s1_to_s7_left(world: Stage) -> None:
    """S8 (1) to (10); (2) to (4) in months of their own, for S1 to S7 have made October's."""
    await world.at("2025-10-24 10:00:00")
    told_on_friday = await world.say(category="billing.overcharge", text="多收费")
    await world.at(LAST)
    await world.settle()
    await _three_months_of_promises(world)
    s4, s6 = await _of_s4_and_s6(world)
    await _in_octobers_table(world, told_on_friday)
    await _replayed_without_a_trace(world, s4)
    await _what_if_the_ninth_had_been_off(world)
    await _the_same_from_a_rebuilt_sla_watch(world)
    await _proven_by_plain_python(world, s6)
    await _reading_is_on_record(world, s6)
    await _tampering_is_found(world, s6)


# -- (2) to (4) ------------------------------------------------------------------------------------


async def _three_months_of_promises(world: Stage) -> None:
    """Resolve clocks (98 %): their last counted dates are 31 March, 1 April and 7 May 2026."""
    await world.at("2026-03-24 10:00:00")
    march = await _told(world, range(52))
    [duplicate] = await _told(world, range(2, 3), category="product")
    withdrawn, reclassified, survivor = march[:3]
    for complaint, step, body in (
        (withdrawn, "withdraw", {"by": "customer", "reason": "changed_mind"}),
        (reclassified, "reclassify", {"category": "mobile.coverage", "reason": "misplaced"}),
        (duplicate, "merge", {"into": survivor, "reason": "same_matter"}),
    ):
        role = "manager" if step == "merge" else "desk"
        await world.player.do("intake", f"/complaints/{complaint}/{step}", body, role=role)
    await _answered(world, march[2:51])
    await world.at("2026-03-25 10:00:00")
    await _answered(world, (await _told(world, range(100, 150)))[:48])
    await world.at("2026-04-27 10:00:00")
    await _answered(world, (await _told(world, range(200, 399)))[:195])
    await world.at("2026-05-08 00:00:01")
    await world.settle()
    days = {"from": "2026-03-01", "to": "2026-05-31"}
    told = (await world.player.get("audit", "/reports/promises", **days))["rows"]
    assert {
        row["month"]: (
            *(row["met"], row["breached"], row["cancelled"]),
            *(row["share"]["shown"], row["promised"], row["kept"]),
        )
        for row in told
        if row["clock"] == "resolve"
    } == {
        "2026-03": (49, 1, 3, "98.00 %", "98 %", True),
        "2026-04": (48, 2, 0, "96.00 %", "98 %", False),
        "2026-05": (195, 4, 0, "97.98… %", "98 %", False),
    }


async def _told(world: Stage, numbers: range, category: str = "billing.overcharge") -> list[str]:
    """So many customers complain now, all at once; each is accepted."""
    names = {f"s8-{category}-{number}": f"1370088{number:04}" for number in numbers}
    for name, phone in names.items():
        words = {"kind": "words", "channel": "hotline_10010", "text": "多收费"}
        now = world.clock.now()
        await world.player.say("10010", name, now, **words, category=category, subscriber=phone)
    await world.settle()
    complaints = [str(message_key("10010", name)) for name in names]
    await _each(
        world, complaints, lambda now, by, waits: (Take if waits else Accept)(at=now, by=by)
    )
    return complaints


async def _answered(world: Stage, complaints: list[str]) -> None:
    """Who has each answers it now."""
    await _each(
        world,
        complaints,
        lambda now, by, _: Answer(
            at=now, by=by, explanation="sealed", decision=Decision.UPHELD, told_by=Medium.MESSAGE
        ),
    )


def batched(found: Sequence[T]) -> Iterator[Sequence[T]]:
    for at in range(0, len(found), 50):
        yield found[at : at + 50]


async def _each(
    world: Stage,
    complaints: list[str],
    command: Callable[[datetime, Staff, bool], Accept | Take | Answer],
) -> None:
    """What routing's own API would decide for each, in a few transactions instead of hundreds."""
    routing = world.app("routing")
    teams = (await world.player.get("routing", "/teams"))["teams"]

    def seats(conn: Connection[Any]) -> list[tuple[str, Staff, bool]]:
        asked = "SELECT complaint, team, agent, queue FROM work WHERE complaint = ANY(%s)"
        rows = conn.execute(asked, ([UUID(one) for one in complaints],)).fetchall()
        found = []
        for row in rows:
            team = next(
                one
                for one in teams
                if one["team"] == row["team"] or (not row["team"] and row["queue"] in one["queues"])
            )
            agent = row["agent"] or team["seats"][0]["agent"]
            who = Staff(agent=agent, team=team["team"], steers=True)
            found.append((str(row["complaint"]), who, row["team"] is None))
        return found

    for some in batched(await routing.query(seats)):

        def decide(work: Work, some: Sequence[tuple[str, Staff, bool]] = some) -> None:
            for complaint, by, waits in some:
                actor = Origin("request", f"agent:{by.agent}")
                work.apply(To(complaint, command(work.now, by, waits)), actor)

        await routing.in_thread(routing.writer.transact, decide)
    await world.settle()


async def _of_s4_and_s6(world: Stage) -> tuple[str, str]:
    """The complaint of Kashgar, and that about agent 8812."""
    events = [json.loads(value) for value in await read_log(world.system)]
    registered = [one for one in events if one["type"] == "complaint.registered.v1"]
    complex_ones = {
        one["subject"]
        for one in events
        if one["type"] == "complaint.reclassified.v1"
        and one["data"]["profile"]["urgency"] == "complex"
    }
    s4 = next(
        one["subject"]
        for one in registered
        if one["subject"] in complex_ones
        and one["data"]["registration"]["clock_from"] == "2025-10-04T02:20:00.000000Z"
    )
    s6 = next(
        one["subject"]
        for one in registered
        if one["data"]["registration"]["profile"]["category"].startswith("service")
        and one["data"]["registration"]["clock_from"] == "2025-10-17T09:00:00.000000Z"
    )
    return s4, s6


async def _rows(world: Stage, name: str) -> list[dict[str, Any]]:
    with await world.app("audit").query(report_file, name, OCTOBER, Format.JSON) as file:
        rows: list[dict[str, Any]] = json.load(file)["rows"]
    return rows


async def _in_octobers_table(world: Stage, complaint: str) -> None:
    """(1): registered on Friday the 24th at 10:00, due 2025-11-01 00:00: October's."""
    resolve = (await world.clocks(complaint))["resolve", 1]
    assert resolve["due_at"] == sh("2025-11-01 00:00:00")
    assert resolve["state"] == "breached"
    counted = [row for row in await _rows(world, "promises") if row["clock"] == "resolve"]
    assert {row["month"] for row in counted} == {"2025-10"}
    assert sum(row["breached"] for row in counted) >= 1
    november = Period(date(2025, 11, 1), date(2025, 11, 1))
    with await world.app("audit").query(report_file, "promises", november, Format.JSON) as file:
        assert "resolve" not in {row["clock"] for row in json.load(file)["rows"]}


# -- (5), (6), (9) ---------------------------------------------------------------------------------


def _room(world: Stage) -> Room:
    servers = world.system.stack
    assert isinstance(servers, RoomServers)
    return servers.where


def _stands(where: Room) -> dict[str, Any]:
    """What a message, a timer or an event would change: rows of every database."""
    found = {}
    for name, dsn in where.dsns.items():
        with psycopg.connect(dsn) as conn:
            tables = ("timer", "stored_events", "relay_sent")
            there = {
                table
                for (table,) in conn.execute(
                    "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
                )
            }
            for table in there.intersection(tables):
                rows = conn.execute(
                    f"SELECT md5(string_agg(t::text, '|' ORDER BY t::text)) FROM {table} t"
                )
                found[name, table] = rows.fetchone()
    return found


def _by_replay(values: list[bytes]) -> dict[Format, bytes]:
    facts = replay(values).facts
    return {form: written(REPORTS["promises"](facts, OCTOBER), form) for form in FORMATS}


async def _replayed_without_a_trace(world: Stage, s4: str) -> None:
    """(5) the replay's bytes; (6) S4's complaint at two instants; (9) nothing comes of either."""
    before = await asyncio.to_thread(_stands, _room(world))
    values = await read_log(world.system)
    replayed = await asyncio.to_thread(_by_replay, values)
    for form in FORMATS:
        with await world.app("audit").query(report_file, "promises", OCTOBER, form) as live:
            assert live.read() == replayed[form], form
    for at, expected in (("10:19:59", "running"), ("10:25:00", "breached")):
        known = await world.player.get(
            "audit", f"/complaints/{s4}", role="auditor", at=f"2025-10-07T{at}+08:00"
        )
        clocks = known["as_it_was"]["services"]["sla_watch"]["sla_clock"]
        (row,) = [one for one in clocks if one["clock"] == "feedback.complex"]
        assert (row["state"], row["due_at"]) == (expected, "2025-10-07T02:20:00.000000Z")
    await world.settle()
    assert await asyncio.to_thread(_stands, _room(world)) == before
    assert await read_log(world.system) == values


WORKING_DAYS = Path(__file__).parents[2] / "services/sla_watch/policy/working_days.v1.yaml"


async def _what_if_the_ninth_had_been_off(world: Stage) -> None:
    """(9) S1's row b, answered a millisecond after the 10th: under another calendar it was kept.

    Its reply counts Thu 9 and Fri 10; without the 9th, Fri 10 and Sat 11 (worked), so it is due
    2025-10-12 00:00. Its resolution counts 9, 10, 11, 13, 14; then 10, 11, 13, 14, 15.
    """
    folder = world.system.places.data
    late = str((await world.player.outcome("10010", "call-13800000201"))["complaint"])
    text = WORKING_DAYS.read_text("utf-8")
    for was, becomes in (
        ('version: "2026.1"', 'version: "tried"'),
        ("days_off: {}", 'days_off: {"2025-10-09": "National Day"}'),
    ):
        assert text.count(was) == 1
        text = text.replace(was, becomes)
    tried = folder / "ninth-off.yaml"
    tried.write_text(text, encoding="utf-8")
    asked = ("what-if", late, "--calendar")
    code, same = await told(folder, *asked, str(WORKING_DAYS))
    assert (code, same["differs"], same["unlike_record"]) == (0, [], 0)
    await world.settle()  # who asks is on record now
    before = await asyncio.to_thread(_stands, _room(world))
    rows = await asyncio.to_thread(holdings, world)
    values = await read_log(world.system)
    code, answer = await told(folder, *asked, str(tried))
    assert (code, answer["complaints"], answer["unlike_record"], answer["more"]) == (0, 1, 0, False)
    answered = wire_instant(sh("2025-10-11 00:00:00.001000"))
    assert {
        one["clock"]: (one["change"], one["was"], one["would_be"]) for one in answer["differs"]
    } == {
        "reply.mobile": (
            "verdict",
            {"state": "breached", "due": wire_instant(sh("2025-10-11 00:00:00")), "at": None},
            {"state": "met", "due": wire_instant(sh("2025-10-12 00:00:00")), "at": answered},
        ),
        "resolve": (
            "due",
            {"state": "met", "due": wire_instant(sh("2025-10-15 00:00:00")), "at": answered},
            {"state": "met", "due": wire_instant(sh("2025-10-16 00:00:00")), "at": answered},
        ),
    }
    assert answer["tallies"]["reply.mobile"] == {
        "was_met": 0,
        "was_breached": 1,
        "would_be_met": 1,
        "would_be_breached": 0,
    }
    await world.settle()
    assert await asyncio.to_thread(_stands, _room(world)) == before
    assert await asyncio.to_thread(holdings, world) == rows
    assert await read_log(world.system) == values


async def _the_same_from_a_rebuilt_sla_watch(world: Stage) -> None:
    """(5): its database dropped, and made again from complaints.log."""
    live = await world.player.get("sla_watch", "/promises")
    table = await _rows(world, "promises")
    where, audit = _room(world), world.app("audit")
    async with world.without("sla_watch"):
        await asyncio.to_thread(emptied, where.dsns["bihuan_sla_watch"])
        await made_again(
            describe_sla_watch(),
            where.service_dsns["bihuan_sla_watch"],
            where.bootstrap,
            topic=f"{where.prefix}complaints.log",
            topic_id=audit.inbox.topic_id,
            partitions=world.system.partitions,
        )
    again = await world.player.get("sla_watch", "/promises")
    assert json.dumps(again) == json.dumps(live)
    october = [row for row in again["rows"] if row["month"] == "2025-10"]
    names = ("clock", "policy", "history", "met", "breached", "cancelled", "kept")
    assert [[row[name] for name in names] for row in october] == [
        [row[name] for name in names] for row in table
    ]


# -- (8), (10) -------------------------------------------------------------------------------------


async def _proven_by_plain_python(world: Stage, s6: str) -> None:
    """(8): with nothing but Python's standard library."""
    folder = world.system.places.data
    bundle = folder / "s6.zip"
    code, _ = await told(folder, "bundle", s6, "--out", str(bundle))
    assert code == 0
    key = (world.system.places.keys / "checkpoint.key.pub").read_text("ascii").strip()
    code, said = await asyncio.to_thread(_by_the_script_in_it, bundle, key)
    assert code == 0, said
    with zipfile.ZipFile(bundle) as packed:
        promised = whether_each_was_kept(said, packed.read("events.jsonl").splitlines())
    assert kept_in_shanghai(promised).items() >= test_s6_service_attitude.KEPT.items()


def _by_the_script_in_it(bundle: Path, key: str) -> tuple[int, str]:
    with zipfile.ZipFile(bundle) as packed:
        packed.extract("verify_bundle.py", bundle.parent)
    return plain_python(bundle, key)


async def _reading_is_on_record(world: Stage, s6: str) -> None:
    """(10): of whom, what for, and to whom it was handed."""
    folder = world.system.places.data
    asked = ("bundle", s6, "--opened", "--purpose", "yearly_audit", "--out", f"{folder}/open.zip")
    code, _ = await told(folder, *asked)
    assert code == 0
    await world.settle()
    log = [one for one in await world.log() if getattr(one.data, "purpose", "") == "yearly_audit"]
    read = [one.data for one in log if one.type == "person.accessed.v1"]
    assert {str(one.complaint) for one in read} == {s6}
    (handed,) = [one.data for one in log if one.type == "export.made.v1"]
    assert (handed.what, handed.by, [str(one) for one in handed.complaints]) == (
        *("evidence_bundle_opened", "auditor:local"),
        [s6],
    )


# -- (7) -------------------------------------------------------------------------------------------

ROW = "source = '/bihuan/intake' AND subject = %(s6)s AND sequence = "
LAST_ONE = f"{ROW} (SELECT max(sequence) FROM archive WHERE {ROW} sequence)"
COPIED = (
    "cohort, life, partition, record_offset + 10000000, source, subject, sequence + 1, position, "
    "after, type, time, previous, digest, state"
)
END = 10_000
"""Counted from here, a number is counted from its stream's last: END is the last, END + 1 next."""
TAMPERINGS: dict[str, tuple[str, dict[int, FaultKind]]] = {
    "one byte flipped": (
        "UPDATE archive SET state = set_byte(state, length(state) - 4, "
        f"get_byte(state, length(state) - 4) # 1) WHERE {ROW} 2",
        {2: FaultKind.CHANGED},
    ),
    "one removed from the middle": (f"DELETE FROM archive WHERE {ROW} 2", {2: FaultKind.MISSING}),
    "the last of a stream removed": (
        f"DELETE FROM archive WHERE {LAST_ONE}",
        {END: FaultKind.MISSING},
    ),
    "two swapped": (
        "UPDATE archive a SET state = b.state, digest = b.digest FROM archive b WHERE "
        "a.source = '/bihuan/intake' AND b.source = a.source AND a.subject = %(s6)s AND "
        "b.subject = a.subject AND (a.sequence, b.sequence) IN ((2, 3), (3, 2))",
        {2: FaultKind.SWAPPED, 3: FaultKind.SWAPPED},
    ),
    "one added": (
        f"INSERT INTO archive SELECT {COPIED} FROM archive WHERE {LAST_ONE}",
        {END + 1: FaultKind.ADDED},
    ),
}


async def _tampering_is_found(world: Stage, s6: str) -> None:
    """(7): each is found, and the very events that it harmed are named, of all that are there."""
    where, audit = _room(world), world.app("audit")
    found = await asyncio.to_thread(_each_tampering, where, audit.inbox.topic_id, s6)
    assert found.pop("nothing") == []
    told = [json.loads(value) for value in await read_log(world.system)]
    of_s6 = [one for one in told if (one["source"], one["subject"]) == ("/bihuan/intake", s6)]
    last = max(int(one["sequence"]) for one in of_s6)
    assert last > 3  # so that the middle is none of its ends
    for name, (_, kinds) in TAMPERINGS.items():
        named = {
            (one.source, one.subject, one.sequence): one.kind
            for one in found[name]
            if one.sequence is not None
            # What follows: the checkpoint that sealed it, whose root comes out no more.
            and (one.source, one.kind) != ("/bihuan/audit", FaultKind.CHECKPOINT)
        }
        assert named == {
            ("/bihuan/intake", s6, last + number - END if number >= END else number): kind
            for number, kind in kinds.items()
        }, name


def _each_tampering(where: Room, topic_id: str, s6: str) -> dict[str, list[Fault]]:
    dsn = where.dsns["bihuan_audit"]
    found = {"nothing": _verified(where, dsn, topic_id).faults}
    for name, (statement, _) in TAMPERINGS.items():
        with psycopg.connect(dsn, row_factory=dict_row, options=UNGUARDED) as conn:
            _kept(conn, s6, lambda conn, done=statement: conn.execute(done, {"s6": s6}))
        try:
            found[name] = _verified(where, dsn, topic_id).faults
        finally:
            with psycopg.connect(dsn, options=UNGUARDED) as conn:
                conn.execute("DELETE FROM archive WHERE subject = %s", (s6,))
                conn.execute("INSERT INTO archive SELECT * FROM s8_kept")
                conn.execute("DROP TABLE s8_kept")
    return found


def _kept(conn: Connection[Any], s6: str, tamper: Callable[[Connection[Any]], Any]) -> None:
    conn.execute("CREATE TABLE s8_kept AS SELECT * FROM archive LIMIT 0")
    conn.execute("INSERT INTO s8_kept SELECT * FROM archive WHERE subject = %s", (s6,))
    assert tamper(conn).rowcount >= 1


def _verified(where: Room, dsn: str, topic_id: str) -> Verified:
    log = Log(where.bootstrap, f"{where.prefix}complaints.log")
    try:
        return verify(dsn, log, topic_id)
    finally:
        log.close()
