"""Two complaints about one matter, through the whole system: EVENTS 6 and 7, and race 8.

A is merged into B, which was told first. Each instant is worked out by hand from DOMAIN's clocks.
"""

from typing import Any
from uuid import UUID, uuid4

import pytest

from cli.player import Denied
from tests.e2e.scenes import Stage, scene
from tests.e2e.world import sh

EARLIER: dict[str, Any] = {"text": "多扣了话费", "category": "billing.overcharge"}
LATER: dict[str, Any] = {"text": "套餐没有按约定生效", "category": "product"}
ATTITUDE: dict[str, Any] = {"text": "坐席态度差", "category": "service.attitude"}


async def two(
    stage: Stage, day: str, subscriber: str, later: dict[str, Any] = LATER, second: str = "00"
) -> tuple[str, str]:
    """A and B of one customer: B told at 09:00, A at 10:00."""
    await stage.at(f"{day} 09:00:{second}")
    b = await stage.say(**EARLIER, subscriber=subscriber)
    await stage.at(f"{day} 10:00:{second}")
    a = await stage.say(**later, subscriber=subscriber)
    assert a != b
    return a, b


async def merges(stage: Stage, a: str, b: str, **more: Any) -> list[str]:
    """Merges A into B now; the types of the events that it led to at once."""
    body = {"into": b, "reason": "same_matter", **more}
    done = await stage.player.do("intake", f"/complaints/{a}/merge", body, role="manager")
    return [one["type"] for one in done["events"]]


async def unmerges(stage: Stage, a: str) -> list[str]:
    body = {"reason": "other_matter"}
    done = await stage.player.do("intake", f"/complaints/{a}/unmerge", body, role="manager")
    return [one["type"] for one in done["events"]]


async def refused(stage: Stage, a: str, b: str, **more: Any) -> tuple[int, str, str | None]:
    """How the merge of A into B is refused: status, rule, and the state that refused it."""
    with pytest.raises(Denied) as no:
        await merges(stage, a, b, **more)
    told = no.value.problem
    assert told["zh"]
    assert told["detail"]
    return no.value.status, str(told["rule"]), told["state"] and told["state"]["zh"]


async def number(stage: Stage, complaint: str) -> str:
    return (await stage.receipt(complaint)).replace("-", "")


async def shown(stage: Stage, complaint: str) -> dict[str, Any]:
    found: dict[str, Any] = await stage.player.get("intake", f"/complaints/{complaint}")
    return found


async def contacts(stage: Stage, complaint: str) -> list[tuple[str, str | None]]:
    """Kind and origin of each contact that it holds but the first, in the order of their times."""
    told = (await shown(stage, complaint))["contacts"]
    held = [one for one in told if one["held_by"] == complaint]
    return [(one["kind"], one["merged_from"]) for one in held if one["kind"] != "first"]


async def standing(stage: Stage, complaint: str) -> dict[str, str]:
    """Each clock's state in cycle 1."""
    return {code: row["state"] for (code, _), row in (await stage.clocks(complaint)).items()}


async def cases(stage: Stage, complaint: str) -> list[tuple[str, str | None]]:
    """Stage and outcome of each case."""
    told = await stage.player.get(
        "escalation", f"/complaints/{complaint}", role="desk", actor="agent:1501"
    )
    return [(case["stage"], case["outcome"]) for case in told["cases"]]


# -- merged ---------------------------------------------------------------------------------------


@scene
async def test_one_goes_on_for_both_and_the_merged_is_never_surveyed_or_counted(
    stage: Stage,
) -> None:
    """DOMAIN rule 2, EVENTS 6: "A merged complaint is never surveyed or counted as closed"."""
    a, b = await two(stage, "2025-10-13", "18600008101", second="07")
    receipt = await number(stage, a)
    await stage.accepts(a)
    await stage.at("2025-10-13 10:30:00")
    await stage.say(kind="fact", text="补充", receipt=receipt)
    await stage.at("2025-10-13 10:40:00")
    await stage.say(kind="urge", text="催办", receipt=receipt)
    await stage.at("2025-10-13 11:15:00")
    assert await merges(stage, a, b) == ["complaint.merged.v1"]
    await stage.settle()

    assert await contacts(stage, b) == [("urge", a), ("fact", a), ("urge", a)]
    linked = await stage.events(b, "complaint.contact_linked")
    assert [(one.data.urge_no, one.data.matched_by.value) for one in linked] == [
        (1, "merge"),
        (1, "merge"),
        (2, "merge"),
    ]
    assert (await shown(stage, a))["merged_into"] == b
    assert (await shown(stage, b))["merged"] == [a]
    assert await standing(stage, a) == {
        "acknowledge": "met",
        "first_contact": "breached",
        "resolve": "cancelled",
        "legal.answer": "cancelled",
    }
    stopped = (await stage.clocks(a))["resolve", 1]
    assert (stopped["cancelled_for"], stopped["cancelled_at"]) == (
        "merged",
        sh("2025-10-13 11:15:00"),
    )
    assert (await stage.clocks(b))["resolve", 1]["due_at"] == sh("2025-10-21 00:00:00")
    (ended,) = await stage.events(a, "work.ended")
    assert ended.data.reason.value == "merged"

    await _asked_about_once(stage, a, b, receipt)


