"""SCENARIOS S5: double refund above the limit; amounts and instants are the page's own."""

import json
from datetime import datetime
from typing import Any

import pytest

from cli.player import Denied
from contracts.routing import WorkFindingRecorded
from tests.e2e.scenes import Stage, scene
from tests.e2e.world import sh

APPROVER: dict[str, Any] = {"role": "desk", "actor": "agent:1501"}
MONEY = ("compensation.", "work.finding", "work.compensation")


@scene
async def test_a_double_refund_above_the_limit_is_approved_by_10015_once_and_supplemented(
    world: Stage,
) -> None:
    complaint, who = await _billing_dispute(world, "2025-10-10 09:00:00", "13800000501")
    assert (await world.clocks(complaint))["resolve", 1]["due_at"] == sh("2025-10-17 00:00:00")
    await _nothing_before_a_finding(world, complaint, who)
    await world.at("2025-10-10 15:00:00")
    await _bad_amounts_cost_nothing(world, complaint, who)
    await _find(world, complaint, who, overcharged="186.50")
    await _propose(world, complaint, who, 1)
    (award,) = await _awards(world, complaint)
    assert (award["amount"], award["state"]) == ("373.00", "submitted")
    assert datetime.fromisoformat(award["asked_at"]) == sh("2025-10-10 15:00:00")
    await _not_by_the_team_itself(world, complaint, who)

    await world.at("2025-10-11 11:00:00")
    await _granted_once(world, complaint)
    await world.at("2025-10-13 10:00:00")
    await _supplement(world, complaint, who)
    assert await _told(world, complaint) == [
        ("work.finding_recorded", sh("2025-10-10 15:00:00"), "186.50"),
        ("work.compensation_proposed", sh("2025-10-10 15:00:00"), "373.00"),
        ("compensation.submitted", sh("2025-10-10 15:00:00"), "373.00"),
        ("compensation.granted", sh("2025-10-11 11:00:00"), "373.00"),
        ("work.finding_recorded", sh("2025-10-13 10:00:00"), "196.50"),
        ("compensation.submitted", sh("2025-10-13 10:00:00"), "20.00"),
        ("compensation.granted", sh("2025-10-13 10:00:00"), "20.00"),
    ]
    await _exact_everywhere(world, complaint)


@scene
async def test_an_overcharge_of_a_fen_is_refunded_with_two(world: Stage) -> None:
    complaint, who = await _billing_dispute(world, "2025-10-10 09:05:00", "13800000502")
    await _find(world, complaint, who, overcharged="0.01")
    await _propose(world, complaint, who, 1)
    (award,) = await _awards(world, complaint)
    assert (award["state"], award["amount"], award["granted"]) == ("granted", "0.02", "0.02")


@scene
async def test_a_correction_that_adds_nothing_keeps_no_answer_waiting(world: Stage) -> None:
    """The finding is corrected downwards: the grant stands, and the customer is answered."""
    complaint, who = await _billing_dispute(world, "2025-10-10 09:10:00", "13800000503")
    await _find(world, complaint, who, overcharged="50.00")
    await _propose(world, complaint, who, 1)
    await _find(world, complaint, who, overcharged="40.00", corrects=1)
    (lapsed,) = await world.events(complaint, "compensation.lapsed")
    assert (lapsed.data.reason, str(lapsed.data.granted)) == ("covered", "100.00")
    await world.answers(complaint, who)
    (answered,) = await world.events(complaint, "work.answered")
    assert str(answered.data.compensation) == "100.00"


@scene
async def test_above_the_desks_5000_headquarters_approves_and_the_partner_at_fault_pays(
    world: Stage,
) -> None:
    """DOMAIN rule 9: "the party at fault pays"; "above the limit the next authority approves"."""
    complaint, who = await _billing_dispute(world, "2025-10-10 09:15:00", "13800000504")
    fault = {"cause": "partner", "partner": "sp-games"}
    await _find(world, complaint, who, overcharged="2500.01", **fault)
    await _propose(world, complaint, who, 1)
    (award,) = await _awards(world, complaint)
    assert (award["amount"], award["authority"]) == ("5000.02", "headquarters")
    with pytest.raises(Denied, match="above-authority") as denied:
        await _approve(world, complaint, 1, APPROVER)
    assert denied.value.status == 403
    headquarters = {"role": "headquarters", "actor": "agent:1901"}
    await _approve(world, complaint, 1, headquarters)
    (granted,) = await world.events(complaint, "compensation.granted")
    assert (granted.data.role, str(granted.data.total)) == ("headquarters", "5000.02")
    paid_by = granted.data.paid_by
    assert (paid_by.party, paid_by.partner) == ("partner", "sp-games")


async def _billing_dispute(
    world: Stage, instant: str, subscriber: str
) -> tuple[str, dict[str, Any]]:
    await world.at(instant)
    complaint = await world.say(
        text="多收话费",
        subscriber=subscriber,
        category="billing.overcharge",
        reply_to={"kind": "sms", "address": subscriber},
    )
    return complaint, await world.accepts(complaint)


