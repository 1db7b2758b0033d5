"""Persons whose complaints were purged: with the last of them their key's purpose has lapsed.

The purge notes whose words a complaint held while its rows are still there, in its own transaction;
a chore then decides on each person's stream, reading what is left as the commit checks it
(docs/decisions/0018).
"""

import time
from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg import Connection
from psycopg.rows import tuple_row
from pydantic_core import from_json

from libs.decider import To
from libs.eventlog.envelope import Origin
from libs.eventlog.purging import End, StreamWithheld, subjects_of
from libs.eventlog.work import Work
from libs.messaging.app import App
from services.intake.domain.matching import CONTACTS
from services.intake.domain.merging import COMPLAINTS
from services.intake.domain.person import LapsePurpose
from services.intake.domain.rows import ERASURES
from services.intake.persons import settled_complaints_of
from services.intake.standing_holds import is_held

DDL = (
    "CREATE TABLE IF NOT EXISTS purpose_lapsing (person uuid PRIMARY KEY)",
    "ALTER TABLE purpose_lapsing ADD COLUMN IF NOT EXISTS purges bigint NOT NULL DEFAULT 1",
)
"""`purges`: how many noted this person; who is noted again while it is decided stays noted."""
AT_ONCE = 500
AGAIN_SECONDS = 2.0


def note(conn: Connection[Any], event: bytes, kept: Collection[str]) -> None:
    """Whose words the purged complaints hold, before their rows go (`AlsoPurge`)."""
    heads = from_json(event)["data"]["heads"]
    told = {head["subject"] for head in heads if head["source"] == "/bihuan/intake"}
    subjects = sorted(told.difference(kept))
    conn.execute(
        f"INSERT INTO purpose_lapsing (person) SELECT person FROM {COMPLAINTS} "
        "WHERE complaint::text = ANY(%(gone)s) "
        f"UNION SELECT person FROM {CONTACTS} WHERE complaint::text = ANY(%(gone)s) "
        "ON CONFLICT (person) DO UPDATE SET purges = purpose_lapsing.purges + 1",
        {"gone": subjects},
    )


def awaited(conn: Connection[Any], ends: Sequence[End]) -> list[str]:
    """Complaints that an erasure still waits for: what it is to tell them is under way."""
    with conn.cursor(row_factory=tuple_row) as curs:
        found = curs.execute(
            "SELECT DISTINCT one.complaint FROM "
            f"(SELECT jsonb_array_elements_text(keeping) AS complaint FROM {ERASURES} "
            "WHERE keeping <> '[]') AS one WHERE one.complaint = ANY(%s)",
            (list(subjects_of(ends)),),
        ).fetchall()
    return [complaint for (complaint,) in found]


class Lapsing:
    """The chore; what it has not done yet stands in the table."""

    name = "purpose lapsed"

    def __init__(self, app: App, *, at_once: int = AT_ONCE) -> None:
        self._app = app
        self._at_once = at_once
        self._not_before = 0.0
        # However many something stands against, those behind them get their turn.
        self._after: UUID | None = None
        self._left = False

    def next_due(self) -> datetime | None:
        """Now, while somebody waits; in a while, if a hold stood against it just now."""
        if time.monotonic() < self._not_before or not self._waiting(1):
            return None
        return self._app.clock.now()

    async def run(self) -> None:
        """Decides on the next who wait; whoever speaks again meanwhile keeps their key."""
        waiting: list[tuple[UUID, int]] = await self._app.in_thread(
            self._waiting, self._at_once, self._after
        )
        for person, purges in waiting:
            if await self._app.in_thread(self._app.writer.transact, deciding(person)):
                await self._app.in_thread(self._done, person, purges)
            else:
                self._left = True
        if len(waiting) == self._at_once:
            self._after, _ = waiting[-1]
            return
        if self._left:
            self._not_before = time.monotonic() + AGAIN_SECONDS
        self._after, self._left = None, False

    def _waiting(self, limit: int, after: UUID | None = None) -> list[tuple[UUID, int]]:
        with self._app.store.connection() as conn:
            rows = conn.execute(
                "SELECT person, purges FROM purpose_lapsing WHERE %(after)s::uuid IS NULL "
                "OR person > %(after)s ORDER BY person LIMIT %(limit)s",
                {"after": after, "limit": limit},
            ).fetchall()
        return [(row["person"], row["purges"]) for row in rows]

    def _done(self, person: UUID, purges: int) -> None:
        """Strikes out who was decided on; not if another purge has noted them since."""
        with self._app.store.connection() as conn, conn.transaction():
            conn.execute(
                "DELETE FROM purpose_lapsing WHERE person = %s AND purges = %s", (person, purges)
            )


def deciding(person: UUID) -> Callable[[Work], bool]:
    """Whether it is decided: not while a standing hold of the person is on, nor while a purge
    withholds a complaint of theirs, which may stay yet.
    """

    def decide(work: Work) -> bool:
        if is_held(person, (), work):
            return False
        try:
            own, others = settled_complaints_of(person, work)
        except StreamWithheld:
            return False
        lapse = LapsePurpose(at=work.now, complaints=own, others=others)
        origin = Origin(causation=f"purpose:{person}", actor="system:intake")
        work.apply(To(str(person), lapse), origin)
        return True

    return decide
