"""What the customer is told, in which words, and when it may leave (DOMAIN rules 2, 8, 10, 11)."""

from datetime import datetime, timedelta

import pytest

from contracts.feedback_survey import NoticeAttempted, NoticeHeld, NoticeIssued
from contracts.routing import PromiseKind, WaitingFor
from contracts.sla_watch import StartCause, VerdictBasis
from contracts.values import (
    ClockPurpose,
    DeliveryResult,
    Language,
    Medium,
    NoticeKind,
    ValueTier,
)
from libs.decider.story import Story
from tests.unit.feedback_survey.heard import (
    START,
    TO,
    answered,
    answered_by_work,
    at,
    breached,
    clock,
    clocks_started,
    correspondent,
    decided,
    declined,
    delivery,
    event_id,
    granted,
    hear,
    nothing,
    promised,
    sealed_parts,
    suspended,
    told,
    verified,
    withdrawn,
)


def receipted(when: datetime = START, **to: object) -> Story:
    """A complaint whose customer has the receipt."""
    return hear(nothing(), clocks_started(correspondent(**to)), when)  # type: ignore[arg-type]


def issued(story: Story) -> NoticeIssued:
    notice: NoticeIssued = story.one(NoticeIssued)
    return notice


# --- the receipt (rule 2) ------------------------------------------------------------------------


def test_a_receipt_goes_out_at_once_with_the_promised_times() -> None:
    notice = issued(receipted())
    assert (notice.kind, notice.by, notice.reply_to) == (
        NoticeKind.RECEIPT,
        Medium.MESSAGE,
        TO.reply_to,
    )
    assert notice.not_before == START
    assert told(notice) == (
        "您好,您反映的问题已受理,受理编号TS-7781-4。"
        "我们承诺:首次联系10月17日18:00前;解决10月24日24:00前。凭受理编号可随时查询进度。"
    )


def test_a_receipt_speaks_the_customers_language() -> None:
    assert told(issued(receipted(language=Language.EN))) == (
        "We have taken up what you told us. Your receipt number is TS-7781-4. We promise: "
        "first contact by 17 Oct 18:00; solution by 24 Oct 24:00. "
        "With the receipt number you can ask at any time how far it is."
    )


def test_one_complaint_has_one_acknowledgement_whatever_clocks_start_later() -> None:
    """S7: "one complaint, one receipt number, one acknowledgement"."""
    story = receipted()
    hear(story, clocks_started()).then_nothing()
    for cause in StartCause:
        if cause is not StartCause.REGISTERED:
            hear(story, clocks_started(None, cause=cause)).then_nothing()


@pytest.mark.parametrize("hour", ["21:00:01", "23:30", "00:00", "03:12", "08:59:59"])
def test_a_receipt_is_exempt_from_quiet_hours(hour: str) -> None:
    night = at(f"2025-10-17 {hour}")
    assert issued(receipted(night)).not_before == night


def test_a_due_instant_beyond_the_calendar_is_never_guessed() -> None:
    clocks = (clock("resolve", ClockPurpose.RESOLVE, None),)
    story = hear(nothing(), clocks_started(clocks=clocks))
    assert "解决: 时间另行通知" in told(issued(story))


def test_an_anonymous_customer_gets_the_receipt_on_the_spot() -> None:
    notice = issued(receipted(address=False))
    assert (notice.by, notice.reply_to) == (Medium.ON_THE_SPOT, None)


def test_a_receipt_for_a_voice_only_line_was_spoken_on_the_call() -> None:
    assert issued(receipted(voice_only=True)).by is Medium.ON_THE_SPOT


# --- the delay notice (rule 8, S2) ---------------------------------------------------------------

S2_DUE = at("2025-10-03 08:00")
S2_PLAN = at("2025-10-04 12:00")


