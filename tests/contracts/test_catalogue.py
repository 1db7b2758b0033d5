"""The catalogue as a set of rules: who may write what, how events are named, what they carry."""

import ast
import enum
import re
import typing
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from contracts import intake, routing
from contracts.catalogue import CATALOGUE, DECODE, RETIRED, SERVICES, events_of, heard_by
from contracts.messages import ChannelMessage
from contracts.upcasters import split
from contracts.values import ComplaintEvent, HousekeepingEvent
from libs.decider import Event

ROOT = Path(__file__).parents[2]
EVENTS = [entry.event for entry in (*CATALOGUE, *RETIRED)]
TOLD: list[type[BaseModel]] = [*EVENTS, ChannelMessage]
BUSINESS = [entry for entry in CATALOGUE if issubclass(entry.event, ComplaintEvent)]

IRREGULAR_PAST = {"met", "seen", "sought", "withdrawn", "taken", "held", "done", "made"}

# EVENTS.md, by number; what building added stands below and in docs/events.md
EVENTS_MD = [
    "complaint.registered",
    "complaint.verified",
    "complaint.contact_linked",
    "complaint.contact_unlinked",
    "complaint.reclassified",
    "complaint.merged",
    "complaint.unmerged",
    "complaint.withdrawn",
    "complaint.answered",
    "complaint.escalation_noted",
    "complaint.closed",
    "complaint.reopened",
    "work.routed",
    "work.assigned",
    "work.returned",
    "work.accepted",
    "work.transferred",
    "work.reported_back",
    "work.suspended",
    "work.resumed",
    "work.contacted",
    "work.promised",
    "work.answered",
    "work.finding_recorded",
    "work.compensation_proposed",
    "work.ended",
    "clocks.started",
    "clock.warned",
    "clocks.paused",
    "clocks.rescheduled",
    "clock.met",
    "clock.breached",
    "clock.corrected",
    "clocks.cancelled",
    "notice.issued",
    "notice.attempted",
    "survey.concluded",
    "survey.asked",
    "survey.answered",
    "case.requested",
    "case.declined",
    "case.accepted",
    "case.decided",
    "case.customer_contacted",
    "case.instructed",
    "case.reported",
    "case.closed",
    "compensation.submitted",
    "compensation.granted",
    "compensation.refused",
]
HOUSEKEEPING_MD = [
    "person.accessed",
    "person.erased",
    "team.changed",
    "policy.activated",
    "message.refused",
    "gap.resolved",
    "role.changed",
    "token.issued",
    "export.made",
    "rebuild.done",
    "hold.placed",
    "hold.lifted",
    "checkpoint.sealed",
    "cohort.archived",
    "cohort.restored",
    "cohort.purged",
    "record.parked",
    "record.settled",
]
STREAMS_OF = {
    "complaint": "intake",
    "work": "routing",
    "clocks": "sla_watch",
    "feedback": "feedback_survey",
    "case": "escalation",
}


def names(entries: typing.Iterable[Any]) -> set[str]:
    return {split(entry.event.type)[0] for entry in entries}


def models_in(model: type[BaseModel], found: set[type[BaseModel]]) -> set[type[BaseModel]]:
    """The model and every model within it."""
    if model in found:
        return found
    found.add(model)
    for field in model.model_fields.values():
        for part in parts_of(field.annotation):
            if isinstance(part, type) and issubclass(part, BaseModel):
                models_in(part, found)
    return found


def parts_of(annotation: Any) -> list[Any]:
    """An annotation's own building blocks, unwrapped."""
    arguments = typing.get_args(annotation)
    if not arguments:
        return [annotation]
    return [
        typing.get_origin(annotation),
        *(part for one in arguments for part in parts_of(one)),
    ]


ALL_MODELS = sorted(
    {model for top in TOLD for model in models_in(top, set())},
    key=lambda one: one.__name__,
)
ENUMERATIONS: list[type[enum.Enum]] = sorted(
    {
        part
        for model in ALL_MODELS
        for field in model.model_fields.values()
        for part in parts_of(field.annotation)
        if isinstance(part, type) and issubclass(part, enum.Enum)
    },
    key=lambda one: one.__name__,
)


OURS = {
    "person.erasure_noted",
    "person.sought",
    "connection.entered",
    "hold.standing_placed",
    "hold.standing_lifted",
    "purge.proposed",
    "purge.approved",
    "purge.answered",
    "purge.withdrawn",
    "token.revoked",
}
"""Housekeeping that EVENTS.md does not have."""


def test_all_fifty_events_and_the_housekeeping_of_the_catalogue_are_there() -> None:
    assert len(EVENTS_MD) == 50
    assert set(EVENTS_MD) <= names(BUSINESS)
    housekeeping = [one for one in CATALOGUE if issubclass(one.event, HousekeepingEvent)]
    assert names(housekeeping) == set(HOUSEKEEPING_MD) | OURS
    assert len(BUSINESS) + len(housekeeping) == len(CATALOGUE)


def test_no_two_events_share_a_type_or_a_class() -> None:
    assert len({event.type for event in EVENTS}) == len(EVENTS) == len(set(EVENTS)) == len(DECODE)
    assert len({event.__name__ for event in EVENTS}) == len(EVENTS)


