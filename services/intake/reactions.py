"""What intake does when it hears of answers, askings, cases and notices; pure."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from contracts.escalation import CaseAccepted, CaseClosed, CaseDeclined, CaseRequested
from contracts.feedback_survey import (
    ConfirmationRecorded,
    NoticeIssued,
    SurveyAnswered,
    SurveyConcluded,
    VisitRecorded,
)
from contracts.housekeeping import (
    ErasureState,
    HoldLifted,
    HoldPlaced,
    PersonErased,
    PersonErasureNoted,
    StandingHoldLifted,
    StandingHoldPlaced,
)
from contracts.intake import (
    ComplaintContactUnlinked,
    ComplaintErasureNoted,
    ComplaintMerged,
    ComplaintUnmerged,
    HoldState,
    NotedState,
)
from contracts.routing import WorkAnswered
from contracts.values import NoticeKind
from libs.decider import Conflict, Event, GivenUp, Recorded, To
from services.intake.domain.commands import (
    AwaitErasure,
    ConcludeSurvey,
    LinkMerged,
    NoteHold,
    RecordAnswer,
    RecordCaseAccepted,
    RecordCaseEnded,
    RecordCaseRequested,
    RecordLateReply,
    RecordTold,
    RecordVisit,
    RegisterComplaint,
    UnlinkMerged,
)
from services.intake.domain.merging import speakers_of
from services.intake.domain.person import NoteComplaint, NoteErasure

HEARD: tuple[type[Event], ...] = (
    ComplaintContactUnlinked,
    ComplaintMerged,
    ComplaintUnmerged,
    WorkAnswered,
    NoticeIssued,
    SurveyConcluded,
    SurveyAnswered,
    VisitRecorded,
    ConfirmationRecorded,
    CaseRequested,
    CaseAccepted,
    CaseDeclined,
    CaseClosed,
    PersonErased,
    PersonErasureNoted,
    ComplaintErasureNoted,
    HoldPlaced,
    HoldLifted,
    StandingHoldPlaced,
    StandingHoldLifted,
)
"""Everything intake does something about. `work.ended` and compensation are not among them: the
former is never a closing (EVENTS race 3), and a withdrawal takes no money back (race 12)."""


AUDIT = "/bihuan/audit"
STANDING_HOLDS = "standing-holds"
"""The subject of audit's standing holds."""


class HoldNotDiscarded(Conflict):
    """A standing hold is not given up unread; mend what parked it, then replay it."""

    rule = "hold-not-discarded"
    zh = "常设留存保全的记录不得作废,请修复后重放"


def react(recorded: Recorded[Any]) -> list[To]:
    """The commands that follow from a heard event."""
    match recorded.data:
        case ComplaintContactUnlinked():
            return on_contact_unlinked(recorded)
        case ComplaintMerged():
            return on_merged(recorded)
        case ComplaintUnmerged():
            return on_unmerged(recorded)
        case WorkAnswered():
            return on_work_answered(recorded)
        case NoticeIssued():
            return on_notice_issued(recorded)
        case SurveyConcluded():
            return on_survey_concluded(recorded)
        case SurveyAnswered():
            return on_survey_answered(recorded)
        case VisitRecorded():
            return on_visit_recorded(recorded)
        case ConfirmationRecorded():
            return on_confirmation_recorded(recorded)
        case CaseRequested():
            return on_case_requested(recorded)
        case CaseAccepted():
            return on_case_accepted(recorded)
        case CaseDeclined():
            return on_case_declined(recorded)
        case CaseClosed():
            return on_case_closed(recorded)
        case _:
            return on_erasing(recorded)


def on_erasing(recorded: Recorded[Any]) -> list[To]:
    """What keeps a person's data from being destroyed, and what does no more (EVENTS race 15)."""
    at, told = recorded.at, recorded.data
    match told:
        case PersonErased() if told.to_be_destroyed:
            waits = AwaitErasure(at=at, person=UUID(recorded.subject))
            return [To(str(complaint), waits) for complaint in (*told.complaints, *told.others)]
        case PersonErasureNoted() if told.state is ErasureState.WAITS:
            waits = AwaitErasure(at=at, person=UUID(recorded.subject))
            return [To(str(told.complaint), waits)]
        case ComplaintErasureNoted():
            noted = NoteErasure(at=at, complaint=UUID(recorded.subject), state=told.state)
            return [To(str(told.person), noted)]
        case HoldPlaced() | HoldLifted():
            on = HoldState.PLACED if isinstance(told, HoldPlaced) else HoldState.LIFTED
            return [To(recorded.subject, NoteHold(at=at, hold=told.hold, state=on))]
        case _:
            return []


def stays(given_up: GivenUp) -> Sequence[To]:
    """A hold stands although its record is discarded; unread, it may be one, under a name of its
    own (`bihuan hold place` and `lift` of that name end it). Raises HoldNotDiscarded.
    """
    if given_up.source != AUDIT:
        return ()
    if given_up.subject == STANDING_HOLDS:
        raise HoldNotDiscarded
    if given_up.recorded is not None:
        is_hold = isinstance(given_up.recorded.data, HoldPlaced)
        return on_erasing(given_up.recorded) if is_hold else ()
    if given_up.type and not given_up.type.startswith(HoldPlaced.type.removesuffix("1")):
        return ()
    hold = f"discarded:{given_up.record}"[:96]
    return [To(given_up.subject, NoteHold(at=given_up.at, hold=hold, state=HoldState.PLACED))]


