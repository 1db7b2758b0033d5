"""`bihuan archive list|write|restore|check|query`: months out of the database, into files."""

import time
from typing import Annotated, Any

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from cli import showing
from cli.client import Client
from cli.places import Places
from cli.telling import FOUND, AsJson, emit, err, fail, out, speaking, table
from services.audit.cold.asking import QUESTIONS

ADMIN, AUDITOR = ("admin:local", ("admin",)), ("auditor:local", ("auditor",))
LOOK_SECONDS = 0.3

Month = Annotated[str, typer.Argument(help="The month of registration, e.g. 2025-09.")]

archive = typer.Typer(
    no_args_is_help=True, help="Months that nothing touches any more, as files anybody can read."
)


def register(app: typer.Typer) -> None:
    """Adds these commands."""
    app.add_typer(archive, name="archive")


def _client(who: tuple[str, tuple[str, ...]]) -> Client:
    return Client(Places.here(), actor=who[0], roles=who[1])


@archive.command("list")
def list_(as_json: AsJson = False) -> None:
    """List every month: what of it lies in a file, what in the database, and why it stays there.

    With --json: {months: [{cohort, file, bytes, filed, rows, complaints, open, keeps: [...]}]}.
    """
    with speaking(as_json), _client(AUDITOR) as client:
        told = client.get("audit", "/archive")
    if as_json:
        emit(told)
        return
    numbers = ("in the file", "bytes", "in the database", "complaints")
    grid = showing.grid("Months 月份", "month", *numbers, "stays because", right=numbers)
    for one in told["months"]:
        grid.add_row(
            one["cohort"],
            f"{one['filed']:,}" if one["file"] else "",
            f"{one['bytes']:,}" if one["file"] else "",
            f"{one['rows']:,}",
            f"{one['complaints']:,}",
            "; ".join(one["keeps"]) if one["rows"] else "",
        )
    out.print(grid)


@archive.command("write")
def write(
    month: Month,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say whether it may leave, and what would.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Write a month into a file; its rows leave the database once that was read back whole.

    Interrupted anywhere, nothing is lost: run it again. A month that has a file gets a new one with
    what came since. With --json: {file, bytes, events, left}; with --dry-run: the month as `list`
    has it. Exit 1: it may not leave, or the file could not be vouched for.
    """
    with speaking(as_json), _client(ADMIN) as client:
        if dry_run:
            _dry_run(client, month, as_json)
            return
        client.post("audit", f"/archive/{month}/write", None)
        done = _await(client, as_json)
    if as_json:
        emit(done)
    else:
        out.print(
            f"[green]✓[/green] {month}: {done['events']:,} records in {done['bytes']:,} bytes, "
            f"{done['left']:,} rows left the database; sha256 {done['file']}"
        )


def _dry_run(client: Client, month: str, as_json: bool) -> None:
    found = [one for one in client.get("audit", "/archive")["months"] if one["cohort"] == month]
    if not found:
        fail(f"there are no records of {month}", as_json=as_json)
    (one,) = found
    if as_json:
        emit(one)
    elif one["keeps"]:
        out.print(f"{month} stays: {'; '.join(one['keeps'])}")
    else:
        out.print(f"{month} may leave: {one['rows']:,} rows of {one['complaints']:,} complaints")
    if one["keeps"]:
        raise typer.Exit(FOUND)


@archive.command("restore")
def restore(
    month: Month,
    reason: Annotated[str, typer.Option("--reason", help="What for; kept on record.")],
    as_json: AsJson = False,
) -> None:
    """Bring a month's records back into the database, as they were; its file goes afterwards.

    With --json: {events}. Exit 1: it lies in no file.
    """
    with speaking(as_json), _client(ADMIN) as client:
        client.post("audit", f"/archive/{month}/restore", {"reason": reason})
        done = _await(client, as_json)
    if as_json:
        emit(done)
    else:
        out.print(f"[green]✓[/green] {month}: {done['events']:,} records are back")


@archive.command("check")
def check(as_json: AsJson = False) -> None:
    """Read every month's file whole, against what is on record of it.

    With --json: {problems: [...]}. Exit 1: there are some.
    """
    with speaking(as_json), _client(AUDITOR) as client:
        client.post("audit", "/archive/check", None)
        done = _await(client, as_json)
    if as_json:
        emit(done)
    elif done["problems"]:
        for one in done["problems"]:
            out.print(f"[red]✗[/red] {one}")
    else:
        out.print("[green]✓[/green] every file is what is on record 归档文件完好")
    if done["problems"]:
        raise typer.Exit(FOUND)


@archive.command("query")
def query(
    sql: Annotated[
        str | None,
        typer.Argument(help=f"One SELECT over `record`, or one of: {', '.join(QUESTIONS)}."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Ask the months that lie in files, without loading them back; nothing can be changed.

    `record` has cohort, partition, life, "offset", source, subject, sequence, position, after,
    type, time, state (the event's bytes), digest (its SHA-256) and event (as JSON). Without a
    question the ready-made ones are listed. With --json: {columns, rows}.
    """
    if sql is None:
        if as_json:
            emit(QUESTIONS)
        for name, asked in QUESTIONS.items():
            if not as_json:
                out.print(f"[bold]{name}[/bold]  {asked}", soft_wrap=True)
        return
    with speaking(as_json), _client(AUDITOR) as client:
        told = client.post("audit", "/archive/query", {"sql": sql})
    if as_json:
        emit(told)
    else:
        out.print(table("", told["columns"], told["rows"]))


@archive.command("trim")
def trim(
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say how far it would go.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Let Kafka forget what lies in the archive, is old enough, and every service has heard.

    Audit does so by itself each day. With --json: {partitions: [{partition, start, upto, because}]}
    """
    with speaking(as_json), _client(ADMIN) as client:
        if dry_run:
            told = client.get("audit", "/archive/trim")
        else:
            told = client.post("audit", "/archive/trim", None)
    if as_json:
        emit(told)
        return
    numbers = ("partition", "has from", "keeps from")
    grid = showing.grid("Kafka's log 日志", *numbers, "waits for", right=numbers)
    for one in told["partitions"]:
        grid.add_row(*(str(one[name]) for name in ("partition", "start", "upto", "because")))
    out.print(grid)


def _await(client: Client, as_json: bool) -> Any:
    """Until the act that was begun is done; how far it is, on standard error."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, TimeElapsedColumn(), console=err, transient=True) as progress:
        bar = progress.add_task("beginning", total=None)
        while True:
            work = client.get("audit", "/archive/work")
            progress.update(
                bar,
                description=work["phase"] or "looking",
                completed=work["events"],
                total=work["of"] or None,
            )
            if work["failed"] is not None:
                zh = f" ({work['zh']})" if work["zh"] else ""
                fail(f"{work['failed']}{zh}", as_json=as_json)
            if work["done"] is not None:
                return work["done"]
            time.sleep(LOOK_SECONDS)
