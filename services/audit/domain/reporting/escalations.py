"""How many complaints went to the 10015 desk or the regulator, and how that ended (rule 12)."""

from collections import Counter
from collections.abc import Sequence
from itertools import groupby

from contracts.values import CaseTrigger, Names
from libs.sheets import Cell, Column, Sheet, share
from services.audit.domain.reporting.facts import CASE, COMPLAINT, Fact, Facts
from services.audit.domain.reporting.period import Period
from services.audit.domain.reporting.repeats import Tallies, is_counted
from services.audit.domain.reporting.volume import name_of
from services.audit.domain.reporting.wording import COUNTED_BY, DECISION_NAMES

TIERS = (2, 3, 4)
ENDINGS = {
    "settled": ("办结", "settled"),
    "passed_up": ("移交上级", "passed up"),
    "withdrawn": ("撤回", "withdrawn"),
    "declined": ("不予受理", "declined"),
    "open": ("处理中", "open"),
}
TRIGGERS = {
    CaseTrigger.BREACH: Names("承诺超时", "Promise broken"),
    CaseTrigger.DISSATISFIED: Names("不满意", "Dissatisfied"),
    CaseTrigger.WISH: Names("客户要求", "Asked for"),
    CaseTrigger.URGES: Names("多次催办", "Urges"),
    CaseTrigger.REPEATS: Names("重复投诉", "Repeats"),
    CaseTrigger.VIP_SEVERE: Names("重要客户严重问题", "VIP and severe"),
    CaseTrigger.REGULATOR: Names("监管转办", "Regulator"),
    CaseTrigger.MEDIA: Names("媒体曝光", "Media"),
    CaseTrigger.PASSED_UP: Names("下级移交", "Passed up"),
}

CORRECTIONS = {
    "corrections": ("限时整改", "corrective actions"),
    "corrections_done": ("整改完成", "of these done"),
    "corrections_overdue": ("整改超期", "of these past due"),
}

COLUMNS = (
    Column("by", "统计口径", "counted by", COUNTED_BY),
    Column("key", "代码", "code"),
    Column("name_zh", "名称", "name (zh)"),
    Column("name_en", "英文名称", "name (en)"),
    Column("complaints", "投诉量", "complaints"),
    Column("escalated", "升级投诉", "escalated"),
    Column("share", "升级率", "escalation rate"),
    Column("cases", "升级件数", "cases"),
    *(Column(f"tier_{tier}", f"{tier}级", f"tier {tier}") for tier in TIERS),
    *(Column(ending, *names) for ending, names in ENDINGS.items()),
    *(Column(f"decided_{decision}", *names) for decision, names in DECISION_NAMES.items()),
    *(Column(name, *names) for name, names in CORRECTIONS.items()),
)
FIGURES = tuple(column.name for column in COLUMNS[7:])


def escalations(facts: Facts, period: Period) -> Sheet:
    """Complaints first told in the period, and their cases of tiers 2 to 4, whenever requested."""
    tallies, complaints = Tallies(), 0
    for told in facts.dated(COMPLAINT, "told_on", period):
        if is_counted(told):
            complaints += 1
            tallies.add(told, {"complaints": 1})
    by_trigger: dict[str, Counter[str]] = {}
    in_order = facts.told_with(CASE, period, "complaint")
    for _, found in groupby(in_order, key=lambda one: one[0]["complaint"]):
        pairs = list(found)
        complaint, cases = pairs[0][1], [case for case, _ in pairs]
        if not is_counted(complaint):
            continue
        tallies.add(complaint, _figures(cases))
        for trigger in {one["trigger"] for one in cases}:
            own = [one for one in cases if one["trigger"] == trigger]
            by_trigger.setdefault(trigger, Counter()).update(_figures(own))
    rows = [_row(by, key, name_of(by, key), one) for by, key, one in tallies.lines()]
    for trigger in CaseTrigger:
        counted = by_trigger.get(trigger)
        if counted is not None:
            counted["complaints"] = complaints
            rows.append(_row("trigger", trigger.value, TRIGGERS[trigger], counted))
    about = (("period", str(period)),)
    return Sheet("escalations", "升级投诉统计表", "Escalations", about, COLUMNS, rows)


def _figures(cases: Sequence[Fact]) -> Counter[str]:
    """What the cases of one complaint count, of which there is one at least."""
    counted = Counter({"escalated": 1, "cases": len(cases)})
    for one in cases:
        counted.update((f"tier_{one['tier']}", one["ending"] or "open"))
        if one["decision"] is not None:
            counted.update((f"decided_{one['decision']}",))
        if one["correction"] is not None:
            counted["corrections"] += 1
            counted["corrections_done"] += one["corrected_at"] is not None
            counted["corrections_overdue"] += one["correction"] == "overdue"
    return counted


def _row(by: str, key: str | None, names: Names, counted: Counter[str]) -> tuple[Cell, ...]:
    return (
        *(by, key, names.zh, names.en, counted["complaints"], counted["escalated"]),
        share(counted["escalated"], counted["complaints"]),
        *(counted[name] for name in FIGURES),
    )
