"""SCENARIOS S4: home Guangdong, fault in Xinjiang; instants are the page's own."""

from datetime import datetime
from typing import Any

import pytest

from cli.player import Denied
from tests.e2e.scenes import Stage, scene
from tests.e2e.world import sh

GUANGDONG = {"actor": "agent:8101", "team": "guangdong-desk"}
HALL = {"actor": "agent:8201", "team": "hall-kashgar"}
XINJIANG = {"actor": "agent:5101", "team": "xinjiang-mobile"}
SHORT, LONG = "feedback.ordinary", "feedback.complex"
GOODWILL = {"finding": 1, "basis": "goodwill", "amount": "20.00"}

STEPS = {
    ("complaint.verified.v1", "2025-10-04 10:20:00.000000"),
    ("work.routed.v1", "2025-10-04 10:20:00.000000"),
    ("work.accepted.v1", "2025-10-04 10:20:00.000000"),
    ("work.contacted.v1", "2025-10-04 10:50:00.000000"),
    ("complaint.reclassified.v1", "2025-10-04 15:00:00.000000"),
    ("clocks.cancelled.v1", "2025-10-04 15:00:00.000000"),
    ("work.promised.v1", "2025-10-07 09:00:00.000000"),
    ("clock.breached.v1", "2025-10-07 10:20:00.000000"),
    ("work.reported_back.v1", "2025-10-09 15:00:00.000000"),
    ("compensation.granted.v1", "2025-10-09 15:00:00.000000"),
    ("work.answered.v1", "2025-10-09 16:00:00.000000"),
    ("survey.concluded.v1", "2025-10-09 18:05:00.000000"),
    ("complaint.closed.v1", "2025-10-09 18:05:00.000000"),
}
"""What the owner and the home province are informed of, among other steps."""


@scene
async def test_guangdong_owns_xinjiang_handles_and_guangdong_answers(world: Stage) -> None:
    """Told in the app, accepted by a person of Guangdong's desk."""
    complaint = await _told(
        world, "13800000401", "app", {"team": "guangdong-desk", "agent": "8101"}
    )
    await _from_the_first_word_to_the_closing(
        world, complaint, GUANGDONG, ("guangdong-desk", "8101"), "app"
    )


@scene
async def test_told_in_a_kashgar_hall_the_hall_owns_it_and_all_else_is_equal(world: Stage) -> None:
    """Variant: "owner of record = the hall's team (first question), home province informed"."""
    complaint = await _told(world, "13800000402", "hall", {"team": "hall-kashgar"})
    await _from_the_first_word_to_the_closing(world, complaint, HALL, ("hall-kashgar", None), "app")


@scene
async def test_the_kashgar_hall_keeps_its_own_hours(world: Stage) -> None:
    """Variant: "open 10:00-19:00 local list": asked from 10:00:00 until before 19:00:00, and what
    it has then is handed over (DOMAIN rule 6)."""
    asked: list[str | None] = []
    for number, at in enumerate(
        ("18:59:59.999999", "19:00:00", "09:59:59.999999", "10:00:00"), start=1
    ):
        day = "2025-10-04" if number < 3 else "2025-10-05"
        await world.at(f"{day} {at}")
        idea = await world.say(
            complaint_kind="suggestion",
            category="product",
            text="希望营业厅增加自助机",
            subscriber=f"1380000041{number}",
            home_province="xinjiang",
        )
        work = await world.player.get("routing", f"/work/{idea}")
        asked.append(work["team"])
    assert asked == ["hall-kashgar", "desk-10010", "desk-10010", "hall-kashgar"]
    await world.accepts(idea, HALL)
    await world.at("2025-10-05 19:00:00.000001")
    (back,) = await world.events(idea, "work.returned")
    assert (back.data.reason.value, _exact(back.at)) == (
        "end_of_day",
        "2025-10-05 19:00:00.000000",
    )


async def _told(world: Stage, subscriber: str, channel: str, taken_by: dict[str, str]) -> str:
    """No mobile data in Kashgar, Saturday in the holiday."""
    await world.at("2025-10-04 10:20:00")
    complaint = await world.say(
        channel=channel,
        text="在喀什手机没有数据信号",
        subscriber=subscriber,
        category="mobile.noncoverage.data_speed",
        urgency="ordinary",
        home_province="guangdong",
        visited_province="xinjiang",
        taken_by=taken_by,
        reply_to={"kind": "app", "address": subscriber},
    )
    await world.settle()
    return complaint


