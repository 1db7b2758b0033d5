"""What compose's `databases` makes of a new PostgreSQL, and of one that an earlier release made."""

import importlib
from collections.abc import Iterator
from urllib.parse import quote

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from infra.databases import PURGE_KEYS, prepare
from infra.hand_out import ROLES
from libs.eventlog.store import Store
from tests.integration.keeper.purges import KEY, public, written
from tests.stack import room

MADE = {base: role for owned in ROLES.values() for base, role in owned.items()}

RECORDS = {
    "intake": {"stored_events"},
    "routing": {"stored_events"},
    "sla_watch": {"stored_events"},
    "escalation": {"stored_events"},
    "feedback_survey": {"stored_events"},
    "audit": {
        *("stored_events", "archive", "head", "running_digest", "tile", "sealed", "span"),
        *("fault", "log_life", "purged_record"),
    },
}
"""Each of the six services and the tables that hold what it recorded (docs/operations.md)."""

MAY = {"SELECT", "INSERT", "MAINTAIN"}
"""Read, add, lock (docs/decisions/0015); neither UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER."""

GROWING = {"head", "running_digest", "tile"}
"""A row of these may grow, which a trigger checks; its key never changes."""

DOORS = {
    *("keep", "add_partition", "live_on", "is_forged"),
    *("purge_streams", "purge_archive", "release_archived"),
}
"""What the keeper does for a service; the last three look for themselves at what may go."""

TAKING_BACK = ("DELETE FROM {}", "TRUNCATE {}", "UPDATE {} SET {} = {}", "DROP TABLE {}")


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """The administrator's URI without a database; what was made is dropped afterwards."""
    with room(("spare",), with_topics=False) as where:
        told = conninfo_to_dict(where.dsns["spare"])
        yield f"postgresql://{told['user']}@{quote(str(told['host']), safe='')}"
        with psycopg.connect(where.dsns["spare"], autocommit=True) as conn:
            for base in MADE:
                conn.execute(
                    sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(base))
                )


