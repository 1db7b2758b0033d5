"""How often customers urge, and how often they come back with the same matter (DOMAIN rule 12)."""

from collections import Counter
from collections.abc import Mapping, Sequence

from contracts.values import Kind
from libs.sheets import Cell, Column, Sheet, share
from services.audit.domain.reporting.facts import COMPLAINT, Fact, Facts
from services.audit.domain.reporting.period import Period
from services.audit.domain.reporting.volume import BY, name_of
from services.audit.domain.reporting.wording import COUNTED_BY

COLUMNS = (
    Column("by", "统计口径", "counted by", COUNTED_BY),
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

    What repeats what is intake's to say (rule 10: the same customer, the same category, within the
    days of the contacts policy in force when it was told; again when a complaint gets its category
    or is heard late), and by that escalation acts as well: a later version changes no figure. What
    is merged counts with the complaint it went into; nobody else's complaint, nor one nobody could
    classify, nor history repeats anything.
    """
    tallies = Tallies()
    for one in facts.dated(COMPLAINT, "told_on", period):
        if is_counted(one):
            figures = {
                "complaints": 1,
                "urges": one["urges"],
                "urged": int(one["urges"] > 0),
                "repeats": int(one["repeat_no"] > 0),
            }
            tallies.add(one, figures)
    rows: list[tuple[Cell, ...]] = []
    for by, key, counted in tallies.lines():
        names = name_of(by, key)
        rows.append(
            (
                *(by, key, names.zh, names.en),
                *(counted["complaints"], counted["urges"], counted["urged"]),
                share(counted["urged"], counted["complaints"]),
                counted["repeats"],
                share(counted["repeats"], counted["complaints"]),
            )
        )
    about = (("period", str(period)),)
    return Sheet("repeats", "重复与催办统计表", "Repeats and urges", about, COLUMNS, rows)


def is_counted(told: Fact) -> bool:
    """A complaint, and one that goes on for itself."""
    return told["kind"] == Kind.COMPLAINT and told["merged_into"] is None


class Tallies:
    """Figures over all, and of each category, province and channel."""

    def __init__(self) -> None:
        self._tallies: dict[tuple[str, str | None], Counter[str]] = {("all", None): Counter()}

    def add(self, told: Fact, figures: Mapping[str, int]) -> None:
        """Figures of this complaint."""
        for place in (("all", None), *((by, told[by]) for by in BY)):
            self._tallies.setdefault(place, Counter()).update(figures)

    def lines(self) -> Sequence[tuple[str, str | None, Counter[str]]]:
        """(by, key, figures), the most frequent first."""
        order = ("all", *BY)
        return sorted(
            ((by, key, counted) for (by, key), counted in self._tallies.items()),
            key=lambda one: (
                order.index(one[0]),
                -one[2]["complaints"],
                one[1] is None,
                one[1] or "",
            ),
        )
