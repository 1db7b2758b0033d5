"""Assigned, accepted, refused, ignored: who has the work (DOMAIN rules 1 and 6; EVENTS 13-16)."""

from datetime import timedelta

import pytest

from contracts.routing import (
    ReturnReason,
    RouteCause,
    WorkAccepted,
    WorkAnswered,
    WorkAssigned,
    WorkReturned,
    WorkRouted,
)
from contracts.values import Category, Decision, Medium, StaffRef
from libs.decider import DomainError
from services.routing.domain.commands import Accept, Answer, Assign, Refuse, Staff, Take
from services.routing.domain.queueing import NobodyFree, NoSuchTeam
from services.routing.domain.staffing import (
    AnsweredAlready,
    ManagersOnly,
    NoSuchWork,
    NotASeat,
    NotAsked,
    NotTheirQueue,
    NotTheirs,
    TakenAlready,
    WhichTeam,
)
from services.routing.domain.work import WorkTimerFired
from tests.unit.routing.desks import (
    BILLING_1,
    BILLING_2,
    BILLING_SECOND,
    FRONT_DESK,
    MANAGER_1,
    MOBILE_1,
    NOON,
    OFFICER,
    SEALED,
    accepted,
    everyone_ignores,
    kept,
    policies,
    profile,
    routed,
    story,
    t,
    verified,
    went,
)
from tests.unit.routing.test_decision_table import changed_team

BILLING = profile(Category.BILLING)
ONE_TEAM = policies(teams=changed_team("billing-second", available=False))
"""Only billing-care can be asked."""


def test_the_first_to_accept_becomes_the_owner_of_record() -> None:
    """DOMAIN rule 1: "the first agent or team that accepts ... stays its owner of record"."""
    told = routed(BILLING, ONE_TEAM).when(Accept(at=NOON, by=BILLING_1))
    told.then(
        WorkAccepted(
            cycle=1,
            team="billing-care",
            agent="5301",
            owner=StaffRef(team="billing-care", agent="5301"),
            owner_named=True,
        )
    )


def test_accepting_twice_is_accepting_once() -> None:
    told = routed(BILLING, ONE_TEAM).when(Accept(at=NOON, by=BILLING_1))
    told.when(Accept(at=NOON, by=BILLING_1)).then_nothing()
    told.when(Take(at=NOON, by=BILLING_1)).then_nothing()


def test_accepting_stops_the_time_out() -> None:
    told = routed(BILLING, ONE_TEAM)
    assert told.timers == {"accept": t("2025-10-09 12:30")}
    assert told.when(Accept(at=NOON, by=BILLING_1)).timers == {}


def test_a_refused_assignment_goes_to_the_next_in_the_same_decision() -> None:
    told = routed(BILLING)
    asked = told.state.team
    by = BILLING_1 if asked == "billing-care" else BILLING_SECOND
    other = "billing-second" if asked == "billing-care" else "billing-care"
    told = told.when(Refuse(at=NOON, by=by, note=SEALED))
    told.then_types(WorkReturned, WorkRouted, WorkAssigned)
    back = told.one(WorkReturned)
    assert (back.reason, back.note, back.queue) == (ReturnReason.REFUSED, SEALED, "billing")
    assert back.returned_by == StaffRef(team=asked)
    assert told.one(WorkRouted).cause is RouteCause.RETURNED
    assert {one.candidate: one.why_not for one in told.one(WorkRouted).considered} == {
        other: None,
        asked: "refused",
    }
    assert told.one(WorkAssigned).team == other


def test_an_ignored_assignment_returns_after_30_minutes() -> None:
    """DOMAIN rule 6: "Refused or ignored assignments return ... after a time (`CFG` 30 min)"."""
    told = routed(BILLING, ONE_TEAM).fire("accept")
    back = told.one(WorkReturned)
    assert back.reason is ReturnReason.IGNORED
    assert told.now == t("2025-10-09 12:30")


def test_assignment_ignored_for_ever() -> None:
    """DOMAIN, pain points: whatever everybody ignores, each is asked once, then others behind them;
    it never rests unseen with one who does not look, and it presses more each time."""
    told = routed(BILLING)
    steps = [told, *everyone_ignores(told)]
    told = steps[-1]
    asked = [step.state.team for step in steps]
    priorities = [step.state.priority for step in steps]
    assert sorted(asked[:2]) == ["billing-care", "billing-second"]
    assert asked[2:] == ["desk-10010", None]
    assert priorities == [100, 125, 150, 175]
    assert told.state.phase == "queued"
    assert told.state.queue == "front-desk"
    assert told.now == NOON + timedelta(minutes=90)
    [row] = kept(told.rows)
    assert dict(row.values)["passed_on"] == 3
    went(told.when(Take(at=told.now, by=FRONT_DESK)))