@pytest.fixture(scope="module")
def prepared(server: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Where everything is as compose has it once the six services have made their tables."""
    handed_out = tmp_path_factory.mktemp("handed-out")
    for role in MADE.values():
        (handed_out / f"{role}.password").write_text(f"of {role}", "ascii")
    (handed_out / PURGE_KEYS).write_text(f"{written(public(KEY))}\n", "ascii")
    with psycopg.connect(f"{server}/postgres", autocommit=True) as conn:
        # As the earlier release's init script did, whose services owned their databases.
        conn.execute("CREATE ROLE routing LOGIN")
        conn.execute("CREATE DATABASE bihuan_routing OWNER routing")
        conn.execute("REVOKE ALL ON DATABASE bihuan_routing FROM PUBLIC")
    with psycopg.connect(own(server, "routing"), autocommit=True) as conn:
        conn.execute("CREATE TABLE work (old int)")
        conn.execute("DROP TABLE work")

    prepare(server, handed_out)
    prepare(server, handed_out)  # at each start

    for name in RECORDS:
        store = Store(
            importlib.import_module(f"services.{name}.main").describe(), own(server, name)
        )
        store.create_tables()
        store.close()
    with psycopg.connect(own(server, "audit"), autocommit=True) as conn:
        conn.execute("SELECT keeper.add_partition('archive', 'archive_2025_09', '2025-09-01')")
    return server


def own(server: str, service: str) -> str:
    """A service's database as its own role, which has the service's name."""
    return f"{server.replace('//bihuan@', f'//{service}@')}/bihuan_{service}"


def test_databases_roles_keeper_and_key_new_or_upgraded(prepared: str) -> None:
    routing = own(prepared, "routing")
    with psycopg.connect(routing, autocommit=True) as conn:
        assert conn.execute("SELECT key FROM keeper.purge_key").fetchall() == [(public(KEY),)]
    with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
        psycopg.connect(routing.replace("bihuan_routing", "bihuan_audit"))
    with psycopg.connect(f"{prepared}/postgres") as conn:
        owners = conn.execute(
            "SELECT datname, pg_get_userbyid(datdba) FROM pg_database WHERE datname = ANY(%s)",
            (list(MADE),),
        ).fetchall()
    assert dict(owners) == dict.fromkeys(MADE, "bihuan_keeper")


@pytest.mark.parametrize("service", RECORDS)
def test_each_of_the_six_roles_lacks_the_right_to_take_a_record_back(
    prepared: str, service: str
) -> None:
    """Issue 5: "No path (API, CLI, SQL as the service's role) deletes one record under the floor:
    the service's database role lacks the right." What it may, and what it is refused, as sets.
    """
    tables = RECORDS[service] | ({"archive_2025_09"} if service == "audit" else set())
    with psycopg.connect(own(prepared, service), autocommit=True) as conn:
        held = conn.execute(
            "SELECT relname, g.may FROM pg_class, aclexplode(relacl) AS g (by, whom, may, on_too) "
            "WHERE relnamespace = 'public'::regnamespace AND relname = ANY(%s) "
            "AND pg_has_role(g.whom, 'MEMBER')",
            (list(tables),),
        ).fetchall()
        owners = conn.execute(
            "SELECT relname, pg_get_userbyid(relowner), pg_has_role(relowner, 'MEMBER') "
            "FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relname = ANY(%s)",
            (list(tables),),
        ).fetchall()
        kept = conn.execute(
            "SELECT relname FROM pg_class WHERE relkind IN ('r', 'p') "
            "AND relnamespace = 'public'::regnamespace AND relowner = 'bihuan_keeper'::regrole"
        ).fetchall()
        growing = conn.execute(
            "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace "
            "AND relname = ANY(%s) AND has_any_column_privilege(oid, 'UPDATE')",
            (list(tables),),
        ).fetchall()
        refused = {
            (table, statement)
            for table in tables
            for statement in TAKING_BACK
            if _is_refused(conn, statement, table)
        }
    assert set(held) == {(table, may) for table in RECORDS[service] for may in MAY}
    assert set(owners) == {(table, "bihuan_keeper", False) for table in tables}
    assert {name for (name,) in kept} == tables, "and no other table holds records"
    assert {name for (name,) in growing} == tables & GROWING
    assert refused == {(table, statement) for table in tables for statement in TAKING_BACK}


def _is_refused(conn: psycopg.Connection[tuple[object, ...]], statement: str, table: str) -> bool:
    """Whether the right to do this is missing; what was allowed is taken back."""
    row = conn.execute(
        "SELECT attname FROM pg_attribute WHERE attrelid = to_regclass(%s) AND attnum = 1", (table,)
    ).fetchone()
    assert row is not None
    names = [sql.Identifier(table), *(2 * [sql.Identifier(str(row[0]))])]
    try:
        with conn.transaction(force_rollback=True):
            conn.execute(sql.SQL(statement).format(*names[: statement.count("{}")]))
    except psycopg.errors.InsufficientPrivilege:
        return True
    return False


@pytest.mark.parametrize("service", RECORDS)
def test_each_of_the_six_roles_is_nobody_besides_and_has_only_the_keepers_doors(
    prepared: str, service: str
) -> None:
    with psycopg.connect(own(prepared, service), autocommit=True) as conn:
        rights = conn.execute(
            "SELECT rolsuper, rolcreaterole, rolcreatedb, rolreplication, rolbypassrls "
            "FROM pg_roles WHERE rolname = current_user"
        ).fetchone()
        roles = conn.execute(
            "SELECT rolname FROM pg_roles WHERE pg_has_role(current_user, oid, 'MEMBER')"
        ).fetchall()
        doors = conn.execute(
            "SELECT proname FROM pg_proc WHERE pronamespace = 'keeper'::regnamespace "
            "AND has_function_privilege(oid, 'EXECUTE')"
        ).fetchall()
        # What runs as somebody else than who calls it, wherever it is.
        as_others = conn.execute(
            "SELECT proname FROM pg_proc WHERE prosecdef AND has_function_privilege(oid, 'EXECUTE')"
        ).fetchall()
    assert rights == (False,) * 5
    assert {name for (name,) in roles} == {service, "bihuan_service"}
    assert {name for (name,) in doors} == DOORS
    assert {name for (name,) in as_others} == DOORS