async def _from_the_first_word_to_the_closing(
    world: Stage,
    complaint: str,
    owner: dict[str, Any],
    of_record: tuple[str, str | None],
    channel: str,
) -> None:
    await _verified_then_routed_to_xinjiang(world, complaint)
    await _clocks_run_through_the_holiday(world, complaint)
    await world.accepts(complaint, XINJIANG)
    reached = {"channel": channel, "reached": True}
    await world.at("2025-10-04 10:50:00")
    await world.player.do("routing", f"/work/{complaint}/contact", reached, **XINJIANG)
    await world.settle()
    await _made_complex(world, complaint)
    await _told_of_the_delay(world, complaint, owner)
    await _xinjiang_reports_and_the_owner_answers(world, complaint, owner)
    await _closed_by_her_own_word(world, complaint)
    await _each_step_reached_owner_and_home(world, complaint, owner)
    await _one_owner_for_ever(world, complaint, of_record)


async def _verified_then_routed_to_xinjiang(world: Stage, complaint: str) -> None:
    steps = await world.events(complaint, "complaint.verified", "work.routed", "work.assigned")
    assert [one.type for one in steps] == [
        "complaint.verified.v1",
        "work.routed.v1",
        "work.assigned.v1",
    ]
    verified, routed, assigned = (one.data for one in steps)
    assert verified.valid
    assert {one.value for one in verified.checked} == {"identity", "facts"}
    assert (routed.province, routed.informed) == ("xinjiang", ("guangdong",))
    assert assigned.team == "xinjiang-mobile"


async def _clocks_run_through_the_holiday(world: Stage, complaint: str) -> None:
    """National standards apply in Xinjiang as at home: no deadline of a province's own."""
    clocks = await world.clocks(complaint)
    assert {code: _exact(row["due_at"]) for (code, _), row in clocks.items()} == {
        "acknowledge": "2025-10-04 10:25:00.000000",
        "first_contact": "2025-10-04 11:20:00.000000",
        SHORT: "2025-10-05 10:20:00.000000",
        "reply.mobile": "2025-10-11 00:00:00.000000",
        "resolve": "2025-10-15 00:00:00.000000",
        "legal.answer": "2025-10-21 00:00:00.000000",
    }


async def _made_complex(world: Stage, complaint: str) -> None:
    await world.at("2025-10-04 15:00:00")
    body = {"urgency": "complex", "reason": "needs_field_test"}
    await world.player.do("intake", f"/complaints/{complaint}/reclassify", body, **XINJIANG)
    await world.settle()
    clocks = await world.clocks(complaint)
    assert clocks[SHORT, 1]["state"] == "cancelled"
    (cancelled,) = await world.events(complaint, "clocks.cancelled")
    assert [one.clock for one in cancelled.data.clocks] == [SHORT]
    assert (cancelled.data.reason.value, cancelled.data.replaced_by, _exact(cancelled.at)) == (
        "reclassified",
        (LONG,),
        "2025-10-04 15:00:00.000000",
    )
    (reclassified,) = await world.events(complaint, "complaint.reclassified")
    assert reclassified.data.reason == "needs_field_test"
    assert (_exact(clocks[LONG, 1]["clock_from"]), _exact(clocks[LONG, 1]["due_at"])) == (
        "2025-10-04 10:20:00.000000",
        "2025-10-07 10:20:00.000000",
    )
    work = await world.player.get("routing", f"/work/{complaint}")
    assert (work["team"], work["agent"]) == ("xinjiang-mobile", "5101")


async def _told_of_the_delay(world: Stage, complaint: str, owner: dict[str, Any]) -> None:
    await world.at("2025-10-07 09:00:00")
    body = {"clock": LONG, "new_due": "2025-10-09T18:00:00+08:00", "plan": "周四18时前完成现场测试"}
    await world.player.do("routing", f"/work/{complaint}/delay-plan", body, **owner)
    await world.settle()
    told = [
        (_exact(one.at), _exact(one.data.not_before), one.data.late)
        for one in await world.events(complaint, "notice.issued")
        if one.data.kind.value == "delay"
    ]
    assert told == [("2025-10-07 09:00:00.000000", "2025-10-07 09:00:00.000000", False)]
    clocks = await world.clocks(complaint)
    assert (clocks[LONG, 1]["state"], _exact(clocks[LONG, 1]["due_at"])) == (
        "running",
        "2025-10-07 10:20:00.000000",
    )
    assert _exact(clocks["agreed", 1]["due_at"]) == "2025-10-09 18:00:00.000000"
    await world.at("2025-10-07 10:20:00.000001")
    assert await _breached(world, complaint) == [(LONG, "2025-10-07 10:20:00.000000")]


