"""Passing work on and opinions back (DOMAIN rules 1, 5 and 7; EVENTS 17 and 18)."""

from datetime import datetime, timedelta
from uuid import UUID

import pytest

from contracts.routing import (
    HandlerKind,
    ReportedCause,
    RouteCause,
    WorkAccepted,
    WorkAnswered,
    WorkAssigned,
    WorkContacted,
    WorkPartnerConfirmed,
    WorkReportedBack,
    WorkRouted,
    WorkTransferred,
)
from contracts.values import Category, Complexity, Decision, Medium, StaffRef
from libs.decider.story import Story
from services.routing.domain.commands import (
    Accept,
    Answer,
    ConfirmForward,
    RecordContact,
    ReportBack,
    Staff,
    TakeConfirmation,
    TakePartnerReport,
    Transfer,
)
from services.routing.domain.handling import (
    ForwardedAlready,
    FromTheFuture,
    InThePast,
    NoSuchForward,
    NotAcceptedYet,
    NotReached,
)
from services.routing.domain.queueing import NoSuchTeam
from services.routing.domain.staffing import NotTheirs, NotTheOwnersDesk
from tests.unit.routing.desks import (
    GUANGDONG,
    MOBILE_1,
    NETWORK,
    NOON,
    OFFICER,
    SEALED,
    SECOND_LINE,
    XINJIANG,
    accepted,
    everyone_ignores,
    profile,
    routed,
    t,
    went,
)

PARTNER = Staff(agent="sp-17", team="sp-17")
VALUE_ADDED = Staff(agent="5401", team="value-added-care")
SERVICE = profile(Category.VALUE_ADDED_CANCEL_ONE)


def transfer(
    told: Story,
    to: str,
    kind: HandlerKind,
    by: Staff = MOBILE_1,
    *,
    reached_at: datetime | None = None,
    back_by: datetime | None = None,
) -> Story:
    return told.when(
        Transfer(
            at=told.now,
            by=by,
            to=to,
            kind=kind,
            reason="second_line",
            complexity=Complexity.SIMPLE if kind is HandlerKind.PARTNER else None,
            reached_at=reached_at,
            back_by=back_by,
        )
    )


def opinion(
    told: Story,
    by: Staff,
    cause: ReportedCause = ReportedCause.OWN,
    handler: str | None = None,
    occurred_at: datetime | None = None,
) -> Story:
    return told.when(
        ReportBack(
            at=told.now,
            by=by,
            opinion=SEALED,
            cause=cause,
            handler=handler,
            occurred_at=occurred_at,
        )
    )


def answer(told: Story, by: Staff) -> Story:
    return told.when(
        Answer(
            at=told.now,
            by=by,
            explanation=SEALED,
            decision=Decision.UPHELD,
            told_by=Medium.MESSAGE,
        )
    )


# -- within the house -----------------------------------------------------------------------------


def test_a_team_returns_an_opinion_and_the_owners_desk_answers() -> None:
    """DOMAIN rule 1: "A handling team returns an opinion ...; the owner's desk answers"."""
    told = went(transfer(accepted(), "mobile-second", HandlerKind.TEAM))
    told.then_types(WorkTransferred, WorkRouted, WorkAssigned)
    assert told.one(WorkTransferred).reached_at == NOON
    assert told.one(WorkRouted).cause is RouteCause.TRANSFERRED
    told = went(told.when(Accept(at=told.now, by=SECOND_LINE)))
    assert told.one(WorkAccepted).owner == StaffRef(team="mobile-care", agent="5001")
    answer(told, SECOND_LINE).then_refused(NotTheOwnersDesk)
    told = opinion(told, SECOND_LINE)
    event = told.one(WorkReportedBack)
    assert (event.by, event.kind, event.forward) == ("mobile-second", HandlerKind.TEAM, 1)
    assert (told.state.team, told.state.agent) == ("mobile-care", "5001")
    answer(told, MOBILE_1).then_types(WorkAnswered)


def test_a_transfer_that_is_ignored_goes_on_and_the_forward_is_over() -> None:
    told = went(transfer(accepted(), "mobile-second", HandlerKind.TEAM)).fire("accept")
    assert told.state.forward is None
    assert told.one(WorkAssigned).team == "mobile-care"
    reasons = {one.candidate: one.why_not for one in told.one(WorkRouted).considered}
    assert reasons["mobile-second"] == "ignored"


