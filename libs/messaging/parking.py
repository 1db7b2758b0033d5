"""What could not be taken: listed, shown, replayed in order, or discarded on record.

Replay goes through the same writer as everything else; what waited behind the parked record
follows it in order, until something fails again (DESIGN, Inbox).
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from psycopg import Connection
from pydantic_core import from_json

from libs.decider import Conflict, DomainError, GivenUp, NotFound
from libs.eventlog.envelope import Origin, Unreadable
from libs.eventlog.purging import is_forged
from libs.eventlog.recorder import ParkedRow
from libs.eventlog.work import Work
from libs.eventlog.writer import Writer
from libs.messaging.channel import Channel, RawMessage
from libs.messaging.clients import running
from libs.messaging.inbox import (
    PURGE_REFUSED,
    as_problem,
    describe,
    hear,
    without_refused_purges,
)
from libs.messaging.notes import note_on
from libs.messaging.position import read_headers
from libs.messaging.purges import hear_of_purge

FETCH_SECONDS_MAX = 10.0
Place = tuple[str, int, int]
"""Topic, partition, offset of a record."""

LISTED_MAX = 200


class NothingParked(NotFound):
    """No record of this subject is parked."""

    rule = "nothing-parked"
    zh = "该投诉没有待处理记录"


class OnlyDiscard(Conflict):
    """This record can never be taken (nothing of ours wrote it, or it is gone); discard it."""

    rule = "only-discard"
    zh = "该记录无法重放,只能作废"


class OnlyReplay(Conflict):
    """What audit says of a purge is not given up; mend what parked it, then replay it."""

    rule = "only-replay"
    zh = "审计服务签署或撤回的清除不能作废;请排除故障后重放"


class StillFails(Conflict):
    """Replayed, and it failed again; everything is as it was."""

    rule = "still-fails"
    zh = "重放仍然失败"


@dataclass(frozen=True, slots=True)
class Settled:
    """What a replay or a discard did."""

    subject: str
    released: tuple[str, ...]
    discarded: tuple[str, ...]
    left: int
    """How many records of the subject still wait (a later one failed in its turn)."""


def listed(conn: Connection[Any], after: tuple[str, ...] | None, limit: int) -> list[Any]:
    """Parked subjects, each with its first record and how many wait behind, by subject."""
    return conn.execute(
        "SELECT p.subject, p.source, p.record_id, p.position, p.error_kind, p.detail, "
        "(SELECT count(*) FROM parked w WHERE w.subject = p.subject AND w.state = 'waiting') "
        "AS waiting FROM parked p WHERE p.state = 'parked' AND p.subject > %s "
        "ORDER BY p.subject LIMIT %s",
        (after[0] if after else "", min(limit, LISTED_MAX) + 1),
    ).fetchall()


def of_subject(conn: Connection[Any], subject: str) -> list[ParkedRow]:
    """All unsettled records of a subject, in the order they came."""
    rows = conn.execute(
        "SELECT * FROM parked WHERE subject = %s AND state <> 'settled' "
        "ORDER BY (state = 'waiting'), topic, partition, record_offset",
        (subject,),
    ).fetchall()
    return [
        ParkedRow(
            row["topic"],
            row["partition"],
            row["record_offset"],
            row["subject"],
            row["source"],
            row["record_id"],
            row["position"],
            row["state"],
            row["error_kind"],
            row["detail"],
            bytes(row["value"]) if row["value"] is not None else None,
        )
        for row in rows
    ]


class Parking:
    """Settles parked records of one instance's service."""

    def __init__(self, writer: Writer, bootstrap: str, channel: Channel | None = None) -> None:
        self._writer = writer
        self._bootstrap = bootstrap
        self._channel = channel

    async def replay(self, subject: str, by: str, reason: str) -> Settled:
        """Tries the parked record again, then those behind it, in order.

        Raises NothingParked, OnlyDiscard, or StillFails when the first one fails again.
        """
        return await self._settle(subject, by, reason, discard=False)

    async def discard(self, subject: str, by: str, reason: str) -> Settled:
        """Gives the parked record up, on record, and goes on with those behind it.

        Raises NothingParked, or OnlyReplay where it is what audit says of a purge.
        """
        return await self._settle(subject, by, reason, discard=True)

    async def _settle(self, subject: str, by: str, reason: str, *, discard: bool) -> Settled:
        had: dict[Place, ParkedRow] = {}
        while True:
            try:
                return await asyncio.to_thread(self._decided, subject, by, reason, discard, had)
            except _NotHad as error:
                had |= {_place(row): await self._with_bytes(row) for row in error.rows}

    def _decided(
        self, subject: str, by: str, reason: str, discard: bool, had: Mapping[Place, ParkedRow]
    ) -> Settled:
        refused: dict[str, str] = {}

        def decide(work: Work) -> Settled:
            # Read within the decision: a record may come to wait at any moment until the commit.
            rows = self._load(subject)
            needed = [row for row in rows[discard:] if row.value is None]
            if missing := [row for row in needed if _place(row) not in had]:
                raise _NotHad(missing)
            work.extra.unsettled[subject] = frozenset(_place(row) for row in rows)
            rows = [had.get(_place(row), row) for row in rows]
            settling = _Settling(self._writer, self._channel, work, by, reason, refused)
            return settling.run(rows, discard)

        settled = without_refused_purges(
            refused, lambda: self._writer.transact(decide, always=True)
        )
        self._writer.refresh()
        return settled

    def _load(self, subject: str) -> list[ParkedRow]:
        with self._writer.store.connection() as conn:
            rows = of_subject(conn, subject)
        if not rows:
            raise NothingParked
        return rows

    async def _with_bytes(self, row: ParkedRow) -> ParkedRow:
        """The record's bytes, from Kafka where only its place was kept."""
        if row.topic.startswith("timer:"):
            return row
        found = await fetch(self._bootstrap, row.topic, row.partition, row.offset)
        if found is None:
            return row
        value, headers = found
        is_log = self._channel is None or row.topic != self._channel.topic
        if is_log and read_headers(headers) is None:
            return row
        return replace(row, value=value)


