"""What users of other systems complain about most (DOMAIN), through the whole system.

Those that one service alone decides are unit tests there; docs/scenarios.md says where each is.
"""

from typing import Any

import pytest

from cli.player import Denied
from tests.e2e.scenes import Stage, scene
from tests.e2e.world import sh

BILL: dict[str, Any] = {"text": "多扣了话费", "category": "billing.overcharge"}


async def told(stage: Stage, subscriber: str) -> tuple[str, dict[str, Any]]:
    """Accepted and the customer reached at once."""
    complaint = await stage.say(**BILL, subscriber=subscriber)
    who = await stage.accepts(complaint)
    reached = {"channel": "hotline_10010", "reached": True}
    await stage.player.do("routing", f"/work/{complaint}/contact", reached, **who)
    await stage.settle()
    return complaint, who


@scene
async def test_pain_pause_lost_when_priority_changes(stage: Stage) -> None:
    """Thursday to Sunday night suspended, made urgent meanwhile: five whole days are still left."""
    await stage.at("2025-10-16 10:00:00")
    complaint, who = await told(stage, "18600003101")
    assert (await stage.clocks(complaint))["resolve", 1]["due_at"] == sh("2025-10-24 00:00:00")
    await stage.at("2025-10-17 00:00:00")
    until = {
        "waiting_for": "customer",
        "reason": "papers",
        "until": "2025-10-20T00:00:00+08:00",
        "question": "请提供账单",
    }
    await stage.player.do("routing", f"/work/{complaint}/suspend", until, **who)
    await stage.at("2025-10-17 09:00:00")
    urgent = {"urgency": "urgent", "reason": "customer_abroad"}
    await stage.player.do("intake", f"/complaints/{complaint}/reclassify", urgent)
    await stage.settle()
    assert (await stage.clocks(complaint))["resolve", 1]["state"] == "paused"
    await stage.at("2025-10-20 00:00:01")
    clock = (await stage.clocks(complaint))["resolve", 1]
    assert (clock["state"], clock["due_at"]) == ("running", sh("2025-10-25 00:00:00"))


@scene
async def test_pain_resolved_time_counted_on_reopen(stage: Stage) -> None:
    """Reopened a week after it was answered: five working days of its own, the old verdict kept."""
    await stage.at("2025-10-16 10:10:00")
    complaint, who = await told(stage, "18600003201")
    receipt = (await stage.receipt(complaint)).replace("-", "")
    await stage.at("2025-10-17 10:00:00")
    await stage.answers(complaint, who)
    await stage.replies(receipt, 9, resolved=True)
    await stage.at("2025-10-24 10:00:00")
    await stage.say(kind="fact", text="又多扣了", receipt=receipt, subscriber="18600003201")
    clocks = await stage.clocks(complaint)
    assert clocks["resolve", 2]["clock_from"] == sh("2025-10-24 10:00:00")
    assert clocks["resolve", 2]["due_at"] == sh("2025-11-01 00:00:00")
    first = clocks["resolve", 1]
    assert (first["state"], first["met_at"]) == ("met", sh("2025-10-17 10:00:00"))
    assert ("first_contact", 2) not in clocks
    assert ("legal.answer", 2) not in clocks


@scene
async def test_pain_escalation_mails_repeated(stage: Stage) -> None:
    """A promise and the resolution break, the customer urges and asks: one case, one request."""
    await stage.at("2025-10-16 10:20:00")
    complaint, _ = await told(stage, "18600003301")
    receipt = (await stage.receipt(complaint)).replace("-", "")
    await stage.at("2025-10-24 09:00:00")
    await stage.say(kind="escalation_wish", text="我要找10015", receipt=receipt)
    for _ in range(3):
        await stage.say(kind="urge", text="催办", receipt=receipt)
    (requested,) = await stage.events(complaint, "case.requested")
    assert (requested.at, requested.data.trigger.value) == (sh("2025-10-24 00:00:00"), "breach")


