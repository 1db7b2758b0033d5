"""The vault's tables, in a database of its own, outside the log and outside rebuild."""

from typing import Any, Final

from psycopg import Connection
from psycopg.sql import SQL, Identifier

from libs.vault.errors import WrongVaultKey
from libs.vault.keyring import KeyRing

_LOCK: Final = 7_210_468_301
"""Advisory lock under which the tables are made, so that two instances may start at once."""

_TABLES: Final = """
CREATE TABLE IF NOT EXISTS wrapping_key (
    version integer PRIMARY KEY,
    proof bytea NOT NULL
);
CREATE TABLE IF NOT EXISTS person_number (
    number bytea PRIMARY KEY,
    person uuid NOT NULL
);
CREATE INDEX IF NOT EXISTS person_number_person ON person_number (person);
CREATE TABLE IF NOT EXISTS person_key (
    person uuid NOT NULL,
    key_id bytea NOT NULL,
    state text NOT NULL CHECK (state IN ('active', 'retired', 'locked', 'destroyed')),
    version integer,
    box bytea,
    locked_until timestamptz,
    PRIMARY KEY (person, key_id),
    CHECK ((state = 'destroyed') = (box IS NULL))
);
CREATE UNIQUE INDEX IF NOT EXISTS person_key_active ON person_key (person) WHERE state = 'active';
CREATE INDEX IF NOT EXISTS person_key_version ON person_key (version) WHERE box IS NOT NULL;
CREATE TABLE IF NOT EXISTS unreadable (
    subject uuid NOT NULL,
    content bytea NOT NULL,
    kept bigint GENERATED ALWAYS AS IDENTITY,
    place text NOT NULL,
    version integer NOT NULL,
    key_box bytea NOT NULL,
    box bytea NOT NULL,
    PRIMARY KEY (subject, content)
);
CREATE TABLE IF NOT EXISTS locking (
    person uuid NOT NULL,
    locked_at timestamptz NOT NULL,
    PRIMARY KEY (person, locked_at)
);
CREATE TABLE IF NOT EXISTS vacuum_due (
    due bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    since timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE IF NOT EXISTS erasure (
    person uuid NOT NULL,
    erased_at timestamptz NOT NULL,
    PRIMARY KEY (person, erased_at)
);
"""


_IN_STATISTICS: Final = """
SELECT c.relname, a.attname FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
WHERE c.relnamespace = 'public'::regnamespace AND (c.relname, a.attname) IN (
    ('person_key', 'box'), ('person_number', 'number'), ('unreadable', 'key_box'),
    ('unreadable', 'box')
) AND a.attstattarget IS DISTINCT FROM 0
"""


def prepare(connection: Connection[Any], ring: KeyRing) -> None:
    """Make the tables where they are missing, and check that the keys belong to them.

    Raises WrongVaultKey for the key file of another vault: sealing with it would lose data.
    """
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
        connection.execute(_TABLES)
        _keep_out_of_statistics(connection)
        _refuse_other_keys(connection, ring)
        connection.cursor().executemany(
            "INSERT INTO wrapping_key VALUES (%s, %s) ON CONFLICT DO NOTHING",
            [(version, ring.check_of(version)) for version in ring.versions],
        )


def _keep_out_of_statistics(connection: Connection[Any]) -> None:
    """ANALYZE copies values of columns into `pg_statistic`, where no erasure would find them."""
    for table, column in connection.execute(_IN_STATISTICS).fetchall():
        connection.execute(
            SQL(
                # told its own type anew, a column loses the statistics that it has
                "ALTER TABLE {table} ALTER COLUMN {column} SET STATISTICS 0, "
                "ALTER COLUMN {column} TYPE bytea"
            ).format(table=Identifier(table), column=Identifier(column))
        )


def _refuse_other_keys(connection: Connection[Any], ring: KeyRing) -> None:
    rows = connection.execute("SELECT version, proof FROM wrapping_key").fetchall()
    proofs = {int(version): bytes(proof) for version, proof in rows}
    shared = proofs.keys() & ring.versions.keys()
    if proofs and not shared:
        raise WrongVaultKey("the key file has no version that this vault knows")
    for version in sorted(shared):
        if proofs[version] != ring.check_of(version):
            raise WrongVaultKey(f"version {version} of the key file is not this vault's")
    used = connection.execute(
        "SELECT DISTINCT version FROM person_key WHERE box IS NOT NULL "
        "UNION SELECT version FROM unreadable"
    ).fetchall()
    missing = sorted({int(row[0]) for row in used} - ring.versions.keys())
    if missing:
        raise WrongVaultKey(f"the key file lacks version {missing[0]}, which wraps keys here")
