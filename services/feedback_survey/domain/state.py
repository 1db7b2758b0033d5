"""What a complaint's feedback stream folds into: whom to tell, what was told, and each asking."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from uuid import UUID

from contracts.feedback_survey import CallReason, NoticeHeld, NoticeIssued, SurveyOutcome
from contracts.values import Correspondent, DeliveryResult, Medium, NoticeKind, StaffRef
from libs.decider import State

CALL_INSTEAD = frozenset({NoticeKind.ANSWER, NoticeKind.SURVEY})
"""What is told by a call when no message reaches the customer (EVENTS 36)."""

THROUGH = frozenset({DeliveryResult.DELIVERED, DeliveryResult.REACHED})
"""The results by which the customer has it."""

ENDS_WITH_THE_ASKING = frozenset({NoticeKind.ANSWER, NoticeKind.SURVEY, NoticeKind.REMINDER})
"""Calls about these are not made any more once the cycle's asking is over."""

ONLY_THIS_CYCLE = frozenset({NoticeKind.QUESTION, NoticeKind.DELAY, NoticeKind.ANSWER})
"""What is not told any more once the complaint went on to a new cycle, or was withdrawn."""


@dataclass(frozen=True, slots=True)
class Notice:
    """One notice that left, and what became of it; `issued` is kept while a call may tell it."""

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
    def asked_at(self) -> datetime | None:
        """When the customer may have it: sent and not failed, or told by a call that reached."""
        if self.by is not Medium.CALL:
            return None if self.result is DeliveryResult.FAILED else self.issued_at
        return next((at for at, _, result in self.attempts if result in THROUGH), None)

    @property
    def got_through(self) -> bool:
        """Whether any attempt reached the customer."""
        return any(result in THROUGH for _, _, result in self.attempts)


@dataclass(frozen=True, slots=True)
class Tried:
    """One attempt at a call."""

    at: datetime
    reached: bool
    by: StaffRef | None
    how: Medium = Medium.CALL


@dataclass(frozen=True, slots=True)
class Call:
    """A customer to call back: by whom it was taken, how often tried, and whether it is over."""

    id: UUID
    number: int
    reason: CallReason
    cycle: int
    notice: UUID | None
    planned_at: datetime
    not_before: datetime
    remind_at: datetime
    attempts_max: int
    partner: str | None = None
    """Whose answer it confirms."""
    forward: int | None = None
    tried: tuple[Tried, ...] = ()
    taken_by: StaffRef | None = None
    taken_until: datetime | None = None
    called_off: str | None = None
    missed: bool = False
    """Nobody had tried when the desk was to be reminded: told once."""

    @property
    def reached(self) -> bool:
        """Whether the customer was reached."""
        return any(one.reached for one in self.tried)

    @property
    def over(self) -> bool:
        """Reached, tried often enough, or called off."""
        often_enough = len(self.tried) >= self.attempts_max
        return self.reached or often_enough or self.called_off is not None

    def held_by_other(self, by: StaffRef | None, at: datetime) -> bool:
        """Whether somebody else has it now."""
        held = self.taken_until is not None and at < self.taken_until
        return held and by != self.taken_by

    def held_by(self, by: StaffRef | None, at: datetime) -> bool:
        """Whether they have it now."""
        held = self.taken_until is not None and at < self.taken_until
        return held and by == self.taken_by


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
class Visited:
    """What the customer said at a follow-up visit, and when."""

    call: UUID
    at: datetime
    score: int | None
    resolved: bool | None
    satisfied: bool | None


@dataclass(frozen=True, slots=True)
class Feedback(State):
    """All that one complaint's customer was told and asked."""

    cycle: int = 1
    correspondent: Correspondent | None = None
    notices: Mapping[UUID, Notice] = field(default_factory=lambda: MappingProxyType({}))
    calls: Mapping[UUID, Call] = field(default_factory=lambda: MappingProxyType({}))
    surveys: Mapping[int, Survey] = field(default_factory=lambda: MappingProxyType({}))
    asked: int = 0
    """Surveys ever asked: numbers their ids."""
    visit: Visited | None = None
    """What came of the one follow-up visit."""
    denied: frozenset[int] = frozenset()
    """Forwards of which the customer last said that the partner had not answered."""
    held: tuple[NoticeHeld, ...] = ()
    receipt: bool = False
    stopped_in: int = 0
    """Nobody asks or calls about cycles up to this one: the customer's data was locked then."""
    stopped_for_good: bool = False
    """Nor about any later one: it is destroyed."""
    withdrawn_in: int = 0
    """The cycle in which the customer took the complaint back; 0: never."""

    def stops(self, cycle: int) -> bool:
        """Whether nobody asks or calls about this cycle."""
        return self.stopped_for_good or cycle <= self.stopped_in

    @property
    def open_survey(self) -> Survey | None:
        """The survey that waits for an answer; there is one at most."""
        return next((one for one in self.surveys.values() if one.open), None)

    @property
    def last_survey(self) -> Survey | None:
        """The latest survey that was really asked."""
        asked = [one for one in self.surveys.values() if one.id is not None]
        return asked[-1] if asked else None

    def waits(self, call: Call) -> bool:
        """Whether somebody still has to make this call."""
        return not call.over and not self.overtaken(call)

    def overtaken(self, call: Call) -> bool:
        """Whether it has nothing to tell or ask any more."""
        if call.reason is CallReason.CONFIRM:
            over = call.cycle < self.cycle or call.cycle <= self.withdrawn_in
            return self.stops(call.cycle) or over
        if self.stops(call.cycle) or call.notice is None:
            return self.stops(call.cycle)
        notice = self.notices[call.notice]
        survey = self.surveys.get(notice.cycle)
        asked = survey is not None and survey.outcome is not None
        gone = notice.cycle < self.cycle or notice.cycle <= self.withdrawn_in
        return (asked and notice.kind in ENDS_WITH_THE_ASKING) or (
            gone and notice.kind in ONLY_THIS_CYCLE
        )

    def script(self, call: Call) -> NoticeIssued | None:
        """What is to be said on this call, while it waits; None: it has no words of its own."""
        return None if call.notice is None else self.notices[call.notice].issued

    def call_about(self, notice: UUID) -> Call | None:
        """The call that tells or asks this notice."""
        return next((one for one in self.calls.values() if one.notice == notice), None)

    def asked_by(self, survey: Survey) -> Notice | None:
        """The latest notice that asks this survey: by message, or by a call instead."""
        asking = [
            one
            for one in self.notices.values()
            if one.kind is NoticeKind.SURVEY and one.cycle == survey.cycle
        ]
        return asking[-1] if asking else None


NOTHING = Feedback()
"""A complaint of which nobody was told anything yet."""
