"""Every row of the public hotline file lands or is refused, and each 15-day verdict is right.

The same way as `bihuan import`, but for the servers: the mapping, intake's decision, and the clocks
that sla_watch starts on hearing it. With all six services: tests/e2e/test_import.py.
"""

from collections import Counter
from datetime import datetime

from cli.mapping import Mapped, Mapper, Refused, load_mapping
from cli.tabular import Row, open_table
from contracts.intake import ComplaintClosed, ComplaintRegistered, Outcome
from contracts.sla_watch import ClockBreached, ClockMet
from tests.hotline import DAY_ONLY, HOTLINE, NEEDS_THE_FILE, ROWS, cases, legal_verdict
from tests.unit.intake.world import World
from tests.unit.sla_watch.play import Play

pytestmark = NEEDS_THE_FILE
IMPORTED = "2025-11-03 10:00"


def judged(mapped: Mapped) -> tuple[str, datetime | None]:
    """What becomes of the message: taken over, closed, and judged by the legal answer's clock."""
    world = World()
    told = mapped.message.model_dump(mode="json", exclude_none=True)
    assert world.tell(told)[0]["outcome"] == "imported"
    registered, _, closed = (one.data for one in world.log)
    assert isinstance(registered, ComplaintRegistered)
    assert isinstance(closed, ComplaintClosed)
    assert closed.outcome is Outcome.IMPORTED
    play = Play().hear(registered, IMPORTED)
    dues = [
        *(one.due for one in play.all(ClockMet) if one.clock == "legal.answer"),
        *(one.due_at for one in play.all(ClockBreached) if one.clock == "legal.answer"),
    ]
    assert len(dues) == 1, "one verdict each"
    return play.status("legal.answer"), dues[0]


def rows() -> list[tuple[str, Row]]:
    mapping = load_mapping("hotline-history")
    with open_table(HOTLINE, mapping.layout) as table:
        return [(row.cells["留言编号"], row) for row in table.rows]


def test_every_row_lands_or_is_refused_and_each_verdict_is_right() -> None:
    """DOMAIN, clocks: "legal answer, all, 15 calendar days", counted by conventions 4 and 6.

    Seen to fail with the mapping's zone set to UTC, and with a limit of 14 days.
    """
    mapper = Mapper(load_mapping("hotline-history"))
    known = {number: (told, answered) for number, told, answered in cases()}
    found = [(number, mapper.row(row)) for number, row in rows()]
    assert len(found) == len(known) == ROWS
    refused = {number: one.reason for number, one in found if isinstance(one, Refused)}
    assert refused == {DAY_ONLY: "date unreadable in '答复时间'"}
    counted: Counter[str] = Counter()
    for number, mapped in found:
        if isinstance(mapped, Mapped):
            expected = legal_verdict(*known[number])
            assert judged(mapped) == expected, number
            counted[expected[0]] += 1
    assert counted == {"met": 1784, "breached": 1031}
