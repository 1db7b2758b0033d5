"""What a service recorded, its own role cannot take back: on a real PostgreSQL, as that role."""

from collections.abc import Iterator

import psycopg
import pytest
from psycopg import sql

from infra.databases import KEEPER_SQL, give_keeper
from libs.eventlog.recorder import NotKept
from libs.eventlog.store import Store
from services.audit.main import describe
from tests.stack import Room, emptied, room

APPENDED = ("stored_events", "archive", "sealed", "span", "fault", "log_life")
GROWING = ("head", "running_digest", "tile")


@pytest.fixture(scope="module")
def where() -> Iterator[Room]:
    """Audit's database as audit made it, with a record in it."""
    with room(("audit",), with_topics=False) as given:
        made(given)
        with psycopg.connect(given.service_dsns["audit"]) as conn:
            conn.execute("SELECT keeper.add_partition('archive', 'archive_2025_09', '2025-09-01')")
            conn.execute(
                "INSERT INTO stored_events (originator_id, originator_version, topic, state) "
                "VALUES (gen_random_uuid(), 1, 'ball.thrown.v1', 'x')"
            )
            conn.execute(
                "INSERT INTO archive (cohort, life, partition, record_offset, source, subject, "
                "position, after, type, digest, state) "
                "VALUES ('2025-09-01', 1, 0, 0, '/s', 'x', '1', '0', 't', '\\x00', '\\x00')"
            )
            conn.execute(
                "INSERT INTO head VALUES ('x', '/s', '2025-09-01', 3, '\\x03', '2025-09-01Z')"
            )
            conn.execute("INSERT INTO running_digest VALUES (0, 3, '\\x03')")
            conn.execute("INSERT INTO tile VALUES (0, 0, '\\x0102')")
        yield given


def made(where: Room) -> None:
    store = Store(describe(), where.service_dsns["audit"])
    try:
        store.create_tables()
    finally:
        store.close()


@pytest.fixture
def audit(where: Room) -> Iterator[psycopg.Connection[tuple[int, ...]]]:
    with psycopg.connect(where.service_dsns["audit"], autocommit=True) as conn:
        yield conn


@pytest.mark.parametrize("table", [*APPENDED, *GROWING])
@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM {}",
        "TRUNCATE {}",
        "TRUNCATE {} CASCADE",
        "DROP TABLE {}",
        "ALTER TABLE {} RENAME TO other",
        "ALTER TABLE {} OWNER TO CURRENT_USER",
        "ALTER TABLE {} DISABLE TRIGGER ALL",
        "CREATE RULE mine AS ON INSERT TO {} DO INSTEAD NOTHING",
        "CREATE TRIGGER mine BEFORE INSERT ON {} FOR EACH ROW EXECUTE FUNCTION "
        "suppress_redundant_updates_trigger()",
        "CREATE TABLE child () INHERITS ({})",
    ],
)
def test_the_services_role_can_take_back_nothing(
    audit: psycopg.Connection[tuple[int, ...]], statement: str, table: str
) -> None:
    """Issue 5: no SQL as the service's role deletes one record; it lacks the right."""
    with pytest.raises((psycopg.errors.InsufficientPrivilege, psycopg.errors.WrongObjectType)):
        audit.execute(sql.SQL(statement).format(sql.Identifier(table)))  # type: ignore[arg-type] # each is a literal above


@pytest.mark.parametrize("table", APPENDED)
def test_what_is_only_added_to_cannot_be_changed(
    audit: psycopg.Connection[tuple[int, ...]], table: str
) -> None:
    row = audit.execute(
        "SELECT attname FROM pg_attribute WHERE attrelid = to_regclass(%s) AND attnum = 1", (table,)
    ).fetchone()
    assert row is not None
    name, column = sql.Identifier(table), sql.Identifier(str(row[0]))
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        audit.execute(sql.SQL("UPDATE {} SET {} = {}").format(name, column, column))


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE head SET sequence = 2",
        "UPDATE head SET digest = '\\x04'",
        "UPDATE running_digest SET records = 2, digest = '\\x02'",
        "UPDATE running_digest SET digest = '\\x04'",
        "UPDATE tile SET hashes = '\\x01'",
        "UPDATE tile SET hashes = '\\x0103'",
        "UPDATE tile SET hashes = '\\x010302'",
    ],
)
def test_what_grows_never_shrinks(audit: psycopg.Connection[tuple[int, ...]], change: str) -> None:
    with pytest.raises(psycopg.DatabaseError, match="only ever grows"):
        audit.execute(change.encode())


def test_what_grows_grows(audit: psycopg.Connection[tuple[int, ...]]) -> None:
    with audit.transaction(force_rollback=True):
        audit.execute("UPDATE head SET sequence = 4, digest = '\\x04'")
        audit.execute("UPDATE running_digest SET records = 4, digest = '\\x04'")
        audit.execute("UPDATE tile SET hashes = '\\x010203'")
        audit.execute("UPDATE tile SET hashes = '\\x010203'")  # once more: nothing changes


