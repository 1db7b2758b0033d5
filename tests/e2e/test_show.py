"""What an auditor's commands tell of a complaint: any instant, every cause, and what else if."""

import asyncio
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import httpx
import psycopg
import pytest
import yaml

from libs.messaging.topics import OUTBOUND
from libs.vault.sealing import PREFIX
from tests.e2e.commands import bihuan, told
from tests.e2e.world import DATABASES, World, ends, play, read_log

START = "2025-10-09 09:00:00"
WORDS = "手机没信号，打不出去"
SUBSCRIBER = "13800000861"


def test_what_an_auditor_sees(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BIHUAN_COMPARE_SECONDS", "0.1")

    async def scene(world: World) -> None:
        data = world.system.places.data
        complaint = await world.say(
            text=WORDS, subscriber=SUBSCRIBER, category="mobile.noncoverage.data_speed"
        )
        who = await world.accepts(complaint)
        await world.at("2025-10-09 10:30:00")
        await world.settle()
        await world.answers(complaint, who)
        await _at_an_instant(world, data, complaint, tmp_path)
        await _check(world, data, complaint, tmp_path / "state.prom")
        await _timeline(data, complaint, tmp_path / "timeline.html")
        await _what_if(world, data, complaint, tmp_path)

    play(tmp_path / "data", START, scene)


def unfolded(said: str) -> str:
    return " ".join(said.split())


async def _at_an_instant(world: World, data: Path, complaint: str, folder: Path) -> None:
    at = "2025-10-09T10:00:00+08:00"
    code, shown = await told(data, "show", complaint, "--at", at)
    assert (code, shown["at"]) == (0, "2025-10-09T02:00:00.000000Z")
    clocks = shown["as_it_was"]["services"]["sla_watch"]["sla_clock"]
    (first,) = [one for one in clocks if one["clock"] == "first_contact"]
    assert (first["state"], first["due_at"]) == ("breached", "2025-10-09T02:00:00.000000Z")

    assert await told(data, "show", complaint, "--at", at, "--log", "kafka") == (0, shown)
    file = folder / "log.jsonl"
    file.write_bytes(b"\n".join(await read_log(world.system)) + b"\n")
    assert await told(data, "show", complaint, "--at", at, "--log", str(file)) == (0, shown)

    words = [one["words"] for one in shown["as_it_was"]["services"]["intake"]["contacts"]]
    assert all(one.startswith("🔒") for one in words)
    code, out, _ = await bihuan(data, "show", complaint)
    assert code == 0
    assert words[0] in unfolded(out)
    for secret in (WORDS, SUBSCRIBER, PREFIX):
        assert secret not in out
        assert secret not in str(shown)
    assert "first_contact" in out
    assert (await bihuan(data, "show", complaint, "--at", "2025-10-09T10:00:00"))[0] == 2
    assert (await bihuan(data, "show", complaint, "--at", "2025-10-08T10:00:00Z"))[0] == 1
    early = ("--at", "2025-10-08T10:00:00Z", "--log", str(file))
    code, _, said = await bihuan(data, "show", complaint, *early)
    assert (code, "on record only at 2025-10-09T01:00:00.000000Z" in unfolded(said)) == (1, True)
    assert (await bihuan(data, "show", "5b0fdb9c-6f5b-5f3c-9d55-0d3c6a0a4a11"))[0] == 1
    file.write_bytes(file.read_bytes() + f'{{"subject":"{complaint}"}}\n'.encode())
    code, _, said = await bihuan(data, "show", complaint, "--log", str(file))
    assert (code, "not an event of ours" in unfolded(said)) == (1, True)


async def _check(world: World, data: Path, complaint: str, metrics: Path) -> None:
    """The live views equal the replay; one row changed behind the service's back is found."""
    check = ("show", "--check-sample", "10", "--metrics", str(metrics))
    code, found = await told(data, *check)
    assert (code, found) == (0, {"checked": 1, "moving": 0, "different": []})
    assert "bihuan_state_checked 1\n" in read(metrics)
    assert "bihuan_state_different 0\n" in read(metrics)

    dsn = world.system.stack.dsn("bihuan_sla_watch")
    change = "UPDATE sla_clock SET state = %s WHERE clock = 'first_contact'"
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(change, ("met",))
        code, found = await told(data, *check)
        assert code == 1
        assert found["different"] == [
            {"complaint": complaint, "service": "sla_watch", "tables": ["sla_clock"]}
        ]
        assert "bihuan_state_different 1\n" in read(metrics)
        # audit compares by itself, all the while, and rings without being asked
        warned = await _until_audit_says(world, "bihuan_state_different 1.0")
        assert any("sla_watch shows 1 of the complaints" in one for one in warned)
        connection.execute(change, ("breached",))
        assert await _until_audit_says(world, "bihuan_state_different 0.0") == []
    assert (await told(data, *check))[0] == 0


async def _until_audit_says(world: World, metric: str) -> list[str]:
    """Waits until audit's metrics say this; returns what its readiness warns of then."""
    url = world.app("audit").health_url
    async with httpx.AsyncClient(trust_env=False) as http, asyncio.timeout(30):
        while metric not in (await http.get(f"{url}/metrics")).text:  # noqa: ASYNC110 - as a scraper asks
            await asyncio.sleep(0.05)
        answer = await http.get(f"{url}/health/ready")
        assert answer.status_code == 200
        return list(answer.json()["warnings"])


def read(file: Path) -> str:
    return file.read_text(encoding="utf-8")


class _Page(HTMLParser):
    """The ids of a page, the links to them, and its text."""

    def __init__(self) -> None:
        super().__init__()
        self.ids: set[str] = set()
        self.links: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.ids.add(given.get("id") or "")
        if tag == "a":
            self.links.append((given["href"] or "")[1:])

    def handle_data(self, data: str) -> None:
        self.text += data


async def _timeline(data: Path, complaint: str, html: Path) -> None:
    code, timeline = await told(data, "timeline", complaint)
    steps: list[Any] = timeline["items"]
    assert code == 0
    assert (steps[0]["channel"], steps[0]["cause"]["missing"]) == ("hotline_10010", False)
    (started, *_) = [one for one in steps if one["type"] == "clocks.started.v1"]
    assert started["reason"] == "registered"

    code, out, _ = await bihuan(data, "timeline", complaint, "--tree")
    assert code == 0
    assert "channel message 渠道消息: 10010 m-1" in out
    assert "missing" not in out

    assert (await bihuan(data, "timeline", complaint, "--html", str(html)))[0] == 0
    text = read(html)
    page = _Page()
    page.feed(text)
    assert {f"s{number}" for number in range(1, len(steps) + 1)} <= page.ids
    assert len(page.links) == sum(one["cause"]["event"] is not None for one in steps)
    assert set(page.links) <= page.ids
    for step in steps:
        assert step["zh"] in page.text
        assert step["en"] in page.text
    for secret in (WORDS, SUBSCRIBER, PREFIX):
        assert secret not in text
    pieces = text[text.index("<svg") : text.rindex("</svg>") + 6]
    drawn = ET.fromstring(f"<all>{pieces}</all>")  # noqa: S314 - our own drawing
    assert len(drawn.findall(".//{http://www.w3.org/2000/svg}circle")) == len(steps)
    where = str(html.parent / "no such folder" / "x.html")
    assert (await bihuan(data, "timeline", complaint, "--html", where))[0] == 2


POLICIES = Path(__file__).parents[2] / "services" / "sla_watch" / "policy"


def changed(folder: Path, name: str, **limits: str) -> str:
    """A clock table as it came with us, but for these limits."""
    content: Any = yaml.safe_load(read(POLICIES / "clocks.v1.yaml"))
    for rule in content["clocks"]:
        rule["limit"] = limits.get(rule["code"], rule.get("limit"))
    file = folder / name
    file.write_text(yaml.safe_dump({**content, "version": "tried"}), encoding="utf-8")
    return str(file)


def holdings(world: World) -> dict[str, Any]:
    """How many rows every table of every database holds.

    Not how far each inbox has come: that is committed up to a second after what it took.
    """
    held = {}
    for name in DATABASES:
        with psycopg.connect(world.system.stack.dsn(name), autocommit=True) as connection:
            tables = connection.execute(
                "SELECT schemaname || '.' || tablename FROM pg_tables "
                "WHERE schemaname NOT IN ('pg_catalog', 'information_schema') "
                "AND tablename NOT IN ('inbox_offset', 'inbox_taken')"
            ).fetchall()
            for (table,) in tables:
                counted = connection.execute(f"SELECT count(*) FROM {table}").fetchone()
                held[f"{name} {table}"] = counted
    return held


async def _what_if(world: World, data: Path, complaint: str, folder: Path) -> None:
    """First contact within two hours instead of one: answered after an hour and a half, kept."""
    longer = changed(folder, "longer.yaml", first_contact="2 hours")
    early = ("--to", "2025-10-09T09:00:00+08:00")
    code, nobody = await told(data, "what-if", "--policy", longer, *early)
    assert (code, nobody["complaints"]) == (0, 0)
    await world.settle()  # who asks is on record now
    before, log = holdings(world), len(await read_log(world.system))
    told_customers = await ends(world.system, OUTBOUND)
    assert sum(told_customers.values()) > 0
    code, answer = await told(data, "what-if", "--policy", longer)
    assert code == 0
    assert (answer["complaints"], answer["unlike_record"], answer["more"]) == (1, 0, False)
    (differs,) = answer["differs"]
    assert differs == {
        "complaint": complaint,
        "clock": "first_contact",
        "instance": "",
        "cycle": 1,
        "change": "verdict",
        "was": {"state": "breached", "due": "2025-10-09T02:00:00.000000Z", "at": None},
        "would_be": {
            "state": "met",
            "due": "2025-10-09T03:00:00.000000Z",
            "at": "2025-10-09T02:30:00.000000Z",
        },
    }
    assert answer["tallies"]["first_contact"] == {
        "was_met": 0,
        "was_breached": 1,
        "would_be_met": 1,
        "would_be_breached": 0,
    }
    assert await told(data, "what-if", complaint, "--policy", longer) == (0, answer)
    code, kafka = await told(data, "what-if", complaint, "--policy", longer, "--log", "kafka")
    assert (code, kafka["differs"][0]["would_be"]) == (0, differs["would_be"])

    same = str(POLICIES / "working_days.v1.yaml")
    code, answer = await told(data, "what-if", "--calendar", same)
    assert (code, answer["differs"], answer["unlike_record"]) == (0, [], 0)
    assert holdings(world) == before, "nothing was written"
    assert len(await read_log(world.system)) == log, "nothing was sent"
    assert await ends(world.system, OUTBOUND) == told_customers, "no customer was told anything"

    code, out, _ = await bihuan(data, "what-if", "--policy", longer)
    assert (code, "first_contact" in out) == (0, True)
    for wrong in (
        ("--policy", same),
        ("--calendar", longer),
        ("--policy", str(folder / "no.yaml")),
        ("--policy", longer, "--from", "2025-10-09"),
        ("--policy", longer, complaint, "--from", "2025-10-09T00:00:00Z"),
        ("--policy", changed(folder, "bad.yaml", first_contact="soon")),
        (),
    ):
        assert (await bihuan(data, "what-if", *wrong))[0] == 2, wrong
    nobodys = "5b0fdb9c-6f5b-5f3c-9d55-0d3c6a0a4a11"
    assert (await bihuan(data, "what-if", nobodys, "--policy", longer))[0] == 1
