"""`bihuan person`: what a data protection officer does when a person asks (PIPL).

A number is read from standard input or asked for, never taken as an argument: arguments stand in
the shell's history and in the list of processes.
"""

import json
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

import typer

from cli import showing
from cli.client import Client, Refused
from cli.person_page import page_of, said_in
from cli.places import Places
from cli.telling import AsJson, emit, err, fail, out, speaking
from libs.vault.errors import BadToken
from libs.vault.sealing import PREFIX, parse

ROLE, ACTOR = "privacy", "privacy:local"
EXPORT = "data_subject_export"
"""The purpose under which an export's openings are on record."""

OPENED_AT_ONCE = 100
ANOTHERS = "another-person"

Person = Annotated[UUID, typer.Argument(help="The person's id, as `person find` tells it.")]
Basis = Annotated[str, typer.Option("--basis", help="On what ground; a code, kept on record.")]

person = typer.Typer(
    no_args_is_help=True, help="A person's data: find, show, export, lock, erase (PIPL)."
)


def register(app: typer.Typer) -> None:
    """Adds these commands."""
    app.add_typer(person, name="person")


@contextmanager
def _asking(as_json: bool) -> Iterator[Client]:
    with speaking(as_json), Client(Places.here(), actor=ACTOR, roles=(ROLE,)) as client:
        yield client


@person.command("find")
def find(
    purpose: Annotated[
        str, typer.Option(help="What for; a code, kept on record.")
    ] = "request_of_the_person",
    as_json: AsJson = False,
) -> None:
    """Say who has a number, which is read from standard input or asked for; it is on record.

    With --json: {person}. Exit 1: nobody has it, or an erasure has taken it away.
    """
    if sys.stdin.isatty():
        number = typer.prompt("number 号码", hide_input=True)
    else:
        number = sys.stdin.readline().strip()
    with _asking(as_json) as client:
        told = client.post("intake", "/persons/find", {"number": number, "purpose": purpose})
    if as_json:
        emit(told)
    else:
        typer.echo(told["person"])


@person.command("show")
def show(
    who: Person,
    purpose: Annotated[
        str, typer.Option(help="What for; a code, kept on record.")
    ] = "request_of_the_person",
    as_json: AsJson = False,
) -> None:
    """Show a person's complaints, and whether the data is locked or destroyed; no word of it.

    With --json: {person, complaints: [{complaint, receipt, state, told_at, closed_at}], others,
    refused: [{at, channel, source, id, rule, problem}], erasure}. It is on record.
    Exit 1: nothing is on record.
    """
    with _asking(as_json) as client:
        told = client.get("intake", f"/persons/{who}", purpose=purpose)
    if as_json:
        emit(told)
        return
    shown = showing.grid("Complaints 投诉", "told", "receipt", "state", "closed", "complaint")
    for one in told["complaints"]:
        closed = showing.moment(one["closed_at"]) if one["closed_at"] else "-"
        told_at = showing.moment(one["told_at"])
        shown.add_row(told_at, one["receipt"], one["state"], closed, one["complaint"])
    out.print(shown)
    if told["refused"]:
        out.print(f"{len(told['refused'])} messages were not taken 条消息未受理")
    out.print(_stands(told["erasure"]))


def _stands(erasure: Mapping[str, Any] | None) -> str:
    if erasure is None:
        return "neither locked nor erased 未封存"
    since = showing.moment(erasure["since"])
    if erasure["mode"] == "destroyed":
        return f"destroyed 已销毁 since {since} ({erasure['basis']})"
    if not erasure["to_be_destroyed"]:
        return f"locked 已封存 since {since} ({erasure['basis']})"
    return (
        f"locked 已封存 since {since} ({erasure['basis']}); destroyed once these keep it no more: "
        + ", ".join(erasure["keeping"])
    )


