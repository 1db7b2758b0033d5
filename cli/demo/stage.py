"""The demo's stage: a whole system of its own on a stepped clock, and the people around it.

Everything the demo does goes through `Player`: channel messages on Kafka, and the services' HTTP.
The stage only turns the clock, as time itself would; what is due fires in the services.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from cli.places import Places
from cli.player import Player
from cli.system import Progress, System
from infra.local.stack import BrokerChoice
from libs.messaging.stepping import Stepper
from libs.timekeeping.clock import SteppedClock

SHANGHAI = ZoneInfo("Asia/Shanghai")


def sh(text: str) -> datetime:
    """`2025-10-09 09:00:00`, Asia/Shanghai."""
    return datetime.fromisoformat(text).replace(tzinfo=SHANGHAI)


def demo_places() -> Places:
    """A directory of the demo's own, beside `BIHUAN_DATA`: `up` never meets its state."""
    data = Places.here().data
    return Places(Path(f"{data}-demo"))


class Stage:
    """A running system, its clock, and the people who act on it."""

    def __init__(self, system: System, player: Player, clock: SteppedClock) -> None:
        self.system = system
        self.player = player
        self.clock = clock
        self.stepper = Stepper(tuple(system.apps.values()), clock)
        self.on_step: Callable[[datetime], None] = lambda _now: None

    async def until(self, instant: datetime) -> None:
        """Plays on to this instant; what is due at it has not fired yet."""
        if instant > self.clock.now():
            await self.stepper.run_until(instant)
        self.on_step(self.clock.now())

    async def settle(self) -> None:
        """Everything that follows from what was done, and what is due at this very instant."""
        await self.stepper.fire_present()
        self.on_step(self.clock.now())


@asynccontextmanager
async def stage(
    places: Places, start: datetime, broker: BrokerChoice, progress: Progress
) -> AsyncIterator[Stage]:
    """The system up from `start`; down at the end, its state left there."""
    clock = SteppedClock(start)
    system = System(
        places,
        clock=clock,
        broker=broker,
        durable=False,
        progress=progress,
    )
    await system.start()
    try:
        async with system.player() as player:
            made = Stage(system, player, clock)
            await made.settle()
            yield made
    finally:
        await system.stop()
