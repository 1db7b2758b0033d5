"""Commands that wait together: one commit, each its own outcome, and one bad one harms no other."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from libs.decider import Conflict, Lookups, To
from libs.eventlog.writer import Unreachable
from libs.messaging.app import App
from libs.timekeeping.clock import SteppedClock
from libs.web.commands import Outcome, tell_events
from tests.integration.runtime.toys import START, Throw, ball, playing, stored
from tests.stack import Room, room


def throwing(subject: str) -> To:
    return To(subject, Throw(at=START))


async def asked(app: App, target: Any, key: str | None = None) -> Outcome:
    return await app.commands.submit(
        target,
        actor="agent:1",
        key=key,
        fingerprint="same",
        traceparent="",
        tell=tell_events(200),
    )


class Refusal(Conflict):
    """No."""

    rule = "no"
    zh = "不行"


def refuses(_lookups: Lookups) -> tuple[To, ...]:
    raise Refusal


def breaks(_lookups: Lookups) -> tuple[To, ...]:
    raise ZeroDivisionError


def test_each_has_its_own_outcome_and_the_same_key_happens_once(tmp_path: Path) -> None:
    async def play(where: Room) -> None:
        async with playing(where, tmp_path, SteppedClock(START)) as (thrower, _):
            outcomes = await asyncio.gather(
                asked(thrower, throwing(ball(1)), "one"),
                asked(thrower, refuses, "two"),
                asked(thrower, breaks, "three"),
                asked(thrower, throwing(ball(4)), "four"),
                asked(thrower, throwing(ball(1)), "one"),
                asked(thrower, throwing(ball(6))),
                return_exceptions=True,
            )
            first, refused, broken, fourth, again, _ = outcomes
            assert isinstance(refused, Refusal)
            assert isinstance(broken, ZeroDivisionError)
            assert isinstance(first, Outcome)
            assert isinstance(again, Outcome)
            assert isinstance(fourth, Outcome)
            assert (first.replayed, again.replayed) == (False, True)
            assert first.answer.body == again.answer.body
            for number in (1, 4, 6):
                assert stored(thrower, ball(number)) == ["ball.thrown.v1"]
            kept = await asyncio.gather(
                asked(thrower, throwing(ball(2)), "two"), return_exceptions=True
            )
            assert isinstance(kept[0], Outcome)  # its refusal is what the key keeps
            assert (kept[0].answer.status, kept[0].replayed) == (409, True)
            assert stored(thrower, ball(2)) == []

    with room(("thrower", "catcher")) as where:
        asyncio.run(play(where))


def test_while_the_database_is_away_all_of_them_are_told_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[int] = []

    async def play(where: Room) -> None:
        async with playing(where, tmp_path, SteppedClock(START)) as (thrower, _):

            def away(_decide: Any) -> None:
                tried.append(1)
                raise Unreachable("OperationalError")

            monkeypatch.setattr(thrower.writer, "transact", away)
            outcomes = await asyncio.gather(
                *(asked(thrower, throwing(ball(number))) for number in range(50)),
                return_exceptions=True,
            )
            monkeypatch.undo()
            assert {type(one) for one in outcomes} == {Unreachable}
            assert len(tried) < 50

    with room(("thrower", "catcher")) as where:
        asyncio.run(play(where))
