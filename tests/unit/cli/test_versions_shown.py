"""`bihuan policy list` and `touched` on a screen of 80 columns: no code and no date is broken."""

from collections.abc import Sequence
from typing import Any

import pytest
from rich.cells import cell_len
from rich.console import Console, RenderableType

from cli import versions

MONDAY, WEDNESDAY = "2026-12-06T16:00:00.000000Z", "2026-12-09T01:10:03.000000Z"
CLOCK = "repair.broadband.rural.qinghai"
COMPLAINT = "6f0f7bd1-4a4f-5b02-9f0c-6f2f0ab8c001"
LISTED: Sequence[dict[str, Any]] = [
    {
        "name": "working-days",
        "version": "2027-and-2028",
        "state": "in_force",
        "sha256": "0123456789abcdef",
        "active_from": MONDAY,
        "activated_by": "system:feedback_survey",
        "activated_at": WEDNESDAY,
    }
]
TOUCHED = {
    "policy": "clocks",
    "version": "2",
    "active_from": MONDAY,
    "rows": [
        {
            "clock": CLOCK,
            "started": 12345,
            "met": 12340,
            "breached": 3,
            "cancelled": 1,
            "open": 1,
            "started_before": 0,
            "first_from": MONDAY,
            "last_from": WEDNESDAY,
        }
    ],
    "versions": [{"version": "1", "started": 22, "open": 3}],
}
EACH = [
    {
        "complaint": COMPLAINT,
        "clock": CLOCK,
        "cycle": 1,
        "state": "breached",
        "clock_from": MONDAY,
        "due_at": WEDNESDAY,
    }
]


@pytest.mark.parametrize("width", [80, 120])
@pytest.mark.parametrize(
    ("shown", "whole"),
    [
        (
            versions.listed(LISTED),
            [
                *("working-days", "2027-and-2028", "in force 生效中", "0123456789ab"),
                *("2026-12-07 00:00:00", "system:feedback_survey", "2026-12-09 09:10:03"),
            ],
        ),
        (
            versions.touched(TOUCHED),
            [
                *(CLOCK, "2026-12-07 00:00 … 2026-12-09 09:10", "12345 12340"),
                *("started", "breached", "进行中", "version 1: 22 clocks, 3 open"),
            ],
        ),
        (
            versions.each_clock(EACH),
            [COMPLAINT, CLOCK, "2026-12-07 00:00:00", "2026-12-09 09:10:03", "breached"],
        ),
    ],
    ids=["list", "touched", "each clock"],
)
def test_what_belongs_together_stands_on_one_line(
    shown: RenderableType, whole: list[str], width: int
) -> None:
    console = Console(width=width, record=True, file=None, force_terminal=False)
    with console.capture() as captured:
        console.print(shown)
    text = captured.get()
    assert [one for one in whole if one not in text] == [], text
    assert all(cell_len(line) <= width for line in text.splitlines())
