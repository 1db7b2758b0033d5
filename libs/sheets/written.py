"""A sheet as JSON, CSV, XLSX or text: a pure function of its content, the same bytes ever.

Row by row: whatever a sheet's length, only what lines up a form's columns is in memory.
"""

import csv
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from enum import StrEnum
from io import BytesIO, TextIOWrapper
from itertools import islice
from types import MappingProxyType
from typing import IO, Any
from unicodedata import combining, east_asian_width

from libs.sheets.sheet import Cell, Share, Sheet
from libs.sheets.xlsx import write_workbook

CHINA = timezone(timedelta(hours=8))
"""Instants are shown as people in Shanghai read them."""

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
"""A spreadsheet would take such a text for a formula: somebody else's words must not run."""

ROWS_MAX = 100_000
"""So many rows does a sheet have at most, unless somebody says otherwise."""

SHOWN_MAX = 1_000
"""So many of them does the text form show."""

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


class TooLong(ValueError):
    """A sheet has more rows than may be written."""


def written(sheet: Sheet, how: Format) -> bytes:
    """The sheet's bytes in this form, for sheets that are known to be short. Raises TooLong."""
    told = BytesIO()
    write(sheet, how, told)
    return told.getvalue()


def write(
    sheet: Sheet,
    how: Format,
    out: IO[bytes],
    top: int | None = None,
    rows_max: int = ROWS_MAX,
    width: int | None = None,
) -> None:
    """Writes the sheet, or its first `top` rows, into a file that can be read and sought in.

    `width` is that of the terminal that shall show the text form; the other forms have none.

    Raises TooLong where there are more rows than `rows_max`; what was written then is no sheet.
    """
    rows = sheet.rows if top is None else islice(sheet.rows, top)
    checked = _no_more_than(rows_max, rows)
    if how is Format.JSON:
        _json(sheet, checked, out)
    elif how is Format.TABLE:
        _text(sheet, _in_words(sheet, checked), out, width)
    else:
        _WRITERS[how](sheet, _in_words(sheet, checked), out)


def _in_words(sheet: Sheet, rows: Iterator[Sequence[Cell]]) -> Iterator[Sequence[Cell]]:
    """The rows as people read them: no code where its column says what it is called."""
    words = [column.words for column in sheet.columns]
    if not any(words):
        return rows
    return (
        [
            known.get(cell, cell) if isinstance(cell, str) else cell
            for cell, known in zip(row, words, strict=True)
        ]
        for row in rows
    )


def _no_more_than(rows_max: int, rows: Iterable[Sequence[Cell]]) -> Iterator[Sequence[Cell]]:
    for number, row in enumerate(rows, start=1):
        if number > rows_max:
            raise TooLong(f"more than {rows_max:,} rows")
        yield row


def _json(sheet: Sheet, rows: Iterator[Sequence[Cell]], out: IO[bytes]) -> None:
    """A JSON document: instants in UTC, money as text, shares as whole numbers; a row a line."""
    names = [column.name for column in sheet.columns]
    head = {
        "report": sheet.name,
        "title": {"zh": sheet.zh, "en": sheet.en},
        "about": dict(sheet.about),
        "columns": [
            {"name": column.name, "zh": column.zh, "en": column.en} for column in sheet.columns
        ],
    }
    told = json.dumps(head, ensure_ascii=False, indent=1).removesuffix("\n}")
    out.write(f'{told},\n "rows": ['.encode())
    before = "\n  "
    for row in rows:
        cells = dict(zip(names, map(_plain, row), strict=True))
        out.write(f"{before}{json.dumps(cells, ensure_ascii=False)}".encode())
        before = ",\n  "
    out.write(b"\n ]\n}\n")


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


def _csv(sheet: Sheet, rows: Iterator[Sequence[Cell]], out: IO[bytes]) -> None:
    """With a byte-order mark, by which spreadsheets know Chinese from gibberish."""
    text = TextIOWrapper(out, "utf-8-sig", newline="")
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow([column.heading for column in sheet.columns])
    writer.writerows([_harmless(cell) for cell in row] for row in rows)
    text.detach()


