"""`bihuan policy activate`, `list`, `show`, `touched` and `bihuan calendar`: a policy's life.

All of it goes through the services' HTTP, so that it is decided and recorded where the rules are.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml
from rich.console import Group, RenderableType
from rich.markup import escape
from rich.text import Text

from cli import showing
from cli.client import Refused
from cli.policy import asking, owner, policy, read_sound, say
from cli.policy_check import Found, owners
from cli.telling import FOUND, MISUSED, AsJson, emit, err, fail, out
from libs.decider.decider import wire_instant
from libs.eventlog.policy_files import PolicyFile, seed_instant

calendar = typer.Typer(no_args_is_help=True, help="Working days, holidays, moved holidays.")

Name = Annotated[str, typer.Argument(help="The policy's name, as `policy list` shows it.")]
At = Annotated[
    str | None, typer.Option("--at", help="As of this date (00:00 in Shanghai) or instant.")
]
NOW = "now"
STATES = {"past": "past 已失效", "in_force": "in force 生效中", "coming": "coming 待生效"}


def register(app: typer.Typer) -> None:
    """Adds `policy`, whose other commands are of `cli.policy`, and `calendar`."""
    app.add_typer(policy, name="policy")
    app.add_typer(calendar, name="calendar")


# --- into force ----------------------------------------------------------------------------------


@policy.command("activate")
def policy_activate(
    path: Annotated[Path, typer.Argument(help="A policy file (YAML).", metavar="FILE")],
    since: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="DATE",
            help="From when it counts: a date (00:00 in Shanghai), an instant, or `now`; "
            "left out: the file's own effective_from.",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Bring a version into force in the running system, on record with who, when and what.

    Refused, with file, line and what to do, when `check` finds a fault, when it promises less than
    the law, when its version is on record with other content, when another version counts from
    that instant, or when it would count from the past; the old version then stays in force. The
    same file again does nothing. With --json: {policy, service, version, sha256, activated,
    active_from, state}. Exit 1: refused.
    """
    body: dict[str, Any] = {}
    if since == NOW:
        body["at_once"] = True
        begins: str | None = datetime.now(UTC).isoformat()
    else:
        begins = since and instant(since, "--from", as_json)
        body["effective_from"] = begins
    file = read_sound(path, as_json, begins)
    body["text"] = path.read_text(encoding="utf-8")
    name, version = str(file.content["name"]), str(file.content["version"])
    service = owner(name, as_json)
    with asking(as_json) as client:
        try:
            done = client.post(service, f"/policies/{name}", body)
        except Refused as error:
            if error.status != 422:
                raise
            _refused(file, error, as_json)
        told = client.get(service, f"/policies/{name}", version=version)
    shown = {
        "policy": name,
        "service": service,
        "activated": bool(done["events"]),
        **{key: told[key] for key in ("version", "sha256", "active_from", "state")},
    }
    if as_json:
        emit(shown)
        return
    known = "" if done["events"] else " (was on record already 已有记录)"
    out.print(
        f"[green]✓[/green] {name} {version} counts from 生效时间 "
        f"{showing.moment(told['active_from'])}{known}, sha256 {told['sha256'][:12]}…"
    )


def _refused(file: PolicyFile, error: Refused, as_json: bool) -> None:
    """What the service said no to, at its lines of the file; ends the command."""
    faults = [
        Found(str(file.path), _line(one["where"]), str(one["what"]), str(one["do"]))
        for one in error.problem.get("errors", ())
    ]
    rule, zh = error.problem.get("rule"), error.problem.get("zh")
    if as_json:
        told = [
            {"file": one.file, "line": one.line, "kind": one.kind, "problem": one.problem}
            for one in faults
        ]
        emit({"error": str(error), "rule": rule, "zh": zh, "faults": told})
    for one in faults:
        say(err, escape(str(one)))
    err.print(f"[red]✗[/red] {rule}: {zh}" if faults else f"[red]✗[/red] {error} ({zh})")
    raise typer.Exit(FOUND)


