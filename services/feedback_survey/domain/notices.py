"""Telling the customer: in their language, on their channel, outside the quiet hours."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID, uuid5

from contracts.feedback_survey import (
    CallPlanned,
    CallReason,
    NoticeFact,
    NoticeHeld,
    NoticeIssued,
)
from contracts.values import Correspondent, Medium, NoticeKind, PolicyRef
from libs.decider import Context, Event
from services.feedback_survey.domain.commands import Tell
from services.feedback_survey.domain.policy import POLICY, TEXTS, FeedbackPolicy
from services.feedback_survey.domain.state import ONLY_THIS_CYCLE, Feedback
from services.feedback_survey.domain.texts import Texts

NAMES = UUID("7d9f1f0e-52a5-5d0b-9c43-2a6f4a1f6f10")
"""Namespace of notice and survey ids: the same decision makes the same ids."""


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
        *desk.issue(
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
        rules = context.policies.in_force(POLICY, at)
        self._rules = PolicyRef(name=rules.name, version=rules.version)
        texts = context.policies.in_force(TEXTS, at)
        assert isinstance(texts.compiled, Texts)
        self._texts = texts.compiled
        self._template = PolicyRef(name=texts.name, version=texts.version)
        self._issued = len(state.notices)
        self._planned = len(state.calls)

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
        by: Medium | None = None,
        lapses_at: datetime | None = None,
        answer: UUID | None = None,
        repeats: UUID | None = None,
    ) -> Sequence[Event]:
        """The notice in words, and the call that tells it if it goes `by` one.

        It is marked late when it leaves after the promise lapsed.
        """
        by = by or self.medium(kind)
        exempt = kind is NoticeKind.RECEIPT or by is Medium.ON_THE_SPOT
        leaves = self._now if exempt else self._policy.quiet_hours.after(self._now)
        notice = NoticeIssued(
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
            repeats=repeats,
        )
        return (notice, *self._called(notice))

    def call_out(self, failed: NoticeIssued) -> Sequence[Event]:
        """The same words by a call, because no message got through (EVENTS 36)."""
        notice = failed.model_copy(
            update={
                "notice": self._next_id(),
                "by": Medium.CALL,
                "not_before": self._policy.quiet_hours.after(self._now),
                "repeats": failed.notice,
            }
        )
        return (notice, *self._called(notice))

    def call(
        self,
        cycle: int,
        reason: CallReason,
        not_before: datetime,
        *,
        notice: UUID | None = None,
        remind_after: timedelta | None = None,
        partner: str | None = None,
        forward: int | None = None,
    ) -> CallPlanned:
        """A task for a desk; whoever needs a call for another reason plans it here."""
        self._planned += 1
        leaves = self._policy.quiet_hours.after(not_before)
        return CallPlanned(
            cycle=cycle,
            call=uuid5(NAMES, f"{self._context.subject}|call|{self._planned}"),
            reason=reason,
            notice=notice,
            partner=partner,
            forward=forward,
            not_before=leaves,
            remind_at=leaves + (remind_after or self._policy.calls.remind_after),
            attempts_max=self._policy.calls.attempts_max,
            policy=self._rules,
        )

    def held(self) -> Sequence[Event]:
        """What waited for an address, in the order in which it was to be told."""
        return [
            event
            for one in self._state.held
            if _is_to_be_told(self._state, one)
            for event in self.issue(
                one.cycle,
                one.kind,
                one.template,
                one.facts,
                lapses_at=one.lapses_at,
                answer=one.answer,
            )
        ]

    def _called(self, notice: NoticeIssued) -> Sequence[Event]:
        if notice.by is not Medium.CALL:
            return ()
        asks = notice.kind in (NoticeKind.SURVEY, NoticeKind.REMINDER)
        reason = CallReason.SURVEY if asks else CallReason.TELL
        return (self.call(notice.cycle, reason, notice.not_before, notice=notice.notice),)

    def _next_id(self) -> UUID:
        self._issued += 1
        return uuid5(NAMES, f"{self._context.subject}|notice|{self._issued}")
