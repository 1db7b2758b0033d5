"""Guarantee 8: planted words of people are found nowhere but where they were said."""

import io
import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import psycopg
import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor

from cli.places import SERVICES
from libs.messaging.clients import running
from libs.telemetry.logs import JsonFormatter
from libs.telemetry.tracing import SpanTracing
from tests.e2e.world import DATABASES, World, play

START = "2025-10-09 09:00:00"
PHONE, NAME, WORDS = "13977701234", "欧阳标记人", "标记之词-东风路九号-MARKWORDS"
ANSWERED_TO, STAFF, BAD = "13977705678", "标记意见-MARKSTAFF", "MARKBAD-310101199001011234"
PLANTED = (PHONE, NAME, WORDS, ANSWERED_TO, STAFF, BAD)


class Spans(SpanProcessor):
    """Keeps every span as text."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def on_end(self, span: ReadableSpan) -> None:
        self.texts.append(span.to_json())


def forms(marker: str) -> Iterator[bytes]:
    """The marker as it could stand somewhere: plain, escaped in JSON, in a URL, in hex."""
    yield marker.encode()
    yield json.dumps(marker)[1:-1].encode()
    yield quote(marker).encode()
    yield marker.encode().hex().encode()


def found_in(places: dict[str, bytes]) -> list[tuple[str, str]]:
    """Which markers stand in which places."""
    return [
        (marker, place)
        for place, content in places.items()
        for marker in PLANTED
        if any(form in content for form in forms(marker))
    ]


async def planted(world: World) -> list[httpx.Response]:
    """People say everything that can be said; some of it cannot be taken. Returns the answers."""
    told = {
        "channel": "sms",
        "text": WORDS,
        "sender_name": NAME,
        "subscriber": PHONE,
        "category": "mobile.coverage",
        "reply_to": {"kind": "sms", "address": ANSWERED_TO},
    }
    complaint = await world.say(**told)
    who = await world.accepts(complaint)
    work = f"/work/{complaint}"
    waiting = {
        "waiting_for": "customer",
        "reason": "papers",
        "question": STAFF,
        "until": "2025-10-09T12:00:00+08:00",
    }
    await world.player.do("routing", f"{work}/suspend", waiting, **who)
    await world.player.do("routing", f"{work}/resume", {}, **who)
    await world.player.do("routing", f"{work}/opinion", {"opinion": STAFF}, **who)
    answer = {
        "explanation": STAFF,
        "next_steps": STAFF,
        "decision": "upheld",
        "told_by": "message",
    }
    await world.player.do("routing", f"{work}/answer", answer, **who)
    await world.settle()
    await world.say(
        kind="escalation_wish", text=WORDS, subscriber=PHONE, category="mobile.coverage"
    )
    await world.settle()
    await world.player.publish(json.dumps({"id": BAD, "data": {"text": WORDS}}).encode(), BAD)
    await world.player.publish(f"\xff{BAD}".encode("latin-1"), BAD)
    await world.settle()
    return await asked_badly(world, complaint)


async def asked_badly(world: World, complaint: str) -> list[httpx.Response]:
    """Requests that are refused, with personal data wherever it can stand."""
    channel = world.player.headers("channel", "channel:test")
    agent = world.player.headers("agent", "agent:5001", "mobile-care")
    intake, routing = (world.system.urls[name]["api"] for name in ("intake", "routing"))
    keyed = {**agent, "Idempotency-Key": "badly"}
    async with httpx.AsyncClient(trust_env=False) as client:
        return [
            await client.post(f"{intake}/messages", json={"id": BAD, "text": BAD}, headers=channel),
            await client.post(
                f"{intake}/messages",
                content=b'{"' + BAD.encode(),
                headers={**channel, "Content-Type": "application/json"},
            ),
            await client.get(f"{intake}/status/{BAD}", headers=channel),
            await client.get(f"{intake}/messages?source=x&id={BAD}", headers=channel),
            await client.post(
                f"{routing}/work/{complaint}/refuse", json={"note": STAFF, BAD: 1}, headers=keyed
            ),
            await client.post(f"{routing}/work/{BAD}/accept", json={}, headers=keyed),
            await client.get(f"{routing}/queue?of={quote(BAD)}", headers=agent),
        ]


async def everywhere(world: World, logs: str, spans: Spans) -> dict[str, bytes]:
    """Everything that is kept or shown, but the channel topic and the vault's sealed boxes."""
    places = {"logs": logs.encode(), "spans": "\n".join(spans.texts).encode()}
    for name in ("complaints.log", "complaints.outbound"):
        places[name] = await topic(world, world.system.topic_prefix + name)
    async with httpx.AsyncClient(trust_env=False) as client:
        for service in SERVICES:
            url = world.system.urls[service]["health"] + "/metrics"
            places[f"metrics of {service}"] = (await client.get(url)).content
            told = await world.player.get(service, "/operations/parked", role="admin", limit=200)
            places[f"parked in {service}"] = json.dumps(told).encode()
    for name in DATABASES:
        places |= tables(world.system.stack.dsn(name), name)
    return places


