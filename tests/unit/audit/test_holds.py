"""A legal hold stops every deletion until it is lifted, or its own date comes (DOMAIN, Audit)."""

from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from pydantic import ValidationError
from pydantic_core import from_json, to_json

from contracts.catalogue import DECODE
from contracts.housekeeping import (
    HoldLifted,
    HoldPlaced,
    StandingHoldLifted,
    StandingHoldPlaced,
)
from contracts.values import Asked, Category, ChannelKind, Kind, Profile, Urgency
from libs.decider import GivenUp, Recorded, Row, To
from libs.decider.story import DAWN, SUBJECT, Story
from services.audit.domain.holds import (
    HOLDS,
    LEGAL_HOLDS,
    LEGAL_HOLDS_OVER,
    STANDING,
    STANDING_HOLDS,
    HoldAlreadyOver,
    HoldIsOn,
    HoldUnknown,
    LiftHold,
    LiftStanding,
    PlaceHold,
    PlaceStanding,
    Reach,
)
from services.audit.reactions import HEARD, react, stays
from services.audit.views import heard_rows

SAMPLES = Path(__file__).parents[3] / "contracts" / "samples"
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
    assert [row.table for row in story.rows] == [LEGAL_HOLDS_OVER]


def test_two_holds_end_each_for_itself() -> None:
    other = PLACE.model_copy(update={"hold": "regulator-3"})
    story = STORY.when(PLACE).when(other).when(LIFT)
    on = [dict(row.key)["hold"] for row in story.rows if row.table == LEGAL_HOLDS]
    assert on == ["regulator-3"]


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


# -- what comes later -----------------------------------------------------------------------------

PERSON = UUID("0d8e2c1e-0000-4000-8000-000000000001")
NOBODY = UUID("0d8e2c1e-0000-4000-8000-000000000002")
STANDING_STORY = Story(STANDING_HOLDS, subject=STANDING)
OF_A_PERSON = PlaceStanding(
    at=DAWN, hold="court-7", ground="lawsuit", by="auditor:a-1", person=PERSON
)
OF_A_TIME = PlaceStanding(
    at=DAWN,
    hold="regulator-3",
    ground="inquiry",
    by="auditor:a-1",
    asked=Asked(told_from=DAWN, told_to=DAWN + timedelta(days=1)),
)
FAULT = Profile(
    kind=Kind.COMPLAINT,
    category=Category.BROADBAND_FAULT,
    urgency=Urgency.ORDINARY,
    home_province="qinghai",
    visited_province="gansu",
    channel=ChannelKind.HOTLINE_10010,
)
LIFT_STANDING = LiftStanding(at=DAWN, hold="court-7", ground="settled", by="auditor:a-2")


def reached(person: UUID, told: timedelta, *past: PlaceStanding) -> Story:
    """A complaint told so long after dawn and registered the hour after, while these are on."""
    standing = STANDING_STORY
    for one in past:
        standing = standing.when(one)
    story = STORY.beside("standing_hold", STANDING, standing.state)
    at = DAWN + told
    moments = (at, at + timedelta(hours=1))
    return story.when(Reach(at=at, person=person, profile=FAULT, moments=moments))


def test_a_hold_by_person_holds_what_comes_later_while_it_is_on() -> None:
    placed = HoldPlaced(hold="court-7", ground="lawsuit", by="auditor:a-1")
    story = reached(PERSON, timedelta(days=400), OF_A_PERSON).then(placed)
    story.when(Reach(at=DAWN, person=PERSON)).then_nothing()
    reached(NOBODY, timedelta(), OF_A_PERSON).then_nothing()
    reached(PERSON, timedelta()).then_nothing()


def test_words_on_a_complaint_that_is_there_already_hold_it_too() -> None:
    story = STORY.beside("standing_hold", STANDING, STANDING_STORY.when(OF_A_PERSON).state)
    story = story.when(Reach(at=DAWN, person=PERSON)).then_types(HoldPlaced)
    story.when(Reach(at=DAWN, person=PERSON)).then_nothing()
    by_time = STORY.beside("standing_hold", STANDING, STANDING_STORY.when(OF_A_TIME).state)
    by_time.when(Reach(at=DAWN, person=PERSON)).then_nothing()


