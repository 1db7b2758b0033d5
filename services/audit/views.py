"""What auditors see: one complaint's timeline, streams, faults; and which receipt is whose."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from psycopg import Connection
from pydantic_core import from_json

from contracts.intake import (
    ComplaintClosed,
    ComplaintContactLinked,
    ComplaintEscalationNoted,
    ComplaintMerged,
    ComplaintReclassified,
    ComplaintRegistered,
    ComplaintReopened,
    ComplaintUnmerged,
    ComplaintWithdrawn,
    NotedState,
)
from libs.decider import Recorded, Row
from libs.eventlog import Table
from libs.eventlog.envelope import event_id
from services.audit.cold.form import Record
from services.audit.cold.records import Records
from services.audit.domain.shape import policies_in

COMPLAINT = Table(
    "complaint",
    {
        "complaint": "uuid not null",
        "receipt": "text",
        "person": "uuid",
        "told_at": "timestamptz",
        "registered_at": "timestamptz",
        "closed_at": "timestamptz",
        "kept_from": "timestamptz",
        "history": "boolean",
        "kind": "text",
        "category": "text",
        "home_province": "text",
        "visited_province": "text",
        "counts_from": "timestamptz",
        "merged_into": "uuid",
    },
    key=("complaint",),
    indexes=("receipt", "person", "told_at", "registered_at", "merged_into"),
)
APPEAL = Table(
    "appeal",
    {"complaint": "uuid not null", "case_no": "int not null", "is_open": "boolean"},
    key=("complaint", "case_no"),
)
"""Cases of the regulator."""

SPEAKER = Table(
    "speaker",
    {"complaint": "uuid not null", "person": "uuid not null"},
    key=("complaint", "person"),
    indexes=("person",),
)
"""Who spoke on a complaint beside its own customer, or as well."""

TABLES = (COMPLAINT, APPEAL, SPEAKER)


def speaker_of(told: ComplaintContactLinked | ComplaintWithdrawn) -> UUID | None:
    """Whose words came with it, a merge's copy included; None: it does not say."""
    if told.contact is not None and told.contact.speaker is not None:
        return told.contact.speaker
    alone = told.standalone if isinstance(told, ComplaintContactLinked) else None
    return None if alone is None else alone.person


TIER_REGULATOR = 4

Place = tuple[int, int]
"""(life, offset): where a record lies in its partition of the log."""

SEQUENCES_TRIED_MAX = 5_000
"""Longer streams are not searched for a cause: complaints have tens of events."""


def heard_rows(recorded: Recorded[Any]) -> Iterable[Row]:
    """Which receipt is which complaint, and what its retention rests on.

    Retention counts from `kept_from`, when the closing came on record (null: it is open): of a case
    taken over from an older system that is the import, not the day it was closed there. What runs
    no loop has `counts_from`, when it was told; of history that is the import too; null once it is
    reopened.
    """
    key = {"complaint": recorded.subject}
    match recorded.data:
        case ComplaintRegistered(registration=registration):
            history = registration.history is not None
            yield Row.of(
                "complaint",
                key,
                receipt=registration.correspondent.receipt,
                person=registration.correspondent.person,
                told_at=registration.clock_from,
                registered_at=recorded.at,
                history=history,
                kind=registration.profile.kind.value,
                category=registration.profile.category.value,
                home_province=registration.profile.home_province,
                visited_province=registration.profile.visited_province,
                counts_from=recorded.time if history else registration.clock_from,
            )
        case ComplaintContactLinked() | ComplaintWithdrawn():
            speaker = speaker_of(recorded.data)
            if speaker is not None:
                yield Row.of("speaker", {**key, "person": speaker})
        case ComplaintClosed():
            yield Row.of("complaint", key, closed_at=recorded.at, kept_from=recorded.time)
        case ComplaintReopened():
            yield Row.of("complaint", key, closed_at=None, kept_from=None, counts_from=None)
        case ComplaintReclassified(profile=profile):
            yield Row.of(
                "complaint",
                key,
                category=profile.category.value,
                home_province=profile.home_province,
                visited_province=profile.visited_province,
            )
        case ComplaintMerged(into=into):
            yield Row.of("complaint", key, merged_into=into)
        case ComplaintUnmerged():
            yield Row.of("complaint", key, merged_into=None)
        case ComplaintEscalationNoted(tier=tier) if tier == TIER_REGULATOR:
            is_open = recorded.data.state in (NotedState.OPEN, NotedState.ACCEPTED)
            yield Row.of("appeal", {**key, "case_no": recorded.data.case}, is_open=is_open)


