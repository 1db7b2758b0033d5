"""What intake shows: the tables its streams keep up to date, and the queries over them.

Rows are a pure function of a stream's state. Words stand in them sealed, as they stand in the
events; persons by their random id only.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from contracts.housekeeping import ErasureMode
from contracts.values import (
    CATEGORY_NAMES,
    Category,
    Evidence,
    Names,
)
from libs.decider import Instant
from libs.eventlog import Table
from libs.eventlog.envelope import originator
from services.intake.domain.identity import refusal_subject
from services.intake.domain.matching import CONTACTS, NOTICES, OPEN, RECEIPTS, REFUSED, outcome
from services.intake.domain.merging import COMPLAINTS
from services.intake.domain.rows import DESK, ERASURES
from services.intake.domain.standing import STATES
from services.intake.domain.streams import PERSON

if TYPE_CHECKING:
    from psycopg import Connection


TABLES = (
    Table(
        CONTACTS,
        {
            "message": "uuid not null",
            "complaint": "uuid not null",
            "held_by": "uuid not null",
            "receipt": "text not null",
            "kind": "text not null",
            "channel": "text not null",
            "at": "timestamptz not null",
            "cycle": "integer not null",
            "words": "text",
            "merged_from": "uuid",
            "evidence": "jsonb",
            "person": "uuid not null",
        },
        key=("message", "complaint"),
        indexes=("complaint, at", "person"),
    ),
    Table(
        RECEIPTS,
        {
            "receipt": "text not null",
            "stream": "uuid not null",
            "complaint": "uuid not null",
            "person": "uuid not null",
            "closed_at": "timestamptz",
            "outcome": "text",
            "merged_into": "uuid",
        },
        key=("receipt", "stream"),
        stream="stream",
    ),
    Table(
        OPEN,
        {
            "complaint": "uuid not null",
            "person": "uuid not null",
            "category": "text not null",
            "clock_from": "timestamptz not null",
            "asked": "boolean not null",
            "merged_into": "uuid",
        },
        key=("complaint",),
        indexes=("person",),
    ),
    Table(
        COMPLAINTS,
        {
            "complaint": "uuid not null",
            "receipt": "text not null",
            "person": "uuid not null",
            "kind": "text not null",
            "category": "text not null",
            "urgency": "text not null",
            "customer_class": "text not null",
            "value_tier": "text not null",
            "channel": "text not null",
            "home_province": "text",
            "province": "text",
            "language": "text not null",
            "state": "text not null",
            "escalated": "boolean not null",
            "history": "boolean not null",
            "cycle": "integer not null",
            "urges": "integer not null",
            "contacts": "integer not null",
            "told_at": "timestamptz not null",
            "clock_from": "timestamptz not null",
            "answered_at": "timestamptz",
            "closed_at": "timestamptz",
            "outcome": "text",
            "merged_into": "uuid",
        },
        key=("complaint",),
        indexes=("told_at", "merged_into", "person"),
    ),
    Table(
        ERASURES,
        {
            "person": "uuid not null",
            "mode": "text not null",
            "basis": "text not null",
            "since": "timestamptz not null",
            "locked_at": "timestamptz",
            "destroyed_at": "timestamptz",
            "to_be_destroyed": "boolean not null",
            "keeping": "jsonb not null",
        },
        key=("person",),
        indexes=("since, person",),
    ),
    Table(
        DESK,
        {
            "complaint": "uuid not null",
            "task": "text not null",
            "receipt": "text not null",
            "kind": "text not null",
            "category": "text not null",
            "urgency": "text not null",
            "channel": "text not null",
            "province": "text",
            "language": "text not null",
            "since": "timestamptz not null",
            "words": "text not null",
        },
        key=("complaint", "task"),
        indexes=("task, since, complaint",),
    ),
    Table(
        REFUSED,
        {
            "message": "uuid not null",
            "source": "text not null",
            "id": "text not null",
            "channel": "text",
            "rule": "text not null",
            "problem": "text not null",
            "at": "timestamptz not null",
            "person": "uuid",
        },
        key=("message",),
        indexes=("at, message", "person"),
    ),
    Table(
        NOTICES,
        {"notice": "uuid not null", "complaint": "uuid not null"},
        key=("notice",),
    ),
)

# --- rows ----------------------------------------------------------------------------------------


# --- queries -------------------------------------------------------------------------------------


class _Shown(BaseModel):
    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)


class InWords(_Shown):
    """The same in Chinese and English."""

    zh: str
    """中文"""
    en: str
    """English"""


class Status(_Shown):
    """Where a complaint stands, as its customer may know it."""

    receipt: str
    """The receipt number."""
    state: str
    """The state's code."""
    state_name: InWords
    """The state in words."""
    category: str | None = None
    """What it is about; null while it is being registered."""
    category_name: InWords | None = None
    """The same in words."""
    escalated: bool = False
    """The 10015 desk has it too."""
    history: bool = False
    """It was taken over, closed, from an older system."""
    cycle: int = 1
    """The handling cycle; from 2 on it was reopened."""
    told_at: Instant | None = None
    """When it was first told."""
    answered_at: Instant | None = None
    """When it was answered in this cycle."""
    closed_at: Instant | None = None
    """When the loop was closed."""
    outcome: str | None = None
    """How it was closed."""
    goes_on_as: "Status | None" = None
    """The complaint that goes on for this one, when it was merged into another."""


