"""The shape every domain has: events, commands, and pure `decide` and `evolve`."""

from libs.decider.decider import (
    Command,
    Context,
    Decider,
    Event,
    Instant,
    Lookups,
    Recorded,
    Row,
    State,
    TimerFired,
    To,
    Told,
)
from libs.decider.errors import Conflict, DomainError, NotFound, Refused, Stale, Standing
from libs.decider.given_up import GivenUp
from libs.decider.policy import Fault, Policies, PolicyInForce, PolicyMissing

__all__ = [
    "Command",
    "Conflict",
    "Context",
    "Decider",
    "DomainError",
    "Event",
    "Fault",
    "GivenUp",
    "Instant",
    "Lookups",
    "NotFound",
    "Policies",
    "PolicyInForce",
    "PolicyMissing",
    "Recorded",
    "Refused",
    "Row",
    "Stale",
    "Standing",
    "State",
    "TimerFired",
    "To",
    "Told",
]
