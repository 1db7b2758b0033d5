"""Which complaint a message belongs to: one whose receipt it quotes, one it repeats, or none.

A further contact on an open complaint - same receipt number, or same subscriber and same category
inside the duplicate window - is linked to it and counts as an urge (DOMAIN rule 2). What is
`unclassified` never matches the window (DOMAIN rule 4). Pure: it reads through `Lookups`, whose
answers are checked again at commit, so two first contacts at once make one complaint (EVENTS
race 13).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from contracts.intake import (
    DeliveryReport,
    History,
    MatchedBy,
    Outcome,
    Registration,
    Standalone,
    SurveyReply,
    WithdrawnBy,
)
from contracts.messages import MessageKind
from contracts.values import (
    Category,
    ChannelKind,
    Classified,
    Contact,
    ContactKind,
    Correspondent,
    Evidence,
    Kind,
    Profile,
    RegulatorReferral,
    ReplyTo,
)
from libs.decider import Lookups, Policies, Refused, To
from services.intake.domain import repeating
from services.intake.domain.commands import LinkContact, RegisterComplaint, Withdraw
from services.intake.domain.identity import refusal_subject
from services.intake.domain.merging import COMPLAINTS, survivor_of
from services.intake.domain.person import NoteComplaint
from services.intake.domain.policy import contacts_policy, reopening_policy
from services.intake.domain.receipt import (
    ReceiptMistyped,
    ReceiptUnreadable,
    free_receipt,
    read_receipt,
    receipt_of,
)
from services.intake.domain.reopening import contact_reopens

CONTACTS = "contacts"
NOTICES = "notices"
OPEN = "open_complaints"
RECEIPTS = "receipts"
REFUSED = "refused_messages"

Wanted = tuple[str, Mapping[str, Any]]


class NothingToLink(Refused):
    """No complaint fits this message; quote the receipt number, or say in words what is wrong."""

    rule = "nothing-to-link"
    zh = "没有找到对应的投诉,请注明受理编号"


class SeveralFit(Refused):
    """Several complaints of this customer fit this message; quote the receipt number."""

    rule = "several-fit"
    zh = "该客户有多个投诉符合,请注明受理编号"


SAYS_SOMETHING = frozenset(
    {
        MessageKind.WORDS,
        MessageKind.URGE,
        MessageKind.FACT,
        MessageKind.REPLY,
        MessageKind.ESCALATION_WISH,
        MessageKind.REGULATOR_REFERRAL,
        MessageKind.MEDIA_EXPOSURE,
    }
)
"""Messages that become a complaint of their own when they belong to none."""

FOUNDS = SAYS_SOMETHING | {MessageKind.HISTORY}
"""Messages that may become a complaint; history always does, whatever else is on record: what was
over before cannot be about what is open now."""

ABOUT_AN_OPEN_ONE = SAYS_SOMETHING - {MessageKind.WORDS} | {MessageKind.WITHDRAWAL}
"""Messages of which the channel itself says that they concern a complaint on record: where their
words name no category, the customer's only open complaint inside the window is the one."""

ABOUT_THE_MATTER = ABOUT_AN_OPEN_ONE | {MessageKind.WORDS, MessageKind.PARTNER_REPORT}
"""Messages that go where the matter goes when their complaint was merged into another; a survey's
reply and a delivery report are about one complaint's own survey and notice."""

AS_CONTACT: Mapping[MessageKind, ContactKind] = {
    MessageKind.WORDS: ContactKind.URGE,
    MessageKind.URGE: ContactKind.URGE,
    MessageKind.FACT: ContactKind.FACT,
    MessageKind.REPLY: ContactKind.REPLY,
    MessageKind.SURVEY_REPLY: ContactKind.SURVEY_REPLY,
    MessageKind.ESCALATION_WISH: ContactKind.ESCALATION_WISH,
    MessageKind.WITHDRAWAL: ContactKind.WITHDRAWAL,
    MessageKind.DELIVERY_REPORT: ContactKind.DELIVERY_REPORT,
    MessageKind.PARTNER_REPORT: ContactKind.PARTNER_REPORT,
    MessageKind.REGULATOR_REFERRAL: ContactKind.REGULATOR_REFERRAL,
    MessageKind.MEDIA_EXPOSURE: ContactKind.MEDIA_EXPOSURE,
}
"""What a message is to the complaint it is linked to; plain words on an open one are an urge."""

