"""Intake over HTTP: the same door as Kafka, the customer's status query, and the intake desk."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Protocol, Self
from uuid import UUID

from fastapi import Query, Request
from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import to_json
from starlette.responses import Response

from contracts.intake import Check, WithdrawnBy
from contracts.messages import ChannelMessage, Line, MessageKind
from contracts.values import Category, Evidence, Instant, Reason, Sealed, Urgency
from libs.decider import Lookups, NotFound, Policies, Recorded, To
from libs.messaging.channel import RawMessage
from libs.web import Ask, Caller, Page, Paging, Problem, Router, allow, command, page_of
from libs.web.problem import PROBLEM_MEDIA_TYPE, NotAllowed
from libs.web.reading import ReadRequest
from services.intake import views
from services.intake.domain import repeating
from services.intake.domain.commands import (
    Merge,
    Reclassify,
    UnlinkContact,
    Unmerge,
    VerifyComplaint,
    Withdraw,
)
from services.intake.domain.complaint import ComplaintUnknown
from services.intake.domain.identity import message_key
from services.intake.domain.matching import receipt_for
from services.intake.domain.merging import choose_merge, choose_unmerge
from services.intake.domain.receipt import read_receipt
from services.intake.domain.rows import CLASSIFY, VERIFY

IMPORT = "intake.import"
"""The action of telling a closed case of an older system."""

ASKED_MAX = 500
"""Messages asked about in one request."""


class Querying(Protocol):
    """Runs a query on a connection of its own: `await query(views.desk_tasks, ...)`."""

    def __call__(self, call: Callable[..., Any], *args: Any) -> Awaitable[Any]:
        """What `call(connection, *args)` returns."""


Tell = Callable[[RawMessage], Awaitable[tuple[Mapping[str, Any], Sequence[Recorded[Any]]]]]
"""Takes one message through the door: its outcome, and the events it led to (none: known)."""


class ReceiptUnknown(NotFound):
    """No complaint has this receipt number; please check it."""

    rule = "receipt-unknown"
    zh = "没有找到该受理编号对应的投诉"


class MessageUnseen(NotFound):
    """No message with this source and id has come; it may still be on its way."""

    rule = "message-unseen"
    zh = "尚未收到该消息"


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)


class Fate(StrEnum):
    """What became of a message."""

    REGISTERED = "registered"
    LINKED = "linked"
    IMPORTED = "imported"
    """Of history: on record as a closed case of an older system."""
    REFUSED = "refused"


class MessageOutcome(_Body):
    """What became of a message: told again, the same."""

    outcome: Fate
    """A complaint of its own, a contact of one on record, history, or not taken."""
    complaint: UUID | None = None
    """The complaint it belongs to."""
    receipt: str | None = None
    """That complaint's receipt number."""
    rule: str | None = None
    """The rule that refused it."""
    problem: str | None = None
    """What was wrong and what to do."""


class Verification(_Body):
    """The desk's finding on identity and facts (DOMAIN rule 5)."""

    valid: bool
    """Whether it is taken up."""
    reason: Reason | None = None
    """Why not; needed when it is not valid, and told to the customer."""
    note: Sealed | None = None
    """Words to the customer about it, sealed (`POST /seal`)."""
    checked: Annotated[tuple[Check, ...], Field(min_length=1, max_length=2)]
    """What was checked."""
    evidence: Annotated[tuple[Evidence, ...], Field(max_length=20)] = ()
    """What the check rests on."""


class Reclassification(_Body):
    """Category, urgency or both, set right."""

    category: Category | None = None
    """What it is about; left out: as it is."""
    urgency: Urgency | None = None
    """How pressing it is; left out: as it is."""
    reason: Reason
    """Why."""
    note: Sealed | None = None
    """Words about it, sealed."""

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if self.category is None and self.urgency is None:
            raise ValueError("say category, urgency, or both")
        return self


class Withdrawal(_Body):
    """The customer takes the complaint back."""

    by: WithdrawnBy = WithdrawnBy.STAFF
    """Who says so."""
    reason: Reason
    """Why."""
    note: Sealed | None = None
    """The customer's words about it, sealed."""


class Unlinking(_Body):
    """A contact was about something else."""

    reason: Reason
    """Why."""
    category: Category | None = None
    """What it is about, where staff know; left out: what its own words said."""
    note: Sealed | None = None
    """Words about it, sealed."""


class Merging(_Body):
    """It is the same matter as another complaint, which was told earlier and goes on for both."""

    into: UUID
    """The complaint that goes on."""
    reason: Reason
    """Why."""
    same_customer: bool = False
    """Say true where two persons on record (two numbers, say) are one customer: only one of the two
    complaints will be answered and asked about."""
    note: Sealed | None = None
    """Words about it, sealed."""


