"""When the 10015 desk is asked, and when the asking is taken back (DOMAIN rule 10)."""

from datetime import timedelta

import pytest

from contracts.escalation import CaseCausesChanged, CaseClosed, CaseOutcome, CaseRequested
from contracts.intake import (
    ComplaintRepeatsCounted,
    History,
    NotedState,
    Outcome,
    ReopenReason,
)
from contracts.sla_watch import Verdict, VerdictBasis
from contracts.values import (
    CaseTrigger,
    ClockPurpose,
    ClockRef,
    ContactKind,
    RegulatorReferral,
    ReopenRoute,
    Urgency,
    ValueTier,
)
from libs.decider import Event
from libs.decider.story import Story
from services.escalation.domain.commands import AcceptCase, DeclineCase
from services.escalation.reactions import HEARD
from tests.unit.escalation.heard import (
    NOON,
    OFFICER,
    at,
    breached,
    closed,
    corrected,
    event_id,
    hear,
    linked,
    merged,
    noted,
    nothing,
    registered,
    reopened,
    unlinked,
    unmerged,
    withdrawn,
)

REFERRAL = RegulatorReferral(ref="GX-2025-0412")


def accepted(story: Story, case: int = 1) -> Story:
    return story.when(AcceptCase(roles=("desk",), at=story.now, case=case), actor=OFFICER)


def requests(*stories: Story) -> list[Event]:
    return [event for one in stories for event in one.happened if isinstance(event, CaseRequested)]


def open_cases(story: Story) -> list[int]:
    return [case.number for case in story.state.open_cases] if story.state else []


def withdrawn_event(case: int = 1, reason: str = "cause_gone", cycle: int = 1) -> CaseClosed:
    return CaseClosed(cycle=cycle, case=case, tier=2, outcome=CaseOutcome.WITHDRAWN, reason=reason)


# --- "breach of a resolution promise" ------------------------------------------------------------


def test_breach_of_a_resolution_promise_asks_the_desk() -> None:
    story = hear(nothing(), breached(), NOON, "breach")
    story.then(
        CaseRequested(
            cycle=1,
            case=1,
            tier=2,
            trigger=CaseTrigger.BREACH,
            cause=event_id("breach"),
            clock=ClockRef(clock="resolve", started_in=1),
        )
    )


@pytest.mark.parametrize(
    ("clock", "purpose"),
    [
        ("acknowledge", ClockPurpose.ACKNOWLEDGE),
        ("first_contact", ClockPurpose.FIRST_CONTACT),
        ("reply.mobile", ClockPurpose.REPLY),
        ("survey", ClockPurpose.SURVEY),
        ("10015.decision", ClockPurpose.DESK_DECISION),
    ],
)
def test_breach_of_any_other_promise_does_not(clock: str, purpose: ClockPurpose) -> None:
    hear(nothing(), breached(clock, purpose), NOON).then_nothing()


def test_history_escalates_nothing_whatever_was_broken_and_whosoever_it_was() -> None:
    """A case of an older system was over before it came; the same live asks the desk."""
    past = breached().model_copy(update={"basis": VerdictBasis.HISTORY})
    hear(nothing(), past, NOON).then_nothing()
    live = registered(ValueTier.IMPORTANT, Urgency.URGENT, media=True)
    assert hear(nothing(), live, NOON).one(CaseRequested)
    over = History(answered_at=NOON, closed_at=NOON)
    told = live.registration.model_copy(update={"history": over})
    hear(nothing(), live.model_copy(update={"registration": told}), NOON).then_nothing()


def test_an_operator_names_a_single_clock_a_resolution_promise_without_a_release() -> None:
    promises = {"purposes": [], "clocks": ["reply.mobile"], "except": []}
    story = nothing(resolution_promises=promises)
    assert hear(story, breached("reply.mobile", ClockPurpose.REPLY)).one(CaseRequested)
    hear(story, breached()).then_nothing()


