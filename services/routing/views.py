"""What desks look at: my queue by urgency and due time, one complaint's work, and loads.

Two sorts of rows. Those of routing's own streams follow from the state (`work_rows`, `team_rows`).
Those kept from heard events stand under (source, subject) and are only ever added, one per event:
a clock's standing is folded from them when it is read. That keeps hearing cheap (one insert for
all clocks of a complaint) and rebuilding exact.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from psycopg import Connection
from psycopg.rows import dict_row
from pydantic import BaseModel, ConfigDict

from contracts.routing import Informed
from contracts.values import ClockPurpose, FaultLiesWith, WarningLevel
from libs.decider.decider import Instant
from libs.eventlog import Table
from services.routing.domain.answering import DELAYABLE, waiver_owed
from services.routing.domain.commands import ClockState, KnownClock, Settled

URGENT_WARNINGS = frozenset({WarningLevel.MOST.value, WarningLevel.LAST.value})
"""From 80 % on a delay plan is asked for (EVENTS 28)."""

_WHEN = "timestamptz"

TABLES: tuple[Table, ...] = (
    Table(
        "work",
        {
            "complaint": "uuid not null",
            "cycle": "integer not null",
            "phase": "text not null",
            "queue": "text not null",
            "priority": "integer not null",
            "urges": "integer not null",
            "passed_on": "integer not null",
            "rule": "text not null",
            "table_version": "text not null",
            "category": "text not null",
            "urgency": "text not null",
            "value_tier": "text not null",
            "customer_class": "text not null",
            "language": "text not null",
            "province": "text",
            "about_staff": "boolean not null",
            "clock_from": f"{_WHEN} not null",
            "routed_at": f"{_WHEN} not null",
            "team": "text",
            "agent": "text",
            "accept_by": _WHEN,
            "accepted_at": _WHEN,
            "owner_team": "text",
            "owner_agent": "text",
            "waiting_for": "text",
            "wait_until": _WHEN,
            "forward_to": "text",
            "forward_kind": "text",
            "back_by": _WHEN,
            "contacted_at": _WHEN,
            "reported_at": _WHEN,
            "opinions": "integer not null",
            "answered_at": _WHEN,
            "promises": "jsonb",
            "findings": "jsonb",
            "home_province": "text",
            "seen": "jsonb",
            "duties": "jsonb",
        },
        key=("complaint",),
        indexes=("team", "queue", "owner_team", "home_province"),
    ),
    Table(
        "work_done",
        {
            "complaint": "uuid not null",
            "cycle": "integer not null",
            "queue": "text not null",
            "category": "text not null",
            "province": "text",
            "urges": "integer not null",
            "team": "text",
            "agent": "text",
            "owner_team": "text",
            "owner_agent": "text",
            "answered_at": _WHEN,
            "end_reason": "text not null",
            "ended_at": f"{_WHEN} not null",
            "clock_from": f"{_WHEN} not null",
            "about_staff": "boolean not null",
            "home_province": "text",
            "seen": "jsonb",
            "duties": "jsonb",
        },
        key=("complaint",),
        indexes=("owner_team, ended_at", "home_province"),
    ),
    Table(
        "step",
        {
            "complaint": "uuid not null",
            "source": "text not null",
            "sequence": "integer not null",
            "at": f"{_WHEN} not null",
            "type": "text not null",
            "actor": "text not null",
        },
        key=("complaint", "source", "sequence"),
    ),
    Table(
        "clock_heard",
        {
            "complaint": "uuid not null",
            "source": "text not null",
            "sequence": "integer not null",
            "clocks": "jsonb not null",
        },
        key=("complaint", "source", "sequence"),
    ),
    Table(
        "compensation_heard",
        {
            "complaint": "uuid not null",
            "source": "text not null",
            "sequence": "integer not null",
            "asked": "uuid not null",
            "state": "text not null",
            "granted_total": "text",
        },
        key=("complaint", "source", "sequence"),
    ),
    Table(
        "instruction_heard",
        {
            "complaint": "uuid not null",
            "source": "text not null",
            "sequence": "integer not null",
            "case_number": "integer not null",
            "instruction": "integer not null",
            "team": "text not null",
            "due_at": f"{_WHEN} not null",
            "what": "text not null",
        },
        key=("complaint", "source", "sequence"),
    ),
    Table(
        "team",
        {
            "team": "text not null",
            "province": "text",
            "available": "boolean not null",
            "calendar": "text",
            "queues": "jsonb not null",
            "seats": "jsonb not null",
        },
        key=("team",),
    ),
)
"""The read models. `work` holds what is open or being asked about, `work_done` what has ended."""


# -- rows of our own streams ----------------------------------------------------------------------


# -- rows of heard events -------------------------------------------------------------------------


def known_clocks(rows: Sequence[Mapping[str, Any]]) -> tuple[KnownClock, ...]:
    """The clocks of one complaint, folded from its `clock_heard` rows in key order."""
    said: dict[tuple[str, str, int], dict[str, Any]] = {}
    for row in rows:
        for news in row["clocks"]:
            key = (news["clock"], news["instance"], news["started_in"])
            said[key] = {**said.get(key, {}), **news}
    # News of a clock whose start is not the desk's to know has no purpose: left out.
    return tuple(_known(one) for one in said.values() if "purpose" in one)


def _known(said: dict[str, Any]) -> KnownClock:
    waits = said.pop("waits", False) and said["state"] == ClockState.RUNNING.value
    return KnownClock.model_validate({**said, "state": "paused"} if waits else said)


def settled(rows: Sequence[Mapping[str, Any]]) -> tuple[Settled, ...]:
    """What became of proposals and corrections, from `compensation_heard` rows in key order."""
    return tuple(
        Settled(asked=row["asked"], state=row["state"], granted_total=row["granted_total"])
        for row in rows
    )


# -- queries --------------------------------------------------------------------------------------


class Scope(StrEnum):
    """Whose queue is asked for."""

    MINE = "mine"
    """What I have, am asked to take, or my team is asked to take."""
    TEAM = "team"
    """All that my team has or is asked to take."""
    WAITING = "waiting"
    """What waits in my team's queues for anyone to take."""
    OWNED = "owned"
    """What I or my team own, whoever works on it (DOMAIN rule 1)."""


