"""Findings and what is due for them, exactly (DOMAIN rule 9; SCENARIOS S2 and S5)."""

from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from contracts.routing import WorkCompensationProposed, WorkFindingRecorded, Worth
from contracts.values import Basis, Category, ClockPurpose, FaultLiesWith, PaidBy, Payer, StaffRef
from libs.decider import DomainError, PolicyInForce
from libs.decider.story import Story
from services.routing.domain.answering import (
    AmountMissing,
    AnotherAmount,
    FindingCorrected,
    FindingIncomplete,
    HomeProvinceDecides,
    NoSuchFinding,
    NothingDue,
    PartnerUnclear,
    ProposedAlready,
)
from services.routing.domain.commands import (
    ClockState,
    KnownClock,
    ProposeCompensation,
    RecordFinding,
    Settled,
    SettledAs,
    Staff,
)
from services.routing.domain.policy import Refunds, RentWaiver, compile_policy
from services.routing.domain.refunds import refund, rent_waiver
from services.routing.domain.staffing import NotTheirs
from tests.unit.routing.desks import (
    BILLING_1,
    BILLING_2,
    GUANGDONG,
    HALL,
    MOBILE_1,
    NOON,
    XINJIANG,
    accepted,
    clock,
    policies,
    profile,
    seed,
    t,
    went,
)

BILLING = profile(Category.BILLING_OVERCHARGE)
S2_FROM, S2_TO = t("2025-10-01 20:00"), t("2025-10-04 21:30")
BREACHED = (
    clock("legal_repair", ClockPurpose.LEGAL_REPAIR, t("2025-10-04 20:00"), ClockState.BREACHED),
)


TABLE = Refunds(overcharge_times=2, rent=RentWaiver(period_hours=24, month_days="actual"))


def billing() -> Story:
    return accepted(BILLING_1, BILLING, at=NOON)


def find(told: Story, **finding: Any) -> Story:
    return told.when(
        RecordFinding(
            at=told.now,
            by=BILLING_1,
            role="team",
            **{"cause": FaultLiesWith.OPERATOR, **finding},
        )
    )


def propose(
    told: Story,
    finding: int = 1,
    basis: Basis = Basis.DOUBLE_REFUND,
    amount: str | None = None,
    clocks: tuple[KnownClock, ...] = (),
    settled: tuple[Settled, ...] = (),
) -> Story:
    return told.when(
        ProposeCompensation(
            at=told.now,
            settled=settled,
            by=BILLING_1,
            finding=finding,
            basis=basis,
            amount=amount,
            role="team",
            clocks=clocks,
        )
    )


def test_s5_a_refund_before_a_finding_is_refused() -> None:
    """DOMAIN rule 9: "a recorded finding comes first"."""
    propose(billing()).then_refused(NoSuchFinding)
    assert NoSuchFinding.status == 422


def test_s5_twice_the_overcharge_in_all() -> None:
    """S5: "amount 373.00 (2 x in all, not 3 x)"."""
    told = propose(went(find(billing(), overcharged="186.50")))
    told.then(
        WorkCompensationProposed(
            cycle=1,
            finding=1,
            amount="373.00",
            basis=Basis.DOUBLE_REFUND,
            by="5301",
            found_by="5301",
            paid_by=PaidBy(party=Payer.OPERATOR),
            role="team",
        )
    )
    assert told.one(WorkCompensationProposed).model_dump(mode="json")["amount"] == "373.00"


def test_s5_a_corrected_finding_makes_the_whole_due_anew_and_the_old_one_stays() -> None:
    told = went(propose(went(find(billing(), overcharged="186.50"))))
    told = find(told, overcharged="196.50", corrects=1)
    event = told.one(WorkFindingRecorded)
    assert (event.finding, event.corrects) == (2, 1)
    assert event.worth == (Worth(basis=Basis.DOUBLE_REFUND, amount="393.00"),)
    propose(told, finding=1).then_refused(FindingCorrected)


def test_a_correction_asks_by_itself_and_is_proposed_anew_only_when_nothing_came_of_it() -> None:
    """DOMAIN rule 9: "a corrected finding adds a supplement"; a second proposal would be one more.

    EVENTS 50: what was refused, or said too little, is proposed anew.
    """
    told = went(propose(went(find(billing(), overcharged="186.50"))))
    told = went(find(told, overcharged="196.50", corrects=1))
    asked = told.state.asks[2]
    propose(told, finding=2).then_refused(ProposedAlready)
    for state in (SettledAs.SUBMITTED, SettledAs.GRANTED):
        now = (Settled(asked=asked, state=state, granted_total="393.00"),)
        propose(told, finding=2, settled=now).then_refused(ProposedAlready)
    for state in (SettledAs.REFUSED, SettledAs.LAPSED):
        now = (Settled(asked=asked, state=state),)
        again = propose(told, finding=2, settled=now)
        assert again.one(WorkCompensationProposed).amount == Decimal("393.00")