AS_FIRST = {
    MessageKind.ESCALATION_WISH: ContactKind.ESCALATION_WISH,
    MessageKind.REGULATOR_REFERRAL: ContactKind.REGULATOR_REFERRAL,
    MessageKind.MEDIA_EXPOSURE: ContactKind.MEDIA_EXPOSURE,
    MessageKind.HISTORY: ContactKind.HISTORY,
}
"""What a message is to the complaint it founds, where it is more than the first contact."""


@dataclass(frozen=True, slots=True)
class Told:
    """A channel message with its plaintext sealed: all that may be known beyond the door."""

    key: UUID
    kind: MessageKind
    channel: ChannelKind
    source: str
    message: str
    at: datetime
    person: UUID
    profile: Profile
    classified: Classified
    anonymous: bool = False
    receipt: str | None = None
    text: str | None = None
    sender_name: str | None = None
    reply_to: ReplyTo | None = None
    survey: SurveyReply | None = None
    delivery: DeliveryReport | None = None
    regulator: RegulatorReferral | None = None
    evidence: tuple[Evidence, ...] = ()
    history: History | None = None

    def contact(self, kind: ContactKind) -> Contact:
        """The message as a contact."""
        return Contact(
            id=self.key,
            kind=kind,
            channel=self.channel,
            source=self.source,
            message=self.message,
            at=self.at,
            speaker=self.person,
        )


@dataclass(frozen=True, slots=True)
class Target:
    """The complaint a message belongs to, how it was found, and whose it is."""

    complaint: UUID
    by: MatchedBy
    person: UUID | None


def quoted_receipt(text: str | None) -> str | None:
    """The number that was quoted, as we write it; None where it is none of ours.

    A mistyped number must not cost the customer their words: they then count by themselves.
    """
    if text is None:
        return None
    try:
        return read_receipt(text)
    except (ReceiptUnreadable, ReceiptMistyped):
        return None


def wants_outcome(key: UUID) -> tuple[Wanted, ...]:
    """The rows that tell whether a message is known, and what became of it."""
    return (
        (CONTACTS, {"message": key}),
        (REFUSED, {"message": UUID(refusal_subject(key))}),
    )


def wants(told: Told) -> tuple[Wanted, ...]:
    """The rows that `resolve` will most likely look up, for reading them in bulk."""
    wanted: list[Wanted] = [*wants_outcome(told.key)]
    if told.receipt is not None:
        wanted.append((RECEIPTS, {"receipt": told.receipt}))
    if told.delivery is not None:
        wanted.append((NOTICES, {"notice": told.delivery.notice}))
    if told.kind in FOUNDS:
        wanted.append((RECEIPTS, {"receipt": receipt_of(told.key)}))
    if not told.anonymous and told.history is None:
        wanted.append((OPEN, {"person": told.person}))
        if told.kind in FOUNDS and told.profile.kind is Kind.COMPLAINT:
            wanted.append((COMPLAINTS, {"person": told.person}))
    return tuple(wanted)


def known(key: UUID, lookups: Lookups) -> bool:
    """Whether this message has had its outcome already, by whichever door it came."""
    return bool(
        lookups.rows(CONTACTS, message=key)
        or lookups.rows(REFUSED, message=UUID(refusal_subject(key)))
    )


def resolve(told: Told, lookups: Lookups, policies: Policies) -> Sequence[To]:
    """What the message asks for; nothing when it is known already.

    Raises NothingToLink or SeveralFit where it can neither be linked nor stand alone.
    """
    if known(told.key, lookups):
        return ()
    target = None if told.history is not None else find(told, lookups, policies)
    if target is not None:
        if told.kind is MessageKind.WITHDRAWAL and _may_withdraw(told, target):
            return (To(str(target.complaint), _withdraw(told)), _words_in(told, target.complaint))
        return (To(str(target.complaint), _link(told, target)), _words_in(told, target.complaint))
    if told.kind not in FOUNDS or told.text is None:
        raise NothingToLink
    registration, later = _first(told, lookups), list[To]()
    one = repeating.counted(registration, told.key)
    if one is not None:
        number, later = repeating.told(one, told.person, lookups, policies)
        registration = registration.model_copy(update={"repeat_no": number})
    register = RegisterComplaint(at=told.at, registration=registration)
    return (To(str(told.key), register), _words_in(told, told.key), *later)


