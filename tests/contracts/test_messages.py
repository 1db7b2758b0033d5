"""What a channel may say, and what it may not."""

import json
from typing import Any

import pytest
from pydantic import ValidationError

from contracts.messages import TEXT_BYTES_MAX, ChannelMessage
from tests.contracts.golden import sample_path


def message(**data: Any) -> dict[str, Any]:
    """The golden message with another body or, by `_`-names, other attributes."""
    told: dict[str, Any] = json.loads(sample_path("channel.message.v1").read_text("utf-8"))
    attributes = {key[1:]: data.pop(key) for key in list(data) if key.startswith("_")}
    told["data"] |= data
    return told | attributes


def read(told: dict[str, Any]) -> ChannelMessage:
    return ChannelMessage.model_validate_json(json.dumps(told))


def errors(told: dict[str, Any]) -> list[tuple[Any, ...]]:
    with pytest.raises(ValidationError) as refused:
        read(told)
    return [error["loc"] for error in refused.value.errors()]


def test_a_text_of_64_kib_is_taken_and_one_byte_more_is_not() -> None:
    assert len(read(message(text="a" * TEXT_BYTES_MAX)).data.text) == 65_536
    assert errors(message(text="a" * (TEXT_BYTES_MAX + 1))) == [("data", "text")]


def test_the_limit_counts_bytes_not_characters() -> None:
    assert read(message(text="诉" * 21_845))  # 65,535 bytes
    assert errors(message(text="诉" * 21_846)) == [("data", "text")]


def test_newlines_tabs_and_emoji_are_words() -> None:
    text = "第一行\n\t第二行 👨‍👩‍👧 😡"
    assert read(message(text=text)).data.text == text


@pytest.mark.parametrize("control", ["\x00", "\x07", "\x0b", "\r", "\x1b", "\x7f", "\x85"])
def test_other_control_characters_are_not(control: str) -> None:
    assert errors(message(text=f"a{control}b")) == [("data", "text")]


def test_half_a_character_is_not_text() -> None:
    raw = sample_path("channel.message.v1").read_text("utf-8").replace("九月", "\\ud83d")
    with pytest.raises(ValidationError):
        ChannelMessage.model_validate_json(raw)


@pytest.mark.parametrize("name", ["priority", "actor", "cycle", "Text"])
def test_unknown_fields_are_refused(name: str) -> None:
    assert errors(message(**{name: 1})) == [("data", name)]
    assert errors(message(**{f"_{name.lower()}x": "1"})) == [(f"{name.lower()}x",)]


@pytest.mark.parametrize(
    ("attribute", "value"),
    [
        ("specversion", "0.3"),
        ("type", "complaint.registered.v1"),
        ("time", "2025-10-12T20:15:00"),
        ("time", 17),
        ("time", "17"),
        ("time", "2025-10-12"),
        ("time", "0001-01-01T00:00:00+08:00"),
        ("id", ""),
        ("id", "a\nb"),
        ("source", "with blanks"),
        ("datacontenttype", "text/plain"),
        ("data", None),
        ("data", []),
    ],
)
def test_an_attribute_of_a_wrong_form_is_refused(attribute: str, value: Any) -> None:
    found = errors(message(**{f"_{attribute}": value}))
    assert {place[0] for place in found} == {attribute}


def test_the_time_of_the_words_needs_its_zone_and_keeps_its_instant() -> None:
    told = read(message(_time="2025-10-12T20:15:00+08:00"))
    assert told.time.isoformat() == "2025-10-12T20:15:00+08:00"
    assert json.loads(told.model_dump_json())["time"] == "2025-10-12T12:15:00.000000Z"


@pytest.mark.parametrize("text", ["", "   ", "\n\t"])
def test_words_need_words(text: str) -> None:
    assert errors(message(text=text)) == [("data",)]
    assert errors(message(text=text, kind="fact")) == [("data",)]


def test_an_urge_needs_none() -> None:
    assert read(message(kind="urge", text="", receipt="8KQ4-71TN-5")).data.text == ""


def test_an_anonymous_customer_gives_no_number() -> None:
    told = read(message(subscriber=None, reply_to=None, sender_name=None))
    assert told.data.subscriber is None


@pytest.mark.parametrize("number", ["", "12", "1 3900001111", "🙂", "1" * 80, "-1"])
def test_a_number_that_is_none_is_refused(number: str) -> None:
    assert errors(message(subscriber=number)) == [("data", "subscriber")]


NOTICE = "8a1c5f0e-27f7-5a0d-8a55-0a6c3f1a9b10"
DELIVERY = {"notice": NOTICE, "by": "message", "result": "delivered"}
REFERRAL = {"ref": "A-1"}


def test_a_delivery_report_and_a_referral_carry_their_part() -> None:
    assert errors(message(kind="delivery_report")) == [("data",)]
    assert errors(message(kind="regulator_referral")) == [("data",)]
    assert read(message(kind="delivery_report", delivery=DELIVERY)).data.delivery
    assert read(message(kind="regulator_referral", regulator=REFERRAL)).data.regulator


def test_a_part_comes_with_its_own_kind_only() -> None:
    assert errors(message(delivery=DELIVERY)) == [("data",)]
    assert errors(message(regulator=REFERRAL)) == [("data",)]
    assert errors(message(survey={"score": 3})) == [("data",)]


@pytest.mark.parametrize("score", [0, 11, 5.5, "5", True])
def test_a_score_is_a_whole_number_from_1_to_10(score: object) -> None:
    assert errors(message(kind="survey_reply", survey={"score": score}))
    assert read(message(kind="survey_reply", survey={"score": 10})).data.survey


def test_a_survey_reply_may_be_words_alone() -> None:
    assert read(message(kind="survey_reply", text="不满意")).data.survey is None


@pytest.mark.parametrize("name", ["representative", "other_operator", "media"])
@pytest.mark.parametrize("value", ["yes", 1, None])
def test_yes_and_no_are_true_and_false_and_nothing_else(name: str, value: object) -> None:
    assert errors(message(**{name: value})) == [("data", name)]
