"""Who may do what, as the log has it: the table in force, tokens on record, roles taken away.

A token is put on record by the first service that sees it, before it is obeyed, so nothing was ever
done with one that the log does not know. Each service keeps what it heard in its own database and
looks there each second, so whatever is revoked is refused everywhere soon, and after a restart too.
"""

import re
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

from psycopg import Connection
from pydantic import ConfigDict, SerializeAsAny

from libs.decider import (
    Command,
    Context,
    Decider,
    Event,
    Fault,
    Recorded,
    Row,
    State,
    To,
)
from libs.eventlog.envelope import Origin
from libs.eventlog.policies import active_from
from libs.eventlog.policy_files import read_policy_file
from libs.eventlog.service import AccessEvents, Service
from libs.eventlog.tables import Table
from libs.eventlog.work import Work
from libs.web.access import SHIPPED, AccessTable, load_access_table, vet_access_table
from libs.web.auth import Caller, Shown, TokenRevoked
from libs.web.problem import Unavailable

ACCESS = "access"
"""The name of the policy that is the table of roles and actions."""

OWNER = "/bihuan/intake"
"""Whose decisions about access count: the service that is the only door in."""

TOKEN = "token"  # noqa: S105 - a kind of stream
ROLE = "role"
CODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:@/+-]{0,95}\Z")