@pytest.mark.parametrize(
    ("recorded", "leaves", "late"),
    [
        ("2025-10-02 20:50", "2025-10-02 20:50", False),
        ("2025-10-02 21:00", "2025-10-02 21:00", False),
        ("2025-10-02 21:00:00.000001", "2025-10-03 09:00", True),
        ("2025-10-03 07:30", "2025-10-03 09:00", True),
        ("2025-10-03 08:00:01", "2025-10-03 09:00", True),
    ],
)
def test_s2_a_delay_notice_for_a_promise_that_lapses_at_night_is_out_by_21_or_late(
    recorded: str, leaves: str, *, late: bool
) -> None:
    story = hear(receipted(at("2025-10-01 20:00")), promised(S2_DUE, S2_PLAN), at(recorded))
    notice = issued(story)
    assert (notice.not_before, notice.late) == (at(leaves), late)


def test_a_delay_notice_that_waits_until_morning_may_still_be_in_time() -> None:
    due = at("2025-10-03 12:00")
    story = hear(receipted(at("2025-10-01 20:00")), promised(due, S2_PLAN), at("2025-10-03 02:00"))
    assert (issued(story).not_before, issued(story).late) == (at("2025-10-03 09:00"), False)


def test_a_delay_notice_names_the_old_and_the_new_time_and_copies_the_sealed_plan() -> None:
    story = hear(receipted(), promised(at("2025-10-20 18:00"), at("2025-10-21 12:00")))
    notice = issued(story)
    assert told(notice) == (
        "您好,受理编号TS-7781-4未能按原承诺(10月20日18:00前)完成,向您致歉。"
        "新的完成时间:10月21日12:00前。处理方案:[v1.sealed.plan]"
    )


def test_a_time_agreed_with_the_customer_is_no_delay_notice() -> None:
    event = promised(S2_DUE, S2_PLAN, PromiseKind.AGREED)
    hear(receipted(), event).then_nothing()


# --- quiet hours (rule 11) -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("due", "leaves"),
    [
        ("2025-10-17 20:59:59", "2025-10-17 20:59:59"),
        ("2025-10-17 21:00", "2025-10-17 21:00"),
        ("2025-10-17 21:00:00.000001", "2025-10-18 09:00"),
        ("2025-10-18 00:00", "2025-10-18 09:00"),
        ("2025-10-18 08:59:59.999999", "2025-10-18 09:00"),
        ("2025-10-18 09:00", "2025-10-18 09:00"),
    ],
)
def test_pain_messages_at_midnight_a_message_due_in_quiet_hours_waits_until_nine(
    due: str, leaves: str
) -> None:
    story = hear(receipted(at("2025-10-17 12:00")), answered_by_work(), at(due))
    assert issued(story).not_before == at(leaves)


def test_what_is_heard_late_at_night_leaves_by_the_hour_it_is_heard() -> None:
    """The fact happened at noon; we were down until 23:00: still nobody is woken."""
    story = receipted(at("2025-10-17 09:00"))
    story = hear(story, answered_by_work(), at("2025-10-17 12:00"), now=at("2025-10-17 23:00"))
    assert issued(story).not_before == at("2025-10-18 09:00")


def test_an_operator_moves_the_quiet_hours_without_a_release() -> None:
    story = nothing(quiet_hours={"from": "12:00", "to": "14:00"})
    story = hear(story, clocks_started(), at("2025-10-17 09:00"))
    assert issued(hear(story, answered_by_work(), at("2025-10-17 13:00"))).not_before == at(
        "2025-10-17 14:00"
    )
    assert issued(hear(story, answered_by_work(), at("2025-10-17 22:00"))).not_before == at(
        "2025-10-17 22:00"
    )


# --- answers, questions, decisions, money --------------------------------------------------------


def test_an_answer_states_explanation_decision_compensation_and_next_steps() -> None:
    event = answered_by_work(compensation="373.00", next_steps="v1.sealed.next")
    notice = issued(hear(receipted(), event, name="answer"))
    assert told(notice) == (
        "您好,受理编号TS-7781-4答复如下:[v1.sealed.explanation]\n处理结论:投诉成立。"
        "补偿金额:373.00元。\n后续安排:[v1.sealed.next]"
    )
    assert sealed_parts(notice) == ["v1.sealed.explanation", "v1.sealed.next"]
    assert notice.answer == event_id("answer")


