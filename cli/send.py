"""`bihuan send`: a file of customers' words goes over Kafka, and every row's end is told.

It publishes to `complaints.channel` like any gateway, and follows `complaints.log` to learn what
became of each message. A message sent before leaves nothing new in the log; what is not heard of
for a while is asked of intake, many messages in one request.
"""

import asyncio
import contextlib
import hashlib
import os
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

import typer
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from cli.accounting import Account, Ended, unheard
from cli.client import Client, Refused
from cli.following import Fate, Following, Outcome
from cli.mapping import FileMapping, Mapped, Mapper, MappingWrong, load_mapping
from cli.mapping import Refused as RefusedRow
from cli.outcomes import OutcomesFile, Verdicts
from cli.places import NotRunning, Places
from cli.player import to_bytes
from cli.tabular import FileUnreadable, Row, Table, open_table
from cli.telling import FOUND, MISUSED, AsJson, emit, err, fail, out, speaking, table
from contracts.messages import CHANNEL_TOPIC, LOG_TOPIC, ChannelMessage
from libs.messaging.clients import running
from libs.timekeeping.clock import SystemClock

CHUNK_ROWS = 200
OUT_MAX = 2_000
"""More messages than these are not on their way at once, however long the file is."""

ASKED_MAX = 500
"""As many as intake takes in one request (`POST /messages/outcomes`)."""
ASK_AFTER_SECONDS = 2.0
"""How long the log must be silent before intake is asked."""
AGAIN_SECONDS = 0.2
"""The same once everything asked about turned out to be known: the file was sent before."""
FOLLOW_MS = 50
PATIENCE_SECONDS = 60.0
REQUEST_BYTES_MAX = 8 * 1024 * 1024
SHOWN_MAX = 50


@dataclass(frozen=True, slots=True)
class Reach:
    """Where the system is: its broker, and intake to be asked about messages of a source."""

    bootstrap: str
    topic_prefix: str
    ask: Callable[[str, Sequence[str]], Sequence[dict[str, Any] | None]]
    """Blocking; one answer per message, None: not seen. Raises NotRunning or Refused."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast, how much, and how long to wait when nothing comes back."""

    rows_per_second: float | None = None
    rows_max: int | None = None
    patience_s: float = PATIENCE_SECONDS


@dataclass(slots=True)
class Sent:
    """What came of a file."""

    account: Account = field(default_factory=Account)
    oddities: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0
    stopped: str | None = None
    """Why it ended before the file did."""

    def told(self) -> dict[str, Any]:
        """The one document that `--json` ends with."""
        document = self.account.told()
        return document if self.stopped is None else {**document, "stopped": self.stopped}

    @property
    def all_well(self) -> bool:
        """Every row of the file became a complaint or a contact."""
        return self.stopped is None and self.account.all_well


Watch = Callable[[Account, int | None], None]
"""Told of the account as it grows, and how many rows are expected."""


def unwatched(_account: Account, _rows: int | None) -> None:
    """Nobody looks."""


@contextlib.contextmanager
def opened_for(mapping: FileMapping, file: Path) -> Iterator[Table]:
    """The file, open; raises FileUnreadable, and MappingWrong where it lacks a column."""
    with open_table(file, mapping.layout) as opened:
        missing = mapping.missing(opened.columns)
        if missing:
            raise MappingWrong(
                f"{file.name} has no column {', '.join(map(repr, missing))}, which the mapping "
                f"{mapping.name!r} reads; it has {', '.join(map(repr, opened.columns))}"
            )
        yield opened


async def send_rows(
    opened: Table,
    mapping: FileMapping,
    reach: Reach,
    *,
    now: Callable[[], datetime],
    pace: Pace = Pace(),
    watch: Watch = unwatched,
    ended: Callable[[Ended], None] = unheard,
) -> Sent:
    """Sends what is left of an open file, and waits until every row has ended; or KafkaError."""
    return await _Sending(mapping, reach, now, pace, watch, ended).run(opened)


