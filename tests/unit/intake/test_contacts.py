"""What may be unlinked, and how many contacts one complaint bears (DOMAIN rule 2)."""

from dataclasses import replace
from uuid import UUID

import pytest

from contracts.intake import ComplaintContactLinked, ComplaintContactUnlinked
from contracts.values import Category, ContactKind, Evidence
from libs.decider.story import Story
from services.intake.domain.commands import UnlinkContact
from services.intake.domain.complaint import (
    ContactCannotStandAlone,
    ContactUnknown,
    FirstContactStays,
    TooManyContacts,
)
from services.intake.domain.receipt import receipt_of
from tests.unit.intake.given import closed, link, open_complaint
from tests.unit.intake.world import COMPLAINT, DAY, HOUR, TOLD, contact


def unlink(identity: UUID, category: Category | None = None) -> UnlinkContact:
    return UnlinkContact(
        at=TOLD + DAY,
        contact=identity,
        reason="another_line",
        receipt=receipt_of(identity),
        category=category,
    )


URGE = link("u1", TOLD + HOUR)


def test_a_contact_told_twice_is_one() -> None:
    story = open_complaint().when(URGE).then_types(ComplaintContactLinked)
    story.when(URGE).then_nothing()
    first = link("call-7781", TOLD, source="10010")
    open_complaint().when(first).then_nothing()


def test_what_it_becomes_is_fixed_and_dated_at_its_own_contact() -> None:
    story = open_complaint().when(URGE).when(unlink(URGE.contact.id))
    gone = story.one(ComplaintContactUnlinked)
    assert gone.becomes.complaint == URGE.contact.id
    own = gone.becomes.registration
    assert own.clock_from == TOLD + HOUR
    assert own.summary == "sealed-u1"
    assert own.unlinked_from == COMPLAINT
    assert own.correspondent.receipt == receipt_of(URGE.contact.id)
    assert own.profile.category is Category.BILLING
    story.when(unlink(URGE.contact.id)).then_nothing()


def test_evidence_goes_with_the_contact_it_came_with() -> None:
    bill = Evidence(kind="bill", ref="billing/2025-09/4711", sha256="ab" * 32)
    told = URGE.model_copy(update={"evidence": (bill,)})
    story = open_complaint().when(told).when(unlink(told.contact.id))
    assert story.one(ComplaintContactUnlinked).becomes.registration.evidence == (bill,)


def test_staff_may_say_what_the_unlinked_contact_is_about() -> None:
    story = open_complaint().when(URGE).when(unlink(URGE.contact.id, Category.PRODUCT))
    own = story.one(ComplaintContactUnlinked).becomes.registration
    assert own.profile.category is Category.PRODUCT
    assert own.classified.by == "desk"


def test_the_first_contact_stays() -> None:
    open_complaint().when(unlink(COMPLAINT)).then_refused(FirstContactStays)


def test_a_contact_nobody_linked_cannot_be_unlinked() -> None:
    open_complaint().when(unlink(UUID(int=3))).then_refused(ContactUnknown)


@pytest.mark.parametrize("kind", [ContactKind.SURVEY_REPLY, ContactKind.PARTNER_REPORT])
def test_a_reply_makes_no_complaint(kind: ContactKind) -> None:
    reply = link("r", TOLD + HOUR, kind)
    story = open_complaint().when(reply)
    story.when(unlink(reply.contact.id)).then_refused(ContactCannotStandAlone)


def test_unlinking_a_fact_leaves_the_urges() -> None:
    fact = link("f", TOLD + HOUR, ContactKind.FACT)
    story = open_complaint().when(URGE).when(fact).when(unlink(fact.contact.id))
    assert story.one(ComplaintContactUnlinked).urge_no == 1


def test_an_urge_of_an_older_cycle_takes_nothing_from_the_new_ones() -> None:
    story = open_complaint().when(URGE)
    over = closed()
    story = replace(over, state=replace(over.state, contacts=story.state.contacts))
    story = story.when(link("again", TOLD + 5 * HOUR)).when(link("u2", TOLD + 6 * HOUR))
    story = story.when(unlink(URGE.contact.id))
    assert story.one(ComplaintContactUnlinked).urge_no == 1


def test_more_contacts_than_the_policy_allows_are_refused() -> None:
    story = open_complaint().when(URGE)
    many: Story = replace(story, state=replace(story.state, contacts=story.state.contacts * 1_000))
    many.when(link("one-more", TOLD + 2 * HOUR)).then_refused(TooManyContacts)


def test_the_contact_row_says_who_holds_it_now() -> None:
    story = open_complaint().when(URGE).when(unlink(URGE.contact.id))
    rows = {
        dict(row.key)["message"]: dict(row.values) for row in story.rows if row.table == "contacts"
    }
    assert rows[URGE.contact.id]["held_by"] == URGE.contact.id
    assert rows[contact().id]["held_by"] == COMPLAINT
