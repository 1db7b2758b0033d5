"""What auditors ask: timelines, streams, faults, and the proof made again."""

import asyncio
import threading
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from hashlib import sha256
from typing import Annotated
from uuid import UUID

import psycopg
from fastapi import Path, Query, Request
from pydantic import BaseModel, ConfigDict, Field, JsonValue
from pydantic_core import from_json

from contracts.catalogue import SERVICES
from contracts.values import Instant, Reason, Receipt
from libs.decider import NotFound
from libs.eventlog.envelope import event_id
from libs.messaging.app import App
from libs.web import Caller, Page, PageQuery, Paging, Router, Unavailable, allow, page_of
from libs.web.routing import BODY_BYTES_MAX_NAME
from services.audit import views
from services.audit.checkpoints import HoldAgainst, checkpoint_routes, trusted_keys
from services.audit.cold.form import Record
from services.audit.cold.records import Reading
from services.audit.cold.store import Store
from services.audit.config import Settings
from services.audit.domain.chain import FaultKind
from services.audit.domain.policy import WORDS, Words
from services.audit.domain.shape import show
from services.audit.domain.telling import channel_of, reason_of
from services.audit.gone import NoSuchComplaint, absent, absent_stream
from services.audit.handed_out import put_on_record
from services.audit.holding import Exported
from services.audit.log import Log
from services.audit.signing import published_keys
from services.audit.verification import Compared, Interrupted, Verified, verify

LEAVES_BYTES_MAX = 64 * 1024 * 1024
"""A list of about 300,000 events; who seals more in an hour seals more often."""

Subject = Annotated[str, Path(min_length=1, max_length=200)]
Service = Annotated[str, Path(pattern=f"^({'|'.join(SERVICES)})$")]


class NoSuchStream(NotFound):
    """The archive holds no such stream."""

    rule = "no-such-stream"
    zh = "档案中没有该事件流"


class RecordsQuery(PageQuery):
    """Which page, and what for."""

    purpose: Reason = Field("records_request", description="what for; kept on record")


class _Shown(BaseModel):
    model_config = ConfigDict(extra="forbid")


class EventShown(_Shown):
    """An event, by its stream and number."""

    source: str
    subject: str
    sequence: int
    type: str
    time: Instant | None


class CauseShown(_Shown):
    """What led to an event."""

    kind: views.CauseKind
    ref: str = Field(description="the event's id, the message's source and id, the timer's name …")
    event: EventShown | None = Field(description="the event, where it is one that is archived")
    missing: bool = Field(description="an event is named, and the archive does not know it")


class PolicyShown(_Shown):
    """A version of a policy that was followed."""

    name: str
    version: str


class StepShown(_Shown):
    """One event of a complaint: who, when, caused by what, under which policy version."""

    id: UUID | None
    source: str
    type: str
    sequence: int | None = Field(description="its number in its stream; null: unreadable")
    partition: int
    offset: int
    time: Instant | None = Field(description="when it was recorded")
    occurred: Instant | None = Field(description="when it happened, where that is another time")
    actor: str
    channel: str | None = Field(description="the channel or medium, where the step has one")
    reason: str | None = Field(description="why, as the code on record")
    cause: CauseShown
    policies: list[PolicyShown]
    en: str
    zh: str
    data: JsonValue = Field(description="its body; sealed words are shown as 🔒")


class TimelineShown(Page[StepShown]):
    """A complaint's events from all services, in an order that respects causes."""

    complaint: UUID
    receipt: str | None
    registered_at: Instant | None
    closed_at: Instant | None = Field(description="null: it is open")
    kept_from: Instant | None = Field(description="retention counts from here; null: it is open")
    history: bool = Field(description="it was taken over, closed, from an older system")


class LinkShown(_Shown):
    """One event as its chain sees it."""

    id: UUID
    sequence: int
    type: str
    time: Instant | None
    previous: str = Field(description="SHA-256 of the event before, in hex")
    digest: str = Field(description="SHA-256 of its bytes as they were accepted, in hex")
    partition: int
    offset: int
    position: str


class StreamShown(Page[LinkShown]):
    """A stream's chain, and where it ends."""

    source: str
    subject: str
    sequence: int
    digest: str


class FaultShown(_Shown):
    """One thing that is wrong with the record of what happened."""

    kind: FaultKind
    source: str
    subject: str
    sequence: int | None
    id: UUID | None = Field(description="the event's id; null where it is no single event")
    what: str
    since: Instant | None = Field(
        description="the latest instant at which all is known to have been as it was accepted"
    )


class ResolvedShown(_Shown):
    """Records that an operator went on without, on record; what is missing there is no fault."""

    source: str
    partition: int
    after: str = Field(description="the last position before the gap")
    upto: str = Field(description="the last position in it")
    by: str
    reason: str


class TombstoneShown(_Shown):
    """A purge that was carried out: what went by it, why, and who the two were."""

    event: UUID
    cohort: str
    at: Instant
    streams: int
    events: int
    by: str
    proposed_by: str
    ground: str
    sealed: bool = Field(description="a checkpoint covers it; else it came since the last one")


