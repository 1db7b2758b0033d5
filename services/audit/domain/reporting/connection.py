"""每日接通率测试表: how well each hotline was answered, day by day, against the target of 004."""

from libs.sheets import Cell, Column, Sheet, share
from services.audit.domain.reporting.facts import CONNECTION, RULE, Fact, Facts
from services.audit.domain.reporting.period import Period
from services.audit.domain.reporting.policy import in_force
from services.audit.domain.reporting.promises import fraction, percent
from services.audit.domain.reporting.volume import name_of

COLUMNS = (
    Column("day", "日期", "day"),
    Column("line", "热线", "line"),
    Column("name_zh", "热线名称", "name (zh)"),
    Column("name_en", "英文名称", "name (en)"),
    Column("calls", "呼入次数", "calls"),
    Column("answered", "及时接通次数", "answered in time"),
    Column("within_seconds", "及时标准(秒)", "in time: seconds"),
    Column("share", "接通率", "share"),
    Column("target", "目标", "target"),
    Column("reached", "达标", "reached"),
    Column("corrected", "更正", "corrected"),
    Column("by", "填报人", "entered by"),
)


def connection(facts: Facts, period: Period) -> Sheet:
    """The figures on record of each day and line; a later correction replaces what it corrects.

    The target is that of the policy in force on the day; without calls nothing is judged.
    """
    rules = list(facts.all(RULE))
    found = facts.dated(CONNECTION, "day", period, "day", "line")
    rows = (_row(one, in_force(rules, one["day"])) for one in found)
    about = (("period", str(period)),)
    return Sheet("connection", "每日接通率测试表", "Daily connection rate", about, COLUMNS, rows)


def _row(one: Fact, rule: Fact | None) -> tuple[Cell, ...]:
    target = None if rule is None else rule["connection_share"]
    names = name_of("channel", one["line"])
    kept = share(one["answered"], one["calls"])
    return (
        *(one["day"], one["line"], names.zh, names.en),
        *(one["calls"], one["answered"], one["within_seconds"], kept),
        None if target is None else percent(target),
        None if target is None or kept is None else kept.reaches(*fraction(target)),
        *(one["corrected"], one["by"]),
    )