def test_pain_escalation_mails_repeated_a_second_breach_joins_the_open_case() -> None:
    """One complaint, one request, however much goes wrong with it."""
    first = hear(nothing(), breached("repair", ClockPurpose.REPAIR), NOON, "breach-1")
    second = hear(first, breached("install", ClockPurpose.INSTALL), NOON, "breach-2")
    assert requests(first, second) == [first.one(CaseRequested)]
    assert [one.cause for one in second.one(CaseCausesChanged).causes] == [
        event_id("breach-1"),
        event_id("breach-2"),
    ]
    assert open_cases(second) == [1]


def test_pain_escalation_mails_repeated_the_same_cause_asks_once_for_ever() -> None:
    asked = hear(nothing(), linked("wish", ContactKind.ESCALATION_WISH), NOON, "wish")
    again = hear(asked, linked("wish", ContactKind.ESCALATION_WISH), NOON, "wish")
    again.then_nothing()
    over = hear(again, unlinked("wish", urge_no=0, kind=ContactKind.ESCALATION_WISH))
    assert open_cases(over) == []
    hear(over, linked("wish", ContactKind.ESCALATION_WISH), NOON, "wish").then_nothing()


def test_the_same_clock_is_no_second_cause_of_an_open_case() -> None:
    story = hear(nothing(), breached(), NOON, "breach")
    hear(story, corrected(Verdict.MET, Verdict.BREACHED), NOON, "again").then_nothing()


def test_pain_escalated_although_answered_a_late_heard_answer_withdraws_the_request() -> None:
    """DOMAIN counting 10: a fact that happened in time "withdraws the escalation it caused"."""
    story = hear(nothing(), breached(), NOON, "breach")
    story = hear(story, corrected(Verdict.BREACHED, Verdict.MET), NOON + timedelta(minutes=3))
    story.then(withdrawn_event())
    assert open_cases(story) == []


def test_an_accepted_case_stays_with_its_officer_when_the_breach_is_corrected() -> None:
    story = accepted(hear(nothing(), breached(), NOON, "breach"))
    hear(story, corrected(Verdict.BREACHED, Verdict.MET)).then_nothing()


def test_a_verdict_corrected_to_breached_asks_like_a_breach() -> None:
    story = hear(nothing(), corrected(Verdict.MET, Verdict.BREACHED), NOON)
    assert story.one(CaseRequested).trigger is CaseTrigger.BREACH


def test_a_request_stands_as_long_as_one_cause_does() -> None:
    story = hear(nothing(), breached("repair", ClockPurpose.REPAIR), NOON, "breach-1")
    story = hear(story, breached("install", ClockPurpose.INSTALL), NOON, "breach-2")
    story = hear(story, corrected(Verdict.BREACHED, Verdict.MET, "repair", ClockPurpose.REPAIR))
    assert [one.cause for one in story.one(CaseCausesChanged).causes] == [event_id("breach-2")]
    story = hear(story, corrected(Verdict.BREACHED, Verdict.MET, "install", ClockPurpose.INSTALL))
    story.then(withdrawn_event())


def test_a_correction_before_any_case_is_nothing() -> None:
    hear(nothing(), corrected(Verdict.BREACHED, Verdict.MET)).then_nothing()


def test_a_breach_of_an_older_cycle_starts_no_work() -> None:
    story = hear(nothing(), reopened(ReopenRoute.ESCALATE), NOON)
    hear(story, breached(cycle=1), NOON).then_nothing()


# --- "N urges", S7, race 7 -----------------------------------------------------------------------


def urged_thrice() -> Story:
    story = hear(nothing(), linked("wechat", urge_no=1), at("2025-10-12 20:15"), "wechat")
    story.then_nothing()
    story = hear(story, linked("sms", urge_no=2), at("2025-10-14 10:00"), "sms")
    story.then_nothing()
    return hear(story, linked("app", urge_no=3), at("2025-10-15 11:00"), "app")


