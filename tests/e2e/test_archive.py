"""A month leaves the database as a file, and nobody who asks notices: every answer is the same.

One running system, all services real, half a year played by the stepped clock.
"""

import asyncio
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import yaml

from cli.client import Client
from cli.places import Places
from tests.e2e.bucket import Bucket, settings_for
from tests.e2e.commands import bihuan, told
from tests.e2e.in_a_bucket import written_and_restored
from tests.e2e.purged_file import purged
from tests.e2e.test_retention import LEAP, archive_lines, leaps
from tests.e2e.trimming import (
    trims,
    what_a_service_has_not_heard_stays,
    what_audit_has_not_archived_stays,
)
from tests.e2e.world import World, play
from tests.integration.audit.test_checkpoints import PAGE, run_the_page

START = "2025-10-09 09:00:00"
CLOCKS = Path(__file__).parents[2] / "services/sla_watch/policy/clocks.v1.yaml"
LATER = "2026-05-04 10:20:00"
"""More than six months after anything that happened here, for policy and database alike."""


async def loop(playing: World, number: int) -> str:
    complaint = await playing.say(
        subscriber=f"138000007{number:02}", category="mobile.noncoverage.data_speed"
    )
    who = await playing.accepts(complaint)
    if number % 2:
        await playing.stepper.run_until(playing.clock.now() + timedelta(hours=2))
    await playing.answers(complaint, who)
    await playing.replies(await playing.receipt(complaint), 8, resolved=True)
    return complaint


Answers = dict[str, bytes]


def answers(data: Path, complaints: list[str], size: int) -> Answers:
    """What anybody may ask of these complaints, byte for byte."""
    found: Answers = {}
    rules = yaml.safe_load(CLOCKS.read_text("utf-8"))
    tried = {**rules, "version": "tried", "effective_from": "2025-10-01"}
    with Client(Places(data), actor="auditor:a-1", roles=("auditor", "service")) as client:
        for complaint in complaints:
            here = f"/complaints/{complaint}"
            event = f"intake/{complaint}/1"
            asked_for: list[tuple[str, dict[str, Any]]] = [
                (f"{here}/timeline", {}),
                (f"{here}/timeline", {"limit": 7}),
                (f"{here}/timeline.html", {}),
                (f"{here}/records", {}),
                (here, {"at": "2025-10-09T11:00:00+08:00"}),
                (here, {"at": "2025-12-01T00:00:00+08:00"}),
                (f"/streams/intake/{complaint}", {}),
                (f"/streams/sla_watch/{complaint}", {"limit": 2}),
                ("/proofs/inclusion", {"event": event, "size": size}),
            ]
            for path, query in asked_for:
                found[f"{path} {query}"] = client.get_bytes("audit", path, **query)
            asked = {"complaint": complaint, "purpose": "appeal", "size": size}
            found[f"bundle {complaint}"] = client.download("audit", "/bundles", asked)[0]
            body = {"complaint": complaint, "contents": [tried]}
            found[f"what if {complaint}"] = client.download("audit", "/what-if", body)[0]
        day = {
            "since": "2025-10-09T00:00:00+08:00",
            "until": "2025-10-10T00:00:00+08:00",
            "purpose": "appeal",
            "size": size,
        }
        found["bundle of a day"] = client.download("audit", "/bundles", day)[0]
        for partition in range(12):
            query = {"partition": partition, "limit": 40}
            found[f"log {partition}"] = client.get_bytes("audit", "/log/records", **query)
    return found


def same(name: str, before: bytes, after: bytes) -> bool:
    """Equal; of the log, which goes on, what was told before."""
    return after.startswith(before) if name.startswith("log ") else after == before


async def the_same(playing: World, complaints: list[str], size: int, before: Answers) -> None:
    after = await asyncio.to_thread(answers, playing.system.places.data, complaints, size)
    assert {name for name in before if not same(name, before[name], after[name])} == set()
    code, proof = await told(playing.system.places.data, "verify")
    assert (code, proof["faults"], proof["log"]) == (0, [], "compared")


def rows_of(playing: World) -> int:
    dsn = playing.system.stack.service_dsn("bihuan_audit")
    with psycopg.connect(dsn) as conn:
        row = conn.execute("SELECT count(*) FROM archive WHERE cohort = '2025-10-01'").fetchone()
    assert row is not None
    return int(row[0])


