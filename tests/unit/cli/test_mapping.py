"""A mapping makes one message of a row, mends what is odd, or says why there is none."""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from cli.mapping import (
    FileMapping,
    Mapped,
    Mapper,
    MappingWrong,
    OddRows,
    Refused,
    load_mapping,
    shipped_names,
    tidy,
)
from cli.tabular import Row

BASE: dict[str, Any] = {
    "name": "halls",
    "source": "file/halls",
    "id": {"column": "no"},
    "subscriber": {"column": "who"},
    "text": {"columns": ["subject", "words"]},
    "channel": {"column": "via", "values": {"phone": "hotline_10010", "shop": "hall"}},
}
CELLS = {"no": "7", "who": "13800000001", "subject": "宽带", "words": "断网了", "via": "phone"}


def mapper(**changes: Any) -> Mapper:
    return Mapper(FileMapping.model_validate({**BASE, **changes}))


def told(mapped: Mapped | Refused) -> Mapping[str, Any]:
    assert isinstance(mapped, Mapped), mapped
    return mapped.message.data.model_dump(mode="json", exclude_none=True)


def reason(mapped: Mapped | Refused) -> str:
    assert isinstance(mapped, Refused), mapped
    return mapped.reason


def one(changes: Mapping[str, str] | None = None, **mapping: Any) -> Mapped | Refused:
    return mapper(**mapping).row(Row(1, {**CELLS, **(changes or {})}))


def test_a_row_becomes_a_message_with_its_own_id_and_the_mappings_source() -> None:
    made = one()
    assert isinstance(made, Mapped)
    assert (made.row, made.message.source, made.message.id) == (1, "file/halls", "7")
    assert made.message.data.text == "宽带\n断网了"
    assert made.message.data.channel.value == "hotline_10010"
    assert made.message.data.subscriber == "13800000001"


def test_a_row_without_a_subscriber_is_an_anonymous_customer() -> None:
    assert "subscriber" not in told(one({"who": " "}))
    assert "subscriber" not in told(one(subscriber=None))


def test_the_same_row_makes_the_same_id_so_that_sending_again_adds_nothing() -> None:
    first, again = one(id={}), one(id={})
    other = one({"words": "又断了"}, id={})
    assert isinstance(first, Mapped)
    assert isinstance(again, Mapped)
    assert isinstance(other, Mapped)
    assert first.message.id == again.message.id != other.message.id


def test_an_id_that_an_earlier_row_had_is_refused_and_names_that_row() -> None:
    both = mapper()
    assert isinstance(both.row(Row(4, CELLS)), Mapped)
    assert reason(both.row(Row(9, {**CELLS, "words": "别的"}))) == "it repeats the id of row 4"


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"no": ""}, "no id in column 'no'"),
        ({"subject": " ", "words": "\t\n"}, "no words in 'subject', 'words'"),
        ({"via": "pigeon"}, "column 'via' says a channel that the mapping does not know"),
        ({"via": ""}, "no channel in column 'via'"),
        ({"who": "张三"}, "column 'who' holds no number or account"),
        ({"words": "长" * 22_000}, "its words are longer than 65536 bytes"),
        ({"no": "n" * 201}, "it makes no message: id (string_too_long)"),
    ],
)
def test_an_odd_row_is_refused_with_the_column_and_never_its_words(
    changes: dict[str, str], expected: str
) -> None:
    assert reason(one(changes)) == expected


def test_what_a_reader_could_not_read_is_refused_with_its_reason() -> None:
    assert reason(mapper().row(Row(3, {}, "its bytes are not utf-8"))) == "its bytes are not utf-8"


def test_stray_blanks_and_invisible_characters_are_taken_out_and_counted() -> None:
    odd = mapper()
    made = odd.row(
        Row(1, {**CELLS, "words": "\n\t\t\n\u3000\u3000断\u200b网\x07了\r\n\t\r\n\r\n 三天 \t"})
    )
    assert told(made)["text"] == "宽带\n断网了\n\n三天"
    assert odd.oddities == {
        "stray blanks, tabs or blank lines taken out": 1,
        "control or invisible characters taken out": 1,
    }


