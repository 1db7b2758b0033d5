"""One complaint, many contacts: receipt, window, urges, and what stands alone (DOMAIN rule 2)."""

from typing import Any
from uuid import UUID

import pytest

from contracts.feedback_survey import NoticeIssued, SurveyConcluded, SurveyOutcome
from contracts.intake import (
    ComplaintClosed,
    ComplaintContactLinked,
    ComplaintContactUnlinked,
    ComplaintReclassified,
    ComplaintRegistered,
    ComplaintReopened,
    ComplaintWithdrawn,
    MatchedBy,
    Outcome,
    WithdrawnBy,
)
from contracts.routing import WorkAnswered
from contracts.values import (
    Category,
    ContactKind,
    CustomerClass,
    Decision,
    Medium,
    NoticeKind,
    PolicyRef,
    SealedText,
    Urgency,
    ValueTier,
)
from libs.decider import To
from services.intake.domain.commands import Reclassify, UnlinkContact
from services.intake.domain.identity import message_key
from services.intake.domain.matching import receipt_for
from tests.unit.intake.world import World, at, message

LI = "13900000001"
WANG = "13900000002"
FIRST = message("call-7781", subscriber=LI, category="billing")
NOBODYS_RECEIPT = "1000-0000-0009"


def world_with_one() -> tuple[World, str]:
    """Sat 2025-10-11 09:00: a billing dispute by phone; its receipt number."""
    world = World()
    (told,) = world.tell(FIRST)
    return world, told["receipt"]


def told_at(time: str, identity: str, **data: Any) -> dict[str, Any]:
    return message(
        identity, source="wechat", time=time, **{"channel": "wechat", "subscriber": LI, **data}
    )


def answered(cycle: int = 1) -> WorkAnswered:
    return WorkAnswered(
        cycle=cycle,
        explanation="sealed",
        decision=Decision.UPHELD,
        told_by=Medium.CALL,
        team="team-1",
        agent="a-1",
    )


def survey(outcome: SurveyOutcome, cycle: int = 1) -> SurveyConcluded:
    return SurveyConcluded(cycle=cycle, outcome=outcome, reason="score")


# --- told again -----------------------------------------------------------------------------------


def test_the_same_message_three_times_is_one_complaint_with_one_receipt() -> None:
    world = World()
    first = world.tell(FIRST, FIRST)
    again = World.tell(world.at("2025-10-11 09:00:03"), FIRST)
    assert [one["outcome"] for one in (*first, *again)] == ["registered"] * 3
    assert len({one["receipt"] for one in (*first, *again)}) == 1
    assert len(world.log) == 2  # registered and verified


def test_the_complaint_is_named_by_source_and_message_id_alone() -> None:
    world, _ = world_with_one()
    assert world.happened(ComplaintRegistered)[0].registration.contact.id == message_key(
        "10010", "call-7781"
    )
    assert message_key("10010", "call-7781") != message_key("10010 call", "7781")


# --- the window (SCENARIOS S7) --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("time", "outcome"),
    [
        ("2025-10-11T09:00:01+08:00", "linked"),
        ("2025-10-18T09:00:00+08:00", "linked"),
        ("2025-10-18T09:00:00.000001+08:00", "registered"),
        ("2025-10-18T09:00:01+08:00", "registered"),
    ],
)
def test_seven_days_inclusive(time: str, outcome: str) -> None:
    world, _ = world_with_one()
    world.at("2025-10-18 10:00:00")
    (told,) = world.tell(told_at(time, "wx-1", category="billing"))
    assert told["outcome"] == outcome


def test_another_category_or_another_subscriber_is_another_complaint() -> None:
    world, _ = world_with_one()
    other = world.tell(
        told_at("2025-10-11T09:00:00+08:00", "wx-1", category="broadband.fault"),
        told_at("2025-10-11T09:00:00+08:00", "wx-2", category="billing", subscriber=WANG),
        told_at("2025-10-11T09:00:00+08:00", "wx-3", category="billing.overcharge"),
    )
    assert [one["outcome"] for one in other] == ["registered"] * 3


def test_an_earlier_contact_that_comes_later_belongs_to_it_too() -> None:
    world, _ = world_with_one()
    (told,) = world.tell(told_at("2025-10-10T09:00:00+08:00", "wx-1", category="billing"))
    assert told["outcome"] == "linked"


