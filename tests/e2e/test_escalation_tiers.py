"""DOMAIN rule 10 on real servers: repeats, the tiers, the last word, the regulator, corrections."""

from datetime import datetime
from typing import Any

import pytest

from cli.player import Denied
from tests.e2e.scenes import Stage, scene
from tests.e2e.world import World, sh


async def _cases(world: Stage, complaint: str) -> list[dict[str, Any]]:
    shown = await world.player.get("escalation", f"/complaints/{complaint}", role="desk")
    cases: list[dict[str, Any]] = shown["cases"]
    return cases


async def _billing(world: Stage, instant: str, subscriber: str) -> str:
    await world.at(instant)
    return await world.say(
        text="多收话费",
        subscriber=subscriber,
        category="billing.overcharge",
        reply_to={"kind": "sms", "address": subscriber},
    )


@scene
async def test_the_third_repeat_in_thirty_days_goes_to_the_desk(world: Stage) -> None:
    """DOMAIN rule 10: "N-th repeat in M days"; a week apart each is a complaint of its own."""
    told = [
        await _billing(world, instant, "13800001001")
        for instant in (
            "2025-09-29 09:00:00",
            "2025-10-07 09:00:00",
            "2025-10-15 09:00:00",
            "2025-10-23 09:00:00",
        )
    ]
    assert len(set(told)) == 4
    numbers = [
        (await world.events(one, "complaint.registered"))[0].data.registration.repeat_no
        for one in told
    ]
    assert numbers == [0, 1, 2, 3]
    (case,) = await _cases(world, told[3])
    assert (case["trigger"], case["tier"], case["stage"]) == ("repeats", 2, "requested")
    assert datetime.fromisoformat(case["requested_at"]) == sh("2025-10-23 09:00:00")
    repeated = [case["trigger"] for one in told[:3] for case in await _cases(world, one)]
    assert "repeats" not in repeated


HEADQUARTERS = "headquarters"


async def _taken_and_wished(world: World, complaint: str) -> dict[str, Any]:
    """Somebody has it, and the customer asks for 10015; returns who has it."""
    who = await world.accepts(complaint)
    await world.say(
        kind="escalation_wish",
        text="我要找10015",
        receipt=(await world.receipt(complaint)).replace("-", ""),
    )
    return who


@scene
async def test_dissatisfied_with_tier_2_goes_to_headquarters_whose_last_word_names_the_appeal(
    world: Stage,
) -> None:
    """DOMAIN rule 10: tiers 2 and 3, each its own desk; "at deadlock ... the right to appeal"."""
    complaint = await _billing(world, "2025-10-13 09:00:00", "13800001002")
    who = await _taken_and_wished(world, complaint)
    with pytest.raises(Denied, match="another-tier"):
        await world.desk(complaint, "accept", role=HEADQUARTERS)
    await world.desk(complaint, "accept")
    await world.at("2025-10-13 10:00:00")
    await world.desk(complaint, "decision", {"decision": "rejected", "reasons": "计费无误"})
    await world.answers(complaint, who)
    await world.desk(complaint, "close")
    await world.at("2025-10-13 11:00:00")
    await world.replies(await world.receipt(complaint), 2, resolved=False)  # first to tier 1
    manager = await world.accepts(complaint)
    await world.answers(complaint, manager)
    await world.at("2025-10-13 12:00:00")
    await world.replies(await world.receipt(complaint), 1, resolved=False)
    first, second = await _cases(world, complaint)
    assert (first["tier"], first["outcome"]) == (2, "settled")
    assert (second["tier"], second["trigger"], second["stage"]) == (3, "dissatisfied", "requested")
    clocks = await world.clocks(complaint)
    assert clocks["desk.first_contact", 3]["due_at"] == sh("2025-10-13 14:00:00")
    assert clocks["desk.decision", 3]["due_at"] == sh("2025-10-16 00:00:00")
    await _last_word(world, complaint)


async def _last_word(world: World, complaint: str) -> None:
    with pytest.raises(Denied, match="another-tier"):
        await world.desk(complaint, "accept", case=2)
    await world.desk(complaint, "accept", case=2, role=HEADQUARTERS)
    await world.at("2025-10-13 15:00:00")
    partly = {"decision": "partly", "reasons": "部分属实"}
    await world.desk(complaint, "decision", partly, case=2, role=HEADQUARTERS)
    decided = (await world.events(complaint, "case.decided"))[-1]
    assert (decided.data.tier, decided.data.final) == (3, True)
    letter = (await world.events(complaint, "notice.issued"))[-1]
    assert letter.data.kind == "decision"
    words = "".join(getattr(one, "lit", "") for one in letter.data.text)
    assert "申诉" in words
    with pytest.raises(Denied, match="top-tier"):
        await world.desk(complaint, "pass-up", {"reason": "deadlock"}, case=2, role=HEADQUARTERS)


