"""What intake shows follows from its streams alone: states in words, open ones, desk tasks."""

from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest

from contracts.feedback_survey import SurveyOutcome
from contracts.values import Category, Kind
from libs.decider.story import Story
from services.intake import views
from services.intake.domain import rows
from services.intake.domain.commands import RegisterComplaint, UnlinkContact
from services.intake.domain.receipt import receipt_of
from tests.unit.intake.given import (
    answer,
    asked,
    closed,
    concluded,
    link,
    open_complaint,
    rejected,
    told_of_rejection,
    with_open_case,
    with_regulator_case,
    withdraw,
)
from tests.unit.intake.world import (
    COMPLAINT,
    DAY,
    HOUR,
    PERSON,
    TOLD,
    World,
    complaint_story,
    message,
    registration,
)


def table(story: Story, name: str) -> list[dict[str, Any]]:
    return [dict((*row.key, *row.values)) for row in story.rows if row.table == name]


def status(story: Story) -> dict[str, Any]:
    (row,) = table(story, "complaints")
    return row


DESK_CHECKED = complaint_story().when(
    RegisterComplaint(at=TOLD, registration=registration(representative=True))
)


@pytest.mark.parametrize(
    ("story", "state"),
    [
        (DESK_CHECKED, "registered"),
        (open_complaint(), "in_handling"),
        (with_open_case().when(answer()), "answered"),
        (asked(), "asked"),
        (asked().when(concluded(SurveyOutcome.DISSATISFIED)), "in_handling"),
        (rejected(), "rejected"),
        (rejected().when(told_of_rejection()), "closed"),
        (with_regulator_case().when(withdraw()), "withdrawn"),
        (closed(), "closed"),
        (replace(open_complaint(), state=replace(asked().state, merged_into=PERSON)), "merged"),
    ],
)
def test_the_state_in_words(story: Story, state: str) -> None:
    assert status(story)["state"] == state
    assert views.STATES[state].zh
    assert views.STATES[state].en


def test_an_open_complaint_is_found_by_its_person() -> None:
    assert table(open_complaint(), "open_complaints") == [
        {
            "complaint": COMPLAINT,
            "person": PERSON,
            "category": "billing",
            "clock_from": TOLD,
            "asked": False,
            "merged_into": None,
        }
    ]
    assert table(asked(), "open_complaints")[0]["asked"]


@pytest.mark.parametrize(
    "story", [closed(), open_complaint().when(withdraw()), with_regulator_case().when(withdraw())]
)
def test_what_is_closed_or_withdrawn_takes_no_urge_by_the_window(story: Story) -> None:
    assert table(story, "open_complaints") == []


def test_praise_is_not_among_the_open_complaints() -> None:
    told = RegisterComplaint(at=TOLD, registration=registration(kind=Kind.PRAISE))
    assert table(complaint_story().when(told), "open_complaints") == []


def test_a_reopened_complaint_is_open_from_its_new_clocks() -> None:
    story = closed().when(link("again", TOLD + 10 * DAY))
    assert table(story, "open_complaints")[0]["clock_from"] == TOLD + 10 * DAY
    assert status(story)["cycle"] == 2
    assert status(story)["told_at"] == TOLD
    (receipt,) = table(story, "receipts")
    assert (receipt["closed_at"], receipt["outcome"]) == (None, None)


def test_the_receipt_says_when_and_how_it_was_closed() -> None:
    (receipt,) = table(closed(), "receipts")
    assert (receipt["receipt"], receipt["outcome"]) == (receipt_of(COMPLAINT), "satisfied")
    assert receipt["closed_at"] == TOLD + 4 * HOUR
    assert receipt["stream"] == receipt["complaint"] == COMPLAINT


def test_an_open_case_shows() -> None:
    assert status(with_open_case())["escalated"]
    assert not status(open_complaint())["escalated"]


def test_a_complaint_may_wait_at_the_desk_for_two_things() -> None:
    told = registration(representative=True, category=Category.UNCLASSIFIED)
    story = complaint_story().when(RegisterComplaint(at=TOLD, registration=told))
    assert [row["task"] for row in table(story, "desk_tasks")] == ["classify", "verify"]


def test_nothing_waits_at_the_desk_for_what_is_withdrawn() -> None:
    assert table(DESK_CHECKED.when(withdraw()), "desk_tasks") == []


def test_an_unlinked_contacts_number_is_shown_before_its_complaint_exists() -> None:
    urge = link("u", TOLD + HOUR)
    receipt = receipt_of(urge.contact.id)
    unlink = UnlinkContact(at=TOLD, contact=urge.contact.id, reason="r", receipt=receipt)
    story = open_complaint().when(urge).when(unlink)
    rows = {row["receipt"]: row for row in table(story, "receipts")}
    assert rows[receipt]["complaint"] == urge.contact.id
    assert rows[receipt]["stream"] == COMPLAINT
    assert status(story)["contacts"] == 0


def test_rows_can_be_compared_and_never_meet_another_streams() -> None:
    world = World()
    world.tell(message("a", subscriber="13900000001"), message("b", category="weather"))
    world.tell(message("c", subscriber="13900000001"))
    keys: set[tuple[Any, ...]] = set()
    for decider in rows.DECIDERS:
        for (kind, subject), state in world.states.items():
            if kind != decider.kind:
                continue
            shown = list(decider.rows(subject, state))
            hash(tuple(shown))
            own = {(row.table, tuple(value for _, value in row.key)) for row in shown}
            assert len(own) == len(shown)
            assert not own & keys
            keys |= own


def test_every_row_has_the_columns_of_its_table() -> None:
    tables = {one.name: one for one in views.TABLES}
    world = World()
    world.tell(message("a", text="你好", representative=True), message("b", category="weather"))
    for row in world.shown.values():
        expected = tables[row.table]
        assert tuple(name for name, _ in row.key) == expected.key
        assert {name for name, _ in (*row.key, *row.values)} == set(expected.columns)
        for name, value in (*row.key, *row.values):
            if value is None:
                assert "not null" not in expected.columns[name], (row.table, name)
            kind = expected.type_of(name)
            assert value is None or type(value).__name__ in {
                "uuid": {"UUID"}, "text": {"str"}, "integer": {"int"}, "boolean": {"bool"},
                "timestamptz": {"datetime"},
            }[kind], (row.table, name)  # fmt: skip


def test_the_outcome_of_an_unlinked_message_is_its_own_complaint() -> None:
    world = World()
    outcomes = world.tell(
        message("a", subscriber="13900000001", category="billing"),
        message("b", subscriber="13900000001", category="billing"),
    )
    assert outcomes[1]["outcome"] == "linked"
    assert outcomes[1]["receipt"] == outcomes[0]["receipt"]
    assert UUID(outcomes[1]["complaint"])
