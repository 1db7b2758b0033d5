"""Races of EVENTS, through the whole system: whoever is late is a service that was down meanwhile.

docs/scenarios.md says where each race is shown; those inside one service are unit tests there.
A service that comes back hears what was told without it, in the log's order, and acts on it: that
is a fact in flight, made as long as one likes.
"""

import asyncio
from typing import Any

import pytest

from cli.player import Denied, message_of, to_bytes
from tests.e2e.scenes import Stage, scene
from tests.e2e.world import sh

BILL: dict[str, Any] = {"text": "多扣了话费", "category": "billing.overcharge"}


async def answered(stage: Stage, told_at: str, subscriber: str) -> tuple[str, str]:
    """A complaint that was answered an hour after it was told, and its survey is out."""
    await stage.at(f"{told_at}:00:00")
    complaint = await stage.say(**BILL, subscriber=subscriber)
    who = await stage.accepts(complaint)
    await stage.at(f"{told_at}:30:00")
    await stage.answers(complaint, who)
    return complaint, (await stage.receipt(complaint)).replace("-", "")


async def withdraws(stage: Stage, receipt: str, subscriber: str) -> None:
    words = {"channel": "sms", "receipt": receipt, "subscriber": subscriber}
    await stage.say(kind="withdrawal", text="不投诉了", **words)


async def at_rest(stage: Stage, complaint: str) -> tuple[str, str | None, list[str]]:
    """State, outcome, and the stages of its cases."""
    shown = await stage.player.get("intake", f"/complaints/{complaint}")
    told = await stage.player.get(
        "escalation", f"/complaints/{complaint}", role="desk", actor="agent:1501"
    )
    return shown["state"], shown["outcome"], [case["stage"] for case in told["cases"]]


async def concluded(stage: Stage, complaint: str) -> list[str]:
    return [one.data.outcome.value for one in await stage.events(complaint, "survey.concluded")]


# -- 1: withdrawn while the survey is out ---------------------------------------------------------


@scene
async def test_race_1_withdrawn_then_the_reply_comes_late(stage: Stage) -> None:
    complaint, receipt = await answered(stage, "2025-10-15 09", "18600001101")
    await stage.at("2025-10-15 10:00:00")
    await withdraws(stage, receipt, "18600001101")
    await stage.at("2025-10-15 10:00:01")
    await stage.replies(receipt, 9, resolved=True)
    assert await at_rest(stage, complaint) == ("closed", "withdrawn", [])
    assert await concluded(stage, complaint) == ["cancelled"]
    (reply,) = await stage.events(complaint, "survey.answered")
    assert reply.data.late


@scene
async def test_race_1_the_reply_in_flight_when_the_withdrawal_comes(stage: Stage) -> None:
    """feedback_survey hears the reply after intake has closed: the same closed state."""
    complaint, receipt = await answered(stage, "2025-10-15 11", "18600001102")
    await stage.at("2025-10-15 12:00:00")
    async with stage.without("feedback_survey"):
        await stage.replies(receipt, 9, resolved=True)
        await withdraws(stage, receipt, "18600001102")
    assert await at_rest(stage, complaint) == ("closed", "withdrawn", [])
    assert await concluded(stage, complaint) == ["satisfied"], "it came before the withdrawal"


# -- 2: closed while case.requested is in flight --------------------------------------------------


async def wishes(stage: Stage, receipt: str) -> None:
    await stage.say(kind="escalation_wish", text="我要找10015", receipt=receipt)


@scene
async def test_race_2_asked_first_an_open_case_blocks_closing(stage: Stage) -> None:
    complaint, receipt = await answered(stage, "2025-10-15 13", "18600001201")
    await stage.at("2025-10-15 14:00:00")
    await wishes(stage, receipt)
    await stage.replies(receipt, 9, resolved=True)
    state, outcome, cases = await at_rest(stage, complaint)
    assert (state == "closed", outcome, cases) == (False, None, ["requested"])


