"""Routing over HTTP: a desk's queue, and everything a desk does with a complaint.

Whoever asks is who the token says, speaking for the team the token names. Words that people write
(opinions, plans, explanations) are sealed here, before anything is decided, so that no plaintext
reaches an event or a view; the vault binds each token to its complaint's person and its field.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, Protocol
from uuid import UUID

from fastapi import Query, Request
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.responses import Response

from contracts.housekeeping import Seat
from contracts.messages import Words
from contracts.routing import (
    DepartmentCause,
    HandlerKind,
    Informed,
    ReportedCause,
    SeenUpTo,
    WaitingFor,
)
from contracts.values import (
    Basis,
    ChannelKind,
    Code,
    Complexity,
    Decision,
    DistrictType,
    Evidence,
    FaultLiesWith,
    Instant,
    Medium,
    Money,
    Province,
    Reason,
)
from libs.decider import Lookups, Policies, Refused, To
from libs.eventlog.policies import ActivatePolicy
from libs.web import Ask, Caller, Page, PageQuery, Router, allow, command, page_of
from libs.web.commands import Done
from libs.web.problem import NotAllowed
from services.routing import views
from services.routing.domain.commands import (
    Accept,
    Answer,
    Assign,
    ChangeTeam,
    ConfirmForward,
    KnownClock,
    PlanDelay,
    Promise,
    ProposeCompensation,
    RecordContact,
    RecordFinding,
    Refuse,
    ReportBack,
    Resume,
    See,
    Settled,
    Staff,
    Suspend,
    Take,
    Transfer,
)
from services.routing.domain.policy import TEAMS, BothNames, Rules, Team, Teams
from services.routing.domain.staffing import NoSuchWork
from services.routing.domain.state import Work

STEERING_ROLES = frozenset({"manager", "desk", "headquarters"})
"""Who may pass work on without having it (DOMAIN, Who talks to us)."""

REPORT_LATE = "routing.report_late"
"""The action of dating a fact earlier than its report (DESIGN, `occurredat`)."""

Note = Annotated[Words, Field(min_length=1)]


class Querying(Protocol):
    """Runs a query on a connection of its own: `await query(views.team_loads)`."""

    def __call__(self, call: Callable[..., Any], *args: Any) -> Awaitable[Any]:
        """What `call(connection, *args)` returns."""
        ...


class Sealer(Protocol):
    """Seals what people wrote about a complaint (intake's `POST /seal`)."""

    async def seal_many(self, complaint: UUID, texts: Mapping[str, str]) -> Mapping[str, str]:
        """Field -> plaintext in, field -> token out, all bound to the complaint's person."""
        ...


class InstructionUnknown(Refused):
    """No such instruction was given for this complaint, or it was carried out already."""

    rule = "instruction-unknown"
    zh = "没有该项待执行的指令"


class TeamUnsound(Refused):
    """A team seats nobody twice and keeps hours that are known."""

    rule = "team-unsound"
    zh = "班组设置不正确"


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)


class Nothing(_Body):
    """Nothing more to say."""


class Assignment(_Body):
    """Whom to ask."""

    team: Code | None = None
    """The team; left out: one's own."""
    agent: Code | None = None
    """The person; left out: the team's least loaded seat."""


class Refusal(_Body):
    """Why not."""

    note: Note | None = None
    """In words; sealed here."""


class Passing(_Body):
    """To whom work is passed on, and why."""

    to: Code
    """The team, province or partner."""
    kind: HandlerKind
    """Which of these."""
    reason: Reason
    """Why, as a code."""
    note: Note | None = None
    """Why, in words; sealed here."""
    complexity: Complexity | None = None
    """How much a partner has to do: its clocks depend on it."""
    reached_at: Instant | None = None
    """When it reached a partner, if it has."""
    back_by: Instant | None = None
    """When it is wanted back."""


class ForwardNews(_Body):
    """What became of a forward: one of the two."""

    reached_at: Instant | None = None
    """When it reached them; partner clocks start here."""
    bounced: Reason | None = None
    """Why it did not; it is sent again."""


