"""What the 10015 desk may do, in which order (DOMAIN rule 10)."""

from datetime import timedelta
from uuid import UUID, uuid5

import pytest

from contracts.escalation import (
    CaseAccepted,
    CaseClosed,
    CaseCorrectionMissed,
    CaseCustomerContacted,
    CaseDecided,
    CaseDeclined,
    CaseInstructed,
    CaseInstructionCarriedOut,
    CaseOutcome,
    CaseReported,
    CaseRequested,
    CorrectiveAction,
    ReportedWhat,
)
from contracts.routing import HandlerKind, ReportedCause, WorkReportedBack
from contracts.values import (
    CaseTrigger,
    ChannelKind,
    ClockPurpose,
    ContactKind,
    Decision,
    RegulatorReferral,
    ReopenRoute,
)
from libs.decider import Command
from libs.decider.story import SUBJECT, Story
from services.escalation.domain.commands import (
    AcceptCase,
    CloseCase,
    ContactCustomer,
    DecideCase,
    DeclineCase,
    Instruct,
    PassUp,
    ReportOnCase,
)
from services.escalation.domain.correcting import timers
from services.escalation.domain.desk import (
    AnotherTier,
    CaseAlreadyAccepted,
    CaseDecidedAlready,
    CaseNotAccepted,
    CaseNotDecided,
    CaseOver,
    CaseTaken,
    CaseUnknown,
    DueInThePast,
    DueTooFar,
    InstructionOpen,
    NothingToCorrect,
    NothingToReport,
    ReferralNotDeclined,
    RegulatorReportOwed,
    TopTier,
)
from services.escalation.domain.stream import CaseTimer
from tests.unit.escalation.heard import (
    NOON,
    OFFICER,
    breached,
    event_id,
    hear,
    linked,
    nothing,
    reopened,
)

SEALED = "v1.sealed.reasons"
DIGEST = "a" * 64
BOTH = ("desk", "headquarters")
"""One who may work at every tier."""
ACTION = CorrectiveAction(owner="billing-team", due=NOON + timedelta(days=10))


CORRECTED = ReportOnCase(
    at=NOON, roles=BOTH, case=1, what=ReportedWhat.CORRECTIVE_ACTION, ref="CA-1", digest=DIGEST
)


def requested() -> Story:
    return hear(nothing(), breached(), NOON, "breach")


def referred() -> Story:
    appeal = linked(
        "appeal",
        ContactKind.REGULATOR_REFERRAL,
        regulator=RegulatorReferral(ref="GX-2025-0412"),
    )
    return hear(nothing(), appeal, NOON, "appeal")


def does(story: Story, command: Command, actor: str = OFFICER) -> Story:
    return story.when(command, actor=actor)


def accept(story: Story, case: int = 1) -> Story:
    return does(story, AcceptCase(at=NOON, roles=BOTH, case=case))


def decide(
    story: Story,
    *,
    case: int = 1,
    decision: Decision = Decision.UPHELD,
    final: bool = False,
    corrective_action: CorrectiveAction | None = None,
) -> Story:
    return does(
        story,
        DecideCase(
            at=NOON,
            roles=BOTH,
            case=case,
            decision=decision,
            reasons=SEALED,
            final=final,
            corrective_action=corrective_action,
        ),
    )


def instruct(story: Story) -> Story:
    due = NOON + timedelta(hours=2)
    return does(
        story, Instruct(at=NOON, roles=BOTH, case=1, team="network-gz", due=due, text=SEALED)
    )


def reported_back(story: Story, instruction: int = 1) -> Story:
    event = WorkReportedBack(
        cycle=1,
        by="network-gz",
        kind=HandlerKind.TEAM,
        opinion=SEALED,
        cause=ReportedCause.OWN,
        case=1,
        instruction=instruction,
    )
    return hear(story, event, NOON, f"report-{instruction}")


def recorded_id(story: Story) -> UUID:
    return uuid5(UUID(int=0), f"{SUBJECT}:{len(story.past)}")


