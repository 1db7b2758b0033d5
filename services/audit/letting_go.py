"""A month's purge carried out: the plan, its approval, and the signature once all have answered."""

import logging
import time
from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from psycopg import Connection
from psycopg.rows import tuple_row

from contracts.catalogue import SERVICES
from contracts.housekeeping import CohortPurged, Head, PurgeAnswered, PurgeApproved
from contracts.purging import in_parts, purge_text
from libs.decider import Conflict, DomainError, Recorded, Row, To
from libs.decider.decider import wire_instant
from libs.eventlog import Table
from libs.eventlog.envelope import Origin
from libs.eventlog.work import Work
from libs.messaging.app import App
from libs.timekeeping.instants import NoInstant, read_instant
from services.audit import retaining
from services.audit.domain.cohorts import BY_ITSELF
from services.audit.domain.purging import (
    ANSWERS,
    GONE_ROWS,
    PARTS_ROWS,
    PURGES,
    PURGES_ROWS,
    ApprovePurge,
    Entry,
    PlanChanged,
    ProposePurge,
    Purges,
    SignPurge,
    still_going,
    subject_of,
)
from services.audit.domain.retention import RETENTION, Plan, RetentionPolicy
from services.audit.knowing import BadInstant
from services.audit.lived_time import Witness
from services.audit.moment import one_moment
from services.audit.signing import PurgeKey

log = logging.getLogger("bihuan.audit")

OWN_SOURCE = "/bihuan/audit"

CLOCK_AHEAD_MAX = timedelta(minutes=1)
"""So far audit's clock may be ahead of its database's; more, and one of them is wrong."""

AGAIN_SECONDS = 60.0
"""Where a purge cannot be signed now, it is tried again so much later."""

ASKED = tuple(f"/bihuan/{service}" for service in SERVICES)

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
    Table(
        PARTS_ROWS,
        {
            "record": "uuid not null",
            "cohort": "text not null",
            "number": "int not null",
            "step": "text not null",
            "asked": "text[]",
        },
        key=("record",),
        outlives=True,
    ),
    Table(
        ANSWERS,
        {
            "record": "uuid not null",
            "source": "text not null",
            "step": "text not null",
            "kept": "uuid[]",
        },
        key=("record", "source"),
        outlives=True,
    ),
)


class ClockAhead(Conflict):
    """Audit's clock is ahead of its database's; nothing goes until one of them is set right."""

    rule = "clock-ahead"
    zh = "审计服务时钟快于数据库时钟,须先校正,暂不清除"


class TimeUnvouched(Conflict):
    """The clock has leapt ahead, and what would go is past its time by that leap alone."""

    passing = True
    rule = "time-unvouched"
    zh = "时钟曾向前跳变,跳过的时间不计入保存期;请校正时钟,或待保存期实际届满"

    def __init__(self, unvouched: timedelta, until: datetime | None = None) -> None:
        day = timedelta(days=1)
        kept = "" if until is None else f" until the clock says {wire_instant(until)}"
        super().__init__(
            f"{-(-unvouched // day)} day(s) of what the clock says nobody lived through, so they "
            f"do not count. By them alone some of this is past its time; it is kept{kept}. Set the "
            "clocks of audit and of its database right: what a clock goes back counts again."
        )


class NoPurgeKey(Conflict):
    """Audit has no key to sign a purge with; set BIHUAN_PURGE_KEY_FILE and start it again."""

    rule = "no-purge-key"
    zh = "审计服务未配置清除签名密钥"


