"""That records left the house is itself on record: what, whose, to whom, and what for."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from contracts.housekeeping import ExportMade
from libs.decider import Command, Context, Decider, Recorded, State


class RecordExport(Command):
    """Put on record that this was handed out."""

    made: ExportMade


@dataclass(frozen=True, slots=True)
class Exported(State):
    """How often the same bytes were handed out."""

    times: int


def decide(_state: Exported | None, command: RecordExport, _context: Context) -> Sequence[Any]:
    """Each handing out counts, also of the same bytes."""
    return [command.made]


def evolve(state: Exported | None, _recorded: Recorded[Any]) -> Exported:
    """One more."""
    return Exported((state.times if state else 0) + 1)


EXPORTS: Decider[Exported] = Decider(
    kind="export",
    commands=(RecordExport,),
    events=(ExportMade,),
    decide=decide,
    evolve=evolve,
    subject_is_id=False,
)
