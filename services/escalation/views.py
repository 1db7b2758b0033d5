"""What the 10015 desk and reports see: the queue, every case, money asked and granted, the rate."""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from psycopg import Connection
from pydantic import BaseModel, ConfigDict, Field

from contracts.escalation import CaseOutcome
from contracts.values import Basis, CaseTrigger, Decision, Instant, Payer
from libs.eventlog import Table
from services.escalation.domain.state import Stage

ESCALATION_CASE = Table(
    "escalation_case",
    {
        "complaint": "uuid not null",
        "number": "int not null",
        "rank": "int not null",
        "tier": "int not null",
        "cycle": "int not null",
        "trigger": "text not null",
        "causes": "jsonb not null",
        "customer_asked": "boolean not null",
        "stage": "text not null",
        "requested_at": "timestamptz not null",
        "officer": "text",
        "accepted_at": "timestamptz",
        "contacted_at": "timestamptz",
        "instructions": "jsonb not null",
        "decision": "text",
        "decided_at": "timestamptz",
        "final": "boolean not null",
        "corrective_owner": "text",
        "corrective_due": "timestamptz",
        "corrected_at": "timestamptz",
        "reports": "jsonb not null",
        "outcome": "text",
        "reason": "text",
        "ended_at": "timestamptz",
    },
    key=("complaint", "number"),
    indexes=("stage, rank, requested_at", "requested_at", "corrective_due, complaint, number"),
)

ESCALATION_AWARD = Table(
    "escalation_award",
    {
        "complaint": "uuid not null",
        "finding": "int not null",
        "state": "text not null",
        "basis": "text not null",
        "amount": "text not null",
        "granted": "text not null",
        "complaint_granted": "text not null",
        "proposed_by": "text not null",
        "role": "text not null",
        "authority": "text",
        "paid_by": "text not null",
        "partner": "text",
        "asked_at": "timestamptz not null",
        "settled_by": "text",
        "settled_at": "timestamptz",
    },
    key=("complaint", "finding"),
    indexes=("state, asked_at",),
)

ESCALATION_COMPLAINT = Table(
    "escalation_complaint",
    {
        "complaint": "uuid not null",
        "receipt": "text not null",
        "category": "text not null",
        "urgency": "text not null",
        "value_tier": "text not null",
        "customer_class": "text not null",
        "province": "text",
        "language": "text not null",
        "registered_at": "timestamptz not null",
    },
    key=("complaint",),
)

TABLES: tuple[Table, ...] = (ESCALATION_CASE, ESCALATION_AWARD, ESCALATION_COMPLAINT)


# --- event -> rows --------------------------------------------------------------------------


# --- rows -> answers ------------------------------------------------------------------------


class _Shown(BaseModel):
    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)


class ShownCause(_Shown):
    """One thing that a case rests on."""

    trigger: CaseTrigger
    """What sort of cause."""
    event: UUID
    """The event that led here."""
    clock: str | None = None
    """The breached clock."""


class ShownInstruction(_Shown):
    """What a team was told to do."""

    number: int
    """Its number within the case."""
    team: str
    """The team."""
    due: Instant
    """By when."""
    done: bool
    """Whether the team has reported that it is done."""


