"""A refused message says whose it was, so that a data-subject export can tell of it (PIPL)."""

from contracts.housekeeping import MessageRefused
from tests.unit.intake.world import World, message

MINE = "13800000001"


def test_a_refused_message_says_whose_it_is_once_the_number_is_known() -> None:
    world = World()
    world.tell(message("a", subscriber=MINE, category="mobile.coverage"))
    person = world.vault.persons[MINE]
    world.tell(message("b", subscriber=f"86-{MINE}", kind="survey_reply", text=" "))
    world.tell(message("c", subscriber=MINE, channel="pigeon"))
    world.tell(message("d", subscriber=MINE, time="2025-10-12T09:00:00+08:00"), b'{"id":')
    refused = world.happened(MessageRefused)
    assert [(one.message, one.person) for one in refused] == [("b", person), ("c", person)]
    shown = world.rows("refused_messages", person=person)
    assert sorted(row["id"] for row in shown) == ["b", "c"]


def test_of_a_number_that_nobody_has_nobody_is_made() -> None:
    world = World()
    world.tell(message("c", subscriber=MINE, channel="pigeon"))
    (refused,) = world.happened(MessageRefused)
    assert refused.person is None
    assert world.vault.persons == {}
    assert MINE not in repr(refused)
