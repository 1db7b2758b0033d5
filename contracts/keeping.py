"""The floor under every deletion: six calendar months after closing, which no setting lowers.

The law is told here once, for the person's data (intake) and for the records themselves (audit).
"""

from calendar import monthrange
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

FLOOR_MONTHS = 6
FLOOR_DAYS = 184
"""No six calendar months have more days: a period told in days is never shorter from here on."""

ZONE = ZoneInfo("Asia/Shanghai")


def floor_ends(closed_at: datetime) -> datetime:
    """24:00 of the date six calendar months after that of closing, in Shanghai.

    Where the month has no such date, its last one: closed 31 August, nothing goes before 1 March
    00:00 (DOMAIN, Audit and retention).
    """
    return months_after(closed_at, FLOOR_MONTHS)


def months_after(instant: datetime, months: int) -> datetime:
    """24:00, in Shanghai, of the date so many months later, or of that month's last date."""
    date = instant.astimezone(ZONE).date()
    count = date.year * 12 + date.month - 1 + months
    year, month = count // 12, count % 12 + 1
    day = min(date.day, monthrange(year, month)[1])
    return datetime(year, month, day, tzinfo=ZONE) + timedelta(days=1)


def days_after(instant: datetime, days: int) -> datetime:
    """24:00, in Shanghai, of the date so many days later."""
    date = instant.astimezone(ZONE).date() + timedelta(days=days + 1)
    return datetime(date.year, date.month, date.day, tzinfo=ZONE)
