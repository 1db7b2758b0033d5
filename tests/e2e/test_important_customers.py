"""An important customer is called, not written to, and followed up on (DOMAIN rule 11, 004)."""

from datetime import datetime
from typing import Any

import pytest

from cli.player import Denied
from tests.e2e.scenes import Stage, scene
from tests.e2e.world import sh

ANNA: dict[str, Any] = {"role": "agent", "actor": "agent:6001", "team": "vip-seats"}
BEN: dict[str, Any] = {"role": "agent", "actor": "agent:6002", "team": "vip-seats"}


@scene
async def test_a_vip_is_called_then_visited_and_a_dissatisfied_visit_reopens(world: Stage) -> None:
    complaint = await _answered(world)
    await _called(world, complaint)
    await _visited(world, complaint)


async def _answered(world: Stage) -> str:
    """Told Mon 10:00, answered 20:30: asked half an hour before the quiet hours."""
    await world.at("2025-10-13 10:00:00")
    complaint = await world.say(
        text="话费多扣",
        subscriber="13800000901",
        category="billing.overcharge",
        value_tier="important",
        reply_to={"kind": "sms", "address": "13800000901"},
    )
    who = await world.accepts(complaint)
    await world.at("2025-10-13 20:30:00")
    await world.answers(complaint, who)
    (asked,) = await world.events(complaint, "survey.asked")
    assert asked.data.by.value == "call"
    told = [one.data.kind.value for one in await world.events(complaint, "notice.issued")]
    assert told == ["receipt", "answer", "survey"]
    return complaint


async def _called(world: Stage, complaint: str) -> None:
    """Taken by one, not reached; nobody calls at night; reached the next morning."""
    call = await _call(world, complaint)
    assert (call["reason"], datetime.fromisoformat(call["not_before"])) == (
        "survey",
        sh("2025-10-13 20:30:00"),
    )
    await world.player.do("feedback_survey", f"/calls/{call['call']}/take", **ANNA)
    with pytest.raises(Denied, match="call-taken"):
        await _attempts(world, call, BEN, reached=True)
    await _attempts(world, call, ANNA, reached=False)
    await world.at("2025-10-13 21:30:00")
    with pytest.raises(Denied, match="not-yet"):
        await _attempts(world, call, ANNA, reached=True)
    await world.at("2025-10-14 09:00:00")
    await _attempts(world, call, BEN, reached=True, score=8, resolved=True)
    (closed,) = await world.events(complaint, "complaint.closed")
    assert (closed.at, closed.data.outcome.value) == (sh("2025-10-14 09:00:00"), "satisfied")
    tried = await world.events(complaint, "call.attempted")
    assert [(one.data.attempt, one.data.reached, one.at, one.data.again_at) for one in tried] == [
        (1, False, sh("2025-10-13 20:30:00"), sh("2025-10-14 09:00:00")),
        (2, True, sh("2025-10-14 09:00:00"), None),
    ]


async def _visited(world: Stage, complaint: str) -> None:
    """Seven days after the closing; dissatisfied after all: the manager gets it, once."""
    assert await _waiting(world, complaint) == []
    await world.at("2025-10-21 09:00:00")
    visit = await _call(world, complaint)
    assert (visit["reason"], datetime.fromisoformat(visit["not_before"])) == (
        "visit",
        sh("2025-10-21 09:00:00"),
    )
    await _attempts(world, visit, ANNA, reached=True, score=2, resolved=False, words="又扣了")
    (said,) = await world.events(complaint, "visit.recorded")
    assert (said.at, said.data.score, said.data.satisfied) == (
        sh("2025-10-21 09:00:00"),
        2,
        False,
    )
    (again,) = await world.events(complaint, "complaint.reopened")
    assert (again.at, again.data.cycle, again.data.reason.value, again.data.route.value) == (
        sh("2025-10-21 09:00:00"),
        2,
        "dissatisfied",
        "tier1",
    )
    routed = (await world.events(complaint, "work.routed"))[-1]
    assert (routed.data.queue, routed.data.cycle) == ("manager", 2)
    clocks = await world.clocks(complaint)
    assert clocks["attitude", 2]["due_at"] == sh("2025-10-22 09:00:00")
    told = await world.player.get("feedback_survey", f"/notices/{complaint}")
    assert [(one["reason"], one["state"]) for one in told["calls"]] == [
        ("survey", "reached"),
        ("visit", "reached"),
    ]


async def _waiting(world: Stage, complaint: str) -> list[Any]:
    """Its calls on the desk's list now."""
    page = await world.player.get("feedback_survey", "/calls", limit=200, role="agent")
    return [one for one in page["items"] if one["complaint"] == complaint]


async def _call(world: Stage, complaint: str) -> Any:
    (call,) = await _waiting(world, complaint)
    return call


async def _attempts(world: Stage, call: Any, who: dict[str, Any], **said: Any) -> None:
    path = f"/calls/{call['call']}/attempts"
    await world.player.do("feedback_survey", path, said, **who)
    await world.settle()
