"""What escalation does when it hears something: causes to escalate come, and fall away."""

from collections.abc import Sequence
from typing import Any

from contracts.intake import (
    ComplaintClosed,
    ComplaintContactLinked,
    ComplaintContactUnlinked,
    ComplaintEscalationNoted,
    ComplaintMerged,
    ComplaintRegistered,
    ComplaintReopened,
    ComplaintRepeatsCounted,
    ComplaintUnmerged,
    ComplaintWithdrawn,
    NotedState,
    ReopenReason,
)
from contracts.routing import WorkCompensationProposed, WorkFindingRecorded, WorkReportedBack
from contracts.sla_watch import ClockBreached, ClockCorrected, Verdict, VerdictBasis
from contracts.values import CaseTrigger, ContactKind, ReopenRoute, ValueTier
from libs.decider import Command, Event, Recorded, To
from services.escalation.domain.commands import (
    CarryOutInstruction,
    CorrectFinding,
    DropBreach,
    DropContact,
    DropRepeats,
    EndOnClosing,
    EndOnMerge,
    EndOnWithdrawal,
    GoOnAfterMerge,
    GoOnInCycle,
    ProposeCompensation,
    RaiseCause,
)

HEARD: tuple[type[Event], ...] = (
    ComplaintRegistered,
    ComplaintContactLinked,
    ComplaintContactUnlinked,
    ComplaintMerged,
    ComplaintUnmerged,
    ComplaintWithdrawn,
    ComplaintEscalationNoted,
    ComplaintClosed,
    ComplaintReopened,
    ComplaintRepeatsCounted,
    WorkReportedBack,
    WorkFindingRecorded,
    WorkCompensationProposed,
    ClockBreached,
    ClockCorrected,
)

BY_CONTACT = {
    ContactKind.URGE: CaseTrigger.URGES,
    ContactKind.ESCALATION_WISH: CaseTrigger.WISH,
    ContactKind.REGULATOR_REFERRAL: CaseTrigger.REGULATOR,
    ContactKind.MEDIA_EXPOSURE: CaseTrigger.MEDIA,
}
"""What a contact may be a cause of (DOMAIN rule 10)."""


def react(recorded: Recorded[Any]) -> Sequence[To]:
    """The commands that a heard event leads to; dissatisfaction comes as a reopening, never as a
    survey's answer (EVENTS race 6).
    """
    return [To(recorded.subject, command) for command in _commands(recorded)]


def _commands(recorded: Recorded[Any]) -> Sequence[Command]:
    event, at = recorded.data, recorded.at
    match event:
        case ComplaintRegistered():
            return on_registered(recorded)
        case ComplaintContactLinked():
            return on_contact_linked(recorded)
        case ComplaintContactUnlinked():
            return (
                DropContact(
                    at=at, cycle=event.cycle, contact=event.contact.id, urge_no=event.urge_no
                ),
            )
        case ComplaintMerged():
            return (EndOnMerge(at=at, cycle=event.cycle),)
        case ComplaintUnmerged():
            return (GoOnAfterMerge(at=at, cycle=event.cycle),)
        case ComplaintWithdrawn():
            return (EndOnWithdrawal(at=at, cycle=event.cycle),)
        case ComplaintClosed():
            return (EndOnClosing(at=at, cycle=event.cycle),)
        case ComplaintEscalationNoted():
            if event.state is not NotedState.DECLINED:
                return ()
            return (EndOnClosing(at=at, cycle=event.cycle, case=event.case),)
        case ComplaintReopened():
            return (on_reopened(recorded),)
        case ComplaintRepeatsCounted():
            return on_repeats_counted(recorded)
        case _:
            return _from_work_and_clocks(recorded)


def _from_work_and_clocks(recorded: Recorded[Any]) -> Sequence[Command]:
    event, at = recorded.data, recorded.at
    match event:
        case ClockBreached():
            return () if event.basis is VerdictBasis.HISTORY else (_breach(recorded),)
        case ClockCorrected():
            if event.now is Verdict.BREACHED:
                return (_breach(recorded),)
            return (DropBreach(at=at, cycle=event.cycle, clock=event.ref),)
        case WorkReportedBack():
            if event.case is None or event.instruction is None:
                return ()
            return (
                CarryOutInstruction(
                    at=at, case=event.case, instruction=event.instruction, report=recorded.id
                ),
            )
        case WorkFindingRecorded():
            return on_finding(recorded)
        case WorkCompensationProposed():
            return (
                ProposeCompensation(
                    at=at,
                    cycle=event.cycle,
                    event=recorded.id,
                    finding=event.finding,
                    amount=event.amount,
                    chain=event.chain,
                    basis=event.basis,
                    by=event.by,
                    found_by=event.found_by,
                    role=event.role,
                    paid_by=event.paid_by,
                ),
            )
        case _:
            return ()


