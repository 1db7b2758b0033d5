"""Bytes that nobody could read, kept sealed in the vault: gone when their record is settled.

They may be anybody's words, so no erasure of a person reaches them; they have an end of their own.
Settled by an operator, released or discarded, their key goes with them; and when nobody has done so
within six calendar months (`contracts.keeping`) they are discarded, on record, with the reason.
"""

import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any, Protocol

from pydantic_core import from_json

from contracts.housekeeping import RecordParked, RecordSettled
from contracts.keeping import floor_ends
from libs.decider import Recorded
from libs.messaging.app import App
from libs.messaging.parking import NothingParked, Parking
from libs.timekeeping.instants import read_instant
from libs.vault.store import subject_of

AGAIN_SECONDS = 60.0
BY = "system:intake"
REASON = "nobody settled it within six calendar months"


class Keeping(Protocol):
    """What this needs of the vault."""

    def unreadable_places(self) -> Sequence[str]:
        """The places of all bytes that are kept."""

    def settle_unreadable(self, place: str) -> bool:
        """They and their key are gone; returns whether there were any."""


class Unread:
    """The chore: looks once a minute, when something was settled, and when the time is over."""

    name = "unreadable bytes"

    def __init__(
        self,
        app: App,
        vault: Keeping,
        discard: Callable[[str, str, str], Awaitable[object]] | None = None,
    ) -> None:
        """`discard(subject, by, reason)` gives a parked record up on record."""
        self._app = app
        self._vault = vault
        self._discard = discard
        self._not_before = 0.0
        self._ends: datetime | None = None
        """When the time of the oldest is over, as far as is known."""

    def committed(self, events: Sequence[Recorded[Any]], _started_s: float) -> None:
        """Something may have been settled just now."""
        if any(isinstance(one.data, RecordSettled) for one in events):
            self._not_before = 0.0

    def next_due(self) -> datetime | None:
        """Now, when it is time to look; else when the time of the oldest is over."""
        return self._app.clock.now() if time.monotonic() >= self._not_before else self._ends

    async def run(self) -> None:
        """Discards what is over, and lets go of what is settled."""
        self._not_before, self._ends = time.monotonic() + AGAIN_SECONDS, None
        places: Sequence[str] = await self._app.in_thread(self._vault.unreadable_places)
        now, left = self._app.clock.now(), list[datetime]()
        for place in places:
            stands = await self._app.in_thread(self._stands, place)
            if stands is None:
                continue  # it is being parked
            kind, at = stands
            if kind == RecordParked.type:
                if (ends := floor_ends(at)) > now:
                    left.append(ends)
                    continue
                with suppress(NothingParked):
                    await self._give_up(str(subject_of(place)))
            await self._app.in_thread(self._vault.settle_unreadable, place)
        self._ends = min(left, default=None)

    async def _give_up(self, subject: str) -> None:
        discard = self._discard
        if discard is None:
            app = self._app
            discard = Parking(app.writer, app.settings.kafka_bootstrap, app.channel).discard
        await discard(subject, BY, REASON)

    def _stands(self, place: str) -> tuple[str, datetime] | None:
        """The last note about its record, and when; None: there is none."""
        with self._app.store.connection() as conn:
            row = conn.execute(
                "SELECT topic, state FROM stored_events WHERE originator_id = %s "
                "AND topic = ANY(%s) ORDER BY originator_version DESC LIMIT 1",
                (subject_of(place), [RecordParked.type, RecordSettled.type]),
            ).fetchone()
        if row is None:
            return None
        return row["topic"], read_instant(from_json(bytes(row["state"]))["time"])
