"""What counts as access and configuration, by kind (issue 5, item 10): told as one timeline."""

from collections.abc import Mapping

from contracts import housekeeping as h
from libs.decider import Event

TOLD: Mapping[str, tuple[type[Event], ...]] = {
    "policies": (h.PolicyActivated, h.TeamChanged),
    "access": (h.TokenIssued, h.TokenRevoked, h.RoleChanged),
    "holds": (h.HoldPlaced, h.HoldLifted, h.StandingHoldPlaced, h.StandingHoldLifted),
    "exports": (h.ExportMade,),
    "persons": (h.PersonSought, h.PersonAccessed, h.PersonErased),
    "settled": (h.RecordSettled, h.GapResolved),
    "upkeep": (
        *(h.RebuildDone, h.CohortArchived, h.CohortRestored),
        *(h.PurgeProposed, h.PurgeApproved, h.PurgeAnswered, h.PurgeWithdrawn),
        h.CohortPurged,
    ),
}
"""Kind -> its events."""

ABOUT_ACCESS: tuple[type[Event], ...] = tuple(one for events in TOLD.values() for one in events)
KIND_OF: Mapping[str, str] = {event.type: kind for kind, events in TOLD.items() for event in events}
"""Event type -> its kind."""
