"""What intake's streams show: rows that follow from a stream's state alone. Pure."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any
from uuid import UUID

from contracts.feedback_survey import NoticeIssued
from contracts.values import Category, Kind
from libs.decider import Decider, Recorded, Row
from services.intake.domain.matching import CONTACTS, NOTICES, OPEN, RECEIPTS, REFUSED
from services.intake.domain.merging import COMPLAINTS
from services.intake.domain.message import Refusal
from services.intake.domain.person import Person
from services.intake.domain.standing import state_of
from services.intake.domain.state import Complaint, Linked
from services.intake.domain.streams import COMPLAINT, MESSAGE, PERSON, SEARCH

DESK = "desk_tasks"
ERASURES = "person_erasures"
CLASSIFY = "classify"
VERIFY = "verify"


def complaint_rows(subject: str, complaint: Complaint) -> Iterator[Row]:
    """Everything a complaint shows."""
    identity = UUID(subject)
    told = complaint.registration
    receipt = told.correspondent.receipt
    first = Linked(told.contact, 1, told.summary, evidence=told.evidence)
    yield _contact_row(identity, first, receipt, complaint)
    for linked in complaint.contacts:
        yield _contact_row(identity, linked, receipt, complaint)
        if linked.becomes is not None and linked.becomes_receipt is not None:
            yield _receipt_row(linked.becomes_receipt, identity, linked.becomes, complaint)
    yield _receipt_row(receipt, identity, identity, complaint)
    yield _status_row(identity, complaint)
    goes_on = complaint.closed is None and not complaint.withdrawn
    if goes_on and complaint.profile.kind is Kind.COMPLAINT:
        yield Row.of(
            OPEN,
            {"complaint": identity},
            person=told.correspondent.person,
            category=complaint.profile.category.value,
            clock_from=complaint.clock_from,
            asked=complaint.answer is not None and complaint.answer.ask,
            merged_into=complaint.merged_into,
        )
    yield from _desk_rows(identity, complaint)


def _contact_row(identity: UUID, linked: Linked, receipt: str, complaint: Complaint) -> Row:
    contact = linked.contact
    return Row.of(
        CONTACTS,
        {"message": contact.id, "complaint": identity},
        held_by=linked.becomes or identity,
        receipt=linked.becomes_receipt or receipt,
        kind=contact.kind.value,
        channel=contact.channel.value,
        at=contact.at,
        cycle=linked.cycle,
        words=linked.text,
        merged_from=linked.merged_from,
        person=linked.speaker or complaint.registration.correspondent.person,
        evidence=[one.model_dump() for one in linked.evidence] or None,
    )


def _receipt_row(receipt: str, stream: UUID, complaint: UUID, state: Complaint) -> Row:
    """A number and whose it is; until an unlinked contact's own stream exists, its old one says."""
    closed = state.closed if stream == complaint else None
    return Row.of(
        RECEIPTS,
        {"receipt": receipt, "stream": stream},
        complaint=complaint,
        person=state.registration.correspondent.person,
        closed_at=closed.at if closed else None,
        outcome=closed.outcome.value if closed else None,
        merged_into=state.merged_into if stream == complaint else None,
    )


def _status_row(identity: UUID, complaint: Complaint) -> Row:
    profile, told = complaint.profile, complaint.registration
    closed = complaint.closed
    return Row.of(
        COMPLAINTS,
        {"complaint": identity},
        receipt=told.correspondent.receipt,
        person=told.correspondent.person,
        kind=profile.kind.value,
        category=profile.category.value,
        urgency=profile.urgency.value,
        customer_class=profile.customer_class.value,
        value_tier=profile.value_tier.value,
        channel=profile.channel.value,
        home_province=profile.home_province,
        province=profile.handling_province,
        language=profile.language.value,
        state=state_of(complaint),
        escalated=complaint.has_case(),
        history=complaint.history,
        cycle=complaint.cycle,
        urges=complaint.urges,
        contacts=sum(linked.stands for linked in complaint.contacts),
        told_at=told.clock_from,
        clock_from=complaint.clock_from,
        answered_at=complaint.answer.at if complaint.answer else None,
        closed_at=closed.at if closed else None,
        outcome=closed.outcome.value if closed else None,
        merged_into=complaint.merged_into,
    )


def _desk_rows(identity: UUID, complaint: Complaint) -> Iterator[Row]:
    if not complaint.open or complaint.withdrawn or complaint.rejected:
        return
    profile, told = complaint.profile, complaint.registration
    tasks = []
    if profile.category is Category.UNCLASSIFIED:
        tasks.append(CLASSIFY)
    if complaint.valid is None:
        tasks.append(VERIFY)
    for task in tasks:
        yield Row.of(
            DESK,
            {"complaint": identity, "task": task},
            receipt=told.correspondent.receipt,
            kind=profile.kind.value,
            category=profile.category.value,
            urgency=profile.urgency.value,
            channel=profile.channel.value,
            province=profile.handling_province,
            language=profile.language.value,
            since=complaint.clock_from,
            words=told.summary,
        )


def person_rows(subject: str, person: Person) -> Iterator[Row]:
    """A person whose data is locked or destroyed, and what still keeps it."""
    if person.erased is None:
        return
    yield Row.of(
        ERASURES,
        {"person": UUID(subject)},
        mode=person.erased.value,
        basis=person.basis,
        since=person.since,
        locked_at=person.locked_at,
        destroyed_at=person.destroyed_at,
        to_be_destroyed=person.to_be_destroyed,
        keeping=sorted(map(str, person.keeping)),
    )


def refusal_rows(subject: str, refusal: Refusal) -> Iterator[Row]:
    """A refused message, by which rule, and what to do about it."""
    yield Row.of(
        REFUSED,
        {"message": UUID(subject)},
        source=refusal.source,
        id=refusal.message,
        channel=refusal.channel,
        rule=refusal.rule,
        problem=refusal.problem,
        at=refusal.at,
        person=refusal.person,
    )


def heard_rows(recorded: Recorded[Any]) -> Iterable[Row]:
    """Whose a notice is, so that a delivery report finds its complaint by the notice alone."""
    if not isinstance(recorded.data, NoticeIssued):
        return ()
    complaint = UUID(recorded.subject)
    return (Row.of(NOTICES, {"notice": recorded.data.notice}, complaint=complaint),)


DECIDERS: tuple[Decider[Any], ...] = (
    replace(COMPLAINT, rows=complaint_rows),
    replace(MESSAGE, rows=refusal_rows),
    replace(PERSON, rows=person_rows),
    SEARCH,
)
"""Every stream of intake with what it shows."""