class _Sending:
    """One file on its way."""

    def __init__(
        self,
        mapping: FileMapping,
        reach: Reach,
        now: Callable[[], datetime],
        pace: Pace,
        watch: Watch,
        ended: Callable[[Ended], None],
    ) -> None:
        self.reach = reach
        self.now = now
        self.pace = pace
        self.watch = watch
        self.mapping = mapping
        self.mapper = Mapper(mapping)
        self.sent = Sent(Account(ended=ended), oddities=self.mapper.oddities)
        self.account = self.sent.account
        self.topic = reach.topic_prefix + CHANNEL_TOPIC
        self.trouble = ""
        self._room = asyncio.Event()
        self._asked_s = 0.0
        self._ask_after_s = ASK_AFTER_SECONDS
        self._producer = AIOKafkaProducer(
            bootstrap_servers=reach.bootstrap,
            acks="all",
            linger_ms=5,
            max_request_size=REQUEST_BYTES_MAX,
        )

    async def run(self, opened: Table) -> Sent:
        started_s = time.monotonic()
        rows_expected = opened.rows_expected
        if rows_expected is not None and self.pace.rows_max is not None:
            rows_expected = min(rows_expected, self.pace.rows_max)
        async with running(self._producer):
            log = self.reach.topic_prefix + LOG_TOPIC
            partitions = await self._producer.partitions_for(log)
            async with Following(
                self.reach.bootstrap, log, partitions, self.mapping.source
            ) as following:
                publishing = asyncio.create_task(self._publish_all(opened.rows))
                try:
                    await self._follow(following, publishing, rows_expected)
                finally:
                    publishing.cancel()
                    with contextlib.suppress(asyncio.CancelledError, FileUnreadable):
                        await publishing
        self.account.give_up()
        self.sent.seconds = time.monotonic() - started_s
        self.watch(self.account, rows_expected)
        return self.sent

    # -- publishing --------------------------------------------------------------------------

    async def _publish_all(self, rows: Iterator[Row]) -> None:
        started_s = time.monotonic()
        wanted = islice(rows, self.pace.rows_max)
        while chunk := await asyncio.to_thread(self._next_rows, wanted):
            for one in chunk:
                if isinstance(one, RefusedRow):
                    self.account.refuse(one)
                    continue
                if self.pace.rows_per_second is not None:
                    due_s = started_s + self.account.rows / self.pace.rows_per_second
                    await asyncio.sleep(max(0.0, due_s - time.monotonic()))
                while self.account.out >= OUT_MAX:
                    self._room.clear()
                    await self._room.wait()
                await self._publish(one)
        await self._producer.flush()

    def _next_rows(self, rows: Iterator[Row]) -> list[Mapped | RefusedRow]:
        paced = self.pace.rows_per_second is not None
        return [self.mapper.row(row) for row in islice(rows, 1 if paced else CHUNK_ROWS)]

    async def _publish(self, one: Mapped) -> None:
        message = one.said(self.now())
        self.account.publish(one.row, message.id, message.time, time.monotonic())
        delivery = await self._producer.send(self.topic, to_bytes(message), key=_key(message))
        delivery.add_done_callback(lambda done: self._delivered(message.id, done))

    def _delivered(self, message: str, done: "asyncio.Future[Any]") -> None:
        if done.cancelled():
            return
        error = done.exception()
        if error is not None:
            self.account.undelivered(message, type(error).__name__)
            return
        at = done.result()
        self.account.lies_at(message, f"{at.topic}/{at.partition}/{at.offset}")

    # -- following ---------------------------------------------------------------------------

    async def _follow(
        self, following: Following, publishing: "asyncio.Task[None]", rows_expected: int | None
    ) -> None:
        """Until the file is sent and every message has ended, or nothing comes any more."""
        self.account.settled_s = time.monotonic()
        while not (publishing.done() and self.account.out == 0):
            for outcome in await following.outcomes(FOLLOW_MS):
                self.account.settle(outcome, time.monotonic())
            self._room.set()
            self.watch(self.account, rows_expected)
            self._stop_where_failed(publishing)
            await self._ask_about_the_silent()
            if self._silent_for(self.pace.patience_s):
                waited = f"nothing came back for {self.pace.patience_s:.0f} s"
                self.sent.stopped = f"{waited} ({self.trouble})" if self.trouble else waited
                return
        self._stop_where_failed(publishing)

    def _stop_where_failed(self, publishing: "asyncio.Task[None]") -> None:
        if publishing.done() and self.sent.stopped is None:
            error = publishing.exception()
            if isinstance(error, FileUnreadable):
                self.sent.stopped = str(error)
            elif error is not None:
                raise error

    def _silent_for(self, seconds: float) -> bool:
        """Whether messages have been out, and the log has told of none, for so long."""
        now_s = time.monotonic()
        if now_s - self.account.settled_s <= seconds:
            return False
        return bool(self.account.waiting(seconds, now_s, limit=1))

    async def _ask_about_the_silent(self) -> None:
        """Asks intake about messages that the log is silent about: they were sent before.

        Only while the log tells nothing at all: what waits in a queue is not asked about.
        """
        after_s = self._ask_after_s
        if not self._silent_for(after_s) or time.monotonic() - self._asked_s < after_s:
            return
        while waiting := self.account.waiting(after_s, time.monotonic(), ASKED_MAX):
            try:
                answers = await asyncio.to_thread(self.reach.ask, self.mapping.source, waiting)
            except (NotRunning, Refused) as error:
                self.trouble = str(error)
                answers = [None] * len(waiting)
            settled = 0
            for message, answer in zip(waiting, answers, strict=True):
                if answer is not None:
                    settled += self.account.settle(_outcome(message, answer), time.monotonic())
            self._room.set()
            self._asked_s = time.monotonic()
            self._ask_after_s = AGAIN_SECONDS if settled == len(waiting) else ASK_AFTER_SECONDS
            if settled < len(waiting):
                return


