"""What makes a case and what unmakes it, as long as no officer has taken it."""

from collections.abc import Callable, Sequence

from contracts.escalation import (
    CaseCause,
    CaseCausesChanged,
    CaseClosed,
    CaseInstructionCarriedOut,
    CaseOutcome,
    CaseRequested,
)
from contracts.values import CaseTrigger, RegulatorReferral
from libs.decider import Context, Event
from services.escalation.domain.commands import (
    CarryOutInstruction,
    DropBreach,
    DropContact,
    DropRepeats,
    EndOnClosing,
    EndOnMerge,
    EndOnWithdrawal,
    GoOnAfterMerge,
    GoOnInCycle,
    HeardCommand,
    RaiseCause,
)
from services.escalation.domain.policy import POLICY, EscalationPolicy
from services.escalation.domain.state import NOTHING, REGULATOR_TIER, Case, Cases

NOT_CONTENT = frozenset({CaseTrigger.DISSATISFIED, CaseTrigger.WISH})
"""What a customer who is not content with a decision may ask for."""

MERGED = "merged"
"""Why a case was withdrawn that an undone merge brings back."""


def policy_at(
    context: Context, command_at: RaiseCause | DropContact | DropRepeats
) -> EscalationPolicy:
    """The policy in force when the fact happened."""
    compiled = context.policies.in_force(POLICY, command_at.at).compiled
    assert isinstance(compiled, EscalationPolicy)
    return compiled


def decide_heard(state: Cases | None, command: HeardCommand, context: Context) -> Sequence[Event]:
    """What comes of something heard on the log; never a refusal, for nobody asked."""
    if state is None and not isinstance(command, RaiseCause | GoOnInCycle):
        return ()
    known = state or NOTHING
    match command:
        case RaiseCause():
            return _raise(known, command, policy_at(context, command))
        case GoOnInCycle():
            return _go_on(known, command, context)
        case DropBreach():
            return _drop(known, "cause_gone", lambda one: one.clock == command.clock)
        case DropRepeats():
            if command.repeat_no >= policy_at(context, command).repeats:
                return ()
            return _drop(known, "cause_gone", lambda one: one.trigger is CaseTrigger.REPEATS)
        case DropContact():
            return _unlink(known, command, policy_at(context, command))
        case EndOnWithdrawal():
            return [_withdrawn(case, "complaint_withdrawn") for case in _ours(known)]
        case EndOnMerge():
            return [_withdrawn(case, MERGED) for case in _ours(known) if not case.taken]
        case GoOnAfterMerge():
            return _go_on_after_merge(known, command)
        case EndOnClosing():
            return _closing(known, command)
        case CarryOutInstruction():
            return _carried_out(known, command)


def _raise(state: Cases, command: RaiseCause, policy: EscalationPolicy) -> Sequence[Event]:
    if command.cycle < state.cycle or not _is_cause(command, policy):
        return ()
    cause = CaseCause(
        trigger=command.trigger,
        cause=command.event,
        clock=command.clock,
        contact=command.contact,
    )
    return _request(state, cause, command.cycle, _tier(state, cause, policy), command.regulator)


def _is_cause(command: RaiseCause, policy: EscalationPolicy) -> bool:
    """DOMAIN rule 10: breach of a resolution promise, the N-th urge, the N-th repeat and every one
    after it (each is a complaint of its own), VIP and severe.
    """
    match command.trigger:
        case CaseTrigger.BREACH:
            assert command.clock is not None
            assert command.purpose is not None
            return policy.resolution_promises.hold(command.clock.clock, command.purpose)
        case CaseTrigger.URGES:
            return command.urge_no == policy.urges
        case CaseTrigger.REPEATS:
            return command.repeat_was < policy.repeats <= command.repeat_no
        case CaseTrigger.VIP_SEVERE:
            return command.urgency in policy.vip_severe.urgencies
        case _:
            return True


def _tier(state: Cases, cause: CaseCause, policy: EscalationPolicy) -> int:
    """The tier that is asked: whom a desk's decision does not content, the next one hears
    (DOMAIN rule 10), not the desk that decided; at the last desk tier, that one again.
    """
    tier = policy.tiers[cause.trigger]
    if cause.trigger not in NOT_CONTENT:
        return tier
    decided = [
        case.tier
        for case in state.cases.values()
        if case.decision is not None and case.tier < REGULATOR_TIER
    ]
    return max([tier, *(policy.passes_up.get(one, one) for one in decided)])


def _request(
    state: Cases,
    cause: CaseCause,
    cycle: int,
    tier: int,
    regulator: RegulatorReferral | None = None,
) -> Sequence[Event]:
    """A new case, or one more cause of the case that is open already.

    A cause counts once for ever, and a complaint has one case at a time beside the regulator's:
    a second breach is one more reason to look at it, not a second case to look at.
    """
    if cause.cause in state.seen:
        return ()
    for case in state.open_cases:
        if case.tier == tier or tier < case.tier < REGULATOR_TIER:
            if cause.clock is not None and any(one.clock == cause.clock for one in case.causes):
                return ()
            return (_changed(case, (*case.causes, cause), cycle),)
    return (
        CaseRequested(
            cycle=cycle,
            case=len(state.cases) + 1,
            tier=tier,
            trigger=cause.trigger,
            cause=cause.cause,
            clock=cause.clock,
            contact=cause.contact,
            regulator=regulator,
        ),
    )