def test_the_10015_desk_may_pass_on_what_it_does_not_have() -> None:
    went(transfer(accepted(), "mobile-second", HandlerKind.TEAM, by=OFFICER))
    transfer(accepted(), "mobile-second", HandlerKind.TEAM, by=NETWORK).then_refused(NotTheirs)


def test_what_nobody_accepted_has_no_owner_and_is_not_passed_on() -> None:
    transfer(routed(), "mobile-second", HandlerKind.TEAM, by=OFFICER).then_refused(NotAcceptedYet)


def test_one_forward_at_a_time() -> None:
    told = went(transfer(accepted(), "sp-17", HandlerKind.PARTNER))
    transfer(told, "sp-18", HandlerKind.PARTNER).then_refused(ForwardedAlready)


def test_a_transfer_names_a_known_team_and_a_future_time() -> None:
    transfer(accepted(), "no-such-team", HandlerKind.TEAM).then_refused(NoSuchTeam)
    transfer(accepted(), "sp-17", HandlerKind.PARTNER, back_by=NOON).then_refused(InThePast)
    transfer(
        accepted(), "sp-17", HandlerKind.PARTNER, reached_at=t("2025-10-09 12:01")
    ).then_refused(NotReached)


def test_only_who_has_it_gives_an_opinion() -> None:
    told = accepted()
    opinion(told, SECOND_LINE).then_refused(NotTheirs)
    opinion(told, MOBILE_1, handler="sp-17").then_refused(NoSuchForward)
    opinion(routed(), MOBILE_1).then_refused(NotTheirs)


def test_a_cause_not_their_own_goes_to_the_company_responsible() -> None:
    """DOMAIN rule 7: "causes not the partner's own ... go back to the responsible company"."""
    told = opinion(accepted(), MOBILE_1, ReportedCause.NETWORK)
    told.then_types(WorkReportedBack, WorkRouted, WorkAssigned)
    event = told.one(WorkRouted)
    assert (event.cause, event.queue, event.rule) == (
        RouteCause.REPORTED_BACK,
        "network",
        "responsible.network",
    )
    assert told.one(WorkAssigned).team == "network-operations"
    told = went(told.when(Accept(at=told.now, by=NETWORK)))
    told = opinion(told, NETWORK)
    assert told.state.agent == "5001", "the owner answers"


def test_ignored_by_the_company_responsible_it_is_not_lost() -> None:
    told = opinion(accepted(), MOBILE_1, ReportedCause.BILLING)
    assert told.state.queue == "billing"
    steps = [told, *everyone_ignores(told)]
    told = steps[-1]
    seen = [step.state.team for step in steps]
    assert sorted(team for team in seen if team) == [
        "billing-care",
        "billing-second",
        "desk-10010",
    ]
    assert (told.state.queue, told.state.phase) == ("front-desk", "queued")


# -- across provinces -----------------------------------------------------------------------------


def test_s4_guangdong_owns_xinjiang_handles_guangdong_answers() -> None:
    """SCENARIOS S4: "owner of record = the Guangdong acceptor for ever; handled by Xinjiang; answer
    given through the owner"."""
    about = profile(
        Category.MOBILE_NONCOVERAGE_DATA_SPEED,
        home="guangdong",
        visited="xinjiang",
        taken_by=StaffRef(team="guangdong-desk", agent="8101"),
    )
    told = accepted(XINJIANG, about)
    assert told.state.owner == StaffRef(team="guangdong-desk", agent="8101")
    answer(told, XINJIANG).then_refused(NotTheOwnersDesk)
    told = went(opinion(told, XINJIANG))
    told = went(answer(told, GUANGDONG))
    assert told.state.owner == StaffRef(team="guangdong-desk", agent="8101")


def test_a_province_whose_team_the_table_knows_is_asked_at_once() -> None:
    told = went(transfer(accepted(), "xinjiang", HandlerKind.PROVINCE))
    told.then_types(WorkTransferred, WorkRouted, WorkAssigned)
    assert told.one(WorkRouted).province == "xinjiang"
    assert told.one(WorkAssigned).team == "xinjiang-mobile"
    told = went(told.when(Accept(at=told.now, by=XINJIANG)))
    told = opinion(told, XINJIANG)
    event = told.one(WorkReportedBack)
    assert (event.by, event.kind, event.forward) == ("xinjiang", HandlerKind.PROVINCE, 1)
    assert told.state.forward is None


def test_a_province_with_a_system_of_its_own_reports_through_the_desk() -> None:
    told = went(transfer(accepted(), "tibet", HandlerKind.PROVINCE))
    told.then_types(WorkTransferred)
    assert told.state.phase == "forwarded"
    opinion(told, NETWORK, handler="tibet").then_refused(NotTheirs)
    told = opinion(told, MOBILE_1, handler="tibet")
    assert told.one(WorkReportedBack).by == "tibet"


