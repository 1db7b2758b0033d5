"""Is it alive, is it ready, and what does it count: on a port of its own, open to anybody."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from libs.web.problem import on_http_exception

Readiness = Callable[[], Awaitable[Sequence[str]]]
"""Why the service is not ready, one sentence each; empty means ready. Never personal data."""

Looking = Callable[[], Awaitable[Sequence[str]]]
"""Looks up what is only counted when somebody asks, sets its metrics, and returns what a person
should do something about though the service is ready, one sentence each. Never personal data."""


async def nothing_to_look_at() -> Sequence[str]:
    """There is nothing beside what is counted anyway."""
    return ()


def build_health(
    service: str,
    ready: Readiness,
    registry: CollectorRegistry,
    openapi: Callable[[], Mapping[str, Any]] | None = None,
    look: Looking = nothing_to_look_at,
) -> Starlette:
    """The health port's app: `/health/live`, `/health/ready`, `/metrics` and `/openapi.json`.

    Live answers as long as the event loop turns; ready answers 503 with its reasons, and in
    `warnings` what somebody should do something about though it is ready.
    """

    async def live(_request: Request) -> Response:
        return JSONResponse({"service": service, "status": "live"})

    async def is_ready(_request: Request) -> Response:
        reasons = list(await ready())
        status = "not ready" if reasons else "ready"
        warnings = list(await look())
        body = {"service": service, "status": status, "reasons": reasons, "warnings": warnings}
        if reasons:
            return JSONResponse(body, status_code=503, headers={"Retry-After": "2"})
        return JSONResponse(body)

    async def metrics(_request: Request) -> Response:
        await look()
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)

    async def described(_request: Request) -> Response:
        return JSONResponse(openapi() if openapi else {})

    routes = [
        Route("/health/live", live),
        Route("/health/ready", is_ready),
        Route("/metrics", metrics),
    ]
    if openapi is not None:
        routes.append(Route("/openapi.json", described))
    return Starlette(routes=routes, exception_handlers={HTTPException: on_http_exception})