class Opinion(_Body):
    """A handling opinion (004 处理人、处理意见、处理时间)."""

    opinion: Note
    """The opinion; sealed here."""
    cause: ReportedCause = ReportedCause.OWN
    """Where the cause lies; not one's own: it goes to the company responsible."""
    responsible: Code | None = None
    """The company responsible, when the cause is not one's own."""
    case: Annotated[int, Field(ge=1)] | None = None
    """The case whose instruction was carried out; left out: the one my team was given, if any."""
    instruction: Annotated[int, Field(ge=1)] | None = None
    """That instruction."""
    occurred_at: Instant | None = None
    """When it was given, in a late report (needs the right to report late)."""


class Report(_Body):
    """What a province or partner reports, by itself or as the desk writes it down."""

    handler: Code | None = None
    """Whose report it is; left out: the caller's own."""
    opinion: Note
    """The opinion; sealed here."""
    cause: ReportedCause = ReportedCause.OWN
    """Where the cause lies."""
    responsible: Code | None = None
    """The company responsible, when the cause is not their own."""
    occurred_at: Instant | None = None
    """When it came, in a late report (needs the right to report late)."""


class Waiting(_Body):
    """For whom work waits, why, and until when."""

    waiting_for: WaitingFor
    """The customer or a third party."""
    reason: Reason
    """Why, as a code."""
    question: Note | None = None
    """What the customer is asked; sealed here."""
    until: Instant
    """When work goes on by itself."""


class ContactMade(_Body):
    """An attempt to speak with the customer."""

    handler: Code | None = None
    """The partner who made it, when the desk writes it down; left out: the caller."""
    channel: ChannelKind
    """How."""
    reached: bool
    """Whether the customer was reached."""
    occurred_at: Instant | None = None
    """When, in a late report (needs the right to report late)."""


class StepsSeen(_Body):
    """How far the steps of a complaint have been seen."""

    informed: Informed = Informed.OWNER
    """As whom: its owner, or the customer's home province."""
    upto: Annotated[tuple[SeenUpTo, ...], Field(min_length=1, max_length=20)]
    """The last step seen of each service, as the inbox numbers them."""


class AgreedTime(_Body):
    """A time promised to the customer."""

    new_due: Instant
    """The time; never later than the policy's."""
    plan: Note | None = None
    """What is to happen; sealed here."""


class DelayPlan(_Body):
    """A promise that will not be kept, and the new plan."""

    clock: Code
    """The clock it is about, e.g. `resolve`."""
    instance: Annotated[str, Field(max_length=64, pattern=r"^[A-Za-z0-9_.:-]*$")] = ""
    """Which of several of that code, e.g. `promise-1`."""
    new_due: Instant
    """The time now planned."""
    plan: Note
    """The new plan; sealed here, told to the customer."""


class FindingMade(_Body):
    """What was found out: what was overcharged, or how long the outage was."""

    cause: FaultLiesWith
    """Who or what caused it."""
    partner: Code | None = None
    """Which partner, where a partner caused it: the party at fault pays."""
    overcharged: Money | None = None
    """The proven overcharge in CNY."""
    outage_from: Instant | None = None
    """When the outage began."""
    outage_to: Instant | None = None
    """When it ended."""
    monthly_rent: Money | None = None
    """The line's rent per month in CNY."""
    corrects: Annotated[int, Field(ge=1)] | None = None
    """The finding that this one sets right."""
    evidence: Annotated[tuple[Evidence, ...], Field(max_length=20)] = ()
    """What it rests on."""
    note: Note | None = None
    """In words; sealed here."""


class Compensation(_Body):
    """Money proposed for a finding."""

    finding: Annotated[int, Field(ge=1)]
    """The finding it rests on."""
    basis: Basis
    """On what ground."""
    amount: Money | None = None
    """Goodwill: how much, in CNY. Else it follows from the finding."""


class AnswerGiven(_Body):
    """The answer: explanation, decision, next steps; compensation is what was granted."""

    explanation: Note
    """What happened; sealed here, told to the customer."""
    decision: Decision
    """Whether the customer was right."""
    next_steps: Note | None = None
    """What happens next; sealed here, told to the customer."""
    told_by: Medium
    """A call already told it; for a message a notice goes out."""
    causes: Annotated[tuple[DepartmentCause, ...], Field(max_length=20)] = ()
    """The cause per department."""
    occurred_at: Instant | None = None
    """When it was given, in a late report (needs the right to report late)."""