def test_a_refused_proposal_may_be_made_anew_with_another_amount() -> None:
    told = went(find(billing(), overcharged="186.50"))
    told = went(propose(told, basis=Basis.GOODWILL, amount="500.00"))
    refused = (Settled(asked=told.state.asks[1], state=SettledAs.REFUSED),)
    again = propose(told, basis=Basis.GOODWILL, amount="50.00", settled=refused)
    assert again.one(WorkCompensationProposed).amount == Decimal("50.00")
    # The first one's refusal says nothing of the second.
    propose(went(again), settled=refused).then_refused(ProposedAlready)


def test_a_finding_and_its_proposal_name_all_that_they_set_right() -> None:
    told = went(find(went(find(billing(), overcharged="1")), overcharged="2", corrects=1))
    told = find(told, overcharged="3", corrects=2)
    found = told.one(WorkFindingRecorded)
    assert (found.chain, found.by, found.role) == ((2, 1), "5301", "team")
    assert propose(went(told), finding=3).one(WorkCompensationProposed).chain == (2, 1)


def test_a_correction_corrects_the_latest_finding() -> None:
    told = went(find(went(find(billing(), overcharged="1")), overcharged="2", corrects=1))
    find(told, overcharged="3", corrects=1).then_refused(FindingCorrected)
    find(told, overcharged="3", corrects=7).then_refused(NoSuchFinding)


@pytest.mark.parametrize("amount", ["186.505", "-1", "1e3", "NaN", 186.5, "", " 1", "01"])
def test_s5_inexact_amounts_do_not_even_come_in(amount: object) -> None:
    with pytest.raises(ValidationError):
        find(billing(), overcharged=amount)


def test_s5_a_fen_makes_two() -> None:
    told = propose(went(find(billing(), overcharged="0.01")))
    assert told.one(WorkCompensationProposed).amount == Decimal("0.02")


def test_an_amount_that_follows_from_the_finding_is_not_bargained() -> None:
    told = went(find(billing(), overcharged="186.50"))
    propose(told, amount="559.50").then_refused(AnotherAmount)
    propose(told, amount="373.00").then_types(WorkCompensationProposed)


def test_the_same_proposal_twice_is_one_and_another_is_refused() -> None:
    told = went(propose(went(find(billing(), overcharged="186.50"))))
    propose(told).then_nothing()
    propose(told, basis=Basis.GOODWILL, amount="10.00").then_refused(ProposedAlready)


@pytest.mark.parametrize(("amount", "error"), [(None, AmountMissing), ("0.00", AmountMissing)])
def test_goodwill_names_an_amount(amount: str | None, error: type[DomainError]) -> None:
    told = went(find(billing(), overcharged="186.50"))
    propose(told, basis=Basis.GOODWILL, amount=amount).then_refused(error)
    propose(told, basis=Basis.GOODWILL, amount="0.01").then_types(WorkCompensationProposed)


def test_s2_rent_for_73_h_30_min_is_4_begun_periods() -> None:
    """S2: "88.00 / 31 x 4 = 11.35 CNY (half up)"."""
    told = accepted(BILLING_1, BILLING, at=t("2025-10-04 21:30"))
    told = went(find(told, outage_from=S2_FROM, outage_to=S2_TO, monthly_rent="88.00"))
    told = propose(told, basis=Basis.RENT_WAIVER, clocks=BREACHED)
    assert told.one(WorkCompensationProposed).amount == Decimal("11.35")


def outage(**finding: Any) -> Story:
    told = accepted(BILLING_1, BILLING, at=t("2025-10-05 12:00"))
    known = {"outage_from": S2_FROM, "outage_to": S2_TO, "monthly_rent": "88.00"}
    return went(find(told, **{**known, **finding}))


def test_no_rent_is_waived_for_the_customers_own_equipment() -> None:
    told = outage(cause=FaultLiesWith.CUSTOMER_EQUIPMENT)
    propose(told, basis=Basis.RENT_WAIVER, clocks=BREACHED).then_refused(NothingDue)


def test_no_rent_is_waived_within_the_legal_repair_limit() -> None:
    running = (clock("legal_repair", ClockPurpose.LEGAL_REPAIR, t("2025-10-06 20:00")),)
    propose(outage(), basis=Basis.RENT_WAIVER, clocks=running).then_refused(NothingDue)


