"""What sla_watch does when it hears something: clocks start, stop, wait, go on, or are met."""

from collections.abc import Sequence
from typing import Any

from contracts.escalation import (
    CaseClosed,
    CaseCustomerContacted,
    CaseDecided,
    CaseDeclined,
    CaseReported,
    CaseRequested,
    ReportedWhat,
)
from contracts.feedback_survey import (
    ConfirmationRecorded,
    NoticeIssued,
    SurveyAsked,
    SurveyConcluded,
    SurveyOutcome,
)
from contracts.housekeeping import PolicyActivated
from contracts.intake import (
    ComplaintClosed,
    ComplaintMerged,
    ComplaintReclassified,
    ComplaintRegistered,
    ComplaintReopened,
    ComplaintUnmerged,
    ComplaintVerified,
    ComplaintWithdrawn,
)
from contracts.routing import (
    HandlerKind,
    ReportedCause,
    WorkAnswered,
    WorkContacted,
    WorkPromised,
    WorkReportedBack,
    WorkResumed,
    WorkSuspended,
    WorkTransferred,
)
from contracts.sla_watch import CancelReason
from contracts.values import Decision, EventRef, NoticeKind
from libs.decider import Command, Event, Recorded, To
from services.sla_watch.domain.commands import (
    EndClocks,
    OpenCycle,
    ReplaceClocks,
    RestartClocks,
    StartCase,
    StartForward,
    StartPromise,
    StartSurvey,
    StartWatching,
    TakeFact,
    TakeOver,
)
from services.sla_watch.domain.facts import FactKind

HEARD: tuple[type[Event], ...] = (
    ComplaintRegistered,
    ComplaintVerified,
    ComplaintReclassified,
    ComplaintMerged,
    ComplaintUnmerged,
    ComplaintWithdrawn,
    ComplaintClosed,
    ComplaintReopened,
    WorkTransferred,
    WorkReportedBack,
    WorkSuspended,
    WorkResumed,
    WorkContacted,
    WorkPromised,
    WorkAnswered,
    NoticeIssued,
    SurveyAsked,
    SurveyConcluded,
    ConfirmationRecorded,
    CaseRequested,
    CaseDeclined,
    CaseDecided,
    CaseCustomerContacted,
    CaseReported,
    CaseClosed,
    PolicyActivated,
)
"""The last only for what `views` keeps of this service's own versions."""

_SAID_SOMETHING = (SurveyOutcome.SATISFIED, SurveyOutcome.DISSATISFIED)


def react(recorded: Recorded[Any]) -> Sequence[To]:
    """The command that a heard event leads to; none when it concerns no clock."""
    event = recorded.data
    command = (
        _from_routing(event, recorded)
        or _from_feedback(event, recorded)
        or _from_intake(event, recorded)
        or _from_escalation(event, recorded)
    )
    return () if command is None else (To(recorded.subject, command),)


def _from_intake(event: Any, recorded: Recorded[Any]) -> Command | None:
    match event:
        case ComplaintRegistered():
            registration = event.registration
            if registration.history is not None:
                return TakeOver(
                    at=recorded.time,
                    cycle=event.cycle,
                    fact=_ref(recorded),
                    clock_from=registration.clock_from,
                    profile=registration.profile,
                    answered_at=registration.history.answered_at,
                )
            return StartWatching(
                at=recorded.at,
                cycle=event.cycle,
                fact=_ref(recorded),
                clock_from=registration.clock_from,
                profile=registration.profile,
                correspondent=registration.correspondent,
            )
        case ComplaintVerified():
            return None if event.valid else _end(recorded, CancelReason.REJECTED)
        case ComplaintReclassified():
            return ReplaceClocks(
                at=recorded.at, cycle=event.cycle, fact=_ref(recorded), profile=event.profile
            )
        case ComplaintMerged():
            return _end(recorded, CancelReason.MERGED)
        case ComplaintUnmerged():
            return RestartClocks(
                at=recorded.at, cycle=event.cycle, fact=_ref(recorded), profile=event.profile
            )
        case ComplaintWithdrawn():
            return _end(recorded, CancelReason.WITHDRAWN)
        case ComplaintClosed():
            return _end(recorded, CancelReason.CLOSED)
        case ComplaintReopened():
            return OpenCycle(
                at=recorded.at,
                cycle=event.cycle,
                fact=_ref(recorded),
                route=event.route,
                clock_from=event.clock_from,
                profile=event.profile,
            )
        case _:
            return None


