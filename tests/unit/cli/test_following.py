"""What an event of intake says about a message of one source."""

import json
from typing import Any

import pytest

from cli.following import Fate, Outcome, outcome_of
from contracts.housekeeping import MessageRefused, RecordParked
from contracts.intake import ComplaintContactLinked, ComplaintRegistered, ComplaintWithdrawn
from libs.decider import Event
from tests.contracts.golden import sample_bytes

SOURCE = "10010"
SUBJECT = "0199a4b2-0000-5000-8000-000000000001"


def sample(event_type: str) -> Any:
    return json.loads(sample_bytes(event_type))


def event(of: type[Event], **changes: Any) -> Event:
    """The golden sample of this event, with these fields of its body changed."""
    return of.model_validate({**sample(of.type)["data"], **changes})


def contact(of: type[Event], source: str, message: str) -> dict[str, Any]:
    body = sample(of.type)["data"]
    told = body["registration"]["contact"] if "registration" in body else body["contact"]
    return {**told, "source": source, "message": message}


@pytest.mark.parametrize("source", [SOURCE, "elsewhere"])
def test_a_registered_complaint_tells_of_its_first_message(source: str) -> None:
    body = sample(ComplaintRegistered.type)["data"]
    told = contact(ComplaintRegistered, source, "m-1")
    registered = event(ComplaintRegistered, registration={**body["registration"], "contact": told})
    expected = (
        Outcome(Fate.REGISTERED, message="m-1", complaint=SUBJECT) if source == SOURCE else None
    )
    assert outcome_of(registered, SOURCE, SUBJECT) == expected


@pytest.mark.parametrize("source", [SOURCE, "elsewhere"])
def test_a_linked_contact_tells_of_its_message(source: str) -> None:
    linked = event(ComplaintContactLinked, contact=contact(ComplaintContactLinked, source, "m-2"))
    expected = Outcome(Fate.LINKED, message="m-2", complaint=SUBJECT) if source == SOURCE else None
    assert outcome_of(linked, SOURCE, SUBJECT) == expected


@pytest.mark.parametrize("source", [SOURCE, "elsewhere"])
def test_a_refused_message_tells_rule_and_remedy(source: str) -> None:
    refused = MessageRefused(
        source=source, message="m-3", rule="malformed", problem="text: missing: add it"
    )
    reason = "malformed: text: missing: add it"
    expected = Outcome(Fate.REFUSED, message="m-3", reason=reason) if source == SOURCE else None
    assert outcome_of(refused, SOURCE, SUBJECT) == expected


def test_a_parked_record_tells_its_place_for_it_has_no_other_name() -> None:
    parked = RecordParked(
        record="complaints.channel/3/7", source="", position="", error="bad-json", problem="mend it"
    )
    assert outcome_of(parked, SOURCE, SUBJECT) == Outcome(
        Fate.PARKED, place="complaints.channel/3/7", reason="parked (bad-json): mend it"
    )


def test_other_events_tell_nothing_about_a_message() -> None:
    assert outcome_of(event(ComplaintWithdrawn), SOURCE, SUBJECT) is None
