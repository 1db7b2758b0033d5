"""Checkpoints on real servers: sealed by the clock, carried away, made again after a rebuild."""

import asyncio
import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx
import psycopg
from confluent_kafka import Consumer, TopicPartition
from psycopg.rows import dict_row
from typer.testing import CliRunner

from cli.main import app
from libs.messaging.app import App
from libs.messaging.stepping import Stepper
from libs.timekeeping.clock import SteppedClock
from services.audit.domain.checkpoint import read_note, read_verifier_key
from services.audit.domain.leaves import read_list
from services.audit.domain.tree import EMPTY_ROOT, is_consistent
from services.audit.evidence.verify_bundle import verify
from services.audit.main import build
from services.audit.signing import is_signed
from tests.integration.audit.proofs import up
from tests.integration.audit.tellers import (
    OWN,
    Playing,
    complaint,
    playing,
    settings,
    tell_stories,
)
from tests.stack import Room, room

ONE, TWO = 6 + OWN, 8 + OWN
"""How many events `seal_twice` seals: a story's six; then one more, and the first checkpoint."""

FOUR = datetime(2025, 9, 30, 16, 0, tzinfo=UTC)

CLOSED, FIRST, SECOND = (
    f"2025-09-30T{one}.000000Z" for one in ("15:00:05", "16:00:00", "17:00:00")
)
"""When the fifth and last event of `seal_twice`'s story was told; when it seals."""


def root_by_hand(digests: list[bytes]) -> bytes:
    """RFC 9162 §2.1.1 in its own words; shares nothing with what seals."""
    if not digests:
        return EMPTY_ROOT
    if len(digests) == 1:
        return sha256(b"\x00" + digests[0]).digest()
    half = 1
    while half * 2 < len(digests):
        half *= 2
    left, right = root_by_hand(digests[:half]), root_by_hand(digests[half:])
    return sha256(b"\x01" + left + right).digest()


def archived(where: Room) -> dict[int, list[bytes]]:
    """The digests of every record's bytes, by partition, in the log's order."""
    found: dict[int, list[bytes]] = {}
    with psycopg.connect(where.dsns["audit"]) as conn:
        for partition, state in conn.execute(
            "SELECT partition, state FROM archive ORDER BY partition, life, record_offset"
        ):
            found.setdefault(partition, []).append(sha256(state).digest())
    return found


def notes(drop: Path) -> list[str]:
    return [path.read_text(encoding="utf-8") for path in sorted(drop.glob("*.checkpoint"))]


async def until(holds: Any, seconds: float = 10) -> None:
    for _ in range(int(seconds * 100)):
        if holds():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it never came to that")


def sealing(folder: Path, **more: Any) -> dict[str, Any]:
    return {
        "checkpoint_key_file": folder / "checkpoint.key",
        "checkpoint_drop": folder / "drop",
        **more,
    }


