"""Retention over HTTP: what would go, what stays and why; one proposes, another approves."""

from collections.abc import Sequence
from datetime import date
from typing import Annotated, Any
from uuid import UUID

from fastapi import Path, Query, Request
from psycopg import Connection
from psycopg.rows import dict_row
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from contracts.housekeeping import Month
from contracts.values import Digest, Instant, Reason
from libs.decider import Lookups, To
from libs.messaging.app import App
from libs.web import Ask, Caller, Page, PageQuery, Paging, Router, allow, command, page_of
from services.audit import retaining
from services.audit.domain.purging import (
    ANSWERS,
    PARTS_ROWS,
    PURGES_ROWS,
    Stage,
    WithdrawPurge,
    subject_of,
)
from services.audit.domain.retention import (
    STAYS_NAMES,
    Fate,
    Plan,
    Stays,
)
from services.audit.letting_go import Office

# -- shapes ---------------------------------------------------------------------------------------


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)


class Proposing(_Body):
    """What is to go, and why."""

    cohort: Month
    """The month of registration."""
    ground: Reason
    """Why."""


class Approving(_Body):
    """Exactly this."""

    plan: Digest
    """The digest of the plan that was looked at."""


class Withdrawing(_Body):
    """Why not, after all."""

    ground: Reason
    """Why."""


class ReasonShown(_Body):
    """One thing that keeps a complaint."""

    code: Stays
    """For machines."""
    zh: str
    """In Chinese."""
    en: str
    """In English."""


class FateShown(_Body):
    """One complaint of a month: it goes, or everything that keeps it."""

    complaint: UUID
    """Which."""
    goes: bool
    """Nothing keeps it."""
    reasons: list[ReasonShown]
    """What keeps it; empty: it goes."""
    holds: list[str]
    """The legal holds that are on it, by name."""
    due: Instant | None
    """When its time is over; null: not known while it is open."""


class PlanShown(Page[FateShown]):
    """What would go of a month at an instant, and what stays; nothing is done."""

    cohort: Month
    at: Instant
    policy: str = Field(description="the version of the retention policy followed")
    digest: Digest = Field(description="names exactly the streams that would go, each with its end")
    complaints: int = Field(description="how many complaints would go")
    streams: int
    events: int
    kept: int = Field(description="how many stay")


class MonthShown(_Body):
    """A month in short."""

    cohort: Month
    """The month of registration."""
    complaints: int
    """How many would go."""
    streams: int
    """Their streams."""
    events: int
    """Their events."""
    kept: int
    """How many stay."""
    reasons: dict[Stays, int]
    """What keeps them, and how many each; a complaint counts under each of its reasons."""


class PurgeShown(_Body):
    """A proposal, and what became of it."""

    cohort: Month
    """The month of registration."""
    stage: Stage
    """How far it is; purged: every service has let it go."""
    plan: Digest
    """The plan's digest."""
    ground: Reason
    """Why."""
    complaints: int
    """How many complaints."""
    streams: int
    """Their streams."""
    events: int
    """Their events."""
    kept: int
    """How many stayed."""
    proposed_by: str
    """Who proposed it."""
    proposed_at: Instant
    """When."""
    settled_by: str | None
    """Who approved or withdrew it."""
    settled_at: Instant | None
    """When."""
    tombstone: UUID | None
    """The first of the events that say what went."""
    parts: int
    """How many events those are."""
    done: list[str]
    """The services that withhold it (approved), or let it go (under way, purged)."""
    waits_for: list[str]
    """Those that have not said so yet."""
    taken_up: list[UUID]
    """Complaints that were taken up again in between, in some service: these stay."""


class ApprovedShown(_Body):
    """What was put on record."""

    cohort: Month
    """The month of registration."""
    plan: Digest
    """The plan."""
    approvals: list[UUID]
    """The events that tell every service what to withhold; empty: this was approved before."""


Cohort = Annotated[str, Path(pattern=r"^(19|20)[0-9]{2}-(0[1-9]|1[0-2])$")]
At = Annotated[
    str | None,
    Query(max_length=64, description="with its zone: 2026-03-01T00:00:00+08:00; none: now"),
]


