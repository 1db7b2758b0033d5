"""An asking for a number that nobody has is an access too (DOMAIN, Audit and retention)."""

from contracts.housekeeping import PersonSought
from libs.decider.story import Story
from services.intake.domain.search import RecordSearch, subject_of
from services.intake.domain.streams import SEARCH
from tests.unit.intake.world import at


def test_every_asking_in_vain_is_on_record_without_the_number() -> None:
    asked = RecordSearch(at=at("2025-10-09 09:00:00"), by="privacy:p-1", purpose="request")
    story = Story(SEARCH).when(asked).then(PersonSought(by="privacy:p-1", purpose="request"))
    story.when(asked).then_types(PersonSought)
    assert set(PersonSought.model_fields) == {"by", "purpose"}


def test_a_day_of_shanghai_has_its_own_stream() -> None:
    assert subject_of(at("2025-10-09 23:59:59")) == "searches:2025-10-09"
    assert subject_of(at("2025-10-10 00:00:00")) == "searches:2025-10-10"
