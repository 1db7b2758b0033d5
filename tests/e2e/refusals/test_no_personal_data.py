"""Planted personal data is searched for in what the running system logs, counts, stores and sends.

Sealing switched off (a vault that hands back the text), the same search is seen to find it.
"""

import base64
import json
import logging
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from psycopg import sql

from libs.telemetry.logs import JsonFormatter
from libs.vault.store import Vault
from tests.e2e.refusals.conftest import Running
from tests.e2e.world import World, read_log

PLANTED = {
    "number": "13912345678",
    "name": "欧阳翠花Quillfeather",
    "card": "110105199003078275",
    "address": "朝阳区百子湾路99号Marmaladewharf",
    "words": "螺蛳粉隔壁漏水Zanzibarquokka",
}


def forms(text: str) -> Iterator[bytes]:
    """A text as it may be hidden: plain, in JSON, in a URL, in hex, in base64 at any offset."""
    raw = text.encode()
    yield raw
    yield json.dumps(text)[1:-1].encode()
    yield quote(text).encode()
    yield raw.hex().encode()
    for shift in range(3):
        # without the characters that depend on what stands before and after
        coded = base64.b64encode(b"\0" * shift + raw)
        yield coded[-(-shift * 4 // 3) : len(coded) - 4]


def found_in(places: dict[str, bytes]) -> list[tuple[str, str]]:
    """(where, what) of every planted text in these bytes; digits count within no longer number."""
    return [
        (where, what)
        for where, value in places.items()
        for what, text in PLANTED.items()
        if any(form in value for form in forms(text))
    ]


def tables_of(world: World) -> dict[str, bytes]:
    """Every row of every table of every service's database, as text and bytes."""
    places: dict[str, bytes] = {}
    for name, app in world.system.apps.items():
        with app.writer.store.connection() as conn:
            tables = conn.execute(
                "SELECT table_schema AS s, table_name AS t FROM information_schema.tables "
                "WHERE table_type = 'BASE TABLE' "
                "AND table_schema NOT IN ('pg_catalog', 'information_schema')"
            ).fetchall()
            assert len(tables) > 5, name
            for table in tables:
                where = sql.Identifier(table["s"], table["t"])
                rows = conn.execute(sql.SQL("SELECT * FROM {}").format(where)).fetchall()
                places[f"{name}.{table['t']}"] = b"\n".join(map(_row, rows))
    return places


def _row(row: Any) -> bytes:
    return b"\t".join(
        bytes(value) if isinstance(value, (bytes, memoryview)) else str(value).encode()
        for value in row.values()
    )


async def planted(world: World, tag: str) -> dict[str, bytes]:
    """Says the planted texts by Kafka and HTTP, soundly and badly; returns all there is to read."""
    words: dict[str, Any] = {
        "subscriber": PLANTED["number"],
        "sender_name": PLANTED["name"],
        "text": f"{PLANTED['words']} {PLANTED['card']} {PLANTED['number']}",
        "reply_to": {"kind": "sms", "address": PLANTED["address"]},
    }
    everything = "".join(PLANTED.values())
    await world.say(message=f"{tag}-sound", **words)
    bad: dict[str, Any] = {"source": "bad", "id": f"{tag}-bad", everything: everything}
    for value in (everything.encode(), json.dumps(bad).encode()):
        await world.player.publish(value, tag)
    await world.settle()
    places: dict[str, bytes] = {}
    headers = world.player.headers("agent", "agent:4711")
    async with httpx.AsyncClient(timeout=60, trust_env=False) as client:
        for name, urls in world.system.urls.items():
            answers = [
                await client.get(f"{urls['api']}/{quote(everything)}", headers=headers),
                await client.get(
                    f"{urls['api']}/openapi.json", params={everything: everything}, headers=headers
                ),
            ]
            if name == "intake":
                channel = world.player.headers("channel", "channel:web")
                answers.append(
                    await client.post(f"{urls['api']}/messages", json=bad, headers=channel)
                )
            assert all(answer.is_error for answer in answers)
            places[f"{name} problems"] = b"\n".join(answer.content for answer in answers)
            places[f"{name} metrics"] = (await client.get(f"{urls['health']}/metrics")).content
    places["complaints.log"] = b"\n".join(await read_log(world.system))
    return places | tables_of(world)


def logged(caplog: pytest.LogCaptureFixture) -> bytes:
    """Every record of every logger, as this project's processes write them."""
    formatter = JsonFormatter("test")
    return "\n".join(formatter.format(one) for one in caplog.records).encode()


def test_planted_data_is_nowhere(running: Running, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        places = running.do(lambda world: planted(world, "planted"))
    assert len(places["complaints.log"]) > 1000
    assert found_in({**places, "logs": logged(caplog)}) == []


def test_with_sealing_off_it_is_found(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    def open_wax(_self: Vault, items: Any, **_more: Any) -> list[str]:
        return ["v1." + base64.urlsafe_b64encode(text.encode()).decode() for _, _, text in items]

    monkeypatch.setattr(Vault, "seal_many", open_wax)
    places = running.do(lambda world: planted(world, "unsealed"))
    assert ("complaints.log", "words") in found_in(places)
