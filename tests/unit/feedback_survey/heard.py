"""Heard events as the log has them, and feedback's stories with the seed policies in force."""

from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid5
from zoneinfo import ZoneInfo

import yaml

from contracts.escalation import CaseDecided, CaseDeclined, CompensationGranted, GrantedUnder
from contracts.feedback_survey import NoticeIssued
from contracts.intake import (
    ComplaintAnswered,
    ComplaintClosed,
    ComplaintContactLinked,
    ComplaintMerged,
    ComplaintReopened,
    ComplaintVerified,
    ComplaintWithdrawn,
    DeliveryReport,
    MatchedBy,
    Outcome,
    ReopenReason,
    SurveyReply,
    WithdrawnBy,
)
from contracts.routing import (
    PromiseKind,
    WaitingFor,
    WorkAnswered,
    WorkPromised,
    WorkSuspended,
)
from contracts.sla_watch import ClockBreached, ClocksStarted, StartCause, VerdictBasis
from contracts.values import (
    Basis,
    Category,
    ChannelKind,
    ClearText,
    Clock,
    ClockPurpose,
    Contact,
    ContactKind,
    Correspondent,
    Decision,
    DeliveryResult,
    Kind,
    Language,
    Medium,
    PaidBy,
    Payer,
    PolicyRef,
    Profile,
    ReopenRoute,
    ReplyTo,
    SealedText,
    Urgency,
    ValueTier,
)
from libs.decider import Event, Policies, PolicyInForce, Recorded
from libs.decider.story import SUBJECT, Story
from services.feedback_survey.domain.policy import compile_policy
from services.feedback_survey.domain.rows import DECIDERS
from services.feedback_survey.reactions import react

SHANGHAI = ZoneInfo("Asia/Shanghai")
NAMES = UUID("00000000-0000-4000-8000-000000000002")
POLICY_DIR = Path(__file__).parents[3] / "services" / "feedback_survey" / "policy"
REF = PolicyRef(name="sla", version="v1")
ADDRESS = "v1.sealed.address"


def at(text: str) -> datetime:
    """`2025-10-17 16:00` in Shanghai."""
    return datetime.fromisoformat(text).replace(tzinfo=SHANGHAI)


START = at("2025-10-17 17:00")


def seed(name: str) -> dict[str, Any]:
    """A seed policy as its file has it."""
    path = POLICY_DIR / f"{name}.v1.yaml"
    loaded: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return loaded


def policies(**changed: Any) -> Policies:
    """The seed policies in force since 2004, with parts of `feedback`'s content changed."""
    known = Policies()
    for name in ("feedback", "texts"):
        content = seed(name)
        if name == "feedback":
            content["content"] |= changed
        known = known.adding(
            PolicyInForce(
                name=name,
                version="v1",
                sha256="0" * 64,
                active_from=at("2004-01-01"),
                content=content,
                compiled=compile_policy(name, content),
            )
        )
    return known


def nothing(**changed: Any) -> Story:
    """A complaint of which nobody was told anything yet."""
    return Story(DECIDERS[0], policies(**changed), now=at("2025-10-01 00:00"))


def event_id(name: str) -> UUID:
    """A stable id for a named event or contact."""
    return uuid5(NAMES, name)


def heard(event: Event, when: datetime, name: str = "", subject: str = SUBJECT) -> Recorded[Any]:
    """An event as it stands in the log."""
    return Recorded(
        id=event_id(name or f"{event.type}@{when.isoformat()}"),
        source="/bihuan/other",
        type=event.type,
        subject=subject,
        time=when,
        sequence=1,
        actor="system:other",
        data=event,
    )


def hear(
    story: Story,
    event: Event,
    when: datetime | None = None,
    name: str = "",
    now: datetime | None = None,
) -> Story:
    """The story after every command that hearing this event leads to, timers due before first."""
    moment = when or story.now
    happened: tuple[Event, ...] = ()
    for to in react(heard(event, moment, name)):
        assert to.subject == SUBJECT
        story = due_before(story, moment)
        happened += story.happened
        story = story.when(to.command, now=now, actor="system:feedback_survey")
        assert story.refusal is None
        happened += story.happened
    return replace(story, happened=happened, now=max(story.now, moment))


