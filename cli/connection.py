"""`bihuan connection FILE`: the daily connection figures of hotlines, from a CSV or XLSX (004)."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import typer

from cli.client import Client, Refused
from cli.places import Places
from cli.tabular import FileUnreadable, Layout, Row, open_table
from cli.telling import FOUND, MISUSED, AsJson, emit, fail, out, speaking, table

ACTOR = "manager:local"
ROWS_MAX = 10_000
SHOWN_MAX = 20

COLUMNS: Mapping[str, tuple[str, ...]] = {
    "day": ("日期",),
    "line": ("热线",),
    "calls": ("呼入次数", "呼入"),
    "answered": ("及时接通次数", "20秒内接通"),
    "reason": ("更正原因",),
}
"""What a column may be called besides its own name; as a report's heading, too: `日期 day`."""

_NUMBER = re.compile(r"0|[1-9][0-9]{0,8}")
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command("connection")(enter)


@dataclass(slots=True)
class Entered:
    """What became of a file's rows."""

    rows: int = 0
    new: int = 0
    known: int = 0
    refused: list[dict[str, Any]] = field(default_factory=list)


def enter(
    file: Annotated[
        Path, typer.Argument(exists=True, dir_okay=False, readable=True, help="A CSV or XLSX.")
    ],
    as_json: AsJson = False,
) -> None:
    """Write down how the hotlines were answered, day by day: for `bihuan report connection`.

    Columns: day 日期, line 热线 (10010 or hotline_10010), calls 呼入次数, answered 及时接通次数,
    and, where figures on record were wrong, reason 更正原因. Every row is read before any is sent:
    while one is garbled, nothing is. Sent twice it changes nothing. With --json: {rows, new, known,
    refused: [{row, reason}]}. Exit 1: a row was refused. Exit 2: the file is not fit.
    """
    entered = Entered()
    bodies: list[tuple[int, dict[str, Any]]] = []
    for row in _rows(file):
        entered.rows += 1
        problem, body = _read(row)
        if problem is None:
            bodies.append((row.number, body))
        else:
            entered.refused.append({"row": row.number, "reason": problem})
    if not entered.refused:
        with speaking(as_json), Client(Places.here(), actor=ACTOR, roles=("manager",)) as client:
            for number, body in bodies:
                _send(client, number, body, entered)
    _tell(entered, as_json=as_json)


def _rows(file: Path) -> Sequence[Row]:
    try:
        with open_table(file, Layout()) as opened:
            named = {heading: _name_of(heading) for heading in opened.columns}
            missing = [name for name in COLUMNS if name != "reason" and name not in named.values()]
            if missing:
                fail(f"{file.name} lacks the columns {', '.join(missing)}", code=MISUSED)
            rows: list[Row] = []
            for row in opened.rows:
                if len(rows) == ROWS_MAX:
                    fail(f"{file.name} has more than {ROWS_MAX} rows; split it", code=MISUSED)
                cells = {
                    name: row.cells.get(heading, "").strip()
                    for heading, name in named.items()
                    if name is not None
                }
                rows.append(Row(row.number, cells, row.problem))
            return rows
    except FileUnreadable as error:
        fail(str(error), code=MISUSED)


def _name_of(heading: str) -> str | None:
    words = heading.strip()
    for name, others in COLUMNS.items():
        if words == name or any(words == one or words.startswith(f"{one} ") for one in others):
            return name
    return None


def _read(row: Row) -> tuple[str | None, dict[str, Any]]:
    """What is wrong with a row, or the figures in it."""
    if row.problem is not None:
        return row.problem, {}
    cells = row.cells
    day = cells["day"].removesuffix(" 00:00:00")
    if not _DAY.fullmatch(day):
        return "day: a date is like 2025-10-10", {}
    for name in ("calls", "answered"):
        if not _NUMBER.fullmatch(cells[name]):
            return f"{name}: a whole number, at most nine digits", {}
    line = cells["line"]
    body: dict[str, Any] = {
        "day": day,
        "line": f"hotline_{line}" if line.isdecimal() else line,
        "calls": int(cells["calls"]),
        "answered": int(cells["answered"]),
    }
    if cells.get("reason"):
        body["reason"] = cells["reason"]
    return None, body


def _send(client: Client, number: int, body: dict[str, Any], entered: Entered) -> None:
    try:
        told = client.post("audit", "/connection", body)
    except Refused as error:
        if error.status not in (409, 422):
            raise
        zh = error.problem.get("zh")
        entered.refused.append({"row": number, "reason": f"{error} ({zh})" if zh else str(error)})
        return
    if told["events"]:
        entered.new += 1
    else:
        entered.known += 1


def _tell(entered: Entered, *, as_json: bool) -> None:
    if as_json:
        emit(
            {
                "rows": entered.rows,
                "new": entered.new,
                "known": entered.known,
                "refused": entered.refused,
            }
        )
    else:
        out.print(
            f"{entered.rows} rows: [green]{entered.new}[/green] written down, "
            f"{entered.known} known, {len(entered.refused)} refused"
        )
        if entered.refused:
            shown = [[one["row"], one["reason"]] for one in entered.refused[:SHOWN_MAX]]
            out.print(table("Refused 未登记", ("row", "why"), shown))
    if entered.refused:
        raise typer.Exit(FOUND)
