"""A calendar that was activated for later comes into force: dues that were unknown are counted.

At its own instant, whoever is asleep then (DOMAIN, counting convention 12). One that counts at once
is seen to by the command that activates it (`api.reconsidering`); here again, without effect.
"""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from libs.decider import PolicyInForce, To
from libs.eventlog.envelope import Origin
from libs.eventlog.work import Work
from libs.messaging.app import App
from services.sla_watch import views
from services.sla_watch.domain.commands import ReconsiderCalendar
from services.sla_watch.domain.policy import WORKING_DAYS

COMPLAINTS_AT_ONCE = 200
"""How many complaints are counted anew in one transaction."""


class ComingCalendar:
    """Waits for the next version of the working days; after a start, looks at the present one."""

    name = "coming calendar"

    def __init__(self, app: App) -> None:
        self._app = app
        self._seen: str | None = None

    def next_due(self) -> datetime | None:
        """The instant of a version that counts and was not seen to yet, or of the next one."""
        now = self._app.clock.now()
        versions = self._app.writer.policies.versions.get(WORKING_DAYS, ())
        counts = _in_force(versions, now)
        if counts is not None and counts.version != self._seen:
            return counts.active_from
        return min((one.active_from for one in versions if one.active_from > now), default=None)

    async def run(self) -> None:
        """Counts anew every complaint with a clock without a due, a batch at a time."""
        versions = self._app.writer.policies.versions.get(WORKING_DAYS, ())
        counts = _in_force(versions, self._app.clock.now())
        assert counts is not None
        after: UUID | None = None
        while True:
            found: list[UUID] = await self._app.query(views.without_due, after, COMPLAINTS_AT_ONCE)
            if not found:
                break
            await self._app.in_thread(self._reconsider, found, counts)
            after = found[-1]
        self._seen = counts.version

    def _reconsider(self, complaints: Sequence[UUID], counts: PolicyInForce) -> None:
        origin = Origin(
            causation=f"timer:{WORKING_DAYS}:{counts.version}", actor="system:sla_watch"
        )

        def decide(work: Work) -> None:
            for complaint in complaints:
                if str(complaint) not in work.blocked:
                    work.apply(
                        To(str(complaint), ReconsiderCalendar(at=counts.active_from)), origin
                    )

        self._app.writer.transact(decide)


def _in_force(versions: Sequence[PolicyInForce], at: datetime) -> PolicyInForce | None:
    begun = [one for one in versions if one.active_from <= at]
    return begun[-1] if begun else None