@scene
async def test_race_2_closed_first_a_persons_request_reopens(stage: Stage) -> None:
    """escalation hears the wish when intake has closed already."""
    complaint, receipt = await answered(stage, "2025-10-15 15", "18600001202")
    await stage.at("2025-10-15 16:00:00")
    async with stage.without("escalation"):
        await wishes(stage, receipt)
        await stage.replies(receipt, 9, resolved=True)
        assert len(await stage.events(complaint, "complaint.closed")) == 1
    state, outcome, cases = await at_rest(stage, complaint)
    assert (state == "closed", outcome, cases) == (False, None, ["requested"])
    (again,) = await stage.events(complaint, "complaint.reopened")
    assert again.data.route.value == "escalate"


@scene
async def test_race_2_closed_first_an_automatic_request_is_withdrawn(stage: Stage) -> None:
    """The third urge is heard by escalation only after the complaint was closed."""
    complaint, receipt = await answered(stage, "2025-10-16 09", "18600001203")
    await stage.at("2025-10-16 10:00:00")
    async with stage.without("escalation"):
        for _ in range(3):
            await stage.say(kind="urge", text="催办", receipt=receipt)
        await stage.replies(receipt, 9, resolved=True)
    assert await at_rest(stage, complaint) == ("closed", "satisfied", ["closed"])
    (case,) = await stage.events(complaint, "case.closed")
    assert case.data.outcome.value == "withdrawn"
    assert await stage.events(complaint, "complaint.reopened") == []


# -- 4 and 5: answers against clocks --------------------------------------------------------------


async def reclassifies(stage: Stage, complaint: str) -> None:
    body = {"category": "service.attitude", "reason": "attitude"}
    await stage.player.do("intake", f"/complaints/{complaint}/reclassify", body)
    await stage.settle()


@scene
async def test_race_4_answered_and_reclassified_in_either_order_same_verdicts(
    stage: Stage,
) -> None:
    """sla_watch hears both at once; the new clock starts at the original contact, and is met."""
    await stage.at("2025-10-16 11:00:00")
    told = [
        await stage.say(**BILL, subscriber=subscriber)
        for subscriber in ("18600001401", "18600001402")
    ]
    who = [await stage.accepts(complaint) for complaint in told]
    await stage.at("2025-10-16 12:00:00")
    async with stage.without("sla_watch"):
        await stage.answers(told[0], who[0])
        await reclassifies(stage, told[0])
        await reclassifies(stage, told[1])
        await stage.answers(told[1], who[1])
    for complaint in told:
        clocks = await stage.clocks(complaint)
        attitude = clocks["attitude", 1]
        assert (attitude["state"], attitude["due_at"]) == ("met", sh("2025-10-17 11:00:00"))
        assert attitude["met_at"] == sh("2025-10-16 12:00:00")
        assert clocks["legal.answer", 1]["state"] == "met"


async def due_at_midnight(
    stage: Stage, start: str, subscriber: str, due: str
) -> tuple[str, dict[str, Any]]:
    await stage.at(start)
    complaint = await stage.say(**BILL, subscriber=subscriber)
    who = await stage.accepts(complaint)
    assert (await stage.clocks(complaint))["resolve", 1]["due_at"] == sh(due)
    return complaint, who


@scene
async def test_race_5_an_answer_in_flight_at_the_due_instant_is_heard_before_the_timer(
    stage: Stage,
) -> None:
    """sla_watch is down over the due instant; its timer fires only once all before it is heard."""
    complaint, who = await due_at_midnight(
        stage, "2025-10-17 17:00:00", "18600001501", "2025-10-25 00:00:00"
    )
    await stage.at("2025-10-24 23:59:59.999999")
    async with stage.without("sla_watch"):
        await stage.answers(complaint, who)
        await stage.at("2025-10-25 00:00:10")
    assert (await stage.clocks(complaint))["resolve", 1]["state"] == "met"
    breached = await stage.events(complaint, "clock.breached")
    assert [one for one in breached if one.data.clock == "resolve"] == []
    assert (await at_rest(stage, complaint))[2] == [], "pain point: escalated although answered"