def _go_on(state: Cases, command: GoOnInCycle, context: Context) -> Sequence[Event]:
    """EVENTS 12 and race 6: only a reopening routed to escalation asks, and only once.

    An open case goes on in the new cycle, or nobody would hear what it does there.
    """
    if command.cycle <= state.cycle and state.cases:
        return ()
    asked_already = command.case is not None or command.event in state.seen
    if command.trigger is not None and not asked_already:
        policy = context.policies.in_force(POLICY, command.at).compiled
        assert isinstance(policy, EscalationPolicy)
        cause = CaseCause(trigger=command.trigger, cause=command.event)
        tier = _tier(state, cause, policy)
        asked = _request(state, cause, command.cycle, tier, command.regulator)
    else:
        asked = ()
    joined = {event.case for event in asked if isinstance(event, CaseCausesChanged)}
    carried = [
        _changed(case, case.causes, command.cycle)
        for case in state.open_cases
        if case.number not in joined
    ]
    return [*carried, *asked]


def _unlink(state: Cases, command: DropContact, policy: EscalationPolicy) -> Sequence[Event]:
    """EVENTS race 7: urges count by how many stand, anything else by the contact that said it."""

    def gone(one: CaseCause) -> bool:
        if one.trigger is CaseTrigger.URGES:
            return command.urge_no < policy.urges
        return one.contact == command.contact

    return _drop(state, "unlinked", gone)


def _drop(state: Cases, reason: str, gone: Callable[[CaseCause], bool]) -> Sequence[Event]:
    """A request not yet accepted is withdrawn when its last cause falls away (DOMAIN rule 10)."""
    events: list[Event] = []
    for case in state.open_cases:
        standing = tuple(one for one in case.causes if not gone(one))
        if case.taken or len(standing) == len(case.causes):
            continue
        events.append(
            _changed(case, standing, case.cycle) if standing else _withdrawn(case, reason)
        )
    return events


def _closing(state: Cases, command: EndOnClosing) -> Sequence[Event]:
    """EVENTS race 2: what we asked of our own accord ends with the complaint, so that none is ever
    closed with an open case; what a person asked is asked again, and intake reopens.
    """
    if command.cycle < state.cycle:
        return ()
    events: list[Event] = []
    number = len(state.cases)
    for case in _ours(state):
        if command.case != case.number and (command.case or not case.trigger.automatic):
            continue
        events.append(_withdrawn(case, "complaint_closed"))
        asked = next((one for one in case.causes if not one.trigger.automatic), None)
        if asked is not None and case.trigger.automatic:
            number += 1
            events.append(
                CaseRequested(
                    cycle=case.cycle,
                    case=number,
                    tier=case.tier,
                    trigger=asked.trigger,
                    cause=asked.cause,
                    contact=asked.contact,
                )
            )
    return events


def _go_on_after_merge(state: Cases, command: GoOnAfterMerge) -> Sequence[Event]:
    """The merge alone had withdrawn it, so its causes stand: it is requested again, once."""
    last = max(state.cases.values(), key=lambda case: case.number, default=None)
    if last is None or last.open or last.reason != MERGED or last.cycle < command.cycle:
        return ()
    number = last.number + 1
    first = last.causes[0]
    again = CaseRequested(
        cycle=last.cycle,
        case=number,
        tier=last.tier,
        trigger=first.trigger,
        cause=first.cause,
        clock=first.clock,
        contact=first.contact,
    )
    if len(last.causes) == 1:
        return (again,)
    joined = CaseCausesChanged(cycle=last.cycle, case=number, tier=last.tier, causes=last.causes)
    return (again, joined)


def _carried_out(state: Cases, command: CarryOutInstruction) -> Sequence[Event]:
    case = state.cases.get(command.case)
    if case is None or not case.open:
        return ()
    for instruction in case.instructions:
        if instruction.number == command.instruction and not instruction.done:
            return (
                CaseInstructionCarriedOut(
                    cycle=case.cycle,
                    case=case.number,
                    tier=case.tier,
                    instruction=command.instruction,
                    report=command.report,
                ),
            )
    return ()


def _ours(state: Cases) -> Sequence[Case]:
    """The open cases that end with the complaint: tier 4 goes on (EVENTS 8)."""
    return [case for case in state.open_cases if case.tier != REGULATOR_TIER]


def _changed(case: Case, causes: Sequence[CaseCause], cycle: int) -> CaseCausesChanged:
    return CaseCausesChanged(
        cycle=max(cycle, case.cycle), case=case.number, tier=case.tier, causes=tuple(causes)
    )


def _withdrawn(case: Case, reason: str) -> CaseClosed:
    return CaseClosed(
        cycle=case.cycle,
        case=case.number,
        tier=case.tier,
        outcome=CaseOutcome.WITHDRAWN,
        reason=reason,
        answer=case.decided_by,
        answered_at=case.decided_at,
    )
