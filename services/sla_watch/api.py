"""The clocks over HTTP: what runs, what is about to lapse, how promises were kept, calendars."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from typing import Annotated, Any, Protocol
from uuid import UUID

from fastapi import Query, Request
from pydantic import BaseModel, ConfigDict, Field

from libs.decider import NotFound, To
from libs.web import Ask, Caller, Commands, Page, PageQuery, Paging, Router, allow, page_of
from libs.web.commands import tell_events
from services.sla_watch import views
from services.sla_watch.domain.commands import ReconsiderCalendar
from services.sla_watch.domain.policy import WORKING_DAYS

COMPLAINTS_AT_ONCE = 200
"""How many complaints are counted anew in one transaction when a calendar was loaded."""

WITHIN_MINUTES_MAX = 60 * 24 * 31


class Querying(Protocol):
    """Runs a query on a connection of its own: `await query(views.promises, month)`."""

    def __call__(self, call: Callable[..., Any], *args: Any) -> Awaitable[Any]:
        """What `call(connection, *args)` returns."""


class ClocksUnknown(NotFound):
    """No clocks of this complaint are known; its registration may still be under way."""

    rule = "clocks-unknown"
    zh = "没有该投诉的时限记录,可能仍在登记中"


class LapsingQuery(PageQuery):
    """How far to look ahead."""

    within_minutes: int = Field(
        60, ge=0, le=WITHIN_MINUTES_MAX, description="due within so many minutes"
    )


class PromisesQuery(BaseModel):
    """Which month."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    month: str | None = Field(
        None,
        pattern=r"^[0-9]{4}-(0[1-9]|1[0-2])$",
        description="of the last counted date in Shanghai; left out: every month",
    )


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)


class PromiseTable(_Body):
    """Kept promises against the promised share (DOMAIN rule 12)."""

    rows: list[views.Promise]
    """By month, clock and policy version."""


def routes(query: Querying) -> Sequence[Router]:
    """Every router of this service."""
    return (clock_routes(query), calendar_routes(query))


def clock_routes(query: Querying) -> Router:
    """Looking at clocks, and at how they were kept."""
    router = Router(tags=["clocks"])

    @router.get("/clocks/{complaint}")
    async def clocks_of(
        complaint: UUID, _caller: Annotated[Caller, allow("sla_watch.read")]
    ) -> list[views.ShownClock]:
        """Every clock of a complaint, with its verdict."""
        found: list[views.ShownClock] = await query(views.clocks_of, complaint)
        if not found:
            raise ClocksUnknown
        return found

    @router.get("/lapsing")
    async def lapsing(
        request: Request,
        asked: Annotated[LapsingQuery, Query()],
        _caller: Annotated[Caller, allow("sla_watch.lapsing")],
    ) -> Page[views.ShownClock]:
        """Running clocks that are due soon or overdue, the soonest first."""
        now: datetime = request.app.state.now()
        rows: list[views.ShownClock] = await query(
            views.lapsing,
            now + timedelta(minutes=asked.within_minutes),
            asked.after(datetime, UUID, str, str, int),
            asked.limit,
        )
        shown, following = page_of(request, rows, asked.limit, views.clock_key)
        return Page(items=list(shown), next=following)

    @router.get("/promises")
    async def promises(
        asked: Annotated[PromisesQuery, Query()],
        _caller: Annotated[Caller, allow("sla_watch.report")],
    ) -> PromiseTable:
        """Kept promises per clock, policy version and month; compared as whole numbers."""
        return PromiseTable(rows=await query(views.promises, asked.month))

    return router


def calendar_routes(query: Querying) -> Router:
    """Calendars: what they cannot answer yet."""
    router = Router(tags=["calendar"])

    @router.get("/unknown-dues")
    async def unknown_dues(
        request: Request, page: Paging, _caller: Annotated[Caller, allow("sla_watch.lapsing")]
    ) -> Page[views.ShownClock]:
        """Clocks whose due lies beyond the calendar: an alarm until one is loaded."""
        rows: list[views.ShownClock] = await query(
            views.unknown, page.after(UUID, str, str, int), page.limit
        )
        shown, following = page_of(request, rows, page.limit, views.unknown_key)
        return Page(items=list(shown), next=following)

    return router


def reconsidering(query: Querying) -> Callable[[str, Ask], Awaitable[None]]:
    """What follows a new version of the working days: dues that were unknown are counted at once.

    Should this break off in the middle, activate the version again: what has been counted stays.
    """

    async def activated(policy: str, ask: Ask) -> None:
        if policy == WORKING_DAYS:
            await _reconsider(query, ask)

    return activated


async def _reconsider(query: Querying, ask: Ask) -> None:
    """Counts anew every complaint with a clock without a due, a batch at a time."""
    commands: Commands = ask.request.app.state.commands
    after: UUID | None = None
    while True:
        complaints: list[UUID] = await query(views.without_due, after, COMPLAINTS_AT_ONCE)
        if not complaints:
            return
        await commands.submit(
            [To(str(one), ReconsiderCalendar(at=ask.now)) for one in complaints],
            actor=ask.caller.actor,
            key=None,
            fingerprint="",
            traceparent="",
            tell=tell_events(200),
        )
        after = complaints[-1]
