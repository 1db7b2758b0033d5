"""Every access to personal data is on record; a refusal stands once (DOMAIN, Audit)."""

from uuid import UUID

from contracts.housekeeping import MessageRefused, PersonAccessed
from libs.decider.story import Story
from services.intake.domain import rows
from services.intake.domain.identity import message_key, refusal_subject
from services.intake.domain.message import RefuseMessage
from services.intake.domain.person import RecordAccess
from tests.unit.intake.world import PERSON, TOLD

PERSON_STORY = Story(rows.DECIDERS[2], subject=str(PERSON), now=TOLD)
KEY = message_key("10010", "call-1")
MESSAGE_STORY = Story(rows.DECIDERS[1], subject=refusal_subject(KEY), now=TOLD)

ACCESS = RecordAccess(at=TOLD, complaint=KEY, by="agent:a-1", purpose="answer", fields=("text",))


def test_each_opening_is_an_event_of_its_own() -> None:
    story = PERSON_STORY.when(ACCESS).when(ACCESS)
    assert story.one(PersonAccessed) == PersonAccessed(
        complaint=KEY, by="agent:a-1", purpose="answer", fields=("text",)
    )
    assert story.state.accesses == 2


def test_a_refusal_stands_once_and_shows() -> None:
    refuse = RefuseMessage(
        at=TOLD, key=KEY, source="10010", message="call-1", rule="malformed", problem="p"
    )
    story = MESSAGE_STORY.when(refuse).then_types(MessageRefused)
    story.when(refuse.model_copy(update={"rule": "other"})).then_nothing()
    (row,) = story.rows
    assert dict(row.key) == {"message": UUID(refusal_subject(KEY))}
    assert dict(row.values)["rule"] == "malformed"
    assert dict(row.values)["at"] == TOLD
