"""The tables every service's database has beside the event store."""

from collections.abc import Sequence
from typing import Any

from psycopg import Cursor

from libs.eventlog.tables import Table


class CannotStart(RuntimeError):
    """The database must be seen to before the service may start; the text says how."""


class ViewsOutdated(CannotStart):
    """Read models of this database were made by another version of the service."""

    def __init__(self, service: str, names: Sequence[str]) -> None:
        super().__init__(
            f"read models made by another version of {service}, with other columns: "
            f"{', '.join(names)}; make them again from the log: bihuan rebuild {service}"
        )


RUNTIME_TABLES: tuple[str, ...] = (
    # How far each partition of each topic has been taken; `topic_id` tells a topic made anew.
    "CREATE TABLE IF NOT EXISTS inbox_offset ("
    "topic text NOT NULL, partition int NOT NULL, topic_id text NOT NULL, next bigint NOT NULL, "
    "PRIMARY KEY (topic, partition))",
    # The last position taken from each source in each partition: (generation, notification id).
    "CREATE TABLE IF NOT EXISTS inbox_taken ("
    "source text NOT NULL, partition int NOT NULL, generation int NOT NULL, id bigint NOT NULL, "
    "PRIMARY KEY (source, partition))",
    "CREATE TABLE IF NOT EXISTS timer ("
    "originator_id uuid NOT NULL, name text NOT NULL, kind text NOT NULL, subject text NOT NULL, "
    "partition int NOT NULL, due timestamptz NOT NULL, PRIMARY KEY (originator_id, name))",
    "CREATE INDEX IF NOT EXISTS timer_due ON timer (due)",
    "CREATE TABLE IF NOT EXISTS idempotency ("
    "key text NOT NULL, actor text NOT NULL, fingerprint text NOT NULL, outcome jsonb NOT NULL, "
    "kept_until timestamptz NOT NULL, PRIMARY KEY (key, actor))",
    "CREATE INDEX IF NOT EXISTS idempotency_kept ON idempotency (kept_until)",
    # Records that could not be taken, and those of the same complaint waiting behind them. The
    # bytes stand here only when they are an event of ours (sealed already); else only where they
    # lie in Kafka. No foreign key, no serial: rebuilt from record.parked / record.settled.
    "CREATE TABLE IF NOT EXISTS parked ("
    "topic text NOT NULL, partition int NOT NULL, record_offset bigint NOT NULL, "
    "subject text NOT NULL, source text NOT NULL, record_id text NOT NULL, "
    "position text NOT NULL, state text NOT NULL, error_kind text NOT NULL, detail text NOT NULL, "
    "value bytea, PRIMARY KEY (topic, partition, record_offset))",
    "CREATE INDEX IF NOT EXISTS parked_subject ON parked (subject) WHERE state <> 'settled'",
    "CREATE TABLE IF NOT EXISTS relay_sent ("
    "topic text NOT NULL, partition int NOT NULL, generation int NOT NULL, id bigint NOT NULL, "
    "record_offset bigint NOT NULL, topic_id text NOT NULL, PRIMARY KEY (topic, partition))",
    "CREATE TABLE IF NOT EXISTS relay_state ("
    "one boolean PRIMARY KEY DEFAULT true CHECK (one), generation int NOT NULL, "
    "sent bigint NOT NULL)",
    # Complaints whose records were deleted after their retention, and by which event: what the log
    # may still hold of them, or hold again, leads to nothing any more.
    "CREATE TABLE IF NOT EXISTS purged (subject text PRIMARY KEY, record text NOT NULL)",
    # Complaints to which nothing is added until the purge named (by the subject of its stream) is
    # carried out here or withdrawn.
    "CREATE TABLE IF NOT EXISTS withheld (subject text PRIMARY KEY, purge text NOT NULL)",
    # Per source the last event of the complaint that the purge's approval knew of.
    "ALTER TABLE withheld ADD COLUMN IF NOT EXISTS known jsonb NOT NULL DEFAULT '{}'",
    # One row while the database is being made again: since when, what, from what, by whom.
    "CREATE TABLE IF NOT EXISTS rebuilding ("
    "one boolean PRIMARY KEY DEFAULT true CHECK (one), since timestamptz NOT NULL, "
    "what text NOT NULL, source text NOT NULL, by text NOT NULL)",
    "INSERT INTO relay_state (one, generation, sent) VALUES (true, 1, 0) ON CONFLICT DO NOTHING",
)

RUNTIME_TABLE_NAMES = (
    "inbox_offset",
    "inbox_taken",
    "timer",
    "idempotency",
    "parked",
    "purged",
    "rebuilding",
    "relay_sent",
    "relay_state",
    "withheld",
)


def create_view(table: Table) -> tuple[str, ...]:
    """The statements that make one read model's table and its indexes."""
    columns = ", ".join(f"{name} {kind}" for name, kind in table.columns.items())
    key = ", ".join(table.key)
    statements = [f"CREATE TABLE IF NOT EXISTS {table.name} ({columns}, PRIMARY KEY ({key}))"]
    for number, index in enumerate(table.indexes, start=1):
        statements.append(
            f"CREATE INDEX IF NOT EXISTS {table.name}_{number} ON {table.name} ({index})"
        )
    return tuple(statements)


def outdated(curs: Cursor[Any], tables: Sequence[Table]) -> list[str]:
    """Those of these tables that are there with other columns, types or key than they should have.

    Rows of the cursor are dicts. A table that is missing is not outdated.
    """
    if not tables:
        return []
    wanted = [
        (table.name, name, table.type_of(name), "not null" in kind or name in table.key)
        for table in tables
        for name, kind in table.columns.items()
    ]
    keyed = [(table.name, ",".join(sorted(table.key))) for table in tables]
    columns = [[*column] for rows in (wanted, keyed) for column in zip(*rows, strict=True)]
    return [row["name"] for row in curs.execute(_DIFFERENT, columns).fetchall()]


_DIFFERENT = """
WITH want AS (
    SELECT * FROM unnest(%s::text[], %s::text[], %s::text[], %s::bool[])
        AS w (tab, col, kind, never_null)
), keyed AS (
    SELECT * FROM unnest(%s::text[], %s::text[]) AS k (tab, columns)
), have AS (
    SELECT keyed.tab, a.attname AS col, format_type(a.atttypid, a.atttypmod) AS kind,
           a.attnotnull AS never_null
    FROM keyed JOIN pg_attribute a ON a.attrelid = to_regclass(quote_ident(keyed.tab))
    WHERE a.attnum > 0 AND NOT a.attisdropped
), other AS (
    SELECT coalesce(want.tab, have.tab) AS tab
    FROM want FULL JOIN have ON (want.tab, want.col) = (have.tab, have.col)
    WHERE (want.tab IS NULL OR have.tab IS NULL OR want.never_null <> have.never_null
        OR format_type(to_regtype(want.kind), to_regtypemod(want.kind)) <> have.kind)
    UNION
    SELECT keyed.tab FROM keyed WHERE keyed.columns IS DISTINCT FROM (
        SELECT string_agg(a.attname, ',' ORDER BY a.attname COLLATE "C")
        FROM pg_index i
        JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey)
        WHERE i.indrelid = to_regclass(quote_ident(keyed.tab)) AND i.indisprimary)
)
SELECT DISTINCT tab AS name FROM other WHERE to_regclass(quote_ident(tab)) IS NOT NULL ORDER BY 1
"""
