"""Two complaints about one matter: one of them goes on for both, and it can be undone.

A merge is decided in the stream of the complaint that goes; its survivor links the contacts in a
second hop through the log (EVENTS 6 and 7). What was answered, or is with an officer of the 10015
desk, is not merged away (race 8). When that was decided elsewhere while the merge was on its way,
intake undoes the merge on hearing of it, so that both orders end alike.
"""

from collections.abc import Iterator, Sequence
from typing import Any
from uuid import UUID

from contracts.intake import (
    ComplaintContactLinked,
    ComplaintContactUnlinked,
    ComplaintMerged,
    ComplaintUnmerged,
    MatchedBy,
    MergedContact,
)
from contracts.values import Contact, ContactKind, Evidence, Kind
from libs.decider import Conflict, Context, DomainError, Event, Lookups, Refused, To
from services.intake.domain.closing import TIER_REGULATOR
from services.intake.domain.commands import LinkMerged, Merge, UnlinkMerged, Unmerge
from services.intake.domain.person import NoteComplaint
from services.intake.domain.policy import contacts_policy
from services.intake.domain.standing import stands
from services.intake.domain.state import Complaint, Linked, fold, urges_standing

COMPLAINTS = "complaints"
STREAM = "complaint"

ASKS_THE_DESK = frozenset({ContactKind.ESCALATION_WISH, ContactKind.MEDIA_EXPOSURE})
MOVES = ASKS_THE_DESK | {
    ContactKind.FIRST,
    ContactKind.URGE,
    ContactKind.FACT,
    ContactKind.REPLY,
    ContactKind.REGULATOR_REFERRAL,
}
"""Contacts that the survivor has to know of; reports and replies to surveys stay where they are."""


class MergeIntoItself(Refused):
    """A complaint cannot be merged into itself; name the other one."""

    rule = "merge-into-itself"
    zh = "投诉不能并入自身"


class SurvivorUnknown(Refused):
    """There is no complaint to merge into with this id; check it."""

    rule = "survivor-unknown"
    zh = "没有找到要并入的投诉"


class SurvivorNotOpen(Conflict):
    """The complaint to merge into is closed, withdrawn or rejected; an open one must go on."""

    rule = "survivor-not-open"
    zh = "要并入的投诉已结案、已撤回或不予受理"


class SurvivorMergedAway(Conflict):
    """The complaint to merge into is merged into another itself; merge into that one."""

    rule = "survivor-merged"
    zh = "要并入的投诉自身已并入另一投诉"


class SurvivorIsLater(Refused):
    """The earlier complaint survives, for its promises are running; merge the later one into it."""

    rule = "survivor-is-later"
    zh = "应将较晚的投诉并入较早的投诉"


class SurvivorNoComplaint(Refused):
    """Only a complaint is answered and asked about; merge the suggestion or praise into it."""

    rule = "survivor-no-complaint"
    zh = "投诉只能并入投诉"


class DifferentCustomers(Refused):
    """Two customers must both be answered; say `same_customer` when you made sure it is one."""

    rule = "different-customers"
    zh = "两件投诉不属于同一客户;确认为同一客户时请注明"


class AnsweredAlready(Conflict):
    """The complaint was answered or rejected; its customer is to be asked about it, not merged."""

    rule = "merge-of-answered"
    zh = "该投诉已答复,不能再并案"


class OfficerHasIt(Conflict):
    """The 10015 desk has accepted a case of this complaint; merge the other one into this."""

    rule = "merge-of-accepted-case"
    zh = "10015已受理该投诉的升级,不能再并案"


class RegulatorHasIt(Conflict):
    """The regulator's appeal goes on under this complaint; merge the other one into this."""

    rule = "merge-of-appeal"
    zh = "该投诉有未结的申诉,不能再并案"


class TooMuchToMerge(Conflict):
    """The complaint has more contacts than can move at once; unlink what does not belong to it."""

    rule = "too-much-to-merge"
    zh = "该投诉的联系记录过多,不能并案"


class NotMerged(Conflict):
    """The complaint is not merged into another one."""

    rule = "not-merged"
    zh = "该投诉未并案"


class SurvivorMovedOn(Conflict):
    """The survivor is merged into another complaint itself; undo that merge first."""

    rule = "survivor-moved-on"
    zh = "并入的投诉已再次并案,请先解除其并案"


class SurvivorGone(Conflict):
    """The survivor's records passed their retention and went; the merge into it stays."""

    rule = "survivor-gone"
    zh = "并入的投诉保存期满、记录已清除,不能解除并案"


class CameByMerge(Conflict):
    """This contact came with a merged complaint; undo the merge, then unlink it there."""

    rule = "contact-came-by-merge"
    zh = "该联系记录随并案转入,请先解除并案"


# --- choosing, with a look at the other complaint ------------------------------------------------


