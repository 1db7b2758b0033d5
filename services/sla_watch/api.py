"""The clocks over HTTP: what runs, what is about to lapse, how promises were kept, calendars."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import date, datetime, timedelta
from typing import Annotated, Any, Literal, Protocol
from uuid import UUID

from fastapi import Query, Request
from pydantic import BaseModel, ConfigDict, Field

from contracts.values import Instant, Told, Version
from libs.decider import NotFound, Policies, PolicyInForce, To
from libs.eventlog.service import Service
from libs.messaging.policy_routes import found, on_record
from libs.web import Ask, Caller, Commands, Page, PageQuery, Paging, Router, allow, page_of
from libs.web.commands import tell_events
from services.sla_watch import views
from services.sla_watch.domain.commands import ReconsiderCalendar
from services.sla_watch.domain.policy import WORKING_DAYS, Calendar, compile_policy
from services.sla_watch.domain.yearly import months_of

COMPLAINTS_AT_ONCE = 200
"""How many complaints are counted anew in one transaction when a calendar was loaded."""

ASKED_MAX = 500
"""How many complaints one question may be about."""

WITHIN_MINUTES_MAX = 60 * 24 * 31


class Querying(Protocol):
    """Runs a query on a connection of its own: `await query(views.promises, month)`."""

    def __call__(self, call: Callable[..., Any], *args: Any) -> Awaitable[Any]:
        """What `call(connection, *args)` returns."""


class ClocksUnknown(NotFound):
    """No clocks of this complaint are known; its registration may still be under way."""

    rule = "clocks-unknown"
    zh = "没有该投诉的时限记录,可能仍在登记中"


class BeyondTheCalendar(NotFound):
    """The calendar does not know this year; activate a version of the working days that does."""

    rule = "beyond-the-calendar"
    zh = "工作日历未覆盖该年份,请先启用新的工作日版本"


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


class ClocksAsked(_Body):
    """Whose clocks are asked about."""

    complaints: Annotated[tuple[UUID, ...], Field(min_length=1, max_length=ASKED_MAX)]
    """Their ids."""


class ClocksFound(_Body):
    """The clocks of many complaints; one that has none yet is not among them."""

    clocks: list[views.ShownClock]
    """By complaint, in the order asked."""


class PromiseTable(_Body):
    """Kept promises against the promised share (DOMAIN rule 12)."""

    rows: list[views.Promise]
    """By month, clock and policy version."""


PolicyName = Literal["clocks", "working-days"]


class WhichQuery(BaseModel):
    """Which version of the working days."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    at: Told | None = Field(None, description="in force at this instant; left out: now")
    version: str | None = Field(None, max_length=64, description="this very version instead")


class YearQuery(WhichQuery):
    """Which year of which version."""

    year: int = Field(ge=2004, le=2200, description="the year to show")


class HolidayShown(_Body):
    """Dates off in a row that belong to one statutory holiday."""

    first: date
    """The first date off."""
    last: date
    """The last one, included."""
    days: int
    """How many dates, weekends among them included."""
    zh: str
    """The holiday in Chinese."""
    en: str
    """The holiday in English."""


class MonthShown(_Body):
    """One month of a calendar."""

    month: int
    """1 to 12."""
    working_days: int | None
    """How many dates are worked; null where the calendar does not reach the month's end."""
    holidays: list[HolidayShown]
    """Holidays that begin in it."""
    worked: list[date]
    """Its Saturdays and Sundays that are worked (调休)."""


class YearShown(_Body):
    """A year as a version of the working days has it."""

    year: int
    """The year."""
    version: str
    """The version."""
    reaches: date
    """The last date it knows; a due beyond it is unknown."""
    working_days: int | None
    """How many dates of the year are worked; null where it does not reach the year's end."""
    months: list[MonthShown]
    """As far as it knows them."""


class TouchedReport(_Body):
    """Which clocks count by a version, and so whose verdicts it touched: those and no others."""

    policy: PolicyName
    """The policy."""
    version: str
    """The version."""
    active_from: Instant
    """From when it counts."""
    rows: list[views.Touched]
    """By clock."""
    versions: list[views.Beside]
    """How many clocks keep each version, this one among them."""


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

    @router.post("/asked-clocks")
    async def clocks_asked(
        asked: ClocksAsked, _caller: Annotated[Caller, allow("sla_watch.read")]
    ) -> ClocksFound:
        """The clocks of many complaints at once: a query, which changes nothing."""
        return ClocksFound(clocks=await query(views.clocks_of_all, asked.complaints))

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


def version_routes(query: Querying, service: Service) -> Router:
    """What a version of the clock table or of the working days says, and what it touched."""
    router = Router(tags=["versions"])

    async def known(name: str, at: datetime, version: str | None) -> PolicyInForce:
        policies: Policies = await query(on_record, service)
        return found(policies.versions.get(name, ()), at, version)

    @router.get("/calendar")
    async def calendar_year(
        request: Request,
        asked: Annotated[YearQuery, Query()],
        _caller: Annotated[Caller, allow("sla_watch.policy_read")],
    ) -> YearShown:
        """A year of working days, holidays and moved holidays."""
        at: datetime = asked.at or request.app.state.now()
        version = await known(WORKING_DAYS, at, asked.version)
        return year_of(version, asked.year)

    @router.get("/touched/{policy}/{version}")
    async def touched(
        request: Request,
        policy: PolicyName,
        version: Version,
        _caller: Annotated[Caller, allow("sla_watch.report")],
    ) -> TouchedReport:
        """Which verdicts a version touched, clock by clock: what started by it, no others."""
        one = await known(policy, request.app.state.now(), version)
        return TouchedReport(
            policy=policy,
            version=version,
            active_from=one.active_from,
            rows=await query(views.touched, policy, version, one.active_from),
            versions=await query(views.by_version, policy),
        )

    @router.get("/touched/{policy}/{version}/clocks")
    async def touched_clocks(
        request: Request,
        policy: PolicyName,
        version: Version,
        page: Paging,
        _caller: Annotated[Caller, allow("sla_watch.report")],
    ) -> Page[views.ShownClock]:
        """Each of those clocks, complaint by complaint."""
        await known(policy, request.app.state.now(), version)
        after = page.after(UUID, str, str, int)
        rows: list[views.ShownClock] = await query(
            views.touched_clocks, policy, version, after, page.limit
        )
        shown, following = page_of(request, rows, page.limit, views.unknown_key)
        return Page(items=list(shown), next=following)

    return router


def year_of(version: PolicyInForce, year: int) -> YearShown:
    """A year as a version has it; raises BeyondTheCalendar when it knows no date of it."""
    calendar = compile_policy(version.name, version.content)
    assert isinstance(calendar, Calendar)
    months = months_of(calendar.days, year)
    if not months:
        raise BeyondTheCalendar(
            f"version {version.version} reaches from {calendar.days.first} to {calendar.days.last}"
        )
    counted = [one.working_days for one in months if one.working_days is not None]
    return YearShown(
        year=year,
        version=version.version,
        reaches=calendar.days.last,
        working_days=sum(counted) if len(counted) == 12 else None,
        months=[
            MonthShown(
                month=one.month,
                working_days=one.working_days,
                holidays=[
                    HolidayShown(first=h.first, last=h.last, days=h.days, zh=h.zh, en=h.en)
                    for h in one.holidays
                ],
                worked=list(one.worked),
            )
            for one in months
        ],
    )


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
