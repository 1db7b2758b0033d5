"""`bihuan checkpoint list|show|check`: what was sealed, and whether a kept one still holds."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from cli import showing
from cli.client import Client, Refused
from cli.kept import read_kept
from cli.operate import ACTOR, ROLE
from cli.places import Places
from cli.telling import FOUND, AsJson, emit, out, speaking
from services.audit.domain.checkpoint import (
    NotACheckpoint,
    Signed,
    read_note,
    read_verifier_key,
)
from services.audit.domain.leaves import NotAList, read_list
from services.audit.domain.tree import is_consistent
from services.audit.signing import is_signed

Kept = Annotated[
    Path, typer.Argument(exists=True, dir_okay=False, help="SIZE.checkpoint, as exported.")
]
Key = Annotated[
    Path | None,
    typer.Option("--key", exists=True, dir_okay=False, help="The public key, if not asked for."),
]

checkpoint = typer.Typer(no_args_is_help=True, help="Signed roots over everything accepted.")


def register(app: typer.Typer) -> None:
    """Adds these commands."""
    app.add_typer(checkpoint, name="checkpoint")


@checkpoint.command("list")
def checkpoint_list(
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="At most so many.")] = 24,
    as_json: AsJson = False,
) -> None:
    """List what was sealed, newest first. With --json: {checkpoints: [...], more}."""
    rows: list[Any] = []
    more = False
    with speaking(as_json), _client() as client:
        for row in client.pages("audit", "/checkpoints"):
            if len(rows) == limit:
                more = True
                break
            rows.append(row)
    if as_json:
        emit({"checkpoints": rows, "more": more})
    else:
        out.print(showing.checkpoints(rows))


@checkpoint.command("show")
def checkpoint_show(
    size: Annotated[int, typer.Argument(min=0, help="How many events it covers.")],
    as_json: AsJson = False,
) -> None:
    """Show one checkpoint as the signed note that is exported. Exit 1: there is none."""
    with speaking(as_json), _client() as client:
        told = client.get("audit", f"/checkpoints/{size}")
    if as_json:
        emit(told)
    else:
        out.print(told["note"], end="", markup=False, soft_wrap=True)


@checkpoint.command("check")
def checkpoint_check(kept: Kept, key: Key = None, as_json: AsJson = False) -> None:
    """Check a kept checkpoint: its signature, the list beside it, and that the log only grew since.

    The proof of that (RFC 9162) is fetched from audit and checked here. With --json: {size, key,
    signed, listed, consistent}; `consistent` is the size of the newest checkpoint that begins
    with this one. Exit 1: something does not hold.
    """
    note, leaves = read_kept(kept, as_json)
    signed = read_note(note)
    with speaking(as_json), _client() as client:
        told = key.read_text("utf-8") if key else client.get("audit", "/checkpoint-keys")["keys"]
        lines = told.split() if isinstance(told, str) else told
        names = [line for line in lines if _signed_by(signed, line)]
        result = {
            "size": signed.checkpoint.size,
            "key": names[0] if names else None,
            "signed": bool(names),
            "listed": None if leaves is None else _gives_root(signed, leaves),
            "consistent": _grown(client, signed) if names else None,
        }
    if as_json:
        emit(result)
    else:
        out.print(showing.checkpoint_check(result))
    if not (result["signed"] and result["consistent"]) or result["listed"] is False:
        raise typer.Exit(FOUND)


def _signed_by(signed: Signed, line: str) -> bool:
    try:
        _, public = read_verifier_key(line)
    except NotACheckpoint:
        return False
    return is_signed(signed.checkpoint.text(), signed.signature, public)


def _gives_root(signed: Signed, leaves: str) -> bool:
    try:
        listed = read_list(leaves)
    except NotAList:
        return False
    return (listed.size, listed.root) == (signed.checkpoint.size, signed.checkpoint.root)


def _grown(client: Client, signed: Signed) -> int | None:
    """The size of the newest checkpoint, where the kept one is proven to begin it."""
    kept = signed.checkpoint
    newest = next(iter(client.pages("audit", "/checkpoints")), None)
    if newest is None:
        return None
    try:
        told: Mapping[str, Any] = client.get(
            "audit", "/proofs/consistency", **{"from": kept.size, "to": newest["size"]}
        )
        later = read_note(told["second"]["note"]).checkpoint
    except (Refused, NotACheckpoint):
        return None
    path = [bytes.fromhex(one) for one in told["path"]]
    holds = is_consistent(kept.size, kept.root, later.size, later.root, path)
    return later.size if holds else None


def _client() -> Client:
    return Client(Places.here(), actor=ACTOR, roles=(ROLE,))