class TeamBody(_Body):
    """A team, whole."""

    names: BothNames | None = None
    """What people call it."""
    queues: Annotated[tuple[Code, ...], Field(max_length=100)]
    """The queues it takes work from."""
    seats: Annotated[tuple[Seat, ...], Field(max_length=1000)]
    """Its members."""
    province: Province | None = None
    """Where it sits and handles; left out: the whole country."""
    district_types: tuple[DistrictType, ...] = ()
    """Urban or rural; empty: both."""
    available: bool = True
    """Whether work may be given."""
    calendar: Code | None = None
    """The hours it keeps; left out: 7x24."""


class TeamList(_Body):
    """All teams, as they count now."""

    version: str
    """The version of the teams policy."""
    teams: list[Team]
    """The teams."""


class QueueQuery(PageQuery):
    """Whose queue."""

    of: views.Scope = Field(views.Scope.MINE, description="mine, team, waiting, or owned")


class InboxQuery(PageQuery):
    """Whose inbox."""

    informed: Informed = Field(
        Informed.OWNER, description="as owner of record, or as the customer's home province"
    )


class OwingQuery(PageQuery):
    """Which partners."""

    partner: Code | None = Field(None, description="only what this one owes")


class NoProvince(Refused):
    """Only a team that has a province is informed as the customer's home."""

    rule = "no-province"
    zh = "您的班组未归属任何省份"


class Loads(_Body):
    """Work in hand."""

    rows: list[views.TeamLoad]
    """Per team and person."""

    """Per team and person."""


def routes(query: Querying, sealer: Sealer, policies: Callable[[], Policies]) -> Sequence[Router]:
    """Routing's routers."""
    return (
        taking_routes(query),
        passing_routes(sealer),
        opinion_routes(sealer),
        waiting_routes(sealer),
        inbox_routes(query, policies),
        promise_routes(sealer),
        answer_routes(sealer),
        money_routes(sealer),
        desk_routes(query, policies),
        team_routes(policies),
    )


# -- who has it -----------------------------------------------------------------------------------


def taking_routes(query: Querying) -> Router:
    """Assigning and taking."""
    router = Router(prefix="/work/{complaint}", tags=["work"])

    @router.command("/assign")
    async def assign(
        complaint: UUID, body: Assignment, ask: Annotated[Ask, command("routing.assign")]
    ) -> Response:
        """Ask a team or a person to take it; it returns by itself when they do not."""
        by = staff(ask)
        team = body.team or by.team
        if team is None:
            raise NoTeam
        loads = {} if body.agent else await query(views.agent_loads, team)
        told = Assign(at=ask.now, by=by, team=team, agent=body.agent, loads=loads)
        return await ask(To(str(complaint), told))

    @router.command("/take")
    async def take(
        complaint: UUID, _body: Nothing, ask: Annotated[Ask, command("routing.accept")]
    ) -> Response:
        """Take work that waits in one of my team's queues."""
        return await ask(To(str(complaint), Take(at=ask.now, by=staff(ask))))

    @router.command("/accept")
    async def accept(
        complaint: UUID, _body: Nothing, ask: Annotated[Ask, command("routing.accept")]
    ) -> Response:
        """Take what I or my team was asked to take; the first ever becomes its owner of record."""
        return await ask(To(str(complaint), Accept(at=ask.now, by=staff(ask))))

    return router


class NoTeam(Refused):
    """Name the team, or use a token that names one."""

    rule = "no-team"
    zh = "请指明班组"


def passing_routes(sealer: Sealer) -> Router:
    """Refusing and passing on."""
    router = Router(prefix="/work/{complaint}", tags=["work"])

    @router.command("/refuse")
    async def refuse(
        complaint: UUID, body: Refusal, ask: Annotated[Ask, command("routing.refuse")]
    ) -> Response:
        """Do not take it; the next is asked."""
        words = await _seal(sealer, complaint, note=body.note)
        told = Refuse(at=ask.now, by=staff(ask), note=words["note"])
        return await ask(To(str(complaint), told))

    @router.command("/transfer")
    async def transfer(
        complaint: UUID, body: Passing, ask: Annotated[Ask, command("routing.transfer")]
    ) -> Response:
        """Pass it on; the owner of record stays."""
        words = await _seal(sealer, complaint, note=body.note)
        told = Transfer(
            at=ask.now,
            by=staff(ask),
            to=body.to,
            kind=body.kind,
            reason=body.reason,
            note=words["note"],
            complexity=body.complexity,
            reached_at=body.reached_at,
            back_by=body.back_by,
        )
        return await ask(To(str(complaint), told))

    @router.command("/forwards/{forward}")
    async def forward_news(
        complaint: UUID,
        forward: Annotated[int, Field(ge=1, le=10_000)],
        body: ForwardNews,
        ask: Annotated[Ask, command("routing.transfer")],
    ) -> Response:
        """A forward reached its goal, or bounced and is sent again."""
        told = ConfirmForward(
            at=ask.now,
            by=staff(ask),
            forward=forward,
            reached_at=body.reached_at,
            bounced=body.bounced,
        )
        return await ask(To(str(complaint), told))

    return router


