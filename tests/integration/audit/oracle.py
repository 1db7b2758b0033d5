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


def complaints(events: Sequence[Json], first: date, last: date) -> dict[str, dict[str, Any]]:
    """Complaints (not suggestions, not merged) first told in the period, with what intake told."""
    found: dict[str, dict[str, Any]] = {}
    for event in events:
        data, kind, subject = event["data"], event["type"], event["subject"]
        if kind == "complaint.registered.v1":
            told = data["registration"]
            found[subject] = {
                "receipt": told["correspondent"]["receipt"],
                "urges": 0,
                "merged": False,
                "person": told["correspondent"]["person"],
                "told": instant(told["clock_from"]),
                "profile": told["profile"],
                "cycle": 1,
                "outcome": None,
            }
        elif event["source"] == "/bihuan/intake" and subject in found:
            one = found[subject]
            one["urges"] = data.get("urge_no", one["urges"])
            one["profile"] = data.get("profile") or one["profile"]
            one["merged"] = {"complaint.merged.v1": True, "complaint.unmerged.v1": False}.get(
                kind, one["merged"]
            )
            if kind == "complaint.closed.v1":
                one["outcome"] = data["outcome"]
            if kind == "complaint.reopened.v1":
                one["cycle"], one["outcome"] = data["cycle"], None
    return {
        subject: one
        for subject, one in found.items()
        if first <= china_day(one["told"]) <= last
        and one["profile"]["kind"] == "complaint"
        and not one["merged"]
    }


def repeats(events: Sequence[Json], first: date, last: date, days: int) -> dict[str, int]:
    """Complaints, urges, complaints urged, and those that repeated another when they were told."""
    told = complaints(events, first, last)
    known: dict[str, dict[str, Any]] = {}
    again: set[str] = set()
    by_time = sorted(events, key=lambda one: (one["time"], int(one["sequence"])))
    for event in by_time:
        data, kind, subject = event["data"], event["type"], event["subject"]
        if kind == "complaint.registered.v1":
            registration = data["registration"]
            one = {
                "person": registration["correspondent"]["person"],
                "what": (registration["profile"]["kind"], registration["profile"]["category"]),
                "at": instant(registration["clock_from"]),
                "counts": "history" not in registration or registration["history"] is None,
            }
            known[subject] = one
            before = [
                other
                for name, other in known.items()
                if name != subject
                and other["counts"]
                and other["person"] == one["person"]
                and other["what"] == one["what"] != ("complaint", "unclassified")
                and timedelta(0) <= one["at"] - other["at"] <= timedelta(days=days)
            ]
            if before and one["counts"] and not registration["correspondent"]["anonymous"]:
                again.add(subject)
        elif kind == "complaint.reclassified.v1":
            known[subject]["what"] = (data["profile"]["kind"], data["profile"]["category"])
        elif kind in ("complaint.merged.v1", "complaint.unmerged.v1"):
            known[subject]["counts"] = kind == "complaint.unmerged.v1"
        elif kind == "complaint.verified.v1":
            known[subject]["counts"] &= data["valid"]
    return {
        "complaints": len(told),
        "urges": sum(one["urges"] for one in told.values()),
        "urged": sum(one["urges"] > 0 for one in told.values()),
        "repeats": len(again & told.keys()),
    }


def escalations(events: Sequence[Json], first: date, last: date) -> Counter[str]:
    """Complaints, how many were escalated, and their cases by tier and by ending."""
    told = complaints(events, first, last)
    cases: dict[tuple[str, int], dict[str, Any]] = {}
    for event in events:
        kind, data = event["type"], event["data"]
        if kind.startswith("case.") and event["subject"] in told:
            case = cases.setdefault((event["subject"], data["case"]), {"ending": "open"})
            case["tier"] = data["tier"]
            if kind == "case.declined.v1":
                case["ending"] = "declined"
            elif kind == "case.closed.v1":
                case["ending"] = data["outcome"]
            elif kind == "case.decided.v1" and data.get("corrective_action"):
                case["corrections"] = 1
            elif kind == "case.reported.v1" and data["what"] == "corrective_action":
                case["corrections_done"] = 1
            elif kind == "case.correction_missed.v1":
                case["corrections_overdue"] = 1
    counted = Counter({"complaints": len(told), "cases": len(cases)})
    counted["escalated"] = len({subject for subject, _ in cases})
    for case in cases.values():
        counted[f"tier_{case['tier']}"] += 1
        counted[case["ending"]] += 1
        for name in ("corrections", "corrections_done", "corrections_overdue"):
            counted[name] += case.get(name, 0)
    return counted


