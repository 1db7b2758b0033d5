"""A purge of a month that lies in a file: brought back before it is signed, written again after it.

A server cannot take records out of a file, and only the database's keeper lets go (decision 17). So
the rows come back, the signed purge takes its own, and the rest becomes a new file; the old one is
removed after that, when the tombstone is on record and the new file was read back. Each step
follows from what is on record and may be cut off and done again.
"""

import logging
import time
from collections.abc import Callable, Iterable
from datetime import datetime

from psycopg.rows import tuple_row
from pydantic import JsonValue

from libs.messaging.app import App
from services.audit.cold.routes import Act, Cold, Doing
from services.audit.domain.cohorts import BROUGHT_BACK, BY_ITSELF, FOR_A_PURGE, NotArchived

log = logging.getLogger("bihuan.audit")

AGAIN_SECONDS = 60.0
"""Where it cannot be done now, it is tried again so much later."""

# Months that a purge had brought back: those that were written again, and those of which no purge
# is under way any more, for audit itself has carried out, and said so, whatever was signed.
_DUE = f"""
SELECT b.cohort, b.written FROM {BROUGHT_BACK} b WHERE b.written OR NOT EXISTS (
  SELECT FROM purge p WHERE p.cohort = b.cohort AND p.stage IN ('proposed', 'approved')
) AND NOT EXISTS (
  SELECT FROM purge_part t WHERE t.cohort = b.cohort AND t.step = 'gone'
  AND '/bihuan/audit' = ANY(t.asked) AND NOT EXISTS (
    SELECT FROM purge_answer a WHERE a.record = t.record AND a.source = '/bihuan/audit'
  )
) ORDER BY 1
"""


class Refiler:
    """The chore that writes months again after their purge, and what brings them back before."""

    name = "refile"

    def __init__(self, app: App, cold: Cold, ran_s: Callable[[], float] = time.monotonic) -> None:
        self._app = app
        self._cold = cold
        self._ran_s = ran_s
        self._not_before: dict[str, float] = {}
        """Months that failed, and when each is tried again: by `ran_s`, for the clock may be set
        meanwhile.
        """
        self._nothing_left: set[str] = set()
        """Months of which nothing may lie in a file now; looked at again at the next start."""
        self._whole: set[str] = set()
        """Months that were written again, of which nothing is left to do."""

    async def bring_back(self, cohort: str) -> bool:
        """No record of the month lies in a file any more; False: that cannot be done now."""
        months = await self._cold.reading.query(lambda records: records.months)
        if all(one.cohort != cohort for one in months):
            return True

        return await self._done(
            "restore",
            cohort,
            lambda work: self._cold.restore(cohort, FOR_A_PURGE, BY_ITSELF, work, file_goes=False),
        )

    def next_due(self) -> datetime | None:
        """Now, while a month waits; None while none does, or only what failed just now."""
        return self._app.clock.now() if self._in_time(self._due()) else None

    async def run(self) -> None:
        """Writes those again whose time has come, and ends what was cut off; one that fails holds
        no other up.
        """
        due = await self._app.in_thread(self._due)
        in_time = self._in_time(due)
        self._not_before = {one: at for one, at in self._not_before.items() if one in due}
        for cohort in in_time:
            await (self._tidy_up(cohort) if due[cohort] else self._write(cohort))

    def _in_time(self, due: Iterable[str]) -> list[str]:
        now_s = self._ran_s()
        return [one for one in due if self._not_before.get(one, now_s) <= now_s]

    async def _write(self, cohort: str) -> None:
        nothing = False

        async def run(work: Doing) -> dict[str, JsonValue]:
            nonlocal nothing
            try:
                return await self._cold.write(cohort, BY_ITSELF, work)
            except NotArchived:
                nothing = True
                return await self._cold.tidy_up(cohort, work)

        if await self._done("write", cohort, run):
            (self._nothing_left if nothing else self._whole).add(cohort)

    async def _tidy_up(self, cohort: str) -> None:
        """At the first look, and where writing was cut off: a process before may have been, too."""
        if await self._done("tidy up", cohort, lambda work: self._cold.tidy_up(cohort, work)):
            self._whole.add(cohort)

    async def _done(self, act: str, cohort: str, run: Act) -> bool:
        self._whole.discard(cohort)
        self._nothing_left.discard(cohort)
        failed = await self._cold.carry_out(act, cohort, run)
        if failed is None:
            return True
        log.warning("a month's file waits", extra={"act": act, "cohort": cohort, "why": failed})
        self._not_before[cohort] = self._ran_s() + AGAIN_SECONDS
        return False

    def _due(self) -> dict[str, bool]:
        """Months to be seen to, and whether they were written again."""
        with self._app.store.connection() as conn, conn.cursor(row_factory=tuple_row) as curs:
            rows = curs.execute(_DUE.encode()).fetchall()
        settled = self._nothing_left | self._whole
        return {cohort: written for cohort, written in rows if cohort not in settled}
