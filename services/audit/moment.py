"""Everything that one question reads is of one moment, however long the reading takes."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from psycopg import Connection
from psycopg.pq import TransactionStatus


@contextmanager
def one_moment(conn: Connection[Any]) -> Iterator[None]:
    """A transaction that reads one snapshot and writes nothing; within one, it is that one's."""
    fresh = conn.info.transaction_status is TransactionStatus.IDLE
    with conn.transaction():
        if fresh:
            conn.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        yield