def opinion_routes(sealer: Sealer) -> Router:
    """Opinions back, of one's own team or of a province or partner."""
    router = Router(prefix="/work/{complaint}", tags=["work"])

    @router.command("/opinion")
    async def opinion(
        complaint: UUID, body: Opinion, ask: Annotated[Ask, command("routing.report_back")]
    ) -> Response:
        """My team's handling opinion; the owner's desk answers with it."""
        _check_late(ask, body.occurred_at)
        words = await _seal(sealer, complaint, opinion=body.opinion)
        told = ReportBack(
            at=ask.now,
            by=staff(ask),
            opinion=words["opinion"] or "",
            cause=body.cause,
            responsible=body.responsible,
            case=body.case,
            instruction=body.instruction,
            occurred_at=body.occurred_at,
        )

        def chosen(lookups: Lookups) -> Sequence[To]:
            return (To(str(complaint), _instructed(told, complaint, lookups)),)

        return await ask(chosen)

    @router.command("/report-back")
    async def report_back(
        complaint: UUID, body: Report, ask: Annotated[Ask, command("routing.report_back")]
    ) -> Response:
        """A province's or partner's report, by itself or as the desk that follows it writes it."""
        _check_late(ask, body.occurred_at)
        words = await _seal(sealer, complaint, opinion=body.opinion)
        told = ReportBack(
            at=ask.now,
            by=staff(ask),
            handler=body.handler,
            opinion=words["opinion"] or "",
            cause=body.cause,
            responsible=body.responsible,
            occurred_at=body.occurred_at,
        )
        return await ask(To(str(complaint), told))

    return router


def _instructed(told: ReportBack, complaint: UUID, lookups: Lookups) -> ReportBack:
    """The report with the instruction that it carries out (EVENTS 18, 45).

    Raises InstructionUnknown for one named that was not given or is done.
    """
    work: Work | None = lookups.state("work", str(complaint))
    carried_out = work.carried_out if work else frozenset()
    given = [
        (row["case_number"], row["instruction"], row["team"])
        for row in lookups.rows("instruction_heard", complaint=complaint)
        if (row["case_number"], row["instruction"]) not in carried_out
    ]
    if told.case is None and told.instruction is None:
        # Only who has the work may report, so the team that has it is the reporter's.
        mine = [one for one in given if work is not None and one[2] == work.team]
        if not mine:
            return told
        case, instruction, _ = mine[-1]
        return told.model_copy(update={"case": case, "instruction": instruction})
    if (told.case, told.instruction) not in [one[:2] for one in given]:
        raise InstructionUnknown
    return told


# -- what the customer is given -------------------------------------------------------------------


def waiting_routes(sealer: Sealer) -> Router:
    """Waiting for others, and speaking to the customer."""
    router = Router(prefix="/work/{complaint}", tags=["work"])

    @router.command("/suspend")
    async def suspend(
        complaint: UUID, body: Waiting, ask: Annotated[Ask, command("routing.suspend")]
    ) -> Response:
        """Wait for the customer or a third party."""
        words = await _seal(sealer, complaint, question=body.question)
        told = Suspend(
            at=ask.now,
            by=staff(ask),
            waiting_for=body.waiting_for,
            reason=body.reason,
            question=words["question"],
            until=body.until,
        )
        return await ask(To(str(complaint), told))

    @router.command("/resume")
    async def resume(
        complaint: UUID, _body: Nothing, ask: Annotated[Ask, command("routing.resume")]
    ) -> Response:
        """Go on."""
        return await ask(To(str(complaint), Resume(at=ask.now, by=staff(ask))))

    @router.command("/contact")
    async def contact(
        complaint: UUID, body: ContactMade, ask: Annotated[Ask, command("routing.contact")]
    ) -> Response:
        """The customer was called or written to."""
        _check_late(ask, body.occurred_at)
        told = RecordContact(
            at=ask.now,
            by=staff(ask),
            handler=body.handler,
            channel=body.channel,
            reached=body.reached,
            occurred_at=body.occurred_at,
        )
        return await ask(To(str(complaint), told))

    return router