def _key(message: ChannelMessage) -> bytes:
    """One customer's messages keep their order; the number itself is no key's business."""
    who = message.data.subscriber or message.id
    return hashlib.sha256(f"{message.source} {who}".encode()).hexdigest()[:32].encode()


def _outcome(message: str, answer: dict[str, Any]) -> Outcome:
    fate = Fate(answer["outcome"])
    reason = f"{answer['rule']}: {answer['problem']}" if fate is Fate.REFUSED else None
    at = datetime.fromisoformat(answer["at"])
    return Outcome(fate, message=message, reason=reason, complaint=answer["complaint"], at=at)


# --- the command ---------------------------------------------------------------------------------


def register(app: typer.Typer) -> None:
    """Adds `send` and `import`."""
    app.command("send")(send)
    app.command("import")(take_over)


Outcomes = Annotated[
    Path | None,
    typer.Option(
        "--outcomes",
        dir_okay=False,
        writable=True,
        help="Write a CSV with what became of every single row.",
    ),
]


def send(
    file: Annotated[
        Path, typer.Argument(exists=True, dir_okay=False, readable=True, help="A CSV or XLSX.")
    ],
    mapping: Annotated[
        str, typer.Option(help="comcast, hotline, or the path of a mapping of your own (YAML).")
    ],
    rate: Annotated[
        float | None, typer.Option(min=0.01, help="Rows a second; else as fast as they are taken.")
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="The first N rows only.")] = None,
    patience: Annotated[
        float, typer.Option(min=1.0, help="Seconds to wait when nothing comes back.")
    ] = PATIENCE_SECONDS,
    outcomes: Outcomes = None,
    as_json: AsJson = False,
) -> None:
    """Publish a file of customers' words to Kafka, and tell what became of every row.

    Each row ends as a complaint, as a contact linked to one, or refused with the reason. Sending a
    file again reports the first outcomes and adds nothing. Exit code 1: some rows were refused or
    have no outcome.
    """
    pace = Pace(rate, limit, patience)
    _go(file, mapping, pace, outcomes, as_json=as_json, history=False)


def take_over(
    file: Annotated[
        Path, typer.Argument(exists=True, dir_okay=False, readable=True, help="A CSV or XLSX.")
    ],
    mapping: Annotated[
        str, typer.Option(help="hotline-history, or the path of a mapping of your own (YAML).")
    ],
    limit: Annotated[int | None, typer.Option(min=1, help="The first N rows only.")] = None,
    patience: Annotated[
        float, typer.Option(min=1.0, help="Seconds to wait when nothing comes back.")
    ] = PATIENCE_SECONDS,
    outcomes: Outcomes = None,
    as_json: AsJson = False,
) -> None:
    """Take over the closed cases of an older system, and tell what became of every row.

    Each row is registered, answered and closed at its own times, or refused with the reason. Its
    promises are judged at their exact instants; nobody is told anything, nobody works on it, and
    it is marked as history everywhere. Importing a file again adds nothing. Exit code 1: some rows
    were refused or have no outcome.
    """
    pace = Pace(None, limit, patience)
    _go(file, mapping, pace, outcomes, as_json=as_json, history=True)


def _go(
    file: Path,
    mapping: str,
    pace: Pace,
    outcomes: Path | None,
    *,
    as_json: bool,
    history: bool,
) -> None:
    """Sends a file, shows what came of it, and ends with the exit code."""
    try:
        fit = _fit(load_mapping(mapping), history=history)
        sent = _sent(file, fit, pace, outcomes, as_json=as_json)
    except (MappingWrong, FileUnreadable) as error:
        fail(str(error), code=MISUSED, as_json=as_json)
    except KafkaError as error:
        kind = type(error).__name__
        fail(f"Kafka does not answer ({kind}); is the system up?", code=MISUSED, as_json=as_json)
    if as_json:
        emit(sent.told())
    else:
        _show(sent)
    if not sent.all_well:
        raise typer.Exit(FOUND)


