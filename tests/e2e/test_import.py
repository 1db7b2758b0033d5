"""`bihuan import` takes over an older system's closed cases: every row once, verdicts row by row.

What is expected comes from `tests/hotline.py`. All six services run. The test takes a sample of the
file with every oddity in it; `BIHUAN_IMPORT_ROWS=all` takes the whole of it, as
`tests/unit/cli/test_import_every_row.py` always does, without servers.
"""

import asyncio
import csv
import json
import os
from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid5

import openpyxl

from tests.e2e.rebuilt import assert_rebuilt_equal
from tests.e2e.test_send import now, sent
from tests.e2e.world import DATABASES, World, read_log, world
from tests.hotline import DAY_ONLY, HOTLINE, NEEDS_THE_FILE, ROWS, cases, legal_verdict
from tests.stack import Room, room

COMPLAINTS = UUID("0e2f5c2b-53c1-5c0e-8f6e-6a3a6f2c9d11")
"""DESIGN, The event: a complaint's id is the UUIDv5 of channel source and message id."""
SAMPLE = 250

pytestmark = NEEDS_THE_FILE


def complaint_of(number: str) -> str:
    return str(uuid5(COMPLAINTS, f"history/hotline-messages {number}"))


def sampled(folder: Path, rows: int) -> Path:
    """A file of some rows as they are: the odd ones, and others evenly from the whole file."""
    book = openpyxl.load_workbook(HOTLINE)
    sheet = book.worksheets[0]
    odd = {
        row
        for row in range(2, sheet.max_row + 1)
        if isinstance(sheet.cell(row, 4).value, datetime)
        or str(sheet.cell(row, 1).value) == DAY_ONLY
    }
    step = max(1, ROWS // rows)
    kept = sorted(odd | set(range(2, sheet.max_row + 1, step)))
    out = openpyxl.Workbook()
    page = out.worksheets[0]
    for row in (1, *kept):
        page.append([cell.value for cell in sheet[row]])
    path = folder / "sample.xlsx"
    out.save(path)
    return path


def test_every_row_lands_with_its_15_day_verdict_and_importing_again_adds_nothing(
    tmp_path: Path,
) -> None:
    """DOMAIN, clocks: "legal answer, all, 15 calendar days".

    Seen to fail with the mapping's zone set to UTC, and with sla_watch starting the clocks as if
    they were live: a breach then asks the 10015 desk.
    """
    whole = os.environ.get("BIHUAN_IMPORT_ROWS") == "all"
    file = HOTLINE if whole else sampled(tmp_path, SAMPLE)
    numbers = [str(row[0].value) for row in openpyxl.load_workbook(file).worksheets[0].iter_rows(2)]
    known = {number: (told, answered) for number, told, answered in cases()}
    refused = [number for number in numbers if None in known[number]]
    assert refused == [DAY_ONLY]

    ends = tmp_path / "ends.csv"
    words = (str(file), "--mapping", "hotline-history", "--outcomes", str(ends))

    async def scene(world: World) -> None:
        code, told = await sent(world, *words, verb="import")
        assert (code, told["rows"], told["imported"]) == (1, len(numbers), len(numbers) - 1)
        (why,) = told["refused"]
        assert why["row"] == numbers.index(DAY_ONLY) + 1
        assert why["reason"] == "date unreadable in '答复时间'"
        await world.settle()
        log = [json.loads(value) for value in await read_log(world.system)]
        assert_only_history(log)
        assert verdicts(log) == {
            complaint_of(number): expected(*known[number])
            for number in numbers
            if number != DAY_ONLY
        }
        assert [row_ends(row) for row in read_csv(ends)] == [
            (number, complaint_of(number), *expected(*known[number]))
            if number != DAY_ONLY
            else (number, "", why["reason"], None)
            for number in numbers
        ]
        first = ends.read_bytes()
        assert await sent(world, *words, verb="import") == (code, told)
        assert ends.read_bytes() == first
        await world.settle()
        # But for the command line's own token, which is a new one every ten minutes.
        again = [json.loads(value) for value in await read_log(world.system)]
        assert without_tokens(again) == without_tokens(log)
        await assert_marked(world, complaint_of(numbers[0]))

    with room(DATABASES) as where:
        asyncio.run(imported_and_rebuilt(where, tmp_path / "data", scene))


async def imported_and_rebuilt(
    where: Room, folder: Path, scene: Callable[[World], Awaitable[None]]
) -> None:
    """Every service, its database dropped, is equal once it was made again from the log."""
    async with world(where, folder, now()) as playing:
        await scene(playing)
        topic_ids = {name: app.inbox.topic_id for name, app in playing.system.apps.items()}
        partitions = playing.system.partitions
    await assert_rebuilt_equal(where, topic_ids, partitions, whole=True)


def read_csv(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as text:
        return list(csv.DictReader(text))


def row_ends(row: dict[str, str]) -> tuple[str, str, str, datetime | None]:
    """Id, complaint, and the verdict on the legal answer with its due, or why it was refused."""
    if row["outcome"] == "refused":
        return row["id"], row["complaint"], row["reason"], None
    assert row["outcome"] == "imported"
    verdicts = dict(one.split("=") for one in row["verdicts"].split())
    state, due = verdicts["legal.answer"].split("@")
    return row["id"], row["complaint"], f"clock.{state}.v1", datetime.fromisoformat(due)


def expected(told: datetime | None, answered: datetime | None) -> tuple[str, datetime]:
    state, due = legal_verdict(told, answered)
    return f"clock.{state}.v1", due


def verdicts(log: list[dict[str, Any]]) -> dict[str, tuple[str, datetime]]:
    """The verdict on the legal answer of each complaint, and its due instant."""
    found = {}
    for event in log:
        if event["data"].get("clock") == "legal.answer":
            assert event["subject"] not in found, "one verdict each"
            due = event["data"].get("due") or event["data"]["due_at"]
            found[event["subject"]] = (event["type"], datetime.fromisoformat(due))
    return found


def without_tokens(log: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What is on record but for the tokens it was asked with."""
    return [event for event in log if event["type"] != "token.issued.v1"]


def assert_only_history(log: list[dict[str, Any]]) -> None:
    """Nobody is told, nobody works, nothing escalates, nothing waits: intake and clocks only."""
    kinds = Counter(event["type"] for event in log)
    for housekeeping in ("policy.activated.v1", "team.changed.v1", "token.issued.v1"):
        kinds.pop(housekeeping, None)
    assert set(kinds) <= {
        "complaint.registered.v1",
        "complaint.answered.v1",
        "complaint.closed.v1",
        "clocks.started.v1",
        "clock.met.v1",
        "clock.breached.v1",
        "clocks.noted.v1",
    }, kinds
    assert (
        kinds["complaint.registered.v1"]
        == kinds["complaint.answered.v1"]
        == kinds["complaint.closed.v1"]
        == kinds["clocks.started.v1"]
    )


async def assert_marked(world: World, complaint: str) -> None:
    """History is called so wherever it is shown, and is kept from its import on."""
    shown = await world.player.get("intake", f"/complaints/{complaint}", role="auditor")
    assert (shown["history"], shown["outcome"], shown["state"]) == (True, "imported", "closed")
    clocks = await world.player.get("sla_watch", f"/clocks/{complaint}")
    assert {one["history"] for one in clocks} == {True}
    story = await world.player.get("audit", f"/complaints/{complaint}/timeline", role="auditor")
    assert story["history"] is True
    assert datetime.fromisoformat(story["closed_at"]).year < 2021
    kept_from = datetime.fromisoformat(story["kept_from"])
    assert timedelta(0) <= world.clock.now() - kept_from < timedelta(hours=1)
