"""What comes later about a person: held, locked, surveyed and told of as DOMAIN has it.

Scenes that share the world of all scenes; `test_persons.py` plays one person's whole erasure.
"""

import json
from typing import Any

from tests.e2e.commands import bihuan, told
from tests.e2e.scenes import Stage, scene

BILL: dict[str, Any] = {"text": "多扣了话费", "category": "billing.overcharge"}
SIGNAL: dict[str, Any] = {"text": "没有信号", "category": "mobile.coverage"}


async def person_of(stage: Stage, number: str) -> str:
    code, out, err = await bihuan(stage.system.places.data, "person", "find", "--json", said=number)
    assert code == 0, err
    return str(json.loads(out)["person"])


async def held_by(stage: Stage, hold: str) -> set[str]:
    await stage.settle()
    code, on = await told(stage.system.places.data, "hold", "list")
    assert code == 0
    return {one["complaint"] for one in on["holds"] if one["hold"] == hold}


@scene
async def test_a_hold_by_person_or_time_holds_what_comes_while_it_is_on(stage: Stage) -> None:
    data = stage.system.places.data
    mine, theirs = "18600007101", "18600007102"
    await stage.at("2025-10-21 09:07:00")
    first = await stage.say(**BILL, subscriber=mine)
    other = await stage.say(**BILL, subscriber=theirs)
    person = await person_of(stage, mine)
    by_person = ("hold", "place", "court-71", "--ground", "lawsuit", "--person", person)
    assert (await bihuan(data, *by_person))[0] == 0
    assert (await bihuan(data, *by_person))[0] == 0
    span = ("--told-from", "2025-10-21T09:07:30+0800", "--told-to", "2025-10-21T09:08:00+0800")
    by_time = ("hold", "place", "inquiry-71", "--ground", "inquiry", *span)
    assert (await bihuan(data, *by_time))[0] == 0
    assert await held_by(stage, "court-71") == {first}
    assert await held_by(stage, "inquiry-71") == set()

    await stage.at("2025-10-21 09:07:40")
    second = await stage.say(**SIGNAL, subscriber=mine)
    receipt = (await stage.receipt(other)).replace("-", "")
    await stage.say(**BILL, kind="urge", receipt=receipt, subscriber=mine)
    assert await held_by(stage, "court-71") == {first, second, other}
    assert await held_by(stage, "inquiry-71") == {second}
    noted = await stage.events(second, "complaint.hold_noted")
    assert {one.data.hold for one in noted} == {"court-71", "inquiry-71"}

    lift = ("hold", "lift", "court-71", "--ground", "settled")
    assert (await bihuan(data, *lift))[0] == 0
    code, again = await told(data, *lift)
    assert (code, again["events"]) == (0, [])
    assert (await bihuan(data, "hold", "lift", "never-71", "--ground", "settled"))[0] == 1
    await stage.at("2025-10-21 09:09:00")
    await stage.say(text="语音不清", category="mobile.noncoverage", subscriber=mine)
    assert await held_by(stage, "court-71") == set()
    assert (await bihuan(data, "hold", "lift", "inquiry-71", "--ground", "settled"))[0] == 0