class ContactShown(_Shown):
    """One contact of a complaint."""

    contact: UUID
    """Its id."""
    kind: str
    """What it is to the complaint."""
    channel: str
    """Where it came in."""
    at: Instant
    """When the words reached the channel."""
    cycle: int
    """The handling cycle it belongs to."""
    held_by: UUID
    """The complaint it belongs to now; another one when it was unlinked."""
    words: str | None
    """Its words, sealed; `POST /open` opens them with a purpose."""
    merged_from: UUID | None = None
    """The merged complaint it came with."""
    evidence: list[Evidence] | None = None
    """What came with it and would vanish elsewhere: a reference, a digest where bytes are kept."""


class ComplaintShown(_Shown):
    """A complaint as staff see it."""

    complaint: UUID
    """Its id."""
    receipt: str
    """Its receipt number."""
    person: UUID
    """The customer's random id."""
    kind: str
    """Complaint, suggestion, praise or consultation."""
    category: str
    """What it is about."""
    urgency: str
    """How pressing it is."""
    customer_class: str
    """Whose contract."""
    value_tier: str
    """The tier it began with."""
    channel: str
    """The first contact's channel."""
    home_province: str | None
    """The customer's province."""
    province: str | None
    """The province where the cause lies."""
    language: str
    """The language to answer in."""
    state: str
    """Where it stands."""
    escalated: bool
    """A case of the 10015 desk is open."""
    history: bool
    """It was taken over, closed, from an older system."""
    cycle: int
    """The handling cycle."""
    urges: int
    """The urges that stand in this cycle."""
    told_at: Instant
    """When it was first told."""
    clock_from: Instant
    """Where this cycle's clocks start."""
    answered_at: Instant | None
    """When it was answered in this cycle."""
    closed_at: Instant | None
    """When the loop was closed."""
    outcome: str | None
    """How it was closed."""
    merged_into: UUID | None
    """The complaint that goes on for this one."""
    merged: list[UUID]
    """The complaints that this one goes on for, the earliest told first."""
    contacts: list[ContactShown]
    """Every contact, in the order of their own times."""


class DeskTask(_Shown):
    """Something for the intake desk to do."""

    complaint: UUID
    """The complaint."""
    receipt: str
    """Its receipt number."""
    kind: str
    """Complaint, suggestion, praise or consultation."""
    category: str
    """What it is about, as far as known."""
    urgency: str
    """How pressing it is."""
    channel: str
    """The first contact's channel."""
    province: str | None
    """The province where the cause lies."""
    language: str
    """The customer's language."""
    since: Instant
    """Since when it waits."""
    words: str
    """The customer's words, sealed; `POST /open` opens them with a purpose."""


class RefusedShown(_Shown):
    """A message that was not taken."""

    source: str
    """The message's `source`."""
    id: str
    """The message's `id`."""
    channel: str | None
    """The channel, when the message told."""
    rule: str
    """The rule that refused it."""
    problem: str
    """What is wrong and what to do."""
    at: Instant
    """When it was refused."""