class View(BaseModel):
    """An answer of a query."""

    model_config = ConfigDict(extra="forbid")


class QueueItem(View):
    """One line of a desk's queue."""

    complaint: UUID
    cycle: int
    phase: str
    queue: str
    priority: int
    urges: int
    passed_on: int
    category: str
    urgency: str
    value_tier: str
    customer_class: str
    language: str
    province: str | None
    about_staff: bool
    team: str | None
    agent: str | None
    accept_by: Instant | None
    owner_team: str | None
    owner_agent: str | None
    waiting_for: str | None
    wait_until: Instant | None
    forward_to: str | None
    back_by: Instant | None
    reported_at: Instant | None
    answered_at: Instant | None
    due: Instant | None
    """The earliest promise still to be kept; past when it is broken already."""
    breached: int
    """How many of its promises are broken."""
    warned: str | None
    """The highest warning heard of a running one: `50`, `80` or `last`."""


class ClockView(View):
    """A clock as the desk knows it."""

    clock: str
    instance: str
    purpose: str
    due: Instant | None
    state: str
    warned: str | None


class PartnerDutyView(View):
    """A partner answers the customer and 10010, for each forward."""

    forward: int
    partner: str
    reached_at: Instant | None
    told_10010_at: Instant | None
    told_customer_at: Instant | None
    denied_at: Instant | None
    """When the customer last said that the partner had not answered them."""
    owes: list[str]
    """Of `10010` and `customer` those not answered yet."""


class OwingItem(PartnerDutyView):
    """A partner that still owes an answer, with the complaint it owes it for."""

    complaint: UUID
    cycle: int
    category: str
    owner_team: str | None
    owner_agent: str | None
    due: Instant | None
    """When the earliest of its promises still to be kept is due; null: none runs."""
    breached: int
    """How many of its promises about what it owes are broken."""


