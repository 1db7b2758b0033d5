"""Persons whose data nothing on record keeps any more: destroyed once all that was said is heard.

Destroying cannot be taken back, and a hold may still be on its way in another partition, or stand
behind a parked record. So it is decided behind a barrier over every partition, of whichever
instance, and while no record of the person or of a complaint with their words is parked
(docs/decisions/0014).
"""

import asyncio
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from uuid import UUID

from aiokafka.errors import KafkaError
from psycopg.rows import tuple_row

from contracts.housekeeping import ErasureMode
from libs.decider import To
from libs.eventlog.envelope import Origin
from libs.eventlog.work import Work
from libs.messaging.app import App
from services.intake.domain.person import Destroy, Person
from services.intake.domain.rows import ERASURES
from services.intake.reactions import STANDING_HOLDS
from services.intake.standing_holds import is_held

AT_ONCE = 500
HEARD_SECONDS_MAX = 5.0
AGAIN_SECONDS = 2.0
Ready = tuple[datetime, UUID]
"""Since when, and who: in this order they get their turn."""


class Destroying:
    """The chore; what it has not done yet stands in the view of erasures."""

    name = "persons destroyed"

    def __init__(
        self, app: App, *, heard_seconds_max: float = HEARD_SECONDS_MAX, at_once: int = AT_ONCE
    ) -> None:
        self._app = app
        self._heard_seconds_max = heard_seconds_max
        self._at_once = at_once
        self._not_before = 0.0
        # However many something stands against, those behind them get their turn.
        self._after: Ready | None = None
        self._left = False

    def next_due(self) -> datetime | None:
        """Now, while somebody is ready; in a while, if something stood against it just now."""
        if time.monotonic() < self._not_before or not self._ready(1):
            return None
        return self._app.clock.now()

    async def run(self) -> None:
        """Decides on the next of those who were ready before everything on the log was heard."""
        ready = await self._app.in_thread(self._ready, self._at_once, self._after)
        if not await self._all_heard():
            self._not_before = time.monotonic() + AGAIN_SECONDS
            return
        for _, person in ready:
            settled = await self._app.in_thread(self._app.writer.transact, _deciding(person))
            self._left |= not settled
        if len(ready) == self._at_once:
            self._after = ready[-1]
            return
        if self._left:
            self._not_before = time.monotonic() + AGAIN_SECONDS
        self._after, self._left = None, False

    def _ready(self, limit: int, after: Ready | None = None) -> list[Ready]:
        with self._app.store.connection() as conn, conn.cursor(row_factory=tuple_row) as curs:
            return curs.execute(
                f"SELECT since, person FROM {ERASURES} WHERE to_be_destroyed AND mode = %(mode)s "
                "AND keeping = '[]' AND (%(person)s::uuid IS NULL "
                "OR (since, person) > (%(since)s::timestamptz, %(person)s::uuid)) "
                "ORDER BY since, person LIMIT %(limit)s",
                {
                    "mode": ErasureMode.LOCKED.value,
                    "since": None if after is None else after[0],
                    "person": None if after is None else after[1],
                    "limit": limit,
                },
            ).fetchall()

    async def _all_heard(self) -> bool:
        """Whether every partition was taken up to where it ends now, by whoever has it."""
        inbox = self._app.inbox
        try:
            ends = await self._app.ends_of(inbox.topic, range(self._app.settings.partitions))
        except KafkaError:
            return False
        deadline = time.monotonic() + self._heard_seconds_max
        while True:
            taken = await self._app.in_thread(self._taken)
            mine = {number: one.processed for number, one in inbox.progress.items()}
            if all({**taken, **mine}.get(number, 0) >= end for number, end in ends.items()):
                return True
            if time.monotonic() > deadline:
                return False
            await asyncio.sleep(0.05)

    def _taken(self) -> Mapping[int, int]:
        with self._app.store.connection() as conn:
            rows = conn.execute(
                "SELECT partition, next FROM inbox_offset WHERE topic = %s AND topic_id = %s",
                (self._app.inbox.topic, self._app.inbox.topic_id),
            ).fetchall()
        return {row["partition"]: row["next"] for row in rows}


def _deciding(person: UUID) -> Callable[[Work], bool]:
    """Whether there is nothing left to decide; what is read is checked again at the commit."""

    def decide(work: Work) -> bool:
        state: Person | None = work.state("person", str(person))
        if state is None or not state.ready:
            return True
        subjects = {str(person), STANDING_HOLDS, *map(str, state.known)}
        if subjects & work.blocked or is_held(person, state.known, work):
            return False
        # Whatever is parked until the commit makes this another decision.
        work.extra.subjects |= dict.fromkeys(subjects, False)
        origin = Origin(causation=f"erasure:{person}", actor="system:intake")
        work.apply(To(str(person), Destroy(at=work.now)), origin)
        return True

    return decide
