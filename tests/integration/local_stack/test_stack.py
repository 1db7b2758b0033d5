"""Both servers together: one owner at a time, found by others, gone when the owner goes."""

import os
import signal
from pathlib import Path

import psycopg
import pytest

from infra.local import DataFolderInUse, LocalStack, find_running
from tests.integration.local_stack.owners import alive, ends_within, owner


def test_a_folder_has_one_owner_at_a_time(tmp_path: Path) -> None:
    with LocalStack(tmp_path, broker="memory", durable=False) as stack:
        second = LocalStack(tmp_path, broker="memory", durable=False)
        with pytest.raises(DataFolderInUse, match="in use by process"):
            second.start()
        second.stop()
        assert stack.postgres.running
        assert find_running(tmp_path) is not None
    with second:
        assert second.postgres.running


def test_another_process_finds_a_running_stack(tmp_path: Path) -> None:
    assert find_running(tmp_path / "nothing here") is None
    with LocalStack(tmp_path, broker="memory", durable=False) as stack:
        stack.create_databases(["intake"])
        found = find_running(tmp_path)
        assert found is not None
        assert (found.bootstrap, found.broker_kind) == (stack.bootstrap, "memory")
        with psycopg.connect(found.dsn("intake")) as connection:
            assert connection.execute("select current_database()").fetchone() == ("intake",)
        assert (tmp_path / "stack.json").stat().st_mode & 0o077 == 0
    assert find_running(tmp_path) is None


def test_when_one_server_cannot_start_the_other_is_stopped(tmp_path: Path) -> None:
    (tmp_path / "kafka").write_text("a file where its folder should be")
    stack = LocalStack(tmp_path, broker="kafka", durable=False)
    with pytest.raises(Exception):  # noqa: B017, PT011 - what it is depends on what is installed
        stack.start()
    assert not stack.postgres.running
    assert find_running(tmp_path) is None


@pytest.mark.kafka
def test_both_go_on_after_each_was_away(tmp_path: Path) -> None:
    with LocalStack(tmp_path, durable=False, short_lived=True) as stack:
        if stack.broker_kind != "kafka":
            pytest.skip("NO REAL KAFKA: Java or Maven is missing")
        bootstrap = stack.bootstrap
        stack.create_databases(["intake"])
        stack.restart_postgres()
        stack.stop_kafka()
        assert not stack.broker.running
        stack.start_kafka()
        assert stack.bootstrap == bootstrap
        with psycopg.connect(stack.dsn("intake")) as connection:
            assert connection.execute("select 1").fetchone() == (1,)


def owned(folder: Path) -> str:
    return f"""
from infra.local import LocalStack
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)  # whoever runs the tests may ignore it
with LocalStack({str(folder)!r}, durable=False, short_lived=True) as stack:
    pids = [stack.postgres.pid]
    if stack.broker_kind == "kafka":
        pids.append(stack.broker.pid)
    try:
        print(*pids, flush=True)
        signal.pause()
    except KeyboardInterrupt:
        pass
raise SystemExit(7)"""


def test_ctrl_c_stops_both_cleanly(tmp_path: Path) -> None:
    with owner(owned(tmp_path)) as (process, pids):
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 7
        assert not any(alive(pid) for pid in pids)
    assert "database system is shut down" in (tmp_path / "postgres/postgres.log").read_text()


@pytest.mark.parametrize("ending", [signal.SIGKILL, signal.SIGTERM])
def test_a_killed_owner_leaves_nothing_and_can_be_followed(
    tmp_path: Path, ending: signal.Signals
) -> None:
    with owner(owned(tmp_path)) as (process, pids):
        process.send_signal(ending)
        process.wait()
        # At once: the servers may still be ending, and the next owner waits for them.
        with LocalStack(tmp_path, durable=False, short_lived=True) as stack:
            assert stack.postgres.running
            assert all(ends_within(pid, 1.0) for pid in pids)


def test_servers_do_not_hear_the_terminals_ctrl_c(tmp_path: Path) -> None:
    with LocalStack(tmp_path, broker="memory", durable=False) as stack:
        assert os.getsid(stack.postgres.pid) != os.getsid(0)
