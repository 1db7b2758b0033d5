"""Money: limits per role, cumulative; nobody their own proposal; supplements (DOMAIN rule 9)."""

from decimal import Decimal

import pytest

from contracts.escalation import (
    CompensationGranted,
    CompensationLapsed,
    CompensationRefused,
    CompensationSubmitted,
    GrantedUnder,
    LapsedWhy,
)
from contracts.values import Basis, FaultLiesWith, PaidBy, Payer
from libs.decider.story import Story
from services.escalation.domain.commands import ApproveCompensation, RefuseCompensation
from services.escalation.domain.compensation import (
    AboveAuthority,
    CompensationSettled,
    NothingProposed,
    OwnProposal,
)
from tests.unit.escalation.heard import (
    NOON,
    OFFICER,
    OURS,
    at,
    breached,
    event_id,
    finding,
    hear,
    nothing,
    proposed,
    withdrawn,
)


def approve(
    story: Story,
    number: int = 1,
    actor: str = OFFICER,
    roles: tuple[str, ...] = ("desk",),
) -> Story:
    command = ApproveCompensation(at=NOON, finding=number, roles=roles)
    return story.when(command, actor=actor)


def lapsed(story: Story) -> tuple[int, LapsedWhy, Decimal]:
    """For which finding nothing more comes, why, and what it was granted in all; nothing else."""
    story.then_types(CompensationLapsed)
    event = story.one(CompensationLapsed)
    return event.finding, event.reason, event.granted


def s5_submitted() -> Story:
    return hear(nothing(), proposed(1, "373.00"), at("2025-10-10 15:00"))


def s5_granted() -> Story:
    return approve(s5_submitted())


def test_s5_a_double_refund_above_the_teams_limit_awaits_approval() -> None:
    s5_submitted().then(
        CompensationSubmitted(
            cycle=1,
            finding=1,
            asked=event_id("work.compensation_proposed.v1@2025-10-10T15:00:00+08:00"),
            basis=Basis.DOUBLE_REFUND,
            amount="373.00",
            total="373.00",
            role="team",
            limit="200.00",
            authority="desk",
            proposed_by="8812",
            not_by=("8812", "8813"),
            paid_by=OURS,
        )
    )


def test_s5_the_10015_desk_approves_once_and_a_second_approval_is_a_conflict() -> None:
    story = s5_granted()
    granted = story.one(CompensationGranted)
    assert (granted.amount, granted.total) == (Decimal("373.00"), Decimal("373.00"))
    assert (granted.under, granted.by, granted.role) == (GrantedUnder.APPROVAL, "1501", "desk")
    approve(story).then_refused(CompensationSettled)
    assert CompensationSettled.status == 409


def test_s5_a_corrected_finding_adds_a_supplement_which_again_needs_the_desk() -> None:
    """196.50 twice is 393.00: 20.00 more, and 393.00 is over the team's 200.00."""
    corrected = finding(2, corrects=1, double_refund="393.00")
    story = hear(s5_granted(), corrected, at("2025-10-13 10:00"))
    submitted = story.one(CompensationSubmitted)
    assert (submitted.amount, submitted.total) == (Decimal("20.00"), Decimal("393.00"))
    assert (submitted.finding, submitted.supplement_to) == (2, 1)
    story = approve(story, 2)
    granted = story.one(CompensationGranted)
    assert (granted.amount, granted.total) == (Decimal("20.00"), Decimal("393.00"))
    assert granted.supplement_to == 1
    assert story.state.awards[1].granted == Decimal("373.00")
    assert story.state.awards[2].granted == Decimal("393.00")


def test_a_correction_of_a_correction_adds_only_what_is_still_missing() -> None:
    story = hear(s5_granted(), finding(2, corrects=1, double_refund="393.00"), NOON)
    story = hear(approve(story, 2), finding(3, corrects=2, double_refund="400.00"), NOON)
    assert story.one(CompensationSubmitted).amount == Decimal("7.00")


def test_a_correction_replaces_a_supplement_still_waiting() -> None:
    story = hear(s5_granted(), finding(2, corrects=1, double_refund="393.00"), NOON)
    story = hear(story, finding(3, corrects=2, double_refund="400.00"), NOON)
    assert story.one(CompensationRefused).reason == "finding_corrected"
    submitted = story.one(CompensationSubmitted)
    assert (submitted.amount, submitted.total) == (Decimal("27.00"), Decimal("400.00"))
    approve(story, 2).then_refused(CompensationSettled)


def test_a_finding_corrected_downwards_takes_no_money_back() -> None:
    story = hear(s5_granted(), finding(2, corrects=1, double_refund="200.00"), NOON)
    assert lapsed(story) == (2, LapsedWhy.COVERED, Decimal("373.00"))
    assert story.state.granted == Decimal("373.00")


