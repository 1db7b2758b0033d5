"""Guarantee 5 at the runtime: a bad record is parked with its complaint only; all others go on."""

import asyncio
import json
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer
from psycopg import Connection

from libs.eventlog.recorder import ParkedRow
from libs.messaging import inbox as inbox_module
from libs.messaging import parking as parking_module
from libs.messaging.app import App
from libs.messaging.parking import OnlyDiscard, Parking, StillFails, listed, of_subject
from libs.messaging.stepping import Stepper
from libs.timekeeping.clock import SteppedClock
from tests.integration.runtime import toys
from tests.integration.runtime.toys import START, ball, playing, stored, throw_ball
from tests.stack import Room, room


async def send(
    where: Room, key: bytes | None, value: bytes | None, headers: Any, partition: int = 0
) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=where.bootstrap)
    await producer.start()
    try:
        await producer.send_and_wait(
            where.prefix + "complaints.log", value, key=key, headers=headers, partition=partition
        )
    finally:
        await producer.stop()


def headed(source: bytes, position: bytes) -> list[tuple[str, bytes]]:
    return [
        ("type", b"ball.thrown.v1"),
        ("source", source),
        ("position", position),
        ("after", b"0-0"),
    ]


def thrown_with(data: dict[str, int]) -> bytes:
    envelope = {
        "id": ball(99),
        "source": "/bihuan/stranger",
        "type": "ball.thrown.v1",
        "subject": "strange",
        "time": "2025-10-09T01:00:00.000000Z",
        "sequence": "1",
        "actor": "agent:1",
        "causationid": "test",
        "data": data,
    }
    return json.dumps(envelope).encode()


FOREIGN = {
    "bad bytes, no headers": (b"\xff\xfe{", []),
    "null body, no headers": (None, []),
    "null header": (b"{}", [("position", None), ("after", b"0-0")]),
    "non-UTF-8 header": (
        b"{}",
        [("type", b"\xff"), ("source", b"\xfe"), ("position", b"1-1"), ("after", b"0-0")],
    ),
    "missing headers": (b"{}", [("type", b"ball.thrown.v1")]),
    "headers twice": (b"{}", [("position", b"1-1"), ("position", b"1-1")]),
    "a NUL in the source": (b"{}", headed(b"/bihuan/\0", b"1-1")),
    "a source without end": (b"{}", headed(b"/bihuan/" + b"x" * 300, b"1-1")),
    "a position no database holds": (b"{}", headed(b"/bihuan/x", b"1-99999999999999999999")),
}

KEYS = {
    "a NUL": b"ball\0seven",
    "not UTF-8": b"\xff\xfe",
    "too long for an index": bytes(range(32, 127)) * 60,
    "none": None,
}
STRANGE = thrown_with({f"\x07{'field' * 20}{number}": number for number in range(40)})
"""Every field of it is one too many, and is named after nothing that may be said aloud."""


def test_foreign_records_are_parked_and_all_others_go_on(tmp_path: Path) -> None:
    async def play(where: Room) -> None:
        clock = SteppedClock(START)
        async with playing(where, tmp_path, clock) as apps:
            for value, headers in FOREIGN.values():
                for partition in range(2):
                    await send(where, b"x", value, headers, partition)
            for number in range(30):
                await throw_ball(apps[0], ball(number))
            await Stepper(apps, clock).settle()
            assert all(stored(apps[1], ball(n)) == ["ball.caught.v1"] for n in range(30))
            parked = await apps[1].query(listed, None, 100)
            assert len(parked) == 2 * len(FOREIGN)
            assert {row["error_kind"] for row in parked} == {"foreign"}
            parking = Parking(apps[1].writer, where.bootstrap)
            with pytest.raises(OnlyDiscard):
                await parking.replay(parked[0]["subject"], "agent:1", "try")
            await parking.discard(parked[0]["subject"], "agent:1", "foreign")
            assert len(await apps[1].query(listed, None, 100)) == 2 * len(FOREIGN) - 1

    with room(("thrower", "catcher")) as where:
        asyncio.run(play(where))


