"""Evidence bundles of the running system, checked by plain Python with nothing of ours.

What tampers is written here and shares nothing with what makes or checks bundles.
"""

import asyncio
import base64
import json
import re
import subprocess
import sys
import zipfile
from collections.abc import Callable
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import Any

import psycopg

from services.audit.evidence import verify_bundle
from tests.e2e.commands import bihuan, told
from tests.e2e.promised import Ref, Told, whether_each_was_kept
from tests.e2e.world import DATABASES, World, read_log, world
from tests.stack import UNGUARDED, room

START = "2025-10-09 09:00:00"
PHONE, WORDS = "13800000771", "上个月的漫游费太贵了, 我姓欧阳"
TOLD_BEFORE = {
    "explanation": "已电话答复",
    "decision": "upheld",
    "told_by": "call",
    "occurred_at": "2025-10-09T09:10:00+08:00",
}
"""An answer by telephone, put on record ten minutes later: it happened at another time."""
SCRIPT = Path(verify_bundle.__file__)

Files = dict[str, bytes]


def plain_python(bundle: Path, *key: str) -> tuple[int, str]:
    """Runs the script as an auditor would: isolated, without site packages, anywhere."""
    ran = subprocess.run(
        [sys.executable, "-I", "-S", str(bundle.parent / "verify_bundle.py"), str(bundle), *key],
        capture_output=True,
        text=True,
        check=False,
        cwd="/",
        env={"PYTHONIOENCODING": "utf-8"},
    )
    assert ran.stderr == ""
    return ran.returncode, ran.stdout


def opened_up(bundle: Path) -> Files:
    with zipfile.ZipFile(bundle) as file:
        return {name: file.read(name) for name in file.namelist()}


def packed(files: Files) -> bytes:
    """As bundles are packed, so that a tampered one is found for its own reason."""
    out = BytesIO()
    with zipfile.ZipFile(out, "w") as file:
        for name, data in sorted(files.items()):
            entry = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            entry.create_system, entry.external_attr = 3, 0o644 << 16
            file.writestr(entry, data)
    return out.getvalue()


# -- twenty bundles, some of them tampered with ---------------------------------------------------


def lines(files: Files) -> list[bytes]:
    return files["events.jsonl"].splitlines(keepends=True)


def relisted(files: Files) -> Files:
    """The manifest's digests made to fit, as somebody without the key could."""
    manifest = json.loads(files["manifest.json"])
    for name in manifest["files"]:
        manifest["files"][name] = sha256(files[name]).hexdigest()
    return {**files, "manifest.json": json.dumps(manifest).encode()}


def with_events(change: Callable[[list[bytes]], list[bytes]]) -> Callable[[Files], Files]:
    return lambda files: {**files, "events.jsonl": b"".join(change(lines(files)))}


def flip(files: Files, name: str, at: int) -> Files:
    data = bytearray(files[name])
    data[at % len(data)] ^= 1
    return {**files, name: bytes(data)}


def without_last(files: Files) -> Files:
    """The last event cut off, with its proof and its head: only the signature can tell."""
    proofs = json.loads(files["proofs.json"])
    del proofs["events"][sha256(lines(files)[-1][:-1]).hexdigest()]
    cut = {
        **files,
        "events.jsonl": b"".join(lines(files)[:-1]),
        "proofs.json": json.dumps(proofs).encode(),
    }
    manifest = json.loads(cut["manifest.json"])
    gone = json.loads(lines(files)[-1])
    before = [json.loads(line) for line in lines(files)[:-1]]
    for head in manifest["heads"]:
        if (head["source"], head["subject"]) == (gone["source"], gone["subject"]):
            head["sequence"] -= 1
            for line, event in zip(lines(files), before, strict=False):
                if (event["source"], int(event["sequence"])) == (head["source"], head["sequence"]):
                    head["digest"] = sha256(line[:-1]).hexdigest()
    return relisted({**cut, "manifest.json": json.dumps(manifest).encode()})


def another_time(files: Files) -> Files:
    changed = files["events.jsonl"].replace(b'"time":"2025-10-09T01', b'"time":"2025-10-09T00', 1)
    return relisted({**files, "events.jsonl": changed})


def another_root(files: Files) -> Files:
    note = files["checkpoint.txt"].decode().split("\n")
    note[2] = base64.b64encode(bytes(32)).decode()
    return relisted({**files, "checkpoint.txt": "\n".join(note).encode()})


