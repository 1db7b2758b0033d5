"""A complaint at an instant, as it was and as we know now about then (SCENARIOS S8, 6)."""

from pathlib import Path
from typing import Any

import pytest

from cli.places import SERVICES
from cli.player import Denied
from libs.decider import Policies, Recorded
from libs.decider.plain import canonical
from libs.eventlog.policy_files import read_policy_file
from replay.state import state_at
from replay.what_if import candidate, instead, what_if
from tests.e2e.scenes import Stage, scene
from tests.e2e.test_merging import merges, two, unmerges
from tests.e2e.world import World

POLICIES = Path(__file__).parents[2] / "services" / "sla_watch" / "policy"
DECIDING = tuple(name for name in SERVICES if name != "audit")
INSTANTS_MAX = 12
"""Of one complaint: each makes its state anew from its first event on."""


async def state(world: World, complaint: str, at: str | None = None) -> Any:
    return await world.player.get("audit", f"/complaints/{complaint}", role="auditor", at=at)


def clock(known: Any, code: str) -> tuple[str, str | None]:
    """(state, due or when it was met) of one clock, as a sense of the answer has it."""
    (row,) = [one for one in known["services"]["sla_watch"]["sla_clock"] if one["clock"] == code]
    return row["state"], row["met_at"] or row["due_at"]


async def compared(world: World, complaint: str) -> int:
    """Asserts that the fold equals the live views of every service, byte by byte."""
    told = await state(world, complaint)
    for name in DECIDING:
        live = await world.player.get(name, f"/operations/rows/{complaint}", role="auditor")
        assert canonical(live) == canonical(told["as_it_was"]["services"][name]), name
    assert not told["differs"], "all has been heard"
    return len(told["as_it_was"]["services"]["intake"]["complaints"])


@scene
async def test_s8_the_complaint_of_s4_runs_at_10_19_59_and_is_breached_at_10_25(
    world: Stage,
) -> None:
    await world.at("2025-10-04 10:20:00")
    words = {"channel": "app", "category": "mobile.noncoverage.data_speed", "urgency": "ordinary"}
    where = {
        "home_province": "guangdong",
        "visited_province": "xinjiang",
        "subscriber": "13800000841",
    }
    complaint = await world.say("app", text="没有移动数据", **words, **where)
    await world.at("2025-10-04 15:00:00")
    body = {"urgency": "complex", "reason": "needs_site_visit"}
    await world.player.do("intake", f"/complaints/{complaint}/reclassify", body, role="desk")
    await world.settle()
    await world.at("2025-10-07 10:30:00")
    await world.settle()

    for at, expected in (
        ("2025-10-07T10:19:59+08:00", "running"),
        ("2025-10-07T10:19:59.999999+08:00", "running"),
        ("2025-10-07T10:20:00+08:00", "breached"),
        ("2025-10-07T10:25:00+08:00", "breached"),
        ("2025-10-07T02:25:00Z", "breached"),
    ):
        told = await state(world, complaint, at)
        due = "2025-10-07T02:20:00.000000Z"
        for sense in ("as_it_was", "as_known_now"):
            assert clock(told[sense], "feedback.complex") == (expected, due), (at, sense)
        ordinary = clock(told["as_it_was"], "feedback.ordinary")
        assert ordinary == ("cancelled", "2025-10-05T02:20:00.000000Z")
    before = await state(world, complaint, "2025-10-04T14:59:59.999999+08:00")
    (row,) = before["as_it_was"]["services"]["intake"]["complaints"]
    assert (row["urgency"], row["state"]) == ("ordinary", "in_handling")
    assert clock(before["as_it_was"], "feedback.ordinary")[0] == "running"
    assert await compared(world, complaint) == 1


@scene
async def test_what_was_learnt_late_stands_only_in_what_we_know_now(world: Stage) -> None:
    """First contact is due 11:00; that it was made at 10:50 is reported at 12:00 (counting 10)."""
    await world.at("2025-10-06 10:00:00")
    complaint = await world.say(category="billing", subscriber="13800000842", text="多扣费")
    who = await world.accepts(complaint)
    await world.at("2025-10-06 12:00:00")
    late = {"channel": "hotline_10010", "reached": True, "occurred_at": "2025-10-06T10:50:00+08:00"}
    await world.player.do("routing", f"/work/{complaint}/contact", late, **who)
    await world.settle()
    for at, was, now in (
        ("10:49:59.999999", "running", "running"),
        ("10:50:00", "running", "met"),
        ("11:00:00", "breached", "met"),
        ("11:59:59.999999", "breached", "met"),
        ("12:00:00", "met", "met"),
    ):
        told = await state(world, complaint, f"2025-10-06T{at}+08:00")
        assert clock(told["as_it_was"], "first_contact")[0] == was, at
        assert clock(told["as_known_now"], "first_contact")[0] == now, at
        assert told["differs"] is (was != now), at
    assert clock(told["as_known_now"], "first_contact")[1] == "2025-10-06T02:50:00.000000Z"
    assert await compared(world, complaint) == 1


