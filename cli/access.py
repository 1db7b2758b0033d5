"""`bihuan token` and `bihuan role`: who may come in, with which roles; all of it on record."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from typing import Annotated, Any
from urllib.parse import quote

import typer

from cli import showing
from cli.client import Client
from cli.operate import ACTOR, ROLE
from cli.places import Places
from cli.telling import FOUND, MISUSED, AsJson, emit, fail, out, speaking
from cli.versions import instant
from libs.web.auth import issue_token, make_signing_key, token_name
from services.audit.domain.access import TOLD

AUDITOR = "auditor:local"
Why = Annotated[str, typer.Option("--reason", help="Why; a code, kept on record.")]
Who = Annotated[str, typer.Argument(help="KIND:PSEUDONYM, e.g. agent:8812.")]

token = typer.Typer(
    invoke_without_command=True, no_args_is_help=True, help="Bearer tokens: issue, list, revoke."
)
access = typer.Typer(no_args_is_help=True, help="Everything about access and configuration.")
role = typer.Typer(no_args_is_help=True, help="Whose roles were changed, to which.")


def register(app: typer.Typer) -> None:
    """Adds these commands."""
    app.add_typer(token, name="token")
    app.add_typer(role, name="role")
    app.add_typer(access, name="access")


@contextmanager
def _asking(as_json: bool) -> Iterator[Client]:
    with speaking(as_json), Client(Places.here(), actor=ACTOR, roles=(ROLE,)) as client:
        yield client


# --- tokens --------------------------------------------------------------------------------------


@token.callback()
def issue(
    context: typer.Context,
    roles: Annotated[
        list[str] | None, typer.Option("--role", help="As `bihuan policy show access` lists them.")
    ] = None,
    actor: Annotated[str, typer.Option(help="KIND:PSEUDONYM, e.g. agent:8812.")] = "",
    team: Annotated[str | None, typer.Option(help="The caller's team.")] = None,
    hours: Annotated[int, typer.Option(min=1, max=8784, help="How long it is valid.")] = 8,
    as_json: AsJson = False,
) -> None:
    """Issue a bearer token, signed with this installation's own key, and put it on record.

    Needs a running system: what cannot be put on record is not handed out. With --json: {token,
    roles, actor}. Exit 1: no such role, or it was taken from this actor.
    """
    if context.invoked_subcommand is not None:
        return
    if not roles:
        fail("say which role: bihuan token --role auditor", code=MISUSED, as_json=as_json)
    whose = actor or f"{roles[0]}:local"
    try:
        issued = issue_token(
            make_signing_key(Places.here().keys),
            actor=whose,
            roles=roles,
            team=team,
            real_now_s=time.time(),
            lifetime_s=hours * 3600,
        )
    except ValueError as error:
        fail(str(error), code=MISUSED, as_json=as_json)
    with (
        speaking(as_json),
        Client(Places.here(), actor=whose, roles=tuple(roles), token=issued) as client,
    ):
        told = client.get("intake", "/token")
    without = sorted(set(roles) - set(told["roles"]))
    if without:
        fail(
            f"{whose} cannot use {', '.join(without)}: no such role, or it was taken away; "
            "see bihuan policy show access, bihuan role list",
            code=FOUND,
            as_json=as_json,
        )
    if as_json:
        emit({"token": issued, "roles": roles, "actor": whose})
    else:
        typer.echo(issued)


@token.command("list")
def token_list(
    who: Annotated[str | None, typer.Argument(help="Only of this pseudonym.")] = None,
    as_json: AsJson = False,
) -> None:
    """List the tokens on record: id, whose, roles, until when; never the tokens themselves.

    With --json: {tokens: [{token, who, roles, expires, revoked, digest}]}.
    """
    with _asking(as_json) as client:
        found = list(client.pages("intake", "/tokens", who=who, limit=200))
    if as_json:
        emit({"tokens": found})
        return
    table = showing.grid("Tokens 令牌", "token", "who", "roles", "until 有效至", "state")
    for one in found:
        state = "[red]revoked 已吊销[/red]" if one["revoked"] else ""
        table.add_row(
            one["token"],
            one["who"],
            ", ".join(one["roles"]),
            showing.moment(one["expires"]) if one["expires"] else "",
            state,
        )
    out.print(table)


@token.command("revoke")
def token_revoke(
    which: Annotated[
        str, typer.Argument(help="The token's id or its digest, as `token list` tells.")
    ],
    reason: Why,
    as_json: AsJson = False,
) -> None:
    """Let a token be good for nothing, in every service, within seconds. Exit 1: no such token."""
    with _asking(as_json) as client:
        path = f"/tokens/{quote(token_name(which), safe='')}/revoke"
        done = client.post("intake", path, {"reason": reason})
    _told(done, f"token {which} is revoked 已吊销", as_json)


# --- roles ---------------------------------------------------------------------------------------


@role.command("list")
def role_list(as_json: AsJson = False) -> None:
    """List whose roles were changed; of everybody else the token alone says which roles.

    What a role may do: bihuan policy show access. With --json: {roles: [{who, roles, changed_by,
    reason, since}]}.
    """
    with _asking(as_json) as client:
        found = list(client.pages("intake", "/roles", limit=200))
    if as_json:
        emit({"roles": found})
        return
    columns = ("who", "may use 可用角色", "by", "reason", "since")
    table = showing.grid("Roles 角色", *columns)
    for one in found:
        table.add_row(
            one["who"],
            ", ".join(one["roles"]) or "none 无",
            one["changed_by"],
            one["reason"],
            showing.moment(one["since"]),
        )
    out.print(table)


@role.command("set")
def role_set(
    who: Who,
    roles: Annotated[list[str], typer.Argument(help="The roles; no others may be used.")],
    reason: Why,
    as_json: AsJson = False,
) -> None:
    """Let somebody use these roles and no others, whatever more their tokens say.

    Exit 2: the table of roles and actions has no such role.
    """
    _change(who, roles, reason, as_json)


@role.command("revoke")
def role_revoke(who: Who, reason: Why, as_json: AsJson = False) -> None:
    """Take every role from somebody: none of their tokens opens anything any more."""
    _change(who, [], reason, as_json)


def _change(who: str, roles: list[str], reason: str, as_json: bool) -> None:
    with _asking(as_json) as client:
        done = client.post("intake", f"/roles/{quote(who)}", {"roles": roles, "reason": reason})
    _told(done, f"{who} may use 可用角色: {', '.join(roles) or 'none 无'}", as_json)


def _told(done: Any, what: str, as_json: bool) -> None:
    if as_json:
        emit(done)
        return
    known = "" if done["events"] else " (was so already 已是如此)"
    out.print(f"[green]✓[/green] {what}{known}")


# --- everything about access and configuration ---------------------------------------------------


@access.command("log")
def access_log(
    kind: Annotated[str | None, typer.Option(help=f"Only this kind: {', '.join(TOLD)}.")] = None,
    who: Annotated[str | None, typer.Option(help="Done by this pseudonym, or about it.")] = None,
    since: Annotated[
        str | None, typer.Option("--from", help="Recorded from this date or instant on.")
    ] = None,
    until: Annotated[
        str | None, typer.Option("--to", help="Recorded before this date (00:00) or instant.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="At most so many rows.")] = 1000,
    as_json: AsJson = False,
) -> None:
    """Tell who was given or refused what, and which rules changed, the oldest first.

    Policies, teams, tokens, roles, holds, exports, personal data opened, records settled, gaps gone
    over, rebuilds, purges. With --json: {items: [{id, source, subject, kind, type, time, actor, en,
    zh, data}], more}.
    """
    if kind is not None and kind not in TOLD:
        fail(f"no such kind: {kind}; there are {', '.join(TOLD)}", code=MISUSED, as_json=as_json)
    asked = {
        "kind": kind,
        "who": who,
        "since": since and instant(since, "--from", as_json),
        "until": until and instant(until, "--to", as_json),
        "limit": min(limit + 1, 200),
    }
    with speaking(as_json), Client(Places.here(), actor=AUDITOR, roles=("auditor",)) as client:
        found = list(islice(client.pages("audit", "/access", **asked), limit + 1))
    shown, more = found[:limit], len(found) > limit
    if as_json:
        emit({"items": shown, "more": more})
        return
    table = showing.grid("Access and configuration 访问与配置", "time", "service", "by", "what")
    for one in shown:
        service = one["source"].rpartition("/")[2]
        table.add_row(
            showing.moment(one["time"]), service, one["actor"], f"{one['zh']}\n{one['en']}"
        )
    out.print(table)
    if more:
        out.print(f"… more than {limit}; narrow it with --from, --to, --who or --kind")
