"""What routing hears and does about it; and all that others may hear of it again."""

from uuid import UUID

import pytest

from contracts.catalogue import CATALOGUE
from contracts.escalation import CaseInstructed
from contracts.intake import (
    ComplaintClosed,
    ComplaintContactLinked,
    ComplaintContactUnlinked,
    ComplaintMerged,
    ComplaintReclassified,
    ComplaintReopened,
    ComplaintUnmerged,
    ComplaintVerified,
    ComplaintWithdrawn,
    MatchedBy,
    Outcome,
    ReopenReason,
    WithdrawnBy,
)
from contracts.routing import (
    EndReason,
    RouteCause,
    WaitingFor,
    WorkAssigned,
    WorkEnded,
    WorkReportedBack,
    WorkResumed,
    WorkRouted,
)
from contracts.values import (
    Category,
    ChannelKind,
    Classification,
    Classified,
    ComplaintEvent,
    Contact,
    ContactKind,
    Correspondent,
    PolicyRef,
    ReopenRoute,
    Urgency,
)
from libs.decider import To
from services.routing.domain.commands import Suspend, Urge
from services.routing.reactions import HEARD, react
from tests.unit.routing.desks import (
    MOBILE_1,
    NOON,
    SEALED,
    accepted,
    heard,
    hears,
    profile,
    story,
    t,
    went,
)
from tests.unit.routing.test_passing_on import forwarded

BILLING = profile(Category.BILLING)
POLICY = PolicyRef(name="intake", version="v1")
CUSTOMER = Correspondent(receipt="3921-0583-7164", person=UUID(int=7))
CONTACT = UUID(int=9)


def verified(*, valid: bool = True) -> ComplaintVerified:
    return ComplaintVerified(
        cycle=1,
        valid=valid,
        reason=None if valid else "not_ours",
        automatic=True,
        profile=BILLING,
        correspondent=CUSTOMER,
        clock_from=NOON,
        policy=POLICY,
    )


def linked(
    kind: ContactKind, urge_no: int = 1, text: str | None = SEALED
) -> ComplaintContactLinked:
    return ComplaintContactLinked(
        cycle=1,
        contact=Contact(
            id=CONTACT,
            kind=kind,
            channel=ChannelKind.WECHAT,
            source="wechat",
            message="m-1",
            at=NOON,
        ),
        urge_no=urge_no,
        matched_by=MatchedBy.RECEIPT,
        text=text,
    )


def test_a_verified_complaint_is_routed_when_it_is_valid_only() -> None:
    """EVENTS 2: "valid -> routing: work.routed"."""
    told = hears(story(), verified())
    told.then_types(WorkRouted, WorkAssigned)
    event = told.one(WorkRouted)
    assert (event.cause, event.queue) == (RouteCause.VERIFIED, "billing")
    assert (event.profile, event.clock_from) == (BILLING, NOON)
    assert react(heard(verified(valid=False))) == []


def test_an_urge_is_heard_with_the_urges_that_stand() -> None:
    told = hears(accepted(), linked(ContactKind.URGE))
    assert told.one(WorkRouted).urges == 1
    contact = linked(ContactKind.URGE).contact
    told = hears(
        told, ComplaintContactUnlinked(cycle=1, contact=contact, reason="other_line", urge_no=0)
    )
    assert told.one(WorkRouted).cause is RouteCause.UNLINKED


def test_a_fact_that_is_no_urge_changes_nothing() -> None:
    hears(accepted(), linked(ContactKind.FACT, urge_no=0)).then_nothing()


def test_a_reply_resumes() -> None:
    told = went(
        accepted().when(
            Suspend(
                at=NOON,
                by=MOBILE_1,
                waiting_for=WaitingFor.CUSTOMER,
                reason="bill_needed",
                until=t("2025-10-13 12:00"),
            )
        )
    )
    assert hears(told, linked(ContactKind.REPLY, 0)).one(WorkResumed).contact == CONTACT


def test_a_partners_ticket_is_an_opinion_when_it_says_something() -> None:
    assert hears(forwarded(), linked(ContactKind.PARTNER_REPORT, 0)).one(WorkReportedBack)
    assert react(heard(linked(ContactKind.PARTNER_REPORT, 0, text=None))) == []


def test_a_new_class_routes_again() -> None:
    event = ComplaintReclassified(
        cycle=1,
        was=Classification(category=Category.MOBILE, urgency=Urgency.ORDINARY),
        now=Classification(category=Category.BILLING, urgency=Urgency.ORDINARY),
        classified=Classified(by="desk"),
        reason="wrong",
        clock_from=NOON,
        profile=BILLING,
    )
    assert hears(accepted(), event).one(WorkRouted).queue == "billing"


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        (ComplaintClosed(cycle=1, outcome=Outcome.SATISFIED), EndReason.CLOSED),
        (
            ComplaintWithdrawn(cycle=1, by=WithdrawnBy.CUSTOMER, reason="solved"),
            EndReason.WITHDRAWN,
        ),
        (
            ComplaintMerged(cycle=1, into=UUID(int=3), reason="same", contacts=()),
            EndReason.MERGED,
        ),
    ],
)
def test_closed_withdrawn_and_merged_end_the_work(
    event: ComplaintClosed | ComplaintWithdrawn | ComplaintMerged, reason: EndReason
) -> None:
    hears(accepted(), event).then(WorkEnded(cycle=1, reason=reason))


MERGED = ComplaintMerged(cycle=1, into=UUID(int=3), reason="same", contacts=())


def unmerged(*, verified: bool = True) -> ComplaintUnmerged:
    return ComplaintUnmerged(
        cycle=1,
        survivor=UUID(int=3),
        reason="not_the_same",
        contacts=(),
        verified=verified,
        clock_from=NOON,
        profile=BILLING,
    )


def test_unmerged_is_routed_again() -> None:
    told = hears(accepted(), MERGED)
    assert hears(told, unmerged()).one(WorkRouted).cause is RouteCause.UNMERGED


def test_unmerged_before_it_was_verified_it_waits_for_that() -> None:
    """DOMAIN rule 5: before routing, the request's validity is checked."""
    assert hears(story(), unmerged(verified=False)).happened == ()


def test_reopened_is_routed_in_its_new_cycle() -> None:
    event = ComplaintReopened(
        cycle=2,
        reason=ReopenReason.DISSATISFIED,
        route=ReopenRoute.TIER1,
        clock_from=NOON,
        cause=UUID(int=4),
        profile=BILLING,
        correspondent=CUSTOMER,
    )
    routing = hears(accepted(), event).one(WorkRouted)
    assert (routing.cycle, routing.route, routing.queue) == (2, ReopenRoute.TIER1, "manager")


def test_an_instruction_assigns_the_team_it_names() -> None:
    event = CaseInstructed(
        cycle=1, case=1, tier=2, instruction=1, team="billing-care", due=NOON, text=SEALED
    )
    assert hears(accepted(), event).one(WorkAssigned).team == "billing-care"


def test_the_command_carries_the_time_of_the_fact() -> None:
    at = t("2025-10-09 09:00")
    [to] = react(heard(linked(ContactKind.URGE), at=at, subject="a-complaint"))
    assert to == To("a-complaint", Urge(at=at, cycle=1, urges=1))


def test_routing_hears_what_the_catalogue_says_it_reacts_to() -> None:
    told = {entry.event for entry in CATALOGUE if "routing" in entry.reactions}
    assert set(HEARD) == {event for event in told if issubclass(event, ComplaintEvent)}