TAMPERED: dict[str, Callable[[Files], Files]] = {
    "a byte of an event": lambda files: flip(files, "events.jsonl", 333),
    "a byte of an event, listed so": lambda files: relisted(flip(files, "events.jsonl", 333)),
    "a byte of the last event": lambda files: flip(files, "events.jsonl", -5),
    "a policy": lambda files: relisted(flip(files, "policies.jsonl", 900)),
    "a proof": lambda files: relisted(flip(files, "proofs.json", 60)),
    "the checkpoint's size": lambda files: relisted(flip(files, "checkpoint.txt", 13)),
    "the checkpoint's root": another_root,
    "the page": lambda files: flip(files, "page.html", 700),
    "the manifest": lambda files: flip(files, "manifest.json", 30),
    "the first event gone": with_events(lambda all_: all_[1:]),
    "one from the middle gone": with_events(lambda all_: all_[:4] + all_[5:]),
    "the last event cut off": without_last,
    "two swapped": with_events(lambda all_: [all_[1], all_[0], *all_[2:]]),
    "one twice": with_events(lambda all_: [*all_, all_[3]]),
    "a time set back": another_time,
}


def test_tampered_bundles_are_told_from_true_ones_by_plain_python(tmp_path: Path) -> None:
    handled_by: dict[str, Any] = {}

    async def play(playing: World) -> dict[str, Path]:
        first = await playing.say(
            text=WORDS,
            subscriber=PHONE,
            category="billing.overcharge",
            reply_to={"kind": "sms", "address": PHONE},
        )
        second = await playing.say(
            text="没信号", subscriber="13800000772", category="mobile.coverage"
        )
        handled_by.update(await playing.accepts(second))
        await playing.at("2025-10-09 09:20:00")
        url = f"/work/{second}/answer"
        await playing.player.do("routing", url, TOLD_BEFORE, **handled_by)
        await playing.settle()
        await playing.at("2025-10-09 11:30:00")
        data = playing.system.places.data
        made = {}
        for name, words in {
            "one": (first,),
            "again": (first,),
            "receipt": (await playing.receipt(first),),
            "period": ("--from", "2025-10-09T09:00:00+08:00", "--to", "2025-10-09T10:00:00+08:00"),
            "opened": (first, "--opened", "--purpose", "appeal"),
        }.items():
            out = tmp_path / f"{name}.zip"
            code, answer = await told(data, "bundle", *words, "--out", str(out))
            assert code == 0
            assert answer["digest"] == f"sha-256={sha256(out.read_bytes()).hexdigest()}"
            made[name] = out
        assert (await bihuan(data, "bundle", first, "--out", str(out)))[0] == 2  # is there already
        nobody = ("bundle", "5b0fdb9c-6f5b-5f3c-9d55-0d3c6a0a4a11", "--out", f"{out}.no")
        assert (await bihuan(data, *nobody))[0] == 1
        await on_record(playing, first)
        await bundles_of_a_harmed_archive(playing, first, tmp_path)
        await none_can_be_made(playing, first, tmp_path)
        return made

    async def whole() -> tuple[dict[str, Path], str]:
        with room(DATABASES) as where:
            async with world(where, tmp_path / "data", START) as playing:
                made = await play(playing)
                key = playing.system.places.keys / "checkpoint.key.pub"
                return made, key.read_text("ascii").strip()

    made, key = asyncio.run(whole())
    assert made["again"].read_bytes() == made["one"].read_bytes() == made["receipt"].read_bytes()
    the_sealed_ones_hold_nothing_of_persons(made)
    (tmp_path / "verify_bundle.py").write_bytes(opened_up(made["one"])["verify_bundle.py"])
    true_files = opened_up(made["one"])
    shown: dict[str, tuple[int, str]] = {}
    for name, path in made.items():
        shown[name] = plain_python(path, key)
    for name, tamper in TAMPERED.items():
        path = tmp_path / "tampered.zip"
        path.write_bytes(packed(tamper(true_files)))
        shown[name] = plain_python(path, key)
    assert len(shown) == 20
    found = {name for name, (code, _) in shown.items() if code != 0}
    assert found == set(TAMPERED), {name: shown[name] for name in found ^ set(TAMPERED)}
    for name in found:
        assert "WRONG" in shown[name][1] or "NO BUNDLE" in shown[name][1], name
    named_by_their_own(shown, true_files)
    promised: dict[str, dict[Ref, Told]] = {}
    for name, path in made.items():
        who_did_what_when(shown[name][1], lines(opened_up(path)))
        promised[name] = whether_each_was_kept(shown[name][1], lines(opened_up(path)))
    assert {ref[1]: became for ref, (_, _, became) in promised["one"].items()} == {
        "acknowledge": "KEPT at 2025-10-09T01:00:00.000000Z",
        "first_contact": "BROKEN",  # nobody spoke to them within the hour
        "resolve": "running",
        "legal.answer": "running",
    }
    period = [json.loads(line) for line in lines(opened_up(made["period"]))]
    assert any(one.get("occurredat", one["time"]) != one["time"] for one in period)
    theirs = {one["type"] for one in period if one["actor"] == handled_by["actor"]}
    assert {"work.accepted.v1", "work.answered.v1"} <= theirs
    another_key(tmp_path, made["one"])


