"""`bihuan what-if`: verdicts that another clock table or calendar would change; nothing is done."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

import typer

from cli import showing_state, sources
from cli.state import asking, identity
from cli.telling import FOUND, MISUSED, AsJson, emit, err, fail, out
from libs.decider import DomainError, Recorded
from libs.decider.plain import plain
from libs.eventlog.policies import active_from
from libs.eventlog.policy_files import read_policy_file
from libs.timekeeping.instants import NoInstant, read_instant
from replay.what_if import CLOCKS, SOURCE, WORKING_DAYS, Answer, candidate, policies_of, what_if

LIMIT = 200


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command("what-if")(what_if_command)


def what_if_command(
    which: Annotated[
        str | None, typer.Argument(help="Only this complaint: its id, or its receipt number.")
    ] = None,
    policy: Annotated[Path | None, typer.Option(help="A clock table to try (YAML).")] = None,
    calendar: Annotated[Path | None, typer.Option(help="Working days to try (YAML).")] = None,
    registered_from: Annotated[
        str | None, typer.Option("--from", help="Registered at or after this instant.")
    ] = None,
    registered_to: Annotated[
        str | None, typer.Option("--to", help="Registered before this instant.")
    ] = None,
    log: Annotated[
        str | None,
        typer.Option(
            help="Read this instead of asking audit: a file of events, one a line; - ; or kafka."
        ),
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="Show at most so many clocks.")] = LIMIT,
    as_json: AsJson = False,
) -> None:
    """Say which verdicts would differ had this clock table or calendar always counted.

    The facts stay as they are; sla_watch's rules decide again in memory. Nothing is written, sent
    or timed. With --json: {complaints, clocks, unlike_record, tallies, differs: [{complaint, clock,
    instance, cycle, change, was, would_be}], more}. Exit 1: it could not be tried, or the record
    itself cannot be trusted (unlike_record is not 0).
    """
    contents = _contents({CLOCKS: policy, WORKING_DAYS: calendar}, as_json)
    try:
        begin, end = _instant(registered_from), _instant(registered_to)
    except NoInstant as error:
        fail(f"--from or --to: {error}", code=MISUSED, as_json=as_json)
    if which is not None and (begin or end):
        fail("either one complaint, or --from and --to", code=MISUSED, as_json=as_json)
    if log is None:
        told = _asked(contents, which, begin, end, as_json)
    else:
        told = _folded(contents, which, begin, end, log, as_json)
    more = len(told["differs"]) > limit
    told = {**told, "differs": told["differs"][:limit], "more": more}
    if as_json:
        emit(told)
    else:
        out.print(showing_state.what_if(told))
        if more:
            err.print(f"[dim]more follow: --limit is {limit}[/dim]")
    if told["unlike_record"]:
        raise typer.Exit(FOUND)


def _instant(text: str | None) -> datetime | None:
    return None if text is None else read_instant(text)


def _contents(files: Mapping[str, Path | None], as_json: bool) -> list[dict[str, Any]]:
    contents = []
    for name, path in files.items():
        if path is None:
            continue
        try:
            read = read_policy_file(path)
        except OSError as error:
            fail(f"{path}: {error.strerror}", code=MISUSED, as_json=as_json)
        if read.faults:
            fault = read.faults[0]
            fail(f"{path}:{read.line(fault.where)}: {fault.problem}", code=MISUSED, as_json=as_json)
        if read.content.get("name") != name:
            fail(
                f"{path} is the policy {read.content.get('name')!r}, not {name!r}; verdicts follow "
                f"from a clock table (--policy) and working days (--calendar) only",
                code=MISUSED,
                as_json=as_json,
            )
        contents.append(dict(read.content))
    if not contents:
        fail("say what to try: --policy FILE or --calendar FILE", code=MISUSED, as_json=as_json)
    return contents


def _asked(
    contents: Sequence[Any],
    which: str | None,
    begin: datetime | None,
    end: datetime | None,
    as_json: bool,
) -> dict[str, Any]:
    answer: dict[str, Any] = {
        "complaints": 0,
        "clocks": 0,
        "unlike_record": 0,
        "tallies": {},
        "differs": [],
    }
    with asking(as_json) as client:
        asked: dict[str, Any] = {"contents": contents}
        if which is not None:
            asked["complaint"] = identity(client, which)
        asked |= {
            name: at.isoformat()
            for name, at in (("registered_from", begin), ("registered_to", end))
            if at is not None
        }
        while True:
            page = client.post("audit", "/what-if", asked)
            for name in ("complaints", "clocks", "unlike_record", "differs"):
                answer[name] += page[name]
            for code, tally in page["tallies"].items():
                known = answer["tallies"].setdefault(code, dict.fromkeys(tally, 0))
                for name, number in tally.items():
                    known[name] += number
            if page["next"] is None:
                return answer
            asked["after"] = page["next"]


def _folded(
    contents: Sequence[Any],
    which: str | None,
    begin: datetime | None,
    end: datetime | None,
    log: str,
    as_json: bool,
) -> Any:
    try:
        wanted = None if which is None else str(UUID(which))
    except ValueError:
        fail("with --log a complaint is named by its id", code=MISUSED, as_json=as_json)
    now, answer = datetime.now(UTC), Answer()
    try:
        candidates = [candidate(content) for content in contents]
        stories, activated = _read(log)
        policies = policies_of((one, active_from(one)) for one in activated)
        for subject, events in _chosen(stories, wanted, begin, end):
            answer.add(what_if(events, policies, candidates, max(now, events[-1].time)))
            assert events[0].subject == subject
    except (sources.NoSource, DomainError) as error:
        fail(str(error), as_json=as_json)
    if wanted is not None and not answer.complaints:
        fail(f"nothing of {wanted} is there", as_json=as_json)
    return plain(asdict(answer))


def _read(log: str) -> tuple[dict[str, list[Recorded[Any]]], list[Recorded[Any]]]:
    """Every complaint's events, and sla_watch's policies in the order of their activation."""
    stories: dict[str, list[Recorded[Any]]] = {}
    activated = []
    for one in sources.events(log):
        if one.type.startswith("policy.activated."):
            if one.source == SOURCE:
                activated.append(one)
        else:
            stories.setdefault(one.subject, []).append(one)
    return stories, sorted(activated, key=lambda one: (one.time, one.subject, one.sequence))


def _chosen(
    stories: Mapping[str, list[Recorded[Any]]],
    wanted: str | None,
    begin: datetime | None,
    end: datetime | None,
) -> Iterator[tuple[str, list[Recorded[Any]]]]:
    for subject, events in sorted(stories.items()):
        first = events[0]
        if not first.type.startswith("complaint.registered."):
            continue
        late = (begin and first.at < begin) or (end and first.at >= end)
        if wanted in (None, subject) and not late:
            yield subject, events