@scene
async def test_race_5_an_answer_reported_an_hour_late_corrects_the_breach(stage: Stage) -> None:
    """And withdraws the escalation that the breach caused (DOMAIN, counting 10)."""
    complaint, who = await due_at_midnight(
        stage, "2025-10-16 13:00:00", "18600001502", "2025-10-24 00:00:00"
    )
    await stage.at("2025-10-24 01:00:00")
    assert (await at_rest(stage, complaint))[2] == ["requested"]
    body = {
        "explanation": "昨晚已电话答复",
        "decision": "upheld",
        "told_by": "call",
        "occurred_at": "2025-10-23T23:59:59+08:00",
    }
    await stage.player.do("routing", f"/work/{complaint}/answer", body, **who)
    await stage.settle()
    corrected = [
        (one.data.was.value, one.data.now.value, one.data.at)
        for one in await stage.events(complaint, "clock.corrected")
        if one.data.clock == "resolve"
    ]
    assert corrected == [("breached", "met", sh("2025-10-23 23:59:59"))]
    assert (await at_rest(stage, complaint))[2] == ["closed"]
    (case,) = await stage.events(complaint, "case.closed")
    assert case.data.outcome.value == "withdrawn"


# -- 7: the third urge escalates, then is unlinked ------------------------------------------------


async def three_urges(stage: Stage, hour: str, subscriber: str) -> tuple[str, str]:
    """A candidate at the desk, and the last urge's contact."""
    await stage.at(f"{hour}:00:00")
    complaint = await stage.say(**BILL, subscriber=subscriber)
    receipt = (await stage.receipt(complaint)).replace("-", "")
    for _ in range(3):
        await stage.say(kind="urge", text="催办", receipt=receipt)
    linked = await stage.events(complaint, "complaint.contact_linked")
    assert (await at_rest(stage, complaint))[2] == ["requested"]
    return complaint, str(linked[-1].data.contact.id)


async def unlinks(stage: Stage, complaint: str, contact: str) -> None:
    path = f"/complaints/{complaint}/contacts/{contact}/unlink"
    await stage.player.do("intake", path, {"reason": "other_line"})
    await stage.settle()


@scene
async def test_race_7_unlinked_first_the_officer_comes_too_late(stage: Stage) -> None:
    complaint, urge = await three_urges(stage, "2025-10-16 14", "18600001701")
    await unlinks(stage, complaint, urge)
    with pytest.raises(Denied) as refused:
        await stage.desk(complaint, "accept")
    assert refused.value.status == 409
    assert (await at_rest(stage, complaint))[2] == ["closed"]


@scene
async def test_race_7_accepted_first_the_officer_decides(stage: Stage) -> None:
    complaint, urge = await three_urges(stage, "2025-10-16 15", "18600001702")
    await stage.desk(complaint, "accept")
    await unlinks(stage, complaint, urge)
    assert (await at_rest(stage, complaint))[2] == ["accepted"]


@scene
async def test_race_7_the_unlinking_in_flight_when_the_officer_accepts(stage: Stage) -> None:
    """escalation hears of it after a restart and an acceptance: the officer decides."""
    complaint, urge = await three_urges(stage, "2025-10-16 16", "18600001703")
    await stage.desk(complaint, "accept")
    async with stage.without("escalation"):
        await unlinks(stage, complaint, urge)
    assert (await at_rest(stage, complaint))[2] == ["accepted"]


# -- 9: reopened while the end of the old cycle is in flight --------------------------------------


@scene
async def test_race_9_closed_and_reopened_before_routing_hears_of_either(stage: Stage) -> None:
    complaint, receipt = await answered(stage, "2025-10-17 09", "18600001901")
    await stage.at("2025-10-17 10:00:00")
    async with stage.without("routing"):
        await stage.replies(receipt, 9, resolved=True)
        await stage.say(kind="fact", text="又多扣了", receipt=receipt, subscriber="18600001901")
    work = await stage.player.get("routing", f"/work/{complaint}")
    assert (work["cycle"], work["ended_at"]) == (2, None), "the old cycle's end ends no new work"
    assert work["team"] is not None
    shown = await stage.player.get("intake", f"/complaints/{complaint}")
    assert (shown["cycle"], shown["closed_at"]) == (2, None)


# -- 10: a pause recorded before the due ----------------------------------------------------------


