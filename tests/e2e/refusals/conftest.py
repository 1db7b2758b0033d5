"""One running system for all tests of this package; each test runs in its event loop."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from fastapi.routing import iter_route_contexts

from libs.web.access import guards
from libs.web.routing import BODY_BYTES_MAX_NAME
from tests.e2e.world import DATABASES, World, world
from tests.stack import room

START = "2025-10-09 09:00:00"


@dataclass(frozen=True)
class Door:
    """One route of one service: where it is, and the action it declares (None: any caller)."""

    service: str
    method: str
    path: str
    """With every parameter filled in."""
    action: str | None
    takes_body: bool
    takes_key: bool
    takes_large: bool
    """Its body may be larger than the service's others."""

    def __str__(self) -> str:
        return f"{self.service}: {self.method} {self.path}"


@dataclass
class Running:
    """The system, and a way to act on it from a plain test."""

    world: World
    runner: asyncio.Runner

    def do(self, scene: Callable[[World], Awaitable[Any]]) -> Any:
        """Plays a scene in the system's own event loop."""

        async def run() -> Any:
            return await scene(self.world)

        return self.runner.run(run())

    def doors(self) -> list[Door]:
        """Every route that any service serves to callers, as it declares itself."""
        return [
            door for name, app in self.world.system.apps.items() for door in _doors(name, app.api)
        ]


def _doors(service: str, api: Any) -> Iterator[Door]:
    for route in iter_route_contexts(api.routes):
        (guard,) = {one.action for one in guards(route.dependant)}
        flat = list(_headers(route.dependant))
        for method in sorted(route.methods or ()):
            yield Door(
                service,
                method,
                _filled(str(route.path)),
                guard,
                bool(list(_bodies(route.dependant))),
                "idempotency-key" in flat,
                BODY_BYTES_MAX_NAME in (getattr(route.original_route, "openapi_extra", None) or {}),
            )


def _bodies(dependant: Any) -> Iterator[Any]:
    yield from dependant.body_params
    for inner in dependant.dependencies:
        yield from _bodies(inner)


def _headers(dependant: Any) -> Iterator[str]:
    yield from (one.alias.lower() for one in dependant.header_params)
    for inner in dependant.dependencies:
        yield from _headers(inner)


def _filled(path: str) -> str:
    known = {"service": "intake", "case": "1", "forward": "1", "finding": "1"}
    for name in [part.split("}")[0] for part in path.split("{")[1:]]:
        filled = known.get(name, "00000000-0000-4000-8000-000000000001")
        path = path.replace(f"{{{name}}}", filled)
    return path


@pytest.fixture(scope="package")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """The six services, up, at 09:00 on a Thursday."""
    folder = tmp_path_factory.mktemp("refusals")
    with room(DATABASES) as where, asyncio.Runner() as runner:
        playing = world(where, folder, START)
        system = runner.run(_entered(playing))
        try:
            yield Running(system, runner)
        finally:
            runner.run(_left(playing))


async def _entered(playing: Any) -> Any:
    return await playing.__aenter__()


async def _left(playing: Any) -> None:
    await playing.__aexit__(None, None, None)


def is_problem(answer: httpx.Response) -> bool:
    """A problem+json that says what is wrong in two languages, and not merely that it is."""
    if answer.headers.get("content-type") != "application/problem+json":
        return False
    told = answer.json()
    return bool(
        told["status"] == answer.status_code
        and told["type"] == f"urn:bihuan:problem:{told['rule']}"
        and told["detail"]
        and told["zh"]
    )
