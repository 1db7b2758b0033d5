"""How askings ended and what was scored, by month and handling cycle (DOMAIN rules 11 and 12).

Follow-up visits have lines of their own, and so has what came after an asking's end its columns:
neither changes what was answered in time.
"""

from collections import Counter
from collections.abc import Iterable, Iterator

from contracts.feedback_survey import CallReason, SurveyOutcome
from libs.sheets import Cell, Column, Sheet, share
from services.audit.domain.reporting.facts import CALL, SURVEY, Fact, Facts
from services.audit.domain.reporting.period import Period
from services.audit.domain.reporting.wording import REVISITS

SCORES = range(1, 11)
ASKING, VISIT = "survey", "visit"

COLUMNS = (
    Column("month", "月份", "month"),
    Column("kind", "回访类型", "kind", REVISITS),
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
    *(Column(f"score_{score}", f"{score}分", f"score {score}") for score in SCORES),
    Column("scored", "评分数", "scores"),
    Column("score_sum", "评分合计", "sum of scores"),
    Column("mean", "平均分", "mean score"),
    Column("late", "逾期回复", "late replies"),
    Column("corrected", "其中改评", "of these corrections"),
    Column("late_satisfied", "逾期满意", "late: satisfied"),
    Column("late_dissatisfied", "逾期不满意", "late: dissatisfied"),
    Column("late_scored", "逾期评分数", "late scores"),
    Column("late_score_sum", "逾期评分合计", "sum of late scores"),
    Column("late_mean", "逾期平均分", "mean late score"),
)
FIGURES = tuple(column.name for column in COLUMNS[3:])


def satisfaction(facts: Facts, period: Period) -> Sheet:
    """Askings and visits that ended in the period; a complaint of three cycles was asked thrice.

    A late reply counts with the asking that it is about; it is a correction where the customer had
    answered in time. Of several late ones the last counts.
    """
    tallies: dict[tuple[str, str, int], Counter[str]] = {}
    for day, kind, one, figures in _ended(facts, period):
        key = (f"{day:%Y-%m}", kind, one["cycle"])
        tallies.setdefault(key, Counter()).update((*figures, *_said(one)))
        if one["score"] is not None:
            tallies[key]["score_sum"] += one["score"]
        if kind == ASKING and one["late_score"] is not None:
            tallies[key]["late_score_sum"] += one["late_score"]
    rows: list[tuple[Cell, ...]] = []
    for place, tally in sorted(tallies.items()):
        reckoned: dict[str, Cell] = {
            **tally,
            "share": share(tally["satisfied_answers"], tally["answered"]),
            "mean": _mean(tally["score_sum"], tally["scored"]),
            "late_mean": _mean(tally["late_score_sum"], tally["late_scored"]),
        }
        rows.append((*place, *(reckoned.get(name, 0) for name in FIGURES)))
    about = (("period", str(period)),)
    return Sheet("satisfaction", "满意度统计表", "Satisfaction", about, COLUMNS, rows)


def _ended(facts: Facts, period: Period) -> Iterator[tuple[Cell, str, Fact, Iterable[str]]]:
    """(last day, of which kind, row, how it ended)."""
    for asked in facts.dated(SURVEY, "concluded_on", period):
        yield asked["concluded_on"], ASKING, asked, ("concluded", asked["outcome"], *_late(asked))
    for call in facts.dated(CALL, "ended_on", period):
        if call["reason"] == CallReason.VISIT:
            yield call["ended_on"], VISIT, call, ("concluded", _ending(call).value)


def _ending(visit: Fact) -> SurveyOutcome:
    """A visit's end in the words of an asking's."""
    if visit["called_off"]:
        return SurveyOutcome.CANCELLED
    if not visit["reached"]:
        return SurveyOutcome.UNREACHABLE
    if visit["satisfied"] is None:
        return SurveyOutcome.NO_ANSWER
    return SurveyOutcome.SATISFIED if visit["satisfied"] else SurveyOutcome.DISSATISFIED


def _said(one: Fact) -> Iterator[str]:
    """What was said in time, or at the visit."""
    if one["satisfied"] is not None:
        yield "answered"
        if one["satisfied"]:
            yield "satisfied_answers"
    if one["resolved"] is not None:
        yield "resolved" if one["resolved"] else "not_resolved"
    if one["score"] is not None:
        yield f"score_{one['score']}"
        yield "scored"


def _late(asked: Fact) -> Iterator[str]:
    """What was said after the end."""
    if asked["late_at"] is None:
        return
    yield "late"
    if asked["late_satisfied"] is not None:
        yield "late_satisfied" if asked["late_satisfied"] else "late_dissatisfied"
        if asked["satisfied"] is not None:
            yield "corrected"
    if asked["late_score"] is not None:
        yield "late_scored"


def _mean(total: int, of: int) -> str | None:
    """With two places, cut off rather than rounded: 14 of 3 scores is `4.66…`."""
    if not of:
        return None
    hundredths, rest = divmod(total * 100, of)
    return f"{hundredths // 100}.{hundredths % 100:02}{'…' if rest else ''}"
