"""When nothing of a complaint keeps its person's data from being destroyed any more (race 15).

Open, appealed to the regulator, under a legal hold, or within six calendar months after closing:
each of them keeps it. The months are law, not policy: no setting lowers them (DOMAIN, Audit and
retention; docs/decisions/0008).
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from contracts.housekeeping import ErasureState
from contracts.intake import (
    ComplaintErasureNoted,
    ComplaintHoldNoted,
    HoldState,
)
from contracts.keeping import floor_ends
from contracts.values import Kind
from libs.decider import Event
from services.intake.domain.closing import TIER_REGULATOR
from services.intake.domain.commands import AwaitErasure, ErasureDue, NoteHold
from services.intake.domain.state import Complaint, fold

TIMER = "erasable"


def kept_until(complaint: Complaint) -> datetime | None:
    """Until when the complaint keeps its person's data; None: until something happens to it.

    One that was merged away is kept by the complaint it went into, which then keeps the data of
    everybody whose words it took over (`merging.choose_merge`). What runs no loop (suggestions,
    praise, consultations) counts from when it was told, and history from its import.
    """
    if complaint.holds or complaint.has_case(TIER_REGULATOR):
        return None
    if complaint.merged_into is not None:
        return complaint.registered_at
    if complaint.history and complaint.cycle == 1:
        return floor_ends(complaint.registered_at)
    if complaint.closed is not None:
        return floor_ends(complaint.closed.at)
    if complaint.profile.kind is not Kind.COMPLAINT and complaint.cycle == 1:
        return floor_ends(complaint.clock_from)
    return None


def timers(complaint: Complaint) -> Mapping[str, datetime]:
    """When an erasure that waits may go on, if that is known."""
    waiting = [one.since for one in complaint.erasures if not one.free]
    until = kept_until(complaint) if waiting else None
    return {} if until is None else {TIMER: max(until, min(waiting))}


def decide(complaint: Complaint, command: AwaitErasure | NoteHold | ErasureDue) -> Sequence[Event]:
    """Waits, is held, or is free; told twice is told once."""
    match command:
        case AwaitErasure():
            if any(one.person == command.person for one in complaint.erasures):
                return []
            return [_noted(complaint, command.person, ErasureState.WAITS)]
        case NoteHold():
            on = command.state is HoldState.PLACED
            if on is (command.hold in complaint.holds):
                return []
            event = ComplaintHoldNoted(
                cycle=complaint.cycle, hold=command.hold, state=command.state
            )
            return [event, *(waiting_again(complaint) if on else ())]
        case ErasureDue():
            if timers(complaint).get(TIMER) != command.at:
                return []
            if not command.complete:
                # Something earlier may not have been heard, a hold or an appeal. Destroying cannot
                # be taken back, so it waits on: noted, and due again at once.
                return [
                    _noted(complaint, one.person, ErasureState.WAITS)
                    for one in complaint.erasures
                    if not one.free
                ]
            return [
                _noted(complaint, one.person, ErasureState.FREE)
                for one in complaint.erasures
                if not one.free
            ]


def waiting_again(complaint: Complaint) -> Sequence[Event]:
    """What had been free keeps the data once more: reopened, or held."""
    return [
        _noted(complaint, one.person, ErasureState.WAITS) for one in complaint.erasures if one.free
    ]


def with_erasures(
    complaint: Complaint | None, events: Sequence[Event], now: datetime
) -> Sequence[Event]:
    """A decision's events, and what they mean for erasures that had been free.

    Reopened, no longer merged, or appealed: the complaint keeps the data once more.
    """
    if complaint is None or not events or not any(one.free for one in complaint.erasures):
        return events
    after = complaint
    for event in events:
        after = fold(after, event, now)
    until = kept_until(after)
    if until is not None and until <= now:
        return events
    return [*events, *waiting_again(after)]


def _noted(complaint: Complaint, person: UUID, state: ErasureState) -> ComplaintErasureNoted:
    return ComplaintErasureNoted(cycle=complaint.cycle, person=person, state=state)
