"""The alarm of DOMAIN, counting 12: clocks without a due, and how far the calendar reaches."""

from collections.abc import Callable, Sequence
from datetime import datetime, time, timedelta
from typing import Any

from prometheus_client import CollectorRegistry, Gauge
from psycopg import Connection

from libs.decider import Policies
from libs.timekeeping.counting import SHANGHAI
from services.sla_watch import views
from services.sla_watch.domain.policy import WORKING_DAYS, Calendar


class CalendarAlarm:
    """Rings while a clock has no due: a calendar version has to be loaded."""

    def __init__(
        self,
        policies: Callable[[], Policies],
        now: Callable[[], datetime],
        registry: CollectorRegistry,
    ) -> None:
        self._policies = policies
        self._now = now
        self._unknown = Gauge(
            "bihuan_sla_unknown_dues",
            "Clocks without a due, for it lies beyond the calendar: an alarm until one is loaded",
            registry=registry,
        )
        self._until = Gauge(
            "bihuan_sla_calendar_until_seconds",
            "Unix time at which the working days in force end",
            registry=registry,
        )

    def look(self, conn: Connection[Any]) -> Sequence[str]:
        """Counts; returns what to do where there is something to do."""
        calendar: Calendar = self._policies().in_force(WORKING_DAYS, self._now()).compiled
        last = calendar.days.last
        ends = datetime.combine(last + timedelta(days=1), time(), SHANGHAI)
        self._until.set(ends.timestamp())
        many = views.unknown_dues(conn)
        self._unknown.set(many)
        if not many:
            return ()
        return (
            f"{many} clocks have no due, for the working days are known until {last} only: "
            "load the next year (docs/policies.md, The calendar)",
        )
