"""No route, verb or setting deletes one record under the floor (issue 5; DOMAIN, Audit and
retention: "at least 6 months ... a floor no setting can lower").

Walks every route of the published OpenAPI documents with every method and every verb of `bihuan`,
at the last instant before 1 March 00:00, when what was closed on 31 August may go. PostgreSQL's own
clock is past it already: nothing but the services' own rules keeps these records in this walk. What
the databases see to by themselves is shown in tests/integration/keeper.
"""

import asyncio
import json
import re
import time
from collections import defaultdict
from collections.abc import Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from fastapi.routing import iter_route_contexts

from cli.demo.stage import demo_places
from cli.places import SERVICES, Places
from libs.web.access import SHIPPED
from libs.web.auth import issue_token
from tests.architecture.test_settings_and_the_floor import LOWEST, UNKNOWN
from tests.e2e.commands import bihuan, told
from tests.e2e.made_up import made_up
from tests.e2e.records_kept import Kept, kept
from tests.e2e.test_beside import at_rest
from tests.e2e.test_operate import break_in
from tests.e2e.test_persons_on_record import Route, documents, routes
from tests.e2e.test_retention import told_by
from tests.e2e.verbs import NOT_TYPED, typed, verbs
from tests.e2e.world import World, play
from tests.stack import on_real_kafka

START = "2025-07-31 09:00:00"
WALKED_AT = "2026-02-28 23:59:59.999999"
POLICIES = Path(__file__).parents[2] / "services/audit/policy"
RETENTION = yaml.safe_load((POLICIES / "retention.v1.yaml").read_text("utf-8"))
ARCHIVE = yaml.safe_load((POLICIES / "archive.v1.yaml").read_text("utf-8"))
SIX_MONTHS = {**RETENTION, "version": "half-a-year", "otherwise": {"months": 6}}
BELOW: tuple[Mapping[str, Any], ...] = (
    *(
        {**RETENTION, "otherwise": keep}
        for keep in (
            *({"months": 5}, {"months": 0}, {"months": -6}, {"months": 5.99}, {"months": True}),
            *({"days": 183}, {"days": 0}, {"days": -1}, {"years": 0}, {"months": None}, {}),
            *({"months": 6, "days": 1}, {"hours": 1}),
        )
    ),
    {**RETENTION, "categories": [{"category": "mobile.coverage", "keep": {"days": 1}}]},
    *({**ARCHIVE, "quiet_months": few} for few in (5, 0, -1)),
    *({**ARCHIVE, "log_days": few} for few in (29, 0, -1)),
)
"""Versions of the two policies that would lower the floor, or how long Kafka keeps the log."""


def test_every_verb_is_typed_or_named_with_its_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    nobodys = defaultdict[str, str](str)
    assert typed(nobodys, Path()).keys() | NOT_TYPED.keys() == verbs()
    assert not typed(nobodys, Path()).keys() & NOT_TYPED.keys()
    monkeypatch.setenv("BIHUAN_DATA", "/somewhere/kept")
    assert demo_places().data != Places.here().data, "what the demo wipes is nobody else's"
    assert Places.here().data not in demo_places().data.parents


