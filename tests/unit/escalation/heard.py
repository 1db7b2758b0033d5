"""Heard events as the log has them, and escalation's stories with the seed policy in force."""

from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid5
from zoneinfo import ZoneInfo

import yaml

from contracts.intake import (
    ComplaintClosed,
    ComplaintContactLinked,
    ComplaintContactUnlinked,
    ComplaintEscalationNoted,
    ComplaintMerged,
    ComplaintRegistered,
    ComplaintReopened,
    ComplaintUnmerged,
    ComplaintWithdrawn,
    MatchedBy,
    NotedState,
    Outcome,
    Registration,
    ReopenReason,
    WithdrawnBy,
)
from contracts.routing import WorkCompensationProposed, WorkFindingRecorded, Worth
from contracts.sla_watch import ClockBreached, ClockCorrected, Verdict, VerdictBasis
from contracts.values import (
    Basis,
    CaseTrigger,
    Category,
    ChannelKind,
    Classified,
    ClockPurpose,
    Contact,
    ContactKind,
    Correspondent,
    EventRef,
    FaultLiesWith,
    Kind,
    PaidBy,
    Payer,
    PolicyRef,
    Profile,
    RegulatorReferral,
    ReopenRoute,
    ReplyTo,
    Urgency,
    ValueTier,
)
from libs.decider import Event, Policies, PolicyInForce, Recorded
from libs.decider.story import SUBJECT, Story
from services.escalation.domain.policy import compile_policy
from services.escalation.domain.rows import DECIDERS
from services.escalation.reactions import react

SHANGHAI = ZoneInfo("Asia/Shanghai")
NAMES = UUID("00000000-0000-4000-8000-000000000001")
POLICY_FILE = (
    Path(__file__).parents[3] / "services" / "escalation" / "policy" / "escalation.v1.yaml"
)
REF = PolicyRef(name="intake", version="v1")
OFFICER = "agent:1501"


def at(text: str) -> datetime:
    """`2025-10-15 11:00` in Shanghai."""
    return datetime.fromisoformat(text).replace(tzinfo=SHANGHAI)


NOON = at("2025-10-15 12:00")


def content() -> dict[str, Any]:
    """The seed policy as the file has it."""
    loaded: dict[str, Any] = yaml.safe_load(POLICY_FILE.read_text(encoding="utf-8"))
    return loaded


def policies(**changed: Any) -> Policies:
    """The seed policy in force since 2004, with parts of its content changed."""
    seed = content()
    seed["content"] |= changed
    return Policies().adding(
        PolicyInForce(
            name="escalation",
            version="v1",
            sha256="0" * 64,
            active_from=at("2004-01-01"),
            content=seed,
            compiled=compile_policy("escalation", seed),
        )
    )


def nothing(**changed: Any) -> Story:
    """A complaint of which escalation has not heard."""
    return Story(DECIDERS[0], policies(**changed), now=at("2025-10-11 09:00"))


def event_id(name: str) -> UUID:
    """A stable id for a named event or contact."""
    return uuid5(NAMES, name)


def heard(event: Event, when: datetime, name: str = "") -> Recorded[Any]:
    """An event as it stands in the log."""
    return Recorded(
        id=event_id(name or f"{event.type}@{when.isoformat()}"),
        source="/bihuan/other",
        type=event.type,
        subject=SUBJECT,
        time=when,
        sequence=1,
        actor="system:other",
        data=event,
    )


def hear(story: Story, event: Event, when: datetime | None = None, name: str = "") -> Story:
    """The story after every command that hearing this event leads to; `happened` is all of it."""
    moment = when or story.now
    happened: tuple[Event, ...] = ()
    for to in react(heard(event, moment, name)):
        assert to.subject == SUBJECT
        story = story.when(to.command, actor="system:escalation")
        assert story.refusal is None
        happened += story.happened
    return replace(story, happened=happened, now=max(story.now, moment))


def contact(name: str, kind: ContactKind, when: datetime = NOON) -> Contact:
    """A contact by WeChat."""
    return Contact(
        id=event_id(name),
        kind=kind,
        channel=ChannelKind.WECHAT,
        source="/channels/wechat",
        message=name,
        at=when,
    )


def correspondent(**changed: Any) -> Correspondent:
    """A customer with a sealed address."""
    told: dict[str, Any] = {
        "receipt": "TS-7781-4",
        "person": event_id("person"),
        "reply_to": ReplyTo(kind=ChannelKind.SMS, address="v1.sealed.address"),
    }
    return Correspondent(**(told | changed))


def profile(**changed: Any) -> Profile:
    """An ordinary billing dispute by hotline."""
    told: dict[str, Any] = {
        "kind": Kind.COMPLAINT,
        "category": Category.BILLING,
        "urgency": Urgency.ORDINARY,
        "channel": ChannelKind.HOTLINE_10010,
        "home_province": "guangdong",
    }
    return Profile(**(told | changed))


def registered(
    tier: ValueTier = ValueTier.ORDINARY,
    urgency: Urgency = Urgency.ORDINARY,
    *,
    media: bool = False,
    regulator: RegulatorReferral | None = None,
    kind: Kind = Kind.COMPLAINT,
    repeat_no: int = 0,
) -> ComplaintRegistered:
    """A complaint goes on record."""
    return ComplaintRegistered(
        cycle=1,
        registration=Registration(
            correspondent=correspondent(value_tier=tier),
            profile=profile(value_tier=tier, urgency=urgency, media=media, kind=kind),
            classified=Classified(by="channel"),
            contact=contact("call-7781", ContactKind.FIRST),
            clock_from=at("2025-10-11 09:00"),
            summary="v1.sealed.words",
            regulator=regulator,
            repeat_no=repeat_no,
        ),
        policy=REF,
    )