class _Noting(Command):
    """Carries the event that the command leads to, unless it has already."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)
    event: SerializeAsAny[Event]


class ShowToken(_Noting):
    """Put on record that this token was issued; subject: its digest."""


class RevokeToken(_Noting):
    """Let this token be good for nothing any more; subject: its digest."""


class ChangeRoles(_Noting):
    """Let somebody use these roles and no others; subject: the pseudonym."""

    roles: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TokenStream(State):
    """What is on record here of one token."""

    issued: bool = False
    revoked: bool = False


@dataclass(frozen=True, slots=True)
class RoleStream(State):
    """The roles that somebody may use."""

    roles: tuple[str, ...]


def token_decider(events: AccessEvents) -> Decider[TokenStream]:
    """Streams of tokens: issued once, revoked once."""

    def decide(
        state: TokenStream | None, command: ShowToken | RevokeToken, _context: Context
    ) -> Sequence[Event]:
        known = state or TokenStream()
        done = known.issued if isinstance(command, ShowToken) else known.revoked
        return [] if done else [command.event]

    def evolve(state: TokenStream | None, recorded: Recorded[Any]) -> TokenStream:
        known = state or TokenStream()
        if isinstance(recorded.data, events.token_issued):
            return replace(known, issued=True)
        return replace(known, revoked=True)

    return Decider(
        kind=TOKEN,
        commands=(ShowToken, RevokeToken),
        events=(events.token_issued, events.token_revoked),
        decide=decide,
        evolve=evolve,
        subject_is_id=False,
    )


def role_decider(events: AccessEvents) -> Decider[RoleStream]:
    """Streams of who may use which roles: what is so already is not said again."""

    def decide(
        state: RoleStream | None, command: ChangeRoles, _context: Context
    ) -> Sequence[Event]:
        return [] if state is not None and state.roles == command.roles else [command.event]

    def evolve(_state: RoleStream | None, recorded: Recorded[Any]) -> RoleStream:
        return RoleStream(tuple(recorded.data.roles))

    return Decider(
        kind=ROLE,
        commands=(ChangeRoles,),
        events=(events.role_changed,),
        decide=decide,
        evolve=evolve,
        subject_is_id=False,
    )


# -- what each service keeps of it ----------------------------------------------------------------

TABLES = (
    Table(
        "access_token",
        {
            "digest": "text not null",
            "token": "text not null",
            "who": "text not null",
            "roles": "text[]",
            "expires": "timestamptz",
            "revoked": "boolean",
        },
        key=("digest",),
        indexes=("revoked", "token"),
    ),
    Table(
        "access_role",
        {
            "who": "text not null",
            "roles": "text[] not null",
            "changed_by": "text not null",
            "reason": "text not null",
            "since": "timestamptz not null",
            "sequence": "bigint not null",
        },
        key=("who",),
    ),
    Table(
        "access_version",
        {
            "version": "text not null",
            "active_from": "timestamptz not null",
            "content": "jsonb not null",
        },
        key=("version",),
    ),
)


def following(service: Service, events: AccessEvents) -> Service:
    """The same service, which hears of access, keeps it, and puts tokens on record."""
    activated = service.housekeeping.policy_activated
    own_hears, own_react, own_rows = service.hears, service.react, service.heard_rows

    def react(recorded: Recorded[Any]) -> Sequence[To]:
        return own_react(recorded) if recorded.type in own_hears else ()

    def heard_rows(recorded: Recorded[Any]) -> Iterable[Row]:
        if recorded.type in own_hears:
            yield from own_rows(recorded)
        yield from rows_of(recorded, events, activated)

    heard = (events.token_issued, events.token_revoked, events.role_changed, activated)
    return replace(
        service,
        deciders=(*service.deciders, token_decider(events), role_decider(events)),
        hears=own_hears | {one.type for one in heard},
        react=react,
        heard_rows=heard_rows,
        tables=(*service.tables, *TABLES),
        access=events,
    )


def owned(service: Service) -> Service:
    """The same service, which follows the table as a policy: the shipped one is its seed."""
    compiled, vet = service.compile_policy, service.vet_policy

    def compile_policy(name: str, content: Mapping[str, Any]) -> Any:
        return read_access(content) if name == ACCESS else compiled(name, content)

    def vet_policy(name: str, content: Mapping[str, Any]) -> Sequence[Fault]:
        if name != ACCESS:
            return vet(name, content)
        return list(vet_access_table(read_access(content), load_access_table(SHIPPED)))

    return replace(
        service,
        compile_policy=compile_policy,
        vet_policy=vet_policy,
        seed_policies=(*service.seed_policies, read_policy_file(SHIPPED).content),
    )


def read_access(content: Mapping[str, Any]) -> AccessTable:
    """A version of the table; raises ValueError (pydantic's) for what is none."""
    return AccessTable.model_validate(dict(content))


def rows_of(recorded: Recorded[Any], events: AccessEvents, activated: type[Event]) -> Iterable[Row]:
    """What is kept of an event about access; of another, nothing."""
    told, kind = recorded.data, recorded.type
    if kind == events.token_issued.type:
        yield Row.of(
            "access_token",
            {"digest": recorded.subject},
            token=told.token,
            who=told.who,
            roles=list(told.roles),
            expires=told.expires,
        )
    elif recorded.source != OWNER:
        return
    elif kind == events.token_revoked.type:
        yield Row.of(
            "access_token",
            {"digest": recorded.subject},
            token=told.token,
            who=told.who,
            revoked=True,
        )
    elif kind == events.role_changed.type:
        yield Row.of(
            "access_role",
            {"who": recorded.subject},
            roles=list(told.roles),
            changed_by=told.by,
            reason=told.reason,
            since=recorded.time,
            sequence=recorded.sequence,
        )
    elif kind == activated.type and recorded.subject == ACCESS:
        yield Row.of(
            "access_version",
            {"version": told.version},
            active_from=active_from(recorded),
            content=told.content,
        )


# -- what an instance goes by ---------------------------------------------------------------------


@dataclass(slots=True)
class _Known:
    """What is in the database, as it was looked at last."""

    stamp: tuple[int, ...] = ()
    versions: tuple[tuple[datetime, AccessTable], ...] = ()
    roles: Mapping[str, frozenset[str]] = field(default_factory=dict)
    revoked: frozenset[str] = frozenset()


class AccessInForce:
    """What one instance goes by when somebody calls: asked at each request, without a query.

    `shipped` is the table that came with the software: it counts until a version is on record.
    """

    def __init__(
        self,
        shipped: AccessTable,
        events: AccessEvents,
        now: Callable[[], datetime],
        query: Callable[..., Awaitable[Any]],
        transact: Callable[[Callable[[Work], None]], Awaitable[None]],
    ) -> None:
        self._shipped = shipped
        self._events = events
        self._now = now
        self._query = query
        self._transact = transact
        self._known = _Known()
        self._strange: list[str] = []
        self.closed = True
        """Nobody is let in: what was revoked while the instance was down may not be known yet."""

    def let_in(self) -> None:
        """From now on callers are let in: what is known is what was on the log at the start."""
        self.closed = False

    # -- the table -------------------------------------------------------------------------------

    @property
    def table(self) -> AccessTable:
        """The table of roles and actions in force now."""
        now = self._now()
        for since, table in self._known.versions:
            if since <= now:
                return table
        return self._shipped

    def permits(self, roles: frozenset[str], action: str) -> bool:
        """True when one of `roles` may do `action` by the table in force."""
        return self.table.permits(roles, action)

    # -- callers ---------------------------------------------------------------------------------

    def standing(self, digest: str, caller: Caller) -> Caller:
        """The caller with the roles that may be used; raises TokenRevoked, or Unavailable."""
        self._refuse_closed()
        known = self._known
        if digest in known.revoked:
            raise TokenRevoked
        allowed = known.roles.get(caller.actor)
        return caller if allowed is None else replace(caller, roles=caller.roles & allowed)

    async def shown(self, token: Shown) -> None:
        """A token this instance sees for the first time: on record before it is obeyed.

        Raises Unavailable, and has then put nothing on record.
        """
        self._refuse_closed()
        if not await self._query(_is_on_record, token.digest):
            await self._transact(lambda work: self._put_on_record(work, token))

    def _refuse_closed(self) -> None:
        if self.closed:
            raise Unavailable("This service has just started and still catches up with the log.")

    def _put_on_record(self, work: Work, token: Shown) -> None:
        event = self._events.token_issued.model_validate(
            {
                "token": token.id,
                "who": as_code(token.actor),
                "roles": tuple(sorted(token.roles)),
                "expires": datetime.fromtimestamp(token.expires_s, UTC),
                "by": as_code(f"key:{token.key}"),
                "digest": token.digest,
            }
        )
        work.apply(
            To(token.digest, ShowToken(at=work.now, event=event)),
            Origin(causation="request", actor=token.actor),
        )

    # -- looking ---------------------------------------------------------------------------------

    def look(self, conn: Connection[Any]) -> None:
        """Takes over what was heard since; called each second, and reads nothing where nothing is.

        Not by time of the domain's clock, which may stand still: by how much is on record.
        """
        row = conn.execute(
            "SELECT (SELECT count(*) FROM access_token WHERE revoked) AS revoked, "
            "(SELECT coalesce(sum(sequence), 0) FROM access_role)::bigint AS roles, "
            "(SELECT count(*) FROM access_version) AS versions"
        ).fetchone()
        assert row is not None
        stamp = (row["revoked"], row["roles"], row["versions"])
        if stamp == self._known.stamp:
            return
        versions = conn.execute(
            "SELECT version, active_from, content FROM access_version "
            "ORDER BY active_from DESC, version"
        ).fetchall()
        roles = conn.execute("SELECT who, roles FROM access_role").fetchall()
        revoked = conn.execute("SELECT digest FROM access_token WHERE revoked").fetchall()
        self._known = _Known(
            stamp,
            tuple(self._readable(versions)),
            {one["who"]: frozenset(one["roles"]) for one in roles},
            frozenset(one["digest"] for one in revoked),
        )

    def _readable(
        self, versions: Sequence[Mapping[str, Any]]
    ) -> Iterator[tuple[datetime, AccessTable]]:
        """The versions that this release can read; of another the one before goes on counting."""
        self._strange = []
        for one in versions:
            try:
                yield one["active_from"], read_access(one["content"])
            except ValueError:
                self._strange.append(f"access {one['version']} is for another release: upgrade")

    def missing(self) -> Sequence[str]:
        """What somebody should see to: actions of this release that nobody may do."""
        table = self.table
        lacking = sorted(self._shipped.actions - table.actions)
        if not lacking:
            return self._strange
        told = ", ".join(lacking)
        return (
            *self._strange,
            f"access {table.version} lets nobody do {told}: activate a version of the table that "
            "does (docs/policies.md)",
        )


def _is_on_record(conn: Connection[Any], digest: str) -> bool:
    row = conn.execute(
        "SELECT 1 FROM access_token WHERE digest = %s AND roles IS NOT NULL", (digest,)
    ).fetchone()
    return row is not None


def as_code(text: str) -> str:
    """A name that others chose, as events may carry it: itself, or the start of its digest."""
    return text if CODE.match(text) else f"sha256-{sha256(text.encode()).hexdigest()[:32]}"
