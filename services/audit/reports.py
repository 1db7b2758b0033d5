"""Reports over HTTP: counted from audit's own rows of the log, in one consistent look at them."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from typing import Annotated, Any

from fastapi import Path, Query
from psycopg import Connection
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from contracts.values import ChannelKind, Plain
from libs.decider import NotFound, Recorded, Refused, Row, To
from libs.eventlog import Table
from libs.messaging.app import App
from libs.sheets import FORMATS, Format, Sheet, written
from libs.web import Ask, Caller, Router, allow, command
from services.audit.domain.connections import EnterConnection, subject_of
from services.audit.domain.reporting import (
    COMPLAINT,
    REPORTS,
    TABLES,
    Fact,
    Facts,
    FactTable,
    Period,
    fact_rows,
)

ROWS_MAX = 100_000
"""A report of more rows is asked for in shorter periods."""
FETCHED_AT_ONCE = 5_000

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


class _Live:
    """The facts as one transaction sees them."""

    def __init__(self, conn: Connection[Any]) -> None:
        self._conn = conn

    def all(self, table: FactTable) -> Iterator[Fact]:
        """See `Facts`."""
        return self._select(table, "", ())

    def dated(self, table: FactTable, column: str, period: Period) -> Iterator[Fact]:
        """See `Facts`."""
        return self._select(
            table, f"WHERE f.{column} BETWEEN %s AND %s", (period.first, period.last)
        )

    def of_told(self, table: FactTable, period: Period) -> Iterator[Fact]:
        """See `Facts`."""
        return self._select(
            table,
            "JOIN report_complaint told USING (complaint) WHERE told.told_on BETWEEN %s AND %s",
            (period.first, period.last),
        )

    def with_complaint(
        self, table: FactTable, column: str, period: Period
    ) -> Iterator[tuple[Fact, Fact]]:
        """See `Facts`."""
        ours = [f"f.{name}" for name in table.columns]
        theirs = [f"told.{name} AS told_of_{name}" for name in COMPLAINT.columns]
        found = self._fetch(
            f"SELECT {', '.join((*ours, *theirs))} FROM {table.name} f "
            f"JOIN report_complaint told USING (complaint) WHERE f.{column} BETWEEN %s AND %s",
            (period.first, period.last),
        )
        for row in found:
            yield row, {name: row[f"told_of_{name}"] for name in COMPLAINT.columns}

    def _select(self, table: FactTable, where: str, given: Sequence[Any]) -> Iterator[Fact]:
        columns = ", ".join(f"f.{column}" for column in table.columns)
        return self._fetch(f"SELECT {columns} FROM {table.name} f {where}", given)

    def _fetch(self, query: str, given: Sequence[Any]) -> Iterator[Fact]:
        with self._conn.cursor(name="facts") as curs:
            curs.itersize = FETCHED_AT_ONCE
            curs.execute(query, given)
            yield from curs


@contextmanager
def live_facts(conn: Connection[Any]) -> Iterator[Facts]:
    """The facts, all as of one instant however long the reading takes."""
    with conn.transaction():
        conn.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        yield _Live(conn)


class NoSuchReport(NotFound):
    """There is no report of that name."""

    rule = "no-such-report"
    zh = "没有该名称的报表"


class BadPeriod(Refused):
    """A period has a first and a last day, in this order, and is no longer than ten years."""

    rule = "bad-period"
    zh = "起止日期不正确:起始日不得晚于截止日,且不超过十年"


class TooManyRows(Refused):
    """The report has too many rows for one sheet; ask for a shorter period."""

    rule = "too-many-rows"
    zh = "报表行数过多,请缩短起止日期"


class ReportQuery(BaseModel):
    """Of which days, and how it is written."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    first: date = Field(alias="from", description="the first day, in Shanghai: 2025-10-01")
    last: date = Field(alias="to", description="the last day; it is part of the report")
    format: Format = Field(Format.JSON, description="how it is written")


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


def made(conn: Connection[Any], name: str, period: Period) -> Sheet:
    """A report from the rows as they are. Raises NoSuchReport or TooManyRows."""
    report = REPORTS.get(name)
    if report is None:
        raise NoSuchReport
    with live_facts(conn) as facts:
        sheet = report(facts, period)
    if len(sheet.rows) > ROWS_MAX:
        raise TooManyRows
    return sheet


def _written(conn: Connection[Any], name: str, period: Period, how: Format) -> bytes:
    return written(made(conn, name, period), how)


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
        _caller: Annotated[Caller, allow("audit.report")],
    ) -> Response:
        """A report of DOMAIN rule 12 over the days asked for."""
        try:
            period = Period.asked(asked.first, asked.last)
        except ValueError as error:
            raise BadPeriod from error
        told = await app.query(_written, name, period, asked.format)
        return Response(told, media_type=FORMATS[asked.format])

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
