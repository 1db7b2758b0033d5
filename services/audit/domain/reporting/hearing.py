"""What each event adds to the rows that reports count: pure, and without a look at other rows.

A row says what is so now: the next event about the same thing replaces what it said. So the same
events in the log's order give the same rows, live, rebuilt or replayed.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from uuid import UUID

from contracts.feedback_survey import SurveyAnswered, SurveyAsked, SurveyConcluded
from contracts.housekeeping import PolicyActivated
from contracts.intake import (
    ComplaintClosed,
    ComplaintContactLinked,
    ComplaintContactUnlinked,
    ComplaintMerged,
    ComplaintReclassified,
    ComplaintRegistered,
    ComplaintReopened,
    ComplaintUnmerged,
)
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
from services.audit.domain.reporting.facts import (
    CLOCK,
    COMPLAINT,
    CONTACT,
    PROMISE,
    SURVEY,
)
from services.audit.domain.reporting.period import day_of

HEARD: tuple[type[Event], ...] = (
    ComplaintRegistered,
    ComplaintContactLinked,
    ComplaintContactUnlinked,
    ComplaintReclassified,
    ComplaintMerged,
    ComplaintUnmerged,
    ComplaintClosed,
    ComplaintReopened,
    ClocksStarted,
    ClocksRescheduled,
    ClockMet,
    ClockBreached,
    ClockCorrected,
    ClocksCancelled,
    SurveyAsked,
    SurveyAnswered,
    SurveyConcluded,
    PolicyActivated,
)
"""The events that reports rest on."""

CLOCKS_OWNER, CLOCKS_POLICY = "/bihuan/sla_watch", "clocks"
"""Whose policy says what each clock promises."""


def fact_rows(recorded: Recorded[Any]) -> Iterable[Row]:
    """The rows that this event changes; none for an event that no report rests on."""
    match recorded.data:
        case PolicyActivated() as activated:
            if (recorded.source, activated.name) == (CLOCKS_OWNER, CLOCKS_POLICY):
                return _promises(activated.content)
            return ()
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
        case ComplaintMerged() as event:
            yield _complaint(recorded, merged_into=event.into)
        case ComplaintUnmerged():
            yield _complaint(recorded, merged_into=None)
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
    ("by", "asked_at", "score", "resolved", "satisfied", "answered_at", "late_score", "late_at")
)


def _surveys(recorded: Recorded[Any]) -> Iterator[Row]:
    event = recorded.data
    key = {"complaint": UUID(recorded.subject), "cycle": event.cycle}
    match event:
        case SurveyAsked():
            asked = {**_UNASKED, "by": event.by.value, "asked_at": recorded.at}
            yield Row.of(SURVEY.name, key, outcome=None, concluded_on=None, **asked)
        case SurveyAnswered() if event.late:
            yield Row.of(SURVEY.name, key, late_score=event.score, late_at=recorded.at)
        case SurveyAnswered():
            yield Row.of(
                SURVEY.name,
                key,
                score=event.score,
                resolved=event.resolved,
                satisfied=event.satisfied,
                answered_at=recorded.at,
            )
        case SurveyConcluded():
            # Nobody could be asked; also where somebody had been, before the complaint was merged.
            unasked = _UNASKED if event.survey is None else {}
            ended = {"outcome": event.outcome.value, "concluded_on": day_of(recorded.at)}
            yield Row.of(SURVEY.name, key, **unasked, **ended)