def status_by_receipt(conn: "Connection[Any]", receipt: str) -> Status | None:
    """The status of the complaint with this number (`read_receipt` first); None: nobody has it."""
    found = _status(conn, receipt)
    merged_into = found and found[1]
    return found and found[0].model_copy(update={"goes_on_as": _goes_on_as(conn, merged_into)})


def _goes_on_as(conn: "Connection[Any]", complaint: UUID | None) -> Status | None:
    """The status of the last one in a chain of merges."""
    shown = None
    while complaint is not None:
        row = conn.execute(
            f"SELECT receipt FROM {COMPLAINTS} WHERE complaint = %s", (complaint,)
        ).fetchone()
        found = row and _status(conn, row["receipt"])
        assert found is not None, "nothing is merged into what is not on record"
        shown, complaint = found
    return shown


def _status(conn: "Connection[Any]", receipt: str) -> tuple[Status, UUID | None] | None:
    row = conn.execute(
        f"SELECT c.* FROM {RECEIPTS} r LEFT JOIN {COMPLAINTS} c ON c.complaint = r.complaint "
        "WHERE r.receipt = %s ORDER BY r.stream = r.complaint DESC LIMIT 1",
        (receipt,),
    ).fetchone()
    if row is None:
        return None
    if row["complaint"] is None:
        name = STATES["being_registered"]
        return Status(receipt=receipt, state="being_registered", state_name=_words(name)), None
    status = Status(
        receipt=receipt,
        state=row["state"],
        state_name=_words(STATES[row["state"]]),
        category=row["category"],
        category_name=_words(CATEGORY_NAMES[Category(row["category"])]),
        escalated=row["escalated"],
        history=row["history"],
        cycle=row["cycle"],
        told_at=row["told_at"],
        answered_at=row["answered_at"],
        closed_at=row["closed_at"],
        outcome=row["outcome"],
    )
    return status, row["merged_into"]


def persons_of(conn: "Connection[Any]", complaints: Sequence[UUID]) -> dict[UUID, UUID]:
    """The person of each of these complaints that is on record."""
    rows = conn.execute(
        f"SELECT complaint, person FROM {COMPLAINTS} WHERE complaint = ANY(%s)",
        (list(complaints),),
    ).fetchall()
    return {row["complaint"]: row["person"] for row in rows}


def complaint_by_id(conn: "Connection[Any]", complaint: UUID) -> ComplaintShown | None:
    """A complaint with all its contacts; None: there is none with this id."""
    row = conn.execute(f"SELECT * FROM {COMPLAINTS} WHERE complaint = %s", (complaint,)).fetchone()
    if row is None:
        return None
    contacts = conn.execute(
        "SELECT message AS contact, kind, channel, at, cycle, held_by, words, merged_from, "
        f"evidence FROM {CONTACTS} WHERE complaint = %s ORDER BY at, message",
        (complaint,),
    ).fetchall()
    shown = [ContactShown.model_validate(one) for one in contacts]
    merged = conn.execute(
        f"SELECT complaint FROM {COMPLAINTS} WHERE merged_into = %s ORDER BY told_at, complaint",
        (complaint,),
    ).fetchall()
    return ComplaintShown.model_validate(
        {**row, "contacts": shown, "merged": [one["complaint"] for one in merged]}
    )


def desk_tasks(
    conn: "Connection[Any]", task: str, after: tuple[datetime, UUID] | None, limit: int
) -> list[DeskTask]:
    """What waits for the intake desk, longest waiting first; up to `limit` + 1 rows."""
    rows = conn.execute(
        "SELECT complaint, receipt, kind, category, urgency, channel, province, language, since, "
        f"words FROM {DESK} WHERE task = %s "
        "AND (%s::timestamptz IS NULL OR (since, complaint) > (%s, %s)) "
        "ORDER BY since, complaint LIMIT %s",
        (task, *_after(after), limit + 1),
    ).fetchall()
    return [DeskTask.model_validate(row) for row in rows]


