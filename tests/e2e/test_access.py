"""Who may come in and do what: on record, and in force at once in all six services running."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx
import pytest

from cli.places import SERVICES
from cli.player import Denied
from contracts.housekeeping import PolicyActivated, RoleChanged, TokenIssued, TokenRevoked
from libs.web.access import SHIPPED
from libs.web.auth import issue_token
from tests.e2e.commands import bihuan, told
from tests.e2e.world import World, play

START = "2025-10-09 09:00:00"
HEARD_WITHIN_S = 10
ADMIN = "admin:local"


async def asked(world: World, token: str) -> dict[str, tuple[int, str]]:
    """What each service says to this token: status and rule."""
    headers = {"Authorization": f"Bearer {token}"}
    found = {}
    async with httpx.AsyncClient(timeout=30, trust_env=False) as client:
        for name in SERVICES:
            answer = await client.get(
                world.system.urls[name]["api"] + "/openapi.json", headers=headers
            )
            found[name] = (answer.status_code, answer.json().get("rule", ""))
    return found


async def becomes(ask: Callable[[], Awaitable[Any]], expected: Any) -> None:
    """It says this soon: once it has heard of it."""
    for _ in range(HEARD_WITHIN_S * 10):
        if (found := await ask()) == expected:
            return
        await asyncio.sleep(0.1)
    assert found == expected


def test_who_comes_in_is_on_record_and_can_be_kept_out(tmp_path: Path) -> None:
    """Issue 5, 10: "configuration and access are in the same log, as events"."""

    async def scene(world: World) -> None:
        data = world.system.places.data
        token = await _issued(world, data)
        await _seen_first_at_use(world)
        await _revoked(world, data, token)
        await _revoked_under_a_strange_id(world, data)
        await _roles_taken(world, data)
        await _another_table(world, data, tmp_path)

    play(tmp_path / "data", START, scene)


async def _issued(world: World, data: Path) -> str:
    code, out, _ = await bihuan(data, "token", "--role", "auditor", "--actor", "auditor:77")
    token = out.strip()
    assert (code, token.count(".")) == (0, 2)
    await world.settle()
    (event,) = [one for one in await world.log() if _is_of(one, TokenIssued, "auditor:77")]
    assert (event.source, event.data.roles) == ("/bihuan/intake", ("auditor",))
    assert event.data.by == f"key:{world.system.signing.kid}"
    assert await asked(world, token) == dict.fromkeys(SERVICES, (200, ""))
    await world.settle()
    again = [one for one in await world.log() if _is_of(one, TokenIssued, "auditor:77")]
    assert again == [event], "who has heard of it does not put it on record again"
    code, listed = await told(data, "token", "list", "auditor:77")
    (shown,) = listed["tokens"]
    assert (code, shown["token"], shown["revoked"]) == (0, event.data.token, False)
    assert token not in str(await world.log())
    code, _, err = await bihuan(data, "token", "--role", "emperor")
    assert (code, "emperor" in err) == (1, True)
    return token


async def _seen_first_at_use(world: World) -> None:
    """One that was signed elsewhere and shown to nobody yet is on record before it is obeyed."""
    headers = world.player.headers("manager", "agent:5150")
    url = world.system.urls["routing"]["api"] + "/teams"
    async with httpx.AsyncClient(trust_env=False) as client:
        assert (await client.get(url, headers=headers)).status_code == 200
    await world.settle()
    (event,) = [one for one in await world.log() if _is_of(one, TokenIssued, "agent:5150")]
    assert (event.source, event.data.roles) == ("/bihuan/routing", ("manager",))


async def _revoked(world: World, data: Path, token: str) -> None:
    (shown,) = (await told(data, "token", "list", "auditor:77"))[1]["tokens"]
    code, done = await told(data, "token", "revoke", shown["token"], "--reason", "lost")
    assert (code, [one["type"] for one in done["events"]]) == (0, ["token.revoked.v1"])
    refused = dict.fromkeys(SERVICES, (401, "token-revoked"))
    await becomes(lambda: asked(world, token), refused)
    code, again = await told(data, "token", "revoke", shown["token"], "--reason", "lost")
    assert (code, again["events"]) == (0, [])
    (event,) = [one for one in await world.log() if _is_of(one, TokenRevoked, "auditor:77")]
    assert (event.actor, event.data.by, event.data.reason) == ("admin:local", "admin:local", "lost")
    assert (await bihuan(data, "token", "revoke", "nobodys", "--reason", "lost"))[0] == 1


async def _revoked_under_a_strange_id(world: World, data: Path) -> None:
    """Another issuer's ids may hold what no path can: by the id itself, and by the digest."""
    for strange, named in (("shift/7", "shift/7"), ("shift/8?", "")):
        token = issue_token(
            world.system.signing,
            actor="auditor:78",
            roles=["auditor"],
            real_now_s=time.time(),
            token_id=strange,
        )
        assert (await asked(world, token))["intake"] == (200, "")
        digest = sha256(token.rpartition(".")[0].encode()).hexdigest()
        code, done = await told(data, "token", "revoke", named or digest, "--reason", "lost")
        assert (code, [one["type"] for one in done["events"]]) == (0, ["token.revoked.v1"])
        refused = dict.fromkeys(SERVICES, (401, "token-revoked"))
        await becomes(lambda token=token: asked(world, token), refused)  # type: ignore[misc]


