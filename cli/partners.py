"""`bihuan partners`: which partners owe an answer, to whom, and since when (DOMAIN rule 7)."""

from typing import Annotated

import typer

from cli import showing
from cli.client import Client
from cli.places import Places
from cli.telling import AsJson, emit, out, speaking

ROLE, ACTOR = "manager", "manager:local"

WHOM = {"10010": "10010", "customer": "customer 客户"}

partners = typer.Typer(no_args_is_help=True, help="Partners, and what they owe.")


def register(app: typer.Typer) -> None:
    """Adds these commands."""
    app.add_typer(partners, name="partners")


@partners.command("owing")
def owing(
    partner: Annotated[str | None, typer.Option(help="Only this one, e.g. sp-music.")] = None,
    as_json: AsJson = False,
) -> None:
    """List the answers that partners owe, to customers and to 10010, the longest waiting first.

    With --json: {owing: [{partner, forward, complaint, cycle, category, reached_at, told_10010_at,
    told_customer_at, denied_at, owes, due, breached, owner_team, owner_agent}]}.
    """
    query = {"limit": 200} | ({} if partner is None else {"partner": partner})
    with speaking(as_json), Client(Places.here(), actor=ACTOR, roles=(ROLE,)) as client:
        found = list(client.pages("routing", "/partners/owing", **query))
    if as_json:
        emit({"owing": found})
        return
    columns = (
        "partner 合作方",
        "owes 未答复",
        "since 送达",
        "due 时限",
        "broken 超时",
        "complaint 投诉",
    )
    table = showing.grid("Partners that owe an answer 未答复的合作方", *columns)
    for one in found:
        whom = ", ".join(WHOM[name] for name in one["owes"])
        denied = " (denied 客户否认)" if one["denied_at"] and "customer" in one["owes"] else ""
        table.add_row(
            one["partner"],
            f"{whom}{denied}",
            showing.moment(one["reached_at"]),
            showing.moment(one["due"]),
            str(one["breached"]),
            one["complaint"],
        )
    out.print(table)