class Fates(PageQuery):
    """Which complaints of a month are listed."""

    goes: bool | None = Field(None, description="only those that go, or only those that stay")
    at: str | None = Field(
        None, max_length=64, description="with its zone: 2026-03-01T00:00:00+08:00; none: now"
    )


class TimeShown(_Body):
    """How much of what the clock says counts for retention."""

    at: Instant
    """By what plans are made now."""
    unvouched_seconds: int
    """How much more the clock says: nobody lived through it, and it does not count."""


# -- routes ---------------------------------------------------------------------------------------


def routes(app: App, office: Office) -> Router:
    """Plans, proposals, approvals."""
    router = Router(prefix="/retention", tags=["retention"])

    @router.get("/plans", response_model=Page[MonthShown])
    async def plans(
        request: Request,
        page: Paging,
        _caller: Annotated[Caller, allow("audit.retention")],
        at: At = None,
    ) -> Page[MonthShown]:
        """Every month, oldest first: how many complaints would go, and what keeps the others."""
        when = await app.beside(office.instant, at)
        after = page.after(date)
        found = await app.query(retaining.months, after and after[0], page.limit)
        shown, following = page_of(request, found, page.limit, lambda one: (one.cohort,))
        told = [await app.query(office.plan, f"{one.cohort:%Y-%m}", when) for one in shown]
        return Page(items=[_month(one) for one in told], next=following)

    @router.get("/plans/{cohort}", response_model=PlanShown)
    async def plan(
        request: Request,
        cohort: Cohort,
        page: Annotated[Fates, Query()],
        _caller: Annotated[Caller, allow("audit.retention")],
    ) -> PlanShown:
        """A dry run of one month: which complaints would go, which stay, and each reason why."""
        when = await app.beside(office.instant, page.at)
        told = await app.query(office.plan, cohort, when)
        after = page.after(UUID)
        fates = sorted((*told.goes, *told.stays), key=lambda one: one.complaint)
        listed = [
            one
            for one in fates
            if page.goes in (None, one.goes) and (after is None or one.complaint > after[0])
        ]
        shown, following = page_of(
            request, listed[: page.limit + 1], page.limit, lambda one: (one.complaint,)
        )
        return PlanShown(
            cohort=cohort,
            at=told.at,
            policy=told.policy,
            digest=told.digest,
            complaints=len(told.goes),
            streams=len(told.heads),
            events=told.events,
            kept=len(told.stays),
            items=[_fate(one) for one in shown],
            next=following,
        )

    @router.get("/time", response_model=TimeShown)
    async def time(_caller: Annotated[Caller, allow("audit.retention")]) -> TimeShown:
        """How much of what the clock says counts: a clock that leapt ahead lets nothing go."""
        unvouched = await app.beside(office.unvouched)
        return TimeShown(
            at=app.clock.now() - unvouched, unvouched_seconds=int(unvouched.total_seconds())
        )

    @router.get("/purges", response_model=Page[PurgeShown])
    async def purges(
        request: Request, page: Paging, _caller: Annotated[Caller, allow("audit.retention")]
    ) -> Page[PurgeShown]:
        """Proposals and purges, by month: what was asked, by whom, and what became of it."""
        rows = await app.query(_purges, page.after(str, int), page.limit)
        shown, following = page_of(
            request, rows, page.limit, lambda row: (row["cohort"], row["number"])
        )
        return Page(items=[_purge(row) for row in shown], next=following)

    @router.command("/purges", status_code=201)
    async def propose(body: Proposing, ask: Annotated[Ask, command("audit.purge")]) -> Response:
        """Propose that everything of a month that may go now goes; another person approves."""

        def chosen(_lookups: Lookups) -> Sequence[To]:
            told = office.proposed(body.cohort, body.ground, ask.now, ask.caller.actor)
            return [To(subject_of(body.cohort), told)]

        return await ask(chosen, status=201)

    @router.command("/purges/{cohort}/withdraw")
    async def withdraw(
        cohort: Cohort, body: Withdrawing, ask: Annotated[Ask, command("audit.purge")]
    ) -> Response:
        """Withdraw what was proposed or approved for a month, until it is signed.

        Anybody who may propose may.
        """
        told = WithdrawPurge(at=ask.now, cohort=cohort, ground=body.ground, by=ask.caller.actor)
        return await ask(To(subject_of(cohort), told))

    @router.post("/purges/{cohort}/approve", response_model=ApprovedShown)
    async def approve(
        cohort: Cohort, body: Approving, caller: Annotated[Caller, allow("audit.purge")]
    ) -> ApprovedShown:
        """Approve exactly the plan that another person proposed.

        The plan is made again, as of the proposal's instant with what is known now: had anything
        changed (a hold, a reopening), it is refused. The same approval again does nothing. Then
        every service withholds what it names, and says so; what was taken up again stays, the
        rest goes by a signed `cohort.purged`. `GET /retention/purges` says how far that is.
        """
        made = await app.in_thread(office.approved, cohort, body.plan, caller.actor)
        return ApprovedShown(cohort=cohort, plan=body.plan, approvals=made)

    return router


