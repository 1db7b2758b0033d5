"""What was done with a person's data: every opening with its purpose, and its erasing."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from contracts.housekeeping import ErasureMode, PersonAccessed, PersonErased
from contracts.values import Code, Instant, Reason
from libs.decider import Command, Conflict, Context, Event, Recorded, State


class RecordAccess(Command):
    """Somebody opened sealed data of this person (DOMAIN, Audit: with its purpose)."""

    complaint: UUID | None = None
    by: Code
    purpose: Reason
    fields: tuple[Code, ...]


class RecordErasure(Command):
    """The vault has locked or destroyed this person's data."""

    mode: ErasureMode
    basis: Reason
    until: Instant | None = None
    complaints: tuple[UUID, ...] = ()


class AlreadyDestroyed(Conflict):
    """The person's key is destroyed; nothing can be locked or opened any more."""

    rule = "person-destroyed"
    zh = "该客户的个人信息已销毁"


@dataclass(frozen=True, slots=True)
class Person(State):
    """How often the data was opened, and whether it still can be."""

    accesses: int = 0
    erased: ErasureMode | None = None


def decide(
    person: Person | None, command: RecordAccess | RecordErasure, _context: Context
) -> list[Event]:
    """Every access is put on record; an erasure once for each mode."""
    if isinstance(command, RecordAccess):
        return [
            PersonAccessed(
                complaint=command.complaint,
                by=command.by,
                purpose=command.purpose,
                fields=command.fields,
            )
        ]
    erased = person.erased if person else None
    if erased is command.mode:
        return []
    if erased is ErasureMode.DESTROYED:
        raise AlreadyDestroyed
    return [
        PersonErased(
            mode=command.mode,
            basis=command.basis,
            until=command.until,
            complaints=command.complaints,
        )
    ]


def evolve(person: Person | None, recorded: Recorded[Any]) -> Person:
    """One access more, or erased."""
    known = person or Person()
    if isinstance(recorded.data, PersonErased):
        return Person(known.accesses, recorded.data.mode)
    return Person(known.accesses + 1, known.erased)
