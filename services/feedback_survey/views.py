"""What people see of telling and asking: notices sent, calls to make, what was answered."""

from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg import Connection
from pydantic import BaseModel, ConfigDict

from contracts.feedback_survey import CallReason, SurveyOutcome
from contracts.values import (
    CustomerClass,
    DeliveryResult,
    Instant,
    Language,
    Medium,
    NoticeKind,
    ReplyTo,
    StaffRef,
    TextSegment,
    ValueTier,
)
from libs.eventlog import Table
from services.feedback_survey.domain.rows import CallState

FEEDBACK_NOTICE = Table(
    "feedback_notice",
    {
        "notice": "uuid not null",
        "complaint": "uuid not null",
        "number": "int not null",
        "cycle": "int not null",
        "kind": "text not null",
        "by": "text not null",
        "issued_at": "timestamptz not null",
        "not_before": "timestamptz not null",
        "late": "boolean not null",
        "template": "text not null",
        "answer": "uuid",
        "repeats": "uuid",
        "attempts": "int not null",
        "result": "text",
        "tried_at": "timestamptz",
    },
    key=("notice",),
    indexes=("complaint, number",),
)

FEEDBACK_CALL = Table(
    "feedback_call",
    {
        "call": "uuid not null",
        "complaint": "uuid not null",
        "number": "int not null",
        "receipt": "text not null",
        "cycle": "int not null",
        "reason": "text not null",
        "notice": "uuid",
        "kind": "text",
        "partner": "text",
        "language": "text not null",
        "value_tier": "text not null",
        "planned_at": "timestamptz not null",
        "not_before": "timestamptz not null",
        "remind_at": "timestamptz not null",
        "state": "text not null",
        "reply_to": "jsonb",
        "words": "jsonb not null",
        "attempts": "jsonb not null",
        "attempts_max": "int not null",
        "missed": "boolean not null",
        "taken_by": "text",
        "taken_team": "text",
        "taken_until": "timestamptz",
    },
    key=("call",),
    indexes=("complaint, number", "state, remind_at, call"),
)

FEEDBACK_VISIT = Table(
    "feedback_visit",
    {
        "call": "uuid not null",
        "complaint": "uuid not null",
        "receipt": "text not null",
        "cycle": "int not null",
        "customer_class": "text not null",
        "value_tier": "text not null",
        "planned_at": "timestamptz not null",
        "not_before": "timestamptz not null",
        "remind_at": "timestamptz not null",
        "state": "text not null",
        "attempts": "int not null",
        "agent": "text",
        "team": "text",
        "visited_at": "timestamptz",
        "score": "int",
        "resolved": "boolean",
        "satisfied": "boolean",
        "month": "text",
    },
    key=("call",),
    indexes=("planned_at, call", "month, planned_at, call"),
)

FEEDBACK_SURVEY = Table(
    "feedback_survey",
    {
        "complaint": "uuid not null",
        "cycle": "int not null",
        "survey": "uuid",
        "answer": "uuid",
        "by": "text",
        "asked_at": "timestamptz",
        "expires": "timestamptz",
        "reminded": "boolean not null",
        "score": "int",
        "resolved": "boolean",
        "satisfied": "boolean",
        "answered_at": "timestamptz",
        "late_score": "int",
        "late_satisfied": "boolean",
        "late_at": "timestamptz",
        "outcome": "text",
        "reason": "text",
        "concluded_at": "timestamptz",
    },
    key=("complaint", "cycle"),
)

TABLES: tuple[Table, ...] = (
    FEEDBACK_NOTICE,
    FEEDBACK_CALL,
    FEEDBACK_VISIT,
    FEEDBACK_SURVEY,
)


# --- state -> rows --------------------------------------------------------------------------


# --- rows -> answers ------------------------------------------------------------------------


class _Shown(BaseModel):
    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)


class ShownNotice(_Shown):
    """A notice as staff see it: never its words, which only gateways open."""

    notice: UUID
    """Its id."""
    complaint: UUID
    """The complaint."""
    number: int
    """Its number among the complaint's notices."""
    cycle: int
    """The handling cycle."""
    kind: NoticeKind
    """What it tells."""
    by: Medium
    """Message, call, or handed over on the spot."""
    issued_at: Instant
    """When it was issued."""
    not_before: Instant
    """When it may leave."""
    late: bool
    """A delay notice that leaves after the promise lapsed."""
    template: str
    """The version of the texts."""
    answer: UUID | None
    """The event it tells of."""
    repeats: UUID | None
    """The failed notice that it tries again."""
    attempts: int
    """How often somebody tried."""
    result: DeliveryResult | None
    """What came of the last attempt."""
    tried_at: Instant | None
    """When that was."""


