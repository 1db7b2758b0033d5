"""Every race of EVENTS.md that is decided inside intake, in both orders."""

from itertools import permutations

import pytest

from contracts.feedback_survey import SurveyOutcome
from contracts.intake import (
    ComplaintAnswered,
    ComplaintClosed,
    ComplaintContactLinked,
    ComplaintContactUnlinked,
    ComplaintEscalationNoted,
    ComplaintRegistered,
    ComplaintReopened,
    ComplaintVerified,
    NotedState,
    Outcome,
    ReopenReason,
)
from contracts.routing import WorkEnded
from contracts.values import CaseTrigger, ContactKind, RegulatorReferral, ReopenRoute
from libs.decider import Command, To
from services.intake import reactions
from services.intake.domain.commands import RecordLateReply, UnlinkContact
from services.intake.domain.complaint import ComplaintNotOpen
from services.intake.domain.matching import receipt_for
from tests.unit.intake.given import (
    answer,
    asked,
    closed,
    concluded,
    ended,
    link,
    open_complaint,
    requested,
    with_open_case,
    withdraw,
)
from tests.unit.intake.world import DAY, HOUR, TOLD, World, at, contact, event_id, message

# --- 1: withdrawn while the survey is out ---------------------------------------------------------


@pytest.mark.parametrize("said", [SurveyOutcome.CANCELLED, SurveyOutcome.NO_ANSWER])
def test_race_1_both_orders_end_closed(said: SurveyOutcome) -> None:
    first = asked().when(withdraw()).when(concluded(said))
    first.then_nothing()
    assert first.state.closed.outcome is Outcome.WITHDRAWN

    second = asked().when(concluded(said)).when(withdraw(TOLD + 5 * HOUR))
    assert second.state.closed is not None


def test_race_1_a_dissatisfied_reply_crossing_the_withdrawal_ends_withdrawn_in_both_orders() -> (
    None
):
    dissatisfied = concluded(SurveyOutcome.DISSATISFIED)
    first = asked().when(withdraw()).when(dissatisfied)
    second = asked().when(dissatisfied).when(withdraw(TOLD + 5 * HOUR))
    assert first.state.closed.outcome is Outcome.WITHDRAWN
    assert second.state.closed.outcome is Outcome.WITHDRAWN


def test_race_1_what_is_closed_cannot_be_withdrawn_by_staff() -> None:
    closed().when(withdraw(TOLD + 5 * HOUR)).then_refused(ComplaintNotOpen)


def test_race_1_late_and_dissatisfied_after_a_withdrawal_may_reopen() -> None:
    reply = RecordLateReply(at=TOLD + DAY, cycle=1, reply=event_id(5))
    story = asked().when(withdraw()).when(reply).then_types(ComplaintReopened)
    assert story.state.closed is None


# --- 2: closed while case.requested is in flight --------------------------------------------------


@pytest.mark.parametrize("trigger", [CaseTrigger.WISH, CaseTrigger.REGULATOR, CaseTrigger.MEDIA])
def test_race_2_a_person_who_asks_reopens_what_was_closed_meanwhile(trigger: CaseTrigger) -> None:
    story = closed().when(requested(trigger=trigger, at=TOLD + 5 * HOUR))
    story.then_types(ComplaintReopened, ComplaintEscalationNoted)
    again = story.one(ComplaintReopened)
    assert (again.cycle, again.route, again.case) == (2, ReopenRoute.ESCALATE, 1)
    expected = (
        ReopenReason.REGULATOR if trigger is CaseTrigger.REGULATOR else ReopenReason.ESCALATED
    )
    assert again.reason is expected
    noted = story.one(ComplaintEscalationNoted)
    assert (noted.cycle, noted.state) == (2, NotedState.OPEN)


@pytest.mark.parametrize(
    "trigger", [CaseTrigger.BREACH, CaseTrigger.URGES, CaseTrigger.REPEATS, CaseTrigger.VIP_SEVERE]
)
def test_race_2_an_automatic_request_for_a_closed_complaint_is_declined(
    trigger: CaseTrigger,
) -> None:
    story = closed().when(requested(trigger=trigger)).then_types(ComplaintEscalationNoted)
    assert story.one(ComplaintEscalationNoted).state is NotedState.DECLINED
    assert story.state.closed is not None
    assert not story.state.has_case()


