"""`bihuan bundle`: evidence of one complaint or one period, to be checked without us."""

from pathlib import Path
from typing import Annotated, Any

import typer

from cli.client import Client
from cli.operate import is_uuid
from cli.places import Places
from cli.telling import MISUSED, AsJson, emit, fail, out, speaking


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command("bundle")(bundle)


def bundle(
    to: Annotated[Path, typer.Option("--out", help="The file to write, FILE.zip.")],
    which: Annotated[str, typer.Argument(help="The complaint's id, or its receipt number.")] = "",
    since: Annotated[
        str | None,
        typer.Option("--from", help="Recorded at or after, e.g. 2025-10-01T00:00:00+08:00."),
    ] = None,
    until: Annotated[str | None, typer.Option("--to", help="Recorded before.")] = None,
    size: Annotated[
        int | None, typer.Option(help="Prove against this checkpoint; by default the newest.")
    ] = None,
    purpose: Annotated[str, typer.Option(help="What for, as a code; kept on record.")] = "audit",
    opened: Annotated[
        bool, typer.Option("--opened", help="With the sealed texts of persons, opened.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Write evidence of one complaint, or of what was recorded in a period, as one zip file.

    Whoever gets it checks it with the verify_bundle.py in it and needs nothing of ours. Each bundle
    is itself on record; --opened also each text that was opened. Exit 1: no checkpoint covers it
    yet, or nothing is known of it. What the archive no longer has as it was sealed is in it all the
    same, so that the verifier can name it. With --json: {file, bytes, digest, harmed}.
    """
    if bool(which) == bool(since and until) or bool(since) != bool(until):
        fail("name a complaint, or both --from and --to", code=MISUSED, as_json=as_json)
    if to.exists():
        fail(f"{to} is there already; name another file", code=MISUSED, as_json=as_json)
    body: dict[str, Any] = {"purpose": purpose, "size": size, "since": since, "until": until}
    with speaking(as_json), _client() as client:
        if which:
            body["complaint"] = which if is_uuid(which) else _by_receipt(client, which)
        data, headers = client.download("audit", f"/bundles{'/opened' if opened else ''}", body)
    to.write_bytes(data)
    harmed = int(headers["bihuan-harmed"])
    told = {"file": str(to), "bytes": len(data), "digest": headers["digest"], "harmed": harmed}
    if as_json:
        emit(told)
    else:
        out.print(f"[green]✓[/green] {to}: {len(data):,} bytes, {headers['digest']}")
        if harmed:
            out.print(f"[red]{harmed} of its events are not as they were sealed[/red]: see verify")
        out.print(
            f"Check it: python -I -S verify_bundle.py {to.name} KEY (both are described in it)"
        )


def _by_receipt(client: Client, receipt: str) -> str:
    digits = "".join(receipt.split())
    return str(client.get("audit", f"/timeline/by-receipt/{digits}", limit=1)["complaint"])


def _client() -> Client:
    return Client(Places.here(), actor="auditor:local", roles=("auditor",))
