"""Urges raise the priority and an unlinked one lowers it (DOMAIN rule 2; SCENARIOS S7); a new class
finds its queue (EVENTS 5). Neither takes anything from those who are at work."""

from contracts.routing import RouteCause, WaitingFor, WorkAssigned, WorkRouted
from contracts.values import Category, Profile, Urgency
from services.routing.domain.commands import Reclassify, Suspend, Urge
from tests.unit.routing.desks import (
    BILLING_1,
    NOON,
    accepted,
    everyone_ignores,
    policies,
    profile,
    routed,
    t,
    went,
)
from tests.unit.routing.test_decision_table import changed_team

BILLING = profile(Category.BILLING_OVERCHARGE)
ONE_TEAM = policies(teams=changed_team("billing-second", available=False))


def urge(urges: int, *, cycle: int = 1) -> Urge:
    return Urge(at=t("2025-10-12 20:15"), cycle=cycle, urges=urges)


def reclassified(now: Profile) -> Reclassify:
    return Reclassify(at=NOON, cycle=1, profile=now)


def test_s7_three_urges_raise_the_priority_and_an_unlinked_one_lowers_it() -> None:
    told = accepted(BILLING_1, BILLING, known=ONE_TEAM)
    priorities = [told.state.priority]
    for urges in (1, 2, 3, 2, 3):
        told = told.when(urge(urges))
        told.then_types(WorkRouted)
        priorities.append(told.one(WorkRouted).priority)
        assert told.state.urges == urges
        assert told.state.agent == "5301", "who is at work stays at work"
    assert priorities == [100, 150, 200, 250, 200, 250]


def test_an_urge_says_why_and_under_which_rule() -> None:
    event = accepted(BILLING_1, BILLING, known=ONE_TEAM).when(urge(1)).one(WorkRouted)
    assert (event.cause, event.rule, event.queue) == (RouteCause.URGE, "billing", "billing")
    event = routed(BILLING).when(urge(1)).when(urge(0)).one(WorkRouted)
    assert event.cause is RouteCause.UNLINKED


def test_the_same_urge_heard_twice_raises_once() -> None:
    told = routed(BILLING).when(urge(1))
    told.when(urge(1)).then_nothing()


def test_urges_stop_counting_somewhere() -> None:
    told = accepted(BILLING_1, BILLING, known=ONE_TEAM).when(urge(50))
    assert told.one(WorkRouted).priority == 100 + 6 * 50


def test_an_urge_where_nobody_has_it_starts_a_fresh_round_of_asking() -> None:
    told = everyone_ignores(routed(BILLING, ONE_TEAM))[-1]
    told = told.when(urge(1))
    told.then_types(WorkRouted, WorkAssigned)
    assert told.one(WorkAssigned).team == "billing-care"


def test_pause_lost_when_priority_changes() -> None:
    """DOMAIN, pain points: a pause stays a pause whatever is urged or reclassified."""
    told = accepted(BILLING_1, BILLING, known=ONE_TEAM)
    told = went(
        told.when(
            Suspend(
                at=NOON,
                by=BILLING_1,
                waiting_for=WaitingFor.CUSTOMER,
                reason="bill_needed",
                until=t("2025-10-13 12:00"),
            )
        )
    )
    waiting = told.state.suspension
    assert waiting is not None
    for urges in (1, 2):
        told = went(told.when(urge(urges)))
        assert told.state.suspension == waiting
        assert told.timers == {"suspend": t("2025-10-13 12:00")}
    told = went(told.when(reclassified(profile(Category.BILLING, urgency=Urgency.URGENT))))
    assert told.state.suspension == waiting


def test_a_new_urgency_in_the_same_queue_leaves_the_work_where_it_is() -> None:
    told = accepted(BILLING_1, BILLING, known=ONE_TEAM)
    told = told.when(reclassified(profile(Category.BILLING_OVERCHARGE, urgency=Urgency.URGENT)))
    told.then_types(WorkRouted)
    assert told.one(WorkRouted).priority == 400
    assert told.one(WorkRouted).profile == profile(
        Category.BILLING_OVERCHARGE, urgency=Urgency.URGENT
    )
    assert told.state.phase == "accepted"


def test_a_new_category_goes_to_its_own_queue_and_the_owner_stays() -> None:
    told = accepted(BILLING_1, BILLING, known=ONE_TEAM)
    told = told.when(reclassified(profile(Category.MOBILE_COVERAGE)))
    told.then_types(WorkRouted, WorkAssigned)
    assert told.one(WorkRouted).queue == "mobile"
    assert told.one(WorkAssigned).team in ("mobile-care", "mobile-second")
    assert told.state.owner is not None
    assert told.state.owner.agent == "5301"


def test_urges_outlast_a_reclassification() -> None:
    told = routed(BILLING).when(urge(2)).when(reclassified(profile(Category.MOBILE)))
    assert told.one(WorkRouted).urges == 2
    assert told.one(WorkRouted).priority == 200
