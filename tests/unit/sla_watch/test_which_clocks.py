"""The clock table of DOMAIN: which clocks a complaint has, and what ends them without a verdict."""

from copy import deepcopy
from typing import Any

import pytest

from contracts.feedback_survey import SurveyOutcome
from contracts.sla_watch import (
    CancelReason,
    ClockBreached,
    ClockCorrected,
    ClocksCancelled,
)
from contracts.values import (
    Category,
    ClockPurpose,
    CustomerClass,
    Decision,
    DistrictType,
    Kind,
    ReopenRoute,
    Urgency,
    ValueTier,
)
from libs.decider import Policies
from services.sla_watch.domain import compile_policy
from services.sla_watch.domain.policy import ClockTable, Trigger
from tests.unit.sla_watch import told
from tests.unit.sla_watch.play import SEEDS, Play, in_force, seed_content
from tests.unit.timekeeping.instants import at


def billing(start: str = "2025-10-16 10:00") -> Play:
    """A billing dispute on a plain Thursday: resolve is due 2025-10-24 00:00."""
    return Play().hear(told.registered(start), start)


# --- which clocks --------------------------------------------------------------------------------

WHICH = [
    ("mobile.coverage", {"reply.mobile"}),
    ("mobile.noncoverage.sms", {"reply.mobile", "resolve"}),
    ("broadband.fault", {"repair.broadband.urban", "legal.repair.urban"}),
    ("broadband.install", {"install.broadband"}),
    ("fixed_line.fault", {"resolve", "legal.repair.urban"}),
    ("service.attitude", {"attitude"}),
    ("value_added.cancel_all", {"resolve"}),
    ("roaming.international", {"resolve"}),
    ("privacy.harassment", {"resolve"}),
    ("unclassified", set()),
]
ALWAYS = {"acknowledge", "first_contact", "legal.answer"}


@pytest.mark.parametrize(("category", "own"), WHICH, ids=[category for category, _ in WHICH])
def test_each_category_has_the_clocks_of_the_table(category: str, own: set[str]) -> None:
    play = Play().hear(told.registered("2025-10-16 10:00", category), "2025-10-16 10:00")
    assert play.codes() == ALWAYS | own


def test_every_category_has_a_reply_a_resolution_or_a_clock_of_its_own() -> None:
    for category in Category:
        play = Play().hear(told.registered("2025-10-16 10:00", category.value), "2025-10-16 10:00")
        assert play.codes() > ALWAYS or category is Category.UNCLASSIFIED, category


@pytest.mark.parametrize(
    ("kind", "codes"),
    [
        (Kind.SUGGESTION, {"acknowledge", "feedback.ordinary"}),
        (Kind.PRAISE, {"acknowledge"}),
        (Kind.CONSULTATION, {"acknowledge"}),
    ],
)
def test_only_complaints_have_all_clocks_and_suggestions_get_feedback(
    kind: Kind, codes: set[str]
) -> None:
    play = Play().hear(
        told.registered("2025-10-16 10:00", "product", kind=kind), "2025-10-16 10:00"
    )
    assert play.codes() == codes


def test_what_no_rule_could_place_gets_its_clocks_from_the_desk_that_classifies_it() -> None:
    """DOMAIN rule 4: "receipt, acknowledge, first-contact and legal clocks run"."""
    play = Play().hear(told.registered("2025-10-16 10:00", "unclassified"), "2025-10-16 10:00")
    play.hear(told.reclassified("2025-10-16 10:00", "mobile.coverage"), "2025-10-16 12:00")
    assert play.due("reply.mobile") == at("2025-10-21")


def test_rural_and_urban_repair_differ() -> None:
    for district, code, due in [
        (DistrictType.URBAN, "repair.broadband.urban", "2025-10-17 10:00"),
        (DistrictType.RURAL, "repair.broadband.rural", "2025-10-17 22:00"),
    ]:
        play = Play().hear(
            told.registered("2025-10-16 10:00", "broadband.fault", district_type=district),
            "2025-10-16 10:00",
        )
        assert play.due(code) == at(due)


