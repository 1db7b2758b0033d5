"""Months in files, over HTTP: which there are, writing one, bringing one back, asking them.

Writing takes minutes: it is begun, goes on beside everything else, and says how far it is.
"""

import asyncio
import logging
import threading
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any

from fastapi import Path as InPath
from pydantic import BaseModel, ConfigDict, Field, JsonValue

from contracts.housekeeping import CohortArchived, CohortRestored
from contracts.values import Plain
from libs.decider import Command, DomainError, To
from libs.decider.decider import wire_instant
from libs.eventlog.envelope import Origin
from libs.eventlog.work import Work
from libs.eventlog.writer import UNAVAILABLE
from libs.messaging.app import App
from libs.web import Caller, Router, Unavailable, allow
from services.audit.cold.asking import QUESTIONS, SQL_CHARACTERS_MAX, Answered, ask
from services.audit.cold.form import FileBroken
from services.audit.cold.keeping import ArchiveBusy, Keeper, restored, standings
from services.audit.cold.leaving import RowsDiffer
from services.audit.cold.records import Reading, Records
from services.audit.cold.store import StoreAway
from services.audit.domain.cohorts import (
    NAME,
    ArchiveCohort,
    ArchivePolicy,
    MayNotLeave,
    RestoreCohort,
    Standing,
    hindrances,
    purging,
)
from services.audit.lived_time import Witness
from services.audit.trimming import Bound, LogUnreachable, Trimmer

log = logging.getLogger("bihuan.audit")

Cohort = Annotated[str, InPath(pattern=r"^(19|20)[0-9]{2}-(0[1-9]|1[0-2])$")]


class _Shown(BaseModel):
    model_config = ConfigDict(extra="forbid")


class ArchivedMonthShown(_Shown):
    """A month: what of it lies in a file, what in the database, and what keeps that there."""

    cohort: str
    file: str | None = Field(description="SHA-256 of its file; null: it has none")
    bytes: int
    filed: int = Field(description="records in the file")
    rows: int = Field(description="records in the database")
    complaints: int
    open: int = Field(description="complaints of it that are not closed")
    keeps: list[str] = Field(description="why it may not leave now; empty: it may")


class ArchivedMonthsShown(_Shown):
    """All months that have records."""

    months: list[ArchivedMonthShown]


class WorkShown(_Shown):
    """What is under way, or was last; `done` and `failed` are null while it goes on."""

    act: str | None
    cohort: str | None
    phase: str
    events: int
    of: int
    done: dict[str, JsonValue] | None
    failed: str | None
    zh: str | None


class RestoreAsked(_Shown):
    """What a month is brought back for."""

    reason: Annotated[Plain, Field(min_length=1, max_length=500)]


class Question(_Shown):
    """One SELECT over `record`, or the name of a ready-made question."""

    sql: Annotated[str, Field(min_length=1, max_length=SQL_CHARACTERS_MAX)]


class AnswerShown(_Shown):
    """A table."""

    columns: list[str]
    rows: list[list[JsonValue]]


class BoundShown(_Shown):
    """How far one partition of the log may be forgotten."""

    partition: int
    start: int = Field(description="the first offset that Kafka has")
    upto: int = Field(description="the first that stays")
    because: str = Field(description="what it waits for: archive, age, parked, or a service")


class TrimmedShown(_Shown):
    """The log's partitions."""

    partitions: list[BoundShown]


@dataclass(slots=True)
class Doing:
    """An act on the archive: how far it is, and what it came to."""

    act: str | None = None
    cohort: str | None = None
    phase: str = ""
    events: int = 0
    of: int = 0
    done: dict[str, JsonValue] | None = None
    failed: str | None = None
    zh: str | None = None

    def tell(self, phase: str, events: int, of: int) -> None:
        """How far it is: what is done, how many events of it, of how many."""
        self.phase, self.events, self.of = phase, events, of


Act = Callable[[Doing], Awaitable[dict[str, JsonValue]]]
"""What is done, and what it comes to."""


