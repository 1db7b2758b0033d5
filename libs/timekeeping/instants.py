"""Which instant is asked for: text with its zone, to the microsecond, and nothing guessed."""

import re
from datetime import UTC, datetime

_INSTANT = re.compile(
    r"\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}(?P<seconds>:\d{2}(?P<parts>\.\d+)?)?"
    r"(?P<zone>[Zz]|[+-]\d{2}:?\d{2})?",
    re.ASCII,
)
YEAR_MIN = 1900
"""Nothing on record is older, and what has fewer digits could not be written in one way."""
PARTS_MAX = 7
"""A dot and six digits."""


class NoInstant(ValueError):
    """The text is not one instant; says why and how it should look."""


def read_instant(text: str) -> datetime:
    """`2025-10-07T10:19:59+08:00`, to the microsecond; raises NoInstant."""
    found = _INSTANT.fullmatch(text.strip())
    if found is None:
        lost = re.search(r"\d \d{2}:?\d{2}$", text)
        hint = " (in a URL the + before the zone is written %2B)" if lost else ""
        raise NoInstant(
            "not an instant; write date, time and zone, e.g. 2025-10-07T10:19:59+08:00" + hint
        )
    if found["zone"] is None:
        raise NoInstant(
            "the zone is missing, and nothing is guessed: add +08:00 for Shanghai, or Z for UTC"
        )
    if len(found["parts"] or "") > PARTS_MAX:
        raise NoInstant("more than six digits after the second: instants are kept to microseconds")
    try:
        instant = datetime.fromisoformat(text.strip().upper())
        year = instant.astimezone(UTC).year
    except (ValueError, OverflowError):
        raise NoInstant("no such date or time") from None
    if year < YEAR_MIN:
        raise NoInstant(f"no record is that old: the year is {YEAR_MIN} or later")
    return instant
