"""What a complaint's clocks show: one row for each clock. Pure."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID
from weakref import WeakKeyDictionary

from contracts.housekeeping import PolicyActivated
from libs.decider import Recorded, Row
from services.sla_watch.domain import CLOCKS as CLOCKS_STREAM
from services.sla_watch.domain.policy import CLOCKS, ClocksContent
from services.sla_watch.domain.state import Status, Watch, Watched

SOURCE = "/bihuan/sla_watch"
UNKNOWN = "unknown"
"""The state of a clock whose due lies beyond the calendar: the alarm of convention 12."""


_MICROSECOND = timedelta(microseconds=1)


_ROWS: WeakKeyDictionary[Watched, Row] = WeakKeyDictionary()
"""The row of each clock in memory: most clocks do not change with most events."""


def rows(subject: str, watch: Watch) -> Iterable[Row]:
    """One row per clock of a complaint."""
    return [_ROWS.get(clock) or _row(UUID(subject), clock) for clock in watch.clocks]


DECIDERS = (replace(CLOCKS_STREAM, rows=rows),)
"""The service's streams with what they show."""


def heard_rows(recorded: Recorded[Any]) -> Iterable[Row]:
    """What each version of the clock table promises, from this service's own policy.activated."""
    event = recorded.data
    if not isinstance(event, PolicyActivated) or recorded.source != SOURCE or event.name != CLOCKS:
        return ()
    content = ClocksContent.model_validate(event.content)
    return [
        Row.of(
            "sla_promise",
            {"policy": content.version, "clock": one.code},
            purpose=one.purpose.value,
            promised=one.promised,
            title_zh=one.title.zh,
            title_en=one.title.en,
        )
        for one in content.clocks
    ]


def _row(complaint: UUID, clock: Watched) -> Row:
    status, due, left, at, _, reason = clock.standing
    state = UNKNOWN if clock.open and clock.standing.uncertain else status.value
    if status is Status.PAUSED:
        due = None  # it will be due when it goes on; `left_us` says how long it then has
    code, instance, cycle = clock.name
    row = _ROWS[clock] = Row(
        "sla_clock",
        (
            ("complaint", complaint),
            ("clock", code),
            ("instance", instance),
            ("cycle", cycle),
        ),
        (
            ("purpose", clock.purpose.value),
            ("policy", clock.terms.policy),
            ("calendar", clock.terms.calendar),
            ("case_number", clock.terms.case),
            ("clock_from", clock.terms.clock_from),
            ("due_at", due),
            ("month", clock.month),
            ("state", state),
            ("left_us", None if left is None else left // _MICROSECOND),
            ("paused_since", at if status is Status.PAUSED else None),
            ("met_at", at if status is Status.MET else None),
            ("cancelled_at", at if status is Status.CANCELLED else None),
            ("cancelled_for", None if reason is None else reason.value),
            ("warned", clock.warned),
            ("retroactive", clock.retroactive),
            ("history", clock.terms.history),
            ("corrections", clock.corrections),
        ),
    )
    return row
