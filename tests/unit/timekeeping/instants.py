"""Instants as SCENARIOS writes them: Shanghai time, and 24:00 of D as D+1 00:00:00."""

from datetime import datetime
from zoneinfo import ZoneInfo


def at(text: str) -> datetime:
    """`2025-10-09 23:59:50` in Shanghai; seconds may be left out."""
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo("Asia/Shanghai"))
