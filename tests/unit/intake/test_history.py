"""A closed case of an older system is taken over whole, at its own times, and starts no work."""

from typing import Any

import pytest

from contracts.intake import (
    ComplaintAnswered,
    ComplaintClosed,
    ComplaintRegistered,
    Outcome,
)
from contracts.values import CaseTrigger
from services.intake.domain.identity import message_key
from services.intake.domain.policy import reopening_policy
from services.intake.domain.reopening import case_reopens
from tests.unit.intake.world import SEEDS, TOLD, World, at, message

NUMBER = "13800000001"
CASE: dict[str, Any] = {
    "identity": "27610",
    "source": "history/hotline",
    "time": "2018-03-19T10:05:04+08:00",
    "kind": "history",
    "channel": "web",
    "subscriber": NUMBER,
    "history": {"answered_at": "2018-04-24T09:00:00+08:00", "answer": "已回复"},
}


def history(**changes: Any) -> dict[str, Any]:
    return message(**{**CASE, **changes})


def imported() -> World:
    world = World()
    assert world.tell(history())[0]["outcome"] == "imported"
    return world


def test_it_is_registered_answered_and_closed_at_its_own_times_and_no_more() -> None:
    world = imported()
    events = [one.data for one in world.log]
    assert [type(one) for one in events] == [
        ComplaintRegistered, ComplaintAnswered, ComplaintClosed,
    ]  # fmt: skip
    told, answered = at("2018-03-19 10:05:04"), at("2018-04-24 09:00:00")
    assert [one.occurred_at for one in events] == [told, answered, answered]
    assert events[1].ask is False
    assert events[2].outcome is Outcome.IMPORTED


def test_the_older_systems_answer_is_sealed_at_the_door() -> None:
    world = imported()
    token = world.log[0].data.registration.history.answer
    assert world.vault.plaintexts[token][1:] == ("answer", "已回复")


def test_importing_twice_changes_nothing() -> None:
    world = imported()
    before = len(world.log)
    assert world.tell(history())[0]["outcome"] == "imported"
    assert len(world.log) == before


@pytest.mark.parametrize(
    ("times", "rule"),
    [
        ({"answered_at": "2018-03-19T10:05:03+08:00"}, "answered-before-told"),
        (
            {
                "answered_at": "2018-04-24T09:00:00+08:00",
                "closed_at": "2018-04-24T08:59:59+08:00",
            },
            "closed-before-answered",
        ),
        ({"answered_at": "2031-04-24T09:00:00+08:00"}, "history-not-over"),
        ({}, "malformed"),
    ],
)
def test_times_out_of_order_are_refused_with_the_rule(times: dict[str, str], rule: str) -> None:
    told = World().tell(history(history=times))[0]
    assert (told["outcome"], told["rule"]) == ("refused", rule)


def test_it_never_joins_an_open_complaint_and_no_contact_joins_or_reopens_it() -> None:
    world = World()
    words = {"subscriber": NUMBER, "category": "billing"}
    assert world.tell_one(identity="new-1", **words)["outcome"] == "registered"
    assert world.tell(history(category="billing"))[0]["outcome"] == "imported"
    receipt = world.log[-3].data.registration.correspondent.receipt
    again = world.tell_one(identity="new-2", subscriber="13800000002", receipt=receipt)
    assert again["outcome"] == "registered", "history is not reopened by a contact"


def test_the_regulator_may_still_take_it_up() -> None:
    """DOMAIN, Audit and retention: the regulator accepts service appeals for 2 years."""
    world = imported()
    key = message_key("history/hotline", "27610")
    complaint = world.state("complaint", str(key))
    policy = reopening_policy(SEEDS, TOLD)
    assert case_reopens(complaint, policy, CaseTrigger.REGULATOR)
    assert not case_reopens(complaint, policy, CaseTrigger.BREACH)
