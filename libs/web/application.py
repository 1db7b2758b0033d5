"""One way to make a service's HTTP API: strict, authenticated, documented to the last status."""

import logging
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from http import HTTPStatus
from time import perf_counter
from typing import Annotated, Any, Final
from uuid import uuid4

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.openapi.utils import get_openapi
from fastapi.routing import iter_route_contexts
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from libs.decider import DomainError
from libs.telemetry import traceparent
from libs.web.access import (
    AccessTable,
    Permits,
    UndeclaredRoute,
    assert_every_route_declares,
    known_caller,
)
from libs.web.auth import Authenticator, Caller
from libs.web.commands import REPLAYED_HEADER, Commands
from libs.web.problem import (
    PROBLEM_MEDIA_TYPE,
    Problem,
    Unavailable,
    answer_of,
    on_domain_error,
    on_http_exception,
    on_validation_error,
    unexpected,
)
from libs.web.reading import BODY_BYTES_MAX, LINE_PATTERN, TEXT_PATTERN
from libs.web.routing import Router, StrictRoute

log = logging.getLogger("bihuan.web")

Observe = Callable[[str, str, int, float], None]
"""(method, route template, status, seconds): called once per request, for metrics."""

NO_ROUTE = "(no route)"


def build_api(
    service: str,
    title: str,
    version: str,
    routers: Sequence[Router],
    *,
    authenticator: Authenticator,
    access: AccessTable,
    in_force: Permits | None = None,
    commands: Commands | None = None,
    now: Callable[[], datetime] | None = None,
    body_bytes_max: int = BODY_BYTES_MAX,
    unavailable: tuple[type[Exception], ...] = (),
    observe: Observe | None = None,
    description: str = "",
) -> FastAPI:
    """A service's API.

    - `access`: the table that knows every action; `in_force`: what callers are held to, where
      that may be another one.
    - `commands`, `now`: the runtime and the domain clock, needed where a route is a command.
    - `unavailable`: exceptions that mean "not now" (the pool's, the driver's): 503, Retry-After.
    - `observe`: told of every request, by route template and never by path.
    Raises UndeclaredRoute when a route declares no action, and ValueError when two routes would
    have one operation id.
    """
    api = FastAPI(
        title=title,
        version=version,
        description=description,
        openapi_url=None,  # the document is a route like any other, for callers who are known
        redirect_slashes=False,
        generate_unique_id_function=lambda route: f"{service}.{route.name}",
        # FastAPI's own spans and logs would carry paths and refused input
        telemetry={"tracing": False, "metrics": False, "logs": False, "operation_spans": False},
        exception_handlers={
            DomainError: on_domain_error,
            RequestValidationError: on_validation_error,
            HTTPException: _on_http_exception,
            **dict.fromkeys(unavailable, _on_unavailable),
        },
    )
    api.state.authenticator = authenticator
    api.state.access = in_force or access
    api.state.commands = commands
    api.state.now = now
    api.state.body_bytes_max = body_bytes_max
    for router in (*routers, _description_router()):
        api.include_router(router)
    _assert_strict(api)
    assert_every_route_declares(api, access)
    _assert_operation_ids_differ(api)
    api.openapi = lambda: _document(api)  # type: ignore[method-assign] # FastAPI's own way to extend its document
    api.add_middleware(_Boundary, observe=observe)
    return api


def _description_router() -> Router:
    router = Router(tags=["description"])

    @router.get("/openapi.json", include_in_schema=False)
    async def openapi(request: Request, _caller: Annotated[Caller, known_caller]) -> Response:
        return JSONResponse(request.app.openapi())

    return router


async def _on_unavailable(_request: Request, error: Exception) -> Response:
    log.warning("not available", extra={"error": type(error).__name__})
    return answer_of(Unavailable())


async def _on_http_exception(request: Request, error: Exception) -> Response:
    """As the framework says; for 405 with every method of the path, as RFC 9110 §15.5.6 asks."""
    assert isinstance(error, HTTPException)
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        methods: set[str] = set()
        for route in iter_route_contexts(request.app.routes):
            if route.path_regex.match(request.scope["path"]):
                methods |= route.methods or set()
        error.headers = {"Allow": ", ".join(sorted(methods))}
    return await on_http_exception(request, error)


class _Boundary:
    """The outermost layer: nothing unexpected leaves it, and every request is counted once."""

    def __init__(self, app: ASGIApp, observe: Observe | None) -> None:
        self._app = app
        self._observe = observe

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started_s = perf_counter()
        status = 0

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [
                    *message["headers"],
                    (b"cache-control", b"no-store"),
                    (b"x-content-type-options", b"nosniff"),
                ]
            await send(message)

        try:
            await self._app(scope, receive, sending)
        except Exception as error:
            trace = _trace_of(scope)
            log.error("a request failed", exc_info=error, extra={"trace": trace})
            if status:
                raise  # half an answer is out: only closing the connection can say so
            await unexpected(trace)(scope, receive, sending)
        finally:
            if self._observe is not None:
                route = getattr(scope.get("route"), "path_format", NO_ROUTE)
                self._observe(scope["method"], route, status, perf_counter() - started_s)


def _trace_of(scope: Scope) -> str:
    headers = dict(scope["headers"])
    given = traceparent.parse(headers.get(b"traceparent", b"").decode("latin-1"))
    return given.trace if given else uuid4().hex


