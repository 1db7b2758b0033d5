"""What a sheet's four forms say, and that they say it in the same bytes ever."""

import csv
import io
import json
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from hashlib import sha256
from unicodedata import east_asian_width
from weakref import WeakSet

import openpyxl
import pytest

from libs.sheets import FORMATS, Column, Format, Share, Sheet, TooLong, share, write, written

SHEET = Sheet(
    "refunds",
    "退费表",
    "Refunds",
    (("period", "2025-10-01 … 2025-10-31"),),
    (
        Column("receipt", "受理编号", "receipt"),
        Column("amount", "金额(元)", "amount (CNY)"),
        Column("at", "时间", "at"),
        Column("on", "日期", "on"),
        Column("count", "件数", "count"),
        Column("kept", "达标", "reached"),
        Column("share", "兑现率", "share"),
        Column("note", "说明", "note"),
    ),
    (
        (
            "B251010-0001-7",
            Decimal("373.00"),
            datetime(2025, 10, 11, 3, tzinfo=UTC),
            date(2025, 10, 11),
            49,
            True,
            Share(49, 50),
            None,
        ),
        (
            "=cmd|'/c calc'!A1",
            Decimal("0.02"),
            datetime(2025, 10, 11, 3, 0, 0, 1, tzinfo=UTC),
            date(2025, 10, 12),
            0,
            False,
            Share(195, 199),
            'a "b",\nc<&\x01',
        ),
    ),
)


@pytest.mark.parametrize(
    ("part", "whole", "said", "reached"),
    [
        (49, 50, "98.00 %", True),
        (48, 50, "96.00 %", False),
        (195, 199, "97.98… %", False),
        (9_799_999, 10_000_000, "97.99… %", False),
        (98, 100, "98.00 %", True),
        (1, 3, "33.33… %", False),
        (0, 7, "0.00 %", False),
        (7, 7, "100.00 %", True),
    ],
)
def test_a_share_is_compared_as_integers_and_cut_off_rather_than_rounded(
    part: int, whole: int, said: str, reached: bool
) -> None:
    """DOMAIN rule 12, S8 (4): 195 of 199 is never shown as "98 %"."""
    assert str(Share(part, whole)) == said
    assert Share(part, whole).reaches(98, 100) is reached


def test_there_is_no_share_of_nothing() -> None:
    assert share(0, 0) is None


def test_json_has_exact_values() -> None:
    told = json.loads(written(SHEET, Format.JSON))
    assert told["title"] == {"zh": "退费表", "en": "Refunds"}
    assert told["columns"][1] == {"name": "amount", "zh": "金额(元)", "en": "amount (CNY)"}
    first, second = told["rows"]
    assert first["amount"] == "373.00"
    assert first["at"] == "2025-10-11T03:00:00.000000Z"
    assert first["share"] == {"part": 49, "whole": 50, "shown": "98.00 %"}
    assert (first["kept"], first["note"], second["count"]) == (True, None, 0)


def test_csv_is_read_back_as_it_was_and_runs_nothing() -> None:
    told = written(SHEET, Format.CSV)
    assert told.startswith(b"\xef\xbb\xbf"), "spreadsheets know Chinese by it"
    heads, first, second = csv.reader(io.StringIO(told.decode("utf-8-sig"), newline=""))
    assert heads[:2] == ["受理编号 receipt", "金额(元) amount (CNY)"]
    assert first == [
        "B251010-0001-7",
        "373.00",
        "2025-10-11 11:00:00",
        "2025-10-11",
        "49",
        "是 yes",
        "98.00 %",
        "",
    ]
    assert second[0] == "'=cmd|'/c calc'!A1"
    assert second[2] == "2025-10-11 11:00:00.000001"
    assert second[7] == 'a "b",\nc<&\x01'


def test_xlsx_opens_with_numbers_as_numbers_and_words_as_words() -> None:
    book = openpyxl.load_workbook(io.BytesIO(written(SHEET, Format.XLSX)))
    (sheet,) = book.worksheets
    assert sheet.title == "退费表"
    rows = list(sheet.iter_rows(values_only=True))
    assert rows[0][0] == "退费表 Refunds  2025-10-01 … 2025-10-31"
    assert rows[1][:2] == ("受理编号 receipt", "金额(元) amount (CNY)")
    assert rows[2] == (
        *("B251010-0001-7", 373, "2025-10-11 11:00:00", "2025-10-11", 49, "是 yes", "98.00 %"),
        None,
    )
    assert rows[3][0] == "=cmd|'/c calc'!A1"
    assert sheet["A4"].data_type != "f"
    assert rows[3][7] == 'a "b",\nc<&\ufffd'
    assert sheet["B3"].number_format == "0.00"


