"""What each team answered, and how the complaints of each owner of record went (rules 1 and 12)."""

from collections import Counter
from collections.abc import Sequence
from decimal import Decimal
from itertools import groupby

from contracts.sla_watch import Verdict
from contracts.values import Decision
from libs.sheets import Cell, Column, Sheet, share
from services.audit.domain.reporting.facts import (
    ANSWER,
    CASE,
    CLOCK,
    COMPLAINT,
    SURVEY,
    WORK,
    Fact,
    Facts,
    in_parts,
)
from services.audit.domain.reporting.period import Period
from services.audit.domain.reporting.repeats import is_counted
from services.audit.domain.reporting.wording import DECISION_NAMES

TEAM_COLUMNS = (
    Column("team", "班组", "team"),
    Column("agent", "处理人", "agent"),
    Column("answers", "答复数", "answers"),
    Column("complaints", "投诉数", "complaints"),
    *(Column(str(one), *DECISION_NAMES[one]) for one in Decision),
    Column("reopened", "答复后重新办理", "reopened afterwards"),
    Column("compensation", "补偿金额(元)", "compensation (CNY)"),
)


def teams(facts: Facts, period: Period) -> Sheet:
    """Answers given in the period, by team and agent; the line without agent is the whole team."""
    tallies: dict[tuple[str, str], Counter[str]] = {}
    money: dict[tuple[str, str], Decimal] = {}
    in_order = facts.with_complaint(ANSWER, "answered_on", period, "complaint")
    for _, answers in groupby(in_order, key=lambda one: one[0]["complaint"]):
        concerned = set()
        for answer, told in answers:
            for key in ((answer["team"], ""), (answer["team"], answer["agent"])):
                tally = tallies.setdefault(key, Counter())
                tally.update(("answers", answer["decision"]))
                tally["reopened"] += int(told["cycle"] > answer["cycle"])
                concerned.add(key)
                paid = answer["compensation"] or Decimal("0.00")
                money[key] = money.get(key, Decimal("0.00")) + paid
        for key in concerned:
            tallies[key]["complaints"] += 1
    rows: list[tuple[Cell, ...]] = [
        (
            *(team, agent or None, tally["answers"], tally["complaints"]),
            *(tally[decision] for decision in Decision),
            *(tally["reopened"], money[team, agent]),
        )
        for (team, agent), tally in sorted(tallies.items())
    ]
    return Sheet("teams", "班组统计表", "Teams", (("period", str(period)),), TEAM_COLUMNS, rows)


OWNER_COLUMNS = (
    Column("team", "首问班组", "owner's team"),
    Column("agent", "首问责任人", "owner of record"),
    Column("complaints", "投诉数", "complaints"),
    Column("closed", "办结", "closed"),
    Column("reopened", "重新办理", "reopened"),
    Column("urged", "被催办", "urged"),
    Column("escalated", "升级", "escalated"),
    Column("met", "时限兑现", "promises met"),
    Column("breached", "时限未兑现", "promises broken"),
    Column("share", "兑现率", "share kept"),
    Column("answered", "回访回复", "survey answers"),
    Column("satisfied", "满意", "satisfied"),
    Column("satisfaction", "满意率", "share satisfied"),
)


def owners(facts: Facts, period: Period) -> Sheet:
    """Complaints first told in the period by their owner of record, who is accountable for them.

    Promises are all clocks of these complaints with a verdict, whoever worked on them. The line
    without owner is of what nobody has accepted yet, and of history.
    """
    tallies: dict[tuple[str, str], Counter[str]] = {}
    for part in in_parts(filter(is_counted, facts.dated(COMPLAINT, "told_on", period))):
        _count_owned(facts, part, tallies)
    rows: list[tuple[Cell, ...]] = [
        (
            *(team or None, agent or None, tally["complaints"], tally["closed"]),
            *(tally["reopened"], tally["urged"], tally["escalated"]),
            *(tally["met"], tally["breached"]),
            share(tally["met"], tally["met"] + tally["breached"]),
            *(tally["answered"], tally["satisfied"]),
            share(tally["satisfied"], tally["answered"]),
        )
        for (team, agent), tally in sorted(tallies.items())
    ]
    about = (("period", str(period)),)
    return Sheet("owners", "首问责任人统计表", "Owners of record", about, OWNER_COLUMNS, rows)


def _count_owned(
    facts: Facts, part: Sequence[Fact], tallies: dict[tuple[str, str], Counter[str]]
) -> None:
    complaints = [one["complaint"] for one in part]
    owner = {
        one["complaint"]: (one["owner_team"] or "", one["owner_agent"] or "")
        for one in facts.of(WORK, complaints)
    }
    escalated = {one["complaint"] for one in facts.of(CASE, complaints)}
    for one in part:
        figures = {
            "complaints": 1,
            "closed": int(one["closed_at"] is not None),
            "reopened": int(one["cycle"] > 1),
            "urged": int(one["urges"] > 0),
            "escalated": int(one["complaint"] in escalated),
        }
        tallies.setdefault(owner.get(one["complaint"], ("", "")), Counter()).update(figures)
    for table in (CLOCK, SURVEY):
        for one in facts.of(table, complaints):
            tally = tallies[owner.get(one["complaint"], ("", ""))]
            tally.update(_verdict(one) if table is CLOCK else _answer(one))


def _verdict(clock: Fact) -> tuple[str, ...]:
    return (clock["state"],) if clock["state"] in (Verdict.MET, Verdict.BREACHED) else ()


def _answer(survey: Fact) -> tuple[str, ...]:
    if survey["satisfied"] is None:
        return ()
    return ("answered", "satisfied") if survey["satisfied"] else ("answered",)
