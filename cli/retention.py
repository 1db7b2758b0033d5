"""`bihuan retention`: what is past its time goes, when two people say so; the rest stays.

On a machine with the installation's signing key whoever may read it can be anybody; the two people
are told apart by their tokens (BIHUAN_TOKEN).
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any

import typer

from cli import showing
from cli.client import Client
from cli.places import Places
from cli.telling import AsJson, emit, out, speaking

retention = typer.Typer(
    no_args_is_help=True,
    help="What is past its retention: plan (a dry run), propose, approve by another person.",
)


class Role(StrEnum):
    """As whom, where no BIHUAN_TOKEN says so."""

    AUDITOR = "auditor"
    PRIVACY = "privacy"


Cohort = Annotated[str, typer.Argument(help="The month of registration, e.g. 2025-08.")]
Ground = Annotated[str, typer.Option("--ground", help="Why; a code, kept on record.")]
As = Annotated[Role, typer.Option("--as", help="As whom, where BIHUAN_TOKEN does not say.")]


def register(app: typer.Typer) -> None:
    """Adds these commands."""
    app.add_typer(retention, name="retention")


@contextmanager
def _asking(role: Role, as_json: bool) -> Iterator[Client]:
    actor = f"{role.value}:local"
    with speaking(as_json), Client(Places.here(), actor=actor, roles=(role.value,)) as client:
        yield client


@retention.command("plan")
def plan(
    cohort: Annotated[
        str | None, typer.Option("--cohort", help="One month of registration, e.g. 2025-08.")
    ] = None,
    at: Annotated[
        datetime | None,
        typer.Option(
            "--at",
            formats=["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S%z"],
            help="As of then; a date is 00:00 in Shanghai. Default: now.",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Say what would go and what stays and why; nothing is done.

    Part of what the clock says may not count, for it leapt: then the plan is as of that much
    earlier, and says so.

    With --json: {months: [{cohort, complaints, streams, events, kept, reasons}]}, or of one month
    {cohort, at, policy, digest, complaints, streams, events, kept, items: [{complaint, goes,
    reasons, holds, due}]}; of both unvouched_seconds.
    """
    query = {"at": _instant(at) if at else None, "limit": 200}
    with _asking(Role.AUDITOR, as_json) as client:
        unvouched_s = int(client.get("audit", "/retention/time")["unvouched_seconds"])
        if cohort is None:
            months = list(client.pages("audit", "/retention/plans", **query))
            _months(months, unvouched_s, as_json)
            return
        told = client.get("audit", f"/retention/plans/{cohort}", **query)
        items, following = list(told["items"]), told["next"]
        while following:
            page = client.get("audit", following)
            items, following = items + page["items"], page["next"]
    del told["next"]
    _plan({**told, "items": items}, unvouched_s, as_json)


@retention.command("propose")
def propose(
    cohort: Cohort, ground: Ground, role: As = Role.AUDITOR, as_json: AsJson = False
) -> None:
    """Propose that what may go of a month goes. Exit 1: nothing may, or it is proposed already."""
    with _asking(role, as_json) as client:
        done = client.post("audit", "/retention/purges", {"cohort": cohort, "ground": ground})
        (last,) = [one for one in _purges(client) if one["cohort"] == cohort][-1:]
    if as_json:
        emit({**done, "plan": last["plan"]})
        return
    out.print(f"[green]✓[/green] proposed 已提议: {last['complaints']} complaint(s) of {cohort}")
    out.print(f"another person approves 由另一人批准: bihuan retention approve {cohort} --plan")
    out.print(last["plan"])


@retention.command("approve")
def approve(
    cohort: Cohort,
    plan: Annotated[str, typer.Option("--plan", help="The digest of the plan, whole.")],
    role: As = Role.PRIVACY,
    as_json: AsJson = False,
) -> None:
    """Approve exactly this plan, which another person proposed.

    Every service then stops adding to what it names, and says so; what was taken up again by then
    stays, the rest goes. `retention list` says how far it is; until it is *under way* it can be
    withdrawn, after that it cannot be taken back. A month that lies in a file is brought back for
    it and written again afterwards, by itself.

    Exit 1: it changed meanwhile (a hold, a reopening), or nothing is proposed.
    """
    with _asking(role, as_json) as client:
        done = client.post("audit", f"/retention/purges/{cohort}/approve", {"plan": plan})
    if as_json:
        emit(done)
    else:
        out.print("[green]✓[/green] approved 已批准; how far it is 进度: bihuan retention list")


