"""What a clock can be told: the kinds of facts, and one fact as verdicts see it."""

from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from contracts.sla_watch import CancelReason
from contracts.values import ClockRef, EventRef, Profile, ReopenRoute


class FactKind(StrEnum):
    """What happened, as far as a clock is concerned. Policies name the first ones in `met_by`."""

    RECEIPT = "receipt"
    CONTACTED = "contacted"
    ANSWERED = "answered"
    FINAL_RESPONSE = "final_response"
    DECIDED = "decided"
    PARTNER_REPORTED = "partner_reported"
    """The partner said something, were it only that the cause is not its own."""
    PARTNER_ANSWERED = "partner_answered"
    """The partner answered 10010."""
    PARTNER_CONTACTED = "partner_contacted"
    """The partner answered the customer."""
    DESK_CONTACTED = "desk_contacted"
    REGULATOR_REPORTED = "regulator_reported"
    SURVEY_ANSWERED = "survey_answered"
    SUSPENDED = "suspended"
    RESUMED = "resumed"
    PARTNER_DENIED = "partner_denied"
    """The customer says that the partner never answered: what it told before counts no more."""
    ENDED = "ended"
    RESTARTED = "restarted"


ANSWERS = frozenset({FactKind.ANSWERED, FactKind.FINAL_RESPONSE})
"""The customer has an answer: from the handling desk, or a case's last word."""

PAUSES = frozenset({FactKind.SUSPENDED, FactKind.RESUMED})

KEEP_NOTHING = PAUSES | {FactKind.PARTNER_DENIED, FactKind.ENDED, FactKind.RESTARTED}
"""What no promise is kept by."""

OF_THE_COMPLAINT = frozenset(
    {
        CancelReason.WITHDRAWN,
        CancelReason.REJECTED,
        CancelReason.MERGED,
        CancelReason.CLOSED,
    }
)
"""Ends after which nobody works on the complaint any more; only a case goes on."""

_RANKS = {
    FactKind.SUSPENDED: 1,
    FactKind.RESUMED: 1,
    FactKind.ENDED: 2,
    FactKind.RESTARTED: 2,
}


class Key(NamedTuple):
    """Where a fact stands among all facts; verdicts fold them in this order.

    Facts go by their own time. At one instant what keeps a promise goes first, so that a cause is
    never overtaken by its effect (a complaint closed by its own answer), then pauses, then ends;
    and otherwise as they came, which for facts of one source is that source's sequence.
    """

    at: datetime
    rank: int
    order: int


class Fact(NamedTuple):
    """One fact that clocks are judged by.

    `order` is where it came in this stream; `case` and `forwards` say which of several it concerns;
    `reason` is that of an end; when a complaint was reclassified or taken up again, `profile` is
    what it is about since and `route` where its cycle had gone. `waiting_for` is whom a pause waits
    for.
    """

    kind: FactKind
    at: datetime
    cycle: int
    ref: EventRef | None
    order: int
    case: int | None = None
    forwards: tuple[int, ...] = ()
    reason: CancelReason | None = None
    profile: Profile | None = None
    route: ReopenRoute | None = None
    waiting_for: str | None = None

    @property
    def key(self) -> Key:
        """Its place among all facts."""
        return Key(self.at, _RANKS.get(self.kind, 0), self.order)


def name_of(ref: ClockRef) -> tuple[str, str, int]:
    """A clock's name within its complaint: code, instance, cycle it started in."""
    return (ref.clock, ref.instance, ref.started_in)
