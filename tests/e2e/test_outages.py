"""Guarantee 3: Kafka away for 30 s, PostgreSQL restarted, under load: all resumes by itself."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from infra.local import LocalStack
from tests.e2e.processes import LOOP, Crew, check, message_bytes, six
from tests.stack import on_real_kafka

AWAY_SECONDS = 30.0
DATABASE_AWAY_SECONDS = 8.0
"""Longer than a request waits for a connection, so that some are told to come again."""
pytestmark = pytest.mark.kafka


@pytest.fixture(autouse=True)
def _needs_kafka() -> None:
    if not on_real_kafka():
        pytest.skip("NO REAL KAFKA: Java or Maven is missing")


async def tell_by_http(crew: Crew, names: list[str], ended: asyncio.Event) -> list[Any]:
    """Customers of an app, whose gateway asks again after as long as it was told to wait.

    Returns every answer that was no yes: nothing but 503 with Retry-After, or no answer at all.
    """
    headers = {**crew.player.headers("channel", "channel:crew"), "Content-Type": "application/json"}
    noes: list[Any] = []
    url = crew.system.urls["intake"]["api"] + "/messages"
    async with httpx.AsyncClient(trust_env=False, timeout=30) as client:
        while not ended.is_set():
            name = f"http-{len(names)}"
            body = message_bytes(name)
            while True:
                try:
                    answer = await client.post(url, content=body, headers=headers)
                except httpx.TransportError as error:
                    noes.append(type(error).__name__)
                    await asyncio.sleep(0.5)
                    continue
                if answer.status_code in (200, 201):
                    names.append(name)
                    crew.told.setdefault(name, "")
                    break
                assert answer.status_code == 503, answer.text
                assert int(answer.headers["Retry-After"]) >= 1
                assert answer.headers["content-type"].startswith("application/problem+json")
                noes.append(503)
                await asyncio.sleep(1.0)
            await asyncio.sleep(0.2)
    return noes


async def outage(folder: Path, away: Callable[[LocalStack], Awaitable[None]]) -> list[Any]:
    """Load, the outage amid it, and then everything that was promised is there."""
    async with six(folder) as (system, crew):
        stack = system.stack
        assert isinstance(stack, LocalStack)
        told = await crew.tell(3)
        await crew.until_closed(told)
        yes: list[str] = []
        ended = asyncio.Event()
        telling = asyncio.create_task(tell_by_http(crew, yes, ended))
        await asyncio.sleep(2)
        await away(stack)
        before = len(yes)
        await asyncio.sleep(3)
        ended.set()
        noes = await telling
        assert len(yes) > before, "nothing was taken after the outage"
        told += await crew.tell(3)
        await crew.until_closed([*told, *yes])
        await check(system, crew, [*told, *yes], LOOP)
        return noes


def test_kafka_away_for_half_a_minute(tmp_path: Path) -> None:
    """Intake commits without Kafka, so it goes on saying yes; the relay sends it all later."""

    async def away(stack: LocalStack) -> None:
        await asyncio.to_thread(stack.stop_kafka)
        await asyncio.sleep(AWAY_SECONDS)
        await asyncio.to_thread(stack.start_kafka)

    noes = asyncio.run(outage(tmp_path, away))
    assert noes == []


def test_postgresql_restarted(tmp_path: Path) -> None:
    """Where intake cannot commit it says 503 and when to come again; never a yes it cannot keep."""

    async def away(stack: LocalStack) -> None:
        await asyncio.to_thread(stack.postgres.stop)
        await asyncio.sleep(DATABASE_AWAY_SECONDS)
        await asyncio.to_thread(stack.postgres.start)

    noes = asyncio.run(outage(tmp_path, away))
    assert 503 in noes
    assert set(noes) == {503}