@pytest.mark.parametrize("missing", ["outage_to", "monthly_rent"])
def test_no_rent_is_waived_before_the_end_and_the_rent_are_known(missing: str) -> None:
    told = outage(**{missing: None})
    propose(told, basis=Basis.RENT_WAIVER, clocks=BREACHED).then_refused(NothingDue)


def test_an_outage_is_no_overcharge() -> None:
    propose(outage()).then_refused(NothingDue)
    propose(went(find(billing(), overcharged="0.00"))).then_refused(NothingDue)


@pytest.mark.parametrize(
    "finding",
    [
        {},
        {"outage_to": t("2025-10-09 11:00")},
        {"outage_from": t("2025-10-09 11:00"), "outage_to": t("2025-10-09 11:00")},
        {"outage_from": t("2025-10-09 11:00"), "outage_to": t("2025-10-09 10:00")},
        {"outage_from": t("2025-10-09 12:01")},
        {"outage_from": t("2025-10-09 11:00"), "outage_to": t("2025-10-09 12:01")},
    ],
)
def test_a_finding_says_what_was_found_and_nothing_of_the_future(
    finding: dict[str, datetime],
) -> None:
    find(billing(), **finding).then_refused(FindingIncomplete)


def test_across_provinces_the_home_province_decides_on_compensation() -> None:
    """DOMAIN rule 5: the home province "keeps the compensation rights (`CFG`)"."""
    about = profile(home="guangdong", visited="xinjiang")
    told = went(
        accepted(XINJIANG, about).when(
            RecordFinding(
                at=NOON,
                by=XINJIANG,
                role="team",
                cause=FaultLiesWith.OPERATOR,
                overcharged="186.50",
            )
        )
    )
    told.when(
        ProposeCompensation(at=NOON, by=XINJIANG, finding=1, basis=Basis.DOUBLE_REFUND, role="team")
    ).then_refused(HomeProvinceDecides)


def test_the_home_province_proposes_though_a_hall_elsewhere_owns_it() -> None:
    """DOMAIN rule 5 and SCENARIOS S4, variant: the hall in Kashgar is owner of record, Xinjiang
    handles, and the compensation rights stay with Guangdong."""
    about = profile(
        home="guangdong", visited="xinjiang", taken_by=StaffRef(team="hall-kashgar", agent="8201")
    )
    told = went(
        accepted(XINJIANG, about).when(
            RecordFinding(
                at=NOON,
                by=XINJIANG,
                cause=FaultLiesWith.OPERATOR,
                overcharged="186.50",
                role="team",
            )
        )
    )

    def proposed(by: Staff) -> Story:
        return told.when(
            ProposeCompensation(at=NOON, by=by, finding=1, basis=Basis.DOUBLE_REFUND, role="team")
        )

    proposed(HALL).then_refused(HomeProvinceDecides)
    assert proposed(GUANGDONG).one(WorkCompensationProposed).amount == Decimal("373.00")
    at_home = went(
        accepted(MOBILE_1, profile(home="guangdong")).when(
            RecordFinding(
                at=NOON,
                by=MOBILE_1,
                cause=FaultLiesWith.OPERATOR,
                overcharged="186.50",
                role="team",
            )
        )
    )
    at_home.when(
        ProposeCompensation(at=NOON, by=GUANGDONG, finding=1, basis=Basis.GOODWILL, role="team")
    ).then_refused(NotTheirs)


@given(fen=st.integers(min_value=0, max_value=10**12))
def test_a_double_refund_is_exact_for_every_amount(fen: int) -> None:
    assert refund(Decimal(fen) / 100, TABLE) * 100 == 2 * fen


@pytest.mark.parametrize(
    ("begin", "finish", "waived"),
    [
        ("2025-10-01 00:00", "2025-10-02 00:00", "2.84"),  # one period: 88/31 = 2.8387
        ("2025-10-01 00:00", "2025-10-02 00:00:00.000001", "5.68"),  # a second one has begun
        ("2025-10-01 00:00", "2025-10-01 00:00:00.000001", "2.84"),
        ("2025-10-01 00:00", "2025-10-01 00:00", "0.00"),
        ("2025-10-31 12:00", "2025-11-01 13:00", "5.77"),  # 88/31 + 88/30 = 5.772
        ("2024-02-28 00:00", "2024-03-01 00:00", "6.07"),  # 2 x 88/29 = 6.0689
    ],
)
def test_rent_is_waived_by_begun_periods_of_24_h(begin: str, finish: str, waived: str) -> None:
    assert rent_waiver(Decimal("88.00"), t(begin), t(finish), TABLE.rent) == Decimal(waived)