class Walker:
    """Two administrators and one of a team, with every role there is; what they were answered."""

    def __init__(self, world: World, http: httpx.AsyncClient, seat: Mapping[str, Any]) -> None:
        self.world = world
        self.http = http
        self.answers: dict[Route, list[int]] = defaultdict(list)
        self.tried: set[str] = set()
        self._keys = 0
        roles = sorted(yaml.safe_load(SHIPPED.read_text("utf-8"))["roles"])
        self._tokens = [
            issue_token(
                world.system.signing,
                actor=actor,
                roles=roles,
                team=seat["team"],
                real_now_s=time.time(),
                lifetime_s=3600,
            )
            for actor in ("admin:one", "admin:two", seat["actor"])
        ]

    async def ask(
        self, service: str, method: str, path: str, *, by: int = 0, **more: Any
    ) -> httpx.Response:
        """One request, whatever comes of it but a failure of ours."""
        self._keys += 1
        answer = await self.http.request(
            method.upper(),
            self.world.system.urls[service]["api"] + path,
            headers={
                "Authorization": f"Bearer {self._tokens[by]}",
                "Idempotency-Key": f"walk-{self._keys}",
            },
            **more,
        )
        assert answer.status_code < 500, (service, method, path, answer.text)
        return answer

    async def said(self, service: str, path: str, body: Any, *, by: int = 0) -> httpx.Response:
        """A command."""
        return await self.ask(service, "post", path, by=by, json=body)

    async def done(self) -> None:
        """Until what was begun with the archive has ended."""
        async with asyncio.timeout(30):
            while True:
                work = (await self.ask("audit", "get", "/archive/work")).json()
                if work["act"] is None or work["done"] is not None or work["failed"] is not None:
                    return
                await asyncio.sleep(0.02)


@asynccontextmanager
async def walking(world: World, seat: Mapping[str, Any]) -> Any:
    """See Walker."""
    async with httpx.AsyncClient(trust_env=False, timeout=60) as http:
        yield Walker(world, http, seat)


# -- what there is --------------------------------------------------------------------------------


async def closed(world: World, number: int, **words: Any) -> str:
    """A complaint that is answered and closed at once."""
    complaint = await told_by(world, number, **words)
    await world.answers(complaint, await world.accepts(complaint))
    await world.replies(await world.receipt(complaint), 9, resolved=True)
    return complaint


async def told_all(world: World) -> dict[str, str]:
    """Complaints of every age. Only `past` was closed more than six months ago and may go."""
    found = {"filed": await closed(world, 1)}
    await world.at("2025-08-01 10:00:00")
    found |= {"past": await closed(world, 2), "held": await closed(world, 3)}
    body = {"hold": "court-1", "ground": "lawsuit", "complaints": [found["held"]]}
    await world.player.do("audit", "/holds", body, role="auditor", actor="auditor:x")
    await world.at("2025-08-31 20:00:00")
    found["last_day"] = await closed(world, 4)
    await world.at("2026-02-27 10:00:00")
    found["open"] = await told_by(world, 5)
    await world.at(WALKED_AT)
    await world.settle()
    return found


async def besides(world: World, complaint: str) -> dict[str, str]:
    """Its person and receipt, asked before Kafka forgets; and a record of nobody's, set aside."""
    (registered,) = await world.events(complaint, "complaint.registered")
    correspondent = registered.data.registration.correspondent
    await break_in(world, b"who knows", b"\xff\x00 no JSON")
    await world.stepper.settle()
    parked = await world.player.get("audit", "/operations/parked", role="admin")
    return {
        "person": str(correspondent.person),
        "receipt": correspondent.receipt,
        "parked": parked["items"][0]["subject"],
    }


def lost(before: Kept, after: Kept, going: str) -> dict[str, set[Any]]:
    """What is nowhere any more where it must be, but for the one complaint that may go.

    Kafka forgets what the archive has confirmed (DESIGN): that is to be found there.
    """
    gone = {
        "stores": before.services - after.services,
        "archive": before.archive - after.archive,
        "log": before.log - after.log - after.archive,
    }
    found = {where: {one for one in some if one[1] != going} for where, some in gone.items()}
    return {where: some for where, some in found.items() if some}


