"""`bihuan up --processes`: whatever becomes of the command, it leaves no service behind."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from tests.e2e.commands import ROOT
from tests.stack import on_real_kafka

PATIENCE_SECONDS = 90.0


@pytest.mark.kafka
def test_a_killed_up_leaves_no_service_behind(tmp_path: Path) -> None:
    if not on_real_kafka():
        pytest.skip("NO REAL KAFKA: Java or Maven is missing")
    up = subprocess.Popen(
        [sys.executable, "-m", "cli.main", "up", "--processes"],
        cwd=ROOT,
        env={**os.environ, "BIHUAN_DATA": str(tmp_path / "data")},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    run_file = tmp_path / "data" / "run.json"
    try:
        until(lambda: run_file.exists() or up.poll() is not None)
        assert json.loads(run_file.read_text())["processes"] is True
        children = psutil.Process(up.pid).children(recursive=True)
        services = [one for one in children if "cli.serve" in one.cmdline()]
        assert len(services) == 6
    finally:
        up.send_signal(signal.SIGKILL)
        up.wait()
    until(lambda: not any(one.is_running() for one in services))


def until(true: Callable[[], bool]) -> None:
    """Waits until this is so."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.1)
