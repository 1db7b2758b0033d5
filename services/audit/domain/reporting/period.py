"""Of which days a report is: both its first and its last are part of it, as people say it."""

from dataclasses import dataclass
from datetime import date, datetime
from zoneinfo import ZoneInfo

SHANGHAI = ZoneInfo("Asia/Shanghai")
DAYS_MAX = 3_660


@dataclass(frozen=True, slots=True)
class Period:
    """Days in Shanghai, the first and the last included. Raises ValueError where there are none."""

    first: date
    last: date

    def __post_init__(self) -> None:
        """Checks it."""
        if self.last < self.first:
            raise ValueError(f"a period ends on or after its first day {self.first}")

    @staticmethod
    def asked(first: date, last: date) -> "Period":
        """As somebody asked for it, and so with a limit. Raises ValueError."""
        period = Period(first, last)
        if (last - first).days >= DAYS_MAX:
            raise ValueError(f"a period has at most {DAYS_MAX} days")
        return period

    def holds(self, day: date | None) -> bool:
        """Whether this day is one of them; what has no date is of no period."""
        return day is not None and self.first <= day <= self.last

    def __str__(self) -> str:
        """Both days."""
        return f"{self.first} … {self.last}"


def day_of(instant: datetime) -> date:
    """The date of an instant in Shanghai."""
    return instant.astimezone(SHANGHAI).date()
