"""How every command speaks: Rich for people, one JSON document for machines, clear exits."""

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated, Any, NoReturn

import typer
from rich.console import Console
from rich.table import Table

from cli.client import Refused
from cli.places import NotRunning

WELL, FOUND, MISUSED = 0, 1, 2

AsJson = Annotated[bool, typer.Option("--json", help="One JSON document instead of text.")]

out = Console(highlight=False)
err = Console(stderr=True, highlight=False)


def emit(document: Any) -> None:
    """One JSON document on standard output, and nothing else there."""
    json.dump(document, sys.stdout, ensure_ascii=False, indent=1, default=str)
    sys.stdout.write("\n")


def fail(message: str, *, code: int = FOUND, as_json: bool = False) -> NoReturn:
    """Says what is wrong and ends."""
    if as_json:
        emit({"error": message})
    err.print(f"[red]✗[/red] {message}", soft_wrap=True)
    raise typer.Exit(code)


@contextmanager
def speaking(as_json: bool = False) -> Iterator[None]:
    """Turns what the system says no to into a clear end of the command."""
    try:
        yield
    except NotRunning as error:
        fail(str(error), code=MISUSED, as_json=as_json)
    except Refused as error:
        zh = error.problem.get("zh")
        detail = f"{error} ({zh})" if zh else str(error)
        fail(detail, code=FOUND if error.status != 422 else MISUSED, as_json=as_json)


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> Table:
    """A plain table."""
    made = Table(title=title, title_justify="left", header_style="bold", pad_edge=False)
    for column in columns:
        made.add_column(column, overflow="fold")
    for row in rows:
        made.add_row(*("" if cell is None else str(cell) for cell in row))
    return made


Register = Callable[[typer.Typer], None]
