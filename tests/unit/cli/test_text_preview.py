"""`bihuan text preview`: every text a customer gets, with promised times, before anybody does."""

import json
from pathlib import Path
from typing import get_args

import pytest
from typer.testing import CliRunner, Result

from cli.main import app
from cli.previewing import LETTERS
from cli.text import Which
from contracts.values import NoticeKind
from services.feedback_survey.domain.texts import TEMPLATES

POLICIES = Path(__file__).parents[3] / "services"
TEXTS = POLICIES / "feedback_survey/policy/texts.v1.yaml"
FEEDBACK = POLICIES / "feedback_survey/policy/feedback.v1.yaml"
CLOCKS = POLICIES / "sla_watch/policy/clocks.v1.yaml"
KEYWORDS = POLICIES / "intake/policy/keywords.v1.yaml"
NATIONAL_DAY = ("--at", "2025-10-01T20:00:00+08:00")
VILLAGE = (*NATIONAL_DAY, "--category", "broadband.fault", "--district", "rural")


def bihuan(*words: str | Path) -> Result:
    return CliRunner().invoke(app, ["text", "preview", *map(str, words)])


def shown(*words: str | Path) -> dict[tuple[str, str], dict[str, str]]:
    ran = bihuan(*words, "--json")
    assert ran.exit_code == 0, ran.stderr
    return {(one["kind"], one["language"]): one for one in json.loads(ran.stdout)["texts"]}


def changed(seed: Path, folder: Path, *changes: tuple[str, str]) -> Path:
    text = seed.read_text(encoding="utf-8")
    text = text.replace("version: v1", "version: v2").replace('version: "1"', 'version: "2"')
    for old, new in (('"2004-01-01"', '"2026-12-07"'), *changes):
        assert old in text, old
        text = text.replace(old, new, 1)
    path = folder / "new.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_every_text_is_shown_in_both_languages() -> None:
    assert set(LETTERS) == set(get_args(Which)) == {*TEMPLATES, "deadlock"}
    assert {kind for kind, _ in LETTERS.values()} == set(NoticeKind)
    every = shown(*NATIONAL_DAY)
    assert set(every) == {(kind, language) for kind in LETTERS for language in ("zh", "en")}
    assert all(one["text"] and "{" not in one["text"] for one in every.values())


def test_the_receipt_has_the_times_that_this_complaint_would_be_promised() -> None:
    """S2: "company repair due Fri 2025-10-03 08:00; legal repair due Sat 2025-10-04 20:00"."""
    every = shown("receipt", *VILLAGE)
    assert every["receipt", "zh"]["text"] == (
        "您好,您反映的问题已受理,受理编号3921-0583-7164。"
        "我们承诺:首次联系10月1日21:00前;修复10月3日08:00前;法定修复期限10月4日20:00前;"
        "法定答复期限10月16日24:00前。凭受理编号可随时查询进度。"
    )
    assert "repair by 3 Oct 08:00" in every["receipt", "en"]["text"]
    assert "repair by 2 Oct 20:00" in shown(*VILLAGE[:-1], "urban")["receipt", "en"]["text"]


def test_a_delay_notice_is_about_the_promise_that_this_complaint_has() -> None:
    given = ("--fact", "new_due=2025-10-04T12:00:00+08:00", "--fact", "plan=更换光缆")
    text = shown("delay", *VILLAGE, *given)["delay", "zh"]["text"]
    assert text == (
        "您好,受理编号3921-0583-7164未能按原承诺(10月3日08:00前)完成,向您致歉。"
        "新的完成时间:10月4日12:00前。处理方案:更换光缆"
    )


def test_the_deadlock_letter_names_the_right_to_appeal_and_a_decision_does_not() -> None:
    """DOMAIN rule 10: "At deadlock the customer gets a final response that names the right"."""
    every = shown(*NATIONAL_DAY)
    assert "您有权向电信用户申诉受理中心申诉" in every["deadlock", "zh"]["text"]
    assert "You have the right to appeal" in every["deadlock", "en"]["text"]
    assert "申诉" not in every["decision", "zh"]["text"]
    assert "appeal" not in every["decision", "en"]["text"]


