"""SCENARIOS S6: service attitude, dissatisfied after reopening; instants are the page's own."""

import json
from datetime import date
from typing import Any

import pytest

from cli.player import Denied
from libs.sheets import Format
from services.audit.domain.reporting import Period
from services.audit.reports import report_file
from tests.e2e.scenes import Stage, scene
from tests.e2e.world import World, sh

ABOUT = {"agent": "8812", "team": "billing-care"}
FIRST = {"actor": "agent:7001", "team": "centre-managers", "role": "manager"}
SECOND = {"actor": "agent:7002", "team": "centre-managers", "role": "manager"}
KEPT = {
    ("attitude", 1): ("2025-10-17 17:00:00", "2025-10-18 17:00:00", "2025-10-18 16:00:00"),
    ("legal.answer", 1): ("2025-10-17 17:00:00", "2025-11-04 00:00:00", "2025-10-18 16:00:00"),
    ("attitude", 2): ("2025-10-18 20:30:00", "2025-10-19 20:30:00", "2025-10-19 19:00:00"),
    ("desk.first_contact", 3): (
        "2025-10-19 21:40:00",
        "2025-10-20 10:00:00",
        "2025-10-20 09:00:00",
    ),
    ("desk.decision", 3): ("2025-10-19 21:40:00", "2025-10-22 00:00:00", "2025-10-20 14:30:00"),
}
"""Promises of S6: from when each counts, when it is due, and when it was kept."""


@scene
async def test_a_dissatisfied_customer_is_never_closed_and_asked_anew_in_every_cycle(
    world: Stage,
) -> None:
    await world.at("2025-10-17 17:00:00")
    complaint = await world.say(
        text="8812号话务员态度恶劣",
        subscriber="13800000601",
        category="service.attitude",
        about=ABOUT,
        taken_by=ABOUT,
        reply_to={"kind": "sms", "address": "13800000601"},
    )
    await world.settle()
    await _to_the_manager_and_nobody_concerned(world, complaint)
    await _first_cycle(world, complaint)
    await _second_cycle(world, complaint)
    await _third_cycle(world, complaint)
    await _on_record(world, complaint)


async def _to_the_manager_and_nobody_concerned(world: World, complaint: str) -> None:
    (routed,) = await world.events(complaint, "work.routed")
    assert (routed.data.queue, routed.data.rule) == ("manager", "about-staff")
    losers = {one.candidate: one.why_not for one in routed.data.considered if one.why_not}
    assert (losers["8812"], losers["billing-care"]) == ("concerned", "concerned")
    for agent in ("8812", "5301"):  # nor a seat of that team
        with pytest.raises(Denied, match="concerns-them"):
            await world.accepts(complaint, {"actor": f"agent:{agent}", "team": "billing-care"})
    clocks = await world.clocks(complaint)
    assert clocks["attitude", 1]["due_at"] == sh("2025-10-18 17:00:00")
    assert clocks["legal.answer", 1]["due_at"] == sh("2025-11-04 00:00:00")


async def _first_cycle(world: World, complaint: str) -> None:
    await world.at("2025-10-17 17:10:00")
    await world.accepts(complaint, FIRST)
    await world.at("2025-10-18 16:00:00")
    await world.answers(complaint, FIRST)
    clocks = await world.clocks(complaint)
    assert (clocks["attitude", 1]["state"], clocks["legal.answer", 1]["state"]) == ("met", "met")
    (asked,) = await world.events(complaint, "survey.asked")
    assert asked.at == sh("2025-10-18 16:00:00")

    await world.at("2025-10-18 20:30:00")
    await world.replies(await world.receipt(complaint), 3, resolved=False)
    assert await world.events(complaint, "complaint.closed") == []
    (again,) = await world.events(complaint, "complaint.reopened")
    assert (again.at, again.data.clock_from) == (sh("2025-10-18 20:30:00"),) * 2
    clocks = await world.clocks(complaint)
    assert clocks["attitude", 2]["due_at"] == sh("2025-10-19 20:30:00")
    assert ("legal.answer", 2) not in clocks
    routed = (await world.events(complaint, "work.routed"))[-1]
    assert (routed.data.queue, routed.data.cycle) == ("manager", 2)


