"""Every row of a CSV or XLSX comes once, as texts; one that cannot be read costs only itself."""

import zipfile
from collections.abc import Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from cli import tabular
from cli.tabular import FileUnreadable, Layout, Row, open_table

HEAD = "no,words\r\n"


def csv_file(folder: Path, content: str | bytes) -> Path:
    path = folder / "a.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def xlsx_file(folder: Path, rows: Sequence[Sequence[Any]]) -> Path:
    book = openpyxl.Workbook()
    assert book.active is not None
    for row in rows:
        book.active.append(list(row))
    path = folder / "a.xlsx"
    book.save(path)
    return path


def read(path: Path, layout: Layout | None = None) -> list[Row]:
    with open_table(path, layout or Layout()) as table:
        return list(table.rows)


def test_a_byte_order_mark_is_no_part_of_the_first_columns_name(tmp_path: Path) -> None:
    path = csv_file(tmp_path, b"\xef\xbb\xbfTicket #,words\r\n1,hi\r\n")
    with open_table(path, Layout()) as table:
        assert table.columns == ("Ticket #", "words")
        assert list(table.rows) == [Row(1, {"Ticket #": "1", "words": "hi"})]


def test_words_may_hold_newlines_quotes_and_commas(tmp_path: Path) -> None:
    path = csv_file(tmp_path, HEAD + '1,"a ""b"",\r\nc"\r\n2,d\r\n')
    assert [row.cells["words"] for row in read(path)] == ['a "b",\r\nc', "d"]


def test_blank_lines_are_no_rows_and_short_rows_have_empty_cells(tmp_path: Path) -> None:
    path = csv_file(tmp_path, HEAD + "1\r\n\r\n , \r\n2,b\r\n")
    assert read(path) == [Row(1, {"no": "1", "words": ""}), Row(2, {"no": "2", "words": "b"})]


def test_a_row_in_another_encoding_costs_only_itself(tmp_path: Path) -> None:
    path = csv_file(tmp_path, HEAD.encode() + b"1,\xd6\xd0\r\n2,ok\r\n")
    first, second = read(path)
    assert (first.problem, first.cells) == ("its bytes are not utf-8", {})
    assert second.cells == {"no": "2", "words": "ok"}


def test_a_file_in_a_named_encoding_is_read_in_it(tmp_path: Path) -> None:
    path = csv_file(tmp_path, (HEAD + "1,中文\r\n").encode("gb18030"))
    assert read(path, Layout(encoding="gb18030"))[0].cells["words"] == "中文"


def test_too_many_cells_and_too_long_cells_are_refused_by_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tabular, "CELL_CHARACTERS_MAX", 100)
    path = csv_file(tmp_path, HEAD + f"1,a,b\r\n2,{'x' * 101}\r\n3,c\r\n")
    rows = read(path)
    assert rows[0].problem == "it has more cells than there are columns"
    assert rows[1].problem is not None
    assert "field larger than field limit" in rows[1].problem
    assert rows[2] == Row(3, {"no": "3", "words": "c"})


def test_more_rows_than_the_limit_stop_the_reading(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tabular, "ROWS_MAX", 2)
    with pytest.raises(FileUnreadable, match="more than 2 rows"):
        read(csv_file(tmp_path, HEAD + "1,a\r\n2,b\r\n3,c\r\n"))


def test_the_progress_bar_is_told_how_many_rows_there_will_be(tmp_path: Path) -> None:
    with open_table(csv_file(tmp_path, HEAD + '1,"a\r\nb"\r\n\r\n2,c\r\n'), Layout()) as table:
        assert table.rows_expected == 2
    with open_table(xlsx_file(tmp_path, [["no"], [1], [2], [3]]), Layout()) as table:
        assert table.rows_expected == 3


def test_cells_of_every_kind_become_plain_texts(tmp_path: Path) -> None:
    cells = [2549, 3.0, 3.5, True, datetime(2019, 4, 8, 8, 37, 20), date(2019, 4, 8), None, "语"]  # noqa: DTZ001 - as XLSX has it
    path = xlsx_file(tmp_path, [list("abcdefgh"), cells])
    assert list(read(path)[0].cells.values()) == [
        "2549", "3", "3.5", "True", "2019-04-08 08:37:20", "2019-04-08 00:00:00", "", "语",
    ]  # fmt: skip


def test_what_xlsx_writes_as_escapes_is_read_as_meant(tmp_path: Path) -> None:
    path = xlsx_file(
        tmp_path, [["a", "b", "c"], ["x_x000D_\ny", "_x005F_x000D_", "_xD83D__xDE00_"]]
    )
    assert read(path)[0].cells == {"a": "x\r\ny", "b": "_x000D_", "c": "😀"}


def test_a_sheet_is_found_by_name_or_its_absence_is_said(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    book.create_sheet("second").append(["no"])
    book["second"].append([1])
    path = tmp_path / "b.xlsx"
    book.save(path)
    assert read(path, Layout(sheet="second")) == [Row(1, {"no": "1"})]
    with pytest.raises(FileUnreadable, match=r"no sheet 'third'; it has Sheet, second"):
        read(path, Layout(sheet="third"))


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "neither XLSX nor CSV, or it is empty"),
        (b"\x7fELF\x00\x01\r\n", "neither XLSX nor CSV, or it is empty"),
        (b" , \r\n1,2\r\n", "has no header row"),
        (b"no,no\r\n", "two columns of one name: no"),
        (b"PK\x03\x04 and then nothing", "a damaged XLSX or another kind of ZIP"),
    ],
)
def test_a_file_that_is_no_table_is_said_to_be_none(
    tmp_path: Path, content: bytes, problem: str
) -> None:
    with pytest.raises(FileUnreadable, match=problem):
        read(csv_file(tmp_path, content))


def test_a_zip_that_is_no_workbook_or_unpacks_to_far_too_much_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "c.xlsx"
    with zipfile.ZipFile(path, "w") as packed:
        packed.writestr("a.txt", "x" * 1000)
    with pytest.raises(FileUnreadable, match="a damaged XLSX"):
        read(path)
    monkeypatch.setattr(tabular, "UNPACKED_BYTES_MAX", 999)
    with pytest.raises(FileUnreadable, match="unpacks to 1000 bytes"):
        read(path)


def test_an_unknown_encoding_and_a_missing_file_are_said(tmp_path: Path) -> None:
    with pytest.raises(FileUnreadable, match="no such encoding: klingon"):
        read(csv_file(tmp_path, "a\r\n"), Layout(encoding="klingon"))
    with pytest.raises(FileUnreadable, match=r"gone\.csv cannot be opened"):
        read(tmp_path / "gone.csv")
