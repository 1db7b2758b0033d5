"""Every service made again from the log, and compared with what it was (DESIGN, Rebuild)."""

import importlib
import json
from collections.abc import Mapping

import psycopg

from cli.places import SERVICES
from cli.system import database
from libs.eventlog.store import Store
from libs.messaging.rebuild import rebuild
from tests.stack import Room, emptied

RUNTIME = {
    *("stored_events", "inbox_offset", "inbox_taken", "timer", "idempotency", "parked"),
    *("relay_sent", "relay_state", "checkpoint_export"),
}


async def assert_rebuilt_equal(
    where: Room, topic_ids: Mapping[str, str], partitions: int, *, whole: bool
) -> None:
    """Drops each service's views, or its whole database, and has it made again; all is equal."""
    for service in SERVICES:
        described = importlib.import_module(f"services.{service}.main").describe()
        dsn = where.dsns[database(service)]
        before = everything(dsn)
        if whole:
            emptied(dsn)
        else:
            with psycopg.connect(dsn, autocommit=True) as connection:
                for table in described.tables:
                    connection.execute(f"TRUNCATE {table.name}")
        own = where.service_dsns[database(service)]
        store = Store(described, own)
        try:
            await rebuild(
                described,
                store,
                own,
                bootstrap=where.bootstrap,
                topic=f"{where.prefix}complaints.log",
                topic_id=topic_ids[service],
                partitions=partitions,
                whole=whole,
            )
        finally:
            store.close()
        assert everything(dsn) == before, service


def everything(dsn: str) -> dict[str, list[str]]:
    """DESIGN's equality: events, views and timers by key; not the rebuild's own note."""
    kept = {}
    with psycopg.connect(dsn) as connection:
        names = connection.execute(
            "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
        ).fetchall()
        for (name,) in names:
            if name in RUNTIME - {"stored_events", "timer"}:
                continue
            where = "WHERE topic <> 'rebuild.done.v1'" if name == "stored_events" else ""
            rows = connection.execute(f'SELECT row_to_json(t) FROM "{name}" t {where}').fetchall()
            kept[name] = sorted(json.dumps(row, sort_keys=True) for (row,) in rows)
    return kept
