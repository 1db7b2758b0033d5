"""A person asks for their data, then for its erasure (DOMAIN, Audit and retention; EVENTS race 15).

Locked at once; destroyed at the very instant the last complaint keeps it no more: closed 31 August,
nothing goes before 1 March 00:00. The oldest complaint lies in a month's file all the while.
"""

import asyncio
import io
import json
import logging
import zipfile
from base64 import urlsafe_b64encode
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx

from cli.notices import gateway_of
from cli.places import SERVICES
from contracts.values import NoticeKind
from infra.gateway import Gateway
from libs.telemetry.logs import JsonFormatter
from libs.vault.errors import BadToken
from libs.vault.sealing import parse
from tests.e2e.commands import bihuan, told
from tests.e2e.filed import decoded, inclusion, roots_hold, sealed_size, write_away
from tests.e2e.test_evidence import opened_up, plain_python
from tests.e2e.test_no_personal_data import forms, tables, topic
from tests.e2e.world import DATABASES, World, play, read_log, sh

PHONE, NAME, WORDS = "13977700015", "欧阳请求人", "请求之词-MARKERASE"
STAFF, ANSWER = "处理意见之词-MARKOPINION", "答复之词-MARKANSWER"
FILED, FILED_NAME = "归档之词-MARKFILED", "欧阳归档人"
"""Said in the complaint that lies in a file."""
PLANTED = (PHONE, NAME, WORDS, STAFF, ANSWER, FILED, FILED_NAME)
CHANNEL = "topic complaints.channel"
SEARCHED = (
    *("topic complaints.log", "topic complaints.outbound", CHANNEL),
    *("bihuan_intake.stored_events", "bihuan_audit.archive", "bihuan_routing.", "bihuan_vault."),
    *("bihuan_sla_watch.", "bihuan_escalation.", "bihuan_feedback_survey."),
    *("file checkpoints/", "logs", "bundle opened", "bundle sealed"),
    *("complaint record opened", "export after", "cached keys", "answer /complaints/"),
    *("file archive/2025-02/", "decoded archive/2025-02/", "asked of the files"),
    *("file gateway/notices.sqlite", "bundle opened of the filed one"),
    *("bundle sealed of the filed one", "timeline of"),
)
"""What must have been looked at, by a part of its name."""


def words(category: str, text: str = WORDS, name: str = NAME) -> dict[str, Any]:
    return {
        "channel": "sms",
        "text": text,
        "sender_name": name,
        "subscriber": PHONE,
        "category": category,
        "reply_to": {"kind": "sms", "address": PHONE},
    }


async def opened(world: World, role: str, tokens: list[str]) -> httpx.Response:
    url = world.system.urls["intake"]["api"]
    headers = world.player.headers(role, f"{role}:test")
    async with httpx.AsyncClient(trust_env=False) as client:
        body = {"tokens": tokens[:100], "purpose": "check"}
        return await client.post(f"{url}/open", json=body, headers=headers)


def tokens_in(part: Any, person: str) -> set[str]:
    """Every token of a person, wherever it stands."""
    if isinstance(part, dict):
        return set[str]().union(*(tokens_in(one, person) for one in part.values()))
    if isinstance(part, list):
        return set[str]().union(*(tokens_in(one, person) for one in part))
    try:
        return {part} if isinstance(part, str) and str(parse(part).person) == person else set()
    except BadToken:
        return set()


async def all_tokens(world: World, person: str) -> list[str]:
    found: set[str] = set()
    for value in await read_log(world.system):
        found |= tokens_in(json.loads(value), person)
    return sorted(found)


