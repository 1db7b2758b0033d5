"""Two complaints about one matter: merged, unmerged, in chains, and in both orders of each race."""

from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from contracts.escalation import CaseAccepted, CaseRequested
from contracts.feedback_survey import SurveyConcluded, SurveyOutcome
from contracts.intake import (
    Check,
    ComplaintAnswered,
    ComplaintClosed,
    ComplaintContactLinked,
    ComplaintContactUnlinked,
    ComplaintEscalationNoted,
    ComplaintMerged,
    ComplaintReopened,
    ComplaintUnmerged,
    MatchedBy,
    WithdrawnBy,
)
from contracts.values import CaseTrigger, ContactKind
from libs.decider import DomainError, Event, To
from services.intake.domain import merging, rows
from services.intake.domain.commands import (
    ConcludeSurvey,
    LinkMerged,
    Merge,
    RecordAnswer,
    RecordCaseAccepted,
    RecordCaseRequested,
    UnlinkContact,
    Unmerge,
    VerifyComplaint,
    Withdraw,
)
from services.intake.domain.complaint import (
    ComplaintIsWithdrawn,
    ComplaintMergedAway,
    ComplaintNotOpen,
    ComplaintUnknown,
)
from services.intake.domain.identity import message_key
from services.intake.domain.matching import outcome
from services.intake.domain.receipt import receipt_of
from tests.unit.intake.world import World, event_id, message

EARLIER = message_key("10010", "b-1")
LATER = message_key("10010", "a-1")
THIRD = message_key("10010", "c-1")
NUMBER = "13900000001"


@dataclass
class Matter:
    """A customer's complaints: one of Saturday 09:00, one of 10:00 in another category."""

    world: World = field(default_factory=World)
    heard: int = 0

    def tell(self, name: str, hour: int, category: str, **more: Any) -> dict[str, Any]:
        told = message(
            name,
            time=f"2025-10-11T{hour:02}:00:00+08:00",
            **{"subscriber": NUMBER, "category": category, **more},
        )
        return dict(self.world.tell(told)[0])

    def ask(self, subject: UUID, command: Merge | Unmerge) -> list[Event]:
        """As the HTTP door asks: the other complaint is looked at, then it is decided."""
        if isinstance(command, Merge):
            chosen = merging.choose_merge(subject, command, self.world)
        else:
            chosen = merging.choose_unmerge(subject, command, self.world)
        return [event for to in chosen for event in self.world.apply(to)]

    def merge(self, subject: UUID = LATER, into: UUID = EARLIER, **more: Any) -> list[Event]:
        now = self.world.clock.now()
        return self.ask(subject, Merge(at=now, into=into, reason="same_matter", **more))

    def unmerge(self, subject: UUID = LATER) -> list[Event]:
        return self.ask(subject, Unmerge(at=self.world.clock.now(), reason="another_matter"))

    def settle(self) -> "Matter":
        """Intake hears what it wrote, in order, and what that leads to."""
        while self.heard < len(self.world.log):
            self.heard += 1
            self.world.react(self.world.log[self.heard - 1])
        return self

    def do(self, command: Any, subject: UUID = LATER) -> list[Event]:
        return self.world.apply(To(str(subject), command))

    def state(self, subject: UUID = LATER) -> Any:
        return self.world.complaint(subject)

    def shown(self, subject: UUID = LATER) -> str:
        return rows.state_of(self.state(subject))


@pytest.fixture
def two() -> Matter:
    matter = Matter()
    matter.tell("b-1", 9, "billing.overcharge")
    matter.tell("a-1", 10, "product")
    matter.world.at("2025-10-11 11:00:00")
    return matter.settle()


def refused(matter: Matter, *args: Any, **more: Any) -> type[DomainError]:
    before = len(matter.world.log)
    with pytest.raises(DomainError) as error:
        matter.merge(*args, **more)
    assert len(matter.world.log) == before
    return error.type


def standing(matter: Matter, subject: UUID = EARLIER) -> list[tuple[str, str]]:
    return [
        (one.contact.message, one.contact.kind.value)
        for one in matter.state(subject).contacts
        if one.stands
    ]


# --- merged --------------------------------------------------------------------------------------