def refused_messages(
    conn: "Connection[Any]", after: tuple[datetime, UUID] | None, limit: int
) -> list[tuple[UUID, RefusedShown]]:
    """Messages refused, oldest first, each with its key; up to `limit` + 1 rows."""
    rows = conn.execute(
        f"SELECT message, source, id, channel, rule, problem, at FROM {REFUSED} "
        "WHERE (%s::timestamptz IS NULL OR (at, message) > (%s, %s)) "
        "ORDER BY at, message LIMIT %s",
        (*_after(after), limit + 1),
    ).fetchall()
    return [(row.pop("message"), RefusedShown.model_validate(row)) for row in rows]


def message_outcome(conn: "Connection[Any]", key: UUID) -> dict[str, Any] | None:
    """What became of a message; None: it has not been seen."""
    told = dict(outcome(key, _Committed(conn)))
    return told if told["outcome"] else None


def message_outcomes(conn: "Connection[Any]", keys: Sequence[UUID]) -> list[dict[str, Any]]:
    """What became of many messages, in order, in two statements; `outcome` None: not seen.

    Shape: `matching.outcome`'s and `at`, when the message was told, or when it was refused.
    """
    wanted = {CONTACTS: list(keys), REFUSED: [UUID(refusal_subject(key)) for key in keys]}
    found: _Fetched = _Fetched({})
    for table, messages in wanted.items():
        order = ", ".join(next(one.key for one in TABLES if one.name == table))
        rows = conn.execute(
            f"SELECT * FROM {table} WHERE message = ANY(%s) ORDER BY {order}", (messages,)
        ).fetchall()
        for row in rows:
            found.by_message.setdefault((table, row["message"]), []).append(row)
    return [{**outcome(key, found), "at": found.at(key)} for key in keys]


@dataclass(frozen=True, slots=True)
class _Fetched:
    """Lookups on rows read in bulk, by their message."""

    by_message: dict[tuple[str, UUID], list[dict[str, Any]]]

    def at(self, key: UUID) -> datetime | None:
        """When the message with this key was told, or refused."""
        places = ((CONTACTS, key), (REFUSED, UUID(refusal_subject(key))))
        return next((row["at"] for one in places for row in self.by_message.get(one, ())), None)

    def rows(self, table: str, **equal: Any) -> list[dict[str, Any]]:
        """See `Lookups.rows`; asked by message only."""
        return self.by_message.get((table, equal["message"]), [])

    def state(self, kind: str, subject: str) -> Any:
        """Queries read rows only."""
        raise LookupError(f"a query does not fold {kind} {subject}")

    def withheld(self, subject: str) -> bool:
        """Queries show what is there."""
        raise LookupError(f"a query does not ask what becomes of {subject}")


class _Committed:
    """Lookups on committed rows."""

    def __init__(self, conn: "Connection[Any]") -> None:
        self._conn = conn

    def rows(self, table: str, **equal: Any) -> list[dict[str, Any]]:
        """See `Lookups.rows`."""
        where = " AND ".join(f"{column} = %s" for column in equal)
        key = next(one.key for one in TABLES if one.name == table)
        return self._conn.execute(
            f"SELECT * FROM {table} WHERE {where} ORDER BY {', '.join(key)}",
            tuple(equal.values()),
        ).fetchall()

    def state(self, kind: str, subject: str) -> Any:
        """Queries read rows only."""
        raise LookupError(f"a query does not fold {kind} {subject}")

    def withheld(self, subject: str) -> bool:
        """Queries show what is there."""
        raise LookupError(f"a query does not ask what becomes of {subject}")


def _words(names: Names) -> InWords:
    return InWords(zh=names.zh, en=names.en)


def _after(after: tuple[datetime, UUID] | None) -> tuple[datetime | None, datetime | None, Any]:
    return (None, None, None) if after is None else (after[0], after[0], after[1])


class ErasureShown(BaseModel):
    """A person whose data is locked or destroyed."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

    person: UUID
    """The person's random id."""
    mode: str
    """`locked` or `destroyed`."""
    basis: str
    """On what ground."""
    since: Instant
    """Since when it stands so."""
    to_be_destroyed: bool
    """Whether it is destroyed once nothing keeps it any more."""
    keeping: list[UUID]
    """The complaints that keep it: open, appealed, held, or under the floor of six months."""


