"""The development gateway: keeps every notice it is given, so that people and tests can look."""

from infra.gateway.gateway import Gateway, delivery_report
from infra.gateway.keeping import Kept, KeptNotices, Unreadable

__all__ = ["Gateway", "Kept", "KeptNotices", "Unreadable", "delivery_report"]
