"""Legal holds over HTTP: placed by complaint, person or query, lifted by name.

A hold of a person or by query also stands for what comes on record while it is on (`Reach`).
"""

from collections.abc import Sequence
from typing import Annotated, Any, Self
from uuid import UUID

from fastapi import Request
from psycopg import Connection
from pydantic import BaseModel, ConfigDict, Field, model_validator
from starlette.responses import Response

from contracts.values import Asked, Instant, Reason, Told
from libs.decider import Lookups, NotFound, Refused, To
from libs.eventlog import Table
from libs.eventlog.envelope import Origin
from libs.eventlog.work import Work
from libs.messaging.app import App
from libs.web import Ask, Caller, Page, Paging, Router, allow, command, page_of
from services.audit.domain.holds import (
    HOLDS,
    LEGAL_HOLDS,
    LEGAL_HOLDS_OVER,
    STANDING,
    STANDING_KIND,
    STANDING_ROWS,
    Held,
    HoldUnknown,
    LiftHold,
    LiftStanding,
    PlaceHold,
    PlaceStanding,
    Standing,
)
from services.audit.domain.purging import ANSWERS, GONE_ROWS
from services.audit.retaining import GONE

AT_ONCE_MAX = 500
OWN_SOURCE = "/bihuan/audit"

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
OVER = Table(
    LEGAL_HOLDS_OVER,
    {"hold": "text not null", "complaint": "uuid not null"},
    key=("hold", "complaint"),
)
STANDING_TABLE = Table(
    STANDING_ROWS,
    {
        "hold": "text not null",
        "ground": "text not null",
        "placed_by": "text not null",
        "since": "timestamptz not null",
        "person": "uuid",
        "asked": "jsonb",
        "until": "timestamptz",
    },
    key=("hold",),
)
TABLES = (TABLE, OVER, STANDING_TABLE)


class NothingToHold(NotFound):
    """No complaint on record is meant; it may still be under way."""

    rule = "nothing-to-hold"
    zh = "没有符合条件的投诉"


class HeldTooLate(Refused):
    """The records of one of these complaints passed their retention and went; leave it out."""

    status = 410
    rule = "held-too-late"
    zh = "其中有投诉的记录保存期满、已清除,请去除后再试"


class TooManyToHold(Refused):
    """More than 500 complaints are meant; place several holds, each for fewer."""

    rule = "too-many-to-hold"
    zh = "一次最多保全 500 件投诉,请缩小范围"


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)


Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.:@+-]*$", max_length=96)]
"""A code without a slash, for it stands in a path when the hold is lifted."""


class Placing(_Body):
    """A hold, and on what: exactly one of complaints, person, asked."""

    hold: Name
    """Its name, e.g. a court's or a regulator's reference."""
    ground: Reason
    """Why."""
    until: Told | None = None
    """When it ends by itself; left out: when it is lifted."""
    complaints: Annotated[list[UUID], Field(min_length=1, max_length=AT_ONCE_MAX)] | None = None
    """These complaints."""
    person: UUID | None = None
    """All complaints of this person, and those on which the person spoke; now, and whatever comes
    while the hold is on."""
    asked: Asked | None = None
    """All complaints that are so, those included that come on record, or become so, later."""

    @model_validator(mode="after")
    def _one(self) -> Self:
        given = [one for one in (self.complaints, self.person, self.asked) if one is not None]
        if len(given) != 1:
            raise ValueError("say exactly one of complaints, person, asked")
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


class StandingShown(_Body):
    """A hold that also reaches what comes."""

    hold: str
    """Its name."""
    ground: str
    """Why."""
    placed_by: str
    """Who placed it."""
    since: Instant
    """Since when."""
    person: UUID | None
    """Whose complaints and words; None: by query."""
    asked: Asked | None
    """Which complaints, by time, category, province; None: of a person."""
    until: Instant | None
    """When it ends by itself."""


def standing_holds(conn: Connection[Any], after: str, limit: int) -> list[StandingShown]:
    """The standing holds that are on, by name; `limit + 1` at most."""
    found = conn.execute(
        f"SELECT * FROM {STANDING_ROWS} WHERE hold > %s ORDER BY hold LIMIT %s",
        (after, limit + 1),
    ).fetchall()
    return [StandingShown.model_validate(row) for row in found]


def holds(conn: Connection[Any], after: tuple[str, UUID] | None, limit: int) -> list[HoldShown]:
    """The holds that are on, by name; `limit + 1` at most."""
    found = conn.execute(
        f"SELECT * FROM {LEGAL_HOLDS} WHERE (hold, complaint) > (%s, %s) "
        "ORDER BY hold, complaint LIMIT %s",
        (*(after or ("", UUID(int=0))), limit + 1),
    ).fetchall()
    return [HoldShown.model_validate(row) for row in found]


