"""A complaint goes to a partner, which owes two answers (DOMAIN rule 7)."""

from datetime import datetime
from typing import Any

from tests.e2e.scenes import Stage, scene
from tests.e2e.world import sh

CARE: dict[str, Any] = {"role": "agent", "actor": "agent:5401", "team": "value-added-care"}
PARTNER: dict[str, Any] = {"role": "partner", "actor": "agent:sp-music"}
SIMPLE, ALL = ("partner.simple", "partner.customer.simple"), ("partner.all", "partner.customer.all")


@scene
async def test_a_partner_answers_10010_and_the_customer_who_is_called_back(world: Stage) -> None:
    """Bounced, sent again; a cause returned; two answers, one of which the customer denies."""
    complaint = await _forwarded(world)
    await _a_returned_cause_is_no_answer(world, complaint)
    await _answered_twice_and_one_denied(world, complaint)
    await _breached_though_the_partner_says_otherwise(world, complaint)
    await _answered_but_not_content(world, complaint)
    await _closed_by_us(world, complaint)


@scene
async def test_a_partner_that_says_nothing_breaks_each_promise_once(world: Stage) -> None:
    """ "72 h" for what is complex: both answers, at the same instant, and the first word before."""
    await world.at("2025-10-13 13:00:00")
    complaint = await _told(world, "13800001102")
    await _passes_on(world, complaint, "sp-video", "complex", "2025-10-13T13:00:00+08:00")
    await world.at("2025-10-16 12:59:59")
    assert await _owed(world, "sp-video") == [
        (["10010", "customer"], sh("2025-10-16 13:00:00"), 0),
    ]
    await world.at("2025-10-16 13:00:00.000001")
    assert await _owed(world, "sp-video") == [(["10010", "customer"], None, 2)]
    assert await _breaches(world, complaint) == [
        ("partner.preliminary", sh("2025-10-13 14:00:00")),
        ("partner.complex", sh("2025-10-16 13:00:00")),
        ("partner.customer.complex", sh("2025-10-16 13:00:00")),
    ]
    (asked,) = await world.events(complaint, "case.requested")
    assert (asked.at, asked.data.trigger.value) == (sh("2025-10-16 13:00:00"), "breach")


async def _told(world: Stage, subscriber: str) -> str:
    complaint = await world.say(
        text="退订增值业务后仍然扣费",
        subscriber=subscriber,
        category="value_added.cancel_one",
        reply_to={"kind": "sms", "address": subscriber},
    )
    await world.accepts(complaint, CARE)
    return complaint


async def _passes_on(
    world: Stage, complaint: str, partner: str, complexity: str, reached_at: str | None = None
) -> None:
    passing = {
        "to": partner,
        "kind": "partner",
        "complexity": complexity,
        "reason": "partners_service",
        "reached_at": reached_at,
    }
    await _does(world, complaint, "transfer", passing, CARE)


async def _forwarded(world: Stage) -> str:
    """Told Mon 10:00; the forward bounces, is sent again with the reason, and arrives 10:40."""
    await world.at("2025-10-13 10:00:00")
    complaint = await _told(world, "13800001101")
    await world.at("2025-10-13 10:05:00")
    await _passes_on(world, complaint, "sp-music", "simple")
    await world.at("2025-10-13 10:20:00")
    await _does(world, complaint, "forwards/1", {"bounced": "mailbox_full"}, CARE)
    assert await _owed(world, "sp-music") == [], "it has not reached the partner"
    assert not [one for one in await world.clocks(complaint) if one[0].startswith("partner")]
    await world.at("2025-10-13 10:45:00")
    arrived = {"reached_at": "2025-10-13T10:40:00+08:00"}
    await _does(world, complaint, "forwards/1", arrived, CARE)
    passed = [one.data for one in await world.events(complaint, "work.transferred")]
    assert [(one.bounced, one.reached_at) for one in passed] == [
        (None, None),
        ("mailbox_full", None),
        (None, sh("2025-10-13 10:40:00")),
    ]
    clocks = await world.clocks(complaint)
    assert clocks["partner.preliminary", 1]["due_at"] == sh("2025-10-13 11:40:00")
    assert {clocks[one, 1]["due_at"] for one in SIMPLE} == {sh("2025-10-13 22:40:00")}
    assert {clocks[one, 1]["due_at"] for one in ALL} == {sh("2025-10-15 10:40:00")}
    assert clocks["resolve", 1]["due_at"] == sh("2025-10-21 00:00:00")
    return complaint


async def _a_returned_cause_is_no_answer(world: Stage, complaint: str) -> None:
    """The company responsible gets it; the partner has said a first word, and owes both answers."""
    await world.at("2025-10-13 11:40:00")
    not_ours = {"opinion": "计费系统原因", "cause": "billing", "responsible": "billing"}
    await _does(world, complaint, "report-back", not_ours, PARTNER)
    routed = (await world.events(complaint, "work.routed"))[-1]
    assert (routed.at, routed.data.queue) == (sh("2025-10-13 11:40:00"), "billing")
    clocks = await world.clocks(complaint)
    assert clocks["partner.preliminary", 1]["met_at"] == sh("2025-10-13 11:40:00")
    assert {clocks[one, 1]["state"] for one in (*SIMPLE, *ALL)} == {"running"}
    assert await _owed(world, "sp-music") == [(["10010", "customer"], sh("2025-10-13 22:40:00"), 0)]
    assert await _calls(world, complaint) == [], "there is no answer to confirm yet"
    await world.accepts(complaint)
    await world.at("2025-10-13 14:00:00")
    await _does(
        world, complaint, "report-back", {"opinion": "计费无误"}, await world.seat(complaint)
    )