def due_before(story: Story, moment: datetime) -> Story:
    """Every timer due before this instant fires, as the runtime does before a fact."""
    happened: tuple[Event, ...] = ()
    while due := sorted((at_, name) for name, at_ in story.timers.items() if at_ < moment):
        story = story.fire(due[0][1])
        happened += story.happened
    return replace(story, happened=happened)


def told(notice: NoticeIssued) -> str:
    """A notice's words, sealed stretches in brackets."""
    return "".join(
        part.lit if isinstance(part, ClearText) else f"[{part.sealed}]" for part in notice.text
    )


def sealed_parts(notice: NoticeIssued) -> list[str]:
    """The tokens a notice copies."""
    return [part.sealed for part in notice.text if isinstance(part, SealedText)]


def correspondent(
    *,
    language: Language = Language.ZH,
    tier: ValueTier = ValueTier.ORDINARY,
    address: bool = True,
    voice_only: bool = False,
) -> Correspondent:
    """A customer who complained by WeChat, or one nobody can write to."""
    reply_to = ReplyTo(kind=ChannelKind.WECHAT, address=ADDRESS, voice_only=voice_only)
    return Correspondent(
        receipt="TS-7781-4",
        person=event_id("person"),
        anonymous=not address,
        reply_to=reply_to if address else None,
        language=language,
        value_tier=tier,
    )


TO = correspondent()


def profile() -> Profile:
    """An ordinary complaint about attitude."""
    return Profile(
        kind=Kind.COMPLAINT,
        category=Category.SERVICE_ATTITUDE,
        urgency=Urgency.ORDINARY,
        channel=ChannelKind.WECHAT,
    )


def clock(code: str, purpose: ClockPurpose, due: datetime | None) -> Clock:
    """A clock that starts."""
    return Clock(clock=code, started_in=1, due=due, purpose=purpose, clock_from=START, policy=REF)


CLOCKS = (
    clock("resolve", ClockPurpose.RESOLVE, at("2025-10-25 00:00")),
    clock("acknowledge", ClockPurpose.ACKNOWLEDGE, at("2025-10-17 17:05")),
    clock("first_contact", ClockPurpose.FIRST_CONTACT, at("2025-10-17 18:00")),
)


def clocks_started(
    to: Correspondent | None = TO,
    clocks: tuple[Clock, ...] = CLOCKS,
    cause: StartCause = StartCause.REGISTERED,
    cycle: int = 1,
) -> ClocksStarted:
    """Clocks run."""
    return ClocksStarted(
        cycle=cycle, cause=cause, clock_from=START, clocks=clocks, correspondent=to
    )


def breached(
    purpose: ClockPurpose, due: datetime, basis: VerdictBasis = VerdictBasis.COMPLETE
) -> ClockBreached:
    """A promise is broken at its due instant."""
    return ClockBreached(
        cycle=1, clock=purpose.value, started_in=1, purpose=purpose, due_at=due, basis=basis
    )


def answered_by_work(by: Medium = Medium.MESSAGE, **more: Any) -> WorkAnswered:
    """The owner's answer."""
    fields: dict[str, Any] = {
        "cycle": 1,
        "explanation": "v1.sealed.explanation",
        "decision": Decision.UPHELD,
        "told_by": by,
        "team": "T",
        "agent": "8813",
    }
    return WorkAnswered(**(fields | more))


def answered(
    cycle: int = 1, *, ask: bool = True, to: Correspondent = TO, answer: str = "answer"
) -> ComplaintAnswered:
    """Intake says that the customer has an answer."""
    return ComplaintAnswered(
        cycle=cycle,
        answer=event_id(f"{answer}-{cycle}"),
        answered_at=START,
        ask=ask,
        correspondent=to,
    )


def contact(name: str, kind: ContactKind) -> Contact:
    """A contact by WeChat."""
    return Contact(
        id=event_id(name),
        kind=kind,
        channel=ChannelKind.WECHAT,
        source="/channels/wechat",
        message=name,
        at=START,
    )


