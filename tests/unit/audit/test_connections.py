"""004 每日接通率测试表: what may be written down, and what the table makes of it (85 % in 20 s)."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from contracts.housekeeping import ConnectionEntered
from contracts.values import ChannelKind
from libs.decider import Context, DomainError, Policies, PolicyInForce, Recorded, Row
from services.audit.domain.connections import (
    HOTLINES,
    DayToCome,
    EnterConnection,
    EnteredBefore,
    Figures,
    MoreAnsweredThanCalled,
    NoHotline,
    decide,
    evolve,
)
from services.audit.domain.reporting import REPORTS, Period, fact_rows
from services.audit.domain.reporting.facts import RULE
from services.audit.domain.reporting.policy import ReportsPolicy
from services.audit.facts import Kept
from tests.unit.timekeeping.instants import at

DAY = date(2025, 10, 10)
RULES = ReportsPolicy.model_validate(
    {
        "name": "reports",
        "version": "1",
        "effective_from": "2004-01-01",
        "connection": {"share": "85/100", "within_seconds": 20},
    }
)


def context(now: str = "2025-10-10 18:00") -> Context:
    ever = datetime(2004, 1, 1, tzinfo=UTC)
    in_force = PolicyInForce("reports", "1", "0" * 64, ever, {}, RULES)
    return Context(at(now), "agent:7001", Policies({"reports": (in_force,)}))


def enter(calls: int, answered: int, **more: Any) -> EnterConnection:
    told: dict[str, Any] = {"day": DAY, "line": ChannelKind.HOTLINE_10010, **more}
    return EnterConnection(
        at=at("2025-10-10 18:00"), by="agent:7001", calls=calls, answered=answered, **told
    )


def recorded(event: ConnectionEntered, sequence: int = 1) -> Recorded[ConnectionEntered]:
    return Recorded(
        id=UUID(int=sequence),
        source="/bihuan/audit",
        type=event.type,
        subject=f"connection:{event.day}",
        time=at("2025-10-10 18:00") + timedelta(seconds=sequence),
        sequence=sequence,
        actor="agent:7001",
        data=event,
    )


def after(*commands: EnterConnection) -> tuple[Figures | None, list[Recorded[ConnectionEntered]]]:
    state, told = None, list[Recorded[ConnectionEntered]]()
    for command in commands:
        for event in decide(state, command, context()):
            told.append(recorded(event, len(told) + 1))
            state = evolve(state, told[-1])
    return state, told


def test_figures_told_twice_are_told_once() -> None:
    _, told = after(enter(200, 170), enter(200, 170))
    (event,) = [one.data for one in told]
    assert (event.calls, event.answered, event.within_seconds) == (200, 170, 20)
    assert (event.corrects, event.reason) == (False, None)


def test_other_figures_correct_the_first_with_a_reason_and_both_stay_on_record() -> None:
    state, _ = after(enter(200, 170))
    with pytest.raises(EnteredBefore):
        decide(state, enter(200, 169), context())
    _, told = after(enter(200, 170), enter(200, 169, reason="counted twice"))
    first, second = [one.data for one in told]
    assert (first.answered, second.answered) == (170, 169)
    assert (second.corrects, second.reason) == (True, "counted twice")


def test_each_line_of_a_day_has_figures_of_its_own() -> None:
    _, told = after(enter(200, 170), enter(10, 10, line=ChannelKind.HOTLINE_10015))
    assert [one.data.corrects for one in told] == [False, False]


@pytest.mark.parametrize(
    ("command", "refusal"),
    [
        (enter(10, 11), MoreAnsweredThanCalled),
        (enter(10, 9, line=ChannelKind.SMS), NoHotline),
        (enter(10, 9, line=ChannelKind.ACCOUNT_MANAGER), NoHotline),
        (enter(10, 9, day=date(2025, 10, 11)), DayToCome),
    ],
)
def test_what_cannot_be_is_refused(command: EnterConnection, refusal: type[DomainError]) -> None:
    with pytest.raises(refusal):
        decide(None, command, context())


def test_a_day_begins_at_midnight_in_shanghai() -> None:
    tomorrow = enter(10, 9, day=date(2025, 10, 11))
    assert len(decide(None, tomorrow, context("2025-10-11 00:00"))) == 1


def test_there_are_seven_hotlines() -> None:
    """000, 001, 003: 10010, 10011, 10012, 10015, 10016, 10018 and the one abroad."""
    assert len(HOTLINES) == 7


def table(*commands: EnterConnection) -> list[dict[str, Any]]:
    kept = Kept()
    ever = datetime(2004, 1, 1, tzinfo=UTC)
    figures = {"connection_share": "85/100", "connection_seconds": 20}
    kept.keep([Row.of(RULE.name, {"version": "1"}, counts_from=ever, **figures)])
    for one in after(*commands)[1]:
        kept.keep(fact_rows(one))
    sheet = REPORTS["connection"](kept, Period(DAY, DAY))
    names = [column.name for column in sheet.columns]
    return [dict(zip(names, row, strict=True)) for row in sheet.rows]


@pytest.mark.parametrize(
    ("calls", "answered", "shown", "reached"),
    [
        (200, 170, "85.00 %", True),
        (200, 169, "84.50 %", False),
        (6_667, 5_666, "84.98… %", False),
        (19_999, 16_999, "84.99… %", False),
        (0, 0, "None", None),
    ],
)
def test_the_target_of_85_per_cent_is_compared_as_integers(
    calls: int, answered: int, shown: str, reached: bool | None
) -> None:
    (row,) = table(enter(calls, answered))
    assert (str(row["share"]), row["reached"], row["target"]) == (shown, reached, "85 %")
    assert row["within_seconds"] == 20


def test_a_correction_takes_the_place_of_what_it_corrects() -> None:
    (row,) = table(enter(200, 170), enter(200, 169, reason="counted twice"))
    assert (row["answered"], row["corrected"], row["reached"]) == (169, True, False)


def test_nothing_else_of_a_day_is_touched() -> None:
    state, _ = after(enter(200, 170))
    assert state is not None
    assert replace(state) == Figures({ChannelKind.HOTLINE_10010: (200, 170)})