@pytest.mark.parametrize(
    "statement",
    [
        "SET ROLE bihuan_keeper",
        "DROP SCHEMA public CASCADE",
        "DROP SCHEMA keeper CASCADE",
        "DROP FUNCTION keeper.keep",
        "DROP OWNED BY bihuan_keeper",
        "REASSIGN OWNED BY bihuan_keeper TO CURRENT_USER",
        "DROP TABLE archive_2025_09",
        "DELETE FROM archive_2025_09",
        "ALTER TABLE archive DETACH PARTITION archive_2025_09",
        "SELECT keeper.unfit('archive')",
        "SELECT keeper.add_partition('pg_class', 'pg_class_2', '2025-09-01')",
        "SELECT keeper.add_partition('archive', 'complaint', '2025-09-01')",
        "CREATE SCHEMA other",
    ],
)
def test_nor_become_or_unmake_who_keeps(
    audit: psycopg.Connection[tuple[int, ...]], statement: str
) -> None:
    with pytest.raises(psycopg.DatabaseError):
        audit.execute(statement.encode())
    assert audit.execute("SELECT count(*) FROM stored_events").fetchone() == (1,)
    assert audit.execute("SELECT count(*) FROM archive").fetchone() == (1,)


def test_granting_itself_everything_grants_nothing(
    audit: psycopg.Connection[tuple[int, ...]],
) -> None:
    audit.execute("GRANT ALL ON stored_events TO CURRENT_USER")  # a warning only
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        audit.execute("DELETE FROM stored_events")


def test_its_database_is_not_its_own(where: Room) -> None:
    with psycopg.connect(where.dsns["audit"]) as conn:
        row = conn.execute(
            "SELECT pg_get_userbyid(datdba), has_database_privilege('public', oid, 'CONNECT') "
            "FROM pg_database WHERE datname = current_database()"
        ).fetchone()
    assert row == ("bihuan_keeper", False)


@pytest.fixture(scope="module")
def bare() -> Iterator[psycopg.Connection[tuple[int, ...]]]:
    """The service's role in a database in which nothing is kept yet."""
    with (
        room(("routing",), with_topics=False) as where,
        psycopg.connect(where.service_dsns["routing"], autocommit=True) as conn,
    ):
        yield conn


TRAPS = (
    "CREATE TRIGGER trap BEFORE DELETE ON span FOR EACH ROW EXECUTE FUNCTION "
    "suppress_redundant_updates_trigger()",
    "CREATE RULE trap AS ON DELETE TO span DO INSTEAD NOTHING",
    "CREATE TABLE follower (a int REFERENCES span ON DELETE CASCADE)",
    "CREATE INDEX ON span (abs(a))",
    "ALTER TABLE span ENABLE ROW LEVEL SECURITY",
    "GRANT DELETE ON span TO bihuan_service",
    "CREATE TABLE child () INHERITS (span)",
    "CREATE STATISTICS trap ON (abs(a)), b FROM span",
    "ALTER TABLE span ADD CHECK (abs(a) > 0)",
    "ALTER TABLE span ALTER b SET DEFAULT abs(1)",
    "ALTER TABLE span ALTER b SET DEFAULT length(query_to_xml('SELECT 1', true, true, '')::text)",
)


@pytest.mark.parametrize("trap", TRAPS)
def test_nothing_is_taken_over_that_would_run_in_the_keepers_name(
    bare: psycopg.Connection[tuple[int, ...]], trap: str
) -> None:
    """Without `keeper.unfit` a service could set a trap that the keeper's own delete springs."""
    with bare.transaction(force_rollback=True):
        bare.execute("CREATE TABLE span (a int PRIMARY KEY, b int)")
        bare.execute(trap.encode())
        with pytest.raises(psycopg.DatabaseError, match="cannot be kept"), bare.transaction():
            bare.execute("SELECT keeper.keep('span')")


def test_only_tables_that_the_keeper_knows_are_taken_over(
    bare: psycopg.Connection[tuple[int, ...]],
) -> None:
    with bare.transaction(force_rollback=True):
        bare.execute("CREATE TABLE other (a int PRIMARY KEY)")
        with pytest.raises(psycopg.DatabaseError, match="knows"), bare.transaction():
            bare.execute("SELECT keeper.keep('other')")
        bare.execute("CREATE TABLE span (a serial PRIMARY KEY)")
        bare.execute("SELECT keeper.keep('span')")
        for late in ("CREATE STATISTICS trap ON (abs(a)), a FROM span", TRAPS[0]):
            with (
                pytest.raises(psycopg.errors.InsufficientPrivilege),
                bare.transaction(),
            ):
                bare.execute(late.encode())


