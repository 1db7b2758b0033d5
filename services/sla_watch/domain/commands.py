"""What sla_watch is asked to do; `at` is always the time of the fact behind it."""

from typing import Annotated

from pydantic import Field

from contracts.routing import WaitingFor
from contracts.sla_watch import CancelReason
from contracts.values import (
    Complexity,
    Correspondent,
    Cycle,
    EventRef,
    Instant,
    Profile,
    ReopenRoute,
    Tier,
)
from libs.decider import Command
from services.sla_watch.domain.facts import FactKind

Number = Annotated[int, Field(ge=1)]


class WatchCommand(Command):
    """Something that happened to a complaint, in one of its handling cycles."""

    cycle: Cycle
    fact: EventRef
    """The event that says so."""


class StartWatching(WatchCommand):
    """A complaint is on record; its clocks count from the customer's words (convention 1)."""

    clock_from: Instant
    profile: Profile
    correspondent: Correspondent


class TakeOver(WatchCommand):
    """A closed case of an older system is on record, with its own times."""

    clock_from: Instant
    profile: Profile
    answered_at: Instant


class ReplaceClocks(WatchCommand):
    """Category or urgency were set right (convention 9)."""

    profile: Profile


class RestartClocks(WatchCommand):
    """It was not the same matter after all: clocks that a merge stopped start again."""

    profile: Profile


class OpenCycle(WatchCommand):
    """The answer was not enough: a new handling cycle (convention 11)."""

    route: ReopenRoute
    clock_from: Instant
    profile: Profile


class StartForward(WatchCommand):
    """A forward has reached a partner; its clocks count from there (convention 1)."""

    forward: Number
    complexity: Complexity | None = None
    reached_at: Instant


class StartPromise(WatchCommand):
    """The customer was given a time (DOMAIN rule 8)."""

    promise: Number
    new_due: Instant


class StartSurvey(WatchCommand):
    """The customer is asked."""

    expires: Instant


class StartCase(WatchCommand):
    """The 10015 desk is asked, or the regulator asks."""

    case: Number
    tier: Tier
    report_by: Instant | None = None


class TakeFact(WatchCommand):
    """Something happened that may keep a promise, pause a clock or let it go on."""

    kind: FactKind
    case: Number | None = None
    forwards: tuple[Number, ...] = ()
    waiting_for: WaitingFor | None = None


class EndClocks(WatchCommand):
    """Nobody owes anything any more, for this reason: clocks stop without a verdict."""

    reason: CancelReason
    case: Number | None = None


class ReconsiderCalendar(Command):
    """A calendar version was loaded: unknown dues may be known now (convention 12)."""