async def topic(world: World, name: str) -> bytes:
    consumer = AIOKafkaConsumer(
        bootstrap_servers=world.system.stack.bootstrap,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
    )
    async with running(consumer):
        places = [TopicPartition(name, number) for number in range(world.system.partitions)]
        consumer.assign(places)
        await consumer.seek_to_beginning(*places)
        ends = await consumer.end_offsets(places)
        content = b""
        while any([await consumer.position(place) < ends[place] for place in places]):
            for records in (await consumer.getmany(timeout_ms=200)).values():
                content += b"\n".join(
                    (one.key or b"") + repr(one.headers).encode() + (one.value or b"")
                    for one in records
                )
    return content


def tables(dsn: str, name: str) -> dict[str, bytes]:
    """Every table of a database, as text; bytes in hex."""
    found = {}
    with psycopg.connect(dsn) as connection:
        names = connection.execute(
            "SELECT schemaname, tablename FROM pg_tables "
            "WHERE schemaname NOT IN ('pg_catalog', 'information_schema')"
        ).fetchall()
        for schema, table in names:
            rows = connection.execute(f'SELECT t::text FROM "{schema}"."{table}" t').fetchall()
            found[f"{name}.{table}"] = "\n".join(row for (row,) in rows).encode()
    return found


def searched(folder: Path) -> tuple[dict[str, bytes], list[httpx.Response]]:
    """The whole thing: planted, then looked for."""
    result: list[Any] = []
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonFormatter("test"))
    root = logging.getLogger()
    root.addHandler(handler)
    spans = Spans()

    async def scene(world: World) -> None:
        for name, app in world.system.apps.items():
            app.writer.on_commit.append(SpanTracing(name, spans, lambda: 0).committed)
        answers = await planted(world)
        result.extend((await everywhere(world, stream.getvalue(), spans), answers))

    try:
        play(folder, START, scene)
    finally:
        root.removeHandler(handler)
    places, answers = result
    for number, answer in enumerate(answers):
        places[f"answer {number}"] = answer.content + repr(answer.headers).encode()
    return places, answers


def test_what_people_said_is_found_nowhere_else(tmp_path: Path) -> None:
    places, answers = searched(tmp_path)
    assert found_in(places) == []
    assert places["spans"]
    assert len(places["complaints.outbound"]) > 100
    for answer in answers:
        assert answer.status_code in (400, 404, 409, 422), (answer.request.method, answer.text)
        assert answer.headers["content-type"].startswith("application/problem+json")


def test_with_sealing_switched_off_the_search_finds_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The mechanism off, so that a token is the words themselves, in hex."""
    monkeypatch.setattr(
        "libs.vault.store.seal",
        lambda _cipher, _person, _key, _name, _nonce, text: f"bs1.{text.encode().hex()}",
    )
    places, _ = searched(tmp_path)
    found = found_in(places)
    assert {marker for marker, _ in found} == {PHONE, NAME, WORDS, ANSWERED_TO, STAFF}
    assert "complaints.log" in {place for _, place in found}
