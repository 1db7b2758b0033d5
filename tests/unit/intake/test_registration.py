"""A complaint goes on record once, is verified by policy or by a desk, and classified by desks."""

from uuid import UUID

from contracts.intake import (
    Check,
    ComplaintReclassified,
    ComplaintRegistered,
    ComplaintVerified,
    WithdrawnBy,
)
from contracts.values import Category, Classification, Evidence, Urgency
from services.intake.domain.commands import Reclassify, RegisterComplaint, VerifyComplaint, Withdraw
from services.intake.domain.complaint import (
    AlreadyVerified,
    ComplaintIsWithdrawn,
    ComplaintNotOpen,
    ComplaintUnknown,
    NothingUnclassified,
    ReasonMissing,
)
from tests.unit.intake.given import open_complaint, with_open_case, with_regulator_case
from tests.unit.intake.world import DAY, TOLD, complaint_story, registration

REGISTER = RegisterComplaint(at=TOLD, registration=registration())


def test_registered_and_verified_in_one_decision_when_the_policy_checks_by_itself() -> None:
    story = complaint_story().when(REGISTER).then_types(ComplaintRegistered, ComplaintVerified)
    verified = story.one(ComplaintVerified)
    assert verified.valid
    assert verified.automatic
    assert verified.checked == (Check.IDENTITY, Check.FACTS)
    assert verified.policy.name == "verification"
    assert verified.clock_from == TOLD
    registered = story.one(ComplaintRegistered)
    assert registered.cycle == 1
    assert (registered.policy.name, registered.policy.version) == ("contacts", "v1")


def test_told_twice_is_told_once() -> None:
    complaint_story().when(REGISTER).when(REGISTER).then_nothing()


def test_an_anonymous_customer_has_no_identity_to_check() -> None:
    told = REGISTER.model_copy(update={"registration": registration(anonymous=True)})
    assert complaint_story().when(told).one(ComplaintVerified).checked == (Check.FACTS,)


def test_a_representative_without_papers_is_a_task_of_the_desk() -> None:
    told = REGISTER.model_copy(update={"registration": registration(representative=True)})
    story = complaint_story().when(told).then_types(ComplaintRegistered)
    assert [dict(row.key)["task"] for row in story.rows if row.table == "desk_tasks"] == ["verify"]
    verify = VerifyComplaint(at=TOLD, valid=True, checked=(Check.IDENTITY,))
    story = story.when(verify).then_types(ComplaintVerified)
    assert not story.one(ComplaintVerified).automatic
    assert not [row for row in story.rows if row.table == "desk_tasks"]
    story.when(verify).then_nothing()
    story.when(verify.model_copy(update={"valid": False, "reason": "r"})).then_refused(
        AlreadyVerified
    )


def test_a_representative_with_papers_is_verified_by_policy() -> None:
    papers = (Evidence(kind="papers", ref="scan-1"),)
    told = registration(representative=True, evidence=papers)
    command = REGISTER.model_copy(update={"registration": told})
    complaint_story().when(command).then_types(ComplaintRegistered, ComplaintVerified)


def test_customers_of_other_operators_are_taken_up_as_any_and_it_is_on_record() -> None:
    """DOMAIN rule 3: "customers of other operators may complain too"."""
    told = REGISTER.model_copy(update={"registration": registration(other_operator=True)})
    story = complaint_story().when(told).then_types(ComplaintRegistered, ComplaintVerified)
    assert story.one(ComplaintRegistered).registration.profile.other_operator
    verified = story.one(ComplaintVerified)
    assert (verified.valid, verified.profile.other_operator) == (True, True)


def test_evidence_that_will_vanish_is_referenced_or_snapshot_at_registration() -> None:
    """DOMAIN, Audit and retention: "(billing originals, outage records)"; it goes on record with
    the words, by its reference and, where its bytes are kept, their digest.
    """
    bill = Evidence(kind="bill", ref="billing/2025-09/4711", sha256="ab" * 32)
    outage = Evidence(kind="outage_record", ref="noc/outage-88")
    told = registration(evidence=(bill, outage))
    story = complaint_story().when(REGISTER.model_copy(update={"registration": told}))
    assert story.one(ComplaintRegistered).registration.evidence == (bill, outage)


def test_a_rejection_needs_its_reason() -> None:
    told = REGISTER.model_copy(update={"registration": registration(representative=True)})
    verify = VerifyComplaint(at=TOLD, valid=False, checked=(Check.FACTS,))
    story = complaint_story().when(told)
    story.when(verify).then_refused(ReasonMissing)
    rejected = story.when(verify.model_copy(update={"reason": "not_our_customer"}))
    assert rejected.one(ComplaintVerified).reason == "not_our_customer"


def test_nothing_can_be_asked_of_a_complaint_nobody_told() -> None:
    complaint_story().when(Withdraw(at=TOLD, by=WithdrawnBy.STAFF, reason="r")).then_refused(
        ComplaintUnknown
    )


# --- reclassifying (DOMAIN counting 9: the new clock starts at the original contact) --------------


def test_a_desk_reclassifies_and_clocks_start_at_the_original_contact() -> None:
    command = Reclassify(at=TOLD + DAY, category=Category.BROADBAND_FAULT, reason="heard_again")
    story = open_complaint().when(command)
    changed = story.one(ComplaintReclassified)
    assert changed.clock_from == TOLD
    assert changed.was == Classification(category=Category.BILLING, urgency=Urgency.ORDINARY)
    assert changed.now == Classification(
        category=Category.BROADBAND_FAULT, urgency=Urgency.ORDINARY
    )
    assert changed.classified.by == "desk"
    assert changed.profile.category is Category.BROADBAND_FAULT
    story.when(command).then_nothing()


def test_urgency_alone_may_change() -> None:
    changed = (
        open_complaint()
        .when(Reclassify(at=TOLD, urgency=Urgency.COMPLEX, reason="two_departments"))
        .one(ComplaintReclassified)
    )
    assert changed.now.category is Category.BILLING
    assert changed.now.urgency is Urgency.COMPLEX


def test_a_desk_cannot_unclassify() -> None:
    open_complaint().when(
        Reclassify(at=TOLD, category=Category.UNCLASSIFIED, reason="no_idea")
    ).then_refused(NothingUnclassified)


def test_an_unclassified_complaint_waits_at_the_desk_until_classified() -> None:
    told = registration(category=Category.UNCLASSIFIED)
    story = complaint_story().when(REGISTER.model_copy(update={"registration": told}))
    story.then_types(ComplaintRegistered, ComplaintVerified)  # its clocks and its routing go on
    assert [dict(row.key)["task"] for row in story.rows if row.table == "desk_tasks"] == [
        "classify"
    ]
    story = story.when(Reclassify(at=TOLD, category=Category.BILLING, reason="read"))
    assert not [row for row in story.rows if row.table == "desk_tasks"]


def test_what_is_closed_or_withdrawn_is_not_reclassified() -> None:
    change = Reclassify(at=TOLD, category=Category.BROADBAND, reason="r")
    withdraw = Withdraw(at=TOLD, by=WithdrawnBy.STAFF, reason="r")
    open_complaint().when(withdraw).when(change).then_refused(ComplaintNotOpen)
    with_regulator_case().when(withdraw).when(change).then_refused(ComplaintIsWithdrawn)
    with_open_case().when(change).then_types(ComplaintReclassified)


def test_the_stream_is_the_complaints_own_id() -> None:
    assert UUID(complaint_story().subject)
