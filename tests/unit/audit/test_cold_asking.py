"""A question over archived months reads, within limits, and can do nothing else."""

from pathlib import Path

import pytest

from services.audit.cold import form
from services.audit.cold.asking import QUESTIONS, Answered, NotAQuestion, TooMuchAsked, ask
from services.audit.cold.form import file_digest
from services.audit.cold.store import Folder, Key
from tests.unit.audit.test_cold_form import RECORDS


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    path = tmp_path / "written.parquet"
    form.write(path, "2025-09", RECORDS)
    store, key = Folder(tmp_path / "it's here"), Key("2025-09", file_digest(path))
    store.put(key, path)
    return [store.local(key)]


def test_a_question_is_answered_from_the_files(files: list[Path]) -> None:
    sql = "SELECT cohort, type, count(*) AS n FROM record WHERE event IS NOT NULL GROUP BY ALL"
    assert ask(files, sql) == Answered(
        ["cohort", "type", "n"], [("2025-09", "complaint.verified.v1", 4)]
    )
    assert ask(files, 'SELECT digest FROM record WHERE "offset" = 3').rows == [
        (RECORDS[0].digest.hex(),)
    ]
    for sql in QUESTIONS.values():
        ask(files, sql)
        assert ask([], sql).rows == []


@pytest.mark.parametrize(
    "sql",
    [
        "COPY (SELECT 1) TO '{file}'",
        "SELECT 1; COPY (SELECT 1) TO '{file}'",
        "DROP VIEW record",
        "ATTACH '{other}' AS other",
        "SET memory_limit = '64GB'",
        "INSTALL httpfs",
        "SELECT * FROM read_text('{other}')",
        "SELECT * FROM '{other}'",
        "SELECT * FROM read_csv('/etc/passwd')",
        "SELECT * FROM glob('/*')",
        "CREATE TABLE t AS SELECT 1",
        "PRAGMA database_list",
        "SELECT * FROM nowhere",
        "not a question",
        "",
    ],
)
def test_nothing_but_reading_these_files_is_possible(
    files: list[Path], tmp_path: Path, sql: str
) -> None:
    (tmp_path / "other.csv").write_text("secret\n1\n")
    before = files[0].read_bytes()
    asked = sql.replace("{file}", str(files[0]).replace("'", "''")).replace(
        "{other}", str(tmp_path / "other.csv")
    )
    with pytest.raises(NotAQuestion):
        ask(files, asked)
    assert files[0].read_bytes() == before


def test_time_memory_and_rows_have_limits(files: list[Path]) -> None:
    endless = "SELECT count(*) FROM range(10000000000) a WHERE range % 7 = random()"
    with pytest.raises(TooMuchAsked):
        ask(files, endless, seconds_max=0.2)
    hungry = "SELECT list(range) FROM range(100000000)"
    with pytest.raises(TooMuchAsked):
        ask(files, hungry, memory_mb=64)
    with pytest.raises(TooMuchAsked, match="more than 10000 rows"):
        ask(files, "SELECT range FROM range(10001)")