def _line(where: str) -> int:
    found = re.match(r"line (\d+)", where)
    return int(found[1]) if found else 1


# --- what counted when ---------------------------------------------------------------------------


@policy.command("list")
def policy_list(
    name: Annotated[str | None, typer.Argument(help="Only this policy.")] = None,
    at: At = None,
    as_json: AsJson = False,
) -> None:
    """List every version on record: who brought it, when, from when it counts, its digest.

    With --json: {versions: [{name, version, sha256, effective_from, active_from, activated_at,
    activated_by, seed, state, service}]}.
    """
    asked = {"name": name, "at": at and instant(at, "--at", as_json)}
    services = sorted({one.name for one in owners().values()})
    if name is not None:
        services = [owner(name, as_json)]
    with asking(as_json) as client:
        found = [
            {**version, "service": service}
            for service in services
            for version in client.get(service, "/policies", **asked)["versions"]
        ]
    if as_json:
        emit({"versions": found})
        return
    out.print(listed(found))


def listed(versions: Sequence[Mapping[str, Any]]) -> RenderableType:
    """Versions on record, as `GET /policies` tells them."""
    table = showing.grid(
        "Policies 规则", "policy, version", "state, sha256", "counts from 生效", "by, when 由谁何时"
    )
    table.padding = (0, 1, 0, 0)  # so that 80 columns hold two instants and a service's name
    for one in versions:
        table.add_row(
            f"{one['name']}\n{one['version']}",
            f"{STATES[one['state']]}\n{one['sha256'][:12]}",
            showing.moment(one["active_from"]),
            f"{one['activated_by']}\n{showing.moment(one['activated_at'])}",
        )
    return table


@policy.command("show")
def policy_show(
    name: Name,
    at: At = None,
    version: Annotated[str | None, typer.Option(help="This very version instead.")] = None,
    as_json: AsJson = False,
) -> None:
    """Show what a policy said at an instant, whole, as YAML; without --at: what it says now.

    With --json: the version on record, and its content. Exit 1: nothing was in force then.
    """
    with asking(as_json) as client:
        told = client.get(
            owner(name, as_json),
            f"/policies/{name}",
            at=at and instant(at, "--at", as_json),
            version=version,
        )
    if as_json:
        emit(told)
        return
    head = (
        f"# {told['name']} {told['version']}, {told['state']}, counts from "
        f"{showing.moment(told['active_from'])}\n# by {told['activated_by']}, "
        f"{showing.moment(told['activated_at'])}\n# sha256 {told['sha256']}\n"
    )
    said = yaml.safe_dump(told["content"], allow_unicode=True, sort_keys=False, width=100)
    typer.echo(head + said, nl=False)


