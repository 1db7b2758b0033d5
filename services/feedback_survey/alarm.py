"""The alarm for customers whom nobody has tried to call in time (DOMAIN rule 11)."""

from collections.abc import Sequence
from typing import Any

from prometheus_client import CollectorRegistry, Gauge
from psycopg import Connection

from services.feedback_survey import views


class CallAlarm:
    """Rings while a call waits that nobody has tried to make in time."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._missed = Gauge(
            "bihuan_feedback_calls_missed",
            "Calls that nobody has tried to make in time, nor since",
            registry=registry,
        )

    def look(self, conn: Connection[Any]) -> Sequence[str]:
        """Counts; returns what to do where there is something to do."""
        many = views.missed_calls(conn)
        self._missed.set(many)
        if not many:
            return ()
        return (f"{many} customers were to be called and nobody tried: GET /calls?missed=true",)
