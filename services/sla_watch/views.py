"""What staff and reports see of the clocks: each one, what is about to lapse, promises by month."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg import Connection
from pydantic import BaseModel, ConfigDict, Field

from contracts.values import ClockPurpose, Instant
from libs.eventlog import Table
from services.sla_watch.domain.policy import CLOCKS, WORKING_DAYS, percent, share_of
from services.sla_watch.domain.rows import UNKNOWN

CLOCK = Table(
    "sla_clock",
    {
        "complaint": "uuid not null",
        "clock": "text not null",
        "instance": "text not null",
        "cycle": "int not null",
        "purpose": "text not null",
        "policy": "text not null",
        "calendar": "text",
        "case_number": "int",
        "clock_from": "timestamptz not null",
        "due_at": "timestamptz",
        "month": "text",
        "state": "text not null",
        "left_us": "bigint",
        "paused_since": "timestamptz",
        "met_at": "timestamptz",
        "cancelled_at": "timestamptz",
        "cancelled_for": "text",
        "warned": "text",
        "retroactive": "boolean not null",
        "history": "boolean not null",
        "corrections": "int not null",
    },
    key=("complaint", "clock", "instance", "cycle"),
    indexes=("state, due_at",),
)

PROMISE = Table(
    "sla_promise",
    {
        "policy": "text not null",
        "clock": "text not null",
        "purpose": "text not null",
        "promised": "text",
        "title_zh": "text not null",
        "title_en": "text not null",
    },
    key=("policy", "clock"),
)

TABLES: tuple[Table, ...] = (CLOCK, PROMISE)


# --- event -> rows ----------------------------------------------------------------------------


# --- rows -> answers --------------------------------------------------------------------------


class _Shown(BaseModel):
    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)


class ShownClock(_Shown):
    """One clock of a complaint."""

    complaint: UUID
    """The complaint."""
    clock: str
    """The clock's code, e.g. `resolve`."""
    instance: str
    """Which of several of that code; else empty."""
    cycle: int
    """The handling cycle it started in."""
    purpose: ClockPurpose
    """What it promises."""
    policy: str
    """The version of the clock table it keeps for life."""
    calendar: str | None
    """The version of the calendar it was counted with."""
    case_number: int | None
    """The 10015 case it belongs to."""
    clock_from: Instant
    """Where it counts from."""
    due_at: Instant | None
    """When it runs out; null while the calendar does not reach that far."""
    month: str | None
    """The month its verdict belongs to: that of its last counted date, `2025-10`."""
    state: str = Field(pattern="^(running|paused|unknown|met|breached|cancelled)$")
    """Where it stands; `unknown`: load a calendar."""
    left_us: int | None
    """Paused: the counted microseconds left."""
    paused_since: Instant | None
    """Paused: since when."""
    met_at: Instant | None
    """Met: the fulfilling fact's own time."""
    cancelled_at: Instant | None
    """Cancelled: when."""
    cancelled_for: str | None
    """Cancelled: why."""
    warned: str | None
    """The last warning level told: 50, 80, last."""
    retroactive: bool
    """It was overdue before it began."""
    history: bool
    """It ran in an older system: a verdict for the record."""
    corrections: int
    """How often its verdict was set right by a fact heard late."""


class Promise(_Shown):
    """How one promise was kept in one month; whole numbers, never a rounded share."""

    clock: str
    """The clock's code."""
    policy: str
    """The version of the clock table."""
    month: str
    """The month of the last counted date in Shanghai, `2025-10`."""
    history: bool
    """Promises of cases taken over from an older system, which have a line of their own."""
    met: int
    """Kept."""
    breached: int
    """Broken."""
    cancelled: int
    """Stopped without a verdict: not counted."""
    promised_share: str | None
    """The share promised, e.g. `98 %`; null where none is."""
    kept: bool | None
    """Whether that share was reached; null where none is promised or nothing was counted."""


