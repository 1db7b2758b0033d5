"""Telling and asking over HTTP: calls to make, what was sent, and what customers said to it.

What a customer says on the phone is sealed here, before anything is decided.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, Literal, Protocol
from uuid import UUID

from fastapi import Query, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from contracts.feedback_survey import CallReason
from contracts.messages import Words
from contracts.values import Medium, Score, StaffRef
from libs.decider import To
from libs.web import Ask, Caller, Page, PageQuery, Router, allow, command, page_of
from services.feedback_survey import views
from services.feedback_survey.domain.commands import RecordCall, TakeCall
from services.feedback_survey.domain.reaching import CallNotTaken, CallUnknown
from services.feedback_survey.domain.rows import CallState


class Querying(Protocol):
    """Runs a query on a connection of its own: `await query(views.calls, ...)`."""

    def __call__(self, call: Callable[..., Any], *args: Any) -> Awaitable[Any]:
        """What `call(connection, *args)` returns."""


class Sealer(Protocol):
    """Seals what people wrote about a complaint (intake's `POST /seal`)."""

    async def seal_many(self, complaint: UUID, texts: Mapping[str, str]) -> Mapping[str, str]:
        """Field -> plaintext in, field -> token out, all bound to the complaint's person."""


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)


class Nothing(_Body):
    """A command that needs no words."""


class CallQuery(PageQuery):
    """Which calls."""

    reason: CallReason | None = Field(None, description="only calls for this reason")
    missed: bool | None = Field(None, description="only calls nobody has tried in time, or not")


class Attempt(_Body):
    """A call; of a survey, a visit or a confirmation, what the customer said."""

    reached: bool
    """Whether the customer was reached."""
    how: Literal[Medium.CALL, Medium.VISIT] = Medium.CALL
    """By a call, or in person."""
    score: Score | None = None
    """1 to 10, as the customer said."""
    resolved: bool | None = None
    """Whether the customer calls it resolved."""
    answered: bool | None = None
    """Of a call that confirms a partner's answer: whether it came; needed once reached."""
    content: bool | None = None
    """Of such a call: whether the customer is content with it; if not, the complaint goes on."""
    words: Annotated[Words, Field(min_length=1)] | None = None
    """The customer's words; sealed here."""


class Told(_Body):
    """All that a complaint's customer was told and asked; words are opened by gateways only."""

    notices: list[views.ShownNotice]
    """Notices, oldest first."""
    calls: list[views.ShownCall]
    """Calls with every attempt, oldest first."""
    surveys: list[views.ShownSurvey]
    """Each handling cycle's asking."""


class VisitQuery(PageQuery):
    """Which visits."""

    month: str | None = Field(
        None,
        pattern=r"^[0-9]{4}-(0[1-9]|1[0-2])$",
        description="only those made in this month (Shanghai, `2025-10`)",
    )
    state: CallState | None = Field(None, description="only those that stand so")


def routes(query: Querying, sealer: Sealer) -> Sequence[Router]:
    """feedback_survey's routers."""
    return (call_routes(query, sealer), notice_routes(query))


def call_routes(query: Querying, sealer: Sealer) -> Router:
    """Customers to call (回访), and what came of each attempt."""
    router = Router(prefix="/calls", tags=["calls"])

    @router.get("")
    async def calls(
        request: Request,
        asked: Annotated[CallQuery, Query()],
        _caller: Annotated[Caller, allow("feedback_survey.read")],
    ) -> Page[views.ShownCall]:
        """Whom to call now: important customers, and those whom no message reached."""
        now: datetime = request.app.state.now()
        after = asked.after(datetime, UUID)
        rows = await query(views.calls, now, asked.reason, asked.missed, after, asked.limit)
        shown, following = page_of(request, rows, asked.limit, views.call_key)
        return Page(items=list(shown), next=following)

    @router.get("/{call}/script")
    async def script(
        request: Request, call: UUID, caller: Annotated[Caller, allow("feedback_survey.take")]
    ) -> views.CallScript:
        """Whom to call and what to say, sealed: only for who has taken this call."""
        now: datetime = request.app.state.now()
        await complaint_of(call)
        found: views.CallScript | None = await query(views.script_of, call, _who(caller), now)
        if found is None:
            raise CallNotTaken
        return found

    @router.command("/{call}/take")
    async def take(
        call: UUID, _body: Nothing, ask: Annotated[Ask, command("feedback_survey.take")]
    ) -> Response:
        """Take a call: for a while nobody else makes it; without an attempt it is free again."""
        complaint = await complaint_of(call)
        return await ask(To(str(complaint), TakeCall(at=ask.now, call=call, by=_who(ask.caller))))

    @router.command("/{call}/attempts")
    async def attempt(
        call: UUID, body: Attempt, ask: Annotated[Ask, command("feedback_survey.attempt")]
    ) -> Response:
        """Record an attempt; an answer to a survey concludes it, any other word is the result."""
        complaint = await complaint_of(call)
        words = None
        if body.words is not None:
            words = (await sealer.seal_many(complaint, {"words": body.words}))["words"]
        told = RecordCall(
            at=ask.now,
            call=call,
            by=_who(ask.caller),
            reached=body.reached,
            how=body.how,
            score=body.score,
            resolved=body.resolved,
            answered=body.answered,
            content=body.content,
            words=words,
        )
        return await ask(To(str(complaint), told))

    async def complaint_of(call: UUID) -> UUID:
        complaint: UUID | None = await query(views.complaint_of_call, call)
        if complaint is None:
            raise CallUnknown
        return complaint

    return router


def _who(caller: Caller) -> StaffRef:
    return StaffRef(team=caller.team, agent=caller.name)


def notice_routes(query: Querying) -> Router:
    """What was sent and asked, and follow-up visits."""
    router = Router(tags=["notices"])

    @router.get("/notices/{complaint}")
    async def notices(
        request: Request,
        complaint: UUID,
        _caller: Annotated[Caller, allow("feedback_survey.read")],
    ) -> Told:
        """What a complaint's customer was told and asked; empty where there is nothing."""
        return Told(
            notices=await query(views.notices_of, complaint),
            calls=await query(views.calls_of, complaint, request.app.state.now()),
            surveys=await query(views.surveys_of, complaint),
        )

    @router.get("/visits")
    async def visits(
        request: Request,
        asked: Annotated[VisitQuery, Query()],
        _caller: Annotated[Caller, allow("feedback_survey.read")],
    ) -> Page[views.ShownVisit]:
        """Follow-up visits to important customers, planned and made (004 客户回访)."""
        after = asked.after(datetime, UUID)
        rows = await query(views.visits, asked.month, asked.state, after, asked.limit)
        shown, following = page_of(request, rows, asked.limit, views.visit_key)
        return Page(items=list(shown), next=following)

    return router
