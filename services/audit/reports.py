"""Reports over HTTP: counted from audit's own rows of the log, in one consistent look at them."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from datetime import date
from hashlib import sha256
from tempfile import SpooledTemporaryFile
from typing import IO, Annotated, Any

from fastapi import Path, Query
from psycopg import Connection
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response, StreamingResponse

from contracts.values import ChannelKind, Plain, Reason
from libs.decider import NotFound, Recorded, Refused, Row, To
from libs.eventlog import Table
from libs.messaging.app import App
from libs.sheets import FORMATS, ROWS_MAX, Format, TooLong, write
from libs.web import Ask, Caller, Router, allow, command
from services.audit.domain.connections import EnterConnection, subject_of
from services.audit.domain.reporting import REPORTS, TABLES, FactTable, Period, fact_rows
from services.audit.facts import live_facts
from services.audit.handed_out import put_on_record

IN_MEMORY_BYTES = 1024 * 1024
"""A longer report lies in a temporary file until it is sent."""
SENT_BYTES = 256 * 1024

_SQL_TYPE = {
    "uuid": "uuid",
    "text": "text",
    "int": "int",
    "date": "date",
    "instant": "timestamptz",
    "flag": "boolean",
    "money": "numeric(14, 2)",
}


def _table(table: FactTable) -> Table:
    return Table(
        table.name,
        {
            column: f"{_SQL_TYPE[kind]}{' not null' if column in table.key else ''}"
            for column, kind in table.columns.items()
        },
        key=table.key,
        indexes=table.dated_by,
    )


FACT_TABLES: tuple[Table, ...] = tuple(map(_table, TABLES))
"""What reports count, as read models."""


def heard_rows(recorded: Recorded[Any]) -> Iterable[Row]:
    """The rows of an event, by the fold that a replay uses as well."""
    return fact_rows(recorded)


FILES = frozenset({Format.CSV, Format.XLSX})
"""Forms that are carried away as files; the others are for a screen or another program."""


class NoSuchReport(NotFound):
    """There is no report of that name."""

    rule = "no-such-report"
    zh = "没有该名称的报表"


class BadPeriod(Refused):
    """A period has a first and a last day, in this order, and is no longer than ten years."""

    rule = "bad-period"
    zh = "起止日期不正确:起始日不得晚于截止日,且不超过十年"


class TooManyRows(Refused):
    """The report has more than 100,000 rows; ask for a shorter period, or for its first rows."""

    rule = "too-many-rows"
    zh = "报表超过100,000行,请缩短起止日期,或只取前若干行"


class ReportQuery(BaseModel):
    """Of which days, and how it is written."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    first: date = Field(alias="from", description="the first day, in Shanghai: 2025-10-01")
    last: date = Field(alias="to", description="the last day; it is part of the report")
    format: Format = Field(Format.JSON, description="how it is written")
    top: int | None = Field(None, ge=1, le=ROWS_MAX, description="only so many of its first rows")
    width: int | None = Field(
        None, ge=60, le=1_000, description="a terminal's: `table` in blocks no wider than this"
    )
    purpose: Reason = Field("report", description="what for; kept on record of a CSV or XLSX file")


class ConnectionBody(BaseModel):
    """A line's figures of one day."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)
    day: date
    """In Shanghai."""
    line: ChannelKind
    """The hotline."""
    calls: Annotated[int, Field(ge=0, le=100_000_000)]
    """The calls that came, or were made to test it."""
    answered: Annotated[int, Field(ge=0, le=100_000_000)]
    """Those of them answered in time."""
    reason: Annotated[Plain, Field(min_length=1)] | None = None
    """Why the figures on record are wrong."""


def report_file(
    conn: Connection[Any],
    name: str,
    period: Period,
    how: Format,
    top: int | None = None,
    rows_max: int = ROWS_MAX,
    width: int | None = None,
) -> IO[bytes]:
    """A report from the rows as they are now, written and ready to be read from its start.

    A whole file before the first byte is sent: so a report that is too long is refused and never
    half sent, and no slow reader keeps a transaction open. Raises NoSuchReport or TooManyRows.
    """
    report = REPORTS.get(name)
    if report is None:
        raise NoSuchReport
    told = SpooledTemporaryFile(IN_MEMORY_BYTES)  # noqa: SIM115 - whoever sends it closes it
    try:
        with live_facts(conn) as facts:
            write(report(facts, period), how, told, top, rows_max, width)
    except TooLong as error:
        told.close()
        raise TooManyRows from error
    except BaseException:
        told.close()
        raise
    told.seek(0)
    return told


def _digest(told: IO[bytes]) -> str:
    digest = sha256()
    while part := told.read(SENT_BYTES):
        digest.update(part)
    told.seek(0)
    return digest.hexdigest()


async def _sent(told: IO[bytes]) -> AsyncIterator[bytes]:
    with told:
        while part := await asyncio.to_thread(told.read, SENT_BYTES):
            yield part


def routes(app: App) -> Router:
    """The reports' routes."""
    router = Router(tags=["reports"])

    @router.get(
        "/reports/{name}",
        response_class=Response,
        responses={
            200: {
                "description": "The report, as a JSON document or in the form asked for.",
                "content": {kind: {} for kind in FORMATS.values()},
            }
        },
    )
    async def report(
        name: Annotated[str, Path(pattern=r"^[a-z][a-z-]*$", max_length=40)],
        asked: Annotated[ReportQuery, Query()],
        caller: Annotated[Caller, allow("audit.report")],
    ) -> Response:
        """A report of DOMAIN rule 12 over the days asked for; a file of it is put on record."""
        try:
            period = Period.asked(asked.first, asked.last)
        except ValueError as error:
            raise BadPeriod from error
        told = await app.query(
            report_file, name, period, asked.format, asked.top, ROWS_MAX, asked.width
        )
        if asked.format in FILES:
            digest = await app.beside(_digest, told)
            await put_on_record(app, caller, f"report.{name}", digest, asked.purpose)
        return StreamingResponse(_sent(told), media_type=FORMATS[asked.format])

    @router.command("/connection")
    async def enter_connection(
        body: ConnectionBody, ask: Annotated[Ask, command("audit.connection")]
    ) -> Response:
        """Write down how a hotline was answered on a day (004 每日接通率测试表).

        The same figures again change nothing; other ones correct them, with a reason.
        """
        entering = EnterConnection(at=ask.now, by=ask.caller.actor, **body.model_dump())
        return await ask(To(subject_of(body.day), entering))

    return router
