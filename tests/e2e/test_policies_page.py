"""docs/policies.md played on the running system: one province's repair limit, from Monday on."""

import re
from pathlib import Path
from typing import Any

from contracts.housekeeping import PolicyActivated
from libs.eventlog.policies import content_digest
from libs.eventlog.policy_files import read_policy_file
from tests.e2e.commands import bihuan, told
from tests.e2e.world import World, play, sh
from tests.unit.cli.test_policies_page import PAGE, followed
from tests.unit.cli.test_policy_check import line_of

SEED_DAYS = Path(__file__).parents[2] / "services/sla_watch/policy/working_days.v1.yaml"
START = "2026-12-01 09:00:00"
"""A Tuesday; next Monday is 7 December."""
RURAL = "repair.broadband.rural"
QINGHAI = "repair.broadband.rural.qinghai"


def commands(page: str, path: Path) -> list[list[str]]:
    """The numbered steps' commands as the page has them, with the file where it really is."""
    steps = page.split("\n## ", maxsplit=1)[0]
    found = re.findall(r"^\d\. .*?`bihuan ([^`]+)`", steps, re.MULTILINE)
    return [
        [str(path) if word == "clocks.v2.yaml" else word for word in one.split()] for one in found
    ]


async def broken_down(world: World, province: str, number: int) -> str:
    """A village's broadband is down, told now."""
    return await world.say(
        text="村里宽带断了",
        subscriber=f"139000066{number:02}",
        category="broadband.fault",
        district_type="rural",
        home_province=province,
    )


async def repair(world: World, complaint: str) -> tuple[str, str, Any, str]:
    """Its repair clock: which, of which version, due when, and where it stands."""
    (found,) = [
        one for one in (await world.clocks(complaint)).values() if one["purpose"] == "repair"
    ]
    return found["clock"], found["policy"], found["due_at"], found["state"]


def test_who_follows_the_page_changes_one_provinces_limit_and_sees_what_it_touched(
    tmp_path: Path,
) -> None:
    """Issue 4, Done when: change it, check, activate from next Monday, see what it touched."""
    path = followed(tmp_path)
    check, diff, activate, listing, touched = commands(PAGE.read_text(encoding="utf-8"), path)

    async def scene(world: World) -> None:
        data = world.system.places.data
        assert (await bihuan(data, *check))[0] == 0
        code, changes = await told(data, *diff)
        assert QINGHAI in str(changes["differences"])
        code, done = await told(data, *activate)
        assert (code, done["activated"], done["state"]) == (0, True, "coming")
        assert done["active_from"] == "2026-12-06T16:00:00.000000Z", "Monday 00:00 in Shanghai"
        await _on_record(world, listing, path)
        await _refused(data, bad_files(path, tmp_path))
        await _before_and_after(world, touched)
        await _asked_at_instants(data)
        same = await told(data, "policy", "diff", "clocks", str(path), "--in-force")
        assert (same[0], same[1]["differences"]) == (0, [])
        await _calendar_for_later(world, tmp_path)

    play(tmp_path / "data", START, scene)


async def _on_record(world: World, listing: list[str], path: Path) -> None:
    """Who, when, digest, content, from when: in the list and in the log, once."""
    data = world.system.places.data
    content = read_policy_file(path).content
    code, listed = await told(data, *listing)
    assert code == 0
    assert [(one["version"], one["state"], one["activated_by"]) for one in listed["versions"]] == [
        ("1", "in_force", "system:sla_watch"),
        ("2", "coming", "admin:local"),
    ]
    assert listed["versions"][1]["activated_at"] == "2026-12-01T01:00:00.000000Z"
    assert listed["versions"][1]["sha256"] == content_digest(content)
    code, again = await told(data, "policy", "activate", str(path))
    assert (code, again["activated"], again["version"]) == (0, False, "2")
    await world.settle()
    (event,) = [
        one
        for one in await world.log()
        if isinstance(one.data, PolicyActivated)
        and (one.data.name, one.data.seed) == ("clocks", False)
    ]
    assert (event.source, event.actor) == ("/bihuan/sla_watch", "admin:local")
    assert (event.time, event.data.effective_from) == (sh(START), sh("2026-12-07 00:00:00"))
    assert (event.data.sha256, event.data.content) == (content_digest(content), dict(content))


def bad_files(path: Path, folder: Path) -> list[tuple[Path, int, str, str]]:
    """Files that must not come into force: each with the line, the rule or kind, and what to do."""
    text = path.read_text(encoding="utf-8")
    number, since, odd = 'version: "2"', 'effective_from: "2026-12-07"', "[broadband.instal]"
    past = 'effective_from: "2026-11-30"'
    bad = [
        ("policy-version-taken", "limit: 30 hours", "limit: 29 hours", number, "name a new one"),
        ("policy-versions-overlap", number, 'version: "3"', since, "from a later instant"),
        (
            *("policy-counts-from-the-past", f"{number}\n{since}", f'version: "3"\n{past}'),
            *(past, "has passed"),
        ),
        ("floor", "limit: 15 days", "limit: 16 days", "limit: 16 days", "15 days or less"),
        ("unknown", "[broadband.install]", odd, odd, "did you mean broadband.install?"),
    ]
    found = []
    for rule, old, new, words, todo in bad:
        wrong = folder / f"{rule}.yaml"
        wrong.write_text(text.replace(old, new), encoding="utf-8")
        found.append((wrong, line_of(wrong, words), rule, todo))
    return found


