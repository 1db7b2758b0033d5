"""What sla_watch hears is what the catalogue says, and its stream holds what it writes."""

from contracts.catalogue import CATALOGUE, events_of
from contracts.housekeeping import PolicyActivated
from contracts.values import HousekeepingEvent, NoticeKind
from services.sla_watch.domain import CLOCKS
from services.sla_watch.reactions import HEARD, react
from tests.unit.sla_watch import told
from tests.unit.sla_watch.play import Play

FOR_EVERY_SERVICE = {
    *("hold.placed.v1", "hold.lifted.v1", "cohort.purged.v1"),
    *("purge.approved.v1", "purge.withdrawn.v1"),
    *("role.changed.v1", "token.issued.v1", "token.revoked.v1"),
}


def test_it_hears_exactly_what_the_catalogue_says() -> None:
    listed = {entry.event.type for entry in CATALOGUE if "sla_watch" in entry.reactions}
    assert {event.type for event in HEARD} == listed - FOR_EVERY_SERVICE


def test_its_stream_holds_exactly_its_own_events() -> None:
    own = {
        event.type for event in events_of("sla_watch") if not issubclass(event, HousekeepingEvent)
    }
    assert {event.type for event in CLOCKS.events} == own


def test_commands_are_dated_by_the_fact_and_go_to_its_complaint() -> None:
    play = Play()
    recorded = play.record(told.answered(), "2025-10-16 10:00")
    (to,) = react(recorded)
    assert to.subject == recorded.subject
    assert to.command.at == recorded.at


def test_what_concerns_no_clock_leads_nowhere() -> None:
    play = Play()
    for event in (
        told.verified("2025-10-16 10:00", valid=True),
        told.contacted(reached=False),
        told.forwarded(1, None),
        told.case_contacted(reached=False),
        told.notice(NoticeKind.SURVEY),
    ):
        assert react(play.record(event, "2025-10-16 10:00")) == ()


def test_policies_are_heard_for_the_views_only() -> None:
    assert PolicyActivated in HEARD
