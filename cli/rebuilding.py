"""`bihuan rebuild SERVICE`: a service's views, or its whole database, made again from the log."""

import asyncio
import importlib
import json
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from hashlib import file_digest
from pathlib import Path
from typing import Annotated, Any

import psycopg
import typer
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from cli.archive_pages import ACTOR, ROLE, ArchivePages
from cli.client import Client
from cli.places import SERVICES, Places
from cli.system import System, database
from cli.telling import FOUND, MISUSED, AsJson, emit, err, fail, out, speaking
from infra.databases import PURGE_KEYS, create_database, trust_purge_keys
from infra.local import LocalStack, StackProblem
from libs.eventlog.purging import PurgeRefused
from libs.eventlog.service import Service
from libs.eventlog.store import Store
from libs.messaging import topics
from libs.messaging.beside import Beside, Databases, EventsDiffer, NeverNear, NotDrained
from libs.messaging.copying import Where
from libs.messaging.log_lines import ArchiveLog, FilePages, Pages, write_lines
from libs.messaging.log_source import KafkaLog, Log, LogUnusable
from libs.messaging.rebuild import (
    NotEmpty,
    Rebuilt,
    StillRunning,
    lock_out_instances,
    rebuild,
)
from libs.messaging.swapping import swap_names
from services.audit.cold.source import FilesLog
from services.audit.cold.store import Folder, StoreAway

KAFKA, ARCHIVE = "kafka", "archive"
BY = "admin:local"
NOT_MADE = (
    *(StackProblem, StillRunning, NotEmpty, LogUnusable, PurgeRefused),
    *(NotDrained, NeverNear, EventsDiffer),
    *(psycopg.Error, OSError, StoreAway),
)
"""What keeps a rebuild from being done; it says why."""

From = Annotated[
    str,
    typer.Option(
        "--from",
        help="kafka; archive: audit's, then Kafka's tail; a file of `bihuan log`, likewise; "
        "or the folder of the months' files, then Kafka.",
    ),
]


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    app.command("rebuild")(rebuild_service)
    app.command("log")(log_lines)


def rebuild_service(
    service: Annotated[str, typer.Argument(help=f"One of {', '.join(SERVICES)}.")],
    whole: Annotated[
        bool, typer.Option("--whole", help="The whole database, not only its views.")
    ] = False,
    source: From = KAFKA,
    beside: Annotated[
        bool, typer.Option("--beside", help="The whole database, while the system runs.")
    ] = False,
    swap: Annotated[
        bool, typer.Option("--swap", help="With --beside: put it in the live one's place.")
    ] = False,
    by: Annotated[str, typer.Option(help="Who orders it: on record.")] = BY,
    as_json: AsJson = False,
) -> None:
    """Make a service's views again from its own events and the log; --whole its whole database.

    Offline: stop the system first. Broken off, do it again. With --whole the present database is
    set aside under another name, never dropped. What is not in the log cannot come back: the vault,
    what was never sent. With --json: {what, events, records, generation, digest, set_aside}.
    Exit 1: it could not be done.

    With --beside: while the system runs, into a database beside the live one, which it catches up
    with and is compared with at a moment of rest, table by table. Then it is dropped, or with
    --swap takes the live one's place: the service goes on by itself within a second or so. With
    --json: {service, rounds, events, records, different: [{table, live, beside}], swapped,
    set_aside, generation, digest, held_seconds}. Exit 1: they differ, and nothing was swapped.
    """
    if service not in SERVICES:
        fail(
            f"no such service: {service}; there are {', '.join(SERVICES)}",
            code=MISUSED,
            as_json=as_json,
        )
    if (swap and not beside) or (beside and whole):
        fail("--swap goes with --beside, and --beside is whole", code=MISUSED, as_json=as_json)
    if service == "audit" and source == ARCHIVE:
        fail(
            "audit has no other archive than its own: --from kafka, a file that `bihuan log` "
            "wrote, or the folder of its months' files",
            code=MISUSED,
            as_json=as_json,
        )
    places = Places.here()
    if beside:
        rebuild_beside(places, service, source, swap=swap, by=by, as_json=as_json)
        return
    if not places.stack.exists():
        fail(f"nothing was ever started on {places.data}", code=MISUSED, as_json=as_json)
    try:
        with speaking(as_json):
            done, aside = asyncio.run(_offline(places, service, whole, source, by))
    except NOT_MADE as error:
        fail(str(error), as_json=as_json)
    if as_json:
        emit({**asdict(done), "set_aside": aside})
        return
    out.print(
        f"[green]✓[/green] {service}: {done.what} made again from {done.events:,} own events and "
        f"{done.records:,} records of the log; digest {done.digest[:16]}"
    )
    if aside:
        out.print(f"The database as it was is kept as {aside}; drop it when all is well.")


