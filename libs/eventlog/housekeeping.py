"""Streams of the runtime's own: gaps resolved, rebuilds done, records parked without a stream."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ConfigDict, SerializeAsAny

from libs.decider import Command, Context, Decider, Event, Recorded, State

BESIDE = "#beside"
"""Ends the subject of notes on a stream that cannot be read: an event id is made of subject and
sequence, so a note under the stream's own subject would take the id of its first event."""


class Note(Command):
    """Put this housekeeping event on record."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)
    event: SerializeAsAny[Event]


@dataclass(frozen=True, slots=True)
class Noted(State):
    """How many such events there are."""

    count: int = 0


def housekeeping_decider(events: Sequence[type[Event]]) -> Decider[Noted]:
    """Streams (kind `housekeeping`, any subject) that only record."""

    def decide(_state: Noted | None, command: Note, _context: Context) -> list[Event]:
        return [command.event]

    def evolve(state: Noted | None, _recorded: Recorded[Any]) -> Noted:
        return Noted((state.count if state else 0) + 1)

    return Decider(
        kind="housekeeping",
        commands=(Note,),
        events=tuple(events),
        decide=decide,
        evolve=evolve,
        subject_is_id=False,
    )
