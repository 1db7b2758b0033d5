"""SCENARIOS S3: the 10015 desk, 7 x 10 h; requests by the customer's wish, at any hour."""

from pathlib import Path

import httpx

from tests.e2e.commands import told
from tests.e2e.scenes import Stage, scene
from tests.e2e.world import World, play, sh

CLOCKS = Path(__file__).parents[2] / "services" / "sla_watch" / "policy" / "clocks.v1.yaml"

# row: (requested, first contact due, 50 % / 80 %, decision due); in the order of time
ROWS = {
    "d": (
        *("2025-10-08 15:59:59", "2025-10-08 17:59:59"),
        *(("2025-10-08 16:59:59", "2025-10-08 17:35:59"), "2025-10-11 00:00"),
    ),
    "e": (
        *("2025-10-08 16:00:00", "2025-10-08 18:00:00"),  # not Thu 08:00
        *(("2025-10-08 17:00:00", "2025-10-08 17:36:00"), "2025-10-11 00:00"),
    ),
    "f": (
        *("2025-10-08 16:00:01", "2025-10-09 08:00:01"),
        *(("2025-10-08 17:00:01", "2025-10-08 17:36:01"), "2025-10-11 00:00"),
    ),
    "a": (
        *("2025-10-10 17:30:00", "2025-10-11 09:30:00"),
        *(("2025-10-11 08:30:00", "2025-10-11 09:06:00"), "2025-10-14 00:00"),
    ),
    "b": (
        *("2025-10-11 18:00:00", "2025-10-12 10:00:00"),
        *(("2025-10-12 09:00:00", "2025-10-12 09:36:00"), "2025-10-15 00:00"),
    ),
    "c": (
        *("2025-10-12 07:00:00", "2025-10-12 10:00:00"),
        *(("2025-10-12 09:00:00", "2025-10-12 09:36:00"), "2025-10-15 00:00"),
    ),
}
LAST_OF_F = "2025-10-08 17:45:01"


async def wished(world: World, day: str) -> dict[str, str]:
    """Ordinary complaints of this day, and their customers' wishes at the rows' instants."""
    rows = [row for row in ROWS if ROWS[row][0].startswith(day)]
    named = {}
    await world.at(f"{day} 06:30:00")
    for number, row in enumerate(rows):
        who = {"subscriber": f"138{day[8:]}00030{number}", "category": "billing"}
        named[row] = await world.say(text="话费有误", **who)
    for row in rows:
        receipt = (await world.receipt(named[row])).replace("-", "")
        await world.at(ROWS[row][0])
        await world.say(kind="escalation_wish", text="我要找10015", receipt=receipt)
        await world.settle()
    return named


@scene
async def test_desk_clocks_count_desk_hours_on_every_date_and_decisions_working_days(
    world: Stage,
) -> None:
    complaints = {}
    for day in ("2025-10-08", "2025-10-10", "2025-10-11", "2025-10-12"):
        complaints |= await wished(world, day)
    for row, (requested, contact, _, decision) in ROWS.items():
        (case,) = await world.events(complaints[row], "case.requested")
        assert case.at == sh(requested), row
        clocks = await world.clocks(complaints[row])
        assert clocks["desk.first_contact", 1]["due_at"] == sh(contact), row
        assert clocks["desk.decision", 1]["due_at"] == sh(decision), row
    await world.at("2025-10-12 10:00:00")
    await world.settle()
    for row, (_, contact, warned, _) in ROWS.items():
        await _warned_in_desk_hours(world, complaints[row], row, contact, warned)


async def _warned_in_desk_hours(
    world: World, complaint: str, row: str, contact: str, warned: tuple[str, str]
) -> None:
    seen = {
        one.data.level.value: one.at
        for one in await world.events(complaint, "clock.warned")
        if one.data.clock == "desk.first_contact"
    }
    assert (seen["50"], seen["80"]) == (sh(warned[0]), sh(warned[1])), row
    assert all(8 <= at.astimezone(sh(contact).tzinfo).hour < 18 for at in seen.values()), row
    if row == "f":
        assert seen["last"] == sh(LAST_OF_F)
    breaches = [
        one.at
        for one in await world.events(complaint, "clock.breached")
        if one.data.clock == "desk.first_contact"
    ]
    assert breaches == [sh(contact)], row