class ShownAttempt(_Shown):
    """One attempt at a call."""

    at: Instant
    """When."""
    how: Medium
    """By a call, or in person."""
    reached: bool
    """Whether the customer was reached."""
    agent: str | None
    """Who called, a pseudonym; null: a gateway that calls by itself."""
    team: str | None
    """Of which team."""


class ShownCall(_Shown):
    """A customer to call back (回访), and every attempt."""

    call: UUID
    """The task; taking it and attempts name it."""
    complaint: UUID
    """The complaint."""
    number: int
    """Its number among the complaint's calls."""
    receipt: str
    """Its receipt number."""
    cycle: int
    """The handling cycle."""
    reason: CallReason
    """Why the customer is called."""
    notice: UUID | None
    """The notice whose words are to be told; null: none."""
    kind: NoticeKind | None
    """What that notice tells or asks."""
    partner: str | None
    """The partner whose answer it confirms; null: none."""
    language: Language
    """In which language."""
    value_tier: ValueTier
    """The customer's tier."""
    planned_at: Instant
    """When it was planned."""
    not_before: Instant
    """Not earlier than this: quiet hours, or the pause after an attempt."""
    remind_at: Instant
    """From then on it is overdue, as long as nobody has tried."""
    overdue: bool
    """Nobody has tried in time: the desk is reminded of it."""
    missed: bool
    """Nobody had tried in time, which is on record: for the manager to see to."""
    state: CallState
    """Where it stands."""
    attempts: list[ShownAttempt]
    """Every attempt, oldest first."""
    attempts_max: int
    """How often the customer is tried."""
    taken_by: str | None
    """Who has it now, a pseudonym."""
    taken_team: str | None
    """Of which team."""
    taken_until: Instant | None
    """Until when."""


class CallScript(_Shown):
    """Whom to call and what to say, for who has taken the call; `POST /open` opens the tokens."""

    call: UUID
    """The task."""
    complaint: UUID
    """The complaint; name it when opening, with the purpose `call`."""
    receipt: str
    """Its receipt number."""
    language: Language
    """In which language."""
    reply_to: ReplyTo
    """Where to call: the number sealed."""
    words: list[TextSegment]
    """What to tell or ask, stretches clear and sealed; empty: a visit has no words of its own."""


class ShownVisit(_Shown):
    """A follow-up visit (客户回访), planned or made, and what came of it."""

    call: UUID
    """The task; it is taken and attempted like any call."""
    complaint: UUID
    """The complaint."""
    receipt: str
    """Its receipt number."""
    cycle: int
    """The handling cycle whose closing it follows."""
    customer_class: CustomerClass
    """Personal, family or enterprise."""
    value_tier: ValueTier
    """The customer's tier."""
    planned_at: Instant
    """When the complaint was closed and the visit planned."""
    not_before: Instant
    """Not earlier than this."""
    remind_at: Instant
    """From then on it is overdue, as long as nobody has tried."""
    state: CallState
    """Where it stands."""
    attempts: int
    """How often somebody tried."""
    agent: str | None
    """Who tried last, a pseudonym."""
    team: str | None
    """Of which team."""
    visited_at: Instant | None
    """When the customer was reached."""
    score: int | None
    """1 to 10."""
    resolved: bool | None
    """Whether the customer calls it resolved."""
    satisfied: bool | None
    """What the policy made of it."""


class ShownSurvey(_Shown):
    """One cycle's asking and what came of it."""

    complaint: UUID
    """The complaint."""
    cycle: int
    """The handling cycle."""
    survey: UUID | None
    """Its id; null when nobody could be asked."""
    answer: UUID | None
    """The answer asked about."""
    by: Medium | None
    """By message or call."""
    asked_at: Instant | None
    """When."""
    expires: Instant | None
    """When it ends without an answer."""
    reminded: bool
    """Whether the one reminder went out."""
    score: int | None
    """1 to 10."""
    resolved: bool | None
    """Whether the customer calls it resolved."""
    satisfied: bool | None
    """What the policy made of it."""
    answered_at: Instant | None
    """When the customer answered."""
    late_score: int | None
    """The score of a reply after the end."""
    late_satisfied: bool | None
    """What the policy made of that."""
    late_at: Instant | None
    """When that came."""
    outcome: SurveyOutcome | None
    """How it ended; null while it is open."""
    reason: str | None
    """Why it ended so."""
    concluded_at: Instant | None
    """When."""


def notices_of(conn: Connection[Any], complaint: UUID) -> list[ShownNotice]:
    """Every notice of a complaint, oldest first."""
    found = conn.execute(
        "SELECT * FROM feedback_notice WHERE complaint = %s ORDER BY number",
        (complaint,),
    )
    return [ShownNotice(**row) for row in found.fetchall()]