async def _find(world: Stage, complaint: str, who: dict[str, Any], **finding: Any) -> None:
    body = {"cause": "operator", **finding}
    await world.player.do("routing", f"/work/{complaint}/finding", body, **who)
    await world.settle()


async def _propose(world: Stage, complaint: str, who: dict[str, Any], finding: int) -> None:
    body = {"finding": finding, "basis": "double_refund"}
    await world.player.do("routing", f"/work/{complaint}/compensation", body, **who)
    await world.settle()


async def _approve(
    world: Stage, complaint: str, finding: int, who: dict[str, Any], key: str | None = None
) -> Any:
    path = f"/complaints/{complaint}/compensation/{finding}/approve"
    answer = await world.player.do("escalation", path, key=key, **who)
    await world.settle()
    return answer


async def _awards(world: Stage, complaint: str) -> list[dict[str, Any]]:
    shown = await world.player.get("escalation", f"/complaints/{complaint}", role="desk")
    awards: list[dict[str, Any]] = shown["compensation"]
    return awards


async def _told(world: Stage, complaint: str) -> list[tuple[str, datetime, str]]:
    """All that was ever said of its money, in the log's order: what, when, how much in CNY."""
    return [
        (one.type.removesuffix(".v1"), one.at, str(_amount(one.data)))
        for one in await world.events(complaint)
        if one.type.startswith(MONEY)
    ]


def _amount(event: Any) -> Any:
    return event.overcharged if isinstance(event, WorkFindingRecorded) else event.amount


async def _nothing_before_a_finding(world: Stage, complaint: str, who: dict[str, Any]) -> None:
    with pytest.raises(Denied, match="no-such-finding") as denied:
        await _propose(world, complaint, who, 1)
    assert denied.value.status == 422


async def _bad_amounts_cost_nothing(world: Stage, complaint: str, who: dict[str, Any]) -> None:
    for amount in ("186.505", "-1", "1e3", "NaN", 186.5):
        with pytest.raises(Denied) as denied:
            await _find(world, complaint, who, overcharged=amount)
        assert denied.value.status == 422, amount
    assert await world.events(complaint, "work.finding_recorded") == []


async def _not_by_the_team_itself(world: Stage, complaint: str, who: dict[str, Any]) -> None:
    proposer_at_the_desk = {"role": "desk", "actor": who["actor"]}
    for refused in (who, {**who, "role": "agent"}, proposer_at_the_desk):
        with pytest.raises(Denied) as denied:
            await _approve(world, complaint, 1, refused)
        assert denied.value.status == 403, refused
    assert denied.value.problem["rule"] == "own-proposal"


async def _granted_once(world: Stage, complaint: str) -> None:
    """Three times with one key is one grant and one answer; a new key is told of a conflict."""
    key = f"s5-{complaint}"
    answers = [await _approve(world, complaint, 1, APPROVER, key) for _ in range(3)]
    assert answers[0] == answers[1] == answers[2]
    with pytest.raises(Denied, match="compensation-settled") as denied:
        await _approve(world, complaint, 1, APPROVER, f"{key}-again")
    assert denied.value.status == 409
    (granted,) = await world.events(complaint, "compensation.granted")
    assert (str(granted.data.amount), str(granted.data.total)) == ("373.00", "373.00")


async def _supplement(world: Stage, complaint: str, who: dict[str, Any]) -> None:
    """20.00 is within the team's 200.00, the total of 393.00 is not."""
    first = (await world.events(complaint, "compensation.granted"))[0]
    await _find(world, complaint, who, overcharged="196.50", corrects=1)
    with pytest.raises(Denied, match="compensation-pending"):
        await world.answers(complaint, who)
    asked = (await world.events(complaint, "compensation.submitted"))[-1].data
    assert (str(asked.amount), str(asked.total)) == ("20.00", "393.00")
    assert (asked.finding, asked.supplement_to) == (2, 1)
    await _approve(world, complaint, 2, APPROVER)
    granted = await world.events(complaint, "compensation.granted")
    assert granted[0] == first  # not rewritten
    assert [str(one.data.amount) for one in granted] == ["373.00", "20.00"]
    assert str(granted[-1].data.total) == "393.00"
    assert (await _awards(world, complaint))[-1]["complaint_granted"] == "393.00"


async def _exact_everywhere(world: Stage, complaint: str) -> None:
    """ "No float anywhere in event, API or report": no JSON number with a point."""
    work = await world.player.get("routing", f"/work/{complaint}")
    money = [
        one.data.model_dump(mode="json")
        for one in await world.events(complaint)
        if one.type.startswith(MONEY)
    ]
    seen: list[str] = []
    for shown in (money, work["findings"], await _awards(world, complaint)):
        json.loads(json.dumps(shown), parse_float=seen.append)
    assert seen == []
