"""Which module has which verb: only that of the called one is imported, so each starts soon."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from types import MappingProxyType
from typing import Any, NamedTuple

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_group


class Verb(NamedTuple):
    """A verb's module, whose `register(app)` adds it, and its line in the list of verbs."""

    module: str
    line: str
    hidden: bool = False


VERBS: Mapping[str, Verb] = MappingProxyType(
    {
        "demo": Verb(
            "cli.demo.command",
            "Play one complaint through the whole loop, amid a day's crowd, and prove it.",
        ),
        "up": Verb(
            "cli.run",
            "Start PostgreSQL, Kafka and the six services, and keep them running until Ctrl-C.",
        ),
        "doctor": Verb(
            "cli.run",
            "Say what is installed, what is missing and how to get it; and how a running "
            "system is.",
        ),
        "setup": Verb(
            "cli.run", "Make keys for services that run elsewhere (compose).", hidden=True
        ),
        "send": Verb(
            "cli.send",
            "Publish a file of customers' words to Kafka, and tell what became of every row.",
        ),
        "import": Verb(
            "cli.send",
            "Take over the closed cases of an older system, and tell what became of every row.",
        ),
        "status": Verb(
            "cli.operate",
            "Say where the complaint with this receipt number stands, as its customer may know it.",
        ),
        "timeline": Verb(
            "cli.operate",
            "Show everything that happened to a complaint, from all services, causes first.",
        ),
        "verify": Verb(
            "cli.operate",
            "Prove again that nothing in the archive is missing, changed or out of order.",
        ),
        "show": Verb(
            "cli.state",
            "Show a complaint as all services knew it at an instant, and as we know now "
            "about then.",
        ),
        "what-if": Verb(
            "cli.trying",
            "Say which verdicts would differ had this clock table or calendar always counted.",
        ),
        "report": Verb(
            "cli.report",
            "Write a report: promises, volume, topics, repeats, escalations, satisfaction, "
            "refunds, refund-sums, teams, owners, records, revisits, connection.",
        ),
        "connection": Verb(
            "cli.connection",
            "Write down how the hotlines were answered, day by day: for "
            "`bihuan report connection`.",
        ),
        "bundle": Verb(
            "cli.bundle",
            "Write evidence of one complaint, or of what was recorded in a period, as one "
            "zip file.",
        ),
        "rebuild": Verb(
            "cli.rebuilding",
            "Make a service's views again from its own events and the log; --whole its whole "
            "database.",
        ),
        "log": Verb("cli.rebuilding", "Write audit's whole archive as lines, in the log's order."),
        "inbox": Verb("cli.operate", "Partitions that stopped because records are missing."),
        "dead-letter": Verb("cli.operate", "Records that could not be taken."),
        "checkpoint": Verb("cli.checkpoints", "Signed roots over everything accepted."),
        "archive": Verb(
            "cli.archive", "Months that nothing touches any more, as files anybody can read."
        ),
        "policy": Verb("cli.versions", "Rules as data: check, compare, activate, look up."),
        "calendar": Verb("cli.versions", "Working days, holidays, moved holidays."),
        "text": Verb("cli.text", "What customers are told: see it before they do."),
        "notices": Verb("cli.notices", "What customers were told (development gateway)."),
        "person": Verb("cli.person", "A person's data: find, show, export, lock, erase (PIPL)."),
        "hold": Verb("cli.hold", "Legal holds: nothing they are on is deleted."),
        "partners": Verb("cli.partners", "Partners, and what they owe."),
        "token": Verb("cli.access", "Bearer tokens: issue, list, revoke."),
        "role": Verb("cli.access", "Whose roles were changed, to which."),
        "access": Verb("cli.access", "Everything about access and configuration."),
        "retention": Verb(
            "cli.retention",
            "What is past its retention: plan (a dry run), propose, approve by another person.",
        ),
    }
)


def shell(**settings: Any) -> typer.Typer:
    """An application, as the command line is set up everywhere."""
    return typer.Typer(
        pretty_exceptions_enable=False,
        rich_markup_mode="markdown",  # "rich" keeps the source's line ends and swallows [brackets]
        **settings,
    )


class Verbs(TyperGroup):
    """All verbs: told from the table, and imported when they are asked for.

    The contexts and commands are of the click within typer, which has no public name: Any.
    """

    def __init__(self, **settings: Any) -> None:
        told = {
            name: TyperCommand(name, help=verb.line, hidden=verb.hidden)
            for name, verb in VERBS.items()
        }
        super().__init__(**{**settings, "commands": told})
        self._imported: dict[str, Any] = {}
        self._listing = False

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Writes the list of verbs, which needs none of them."""
        with self._as_list():
            super().format_help(ctx, formatter)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The verb itself; within the list its line only. None: there is no such verb."""
        if self._listing or cmd_name not in VERBS:
            return super().get_command(ctx, cmd_name)
        if cmd_name not in self._imported:
            of_module = shell()
            import_module(VERBS[cmd_name].module).register(of_module)
            self._imported.update(get_group(of_module).commands)
        return self._imported[cmd_name]

    @contextmanager
    def _as_list(self) -> Iterator[None]:
        self._listing = True
        try:
            yield
        finally:
            self._listing = False