async def _roles_taken(world: World, data: Path) -> None:
    who = "agent:5150"
    headers = world.player.headers("manager", who)
    url = world.system.urls["routing"]["api"] + "/teams"

    async def teams() -> int:
        async with httpx.AsyncClient(trust_env=False) as client:
            return (await client.get(url, headers=headers)).status_code

    assert await teams() == 200
    code, done = await told(data, "role", "revoke", who, "--reason", "left")
    assert (code, [one["type"] for one in done["events"]]) == (0, ["role.changed.v1"])
    await becomes(teams, 403)
    code, listed = await told(data, "role", "list")
    (shown,) = listed["roles"]
    assert (shown["who"], shown["roles"], shown["changed_by"]) == (who, [], "admin:local")
    code, _, err = await bihuan(data, "token", "--role", "manager", "--actor", who)
    assert (code, "cannot use manager" in err) == (1, True), "nor is a new one handed out"
    assert (await told(data, "role", "set", who, "manager", "--reason", "came_back"))[0] == 0
    await becomes(teams, 200)
    assert (await bihuan(data, "role", "set", who, "emperor", "--reason", "wish"))[0] == 2
    await world.settle()
    changed = [one for one in await world.log() if _is_of(one, RoleChanged, who)]
    assert [one.data.roles for one in changed] == [(), ("manager",)]


async def _another_table(world: World, data: Path, folder: Path) -> None:
    """Issue 4: activated as an event, from its own instant on, in every service; refused whole."""
    table = folder / "access.v2.yaml"
    text = SHIPPED.read_text(encoding="utf-8")
    text = text.replace('version: "1"', 'version: "2"').replace("2004-01-01", "2025-10-10")
    before, manager = text.rsplit("  manager:\n", 1)
    fewer = manager.replace("    - sla_watch.report\n", "", 1)
    text = f"{before}  manager:\n{fewer}"
    table.write_text(text, encoding="utf-8")
    code, found = await told(data, "policy", "diff", "access", str(table), "--in-force")
    assert [one["where"] for one in found["differences"]] == [
        *("version", "effective_from", "roles.manager"),
    ]
    for old, new, said in (
        ("    - vault.erase\n", "", "nobody may do vault.erase"),
        ("    - vault.erase\n", "    - vault.erasse\n", "did you mean vault.erase?"),
        ("roles:\n", "roles:\n  nobody: []\n", "role nobody is not explained"),
    ):
        body = {"text": text.replace(old, new)}
        with pytest.raises(Denied) as denied:
            await world.player.do("intake", "/policies/access", body, role="admin", actor=ADMIN)
        problem = denied.value.problem
        assert (problem["status"], problem["rule"]) == (422, "policy-unsound")
        assert said in str(problem["errors"]), problem
        assert problem["errors"][0]["where"].startswith("line "), problem
    code, done = await told(data, "policy", "activate", str(table))
    assert (code, done["state"], done["active_from"]) == (
        0,
        "coming",
        "2025-10-09T16:00:00.000000Z",
    )
    await world.settle()
    (event,) = [
        one
        for one in await world.log()
        if isinstance(one.data, PolicyActivated) and one.data.name == "access" and not one.data.seed
    ]
    assert (event.source, event.actor, event.data.version) == ("/bihuan/intake", ADMIN, "2")

    async def reads_report() -> int:
        url = world.system.urls["sla_watch"]["api"] + "/promises"
        headers = world.player.headers("manager", "agent:5151")
        async with httpx.AsyncClient(trust_env=False) as client:
            return (await client.get(url, headers=headers)).status_code

    await asyncio.sleep(1.5)  # long enough for every service to have looked
    assert await reads_report() not in (401, 403)
    await world.at("2025-10-10 00:00:00")
    assert await reads_report() == 403
    shown = await told(data, "policy", "list", "access")
    assert [one["state"] for one in shown[1]["versions"]] == ["past", "in_force"]


def _is_of(one: Any, kind: type[Any], who: str) -> bool:
    return isinstance(one.data, kind) and getattr(one.data, "who", "") == who
