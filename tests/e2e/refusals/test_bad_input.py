"""Bad input by every door: HTTP of every service, the channel topic, the log topic.

Each row of the tables below is a kind of badness and the literal answer to it. What goes wrong is
never a 500 and never silence: a problem+json, a refusal on record, or a parked record.
"""

import json
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from aiokafka import AIOKafkaProducer

from libs.messaging.clients import running as running_client
from libs.web.access import load_access_table
from libs.web.auth import issue_token
from tests.e2e.refusals.conftest import Door, Running, is_problem
from tests.e2e.world import World

ACCESS_TABLE = Path(__file__).parents[3] / "infra" / "access.v1.yaml"
JSON = {"Content-Type": "application/json"}
MEGABYTE = 1024 * 1024
EVERYTHING = tuple(load_access_table(ACCESS_TABLE).roles)


@dataclass(frozen=True)
class Bad:
    """A body and its headers, and what every route that takes a body says to it."""

    body: bytes
    status: int
    rule: str
    headers: Mapping[str, str] = field(default_factory=lambda: JSON)
    chunked: bool = False


BODIES = {
    "cut short": Bad(b'{"a":', 400, "bad-json"),
    "not JSON": Bad(b"hello", 400, "bad-json"),
    "two values": Bad(b"{}{}", 400, "bad-json"),
    "duplicate keys": Bad(b'{"a":1,"a":2}', 400, "bad-json"),
    "duplicate keys, one escaped": Bad(rb'{"a":1,"\u0061":2}', 400, "bad-json"),
    "NaN": Bad(b'{"a":NaN}', 400, "bad-json"),
    "Infinity": Bad(b'{"a":-Infinity}', 400, "bad-json"),
    "a huge exponent": Bad(b'{"a":1e999}', 400, "bad-json"),
    "a number of 5,000 digits": Bad(b'{"a":' + b"9" * 5000 + b"}", 400, "bad-json"),
    "nested 33 deep": Bad(b"[" * 33 + b"1" + b"]" * 33, 400, "bad-json"),
    "nested 100,000 deep": Bad(b"[" * 100_000 + b"]" * 100_000, 400, "bad-json"),
    "invalid UTF-8": Bad(b'{"a":"\xff\xfe"}', 400, "bad-json"),
    "overlong UTF-8": Bad(b'{"a":"\xc0\xaf"}', 400, "bad-json"),
    "UTF-16": Bad('{"a":1}'.encode("utf-16"), 400, "bad-json"),
    "a byte order mark": Bad(b"\xef\xbb\xbf{}", 400, "bad-json"),
    "a lone surrogate": Bad(rb'{"a":"\ud800"}', 422, "invalid-request"),
    "NUL": Bad(rb'{"a":"\u0000"}', 422, "invalid-request"),
    "an escape sequence": Bad(rb'{"a":"\u001b[2J"}', 422, "invalid-request"),
    "a control character in a name": Bad(rb'{"\u0007":1}', 422, "invalid-request"),
    "a list": Bad(b"[]", 422, "invalid-request"),
    "an emoji": Bad('"😀"'.encode(), 422, "invalid-request"),
    "a number": Bad(b"1", 422, "invalid-request"),
    "an unknown field": Bad('{"😀":"😀"}'.encode(), 422, "invalid-request"),
    "1 MB of text": Bad(b'{"a":"' + b"x" * MEGABYTE + b'"}', 413, "too-large"),
    "1 MB in pieces": Bad(b"x" * MEGABYTE, 413, "too-large", chunked=True),
    "plain text": Bad(b"{}", 415, "unsupported-media-type", {"Content-Type": "text/plain"}),
    "a form": Bad(
        b"a=1", 415, "unsupported-media-type", {"Content-Type": "application/x-www-form-urlencoded"}
    ),
    "no content type": Bad(b"{}", 415, "unsupported-media-type", {}),
    "GBK": Bad(
        b"{}", 415, "unsupported-media-type", {"Content-Type": "application/json; charset=gbk"}
    ),
}


async def pieces(body: bytes) -> AsyncIterator[bytes]:
    """A body of unannounced length."""
    for at in range(0, len(body), 65_536):
        yield body[at : at + 65_536]


def bearer(world: World) -> dict[str, str]:
    """Somebody with every role, so that only the input is wrong."""
    token = issue_token(
        world.system.signing, actor="agent:4711", roles=EVERYTHING, real_now_s=time.time()
    )
    return {"Authorization": f"Bearer {token}"}


def url(world: World, door: Door) -> str:
    """Where a door is."""
    return world.system.urls[door.service]["api"] + door.path


