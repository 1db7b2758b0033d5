"""One PostgreSQL and one Kafka for the whole test session; every test gets a room of its own.

Started at the first use, stopped at the end of the process. A room has fresh databases and a topic
prefix that no other test has, so tests need not clean up after each other.
"""

import atexit
import itertools
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg

from infra.local import LocalStack
from libs.messaging.topics import PARTITIONS_ONE_MACHINE, Topic, create_topics, wanted_topics

_shared: LocalStack | None = None
_numbers = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Room:
    """What one test has for itself on the shared servers."""

    bootstrap: str
    broker_kind: str
    prefix: str
    """Before every topic and group name."""
    dsns: dict[str, str]
    """Database name as asked for -> DSN of the fresh database, as its administrator."""
    service_dsns: dict[str, str]
    """The same as the service it is for, which may not delete what it recorded."""
    topics: tuple[Topic, ...]
    """As created, with the prefix; not created on the in-memory broker, which makes its own."""


def shared_stack() -> LocalStack:
    """The session's servers, started at the first call: not durable, for tests only."""
    global _shared
    if _shared is None:
        folder = Path(tempfile.mkdtemp(prefix="bihuan-test-"))
        stack = LocalStack(folder, durable=False, short_lived=True)
        stack.start()
        atexit.register(close_shared_stack)
        _shared = stack
    return _shared


def close_shared_stack() -> None:
    """Stop the session's servers and remove their data. Not started: nothing."""
    global _shared
    if _shared is not None:
        _shared.stop()
        shutil.rmtree(_shared.folder, ignore_errors=True)
        _shared = None


def on_real_kafka() -> bool:
    """Whether the session has real Kafka; tests marked `kafka` are skipped loudly without."""
    return shared_stack().broker_kind == "kafka"


UNGUARDED = "-c session_replication_role=replica"
"""Connection options of an administrator who has switched the keeper's own triggers off."""


def emptied(dsn: str) -> None:
    """Drops everything in a database but its keeper; `dsn` is the administrator's."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("DROP SCHEMA public CASCADE")
        connection.execute("CREATE SCHEMA public AUTHORIZATION pg_database_owner")
        connection.execute("GRANT USAGE, CREATE ON SCHEMA public TO bihuan_service")


@contextmanager
def room(
    databases: Sequence[str] = (),
    *,
    partitions: int = PARTITIONS_ONE_MACHINE,
    with_topics: bool = True,
) -> Iterator[Room]:
    """Fresh databases and, on real Kafka, fresh topics; the databases are dropped afterwards."""
    stack = shared_stack()
    number = next(_numbers)
    names = {database: f"t{number}_{database}" for database in databases}
    stack.create_databases(names.values())
    topics = wanted_topics(stack.broker.partitions_fixed or partitions, prefix=f"t{number}.")
    if with_topics and stack.broker_kind == "kafka":
        create_topics(stack.bootstrap, topics)
    try:
        yield Room(
            bootstrap=stack.bootstrap,
            broker_kind=stack.broker_kind,
            prefix=f"t{number}.",
            dsns={database: stack.dsn(name) for database, name in names.items()},
            service_dsns={database: stack.service_dsn(name) for database, name in names.items()},
            topics=topics,
        )
    finally:
        if stack.postgres.running:
            stack.postgres.drop_databases(names.values())
