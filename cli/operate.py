"""`bihuan status`, `timeline`, `verify`, `inbox`, `dead-letter`: looking and settling.

All of it goes through the services' HTTP with a token of this machine, so it can do nothing that a
person with that role could not do from elsewhere.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote
from uuid import UUID

import typer

from cli import showing, showing_tree
from cli.client import Client
from cli.kept import read_kept
from cli.places import SERVICES, Places
from cli.telling import FOUND, MISUSED, AsJson, emit, err, fail, out, speaking

ROLE = "admin"
ACTOR = "admin:local"

Limit = Annotated[int, typer.Option(min=1, max=100_000, help="At most so many rows.")]
Subject = Annotated[str, typer.Argument(help="The subject, as `dead-letter list` shows it.")]
Why = Annotated[str, typer.Option("--reason", help="Why; kept on record.", prompt=False)]
Service = Annotated[
    str | None, typer.Option("--service", help=f"Only this one: {', '.join(SERVICES)}.")
]


inbox = typer.Typer(
    no_args_is_help=True, help="Partitions that stopped because records are missing."
)
dead_letter = typer.Typer(no_args_is_help=True, help="Records that could not be taken.")


def register(app: typer.Typer) -> None:
    """Adds these commands."""
    app.command("status")(status)
    app.command("timeline")(timeline)
    app.command("verify")(verify)
    app.add_typer(inbox, name="inbox")
    app.add_typer(dead_letter, name="dead-letter")


@contextmanager
def _asking(as_json: bool) -> Iterator[Client]:
    with speaking(as_json), Client(Places.here(), actor=ACTOR, roles=(ROLE,)) as client:
        yield client


# -- one complaint --------------------------------------------------------------------------------


def status(
    receipt: Annotated[str, typer.Argument(help="The receipt number, with or without blanks.")],
    as_json: AsJson = False,
) -> None:
    """Say where the complaint with this receipt number stands, as its customer may know it.

    Exit 1: no complaint has this number. Exit 2: it is none (its check digit is wrong).
    """
    with _asking(as_json) as client:
        told = client.get("intake", f"/status/{_in_path(receipt)}")
    if as_json:
        emit(told)
    else:
        out.print(showing.status(told))


def timeline(
    which: Annotated[str, typer.Argument(help="The complaint's id, or its receipt number.")],
    limit: Limit = 1000,
    tree: Annotated[
        bool, typer.Option("--tree", help="Each step below what caused it, instead of a list.")
    ] = False,
    html: Annotated[
        Path | None,
        typer.Option(help="Write a page to print, with the graph of causes, into this file."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show everything that happened to a complaint, from all services, causes first.

    With --json: {complaint, receipt, registered_at, closed_at, more, items: [...]}.
    Exit 1: nothing is known of it.
    """
    path = (
        f"/complaints/{which}/timeline"
        if is_uuid(which)
        else f"/timeline/by-receipt/{_in_path(which)}"
    )
    with _asking(as_json) as client:
        told = client.get("audit", path, limit=min(limit, 200))
        steps, following = list(told["items"]), told.get("next")
        while following and len(steps) < limit:
            page = client.get("audit", following)
            steps += page["items"]
            following = page.get("next")
        if html is not None:
            page = client.get_bytes("audit", f"/complaints/{told['complaint']}/timeline.html")
            _write(html, page, as_json)
    more = bool(following) or len(steps) > limit
    steps = steps[:limit]
    if as_json:
        head = {name: told[name] for name in ("complaint", "receipt", "registered_at", "closed_at")}
        emit({**head, "more": more, "items": steps})
        return
    if html is not None:
        out.print(f"[green]✓[/green] {html}")
        return
    out.print(showing_tree.tree(told, steps) if tree else showing.timeline(told, steps))
    if more:
        err.print(f"[dim]more follow: --limit is {limit}[/dim]")


def _write(file: Path, content: bytes, as_json: bool) -> None:
    try:
        file.write_bytes(content)
    except OSError as error:
        fail(f"{file}: {error.strerror}", code=MISUSED, as_json=as_json)


# -- the proof ------------------------------------------------------------------------------------