# -- partners -------------------------------------------------------------------------------------


def forwarded() -> Story:
    return went(
        transfer(
            accepted(VALUE_ADDED, SERVICE),
            "sp-17",
            HandlerKind.PARTNER,
            by=VALUE_ADDED,
            back_by=t("2025-10-10 12:00"),
        )
    )


def news(
    told: Story, *, reached_at: datetime | None = None, bounced: str | None = None, forward: int = 1
) -> Story:
    return told.when(
        ConfirmForward(
            at=told.now, by=VALUE_ADDED, forward=forward, reached_at=reached_at, bounced=bounced
        )
    )


def test_partner_clocks_start_when_the_forward_reached_the_partner() -> None:
    """DOMAIN rule 7: "Partner clocks start when the forward reached the partner"."""
    told = forwarded()
    assert told.one(WorkTransferred).reached_at is None
    told = told.after(timedelta(minutes=5))
    told = news(told, reached_at=t("2025-10-09 12:03"))
    event = told.one(WorkTransferred)
    assert (event.forward, event.reached_at) == (1, t("2025-10-09 12:03"))
    assert event.complexity is Complexity.SIMPLE
    news(told, reached_at=t("2025-10-09 12:04")).then_nothing()


def test_bounced_messages_are_recorded_and_sent_again_with_the_reason() -> None:
    told = news(forwarded(), bounced="mailbox_full")
    assert told.one(WorkTransferred).bounced == "mailbox_full"
    news(told, bounced="mailbox_full").then_nothing()
    told = news(told, reached_at=NOON)
    assert told.one(WorkTransferred).bounced is None
    news(told, bounced="too_late").then_refused(NoSuchForward)


@pytest.mark.parametrize(
    ("reached_at", "bounced"),
    [(None, None), (NOON, "both"), (t("2025-10-09 12:01"), None)],
)
def test_a_forward_reached_its_goal_in_the_past_or_bounced(
    reached_at: datetime | None, bounced: str | None
) -> None:
    news(forwarded(), reached_at=reached_at, bounced=bounced).then_refused(NotReached)


def test_there_is_only_the_forward_under_way() -> None:
    news(forwarded(), reached_at=NOON, forward=2).then_refused(NoSuchForward)
    news(accepted(VALUE_ADDED, SERVICE), reached_at=NOON).then_refused(NoSuchForward)


def test_the_partner_reports_itself() -> None:
    told = opinion(forwarded(), PARTNER)
    event = told.one(WorkReportedBack)
    assert (event.by, event.kind, event.forward) == ("sp-17", HandlerKind.PARTNER, 1)
    assert (told.state.phase, told.state.agent) == ("accepted", "5401")


def test_the_desk_writes_down_what_came_by_fax() -> None:
    told = opinion(forwarded(), VALUE_ADDED, handler="sp-17")
    assert told.one(WorkReportedBack).by == "sp-17"


def test_a_partners_ticket_comes_through_the_front_door() -> None:
    ticket = TakePartnerReport(
        at=NOON, cycle=1, contact="00000000-0000-4000-8000-000000000009", opinion=SEALED
    )
    told = forwarded().when(ticket)
    assert told.one(WorkReportedBack).by == "sp-17"
    told.when(ticket).then_nothing()
    accepted().when(ticket).then_nothing()


def test_a_partner_whose_cause_lies_elsewhere_is_not_released_from_answering() -> None:
    """DOMAIN rule 7: "which does not release the partner from answering"."""
    told = opinion(forwarded(), PARTNER, ReportedCause.BILLING)
    assert told.one(WorkRouted).queue == "billing"
    assert told.state.forward is not None
    told = opinion(told, PARTNER)
    assert told.state.forward is None


def test_a_late_report_is_dated_when_it_happened_never_in_the_future() -> None:
    told = opinion(forwarded(), PARTNER, occurred_at=t("2025-10-09 11:30"))
    assert told.one(WorkReportedBack).occurred_at == t("2025-10-09 11:30")
    opinion(forwarded(), PARTNER, occurred_at=t("2025-10-09 12:01")).then_refused(FromTheFuture)


# -- "the partner answers customer **and** 10010" -------------------------------------------------


def owes(told: Story) -> tuple[str, ...]:
    [duty] = told.state.duties
    return duty.owes


