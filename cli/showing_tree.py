"""A timeline as a tree of causes for a terminal: what each step led to stands below it. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.text import Text
from rich.tree import Tree

from cli.showing import moment, service_of

Json = Mapping[str, Any]
Key = tuple[str, str, int | None]

_OUTSIDE = {
    "message": "channel message 渠道消息",
    "command": "request 请求",
    "timer": "timer 定时器",
    "operator": "operator 运维",
    "seed": "first start 首次启动",
    "record": "record 日志记录",
}


def tree(told: Json, steps: Sequence[Json]) -> Tree:
    """Every step below what caused it; what came from outside the log, or is missing, on top.

    `steps` stand in the log's order, causes first.
    """
    state = f"closed {moment(told['closed_at'])}" if told.get("closed_at") else "open"
    top = Tree(
        Text(f"{told.get('receipt') or told['complaint']}  ({state})", style="bold"),
        guide_style="dim",
    )
    branches: dict[Key, Tree] = {}
    outside: dict[str, Tree] = {}
    for step in steps:
        above = _above(step, branches, outside, top, str(told["complaint"]))
        below = above.add(_line(step))
        branches[step["source"], str(told["complaint"]), step["sequence"]] = below
    return top


def _above(
    step: Json, branches: Mapping[Key, Tree], outside: dict[str, Tree], top: Tree, complaint: str
) -> Tree:
    cause = step["cause"]
    event = cause["event"]
    if event is not None:
        known = branches.get((event["source"], event["subject"], event["sequence"]))
        if known is not None:
            return known
        name = f"{event['type']} #{event['sequence']}"
        if event["subject"] != complaint:
            name = f"complaint 投诉 {event['subject']}: {name}"
        else:
            name = f"not shown 未列出: {name}"  # a page that was cut off before it
        return _outside(name, "dim", outside, top)
    if cause["missing"]:
        return _outside(
            f"missing from this archive 档案中缺失: {cause['ref']}", "bold red", outside, top
        )
    name = f"{_OUTSIDE.get(cause['kind'], cause['kind'])}: {cause['ref']}"
    if cause["kind"] == "timer":
        name += f" at {moment(step['time'])}"  # one name fires again and again
    return _outside(name, "italic", outside, top)


def _outside(name: str, style: str, outside: dict[str, Tree], top: Tree) -> Tree:
    if name not in outside:
        outside[name] = top.add(Text(name, style=style))
    return outside[name]


def _line(step: Json) -> Text:
    text = Text.assemble(
        (moment(step["time"]), "dim"),
        " ",
        service_of(step["source"]),
        " ",
        step["en"] or step["type"],
    )
    if step["zh"] and step["zh"] != step["en"]:
        text.append(f"  {step['zh']}")
    more = [step["actor"], *(f"{one['name']} {one['version']}" for one in step["policies"])]
    more += [f"{name} {step[name]}" for name in ("channel", "reason") if step.get(name)]
    return text.append(f"\n{', '.join(more)}", style="dim")
