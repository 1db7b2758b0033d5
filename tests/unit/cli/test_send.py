"""What `bihuan send` says when it is used wrongly: exit code 2, what is wrong and what to do."""

import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from cli import send

MAPPING = """
name: halls
source: file/halls
id: {column: "no"}
text: {columns: [words]}
channel: {always: hall}
"""


@pytest.fixture
def app() -> typer.Typer:
    made = typer.Typer()
    made.callback()(lambda: None)
    send.register(made)
    return made


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("BIHUAN_DATA", str(tmp_path / "nothing"))
    (tmp_path / "halls.yaml").write_text(MAPPING, encoding="utf-8")
    (tmp_path / "halls.csv").write_text("no,words\n1,hello\n", encoding="utf-8")
    (tmp_path / "other.csv").write_text("number,words\n1,hello\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["gone.csv", "--mapping", "halls.yaml"], "does not exist"),
        (["halls.csv"], "Missing option"),
        (["halls.csv", "--mapping", "nowhere"], "shipped ones are comcast, hotline"),
        (["other.csv", "--mapping", "halls.yaml"], "has no column 'no', which the mapping"),
        (["halls.yaml", "--mapping", "halls.yaml"], "halls.yaml has no header row"),
        (["halls.csv", "--mapping", "halls.yaml", "--rate", "0"], "--rate"),
        (["halls.csv", "--mapping", "halls.yaml", "--limit", "0"], "--limit"),
        (["halls.csv", "--mapping", "halls.yaml"], "no system runs on"),
    ],
)
def test_used_wrongly_it_ends_with_2_and_says_why(
    app: typer.Typer, folder: Path, words: list[str], problem: str
) -> None:
    told = CliRunner().invoke(app, ["send", *words], env={"COLUMNS": "200", "NO_COLOR": "1"})
    assert told.exit_code == 2
    assert problem in " ".join(told.stderr.split())
    assert told.stdout == ""


def test_with_json_the_error_is_a_document(app: typer.Typer, folder: Path) -> None:
    words = ["send", "halls.csv", "--mapping", "halls.yaml", "--json"]
    told = CliRunner().invoke(app, words)
    assert told.exit_code == 2
    assert json.loads(told.stdout)["error"].startswith("no system runs on")