def test_it_tells_when_and_how_a_text_would_leave() -> None:
    """DOMAIN rule 11: "Quiet hours 21:00-09:00"; "VIPs get a call instead of a message"."""
    night = shown("--at", "2025-10-01T22:00:00+08:00", "--tier", "important", "--language", "en")
    assert night["receipt", "en"]["leaves"] == "2025-10-01T22:00:00+08:00"
    assert night["answer", "en"]["leaves"] == "2025-10-02T09:00:00+08:00"
    assert (night["answer", "en"]["by"], night["survey", "en"]["by"]) == ("message", "call")


def test_texts_that_are_not_in_force_yet_are_shown(tmp_path: Path) -> None:
    new = changed(TEXTS, tmp_path, ("已受理,受理编号", "收到了,编号"))
    (one,) = shown("receipt", "--language", "zh", "--file", new, *NATIONAL_DAY).values()
    assert one["text"].startswith("您好,您反映的问题收到了,编号3921-0583-7164。")
    assert one["template"] == "v2"


def test_promises_and_quiet_hours_that_are_not_in_force_yet_count_too(tmp_path: Path) -> None:
    clocks = changed(CLOCKS, tmp_path, ("limit: 36 hours", "limit: 30 hours"))
    text = shown("receipt", "--file", clocks, *VILLAGE)["receipt", "zh"]["text"]
    assert "修复10月3日02:00前" in text
    quiet = changed(FEEDBACK, tmp_path, ('from: "21:00"', 'from: "19:00"'))
    (survey, _) = shown("survey", "--file", quiet, *VILLAGE).values()
    assert survey["leaves"] == "2025-10-02T09:00:00+08:00"


@pytest.mark.parametrize(
    ("old", "bad", "kind", "words"),
    [
        (
            '      en:\n        - "We have taken',
            '      fr:\n        - "We have taken',
            "unknown",
            "fr",
        ),
        (
            "您好,您反映的问题",
            "您好,{customer},您反映的问题",
            "unknown",
            "does not know `customer`",
        ),
        ("编号可随时查询进度", "{recipt}可随时查询进度", "unknown", "did you mean receipt?"),
        ("{zh: 修复, en: repair}", "{zh: 修复}", "missing", "write the word in `en`"),
    ],
)
def test_texts_with_faults_show_file_line_and_what_to_do_and_nothing_else(
    tmp_path: Path, old: str, bad: str, kind: str, words: str
) -> None:
    new = changed(TEXTS, tmp_path, (old, bad))
    ran = bihuan("--file", new)
    assert (ran.exit_code, ran.stdout) == (1, "")
    line = new.read_text(encoding="utf-8").split(bad)[0].count("\n") + 1
    found = [one for one in ran.stderr.splitlines() if one.startswith(f"{new}:{line}: {kind} ")]
    assert found, ran.stderr
    assert words in found[0]


def unwrapped(text: str) -> str:
    """Without blanks and line ends: where a line breaks depends on how long a path is."""
    return "".join(text.split())


def test_a_policy_that_no_text_follows_is_refused(tmp_path: Path) -> None:
    ran = bihuan("--file", changed(KEYWORDS, tmp_path))
    assert ran.exit_code == 2
    assert "apreviewtakestexts,feedback,clocks,working_days" in unwrapped(ran.stderr)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--fact", "weather=rain"), "gives no fact"),
        (("--fact", "plan"), "write NAME=VALUE"),
        (("--fact", "new_due=soon"), "is no instant"),
        (("--at", "yesterday"), "is no instant"),
    ],
)
def test_what_cannot_be_shown_is_said_clearly(words: tuple[str, ...], said: str) -> None:
    ran = bihuan(*words)
    assert ran.exit_code == 2
    assert said in ran.stderr.replace("\n", " ")
