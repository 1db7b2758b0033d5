"""Where a complaint goes (DOMAIN rule 6): a decision table with a version, and never nowhere."""

import json
from copy import deepcopy
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest
from pydantic import ValidationError

from contracts.routing import WorkAssigned, WorkRouted
from contracts.values import (
    Category,
    CustomerClass,
    DistrictType,
    Kind,
    Language,
    PolicyRef,
    Profile,
    ReopenRoute,
    StaffRef,
    Urgency,
    ValueTier,
)
from libs.decider import Policies
from libs.decider.story import SUBJECT, Story
from services.routing.domain.policy import RoutingTable, Teams, compile_policy
from tests.unit.routing.desks import (
    NOON,
    POLICY_FOLDER,
    policies,
    profile,
    routed,
    seed,
    story,
    t,
    verified,
)

ABROAD = Category.ROAMING_INTERNATIONAL_EMERGENCY
VIP = ValueTier.IMPORTANT


@pytest.mark.parametrize(
    ("about", "rule", "queue"),
    [
        (profile(Category.MOBILE_NONCOVERAGE_SMS), "mobile-network", "mobile"),
        (profile(Category.MOBILE), "mobile-network", "mobile"),
        (profile(Category.BROADBAND_FAULT), "broadband", "broadband"),
        (
            profile(Category.BROADBAND_FAULT, district_type=DistrictType.RURAL),
            "broadband-rural",
            "broadband",
        ),
        (profile(Category.BILLING_OVERCHARGE), "billing", "billing"),
        (profile(Category.VALUE_ADDED_CANCEL_ALL), "value-added", "value-added"),
        (profile(Category.ROAMING_DOMESTIC), "roaming", "roaming"),
        (profile(ABROAD, value_tier=VIP), "emergency-abroad", "emergency"),
        (profile(Category.SERVICE_ATTITUDE, value_tier=VIP), "attitude", "manager"),
        (profile(Category.BILLING, value_tier=VIP), "important-customer", "vip"),
        (
            profile(Category.BILLING, customer_class=CustomerClass.ENTERPRISE),
            "group-customer",
            "group",
        ),
        (profile(Category.BILLING, language=Language.EN), "english-speaker", "english"),
        (profile(Category.UNCLASSIFIED), "fallback", "front-desk"),
        (profile(Category.BILLING, kind=Kind.SUGGESTION), "fallback", "front-desk"),
    ],
)
def test_category_class_tier_language_and_district_choose_the_queue(
    about: Profile, rule: str, queue: str
) -> None:
    event = routed(about).one(WorkRouted)
    assert (event.rule, event.queue) == (rule, queue)
    assert event.policy == PolicyRef(name="routing", version="v1")


@pytest.mark.parametrize(
    ("when", "about", "route"),
    [
        ({"kinds": ["praise"]}, {"kind": "praise"}, None),
        ({"categories": ["broadband"]}, {"category": "broadband.fault"}, None),
        ({"urgencies": ["urgent"]}, {"urgency": "urgent"}, None),
        ({"provinces": ["qinghai"]}, {"home_province": "qinghai"}, None),
        (
            {"provinces": ["qinghai"]},
            {"home_province": "gansu", "visited_province": "qinghai"},
            None,
        ),
        ({"district_types": ["rural"]}, {"district_type": "rural"}, None),
        ({"customer_classes": ["enterprise"]}, {"customer_class": "enterprise"}, None),
        ({"value_tiers": ["important"]}, {"value_tier": "important"}, None),
        ({"products": ["fibre-1000"]}, {"product": "fibre-1000"}, None),
        ({"languages": ["en"]}, {"language": "en"}, None),
        ({"routes": ["tier1"]}, {}, "tier1"),
        ({"about_staff": True}, {"about": {"agent": "8812"}}, None),
        (
            {"cross_region": True},
            {"home_province": "gansu", "visited_province": "qinghai"},
            None,
        ),
        ({"other_operator": True}, {"other_operator": True}, None),
        ({"media": True}, {"media": True}, None),
    ],
    ids=lambda one: "-".join(one) if isinstance(one, dict) and one else None,
)
def test_by_each_thing_that_a_rule_names(
    when: dict[str, Any], about: dict[str, Any], route: str | None
) -> None:
    """DOMAIN rule 6: "by category, province and district type, customer class, product, …"."""
    content = deepcopy(dict(seed("routing")["content"]))
    content["rules"] = [{"code": "this", "when": when, "queue": "billing"}]
    table = RoutingTable.model_validate(content)
    plain: dict[str, Any] = {
        "kind": "complaint",
        "category": "mobile.noncoverage.sms",
        "urgency": "ordinary",
        "channel": "sms",
    }
    fits = Profile.model_validate({**plain, **about})
    reopened = None if route is None else ReopenRoute(route)
    assert table.rule_for(fits, reopened).code == "this"
    assert table.rule_for(Profile.model_validate(plain), None).code == "fallback"