def test_the_survivor_links_every_contact_and_the_complaint_itself_counts_as_an_urge(
    two: Matter,
) -> None:
    """DOMAIN rule 2: "A further contact on an open complaint ... is linked to it and counts as an
    urge"; EVENTS 6: "`contact_linked` on the survivor (other key: a second hop ...)".
    """
    two.tell("a-2", 11, "product", kind="fact", text="补充")
    two.tell("a-3", 11, "product", kind="urge", text="催办")
    (merged,) = two.merge()
    assert isinstance(merged, ComplaintMerged)
    assert standing(two) == [], "not before the second hop"
    two.settle()
    linked = [one for one in two.world.log if isinstance(one.data, ComplaintContactLinked)][-3:]
    assert [one.subject for one in linked] == [str(EARLIER)] * 3
    assert [
        (one.data.contact.kind, one.data.urge_no, one.data.matched_by, one.data.merged_from)
        for one in linked
    ] == [
        (ContactKind.URGE, 1, MatchedBy.MERGE, LATER),
        (ContactKind.FACT, 1, MatchedBy.MERGE, LATER),
        (ContactKind.URGE, 2, MatchedBy.MERGE, LATER),
    ]
    assert linked[0].data.text == two.state().registration.summary
    assert (two.shown(), two.shown(EARLIER)) == ("merged", "in_handling")


def test_what_came_with_a_contact_goes_with_it_to_the_survivor_as_far_as_it_fits(
    two: Matter,
) -> None:
    bill = {"kind": "bill", "ref": "billing/2025-09/4711", "sha256": "ab" * 32}
    photos = [{"kind": "photo", "ref": f"store/{n}/" + "x" * 190} for n in range(20)]
    two.tell("a-2", 11, "product", kind="fact", text="补充", evidence=[bill])
    for number in range(3, 20):
        two.tell(f"a-{number}", 11, "product", kind="fact", text="补充", evidence=photos)
    two.merge()
    two.settle()
    moved = two.state(EARLIER).contacts
    assert [one.model_dump() for one in moved[1].evidence] == [bill]
    assert [len(one.evidence) for one in moved[2:]] == [20] * 16 + [0]
    (merged,) = two.world.happened(ComplaintMerged)
    assert len(merged.model_dump_json()) < 256 * 1024


def test_a_suggestion_merged_into_a_complaint_is_a_fact_to_it(two: Matter) -> None:
    two.tell("c-1", 11, "product", complaint_kind="suggestion")
    two.merge(THIRD)
    assert standing(two.settle()) == [("c-1", "fact")]


def test_merged_twice_is_merged_once(two: Matter) -> None:
    assert two.merge()
    assert two.merge() == []
    assert two.settle().merge() == []
    hop = next(one for one in two.world.log if isinstance(one.data, ComplaintMerged))
    before = len(two.world.log)
    two.world.react(hop)  # heard again
    assert len(two.world.log) == before


def test_what_was_merged_is_merged_into_nothing_else(two: Matter) -> None:
    two.tell("c-1", 8, "service.quality")
    two.merge()
    assert refused(two, LATER, THIRD) is ComplaintMergedAway


def test_never_into_itself_into_nothing_or_of_nothing(two: Matter) -> None:
    assert refused(two, LATER, LATER) is merging.MergeIntoItself
    assert refused(two, LATER, THIRD) is merging.SurvivorUnknown
    assert refused(two, THIRD, EARLIER) is ComplaintUnknown


def test_the_earlier_complaint_survives_for_its_promises_are_running(two: Matter) -> None:
    assert refused(two, EARLIER, LATER) is merging.SurvivorIsLater


def test_a_complaint_does_not_vanish_in_a_suggestion(two: Matter) -> None:
    two.tell("c-1", 8, "product", complaint_kind="suggestion")
    assert refused(two, LATER, THIRD) is merging.SurvivorNoComplaint


def test_two_customers_are_both_answered_unless_staff_made_sure_it_is_one(two: Matter) -> None:
    """DOMAIN, The closed loop: "the customer was answered AND asked"."""
    two.tell("c-1", 11, "product", subscriber="13900000002")
    assert refused(two, THIRD, EARLIER) is merging.DifferentCustomers
    (merged,) = two.merge(THIRD, EARLIER, same_customer=True)
    assert isinstance(merged, ComplaintMerged)
    assert merged.same_customer, "and that is on record"