class PersonsComplaint(BaseModel):
    """One complaint of a person."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

    complaint: UUID
    """Its id."""
    receipt: str
    """Its receipt number."""
    state: str
    """Where it stands."""
    told_at: Instant
    """When it was first told."""
    closed_at: Instant | None
    """When it was closed."""


class PersonsRefusal(BaseModel):
    """A message of a person that was not taken; none of its words were kept."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

    at: Instant
    """When it was refused."""
    channel: str | None
    """The channel, when it told."""
    source: str
    """The channel's `source`."""
    id: str
    """The channel's own id of it."""
    rule: str
    """By which rule."""
    problem: str
    """What was wrong, and what to do."""


class PersonShown(BaseModel):
    """What is on record of a person, without a word of personal data."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

    person: UUID
    """The person's random id."""
    complaints: list[PersonsComplaint]
    """Earliest first."""
    others: list[UUID]
    """Other people's complaints that hold words of this person."""
    refused: list[PersonsRefusal]
    """Messages of this person that were not taken, earliest first."""
    erasure: ErasureShown | None
    """Whether the data is locked or destroyed."""


_ERASURE = "person, mode, basis, since, to_be_destroyed, keeping"


def person_by_id(conn: "Connection[Any]", person: UUID) -> PersonShown | None:
    """A person's complaints and erasure; None: nothing is on record."""
    complaints = conn.execute(
        f"SELECT complaint, receipt, state, told_at, closed_at FROM {COMPLAINTS} "
        "WHERE person = %s ORDER BY told_at, complaint",
        (person,),
    ).fetchall()
    erasure = conn.execute(
        f"SELECT {_ERASURE} FROM {ERASURES} WHERE person = %s", (person,)
    ).fetchone()
    others = conn.execute(
        f"SELECT DISTINCT c.complaint FROM {CONTACTS} c JOIN {COMPLAINTS} o USING (complaint) "
        "WHERE c.person = %s AND o.person <> %s ORDER BY c.complaint",
        (person, person),
    ).fetchall()
    refused = conn.execute(
        f"SELECT at, channel, source, id, rule, problem FROM {REFUSED} WHERE person = %s "
        "ORDER BY at, message",
        (person,),
    ).fetchall()
    if not complaints and not others and not refused and erasure is None:
        return None
    return PersonShown.model_validate(
        {
            "person": person,
            "complaints": complaints,
            "others": [row["complaint"] for row in others],
            "refused": refused,
            "erasure": erasure,
        }
    )


def person_records(
    conn: "Connection[Any]", person: UUID, after: int, limit: int
) -> list[tuple[int, bytes]]:
    """What was done with a person's data, each event as it is on record; `limit + 1` at most."""
    rows = conn.execute(
        "SELECT originator_version, state FROM stored_events "
        "WHERE originator_id = %s AND originator_version > %s "
        "ORDER BY originator_version LIMIT %s",
        (originator(PERSON.kind, str(person), subject_is_id=False), after, limit + 1),
    ).fetchall()
    return [(row["originator_version"], bytes(row["state"])) for row in rows]


def erasures(
    conn: "Connection[Any]", after: tuple[datetime, UUID] | None, limit: int
) -> list[ErasureShown]:
    """Persons whose data is locked or destroyed, oldest first; `limit + 1` rows at most."""
    where, values = ("WHERE (since, person) > (%s, %s) ", [*after]) if after else ("", [])
    rows = conn.execute(
        f"SELECT {_ERASURE} FROM {ERASURES} {where}ORDER BY since, person LIMIT %s",
        (*values, limit + 1),
    ).fetchall()
    return [ErasureShown.model_validate(row) for row in rows]


def decided_erasures(conn: "Connection[Any]") -> list[tuple[ErasureMode, UUID, datetime]]:
    """The last locking and the last destroying of each person, for the vault to carry out."""
    rows = conn.execute(f"SELECT person, locked_at, destroyed_at FROM {ERASURES}").fetchall()
    modes = ((ErasureMode.LOCKED, "locked_at"), (ErasureMode.DESTROYED, "destroyed_at"))
    return [
        (mode, row["person"], row[column])
        for mode, column in modes
        for row in rows
        if row[column] is not None
    ]
