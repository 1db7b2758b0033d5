"""The 10015 desk over HTTP: its queue, what an officer does with a case, and money to approve.

Words that officers write are sealed here, before anything is decided, under the key of the
complaint's person: no plaintext reaches an event or a view.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, Protocol
from uuid import UUID

from fastapi import Path, Query, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from contracts.escalation import CorrectiveAction, ReportedWhat
from contracts.messages import Words
from contracts.values import ChannelKind, Code, Decision, Digest, Instant, Reason, Tier
from libs.decider import To
from libs.web import Ask, Caller, Page, PageQuery, Router, allow, command, page_of
from services.escalation import views
from services.escalation.domain.commands import (
    AcceptCase,
    ApproveCompensation,
    CloseCase,
    ContactCustomer,
    DecideCase,
    DeclineCase,
    Instruct,
    PassUp,
    RefuseCompensation,
    ReportOnCase,
)
from services.escalation.domain.state import Stage


class Querying(Protocol):
    """Runs a query on a connection of its own: `await query(views.queue, ...)`."""

    def __call__(self, call: Callable[..., Any], *args: Any) -> Awaitable[Any]:
        """What `call(connection, *args)` returns."""


class Sealer(Protocol):
    """Seals what people wrote about a complaint (intake's `POST /seal`)."""

    async def seal_many(self, complaint: UUID, texts: Mapping[str, str]) -> Mapping[str, str]:
        """Field -> plaintext in, field -> token out, all bound to the complaint's person."""


Note = Annotated[Words, Field(min_length=1)]
CaseNumber = Annotated[int, Path(ge=1, le=100_000, description="the case's number")]
FindingNumber = Annotated[int, Path(ge=1, le=100_000, description="the finding's number")]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)


class Nothing(_Body):
    """Nothing more to say."""


class Declining(_Body):
    """The desk does not take the case."""

    reason: Reason
    """Why."""
    note: Note | None = None
    """Words to the customer about it; sealed here."""


class Contacting(_Body):
    """The officer spoke with the customer, or tried to."""

    channel: ChannelKind
    """How."""
    reached: bool
    """Whether the customer was reached."""


class Instructing(_Body):
    """What a team has to do."""

    team: Code
    """The team."""
    due: Instant
    """By when."""
    text: Note
    """What to do; sealed here."""


class Correcting(_Body):
    """What must be set right (003 限时整改)."""

    owner: Code
    """The team that owes it."""
    due: Instant
    """By when."""
    action: Note | None = None
    """What, in words; sealed here."""


class Deciding(_Body):
    """What the officer decides."""

    decision: Decision
    """Upheld, partly, or rejected."""
    reasons: Note
    """Why, in words for the customer; sealed here."""
    final: bool = False
    """The final response, which names the right to appeal (DOMAIN rule 10)."""
    corrective_action: Correcting | None = None
    """What must be set right, by whom and when."""


class Reporting(_Body):
    """A report that the case owed."""

    what: ReportedWhat
    """To the regulator, or that a corrective action is done."""
    ref: Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[!-~]+$")]
    """The report's number."""
    digest: Digest
    """SHA-256 of the report's bytes."""


class Closing(_Body):
    """The case is over."""

    unfinished: Reason | None = None
    """Why it is closed although a team has not reported back on an instruction."""


class PassingUp(_Body):
    """The next tier takes over."""

    reason: Reason
    """Why."""


class Refusing(_Body):
    """The money is not given."""

    reason: Reason
    """Why."""
    note: Note | None = None
    """Words about it; sealed here."""


class QueueQuery(PageQuery):
    """Which cases: those nobody has taken, or in other stages; of all tiers, or of some."""

    stage: Annotated[list[Stage], Field(max_length=5)] = [Stage.REQUESTED]  # noqa: RUF012 - pydantic copies

    tier: Annotated[list[Tier], Field(max_length=3)] = [2, 3, 4]  # noqa: RUF012 - as above


class AwardQuery(PageQuery):
    """Which compensation: what waits, or what was granted or refused."""

    state: str = Field("submitted", pattern="^(submitted|granted|refused)$")


class CorrectionQuery(PageQuery):
    """Which corrective actions, and whose."""

    state: views.Corrections = views.Corrections.OPEN
    owner: Code | None = None


