"""Every record that is kept, by digest: in six databases, in months' files, and on the log."""

import json
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import psycopg
import pyarrow.parquet

from cli.places import SERVICES
from cli.system import database
from tests.e2e.world import World, read_log

Record = tuple[str, str, int, str]
"""Source, subject, number in its stream, SHA-256 of the stored bytes."""


@dataclass(frozen=True, slots=True)
class Kept:
    """What lies where."""

    services: frozenset[Record]
    """In the event stores of the six."""
    archive: frozenset[Record]
    """In audit's archive, as rows or in a month's file."""
    log: frozenset[Record]
    """On the topic."""


def record_of(state: bytes) -> Record:
    """A record as its own bytes name it."""
    event = json.loads(state)
    digest = sha256(state).hexdigest()
    return event["source"], event["subject"], int(event["sequence"]), digest


async def kept(world: World) -> Kept:
    """All of it, now; read as the databases' administrator, and by a plain consumer."""
    stored, archived = set[Record](), set[Record]()
    for name in SERVICES:
        with psycopg.connect(world.system.stack.dsn(database(name))) as conn:
            for (state,) in conn.execute("SELECT state FROM stored_events"):
                stored.add(record_of(bytes(state)))
            if name == "audit":
                for (state,) in conn.execute("SELECT state FROM archive"):
                    archived.add(record_of(bytes(state)))
    for file in world.system.places.archive.glob("*/*.parquet"):
        archived |= filed(file)
    log = {record_of(one) for one in await read_log(world.system) if one.startswith(b'{"spec')}
    return Kept(frozenset(stored), frozenset(archived), frozenset(log))


def filed(file: Path) -> set[Record]:
    """What a month's file holds, by the one column that docs/auditors.md says holds the bytes."""
    column = pyarrow.parquet.read_table(file, columns=["state"]).column("state")
    return {record_of(one.as_py()) for one in column}