def test_not_into_what_is_withdrawn_closed_or_rejected(two: Matter) -> None:
    two.do(Withdraw(at=two.world.clock.now(), by=WithdrawnBy.STAFF, reason="said"), EARLIER)
    assert refused(two) is merging.SurvivorNotOpen
    two.tell("r-1", 8, "billing", representative=True)
    rejected = VerifyComplaint(
        at=two.world.clock.now(), valid=False, reason="no_papers", checked=(Check.IDENTITY,)
    )
    two.do(rejected, message_key("10010", "r-1"))
    assert refused(two, LATER, message_key("10010", "r-1")) is merging.SurvivorNotOpen


def test_what_is_withdrawn_or_closed_is_not_merged(two: Matter) -> None:
    two.do(Withdraw(at=two.world.clock.now(), by=WithdrawnBy.STAFF, reason="said"))
    assert refused(two) is ComplaintNotOpen


def test_withdrawn_and_still_open_for_the_regulator_it_is_not_merged(two: Matter) -> None:
    two.do(case_requested(tier=4, trigger=CaseTrigger.REGULATOR))
    two.do(Withdraw(at=two.world.clock.now(), by=WithdrawnBy.STAFF, reason="said"))
    assert refused(two) is ComplaintIsWithdrawn


def test_more_contacts_than_fit_into_one_event_are_refused(two: Matter) -> None:
    for number in range(50):
        two.tell(f"u-{number}", 11, "product", kind="urge")
    assert refused(two) is merging.TooMuchToMerge


def test_words_that_do_not_fit_into_the_event_stay_with_the_merged_complaint(two: Matter) -> None:
    for number in range(3):
        two.tell(f"u-{number}", 11, "product", kind="urge")
    state = two.state()
    long, *rest = state.contacts
    contacts = (replace(long, text="x" * 65_530), *rest)
    two.world.states[("complaint", str(LATER))] = replace(state, contacts=contacts)
    (merged,) = two.merge()
    assert isinstance(merged, ComplaintMerged)
    assert [one.text is None for one in merged.contacts] == [False, True, True, True]
    assert [one.contact.message for one in merged.contacts] == ["a-1", "u-0", "u-1", "u-2"]


# --- what comes after ----------------------------------------------------------------------------


def test_further_contacts_go_to_the_complaint_that_goes_on(two: Matter) -> None:
    """DOMAIN rule 2: "all channels share one record": by the old receipt and the old category."""
    two.merge()
    two.settle()
    by_receipt = two.tell("w-1", 12, "privacy", kind="urge", receipt=receipt_of(LATER))
    by_window = two.tell("w-2", 12, "product")
    assert {by_receipt["complaint"], by_window["complaint"]} == {str(EARLIER)}
    assert {by_receipt["receipt"], by_window["receipt"]} == {receipt_of(EARLIER)}
    assert standing(two)[-2:] == [("w-1", "urge"), ("w-2", "urge")]


def test_the_customer_of_both_withdraws_what_goes_on_by_either_receipt(two: Matter) -> None:
    two.merge()
    two.settle()
    two.tell("w-1", 12, "product", kind="withdrawal", receipt=receipt_of(LATER))
    assert two.shown(EARLIER) == "closed"


def test_once_the_survivor_is_closed_old_numbers_lead_nowhere_new(two: Matter) -> None:
    """What was settled by a withdrawal is not reopened by words said before it."""
    two.merge()
    two.settle()
    two.do(Withdraw(at=two.world.clock.now(), by=WithdrawnBy.STAFF, reason="said"), EARLIER)
    anew = two.tell("w-2", 12, "product")
    assert (anew["outcome"], anew["complaint"]) == ("registered", str(message_key("10010", "w-2")))


def test_the_message_that_told_it_first_has_its_first_outcome(two: Matter) -> None:
    """EVENTS race 14: "second one writes nothing, answers with the same receipt"."""
    before = dict(outcome(LATER, two.world))
    two.merge()
    two.settle()
    assert outcome(LATER, two.world) == before
    assert (before["outcome"], before["receipt"]) == ("registered", receipt_of(LATER))


def test_a_contact_that_came_by_a_merge_is_not_unlinked_alone(two: Matter) -> None:
    two.merge()
    two.settle()
    gone = UnlinkContact(
        at=two.world.clock.now(), contact=LATER, reason="other", receipt=receipt_of(LATER)
    )
    with pytest.raises(merging.CameByMerge):
        two.do(gone, EARLIER)