def test_what_a_mapping_says_about_odd_rows_is_done() -> None:
    mend = {
        "too_long_text": "mend",
        "unknown_value": "mend",
        "bad_subscriber": "mend",
        "stray_blanks": "take",
    }
    odd = mapper(odd_rows=mend, province={"column": "where", "values": {"粤": "guangdong"}})
    cells = {**CELLS, "who": "??", "where": "火星", "words": "长" * 22_000, "subject": " a  b "}
    made = told(odd.row(Row(1, cells)))
    assert len(made["text"].encode()) <= 65_536
    assert made["text"].startswith(" a  b \n长")
    assert "subscriber" not in made
    assert "home_province" not in made
    assert odd.oddities == {
        "words cut at 65536 bytes": 1,
        "unreadable subscriber left out": 1,
        "unknown province left out": 1,
    }
    refusing = {"odd_rows": {"control_characters": "refuse"}}
    assert reason(one({"words": "a\x00b"}, **refusing)) == "control characters in column 'words'"


@pytest.mark.parametrize(
    ("cell", "oddity"),
    [
        ("22-Apr-15", None),
        ("", "no date"),
        ("yesterday", "date unreadable"),
        ("31-Dec-14", "date outside the file's own time"),
    ],
)
def test_a_files_date_is_only_looked_at(cell: str, oddity: str | None) -> None:
    dates = [
        {"columns": ["day"], "formats": ["%d-%b-%y"], "first": "2015-04-01", "last": "2015-06-30"}
    ]
    looking = mapper(dates=dates)
    assert isinstance(looking.row(Row(1, {**CELLS, "day": cell})), Mapped)
    assert dict(looking.oddities) == ({oddity: 1} if oddity else {})
    if oddity:
        strict = mapper(dates=dates, odd_rows={"bad_date": "refuse"})
        assert reason(strict.row(Row(1, {**CELLS, "day": cell}))) == f"{oddity} in 'day'"


def test_both_spellings_of_a_place_make_one_code() -> None:
    where = {"column": "where", "slug": True, "prefix": "us-"}
    for spelling in ("District of Columbia", "District Of Columbia "):
        made = told(one({"where": spelling}, province=where))
        assert made["home_province"] == "us-district-of-columbia"


def test_blank_cells_leave_a_field_out() -> None:
    assert "home_province" not in told(one({"where": ""}, province={"column": "where"}))


def test_representatives_are_marked() -> None:
    told_for = {"column": "for", "values": {"Yes": "true", "No": "false"}}
    assert told(one({"for": "Yes"}, representative=told_for))["representative"] is True
    assert told(one({"for": "No"}, representative=told_for))["representative"] is False


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"channel": {"always": "pigeon"}}, "a word that no message knows; it is one of hotline_"),
        ({"language": {"always": "fr"}}, "a word that no message knows; it is one of zh, en"),
        ({"channel": {"column": "via", "always": "web"}}, "say either `always` or `column`"),
        ({"channel": {"always": "web", "slug": True}}, "go with a `column`"),
        ({"colour": "red"}, "Extra inputs are not permitted"),
        ({"text": {"columns": []}}, "at least 1 item"),
        ({"source": "two words"}, "String should match pattern"),
        ({"odd_rows": {"empty_text": "take"}}, "Input should be"),
    ],
)
def test_a_wrong_mapping_is_refused_before_any_row(
    tmp_path: Path, change: dict[str, Any], problem: str
) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump({**BASE, **change}), encoding="utf-8")
    with pytest.raises(MappingWrong, match=r"^mine\.yaml is no mapping: ") as refused:
        load_mapping(str(path))
    assert problem in str(refused.value)


