"""A legal hold stops every deletion until it is lifted, or its own date comes (DOMAIN, Audit)."""

from datetime import timedelta

from contracts.housekeeping import HoldLifted, HoldPlaced
from libs.decider.story import DAWN, Story
from services.audit.domain.holds import (
    HOLDS,
    HoldAlreadyOver,
    HoldIsOn,
    HoldUnknown,
    LiftHold,
    PlaceHold,
)

STORY = Story(HOLDS)
PLACE = PlaceHold(at=DAWN, hold="court-7", ground="lawsuit", by="auditor:a-1")
LIFT = LiftHold(at=DAWN, hold="court-7", ground="settled", by="auditor:a-2")
END = DAWN + timedelta(days=30)


def test_a_hold_is_on_until_it_is_lifted_with_reason_and_by_whom() -> None:
    placed = HoldPlaced(hold="court-7", ground="lawsuit", by="auditor:a-1")
    story = STORY.when(PLACE).then(placed)
    story.when(PLACE).then_nothing()
    (row,) = story.rows
    assert dict(row.values)["placed_by"] == "auditor:a-1"
    lifted = HoldLifted(hold="court-7", ground="settled", by="auditor:a-2")
    story = story.when(LIFT).then(lifted)
    story.when(LIFT).then_nothing()
    assert story.rows == ()


def test_two_holds_end_each_for_itself() -> None:
    other = PLACE.model_copy(update={"hold": "regulator-3"})
    story = STORY.when(PLACE).when(other).when(LIFT)
    assert [dict(row.key)["hold"] for row in story.rows] == ["regulator-3"]


def test_a_hold_with_a_date_ends_at_that_instant() -> None:
    story = STORY.when(PLACE.model_copy(update={"until": END}))
    assert story.timers == {"court-7": END}
    story = story.fire("court-7")
    story.then(HoldLifted(hold="court-7", ground="expired", by="system:audit"))
    assert story.timers == {}


def test_a_timer_of_a_hold_that_was_lifted_and_placed_anew_does_nothing() -> None:
    story = STORY.when(PLACE.model_copy(update={"until": END})).when(LIFT).when(PLACE)
    story.when(HOLDS.timer_command(timer="court-7", at=END)).then_nothing()


def test_a_name_is_one_hold() -> None:
    story = STORY.when(PLACE)
    story.when(PLACE.model_copy(update={"ground": "another"})).then_refused(HoldIsOn)
    story.when(PLACE.model_copy(update={"until": END})).then_refused(HoldIsOn)


def test_what_was_never_on_cannot_be_lifted_nor_placed_in_the_past() -> None:
    STORY.when(LIFT).then_refused(HoldUnknown)
    STORY.when(PLACE.model_copy(update={"until": DAWN})).then_refused(HoldAlreadyOver)
