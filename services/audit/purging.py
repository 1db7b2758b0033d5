"""Retention over HTTP: what would go, what stays and why; one proposes, another approves."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Annotated, Any
from uuid import UUID

from fastapi import Path, Query, Request
from psycopg import Connection
from psycopg.rows import dict_row, tuple_row
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from contracts.housekeeping import CohortPurged, Month
from contracts.purging import in_parts, purge_text
from contracts.values import Digest, Instant, Reason
from libs.decider import Conflict, Lookups, To
from libs.eventlog import Table
from libs.eventlog.envelope import Origin
from libs.eventlog.work import Work
from libs.messaging.app import App
from libs.timekeeping.instants import NoInstant, read_instant
from libs.web import Ask, Caller, Page, PageQuery, Paging, Router, allow, command, page_of
from services.audit import retaining
from services.audit.domain.cohorts import ARCHIVED
from services.audit.domain.purging import (
    GONE_ROWS,
    PURGES,
    PURGES_ROWS,
    ApprovePurge,
    CohortInFile,
    PlanChanged,
    ProposePurge,
    Purges,
    Stage,
    WithdrawPurge,
    subject_of,
)
from services.audit.domain.retention import (
    RETENTION,
    STAYS_NAMES,
    Fate,
    Plan,
    RetentionPolicy,
    Stays,
)
from services.audit.knowing import BadInstant
from services.audit.moment import one_moment
from services.audit.signing import PurgeKey

OWN_SOURCE = "/bihuan/audit"

CLOCK_AHEAD_MAX = timedelta(minutes=1)
"""So far audit's clock may be ahead of its database's; more, and one of them is wrong."""

TABLES = (
    Table(
        PURGES_ROWS,
        {
            "cohort": "text not null",
            "number": "int not null",
            "stage": "text not null",
            "plan": "text not null",
            "ground": "text not null",
            "proposed_by": "text not null",
            "proposed_at": "timestamptz not null",
            "complaints": "int not null",
            "streams": "int not null",
            "events": "bigint not null",
            "kept": "int not null",
            "settled_by": "text",
            "settled_at": "timestamptz",
            "parts": "int not null",
            "tombstone": "uuid",
        },
        key=("cohort", "number"),
    ),
    Table(
        GONE_ROWS,
        {
            "complaint": "uuid not null",
            "cohort": "text not null",
            "tombstone": "uuid not null",
            "at": "timestamptz not null",
        },
        key=("complaint",),
        outlives=True,
    ),
)


class ClockAhead(Conflict):
    """Audit's clock is ahead of its database's; nothing goes until one of them is set right."""

    rule = "clock-ahead"
    zh = "审计服务时钟快于数据库时钟,须先校正,暂不清除"


class NoPurgeKey(Conflict):
    """Audit has no key to sign a purge with; set BIHUAN_PURGE_KEY_FILE and start it again."""

    rule = "no-purge-key"
    zh = "审计服务未配置清除签名密钥"


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
    """Proposed, withdrawn or purged."""
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


class ApprovedShown(_Body):
    """What was put on record."""

    cohort: Month
    """The month of registration."""
    plan: Digest
    """The plan."""
    tombstones: list[UUID]
    """The events that say what goes; empty: this was approved before."""


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


# -- routes ---------------------------------------------------------------------------------------


def routes(app: App, key: PurgeKey | None) -> Router:
    """Plans, proposals, approvals."""
    router = Router(prefix="/retention", tags=["retention"])
    office = _Office(app, key)

    @router.get("/plans", response_model=Page[MonthShown])
    async def plans(
        request: Request,
        page: Paging,
        _caller: Annotated[Caller, allow("audit.retention")],
        at: At = None,
    ) -> Page[MonthShown]:
        """Every month, oldest first: how many complaints would go, and what keeps the others."""
        when = office.instant(at)
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
        told = await app.query(office.plan, cohort, office.instant(page.at))
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

    @router.get("/purges", response_model=Page[PurgeShown])
    async def purges(
        request: Request, page: Paging, _caller: Annotated[Caller, allow("audit.retention")]
    ) -> Page[PurgeShown]:
        """Proposals and purges, by month: what was asked, by whom, and what became of it."""
        rows = await app.query(_purges, page.after(str, int), page.limit)
        shown, following = page_of(
            request, rows, page.limit, lambda row: (row["cohort"], row["number"])
        )
        names = PurgeShown.model_fields
        items = [PurgeShown(**{name: row[name] for name in names}) for row in shown]
        return Page(items=items, next=following)

    @router.command("/purges", status_code=201)
    async def propose(body: Proposing, ask: Annotated[Ask, command("audit.purge")]) -> Response:
        """Propose that everything of a month that may go now goes; another person approves."""

        def chosen(_lookups: Lookups) -> Sequence[To]:
            told = office.proposed(body, ask.now, ask.caller.actor)
            return [To(subject_of(body.cohort), told)]

        return await ask(chosen, status=201)

    @router.command("/purges/{cohort}/withdraw")
    async def withdraw(
        cohort: Cohort, body: Withdrawing, ask: Annotated[Ask, command("audit.purge")]
    ) -> Response:
        """Withdraw what was proposed for a month; anybody who may propose may."""
        told = WithdrawPurge(at=ask.now, cohort=cohort, ground=body.ground, by=ask.caller.actor)
        return await ask(To(subject_of(cohort), told))

    @router.post("/purges/{cohort}/approve", response_model=ApprovedShown)
    async def approve(
        cohort: Cohort, body: Approving, caller: Annotated[Caller, allow("audit.purge")]
    ) -> ApprovedShown:
        """Approve exactly the plan that another person proposed; what it names goes everywhere.

        The plan is made again, as of the proposal's instant with what is known now: had anything
        changed (a hold, a reopening), it is refused. The same approval again does nothing.
        """
        made = await app.in_thread(office.approved, cohort, body.plan, caller.actor)
        return ApprovedShown(cohort=cohort, plan=body.plan, tombstones=made)

    return router


class _Office:
    """Makes plans with the policy in force, and signs what was approved."""

    def __init__(self, app: App, key: PurgeKey | None) -> None:
        self._app = app
        self._key = key

    def instant(self, told: str | None) -> datetime:
        """When a dry run is for; raises BadInstant."""
        if told is None:
            return self._app.clock.now()
        try:
            return read_instant(told)
        except NoInstant as error:
            raise BadInstant(str(error)) from None

    def _policy(self, at: datetime) -> RetentionPolicy:
        compiled = self._app.writer.policies.in_force(RETENTION, at).compiled
        assert isinstance(compiled, RetentionPolicy)
        return compiled

    def plan(self, conn: Connection[Any], cohort: str, at: datetime) -> Plan:
        """A dry run, on one snapshot, by the policy in force at that instant."""
        with one_moment(conn):
            return retaining.plan(conn, cohort, at, self._policy(at))

    def proposed(self, body: Proposing, now: datetime, by: str) -> ProposePurge:
        """The command; raises ClockAhead, NoPurgeKey."""
        if self._key is None:
            raise NoPurgeKey
        with self._app.store.connection() as conn:
            check(conn, body.cohort, now)
            told = self.plan(conn, body.cohort, now)
        return ProposePurge(
            at=now,
            cohort=body.cohort,
            plan=told.digest,
            complaints=len(told.goes),
            streams=len(told.heads),
            events=told.events,
            kept=len(told.stays),
            ground=body.ground,
            by=by,
        )

    def approved(self, cohort: str, asked: str, by: str) -> list[UUID]:
        """Puts the signed tombstones on record; returns their ids. Blocks."""

        def decide(work: Work) -> list[UUID]:
            state: Purges | None = work.state(PURGES.kind, subject_of(cohort))
            on = state.proposed if state is not None else None
            digest = asked
            parts: tuple[CohortPurged, ...] = ()
            if on is not None:
                with self._app.store.connection() as conn:
                    check(conn, cohort, work.now)
                    with one_moment(conn):
                        told = self._as_proposed(conn, cohort, on.proposed_at, work.now)
                digest = told.digest
                parts = self._signed(told, on.ground, on.proposed_by, by)
                work.extra.archive = lambda conn: self._still(conn, told)
            command = ApprovePurge(at=work.now, asked=asked, plan=digest, by=by, parts=parts)
            recorded = work.apply(To(subject_of(cohort), command), Origin(f"operator:{by}", by))
            return [one.id for one in recorded]

        return self._app.writer.transact(decide)

    def _as_proposed(
        self, conn: Connection[Any], cohort: str, proposed_at: datetime, now: datetime
    ) -> Plan:
        """What may go as of the proposal, by what is known and in force now."""
        return retaining.plan(conn, cohort, proposed_at, self._policy(now))

    def _still(self, conn: Connection[Any], told: Plan) -> None:
        """Under the writer's lock: nothing of the plan moved meanwhile; raises PlanChanged."""
        with conn.cursor(row_factory=tuple_row) as curs:
            heads = curs.execute(
                "SELECT source, subject, sequence, encode(digest, 'hex') FROM head "
                "WHERE subject = ANY(%s)",
                ([str(one.complaint) for one in told.goes],),
            ).fetchall()
            held = curs.execute(
                "SELECT count(*) FROM legal_hold WHERE complaint = ANY(%s)",
                ([one.complaint for one in told.goes],),
            ).fetchone()
            own = curs.execute(
                "SELECT originator_id::text, max(originator_version) FROM stored_events "
                "WHERE originator_id = ANY(%s) GROUP BY 1",
                ([one.complaint for one in told.goes],),
            ).fetchall()
        ends = {(one.source, one.subject, one.sequence, one.digest) for one in told.heads}
        # Audit's own streams grow here before they come back from the log.
        mine = {(one.subject, one.sequence) for one in told.heads if one.source == OWN_SOURCE}
        if set(heads) != ends or set(own) != mine or held != (0,):
            raise PlanChanged

    def _signed(
        self, told: Plan, ground: str, proposed_by: str, by: str
    ) -> tuple[CohortPurged, ...]:
        if self._key is None:
            raise NoPurgeKey
        parts = in_parts(told.heads)
        made = []
        for number, heads in enumerate(parts, start=1):
            count = sum(head.sequence for head in heads)
            text = purge_text(
                told.cohort, number, len(parts), ground, count, proposed_by, by, heads
            )
            made.append(
                CohortPurged(
                    cohort=told.cohort,
                    part=number,
                    parts=len(parts),
                    plan=told.digest,
                    heads=heads,
                    count=count,
                    ground=ground,
                    proposed_by=proposed_by,
                    by=by,
                    key=self._key.public,
                    signature=self._key.sign(text),
                )
            )
        return tuple(made)


def check(conn: Connection[Any], cohort: str, now: datetime) -> None:
    """A clock set wrongly lowers no floor, and what lies in a file is not let go from here.

    Raises ClockAhead, CohortInFile.
    """
    with conn.cursor(row_factory=tuple_row) as curs:
        row = curs.execute(
            f"SELECT clock_timestamp(), EXISTS (SELECT FROM {ARCHIVED} WHERE cohort = %s)",
            (cohort,),
        ).fetchone()
    assert row is not None
    if now - row[0] > CLOCK_AHEAD_MAX:
        raise ClockAhead
    if row[1]:
        raise CohortInFile


def _purges(
    conn: Connection[Any], after: tuple[str, int] | None, limit: int
) -> list[dict[str, Any]]:
    with conn.cursor(row_factory=dict_row) as curs:
        return curs.execute(
            f"SELECT * FROM {PURGES_ROWS} WHERE (cohort, number) > (%s, %s) "
            "ORDER BY cohort, number LIMIT %s",
            (*(after or ("", 0)), limit + 1),
        ).fetchall()


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