def test_each_hour_in_which_something_came_is_sealed_over_everything_until_then(
    tmp_path: Path,
) -> None:
    async def play(where: Room) -> None:
        async with playing(where, tmp_path, **sealing(tmp_path)) as play:
            await tell_stories(play, 3)
            await play.stepper.run_until(FOUR)
            assert notes(tmp_path / "drop") == []
            before = archived(where)
            await play.stepper.fire_present()
            drop = tmp_path / "drop"
            await until(lambda: len(notes(drop)) == 1)
            (note,) = notes(drop)
            signed = read_note(note)
            first = signed.checkpoint
            assert first.sealed_at == FOUR
            assert (first.origin, first.size, first.streams) == (
                "bihuan/audit",
                18 + OWN,
                6 + OWN,
            )
            ordered = [digest for _, run in sorted(before.items()) for digest in run]
            assert first.root == root_by_hand(ordered)
            assert [(one.partition, one.records) for one in first.partitions] == [
                (partition, len(run)) for partition, run in sorted(before.items())
            ]
            name, public = read_verifier_key((tmp_path / "checkpoint.key.pub").read_text())
            assert name == "bihuan/audit"
            assert is_signed(first.text(), signed.signature, public)

            # nothing came since but the checkpoint's own event: nothing is due
            assert await play.stepper.next_due() is None
            await play.tell(complaint(1), "complaint.reopened.v1")
            await play.stepper.run_until(FOUR + timedelta(hours=3))
            await until(lambda: len(notes(drop)) == 2)
            second = read_note(notes(drop)[1]).checkpoint
            assert second.sealed_at == FOUR + timedelta(hours=1)
            assert (second.size, second.streams) == (20 + OWN, 2)
            assert (second.previous_size, second.previous_root) == (18 + OWN, first.root)
            after = archived(where)
            for partition, run in sorted(after.items()):
                ordered += run[len(before.get(partition, ())) :]
            assert second.root == root_by_hand(ordered[: 20 + OWN])
            for number, checkpoint in enumerate((first, second)):
                path = sorted(drop.glob("*.leaves"))[number]
                read = read_list(path.read_text(encoding="utf-8"))
                assert (read.size, read.root) == (checkpoint.size, checkpoint.root)
            verified = (await play.get("/verify")).json()
            assert verified["faults"] == []

    with room(("intake", "routing", "audit")) as where:
        asyncio.run(play(where))


async def seal_twice(play: Playing) -> None:
    await tell_stories(play, 1)
    await play.stepper.run_until(FOUR + timedelta(minutes=1))
    await play.tell(complaint(0), "complaint.reopened.v1")
    await play.stepper.run_until(FOUR + timedelta(hours=1, minutes=1))


TREE = ("tile", "span", "sealed")


def tree(where: Room) -> dict[str, list[Any]]:
    with psycopg.connect(where.dsns["audit"], row_factory=dict_row) as conn:
        return {
            table: conn.execute(f"SELECT * FROM {table} ORDER BY 1, 2").fetchall() for table in TREE
        }


def test_a_tree_that_is_lost_is_made_again_and_goes_on(tmp_path: Path) -> None:
    async def play(where: Room) -> None:
        async with playing(where, tmp_path, **sealing(tmp_path)) as play:
            await seal_twice(play)
        before = tree(where)
        with psycopg.connect(where.dsns["audit"]) as conn:
            for table in TREE:
                conn.execute(f"TRUNCATE {table}")
        async with playing(where, tmp_path, **sealing(tmp_path)) as play:
            assert tree(where) == before
            play.clock.jump(FOUR + timedelta(hours=5, minutes=30))
            await play.tell(complaint(0), "complaint.contact_linked.v1")
            await play.stepper.run_until(FOUR + timedelta(hours=7))
            await until(lambda: len(notes(tmp_path / "drop")) == 3)
        last = read_note(notes(tmp_path / "drop")[-1]).checkpoint
        assert last.previous_size == TWO

    with room(("intake", "routing", "audit")) as where:
        asyncio.run(play(where))


def test_nothing_is_sealed_over_an_archive_that_is_not_what_was_accepted(tmp_path: Path) -> None:
    async def play(where: Room) -> None:
        async with playing(where, tmp_path, **sealing(tmp_path)) as play:
            await tell_stories(play, 1)
            with psycopg.connect(where.dsns["audit"]) as conn:
                conn.execute("DELETE FROM archive WHERE sequence = 3")
            await play.stepper.run_until(FOUR + timedelta(minutes=1))
            assert notes(tmp_path / "drop") == []
            assert await gauge(play, "bihuan_audit_seal_refused") == 1.0
            assert await play.audit.ready() == []

    with room(("intake", "routing", "audit")) as where:
        asyncio.run(play(where))


async def gauge(play: Playing, name: str) -> float:
    value = play.audit.registry.get_sample_value(name)
    assert value is not None
    return value


# -- another key ----------------------------------------------------------------------------------