def test_a_hold_by_time_holds_what_was_told_in_it_and_comes_on_record_later() -> None:
    placed = HoldPlaced(hold="regulator-3", ground="inquiry", by="auditor:a-1")
    reached(NOBODY, timedelta(), OF_A_TIME).then(placed)
    reached(NOBODY, timedelta(hours=23, minutes=59), OF_A_TIME).then(placed)
    reached(NOBODY, timedelta(hours=24), OF_A_TIME).then_nothing()
    reached(NOBODY, timedelta(hours=-1), OF_A_TIME).then(placed)  # came on record in it
    reached(NOBODY, timedelta(hours=-2), OF_A_TIME).then_nothing()


def test_a_hold_of_a_person_that_is_over_holds_nothing_more() -> None:
    story = STANDING_STORY.when(OF_A_PERSON).then_types(StandingHoldPlaced)
    story.when(OF_A_PERSON).then_nothing()
    story = story.when(LIFT_STANDING)
    story.then(StandingHoldLifted(hold="court-7", ground="settled", by="auditor:a-2"))
    story.when(LIFT_STANDING).then_nothing()
    assert tuple(story.rows) == ()
    late = STORY.beside("standing_hold", STANDING, story.state)
    late.when(Reach(at=DAWN, person=PERSON)).then_nothing()
    STANDING_STORY.when(LIFT_STANDING).then_refused(HoldUnknown)


def test_a_hold_of_a_person_with_a_date_ends_at_that_instant_and_gives_it_on() -> None:
    story = STANDING_STORY.when(OF_A_PERSON.model_copy(update={"until": END}))
    assert story.timers == {"court-7": END}
    held = STORY.beside("standing_hold", STANDING, story.state)
    assert held.when(Reach(at=DAWN, person=PERSON)).timers == {"court-7": END}
    held.when(Reach(at=END, person=PERSON)).then_nothing()
    expired = StandingHoldLifted(hold="court-7", ground="expired", by="system:audit")
    story.fire("court-7").then(expired)


@pytest.mark.parametrize(
    ("asked", "is_reached"),
    [
        ({"category": "broadband"}, True),
        ({"category": "broadband.fault"}, True),
        ({"category": "broadband.install"}, False),
        ({"category": "billing"}, False),
        ({"province": "qinghai"}, True),
        ({"province": "gansu"}, True),
        ({"province": "guangdong"}, False),
        ({"category": "broadband", "province": "gansu"}, True),
        ({"category": "broadband", "province": "guangdong"}, False),
        ({"category": "billing", "province": "gansu"}, False),
        ({"category": "broadband", "told_from": DAWN, "told_to": END}, True),
        ({"category": "broadband", "told_from": END, "told_to": END + timedelta(days=1)}, False),
    ],
)
def test_a_hold_by_query_reaches_what_is_all_that_was_asked_for(
    asked: dict[str, Any], is_reached: bool
) -> None:
    """DOMAIN, Audit and retention: "a legal hold stops every deletion"."""
    by_query = OF_A_TIME.model_copy(update={"asked": Asked.model_validate(asked)})
    placed = HoldPlaced(hold="regulator-3", ground="inquiry", by="auditor:a-1")
    story = reached(NOBODY, timedelta(), by_query)
    if is_reached:
        story.then(placed)
    else:
        story.then_nothing()
    standing = STORY.beside("standing_hold", STANDING, STANDING_STORY.when(by_query).state)
    standing.when(Reach(at=DAWN, person=PERSON)).then_nothing()


@pytest.mark.parametrize(
    "asked", [{}, {"told_from": DAWN}, {"told_to": END, "category": "billing"}]
)
def test_a_query_says_something_and_both_ends_of_a_time(asked: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match=r"say at least one|go together"):
        Asked.model_validate(asked)


def test_a_name_is_one_hold_of_one_person() -> None:
    story = STANDING_STORY.when(OF_A_PERSON)
    other = OF_A_PERSON.model_copy(update={"person": NOBODY})
    story.when(other).then_refused(HoldIsOn)
    past = OF_A_PERSON.model_copy(update={"until": DAWN})
    STANDING_STORY.when(past).then_refused(HoldAlreadyOver)


