"""Which instant is asked for: with its zone, to the microsecond, nothing guessed."""

from datetime import UTC, datetime

import pytest

from libs.timekeeping.instants import NoInstant, read_instant


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2025-10-07T10:19:59+08:00", datetime(2025, 10, 7, 2, 19, 59, tzinfo=UTC)),
        ("2025-10-07T10:19:59.000001+0800", datetime(2025, 10, 7, 2, 19, 59, 1, tzinfo=UTC)),
        ("2025-10-07T02:19Z", datetime(2025, 10, 7, 2, 19, tzinfo=UTC)),
        ("2025-10-07 02:19:59z", datetime(2025, 10, 7, 2, 19, 59, tzinfo=UTC)),
    ],
)
def test_an_instant_is_read_as_it_is_written(text: str, expected: datetime) -> None:
    assert read_instant(text) == expected


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("2025-10-07T10:19:59", "zone is missing"),
        ("2025-10-07T10:19:59 08:00", "%2B"),
        ("2025-10-07T10:19:59.1234567Z", "microseconds"),
        ("2025-13-01T00:00:00Z", "no such date or time"),
        ("2025-10-07T25:00:00Z", "no such date or time"),
        ("2025-10-07", "not an instant"),
        ("0001-01-01T00:00:00+08:00", "no such date or time"),
        ("9999-12-31T23:59:59-08:00", "no such date or time"),
        ("1899-12-31T23:59:59Z", "1900 or later"),
        ("2025-10-07T10:19:60Z", "no such date or time"),
        ("2025-10-07T10:19:59+24:00", "no such date or time"),
        ("now", "not an instant"),
        ("", "not an instant"),
        ("２０２５-10-07T10:19:59Z", "not an instant"),
    ],
)
def test_anything_else_is_refused_and_says_what_to_write(text: str, said: str) -> None:
    with pytest.raises(NoInstant, match=said):
        read_instant(text)
