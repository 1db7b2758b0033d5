"""Who starts has not heard yet what was revoked meanwhile, and lets nobody in before it has."""

import asyncio
import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx

from contracts.catalogue import DECODE
from contracts.housekeeping import TokenRevoked
from contracts.runtime import ACCESS
from libs.decider import To
from libs.eventlog.envelope import Origin
from libs.eventlog.service import Service
from libs.messaging.access import RevokeToken, following
from libs.messaging.app import App
from libs.messaging.catching_up import CATCHING_UP
from libs.timekeeping.clock import SteppedClock
from libs.web.auth import issue_token, load_signing_key
from tests.integration.runtime.test_goes_on_from_the_database import until
from tests.integration.runtime.toys import START, make_app, thrower
from tests.stack import Room, room

NAMES = ("thrower", "intake")


def service(name: str) -> Service:
    return following(replace(thrower(), name=name, types=DECODE), ACCESS)


async def ask(app: App, token: str) -> tuple[int, str]:
    """What it says to this token: status and rule."""
    async with httpx.AsyncClient(trust_env=False) as client:
        headers = {"Authorization": f"Bearer {token}"}
        answer = await client.get(f"{app.api_url}/openapi.json", headers=headers)
    return answer.status_code, answer.json().get("rule", "")


async def revoke(door: App, digest: str) -> None:
    """intake puts it on record, and on the log."""
    told = TokenRevoked(
        token="t-1", who="agent:8812", by="admin:local", reason="lost", digest=digest
    )
    command = To(digest, RevokeToken(at=START + timedelta(hours=1), event=told))
    await door.in_thread(
        door.writer.transact, lambda work: work.apply(command, Origin("test", "admin:local"))
    )
    await until_sent(door)


async def until_sent(app: App) -> None:
    async with asyncio.timeout(60):
        while not await app.all_sent():  # noqa: ASYNC110 - what is waited for tells nobody
            await asyncio.sleep(0.02)


def held_up(app: App) -> threading.Event:
    """Nothing is taken from the log until this is set."""
    may_take, take = threading.Event(), app.inbox.take

    def later(records: Sequence[Any]) -> Any:
        assert may_take.wait(60)
        return take(records)

    app.inbox.take = later  # type: ignore[method-assign]
    return may_take


def test_a_token_revoked_while_a_service_was_down_opens_nothing_from_its_start(
    tmp_path: Path,
) -> None:
    async def play(where: Room) -> None:
        clock = SteppedClock(START)
        first, door = (make_app(service(name), where, tmp_path, clock) for name in NAMES)
        await asyncio.gather(first.start(), door.start())
        token = issue_token(
            load_signing_key(tmp_path / "signing-key.json"),
            actor="agent:8812",
            roles=["agent"],
            real_now_s=time.time(),
        )
        await until(lambda: first.access is not None and not first.access.closed)
        assert await ask(first, token) == (200, "")
        await until_sent(first)
        await first.stop()
        await revoke(door, sha256(token.rpartition(".")[0].encode()).hexdigest())
        again = make_app(service("thrower"), where, tmp_path, clock)
        may_take = held_up(again)
        try:
            await again.start()
            for _ in range(5):
                assert await ask(again, token) == (503, "unavailable")
                assert CATCHING_UP in await again.ready()
                await asyncio.sleep(0.1)
            may_take.set()
            await until(lambda: again.access is not None and not again.access.closed)
            assert await ask(again, token) == (401, "token-revoked")
            assert await again.ready() == []
        finally:
            may_take.set()
            await asyncio.gather(again.stop(), door.stop())

    with room(NAMES) as where:
        asyncio.run(play(where))