async def may_not_leave_yet(playing: World, open_one: str) -> None:
    """What is open keeps its month; so does what was recorded lately."""
    data = playing.system.places.data
    code, one = await told(data, "archive", "write", "2025-10", "--dry-run")
    assert code == 1
    assert one["keeps"][0] == "1 complaint(s) are open"
    code, _, err = await bihuan(data, "archive", "write", "2025-10")
    assert code == 1
    assert "1 complaint(s) are open" in err
    who = await playing.accepts(open_one)
    await playing.answers(open_one, who)
    await playing.replies(await playing.receipt(open_one), 9, resolved=True)
    code, one = await told(data, "archive", "write", "2025-10", "--dry-run")
    assert (code, one["open"]) == (1, 0)
    assert one["keeps"][0] == "not quiet long enough: from 2026-04-10 on"


async def nor_by_a_leap(playing: World) -> None:
    """Time that nobody lived through takes no month into a file (decision 15)."""
    dry_run = ("archive", "write", "2025-10", "--dry-run")
    leaps(playing, LEAP)
    code, one = await told(playing.system.places.data, *dry_run)
    assert (code, one["keeps"]) == (1, ["not quiet long enough: from 2026-04-10 on"])
    leaps(playing, -LEAP)
    assert (await told(playing.system.places.data, *dry_run))[0] == 0


async def asked_without_loading_back(playing: World, complaints: list[str]) -> None:
    data = playing.system.places.data
    sql = f"SELECT count(*), count(DISTINCT source) FROM record WHERE subject = '{complaints[0]}'"
    code, told_ = await told(data, "archive", "query", sql)
    events = await playing.events(complaints[0])
    assert (code, told_["rows"]) == (0, [[len(events), len({one.source for one in events})]])
    code, told_ = await told(data, "archive", "query", "outcomes")
    assert told_["rows"] == [["2025-10", "satisfied", len(complaints)]]
    for sql in ("DROP VIEW record", "COPY (SELECT 1) TO '/tmp/x'", "SELECT * FROM '/etc/passwd'"):
        code, _, err = await bihuan(data, "archive", "query", sql)
        assert code == 2, (sql, err)


def read_by_an_auditor(playing: World) -> None:
    """By the two programs that docs/auditors.md prints: files and the rest give every root."""
    folder = playing.system.places.data / "archive"
    rest = archive_lines(playing.system.stack.dsn("bihuan_audit"))
    (file,) = folder.glob("2025-10/*.parquet")

    def roots() -> tuple[set[str], str]:
        lines, wrong = run_the_other_program(folder, rest)
        said = run_the_page(lines)
        assert len([one for one in said if one.startswith("holds")]) in (0, len(said))
        return {one.split()[0] for one in said}, wrong

    assert roots() == ({"holds"}, "")
    whole = file.read_bytes()
    file.write_bytes(whole[:-1] + b"x")
    found, wrong = roots()
    assert "WRONG" in found
    assert wrong.split() == ["WRONG", file.name, "WRONG", "2025-10", file.stem]
    file.write_bytes(whole)


def run_the_other_program(folder: Path, rest: list[bytes]) -> tuple[list[bytes], str]:
    """The program for the files, with DuckDB and nothing of ours; (lines, what it complains of)."""
    program = PAGE.read_text("utf-8").split("```python\n")[1].split("```")[0]
    assert len(program.splitlines()) <= 40
    ran = subprocess.run(
        [sys.executable, "-I", "-c", program, str(folder)],
        input=b"".join(rest),
        capture_output=True,
        check=False,
        cwd="/",
    )
    assert ran.returncode == 0, ran.stderr.decode()
    return ran.stdout.splitlines(keepends=True), ran.stderr.decode()