@scene
async def test_a_regulators_referral_is_tier_4_with_its_clock_and_its_report(world: Stage) -> None:
    """DOMAIN rule 10 and clocks: "regulator report, referred appeal, 10 calendar days" (legal).

    From Wed 10-08: day 10 is Sat 10-18, a day off, so Mon 10-20 until 24:00.
    """
    complaint = await _billing(world, "2025-10-08 09:30:00", "13800001003")
    await world.at("2025-10-08 10:00:00")
    await world.say(
        "regulator",
        kind="regulator_referral",
        channel="regulator",
        text="申诉转办",
        receipt=(await world.receipt(complaint)).replace("-", ""),
        regulator={"ref": "GX-2025-0412"},
    )
    (case,) = await _cases(world, complaint)
    assert (case["tier"], case["trigger"]) == (4, "regulator")
    clocks = await world.clocks(complaint)
    assert clocks["regulator.report", 1]["due_at"] == sh("2025-10-21 00:00:00")
    with pytest.raises(Denied, match="another-tier"):
        await world.desk(complaint, "accept")
    with pytest.raises(Denied, match="referral-not-declined"):
        await world.desk(complaint, "decline", {"reason": "not_ours"}, role=HEADQUARTERS)
    await world.desk(complaint, "accept", role=HEADQUARTERS)
    await _goes_on_without_the_customer(world, complaint)
    upheld = {"decision": "upheld", "reasons": "多收属实"}
    await world.desk(complaint, "decision", upheld, role=HEADQUARTERS)
    with pytest.raises(Denied, match="regulator-report-owed"):
        await world.desk(complaint, "close", role=HEADQUARTERS)
    await world.at("2025-10-20 23:59:59")
    report = {"what": "regulator_report", "ref": "BG-2025-77", "digest": "b" * 64}
    await world.desk(complaint, "reports", report, role=HEADQUARTERS)
    clocks = await world.clocks(complaint)
    assert clocks["regulator.report", 1]["state"] == "met"
    assert clocks["regulator.report", 1]["met_at"] == sh("2025-10-20 23:59:59")
    await world.desk(complaint, "close", role=HEADQUARTERS)
    (closed,) = await world.events(complaint, "complaint.closed")
    assert (closed.at, closed.data.outcome) == (sh("2025-10-20 23:59:59"), "withdrawn")


async def _goes_on_without_the_customer(world: World, complaint: str) -> None:
    """EVENTS 8: withdrawn, and the appeal goes on; the complaint stays open until it ends."""
    await world.at("2025-10-09 10:00:00")
    body = {"by": "customer", "reason": "changed_mind"}
    await world.player.do("intake", f"/complaints/{complaint}/withdraw", body, role="desk")
    await world.settle()
    assert await world.events(complaint, "complaint.closed") == []
    (case,) = await _cases(world, complaint)
    assert case["stage"] == "accepted"


@scene
async def test_a_report_to_the_regulator_a_second_late_is_one_breach_at_its_due(
    world: Stage,
) -> None:
    """A referral that founds the complaint, with the regulator's own date for the report."""
    await world.at("2025-10-09 10:00:00")
    complaint = await world.say(
        "regulator",
        kind="regulator_referral",
        channel="regulator",
        text="申诉转办:多收话费",
        subscriber="13800001004",
        category="billing.overcharge",
        regulator={"ref": "GX-2025-0413", "report_by": "2025-10-15T18:00:00+08:00"},
    )
    clocks = await world.clocks(complaint)
    assert clocks["regulator.report", 1]["due_at"] == sh("2025-10-15 18:00:00")
    await world.desk(complaint, "accept", role=HEADQUARTERS)
    await world.at("2025-10-15 18:00:01")
    report = {"what": "regulator_report", "ref": "BG-2025-78", "digest": "c" * 64}
    await world.desk(complaint, "reports", report, role=HEADQUARTERS)
    breaches = [
        one.data.due_at
        for one in await world.events(complaint, "clock.breached")
        if one.data.clock == "regulator.report"
    ]
    assert breaches == [sh("2025-10-15 18:00:00")]


@scene
async def test_an_upheld_case_opens_a_corrective_action_that_is_seen_past_due(
    world: Stage,
) -> None:
    """DOMAIN rule 10: "a corrective action with owner and due date (003 限时整改)"."""
    complaint = await _billing(world, "2025-10-13 09:05:00", "13800001005")
    await _taken_and_wished(world, complaint)
    await world.desk(complaint, "accept")
    action = {"owner": "billing-care", "due": "2025-10-15T12:00:00+08:00", "action": "更正规则"}
    upheld = {"decision": "upheld", "reasons": "属实", "corrective_action": action}
    with pytest.raises(Denied, match="nothing-to-correct"):
        await world.desk(complaint, "decision", {**upheld, "decision": "rejected"})
    await world.desk(complaint, "decision", upheld)
    assert await _owed(world, complaint) == [("billing-care", False)]
    await world.at("2025-10-15 12:00:00")
    assert await world.events(complaint, "case.correction_missed") == []
    await world.at("2025-10-15 12:00:01")
    assert await _owed(world, complaint) == [("billing-care", True)]
    done = {"what": "corrective_action", "ref": "CA-9", "digest": "d" * 64}
    await world.desk(complaint, "reports", done)
    assert await _owed(world, complaint) == []
    (seen,) = await world.events(complaint, "case.correction_missed")
    assert (seen.at, seen.data.owner, seen.data.due) == (
        sh("2025-10-15 12:00:00"),
        "billing-care",
        sh("2025-10-15 12:00:00"),
    )


async def _owed(world: Stage, complaint: str) -> list[tuple[str, bool]]:
    """Open corrective actions of this complaint: the owner, and whether past due."""
    path = "/corrective-actions?owner=billing-care&limit=200"
    shown = await world.player.get("escalation", path, role="manager")
    return [
        (one["owner"], one["breached"]) for one in shown["items"] if one["complaint"] == complaint
    ]
