"""The event classes that the runtime itself writes, as the contracts define them."""

from contracts.housekeeping import (
    CohortPurged,
    GapResolved,
    PolicyActivated,
    PurgeAnswered,
    PurgeApproved,
    PurgeWithdrawn,
    RebuildDone,
    RecordParked,
    RecordSettled,
    RoleChanged,
    TokenIssued,
    TokenRevoked,
)
from libs.eventlog.service import AccessEvents, Housekeeping

HOUSEKEEPING = Housekeeping(
    record_parked=RecordParked,
    record_settled=RecordSettled,
    gap_resolved=GapResolved,
    policy_activated=PolicyActivated,
    rebuild_done=RebuildDone,
    cohort_purged=CohortPurged,
    purge_approved=PurgeApproved,
    purge_withdrawn=PurgeWithdrawn,
    purge_answered=PurgeAnswered,
)

ACCESS = AccessEvents(
    token_issued=TokenIssued,
    token_revoked=TokenRevoked,
    role_changed=RoleChanged,
)