class Cold:
    """The archive's acts in one instance, one at a time."""

    def __init__(self, app: App, reading: Reading, witness: Witness) -> None:
        self.app = app
        self.reading = reading
        self._witness = witness
        self.work = Doing()
        self._stopping = threading.Event()
        self._keeper = Keeper(
            app.settings.postgres_dsn.get_secret_value(), reading.store, self._stopping
        )
        self._task: asyncio.Task[None] | None = None

    def stop(self) -> None:
        """Ends what is under way; it can be done again."""
        self._stopping.set()

    @property
    def policy(self) -> ArchivePolicy:
        """In force now."""
        found: ArchivePolicy = self.app.writer.policies.in_force(
            NAME, self.app.clock.now()
        ).compiled
        return found

    async def standings(self) -> list[Standing]:
        """How each month stands."""
        return await self.reading.query(standings)

    async def hindrances(self, cohort: str) -> list[str]:
        """Why a month may not leave now."""
        return hindrances(await self._standing(cohort), self.policy, await self.lived())

    async def lived(self) -> datetime:
        """Now, less what of the clock nobody vouches for: by that alone the database lets no row
        of a file go (decision 15), so none is written into one.
        """
        return self.app.clock.now() - await asyncio.to_thread(self._witness.unvouched)

    async def _standing(self, cohort: str) -> Standing:
        found = {one.cohort: one for one in await self.standings()}
        return found.get(cohort, Standing(cohort, 0))

    def begin(
        self,
        act: str,
        cohort: str | None,
        run: Act,
    ) -> asyncio.Task[None]:
        """Begins an act; raises ArchiveBusy while another goes on."""
        if self._task is not None and not self._task.done():
            raise ArchiveBusy
        self.work = work = Doing(act, cohort)
        self._task = asyncio.create_task(self._run(work, run), name=f"archive {act}")
        return self._task

    async def carry_out(
        self,
        act: str,
        cohort: str,
        run: Act,
    ) -> str | None:
        """An act that audit does by itself, shown like any other; why it failed, or None."""
        try:
            task = self.begin(act, cohort, run)
        except ArchiveBusy as error:
            return str(error)
        work = self.work
        await asyncio.wait({task})
        return None if work.done is not None else work.failed or "it was cut off"

    async def _run(self, work: Doing, run: Act) -> None:
        try:
            work.done = await run(work)
        except DomainError as error:
            work.failed, work.zh = str(error) or type(error).__name__, error.zh
        except (StoreAway, FileBroken, RowsDiffer) as error:
            work.failed = str(error)
        except UNAVAILABLE:
            work.failed = "the database cannot be reached; do it again"
        except Exception as error:
            work.failed = f"{type(error).__name__}; see the log of audit"
            log.exception("an act on the archive failed")

    # -- the acts --------------------------------------------------------------------------------

    async def write(self, cohort: str, by: str, work: Doing) -> dict[str, JsonValue]:
        """A month into its file, and its rows out of the database."""
        now, lived = self.app.clock.now(), await self.lived()
        if keeps := purging(await self._standing(cohort)):
            raise MayNotLeave(f"{cohort} may not leave: {'; '.join(keeps)}.")

        def made() -> CohortArchived:
            return self._keeper.make(cohort, lived, work.tell).event(by)

        def left() -> int:
            return self._keeper.leave(cohort, work.tell)

        with self._keeper.alone():
            event = await asyncio.to_thread(made)
            await self._record(cohort, ArchiveCohort(at=now, archived=event), by)
            rows = await asyncio.to_thread(left)
        return {"file": event.file, "bytes": event.bytes, "events": event.events, "left": rows}

    async def restore(
        self, cohort: str, reason: str, by: str, work: Doing, *, file_goes: bool = True
    ) -> dict[str, JsonValue]:
        """A month's rows back into the database; its file goes, or waits for the next one."""
        with self._keeper.alone():
            month = await asyncio.to_thread(self._keeper.come_back, cohort, work.tell)
            event: CohortRestored = restored(month, reason, by)
            await self._record(cohort, RestoreCohort(at=self.app.clock.now(), restored=event), by)
            if file_goes:
                await asyncio.to_thread(self._keeper.sweep, cohort)
        return {"events": month.events}

    async def tidy_up(self, cohort: str, work: Doing) -> dict[str, JsonValue]:
        """What a file on record holds leaves the database, and files that are not on record go."""
        with self._keeper.alone():
            rows = await asyncio.to_thread(self._keeper.tidy_up, cohort, work.tell)
        return {"left": rows}

    async def check(self, work: Doing) -> dict[str, JsonValue]:
        """Every file read whole."""
        problems = await asyncio.to_thread(self._keeper.check, work.tell)
        return {"problems": list(problems)}

    async def _record(self, cohort: str, command: Command, by: str) -> None:
        def decide(work: Work) -> None:
            work.apply(To(cohort, command), Origin(causation="request", actor=by))

        await self.app.in_thread(self.app.writer.transact, decide)

    async def ask(self, sql: str) -> Answered:
        """A question over all months that lie in files; raises NotAQuestion, TooMuchAsked."""

        def files(records: Records) -> list[Any]:
            return [records.file(month).path for month in records.months]

        return await asyncio.to_thread(
            ask, await self.reading.query(files), QUESTIONS.get(sql, sql)
        )


