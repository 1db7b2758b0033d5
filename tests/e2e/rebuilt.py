"""Every service made again from the log, and compared with what it was (DESIGN, Rebuild)."""

import importlib
import json
from collections.abc import Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import psycopg
import pytest
from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient
from psycopg.rows import dict_row

from cli.places import SERVICES
from cli.system import database
from libs.eventlog.store import Store
from libs.messaging.copying import Where
from libs.messaging.log_lines import ArchiveLog, LogEnds
from libs.messaging.log_source import Log, LogPlace, LogTrimmed
from libs.messaging.rebuild import rebuild
from services.audit import handing
from services.audit.cold.records import Records
from tests.again import made_again
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
        await made_again(
            described,
            where.service_dsns[database(service)],
            where.bootstrap,
            topic=f"{where.prefix}complaints.log",
            topic_id=topic_ids[service],
            partitions=partitions,
            whole=whole,
        )
        assert everything(dsn) == before, service


async def assert_rebuilt_from_the_archive(where: Room, topic_id: str, partitions: int) -> None:
    """Kafka's log is deleted; audit's archive alone gives every other service back, equal."""
    topic = f"{where.prefix}complaints.log"
    trimmed(where.bootstrap, topic, partitions)
    for service in SERVICES[:-1]:
        described = importlib.import_module(f"services.{service}.main").describe()
        dsn = where.dsns[database(service)]
        before = everything(dsn)
        emptied(dsn)
        place = Where(topic, topic_id, partitions)
        own = where.service_dsns[database(service)]
        with pytest.raises(LogTrimmed, match=r"partition 0 begins at .*--from archive"):
            await made_again(
                described,
                own,
                where.bootstrap,
                topic=topic,
                topic_id=topic_id,
                partitions=partitions,
            )
        with psycopg.connect(where.dsns["bihuan_audit"], row_factory=dict_row) as connection:
            pages = Handed(connection, topic)
            log = Log(ArchiveLog(pages, where.bootstrap, topic, topic_id, partitions))
            store = Store(described, own)
            try:
                await rebuild(described, store, own, log=log, where=place, whole=True)
            finally:
                log.close()
                store.close()
        assert everything(dsn) == before, service


@dataclass
class Handed:
    """What audit hands out, without HTTP in between."""

    connection: psycopg.Connection[Any]
    topic: str

    def ends(self) -> LogEnds:
        """See Pages."""
        return handing.ends(self.connection, self.topic)

    def after(self, partition: int, place: LogPlace) -> Iterable[bytes]:
        """See Pages."""
        with closing(Records(self.connection)) as records:
            return list(handing.lines(records, partition, place, 100))


def trimmed(bootstrap: str, topic: str, partitions: int, *, left: int = 0) -> None:
    """Records deleted from the log, all but so many of each partition, as audit may do once its
    archive has them."""
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "trimming"})
    places = [TopicPartition(topic, number) for number in range(partitions)]
    for place in places:
        low, high = consumer.get_watermark_offsets(place, timeout=10)
        place.offset = max(low, high - left)
    consumer.close()
    admin = AdminClient({"bootstrap.servers": bootstrap})  # held: let go, it never answers
    for deleted in admin.delete_records(places).values():
        deleted.result(timeout=30)


NOTED = {
    "stored_events": "WHERE topic <> 'rebuild.done.v1'",
    "access_log": "WHERE type <> 'rebuild.done.v1'",
}
"""Where a rebuild's own note lies, which the live service did not have."""


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
            where = NOTED.get(name, "")
            rows = connection.execute(f'SELECT row_to_json(t) FROM "{name}" t {where}').fetchall()
            kept[name] = sorted(json.dumps(row, sort_keys=True) for (row,) in rows)
    return kept