def rebuild_beside(
    places: Places, service: str, source: str, *, swap: bool, by: str, as_json: bool
) -> None:
    """See `rebuild_service`."""
    try:
        with speaking(as_json), ExitStack() as opened:
            told = places.running()
            if told["broker"] != "kafka":
                fail("the in-memory broker keeps no log to rebuild from", as_json=as_json)
            bootstrap, prefix = str(told["bootstrap"]), str(told["topic_prefix"])
            log, where = log_of(places, source, bootstrap, opened, prefix)
            progress = opened.enter_context(progress_bar())
            live, own = (str(told["databases"][service][one]) for one in ("live", "own"))
            databases = beside_of(live, own, str(told["maintenance"]))
            found = made_beside(service_of(service), databases, log, where, swap, by, progress)
    except NOT_MADE as error:
        fail(str(error), as_json=as_json)
    _tell_beside(found, as_json=as_json)


def made_beside(
    service: Service,
    databases: Databases,
    log: Log,
    where: Where,
    swap: bool,
    by: str,
    progress: Any,
) -> dict[str, Any]:
    """Makes the copy, compares it at a moment of rest, and swaps or drops it; see `--json`."""
    with _empty(databases) as aside:
        beside = Beside(service, databases, log, where, by, progress)
        try:
            rounds = beside.catch_up()
            different = beside.differences()
            found: dict[str, Any] = {
                "service": service.name,
                "rounds": rounds,
                "different": [asdict(one) for one in different],
                "swapped": swap,
                "set_aside": aside if swap else None,
            }
            if swap:
                beside.catch_up()
                _take_over_lived_time(databases)
                found |= asdict(beside.swap(aside))
            found |= {"events": beside.events, "records": beside.records}
            found["held_seconds"] = round(beside.held.seconds, 3)
            return found
        finally:
            beside.close()


def made_whole(
    service: Service,
    databases: Databases,
    log: Log,
    where: Where,
    source: str,
    by: str,
    progress: Any,
) -> tuple[Rebuilt, str | None]:
    """Makes the database anew beside the present one, which is then set aside; returns its name.

    None: there was none, it is lost. Broken off at any place, the present one is there as it was; a
    later call begins anew. Raises StillRunning, and what `rebuild` raises.
    """
    with ExitStack() as opened:
        aside = opened.enter_context(_empty(databases))
        guard = None
        if _is_there(databases):
            guard = opened.enter_context(closing(lock_out_instances(databases.live)))
        done = rebuilt(
            service, databases.own, log, where, whole=True, source=source, by=by, progress=progress
        )
        if guard is not None:
            _take_over_lived_time(databases)
        live, made = (_name(dsn) for dsn in (databases.live, databases.beside))
        swap_names(databases.maintenance, live, made, aside, guard)
        return done, aside if guard is not None else None


def _take_over_lived_time(databases: Databases) -> None:
    """What is vouched for of the clock (infra/postgres/lived.sql) is in no log.

    Made anew it would go by the newest record, which may be of a time that the clock leapt to. The
    witness stands in audit's database only; a keeper of an earlier release knows of none.
    """
    with psycopg.connect(databases.live) as live, psycopg.connect(databases.beside) as beside:
        row = live.execute("SELECT to_regclass('keeper.lived_time') IS NULL").fetchone()
        if row == (True,):
            return
        for known in live.execute("SELECT seen, vouched FROM keeper.lived_time").fetchall():
            beside.execute("DELETE FROM keeper.lived_time")
            beside.execute("INSERT INTO keeper.lived_time (seen, vouched) VALUES (%s, %s)", known)