async def bundled(audit: App, token: str, size: int | None = None) -> httpx.Response:
    """A bundle of the first complaint, proven against this checkpoint."""
    headers = {"Authorization": f"Bearer {token}"}
    body = {"complaint": complaint(0), "purpose": "appeal", "size": size}
    async with httpx.AsyncClient(base_url=audit.api_url, headers=headers, trust_env=False) as http:
        return await http.post("/bundles", json=body)


def test_after_the_key_was_replaced_no_bundle_is_made_that_its_own_verifier_refuses(
    tmp_path: Path,
) -> None:
    key, public = tmp_path / "checkpoint.key", tmp_path / "checkpoint.key.pub"

    async def play(where: Room) -> None:
        async with playing(where, tmp_path, **sealing(tmp_path)) as play:
            await seal_twice(play)
            token = play.token("auditor")
        key.unlink()
        clock = SteppedClock(FOUR + timedelta(hours=1, minutes=30))
        audit = build(settings(where, tmp_path, **sealing(tmp_path)), clock)
        await audit.start()
        try:
            stepper = Stepper((audit,), clock)
            await stepper.settle()
            for size in (ONE, TWO, None):
                refused = await bundled(audit, token, size)
                assert refused.status_code == 409, (size, refused.content[:80])
                assert refused.json()["rule"] == "checkpoint-key-replaced"
            # nothing came but the last checkpoint's own event; for the new key it is sealed
            await stepper.run_until(FOUR + timedelta(hours=2, minutes=1))
            await until(lambda: len(notes(tmp_path / "drop")) == 3)
            newest = read_note(notes(tmp_path / "drop")[-1]).checkpoint.size
            assert newest == TWO + 1
            trusted, replaced = public.read_text("ascii").split()
            for size in (None, newest):
                made = await bundled(audit, token, size)
                assert verify(made.content, trusted)[1] == [], size
                assert verify(made.content, replaced)[1] != [], size
            assert (await bundled(audit, token, TWO)).status_code == 409
            key.unlink()  # what signs is the key that it started with
            assert verify((await bundled(audit, token)).content, trusted)[1] == []
            assert not key.exists()
        finally:
            await audit.stop()

    with room(("intake", "routing", "audit")) as where:
        asyncio.run(play(where))


# -- over HTTP and from the command line ----------------------------------------------------------


def test_every_event_is_proven_to_be_in_and_the_log_to_have_only_grown(tmp_path: Path) -> None:
    async def play(where: Room) -> None:
        async with playing(where, tmp_path, **sealing(tmp_path)) as play:
            await seal_twice(play)
            listed = (await play.get("/checkpoints")).json()["items"]
            assert [one["size"] for one in listed] == [TWO, ONE]
            first = (await play.get("/checkpoints?limit=1")).json()
            assert (await play.get(first["next"])).json()["items"] == [listed[1]]
            assert (await play.get(f"/checkpoints/{ONE}")).json() == listed[1]
            assert (await play.get(f"/checkpoints/{ONE + 1}")).status_code == 404
            (key,) = (await play.get("/checkpoint-keys")).json()["keys"]
            assert key == (tmp_path / "checkpoint.key.pub").read_text().strip()
            indexes = {ONE: set(), TWO: set()}
            with psycopg.connect(where.dsns["audit"]) as conn:
                rows = conn.execute("SELECT source, subject, sequence, state FROM archive")
                events = rows.fetchall()
            assert len(events) == TWO + 1  # and the last checkpoint, which no other covers yet
            for size, root in ((ONE, listed[1]["root"]), (TWO, listed[0]["root"])):
                for source, subject, sequence, state in events:
                    event = f"{source.rpartition('/')[2]}/{subject}/{sequence}"
                    answer = await play.get(f"/proofs/inclusion?event={event}&size={size}")
                    if answer.status_code == 404:
                        assert answer.json()["rule"] == "not-sealed-yet"
                        continue
                    told = answer.json()
                    leaf = sha256(state).digest()
                    assert told["digest"] == leaf.hex()
                    assert up(leaf, told["index"], size, told["path"]).hex() == root
                    indexes[size].add(told["index"])
            assert indexes == {ONE: set(range(ONE)), TWO: set(range(TWO))}
            told = (await play.get(f"/proofs/consistency?from={ONE}&to={TWO}")).json()
            assert is_consistent(
                ONE,
                bytes.fromhex(listed[1]["root"]),
                TWO,
                bytes.fromhex(listed[0]["root"]),
                [bytes.fromhex(one) for one in told["path"]],
            )
            for url, status in (
                ("/proofs/inclusion?event=intake/nobody/1", 404),
                ("/proofs/inclusion?event=intake", 422),
                ("/proofs/inclusion?event=nobody/x/1", 422),
                (f"/proofs/consistency?from={ONE}&to={ONE + 1}", 404),
                (f"/proofs/consistency?from=0&to={TWO}", 422),
                ("/checkpoints/x", 422),
            ):
                assert (await play.get(url)).status_code == status, url
            assert (await play.get("/checkpoints", role="agent")).status_code == 403

    with room(("intake", "routing", "audit")) as where:
        asyncio.run(play(where))


