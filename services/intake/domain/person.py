"""What was done with a person's data: every opening with its purpose, its locking and destroying.

Locked at once when it is asked for; destroyed when the last complaint of the person keeps it no
more (EVENTS race 15). Each complaint says itself when that is (`erasing.py`); that nothing unheard
stands against it is seen to by `destroying.py`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from contracts.housekeeping import (
    ErasureMode,
    ErasureState,
    PersonAccessed,
    PersonErased,
    PersonErasureNoted,
)
from contracts.values import Code, Reason
from libs.decider import Command, Conflict, Context, Event, Recorded, State
from services.intake.domain.state import Complaint

PURPOSE_LAPSED = "purpose_lapsed"


class RecordAccess(Command):
    """Somebody opened sealed data of this person (DOMAIN, Audit: with its purpose)."""

    complaint: UUID | None = None
    by: Code
    purpose: Reason
    fields: tuple[Code, ...]


class Lock(Command):
    """Lock the data to storage: operations cannot read it, an auditor only with a purpose (PIPL).

    `complaints` are all the person has now, `others` those of other people that hold their words;
    `afresh`: something sealed for the person can be read now, said since an earlier locking.
    """

    basis: Reason
    complaints: tuple[UUID, ...] = ()
    others: tuple[UUID, ...] = ()
    afresh: bool = False


class Erase(Lock):
    """Lock the data, and destroy it as soon as none of the complaints keeps it.

    `held`: a standing hold reaches the person, whether or not anything of them is on record.
    """

    held: bool = False


class LapsePurpose(Command):
    """A complaint that held the person's words was purged; these are left, and others' that hold
    some. With the last of them the purpose has lapsed (PIPL).
    """

    complaints: tuple[UUID, ...] = ()
    others: tuple[UUID, ...] = ()


class NoteComplaint(Command):
    """The person has one more complaint (heard: complaint.registered)."""

    complaint: UUID


class NoteErasure(Command):
    """A complaint keeps the data, or no longer does (heard: complaint.erasure_noted)."""

    complaint: UUID
    state: ErasureState


class Destroy(Command):
    """No complaint keeps the data, and everything was heard that was on the log when the last one
    noted it: no hold is on its way, none stands behind a parked record (`destroying.py`).
    """


PersonCommand = RecordAccess | Lock | Erase | LapsePurpose | NoteComplaint | NoteErasure | Destroy


class AlreadyDestroyed(Conflict):
    """The person's key is destroyed; nothing can be locked or opened any more."""

    rule = "person-destroyed"
    zh = "该客户的个人信息已销毁"


@dataclass(frozen=True, slots=True)
class Person(State):
    """How often the data was opened, whether it still can be, and what it is kept for."""

    accesses: int = 0
    erased: ErasureMode | None = None
    basis: str = ""
    since: datetime | None = None
    locked_at: datetime | None = None
    destroyed_at: datetime | None = None
    to_be_destroyed: bool = False
    keeping: frozenset[UUID] = frozenset()
    """Complaints that keep the data."""
    known: frozenset[UUID] = frozenset()
    """All complaints that the erasure concerns."""
    own: frozenset[UUID] = frozenset()
    """Those of them that are the person's own."""

    @property
    def ready(self) -> bool:
        """Whether nothing on record keeps the data from being destroyed any more."""
        return self.to_be_destroyed and not self.destroyed and not self.keeping

    @property
    def destroyed(self) -> bool:
        """Whether nothing can be read any more."""
        return self.erased is ErasureMode.DESTROYED


def decide(person: Person | None, command: PersonCommand, context: Context) -> list[Event]:
    """Every access is put on record; locking, erasing and what they wait for once each."""
    known = person or Person()
    match command:
        case RecordAccess():
            return [
                PersonAccessed(
                    complaint=command.complaint,
                    by=command.by,
                    purpose=command.purpose,
                    fields=command.fields,
                )
            ]
        case Erase():
            return _erase(known, command, context)
        case Lock():
            if known.destroyed and _concerned(command) <= known.known:
                raise AlreadyDestroyed
            if known.erased is ErasureMode.LOCKED and not command.afresh:
                return []
            return [_locked(command, context, to_be_destroyed=known.to_be_destroyed)]
        case LapsePurpose():
            if known.destroyed or command.complaints or command.others:
                return []
            return [PersonErased(mode=ErasureMode.DESTROYED, basis=PURPOSE_LAPSED)]
        case NoteComplaint():
            if known.destroyed or not known.to_be_destroyed or command.complaint in known.known:
                return []
            return [PersonErasureNoted(complaint=command.complaint, state=ErasureState.WAITS)]
        case NoteErasure():
            return _noted(known, command, context)
        case Destroy():
            return _destroy(known, context)


