"""How many complaints of the same customer in the same category went before (DOMAIN rule 10).

Counted when a complaint is told, and again when one of the customer's gets a category, comes late
or becomes a complaint of its own: whatever the order in which that is heard, the count is the same.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from contracts.intake import ComplaintRepeatsCounted, Outcome, Registration
from contracts.values import Category, Kind
from libs.decider import Lookups, Policies, To
from services.intake.domain.commands import CountRepeats, Reclassify, UnlinkContact
from services.intake.domain.merging import COMPLAINTS, STREAM
from services.intake.domain.policy import contacts_policy
from services.intake.domain.state import Complaint


class Counted(NamedTuple):
    """A complaint as far as repeats go: when it was first told, and about what."""

    told_at: datetime
    complaint: UUID
    category: str


def counted(registration: Registration, complaint: UUID) -> Counted | None:
    """The complaint as it is told; None for what repeats nothing and is repeated by nothing."""
    profile = registration.profile
    nobody = registration.correspondent.anonymous or registration.history is not None
    if nobody or profile.kind is not Kind.COMPLAINT:
        return None
    return Counted(registration.clock_from, complaint, profile.category.value)


def told(one: Counted, person: UUID, lookups: Lookups, policies: Policies) -> tuple[int, list[To]]:
    """Which repeat a complaint that is told now is, and the later ones that are one more by it."""
    others = _on_record(person, lookups)
    if any(other.complaint == one.complaint for other in others):
        return 0, []
    every = [*others, one]
    return _number(one, every, policies), _again(others, every, policies, {one.category}, one)


def reclassify(
    complaint: UUID, command: Reclassify, lookups: Lookups, policies: Policies
) -> Sequence[To]:
    """The reclassification, and what it makes of the counts: its own, and those of later ones."""
    to = To(str(complaint), command)
    state: Complaint | None = lookups.state(STREAM, str(complaint))
    if state is None or command.category is None:
        return (to,)
    before = counted(state.registration, complaint)
    if before is None:
        return (to,)
    was, now = state.profile.category.value, command.category.value
    person = state.registration.correspondent.person
    every = [
        one._replace(category=now) if one.complaint == complaint else one
        for one in _on_record(person, lookups)
    ]
    moved = before._replace(category=now)
    return (to, *_again(every, every, policies, {was, now}, moved, at=command.at))


def unlink(
    complaint: UUID, command: UnlinkContact, lookups: Lookups, policies: Policies
) -> Sequence[To]:
    """The unlinking, with the count of the complaint that the contact becomes, and later ones'."""
    state: Complaint | None = lookups.state(STREAM, str(complaint))
    linked = state and state.linked(command.contact)
    if not linked or linked.standalone is None or linked.standalone.anonymous:
        return (To(str(complaint), command),)
    alone = linked.standalone
    category = alone.profile.category
    if command.category not in (None, Category.UNCLASSIFIED):
        category = command.category
    if alone.profile.kind is not Kind.COMPLAINT:
        return (To(str(complaint), command),)
    one = Counted(linked.contact.at, command.contact, category.value)
    number, later = told(one, alone.person, lookups, policies)
    return (To(str(complaint), command.model_copy(update={"repeat_no": number})), *later)


def count(complaint: Complaint, command: CountRepeats) -> list[ComplaintRepeatsCounted]:
    """On record when it is another number than before."""
    if command.repeat_no == complaint.repeat_no:
        return []
    return [
        ComplaintRepeatsCounted(
            cycle=complaint.cycle,
            was=complaint.repeat_no,
            repeat_no=command.repeat_no,
            closed=not complaint.open,
        )
    ]


def _on_record(person: UUID, lookups: Lookups) -> list[Counted]:
    """The customer's complaints. An urge is none: it is linked. What was merged away counts as the
    one that goes on, what was found not valid was none, and history was over before we came.
    """
    return [
        Counted(row["told_at"], row["complaint"], row["category"])
        for row in lookups.rows(COMPLAINTS, person=person)
        if _counts(row)
    ]


def _counts(row: Mapping[str, Any]) -> bool:
    gone = row["state"] in ("merged", "rejected") or row["outcome"] == Outcome.REJECTED.value
    return row["kind"] == Kind.COMPLAINT.value and not row["history"] and not gone


def _number(one: Counted, every: Sequence[Counted], policies: Policies) -> int:
    """How many of these went before it, within the days of the policy of when it was told."""
    if one.category == Category.UNCLASSIFIED.value:
        return 0
    policy = contacts_policy(policies, one.told_at)
    return sum(
        other.category == one.category
        and (other.told_at, other.complaint) < (one.told_at, one.complaint)
        and policy.repeats(other.told_at, one.told_at)
        for other in every
    )


def _again(
    asked: Sequence[Counted],
    every: Sequence[Counted],
    policies: Policies,
    categories: set[str],
    moved: Counted,
    at: datetime | None = None,
) -> list[To]:
    """Those of the same category told after the one that moved, and that one, counted again."""
    return [
        To(
            str(one.complaint),
            CountRepeats(at=at or moved.told_at, repeat_no=_number(one, every, policies)),
        )
        for one in asked
        if one.category in categories
        and (one.told_at, one.complaint) >= (moved.told_at, moved.complaint)
    ]