def test_s7_the_third_urge_is_one_escalation_candidate() -> None:
    story = urged_thrice()
    asked = story.one(CaseRequested)
    assert (asked.trigger, asked.tier, asked.cause) == (CaseTrigger.URGES, 2, event_id("app"))
    assert story.state.cases[1].requested_at == at("2025-10-15 11:00")
    hear(story, linked("fourth", urge_no=4), at("2025-10-15 12:00")).then_nothing()


def test_s7_and_pain_stale_escalation_after_unlink_the_candidate_is_withdrawn() -> None:
    story = hear(urged_thrice(), unlinked("wechat", urge_no=2), at("2025-10-15 14:00"))
    story.then(withdrawn_event(reason="unlinked"))


def test_s7_the_next_urge_that_makes_three_asks_again_exactly_once() -> None:
    story = hear(urged_thrice(), unlinked("wechat", urge_no=2), at("2025-10-15 14:00"))
    story = hear(story, linked("receipt", urge_no=3), at("2025-10-16 09:00"), "receipt")
    asked = story.one(CaseRequested)
    assert (asked.case, asked.cause) == (2, event_id("receipt"))
    assert open_cases(story) == [2]


def test_race_7_accepted_first_the_officer_decides() -> None:
    story = accepted(urged_thrice())
    hear(story, unlinked("wechat", urge_no=2), at("2025-10-15 14:00")).then_nothing()


def test_race_7_unlinked_first_the_candidate_can_no_more_be_accepted() -> None:
    story = hear(urged_thrice(), unlinked("wechat", urge_no=2), at("2025-10-15 14:00"))
    assert accepted(story).refusal is not None


def test_an_urge_to_spare_may_be_unlinked() -> None:
    story = hear(urged_thrice(), linked("fourth", urge_no=4), at("2025-10-15 12:00"))
    hear(story, unlinked("wechat", urge_no=3), at("2025-10-15 14:00")).then_nothing()


def test_an_operator_sets_how_many_urges_ask() -> None:
    assert hear(nothing(urges=2), linked("sms", urge_no=2)).one(CaseRequested)


# --- the customer's wish, the media, the regulator, VIP ------------------------------------------


def test_the_customers_wish_asks_and_is_taken_back_with_its_contact() -> None:
    story = hear(nothing(), linked("wish", ContactKind.ESCALATION_WISH), NOON, "wish")
    assert story.one(CaseRequested).trigger is CaseTrigger.WISH
    hear(story, unlinked("other", urge_no=0)).then_nothing()
    gone = hear(story, unlinked("wish", urge_no=0, kind=ContactKind.ESCALATION_WISH))
    gone.then(withdrawn_event(reason="unlinked"))


@pytest.mark.parametrize(
    "kind",
    [
        ContactKind.FACT,
        ContactKind.REPLY,
        ContactKind.SURVEY_REPLY,
        ContactKind.DELIVERY_REPORT,
        ContactKind.PARTNER_REPORT,
    ],
)
def test_any_other_contact_is_no_cause(kind: ContactKind) -> None:
    hear(nothing(), linked("contact", kind, urge_no=3)).then_nothing()


def test_an_important_customer_with_an_urgent_matter_goes_to_the_desk_at_once() -> None:
    story = hear(nothing(), registered(ValueTier.IMPORTANT, Urgency.URGENT))
    assert story.one(CaseRequested).trigger is CaseTrigger.VIP_SEVERE


@pytest.mark.parametrize(
    ("tier", "urgency"),
    [
        (ValueTier.IMPORTANT, Urgency.ORDINARY),
        (ValueTier.IMPORTANT, Urgency.COMPLEX),
        (ValueTier.ORDINARY, Urgency.URGENT),
    ],
)
def test_neither_vip_nor_severe_alone_is_enough(tier: ValueTier, urgency: Urgency) -> None:
    hear(nothing(), registered(tier, urgency)).then_nothing()


def test_the_third_repeat_in_thirty_days_asks_and_every_one_after_it() -> None:
    """DOMAIN rule 10: "N-th repeat in M days"; each repeat is a complaint of its own."""
    for number in (0, 1, 2):
        hear(nothing(), registered(repeat_no=number)).then_nothing()
    for number in (3, 4):
        asked = hear(nothing(), registered(repeat_no=number)).one(CaseRequested)
        assert (asked.trigger, asked.tier) == (CaseTrigger.REPEATS, 2)


