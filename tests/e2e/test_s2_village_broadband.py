"""SCENARIOS S2: broadband down in the village over the holiday; instants are the page's own."""

from datetime import datetime
from typing import Any

import pytest

from cli.player import Denied
from tests.e2e.scenes import Stage, scene
from tests.e2e.world import sh

REPAIR = "repair.broadband.rural"
LEGAL = "legal.repair.rural"
OUTAGE: dict[str, Any] = {
    "outage_from": "2025-10-01T20:00:00+08:00",
    "outage_to": "2025-10-04T21:30:00+08:00",
    "monthly_rent": "88.00",
}
PLAN = "2025-10-04T12:00:00+08:00"


@scene
async def test_a_delay_notice_in_time_hides_no_breach_and_the_rent_is_waived(world: Stage) -> None:
    complaint, who = await _village(world, "13800000201")
    await _plan(world, complaint, who, "2025-10-02 20:50:00")
    assert await _told(world, complaint, "delay") == [
        ("2025-10-02 20:50:00.000000", "2025-10-02 20:50:00.000000", False)
    ]
    clocks = await world.clocks(complaint)
    assert (clocks[REPAIR, 1]["due_at"], clocks[REPAIR, 1]["state"]) == (
        sh("2025-10-03 08:00:00"),
        "running",
    )
    assert clocks["agreed", 1]["due_at"] == sh("2025-10-04 12:00:00")

    await _desk_takes_it_up(world, complaint)
    await world.at("2025-10-04 21:30:00")
    await _repaired(world, complaint, who, "operator")
    assert await _breached(world, complaint) == [
        (REPAIR, "2025-10-03 08:00:00.000000"),
        ("agreed", "2025-10-04 12:00:00.000000"),
        (LEGAL, "2025-10-04 20:00:00.000000"),
    ]
    await _warned_staff_only(world, complaint)
    assert (await _told(world, complaint, "delay"))[1:] == [  # the law's own: limit passed
        ("2025-10-04 20:00:00.000000", "2025-10-04 20:00:00.000000", False)
    ]
    await _rent_waived(world, complaint, who)
    await _answered_and_asked(world, complaint, who)


@scene
async def test_a_delay_notice_held_back_by_quiet_hours_is_marked_late(world: Stage) -> None:
    """Variants: recorded 07:30 or 08:00:01, it leaves at 09:00; same breach."""
    early, early_who = await _village(world, "13800000202")
    after, after_who = await _village(world, "13800000203")
    for complaint, who, recorded in (
        (early, early_who, "2025-10-03 07:30:00"),
        (after, after_who, "2025-10-03 08:00:01"),
    ):
        await _plan(world, complaint, who, recorded)
        assert await _told(world, complaint, "delay") == [
            (f"{recorded}.000000", "2025-10-03 09:00:00.000000", True)
        ]
        assert (await world.clocks(complaint))["agreed", 1]["due_at"] == sh("2025-10-04 12:00:00")
    await _desk_takes_it_up(world, early, after)
    await world.at("2025-10-04 11:00:00")
    for complaint, who in ((early, early_who), (after, after_who)):
        assert await _breached(world, complaint) == [(REPAIR, "2025-10-03 08:00:00.000000")]
        await world.answers(complaint, who)
        clocks = await world.clocks(complaint)
        assert (clocks["agreed", 1]["state"], clocks[LEGAL, 1]["state"]) == ("met", "met")
        assert clocks["agreed", 1]["met_at"] == sh("2025-10-04 11:00:00")


@scene
async def test_no_rent_is_waived_for_the_customers_own_equipment(world: Stage) -> None:
    complaint, who = await _village(world, "13800000204")
    await world.at("2025-10-04 21:30:00")
    await _repaired(world, complaint, who, "customer_equipment")
    with pytest.raises(Denied, match="nothing-due") as denied:
        await _waive(world, complaint, who)
    assert denied.value.status == 422
    assert await world.events(complaint, "work.compensation_proposed") == []
    assert await world.events(complaint, "compensation.granted") == []
    assert (LEGAL, "2025-10-04 20:00:00.000000") in await _breached(world, complaint)


async def _village(world: Stage, subscriber: str) -> tuple[str, dict[str, Any]]:
    """Registered and taken at once; its clocks run through the holiday, none of them rolls."""
    await world.at("2025-10-01 20:00:00")
    complaint = await world.say(
        text="村里宽带断了",
        subscriber=subscriber,
        category="broadband.fault",
        district_type="rural",
        reply_to={"kind": "sms", "address": subscriber},
    )
    who = await world.accepts(complaint)
    contact = {"channel": "hotline_10010", "reached": True}
    await world.player.do("routing", f"/work/{complaint}/contact", contact, **who)
    await world.settle()
    clocks = await world.clocks(complaint)
    assert {code for code, _ in clocks} == {
        "acknowledge",
        "first_contact",
        REPAIR,
        LEGAL,
        "legal.answer",
    }
    assert clocks[REPAIR, 1]["due_at"] == sh("2025-10-03 08:00:00")
    assert clocks[LEGAL, 1]["due_at"] == sh("2025-10-04 20:00:00")
    return complaint, who