def on_contact_unlinked(recorded: Recorded[ComplaintContactUnlinked]) -> list[To]:
    """The contact becomes its own complaint, under the id fixed there (EVENTS race 17)."""
    becomes = recorded.data.becomes
    if becomes is None:
        return []
    command = RegisterComplaint(at=recorded.at, registration=becomes.registration)
    person = becomes.registration.correspondent.person
    noted = NoteComplaint(at=recorded.at, complaint=becomes.complaint)
    return [To(str(becomes.complaint), command), To(str(person), noted)]


def on_merged(recorded: Recorded[ComplaintMerged]) -> list[To]:
    """The survivor links the contacts: another key, so a second hop through the log (EVENTS 6).

    From now on it holds their words, whatever became of the merge meanwhile.
    """
    told = recorded.data
    command = LinkMerged(at=recorded.at, origin=UUID(recorded.subject), contacts=told.contacts)
    noted = NoteComplaint(at=recorded.at, complaint=told.into)
    speakers = (To(str(one), noted) for one in sorted(speakers_of(told.contacts)))
    return [To(str(told.into), command), *speakers]


def on_unmerged(recorded: Recorded[ComplaintUnmerged]) -> list[To]:
    """And unlinks them (EVENTS 7)."""
    told = recorded.data
    command = UnlinkMerged(at=recorded.at, origin=UUID(recorded.subject), reason="unmerged")
    return [To(str(told.survivor), command)]


def on_work_answered(recorded: Recorded[WorkAnswered]) -> list[To]:
    """The owner answered: the customer may be asked."""
    command = RecordAnswer(at=recorded.at, cycle=recorded.data.cycle, answer=recorded.id)
    return [To(recorded.subject, command)]


def on_notice_issued(recorded: Recorded[NoticeIssued]) -> list[To]:
    """An answer notice tells a rejection, if there is one; every other notice asks nothing."""
    if recorded.data.kind is not NoticeKind.ANSWER:
        return []
    return [To(recorded.subject, RecordTold(at=recorded.at, notice=recorded.id))]


def on_survey_concluded(recorded: Recorded[SurveyConcluded]) -> list[To]:
    """The asking is over: close or reopen."""
    told = recorded.data
    command = ConcludeSurvey(
        at=recorded.at, cycle=told.cycle, asked=recorded.id, outcome=told.outcome
    )
    return [To(recorded.subject, command)]


def on_survey_answered(recorded: Recorded[SurveyAnswered]) -> list[To]:
    """Late and dissatisfied may reopen; in time, only the conclusion counts (EVENTS race 6)."""
    told = recorded.data
    if not told.late or told.satisfied is not False:
        return []
    command = RecordLateReply(at=recorded.at, cycle=told.cycle, reply=recorded.id)
    return [To(recorded.subject, command)]


def on_visit_recorded(recorded: Recorded[VisitRecorded]) -> list[To]:
    """Followed up on and dissatisfied: may reopen, as a late reply does."""
    told = recorded.data
    if told.satisfied is not False:
        return []
    command = RecordVisit(at=recorded.at, cycle=told.cycle, visit=recorded.id)
    return [To(recorded.subject, command)]


def on_confirmation_recorded(recorded: Recorded[ConfirmationRecorded]) -> list[To]:
    """Not content with what a partner did: the complaint goes on, taken up again if it was closed.

    While it is open its desk goes on anyway; what is being asked is answered by the same word.
    """
    told = recorded.data
    if told.content is not False:
        return []
    command = RecordVisit(at=recorded.at, cycle=told.cycle, visit=recorded.id)
    return [To(recorded.subject, command)]


def on_case_requested(recorded: Recorded[CaseRequested]) -> list[To]:
    """An open case blocks closing; see EVENTS race 2 for a complaint that is closed by now."""
    told = recorded.data
    command = RecordCaseRequested(
        at=recorded.at,
        case=told.case,
        tier=told.tier,
        trigger=told.trigger,
        request=recorded.id,
        regulator=told.regulator,
        passed_from=told.passed_from,
    )
    return [To(recorded.subject, command)]


def on_case_accepted(recorded: Recorded[CaseAccepted]) -> list[To]:
    """An officer has it: it is not merged away any more (EVENTS race 8)."""
    told = recorded.data
    command = RecordCaseAccepted(at=recorded.at, case=told.case, tier=told.tier)
    return [To(recorded.subject, command)]


def on_case_declined(recorded: Recorded[CaseDeclined]) -> list[To]:
    """The desk did not take it: one blocker less."""
    told = recorded.data
    command = RecordCaseEnded(
        at=recorded.at,
        cycle=told.cycle,
        case=told.case,
        tier=told.tier,
        state=NotedState.DECLINED,
    )
    return [To(recorded.subject, command)]


def on_case_closed(recorded: Recorded[CaseClosed]) -> list[To]:
    """The case is over; with the last one the customer may be asked."""
    told = recorded.data
    command = RecordCaseEnded(
        at=recorded.at,
        cycle=told.cycle,
        case=told.case,
        tier=told.tier,
        state=NotedState.ENDED,
        outcome=told.outcome,
        decision=told.answer,
        decided_at=told.answered_at,
    )
    return [To(recorded.subject, command)]