def test_an_urgent_cross_region_complaint_has_five_minutes() -> None:
    play = Play().hear(
        told.registered(
            "2025-10-16 10:00",
            urgency=Urgency.URGENT,
            home_province="guangdong",
            visited_province="xinjiang",
        ),
        "2025-10-16 10:00",
    )
    assert play.due("feedback.urgent") == at("2025-10-16 10:05")


# --- ends and cases ------------------------------------------------------------------------------


def test_withdrawal_cancels_what_is_not_yet_breached() -> None:
    play = billing().until("2025-10-16 12:00").hear(told.withdrawn(), "2025-10-16 12:00")
    assert {one.clock for one in play.one(ClocksCancelled).clocks} == {"resolve", "legal.answer"}
    assert play.status("first_contact") == "breached"
    play.until("2025-12-01")
    assert play.just == []


def test_rejected_as_not_valid_nothing_is_owed_any_more() -> None:
    play = billing().hear(told.verified("2025-10-16 10:00", valid=False), "2025-10-16 10:01")
    assert play.one(ClocksCancelled).reason is CancelReason.REJECTED
    assert not any(clock.open for clock in (play.clock(code) for code in play.codes()))
    assert (
        billing().hear(told.verified("2025-10-16 10:00", valid=True), "2025-10-16 10:01").just == []
    )


def test_after_the_end_a_promise_or_forward_owes_nothing() -> None:
    play = billing().hear(told.withdrawn(), "2025-10-16 12:00")
    for event, code, instance in [
        (told.promised(1, "2025-10-18 12:00"), "agreed", "promise-1"),
        (told.forwarded(1, "2025-10-01 13:00"), "partner.holiday", "forward-1"),
    ]:
        play.hear(event, "2025-10-16 12:30")
        assert play.one(ClocksCancelled).reason is CancelReason.WITHDRAWN
        assert play.status(code, instance) == "cancelled"
    assert play.until("2025-12-01").just == []


def test_the_regulators_case_goes_on_after_withdrawal() -> None:
    """EVENTS 8: "tier 4 goes on"."""
    play = billing().hear(told.case_requested(1, tier=4), "2025-10-16 11:00")
    assert play.due("regulator.report", "case-1") == at("2025-10-28"), "day 10 = Sun 26, rolls"
    play.hear(told.withdrawn(), "2025-10-17 09:00")
    assert play.status("regulator.report", "case-1") == "running"
    play.hear(told.reported(), "2025-10-20 09:00")
    assert play.status("regulator.report", "case-1") == "met"


def test_a_date_that_the_regulator_names_goes_before_the_limit() -> None:
    play = billing().hear(
        told.case_requested(1, tier=4, report_by="2025-10-20 17:00"), "2025-10-16 11:00"
    )
    assert play.due("regulator.report", "case-1") == at("2025-10-20 17:00")


@pytest.mark.parametrize("reason", [CancelReason.CASE_DECLINED, CancelReason.CASE_CLOSED])
def test_a_case_that_ends_takes_its_own_clocks_along(reason: CancelReason) -> None:
    play = billing().hear(told.case_requested(1), "2025-10-16 11:00")
    play.hear(told.case_requested(2, tier=3), "2025-10-16 11:30")
    ended = told.declined(1) if reason is CancelReason.CASE_DECLINED else told.case_closed(1)
    play.hear(ended, "2025-10-16 12:00")
    cancelled = play.one(ClocksCancelled)
    assert {(one.clock, one.instance) for one in cancelled.clocks} == {
        ("desk.first_contact", "case-1"),
        ("desk.decision", "case-1"),
    }
    assert cancelled.reason is reason
    assert play.status("desk.decision", "case-2") == "running"
    assert play.status("resolve") == "running"