async def _asked_about_once(stage: Stage, a: str, b: str, receipt: str) -> None:
    """By A's number the customer reaches B, which alone is answered, asked about and closed."""
    await stage.at("2025-10-13 12:00:00")
    await stage.say(kind="urge", text="催办", receipt=receipt)
    await stage.settle()
    assert (await contacts(stage, b))[-1] == ("urge", None)
    assert await cases(stage, b) == [("requested", None)], "the third urge"
    assert await cases(stage, a) == []
    status = await stage.player.get("intake", f"/status/{receipt}", role="channel")
    assert (status["state"], status["goes_on_as"]["receipt"]) == ("merged", await stage.receipt(b))
    await stage.desk(b, "decline", {"reason": "in_hand"})
    who = await stage.accepts(b)
    await stage.at("2025-10-13 14:00:00")
    await stage.answers(b, who)
    await stage.at("2025-10-13 15:00:00")
    await stage.replies(await number(stage, b), 9, resolved=True)
    assert (await shown(stage, b))["closed_at"] is not None
    assert (await shown(stage, a))["closed_at"] is None
    for never in ("complaint.answered", "survey.asked", "complaint.closed"):
        assert await stage.events(a, never) == []
    (concluded,) = await stage.events(a, "survey.concluded")
    assert (concluded.data.outcome.value, concluded.data.reason) == ("cancelled", "merged")
    assert await _recorded(stage, a) == "merged"
    assert await _recorded(stage, b) == "satisfied"
    assert len(await stage.events(b, "survey.asked")) == 1
    await stage.at("2025-10-30 00:00:00")
    assert await standing(stage, a) == {
        "acknowledge": "met",
        "first_contact": "breached",
        "resolve": "cancelled",
        "legal.answer": "cancelled",
    }, "nothing lapses any more"


async def _recorded(stage: Stage, complaint: str) -> Any:
    """How it ended, as the complaint record of its day has it."""
    days = {"from": "2025-10-13", "to": "2025-10-13"}
    told = (await stage.player.get("audit", "/reports/records", **days))["rows"]
    receipt = await stage.receipt(complaint)
    (line,) = [row for row in told if row["receipt"] == receipt]
    return line["outcome"]


@scene
async def test_pain_stale_escalation_after_a_merge(stage: Stage) -> None:
    """A's request is withdrawn, whoever of the desk comes now is too late; B asks on its own."""
    a, b = await two(stage, "2025-10-14", "18600008102")
    receipt = await number(stage, a)
    for _ in range(3):
        await stage.say(kind="urge", text="催办", receipt=receipt)
    await stage.settle()
    assert await cases(stage, a) == [("requested", None)]
    await stage.at("2025-10-14 11:00:00")
    await merges(stage, a, b)
    await stage.settle()
    assert await cases(stage, a) == [("closed", "withdrawn")]
    with pytest.raises(Denied) as late:
        await stage.desk(a, "accept")
    assert late.value.status == 409
    assert late.value.problem["state"] == {
        "code": "closed",
        "zh": "升级已结束",
        "en": "the case is closed",
    }
    assert await cases(stage, b) == [("requested", None)], "four urges: one candidate, once"
    assert (await standing(stage, a))["desk.first_contact"] == "cancelled"
    await stage.at("2025-10-14 12:00:00")
    await unmerges(stage, a)
    await stage.settle()
    assert await cases(stage, b) == [("closed", "withdrawn")], "no urge stands there any more"
    assert await cases(stage, a) == [("closed", "withdrawn"), ("requested", None)]


# -- unmerged -------------------------------------------------------------------------------------


