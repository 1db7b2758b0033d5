"""The events of other services that sla_watch hears, with what does not matter filled in."""

from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

from contracts.escalation import (
    CaseClosed,
    CaseCustomerContacted,
    CaseDecided,
    CaseDeclined,
    CaseOutcome,
    CaseReported,
    CaseRequested,
    ReportedWhat,
)
from contracts.feedback_survey import (
    ConfirmationRecorded,
    NoticeIssued,
    SurveyAsked,
    SurveyConcluded,
    SurveyOutcome,
)
from contracts.intake import (
    ComplaintClosed,
    ComplaintMerged,
    ComplaintReclassified,
    ComplaintRegistered,
    ComplaintReopened,
    ComplaintUnmerged,
    ComplaintVerified,
    ComplaintWithdrawn,
    Outcome,
    Registration,
    ReopenReason,
    WithdrawnBy,
)
from contracts.routing import (
    HandlerKind,
    PromiseKind,
    ReportedCause,
    ResumedBy,
    WaitingFor,
    WorkAnswered,
    WorkContacted,
    WorkPromised,
    WorkReportedBack,
    WorkResumed,
    WorkSuspended,
    WorkTransferred,
)
from contracts.values import (
    CaseTrigger,
    Category,
    ChannelKind,
    Classification,
    Classified,
    ClearText,
    Complexity,
    Contact,
    ContactKind,
    Correspondent,
    Decision,
    Kind,
    Medium,
    NoticeKind,
    PolicyRef,
    Profile,
    RegulatorReferral,
    ReopenRoute,
    Urgency,
)
from tests.unit.timekeeping.instants import at

ID = UUID("0b0fdb9c-6f5b-5f3c-9d55-0d3c6a0a4a22")
POLICY = PolicyRef(name="test", version="1")
CORRESPONDENT = Correspondent(receipt="B251009-0001-7", person=ID)


def profile(category: str = "billing.overcharge", **more: Any) -> Profile:
    told: dict[str, Any] = {
        "kind": Kind.COMPLAINT,
        "category": Category(category),
        "urgency": Urgency.ORDINARY,
        "channel": ChannelKind.HOTLINE_10010,
        **more,
    }
    return Profile(**told)


def registered(
    clock_from: str, category: str = "billing.overcharge", **more: Any
) -> ComplaintRegistered:
    return ComplaintRegistered(
        cycle=1,
        policy=POLICY,
        registration=Registration(
            correspondent=CORRESPONDENT,
            profile=profile(category, **more),
            classified=Classified(by="channel"),
            contact=Contact(
                id=ID,
                kind=ContactKind.FIRST,
                channel=ChannelKind.HOTLINE_10010,
                source="10010",
                message="call-7781",
                at=at(clock_from),
            ),
            clock_from=at(clock_from),
            summary="sealed",
        ),
    )


def verified(clock_from: str, *, valid: bool) -> ComplaintVerified:
    return ComplaintVerified(
        cycle=1,
        valid=valid,
        reason=None if valid else "not_ours",
        automatic=True,
        profile=profile(),
        correspondent=CORRESPONDENT,
        clock_from=at(clock_from),
        policy=POLICY,
    )


def reclassified(
    clock_from: str,
    category: str = "billing.overcharge",
    cycle: int = 1,
    **more: Any,
) -> ComplaintReclassified:
    now = profile(category, **more)
    placed = Classification(category=now.category, urgency=now.urgency)
    return ComplaintReclassified(
        cycle=cycle,
        was=placed,
        now=placed,
        classified=Classified(by="desk"),
        reason="wrong",
        clock_from=at(clock_from),
        profile=now,
    )


def merged() -> ComplaintMerged:
    return ComplaintMerged(cycle=1, into=ID, reason="same_matter", contacts=())


def unmerged(clock_from: str, category: str = "billing.overcharge") -> ComplaintUnmerged:
    return ComplaintUnmerged(
        cycle=1,
        survivor=ID,
        reason="not_the_same",
        contacts=(),
        verified=True,
        clock_from=at(clock_from),
        profile=profile(category),
    )


def withdrawn(cycle: int = 1) -> ComplaintWithdrawn:
    return ComplaintWithdrawn(cycle=cycle, by=WithdrawnBy.CUSTOMER, reason="settled")


def closed(cycle: int = 1) -> ComplaintClosed:
    return ComplaintClosed(cycle=cycle, outcome=Outcome.SATISFIED)


def reopened(
    cycle: int, clock_from: str, route: ReopenRoute, category: str = "billing.overcharge"
) -> ComplaintReopened:
    return ComplaintReopened(
        cycle=cycle,
        reason=ReopenReason.DISSATISFIED,
        route=route,
        clock_from=at(clock_from),
        cause=ID,
        profile=profile(category),
        correspondent=CORRESPONDENT,
    )


def receipt(cycle: int = 1) -> NoticeIssued:
    return notice(NoticeKind.RECEIPT, cycle)