def test_a_final_or_rejecting_decision_answers_the_customer_an_upheld_one_does_not_yet() -> None:
    upheld = billing().hear(told.case_requested(), "2025-10-16 11:00")
    upheld.hear(told.decided(Decision.UPHELD), "2025-10-17 11:00")
    assert upheld.status("desk.decision", "case-1") == "met"
    assert upheld.status("resolve") == upheld.status("legal.answer") == "running"
    for last_word in (told.decided(Decision.REJECTED), told.decided(Decision.PARTLY, final=True)):
        play = billing().hear(told.case_requested(), "2025-10-16 11:00")
        play.hear(last_word, "2025-10-17 11:00")
        assert play.status("desk.decision", "case-1") == "met"
        assert play.status("resolve") == play.status("legal.answer") == "met"


def test_a_survey_has_a_clock_that_breaks_no_promise() -> None:
    play = billing().hear(told.answered(), "2025-10-17 09:00")
    play.hear(told.asked("2025-10-17 09:00"), "2025-10-17 09:00")
    assert play.due("survey") == at("2025-10-20 09:00")
    play.until("2025-10-25")
    assert play.all(ClockBreached, "survey") == []
    play.hear(told.concluded(SurveyOutcome.NO_ANSWER), "2025-10-20 09:00")
    assert play.one(ClocksCancelled).reason is CancelReason.SURVEY_ENDED


def test_a_survey_asked_and_ended_at_one_instant_leaves_nothing_running() -> None:
    """An anonymous customer is unreachable at once; closed by the same answer, all is met."""
    play = billing().hear(told.receipt(), "2025-10-16 10:00")
    when = "2025-10-16 10:30"
    for event in (
        told.answered(),
        told.asked(when),
        told.concluded(SurveyOutcome.UNREACHABLE),
        told.closed(),
    ):
        play.hear(event, when)
    assert play.timer is None
    assert {code: play.status(code) for code in ("resolve", "legal.answer", "survey")} == {
        "resolve": "met",
        "legal.answer": "met",
        "survey": "cancelled",
    }
    assert play.all(ClockCorrected) == []


def test_told_twice_is_told_once() -> None:
    play = billing()
    for event, when in [
        (told.registered("2025-10-16 10:00"), "2025-10-16 10:00"),
        (told.receipt(), "2025-10-16 10:00"),
        (told.suspended(), "2025-10-16 10:10"),
        (told.promised(1, "2025-10-20 12:00"), "2025-10-16 10:20"),
        (told.forwarded(1, "2025-10-16 10:25"), "2025-10-16 10:25"),
        (told.case_requested(), "2025-10-16 10:30"),
        (told.reclassified("2025-10-16 10:00", "product"), "2025-10-16 10:40"),
        (told.answered(), "2025-10-16 10:50"),
        (told.withdrawn(), "2025-10-16 11:00"),
        (told.closed(), "2025-10-16 11:10"),
        (told.reopened(2, "2025-10-17 10:00", ReopenRoute.REWORK), "2025-10-17 10:00"),
        (told.declined(), "2025-10-17 10:10"),
    ]:
        recorded = play.record(event, when)
        play.take(recorded)
        play.take(recorded)
        assert play.just == [], type(event).__name__


def test_events_before_any_registration_are_nobodys() -> None:
    assert Play().hear(told.answered(), "2025-10-16 10:00").told == []


def test_words_older_than_the_first_clock_table_go_by_the_present_one() -> None:
    """Convention 12: "Never a guess, never a refusal": hours run, days are unknown."""
    play = Play().hear(told.registered("2003-12-30 10:00"), "2025-10-16 10:00")
    assert play.due("first_contact") == at("2003-12-30 11:00")
    assert play.due("resolve") is None
    play.hear(told.answered(), "2025-10-16 11:00")
    assert play.status("resolve") == "running", "twenty years late is not surely in time"


# --- by class, tier and province (DOMAIN rule 3: "keyed by class, tier and category") -------------


