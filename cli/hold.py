"""`bihuan hold`: legal holds, which stop every deletion of what they are on."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import typer

from cli import showing
from cli.client import Client
from cli.places import Places
from cli.telling import MISUSED, AsJson, emit, fail, out, speaking
from contracts.categories import Category

ROLE, ACTOR = "auditor", "auditor:local"

Name = Annotated[str, typer.Argument(help="Its name, e.g. a court's or a regulator's reference.")]
Ground = Annotated[str, typer.Option("--ground", help="Why; a code, kept on record.")]
Moment = Annotated[
    datetime | None,
    typer.Option(formats=["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S%z"], help="A date in Shanghai, 00:00."),
]

hold = typer.Typer(no_args_is_help=True, help="Legal holds: nothing they are on is deleted.")


def register(app: typer.Typer) -> None:
    """Adds these commands."""
    app.add_typer(hold, name="hold")


@hold.command("place")
def place(
    name: Name,
    ground: Ground,
    complaint: Annotated[list[UUID] | None, typer.Option(help="This one; may be repeated.")] = None,
    person: Annotated[
        UUID | None, typer.Option(help="All of this person's, now and later.")
    ] = None,
    told_from: Moment = None,
    told_to: Moment = None,
    category: Annotated[
        Category | None, typer.Option(help="All of this category, and of those below it.")
    ] = None,
    province: Annotated[
        str, typer.Option(help="All whose customer or cause is in this province, e.g. qinghai.")
    ] = "",
    until: Moment = None,
    as_json: AsJson = False,
) -> None:
    """Keep complaints whatever their age: these, a person's, or all that are so (500 at most).

    What is said of time, category and province must all be so. By person or so, it also reaches
    what comes on record while it is on.

    Exit 1: unknown complaints, or a hold of this name is on with another ground or date.
    """
    if (told_from is None) is not (told_to is None):
        fail("--told-from and --told-to go together", code=MISUSED, as_json=as_json)
    body: dict[str, Any] = {"hold": name, "ground": ground}
    if complaint:
        body["complaints"] = [str(one) for one in complaint]
    if person is not None:
        body["person"] = str(person)
    asked: dict[str, Any] = {}
    if told_from is not None and told_to is not None:
        asked = {"told_from": _instant(told_from), "told_to": _instant(told_to)}
    if category is not None:
        asked["category"] = category.value
    if province:
        asked["province"] = province
    if asked:
        body["asked"] = asked
    if until is not None:
        body["until"] = _instant(until)
    with speaking(as_json), Client(Places.here(), actor=ACTOR, roles=(ROLE,)) as client:
        done = client.post("audit", "/holds", body)
    _told(done, f"hold {name} is on", as_json)


@hold.command("lift")
def lift(name: Name, ground: Ground, as_json: AsJson = False) -> None:
    """End a hold on everything it is on; again it changes nothing. Exit 1: it was never on."""
    with speaking(as_json), Client(Places.here(), actor=ACTOR, roles=(ROLE,)) as client:
        done = client.post("audit", f"/holds/{name}/lift", {"ground": ground})
    _told(done, f"hold {name} is over", as_json)


@hold.command("list")
def list_(as_json: AsJson = False) -> None:
    """List the holds that are on, a line for each complaint, and those that reach what comes.

    With --json: {holds: [{hold, complaint, ground, placed_by, since, until}], standing: [{hold,
    ground, placed_by, since, person, asked: {told_from, told_to, category, province}, until}]}.
    """
    with speaking(as_json), Client(Places.here(), actor=ACTOR, roles=(ROLE,)) as client:
        held = list(client.pages("audit", "/holds", limit=200))
        standing = list(client.pages("audit", "/holds/standing", limit=200))
    if as_json:
        emit({"holds": held, "standing": standing})
        return
    columns = ("hold", "complaint", "ground", "by", "since", "until")
    table = showing.grid("Legal holds 留存保全", *columns)
    for one in held:
        until = showing.moment(one["until"]) if one["until"] else "lifted"
        table.add_row(
            one["hold"],
            one["complaint"],
            one["ground"],
            one["placed_by"],
            showing.moment(one["since"]),
            until,
        )
    out.print(table)
    if standing:
        out.print(_standing(standing))


def _standing(standing: Sequence[Mapping[str, Any]]) -> Any:
    columns = ("hold", "reaches what comes", "ground", "by", "since", "until")
    table = showing.grid("Standing holds 持续留存保全", *columns)
    for one in standing:
        of = f"person {one['person']}" if one["person"] else _asked(one["asked"])
        until = showing.moment(one["until"]) if one["until"] else "lifted"
        since = showing.moment(one["since"])
        table.add_row(one["hold"], of, one["ground"], one["placed_by"], since, until)
    return table


def _asked(one: Mapping[str, Any]) -> str:
    said = [one[name] for name in ("category", "province") if one[name]]
    if one["told_from"]:
        said.append(f"told {showing.moment(one['told_from'])} to {showing.moment(one['told_to'])}")
    return ", ".join(said)


def _instant(moment: datetime) -> str:
    return (moment if moment.tzinfo else moment.replace(tzinfo=showing.SHANGHAI)).isoformat()


def _told(done: Any, what: str, as_json: bool) -> None:
    if as_json:
        emit(done)
    else:
        held = sum(not one["type"].startswith("hold.standing") for one in done["events"])
        out.print(f"[green]✓[/green] {what} ({held} complaints)")
