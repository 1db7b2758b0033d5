"""What PostgreSQL keeps of a row beside the row: old versions and statistics.

A wrapped key that is destroyed stands in neither (DESIGN, Personal data).
"""

from uuid import UUID

import psycopg

from libs.vault.store import Vault
from tests.integration.vault.conftest import Start
from tests.integration.vault.test_store import NOON, sealed


def box_of(dsn: str, person: UUID) -> bytes:
    with psycopg.connect(dsn) as connection:
        row = connection.execute(
            "SELECT box FROM person_key WHERE person = %s", (person,)
        ).fetchone()
    assert row is not None
    return bytes(row[0])


def on_disk(owners_dsn: str, table: str) -> bytes:
    """The table's own file, as PostgreSQL has written it."""
    with psycopg.connect(owners_dsn, autocommit=True) as connection:
        connection.execute("CHECKPOINT")
        row = connection.execute(
            "SELECT pg_read_binary_file(pg_relation_filepath(%s))", (table,)
        ).fetchone()
    assert row is not None
    return bytes(row[0])


def due(dsn: str) -> int:
    with psycopg.connect(dsn) as connection:
        row = connection.execute("SELECT count(*) FROM vacuum_due").fetchone()
    assert row is not None
    return int(row[0])


def test_no_byte_of_a_destroyed_key_is_left_and_until_then_it_is_due_on_record(
    vault: Vault, start: Start, dsn: str, owners_dsn: str
) -> None:
    everybody = [sealed(vault, f"1380013800{number}")[0] for number in range(6)]
    gone = [everybody[place] for place in (0, 3, 5)]
    boxes = [box_of(dsn, one) for one in gone]
    assert all(box in on_disk(owners_dsn, "person_key") for box in boxes)
    with psycopg.connect(dsn) as looking:  # whoever still looks at what was there, e.g. a backup
        looking.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        looking.execute("SELECT count(*) FROM erasure").fetchone()
        vault.destroy_again([(one, NOON) for one in gone])
        assert due(dsn) == 1
        assert not vault.vacuum()
        assert due(dsn) == 1, "the old version cannot go yet, so it stays due"
    assert start().vacuum(), "another instance, after a restart"
    assert due(dsn) == 0
    left = on_disk(owners_dsn, "person_key")
    assert [box in left for box in boxes] == [False, False, False]
    assert vault.vacuum(), "nothing is due"


def test_no_statistics_hold_keys_or_numbers(vault: Vault, start: Start, dsn: str) -> None:
    sealed(vault)
    with psycopg.connect(dsn, autocommit=True) as connection:
        # as an older installation left them
        connection.execute("ALTER TABLE person_key ALTER COLUMN box SET STATISTICS 100")
        for number in range(40):
            sealed(vault, f"138001380{number:02}")
        connection.execute("ANALYZE")
        held = "SELECT tablename, attname FROM pg_stats WHERE attname = ANY(%s)"
        secret = (["box", "key_box", "number"],)
        assert connection.execute(held, secret).fetchall() == [("person_key", "box")]
        start()
        connection.execute("ANALYZE")
        assert connection.execute(held, secret).fetchall() == []