class ComplaintCases(_Body):
    """All that escalation knows of a complaint."""

    cases: list[views.ShownCase]
    """Its cases, oldest first."""
    compensation: list[views.ShownAward]
    """Money asked for, granted or refused, by finding."""


def routes(query: Querying, sealer: Sealer) -> Sequence[Router]:
    """Escalation's routers."""
    return (desk_routes(query), case_routes(sealer), money_routes(query, sealer))


def desk_routes(query: Querying) -> Router:
    """What waits for the desk, a complaint's cases, and the escalation rate."""
    router = Router(tags=["desk"])

    @router.get("/cases")
    async def queue(
        request: Request,
        asked: Annotated[QueueQuery, Query()],
        _caller: Annotated[Caller, allow("escalation.queue")],
    ) -> Page[views.ShownCase]:
        """The desk's queue: the highest tier first, then the longest waiting."""
        after = asked.after(int, datetime, UUID, int)
        rows = await query(views.queue, asked.stage, asked.tier, after, asked.limit)
        shown, following = page_of(request, rows, asked.limit, views.queue_key)
        return Page(items=list(shown), next=following)

    @router.get("/corrective-actions")
    async def corrective_actions(
        request: Request,
        asked: Annotated[CorrectionQuery, Query()],
        _caller: Annotated[Caller, allow("escalation.corrections")],
    ) -> Page[views.ShownCorrection]:
        """What teams were told to set right, what is due first before; past due is breached."""
        after = asked.after(datetime, UUID, int)
        now = request.app.state.now()
        rows = await query(views.corrections, asked.state, asked.owner, now, after, asked.limit)
        shown, following = page_of(request, rows, asked.limit, views.correction_key)
        return Page(items=list(shown), next=following)

    @router.get("/complaints/{complaint}")
    async def complaint_cases(
        complaint: UUID, _caller: Annotated[Caller, allow("escalation.read")]
    ) -> ComplaintCases:
        """A complaint's cases and compensation; empty lists where it was never escalated."""
        return ComplaintCases(
            cases=await query(views.cases_of, complaint),
            compensation=await query(views.awards_of, complaint),
        )

    return router


def case_routes(sealer: Sealer) -> Router:
    """What an officer does with one case."""
    router = Router(prefix="/complaints/{complaint}/cases/{case}", tags=["cases"])

    @router.command("/accept")
    async def accept(
        complaint: UUID,
        case: CaseNumber,
        _body: Nothing,
        ask: Annotated[Ask, command("escalation.accept")],
    ) -> Response:
        """Take the case. The customer's first contact is still to be made."""
        return await ask(To(str(complaint), AcceptCase(at=ask.now, roles=_roles(ask), case=case)))

    @router.command("/decline")
    async def decline(
        complaint: UUID,
        case: CaseNumber,
        body: Declining,
        ask: Annotated[Ask, command("escalation.decline")],
    ) -> Response:
        """Do not take it, with the reason; a customer who asked is told."""
        words = await _seal(sealer, complaint, note=body.note)
        told = DeclineCase(
            at=ask.now, roles=_roles(ask), case=case, reason=body.reason, note=words["note"]
        )
        return await ask(To(str(complaint), told))

    @router.command("/contacts")
    async def contact(
        complaint: UUID,
        case: CaseNumber,
        body: Contacting,
        ask: Annotated[Ask, command("escalation.contact")],
    ) -> Response:
        """Record that the customer was called, reached or not."""
        told = ContactCustomer(
            at=ask.now,
            roles=_roles(ask),
            case=case,
            channel=body.channel,
            reached=body.reached,
        )
        return await ask(To(str(complaint), told))

    @router.command("/instructions")
    async def instruct(
        complaint: UUID,
        case: CaseNumber,
        body: Instructing,
        ask: Annotated[Ask, command("escalation.instruct")],
    ) -> Response:
        """Tell a team what to do; routing gives it the work."""
        words = await sealer.seal_many(complaint, {"instruction": body.text})
        told = Instruct(
            at=ask.now,
            roles=_roles(ask),
            case=case,
            team=body.team,
            due=body.due,
            text=words["instruction"],
        )
        return await ask(To(str(complaint), told))

    @router.command("/decision")
    async def decide(
        complaint: UUID,
        case: CaseNumber,
        body: Deciding,
        ask: Annotated[Ask, command("escalation.decide")],
    ) -> Response:
        """Decide; the customer is told, and what is decided is not rewritten."""
        correcting = body.corrective_action
        action = correcting.action if correcting else None
        words = await _seal(sealer, complaint, reasons=body.reasons, action=action)
        reasons = words["reasons"]
        assert reasons is not None
        told = DecideCase(
            at=ask.now,
            roles=_roles(ask),
            case=case,
            decision=body.decision,
            reasons=reasons,
            final=body.final,
            corrective_action=correcting
            and CorrectiveAction(
                owner=correcting.owner, due=correcting.due, action=words["action"]
            ),
        )
        return await ask(To(str(complaint), told))

    @router.command("/reports")
    async def report(
        complaint: UUID,
        case: CaseNumber,
        body: Reporting,
        ask: Annotated[Ask, command("escalation.report_back")],
    ) -> Response:
        """Record the report to the regulator, or that a corrective action is done."""
        told = ReportOnCase(
            at=ask.now,
            roles=_roles(ask),
            case=case,
            what=body.what,
            ref=body.ref,
            digest=body.digest,
        )
        return await ask(To(str(complaint), told))

    _ending_routes(router)
    return router