async def cli(play: Playing, *words: str) -> tuple[int, Any]:
    """Exit code and JSON of `bihuan`, as somebody elsewhere with a token would run it."""
    env = {"BIHUAN_AUDIT_URL": play.audit.api_url, "BIHUAN_TOKEN": play.token("auditor")}
    ran = await asyncio.to_thread(CliRunner().invoke, app, [*words, "--json"], env=env)
    if ran.exception is not None and not isinstance(ran.exception, SystemExit):
        raise ran.exception
    return ran.exit_code, json.loads(ran.stdout)


def test_a_kept_checkpoint_is_checked_and_held_against_the_archive_from_elsewhere(
    tmp_path: Path,
) -> None:
    async def play(where: Room) -> None:
        async with playing(where, tmp_path, **sealing(tmp_path)) as play:
            await seal_twice(play)
            await until(lambda: len(notes(tmp_path / "drop")) == 2)
            kept, later = sorted((tmp_path / "drop").glob("*.checkpoint"))
            code, told = await cli(play, "checkpoint", "list")
            assert (code, [one["size"] for one in told["checkpoints"]]) == (0, [TWO, ONE])
            assert (await cli(play, "checkpoint", "show", str(ONE)))[1]["note"] == kept.read_text()
            code, told = await cli(play, "checkpoint", "check", str(kept))
            assert (code, told["signed"], told["listed"], told["consistent"]) == (
                0,
                True,
                True,
                TWO,
            )
            for one in (kept, later):
                code, told = await cli(play, "verify", "--checkpoint", str(one))
                assert (code, told["faults"], told["held"]) == (0, [], True)
            forged = tmp_path / "forged.checkpoint"
            forged.write_text(kept.read_text().replace("\nstreams ", "\nstreams 1", 1))
            code, told = await cli(play, "checkpoint", "check", str(forged))
            assert (code, told["signed"], told["consistent"]) == (1, False, None)
            code, told = await cli(play, "verify", "--checkpoint", str(forged))
            assert [one["kind"] for one in told["faults"]] == ["checkpoint"]
            assert "not signed by a key of this log" in told["faults"][0]["what"]
            with psycopg.connect(where.dsns["audit"]) as conn:
                last = (complaint(0), "/bihuan/intake", 6)
                row = "subject = %s AND source = %s AND sequence = %s"
                done = conn.execute(f"DELETE FROM archive WHERE {row}", last)
                assert done.rowcount == 1
            # Told at 00:01 in Shanghai; it was there when the second checkpoint was sealed.
            for given, known in ((), CLOSED), (("--checkpoint", str(later)), SECOND):
                code, told = await cli(play, "verify", "--no-log", *given)
                at = {one["kind"]: one["since"] for one in told["faults"]}
                assert (code, at["missing"]) == (1, known)
                assert at["partition"] == at["checkpoint"] == FIRST
            with psycopg.connect(where.dsns["audit"]) as conn:
                conn.execute("DELETE FROM archive WHERE subject = %s", (complaint(0),))
                conn.execute("DELETE FROM head WHERE subject = %s", (complaint(0),))
            code, told = await cli(play, "verify", "--no-log", "--checkpoint", str(kept))
            named = {(one["source"], one["sequence"]) for one in told["faults"]}
            assert code == 1
            assert {("/bihuan/intake", number) for number in range(1, 6)} <= named
            gone = {one["since"] for one in told["faults"] if one["kind"] == "missing"}
            assert gone == {FIRST}, "the checkpoint that was kept has them all"
            (tmp_path / "no.checkpoint").write_text("nothing")
            code, _ = await cli(play, "verify", "--checkpoint", str(tmp_path / "no.checkpoint"))
            assert code == 2

    with room(("intake", "routing", "audit")) as where:
        asyncio.run(play(where))