def verify(
    log: Annotated[bool, typer.Option(help="Compare every byte with Kafka's log as well.")] = True,
    checkpoint: Annotated[
        Path | None,
        typer.Option(exists=True, dir_okay=False, help="Hold it against this exported checkpoint."),
    ] = None,
    key: Annotated[
        Path | None,
        typer.Option(exists=True, dir_okay=False, help="Trust this public key as well."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Prove again that nothing in the archive is missing, changed or out of order.

    With --checkpoint it must also give the root that was signed and kept elsewhere; with the list
    exported beside it (SIZE.leaves) each event that is not what was sealed is named.
    With --json: {events, streams, compared, log, checkpoints, held, resolved: [...], faults: [...],
    more}. Exit 1: faults were found. Records that somebody went on without, on record, are listed
    as resolved and no fault. About 20 s for a million events.
    """
    if checkpoint is None:
        with _asking(as_json) as client:
            told = client.get("audit", "/verify", log=log)
    else:
        note, leaves = read_kept(checkpoint, as_json)
        lines = key.read_text("utf-8").split() if key else [None]
        body = {"checkpoint": note, "leaves": leaves, "key": lines[0]}
        with _asking(as_json) as client:
            told = client.post("audit", f"/verify?log={str(log).lower()}", body)
    if as_json:
        emit(told)
    else:
        out.print(showing.verification(told))
    if told["faults"]:
        raise typer.Exit(FOUND)


# -- gaps -----------------------------------------------------------------------------------------


@inbox.command("gaps")
def inbox_gaps(service: Service = None, as_json: AsJson = False) -> None:
    """List partitions that stopped because records before the next one are missing.

    With --json: {gaps: {service: [...]}}. Exit 1: there are gaps.
    """
    with _asking(as_json) as client:
        found = {name: client.get(name, "/operations/gaps") for name in _services(service, as_json)}
    found = {name: rows for name, rows in found.items() if rows}
    if as_json:
        emit({"gaps": found})
    elif found:
        out.print(showing.gaps(found))
        out.print("Go on over one with: bihuan inbox resolve SERVICE PARTITION SOURCE --reason …")
    else:
        out.print("[green]✓[/green] no gaps 无缺口")
    if found:
        raise typer.Exit(FOUND)


@inbox.command("resolve")
def inbox_resolve(
    service: Annotated[str, typer.Argument(help="The service that stopped.")],
    partition: Annotated[int, typer.Argument(min=0)],
    source: Annotated[str, typer.Argument(help="Whose records are missing, e.g. /bihuan/intake.")],
    reason: Why,
    as_json: AsJson = False,
) -> None:
    """Go on over missing records, on record. Do it once they are known to be lost for good."""
    (name,) = _services(service, as_json)
    with _asking(as_json) as client:
        told = client.post(
            name, f"/operations/gaps/{partition}/resolve", {"source": source, "reason": reason}
        )
    if as_json:
        emit(told)
    else:
        out.print(f"[green]✓[/green] {name} goes on after {told['taken']} with {told['after']}")


# -- dead letters ---------------------------------------------------------------------------------


@dead_letter.command("list")
def dead_letter_list(service: Service = None, limit: Limit = 200, as_json: AsJson = False) -> None:
    """List subjects whose record could not be taken; their later records wait behind it.

    With --json: {parked: {service: [{subject, source, record, position, error, problem, waiting}]},
    more}. Exit 1: there are some.
    """
    found: dict[str, list[Any]] = {}
    more = False
    with _asking(as_json) as client:
        for name in _services(service, as_json):
            rows: list[Any] = []
            for row in client.pages(name, "/operations/parked"):
                if len(rows) == limit:
                    more = True
                    break
                rows.append(row)
            if rows:
                found[name] = rows
    if as_json:
        emit({"parked": found, "more": more})
    elif found:
        out.print(showing.parked(found))
        out.print("Next: bihuan dead-letter show|replay|discard SERVICE SUBJECT")
        if more:
            err.print(f"[dim]more follow: --limit is {limit}[/dim]")
    else:
        out.print("[green]✓[/green] nothing is set aside 无暂存记录")
    if found:
        raise typer.Exit(FOUND)


@dead_letter.command("show")
def dead_letter_show(
    service: Annotated[str, typer.Argument(help="The service.")],
    subject: Subject,
    as_json: AsJson = False,
) -> None:
    """Show the record of a subject that was set aside, and what waits behind it; never content."""
    (name,) = _services(service, as_json)
    with _asking(as_json) as client:
        rows = client.get(name, f"/operations/parked/{_in_path(subject)}")
    if as_json:
        emit(rows)
    else:
        out.print(showing.parked_records(rows))


@dead_letter.command("replay")
def dead_letter_replay(
    service: Annotated[str, typer.Argument(help="The service.")],
    subject: Subject,
    reason: Why,
    as_json: AsJson = False,
) -> None:
    """Try the record again, then those behind it, in order. Exit 1: it still fails."""
    _settle("replay", service, subject, reason, as_json)


@dead_letter.command("discard")
def dead_letter_discard(
    service: Annotated[str, typer.Argument(help="The service.")],
    subject: Subject,
    reason: Why,
    as_json: AsJson = False,
) -> None:
    """Give the record up, on record, and go on with those behind it."""
    _settle("discard", service, subject, reason, as_json)


def _settle(how: str, service: str, subject: str, reason: str, as_json: bool) -> None:
    (name,) = _services(service, as_json)
    with _asking(as_json) as client:
        told = client.post(
            name, f"/operations/parked/{_in_path(subject)}/{how}", {"reason": reason}
        )
    if as_json:
        emit(told)
    else:
        out.print(
            f"[green]✓[/green] {len(told['released'])} released, "
            f"{len(told['discarded'])} discarded, {told['left']} still wait"
        )


# -- words ----------------------------------------------------------------------------------------


def _services(named: str | None, as_json: bool) -> Iterable[str]:
    if named is None:
        return SERVICES
    if named not in SERVICES:
        fail(
            f"no such service: {named}; there are {', '.join(SERVICES)}",
            code=MISUSED,
            as_json=as_json,
        )
    return (named,)


def is_uuid(text: str) -> bool:
    """Whether this is an id rather than a receipt number."""
    try:
        UUID(text)
    except ValueError:
        return False
    return True


def _in_path(text: str) -> str:
    return quote(text.strip(), safe="")
