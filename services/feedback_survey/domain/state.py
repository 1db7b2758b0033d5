"""What a complaint's feedback stream folds into: whom to tell, what was told, and each asking."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from uuid import UUID

from contracts.feedback_survey import NoticeHeld, NoticeIssued, SurveyOutcome
from contracts.values import Correspondent, DeliveryResult, Medium, NoticeKind
from libs.decider import State

CALL_INSTEAD = frozenset({NoticeKind.ANSWER, NoticeKind.SURVEY})
"""What is told by a call when no message reaches the customer (EVENTS 36)."""

ENDS_WITH_THE_ASKING = frozenset({NoticeKind.ANSWER, NoticeKind.SURVEY, NoticeKind.REMINDER})
"""Calls about these are not made any more once the cycle's asking is over."""


@dataclass(frozen=True, slots=True)
class Notice:
    """One notice that left, and what became of it; `issued` is kept while it may be called out."""

    id: UUID
    number: int
    kind: NoticeKind
    cycle: int
    by: Medium
    issued_at: datetime
    not_before: datetime
    late: bool
    template: str
    answer: UUID | None
    repeats: UUID | None
    issued: NoticeIssued | None
    attempts: tuple[tuple[datetime, Medium, DeliveryResult], ...] = ()

    @property
    def result(self) -> DeliveryResult | None:
        """What came of the last attempt."""
        return self.attempts[-1][2] if self.attempts else None

    @property
    def got_through(self) -> bool:
        """Whether any attempt reached the customer."""
        reached = (DeliveryResult.DELIVERED, DeliveryResult.REACHED)
        return any(result in reached for _, _, result in self.attempts)


@dataclass(frozen=True, slots=True)
class Survey:
    """One cycle's asking: `id` is None when nobody could be asked."""

    cycle: int
    id: UUID | None = None
    answer: UUID | None = None
    by: Medium | None = None
    asked_at: datetime | None = None
    remind_at: datetime | None = None
    expires: datetime | None = None
    reminded: bool = False
    contacts: frozenset[UUID] = frozenset()
    score: int | None = None
    resolved: bool | None = None
    satisfied: bool | None = None
    answered_at: datetime | None = None
    late_score: int | None = None
    late_satisfied: bool | None = None
    late_at: datetime | None = None
    outcome: SurveyOutcome | None = None
    reason: str | None = None
    concluded_at: datetime | None = None

    @property
    def open(self) -> bool:
        """Whether an answer is still waited for."""
        return self.id is not None and self.outcome is None


@dataclass(frozen=True, slots=True)
class Feedback(State):
    """All that one complaint's customer was told and asked."""

    cycle: int = 1
    correspondent: Correspondent | None = None
    notices: Mapping[UUID, Notice] = field(default_factory=lambda: MappingProxyType({}))
    surveys: Mapping[int, Survey] = field(default_factory=lambda: MappingProxyType({}))
    asked: int = 0
    """Surveys ever asked: numbers their ids."""
    held: tuple[NoticeHeld, ...] = ()
    receipt: bool = False
    withdrawn_in: int = 0
    """The cycle in which the customer took the complaint back; 0: never."""

    @property
    def open_survey(self) -> Survey | None:
        """The survey that waits for an answer; there is one at most."""
        return next((one for one in self.surveys.values() if one.open), None)

    @property
    def last_survey(self) -> Survey | None:
        """The latest survey that was really asked."""
        asked = [one for one in self.surveys.values() if one.id is not None]
        return asked[-1] if asked else None

    def waits_for_call(self, notice: Notice) -> bool:
        """Whether somebody still has to call the customer about this notice."""
        if notice.by is not Medium.CALL or notice.got_through:
            return False
        survey = self.surveys.get(notice.cycle)
        over = survey is not None and survey.outcome is not None
        return not (over and notice.kind in ENDS_WITH_THE_ASKING)


NOTHING = Feedback()
"""A complaint of which nobody was told anything yet."""
