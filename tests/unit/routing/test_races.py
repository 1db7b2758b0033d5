"""EVENTS, Races: those decided within routing, each in both orders."""

from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

from contracts.routing import (
    EndReason,
    ReportedCause,
    ReturnReason,
    RouteCause,
    WaitingFor,
    WorkAnswered,
    WorkAssigned,
    WorkEnded,
    WorkReturned,
    WorkRouted,
)
from contracts.values import Category, Decision, Medium, ReopenRoute
from libs.decider import Command
from libs.decider.story import Story
from services.routing.domain.commands import (
    Accept,
    Answer,
    EndWork,
    Instruct,
    Reclassify,
    Refuse,
    Reopen,
    ReportBack,
    Resume,
    Route,
    Suspend,
    TakeReply,
    Urge,
)
from services.routing.domain.handling import NotSuspended
from services.routing.domain.staffing import AnsweredAlready, NotAsked, WorkOver
from services.routing.domain.work import WorkTimerFired
from tests.unit.routing.desks import (
    BILLING_1,
    BILLING_2,
    MANAGER_1,
    MOBILE_1,
    NOON,
    SEALED,
    accepted,
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

BILLING = profile(Category.BILLING)
ONE_TEAM = policies(teams=changed_team("billing-second", available=False))
EVENING = t("2025-10-09 20:00")


def end(reason: EndReason, cycle: int = 1) -> EndWork:
    return EndWork(at=NOON, cycle=cycle, reason=reason)


def answer(told: Story, by: Any = MOBILE_1) -> Story:
    return told.when(
        Answer(
            at=told.now,
            by=by,
            explanation=SEALED,
            decision=Decision.UPHELD,
            told_by=Medium.MESSAGE,
        )
    )


# -- 11: assignment time-out against acceptance ---------------------------------------------------


def test_11_acceptance_first_then_the_time_out_does_nothing() -> None:
    told = routed(BILLING, ONE_TEAM)
    due = told.timers["accept"]
    told = went(told.when(Accept(at=due, by=BILLING_1)))
    told.when(WorkTimerFired(timer="accept", at=due)).then_nothing()
    assert told.state.agent == "5301"


def test_11_time_out_first_then_the_acceptance_is_refused() -> None:
    told = routed(BILLING, ONE_TEAM).fire("accept")
    told.then_types(WorkReturned, WorkRouted, WorkAssigned)
    told.when(Accept(at=told.now, by=BILLING_1)).then_refused(NotAsked)
    assert NotAsked.status == 409


def test_11_two_who_accept_at_once_are_one() -> None:
    told = went(routed(BILLING, ONE_TEAM).when(Accept(at=NOON, by=BILLING_1)))
    second = told.when(Accept(at=NOON, by=BILLING_2))
    assert second.refusal is not None
    assert second.state.owner.agent == "5301"


def test_11_refusal_and_time_out_return_it_once() -> None:
    told = routed(BILLING, ONE_TEAM)
    due = told.timers["accept"]
    refused = went(told.when(Refuse(at=t("2025-10-09 12:01"), by=BILLING_1)))
    assert refused.one(WorkReturned).reason is ReturnReason.REFUSED
    refused.when(WorkTimerFired(timer="accept", at=due)).then_nothing()
    told.fire("accept").when(Refuse(at=due, by=BILLING_1)).then_refused(NotAsked)


# -- 9: an event of an older cycle starts no work -------------------------------------------------


def test_9_closed_then_reopened_and_the_other_way_round_end_alike() -> None:
    done = went(answer(accepted()))
    again = reopened(profile(), ReopenRoute.TIER1, at=EVENING)
    in_order = done.when(end(EndReason.CLOSED)).when(again)
    swapped = done.when(again).when(end(EndReason.CLOSED))
    swapped.then_nothing()
    # The steps on record differ: that the work ended came too late to be one.
    assert replace(in_order.state, steps=()) == replace(swapped.state, steps=())
    assert in_order.state.cycle == 2
    assert in_order.state.phase == "assigned"


def test_9_nothing_of_an_older_cycle_starts_work() -> None:
    told = went(answer(accepted())).when(reopened(profile(), ReopenRoute.REWORK, at=EVENING))
    older: list[Command] = [
        Route(at=NOON, cycle=1, cause=RouteCause.VERIFIED, profile=profile(), clock_from=NOON),
        Reopen(at=NOON, cycle=1, profile=profile(), clock_from=NOON, route=ReopenRoute.TIER1),
        Reclassify(at=NOON, cycle=1, profile=BILLING),
        Urge(at=NOON, cycle=1, urges=3),
        TakeReply(at=NOON, cycle=1, contact=UUID(int=1)),
        Instruct(at=NOON, cycle=1, case=1, instruction=1, team="billing-care"),
        end(EndReason.CLOSED),
        end(EndReason.WITHDRAWN),
        end(EndReason.MERGED),
    ]
    for command in older:
        told.when(command).then_nothing()


def test_9_the_reopening_told_twice_opens_one_cycle() -> None:
    again = reopened(profile(), ReopenRoute.TIER1, at=EVENING)
    told = went(answer(accepted())).when(again)
    told.when(again).then_nothing()


# -- 3: work.ended is never a closing -------------------------------------------------------------


def test_3_work_ends_once_whoever_says_so_first() -> None:
    """A withdrawal closes in the same decision: both events are heard, in this order or alone."""
    told = accepted().when(end(EndReason.WITHDRAWN))
    told.then(WorkEnded(cycle=1, reason=EndReason.WITHDRAWN))
    told.when(end(EndReason.CLOSED)).then_nothing()
    assert told.timers == {}


def test_3_routing_has_no_event_that_closes() -> None:
    from services.routing.domain import WORK

    assert all(event.type.startswith("work.") for event in WORK.events)


# -- 1: withdrawn against the answer --------------------------------------------------------------


def test_1_withdrawn_before_the_answer_and_after_it_ends_the_work() -> None:
    first = accepted().when(end(EndReason.WITHDRAWN))
    answer(first).then_refused(WorkOver)
    after = went(answer(accepted())).when(end(EndReason.WITHDRAWN))
    after.then_types(WorkEnded)
    assert (first.state.phase, after.state.phase) == ("ended", "ended")


# -- 2: an instruction against the closing --------------------------------------------------------


def test_2_an_instruction_re_opens_what_was_answered_or_ended() -> None:
    """EVENTS 45: "re-assign or re-open the work"."""
    told = Instruct(at=EVENING, cycle=1, case=1, instruction=1, team="billing-care")
    for before in (accepted(), went(answer(accepted())), accepted().when(end(EndReason.WITHDRAWN))):
        after = before.when(told)
        after.then_types(WorkRouted, WorkAssigned)
        assert after.one(WorkRouted).cause is RouteCause.INSTRUCTED
        assert after.one(WorkAssigned).team == "billing-care"
        assert after.state.owner.agent == "5001", "the owner stays"


def test_2_what_was_merged_is_not_re_opened_by_an_instruction() -> None:
    accepted().when(end(EndReason.MERGED)).when(
        Instruct(at=EVENING, cycle=1, case=1, instruction=1, team="billing-care")
    ).then_nothing()


def test_an_instruction_to_the_team_that_has_it_takes_it_from_nobody() -> None:
    told = accepted().when(Instruct(at=NOON, cycle=1, case=1, instruction=1, team="mobile-care"))
    told.then_types(WorkRouted)
    assert told.state.agent == "5001"


def test_an_instruction_to_a_team_nobody_knows_ends_up_with_somebody() -> None:
    told = accepted().when(Instruct(at=NOON, cycle=1, case=1, instruction=1, team="no-such-team"))
    reasons = {one.candidate: one.why_not for one in told.one(WorkRouted).considered}
    assert reasons["no-such-team"] == "unknown_team"
    assert told.state.team is not None


# -- 4: answered while reclassified is in flight --------------------------------------------------


def test_4_answered_then_reclassified_starts_no_work() -> None:
    told = went(answer(accepted()))
    told.when(Reclassify(at=NOON, cycle=1, profile=BILLING)).then_nothing()


def test_4_reclassified_then_answered_by_the_owners_desk() -> None:
    told = accepted().when(Reclassify(at=NOON, cycle=1, profile=BILLING))
    assert told.state.queue == "billing"
    answer(told).then_types(WorkAnswered)
    answer(went(answer(told))).then_refused(AnsweredAlready)


# -- 7: urges and unlinking -----------------------------------------------------------------------


def test_7_urged_and_unlinked_in_any_order_leave_the_urges_that_stand() -> None:
    def urged(told: Story, *urges: int) -> Story:
        for number in urges:
            told = told.when(Urge(at=NOON, cycle=1, urges=number))
        return told

    up_and_down = urged(accepted(), 1, 2, 3, 2)
    straight = urged(accepted(), 2)
    assert up_and_down.state.priority == straight.state.priority == 200
    assert up_and_down.state.urges == straight.state.urges == 2


# -- a reply against the end of the wait ----------------------------------------------------------


def waiting() -> Story:
    return went(
        accepted().when(
            Suspend(
                at=NOON,
                by=MOBILE_1,
                waiting_for=WaitingFor.CUSTOMER,
                reason="bill_needed",
                until=t("2025-10-09 18:00"),
            )
        )
    )


def test_reply_timer_and_agent_end_a_wait_once_whichever_comes_first() -> None:
    reply = TakeReply(at=t("2025-10-09 18:00"), cycle=1, contact=UUID(int=1))
    timer = WorkTimerFired(timer="suspend", at=t("2025-10-09 18:00"))
    went(waiting().when(reply)).when(timer).then_nothing()
    went(waiting().when(timer)).when(reply).then_nothing()
    resumed = went(waiting().when(Resume(at=NOON, by=MOBILE_1)))
    resumed.when(reply).then_nothing()
    resumed.when(timer).then_nothing()
    went(waiting().when(reply)).when(Resume(at=NOON, by=MOBILE_1)).then_refused(NotSuspended)


# -- merged and unmerged --------------------------------------------------------------------------


def test_unmerged_it_is_routed_again_and_its_owner_stays() -> None:
    told = accepted().when(end(EndReason.MERGED))
    back = Route(at=EVENING, cycle=1, cause=RouteCause.UNMERGED, profile=profile(), clock_from=NOON)
    told = told.when(back)
    told.then_types(WorkRouted, WorkAssigned)
    assert told.state.owner.agent == "5001"
    told.when(back).then_nothing()


def test_8_what_was_answered_is_not_merged_away_here_for_intake_undoes_that_merge() -> None:
    told = answer(accepted())
    told.when(end(EndReason.MERGED)).then_nothing()
    back = Route(at=EVENING, cycle=1, cause=RouteCause.UNMERGED, profile=profile(), clock_from=NOON)
    told.when(end(EndReason.MERGED)).when(back).then_nothing()
    assert told.when(end(EndReason.CLOSED)).one(WorkEnded).reason is EndReason.CLOSED


def test_unmerged_before_it_was_ever_routed_it_is_routed_now() -> None:
    told = story().when(
        Route(at=NOON, cycle=1, cause=RouteCause.UNMERGED, profile=profile(), clock_from=NOON)
    )
    told.then_types(WorkRouted, WorkAssigned)
    told.when(verified(profile())).then_nothing()


def test_what_is_not_on_record_here_changes_nothing() -> None:
    for command in (
        Urge(at=NOON, cycle=1, urges=1),
        Reclassify(at=NOON, cycle=1, profile=BILLING),
        TakeReply(at=NOON, cycle=1, contact=UUID(int=1)),
        Instruct(at=NOON, cycle=1, case=1, instruction=1, team="billing-care"),
        end(EndReason.CLOSED),
        WorkTimerFired(timer="accept", at=NOON),
    ):
        story().when(command).then_nothing()


def test_a_rejected_complaint_that_is_reopened_is_routed_for_the_first_time() -> None:
    told = story().when(reopened(profile(), ReopenRoute.ESCALATE, at=EVENING))
    told.then_types(WorkRouted, WorkAssigned)
    assert told.one(WorkRouted).rule == "escalated"
    assert told.one(WorkAssigned).team == "centre-managers"
    went(told.when(Accept(at=EVENING, by=MANAGER_1)))


# -- replay ---------------------------------------------------------------------------------------


def test_replaying_a_stream_folds_to_the_same_state() -> None:
    told = routed(BILLING).fire("accept")
    told = went(told.when(Urge(at=told.now, cycle=1, urges=1)))
    told = told.after(timedelta(hours=1))
    told = told.when(reopened(BILLING, ReopenRoute.TIER1, at=told.now))
    fresh = replace(told, state=None, past=())
    state: Any = None
    for recorded in told.past:
        state = fresh.decider.evolve(state, recorded)
    assert state == told.state


def test_an_instruction_that_was_carried_out_is_not_given_again() -> None:
    told = Instruct(at=NOON, cycle=1, case=1, instruction=1, team="billing-care")
    work = accepted().when(told)
    work = went(work.when(Accept(at=NOON, by=BILLING_1)))
    work = went(
        work.when(
            ReportBack(
                at=NOON,
                by=BILLING_1,
                opinion=SEALED,
                cause=ReportedCause.OWN,
                case=1,
                instruction=1,
            )
        )
    )
    work.when(told).then_nothing()
    work.when(told.model_copy(update={"instruction": 2})).then_types(WorkRouted, WorkAssigned)
