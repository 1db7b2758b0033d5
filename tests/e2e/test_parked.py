"""Guarantee 5 on the six services: a bad record is parked with its complaint only."""

import asyncio
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer

from cli.player import Denied
from libs.messaging.clients import running
from tests.e2e.world import World, play

START = "2025-10-09 09:00:00"
TOLD = {"text": "手机没信号", "category": "mobile.coverage", "channel": "sms"}
HEARERS = ("intake", "routing", "sla_watch", "escalation", "feedback_survey")
BY_ANSWER = ("intake", "sla_watch")
"""These do nothing about an urge; their rule trips over the answer."""
ALL = (*HEARERS, "audit")
FOREIGN: tuple[tuple[bytes | None, Any], ...] = (
    (b"\xff\xfe{", []),
    (None, []),
    (b"{}", [("position", None), ("after", b"0-0")]),
    (b"{}", [("type", b"\xff"), ("source", b"\xfe"), ("position", b"1-1"), ("after", b"0-0")]),
    (b"{}", [("type", b"work.routed.v1")]),
)
WHY = {"reason": "mended"}


async def broken_in(world: World) -> None:
    """Records that nothing of ours wrote, on every partition of the log."""
    producer = AIOKafkaProducer(bootstrap_servers=world.system.stack.bootstrap)
    async with running(producer):
        for partition in range(world.system.partitions):
            value, headers = FOREIGN[partition % len(FOREIGN)]
            await producer.send_and_wait(
                f"{world.system.topic_prefix}complaints.log",
                value,
                key=b"not ours",
                headers=headers,
                partition=partition,
            )


async def parked(world: World, service: str) -> list[Any]:
    told = await world.player.get(service, "/operations/parked", role="admin", limit=200)
    return [one for one in told["items"] if one["error"] != "foreign"]


def unlucky(world: World, service: str, complaint: str) -> Any:
    """From now on this service's rules raise for this complaint; returns how to mend them."""
    app = world.app(service)
    sound = app.inbox.service

    def react(recorded: Any) -> Any:
        if recorded.subject == complaint:
            raise RuntimeError("MARKER what the rule tripped over")
        return sound.react(recorded)

    def given(service: Any) -> None:
        app.inbox.service = app.writer.service = service

    given(replace(sound, react=react))

    def mend() -> None:
        given(sound)

    return mend


async def closed_loop(world: World, service: str, complaint: str, who: dict[str, Any]) -> None:
    if service not in BY_ANSWER:
        await world.answers(complaint, who)
    await world.replies(await world.receipt(complaint), 9, resolved=True)


async def kinds_of(world: World, complaint: str) -> Counter[str]:
    return Counter(one.type for one in await world.events(complaint))


@pytest.mark.parametrize("service", HEARERS)
def test_a_rule_that_raises_parks_its_complaint_only_and_replay_catches_up(
    tmp_path: Path, service: str
) -> None:
    async def scene(world: World) -> None:
        twins = [
            await world.say(**TOLD, subscriber=f"1380000050{n}", reply_to=_reply_to(n))
            for n in (1, 2)
        ]
        lucky, hit = twins
        who = {one: await world.accepts(one) for one in twins}
        mend = unlucky(world, service, hit)
        for one in twins:
            await world.say(**TOLD, subscriber=f"1380000050{twins.index(one) + 1}")  # an urge
        if service in BY_ANSWER:
            for one in twins:
                await world.answers(one, who[one])
        await world.settle()
        (row,) = await parked(world, service)
        assert (row["subject"], row["error"]) == (hit, "raised")
        assert "MARKER" not in str(row)
        for other in ALL:
            assert other == service or await parked(world, other) == []
        await closed_loop(world, service, lucky, who[lucky])  # all others go on
        expected = await kinds_of(world, lucky)

        path = f"/operations/parked/{hit}/replay"
        look = "/operations/parked/{}"
        who_looks = {"role": "admin", "actor": "admin:ops"}
        assert await world.player.get(service, look.format(hit), **who_looks)
        with pytest.raises(Denied) as nothing:
            await world.player.get(service, look.format(lucky), **who_looks)
        assert (nothing.value.status, nothing.value.problem["rule"]) == (404, "nothing-parked")
        with pytest.raises(Denied):  # not mended yet
            await world.player.do(service, path, WHY, role="admin", actor="admin:ops")
        mend()
        await world.player.do(service, path, WHY, role="admin", actor="admin:ops")
        await world.settle()
        assert await parked(world, service) == []
        await closed_loop(world, service, hit, who[hit])
        caught_up = await kinds_of(world, hit)
        housekeeping = {"record.parked.v1": 1, "record.settled.v1": 1}
        assert caught_up == expected + Counter(housekeeping)

    play(tmp_path, START, scene)


def _reply_to(number: int) -> dict[str, str]:
    return {"kind": "sms", "address": f"1380000050{number}"}


def test_records_that_nothing_of_ours_wrote_are_parked_and_everything_goes_on(
    tmp_path: Path,
) -> None:
    async def scene(world: World) -> None:
        await broken_in(world)
        complaint = await world.say(**TOLD, subscriber="13800000601", reply_to=_reply_to(1))
        await closed_loop(world, "all", complaint, await world.accepts(complaint))
        shown = await world.player.get("intake", f"/complaints/{complaint}", role="auditor")
        assert shown["closed_at"] is not None
        for service in ALL:
            told = await world.player.get(service, "/operations/parked", role="admin", limit=200)
            assert len(told["items"]) == world.system.partitions, service
            assert {one["error"] for one in told["items"]} == {"foreign"}
            assert await asyncio.to_thread(len, world.app(service).inbox.gaps()) == 0

    play(tmp_path, START, scene)