def test_requested_accepted_contacted_instructed_decided_carried_out_closed() -> None:
    story = accept(requested()).then(CaseAccepted(cycle=1, case=1, tier=2, officer="1501"))
    contact = ContactCustomer(
        at=NOON, roles=BOTH, case=1, channel=ChannelKind.HOTLINE_10015, reached=True
    )
    story = does(story, contact).then_types(CaseCustomerContacted)
    story = instruct(story).then_types(CaseInstructed)
    story = decide(story).then_types(CaseDecided)
    answer = recorded_id(story)
    story = reported_back(story).then(
        CaseInstructionCarriedOut(
            cycle=1, case=1, tier=2, instruction=1, report=event_id("report-1")
        )
    )
    does(story, CloseCase(at=NOON, roles=BOTH, case=1)).then(
        CaseClosed(
            cycle=1,
            case=1,
            tier=2,
            outcome=CaseOutcome.SETTLED,
            reason="decided",
            answer=answer,
            answered_at=NOON,
        )
    )


def test_accepting_twice_is_accepting_once_and_another_officer_comes_too_late() -> None:
    story = accept(requested())
    accept(story).then_nothing()
    does(story, AcceptCase(at=NOON, roles=BOTH, case=1), "agent:1502").then_refused(CaseTaken)


def test_declined_with_reason_tells_whether_the_customer_had_asked() -> None:
    command = DeclineCase(at=NOON, roles=BOTH, case=1, reason="handled_in_time", note=SEALED)
    declined = does(requested(), command).one(CaseDeclined)
    assert (declined.reason, declined.by, declined.customer_asked) == (
        "handled_in_time",
        "1501",
        False,
    )
    wish = hear(nothing(), linked("wish", ContactKind.ESCALATION_WISH), NOON, "wish")
    assert does(wish, command).one(CaseDeclined).customer_asked


def test_what_was_declined_is_over_and_a_new_cause_makes_a_new_case() -> None:
    story = does(requested(), DeclineCase(at=NOON, roles=BOTH, case=1, reason="handled_in_time"))
    accept(story).then_refused(CaseOver)
    hear(story, breached(), NOON, "breach").then_nothing()
    again = hear(story, linked("wish", ContactKind.ESCALATION_WISH), NOON, "wish")
    assert again.one(CaseRequested).case == 2


def test_an_accepted_case_is_decided_and_not_declined() -> None:
    command = DeclineCase(at=NOON, roles=BOTH, case=1, reason="handled_in_time")
    does(accept(requested()), command).then_refused(CaseAlreadyAccepted)


def test_the_regulators_referral_is_not_declined() -> None:
    command = DeclineCase(at=NOON, roles=BOTH, case=1, reason="not_ours")
    does(referred(), command).then_refused(ReferralNotDeclined)


@pytest.mark.parametrize(
    "command",
    [
        ContactCustomer(
            at=NOON, roles=BOTH, case=1, channel=ChannelKind.HOTLINE_10015, reached=True
        ),
        Instruct(at=NOON, roles=BOTH, case=1, team="t", due=NOON + timedelta(hours=1), text=SEALED),
        DecideCase(at=NOON, roles=BOTH, case=1, decision=Decision.UPHELD, reasons=SEALED),
        CloseCase(at=NOON, roles=BOTH, case=1),
        PassUp(at=NOON, roles=BOTH, case=1, reason="deadlock"),
    ],
    ids=lambda one: type(one).__name__,
)
def test_nothing_is_done_about_a_case_before_it_is_accepted(command: Command) -> None:
    does(requested(), command).then_refused(CaseNotAccepted)
    does(nothing(), command).then_refused(CaseUnknown)


def test_a_decision_is_made_once() -> None:
    decide(decide(accept(requested()))).then_refused(CaseDecidedAlready)


