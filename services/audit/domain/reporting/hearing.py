"""What each event adds to the rows that reports count: pure, and without a look at other rows.

A row says what is so now: the next event about the same thing replaces what it said. So the same
events in the log's order give the same rows, live, rebuilt or replayed.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from uuid import UUID

from contracts.escalation import (
    CaseAccepted,
    CaseClosed,
    CaseCorrectionMissed,
    CaseDecided,
    CaseDeclined,
    CaseReported,
    CaseRequested,
    CompensationGranted,
    ReportedWhat,
)
from contracts.feedback_survey import (
    CallAttempted,
    CallCalledOff,
    CallPlanned,
    SurveyAnswered,
    SurveyAsked,
    SurveyConcluded,
    VisitRecorded,
)
from contracts.housekeeping import ConnectionEntered, PolicyActivated
from contracts.intake import (
    ComplaintAnswered,
    ComplaintClosed,
    ComplaintContactLinked,
    ComplaintContactUnlinked,
    ComplaintMerged,
    ComplaintReclassified,
    ComplaintRegistered,
    ComplaintReopened,
    ComplaintRepeatsCounted,
    ComplaintUnmerged,
)
from contracts.routing import WorkAccepted, WorkAnswered
from contracts.sla_watch import (
    ClockBreached,
    ClockCorrected,
    ClockMet,
    ClocksCancelled,
    ClocksRescheduled,
    ClocksStarted,
    StartCause,
    Verdict,
)
from contracts.values import ClockRef, Profile
from libs.decider import Event, Recorded, Row
from libs.timekeeping.counting import last_counted_date
from services.audit.domain.reporting import policy
from services.audit.domain.reporting.facts import (
    ANSWER,
    CALL,
    CASE,
    CAUSE,
    CLOCK,
    COMPLAINT,
    CONNECTION,
    CONTACT,
    PROMISE,
    REFUND,
    RULE,
    SURVEY,
    WORK,
)
from services.audit.domain.reporting.period import day_of

HEARD: tuple[type[Event], ...] = (
    ComplaintRegistered,
    ComplaintContactLinked,
    ComplaintContactUnlinked,
    ComplaintReclassified,
    ComplaintMerged,
    ComplaintUnmerged,
    ComplaintAnswered,
    ComplaintClosed,
    ComplaintReopened,
    ComplaintRepeatsCounted,
    WorkAccepted,
    WorkAnswered,
    ClocksStarted,
    ClocksRescheduled,
    ClockMet,
    ClockBreached,
    ClockCorrected,
    ClocksCancelled,
    SurveyAsked,
    SurveyAnswered,
    SurveyConcluded,
    CallPlanned,
    CallAttempted,
    CallCalledOff,
    VisitRecorded,
    CaseRequested,
    CaseAccepted,
    CaseDeclined,
    CaseDecided,
    CaseReported,
    CaseCorrectionMissed,
    CaseClosed,
    CompensationGranted,
    ConnectionEntered,
    PolicyActivated,
)
"""The events that reports rest on."""

CLOCKS_OWNER, CLOCKS_POLICY = "/bihuan/sla_watch", "clocks"
"""Whose policy says what each clock promises."""


def fact_rows(recorded: Recorded[Any]) -> Iterable[Row]:
    """The rows that this event changes; none for an event that no report rests on."""
    match recorded.data:
        case ConnectionEntered() as event:
            return (_connection(recorded, event),)
        case PolicyActivated() as activated:
            return _policies(recorded, activated)
        case (
            ClocksStarted()
            | ClocksRescheduled()
            | ClockMet()
            | ClockBreached()
            | ClockCorrected()
            | ClocksCancelled()
        ) as event:
            return _clocks(UUID(recorded.subject), event)
        case SurveyAsked() | SurveyAnswered() | SurveyConcluded():
            return _surveys(recorded)
        case CallPlanned() | CallAttempted() | CallCalledOff() | VisitRecorded():
            return _calls(recorded)
        case WorkAccepted() | WorkAnswered():
            return _work(recorded)
        case (
            CaseRequested()
            | CaseAccepted()
            | CaseDeclined()
            | CaseDecided()
            | CaseReported()
            | CaseCorrectionMissed()
            | CaseClosed()
            | CompensationGranted()
        ):
            return _cases(recorded)
        case _:
            return _complaints(recorded)


# --- complaints and their contacts ---------------------------------------------------------------


def _complaints(recorded: Recorded[Any]) -> Iterator[Row]:
    match recorded.data:
        case ComplaintRegistered() as event:
            told = event.registration
            yield _complaint(
                recorded,
                receipt=told.correspondent.receipt,
                person=told.correspondent.person,
                told_at=told.clock_from,
                told_on=day_of(told.clock_from),
                history=told.history is not None,
                cycle=event.cycle,
                urges=0,
                repeat_no=told.repeat_no,
                **_profile(told.profile),
            )
        case ComplaintContactLinked() as event:
            yield _complaint(recorded, urges=event.urge_no)
            yield Row.of(
                CONTACT.name,
                {"complaint": UUID(recorded.subject), "contact": event.contact.id},
                kind=event.contact.kind.value,
                channel=event.contact.channel.value,
                at=event.contact.at,
                stands=True,
            )
        case ComplaintContactUnlinked() as event:
            yield _complaint(recorded, urges=event.urge_no)
            yield Row.of(
                CONTACT.name,
                {"complaint": UUID(recorded.subject), "contact": event.contact.id},
                stands=False,
            )
        case ComplaintReclassified() as event:
            yield _complaint(recorded, **_profile(event.profile))
        case ComplaintRepeatsCounted() as event:
            yield _complaint(recorded, repeat_no=event.repeat_no)
        case ComplaintMerged() as event:
            yield _complaint(recorded, merged_into=event.into)
        case ComplaintUnmerged():
            yield _complaint(recorded, merged_into=None)
        case ComplaintAnswered() as event:
            yield _complaint(recorded, answered_at=event.answered_at)
        case ComplaintClosed() as event:
            yield _complaint(recorded, closed_at=recorded.at, outcome=event.outcome.value)
        case ComplaintReopened() as event:
            yield _complaint(recorded, cycle=event.cycle, closed_at=None, outcome=None)


def _complaint(recorded: Recorded[Any], **values: Any) -> Row:
    return Row.of(COMPLAINT.name, {"complaint": UUID(recorded.subject)}, **values)


def _profile(profile: Profile) -> dict[str, Any]:
    return {
        "kind": profile.kind.value,
        "category": profile.category.value,
        "urgency": profile.urgency.value,
        "customer_class": profile.customer_class.value,
        "value_tier": profile.value_tier.value,
        "channel": profile.channel.value,
        "province": profile.handling_province,
    }


# --- clocks --------------------------------------------------------------------------------------


def _clocks(
    complaint: UUID,
    event: ClocksStarted
    | ClocksRescheduled
    | ClockMet
    | ClockBreached
    | ClockCorrected
    | ClocksCancelled,
) -> Iterator[Row]:
    match event:
        case ClocksStarted():
            history = event.cause is StartCause.IMPORTED
            for clock in event.clocks:
                yield _clock(
                    complaint,
                    clock,
                    policy=clock.policy.version,
                    last_counted=clock.last_counted,
                    state=Verdict.RUNNING.value,
                    history=history,
                )
        case ClocksRescheduled():
            for due in event.clocks:
                yield _clock(complaint, due, last_counted=due.last_counted)
        case ClocksCancelled():
            for ref in event.clocks:
                yield _clock(complaint, ref, state=Verdict.CANCELLED.value)
        case ClockMet():
            yield _judged(complaint, event.ref, Verdict.MET, event.due)
        case ClockBreached():
            yield _judged(complaint, event.ref, Verdict.BREACHED, event.due_at)
        case ClockCorrected():
            yield _judged(complaint, event.ref, event.now, event.due)


def _judged(complaint: UUID, clock: ClockRef, verdict: Verdict, due: Any) -> Row:
    """A verdict belongs to the last date that its due instant counts (DOMAIN rule 12)."""
    counted = None if due is None else last_counted_date(due)
    return _clock(complaint, clock, state=verdict.value, last_counted=counted)


def _clock(complaint: UUID, clock: ClockRef, **values: Any) -> Row:
    key = {
        "complaint": complaint,
        "clock": clock.clock,
        "instance": clock.instance,
        "cycle": clock.started_in,
    }
    return Row.of(CLOCK.name, key, **values)


def _policies(recorded: Recorded[Any], activated: PolicyActivated) -> Iterator[Row]:
    """What the clock table promises, and by which figures reports judge; each from its owner."""
    match recorded.source, activated.name:
        case policy.OWNER, policy.NAME:
            judged = policy.ReportsPolicy.model_validate(activated.content)
            since = activated.effective_from
            yield Row.of(
                RULE.name,
                {"version": activated.version},
                counts_from=since if activated.seed else max(since, recorded.time),
                connection_share=judged.connection.share,
                connection_seconds=judged.connection.within_seconds,
            )
        case (source, name) if (source, name) == (CLOCKS_OWNER, CLOCKS_POLICY):
            yield from _promises(activated.content)


def _promises(content: Mapping[str, Any]) -> Iterator[Row]:
    """What a version of the clock table promises; its owner has checked it before activating it."""
    for clock in content["clocks"]:
        yield Row.of(
            PROMISE.name,
            {"policy": content["version"], "clock": clock["code"]},
            promised=clock.get("promised"),
            title_zh=clock["title"]["zh"],
            title_en=clock["title"]["en"],
        )


# --- surveys -------------------------------------------------------------------------------------

_UNASKED = dict.fromkeys(
    (
        *("by", "asked_at", "asked_on", "score", "resolved", "satisfied"),
        *("answered_at", "words"),
        *("late_score", "late_resolved", "late_satisfied", "late_at"),
    )
)


def _surveys(recorded: Recorded[Any]) -> Iterator[Row]:
    event = recorded.data
    key = {"complaint": UUID(recorded.subject), "cycle": event.cycle}
    match event:
        case SurveyAsked():
            asked = {
                **_UNASKED,
                "by": event.by.value,
                "asked_at": recorded.at,
                "asked_on": day_of(recorded.at),
            }
            yield Row.of(SURVEY.name, key, outcome=None, concluded_on=None, **asked)
        case SurveyAnswered() if event.late:
            weighed = {
                "late_score": event.score,
                "late_resolved": event.resolved,
                "late_satisfied": event.satisfied,
            }
            # Mere words correct no score.
            told_nothing = event.satisfied is None
            yield Row.of(SURVEY.name, key, **({} if told_nothing else weighed), late_at=recorded.at)
        case SurveyAnswered():
            yield Row.of(
                SURVEY.name,
                key,
                score=event.score,
                resolved=event.resolved,
                satisfied=event.satisfied,
                answered_at=recorded.at,
                words=event.words is not None,
            )
        case SurveyConcluded():
            # Nobody could be asked; also where somebody had been, before the complaint was merged.
            unasked = _UNASKED if event.survey is None else {}
            ended = {"outcome": event.outcome.value, "concluded_on": day_of(recorded.at)}
            yield Row.of(SURVEY.name, key, **unasked, **ended)


def _calls(recorded: Recorded[Any]) -> Iterator[Row]:
    event = recorded.data
    key = {"complaint": UUID(recorded.subject), "call": event.call}
    match event:
        case CallPlanned():
            yield Row.of(
                CALL.name,
                key,
                cycle=event.cycle,
                reason=event.reason.value,
                planned_at=recorded.at,
                planned_on=day_of(recorded.at),
                attempts=0,
            )
        case CallAttempted():
            yield Row.of(
                CALL.name,
                key,
                attempts=event.attempt,
                how=event.how.value,
                reached=event.reached,
                tried_at=event.at,
                ended_on=None if event.again_at is not None else day_of(event.at),
                by=None if event.by is None else event.by.agent or event.by.team,
            )
        case CallCalledOff():
            yield Row.of(CALL.name, key, called_off=True, ended_on=day_of(recorded.at))
        case VisitRecorded():
            yield Row.of(
                CALL.name,
                key,
                score=event.score,
                resolved=event.resolved,
                satisfied=event.satisfied,
                words=event.words is not None,
            )


# --- work, cases, money --------------------------------------------------------------------------


def _work(recorded: Recorded[Any]) -> Iterator[Row]:
    complaint = UUID(recorded.subject)
    match recorded.data:
        case WorkAccepted() as event:
            yield Row.of(
                WORK.name,
                {"complaint": complaint},
                owner_team=event.owner.team,
                owner_agent=event.owner.agent,
                team=event.team,
                agent=event.agent,
            )
        case WorkAnswered() as event:
            key = {"complaint": complaint, "answer": recorded.sequence}
            yield Row.of(
                ANSWER.name,
                key,
                cycle=event.cycle,
                team=event.team,
                agent=event.agent,
                decision=event.decision.value,
                compensation=event.compensation,
                answered_at=recorded.at,
                answered_on=day_of(recorded.at),
            )
            for one in event.causes:
                named = {**key, "department": one.department, "cause": one.cause}
                yield Row.of(CAUSE.name, named)


def _cases(recorded: Recorded[Any]) -> Iterator[Row]:
    event = recorded.data
    if isinstance(event, CompensationGranted):
        yield Row.of(
            REFUND.name,
            {"complaint": UUID(recorded.subject), "granted": recorded.sequence},
            finding=event.finding,
            basis=event.basis.value,
            amount=event.amount,
            total=event.total,
            under=event.under.value,
            role=event.role,
            supplement_to=event.supplement_to,
            granted_at=recorded.at,
            granted_on=day_of(recorded.at),
        )
        return
    key = {"complaint": UUID(recorded.subject), "case_number": event.case}
    match event:
        case CaseRequested():
            yield Row.of(CASE.name, key, tier=event.tier, trigger=event.trigger.value)
        case CaseAccepted():
            yield Row.of(CASE.name, key, accepted_at=recorded.at)
        case CaseDecided():
            ordered = {} if event.corrective_action is None else {"correction": "owed"}
            yield Row.of(CASE.name, key, decision=event.decision.value, **ordered)
        case CaseCorrectionMissed():
            yield Row.of(CASE.name, key, correction="overdue")
        case CaseReported(what=ReportedWhat.CORRECTIVE_ACTION):
            yield Row.of(CASE.name, key, corrected_at=recorded.at)
        case CaseDeclined():
            yield Row.of(CASE.name, key, ending="declined")
        case CaseClosed():
            yield Row.of(CASE.name, key, ending=event.outcome.value)


def _connection(recorded: Recorded[Any], event: ConnectionEntered) -> Row:
    return Row.of(
        CONNECTION.name,
        {"day": event.day, "line": event.line.value},
        calls=event.calls,
        answered=event.answered,
        within_seconds=event.within_seconds,
        by=event.by,
        entered_at=recorded.at,
        corrected=event.corrects,
    )
