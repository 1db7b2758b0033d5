"""The call that confirms with the customer that a partner has answered (DOMAIN rule 7)."""

from collections.abc import Sequence

from contracts.feedback_survey import CallReason
from libs.decider import Context, Event
from services.feedback_survey.domain.commands import PlanConfirmation
from services.feedback_survey.domain.notices import Telling
from services.feedback_survey.domain.state import Feedback


def decide_confirm(state: Feedback, command: PlanConfirmation, context: Context) -> Sequence[Event]:
    """One call at a time, however often partners answer before it is made.

    It has no words of its own: whoever calls asks whether the partner's answer came and helped.
    Nobody is called who cannot be, who has withdrawn, or about a cycle that is over.
    """
    to = state.correspondent
    if state.stopped or to is None or not to.reachable:
        return ()
    if command.cycle < state.cycle or command.cycle <= state.withdrawn_in:
        return ()
    if any(one.reason is CallReason.CONFIRM and state.waits(one) for one in state.calls.values()):
        return ()
    telling = Telling(state, to, context, command.at)
    return [telling.call(command.cycle, CallReason.CONFIRM, max(context.now, command.at))]
