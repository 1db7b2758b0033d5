"""When a complaint goes to the 10015 desk, what the desk may do, and who may grant money."""

from services.escalation.domain.stream import CASES

__all__ = ["CASES"]
