"""Each promise of a complaint's clocks: what was promised, until when, and what became of it. Pure.

Folded from the bodies of sla_watch's events as they are on record, so that it can be told of what
the archive holds even where a body does not fit its contract: such a one changes nothing here.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

Ref = tuple[str, str, str, int]
"""(complaint, clock, instance, the cycle in which it started)."""

RUNNING = "running"
PAUSED = "paused"


@dataclass(frozen=True, slots=True)
class Promise:
    """One clock. Instants are as they stand on the wire; None: not known from these events."""

    complaint: str
    clock: str
    instance: str
    started_in: int
    begun: str | None = None
    due: str | None = None
    state: str = RUNNING
    """`running`, `paused`, or a verdict: `met`, `breached`, `cancelled`."""
    at: str | None = None
    """When it was kept, broken, cancelled or paused."""
    reason: str | None = None
    """Why it waits or was cancelled."""
    corrected: str | None = None
    """When the verdict was corrected, for a fact was heard late (DOMAIN counting 10)."""
    was: str | None = None
    """The verdict before that."""


def promises(events: Iterable[Mapping[str, Any]]) -> list[Promise]:
    """The clocks that these events speak of, by complaint, in the order in which they started."""
    found: dict[Ref, Promise] = {}
    for event in events:
        try:
            _hear(found, event)
        except (KeyError, TypeError, AttributeError):
            continue
    return sorted(found.values(), key=lambda one: one.complaint)


def _hear(found: dict[Ref, Promise], event: Mapping[str, Any]) -> None:
    kind = str(event["type"]).rpartition(".v")[0]
    data, complaint = event["data"], str(event["subject"])
    for one in data["clocks"] if kind.startswith("clocks.") and "clocks" in data else [data]:
        if kind not in _CHANGES:
            return
        ref = (complaint, str(one["clock"]), str(one["instance"]), int(one["started_in"]))
        known = found.get(ref, Promise(*ref))
        found[ref] = replace(known, **_CHANGES[kind](one, data, event))


def _started(one: Any, _data: Any, _event: Any) -> dict[str, Any]:
    return {"begun": one["clock_from"], "due": one["due"]}


def _rescheduled(one: Any, _data: Any, _event: Any) -> dict[str, Any]:
    return {"due": one["due"], "state": RUNNING, "at": None, "reason": None}


def _paused(_one: Any, data: Any, _event: Any) -> dict[str, Any]:
    return {"state": PAUSED, "at": data["since"], "reason": data["reason"], "due": None}


def _cancelled(_one: Any, data: Any, _event: Any) -> dict[str, Any]:
    return {"state": "cancelled", "at": data["since"], "reason": data["reason"]}


def _met(one: Any, _data: Any, _event: Any) -> dict[str, Any]:
    return {"state": "met", "at": one["at"], "due": one["due"], "reason": None}


def _breached(one: Any, _data: Any, _event: Any) -> dict[str, Any]:
    return {"state": "breached", "at": one["due_at"], "due": one["due_at"], "reason": None}


def _corrected(one: Any, _data: Any, event: Any) -> dict[str, Any]:
    return {
        "state": one["now"],
        "at": one["at"] or (one["due"] if one["now"] == "breached" else None),
        "due": one["due"],
        "reason": None,
        "corrected": event["time"],
        "was": one["was"],
    }


_CHANGES = {
    "clocks.started": _started,
    "clocks.rescheduled": _rescheduled,
    "clocks.paused": _paused,
    "clocks.cancelled": _cancelled,
    "clock.met": _met,
    "clock.breached": _breached,
    "clock.corrected": _corrected,
}
