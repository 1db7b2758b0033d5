"""Follow-up visits to important customers (DOMAIN rule 11; 004 客户回访)."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from contracts.feedback_survey import (
    CallAttempted,
    CallCalledOff,
    CallPlanned,
    CallReason,
    CallTaken,
    ContactingStopped,
    VisitRecorded,
)
from contracts.housekeeping import ErasureMode, PersonErased
from contracts.intake import Outcome
from contracts.values import Correspondent, StaffRef, ValueTier
from libs.decider.story import SUBJECT, Story
from services.feedback_survey.domain.commands import RecordCall, TakeCall
from services.feedback_survey.domain.reaching import CallOver, NothingAsked, NotYet
from tests.unit.feedback_survey.heard import (
    answered,
    at,
    clocks_started,
    closed,
    correspondent,
    event_id,
    hear,
    nothing,
    reopened,
    reply,
    seed,
)

VIP = correspondent(tier=ValueTier.IMPORTANT)
CLOSED = at("2025-10-20 15:20")
VISIT = at("2025-10-27 15:20")
ANNA = StaffRef(team="vip-seats", agent="1701")


def closing(
    to: Correspondent = VIP, outcome: Outcome = Outcome.SATISFIED, **changed: object
) -> Story:
    """Registered, answered, asked, satisfied by message: then closed on Mon 2025-10-20 15:20."""
    story = hear(nothing(**changed), clocks_started(to), at("2025-10-17 17:00"))
    story = hear(story, answered(to=to), at("2025-10-20 15:00"))
    story = hear(story, reply("r", 9), CLOSED)
    return hear(story, closed(outcome), CLOSED)


def visits_by(**changed: object) -> dict[str, object]:
    return {"visits": {**seed("feedback")["content"]["visits"], **changed}}


def planned(story: Story) -> CallPlanned:
    call: CallPlanned = story.one(CallPlanned)
    return call


def visits(story: Story, call: CallPlanned, *, reached: bool = True, **said: Any) -> Story:
    command = RecordCall(at=story.now, call=call.call, by=ANNA, reached=reached, **said)
    return story.when(command)


def row(story: Story) -> dict[str, Any]:
    (found,) = [dict(one.values) for one in story.rows if one.table == "feedback_visit"]
    return found


# --- "Follow-up visits to important customers (004)": planned by policy --------------------------


def test_an_important_customer_is_followed_up_on_seven_days_after_the_closing() -> None:
    story = closing().then_types(CallPlanned)
    call = planned(story)
    assert (call.reason, call.notice, call.cycle) == (CallReason.VISIT, None, 1)
    assert (call.not_before, call.remind_at) == (VISIT, at("2025-11-03 15:20"))
    assert (row(story)["state"], row(story)["visited_at"]) == ("waiting", None)


@pytest.mark.parametrize("tier", [ValueTier.ORDINARY, ValueTier.POTENTIAL, ValueTier.LAPSED])
def test_others_are_not(tier: ValueTier) -> None:
    closing(correspondent(tier=tier)).then_nothing()


@pytest.mark.parametrize("outcome", list(Outcome))
def test_only_after_a_loop_that_was_really_closed(outcome: Outcome) -> None:
    """Not after a withdrawal or a rejection, and never for history: "no message to anyone"."""
    followed = outcome in (Outcome.SATISFIED, Outcome.NO_ANSWER, Outcome.UNREACHABLE)
    assert len(closing(outcome=outcome).happened) == (1 if followed else 0)


def test_nobody_is_visited_who_cannot_be_reached() -> None:
    to = correspondent(tier=ValueTier.IMPORTANT, address=False)
    closing(to).then_nothing()
    hear(nothing(), closed(Outcome.SATISFIED), CLOSED).then_nothing()


def test_an_operator_sets_whom_when_and_after_what() -> None:
    ordinary = visits_by(value_tiers=["ordinary"], after_days=30, within_days=3)
    call = planned(closing(correspondent(), **ordinary))
    assert (call.not_before, call.remind_at) == (
        at("2025-11-19 15:20"),
        at("2025-11-22 15:20"),
    )
    closing(**ordinary).then_nothing()
    closing(outcome=Outcome.NO_ANSWER, **visits_by(outcomes=["satisfied"])).then_nothing()


def test_a_visit_due_at_night_waits_until_nine_and_none_is_made_before_its_day() -> None:
    story = hear(nothing(), clocks_started(VIP), at("2025-10-17 17:00"))
    story = hear(story, closed(Outcome.SATISFIED), at("2025-10-20 22:30"))
    call = planned(story)
    assert call.not_before == at("2025-10-28 09:00")
    take = TakeCall(at=at("2025-10-28 08:59:59.999999"), call=call.call, by=ANNA)
    story.when(take).then_refused(NotYet)
    story.when(take.model_copy(update={"at": at("2025-10-28 09:00")})).then_types(CallTaken)


# --- recorded, with its result -------------------------------------------------------------------


def test_a_visit_is_recorded_with_what_the_customer_said() -> None:
    story = closing()
    call = planned(story)
    story = visits(replace(story, now=VISIT), call, score=8, resolved=True, words="v1.sealed.w")
    story.then_types(CallAttempted, VisitRecorded)
    said = story.one(VisitRecorded)
    assert (said.call, said.score, said.resolved, said.satisfied, said.words) == (
        call.call,
        8,
        True,
        True,
        "v1.sealed.w",
    )
    shown = row(story)
    assert (shown["state"], shown["score"], shown["agent"], shown["month"]) == (
        "reached",
        8,
        "1701",
        "2025-10",
    )
    visits(story, call, score=2).then_refused(CallOver)


def test_what_was_not_said_is_not_guessed() -> None:
    story = closing()
    story = visits(replace(story, now=VISIT), planned(story))
    assert story.one(VisitRecorded).satisfied is None


@pytest.mark.parametrize(
    ("said", "satisfied"),
    [({"score": 5}, False), ({"score": 6}, True), ({"resolved": False, "score": 9}, False)],
)
def test_a_visit_weighs_satisfaction_as_a_survey_does(said: Any, satisfied: bool) -> None:
    story = closing()
    story = visits(replace(story, now=VISIT), planned(story), **said)
    assert story.one(VisitRecorded).satisfied is satisfied


def test_each_attempt_at_a_visit_is_on_record_and_three_are_enough() -> None:
    story = closing()
    call = planned(story)
    for when in ("2025-10-27 15:20", "2025-10-27 19:20", "2025-10-28 09:00"):
        story = visits(replace(story, now=at(when)), call, reached=False)
        story.then_types(CallAttempted)
    assert story.one(CallAttempted).again_at is None
    assert row(story)["state"] == "not_reached"
    assert row(story)["attempts"] == 3


def test_nothing_is_said_by_a_customer_who_was_not_reached() -> None:
    story = closing()
    visits(replace(story, now=VISIT), planned(story), reached=False, score=9).then_refused(
        NothingAsked
    )


# --- never two for one complaint -----------------------------------------------------------------


def test_closed_told_twice_is_one_visit() -> None:
    story = closing()
    hear(story, closed(Outcome.SATISFIED), CLOSED).then_nothing()


def test_never_two_visits_for_one_complaint() -> None:
    story = closing()
    story = visits(replace(story, now=VISIT), planned(story), score=2)
    story = hear(story, reopened(2), VISIT).then_nothing()
    story = hear(story, answered(cycle=2, to=VIP), VISIT + timedelta(hours=1))
    hear(story, closed(Outcome.SATISFIED, 2), VISIT + timedelta(hours=2)).then_nothing()


def test_a_visit_nobody_made_before_the_reopening_is_called_off_and_planned_anew() -> None:
    story = closing()
    call = planned(story)
    story = hear(story, reopened(2), at("2025-10-22 10:00")).then_types(CallCalledOff)
    assert (story.one(CallCalledOff).call, story.one(CallCalledOff).reason) == (
        call.call,
        "reopened",
    )
    visits(replace(story, now=VISIT), call, score=9).then_refused(CallOver)
    story = hear(story, answered(cycle=2, to=VIP), at("2025-10-23 10:00"))
    story = hear(story, closed(Outcome.SATISFIED, 2), at("2025-10-24 10:00"))
    again = planned(story)
    assert (again.cycle, again.not_before) == (2, at("2025-10-31 10:00"))
    assert again.call != call.call


def test_nobody_visits_who_asked_to_be_forgotten() -> None:
    erased = PersonErased(mode=ErasureMode.LOCKED, basis="asked", complaints=(event_id("x"),))
    erased = erased.model_copy(update={"complaints": (SUBJECT,)})
    story = hear(closing(), erased, VISIT).then_types(ContactingStopped)
    assert row(story)["state"] == "off"
    early = hear(nothing(), clocks_started(VIP), at("2025-10-17 17:00"))
    early = hear(early, erased, at("2025-10-18 17:00"))
    hear(early, closed(Outcome.UNREACHABLE), CLOSED).then_nothing()