def counted(was: int, number: int, *, closed: bool = False) -> ComplaintRepeatsCounted:
    return ComplaintRepeatsCounted(cycle=1, was=was, repeat_no=number, closed=closed)


def test_a_repeat_that_is_known_as_the_third_only_later_asks_then_and_once() -> None:
    """Its category, or that of one before it, was known only after it was told."""
    told = hear(nothing(), registered(repeat_no=2))
    asked = hear(told, counted(2, 3))
    assert asked.one(CaseRequested).trigger is CaseTrigger.REPEATS
    hear(asked, counted(3, 4)).then_nothing()
    hear(told, counted(2, 3, closed=True)).then_nothing()
    hear(nothing(), counted(0, 2)).then_nothing()


def test_a_repeat_that_is_none_after_all_withdraws_what_nobody_has_accepted() -> None:
    asked = hear(nothing(), registered(repeat_no=3))
    gone = hear(asked, counted(3, 2)).one(CaseClosed)
    assert (gone.outcome, gone.reason) == (CaseOutcome.WITHDRAWN, "cause_gone")
    hear(hear(nothing(), registered(repeat_no=5)), counted(5, 3)).then_nothing()


def test_an_operator_sets_which_repeat_asks() -> None:
    story = hear(nothing(repeats=1), registered(repeat_no=1))
    assert story.one(CaseRequested).trigger is CaseTrigger.REPEATS


def test_a_repeat_that_the_media_have_is_one_case() -> None:
    story = hear(nothing(), registered(media=True, repeat_no=3))
    assert story.one(CaseRequested).trigger is CaseTrigger.MEDIA


def test_media_exposure_asks_once_at_registration_or_later() -> None:
    story = hear(nothing(), registered(ValueTier.IMPORTANT, Urgency.URGENT, media=True))
    assert story.one(CaseRequested).trigger is CaseTrigger.MEDIA
    later = hear(nothing(), linked("press", ContactKind.MEDIA_EXPOSURE))
    assert later.one(CaseRequested).trigger is CaseTrigger.MEDIA


def test_the_regulators_referral_is_tier_4_beside_any_other_case() -> None:
    story = hear(nothing(), breached(), NOON, "breach")
    story = hear(story, linked("appeal", ContactKind.REGULATOR_REFERRAL, regulator=REFERRAL), NOON)
    asked = story.one(CaseRequested)
    assert (asked.case, asked.tier, asked.regulator) == (2, 4, REFERRAL)
    assert open_cases(story) == [1, 2]


def test_the_regulators_referral_at_registration_is_tier_4() -> None:
    asked = hear(nothing(), registered(regulator=REFERRAL)).one(CaseRequested)
    assert (asked.tier, asked.trigger, asked.regulator) == (4, CaseTrigger.REGULATOR, REFERRAL)


# --- dissatisfaction, race 6 ---------------------------------------------------------------------


def test_race_6_a_reopening_routed_to_escalation_asks_once() -> None:
    """S6: "exactly one escalation request to 10015 at 21:40:00"."""
    story = hear(nothing(), reopened(ReopenRoute.TIER1), at("2025-10-18 20:30"))
    story.then_nothing()
    again = reopened(ReopenRoute.ESCALATE, cycle=3, cause="survey-2")
    story = hear(story, again, at("2025-10-19 21:40"))
    asked = story.one(CaseRequested)
    assert (asked.cycle, asked.trigger) == (3, CaseTrigger.DISSATISFIED)
    assert asked.cause == event_id("survey-2")
    assert story.state.cases[1].requested_at == at("2025-10-19 21:40")
    hear(story, again, at("2025-10-19 21:40")).then_nothing()


