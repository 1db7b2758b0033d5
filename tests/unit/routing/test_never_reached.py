"""A rule that can never be the first to hold is refused; what can be first never is.

The oracle goes through every complaint of a small universe, one after another, and asks the table
itself which rule takes it; it knows nothing of boxes.
"""

from collections.abc import Iterable, Mapping
from itertools import product
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.values import (
    Category,
    CustomerClass,
    DistrictType,
    Kind,
    Language,
    Profile,
    ReopenRoute,
    StaffRef,
    Urgency,
    ValueTier,
)
from services.routing.domain.policy import ROUTING, RoutingTable
from services.routing.domain.vetting import vet_policy
from tests.unit.routing.desks import profile, seed

STAFF = StaffRef(agent="8812")
HOME, AWAY, OTHER = "qinghai", "xinjiang", "tibet"
PLACES = [(None, None), *product((HOME, AWAY, OTHER), (None, HOME, AWAY, OTHER)), (None, AWAY)]

UNIVERSE: Mapping[str, Iterable[Mapping[str, Any]]] = {
    "kinds": [{"kind": one} for one in Kind],
    "categories": [{"category": one} for one in Category],
    "urgencies": [{"urgency": one} for one in Urgency],
    "provinces": [{"home_province": home, "visited_province": away} for home, away in PLACES],
    "district_types": [{"district_type": one} for one in (*DistrictType, None)],
    "customer_classes": [{"customer_class": one} for one in CustomerClass],
    "value_tiers": [{"value_tier": one} for one in ValueTier],
    "products": [{"product": one} for one in ("fibre", "sim", "other", None)],
    "languages": [{"language": one} for one in Language],
    "routes": [{"route": one} for one in (*ReopenRoute, None)],
    "about_staff": [{"about": one} for one in (STAFF, None)],
    "cross_region": [{"visited_province": one, "home_province": HOME} for one in (AWAY, None)],
    "other_operator": [{"other_operator": one} for one in (True, False)],
    "media": [{"media": one} for one in (True, False)],
}
"""All that each condition tells apart: what rules below name, and something that none names."""

FLAGS = ("about_staff", "cross_region", "other_operator", "media")
NAMED: Mapping[str, list[Any]] = {
    "kinds": [*Kind],
    "categories": [
        "broadband",
        "broadband.fault",
        "broadband.install",
        "mobile",
        "mobile.coverage",
    ],
    "urgencies": [*Urgency],
    "provinces": [HOME, AWAY],
    "district_types": [*DistrictType],
    "customer_classes": [*CustomerClass],
    "value_tiers": [*ValueTier],
    "products": ["fibre", "sim"],
    "languages": [*Language],
    "routes": [*ReopenRoute],
}


def asking(axis: str) -> st.SearchStrategy[Any]:
    if axis in FLAGS:
        return st.sampled_from([True, False])
    return st.lists(st.sampled_from(NAMED[axis]), min_size=1, max_size=4, unique=True)


@st.composite
def tables(draw: st.DrawFn) -> tuple[list[str], list[dict[str, Any]]]:
    axes = draw(st.lists(st.sampled_from(sorted(UNIVERSE)), min_size=2, max_size=3, unique=True))
    if {"provinces", "cross_region"} <= set(axes):
        axes.remove("cross_region")  # one place tells both: not independent of each other
    conditions = st.fixed_dictionaries({}, optional={axis: asking(axis) for axis in axes})
    return axes, draw(st.lists(conditions, min_size=2, max_size=7))


def content(conditions: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    whole = dict(seed(ROUTING)["content"])
    rules = [
        {"code": f"rule-{number}", "when": when, "queue": "mobile"}
        for number, when in enumerate(conditions)
    ]
    return {**whole, "rules": rules}


def refused(table: Mapping[str, Any]) -> set[str]:
    """The codes of the rules that are told never to be reached."""
    faults = vet_policy(ROUTING, table)
    return {
        str(table["rules"][one.where[-1]]["code"])
        for one in faults
        if one.kind == "overlap" and one.where[0] == "rules"
    }


def never_taken(table: Mapping[str, Any], axes: Iterable[str]) -> set[str]:
    """By trying: the rules that not one complaint of the universe goes by."""
    read = RoutingTable.model_validate(table)
    left = {rule.code for rule in read.rules}
    base = profile(Category.UNCLASSIFIED)
    for told in product(*(UNIVERSE[axis] for axis in axes)):
        words: dict[str, Any] = {}
        for one in told:
            words |= one
        route = words.pop("route", None)
        about: Profile = base.model_copy(update=words)
        left.discard(read.rule_for(about, route).code)
    return left


@settings(max_examples=40, deadline=None)
@given(tables())
def test_a_rule_is_refused_exactly_when_no_complaint_can_go_by_it(
    drawn: tuple[list[str], list[dict[str, Any]]],
) -> None:
    axes, conditions = drawn
    table = content(conditions)
    assert refused(table) == never_taken(table, axes)


def test_the_shipped_table_has_no_rule_in_vain() -> None:
    assert refused(dict(seed(ROUTING)["content"])) == set()


@pytest.mark.parametrize(
    ("above", "below", "told"),
    [
        ([{"categories": ["broadband"]}], {"categories": ["broadband.fault"]}, "rule-0 above"),
        (
            [{"kinds": ["complaint"], "provinces": ["qinghai", "tibet"]}],
            {"kinds": ["complaint"], "provinces": ["tibet"], "district_types": ["rural"]},
            "rule-0 above",
        ),
        ([{}], {"media": True}, "rule-0 above"),
        (
            [{"media": True}, {"about_staff": True}, {"media": False}],
            {"categories": ["billing"]},
            "rule-0 and rule-2 above it between them hold",
        ),
        (
            [{"customer_classes": ["personal", "family"]}, {"customer_classes": ["enterprise"]}],
            {"provinces": ["qinghai"]},
            "rule-0 and rule-1 above",
        ),
    ],
    ids=["family", "wider in all", "anything", "yes and no", "all classes split"],
)
def test_what_holds_before_is_named(
    above: list[dict[str, Any]], below: dict[str, Any], told: str
) -> None:
    table = content([*above, below])
    (fault,) = (one for one in vet_policy(ROUTING, table) if one.kind == "overlap")
    assert fault.where == ("rules", len(above))
    assert told in fault.problem


@pytest.mark.parametrize(
    ("above", "below"),
    [
        ([{"categories": ["broadband.fault"]}], {"categories": ["broadband"]}),
        ([{"categories": ["broadband.fault", "broadband.install"]}], {"categories": ["broadband"]}),
        ([{"district_types": ["urban"]}, {"district_types": ["rural"]}], {"media": True}),
        ([{"provinces": ["qinghai"]}, {"provinces": ["tibet"]}], {"provinces": ["tibet", "gansu"]}),
        ([{"routes": ["rework", "tier1", "escalate"]}], {"kinds": ["complaint"]}),
    ],
    ids=["narrower above", "the family's own code", "district not told", "one left", "first cycle"],
)
def test_what_can_still_be_first_is_not_refused(
    above: list[dict[str, Any]], below: dict[str, Any]
) -> None:
    assert refused(content([*above, below])) == set()
