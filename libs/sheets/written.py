"""A sheet as JSON, CSV, XLSX or text: a pure function of its content, the same bytes ever."""

import csv
import json
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from enum import StrEnum
from io import StringIO
from types import MappingProxyType
from typing import Any
from unicodedata import combining, east_asian_width

from libs.sheets.sheet import Cell, Share, Sheet
from libs.sheets.xlsx import workbook

CHINA = timezone(timedelta(hours=8))
"""Instants are shown as people in Shanghai read them."""

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
"""A spreadsheet would take such a text for a formula: somebody else's words must not run."""

WIDTH_MAX = 48
"""Cells of the text form are cut off beyond so many places of a terminal."""


class Format(StrEnum):
    """How a sheet may be written."""

    JSON = "json"
    CSV = "csv"
    XLSX = "xlsx"
    TABLE = "table"


FORMATS: Mapping[Format, str] = MappingProxyType(
    {
        Format.JSON: "application/json",
        Format.CSV: "text/csv; charset=utf-8",
        Format.XLSX: "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        Format.TABLE: "text/plain; charset=utf-8",
    }
)
"""Each form's media type."""


def written(sheet: Sheet, how: Format) -> bytes:
    """The sheet's bytes in this form."""
    return _WRITERS[how](sheet)


def document(sheet: Sheet) -> dict[str, Any]:
    """The sheet as a JSON document: instants in UTC, money as text, shares as whole numbers."""
    names = [column.name for column in sheet.columns]
    return {
        "report": sheet.name,
        "title": {"zh": sheet.zh, "en": sheet.en},
        "about": dict(sheet.about),
        "columns": [
            {"name": column.name, "zh": column.zh, "en": column.en} for column in sheet.columns
        ],
        "rows": [dict(zip(names, map(_plain, row), strict=True)) for row in sheet.rows],
    }


def _json(sheet: Sheet) -> bytes:
    return (json.dumps(document(sheet), ensure_ascii=False, indent=1) + "\n").encode()


def _plain(cell: Cell) -> Any:
    match cell:
        case Share():
            return {"part": cell.part, "whole": cell.whole, "shown": str(cell)}
        case Decimal():
            return format(cell, "f")
        case datetime():
            utc = cell.astimezone(UTC)
            return utc.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        case date():
            return cell.isoformat()
        case _:
            return cell


def shown(cell: Cell) -> str:
    """A cell as people read it."""
    match cell:
        case None:
            return ""
        case bool():
            return "是 yes" if cell else "否 no"
        case Decimal():
            return format(cell, "f")
        case datetime():
            there = cell.astimezone(CHINA)
            return there.strftime(
                "%Y-%m-%d %H:%M:%S.%f" if there.microsecond else "%Y-%m-%d %H:%M:%S"
            )
        case date():
            return cell.isoformat()
        case _:
            return str(cell)


def _csv(sheet: Sheet) -> bytes:
    """With a byte-order mark, by which spreadsheets know Chinese from gibberish."""
    told = StringIO(newline="")
    writer = csv.writer(told, lineterminator="\r\n")
    writer.writerow([column.heading for column in sheet.columns])
    writer.writerows([_harmless(cell) for cell in row] for row in sheet.rows)
    return told.getvalue().encode("utf-8-sig")


def _harmless(cell: Cell) -> str:
    text = shown(cell)
    return f"'{text}" if isinstance(cell, str) and text.startswith(FORMULA_STARTS) else text


def _xlsx(sheet: Sheet) -> bytes:
    rows = [[_figure(cell) for cell in row] for row in sheet.rows]
    return workbook(sheet.zh, sheet.title, [column.heading for column in sheet.columns], rows)


def _figure(cell: Cell) -> str | int | Decimal:
    if isinstance(cell, int | Decimal) and not isinstance(cell, bool):
        return cell
    return shown(cell)


def _is_number(cell: Cell) -> bool:
    return isinstance(cell, int | Decimal) and not isinstance(cell, bool)


def _text(sheet: Sheet) -> bytes:
    cells = [[_cut(shown(cell)) for cell in row] for row in sheet.rows]
    heads = [column.heading for column in sheet.columns]
    right = [
        any(_is_figure(row[at]) for row in sheet.rows)
        and all(row[at] is None or _is_figure(row[at]) for row in sheet.rows)
        for at in range(len(heads))
    ]
    widths = [
        max(map(_width, [heads[at], *(row[at] for row in cells)])) for at in range(len(heads))
    ]
    lines = [sheet.title, _line(heads, widths, right), "  ".join("─" * width for width in widths)]
    lines += [_line(row, widths, right) for row in cells]
    return ("\n".join(line.rstrip() for line in lines) + "\n").encode()


def _is_figure(cell: Cell) -> bool:
    return _is_number(cell) or isinstance(cell, Share)


def _line(cells: Sequence[str], widths: Sequence[int], right: Sequence[bool]) -> str:
    return "  ".join(
        " " * (width - _width(cell)) + cell if at_right else cell + " " * (width - _width(cell))
        for cell, width, at_right in zip(cells, widths, right, strict=True)
    )


def _width(text: str) -> int:
    return sum(_places(one) for one in text)


def _places(character: str) -> int:
    if combining(character):
        return 0
    return 2 if east_asian_width(character) in "WF" else 1


def _cut(text: str) -> str:
    """On one line, no terminal's control characters, and no wider than a column may be."""
    clean = "".join(one if one.isprintable() else " " for one in text)
    if _width(clean) <= WIDTH_MAX:
        return clean
    kept, width = "", 1
    for one in clean:
        width += _places(one)
        if width > WIDTH_MAX:
            break
        kept += one
    return f"{kept}…"


_WRITERS: Mapping[Format, Callable[[Sheet], bytes]] = {
    Format.JSON: _json,
    Format.CSV: _csv,
    Format.XLSX: _xlsx,
    Format.TABLE: _text,
}