@person.command("export")
def export(
    who: Person,
    to: Annotated[Path, typer.Option("--out", help="The file; must not exist yet.")],
    page: Annotated[
        Path | None,
        typer.Option(help="A page for the person to read, Chinese and English; likewise new."),
    ] = None,
) -> None:
    """Write everything on record of a person, opened, into a file that only you can read.

    Each complaint with every event of every service, as it is on record, sealed words in clear;
    of other people's complaints the events that hold words of this person; messages of theirs that
    were refused; and who opened their data and what for, this export included. What stays closed
    says why (locked, erased, another person's). Exit 1: nothing is on record, or a file exists.
    """
    for one in (to, page):
        if one is not None and one.exists():
            fail(f"{one} exists already; choose another file")
    with _asking(as_json=False) as client:
        about = client.get("intake", f"/persons/{who}", purpose=EXPORT)
        complaints = [
            {**one, "records": _opened(client, who, one["complaint"])}
            for one in about["complaints"]
        ]
        others = [
            {"complaint": one, "records": _opened(client, who, one, only_theirs=True)}
            for one in about["others"]
        ]
        told = [one["complaint"] for one in (*complaints, *others)]
        sentences = _sentences(client, told) if page else {}
        done = list(client.pages("intake", f"/persons/{who}/records", purpose=EXPORT, limit=200))
    document = {
        "person": str(who),
        "complaints": complaints,
        "others": others,
        "refused": about["refused"],
        "erasure": about["erasure"],
        "person_records": done,
    }
    if page is not None:
        _write(page, page_of(document, sentences))
    for record in (record for one in (*complaints, *others) for record in one["records"]):
        del record["said"]
    _write(to, json.dumps(document, ensure_ascii=False, indent=1) + "\n")
    events = sum(len(one["records"]) for one in (*complaints, *others))
    err.print(f"[green]✓[/green] {len(complaints)} complaints, {events} events: {to}")


def _write(to: Path, text: str) -> None:
    try:
        descriptor = os.open(to, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        fail(f"{to} cannot be written: {error.strerror}")
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)


def _sentences(client: Client, complaints: Sequence[str]) -> dict[str, tuple[str, str]]:
    """What each event means, in Chinese and in English, by its id."""
    return {
        step["id"]: (step["zh"], step["en"])
        for complaint in complaints
        for step in client.pages("audit", f"/complaints/{complaint}/timeline", limit=200)
    }


def _opened(client: Client, who: UUID, complaint: str, *, only_theirs: bool = False) -> list[Any]:
    """A complaint's events with the person's own words in clear; or only those that hold any."""
    records = list(client.pages("audit", f"/complaints/{complaint}/records", purpose=EXPORT))
    if only_theirs:
        records = [one for one in records if any(_is_of(who, token) for token in _tokens(one))]
    tokens = sorted({token for record in records for token in _tokens(record)})
    mine = [token for token in tokens if _is_of(who, token)]
    words: dict[str, Any] = {
        token: {"closed": ANOTHERS} for token in tokens if token not in set(mine)
    }
    for start in range(0, len(mine), OPENED_AT_ONCE):
        some = mine[start : start + OPENED_AT_ONCE]
        words |= zip(some, _open(client, some, complaint), strict=True)
    return [{**_with(record, words), "said": [*said_in(record, words)]} for record in records]


def _open(client: Client, tokens: Sequence[str], complaint: str) -> list[Any]:
    body = {"tokens": tokens, "purpose": EXPORT, "complaint": complaint}
    try:
        items = client.post("intake", "/open", body)["items"]
    except Refused as refusal:
        if refusal.problem.get("rule") not in ("locked", "erased"):
            raise
        return [{"closed": refusal.problem["rule"]}] * len(tokens)
    return [one["text"] if one["problem"] is None else {"closed": one["problem"]} for one in items]


def _is_of(who: UUID, token: str) -> bool:
    try:
        return parse(token).person == who
    except BadToken:
        return False


def _tokens(part: Any) -> Iterator[str]:
    if isinstance(part, str):
        if part.startswith(PREFIX):
            yield part
    elif isinstance(part, Mapping):
        for inner in part.values():
            yield from _tokens(inner)
    elif isinstance(part, list):
        for inner in part:
            yield from _tokens(inner)


def _with(part: Any, words: Mapping[str, Any]) -> Any:
    if isinstance(part, str):
        return words.get(part, part)
    if isinstance(part, Mapping):
        return {name: _with(inner, words) for name, inner in part.items()}
    return [_with(inner, words) for inner in part] if isinstance(part, list) else part


@person.command("lock")
def lock(who: Person, basis: Basis, as_json: AsJson = False) -> None:
    """Lock what the person said so far: operations cannot read it, an auditor with a purpose can.

    Exit 1: unknown, or destroyed.
    """
    _command("lock", who, basis, as_json)


@person.command("erase")
def erase(who: Person, basis: Basis, as_json: AsJson = False) -> None:
    """Lock now, and destroy as soon as no complaint keeps it: none open, appealed, held, none
    closed for less than six calendar months. Exit 1: unknown, or destroyed already.
    """
    _command("erase", who, basis, as_json)


def _command(step: str, who: UUID, basis: str, as_json: bool) -> None:
    with _asking(as_json) as client:
        done = client.post("intake", f"/persons/{who}/{step}", {"basis": basis})
        told = client.get("intake", f"/persons/{who}", purpose=f"{step}_of_the_person")
    if as_json:
        emit({**told, "events": done["events"]})
    else:
        out.print(f"[green]✓[/green] {_stands(told['erasure'])}")
