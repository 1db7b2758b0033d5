"""The rows that reports count: what their tables hold, and the same tables in memory.

Live, they are audit's read models; in a replay, they are kept here. Both are written by one fold
(`hearing`) and read by the same reports, so that both say the same. Each table is written from one
kind of stream only: what two services tell at the same time cannot make a difference.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from libs.decider import Row
from services.audit.domain.reporting.period import Period

Fact = Mapping[str, Any]
"""One row: column -> value; None where nothing was heard yet."""


@dataclass(frozen=True, slots=True)
class FactTable:
    """A table: `columns` maps a name to uuid, text, int, date, instant, flag or money.

    Each table of complaints has a column `complaint`; what is no part of the key may be unknown.
    """

    name: str
    key: tuple[str, ...]
    columns: Mapping[str, str]
    dated_by: tuple[str, ...] = ()
    """The dates that reports choose a period by."""


COMPLAINT = FactTable(
    "report_complaint",
    ("complaint",),
    {
        "complaint": "uuid",
        "receipt": "text",
        "person": "uuid",
        "kind": "text",
        "category": "text",
        "urgency": "text",
        "customer_class": "text",
        "value_tier": "text",
        "channel": "text",
        "province": "text",
        "told_at": "instant",
        "told_on": "date",
        "history": "flag",
        "cycle": "int",
        "urges": "int",
        "repeat_no": "int",
        "answered_at": "instant",
        "closed_at": "instant",
        "outcome": "text",
        "merged_into": "uuid",
    },
    ("told_on",),
)

CONTACT = FactTable(
    "report_contact",
    ("complaint", "contact"),
    {
        "complaint": "uuid",
        "contact": "uuid",
        "kind": "text",
        "channel": "text",
        "at": "instant",
        "stands": "flag",
    },
)

CLOCK = FactTable(
    "report_clock",
    ("complaint", "clock", "instance", "cycle"),
    {
        "complaint": "uuid",
        "clock": "text",
        "instance": "text",
        "cycle": "int",
        "policy": "text",
        "last_counted": "date",
        "state": "text",
        "history": "flag",
    },
    ("last_counted",),
)

PROMISE = FactTable(
    "report_promise",
    ("policy", "clock"),
    {
        "policy": "text",
        "clock": "text",
        "promised": "text",
        "title_zh": "text",
        "title_en": "text",
    },
)

SURVEY = FactTable(
    "report_survey",
    ("complaint", "cycle"),
    {
        "complaint": "uuid",
        "cycle": "int",
        "by": "text",
        "asked_at": "instant",
        "asked_on": "date",
        "score": "int",
        "resolved": "flag",
        "satisfied": "flag",
        "answered_at": "instant",
        "words": "flag",
        "late_score": "int",
        "late_resolved": "flag",
        "late_satisfied": "flag",
        "late_at": "instant",
        "outcome": "text",
        "concluded_on": "date",
    },
    ("concluded_on", "asked_on"),
)

CALL = FactTable(
    "report_call",
    ("complaint", "call"),
    {
        "complaint": "uuid",
        "call": "uuid",
        "cycle": "int",
        "reason": "text",
        "planned_at": "instant",
        "planned_on": "date",
        "attempts": "int",
        "reached": "flag",
        "tried_at": "instant",
        "by": "text",
        "score": "int",
        "resolved": "flag",
        "satisfied": "flag",
        "words": "flag",
        "called_off": "flag",
        "ended_on": "date",
    },
    ("planned_on", "ended_on"),
)

WORK = FactTable(
    "report_work",
    ("complaint",),
    {
        "complaint": "uuid",
        "owner_team": "text",
        "owner_agent": "text",
        "team": "text",
        "agent": "text",
    },
)

ANSWER = FactTable(
    "report_answer",
    ("complaint", "answer"),
    {
        "complaint": "uuid",
        "answer": "int",
        "cycle": "int",
        "team": "text",
        "agent": "text",
        "decision": "text",
        "compensation": "money",
        "answered_at": "instant",
        "answered_on": "date",
    },
    ("answered_on",),
)

CAUSE = FactTable(
    "report_cause",
    ("complaint", "answer", "department", "cause"),
    {
        "complaint": "uuid",
        "answer": "int",
        "department": "text",
        "cause": "text",
        "answered_on": "date",
    },
    ("answered_on",),
)

CASE = FactTable(
    "report_case",
    ("complaint", "case_number"),
    {
        "complaint": "uuid",
        "case_number": "int",
        "tier": "int",
        "trigger": "text",
        "accepted_at": "instant",
        "decision": "text",
        "ending": "text",
        "correction": "text",
        "corrected_at": "instant",
    },
)

REFUND = FactTable(
    "report_refund",
    ("complaint", "granted"),
    {
        "complaint": "uuid",
        "granted": "int",
        "finding": "int",
        "basis": "text",
        "amount": "money",
        "total": "money",
        "under": "text",
        "role": "text",
        "supplement_to": "int",
        "granted_at": "instant",
        "granted_on": "date",
    },
    ("granted_on",),
)

RULE = FactTable(
    "report_rule",
    ("version",),
    {
        "version": "text",
        "counts_from": "instant",
        "connection_share": "text",
        "connection_seconds": "int",
    },
)

CONNECTION = FactTable(
    "report_connection",
    ("day", "line"),
    {
        "day": "date",
        "line": "text",
        "calls": "int",
        "answered": "int",
        "within_seconds": "int",
        "by": "text",
        "entered_at": "instant",
        "corrected": "flag",
    },
)
"""Of no complaint; its day is part of its key."""

TABLES = (
    *(COMPLAINT, CONTACT, CLOCK, PROMISE, SURVEY, CALL),
    *(WORK, ANSWER, CAUSE, CASE, REFUND, RULE, CONNECTION),
)


class Facts(Protocol):
    """Where reports read; in no order, for what has an order is put into it by the report."""

    def all(self, table: FactTable) -> Iterable[Fact]:
        """Every row."""

    def dated(self, table: FactTable, column: str, period: Period) -> Iterable[Fact]:
        """Rows whose date in this column lies in the period."""

    def of_told(self, table: FactTable, period: Period) -> Iterable[Fact]:
        """Rows of complaints that were first told in the period."""

    def with_complaint(
        self, table: FactTable, column: str, period: Period
    ) -> Iterable[tuple[Fact, Fact]]:
        """As `dated`, each row with its complaint's; none whose complaint is not on record."""


