"""Channel bytes are read strictly, and what is wrong is said without a word of what was sent."""

import json
from datetime import timedelta
from typing import Any

import pytest

from contracts.housekeeping import MessageRefused
from contracts.messages import ChannelMessage
from services.intake.reading import EVENT_BYTES_MAX, READ_BYTES_MAX, Faulty, Unidentified, read
from tests.unit.intake.world import TOLD, message, wire

FUTURE_MAX = timedelta(minutes=5)
MARKER = "MARKER-13912345678-张三"


def read_one(value: bytes | None) -> Any:
    return read(value, TOLD, FUTURE_MAX)


def changed(**data: Any) -> bytes:
    told = message()
    told["data"].update(data)
    return wire(told)


def test_a_plain_message_is_read() -> None:
    found = read_one(wire(message(text="我的账单\n不对 😡", subscriber="13900000001")))
    assert isinstance(found, ChannelMessage)
    assert found.data.text == "我的账单\n不对 😡"


# --- bytes that do not even tell whose they are ---------------------------------------------------


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (None, "empty"),
        (b"", "bad-json"),
        (b"\x00\xff\xfe", "bad-json"),
        (wire(message())[:-5], "bad-json"),
        ("{\"id\": \"é\"}".encode("latin-1"), "bad-json"),
        (b"[1, 2]", "not-an-object"),
        (b"null", "not-an-object"),
        (b"{}", "unidentified"),
        (wire({**message(), "id": ""}), "unidentified"),
        (wire({**message(), "id": "a\nb"}), "unidentified"),
        (wire({**message(), "id": 7}), "unidentified"),
        (wire({**message(), "source": "two words"}), "unidentified"),
        (wire({**message(), "source": "x" * 201}), "unidentified"),
        (b'{"id": "1", "id": "2"}', "bad-json"),
        (b'{"id": "1", "source": "s", "data": NaN}', "bad-json"),
        (b'{"id": "\\ud800", "source": "s"}', "unidentified"),
        (b"[" * 100_000, "bad-json"),
        (b" " * (READ_BYTES_MAX + 1), "too-large"),
    ],
)  # fmt: skip
def test_what_cannot_be_identified_is_parked(value: bytes | None, kind: str) -> None:
    found = read_one(value)
    assert isinstance(found, Unidentified), found
    assert found.kind == kind


# --- messages of a known sender that are not taken ------------------------------------------------


@pytest.mark.parametrize(
    ("value", "rule"),
    [
        (changed(text="x" * (64 * 1024 + 1)), "text-too-large"),
        (changed(text="字" * 30_000), "text-too-large"),  # 64 KB are bytes, not characters
        (wire({**message(), "data": "text"}), "malformed"),
        (wire({**message(), "specversion": "0.3"}), "malformed"),
        (wire({**message(), "type": "something.else.v1"}), "malformed"),
        (wire({**message(), "time": "2025-10-11T09:00:00"}), "malformed"),
        (wire({**message(), "time": 1_760_144_400}), "malformed"),
        (wire({**message(), "time": "yesterday"}), "malformed"),
        (changed(kind="shouting"), "malformed"),
        (changed(text=""), "malformed"),
        (changed(text="bell \x07"), "malformed"),
        (changed(text="nul \x00"), "malformed"),
        (changed(text=7), "malformed"),
        (changed(subscriber=13900000001), "malformed"),
        (changed(subscriber="'; DROP TABLE"), "malformed"),
        (changed(category="weather"), "malformed"),
        (changed(survey={"score": 11}), "malformed"),
        (changed(unknown_field=1), "malformed"),
        (changed(media="yes"), "malformed"),
        (changed(delivery={}), "malformed"),
        (changed(evidence=[{}] * 30), "malformed"),
        (wire({**message(), "filler": "x" * EVENT_BYTES_MAX}), "message-too-large"),
    ],
)
def test_what_is_wrong_is_refused_by_rule(value: bytes, rule: str) -> None:
    found = read_one(value)
    assert isinstance(found, Faulty), found
    assert (found.source, found.message) == ("10010", "call-7781")
    assert found.rule == rule
    MessageRefused(source=found.source, message=found.message, rule=rule, problem=found.problem)


def test_a_lone_surrogate_in_the_words_is_refused() -> None:
    value = wire(message()).replace("我的话费账单不对".encode(), b"\\ud800")
    assert read_one(value).rule == "malformed"


@pytest.mark.parametrize(
    ("time", "taken"),
    [
        ("2025-10-11T09:05:00+08:00", True),
        ("2025-10-11T09:05:00.000001+08:00", False),
        ("2025-10-11T01:05:00Z", True),
        ("2999-01-01T00:00:00Z", False),
    ],
)
def test_more_than_five_minutes_in_the_future_is_refused(time: str, taken: bool) -> None:
    found = read_one(wire(message(time=time)))
    assert isinstance(found, ChannelMessage) is taken
    if not taken:
        assert found.rule == "from-the-future"


@pytest.mark.parametrize(
    "value",
    [
        changed(**{MARKER: MARKER}),
        changed(subscriber=MARKER),
        changed(category=MARKER),
        changed(reply_to={"kind": "sms", "address": f"{MARKER}\x07"}),
        changed(survey={"score": MARKER}),
        wire({**message(), MARKER: MARKER}),
        wire({**message(), "time": MARKER}),
        wire({**message(), "data": [MARKER]}),
        json.dumps({"id": "1", "source": "s", "data": MARKER, "x": MARKER}).encode(),
        f'{{"source": "{MARKER}", "id": "x"}}'.encode(),
        MARKER.encode(),
    ],
)
def test_no_problem_quotes_what_was_sent(value: bytes) -> None:
    found = read_one(value)
    told = found.problem if isinstance(found, Faulty) else found.detail
    assert told
    for part in ("MARKER", "13912345678", "张三"):
        assert part not in told


def test_a_problem_says_where_what_and_what_to_do() -> None:
    found = read_one(changed(category="weather"))
    assert found.problem.startswith("data.category is not one of the known values: send one of")
    assert len(found.problem) <= 500
