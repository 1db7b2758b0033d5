"""What a step says beside its sentence: on which channel, and for what reason. Pure."""

from collections.abc import Mapping
from typing import Any

_CHANNELS = (
    ("registration", "contact", "channel"),
    ("contact", "channel"),
    ("channel",),
    ("reply_to", "kind"),
    ("told_by",),
    ("by",),
)
_REASONS = (("reason",), ("trigger",))
_BECAUSE = frozenset({"clocks.started.v1", "work.routed.v1"})
"""Events whose `cause` is why they happened, not where a fault lies."""
_MEDIA = frozenset({"message", "call", "in_person"})
_CHANNEL_ACTOR = "channel:"


def channel_of(actor: str, data: Any) -> str | None:
    """The channel or medium of a step; None where it has none."""
    for path in _CHANNELS:
        found = _at(data, path)
        if isinstance(found, str) and (path != ("by",) or found in _MEDIA):
            return found
    return actor.removeprefix(_CHANNEL_ACTOR) if actor.startswith(_CHANNEL_ACTOR) else None


def reason_of(kind: str, data: Any) -> str | None:
    """Why, as the code on record; None where the event gives none."""
    paths = (*_REASONS, ("cause",)) if kind in _BECAUSE else _REASONS
    for path in paths:
        found = _at(data, path)
        if isinstance(found, str):
            return found
    return None


def _at(data: Any, path: tuple[str, ...]) -> Any:
    for name in path:
        data = data.get(name) if isinstance(data, Mapping) else None
    return data