def _erase(person: Person, command: Erase, context: Context) -> list[Event]:
    concerned = _concerned(command)
    if person.destroyed and concerned <= person.known:
        raise AlreadyDestroyed
    if person.to_be_destroyed and not command.afresh:
        return []
    if not concerned and not command.held:
        return [PersonErased(mode=ErasureMode.DESTROYED, basis=command.basis)]
    return [_locked(command, context, to_be_destroyed=True)]


def _concerned(command: Lock) -> frozenset[UUID]:
    return frozenset((*command.complaints, *command.others))


def _locked(command: Lock, context: Context, *, to_be_destroyed: bool) -> PersonErased:
    return PersonErased(
        mode=ErasureMode.LOCKED,
        basis=command.basis,
        complaints=command.complaints,
        cycles=_cycles(command.complaints, context),
        others=command.others,
        to_be_destroyed=to_be_destroyed,
    )


def _noted(person: Person, command: NoteErasure, context: Context) -> list[Event]:
    """One complaint more or less keeps the data.

    What the complaint says at this very moment counts, for a hold may have come since the note,
    and a note that was parked comes late.
    """
    keeps = command.complaint in person.keeping
    if person.destroyed or keeps is (command.state is ErasureState.WAITS):
        return []
    if _says(command.complaint, context) not in (None, command.state):
        return []
    return [PersonErasureNoted(complaint=command.complaint, state=command.state)]


def _destroy(person: Person, context: Context) -> list[Event]:
    """Unless a complaint says at this very moment that it keeps the data after all."""
    if not person.ready:
        return []
    held = [one for one in sorted(person.known) if _says(one, context) is ErasureState.WAITS]
    if held:
        return [PersonErasureNoted(complaint=one, state=ErasureState.WAITS) for one in held]
    own = tuple(sorted(person.own))
    return [
        PersonErased(
            mode=ErasureMode.DESTROYED,
            basis=person.basis,
            complaints=own,
            cycles=_cycles(own, context),
        )
    ]


def _cycles(complaints: Sequence[UUID], context: Context) -> tuple[int, ...]:
    states = (context.state_of("complaint", str(one)) for one in complaints)
    return tuple(1 if one is None else one.cycle for one in states)


def _says(complaint: UUID, context: Context) -> ErasureState | None:
    """What a complaint itself says of this person's data; None where nothing is on record yet."""
    stands: Complaint | None = context.state_of("complaint", str(complaint))
    return None if stands is None else stands.erasure_of(UUID(context.subject))


def evolve(person: Person | None, recorded: Recorded[Any]) -> Person:
    """One access more, locked, destroyed, or kept by one complaint more or less."""
    known = person or Person()
    match recorded.data:
        case PersonErased() as told:
            return _erased(known, told, recorded.time)
        case PersonErasureNoted() as told:
            one = {told.complaint}
            waits = told.state is ErasureState.WAITS
            return replace(
                known,
                keeping=known.keeping | one if waits else known.keeping - one,
                known=known.known | one,
            )
        case _:
            return replace(known, accesses=known.accesses + 1)


def _erased(known: Person, told: PersonErased, time: datetime) -> Person:
    """Locked, locked anew, or destroyed. Locked anew, what is free already stays free."""
    complaints = frozenset((*told.complaints, *told.others))
    waits = told.to_be_destroyed
    anew = complaints - known.known if known.to_be_destroyed else complaints
    gone = told.mode is ErasureMode.DESTROYED
    return replace(
        known,
        erased=told.mode,
        basis=told.basis,
        since=time,
        locked_at=known.locked_at if gone else time,
        destroyed_at=time if gone else known.destroyed_at,
        to_be_destroyed=waits,
        keeping=known.keeping | anew if waits else frozenset(),
        known=known.known | complaints,
        own=known.own | frozenset(told.complaints),
    )
