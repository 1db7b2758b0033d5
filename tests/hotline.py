"""The public hotline file, and the 15-day verdict of each row counted from the file itself.

By the standard library's calendar and the public list of days off, not by the code that imports.
"""

from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import chinese_calendar
import openpyxl
import pytest

HOTLINE = Path(__file__).parents[2] / "shared" / "data" / "hotline_messages_with_replies.xlsx"
ROWS = 2816
DAY_ONLY = "27610"
"""The one row whose reply is dated to the day only, so that no instant is known."""
SHANGHAI = ZoneInfo("Asia/Shanghai")

NEEDS_THE_FILE = pytest.mark.skipif(
    not HOTLINE.is_file(),
    reason="the public file that this runs on is no part of the project; put it in ../shared/data",
)


def instant(cell: Any) -> datetime | None:
    """A cell's instant in Shanghai; None where it tells only a day."""
    if isinstance(cell, datetime):
        return cell.replace(tzinfo=SHANGHAI)
    day, _, time = str(cell).strip().replace("/", "-").partition(" ")
    if not time:
        return None
    year, month, of_month = map(int, day.split("-"))
    hour, minute, second = map(int, time.split(":"))
    return datetime(year, month, of_month, hour, minute, second, tzinfo=SHANGHAI)


def legal_due(told: datetime) -> datetime:
    """DOMAIN, counting 4: the 15th date after, until 24:00; a day off: the next working date."""
    last: date = told.date() + timedelta(days=15)
    while not chinese_calendar.is_workday(last):
        last += timedelta(days=1)
    return datetime(last.year, last.month, last.day, tzinfo=SHANGHAI) + timedelta(days=1)


def cases() -> list[tuple[str, datetime | None, datetime | None]]:
    """Number, told, answered."""
    sheet = openpyxl.load_workbook(HOTLINE).worksheets[0]
    return [
        (str(cells[0]), instant(cells[3]), instant(cells[6]))
        for cells in sheet.iter_rows(min_row=2, values_only=True)
    ]


def legal_verdict(told: datetime | None, answered: datetime | None) -> tuple[str, datetime]:
    """Met or breached, and when the legal answer was due."""
    assert told is not None
    assert answered is not None
    due = legal_due(told)
    return "met" if answered <= due else "breached", due
