"""Calls that nobody tries to make are not the customer's silence: told once, and seen."""

from collections.abc import Sequence
from datetime import datetime

from contracts.feedback_survey import CallMissed
from libs.decider import Event, TimerFired
from services.feedback_survey.domain.state import Call, Feedback

MISSED = "call.missed"
"""The one timer of all calls: the earliest by which somebody should have tried."""


def missed_at(state: Feedback) -> datetime | None:
    """When the next untried call is missed; None: none waits untried, or that was told."""
    return min((call.remind_at for call in _untried(state)), default=None)


def decide_missed(state: Feedback, command: TimerFired) -> Sequence[Event]:
    """Nobody has tried in time: on record once for each call, which still has to be made."""
    return [
        CallMissed(cycle=call.cycle, call=call.id, reason=call.reason, due=call.remind_at)
        for call in _untried(state)
        if call.remind_at <= command.at
    ]


def _untried(state: Feedback) -> Sequence[Call]:
    return [
        call
        for call in state.calls.values()
        if state.waits(call) and not call.tried and not call.missed
    ]
