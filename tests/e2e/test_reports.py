"""Every report of DOMAIN rule 12, over all that the other scenes play as well: counted twice."""

import json
from datetime import date
from decimal import Decimal
from typing import Any

from libs.sheets import FORMATS, Format, written
from services.audit.domain.reporting import REPORTS, Period
from services.audit.replayed import replay
from services.audit.reports import report_file
from tests.e2e.scenes import Stage, scene
from tests.e2e.world import read_log
from tests.integration.audit import oracle

PERIOD = Period(date(2025, 9, 1), date(2026, 1, 31))
AT_THE_END = "2026-02-10 00:00:00"
"""After the last instant of the other scenes of 2025."""
SUBSCRIBER = "13812349901"


@scene
async def test_every_report_is_the_same_live_and_replayed_and_agrees_with_a_second_count(
    world: Stage,
) -> None:
    receipts = await _two_complaints_of_one_customer(world)
    await world.at(AT_THE_END)
    await world.settle()
    values = await read_log(world.system)
    replayed = replay(values).facts
    documents: dict[str, Any] = {}
    for name, report in REPORTS.items():
        for form in FORMATS:
            with await world.app("audit").query(report_file, name, PERIOD, form) as live:
                told = live.read()
            assert written(report(replayed, PERIOD), form) == told, (name, form)
            if form is Format.JSON:
                documents[name] = json.loads(told)["rows"]
    _ours(documents, *receipts)
    _counted_twice(documents, oracle.events_of(values))


async def _two_complaints_of_one_customer(world: Stage) -> tuple[str, str]:
    """The first refunded, with a cause named, and closed; the second urged once and left open."""
    await world.at("2025-10-20 09:00:00")
    first = await _dispute(world)
    who = await world.accepts(first)
    found = {"cause": "operator", "overcharged": "10.00"}
    await world.player.do("routing", f"/work/{first}/finding", found, **who)
    await world.settle()
    proposed = {"finding": 1, "basis": "double_refund"}
    await world.player.do("routing", f"/work/{first}/compensation", proposed, **who)
    await world.settle()
    answer = {
        "explanation": "已核实",
        "decision": "upheld",
        "told_by": "message",
        "causes": [{"department": "billing-centre", "cause": "tariff_error"}],
    }
    await world.player.do("routing", f"/work/{first}/answer", answer, **who)
    await world.settle()
    receipt = await world.receipt(first)
    await world.at("2025-10-20 10:00:00")
    await world.replies(receipt, 9, resolved=True)

    await world.at("2025-10-25 09:00:00")
    second = await _dispute(world)
    assert second != first
    await world.at("2025-10-25 12:00:00")
    assert await _dispute(world) == second
    return receipt, await world.receipt(second)


async def _dispute(world: Stage) -> str:
    return await world.say(
        text="多收话费",
        subscriber=SUBSCRIBER,
        category="billing.overcharge",
        reply_to={"kind": "sms", "address": SUBSCRIBER},
    )


def _of(rows: list[Any], **wanted: Any) -> list[Any]:
    return [row for row in rows if all(row[name] == value for name, value in wanted.items())]


def _ours(documents: dict[str, Any], first: str, second: str) -> None:
    (refund,) = _of(documents["refunds"], receipt=first)
    assert (refund["amount"], refund["total"], refund["basis"]) == (
        *("20.00", "20.00"),
        "double_refund",
    )
    (cause,) = _of(documents["topics"], department="billing-centre")
    assert (cause["day"], cause["category"], cause["cause"], cause["number"]) == (
        *("2025-10-20", "billing.overcharge"),
        *("tariff_error", 1),
    )
    (record,) = _of(documents["records"], receipt=first)
    assert (record["score"], record["outcome"], record["refund"]) == (9, "satisfied", "20.00")
    assert (record["words"], record["customer"], record["opinion"]) == ("🔒", "🔒", "🔒")
    (open_one,) = _of(documents["records"], receipt=second)
    assert (open_one["urges"], open_one["outcome"], open_one["decision"]) == (1, None, None)
    (asked,) = _of(documents["revisits"], receipt=first)
    assert (asked["kind"], asked["score"], asked["resolved"], asked["outcome"]) == (
        *("survey", 9),
        *(True, "satisfied"),
    )


def _counted_twice(documents: dict[str, Any], events: list[oracle.Json]) -> None:
    days = (PERIOD.first, PERIOD.last)
    counted = oracle.promises(events, *days)
    shown = {
        tuple(row[name] for name in ("month", "clock", "policy", "history")): row
        for row in documents["promises"]
    }
    assert shown.keys() == counted.keys()
    for key, (met, breached, cancelled, _, kept) in counted.items():
        row = shown[key]
        assert (row["met"], row["breached"], row["cancelled"]) == (met, breached, cancelled)
        assert row["kept"] is kept
    for by in ("all", "category", "province", "channel"):
        rows = {row["key"]: row for row in _of(documents["volume"], by=by)}
        _same(rows, oracle.volume(events, *days, by))
    (every,) = _of(documents["repeats"], by="all")
    _same({None: every}, {None: oracle.repeats(events, *days, 30)})
    assert every["repeats"] >= 1
    (every,) = _of(documents["escalations"], by="all")
    _same({None: every}, {None: oracle.escalations(events, *days)})
    by_month = {(row["month"], row["kind"], row["cycle"]): row for row in documents["satisfaction"]}
    _same(by_month, oracle.satisfaction(events, *days))
    grants = oracle.refunds(events, *days)
    assert sorted((row["receipt"], row["amount"]) for row in documents["refunds"]) == grants
    total = sum((Decimal(amount) for _, amount in grants), Decimal(0))
    sums = _of(documents["refund-sums"], basis="all")
    assert sum((Decimal(row["amount"]) for row in sums), Decimal(0)) == total
    names = ("day", "of", "department", "category", "cause")
    assert {
        tuple(row[name] for name in names): row["number"] for row in documents["topics"]
    } == dict(oracle.topics(events, *days))
    answers = oracle.teams(events, *days)
    of_agents = [row for row in documents["teams"] if row["agent"] is not None]
    assert {
        (row["team"], row["agent"], decision): row[decision]
        for row in of_agents
        for decision in ("upheld", "partly", "rejected")
        if row[decision]
    } == dict(answers)
    owned = {(row["team"], row["agent"]): row for row in documents["owners"]}
    _same(owned, oracle.owners(events, *days))


def _same(shown: dict[Any, Any], counted: dict[Any, Any]) -> None:
    assert shown.keys() == counted.keys()
    for key, figures in counted.items():
        assert {name: shown[key][name] for name in figures} == dict(figures), key