async def _second_cycle(world: World, complaint: str) -> None:
    await world.at("2025-10-18 20:40:00")
    with pytest.raises(Denied, match="same-person"):  # "a different person"
        await world.accepts(complaint, FIRST)
    await world.accepts(complaint, SECOND)
    await world.at("2025-10-19 19:00:00")
    await world.answers(complaint, SECOND)
    assert (await world.clocks(complaint))["attitude", 2]["state"] == "met"
    asked = await world.events(complaint, "survey.asked")
    assert [one.at for one in asked] == [sh("2025-10-18 16:00:00"), sh("2025-10-19 19:00:00")]

    await world.at("2025-10-19 21:40:00")
    await world.replies(await world.receipt(complaint), 2, resolved=False)
    (case,) = await world.events(complaint, "case.requested")
    assert case.at == sh("2025-10-19 21:40:00")
    clocks = await world.clocks(complaint)
    assert clocks["desk.first_contact", 3]["due_at"] == sh("2025-10-20 10:00:00")
    assert clocks["desk.decision", 3]["due_at"] == sh("2025-10-22 00:00:00")


async def _third_cycle(world: World, complaint: str) -> None:
    await world.at("2025-10-20 09:00:00")
    await world.desk(complaint, "accept")
    await world.desk(complaint, "contacts", {"channel": "hotline_10015", "reached": True})
    due = {"team": "hq-managers", "due": "2025-10-20T18:00:00+08:00", "text": "当面致歉"}
    await world.desk(complaint, "instructions", due)
    await world.at("2025-10-20 09:10:00")
    who = await world.accepts(complaint)
    await world.at("2025-10-20 14:30:00")
    await world.desk(complaint, "decision", {"decision": "upheld", "reasons": "态度问题属实"})
    await world.at("2025-10-20 14:45:00")
    await world.player.do("routing", f"/work/{complaint}/opinion", {"opinion": "已当面致歉"}, **who)
    await world.settle()
    await world.at("2025-10-20 15:00:00")
    await world.answers(complaint, FIRST)  # the owner's desk answers (DOMAIN rule 1)
    await world.desk(complaint, "close")
    assert len(await world.events(complaint, "survey.asked")) == 3
    await world.at("2025-10-20 15:20:00")
    await world.replies(await world.receipt(complaint), 9, resolved=True)
    (closed,) = await world.events(complaint, "complaint.closed")
    assert closed.at == sh("2025-10-20 15:20:00")


async def _on_record(world: World, complaint: str) -> None:
    """One complaint, three cycles, three surveys (3, 2, 9), two reopenings, one escalation."""
    assert len(await world.events(complaint, "complaint.registered")) == 1
    assert len(await world.events(complaint, "complaint.reopened")) == 2
    assert len(await world.events(complaint, "case.requested")) == 1
    scores = [one.data.score for one in await world.events(complaint, "survey.answered")]
    assert scores == [3, 2, 9]
    clocks = await world.clocks(complaint)
    assert [clocks["attitude", cycle]["state"] for cycle in (1, 2)] == ["met", "met"]
    assert clocks["attitude", 1]["met_at"] == sh("2025-10-18 16:00:00")
    owners = {one.data.agent for one in await world.events(complaint, "work.accepted")}
    assert "8812" not in owners
    work = await world.player.get("routing", f"/work/{complaint}")
    assert work["owner_agent"] == "7001"
    await _in_the_forms(world, complaint)


async def _in_the_forms(world: World, complaint: str) -> None:
    """S6, "Then report": the same in the forms of 004; the first answer did not solve it."""
    october = Period(date(2025, 10, 1), date(2025, 10, 31))
    receipt = await world.receipt(complaint)

    async def lines(name: str) -> list[dict[str, Any]]:
        with await world.app("audit").query(report_file, name, october, Format.JSON) as told:
            rows: list[dict[str, Any]] = json.load(told)["rows"]
        return [row for row in rows if row["receipt"] == receipt]

    (record,) = await lines("records")
    assert (record["cycle"], record["first_time"], record["score"]) == (3, False, 9)
    assert (record["outcome"], record["closed_at"]) == (
        *("satisfied", "2025-10-20T07:20:00.000000Z"),
    )
    asked = await lines("revisits")
    assert [(one["cycle"], one["score"], one["satisfied"]) for one in asked] == [
        *((1, 3, False), (2, 2, False), (3, 9, True)),
    ]