@scene
async def test_unmerged_its_clocks_count_from_its_beginning_less_recorded_pauses(
    stage: Stage,
) -> None:
    """EVENTS 7. Told Mon 10-13, resolve due 10-21 00:00 (14, 15, 16, 17, 20); a pause from Tue
    10:00 to Wed 10:00 leaves 110 counted hours: 14 on Wed 15, then 16, 17, 20 and 21 whole.
    """
    a, b = await two(stage, "2025-10-13", "18600008103")
    who = await stage.accepts(a)
    assert (await stage.clocks(a))["resolve", 1]["due_at"] == sh("2025-10-21 00:00:00")
    await stage.at("2025-10-14 10:00:00")
    wait = {
        "waiting_for": "customer",
        "reason": "papers",
        "until": "2025-10-20T09:00:00+08:00",
        "question": "请提供合同",
    }
    await stage.player.do("routing", f"/work/{a}/suspend", wait, **who)
    await stage.at("2025-10-15 10:00:00")
    await stage.player.do("routing", f"/work/{a}/resume", **who)
    await stage.at("2025-10-15 12:00:00")
    await merges(stage, a, b)
    await stage.at("2025-10-16 09:00:00")
    before = await stage.events(a)
    assert await unmerges(stage, a) == ["complaint.unmerged.v1"]
    await stage.settle()

    clocks = await stage.clocks(a)
    resolve, legal = clocks["resolve", 1], clocks["legal.answer", 1]
    assert (resolve["state"], resolve["clock_from"]) == ("running", sh("2025-10-13 10:00:00"))
    assert resolve["due_at"] == sh("2025-10-22 00:00:00")
    assert (legal["state"], legal["due_at"]) == ("running", sh("2025-10-29 00:00:00"))
    assert clocks["acknowledge", 1]["state"] == "met", "old verdicts stand"
    assert (await stage.events(a))[: len(before)] == before, "nothing is rewritten"
    assert await contacts(stage, b) == []
    assert (await shown(stage, a))["merged_into"] is None
    (unlinked,) = await stage.events(b, "complaint.contact_unlinked")
    assert (unlinked.data.urge_no, unlinked.data.becomes) == (0, None)

    who = await stage.accepts(a)
    await stage.answers(a, who)
    await stage.replies(await number(stage, a), 9, resolved=True)
    assert (await shown(stage, a))["outcome"] == "satisfied"
    assert (await stage.clocks(a))["resolve", 1]["state"] == "met"
    assert (await shown(stage, b))["closed_at"] is None


@scene
async def test_unmerged_past_its_due_one_breach_with_that_due_marked_retroactive(
    stage: Stage,
) -> None:
    """DOMAIN, counting 9: "if its due is past, one breach with that due, recorded now"."""
    a, b = await two(stage, "2025-10-15", "18600008104", ATTITUDE)
    await stage.at("2025-10-15 11:30:00")
    await merges(stage, a, b)
    await stage.at("2025-10-17 09:00:00")
    await stage.settle()
    assert (await standing(stage, a))["attitude"] == "cancelled"
    await unmerges(stage, a)
    await stage.settle()
    (breach,) = [
        one for one in await stage.events(a, "clock.breached") if one.data.clock == "attitude"
    ]
    assert (breach.data.due_at, breach.at) == (
        sh("2025-10-16 10:00:00"),
        sh("2025-10-17 09:00:00"),
    )
    assert breach.data.retroactive


# -- commands that come twice, late or out of order ----------------------------------------------


@scene
async def test_a_merge_told_twice_too_early_or_too_late(stage: Stage) -> None:
    a, b = await two(stage, "2025-10-16", "18600008105")
    other = await stage.say(**EARLIER, subscriber="18600008106")
    with pytest.raises(Denied) as early:
        await unmerges(stage, a)
    assert (early.value.status, early.value.problem["rule"]) == (409, "not-merged")
    assert await refused(stage, a, a) == (422, "merge-into-itself", None)
    assert await refused(stage, a, str(UUID(int=uuid4().int))) == (422, "survivor-unknown", None)
    assert await refused(stage, b, a) == (422, "survivor-is-later", "处理中")
    assert await refused(stage, other, b) == (422, "different-customers", "处理中")

    assert await merges(stage, a, b) == ["complaint.merged.v1"]
    assert await merges(stage, a, b) == [], "told twice is told once"
    await stage.settle()
    assert await merges(stage, a, b) == []
    assert await refused(stage, a, other, same_customer=True) == (
        409,
        "complaint-merged",
        "已并入另一投诉",
    )
    assert await refused(stage, other, a) == (409, "survivor-merged", "已并入另一投诉")
    assert await unmerges(stage, a) == ["complaint.unmerged.v1"]
    assert await unmerges(stage, a) == []
    await stage.settle()
    assert len(await stage.events(b, "complaint.contact_linked")) == 1
    assert len(await stage.events(b, "complaint.contact_unlinked")) == 1

    words = {"receipt": await number(stage, b), "subscriber": "18600008105"}
    await stage.say(kind="withdrawal", text="不投诉了", **words)
    await stage.settle()
    assert await refused(stage, a, b) == (409, "survivor-not-open", "已结案")
    assert (await shown(stage, a))["state"] == "in_handling"