class Office:
    """Makes plans with the policy in force, and signs what was approved."""

    def __init__(self, app: App, key: PurgeKey | None, witness: Witness) -> None:
        self._app = app
        self._key = key
        self._witness = witness

    def unvouched(self) -> timedelta:
        """How much of what the clock says does not count; blocks."""
        return self._witness.unvouched()

    def instant(self, told: str | None) -> datetime:
        """When a dry run is for: then, or by what counts of the clock now; raises BadInstant."""
        if told is None:
            return self._app.clock.now() - self._witness.unvouched()
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

    def proposed(self, cohort: str, ground: str, now: datetime, by: str) -> ProposePurge:
        """The command; raises ClockAhead, TimeUnvouched, NoPurgeKey."""
        if self._key is None:
            raise NoPurgeKey
        unvouched = self._witness.unvouched()
        with self._app.store.connection() as conn:
            check(conn, now)
            told = self.plan(conn, cohort, now - unvouched)
            if not told.goes:
                by_the_leap(self.plan(conn, cohort, now), told, unvouched)
        return ProposePurge(
            at=now,
            cohort=cohort,
            plan=told.digest,
            complaints=len(told.goes),
            streams=len(told.heads),
            events=told.events,
            kept=len(told.stays),
            ground=ground,
            by=by,
        )

    def approved(self, cohort: str, asked: str, by: str) -> list[UUID]:
        """Puts on record what every service is to withhold; returns the events' ids. Blocks."""

        def decide(work: Work) -> list[UUID]:
            state: Purges | None = work.state(PURGES.kind, subject_of(cohort))
            on = state.proposed if state is not None else None
            digest = asked
            parts: tuple[PurgeApproved, ...] = ()
            if on is not None:
                told = self._now(cohort, on, work.now, on.plan)
                digest = told.digest
                parts = _named(told, by)
                work.extra.archive = lambda conn: _still(conn, told.heads)
            command = ApprovePurge(at=work.now, asked=asked, plan=digest, by=by, parts=parts)
            recorded = work.apply(To(subject_of(cohort), command), Origin(f"operator:{by}", by))
            return [one.id for one in recorded]

        return self._app.writer.transact(decide)

    def ready(self) -> list[str]:
        """The months of which every service has answered the approval, oldest first."""
        with self._app.store.connection() as conn, conn.cursor(row_factory=tuple_row) as curs:
            return [cohort for (cohort,) in curs.execute(_READY).fetchall()]

    def sign(self, cohort: str) -> None:
        """Puts the signed tombstones on record of what nobody keeps; blocks.

        Raises ClockAhead, TimeUnvouched, NoPurgeKey, CohortInFile, and PlanChanged where something
        moved just now.
        """

        def decide(work: Work) -> None:
            state: Purges | None = work.state(PURGES.kind, subject_of(cohort))
            on = state.approved if state is not None else None
            if on is None:
                return
            told = self._now(cohort, on, work.now)
            heads = still_going(on.heads, told, self._kept(on.approvals))
            work.extra.archive = lambda conn: _still(conn, heads)
            parts = self._signed(cohort, on, heads)
            command = SignPurge(at=work.now, cohort=cohort, plan=on.plan, parts=parts)
            work.apply(To(subject_of(cohort), command), Origin("purge:answered", BY_ITSELF))

        self._app.writer.transact(decide)

    def _kept(self, approvals: Sequence[UUID]) -> frozenset[UUID]:
        with self._app.store.connection() as conn, conn.cursor(row_factory=tuple_row) as curs:
            rows = curs.execute(
                f"SELECT DISTINCT unnest(kept) FROM {ANSWERS} WHERE record = ANY(%s)",
                (list(approvals),),
            ).fetchall()
        return frozenset(complaint for (complaint,) in rows)

    def _now(self, cohort: str, on: Entry, now: datetime, proposed: str | None = None) -> Plan:
        """What may go as of the proposal, by what is known, in force and vouched for now.

        Raises TimeUnvouched where only the clock is why more would go: of what was approved, or the
        plan of this digest that was `proposed`.
        """
        unvouched = self._witness.unvouched()
        with self._app.store.connection() as conn:
            check(conn, now)
            with one_moment(conn):
                at, policy = on.proposed_at, self._policy(now)
                # What is signed was approved: a rest since the proposal takes nothing from it.
                counted = min(at, now - unvouched) if proposed is None else at - unvouched
                told = retaining.plan(conn, cohort, counted, policy)
                if proposed is None or proposed != told.digest:
                    leapt = retaining.plan(conn, cohort, at, policy)
                    approved = {UUID(head.subject) for head in on.heads}
                    by_the_leap(leapt, told, unvouched, approved, proposed)
        return told

    def _signed(self, cohort: str, on: Entry, heads: Sequence[Head]) -> tuple[CohortPurged, ...]:
        if self._key is None:
            raise NoPurgeKey
        assert on.by is not None
        parts = in_parts(heads)
        made = []
        for number, some in enumerate(parts, start=1):
            count = sum(head.sequence for head in some)
            text = purge_text(
                cohort, number, len(parts), on.ground, count, on.proposed_by, on.by, some
            )
            made.append(
                CohortPurged(
                    cohort=cohort,
                    part=number,
                    parts=len(parts),
                    plan=on.plan,
                    heads=some,
                    count=count,
                    ground=on.ground,
                    proposed_by=on.proposed_by,
                    by=on.by,
                    key=self._key.public,
                    signature=self._key.sign(text),
                )
            )
        return tuple(made)


