"""Legal holds over HTTP: placed by complaint, person or time, lifted by name."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Self
from uuid import UUID

from fastapi import Request
from psycopg import Connection
from pydantic import BaseModel, ConfigDict, Field, model_validator
from starlette.responses import Response

from contracts.values import Instant, Reason, Told
from libs.decider import Lookups, NotFound, Refused, To
from libs.eventlog import Table
from libs.messaging.app import App
from libs.web import Ask, Caller, Page, Paging, Router, allow, command, page_of
from services.audit.domain.holds import LEGAL_HOLDS, HoldUnknown, LiftHold, PlaceHold

AT_ONCE_MAX = 500

TABLE = Table(
    LEGAL_HOLDS,
    {
        "hold": "text not null",
        "complaint": "uuid not null",
        "ground": "text not null",
        "placed_by": "text not null",
        "since": "timestamptz not null",
        "until": "timestamptz",
    },
    key=("hold", "complaint"),
    indexes=("complaint",),
)


class NothingToHold(NotFound):
    """No complaint on record is meant; it may still be under way."""

    rule = "nothing-to-hold"
    zh = "没有符合条件的投诉"


class TooManyToHold(Refused):
    """More than 500 complaints are meant; place several holds, each for a shorter time."""

    rule = "too-many-to-hold"
    zh = "一次最多保全 500 件投诉,请缩小范围"


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)


class Span(_Body):
    """Complaints that came on record in a time; of history, when they were told back then."""

    told_from: Told
    """At or after this instant."""
    told_to: Told
    """Before this instant."""


Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.:@+-]*$", max_length=96)]
"""A code without a slash, for it stands in a path when the hold is lifted."""


class Placing(_Body):
    """A hold, and on what: exactly one of complaints, person, told."""

    hold: Name
    """Its name, e.g. a court's or a regulator's reference."""
    ground: Reason
    """Why."""
    until: Told | None = None
    """When it ends by itself; left out: when it is lifted."""
    complaints: Annotated[list[UUID], Field(min_length=1, max_length=AT_ONCE_MAX)] | None = None
    """These complaints."""
    person: UUID | None = None
    """All complaints that this person has on record now."""
    told: Span | None = None
    """All complaints that came on record in this time."""

    @model_validator(mode="after")
    def _one(self) -> Self:
        given = [one for one in (self.complaints, self.person, self.told) if one is not None]
        if len(given) != 1:
            raise ValueError("say exactly one of complaints, person, told")
        return self


class Lifting(_Body):
    """Why a hold is over."""

    ground: Reason
    """Why."""


class HoldShown(_Body):
    """A hold that is on."""

    hold: str
    """Its name."""
    complaint: UUID
    """What is kept."""
    ground: str
    """Why."""
    placed_by: str
    """Who placed it."""
    since: Instant
    """Since when."""
    until: Instant | None
    """When it ends by itself."""


def holds(conn: Connection[Any], after: tuple[str, UUID] | None, limit: int) -> list[HoldShown]:
    """The holds that are on, by name; `limit + 1` at most."""
    found = conn.execute(
        f"SELECT * FROM {LEGAL_HOLDS} WHERE (hold, complaint) > (%s, %s) "
        "ORDER BY hold, complaint LIMIT %s",
        (*(after or ("", UUID(int=0))), limit + 1),
    ).fetchall()
    return [HoldShown.model_validate(row) for row in found]


def told_between(conn: Connection[Any], start: datetime, end: datetime) -> list[UUID]:
    """Complaints that came on record in a time; one more than may be held at once, at most."""
    found = conn.execute(
        "SELECT complaint FROM complaint WHERE registered_at >= %s AND registered_at < %s "
        "ORDER BY complaint LIMIT %s",
        (start, end, AT_ONCE_MAX + 1),
    ).fetchall()
    return [row["complaint"] for row in found]


def routes(app: App) -> Router:
    """Placing, lifting, listing."""
    router = Router(prefix="/holds", tags=["legal holds"])

    @router.get("")
    async def listed(
        request: Request, page: Paging, _caller: Annotated[Caller, allow("audit.hold")]
    ) -> Page[HoldShown]:
        """The holds that are on, by name, a line for each complaint."""
        rows = await app.query(holds, page.after(str, UUID), page.limit)
        shown, following = page_of(request, rows, page.limit, lambda one: (one.hold, one.complaint))
        return Page(items=list(shown), next=following)

    @router.command("")
    async def place(body: Placing, ask: Annotated[Ask, command("audit.hold")]) -> Response:
        """Keep complaints whatever their age; all of them, or none when one is refused."""
        now, by = ask.now, ask.caller.actor
        found: list[UUID] = []
        if body.told is not None:
            found = await app.query(told_between, body.told.told_from, body.told.told_to)

        def chosen(lookups: Lookups) -> Sequence[To]:
            told = PlaceHold(at=now, hold=body.hold, ground=body.ground, by=by, until=body.until)
            return [To(str(one), told) for one in _meant(body, found, lookups)]

        return await ask(chosen)

    @router.command("/{hold}/lift")
    async def lift(
        hold: Name, body: Lifting, ask: Annotated[Ask, command("audit.hold")]
    ) -> Response:
        """End a hold on every complaint that it is on."""
        now, by = ask.now, ask.caller.actor

        def chosen(lookups: Lookups) -> Sequence[To]:
            on = lookups.rows(LEGAL_HOLDS, hold=hold)
            if not on:
                raise HoldUnknown
            told = LiftHold(at=now, hold=hold, ground=body.ground, by=by)
            return [To(str(row["complaint"]), told) for row in on]

        return await ask(chosen)

    return router


def _meant(body: Placing, found: Sequence[UUID], lookups: Lookups) -> Sequence[UUID]:
    """Which complaints are meant; raises NothingToHold, TooManyToHold."""
    meant: Sequence[UUID] = found
    if body.complaints is not None:
        meant = sorted(set(body.complaints))
        if not all(lookups.rows("complaint", complaint=one) for one in meant):
            raise NothingToHold
    elif body.person is not None:
        meant = [row["complaint"] for row in lookups.rows("complaint", person=body.person)]
    if not meant:
        raise NothingToHold
    if len(meant) > AT_ONCE_MAX:
        raise TooManyToHold
    return meant