_PURGES = f"""
SELECT p.*, ARRAY(
  SELECT DISTINCT service FROM {PARTS_ROWS} t CROSS JOIN LATERAL unnest(t.asked) AS service
  WHERE t.cohort = p.cohort AND t.number = p.number ORDER BY 1
) AS asked, ARRAY(
  SELECT DISTINCT service FROM {PARTS_ROWS} t CROSS JOIN LATERAL unnest(t.asked) AS service
  WHERE t.cohort = p.cohort AND t.number = p.number
  AND t.step = CASE p.stage WHEN 'under_way' THEN 'gone' ELSE 'withheld' END
  AND NOT EXISTS (SELECT FROM {ANSWERS} a WHERE a.record = t.record AND a.source = service)
  ORDER BY 1
) AS waits_for, ARRAY(
  SELECT DISTINCT complaint FROM {PARTS_ROWS} t JOIN {ANSWERS} a ON a.record = t.record
  CROSS JOIN LATERAL unnest(a.kept) AS complaint
  WHERE t.cohort = p.cohort AND t.number = p.number ORDER BY 1
) AS taken_up
FROM {PURGES_ROWS} p WHERE (p.cohort, p.number) > (%s, %s)
ORDER BY p.cohort, p.number LIMIT %s
"""


def _purges(
    conn: Connection[Any], after: tuple[str, int] | None, limit: int
) -> list[dict[str, Any]]:
    with conn.cursor(row_factory=dict_row) as curs:
        return curs.execute(_PURGES.encode(), (*(after or ("", 0)), limit + 1)).fetchall()


def _purge(row: dict[str, Any]) -> PurgeShown:
    asked, waits_for = row["asked"], row["waits_for"]
    stage = Stage(row["stage"])
    if stage is Stage.UNDER_WAY and not waits_for:
        stage = Stage.PURGED
    if stage in (Stage.PROPOSED, Stage.WITHDRAWN):
        asked, waits_for = [], []
    known = {name: row[name] for name in PurgeShown.model_fields if name in row}
    return PurgeShown.model_validate(
        {
            **known,
            "stage": stage,
            "done": [one for one in asked if one not in waits_for],
            "waits_for": waits_for,
        }
    )


def _month(told: Plan) -> MonthShown:
    reasons: dict[Stays, int] = {}
    for one in told.stays:
        for reason in one.reasons:
            reasons[reason] = reasons.get(reason, 0) + 1
    return MonthShown(
        cohort=told.cohort,
        complaints=len(told.goes),
        streams=len(told.heads),
        events=told.events,
        kept=len(told.stays),
        reasons=reasons,
    )


def _fate(one: Fate) -> FateShown:
    return FateShown(
        complaint=one.complaint,
        goes=one.goes,
        reasons=[
            ReasonShown(code=reason, zh=STAYS_NAMES[reason].zh, en=STAYS_NAMES[reason].en)
            for reason in one.reasons
        ],
        holds=list(one.holds),
        due=one.due,
    )