def choose_merge(subject: UUID, command: Merge, lookups: Lookups) -> Sequence[To]:
    """The merge of `subject`, once its survivor may survive; raises what stands against it.

    Everything read is checked again at commit: of two merges into each other, one is refused.
    """
    merged = lookups.state(STREAM, str(subject))
    if isinstance(merged, Complaint) and merged.merged_into != command.into:
        if command.into == subject:
            raise MergeIntoItself
        survivor: Complaint | None = lookups.state(STREAM, str(command.into))
        try:
            _refuse_survivor(merged, survivor, command)
        except DomainError as refusal:
            refusal.stood(None if survivor is None else stands(survivor))
            raise
        arriving, leaving = _under_way(subject, merged, lookups)
        command = command.model_copy(update={"arriving": arriving, "leaving": leaving})
        noted = NoteComplaint(at=command.at, complaint=command.into)
        speakers = merged.speakers | speakers_of(arriving)
        return (To(str(subject), command), *(To(str(one), noted) for one in sorted(speakers)))
    return (To(str(subject), command),)


def speakers_of(contacts: Sequence[MergedContact]) -> frozenset[UUID]:
    """Whose words these are."""
    return frozenset(one.contact.speaker for one in contacts if one.contact.speaker is not None)


def choose_unmerge(subject: UUID, command: Unmerge, lookups: Lookups) -> Sequence[To]:
    """Undoing the merge of `subject`, the last one first."""
    merged = lookups.state(STREAM, str(subject))
    if isinstance(merged, Complaint) and merged.merged_into is not None:
        survivor: Complaint | None = lookups.state(STREAM, str(merged.merged_into))
        if survivor is None:
            raise SurvivorGone().stood(stands(merged))
        if survivor.merged_into is not None:
            raise SurvivorMovedOn().stood(stands(survivor))
    return (To(str(subject), command),)


def survivor_of(complaint: UUID, lookups: Lookups) -> tuple[UUID, Complaint] | None:
    """The complaint that goes on for this one, however often it was merged on; itself if it is.

    None: its records passed their retention and went, or are about to, so nothing goes on any more.
    """
    state: Complaint | None = lookups.state(STREAM, str(complaint))
    while state is not None and state.merged_into is not None:
        complaint, state = state.merged_into, lookups.state(STREAM, str(state.merged_into))
    if state is None or lookups.withheld(str(complaint)):
        return None
    return complaint, state


def _refuse_survivor(merged: Complaint, survivor: Complaint | None, command: Merge) -> None:
    if survivor is None:
        raise SurvivorUnknown
    if survivor.merged_into is not None:
        raise SurvivorMergedAway
    if not survivor.open or survivor.withdrawn or survivor.rejected:
        raise SurvivorNotOpen
    told, other = merged.registration, survivor.registration
    if told.clock_from < other.clock_from:
        raise SurvivorIsLater
    if merged.profile.kind is Kind.COMPLAINT and survivor.profile.kind is not Kind.COMPLAINT:
        raise SurvivorNoComplaint
    if told.correspondent.person != other.correspondent.person and not command.same_customer:
        raise DifferentCustomers


def _under_way(
    subject: UUID, complaint: Complaint, lookups: Lookups
) -> tuple[tuple[MergedContact, ...], tuple[UUID, ...]]:
    """Second hops that have not reached this complaint: contacts on their way to it, and away."""
    standing = {one.contact.id for one in complaint.contacts if one.stands}
    arriving: list[MergedContact] = []
    for row in lookups.rows(COMPLAINTS, merged_into=subject):
        child: Complaint = lookups.state(STREAM, str(row["complaint"]))
        arriving += [one for one in _moved(child) if one.contact.id not in standing]
    origins = {one.merged_from for one in complaint.contacts if one.stands} - {None}
    gone = {
        origin for origin in origins if lookups.state(STREAM, str(origin)).merged_into != subject
    }
    leaving = [
        one.contact.id for one in complaint.contacts if one.stands and one.merged_from in gone
    ]
    return tuple(arriving), tuple(leaving)


# --- the complaint that goes, and comes back -----------------------------------------------------


def merge(complaint: Complaint, command: Merge, context: Context) -> list[Event]:
    """It goes, with every contact that its survivor has to know of."""
    if complaint.answer is not None or complaint.rejected:
        raise AnsweredAlready
    if complaint.has_case(TIER_REGULATOR):
        raise RegulatorHasIt
    if complaint.accepted_case():
        raise OfficerHasIt
    policy = contacts_policy(context.policies, command.at)
    leaving = frozenset(command.leaving)
    moved = [one for one in _moved(complaint) if one.contact.id not in leaving]
    contacts = [*moved, *command.arriving]
    if len(contacts) > policy.merge_contacts_max:
        raise TooMuchToMerge
    return [
        ComplaintMerged(
            cycle=complaint.cycle,
            into=command.into,
            reason=command.reason,
            note=command.note,
            same_customer=command.same_customer,
            contacts=tuple(_within(contacts, policy.merge_text_characters_max)),
        )
    ]


