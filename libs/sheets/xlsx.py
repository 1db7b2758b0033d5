"""One sheet as an XLSX file (ECMA-376), the same bytes for the same cells on every machine.

Written by hand, for that is what libraries do not give: they date the file, and pack it with
whatever compression the machine has. So nothing here is packed, and every date is the format's
first.
"""

import re
from collections.abc import Iterator, Sequence
from decimal import Decimal
from itertools import chain, islice
from typing import IO
from xml.sax.saxutils import escape
from zipfile import ZIP_STORED, ZipFile, ZipInfo

ROWS_MAX = 1_048_576
"""A sheet's rows, as the format has it."""
MEASURED_ROWS = 1_000
"""The columns are as wide as the first so many rows need."""
NAME_CHARACTERS_MAX = 31
CELL_CHARACTERS_MAX = 32_767
WIDTH_MAX = 60

_FIRST_DATE = (1980, 1, 1, 0, 0, 0)
_HEAD = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_SHEET_ML = "application/vnd.openxmlformats-officedocument.spreadsheetml"

_PLAIN, _BOLD, _MONEY = 0, 1, 2
"""Places in the list of cell styles below."""

_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_NOT_IN_NAMES = re.compile(r"[\[\]:*?/\\]")


def write_workbook(
    out: IO[bytes],
    name: str,
    title: str,
    headings: Sequence[str],
    rows: Iterator[Sequence[str | int | Decimal]],
) -> None:
    """Writes the file: a title, a line of headings, the rows as they come.

    `out` can be sought in. Raises ValueError when a sheet cannot hold so many rows.
    """
    parts = (
        ("[Content_Types].xml", _CONTENT_TYPES),
        ("_rels/.rels", _RELATIONS),
        ("xl/workbook.xml", _book(name)),
        ("xl/_rels/workbook.xml.rels", _BOOK_RELATIONS),
        ("xl/styles.xml", _STYLES),
    )
    with ZipFile(out, "w", ZIP_STORED) as packed:
        for path, text in parts:
            packed.writestr(_entry(path), text.encode())
        with packed.open(_entry("xl/worksheets/sheet1.xml"), "w") as sheet:
            for text in _sheet(title, headings, rows):
                sheet.write(text.encode())


def _entry(path: str) -> ZipInfo:
    entry = ZipInfo(path, _FIRST_DATE)
    entry.create_system = 3
    entry.external_attr = 0o600 << 16
    return entry


def _sheet(
    title: str, headings: Sequence[str], rows: Iterator[Sequence[str | int | Decimal]]
) -> Iterator[str]:
    first = list(islice(rows, MEASURED_ROWS))
    widths = "".join(
        f'<col min="{at}" max="{at}" width="{_width(at - 1, headings, first)}" customWidth="1"/>'
        for at in range(1, len(headings) + 1)
    )
    yield (
        f'{_HEAD}<worksheet xmlns="{_MAIN}"><sheetViews><sheetView workbookViewId="0">'
        '<pane ySplit="2" topLeftCell="A3" activePane="bottomLeft" state="frozen"/>'
        f"</sheetView></sheetViews><cols>{widths}</cols><sheetData>"
    )
    yield _row(1, [title], _BOLD)
    yield _row(2, headings, _BOLD)
    for number, cells in enumerate(chain(first, rows), start=3):
        if number > ROWS_MAX:
            raise ValueError(f"an XLSX sheet holds {ROWS_MAX} rows; narrow the period")
        yield _row(number, cells, _PLAIN)
    yield "</sheetData></worksheet>"


def _row(number: int, cells: Sequence[str | int | Decimal], style: int) -> str:
    told = "".join(_cell(f"{_letters(at)}{number}", cell, style) for at, cell in enumerate(cells))
    return f'<row r="{number}">{told}</row>'


