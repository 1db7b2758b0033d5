"""VIP and group customers and their named representatives; tiers kept for life (DOMAIN rule 3)."""

from typing import Any

import pytest

from contracts.routing import WorkAccepted, WorkAssigned, WorkRouted
from contracts.values import (
    Category,
    CustomerClass,
    Kind,
    Language,
    ReopenRoute,
    StaffRef,
    ValueTier,
)
from libs.decider import Policies
from libs.decider.story import Story
from services.routing.domain.commands import Accept, Answer, Reclassify, Refuse, Staff, Urge
from services.routing.domain.policy import compile_policy
from tests.unit.routing.desks import (
    MOBILE_1,
    NOON,
    SEALED,
    SEEDS,
    accepted,
    policies,
    profile,
    reopened,
    routed,
    seed,
    went,
)

REPRESENTATIVE = Staff(agent="6101", team="group-seats")
DEPUTY = Staff(agent="6102", team="group-seats")


def group(known: Policies = SEEDS, **about: Any) -> Story:
    company = {"customer_class": CustomerClass.ENTERPRISE, "portfolio": "group-gd-01"}
    return routed(profile(Category.BILLING, **{**company, **about}), known)


def asked(told: Story) -> tuple[str, str | None]:
    assigned = told.one(WorkAssigned)
    return assigned.team, assigned.agent


def reasons(told: Story) -> dict[str, str | None]:
    return {one.candidate: one.why_not for one in told.one(WorkRouted).considered}


def unseated(agent: str, team: str) -> Policies:
    """The seed teams with one seat not available."""
    teams: Any = seed("teams")
    [changed] = [one for one in teams["content"]["teams"] if one["team"] == team]
    [seat] = [one for one in changed["seats"] if one["agent"] == agent]
    seat["available"] = False
    return policies(teams=teams)


# -- "and go to dedicated seats / their named representative" -----------------------------------


def test_a_group_customer_goes_to_the_named_representative() -> None:
    told = group()
    assert asked(told) == ("group-seats", "6101")
    event = told.one(WorkRouted)
    assert (event.queue, event.rule) == ("group", "group-customer")
    assert reasons(told) == {"6101": None}
    told = went(told.when(Accept(at=NOON, by=REPRESENTATIVE)))
    assert told.one(WorkAccepted).owner == StaffRef(team="group-seats", agent="6101")


def test_an_important_customer_goes_to_the_named_representative() -> None:
    told = routed(profile(value_tier=ValueTier.IMPORTANT, portfolio="vip-gd-01"))
    assert asked(told) == ("vip-seats", "6002")


def test_who_has_no_named_representative_goes_to_the_dedicated_seats() -> None:
    told = group(portfolio=None)
    assert asked(told) == ("group-seats", None)
    told = group(portfolio="nobodys")
    assert asked(told) == ("group-seats", None)
    assert reasons(told) == {"nobodys": "no_representative", "group-seats": None}


def test_a_representative_who_is_away_is_stood_in_for_by_the_deputy() -> None:
    told = group(unseated("6101", "group-seats"))
    assert asked(told) == ("group-seats", "6102")
    assert reasons(told) == {"6102": None, "6101": "unavailable"}


def test_with_representative_and_deputy_away_the_dedicated_seats_are_asked() -> None:
    told = routed(
        profile(value_tier=ValueTier.IMPORTANT, portfolio="vip-gd-01"),
        unseated("6002", "vip-seats"),
    )
    assert asked(told) == ("vip-seats", None)
    assert reasons(told) == {"6002": "unavailable", "vip-seats": None}


def test_a_representative_who_refuses_or_does_not_look_is_followed_by_the_deputy_and_the_rest() -> (
    None
):
    told = went(group().when(Refuse(at=NOON, by=REPRESENTATIVE)))
    assert asked(told) == ("group-seats", "6102")
    assert reasons(told) == {"6102": None, "6101": "refused"}
    told = told.fire("accept")
    assert reasons(told)["6102"] == "ignored"
    assert told.one(WorkRouted).queue == "front-desk", "the last seat of the group's team"