def named_by_their_own(shown: dict[str, tuple[int, str]], files: Files) -> None:
    """The event that was changed is the one that is named."""
    events = [json.loads(line) for line in lines(files)]
    gone = events[4]
    middle = shown["one from the middle gone"][1]
    assert f"{gone['source']} {gone['subject']} number {gone['sequence']}: " in middle
    assert "ALL HOLDS" in shown["one"][1]
    assert "complaint.registered.v1" in shown["one"][1]
    (kept,) = [one for one in shown["one"][1].splitlines() if "  acknowledge  " in one]
    assert ": KEPT at 2025-10-09T01:00:00" in kept  # which promise was kept is said


STEP = re.compile(r" *(\d+)  (\S+)  (\S+) +(\S+) <- (.+?)(?: \((.*)\))?")


def who_did_what_when(out: str, held: list[bytes]) -> None:
    """The verifier's STEPS, line by line, against the events as they are read here."""
    events = [json.loads(line) for line in held]
    told = out.split("\nSTEPS: ")[1].partition("\n\n")[0].splitlines()[1:]
    said = []
    for number, line in enumerate(told, 1):
        step = STEP.fullmatch(line)
        assert step is not None, line
        at, time, kind, actor, cause, reason = step.groups()
        assert int(at) == number
        led = re.fullmatch(r"step (\d+)", cause)
        said.append((time, kind, actor, events[int(led[1]) - 1]["id"] if led else cause, reason))
    assert said == [
        (one["time"], one["type"], one["actor"], one["causationid"], one["data"].get("reason"))
        for one in events
    ]
    assert any("<- step " in line for line in told)
    assert not all("<- step " in line for line in told)


def another_key(folder: Path, bundle: Path) -> None:
    """Signed by somebody, but not by who is trusted."""
    other = verify_bundle.sha256(b"\x01" + bytes(32))
    line = base64.b64encode(b"\x01" + other).decode()
    named = sha256(b"bihuan/audit\n" + b"\x01" + other).digest()[:4].hex()
    code, out = plain_python(bundle, f"bihuan/audit+{named}+{line}")
    assert code == 1
    assert "not the key that you trust" in out
    assert plain_python(folder / "nothing.zip", "x")[0] == 2


def the_sealed_ones_hold_nothing_of_persons(made: dict[str, Path]) -> None:
    for name in ("one", "period"):
        for file, data in opened_up(made[name]).items():
            for planted in (PHONE, "欧阳", "漫游费太贵"):
                assert planted.encode() not in data, (name, file)
    texts = json.loads(opened_up(made["opened"])["opened.json"])
    assert {PHONE, WORDS} <= set(texts.values())
    assert all(token.startswith("bs1.") for token in texts)
    page = opened_up(made["one"])["page.html"].decode()
    assert "10010" in page
    for said in ("受理告知", "已兑现", "计时中"):
        assert said in page, said
    manifest = json.loads(opened_up(made["one"])["manifest.json"])
    assert manifest["variant"] == "sealed"
    followed = [json.loads(line) for line in opened_up(made["one"])["policies.jsonl"].splitlines()]
    assert {"clocks", "working-days"} <= {one["subject"] for one in followed}


_TEXT = "UPDATE archive SET state = replace(encode(state, 'escape'), {})::bytea"
HARMED: dict[str, tuple[int, str]] = {
    "a byte": (2, "UPDATE archive SET state = set_byte(state, 1, get_byte(state, 1) # 1)"),
    "an actor": (2, _TEXT.format("""'"actor":"', '"actor":"x'""")),
    "a time": (1, _TEXT.format("""'"time":"2025-10', '"time":"2025-13'""")),
    "a line end": (2, "UPDATE archive SET state = '\\x0a'::bytea || state"),
    "nothing left": (1, "UPDATE archive SET state = ''"),
    "the first gone": (1, "DELETE FROM archive"),
    "the last gone": (2, "DELETE FROM archive"),
}
"""What somebody with the database's keys did to one event of intake's stream."""


