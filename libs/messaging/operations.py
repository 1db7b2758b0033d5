"""What an operations engineer may see and settle over HTTP, the same on every service."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

from fastapi import Query, Request
from psycopg import Connection
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from libs.decider import NotFound
from libs.decider.plain import Tables, tables
from libs.eventlog import Table
from libs.messaging.parking import NothingParked, Parking, Settled, listed, of_subject
from libs.web.access import allow
from libs.web.auth import Caller
from libs.web.paging import Page, PageQuery, page_of
from libs.web.routing import Router

if TYPE_CHECKING:
    from libs.messaging.app import App

Reason = Annotated[str, StringConstraints(min_length=1, max_length=200, strip_whitespace=True)]


class NoSuchGap(NotFound):
    """This partition has no gap at that source."""

    rule = "no-such-gap"
    zh = "该分区没有此缺口"


class GapShown(BaseModel):
    """A partition that stopped, and between which positions records are missing."""

    partition: int
    source: str
    taken: str = Field(description="the last position taken")
    after: str = Field(description="what the next record says came before it")
    offset: int


class ResolveGap(BaseModel):
    """Go on over the missing records of this source."""

    model_config = ConfigDict(extra="forbid")
    source: Annotated[str, StringConstraints(pattern=r"^/bihuan/[a-z_]{1,40}$")]
    reason: Reason


class ParkedShown(BaseModel):
    """A subject whose record could not be taken; its later records wait behind it."""

    subject: str
    source: str
    record: str
    position: str
    error: str
    problem: str
    waiting: int


class ParkedRecord(BaseModel):
    """One record set aside; never its content."""

    topic: str
    partition: int
    offset: int
    source: str
    record: str
    position: str
    state: str
    error: str
    problem: str


class Why(BaseModel):
    """Why it is settled so; kept on record."""

    model_config = ConfigDict(extra="forbid")
    reason: Reason


class SettledShown(BaseModel):
    """What became of the records of a subject."""

    subject: str
    released: list[str]
    discarded: list[str]
    left: int


def operations(app: "App") -> Router:
    """Gaps and parked records of this instance's service."""
    router = Router(prefix="/operations", tags=["operations"])
    name = app.service.name
    _gaps(router, app, f"{name}.operate")
    _parked(router, app, f"{name}.operate")
    _rows(router, app, f"{name}.compare")
    return router


def _gaps(router: Router, app: "App", action: str) -> None:
    @router.get("/gaps", response_model=list[GapShown])
    async def inbox_gaps(_caller: Annotated[Caller, allow(action)]) -> list[GapShown]:
        """Partitions of this instance that stopped because records are missing."""
        return [_gap(gap) for gap in app.inbox.gaps()]

    @router.post("/gaps/{partition}/resolve", response_model=GapShown)
    async def resolve_gap(
        partition: int, body: ResolveGap, caller: Annotated[Caller, allow(action)]
    ) -> GapShown:
        """Goes on over missing records; this is itself an event."""
        try:
            gap = await app.in_thread(
                app.inbox.resolve_gap, partition, body.source, caller.actor, body.reason
            )
        except KeyError as error:
            raise NoSuchGap from error
        await app.consumers[0].go_on(partition)
        return _gap(gap)


def _rows(router: Router, app: "App", action: str) -> None:
    @router.get("/rows/{complaint}", response_model=dict[str, list[dict[str, Any]]])
    async def rows_of_complaint(
        complaint: UUID, _caller: Annotated[Caller, allow(action)]
    ) -> Tables:
        """What the read models hold of a complaint, table by table, sealed words as marks.

        In the one form that a replay gives too, so that both can be compared byte by byte.
        """
        return await app.query(rows_of, app.service.tables, complaint)


def rows_of(conn: Connection[Any], of: Sequence[Table], complaint: UUID) -> Tables:
    """The rows that a complaint's stream, or what was heard of it, left in these tables.

    Tables of other streams, of months or teams, are named by text and have none.
    """
    found = [
        (table.name, row)
        for table in of
        if table.columns.get(table.stream, "").startswith("uuid")
        for row in conn.execute(
            f"SELECT {', '.join(table.columns)} FROM {table.name} WHERE {table.stream} = %s",
            (complaint,),
        ).fetchall()
    ]
    return tables(found)


def _parked(router: Router, app: "App", action: str) -> None:
    def parking() -> Parking:
        return Parking(app.writer, app.settings.kafka_bootstrap, app.channel)

    @router.get("/parked", response_model=Page[ParkedShown])
    async def parked_records(
        request: Request,
        page: Annotated[PageQuery, Query()],
        _caller: Annotated[Caller, allow(action)],
    ) -> Page[ParkedShown]:
        """Subjects with a parked record, by subject."""
        rows = await app.query(listed, page.after(str), page.limit)
        shown, following = page_of(request, rows, page.limit, lambda row: (row["subject"],))
        return Page(items=[_shown(row) for row in shown], next=following)

    @router.get("/parked/{subject}", response_model=list[ParkedRecord])
    async def parked_record(
        subject: str, _caller: Annotated[Caller, allow(action)]
    ) -> list[ParkedRecord]:
        """The parked record of a subject and what waits behind it, in order."""
        rows = await app.query(of_subject, subject)
        if not rows:
            raise NothingParked
        return [
            ParkedRecord(
                topic=row.topic,
                partition=row.partition,
                offset=row.offset,
                source=row.source,
                record=row.record_id,
                position=row.position,
                state=row.state,
                error=row.error_kind,
                problem=row.detail,
            )
            for row in rows
        ]

    @router.post("/parked/{subject}/replay", response_model=SettledShown)
    async def replay_parked(
        subject: str, body: Why, caller: Annotated[Caller, allow(action)]
    ) -> SettledShown:
        """Tries the parked record again, then those behind it, in order."""
        return await _settle(parking().replay, subject, caller, body)

    @router.post("/parked/{subject}/discard", response_model=SettledShown)
    async def discard_parked(
        subject: str, body: Why, caller: Annotated[Caller, allow(action)]
    ) -> SettledShown:
        """Gives the parked record up, on record, and goes on with those behind it.

        Not what audit signed or withdrew of a purge: that is replayed once its cause is mended.
        """
        return await _settle(parking().discard, subject, caller, body)


async def _settle(
    how: Callable[[str, str, str], Any], subject: str, caller: Caller, body: Why
) -> SettledShown:
    settled: Settled = await how(subject, caller.actor, body.reason)
    return SettledShown(
        subject=settled.subject,
        released=list(settled.released),
        discarded=list(settled.discarded),
        left=settled.left,
    )


def _gap(gap: Any) -> GapShown:
    return GapShown(
        partition=gap.partition,
        source=gap.source,
        taken=str(gap.taken),
        after=str(gap.after),
        offset=gap.offset,
    )


def _shown(row: Any) -> ParkedShown:
    return ParkedShown(
        subject=row["subject"],
        source=row["source"],
        record=row["record_id"],
        position=row["position"],
        error=row["error_kind"],
        problem=row["detail"],
        waiting=row["waiting"],
    )
