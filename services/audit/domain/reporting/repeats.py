"""How often customers urge, and how often they come back with the same matter (DOMAIN rule 12)."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import timedelta
from itertools import pairwise
from typing import Any

from contracts.categories import Category
from contracts.values import Kind
from libs.sheets import Cell, Column, Sheet, share
from services.audit.domain.reporting.facts import COMPLAINT, RULE, Fact, Facts
from services.audit.domain.reporting.period import Period
from services.audit.domain.reporting.policy import in_force
from services.audit.domain.reporting.volume import BY, name_of

COLUMNS = (
    Column("by", "统计口径", "counted by"),
    Column("key", "代码", "code"),
    Column("name_zh", "名称", "name (zh)"),
    Column("name_en", "英文名称", "name (en)"),
    Column("complaints", "投诉量", "complaints"),
    Column("urges", "催办次数", "urges"),
    Column("urged", "被催办投诉", "complaints urged"),
    Column("urge_rate", "催办率", "urge rate"),
    Column("repeats", "重复投诉", "repeats"),
    Column("repeat_rate", "重复投诉率", "repeat rate"),
)


def repeats(facts: Facts, period: Period) -> Sheet:
    """Complaints first told in the period: the urges that stand, and which repeat an earlier one.

    A repeat is another complaint of the same customer and category, at most so many days after an
    earlier one as the policy in force on the period's last day says. What is merged counts with the
    complaint it went into; what nobody could classify repeats nothing.
    """
    rule = in_force(facts.all(RULE), period.last)
    days = rule["repeat_days"] if rule is not None else 0
    found = [
        one
        for one in facts.dated(COMPLAINT, "told_on", period.with_days_before(days))
        if one["kind"] == Kind.COMPLAINT and one["merged_into"] is None
    ]
    again = _repeating(found, timedelta(days=days))
    told = [one for one in found if period.holds(one["told_on"])]
    tallies = tally(
        told,
        lambda one: {
            "complaints": 1,
            "urges": one["urges"],
            "urged": int(one["urges"] > 0),
            "repeats": int(one["complaint"] in again),
        },
    )
    rows: list[tuple[Cell, ...]] = []
    for by, key, one in tallies:
        names = name_of(by, key)
        rows.append(
            (
                *(by, key, names.zh, names.en),
                *(one["complaints"], one["urges"], one["urged"]),
                share(one["urged"], one["complaints"]),
                one["repeats"] if rule is not None else None,
                share(one["repeats"], one["complaints"]) if rule is not None else None,
            )
        )
    about = (("period", str(period)), ("repeat_within_days", str(days)))
    return Sheet("repeats", "重复与催办统计表", "Repeats and urges", about, COLUMNS, rows)


def _repeating(complaints: Iterable[Fact], within: timedelta) -> set[Any]:
    by_matter: dict[tuple[Any, str], list[Fact]] = {}
    for one in complaints:
        if one["category"] != Category.UNCLASSIFIED:
            by_matter.setdefault((one["person"], one["category"]), []).append(one)
    repeating = set()
    for matter in by_matter.values():
        matter.sort(key=lambda one: (one["told_at"], one["complaint"]))
        for earlier, later in pairwise(matter):
            if later["told_at"] - earlier["told_at"] <= within:
                repeating.add(later["complaint"])
    return repeating


def tally(
    found: Iterable[Fact], figures: Callable[[Fact], Mapping[str, int]]
) -> Sequence[tuple[str, str | None, Counter[str]]]:
    """(by, key, figures) over all, each category, province and channel, the most frequent first."""
    tallies: dict[tuple[str, str | None], Counter[str]] = {("all", None): Counter()}
    for one in found:
        counted = figures(one)
        for place in (("all", None), *((by, one[by]) for by in BY)):
            tallies.setdefault(place, Counter()).update(counted)
    order = ("all", *BY)
    return sorted(
        ((by, key, counted) for (by, key), counted in tallies.items()),
        key=lambda one: (
            order.index(one[0]),
            -one[2]["complaints"],
            one[1] is None,
            one[1] or "",
        ),
    )
