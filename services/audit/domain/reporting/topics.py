"""Hot topics by day, and what departments were found to have caused them (DOMAIN rule 12)."""

from collections import Counter
from datetime import date
from typing import Any, NamedTuple

from libs.sheets import ROWS_MAX, Cell, Column, Sheet, TooLong
from services.audit.domain.reporting.facts import (
    ANSWER,
    CAUSE,
    COMPLAINT,
    Fact,
    Facts,
    in_parts,
)
from services.audit.domain.reporting.period import Period
from services.audit.domain.reporting.repeats import is_counted
from services.audit.domain.reporting.volume import name_of
from services.audit.domain.reporting.wording import TOPICS_OF

COLUMNS = (
    Column("day", "日期", "day"),
    Column("of", "统计口径", "counted", TOPICS_OF),
    Column("department", "部门", "department"),
    Column("category", "类别代码", "category"),
    Column("name_zh", "类别", "category (zh)"),
    Column("name_en", "英文类别", "category (en)"),
    Column("cause", "原因", "cause"),
    Column("number", "件数", "number"),
)

TOLD, ANSWERED = "told", "answered"


class _Topic(NamedTuple):
    day: date
    of: str
    department: str | None
    category: str
    cause: str | None


_NO_CAUSE: Fact = {"department": None, "cause": None}


def topics(facts: Facts, period: Period) -> Sheet:
    """Of each day what was most complained of, and of each day's answers which cause lay where.

    `told`: complaints first told on that day, by category. `answered`: answers given on that day,
    by the departments and causes they name; an answer that names two counts for both, and one that
    names none for no department.
    """
    counted: Counter[_Topic] = Counter()
    for one in facts.dated(COMPLAINT, "told_on", period):
        if is_counted(one):
            counted[_Topic(one["told_on"], TOLD, None, one["category"], None)] += 1
    for part in in_parts(facts.with_complaint(ANSWER, "answered_on", period)):
        causes: dict[Any, list[Fact]] = {}
        for cause in facts.of(CAUSE, [answer["complaint"] for answer, _ in part]):
            causes.setdefault((cause["complaint"], cause["answer"]), []).append(cause)
        for answer, told in part:
            for one in causes.get((answer["complaint"], answer["answer"]), (_NO_CAUSE,)):
                counted[
                    _Topic(
                        *(answer["answered_on"], ANSWERED, one["department"]),
                        *(told["category"], one["cause"]),
                    )
                ] += 1
        if len(counted) > ROWS_MAX:
            raise TooLong
    rows: list[tuple[Cell, ...]] = []
    for topic, number in sorted(counted.items(), key=_hottest_first):
        names = name_of("category", topic.category)
        rows.append(
            (
                *(topic.day, topic.of, topic.department, topic.category),
                *(names.zh, names.en, topic.cause, number),
            )
        )
    return Sheet(
        "topics", "热点问题统计表", "Hot topics", (("period", str(period)),), COLUMNS, rows
    )


def _hottest_first(counted: tuple[_Topic, int]) -> tuple[Cell, ...]:
    """Day by day, department by department; what has no department comes last."""
    topic, number = counted
    return (
        *(topic.day, topic.of != TOLD, topic.department is None, topic.department or ""),
        *(-number, topic.category, topic.cause or ""),
    )
