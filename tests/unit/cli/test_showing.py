"""What is drawn says what the services told, and nothing that looks like markup gets lost."""

import io
from typing import Any

import pytest
from rich.console import Console

from cli import showing

STEP = {
    "time": "2025-10-09T12:30:00.000000Z",
    "source": "/bihuan/routing",
    "type": "work.routed.v1",
    "actor": "system:routing",
    "zh": "派往队列 mobile",
    "en": "Routed to queue mobile [urgent]",
    "cause": {
        "kind": "event",
        "ref": "x",
        "event": {"type": "complaint.verified.v1", "sequence": 2},
    },
    "policies": [{"name": "routing", "version": "v1"}],
}
FAULT = {
    "kind": "digest",
    "source": "/bihuan/intake",
    "subject": "c-1",
    "sequence": 3,
    "what": "bytes differ",
    "since": "2025-10-09T12:30:00.000001Z",
}


def drawn(thing: Any, width: int = 80) -> str:
    console = Console(width=width, record=True, color_system=None, file=io.StringIO())
    console.print(thing)
    return console.export_text()


def test_a_timeline_tells_when_in_shanghai_who_what_and_why() -> None:
    head = {"complaint": "c-1", "receipt": "9850-5490-0581", "closed_at": None}
    text = drawn(showing.timeline(head, [STEP]))
    for said in (
        "9850-5490-0581",
        "(open)",
        "2025-10-09 20:30:00",
        "routing",
        "system:routing",
        "派往队列 mobile",
        "Routed to queue mobile [urgent]",
        "complaint.verified.v1 #2, routing v1",
    ):
        assert said in text


@pytest.mark.parametrize("width", [80, 120])
def test_no_line_is_wider_than_the_terminal(width: int) -> None:
    head = {"complaint": "c-1", "receipt": "9850-5490-0581", "closed_at": STEP["time"]}
    assert max(map(len, drawn(showing.timeline(head, [STEP] * 3), width).splitlines())) <= width


@pytest.mark.parametrize(("kept", "said"), [(True, "✓ 达标"), (False, "✗ 未达标"), (None, "-")])
def test_a_promise_is_kept_missed_or_not_judged(kept: bool | None, said: str) -> None:
    row = {
        "clock": "resolve",
        "policy": "1",
        "month": "2025-10",
        "met": 98,
        "breached": 2,
        "cancelled": 1,
        "promised_share": "98 %",
        "kept": kept,
    }
    text = drawn(showing.promises([row]))
    assert said in text
    assert "history 历史" not in text
    assert "history 历史" in drawn(showing.promises([{**row, "history": True}]))
    assert "98 %" in text


def test_verify_names_every_fault_or_says_that_nothing_is_wrong() -> None:
    told = {"events": 2070, "streams": 12, "compared": 2070, "faults": [], "more": False}
    told |= {"checkpoints": 3, "held": True, "resolved": [{}], "purged": 0}
    assert "nothing is wrong" in drawn(showing.verification(told))
    gone = {
        "purged": 7,
        "tombstones": [{"event": "e-1", "sealed": True}, {"event": "e-2", "sealed": False}],
    }
    drawn_so = drawn(showing.verification({**told, **gone}), 300)
    assert "7 purged by 已清除 e-1, e-2 (not sealed yet 尚未封存)" in drawn_so
    text = drawn(showing.verification({**told, "faults": [FAULT]}), 120)
    assert "1 fault 发现问题" in text
    for said in ("3 checkpoints made again", "given holds", "1 gap(s) resolved on record"):
        assert said in " ".join(text.split())
    for said in (
        "digest",
        "/bihuan/intake c-1",
        "bytes differ",
        "sound until",
        "2025-10-09 20:30:00.000001",
    ):
        assert said in text
