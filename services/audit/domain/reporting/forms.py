"""The forms of 004 that are filled from the log: 客户投诉记录表 and 客户回访表.

What is sealed is only marked: a form is filled with a customer's words by who may open them.
"""

import heapq
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

from contracts.feedback_survey import CallReason
from contracts.intake import Outcome
from contracts.values import CHANNELS, ChannelKind
from libs.sheets import Cell, Column, Sheet
from services.audit.domain.reporting.facts import (
    ANSWER,
    CALL,
    COMPLAINT,
    REFUND,
    SURVEY,
    WORK,
    Fact,
    Facts,
    in_parts,
)
from services.audit.domain.reporting.period import Period
from services.audit.domain.reporting.volume import name_of
from services.audit.domain.reporting.wording import (
    CLASSES,
    DECISIONS,
    MEDIA,
    OUTCOMES,
    REVISITS,
    SURVEY_OUTCOMES,
    TIERS,
    URGENCIES,
)

SEALED = "🔒"
"""Stands for words that are on record and sealed."""

RECORD_COLUMNS = (
    Column("receipt", "受理编号", "receipt"),
    Column("told_at", "投诉时间", "told at"),
    Column("channel", "受理渠道", "channel"),
    Column("customer", "客户姓名及电话", "customer (sealed)"),
    Column("customer_class", "客户类型", "customer class", CLASSES),
    Column("value_tier", "客户等级", "tier", TIERS),
    Column("province", "省份", "province"),
    Column("category", "投诉类别", "category"),
    Column("urgency", "紧急程度", "urgency", URGENCIES),
    Column("words", "投诉内容", "words (sealed)"),
    Column("owner_team", "首问班组", "owner's team"),
    Column("owner", "首问责任人", "owner of record"),
    Column("handler_team", "处理班组", "handled by team"),
    Column("handler", "处理人", "handled by"),
    Column("opinion", "处理意见", "opinion (sealed)"),
    Column("decision", "处理结果", "decision", DECISIONS),
    Column("answered_at", "答复时间", "answered at"),
    Column("refund", "退费(元)", "refund (CNY)"),
    Column("cycle", "办理轮次", "cycles"),
    Column("first_time", "一次解决", "solved at once"),
    Column("urges", "催办次数", "urges"),
    Column("score", "满意度评分", "last score"),
    Column("closed_at", "办结时间", "closed at"),
    Column("outcome", "办结结果", "outcome", OUTCOMES),
    Column("history", "历史工单", "history"),
)


def records(facts: Facts, period: Period) -> Sheet:
    """客户投诉记录表: one line a complaint, suggestion or praise first told in the period."""
    rows = (row for part in in_parts(told_in(facts, period)) for row in _records(facts, part))
    about = (("period", str(period)),)
    return Sheet("records", "客户投诉记录表", "Complaint record", about, RECORD_COLUMNS, rows)


def told_in(facts: Facts, period: Period) -> Iterator[Fact]:
    """What the form's lines are of, in their order."""
    return facts.dated(COMPLAINT, "told_on", period, "told_at", "complaint")


def _records(facts: Facts, part: Sequence[Fact]) -> Iterator[tuple[Cell, ...]]:
    complaints = [one["complaint"] for one in part]
    work = {one["complaint"]: one for one in facts.of(WORK, complaints)}
    answers = _latest(facts.of(ANSWER, complaints), "answer")
    scored = (one for one in facts.of(SURVEY, complaints) if one["score"] is not None)
    surveys = _latest(scored, "cycle")
    money: dict[Any, Decimal] = {}
    for one in facts.of(REFUND, complaints):
        money[one["complaint"]] = money.get(one["complaint"], Decimal("0.00")) + one["amount"]
    for one in part:
        complaint = one["complaint"]
        yield _record(
            one,
            work.get(complaint, {}),
            answers.get(complaint, {}),
            surveys.get(complaint, {}).get("score"),
            money.get(complaint),
        )


def with_words(sheet: Sheet, opened: Sequence[Mapping[str, str]]) -> Sheet:
    """The form with what was opened of each line: `customer`, `words`, `opinion`."""
    names = [column.name for column in sheet.columns]
    rows = (
        [texts.get(name, cell) for name, cell in zip(names, row, strict=True)]
        for row, texts in zip(sheet.rows, opened, strict=True)
    )
    return replace(sheet, rows=rows)


def _first_time(told: Fact) -> bool | None:
    """Whether the first answer was enough; None while nobody can say."""
    if told["cycle"] > 1:
        return False
    return True if told["outcome"] == Outcome.SATISFIED else None


