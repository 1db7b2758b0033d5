"""Standing holds as intake heard them: of a person or by query, they reach what comes as well.

Audit puts a hold of its own on each complaint that they reach; where it has not yet, for a record
of it is parked or under way there, nothing of the person may be destroyed all the same.
"""

from collections.abc import Iterable, Iterator
from typing import Any
from uuid import UUID

from contracts.housekeeping import StandingHoldLifted, StandingHoldPlaced
from contracts.values import Asked
from libs.decider import Lookups, Recorded, Row
from libs.eventlog import Table
from services.intake.domain.state import Complaint

STANDING_HOLDS = "standing_holds"

TABLE = Table(
    STANDING_HOLDS,
    {
        "hold": "text not null",
        "is_on": "boolean not null",
        "person": "uuid",
        "asked": "jsonb",
    },
    key=("hold",),
    indexes=("is_on",),
)


def heard_rows(recorded: Recorded[Any]) -> Iterator[Row]:
    """A standing hold is on, or over; it is over once audit says so, at its own date too."""
    match recorded.data:
        case StandingHoldPlaced() as told:
            yield Row.of(
                STANDING_HOLDS,
                {"hold": told.hold},
                is_on=True,
                person=told.person,
                asked=None if told.asked is None else told.asked.model_dump(mode="json"),
            )
        case StandingHoldLifted() as told:
            yield Row.of(STANDING_HOLDS, {"hold": told.hold}, is_on=False)
        case _:
            return


def is_held(person: UUID, complaints: Iterable[UUID], lookups: Lookups) -> bool:
    """Whether one that is on reaches this person, or one of these complaints."""
    on = lookups.rows(STANDING_HOLDS, is_on=True)
    if any(one["person"] == person for one in on):
        return True
    queries = [Asked.model_validate(one["asked"]) for one in on if one["asked"] is not None]
    if not queries:
        return False
    for subject in complaints:
        complaint: Complaint | None = lookups.state("complaint", str(subject))
        if complaint is not None:
            moments = (complaint.registration.clock_from, complaint.registered_at)
            if any(one.means(complaint.profile, moments) for one in queries):
                return True
    return False