def promise_routes(sealer: Sealer) -> Router:
    """Promises and delay plans, judged against the clocks that were heard."""
    router = Router(prefix="/work/{complaint}", tags=["work"])

    @router.command("/promise")
    async def promise(
        complaint: UUID, body: AgreedTime, ask: Annotated[Ask, command("routing.promise")]
    ) -> Response:
        """Promise the customer a time, never later than the policy's."""
        words = await _seal(sealer, complaint, plan=body.plan)
        now, by = ask.now, staff(ask)

        def chosen(lookups: Lookups) -> Sequence[To]:
            clocks = _clocks(complaint, lookups)
            told = Promise(at=now, by=by, new_due=body.new_due, plan=words["plan"], clocks=clocks)
            return (To(str(complaint), told),)

        return await ask(chosen)

    @router.command("/delay-plan")
    async def delay_plan(
        complaint: UUID, body: DelayPlan, ask: Annotated[Ask, command("routing.promise")]
    ) -> Response:
        """Tell the customer of a delay, with a new plan; the old promise stays and may break."""
        words = await _seal(sealer, complaint, plan=body.plan)
        now, by = ask.now, staff(ask)

        def chosen(lookups: Lookups) -> Sequence[To]:
            told = PlanDelay(
                at=now,
                by=by,
                clock=body.clock,
                instance=body.instance,
                new_due=body.new_due,
                plan=words["plan"] or "",
                clocks=_clocks(complaint, lookups),
            )
            return (To(str(complaint), told),)

        return await ask(chosen)

    return router


def answer_routes(sealer: Sealer) -> Router:
    """The answer."""
    router = Router(prefix="/work/{complaint}", tags=["work"])

    @router.command("/answer")
    async def answer(
        complaint: UUID, body: AnswerGiven, ask: Annotated[Ask, command("routing.answer")]
    ) -> Response:
        """Answer the customer, from the owner's desk."""
        _check_late(ask, body.occurred_at)
        words = await _seal(
            sealer, complaint, explanation=body.explanation, next_steps=body.next_steps
        )
        now, by = ask.now, staff(ask)

        def chosen(lookups: Lookups) -> Sequence[To]:
            told = Answer(
                at=now,
                by=by,
                explanation=words["explanation"] or "",
                decision=body.decision,
                next_steps=words["next_steps"],
                told_by=body.told_by,
                causes=body.causes,
                occurred_at=body.occurred_at,
                settled=_settled(complaint, lookups),
            )
            return (To(str(complaint), told),)

        return await ask(chosen)

    return router


def _clocks(complaint: UUID, lookups: Lookups) -> tuple[KnownClock, ...]:
    return views.known_clocks(lookups.rows("clock_heard", complaint=complaint))


def _settled(complaint: UUID, lookups: Lookups) -> tuple[Settled, ...]:
    return views.settled(lookups.rows("compensation_heard", complaint=complaint))


def _authority(caller: Caller) -> str:
    """In which role a caller speaks of money: a desk of 10015, else as one of a team."""
    return next((role for role in ("headquarters", "desk") if role in caller.roles), "team")


def money_routes(sealer: Sealer) -> Router:
    """Findings and compensation."""
    router = Router(prefix="/work/{complaint}", tags=["work"])

    @router.command("/finding")
    async def finding(
        complaint: UUID, body: FindingMade, ask: Annotated[Ask, command("routing.find")]
    ) -> Response:
        """Record what was found out."""
        words = await _seal(sealer, complaint, note=body.note)
        now, by, role = ask.now, staff(ask), _authority(ask.caller)

        def chosen(lookups: Lookups) -> Sequence[To]:
            told = RecordFinding(
                at=now,
                by=by,
                role=role,
                cause=body.cause,
                partner=body.partner,
                overcharged=body.overcharged,
                outage_from=body.outage_from,
                outage_to=body.outage_to,
                monthly_rent=body.monthly_rent,
                corrects=body.corrects,
                evidence=body.evidence,
                note=words["note"],
                clocks=_clocks(complaint, lookups),
            )
            return (To(str(complaint), told),)

        return await ask(chosen)

    @router.command("/compensation")
    async def compensation(
        complaint: UUID, body: Compensation, ask: Annotated[Ask, command("routing.propose")]
    ) -> Response:
        """Propose money for a finding; over my role's limit the next authority decides."""
        now, by, role = ask.now, staff(ask), _authority(ask.caller)

        def chosen(lookups: Lookups) -> Sequence[To]:
            told = ProposeCompensation(
                at=now,
                by=by,
                finding=body.finding,
                basis=body.basis,
                amount=body.amount,
                role=role,
                clocks=_clocks(complaint, lookups),
                settled=_settled(complaint, lookups),
            )
            return (To(str(complaint), told),)

        return await ask(chosen)

    return router