@pytest.mark.kafka
def test_no_route_verb_or_setting_deletes_a_record_under_the_floor(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not on_real_kafka():
        pytest.skip("NO REAL KAFKA: Java or Maven is missing")
    for name, value in {**LOWEST, **UNKNOWN}.items():
        monkeypatch.setenv(name, value)

    async def scene(world: World) -> None:
        all_of = await told_all(world)
        before = await kept(world)
        for name, complaint in all_of.items():
            for where in (before.services, before.archive, before.log):
                sources = {one[0] for one in where if one[1] == complaint}
                assert len(sources) >= len(SERVICES) - 2, (name, sources)
        all_of |= await besides(world, all_of["last_day"])
        async with walking(world, await world.seat(all_of["open"])) as walker:
            await two_people(walker, all_of)
            after = await kept(world)
            assert lost(before, after, all_of["past"]) == {}, "by two people"
            assert all_of["past"] not in {one[1] for one in after.services | after.archive}
            await every_route(walker, all_of)
            await world.settle()
            assert lost(before, await kept(world), all_of["past"]) == {}, "by a route"
        await every_verb(world, all_of, tmp_path)
        assert lost(before, await kept(world), all_of["past"]) == {}, "by a verb"

    play(tmp_path / "system", START, scene)


# -- two people -----------------------------------------------------------------------------------


async def two_people(walker: Walker, all_of: Mapping[str, str]) -> None:
    """They bring the policy down to the floor, not below it, and let go what may go; no more."""
    for content in BELOW:
        body = {"text": json.dumps({**content, "version": "below"}), "at_once": True}
        answer = await walker.said("audit", f"/policies/{content['name']}", body)
        assert answer.status_code == 422, (content, answer.text)
    body = {"text": json.dumps(SIX_MONTHS), "at_once": True}
    assert (await walker.said("audit", "/policies/retention", body)).is_success
    assert (await walker.said("audit", "/holds/court-1/lift", {"ground": "settled"})).is_success
    await walker.world.settle()
    august = {"cohort": "2025-08", "ground": "walked"}
    assert (await walker.said("audit", "/retention/purges", august)).is_success
    plan = (await walker.ask("audit", "get", "/retention/plans/2025-08")).json()
    assert [one["complaint"] for one in plan["items"] if one["goes"]] == [all_of["past"]]
    approve = "/retention/purges/2025-08/approve"
    for digest, by in (("ab" * 32, 1), (plan["digest"], 0)):
        answer = await walker.said("audit", approve, {"plan": digest}, by=by)
        assert answer.status_code in (403, 409), answer.text
    assert (await walker.said("audit", approve, {"plan": plan["digest"]}, by=1)).is_success
    await walker.world.settle()


# -- every route ----------------------------------------------------------------------------------


async def every_route(walker: Walker, all_of: Mapping[str, str]) -> None:
    """Each with what it asks for, for complaints of each age; and with methods it does not have."""
    known = {name: documents()[name] for name in LAST_INTAKE}
    values = await worth_saying(walker, all_of)
    walked = [one for one in routes(known) if one[0][0] == "audit" or one[0][1] != "get"]
    for route, operation in walked:
        service, method, path = route
        whose = ("last_day", "open") if method != "get" and "{complaint}" in path else ("last_day",)
        for name in whose:
            subject = values["parked"] if "/parked/" in path else all_of[name]
            said = {**values, "complaint": all_of[name], "subject": subject}
            await one_route(walker, route, operation, known[service], said)
        if service in ("routing", "escalation") and "{complaint}" in path:
            await walker.world.settle()
    for path in known["audit"]["paths"]:
        answer = await walker.ask("audit", "delete", filled(path, {}, values))
        assert answer.status_code in (404, 405), path
    assert walker.answers.keys() == {route for route, _ in walked}
    done = {(one[0], one[2]) for one, codes in walker.answers.items() if min(codes) < 300}
    assert done >= DO_HARM, DO_HARM - done
    for service in SERVICES:
        served = {
            (method.lower(), re.sub(r":[a-z]+}", "}", one.path))
            for one in iter_route_contexts(walker.world.app(service).api.routes)
            for method in one.methods or ()
            if one.path != "/openapi.json"
        }
        told_of = {(method, path) for (name, method, path), _ in routes(known) if name == service}
        assert served == told_of, "no route that the document keeps quiet about"


async def worth_saying(walker: Walker, all_of: Mapping[str, str]) -> dict[str, Any]:
    """Names as parameters and bodies have them, and what to say there to do harm."""
    shown = await walker.ask("audit", "get", "/checkpoints")
    tokens = await walker.ask("intake", "get", "/tokens", params={"who": "auditor:x"})
    return {
        "parked": all_of["parked"],
        "token": tokens.json()["items"][0]["token"],
        "person": all_of["person"],
        "receipt": all_of["receipt"],
        "into": all_of["open"],
        "complaints": [all_of["last_day"]],
        "contact": "walked",
        "event": f"intake/{all_of['last_day']}/1",
        "size": shown.json()["items"][0]["size"],
        "cohort": "2025-07",
        "plan": "cd" * 32,
        "hold": "court-1",
        "partition": "0",
        "service": "intake",
        "case": "1",
        "finding": "1",
        "month": "2025-08",
        "year": "2026",
        "who": "agent:walked",
        "roles": ["admin"],
        "at": "2099-01-01T00:00:00+08:00",
        "source": "/bihuan/intake",
        "number": "13977710004",
        "cursor": None,
    }


LAST_INTAKE = (*SERVICES[1:], SERVICES[0])
"""What is withdrawn or merged away at intake's doors nobody works on any more."""

DO_HARM = {
    *(("audit", path) for path in ("/retention/purges", "/retention/purges/{cohort}/withdraw")),
    *(("audit", path) for path in ("/archive/{cohort}/write", "/archive/{cohort}/restore")),
    *(("audit", path) for path in ("/archive/trim", "/holds", "/holds/{hold}/lift")),
    *(("intake", f"/persons/{{person}}/{act}") for act in ("lock", "erase")),
    *(("intake", path) for path in ("/tokens/{token}/revoke", "/complaints/{complaint}/withdraw")),
    *((service, "/operations/parked/{subject}/discard") for service in SERVICES),
    *((service, "/policies/{name}") for service in SERVICES),
}
"""What must really have been done in the walk, or it shows nothing."""


def nasty(service: str, path: str, values: Mapping[str, Any]) -> tuple[Any, ...]:
    """What is said besides what can be made up."""
    complaint = values["complaint"]
    asked: Mapping[tuple[str, str], tuple[Any, ...]] = {
        ("audit", "/archive/query"): tuple(
            {"sql": one}
            for one in (
                *("SELECT count(*) FROM record", "DELETE FROM record", "DROP VIEW record"),
                "COPY (SELECT 1) TO '/tmp/record'",
            )
        ),
        ("audit", "/retention/purges"): tuple(
            {"cohort": month, "ground": "walked"} for month in ("2025-07", "2025-08", "2026-02")
        ),
        ("audit", "/bundles"): ({"complaint": complaint, "purpose": "walked"},),
        ("audit", "/holds"): ({"hold": "walked", "ground": "walked", "complaints": [complaint]},),
    }
    return asked.get((service, path), ())


async def one_route(
    walker: Walker, route: Route, operation: Any, document: Any, values: Mapping[str, Any]
) -> None:
    """With no more than it must have, with all it may have, and with what is known to be nasty."""
    service, method, path = route
    if path == "/policies/{name}" and method == "post":
        names = [name async for name in policies(walker, service)]
    else:
        names = ["access" if path.startswith("/policies") else "volume"]
    asks = operation.get("parameters", ())
    schema = (
        operation.get("requestBody", {})
        .get("content", {})
        .get("application/json", {})
        .get("schema")
    )
    for name in names:
        said = {**values, "name": name}
        bodies: list[tuple[bool, Any]] = [(False, None), (True, None)]
        if schema is not None:
            bodies = [
                (whole, made_up(schema, document, said, whole=whole)) for whole in (False, True)
            ]
            bodies += [(False, one) for one in nasty(service, path, said)]
            if path == "/policies/{name}":
                bodies = [*bodies[:1], (False, await next_version(walker, service, name))]
        for whole, body in bodies:
            query = {
                one["name"]: made_up(one["schema"], document, said, one["name"])
                for one in asks
                if one["in"] == "query" and (whole or one.get("required"))
            }
            sent = {} if body is None else {"json": body}
            where = filled(path, {one["name"]: one["schema"] for one in asks}, said)
            params = {key: value for key, value in query.items() if value is not None}
            what = json.dumps([*route, where, params, body], sort_keys=True)
            if what in walker.tried:
                continue
            walker.tried.add(what)
            by = 2 if service == "routing" else 0
            answer = await walker.ask(service, method, where, by=by, params=params, **sent)
            walker.answers[route].append(answer.status_code)
            if path.startswith("/archive/") and answer.status_code == 202:
                await walker.done()


def filled(path: str, schemas: Mapping[str, Any], values: Mapping[str, Any]) -> str:
    """A path with a value in each of its places."""
    while "{" in path:
        name = path.partition("{")[2].partition("}")[0]
        value = made_up(schemas.get(name, {}), {}, values, name)
        path = path.replace(f"{{{name}}}", str(value))
    return path


async def policies(walker: Walker, service: str) -> Any:
    """The names of a service's policies."""
    shown = (await walker.ask(service, "get", "/policies")).json()
    for name in sorted({one["name"] for one in shown["versions"]}):
        yield name


async def next_version(walker: Walker, service: str, name: str) -> dict[str, Any]:
    """What is in force, once more under another name."""
    shown = (await walker.ask(service, "get", f"/policies/{name}")).json()
    content = {**shown["content"], "version": "walked", "effective_from": "2026-03-02"}
    return {"text": json.dumps(content)}


# -- every verb -----------------------------------------------------------------------------------


async def every_verb(world: World, all_of: Mapping[str, str], folder: Path) -> None:
    """Each as it is typed; whatever it says, it ends as the command line says that it may."""
    data = world.system.places.data
    values = {
        "complaint": all_of["last_day"],
        "person": all_of["person"],
        "receipt": all_of["receipt"],
        "parked": all_of["parked"],
        "cohort": "2025-08",
        "filed": "2025-07",
        "plan": (await told(data, "retention", "plan", "--cohort", "2025-08"))[1]["digest"],
        "policies": str(POLICIES),
        "hold": "court-1",
    }
    written(folder)
    ended = dict[str, list[int]]()
    for verb, lines in typed(values, folder).items():
        for words in lines:
            if verb == "rebuild" and "cut.log" in str(words):
                cut(folder, all_of["last_day"])
            code, _, err = await bihuan(data, *verb.split(), *words, said="13977710004\n")
            assert code in (0, 1, 2), (verb, words, err)
            ended.setdefault(verb, []).append(code)
        if verb.startswith(("retention", "archive", "person")):
            await world.settle()
    await at_rest(world)
    assert set(ended) | NOT_TYPED.keys() == verbs()
    done = {verb for verb, codes in ended.items() if 0 in codes}
    assert done >= TO_HARM, TO_HARM - done


TO_HARM = {
    *("archive write", "archive restore", "archive trim", "hold lift", "person lock"),
    *("person erase", "retention propose", "retention withdraw", "role revoke", "rebuild"),
}
"""The verbs that must really have done what they do."""


def written(folder: Path) -> None:
    """The files that verbs are given."""
    (folder / "empty").mkdir()
    content = {**RETENTION, "version": "below", "otherwise": {"days": 1}}
    (folder / "shorter.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
    (folder / "rows.csv").write_text("no,words\n1,没信号\n", encoding="utf-8")
    mapping = "name: walked\nsource: file/walked\nid: {column: no}\n"
    mapping += "text: {columns: [words]}\nchannel: web\n"
    (folder / "map.yaml").write_text(mapping, encoding="utf-8")


def cut(folder: Path, complaint: str) -> None:
    """A copy of the log without one complaint."""
    lines = (folder / "copy.log").read_bytes().splitlines(keepends=True)
    left = [one for one in lines if complaint.encode() not in one]
    assert len(left) < len(lines)
    (folder / "cut.log").write_bytes(b"".join(left))