def test_rent_is_rounded_half_up_once_at_the_end() -> None:
    day = (t("2025-10-01 00:00"), t("2025-10-02 00:00"))
    assert rent_waiver(Decimal("0.775"), *day, TABLE.rent) == Decimal(
        "0.03"
    )  # 0.025: the half goes up
    three_days = (t("2025-10-01 00:00"), t("2025-10-04 00:00"))
    assert rent_waiver(Decimal("0.15"), *three_days, TABLE.rent) == Decimal(
        "0.01"
    )  # 3 x 0.0048, not 3 x 0.00


# -- the party at fault, and the refund table ------------------------------------------------------


def test_the_party_at_fault_pays_as_the_finding_says() -> None:
    """DOMAIN rule 9: "the party at fault pays"; 004: value-added services are partners'."""
    told = find(billing(), overcharged="5.00", cause=FaultLiesWith.PARTNER, partner="sp-ringtone")
    sp = PaidBy(party=Payer.PARTNER, partner="sp-ringtone")
    assert told.one(WorkFindingRecorded).paid_by == sp
    assert propose(went(told)).one(WorkCompensationProposed).paid_by == sp
    ours = find(billing(), overcharged="5.00")
    assert ours.one(WorkFindingRecorded).paid_by == PaidBy(party=Payer.OPERATOR)


@pytest.mark.parametrize(
    ("cause", "partner"),
    [(FaultLiesWith.PARTNER, None), (FaultLiesWith.OPERATOR, "sp-ringtone")],
)
def test_a_partner_is_named_where_and_only_where_one_was_the_cause(
    cause: FaultLiesWith, partner: str | None
) -> None:
    told = find(billing(), overcharged="5.00", cause=cause, partner=partner)
    told.then_refused(PartnerUnclear)


def test_a_proposal_names_who_recorded_the_finding() -> None:
    told = went(find(billing(), overcharged="186.50"))
    proposed = told.when(
        ProposeCompensation(
            at=NOON, by=BILLING_2, finding=1, basis=Basis.DOUBLE_REFUND, role="team"
        )
    ).one(WorkCompensationProposed)
    assert (proposed.by, proposed.found_by) == ("5302", "5301")


def test_the_refund_table_is_the_policys() -> None:
    """DOMAIN: "all figures live in versioned policy data"; here three times, by halves of a day."""
    content = {**seed("routing")}
    rent = {"period_hours": 12, "month_days": 30}
    content["content"] = {**content["content"], "refunds": {"overcharge_times": 3, "rent": rent}}
    told = accepted(BILLING_1, BILLING, at=NOON, known=policies(routing=content))
    told = went(find(told, overcharged="186.50"))
    assert propose(told).one(WorkCompensationProposed).amount == Decimal("559.50")
    # 73 h 30 min are 7 begun halves: 88.00 / 30 x 3.5 = 10.2667
    table = RentWaiver(**rent)
    assert rent_waiver(Decimal("88.00"), S2_FROM, S2_TO, table) == Decimal("10.27")


def test_a_later_refund_table_changes_nothing_of_what_was_found_before() -> None:
    """A correction counts with the table of the first finding, a new finding with the new one."""
    content = {**seed("routing"), "version": "v2"}
    content["content"] = {**content["content"], "refunds": {**content["content"]["refunds"]}}
    content["content"]["refunds"]["overcharge_times"] = 3
    v2 = PolicyInForce(
        name="routing",
        version="v2",
        sha256="1" * 64,
        active_from=t("2025-10-10 00:00"),
        content=content,
        compiled=compile_policy("routing", content),
    )
    told = accepted(BILLING_1, BILLING, at=NOON, known=policies().adding(v2))
    told = replace(went(find(told, overcharged="186.50")), now=t("2025-10-13 10:00"))
    event = find(told, overcharged="196.50", corrects=1).one(WorkFindingRecorded)
    assert (event.worth[0].amount, event.policy.version) == (Decimal("393.00"), "v1")
    event = find(told, overcharged="196.50").one(WorkFindingRecorded)
    assert (event.worth[0].amount, event.policy.version) == (Decimal("589.50"), "v2")


@pytest.mark.parametrize(
    "refunds",
    [
        {"overcharge_times": 0, "rent": {"period_hours": 24, "month_days": "actual"}},
        {"overcharge_times": 2, "rent": {"period_hours": 0, "month_days": "actual"}},
        {"overcharge_times": 2, "rent": {"period_hours": 24, "month_days": "calendar"}},
        {"overcharge_times": 2},
    ],
)
def test_an_unsound_refund_table_never_comes_into_force(refunds: dict[str, Any]) -> None:
    content = {**seed("routing")}
    content["content"] = {**content["content"], "refunds": refunds}
    with pytest.raises(ValidationError):
        compile_policy("routing", content)
