"""Append and load on `eventsourcing`: streams, chains, read models and timers, in one transaction."""

from libs.eventlog.tables import Table

__all__ = ["Table"]