def _fit(mapping: FileMapping, *, history: bool) -> FileMapping:
    """The mapping, if it is of the right sort; raises MappingWrong."""
    if history and mapping.history is None:
        raise MappingWrong(
            f"the mapping {mapping.name!r} has no `history`: it does not say when a row was told "
            "and answered; add that, or use `bihuan send`"
        )
    if not history and mapping.history is not None:
        raise MappingWrong(
            f"the mapping {mapping.name!r} is of closed cases; use `bihuan import`, for nobody is "
            "to be told about them"
        )
    return mapping


def _sent(
    file: Path, mapping: FileMapping, pace: Pace, outcomes: Path | None, *, as_json: bool
) -> Sent:
    caller = Client(Places.here(), actor="channel:file", roles=("channel",))
    now = SystemClock().now
    with speaking(as_json), caller as client, opened_for(mapping, file) as opened:
        reach = reach_of(client)
        kept = None if outcomes is None else OutcomesFile(outcomes)
        ended = unheard if kept is None else kept.take
        with _bar(mapping, quiet=as_json) as watch:
            sending = send_rows(
                opened, mapping, reach, now=now, pace=pace, watch=watch, ended=ended
            )
            sent = asyncio.run(sending)
        if kept is not None:
            kept.write(_verdicts() if mapping.history is not None else None, pace.patience_s)
            if kept.trouble is not None:
                err.print(f"[red]✗[/red] {kept.trouble}")
        return sent


def _verdicts() -> Verdicts:
    """How the promises of these complaints were kept, asked of sla_watch as an auditor."""
    auditor = Client(Places.here(), actor="auditor:file", roles=("auditor",))

    def ask(complaints: Sequence[str]) -> Sequence[dict[str, Any]]:
        body = {"complaints": list(complaints)}
        clocks: list[dict[str, Any]] = auditor.post("sla_watch", "/asked-clocks", body)["clocks"]
        return clocks

    return ask


def reach_of(client: Client, places: Places | None = None) -> Reach:
    """The running system, or one elsewhere as `BIHUAN_KAFKA_BOOTSTRAP` says; raises NotRunning."""
    elsewhere = os.environ.get("BIHUAN_KAFKA_BOOTSTRAP")
    if elsewhere:
        bootstrap, prefix = elsewhere, os.environ.get("BIHUAN_TOPIC_PREFIX", "")
    else:
        running = (places or Places.here()).running()
        bootstrap, prefix = running["bootstrap"], running["topic_prefix"]

    def ask(source: str, ids: Sequence[str]) -> Sequence[dict[str, Any] | None]:
        body = {"source": source, "ids": list(ids)}
        answers: list[dict[str, Any] | None] = client.post("intake", "/messages/outcomes", body)[
            "outcomes"
        ]
        return answers

    return Reach(bootstrap, prefix, ask)


@contextlib.contextmanager
def _bar(mapping: FileMapping, *, quiet: bool) -> Iterator[Watch]:
    """A progress bar on standard error: rows ended, of those expected."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[found]}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=err, transient=quiet) as progress:
        doing = "sending" if mapping.history is None else "taking over"
        task = progress.add_task(f"{doing} as {mapping.name}", total=None, found="")

        def watch(account: Account, rows_expected: int | None) -> None:
            found = f"{account.complaints} complaints, {account.linked} linked"
            if mapping.history is not None:
                found = f"{account.imported} imported"
            if account.refused:
                found += f", {len(account.refused)} refused"
            done = account.rows - account.out
            progress.update(task, completed=done, total=rows_expected, found=found)

        yield watch


def _show(sent: Sent) -> None:
    account, told = sent.account, sent.told()
    ended = account.rows / sent.seconds if sent.seconds else 0.0
    history = f"[green]{account.imported}[/green] imported, " if account.imported else ""
    out.print(
        f"[bold]{account.rows}[/bold] rows: {history}"
        f"[green]{account.complaints}[/green] complaints, "
        f"[green]{account.linked}[/green] linked, {len(account.refused)} refused, "
        f"{len(account.unaccounted)} without outcome; {sent.seconds:.1f} s, {ended:.0f} rows/s"
    )
    if account.known:
        out.print(f"{account.known} of them had been sent before: these are their first outcomes")
    for oddity, times in sorted(sent.oddities.items()):
        out.print(f"[dim]taken all the same: {oddity}: {times} rows[/dim]")
    for title, name in (("Refused", "refused"), ("Without outcome", "unaccounted")):
        rows = told.get(name, ())
        if rows:
            shown = [[one["row"], one["reason"]] for one in rows[:SHOWN_MAX]]
            out.print(table(title, ("row", "why"), shown))
        if len(rows) > SHOWN_MAX:
            out.print(f"… and {len(rows) - SHOWN_MAX} more; --json tells all")
    if sent.stopped is not None:
        err.print(f"[red]✗[/red] stopped: {sent.stopped}")