def test_a_time_out_that_fires_again_does_nothing() -> None:
    told = routed(BILLING, ONE_TEAM)
    due = told.timers["accept"]
    once = told.fire("accept")
    once.when(WorkTimerFired(timer="accept", at=due)).then_nothing()


@pytest.mark.parametrize(
    ("by", "error"),
    [
        (BILLING_SECOND, NotAsked),
        (MOBILE_1, NotAsked),
        (Staff(agent="5301", team="billing-second"), NotASeat),
        (Staff(agent="nobody", team="billing-care"), NotASeat),
        (Staff(agent="5301", team="no-such-team"), NotASeat),
        (Staff(agent="nobody"), WhichTeam),
    ],
)
def test_only_a_seat_of_the_team_that_was_asked_may_accept(
    by: Staff, error: type[DomainError]
) -> None:
    routed(BILLING, ONE_TEAM).when(Accept(at=NOON, by=by)).then_refused(error)


def test_an_agent_with_one_seat_need_not_name_the_team() -> None:
    told = routed(BILLING, ONE_TEAM).when(Accept(at=NOON, by=Staff(agent="5302")))
    assert told.one(WorkAccepted).team == "billing-care"


def test_an_agent_takes_what_waits_in_the_queue() -> None:
    told = routed(BILLING, ONE_TEAM).fire("accept").fire("accept")
    assert told.state.phase == "queued"
    assert told.state.queue == "front-desk"
    told.when(Take(at=told.now, by=MOBILE_1)).then_refused(NotTheirQueue)
    late = told.when(Take(at=told.now, by=BILLING_1))
    assert late.one(WorkAccepted).owner == StaffRef(team="billing-care", agent="5301")
    taken = told.when(Take(at=told.now, by=FRONT_DESK))
    assert taken.one(WorkAccepted).owner == StaffRef(team="desk-10010", agent="8003")


def test_nobody_takes_what_another_has() -> None:
    told = accepted(BILLING_1, BILLING, known=ONE_TEAM)
    told.when(Take(at=NOON, by=BILLING_2)).then_refused(TakenAlready)
    told.when(Accept(at=NOON, by=BILLING_2)).then_refused(TakenAlready)
    told.when(Refuse(at=NOON, by=BILLING_1)).then_refused(NotAsked)


def test_a_seat_of_the_team_that_was_asked_may_take_it_as_well() -> None:
    went(routed(BILLING, ONE_TEAM).when(Take(at=NOON, by=BILLING_2)))
    routed(BILLING, ONE_TEAM).when(Take(at=NOON, by=BILLING_SECOND)).then_refused(TakenAlready)


def test_a_manager_assigns_to_the_least_loaded_seat() -> None:
    """DOMAIN rule 6: by "load and skill"; the loads come with the command."""
    told = routed(BILLING, ONE_TEAM).when(
        Assign(at=NOON, by=MANAGER_1, team="billing-care", loads={"5301": 7, "5302": 3, "5303": 4})
    )
    told.then_types(WorkRouted, WorkAssigned)
    assert told.one(WorkAssigned).agent == "5302"
    assert [(one.candidate, one.load, one.why_not) for one in told.one(WorkRouted).considered] == [
        ("5302", 3, None),
        ("5303", 4, "more_loaded"),
        ("5301", 7, "more_loaded"),
    ]


def test_a_full_seat_is_not_asked() -> None:
    full = {"5301": 40, "5302": 41, "5303": 39}
    told = routed(BILLING, ONE_TEAM).when(
        Assign(at=NOON, by=MANAGER_1, team="billing-care", loads=full)
    )
    assert told.one(WorkAssigned).agent == "5303"
    all_full = {"5301": 40, "5302": 40, "5303": 40}
    routed(BILLING, ONE_TEAM).when(
        Assign(at=NOON, by=MANAGER_1, team="billing-care", loads=all_full)
    ).then_refused(NobodyFree)


def test_a_person_who_ignores_it_is_passed_over_the_team_is_not() -> None:
    told = routed(BILLING, ONE_TEAM).when(
        Assign(at=NOON, by=MANAGER_1, team="billing-care", agent="5302")
    )
    told = told.fire("accept")
    assert told.one(WorkReturned).returned_by == StaffRef(team="billing-care", agent="5302")
    assert told.one(WorkAssigned).team == "billing-care"
    told.when(Accept(at=told.now, by=BILLING_1)).then_types(WorkAccepted)


def test_the_one_who_was_asked_by_name_accepts_nobody_else() -> None:
    told = routed(BILLING, ONE_TEAM).when(
        Assign(at=NOON, by=MANAGER_1, team="billing-care", agent="5302")
    )
    told.when(Accept(at=NOON, by=BILLING_1)).then_refused(NotAsked)
    told.when(Accept(at=NOON, by=BILLING_2)).then_types(WorkAccepted)


