"""Rows of somebody's CSV or XLSX file, one after another, as texts by column name.

Streamed: a CSV is never in memory as a whole, nor are an XLSX file's rows (its table of distinct
texts is, for that is how the format is made). What cannot be read is said row by row.
"""

import csv
import re
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime, time
from pathlib import Path
from typing import IO, Any
from zipfile import BadZipFile, ZipFile

import openpyxl
from openpyxl.utils.exceptions import InvalidFileException

ROWS_MAX = 1_000_000
"""More rows than these do not belong into one sending (an XLSX sheet holds 1,048,576)."""

CELL_CHARACTERS_MAX = 1_000_000
UNPACKED_BYTES_MAX = 1024 * 1024 * 1024
"""An XLSX that unpacks to more than this was made to do harm."""

ZIP_MAGIC = b"PK\x03\x04"


class FileUnreadable(ValueError):
    """The file as a whole cannot be read: what it is instead, and what to do."""


@dataclass(frozen=True, slots=True)
class Row:
    """One row. `number` counts data rows from 1: neither the header nor blank rows count."""

    number: int
    cells: dict[str, str] = field(repr=False)
    problem: str | None = None
    """Why this row cannot be read; its cells are then empty."""


@dataclass(frozen=True, slots=True)
class Layout:
    """How a file is written down: a CSV's encoding and delimiter, an XLSX's sheet."""

    encoding: str = "utf-8"
    delimiter: str = ","
    sheet: str | None = None
    """None: the first sheet."""


class Table:
    """An open file: its columns, and its rows once."""

    def __init__(
        self, columns: Sequence[str], rows: Iterator[Row], rows_expected: int | None
    ) -> None:
        self.columns = tuple(columns)
        self.rows = rows
        self.rows_expected = rows_expected
        """How many rows there will be, for a progress bar; None: the file does not tell."""


@contextmanager
def open_table(file: Path, layout: Layout) -> Iterator[Table]:
    """Opens a CSV or XLSX, told apart by their first bytes; raises FileUnreadable."""
    try:
        with file.open("rb") as start:
            is_zip = start.read(len(ZIP_MAGIC)) == ZIP_MAGIC
    except OSError as error:
        raise FileUnreadable(f"{file.name} cannot be opened: {error.strerror}") from error
    with _xlsx(file, layout) if is_zip else _csv(file, layout) as table:
        yield table


# --- CSV -----------------------------------------------------------------------------------------


@contextmanager
def _csv(file: Path, layout: Layout) -> Iterator[Table]:
    # A byte-order mark is no part of the first column's name.
    encoding = "utf-8-sig" if layout.encoding.lower().replace("_", "-") in _UTF_8 else None
    csv.field_size_limit(CELL_CHARACTERS_MAX)
    try:
        # Bytes of another encoding cost their own row, not the file: they come as surrogates.
        text = file.open(newline="", encoding=encoding or layout.encoding, errors="surrogateescape")
    except LookupError as error:
        raise FileUnreadable(f"no such encoding: {layout.encoding}") from error
    with text:
        reader = csv.reader(text, delimiter=layout.delimiter, strict=False)
        try:
            header = next(reader, None)
        except csv.Error as error:
            raise FileUnreadable(f"{file.name} is neither XLSX nor CSV: {error}") from error
        if header is None or "\x00" in "".join(header):
            raise FileUnreadable(f"{file.name} is neither XLSX nor CSV, or it is empty")
        columns = _columns(header, file)
        rows = _csv_rows(reader, columns, layout.encoding)
        yield Table(columns, rows, _csv_rows_expected(file, layout))


_UTF_8 = ("utf-8", "utf8", "utf-8-sig")


def _csv_rows_expected(file: Path, layout: Layout) -> int | None:
    """Counted in a quick reading of its own, streamed as well."""
    with file.open(newline="", encoding=layout.encoding, errors="replace") as text:
        try:
            records = sum(any(cells) for cells in csv.reader(text, delimiter=layout.delimiter))
        except (csv.Error, UnicodeError):
            return None  # the reading that counts will say where
    return max(0, records - 1)