def satisfaction(
    events: Sequence[Json], first: date, last: date
) -> dict[tuple[str, str, int], Counter[str]]:
    """(month, kind, cycle) -> what ended, by outcome, scores given in time, and late replies."""
    surveys: dict[tuple[str, ...], dict[str, Any]] = {}
    for event in events:
        if event["type"].startswith("survey."):
            _asked(surveys, event)
        elif event["type"].startswith(("call.", "visit.")):
            _visited(surveys, event)
    table: dict[tuple[str, str, int], Counter[str]] = {}
    for key, one in surveys.items():
        if "day" in one and first <= one["day"] <= last:
            kind, cycle = ("visit", one["cycle"]) if "cycle" in one else (key[1], key[2])
            row = table.setdefault((f"{one['day']:%Y-%m}", kind, int(cycle)), Counter())
            row["concluded"] += 1
            row[one["outcome"]] += 1
            row["late"] += one["late"]
            if one.get("score") is not None:
                row[f"score_{one['score']}"] += 1
                row["scored"] += 1
                row["score_sum"] += one["score"]
    return table


def _asked(surveys: dict[tuple[str, ...], dict[str, Any]], event: Json) -> None:
    kind, data = event["type"], event["data"]
    key = (event["subject"], "survey", data["cycle"])
    if kind == "survey.asked.v1" or (kind == "survey.concluded.v1" and data["survey"] is None):
        surveys[key] = {"late": 0}
    if kind == "survey.answered.v1" and data["late"]:
        surveys[key]["late"] = 1
    elif kind == "survey.answered.v1":
        surveys[key]["score"] = data["score"]
    elif kind == "survey.concluded.v1":
        surveys[key] |= {"outcome": data["outcome"], "day": china_day(happened(event))}


def _visited(surveys: dict[tuple[str, ...], dict[str, Any]], event: Json) -> None:
    kind, data = event["type"], event["data"]
    key = (event["subject"], data["call"])
    if kind == "call.planned.v1" and data["reason"] == "visit":
        surveys[key] = {"cycle": data["cycle"], "late": 0}
    call = surveys.get(key)
    if call is None:
        return
    if kind == "call.attempted.v1" and data["again_at"] is None:
        call["day"] = china_day(instant(data["at"]))
        call["outcome"] = "no_answer" if data["reached"] else "unreachable"
    elif kind == "call.called_off.v1":
        call |= {"day": china_day(happened(event)), "outcome": "cancelled"}
    elif kind == "visit.recorded.v1":
        call["score"] = data["score"]
        said = {True: "satisfied", False: "dissatisfied", None: "no_answer"}
        call["outcome"] = said[data["satisfied"]]


def refunds(events: Sequence[Json], first: date, last: date) -> list[tuple[str, str]]:
    """(receipt, amount) of each grant."""
    receipts = {
        event["subject"]: event["data"]["registration"]["correspondent"]["receipt"]
        for event in events
        if event["type"] == "complaint.registered.v1"
    }
    return sorted(
        (receipts[event["subject"]], event["data"]["amount"])
        for event in events
        if event["type"] == "compensation.granted.v1"
        and first <= china_day(happened(event)) <= last
    )


def topics(events: Sequence[Json], first: date, last: date) -> Counter[tuple[Any, ...]]:
    """(day, told or answered, department, category, cause) -> how often."""
    categories: dict[str, str] = {}
    for event in events:
        data = event["data"]
        profile = data.get("profile") or data.get("registration", {}).get("profile")
        if event["source"] == "/bihuan/intake" and profile:
            categories[event["subject"]] = profile["category"]
    counted: Counter[tuple[Any, ...]] = Counter()
    for subject, one in complaints(events, first, last).items():
        counted[china_day(one["told"]).isoformat(), "told", None, categories[subject], None] += 1
    for event in events:
        day = china_day(happened(event))
        if event["type"] == "work.answered.v1" and first <= day <= last:
            about = categories[event["subject"]]
            named = {(one["department"], one["cause"]) for one in event["data"]["causes"]}
            for department, cause in named or {(None, None)}:
                counted[day.isoformat(), "answered", department, about, cause] += 1
    return counted


def teams(events: Sequence[Json], first: date, last: date) -> Counter[tuple[str, str, str]]:
    """(team, agent, decision) -> answers."""
    return Counter(
        (event["data"]["team"], event["data"]["agent"], event["data"]["decision"])
        for event in events
        if event["type"] == "work.answered.v1" and first <= china_day(happened(event)) <= last
    )


def owners(events: Sequence[Json], first: date, last: date) -> dict[Any, Counter[str]]:
    """(team, agent) -> complaints owned, closed, urged."""
    told = complaints(events, first, last)
    owner: dict[str, Any] = {}
    for event in events:
        if event["type"] == "work.accepted.v1":
            named = event["data"]["owner"]
            owner[event["subject"]] = (named["team"], named["agent"])
    table: dict[Any, Counter[str]] = {}
    for subject, one in told.items():
        row = table.setdefault(owner.get(subject, (None, None)), Counter())
        row["complaints"] += 1
        row["closed"] += one["outcome"] is not None
        row["urged"] += one["urges"] > 0
        row["reopened"] += one["cycle"] > 1
    return table
