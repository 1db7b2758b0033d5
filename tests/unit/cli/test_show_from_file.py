"""`bihuan show` and `what-if` on a file alone: no system runs, and each mistake is told clearly."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli.main import app

COMPLAINT = "5b0fdb9c-6f5b-5f3c-9d55-0d3c6a0a4a11"
CLOCKS = Path(__file__).parents[3] / "services/sla_watch/policy/clocks.v1.yaml"


def said(*words: str) -> tuple[int, str]:
    ran = CliRunner().invoke(app, words)
    return ran.exit_code, " ".join(ran.output.split())


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (("show", COMPLAINT, "--at", "2999-01-01T00:00:00Z"), 2, "has not come yet"),
        (("show", COMPLAINT, "--at", "2025-10-07T10:19:59"), 2, "zone is missing"),
        (("show", "5109-4364-0504"), 2, "named by its id"),
        (("show", COMPLAINT), 1, "nothing of"),
        (("what-if", COMPLAINT, "--policy", str(CLOCKS)), 1, "nothing of"),
        (("what-if", "--calendar", str(CLOCKS)), 2, "is the policy 'clocks'"),
        (("what-if", "--policy", str(CLOCKS)), 0, "0 complaints"),
    ],
)
def test_what_a_file_cannot_tell(
    words: tuple[str, ...], code: int, told: str, tmp_path: Path
) -> None:
    log = tmp_path / "log.jsonl"
    log.write_bytes(b"")
    found, output = said(*words, "--log", str(log))
    assert (found, told in output) == (code, True), output


def test_a_line_that_is_no_event_is_named_with_its_number(tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    log.write_text(f'\n{{"subject":"{COMPLAINT}"}}\n', encoding="utf-8")
    code, output = said("show", COMPLAINT, "--log", str(log))
    assert code == 1
    assert "log.jsonl:2:notaneventofours(unknown-version" in output.replace(" ", "")
    code, output = said("show", COMPLAINT, "--log", str(tmp_path / "none"))
    assert (code, "No such file" in output) == (1, True)
