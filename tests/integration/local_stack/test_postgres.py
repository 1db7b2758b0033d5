"""PostgreSQL of one machine: durable, private, and back after anything."""

import os
import shutil
import signal
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from infra.local import PostgresServer
from tests.integration.local_stack.owners import alive, ends_within, kill, owner, parent_of


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    folder = Path(tempfile.mkdtemp(prefix="bihuan-pg-"))
    server = PostgresServer(folder)
    server.start()
    server.create_databases(["book"])
    with psycopg.connect(server.dsn("book")) as connection:
        connection.execute("create table page (number int primary key, words text)")
    yield server
    server.stop()
    shutil.rmtree(folder)


def ask(server: PostgresServer, question: str) -> str:
    with psycopg.connect(server.dsn("book")) as connection:
        row = connection.execute(question).fetchone()
    assert row is not None
    return str(row[0])


def write(server: PostgresServer, number: int) -> None:
    with psycopg.connect(server.dsn("book")) as connection:
        connection.execute("insert into page values (%s, 'words')", [number])


def test_what_is_committed_is_on_disk(server: PostgresServer) -> None:
    assert ask(server, "show fsync") == "on"
    assert ask(server, "show synchronous_commit") == "on"
    assert ask(server, "show full_page_writes") == "on"
    assert ask(server, "show max_connections") == "200"
    assert ask(server, "select version()").startswith("PostgreSQL 18")


def test_nobody_else_can_reach_it(server: PostgresServer) -> None:
    assert ask(server, "show listen_addresses") == ""
    assert server.socket_folder.stat().st_mode & 0o777 == 0o700
    assert server.data.stat().st_mode & 0o777 == 0o700


def test_strings_sort_alike_on_every_machine(server: PostgresServer) -> None:
    ordered = ask(
        server, "select string_agg(x, '' order by x) from unnest('{b,A,é,a,B,受}'::text[]) x"
    )
    assert ordered == "ABabé受"


def test_creating_databases_again_changes_nothing(server: PostgresServer) -> None:
    write(server, 1)
    server.create_databases(["book"])
    assert ask(server, "select count(*) from page where number = 1") == "1"


def test_data_survives_a_restart_and_clients_find_the_same_address(server: PostgresServer) -> None:
    write(server, 2)
    before = server.dsn("book")
    server.restart()
    assert server.dsn("book") == before
    assert ask(server, "select count(*) from page where number = 2") == "1"


def test_data_survives_a_crash_amid_work(server: PostgresServer) -> None:
    write(server, 3)
    busy = psycopg.connect(server.dsn("book"))
    busy.execute("insert into page values (4, 'never committed')")
    asleep = psycopg.connect(server.dsn("book"))

    def sleep_until_the_end() -> None:
        with pytest.raises(psycopg.OperationalError):
            asleep.execute("select pg_sleep(60)")

    sleeper = threading.Thread(target=sleep_until_the_end)
    sleeper.start()
    time.sleep(0.2)
    server.kill()
    server.start()
    sleeper.join(10)
    busy.close()
    asleep.close()
    assert ask(server, "select count(*) from page where number = 3") == "1"
    assert ask(server, "select count(*) from page where number = 4") == "0"


def test_a_second_start_creates_nothing_and_is_quick(server: PostgresServer) -> None:
    server.stop()
    lines: list[str] = []
    started = time.monotonic()
    server.start(lambda _part, line: lines.append(line))
    assert time.monotonic() - started < 3.0  # measured: 0.15 s on two busy cores
    assert lines == ["starting PostgreSQL 18", "ready"]


def test_its_log_never_quotes_a_row(server: PostgresServer) -> None:
    with psycopg.connect(server.dsn("book")) as connection:
        connection.execute("create table person (number text primary key)")
        connection.execute("insert into person values ('13900001111')")
        connection.commit()
        with pytest.raises(psycopg.errors.UniqueViolation):
            connection.execute("insert into person values ('13900001111')")
    log = server.log.read_text("utf-8")
    assert "duplicate key value" in log
    assert "13900001111" not in log


def test_an_owner_killed_leaves_no_orphan(tmp_path: Path) -> None:
    code = f"""
from infra.local import PostgresServer
server = PostgresServer(__import__("pathlib").Path({str(tmp_path)!r}), durable=False)
server.start()
print(server.pid, flush=True)"""
    with owner(code) as (process, [pid]):
        assert alive(pid)
        process.kill()
        assert ends_within(pid, 10.0)


def test_a_server_left_over_is_ended_at_the_next_start(tmp_path: Path) -> None:
    code = f"""
from infra.local import PostgresServer
server = PostgresServer(__import__("pathlib").Path({str(tmp_path)!r}), durable=False)
server.start()
print(server.pid, flush=True)"""
    with owner(code) as (process, [pid]):
        leash = parent_of(pid)
        os.kill(pid, signal.SIGSTOP)  # so that it cannot hear that its leash is gone
        kill(leash, process.pid)
        process.wait()
    assert alive(pid)
    server = PostgresServer(tmp_path, durable=False)
    server.start()
    try:
        assert not alive(pid)
        assert server.pid != pid
    finally:
        server.stop()


def test_a_folder_too_deep_for_a_socket_works(tmp_path: Path) -> None:
    server = PostgresServer(tmp_path / ("deep" * 30), durable=False)
    server.start()
    try:
        server.create_databases(["book"])
        assert ask(server, "show fsync") == "off"
        assert server.socket_folder.stat().st_mode & 0o777 == 0o700
    finally:
        server.stop()
        shutil.rmtree(server.socket_folder)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has to leave root behind")
def test_where_root_has_no_namespaces_it_runs_as_another_account() -> None:
    folder = Path(tempfile.mkdtemp(prefix="bihuan-pg-"))
    folder.chmod(0o755)
    server = PostgresServer(folder / "pg", durable=False, unroot="account")
    server.start()
    try:
        server.create_databases(["book"])
        assert ask(server, "select 1") == "1"
        assert Path(f"/proc/{server.pid}").stat().st_uid != 0
    finally:
        server.stop()
    namespaced = PostgresServer(folder / "pg", durable=False)  # and takes the folder back
    namespaced.start()
    assert ask(namespaced, "select 1") == "1"
    namespaced.stop()
    shutil.rmtree(folder)
