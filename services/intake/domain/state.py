"""A complaint as its own stream tells it: the fold of every event, and nothing else."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from contracts.housekeeping import ErasureState
from contracts.intake import (
    ComplaintAnswered,
    ComplaintClosed,
    ComplaintContactLinked,
    ComplaintContactUnlinked,
    ComplaintErasureNoted,
    ComplaintEscalationNoted,
    ComplaintHoldNoted,
    ComplaintMerged,
    ComplaintReclassified,
    ComplaintRegistered,
    ComplaintReopened,
    ComplaintRepeatsCounted,
    ComplaintSurveyNoted,
    ComplaintUnmerged,
    ComplaintVerified,
    ComplaintWithdrawn,
    HoldState,
    NotedState,
    Outcome,
    Registration,
    ReopenReason,
    Standalone,
)
from contracts.values import Contact, ContactKind, Correspondent, Evidence, Profile
from libs.decider import Event, Recorded, State


@dataclass(frozen=True, slots=True)
class Linked:
    """A contact of the complaint, and what it became if it did not belong here."""

    contact: Contact
    cycle: int
    text: str | None = None
    standalone: Standalone | None = None
    evidence: tuple[Evidence, ...] = ()
    becomes: UUID | None = None
    becomes_receipt: str | None = None
    merged_from: UUID | None = None

    @property
    def stands(self) -> bool:
        """Whether it still belongs to this complaint."""
        return self.becomes is None

    @property
    def speaker(self) -> UUID | None:
        """Whose words they are; None: the complaint's own customer's."""
        if self.contact.speaker is None and self.standalone is not None:
            return self.standalone.person
        return self.contact.speaker


@dataclass(frozen=True, slots=True)
class Answer:
    """The present cycle's answer: an event's id, its instant, and whether the customer is asked."""

    id: UUID
    at: datetime
    ask: bool


@dataclass(frozen=True, slots=True)
class Asked:
    """How the present cycle's asking ended: the event that says so, and the outcome."""

    id: UUID
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class Closed:
    """How and when the loop was closed."""

    outcome: Outcome
    at: datetime


@dataclass(frozen=True, slots=True)
class Erasure:
    """A person's erasure, since when it waits for this complaint, and whether it still does."""

    person: UUID
    since: datetime
    free: bool = False


@dataclass(frozen=True, slots=True)
class Complaint(State):
    """One complaint. `clock_from` is where the present cycle's clocks start."""

    registration: Registration
    profile: Profile
    registered_at: datetime
    clock_from: datetime
    cycle: int = 1
    contacts: tuple[Linked, ...] = ()
    contact_ids: frozenset[UUID] = frozenset()
    urges: int = 0
    repeat_no: int = 0
    """Which repeat it is, as counted last."""
    valid: bool | None = None
    answer: Answer | None = None
    asked: Asked | None = None
    cases_open: tuple[tuple[int, int], ...] = ()
    cases_known: frozenset[int] = frozenset()
    cases_accepted: frozenset[int] = frozenset()
    withdrawn_at: datetime | None = None
    dissatisfied: int = 0
    merged_into: UUID | None = None
    merged_contacts: tuple[UUID, ...] = ()
    unmerged: bool = False
    closed: Closed | None = None
    answer_to: Correspondent | None = None
    """Whom to tell since it was reopened; None: as it was registered."""
    erasures: tuple[Erasure, ...] = ()
    holds: frozenset[str] = frozenset()

    @property
    def correspondent(self) -> Correspondent:
        """Whom to tell, where and how."""
        return self.answer_to or self.registration.correspondent

    def erasure_of(self, person: UUID) -> ErasureState | None:
        """Whether it keeps this person's data from being destroyed; None: nobody asked it to go."""
        for one in self.erasures:
            if one.person == person:
                return ErasureState.FREE if one.free else ErasureState.WAITS
        return None

    @property
    def open(self) -> bool:
        """Whether its loop still has to be closed here."""
        return self.closed is None and self.merged_into is None

    @property
    def withdrawn(self) -> bool:
        """Whether the customer has taken it back in this cycle."""
        return self.withdrawn_at is not None

    @property
    def history(self) -> bool:
        """Whether it was taken over, closed, from an older system."""
        return self.registration.history is not None

    @property
    def rejected(self) -> bool:
        """Whether it was found not valid."""
        return self.valid is False

    def has_case(self, tier: int | None = None) -> bool:
        """Whether a case is open, of any tier or of this one."""
        return any(tier in (None, open_tier) for _, open_tier in self.cases_open)

    def accepted_case(self) -> bool:
        """Whether an officer of the 10015 desk has a case of it."""
        return any(case in self.cases_accepted for case, _ in self.cases_open)

    @property
    def speakers(self) -> frozenset[UUID]:
        """Everybody whose words it holds, those included that merges copied here."""
        customer = self.registration.correspondent.person
        return frozenset(one.speaker or customer for one in self.contacts) | {customer}

    def linked(self, contact: UUID) -> Linked | None:
        """The contact with this id, the first one excepted."""
        return next((one for one in self.contacts if one.contact.id == contact), None)


def evolve(complaint: Complaint | None, recorded: Recorded[Any]) -> Complaint:
    """The complaint after one more event of its stream."""
    return fold(complaint, recorded.data, recorded.time)


