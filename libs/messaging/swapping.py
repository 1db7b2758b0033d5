"""Two databases change names, both or neither, whatever happens in between.

Both renamings are one transaction of PostgreSQL. Who connects meanwhile waits for its end, and then
finds whichever database has the name.
"""

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
from psycopg import Connection, sql

from libs.eventlog.failpoint import reach

LOCK_SECONDS_MAX = 10.0
POLL_SECONDS = 0.01

LOCKED = (
    "SELECT FROM pg_locks WHERE pid = %s AND locktype = 'object' AND granted "
    "AND classid = 'pg_database'::regclass AND mode = 'AccessExclusiveLock'"
)
SEND_AWAY = (
    "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
    "WHERE datname = %s AND pid <> %s AND backend_type = 'client backend'"
)


def swap_names(
    maintenance: str, live: str, made: str, aside: str, holding: Connection[Any] | None = None
) -> None:
    """`live` becomes `aside`, and `made` becomes `live`; where there is no `live`, only the second.

    `maintenance`: the administrator's DSN of another database there. All who are connected to
    `live` are sent away, `holding` (which keeps its writers waiting) the last of them. Nobody may
    be connected to `made`. Raises psycopg's errors, and has then changed nothing.
    """
    with (
        psycopg.connect(maintenance) as renaming,
        psycopg.connect(maintenance, autocommit=True) as admin,
        ThreadPoolExecutor(1) as beside,
    ):
        found = admin.execute("SELECT FROM pg_database WHERE datname = %s", (live,)).fetchone()
        if found is not None:
            # It locks the name first, so that nobody comes in, and waits for who is there to go.
            away = beside.submit(_rename, renaming, live, aside)
            _await_lock(admin, renaming, away.done)
            admin.execute(SEND_AWAY, (live, holding.info.backend_pid if holding else 0))
            if holding is not None:
                holding.close()
            away.result()
        reach("amid-swap")
        _rename(renaming, made, live)
        reach("before-swapped")


def _rename(conn: Connection[Any], name: str, new: str) -> None:
    conn.execute(
        sql.SQL("ALTER DATABASE {} RENAME TO {}").format(sql.Identifier(name), sql.Identifier(new))
    )


def _await_lock(admin: Connection[Any], renaming: Connection[Any], ended: Any) -> None:
    """Until the name is locked, or the renaming has failed (`result` says why)."""
    deadline = time.monotonic() + LOCK_SECONDS_MAX
    while not ended() and time.monotonic() < deadline:
        if admin.execute(LOCKED, (renaming.info.backend_pid,)).fetchone() is not None:
            return
        time.sleep(POLL_SECONDS)