def routes(cold: Cold, trimmer: Trimmer) -> Router:
    """The archive's routes."""
    router = Router(prefix="/archive", tags=["archive"])

    @router.get("", response_model=ArchivedMonthsShown)
    async def months(
        _caller: Annotated[Caller, allow("audit.archive_read")],
    ) -> ArchivedMonthsShown:
        """Every month that has records: in a file, in the database, and what keeps it there."""
        standing = {one.cohort: one for one in await cold.standings()}
        filed = {one.cohort: one for one in await cold.reading.query(lambda found: found.months)}
        shown, lived = [], await cold.lived()
        for cohort in sorted(standing.keys() | filed.keys()):
            here, away = standing.get(cohort, Standing(cohort, 0)), filed.get(cohort)
            shown.append(
                ArchivedMonthShown(
                    cohort=cohort,
                    file=None if away is None else away.key.digest,
                    bytes=0 if away is None else away.bytes,
                    filed=0 if away is None else away.events,
                    rows=here.events,
                    complaints=here.complaints,
                    open=here.open,
                    keeps=hindrances(here, cold.policy, lived),
                )
            )
        return ArchivedMonthsShown(months=shown)

    @router.get("/work", response_model=WorkShown)
    async def under_way(_caller: Annotated[Caller, allow("audit.archive_read")]) -> WorkShown:
        """What is under way here, or was last."""
        return _work(cold.work)

    @router.post("/check", response_model=WorkShown, status_code=202)
    async def check(_caller: Annotated[Caller, allow("audit.archive_read")]) -> WorkShown:
        """Begins to read every file whole, against what is on record."""
        cold.begin("check", None, cold.check)
        return _work(cold.work)

    @router.post("/query", response_model=AnswerShown)
    async def query(
        body: Question, _caller: Annotated[Caller, allow("audit.archive_query")]
    ) -> AnswerShown:
        """A question over archived months; nothing is loaded back, nothing can be changed."""
        try:
            found = await cold.ask(body.sql)
        except StoreAway as error:
            raise Unavailable(f"{error}.") from error
        return AnswerShown(
            columns=list(found.columns), rows=[[_plain(one) for one in row] for row in found.rows]
        )

    _acts(router, cold)
    _trimming(router, cold.app, trimmer)
    return router


def _acts(router: Router, cold: Cold) -> None:
    @router.post("/{cohort}/write", response_model=WorkShown, status_code=202)
    async def write(cohort: Cohort, caller: Annotated[Caller, allow("audit.archive")]) -> WorkShown:
        """Begins to write a month into its file; its rows leave once that was read back whole.

        A month that lies in a file already gets its newer records too.
        """
        keeps = await cold.hindrances(cohort)
        if keeps and not await _half_done(cold, cohort):
            raise MayNotLeave(f"{cohort} may not leave: {'; '.join(keeps)}.")
        by = caller.actor
        cold.begin("write", cohort, lambda work: cold.write(cohort, by, work))
        return _work(cold.work)

    @router.post("/{cohort}/restore", response_model=WorkShown, status_code=202)
    async def restore(
        cohort: Cohort, body: RestoreAsked, caller: Annotated[Caller, allow("audit.archive")]
    ) -> WorkShown:
        """Begins to bring a month's records back into the database; its file goes afterwards."""
        by = caller.actor
        cold.begin("restore", cohort, lambda work: cold.restore(cohort, body.reason, by, work))
        return _work(cold.work)


def _trimming(router: Router, app: App, trimmer: Trimmer) -> None:
    async def told(ask: Callable[[], Sequence[Bound]]) -> TrimmedShown:
        try:
            found = await app.beside(ask)
        except (LogUnreachable, StoreAway) as error:
            raise Unavailable(f"{error}.") from error
        return TrimmedShown(
            partitions=[
                BoundShown(
                    partition=one.partition, start=one.start, upto=one.upto, because=one.because
                )
                for one in found
            ]
        )

    @router.get("/trim", response_model=TrimmedShown)
    async def trimmable(_caller: Annotated[Caller, allow("audit.archive_read")]) -> TrimmedShown:
        """How far Kafka may forget the log now, and what each partition waits for."""
        return await told(trimmer.plan)

    @router.post("/trim", response_model=TrimmedShown)
    async def trim(_caller: Annotated[Caller, allow("audit.archive")]) -> TrimmedShown:
        """Lets Kafka forget what the archive has, is old enough and every service has heard."""
        return await told(trimmer.trim)


async def _half_done(cold: Cold, cohort: str) -> bool:
    """Its file holds, and nothing is left to write: only tidying up, which is always allowed."""
    filed = await cold.reading.query(lambda found: found.months)
    return any(one.cohort == cohort for one in filed)


def _work(work: Doing) -> WorkShown:
    return WorkShown(
        act=work.act,
        cohort=work.cohort,
        phase=work.phase,
        events=work.events,
        of=work.of,
        done=work.done,
        failed=work.failed,
        zh=work.zh,
    )


def _plain(value: Any) -> JsonValue:
    match value:
        case None | bool() | int() | float() | str():
            return value
        case datetime():
            return wire_instant(value) if value.tzinfo else value.isoformat()
        case date():
            return value.isoformat()
        case Decimal():
            return str(value)
        case bytes() | bytearray():
            return bytes(value).decode("utf-8", "replace")
        case dict():
            return {str(name): _plain(inner) for name, inner in value.items()}
        case list() | tuple():
            return [_plain(inner) for inner in value]
        case _:
            return str(value)