class ShownCase(_Shown):
    """A case as the desk sees it; no personal data, which is opened apart and on record."""

    complaint: UUID
    """The complaint."""
    receipt: str | None
    """Its receipt number; null while its registration is still under way in the log."""
    category: str | None
    """What it is about."""
    urgency: str | None
    """How pressing it is."""
    value_tier: str | None
    """The customer's tier."""
    number: int
    """The case's number within the complaint."""
    tier: int
    """2 province 10015, 3 headquarters 10015, 4 regulator appeal."""
    cycle: int
    """The complaint's handling cycle."""
    trigger: CaseTrigger
    """Why it was requested."""
    causes: list[ShownCause]
    """All it rests on now."""
    customer_asked: bool
    """The customer asked for it."""
    stage: Stage
    """Requested, accepted, decided, declined or closed."""
    requested_at: Instant
    """When."""
    officer: str | None
    """Who has it."""
    accepted_at: Instant | None
    """When it was taken."""
    contacted_at: Instant | None
    """When the customer was first reached."""
    instructions: list[ShownInstruction]
    """What teams were told to do."""
    decision: Decision | None
    """Upheld, partly, rejected."""
    decided_at: Instant | None
    """When."""
    final: bool
    """The final response, which names the right to appeal."""
    corrective_owner: str | None
    """The team that owes a corrective action."""
    corrective_due: Instant | None
    """By when."""
    corrected_at: Instant | None
    """When it was reported that it is done."""
    reports: dict[str, str]
    """Reports given: what -> the report's number."""
    outcome: CaseOutcome | None
    """How it ended."""
    reason: str | None
    """Why it ended or was declined."""
    ended_at: Instant | None
    """When."""


class ShownAward(_Shown):
    """Money asked for or granted, amounts in CNY with two places."""

    complaint: UUID
    """The complaint."""
    finding: int
    """The finding it rests on."""
    state: str = Field(pattern="^(submitted|granted|refused)$")
    """Submitted, granted or refused."""
    basis: Basis
    """On what ground."""
    amount: str
    """The amount asked for."""
    granted: str
    """What this finding and those it corrects were given."""
    complaint_granted: str
    """What the complaint was given in all."""
    proposed_by: str
    """Who proposed it: never who approves."""
    role: str
    """The role it was proposed in."""
    authority: str | None
    """The role that was asked to approve it; null when it was within the proposer's limit."""
    paid_by: Payer
    """The party at fault, which pays."""
    partner: str | None
    """Which partner."""
    asked_at: Instant
    """When."""
    settled_by: str | None
    """Who granted or refused it."""
    settled_at: Instant | None
    """When."""


class ShownCorrection(_Shown):
    """A corrective action that somebody owes (DOMAIN rule 10; 003 限时整改)."""

    complaint: UUID
    """The complaint."""
    receipt: str | None
    """Its receipt number."""
    number: int
    """The case that ordered it."""
    tier: int
    """The tier that ordered it."""
    owner: str
    """The team that owes it."""
    due: Instant
    """By when."""
    decided_at: Instant
    """When it was ordered."""
    corrected_at: Instant | None
    """When it was reported that it is done."""
    breached: bool
    """Not done by its due, whether it was done later or is not yet."""


_CASE = (
    "SELECT c.complaint, r.receipt, r.category, r.urgency, r.value_tier, c.number, c.tier, "
    "c.cycle, c.trigger, c.causes, c.customer_asked, c.stage, c.requested_at, c.officer, "
    "c.accepted_at, c.contacted_at, c.instructions, c.decision, c.decided_at, c.final, "
    "c.corrective_owner, c.corrective_due, c.corrected_at, c.reports, c.outcome, "
    "c.reason, c.ended_at "
    "FROM escalation_case c LEFT JOIN escalation_complaint r ON r.complaint = c.complaint "
)

QueueKey = tuple[int, datetime, UUID, int]
"""(minus the tier, requested at, complaint, number): the queue's order."""


def queue_key(case: ShownCase) -> QueueKey:
    """Where a case stands in the queue."""
    return (-case.tier, case.requested_at, case.complaint, case.number)


def queue(
    conn: Connection[Any],
    stages: Sequence[Stage],
    tiers: Sequence[int],
    after: QueueKey | None,
    limit: int,
) -> list[ShownCase]:
    """Cases in these stages and of these tiers: the highest tier first, then the longest waiting;
    one row too many.
    """
    where = "WHERE c.stage = ANY(%s) AND c.tier = ANY(%s) "
    values = ([stage.value for stage in stages], list(tiers))
    if after is not None:
        where += "AND (c.rank, c.requested_at, c.complaint, c.number) > (%s, %s, %s, %s) "
    found = conn.execute(
        _CASE + where + "ORDER BY c.rank, c.requested_at, c.complaint, c.number LIMIT %s",
        (*values, *(after or ()), limit + 1),
    )
    return [ShownCase(**row) for row in found.fetchall()]


