"""Guarantee 4: two instances share partitions; who dies is replaced, a sleeper changes nothing."""

import asyncio
import re
import signal
from collections import Counter
from pathlib import Path

import httpx
import psycopg
import pytest

from cli.system import System, database
from tests.e2e.processes import LOOP, Crew, check, hash_of, message_bytes, six, words_of
from tests.stack import on_real_kafka

PAIRS = 1_000
AT_ONCE = 40
TAKEOVER_SECONDS = 60.0
pytestmark = pytest.mark.kafka


@pytest.fixture(autouse=True)
def _needs_kafka() -> None:
    if not on_real_kafka():
        pytest.skip("NO REAL KAFKA: Java or Maven is missing")


async def partitions_of(system: System, name: str) -> int:
    """How many partitions of the log this instance has; 0 while it has none or does not answer."""
    url = system.urls[name]["health"] + "/metrics"
    try:
        async with httpx.AsyncClient(trust_env=False, timeout=5) as client:
            text = (await client.get(url)).text
    except httpx.TransportError:
        return 0
    found = re.search(r"^bihuan_inbox_partitions (\d+)", text, re.M)
    return int(found[1]) if found else 0


async def until_shared(system: System, *names: str, all_of_them: int) -> None:
    """Waits until these instances have all partitions between them, each at least one."""
    async with asyncio.timeout(TAKEOVER_SECONDS):
        while True:
            shares = [await partitions_of(system, name) for name in names]
            if sum(shares) == all_of_them and all(shares):
                return
            await asyncio.sleep(0.3)


def test_one_dies_the_other_takes_over_and_a_sleeper_that_wakes_changes_nothing(
    tmp_path: Path,
) -> None:
    async def scene() -> None:
        async with six(tmp_path) as (system, crew):
            for service in ("routing", "sla_watch"):
                system.start_process(f"{service}-2", of=service)
                await until_shared(system, service, f"{service}-2", all_of_them=system.partitions)
            told = await crew.tell(10)
            await crew.until_closed(told)
            # one dies amid its work
            told += await crew.tell(5)
            system.running["routing"].kill()
            system.urls["routing"] = system.urls["routing-2"]  # people go where somebody is
            told += await crew.tell(5)
            await crew.until_closed(told)
            assert await partitions_of(system, "routing-2") == system.partitions
            # one falls asleep amid its work, another takes its partitions, then it wakes
            told += await crew.tell(5)
            system.running["sla_watch"].send_signal(signal.SIGSTOP)
            try:
                told += await crew.tell(5)
                await until_shared(system, "sla_watch-2", all_of_them=system.partitions)
            finally:
                system.running["sla_watch"].send_signal(signal.SIGCONT)
            await crew.until_closed(told)
            await check(system, crew, told, LOOP)

    asyncio.run(scene())


async def tell_both_ways(
    crew: Crew, client: httpx.AsyncClient, name: str, doors: list[str]
) -> None:
    """One person says one thing on Kafka and, at the same moment, another by HTTP."""
    headers = {**crew.player.headers("channel", "channel:crew"), "Content-Type": "application/json"}
    again = message_bytes(name).replace(f'"{name}"'.encode(), f'"{name}-again"'.encode())

    async def by_http() -> None:
        for attempt in range(100):
            door = doors[(hash_of(name) + attempt) % len(doors)]
            answer = await client.post(f"{door}/messages", content=again, headers=headers)
            if answer.status_code in (200, 201):
                return
            assert answer.status_code == 503, answer.text
            await asyncio.sleep(0.2)
        raise AssertionError(answer.text)

    await asyncio.gather(crew.tell_as(name), by_http())


def test_a_thousand_simultaneous_first_contacts_make_no_double(tmp_path: Path) -> None:
    async def scene() -> None:
        async with six(tmp_path, working=False) as (system, crew):
            system.start_process("intake-2", of="intake")
            await until_shared(system, "intake", "intake-2", all_of_them=system.partitions)
            doors = [system.urls[name]["api"] for name in ("intake", "intake-2")]
            turn = asyncio.Semaphore(AT_ONCE)

            async with httpx.AsyncClient(trust_env=False, timeout=60) as client:

                async def one(number: int) -> None:
                    async with turn:
                        await tell_both_ways(crew, client, f"pair-{number:04d}", doors)

                await asyncio.gather(*(one(number) for number in range(PAIRS)))
            await _all_taken(system, 2 * PAIRS)
            with psycopg.connect(system.stack.dsn(database("intake"))) as connection:
                kinds = Counter(
                    dict(
                        connection.execute(
                            "SELECT topic, count(*) FROM stored_events GROUP BY topic"
                        ).fetchall()
                    )
                )
            assert kinds["complaint.registered.v1"] == PAIRS
            assert kinds["complaint.contact_linked.v1"] == PAIRS
            assert kinds["message.refused.v1"] == 0

    asyncio.run(scene())


async def _all_taken(system: System, messages: int) -> None:
    """Waits until intake has put so many messages on record, one way or the other."""
    async with asyncio.timeout(120):
        while True:
            with psycopg.connect(system.stack.dsn(database("intake"))) as connection:
                row = connection.execute(
                    "SELECT count(*) FROM stored_events WHERE topic IN "
                    "('complaint.registered.v1', 'complaint.contact_linked.v1', "
                    "'message.refused.v1')"
                ).fetchone()
            assert row is not None
            if row[0] >= messages:
                return
            await asyncio.sleep(0.3)


def test_two_pairs_are_two_people() -> None:
    """The oracle's own sanity: each name is another subscriber."""
    subscribers = {words_of(f"pair-{number:04d}")["subscriber"] for number in range(PAIRS)}
    assert len(subscribers) == PAIRS