def contacts(told: Story, by: Staff, *, reached: bool = True, handler: str | None = None) -> Story:
    return told.when(
        RecordContact(at=told.now, by=by, channel="email", reached=reached, handler=handler)
    )


def confirms(told: Story, *, answered: bool, forward: int = 1) -> Story:
    """The customer, called to confirm it, says whether the partner answered."""
    return told.when(
        TakeConfirmation(
            at=told.now,
            cycle=1,
            forward=forward,
            answered=answered,
            call=UUID(int=forward),
        )
    )


def test_the_partner_owes_two_answers_and_each_is_tracked() -> None:
    """DOMAIN rule 7: "the partner answers customer **and** 10010 (mail or fax)"."""
    told = news(forwarded(), reached_at=NOON)
    assert owes(told) == ("10010", "customer")
    customer_first = went(contacts(told, PARTNER))
    assert customer_first.one(WorkContacted).partner == "sp-17"
    assert owes(customer_first) == ("10010",)
    both = went(opinion(customer_first, PARTNER))
    assert owes(both) == ()
    us_first = went(opinion(told, PARTNER))
    assert owes(us_first) == ("customer",)
    assert owes(went(contacts(us_first, PARTNER))) == (), "10010 had its answer; it still may"
    [row] = [one for one in both.rows if one.table == "work"]
    assert dict(row.values)["duties"] == [
        {
            "forward": 1,
            "partner": "sp-17",
            "reached_at": "2025-10-09T04:00:00.000000Z",
            "told_10010_at": "2025-10-09T04:00:00.000000Z",
            "told_customer_at": "2025-10-09T04:00:00.000000Z",
            "denied_at": None,
            "owes": [],
        }
    ]


def test_an_attempt_that_reached_nobody_answers_nobody() -> None:
    assert owes(went(contacts(forwarded(), PARTNER, reached=False))) == ("10010", "customer")


def test_what_we_tell_the_customer_is_not_the_partners_answer() -> None:
    told = went(contacts(forwarded(), VALUE_ADDED))
    assert told.one(WorkContacted).partner is None
    assert owes(told) == ("10010", "customer")


def test_the_desk_writes_down_that_the_partner_answered_the_customer() -> None:
    told = went(contacts(forwarded(), VALUE_ADDED, handler="sp-17"))
    assert owes(told) == ("10010",)
    contacts(forwarded(), VALUE_ADDED, handler="sp-18").then_refused(NoSuchForward)
    contacts(accepted(), MOBILE_1, handler="sp-17").then_refused(NoSuchForward)
    contacts(forwarded(), NETWORK, handler="sp-17").then_refused(NotTheirs)


def test_the_customer_who_was_called_says_what_the_partner_owes() -> None:
    """DOMAIN rule 7, the confirming call-back: the customer's word goes before the partner's."""
    told = went(opinion(went(contacts(news(forwarded(), reached_at=NOON), PARTNER)), PARTNER))
    assert owes(told) == ()
    never = went(confirms(told, answered=False))
    assert never.one(WorkPartnerConfirmed).partner == "sp-17"
    assert owes(never) == ("customer",)
    confirms(never, answered=False).then_nothing()
    again = went(contacts(never, PARTNER))
    assert again.one(WorkContacted).forwards == (1,)
    assert owes(again) == ()
    assert owes(went(confirms(never, answered=True))) == ()
    confirms(told, answered=True).then_nothing()
    confirms(told, answered=False, forward=7).then_nothing()


def test_a_returned_cause_releases_the_partner_from_neither_answer() -> None:
    """DOMAIN rule 7: causes that go back to the responsible company do "not release the partner
    from answering"."""
    told = opinion(forwarded(), PARTNER, ReportedCause.NETWORK)
    assert told.one(WorkRouted).queue == "network"
    assert owes(told) == ("10010", "customer")
    told = went(contacts(told, PARTNER))
    assert owes(told) == ("10010",)
    assert owes(went(opinion(told, PARTNER))) == ()


def test_a_second_forward_is_a_duty_of_its_own() -> None:
    told = went(opinion(went(contacts(forwarded(), PARTNER)), PARTNER))
    again = went(transfer(told, "sp-17", HandlerKind.PARTNER, by=VALUE_ADDED))
    assert [(one.forward, one.owes) for one in again.state.duties] == [
        (1, ()),
        (2, ("10010", "customer")),
    ]
    bounced = news(again, bounced="mailbox_full", forward=2)
    assert [one.forward for one in bounced.state.duties] == [1, 2], "sent again is no new duty"
