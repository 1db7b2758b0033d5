"""`bihuan text`: what customers are told, seen before anybody gets it."""

from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

import typer
from rich.markup import escape

from cli.policy import read_sound
from cli.previewing import LETTERS, Case, NoSuchFact, Preview, facts_given, policies_of, previews
from cli.telling import MISUSED, AsJson, emit, fail, out
from contracts.values import Category, DistrictType, Language, Urgency, ValueTier
from libs.eventlog.policy_files import seed_instant

SHANGHAI = ZoneInfo("Asia/Shanghai")
OURS = ("texts", "feedback", "clocks", "working_days")
"""The policies that a customer's text follows."""

Which = Literal[
    "receipt",
    "question",
    "delay",
    "overdue_repair",
    "answer",
    "rejected",
    "survey",
    "reminder",
    "decision",
    "deadlock",
    "declined",
    "compensation",
]

text = typer.Typer(no_args_is_help=True, help="What customers are told: see it before they do.")


def register(app: typer.Typer) -> None:
    """Adds these commands."""
    app.add_typer(text, name="text")


@text.callback()
def _texts() -> None:
    """Keeps `preview` a verb of its own."""


@text.command("preview")
def preview(
    kind: Annotated[Which | None, typer.Argument(help="Which text; none: all of them.")] = None,
    language: Annotated[
        Language | None, typer.Option(help="In which language; none: both.")
    ] = None,
    category: Annotated[
        Category, typer.Option(help="What the complaint is about: decides what is promised.")
    ] = Category.BILLING_OVERCHARGE,
    urgency: Annotated[Urgency, typer.Option(help="How pressing it is.")] = Urgency.ORDINARY,
    district: Annotated[DistrictType | None, typer.Option(help="Town or country.")] = None,
    tier: Annotated[
        ValueTier, typer.Option(help="Important customers are called.")
    ] = ValueTier.ORDINARY,
    at: Annotated[
        str | None,
        typer.Option(help="When the complaint is told, e.g. 2025-10-01T20:00:00+08:00; none: now."),
    ] = None,
    file: Annotated[
        list[Path] | None,
        typer.Option(help="A version not in force yet: texts, feedback, clocks or working_days."),
    ] = None,
    fact: Annotated[
        list[str] | None, typer.Option(help="A fact in place of the sample: NAME=VALUE.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show every text that a customer can get, with the times promised then. Changes nothing.

    Needs no running system: it follows the versions that came with the software, and FILEs in
    their place. A FILE is checked first, as `policy check` does: with faults it shows nothing. With
    --json: {at, category, texts: [{kind, language, by, leaves, template, text}]}. Exit 1: faults.
    """
    case = Case(_instant(at, as_json), category, urgency, district, tier)
    contents = [_content(one, as_json) for one in file or ()]
    try:
        given = facts_given(fact or ())
    except NoSuchFact as error:
        fail(str(error), code=MISUSED, as_json=as_json)
    found = list(
        previews(
            policies_of(contents),
            case,
            [kind] if kind else list(LETTERS),
            [language] if language else list(Language),
            given,
        )
    )
    if as_json:
        emit(
            {
                "at": case.at.isoformat(),
                "category": category.value,
                "texts": [_as_json(one) for one in found],
            }
        )
        return
    for one in found:
        _show(one)


def _instant(said: str | None, as_json: bool) -> datetime:
    if said is None:
        return datetime.now(SHANGHAI)
    try:
        return seed_instant(said).astimezone(SHANGHAI)
    except ValueError:
        fail(
            f"--at {said!r} is no instant: write 2025-10-01T20:00:00+08:00 or 2025-10-01",
            code=MISUSED,
            as_json=as_json,
        )


def _content(path: Path, as_json: bool) -> Any:
    content = read_sound(path, as_json, running=False).content
    if content["name"] not in OURS:
        fail(
            f"{path} is the policy {content['name']}, which no text follows: "
            f"a preview takes {', '.join(OURS)}",
            code=MISUSED,
            as_json=as_json,
        )
    return content


def _show(one: Preview) -> None:
    leaves = one.leaves.astimezone(SHANGHAI)
    head = (
        f"[bold]{one.kind}[/bold] {one.language.value} · by {one.by} · leaves {leaves:%m-%d %H:%M}"
    )
    out.print(f"{head} · texts {escape(one.template)}", soft_wrap=True)
    out.print(f"  {escape(one.text)}\n", soft_wrap=True)


def _as_json(one: Preview) -> dict[str, str]:
    return {
        "kind": one.kind,
        "language": one.language.value,
        "by": one.by,
        "leaves": one.leaves.astimezone(SHANGHAI).isoformat(),
        "template": one.template,
        "text": one.text,
    }