class Unmerging(_Body):
    """It was not the same matter after all."""

    reason: Reason
    """Why."""
    note: Sealed | None = None
    """Words about it, sealed."""

    """Most first."""


class MessageQuery(BaseModel):
    """Which message is asked about."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    source: str = Field(min_length=1, max_length=200, pattern=r"^[!-~]+$")
    id: Line


class MessagesAsked(_Body):
    """Which messages are asked about."""

    source: Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[!-~]+$")]
    """Their common `source`."""
    ids: Annotated[tuple[Line, ...], Field(min_length=1, max_length=ASKED_MAX)]
    """Their `id`s."""


class MessageFound(MessageOutcome):
    """What became of a message that was told before."""

    at: Instant
    """When it was told, by its own time; of a refused one, when it was refused."""


class MessageOutcomes(_Body):
    """What became of each message, in the order asked."""

    outcomes: list[MessageFound | None]
    """Null: not seen; it may still be on its way."""


def routes(query: Querying, tell: Tell, policies: Callable[[], Policies]) -> Sequence[Router]:
    """Intake's routers; the vault's own are mounted beside them."""
    return (message_routes(query, tell), complaint_routes(query, policies), desk_routes(query))


def message_routes(query: Querying, tell: Tell) -> Router:
    """The door, and what became of what came in."""
    router = Router(tags=["messages"])

    @router.post(
        "/messages",
        status_code=201,
        response_model=MessageOutcome,
        responses={200: {"model": MessageOutcome, "description": "told before; the same outcome"}},
    )
    async def tell_message(
        message: ChannelMessage, request: Request, caller: Annotated[Caller, allow("intake.tell")]
    ) -> Response:
        """A customer's words. Repeating the same `source` and `id` is safe: it is one message.

        A message of kind `history` also needs the action `intake.import`.
        """
        assert isinstance(request, ReadRequest)
        if message.data.kind is MessageKind.HISTORY:
            _check_import(request, caller)
        raw = RawMessage(request.raw, "http", request.headers.get("traceparent", ""), caller.actor)
        told, events = await tell(raw)
        return _answer(told, first=bool(events))

    @router.get("/messages")
    async def message_outcome(
        asked: Annotated[MessageQuery, Query()], _caller: Annotated[Caller, allow("intake.status")]
    ) -> MessageOutcome:
        """What became of a message."""
        told = await query(views.message_outcome, message_key(asked.source, asked.id))
        if told is None:
            raise MessageUnseen
        return MessageOutcome.model_validate(told)

    @router.post("/messages/outcomes")
    async def message_outcomes(
        asked: MessagesAsked, _caller: Annotated[Caller, allow("intake.status")]
    ) -> MessageOutcomes:
        """What became of many messages of one source, at once: a query, which changes nothing."""
        keys = [message_key(asked.source, one) for one in asked.ids]
        told = await query(views.message_outcomes, keys)
        return MessageOutcomes(
            outcomes=[MessageFound.model_validate(one) if one["outcome"] else None for one in told]
        )

    @router.get("/refused-messages")
    async def refused_messages(
        request: Request, page: Paging, _caller: Annotated[Caller, allow("intake.refused")]
    ) -> Page[views.RefusedShown]:
        """Messages that were not taken, oldest first."""
        rows = await query(views.refused_messages, page.after(datetime, UUID), page.limit)
        shown, following = page_of(request, rows, page.limit, lambda row: (row[1].at, row[0]))
        return Page(items=[one for _, one in shown], next=following)

    @router.get("/status/{receipt}")
    async def status(
        receipt: str, _caller: Annotated[Caller, allow("intake.status")]
    ) -> views.Status:
        """Where the complaint with this receipt number stands (DOMAIN rule 2)."""
        number = read_receipt(receipt)
        found: views.Status | None = await query(views.status_by_receipt, number)
        if found is None:
            raise ReceiptUnknown
        return found

    return router


def _check_import(request: Request, caller: Caller) -> None:
    """What comes as history starts no work and no clock, so it takes a right of its own."""
    if not request.app.state.access.permits(caller.roles, IMPORT):
        raise NotAllowed(f"None of your roles permits {IMPORT}; tell it as plain words.")


def _answer(told: Mapping[str, Any], *, first: bool) -> Response:
    """201 for what is new, 200 for what was known, the rule's problem for what is refused."""
    if told["outcome"] != Fate.REFUSED:
        return Response(
            to_json(MessageOutcome.model_validate(told)),
            status_code=201 if first else 200,
            media_type="application/json",
        )
    problem = Problem(
        type=f"urn:bihuan:problem:{told['rule']}",
        title="Message refused",
        status=422,
        detail=told["problem"],
        rule=told["rule"],
        zh="消息未被受理,请按说明修改后以新的编号重发",
    )
    return Response(to_json(problem), status_code=422, media_type=PROBLEM_MEDIA_TYPE)


