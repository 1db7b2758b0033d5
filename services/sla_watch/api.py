"""The clocks over HTTP: what runs, what is about to lapse, how promises were kept, calendars."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import date, datetime, timedelta
from typing import Annotated, Any, Protocol
from uuid import UUID

from fastapi import Query, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from contracts.values import Instant, Version
from libs.decider import NotFound, To
from libs.eventlog.policies import ActivatePolicy
from libs.timekeeping.calendars import library_calendar
from libs.web import Ask, Caller, Commands, Page, PageQuery, Paging, Router, allow, command, page_of
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


HolidayName = Annotated[str, Field(min_length=1, max_length=60)]


class CalendarVersion(_Body):
    """Working days as the government declared them, on top of the calendar that came with us."""

    version: Version
    """A name of its own, e.g. `state-council-2027`; a version never changes."""
    effective_from: Instant
    """From when clocks that start count by it; dues still unknown are counted by it at once."""
    last: date
    """The last date it knows: every date up to it must be right."""
    days_off: Annotated[dict[date, HolidayName], Field(max_length=2000)]
    """Dates off that are not ordinary weekends, with the holiday's name."""
    worked: Annotated[tuple[date, ...], Field(max_length=1000)]
    """Saturdays and Sundays that are worked (调休)."""


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
    """Calendars: what they cannot answer yet, and loading one."""
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

    @router.command("/calendar")
    async def load_calendar(
        body: CalendarVersion, ask: Annotated[Ask, command("sla_watch.policy")]
    ) -> Response:
        """Load a version of the working days; dues that were unknown are counted at once.

        Should this break off in the middle, repeat it: what has been counted stays.
        """
        answer = await ask(To(WORKING_DAYS, _activation(body, ask.now)))
        await _reconsider(query, ask)
        return answer

    return router


def _activation(body: CalendarVersion, now: datetime) -> ActivatePolicy:
    content = {
        "name": WORKING_DAYS,
        "version": body.version,
        "effective_from": body.effective_from.isoformat(),
        "base": "chinesecalendar",
        "base_fingerprint": library_calendar().fingerprint(),
        "last": body.last.isoformat(),
        "days_off": {day.isoformat(): name for day, name in sorted(body.days_off.items())},
        "worked": [day.isoformat() for day in sorted(body.worked)],
    }
    return ActivatePolicy(
        at=now,
        name=WORKING_DAYS,
        version=body.version,
        effective_from=body.effective_from,
        content=content,
    )


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
