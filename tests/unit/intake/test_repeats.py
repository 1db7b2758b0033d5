"""How often a customer complained of the same before (DOMAIN rule 10: "N-th repeat in M days").

An urge is linked to the open complaint and is no repeat; a repeat is a complaint of its own.
"""

from typing import Any

import pytest

from contracts.intake import ComplaintRegistered
from libs.decider import To
from services.intake.domain.commands import Merge
from services.intake.domain.identity import message_key
from tests.unit.intake.world import World, message

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
