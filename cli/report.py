"""`bihuan report NAME`: the reports and forms of DOMAIN rule 12, live or by replay of the log.

Live, audit counts its own rows; with --replay or --log this process counts the log's events with
the same fold, wherever they lie. What is written is the same, byte for byte.
"""

import os
import shutil
import sys
from calendar import monthrange
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import date
from io import TextIOWrapper
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Annotated

import typer
from confluent_kafka import KafkaException

from cli.client import Client
from cli.places import NotRunning, Places
from cli.rebuilding import ARCHIVE, log_of
from cli.telling import MISUSED, AsJson, err, fail, speaking
from infra.local import LocalStack, StackProblem
from libs.messaging import topics
from libs.messaging.log_lines import begins_a_log, records_in
from libs.messaging.log_source import Accepted, KafkaLog, Log, LogUnusable
from libs.sheets import ROWS_MAX, Format, TooLong, write
from services.audit.domain.reporting import REPORTS, Period
from services.audit.replayed import (
    HEARD_TYPES,
    LogFileWrong,
    Replayed,
    replay,
    replay_lines,
)

WIDTH_MIN, WIDTH_MAX = 60, 1_000
"""What a terminal may say of its width."""

ROLE = "auditor"
ACTOR = "auditor:local"


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command("report", help=_HELP)(report)


_HELP = (
    "Write a report: "
    + ", ".join(REPORTS)
    + ".\n\nDays are Shanghai's, the first and the last included. The same events give the same "
    "bytes: live, with --replay (from complaints.log) and with --log (from audit's archive, or "
    "from a file). Exit 1: the report cannot be made. Exit 2: used wrongly."
)