def test_a_corrected_finding_without_a_grant_changes_nothing() -> None:
    hear(nothing(), finding(2, corrects=1, double_refund="393.00"), NOON).then_nothing()
    hear(s5_granted(), finding(2, double_refund="393.00"), NOON).then_nothing()


def test_within_the_limit_it_is_granted_at_once() -> None:
    story = hear(nothing(), proposed(1, "0.02"), NOON)
    granted = story.one(CompensationGranted)
    assert (granted.under, granted.by, granted.role) == (GrantedUnder.LIMIT, "8812", "team")


def test_the_limit_is_cumulative_and_not_dodged_by_splitting() -> None:
    story = hear(nothing(), proposed(1, "150.00", Basis.GOODWILL), NOON)
    story.then_types(CompensationGranted)
    story = hear(story, proposed(2, "50.00", Basis.GOODWILL), NOON)
    story.then_types(CompensationGranted)
    story = hear(story, proposed(3, "0.01", Basis.GOODWILL), NOON)
    assert story.one(CompensationSubmitted).total == Decimal("200.01")


def test_one_grant_per_finding() -> None:
    story = hear(nothing(), proposed(1, "10.00"), NOON)
    hear(story, proposed(1, "10.00"), NOON).then_nothing()
    story = hear(story, proposed(1, "20.00"), at("2025-10-15 13:00"))
    assert lapsed(story) == (1, LapsedWhy.COVERED, Decimal("10.00"))


def test_nobody_approves_or_refuses_their_own_proposal() -> None:
    approve(s5_submitted(), actor="agent:8812").then_refused(OwnProposal)
    command = RefuseCompensation(at=NOON, finding=1, roles=("desk",), reason="not_proven")
    s5_submitted().when(command, actor="agent:8812").then_refused(OwnProposal)
    assert OwnProposal.status == 403


@pytest.mark.parametrize("roles", [("team",), ("agent",), ("agent", "team")])
def test_a_role_without_that_authority_does_not_approve(roles: tuple[str, ...]) -> None:
    approve(s5_submitted(), roles=roles).then_refused(AboveAuthority)
    assert AboveAuthority.status == 403


def test_above_5000_in_all_headquarters_approves_and_not_the_province_desk() -> None:
    """DOMAIN rule 9: "above the limit the next authority approves"."""
    story = hear(nothing(), proposed(1, "5000.01"), NOON)
    assert story.one(CompensationSubmitted).authority == "headquarters"
    approve(story).then_refused(AboveAuthority)
    refusal = RefuseCompensation(at=NOON, finding=1, roles=("desk",), reason="not_proven")
    story.when(refusal, actor=OFFICER).then_refused(AboveAuthority)
    granted = approve(story, roles=("agent", "desk", "headquarters")).one(CompensationGranted)
    assert (granted.role, granted.total) == ("headquarters", Decimal("5000.01"))
    approve(hear(nothing(), proposed(1, "5000.00"), NOON)).then_types(CompensationGranted)


def test_an_unknown_role_proposes_without_any_authority_of_its_own() -> None:
    story = hear(nothing(), proposed(1, "0.01", role="stranger"), NOON)
    assert story.one(CompensationSubmitted).limit == Decimal("0.00")


def test_refused_with_reason_and_a_new_proposal_may_follow() -> None:
    command = RefuseCompensation(at=NOON, finding=1, roles=("desk",), reason="not_proven")
    story = s5_submitted().when(command, actor=OFFICER)
    refused = story.one(CompensationRefused)
    assert (refused.reason, refused.by, refused.amount) == (
        "not_proven",
        "1501",
        Decimal("373.00"),
    )
    hear(story, proposed(1, "100.00"), NOON).then_types(CompensationGranted)


def test_what_was_never_proposed_cannot_be_approved() -> None:
    approve(nothing()).then_refused(NothingProposed)


def test_race_12_granted_then_withdrawn_the_grant_stands() -> None:
    story = hear(s5_granted(), withdrawn(), NOON)
    assert story.state.granted == Decimal("373.00")
    assert not [event for event in story.happened if isinstance(event, CompensationRefused)]


def test_race_12_withdrawn_then_granted_the_grant_stands() -> None:
    story = hear(hear(nothing(), breached(), NOON, "breach"), withdrawn(), NOON)
    story = approve(hear(story, proposed(1, "373.00"), NOON))
    assert story.one(CompensationGranted).total == Decimal("373.00")


def test_a_corrected_outage_adds_its_rent_unless_the_customers_equipment_was_the_cause() -> None:
    granted = hear(nothing(), proposed(1, "2.84", Basis.RENT_WAIVER), NOON)
    longer = finding(2, corrects=1, rent_waiver="11.35")
    assert hear(granted, longer, NOON).one(CompensationGranted).amount == Decimal("8.51")
    cause = FaultLiesWith.CUSTOMER_EQUIPMENT
    own = finding(2, corrects=1, cause=cause, double_refund="0.00", rent_waiver="0.00")
    assert lapsed(hear(granted, own, NOON)) == (2, LapsedWhy.COVERED, Decimal("2.84"))


