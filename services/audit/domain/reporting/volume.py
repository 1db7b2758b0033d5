"""How much was told, by category, province and channel (DOMAIN rule 12)."""

from collections import Counter
from collections.abc import Mapping

from contracts.categories import CATEGORY_NAMES, Category
from contracts.values import CHANNELS, PROVINCES, ChannelKind, ContactKind, Kind, Names
from libs.sheets import Cell, Column, Sheet
from services.audit.domain.reporting.facts import COMPLAINT, CONTACT, Fact, Facts
from services.audit.domain.reporting.period import Period
from services.audit.domain.reporting.wording import COUNTED_BY

COLUMNS = (
    Column("by", "统计口径", "counted by", COUNTED_BY),
    Column("key", "代码", "code"),
    Column("name_zh", "名称", "name (zh)"),
    Column("name_en", "英文名称", "name (en)"),
    Column("told", "受理量", "told"),
    Column("complaints", "投诉", "complaints"),
    Column("suggestions", "建议", "suggestions"),
    Column("praise", "表扬", "praise"),
    Column("consultations", "咨询", "consultations"),
    Column("contacts", "后续联系", "further contacts"),
    Column("reopened", "重新办理", "reopened"),
    Column("closed", "办结", "closed"),
    Column("history", "其中历史工单", "of these history"),
)
FIGURES = tuple(column.name for column in COLUMNS[4:])

BY = ("category", "province", "channel")
OF_KIND = {
    Kind.COMPLAINT.value: "complaints",
    Kind.SUGGESTION.value: "suggestions",
    Kind.PRAISE.value: "praise",
    Kind.CONSULTATION.value: "consultations",
}
NOT_SAID_BY_CUSTOMERS = frozenset(
    {
        ContactKind.SURVEY_REPLY.value,
        ContactKind.DELIVERY_REPORT.value,
        ContactKind.PARTNER_REPORT.value,
    }
)
"""Answers to our own questions are no further contacts about the matter."""


def volume(facts: Facts, period: Period) -> Sheet:
    """What was first told in the period; what is merged counts with the complaint it went into."""
    tallies: dict[tuple[str, str | None], Counter[str]] = {("all", None): Counter()}

    def count(one: Fact, tally: Mapping[str, int]) -> None:
        for key in (("all", None), *((by, one[by]) for by in BY)):
            tallies.setdefault(key, Counter()).update(tally)

    for one in facts.dated(COMPLAINT, "told_on", period):
        if one["merged_into"] is None:
            figures = {
                "told": 1,
                OF_KIND[one["kind"]]: 1,
                "reopened": int(one["cycle"] > 1),
                "closed": int(one["closed_at"] is not None),
                "history": int(one["history"]),
            }
            count(one, figures)
    for contact, one in facts.told_with(CONTACT, period):
        said = contact["stands"] and contact["kind"] not in NOT_SAID_BY_CUSTOMERS
        if said and one["merged_into"] is None:
            count(one, {"contacts": 1})
    rows: list[tuple[Cell, ...]] = []
    for by in ("all", *BY):
        found = [(key, tally) for (of, key), tally in tallies.items() if of == by]
        # The most frequent first; what nobody knows comes last among equals.
        found.sort(key=lambda one: (-one[1]["told"], one[0] is None, one[0] or ""))
        for code, tally in found:
            names = name_of(by, code)
            rows.append((by, code, names.zh, names.en, *(tally[name] for name in FIGURES)))
    return Sheet("volume", "受理量统计表", "Volume", (("period", str(period)),), COLUMNS, rows)


UNKNOWN = Names("未知", "Unknown")


def name_of(by: str, key: str | None) -> Names:
    """What a category, province or channel is called; a code from elsewhere calls itself."""
    if by == "all":
        return Names("合计", "All")
    if key is None:
        return UNKNOWN
    if by == "category":
        return CATEGORY_NAMES[Category(key)]
    if by == "channel":
        return CHANNELS[ChannelKind(key)].names
    return PROVINCES.get(key, Names(key, key))
