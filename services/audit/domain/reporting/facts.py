"""The rows that reports count: what their tables hold, and how reports read them.

Live, they are audit's read models; in a replay, the replay's own. Both are written by one fold
(`hearing`) and read by the same reports, so that both say the same. Each table is written from one
kind of stream only: what two services tell at the same time cannot make a difference.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Protocol, TypeVar
from uuid import UUID

from services.audit.domain.reporting.period import Period

T = TypeVar("T")

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
        "how": "text",
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
    },
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
    """Where reports read, row by row, so that a report need not hold what it counts.

    In the order of columns that are asked for (`ordered`), and else in none; those are known.
    """

    def all(self, table: FactTable) -> Iterator[Fact]:
        """Every row."""

    def dated(self, table: FactTable, column: str, period: Period, *ordered: str) -> Iterator[Fact]:
        """Rows whose date in this column lies in the period."""

    def of(self, table: FactTable, complaints: Sequence[UUID]) -> Iterator[Fact]:
        """Rows of these complaints."""

    def with_complaint(
        self, table: FactTable, column: str, period: Period, *ordered: str
    ) -> Iterator[tuple[Fact, Fact]]:
        """As `dated`, each row with its complaint's; none whose complaint is not on record."""

    def told_with(
        self, table: FactTable, period: Period, *ordered: str
    ) -> Iterator[tuple[Fact, Fact]]:
        """Rows of complaints that were first told in the period, each with its complaint's."""


AT_ONCE = 1_000
"""Of so many complaints is looked up at once what else is known of them."""


def in_parts(found: Iterable[T]) -> Iterator[Sequence[T]]:
    """What is found, some of it at a time."""
    rest = iter(found)
    while part := list(islice(rest, AT_ONCE)):
        yield part