def _from_routing(event: Any, recorded: Recorded[Any]) -> Command | None:
    match event:
        case WorkAnswered():
            return _fact(recorded, FactKind.ANSWERED)
        case WorkContacted():
            if not event.reached:
                return None
            if event.partner is None:
                return _fact(recorded, FactKind.CONTACTED)
            return _fact(recorded, FactKind.PARTNER_CONTACTED, forwards=event.forwards)
        case WorkSuspended():
            return TakeFact(
                at=recorded.at,
                cycle=event.cycle,
                fact=_ref(recorded),
                kind=FactKind.SUSPENDED,
                waiting_for=event.waiting_for,
            )
        case WorkResumed():
            return _fact(recorded, FactKind.RESUMED)
        case WorkReportedBack():
            if event.kind is not HandlerKind.PARTNER:
                return None
            own = event.cause is ReportedCause.OWN  # else the partner still owes its answer
            kind = FactKind.PARTNER_ANSWERED if own else FactKind.PARTNER_REPORTED
            return _fact(recorded, kind, forwards=(event.forward,) if event.forward else ())
        case WorkTransferred():
            if event.kind is not HandlerKind.PARTNER or event.reached_at is None:
                return None  # bounced or still on its way: the partner knows nothing yet
            return StartForward(
                at=recorded.at,
                cycle=event.cycle,
                fact=_ref(recorded),
                forward=event.forward,
                complexity=event.complexity,
                reached_at=event.reached_at,
            )
        case WorkPromised():
            return StartPromise(
                at=recorded.at,
                cycle=event.cycle,
                fact=_ref(recorded),
                promise=event.promise,
                new_due=event.new_due,
            )
        case _:
            return None


def _from_feedback(event: Any, recorded: Recorded[Any]) -> Command | None:
    match event:
        case NoticeIssued():
            receipt = event.kind is NoticeKind.RECEIPT
            return _fact(recorded, FactKind.RECEIPT) if receipt else None
        case SurveyAsked():
            return StartSurvey(
                at=recorded.at, cycle=event.cycle, fact=_ref(recorded), expires=event.expires
            )
        case SurveyConcluded():
            if event.outcome in _SAID_SOMETHING:
                return _fact(recorded, FactKind.SURVEY_ANSWERED)
            return _end(recorded, CancelReason.SURVEY_ENDED)
        case ConfirmationRecorded():
            told, denied = FactKind.PARTNER_CONTACTED, FactKind.PARTNER_DENIED
            kind = told if event.answered else denied
            return _fact(recorded, kind, forwards=(event.forward,))
        case _:
            return None


def _from_escalation(event: Any, recorded: Recorded[Any]) -> Command | None:
    match event:
        case CaseRequested():
            return StartCase(
                at=recorded.at,
                cycle=event.cycle,
                fact=_ref(recorded),
                case=event.case,
                tier=event.tier,
                report_by=None if event.regulator is None else event.regulator.report_by,
            )
        case CaseDeclined():
            return _end(recorded, CancelReason.CASE_DECLINED, event.case)
        case CaseClosed():
            return _end(recorded, CancelReason.CASE_CLOSED, event.case)
        case CaseDecided():
            # Upheld, it is carried out and answered by the team; else it is the last word itself.
            last_word = event.final or event.decision is Decision.REJECTED
            kind = FactKind.FINAL_RESPONSE if last_word else FactKind.DECIDED
            return _fact(recorded, kind, case=event.case)
        case CaseCustomerContacted():
            if not event.reached:
                return None
            return _fact(recorded, FactKind.DESK_CONTACTED, case=event.case)
        case CaseReported():
            if event.what is not ReportedWhat.REGULATOR_REPORT:
                return None
            return _fact(recorded, FactKind.REGULATOR_REPORTED, case=event.case)
        case _:
            return None


def _fact(
    recorded: Recorded[Any],
    kind: FactKind,
    case: int | None = None,
    forwards: tuple[int, ...] = (),
) -> TakeFact:
    return TakeFact(
        at=recorded.at,
        cycle=recorded.data.cycle,
        fact=_ref(recorded),
        kind=kind,
        case=case,
        forwards=forwards,
    )


def _end(recorded: Recorded[Any], reason: CancelReason, case: int | None = None) -> EndClocks:
    return EndClocks(
        at=recorded.at,
        cycle=recorded.data.cycle,
        fact=_ref(recorded),
        reason=reason,
        case=case,
    )


def _ref(recorded: Recorded[Any]) -> EventRef:
    return EventRef(event=recorded.id, source=recorded.source, type=recorded.type)
