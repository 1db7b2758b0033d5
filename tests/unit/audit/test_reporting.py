"""What reports make of rows, figure by figure; every expected value worked out by hand."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from contracts.feedback_survey import SurveyConcluded, SurveyOutcome
from contracts.housekeeping import PolicyActivated
from contracts.sla_watch import (
    CancelReason,
    ClockBreached,
    ClockCorrected,
    ClockMet,
    ClocksCancelled,
    ClocksStarted,
    StartCause,
    Verdict,
    VerdictBasis,
)
from contracts.values import Clock, ClockRef, EventRef, PolicyRef
from libs.decider import Event, Recorded, Row
from services.audit.domain.reporting import REPORTS, Period, fact_rows
from services.audit.domain.reporting.facts import CALL, CASE, COMPLAINT, REFUND, SURVEY
from services.audit.domain.reporting.period import DAYS_MAX
from services.audit.facts import Kept

OCTOBER = Period(date(2025, 10, 1), date(2025, 10, 31))
EVER = datetime(2004, 1, 1, tzinfo=UTC)


def complaint(number: int, told: str, **more: Any) -> Row:
    at = datetime.fromisoformat(f"{told}+08:00")
    return Row.of(
        COMPLAINT.name,
        {"complaint": UUID(int=number)},
        **{
            "receipt": f"R{number}",
            "person": UUID(int=1),
            "kind": "complaint",
            "category": "billing.overcharge",
            "channel": "sms",
            "province": None,
            "told_at": at,
            "told_on": at.date(),
            "history": False,
            "cycle": 1,
            "urges": 0,
            "repeat_no": 0,
            **more,
        },
    )


def told(name: str, rows: list[Row], period: Period = OCTOBER) -> list[dict[str, Any]]:
    kept = Kept()
    kept.keep(rows)
    sheet = REPORTS[name](kept, period)
    names = [column.name for column in sheet.columns]
    return [dict(zip(names, row, strict=True)) for row in sheet.rows]


def recorded_of(source: str, complaint_number: int, time: datetime, event: Event) -> Recorded[Any]:
    return Recorded(
        id=UUID(int=1),
        source=source,
        type=event.type,
        subject=str(UUID(int=complaint_number)),
        time=time,
        sequence=1,
        actor="system:somebody",
        data=event,
    )


def repeats(rows: list[Row]) -> tuple[Any, ...]:
    every = told("repeats", rows)[0]
    return every["complaints"], every["repeats"], str(every["repeat_rate"])


def test_a_repeat_is_what_intake_called_one_when_it_was_told() -> None:
    first = complaint(1, "2025-09-20T09:00:00")
    again = complaint(2, "2025-10-20T09:00:00", repeat_no=1)
    assert repeats([first, again]) == (1, 1, "100.00 %")
    assert repeats([first, complaint(2, "2025-10-20T09:00:01")]) == (1, 0, "0.00 %")
    more = [complaint(number, "2025-10-21T09:00:00", repeat_no=number) for number in (3, 4)]
    assert repeats([first, again, *more, complaint(5, "2025-10-22T09:00:00")]) == (4, 3, "75.00 %")
    merged = complaint(2, "2025-10-10T09:00:00", repeat_no=1, merged_into=UUID(int=1))
    assert repeats([first, merged]) == (0, 0, "None")
    praise = complaint(2, "2025-10-10T09:00:00", repeat_no=0, kind="praise")
    assert repeats([first, praise]) == (0, 0, "None")


def test_urges_are_counted_and_complaints_urged_as_well() -> None:
    rows = [complaint(number, "2025-10-01T09:00:00", urges=number - 1) for number in (1, 2, 3)]
    every = told("repeats", rows)[0]
    assert (every["urges"], every["urged"], str(every["urge_rate"])) == (3, 2, "66.66… %")


def survey(number: int, cycle: int, day: int, outcome: str, **said: Any) -> Row:
    key = {"complaint": UUID(int=number), "cycle": cycle}
    return Row.of(SURVEY.name, key, outcome=outcome, concluded_on=date(2025, 10, day), **said)


def visit(number: int, day: int | None, **said: Any) -> Row:
    ended = None if day is None else date(2025, 10, day)
    key = {"complaint": UUID(int=number), "call": UUID(int=number)}
    return Row.of(CALL.name, key, reason="visit", cycle=1, ended_on=ended, **said)


def satisfaction(*rows: Row) -> dict[tuple[str, int], dict[str, Any]]:
    return {(one["kind"], one["cycle"]): one for one in told("satisfaction", list(rows))}


def test_scores_are_counted_per_cycle() -> None:
    """S6: three cycles, three surveys: 3, 2, 9."""
    lines = satisfaction(
        survey(1, 1, 18, "dissatisfied", score=3, resolved=False, satisfied=False),
        survey(1, 2, 19, "dissatisfied", score=2, satisfied=False),
        survey(1, 3, 20, "satisfied", score=9, satisfied=True),
        survey(2, 1, 21, "satisfied", score=8, resolved=True, satisfied=True),
        survey(3, 1, 21, "no_answer"),
    )
    assert list(lines) == [("survey", 1), ("survey", 2), ("survey", 3)]
    first = lines["survey", 1]
    assert (first["concluded"], first["answered"], first["no_answer"]) == (3, 2, 1)
    assert (first["score_3"], first["score_8"], first["score_9"]) == (1, 1, 0)
    assert (first["scored"], first["score_sum"], first["mean"]) == (2, 11, "5.50")
    assert (str(first["share"]), first["resolved"], first["not_resolved"]) == ("50.00 %", 1, 1)
    assert [lines["survey", cycle]["mean"] for cycle in (2, 3)] == ["2.00", "9.00"]


def test_late_and_corrected_scores_stand_apart_and_change_none_in_time() -> None:
    late = datetime(2025, 10, 25, 2, tzinfo=UTC)
    line = satisfaction(
        # The customer thinks better of it, and of it again: the last one counts.
        survey(1, 1, 18, "dissatisfied", score=3, satisfied=False),
        survey(1, 1, 18, "dissatisfied", late_score=9, late_satisfied=True, late_at=late),
        # Nothing in time; then not resolved, and no score.
        survey(2, 1, 18, "no_answer", late_satisfied=False, late_resolved=False, late_at=late),
        # Mere words.
        survey(3, 1, 18, "satisfied", score=8, satisfied=True, late_at=late),
    )["survey", 1]
    assert (line["answered"], line["satisfied_answers"]) == (2, 1)
    assert (line["score_3"], line["score_9"], line["scored"], line["score_sum"]) == (1, 0, 2, 11)
    assert (line["late"], line["corrected"]) == (3, 1)
    assert (line["late_satisfied"], line["late_dissatisfied"]) == (1, 1)
    assert (line["late_scored"], line["late_score_sum"], line["late_mean"]) == (1, 9, "9.00")


def test_an_asking_counts_in_the_month_in_which_it_ended_in_shanghai() -> None:
    kept = Kept()
    for number, minute in ((1, 59), (2, 60)):
        ended = datetime(2025, 10, 31, 15, tzinfo=UTC) + timedelta(minutes=minute)
        concluded = SurveyConcluded(cycle=1, outcome=SurveyOutcome.NO_ANSWER, reason="expired")
        kept.keep(fact_rows(recorded_of("/bihuan/feedback_survey", number, ended, concluded)))
    both = Period(date(2025, 10, 1), date(2025, 11, 30))
    assert [(row[0], row[3]) for row in REPORTS["satisfaction"](kept, both).rows] == [
        *(("2025-10", 1), ("2025-11", 1))
    ]


def test_visits_are_counted_apart() -> None:
    lines = satisfaction(
        survey(1, 1, 18, "satisfied", score=9, satisfied=True),
        visit(1, 25, reached=True, score=4, satisfied=False),
        visit(2, 25, reached=True),
        visit(3, 26, reached=False),
        visit(4, 26, called_off=True),
        visit(5, None),
        Row.of(
            CALL.name,
            {"complaint": UUID(int=6), "call": UUID(int=6)},
            reason="survey",
            cycle=1,
            reached=True,
            ended_on=date(2025, 10, 18),
        ),
    )
    assert list(lines) == [("survey", 1), ("visit", 1)]
    assert (lines["survey", 1]["concluded"], lines["survey", 1]["score_sum"]) == (1, 9)
    made = lines["visit", 1]
    outcomes = ("satisfied", "dissatisfied", "no_answer", "unreachable", "cancelled")
    assert [made[name] for name in outcomes] == [0, 1, 1, 1, 1]
    assert (made["concluded"], made["answered"], made["score_4"], made["mean"]) == (4, 1, 1, "4.00")


def grant(complaint_number: int, granted: int, amount: str, basis: str) -> Row:
    return Row.of(
        REFUND.name,
        {"complaint": UUID(int=complaint_number), "granted": granted},
        finding=1,
        basis=basis,
        amount=Decimal(amount),
        total=Decimal(amount),
        under="limit",
        role="team",
        granted_at=datetime(2025, 10, 13, 2, tzinfo=UTC),
        granted_on=date(2025, 10, 13),
    )


def test_refunds_are_summed_exactly() -> None:
    """S5 and S2: 373.00 and its supplement of 20.00; rent of 11.35. No float anywhere."""
    rows = [
        complaint(1, "2025-10-10T09:00:00"),
        complaint(2, "2025-10-01T20:00:00"),
        grant(1, 1, "373.00", "double_refund"),
        grant(1, 2, "20.00", "double_refund"),
        grant(2, 1, "11.35", "rent_waiver"),
        grant(2, 2, "0.02", "rent_waiver"),
    ]
    sums = [
        (one["basis"], one["grants"], one["complaints"], one["amount"])
        for one in told("refund-sums", rows)
    ]
    assert sums == [
        ("double_refund", 2, 1, Decimal("393.00")),
        ("rent_waiver", 2, 1, Decimal("11.37")),
        ("all", 4, 2, Decimal("404.37")),
    ]
    assert [one["amount"] for one in told("refunds", rows)] == [
        *(Decimal("373.00"), Decimal("20.00"), Decimal("11.35"), Decimal("0.02")),
    ]


def test_corrective_actions_are_counted_as_ordered_done_and_past_due() -> None:
    """DOMAIN rule 10: done in time, done late, not done and past due, still owed."""
    done = datetime(2025, 10, 20, tzinfo=UTC)
    stands = (("owed", done), ("overdue", done), ("overdue", None), ("owed", None))
    rows = [complaint(1, "2025-10-01T09:00:00")]
    rows += [
        Row.of(
            CASE.name,
            {"complaint": UUID(int=1), "case_number": number},
            tier=2,
            trigger="wish",
            decision="upheld",
            correction=correction,
            corrected_at=at,
        )
        for number, (correction, at) in enumerate(stands, start=1)
    ]
    every = told("escalations", rows)[0]
    names = ("corrections", "corrections_done", "corrections_overdue")
    assert tuple(every[name] for name in names) == (4, 2, 2)


def test_a_day_belongs_to_the_month_it_has_in_shanghai() -> None:
    rows = [
        complaint(1, "2025-10-31T23:59:59.999999"),
        complaint(2, "2025-11-01T00:00:00"),
        complaint(3, "2025-09-30T23:59:59.999999"),
        complaint(4, "2025-10-01T00:00:00"),
    ]
    assert told("volume", rows)[0]["told"] == 2


@pytest.mark.parametrize("name", REPORTS)
def test_a_report_of_nothing_is_a_report(name: str) -> None:
    assert isinstance(told(name, []), list)


def test_a_period_has_an_order_and_a_limit() -> None:
    with pytest.raises(ValueError, match="on or after its first day"):
        Period(date(2025, 10, 2), date(2025, 10, 1))
    with pytest.raises(ValueError, match=f"at most {DAYS_MAX} days"):
        Period.asked(date(2000, 1, 1), date(2025, 10, 1))


# --- S8, from events to the table ----------------------------------------------------------------

RESOLVE: dict[str, Any] = {
    "clock": "resolve",
    "instance": "",
    "started_in": 1,
    "purpose": "resolve",
}
DUE = datetime(2025, 10, 31, 16, tzinfo=UTC)
"""2025-11-01 00:00 in Shanghai: the last counted date is 31 October."""


class Watch:
    """What sla_watch tells about `resolve` clocks of one complaint each."""

    def __init__(self) -> None:
        self.kept = Kept()
        promised = {"code": "resolve", "promised": "98/100", "title": {"zh": "投诉解决", "en": "-"}}
        self.tell(
            0,
            PolicyActivated(
                name="clocks",
                version="1",
                sha256="0" * 64,
                content={"version": "1", "clocks": [promised]},
                effective_from=EVER,
                seed=True,
            ),
        )

    def tell(self, complaint_number: int, event: Event) -> None:
        told = recorded_of("/bihuan/sla_watch", complaint_number, DUE, event)
        self.kept.keep(fact_rows(told))

    def start(self, complaint_number: int) -> None:
        clock = Clock(
            **RESOLVE,
            due=DUE,
            last_counted=date(2025, 10, 31),
            clock_from=datetime(2025, 10, 24, 2, tzinfo=UTC),
            policy=PolicyRef(name="clocks", version="1"),
        )
        self.tell(
            complaint_number,
            ClocksStarted(
                cycle=1, cause=StartCause.REGISTERED, clock_from=clock.clock_from, clocks=(clock,)
            ),
        )

    def meet(self, complaint_number: int) -> None:
        self.start(complaint_number)
        met = ClockMet(cycle=1, fact=FACT, at=DUE, due=DUE, **RESOLVE)
        self.tell(complaint_number, met)

    def breach(self, complaint_number: int) -> None:
        self.start(complaint_number)
        complete = VerdictBasis.COMPLETE
        self.tell(complaint_number, ClockBreached(cycle=1, due_at=DUE, basis=complete, **RESOLVE))

    def cancel(self, complaint_number: int) -> None:
        self.start(complaint_number)
        named = ClockRef(clock="resolve", instance="", started_in=1)
        gone = CancelReason.WITHDRAWN
        self.tell(
            complaint_number, ClocksCancelled(cycle=1, clocks=(named,), since=DUE, reason=gone)
        )

    def line(self, period: Period = OCTOBER) -> tuple[Any, ...]:
        (row,) = REPORTS["promises"](self.kept, period).rows
        month, *_, met, breached, cancelled, shown, promised, kept = row
        return (month, met, breached, cancelled, str(shown), promised, kept)


FACT = EventRef(event=UUID(int=9), source="/bihuan/routing", type="work.answered.v1")


@pytest.mark.parametrize(
    ("met", "breached", "cancelled", "shown", "kept"),
    [
        (49, 1, 3, "98.00 %", True),
        (48, 2, 0, "96.00 %", False),
        (195, 4, 0, "97.98… %", False),
        (0, 0, 2, "None", None),
    ],
)
def test_s8_from_the_clocks_events_to_the_table(
    met: int, breached: int, cancelled: int, shown: str, kept: bool | None
) -> None:
    watch = Watch()
    numbers = iter(range(1, 1000))
    for _ in range(met):
        watch.meet(next(numbers))
    for _ in range(breached):
        watch.breach(next(numbers))
    for _ in range(cancelled):
        watch.cancel(next(numbers))
    assert watch.line() == ("2025-10", met, breached, cancelled, shown, "98 %", kept)
    november = Period(date(2025, 11, 1), date(2025, 11, 30))
    assert REPORTS["promises"](watch.kept, november).rows == []


def test_a_corrected_verdict_replaces_the_one_it_corrects() -> None:
    """DOMAIN counting 10: what is heard late corrects; nothing is counted twice."""
    watch = Watch()
    watch.breach(1)
    corrected = ClockCorrected(
        cycle=1,
        corrects=UUID(int=1),
        was=Verdict.BREACHED,
        now=Verdict.MET,
        fact=FACT,
        at=DUE,
        due=DUE,
        heard_late_ms=1,
        **RESOLVE,
    )
    watch.tell(1, corrected)
    assert watch.line() == ("2025-10", 1, 0, 0, "100.00 %", "98 %", True)