def asked_for(conn: Connection[Any], asked: Asked) -> list[UUID]:
    """The complaints that are so; one more than may be held at once.

    Without those that were approved to go, which no hold keeps any more.
    """
    found = conn.execute(
        "SELECT complaint FROM complaint c WHERE (%(start)s::timestamptz IS NULL "
        "OR (told_at >= %(start)s AND told_at < %(end)s) "
        "OR (registered_at >= %(start)s AND registered_at < %(end)s)) "
        "AND (%(category)s::text IS NULL OR category = %(category)s "
        "OR starts_with(category, %(category)s || '.')) "
        "AND (%(province)s::text IS NULL OR %(province)s IN (home_province, visited_province)) "
        f"AND NOT {GONE} "
        "ORDER BY complaint LIMIT %(most)s",
        {
            "start": asked.told_from,
            "end": asked.told_to,
            "category": asked.category,
            "province": asked.province,
            "most": AT_ONCE_MAX + 1,
        },
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

    @router.get("/standing")
    async def standing(
        request: Request, page: Paging, _caller: Annotated[Caller, allow("audit.hold")]
    ) -> Page[StandingShown]:
        """The holds that also reach what comes on record while they are on, by name."""
        after = page.after(str)
        rows = await app.query(standing_holds, after[0] if after else "", page.limit)
        shown, following = page_of(request, rows, page.limit, lambda one: (one.hold,))
        return Page(items=list(shown), next=following)

    async def by_query(body: Placing) -> list[UUID]:
        return [] if body.asked is None else await app.query(asked_for, body.asked)

    @router.command("")
    async def place(body: Placing, ask: Annotated[Ask, command("audit.hold")]) -> Response:
        """Keep complaints whatever their age; all of them, or none when one is refused.

        By person or by query, those too that come on record while it is on; what was approved to
        go after its retention is left out. `GET /holds` lists what the hold is on.
        """
        now, by = ask.now, ask.caller.actor
        told = PlaceHold(at=now, hold=body.hold, ground=body.ground, by=by, until=body.until)
        found = await by_query(body)

        def chosen(lookups: Lookups) -> Sequence[To]:
            meant = _meant(body, found, lookups)
            return [*_standing(body, told), *(To(str(one), told) for one in meant)]

        answer = await ask(chosen)
        if answer.status_code < 400 and body.asked is not None:
            # What was taken between the look and the commit had no standing hold to reach it yet,
            # and whoever looked a second time may have died of it: told again, it is done again.
            meant = await by_query(body)
            await app.in_thread(app.writer.transact, lambda work: _place_too(work, meant, told, by))
        return answer

    @router.command("/{hold}/lift")
    async def lift(
        hold: Name, body: Lifting, ask: Annotated[Ask, command("audit.hold")]
    ) -> Response:
        """End a hold on every complaint that it is on; one that is over stays over."""
        now, by = ask.now, ask.caller.actor

        def chosen(lookups: Lookups) -> Sequence[To]:
            told = LiftHold(at=now, hold=hold, ground=body.ground, by=by)
            on = lookups.rows(LEGAL_HOLDS, hold=hold)
            over = lookups.rows(LEGAL_HOLDS_OVER, hold=hold)
            stands = lookups.state(STANDING_KIND, STANDING)
            # Nothing is on any more: one that was is told again, and is over already.
            lifted = [To(str(row["complaint"]), told) for row in on or over[:1]]
            if stands is not None and (hold in stands.by_name or hold in stands.over):
                lifted.insert(0, To(STANDING, LiftStanding(**dict(told))))
            if not lifted:
                raise HoldUnknown
            return lifted

        return await ask(chosen)

    return router


def _standing(body: Placing, told: PlaceHold) -> Sequence[To]:
    """The part of a hold that reaches what comes; nothing of one on single complaints."""
    if body.complaints is not None:
        return []
    return [To(STANDING, PlaceStanding(**dict(told), person=body.person, asked=body.asked))]


def _place_too(work: Work, complaints: Sequence[UUID], told: PlaceHold, by: str) -> None:
    """On those too, where it is not on yet; nor once it is over, for a repeated request is old."""
    standing: Standing | None = work.state(STANDING_KIND, STANDING)
    on = None if standing is None else standing.by_name.get(told.hold)
    if on is None or on.ground != told.ground or (on.until or work.now) < work.now:
        return
    for one in complaints:
        held: Held | None = work.state(HOLDS.kind, str(one))
        if held is not None and told.hold in held.by_name:
            continue
        if _is_gone(one, work):
            continue
        work.apply(To(str(one), told), Origin(causation="request", actor=by))


def _is_gone(complaint: UUID, lookups: Lookups) -> bool:
    """It went by the word of a purge, and audit itself did not keep it (`retaining.GONE`)."""
    return any(
        complaint not in answer["kept"]
        for went in lookups.rows(GONE_ROWS, complaint=complaint)
        for answer in lookups.rows(ANSWERS, record=went["tombstone"], source=OWN_SOURCE)
        or [{"kept": ()}]
    )


def _meant(body: Placing, found: Sequence[UUID], lookups: Lookups) -> Sequence[UUID]:
    """Which complaints on record are meant; raises NothingToHold, TooManyToHold.

    None need be on record yet by query; a person of whom there is nothing is more likely a slip.
    Of either, what was approved to go is left out: no hold keeps it any more.
    """
    meant: Sequence[UUID] = [one for one in found if not _is_gone(one, lookups)]
    if body.complaints is not None:
        meant = sorted(set(body.complaints))
        if any(_is_gone(one, lookups) for one in meant):
            raise HeldTooLate
        if not all(lookups.rows("complaint", complaint=one) for one in meant):
            raise NothingToHold
    elif body.person is not None:
        tables = ("complaint", "speaker")
        rows = [row for table in tables for row in lookups.rows(table, person=body.person)]
        found = sorted({row["complaint"] for row in rows})
        meant = [one for one in found if not _is_gone(one, lookups)]
        if not meant:
            raise NothingToHold
    if len(meant) > AT_ONCE_MAX:
        raise TooManyToHold
    return meant
