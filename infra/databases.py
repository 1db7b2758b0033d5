"""A role, a database and a keeper for every service: what a database's administrator sets up.

Compose runs it once before the services, at each start; on one machine `bihuan up` does the same.
A service's role may connect to its own database, make tables there, add to those that are kept and
delete from the others; the keeper (infra/postgres/keeper.sql) owns what may not be deleted.
"""

import os
import sys
from hashlib import sha256
from pathlib import Path
from typing import Any

import psycopg
from psycopg import Connection, sql

from infra.hand_out import POSTGRES, ROLES

KEEPER_SQL = Path(__file__).parent / "postgres" / "keeper.sql"
PURGE_KEYS = "purge.key.pub"
LIVED_SQL = KEEPER_SQL.with_name("lived.sql")
PURGING_SQL = KEEPER_SQL.with_name("purging.sql")
SCRIPTS = (KEEPER_SQL, LIVED_SQL, PURGING_SQL)
"""In this order; each may be run again."""

FOREIGN_OBJECTS = """
SELECT c.oid::regclass::text AS name, c.relkind::text AS kind FROM pg_class c
WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p', 'c')
AND c.relowner NOT IN (to_regrole(%s), to_regrole('bihuan_keeper'))
"""


def give_keeper(dsn: str, role: str | None = None) -> None:
    """Gives the database a keeper, or the newest one; `dsn` is its administrator's.

    What an earlier release made in it as somebody else than `role` becomes the role's own.
    """
    script = "".join(one.read_text("utf-8") for one in SCRIPTS)
    version = sha256(script.encode()).hexdigest()
    with psycopg.connect(dsn) as connection:
        known = connection.execute(
            "SELECT obj_description(n.oid) FROM pg_namespace n, pg_database d "
            "WHERE n.nspname = 'keeper' AND d.datname = current_database() "
            "AND (d.datistemplate OR d.datdba = to_regrole('bihuan_keeper'))"
        ).fetchone()
        if known != (version,):
            connection.execute(script.encode())
            connection.execute(f"COMMENT ON SCHEMA keeper IS '{version}'".encode())
        if role is not None:
            for name, kind in connection.execute(FOREIGN_OBJECTS, (role,)).fetchall():
                what = "TYPE" if kind == "c" else "TABLE"
                give = f"ALTER {what} public.{name} OWNER TO {{}}"
                connection.execute(sql.SQL(give).format(sql.Identifier(role)))


def trust_purge_keys(dsn: str, published: Path) -> None:
    """Tells the database whose purges it may believe; `published` has a public half on each line.

    No file: nobody's, and nothing is ever purged there.
    """
    if not published.exists():
        return
    with psycopg.connect(dsn) as connection:
        for written in published.read_text("ascii").split():
            connection.execute("SELECT keeper.trust_purge_key(%s)", (written,))


def create_database(
    connection: Connection[Any], name: str, *, role: str, password: str | None = None
) -> None:
    """Makes what is missing of a database and its role, on a cluster whose template has a keeper.

    `connection` is an administrator's, in autocommit mode.
    """
    base, login = sql.Identifier(name), sql.Identifier(role)
    row = connection.execute("SELECT to_regrole(%s) IS NULL", (role,)).fetchone()
    if row and row[0]:
        connection.execute(sql.SQL("CREATE ROLE {} LOGIN").format(login))
    if password is not None:
        connection.execute(sql.SQL("ALTER ROLE {} PASSWORD {}").format(login, password))
    found = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (name,)).fetchone()
    if found is None:
        connection.execute(sql.SQL("CREATE DATABASE {} OWNER bihuan_keeper").format(base))
    connection.execute(
        sql.SQL(
            "GRANT bihuan_service TO {login}; GRANT {login} TO bihuan_keeper; "
            "REVOKE ALL ON DATABASE {base} FROM PUBLIC; "
            "GRANT CONNECT, TEMPORARY ON DATABASE {base} TO {login}"
        ).format(login=login, base=base)
    )


def prepare(server: str, passwords: Path) -> None:
    """Everything the services need of PostgreSQL, made or brought up to date.

    `server` is a libpq URI of the administrator without a database; `passwords` the folder that
    infra/hand_out.py filled, one file for each role.
    """
    give_keeper(f"{server}/template1")
    with psycopg.connect(f"{server}/postgres", autocommit=True) as connection:
        for owned in ROLES.values():
            for name, role in owned.items():
                password = (passwords / f"{role}.password").read_text("ascii")
                create_database(connection, name, role=role, password=password)
        connection.execute("REVOKE CONNECT ON DATABASE postgres, template1 FROM PUBLIC")
    for owned in ROLES.values():
        for name, role in owned.items():
            give_keeper(f"{server}/{name}", role)
            trust_purge_keys(f"{server}/{name}", passwords / PURGE_KEYS)


if __name__ == "__main__":
    handed_out = Path(os.environ["BIHUAN_HANDED_OUT"])
    admin = (handed_out / f"{POSTGRES}.password").read_text("ascii")
    prepare(f"postgresql://postgres:{admin}@{os.environ['BIHUAN_POSTGRES_HOST']}", handed_out)
    sys.stdout.write("every service has its database, and every database its keeper\n")