def test_unclassified_never_matches_the_window() -> None:
    world = World()
    unclear = {"text": "请尽快联系我", "subscriber": LI}
    outcomes = world.tell(message("a", **unclear), message("b", **unclear))
    assert [one["outcome"] for one in outcomes] == ["registered", "registered"]


def test_an_anonymous_message_matches_nobody() -> None:
    world = World()
    outcomes = world.tell(message("a", category="billing"), message("b", category="billing"))
    assert [one["outcome"] for one in outcomes] == ["registered", "registered"]
    persons = [one.registration.correspondent for one in world.happened(ComplaintRegistered)]
    assert all(one.anonymous for one in persons)
    assert len({one.person for one in persons}) == 2


def test_praise_is_no_urge_of_a_complaint() -> None:
    world, receipt = world_with_one()
    told = world.tell(
        told_at("2025-10-11T10:00:00+08:00", "p-1", category="billing", complaint_kind="praise"),
        told_at("2025-10-11T10:00:00+08:00", "p-2", receipt=receipt, complaint_kind="praise"),
    )
    assert [one["outcome"] for one in told] == ["registered", "linked"]
    (linked,) = world.happened(ComplaintContactLinked)
    assert (linked.contact.kind, linked.urge_no) == (ContactKind.FACT, 0)


def test_the_latest_of_several_that_fit_takes_it() -> None:
    world, _ = world_with_one()
    world.tell(told_at("2025-10-12T11:00:00+08:00", "wx-1", category="product"))
    second = message_key("wechat", "wx-1")
    change = Reclassify(at=world.clock.now(), category=Category.BILLING, reason="heard_again")
    world.apply(To(str(second), change))
    third = told_at("2025-10-12T11:30:00+08:00", "wx-2", category="billing")
    assert world.tell(third)[0]["complaint"] == str(second)


def test_a_message_told_again_after_its_complaint_was_closed_is_still_that_message() -> None:
    world, _ = world_with_one()
    urge = told_at("2025-10-11T10:00:00+08:00", "wx-1", category="billing")
    (first,) = world.tell(urge)
    complaint = message_key("10010", "call-7781")
    world.hear(answered(), survey(SurveyOutcome.SATISFIED), subject=complaint)
    before = len(world.log)
    assert world.tell(urge) == [first]
    assert len(world.log) == before


# --- the receipt ----------------------------------------------------------------------------------


def test_a_quoted_receipt_links_whatever_the_category_and_however_late() -> None:
    world, receipt = world_with_one()
    world.at("2025-11-20 09:00:00")
    (told,) = world.tell(
        told_at("2025-11-20T09:00:00+08:00", "s-1", receipt=receipt, category="broadband.fault")
    )
    assert told["outcome"] == "linked"
    (linked,) = world.happened(ComplaintContactLinked)
    assert linked.matched_by is MatchedBy.RECEIPT
    assert (linked.contact.kind, linked.urge_no) == (ContactKind.URGE, 1)


@pytest.mark.parametrize("receipt", [NOBODYS_RECEIPT, "1000-0000-0001", "ABCD"])
def test_a_receipt_that_is_nobodys_or_mistyped_does_not_cost_the_customer_their_words(
    receipt: str,
) -> None:
    world, _ = world_with_one()
    own = told_at("2025-10-11T10:00:00+08:00", "s-1", receipt=receipt, category="product")
    urge = told_at("2025-10-11T10:00:00+08:00", "s-2", receipt=receipt, category="billing")
    assert [one["outcome"] for one in world.tell(own, urge)] == ["registered", "linked"]


def test_a_number_whose_complaint_is_still_being_registered_costs_nobody_their_words() -> None:
    world, _ = world_with_one()
    world.tell(told_at("2025-10-11T10:00:00+08:00", "wx-1", category="billing"))
    wechat = message_key("wechat", "wx-1")
    receipt = receipt_for(wechat, world)
    unlink = UnlinkContact(at=world.clock.now(), contact=wechat, reason="r", receipt=receipt)
    world.apply(To(str(message_key("10010", "call-7781")), unlink))
    (told,) = world.tell(
        told_at("2025-10-11T10:00:01+08:00", "s-1", receipt=receipt, category="product")
    )
    assert told["outcome"] == "registered"


