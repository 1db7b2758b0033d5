"""Closed cases of an older system: registered, answered and closed at their own times, in one go.

History starts no work: it is never verified, so nobody routes it; it is answered without asking, so
nobody is surveyed; and no notice leaves for it. It is closed from its first decision on, with the
outcome *imported*, and so neither found by the duplicate window nor taken up again by a contact.
"""

from datetime import datetime
from uuid import UUID

from contracts.intake import (
    ComplaintAnswered,
    ComplaintClosed,
    ComplaintRegistered,
    History,
    Outcome,
    Registration,
)
from contracts.values import PolicyRef
from libs.decider import Event, Refused


class AnsweredBeforeTold(Refused):
    """The case was answered before its words came, by its own times; correct them."""

    rule = "answered-before-told"
    zh = "历史工单的答复时间早于来访时间,请更正"


class ClosedBeforeAnswered(Refused):
    """The case was closed before it was answered, by its own times; correct them."""

    rule = "closed-before-answered"
    zh = "历史工单的办结时间早于答复时间,请更正"


class NotYetClosed(Refused):
    """History is over: the case was answered or closed later than now. Tell it as plain words."""

    rule = "history-not-over"
    zh = "历史工单尚未办结,请按新投诉登记"


def check_times(
    told_at: datetime, answered_at: datetime, closed_at: datetime, now: datetime
) -> None:
    """Told, answered, closed, imported: in this order; raises Refused."""
    if answered_at < told_at:
        raise AnsweredBeforeTold
    if closed_at < answered_at:
        raise ClosedBeforeAnswered
    if closed_at > now:
        raise NotYetClosed


def taken_over(registration: Registration, history: History, policy: PolicyRef) -> list[Event]:
    """The whole loop as the older system closed it; each event dated (`occurredat`) as it was."""
    told: UUID = registration.contact.id
    return [
        ComplaintRegistered(
            cycle=1,
            registration=registration,
            policy=policy,
            occurred_at=registration.clock_from,
        ),
        ComplaintAnswered(
            cycle=1,
            answer=told,
            answered_at=history.answered_at,
            ask=False,
            correspondent=registration.correspondent,
            occurred_at=history.answered_at,
        ),
        ComplaintClosed(
            cycle=1, outcome=Outcome.IMPORTED, answer=told, occurred_at=history.closed_at
        ),
    ]
