"""A complaint at an instant, drawn for a terminal: both senses side by side where they differ.

Pure, as `cli.showing` is. What stands in it comes from read models that hold no plaintext.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from cli.showing import CLOCK_STYLE, SERVICE_STYLE, grid, moment

Json = Mapping[str, Any]

_LEFT_OUT = frozenset({"complaint", "person", "receipt", "clocks"})
"""Columns that say nothing more to a reader: the same in every row, or folded elsewhere."""

SENSES = (("as_it_was", "as it was 当时所知"), ("as_known_now", "as we know now 现在所知"))


def state(told: Json) -> RenderableType:
    """The whole answer of `GET /complaints/{id}?at=`."""
    head = Text.assemble(
        ("At 时点  ", "bold"), moment(told["at"], exact=True), f"   {told['complaint']}\n"
    )
    head.append(f"on record since {moment(told['first'])}, {told['events']} events in all; ")
    if not told["differs"]:
        count = told["as_it_was"]["events"]
        head.append(f"known then from {count} of them, and nothing was learnt later", "dim")
        return Group(head, *_known(told["as_it_was"]))
    head.append("something about then was learnt only later 事后得知", "bold yellow")
    parts: list[RenderableType] = [head]
    for sense, name in SENSES:
        parts.append(Text(f"\n{name}, from {told[sense]['events']} events", style="bold reverse"))
        parts += _known(told[sense])
    return Group(*parts)


def _known(known: Json) -> Iterator[RenderableType]:
    for service, tables in known["services"].items():
        for table, rows in tables.items():
            if table == "sla_clock":
                yield clocks(rows)
            else:
                yield _table(service, table, rows)


def clocks(rows: Sequence[Json]) -> RenderableType:
    """Every clock with its verdict."""
    table = grid("sla_watch  clocks 时限", "clock", "cycle", "from", "due", "state", "met at")
    for one in rows:
        table.add_row(
            one["clock"] + (f" {one['instance']}" if one["instance"] else ""),
            str(one["cycle"]),
            moment(one["clock_from"]),
            moment(one["due_at"]),
            Text(one["state"], style=CLOCK_STYLE.get(one["state"], "")),
            moment(one["met_at"]),
        )
    return table


def _table(service: str, name: str, rows: Sequence[Json]) -> RenderableType:
    table = grid("", "", "")
    table.title = Text.assemble((service, SERVICE_STYLE.get(service, "")), f"  {name}")
    table.show_header = False
    for row in rows:
        said = [
            f"{column} {_value(value)}"
            for column, value in row.items()
            if column not in _LEFT_OUT and value not in (None, [], {}, False, "")
        ]
        table.add_row("•", Text("   ".join(said)))
    return table


def _value(value: Any) -> str:
    text = str(value)
    if len(text) == len("2025-10-07T02:20:00.000000Z") and text[10] == "T" and text[-1] == "Z":
        return moment(text)
    return text


# -- what if --------------------------------------------------------------------------------------

_CHANGES = {
    "verdict": ("verdict 结论", "bold red"),
    "due": ("due 到期", "yellow"),
    "added": ("would run 新增", "cyan"),
    "dropped": ("would not run 取消", "dim"),
}


def what_if(told: Json) -> RenderableType:
    """Which verdicts would differ, and how many of each clock's would."""
    head = Text.assemble(
        f"{told['complaints']} complaints, {told['clocks']} clocks tried 已试算; ",
        ("nothing was written, sent or timed", "dim"),
    )
    if told["unlike_record"]:
        head.append(
            f"\n✗ {told['unlike_record']} clocks are not on record as their own rules judge them: "
            "trust nothing below; see bihuan verify",
            "bold red",
        )
    if not told["differs"]:
        return Group(head, Text("✓ no verdict and no due would differ 结论与到期均不变", "green"))
    numbers = ("was met", "was broken", "would be met", "would be broken")
    tallies = grid("Verdicts 结论", "clock", *numbers, right=numbers)
    for code, one in sorted(told["tallies"].items()):
        counted = [one[name] for name in _TALLY]
        style = "" if counted[:2] == counted[2:] else "bold"
        tallies.add_row(Text(code, style), *map(str, counted))
    table = grid("Clocks that differ 差异", "complaint", "clock", "differs", "was", "would be")
    for one in told["differs"]:
        name, style = _CHANGES[one["change"]]
        clock = one["clock"] + (f" {one['instance']}" if one["instance"] else "")
        table.add_row(
            one["complaint"],
            f"{clock} ({one['cycle']})",
            Text(name, style),
            _judged(one["was"]),
            _judged(one["would_be"]),
        )
    return Group(head, tallies, table)


_TALLY = ("was_met", "was_breached", "would_be_met", "would_be_breached")


def _judged(one: Json | None) -> Text:
    if one is None:
        return Text("-", style="dim")
    text = Text(one["state"], style=CLOCK_STYLE.get(one["state"], ""))
    text.append(f"\ndue {moment(one['due']) or 'unknown'}", "dim")
    return text.append(f"\nat {moment(one['at'])}", "dim") if one["at"] else text
