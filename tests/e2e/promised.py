"""What became of each promise, read from a bundle's events as its HOWTO.txt tells an auditor to.

Shares nothing with the verifier, whose PROMISES are held against it.
"""

import json
import re
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

Ref = tuple[str, str, str, int]
"""Complaint, promise, which of several of it (or empty), the cycle in which it began."""
Told = tuple[str | None, str | None, str]
"""From, due, what became of it."""

LINE = re.compile(
    r"(?P<complaint>[0-9a-f-]{36})  (?P<clock>[a-z_.0-9]+)  (?:(?P<instance>\S+)  )?"
    r"\((?P<cycle>\d+)\)  (?P<since>\S+)  (?P<due>\S+|not known yet): (?P<became>\S.*)"
)


def promises_told(out: str) -> dict[Ref, Told]:
    """The verifier's PROMISES, line by line; every character of them is read."""
    found: dict[Ref, Told] = {}
    for line in out.split("\nPROMISES: ")[1].partition("\n\n")[0].splitlines()[1:]:
        read = LINE.fullmatch(line)
        assert read is not None, line
        ref = (read["complaint"], read["clock"], read["instance"] or "", int(read["cycle"]))
        assert ref not in found, line
        due = None if read["due"] == "not known yet" else read["due"]
        found[ref] = (read["since"], due, read["became"])
    return found


def promises_read(events: Iterable[dict[str, Any]]) -> dict[Ref, Told]:
    """The same from the events: the last that speaks of a promise decides what became of it."""
    heard: dict[Ref, list[tuple[dict[str, Any], dict[str, Any]]]] = {}
    for event in events:
        if event["source"] != "/bihuan/sla_watch":
            continue
        data = event["data"]
        for one in [data] if "clock" in data else data.get("clocks", ()):
            ref = (event["subject"], one["clock"], one["instance"], one["started_in"])
            heard.setdefault(ref, []).append((event, one))
    return {ref: _became(of_it) for ref, of_it in heard.items()}


def _became(of_it: list[tuple[dict[str, Any], dict[str, Any]]]) -> Told:
    since, due, became = None, None, ""
    for event, one in of_it:
        data, kind = event["data"], event["type"]
        if kind == "clocks.started.v1":
            since, due, became = one["clock_from"], one["due"], "running"
        elif kind == "clocks.rescheduled.v1":
            due, became = one["due"], f"rescheduled since {data['since']} ({data['reason']})"
        elif kind == "clocks.paused.v1":
            became = f"paused since {data['since']} ({data['reason']})"
        elif kind == "clocks.cancelled.v1":
            became = f"cancelled since {data['since']} ({data['reason']})"
        elif kind == "clock.met.v1":
            due, became = data["due"], f"KEPT at {data['at']}"
        elif kind == "clock.breached.v1":
            due, became = data["due_at"], "BROKEN"
        elif kind == "clock.corrected.v1":
            kept = {"met": f"KEPT at {data['at']}", "breached": "BROKEN"}
            now = kept.get(data["now"], data["now"])
            due = data["due"]
            became = f"{now} (corrected at {event['time']}: it was {data['was']})"
        else:
            assert kind == "clock.warned.v1", kind
    return since, due, became


def whether_each_was_kept(out: str, held: Iterable[bytes]) -> dict[Ref, Told]:
    """Every promise of these lines is told by the verifier as they say it, and no other is."""
    read = promises_read(json.loads(line) for line in held)
    assert read
    told = list(promises_told(out).items())
    assert told == sorted(read.items()), set(told) ^ set(read.items())
    return read


def kept_in_shanghai(read: dict[Ref, Told]) -> dict[tuple[str, int], tuple[str, ...]]:
    """Of each promise that was kept: from when it counted, its due time, and when it was kept."""
    return {
        (clock, cycle): tuple(_shanghai(one) for one in (since, due, became[8:]) if one)
        for (_, clock, _, cycle), (since, due, became) in read.items()
        if became.startswith("KEPT at ")
    }


def _shanghai(instant: str) -> str:
    return f"{datetime.fromisoformat(instant) + timedelta(hours=8):%Y-%m-%d %H:%M:%S}"
