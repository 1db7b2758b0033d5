"""When a new handling cycle starts and where it goes; intake alone decides it (EVENTS race 6).

A dissatisfied customer reopens by policy: first to the customer-service manager, then to the 10015
desk (DOMAIN rule 11). A contact, a late reply or a person's wish for escalation reopens a closed
complaint within the policy's limits.
"""

from datetime import datetime
from uuid import UUID

from contracts.intake import ComplaintReopened, Outcome, ReopenReason
from contracts.values import CaseTrigger, Correspondent, RegulatorReferral, ReopenRoute
from services.intake.domain.policy import ReopeningPolicy
from services.intake.domain.state import Complaint


def reopened(
    complaint: Complaint,
    reason: ReopenReason,
    route: ReopenRoute,
    at: datetime,
    cause: UUID,
    *,
    case: int | None = None,
    regulator: RegulatorReferral | None = None,
    correspondent: Correspondent | None = None,
) -> ComplaintReopened:
    """The next cycle, from `at` on; `correspondent` where the customer is answered elsewhere now.

    Where it goes to the 10015 desk and a case is open already, that case is named, so that
    escalation requests no second one.
    """
    if case is None and route is ReopenRoute.ESCALATE and complaint.cases_open:
        case = complaint.cases_open[-1][0]
    return ComplaintReopened(
        cycle=complaint.cycle + 1,
        reason=reason,
        route=route,
        clock_from=at,
        cause=cause,
        case=case,
        regulator=regulator,
        profile=complaint.profile,
        correspondent=correspondent or complaint.correspondent,
    )


def dissatisfied(
    complaint: Complaint, policy: ReopeningPolicy, at: datetime, cause: UUID
) -> ComplaintReopened:
    """The customer is not satisfied: first tier 1, then escalation (DOMAIN rule 11)."""
    route = policy.route_after(complaint.dissatisfied)
    return reopened(complaint, ReopenReason.DISSATISFIED, route, at, cause)


def late_reply_reopens(complaint: Complaint, policy: ReopeningPolicy, at: datetime) -> bool:
    """Whether a dissatisfied reply after the asking starts a new cycle (EVENTS race 1)."""
    closed = complaint.closed
    return closed is not None and policy.late_reply.allows(closed.outcome, closed.at, at)


def visit_reopens(complaint: Complaint, policy: ReopeningPolicy, at: datetime) -> bool:
    """Whether a dissatisfied follow-up visit starts a new cycle, like a late reply."""
    closed = complaint.closed
    return closed is not None and policy.visit.allows(closed.outcome, closed.at, at)


def contact_reopens(
    outcome: Outcome, closed_at: datetime, policy: ReopeningPolicy, at: datetime
) -> bool:
    """Whether a further contact reopens a complaint closed so, then; else it stands alone."""
    return policy.contact.allows(outcome, closed_at, at)


def case_reopens(complaint: Complaint, policy: ReopeningPolicy, trigger: CaseTrigger) -> bool:
    """Whether a case requested for a closed complaint takes it up again (EVENTS race 2)."""
    closed = complaint.closed
    if closed is None:
        return False
    withdrawn = closed.outcome is Outcome.WITHDRAWN
    allowed = policy.case.triggers_when_withdrawn if withdrawn else policy.case.triggers
    return trigger in allowed