class Touched(_Shown):
    """What became of the clocks of one kind that count by one version."""

    clock: str
    """The clock's code."""
    started: int
    """How many keep this version for life."""
    met: int
    """Of them kept."""
    breached: int
    """Of them broken."""
    cancelled: int
    """Of them stopped without a verdict."""
    open: int
    """Of them still without a verdict."""
    started_before: int
    """Of them from before the version counted: of a calendar, dues that had waited for it."""
    first_from: Instant
    """The earliest instant that one counts from."""
    last_from: Instant
    """The latest."""


class Beside(_Shown):
    """How many clocks keep a version."""

    version: str
    """The version."""
    started: int
    """How many clocks."""
    open: int
    """Of them still without a verdict: they keep it all the same (counting 11)."""


VERSION_OF = {CLOCKS: "policy", WORKING_DAYS: "calendar"}
"""Which column holds the version of a policy that a clock keeps."""

ClockKey = tuple[datetime, UUID, str, str, int]
"""(due, complaint, clock, instance, cycle): the order of what is about to lapse."""

_COLUMNS = ", ".join(CLOCK.columns)


def clock_key(clock: ShownClock) -> ClockKey:
    """Where a running clock stands in that order."""
    assert clock.due_at is not None
    return (clock.due_at, clock.complaint, clock.clock, clock.instance, clock.cycle)


def clocks_of(conn: Connection[Any], complaint: UUID) -> list[ShownClock]:
    """Every clock of a complaint, by cycle, start and code."""
    found = conn.execute(
        f"SELECT {_COLUMNS} FROM sla_clock WHERE complaint = %s "
        "ORDER BY cycle, clock_from, clock, instance",
        (complaint,),
    )
    return [ShownClock(**row) for row in found.fetchall()]


def clocks_of_all(conn: Connection[Any], complaints: Sequence[UUID]) -> list[ShownClock]:
    """The clocks of these complaints, in their order, and each one's as `clocks_of` has them."""
    found = conn.execute(
        f"SELECT {_COLUMNS} FROM sla_clock WHERE complaint = ANY(%s) "
        "ORDER BY array_position(%s, complaint), cycle, clock_from, clock, instance",
        (list(complaints), list(complaints)),
    )
    return [ShownClock(**row) for row in found.fetchall()]


def lapsing(
    conn: Connection[Any], before: datetime, after: ClockKey | None, limit: int
) -> list[ShownClock]:
    """Running clocks due before an instant, the soonest first; one row too many."""
    following = "AND (due_at, complaint, clock, instance, cycle) > (%s, %s, %s, %s, %s) "
    found = conn.execute(
        f"SELECT {_COLUMNS} FROM sla_clock WHERE state = 'running' AND due_at < %s "
        f"{following if after else ''}"
        "ORDER BY due_at, complaint, clock, instance, cycle LIMIT %s",
        (before, *(after or ()), limit + 1),
    )
    return [ShownClock(**row) for row in found.fetchall()]


UnknownKey = tuple[UUID, str, str, int]
"""(complaint, clock, instance, cycle): the order of clocks without a due."""


def unknown_key(clock: ShownClock) -> UnknownKey:
    """Where a clock without a due stands in that order."""
    return (clock.complaint, clock.clock, clock.instance, clock.cycle)


def unknown(conn: Connection[Any], after: UnknownKey | None, limit: int) -> list[ShownClock]:
    """Clocks whose due lies beyond the calendar (convention 12); one row too many."""
    following = "AND (complaint, clock, instance, cycle) > (%s, %s, %s, %s) "
    found = conn.execute(
        f"SELECT {_COLUMNS} FROM sla_clock WHERE state = %s {following if after else ''}"
        "ORDER BY complaint, clock, instance, cycle LIMIT %s",
        (UNKNOWN, *(after or ()), limit + 1),
    )
    return [ShownClock(**row) for row in found.fetchall()]


def touched(
    conn: Connection[Any], policy: str, version: str, active_from: datetime
) -> list[Touched]:
    """The clocks that count by a version of the clock table or of the working days, by kind."""
    found = conn.execute(
        "SELECT clock, count(*) AS started, "
        "count(*) FILTER (WHERE state = 'met') AS met, "
        "count(*) FILTER (WHERE state = 'breached') AS breached, "
        "count(*) FILTER (WHERE state = 'cancelled') AS cancelled, "
        "count(*) FILTER (WHERE state NOT IN ('met', 'breached', 'cancelled')) AS open, "
        "count(*) FILTER (WHERE clock_from < %s) AS started_before, "
        "min(clock_from) AS first_from, max(clock_from) AS last_from "
        f"FROM sla_clock WHERE {VERSION_OF[policy]} = %s GROUP BY clock ORDER BY clock",
        (active_from, version),
    )
    return [Touched(**row) for row in found.fetchall()]


