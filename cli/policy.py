"""`bihuan policy`: rules as files that people write, check, compare and bring into force."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from textwrap import indent
from typing import Annotated, Any

import typer
import yaml
from rich.console import Console
from rich.markup import escape

from cli import showing
from cli.client import Client
from cli.operate import ACTOR, ROLE
from cli.places import Places
from cli.policy_check import (
    BESIDE,
    Difference,
    Found,
    beside,
    check,
    differences,
    known,
    owners,
    seed,
)
from cli.telling import FOUND, MISUSED, AsJson, emit, err, fail, out, speaking
from contracts.policy_words import NAMES, SORTS
from libs.decider.decider import wire_instant
from libs.eventlog.policies import content_digest
from libs.eventlog.policy_files import PolicyFile, read_policy_file, seed_instant

LINE_CHARACTERS_MAX = 60
"""A value that takes more than these is told on lines of its own."""

policy = typer.Typer(no_args_is_help=True, help="Rules as data: check, compare, activate, look up.")

File = Annotated[Path, typer.Argument(help="A policy file (YAML).", metavar="FILE")]


@policy.command("check")
def policy_check(
    files: Annotated[list[Path], typer.Argument(help="Policy files.", metavar="FILE...")],
    as_json: AsJson = False,
) -> None:
    """Say what is wrong with a policy file: file, line, and what to do. Nothing is changed.

    Looks for words nobody knows, gaps, rules that overlap, versions that overlap, amounts below
    nothing, a missing translation, and whatever promises less than the law. Needs no running
    system. With --json: {files, faults: [{file, line, kind, problem}]}. Exit 1: there are faults.
    """
    found = check([_read(path, as_json) for path in files])
    if as_json:
        emit({"files": list(map(str, files)), "faults": [_as_json(one) for one in found]})
    else:
        tell_faults(found)
        if not found:
            out.print(f"[green]✓[/green] {len(files)} checked, nothing wrong 检查通过")
    if found:
        raise typer.Exit(FOUND)


@policy.command("words")
def policy_words(
    sort: Annotated[str | None, typer.Argument(help=f"One of {', '.join(NAMES)}.")] = None,
    as_json: AsJson = False,
) -> None:
    """List the words that policies are written in: each code with its Chinese and English name.

    Needs no running system. With --json: {words: [{sort, code, zh, en}]}.
    """
    if sort is not None and sort not in NAMES:
        problem = f"no sort of word is called {sort!r}: known are {', '.join(NAMES)}"
        fail(problem, code=MISUSED, as_json=as_json)
    sorts = [sort] if sort else list(NAMES)
    if as_json:
        rows = [(one, code, names) for one in sorts for code, names in NAMES[one].items()]
        emit(
            {"words": [{"sort": one, "code": code, **names._asdict()} for one, code, names in rows]}
        )
        return
    for one in sorts:
        zh, en, keys = SORTS[one]
        table = showing.grid(f"{en} {zh}: {', '.join(keys)}", "code", "中文", "English")
        for code, names in NAMES[one].items():
            table.add_row(code, names.zh, names.en)
        out.print(table)


@policy.command("diff")
def policy_diff(
    old: Annotated[str, typer.Argument(help="A file, or a policy's name: as it came with us.")],
    new: Annotated[str, typer.Argument(help="The file to compare with it.")],
    in_force: Annotated[
        bool, typer.Option("--in-force", help="A name means what the running system goes by now.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Show what one version says otherwise than another, entry by entry.

    With --json: {policy, from, to, differences: [{where, was, becomes}]}.
    """
    before = _in_force(old, as_json) if in_force else _content(old, as_json)
    after = _content(new, as_json)
    if before.get("name") != after.get("name"):
        fail(
            f"{old} is the policy {before.get('name')}, {new} is {after.get('name')}",
            code=MISUSED,
            as_json=as_json,
        )
    found = list(differences(before, after))
    if as_json:
        emit(
            {
                "policy": after["name"],
                "from": _told(before),
                "to": _told(after),
                "differences": [
                    {"where": one.where, "was": one.was, "becomes": one.becomes} for one in found
                ],
            }
        )
        return
    for one in found:
        say(out, _line(one))
    if not found:
        out.print("no difference 无差异")