def _words_in(told: Told, complaint: UUID) -> To:
    """This complaint holds words of whoever spoke: in the same decision, so that an erasure that
    waits for the person's complaints cannot miss it."""
    return To(str(told.person), NoteComplaint(at=told.at, complaint=complaint))


def find(told: Told, lookups: Lookups, policies: Policies) -> Target | None:
    """The complaint a message belongs to; None when it stands alone."""
    return (
        _by_notice(told, lookups)
        or _by_receipt(told, lookups, policies)
        or _by_person(told, lookups, policies)
    )


def receipt_for(complaint: UUID, lookups: Lookups) -> str:
    """A receipt number for this complaint that no other one has."""
    return free_receipt(
        complaint,
        lambda receipt: any(
            row["complaint"] != complaint for row in lookups.rows(RECEIPTS, receipt=receipt)
        ),
    )


def _by_notice(told: Told, lookups: Lookups) -> Target | None:
    if told.delivery is None:
        return None
    for row in lookups.rows(NOTICES, notice=told.delivery.notice):
        return Target(row["complaint"], MatchedBy.NOTICE, None)
    return None


def _by_receipt(told: Told, lookups: Lookups, policies: Policies) -> Target | None:
    """A number that nobody has, or one closed too long ago, leaves the words on their own."""
    if told.receipt is None:
        return None
    for row in lookups.rows(RECEIPTS, receipt=told.receipt):
        if row["complaint"] != row["stream"]:
            continue
        holder = _who_goes_on(row, lookups) if told.kind in ABOUT_THE_MATTER else row
        if holder is None:
            continue  # as a number that nobody has
        if _takes(holder, told, policies):
            return Target(holder["complaint"], MatchedBy.RECEIPT, holder["person"])
    return None


def _who_goes_on(row: Mapping[str, Any], lookups: Lookups) -> Mapping[str, Any] | None:
    """A merged complaint's number leads to the one that goes on for it: the same columns.

    None: that one passed its retention and went.
    """
    if row["merged_into"] is None:
        return row
    survivor = survivor_of(row["merged_into"], lookups)
    if survivor is None:
        return None
    complaint, state = survivor
    closed = state.closed
    return {
        "complaint": complaint,
        "person": state.registration.correspondent.person,
        "closed_at": closed.at if closed else None,
        "outcome": closed.outcome.value if closed else None,
    }


def _takes(row: Mapping[str, Any], told: Told, policies: Policies) -> bool:
    """Whether the complaint with that receipt takes this message, closed or not."""
    if row["closed_at"] is None or told.kind not in SAYS_SOMETHING:
        return True
    if told.profile.kind is not Kind.COMPLAINT:
        return False  # praise and suggestions do not take up again what is closed
    if told.kind in (MessageKind.REGULATOR_REFERRAL, MessageKind.MEDIA_EXPOSURE):
        return True
    policy = reopening_policy(policies, told.at)
    return contact_reopens(Outcome(row["outcome"]), row["closed_at"], policy, told.at)


def _by_person(told: Told, lookups: Lookups, policies: Policies) -> Target | None:
    if told.anonymous or told.profile.kind is not Kind.COMPLAINT:
        return None
    rows = lookups.rows(OPEN, person=told.person)
    if told.kind is MessageKind.SURVEY_REPLY:
        return _only([row for row in rows if row["asked"]], told, MatchedBy.NOTICE)
    policy = contacts_policy(policies, told.at)
    near = [row for row in rows if policy.in_window(row["clock_from"], told.at)]
    near = [one for row in near for one in _going_on(row, lookups)]
    category = told.profile.category
    if category is Category.UNCLASSIFIED:
        if told.kind not in ABOUT_AN_OPEN_ONE:
            return None
        return _only(near, told, MatchedBy.WINDOW)
    same = [row for row in near if row["category"] == category.value]
    if not same:
        return None
    latest = max(same, key=lambda row: (row["clock_from"], row["complaint"]))
    return Target(latest["complaint"], MatchedBy.WINDOW, latest["person"])