async def _refused(data: Path, bad: list[tuple[Path, int, str, str]]) -> None:
    """Each refusal names file, line and what to do; version 2 stays what is to come."""
    for wrong, line, rule, todo in bad:
        code, _, said = await bihuan(data, "policy", "activate", str(wrong))
        assert (code, rule in said, todo in said) == (1, True, True), said
        assert f"{wrong}:{line}: " in said, said
    code, listed = await told(data, "policy", "list", "clocks")
    assert (code, [one["version"] for one in listed["versions"]]) == (0, ["1", "2"])


async def _before_and_after(world: World, touched: list[str]) -> None:
    await world.at("2026-12-04 10:00:00")
    friday = await broken_down(world, "qinghai", 1)
    await world.at("2026-12-06 23:59:59")
    sunday = await broken_down(world, "qinghai", 2)
    await world.at("2026-12-07 00:00:00")
    monday = await broken_down(world, "qinghai", 3)
    elsewhere = await broken_down(world, "gansu", 4)
    assert await repair(world, sunday) == (RURAL, "1", sh("2026-12-08 11:59:59"), "running")
    assert await repair(world, monday) == (QINGHAI, "2", sh("2026-12-08 06:00:00"), "running")
    assert await repair(world, elsewhere) == (RURAL, "2", sh("2026-12-08 12:00:00"), "running")
    who = await world.accepts(sunday)
    await world.at("2026-12-08 11:00:00")
    await world.answers(sunday, who)
    await world.at("2026-12-08 12:00:01")
    await world.settle()
    assert await repair(world, friday) == (RURAL, "1", sh("2026-12-05 22:00:00"), "breached")
    assert await repair(world, sunday) == (RURAL, "1", sh("2026-12-08 11:59:59"), "met")
    assert await repair(world, monday) == (QINGHAI, "2", sh("2026-12-08 06:00:00"), "breached")
    assert await repair(world, elsewhere) == (RURAL, "2", sh("2026-12-08 12:00:00"), "breached")

    code, report = await told(world.system.places.data, *touched, "--clocks")
    assert code == 0
    rows = {one["clock"]: one for one in report["rows"]}
    repairs = {
        name: (one["started"], one["breached"]) for name, one in rows.items() if RURAL in name
    }
    assert repairs == {QINGHAI: (1, 1), RURAL: (1, 1)}
    assert {one["started_before"] for one in rows.values()} == {0}, "none of the old ones"
    assert min(one["first_from"] for one in rows.values()) == "2026-12-06T16:00:00.000000Z"
    touched_repairs = {one["complaint"] for one in report["clocks"] if one["purpose"] == "repair"}
    assert touched_repairs == {monday, elsewhere}
    every = [
        clock["policy"]
        for one in (friday, sunday, monday, elsewhere)
        for clock in (await world.clocks(one)).values()
    ]
    assert {one["version"]: one["started"] for one in report["versions"]} == {
        "1": every.count("1"),
        "2": every.count("2"),
    }
    assert len(report["clocks"]) == every.count("2")


async def _asked_at_instants(data: Path) -> None:
    for at, version, rows in (("2026-12-06T23:59:59+08:00", "1", 1), ("2026-12-07", "2", 2)):
        code, shown = await told(data, "policy", "show", "clocks", "--at", at)
        named = [one for one in shown["content"]["clocks"] if one["code"].startswith(RURAL)]
        assert (code, shown["version"], len(named)) == (0, version, rows)
    code, out, _ = await bihuan(data, "policy", "show", "clocks")
    assert (code, "limit: 30 hours" in out) == (0, True)
    assert (await bihuan(data, "policy", "show", "clocks", "--at", "2003-12-31"))[0] == 1
    code, year = await told(data, "calendar", "show", "2026")
    assert (code, year["working_days"], year["reaches"]) == (0, 248, "2026-12-31")
    assert (await bihuan(data, "calendar", "show", "2027"))[0] == 1
    code, out, _ = await bihuan(data, "calendar", "show", "2026")
    assert "国庆节" in out
    assert (await bihuan(data, "policy", "touched", "clocks", "3"))[0] == 1
    for words in (("policy", "list"), ("policy", "touched", "clocks", "1")):
        assert (await bihuan(data, *words))[0] == 0


async def _calendar_for_later(world: World, folder: Path) -> None:
    """Convention 12: "*unknown* with an alarm until a calendar version is loaded", at its instant.

    The legal answer: 15 calendar days from Sunday 20 December end on Monday 4 January 2027.
    """
    data = world.system.places.data
    year = folder / "working_days.v2.yaml"
    text = SEED_DAYS.read_text(encoding="utf-8")
    for old, new in (
        ('"2026.1"', '"later"'),
        ('"2026-12-31"', '"2027-12-31"'),
        ("{}", '{"2027-01-01": "New Year\'s Day"}'),
    ):
        text = text.replace(old, new)
    year.write_text(text, encoding="utf-8")
    await world.at("2026-12-20 11:00:00")
    complaint = await world.say(text="话费不对，多扣了钱", subscriber="13900006699")

    async def legal() -> tuple[Any, str]:
        found = (await world.clocks(complaint))[("legal.answer", 1)]
        return found["due_at"], found["state"]

    assert await legal() == (None, "unknown")
    code, done = await told(data, "policy", "activate", str(year), "--from", "2026-12-22")
    assert (code, done["state"]) == (0, "coming")
    await world.at("2026-12-22 00:00:00")
    assert await legal() == (None, "unknown"), "not a moment too early"
    await world.settle()
    assert await legal() == (sh("2027-01-05 00:00:00"), "running")
    (moved,) = await world.events(complaint, "clocks.rescheduled")
    assert (moved.time, moved.data.since) == (sh("2026-12-22 00:00:00"),) * 2
    assert (moved.actor, moved.data.clocks[0].calendar) == ("system:sla_watch", "later")