def heard(kind: str, at: datetime) -> Recorded[Any]:
    """The contracts' own sample of an event, recorded at `at`."""
    body = from_json((SAMPLES / f"{kind}.json").read_bytes())["data"]
    event = DECODE[kind].model_validate_json(to_json(body))
    return Recorded(UUID(int=1), "/bihuan/intake", kind, SUBJECT, at, 1, "channel:10010", event)


def test_what_comes_on_record_is_asked_about_with_both_its_moments() -> None:
    now = DAWN + timedelta(days=900)
    said = heard("complaint.registered.v1", now)
    told = said.data.registration
    (to,) = react(said)
    assert (to.subject, to.command.person) == (SUBJECT, told.correspondent.person)
    assert to.command.moments == (told.clock_from, now)
    assert to.command.profile == told.profile


def test_what_is_reclassified_is_asked_about_as_what_it_is_now() -> None:
    said = heard("complaint.reclassified.v1", DAWN)
    (to,) = react(said)
    moments = tuple(sorted({said.data.clock_from, DAWN}))
    assert to == To(SUBJECT, Reach(at=DAWN, profile=said.data.profile, moments=moments))
    assert said.type in {one.type for one in HEARD}
    (row,) = heard_rows(said)
    profile = said.data.profile
    assert dict(row.values) == {
        "category": profile.category.value,
        "home_province": profile.home_province,
        "visited_province": profile.visited_province,
    }


def test_whoever_speaks_on_a_complaint_is_asked_about() -> None:
    said = heard("complaint.contact_linked.v1", DAWN)
    (to,) = react(said)
    assert to == To(SUBJECT, Reach(at=DAWN, person=said.data.standalone.person))


@pytest.mark.parametrize("kind", ["complaint.contact_linked.v1", "complaint.withdrawn.v1"])
def test_whoevers_words_a_merge_or_a_withdrawal_brings_is_asked_about_and_kept(kind: str) -> None:
    said = heard(kind, DAWN)
    contact = said.data.contact.model_copy(update={"speaker": PERSON})
    alone = {"standalone": None} if kind == "complaint.contact_linked.v1" else {}
    said = replace(said, data=said.data.model_copy(update={"contact": contact, **alone}))
    assert list(react(said)) == [To(SUBJECT, Reach(at=DAWN, person=PERSON))]
    assert said.type in {one.type for one in HEARD}
    row = Row.of("speaker", {"complaint": SUBJECT, "person": PERSON})
    assert list(heard_rows(said)) == [row]


def test_a_lift_told_twice_is_known_to_have_been_on() -> None:
    over = STORY.when(PLACE).when(LIFT)
    assert over.rows == (Row.of(LEGAL_HOLDS_OVER, {"hold": "court-7", "complaint": UUID(SUBJECT)}),)


def given_up(kind: str, recorded: Recorded[Any] | None, subject: str = SUBJECT) -> GivenUp:
    return GivenUp(DAWN, subject, "/bihuan/intake", "complaints.log/3/17", kind, recorded)


def test_a_record_that_is_discarded_is_reached_all_the_same() -> None:
    said = heard("complaint.registered.v1", DAWN)
    assert list(stays(given_up(said.type, said))) == list(react(said))
    other = heard("complaint.closed.v1", DAWN)
    assert stays(given_up(other.type, other)) == ()


@pytest.mark.parametrize("kind", ["", "complaint.registered.v9", "complaint.contact_linked.v2"])
def test_discarded_unread_it_is_held_by_every_hold_that_might_reach_it(kind: str) -> None:
    (to,) = stays(given_up(kind, None))
    both = STANDING_STORY.when(OF_A_PERSON).when(OF_A_TIME)
    held = STORY.beside("standing_hold", STANDING, both.state).when(to.command)
    held.then_types(HoldPlaced, HoldPlaced)
    assert {dict(row.key)["hold"] for row in held.rows} == {"court-7", "regulator-3"}
    held.when(to.command).then_nothing()
    assert stays(given_up("person.accessed.v2", None)) == ()
    assert stays(given_up(kind, None, "standing-holds")) == ()