# --- unmerged ------------------------------------------------------------------------------------


def test_unmerged_its_contacts_go_back_and_it_is_a_complaint_of_its_own_again(two: Matter) -> None:
    """DOMAIN rule 2: "linking is reversible and both steps are on record"."""
    two.merge()
    two.settle()
    (unmerged,) = two.unmerge()
    assert isinstance(unmerged, ComplaintUnmerged)
    assert (unmerged.survivor, unmerged.contacts) == (EARLIER, (LATER,))
    assert unmerged.clock_from == two.state().registration.clock_from
    assert unmerged.verified
    two.settle()
    (back,) = two.world.happened(ComplaintContactUnlinked)
    assert (back.contact.id, back.urge_no, back.becomes) == (LATER, 0, None)
    assert standing(two) == []
    assert two.shown() == "in_handling"
    assert len(two.world.happened(ComplaintMerged)) == 1
    assert outcome(LATER, two.world)["receipt"] == receipt_of(LATER)


def test_unmerged_twice_is_unmerged_once_and_never_merged_is_refused(two: Matter) -> None:
    with pytest.raises(merging.NotMerged):
        two.unmerge()
    two.merge()
    assert two.unmerge()
    assert two.unmerge() == []


def test_merged_again_after_all_its_contacts_are_linked_again(two: Matter) -> None:
    for _ in range(2):
        two.merge()
        assert standing(two.settle()) == [("a-1", "urge")]
        two.unmerge()
        assert standing(two.settle()) == []


def test_an_unlinked_contact_may_be_merged_back_where_it_came_from() -> None:
    matter = Matter()
    matter.tell("b-1", 9, "billing")
    matter.tell("a-1", 10, "billing")
    receipt = receipt_of(LATER)
    now = matter.world.clock.now()
    matter.do(UnlinkContact(at=now, contact=LATER, reason="other", receipt=receipt), EARLIER)
    assert matter.settle().shown() == "in_handling"
    assert matter.merge()
    assert standing(matter.settle()) == [("a-1", "urge")]
    matter.unmerge()
    assert standing(matter.settle()) == []
    assert outcome(LATER, matter.world)["receipt"] == receipt


def test_unmerged_before_it_was_verified_it_says_so(two: Matter) -> None:
    two.tell("c-1", 11, "billing", representative=True)
    two.merge(THIRD)
    (unmerged,) = two.unmerge(THIRD)
    assert isinstance(unmerged, ComplaintUnmerged)
    assert not unmerged.verified


# --- chains --------------------------------------------------------------------------------------


@pytest.fixture
def three(two: Matter) -> Matter:
    two.tell("c-1", 8, "service.quality")
    return two.settle()


@pytest.mark.parametrize("in_flight", [False, True])
def test_in_a_chain_all_contacts_reach_the_last_one_even_those_still_on_their_way(
    three: Matter, in_flight: bool
) -> None:
    three.merge(LATER, EARLIER)
    if not in_flight:
        three.settle()
    assert refused(three, THIRD, LATER) in (merging.SurvivorMergedAway, merging.SurvivorIsLater)
    three.merge(EARLIER, THIRD)
    three.settle()
    assert sorted(standing(three, THIRD)) == [("a-1", "urge"), ("b-1", "urge")]
    told = three.tell("w-1", 12, "privacy", kind="urge", receipt=receipt_of(LATER))
    assert told["complaint"] == str(THIRD)


def purged(matter: Matter, subject: UUID) -> None:
    """As intake stands after its records went: no stream, and no row made from it."""
    del matter.world.states["complaint", str(subject)]
    rows_of = [key for key, row in matter.world.shown.items() if str(subject) in str(row.key)]
    for key in rows_of:
        del matter.world.shown[key]


def test_words_on_a_complaint_whose_survivor_was_purged_stand_on_their_own(two: Matter) -> None:
    """The one that went on for it passed its retention; a hold keeps the one merged into it."""
    two.merge()
    purged(two.settle(), EARLIER)
    by_receipt = two.tell("w-1", 12, "product", kind="urge", receipt=receipt_of(LATER))
    assert by_receipt["outcome"] == "registered"
    assert by_receipt["complaint"] not in {str(LATER), str(EARLIER)}


