"""One complaint's events in the log's order, each once, and none missing in between."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from contracts.sla_watch import ClockBreached, ClockCorrected, ClockMet, ClocksStarted
from libs.decider import Conflict, Recorded

Story = tuple[Recorded[Any], ...]


class LogBroken(Conflict):
    """Events are missing before one that is there; `bihuan verify` says more."""

    rule = "log-broken"
    zh = "事件流有缺失,请先运行校验"


def told_once(events: Iterable[Recorded[Any]]) -> Story:
    """The events without what was sent twice; raises LogBroken where a stream has a hole."""
    last: dict[tuple[str, str], int] = {}
    story: list[Recorded[Any]] = []
    for one in events:
        stream = one.source, one.subject
        known = last.get(stream, 0)
        if one.sequence <= known:
            continue
        if one.sequence != known + 1:
            raise LogBroken(
                f"{one.source} {one.subject}: number {known + 1} is missing before {one.sequence}"
            )
        last[stream] = one.sequence
        story.append(one)
    return tuple(story)


def recorded_by(story: Story, at: datetime) -> Story:
    """As it was: what had been recorded by then, the instant included."""
    return tuple(one for one in story if one.time <= at)


def happened_by(story: Story, at: datetime) -> Story:
    """As we know now about then: what had happened by then, also where it was recorded later.

    A late report counts from its `occurredat`; a verdict from the instant it is dated (a breach:
    the due instant, DOMAIN counting 6), however late it was recorded or corrected. What was done
    because of it is dated when it was done. Nothing counts before its stream, nor a verdict before
    its clock began.
    """
    dates = _Dates()
    return tuple(one for one in story if dates.of(one) <= at)


class _Dates:
    """When each event of a story happened; asked in the log's order."""

    def __init__(self) -> None:
        self._first: dict[str, datetime] = {}
        self._started: dict[tuple[str, str, int], datetime] = {}

    def of(self, one: Recorded[Any]) -> datetime:
        event = one.data
        at = max(one.at, self._first.setdefault(one.source, one.at))
        match event:
            case ClocksStarted():
                for clock in event.clocks:
                    self._started.setdefault((clock.clock, clock.instance, clock.started_in), at)
                return at
            case ClockBreached():
                verdict: datetime | None = event.due_at
            case ClockMet():
                verdict = event.at
            case ClockCorrected():
                verdict = event.at or event.due
            case _:
                return at
        started = self._started[event.clock, event.instance, event.started_in]
        return max(verdict or at, started)
