"""Nobody unknown gets in: every route of every service, every role, every kind of bad token.

Routes are read off the running services, so one that is added is held to the same. With the check
off (`Authenticator.caller` answering for any header) the forged tokens below are seen to get in.
"""

import asyncio
import base64
import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

import infra
from libs.web.auth import Authenticator, Caller, SigningKey, issue_token, make_signing_key
from tests.e2e.refusals.conftest import Door, Running, is_problem
from tests.e2e.world import World

ROLES: Mapping[str, list[str]] = yaml.safe_load(
    Path(str(infra.__file__)).with_name("access.v1.yaml").read_text(encoding="utf-8")
)["roles"]
AT_ONCE = 8
SERVED = {"intake", "routing", "sla_watch", "escalation", "feedback_survey", "audit"}


def _part(value: Mapping[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def forged(signing: SigningKey, folder: Path) -> dict[str, str]:
    """Authorization headers that must not open anything, by what is wrong with them."""
    now = time.time()
    everything: dict[str, Any] = {"actor": "agent:1", "roles": list(ROLES), "real_now_s": now}
    other = make_signing_key(folder / "other")
    good = issue_token(signing, **everything)
    head, claims, signature = good.split(".")
    more = json.loads(base64.urlsafe_b64decode(claims + "=="))
    none = _part({"alg": "none", "kid": signing.kid})
    tokens = {
        "expired": issue_token(signing, **{**everything, "real_now_s": now - 9 * 3600}),
        "not yet valid": issue_token(signing, **{**everything, "real_now_s": now + 3600}),
        "for another audience": issue_token(signing, **everything, audience="elsewhere"),
        "by another issuer": issue_token(signing, **everything, issuer="elsewhere"),
        "by another key": issue_token(other, **everything),
        "by another key under our key's id": issue_token(
            SigningKey(other.key, signing.kid), **everything
        ),
        "algorithm none": f"{none}.{claims}.",
        "algorithm none, signed": f"{none}.{claims}.{signature}",
        "claims changed": f"{head}.{_part({**more, 'sub': 'agent:2'})}.{signature}",
        "no signature": f"{head}.{claims}.",
        "not a token": "x",
        "longer than any": "x" * 20_000,
    }
    return {
        "no header": "",
        "another scheme": f"Basic {good}",
        "the token in no scheme": good,
        **{what: f"Bearer {token}" for what, token in tokens.items()},
    }


async def asked(
    world: World, calls: list[tuple[Door, Mapping[str, str]]]
) -> list[tuple[Door, httpx.Response]]:
    """Each call without key and body, some at a time."""
    gate = asyncio.Semaphore(AT_ONCE)
    async with httpx.AsyncClient(timeout=60, trust_env=False) as client:

        async def one(door: Door, headers: Mapping[str, str]) -> tuple[Door, httpx.Response]:
            async with gate:
                url = world.system.urls[door.service]["api"] + door.path
                return door, await client.request(door.method, url, headers=headers)

        return await asyncio.gather(*(one(*call) for call in calls))


def knock(running: Running, headers: Mapping[str, str]) -> list[tuple[Door, httpx.Response]]:
    """Every route of the system with these headers."""
    calls = [(door, headers) for door in running.doors()]
    return list(running.do(lambda world: asked(world, calls)))


def test_every_service_is_asked(running: Running) -> None:
    doors = running.doors()
    assert {door.service for door in doors} == SERVED
    assert {"vault.seal", "vault.open"} <= {door.action for door in doors}


def test_without_a_token_that_is_ours_and_fresh_nothing_opens(
    running: Running, tmp_path: Path
) -> None:
    for what, header in forged(running.world.system.signing, tmp_path).items():
        for door, answer in knock(running, {"Authorization": header} if header else {}):
            assert answer.status_code == 401, (what, str(door), answer.text)
            assert answer.headers["www-authenticate"].startswith("Bearer"), (what, str(door))
            assert is_problem(answer), (what, str(door))
            assert answer.json()["rule"] == "not-authenticated"


def test_the_check_of_tokens_is_what_keeps_them_out(
    running: Running, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def anybody(_self: Authenticator, _header: str | None) -> Caller:
        return Caller("agent:1", frozenset(ROLES), None, {})

    monkeypatch.setattr(Authenticator, "caller", anybody)
    assert not [one for _, one in knock(running, {}) if one.status_code == 401]


@pytest.mark.parametrize("role", ROLES)
def test_a_role_may_do_what_the_table_says_and_nothing_else(running: Running, role: str) -> None:
    token = running.world.player.headers(role, "agent:4711")
    for door, answer in knock(running, token):
        allowed = door.action is None or door.action in ROLES[role]
        said = (role, str(door), answer.status_code, answer.text[:300])
        if allowed:
            assert answer.status_code not in (401, 403), said
            assert answer.status_code < 500, said
        else:
            assert answer.status_code == 403, said
            assert answer.json()["rule"] == "not-allowed", said
        assert answer.is_success or is_problem(answer), said


def test_a_role_the_table_lacks_may_do_nothing(running: Running) -> None:
    for door, answer in knock(running, running.world.player.headers("emperor", "agent:4711")):
        if door.action is not None:
            assert (answer.status_code, is_problem(answer)) == (403, True), str(door)


def test_only_health_and_metrics_are_open(running: Running) -> None:
    for app in running.world.system.apps.values():
        paths = {getattr(route, "path", "") for route in app.health.routes}
        assert paths == {"/health/live", "/health/ready", "/metrics", "/openapi.json"}