@pytest.mark.parametrize("kind", BODIES)
def test_a_bad_body_is_named_by_every_route_that_takes_one(running: Running, kind: str) -> None:
    bad = BODIES[kind]

    async def send(world: World) -> None:
        headers = {**bearer(world), **bad.headers, "Idempotency-Key": "bad"}
        async with httpx.AsyncClient(timeout=60, trust_env=False) as client:
            for door in running.doors():
                if not door.takes_body or (door.takes_large and bad.rule == "too-large"):
                    continue
                content = pieces(bad.body) if bad.chunked else bad.body
                answer = await client.request(
                    door.method, url(world, door), headers=headers, content=content
                )
                said = (str(door), answer.status_code, answer.text[:300])
                assert is_problem(answer), said
                assert (answer.status_code, answer.json()["rule"]) == (bad.status, bad.rule), said
                if bad.status == 422:
                    assert answer.json()["errors"], said

    running.do(send)


KEYS: dict[str, bytes | None] = {
    "missing": None,
    "empty": b"",
    "256 characters": b"k" * 256,
    "a space within": b"a b",
    "not ASCII": "键".encode(),
}


@pytest.mark.parametrize("kind", KEYS)
def test_a_command_without_a_sound_key_is_refused(running: Running, kind: str) -> None:
    key = KEYS[kind]

    async def send(world: World) -> int:
        headers: list[tuple[bytes, bytes]] = [
            (name.encode(), value.encode()) for name, value in {**bearer(world), **JSON}.items()
        ]
        if key is not None:
            headers.append((b"Idempotency-Key", key))
        count = 0
        async with httpx.AsyncClient(timeout=60, trust_env=False) as client:
            for door in running.doors():
                if not door.takes_key:
                    continue
                answer = await client.request(
                    door.method,
                    url(world, door),
                    headers=headers,
                    content=b"{}" if door.takes_body else b"",
                )
                said = (str(door), answer.status_code, answer.text[:300])
                assert is_problem(answer), said
                assert answer.status_code in (400, 422), said
                where = [one["where"] for one in answer.json()["errors"]]
                if any(one.startswith("body.") for one in where):
                    continue  # what does not fit is said first; a command it is not
                count += 1
                assert where == ["header.Idempotency-Key"], said
                told = (answer.status_code, answer.json()["rule"])
                assert told == (400, "idempotency-key-required"), said
        return count

    assert running.do(send) >= 3


@pytest.mark.parametrize("odd", ["%00", "%F0%9F%98%80", "%ED%A0%80", "a%0Ab", "x" * 300])
def test_an_odd_id_in_a_path_is_a_problem(running: Running, odd: str) -> None:
    async def send(world: World) -> None:
        async with httpx.AsyncClient(timeout=60, trust_env=False) as client:
            for door in running.doors():
                place = "00000000-0000-4000-8000-000000000001"
                if place not in door.path or str(door.action).endswith(".operate"):
                    continue  # an operator may ask of any subject, and is told that nothing waits
                answer = await client.request(
                    door.method,
                    url(world, door).replace(place, odd),
                    headers={**bearer(world), **JSON, "Idempotency-Key": "odd"},
                    content=b"{}" if door.takes_body else b"",
                )
                said = (str(door), answer.status_code, answer.text[:300])
                assert answer.status_code in (404, 422), said
                assert is_problem(answer), said

    running.do(send)


def test_what_no_route_knows_is_a_problem(running: Running) -> None:
    async def send(world: World) -> None:
        async with httpx.AsyncClient(timeout=60, trust_env=False) as client:
            for urls in world.system.urls.values():
                api = urls["api"]
                for method, path, status in (
                    ("GET", "/nowhere", 404),
                    ("GET", "/%00/😀", 404),
                    ("DELETE", "/openapi.json", 405),
                    ("GET", "/openapi.json?x=1", 422),
                    ("GET", "/openapi.json?%00=%ff", 422),
                ):
                    answer = await client.request(method, api + path, headers=bearer(world))
                    assert answer.status_code == status, (api, path, answer.text)
                    assert is_problem(answer), (api, path, answer.text)

    running.do(send)


def test_repeating_a_command_returns_its_first_outcome(running: Running) -> None:
    async def scene(world: World) -> None:
        complaint = await world.say(subscriber="13800000101", text="家里宽带断网三天了")
        first = {"category": "billing", "reason": "as-said"}
        path = f"{world.system.urls['intake']['api']}/complaints/{complaint}/reclassify"
        headers = {**bearer(world), "Idempotency-Key": "once"}
        async with httpx.AsyncClient(timeout=60, trust_env=False) as client:
            answers = [await client.post(path, json=first, headers=headers) for _ in range(2)]
            other = await client.post(path, json={**first, "reason": "b"}, headers=headers)
        assert [one.status_code for one in answers] == [200, 200], answers[0].text
        assert answers[0].content == answers[1].content
        assert [one.headers.get("Idempotency-Replayed") for one in answers] == [None, "true"]
        assert (other.status_code, other.json()["rule"]) == (422, "idempotency-key-reused")
        assert is_problem(other)
        await world.settle()
        assert len(await world.events(complaint, "complaint.reclassified")) == 1

    running.do(scene)