class Signer:
    """The chore that signs what goes, once every service has answered the approval.

    `bring_back` sees to it that no record of the month lies in a file; False: it cannot now.
    """

    name = "purge"

    def __init__(
        self,
        app: App,
        office: Office,
        bring_back: Callable[[str], Awaitable[bool]],
        ran_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._app = app
        self._office = office
        self._bring_back = bring_back
        self._ran_s = ran_s
        self._not_before: dict[str, float] = {}
        """Months that could not be signed, and when each is tried again: by `ran_s`, for the clock
        may be set meanwhile.
        """

    def next_due(self) -> datetime | None:
        """Now, while all have answered; None while nothing waits for it, or only what failed."""
        return self._app.clock.now() if self._due(self._office.ready()) else None

    async def run(self) -> None:
        """Signs those whose time has come; one that cannot be signed holds no other up."""
        ready = await self._app.in_thread(self._office.ready)
        due = self._due(ready)
        self._not_before = {one: at for one, at in self._not_before.items() if one in ready}
        for cohort in due:
            if not await self._sign(cohort):
                self._not_before[cohort] = self._ran_s() + AGAIN_SECONDS

    def _due(self, ready: Sequence[str]) -> list[str]:
        now_s = self._ran_s()
        return [one for one in ready if self._not_before.get(one, now_s) <= now_s]

    async def _sign(self, cohort: str) -> bool:
        if not await self._bring_back(cohort):
            return False
        try:
            await self._app.in_thread(self._office.sign, cohort)
        except DomainError as error:
            log.warning("a purge cannot be signed now", extra={"rule": error.rule})
            return False
        return True


_READY = f"""
SELECT p.cohort FROM {PURGES_ROWS} p WHERE p.stage = 'approved' AND NOT EXISTS (
  SELECT FROM {PARTS_ROWS} t CROSS JOIN LATERAL unnest(t.asked) AS service
  WHERE t.cohort = p.cohort AND t.number = p.number AND NOT EXISTS (
    SELECT FROM {ANSWERS} a WHERE a.record = t.record AND a.source = service
  )
) ORDER BY 1
"""


def heard_rows(recorded: Recorded[Any]) -> Iterable[Row]:
    """What a service answered."""
    told = recorded.data
    if isinstance(told, PurgeAnswered):
        yield Row.of(
            ANSWERS,
            {"record": told.record, "source": recorded.source},
            step=told.step.value,
            kept=list(told.kept),
        )


def _named(told: Plan, by: str) -> tuple[PurgeApproved, ...]:
    parts = in_parts(told.heads)
    return tuple(
        PurgeApproved(
            cohort=told.cohort,
            part=number,
            parts=len(parts),
            plan=told.digest,
            heads=heads,
            asked=ASKED,
            by=by,
        )
        for number, heads in enumerate(parts, start=1)
    )


def _still(conn: Connection[Any], named: Sequence[Head]) -> None:
    """Under the writer's lock: nothing of these moved meanwhile; raises PlanChanged."""
    subjects = sorted({head.subject for head in named})
    with conn.cursor(row_factory=tuple_row) as curs:
        heads = curs.execute(
            "SELECT source, subject, sequence, encode(digest, 'hex') FROM head "
            "WHERE subject = ANY(%s)",
            (subjects,),
        ).fetchall()
        held = curs.execute(
            "SELECT count(*) FROM legal_hold WHERE complaint = ANY(%s::uuid[])", (subjects,)
        ).fetchone()
        own = curs.execute(
            "SELECT originator_id::text, max(originator_version) FROM stored_events "
            "WHERE originator_id = ANY(%s::uuid[]) GROUP BY 1",
            (subjects,),
        ).fetchall()
    ends = {(one.source, one.subject, one.sequence, one.digest) for one in named}
    # Audit's own streams grow here before they come back from the log.
    mine = {(one.subject, one.sequence) for one in named if one.source == OWN_SOURCE}
    if set(heads) != ends or set(own) != mine or held != (0,):
        raise PlanChanged


def by_the_leap(
    leapt: Plan,
    told: Plan,
    unvouched: timedelta,
    approved: Collection[UUID] | None = None,
    proposed: str | None = None,
) -> None:
    """Raises TimeUnvouched where what `leapt` lets go and `told` does not is what was asked for.

    `leapt` is the plan by the clock, `told` that by what is vouched for of it. Asked for is
    whatever goes, or what was approved, or the plan that was proposed.
    """
    young = {one.complaint: one for one in leapt.goes}
    for one in told.goes:
        young.pop(one.complaint, None)
    asked = young if approved is None else young.keys() & approved
    if asked or (young and proposed == leapt.digest):
        dues = [one.due for one in young.values() if one.due is not None]
        raise TimeUnvouched(unvouched, min(dues) + unvouched if dues else None)


def check(conn: Connection[Any], now: datetime) -> None:
    """A clock set wrongly lowers no floor; raises ClockAhead."""
    with conn.cursor(row_factory=tuple_row) as curs:
        row = curs.execute("SELECT clock_timestamp()").fetchone()
    assert row is not None
    if now - row[0] > CLOCK_AHEAD_MAX:
        raise ClockAhead