class VerificationShown(_Shown):
    """What was looked at, and everything that is wrong with it."""

    events: int
    streams: int
    checkpoints: int = Field(description="checkpoints on record whose root was made again")
    held: bool = Field(description="the checkpoint that was sent is on record here as it was sent")
    resolved: list[ResolvedShown]
    purged: int = Field(description="records that went after their retention, on record")
    tombstones: list[TombstoneShown] = Field(description="by which signed events they went")
    compared: int = Field(description="records whose bytes were compared with Kafka's")
    log: Compared
    faults: list[FaultShown]
    more: bool = Field(description="there are more faults than are listed")


class Prover:
    """Makes the proof again, one at a time, beside everything else this instance does."""

    def __init__(self, app: App, settings: Settings, store: Store) -> None:
        self._app = app
        self._settings = settings
        self._store = store
        self._stopping = threading.Event()
        self._one = asyncio.Lock()

    def stop(self) -> None:
        """Ends a proof under way."""
        self._stopping.set()

    async def run(
        self, *, with_log: bool, exported: Exported | None = None, keys: Sequence[bytes] = ()
    ) -> Verified:
        """The whole archive; raises Unavailable when the service stops meanwhile.

        `exported` is a checkpoint to hold it against; `keys` who may have signed, besides ours.
        """
        async with self._one:
            try:
                return await asyncio.to_thread(self._verify, with_log, exported, keys)
            except Interrupted as error:
                raise Unavailable from error
            except psycopg.OperationalError as error:
                raise Unavailable("The database cannot be reached.") from error

    def _verify(self, with_log: bool, exported: Exported | None, keys: Sequence[bytes]) -> Verified:
        inbox = self._app.inbox
        log = Log(self._settings.kafka_bootstrap, inbox.topic) if with_log else None
        try:
            return verify(
                self._settings.postgres_dsn.get_secret_value(),
                log,
                inbox.topic_id,
                sort_mb=self._settings.verify_sort_mb,
                stopping=self._stopping,
                exported=exported,
                trusted=(*trusted_keys(self._settings), *keys),
                purge_keys=published_keys(self._settings.purge_key_file),
                store=self._store,
            )
        finally:
            if log is not None:
                log.close()


def routes(app: App, reading: Reading, prover: Prover) -> Sequence[Router]:
    """Audit's routes."""
    return (
        _timelines(app, reading),
        _proofs(app, reading, prover),
        checkpoint_routes(app, reading),
    )


def _timelines(app: App, reading: Reading) -> Router:
    router = Router(tags=["timeline"])

    async def told(request: Request, complaint: UUID, page: PageQuery) -> TimelineShown:
        steps = await reading.query(views.timeline, complaint, page.after(int, int), page.limit)
        about = await app.query(views.about, complaint) or {}
        if not steps and not about:
            raise await app.query(absent, complaint)
        words: Words = app.writer.policies.in_force(WORDS, app.clock.now()).compiled
        shown, following = page_of(request, steps, page.limit, lambda step: step.place)
        return TimelineShown(
            complaint=complaint,
            receipt=about.get("receipt"),
            registered_at=about.get("registered_at"),
            closed_at=about.get("closed_at"),
            kept_from=about.get("kept_from"),
            history=bool(about.get("history")),
            items=[_step(step, words) for step in shown],
            next=following,
        )

    @router.get("/complaints/{complaint}/timeline", response_model=TimelineShown)
    async def timeline(
        request: Request,
        complaint: UUID,
        page: Paging,
        _caller: Annotated[Caller, allow("audit.timeline")],
    ) -> TimelineShown:
        """Everything that happened to a complaint, from all services, causes first."""
        return await told(request, complaint, page)

    @router.get("/complaints/{complaint}/records")
    async def records(
        request: Request,
        complaint: UUID,
        page: Annotated[RecordsQuery, Query()],
        caller: Annotated[Caller, allow("audit.records")],
    ) -> Page[JsonValue]:
        """A complaint's events whole, as they are on record; what was sealed is sealed here too.

        For whoever answers a person's request for their data: the tokens open at intake. Each page
        that is handed out is on record.
        """
        found = await reading.query(views.records, complaint, page.after(int, int), page.limit)
        if not found and await app.query(views.about, complaint) is None:
            raise await app.query(absent, complaint)
        shown, following = page_of(request, found, page.limit, lambda one: one[0])
        digest = sha256(b"\n".join(bytes(value) for _, value in shown)).hexdigest()
        await put_on_record(app, caller, "complaint_records", digest, page.purpose, (complaint,))
        return Page(items=[from_json(value) for _, value in shown], next=following)

    @router.get("/timeline/by-receipt/{receipt}", response_model=TimelineShown)
    async def timeline_by_receipt(
        request: Request,
        receipt: Receipt,
        page: Paging,
        _caller: Annotated[Caller, allow("audit.timeline")],
    ) -> TimelineShown:
        """The same, by the receipt number the customer was told."""
        complaint = await app.query(views.complaint_of, receipt)
        if complaint is None:
            raise NoSuchComplaint
        return await told(request, complaint, page)

    return router


