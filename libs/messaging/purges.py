"""What hearing of a purge leads to: streams are withheld, freed or deleted, and it is answered."""

from typing import Any
from uuid import UUID

from libs.decider import Recorded
from libs.eventlog.purging import Lift, Withhold, ends_of, purge_of, subjects_of
from libs.eventlog.service import Service
from libs.eventlog.work import Work
from libs.messaging.notes import note_on

WITHHELD, GONE = "withheld", "gone"
"""The steps that are answered (contracts, PurgeStep)."""


def is_purge(service: Service, recorded: Recorded[Any]) -> bool:
    """Whether streams go by it."""
    return isinstance(recorded.data, service.housekeeping.cohort_purged)


def hear_of_purge(service: Service, work: Work, recorded: Recorded[Any], value: bytes) -> None:
    """Nothing, where it is no event of a purge."""
    keeping, steps = service.housekeeping, work.extra.purges
    if isinstance(recorded.data, keeping.purge_withdrawn):
        steps.append(Lift(recorded.subject))
    elif isinstance(recorded.data, keeping.purge_approved):
        ends = ends_of(recorded)
        seen, kept = work.taken_up(ends)
        rest = frozenset(subjects_of(ends)) - kept
        steps.append(Withhold(recorded.subject, ends, rest, seen))
        _answer(service, work, recorded, WITHHELD, kept)
    elif is_purge(service, recorded):
        seen, kept = work.taken_up(ends_of(recorded))
        steps.append(purge_of(recorded, value, kept=kept, seen=seen))
        _answer(service, work, recorded, GONE, kept)


def _answer(
    service: Service, work: Work, recorded: Recorded[Any], step: str, kept: frozenset[str]
) -> None:
    event = service.housekeeping.purge_answered.model_validate(
        {
            "cohort": recorded.data.cohort,
            "record": recorded.id,
            "step": step,
            "kept": tuple(sorted(UUID(one) for one in kept)),
        }
    )
    note_on(service, work, recorded.subject, event, str(recorded.id))
