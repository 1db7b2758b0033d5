"""The causation graph: a lane a service, an arc from cause to effect, what is missing in red."""

from xml.etree import ElementTree as ET

from services.audit.domain.graph import ROWS_A_PIECE, Node, pieces
from services.audit.domain.telling import channel_of, reason_of

SVG = "{http://www.w3.org/2000/svg}"
TOLD = Node(1, "intake", "complaint.registered", None, "message: sms <1>")
ROUTED = Node(2, "routing", "work.routed", 1)
FOREIGN = Node(3, "sla_watch", "clock.met", None, "5b0f", missing=True)


def test_every_step_is_a_dot_with_its_number_and_every_cause_an_arc() -> None:
    (piece,) = pieces([TOLD, ROUTED, FOREIGN])
    drawn = ET.fromstring(piece)  # noqa: S314 - our own drawing
    dots = drawn.findall(f"{SVG}circle")
    assert [dot.get("cy") for dot in dots] == ["13", "35", "57"]
    assert [dot.get("cx") for dot in dots] == ["20", "46", "72"]  # a lane each
    labels = [one.text for one in drawn.findall(f"{SVG}text")]
    assert labels == ["1. complaint.registered", "2. work.routed", "3. clock.met"]
    outside, arc, missing = drawn.findall(f"{SVG}path")
    assert outside.get("stroke") == "#c62828"
    assert outside.get("stroke-dasharray") is None
    assert outside.findtext(f"{SVG}title") == "message: sms <1>"
    assert arc.get("d") == "M20 13 C20 35 20 35 46 35"
    assert missing.get("stroke-dasharray") == "2 2"


def test_an_arc_from_another_piece_ends_in_the_number_it_comes_from() -> None:
    nodes = [Node(number, "intake", "x", 1 if number > 1 else None) for number in range(1, 42)]
    first, second = pieces(nodes)
    assert first.count("<circle") == ROWS_A_PIECE == 40
    assert second.count("<circle") == 1
    small = ET.fromstring(second).findall(f"{SVG}text")[0]  # noqa: S314 - our own drawing
    assert (small.text, small.get("font-size")) == ("1", "9")


def test_a_step_names_its_channel_and_its_reason_where_it_has_them() -> None:
    registered = {"registration": {"contact": {"channel": "wechat"}}, "reason": None}
    assert channel_of("channel:x", registered) == "wechat"
    assert channel_of("channel:10010", {}) == "10010"
    assert channel_of("agent:1", {"told_by": "call"}) == "call"
    assert channel_of("agent:1", {"by": "agent:2"}) is None
    assert channel_of("agent:1", "no body") is None
    assert reason_of("complaint.reclassified.v1", {"reason": "wrong_category"}) == "wrong_category"
    assert reason_of("case.requested.v1", {"trigger": "urges"}) == "urges"
    assert reason_of("clocks.started.v1", {"cause": "reopened"}) == "reopened"
    assert reason_of("work.reported_back.v1", {"cause": "network"}) is None