def test_exported_then_locked_then_destroyed_to_the_microsecond(tmp_path: Path) -> None:
    seen: dict[str, Any] = {}
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonFormatter("test"))

    async def scene(world: World) -> None:
        data = world.system.places.data
        oldest, proof_of_oldest = await _filed(world)
        first = await world.say(**words("mobile.coverage"))
        who = await world.accepts(first)
        await world.player.do("routing", f"/work/{first}/opinion", {"opinion": STAFF}, **who)
        await world.answers(first, who, ANSWER)
        notice = await _delivered(world, first)
        await world.at("2025-08-31 20:00:00")
        await world.replies(await world.receipt(first), 9, resolved=True)
        second = await world.say(**words("billing.overcharge"))

        code, out, _ = await bihuan(data, "person", "find", "--json", said="139-7770-0015\n")
        assert code == 0
        person = json.loads(out)["person"]
        assert (await bihuan(data, "person", "find", said="13977700016\n"))[0] == 1
        code, about = await told(data, "person", "show", person)
        assert [one["complaint"] for one in about["complaints"]] == [oldest, first, second]
        assert about["erasure"] is None

        await _export(data, tmp_path / "all.json", person, [oldest, first, second])
        again = await bihuan(data, "person", "export", person, "--out", str(tmp_path / "all.json"))
        assert again[0] == 1  # never over a file that is there
        accesses = [one.data for one in await world.log() if one.type == "person.accessed.v1"]
        purposes = {one.purpose for one in accesses if str(one.by) == "privacy:local"}
        assert purposes == {"request_of_the_person", "data_subject_export"}

        tokens = await all_tokens(world, person)
        assert len(tokens) >= 5  # words, names, addresses, an opinion, notices
        assert (await opened(world, "service", tokens)).status_code == 200
        basis = ("--basis", "asked_by_the_person")
        code, stands = await told(data, "person", "erase", person, *basis)
        assert code == 0
        assert stands["erasure"]["mode"] == "locked"
        assert set(stands["erasure"]["keeping"]) == {oldest, first, second}, "asked of each"
        refused = await opened(world, "service", tokens)
        assert (refused.status_code, refused.json()["rule"]) == (403, "locked")
        audited = await opened(world, "auditor", tokens)
        assert audited.status_code == 200
        assert WORDS in audited.text
        code, repeated = await told(data, "person", "erase", person, *basis)
        assert (code, repeated["events"]) == (0, [])

        await world.at("2025-09-15 10:00:00")
        withdraw = {"by": "staff", "reason": "customer_said"}
        await world.player.do("intake", f"/complaints/{second}/withdraw", withdraw, role="desk")
        await world.settle()
        until = ("--until", "2026-04-01", "--ground", "lawsuit", "--complaint", second)
        assert (await bihuan(data, "hold", "place", "court-7", *until))[0] == 0
        assert (await bihuan(data, "hold", "place", "court-7", *until))[0] == 0  # told twice
        assert (await bihuan(data, "hold", "lift", "court-8", "--ground", "settled"))[0] == 1
        code, on = await told(data, "hold", "list")
        assert [(one["hold"], one["complaint"]) for one in on["holds"]] == [("court-7", second)]
        await world.settle()
        await world.at("2026-03-01 00:00:00")
        at_once = (oldest, sh("2025-08-31 20:00:00"))  # its six months were over
        assert await _noted(world) == [at_once]
        await world.settle()
        assert set(await _noted(world)) == {at_once, (first, sh("2026-03-01 00:00:00"))}
        assert (await opened(world, "auditor", tokens)).status_code == 200
        await world.at("2026-03-16 00:00:00")
        await world.settle()  # the floor is over, the hold is on
        assert (await opened(world, "auditor", tokens)).status_code == 200
        await _auditor_reads(world, first, person)
        await world.at("2026-04-01 00:00:00")
        assert (await opened(world, "auditor", tokens)).status_code == 200
        await world.settle()

        erased = [one for one in await world.log() if one.type == "person.erased.v1"]
        assert [(one.data.mode, one.time) for one in erased] == [
            ("locked", sh("2025-08-31 20:00:00")),
            ("destroyed", sh("2026-04-01 00:00:00")),
        ]
        every = await all_tokens(world, person)
        assert set(tokens) <= set(every)
        async with asyncio.timeout(20):  # the vault follows the log, in a thread of its own
            while True:
                if (await opened(world, "auditor", every)).status_code != 200:
                    break
                await asyncio.sleep(0.1)
        for role in ("auditor", "service", "privacy"):
            gone = await opened(world, role, every)
            assert (gone.status_code, gone.json()["rule"]) == (410, "erased"), role
        assert (await bihuan(data, "person", "find", said=f"{PHONE}\n"))[0] == 1
        assert (await bihuan(data, "person", "erase", person, *basis))[0] == 1
        code, proof = await told(data, "verify")
        assert (code, proof["faults"]) == (0, [])
        await roots_hold(world)
        size, said = proof_of_oldest
        assert await inclusion(world, oldest, size) == said

        seen["found"], seen["places"] = await _searched(
            world, {"": first, " of the filed one": oldest}, person, tmp_path, stream.getvalue()
        )
        opened_now = (await bihuan(data, "notices", "show", notice))[1]
        assert ("已销毁" in opened_now, ANSWER in opened_now) == (True, False)
        await _referred(world, first, every)
        third = await world.say(**words("mobile.coverage"))
        code, out, _ = await bihuan(data, "person", "find", "--json", said=f"{PHONE}\n")
        assert json.loads(out)["person"] != person
        shown = await world.player.get("intake", f"/complaints/{third}", role="auditor")
        assert shown["complaint"] == third

    root = logging.getLogger()
    root.addHandler(handler)
    try:
        play(tmp_path / "system", "2025-02-10 12:00:00", scene)
    finally:
        root.removeHandler(handler)
    assert {place for _, place in seen["found"]} == {CHANNEL}, "kept for 72 hours, and it alone"
    assert {planted for planted, _ in seen["found"]} >= {PHONE, NAME, WORDS}, "the search finds"
    for kind in SEARCHED:
        assert any(kind in place for place in seen["places"]), kind


