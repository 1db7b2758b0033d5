"""What a service is told of a parked record that an operator discards, to say what stays."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from libs.decider.decider import Recorded


@dataclass(frozen=True, slots=True)
class GivenUp:
    """A parked record of another service that an operator discards."""

    at: datetime
    subject: str
    source: str
    record: str
    """Its id, or topic, partition and offset."""
    type: str
    """As far as its bytes tell; empty where they do not."""
    recorded: Recorded[Any] | None
    """The event; None: its bytes cannot be had or read."""
