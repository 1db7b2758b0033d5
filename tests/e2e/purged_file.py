"""Complaints of a month that lies in a file are purged by the same two commands as any others.

The month is brought back, what was approved goes, the rest becomes a new file, the old one goes
last: cut off at each of these steps, it goes on by itself and nothing is lost or stays.
"""

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any

import psycopg
import pyarrow.parquet as pq
import pytest
import yaml

from services.audit.cold import keeping
from services.audit.cold.refiling import Refiler
from services.audit.letting_go import Signer
from tests.e2e.bucket import Bucket
from tests.e2e.commands import bihuan, told
from tests.e2e.in_a_bucket import MONTH, month_of
from tests.e2e.test_no_personal_data import tables
from tests.e2e.test_retention import SEED, archive_lines
from tests.e2e.world import World
from tests.integration.audit.test_checkpoints import run_the_page

STEPS = (
    "archive-amid-return",
    "archive-before-put",
    "archive-after-put",
    "archive-amid-leaving",
    "archive-before-sweep",
)
"""In the order in which they are passed, each cut off once."""

Rows = dict[tuple[int, int, int], tuple[str, bytes]]
Programs = Callable[[Path, list[bytes]], tuple[list[bytes], str]]


class CutOff(BaseException):
    """The process ended here."""


def held(content: bytes) -> Rows:
    """What a file holds: (partition, life, offset) -> (subject, bytes)."""
    rows: list[dict[str, Any]] = pq.read_table(BytesIO(content)).to_pylist()
    return {
        (one["partition"], one["life"], one["offset"]): (one["subject"], one["state"])
        for one in rows
    }


async def purged(
    playing: World, complaints: list[str], bucket: Bucket, folder: Path, programs: Programs
) -> None:
    """One of the month's complaints is under a hold; the others go."""
    data, kept, *gone = playing.system.places.data, *complaints
    await half_a_year(data, folder)
    await playing.settle()
    hold = ("--ground", "lawsuit", "--complaint", kept)
    assert (await bihuan(data, "hold", "place", "court-11", *hold))[0] == 0
    await playing.settle()
    ((old, content),) = bucket.files().items()
    before, timeline = held(content), await bihuan(data, "timeline", kept)
    goes = {place: one for place, one in before.items() if one[0] in gone}
    assert {subject for subject, _ in goes.values()} == set(gone)

    code, proposed = await told(data, "retention", "propose", MONTH, "--ground", "retention_over")
    assert code == 0, proposed
    reached: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(keeping, "reach", lambda place: cut_off(place, reached))
        approved = await told(data, "retention", "approve", MONTH, "--plan", proposed["plan"])
        assert approved[0] == 0
        await playing.settle()
        for number in range(1, len(STEPS) + 1):
            for _ in range(5):
                if len(reached) < number:
                    await some_time(playing)
            assert reached == list(STEPS[:number]), "it goes on by itself"
            assert (await bihuan(data, "timeline", kept))[1] == timeline[1]
            code, proof = await told(data, "verify")
            assert (code, proof["faults"]) == (0, []), reached
            assert old in bucket.files(), "until the new one holds and all is done"
        await playing.restart("audit")
    await some_time(playing)

    assert await stage(data) == ("purged", len(gone))
    ((new, content),) = bucket.files().items()
    after = held(content)
    assert new != old
    assert {place: after.get(place) for place in before.keys() - goes.keys()} == {
        place: one for place, one in before.items() if place not in goes
    }
    assert not {subject for subject, _ in after.values()} & set(gone)
    month = await month_of(data)
    assert (month["file"], month["filed"]) == (new.split("/")[1].split(".")[0], len(after))
    assert (await told(data, "archive", "check"))[1]["problems"] == []
    assert not in_the_database(playing) & after.keys(), "what the file holds left the database"
    await nothing_is_left(playing, [state for _, state in goes.values()], gone)

    code, proof = await told(data, "verify")
    assert (code, proof["faults"]) == (0, [])
    assert {one["cohort"] for one in proof["tombstones"]} == {MONTH}
    assert sum(one["events"] for one in proof["tombstones"]) == proof["purged"] == len(goes)
    rest = archive_lines(playing.system.stack.dsn("bihuan_audit"))
    lines, wrong = programs(bucket.copied(folder / "copied"), rest)
    assert wrong == ""
    assert {one.split()[0] for one in run_the_page(lines)} == {"holds", "purged"}


def cut_off(place: str, reached: list[str]) -> None:
    """Ends the act at the step whose turn it is."""
    if place in STEPS[len(reached) : len(reached) + 1]:
        reached.append(place)
        raise CutOff(place)


async def some_time(playing: World) -> None:
    """What failed is tried again a minute later, once; that minute is of no clock anybody sets."""
    for chore in playing.app("audit").chores:
        if isinstance(chore, Refiler | Signer):
            chore._ran_s = partial(_later, chore._ran_s)
    await playing.stepper.run_until(playing.clock.now() + timedelta(seconds=61))
    await playing.settle()


def _later(ran_s: Callable[[], float]) -> float:
    return ran_s() + 61


async def half_a_year(data: Path, folder: Path) -> None:
    """The period is the floor itself from now on."""
    content = yaml.safe_load(SEED.read_text("utf-8"))
    content |= {"version": "half-a-year", "effective_from": "2025-08-31"}
    content |= {"otherwise": {"months": 6}, "categories": []}
    path = folder / "retention.yaml"
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    code, _, err = await bihuan(data, "policy", "activate", str(path), "--from", "now")
    assert code == 0, err


async def stage(data: Path) -> tuple[str, int]:
    """How far the month's purge is, and of how many complaints."""
    code, listed = await told(data, "retention", "list")
    assert code == 0
    last = listed["purges"][-1]
    return last["stage"], last["complaints"]


def in_the_database(playing: World) -> set[tuple[int, int, int]]:
    """The places of the month's records that lie in audit's database."""
    with psycopg.connect(playing.system.stack.dsn("bihuan_audit")) as conn:
        rows = conn.execute(
            "SELECT partition, life, record_offset FROM archive WHERE cohort = '2025-10-01'"
        )
        return set(rows.fetchall())


async def nothing_is_left(playing: World, states: list[bytes], gone: list[str]) -> None:
    """No byte of them in audit's database or to be asked for; who asks is told that they went."""
    hexes = [one.hex().encode() for one in states]
    for table, content in tables(playing.system.stack.dsn("bihuan_audit"), "audit").items():
        assert not [one for one in hexes if one in content], table
    data = playing.system.places.data
    listed = ", ".join(f"'{one}'" for one in gone)
    sql = f"SELECT count(*) FROM record WHERE subject IN ({listed})"
    assert (await told(data, "archive", "query", sql))[1]["rows"] == [[0]]
    code, no = await told(data, "timeline", gone[0])
    assert (code, "passed their retention and went" in no["error"]) == (1, True)
