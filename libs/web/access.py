"""Who may do what: a versioned table of roles and actions; each route says its action.

The table is data (DOMAIN rule 13); this module knows its shape and nothing of any action. A route
that says neither its action nor that it is open keeps the service from starting.
"""

import re
from collections.abc import Iterator
from datetime import date
from difflib import get_close_matches
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Protocol

import yaml
from fastapi import FastAPI, Request, Security
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute, iter_route_contexts
from fastapi.security import HTTPBearer
from pydantic import BaseModel, ConfigDict, Field, model_validator

from libs.decider.policy import Fault, Unsound
from libs.web.auth import ROLE, Authenticator, Caller
from libs.web.problem import NotAllowed

ACTION = re.compile(r"[a-z][a-z_]*\.[a-z][a-z_]*\Z")
"""`<service>.<verb>`, e.g. `routing.accept`."""

BEARER = HTTPBearer(auto_error=False, bearerFormat="JWT", description="a signed token (RFC 7519)")


class RoleWords(BaseModel):
    """What a role is, in both languages."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    zh: str
    en: str


class AccessTable(BaseModel):
    """Roles and the actions each may do; no wildcards, so that a diff shows every change."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    name: str = "access"
    version: str
    effective_from: date | str
    """A date (00:00 in Shanghai) or an instant with its zone."""
    roles: dict[str, tuple[str, ...]]
    about: dict[str, RoleWords] = Field(default_factory=dict)
    """What each role is, for people."""

    @model_validator(mode="after")
    def _well_formed(self) -> "AccessTable":
        for role, actions in self.roles.items():
            if not ROLE.match(role):
                problem = f"{role!r} cannot be a role: no token would carry it; write a-z and _"
                raise Unsound.at("unsound", ("roles", role), problem)
            for number, action in enumerate(actions):
                where = ("roles", role, number)
                if not ACTION.match(action):
                    problem = f"role {role}: {action!r} is not <service>.<verb>"
                    raise Unsound.at("unsound", where, problem)
                if action in actions[:number]:
                    problem = f"role {role} names an action twice, {action}: keep one of them"
                    raise Unsound.at("overlap", where, problem)
        return self

    @cached_property
    def actions(self) -> frozenset[str]:
        """Every action that anybody may do."""
        return frozenset(action for actions in self.roles.values() for action in actions)

    @cached_property
    def _granted(self) -> dict[str, frozenset[str]]:
        return {role: frozenset(actions) for role, actions in self.roles.items()}

    def permits(self, roles: frozenset[str], action: str) -> bool:
        """True when one of `roles` may do `action`; a role the table lacks may do nothing."""
        return any(action in self._granted.get(role, ()) for role in roles)


SHIPPED = Path(__file__).parents[2] / "infra" / "access.v1.yaml"
"""The table that came with the software, which knows every action that a route declares."""


def load_access_table(path: Path) -> AccessTable:
    """The table in a YAML file; raises ValueError (pydantic's) naming what is wrong in it."""
    return AccessTable.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))


def vet_access_table(table: AccessTable, known: AccessTable) -> Iterator[Fault]:
    """What is wrong with a next table beside the one whose actions the routes declare."""
    for role, actions in table.roles.items():
        for number, action in enumerate(actions):
            if action not in known.actions:
                near = get_close_matches(action, known.actions, n=1)
                hint = f"did you mean {near[0]}?" if near else "no route declares it"
                problem = f"unknown action {action!r}: {hint}"
                yield Fault("unknown", ("roles", role, number), problem)
        if role not in table.about:
            problem = f"role {role} is not explained: say in `about` what it is, in both languages"
            yield Fault("missing", ("roles", role), problem)
    for action in sorted(known.actions - table.actions):
        problem = f"nobody may do {action}, so its service would not start: give it to a role"
        yield Fault("gap", ("roles",), problem)


class Permits(Protocol):
    """Who may do what, at this instant."""

    def permits(self, roles: frozenset[str], action: str) -> bool:
        """True when one of `roles` may do `action`."""
        ...


class UndeclaredRoute(RuntimeError):
    """A route says neither which action it is nor that it is open; the service does not start."""


class _Allow:
    """The dependency behind `allow` and `command`: authenticated, and one role permits it."""

    def __init__(self, action: str | None) -> None:
        if action is not None and not ACTION.match(action):
            raise ValueError(f"an action is <service>.<verb>, not {action!r}")
        self.action = action

    async def __call__(self, request: Request, _scheme: Annotated[Any, Security(BEARER)]) -> Caller:
        return await self.check(request)

    async def check(self, request: Request) -> Caller:
        """The caller; raises NotAuthenticated or NotAllowed. Runs once before the body is read."""
        caller = getattr(request.state, "caller", None)
        if caller is None:
            authenticator: Authenticator = request.app.state.authenticator
            caller = await authenticator.caller(request.headers.get("authorization"))
            request.state.caller = caller
        access: Permits = request.app.state.access
        if self.action is not None and not access.permits(caller.roles, self.action):
            raise NotAllowed(f"None of your roles permits {self.action}; ask an administrator.")
        assert isinstance(caller, Caller)
        return caller


async def _public() -> None:
    """Marks a route that anybody may call."""


def allow(action: str) -> Any:
    """Declares a route's action and gives its caller: `caller: Annotated[Caller, allow("a.b")]`."""
    return Security(_Allow(action))


known_caller: Any = Security(_Allow(None))
"""Declares a route open to every caller with a valid token, whatever the role."""

public: Any = Security(_public)
"""Declares a route open to anybody: `dependencies=[public]`. Health and metrics only."""


def guards(dependant: Dependant) -> Iterator[_Allow]:
    """The declarations among a route's dependencies, at any depth."""
    if isinstance(dependant.call, _Allow):
        yield dependant.call
    for inner in dependant.dependencies:
        yield from guards(inner)


def _is_public(dependant: Dependant) -> bool:
    return dependant.call is _public or any(map(_is_public, dependant.dependencies))


def assert_every_route_declares(app: FastAPI, access: AccessTable) -> None:
    """Raises UndeclaredRoute naming the first route that declares nothing, or an unknown action."""
    for route in iter_route_contexts(app.routes):
        name = f"{'/'.join(sorted(route.methods or ()))} {route.path}"
        if not isinstance(route.original_route, APIRoute):
            raise UndeclaredRoute(f"{name}: only routes that declare an action may be served")
        declared = {guard.action for guard in guards(route.dependant)}
        if len(declared) + _is_public(route.dependant) != 1:
            raise UndeclaredRoute(
                f"{name}: declare exactly one action with allow() or command(), or public"
            )
        for action in declared - {None}:
            if action not in access.actions:
                raise UndeclaredRoute(f"{name}: no role may do {action!r} in the access table")
