"""The file with every row's end: in the rows' order, with the verdicts of what was imported."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from cli.accounting import Ended
from cli.outcomes import OutcomesFile
from cli.places import NotRunning

ENDS = (
    Ended(3, "h-3", "refused", reason="history-not-over: correct them"),
    Ended(1, "h-1", "imported", "c-1"),
    Ended(2, None, "refused", reason="no id in column 'no'"),
    Ended(4, "h-4", "imported", "c-4"),
)
HEAD = "row,id,outcome,complaint,verdicts,reason"


def clock(complaint: str, code: str, state: str, due: str | None) -> dict[str, Any]:
    return {"complaint": complaint, "clock": code, "state": state, "due_at": due}


ONE = clock("c-1", "legal.answer", "met", "2019-05-10T16:00:00Z")
OTHER = clock("c-1", "resolve", "unknown", None)
FOUR = clock("c-4", "legal.answer", "breached", "2019-05-11T16:00:00Z")


@pytest.fixture
def kept(tmp_path: Path) -> OutcomesFile:
    (tmp_path / "ends.csv").write_text("of an older run", encoding="utf-8")
    file = OutcomesFile(tmp_path / "ends.csv")
    for one in ENDS:
        file.take(one)
    return file


def lines(tmp_path: Path) -> list[str]:
    return (tmp_path / "ends.csv").read_text(encoding="utf-8").splitlines()


def test_one_line_a_row_and_sla_watch_is_asked_until_it_has_judged_each(
    kept: OutcomesFile, tmp_path: Path
) -> None:
    asked: list[Sequence[str]] = []

    def ask(complaints: Sequence[str]) -> Sequence[dict[str, Any]]:
        asked.append(list(complaints))
        return [OTHER, ONE] if len(asked) == 1 else [FOUR]

    kept.write(ask, patience_s=5.0)
    assert asked == [["c-1", "c-4"], ["c-4"]]
    assert lines(tmp_path) == [
        HEAD,
        "1,h-1,imported,c-1,legal.answer=met@2019-05-10T16:00:00Z resolve=unknown,",
        "2,,refused,,,no id in column 'no'",
        "3,h-3,refused,,,history-not-over: correct them",
        "4,h-4,imported,c-4,legal.answer=breached@2019-05-11T16:00:00Z,",
    ]
    assert kept.trouble is None


def test_rows_are_told_all_the_same_when_sla_watch_says_nothing(
    kept: OutcomesFile, tmp_path: Path
) -> None:
    def nobody(_complaints: Sequence[str]) -> Sequence[dict[str, Any]]:
        raise NotRunning("sla_watch does not answer")

    kept.write(nobody, patience_s=5.0)
    assert lines(tmp_path)[1] == "1,h-1,imported,c-1,,"
    assert "does not answer" in str(kept.trouble)
    kept.write(lambda _complaints: [ONE], patience_s=0.3)
    assert lines(tmp_path)[4] == "4,h-4,imported,c-4,,"
    assert "has not judged 1 rows yet" in str(kept.trouble)


def test_where_nothing_can_be_written_it_says_so_before_the_work(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="directory"):
        OutcomesFile(tmp_path)
