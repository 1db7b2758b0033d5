"""Append and load on `eventsourcing`: streams, chains, views, timers; one transaction."""

from libs.eventlog.tables import Table

__all__ = ["Table"]
