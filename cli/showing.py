"""What the services tell, drawn for a terminal: pure, so that the demo and the commands agree.

Every function takes the JSON of a route and gives something that Rich can print. Times are shown in
Shanghai. Nothing here is personal data: the routes give none but sealed words, shown as 🔒.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table
from rich.text import Text

SHANGHAI = ZoneInfo("Asia/Shanghai")

SERVICE_STYLE = {
    "intake": "cyan",
    "routing": "green",
    "sla_watch": "yellow",
    "escalation": "magenta",
    "feedback_survey": "blue",
    "audit": "white",
}
CLOCK_STYLE = {"breached": "bold red", "met": "green", "running": "yellow", "cancelled": "dim"}

Json = Mapping[str, Any]


def moment(text: str | None, *, exact: bool = False) -> str:
    """An instant as people in Shanghai read it; `exact` with its microseconds."""
    if text is None:
        return ""
    at = datetime.fromisoformat(text).astimezone(SHANGHAI)
    return f"{at:%Y-%m-%d %H:%M:%S.%f}" if exact else f"{at:%Y-%m-%d %H:%M:%S}"


def grid(title: str, *columns: str, right: Sequence[str] = ()) -> Table:
    """An empty table; columns named in `right` hold numbers."""
    made = Table(
        title=title or None, title_justify="left", box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1)
    )
    for column in columns:
        made.add_column(column, justify="right" if column in right else "left", overflow="fold")
    return made


def service_of(source: str) -> Text:
    """`/bihuan/routing` as a coloured name."""
    name = source.rpartition("/")[2]
    return Text(name, style=SERVICE_STYLE.get(name, ""))


def timeline(told: Json, steps: Sequence[Json], *, brief: bool = False) -> RenderableType:
    """A complaint's events from all services, causes first; `brief`: a line each, in English."""
    state = f"closed {moment(told['closed_at'])}" if told.get("closed_at") else "open"
    title = f"Timeline 时间线  {told.get('receipt') or told['complaint']}  ({state})"
    if brief:
        return _brief(title, steps)
    table = grid(title, "when, where, who", "what, because of what")
    table.columns[0].max_width = 26
    for step in steps:
        table.add_row(
            Text.assemble(
                moment(step["time"]), "\n", service_of(step["source"]), "\n", (step["actor"], "dim")
            ),
            _said(step),
        )
    return table


def _brief(title: str, steps: Sequence[Json]) -> RenderableType:
    table = Table(title=title, title_justify="left", box=None, pad_edge=False, show_header=False)
    table.add_column(style="dim", no_wrap=True, min_width=14)
    table.add_column(no_wrap=True, min_width=15)
    table.add_column(no_wrap=True, overflow="ellipsis")
    for step in steps:
        table.add_row(
            moment(step["time"])[5:], service_of(step["source"]), Text(step["en"] or step["type"])
        )
    return table


def _said(step: Json) -> Text:
    text = Text(step["zh"] or step["type"])
    if step["en"] and step["en"] != step["zh"]:
        text.append(f"\n{step['en']}")
    led = ", ".join(
        [_cause(step["cause"]), *(f"{one['name']} {one['version']}" for one in step["policies"])]
    )
    return text.append(f"\n{led}", style="dim")


def _cause(cause: Json) -> str:
    event = cause.get("event")
    if event is not None:
        return f"{event['type']} #{event['sequence']}"
    ref = str(cause["ref"])
    return f"{cause['kind']}: {ref}" if len(ref) <= 40 else f"{cause['kind']}: {ref[:37]}…"


def status(told: Json) -> RenderableType:
    """Where a complaint stands, as its customer may know it."""
    table = Table.grid(padding=(0, 2))
    rows = [
        ("receipt 受理编号", told["receipt"]),
        ("state 状态", _both(told["state_name"])),
        ("about 内容", _both(told.get("category_name"))),
        ("cycle 办理轮次", str(told["cycle"])),
        ("at 10015", "yes 是" if told["escalated"] else "no 否"),
        ("told 反映时间", moment(told.get("told_at"))),
        ("answered 答复时间", moment(told.get("answered_at"))),
        ("closed 办结时间", moment(told.get("closed_at"))),
        ("outcome 结果", told.get("outcome")),
        ("history 历史工单", "yes 是" if told.get("history") else None),
    ]
    for name, value in rows:
        if value:
            table.add_row(Text(name, style="bold"), value)
    return table


def _both(words: Json | None) -> str:
    return "" if not words else f"{words['zh']}  {words['en']}"


def clocks(rows: Iterable[Json]) -> RenderableType:
    """A complaint's clocks and their verdicts."""
    table = grid(
        "Clocks 时限", "clock", "cycle", "from", "due", "state", "met at", right=("cycle",)
    )
    for one in rows:
        name = one["clock"] + (f" {one['instance']}" if one["instance"] else "")
        table.add_row(
            name,
            str(one["cycle"]),
            moment(one["clock_from"]),
            moment(one["due_at"]) or "unknown",
            Text(one["state"], style=CLOCK_STYLE.get(one["state"], "")),
            moment(one["met_at"]),
        )
    return table


