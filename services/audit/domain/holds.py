"""Legal holds: while one is on a complaint, nothing of it is deleted (DOMAIN, Audit and retention).

Each hold has a name, a ground and whoever placed it; it ends when it is lifted, or at its own date.
A standing hold is one of a person, or of whatever is asked for by time, category and province: it
also reaches what comes on record, or becomes so, while it is on, and puts the hold on each
complaint that it reaches.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from contracts.housekeeping import (
    HoldLifted,
    HoldPlaced,
    StandingHoldLifted,
    StandingHoldPlaced,
)
from contracts.values import Asked, Code, Instant, Profile, Reason
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
from services.audit.domain.standing import of_holds

LEGAL_HOLDS = "legal_hold"
LEGAL_HOLDS_OVER = "legal_hold_over"
STANDING_ROWS = "standing_hold"
STANDING_KIND = "standing_hold"
STANDING = "standing-holds"
"""The one stream of all standing holds: every complaint that comes is held against it."""

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


class Reach(Command):
    """This person speaks on the complaint, or it became what it is: do standing holds reach it?

    `person`: None where nobody spoke. `profile`: what it is, when it came on record or was
    reclassified, with `moments`: when it was told, and when that came on record; None for a
    further contact.
    """

    person: UUID | None = None
    profile: Profile | None = None
    moments: tuple[Instant, ...] = ()


class ReachUnread(Command):
    """A record of the complaint was given up unread: it may be one that a standing hold reaches."""


class PlaceStanding(PlaceHold):
    """Keep whatever comes of this person, or is asked for by what it is."""

    person: UUID | None = None
    asked: Asked | None = None


class LiftStanding(LiftHold):
    """What comes from now on need not be kept for this any more."""


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
class OnWhatComes(On):
    """A standing hold that is on, and what it reaches: one person, or what was asked for."""

    person: UUID | None
    asked: Asked | None

    def reaches(self, command: Reach | ReachUnread, now: datetime) -> bool:
        """Whether this speaker, or such a complaint, is meant; not once its end has come.

        What nobody could read may be either.
        """
        if self.until is not None and self.until <= now:
            return False
        if isinstance(command, ReachUnread):
            return True
        if self.person is not None:
            return self.person == command.person
        if self.asked is None or command.profile is None:
            return False
        return self.asked.means(command.profile, command.moments)


@dataclass(frozen=True, slots=True)
class Standing(State):
    """The standing holds: those that are on, and the names of those that are over."""

    on: tuple[tuple[str, OnWhatComes], ...] = ()
    over: frozenset[str] = frozenset()

    @property
    def by_name(self) -> Mapping[str, OnWhatComes]:
        """Those that are on."""
        return dict(self.on)


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
    held: Held | None,
    command: PlaceHold | LiftHold | Reach | ReachUnread | HoldExpired,
    context: Context,
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
        case Reach() | ReachUnread():
            return _reached(known, command, context)
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


def _reached(known: Held, command: Reach | ReachUnread, context: Context) -> Sequence[HoldPlaced]:
    standing: Standing | None = context.state_of(STANDING_KIND, STANDING)
    return [
        HoldPlaced(hold=name, ground=on.ground, by=on.by, until=on.until)
        for name, on in (standing or Standing()).on
        if name not in known.by_name and on.reaches(command, context.now)
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
    """The holds that are on, and the names of those that were."""
    for name in sorted(held.over):
        yield Row.of(LEGAL_HOLDS_OVER, {"hold": name, "complaint": UUID(subject)})
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
    commands=(PlaceHold, LiftHold, Reach, ReachUnread),
    events=(HoldPlaced, HoldLifted),
    decide=decide,
    evolve=evolve,
    timers=timers,
    rows=rows,
    stands=of_holds,
    timer_command=HoldExpired,
)
"""Subject and stream id: the complaint's id."""


def decide_standing(
    standing: Standing | None, command: PlaceStanding | LiftStanding | HoldExpired, context: Context
) -> Sequence[StandingHoldPlaced | StandingHoldLifted]:
    """On once, over once; told twice is told once."""
    known = standing or Standing()
    match command:
        case PlaceStanding():
            return _place_standing(known, command, context.now)
        case LiftStanding():
            if command.hold in known.by_name:
                return [StandingHoldLifted(hold=command.hold, ground=command.ground, by=command.by)]
            if command.hold in known.over:
                return []
            raise HoldUnknown
        case HoldExpired():
            on = known.by_name.get(command.timer)
            if on is None or on.until != command.at:
                return []
            return [StandingHoldLifted(hold=command.timer, ground=EXPIRED, by="system:audit")]


def _place_standing(
    known: Standing, command: PlaceStanding, now: datetime
) -> Sequence[StandingHoldPlaced]:
    on = known.by_name.get(command.hold)
    if on is not None:
        meant = (command.ground, command.until, command.person, command.asked)
        if (on.ground, on.until, on.person, on.asked) != meant:
            raise HoldIsOn
        return []
    if command.until is not None and command.until <= now:
        raise HoldAlreadyOver
    return [
        StandingHoldPlaced(
            hold=command.hold,
            ground=command.ground,
            by=command.by,
            person=command.person,
            **({} if command.asked is None else dict(command.asked)),
            until=command.until,
        )
    ]


def evolve_standing(standing: Standing | None, recorded: Recorded[Any]) -> Standing:
    """One more on, or one more over."""
    known = standing or Standing()
    told = recorded.data
    others = tuple(one for one in known.on if one[0] != told.hold)
    if isinstance(told, StandingHoldPlaced):
        on = OnWhatComes(
            told.ground,
            told.by,
            recorded.time,
            told.until,
            told.person,
            told.asked,
        )
        return Standing((*others, (told.hold, on)), known.over - {told.hold})
    return Standing(others, known.over | {told.hold})


def standing_timers(standing: Standing) -> Mapping[str, datetime]:
    """The dates at which standing holds end by themselves."""
    return {name: on.until for name, on in standing.on if on.until is not None}


def standing_rows(_subject: str, standing: Standing) -> Iterator[Row]:
    """The standing holds that are on."""
    for name, on in standing.on:
        yield Row.of(
            STANDING_ROWS,
            {"hold": name},
            ground=on.ground,
            placed_by=on.by,
            since=on.since,
            person=on.person,
            asked=None if on.asked is None else on.asked.model_dump(mode="json"),
            until=on.until,
        )


STANDING_HOLDS: Decider[Standing] = Decider(
    kind=STANDING_KIND,
    commands=(PlaceStanding, LiftStanding),
    events=(StandingHoldPlaced, StandingHoldLifted),
    decide=decide_standing,
    evolve=evolve_standing,
    timers=standing_timers,
    rows=standing_rows,
    stands=of_holds,
    timer_command=HoldExpired,
    subject_is_id=False,
)
"""Subject: `standing-holds`."""
