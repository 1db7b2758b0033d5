"""What a desk sees: rows that follow from the state, and clocks folded from what was heard."""

from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from contracts.escalation import (
    CaseInstructed,
    CompensationEvent,
    CompensationGranted,
    CompensationLapsed,
    CompensationRefused,
    CompensationSubmitted,
    GrantedUnder,
    LapsedWhy,
)
from contracts.routing import EndReason
from contracts.sla_watch import (
    CancelReason,
    ClockBreached,
    ClockCorrected,
    ClockLeft,
    ClocksCancelled,
    ClocksPaused,
    ClocksRescheduled,
    ClocksStarted,
    ClockWarned,
    RescheduleReason,
    StartCause,
    Verdict,
    VerdictBasis,
)
from contracts.values import (
    Basis,
    Clock,
    ClockPurpose,
    ClockRef,
    Due,
    EventRef,
    PaidBy,
    Payer,
    PolicyRef,
    WarningLevel,
)
from libs.decider import Event
from libs.decider.story import SUBJECT
from services.routing.domain.commands import ClockState, EndWork, KnownClock, SettledAs
from services.routing.domain.rows import heard_rows
from services.routing.views import TABLES, known_clocks, settled
from tests.unit.routing.desks import MOBILE_1, NOON, SEALED, accepted, heard, kept, routed, t

REPLY_DUE = t("2025-10-12 00:00")
REF = {"clock": "reply", "started_in": 1}
SLA = "/bihuan/sla_watch"


def clock(code: str, purpose: ClockPurpose, due: datetime | None) -> Clock:
    return Clock(
        clock=code,
        started_in=1,
        purpose=purpose,
        clock_from=NOON,
        due=due,
        policy=PolicyRef(name="clocks", version="v1"),
    )


STARTED = ClocksStarted(
    cycle=1,
    cause=StartCause.REGISTERED,
    clock_from=NOON,
    clocks=(
        clock("acknowledge", ClockPurpose.ACKNOWLEDGE, t("2025-10-09 12:05")),
        clock("reply", ClockPurpose.REPLY, REPLY_DUE),
        clock("resolve", ClockPurpose.RESOLVE, None),
    ),
)


def told(*events: Event) -> dict[str, KnownClock]:
    """The clocks after these events, by code."""
    rows = [
        dict(row.values)
        for number, event in enumerate(events, start=1)
        for row in kept(heard_rows(heard(event, sequence=number, source=SLA)))
        if row.table == "clock_heard"
    ]
    return {one.clock: one for one in known_clocks(rows)}


def test_one_row_keeps_all_clocks_that_concern_a_desk() -> None:
    rows = kept(heard_rows(heard(STARTED, source=SLA)))
    assert len(rows) == 1
    assert dict(rows[0].key) == {"complaint": UUID(SUBJECT), "source": SLA, "sequence": 1}
    clocks = told(STARTED)
    assert set(clocks) == {"reply", "resolve"}
    assert clocks["reply"].due == REPLY_DUE
    assert clocks["resolve"].due is None, "beyond the calendar: unknown, not guessed"
    assert {one.state for one in clocks.values()} == {ClockState.RUNNING}


def test_later_news_of_a_clock_override_earlier_ones() -> None:
    paused = ClocksPaused(
        cycle=1, clocks=(ClockLeft(**REF, left_us=1),), since=NOON, reason="customer"
    )
    moved = ClocksRescheduled(
        cycle=1,
        clocks=(Due(**REF, due=t("2025-10-15 00:00")),),
        since=NOON,
        reason=RescheduleReason.RESUMED,
    )
    warned = ClockWarned(
        cycle=1, **REF, purpose=ClockPurpose.REPLY, level=WarningLevel.MOST, due=REPLY_DUE
    )
    breached = ClockBreached(
        cycle=1,
        **REF,
        purpose=ClockPurpose.REPLY,
        due_at=t("2025-10-15 00:00"),
        basis=VerdictBasis.COMPLETE,
    )
    assert told(STARTED, paused)["reply"].state is ClockState.PAUSED
    assert told(STARTED, paused)["reply"].due is None
    assert told(STARTED, paused, moved)["reply"].due == t("2025-10-15 00:00")
    after = told(STARTED, paused, moved, warned)["reply"]
    assert (after.state, after.warned) == (ClockState.RUNNING, "80")
    assert told(STARTED, moved, breached)["reply"].state is ClockState.BREACHED
    cancelled = ClocksCancelled(
        cycle=1, clocks=(ClockRef(**REF),), since=NOON, reason=CancelReason.RECLASSIFIED
    )
    assert told(STARTED, cancelled)["reply"].state is ClockState.OVER


def corrected_to(verdict: Verdict) -> ClockCorrected:
    return ClockCorrected(
        cycle=1,
        **REF,
        purpose=ClockPurpose.REPLY,
        corrects=UUID(int=1),
        was=Verdict.BREACHED,
        now=verdict,
        fact=EventRef(event=UUID(int=2), source="/bihuan/routing", type="work.answered.v1"),
        due=REPLY_DUE,
        heard_late_ms=1,
    )


def test_a_clock_that_is_over_does_not_run_again_when_its_due_is_set_right() -> None:
    """A fact heard late may move the due, and so the month, of a clock that was met meanwhile."""
    moved = ClocksRescheduled(
        cycle=1,
        clocks=(Due(**REF, due=t("2025-10-15 00:00")),),
        since=NOON,
        reason=RescheduleReason.FACT_HEARD_LATE,
    )
    assert told(STARTED, corrected_to(Verdict.MET), moved)["reply"].state is ClockState.OVER
    gone = ClocksCancelled(
        cycle=1, clocks=(ClockRef(**REF),), since=NOON, reason=CancelReason.RECLASSIFIED
    )
    assert told(STARTED, gone, moved)["reply"].state is ClockState.OVER


