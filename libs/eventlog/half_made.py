"""A database in the making says so in itself, and no service starts on one that is half made.

A rebuild that is killed leaves views without rows, or a copy without its last events; taken for
whole, it would decide and answer by them.
"""

from typing import Any

from psycopg import Connection

BEGIN = (
    "INSERT INTO rebuilding (since, what, source, by) VALUES (clock_timestamp(), %s, %s, %s) "
    "ON CONFLICT (one) DO UPDATE SET since = excluded.since, what = excluded.what, "
    "source = excluded.source, by = excluded.by"
)


class HalfMade(RuntimeError):
    """A service's database is being made again, or that was broken off; says what to do."""


def begin(conn: Connection[Any], what: str, source: str, by: str) -> None:
    """From here until `end` the database is not to be used; commits at once where autocommit is.

    `what`: as `rebuild.done` has it; `source`: what it is made from; `by`: who ordered it.
    """
    conn.execute(BEGIN, (what, source, by))


def end(conn: Connection[Any]) -> None:
    """The database is whole."""
    conn.execute("DELETE FROM rebuilding")


def refuse_half_made(conn: Connection[Any], service: str) -> None:
    """Raises HalfMade. The tables must be there; rows come as dicts."""
    row = conn.execute(
        "SELECT current_database() AS name, since, what, source, by FROM rebuilding"
    ).fetchone()
    if row is None:
        return
    whole = "" if row["what"] == "views" else " --whole"
    raise HalfMade(
        f"the database {row['name']} of {service} is half made: {row['by']} began to make its "
        f"{row['what']} again from {row['source']} at {row['since']:%Y-%m-%d %H:%M:%S %z}, and "
        f"that has not ended. If it was broken off: bihuan rebuild {service}{whole}"
    )