class _NotHad(Exception):
    """The bytes of these records are to be fetched first; nothing has been decided."""

    def __init__(self, rows: Sequence[ParkedRow]) -> None:
        super().__init__("bytes to be fetched")
        self.rows = tuple(rows)


def _place(row: ParkedRow) -> Place:
    return row.topic, row.partition, row.offset


class _Settling:
    def __init__(
        self,
        writer: Writer,
        channel: Channel | None,
        work: Work,
        by: str,
        reason: str,
        refused: Mapping[str, str],
    ) -> None:
        self._service = writer.service
        self._store = writer.store
        self._channel = channel
        self._work = work
        self._by = by
        self._reason = reason
        self._refused = refused

    def run(self, rows: Sequence[ParkedRow], discard: bool) -> Settled:
        subject = rows[0].subject
        self._work.extra.subjects[subject] = subject in self._work.blocked
        released: list[str] = []
        discarded: list[str] = []
        for number, row in enumerate(rows):
            if number == 0 and discard:
                self._refuse_of_a_purge(row)
                self._let_stay(row)
                self._mark(row, "discarded")
                discarded.append(row.record_id)
                continue
            failure = self._try(row)
            if failure is not None:
                if number == 0:
                    if row.value is None and not row.topic.startswith("timer:"):
                        raise OnlyDiscard(failure[1])
                    raise StillFails(failure[1])
                self._park(replace(row, state="parked", error_kind=failure[0], detail=failure[1]))
                return Settled(subject, tuple(released), tuple(discarded), len(rows) - number)
            self._mark(row, "released")
            released.append(row.record_id)
        return Settled(subject, tuple(released), tuple(discarded), 0)

    def _refuse_of_a_purge(self, row: ParkedRow) -> None:
        """A service that never hears what it lets go, or frees, would keep or withhold it for ever.

        Raises OnlyReplay, but for what is forged or can never be read.
        """
        keeping = self._service.housekeeping
        kind = "" if row.value is None else _type_in(row.value)
        purged, withdrawn = keeping.cohort_purged.type, keeping.purge_withdrawn.type
        if kind.rpartition(".")[0] not in {one.rpartition(".")[0] for one in (purged, withdrawn)}:
            return
        assert row.value is not None
        if kind not in self._service.types:
            raise OnlyReplay(f"{kind} is newer than this service: upgrade, then replay it.")
        try:
            recorded = self._service.read(row.value)
        except Unreadable:
            return
        if isinstance(recorded.data, keeping.cohort_purged):
            with self._store.connection() as conn:
                if is_forged(conn, row.value):
                    return
        raise OnlyReplay(
            "Audit's word on a purge is not given up, for this service would keep or withhold for "
            f"ever what it names. Mend what parked it ({row.detail}), then replay it; one whose "
            "key is not audit's can be discarded once that key is revoked "
            "(keeper.revoke_purge_key)."
        )

    def _let_stay(self, row: ParkedRow) -> None:
        """What the service says of a record of another one that is given up (`Service.stays`).

        Raises what it raises, and StillFails where it cannot be decided.
        """
        if not row.source:
            return
        recorded, kind = None, ""
        if row.value is not None:
            try:
                recorded = self._service.read(row.value)
                kind = recorded.type
            except Unreadable:
                kind = _type_in(row.value)
        given_up = GivenUp(self._work.now, row.subject, row.source, row.record_id, kind, recorded)
        origin = Origin(f"record:{row.record_id}", f"system:{self._service.name}")
        for to in self._service.stays(given_up):
            try:
                self._work.apply(to, origin)
            except DomainError:
                continue  # a rule's refusal is a no-op, as in hearing
            except Exception as error:
                raise StillFails(describe(error)[1]) from error

    def _park(self, row: ParkedRow) -> None:
        """What waited is the one that cannot be taken now: on record, or a rebuild would take it
        for released."""
        self._work.extra.parked.append(row)
        event = self._service.housekeeping.record_parked.model_validate(
            {
                "record": row.record_id,
                "source": row.source,
                "position": row.position,
                "error": row.error_kind,
                "problem": row.detail,
            }
        )
        note_on(self._service, self._work, row.subject, event, f"record:{row.record_id}")

    def _try(self, row: ParkedRow) -> tuple[str, str] | None:
        if row.topic.startswith("timer:"):
            return None  # it is still set, and fires again once its subject is free
        if row.record_id in self._refused:
            return PURGE_REFUSED, as_problem(self._refused[row.record_id])
        mark = self._work.savepoint()
        try:
            if self._channel is not None and row.topic == self._channel.topic:
                self._channel.again(self._work, RawMessage(row.value, row.record_id))
            else:
                self._hear(row)
        except Exception as error:  # noqa: BLE001 - reported to whoever asked for the replay
            self._work.rollback_to(mark)
            return describe(error)
        return None

    def _hear(self, row: ParkedRow) -> None:
        if row.value is None:
            raise Unreadable("no-bytes", "its bytes cannot be had, or nothing of ours wrote it")
        recorded = self._service.read(row.value)
        hear_of_purge(self._service, self._work, recorded, row.value)
        commands = (
            tuple(self._service.react(recorded)) if recorded.type in self._service.hears else ()
        )
        hear(self._service, self._work, recorded, commands, lambda _refusal: None)

    def _mark(self, row: ParkedRow, settlement: str) -> None:
        self._work.extra.parked.append(replace(row, state="settled", detail=settlement))
        if row.state != "parked":
            return
        event = self._service.housekeeping.record_settled.model_validate(
            {
                "record": row.record_id,
                "settlement": settlement,
                "by": self._by,
                "reason": self._reason,
            }
        )
        note_on(self._service, self._work, row.subject, event, f"operator:{self._by}")


def _type_in(value: bytes) -> str:
    try:
        told = from_json(value)
    except ValueError:
        return ""
    found = told.get("type") if isinstance(told, dict) else None
    return found if isinstance(found, str) else ""


async def fetch(
    bootstrap: str, topic: str, partition: int, offset: int
) -> tuple[bytes | None, Sequence[tuple[str, bytes | None]]] | None:
    """One record of Kafka by its place: (value, headers), or None when it is gone."""
    place = TopicPartition(topic, partition)
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, enable_auto_commit=False)
    async with running(consumer):
        consumer.assign([place])
        begins = await consumer.beginning_offsets([place])
        ends = await consumer.end_offsets([place])
        if not begins[place] <= offset < ends[place]:
            return None
        consumer.seek(place, offset)
        async with asyncio.timeout(FETCH_SECONDS_MAX):
            while True:
                batch: Mapping[Any, Any] = await consumer.getmany(place, timeout_ms=200)
                for record in batch.get(place, ()):
                    return (record.value, record.headers) if record.offset == offset else None