def complaint_routes(query: Querying, policies: Callable[[], Policies]) -> Router:
    """One complaint: looking, and what staff set right. Nobody closes one; the rule does."""
    router = Router(prefix="/complaints/{complaint}", tags=["complaints"])

    @router.get("")
    async def complaint_by_id(
        complaint: UUID, _caller: Annotated[Caller, allow("intake.read")]
    ) -> views.ComplaintShown:
        """A complaint with all its contacts; words are sealed."""
        found: views.ComplaintShown | None = await query(views.complaint_by_id, complaint)
        if found is None:
            raise ComplaintUnknown
        return found

    @router.command("/verify")
    async def verify(
        complaint: UUID, body: Verification, ask: Annotated[Ask, command("intake.verify")]
    ) -> Response:
        """Say whether it is taken up; only then is it routed."""
        told = VerifyComplaint(
            at=ask.now,
            valid=body.valid,
            reason=body.reason,
            note=body.note,
            checked=body.checked,
            evidence=body.evidence,
        )
        return await ask(To(str(complaint), told))

    @router.command("/reclassify")
    async def reclassify(
        complaint: UUID, body: Reclassification, ask: Annotated[Ask, command("intake.reclassify")]
    ) -> Response:
        """Set category or urgency right; its clocks start anew at the original contact."""
        told = Reclassify(
            at=ask.now,
            category=body.category,
            urgency=body.urgency,
            reason=body.reason,
            note=body.note,
        )
        return await ask(lambda lookups: repeating.reclassify(complaint, told, lookups, policies()))

    @router.command("/withdraw")
    async def withdraw(
        complaint: UUID, body: Withdrawal, ask: Annotated[Ask, command("intake.withdraw")]
    ) -> Response:
        """The customer takes it back; it closes unless the regulator's case is open."""
        told = Withdraw(at=ask.now, by=body.by, reason=body.reason, note=body.note)
        return await ask(To(str(complaint), told))

    @router.command("/contacts/{contact}/unlink")
    async def unlink(
        complaint: UUID,
        contact: UUID,
        body: Unlinking,
        ask: Annotated[Ask, command("intake.unlink")],
    ) -> Response:
        """The contact was about something else: it becomes a complaint of its own."""
        now = ask.now

        def chosen(lookups: Lookups) -> Sequence[To]:
            told = UnlinkContact(
                at=now,
                contact=contact,
                reason=body.reason,
                note=body.note,
                receipt=receipt_for(contact, lookups),
                category=body.category,
            )
            return repeating.unlink(complaint, told, lookups, policies())

        return await ask(chosen)

    _merge_routes(router)
    return router


def _merge_routes(router: Router) -> None:
    @router.command("/merge")
    async def merge(
        complaint: UUID, body: Merging, ask: Annotated[Ask, command("intake.merge")]
    ) -> Response:
        """Merge it into an earlier complaint about the same matter, which goes on for both.

        Refused once it is answered, or an officer of the 10015 desk has a case of it.
        """
        told = Merge(
            at=ask.now,
            into=body.into,
            reason=body.reason,
            note=body.note,
            same_customer=body.same_customer,
        )
        return await ask(lambda lookups: choose_merge(complaint, told, lookups))

    @router.command("/unmerge")
    async def unmerge(
        complaint: UUID, body: Unmerging, ask: Annotated[Ask, command("intake.merge")]
    ) -> Response:
        """Make it a complaint of its own again; its clocks count from its own beginning."""
        told = Unmerge(at=ask.now, reason=body.reason, note=body.note)
        return await ask(lambda lookups: choose_unmerge(complaint, told, lookups))


def desk_routes(query: Querying) -> Router:
    """What waits for the intake desk, and how much came in."""
    router = Router(tags=["desk"])

    async def waiting(request: Request, page: Any, task: str) -> Page[views.DeskTask]:
        rows: list[views.DeskTask] = await query(
            views.desk_tasks, task, page.after(datetime, UUID), page.limit
        )
        shown, following = page_of(
            request, rows, page.limit, lambda row: (row.since, row.complaint)
        )
        return Page(items=list(shown), next=following)

    @router.get("/desk/unclassified")
    async def unclassified(
        request: Request, page: Paging, _caller: Annotated[Caller, allow("intake.queue")]
    ) -> Page[views.DeskTask]:
        """Complaints that no rule could place, longest waiting first (DOMAIN rule 4)."""
        return await waiting(request, page, CLASSIFY)

    @router.get("/desk/unverified")
    async def unverified(
        request: Request, page: Paging, _caller: Annotated[Caller, allow("intake.queue")]
    ) -> Page[views.DeskTask]:
        """Complaints whose validity a desk has to check, longest waiting first (DOMAIN rule 5)."""
        return await waiting(request, page, VERIFY)

    return router