def test_an_answer_without_money_or_next_steps_leaves_those_lines_out() -> None:
    assert told(issued(hear(receipted(language=Language.EN), answered_by_work()))) == (
        "About TS-7781-4: [v1.sealed.explanation]\nOur decision: your complaint is upheld."
    )


def test_an_answer_told_by_call_needs_no_notice() -> None:
    hear(receipted(), answered_by_work(Medium.CALL)).then_nothing()


def test_a_question_asks_the_customer_and_nobody_else() -> None:
    notice = issued(hear(receipted(), suspended()))
    assert told(notice) == (
        "您好,关于受理编号TS-7781-4,我们需要您补充信息:[v1.sealed.question]"
        "。请在10月20日12:00前回复,我们收到后继续处理。"
    )
    hear(receipted(), suspended(WaitingFor.THIRD_PARTY)).then_nothing()


def test_a_rejection_is_answered_even_before_the_receipt() -> None:
    story = hear(nothing(), verified(valid=False), START, "verified")
    notice = issued(story)
    assert (notice.kind, notice.answer) == (NoticeKind.ANSWER, event_id("verified"))
    assert "[v1.sealed.note]" in told(notice)
    assert issued(hear(story, clocks_started())).kind is NoticeKind.RECEIPT
    hear(nothing(), verified(valid=True)).then_nothing()


def test_a_final_decision_names_the_right_to_appeal() -> None:
    plain = told(issued(hear(receipted(language=Language.EN), decided())))
    final = told(issued(hear(receipted(language=Language.EN), decided(final=True))))
    assert "your complaint is upheld in part" in plain
    assert "right to appeal" not in plain
    assert "right to appeal" in final


def test_only_the_customer_who_asked_is_told_that_the_desk_declined() -> None:
    assert issued(hear(receipted(), declined(customer_asked=True))).kind is NoticeKind.DECISION
    hear(receipted(), declined(customer_asked=False)).then_nothing()


def test_a_grant_is_told_to_the_cent() -> None:
    assert told(issued(hear(receipted(), granted("11.35")))) == (
        "您好,受理编号TS-7781-4的补偿已批准:11.35元。"
    )


def test_nothing_of_an_older_cycle_or_a_withdrawn_complaint_is_told_any_more() -> None:
    gone = hear(receipted(), withdrawn())
    hear(gone, answered_by_work()).then_nothing()
    hear(gone, promised(S2_DUE, S2_PLAN)).then_nothing()
    hear(gone, suspended()).then_nothing()
    second = hear(receipted(), answered(cycle=2))
    hear(second, answered_by_work(cycle=1)).then_nothing()


def test_race_12_money_is_told_even_after_the_complaint_was_withdrawn() -> None:
    gone = hear(receipted(), withdrawn())
    assert issued(hear(gone, granted())).kind is NoticeKind.COMPENSATION


# --- the legal repair limit (`REG` "else notify and waive rent") ---------------------------------

S2_LIMIT = at("2025-10-04 20:00")


def test_s2_a_fault_past_its_legal_repair_limit_is_told_to_the_customer_at_once() -> None:
    story = receipted(at("2025-10-01 20:00"))
    story = hear(story, breached(ClockPurpose.LEGAL_REPAIR, S2_LIMIT), S2_LIMIT)
    notice = issued(story)
    assert (notice.kind, notice.not_before, notice.late) == (NoticeKind.DELAY, S2_LIMIT, False)
    assert told(notice) == (
        "您好,受理编号TS-7781-4的故障未能在法定修复期限(10月4日20:00)内修复,向您致歉。"
        "故障期间的月租费按规定免收;经核实由您自有设备引起的除外。"
    )


def test_a_legal_repair_limit_that_passes_at_night_is_told_in_the_morning() -> None:
    night = at("2025-10-05 02:00")
    story = receipted(at("2025-10-02 02:00"))
    story = hear(story, breached(ClockPurpose.LEGAL_REPAIR, night), night)
    assert issued(story).not_before == at("2025-10-05 09:00")