@pytest.mark.parametrize("kind", ["urge", "regulator_referral"])
def test_words_on_a_complaint_whose_survivor_is_withheld_stand_on_their_own(
    two: Matter, kind: str
) -> None:
    """A purge of the survivor is approved: it may go, and no word is lost with it (decision 21)."""
    two.merge()
    two.settle().world.withheld_ones.add(str(EARLIER))
    regulator = {"regulator": {"ref": "GX-7"}} if kind == "regulator_referral" else {}
    told = two.tell("w-1", 12, "product", kind=kind, receipt=receipt_of(LATER), **regulator)
    assert told["outcome"] == "registered"
    assert told["complaint"] not in {str(LATER), str(EARLIER)}


def test_by_person_too_nothing_goes_on_for_it(two: Matter) -> None:
    two.merge()
    purged(two.settle(), EARLIER)
    by_window = two.tell("w-2", 12, "product")
    assert by_window["outcome"] == "registered"
    assert by_window["complaint"] not in {str(LATER), str(EARLIER)}


def test_a_merge_into_what_was_purged_is_not_undone(two: Matter) -> None:
    two.merge()
    purged(two.settle(), EARLIER)
    with pytest.raises(merging.SurvivorGone):
        two.unmerge()
    assert two.state().merged_into == EARLIER


def test_the_later_merge_is_undone_first(three: Matter) -> None:
    three.merge(LATER, EARLIER)
    three.settle().merge(EARLIER, THIRD)
    with pytest.raises(merging.SurvivorMovedOn):
        three.settle().unmerge(LATER)
    three.unmerge(EARLIER)
    three.settle().unmerge(LATER)
    three.settle()
    assert (standing(three, THIRD), standing(three, EARLIER)) == ([], [])


def test_what_is_leaving_is_not_carried_on(three: Matter) -> None:
    three.merge(LATER, EARLIER)
    three.settle().unmerge(LATER)  # its second hop is on its way
    three.merge(EARLIER, THIRD)
    assert standing(three.settle(), THIRD) == [("b-1", "urge")]


def test_not_into_a_complaint_that_is_merged_itself(three: Matter) -> None:
    three.merge(EARLIER, THIRD)
    assert refused(three, LATER, EARLIER) is merging.SurvivorMergedAway


def test_into_each_other_at_once_one_of_the_two_is_refused(two: Matter) -> None:
    """Each reads the other's stream, which is checked at commit: whoever comes second sees it."""
    same = Matter()
    same.tell("b-1", 9, "billing")
    same.tell("a-1", 9, "product")
    assert same.merge(LATER, EARLIER)
    assert refused(same, EARLIER, LATER) is merging.SurvivorMergedAway


# --- race 8: merge of A into B while A is answered or has an accepted case ------------------------


def case_requested(
    case: int = 1, tier: int = 2, trigger: CaseTrigger = CaseTrigger.URGES
) -> RecordCaseRequested:
    return RecordCaseRequested(
        at=World().now, case=case, tier=tier, trigger=trigger, request=event_id(100 + case)
    )


ANSWERED = RecordAnswer(at=World().now + timedelta(hours=1), cycle=1, answer=event_id(1))
ACCEPTED = RecordCaseAccepted(at=World().now + timedelta(hours=1), case=1, tier=2)


def test_race_8_what_is_answered_is_not_merged(two: Matter) -> None:
    two.do(ANSWERED)
    assert refused(two) is merging.AnsweredAlready


def test_race_8_what_an_officer_has_accepted_is_not_merged(two: Matter) -> None:
    two.do(case_requested())
    two.do(ACCEPTED)
    assert refused(two) is merging.OfficerHasIt


def test_race_8_a_case_nobody_accepted_does_not_stand_against_it(two: Matter) -> None:
    """EVENTS 6: "unaccepted case -> withdrawn"."""
    two.do(case_requested())
    assert two.merge()


def test_race_8_the_regulators_appeal_goes_on_under_its_own_complaint(two: Matter) -> None:
    two.do(case_requested(tier=4, trigger=CaseTrigger.REGULATOR))
    assert refused(two) is merging.RegulatorHasIt


