"""What audit hears beside keeping every byte: which receipt is which complaint, and its end."""

from collections.abc import Sequence
from typing import Any

from contracts.intake import ComplaintClosed, ComplaintRegistered, ComplaintReopened
from libs.decider import Event, Recorded, To

HEARD: tuple[type[Event], ...] = (ComplaintRegistered, ComplaintClosed, ComplaintReopened)


def react(_recorded: Recorded[Any]) -> Sequence[To]:
    """Nothing: audit keeps and proves, and decides nothing about a complaint."""
    return ()