def test_a_correction_that_adds_nothing_is_not_refunded_as_if_nothing_had_been_granted() -> None:
    """DOMAIN rule 9: "twice the overcharged amount in all"; 373.00 stand, 360.00 are no more."""
    lower = finding(2, corrects=1, chain=(1,), double_refund="360.00")
    story = hear(hear(s5_granted(), lower, NOON), proposed(2, "360.00", chain=(1,)), NOON)
    assert lapsed(story) == (2, LapsedWhy.COVERED, Decimal("373.00"))
    assert story.state.granted == Decimal("373.00")


def test_a_correction_after_one_that_added_nothing_adds_what_is_missing() -> None:
    """DOMAIN rule 9: "A corrected finding adds a supplement": 393.00 less the 373.00 granted."""
    lower = finding(2, corrects=1, chain=(1,), double_refund="360.00")
    higher = finding(3, corrects=2, chain=(2, 1), double_refund="393.00")
    submitted = hear(hear(s5_granted(), lower, NOON), higher, NOON).one(CompensationSubmitted)
    assert (submitted.amount, submitted.supplement_to) == (Decimal("20.00"), 1)


# --- nobody waits for ever, and nobody approves what is theirs ------------------------------------


def test_every_proposal_and_every_correction_of_one_has_an_outcome() -> None:
    """EVENTS 23, 25: an answer waits for what is asked, so that no ask may stay without a word."""
    story = hear(s5_granted(), finding(2, corrects=1, chain=(1,), double_refund="180.00"), NOON)
    assert lapsed(story) == (2, LapsedWhy.COVERED, Decimal("373.00"))
    story = hear(story, proposed(2, "360.00", chain=(1,)), NOON)
    event = story.one(CompensationLapsed)
    assert event.asked == event_id(f"work.compensation_proposed.v1@{NOON.isoformat()}")


def test_a_correction_that_says_too_little_leaves_nothing_to_approve() -> None:
    """A finding without an amount: the pending 373.00 are known to be wrong and are refused."""
    unclear = finding(2, corrects=1, chain=(1,))
    story = hear(s5_submitted(), unclear, NOON)
    story.then_types(CompensationRefused, CompensationLapsed)
    assert story.one(CompensationRefused).reason == "finding_corrected"
    assert story.one(CompensationLapsed).reason is LapsedWhy.PROPOSE_ANEW
    approve(story).then_refused(CompensationSettled)


def test_a_goodwill_follows_from_no_finding_and_is_proposed_anew_after_a_correction() -> None:
    story = hear(nothing(), proposed(1, "300.00", Basis.GOODWILL), NOON)
    story = hear(story, finding(2, corrects=1, double_refund="393.00"), NOON)
    story.then_types(CompensationRefused, CompensationLapsed)
    approve(story).then_refused(CompensationSettled)


def test_who_recorded_a_correction_does_not_approve_the_supplement_it_causes() -> None:
    """DOMAIN rule 9: "nobody their own proposal"; neither 8812 nor 8813, on whom it rests."""
    story = hear(s5_granted(), finding(2, corrects=1, by="1501", double_refund="393.00"), NOON)
    submitted = story.one(CompensationSubmitted)
    assert (submitted.proposed_by, submitted.not_by) == ("1501", ("1501", "8812", "8813"))
    for who in ("agent:1501", "agent:8812", "agent:8813"):
        approve(story, 2, actor=who).then_refused(OwnProposal)
    approve(story, 2, actor="agent:1502").then_types(CompensationGranted)


def test_a_supplement_counts_against_the_limit_of_who_recorded_the_correction() -> None:
    """The desk's 5,000.00 for its own proposal are no authority for a team's correction of it."""
    story = hear(nothing(), proposed(1, "373.00", role="desk"), NOON)
    story.then_types(CompensationGranted)
    story = hear(story, finding(2, corrects=1, double_refund="393.00"), NOON)
    submitted = story.one(CompensationSubmitted)
    assert (submitted.role, submitted.limit) == ("team", Decimal("200.00"))


def test_the_party_at_fault_pays() -> None:
    """DOMAIN rule 9: "the party at fault pays"."""
    sp = PaidBy(party=Payer.PARTNER, partner="sp-ringtone")
    story = hear(nothing(), proposed(1, "373.00", paid_by=sp), NOON)
    assert story.one(CompensationSubmitted).paid_by == sp
    story = approve(story)
    assert story.one(CompensationGranted).paid_by == sp
    # A correction finds the fault to be ours: the supplement is ours, the first grant stands.
    story = hear(story, finding(2, corrects=1, double_refund="393.00"), NOON)
    assert approve(story, 2).one(CompensationGranted).paid_by == OURS