def on_registered(recorded: Recorded[ComplaintRegistered]) -> Sequence[Command]:
    """The regulator's referral, the media, an important customer (severe or not: policy), and a
    complaint that repeats others (often enough or not: policy).

    History is no cause: it was over before it came.
    """
    if recorded.data.registration.history is not None:
        return ()
    registration, commands = recorded.data.registration, list[Command]()
    profile = registration.profile

    def cause(trigger: CaseTrigger) -> RaiseCause:
        return RaiseCause(
            at=recorded.at,
            cycle=recorded.data.cycle,
            event=recorded.id,
            trigger=trigger,
            contact=registration.contact.id,
            urgency=profile.urgency,
            repeat_no=registration.repeat_no,
            regulator=registration.regulator if trigger is CaseTrigger.REGULATOR else None,
        )

    if registration.regulator is not None:
        commands.append(cause(CaseTrigger.REGULATOR))
    if profile.media:
        commands.append(cause(CaseTrigger.MEDIA))
    elif profile.value_tier is ValueTier.IMPORTANT:
        commands.append(cause(CaseTrigger.VIP_SEVERE))
    if registration.repeat_no:
        commands.append(cause(CaseTrigger.REPEATS))
    return commands


def on_repeats_counted(recorded: Recorded[ComplaintRepeatsCounted]) -> Sequence[Command]:
    """Counted again: it may be the repeat that asks only now, or no such repeat after all."""
    event = recorded.data
    if event.repeat_no < event.was:
        return (DropRepeats(at=recorded.at, cycle=event.cycle, repeat_no=event.repeat_no),)
    if event.closed:
        return ()
    return (
        RaiseCause(
            at=recorded.at,
            cycle=event.cycle,
            event=recorded.id,
            trigger=CaseTrigger.REPEATS,
            repeat_no=event.repeat_no,
            repeat_was=event.was,
        ),
    )


def on_contact_linked(recorded: Recorded[ComplaintContactLinked]) -> Sequence[Command]:
    """An urge, a wish, the regulator or the media; any other contact is no cause."""
    event = recorded.data
    trigger = BY_CONTACT.get(event.contact.kind)
    if trigger is None or (event.closed and trigger.automatic):
        return ()
    return (
        RaiseCause(
            at=recorded.at,
            cycle=event.cycle,
            event=recorded.id,
            trigger=trigger,
            contact=event.contact.id,
            urge_no=event.urge_no,
            regulator=event.regulator,
        ),
    )


def on_reopened(recorded: Recorded[ComplaintReopened]) -> Command:
    """Routed to the desk it asks for a case; any other way it only says which cycle it is now."""
    event = recorded.data
    trigger = None
    if event.route is ReopenRoute.ESCALATE:
        trigger = {
            ReopenReason.DISSATISFIED: CaseTrigger.DISSATISFIED,
            ReopenReason.REGULATOR: CaseTrigger.REGULATOR,
        }.get(event.reason, CaseTrigger.WISH)
    return GoOnInCycle(
        at=recorded.at,
        cycle=event.cycle,
        event=event.cause,
        case=event.case,
        trigger=trigger,
        regulator=event.regulator,
    )


def on_finding(recorded: Recorded[WorkFindingRecorded]) -> Sequence[Command]:
    """Only a finding that sets another right changes money already given."""
    event = recorded.data
    if event.corrects is None:
        return ()
    return (
        CorrectFinding(
            at=recorded.at,
            cycle=event.cycle,
            event=recorded.id,
            finding=event.finding,
            corrects=event.corrects,
            chain=event.chain,
            worth={one.basis: one.amount for one in event.worth},
            by=event.by,
            role=event.role,
            paid_by=event.paid_by,
        ),
    )


def _breach(recorded: Recorded[ClockBreached] | Recorded[ClockCorrected]) -> RaiseCause:
    return RaiseCause(
        at=recorded.at,
        cycle=recorded.data.cycle,
        event=recorded.id,
        trigger=CaseTrigger.BREACH,
        clock=recorded.data.ref,
        purpose=recorded.data.purpose,
    )