class WorkView(View):
    """One complaint's work."""

    complaint: UUID
    cycle: int
    phase: str
    queue: str
    category: str
    province: str | None
    home_province: str | None = None
    """The customer's home, informed of every step, when another province handles it."""
    urges: int
    priority: int | None = None
    rule: str | None = None
    table_version: str | None = None
    urgency: str | None = None
    value_tier: str | None = None
    customer_class: str | None = None
    language: str | None = None
    about_staff: bool | None = None
    passed_on: int | None = None
    clock_from: Instant | None = None
    routed_at: Instant | None = None
    team: str | None
    agent: str | None
    accept_by: Instant | None = None
    accepted_at: Instant | None = None
    owner_team: str | None
    owner_agent: str | None
    waiting_for: str | None = None
    wait_until: Instant | None = None
    forward_to: str | None = None
    forward_kind: str | None = None
    back_by: Instant | None = None
    contacted_at: Instant | None = None
    reported_at: Instant | None = None
    opinions: int | None = None
    answered_at: Instant | None
    end_reason: str | None = None
    ended_at: Instant | None = None
    promises: list[dict[str, Any]] = []
    findings: list[dict[str, Any]] = []
    clocks: list[ClockView] = []
    partner_duties: list[PartnerDutyView] = []
    """What each partner it was forwarded to owes, or has done (DOMAIN rule 7)."""
    instructions: list[dict[str, Any]] = []
    delay_plans_wanted: list[str] = []
    """Clocks from 80 % on without a delay plan (EVENTS 28)."""
    rent_waivers_owed: list[int] = []
    """Findings of an outage past its legal repair limit, for which no waiver is proposed yet."""


class StepView(View):
    """One step of a complaint: what was recorded, when it happened, and whose act it was."""

    source: str
    sequence: int
    type: str
    at: Instant
    actor: str


class InboxItem(View):
    """A complaint with the steps not yet seen by those who are informed of each."""

    complaint: UUID
    cycle: int
    phase: str
    category: str
    province: str | None
    home_province: str | None
    team: str | None
    agent: str | None
    owner_team: str | None
    owner_agent: str | None
    clock_from: Instant
    answered_at: Instant | None
    ended_at: Instant | None
    steps: list[StepView]
    """In the order in which they happened."""


class TeamLoad(View):
    """How much work a team, or one of its people, has in hand."""

    team: str
    agent: str | None
    assigned: int
    accepted: int
    waiting: int
    """Of the accepted ones, those that wait for somebody else."""


_SCOPES: Mapping[Scope, str] = {
    Scope.MINE: "w.team = %(team)s AND (w.agent = %(agent)s OR w.agent IS NULL) "
    "AND w.phase IN ('assigned', 'accepted', 'forwarded')",
    Scope.TEAM: "w.team = %(team)s AND w.phase IN ('assigned', 'accepted', 'forwarded')",
    Scope.WAITING: "w.queue = ANY(%(queues)s) AND w.phase = 'queued'",
    Scope.OWNED: "(w.owner_team = %(team)s OR w.owner_agent = %(agent)s)",
}