def _going_on(row: Mapping[str, Any], lookups: Lookups) -> list[Mapping[str, Any]]:
    """The open complaint itself, or the open one that goes on for it, in its own category too."""
    if row["merged_into"] is None:
        return [row]
    survivor = survivor_of(row["merged_into"], lookups)
    if survivor is None:
        return []
    complaint, state = survivor
    if not state.open or state.withdrawn:
        return []
    person = state.registration.correspondent.person
    return [{**row, "complaint": complaint, "person": person}]


def _only(rows: Sequence[Mapping[str, Any]], told: Told, by: MatchedBy) -> Target | None:
    if not rows:
        return None
    if len({row["complaint"] for row in rows}) > 1:
        if told.kind in SAYS_SOMETHING and told.text is not None:
            return None
        raise SeveralFit
    return Target(rows[0]["complaint"], by, rows[0]["person"])


def _may_withdraw(told: Told, target: Target) -> bool:
    """Only the customer or somebody with papers takes a complaint back; else it is on record."""
    return told.profile.representative or told.person == target.person


def _withdraw(told: Told) -> Withdraw:
    return Withdraw(
        at=told.at,
        by=(WithdrawnBy.REPRESENTATIVE if told.profile.representative else WithdrawnBy.CUSTOMER),
        reason="customer_said",
        note=told.text,
        contact=told.contact(ContactKind.WITHDRAWAL),
    )


def _link(told: Told, target: Target) -> LinkContact:
    kind = AS_CONTACT[told.kind]
    if kind is ContactKind.URGE and told.profile.kind is not Kind.COMPLAINT:
        kind = ContactKind.FACT
    alone = None
    if told.kind in SAYS_SOMETHING and told.text is not None:
        alone = Standalone(
            person=told.person,
            anonymous=told.anonymous,
            reply_to=told.reply_to,
            sender_name=told.sender_name,
            profile=told.profile,
            classified=told.classified,
        )
    return LinkContact(
        at=told.at,
        contact=told.contact(kind),
        matched_by=target.by,
        text=told.text,
        standalone=alone,
        evidence=told.evidence,
        survey_reply=told.survey,
        delivery_report=told.delivery,
        regulator=told.regulator,
    )


def _first(told: Told, lookups: Lookups) -> Registration:
    assert told.text is not None
    profile = told.profile
    return Registration(
        correspondent=Correspondent(
            receipt=receipt_for(told.key, lookups),
            person=told.person,
            anonymous=told.anonymous,
            reply_to=told.reply_to,
            language=profile.language,
            customer_class=profile.customer_class,
            value_tier=profile.value_tier,
        ),
        profile=profile,
        classified=told.classified,
        contact=told.contact(AS_FIRST.get(told.kind, ContactKind.FIRST)),
        clock_from=told.at,
        summary=told.text,
        sender_name=told.sender_name,
        evidence=told.evidence,
        regulator=told.regulator,
        history=told.history,
    )


def outcome(key: UUID, lookups: Lookups) -> Mapping[str, Any]:
    """What became of a message: `registered`, `imported`, `linked` or `refused`, and where.

    Shape: {outcome, complaint, receipt, rule, problem}; ids as text, None where it does not apply.
    """
    told: dict[str, Any] = dict.fromkeys(("outcome", "complaint", "receipt", "rule", "problem"))
    rows = lookups.rows(CONTACTS, message=key)
    rows = sorted(rows, key=lambda row: row["merged_from"] is not None)  # as it was told first
    held = [row for row in rows if row["complaint"] == row["held_by"]] or rows
    for row in held[:1]:
        founded = "imported" if row["kind"] == ContactKind.HISTORY.value else "registered"
        told["outcome"] = founded if row["held_by"] == key else "linked"
        told["complaint"] = str(row["held_by"])
        told["receipt"] = row["receipt"]
    if not rows:
        for row in lookups.rows(REFUSED, message=UUID(refusal_subject(key))):
            told["outcome"] = "refused"
            told["rule"] = row["rule"]
            told["problem"] = row["problem"]
    return told