def _csv_rows(reader: Any, columns: Sequence[str], encoding: str) -> Iterator[Row]:
    number = 0
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            number = _next(number)
            yield Row(number, {}, f"it cannot be read as CSV: {error}")
            continue
        except UnicodeError as error:
            raise FileUnreadable(f"after row {number} its bytes are not {encoding}") from error
        if not any(cell.strip() for cell in cells):
            continue
        number = _next(number)
        if any("\udc80" <= sign <= "\udcff" for cell in cells for sign in cell):
            yield Row(number, {}, f"its bytes are not {encoding}")
        else:
            yield _row(number, columns, cells)


# --- XLSX ----------------------------------------------------------------------------------------


@contextmanager
def _xlsx(file: Path, layout: Layout) -> Iterator[Table]:
    with file.open("rb") as opened:
        _assert_sane_size(file, opened)
        try:
            book = openpyxl.load_workbook(opened, read_only=True, data_only=True)
        except (InvalidFileException, BadZipFile, KeyError, ValueError, SyntaxError) as error:
            raise FileUnreadable(
                f"{file.name} is a damaged XLSX ({type(error).__name__})"
            ) from error
        try:
            if layout.sheet is not None and layout.sheet not in book.sheetnames:
                there = ", ".join(book.sheetnames)
                raise FileUnreadable(f"{file.name} has no sheet {layout.sheet!r}; it has {there}")
            sheet = book[layout.sheet] if layout.sheet else book.worksheets[0]
            told = sheet.max_row
            # Some writers tell a wrong size of the sheet; then rows beyond it would be lost.
            sheet.reset_dimensions()
            rows = sheet.iter_rows(values_only=True)
            columns = _columns([_text(cell) for cell in next(rows, ())], file)
            yield Table(columns, _xlsx_rows(rows, columns), told - 1 if told else None)
        finally:
            book.close()


def _assert_sane_size(file: Path, opened: IO[bytes]) -> None:
    try:
        with ZipFile(opened) as packed:
            unpacked = sum(one.file_size for one in packed.infolist())
    except (BadZipFile, zipfile.LargeZipFile) as error:
        raise FileUnreadable(f"{file.name} is a damaged XLSX or another kind of ZIP") from error
    if unpacked > UNPACKED_BYTES_MAX:
        raise FileUnreadable(f"{file.name} unpacks to {unpacked} bytes, far too much for a table")
    opened.seek(0)


def _xlsx_rows(rows: Iterator[tuple[Any, ...]], columns: Sequence[str]) -> Iterator[Row]:
    number = 0
    for cells in rows:
        texts = [_text(cell) for cell in cells]
        if any(text.strip() for text in texts):
            number = _next(number)
            yield _row(number, columns, texts)


def _text(cell: Any) -> str:
    """A cell as text: numbers without a needless `.0`, dates as `2019-04-08 08:37:20`."""
    if cell is None:
        return ""
    if isinstance(cell, str):
        return _unescaped(cell) if "_x" in cell else cell
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    if isinstance(cell, datetime):
        return cell.isoformat(sep=" ")
    if isinstance(cell, date | time):
        return cell.isoformat()
    return str(cell)


def _unescaped(cell: str) -> str:
    text = _ESCAPED.sub(lambda found: chr(int(found[1], 16)), cell)
    if any("\ud800" <= sign <= "\udfff" for sign in text):
        # Signs beyond 16 bits are written as two escapes.
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


_ESCAPED = re.compile(r"_x([0-9A-Fa-f]{4})_")
"""How XLSX writes signs that XML cannot, `_x000D_` a carriage return (ECMA-376, ST_Xstring);
openpyxl 3.1 leaves them as they are."""


# --- both ----------------------------------------------------------------------------------------


def _columns(header: Sequence[str], file: Path) -> list[str]:
    columns = [name.strip() for name in header]
    while columns and not columns[-1]:
        columns.pop()
    if not columns:
        raise FileUnreadable(f"{file.name} has no header row")
    doubled = sorted({name for name in columns if name and columns.count(name) > 1})
    if doubled:
        raise FileUnreadable(f"{file.name} has two columns of one name: {', '.join(doubled)}")
    return columns


def _row(number: int, columns: Sequence[str], cells: Sequence[str]) -> Row:
    if any(cell.strip() for cell in cells[len(columns) :]):
        return Row(number, {}, "it has more cells than there are columns")
    filled = [*cells[: len(columns)], *[""] * (len(columns) - len(cells))]
    return Row(number, dict(zip(columns, filled, strict=True)))


def _next(number: int) -> int:
    if number >= ROWS_MAX:
        raise FileUnreadable(f"more than {ROWS_MAX} rows; send it in parts")
    return number + 1