_QUEUE = """
SELECT w.complaint, w.cycle, w.phase, w.queue, w.priority, w.urges, w.passed_on, w.category,
       w.urgency, w.value_tier, w.customer_class, w.language, w.province, w.about_staff,
       w.team, w.agent, w.accept_by, w.owner_team, w.owner_agent, w.waiting_for, w.wait_until,
       w.forward_to, w.back_by, w.reported_at, w.answered_at, d.due, d.breached, d.warned
FROM work w CROSS JOIN LATERAL (
  SELECT min((k.said->>'due')::timestamptz) AS due,
         (count(*) FILTER (WHERE k.said->>'state' = 'breached'))::integer AS breached,
         -- '50' < '80' < 'last', as texts sort
         max(k.said->>'warned') FILTER (
           WHERE k.said->>'state' = 'running' AND NOT coalesce((k.said->>'waits')::boolean, false)
         ) AS warned
  FROM (
    SELECT jsonb_object_agg(f.key, f.value ORDER BY h.source, h.sequence) AS said
    FROM clock_heard h, jsonb_array_elements(h.clocks) c, jsonb_each(c) f
    WHERE h.complaint = w.complaint
    GROUP BY c->>'clock', c->>'instance', c->>'started_in'
  ) k
  WHERE k.said->>'state' IN ('running', 'breached')
    AND w.answered_at IS NULL
    AND ((k.said->>'started_in')::integer = w.cycle
         OR k.said->>'purpose' IN ('agreed', 'legal_repair'))
    AND NOT (k.said->>'purpose' = 'first_contact' AND w.contacted_at IS NOT NULL)
) d
WHERE {scope} AND {after}
ORDER BY w.priority DESC, coalesce(d.due, 'infinity'), w.complaint
LIMIT %(limit)s
"""
# jsonb_object_agg keeps the last of equal keys, so that later news of a clock override earlier.

_AFTER = (
    "(-w.priority, coalesce(d.due, 'infinity'), w.complaint) "
    "> (-%(priority)s::integer, coalesce(%(due)s::timestamptz, 'infinity'), %(complaint)s::uuid)"
)

QueueKey = tuple[int, datetime | None, UUID]
"""Priority, due, complaint: where a page ended."""


def queue_key(item: QueueItem) -> QueueKey:
    """The key that `queue_page` goes on after."""
    return item.priority, item.due, item.complaint


def queue_page(
    conn: Connection[Any],
    scope: Scope,
    *,
    agent: str,
    team: str | None,
    queues: Sequence[str] = (),
    after: QueueKey | None = None,
    limit: int,
) -> list[QueueItem]:
    """A desk's queue: highest priority first, then what is due first; at most `limit` + 1 rows."""
    values: dict[str, Any] = {
        "agent": agent,
        "team": team,
        "queues": list(queues),
        "limit": limit + 1,
    }
    if after is not None:
        values |= {"priority": after[0], "due": after[1], "complaint": after[2]}
    query = _QUEUE.format(scope=_SCOPES[scope], after="true" if after is None else _AFTER)
    with conn.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(query.encode(), values).fetchall()
    return [QueueItem.model_validate(row) for row in rows]


_INBOX = """
SELECT w.complaint, w.cycle, w.phase, w.category, w.province, w.home_province, w.team, w.agent,
       w.owner_team, w.owner_agent, w.clock_from, w.answered_at, w.ended_at, s.steps
FROM (
  SELECT complaint, cycle, phase, category, province, home_province, team, agent, owner_team,
         owner_agent, clock_from, answered_at, NULL::timestamptz AS ended_at, seen, about_staff
  FROM work
  UNION ALL
  SELECT complaint, cycle, 'ended', category, province, home_province, team, agent, owner_team,
         owner_agent, clock_from, answered_at, ended_at, seen, about_staff
  FROM work_done
) w CROSS JOIN LATERAL (
  SELECT jsonb_agg(
    jsonb_build_object('source', t.source, 'sequence', t.sequence, 'type', t.type, 'at', t.at,
                       'actor', t.actor)
    ORDER BY t.at, t.source, t.sequence
  ) AS steps
  FROM step t
  WHERE t.complaint = w.complaint
    AND t.sequence > coalesce((w.seen->%(informed)s->>t.source)::integer, 0)
) s
WHERE {scope} AND s.steps IS NOT NULL
  AND (w.clock_from, w.complaint) > (%(since)s::timestamptz, %(complaint)s::uuid)
ORDER BY w.clock_from, w.complaint
LIMIT %(limit)s
"""

_INFORMED: Mapping[Informed, str] = {
    Informed.OWNER: "(w.owner_team = %(team)s OR w.owner_agent = %(agent)s)",
    # What complains of staff is for managers; the home's own people may be the ones (rule 6).
    Informed.HOME_PROVINCE: "w.home_province = %(province)s AND (%(manages)s OR NOT w.about_staff)",
}

InboxKey = tuple[datetime, UUID]
"""First contact, complaint: where a page ended."""


