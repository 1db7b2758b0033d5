"""The tables every service's database has beside the event store."""

from libs.eventlog.tables import Table

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
    "INSERT INTO relay_state (one, generation, sent) VALUES (true, 1, 0) ON CONFLICT DO NOTHING",
)

RUNTIME_TABLE_NAMES = (
    "inbox_offset",
    "inbox_taken",
    "timer",
    "idempotency",
    "parked",
    "purged",
    "relay_sent",
    "relay_state",
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
