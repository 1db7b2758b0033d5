"""Each reading of personal data is on record with its purpose; no other route shows any of it.

Walks every route of the published OpenAPI documents: what asks for a purpose opens something, and
must leave `person.accessed` (or `person.sought`); whatever else can be read must not hold a word of
what was planted.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx

from cli.places import SERVICES
from libs.eventlog.work import partition_of
from tests.e2e.scenes import Stage, scene
from tests.e2e.test_no_personal_data import forms
from tests.e2e.world import read_log

OPENAPI = Path(__file__).parents[2] / "contracts" / "generated" / "openapi"
NUMBER, NAME, WORDS, OPINION = (
    "18600007501",
    "读取标记人",
    "读取标记之词-MARKREAD",
    "读取意见-MARKREAD",
)
PLANTED = (NUMBER, NAME, WORDS, OPINION)
READ_AT_LEAST = 40
"""So many of the other routes must really have answered; the rest need what is not there."""

OPENING = {
    ("audit", "post", "/bundles/opened"),
    ("audit", "post", "/reports/records/opened"),
    ("intake", "post", "/open"),
    ("intake", "post", "/persons/find"),
    ("intake", "get", "/persons/{person}"),
    ("intake", "get", "/persons/{person}/records"),
}
"""The routes that open something of a person, or show whose complaints are whose."""

SEALED = {
    ("audit", "post", "/bundles"),
    ("audit", "post", "/log/exports"),
    ("audit", "get", "/complaints/{complaint}/records"),
    ("audit", "get", "/reports/{name}"),
}
"""The others that ask what for: what they hand out is sealed, and `export.made` says so."""

Route = tuple[str, str, str]


def documents() -> Mapping[str, Any]:
    return {name: json.loads((OPENAPI / f"{name}.json").read_text("utf-8")) for name in SERVICES}


def routes(documents: Mapping[str, Any]) -> Iterator[tuple[Route, Any]]:
    for service, document in documents.items():
        for path, operations in document["paths"].items():
            for method, operation in operations.items():
                yield (service, method, path), operation


def asks_what_for(operation: Any, document: Any) -> bool:
    """Whether a parameter, or a field of the body, is `purpose`."""
    if any(one["name"] == "purpose" for one in operation.get("parameters", ())):
        return True
    body = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
    named = body.get("schema", {}).get("$ref", "").rpartition("/")[2]
    schema = document["components"]["schemas"].get(named, {})
    return "purpose" in schema.get("properties", {})


def test_every_route_that_asks_what_for_is_walked() -> None:
    documents_ = documents()
    found = {route for route, one in routes(documents_) if asks_what_for(one, documents_[route[0]])}
    assert found == OPENING | SEALED


async def asked(stage: Stage, route: Route, role: str, **what: Any) -> httpx.Response:
    service, method, path = route
    headers = {**stage.player.headers(role, f"{role}:walk"), "Idempotency-Key": f"walk-{path}"}
    url = stage.system.urls[service]["api"] + path
    async with httpx.AsyncClient(trust_env=False, timeout=30) as client:
        return await client.request(method.upper(), url, headers=headers, **what)


async def purposes(stage: Stage) -> set[tuple[str, str, str]]:
    """(event, by, purpose) of every access and every export on record."""
    told = [json.loads(one) for one in await read_log(stage.system)]
    return {
        (one["type"], one["data"]["by"], one["data"]["purpose"])
        for one in told
        if one["type"] in ("person.accessed.v1", "person.sought.v1", "export.made.v1")
    }


@scene
async def test_each_reading_is_on_record_and_nothing_else_can_be_read(stage: Stage) -> None:
    await stage.at("2025-10-21 10:07:00")
    said = {"text": WORDS, "sender_name": NAME, "subscriber": NUMBER}
    complaint = await stage.say(**said, category="billing.overcharge")
    who = await stage.accepts(complaint)
    await stage.player.do("routing", f"/work/{complaint}/opinion", {"opinion": OPINION}, **who)
    await stage.settle()
    (registered,) = await stage.events(complaint, "complaint.registered")
    told = registered.data.registration
    person, receipt = str(told.correspondent.person), told.correspondent.receipt

    def intake(method: str, path: str) -> Route:
        return ("intake", method, path)

    await stage.at("2025-10-21 11:00:01")  # after the checkpoint that a bundle rests on
    known = {"number": NUMBER, "purpose": "walk-find"}
    unknown = {"number": "18600007599", "purpose": "walk-sought"}
    bundle = {"complaint": complaint, "purpose": "walk-bundle"}
    sealed = {"complaint": complaint, "purpose": "walk-sealed"}
    copied = {"digest": "ab" * 32, "purpose": "walk-copied"}
    records = {"from": "2025-10-21", "to": "2025-10-21", "purpose": "walk-records"}
    tokens = {"tokens": [told.summary], "purpose": "walk-open"}
    seen = {"params": {"purpose": "walk-show"}}
    pages, page = f"/complaints/{complaint}/records", {"purpose": "walk-pages"}
    october = {"from": "2025-10-01", "to": "2025-10-31"}
    report = {**october, "format": "csv", "purpose": "walk-report"}
    walked = [
        (200, await asked(stage, intake("post", "/persons/find"), "privacy", json=known)),
        (404, await asked(stage, intake("post", "/persons/find"), "privacy", json=unknown)),
        (200, await asked(stage, intake("get", f"/persons/{person}"), "privacy", **seen)),
        (200, await asked(stage, intake("get", f"/persons/{person}/records"), "privacy", **seen)),
        (200, await asked(stage, intake("post", "/open"), "service", json=tokens)),
        (200, await asked(stage, ("audit", "post", "/bundles"), "auditor", json=sealed)),
        (200, await asked(stage, ("audit", "post", "/log/exports"), "auditor", json=copied)),
        (200, await asked(stage, ("audit", "get", pages), "auditor", params=page)),
        (200, await asked(stage, ("audit", "get", "/reports/volume"), "auditor", params=report)),
        (200, await asked(stage, ("audit", "post", "/bundles/opened"), "auditor", json=bundle)),
        (
            200,
            await asked(
                stage, ("audit", "post", "/reports/records/opened"), "auditor", json=records
            ),
        ),
    ]
    for status, answer in walked:
        assert answer.status_code == status, (answer.request.url.path, answer.text)
    await stage.settle()
    assert await purposes(stage) >= {
        ("person.accessed.v1", "privacy:walk", "walk-find"),
        ("person.sought.v1", "privacy:walk", "walk-sought"),
        ("person.accessed.v1", "privacy:walk", "walk-show"),
        ("person.accessed.v1", "service:walk", "walk-open"),
        ("person.accessed.v1", "auditor:walk", "walk-bundle"),
        ("person.accessed.v1", "auditor:walk", "walk-records"),
        ("export.made.v1", "auditor:walk", "walk-sealed"),
        ("export.made.v1", "auditor:walk", "walk-copied"),
        ("export.made.v1", "auditor:walk", "walk-pages"),
        ("export.made.v1", "auditor:walk", "walk-report"),
    }
    for _, answer in walked:
        if answer.request.url.path in ("/bundles", "/log/exports", pages, "/reports/volume"):
            assert not any(form in answer.content for one in PLANTED for form in forms(one))
    values = {
        "complaint": complaint,
        "subject": complaint,
        "receipt": receipt,
        "service": "intake",
        "name": "volume",
        "from": "2025-10-21",
        "to": "2025-10-21",
        "month": "2025-10",
        "at": "2025-10-21T10:07:00+08:00",
        "source": "10010",
        "id": registered.data.registration.contact.message,
        "person": person,
        "year": "2025",
        "event": str(registered.id),
        "partition": str(partition_of(complaint, stage.system.partitions)),
    }
    await _shows_nothing(stage, values)


async def _shows_nothing(stage: Stage, values: Mapping[str, str]) -> None:
    answered = 0
    for route, operation in routes(documents()):
        service, method, path = route
        if method != "get" or route in OPENING:
            continue
        wanted = [one for one in operation.get("parameters", ()) if one["in"] in ("path", "query")]
        query = {
            one["name"]: values[one["name"]]
            for one in wanted
            if one["in"] == "query" and one["name"] in values and one.get("required")
        }
        for one in wanted:
            if one["in"] == "path":
                path = path.replace(f"{{{one['name']}}}", values.get(one["name"], "1"))
        for role in ("auditor", "desk", "manager", "admin", "agent", "channel", "privacy"):
            answer = await asked(stage, (service, "get", path), role, params=query)
            assert answer.status_code < 500, (path, answer.text)
            for marker in PLANTED:
                assert not any(form in answer.content for form in forms(marker)), (marker, path)
            if answer.is_success:
                answered += 1
                break
    assert answered >= READ_AT_LEAST, answered