def changed(code: str, condition: dict[str, Any], own: dict[str, Any]) -> Policies:
    """The table with one more clock: `code` again under another name, limit and conditions.

    `condition` goes into every condition of the old row, `own` into those of the new one.
    """
    content = seed_content("clocks.v1.yaml") | {"version": "2"}
    row = next(one for one in content["clocks"] if one["code"] == code)
    new = deepcopy(row) | {"code": f"{code}.own", "limit": own.pop("limit")}
    for one in row["when"]:
        one.update(condition)
    for one in new["when"]:
        one.update(own)
    content["clocks"].append(new)
    return SEEDS.adding(in_force(content, "2025-10-01"))


def test_an_operator_sets_the_repair_limit_of_one_province() -> None:
    policies = changed(
        "repair.broadband.rural",
        {"except_provinces": ["qinghai"]},
        {"provinces": ["qinghai"], "limit": "48 hours"},
    )
    for provinces, own in [
        ({"home_province": "qinghai"}, True),
        ({"home_province": "guangdong"}, False),
        ({}, False),
        ({"home_province": "guangdong", "visited_province": "qinghai"}, True),
        ({"home_province": "qinghai", "visited_province": "guangdong"}, False),
    ]:
        play = Play(policies).hear(
            told.registered(
                "2025-10-16 10:00",
                "broadband.fault",
                district_type=DistrictType.RURAL,
                **provinces,
            ),
            "2025-10-16 10:00",
        )
        repairs = {
            (one.code, one.standing.due)
            for one in (play.state.clocks if play.state else ())
            if one.purpose is ClockPurpose.REPAIR
        }
        assert repairs == {
            ("repair.broadband.rural.own", at("2025-10-18 10:00"))
            if own
            else ("repair.broadband.rural", at("2025-10-17 22:00"))
        }, provinces


def test_an_operator_promises_important_customers_and_companies_more() -> None:
    important = changed(
        "attitude",
        {"value_tiers": ["ordinary", "potential", "lapsed"]},
        {"value_tiers": ["important"], "limit": "12 hours"},
    )
    companies = changed(
        "attitude",
        {"customer_classes": ["personal", "family"]},
        {"customer_classes": ["enterprise"], "limit": "12 hours"},
    )
    for policies, mine, others in [
        (important, {"value_tier": ValueTier.IMPORTANT}, {"value_tier": ValueTier.LAPSED}),
        (
            companies,
            {"customer_class": CustomerClass.ENTERPRISE},
            {"customer_class": CustomerClass.FAMILY},
        ),
    ]:
        for profile, code in [(mine, "attitude.own"), (others, "attitude"), ({}, "attitude")]:
            play = Play(policies)
            event = told.registered("2025-10-16 10:00", "service.attitude", **profile)
            play.hear(event, "2025-10-16 10:00")
            assert play.codes() - ALWAYS == {code}


def test_the_desk_may_be_held_to_more_for_some() -> None:
    policies = changed(
        "desk.decision",
        {"value_tiers": ["ordinary", "potential", "lapsed"]},
        {"value_tiers": ["important"], "limit": "1 days"},
    )
    event = told.registered("2025-10-16 10:00", value_tier=ValueTier.IMPORTANT)
    play = Play(policies).hear(event, "2025-10-16 10:00")
    play.hear(told.case_requested(), "2025-10-16 11:00")
    assert play.due("desk.decision.own", "case-1") == at("2025-10-18")
    assert "desk.decision" not in play.codes()


def test_a_province_that_no_rule_names_takes_no_memory() -> None:
    """Anybody may write a province's code into a message."""
    table = compile_policy("clocks", seed_content("clocks.v1.yaml"))
    assert isinstance(table, ClockTable)
    for number in range(100):
        table.for_profile(Trigger.REGISTERED, told.profile(home_province=f"p{number}"))
    assert len(table._known) == 1