async def bundles_of_a_harmed_archive(playing: World, complaint: str, folder: Path) -> None:
    """The bundle is made of what is left; its verifier names that event and no other."""
    data = playing.system.places.data
    key = (playing.system.places.keys / "checkpoint.key.pub").read_text("ascii").strip()
    period = ("--from", "2025-10-09T09:00:00+08:00", "--to", "2025-10-09T10:00:00+08:00")
    for name, (number, change) in HARMED.items():
        harm = f"{change} WHERE source = '/bihuan/intake' AND subject = %s AND sequence = %s"
        with psycopg.connect(playing.system.stack.dsn("bihuan_audit"), options=UNGUARDED) as conn:
            conn.execute(
                "CREATE TABLE kept AS SELECT * FROM archive WHERE subject = %s", (complaint,)
            )
            assert conn.execute(harm, (complaint, number)).rowcount == 1
        for words in ((complaint,),) if name.endswith(" gone") else ((complaint,), period):
            out = folder / "harmed.zip"
            out.unlink(missing_ok=True)
            code, answer = await told(data, "bundle", *words, "--out", str(out))
            assert code == 0, (name, words, answer)
            assert answer["harmed"] == (not name.endswith(" gone")), (name, words)
            (folder / "verify_bundle.py").write_bytes(opened_up(out)["verify_bundle.py"])
            code, said = await asyncio.to_thread(plain_python, out, key)
            wrong = [line for line in said.splitlines() if line.startswith("WRONG")]
            assert code == 1, (name, words, said)
            here = f"/bihuan/intake {complaint} number {number}: "
            blamed = [line for line in wrong if " number " in line]
            assert blamed, (name, words, wrong)
            assert all(here in line for line in blamed), (name, words, wrong)
        assert (await told(data, "timeline", complaint))[0] == 0, name
        assert (await told(data, "timeline", complaint, "--html", f"{out}.html"))[0] == 0, name
        code, shown = await told(data, "show", complaint)
        reasons = ("cannot be read", "is missing before")
        assert code == 0 or any(one in shown["error"] for one in reasons), (name, shown)
        with psycopg.connect(playing.system.stack.dsn("bihuan_audit"), options=UNGUARDED) as conn:
            conn.execute("DELETE FROM archive WHERE subject = %s", (complaint,))
            conn.execute("INSERT INTO archive SELECT * FROM kept")
            conn.execute("DROP TABLE kept")


async def none_can_be_made(playing: World, complaint: str, folder: Path) -> None:
    """All of a complaint gone, or the tree's tiles: refused, and it is said why."""
    data, dsn = playing.system.places.data, playing.system.stack.dsn("bihuan_audit")
    for table, which, said in (
        ("tile", "level = 0", "not whole"),
        ("archive", f"subject = '{complaint}'", "holds none"),
    ):
        with psycopg.connect(dsn, options=UNGUARDED) as conn:
            conn.execute(f"CREATE TABLE kept AS SELECT * FROM {table} WHERE {which}")
            conn.execute(f"DELETE FROM {table} WHERE {which}")
        code, refused = await told(data, "bundle", complaint, "--out", str(folder / "none.zip"))
        assert (code, said in refused["error"]) == (1, True), refused
        with psycopg.connect(dsn, options=UNGUARDED) as conn:
            conn.execute(f"INSERT INTO {table} SELECT * FROM kept")
            conn.execute("DROP TABLE kept")


async def on_record(playing: World, complaint: str) -> None:
    """Each bundle is an event of audit's; each opened text one of intake's."""
    events: list[Any] = [json.loads(value) for value in await read_log(playing.system)]
    made = [one["data"] for one in events if one["type"] == "export.made.v1"]
    whats = ["evidence_bundle"] * 4 + ["evidence_bundle_opened"]
    assert sorted(one["what"] for one in made) == whats
    opened = next(one for one in made if one["what"] == "evidence_bundle_opened")
    assert (opened["purpose"], opened["complaints"]) == ("appeal", [complaint])
    assert opened["by"] == "auditor:local"
    accessed = [one["data"] for one in events if one["type"] == "person.accessed.v1"]
    of_it = [one for one in accessed if (one["purpose"], one["complaint"]) == ("appeal", complaint)]
    assert {one["by"] for one in of_it} == {"auditor:local"}
