"""SCENARIOS S7: one complaint, many channels, urges, a reversible link; instants as on the page."""

from tests.e2e.scenes import Stage, scene
from tests.e2e.world import World, sh

SUBSCRIBER = "13800000701"
DISPUTE = {"text": "话费多扣了", "category": "billing", "subscriber": SUBSCRIBER}


@scene
async def test_one_complaint_whatever_the_channel_until_a_link_is_undone(world: Stage) -> None:
    complaint = await _told_three_times(world)
    await _urged_three_times(world, complaint)
    await _unlinked(world, complaint)
    await _urged_again(world, complaint)


async def _told_three_times(world: World) -> str:
    """Delivered at 09:00:00, 09:00:03 and again after intake restarts."""
    start = sh("2025-10-11 09:00:00")
    words = {"kind": "words", "channel": "hotline_10010", **DISPUTE}
    for at in ("2025-10-11 09:00:00", "2025-10-11 09:00:03"):
        await world.at(at)
        await world.player.say("10010", "call-7781", start, **words)
        await world.settle()
    await world.restart("intake")
    await world.player.say("10010", "call-7781", start, **words)
    await world.settle()
    complaint = str((await world.player.outcome("10010", "call-7781"))["complaint"])
    person = (await world.player.get("intake", f"/complaints/{complaint}"))["person"]
    registered = [
        one.subject
        for one in await world.log()
        if one.type == "complaint.registered.v1"
        and str(one.data.registration.correspondent.person) == person
    ]
    assert registered == [complaint], "one complaint, one receipt number"
    assert await world.events(complaint, "complaint.contact_linked") == []
    assert len(await world.events(complaint, "notice.issued")) == 1
    clocks = await world.clocks(complaint)
    assert clocks["resolve", 1]["due_at"] == sh("2025-10-18 00:00:00")
    assert clocks["acknowledge", 1]["met_at"] == start
    return complaint


async def _urged_three_times(world: World, complaint: str) -> None:
    receipt = (await world.receipt(complaint)).replace("-", "")
    await world.at("2025-10-12 20:15:00")
    await world.say("wechat", "wx-1", channel="wechat", **DISPUTE)
    await world.at("2025-10-14 10:00:00")
    await world.say("sms", "sms-1", channel="sms", text="还没处理", receipt=receipt)
    await world.at("2025-10-15 11:00:00")
    assert await world.events(complaint, "case.requested") == []
    await world.say("app", "app-1", channel="app", **DISPUTE)
    await world.settle()
    linked = await world.events(complaint, "complaint.contact_linked")
    assert [(one.data.urge_no, one.at) for one in linked] == [
        (1, sh("2025-10-12 20:15:00")),
        (2, sh("2025-10-14 10:00:00")),
        (3, sh("2025-10-15 11:00:00")),
    ]
    assert (await world.clocks(complaint))["resolve", 1]["due_at"] == sh("2025-10-18 00:00:00")
    (case,) = await world.events(complaint, "case.requested")
    assert (case.at, case.data.trigger.value) == (sh("2025-10-15 11:00:00"), "urges")


async def _unlinked(world: World, complaint: str) -> None:
    """Wed 14:00: the WeChat contact was another line."""
    before = await world.events(complaint)
    wechat = (await world.events(complaint, "complaint.contact_linked"))[0].data.contact.id
    await world.at("2025-10-15 14:00:00")
    path = f"/complaints/{complaint}/contacts/{wechat}/unlink"
    await world.player.do("intake", path, {"reason": "other_line"})
    await world.settle()
    (unlinked,) = await world.events(complaint, "complaint.contact_unlinked")
    assert (unlinked.data.urge_no, unlinked.at) == (2, sh("2025-10-15 14:00:00"))
    (case,) = await world.events(complaint, "case.closed")
    assert (case.data.outcome.value, case.at) == ("withdrawn", sh("2025-10-15 14:00:00"))

    own = str(unlinked.data.becomes.complaint)
    clocks = await world.clocks(own)
    assert clocks["first_contact", 1]["clock_from"] == sh("2025-10-12 20:15:00")
    assert clocks["resolve", 1]["due_at"] == sh("2025-10-18 00:00:00")
    breaches = [
        (one.data.due_at, one.data.retroactive)
        for one in await world.events(own, "clock.breached")
        if one.data.clock == "first_contact"
    ]
    assert breaches == [(sh("2025-10-12 21:15:00"), True)]
    after = await world.events(complaint)
    known = {one.id for one in before}
    assert [one for one in after if one.id in known] == before  # nothing is rewritten


async def _urged_again(world: World, complaint: str) -> None:
    receipt = (await world.receipt(complaint)).replace("-", "")
    await world.at("2025-10-16 09:00:00")
    await world.say("sms", "sms-2", channel="sms", text="催办", receipt=receipt)
    await world.settle()
    assert (await world.events(complaint, "complaint.contact_linked"))[-1].data.urge_no == 3
    requested = await world.events(complaint, "case.requested")
    assert [one.at for one in requested] == [
        sh("2025-10-15 11:00:00"),
        sh("2025-10-16 09:00:00"),
    ]


async def told_and_suspended(world: World, subscriber: str) -> str:
    who = {"text": "话费多扣了", "category": "billing", "subscriber": subscriber}
    complaint = await world.say(channel="hotline_10010", **who)
    by = await world.accepts(complaint)
    waiting = {
        "waiting_for": "customer",
        "reason": "papers",
        "until": "2025-10-25T09:00:00+08:00",
    }
    await world.player.do("routing", f"/work/{complaint}/suspend", waiting, **by)
    await world.settle()
    return complaint


@scene
async def test_the_duplicate_window_is_seven_days_inclusive_for_the_same_person_and_category(
    world: Stage,
) -> None:
    """Complaints of the same start, suspended and so still open."""
    await world.at("2025-10-11 09:00:00")
    first = await told_and_suspended(world, "13800000711")
    second = await told_and_suspended(world, "13800000712")
    again = {"text": "还没退", "category": "billing", "channel": "wechat"}
    await world.at("2025-10-18 09:00:00")
    assert await world.say(**again, subscriber="13800000711") == first
    other = {**again, "category": "mobile.coverage"}
    assert await world.say(**other, subscriber="13800000711") != first
    assert await world.say(**again, subscriber="13800000719") != first
    await world.at("2025-10-18 09:00:01")
    assert await world.say(**again, subscriber="13800000712") not in (first, second)
