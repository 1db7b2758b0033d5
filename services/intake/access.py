"""Tokens and roles over HTTP: what a token may do, what is on record, what is taken away.

intake decides, for it is the only door in; every service hears it and goes by it.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from fastapi import Path, Query, Request
from psycopg import Connection
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from contracts.housekeeping import RoleChanged, TokenRevoked
from contracts.values import Instant, Reason
from libs.decider import Lookups, NotFound, Refused, To
from libs.eventlog.policies import content_digest
from libs.messaging.access import ACCESS, ChangeRoles, RevokeToken
from libs.messaging.app import App
from libs.web import Ask, Caller, Page, PageQuery, Router, allow, command, known_caller, page_of
from libs.web.auth import ACTOR, TOKEN_NAME

Who = Annotated[str, Path(pattern=ACTOR.pattern.removesuffix(r"\Z") + "$", max_length=96)]
Token = Annotated[
    str,
    Path(
        pattern=TOKEN_NAME.pattern.removesuffix(r"\Z") + "$",
        max_length=96,
        description="the id on record, or the digest",
    ),
]
RoleName = Annotated[str, Field(pattern=r"^[a-z][a-z_]{0,31}$")]


class TokenUnknown(NotFound):
    """No token of that id is on record; `GET /tokens` lists those that are."""

    rule = "token-unknown"
    zh = "没有该编号的令牌记录"


class RoleUnknown(Refused):
    """The table of roles and actions in force has no such role; `bihuan policy show access`."""

    rule = "role-unknown"
    zh = "现行角色权限表中没有该角色"


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)


class TokenToldOf(_Body):
    """What the token that asks may do. Asking puts it on record, if it is not yet."""

    actor: str
    """Whose it is: a kind and a pseudonym."""
    roles: list[str]
    """The roles that may be used with it: known to the table, and not taken away."""
    actions: list[str]
    """What these roles may do by the table in force."""
    access: str
    """The version of that table."""


class TokenShown(_Body):
    """A token on record; never the token."""

    token: str
    """Its id."""
    who: str
    """Whose it is."""
    roles: list[str]
    """The roles it names."""
    expires: Instant | None
    """Until when it is good; null: it was revoked before it was ever seen."""
    revoked: bool
    """It is good for nothing any more."""
    digest: str
    """SHA-256 of what of the token is signed, in hex."""


class TokensQuery(PageQuery):
    """Whose tokens."""

    who: str | None = Field(None, max_length=96, description="of this pseudonym only")


class RolesShown(_Body):
    """The roles that somebody may use, whatever more their tokens say."""

    who: str
    """A kind and a pseudonym."""
    roles: list[str]
    """Those that may be used; none: nothing may be done."""
    changed_by: str
    """Who said so."""
    reason: str
    """Why."""
    since: Instant
    """Since when."""


class Revoking(_Body):
    """Why a token is to be good for nothing."""

    reason: Reason
    """Why; kept on record."""


class Changing(_Body):
    """The roles that somebody may use from now."""

    roles: Annotated[list[RoleName], Field(max_length=32)]
    """No others; an empty list takes everything away."""
    reason: Reason
    """Why; kept on record."""


def access_routes(app: App) -> Router:
    """Looking at tokens and roles, revoking and changing them."""
    router = Router(tags=["access"])
    assert app.access is not None
    access = app.access

    @router.get("/token")
    async def token_told_of(caller: Annotated[Caller, known_caller]) -> TokenToldOf:
        """What the token that asks may do; from then on it is on record."""
        table = access.table
        may = {one for role in caller.roles for one in table.roles.get(role, ())}
        return TokenToldOf(
            actor=caller.actor,
            roles=sorted(caller.roles & set(table.roles)),
            actions=sorted(may),
            access=table.version,
        )

    @router.get("/tokens")
    async def tokens_on_record(
        request: Request,
        asked: Annotated[TokensQuery, Query()],
        _caller: Annotated[Caller, allow("intake.access_read")],
    ) -> Page[TokenShown]:
        """Every token that was ever shown, by whose it is; never the token itself."""
        rows = await app.query(_tokens, asked.who, asked.after(str, str), asked.limit)
        shown, following = page_of(
            request, rows, asked.limit, lambda row: (row["who"], row["digest"])
        )
        return Page(items=[_token(row) for row in shown], next=following)

    @router.command("/tokens/{token}/revoke")
    async def revoke_token(
        token: Token, body: Revoking, ask: Annotated[Ask, command("intake.access")]
    ) -> Response:
        """Let a token be good for nothing, in every service, within seconds."""
        now, by = ask.now, ask.caller.actor

        def chosen(lookups: Lookups) -> Sequence[To]:
            known = lookups.rows("access_token", token=token)
            known = known or lookups.rows("access_token", digest=token)
            if not known:
                raise TokenUnknown
            return [To(one["digest"], _revocation(one, now, by, body.reason)) for one in known]

        return await ask(chosen)

    @router.get("/roles")
    async def roles_on_record(
        request: Request,
        page: Annotated[PageQuery, Query()],
        _caller: Annotated[Caller, allow("intake.access_read")],
    ) -> Page[RolesShown]:
        """Whose roles were changed, to which; of everybody else the token alone says it."""
        rows = await app.query(_roles, page.after(str), page.limit)
        shown, following = page_of(request, rows, page.limit, lambda row: (row["who"],))
        return Page(items=[RolesShown.model_validate(row) for row in shown], next=following)

    @router.command("/roles/{who}")
    async def change_roles(
        who: Who, body: Changing, ask: Annotated[Ask, command("intake.access")]
    ) -> Response:
        """Let somebody use these roles and no others, in every service, within seconds."""
        table = access.table
        unknown = sorted(set(body.roles) - set(table.roles))
        if unknown:
            known = ", ".join(sorted(table.roles))
            raise RoleUnknown(f"no such role: {', '.join(unknown)}; there are {known}")
        roles = tuple(sorted(set(body.roles)))
        content = app.writer.policies.in_force(ACCESS, app.clock.now()).content
        changed = RoleChanged(
            who=who,
            roles=roles,
            by=ask.caller.actor,
            reason=body.reason,
            digest=content_digest(content),
        )
        return await ask(To(who, ChangeRoles(at=ask.now, event=changed, roles=roles)))

    return router


def _revocation(row: Mapping[str, Any], at: Any, by: str, reason: str) -> RevokeToken:
    event = TokenRevoked(
        token=row["token"], who=row["who"], by=by, reason=reason, digest=row["digest"]
    )
    return RevokeToken(at=at, event=event)


def _tokens(
    conn: Connection[Any], who: str | None, after: tuple[str, str] | None, limit: int
) -> list[Mapping[str, Any]]:
    return conn.execute(
        "SELECT digest, token, who, roles, expires, revoked FROM access_token "
        "WHERE (%(who)s::text IS NULL OR who = %(who)s) "
        "AND (who, digest) > (%(after)s, %(digest)s) ORDER BY who, digest LIMIT %(limit)s",
        {
            "who": who,
            "after": after[0] if after else "",
            "digest": after[1] if after else "",
            "limit": limit + 1,
        },
    ).fetchall()


def _roles(conn: Connection[Any], after: tuple[str] | None, limit: int) -> list[Mapping[str, Any]]:
    return conn.execute(
        "SELECT who, roles, changed_by, reason, since FROM access_role WHERE who > %s "
        "ORDER BY who LIMIT %s",
        (after[0] if after else "", limit + 1),
    ).fetchall()


def _token(row: Mapping[str, Any]) -> TokenShown:
    return TokenShown(
        token=row["token"],
        who=row["who"],
        roles=row["roles"] or [],
        expires=row["expires"],
        revoked=bool(row["revoked"]),
        digest=row["digest"],
    )