def test_routing_and_asking_a_team_is_one_decision() -> None:
    told = routed(profile(Category.BILLING))
    told.then_types(WorkRouted, WorkAssigned)
    assigned = told.one(WorkAssigned)
    assert assigned.team in ("billing-care", "billing-second")
    assert assigned.agent is None
    assert assigned.accept_by == t("2025-10-09 12:30")


def test_every_decision_records_the_losing_candidates_reasons() -> None:
    """DOMAIN rule 6: "the matched rule, its version and the losing candidates' reasons"."""
    teams = changed_team("billing-second", available=False)
    event = routed(profile(Category.BILLING), policies(teams=teams)).one(WorkRouted)
    assert [(one.candidate, one.why_not) for one in event.considered] == [
        ("billing-care", None),
        ("billing-second", "unavailable"),
    ]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"available": False}, "unavailable"),
        ({"calendar": "office"}, "off_duty"),
        ({"district_types": ["rural"]}, "district"),
        ({"seats": []}, "no_seat"),
        ({"seats": [{"agent": "x", "skills": ["billing"], "languages": ["en"]}]}, "language"),
        ({"seats": [{"agent": "x", "skills": ["mobile"]}]}, "skill"),
        ({"seats": [{"agent": "x", "skills": ["billing"], "capacity": 0}]}, "unavailable"),
    ],
)
def test_a_team_that_cannot_take_it_loses_for_that_reason(
    change: dict[str, Any], reason: str
) -> None:
    known = policies(teams=changed_team("billing-second", **change))
    at = t("2025-10-09 17:30")
    event = routed_at(at, known).one(WorkRouted)
    assert {one.candidate: one.why_not for one in event.considered} == {
        "billing-care": None,
        "billing-second": reason,
    }


def test_the_provinces_own_team_goes_before_a_nation_wide_one() -> None:
    """DOMAIN rule 5: "the province where the cause lies handles"."""
    told = routed(profile(home="guangdong", visited="xinjiang"))
    assert told.one(WorkAssigned).team == "xinjiang-mobile"
    event = told.one(WorkRouted)
    assert event.province == "xinjiang"
    assert event.informed == ("guangdong",)
    losers = {one.candidate: one.why_not for one in event.considered if one.why_not}
    assert losers == {"mobile-care": "less_local", "mobile-second": "less_local"}


def test_a_team_of_another_province_is_no_candidate() -> None:
    event = routed(profile(home="guangdong")).one(WorkRouted)
    assert {one.candidate for one in event.considered} == {"mobile-care", "mobile-second"}
    assert event.informed == ()


def test_equal_teams_share_by_the_complaints_id() -> None:
    winners = {
        routed_at(NOON, policies(), subject=f"00000000-0000-4000-8000-{number:012d}")
        .one(WorkAssigned)
        .team
        for number in range(40)
    }
    assert winners == {"billing-care", "billing-second"}


def test_what_nobody_of_the_queue_can_ever_take_goes_to_the_queue_behind() -> None:
    """DOMAIN rule 6: "No match goes to a named fallback queue, never nowhere"."""
    teams = changed_team("billing-care", seats=[])
    for team in teams["content"]["teams"]:
        if team["team"] == "billing-second":
            team["seats"] = []
    told = routed(profile(Category.BILLING), policies(teams=teams))
    event = told.one(WorkRouted)
    assert event.queue == "front-desk"
    assert event.rule == "billing"
    assert told.one(WorkAssigned).team == "desk-10010"
    assert {one.candidate: one.why_not for one in event.considered} == {
        "billing": "no_team",
        "billing-care": "no_seat",
        "billing-second": "no_seat",
        "desk-10010": None,
    }


def test_teams_that_are_off_duty_are_waited_for_in_their_queue() -> None:
    teams = changed_team("billing-care", calendar="office")
    for team in teams["content"]["teams"]:
        if team["team"] == "billing-second":
            team["calendar"] = "office"
    told = routed_at(t("2025-10-09 22:00"), policies(teams=teams))
    told.then_types(WorkRouted)
    assert told.one(WorkRouted).queue == "billing"