def linked(
    name: str,
    kind: ContactKind = ContactKind.URGE,
    *,
    urge_no: int = 0,
    cycle: int = 1,
    closed: bool = False,
    regulator: RegulatorReferral | None = None,
) -> ComplaintContactLinked:
    """A further contact."""
    return ComplaintContactLinked(
        cycle=cycle,
        contact=contact(name, kind),
        urge_no=urge_no,
        matched_by=MatchedBy.RECEIPT,
        closed=closed,
        regulator=regulator,
    )


def unlinked(name: str, *, urge_no: int, kind: ContactKind = ContactKind.URGE) -> Event:
    """A contact did not belong here."""
    return ComplaintContactUnlinked(
        cycle=1, contact=contact(name, kind), reason="other_line", urge_no=urge_no
    )


def breached(
    clock: str = "resolve",
    purpose: ClockPurpose = ClockPurpose.RESOLVE,
    *,
    cycle: int = 1,
    due: datetime = NOON,
) -> ClockBreached:
    """A clock is breached at its due instant."""
    return ClockBreached(
        cycle=cycle,
        clock=clock,
        started_in=cycle,
        purpose=purpose,
        due_at=due,
        basis=VerdictBasis.COMPLETE,
    )


def corrected(
    was: Verdict, now: Verdict, clock: str = "resolve", purpose: ClockPurpose = ClockPurpose.RESOLVE
) -> ClockCorrected:
    """A fact heard late changes a verdict."""
    return ClockCorrected(
        cycle=1,
        clock=clock,
        started_in=1,
        purpose=purpose,
        corrects=event_id("breach"),
        was=was,
        now=now,
        fact=EventRef(event=event_id("answer"), source="/bihuan/routing", type="work.answered.v1"),
        due=NOON,
        heard_late_ms=int(timedelta(minutes=3).total_seconds() * 1000),
    )


def reopened(
    route: ReopenRoute,
    reason: ReopenReason = ReopenReason.DISSATISFIED,
    *,
    cycle: int = 2,
    cause: str = "survey-1",
    case: int | None = None,
    regulator: RegulatorReferral | None = None,
) -> ComplaintReopened:
    """A new handling cycle."""
    return ComplaintReopened(
        cycle=cycle,
        reason=reason,
        route=route,
        clock_from=NOON,
        cause=event_id(cause),
        case=case,
        regulator=regulator,
        profile=profile(),
        correspondent=correspondent(),
    )


def closed(outcome: Outcome = Outcome.SATISFIED, *, cycle: int = 1) -> ComplaintClosed:
    """The loop is closed."""
    return ComplaintClosed(cycle=cycle, outcome=outcome)


def withdrawn() -> ComplaintWithdrawn:
    """The customer takes it back."""
    return ComplaintWithdrawn(cycle=1, by=WithdrawnBy.CUSTOMER, reason="changed_mind")


def merged() -> ComplaintMerged:
    """It goes on as another complaint."""
    return ComplaintMerged(cycle=1, into=event_id("survivor"), reason="same_fault", contacts=())


def unmerged() -> ComplaintUnmerged:
    """It was another matter after all."""
    return ComplaintUnmerged(
        cycle=1,
        survivor=event_id("survivor"),
        reason="another_matter",
        contacts=(),
        verified=True,
        clock_from=NOON,
        profile=profile(),
    )


def noted(
    state: NotedState, trigger: CaseTrigger = CaseTrigger.BREACH, *, case: int = 1, cycle: int = 1
) -> ComplaintEscalationNoted:
    """Intake says what a case is to closing."""
    return ComplaintEscalationNoted(cycle=cycle, case=case, tier=2, state=state, trigger=trigger)


OURS = PaidBy(party=Payer.OPERATOR)


def proposed(
    finding: int,
    amount: str,
    basis: Basis = Basis.DOUBLE_REFUND,
    role: str = "team",
    chain: tuple[int, ...] = (),
    paid_by: PaidBy = OURS,
) -> WorkCompensationProposed:
    """8812 of a team proposes money for what 8813 found out."""
    return WorkCompensationProposed(
        cycle=1,
        finding=finding,
        amount=amount,
        basis=basis,
        by="8812",
        found_by="8813",
        paid_by=paid_by,
        role=role,
        chain=chain,
    )


def finding(
    number: int,
    *,
    corrects: int | None = None,
    cause: FaultLiesWith = FaultLiesWith.OPERATOR,
    by: str = "8814",
    role: str = "team",
    paid_by: PaidBy = OURS,
    chain: tuple[int, ...] = (),
    **worth: str,
) -> WorkFindingRecorded:
    """8814 finds something out, worth so much by ground: `double_refund="393.00"`."""
    return WorkFindingRecorded(
        cycle=1,
        finding=number,
        by=by,
        role=role,
        cause=cause,
        paid_by=paid_by,
        corrects=corrects,
        chain=chain,
        worth=tuple(Worth(basis=Basis(basis), amount=amount) for basis, amount in worth.items()),
        policy=PolicyRef(name="routing", version="v1"),
    )
