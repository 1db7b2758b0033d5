"""What routing does when it hears an event: find, raise, re-open or end work. Pure.

Everything heard is a step that the owner of record is informed of (DOMAIN rule 1), and some
events are heard for that alone. Of sla_watch's clocks and of compensation routing only keeps rows
(`rows.heard_rows`): what a desk sees, and what the door reads when somebody promises or answers.
`clock.met` it leaves unheard: one comes for every clock of every complaint, and what it tells the
desk of its own work (contacted, reported back, answered) routing wrote itself.
"""

from typing import Any

from contracts.escalation import (
    CaseAccepted,
    CaseClosed,
    CaseCorrectionMissed,
    CaseDecided,
    CaseDeclined,
    CaseInstructed,
    CaseRequested,
    CompensationGranted,
    CompensationLapsed,
    CompensationRefused,
    CompensationSubmitted,
)
from contracts.feedback_survey import CallMissed, ConfirmationRecorded, SurveyConcluded
from contracts.intake import (
    ComplaintClosed,
    ComplaintContactLinked,
    ComplaintContactUnlinked,
    ComplaintMerged,
    ComplaintReclassified,
    ComplaintReopened,
    ComplaintUnmerged,
    ComplaintVerified,
    ComplaintWithdrawn,
)
from contracts.routing import EndReason, RouteCause
from contracts.sla_watch import (
    ClockBreached,
    ClockCorrected,
    ClocksCancelled,
    ClocksPaused,
    ClocksRescheduled,
    ClocksStarted,
    ClockWarned,
)
from contracts.values import ContactKind
from libs.decider import Command, Event, Recorded, To
from services.routing.domain.commands import (
    EndWork,
    Instruct,
    Reclassify,
    Reopen,
    Route,
    TakeConfirmation,
    TakePartnerReport,
    TakeReply,
    Urge,
)

TOLD: tuple[type[Event], ...] = (
    CallMissed,
    SurveyConcluded,
    CaseRequested,
    CaseAccepted,
    CaseDeclined,
    CaseDecided,
    CaseClosed,
    CaseCorrectionMissed,
)
"""What only informs: the owner of record and the home province see it among the steps."""

HEARD: tuple[type[Event], ...] = (
    *TOLD,
    ComplaintVerified,
    ComplaintContactLinked,
    ComplaintContactUnlinked,
    ComplaintReclassified,
    ComplaintMerged,
    ComplaintUnmerged,
    ComplaintWithdrawn,
    ComplaintClosed,
    ComplaintReopened,
    ConfirmationRecorded,
    ClocksStarted,
    ClockWarned,
    ClocksPaused,
    ClocksRescheduled,
    ClockBreached,
    ClockCorrected,
    ClocksCancelled,
    CaseInstructed,
    CompensationSubmitted,
    CompensationGranted,
    CompensationRefused,
    CompensationLapsed,
)
"""Every event that routing hears."""


def react(recorded: Recorded[Any]) -> list[To]:
    """The commands that an event leads to, on the work of the same complaint."""
    command = _command(recorded)
    return [] if command is None else [To(recorded.subject, command)]


def _command(recorded: Recorded[Any]) -> Command | None:
    event, at = recorded.data, recorded.at
    match event:
        case ComplaintVerified(valid=True):
            return Route(
                at=at,
                cycle=event.cycle,
                cause=RouteCause.VERIFIED,
                profile=event.profile,
                clock_from=event.clock_from,
            )
        case ComplaintContactLinked():
            return _on_contact(recorded, event)
        case ComplaintContactUnlinked():
            return Urge(at=at, cycle=event.cycle, urges=event.urge_no)
        case ComplaintReclassified():
            return Reclassify(at=at, cycle=event.cycle, profile=event.profile)
        case ComplaintUnmerged(verified=True):
            return Route(
                at=at,
                cycle=event.cycle,
                cause=RouteCause.UNMERGED,
                profile=event.profile,
                clock_from=event.clock_from,
            )
        case ComplaintReopened():
            return Reopen(
                at=at,
                cycle=event.cycle,
                profile=event.profile,
                clock_from=event.clock_from,
                route=event.route,
            )
        case ComplaintMerged():
            return EndWork(at=at, cycle=event.cycle, reason=EndReason.MERGED)
        case ComplaintWithdrawn():
            return EndWork(at=at, cycle=event.cycle, reason=EndReason.WITHDRAWN)
        case ComplaintClosed():
            return EndWork(at=at, cycle=event.cycle, reason=EndReason.CLOSED)
        case ConfirmationRecorded():
            return TakeConfirmation(
                at=at,
                cycle=event.cycle,
                forward=event.forward,
                answered=event.answered,
                call=event.call,
            )
        case CaseInstructed():
            return Instruct(
                at=at,
                cycle=event.cycle,
                case=event.case,
                instruction=event.instruction,
                team=event.team,
            )
    return None


def _on_contact(recorded: Recorded[Any], event: ComplaintContactLinked) -> Command | None:
    """A reply ends a wait, a partner's ticket is an opinion, and any contact may be an urge."""
    if event.contact.kind is ContactKind.REPLY:
        return TakeReply(at=recorded.at, cycle=event.cycle, contact=event.contact.id)
    if event.contact.kind is ContactKind.PARTNER_REPORT:
        if event.text is None:
            return None
        return TakePartnerReport(
            at=recorded.at, cycle=event.cycle, contact=event.contact.id, opinion=event.text
        )
    return Urge(at=recorded.at, cycle=event.cycle, urges=event.urge_no)