def test_xlsx_bytes_are_the_same_on_every_machine_and_at_every_hour() -> None:
    """No date of the day, no compression of the machine's own."""
    told = written(SHEET, Format.XLSX)
    with zipfile.ZipFile(io.BytesIO(told)) as packed:
        assert {one.date_time for one in packed.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        assert {one.compress_type for one in packed.infolist()} == {zipfile.ZIP_STORED}
    assert sha256(told).hexdigest() == XLSX_DIGEST


XLSX_DIGEST = "cc6a574891ab9583ec8be9be54c39d9e38ead49692932d01585c6d9751517f20"


def test_text_lines_up_also_where_characters_are_wide() -> None:
    told = written(SHEET, Format.TABLE).decode()
    title, zh, en, rule, first, second = told.splitlines()
    assert title == "退费表 Refunds  2025-10-01 … 2025-10-31"
    assert "─" in rule
    assert first.startswith("B251010-0001-7")
    assert "373.00" in first
    assert "\x01" not in second, "no terminal's control characters"
    assert (zh[:4], en[:7]) == ("受理编号", "receipt")


def test_a_sheet_without_rows_still_has_its_headings() -> None:
    empty = replace(SHEET, rows=())
    assert json.loads(written(empty, Format.JSON))["rows"] == []
    assert written(empty, Format.TABLE).decode().count("\n") == 4
    openpyxl.load_workbook(io.BytesIO(written(empty, Format.XLSX)))


class Line(list[int]):
    """A row of which can be seen whether somebody still holds it."""

    __hash__ = object.__hash__  # type: ignore[assignment]  # each is itself, whatever it holds


def many(rows: int, alive: WeakSet[Line], most: list[int]) -> Iterator[Line]:
    for number in range(rows):
        line = Line([number])
        alive.add(line)
        most.append(len(alive))
        yield line


@pytest.mark.parametrize("form", FORMATS)
def test_a_long_sheet_is_never_in_memory_as_a_whole(form: Format) -> None:
    alive, most = WeakSet[Line](), list[int]()
    numbers = (Column("number", "号", "number"),)
    write(Sheet("n", "表", "N", (), numbers, many(5_000, alive, most)), form, io.BytesIO())
    assert len(most) == 5_000, "every row was read"
    assert max(most) <= 1_002, "no more than what lines up the columns"


def numbered(rows: int) -> Sheet:
    return replace(
        SHEET, columns=(Column("n", "号", "n"),), rows=((number,) for number in range(rows))
    )


def test_the_text_form_shows_a_thousand_rows_and_says_how_many_more_there_are() -> None:
    lines = written(numbered(1_003), Format.TABLE).decode().splitlines()
    assert len(lines) == 4 + 1_000 + 1
    assert lines[-1] == "… 另有 3 行 3 more rows: json, csv, xlsx"


@pytest.mark.parametrize("form", FORMATS)
def test_too_long_a_sheet_is_refused_and_its_first_rows_are_not(form: Format) -> None:
    with pytest.raises(TooLong):
        write(numbered(6), form, io.BytesIO(), rows_max=5)
    told, short = io.BytesIO(), io.BytesIO()
    write(numbered(6), form, told, top=2, rows_max=5)
    write(numbered(2), form, short)
    assert told.getvalue() == short.getvalue()


def places(line: str) -> int:
    return sum(2 if east_asian_width(one) in "WF" else 1 for one in line)


def test_on_a_narrow_terminal_columns_stand_in_blocks_with_their_rows_numbers() -> None:
    told = io.BytesIO()
    write(SHEET, Format.TABLE, told, width=60)
    lines = told.getvalue().decode().splitlines()
    assert max(map(places, lines)) <= 60
    blocks = [at for at, line in enumerate(lines) if line.split()[:1] == ["行"]]
    assert len(blocks) == 3
    assert [lines[at - 1] for at in blocks[1:]] == ["", ""], "a line between the blocks"
    assert [lines[at + 3].split()[0] for at in blocks] == ["1", "1", "1"]
    assert lines[blocks[0] + 3].split()[1:3] == ["B251010-0001-7", "373.00"]
    wide, whole = io.BytesIO(), io.BytesIO()
    write(SHEET, Format.TABLE, wide, width=1_000)
    write(SHEET, Format.TABLE, whole)
    assert wide.getvalue() == whole.getvalue()


def test_people_read_words_and_machines_read_codes() -> None:
    words = {"upheld": "支持 upheld", "=1": "一"}
    columns = (Column("decision", "处理结果", "decision", words), Column("code", "代码", "code"))
    rows = (("upheld", "upheld"), (None, None), ("elsewhere", "=1"), ("=1", "x"))
    sheet = Sheet("records", "记录表", "Records", (), columns, rows)
    told = json.loads(written(sheet, Format.JSON))["rows"]
    assert [one["decision"] for one in told] == ["upheld", None, "elsewhere", "=1"]
    text = written(sheet, Format.CSV).decode("utf-8-sig")
    found = [row[0] for row in csv.reader(io.StringIO(text))][1:]
    assert found == ["支持 upheld", "", "elsewhere", "一"]
    assert "支持 upheld  upheld" in written(sheet, Format.TABLE).decode()
    book = openpyxl.load_workbook(io.BytesIO(written(sheet, Format.XLSX)))
    cells = [str(cell.value) for row in book.worksheets[0].iter_rows() for cell in row]
    assert "支持 upheld" in cells