def _is_there(databases: Databases) -> bool:
    with psycopg.connect(databases.maintenance) as admin:
        found = admin.execute(
            "SELECT FROM pg_database WHERE datname = %s", (_name(databases.live),)
        ).fetchone()
    return found is not None


@contextmanager
def _empty(databases: Databases) -> Iterator[str]:
    """An empty database beside the live one, dropped in the end where it was not swapped in.

    Yields a name under which the live one can be set aside.
    """
    name = _name(databases.beside)
    with psycopg.connect(databases.maintenance, autocommit=True) as admin:
        _drop(admin, name)  # of a rebuild that was broken off
        create_database(admin, name, role=str(conninfo_to_dict(databases.own)["user"]))
        trust_purge_keys(databases.beside, Places.here().keys / PURGE_KEYS)
        try:
            yield f"{_name(databases.live)}_before_{int(time.time())}"
        finally:
            _drop(admin, name)


def _name(dsn: str) -> str:
    return str(conninfo_to_dict(dsn)["dbname"])


def _drop(admin: psycopg.Connection[Any], name: str) -> None:
    admin.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


def _tell_beside(found: dict[str, Any], *, as_json: bool) -> None:
    different = found["different"]
    if as_json:
        emit(found)
    else:
        mark = "[red]✗[/red]" if different else "[green]✓[/green]"
        equal = "differs from the live one" if different else "equals the live one 与在线一致"
        out.print(
            f"{mark} {found['service']}: made again beside it from {found['records']:,} records, "
            f"{found['events']:,} of its own; {equal}; its writers waited "
            f"{found['held_seconds']:.2f} s"
        )
        for one in different:
            out.print(f"  {one['table']}: {one['live']} rows live, {one['beside']} from the log")
        if found["swapped"]:
            out.print(f"It is the live one now; the one before is kept as {found['set_aside']}.")
    if different and not found["swapped"]:
        raise typer.Exit(FOUND)


async def _offline(
    places: Places, service: str, whole: bool, source: str, by: str
) -> tuple[Rebuilt, str | None]:
    """With the servers up, and audit alone where its archive is asked."""
    stack = LocalStack(places.stack, progress=_progress)
    alone = ("audit",) if source == ARCHIVE else ()
    system = System(places, servers=stack, services=alone)
    await system.start()
    try:
        return await asyncio.to_thread(_made, places, stack, service, whole, source, by)
    finally:
        await system.stop()


def _made(
    places: Places, stack: LocalStack, service: str, whole: bool, source: str, by: str
) -> tuple[Rebuilt, str | None]:
    if stack.broker_kind != "kafka":
        raise LogUnusable("the in-memory broker's log is gone: there is nothing to rebuild from")
    described = service_of(service)
    live, own = stack.dsn(database(service)), stack.service_dsn(database(service))
    with ExitStack() as opened:
        log, where = log_of(places, source, stack.bootstrap, opened)
        shown = opened.enter_context(progress_bar())
        if not whole:
            with _told_half_made(places.half_made(service), source, by):
                return rebuilt(
                    described, own, log, where, whole=False, source=source, by=by, progress=shown
                ), None
        databases = beside_of(live, own, stack.dsn("postgres"))
        return made_whole(described, databases, log, where, source, by, shown)


@contextmanager
def _told_half_made(file: Path, source: str, by: str) -> Iterator[None]:
    """`bihuan doctor` sees it while the views are half made, also when we are killed."""
    known = file.exists()
    since = datetime.now(UTC).isoformat(timespec="seconds")
    file.write_text(json.dumps({"since": since, "source": source, "by": by}), encoding="utf-8")
    try:
        yield
    except (LogUnusable, StillRunning, NotEmpty):  # nothing was changed
        if not known:
            file.unlink()
        raise
    file.unlink()


def beside_of(live: str, own: str, maintenance: str) -> Databases:
    """The live database and another beside it, in the same server."""
    beside = f"{_name(live)}_beside"
    return Databases(
        live, make_conninfo(live, dbname=beside), make_conninfo(own, dbname=beside), maintenance
    )