def test_a_reopened_cycle_goes_to_the_manager_first() -> None:
    """DOMAIN rule 11: "new cycle: first with tier 1"."""
    table = compile_policy("routing", seed("routing"))
    assert not isinstance(table, Teams)
    about = profile(Category.BILLING)
    assert table.rule_for(about, ReopenRoute.TIER1).queue == "manager"
    assert table.rule_for(about, ReopenRoute.ESCALATE).queue == "manager"
    assert table.rule_for(about, ReopenRoute.REWORK).queue == "billing"


def test_urgent_vip_and_media_go_before_others() -> None:
    plain = routed(profile()).one(WorkRouted).priority
    urgent = routed(profile(urgency=Urgency.URGENT)).one(WorkRouted).priority
    vip = routed(profile(value_tier=VIP)).one(WorkRouted).priority
    media = routed(profile(media=True)).one(WorkRouted).priority
    everything = profile(
        ABROAD,
        urgency=Urgency.URGENT,
        value_tier=VIP,
        customer_class=CustomerClass.ENTERPRISE,
        media=True,
    )
    assert (plain, urgent, vip, media) == (100, 400, 300, 250)
    assert routed(everything).one(WorkRouted).priority == 1000


def test_about_staff_goes_to_the_manager_whatever_the_category() -> None:
    """DOMAIN rule 6: "A complaint about an agent or a team goes to the manager"."""
    about = profile(Category.BILLING, about=StaffRef(agent="5301"))
    assert routed(about).one(WorkRouted).queue == "manager"


@pytest.mark.parametrize(
    ("name", "path", "value"),
    [
        ("routing", ("fallback",), "nowhere"),
        ("routing", ("rules", 0, "queue"), "nowhere"),
        ("routing", ("rules", 0, "otherwise"), "nowhere"),
        ("routing", ("rules", 1, "code"), "about-staff"),
        ("routing", ("rules", 1, "code"), "fallback"),
        ("routing", ("responsible",), {"network": "network"}),
        ("routing", ("responsible", "billing"), "nowhere"),
        ("routing", ("rules", 0, "when"), {"categories": ["no.such"]}),
        ("routing", ("rules", 0, "when"), {"moon": "full"}),
        ("routing", ("priority", "urgency"), {"urgent": 1}),
        ("routing", ("accept_within_min",), 0),
        ("routing", ("queues", 1, "code"), "front-desk"),
        ("teams", ("teams", 0, "calendar"), "never"),
        ("teams", ("teams", 1, "team"), "desk-10010"),
        ("teams", ("teams", 0, "seats"), [{"agent": "1"}, {"agent": "1"}]),
        ("teams", ("calendars", "office", "closes"), "08:00"),
    ],
)
def test_an_unsound_policy_never_comes_into_force(
    name: str, path: tuple[str | int, ...], value: Any
) -> None:
    broken = deepcopy(seed(name))
    part: Any = broken["content"]
    for step in path[:-1]:
        part = part[step]
    part[path[-1]] = value
    with pytest.raises(ValidationError):
        compile_policy(name, broken)


@pytest.mark.parametrize(("name", "model"), [("routing", RoutingTable), ("teams", Teams)])
def test_the_policies_schemas_are_not_stale(
    name: str, model: type[RoutingTable] | type[Teams]
) -> None:
    written = (POLICY_FOLDER / f"{name}.schema.json").read_text(encoding="utf-8")
    assert json.loads(written) == model.model_json_schema()


def test_every_queue_of_the_seed_has_a_team_and_every_team_a_queue_of_the_table() -> None:
    table, teams = (
        compile_policy("routing", seed("routing")),
        compile_policy("teams", seed("teams")),
    )
    assert isinstance(table, RoutingTable)
    assert isinstance(teams, Teams)
    assert set(teams.of_queue) == set(table.queue_of)
    managed = {queue.code for queue in table.queues if queue.managers_only}
    for queue in managed:
        seats = [seat for team in teams.of_queue[queue] for seat in team.seats]
        assert all(seat.manager for seat in seats)


def test_routing_follows_no_other_policy() -> None:
    with pytest.raises(ValueError, match="no policy called 'escalation'"):
        compile_policy("escalation", {})


def changed_team(code: str, **change: Any) -> dict[str, Any]:
    teams = deepcopy(dict(seed("teams")))
    for team in teams["content"]["teams"]:
        if team["team"] == code:
            team.update(change)
    return teams


def routed_at(at: datetime, known: Policies, subject: str = SUBJECT) -> Story:
    begun = replace(story(known), subject=subject)
    return begun.when(verified(profile(Category.BILLING), at=at))