def _proofs(app: App, reading: Reading, prover: Prover) -> Router:
    router = Router(tags=["proof"])

    @router.post(
        "/verify",
        response_model=VerificationShown,
        openapi_extra={BODY_BYTES_MAX_NAME: LEAVES_BYTES_MAX},
    )
    async def verification_against(
        body: HoldAgainst,
        _caller: Annotated[Caller, allow("audit.verify")],
        log: Annotated[bool, Query(description="compare with Kafka's log as well")] = True,
    ) -> VerificationShown:
        """The same, held against a checkpoint that was kept elsewhere."""
        exported, keys = body.read()
        return _verification(await prover.run(with_log=log, exported=exported, keys=keys))

    @router.get("/verify", response_model=VerificationShown)
    async def verification(
        _caller: Annotated[Caller, allow("audit.verify")],
        log: Annotated[bool, Query(description="compare with Kafka's log as well")] = True,
    ) -> VerificationShown:
        """Makes the proof again over the whole archive; takes about 20 s a million events."""
        return _verification(await prover.run(with_log=log))

    @router.get("/faults", response_model=Page[FaultShown])
    async def faults(
        request: Request, page: Paging, _caller: Annotated[Caller, allow("audit.verify")]
    ) -> Page[FaultShown]:
        """Breaks of chain or order that were found as records arrived."""
        rows = await app.query(views.faults, page.after(int, int, int, str), page.limit)
        shown, following = page_of(
            request,
            rows,
            page.limit,
            lambda row: (row["life"], row["partition"], row["record_offset"], row["kind"]),
        )
        names = ("kind", "source", "subject", "sequence", "what", "since")
        return Page(items=[_fault(*(row[name] for name in names)) for row in shown], next=following)

    @router.get("/streams/{service}/{subject:path}", response_model=StreamShown)
    async def stream(
        request: Request,
        service: Service,
        subject: Subject,
        page: Paging,
        _caller: Annotated[Caller, allow("audit.verify")],
    ) -> StreamShown:
        """A stream's chain: numbers and digests, for whoever checks bytes elsewhere."""
        source = f"/bihuan/{service}"
        head, links = await reading.query(
            views.stream, source, subject, page.after(int, int, int), page.limit
        )
        if head is None:
            gone = await app.query(absent_stream, subject)
            raise gone or NoSuchStream
        shown, following = page_of(
            request,
            links,
            page.limit,
            views.link_place,
        )
        return StreamShown(
            source=source,
            subject=subject,
            sequence=head["sequence"],
            digest=bytes(head["digest"]).hex(),
            items=[_link(source, subject, row) for row in shown],
            next=following,
        )

    return router


def _verification(verified: Verified) -> VerificationShown:
    return VerificationShown(
        events=verified.events,
        streams=verified.streams,
        checkpoints=verified.checkpoints,
        held=verified.held,
        resolved=[ResolvedShown(**asdict(gap)) for gap in verified.resolved],
        purged=verified.purged,
        tombstones=[TombstoneShown(**asdict(one)) for one in verified.tombstones],
        compared=verified.compared,
        log=verified.log,
        faults=[
            _fault(one.kind.value, one.source, one.subject, one.sequence, one.what, one.since)
            for one in verified.faults
        ],
        more=verified.more,
    )


def _step(step: views.Step, words: Words) -> StepShown:
    said = words.say(step.type, step.data)
    event = step.cause.event
    return StepShown(
        id=step.id,
        source=step.source,
        type=step.type,
        sequence=step.sequence,
        partition=step.partition,
        offset=step.place[1],
        time=step.time,
        occurred=step.occurred,
        actor=step.actor,
        channel=channel_of(step.actor, step.data),
        reason=reason_of(step.type, step.data),
        cause=CauseShown(
            kind=step.cause.kind,
            ref=step.cause.ref,
            event=EventShown(
                source=event.source,
                subject=event.subject,
                sequence=event.sequence,
                type=event.type,
                time=event.time,
            )
            if event
            else None,
            missing=step.cause.kind is views.CauseKind.EVENT and event is None,
        ),
        policies=[PolicyShown(name=name, version=version) for name, version in step.policies],
        en=said.en,
        zh=said.zh,
        data=show(step.type, step.data),
    )


def _link(source: str, subject: str, one: Record) -> LinkShown:
    assert one.sequence is not None  # links have numbers
    return LinkShown(
        id=event_id(source, subject, one.sequence),
        sequence=one.sequence,
        type=one.type,
        time=one.time,
        previous=(one.previous or b"").hex(),
        digest=one.digest.hex(),
        partition=one.partition,
        offset=one.offset,
        position=one.position,
    )


def _fault(
    kind: str,
    source: str,
    subject: str,
    sequence: int | None,
    what: str,
    since: datetime | None,
) -> FaultShown:
    named = None if sequence is None else event_id(source, subject, sequence)
    return FaultShown(
        kind=FaultKind(kind),
        source=source,
        subject=subject,
        sequence=sequence,
        id=named,
        what=what,
        since=since,
    )