def notice(kind: NoticeKind, cycle: int = 1) -> NoticeIssued:
    return NoticeIssued(
        cycle=cycle,
        notice=ID,
        kind=kind,
        by=Medium.ON_THE_SPOT,
        reply_to=None,
        not_before=at("2025-10-09"),
        template=POLICY,
        text=(ClearText(lit="…"),),
        correspondent=CORRESPONDENT,
    )


def asked(when: str, cycle: int = 1) -> SurveyAsked:
    return SurveyAsked(
        cycle=cycle,
        survey=ID,
        answer=ID,
        by=Medium.MESSAGE,
        remind_at=at(when) + timedelta(hours=24),
        expires=at(when) + timedelta(hours=72),
    )


def concluded(outcome: SurveyOutcome, cycle: int = 1) -> SurveyConcluded:
    return SurveyConcluded(cycle=cycle, survey=ID, answer=ID, outcome=outcome, reason="score")


def contacted(cycle: int = 1, *, reached: bool = True) -> WorkContacted:
    return WorkContacted(cycle=cycle, channel=ChannelKind.HOTLINE_10010, reached=reached)


def answered(cycle: int = 1) -> WorkAnswered:
    return WorkAnswered(
        cycle=cycle,
        explanation="sealed",
        decision=Decision.UPHELD,
        told_by=Medium.CALL,
        team="t1",
        agent="a1",
    )


def suspended(cycle: int = 1, waiting_for: WaitingFor = WaitingFor.CUSTOMER) -> WorkSuspended:
    return WorkSuspended(
        cycle=cycle, waiting_for=waiting_for, reason="bill", until=at("2026-01-01")
    )


def resumed(cycle: int = 1) -> WorkResumed:
    return WorkResumed(cycle=cycle, by=ResumedBy.AGENT)


def forwarded(
    forward: int,
    reached_at: str | None,
    complexity: Complexity | None = None,
    kind: HandlerKind = HandlerKind.PARTNER,
) -> WorkTransferred:
    return WorkTransferred(
        cycle=1,
        forward=forward,
        to="sp-100",
        kind=kind,
        complexity=complexity,
        reached_at=None if reached_at is None else at(reached_at),
        reason="theirs",
    )


def partner_contacted(*forwards: int) -> WorkContacted:
    return WorkContacted(
        cycle=1,
        channel=ChannelKind.HOTLINE_10010,
        reached=True,
        partner="sp-100",
        forwards=forwards,
    )


def confirmation(forward: int, *, answered: bool) -> ConfirmationRecorded:
    return ConfirmationRecorded(
        cycle=1, call=uuid4(), partner="sp-100", forward=forward, answered=answered
    )


def reported_back(
    forward: int | None,
    kind: HandlerKind = HandlerKind.PARTNER,
    cause: ReportedCause = ReportedCause.OWN,
) -> WorkReportedBack:
    return WorkReportedBack(
        cycle=1,
        by="sp-100",
        kind=kind,
        forward=forward,
        opinion="sealed",
        cause=cause,
    )


def promised(
    promise: int, new_due: str, kind: PromiseKind = PromiseKind.DELAY_PLAN, cycle: int = 1
) -> WorkPromised:
    return WorkPromised(cycle=cycle, promise=promise, kind=kind, new_due=at(new_due))


def case_requested(
    case: int = 1, tier: int = 2, cycle: int = 1, report_by: str | None = None
) -> CaseRequested:
    regulator = None
    if tier == 4:
        by = None if report_by is None else at(report_by)
        regulator = RegulatorReferral(ref="MIIT-1", report_by=by)
    return CaseRequested(
        cycle=cycle, case=case, tier=tier, trigger=CaseTrigger.WISH, cause=ID, regulator=regulator
    )


def case_contacted(case: int = 1, tier: int = 2, *, reached: bool = True) -> CaseCustomerContacted:
    return CaseCustomerContacted(
        cycle=1, case=case, tier=tier, channel=ChannelKind.HOTLINE_10015, reached=reached
    )


def decided(
    decision: Decision, case: int = 1, tier: int = 2, *, final: bool = False
) -> CaseDecided:
    return CaseDecided(
        cycle=1, case=case, tier=tier, decision=decision, reasons="sealed", final=final
    )


def declined(case: int = 1, tier: int = 2) -> CaseDeclined:
    return CaseDeclined(
        cycle=1, case=case, tier=tier, reason="no_ground", by="o1", customer_asked=True
    )


def case_closed(case: int = 1, tier: int = 2) -> CaseClosed:
    return CaseClosed(
        cycle=1, case=case, tier=tier, outcome=CaseOutcome.WITHDRAWN, reason="cause_gone"
    )


def reported(case: int = 1, tier: int = 4) -> CaseReported:
    return CaseReported(
        cycle=1,
        case=case,
        tier=tier,
        what=ReportedWhat.REGULATOR_REPORT,
        ref="R-1",
        digest="0" * 64,
    )
