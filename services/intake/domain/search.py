"""Askings for a number that nobody here has: on record like every access, without the number."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from contracts.housekeeping import PersonSought
from contracts.values import Code, Reason
from libs.decider import Command, Context, Recorded, State

ZONE = ZoneInfo("Asia/Shanghai")


class RecordSearch(Command):
    """Somebody asked, and nobody was found."""

    by: Code
    purpose: Reason


@dataclass(frozen=True, slots=True)
class Searches(State):
    """How often somebody asked in vain on a day."""

    count: int = 0


def subject_of(at: datetime) -> str:
    """The stream of a day in Shanghai: one for ever would grow too long to be read."""
    return f"searches:{at.astimezone(ZONE):%Y-%m-%d}"


def decide(
    _searches: Searches | None, command: RecordSearch, _context: Context
) -> list[PersonSought]:
    """Every asking is put on record."""
    return [PersonSought(by=command.by, purpose=command.purpose)]


def evolve(searches: Searches | None, _recorded: Recorded[Any]) -> Searches:
    """One more."""
    return Searches((searches or Searches()).count + 1)