def test_who_neither_has_it_nor_steers_assigns_nothing() -> None:
    told = routed(BILLING, ONE_TEAM)
    told.when(Assign(at=NOON, by=MOBILE_1, team="mobile-care")).then_refused(NotTheirs)
    told.when(Assign(at=NOON, by=OFFICER, team="no-such-team")).then_refused(NoSuchTeam)
    told.when(Assign(at=NOON, by=OFFICER, team="billing-care", agent="5001")).then_refused(NotASeat)


def test_a_handler_hands_it_to_a_colleague_and_the_owner_stays() -> None:
    told = accepted(BILLING_1, BILLING, known=ONE_TEAM)
    told = told.when(Assign(at=NOON, by=BILLING_1, team="billing-care", agent="5302"))
    told = told.when(Accept(at=NOON, by=BILLING_2))
    event = told.one(WorkAccepted)
    assert event.owner == StaffRef(team="billing-care", agent="5301")
    assert not event.owner_named


def test_assigning_to_the_one_who_has_it_does_nothing() -> None:
    told = accepted(BILLING_1, BILLING, known=ONE_TEAM)
    told.when(Assign(at=NOON, by=MANAGER_1, team="billing-care", agent="5301")).then_nothing()


def test_only_managers_take_from_the_managers_queue() -> None:
    about = profile(Category.SERVICE_ATTITUDE)
    teams = changed_team("centre-managers", seats=[{"agent": "7001"}, {"agent": "7002"}])
    told = routed(about, policies(teams=teams))
    told.when(Accept(at=NOON, by=MANAGER_1)).then_refused(ManagersOnly)


def test_there_is_no_work_before_verification_and_none_after_the_answer() -> None:
    story().when(Accept(at=NOON, by=MOBILE_1)).then_refused(NoSuchWork)
    told = accepted(BILLING_1, BILLING, known=ONE_TEAM).when(
        Answer(
            at=NOON,
            by=BILLING_1,
            explanation=SEALED,
            decision=Decision.UPHELD,
            told_by=Medium.MESSAGE,
        )
    )
    told.then_types(WorkAnswered)
    told.when(Take(at=NOON, by=BILLING_2)).then_refused(AnsweredAlready)


def test_being_verified_twice_routes_once() -> None:
    routed(BILLING).when(verified(BILLING)).then_nothing()


# -- first-question responsibility ----------------------------------------------------------------


def test_who_took_the_words_in_person_owns_them() -> None:
    """SCENARIOS S4, variant: told "in a Kashgar hall ...: owner of record = the hall's team"."""
    told = accepted(MOBILE_1, profile(taken_by=StaffRef(team="hall-kashgar")))
    assert told.one(WorkAccepted).owner == StaffRef(team="hall-kashgar")
    assert told.one(WorkAccepted).owner_named


def test_the_taker_of_a_call_is_owner_with_their_team() -> None:
    told = accepted(MOBILE_1, profile(taken_by=StaffRef(agent="8003")))
    assert told.one(WorkAccepted).owner == StaffRef(team="desk-10010", agent="8003")


# -- the end of the day ---------------------------------------------------------------------------


def test_what_is_not_solved_by_the_end_of_the_day_is_handed_over() -> None:
    """DOMAIN rule 6: "What is not solved by the end of the day is handed over"."""
    teams = changed_team("billing-care", calendar="office")
    known = policies(teams=teams)
    told = accepted(BILLING_1, BILLING, known=known)
    assert told.timers == {"hand_over": t("2025-10-09 17:30")}
    told = told.fire("hand_over")
    told.then_types(WorkReturned, WorkRouted, WorkAssigned)
    assert told.one(WorkReturned).reason is ReturnReason.END_OF_DAY
    assert told.one(WorkReturned).returned_by == StaffRef(team="billing-care", agent="5301")
    assert told.one(WorkAssigned).team == "billing-second"
    assert told.state.owner == StaffRef(team="billing-care", agent="5301")
    assert told.state.priority == 100, "handing over is no ignoring"


def test_a_team_that_never_closes_hands_nothing_over() -> None:
    assert accepted(BILLING_1, BILLING, known=ONE_TEAM).timers == {}


def test_handed_over_with_nobody_on_duty_it_waits_in_its_queue() -> None:
    teams = changed_team("billing-care", calendar="office")
    for team in teams["content"]["teams"]:
        if team["team"] == "billing-second":
            team["available"] = False
    told = accepted(BILLING_1, BILLING, known=policies(teams=teams)).fire("hand_over")
    told.then_types(WorkReturned, WorkRouted)
    assert told.state.queue == "billing"
    went(told.when(Take(at=t("2025-10-10 08:30"), by=BILLING_2)))