class CauseKind(StrEnum):
    """What sort of thing led to an event (`causationid`)."""

    EVENT = "event"
    MESSAGE = "message"
    """A channel message: its source and id."""
    COMMAND = "command"
    """A request by HTTP: its Idempotency-Key."""
    TIMER = "timer"
    """A timer came due: its name."""
    OPERATOR = "operator"
    SEED = "seed"
    """The service's first start."""
    RECORD = "record"
    """A record of the log that could not be taken."""
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Named:
    """An event by its stream and number."""

    source: str
    subject: str
    sequence: int
    type: str
    time: datetime | None


@dataclass(frozen=True, slots=True)
class Cause:
    """What led to an event; `event` is set where it is one that the archive holds."""

    kind: CauseKind
    ref: str
    event: Named | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """One event of a complaint as the archive holds it; `data` is the body as it was recorded."""

    place: Place
    partition: int
    id: UUID | None
    source: str
    type: str
    sequence: int | None
    time: datetime | None
    occurred: datetime | None
    actor: str
    cause: Cause
    policies: Sequence[tuple[str, str]]
    data: Any


_CAUSES: Mapping[str, CauseKind] = {
    "message": CauseKind.MESSAGE,
    "key": CauseKind.COMMAND,
    "idempotency": CauseKind.COMMAND,
    "operator": CauseKind.OPERATOR,
    "seed": CauseKind.SEED,
    "record": CauseKind.RECORD,
}


def cause_of(causation: str) -> Cause:
    """What a `causationid` says, as far as it says it by itself."""
    if _is_uuid(causation):
        return Cause(CauseKind.EVENT, causation)
    kind, colon, ref = causation.partition(":")
    if kind == "timer" and colon:
        return Cause(CauseKind.TIMER, ref.partition(":")[2])
    if colon and kind in _CAUSES:
        return Cause(_CAUSES[kind], ref)
    return Cause(CauseKind.COMMAND if causation == "request" else CauseKind.OTHER, causation)


def timeline(records: Records, complaint: UUID, after: Place | None, limit: int) -> list[Step]:
    """A complaint's events from all services, in an order that respects causes; limit + 1 at most.

    All its records lie in one partition of the log, and an effect is appended after its cause was
    read from there (DESIGN, One log): so the order of the log is such an order.
    """
    found = _behind(records.of([str(complaint)]), after)[: limit + 1]
    if not found:
        return []
    heads = _heads(records.conn, [str(complaint)])
    return _Resolver(records, heads).steps([_step(one) for one in found])


def steps_alone(rows: Sequence[Record]) -> list[Step]:
    """Rows as steps; of their causes only those are found that are among them."""
    steps = [_step(one) for one in rows]
    known = {
        str(one.id): Named(one.source, row.subject, one.sequence, one.type, one.time)
        for one, row in zip(steps, rows, strict=True)
        if one.id is not None and one.sequence is not None
    }
    return [replace(one, cause=replace(one.cause, event=known.get(one.cause.ref))) for one in steps]


def records_of(records: Records, complaint: UUID) -> list[bytes]:
    """The bytes of a complaint's events from all services, in the order of the log."""
    return [one.state for one in records.of([str(complaint)])]


