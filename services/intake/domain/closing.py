"""The closing rule: when a complaint may be closed, and with which outcome. The one place for it.

A complaint is closed only when the loop is closed: the customer was answered AND asked, and the
outcome of the asking is on record (DOMAIN, The closed loop). In full (EVENTS, The closing rule),
intake closes handling cycle *n* when all of these hold, folded from its own stream:

(a) cycle *n* was answered and the customer asked;
(b) the asking of cycle *n* ended satisfied, without an answer in time, or nobody could be reached;
(c) no case of the 10015 desk is open;
(d) the complaint is not merged into another.

Or: the customer withdrew it, or it was rejected as not valid and the customer was told so; then
only an open case of the regulator (tier 4) keeps it open.

A dissatisfied answer never closes: it starts a new cycle, see `reopening.py`. No other service and
no other module closes anything; a command that removes a blocker asks here in the same decision.
"""

from contracts.intake import ComplaintClosed, Outcome
from services.intake.domain.state import Complaint

TIER_REGULATOR = 4


def outcome_of(complaint: Complaint) -> Outcome | None:
    """With which outcome the complaint may be closed now; None while something keeps it open."""
    if not complaint.open:
        return None
    if complaint.withdrawn:
        return None if complaint.has_case(TIER_REGULATOR) else Outcome.WITHDRAWN
    if complaint.rejected:
        told = complaint.answer is not None
        return Outcome.REJECTED if told and not complaint.has_case(TIER_REGULATOR) else None
    if complaint.answer is None or not complaint.answer.ask or complaint.asked is None:
        return None
    return None if complaint.has_case() else complaint.asked.outcome


def close(complaint: Complaint) -> list[ComplaintClosed]:
    """The closing event if the rule allows one now, else nothing."""
    outcome = outcome_of(complaint)
    if outcome is None:
        return []
    asked = None if complaint.withdrawn or complaint.rejected else complaint.asked
    return [
        ComplaintClosed(
            cycle=complaint.cycle,
            outcome=outcome,
            answer=complaint.answer and complaint.answer.id,
            asked=asked and asked.id,
        )
    ]