@pytest.mark.parametrize(
    ("deleting", "table"),
    [
        ("keeper.purge_streams('{}')", "stored_events"),
        ("keeper.purge_archive('{}')", "archive"),
        ("keeper.purge_archive('{}')", "head"),
        ("keeper.purge_archive('{}')", "purged_record"),
        ("keeper.release_archived('2024-01-01', 0, 1, 0)", "archive"),
        ("keeper.release_archived('2024-01-01', 0, 1, 0)", "stored_events"),
    ],
)
def test_no_view_of_a_services_own_is_read_in_the_keepers_name(
    bare: psycopg.Connection[tuple[int, ...]], deleting: str, table: str
) -> None:
    """Without `keeper.check_kept` its function runs as the keeper, who may delete everything.

    The others are kept tables of these names, so that the functions go as far as they can.
    """
    columns = "a int PRIMARY KEY, cohort date, partition int, life int, record_offset bigint, "
    columns += "time timestamptz, topic text, state bytea, notification_id bigint"
    with bare.transaction(force_rollback=True):
        for other in ("stored_events", "archive", "head", "purged_record"):
            if other != table:
                bare.execute(f"CREATE TABLE {other} ({columns})".encode())
                bare.execute("SELECT keeper.keep(%s)", (other,))
        bare.execute(
            "CREATE FUNCTION trap() RETURNS date LANGUAGE plpgsql AS $$ BEGIN "
            "RAISE EXCEPTION 'it ran as %', current_user; END $$"
        )
        bare.execute(f"CREATE TABLE base ({columns})".encode())
        bare.execute("INSERT INTO base (a, cohort, partition) VALUES (1, '2024-01-01', 0)")
        bare.execute(
            f"CREATE VIEW {table} AS SELECT trap() AS cohort, a, partition, life, record_offset, "
            "time, 'cohort.archived.v1' AS topic, state, notification_id FROM base".encode()
        )
        why = f"{table} is no table that is kept here"
        with pytest.raises(psycopg.DatabaseError, match=why) as refused, bare.transaction():
            bare.execute(f"SELECT {deleting}".encode())
        assert refused.value.sqlstate == "KP010"


def test_what_an_earlier_release_made_is_taken_over_at_the_next_start() -> None:
    with room(("audit",), with_topics=False) as where:
        admin, own = where.dsns["audit"], where.service_dsns["audit"]
        with psycopg.connect(admin, autocommit=True) as conn:
            conn.execute("DROP SCHEMA keeper CASCADE")
            base = sql.Identifier(conn.info.dbname)
            conn.execute(sql.SQL("ALTER DATABASE {} OWNER TO {}").format(base, base))
            service = describe()
            for kept in service.kept:
                for statement in kept.statements:
                    conn.execute(statement.encode())
            conn.execute("CREATE TABLE archive_2025_09 (LIKE archive INCLUDING DEFAULTS)")
            conn.execute(
                "ALTER TABLE archive ATTACH PARTITION archive_2025_09 FOR VALUES IN ('2025-09-01')"
            )
            conn.execute("CREATE TABLE checkpoint_export (old int)")
        with pytest.raises(NotKept, match=r"keeper\.sql"):
            made(where)
        with psycopg.connect(own, autocommit=True) as conn:
            role = conn.info.user
        give_keeper(admin, role)
        give_keeper(admin, role)
        with (
            psycopg.connect(own, autocommit=True) as conn,
            pytest.raises(psycopg.errors.InsufficientPrivilege),
        ):
            conn.execute("DROP SCHEMA public CASCADE")
        with psycopg.connect(own, autocommit=True) as conn:
            conn.execute("DROP TABLE checkpoint_export")  # what is not kept is its own
        made(where)
        made(where)
        with psycopg.connect(own, autocommit=True) as conn:
            for table in ("archive", "archive_2025_09", "stored_events", "head"):
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    conn.execute(sql.SQL("DELETE FROM {}").format(sql.Identifier(table)))


def test_the_script_says_what_an_administrator_types() -> None:
    """A database made by the statements in its head is one that a service can use."""
    head = [line[5:] for line in KEEPER_SQL.read_text("utf-8").splitlines() if line[:5] == "--   "]
    assert len(head) == 5
    with room(("other",), with_topics=False) as where:
        admin = where.dsns["other"]
        database = psycopg.conninfo.conninfo_to_dict(admin)["dbname"]
        name = f"typed_{database}"
        with psycopg.connect(admin, autocommit=True) as conn:
            for line in head:
                conn.execute(line.replace("bihuan_intake", name).replace("intake", name).encode())
        try:
            give_keeper(admin.replace(f"/{database}?", f"/{name}?"))
            own = where.service_dsns["other"].replace(str(database), name)
            store = Store(describe(), own)
            store.create_tables()
            store.close()
        finally:
            with psycopg.connect(admin, autocommit=True) as conn:
                conn.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def test_an_emptied_database_is_kept_again() -> None:
    with room(("audit",), with_topics=False) as where:
        made(where)
        emptied(where.dsns["audit"])
        made(where)
        with (
            psycopg.connect(where.service_dsns["audit"]) as conn,
            pytest.raises(psycopg.errors.InsufficientPrivilege),
        ):
            conn.execute("DELETE FROM stored_events")
