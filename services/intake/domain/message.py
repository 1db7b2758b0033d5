"""A channel message that was not taken: by which rule, and what to do about it. Never its words."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from contracts.housekeeping import MessageRefused
from contracts.values import ChannelKind, Plain, Reason
from libs.decider import Command, Context, Recorded, State


class RefuseMessage(Command):
    """Put a refusal on record; `at` is when it was refused."""

    key: UUID
    channel: ChannelKind | None = None
    source: str
    message: str
    rule: Reason
    problem: Plain
    complaint: UUID | None = None
    person: UUID | None = None


@dataclass(frozen=True, slots=True)
class Refusal(State):
    """The refusal of one message."""

    source: str
    message: str
    channel: str | None
    rule: str
    problem: str
    at: datetime
    person: UUID | None


def decide(
    state: Refusal | None, command: RefuseMessage, _context: Context
) -> list[MessageRefused]:
    """Refused once; the same message again is refused already."""
    if state is not None:
        return []
    return [
        MessageRefused(
            channel=command.channel,
            source=command.source,
            message=command.message,
            rule=command.rule,
            problem=command.problem,
            complaint=command.complaint,
            person=command.person,
        )
    ]


def evolve(_state: Refusal | None, recorded: Recorded[Any]) -> Refusal:
    """The first refusal stays; there is no second one."""
    refused: MessageRefused = recorded.data
    return Refusal(
        source=refused.source,
        message=refused.message,
        channel=None if refused.channel is None else refused.channel.value,
        rule=refused.rule,
        problem=refused.problem,
        at=recorded.time,
        person=refused.person,
    )
