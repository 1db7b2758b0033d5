"""SCENARIOS S6: a complaint about agent 8812 of team T never reaches them, never is theirs."""

from contracts.routing import HandlerKind, WorkAccepted, WorkAnswered, WorkAssigned, WorkRouted
from contracts.values import Category, Decision, Medium, ReopenRoute, StaffRef
from libs.decider.story import Story
from services.routing.domain.commands import Accept, Answer, Assign, Staff, Take, Transfer
from services.routing.domain.staffing import ConcernsThem, SamePerson
from tests.unit.routing.desks import (
    FRONT_DESK,
    MANAGER_1,
    MANAGER_2,
    NOON,
    SEALED,
    everyone_ignores,
    policies,
    profile,
    reopened,
    routed,
    story,
    t,
    verified,
    went,
)
from tests.unit.routing.test_decision_table import changed_team

ABOUT = StaffRef(agent="8812", team="T")
COMPLAINT = profile(Category.SERVICE_ATTITUDE, about=ABOUT, taken_by=ABOUT)
FRIDAY = t("2025-10-17 17:00")


def s6() -> Story:
    return story().when(verified(COMPLAINT, at=FRIDAY))


def test_it_goes_to_the_manager_with_the_reason_on_record() -> None:
    told = s6()
    event = told.one(WorkRouted)
    assert (event.queue, event.rule) == ("manager", "about-staff")
    assert told.one(WorkAssigned).team == "centre-managers"
    assert {(one.candidate, one.why_not) for one in event.considered} >= {
        ("8812", "concerned"),
        ("T", "concerned"),
    }


def test_8812_does_not_get_it_though_8812_took_the_call() -> None:
    told = s6()
    for by in (Staff(agent="8812", team="T"), Staff(agent="8812"), Staff(agent="8813", team="T")):
        told.when(Accept(at=FRIDAY, by=by)).then_refused(ConcernsThem)
        told.when(Take(at=FRIDAY, by=by)).then_refused(ConcernsThem)


def test_the_owner_of_record_is_not_8812() -> None:
    told = s6().when(Accept(at=FRIDAY, by=MANAGER_1))
    assert told.one(WorkAccepted).owner == StaffRef(team="centre-managers", agent="7001")


def test_nobody_passes_it_on_to_whom_it_concerns() -> None:
    told = went(s6().when(Accept(at=FRIDAY, by=MANAGER_1)))
    told.when(Assign(at=FRIDAY, by=MANAGER_1, team="T")).then_refused(ConcernsThem)
    told.when(
        Transfer(at=FRIDAY, by=MANAGER_1, to="T", kind=HandlerKind.PARTNER, reason="theirs")
    ).then_refused(ConcernsThem)


def test_about_an_agent_alone_bars_the_agents_team() -> None:
    about = profile(about=StaffRef(agent="5001"))
    told = routed(about)
    assert told.one(WorkRouted).queue == "manager"
    told = went(told.when(Accept(at=NOON, by=MANAGER_1)))
    told.when(Assign(at=NOON, by=MANAGER_1, team="mobile-care")).then_refused(ConcernsThem)
    told.when(Assign(at=NOON, by=MANAGER_1, team="mobile-care", agent="5002")).then_refused(
        ConcernsThem
    )


def test_a_seat_in_the_team_complained_of_bars_from_every_other_team() -> None:
    teams = changed_team(
        "centre-managers",
        seats=[{"agent": "8003", "manager": True}, {"agent": "7002", "manager": True}],
    )
    known = policies(teams=teams)
    told = routed(profile(about=StaffRef(team="desk-10010")), known)
    by = Staff(agent="8003", team="centre-managers")
    told.when(Accept(at=NOON, by=by)).then_refused(ConcernsThem)
    went(told.when(Accept(at=NOON, by=MANAGER_2)))


def test_about_the_managers_it_goes_above_them() -> None:
    told = routed(profile(about=StaffRef(team="centre-managers")))
    event = told.one(WorkRouted)
    assert event.queue == "manager-hq"
    assert told.one(WorkAssigned).team == "hq-managers"
    told.when(Accept(at=NOON, by=MANAGER_1)).then_refused(ConcernsThem)


def test_the_front_desk_complained_of_is_no_fallback_either() -> None:
    about = profile(Category.UNCLASSIFIED, about=StaffRef(team="desk-10010"))
    told = routed(about)
    for step in everyone_ignores(told):
        assert step.state.team != "desk-10010"
        told = step
    told.when(Take(at=told.now, by=FRONT_DESK)).then_refused(ConcernsThem)


def answered(told: Story, by: Staff) -> Story:
    return went(
        told.when(
            Answer(
                at=told.now,
                by=by,
                explanation=SEALED,
                decision=Decision.PARTLY,
                told_by=Medium.CALL,
            )
        )
    )


def test_cycle_2_goes_to_a_different_person_and_the_owner_stays() -> None:
    """SCENARIOS S6: "cycle 2 ... with the centre manager, a different person"; EVENTS 12: "same
    owner of record"."""
    told = answered(went(s6().when(Accept(at=FRIDAY, by=MANAGER_1))), MANAGER_1)
    told = told.when(reopened(COMPLAINT, ReopenRoute.TIER1, at=t("2025-10-18 20:30")))
    told.then_types(WorkRouted, WorkAssigned)
    assert told.one(WorkRouted).cycle == 2
    assert told.one(WorkAssigned).team == "centre-managers"
    told.when(Accept(at=told.now, by=MANAGER_1)).then_refused(SamePerson)
    told = told.when(Accept(at=told.now, by=MANAGER_2))
    event = told.one(WorkAccepted)
    assert event.owner == StaffRef(team="centre-managers", agent="7001")
    assert not event.owner_named
    told = answered(told, MANAGER_2)
    assert told.one(WorkAnswered).cycle == 2


def test_managers_who_all_had_it_are_passed_over_for_those_above() -> None:
    teams = changed_team("centre-managers", seats=[{"agent": "7001", "manager": True}])
    told = story(policies(teams=teams)).when(verified(COMPLAINT, at=FRIDAY))
    told = answered(went(told.when(Accept(at=FRIDAY, by=MANAGER_1))), MANAGER_1)
    told = told.when(reopened(COMPLAINT, ReopenRoute.TIER1, at=t("2025-10-18 20:30")))
    assert told.one(WorkAssigned).team == "hq-managers"
    reasons = {one.candidate: one.why_not for one in told.one(WorkRouted).considered}
    assert reasons["centre-managers"] == "same_person"
