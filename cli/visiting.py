"""How the services of a running system are: asked of their health ports, for `bihuan doctor`."""

import json
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Any

import httpx
from prometheus_client.parser import text_string_to_metric_families

from cli.places import SERVICES, Places
from infra.local.doctor import Finding
from libs.timekeeping.counting import SHANGHAI

TIMEOUT_SECONDS = 3.0
CALENDAR_UNTIL = "bihuan_sla_calendar_until_seconds"


def visit(services: Mapping[str, Mapping[str, str]]) -> list[Finding]:
    """One finding a service; `services` as `run.json` has them."""
    with httpx.Client(timeout=TIMEOUT_SECONDS, trust_env=False) as http:
        return [_visit(http, name, urls["health"]) for name, urls in services.items()]


def half_made(places: Places) -> list[Finding]:
    """One finding for each service whose views a rebuild was making when it was broken off."""
    found = []
    for service in SERVICES:
        file = places.half_made(service)
        if file.exists():
            told = json.loads(file.read_text("utf-8"))
            found.append(
                Finding(
                    f"{service}'s database",
                    "missing",
                    f"half made: {told['by']} began to make its views again from {told['source']} "
                    f"at {told['since']}, and that has not ended",
                    f"If it was broken off: bihuan rebuild {service}",
                    f"视图重建未完成。若已中断,请执行 bihuan rebuild {service}",
                )
            )
    return found


def calendar_until(services: Mapping[str, Mapping[str, str]]) -> date | None:
    """The last date that the running system's calendar knows; None where nobody tells."""
    try:
        url = f"{services['sla_watch']['health']}/metrics"
        answer = httpx.get(url, timeout=TIMEOUT_SECONDS, trust_env=False)
    except (KeyError, httpx.TransportError):
        return None
    for family in text_string_to_metric_families(answer.text):
        if family.name == CALENDAR_UNTIL and family.samples:
            ends = datetime.fromtimestamp(family.samples[0].value, SHANGHAI)
            return ends.date() - timedelta(days=1) if ends.year > 1970 else None
    return None


def _visit(http: httpx.Client, service: str, url: str) -> Finding:
    try:
        told: Any = http.get(f"{url}/health/ready").json()
    except (httpx.TransportError, ValueError):
        return _finding(service, "it does not answer")
    said = [*told.get("reasons", ()), *told.get("warnings", ())]
    return _finding(service, "; ".join(said)) if said else Finding(service, "ok", "ready")


def _finding(service: str, found: str) -> Finding:
    return Finding(
        service,
        "warning",
        found,
        "See docs/operations.md, Settling, and docs/policies.md, The calendar.",
        "请参阅 docs/operations.md 与 docs/policies.md 中的说明进行处理。",
    )
