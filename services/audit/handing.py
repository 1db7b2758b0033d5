"""The archive in the order of the log, handed to who rebuilds a service from it, or keeps a copy.

Lines as `libs.messaging.log_lines` has them; sealed words stay sealed. A copy is put on record.
"""

import heapq
from collections.abc import Iterator
from itertools import islice
from typing import Annotated, Any

from fastapi import Query, Response
from psycopg import Connection
from psycopg.rows import tuple_row
from pydantic import BaseModel, ConfigDict, Field

from contracts.housekeeping import ExportMade
from contracts.values import Digest, Reason
from libs.decider import To
from libs.eventlog.service import LogRecord
from libs.messaging.app import App
from libs.messaging.log_lines import PURGED, LogEnds, PartitionEnd, to_line
from libs.messaging.log_source import LogPlace
from libs.web import Ask, Caller, Router, allow, command
from services.audit.cold.form import Record
from services.audit.cold.records import Reading, Records
from services.audit.domain.exporting import RecordExport

LINES = "application/x-ndjson"
RECORDS_MAX = 5_000
PAGE_BYTES_MAX = 8 * 1024 * 1024


class _Shown(BaseModel):
    model_config = ConfigDict(extra="forbid", from_attributes=True)


class PartitionEndShown(_Shown):
    """How far one partition is archived."""

    partition: int
    life: int = Field(description="which of the topic's lives: it may have been made anew")
    next: int = Field(description="every record of that life before this offset is archived")
    records: int = Field(description="records accepted there so far, in all lives")


class LogEndsShown(_Shown):
    """How far the archive goes."""

    lives: dict[int, str] = Field(description="each life's topic id")
    ends: list[PartitionEndShown]


class LogExported(BaseModel):
    """A copy of the log that somebody made."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

    digest: Digest
    """SHA-256 of the file."""
    purpose: Reason
    """What for."""


def ends(conn: Connection[Any], topic: str) -> LogEnds:
    """How far each partition is archived, in one look."""
    with conn.transaction(), conn.cursor(row_factory=tuple_row) as curs:
        curs.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        lives: dict[int, str] = dict(
            curs.execute("SELECT life, topic_id FROM log_life ORDER BY life").fetchall()
        )
        found = curs.execute(
            "SELECT o.partition, l.life, o.next, r.records FROM inbox_offset o "
            "JOIN log_life l ON l.topic_id = o.topic_id "
            "JOIN running_digest r ON r.partition = o.partition "
            "WHERE o.topic = %s ORDER BY o.partition",
            (topic,),
        ).fetchall()
    return LogEnds(lives, tuple(PartitionEnd(*row) for row in found))


def lines(records: Records, partition: int, after: LogPlace, limit: int) -> Iterator[bytes]:
    """A partition's next records as lines, in order: as many as fit into `limit` and a page.

    The first comes in any case. Of a purged record there is its place, with no bytes. Raises
    RecordsAway.
    """
    told = 0
    there = heapq.merge(
        records.in_order(partition, after),
        _gone(records.conn, partition, after, limit),
        key=lambda one: one.place,
    )
    for one in islice(there, limit):
        record = LogRecord(
            one.partition,
            one.offset,
            one.source,
            one.type,
            one.subject,
            one.position,
            one.after,
            one.state,
        )
        line = to_line(one.life, record)
        told += len(line) + 1
        if told > PAGE_BYTES_MAX and told > len(line) + 1:
            return
        yield line


def _gone(conn: Connection[Any], partition: int, after: LogPlace, limit: int) -> Iterator[Record]:
    """The places of purged records, without bytes: who follows the positions finds no gap."""
    with conn.cursor(row_factory=tuple_row) as curs:
        rows = curs.execute(
            "SELECT partition, life, record_offset, source, subject, sequence, position, after, "
            f"'{PURGED}', NULL, NULL, digest, ''::bytea FROM purged_record "
            "WHERE partition = %s AND (life, record_offset) > (%s, %s) "
            "ORDER BY life, record_offset LIMIT %s",
            (partition, *after, limit),
        ).fetchall()
    return (Record(*row) for row in rows)


def routes(app: App, reading: Reading) -> Router:
    """The archive as a log."""
    router = Router(prefix="/log", tags=["log"])

    @router.get("/ends", response_model=LogEndsShown)
    async def log_ends(_caller: Annotated[Caller, allow("audit.log")]) -> LogEndsShown:
        """How far the archive goes, per partition of the log."""
        return LogEndsShown.model_validate(await app.query(ends, app.inbox.topic))

    @router.get("/records", response_class=Response, responses={200: {"content": {LINES: {}}}})
    async def log_records(
        _caller: Annotated[Caller, allow("audit.log")],
        partition: Annotated[int, Query(ge=0, le=2**31 - 1)],
        life: Annotated[int, Query(ge=0, le=2**31 - 1)] = 0,
        offset: Annotated[int, Query(ge=-1, le=2**63 - 1, description="the last one had")] = -1,
        limit: Annotated[int, Query(ge=1, le=RECORDS_MAX)] = RECORDS_MAX,
    ) -> Response:
        """A partition's next records behind a place, one JSON object a line; none: its end."""

        def page(records: Records) -> bytes:
            told = lines(records, partition, LogPlace(life, offset), limit)
            return b"".join(line + b"\n" for line in told)

        return Response(await reading.query(page), media_type=LINES)

    @router.command("/exports")
    async def exported(body: LogExported, ask: Annotated[Ask, command("audit.log")]) -> Response:
        """Put on record that a copy of the log was made: by whom, what for, and its digest."""
        made = ExportMade(what="log", purpose=body.purpose, by=ask.caller.actor, digest=body.digest)
        return await ask(To(body.digest, RecordExport(at=ask.now, made=made)))

    return router
