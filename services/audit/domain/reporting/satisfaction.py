"""How askings ended and what was scored, by month and handling cycle (DOMAIN rules 11 and 12)."""

from collections import Counter

from contracts.feedback_survey import SurveyOutcome
from libs.sheets import Cell, Column, Sheet, share
from services.audit.domain.reporting.facts import SURVEY, Facts
from services.audit.domain.reporting.period import Period

SCORES = range(1, 11)

COLUMNS = (
    Column("month", "月份", "month"),
    Column("cycle", "办理轮次", "cycle"),
    Column("concluded", "回访结束", "askings ended"),
    Column(SurveyOutcome.SATISFIED.value, "满意", "satisfied"),
    Column(SurveyOutcome.DISSATISFIED.value, "不满意", "dissatisfied"),
    Column(SurveyOutcome.NO_ANSWER.value, "未回复", "no answer"),
    Column(SurveyOutcome.UNREACHABLE.value, "无法联系", "unreachable"),
    Column(SurveyOutcome.CANCELLED.value, "取消", "cancelled"),
    Column("answered", "按时回复", "answered in time"),
    Column("satisfied_answers", "其中满意", "of these satisfied"),
    Column("share", "满意率", "share satisfied"),
    Column("resolved", "认为已解决", "resolved"),
    Column("not_resolved", "认为未解决", "not resolved"),
    Column("late", "逾期回复", "late replies"),
    *(Column(f"score_{score}", f"{score}分", f"score {score}") for score in SCORES),
    Column("scored", "评分数", "scores"),
    Column("score_sum", "评分合计", "sum of scores"),
    Column("mean", "平均分", "mean score"),
)
FIGURES = tuple(column.name for column in COLUMNS[2:])


def satisfaction(facts: Facts, period: Period) -> Sheet:
    """Askings that ended in the period; a complaint of three cycles was asked three times."""
    tallies: dict[tuple[str, int], Counter[str]] = {}
    for one in facts.dated(SURVEY, "concluded_on", period):
        tally = tallies.setdefault((f"{one['concluded_on']:%Y-%m}", one["cycle"]), Counter())
        tally.update(("concluded", one["outcome"]))
        if one["satisfied"] is not None:
            tally.update(("answered",))
            tally["satisfied_answers"] += one["satisfied"]
        if one["resolved"] is not None:
            tally["resolved" if one["resolved"] else "not_resolved"] += 1
        if one["late_at"] is not None:
            tally["late"] += 1
        if one["score"] is not None:
            tally.update((f"score_{one['score']}", "scored"))
            tally["score_sum"] += one["score"]
    rows: list[tuple[Cell, ...]] = []
    for (month, cycle), tally in sorted(tallies.items()):
        reckoned: dict[str, Cell] = {
            **tally,
            "share": share(tally["satisfied_answers"], tally["answered"]),
            "mean": _mean(tally["score_sum"], tally["scored"]),
        }
        rows.append((month, cycle, *(reckoned.get(name, 0) for name in FIGURES)))
    about = (("period", str(period)),)
    return Sheet("satisfaction", "满意度统计表", "Satisfaction", about, COLUMNS, rows)


def _mean(total: int, of: int) -> str | None:
    """With two places, cut off rather than rounded: 14 of 3 scores is `4.66…`."""
    if not of:
        return None
    hundredths, rest = divmod(total * 100, of)
    return f"{hundredths // 100}.{hundredths % 100:02}{'…' if rest else ''}"