# --- desk hours changed while a clock runs, and a calendar that ends: a world of their own -------


def changed_hours() -> str:
    """The clock table of the seed, with other desk hours, from 2025-10-11 00:00 in Shanghai."""
    text = CLOCKS.read_text(encoding="utf-8")
    for was, becomes in (
        ('version: "1"', 'version: "2"'),
        ('effective_from: "2004-01-01"', 'effective_from: "2025-10-11T00:00:00+08:00"'),
        ('every_day: ["08:00-18:00"]', 'every_day: ["08:30-17:30"]'),
    ):
        assert text.count(was) == 1
        text = text.replace(was, becomes)
    return text


async def asks(world: World, instant: str, subscriber: str) -> str:
    """A customer who tells it and asks for the desk at this instant; the complaint."""
    await world.at(instant)
    complaint = await world.say(text="话费有误", category="billing", subscriber=subscriber)
    receipt = (await world.receipt(complaint)).replace("-", "")
    await world.say(kind="escalation_wish", text="我要找10015", receipt=receipt)
    await world.settle()
    return complaint


def test_a_running_clock_keeps_the_desk_hours_that_a_version_changes(tmp_path: Path) -> None:
    """S3: "desk hours changed to 08:30-17:30 from 2025-10-11 00:00 by a policy version: row a,
    already running, keeps 09:30:00".

    Seen to fail with every clock going by the newest version on record.
    """
    play(tmp_path, "2025-10-10 17:00:00", _hours_changed)


async def _hours_changed(world: World) -> None:
    row_a = await asks(world, "2025-10-10 17:30:00", "13810000301")
    await world.at("2025-10-10 20:00:00")
    await world.player.do("sla_watch", "/policies/clocks", {"text": changed_hours()}, role="admin")
    await world.settle()
    dues = {
        row_a: ("1", "2025-10-11 09:30:00"),
        await asks(world, "2025-10-10 20:30:00", "13810000302"): ("1", "2025-10-11 10:00:00"),
        await asks(world, "2025-10-11 07:00:00", "13810000303"): ("2", "2025-10-11 10:30:00"),
    }
    await world.at("2025-10-11 09:30:00")
    await world.settle()
    dues[await asks(world, "2025-10-11 16:30:00", "13810000304")] = ("2", "2025-10-12 09:30:00")
    for complaint, (version, due) in dues.items():
        clock = (await world.clocks(complaint))["desk.first_contact", 1]
        assert (clock["policy"], clock["due_at"]) == (version, sh(due))
    breach = [
        one
        for one in await world.events(row_a, "clock.breached")
        if one.data.clock == "desk.first_contact"
    ]
    assert [one.at for one in breach] == [sh("2025-10-11 09:30:00")]
    await _calendar_ends(world)


async def _calendar_ends(world: World) -> None:
    """DOMAIN, counting 12: "the working-day due is *unknown* with an alarm"."""
    assert await doctors(world) == ("ok", "ready")
    assert "bihuan_sla_unknown_dues 0.0" in await metrics(world)
    await world.at("2026-12-29 10:00:00")
    complaint = await world.say(text="话费有误", category="billing", subscriber="13810000305")
    clocks = await world.clocks(complaint)
    assert (clocks["resolve", 1]["state"], clocks["resolve", 1]["due_at"]) == ("unknown", None)
    assert clocks["first_contact", 1]["due_at"] == sh("2026-12-29 11:00:00")
    assert "bihuan_sla_unknown_dues 2.0" in await metrics(world)
    state, found = await doctors(world)
    assert state == "warning"
    assert found.startswith("2 clocks have no due, for the working days are known until 2026-12-31")


async def metrics(world: World) -> str:
    async with httpx.AsyncClient(trust_env=False) as http:
        return (await http.get(f"{world.app('sla_watch').health_url}/metrics")).text


async def doctors(world: World) -> tuple[str, str]:
    """What `bihuan doctor` finds of sla_watch; the calendar is the running system's."""
    _, findings = await told(world.system.places.data, "doctor")
    by_name = {one["name"]: one for one in findings}
    assert by_name["calendar"]["found"] == "Chinese working days are known until 2026-12-31"
    assert by_name["intake"]["found"] == "ready"
    return by_name["sla_watch"]["state"], by_name["sla_watch"]["found"]
