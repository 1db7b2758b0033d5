"""A month that lies in a Parquet file, for scenes in which something happens to it afterwards."""

import asyncio
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from cli.client import Client
from cli.places import Places
from tests.e2e.commands import told
from tests.e2e.test_archive import archive_lines, run_the_other_program
from tests.e2e.world import World
from tests.integration.audit.test_checkpoints import run_the_page

Proofs = dict[str, bytes]
"""Of each first event of a complaint, that it lies under one checkpoint."""


def decoded(folder: Path) -> dict[str, bytes]:
    """Every value of every column of every Parquet file: under zstd no word could be seen."""
    found: dict[str, bytes] = {}
    for path in sorted(folder.rglob("*.parquet")):
        columns: dict[str, list[Any]] = pq.read_table(path).to_pydict()
        values = (one for column in columns.values() for one in column)
        found[f"decoded {path.relative_to(folder)}"] = b"\n".join(
            one if isinstance(one, bytes) else str(one).encode() for one in values
        )
    return found


async def write_away(world: World, month: str) -> None:
    """The month goes into a file; no row of what was recorded in it is left."""
    code, done = await told(world.system.places.data, "archive", "write", month)
    assert code == 0, done
    assert done["left"] == done["events"] > 0
    await world.settle()


async def sealed_size(world: World) -> int:
    """How many records the newest checkpoint covers."""
    code, sealed = await told(world.system.places.data, "checkpoint", "list")
    assert code == 0
    return max(int(one["size"]) for one in sealed["checkpoints"])


async def inclusion(world: World, complaint: str, size: int) -> bytes:
    """The proof that a complaint's first event lies under the checkpoint of this size."""

    def asked() -> bytes:
        places = Places(world.system.places.data)
        with Client(places, actor="auditor:a-1", roles=("auditor",)) as client:
            event = f"intake/{complaint}/1"
            return client.get_bytes("audit", "/proofs/inclusion", event=event, size=size)

    return await asyncio.to_thread(asked)


async def roots_hold(world: World) -> None:
    """The files are what is on record; with the rest they give each sealed root, by the programs
    that docs/auditors.md prints.
    """
    data = world.system.places.data
    code, checked = await told(data, "archive", "check")
    assert (code, checked["problems"]) == (0, [])
    rest = archive_lines(world.system.stack.dsn("bihuan_audit"))
    lines, wrong = await asyncio.to_thread(run_the_other_program, data / "archive", rest)
    assert wrong == ""
    page = await asyncio.to_thread(run_the_page, lines)
    assert {one.split()[0] for one in page} == {"holds"}