@policy.command("touched")
def policy_touched(
    name: Annotated[str, typer.Argument(help="clocks or working-days.")],
    version: Annotated[str, typer.Argument(help="The version, as `policy list` shows it.")],
    clocks: Annotated[
        bool, typer.Option("--clocks", help="Each clock, not only how many.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Show which verdicts a version touched: the clocks that started by it, and no others.

    A clock keeps the version it began with (counting convention 11). With --json: {policy, version,
    active_from, rows: [{clock, started, met, breached, cancelled, open, started_before, first_from,
    last_from}], versions: [{version, started, open}]}, and with --clocks: {clocks: [...]}.
    """
    if name not in ("clocks", "working-days"):
        fail(
            f"no verdict rests on {name!r}: name clocks or working-days",
            code=MISUSED,
            as_json=as_json,
        )
    path = f"/touched/{name}/{version}"
    with asking(as_json) as client:
        told = client.get("sla_watch", path)
        each = list(client.pages("sla_watch", f"{path}/clocks")) if clocks else None
    if as_json:
        emit(told if each is None else {**told, "clocks": each})
        return
    out.print(touched(told))
    if each is not None:
        out.print(each_clock(each))


COUNTED = {
    "started": "started\n起算",
    "met": "met\n达标",
    "breached": "breached\n超时",
    "cancelled": "cancelled\n取消",
    "open": "open\n进行中",
}
"""What `touched` counts, and how its columns are headed."""


def touched(told: Mapping[str, Any]) -> RenderableType:
    """Which clocks started by a version, as `GET /touched/{policy}/{version}` tells them."""
    title = f"{told['policy']} {told['version']}, from 生效 {showing.moment(told['active_from'])}"
    heads = tuple(COUNTED.values())
    table = showing.grid(title, "clock 时限\nfirst and last start 起算自", *heads, right=heads)
    table.padding = (0, 0)  # so that 80 columns hold a code, two instants and five numbers
    for one in told["rows"]:
        first, last = (showing.moment(one[end])[:-3] for end in ("first_from", "last_from"))
        table.add_row(
            f"{one['clock']}\n{first} … {last}", *(str(one[number]) for number in COUNTED)
        )
    others = [
        f"version {one['version']}: {one['started']} clocks, {one['open']} open"
        for one in told["versions"]
        if one["version"] != told["version"]
    ]
    before = sum(one["started_before"] for one in told["rows"])
    kept = "; ".join(others) or "none"
    return Group(
        table if told["rows"] else Text(f"{title}: touched no verdict 未影响任何判定"),
        Text(f"started before it counted 生效前开始: {before}"),
        Text(f"keep another version 沿用其他版本: {kept}"),
    )


def each_clock(clocks: list[dict[str, Any]]) -> RenderableType:
    """The same, clock by clock."""
    table = showing.grid(
        "", "complaint 投诉, clock 时限", "cycle\n轮次", "from 起算\ndue 到期", "state"
    )
    for one in clocks:
        table.add_row(
            f"{one['complaint']}\n{one['clock']}",
            str(one["cycle"]),
            f"{showing.moment(one['clock_from'])}\n{showing.moment(one['due_at'])}",
            one["state"],
        )
    return table


# --- the calendar --------------------------------------------------------------------------------


@calendar.command("show")
def calendar_show(
    year: Annotated[int, typer.Argument(min=2004, max=2200)],
    at: At = None,
    version: Annotated[str | None, typer.Option(help="This very version instead.")] = None,
    as_json: AsJson = False,
) -> None:
    """Show a year: working days a month, holidays by name, Saturdays and Sundays that are worked.

    Versions of the calendar are the policy working-days: see `policy activate`, `list`, `show`.
    With --json: {year, version, reaches, working_days, months: [{month, working_days, holidays:
    [{first, last, days, zh, en}], worked}]}. Exit 1: the calendar does not know that year.
    """
    with asking(as_json) as client:
        told = client.get(
            "sla_watch",
            "/calendar",
            year=year,
            at=at and instant(at, "--at", as_json),
            version=version,
        )
    if as_json:
        emit(told)
    else:
        out.print(_year(told))


def _year(told: Mapping[str, Any]) -> RenderableType:
    days = told["working_days"]
    table = showing.grid(
        f"{told['year']}  working-days {told['version']}",
        *("month\n月", "working days\n工作日", "holidays 节假日", "worked 调休上班"),
        right=("month\n月", "working days\n工作日"),
    )
    for one in told["months"]:
        table.add_row(
            str(one["month"]),
            "?" if one["working_days"] is None else str(one["working_days"]),
            "\n".join(
                f"{off['first'][5:]} … {off['last'][5:]}  {off['zh']} {off['en']}"
                for off in one["holidays"]
            ),
            "  ".join(day[5:] for day in one["worked"]),
        )
    end = f"the calendar reaches 日历截至 {told['reaches']}"
    return Group(table, Text(f"working days 工作日: {'?' if days is None else days}; {end}"))


# --- asking --------------------------------------------------------------------------------------


def instant(said: str, option: str, as_json: bool) -> str:
    """A date (00:00 in Shanghai) or an instant, as the wire has it; else the command ends."""
    try:
        return wire_instant(seed_instant(said))
    except ValueError:
        fail(
            f"{option} {said!r} is no instant: write 2026-12-07 or 2026-12-07T09:00:00+08:00",
            code=MISUSED,
            as_json=as_json,
        )