async def _filed(world: World) -> tuple[str, tuple[int, bytes]]:
    """The person's oldest complaint, its month in a file before anybody asks for anything; with the
    proof that it is under a checkpoint: of which size, and the proof's bytes.
    """
    oldest = await world.say(**words("mobile.coverage", FILED, FILED_NAME))
    await world.answers(oldest, await world.accepts(oldest))
    await world.replies(await world.receipt(oldest), 9, resolved=True)
    await world.at("2025-08-31 12:00:00")
    await write_away(world, "2025-02")
    size = await sealed_size(world)
    return oldest, (size, await inclusion(world, oldest, size))


async def _delivered(world: World, complaint: str) -> str:
    """The answer, given to the development gateway and shown by it in clear."""
    gateway = gateway_of(world.system.places)
    await gateway.start()
    try:
        async with asyncio.timeout(30):
            while True:
                answers = _answers(gateway, complaint)
                if answers:
                    break
                await asyncio.sleep(0.1)
    finally:
        await gateway.stop()
    (notice,) = answers
    code, shown, _ = await bihuan(world.system.places.data, "notices", "show", notice)
    assert (code, ANSWER in shown) == (0, True)
    return notice


def _answers(gateway: Gateway, complaint: str) -> list[str]:
    """The answers that it keeps of a complaint; each has sealed words and a sealed address."""
    kept = gateway.kept.notices(UUID(complaint))
    return [
        str(one.message.data.notice)
        for one in kept
        if one.message.data.kind is NoticeKind.ANSWER and one.sealed
    ]


async def _auditor_reads(world: World, complaint: str, person: str) -> None:
    """Locked to storage, an auditor still reads with a purpose, and is named as who did (PIPL)."""
    about = {"complaint": complaint, "purpose": "inquiry-bundle"}
    form = {"from": "2025-08-31", "to": "2025-08-31", "purpose": "inquiry-form", "format": "csv"}
    answer = await _post(world, "/bundles/opened", about)
    with zipfile.ZipFile(io.BytesIO(answer.content)) as bundle:
        words = "".join(bundle.read(one).decode("utf-8", "replace") for one in bundle.namelist())
    assert WORDS in words
    assert WORDS in (await _post(world, "/reports/records/opened", form)).content.decode("utf-8")
    await world.settle()
    accesses = [one for one in await world.log() if one.type == "person.accessed.v1"]
    readers = {(one.subject, str(one.data.by), one.data.purpose) for one in accesses}
    assert {
        (person, "auditor:test", "inquiry-bundle"),
        (person, "auditor:test", "inquiry-form"),
    } <= readers


async def _referred(world: World, complaint: str, tokens: list[str]) -> None:
    """Race 16: the regulator refers it later; the case opens on the record without the data."""
    receipt = (await world.receipt(complaint)).replace("-", "")
    await world.say(
        "regulator",
        kind="regulator_referral",
        channel="regulator",
        text="请核查",
        receipt=receipt,
        regulator={"ref": "GX-2026-0401"},
    )
    await world.settle()
    (case,) = [
        one.data for one in await world.events(complaint, "case.requested") if one.data.tier == 4
    ]
    assert (case.trigger, case.regulator.ref) == ("regulator", "GX-2026-0401")
    reopened = await world.events(complaint, "complaint.reopened")
    assert [one.data.reason for one in reopened] == ["regulator"]
    gone = await opened(world, "auditor", tokens)
    assert (gone.status_code, gone.json()["rule"]) == (410, "erased")


async def _export(data: Path, to: Path, person: str, complaints: list[str]) -> None:
    code, _, err = await bihuan(data, "person", "export", person, "--out", str(to))
    assert code == 0, err
    _is_complete(to, complaints)


def _is_complete(to: Path, complaints: list[str]) -> None:
    """Everything that was said by then, each word with the complaint in which it was said."""
    assert to.stat().st_mode & 0o777 == 0o600
    text = to.read_text("utf-8")
    document = json.loads(text)
    oldest, first, second = (
        json.dumps(one["records"], ensure_ascii=False) for one in document["complaints"]
    )
    assert [one["complaint"] for one in document["complaints"]] == complaints
    here = {PHONE: 3, NAME: 2, WORDS: 2, STAFF: 1, ANSWER: 1, FILED: 1, FILED_NAME: 1}
    for planted, count in here.items():
        assert [planted in one for one in (oldest, first, second)].count(True) == count, planted
    assert FILED in oldest
    assert FILED_NAME in oldest
    assert STAFF in first
    assert "bs1." not in text
    for records in document["complaints"][:2]:
        assert {one["source"] for one in records["records"]} == {
            f"/bihuan/{name}" for name in ("intake", "routing", "sla_watch", "feedback_survey")
        }