async def _xinjiang_reports_and_the_owner_answers(
    world: Stage, complaint: str, owner: dict[str, Any]
) -> None:
    await world.at("2025-10-09 15:00:00")
    result = {"opinion": "基站数据板卡故障,已更换"}
    await world.player.do("routing", f"/work/{complaint}/opinion", result, **XINJIANG)
    await world.settle()
    reports = await world.events(complaint, "work.reported_back")
    assert [(one.data.by, _exact(one.at)) for one in reports] == [
        ("xinjiang-mobile", "2025-10-09 15:00:00.000000")
    ]
    with pytest.raises(Denied, match="not-the-owners-desk"):
        await world.answers(complaint, XINJIANG)
    await _compensation_is_guangdongs(world, complaint, owner)
    await world.at("2025-10-09 16:00:00")
    await world.answers(complaint, owner)
    clocks = await world.clocks(complaint)
    kept = ("first_contact", "reply.mobile", "resolve", "agreed", "legal.answer")
    assert {code: clocks[code, 1]["state"] for code in kept} == dict.fromkeys(kept, "met")
    assert {_exact(clocks[code, 1]["met_at"]) for code in kept[1:]} == {
        "2025-10-09 16:00:00.000000"
    }
    assert await _breached(world, complaint) == [(LONG, "2025-10-07 10:20:00.000000")]


async def _compensation_is_guangdongs(world: Stage, complaint: str, owner: dict[str, Any]) -> None:
    """Neither Xinjiang's team nor a hall there proposes money, whoever owns it (DOMAIN rule 5)."""
    finding = {"cause": "operator", "outage_from": "2025-10-04T10:20:00+08:00"}
    path = f"/work/{complaint}/compensation"
    await world.player.do("routing", f"/work/{complaint}/finding", finding, **owner)
    await world.settle()
    for there in (XINJIANG, HALL):
        with pytest.raises(Denied) as denied:
            await world.player.do("routing", path, GOODWILL, **there)
        assert denied.value.status == 422
    assert await world.events(complaint, "work.compensation_proposed") == []
    await world.player.do("routing", path, GOODWILL, **GUANGDONG)
    await world.settle()
    (granted,) = await world.events(complaint, "compensation.granted")
    assert (str(granted.data.amount), _exact(granted.at)) == ("20.00", "2025-10-09 15:00:00.000000")


async def _closed_by_her_own_word(world: Stage, complaint: str) -> None:
    (asked,) = await world.events(complaint, "survey.asked")
    assert _exact(asked.at) == "2025-10-09 16:00:00.000000"
    surveys = [
        one
        for one in await world.events(complaint, "notice.issued")
        if one.data.kind.value == "survey"
    ]
    assert [(one.data.reply_to.kind.value, _exact(one.data.not_before)) for one in surveys] == [
        ("app", "2025-10-09 16:00:00.000000")
    ]
    await world.at("2025-10-09 18:04:59.999999")
    assert await world.events(complaint, "complaint.closed") == []
    await world.at("2025-10-09 18:05:00")
    await world.replies(await world.receipt(complaint), 8, resolved=True)
    (closed,) = await world.events(complaint, "complaint.closed")
    assert _exact(closed.at) == "2025-10-09 18:05:00.000000"


async def _each_step_reached_owner_and_home(
    world: Stage, complaint: str, owner: dict[str, Any]
) -> None:
    """Neither has looked till now: both find all there was, to the last (DOMAIN rules 1 and 5)."""
    for informed, who in (("owner", owner), ("home_province", GUANGDONG)):
        look = {"informed": informed, "limit": "200", "role": "agent", **who}
        inbox = await world.player.get("routing", "/inbox", **look)
        (item,) = (one for one in inbox["items"] if one["complaint"] == complaint)
        steps = {(one["type"], _exact(datetime.fromisoformat(one["at"]))) for one in item["steps"]}
        assert steps >= STEPS
        last: dict[str, int] = {}
        for one in item["steps"]:
            last[one["source"]] = max(last.get(one["source"], 0), one["sequence"])
        upto = [{"source": source, "sequence": number} for source, number in last.items()]
        body = {"informed": informed, "upto": upto}
        await world.player.do("routing", f"/work/{complaint}/seen", body, **who)
        inbox = await world.player.get("routing", "/inbox", **look)
        assert complaint not in [one["complaint"] for one in inbox["items"]]


async def _one_owner_for_ever(
    world: Stage, complaint: str, of_record: tuple[str, str | None]
) -> None:
    work = await world.player.get("routing", f"/work/{complaint}")
    assert (work["owner_team"], work["owner_agent"]) == of_record
    taken = await world.events(complaint, "work.accepted")
    assert {(one.data.owner.team, one.data.owner.agent) for one in taken} == {of_record}


async def _breached(world: Stage, complaint: str) -> list[tuple[str, str]]:
    return [
        (one.data.clock, _exact(one.data.due_at))
        for one in await world.events(complaint, "clock.breached")
    ]


def _exact(at: datetime) -> str:
    """An instant in Shanghai to the microsecond."""
    return at.astimezone(sh("2025-10-01").tzinfo).strftime("%Y-%m-%d %H:%M:%S.%f")