def test_two_complaints_never_share_a_number() -> None:
    world, receipt = world_with_one()
    taken = next(row for key, row in world.shown.items() if key[0] == "receipts")
    wechat = message_key("wechat", "wx-1")
    first_choice = receipt_for(wechat, World())
    world.shown["receipts", ("x",)] = type(taken)(
        "receipts",
        (("receipt", first_choice), ("stream", UUID(int=1))),
        (("complaint", UUID(int=1)), *taken.values[1:]),
    )
    own = told_at("2025-10-11T10:00:00+08:00", "wx-1", category="product")
    assert world.tell(own)[0]["receipt"] not in (first_choice, receipt)


# --- what the channel itself calls an urge, a reply, a wish ---------------------------------------


@pytest.mark.parametrize("kind", ["urge", "fact", "reply", "escalation_wish"])
def test_without_a_category_the_only_open_complaint_of_the_customer_is_meant(kind: str) -> None:
    world, _ = world_with_one()
    (told,) = world.tell(
        told_at("2025-10-11T10:00:00+08:00", "u-1", kind=kind, text="怎么还没人联系我")
    )
    assert told["outcome"] == "linked"
    assert world.happened(ComplaintContactLinked)[0].contact.kind.value == kind


def test_where_two_are_open_it_is_not_guessed() -> None:
    world, _ = world_with_one()
    world.tell(told_at("2025-10-11T09:30:00+08:00", "wx-1", category="product"))
    (told,) = world.tell(
        told_at("2025-10-11T10:00:00+08:00", "u-1", kind="urge", text="怎么还没人联系我")
    )
    assert told["outcome"] == "registered"
    (empty,) = world.tell(told_at("2025-10-11T10:00:00+08:00", "u-2", kind="urge", text=""))
    assert (empty["outcome"], empty["rule"]) == ("refused", "several-fit")


def test_a_message_brings_its_evidence_and_says_that_its_customer_is_another_operators() -> None:
    world = World()
    bill = {"kind": "bill", "ref": "billing/2025-09/4711", "sha256": "ab" * 32}
    world.tell_one(subscriber=LI, other_operator=True, evidence=[bill])
    (registered,) = world.happened(ComplaintRegistered)
    told = registered.registration
    assert [one.model_dump() for one in told.evidence] == [bill]
    assert told.profile.other_operator


def test_a_complaint_keeps_the_tier_it_began_with_whatever_later_contacts_say() -> None:
    """DOMAIN rule 3: "a complaint keeps the treatment of the tier it began with"; the customer
    has become important meanwhile, and what is new from then on is an important one's."""
    world, _ = world_with_one()
    later = {"value_tier": "important", "customer_class": "enterprise", "category": "billing"}
    world.tell(told_at("2025-10-12T10:00:00+08:00", "n-1", **later))
    (linked,) = world.happened(ComplaintContactLinked)
    assert linked.urge_no == 1
    change = Reclassify(at=world.clock.now(), urgency=Urgency.COMPLEX, reason="heard_again")
    world.apply(To(str(message_key("10010", "call-7781")), change))
    (changed,) = world.happened(ComplaintReclassified)
    kept = changed.profile
    assert (kept.value_tier, kept.customer_class) == (ValueTier.ORDINARY, CustomerClass.PERSONAL)
    world.tell(told_at("2025-10-12T11:00:00+08:00", "n-2", **{**later, "category": "product"}))
    new = world.happened(ComplaintRegistered)[-1].registration.profile
    assert new.value_tier is ValueTier.IMPORTANT


def test_facts_and_replies_are_no_urges() -> None:
    world, receipt = world_with_one()
    for number, kind in enumerate(("fact", "reply", "escalation_wish")):
        world.tell(told_at("2025-10-11T10:00:00+08:00", f"n-{number}", kind=kind, receipt=receipt))
    assert [one.urge_no for one in world.happened(ComplaintContactLinked)] == [0, 0, 0]


@pytest.mark.parametrize("kind", ["withdrawal", "survey_reply", "partner_report"])
def test_what_belongs_to_nothing_and_founds_nothing_is_refused_with_advice(kind: str) -> None:
    (told,) = World().tell(message("x-1", kind=kind, subscriber=LI))
    assert (told["outcome"], told["rule"]) == ("refused", "nothing-to-link")
    assert "receipt" in told["problem"]


def test_a_refused_message_stays_refused() -> None:
    world = World()
    lonely = message("x-1", kind="survey_reply", subscriber=LI)
    (refused,) = world.tell(lonely)
    world.tell(FIRST)
    before = len(world.log)
    assert world.tell(lonely)[0] == refused
    assert len(world.log) == before


