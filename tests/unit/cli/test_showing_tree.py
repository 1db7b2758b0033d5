"""A timeline as a tree: each step below its cause; what is outside or missing said on top."""

from typing import Any

from rich.console import Console

from cli.showing_tree import tree

COMPLAINT = "5b0fdb9c-6f5b-5f3c-9d55-0d3c6a0a4a11"
OTHER = "11111111-6f5b-5f3c-9d55-0d3c6a0a4a11"


def step(source: str, sequence: int, kind: str, cause: dict[str, Any], **more: Any) -> Any:
    return {
        "source": f"/bihuan/{source}",
        "sequence": sequence,
        "type": kind,
        "time": "2025-10-07T02:20:00.000000Z",
        "actor": "system:test",
        "cause": {"event": None, "missing": False, **cause},
        "policies": [],
        "channel": None,
        "reason": None,
        "en": kind,
        "zh": "",
        **more,
    }


def by(source: str, sequence: int, subject: str = COMPLAINT) -> dict[str, Any]:
    event = {"source": f"/bihuan/{source}", "subject": subject, "sequence": sequence, "type": "x"}
    return {"kind": "event", "ref": "…", "event": event}


def drawn(*steps: Any) -> list[str]:
    console = Console(width=120, record=True, file=None, color_system=None)
    with console.capture() as shown:
        console.print(tree({"complaint": COMPLAINT, "receipt": None, "closed_at": None}, steps))
    return [line.rstrip() for line in shown.get().splitlines()]


def test_effects_stand_below_their_cause_and_outside_causes_on_top() -> None:
    lines = drawn(
        step("intake", 1, "registered", {"kind": "message", "ref": "sms s-1"}, channel="sms"),
        step("routing", 1, "routed", by("intake", 1), reason="registered"),
        step("sla_watch", 1, "started", by("intake", 1)),
        step("routing", 2, "assigned", by("routing", 1)),
    )
    text = "\n".join(lines)
    assert lines[0] == f"{COMPLAINT}  (open)"
    assert lines[1] == "└── channel message 渠道消息: sms s-1"
    depths = {
        name: next(len(line) - len(line.lstrip("│└├─ ")) for line in lines if f" {name}" in line)
        for name in ("registered", "routed", "started", "assigned")
    }
    assert depths["registered"] < depths["routed"] == depths["started"] < depths["assigned"]
    assert "channel sms" in text
    assert "reason registered" in text


def test_what_is_missing_or_of_another_complaint_is_said_so() -> None:
    text = "\n".join(
        drawn(
            step("intake", 1, "registered", by("intake", 4, OTHER)),
            step("intake", 2, "linked", {"kind": "event", "ref": "5b0f…", "missing": True}),
            step("sla_watch", 1, "breached", {"kind": "timer", "ref": "next"}),
            step("sla_watch", 2, "warned", by("sla_watch", 9)),
        )
    )
    assert f"complaint 投诉 {OTHER}: x #4" in text
    assert "missing from this archive 档案中缺失: 5b0f…" in text
    assert "timer 定时器: next at 2025-10-07 10:20:00" in text
    assert "not shown 未列出: x #9" in text
