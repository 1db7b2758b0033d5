"""Money: limits per role, cumulative; nobody their own proposal; supplements (DOMAIN rule 9)."""

from decimal import Decimal
from typing import Any

import pytest

from contracts.escalation import (
    CompensationGranted,
    CompensationRefused,
    CompensationSubmitted,
    GrantedUnder,
)
from contracts.values import Basis, FaultLiesWith
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
    at,
    breached,
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


def s5_submitted() -> Story:
    return hear(nothing(), proposed(1, "373.00"), at("2025-10-10 15:00"))


def s5_granted() -> Story:
    return approve(s5_submitted())


def test_s5_a_double_refund_above_the_teams_limit_awaits_approval() -> None:
    s5_submitted().then(
        CompensationSubmitted(
            cycle=1,
            finding=1,
            basis=Basis.DOUBLE_REFUND,
            amount="373.00",
            total="373.00",
            role="team",
            limit="200.00",
            proposed_by="8812",
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
    corrected = finding(2, corrects=1, overcharged="196.50")
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
    story = hear(s5_granted(), finding(2, corrects=1, overcharged="196.50"), NOON)
    story = hear(approve(story, 2), finding(3, corrects=2, overcharged="200.00"), NOON)
    assert story.one(CompensationSubmitted).amount == Decimal("7.00")


def test_a_correction_replaces_a_supplement_still_waiting() -> None:
    story = hear(s5_granted(), finding(2, corrects=1, overcharged="196.50"), NOON)
    story = hear(story, finding(3, corrects=2, overcharged="200.00"), NOON)
    assert story.one(CompensationRefused).reason == "finding_corrected"
    submitted = story.one(CompensationSubmitted)
    assert (submitted.amount, submitted.total) == (Decimal("27.00"), Decimal("400.00"))
    approve(story, 2).then_refused(CompensationSettled)


def test_a_finding_corrected_downwards_takes_no_money_back() -> None:
    hear(s5_granted(), finding(2, corrects=1, overcharged="100.00"), NOON).then_nothing()


def test_a_corrected_finding_without_a_grant_changes_nothing() -> None:
    hear(nothing(), finding(2, corrects=1, overcharged="196.50"), NOON).then_nothing()
    hear(s5_granted(), finding(2, overcharged="196.50"), NOON).then_nothing()


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
    hear(s5_submitted(), proposed(1, "373.00"), NOON).then_nothing()


def test_nobody_approves_or_refuses_their_own_proposal() -> None:
    approve(s5_submitted(), actor="agent:8812").then_refused(OwnProposal)
    command = RefuseCompensation(at=NOON, finding=1, reason="not_proven")
    s5_submitted().when(command, actor="agent:8812").then_refused(OwnProposal)
    assert OwnProposal.status == 403


@pytest.mark.parametrize("roles", [("team",), ("agent",), ("agent", "team")])
def test_a_role_without_that_authority_does_not_approve(roles: tuple[str, ...]) -> None:
    approve(s5_submitted(), roles=roles).then_refused(AboveAuthority)
    assert AboveAuthority.status == 403


def test_above_5000_in_all_even_the_desk_does_not_approve() -> None:
    story = hear(nothing(), proposed(1, "5000.01"), NOON)
    approve(story).then_refused(AboveAuthority)
    approve(hear(nothing(), proposed(1, "5000.00"), NOON)).then_types(CompensationGranted)


def test_an_unknown_role_proposes_without_any_authority_of_its_own() -> None:
    story = hear(nothing(), proposed(1, "0.01", role="stranger"), NOON)
    assert story.one(CompensationSubmitted).limit == Decimal("0.00")


def test_refused_with_reason_and_a_new_proposal_may_follow() -> None:
    command = RefuseCompensation(at=NOON, finding=1, reason="not_proven")
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
    outage: dict[str, Any] = {
        "outage_from": at("2025-10-01 20:00"),
        "outage_to": at("2025-10-04 21:30"),
    }
    granted = hear(nothing(), proposed(1, "2.84", Basis.RENT_WAIVER), NOON)
    longer = finding(2, corrects=1, monthly_rent="88.00", **outage)
    assert hear(granted, longer, NOON).one(CompensationGranted).amount == Decimal("8.51")
    own = finding(
        2,
        corrects=1,
        cause=FaultLiesWith.CUSTOMER_EQUIPMENT,
        monthly_rent="88.00",
        **outage,
    )
    hear(granted, own, NOON).then_nothing()


def test_a_supplement_counts_every_period_by_the_month_it_begins_in_as_the_proposal_did() -> None:
    """DOMAIN rule 9: "by begun periods of 24 h"; 88.00/31 + 88.00/30 = 5.77 from October on."""
    granted = hear(nothing(), proposed(1, "2.84", Basis.RENT_WAIVER), NOON)
    longer = finding(
        2,
        corrects=1,
        monthly_rent="88.00",
        outage_from=at("2025-10-31 12:00"),
        outage_to=at("2025-11-01 13:00"),
    )
    supplement = hear(granted, longer, at("2025-11-02 12:00")).one(CompensationGranted)
    assert (supplement.amount, supplement.total) == (Decimal("2.93"), Decimal("5.77"))


def test_a_correction_that_adds_nothing_is_not_refunded_as_if_nothing_had_been_granted() -> None:
    """DOMAIN rule 9: "twice the overcharged amount in all"; 373.00 stand, 360.00 are no more."""
    lower = finding(2, corrects=1, chain=(1,), overcharged="180.00")
    story = hear(hear(s5_granted(), lower, NOON), proposed(2, "360.00", chain=(1,)), NOON)
    story.then_nothing()
    assert story.state.granted == Decimal("373.00")


def test_a_correction_after_one_that_added_nothing_adds_what_is_missing() -> None:
    """DOMAIN rule 9: "A corrected finding adds a supplement": 393.00 less the 373.00 granted."""
    lower = finding(2, corrects=1, chain=(1,), overcharged="180.00")
    higher = finding(3, corrects=2, chain=(2, 1), overcharged="196.50")
    submitted = hear(hear(s5_granted(), lower, NOON), higher, NOON).one(CompensationSubmitted)
    assert (submitted.amount, submitted.supplement_to) == (Decimal("20.00"), 1)