def cases_of(conn: Connection[Any], complaint: UUID) -> list[ShownCase]:
    """Every case of a complaint, oldest first."""
    found = conn.execute(_CASE + "WHERE c.complaint = %s ORDER BY c.number", (complaint,))
    return [ShownCase(**row) for row in found.fetchall()]


class Corrections(StrEnum):
    """Which corrective actions are asked for."""

    OPEN = "open"
    """Not done yet."""
    OVERDUE = "overdue"
    """Not done, and past their due."""
    ALL = "all"
    """Done ones, too."""


CorrectionKey = tuple[datetime, UUID, int]
"""(due, complaint, number): the order of corrective actions."""


def correction_key(one: ShownCorrection) -> CorrectionKey:
    """Where a corrective action stands in its list."""
    return (one.due, one.complaint, one.number)


def corrections(
    conn: Connection[Any],
    wanted: Corrections,
    owner: str | None,
    now: datetime,
    after: CorrectionKey | None,
    limit: int,
) -> list[ShownCorrection]:
    """Corrective actions, what is due first before; one row too many.

    Met when done at its due at the latest (DOMAIN counting 6), judged at `now`.
    """
    late = "coalesce(c.corrected_at, %s) > c.corrective_due "
    where, values = "", list[Any]([now])
    if wanted is not Corrections.ALL:
        where += "AND c.corrected_at IS NULL "
    if wanted is Corrections.OVERDUE:
        where, values = where + "AND c.corrective_due < %s ", [*values, now]
    if owner is not None:
        where, values = where + "AND c.corrective_owner = %s ", [*values, owner]
    if after is not None:
        where += "AND (c.corrective_due, c.complaint, c.number) > (%s, %s, %s) "
    found = conn.execute(
        "SELECT c.complaint, r.receipt, c.number, c.tier, c.corrective_owner AS owner, "
        "c.corrective_due AS due, c.decided_at, c.corrected_at, "
        f"{late}AS breached "
        "FROM escalation_case c LEFT JOIN escalation_complaint r ON r.complaint = c.complaint "
        f"WHERE c.corrective_due IS NOT NULL {where}"
        "ORDER BY c.corrective_due, c.complaint, c.number LIMIT %s",
        (*values, *(after or ()), limit + 1),
    )
    return [ShownCorrection(**row) for row in found.fetchall()]


AwardKey = tuple[datetime, UUID, int]
"""(asked at, complaint, finding): the order of what waits for approval."""


def award_key(award: ShownAward) -> AwardKey:
    """Where an award stands in its list."""
    return (award.asked_at, award.complaint, award.finding)


def awards(
    conn: Connection[Any], state: str, after: AwardKey | None, limit: int
) -> list[ShownAward]:
    """Awards in this state, the longest waiting first; one row too many."""
    where = "AND (asked_at, complaint, finding) > (%s, %s, %s) " if after else ""
    found = conn.execute(
        f"SELECT * FROM escalation_award WHERE state = %s {where}"
        "ORDER BY asked_at, complaint, finding LIMIT %s",
        (state, *(after or ()), limit + 1),
    )
    return [ShownAward(**row) for row in found.fetchall()]


def awards_of(conn: Connection[Any], complaint: UUID) -> list[ShownAward]:
    """Every award of a complaint, by finding."""
    found = conn.execute(
        "SELECT * FROM escalation_award WHERE complaint = %s ORDER BY finding", (complaint,)
    )
    return [ShownAward(**row) for row in found.fetchall()]
