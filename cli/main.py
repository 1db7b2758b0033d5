"""The `bihuan` command: every verb, its help and its exit codes.

Exit codes: 0 all well, 1 something wrong was found, 2 used wrongly.
"""

import typer

from cli import (
    access,
    archive,
    bundle,
    checkpoints,
    connection,
    hold,
    notices,
    operate,
    partners,
    person,
    policy,
    rebuilding,
    report,
    retention,
    run,
    send,
    state,
    text,
    trying,
    versions,
)
from cli.demo import command as demo

app = typer.Typer(
    name="bihuan",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",  # "rich" keeps the source's line ends and swallows [brackets]
    help=(
        "Bihuan (闭环): closed-loop complaint handling, event-sourced and provable.\n\n"
        "State lives under $BIHUAN_DATA (default ./.bihuan). Exit codes: 0 all well, "
        "1 found something wrong, 2 used wrongly."
    ),
)
demo.register(app)
run.register(app)
send.register(app)
operate.register(app)
state.register(app)
trying.register(app)
report.register(app)
connection.register(app)
checkpoints.register(app)
archive.register(app)
bundle.register(app)
policy.register(app)
versions.register(app)
text.register(app)
rebuilding.register(app)
notices.register(app)
person.register(app)
hold.register(app)
partners.register(app)
access.register(app)
retention.register(app)


def main() -> None:
    """The console script."""
    app()


if __name__ == "__main__":
    main()
