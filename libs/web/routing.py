"""Routes that check before they read, and read strictly.

The order of every request: who is it, may they, is the query known, is the body JSON, does it fit.
So nobody unknown makes us read a body, and what a handler gets has been checked whole.
"""

from collections.abc import Callable, Coroutine, Iterator, Mapping
from typing import Any

from fastapi import APIRouter, params
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic_core import to_json
from starlette.requests import Request
from starlette.responses import Response

from libs.web.access import guards
from libs.web.commands import Done
from libs.web.problem import Fault, InvalidRequest, fault_at, invalid
from libs.web.reading import (
    ReadRequest,
    bounded_body,
    expect_json,
    holds_control_characters,
    refuse_control_characters,
    refuse_loose_forms,
    strict_json,
)

KEY_HEADER = "Idempotency-Key"

BODY_BYTES_MAX_NAME = "x-body-bytes-max"
"""In a route's `openapi_extra`: how large its body may be, where that is not the service's own."""

Handler = Callable[[Request], Coroutine[Any, Any, Response]]


class StrictRoute(APIRoute):
    """A route whose request is authenticated, authorised, bounded and strictly read, in this order.

    A JSON body is validated in pydantic's strict JSON mode: what the OpenAPI schema calls a number
    must be a number, not a text that looks like one.
    """

    def get_route_handler(self) -> Handler:
        """FastAPI's own handler behind our checks."""
        handle = super().get_route_handler()
        known = _query_names(self.dependant)
        declared = tuple(guards(self.dependant))
        body_type = _body_type(self)
        bytes_max = (self.openapi_extra or {}).get(BODY_BYTES_MAX_NAME)
        takes_key = any(one.alias == KEY_HEADER for one in _headers(self.dependant))

        async def checked(request: Request) -> Response:
            for guard in declared:
                await guard.check(request)
            _check_line_texts(request, known)
            try:
                read = await _read(request, body_type, bytes_max)
            except InvalidRequest as refusal:
                if takes_key and KEY_HEADER not in request.headers:
                    missing = fault_at("missing", "header", KEY_HEADER)
                    refusal.faults = (missing, *refusal.faults)
                raise
            return await handle(read)

        return checked


class Router(APIRouter):
    """An APIRouter with strict routes; `command` is POST answering `Done`.

    Every service's `api.py` makes its routes with this; any other route keeps it from starting.
    """

    def __init__(self, *, prefix: str = "", tags: list[str] | None = None) -> None:
        super().__init__(
            prefix=prefix,
            tags=list(tags) if tags else None,
            route_class=StrictRoute,
            redirect_slashes=False,
        )

    def command(
        self, path: str, *, status_code: int = 200, response_model: Any = Done, **more: Any
    ) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        """A POST whose handler returns `await ask(...)`; `response_model` documents the answer."""
        return self.post(path, status_code=status_code, response_model=response_model, **more)


def _headers(dependant: Dependant) -> Iterator[Any]:
    yield from dependant.header_params
    for inner in dependant.dependencies:
        yield from _headers(inner)


def _query_names(dependant: Dependant) -> Mapping[str, bool]:
    """Each known query parameter, and whether it may be repeated."""
    names: dict[str, bool] = {}
    for field in dependant.query_params:
        kind = field.field_info.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            for name, inner in kind.model_fields.items():
                names[inner.alias or name] = _is_list(inner.annotation)
        else:
            names[field.alias] = _is_list(kind)
    for inner_dependant in dependant.dependencies:
        names |= _query_names(inner_dependant)
    return names


def _is_list(annotation: Any) -> bool:
    return getattr(annotation, "__origin__", annotation) in (list, tuple, set, frozenset)


def _check_line_texts(request: Request, known: Mapping[str, bool]) -> None:
    """Raises InvalidRequest for an unknown or repeated query parameter or a control character."""
    faults: list[Fault] = []
    seen: set[str] = set()
    for name, value in request.query_params.multi_items():
        if name not in known:
            faults.append(fault_at("extra_forbidden", "query", name))
        elif name in seen and not known[name]:
            faults.append(fault_at("repeated", "query", name))
        elif holds_control_characters(value, one_line=True):
            faults.append(fault_at("control_characters", "query", name))
        seen.add(name)
    for name, value in request.path_params.items():
        if holds_control_characters(str(value), one_line=True):
            faults.append(fault_at("control_characters", "path", name))
    if faults:
        raise InvalidRequest(faults[:50])


def _body_type(route: APIRoute) -> TypeAdapter[Any] | None:
    """How the route's one JSON body is validated; None where it takes none.

    Raises TypeError for a body that this module would not check: a form, or several parameters.
    """
    fields = list(_body_fields(route.dependant))
    if not fields:
        return None
    info = fields[0].field_info
    if len(fields) > 1 or not isinstance(info, params.Body) or isinstance(info, params.Form):
        raise TypeError(f"{route.path}: a body is one JSON parameter, a pydantic model")
    if info.embed:
        raise TypeError(f"{route.path}: a body is not embedded under a name")
    kind: Any = info.annotation
    return TypeAdapter(kind)


def _body_fields(dependant: Dependant) -> Iterator[Any]:
    yield from dependant.body_params
    for inner in dependant.dependencies:
        yield from _body_fields(inner)


def _validated(body_type: TypeAdapter[Any], read: ReadRequest) -> Any:
    try:
        return body_type.validate_json(read.raw, strict=True)
    except ValidationError as error:
        if all(one["type"] != "int_type" for one in error.errors(include_url=False)):
            raise
    # pydantic takes no `9.0` for a whole number; the schema does, and so `parsed` has it as 9
    return body_type.validate_json(to_json(read.parsed), strict=True)


async def _read(
    request: Request, body_type: TypeAdapter[Any] | None, bytes_max: int | None
) -> ReadRequest:
    read = ReadRequest(request.scope, request.receive)
    read.raw = await bounded_body(request, bytes_max or request.app.state.body_bytes_max)
    if not read.raw:
        return read
    if body_type is None:
        raise InvalidRequest([fault_at("no_body", "body")])
    expect_json(request)
    read.parsed = strict_json(read.raw)
    refuse_control_characters(read.parsed)
    try:
        read.value = _validated(body_type, read)
    except ValidationError as error:
        located = [{**one, "loc": ("body", *one["loc"])} for one in error.errors(include_url=False)]
        raise invalid(located) from None
    refuse_loose_forms(read.parsed, read.value)
    return read
