"""The `bihuan` command: every verb, its help and its exit codes.

Exit codes: 0 all well, 1 something wrong was found, 2 used wrongly.
"""

from cli.verbs import Verbs, shell

app = shell(
    name="bihuan",
    cls=Verbs,
    no_args_is_help=True,
    help=(
        "Bihuan (闭环): closed-loop complaint handling, event-sourced and provable.\n\n"
        "State lives under $BIHUAN_DATA (default ./.bihuan). Exit codes: 0 all well, "
        "1 found something wrong, 2 used wrongly."
    ),
)


@app.callback()
def _verbs() -> None:
    """Makes it a command with verbs; which they are says `Verbs`."""


def main() -> None:
    """The console script."""
    app()


if __name__ == "__main__":
    main()
