"""Owners of a stack in processes of their own, to be killed."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[3]


@contextmanager
def owner(code: str) -> Iterator[tuple[subprocess.Popen[str], list[int]]]:
    """A process that runs `code` and waits; it must print the server pids on one line."""
    waiting = f"{code}\nimport signal\nsignal.pause()\n"
    process = subprocess.Popen(
        [sys.executable, "-c", waiting],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert process.stdout is not None
    try:
        yield process, [int(pid) for pid in process.stdout.readline().split()]
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def alive(pid: int) -> bool:
    """Whether the process exists and is no zombie."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False
    return "\nState:\tZ" not in status


def ends_within(pid: int, seconds: float) -> bool:
    """Whether the process is gone before the time is up."""
    deadline = time.monotonic() + seconds
    while alive(pid):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def parent_of(pid: int) -> int:
    """The process id of the parent: a server's leash."""
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def kill(*pids: int) -> None:
    """SIGKILL, as a crash would be."""
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