def test_race_2_the_other_order_keeps_it_open() -> None:
    story = asked().when(requested(trigger=CaseTrigger.BREACH))
    story = story.when(concluded(SurveyOutcome.SATISFIED))
    assert story.state.closed is None
    story.when(ended()).then_types(ComplaintEscalationNoted, ComplaintClosed)


def test_race_2_never_closed_with_an_open_case_at_rest() -> None:
    steps: dict[str, Command] = {
        "request": requested(trigger=CaseTrigger.WISH),
        "survey": concluded(SurveyOutcome.SATISFIED),
        "answer": answer(),
    }
    for order in permutations(steps):
        story = open_complaint()
        for step in order:
            story = story.when(steps[step])
        assert not (story.state.closed is not None and story.state.has_case()), order


def test_race_2_what_the_customer_withdrew_only_the_regulator_takes_up_again() -> None:
    over = open_complaint().when(withdraw())
    wish = over.when(requested(trigger=CaseTrigger.WISH))
    assert wish.one(ComplaintEscalationNoted).state is NotedState.DECLINED
    referral = RegulatorReferral(ref="MIIT-7")
    appeal = requested(tier=4, trigger=CaseTrigger.REGULATOR, regulator=referral)
    again = over.when(appeal).one(ComplaintReopened)
    assert again.reason is ReopenReason.REGULATOR
    assert again.regulator == referral


def test_race_2_a_wish_after_the_withdrawal_takes_it_up_again() -> None:
    over = open_complaint().when(withdraw())
    story = over.when(link("wish", TOLD + 5 * HOUR, ContactKind.ESCALATION_WISH))
    story = story.then_types(ComplaintContactLinked, ComplaintReopened)
    story = story.when(requested(trigger=CaseTrigger.WISH)).then_types(ComplaintEscalationNoted)
    assert story.one(ComplaintEscalationNoted).state is NotedState.OPEN


def test_a_wish_on_a_closed_complaint_waits_for_the_desks_own_request() -> None:
    story = closed().when(link("wish", TOLD + 5 * HOUR, ContactKind.ESCALATION_WISH))
    story = story.then_types(ComplaintContactLinked)
    assert story.one(ComplaintContactLinked).closed
    story.when(requested(trigger=CaseTrigger.WISH)).then_types(
        ComplaintReopened, ComplaintEscalationNoted
    )


# --- 3, 12: others do not close, and a withdrawal takes no money back ----------------------------


def test_race_3_only_intakes_own_rule_closes() -> None:
    assert WorkEnded not in reactions.HEARD
    with_open_case().when(answer()).when(ended())  # case.closed closes the case
    assert with_open_case().when(answer()).when(ended()).state.closed is None


def test_race_12_grants_are_none_of_intakes_business() -> None:
    assert not [kind for kind in reactions.HEARD if kind.type.startswith("compensation.")]


# --- 6: one dissatisfaction, one new cycle --------------------------------------------------------


def test_race_6_one_dissatisfaction_reopens_once() -> None:
    story = asked().when(concluded(SurveyOutcome.DISSATISFIED)).then_types(ComplaintReopened)
    story.when(concluded(SurveyOutcome.DISSATISFIED)).then_nothing()


# --- 7: the third urge escalates, then is unlinked ------------------------------------------------


def unlink(identity: str, source: str = "wechat", when: object = TOLD + 5 * HOUR) -> UnlinkContact:
    gone = contact(identity, source=source).id
    world = World()
    return UnlinkContact.model_validate(
        {
            "at": when,
            "contact": gone,
            "reason": "another_line",
            "receipt": receipt_for(gone, world),
        }
    )


def test_race_7_the_next_urge_that_makes_three_says_three_again() -> None:
    story = open_complaint()
    counts = []
    for number in (1, 2, 3):
        story = story.when(link(f"u{number}", TOLD + number * HOUR))
        counts.append(story.one(ComplaintContactLinked).urge_no)
    story = story.when(unlink("u1")).then_types(ComplaintContactUnlinked)
    counts.append(story.one(ComplaintContactUnlinked).urge_no)
    story = story.when(link("u4", TOLD + 6 * HOUR))
    counts.append(story.one(ComplaintContactLinked).urge_no)
    assert counts == [1, 2, 3, 2, 3]


