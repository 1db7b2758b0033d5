"""SCENARIOS S1: day counting over National Day 2025; every instant is the page's own."""

from tests.e2e.scenes import Stage, scene
from tests.e2e.world import World, sh

CLOCKS = ("first_contact", "reply.mobile", "resolve", "legal.answer")
# row: (start, arrival, dues of CLOCKS)
ROWS = {
    "a": (
        *("2025-09-26 17:00:00", "2025-09-26 17:00:00"),
        ("2025-09-26 18:00", "2025-09-30 00:00", "2025-10-11 00:00", "2025-10-12 00:00"),
    ),
    "b": (
        *("2025-09-30 17:00:00", "2025-09-30 17:00:00"),
        ("2025-09-30 18:00", "2025-10-11 00:00", "2025-10-15 00:00", "2025-10-16 00:00"),
    ),
    "c": (
        *("2025-10-04 03:12:00", "2025-10-04 03:12:00"),
        ("2025-10-04 04:12", "2025-10-11 00:00", "2025-10-15 00:00", "2025-10-21 00:00"),
    ),
    "d": (
        *("2025-10-08 23:59:59", "2025-10-08 23:59:59"),
        ("2025-10-09 00:59:59", "2025-10-11 00:00", "2025-10-15 00:00", "2025-10-24 00:00"),
    ),
    "e": (
        *("2025-10-09 00:00:00", "2025-10-09 00:00:00"),
        ("2025-10-09 01:00", "2025-10-12 00:00", "2025-10-16 00:00", "2025-10-25 00:00"),
    ),
    "f": (  # by arrival the reply would be due 10-14 00:00, the resolution 10-17: wrong
        *("2025-10-09 23:59:50", "2025-10-10 00:00:10"),
        ("2025-10-10 00:59:50", "2025-10-12 00:00", "2025-10-16 00:00", "2025-10-25 00:00"),
    ),
}
WARNED_B = {
    ("reply.mobile", "50"): "2025-10-09 20:30:00",
    ("reply.mobile", "80"): "2025-10-10 13:00:00",
    ("reply.mobile", "last"): "2025-10-10 23:45:00",
    ("resolve", "50"): "2025-10-11 08:30:00",
    ("resolve", "80"): "2025-10-13 22:36:00",
    ("resolve", "last"): "2025-10-14 23:45:00",
}


async def told(world: World, row: str, subscriber: str) -> str:
    """A personal customer's mobile call-quality complaint, told at the row's start."""
    start, arrival, _ = ROWS[row]
    await world.at(arrival)
    words = {"kind": "words", "channel": "hotline_10010", "text": "通话断断续续"}
    more = {"category": "mobile.noncoverage.call_quality", "subscriber": subscriber}
    await world.player.say("10010", f"call-{subscriber}", sh(start), **words, **more)
    await world.settle()
    return str((await world.player.outcome("10010", f"call-{subscriber}"))["complaint"])


@scene
async def test_national_day_2025(world: Stage) -> None:
    told_at = {}
    for number, row in enumerate(ROWS):
        told_at[row] = await told(world, row, f"1380000010{number}")
        if row == "b":
            late, unanswered = [await told(world, row, f"1380000020{n}") for n in (1, 2)]
    for row, (_, _, dues) in ROWS.items():
        clocks = await world.clocks(told_at[row])
        for name, due in zip(CLOCKS, dues, strict=True):
            assert clocks[name, 1]["due_at"] == sh(due), (row, name)

    await world.at("2025-10-10 10:00:00")
    by, late_by = [await world.accepts(one) for one in (told_at["b"], late)]
    await world.at("2025-10-10 23:59:59")
    await world.answers(told_at["b"], by)
    await world.at("2025-10-11 00:00:00.001000")
    await world.answers(late, late_by)
    await _judged(world, told_at["b"], late)
    await world.at("2025-10-15 00:00:01")
    await _warned(world, unanswered)


async def _judged(world: World, in_time: str, late: str) -> None:
    """Row b answered Fri 2025-10-10 23:59:59 is met; a millisecond after midnight it is broken."""
    met = (await world.clocks(in_time))["reply.mobile", 1]
    assert (met["state"], met["met_at"]) == ("met", sh("2025-10-10 23:59:59"))
    assert (await world.clocks(late))["reply.mobile", 1]["state"] == "breached"
    breaches = [
        (one.data.due_at, one.at)
        for one in await world.events(late, "clock.breached")
        if one.data.clock == "reply.mobile"
    ]
    assert breaches == [(sh("2025-10-11 00:00:00"), sh("2025-10-11 00:00:00"))]


async def _warned(world: World, complaint: str) -> None:
    """Warned at the page's instants, once each, and never between 10-01 00:00 and 10-08 24:00."""
    warned = await world.events(complaint, "clock.warned")
    of_day_clocks = [
        ((one.data.clock, one.data.level.value), one.at)
        for one in warned
        if one.data.clock in ("reply.mobile", "resolve")
    ]
    assert sorted(of_day_clocks) == sorted((key, sh(at)) for key, at in WARNED_B.items())
    quiet = (sh("2025-10-01 00:00:00"), sh("2025-10-09 00:00:00"))
    assert [one for one in warned if quiet[0] <= one.at < quiet[1]] == [
        one for one in warned if one.data.clock == "legal.answer" and quiet[0] <= one.at < quiet[1]
    ]