def test_a_case_is_not_closed_undecided_or_with_an_instruction_open() -> None:
    story = instruct(accept(requested()))
    does(story, CloseCase(at=NOON, roles=BOTH, case=1)).then_refused(CaseNotDecided)
    story = decide(story)
    does(story, CloseCase(at=NOON, roles=BOTH, case=1)).then_refused(InstructionOpen)
    closed = does(story, CloseCase(at=NOON, roles=BOTH, case=1, unfinished="team_dissolved"))
    assert closed.one(CaseClosed).reason == "team_dissolved"


def test_an_instruction_is_carried_out_once_and_unknown_ones_are_nothing() -> None:
    story = reported_back(instruct(accept(requested())))
    reported_back(story).then_nothing()
    reported_back(story, instruction=2).then_nothing()


def test_closing_twice_is_closing_once() -> None:
    story = does(decide(accept(requested())), CloseCase(at=NOON, roles=BOTH, case=1))
    does(story, CloseCase(at=NOON, roles=BOTH, case=1)).then_nothing()
    decide(story).then_refused(CaseOver)


def test_what_a_team_is_told_to_do_is_due_in_the_future() -> None:
    story = accept(requested())
    does(
        story, Instruct(at=NOON, roles=BOTH, case=1, team="t", due=NOON, text=SEALED)
    ).then_refused(DueInThePast)


def test_passing_up_requests_the_next_tier_in_the_same_decision() -> None:
    story = does(accept(requested()), PassUp(at=NOON, roles=BOTH, case=1, reason="deadlock"))
    story.then(
        CaseClosed(
            cycle=1,
            case=1,
            tier=2,
            outcome=CaseOutcome.PASSED_UP,
            reason="deadlock",
            next_tier=3,
        ),
        CaseRequested(
            cycle=1,
            case=2,
            tier=3,
            trigger=CaseTrigger.PASSED_UP,
            cause=event_id("breach"),
            passed_from=1,
        ),
    )
    top = does(accept(story, case=2), PassUp(at=NOON, roles=BOTH, case=2, reason="deadlock"))
    top.then_refused(TopTier)


def test_a_new_cause_joins_the_case_that_was_passed_up() -> None:
    story = does(accept(requested()), PassUp(at=NOON, roles=BOTH, case=1, reason="deadlock"))
    story = hear(story, linked("wish", ContactKind.ESCALATION_WISH), NOON, "wish")
    assert [case.number for case in story.state.open_cases] == [2]
    assert story.state.cases[2].customer_asked


def test_the_regulators_case_is_closed_only_when_the_regulator_has_its_report() -> None:
    story = decide(accept(referred()), final=True)
    does(story, CloseCase(at=NOON, roles=BOTH, case=1)).then_refused(RegulatorReportOwed)
    report = ReportOnCase(
        at=NOON, roles=BOTH, case=1, what=ReportedWhat.REGULATOR_REPORT, ref="R-1", digest=DIGEST
    )
    story = does(story, report).then_types(CaseReported)
    does(story, report).then_nothing()
    does(story, report.model_copy(update={"ref": "R-2"})).then_refused(NothingToReport)
    does(story, CloseCase(at=NOON, roles=BOTH, case=1)).then_types(CaseClosed)


def test_only_the_regulators_case_owes_the_regulator_a_report() -> None:
    report = ReportOnCase(
        at=NOON, roles=BOTH, case=1, what=ReportedWhat.REGULATOR_REPORT, ref="R-1", digest=DIGEST
    )
    does(accept(requested()), report).then_refused(NothingToReport)


def test_a_corrective_action_is_reported_even_after_the_case_is_closed() -> None:
    story = decide(accept(requested()), corrective_action=ACTION)
    story = does(story, CloseCase(at=NOON, roles=BOTH, case=1))
    does(story, CORRECTED).then_types(CaseReported)