class Kept:
    """The tables in memory."""

    def __init__(self) -> None:
        self._rows: dict[str, dict[tuple[Any, ...], dict[str, Any]]] = {
            table.name: {} for table in TABLES
        }
        self._empty = {table.name: dict.fromkeys(table.columns) for table in TABLES}

    def keep(self, rows: Iterable[Row]) -> None:
        """Rows as they come: what one says replaces what was said before."""
        for row in rows:
            table = self._rows[row.table]
            key = tuple(value for _, value in row.key)
            known = table.get(key)
            if known is None:
                known = table[key] = {**self._empty[row.table], **dict(row.key)}
            known.update(row.values)

    def all(self, table: FactTable) -> Iterator[Fact]:
        """See `Facts`."""
        yield from self._rows[table.name].values()

    def dated(self, table: FactTable, column: str, period: Period) -> Iterator[Fact]:
        """See `Facts`."""
        return (row for row in self.all(table) if period.holds(row[column]))

    def of_told(self, table: FactTable, period: Period) -> Iterator[Fact]:
        """See `Facts`."""
        complaints = self._rows[COMPLAINT.name]
        for row in self.all(table):
            told = complaints.get((row["complaint"],))
            if told is not None and period.holds(told["told_on"]):
                yield row

    def with_complaint(
        self, table: FactTable, column: str, period: Period
    ) -> Iterator[tuple[Fact, Fact]]:
        """See `Facts`."""
        complaints = self._rows[COMPLAINT.name]
        for row in self.dated(table, column, period):
            told = complaints.get((row["complaint"],))
            if told is not None:
                yield row, told
