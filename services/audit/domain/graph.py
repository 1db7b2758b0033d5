"""The causation graph of a timeline as SVG: a lane for each service, an arc from cause to effect.

Rows stand in the log's order, so every arc points down. The drawing comes in pieces that fit a
printed page; an arc that crosses from one piece to another ends in the number it comes from.
Pure, and without a name of anybody: it knows only sources, types and numbers of rows.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

ROWS_A_PIECE = 40
ROW_PX = 22
LANE_PX = 26
LEFT_PX = 20
TEXT_PX = 12
LABEL_PX = 330

LANES = ("intake", "routing", "sla_watch", "escalation", "feedback_survey", "audit")
COLOURS = ("#00798c", "#2e7d32", "#b07d00", "#8e24aa", "#1f4fbf", "#555555")
OUTSIDE = "#c62828"


@dataclass(frozen=True, slots=True)
class Node:
    """One step. `cause` is the number of its causing row, None where that is no row here.

    `outside` says what led to it then; `missing`: an event that should be known and is not.
    """

    number: int
    service: str
    label: str
    cause: int | None
    outside: str = ""
    missing: bool = False


def pieces(nodes: Sequence[Node]) -> list[str]:
    """The graph as SVG documents, each at most `ROWS_A_PIECE` rows high."""
    return [
        _piece(nodes[start : start + ROWS_A_PIECE]) for start in range(0, len(nodes), ROWS_A_PIECE)
    ]


def _piece(nodes: Sequence[Node]) -> str:
    places = {node.number: (_x(node), _y(row)) for row, node in enumerate(nodes)}
    text_x = LEFT_PX + LANE_PX * len(LANES)
    width, height = text_x + LABEL_PX, ROW_PX * len(nodes) + ROW_PX // 2
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        f'width="{width}" height="{height}" role="img" font-family="sans-serif" '
        f'font-size="{TEXT_PX}">'
    ]
    parts += [
        f'<line x1="{_lane_x(lane)}" y1="0" x2="{_lane_x(lane)}" y2="{height}" stroke="#ddd"/>'
        for lane in range(len(LANES))
    ]
    for node in nodes:
        parts += _arc(node, places)
    for node in nodes:
        x, y = places[node.number]
        parts.append(f'<circle cx="{x}" cy="{y}" r="5" fill="{_colour(node)}"/>')
        parts.append(f'<text x="{text_x}" y="{y + 4}">{node.number}. {escape(node.label)}</text>')
    return "".join((*parts, "</svg>"))


def _arc(node: Node, places: dict[int, tuple[int, int]]) -> list[str]:
    x, y = places[node.number]
    if node.cause is None:
        if not node.outside:
            return []
        dash = ' stroke-dasharray="2 2"' if node.missing else ""
        return [
            f'<path d="M4 {y} H{x}" stroke="{OUTSIDE}" fill="none"{dash}>'
            f"<title>{escape(node.outside)}</title></path>"
        ]
    if node.cause not in places:
        return [
            f'<path d="M{x} {y} v-11" stroke="#777" stroke-dasharray="2 2" fill="none"/>'
            f'<text x="{x + 3}" y="{y - 7}" font-size="9" fill="#777">{node.cause}</text>'
        ]
    from_x, from_y = places[node.cause]
    if from_x == x:
        bend = min(12, 3 + (y - from_y) // ROW_PX)
        curve = f"M{from_x} {from_y} C{x - bend} {from_y + 8} {x - bend} {y - 8} {x} {y}"
    else:
        curve = f"M{from_x} {from_y} C{from_x} {y} {from_x} {y} {x} {y}"
    return [f'<path d="{curve}" stroke="#777" fill="none"/>']


def _lane(node: Node) -> int:
    return LANES.index(node.service) if node.service in LANES else len(LANES) - 1


def _colour(node: Node) -> str:
    return COLOURS[_lane(node)]


def _lane_x(lane: int) -> int:
    return LEFT_PX + LANE_PX * lane


def _x(node: Node) -> int:
    return _lane_x(_lane(node))


def _y(row: int) -> int:
    return ROW_PX * row + ROW_PX // 2 + 2