def test_a_corrective_action_past_due_is_told_once_at_its_due() -> None:
    """DOMAIN rule 10: "a corrective action with owner and due date": past due is seen."""
    owed = decide(accept(requested()), corrective_action=ACTION)
    assert timers(owed.state) == {"correction": ACTION.due}
    late = owed.when(CaseTimer(at=ACTION.due, timer="correction"))
    late.then(CaseCorrectionMissed(cycle=1, case=1, tier=2, owner="billing-team", due=ACTION.due))
    assert timers(late.state) == {}, "told once"
    late.when(CaseTimer(at=ACTION.due, timer="correction")).then_nothing()
    assert late.state.cases[1].correction_overdue


def test_a_corrective_action_done_in_time_is_never_told_as_past_due() -> None:
    owed = decide(accept(requested()), corrective_action=ACTION)
    done = does(owed, CORRECTED)
    assert timers(done.state) == {}
    done.when(CaseTimer(at=ACTION.due, timer="correction")).then_nothing()
    # Done later, it is past due and done.
    late = owed.when(CaseTimer(at=ACTION.due, timer="correction"))
    does(late, CORRECTED).then_types(CaseReported)


def test_of_two_corrective_actions_each_is_told_at_its_own_due() -> None:
    first = decide(accept(requested()), corrective_action=ACTION)
    closed = does(first, CloseCase(at=NOON, roles=BOTH, case=1))
    two = hear(closed, breached("repair"), NOON, "again")
    later = CorrectiveAction(owner="network-gz", due=ACTION.due + timedelta(days=1))
    two = decide(accept(two, 2), case=2, corrective_action=later)
    assert timers(two.state) == {"correction": ACTION.due}
    told = two.when(CaseTimer(at=ACTION.due, timer="correction"))
    assert told.one(CaseCorrectionMissed).case == 1
    assert timers(told.state) == {"correction": later.due}
    told = told.when(CaseTimer(at=later.due, timer="correction"))
    assert told.one(CaseCorrectionMissed).case == 2


def test_nothing_is_due_beyond_three_years() -> None:
    story = accept(requested())
    end_of_time = NOON.replace(year=9999)
    far = Instruct(at=NOON, roles=BOTH, case=1, team="t", due=end_of_time, text=SEALED)
    does(story, far).then_refused(DueTooFar)


def test_a_rejected_complaint_has_nothing_to_be_set_right() -> None:
    """DOMAIN rule 10: "an upheld complaint may open a corrective action"."""
    story = accept(requested())
    decide(story, decision=Decision.REJECTED, corrective_action=ACTION).then_refused(
        NothingToCorrect
    )
    decide(story, decision=Decision.PARTLY, corrective_action=ACTION).then_types(CaseDecided)


def test_a_corrective_action_is_due_in_the_future() -> None:
    late = CorrectiveAction(owner="billing-team", due=NOON)
    decide(accept(requested()), corrective_action=late).then_refused(DueInThePast)


# --- the tiers ------------------------------------------------------------------------------------


def settled(story: Story, case: int = 1, decision: Decision = Decision.UPHELD) -> Story:
    """Accepted, decided and closed."""
    story = decide(accept(story, case), case=case, decision=decision)
    return does(story, CloseCase(at=NOON, roles=BOTH, case=case))


def dissatisfied(story: Story, cycle: int) -> Story:
    """The survey says so, and intake routes the new cycle to escalation."""
    again = reopened(ReopenRoute.ESCALATE, cycle=cycle, cause=f"survey-{cycle}")
    return hear(story, again, NOON)


def test_dissatisfied_with_the_decision_of_tier_2_is_heard_by_tier_3() -> None:
    """DOMAIN rule 10: "passes to the next tier"; not the same desk once more."""
    asked = dissatisfied(settled(requested()), 2).one(CaseRequested)
    assert (asked.case, asked.tier, asked.trigger) == (2, 3, CaseTrigger.DISSATISFIED)
    # Where tier 2 only declined or never decided, tier 2 it is.
    declined = does(requested(), DeclineCase(at=NOON, roles=BOTH, case=1, reason="handled_in_time"))
    assert dissatisfied(declined, 2).one(CaseRequested).tier == 2