def complaint_of_call(conn: Connection[Any], call: UUID) -> UUID | None:
    """The complaint that a call is about; None when there is no such call."""
    row = conn.execute("SELECT complaint FROM feedback_call WHERE call = %s", (call,)).fetchone()
    return None if row is None else row["complaint"]


def surveys_of(conn: Connection[Any], complaint: UUID) -> list[ShownSurvey]:
    """Every cycle's asking, oldest first (S6: three surveys, 3, 2, 9)."""
    found = conn.execute(
        "SELECT * FROM feedback_survey WHERE complaint = %s ORDER BY cycle", (complaint,)
    )
    return [ShownSurvey(**row) for row in found.fetchall()]


SHOWN_CALL = ", ".join(name for name in ShownCall.model_fields if name != "overdue")
"""The columns of a call that everybody may see who may see calls."""

CallKey = tuple[datetime, UUID]
"""(remind at, call): the order of calls to make."""


def call_key(call: ShownCall) -> CallKey:
    """Where a call stands in its list."""
    return (call.remind_at, call.call)


def calls(
    conn: Connection[Any],
    now: datetime,
    reason: CallReason | None,
    missed: bool | None,
    after: CallKey | None,
    limit: int,
) -> list[ShownCall]:
    """Calls that may be made now, the longest waiting first; one row too many."""
    which = "AND reason = %s " if reason else ""
    if missed is not None:
        which += f"AND (missed AND attempts = '[]') IS {missed} "
    further = "AND (remind_at, call) > (%s, %s) " if after else ""
    found = conn.execute(
        f"SELECT {SHOWN_CALL} FROM feedback_call "
        f"WHERE state = 'waiting' AND not_before <= %s {which}{further}"
        "ORDER BY remind_at, call LIMIT %s",
        (now, *((reason.value,) if reason else ()), *(after or ()), limit + 1),
    )
    return [_shown_call(row, now) for row in found.fetchall()]


def missed_calls(conn: Connection[Any]) -> int:
    """How many calls nobody has tried to make in time, nor since."""
    row = conn.execute(
        "SELECT count(*) AS many FROM feedback_call "
        "WHERE state = 'waiting' AND missed AND attempts = '[]'"
    ).fetchone()
    assert row is not None
    return int(row["many"])


def script_of(conn: Connection[Any], call: UUID, by: StaffRef, now: datetime) -> CallScript | None:
    """Whom to call and what to say; None unless they have this call now."""
    row = conn.execute(
        "SELECT call, complaint, receipt, language, reply_to, words FROM feedback_call "
        "WHERE call = %s AND state = 'waiting' AND taken_until > %s "
        "AND taken_by IS NOT DISTINCT FROM %s AND taken_team IS NOT DISTINCT FROM %s",
        (call, now, by.agent, by.team),
    ).fetchone()
    return None if row is None else CallScript(**row)


def calls_of(conn: Connection[Any], complaint: UUID, now: datetime) -> list[ShownCall]:
    """Every call about a complaint, whatever became of it, oldest first."""
    found = conn.execute(
        f"SELECT {SHOWN_CALL} FROM feedback_call WHERE complaint = %s ORDER BY number",
        (complaint,),
    )
    return [_shown_call(row, now) for row in found.fetchall()]


def _shown_call(row: dict[str, Any], now: datetime) -> ShownCall:
    waits = row["state"] == CallState.WAITING.value
    held = row["taken_until"] is not None and now < row["taken_until"]
    taken = ("taken_by", "taken_team", "taken_until")
    known = row if waits and held else {**row, **dict.fromkeys(taken)}
    return ShownCall(**known, overdue=waits and not row["attempts"] and row["remind_at"] <= now)


VisitKey = tuple[datetime, UUID]
"""(planned at, call): the order of visits."""


def visit_key(visit: ShownVisit) -> VisitKey:
    """Where a visit stands in its list."""
    return (visit.planned_at, visit.call)


def visits(
    conn: Connection[Any],
    month: str | None,
    state: CallState | None,
    after: VisitKey | None,
    limit: int,
) -> list[ShownVisit]:
    """Visits in the order they were planned, made in `month` or all; one row too many."""
    where: dict[str, Any] = {}
    if month is not None:
        where["month = %s"] = month
    if state is not None:
        where["state = %s"] = state.value
    clauses = [*where, *(("(planned_at, call) > (%s, %s)",) if after else ())]
    found = conn.execute(
        f"SELECT * FROM feedback_visit {'WHERE ' + ' AND '.join(clauses) if clauses else ''} "
        "ORDER BY planned_at, call LIMIT %s",
        (*where.values(), *(after or ()), limit + 1),
    )
    shown = [{key: row[key] for key in row if key != "month"} for row in found.fetchall()]
    return [ShownVisit(**row) for row in shown]