def tell_faults(found: list[Found]) -> None:
    """Each fault on a line of its own, as editors and people read it."""
    for one in found:
        say(err, escape(str(one)))
    if found:
        err.print(f"[red]✗[/red] {len(found)} wrong 发现 {len(found)} 处问题")


def read_sound(
    path: Path, as_json: bool, since: str | None = None, *, running: bool = True
) -> PolicyFile:
    """A file without faults; else they are told, and the command ends.

    `since`: it is to count from then, whatever it says itself. `running`: what it works with is
    asked of the running system; else it is what came with the software.
    """
    file = _read(path, as_json)
    dated = file
    if since is not None and not file.faults:
        dated = replace(file, content={**file.content, "effective_from": since})
    found = check([dated], among=not running)
    name = str(file.content.get("name"))
    if not found and running and name in BESIDE:
        begins = since or wire_instant(seed_instant(file.content["effective_from"]))
        found = beside(file, {other: _in_force(other, as_json, begins) for other in BESIDE[name]})
    if found:
        if as_json:
            emit({"error": "the file has faults", "faults": [_as_json(one) for one in found]})
        tell_faults(found)
        raise typer.Exit(FOUND)
    return file


def _read(path: Path, as_json: bool) -> PolicyFile:
    try:
        return read_policy_file(path)
    except OSError as error:
        fail(f"{path} cannot be read: {error.strerror}", code=MISUSED, as_json=as_json)


def _content(which: str, as_json: bool) -> Any:
    if not Path(which).exists() and which in known():
        return seed(which)
    file = _read(Path(which), as_json)
    if file.faults:
        tell_faults(check([file]))
        raise typer.Exit(FOUND)
    return file.content


@contextmanager
def asking(as_json: bool) -> Iterator[Client]:
    """The running system, asked as its administrator."""
    with speaking(as_json), Client(Places.here(), actor=ACTOR, roles=(ROLE,)) as client:
        yield client


def owner(name: str, as_json: bool) -> str:
    """The service that follows a policy; ends the command when none does."""
    if name not in owners():
        told = ", ".join(sorted(owners()))
        fail(f"unknown policy {name!r}: known are {told}", code=MISUSED, as_json=as_json)
    return owners()[name].name


def _in_force(name: str, as_json: bool, at: str | None = None) -> Any:
    service = owner(name, as_json)
    with asking(as_json) as client:
        return client.get(service, f"/policies/{name}", at=at)["content"]


def _told(content: Any) -> dict[str, str]:
    return {"version": str(content["version"]), "sha256": content_digest(content)}


def say(where: Console, line: str) -> None:
    """Wrapped between words for who reads it on a screen, one line for a program that does."""
    where.print(line, soft_wrap=not where.is_terminal)


def _line(one: Difference) -> str:
    was, becomes = _written(one.was), _written(one.becomes)
    if one.was is None:
        return f"[green]+[/green] {escape(one.where)}:{escape(becomes)}"
    if one.becomes is None:
        return f"[red]-[/red] {escape(one.where)}:{escape(was)}"
    if len(was) + len(becomes) <= LINE_CHARACTERS_MAX:
        return f"[yellow]~[/yellow] {escape(f'{one.where}:{was} →{becomes}')}"
    both = f"  [red]-[/red]{escape(was)}\n  [green]+[/green]{escape(becomes)}"
    return f"[yellow]~[/yellow] {escape(one.where)}:\n{both}"


def _written(value: Any) -> str:
    """As the file would say it, all of it: on one line where it is short, else indented below."""
    if isinstance(value, str):
        return f" {value}"
    told = yaml.safe_dump(value, default_flow_style=True, allow_unicode=True, sort_keys=False)
    line = " ".join(told.removesuffix("...\n").split())
    if len(line) <= LINE_CHARACTERS_MAX or not isinstance(value, dict | list):
        return f" {line}"
    below = yaml.safe_dump(value, default_flow_style=None, allow_unicode=True, sort_keys=False)
    return "\n" + indent(below.rstrip("\n"), "    ")


def _as_json(one: Found) -> dict[str, Any]:
    return {"file": one.file, "line": one.line, "kind": one.kind, "problem": one.problem}
