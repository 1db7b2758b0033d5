"""Six months and a day, with holds, appeals, erasures and a straddling complaint (issue 5).

DOMAIN, Audit and retention: "counted in calendar months after closing (closed 31 August -> nothing
goes before 1 March 00:00)"; "an open complaint, an open appeal or a legal hold stops every
deletion". The period is set to the floor itself, by a version of the policy.
"""

import json
from pathlib import Path
from typing import Any

import yaml

from tests.e2e.commands import bihuan, told
from tests.e2e.world import World, play, sh

START = "2025-08-31 09:00:00"
SEED = Path(__file__).parents[2] / "services/audit/policy/retention.v1.yaml"
NAMES = ("goes", "merged", "held", "appealed", "erased", "straddling", "open")
BY_SMS = {"channel": "sms", "reply_to": {"kind": "sms", "address": "13977710001"}}


async def told_by(world: World, number: int, **more: Any) -> str:
    """A complaint of a customer of its own."""
    phone = f"139777100{number:02}"
    reply = {"kind": "sms", "address": phone}
    words = {"text": f"第{number}位客户", "subscriber": phone, "reply_to": reply, **more}
    return await world.say(**{"channel": "sms", "category": "mobile.coverage", **words})


async def told_all(world: World) -> dict[str, str]:
    """Seven complaints of 31 August."""
    found = {name: await told_by(world, nr) for nr, name in enumerate(NAMES) if name != "merged"}
    await world.at("2025-08-31 09:30:00")
    found["merged"] = await told_by(world, 0, category="product")
    body = {"into": found["goes"], "reason": "same_matter"}
    await world.player.do("intake", f"/complaints/{found['merged']}/merge", body, role="manager")
    await world.settle()
    for name in ("goes", "held", "appealed", "erased", "straddling"):
        who = await world.accepts(found[name])
        await world.answers(found[name], who)
    await world.at("2025-08-31 20:00:00")
    for name in ("goes", "held", "appealed", "erased"):
        await world.replies(await world.receipt(found[name]), 9, resolved=True)
    return found


async def kept_for(world: World, data: Path, folder: Path, period: dict[str, int]) -> int:
    """Brings a version of the policy into force now; the exit code."""
    content = yaml.safe_load(SEED.read_text("utf-8"))
    content |= {"version": "half-a-year", "effective_from": "2025-08-31", "otherwise": period}
    path = folder / "retention.yaml"
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    code, _, _ = await bihuan(data, "policy", "activate", str(path), "--from", "now")
    await world.settle()
    return code


async def stays(data: Path, cohort: str = "2025-08") -> dict[str, tuple[bool, list[str], Any]]:
    """Of each complaint of the month: whether it goes, what keeps it, from when it may go."""
    code, plan = await told(data, "retention", "plan", "--cohort", cohort)
    assert code == 0
    return {
        one["complaint"]: (one["goes"], [why["code"] for why in one["reasons"]], one["due"])
        for one in plan["items"]
    }


def test_six_months_and_a_day(tmp_path: Path) -> None:
    async def scene(world: World) -> None:
        data = world.system.places.data
        assert await kept_for(world, data, tmp_path, {"days": 183}) == 1, "below the floor"
        assert await kept_for(world, data, tmp_path, {"months": 6}) == 0
        all_of = await told_all(world)
        ids = {complaint: name for name, complaint in all_of.items()}
        await kept(world, data, all_of)

        await world.at("2026-02-28 23:59:59.999999")
        before = await stays(data)
        assert {ids[one]: why[1] for one, why in before.items()} == {
            "goes": ["not_yet"],
            "merged": ["not_yet"],
            "held": ["held", "not_yet"],
            "appealed": ["open", "appealed"],
            "erased": ["not_yet"],
            "straddling": ["not_yet"],
            "open": ["open"],
        }
        code, _, err = await bihuan(
            data, "retention", "propose", "2025-08", "--ground", "retention_over"
        )
        assert (code, "nothing-goes" in err or "No complaint of this month" in err) == (2, True)

        await world.at("2026-03-01 00:00:00")
        now = await stays(data)
        assert {ids[one] for one, why in now.items() if why[0]} == {"goes", "merged"}
        assert now[all_of["held"]][1] == ["held"]
        await purged(world, data, all_of)

    play(tmp_path / "system", START, scene)


async def kept(world: World, data: Path, all_of: dict[str, str]) -> None:
    """What keeps the others."""
    hold = ("--ground", "lawsuit", "--complaint", all_of["held"])
    assert (await bihuan(data, "hold", "place", "court-7", *hold))[0] == 0
    receipt = (await world.receipt(all_of["appealed"])).replace("-", "")
    await world.say(
        "regulator",
        kind="regulator_referral",
        channel="regulator",
        text="请核查",
        receipt=receipt,
        regulator={"ref": "GX-2025-0831"},
    )
    await world.at("2025-09-15 10:00:00")
    await world.replies(await world.receipt(all_of["straddling"]), 9, resolved=True)


async def purged(world: World, data: Path, all_of: dict[str, str]) -> None:
    """Two people, one plan."""
    ground = ("--ground", "retention_over")
    code, proposed = await told(data, "retention", "propose", "2025-08", *ground)
    assert code == 0
    plan = ("--plan", proposed["plan"])
    own = ("--as", "auditor")
    assert (await bihuan(data, "retention", "approve", "2025-08", *plan, *own))[0] == 1
    late = ("--ground", "lawsuit", "--complaint", all_of["goes"])
    assert (await bihuan(data, "hold", "place", "court-8", *late))[0] == 0
    await world.settle()
    code, no = await told(data, "retention", "approve", "2025-08", *plan)
    assert (code, "not what was proposed any more" in no["error"]) == (1, True)
    assert sh(START)
    assert json.dumps(no)
