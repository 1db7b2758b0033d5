"""How often a customer complained of the same before (DOMAIN rule 10: "N-th repeat in M days").

An urge is linked to the open complaint and is no repeat; a repeat is a complaint of its own.
"""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.intake import ComplaintRegistered, ComplaintRepeatsCounted
from contracts.values import Category
from libs.decider import To
from services.intake.domain import repeating
from services.intake.domain.commands import Merge, Reclassify, UnlinkContact
from services.intake.domain.identity import message_key
from services.intake.domain.receipt import receipt_of
from tests.unit.intake.world import SEEDS, World, at, message

LI = "13900000001"
WANG = "13900000002"


def told(day: str, name: str, **data: Any) -> dict[str, Any]:
    """Words of Li about the bill, on that day at nine; a week apart they are no urges."""
    words = {"subscriber": LI, "category": "billing", **data}
    return message(name, source="wechat", time=f"{day}T09:00:00+08:00", **words)


def repeat_no(world: World, *messages: dict[str, Any]) -> int:
    """Which repeat the last of these is."""
    world.tell(*messages)
    last: ComplaintRegistered = world.happened(ComplaintRegistered)[-1]
    assert last.registration.contact.message == messages[-1]["id"]
    return last.registration.repeat_no


def test_each_complaint_of_the_same_customer_in_the_same_category_is_one_more_repeat() -> None:
    world = World()
    days = ("2025-09-12", "2025-09-20", "2025-09-28", "2025-10-06")
    assert [repeat_no(world, told(day, day)) for day in days] == [0, 1, 2, 3]


def test_a_message_told_twice_repeats_nothing() -> None:
    world = World()
    first = told("2025-09-12", "m-1")
    world.tell(first, first)
    assert len(world.happened(ComplaintRegistered)) == 1
    assert repeat_no(world, told("2025-09-20", "m-2")) == 1


def test_an_urge_is_no_repeat() -> None:
    world = World()
    world.tell(told("2025-09-12", "m-1"), told("2025-09-14", "m-2"))
    assert repeat_no(world, told("2025-09-22", "m-3")) == 1


@pytest.mark.parametrize(("day", "number"), [("2025-10-12", 1), ("2025-10-13", 0)])
def test_thirty_days_inclusive(day: str, number: int) -> None:
    world = World()
    assert repeat_no(world, told("2025-09-12", "m-1"), told(day, "m-2")) == number


def test_another_customer_another_category_and_praise_are_no_repeats() -> None:
    world = World()
    world.tell(told("2025-09-12", "m-1"))
    assert repeat_no(world, told("2025-09-20", "m-2", subscriber=WANG)) == 0
    assert repeat_no(world, told("2025-09-20", "m-3", category="broadband.fault")) == 0
    assert repeat_no(world, told("2025-09-20", "m-4", complaint_kind="praise")) == 0
    # Nor does praise count as a complaint that went before.
    assert repeat_no(world, told("2025-09-28", "m-5")) == 1


def test_what_nobody_could_place_or_whose_it_is_repeats_nothing() -> None:
    world = World()
    for day in ("2025-09-12", "2025-09-20"):
        assert repeat_no(world, told(day, f"u-{day}", category=None, text="请联系我")) == 0
        assert repeat_no(world, told(day, f"a-{day}", subscriber=None)) == 0


def test_what_was_merged_into_another_counts_as_that_one() -> None:
    world = World()
    world.tell(told("2025-09-12", "m-1"), told("2025-09-20", "m-2"))
    first, second = message_key("wechat", "m-1"), message_key("wechat", "m-2")
    merge = Merge(at=world.clock.now(), into=first, reason="same_matter")
    world.apply(To(str(second), merge))
    assert repeat_no(world, told("2025-09-28", "m-3")) == 1


def classified(world: World, name: str, category: Category) -> None:
    """A desk says what it is about."""
    command = Reclassify(at=world.clock.now(), category=category, reason="read")
    for to in repeating.reclassify(message_key("wechat", name), command, world, SEEDS):
        world.apply(to)