def test_a_strange_key_or_strange_names_park_that_record_only(tmp_path: Path) -> None:
    """PostgreSQL's text holds no NUL, its index no long key, and foreign names are not told."""

    async def play(where: Room) -> None:
        clock = SteppedClock(START)
        async with playing(where, tmp_path, clock) as apps:
            for number, key in enumerate(KEYS.values()):
                source = f"/bihuan/stranger{number}".encode()
                await send(where, key, b"\xff{", headed(source, b"1-1"))
            await send(where, b"strange", STRANGE, headed(b"/bihuan/stranger", b"1-1"))
            await throw_ball(apps[0], ball(7))
            await Stepper(apps, clock).settle()
            assert stored(apps[1], ball(7)) == ["ball.caught.v1"]
            parked = {row["subject"]: row for row in await apps[1].query(listed, None, 100)}
            assert len(parked) == len(KEYS) + 1
            assert all(len(subject) <= 200 for subject in parked)
            problem = parked["strange"]["detail"]
            assert problem == "?: extra_forbidden; back_by: missing; count: missing"

    with room(("thrower", "catcher")) as where:
        asyncio.run(play(where))


async def _an_unlucky_ball(apps: list[App], stepper: Stepper) -> str:
    """The catcher's rule raises at the 13th throw of one ball; two more throws wait behind it."""
    unlucky = ball(13)
    for _ in range(15):
        await throw_ball(apps[0], unlucky)
        await stepper.settle()
        due = await stepper.next_due()
        assert due is not None
        await stepper.run_until(due)
        await stepper.fire_present()
    return unlucky


def _one_comes_just_after() -> Callable[[Connection[Any], str], list[ParkedRow]]:
    """As if the last of the waiting came when those that wait had just been read."""
    asked = count()

    def rows(conn: Connection[Any], subject: str) -> list[ParkedRow]:
        known = of_subject(conn, subject)
        return known if next(asked) else known[:-1]

    return rows


def test_a_rule_that_raises_parks_its_subject_and_replay_catches_up_in_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def play(where: Room) -> None:
        clock = SteppedClock(START)
        async with playing(where, tmp_path, clock) as apps:
            stepper = Stepper(apps, clock)
            unlucky = await _an_unlucky_ball(apps, stepper)
            await throw_ball(apps[0], ball(7))
            await stepper.settle()
            assert stored(apps[1], ball(7)) == ["ball.caught.v1"]
            assert stored(apps[1], unlucky) == [*["ball.caught.v1"] * 12, "record.parked.v1"]
            rows = await apps[1].query(of_subject, unlucky)
            assert [row.state for row in rows] == ["parked", "waiting", "waiting"]
            assert "unlucky" not in rows[0].detail  # the exception's text never gets out
            assert "RuntimeError" in rows[0].detail

            parking = Parking(apps[1].writer, where.bootstrap)
            with pytest.raises(StillFails):
                await parking.replay(unlucky, "agent:1", "too-early")
            monkeypatch.setattr(toys, "UNLUCKY", 0)  # the fix
            monkeypatch.setattr(parking_module, "of_subject", _one_comes_just_after())
            settled = await parking.replay(unlucky, "agent:1", "mended")
            assert (len(settled.released), settled.left) == (3, 0)
            await stepper.settle()
            assert stored(apps[1], unlucky)[12:] == [
                "record.parked.v1",
                "ball.caught.v1",
                "record.settled.v1",
                "ball.caught.v1",
                "ball.caught.v1",
            ]
            assert apps[1].writer.blocked == frozenset()

    with room(("thrower", "catcher")) as where:
        asyncio.run(play(where))


def test_without_parking_the_bad_record_would_stop_everything(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The mechanism switched off: the test above can fail."""

    def explode(*_: Any, **__: Any) -> None:
        raise RuntimeError("parking is switched off")

    monkeypatch.setattr(inbox_module._Batch, "_park_foreign", explode)

    async def play(where: Room) -> None:
        clock = SteppedClock(START)
        async with playing(where, tmp_path, clock) as apps:
            await send(where, b"x", b"\xff", [], 0)
            for number in range(30):
                await throw_ball(apps[0], ball(number))
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(3):
                    await Stepper(apps, clock).settle()

    with room(("thrower", "catcher")) as where:
        asyncio.run(play(where))
