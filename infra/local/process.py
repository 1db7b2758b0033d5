"""Starts, stops, pauses and kills one server process that cannot outlive its owner."""

import contextlib
import os
import pwd
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from infra.local.problems import ServerFailed

LEASH = Path(__file__).with_name("leash.py")
LOG_BYTES_MAX = 16 * 1024 * 1024

Progress = Callable[[str, str], None]
"""Told what is being done: the part (`postgres`, `kafka`), then one line of English."""

Unroot = Literal["no", "namespace", "account"]
"""How a server that refuses root is run by root; see `infra.local.leash`."""


def quiet(_part: str, _line: str) -> None:
    """Progress that nobody looks at."""


@dataclass(frozen=True, slots=True)
class Launch:
    """What to start. `command[0]` is an absolute path; output is appended to `log`."""

    name: str
    command: tuple[str, ...]
    log: Path
    stop_signal: signal.Signals
    grace_s: float = 10.0
    unroot: Unroot = "no"
    account: str = "nobody"
    environment: Mapping[str, str] | None = None


class LeashedProcess:
    """A running server and the leash that ends it when we are gone."""

    def __init__(self, launch: Launch) -> None:
        """Start it. Raises ServerFailed when it cannot even be executed."""
        self._launch = launch
        _keep_log_short(launch.log)
        with launch.log.open("ab") as log:
            self._leash = subprocess.Popen(
                [sys.executable, "-I", "-S", str(LEASH), *_leash_options(launch)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                start_new_session=True,  # Ctrl-C is for the owner, who stops servers in order
                env=None if launch.environment is None else dict(launch.environment),
            )
        assert self._leash.stdout is not None
        told = self._leash.stdout.readline()
        self._leash.stdout.close()
        if not told:
            self._forget()
            raise ServerFailed(f"{launch.name} cannot be started", tail(launch.log))
        self.pid = int(told)
        """The server's own process id, not its leash's."""

    @property
    def running(self) -> bool:
        """Whether the server has not ended."""
        return self._leash.poll() is None

    @property
    def exit_status(self) -> int | None:
        """The server's exit status (a signal: 256 minus its number), or None while it runs."""
        return self._leash.poll()

    def stop(self, patience_s: float = 30.0) -> None:
        """Ask it to end and wait; by force after `patience_s`. Stopped already: nothing."""
        if self.running:
            self._signal(self._launch.stop_signal)
            self._signal(signal.SIGCONT)
            try:
                self._leash.wait(patience_s)
            except subprocess.TimeoutExpired:
                self._signal(signal.SIGKILL)
        self._forget()

    def kill(self) -> None:
        """SIGKILL, as a crash would be, and wait until it is gone."""
        self._signal(signal.SIGKILL)
        self._forget()

    def pause(self) -> None:
        """SIGSTOP: alive, holding its connections, answering nothing."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """SIGCONT, after `pause`."""
        self._signal(signal.SIGCONT)

    def _signal(self, signal_number: signal.Signals) -> None:
        if self.running:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal_number)

    def _forget(self) -> None:
        self._leash.wait()
        assert self._leash.stdin is not None
        self._leash.stdin.close()


def _leash_options(launch: Launch) -> list[str]:
    options = [f"--stop-signal={launch.stop_signal.name}", f"--grace-s={launch.grace_s}"]
    options += [f"--unroot={launch.unroot}", f"--account={launch.account}"]
    return [*options, "--", *launch.command]


def _keep_log_short(log: Path) -> None:
    """One older log is kept beside it, so that the folder does not grow for ever."""
    log.parent.mkdir(parents=True, exist_ok=True)
    if log.exists() and log.stat().st_size > LOG_BYTES_MAX:
        log.replace(log.with_name(log.name + ".old"))


def tail(log: Path, lines: int = 12) -> str:
    """The last lines of a log, for an error message."""
    if not log.exists():
        return ""
    return "\n".join(log.read_text("utf-8", "replace").splitlines()[-lines:])


def command_of(pid: int) -> str:
    """The command line of a process, or "" when there is none."""
    proc = Path(f"/proc/{pid}/cmdline")
    if proc.parent.parent.joinpath("self").exists():
        with contextlib.suppress(OSError):
            return proc.read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
        return ""
    listed = subprocess.run(
        ["ps", "-o", "command=", "-p", str(pid)], capture_output=True, text=True, check=False
    )
    return listed.stdout


def end_stale(pid: int, mark: str, stop_signal: signal.Signals, patience_s: float = 15.0) -> None:
    """End a server left over by an owner that was killed; only one whose command names `mark`."""
    deadline = time.monotonic() + patience_s
    while mark in command_of(pid):
        late = time.monotonic() > deadline
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL if late else stop_signal)
            os.kill(pid, signal.SIGCONT)
        time.sleep(0.1)
        if time.monotonic() > deadline + patience_s:
            raise ServerFailed(f"process {pid} of an earlier run cannot be ended")


def can_unroot_by_namespace(account: str) -> bool:
    """Whether this kernel lets root stand as `account` in a user namespace; tried, not guessed."""
    code = "import pwd, sys; sys.path.insert(0, sys.argv[1]); import leash; "
    code += "leash.enter_user_namespace(pwd.getpwnam(sys.argv[2]))"
    tried = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code, str(LEASH.parent), account],
        capture_output=True,
        check=False,
    )
    return tried.returncode == 0


def account_reaches(account: str, paths: Sequence[Path]) -> Path | None:
    """The first of `paths` that `account` cannot read or enter, or None."""
    who = pwd.getpwnam(account)
    for path in paths:
        access = "test -x" if path.is_dir() or os.access(path, os.X_OK) else "test -r"
        tried = subprocess.run(
            ["/bin/sh", "-c", f'{access} "$0"', str(path)],
            user=who.pw_uid,
            group=who.pw_gid,
            extra_groups=[],
            check=False,
        )
        if tried.returncode != 0:
            return path
    return None
