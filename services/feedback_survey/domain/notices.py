"""Telling the customer: in their language, on their channel, outside the quiet hours."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID, uuid5

from contracts.feedback_survey import NoticeAttempted, NoticeFact, NoticeHeld, NoticeIssued
from contracts.values import Correspondent, DeliveryResult, Medium, NoticeKind, PolicyRef
from libs.decider import Context, Event
from services.feedback_survey.domain.commands import ReportDelivery, Tell
from services.feedback_survey.domain.policy import POLICY, TEXTS, FeedbackPolicy
from services.feedback_survey.domain.state import CALL_INSTEAD, Feedback, Notice
from services.feedback_survey.domain.texts import Texts

NAMES = UUID("7d9f1f0e-52a5-5d0b-9c43-2a6f4a1f6f10")
"""Namespace of notice and survey ids: the same decision makes the same ids."""

ONLY_THIS_CYCLE = frozenset({NoticeKind.QUESTION, NoticeKind.DELAY, NoticeKind.ANSWER})
"""What is not told any more once the complaint went on to a new cycle, or was withdrawn."""


def feedback_policy(context: Context, at: datetime) -> FeedbackPolicy:
    """The feedback policy in force at that instant."""
    compiled = context.policies.in_force(POLICY, at).compiled
    assert isinstance(compiled, FeedbackPolicy)
    return compiled


def decide_tell(state: Feedback, command: Tell, context: Context) -> Sequence[Event]:
    """The notice, or a note that it waits until the complaint's address has been heard.

    The address comes with sla_watch's clocks.started or with intake's own word, on other streams
    than the work's: after an outage an answer can be heard first, and must not get lost.
    """
    if not _is_to_be_told(state, command):
        return ()
    to = command.correspondent or state.correspondent
    if to is None:
        return (
            NoticeHeld(
                cycle=command.cycle,
                kind=command.kind,
                template=command.template,
                facts=command.facts,
                lapses_at=command.lapses_at,
                answer=command.answer,
            ),
        )
    desk = Telling(state, to, context, command.at)
    return (
        desk.issue(
            command.cycle,
            command.kind,
            command.template,
            command.facts,
            lapses_at=command.lapses_at,
            answer=command.answer,
        ),
        *desk.held(),
    )


def _is_to_be_told(state: Feedback, told: Tell | NoticeHeld) -> bool:
    if told.kind is NoticeKind.RECEIPT:
        return not state.receipt
    if told.kind in ONLY_THIS_CYCLE:
        return told.cycle >= state.cycle and told.cycle > state.withdrawn_in
    return True


class Telling:
    """Issues notices of one decision to one customer; numbers them on from the state."""

    def __init__(self, state: Feedback, to: Correspondent, context: Context, at: datetime) -> None:
        self._state = state
        self._to = to
        self._context = context
        self._now = max(context.now, at)
        self._policy = feedback_policy(context, at)
        texts = context.policies.in_force(TEXTS, at)
        assert isinstance(texts.compiled, Texts)
        self._texts = texts.compiled
        self._template = PolicyRef(name=texts.name, version=texts.version)
        self._issued = len(state.notices)

    def medium(self, kind: NoticeKind) -> Medium:
        """How a notice of this kind reaches this customer."""
        return self._policy.medium(kind, self._to)

    def issue(
        self,
        cycle: int,
        kind: NoticeKind,
        template: str,
        facts: Sequence[NoticeFact] = (),
        *,
        lapses_at: datetime | None = None,
        answer: UUID | None = None,
    ) -> NoticeIssued:
        """The notice in words; marked late when it leaves after the promise lapsed."""
        by = self.medium(kind)
        exempt = kind is NoticeKind.RECEIPT or by is Medium.ON_THE_SPOT
        leaves = self._now if exempt else self._policy.quiet_hours.after(self._now)
        return NoticeIssued(
            cycle=cycle,
            notice=self._next_id(),
            kind=kind,
            by=by,
            reply_to=None if by is Medium.ON_THE_SPOT else self._to.reply_to,
            not_before=leaves,
            late=kind is NoticeKind.DELAY and lapses_at is not None and leaves > lapses_at,
            template=self._template,
            text=self._texts.render(template, self._to.language, self._to.receipt, facts),
            correspondent=self._to,
            answer=answer,
        )

    def call_out(self, failed: NoticeIssued) -> NoticeIssued:
        """The same words by a call, because no message got through (EVENTS 36)."""
        return failed.model_copy(
            update={
                "notice": self._next_id(),
                "by": Medium.CALL,
                "not_before": self._policy.quiet_hours.after(self._now),
                "repeats": failed.notice,
            }
        )

    def held(self) -> Sequence[NoticeIssued]:
        """What waited for an address, in the order in which it was to be told."""
        return [
            self.issue(
                one.cycle,
                one.kind,
                one.template,
                one.facts,
                lapses_at=one.lapses_at,
                answer=one.answer,
            )
            for one in self._state.held
            if _is_to_be_told(self._state, one)
        ]

    def _next_id(self) -> UUID:
        self._issued += 1
        return uuid5(NAMES, f"{self._context.subject}|notice|{self._issued}")


def decide_delivery(state: Feedback, command: ReportDelivery, context: Context) -> Sequence[Event]:
    """Every attempt is on record; a failed answer or survey is told by a call instead."""
    notice = state.notices.get(command.notice)
    attempt = (command.tried_at, command.by, command.result)
    if notice is None or attempt in notice.attempts:
        return ()
    events: list[Event] = [
        NoticeAttempted(
            cycle=notice.cycle,
            notice=notice.id,
            by=command.by,
            result=command.result,
            at=command.tried_at,
            reason=command.reason,
        )
    ]
    if command.result is DeliveryResult.FAILED and _is_called_instead(state, notice):
        assert notice.issued is not None
        telling = Telling(state, notice.issued.correspondent, context, command.at)
        events.append(telling.call_out(notice.issued))
    return events


def _is_called_instead(state: Feedback, notice: Notice) -> bool:
    if notice.kind not in CALL_INSTEAD or notice.by is not Medium.MESSAGE or notice.got_through:
        return False
    if any(other.repeats == notice.id for other in state.notices.values()):
        return False
    survey = state.surveys.get(notice.cycle)
    return survey is None or survey.outcome is None
