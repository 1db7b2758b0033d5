"""The case stream of a complaint: one decide and one evolve over cases and compensation."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from types import MappingProxyType
from typing import Any, get_args

from contracts.escalation import (
    CaseAccepted,
    CaseCause,
    CaseCausesChanged,
    CaseClosed,
    CaseCorrectionMissed,
    CaseCustomerContacted,
    CaseDecided,
    CaseDeclined,
    CaseEvent,
    CaseInstructed,
    CaseInstructionCarriedOut,
    CaseReported,
    CaseRequested,
    CompensationEvent,
    CompensationGranted,
    CompensationLapsed,
    CompensationRefused,
    CompensationSubmitted,
    ReportedWhat,
)
from libs.decider import Context, Decider, Event, Recorded, TimerFired
from services.escalation.domain.causes import decide_heard
from services.escalation.domain.commands import DeskCommand, HeardCommand, MoneyCommand
from services.escalation.domain.compensation import decide_money
from services.escalation.domain.correcting import time_passed, timers
from services.escalation.domain.desk import decide_desk
from services.escalation.domain.standing import stands
from services.escalation.domain.state import (
    NOTHING,
    ZERO,
    Award,
    Case,
    Cases,
    Instruction,
    Stage,
)


class CaseTimer(TimerFired):
    """A corrective action has come due."""


def decide(
    state: Cases | None,
    command: HeardCommand | DeskCommand | MoneyCommand | TimerFired,
    context: Context,
) -> Sequence[Event]:
    """Pure; raises DomainError for what the desk may not do."""
    if isinstance(command, TimerFired):
        return time_passed(state, command)
    if isinstance(command, HeardCommand):
        return decide_heard(state, command, context)
    if isinstance(command, DeskCommand):
        return decide_desk(state, command, context)
    return decide_money(state, command, context)


def evolve(state: Cases | None, recorded: Recorded[CaseEvent | CompensationEvent]) -> Cases:
    """Folds one event; total, without guards, for it runs at every replay."""
    known = state or NOTHING
    event = recorded.data
    cycle = max(known.cycle, event.cycle)
    if isinstance(event, CompensationEvent):
        return _money(replace(known, cycle=cycle), event, recorded)
    case = _case(known.cases.get(event.case), event, recorded)
    return replace(
        known,
        cycle=cycle,
        cases=MappingProxyType({**known.cases, case.number: case}),
        seen=known.seen.union(one.cause for one in case.causes),
    )


def _case(case: Case | None, event: CaseEvent, recorded: Recorded[Any]) -> Case:
    if isinstance(event, CaseRequested):
        return _requested(event, recorded)
    assert case is not None
    at = recorded.at
    case = replace(case, cycle=max(case.cycle, event.cycle))
    match event:
        case CaseCausesChanged():
            return replace(case, causes=event.causes)
        case CaseDeclined():
            return replace(case, stage=Stage.DECLINED, reason=event.reason, ended_at=at)
        case CaseAccepted():
            return replace(case, stage=Stage.ACCEPTED, officer=event.officer, accepted_at=at)
        case CaseCustomerContacted():
            reached = case.contacted_at is None and event.reached
            return replace(case, contacted_at=at) if reached else case
        case CaseInstructed():
            new = Instruction(event.instruction, event.team, event.due)
            return replace(case, instructions=(*case.instructions, new))
        case CaseInstructionCarriedOut():
            told = tuple(
                replace(one, done=one.done or one.number == event.instruction)
                for one in case.instructions
            )
            return replace(case, instructions=told)
        case CaseDecided():
            return replace(
                case,
                stage=Stage.DECIDED,
                decision=event.decision,
                decided_by=recorded.id,
                decided_at=at,
                final=event.final,
                corrective_action=event.corrective_action,
            )
        case CaseReported():
            reports = MappingProxyType({**case.reports, event.what: event.ref})
            done = at if event.what is ReportedWhat.CORRECTIVE_ACTION else case.corrected_at
            return replace(case, reports=reports, corrected_at=done)
        case CaseCorrectionMissed():
            return replace(case, correction_overdue=True)
        case CaseClosed():
            return replace(
                case,
                stage=Stage.CLOSED,
                outcome=event.outcome,
                reason=event.reason,
                ended_at=at,
            )
        case _:
            return case


def _requested(event: CaseRequested, recorded: Recorded[Any]) -> Case:
    cause = CaseCause(
        trigger=event.trigger, cause=event.cause, clock=event.clock, contact=event.contact
    )
    return Case(
        number=event.case,
        tier=event.tier,
        cycle=event.cycle,
        trigger=event.trigger,
        causes=(cause,),
        requested_at=recorded.at,
    )


def _money(state: Cases, event: CompensationEvent, recorded: Recorded[Any]) -> Cases:
    awards: Mapping[int, Award] = state.awards
    known = awards.get(event.finding)
    granted = state.granted
    match event:
        case CompensationSubmitted():
            award = _submitted(event, awards, recorded)
        case CompensationGranted():
            award = replace(
                known if known and known.asked == event.asked else _fresh(event, recorded),
                amount=event.amount,
                pending=False,
                granted=_granted_before(awards, event) + event.amount,
                supplement_to=event.supplement_to,
                settled_at=recorded.at,
                settled_by=event.by,
            )
            granted = event.total
        case CompensationRefused():
            assert known is not None
            award = replace(
                known,
                pending=False,
                refused=True,
                settled_at=recorded.at,
                settled_by=event.by,
            )
        case _:
            return state
    return replace(
        state, awards=MappingProxyType({**awards, event.finding: award}), granted=granted
    )


def _granted_before(
    awards: Mapping[int, Award], event: CompensationSubmitted | CompensationGranted
) -> Decimal:
    """What the findings that this one corrects were given."""
    return awards[event.supplement_to].granted if event.supplement_to else ZERO


def _submitted(
    event: CompensationSubmitted, awards: Mapping[int, Award], recorded: Recorded[Any]
) -> Award:
    return Award(
        finding=event.finding,
        asked=event.asked,
        basis=event.basis,
        amount=event.amount,
        proposed_by=event.proposed_by,
        not_by=frozenset(event.not_by),
        role=event.role,
        paid_by=event.paid_by,
        pending=True,
        authority=event.authority,
        granted=_granted_before(awards, event),
        supplement_to=event.supplement_to,
        asked_at=recorded.at,
    )


def _fresh(event: CompensationGranted, recorded: Recorded[Any]) -> Award:
    """Granted within the role's limit: asked for and given at once."""
    return Award(
        finding=event.finding,
        asked=event.asked,
        basis=event.basis,
        amount=event.amount,
        proposed_by=event.by,
        not_by=frozenset({event.by}),
        role=event.role,
        paid_by=event.paid_by,
        pending=False,
        asked_at=recorded.at,
    )


CASES: Decider[Cases] = Decider(
    kind="case",
    commands=(*get_args(HeardCommand | DeskCommand | MoneyCommand), CaseTimer),
    events=(
        CaseRequested,
        CaseCausesChanged,
        CaseDeclined,
        CaseAccepted,
        CaseCustomerContacted,
        CaseInstructed,
        CaseInstructionCarriedOut,
        CaseDecided,
        CaseReported,
        CaseCorrectionMissed,
        CaseClosed,
        CompensationSubmitted,
        CompensationGranted,
        CompensationRefused,
        CompensationLapsed,
    ),
    decide=decide,
    evolve=evolve,
    timers=timers,
    stands=stands,
    timer_command=CaseTimer,
)
"""The case stream; `views` adds what it shows."""
