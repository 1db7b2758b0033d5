"""`bihuan rebuild SERVICE`: a service's views, or its whole database, made again from the log."""

import asyncio
import importlib
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Annotated, Any

import psycopg
import typer
from psycopg import sql
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from cli.places import SERVICES, Places
from cli.system import database
from cli.telling import MISUSED, AsJson, emit, err, fail, out
from infra.databases import PURGE_KEYS, trust_purge_keys
from infra.local import LocalStack, StackProblem
from libs.eventlog.store import Store
from libs.messaging import topics
from libs.messaging.rebuild import NotEmpty, Rebuilt, StillRunning, rebuild


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command("rebuild")(rebuild_service)


def rebuild_service(
    service: Annotated[str, typer.Argument(help=f"One of {', '.join(SERVICES)}.")],
    whole: Annotated[
        bool, typer.Option("--whole", help="The whole database, not only its views.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Make a service's views again from its own events and the log; --whole its whole database.

    Offline: stop the system first. With --whole the present database is set aside under another
    name, never dropped. What is not in the log cannot come back: the vault, and what was never
    sent. With --json: {what, events, records, generation, digest, set_aside}. Exit 1: it could not
    be done.
    """
    if service not in SERVICES:
        fail(
            f"no such service: {service}; there are {', '.join(SERVICES)}",
            code=MISUSED,
            as_json=as_json,
        )
    places = Places.here()
    if not places.stack.exists():
        fail(f"nothing was ever started on {places.data}", code=MISUSED, as_json=as_json)
    try:
        with LocalStack(places.stack, progress=_progress) as stack:
            if stack.broker_kind != "kafka":
                fail(
                    "the in-memory broker's log is gone: there is nothing to rebuild from",
                    as_json=as_json,
                )
            aside = _set_aside(stack, service) if whole else None
            done = asyncio.run(_rebuilt(stack, service, whole=whole))
    except (StackProblem, StillRunning, NotEmpty) as error:
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


async def _rebuilt(stack: LocalStack, service: str, *, whole: bool) -> Rebuilt:
    described = importlib.import_module(f"services.{service}.main").describe()
    dsn = stack.service_dsn(database(service))
    store = Store(described, dsn)
    try:
        with _bar() as progress:
            return await rebuild(
                described,
                store,
                dsn,
                bootstrap=stack.bootstrap,
                topic=topics.LOG,
                topic_id=topics.topic_id(stack.bootstrap, topics.LOG),
                partitions=topics.PARTITIONS_ONE_MACHINE,
                whole=whole,
                progress=progress,
            )
    finally:
        store.close()


def _set_aside(stack: LocalStack, service: str) -> str:
    name, kept = database(service), f"{database(service)}_before_{int(time.time())}"
    with psycopg.connect(stack.dsn("postgres"), autocommit=True) as connection:
        connection.execute(
            sql.SQL("ALTER DATABASE {} RENAME TO {}").format(
                sql.Identifier(name), sql.Identifier(kept)
            )
        )
    stack.create_databases([name])
    trust_purge_keys(stack.dsn(name), Places.here().keys / PURGE_KEYS)
    return kept


def _progress(part: str, line: str) -> None:
    err.print(f"[dim]{part}: {line}[/dim]")


@contextmanager
def _bar() -> Iterator[Any]:
    with Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), console=err
    ) as shown:
        tasks: dict[str, Any] = {}

        def tell(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = shown.add_task(what, total=total)
            shown.update(tasks[what], completed=done, total=total)

        yield tell
