"""The figures of reports counted a second time, from the raw JSON of the log.

Shares nothing with what it checks: no contract, no fold, no sheet; slow, and simple to read.
"""

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

Json = Mapping[str, Any]

CHINA_AHEAD = timedelta(hours=8)


def events_of(values: Iterable[bytes]) -> list[Json]:
    """Every event once, stream by stream."""
    found = {}
    for value in values:
        event = json.loads(value)
        found[event["source"], event["subject"], int(event["sequence"])] = event
    return [found[key] for key in sorted(found)]


def instant(text: str) -> datetime:
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=UTC)


def china_day(moment: datetime) -> date:
    return (moment + CHINA_AHEAD).date()


def happened(event: Json) -> datetime:
    return instant(event.get("occurredat") or event["time"])


def promises(events: Sequence[Json], first: date, last: date) -> dict[tuple[Any, ...], list[Any]]:
    """(month, clock, policy, history) -> [met, breached, cancelled, promised, kept]."""
    clocks: dict[tuple[Any, ...], dict[str, Any]] = {}
    promised = {}
    for event in events:
        if event["source"] != "/bihuan/sla_watch":
            continue
        data, kind = event["data"], event["type"]
        if kind == "policy.activated.v1" and data["name"] == "clocks":
            for one in data["content"]["clocks"]:
                promised[data["content"]["version"], one["code"]] = one.get("promised")
        named = data.get("clocks", [data] if "clock" in data else [])
        for one in named:
            key = (event["subject"], one["clock"], one["instance"], one["started_in"])
            if kind == "clocks.started.v1":
                imported = data["cause"] == "imported"
                clocks[key] = {"policy": one["policy"]["version"], "history": imported}
                clocks[key]["state"] = "running"
            clock = clocks[key]
            if "due" in one or "due_at" in one:
                clock["due"] = one.get("due_at") or one.get("due")
            verdicts = {
                "clock.met.v1": "met",
                "clock.breached.v1": "breached",
                "clocks.cancelled.v1": "cancelled",
                "clock.corrected.v1": one.get("now"),
            }
            clock["state"] = verdicts.get(kind, clock["state"])
    table: dict[tuple[Any, ...], list[Any]] = {}
    for (_, code, _, _), clock in clocks.items():
        if clock["state"] == "running" or clock["due"] is None:
            continue
        day = china_day(instant(clock["due"]) - timedelta(microseconds=1))
        if not first <= day <= last:
            continue
        key = (f"{day.year}-{day.month:02}", code, clock["policy"], clock["history"])
        row = table.setdefault(key, [0, 0, 0, promised[clock["policy"], code], None])
        row[("met", "breached", "cancelled").index(clock["state"])] += 1
    for row in table.values():
        met, of = row[0], row[0] + row[1]
        if row[3] is not None and of:
            share, whole = map(int, row[3].split("/"))
            row[4] = met * whole >= share * of
    return table


def volume(events: Sequence[Json], first: date, last: date, by: str) -> dict[Any, Counter[str]]:
    """Category, province or channel -> how much was told in the period, of which kind …"""
    told: dict[str, dict[str, Any]] = {}
    for event in events:
        if event["source"] != "/bihuan/intake":
            continue
        data, kind, subject = event["data"], event["type"], event["subject"]
        if kind == "complaint.registered.v1":
            one = data["registration"]
            told[subject] = {
                "profile": one["profile"],
                "day": china_day(instant(one["clock_from"])),
                "history": one.get("history") is not None,
                "contacts": set(),
                "cycle": 1,
                "closed": False,
                "merged": False,
            }
        if subject not in told:
            continue
        complaint = told[subject]
        if kind == "complaint.contact_linked.v1":
            if data["contact"]["kind"] not in ("survey_reply", "delivery_report", "partner_report"):
                complaint["contacts"].add(data["contact"]["id"])
        elif kind == "complaint.contact_unlinked.v1":
            complaint["contacts"].discard(data["contact"]["id"])
        elif kind == "complaint.reclassified.v1":
            complaint["profile"] = data["profile"]
        elif kind in ("complaint.merged.v1", "complaint.unmerged.v1"):
            complaint["merged"] = kind == "complaint.merged.v1"
        elif kind == "complaint.closed.v1":
            complaint["closed"] = True
        elif kind == "complaint.reopened.v1":
            complaint["closed"], complaint["cycle"] = False, data["cycle"]
    table: dict[Any, Counter[str]] = {}
    for complaint in told.values():
        if complaint["merged"] or not first <= complaint["day"] <= last:
            continue
        profile = complaint["profile"]
        place = profile.get("visited_province") or profile.get("home_province")
        key = {"province": place, "all": None}.get(by, profile.get(by))
        row = table.setdefault(key, Counter())
        kinds = {"complaint": "complaints", "suggestion": "suggestions"}
        row["told"] += 1
        row[kinds.get(profile["kind"], profile["kind"] + "s")] += 1
        row["contacts"] += len(complaint["contacts"])
        row["reopened"] += complaint["cycle"] > 1
        row["closed"] += complaint["closed"]
        row["history"] += complaint["history"]
    return table