def test_a_mapping_that_is_not_there_names_those_that_are() -> None:
    with pytest.raises(MappingWrong, match="shipped ones are comcast, hotline"):
        load_mapping("nowhere")


def test_yaml_that_is_none_is_said_to_be_none(tmp_path: Path) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text("a: [1", encoding="utf-8")
    with pytest.raises(MappingWrong, match=r"bad\.yaml is not YAML"):
        load_mapping(str(path))


def test_words_that_yaml_takes_for_something_else_are_words_in_a_mapping(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(
        "name: mine\nsource: 10010\nid: {column: no}\ntext: {columns: [2015-04-01]}\n"
        "channel: {column: on, values: {Yes: web, 1: sms}}\n",
        encoding="utf-8",
    )
    mapping = load_mapping(str(path))
    assert mapping.columns() == ("no", "2015-04-01", "on")
    assert mapping.channel.values == {"Yes": "web", "1": "sms"}


def test_shipped_mappings_are_well_formed_and_named_after_their_file() -> None:
    assert shipped_names() == ["comcast", "hotline", "hotline-history"]
    assert [load_mapping(name).name for name in shipped_names()] == shipped_names()


def test_a_mapping_knows_the_columns_that_a_file_lacks() -> None:
    mapping = FileMapping.model_validate({**BASE, "province": {"column": "where"}})
    assert mapping.missing(["no", "who", "words", "via"]) == ["subject", "where"]


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("a\n\n\n\nb", "a\n\nb"),
        ("\n\t\n a \t b \n", "a b"),
        ("第一行\n　　第二行", "第一行\n第二行"),
        ("", ""),
        ("👨‍👩‍👧 ok", "👨‍👩‍👧 ok"),
    ],
)
def test_tidying_changes_blanks_only(text: str, clean: str) -> None:
    assert tidy(text) == clean


def test_the_page_about_mappings_names_every_field_and_default() -> None:
    page = (Path(__file__).parents[3] / "docs" / "mappings.md").read_text(encoding="utf-8")
    for name in FileMapping.model_fields:
        assert f"`{name}`" in page
    for name, info in OddRows.model_fields.items():
        row = next(line for line in page.splitlines() if line.startswith(f"| `{name}` |"))
        assert row.split(" | ")[2] == f"`{info.default.value}`"


PAST = {
    **BASE,
    "history": {
        "told": {"columns": ["when"], "formats": ["%Y-%m-%d %H:%M:%S"], "first": "2011-01-01"},
        "answered": {"columns": ["reply"], "formats": ["%Y-%m-%d %H:%M:%S"]},
    },
}


def past(when: str, reply: str) -> Mapped | Refused:
    cells = {**CELLS, "when": when, "reply": reply}
    return Mapper(FileMapping.model_validate(PAST)).row(Row(1, cells))


def test_history_is_said_when_the_older_system_says_it_was() -> None:
    mapped = past("2018-03-19 10:05:04", "2018-04-24 09:00:00")
    assert isinstance(mapped, Mapped)
    said = mapped.said(datetime(2026, 1, 1, tzinfo=UTC))
    assert said.time == datetime(2018, 3, 19, 2, 5, 4, tzinfo=UTC)
    assert said.data.history is not None
    assert said.data.history.answered_at == datetime(2018, 4, 24, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("when", "reply", "reason"),
    [
        ("2018-03-19 10:05:04", "", "no date in 'reply'"),
        ("2018-03-19 10:05:04", "2018-04-24", "date unreadable in 'reply'"),
        (
            "2010-03-19 10:05:04",
            "2018-04-24 09:00:00",
            "date outside the file's own time in 'when'",
        ),
        (
            "2018-03-19 10:05:04",
            "2018-03-19 10:05:03",
            "answered before it was told, by its own dates",
        ),
    ],
)
def test_history_guesses_no_instant(when: str, reply: str, reason: str) -> None:
    assert past(when, reply) == Refused(1, reason)
