"""Plays time in steps: when nothing is under way any more, jump to the next thing that is due.

For one process with a stepped clock: a week plays in seconds, exactly, because inputs at an instant
come before timers at it and no timer waits for grace (DESIGN, Time).
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime

from libs.messaging.app import App
from libs.timekeeping.clock import SteppedClock

SETTLE_SECONDS_MAX = 60.0


class NeverSettles(TimeoutError):
    """The services keep each other busy: a loop of events, or something is stuck."""


class Stepper:
    """Moves one stepped clock for all apps of one process."""

    def __init__(self, apps: Sequence[App], clock: SteppedClock) -> None:
        self.apps = apps
        self.clock = clock
        self.on_step: Callable[[datetime], Awaitable[None]] | None = None

    async def settle(self) -> None:
        """Returns when every inbox is at its end and every outbox is empty; or NeverSettles."""
        try:
            async with asyncio.timeout(SETTLE_SECONDS_MAX):
                while True:
                    before = self._activity()
                    if await self._idle() and self._activity() == before:
                        return
                    await asyncio.sleep(0.002)
        except TimeoutError:
            raise NeverSettles(
                f"the services are still busy after {SETTLE_SECONDS_MAX:.0f} s"
            ) from None

    async def run_until(self, instant: datetime) -> None:
        """Fires everything that is due before `instant`, in order, and stops there.

        Timers due at `instant` itself have not fired yet: inputs at an instant come first. Call
        `settle` (and `fire_present`) to let them.
        """
        await self.settle()
        while True:
            due = await self.next_due()
            if due is None or due >= instant:
                break
            self.clock.jump(due)
            await self.fire_present()
        self.clock.jump(instant)
        await self.settle()

    async def fire_present(self) -> None:
        """Fires what is due at the present instant, and whatever follows from it."""
        await self.settle()
        while await self._fire():
            await self.settle()
        if self.on_step is not None:
            await self.on_step(self.clock.now())

    async def next_due(self) -> datetime | None:
        """The earliest instant any service waits for."""
        return min((due for due in await self._dues() if due is not None), default=None)

    async def _dues(self) -> list[datetime | None]:
        return await asyncio.gather(*(app.in_thread(app.next_due) for app in self.apps))

    async def _fire(self) -> int:
        now = self.clock.now()
        waiting = zip(self.apps, await self._dues(), strict=True)
        return sum([await app.fire_due() for app, due in waiting if due is not None and due <= now])

    async def _idle(self) -> bool:
        # All outboxes first, then all inboxes: what was sent before is then below the ends seen.
        if not all(await asyncio.gather(*(app.all_sent() for app in self.apps))):
            return False
        if any(app.access is not None and app.access.closed for app in self.apps):
            return False  # one that has just started, and lets nobody in yet
        wanted: dict[str, set[int]] = {}
        for app in self.apps:
            for consumer in app.consumers:
                wanted.setdefault(consumer.taker.topic, set()).update(consumer.assigned)
        asked = self.apps[0].ends_of
        ends = {topic: await asked(topic, numbers) for topic, numbers in wanted.items()}
        # What a thread has committed just now shows as taken before `activity` tells of it.
        return all(app.has_taken(ends) and not app.deciding for app in self.apps)

    def _activity(self) -> int:
        return sum(app.activity for app in self.apps)