@scene
async def test_around_a_merge_and_its_end_each_instant_has_its_own_truth(world: Stage) -> None:
    """Told at 10:00, merged at 10:30, unmerged at 12:00: its clocks run from 10:00 again.

    First contact was due at 11:00, which is found only at 12:00 (DOMAIN counting 9).
    """
    a, b = await two(world, "2025-11-05", "13800000845")
    await world.at("2025-11-05 10:30:00")
    await merges(world, a, b)
    await world.at("2025-11-05 12:00:00")
    await unmerges(world, a)
    await world.settle()
    resolve_due = "2025-11-12T16:00:00.000000Z"
    for at, into, resolve, was, now in (
        ("10:29:59.999999", None, "running", "running", "running"),
        ("10:30:00", b, "cancelled", "cancelled", "cancelled"),
        ("10:59:59.999999", b, "cancelled", "cancelled", "cancelled"),
        ("11:00:00", b, "cancelled", "cancelled", "breached"),
        ("11:59:59.999999", b, "cancelled", "cancelled", "breached"),
        ("12:00:00", None, "running", "breached", "breached"),
    ):
        told = await state(world, a, f"2025-11-05T{at}+08:00")
        for sense, first_contact in (("as_it_was", was), ("as_known_now", now)):
            (row,) = told[sense]["services"]["intake"]["complaints"]
            assert row["merged_into"] == into, (at, sense)
            assert clock(told[sense], "resolve") == (resolve, resolve_due), (at, sense)
            assert clock(told[sense], "first_contact")[0] == first_contact, (at, sense)
        assert told["differs"] is (was != now), at
    for one in (a, b):
        assert await compared(world, one) == 1


@scene
async def test_an_instant_that_cannot_be_told_of_is_explained(world: Stage) -> None:
    await world.at("2025-10-06 13:00:00")
    complaint = await world.say(category="billing", subscriber="13800000843", text="多扣费")
    for at, status, rule, said in (
        ("2025-10-06T12:59:59.999999+08:00", 404, "not-yet-recorded", "05:00:00.000000Z"),
        ("2025-10-06T13:00:00.000001+08:00", 422, "in-the-future", "It is 2025-10-06T05:00"),
        ("2025-10-06T13:00:00", 422, "bad-instant", "zone is missing"),
        ("2025-10-06T13:00:00 08:00", 422, "bad-instant", "%2B"),
        ("2025-10-06T13:00:00.0000001+08:00", 422, "bad-instant", "microseconds"),
        ("2025-02-29T13:00:00+08:00", 422, "bad-instant", "no such date"),
        ("yesterday", 422, "bad-instant", "not an instant"),
        ("", 422, "bad-instant", "not an instant"),
        ("0001-01-01T00:00:00+08:00", 422, "bad-instant", "no such date"),
        ("9999-12-31T23:59:59-08:00", 422, "bad-instant", "no such date"),
        ("9999-12-31T23:59:59Z", 422, "in-the-future", "It is 2025-10-06T05"),
        ("1900-01-01T00:00:00Z", 404, "not-yet-recorded", "05:00:00.000000Z"),
    ):
        with pytest.raises(Denied) as denied:
            await state(world, complaint, at)
        assert (denied.value.status, denied.value.problem["rule"]) == (status, rule), at
        assert said in denied.value.problem["detail"], at
    with pytest.raises(Denied) as denied:
        await state(world, "5b0fdb9c-6f5b-5f3c-9d55-0d3c6a0a4a11")
    assert denied.value.status == 404
    assert denied.value.problem["rule"] == "no-such-complaint"
    first = await state(world, complaint, "2025-10-06T13:00:00+08:00")
    assert first["as_it_was"]["events"] > 0


@scene
async def test_every_complaint_played_equals_the_live_views_byte_by_byte(world: Stage) -> None:
    """Whatever other scenes left behind: all kinds of endings, merges, cases, surveys, money."""
    await world.at("2025-11-20 00:00:00")
    await world.settle()
    told: dict[str, list[Recorded[Any]]] = {}
    for one in await world.log():
        told.setdefault(one.subject, []).append(one)
    complaints = sorted(
        subject for subject, events in told.items() if events[0].type == "complaint.registered.v1"
    )
    assert complaints
    seeds = [
        candidate(read_policy_file(POLICIES / f"{name}.v1.yaml").content)
        for name in ("clocks", "working_days")
    ]
    policies = instead(Policies(), seeds)
    for complaint in complaints:
        assert await compared(world, complaint) == 1
        again = what_if(told[complaint], policies, [], world.clock.now())
        assert again.clocks > 0
        assert again.unlike_record == 0, f"{complaint}: decided again, another verdict"
        # and at no instant of its life is it in no state: at most so many of each, spread over it
        instants = sorted({one.time for one in told[complaint]})
        for instant in instants[:: 1 + len(instants) // INSTANTS_MAX]:
            found = state_at(told[complaint], instant)
            assert found is not None
            assert found.as_it_was.services["intake"]
