"""SCENARIOS S3: the 10015 desk, 7 x 10 h; requests by the customer's wish, at any hour."""

from tests.e2e.scenes import Stage, scene
from tests.e2e.world import World, sh

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
    told = {}
    await world.at(f"{day} 06:30:00")
    for number, row in enumerate(rows):
        who = {"subscriber": f"138{day[8:]}00030{number}", "category": "billing"}
        told[row] = await world.say(text="话费有误", **who)
    for row in rows:
        receipt = (await world.receipt(told[row])).replace("-", "")
        await world.at(ROWS[row][0])
        await world.say(kind="escalation_wish", text="我要找10015", receipt=receipt)
        await world.settle()
    return told


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
