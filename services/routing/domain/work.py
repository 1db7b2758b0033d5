"""The work on one complaint: every command to its rule."""

from typing import assert_never, get_args

from contracts.routing import (
    WorkAccepted,
    WorkAnswered,
    WorkAssigned,
    WorkCompensationProposed,
    WorkContacted,
    WorkEnded,
    WorkFindingRecorded,
    WorkPartnerConfirmed,
    WorkPromised,
    WorkReportedBack,
    WorkResumed,
    WorkReturned,
    WorkRouted,
    WorkSeen,
    WorkSuspended,
    WorkTransferred,
)
from libs.decider import Context, Decider, Event, TimerFired
from services.routing.domain import answering, commands, handling, informing, queueing
from services.routing.domain.commands import WorkCommand
from services.routing.domain.standing import stands
from services.routing.domain.state import Work, evolve, timers


class WorkTimerFired(TimerFired):
    """`accept`, `hand_over` or `suspend` came due."""


def decide(  # noqa: C901 - one line per command, and nothing else
    work: Work | None, command: WorkCommand | WorkTimerFired, context: Context
) -> list[Event]:
    """What happens; raises the refusals of the rule it goes to."""
    match command:
        case commands.Route():
            return queueing.route(work, command, context)
        case commands.Reopen():
            return queueing.reopen(work, command, context)
        case commands.Reclassify():
            return queueing.reclassify(work, command, context)
        case commands.Urge():
            return queueing.urge(work, command, context)
        case commands.Instruct():
            return queueing.instruct(work, command, context)
        case commands.EndWork():
            return queueing.end(work, command)
        case commands.Assign():
            return queueing.assign(work, command, context)
        case commands.Take():
            return queueing.take(work, command, context)
        case commands.Accept():
            return queueing.accept(work, command, context)
        case commands.Refuse():
            return queueing.refuse(work, command, context)
        case commands.Transfer():
            return handling.transfer(work, command, context)
        case commands.ConfirmForward():
            return handling.confirm_forward(work, command, context)
        case commands.ReportBack():
            return handling.report_back(work, command, context)
        case commands.TakeConfirmation():
            return handling.take_confirmation(work, command)
        case commands.TakePartnerReport():
            return handling.take_partner_report(work, command)
        case commands.Suspend():
            return handling.suspend(work, command, context)
        case commands.Resume():
            return handling.resume(work, command, context)
        case commands.TakeReply():
            return handling.take_reply(work, command)
        case commands.RecordContact():
            return handling.contact(work, command, context)
        case commands.See():
            return informing.see(work, command, context)
        case commands.Promise():
            return answering.promise(work, command, context)
        case commands.PlanDelay():
            return answering.plan_delay(work, command, context)
        case commands.RecordFinding():
            return answering.record_finding(work, command, context)
        case commands.ProposeCompensation():
            return answering.propose(work, command, context)
        case commands.Answer():
            return answering.answer(work, command, context)
        case WorkTimerFired():
            return queueing.timer(work, command, context)
    assert_never(command)


WORK: Decider[Work] = Decider(
    kind="work",
    commands=(*get_args(WorkCommand), WorkTimerFired),
    events=(
        WorkRouted,
        WorkAssigned,
        WorkReturned,
        WorkAccepted,
        WorkTransferred,
        WorkReportedBack,
        WorkSuspended,
        WorkResumed,
        WorkContacted,
        WorkSeen,
        WorkPromised,
        WorkFindingRecorded,
        WorkPartnerConfirmed,
        WorkCompensationProposed,
        WorkAnswered,
        WorkEnded,
    ),
    decide=decide,
    evolve=evolve,
    timers=timers,
    stands=stands,
    timer_command=WorkTimerFired,
)
"""Streams of kind `work`, subject = complaint id. Rows are added by views."""
