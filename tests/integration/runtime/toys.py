"""Two toy services that play ball over the real log: `thrower` and `catcher`."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar
from uuid import UUID, uuid5

from contracts import housekeeping
from libs.decider import (
    Command,
    Conflict,
    Context,
    Decider,
    Event,
    Instant,
    Recorded,
    Row,
    State,
    TimerFired,
    To,
)
from libs.eventlog import Table
from libs.eventlog.envelope import STREAMS, Origin
from libs.eventlog.service import Housekeeping, Service
from libs.messaging.app import App, Interface
from libs.messaging.settings import RuntimeSettings
from libs.timekeeping.clock import Clock, SteppedClock
from libs.web.auth import make_signing_key
from tests.stack import Room

UNLUCKY = 13
START = datetime(2025, 10, 9, 1, 0, tzinfo=UTC)
KEEPING = Housekeeping(
    record_parked=housekeeping.RecordParked,
    record_settled=housekeeping.RecordSettled,
    gap_resolved=housekeeping.GapResolved,
    policy_activated=housekeeping.PolicyActivated,
    rebuild_done=housekeeping.RebuildDone,
    cohort_purged=housekeeping.CohortPurged,
    purge_approved=housekeeping.PurgeApproved,
    purge_withdrawn=housekeeping.PurgeWithdrawn,
    purge_answered=housekeeping.PurgeAnswered,
)


class Thrown(Event):
    type: ClassVar[str] = "ball.thrown.v1"
    count: int
    back_by: Instant


class Dropped(Event):
    type: ClassVar[str] = "ball.dropped.v1"
    due: Instant


class Caught(Event):
    type: ClassVar[str] = "ball.caught.v1"
    count: int


class Throw(Command):
    pass


class Snatch(Throw):
    """As a legal hold does, it takes up what is only withheld."""


class TimeUp(TimerFired):
    pass


class Catch(Command):
    count: int


class StillInTheAir(Conflict):
    """The ball is in the air."""

    rule = "in-the-air"


@dataclass(frozen=True, slots=True)
class Hand(State):
    thrown: int = 0
    back_by: datetime | None = None
    dropped: int = 0


def throw(hand: Hand | None, command: Throw | TimeUp, _context: Context) -> list[Event]:
    hand = hand or Hand()
    match command:
        case TimeUp():
            return [Dropped(due=command.at)]
        case Throw():
            if hand.back_by is not None:
                raise StillInTheAir
            return [Thrown(count=hand.thrown + 1, back_by=command.at + timedelta(minutes=30))]


def fold_hand(hand: Hand | None, recorded: Recorded[Any]) -> Hand:
    hand = hand or Hand()
    match recorded.data:
        case Thrown(count=count, back_by=back_by):
            return replace(hand, thrown=count, back_by=back_by)
        case _:
            return replace(hand, back_by=None, dropped=hand.dropped + 1)


def hand_timers(hand: Hand) -> dict[str, datetime]:
    return {} if hand.back_by is None else {"back": hand.back_by}


def hand_rows(subject: str, hand: Hand) -> list[Row]:
    return [Row.of("hand", {"ball": subject}, thrown=hand.thrown, dropped=hand.dropped)]


@dataclass(frozen=True, slots=True)
class Glove(State):
    caught: int = 0


def catch(glove: Glove | None, command: Catch, _context: Context) -> list[Event]:
    if command.count == UNLUCKY:
        raise RuntimeError("an unlucky rule")
    if glove is not None and glove.caught >= command.count:
        return []
    return [Caught(count=command.count)]


def fold_glove(_glove: Glove | None, recorded: Recorded[Any]) -> Glove:
    return Glove(recorded.data.count)


TYPES = {
    one.type: one
    for one in (
        Thrown,
        Dropped,
        Caught,
        *(getattr(KEEPING, name) for name in Housekeeping.__slots__),
    )
}


def thrower() -> Service:
    return Service(
        name="thrower",
        deciders=(
            Decider(
                kind="hand",
                commands=(Throw, Snatch, TimeUp),
                events=(Thrown, Dropped),
                decide=throw,
                evolve=fold_hand,
                timers=hand_timers,
                rows=hand_rows,
                timer_command=TimeUp,
            ),
        ),
        types=TYPES,
        housekeeping=KEEPING,
        withheld_is_gone=frozenset({"hand"}),
        frees=(Snatch,),
        tables=(
            Table(
                "hand",
                {
                    "ball": "uuid not null",
                    "thrown": "int not null",
                    "dropped": "int not null",
                },
                ("ball",),
                stream="ball",
            ),
            Table("seen", {"ball": "uuid not null", "caught": "int"}, ("ball",), stream="ball"),
        ),
        hears=frozenset({Caught.type}),
        heard_rows=lambda heard: [Row.of("seen", {"ball": heard.subject}, caught=heard.data.count)],
    )


def catcher() -> Service:
    return Service(
        name="catcher",
        deciders=(
            Decider(
                kind="glove",
                commands=(Catch,),
                events=(Caught,),
                decide=catch,
                evolve=fold_glove,
            ),
        ),
        types=TYPES,
        housekeeping=KEEPING,
        hears=frozenset({Thrown.type}),
        react=lambda heard: [To(heard.subject, Catch(at=heard.at, count=heard.data.count))],
    )


def ball(number: int) -> str:
    return str(uuid5(STREAMS, f"ball {number}"))


def make_app(service: Service, room: Room, keys: Path, clock: Clock, **more: Any) -> App:
    make_signing_key(keys)
    settings = RuntimeSettings(
        postgres_dsn=room.service_dsns[service.name],
        kafka_bootstrap=room.bootstrap,
        broker=room.broker_kind,
        partitions=room.topics[0].partitions,
        topic_prefix=room.prefix,
        jwks=str(keys / "jwks.json"),
        **more,
    )
    return App(service, settings, clock, Interface("Toy", "1", lambda _app: ()))


@asynccontextmanager
async def playing(room: Room, keys: Path, clock: Clock | None = None) -> AsyncIterator[list[App]]:
    clock = clock or SteppedClock(START)
    apps = [make_app(service(), room, keys, clock) for service in (thrower, catcher)]
    await asyncio.gather(*(app.start() for app in apps))
    try:
        yield apps
    finally:
        await asyncio.gather(*(app.stop() for app in apps))


async def throw_ball(app: App, subject: str) -> None:
    command = To(subject, Throw(at=app.clock.now()))
    await app.in_thread(
        app.writer.transact, lambda work: work.apply(command, Origin("test", "agent:1"))
    )


def stored(app: App, subject: str) -> list[str]:
    with app.store.connection() as conn:
        rows = conn.execute(
            "SELECT topic FROM stored_events WHERE originator_id = %s ORDER BY originator_version",
            (UUID(subject),),
        ).fetchall()
    return [row["topic"] for row in rows]
