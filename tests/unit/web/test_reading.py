"""A body is read strictly: bounded, JSON with one meaning, no control characters."""

from collections.abc import AsyncIterator
from datetime import date, datetime
from pathlib import Path
from typing import Annotated
from uuid import UUID

import pytest
from pydantic import BaseModel, Field

from libs.web import Caller, Router, allow
from tests.unit.web.client import Client
from tests.unit.web.sample import JOB, Sample, build_sample

TAKE = f"/v1/jobs/{JOB}/take"


def post(sample: Sample, client: Client, body: bytes, media: str = "application/json") -> str:
    headers = {**sample.headers(), "Content-Type": media}
    answer = client.post(TAKE, content=body, headers=headers)
    return f"{answer.status_code} {answer.json().get('rule', 'done')}"


@pytest.mark.parametrize(
    "body",
    [
        b'{"team": "a", "team": "b"}',
        b'{"team": "a", "copies": NaN}',
        b'{"team": "a", "copies": -Infinity}',
        b'{"team": "a", "copies": 1e999}',
        b'{"team": "a"',
        b'{"team": "a",}',
        b'{"team": "\xff"}',
        b'\xef\xbb\xbf{"team": "a"}',
        b'{"team": "a\x01"}',
        b"[" * 100_000,
        b"[" * 40 + b"]" * 40,
        b"1" * 5_000,
    ],
)
def test_what_is_not_plain_json_is_bad_json(sample: Sample, client: Client, body: bytes) -> None:
    assert post(sample, client, body) == "400 bad-json"


@pytest.mark.parametrize(
    "escape", [r"\u0000", r"\u0007", r"\u001b", r"\u007f", r"\ud800", r"\udfff"]
)
def test_control_characters_and_lone_surrogates_are_refused(
    sample: Sample, client: Client, escape: str
) -> None:
    assert post(sample, client, b'{"team": "a%b"}' % escape.encode()) == "422 invalid-request"
    assert post(sample, client, b'{"a%b": 1}' % escape.encode()) == "422 invalid-request"


def test_emoji_tabs_and_new_lines_are_what_people_write(sample: Sample, client: Client) -> None:
    body = '{"team": "a", "note": "网络\\t很慢\\n😀 \\ud83d\\ude00"}'.encode()
    assert post(sample, client, body) == "200 done"


@pytest.mark.parametrize(
    ("media", "expected"),
    [
        ("application/json", "200 done"),
        ("application/json; charset=UTF-8", "200 done"),
        ("application/json; charset=gbk", "415 unsupported-media-type"),
        ("text/plain", "415 unsupported-media-type"),
        ("application/x-www-form-urlencoded", "415 unsupported-media-type"),
        ("application/vnd.api+json", "415 unsupported-media-type"),
        ("", "415 unsupported-media-type"),
    ],
)
def test_a_body_is_announced_as_json(
    sample: Sample, client: Client, media: str, expected: str
) -> None:
    assert post(sample, client, b'{"team": "a"}', media) == expected


def test_a_number_is_not_a_text_that_looks_like_one(sample: Sample, client: Client) -> None:
    assert post(sample, client, b'{"team": "a", "copies": "2"}') == "422 invalid-request"
    assert post(sample, client, b'{"team": "a", "copies": true}') == "422 invalid-request"
    assert post(sample, client, b'{"team": 5}') == "422 invalid-request"


def test_a_whole_number_may_be_written_with_a_point(sample: Sample, client: Client) -> None:
    assert post(sample, client, b'{"team": "a", "copies": 2.0}') == "200 done"
    assert post(sample, client, b'{"team": "a", "copies": 2.5}') == "422 invalid-request"


@pytest.mark.parametrize(
    ("name", "value", "taken"),
    [
        ("at", "2025-10-09T12:00:00+08:00", True),
        ("at", "2025-10-09T04:00:00.123456Z", True),
        ("at", "5", False),
        ("at", "2025-10-09 04:00:00Z", False),
        ("at", 5, False),
        ("day", "2025-10-09", True),
        ("day", "1760000000", False),
        ("ids", [str(JOB)], True),
        ("ids", [JOB.hex], False),
        ("ids", [f"urn:uuid:{JOB}"], False),
        ("by_name", {"a": "2025-10-09T04:00:00Z"}, True),
        ("by_name", {"a": "5"}, False),
        ("inner", {"atInner": "2025-10-09T04:00:00Z"}, True),
        ("inner", {"atInner": "5"}, False),
    ],
)
def test_instants_dates_and_ids_have_the_one_form_the_schema_names(
    tmp_path: Path, name: str, value: object, taken: bool
) -> None:
    class Inner(BaseModel):
        at: datetime = Field(alias="atInner")

    class Body(BaseModel):
        at: datetime | None = None
        day: date | None = None
        ids: tuple[UUID, ...] = ()
        by_name: dict[str, datetime] = Field(default_factory=dict)
        inner: Inner | None = None

    router = Router()

    @router.post("/", status_code=204)
    async def take(body: Body, _caller: Annotated[Caller, allow("jobs.take")]) -> None: ...

    sample = build_sample(tmp_path, [router])
    answer = Client(sample.api).post("/", json={name: value}, headers=sample.headers())
    assert answer.status_code == (204 if taken else 422)


def test_a_body_is_bounded_whether_announced_or_not(tmp_path: Path) -> None:
    sample = build_sample(tmp_path, body_bytes_max=100)
    client = Client(sample.api)
    fits = b'{"team": "a"}'.ljust(100)
    assert post(sample, client, fits) == "200 done"
    assert post(sample, client, fits + b" ") == "413 too-large"

    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(2):
            yield b" " * 60

    headers = {**sample.headers(), "Content-Type": "application/json"}
    assert client.post(TAKE, content=pieces(), headers=headers).status_code == 413


def test_a_body_announced_too_large_is_not_read_at_all(sample: Sample, client: Client) -> None:
    read: list[bytes] = []

    async def body() -> AsyncIterator[bytes]:
        read.append(b" ")
        yield b" "

    headers = {
        **sample.headers(),
        "Content-Type": "application/json",
        "Content-Length": str(256 * 1024 + 1),
    }
    assert client.post(TAKE, content=body(), headers=headers).status_code == 413
    assert read == []


def test_a_command_without_a_body_takes_none(sample: Sample, client: Client) -> None:
    drop = f"/v1/jobs/{JOB}/drop"
    assert client.post(drop, headers=sample.headers()).status_code == 200
    answer = client.post(drop, json={"team": "a"}, headers=sample.headers(key="2"))
    assert (answer.status_code, answer.json()["rule"]) == (422, "invalid-request")


def test_a_query_is_known_single_and_printable(sample: Sample, client: Client) -> None:
    def status(query: str) -> int:
        return client.get(f"/v1/jobs?{query}", headers=sample.headers()).status_code

    assert status("limit=2&urgency=urgent") == 200
    assert status("limit=2&limit=3") == 422
    assert status("colour=red") == 422
    assert status("urgency=urgent%00") == 422


def test_nobody_unknown_makes_us_read_a_body(sample: Sample, client: Client) -> None:
    read: list[bytes] = []

    async def body() -> AsyncIterator[bytes]:
        read.append(b"{}")
        yield b"{}"

    assert client.post(TAKE, content=body()).status_code == 401
    assert client.post(TAKE, content=body(), headers=sample.headers("auditor")).status_code == 403
    assert read == []
    client.post(TAKE, content=body(), headers=sample.headers())
    assert read == [b"{}"]
