"""A service's policies over HTTP: which versions there are, what counted when, the next version.

The same on every service, for the policies that service follows.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, Literal, Protocol

from fastapi import Path, Query, Request
from psycopg import Connection
from pydantic import BaseModel, ConfigDict, Field, JsonValue
from starlette.responses import Response

from libs.decider import Instant, NotFound, Policies, PolicyInForce, To, Told
from libs.decider.policy import Fault
from libs.eventlog.policies import ActivatePolicy, located, refuse_unsound, version_of
from libs.eventlog.policy_files import BYTES_MAX, read_policy, seed_instant
from libs.eventlog.service import Service
from libs.eventlog.store import activations
from libs.web.access import allow
from libs.web.auth import Caller
from libs.web.commands import Ask, command
from libs.web.routing import Router

Name = Annotated[str, Path(pattern=r"^[a-z][a-z0-9-]*$", max_length=64)]
State = Literal["past", "in_force", "coming"]


class PolicyUnknown(NotFound):
    """This service follows no policy of that name; `GET /policies` lists those it follows."""

    rule = "policy-unknown"
    zh = "该服务没有此名称的规则"


class PolicyVersionUnknown(NotFound):
    """No version of this policy has that name, or none was in force at that instant."""

    rule = "policy-version-unknown"
    zh = "没有该版本,或当时没有生效的版本"


class Querying(Protocol):
    """Runs a query on a connection of its own."""

    def __call__(self, call: Callable[..., Any], *args: Any) -> Awaitable[Any]:
        """What `call(connection, *args)` returns."""


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)


class NextVersion(_Body):
    """A version of a policy, to come into force."""

    text: Annotated[str, Field(min_length=1, max_length=BYTES_MAX)]
    """The policy file as it is, YAML or JSON, with its `name`, `version` and `effective_from`."""
    effective_from: Told | None = None
    """From when it counts; left out: from its own `effective_from`."""
    at_once: bool = False
    """It counts from now, whatever it says itself."""


class Version(_Body):
    """A version on record: what it is called, since when it counts, who brought it."""

    name: str
    """The policy."""
    version: str
    """The version; it never changes."""
    sha256: str
    """The digest of its content as canonical JSON."""
    effective_from: Instant
    """From when it was meant to count."""
    active_from: Instant
    """From when it counts: never earlier than its activation, seeds excepted."""
    activated_at: Instant
    """When it came on record."""
    activated_by: str
    """Who brought it: a pseudonym, or the service itself at its first start."""
    seed: bool
    """It came with the software."""
    state: State
    """Where it stands at the instant asked about."""


class WholeVersion(Version):
    """The same with the content."""

    content: dict[str, JsonValue]
    """The whole policy."""


class Versions(_Body):
    """All versions on record, policy by policy, the oldest first."""

    versions: list[Version]
    """By name, then from when they count."""


class VersionsQuery(BaseModel):
    """Which policy's versions, as of when."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    name: str | None = Field(None, max_length=64, description="of this policy only")
    at: Told | None = Field(None, description="as of this instant; left out: now")


class WhichVersion(BaseModel):
    """Which version of a policy: that in force at an instant, or the one of a name."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    at: Told | None = Field(None, description="in force at this instant; left out: now")
    version: str | None = Field(None, max_length=64, description="this very version instead")


AfterActivating = Callable[[str, Ask], Awaitable[None]]
"""(policy, ask): what a service does once a version is on record; safe to do twice."""


async def nothing_more(_name: str, _ask: Ask) -> None:
    """A version on record is all there is to it."""


def policy_routes(
    service: Service, query: Querying, activated: AfterActivating = nothing_more
) -> Router:
    """The routes; their actions are `<service>.policy` and `<service>.policy_read`."""
    router = Router(prefix="/policies", tags=["policies"])
    names = frozenset(str(seed["name"]) for seed in service.seed_policies)

    @router.get("")
    async def policy_versions(
        request: Request,
        asked: Annotated[VersionsQuery, Query()],
        _caller: Annotated[Caller, allow(f"{service.name}.policy_read")],
    ) -> Versions:
        """Every version on record: who brought it, when, and from when it counts."""
        if asked.name is not None and asked.name not in names:
            raise PolicyUnknown
        known: Policies = await query(on_record, service)
        now: datetime = asked.at or request.app.state.now()
        return Versions(
            versions=[
                Version(**_told(one, known, now))
                for name in sorted(known.versions)
                if asked.name in (None, name)
                for one in known.versions[name]
            ]
        )

    @router.get("/{name}")
    async def policy_in_force(
        request: Request,
        name: Name,
        asked: Annotated[WhichVersion, Query()],
        _caller: Annotated[Caller, allow(f"{service.name}.policy_read")],
    ) -> WholeVersion:
        """The version in force at an instant, or a named one, whole."""
        if name not in names:
            raise PolicyUnknown
        known: Policies = await query(on_record, service)
        now: datetime = asked.at or request.app.state.now()
        one = found(known.versions.get(name, ()), now, asked.version)
        return WholeVersion(**_told(one, known, now), content=dict(one.content))

    @router.command("/{name}")
    async def activate_policy(
        name: Name, body: NextVersion, ask: Annotated[Ask, command(f"{service.name}.policy")]
    ) -> Response:
        """Bring a version into force, from now or later; what breaks a rule changes nothing.

        The same content again does nothing. 422 names each fault's line and what to do.
        """
        if name not in names:
            raise PolicyUnknown
        answer = await ask(To(name, _activation(name, body, ask.now)))
        await activated(name, ask)
        return answer

    return router


def on_record(conn: Connection[Any], service: Service) -> Policies:
    """All versions ever activated, not compiled: to be told, not to be followed."""
    policies = Policies()
    for recorded in activations(conn, service):
        policies = policies.adding(version_of(recorded))
    return policies


def found(versions: Sequence[PolicyInForce], at: datetime, version: str | None) -> PolicyInForce:
    """The version in force at `at`, or the named one; raises PolicyVersionUnknown."""
    wanted = [
        one
        for one in versions
        if (one.active_from <= at if version is None else one.version == version)
    ]
    if not wanted:
        raise PolicyVersionUnknown
    return wanted[-1]


def _told(one: PolicyInForce, known: Policies, at: datetime) -> Mapping[str, Any]:
    begun = [other for other in known.versions[one.name] if other.active_from <= at]
    state: State = "coming"
    if one in begun:
        state = "in_force" if one is begun[-1] else "past"
    return {
        "name": one.name,
        "version": one.version,
        "sha256": one.sha256,
        "effective_from": one.effective_from,
        "active_from": one.active_from,
        "activated_at": one.activated_at,
        "activated_by": one.activated_by,
        "seed": one.seed,
        "state": state,
    }


def _activation(name: str, body: NextVersion, now: datetime) -> ActivatePolicy:
    """The command, once the text can be read; raises PolicyUnsound."""
    told = read_policy(body.text)
    content, faults = dict(told.content), list(told.faults)
    if content.get("name") not in (None, name):
        faults.append(Fault("unsound", ("name",), f"this is no version of {name}: send it there"))
    version = str(content.get("version", "?"))
    refuse_unsound(name, version, located(faults, told.lines_as_read))
    since = body.effective_from or seed_instant(content["effective_from"])
    return ActivatePolicy(
        at=now,
        name=name,
        version=version,
        effective_from=None if body.at_once else since,
        content=content,
        lines=dict(told.lines_as_read),
    )