async def come_back(playing: World, complaints: list[str], size: int, before: Answers) -> None:
    data = playing.system.places.data
    file = next((data / "archive" / "2025-10").glob("*.parquet"))
    whole = file.read_bytes()
    changed = bytearray(whole)
    changed[len(changed) // 2] ^= 1
    file.write_bytes(changed)
    code, checked = await told(data, "archive", "check")
    assert code == 1
    assert "does not have the bytes that its name says" in checked["problems"][0]
    _, proof = await told(data, "verify")
    assert [one["subject"] for one in proof["faults"] if one["kind"] == "file"] == ["2025-10"]
    code, _, err = await bihuan(data, "archive", "restore", "2025-10", "--reason", "no")
    assert code == 1
    assert "does not have the bytes" in err
    file.write_bytes(whole)
    code, done = await told(data, "archive", "restore", "2025-10", "--reason", "asked for")
    assert code == 0
    assert not file.exists()
    await playing.settle()
    assert rows_of(playing) >= done["events"]
    await the_same(playing, complaints, size, before)


async def kafka_forgets(playing: World, complaints: list[str], size: int, before: Answers) -> None:
    """Only what is archived, old and heard by all; the proof goes on with what is left."""
    data = playing.system.places.data
    if playing.system.places.running()["broker"] != "kafka":
        code, _, err = await bihuan(data, "archive", "trim")
        assert code == 1
        assert "no admin API" in err
        return
    code, planned = await told(data, "archive", "trim", "--dry-run")
    assert {one["start"] for one in planned["partitions"]} == {0}
    begin = await trims(playing)
    assert {one["partition"]: one["upto"] for one in planned["partitions"]} == begin
    await the_same(playing, complaints, size, before)
    await what_audit_has_not_archived_stays(playing)
    await what_a_service_has_not_heard_stays(playing)
    code, proof = await told(data, "verify")
    assert (code, proof["faults"], proof["log"]) == (0, [], "compared")


async def made_beside(playing: World, filed: int) -> None:
    """While a month lies in its file: audit, and any other service, beside the live one. Of audit's
    tables one differs: what left the live one as a file is rows in the new one.
    """
    data, places = playing.system.places.data, playing.system.places
    if places.running()["broker"] != "kafka":
        return
    asked = ("--beside", "--from", str(places.archive))
    code, found = await told(data, "rebuild", "audit", *asked)
    different = [(one["table"], one["beside"] - one["live"]) for one in found["different"]]
    assert (code, different) == (1, [("archive", filed)])
    code, found = await told(data, "rebuild", "routing", *asked)
    assert (code, found["different"], found["events"] > 0) == (0, [], True)


async def in_a_bucket(playing: World, complaints: list[str], folder: Path) -> None:
    """The same in a bucket; there most of the month's complaints are purged in the end."""
    bucket = Bucket()
    try:
        with settings_for(bucket, folder / "cache"):
            await playing.restart("audit")
            await written_and_restored(playing, bucket)
            await purged(playing, complaints, bucket, folder, run_the_other_program)
    finally:
        bucket.kill()


def test_a_month_leaves_and_comes_back_and_every_answer_is_the_same(tmp_path: Path) -> None:
    """DESIGN, Audit; issue 5: cohorts that nothing open touches leave as verified files."""

    async def scene(playing: World) -> None:
        data = playing.system.places.data
        complaints = [await loop(playing, number) for number in range(3)]
        complaints.append(
            await playing.say(subscriber="13800000799", category="billing.overcharge")
        )
        await may_not_leave_yet(playing, complaints[-1])
        await playing.at(LATER)
        code, sealed = await told(data, "checkpoint", "list")
        size = sealed["checkpoints"][0]["size"]
        before = await asyncio.to_thread(answers, data, complaints, size)
        rows = rows_of(playing)
        code, proof = await told(data, "verify")
        assert (code, proof["faults"]) == (0, [])
        await nor_by_a_leap(playing)
        code, done = await told(data, "archive", "write", "2025-10")
        assert code == 0, done
        await playing.settle()
        assert done["left"] == done["events"] > 80
        assert rows_of(playing) < rows
        assert (await told(data, "archive", "check"))[0] == 0
        await the_same(playing, complaints, size, before)
        await asked_without_loading_back(playing, complaints)
        await asyncio.to_thread(read_by_an_auditor, playing)
        again = await told(data, "archive", "write", "2025-10")
        assert again[0] == 0
        assert again[1]["events"] >= done["events"]  # the last checkpoint is sealed by now, too
        await playing.settle()
        await made_beside(playing, again[1]["events"])
        await come_back(playing, complaints, size, before)
        await kafka_forgets(playing, complaints, size, before)
        await in_a_bucket(playing, complaints, tmp_path)

    play(tmp_path / "data", START, scene)