def test_a_representative_complained_of_never_gets_it() -> None:
    """DOMAIN rule 6: "never to whom it concerns"; it goes to the manager."""
    told = group(about=StaffRef(agent="6101"))
    assert told.one(WorkRouted).queue == "manager"


def test_a_representative_without_the_customers_language_is_not_asked() -> None:
    told = group(language=Language.EN)
    assert asked(told) == ("group-seats", "6101"), "6101 speaks it"
    told = routed(
        profile(customer_class=CustomerClass.ENTERPRISE, portfolio="group-gd-01"),
        unseated("6101", "group-seats"),
    )
    assert asked(told) == ("group-seats", "6102")
    english = group(unseated("6101", "group-seats"), language=Language.EN)
    assert reasons(english)["6102"] == "language"


def test_an_urge_leaves_it_with_the_representative() -> None:
    told = went(group().when(Accept(at=NOON, by=REPRESENTATIVE)))
    told = went(told.when(Urge(at=NOON, cycle=1, urges=1)))
    assert (told.state.team, told.state.agent, told.state.phase) == (
        "group-seats",
        "6101",
        "accepted",
    )


def test_a_suggestion_of_a_group_customer_goes_where_all_suggestions_go() -> None:
    assert group(kind=Kind.SUGGESTION).one(WorkRouted).queue == "front-desk"


@pytest.mark.parametrize(
    ("entry", "says"),
    [
        ({"portfolio": "p", "team": "no-such", "agent": "6101"}, "has no seat in 'no-such'"),
        ({"portfolio": "p", "team": "group-seats", "agent": "6001"}, "'6001', who has no seat"),
        (
            {"portfolio": "p", "team": "group-seats", "agent": "6101", "deputies": ["6001"]},
            "'6001', who has no seat",
        ),
        ({"portfolio": "vip-gd-01", "team": "vip-seats", "agent": "6001"}, "'vip-gd-01' is named"),
    ],
)
def test_a_policy_names_only_representatives_there_are_and_each_portfolio_once(
    entry: dict[str, Any], says: str
) -> None:
    teams: Any = seed("teams")
    teams["content"]["representatives"].append(entry)
    with pytest.raises(ValueError, match=says):
        compile_policy("teams", teams)


# -- "a complaint keeps the treatment of the tier it began with" -----------------------------------


def test_a_complaint_keeps_the_treatment_of_the_tier_it_began_with() -> None:
    """It was registered as an important customer's: a new category and a new cycle change nothing
    of that."""
    began = profile(value_tier=ValueTier.IMPORTANT)
    told = routed(began)
    assert (told.state.queue, told.state.priority) == ("vip", 300)
    other = began.model_copy(update={"category": Category.BILLING_OVERCHARGE})
    told = went(told.when(Reclassify(at=NOON, cycle=1, profile=other)))
    assert (told.state.queue, told.state.priority) == ("vip", 300)
    told = went(told.when(Accept(at=NOON, by=Staff(agent="6001", team="vip-seats"))))
    done = Answer(
        at=NOON,
        by=Staff(agent="6001", team="vip-seats"),
        explanation=SEALED,
        decision="upheld",
        told_by="message",
    )
    told = went(told.when(done))
    told = went(told.when(reopened(other, ReopenRoute.REWORK, at=told.now)))
    assert (told.state.queue, told.state.priority) == ("vip", 400)


# -- "customers of other operators may complain too" ------------------------------------------


def test_customers_of_other_operators_may_complain_and_are_served_like_ours() -> None:
    theirs = profile(Category.INTERCONNECTION, other_operator=True)
    ours = profile(Category.INTERCONNECTION)
    assert routed(theirs).happened[1:] == routed(ours).happened[1:]
    first, second = routed(theirs).one(WorkRouted), routed(ours).one(WorkRouted)
    assert (first.queue, first.rule, first.priority) == ("mobile", "mobile-network", 100)
    assert first.model_copy(update={"profile": None}) == second.model_copy(update={"profile": None})
    assert accepted(MOBILE_1, theirs).state.owner == StaffRef(team="mobile-care", agent="5001")