def rebuilt(
    described: Service,
    dsn: str,
    log: Log,
    where: Where,
    *,
    whole: bool,
    source: str,
    by: str,
    progress: Any,
) -> Rebuilt:
    """See `libs.messaging.rebuild.rebuild`; `dsn` is the service's own."""
    store = Store(described, dsn)
    try:
        return asyncio.run(
            rebuild(
                described,
                store,
                dsn,
                log=log,
                where=where,
                whole=whole,
                by=by,
                source=source,
                progress=progress,
            )
        )
    finally:
        store.close()


def service_of(name: str) -> Service:
    """A service as the runtime sees it."""
    described: Service = importlib.import_module(f"services.{name}.main").describe()
    return described


def log_of(
    places: Places, source: str, bootstrap: str, opened: ExitStack, prefix: str = ""
) -> tuple[Log, Where]:
    """L from where somebody asked for it, and where an inbox goes on from; raises LogUnusable."""
    topic = prefix + topics.LOG
    topic_id = topics.topic_id(bootstrap, topic)
    partitions = topics.partitions_of(bootstrap, topic)
    if Path(source).is_dir():
        log = Log(FilesLog(Folder(Path(source)), KafkaLog(bootstrap, topic, partitions)))
        where = Where(topic, topic_id, partitions)
    elif source == KAFKA:
        log = Log(KafkaLog(bootstrap, topic, partitions))
        where = Where(topic, topic_id, partitions)
    else:
        pages: Pages
        if source == ARCHIVE:
            pages = ArchivePages(opened.enter_context(Client(places, actor=ACTOR, roles=(ROLE,))))
        else:
            file = Path(source).open("rb")  # noqa: SIM115 - closed with the log
            pages = FilePages(opened.enter_context(file))
        archive = ArchiveLog(pages, bootstrap, topic, topic_id, partitions)
        log, where = Log(archive), Where(topic, topic_id, partitions, archive.life)
    opened.callback(log.close)
    return log, where


def log_lines(
    file: Annotated[Path, typer.Argument(help="Where to; it must not exist.")],
    purpose: Annotated[
        str, typer.Option(help="What it is made for, as a code; kept on record.")
    ] = "log_copy",
    as_json: AsJson = False,
) -> None:
    """Write audit's whole archive as lines, in the log's order.

    For `rebuild --from FILE`, and for `report`, `show` and `what-if --log FILE`. Sealed words stay
    sealed; that it was made, and its digest, is on record. With --json: {records, file, digest}.
    Exit 1: the archive is not whole, or nothing could be put on record; then there is no file.
    """
    arriving = file.with_name(file.name + ".arriving")
    try:
        with (
            speaking(as_json),
            Client(Places.here(), actor=ACTOR, roles=(ROLE,)) as client,
            arriving.open("xb") as made,
            progress_bar() as progress,
        ):
            if file.exists():
                fail(f"{file} is there already", code=MISUSED, as_json=as_json)
            records = write_lines(made, ArchivePages(client), progress)
            made.flush()
            with arriving.open("rb") as written:
                digest = file_digest(written, "sha256").hexdigest()
            client.post("audit", "/log/exports", {"digest": digest, "purpose": purpose})
        arriving.rename(file)
    except (LogUnusable, OSError) as error:
        fail(str(error), as_json=as_json)
    finally:
        arriving.unlink(missing_ok=True)
    if as_json:
        emit({"records": records, "file": str(file), "digest": digest})
    else:
        out.print(f"[green]✓[/green] {records:,} records in {file}; SHA-256 {digest}")


def _progress(part: str, line: str) -> None:
    err.print(f"[dim]{part}: {line}[/dim]")


@contextmanager
def progress_bar() -> Iterator[Any]:
    """Shows what is told of (what, done, total)."""
    with Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), console=err
    ) as shown:
        tasks: dict[str, Any] = {}

        def tell(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = shown.add_task(what, total=total)
            shown.update(tasks[what], completed=done, total=total)

        yield tell