@dataclass(frozen=True, slots=True)
class Reader:
    """Who looks into an inbox."""

    agent: str
    team: str | None
    province: str | None
    manages: bool


def inbox_key(item: InboxItem) -> InboxKey:
    """The key that `inbox` goes on after."""
    return item.clock_from, item.complaint


def inbox(
    conn: Connection[Any],
    informed: Informed,
    reader: Reader,
    *,
    after: InboxKey | None = None,
    limit: int,
) -> list[InboxItem]:
    """Complaints with steps that their owner, or their home province, has not seen yet.

    The oldest complaint first; at most `limit` + 1. A step heard late is as new as any other: what
    counts is how far each service's steps were seen, not when a step happened.
    """
    since, complaint = after or (datetime.min.replace(tzinfo=UTC), UUID(int=0))
    values = {
        "informed": informed.value,
        "agent": reader.agent,
        "team": reader.team,
        "province": reader.province,
        "manages": reader.manages,
        "since": since,
        "complaint": complaint,
        "limit": limit + 1,
    }
    query = _INBOX.format(scope=_INFORMED[informed])
    with conn.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(query.encode(), values).fetchall()
    return [InboxItem.model_validate(row) for row in rows]


_OWING = """
SELECT w.complaint, w.cycle, w.category, w.owner_team, w.owner_agent, d.duty
FROM work w CROSS JOIN LATERAL jsonb_array_elements(w.duties) AS d(duty)
WHERE w.duties IS NOT NULL
  AND d.duty->>'reached_at' IS NOT NULL
  AND jsonb_array_length(d.duty->'owes') > 0
  AND (%(partner)s::text IS NULL OR d.duty->>'partner' = %(partner)s)
  AND ((d.duty->>'reached_at')::timestamptz, w.complaint, (d.duty->>'forward')::integer)
      > (%(since)s::timestamptz, %(complaint)s::uuid, %(forward)s::integer)
ORDER BY (d.duty->>'reached_at')::timestamptz, w.complaint, (d.duty->>'forward')::integer
LIMIT %(limit)s
"""

_OWED_TO = {"10010": ClockPurpose.PARTNER, "customer": ClockPurpose.PARTNER_CUSTOMER}

OwingKey = tuple[datetime, UUID, int]
"""When it reached the partner, complaint, forward: where a page ended."""


def owing_key(item: OwingItem) -> OwingKey:
    """The key that `owing` goes on after."""
    assert item.reached_at is not None
    return item.reached_at, item.complaint, item.forward


def owing(
    conn: Connection[Any],
    partner: str | None = None,
    *,
    after: OwingKey | None = None,
    limit: int,
) -> list[OwingItem]:
    """Partners that owe the customer or 10010 an answer for what has reached them (DOMAIN rule 7).

    What waits longest first, of complaints not closed yet; at most `limit` + 1.
    """
    since, complaint, forward = after or (datetime.min.replace(tzinfo=UTC), UUID(int=0), 0)
    values = {
        "partner": partner,
        "since": since,
        "complaint": complaint,
        "forward": forward,
        "limit": limit + 1,
    }
    with conn.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(_OWING, values).fetchall()
        heard = cursor.execute(
            "SELECT complaint, clocks FROM clock_heard WHERE complaint = ANY(%s) "
            "ORDER BY source, sequence",
            ([row["complaint"] for row in rows],),
        ).fetchall()
    return [
        _owes(row, [one for one in heard if one["complaint"] == row["complaint"]]) for row in rows
    ]


def _owes(row: Mapping[str, Any], heard: Sequence[Mapping[str, Any]]) -> OwingItem:
    duty = row["duty"]
    purposes = {_OWED_TO[whom] for whom in duty["owes"]}
    clocks = [
        one
        for one in known_clocks(heard)
        if one.instance == f"forward-{duty['forward']}" and one.purpose in purposes
    ]
    runs = [one.due for one in clocks if one.state is ClockState.RUNNING and one.due is not None]
    return OwingItem(
        **duty,
        complaint=row["complaint"],
        cycle=row["cycle"],
        category=row["category"],
        owner_team=row["owner_team"],
        owner_agent=row["owner_agent"],
        due=min(runs, default=None),
        breached=sum(one.state is ClockState.BREACHED for one in clocks),
    )


