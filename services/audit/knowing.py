"""What auditors ask of a complaint at an instant: as it was, and as we know now about then.

The folding itself is replay's; the composition root hands it in, for no service knows another.
"""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Annotated, Any, Protocol
from uuid import UUID, uuid4

from fastapi import Query
from pydantic import BaseModel, ConfigDict, Field, JsonValue

from contracts.values import Instant
from libs.decider import Conflict, NotFound, Recorded, Refused
from libs.decider.decider import wire_instant
from libs.eventlog.envelope import Unreadable
from libs.messaging.app import App
from libs.timekeeping.instants import NoInstant, read_instant
from libs.web import Caller, Router, allow
from services.audit import views
from services.audit.cold.records import Reading, Records
from services.audit.gone import absent

SAMPLE_MAX = 1_000


class BadInstant(Refused):
    """That is no instant; write date, time and zone."""

    rule = "bad-instant"
    zh = "时刻写法不正确,请写明日期、时间和时区"


class InTheFuture(Refused):
    """That instant has not come yet."""

    rule = "in-the-future"
    zh = "该时刻尚未到来"


class NotYetRecorded(NotFound):
    """At that instant the complaint was not on record yet."""

    rule = "not-yet-recorded"
    zh = "在该时刻,该投诉尚未登记"


class RecordUnreadable(Conflict):
    """The archive holds a record of this complaint that cannot be read; ask for /verify."""

    rule = "record-unreadable"
    zh = "档案中有无法读取的记录,请先运行校验"


class _Shown(BaseModel):
    model_config = ConfigDict(extra="forbid", from_attributes=True)


class KnownShown(_Shown):
    """What was known of a complaint: every service's rows of it, table by table."""

    events: int = Field(description="events it is folded from")
    last: Instant | None = Field(description="when the last of them was recorded")
    services: dict[str, dict[str, list[dict[str, JsonValue]]]] = Field(
        description="service, table, rows by key; sealed words are marks that begin with 🔒"
    )


class StateShown(_Shown):
    """A complaint at an instant, in both senses."""

    complaint: UUID
    at: Instant
    first: Instant = Field(description="when it came on record")
    events: int = Field(description="all its events, those after the instant too")
    differs: bool = Field(description="something about then was learnt only later")
    as_it_was: KnownShown = Field(description="what had been recorded by then")
    as_known_now: KnownShown = Field(
        description="what had happened by then, late reports and corrected verdicts included"
    )


class SampleShown(_Shown):
    """Complaints drawn at random, each with the same chance; fewer when there are fewer."""

    complaints: list[UUID]


class StateThen(Protocol):
    """What replay says of a complaint at an instant."""

    @property
    def first(self) -> datetime:
        """When it came on record."""

    @property
    def as_known_now(self) -> Any:
        """What had happened by then."""


StateAt = Callable[[Iterable[Recorded[Any]], datetime], StateThen | None]


def routes(app: App, reading: Reading, state_at: StateAt) -> Sequence[Router]:
    """The route of a complaint's state."""
    router = Router(tags=["state"])

    @router.get("/complaints/{complaint}", response_model=StateShown)
    async def state(
        complaint: UUID,
        _caller: Annotated[Caller, allow("audit.timeline")],
        at: Annotated[
            str | None,
            Query(
                max_length=64,
                description="with its zone, to the microsecond: 2025-10-07T10:19:59+08:00; "
                "none: now",
            ),
        ] = None,
    ) -> StateShown:
        """The complaint as all services knew it then, and as we know now about then."""
        now = app.clock.now()
        then = now if at is None else _read(at, now)

        def known(records: Records) -> StateThen | None:
            return state_at(events_of(app, records, complaint), then)

        found = await reading.query(known)
        if found is None:
            raise await app.query(absent, complaint)
        if not found.as_known_now.events and then < found.first:
            raise NotYetRecorded(
                f"At {wire_instant(then)} nothing was on record; the complaint came on record at "
                f"{wire_instant(found.first)}."
            )
        return StateShown.model_validate(found)

    @router.get("/complaints", response_model=SampleShown)
    async def sample(
        _caller: Annotated[Caller, allow("audit.compare")],
        sample: Annotated[int, Query(ge=1, le=SAMPLE_MAX, description="how many")],
    ) -> SampleShown:
        """Complaints drawn at random, to compare what services show with a replay."""
        return SampleShown(complaints=await app.query(views.sample, uuid4(), sample))

    return (router,)


def events_of(app: App, records: Records, complaint: UUID) -> list[Recorded[Any]]:
    """A complaint's events in the log's order; raises RecordUnreadable."""
    try:
        return [app.service.read(value) for value in views.records_of(records, complaint)]
    except Unreadable as error:
        raise RecordUnreadable from error


def _read(text: str, now: datetime) -> datetime:
    try:
        at = read_instant(text)
    except NoInstant as error:
        raise BadInstant(str(error)) from None
    if at > now:
        raise InTheFuture(f"It is {wire_instant(now)}; ask for an instant that has come.")
    return at
