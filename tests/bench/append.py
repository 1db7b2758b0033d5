"""Appending events: one by one and in batches, against the library's default and raw COPY.

python -m tests.bench.append
"""

from itertools import count
from uuid import UUID, uuid5

import psycopg
from eventsourcing.persistence import StoredEvent
from eventsourcing.postgres import PostgresApplicationRecorder

from libs.eventlog.envelope import STREAMS
from libs.eventlog.store import Store
from tests.bench.figures import per_second, show
from tests.integration.runtime.toys import thrower
from tests.stack import room

EVENTS = 10_000
SINGLE = 1_000
BATCH = 500
STATE = b'{"specversion":"1.0","data":"' + b"x" * 700 + b'"}'
_numbers = count()


def events(number: int) -> list[StoredEvent]:
    """Fresh streams of one event each, 730 bytes of state as ours have."""
    return [
        StoredEvent(uuid5(STREAMS, f"bench {next(_numbers)}"), 1, "ball.thrown.v1", STATE)
        for _ in range(number)
    ]


def batches(recorder: PostgresApplicationRecorder, size: int, total: int) -> None:
    for _ in range(total // size):
        recorder.insert_events(events(size))


def copied(dsn: str) -> None:
    with (
        psycopg.connect(dsn) as conn,
        conn.cursor() as curs,
        curs.copy(
            "COPY raw (originator_id, originator_version, topic, state) FROM STDIN (FORMAT binary)"
        ) as copy,
    ):
        copy.set_types(["uuid", "int8", "text", "bytea"])
        for event in events(EVENTS):
            key: UUID = event.originator_id  # type: ignore[assignment]
            copy.write_row((key, event.originator_version, event.topic, event.state))


def main() -> None:
    """Runs it on the shared test servers (fsync off: what is compared is our own cost)."""
    with room(("ours", "default"), with_topics=False) as where:
        ours = Store(thrower(), where.service_dsns["ours"])
        ours.create_tables()
        other = Store(thrower(), where.service_dsns["default"])
        default = PostgresApplicationRecorder(other.datastore)
        default.create_table()
        with psycopg.connect(where.dsns["ours"], autocommit=True) as conn:
            conn.execute(
                "CREATE TABLE raw (originator_id uuid, originator_version bigint, topic text, "
                "state bytea, id bigserial, PRIMARY KEY (originator_id, originator_version))"
            )
        figures = [
            per_second("default recorder, one by one", SINGLE, lambda: batches(default, 1, SINGLE)),
            per_second("ours, one by one", SINGLE, lambda: batches(ours.recorder, 1, SINGLE)),
            per_second("default, batches of 100", EVENTS, lambda: batches(default, 100, EVENTS)),
            per_second("ours, batches of 100", EVENTS, lambda: batches(ours.recorder, 100, EVENTS)),
            per_second("ours, batches of 500", EVENTS, lambda: batches(ours.recorder, 500, EVENTS)),
            per_second("raw COPY, 10,000 at once", EVENTS, lambda: copied(where.dsns["ours"])),
        ]
        show(figures, "default, batches of 100")
        ours.close()
        other.close()


if __name__ == "__main__":
    main()