def report(
    name: Annotated[str, typer.Argument(help="Which report.")],
    first: Annotated[
        str | None, typer.Option("--from", help="The first day: 2025-10-01, or a month: 2025-10.")
    ] = None,
    last: Annotated[
        str | None, typer.Option("--to", help="The last day, or a month, to its end.")
    ] = None,
    month: Annotated[
        str | None, typer.Option("--month", help="One whole month instead: 2025-10.")
    ] = None,
    how: Annotated[
        Format | None, typer.Option("--format", help="How it is written; as --out's name ends.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", dir_okay=False, help="Into this file.")
    ] = None,
    from_log: Annotated[
        bool, typer.Option("--replay", help="Count complaints.log itself, not audit's rows.")
    ] = False,
    log: Annotated[
        str | None,
        typer.Option(
            help="Count others: `archive`, audit's and what Kafka holds behind it; or a file "
            "that `bihuan log` wrote, or of events, one a line."
        ),
    ] = None,
    opened: Annotated[
        bool,
        typer.Option("--opened", help="With the sealed words in it, opened: of `records` only."),
    ] = False,
    purpose: Annotated[
        str | None, typer.Option(help="What they are opened for, as a code; kept on record.")
    ] = None,
    top: Annotated[
        int | None, typer.Option(min=1, max=ROWS_MAX, help="Only so many of its first rows.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """See `_HELP`."""
    if name not in REPORTS:
        fail(f"no such report: {name}; there are {', '.join(REPORTS)}", code=MISUSED)
    if from_log and log is not None:
        fail("--replay or --log, not both", code=MISUSED)
    if log not in (None, ARCHIVE) and not Path(str(log)).is_file():
        fail(f"--log: neither `{ARCHIVE}` nor a file: {log}", code=MISUSED)
    if opened and (name != "records" or from_log or log is not None):
        fail("--opened: sealed words open in the form `records` of a running system", code=MISUSED)
    if opened and top is not None:
        fail("--opened: the form is opened whole, without --top", code=MISUSED)
    if opened != (purpose is not None):
        fail("words are opened for a purpose: --opened --purpose CODE", code=MISUSED)
    period = _period(first, last, month)
    form = Format.JSON if as_json else (how or _form_of(out))
    if form is Format.XLSX and out is None:
        fail("an XLSX goes into a file: --out report.xlsx", code=MISUSED)
    if log is not None or from_log:
        replayed = _replayed(log)
        with _into(out) as told:
            _write(name, replayed, period, form, told, top)
        err.print(_counted(replayed))
    else:
        _live(name, period, form, purpose, top, out)
    if out is not None:
        err.print(f"[green]✓[/green] {out}")


def _write(
    name: str, replayed: Replayed, period: Period, form: Format, told: IO[bytes], top: int | None
) -> None:
    try:
        write(REPORTS[name](replayed.facts, period), form, told, top, width=_terminal())
    except TooLong:
        fail(f"more than {ROWS_MAX:,} rows: ask for a shorter period, or --top for the first rows")


def _counted(replayed: Replayed) -> str:
    unread = f"; {replayed.unreadable} of them cannot be read" if replayed.unreadable else ""
    return f"[dim]counted from {replayed.events:,} events{unread}[/dim]"


def _form_of(out: Path | None) -> Format:
    ending = out.suffix.removeprefix(".").lower() if out is not None else ""
    return Format(ending) if ending in set(Format) else Format.TABLE


def _terminal() -> int | None:
    """How wide a table may be; None where no terminal shows it."""
    if not sys.stdout.isatty():
        return None
    return min(max(shutil.get_terminal_size().columns, WIDTH_MIN), WIDTH_MAX)


@contextmanager
def _into(out: Path | None) -> Iterator[IO[bytes]]:
    """A file for the report; it becomes `out`, or is shown, once it is whole."""
    if out is None:
        with TemporaryFile() as told:
            yield told
            told.seek(0)
            text = TextIOWrapper(told, "utf-8-sig", newline="")
            shutil.copyfileobj(text, sys.stdout)
            text.detach()
        return
    partial = out.with_name(f"{out.name}.arriving")
    try:
        with partial.open("wb+") as told:
            yield told
        partial.replace(out)
    except OSError as error:
        fail(f"{out} cannot be written: {error.strerror}", code=MISUSED)
    finally:
        partial.unlink(missing_ok=True)


# -- of which days --------------------------------------------------------------------------------


def _period(first: str | None, last: str | None, month: str | None) -> Period:
    try:
        if month is not None:
            if first is not None or last is not None or len(month) != 7:
                raise ValueError("either --month 2025-10, or --from and --to")
            return Period.asked(_day(month, end=False), _day(month, end=True))
        if first is None or last is None:
            raise ValueError("of which days? --month 2025-10, or --from 2025-10-01 --to 2025-10-31")
        return Period.asked(_day(first, end=False), _day(last, end=True))
    except ValueError as error:
        fail(str(error), code=MISUSED)


def _day(text: str, *, end: bool) -> date:
    try:
        if len(text) == 7:
            begins = date.fromisoformat(f"{text}-01")
            return begins.replace(day=monthrange(begins.year, begins.month)[1]) if end else begins
        if len(text) != 10:
            raise ValueError("no day")
        return date.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{text!r} is neither a day (2025-10-31) nor a month (2025-10)") from None


# -- from where -----------------------------------------------------------------------------------


def _live(
    name: str,
    period: Period,
    form: Format,
    purpose: str | None,
    top: int | None,
    out: Path | None,
) -> None:
    days = {"from": period.first.isoformat(), "to": period.last.isoformat(), "format": form.value}
    asked = {**days, "top": top, "width": _terminal() if form is Format.TABLE else None}
    asked = {name: value for name, value in asked.items() if value is not None}
    with speaking(), Client(Places.here(), actor=ACTOR, roles=(ROLE,)) as client, _into(out) as to:
        if purpose is None:
            client.get_into(to, "audit", f"/reports/{name}", **asked)
        else:
            body = {**days, "purpose": purpose}
            told, _ = client.download("audit", f"/reports/{name}/opened", body)
            to.write(told)


def _replayed(log: str | None) -> Replayed:
    if log is None:
        return _from_log()
    return _from_archive() if log == ARCHIVE else _from_file(Path(log))


def _from_file(log: Path) -> Replayed:
    try:
        with log.open("rb") as file:
            if begins_a_log(file):
                return replay(_counted_ones(records_in(file)))
            return replay_lines(file)
    except (LogFileWrong, LogUnusable) as error:
        fail(f"{log}: {error}")


def _from_archive() -> Replayed:
    """From audit's archive, whether its months lie in the database or in files."""
    try:
        with speaking(), ExitStack() as closing:
            told = Places.here().running()
            bootstrap, prefix = str(told["bootstrap"]), str(told["topic_prefix"])
            log, _ = log_of(Places.here(), ARCHIVE, bootstrap, closing, prefix)
            return replay(_counted_ones(log.read()))
    except LogUnusable as error:
        fail(str(error))


def _counted_ones(records: Iterable[Accepted]) -> Iterator[bytes]:
    for one in records:
        if one.headers.type in HEARD_TYPES and one.value:
            yield one.value


def _from_log() -> Replayed:
    """From the running system's log, one elsewhere, or that of a system which is down."""
    elsewhere = os.environ.get("BIHUAN_KAFKA_BOOTSTRAP")
    if elsewhere:
        prefix = os.environ.get("BIHUAN_TOPIC_PREFIX", "")
        return _read(elsewhere, f"{prefix}{topics.LOG}")
    places = Places.here()
    try:
        told = places.running()
        return _read(told["bootstrap"], f"{told['topic_prefix']}{topics.LOG}")
    except NotRunning as error:
        if not places.stack.exists():
            fail(str(error), code=MISUSED)
    try:
        with LocalStack(places.stack, progress=lambda *_: None) as stack:
            if stack.broker_kind != "kafka":
                fail("the in-memory broker's log is gone: there is nothing to replay")
            return _read(stack.bootstrap, topics.LOG)
    except StackProblem as error:
        fail(str(error))


def _read(bootstrap: str, topic: str) -> Replayed:
    try:
        return replay(_states(bootstrap, topic))
    except LogUnusable as error:
        fail(str(error))
    except KafkaException as error:
        fail(f"Kafka at {bootstrap} cannot be read ({type(error).__name__}); is it up?")


def _states(bootstrap: str, topic: str) -> Iterator[bytes]:
    partitions = topics.partitions_of(bootstrap, topic)
    if not partitions:
        fail(f"Kafka at {bootstrap} has no topic {topic}", code=MISUSED)
    log = Log(KafkaLog(bootstrap, topic, partitions))
    yield from _counted_ones(log.read())
    log.close()