def _harmless(cell: Cell) -> str:
    text = shown(cell)
    return f"'{text}" if isinstance(cell, str) and text.startswith(FORMULA_STARTS) else text


def _xlsx(sheet: Sheet, rows: Iterator[Sequence[Cell]], out: IO[bytes]) -> None:
    figures = ([_figure(cell) for cell in row] for row in rows)
    heads = [column.heading for column in sheet.columns]
    write_workbook(out, sheet.zh, sheet.title, heads, figures)


def _figure(cell: Cell) -> str | int | Decimal:
    if isinstance(cell, int | Decimal) and not isinstance(cell, bool):
        return cell
    return shown(cell)


def _is_number(cell: Cell) -> bool:
    return isinstance(cell, int | Decimal) and not isinstance(cell, bool)


def _text(
    sheet: Sheet, rows: Iterator[Sequence[Cell]], out: IO[bytes], width: int | None = None
) -> None:
    """Its columns are as wide as its rows need; so a terminal gets the first ones, and a count.

    Where they are wider than `width`, they stand below each other in blocks, with their number.
    """
    first = list(islice(rows, SHOWN_MAX))
    cells = [[_cut(shown(cell)) for cell in row] for row in first]
    right = [
        any(_is_figure(row[at]) for row in first)
        and all(row[at] is None or _is_figure(row[at]) for row in first)
        for at in range(len(sheet.columns))
    ]
    columns = [
        _Lined(column.zh, column.en, [row[at] for row in cells], right[at])
        for at, column in enumerate(sheet.columns)
    ]
    number = _Lined("行", "row", [str(at) for at in range(1, len(cells) + 1)], True)
    blocks = _blocks(columns, number, width)
    lines = [sheet.title]
    for at, block in enumerate(blocks):
        lines += [""] if at else []
        lines += map(_line, zip(*(column.lines() for column in block), strict=True))
    if more := sum(1 for _ in rows):
        lines.append(f"… 另有 {more} 行 {more} more rows: json, csv, xlsx")
    out.write(("\n".join(lines) + "\n").encode())


@dataclass(frozen=True, slots=True)
class _Lined:
    """A column of the text form."""

    zh: str
    en: str
    cells: Sequence[str]
    right: bool

    @property
    def width(self) -> int:
        return max(map(_width, (self.zh, self.en, *self.cells)))

    def lines(self) -> list[str]:
        """Its heading in both languages, a rule, and its cells, all of one width."""
        width = self.width
        told = [_filled(text, width, self.right) for text in (self.zh, self.en, *self.cells)]
        return [*told[:2], "─" * width, *told[2:]]


def _blocks(
    columns: Sequence[_Lined], number: _Lined, width: int | None
) -> Sequence[Sequence[_Lined]]:
    """All columns beside each other, or in blocks that are no wider than this."""
    if width is None or sum(one.width + 2 for one in columns) - 2 <= width:
        return [columns]
    blocks: list[list[_Lined]] = []
    left = 0
    for column in columns:
        if column.width + 2 > left or not blocks:
            blocks.append([number])
            left = width - number.width
        blocks[-1].append(column)
        left -= column.width + 2
    return blocks


def _is_figure(cell: Cell) -> bool:
    return _is_number(cell) or isinstance(cell, Share)


def _line(cells: Sequence[str]) -> str:
    return "  ".join(cells).rstrip()


def _filled(text: str, width: int, right: bool) -> str:
    space = " " * (width - _width(text))
    return space + text if right else text + space


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


_WRITERS: Mapping[Format, Callable[[Sheet, Iterator[Sequence[Cell]], IO[bytes]], None]] = {
    Format.CSV: _csv,
    Format.XLSX: _xlsx,
}
