"""What is shown of clocks is a function of their stream; promises are compared as integers."""

from uuid import UUID

import pytest

from contracts.housekeeping import PolicyActivated
from libs.decider import Recorded, Row
from services.sla_watch.domain.rows import heard_rows, rows
from services.sla_watch.views import TABLES, promise
from tests.unit.sla_watch import told
from tests.unit.sla_watch.play import SUBJECT, Play, seed_content
from tests.unit.timekeeping.instants import at

START = "2025-10-16 10:00"


def shown(play: Play, code: str, instance: str = "") -> dict[str, object]:
    assert play.state is not None
    found = [
        dict((*row.key, *row.values))
        for row in rows(SUBJECT, play.state)
        if ("clock", code) in row.key and ("instance", instance) in row.key
    ]
    assert len(found) == 1
    return found[0]


def activated(version: str = "1", source: str = "/bihuan/sla_watch") -> Recorded[PolicyActivated]:
    content = seed_content("clocks.v1.yaml") | {"version": version}
    event = PolicyActivated(
        name="clocks",
        version=version,
        sha256="0" * 64,
        content=content,
        effective_from=at("2004-01-01"),
        seed=True,
    )
    return Recorded(
        id=UUID(int=1),
        source=source,
        type=event.type,
        subject="clocks",
        time=at(START),
        sequence=1,
        actor="system:sla_watch",
        data=event,
    )


def test_one_row_per_clock_with_the_columns_of_its_table() -> None:
    play = Play().hear(told.registered(START), START)
    assert play.state is not None
    tables = {table.name: table for table in TABLES}
    found: list[Row] = [*rows(SUBJECT, play.state), *heard_rows(activated())]
    assert {row.table for row in found} == set(tables)
    for row in found:
        assert tuple(name for name, _ in row.key) == tables[row.table].key
        assert {name for name, _ in (*row.key, *row.values)} == set(tables[row.table].columns)


def test_a_row_follows_its_clock() -> None:
    play = Play().hear(told.registered(START), START)
    assert shown(play, "resolve")["state"] == "running"
    assert shown(play, "resolve")["due_at"] == at("2025-10-24")
    assert shown(play, "resolve")["month"] == "2025-10"
    play.hear(told.suspended(), "2025-10-17 12:00")
    paused = shown(play, "resolve")
    assert (paused["state"], paused["due_at"]) == ("paused", None)
    assert paused["left_us"] == (12 + 96) * 3_600_000_000
    assert paused["paused_since"] == at("2025-10-17 12:00")
    play.hear(told.resumed(), "2025-10-20 12:00").hear(told.answered(), "2025-10-21 09:00")
    met = shown(play, "resolve")
    assert (met["state"], met["met_at"]) == ("met", at("2025-10-21 09:00"))
    assert met["due_at"] == at("2025-10-25")
    assert (met["left_us"], met["paused_since"]) == (None, None)


def test_a_cancelled_row_says_when_and_why() -> None:
    play = Play().hear(told.registered(START), START).hear(told.withdrawn(), "2025-10-16 10:02")
    row = shown(play, "resolve")
    assert row["state"] == "cancelled"
    assert row["cancelled_at"] == at("2025-10-16 10:02")
    assert row["cancelled_for"] == "withdrawn"
    assert row["month"] == "2025-10"


def test_a_due_beyond_the_calendar_is_shown_as_unknown() -> None:
    play = Play().hear(told.registered("2026-12-29 10:00"), "2026-12-29 10:00")
    assert shown(play, "resolve")["state"] == "unknown"
    assert shown(play, "resolve")["due_at"] is None
    assert shown(play, "first_contact")["state"] == "running"


def test_a_corrected_verdict_is_counted_as_such() -> None:
    play = Play().hear(told.registered(START), START).until("2025-10-16 12:00")
    assert shown(play, "first_contact")["state"] == "breached"
    play.hear(told.contacted(), "2025-10-16 10:30", heard_at="2025-10-16 12:00")
    row = shown(play, "first_contact")
    assert (row["state"], row["corrections"], row["met_at"]) == ("met", 1, at("2025-10-16 10:30"))


def test_a_clock_that_did_not_change_keeps_its_very_row() -> None:
    play = Play().hear(told.registered(START), START)
    assert play.state is not None
    before = list(rows(SUBJECT, play.state))
    play.hear(told.contacted(), "2025-10-16 10:01")
    after = list(rows(SUBJECT, play.state))
    same = [one is other for one, other in zip(before, after, strict=True)]
    assert same.count(False) == 1


def test_what_a_version_promises_is_kept_of_this_services_own_policy_only() -> None:
    kept = {row.key: dict(row.values) for row in heard_rows(activated("2"))}
    resolve = kept[(("policy", "2"), ("clock", "resolve"))]
    assert resolve["promised"] == "98/100"
    assert resolve["title_zh"] == "投诉解决"
    assert list(heard_rows(activated(source="/bihuan/routing"))) == []
    assert list(heard_rows(Play().record(told.answered(), START))) == []


S8 = [
    # met, breached, cancelled, kept against 98 %
    (49, 1, 3, True),  # 98.00 %
    (48, 2, 0, False),  # 96.00 %
    (195, 4, 0, False),  # 97.98… %: not kept, and never shown as "98 %"
    (0, 0, 5, None),
    (98, 2, 0, True),
    (9799, 201, 0, False),
]


@pytest.mark.parametrize(("met", "breached", "cancelled", "kept"), S8)
def test_s8_kept_promises_are_compared_as_integers(
    met: int, breached: int, cancelled: int, kept: bool | None
) -> None:
    line = promise(
        clock="resolve",
        policy="1",
        month="2025-10",
        promised="98/100",
        met=met,
        breached=breached,
        cancelled=cancelled,
    )
    assert line.kept is kept
    assert line.promised_share == "98 %"
    assert (line.met, line.breached, line.cancelled) == (met, breached, cancelled)
    assert set(line.model_dump()) == {
        "clock",
        "policy",
        "month",
        "history",
        "met",
        "breached",
        "cancelled",
        "promised_share",
        "kept",
    }, "no rounded share anywhere"


def test_where_no_share_is_promised_none_is_judged() -> None:
    line = promise(
        clock="agreed",
        policy="1",
        month="2025-10",
        promised=None,
        met=1,
        breached=1,
        cancelled=0,
    )
    assert (line.promised_share, line.kept) == (None, None)