async def _answered_twice_and_one_denied(world: Stage, complaint: str) -> None:
    """To the customer 15:00, as the partner says; to 10010 15:30; called 16:00: never answered."""
    await world.at("2025-10-13 15:00:00")
    await _does(world, complaint, "contact", {"channel": "email", "reached": True}, PARTNER)
    await world.at("2025-10-13 15:30:00")
    await _does(world, complaint, "report-back", {"opinion": "已退订并退费"}, PARTNER)
    clocks = await world.clocks(complaint)
    assert {clocks[one, 1]["met_at"] for one in ("partner.simple", "partner.all")} == {
        sh("2025-10-13 15:30:00")
    }
    assert {clocks[one, 1]["met_at"] for one in ("partner.customer.simple", ALL[1])} == {
        sh("2025-10-13 15:00:00")
    }
    assert await _owed(world, "sp-music") == []
    await world.at("2025-10-13 16:00:00")
    await _confirms(world, complaint, answered=False)
    assert await _owed(world, "sp-music") == [(["customer"], sh("2025-10-13 22:40:00"), 0)]
    corrected = await world.events(complaint, "clock.corrected")
    assert [(one.data.clock, one.data.was.value, one.data.now.value) for one in corrected] == [
        ("partner.customer.simple", "met", "running"),
        ("partner.customer.all", "met", "running"),
    ]


async def _breached_though_the_partner_says_otherwise(world: Stage, complaint: str) -> None:
    """12 h are over 22:40: one breach, and the desk is asked to look (rule 10)."""
    await world.at("2025-10-13 22:40:00.000001")
    assert await _breaches(world, complaint) == [
        ("partner.customer.simple", sh("2025-10-13 22:40:00"))
    ]
    assert await _owed(world, "sp-music") == [(["customer"], sh("2025-10-15 10:40:00"), 1)]
    (asked,) = await world.events(complaint, "case.requested")
    assert (asked.at, asked.data.trigger.value) == (sh("2025-10-13 22:40:00"), "breach")


async def _answered_but_not_content(world: Stage, complaint: str) -> None:
    """Told at last Tue 09:30, within 48 h; called again: answered, but the complaint goes on."""
    await world.at("2025-10-14 09:30:00")
    await _does(world, complaint, "contact", {"channel": "email", "reached": True}, PARTNER)
    assert (await world.clocks(complaint))[ALL[1], 1]["met_at"] == sh("2025-10-14 09:30:00")
    await world.at("2025-10-14 10:00:00")
    await _confirms(world, complaint, answered=True, content=False, words="还在扣费")
    assert await _owed(world, "sp-music") == []
    assert await world.events(complaint, "complaint.closed") == []
    steps = await world.player.get("routing", "/inbox", limit=200, **CARE)
    (mine,) = [one for one in steps["items"] if one["complaint"] == complaint]
    said = [one["at"] for one in mine["steps"] if one["type"] == "confirmation.recorded.v1"]
    assert list(map(datetime.fromisoformat, said)) == [
        sh("2025-10-13 16:00:00"),
        sh("2025-10-14 10:00:00"),
    ]


async def _closed_by_us(world: Stage, complaint: str) -> None:
    """The owner's desk answers; the breach stands in the month's table, kept by nobody's word."""
    await world.desk(complaint, "decline", {"reason": "answered_meanwhile"})
    await world.at("2025-10-14 11:00:00")
    await world.answers(complaint, CARE)
    await world.at("2025-10-14 11:20:00")
    await world.replies(await world.receipt(complaint), 9, resolved=True)
    (closed,) = await world.events(complaint, "complaint.closed")
    assert (closed.at, closed.data.outcome.value) == (sh("2025-10-14 11:20:00"), "satisfied")
    table = await world.player.get("sla_watch", "/promises", month="2025-10", role="manager")
    kept = {one["clock"]: (one["met"], one["breached"]) for one in table["rows"]}
    assert [kept[one] for one in (*SIMPLE, *ALL)] == [(1, 0), (0, 1), (1, 0), (1, 0)]


async def _does(
    world: Stage, complaint: str, step: str, body: dict[str, Any], who: dict[str, Any]
) -> None:
    await world.player.do("routing", f"/work/{complaint}/{step}", body, **who)
    await world.settle()


async def _owed(world: Stage, partner: str) -> list[tuple[list[str], datetime | None, int]]:
    """What the partner owes: to whom, due when, and how many of its promises are broken."""
    page = await world.player.get("routing", "/partners/owing", partner=partner, role="manager")
    return [
        (one["owes"], one["due"] and datetime.fromisoformat(one["due"]), one["breached"])
        for one in page["items"]
    ]


async def _breaches(world: Stage, complaint: str) -> list[tuple[str, datetime]]:
    """Of a partner's clocks, in the order of their dues."""
    found = [one.data for one in await world.events(complaint, "clock.breached")]
    partners = [(one.clock, one.due_at) for one in found if one.clock.startswith("partner")]
    return sorted(partners, key=lambda one: (one[1], one[0]))


async def _calls(world: Stage, complaint: str) -> list[Any]:
    page = await world.player.get("feedback_survey", "/calls", reason="confirm", role="agent")
    return [one for one in page["items"] if one["complaint"] == complaint]


async def _confirms(world: Stage, complaint: str, **said: Any) -> None:
    (call,) = await _calls(world, complaint)
    assert call["partner"] == "sp-music"
    path = f"/calls/{call['call']}/attempts"
    await world.player.do("feedback_survey", path, {"reached": True, **said}, **CARE)
    await world.settle()