@scene
async def test_pain_reminders_at_midnight(stage: Stage) -> None:
    """Asked at 22:30; the reminder is due 24 h later and waits until nine as well."""
    await stage.at("2025-10-16 10:30:00")
    complaint, who = await told(stage, "18600003401")
    await stage.at("2025-10-16 22:30:00")
    await stage.answers(complaint, who)
    await stage.at("2025-10-18 09:00:01")
    told_of = [
        one
        for one in await stage.events(complaint, "notice.issued")
        if one.data.kind.value in ("survey", "answer", "reminder")
    ]
    leaves = {one.data.kind.value: one.data.not_before or one.at for one in told_of}
    assert leaves["answer"] == leaves["survey"] == sh("2025-10-17 09:00:00")
    assert leaves["reminder"] == sh("2025-10-18 09:00:00")
    assert len(told_of) == 3


@scene
async def test_pain_assignment_ignored_for_ever(stage: Stage) -> None:
    """Nobody accepts: back after 30 minutes each time, on to the next, and never nowhere."""
    await stage.at("2025-10-16 10:40:00")
    complaint = await stage.say(**BILL, subscriber="18600003501")
    await stage.at("2025-10-16 13:40:00")
    returned = await stage.events(complaint, "work.returned")
    assert [one.at for one in returned][:2] == [
        sh("2025-10-16 11:10:00"),
        sh("2025-10-16 11:40:00"),
    ]
    asked = [one.data.team for one in await stage.events(complaint, "work.assigned")]
    assert len(set(asked[:2])) == 2, "somebody else is asked"
    work = await stage.player.get("routing", f"/work/{complaint}")
    assert work["queue"]
    await stage.accepts(complaint)
    assert (await stage.player.get("routing", f"/work/{complaint}"))["owner_agent"]


@scene
async def test_pain_no_second_survey_after_reopening(stage: Stage) -> None:
    await stage.at("2025-10-16 10:50:00")
    complaint, who = await told(stage, "18600003601")
    receipt = (await stage.receipt(complaint)).replace("-", "")
    await stage.at("2025-10-16 15:00:00")
    await stage.answers(complaint, who)
    await stage.replies(receipt, 4, resolved=True)
    manager = await stage.accepts(complaint)
    await stage.at("2025-10-16 16:00:00")
    await stage.answers(complaint, manager)
    asked = await stage.events(complaint, "survey.asked")
    assert [(one.data.cycle, one.at) for one in asked] == [
        (1, sh("2025-10-16 15:00:00")),
        (2, sh("2025-10-16 16:00:00")),
    ]


@scene
async def test_pain_limits_over_99_hours(stage: Stage) -> None:
    """144 hours are promised, and are 144 hours."""
    await stage.at("2025-10-16 11:00:00")
    complaint, who = await told(stage, "18600003701")
    promise = {"new_due": "2025-10-22T11:00:00+08:00", "plan": "下周三前答复"}
    await stage.player.do("routing", f"/work/{complaint}/promise", promise, **who)
    await stage.at("2025-10-22 11:00:01")
    breached = [
        (one.data.due_at, one.at)
        for one in await stage.events(complaint, "clock.breached")
        if one.data.clock == "agreed"
    ]
    assert breached == [(sh("2025-10-22 11:00:00"),) * 2]


@scene
async def test_pain_duplicate_tickets_from_a_retried_call(stage: Stage) -> None:
    """A command repeated with its key has its first outcome and happens once."""
    await stage.at("2025-10-16 11:10:00")
    complaint, who = await told(stage, "18600003801")
    body = {"cause": "operator", "overcharged": "12.50"}
    path = f"/work/{complaint}/finding"
    first, second = [
        await stage.player.do("routing", path, body, key="retried-finding", **who) for _ in range(2)
    ]
    await stage.settle()
    assert first == second
    assert len(await stage.events(complaint, "work.finding_recorded")) == 1
    with pytest.raises(Denied) as refused:
        await stage.player.do(
            "routing", path, {**body, "overcharged": "99.00"}, key="retried-finding", **who
        )
    assert refused.value.status in (409, 422), "the same key for something else is a mistake"