def test_race_6_escalation_never_hears_what_the_customer_answered() -> None:
    heard_types = {event.type for event in HEARD}
    assert "complaint.reopened.v1" in heard_types
    assert not {"survey.answered.v1", "survey.concluded.v1"} & heard_types


@pytest.mark.parametrize("route", [ReopenRoute.TIER1, ReopenRoute.REWORK])
def test_tier_1_is_a_cycle_of_the_manager_and_not_a_case(route: ReopenRoute) -> None:
    hear(nothing(), reopened(route)).then_nothing()


def test_a_regulators_reopening_is_a_tier_4_case() -> None:
    event = reopened(ReopenRoute.ESCALATE, ReopenReason.REGULATOR, regulator=REFERRAL)
    asked = hear(nothing(), event).one(CaseRequested)
    assert (asked.tier, asked.regulator) == (4, REFERRAL)


# --- race 2: closed while the request is in flight -----------------------------------------------


def test_race_2_requested_then_closed_our_own_request_is_withdrawn() -> None:
    story = hear(nothing(), breached(), NOON, "breach")
    story = hear(story, closed(), NOON)
    story.then(withdrawn_event(reason="complaint_closed"))
    assert open_cases(story) == []


def test_race_2_closed_then_requested_intake_declines_and_it_is_withdrawn() -> None:
    """The breach is heard after the closing: intake declines the request, and we hear that."""
    story = hear(nothing(), closed(), NOON)
    story.then_nothing()
    story = hear(story, breached(), NOON, "breach")
    story = hear(story, noted(NotedState.DECLINED), NOON)
    story.then(withdrawn_event(reason="complaint_closed"))
    assert open_cases(story) == []


def test_race_2_a_persons_request_stays_and_intake_reopens() -> None:
    story = hear(nothing(), linked("wish", ContactKind.ESCALATION_WISH), NOON, "wish")
    story = hear(story, closed(), NOON)
    story.then_nothing()
    event = reopened(ReopenRoute.ESCALATE, ReopenReason.ESCALATED, cause="request", case=1)
    story = hear(story, event, NOON)
    assert requests(story) == []
    changed = story.one(CaseCausesChanged)
    assert (changed.cycle, [one.trigger for one in changed.causes]) == (2, [CaseTrigger.WISH])
    assert open_cases(story) == [1]


def test_a_reopening_for_a_case_that_has_ended_meanwhile_asks_for_no_other() -> None:
    story = hear(nothing(), linked("wish", ContactKind.ESCALATION_WISH), NOON, "wish")
    story = story.when(
        DeclineCase(roles=("desk",), at=NOON, case=1, reason="in_time"), actor=OFFICER
    )
    event = reopened(ReopenRoute.ESCALATE, ReopenReason.ESCALATED, cause="request", case=1)
    hear(story, event, NOON).then_nothing()


def test_race_2_what_a_person_added_to_our_request_is_asked_again() -> None:
    """Our request ends with the complaint; the wish that had joined it must not get lost."""
    story = hear(nothing(), breached(), NOON, "breach")
    story = hear(story, linked("wish", ContactKind.ESCALATION_WISH), NOON, "wish")
    story = hear(story, closed(), NOON)
    assert [type(event) for event in story.happened] == [CaseClosed, CaseRequested]
    assert story.one(CaseRequested).trigger is CaseTrigger.WISH
    assert open_cases(story) == [2]


def test_race_2_even_an_accepted_request_of_ours_does_not_outlive_the_complaint() -> None:
    """Never "closed with an open case" at rest."""
    story = accepted(hear(nothing(), breached(), NOON, "breach"))
    assert open_cases(hear(story, closed(), NOON)) == []


def test_an_urge_on_a_closed_complaint_is_no_cause() -> None:
    hear(nothing(), linked("late", urge_no=3, closed=True)).then_nothing()


def test_what_intake_notes_of_a_case_that_is_over_changes_nothing() -> None:
    story = hear(hear(nothing(), breached(), NOON, "breach"), closed(), NOON)
    hear(story, noted(NotedState.DECLINED), NOON).then_nothing()
    hear(story, noted(NotedState.ENDED), NOON).then_nothing()