def policies_of(records: Records, source: str, names: Sequence[str]) -> list[bytes]:
    """The bytes of each `policy.activated` of these policies, in the order of activation."""
    found = [
        one
        for one in records.of(names, source=source)
        if one.type.startswith("policy.activated.") and one.time is not None
    ]
    found.sort(key=lambda one: (one.time, one.subject, one.sequence))
    return [one.state for one in found]


def _behind(found: Sequence[Record], after: Place | None) -> list[Record]:
    return [one for one in found if one.place > (after or (0, -1))]


def registered_between(
    conn: Connection[Any],
    begin: datetime | None,
    end: datetime | None,
    after: UUID | None,
    limit: int,
) -> list[UUID]:
    """Complaints registered in [begin, end), by id after `after`; limit + 1 at most."""
    rows = conn.execute(
        "SELECT complaint FROM complaint WHERE (%s::timestamptz IS NULL OR registered_at >= %s) "
        "AND (%s::timestamptz IS NULL OR registered_at < %s) "
        "AND (%s::uuid IS NULL OR complaint > %s) ORDER BY complaint LIMIT %s",
        (begin, begin, end, end, after, after, limit + 1),
    ).fetchall()
    return [row["complaint"] for row in rows]


def sample(conn: Connection[Any], start: UUID, size: int) -> list[UUID]:
    """Complaints from a random point of their ids on, which are hashes and so in no order."""
    found: list[UUID] = []
    for side in (">=", "<"):
        rows = conn.execute(
            f"SELECT complaint FROM complaint WHERE complaint {side} %s "
            "ORDER BY complaint LIMIT %s",
            (start, size - len(found)),
        ).fetchall()
        found += [row["complaint"] for row in rows]
    return found


def records(
    records: Records, complaint: UUID, after: Place | None, limit: int
) -> list[tuple[Place, bytes]]:
    """A complaint's events as they were accepted, in the log's order; limit + 1 at most."""
    found = _behind(records.of([str(complaint)]), after)
    return [(one.place, one.state) for one in found[: limit + 1]]


def complaint_of(conn: Connection[Any], receipt: str) -> UUID | None:
    """The complaint with this receipt number."""
    row = conn.execute(
        "SELECT complaint FROM complaint WHERE receipt = %s ORDER BY complaint LIMIT 1", (receipt,)
    ).fetchone()
    return None if row is None else row["complaint"]


def about(conn: Connection[Any], complaint: UUID) -> Mapping[str, Any] | None:
    """Receipt, registration and closing of a complaint."""
    return conn.execute(
        "SELECT receipt, registered_at, closed_at, kept_from, history "
        "FROM complaint WHERE complaint = %s",
        (complaint,),
    ).fetchone()


def stream(
    records: Records, source: str, subject: str, after: tuple[int, int, int] | None, limit: int
) -> tuple[Mapping[str, Any] | None, list[Record]]:
    """A stream's head, and its links by (sequence, life, offset); limit + 1 at most."""
    head = records.conn.execute(
        "SELECT sequence, digest, time FROM head WHERE subject = %s AND source = %s",
        (subject, source),
    ).fetchone()
    if head is None:
        return None, []
    links = sorted(
        (link_place(one), one) for one in records.of([subject], source=source) if one.sequence
    )
    return head, [one for place, one in links if place > (after or (0, 0, -1))][: limit + 1]


def link_place(one: Record) -> tuple[int, int, int]:
    """Where a link stands in its stream: number, then place in the log."""
    return one.sequence or 0, one.life, one.offset


def faults(
    conn: Connection[Any], after: tuple[int, int, int, str] | None, limit: int
) -> list[Mapping[str, Any]]:
    """Breaks found on arrival, by (life, partition, offset, kind); limit + 1 at most."""
    return conn.execute(
        "SELECT * FROM fault WHERE (life, partition, record_offset, kind) > (%s, %s, %s, %s) "
        "ORDER BY life, partition, record_offset, kind LIMIT %s",
        (*(after or (0, 0, -1, "")), limit + 1),
    ).fetchall()