@scene
async def test_race_10_a_pause_in_flight_at_the_due_instant_stops_the_clock(stage: Stage) -> None:
    """sla_watch is down over the due instant; a second was left, and is left."""
    complaint, who = await due_at_midnight(
        stage, "2025-10-20 10:00:00", "18600002001", "2025-10-28 00:00:00"
    )
    await stage.at("2025-10-27 23:59:59")
    wait = {
        "waiting_for": "customer",
        "reason": "papers",
        "until": "2025-10-29T09:00:00+08:00",
        "question": "请提供账单",
    }
    async with stage.without("sla_watch"):
        await stage.player.do("routing", f"/work/{complaint}/suspend", wait, **who)
        await stage.at("2025-10-28 00:00:10")
    clock = (await stage.clocks(complaint))["resolve", 1]
    assert (clock["state"], clock["left_us"]) == ("paused", 1_000_000)
    await stage.at("2025-10-29 09:00:02")
    (breach,) = [
        one
        for one in await stage.events(complaint, "clock.breached")
        if one.data.clock == "resolve"
    ]
    assert breach.data.due_at == sh("2025-10-29 09:00:01"), "resumed, and what was left"


# -- 11: assignment time-out against acceptance ---------------------------------------------------


@scene
async def test_race_11_accepted_in_the_last_microsecond_it_is_not_returned(stage: Stage) -> None:
    await stage.at("2025-10-17 11:00:00")
    complaint = await stage.say(**BILL, subscriber="18600002101")
    who = await stage.seat(complaint)
    await stage.at("2025-10-17 11:29:59.999999")
    await stage.accepts(complaint, who)
    await stage.at("2025-10-17 11:40:00")
    assert await stage.events(complaint, "work.returned") == []


@scene
async def test_race_11_timed_out_first_the_acceptance_is_refused(stage: Stage) -> None:
    await stage.at("2025-10-17 11:00:00")
    complaint = await stage.say(**BILL, subscriber="18600002102")
    who = await stage.seat(complaint)
    await stage.at("2025-10-17 11:30:00.000001")
    with pytest.raises(Denied) as refused:
        await stage.player.do("routing", f"/work/{complaint}/accept", **who)
    assert refused.value.status in (409, 422)
    (returned,) = await stage.events(complaint, "work.returned")
    assert (returned.at, returned.data.reason.value) == (sh("2025-10-17 11:30:00"), "ignored")


@scene
async def test_race_11_two_who_accept_at_once_are_one(stage: Stage) -> None:
    await stage.at("2025-10-17 11:00:00")
    complaint = await stage.say(**BILL, subscriber="18600002103")
    who = await stage.seat(complaint)
    path = f"/work/{complaint}/accept"
    outcomes = await asyncio.gather(
        *(stage.player.do("routing", path, **who) for _ in range(2)),
        return_exceptions=True,
    )
    await stage.settle()
    assert not all(isinstance(one, BaseException) for one in outcomes)
    assert len(await stage.events(complaint, "work.accepted")) == 1


# -- 12: grant against withdrawal -----------------------------------------------------------------


async def refund_proposed(stage: Stage, hour: str, subscriber: str) -> tuple[str, dict[str, Any]]:
    await stage.at(f"{hour}:00:00")
    complaint = await stage.say(**BILL, subscriber=subscriber)
    who = await stage.accepts(complaint)
    finding = {"cause": "operator", "overcharged": "20.00"}
    await stage.player.do("routing", f"/work/{complaint}/finding", finding, **who)
    await stage.settle()
    return complaint, who


async def proposes(stage: Stage, complaint: str, who: dict[str, Any]) -> None:
    path = f"/work/{complaint}/compensation"
    body = {"finding": 1, "basis": "double_refund"}
    await stage.player.do("routing", path, body, **{**who, "role": "agent"})
    await stage.settle()


@scene
async def test_race_12_granted_then_withdrawn_the_grant_stands(stage: Stage) -> None:
    complaint, who = await refund_proposed(stage, "2025-10-17 13", "18600002201")
    await proposes(stage, complaint, who)
    await withdraws(stage, (await stage.receipt(complaint)).replace("-", ""), "18600002201")
    (granted,) = await stage.events(complaint, "compensation.granted")
    assert str(granted.data.total) == "40.00"
    assert (await at_rest(stage, complaint))[:2] == ("closed", "withdrawn")