def _record(
    told: Fact, work: Fact, answer: Fact, score: int | None, refund: Decimal | None
) -> tuple[Cell, ...]:
    return (
        *(told["receipt"], told["told_at"], CHANNELS[ChannelKind(told["channel"])].names.zh),
        *(SEALED, told["customer_class"], told["value_tier"]),
        name_of("province", told["province"]).zh if told["province"] else None,
        *(name_of("category", told["category"]).zh, told["urgency"], SEALED),
        *(work.get("owner_team"), work.get("owner_agent")),
        *(answer.get("team") or work.get("team"), answer.get("agent") or work.get("agent")),
        *(SEALED if answer else None, answer.get("decision"), told["answered_at"], refund),
        *(told["cycle"], _first_time(told), told["urges"], score, told["closed_at"]),
        "merged" if told["merged_into"] is not None else told["outcome"],
        told["history"],
    )


def _latest(found: Iterable[Fact], by: str) -> dict[Any, Fact]:
    """Of each complaint the row with the highest number."""
    latest: dict[Any, Fact] = {}
    for one in found:
        known = latest.get(one["complaint"])
        if known is None or one[by] > known[by]:
            latest[one["complaint"]] = one
    return latest


REVISIT_COLUMNS = (
    Column("asked_at", "回访时间", "asked at"),
    Column("receipt", "受理编号", "receipt"),
    Column("value_tier", "客户等级", "tier", TIERS),
    Column("category", "投诉类别", "category"),
    Column("kind", "回访类型", "kind", REVISITS),
    Column("cycle", "办理轮次", "cycle"),
    Column("by", "回访方式", "by", MEDIA),
    Column("attempts", "呼叫次数", "calls made"),
    Column("reached", "是否接通", "reached"),
    Column("caller", "回访人", "caller"),
    Column("answered_at", "回复时间", "answered at"),
    Column("score", "满意度评分", "score"),
    Column("resolved", "是否解决", "resolved"),
    Column("satisfied", "是否满意", "satisfied"),
    Column("words", "客户意见", "words (sealed)"),
    Column("outcome", "回访结果", "outcome", SURVEY_OUTCOMES),
    Column("late_score", "逾期评分", "late score"),
)


def revisits(facts: Facts, period: Period) -> Sheet:
    """客户回访表: each asking of a cycle and each later visit that began in the period."""
    began = heapq.merge(_surveys(facts, period), _visits(facts, period), key=lambda row: row[0])
    about = (("period", str(period)),)
    rows = (row for _, row in began)
    return Sheet("revisits", "客户回访表", "Revisits", about, REVISIT_COLUMNS, rows)


_Begun = tuple[tuple[Any, ...], tuple[Cell, ...]]
"""(when it began, whose it is, which of the two), and its line."""


def _visits(facts: Facts, period: Period) -> Iterator[_Begun]:
    order = ("planned_at", "complaint", "call")
    for call, told in facts.with_complaint(CALL, "planned_on", period, *order):
        if call["reason"] == CallReason.VISIT:
            place = (call["planned_at"], call["complaint"], "visit")
            yield place, (*_whose(call["planned_at"], told), *_visit(call))


def _surveys(facts: Facts, period: Period) -> Iterator[_Begun]:
    order = ("asked_at", "complaint", "cycle")
    for part in in_parts(facts.with_complaint(SURVEY, "asked_on", period, *order)):
        calls: dict[tuple[Any, int], Fact] = {}
        for call in facts.of(CALL, [survey["complaint"] for survey, _ in part]):
            if call["reason"] == CallReason.SURVEY:
                key = (call["complaint"], call["cycle"])
                known = calls.setdefault(key, call)
                if (call["planned_at"], call["call"]) > (known["planned_at"], known["call"]):
                    calls[key] = call
        for survey, told in part:
            made = calls.get((survey["complaint"], survey["cycle"]), {})
            place = (survey["asked_at"], survey["complaint"], "survey")
            yield place, (*_whose(survey["asked_at"], told), *_survey(survey, made))


def _whose(at: Any, told: Fact) -> tuple[Cell, ...]:
    return (at, told["receipt"], told["value_tier"], name_of("category", told["category"]).zh)


def _visit(call: Fact) -> tuple[Cell, ...]:
    said = call["satisfied"] is not None or call["score"] is not None
    return (
        *("visit", call["cycle"], call["how"] or "call", call["attempts"]),
        *(call["reached"], call["by"]),
        *(call["tried_at"] if said else None, call["score"], call["resolved"], call["satisfied"]),
        *(SEALED if call["words"] else None, None, None),
    )


def _survey(survey: Fact, call: Fact) -> tuple[Cell, ...]:
    return (
        *("survey", survey["cycle"], survey["by"], call.get("attempts", 0)),
        *(call.get("reached"), call.get("by")),
        *(survey["answered_at"], survey["score"], survey["resolved"], survey["satisfied"]),
        *(SEALED if survey["words"] else None, survey["outcome"], survey["late_score"]),
    )