# -- the page for auditors ------------------------------------------------------------------------

PAGE = Path(__file__).parents[3] / "docs" / "auditors.md"


def dumped(where: Room) -> list[bytes]:
    """The log as `kcat -f '%p\\t%o\\t%s\\n'` prints it, read with a client that is none of ours."""
    consumer = Consumer(
        {
            "bootstrap.servers": where.bootstrap,
            "group.id": f"{where.prefix}auditor",
            "enable.auto.commit": False,
        }
    )
    topic, lines = f"{where.prefix}complaints.log", []
    try:
        for partition in range(where.topics[0].partitions):
            low, high = consumer.get_watermark_offsets(TopicPartition(topic, partition))
            consumer.assign([TopicPartition(topic, partition, low)])
            for _ in range(high - low):
                message = consumer.poll(10)
                assert message is not None
                assert message.error() is None
                value = message.value()
                assert isinstance(value, bytes)
                lines.append(b"%d\t%d\t%s\n" % (partition, message.offset() or 0, value))
    finally:
        consumer.close()
    return lines


def run_the_page(lines: list[bytes]) -> list[str]:
    """The program that the page prints, in plain Python."""
    program = PAGE.read_text("utf-8").split("```python\n")[2].split("```")[0]
    ran = subprocess.run(
        [sys.executable, "-I", "-S", "-c", program],
        input=b"".join(lines),
        capture_output=True,
        check=True,
    )
    return ran.stdout.decode().splitlines()


def test_the_page_for_auditors_makes_the_roots_from_kafka_alone(tmp_path: Path) -> None:
    async def play(where: Room) -> list[bytes]:
        async with playing(where, tmp_path, **sealing(tmp_path)) as play:
            await seal_twice(play)
        return dumped(where)

    with room(("intake", "routing", "audit")) as where:
        lines = asyncio.run(play(where))
    roots = [read_note(note).checkpoint.root.hex() for note in notes(tmp_path / "drop")]
    assert run_the_page(lines) == [f"holds {ONE} {roots[0]}", f"holds {TWO} {roots[1]}"]
    assert run_the_page([*lines, lines[0]]) == [
        f"holds {ONE} {roots[0]}",
        f"holds {TWO} {roots[1]}",
    ]
    second = (b'"source":"/bihuan/intake"', b'"sequence":"2"')
    at = next(n for n, line in enumerate(lines) if all(one in line for one in second))
    changed = lines[at].replace(b'"actor":"', b'"actor":"x', 1)
    said = run_the_page([*lines[:at], changed, *lines[at + 1 :]])
    assert sum(line.startswith("WRONG /bihuan/") for line in said) == 1
    assert said[-2:] == [f"WRONG {ONE} {roots[0]}", f"WRONG {TWO} {roots[1]}"]