def test_intake_takes_no_vip_request_for_a_complaint_it_rejected() -> None:
    story = hear(nothing(), registered(ValueTier.IMPORTANT, Urgency.URGENT))
    story = hear(story, closed(Outcome.REJECTED), NOON)
    story.then_nothing()
    story = hear(story, noted(NotedState.DECLINED, CaseTrigger.VIP_SEVERE), NOON)
    story.then(withdrawn_event(reason="complaint_closed"))


# --- race 1 and 8: withdrawn, merged -------------------------------------------------------------


def test_race_1_withdrawal_closes_tiers_2_and_3_accepted_or_not_and_tier_4_goes_on() -> None:
    story = accepted(hear(nothing(), breached(), NOON, "breach"))
    story = hear(story, linked("appeal", ContactKind.REGULATOR_REFERRAL, regulator=REFERRAL), NOON)
    story = hear(story, withdrawn(), NOON)
    story.then(withdrawn_event(reason="complaint_withdrawn"))
    assert open_cases(story) == [2]


def test_race_1_withdrawn_before_the_breach_is_heard_ends_the_same() -> None:
    story = hear(nothing(), withdrawn(), NOON)
    story = hear(story, breached(), NOON, "breach")
    story = hear(story, noted(NotedState.DECLINED), NOON)
    assert open_cases(story) == []


def test_pain_stale_escalation_after_a_merge_an_unaccepted_request_is_withdrawn() -> None:
    story = hear(nothing(), breached(), NOON, "breach")
    hear(story, merged(), NOON).then(withdrawn_event(reason="merged"))
    hear(accepted(story), merged(), NOON).then_nothing()


def test_unmerged_what_only_the_merge_had_withdrawn_is_requested_again_once() -> None:
    """The causes stand: the promise is broken still, and the customer's wish was said."""
    story = hear(nothing(), breached(), NOON, "breach")
    story = hear(story, linked("wish", ContactKind.ESCALATION_WISH), NOON, "wish")
    story = hear(story, merged(), NOON)
    story = hear(story, unmerged(), NOON).then_types(CaseRequested, CaseCausesChanged)
    again = story.one(CaseRequested)
    assert (again.case, again.tier, again.trigger) == (2, 2, CaseTrigger.BREACH)
    assert [one.trigger for one in story.state.cases[2].causes] == [
        CaseTrigger.BREACH,
        CaseTrigger.WISH,
    ]
    hear(story, unmerged(), NOON).then_nothing()


def test_unmerged_an_accepted_case_and_one_that_ended_otherwise_are_left_alone() -> None:
    story = accepted(hear(nothing(), breached(), NOON, "breach"))
    hear(hear(story, merged(), NOON), unmerged(), NOON).then_nothing()
    story = hear(hear(nothing(), breached(), NOON, "breach"), withdrawn(), NOON)
    hear(story, unmerged(), NOON).then_nothing()


def test_an_open_case_goes_on_in_the_new_cycle() -> None:
    """An event of an older cycle starts no work: what the desk does next must carry the new one."""
    story = accepted(hear(nothing(), breached(), NOON, "breach"))
    story = hear(story, reopened(ReopenRoute.REWORK, ReopenReason.CONTACT, cause="call"), NOON)
    assert story.one(CaseCausesChanged).cycle == 2
    assert story.state.cases[1].cycle == 2


def test_a_reopening_asks_for_no_second_case_while_one_is_open() -> None:
    story = hear(nothing(), linked("wish", ContactKind.ESCALATION_WISH), NOON, "wish")
    story = hear(story, reopened(ReopenRoute.ESCALATE), NOON)
    assert requests(story) == []
    changed = story.one(CaseCausesChanged)
    assert (changed.cycle, len(changed.causes)) == (2, 2)


def test_every_trigger_has_a_tier() -> None:
    with pytest.raises(ValueError, match="repeats"):
        nothing(tiers={one: 2 for one in CaseTrigger if one != "repeats"})