def unmerge(complaint: Complaint, command: Unmerge) -> list[Event]:
    """It is a complaint of its own again, its clocks counted from its own beginning."""
    if complaint.merged_into is None:
        if complaint.unmerged:
            return []  # told twice is told once
        raise NotMerged
    return [_unmerged(complaint, command.reason, command.note)]


def undone(complaint: Complaint, reason: str) -> list[Event]:
    """The merge undone because of what was decided before it was heard of (EVENTS race 8)."""
    return [] if complaint.merged_into is None else [_unmerged(complaint, reason, None)]


def _unmerged(complaint: Complaint, reason: str, note: str | None) -> ComplaintUnmerged:
    assert complaint.merged_into is not None
    return ComplaintUnmerged(
        cycle=complaint.cycle,
        survivor=complaint.merged_into,
        reason=reason,
        note=note,
        contacts=complaint.merged_contacts,
        verified=complaint.valid is not None,
        clock_from=complaint.clock_from,
        profile=complaint.profile,
    )


def _moved(complaint: Complaint) -> Iterator[MergedContact]:
    """Its contacts as what they are to the survivor: the complaint itself is an urge to it."""
    told = complaint.registration
    first = Linked(told.contact, 1, told.summary, evidence=told.evidence)
    for linked in (first, *complaint.contacts):
        if linked.stands and linked.contact.kind in MOVES:
            kind = _kind_moved(complaint, linked, is_first=linked is first)
            contact = linked.contact.model_copy(update={"kind": kind})
            yield MergedContact(contact=contact, text=linked.text, evidence=linked.evidence)


def _kind_moved(complaint: Complaint, linked: Linked, *, is_first: bool) -> ContactKind:
    """A wish that no officer has dealt with is still one; urges count while they are of today."""
    kind = linked.contact.kind
    if is_first and complaint.profile.media:
        kind = ContactKind.MEDIA_EXPOSURE
    dealt_with = complaint.cases_known and not complaint.has_case()
    if kind in ASKS_THE_DESK and not dealt_with:
        return kind
    urges = is_first or (kind is ContactKind.URGE and linked.cycle == complaint.cycle)
    return ContactKind.URGE if urges and _is_complaint(complaint) else ContactKind.FACT


def _is_complaint(complaint: Complaint) -> bool:
    return complaint.profile.kind is Kind.COMPLAINT


def _within(contacts: Sequence[MergedContact], characters_max: int) -> Iterator[MergedContact]:
    """As many words, and what came with them, as fit into one event, the first ones first."""
    left = characters_max
    for one in contacts:
        left -= len(one.text or "") + sum(map(_characters, one.evidence))
        yield one if left >= 0 else one.model_copy(update={"text": None, "evidence": ()})


def _characters(evidence: Evidence) -> int:
    return len(evidence.kind) + len(evidence.ref) + len(evidence.sha256 or "")


# --- the survivor --------------------------------------------------------------------------------


def link(complaint: Complaint, command: LinkMerged, context: Context) -> list[Event]:
    """The survivor links what came; closed meanwhile, it stays so, as had it come before."""
    events: list[Any] = []
    for moved in command.contacts:
        known = complaint.linked(moved.contact.id)
        if moved.contact.id == complaint.registration.contact.id or (known and known.stands):
            continue
        contact = _as_kind(moved.contact, complaint)
        linked = ComplaintContactLinked(
            cycle=complaint.cycle,
            contact=contact,
            urge_no=urges_standing(complaint) + (contact.kind is ContactKind.URGE),
            matched_by=MatchedBy.MERGE,
            merged_from=command.origin,
            text=moved.text,
            evidence=moved.evidence,
            closed=complaint.closed is not None,
        )
        events.append(linked)
        complaint = fold(complaint, linked, context.now)
    return events


def _as_kind(contact: Contact, complaint: Complaint) -> Contact:
    """Nothing is urged any more once it is closed; merged on itself, it only keeps the record."""
    over = complaint.merged_into is not None
    if over or (complaint.closed is not None and contact.kind is ContactKind.URGE):
        return contact.model_copy(update={"kind": ContactKind.FACT})
    return contact


def unlink(complaint: Complaint, command: UnlinkMerged, context: Context) -> list[Event]:
    """What came with the merged complaint goes back to it."""
    events: list[Any] = []
    for one in complaint.contacts:
        if one.merged_from != command.origin or not one.stands:
            continue
        urge = one.contact.kind is ContactKind.URGE and one.cycle == complaint.cycle
        unlinked = ComplaintContactUnlinked(
            cycle=complaint.cycle,
            contact=one.contact,
            reason=command.reason,
            urge_no=urges_standing(complaint) - urge,
        )
        events.append(unlinked)
        complaint = fold(complaint, unlinked, context.now)
    return events