def reply(
    name: str,
    score: int | None = None,
    resolved: bool | None = None,
    *,
    cycle: int = 1,
    closed: bool = False,
) -> ComplaintContactLinked:
    """The customer answers the survey."""
    return ComplaintContactLinked(
        cycle=cycle,
        contact=contact(name, ContactKind.SURVEY_REPLY),
        urge_no=0,
        matched_by=MatchedBy.RECEIPT,
        text="v1.sealed.words",
        survey_reply=SurveyReply(score=score, resolved=resolved),
        closed=closed,
    )


def delivery(
    notice: UUID,
    result: DeliveryResult,
    when: datetime,
    by: Medium = Medium.MESSAGE,
) -> ComplaintContactLinked:
    """A gateway reports what became of a notice."""
    return ComplaintContactLinked(
        cycle=1,
        contact=contact(f"report-{notice}-{result}-{when}", ContactKind.DELIVERY_REPORT),
        urge_no=0,
        matched_by=MatchedBy.NOTICE,
        delivery_report=DeliveryReport(notice=notice, by=by, result=result, at=when),
    )


def promised(
    old_due: datetime, new_due: datetime, kind: PromiseKind = PromiseKind.DELAY_PLAN
) -> WorkPromised:
    """A delay plan."""
    return WorkPromised(
        cycle=1,
        promise=1,
        kind=kind,
        old_due=old_due,
        new_due=new_due,
        plan="v1.sealed.plan",
    )


def suspended(waiting_for: WaitingFor = WaitingFor.CUSTOMER) -> WorkSuspended:
    """Work waits for somebody."""
    return WorkSuspended(
        cycle=1,
        waiting_for=waiting_for,
        reason="papers",
        question="v1.sealed.question",
        until=at("2025-10-20 12:00"),
    )


def withdrawn(cycle: int = 1) -> ComplaintWithdrawn:
    """The customer takes it back."""
    return ComplaintWithdrawn(cycle=cycle, by=WithdrawnBy.CUSTOMER, reason="changed_mind")


def closed(outcome: Outcome, cycle: int = 1) -> ComplaintClosed:
    """The loop is closed."""
    return ComplaintClosed(cycle=cycle, outcome=outcome)


def reopened(cycle: int) -> ComplaintReopened:
    """A new handling cycle, because the customer is not satisfied."""
    return ComplaintReopened(
        cycle=cycle,
        reason=ReopenReason.DISSATISFIED,
        route=ReopenRoute.TIER1,
        clock_from=START,
        cause=event_id("why"),
        profile=profile(),
        correspondent=TO,
    )


def merged() -> ComplaintMerged:
    """It goes on as another complaint."""
    return ComplaintMerged(cycle=1, into=event_id("survivor"), reason="same", contacts=())


def verified(*, valid: bool, note: str | None = "v1.sealed.note") -> ComplaintVerified:
    """Its validity was checked."""
    return ComplaintVerified(
        cycle=1,
        valid=valid,
        reason=None if valid else "not_our_customer",
        note=None if valid else note,
        automatic=False,
        profile=profile(),
        correspondent=TO,
        clock_from=START,
        policy=REF,
    )


def declined(*, customer_asked: bool) -> CaseDeclined:
    """The desk does not take a case."""
    return CaseDeclined(
        cycle=1,
        case=1,
        tier=2,
        reason="in_time",
        by="1501",
        customer_asked=customer_asked,
    )


def decided(*, final: bool = False) -> CaseDecided:
    """The desk decides."""
    return CaseDecided(
        cycle=1,
        case=1,
        tier=2,
        decision=Decision.PARTLY,
        reasons="v1.sealed.reasons",
        final=final,
    )


def granted(amount: str = "373.00") -> CompensationGranted:
    """Money is given."""
    return CompensationGranted(
        cycle=1,
        finding=1,
        asked=UUID(int=7),
        basis=Basis.DOUBLE_REFUND,
        amount=amount,
        total=amount,
        under=GrantedUnder.APPROVAL,
        by="1501",
        role="desk",
        paid_by=PaidBy(party=Payer.OPERATOR),
    )
