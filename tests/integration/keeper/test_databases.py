"""What compose's `databases` makes of a new PostgreSQL, and of one that an earlier release made."""

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from infra.databases import PURGE_KEYS, prepare
from infra.hand_out import ROLES
from libs.eventlog.store import Store
from services.routing.main import describe
from tests.integration.keeper.purges import KEY, public, written
from tests.stack import room

MADE = {base: role for owned in ROLES.values() for base, role in owned.items()}


@pytest.fixture
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


def test_databases_roles_keeper_and_key_new_or_upgraded(server: str, tmp_path: Path) -> None:
    for role in MADE.values():
        (tmp_path / f"{role}.password").write_text(f"of {role}", "ascii")
    (tmp_path / PURGE_KEYS).write_text(f"{written(public(KEY))}\n", "ascii")
    with psycopg.connect(f"{server}/postgres", autocommit=True) as conn:
        # As the earlier release's init script did, whose services owned their databases.
        conn.execute("CREATE ROLE routing LOGIN")
        conn.execute("CREATE DATABASE bihuan_routing OWNER routing")
        conn.execute("REVOKE ALL ON DATABASE bihuan_routing FROM PUBLIC")
    own = f"{server.replace('//bihuan@', '//routing@')}/bihuan_routing"
    with psycopg.connect(own, autocommit=True) as conn:
        conn.execute("CREATE TABLE work (old int)")
        conn.execute("DROP TABLE work")

    prepare(server, tmp_path)
    prepare(server, tmp_path)  # at each start

    store = Store(describe(), own)
    store.create_tables()
    store.close()
    with psycopg.connect(own, autocommit=True) as conn:
        assert conn.execute("SELECT key FROM keeper.purge_key").fetchall() == [(public(KEY),)]
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            conn.execute("DELETE FROM stored_events")
    with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
        psycopg.connect(own.replace("bihuan_routing", "bihuan_audit"))
    with psycopg.connect(f"{server}/postgres") as conn:
        owners = conn.execute(
            "SELECT datname, pg_get_userbyid(datdba) FROM pg_database WHERE datname = ANY(%s)",
            (list(MADE),),
        ).fetchall()
    assert dict(owners) == dict.fromkeys(MADE, "bihuan_keeper")