@retention.command("withdraw")
def withdraw(
    cohort: Cohort, ground: Ground, role: As = Role.AUDITOR, as_json: AsJson = False
) -> None:
    """Withdraw what is proposed or approved for a month and not under way. Exit 1: nothing is."""
    with _asking(role, as_json) as client:
        done = client.post("audit", f"/retention/purges/{cohort}/withdraw", {"ground": ground})
    if as_json:
        emit(done)
    else:
        out.print(f"[green]✓[/green] withdrawn 已撤回: {cohort}")


@retention.command("list")
def list_(as_json: AsJson = False) -> None:
    """List proposals and purges, by month: how far each is, and which services it waits for.

    With --json: {purges: [{cohort, stage, plan, ground, complaints, streams, events, kept,
    proposed_by, proposed_at, settled_by, settled_at, tombstone, parts, done, waits_for,
    taken_up}]}.
    """
    with _asking(Role.AUDITOR, as_json) as client:
        found = _purges(client)
    if as_json:
        emit({"purges": found})
        return
    shown = showing.grid(
        "Purges 期满清除",
        *("month 月份", "stage 状态", "complaints 投诉", "events 事件", "proposed by 提议人"),
        *("settled by 处理人", "when 时间", "plan 计划"),
        right=("complaints 投诉", "events 事件"),
    )
    for one in found:
        when = showing.moment(one["settled_at"] or one["proposed_at"])
        shown.add_row(
            one["cohort"],
            _stage(one),
            str(one["complaints"]),
            str(one["events"]),
            one["proposed_by"],
            one["settled_by"] or "-",
            when,
            one["plan"][:12],
        )
    out.print(shown)


def _stage(one: Mapping[str, Any]) -> str:
    told = [_STAGES[one["stage"]]]
    if one["waits_for"]:
        told.append("waits for 等待 " + ", ".join(_service(name) for name in one["waits_for"]))
    if one["taken_up"]:
        told.append(f"{len(one['taken_up'])} taken up again, stay 重新处理、留存")
    return "; ".join(told)


def _service(source: str) -> str:
    return source.rpartition("/")[2]


_STAGES = {
    "proposed": "proposed 待批准",
    "withdrawn": "withdrawn 已撤回",
    "approved": "approved 已批准",
    "under_way": "under way 清除中",
    "purged": "purged 已清除",
}


def _purges(client: Client) -> list[Any]:
    return list(client.pages("audit", "/retention/purges", limit=200))


def _months(months: list[Any], unvouched_s: int, as_json: bool) -> None:
    if as_json:
        emit({"months": months, "unvouched_seconds": unvouched_s})
        return
    names = ("month 月份", "go 清除", "events 事件", "stay 留存", "why 原因")
    shown = showing.grid("Retention, by month of registration 按受理月份", *names, right=names[1:4])
    for one in months:
        why = ", ".join(f"{reason} {count}" for reason, count in sorted(one["reasons"].items()))
        numbers = (str(one[name]) for name in ("complaints", "events", "kept"))
        shown.add_row(one["cohort"], *numbers, why or "-")
    out.print(shown)
    _unvouched(unvouched_s)


def _unvouched(seconds: int) -> None:
    """Says how much of the clock does not count, where that is a day or more."""
    days = seconds // 86_400
    if days:
        out.print(
            f"[yellow]{days} days of what the clock says are not vouched for and do not count: "
            f"is the clock right?[/yellow] 时钟有{days}天不计入保存期,请核对时钟"
        )


def _plan(told: Mapping[str, Any], unvouched_s: int, as_json: bool) -> None:
    if as_json:
        emit({**told, "unvouched_seconds": unvouched_s})
        return
    shown = showing.grid(
        f"Retention of 留存 {told['cohort']} at {showing.moment(told['at'])}",
        *("complaint 投诉", "goes 清除", "from 可清除时间", "why it stays 留存原因"),
    )
    for one in told["items"]:
        why = "; ".join(f"{reason['en']} {reason['zh']}" for reason in one["reasons"])
        holds = f" ({', '.join(one['holds'])})" if one["holds"] else ""
        due = showing.moment(one["due"]) if one["due"] else "-"
        goes = "[yellow]goes 清除[/yellow]" if one["goes"] else "stays 留存"
        shown.add_row(one["complaint"], goes, due, why + holds)
    out.print(shown)
    out.print(
        f"{told['complaints']} go 清除, {told['kept']} stay 留存; {told['streams']} streams, "
        f"{told['events']} events; policy {told['policy']}"
    )
    if told["complaints"]:
        out.print(f"plan 计划 {told['digest']}")
    _unvouched(unvouched_s)


def _instant(moment: datetime) -> str:
    return (moment if moment.tzinfo else moment.replace(tzinfo=showing.SHANGHAI)).isoformat()