@scene
async def test_race_12_withdrawn_while_the_proposal_is_in_flight(stage: Stage) -> None:
    """escalation hears of both after the complaint was closed: the money is given all the same."""
    complaint, who = await refund_proposed(stage, "2025-10-17 14", "18600002202")
    async with stage.without("escalation"):
        await proposes(stage, complaint, who)
        await withdraws(stage, (await stage.receipt(complaint)).replace("-", ""), "18600002202")
    (granted,) = await stage.events(complaint, "compensation.granted")
    assert str(granted.data.total) == "40.00"
    assert (await at_rest(stage, complaint))[:2] == ("closed", "withdrawn")


# -- 13, 14 and 17: one complaint, once -----------------------------------------------------------


@scene
async def test_race_13_two_first_contacts_at_once_on_two_doors_are_one_complaint(
    stage: Stage,
) -> None:
    """Twenty pairs against one instance: the loser of each pair is linked."""
    await stage.at("2025-10-17 15:00:00")
    now = stage.clock.now()
    pairs = [f"186000023{number:02}" for number in range(20)]

    async def by_http(subscriber: str) -> None:
        words: dict[str, Any] = {"kind": "words", "channel": "web", "subscriber": subscriber}
        message = message_of("web", f"race13-{subscriber}", now, **words, **BILL)
        await stage.player.do(
            "intake",
            "/messages",
            message.model_dump(mode="json", exclude_none=True),
            role="channel",
        )

    async def by_kafka(subscriber: str) -> None:
        words: dict[str, Any] = {"kind": "words", "channel": "sms", "subscriber": subscriber}
        await stage.player.say("sms", f"race13-{subscriber}", now, **words, **BILL)

    doors = [door(subscriber) for subscriber in pairs for door in (by_http, by_kafka)]
    await asyncio.gather(*doors)
    await stage.settle()
    for subscriber in pairs:
        told = [
            await stage.player.outcome(source, f"race13-{subscriber}") for source in ("web", "sms")
        ]
        assert len({one["complaint"] for one in told}) == 1
        assert sorted(one["outcome"] for one in told) == ["linked", "registered"]


@scene
async def test_race_14_the_same_message_by_http_and_by_kafka_in_either_order(
    stage: Stage,
) -> None:
    await stage.at("2025-10-17 15:30:00")
    now = stage.clock.now()
    receipts = {}
    for name, order in {"a": ("http", "kafka"), "b": ("kafka", "http"), "c": None}.items():
        words: dict[str, Any] = {
            "kind": "words",
            "channel": "web",
            "subscriber": f"1860000240{name}",
        }
        message = message_of("web", f"race14-{name}", now, **words, **BILL)

        async def told(door: str, name: str = name, message: Any = message) -> None:
            if door == "kafka":
                await stage.player.publish(to_bytes(message), f"webrace14-{name}")
                return
            body = message.model_dump(mode="json", exclude_none=True)
            answer = await stage.player.do("intake", "/messages", body, role="channel")
            receipts[name] = answer["receipt"]

        if order is None:
            await asyncio.gather(told("http"), told("kafka"))
            await stage.settle()
        for door in order or ():
            await told(door)
            await stage.settle()
        outcome = await stage.player.outcome("web", f"race14-{name}")
        assert outcome["receipt"] == receipts[name]
        assert len(await stage.events(outcome["complaint"], "complaint.registered")) == 1
        assert await stage.events(outcome["complaint"], "complaint.contact_linked") == []


@scene
async def test_race_17_intake_stops_between_the_unlinking_and_its_registration(
    stage: Stage,
) -> None:
    """Stopped as soon as the unlinking was answered; whatever it had done, it ends done once."""
    complaint, urge = await three_urges(stage, "2025-10-17 16", "18600002701")
    path = f"/complaints/{complaint}/contacts/{urge}/unlink"
    await stage.player.do("intake", path, {"reason": "other_line"})
    await stage.restart("intake")
    (unlinked,) = await stage.events(complaint, "complaint.contact_unlinked")
    own = str(unlinked.data.becomes.complaint)
    assert len(await stage.events(own, "complaint.registered")) == 1
    shown = await stage.player.get("intake", f"/complaints/{own}")
    assert [one["contact"] for one in shown["contacts"]] == [urge]
