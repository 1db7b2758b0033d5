"""`bihuan show`: a complaint at any instant; and whether live views equal a replay of the log."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote
from uuid import UUID

import typer

from cli import showing_state, sources
from cli.client import Client
from cli.places import DECIDING, Places
from cli.telling import FOUND, MISUSED, AsJson, emit, err, fail, out, speaking
from libs.decider import DomainError
from libs.decider.decider import wire_instant
from libs.decider.plain import plain
from libs.timekeeping.instants import NoInstant, read_instant
from replay.state import StateAt, state_at
from services.audit.domain.comparing import Shown, compare

ROLE = "auditor"
ACTOR = "auditor:local"
SAMPLE_MAX = 1_000
TRY_AGAIN_SECONDS = 0.2
TOLD_MAX = 10


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command("show")(show)


def show(
    which: Annotated[
        str | None, typer.Argument(help="The complaint's id, or its receipt number.")
    ] = None,
    at: Annotated[
        str | None,
        typer.Option(help="An instant with its zone, e.g. 2025-10-07T10:19:59+08:00; none: now."),
    ] = None,
    log: Annotated[
        str | None,
        typer.Option(
            help="Fold this instead of asking audit: a file of events, one a line; - ; or kafka."
        ),
    ] = None,
    check_sample: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=SAMPLE_MAX,
            help="Compare so many complaints' live views with a replay.",
        ),
    ] = None,
    metrics: Annotated[
        Path | None,
        typer.Option(help="With --check-sample: write what was found for Prometheus to read."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show a complaint as all services knew it at an instant, and as we know now about then.

    With --json: {complaint, at, first, events, differs, as_it_was, as_known_now}, each of the last
    two {events, last, services: {service: {table: [row]}}}. Exit 1: nothing was on record then.

    With --check-sample N: compare, byte by byte, what every service shows of N complaints drawn at
    random with a replay of their events; --json: {checked, moving, different: [...]}. Exit 1: they
    differ.
    """
    if check_sample is not None:
        _check(check_sample, metrics, as_json)
        return
    if which is None:
        fail("say which complaint, or --check-sample N", code=MISUSED, as_json=as_json)
    told = _folded(which, at, log, as_json) if log else _asked(which, at, as_json)
    if as_json:
        emit(told)
    else:
        out.print(showing_state.state(told))


@contextmanager
def asking(as_json: bool) -> Iterator[Client]:
    """The running system, as an auditor of this machine."""
    with speaking(as_json), Client(Places.here(), actor=ACTOR, roles=(ROLE,)) as client:
        yield client


def _asked(which: str, at: str | None, as_json: bool) -> Any:
    with asking(as_json) as client:
        return client.get("audit", f"/complaints/{identity(client, which)}", at=at)


def identity(client: Client, which: str) -> str:
    """The complaint's id, asked for where its receipt number was given."""
    try:
        return str(UUID(which))
    except ValueError:
        path = f"/timeline/by-receipt/{quote(which.strip(), safe='')}"
        return str(client.get("audit", path, limit=1)["complaint"])


def _folded(which: str, at: str | None, log: str, as_json: bool) -> Any:
    try:
        subject = str(UUID(which))
        now = datetime.now(UTC)
        then = now if at is None else read_instant(at)
        if then > now:
            fail("--at: that instant has not come yet", code=MISUSED, as_json=as_json)
        found = state_at(sources.events(log, subject), then)
    except NoInstant as error:
        fail(f"--at: {error}", code=MISUSED, as_json=as_json)
    except ValueError:
        fail("with --log a complaint is named by its id", code=MISUSED, as_json=as_json)
    except (sources.NoSource, DomainError) as error:
        fail(str(error), as_json=as_json)
    if found is None:
        fail(f"nothing of {subject} is there", as_json=as_json)
    if then < found.first and not found.as_known_now.events:
        fail(f"it came on record only at {wire_instant(found.first)}", as_json=as_json)
    return _plain(found)


def _plain(found: StateAt) -> Any:
    return plain(asdict(found)) | {"differs": found.differs}


# -- the check ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Difference:
    """A service whose view of a complaint is not what its events fold to."""

    complaint: str
    service: str
    tables: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Checked:
    """What a check found. `moving` were never still for as long as it took to read them."""

    checked: int
    moving: int
    different: tuple[Difference, ...]

    def as_metrics(self, at: float) -> str:
        """The text form that Prometheus reads."""
        names = (
            ("bihuan_state_checked", "Complaints compared with a replay.", self.checked),
            ("bihuan_state_moving", "Complaints that changed while compared.", self.moving),
            (
                "bihuan_state_different",
                "Views of a service that a replay does not give.",
                len(self.different),
            ),
            ("bihuan_state_check_timestamp_seconds", "When it was compared.", round(at, 3)),
        )
        return "".join(
            f"# HELP {name} {text}\n# TYPE {name} gauge\n{name} {value}\n"
            for name, text, value in names
        )


def _check(wanted: int, metrics: Path | None, as_json: bool) -> None:
    with asking(as_json) as client:
        drawn = client.get("audit", "/complaints", sample=wanted)
        checked = check(client, drawn["complaints"])
    if metrics is not None:
        _write_whole(metrics, checked.as_metrics(time.time()))
    if as_json:
        emit(asdict(checked))
    else:
        _tell(checked)
    if checked.different:
        raise typer.Exit(FOUND)


def check(client: Client, complaints: Sequence[str]) -> Checked:
    """Compares every deciding service's rows of these complaints with audit's replay."""
    moving, different = 0, []
    for complaint in complaints:
        found = _compare(client, complaint)
        if found is None:
            moving += 1
        else:
            different += found
    return Checked(len(complaints) - moving, moving, tuple(different))


def _compare(client: Client, complaint: str) -> list[Difference] | None:
    """The differences; None when it never stood still."""

    def read() -> tuple[Shown, Shown]:
        replayed = client.get("audit", f"/complaints/{complaint}")["as_it_was"]["services"]
        live = {name: client.get(name, f"/operations/rows/{complaint}") for name in DECIDING}
        return live, replayed

    found = compare(read, lambda: time.sleep(TRY_AGAIN_SECONDS))
    if found is None:
        return None
    return [Difference(complaint, one.service, one.tables) for one in found]


def _tell(checked: Checked) -> None:
    if checked.moving:
        err.print(f"[dim]{checked.moving} changed all the while and were left out[/dim]")
    if not checked.different:
        out.print(
            f"[green]✓[/green] {checked.checked} complaints: every service's views equal a replay "
            "of the log, byte by byte 实时视图与回放一致"
        )
        return
    for one in checked.different[:TOLD_MAX]:
        out.print(f"[red]✗[/red] {one.complaint} {one.service}: {', '.join(one.tables)}")
    out.print(f"{len(checked.different)} views differ of {checked.checked} complaints 不一致")


def _write_whole(path: Path, text: str) -> None:
    """Never half a file: Prometheus may read at any moment."""
    beside = path.with_name(path.name + ".new")
    beside.write_text(text, encoding="utf-8")
    beside.replace(path)