def work_of(conn: Connection[Any], complaint: UUID) -> WorkView | None:
    """One complaint's work with its clocks, instructions and duties; None when unknown."""
    with conn.cursor(row_factory=dict_row) as cursor:
        row = cursor.execute("SELECT * FROM work WHERE complaint = %s", (complaint,)).fetchone()
        if row is None:
            row = cursor.execute(
                "SELECT *, 'ended' AS phase FROM work_done WHERE complaint = %s", (complaint,)
            ).fetchone()
        if row is None:
            return None
        heard = cursor.execute(
            "SELECT clocks FROM clock_heard WHERE complaint = %s ORDER BY source, sequence",
            (complaint,),
        ).fetchall()
        told = cursor.execute(
            'SELECT case_number AS "case", instruction, team, due_at AS due, what AS text '
            "FROM instruction_heard WHERE complaint = %s ORDER BY source, sequence",
            (complaint,),
        ).fetchall()
    clocks = known_clocks(heard)
    row["promises"] = row.get("promises") or []
    row["findings"] = row.get("findings") or []
    row["partner_duties"] = row.pop("duties") or []
    row.pop("seen")
    view = WorkView.model_validate({**row, "instructions": told})
    view.clocks = [
        ClockView(
            clock=one.clock,
            instance=one.instance,
            purpose=one.purpose.value,
            due=one.due,
            state=one.state.value,
            warned=one.warned,
        )
        for one in clocks
    ]
    if view.answered_at is None and view.ended_at is None:
        view.delay_plans_wanted = _delay_plans_wanted(view, clocks)
        view.rent_waivers_owed = _waivers_owed(view, clocks)
    return view


def _delay_plans_wanted(view: WorkView, clocks: Sequence[KnownClock]) -> list[str]:
    planned = {(one["of_clock"], one["of_instance"]) for one in view.promises}
    return [
        one.clock
        for one in clocks
        if one.warned in URGENT_WARNINGS
        and one.state is ClockState.RUNNING
        and one.purpose in DELAYABLE
        and (one.clock, one.instance) not in planned
    ]


def _waivers_owed(view: WorkView, clocks: Sequence[KnownClock]) -> list[int]:
    """A waiver proposed for a finding is proposed for those that set it right, too: the difference
    is a supplement, which escalation adds by itself.
    """
    return [
        one["finding"]
        for one in view.findings
        if one["outage_to"]
        and one["monthly_rent"]
        and one["corrected_by"] is None
        and not one["waiver_asked"]
        and waiver_owed(FaultLiesWith(one["cause"]), clocks)
    ]


def agent_loads(conn: Connection[Any], team: str) -> dict[str, int]:
    """Agent -> complaints assigned to or accepted by them in that team."""
    with conn.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(
            "SELECT agent, count(*) AS load FROM work WHERE team = %s AND agent IS NOT NULL "
            "AND phase IN ('assigned', 'accepted', 'forwarded') GROUP BY agent",
            (team,),
        ).fetchall()
    return {row["agent"]: row["load"] for row in rows}


def team_loads(conn: Connection[Any]) -> list[TeamLoad]:
    """Every team's and person's work in hand."""
    with conn.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(
            "SELECT team, agent, "
            "(count(*) FILTER (WHERE phase = 'assigned'))::integer AS assigned, "
            "(count(*) FILTER (WHERE phase <> 'assigned'))::integer AS accepted, "
            "(count(*) FILTER (WHERE waiting_for IS NOT NULL))::integer AS waiting "
            "FROM work WHERE team IS NOT NULL "
            "AND phase IN ('assigned', 'accepted', 'forwarded') "
            "GROUP BY team, agent ORDER BY team, agent NULLS FIRST"
        ).fetchall()
    return [TeamLoad.model_validate(row) for row in rows]
