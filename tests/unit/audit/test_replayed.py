"""A file of events is counted whole or not at all."""

import json
from typing import Any

import pytest

from services.audit.domain.reporting.facts import CLOCK, COMPLAINT
from services.audit.facts import Kept
from services.audit.replayed import LogFileWrong, replay, replay_lines
from tests.contracts.golden import ROOT, SAMPLES


def line(kind: str, sequence: int, **changes: Any) -> bytes:
    event = json.loads((ROOT / SAMPLES / f"{kind}.json").read_bytes())
    event |= {"sequence": str(sequence), "subject": "0b0fdb9c-6f5b-5f3c-9d55-0d3c6a0a4a22"}
    event["data"] |= changes
    return json.dumps(event).encode()


FIRST = line("complaint.registered.v1", 1)
SECOND = line("complaint.verified.v1", 2)
THIRD = line("complaint.closed.v1", 3)
CLOCKS = line("clocks.started.v1", 1)


def rows(facts: Kept) -> list[Any]:
    return [list(facts.all(table)) for table in (COMPLAINT, CLOCK)]


def test_the_order_of_lines_and_their_repetition_make_no_difference() -> None:
    told = rows(replay((FIRST, SECOND, THIRD, CLOCKS)).facts)
    assert told[0][0]["closed_at"] is not None
    assert rows(replay_lines((THIRD, CLOCKS, b"", FIRST, SECOND, FIRST)).facts) == told


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ((FIRST, THIRD), "event 2 of /bihuan/intake .* is not in the file"),
        ((SECOND, THIRD), "event 1 of /bihuan/intake .* is not in the file"),
        (
            (FIRST, SECOND, line("complaint.verified.v1", 2, automatic=False)),
            "lines 2 and 3 differ about event 2",
        ),
        ((FIRST, b"{"), "line 2 is not an event"),
        ((b'{"source": "x"}',), "line 1 is not an event"),
        ((b"[1]",), "line 1 is not an event"),
        ((b"x" * 2_000_000,), "line 1 is not an event"),
    ],
)
def test_figures_are_not_counted_from_half_a_log(lines: tuple[bytes, ...], said: str) -> None:
    with pytest.raises(LogFileWrong, match=said):
        replay_lines(lines)


def test_what_cannot_be_read_has_no_effect_and_is_counted() -> None:
    broken = line("complaint.closed.v1", 2, outcome="moody")
    replayed = replay((FIRST, broken))
    assert (replayed.events, replayed.unreadable) == (2, 1)
    (complaint,) = replayed.facts.all(COMPLAINT)
    assert complaint["outcome"] is None