def test_every_event_class_of_the_contracts_is_in_the_catalogue() -> None:
    found: set[type[Event]] = set()
    waiting: list[type[Event]] = [ComplaintEvent, HousekeepingEvent]
    while waiting:
        event = waiting.pop()
        waiting += event.__subclasses__()
        if "type" in vars(event) and event.__module__.startswith("contracts."):
            found.add(event)
    assert found == set(EVENTS)


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.type)
def test_an_event_is_frozen_closed_and_named_in_the_past_tense(event: type[Event]) -> None:
    assert event.model_config["frozen"]
    assert event.model_config["extra"] == "forbid"
    assert event.__doc__
    assert re.fullmatch(r"[a-z]+\.[a-z_]+\.v[1-9][0-9]*", event.type)
    words = split(event.type)[0].split(".")[1].split("_")
    assert any(word.endswith("ed") or word in IRREGULAR_PAST for word in words), event.type


@pytest.mark.parametrize("model", ALL_MODELS, ids=lambda model: model.__name__)
def test_every_part_of_an_event_is_frozen_closed_and_described(model: type[BaseModel]) -> None:
    assert model.model_config["frozen"]
    assert model.model_config["extra"] == "forbid"
    assert model.__doc__
    for name, field in model.model_fields.items():
        assert field.description, f"{model.__name__}.{name} says nothing about itself"


@pytest.mark.parametrize("model", ALL_MODELS, ids=lambda model: model.__name__)
def test_nothing_in_an_event_can_be_changed_or_rounded(model: type[BaseModel]) -> None:
    """Tuples for lists, exact decimals for money; only a policy's content is free JSON."""
    for name, field in model.model_fields.items():
        found = parts_of(field.annotation)
        free_json = model.__name__.startswith("PolicyActivated") and name == "content"
        if not free_json:
            assert not {list, dict, set} & set(found), f"{model.__name__}.{name}"
            assert float not in found, f"{model.__name__}.{name} is a float"


@pytest.mark.parametrize("enumeration", ENUMERATIONS, ids=lambda one: one.__name__)
def test_every_enumeration_is_written_in_lower_case_words(enumeration: type[enum.Enum]) -> None:
    assert issubclass(enumeration, enum.StrEnum)
    for one in enumeration:
        assert re.fullmatch(r"[a-z0-9_.]+", one.value)


@pytest.mark.parametrize("entry", BUSINESS, ids=lambda entry: entry.event.type)
def test_a_complaint_event_carries_its_cycle_and_has_one_writer(entry: Any) -> None:
    assert "cycle" in entry.event.model_fields
    assert entry.writers == (STREAMS_OF[entry.stream],)
    assert entry.event.__module__ == f"contracts.{entry.writers[0]}"
    assert entry.subject == "complaint id"


def test_every_writer_and_reactor_is_a_service_or_the_gateways() -> None:
    for entry in CATALOGUE:
        assert entry.writers
        assert set(entry.writers) <= set(SERVICES)
        assert set(entry.reactions) <= {*SERVICES, "gateways"}
        assert all(entry.reactions.values())


def test_only_intake_answers_closes_and_reopens() -> None:
    """EVENTS race 3: `work.ended`, `case.closed`, `survey.concluded` are never a closing."""
    arbiter = {intake.ComplaintAnswered, intake.ComplaintClosed, intake.ComplaintReopened}
    for service in SERVICES:
        assert arbiter & set(events_of(service)) == (arbiter if service == "intake" else set())


def test_routing_does_not_take_its_own_end_of_work_for_a_closing() -> None:
    (entry,) = [one for one in CATALOGUE if one.event is routing.WorkEnded]
    assert "intake" not in entry.reactions


def test_a_service_hears_what_the_catalogue_says() -> None:
    assert intake.ComplaintReopened in heard_by("escalation")
    # race 6: intake alone decides; escalation listens to reopened, never to survey.answered
    assert not [event.type for event in heard_by("escalation") if "survey" in event.type]


NOT_HEARD_YET = {
    ("feedback_survey", "notice.attempted.v1"): "its own stream: the same decision calls instead",
}


@pytest.mark.parametrize("service", SERVICES)
def test_the_services_hear_what_the_catalogue_says_they_react_to(service: str) -> None:
    heard: set[type[Event]] = set(import_module(f"services.{service}.reactions").HEARD)
    catalogue = set(heard_by(service))
    assert not heard - catalogue, "docs/events.md does not say who reacts"
    business = {event for event in catalogue if issubclass(event, ComplaintEvent)}
    excused = {DECODE[name] for who, name in NOT_HEARD_YET if who == service}
    if service != "audit":  # it takes everything as bytes
        assert business - heard == excused


def made_in(path: Path, classes: typing.Collection[str]) -> set[str]:
    """The event classes that a module makes: calls of the class, or of its `model_validate`."""
    made = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Call):
            target = node.func
            if isinstance(target, ast.Attribute) and target.attr.startswith("model_"):
                target = target.value
            name = target.attr if isinstance(target, ast.Attribute) else getattr(target, "id", "")
            if name in classes:
                made.add(name)
    return made


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_makes_only_events_that_are_its_own_to_write(service: str) -> None:
    """EVENTS race 3, in the code itself: a foreign event is heard, never made."""
    own = {event.__name__ for event in events_of(service)}
    foreign = {event.__name__ for event in EVENTS} - own
    for path in sorted((ROOT / "services" / service).rglob("*.py")):
        assert not made_in(path, foreign), f"{path.relative_to(ROOT)} makes another's event"


def test_the_search_for_foreign_events_finds_one(tmp_path: Path) -> None:
    module = tmp_path / "domain.py"
    module.write_text(
        "def decide(): return [intake.ComplaintClosed(cycle=1)]\n"
        "def other(): return ComplaintReopened.model_validate({})\n"
        "match x:\n    case WorkEnded(): pass\n"
    )
    found = made_in(module, {"ComplaintClosed", "ComplaintReopened", "WorkEnded"})
    assert found == {"ComplaintClosed", "ComplaintReopened"}
