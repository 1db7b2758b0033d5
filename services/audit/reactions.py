"""What audit hears beside keeping every byte: whose receipt a complaint is, and what is counted."""

from collections.abc import Sequence
from typing import Any

from contracts.intake import ComplaintClosed, ComplaintRegistered, ComplaintReopened
from libs.decider import Event, Recorded, To
from services.audit.domain import reporting

HEARD: tuple[type[Event], ...] = tuple(
    dict.fromkeys((ComplaintRegistered, ComplaintClosed, ComplaintReopened, *reporting.HEARD))
)


def react(_recorded: Recorded[Any]) -> Sequence[To]:
    """Nothing: audit keeps and proves, and decides nothing about a complaint."""
    return ()
