"""Kept promises against the promised share, by month, clock and policy version (DOMAIN rule 12)."""

from collections import Counter
from fractions import Fraction

from contracts.sla_watch import Verdict
from libs.sheets import Column, Sheet, share
from services.audit.domain.reporting.facts import CLOCK, PROMISE, Facts
from services.audit.domain.reporting.period import Period

COLUMNS = (
    Column("month", "月份", "month"),
    Column("clock", "时限", "clock"),
    Column("title_zh", "时限名称", "name (zh)"),
    Column("title_en", "英文名称", "name (en)"),
    Column("policy", "策略版本", "policy"),
    Column("history", "历史", "history"),
    Column("met", "兑现", "met"),
    Column("breached", "未兑现", "breached"),
    Column("cancelled", "取消(不计)", "cancelled (not counted)"),
    Column("share", "兑现率", "share kept"),
    Column("promised", "承诺率", "promised"),
    Column("kept", "达标", "reached"),
)

DECIDED = (Verdict.MET, Verdict.BREACHED, Verdict.CANCELLED)


def promises(facts: Facts, period: Period) -> Sheet:
    """Clocks whose last counted date lies in the period and which were met, breached or cancelled.

    What an older system had promised has lines of its own. The share is met / (met + breached),
    compared as integers and shown uncut or marked as cut, never rounded: 195 of 199 is no 98 %.
    """
    counted: dict[tuple[str, str, str, bool], Counter[str]] = {}
    for one in facts.dated(CLOCK, "last_counted", period):
        if one["state"] in DECIDED:
            month = f"{one['last_counted']:%Y-%m}"
            key = (month, one["clock"], one["policy"] or "", bool(one["history"]))
            counted.setdefault(key, Counter())[one["state"]] += 1
    known = {(one["policy"], one["clock"]): one for one in facts.all(PROMISE)}
    rows = []
    for (month, clock, policy, history), tally in sorted(counted.items()):
        promise = known.get((policy, clock), {})
        promised = promise.get("promised")
        met, breached, cancelled = (tally[verdict] for verdict in DECIDED)
        kept = share(met, met + breached)
        rows.append(
            (
                month,
                clock,
                promise.get("title_zh"),
                promise.get("title_en"),
                policy,
                history,
                met,
                breached,
                cancelled,
                kept,
                None if promised is None else percent(promised),
                None if promised is None or kept is None else kept.reaches(*fraction(promised)),
            )
        )
    return Sheet(
        "promises", "承诺兑现表", "Kept promises", (("period", str(period)),), COLUMNS, rows
    )


def percent(promised: str) -> str:
    """`98/100` as people write it, exactly: `98 %`; what is no whole percent stays a fraction."""
    hundredths = Fraction(*fraction(promised)) * 100
    return f"{hundredths.numerator} %" if hundredths.denominator == 1 else promised


def fraction(promised: str) -> tuple[int, int]:
    """`98/100` as two whole numbers."""
    part, _, whole = promised.partition("/")
    return int(part), int(whole)