def fold(  # noqa: C901 - a case per event
    complaint: Complaint | None, event: Event, time: datetime
) -> Complaint:
    """The same for an event not yet recorded: a decision looks one step ahead with it."""
    if isinstance(event, ComplaintRegistered):
        return _registered(event, time)
    assert complaint is not None
    match event:
        case ComplaintVerified():
            return replace(complaint, valid=event.valid)
        case ComplaintContactLinked():
            return _linked(complaint, event)
        case ComplaintContactUnlinked():
            return _unlinked(complaint, event)
        case ComplaintReclassified():
            return replace(complaint, profile=event.profile)
        case ComplaintRepeatsCounted():
            return replace(complaint, repeat_no=event.repeat_no)
        case ComplaintMerged() | ComplaintUnmerged():
            return _merged(complaint, event)
        case ComplaintWithdrawn():
            return _withdrawn(complaint, event, time)
        case ComplaintAnswered():
            return replace(complaint, answer=Answer(event.answer, event.answered_at, event.ask))
        case ComplaintSurveyNoted():
            return replace(complaint, asked=Asked(event.asked, event.outcome))
        case ComplaintEscalationNoted():
            return _noted(complaint, event)
        case ComplaintErasureNoted() | ComplaintHoldNoted():
            return _keeping(complaint, event, time)
        case ComplaintClosed():
            return replace(complaint, closed=Closed(event.outcome, event.occurred_at or time))
        case ComplaintReopened():
            return _reopened(complaint, event)
        case _:
            raise TypeError(f"{event.type} is no event of a complaint")


def _registered(event: ComplaintRegistered, time: datetime) -> Complaint:
    told = event.registration
    return Complaint(
        registration=told,
        profile=told.profile,
        repeat_no=told.repeat_no,
        registered_at=time,
        clock_from=told.clock_from,
        contact_ids=frozenset((told.contact.id,)),
    )


def _linked(complaint: Complaint, event: ComplaintContactLinked) -> Complaint:
    linked = Linked(
        event.contact,
        event.cycle,
        event.text,
        event.standalone,
        event.evidence,
        merged_from=event.merged_from,
    )
    others = complaint.contacts
    if event.contact.id in complaint.contact_ids:  # it went, and a merge brings it back
        others = tuple(one for one in others if one.contact.id != event.contact.id)
    return replace(
        complaint,
        contacts=(*others, linked),
        contact_ids=complaint.contact_ids | {event.contact.id},
        urges=event.urge_no,
    )


def _unlinked(complaint: Complaint, event: ComplaintContactUnlinked) -> Complaint:
    becomes = event.becomes
    contacts = tuple(
        replace(
            one,
            becomes=one.merged_from or one.contact.id if becomes is None else becomes.complaint,
            becomes_receipt=becomes.registration.correspondent.receipt if becomes else None,
        )
        if one.contact.id == event.contact.id
        else one
        for one in complaint.contacts
    )
    return replace(complaint, contacts=contacts, urges=event.urge_no)


def _withdrawn(complaint: Complaint, event: ComplaintWithdrawn, time: datetime) -> Complaint:
    if event.contact is None:
        return replace(complaint, withdrawn_at=time)
    linked = Linked(event.contact, event.cycle, event.note)
    return replace(
        complaint,
        withdrawn_at=event.contact.at,
        contacts=(*complaint.contacts, linked),
        contact_ids=complaint.contact_ids | {event.contact.id},
    )


def _noted(complaint: Complaint, event: ComplaintEscalationNoted) -> Complaint:
    others = tuple(one for one in complaint.cases_open if one[0] != event.case)
    accepted = event.state is NotedState.ACCEPTED
    opened = accepted or event.state is NotedState.OPEN
    taken = complaint.cases_accepted
    return replace(
        complaint,
        cases_open=(*others, (event.case, event.tier)) if opened else others,
        cases_known=complaint.cases_known | {event.case},
        cases_accepted=taken | {event.case} if accepted else taken,
    )


def _merged(complaint: Complaint, event: ComplaintMerged | ComplaintUnmerged) -> Complaint:
    if isinstance(event, ComplaintUnmerged):
        return replace(complaint, merged_into=None, merged_contacts=(), unmerged=True)
    moved = tuple(one.contact.id for one in event.contacts)
    return replace(complaint, merged_into=event.into, merged_contacts=moved)


def _keeping(
    complaint: Complaint, event: ComplaintErasureNoted | ComplaintHoldNoted, time: datetime
) -> Complaint:
    if isinstance(event, ComplaintHoldNoted):
        on = event.state is HoldState.PLACED
        holds = complaint.holds | {event.hold} if on else complaint.holds - {event.hold}
        return replace(complaint, holds=holds)
    others = tuple(one for one in complaint.erasures if one.person != event.person)
    erasure = Erasure(event.person, time, free=event.state is ErasureState.FREE)
    return replace(complaint, erasures=(*others, erasure))


def _reopened(complaint: Complaint, event: ComplaintReopened) -> Complaint:
    """A new cycle: nothing of the old one counts any more but its cases still open."""
    return replace(
        complaint,
        cycle=event.cycle,
        clock_from=event.clock_from,
        answer_to=event.correspondent,
        valid=True,
        urges=0,
        answer=None,
        asked=None,
        withdrawn_at=None,
        closed=None,
        dissatisfied=complaint.dissatisfied + (event.reason is ReopenReason.DISSATISFIED),
    )


def urges_standing(complaint: Complaint) -> int:
    """How many urges of this cycle still belong here (DOMAIN rule 2)."""
    return sum(
        one.contact.kind is ContactKind.URGE and one.stands and one.cycle == complaint.cycle
        for one in complaint.contacts
    )