def test_the_regulator_and_the_media_found_a_complaint_even_without_words() -> None:
    world = World()
    world.tell(
        message("m-1", kind="regulator_referral", channel="regulator", text="",
                regulator={"ref": "MIIT-1"}),
        message("m-2", kind="media_exposure", channel="social", text=""),
    )  # fmt: skip
    referred, exposed = (one.registration for one in world.happened(ComplaintRegistered))
    assert referred.contact.kind is ContactKind.REGULATOR_REFERRAL
    assert referred.regulator.ref == "MIIT-1"
    assert exposed.profile.media


# --- survey replies and delivery reports ----------------------------------------------------------


def test_a_survey_reply_without_receipt_finds_the_complaint_that_was_asked_about() -> None:
    world, _ = world_with_one()
    world.tell(told_at("2025-10-11T09:30:00+08:00", "wx-1", category="product"))
    world.hear(answered(), subject=message_key("10010", "call-7781"))
    (told,) = world.tell(
        told_at("2025-10-11T12:00:00+08:00", "r-1", kind="survey_reply", text="",
                survey={"score": 9, "resolved": True})
    )  # fmt: skip
    assert told["complaint"] == str(message_key("10010", "call-7781"))
    (linked,) = world.happened(ComplaintContactLinked)
    assert (linked.survey_reply.score, linked.matched_by) == (9, MatchedBy.NOTICE)


def test_a_survey_reply_that_could_mean_two_is_not_guessed() -> None:
    world, _ = world_with_one()
    world.tell(told_at("2025-10-11T09:30:00+08:00", "wx-1", category="product"))
    world.hear(answered(), subject=message_key("10010", "call-7781"))
    world.hear(answered(), subject=message_key("wechat", "wx-1"))
    (told,) = world.tell(
        told_at("2025-10-11T12:00:00+08:00", "r-1", kind="survey_reply", survey={"score": 2})
    )
    assert (told["outcome"], told["rule"]) == ("refused", "several-fit")


def notice(kind: NoticeKind, identity: int = 4) -> NoticeIssued:
    registered = World()
    registered.tell(FIRST)
    return NoticeIssued(
        cycle=1,
        notice=UUID(int=identity),
        kind=kind,
        by=Medium.MESSAGE,
        reply_to=None,
        not_before=at("2025-10-11 09:00:00"),
        template=PolicyRef(name="receipt", version="v1"),
        text=(SealedText(sealed="x"),),
        correspondent=registered.happened(ComplaintRegistered)[0].registration.correspondent,
    )


def test_a_delivery_report_finds_its_complaint_by_the_notice_alone() -> None:
    world, _ = world_with_one()
    world.hear(notice(NoticeKind.RECEIPT), subject=message_key("10010", "call-7781"))
    (told,) = world.tell(
        message("d-1", source="sms-gateway", kind="delivery_report", channel="sms", text="",
                delivery={"notice": str(UUID(int=4)), "by": "message", "result": "delivered"})
    )  # fmt: skip
    assert told["outcome"] == "linked"
    (linked,) = world.happened(ComplaintContactLinked)
    assert linked.matched_by is MatchedBy.NOTICE
    assert linked.delivery_report.notice == UUID(int=4)
    assert linked.standalone is None


# --- withdrawing by message -----------------------------------------------------------------------


def test_the_customer_withdraws_by_message() -> None:
    world, receipt = world_with_one()
    (told,) = world.tell(
        told_at("2025-10-11T10:00:00+08:00", "w-1", kind="withdrawal", receipt=receipt, text="算了")
    )
    (withdrawn,) = world.happened(ComplaintWithdrawn)
    assert withdrawn.by is WithdrawnBy.CUSTOMER
    assert withdrawn.contact.id == message_key("wechat", "w-1")
    assert world.happened(ComplaintClosed)[0].outcome is Outcome.WITHDRAWN
    assert told["outcome"] == "linked"


def test_somebody_else_cannot_withdraw_but_what_they_said_is_on_record() -> None:
    world, receipt = world_with_one()
    stranger = told_at(
        "2025-10-11T10:00:00+08:00", "w-1", kind="withdrawal", receipt=receipt, subscriber=WANG
    )
    assert world.tell(stranger)[0]["outcome"] == "linked"
    assert not world.happened(ComplaintWithdrawn)
    papers = {**stranger, "id": "w-2", "data": {**stranger["data"], "representative": True}}
    world.tell(papers)
    assert world.happened(ComplaintWithdrawn)[0].by is WithdrawnBy.REPRESENTATIVE


