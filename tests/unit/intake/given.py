"""Complaints in every state that intake's tests start from, told through commands only."""

from datetime import datetime
from uuid import UUID

from contracts.escalation import CaseOutcome
from contracts.feedback_survey import SurveyOutcome
from contracts.intake import Check, MatchedBy, NotedState, Standalone, WithdrawnBy
from contracts.values import (
    CaseTrigger,
    Category,
    ChannelKind,
    Classified,
    ContactKind,
    Profile,
    ReplyTo,
)
from libs.decider.story import Story
from services.intake.domain.commands import (
    ConcludeSurvey,
    LinkContact,
    RecordAnswer,
    RecordCaseEnded,
    RecordCaseRequested,
    RecordTold,
    RegisterComplaint,
    VerifyComplaint,
    Withdraw,
)
from tests.unit.intake.world import (
    HOUR,
    PERSON,
    TOLD,
    complaint_story,
    contact,
    event_id,
    registration,
)

ANSWER = event_id(1)
SURVEY = event_id(2)


def open_complaint() -> Story:
    """Registered and verified."""
    return complaint_story().when(RegisterComplaint(at=TOLD, registration=registration()))


def requested(
    case: int = 1, tier: int = 2, trigger: CaseTrigger = CaseTrigger.BREACH, **more: object
) -> RecordCaseRequested:
    """A case of the 10015 desk, requested."""
    return RecordCaseRequested.model_validate(
        {
            "at": TOLD + HOUR,
            "case": case,
            "tier": tier,
            "trigger": trigger,
            "request": event_id(100 + case),
            **more,
        }
    )


def ended(case: int = 1, tier: int = 2, **more: object) -> RecordCaseEnded:
    """The same, over."""
    return RecordCaseEnded.model_validate(
        {
            "at": TOLD + 6 * HOUR,
            "cycle": 1,
            "case": case,
            "tier": tier,
            "state": NotedState.ENDED,
            "outcome": CaseOutcome.SETTLED,
            **more,
        }
    )


def with_open_case() -> Story:
    """A case of tier 2 is open."""
    return open_complaint().when(requested())


def with_regulator_case() -> Story:
    """A case of tier 4 is open."""
    return open_complaint().when(requested(tier=4, trigger=CaseTrigger.REGULATOR))


def answer(
    cycle: int = 1, when: datetime = TOLD + 2 * HOUR, identity: UUID = ANSWER
) -> RecordAnswer:
    """The owner answers."""
    return RecordAnswer(at=when, cycle=cycle, answer=identity)


def concluded(
    outcome: SurveyOutcome, cycle: int = 1, when: datetime = TOLD + 4 * HOUR
) -> ConcludeSurvey:
    """The asking is over."""
    return ConcludeSurvey(at=when, cycle=cycle, asked=SURVEY, outcome=outcome)


def asked() -> Story:
    """Answered and asked."""
    return open_complaint().when(answer())


def closed(outcome: SurveyOutcome = SurveyOutcome.SATISFIED) -> Story:
    """Closed on Sat 13:00 with this outcome."""
    return asked().when(concluded(outcome))


def withdraw(when: datetime = TOLD + 3 * HOUR) -> Withdraw:
    """Staff record that the customer takes it back."""
    return Withdraw(at=when, by=WithdrawnBy.STAFF, reason="customer_said")


def rejected() -> Story:
    """Found not valid by the desk."""
    told = RegisterComplaint(at=TOLD, registration=registration(representative=True))
    verify = VerifyComplaint(at=TOLD, valid=False, reason="no_papers", checked=(Check.IDENTITY,))
    return complaint_story().when(told).when(verify)


def told_of_rejection(when: datetime = TOLD + HOUR) -> RecordTold:
    """The answer notice about it went out."""
    return RecordTold(at=when, notice=event_id(3))


def link(
    message: str,
    when: datetime,
    kind: ContactKind = ContactKind.URGE,
    *,
    by: MatchedBy = MatchedBy.RECEIPT,
    channel: ChannelKind = ChannelKind.WECHAT,
    source: str = "wechat",
    reply_to: ReplyTo | None = None,
) -> LinkContact:
    """A further contact, with words of its own."""
    return LinkContact(
        at=when,
        contact=contact(message, when, kind, channel, source),
        matched_by=by,
        text=f"sealed-{message}",
        standalone=Standalone(
            person=PERSON,
            reply_to=reply_to,
            profile=Profile.model_validate(
                {
                    "kind": "complaint",
                    "category": Category.BILLING,
                    "urgency": "ordinary",
                    "channel": channel,
                }
            ),
            classified=Classified(by="channel"),
        ),
    )
