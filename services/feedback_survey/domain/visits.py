"""Follow-up visits to important customers (004 客户回访): after the closing, once a complaint."""

from collections.abc import Sequence

from contracts.feedback_survey import CallCalledOff, CallReason, VisitRecorded
from contracts.values import PolicyRef
from libs.decider import Context, Event
from services.feedback_survey.domain.commands import CallOffVisit, PlanVisit, RecordCall
from services.feedback_survey.domain.notices import Telling, feedback_policy
from services.feedback_survey.domain.policy import POLICY
from services.feedback_survey.domain.state import Call, Feedback


def decide_plan(state: Feedback, command: PlanVisit, context: Context) -> Sequence[Event]:
    """Planned by policy; never two for one complaint, but one called off was none."""
    rules = feedback_policy(context, command.at).visits
    to = state.correspondent
    known = [one for one in _visits(state) if one.called_off is None]
    if state.stops(command.cycle) or known or command.cycle < state.cycle:
        return ()
    if to is None or not to.reachable:
        return ()
    if to.value_tier not in rules.value_tiers or command.outcome not in rules.outcomes:
        return ()
    telling = Telling(state, to, context, command.at)
    return [
        telling.call(
            command.cycle,
            CallReason.VISIT,
            command.at + rules.after,
            remind_after=rules.within,
        )
    ]


def decide_call_off(state: Feedback, command: CallOffVisit) -> Sequence[Event]:
    """Reopened before anybody made it: the new cycle asks, and its closing plans anew."""
    return [
        CallCalledOff(cycle=command.cycle, call=one.id, reason="reopened")
        for one in _visits(state)
        if state.waits(one)
    ]


def visited(call: Call, said: RecordCall, context: Context) -> VisitRecorded:
    """What the customer said; intake may reopen what a dissatisfied one is about."""
    policy = context.policies.in_force(POLICY, said.at)
    return VisitRecorded(
        cycle=call.cycle,
        call=call.id,
        score=said.score,
        resolved=said.resolved,
        satisfied=feedback_policy(context, said.at).survey.weigh(said.score, said.resolved),
        words=said.words,
        policy=PolicyRef(name=policy.name, version=policy.version),
    )


def _visits(state: Feedback) -> Sequence[Call]:
    return [one for one in state.calls.values() if one.reason is CallReason.VISIT]