# -- the OpenAPI document -------------------------------------------------------------------------

_ALWAYS = (400, 401, 403, 404, 405, 413, 415, 422, 500, 503)
_COMMANDS = (409, 412)


def _assert_strict(api: FastAPI) -> None:
    for route in iter_route_contexts(api.routes):
        if not isinstance(route.original_route, StrictRoute):
            name = f"{'/'.join(sorted(route.methods or ()))} {route.path}"
            raise UndeclaredRoute(f"{name}: make it with libs.web.Router")


def _assert_operation_ids_differ(api: FastAPI) -> None:
    seen: set[str] = set()
    for route in iter_route_contexts(api.routes):
        if route.unique_id in seen:
            raise ValueError(f"{route.path}: a second operation is called {route.unique_id}")
        seen.add(route.unique_id)


def _document(api: FastAPI) -> dict[str, Any]:
    """The OpenAPI document with every status a route can answer, made once."""
    if api.openapi_schema is None:
        document = get_openapi(
            title=api.title,
            version=api.version,
            description=api.description or None,
            routes=api.routes,
        )
        _add_problems(document)
        _say_what_texts_hold(document)
        _part_long_patterns(document)
        api.openapi_schema = document
    return api.openapi_schema


def _add_problems(document: dict[str, Any]) -> None:
    components = document.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    schemas.pop("HTTPValidationError", None)
    schemas.pop("ValidationError", None)
    problem = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas |= problem.pop("$defs", {})
    schemas["Problem"] = problem
    components["responses"] = {
        f"Problem{status}": _problem_response(status) for status in (*_ALWAYS, *_COMMANDS)
    }
    for path in document.get("paths", {}).values():
        for operation in path.values():
            takes_key = any(
                one["name"] == "Idempotency-Key" for one in operation.get("parameters", ())
            )
            responses = operation["responses"]
            for status in (*_ALWAYS, *(_COMMANDS if takes_key else ())):
                reference = {"$ref": f"#/components/responses/Problem{status}"}
                if "HTTPValidationError" in str(responses.get(str(status))):
                    responses[str(status)] = reference
                responses.setdefault(str(status), reference)
            if takes_key:
                _say_that_it_may_be_replayed(responses)


def _problem_response(status: int) -> dict[str, Any]:
    response: dict[str, Any] = {
        "description": HTTPStatus(status).phrase,
        "content": {PROBLEM_MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }
    header = {401: "WWW-Authenticate", 405: "Allow", 503: "Retry-After"}.get(status)
    if header:
        response["headers"] = {header: {"required": True, "schema": {"type": "string"}}}
    return response


def _say_that_it_may_be_replayed(responses: dict[str, Any]) -> None:
    for status, response in responses.items():
        if status.startswith("2"):
            response.setdefault("headers", {})[REPLAYED_HEADER] = {
                "description": "`true` when this repeats the first outcome of the key",
                "schema": {"type": "string", "enum": ["true"]},
            }


def _say_what_texts_hold(document: dict[str, Any]) -> None:
    """Texts a caller sends hold no control characters: say so where the schema is silent."""
    schemas: Mapping[str, Any] = document["components"]["schemas"]
    visited: set[str] = set()
    for path in document.get("paths", {}).values():
        for operation in path.values():
            for parameter in operation.get("parameters", ()):
                if parameter["in"] in ("path", "query"):
                    _constrain(parameter["schema"], LINE_PATTERN, schemas, visited)
            for content in operation.get("requestBody", {}).get("content", {}).values():
                _constrain(content["schema"], TEXT_PATTERN, schemas, visited)


def _constrain(schema: Any, pattern: str, schemas: Mapping[str, Any], visited: set[str]) -> None:
    if isinstance(schema, list):
        for inner in schema:
            _constrain(inner, pattern, schemas, visited)
        return
    if not isinstance(schema, dict):
        return
    name = re.sub(r".*/", "", schema.get("$ref", ""))
    if name and name not in visited:
        visited.add(name)
        _constrain(schemas[name], pattern, schemas, visited)
    if schema.get("type") == "string" and not {"pattern", "format", "enum", "const"} & set(schema):
        schema["pattern"] = pattern
    for keyword in ("items", "prefixItems", "anyOf", "oneOf", "allOf", "additionalProperties"):
        _constrain(schema.get(keyword), pattern, schemas, visited)
    for inner in schema.get("properties", {}).values():
        _constrain(inner, pattern, schemas, visited)


LONG_CHARACTERS: Final = 1_000


def _part_long_patterns(schema: Any) -> None:
    """A long text's pattern goes into an `allOf` of its own, which means the same.

    schemathesis 4.32 makes one regular expression of pattern and maxLength, and compiling one that
    counts to 131,072 takes it seconds for every request it thinks up.
    """
    if isinstance(schema, list):
        for inner in schema:
            _part_long_patterns(inner)
    elif isinstance(schema, dict):
        long = isinstance(length := schema.get("maxLength"), int) and length > LONG_CHARACTERS
        if long and isinstance(pattern := schema.get("pattern"), str) and "allOf" not in schema:
            del schema["pattern"]
            schema["allOf"] = [{"pattern": pattern}]
        for inner in list(schema.values()):
            _part_long_patterns(inner)