def test_other_breaches_and_those_of_history_are_not_told_to_the_customer() -> None:
    """S2: warnings and the company's own breach go "to staff only"."""
    for purpose in set(ClockPurpose) - {ClockPurpose.LEGAL_REPAIR}:
        hear(receipted(), breached(purpose, S2_LIMIT)).then_nothing()
    of_old = breached(ClockPurpose.LEGAL_REPAIR, S2_LIMIT, VerdictBasis.HISTORY)
    hear(receipted(), of_old).then_nothing()


# --- an answer heard before the address (docs/decisions/0003) -----------------------------------


def test_an_answer_heard_before_the_address_waits_and_is_not_lost() -> None:
    story = hear(nothing(), answered_by_work(), START, "answer")
    story.then_types(NoticeHeld)
    story = hear(story, promised(at("2025-10-20 18:00"), S2_PLAN), START)
    story.then_types(NoticeHeld)
    story = hear(story, clocks_started(), START + timedelta(hours=1))
    kinds = [event.kind for event in story.happened if isinstance(event, NoticeIssued)]
    assert kinds == [NoticeKind.RECEIPT, NoticeKind.ANSWER, NoticeKind.DELAY]
    assert len({event.notice for event in story.happened if isinstance(event, NoticeIssued)}) == 3
    assert story.state.held == ()


def test_what_waited_is_told_before_the_customer_is_asked_about_it() -> None:
    story = hear(nothing(), answered_by_work(), START, "answer")
    story = hear(story, answered(), START)
    kinds = [event.kind for event in story.happened if isinstance(event, NoticeIssued)]
    assert kinds == [NoticeKind.ANSWER, NoticeKind.SURVEY]


def test_what_waited_is_not_told_once_the_complaint_was_withdrawn() -> None:
    story = hear(nothing(), answered_by_work(), START, "answer")
    story = hear(story, withdrawn(), START)
    story = hear(story, clocks_started(), START)
    assert issued(story).kind is NoticeKind.RECEIPT


# --- delivery (EVENTS 36) ------------------------------------------------------------------------


def test_every_attempt_is_on_record_once() -> None:
    story = receipted()
    report = delivery(issued(story).notice, DeliveryResult.DELIVERED, START)
    story = hear(story, report).then_types(NoticeAttempted)
    hear(story, report).then_nothing()


def test_a_report_about_an_unknown_notice_is_nothing() -> None:
    hear(receipted(), delivery(event_id("no"), DeliveryResult.DELIVERED, START)).then_nothing()


def test_a_failed_answer_is_told_by_a_call_instead_with_the_same_words() -> None:
    story = hear(receipted(), answered_by_work())
    failed = issued(story)
    night = at("2025-10-17 22:00")
    story = hear(story, delivery(failed.notice, DeliveryResult.FAILED, night), night)
    call = issued(story)
    assert (call.by, call.repeats, call.text) == (Medium.CALL, failed.notice, failed.text)
    assert call.not_before == at("2025-10-18 09:00")
    assert call.notice != failed.notice
    again = night + timedelta(minutes=1)
    story = hear(story, delivery(failed.notice, DeliveryResult.FAILED, again), again)
    story.then_types(NoticeAttempted)


def test_a_failed_receipt_is_on_record_and_nobody_calls() -> None:
    story = receipted()
    report = delivery(issued(story).notice, DeliveryResult.FAILED, START)
    hear(story, report).then_types(NoticeAttempted)


def test_important_customers_are_written_to_about_everything_but_the_survey() -> None:
    story = receipted(tier=ValueTier.IMPORTANT)
    assert issued(story).by is Medium.MESSAGE
    assert issued(hear(story, answered_by_work())).by is Medium.MESSAGE


def test_a_voice_only_line_is_called() -> None:
    story = receipted(voice_only=True)
    assert issued(hear(story, answered_by_work())).by is Medium.CALL