def number(world: World, name: str) -> int:
    counted: int = world.state("complaint", str(message_key("wechat", name))).repeat_no
    return counted


def test_what_was_unclassified_repeats_once_its_category_is_known() -> None:
    world = World()
    world.tell(told("2025-09-12", "m-1"))
    world.tell(told("2025-09-20", "m-2", category=None, text="请联系我"))
    world.tell(told("2025-09-28", "m-3"))
    assert [number(world, one) for one in ("m-1", "m-2", "m-3")] == [0, 0, 1]
    classified(world, "m-2", Category.BILLING)
    assert [number(world, one) for one in ("m-1", "m-2", "m-3")] == [0, 1, 2]
    classified(world, "m-2", Category.ROAMING)
    assert [number(world, one) for one in ("m-1", "m-2", "m-3")] == [0, 0, 1]
    counted = [(one.was, one.repeat_no) for one in world.happened(ComplaintRepeatsCounted)]
    assert counted == [(0, 1), (1, 2), (1, 0), (2, 1)]


def test_what_an_unlinked_contact_becomes_repeats_what_went_before_it() -> None:
    world = World()
    world.tell(told("2025-09-12", "m-1"))
    world.tell(told("2025-09-20", "m-2"))
    world.tell(told("2025-09-22", "m-3"))  # an urge of the second
    world.tell(told("2025-10-01", "m-4"))
    assert number(world, "m-4") == 2
    contact = message_key("wechat", "m-3")
    command = UnlinkContact(
        at=world.clock.now(), contact=contact, reason="another_line", receipt=receipt_of(contact)
    )
    for to in repeating.unlink(message_key("wechat", "m-2"), command, world, SEEDS):
        world.apply(to)
    world.react(world.log[-2])  # the unlinking, on its way through the log
    assert [number(world, one) for one in ("m-1", "m-2", "m-3", "m-4")] == [0, 1, 2, 3]


KINDS = (Category.BILLING, Category.ROAMING)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_whatever_the_order_the_same_number(data: st.DataObject) -> None:
    """Told late or in time, classified at once or long after: it repeats what went before it."""
    days = data.draw(st.lists(st.integers(0, 60), min_size=1, max_size=5, unique=True))
    about = {day: data.draw(st.sampled_from(KINDS)) for day in days}
    later = {day for day in days if data.draw(st.booleans())}
    # One told with its category within a week of another like it would be an urge, not a repeat.
    later |= {
        day
        for day in days
        if any(0 < abs(day - one) <= 7 and about[one] is about[day] for one in days)
    }
    told_steps = data.draw(st.permutations(days))
    world = World(now=at("2025-12-01 09:00:00"))
    start = at("2025-09-01 09:00:00")
    waiting: list[int] = []
    for day in told_steps:
        moment = (start + timedelta(days=day)).date().isoformat()
        known = day not in later
        words = told(
            moment,
            f"m-{day}",
            category=about[day].value if known else None,
            text="请联系我",
        )
        _tell_late(world, words)
        waiting += [] if known else [day]
        while waiting and data.draw(st.booleans()):
            which = waiting.pop(data.draw(st.integers(0, len(waiting) - 1)))
            classified(world, f"m-{which}", about[which])
    for day in waiting:
        classified(world, f"m-{day}", about[day])
    assert {day: number(world, f"m-{day}") for day in days} == {
        day: sum(about[one] is about[day] and 0 < day - one <= 30 for one in days) for day in days
    }


def _tell_late(world: World, words: dict[str, Any]) -> None:
    """Told whatever the time is now."""
    now = world.clock.now()
    world.tell(words)
    world.clock.jump(now)


def test_a_complaint_that_comes_late_is_repeated_by_those_told_after_it() -> None:
    world = World()
    world.tell(told("2025-09-20", "m-2"))
    world.tell(told("2025-09-12", "m-1"))
    assert [number(world, one) for one in ("m-1", "m-2")] == [0, 1]
