"""Legal holds: while one is on a complaint, nothing of it is deleted (DOMAIN, Audit and retention).

Each hold has a name, a ground and whoever placed it; it ends when it is lifted, or at its own date.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from contracts.housekeeping import HoldLifted, HoldPlaced
from contracts.values import Code, Instant, Reason
from libs.decider import (
    Command,
    Conflict,
    Context,
    Decider,
    NotFound,
    Recorded,
    Refused,
    Row,
    State,
    TimerFired,
)

LEGAL_HOLDS = "legal_hold"
EXPIRED = "expired"


class PlaceHold(Command):
    """Keep this complaint whatever its age."""

    hold: Code
    ground: Reason
    by: Code
    until: Instant | None = None


class LiftHold(Command):
    """It need not be kept for this any more."""

    hold: Code
    ground: Reason
    by: Code


class HoldExpired(TimerFired):
    """A hold's own date has come; the timer's name is the hold's."""


class HoldIsOn(Conflict):
    """A hold of this name is on with another ground or date; lift it, or take another name."""

    rule = "hold-is-on"
    zh = "同名留存保全已生效,理由或期限不同"


class HoldUnknown(NotFound):
    """No hold of this name was ever on."""

    rule = "hold-unknown"
    zh = "没有该留存保全"


class HoldAlreadyOver(Refused):
    """A hold must end in the future, if it ends at all."""

    rule = "hold-already-over"
    zh = "留存保全的截止时间必须晚于现在"


@dataclass(frozen=True, slots=True)
class On:
    """A hold that is on."""

    ground: str
    by: str
    since: datetime
    until: datetime | None


@dataclass(frozen=True, slots=True)
class Held(State):
    """The holds of one complaint: those that are on, and the names of those that are over."""

    on: tuple[tuple[str, On], ...] = ()
    over: frozenset[str] = frozenset()

    @property
    def by_name(self) -> Mapping[str, On]:
        """Those that are on."""
        return dict(self.on)


def decide(
    held: Held | None, command: PlaceHold | LiftHold | HoldExpired, context: Context
) -> Sequence[HoldPlaced | HoldLifted]:
    """On once, over once; told twice is told once."""
    known = held or Held()
    match command:
        case PlaceHold():
            return _place(known, command, context.now)
        case LiftHold():
            if command.hold in known.by_name:
                return [HoldLifted(hold=command.hold, ground=command.ground, by=command.by)]
            if command.hold in known.over:
                return []
            raise HoldUnknown
        case HoldExpired():
            on = known.by_name.get(command.timer)
            if on is None or on.until != command.at:
                return []
            return [HoldLifted(hold=command.timer, ground=EXPIRED, by="system:audit")]


def _place(known: Held, command: PlaceHold, now: datetime) -> Sequence[HoldPlaced]:
    on = known.by_name.get(command.hold)
    if on is not None:
        if (on.ground, on.until) != (command.ground, command.until):
            raise HoldIsOn
        return []
    if command.until is not None and command.until <= now:
        raise HoldAlreadyOver
    return [
        HoldPlaced(hold=command.hold, ground=command.ground, by=command.by, until=command.until)
    ]


def evolve(held: Held | None, recorded: Recorded[Any]) -> Held:
    """One more on, or one more over."""
    known = held or Held()
    told = recorded.data
    others = tuple(one for one in known.on if one[0] != told.hold)
    if isinstance(told, HoldPlaced):
        on = On(told.ground, told.by, recorded.time, told.until)
        return Held((*others, (told.hold, on)), known.over - {told.hold})
    return replace(known, on=others, over=known.over | {told.hold})


def timers(held: Held) -> Mapping[str, datetime]:
    """The dates at which holds end by themselves."""
    return {name: on.until for name, on in held.on if on.until is not None}


def rows(subject: str, held: Held) -> Iterator[Row]:
    """The holds that are on."""
    for name, on in held.on:
        yield Row.of(
            LEGAL_HOLDS,
            {"hold": name, "complaint": UUID(subject)},
            ground=on.ground,
            placed_by=on.by,
            since=on.since,
            until=on.until,
        )


HOLDS: Decider[Held] = Decider(
    kind="hold",
    commands=(PlaceHold, LiftHold),
    events=(HoldPlaced, HoldLifted),
    decide=decide,
    evolve=evolve,
    timers=timers,
    rows=rows,
    timer_command=HoldExpired,
)
"""Subject and stream id: the complaint's id."""
