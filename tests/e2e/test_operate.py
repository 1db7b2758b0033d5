"""The commands of an operations engineer, on the six services really running."""

import asyncio
from datetime import datetime
from hashlib import sha256
from itertools import chain
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import pytest
from aiokafka import AIOKafkaProducer

from cli.notices import gateway_of
from cli.player import Denied
from libs.messaging.clients import running
from libs.sheets import Format
from services.audit.domain.reporting import REPORTS
from tests.e2e.commands import bihuan, bihuan_process, told
from tests.e2e.world import SHANGHAI, World, play, read_log

START = "2025-10-09 09:00:00"
WORDS = "手机没信号，打不出去"


async def break_in(world: World, key: bytes, value: bytes) -> None:
    """Somebody else's record on the log."""
    producer = AIOKafkaProducer(bootstrap_servers=world.system.stack.bootstrap)
    async with running(producer):
        await producer.send_and_wait(
            f"{world.system.topic_prefix}complaints.log", value, key=key, partition=0
        )


def flip_a_byte(world: World) -> None:
    """Somebody with the database's password changes one byte of audit's archive."""
    with psycopg.connect(world.system.stack.dsn("bihuan_audit"), autocommit=True) as connection:
        place = connection.execute(
            "SELECT tableoid::regclass::text, ctid::text, state FROM archive "
            "ORDER BY record_offset LIMIT 1"
        ).fetchone()
        assert place is not None
        table, row, state = place
        changed = bytearray(state)
        changed[len(changed) // 2] ^= 1
        connection.execute(
            f"UPDATE {table} SET state = %s WHERE ctid = %s::tid",
            (bytes(changed), row),
        )


def test_what_an_operations_engineer_sees_and_settles(tmp_path: Path) -> None:
    async def scene(world: World) -> None:
        data = world.system.places.data
        complaint = await world.say(text=WORDS, subscriber="13800000001")
        await world.say(text="话费不对，多扣了钱", subscriber="13800000002")
        await world.settle()
        await _one_complaint(data, complaint)
        await _notices(world, data, complaint)
        await _connection(data)
        await _reports(world, data)
        await _opened_record(world, data, complaint)
        await _dead_letters(world, data)
        await _proof(world, data)

    play(tmp_path / "data", START, scene)


async def _one_complaint(data: Path, complaint: str) -> None:
    code, timeline = await told(data, "timeline", complaint)
    assert (code, timeline["complaint"], timeline["more"]) == (0, complaint, False)
    kinds = [step["type"] for step in timeline["items"]]
    assert kinds[:2] == ["complaint.registered.v1", "complaint.verified.v1"]
    assert {step["source"].rpartition("/")[2] for step in timeline["items"]} == {
        *("intake", "routing", "sla_watch", "feedback_survey"),
    }
    receipt: str = timeline["receipt"]
    assert await told(data, "timeline", receipt) == (0, timeline)
    code, shorter = await told(data, "timeline", receipt, "--limit", "1")
    assert (code, len(shorter["items"]), shorter["more"]) == (0, 1, True)

    code, status = await told(data, "status", receipt)
    assert (code, status["receipt"], status["category"]) == (0, receipt, "mobile.coverage")
    code, out, _ = await bihuan(data, "status", receipt)
    assert code == 0
    assert receipt in out
    wrong = receipt[:-1] + str((int(receipt[-1]) + 1) % 10)
    assert (await bihuan(data, "status", wrong))[0] == 2
    assert (await bihuan(data, "timeline", "00000000-0000-4000-8000-000000000000"))[0] == 1


async def given(world: World, *receipt: str) -> tuple[int, Any]:
    """What `notices list` tells once the gateway was given something."""
    gateway = gateway_of(world.system.places)
    await gateway.start()
    try:
        async with asyncio.timeout(30):
            while True:
                code, listed = await told(world.system.places.data, "notices", "list", *receipt)
                if listed["notices"]:
                    return code, listed
                await asyncio.sleep(0.1)
    finally:
        await gateway.stop()


async def _notices(world: World, data: Path, complaint: str) -> None:
    assert (await bihuan(data, "notices", "list"))[0] == 1  # no gateway yet
    receipt = await world.receipt(complaint)
    code, listed = await given(world, receipt)
    (notice,) = listed["notices"]
    assert (code, notice["kind"], notice["complaint"]) == (0, "receipt", complaint)
    code, out, _ = await bihuan(data, "notices", "show", notice["notice"])
    assert code == 0
    assert receipt in out
    nobodys = "00000000-0000-4000-8000-000000000000"
    assert (await bihuan(data, "notices", "show", nobodys))[0] == 1
    assert (await bihuan(data, "notices", "report", nobodys, "failed"))[0] == 1
    assert (await bihuan(data, "notices", "report", notice["notice"], "lost"))[0] == 2


async def _opened_record(world: World, data: Path, complaint: str) -> None:
    """客户投诉记录表: a customer's words stand in it for who may, for a purpose, and on record."""
    days = ("--from", "2025-10-01", "--to", "2025-10-31")
    code, sealed, _ = await bihuan(data, "report", "records", *days)
    assert (code, WORDS in sealed, "🔒" in sealed) == (0, False, True)
    asked = ("report", "records", *days, "--opened")
    code, opened, _ = await bihuan(data, *asked, "--purpose", "complaint_record")
    assert (code, WORDS in opened) == (0, True)
    await world.settle()
    exports = [one for one in await world.log() if one.type == "export.made.v1"]
    (export,) = [one for one in exports if one.data.what == "records_opened"]
    assert export.data.purpose == "complaint_record"
    assert (export.data.by, UUID(complaint) in export.data.complaints) == ("auditor:local", True)
    accessed = [one.data for one in await world.log() if one.type == "person.accessed.v1"]
    found = [one for one in accessed if one.complaint == UUID(complaint)]
    assert "complaint_record" in {one.purpose for one in found}
    body = {"from": "2025-10-01", "to": "2025-10-31", "purpose": "curiosity"}
    for role in ("manager", "admin", "desk"):
        with pytest.raises(Denied, match=r"^403"):
            await world.player.do("audit", "/reports/records/opened", body, role=role)
    assert (await bihuan(data, *asked))[0] == 2
    assert (await bihuan(data, *asked, "--purpose", "x", "--replay"))[0] == 2


async def _connection(data: Path) -> None:
    """004 每日接通率测试表: checked, sent, sent again, corrected with a reason."""
    file = data / "connection.csv"
    head = "日期,热线,呼入次数,20秒内接通,更正原因\n"

    async def sent(*rows: str) -> tuple[int, Any]:
        file.write_text(head + "".join(f"{row}\n" for row in rows), encoding="utf-8-sig")
        return await told(data, "connection", str(file))

    good = ("2025-10-07,10010,200,170,", "2025-10-07,10015,200,169,")
    code, first = await sent(*good, "2025-10-08,10010,10,zehn,")
    assert (code, first["new"], [one["row"] for one in first["refused"]]) == (1, 0, [3])
    assert await sent(*good) == (0, {"rows": 2, "new": 2, "known": 0, "refused": []})
    assert await sent(*good) == (0, {"rows": 2, "new": 0, "known": 2, "refused": []})
    changed = "2025-10-07,10015,200,171,"
    code, refused = await sent(changed, "2025-10-08,10010,10,11,", "2025-10-08,sms,10,9,")
    assert (code, refused["new"], [one["row"] for one in refused["refused"]]) == (1, 0, [1, 2, 3])
    assert (await sent(f"{changed}漏计夜班"))[0] == 0
    days = ("--from", "2025-10-07", "--to", "2025-10-07")
    async with asyncio.timeout(20):
        while True:
            code, shown = await told(data, "report", "connection", *days)
            if [row["corrected"] for row in shown["rows"]] == [False, True]:
                break
            await asyncio.sleep(0.05)
    assert code == 0
    assert [(row["line"], row["share"]["shown"], row["reached"]) for row in shown["rows"]] == [
        ("hotline_10010", "85.00 %", True),
        ("hotline_10015", "85.50 %", True),
    ]
    file.write_text("day,line\n", encoding="utf-8")
    assert (await bihuan(data, "connection", str(file)))[0] == 2


async def _reports(world: World, data: Path) -> None:
    code, promises = await told(data, "report", "promises", "--month", "2025-10")
    assert code == 0
    assert promises["rows"] == [
        {
            "month": "2025-10",
            "clock": "acknowledge",
            "title_zh": "受理告知",
            "title_en": "Receipt",
            "policy": "1",
            "history": False,
            "met": 2,
            "breached": 0,
            "cancelled": 0,
            "share": {"part": 2, "whole": 2, "shown": "100.00 %"},
            "promised": "100 %",
            "kept": True,
        }
    ]
    days = ("--from", "2025-10-01", "--to", "2025-10-31")
    code, volume = await told(data, "report", "volume", *days)
    told_by_phone = [(row["key"], row["told"]) for row in volume["rows"] if row["by"] == "channel"]
    assert (code, told_by_phone) == (0, [("hotline_10010", 2)])
    log = data / "log.jsonl"
    log.write_bytes(b"\n".join(await read_log(world.system)))
    whole = await _copy_of_the_log(world, data)
    elsewhere = (("--replay",), ("--log", "archive"), ("--log", str(whole)), ("--log", str(log)))
    for number, name in enumerate(REPORTS):
        told_live: dict[Format, bytes] = {}
        out = data / "report"
        for form in Format:
            code, _, problem = await bihuan(
                data, "report", name, *days, "--format", form, "--out", str(out)
            )
            assert code == 0, problem
            told_live[form] = out.read_bytes()
        # Each report from everywhere, each time in another form.
        for place, form in zip(elsewhere, chain(list(Format)[number % 4 :], Format), strict=False):
            words = ("report", name, *days, "--format", form, "--out", str(out), *place)
            code, _, problem = await bihuan(data, *words)
            assert code == 0, problem
            assert out.read_bytes() == told_live[form], (name, form, place)
    code, shown, _ = await bihuan(data, "report", "promises", "--month", "2025-10")
    assert (code, "受理告知" in shown, "100.00 %" in shown) == (0, True, True)
    for wrong in (
        ("moods", "--month", "2025-10"),
        ("promises", "--month", "October"),
        ("promises", "--from", "2025-10-01"),
        ("promises", "--from", "2025-10-02", "--to", "2025-10-01"),
        ("promises", "--month", "2025-10", "--format", "xlsx"),
        ("promises", "--month", "2025-10", "--replay", "--log", str(log)),
        ("promises", "--month", "2025-10", "--log", "nowhere"),
    ):
        assert (await bihuan(data, "report", *wrong))[0] == 2
    log.write_bytes(log.read_bytes().replace(b"\n", b"\n{", 1))
    code, _, problem = await bihuan(data, "report", "promises", *days, "--log", str(log))
    assert (code, "line 2 is not an event" in problem) == (1, True)


async def _copy_of_the_log(world: World, data: Path) -> Path:
    """`bihuan log`: audit's archive as a file, whose making is on record."""
    file = data / "whole.log"
    code, made = await told(data, "log", str(file), "--purpose", "yearly_audit")
    assert (code, made["digest"]) == (0, sha256(file.read_bytes()).hexdigest())
    await world.settle()
    exports = [one.data for one in await world.log() if one.type == "export.made.v1"]
    (export,) = [one for one in exports if one.what == "log"]
    assert (export.digest, export.purpose, export.by) == (
        *(made["digest"], "yearly_audit"),
        "auditor:local",
    )
    assert (await bihuan(data, "log", str(file)))[0] == 2, "it is there already"
    return file


async def _dead_letters(world: World, data: Path) -> None:
    assert await told(data, "dead-letter", "list") == (0, {"parked": {}, "more": False})
    assert await told(data, "inbox", "gaps") == (0, {"gaps": {}})
    await break_in(world, b"who knows", b"\xff\x00 no JSON")
    await world.stepper.settle()
    code, listed = await told(data, "dead-letter", "list")
    assert code == 1
    services = set(listed["parked"])
    assert services == {"intake", "routing", "sla_watch", "escalation", "feedback_survey", "audit"}
    subject: str = listed["parked"]["routing"][0]["subject"]
    code, shown = await told(data, "dead-letter", "show", "routing", subject)
    assert (code, shown[0]["error"], shown[0]["partition"]) == (0, "foreign", 0)
    assert (await bihuan(data, "dead-letter", "show", "routing", "nobody"))[0] == 1
    assert (await bihuan(data, "dead-letter", "list", "--service", "billing"))[0] == 2
    why = ("--reason", "no record of ours")
    assert (await bihuan(data, "dead-letter", "replay", "routing", subject, *why))[0] == 1
    assert (await bihuan(data, "dead-letter", "discard", "routing", subject))[0] == 2
    for name in sorted(services):
        code, settled = await told(data, "dead-letter", "discard", name, subject, *why)
        assert (code, len(settled["discarded"]), settled["left"]) == (0, 1, 0)
    assert (await told(data, "dead-letter", "list"))[0] == 0


async def _proof(world: World, data: Path) -> None:
    await world.stepper.settle()
    code, proven = await told(data, "verify")
    assert (code, proven["faults"]) == (0, [])
    foreign = 1
    assert proven["events"] == len(await read_log(world.system)) - foreign
    flip_a_byte(world)
    code, found = await told(data, "verify")
    assert code == 1
    assert {fault["kind"] for fault in found["faults"]} == {"changed"}
    code, out, _ = await bihuan_process(data, "verify")
    assert (code, "changed" in out) == (1, True)


def test_what_became_of_a_notice_is_told_as_a_gateway_would(tmp_path: Path) -> None:
    """The command stamps with the real clock, so this world begins now."""

    async def scene(world: World) -> None:
        complaint = await world.say(text=WORDS, subscriber="13800000003")
        await world.settle()
        (issued,) = await world.events(complaint, "notice.issued")
        data, notice = world.system.places.data, str(issued.data.notice)
        await given(world)
        document = {"notice": notice, "result": "delivered"}
        assert await told(data, "notices", "report", notice, "delivered") == (0, document)
        await world.stepper.settle()
        (attempted,) = await world.events(complaint, "notice.attempted")
        assert (str(attempted.data.notice), attempted.data.result.value) == (notice, "delivered")

    play(tmp_path / "data", f"{datetime.now(SHANGHAI):%Y-%m-%d %H:%M:%S}", scene)


def test_without_a_system_every_command_says_how_to_start_one(tmp_path: Path) -> None:
    async def all_of_them() -> None:
        for words in (
            ("verify",),
            ("status", "985054900581"),
            ("report", "promises", "--month", "2025-10"),
            ("report", "promises", "--month", "2025-10", "--replay"),
            ("inbox", "gaps"),
            ("dead-letter", "list"),
        ):
            code, out, err = await bihuan(tmp_path / "none", *words)
            assert (code, out) == (2, "")
            assert "bihuan up" in err
        code, _, err = await bihuan(tmp_path / "none", "rebuild", "routing")
        assert code == 2
        assert "nothing was ever started" in err

    asyncio.run(all_of_them())