@scene
async def test_merged_and_unmerged_before_others_hear_of_either(stage: Stage) -> None:
    """Whoever was down hears both at once, and ends as if nothing had been."""
    a, b = await two(stage, "2025-10-17", "18600008107")
    for service in ("routing", "sla_watch", "escalation"):
        async with stage.without(service):
            await merges(stage, a, b)
            await stage.settle()
            await unmerges(stage, a)
            await stage.settle()
        assert (await standing(stage, a))["resolve"] == "running"
        work = await stage.player.get("routing", f"/work/{a}")
        assert (work["ended_at"], work["queue"] is not None) == (None, True)
    assert (await stage.clocks(a))["resolve", 1]["due_at"] == sh("2025-10-25 00:00:00")
    assert await contacts(stage, b) == []


# -- race 8: merge of A into B while A is answered or has an accepted case ------------------------


@scene
async def test_race_8_answered_first_the_merge_is_refused(stage: Stage) -> None:
    a, b = await two(stage, "2025-10-20", "18600008108")
    await stage.answers(a, await stage.accepts(a))
    assert await refused(stage, a, b) == (409, "merge-of-answered", "已答复,待评价")
    assert await contacts(stage, b) == []
    assert len(await stage.events(a, "survey.asked")) == 1


@scene
async def test_race_8_merged_while_the_answer_is_in_flight_ends_as_if_refused(
    stage: Stage,
) -> None:
    """The owner answered before; intake hears of it after it has merged, and undoes the merge."""
    a, b = await two(stage, "2025-10-21", "18600008109")
    who = await stage.accepts(a)
    body = {"explanation": "已处理", "decision": "upheld", "told_by": "message"}
    async with stage.deaf("intake"):
        await stage.player.do("routing", f"/work/{a}/answer", body, **who)
        assert await merges(stage, a, b) == ["complaint.merged.v1"]
    (undone,) = await stage.events(a, "complaint.unmerged")
    assert undone.data.reason == "answered"
    assert (await shown(stage, a))["state"] == "asked"
    assert await contacts(stage, b) == []
    assert (await standing(stage, a))["resolve"] == "met"
    assert len(await stage.events(a, "survey.asked")) == 1
    await stage.replies(await number(stage, a), 9, resolved=True)
    assert (await shown(stage, a))["outcome"] == "satisfied"


async def at_the_desk(stage: Stage, day: str, subscriber: str) -> tuple[str, str]:
    """A and B; the customer of A asked for the 10015 desk."""
    a, b = await two(stage, day, subscriber)
    await stage.say(kind="escalation_wish", text="我要找10015", receipt=await number(stage, a))
    await stage.settle()
    assert await cases(stage, a) == [("requested", None)]
    return a, b


@scene
async def test_race_8_accepted_first_the_merge_is_refused(stage: Stage) -> None:
    a, b = await at_the_desk(stage, "2025-10-22", "18600008110")
    await stage.desk(a, "accept")
    assert await refused(stage, a, b) == (409, "merge-of-accepted-case", "处理中")
    assert await cases(stage, a) == [("accepted", None)]
    assert await contacts(stage, b) == []


@scene
async def test_race_8_merged_while_the_acceptance_is_in_flight_ends_as_if_refused(
    stage: Stage,
) -> None:
    a, b = await at_the_desk(stage, "2025-10-23", "18600008111")
    async with stage.deaf("intake"):
        path = f"/complaints/{a}/cases/1/accept"
        await stage.player.do("escalation", path, role="desk", actor="agent:1501")
        assert await merges(stage, a, b) == ["complaint.merged.v1"]
    (undone,) = await stage.events(a, "complaint.unmerged")
    assert undone.data.reason == "case_accepted"
    assert await cases(stage, a) == [("accepted", None)]
    assert await contacts(stage, b) == []
    assert (await standing(stage, a))["resolve"] == "running"
    assert (await standing(stage, a))["desk.first_contact"] == "running"