def test_withdrawing_twice_is_a_contact_the_second_time() -> None:
    world, receipt = world_with_one()
    for number in (1, 2):
        world.tell(
            told_at(
                f"2025-10-11T10:0{number}:00+08:00", f"w-{number}", kind="withdrawal",
                receipt=receipt,
            )
        )  # fmt: skip
    assert len(world.happened(ComplaintWithdrawn)) == 1
    (linked,) = world.happened(ComplaintContactLinked)
    assert linked.contact.kind is ContactKind.WITHDRAWAL


# --- closed complaints ----------------------------------------------------------------------------


def closed_world() -> tuple[World, str]:
    """Closed satisfied on Sat 2025-10-11 12:00."""
    world, receipt = world_with_one()
    subject = message_key("10010", "call-7781")
    world.at("2025-10-11 12:00:00")
    world.hear(answered(), survey(SurveyOutcome.SATISFIED), subject=subject)
    assert world.happened(ComplaintClosed)
    return world, receipt


def test_a_closed_complaint_is_not_in_the_window() -> None:
    world, _ = closed_world()
    world.at("2025-10-11 13:00:00")
    (told,) = world.tell(told_at("2025-10-11T13:00:00+08:00", "wx-1", category="billing"))
    assert told["outcome"] == "registered"


@pytest.mark.parametrize(
    ("time", "outcome", "reopened"),
    [
        ("2025-11-10 12:00:00", "linked", 1),
        ("2025-11-10 12:00:01", "registered", 0),
    ],
)
def test_the_receipt_of_a_closed_complaint_reopens_for_thirty_days(
    time: str, outcome: str, reopened: int
) -> None:
    world, receipt = closed_world()
    world.at(time)
    moment = f"{time.replace(' ', 'T')}+08:00"
    (told,) = world.tell(told_at(moment, "wx-1", category="billing", receipt=receipt))
    assert told["outcome"] == outcome
    assert len(world.happened(ComplaintReopened)) == reopened


# --- SCENARIOS S7, as far as intake goes ----------------------------------------------------------


def test_s7_one_complaint_many_channels_urges_and_a_reversible_link() -> None:
    world, receipt = world_with_one()
    complaint = message_key("10010", "call-7781")
    wechat = message_key("wechat", "wx-9")
    world.at("2025-10-12 20:15:00")
    world.tell(told_at("2025-10-12T20:15:00+08:00", "wx-9", category="billing"))
    world.at("2025-10-14 10:00:00")
    world.tell(
        message("sms-3", source="sms", channel="sms", time="2025-10-14T10:00:00+08:00",
                subscriber=LI, receipt=receipt, text="催一下")
    )  # fmt: skip
    world.at("2025-10-15 11:00:00")
    world.tell(
        message("app-4", source="app", channel="app", time="2025-10-15T11:00:00+08:00",
                subscriber=LI, category="billing")
    )  # fmt: skip
    assert [one.urge_no for one in world.happened(ComplaintContactLinked)] == [1, 2, 3]
    assert world.complaint(complaint).clock_from == at("2025-10-11 09:00:00")

    world.at("2025-10-15 14:00:00")
    unlink = UnlinkContact(
        at=world.clock.now(),
        contact=wechat,
        reason="another_line",
        receipt=receipt_for(wechat, world),
    )
    world.apply(To(str(complaint), unlink))
    (unlinked,) = world.happened(ComplaintContactUnlinked)
    assert unlinked.urge_no == 2
    world.react(world.log[-1])
    own = world.happened(ComplaintRegistered)[-1].registration
    assert own.clock_from == at("2025-10-12 20:15:00")
    assert own.profile.category.value == "billing"
    assert own.contact.kind is ContactKind.FIRST
    assert own.correspondent.receipt != receipt
    # both steps are on record, and the old complaint's history is not rewritten
    assert len(world.complaint(complaint).contacts) == 3

    world.at("2025-10-16 09:00:00")
    world.tell(told_at("2025-10-16T09:00:00+08:00", "wx-10", receipt=receipt))
    assert world.happened(ComplaintContactLinked)[-1].urge_no == 3
    assert len(world.happened(ComplaintRegistered)) == 2
