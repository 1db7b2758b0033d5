"""What is typed for every verb of `bihuan` to make it lose a record, and which are not typed."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import typer.main

from cli.main import app

Typed = Mapping[str, Sequence[tuple[str, ...]]]

NOT_TYPED = {
    "demo": "plays on a data folder of its own beside $BIHUAN_DATA, wiped at each run: the local "
    "developer stack, where nobody's records are (see `demo_places`)",
    "up": "starts PostgreSQL, Kafka and the services of $BIHUAN_DATA and stays; the walk runs "
    "against what it starts, and no option of it touches what is stored",
}
"""The others, each with its reason."""


def verbs() -> set[str]:
    """Every verb of the command line, groups that do something by themselves included."""
    return set(_below(typer.main.get_command(app), ()))


def _below(command: Any, path: tuple[str, ...]) -> Iterator[str]:
    inner = getattr(command, "commands", None)
    if inner is None or (path and command.invoke_without_command):
        yield " ".join(path)
    for name in inner or ():
        # Asked for by name: a verb is imported only then.
        yield from _below(command.get_command(None, name), (*path, name))


def typed(values: Mapping[str, str], folder: Path) -> Typed:
    """Every other verb with what somebody would type who means harm, or does not look.

    `values`: whose and which, a month under the floor and one that was `filed`, the digest of a
    plan; `folder`: for the files that are made.
    """
    complaint, person, receipt = values["complaint"], values["person"], values["receipt"]
    month, plan, policies = values["cohort"], values["plan"], values["policies"]
    why, ground = ("--reason", "walked"), ("--ground", "walked")
    shorter, mapping, rows = (str(folder / one) for one in ("shorter.yaml", "map.yaml", "rows.csv"))
    days = ("--from", "2025-08-01", "--to", "2025-08-31")
    everything = ("--told-from", "2000-01-01", "--told-to", "2100-01-01")
    return {
        "doctor": [()],
        "setup": [()],
        "send": [(rows, "--mapping", mapping, "--patience", "1")],
        "import": [(rows, "--mapping", mapping, "--patience", "1")],
        "status": [(receipt,)],
        "timeline": [(complaint, "--html", str(folder / "page.html"))],
        "verify": [()],
        "show": [(complaint,), (complaint, "--at", "2000-01-01T00:00:00+08:00")],
        "what-if": [(complaint, "--policy", f"{policies}/../../sla_watch/policy/clocks.v1.yaml")],
        "report": [("volume", *days, "--format", "csv", "--out", str(folder / "volume.csv"))],
        "connection": [(rows,)],
        "bundle": [(complaint, "--out", str(folder / "bundle.zip"), "--purpose", "walked")],
        "log": [(str(folder / "copy.log"),)],
        "inbox gaps": [()],
        "inbox resolve": [
            (name, "0", f"/bihuan/{other}", *why)
            for name, other in (("audit", "intake"), ("intake", "audit"))
        ],
        "dead-letter list": [()],
        "dead-letter show": [("audit", complaint)],
        "dead-letter replay": [("audit", complaint, *why)],
        "dead-letter discard": [("audit", complaint, *why), ("audit", values["parked"], *why)],
        "checkpoint list": [()],
        "checkpoint show": [("1",)],
        "checkpoint check": [(rows,)],
        "archive list": [()],
        "archive write": [(month,), (values["filed"],), ("1970-01",)],
        "archive restore": [(values["filed"], *why), (month, *why)],
        "archive check": [()],
        "archive query": [
            ("outcomes",),
            ("DELETE FROM record",),
            (f"COPY (SELECT 1) TO '{folder}/over.parquet'",),
        ],
        "archive trim": [("--dry-run",), ()],
        "policy check": [(shorter,)],
        "policy words": [("categories",)],
        "policy diff": [(f"{policies}/retention.v1.yaml", shorter)],
        "policy activate": [(shorter, "--from", "now"), (shorter, "--from", "1990-01-01")],
        "policy list": [("retention",)],
        "policy show": [("retention",)],
        "policy touched": [("clocks", "1")],
        "calendar show": [("2026",)],
        "text preview": [("receipt",)],
        "notices list": [()],
        "notices show": [(complaint,)],
        "notices report": [(complaint, "delivered")],
        "notices watch": [()],
        "person find": [("--purpose", "walked")],
        "person show": [(person, "--purpose", "walked")],
        "person export": [(person, "--out", str(folder / "person.json"))],
        "person lock": [(person, "--basis", "walked")],
        "person erase": [(person, "--basis", "walked")],
        # Before any hold: whatever one was on keeps six months more.
        "retention plan": [("--cohort", month), ("--at", "2099-01-01")],
        "retention propose": [(month, *ground), (values["filed"], *ground)],
        "retention approve": [(month, "--plan", plan), (values["filed"], "--plan", plan)],
        "retention withdraw": [(values["filed"], *ground)],
        "retention list": [()],
        "hold place": [("walked", *ground, *everything), ("walked-2", *ground, "--person", person)],
        "hold lift": [("walked", *ground), (values["hold"], *ground)],
        "hold list": [()],
        "partners owing": [()],
        "token": [("--role", "admin", "--actor", "admin:walked")],
        "token list": [()],
        "token revoke": [("walked", *why)],
        "role list": [()],
        "role set": [("agent:walked", "admin", *why)],
        "role revoke": [("agent:walked", *why)],
        "access log": [("--limit", "5")],
        # Offline nothing was started here: tests/e2e/test_same_again.py makes all six again so.
        # After `archive trim` Kafka no longer has all of it, nor has a file that was cut.
        "rebuild": [
            ("routing",),
            ("routing", "--whole"),
            ("audit", "--beside", "--swap"),
            ("audit", "--beside", "--swap", "--from", str(folder / "empty")),
            ("routing", "--beside", "--swap", "--from", str(folder / "cut.log")),
            ("routing", "--beside", "--swap", "--from", "archive"),
        ],
    }