# -- steps and their causes -----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _HeadRow:
    source: str
    subject: str
    cohort: date
    sequence: int


def _heads(conn: Connection[Any], subjects: Sequence[str]) -> list[_HeadRow]:
    rows = conn.execute(
        "SELECT source, subject, cohort, sequence FROM head WHERE subject = ANY(%s)",
        (list(subjects),),
    ).fetchall()
    return [_HeadRow(row["source"], row["subject"], row["cohort"], row["sequence"]) for row in rows]


def _step(one: Record) -> Step:
    """The archive shows even what it cannot read: as a record without content."""
    try:
        envelope = from_json(one.state)
    except ValueError:
        envelope = {}
    if not isinstance(envelope, dict):
        envelope = {}
    data = envelope.get("data")
    return Step(
        place=one.place,
        partition=one.partition,
        id=UUID(envelope["id"]) if _is_uuid(envelope.get("id")) else None,
        source=one.source,
        type=one.type,
        sequence=one.sequence,
        time=one.time,
        occurred=_instant(envelope.get("occurredat")),
        actor=str(envelope.get("actor", "")),
        cause=cause_of(str(envelope.get("causationid", ""))),
        policies=tuple(policies_in(data)),
        data=data,
    )


class _Resolver:
    """Finds the events that causes name.

    Event ids follow from stream and number (DESIGN, The event), so they are found without an
    index of ids: the complaint's own streams first, then those of complaints its bodies name.
    """

    def __init__(self, records: Records, heads: Sequence[_HeadRow]) -> None:
        self._records = records
        self._heads = heads

    def steps(self, steps: Sequence[Step]) -> list[Step]:
        wanted = {step.cause.ref for step in steps if step.cause.kind is CauseKind.EVENT}
        found = _search(self._heads, wanted)
        missing = wanted - found.keys()
        if missing:
            named = {
                one
                for step in steps
                if step.cause.ref in missing
                for one in _uuids_in(step.data)
                if one != self._heads[0].subject
            }
            found |= _search(_heads(self._records.conn, sorted(named)), missing)
        named_events = self._describe(found)
        return [
            replace(step, cause=replace(step.cause, event=named_events.get(step.cause.ref)))
            for step in steps
        ]

    def _describe(self, found: Mapping[str, tuple[_HeadRow, int]]) -> dict[str, Named]:
        by_place = {
            (head.source, head.subject, sequence): (reference, head)
            for reference, (head, sequence) in found.items()
        }
        subjects = sorted({subject for _, subject, _ in by_place})
        return {
            by_place[place][0]: Named(*place, one.type, one.time)
            for one in self._records.of(subjects)
            if one.sequence and (place := (one.source, one.subject, one.sequence)) in by_place
        }


def _search(heads: Iterable[_HeadRow], wanted: Iterable[str]) -> dict[str, tuple[_HeadRow, int]]:
    left = set(wanted)
    found: dict[str, tuple[_HeadRow, int]] = {}
    for head in heads:
        for sequence in range(1, min(head.sequence, SEQUENCES_TRIED_MAX) + 1):
            if not left:
                return found
            reference = str(event_id(head.source, head.subject, sequence))
            if reference in left:
                left.discard(reference)
                found[reference] = (head, sequence)
    return found


_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def _is_uuid(text: Any) -> bool:
    return isinstance(text, str) and _UUID.fullmatch(text) is not None


def _uuids_in(data: Any) -> Iterable[str]:
    if isinstance(data, dict):
        for inner in data.values():
            yield from _uuids_in(inner)
    elif isinstance(data, list):
        for inner in data:
            yield from _uuids_in(inner)
    elif _is_uuid(data):
        yield data


def _instant(text: Any) -> datetime | None:
    try:
        return datetime.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        return None
