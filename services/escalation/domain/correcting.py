"""Corrective actions past due are seen: once, at the due instant (DOMAIN rule 10, 003 限时整改)."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from contracts.escalation import CaseCorrectionMissed
from libs.decider import Event, TimerFired
from services.escalation.domain.state import Cases

NEXT = "correction"
"""The one timer of a complaint's cases: the earliest due of a correction still owed."""


def timers(state: Cases) -> Mapping[str, datetime]:
    """When to look at the corrective actions next; none waits for what is done, or was told."""
    dues = [
        case.corrective_action.due
        for case in state.cases.values()
        if case.corrective_action is not None and case.correction_owed
    ]
    return {NEXT: min(dues)} if dues else {}


def time_passed(state: Cases | None, command: TimerFired) -> Sequence[Event]:
    """What is not done at its due; done at the very instant is in time (counting 6)."""
    if state is None:
        return ()
    return [
        CaseCorrectionMissed(
            cycle=case.cycle,
            case=case.number,
            tier=case.tier,
            owner=case.corrective_action.owner,
            due=case.corrective_action.due,
        )
        for case in state.cases.values()
        if case.corrective_action is not None
        and case.correction_owed
        and case.corrective_action.due <= command.at
    ]
