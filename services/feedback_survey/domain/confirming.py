"""The call that confirms with the customer that a partner has answered (DOMAIN rule 7)."""

from collections.abc import Sequence

from contracts.feedback_survey import CallReason, ConfirmationRecorded
from libs.decider import Context, Event, Refused
from services.feedback_survey.domain.commands import PlanConfirmation, RecordCall
from services.feedback_survey.domain.notices import Telling
from services.feedback_survey.domain.state import Call, Feedback, Survey
from services.feedback_survey.domain.surveys import answered


class NotConfirmed(Refused):
    """The customer was reached: say whether the partner had answered them."""

    rule = "not-confirmed"
    zh = "已接通客户,请填写合作方是否已答复客户"


def decide_confirm(state: Feedback, command: PlanConfirmation, context: Context) -> Sequence[Event]:
    """One call at a time for what a partner was forwarded, however often it answers before that.

    It has no words of its own: whoever calls asks whether the partner's answer came and helped.
    Nobody is called who cannot be, who has withdrawn, or about a cycle that is over.
    """
    to = state.correspondent
    if state.stops(command.cycle) or to is None or not to.reachable:
        return ()
    if command.cycle < state.cycle or command.cycle <= state.withdrawn_in:
        return ()
    if command.only_if_denied and command.forward not in state.denied:
        return ()
    if any(one.forward == command.forward and state.waits(one) for one in state.calls.values()):
        return ()
    telling = Telling(state, to, context, command.at)
    return [
        telling.call(
            command.cycle,
            CallReason.CONFIRM,
            max(context.now, command.at),
            partner=command.partner,
            forward=command.forward,
        )
    ]


def confirmed(
    call: Call, said: RecordCall, survey: Survey | None, context: Context
) -> Sequence[Event]:
    """What the customer said of the partner's answer.

    Whoever is not content while our own answer is asked about has answered that, too: not resolved.
    """
    assert call.partner is not None
    assert call.forward is not None
    if said.answered is None:
        raise NotConfirmed
    told = ConfirmationRecorded(
        cycle=call.cycle,
        call=call.id,
        partner=call.partner,
        forward=call.forward,
        answered=said.answered,
        content=said.content,
        words=said.words,
    )
    if said.content is not False or survey is None or survey.cycle != call.cycle:
        return [told]
    not_resolved = said.model_copy(update={"resolved": False})
    return [told, *answered(survey, not_resolved, context, None)]