# -- being informed -------------------------------------------------------------------------------


def inbox_routes(query: Querying, policies: Callable[[], Policies]) -> Router:
    """What an owner, or a home province, has not seen yet of the complaints it is informed of."""
    router = Router(tags=["inbox"])

    @router.get("/inbox")
    async def inbox(
        request: Request,
        asked: Annotated[InboxQuery, Query()],
        caller: Annotated[Caller, allow("routing.queue")],
    ) -> Page[views.InboxItem]:
        """Every step not yet seen of what my team owns, or of my province's customers elsewhere."""
        team = _team_of(caller, Rules.at(policies(), request.app.state.now()).teams)
        province = team.province if team else None
        if asked.informed is Informed.HOME_PROVINCE and province is None:
            raise NoProvince
        name = team.team if team else caller.team
        manages = bool(caller.roles & STEERING_ROLES)
        reader = views.Reader(caller.name, name, province, manages)
        after = asked.after(datetime, UUID)

        def page(conn: Any) -> list[views.InboxItem]:
            return views.inbox(
                conn,
                asked.informed,
                reader,
                after=after and (after[0], after[1]),
                limit=asked.limit,
            )

        rows: list[views.InboxItem] = await query(page)
        shown, following = page_of(request, rows, asked.limit, views.inbox_key)
        return Page(items=list(shown), next=following)

    @router.command("/work/{complaint}/seen")
    async def seen(
        complaint: UUID, body: StepsSeen, ask: Annotated[Ask, command("routing.see")]
    ) -> Response:
        """I have seen its steps up to these; on record, and gone from the inbox."""
        now, by = ask.now, staff(ask)
        upto = {one.source: one.sequence for one in body.upto}

        def chosen(lookups: Lookups) -> Sequence[To]:
            happened: dict[str, int] = {}
            for row in lookups.rows("step", complaint=complaint):
                last = happened.get(row["source"], 0)
                happened[row["source"]] = max(last, row["sequence"])
            told = See(at=now, by=by, informed=body.informed, upto=upto, happened=happened)
            return (To(str(complaint), told),)

        return await ask(chosen)

    return router


# -- looking --------------------------------------------------------------------------------------


def desk_routes(query: Querying, policies: Callable[[], Policies]) -> Router:
    """A desk's queue, one complaint's work, and who has how much."""
    router = Router(tags=["desk"])

    @router.get("/queue")
    async def queue(
        request: Request,
        asked: Annotated[QueueQuery, Query()],
        caller: Annotated[Caller, allow("routing.queue")],
    ) -> Page[views.QueueItem]:
        """My queue by urgency and due time: highest priority first, then what is due first."""
        rules = Rules.at(policies(), request.app.state.now())
        team = _team_of(caller, rules.teams)
        queues = team.queues if team else ()
        name = team.team if team else caller.team
        after = asked.after(int, datetime | None, UUID)

        def page(conn: Any) -> list[views.QueueItem]:
            return views.queue_page(
                conn,
                asked.of,
                agent=caller.name,
                team=name,
                queues=queues,
                after=after and (after[0], after[1], after[2]),
                limit=asked.limit,
            )

        rows: list[views.QueueItem] = await query(page)
        shown, following = page_of(request, rows, asked.limit, views.queue_key)
        return Page(items=list(shown), next=following)

    @router.get("/partners/owing")
    async def owing(
        request: Request,
        asked: Annotated[OwingQuery, Query()],
        _caller: Annotated[Caller, allow("routing.read")],
    ) -> Page[views.OwingItem]:
        """Partners that owe the customer or 10010 an answer, what reached them first on top."""
        after = asked.after(datetime, UUID, int)

        def page(conn: Any) -> list[views.OwingItem]:
            key = after and (after[0], after[1], after[2])
            return views.owing(conn, asked.partner, after=key, limit=asked.limit)

        rows: list[views.OwingItem] = await query(page)
        shown, following = page_of(request, rows, asked.limit, views.owing_key)
        return Page(items=list(shown), next=following)

    @router.get("/work/{complaint}")
    async def work_of(
        complaint: UUID, _caller: Annotated[Caller, allow("routing.read")]
    ) -> views.WorkView:
        """One complaint's work: who has it, who owns it, its clocks, promises and findings."""
        found: views.WorkView | None = await query(views.work_of, complaint)
        if found is None:
            raise NoSuchWork
        return found

    @router.get("/reports/loads")
    async def loads(_caller: Annotated[Caller, allow("routing.report")]) -> Loads:
        """How much work every team and person has in hand."""
        return Loads(rows=await query(views.team_loads))

    return router