# -- the channel topic ----------------------------------------------------------------------------


def message(identity: str, **changes: Any) -> dict[str, Any]:
    """A sound channel message, at 08:00."""
    data = {"kind": "words", "channel": "web", "text": "宽带断网", **changes.pop("data", {})}
    return {
        "specversion": "1.0",
        "id": identity,
        "source": "bad",
        "type": "channel.message.v1",
        "time": "2025-10-09T00:00:00.000000Z",
        "data": data,
        **changes,
    }


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "unknown-field": (message("unknown-field", extra=1), "malformed"),
    "wrong-type": (message("wrong-type", data={"media": "yes"}), "malformed"),
    "no-words": (message("no-words", data={"text": " \n"}), "malformed"),
    "control": (message("control", data={"text": "a\x00b"}), "malformed"),
    "surrogate": (message("surrogate", data={"text": "a\ud800"}), "malformed"),
    "odd-number": (message("odd-number", data={"subscriber": "😀"}), "malformed"),
    "no-data": ({**message("no-data"), "data": None}, "malformed"),
    "future": (message("future", time="2025-10-10T00:00:00.000000Z"), "from-the-future"),
    "65-KB": (message("65-KB", data={"text": "x" * 65_537}), "text-too-large"),
    "1-MB": (message("1-MB", data={"text": "x" * MEGABYTE}), "message-too-large"),
}

PARKED: dict[str, tuple[bytes | None, str]] = {
    "no value": (None, "empty"),
    "no bytes": (b"", "bad-json"),
    "not JSON": (b"hello", "bad-json"),
    "duplicate keys": (b'{"id":"1","id":"2"}', "bad-json"),
    "NaN": (b'{"id":NaN}', "bad-json"),
    "a number of 5,000 digits": (b'{"id":' + b"9" * 5000 + b"}", "bad-json"),
    "nested 100,000 deep": (b"[" * 100_000, "bad-json"),
    "invalid UTF-8": (b'{"id":"\xff"}', "bad-json"),
    "a byte order mark": (b"\xef\xbb\xbf{}", "bad-json"),
    "a list": (b"[]", "not-an-object"),
    "nobody's": (b"{}", "unidentified"),
    "a surrogate in its id": (rb'{"source":"bad","id":"\ud800"}', "unidentified"),
    "5 MB": (b"x" * (5 * MEGABYTE), "too-large"),
}


def parked_in(world: World, service: str) -> list[tuple[str, str, str]]:
    """(topic, kind, detail) of every parked record, in the order they came."""
    with world.app(service).writer.store.connection() as conn:
        rows = conn.execute(
            "SELECT topic, error_kind, detail FROM parked WHERE state = 'parked' "
            "ORDER BY topic, partition, record_offset"
        ).fetchall()
    return [(row["topic"], row["error_kind"], row["detail"]) for row in rows]


def test_a_bad_message_by_kafka_is_refused_on_record_saying_why(running: Running) -> None:
    async def scene(world: World) -> None:
        for name, (value, _rule) in REFUSED.items():
            await world.player.publish(json.dumps(value).encode(), name)
        await world.settle()
        for name, (_value, rule) in REFUSED.items():
            outcome = await world.player.outcome("bad", name)
            assert (outcome["outcome"], outcome["rule"]) == ("refused", rule), outcome
            assert outcome["problem"], name

    running.do(scene)


def test_bytes_that_say_nothing_of_whose_they_are_are_parked(running: Running) -> None:
    async def scene(world: World) -> None:
        before = parked_in(world, "intake")
        for value, _kind in PARKED.values():
            await world.player.publish(value, "one key, so that they stay in order")
        await world.settle()
        after = parked_in(world, "intake")[len(before) :]
        assert [kind for _, kind, _ in after] == [kind for _, kind in PARKED.values()]
        assert all(detail for _, _, detail in after)

    running.do(scene)


def test_a_record_of_nobody_on_the_log_stops_no_service(running: Running) -> None:
    foreign = [b"hello", None, "😀".encode(), b"{}", b"x" * MEGABYTE]

    async def scene(world: World) -> None:
        topic = f"{world.system.topic_prefix}complaints.log"
        producer = AIOKafkaProducer(
            bootstrap_servers=world.system.stack.bootstrap, max_request_size=2 * MEGABYTE
        )
        async with running_client(producer):
            for value in foreign:
                await producer.send_and_wait(topic, value, key=b"x", partition=0)
        await world.settle()
        for service in world.system.apps:
            noted = [one for one in parked_in(world, service) if one[0] == topic]
            assert len(noted) == len(foreign), (service, noted)
            assert {kind for _, kind, _ in noted} == {"foreign"}, (service, noted)
        await world.say(subscriber="13800000102", text="没信号", message="after")
        outcome = await world.player.outcome("10010", "after")
        assert outcome["outcome"] == "registered", outcome

    running.do(scene)