def promises(rows: Sequence[Json]) -> RenderableType:
    """Kept promises against the promised share (DOMAIN rule 12)."""
    numbers = ("met", "broken", "stopped", "promised")
    table = grid(
        "Promises kept 承诺兑现", "month", "clock", "policy", *numbers, "kept", right=numbers
    )
    table.columns[0].no_wrap = table.columns[1].no_wrap = True
    for one in rows:
        table.add_row(
            one["month"],
            f"{one['clock']} (history 历史)" if one.get("history") else one["clock"],
            one["policy"],
            str(one["met"]),
            Text(str(one["breached"]), style="red" if one["breached"] else ""),
            str(one["cancelled"]),
            one["promised_share"] or "-",
            _kept(one["kept"]),
        )
    return table


def _kept(kept: bool | None) -> Text:
    if kept is None:
        return Text("-", style="dim")
    return Text("✓ 达标", style="green") if kept else Text("✗ 未达标", style="bold red")


def verification(told: Json) -> RenderableType:
    """What was proven, and every fault."""
    looked = (
        f"{told['events']:,} events in {told['streams']:,} streams; "
        f"{told['compared']:,} records compared byte by byte with the log"
    )
    if told["checkpoints"]:
        looked += f"; {told['checkpoints']:,} checkpoints made again"
    if told["held"]:
        looked += "; the checkpoint that was given holds"
    if told["resolved"]:
        looked += f"; {len(told['resolved'])} gap(s) resolved on record"
    if told["purged"]:
        events = ", ".join(
            one["event"] + ("" if one["sealed"] else " (not sealed yet 尚未封存)")
            for one in told["tombstones"]
        )
        looked += f"; {told['purged']:,} purged by 已清除 {events}"
    if not told["faults"]:
        return Text.assemble(("✓ ", "bold green"), f"{looked}: nothing is wrong 未发现问题")
    table = grid("", "fault", "stream", "number", "what", "sound until 完好至", right=("number",))
    for one in told["faults"]:
        table.add_row(
            Text(one["kind"], style="bold red"),
            f"{one['source']} {one['subject']}",
            str(one["sequence"] or ""),
            escape(one["what"]),
            moment(one["since"], exact=True),
        )
    count = f"{len(told['faults'])}{'+' if told['more'] else ''}"
    noun = "fault" if count == "1" else "faults"
    return Group(
        Text.assemble(("✗ ", "bold red"), f"{looked}: {count} {noun} 发现问题"),
        table,
    )


def checkpoints(rows: Sequence[Json]) -> RenderableType:
    """What was sealed."""
    table = grid(
        "Checkpoints 检查点", "sealed", "events", "new streams", "root", "key", right=("events",)
    )
    for row in rows:
        table.add_row(
            moment(row["sealed_at"]),
            str(row["size"]),
            str(row["heads_changed"]),
            row["root"],
            row["key"],
        )
    return table


def checkpoint_check(told: Json) -> RenderableType:
    """Whether a kept checkpoint holds, line by line."""
    lines = [
        (told["signed"], "signed by a key of this log 签名有效"),
        (
            told["consistent"],
            f"the log only grew since, up to {told['consistent']} events 日志只增未改",
        ),
    ]
    if told["listed"] is not None:
        lines.append((told["listed"], "the list beside it gives its root 清单与根一致"))
    return Group(
        f"checkpoint of {told['size']} events",
        *(
            Text.assemble(("✓ ", "bold green") if holds else ("✗ not ", "bold red"), line)
            for holds, line in lines
        ),
    )


def gaps(found: Mapping[str, Sequence[Json]]) -> RenderableType:
    """Partitions that stopped because records are missing, by service."""
    table = grid(
        "Gaps 缺口", "service", "partition", "source", "taken up to", "next follows", "offset"
    )
    for name, rows in found.items():
        for one in rows:
            table.add_row(
                Text(name, style=SERVICE_STYLE.get(name, "")),
                str(one["partition"]),
                one["source"],
                one["taken"],
                one["after"],
                str(one["offset"]),
            )
    return table


def parked(found: Mapping[str, Sequence[Json]]) -> RenderableType:
    """Subjects with a record set aside, by service."""
    table = grid(
        "Set aside 暂存", "service", "subject", "from", "kind", "problem", "waiting behind"
    )
    for name, rows in found.items():
        for one in rows:
            table.add_row(
                Text(name, style=SERVICE_STYLE.get(name, "")),
                escape(one["subject"]),
                one["source"] or "unknown",
                one["error"],
                escape(one["problem"]),
                str(one["waiting"]),
            )
    return table


def parked_records(rows: Sequence[Json]) -> RenderableType:
    """The record of one subject that was set aside, and what waits behind it."""
    table = grid("", "topic", "partition", "offset", "record", "state", "kind", "problem")
    for one in rows:
        table.add_row(
            one["topic"],
            str(one["partition"]),
            str(one["offset"]),
            escape(one["record"]),
            one["state"],
            one["error"],
            escape(one["problem"]),
        )
    return table