def by_version(conn: Connection[Any], policy: str) -> list[Beside]:
    """How many clocks keep each version of a policy."""
    column = VERSION_OF[policy]
    found = conn.execute(
        f"SELECT {column} AS version, count(*) AS started, "
        "count(*) FILTER (WHERE state NOT IN ('met', 'breached', 'cancelled')) AS open "
        f"FROM sla_clock WHERE {column} IS NOT NULL GROUP BY {column} ORDER BY {column}"
    )
    return [Beside(**row) for row in found.fetchall()]


def touched_clocks(
    conn: Connection[Any], policy: str, version: str, after: UnknownKey | None, limit: int
) -> list[ShownClock]:
    """The clocks that keep a version, complaint by complaint; one row too many."""
    following = "AND (complaint, clock, instance, cycle) > (%s, %s, %s, %s) "
    found = conn.execute(
        f"SELECT {_COLUMNS} FROM sla_clock WHERE {VERSION_OF[policy]} = %s "
        f"{following if after else ''}ORDER BY complaint, clock, instance, cycle LIMIT %s",
        (version, *(after or ()), limit + 1),
    )
    return [ShownClock(**row) for row in found.fetchall()]


def unknown_dues(conn: Connection[Any]) -> int:
    """How many clocks have no due, for it lies beyond the calendar (convention 12)."""
    found = conn.execute("SELECT count(*) AS many FROM sla_clock WHERE state = %s", (UNKNOWN,))
    row = found.fetchone()
    assert row is not None
    return int(row["many"])


def without_due(conn: Connection[Any], after: UUID | None, limit: int) -> list[UUID]:
    """Complaints with a clock that a new calendar may give a due, in order."""
    found = conn.execute(
        "SELECT DISTINCT complaint FROM sla_clock WHERE due_at IS NULL "
        "AND state IN ('unknown', 'met') AND (%s::uuid IS NULL OR complaint > %s) "
        "ORDER BY complaint LIMIT %s",
        (after, after, limit),
    )
    return [row["complaint"] for row in found.fetchall()]


def promises(conn: Connection[Any], month: str | None) -> list[Promise]:
    """The promise table (DOMAIN rule 12), of one month or of all, by month, clock and policy."""
    found = conn.execute(
        "SELECT c.clock, c.policy, c.month, c.history, p.promised, "
        "count(*) FILTER (WHERE c.state = 'met') AS met, "
        "count(*) FILTER (WHERE c.state = 'breached') AS breached, "
        "count(*) FILTER (WHERE c.state = 'cancelled') AS cancelled "
        "FROM sla_clock c LEFT JOIN sla_promise p USING (policy, clock) "
        "WHERE c.month IS NOT NULL AND (%s::text IS NULL OR c.month = %s) "
        "AND c.state IN ('met', 'breached', 'cancelled') "
        "GROUP BY c.clock, c.policy, c.month, c.history, p.promised "
        "ORDER BY c.month, c.clock, c.policy, c.history",
        (month, month),
    )
    return [promise(**row) for row in found.fetchall()]


def promise(
    *,
    clock: str,
    policy: str,
    month: str,
    promised: str | None,
    met: int,
    breached: int,
    cancelled: int,
    history: bool = False,
) -> Promise:
    """One line of the promise table: met / (met + breached) against the share, as integers."""
    share = None if promised is None else share_of(promised)
    counted = met + breached
    return Promise(
        clock=clock,
        policy=policy,
        month=month,
        history=history,
        met=met,
        breached=breached,
        cancelled=cancelled,
        promised_share=None if share is None else percent(share),
        kept=None
        if share is None or not counted
        else met * share.denominator >= share.numerator * counted,
    )
