"""A repeat is one thing: intake counts it, escalation asks by it, and the report shows it."""

from typing import Any

from contracts.escalation import CaseRequested
from contracts.intake import ComplaintRegistered
from contracts.values import Category
from libs.decider import Recorded
from services.audit.domain.reporting import REPORTS, fact_rows
from services.audit.domain.reporting.period import Period
from services.audit.facts import Kept
from tests.unit.audit.test_reporting import OCTOBER
from tests.unit.escalation.heard import hear, nothing
from tests.unit.intake.test_repeats import classified, told
from tests.unit.intake.world import World

DAYS = ("2025-09-12", "2025-10-01", "2025-10-12", "2025-10-20", "2025-10-28", "2025-12-01")
"""Further apart than the seven days of the duplicate window; the last repeats nothing any more."""


def registered() -> list[Recorded[ComplaintRegistered]]:
    world = World()
    for day in DAYS:
        world.tell(told(day, day))
    return [one for one in world.log if isinstance(one.data, ComplaintRegistered)]


def line(every: list[Recorded[Any]], period: Period) -> dict[str, Any]:
    kept = Kept()
    for one in every:
        kept.keep(fact_rows(one))
    sheet = REPORTS["repeats"](kept, period)
    return dict(zip((column.name for column in sheet.columns), sheet.rows[0], strict=True))


def test_the_report_and_the_desk_go_by_the_same_repeats() -> None:
    """DOMAIN rules 10 and 12: the third repeat, and the next, ask."""
    every = registered()
    # 12 September to 12 October is thirty days sharp; to 20 October the first is past.
    assert [one.data.registration.repeat_no for one in every] == [0, 1, 2, 2, 3, 0]
    asked = [hear(nothing(), one.data).happened for one in every]
    assert [[type(event) for event in one] for one in asked] == [
        *([], [], [], []),
        [CaseRequested],
        [],
    ]
    october = line(every, OCTOBER)
    assert (october["complaints"], october["repeats"]) == (4, 4)
    assert str(october["repeat_rate"]) == "100.00 %"


def test_what_was_classified_only_later_is_a_repeat_to_the_report_as_well() -> None:
    """It repeats one told before it, and one told after it repeats both."""
    world = World()
    world.tell(told("2025-10-01", "m-1"))
    world.tell(told("2025-10-10", "m-2", category=None, text="请联系我"))
    world.tell(told("2025-10-20", "m-3"))
    assert line(world.log, OCTOBER)["repeats"] == 1
    classified(world, "m-2", Category.BILLING)
    october = line(world.log, OCTOBER)
    assert (october["complaints"], october["repeats"]) == (3, 2)