async def _plan(world: Stage, complaint: str, who: dict[str, Any], at: str) -> None:
    """A delay notice with the new plan: Saturday noon."""
    await world.at(at)
    body = {"clock": REPAIR, "new_due": PLAN, "plan": "周六中午前更换光缆"}
    await world.player.do("routing", f"/work/{complaint}/delay-plan", body, **who)
    await world.settle()


async def _desk_takes_it_up(world: Stage, *complaints: str) -> None:
    """The breach made each of them a case of 10015; the desk keeps its own promises."""
    await world.at("2025-10-03 09:30:00")
    for complaint in complaints:
        await world.desk(complaint, "accept")
        await world.desk(complaint, "contacts", {"channel": "hotline_10015", "reached": True})


async def _repaired(world: Stage, complaint: str, who: dict[str, Any], cause: str) -> None:
    body = {"cause": cause, **OUTAGE}
    await world.player.do("routing", f"/work/{complaint}/finding", body, **who)
    await world.settle()


async def _waive(world: Stage, complaint: str, who: dict[str, Any]) -> None:
    body = {"finding": 1, "basis": "rent_waiver"}
    await world.player.do("routing", f"/work/{complaint}/compensation", body, **who)
    await world.settle()


async def _warned_staff_only(world: Stage, complaint: str) -> None:
    """Thu 14:00, Fri 00:48, Fri 07:45; nothing leaves to the customer at any of them."""
    warned = [
        (one.data.level.value, _exact(one.at))
        for one in await world.events(complaint, "clock.warned")
        if one.data.clock == REPAIR
    ]
    assert warned == [
        ("50", "2025-10-02 14:00:00.000000"),
        ("80", "2025-10-03 00:48:00.000000"),
        ("last", "2025-10-03 07:45:00.000000"),
    ]
    told = {
        (one.data.kind.value, _exact(one.at))
        for one in await world.events(complaint, "notice.issued")
    }
    assert told == {
        ("receipt", "2025-10-01 20:00:00.000000"),
        ("delay", "2025-10-02 20:50:00.000000"),
        ("delay", "2025-10-04 20:00:00.000000"),
    }


async def _rent_waived(world: Stage, complaint: str, who: dict[str, Any]) -> None:
    """73 h 30 min, 4 begun periods of 24 h: 88.00 / 31 x 4, one compensation."""
    await _waive(world, complaint, who)
    await _waive(world, complaint, who)  # said twice
    (granted,) = await world.events(complaint, "compensation.granted")
    assert (str(granted.data.amount), _exact(granted.at)) == (
        "11.35",
        "2025-10-04 21:30:00.000000",
    )
    shown = await world.player.get("escalation", f"/complaints/{complaint}", role="desk")
    assert [(one["amount"], one["state"]) for one in shown["compensation"]] == [
        ("11.35", "granted")
    ]
    assert await _told(world, complaint, "compensation") == [
        ("2025-10-04 21:30:00.000000", "2025-10-05 09:00:00.000000", False)
    ]


async def _answered_and_asked(world: Stage, complaint: str, who: dict[str, Any]) -> None:
    """What broke stays broken; the loop ends with the customer's own word."""
    await world.answers(complaint, who)
    (answered,) = await world.events(complaint, "work.answered")
    assert str(answered.data.compensation) == "11.35"
    await world.desk(complaint, "decision", {"decision": "upheld", "reasons": "修复超时"})
    await world.desk(complaint, "close")
    (asked,) = await world.events(complaint, "survey.asked")
    assert _exact(asked.at) == "2025-10-04 21:30:00.000000"
    await world.at("2025-10-05 10:00:00")
    await world.replies(await world.receipt(complaint), 7, resolved=True)
    (closed,) = await world.events(complaint, "complaint.closed")
    assert _exact(closed.at) == "2025-10-05 10:00:00.000000"
    clocks = await world.clocks(complaint)
    assert {code: clocks[code, 1]["state"] for code in (REPAIR, "agreed", LEGAL)} == {
        REPAIR: "breached",
        "agreed": "breached",
        LEGAL: "breached",
    }
    assert len(await _breached(world, complaint)) == 3


async def _told(world: Stage, complaint: str, kind: str) -> list[tuple[str, str, bool]]:
    """Notices of that kind: when issued, when they may leave, whether late."""
    return [
        (_exact(one.at), _exact(one.data.not_before), one.data.late)
        for one in await world.events(complaint, "notice.issued")
        if one.data.kind.value == kind
    ]


async def _breached(world: Stage, complaint: str) -> list[tuple[str, str]]:
    return [
        (one.data.clock, _exact(one.data.due_at))
        for one in await world.events(complaint, "clock.breached")
    ]


def _exact(at: datetime) -> str:
    """An instant in Shanghai to the microsecond."""
    return at.astimezone(sh("2025-10-01").tzinfo).strftime("%Y-%m-%d %H:%M:%S.%f")