def _ending_routes(router: Router) -> None:
    @router.command("/close")
    async def close(
        complaint: UUID,
        case: CaseNumber,
        body: Closing,
        ask: Annotated[Ask, command("escalation.close")],
    ) -> Response:
        """End a decided case; the complaint itself is closed by intake alone, once asked."""
        told = CloseCase(at=ask.now, roles=_roles(ask), case=case, unfinished=body.unfinished)
        return await ask(To(str(complaint), told))

    @router.command("/pass-up")
    async def pass_up(
        complaint: UUID,
        case: CaseNumber,
        body: PassingUp,
        ask: Annotated[Ask, command("escalation.pass_up")],
    ) -> Response:
        """Hand it to the next tier, which is asked in the same decision."""
        return await ask(
            To(str(complaint), PassUp(at=ask.now, roles=_roles(ask), case=case, reason=body.reason))
        )


def money_routes(query: Querying, sealer: Sealer) -> Router:
    """Compensation above a proposer's limit, for the next authority."""
    router = Router(tags=["compensation"])

    @router.get("/compensation")
    async def compensation(
        request: Request,
        asked: Annotated[AwardQuery, Query()],
        _caller: Annotated[Caller, allow("escalation.queue")],
    ) -> Page[views.ShownAward]:
        """What waits for approval, the longest waiting first."""
        after = asked.after(datetime, UUID, int)
        rows = await query(views.awards, asked.state, after, asked.limit)
        shown, following = page_of(request, rows, asked.limit, views.award_key)
        return Page(items=list(shown), next=following)

    @router.command("/complaints/{complaint}/compensation/{finding}/approve")
    async def approve(
        complaint: UUID,
        finding: FindingNumber,
        _body: Nothing,
        ask: Annotated[Ask, command("escalation.approve")],
    ) -> Response:
        """Give it, within your role's limit for the whole complaint; never your own proposal."""
        told = ApproveCompensation(at=ask.now, finding=finding, roles=_roles(ask))
        return await ask(To(str(complaint), told))

    @router.command("/complaints/{complaint}/compensation/{finding}/refuse")
    async def refuse(
        complaint: UUID,
        finding: FindingNumber,
        body: Refusing,
        ask: Annotated[Ask, command("escalation.refuse")],
    ) -> Response:
        """Do not give it, with the reason."""
        words = await _seal(sealer, complaint, note=body.note)
        told = RefuseCompensation(
            at=ask.now,
            finding=finding,
            roles=_roles(ask),
            reason=body.reason,
            note=words["note"],
        )
        return await ask(To(str(complaint), told))

    return router


def _roles(ask: Ask) -> tuple[str, ...]:
    return tuple(sorted(ask.caller.roles))


async def _seal(sealer: Sealer, complaint: UUID, **texts: str | None) -> Mapping[str, str | None]:
    """Field -> token; what was not said stays unsaid, and nothing is sealed for nothing."""
    said = {field: text for field, text in texts.items() if text is not None}
    tokens = await sealer.seal_many(complaint, said) if said else {}
    return {field: tokens.get(field) for field in texts}