def team_routes(policies: Callable[[], Policies]) -> Router:
    """Teams: looking and changing."""
    router = Router(tags=["teams"])

    @router.get("/teams")
    async def teams(
        request: Request, _caller: Annotated[Caller, allow("routing.team")]
    ) -> TeamList:
        """All teams with their seats."""
        known = policies().in_force(TEAMS, request.app.state.now())
        return TeamList(version=known.version, teams=list(known.compiled.teams))

    @router.put("/teams/{team}", response_model=Done)
    async def change_team(
        team: Annotated[Code, Field()],
        body: TeamBody,
        ask: Annotated[Ask, command("routing.team")],
    ) -> Response:
        """A team is now this: on record as `team.changed`, and as the next version of the policy.

        Both stand in one transaction, so that routing, which decides by policy, sees the change
        from the same instant on. Two changes at once: one of them answers 409 and may be repeated.
        """
        now = ask.now
        known = policies().in_force(TEAMS, now)
        told = ChangeTeam(at=now, team=team, **body.model_dump(exclude={"names"}))
        targets = [To(f"team:{team}", told)]
        try:
            changed = Team(team=team, **dict(body))
            following = _next_version(known.version, known.compiled, changed, now)
        except ValidationError as error:
            raise TeamUnsound(str(error.errors()[0]["msg"])) from error
        if known.compiled.by_code.get(team) != changed:
            targets.append(To(TEAMS, following))
        return await ask(targets)

    return router


def _next_version(version: str, teams: Teams, changed: Team, now: datetime) -> ActivatePolicy:
    """The teams with one changed, as a local version: `v1`, `v1+1`, `v1+2` ..."""
    base, _, number = version.partition("+")
    following = f"{base}+{int(number or 0) + 1}"
    content = teams.with_team(changed).model_dump(mode="json")
    return ActivatePolicy(
        at=now,
        name=TEAMS,
        version=following,
        effective_from=None,
        content={
            "name": TEAMS,
            "version": following,
            "effective_from": now.isoformat(),
            "content": content,
        },
    )


# -- the door -------------------------------------------------------------------------------------


def staff(ask: Ask) -> Staff:
    """Who asks: as the token says, never as the body does."""
    caller = ask.caller
    steers = bool(caller.roles & STEERING_ROLES)
    return Staff(agent=caller.name, team=caller.team, steers=steers)


def _team_of(caller: Caller, teams: Teams) -> Team | None:
    if caller.team is not None:
        return teams.by_code.get(caller.team)
    mine = teams.of_agent.get(caller.name, ())
    return mine[0] if len(mine) == 1 else None


def _check_late(ask: Ask, occurred_at: datetime | None) -> None:
    """Only whom the access table lets may date a fact; raises NotAllowed."""
    if occurred_at is None:
        return
    if not ask.request.app.state.access.permits(ask.caller.roles, REPORT_LATE):
        raise NotAllowed(f"None of your roles permits {REPORT_LATE}; leave `occurred_at` out.")


async def _seal(sealer: Sealer, complaint: UUID, **texts: str | None) -> Mapping[str, str | None]:
    """Field -> token; what was not said stays unsaid, and nothing is sealed for nothing."""
    said = {field: text for field, text in texts.items() if text is not None}
    tokens = await sealer.seal_many(complaint, said) if said else {}
    return {field: tokens.get(field) for field in texts}
