"""Runs one server on a leash: whatever becomes of the process that asked for it, no orphan is left.

Run as a script, by `infra.local.process`, with nothing but the standard library. Standard input is
a pipe from the owner; its end means that the owner is gone (even by SIGKILL), and the server is
stopped politely, then by force. A parent-death signal alone would not do: Linux sends it when the
*thread* that started the process ends, and other systems have none.

It also takes off root where a server (PostgreSQL) refuses it: in a user namespace of one user when
the kernel allows that, so that files stay ours and folders closed to others can be reached, else by
changing to the named account.
"""

import argparse
import ctypes
import os
import pwd
import select
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path

CLONE_NEWUSER = 0x10000000
PR_SET_PDEATHSIG = 1
EXIT_CANNOT_START = 126


def main(arguments: Sequence[str]) -> int:
    """Start the command, tell its pid on standard output, and stay until it has ended."""
    options = _options(arguments)
    stop_signal = signal.Signals[options.stop_signal]
    woken, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    for name in (signal.SIGCHLD, signal.SIGTERM):
        signal.signal(name, lambda *_: None)

    leash = os.getpid()
    server = os.fork()
    if server == 0:
        _become_server(options, leash, stop_signal)

    os.write(1, f"{server}\n".encode())
    os.close(1)
    status = _wait_for_end(server, woken)
    if status is None:
        status = _stop(server, stop_signal, options.grace_s)
    return os.waitstatus_to_exitcode(status) & 0xFF


def enter_user_namespace(account: pwd.struct_passwd) -> None:
    """Become `account` in a namespace where it stands for who we are outside. Raises OSError."""
    libc = ctypes.CDLL(None, use_errno=True)
    user, group = os.geteuid(), os.getegid()
    if not hasattr(libc, "unshare"):
        raise OSError("no user namespaces on this system")
    if libc.unshare(CLONE_NEWUSER) != 0:
        raise OSError(ctypes.get_errno(), "user namespaces are not allowed here")
    Path("/proc/self/uid_map").write_text(f"{account.pw_uid} {user} 1")
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/gid_map").write_text(f"{account.pw_gid} {group} 1")


def become(account: pwd.struct_passwd) -> None:
    """Change to `account` for good; root only."""
    os.setgroups([])
    os.setgid(account.pw_gid)
    os.setuid(account.pw_uid)


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--stop-signal", default="SIGTERM")
    parser.add_argument("--grace-s", type=float, default=10.0)
    parser.add_argument("--unroot", choices=("no", "namespace", "account"), default="no")
    parser.add_argument("--account", default="nobody")
    parser.add_argument("command", nargs="+")
    return parser.parse_args(arguments)


def _become_server(options: argparse.Namespace, leash: int, stop_signal: int) -> None:
    try:
        signal.set_wakeup_fd(-1)
        for name in (signal.SIGCHLD, signal.SIGTERM):
            signal.signal(name, signal.SIG_DFL)
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        os.dup2(2, 1)
        if options.unroot == "namespace":
            enter_user_namespace(pwd.getpwnam(options.account))
        elif options.unroot == "account":
            become(pwd.getpwnam(options.account))
        # After the change of user, which clears it: should the leash itself be killed.
        _die_with_parent(leash, stop_signal)
        os.execv(options.command[0], options.command)  # noqa: S606 - no shell is meant
    except BaseException as error:  # noqa: BLE001 - nothing may return into the leash's code
        os.write(2, f"leash: cannot start {options.command[0]}: {error}\n".encode())
    finally:
        os._exit(EXIT_CANNOT_START)


def _die_with_parent(parent: int, stop_signal: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if hasattr(libc, "prctl"):
        libc.prctl(PR_SET_PDEATHSIG, int(stop_signal), 0, 0, 0)
    if os.getppid() != parent:
        os._exit(EXIT_CANNOT_START)


def _wait_for_end(server: int, woken: int) -> int | None:
    """The server's exit status, or None when its owner is gone or we are told to stop."""
    while True:
        ready, _, _ = select.select([0, woken], [], [])
        ended, status = os.waitpid(server, os.WNOHANG)
        if ended:
            return status
        if 0 in ready and not os.read(0, 64):
            return None
        if woken in ready and signal.SIGTERM in os.read(woken, 64):
            return None


def _stop(server: int, stop_signal: int, grace_s: float) -> int:
    os.kill(server, stop_signal)
    os.kill(server, signal.SIGCONT)  # a paused server could not hear it
    patience_ends = time.monotonic() + grace_s
    while time.monotonic() < patience_ends:
        ended, status = os.waitpid(server, os.WNOHANG)
        if ended:
            return status
        time.sleep(0.05)
    os.kill(server, signal.SIGKILL)
    return os.waitpid(server, 0)[1]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