# --- 8, 9: an older cycle starts no work any more -------------------------------------------------


def test_race_9_an_answer_of_the_old_cycle_in_flight_is_ignored() -> None:
    reopened = asked().when(concluded(SurveyOutcome.DISSATISFIED))
    reopened.when(answer(1, identity=event_id(77))).then_nothing()
    # the other order: it came before the reopening and was that cycle's answer
    before = open_complaint().when(answer(1, identity=event_id(77)))
    assert before.one(ComplaintAnswered).cycle == 1


def test_race_9_a_case_of_the_old_cycle_still_blocks_closing() -> None:
    story = asked().when(requested()).when(concluded(SurveyOutcome.DISSATISFIED))
    story = story.when(answer(2, identity=event_id(22)))
    assert not story.one(ComplaintAnswered).ask
    story = story.when(ended(decision=event_id(9), decided_at=TOLD + 9 * HOUR))
    answered = story.one(ComplaintAnswered)
    # the old cycle's decision does not answer the new one; the owner's answer does
    assert (answered.answer, answered.ask) == (event_id(22), True)


# --- 13, 14: two doors, one complaint -------------------------------------------------------------

FIRST = message("call-1", subscriber="13900000001", category="billing")
SECOND = message(
    "wx-1", source="wechat", channel="wechat", subscriber="139-0000-0001", category="billing"
)


@pytest.mark.parametrize("pair", [(FIRST, SECOND), (SECOND, FIRST)])
@pytest.mark.parametrize("together", [True, False])
def test_race_13_two_first_contacts_make_one_complaint(
    pair: tuple[dict[str, object], dict[str, object]], together: bool
) -> None:
    world = World()
    batches = [pair] if together else [(pair[0],), (pair[1],)]
    outcomes = [one for batch in batches for one in world.tell(*batch)]
    assert [one["outcome"] for one in outcomes] == ["registered", "linked"]
    assert len(world.happened(ComplaintRegistered)) == 1
    (linked,) = world.happened(ComplaintContactLinked)
    assert linked.urge_no == 1


def test_race_13_the_window_is_read_through_lookups_and_so_checked_at_commit() -> None:
    world = World()
    world.tell(FIRST)
    person = world.vault.persons["13900000001"]
    assert ("open_complaints", {"person": person}) in world.reads


def test_race_14_the_same_message_by_two_doors_is_one() -> None:
    world = World()
    (by_kafka,) = world.tell(FIRST)
    before = len(world.log)
    (by_http,) = world.tell(FIRST)
    assert by_http == by_kafka
    assert len(world.log) == before


# --- 17: an unlinked contact and its new complaint have different keys ----------------------------


def test_race_17_registering_what_an_unlinked_contact_becomes_is_idempotent() -> None:
    world = World()
    world.tell(FIRST)
    world.at("2025-10-12 20:15:00").tell({**SECOND, "time": "2025-10-12T20:15:00+08:00"})
    complaint = contact("call-1", source="10010").id
    wechat = contact("wx-1", source="wechat").id
    world.at("2025-10-15 14:00:00")
    receipt = receipt_for(wechat, world)
    world.apply(
        To(
            str(complaint),
            UnlinkContact(at=world.clock.now(), contact=wechat, reason="other", receipt=receipt),
        )
    )
    # killed between the two: the old complaint alone says that the other one is on its way
    (row,) = world.rows("receipts", receipt=receipt)
    assert (row["stream"], row["complaint"]) == (complaint, wechat)
    assert not world.rows("complaints", complaint=wechat)
    assert world.tell({**SECOND, "time": "2025-10-12T20:15:00+08:00"})[0]["receipt"] == receipt

    unlinked = world.log[-1]
    for _ in range(2):  # heard twice
        world.react(unlinked)
    registered = world.happened(ComplaintRegistered)[-1].registration
    assert len(world.happened(ComplaintRegistered)) == 2
    assert len(world.happened(ComplaintVerified)) == 2
    assert registered.clock_from == at("2025-10-12 20:15:00")
    assert registered.summary == world.happened(ComplaintContactLinked)[0].text
    assert registered.correspondent.receipt == receipt
    assert registered.unlinked_from == complaint
    assert world.rows("complaints", complaint=wechat)