def test_a_due_that_the_calendar_does_not_reach_is_unknown_and_the_clock_runs() -> None:
    unknown = ClocksRescheduled(
        cycle=1,
        clocks=(Due(**REF, due=None),),
        since=NOON,
        reason=RescheduleReason.RESUMED,
    )
    clock = told(STARTED, unknown)["reply"]
    assert (clock.due, clock.state) == (None, ClockState.RUNNING)


def test_a_stale_warning_is_for_the_record_and_asks_nobody_for_a_plan() -> None:
    stale = ClockWarned(
        cycle=1,
        **REF,
        purpose=ClockPurpose.REPLY,
        level=WarningLevel.MOST,
        due=REPLY_DUE,
        stale=True,
    )
    assert kept(heard_rows(heard(stale, source=SLA))) == []
    assert told(STARTED, stale)["reply"].warned is None


@pytest.mark.parametrize("verdict", list(Verdict))
def test_a_corrected_verdict_counts_whatever_it_is(verdict: Verdict) -> None:
    expected = {
        Verdict.RUNNING: ClockState.RUNNING,
        Verdict.BREACHED: ClockState.BREACHED,
        Verdict.MET: ClockState.OVER,
        Verdict.CANCELLED: ClockState.OVER,
    }
    assert told(STARTED, corrected_to(verdict))["reply"].state is expected[verdict]


def test_news_of_clocks_that_are_not_the_desks_are_left_out() -> None:
    warned = ClockWarned(
        cycle=1,
        clock="survey",
        started_in=1,
        purpose=ClockPurpose.SURVEY,
        level=WarningLevel.HALF,
        due=REPLY_DUE,
    )
    assert kept(heard_rows(heard(warned, source=SLA))) == []
    gone = ClocksCancelled(
        cycle=1,
        clocks=(ClockRef(clock="survey", started_in=1),),
        since=NOON,
        reason=CancelReason.SURVEY_ENDED,
    )
    assert set(told(STARTED, gone)) == {"reply", "resolve"}


def test_what_became_of_what_was_asked_is_kept() -> None:
    first, second, third = (UUID(int=number) for number in (1, 2, 3))
    ours = PaidBy(party=Payer.OPERATOR)
    told: tuple[CompensationEvent, ...] = (
        CompensationSubmitted(
            cycle=1,
            finding=1,
            asked=first,
            basis=Basis.DOUBLE_REFUND,
            amount="373.00",
            total="373.00",
            role="team",
            limit="200.00",
            authority="desk",
            proposed_by="5301",
            not_by=("5301",),
            paid_by=ours,
        ),
        CompensationGranted(
            cycle=1,
            finding=1,
            asked=first,
            basis=Basis.DOUBLE_REFUND,
            amount="373.00",
            total="373.00",
            under=GrantedUnder.APPROVAL,
            by="9001",
            role="desk",
            paid_by=ours,
        ),
        CompensationRefused(
            cycle=1,
            finding=2,
            asked=second,
            basis=Basis.GOODWILL,
            amount="10.00",
            reason="no_ground",
            by="9001",
        ),
        CompensationLapsed(
            cycle=1,
            finding=3,
            asked=third,
            basis=Basis.DOUBLE_REFUND,
            reason=LapsedWhy.COVERED,
            granted="373.00",
        ),
    )
    rows: list[dict[str, Any]] = [
        dict(row.values)
        for number, event in enumerate(told, start=1)
        for row in kept(heard_rows(heard(event, sequence=number, source="/bihuan/escalation")))
    ]
    assert [(one.asked, one.state, one.granted_total) for one in settled(rows)] == [
        (first, SettledAs.SUBMITTED, None),
        (first, SettledAs.GRANTED, Decimal("373.00")),
        (second, SettledAs.REFUSED, None),
        (third, SettledAs.LAPSED, None),
    ]


def test_an_instruction_is_kept_for_the_team_that_gets_it() -> None:
    event = CaseInstructed(
        cycle=1, case=1, tier=2, instruction=2, team="billing-care", due=REPLY_DUE, text=SEALED
    )
    [row] = kept(heard_rows(heard(event)))
    assert dict(row.values) == {
        "case_number": 1,
        "instruction": 2,
        "team": "billing-care",
        "due_at": REPLY_DUE,
        "what": SEALED,
    }


def test_work_is_on_the_desk_until_it_ends_and_among_the_done_ones_after() -> None:
    told_work = accepted()
    [row] = kept(told_work.rows)
    values = dict(row.values)
    assert row.table == "work"
    assert (values["phase"], values["agent"], values["owner_team"]) == (
        "accepted",
        "5001",
        "mobile-care",
    )
    ended = told_work.when(EndWork(at=NOON, cycle=1, reason=EndReason.CLOSED))
    [row] = kept(ended.rows)
    assert row.table == "work_done"
    assert dict(row.values)["end_reason"] == "closed"


def test_rows_fit_their_tables() -> None:
    tables = {table.name: table for table in TABLES}
    stories = (
        routed(),
        accepted(MOBILE_1),
        accepted().when(EndWork(at=NOON, cycle=1, reason=EndReason.CLOSED)),
    )
    for one in stories:
        for row in one.rows:
            table = tables[row.table]
            assert {name for name, _ in (*row.key, *row.values)} == set(table.columns)
            assert tuple(name for name, _ in row.key) == table.key