def _cell(place: str, cell: str | int | Decimal, style: int) -> str:
    match cell:
        case Decimal():
            return f'<c r="{place}" s="{_MONEY}"><v>{format(cell, "f")}</v></c>'
        case int():
            return f'<c r="{place}" s="{style}"><v>{cell}</v></c>'
        case "":
            return ""
    text = escape(_NOT_XML.sub("\ufffd", cell[:CELL_CHARACTERS_MAX]))
    return (
        f'<c r="{place}" s="{style}" t="inlineStr"><is><t xml:space="preserve">{text}</t></is></c>'
    )


def _letters(at: int) -> str:
    """0 -> A, 25 -> Z, 26 -> AA."""
    letters = ""
    while at >= 0:
        letters = chr(ord("A") + at % 26) + letters
        at = at // 26 - 1
    return letters


def _width(at: int, headings: Sequence[str], rows: Sequence[Sequence[str | int | Decimal]]) -> int:
    """In characters; a Chinese one takes two."""
    longest = max(
        len(text.encode("gb18030", "replace"))
        for text in (headings[at], *(str(row[at]) for row in rows))
    )
    return min(longest + 2, WIDTH_MAX)


def _book(name: str) -> str:
    safe = escape(_NOT_IN_NAMES.sub(" ", name)[:NAME_CHARACTERS_MAX], {'"': "&quot;"})
    return (
        f'{_HEAD}<workbook xmlns="{_MAIN}" xmlns:r="{_OFFICE}"><sheets>'
        f'<sheet name="{safe}" sheetId="1" r:id="rId1"/></sheets></workbook>'
    )


_CONTENT_TYPES = (
    f'{_HEAD}<Types xmlns="{_PACKAGE}/content-types">'
    '<Default Extension="rels" '
    'ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
    f'<Override PartName="/xl/workbook.xml" ContentType="{_SHEET_ML}.sheet.main+xml"/>'
    f'<Override PartName="/xl/styles.xml" ContentType="{_SHEET_ML}.styles+xml"/>'
    '<Override PartName="/xl/worksheets/sheet1.xml" '
    f'ContentType="{_SHEET_ML}.worksheet+xml"/></Types>'
)
_RELATIONS = (
    f'{_HEAD}<Relationships xmlns="{_PACKAGE}/relationships">'
    f'<Relationship Id="rId1" Type="{_OFFICE}/officeDocument" Target="xl/workbook.xml"/>'
    "</Relationships>"
)
_BOOK_RELATIONS = (
    f'{_HEAD}<Relationships xmlns="{_PACKAGE}/relationships">'
    f'<Relationship Id="rId1" Type="{_OFFICE}/worksheet" Target="worksheets/sheet1.xml"/>'
    f'<Relationship Id="rId2" Type="{_OFFICE}/styles" Target="styles.xml"/></Relationships>'
)
_STYLES = (
    f'{_HEAD}<styleSheet xmlns="{_MAIN}">'
    '<fonts count="2"><font><sz val="11"/><name val="Calibri"/></font>'
    '<font><b/><sz val="11"/><name val="Calibri"/></font></fonts>'
    '<fills count="2"><fill><patternFill patternType="none"/></fill>'
    '<fill><patternFill patternType="gray125"/></fill></fills>'
    '<borders count="1"><border><left/><right/><top/><bottom/><diagonal/></border></borders>'
    '<cellStyleXfs count="1"><xf numFmtId="0" fontId="0" fillId="0" borderId="0"/></cellStyleXfs>'
    '<cellXfs count="3"><xf numFmtId="0" fontId="0" fillId="0" borderId="0" xfId="0"/>'
    '<xf numFmtId="0" fontId="1" fillId="0" borderId="0" xfId="0" applyFont="1"/>'
    '<xf numFmtId="2" fontId="0" fillId="0" borderId="0" xfId="0" applyNumberFormat="1"/></cellXfs>'
    '<cellStyles count="1"><cellStyle name="Normal" xfId="0" builtinId="0"/></cellStyles>'
    "</styleSheet>"
)
