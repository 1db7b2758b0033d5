"""A replay runs with sockets, threads, processes and files for writing forbidden (S8, 9)."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]

GUARD = """
import _thread, os, sys, threading
def no_thread(*args, **more):
    raise PermissionError("a thread")
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_TRUNC
FORBIDDEN = ("socket.", "subprocess.", "os.exec", "os.fork", "os.posix_spawn", "os.system",
    "os.remove", "os.rename", "os.mkdir", "os.rmdir", "os.truncate", "os.link", "os.symlink",
    "os.kill", "shutil.", "tempfile.", "ctypes.", "smtplib.", "urllib.",
    "sqlite3.", "ftplib.", "http.client.")
def guard(event, args):
    if event == "open" and (args[2] or 0) & WRITES:
        raise PermissionError(f"writes {args[0]}")
    if event.startswith(FORBIDDEN):
        raise PermissionError(event)
def forbid():
    sys.addaudithook(guard)
    # Python 3.11 raises no audit event for a thread.
    _thread.start_new_thread = threading._start_new_thread = no_thread
sys.dont_write_bytecode = True
"""

REPLAY = """
from datetime import datetime
from tests.unit.replay.test_what_if import SEEDS, UNTIL, at, candidate, clocks, log, played
from tests.unit.replay.test_state import late, story
from replay.what_if import what_if
from replay.state import state_at
events, told = played(), story(late())
forbid()
answer = what_if(events, SEEDS, [candidate(clocks(resolve=4))], at(UNTIL))
print([(one.clock, one.change.value) for one in answer.differs])
found = state_at(told, at("2025-10-17 00:00"))
print(found.differs, found.as_it_was.events)
"""

TRIES = """
import socket, subprocess, tempfile
forbid()
for name, attempt in {
    "a socket": socket.socket,
    "a name": lambda: socket.getaddrinfo("localhost", 1),
    "a thread": lambda: threading.Thread(target=print).start(),
    "a bare thread": lambda: _thread.start_new_thread(print, ()),
    "a process": lambda: subprocess.run(["true"]),
    "a file": lambda: open("written", "w"),
    "an appended file": lambda: os.open("written", os.O_APPEND),
    "a removed file": lambda: os.remove("written"),
}.items():
    try:
        attempt()
    except PermissionError:
        continue
    print("not forbidden:", name)
"""


def run(script: str, folder: Path) -> str:
    """The script's output, run where nothing of it could be mistaken for ours."""
    ran = subprocess.run(
        [sys.executable, "-c", GUARD + script],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


def test_the_guard_forbids_what_it_says(tmp_path: Path) -> None:
    assert run(TRIES, tmp_path) == ""


def test_state_and_what_if_need_no_port_to_the_outside(tmp_path: Path) -> None:
    said = run(REPLAY, tmp_path).splitlines()
    assert said[0] == "[('resolve', 'verdict')]"
    assert said[1].startswith("True ")
    assert list(tmp_path.iterdir()) == []