async def _noted(world: World) -> list[tuple[str, Any]]:
    return [
        (one.subject, one.time)
        for one in await world.log()
        if one.type == "complaint.erasure_noted.v1" and one.data.state == "free"
    ]


async def _searched(
    world: World, complaints: dict[str, str], person: str, folder: Path, logs: str
) -> tuple[list[tuple[str, str]], list[str]]:
    """Where any planted value still stands, and all places that were looked at: topics, every
    table of every database, every file of the installation, and whatever can be had of it anew.

    All six services are in this one process here, so the log and the caches are theirs together.
    """
    places = {
        f"topic {name}": await topic(world, world.system.topic_prefix + name)
        for name in ("complaints.channel", "complaints.log", "complaints.outbound")
    }
    for name in DATABASES:
        places |= tables(world.system.stack.dsn(name), name)
    places["logs"] = logs.encode()
    data = world.system.places.data
    for file in (one for one in data.rglob("*") if one.is_file()):
        places[f"file {file.relative_to(data)}"] = file.read_bytes()
    assert _whose(person) in places["file gateway/notices.sqlite"]
    places |= await _filed_away(data, person)
    opened_form = {"from": "2025-02-10", "to": "2025-08-31", "purpose": "after-erasure"}
    wanted: list[tuple[str, str, Any]] = [
        ("complaint record opened", "/reports/records/opened", opened_form)
    ]
    for which, complaint in complaints.items():
        asked = {"complaint": complaint, "purpose": "after-erasure"}
        bundles = (("bundle sealed", "/bundles"), ("bundle opened", "/bundles/opened"))
        wanted += [(f"{name}{which}", path, asked) for name, path in bundles]
    for name, path, body in wanted:
        answer = await _post(world, path, body)
        assert answer.is_success, (path, answer.text)
        places[name] = answer.content
        if zipfile.is_zipfile(io.BytesIO(answer.content)):
            places |= {f"{name} {one}": it for one, it in _proven(folder, answer.content).items()}
    after, page = folder / "after.json", folder / "after.html"
    written = ("--out", str(after), "--page", str(page))
    assert (await bihuan(data, "person", "export", person, *written))[0] == 0
    places["export after"] = after.read_bytes() + page.read_bytes()
    kinds = ("complaints", "work", "notices")
    paths = [f"/{kind}/{complaint}" for kind in kinds for complaint in complaints.values()]
    for complaint in complaints.values():
        places[f"timeline of {complaint}"] = (await bihuan(data, "timeline", complaint))[1].encode()
    for service in SERVICES:
        for path in paths:
            url = world.system.urls[service]["api"] + path
            headers = world.player.headers("auditor", "auditor:test")
            async with httpx.AsyncClient(trust_env=False) as client:
                places[f"answer {path} of {service}"] = (
                    await client.get(url, headers=headers)
                ).content
    channel = world.app("intake").channel
    assert channel is not None
    vault = channel.door._vault  # type: ignore[attr-defined]  # what it remembers is shown nowhere
    places["cached keys"] = repr(sorted(str(one) for one, _ in vault._ciphers)).encode()
    assert person.encode() not in places["cached keys"]
    return [
        (marker, place)
        for place, content in places.items()
        for marker in PLANTED
        if any(form in content for form in forms(marker))
    ], sorted(places)


async def _filed_away(data: Path, person: str) -> dict[str, bytes]:
    """What the months' files hold, read by themselves and asked by SQL."""
    found = decoded(data)
    code, out, err = await bihuan(data, "archive", "query", "SELECT * FROM record", "--json")
    assert code == 0, err
    found["asked of the files"] = out.encode()
    assert [place for place, content in found.items() if _whose(person) in content] == list(found)
    return found


def _whose(person: str) -> bytes:
    """How every token of theirs begins."""
    return b"bs1." + urlsafe_b64encode(UUID(person).bytes[:15])


def _proven(folder: Path, packed: bytes) -> dict[str, bytes]:
    """The files of a bundle that its own verifier, run by plain Python, finds true."""
    path = folder / "bundle.zip"
    path.write_bytes(packed)
    files = opened_up(path)
    (folder / "verify_bundle.py").write_bytes(files["verify_bundle.py"])
    code, said = plain_python(path)
    assert code == 0, said
    return files


async def _post(world: World, path: str, body: Any) -> httpx.Response:
    key = f"{path}-{body.get('complaint', 'all')}"
    headers = {**world.player.headers("auditor", "auditor:test"), "Idempotency-Key": key}
    url = world.system.urls["audit"]["api"] + path
    async with httpx.AsyncClient(trust_env=False, timeout=60) as client:
        return await client.post(url, json=body, headers=headers)