def test_who_asks_for_more_after_the_decision_of_tier_2_is_heard_by_tier_3() -> None:
    wish = linked("wish", ContactKind.ESCALATION_WISH)
    assert hear(settled(requested()), wish, NOON).one(CaseRequested).tier == 3
    # What counts by itself asks tier 2, as ever.
    late = breached("agreed", ClockPurpose.RESOLVE, cycle=2)
    assert hear(settled(requested()), late, NOON, "late").one(CaseRequested).tier == 2


def test_at_the_last_desk_tier_a_refusal_is_the_final_response() -> None:
    """DOMAIN rule 10: "at deadlock the customer gets a final response that names the right to
    appeal"; whether or not the officer thought of it.
    """
    third = dissatisfied(settled(requested()), 2)
    for decision in (Decision.REJECTED, Decision.PARTLY):
        decided = decide(accept(third, 2), case=2, decision=decision).one(CaseDecided)
        assert (decided.tier, decided.final) == (3, True)
    upheld = decide(accept(third, 2), case=2).one(CaseDecided)
    assert not upheld.final
    # Tier 2 has a tier above it: no deadlock.
    assert not decide(accept(requested()), decision=Decision.REJECTED).one(CaseDecided).final


def test_dissatisfied_again_after_the_last_desk_tier_the_response_is_final_whatever_it_is() -> None:
    """Tier 4 is the regulator's alone: nobody passes a case there, the customer appeals."""
    fourth = dissatisfied(settled(dissatisfied(settled(requested()), 2), 2), 3)
    asked = fourth.one(CaseRequested)
    assert (asked.case, asked.tier) == (3, 3)
    assert decide(accept(fourth, 3), case=3).one(CaseDecided).final
    passing = PassUp(at=NOON, roles=BOTH, case=3, reason="deadlock")
    does(accept(fourth, 3), passing).then_refused(TopTier)


@pytest.mark.parametrize(
    "command",
    [
        AcceptCase(at=NOON, roles=("desk",), case=2),
        DeclineCase(at=NOON, roles=("desk",), case=2, reason="not_ours"),
        DecideCase(at=NOON, roles=("desk",), case=2, decision=Decision.UPHELD, reasons=SEALED),
        PassUp(at=NOON, roles=("desk",), case=2, reason="deadlock"),
        CloseCase(at=NOON, roles=("desk",), case=2),
    ],
    ids=lambda one: type(one).__name__,
)
def test_each_tier_has_its_own_desk(command: Command) -> None:
    """DOMAIN rule 10: "each tier has its own clock and authority"."""
    third = dissatisfied(settled(requested()), 2)
    does(third, command).then_refused(AnotherTier)
    assert AnotherTier.status == 403
    headquarters = command.model_copy(update={"roles": ("headquarters",)})
    assert not isinstance(does(third, headquarters).refusal, AnotherTier)
    # Nor does headquarters work a case of the province's desk, or a manager one of either.
    for roles in (("headquarters",), ("manager",)):
        accepting = AcceptCase(at=NOON, roles=roles, case=1)
        does(requested(), accepting).then_refused(AnotherTier)


def test_the_regulators_case_is_headquarters() -> None:
    does(referred(), AcceptCase(at=NOON, roles=("desk",), case=1)).then_refused(AnotherTier)
    accepting = AcceptCase(at=NOON, roles=("headquarters",), case=1)
    does(referred(), accepting).then_types(CaseAccepted)


def test_an_operator_may_let_the_province_work_the_regulators_cases() -> None:
    desks = {"2": ["desk"], "3": ["headquarters"], "4": ["desk", "headquarters"]}
    appeal = linked("a", ContactKind.REGULATOR_REFERRAL, regulator=RegulatorReferral(ref="GX-1"))
    story = hear(nothing(desks=desks), appeal, NOON)
    does(story, AcceptCase(at=NOON, roles=("desk",), case=1)).then_types(CaseAccepted)