@pytest.mark.parametrize("fact", [ANSWERED, ACCEPTED, case_requested(2, 4, CaseTrigger.REGULATOR)])
def test_race_8_merged_while_that_was_in_flight_ends_as_if_it_had_been_refused(
    two: Matter, fact: Any
) -> None:
    """Both orders end alike: not merged; and the answer is asked about, the case goes on."""
    first, second = two, Matter()
    second.tell("b-1", 9, "billing.overcharge")
    second.tell("a-1", 10, "product")
    for matter in (first, second):
        matter.do(case_requested())
        matter.world.at("2025-10-11 12:00:00")
    first.do(fact)
    with pytest.raises(DomainError):
        first.merge()
    second.merge()
    second.settle()
    events = second.do(fact)
    assert isinstance(events[0], ComplaintUnmerged)
    second.settle()
    for matter in (first, second):
        assert matter.state().merged_into is None
        assert standing(matter) == []
    assert second.shown() == first.shown()
    assert second.state().cases_open == first.state().cases_open
    assert second.state().answer == first.state().answer


def test_race_8_an_answer_of_an_older_cycle_undoes_nothing(two: Matter) -> None:
    two.merge()
    assert two.do(ANSWERED.model_copy(update={"cycle": 2})) == []
    assert two.shown() == "merged"


def test_race_8_accepting_is_noted_once_and_closing_still_waits_for_it(two: Matter) -> None:
    two.do(case_requested())
    (noted,) = two.do(ACCEPTED)
    assert isinstance(noted, ComplaintEscalationNoted)
    assert two.do(ACCEPTED) == []
    assert two.state().has_case()


def test_race_8_intake_hears_of_acceptance(two: Matter) -> None:
    requested = CaseRequested(cycle=1, case=1, tier=2, trigger=CaseTrigger.URGES, cause=event_id(7))
    accepted = CaseAccepted(cycle=1, case=1, tier=2, officer="1501")
    two.world.hear(requested, accepted, subject=LATER, source="/bihuan/escalation")
    assert refused(two) is merging.OfficerHasIt


# --- other races ---------------------------------------------------------------------------------


@pytest.mark.parametrize("order", ["linked_first", "closed_first"])
def test_the_survivor_closes_while_the_contacts_are_on_their_way_same_state(
    two: Matter, order: str
) -> None:
    """Closed, and not reopened by contacts told before: as had they come in time."""
    now = two.world.clock.now()
    two.do(ANSWERED.model_copy(update={"answer": event_id(9)}), EARLIER)
    two.merge()
    if order == "linked_first":
        two.settle()
    satisfied = ConcludeSurvey(at=now, cycle=1, asked=event_id(2), outcome=SurveyOutcome.SATISFIED)
    two.do(satisfied, EARLIER)
    two.settle()
    assert (two.shown(EARLIER), two.shown()) == ("closed", "merged")
    assert [name for name, _ in standing(two)] == ["a-1"]
    assert two.world.happened(ComplaintReopened) == []
    assert len(two.world.happened(ComplaintClosed)) == 1


def test_a_merged_complaint_is_never_surveyed_or_closed_itself(two: Matter) -> None:
    """EVENTS, The closing rule: "A merged complaint is never surveyed or counted as closed"."""
    two.merge()
    concluded = SurveyConcluded(cycle=1, outcome=SurveyOutcome.CANCELLED, reason="merged")
    assert two.world.hear(concluded, subject=LATER) == []
    assert two.world.happened(ComplaintAnswered, ComplaintClosed) == []
    (row,) = two.world.rows("complaints", complaint=LATER)
    assert (row["closed_at"], row["merged_into"]) == (None, EARLIER)


def test_a_wish_for_the_desk_is_not_lost_with_the_case_that_the_merge_withdraws(
    two: Matter,
) -> None:
    two.tell("w-1", 11, "product", kind="escalation_wish", text="我要找10015")
    two.do(case_requested(trigger=CaseTrigger.WISH))
    two.merge()
    assert standing(two.settle())[-1] == ("w-1", "escalation_wish")


def test_contacts_of_a_survivor_merged_on_only_keep_the_record(three: Matter) -> None:
    """They were carried on already; as urges they would ask the desk about what is merged away."""
    three.merge(LATER, EARLIER)
    three.merge(EARLIER, THIRD)
    hop = next(one for one in three.world.log if isinstance(one.data, ComplaintMerged))
    command = LinkMerged(at=hop.at, origin=LATER, contacts=hop.data.contacts)
    (linked,) = three.do(command, EARLIER)
    assert isinstance(linked, ComplaintContactLinked)
    assert (linked.contact.kind, linked.urge_no) == (ContactKind.FACT, 0)
