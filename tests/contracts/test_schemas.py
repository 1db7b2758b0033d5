"""What is generated is valid by its format, says what the models say, and is not stale."""

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator, FormatChecker  # type: ignore[import-untyped]
from jsonschema.exceptions import ValidationError  # type: ignore[import-untyped]

from contracts import generate
from contracts.catalogue import CATALOGUE, DECODE
from contracts.generate import GENERATED, PAGE, ROOT, SCHEMAS, files, left_over, stale
from contracts.json_schema import all_schemas
from tests.contracts.golden import sample_path

NAMES = sorted(all_schemas())
COMMAND = "run `python -m contracts.generate`"


def schema_of(name: str) -> Any:
    return json.loads((ROOT / SCHEMAS / f"{name}.json").read_text("utf-8"))


def validator_of(name: str) -> Draft202012Validator:
    return Draft202012Validator(schema_of(name), format_checker=FormatChecker())


def sample_of(name: str) -> Any:
    return json.loads(sample_path(name).read_text("utf-8"))


def test_nothing_generated_is_stale() -> None:
    assert not stale(files()), COMMAND
    assert not left_over(files(), SCHEMAS), COMMAND


@pytest.mark.parametrize("name", NAMES)
def test_a_schema_is_valid_by_its_metaschema(name: str) -> None:
    schema = schema_of(name)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    Draft202012Validator.check_schema(schema)


@pytest.mark.parametrize("name", NAMES)
def test_a_schema_accepts_the_golden_sample(name: str) -> None:
    validator_of(name).validate(sample_of(name))


@pytest.mark.parametrize("name", sorted(DECODE))
def test_a_schema_refuses_an_event_with_anything_missing_or_more(name: str) -> None:
    validator, sample = validator_of(name), sample_of(name)
    for member in sample:
        if member != "occurredat":
            without = {key: value for key, value in sample.items() if key != member}
            assert not validator.is_valid(without), f"{name} without {member}"
    for field in sample["data"]:
        body = {key: value for key, value in sample["data"].items() if key != field}
        assert not validator.is_valid({**sample, "data": body}), f"{name} without data.{field}"
    assert not validator.is_valid({**sample, "more": 1})
    assert not validator.is_valid({**sample, "data": {**sample["data"], "more": 1}})


@pytest.mark.parametrize("entry", CATALOGUE, ids=lambda entry: entry.event.type)
def test_a_schema_knows_its_type_and_its_writers(entry: Any) -> None:
    validator, sample = validator_of(entry.event.type), sample_of(entry.event.type)
    assert not validator.is_valid({**sample, "type": "complaint.closed.v9"})
    assert not validator.is_valid({**sample, "source": "/bihuan/somebody"})
    assert not validator.is_valid({**sample, "time": "2025-10-09T09:00:00+08:00"})


def test_an_instant_that_is_none_is_refused() -> None:
    sample = sample_of("clock.met.v1")
    sample["data"]["at"] = "yesterday"
    with pytest.raises(ValidationError, match="date-time"):
        Draft202012Validator(schema_of("clock.met.v1"), format_checker=date_times()).validate(
            sample
        )


def date_times() -> FormatChecker:
    """The checker of instants by the standard library: jsonschema's own needs another package."""
    from datetime import datetime

    checker = FormatChecker(formats=())

    @checker.checks("date-time", raises=ValueError)  # type: ignore[untyped-decorator]
    def is_date_time(text: object) -> bool:
        return not isinstance(text, str) or datetime.fromisoformat(text).tzinfo is not None

    return checker


# --- the generator's own behaviour ----------------------------------------------------------


def test_a_stale_file_is_found_and_written(tmp_path: Path) -> None:
    wanted = {Path("a/b.json"): "new\n", Path("c.json"): "same\n"}
    (tmp_path / "c.json").write_text("same\n")
    assert stale(wanted, tmp_path) == [Path("a/b.json")]
    assert generate.write(wanted, tmp_path) == [Path("a/b.json")]
    assert not stale(wanted, tmp_path)
    (tmp_path / "a" / "b.json").write_text("edited\n")
    assert stale(wanted, tmp_path) == [Path("a/b.json")]


def test_a_schema_that_nothing_generates_any_more_is_found(tmp_path: Path) -> None:
    (tmp_path / SCHEMAS).mkdir(parents=True)
    (tmp_path / SCHEMAS / "gone.v1.json").write_text("{}")
    assert left_over({}, SCHEMAS, tmp_path) == [SCHEMAS / "gone.v1.json"]


def test_checking_says_what_is_stale(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(generate, "files", lambda: {GENERATED / "no-such-file.json": "x"})
    monkeypatch.setattr(generate, "left_over", lambda *_: [])
    assert generate.main(["--check"]) == 1
    assert "no-such-file.json" in capsys.readouterr().out
    assert not (ROOT / GENERATED / "no-such-file.json").exists()


def test_the_page_shows_every_event_and_every_link_leads_somewhere() -> None:
    page = (ROOT / PAGE).read_text("utf-8")
    anchors = {
        "".join(c for c in line.lstrip("# ").lower().replace(" ", "-") if c.isalnum() or c in "-_")
        for line in page.splitlines()
        if line.startswith("#")
    }
    for entry in CATALOGUE:
        assert f"### {entry.event.type}\n" in page
    for part in page.split("](#")[1:]:
        assert part.split(")")[0] in anchors, part[:60]
