"""What came late of a purged complaint stands behind the purge, in whatever partition it lies."""

import json
from collections.abc import Sequence
from uuid import UUID

from contracts.housekeeping import CohortPurged, Head
from libs.decider import Recorded
from libs.messaging.in_order import InOrder
from libs.messaging.log_source import Accepted, LogPlace
from libs.messaging.position import Position, RelayHeaders
from tests.integration.keeper.purges import TOMBSTONE, purge
from tests.integration.runtime.toys import START

BALL, OTHER = (str(UUID(int=number)) for number in (7, 8))
THROWER, CATCHER = "/bihuan/thrower", "/bihuan/catcher"


def record(partition: int, offset: int, sequence: int, source: str, subject: str) -> Accepted:
    headers = RelayHeaders("ball.thrown.v1", source, Position(1, offset), Position(1, offset - 1))
    value = json.dumps({"id": "x", "sequence": str(sequence)}).encode()
    return Accepted(partition, LogPlace(1, offset), headers, subject, value)


def tombstone(partition: int, offset: int) -> Accepted:
    headers = RelayHeaders("cohort.purged.v1", "/bihuan/audit", Position(1, 1), Position(1, 0))
    value = json.dumps({"id": TOMBSTONE, "sequence": "1"}).encode()
    return Accepted(partition, LogPlace(1, offset), headers, "purge:2024-02", value)


def names(sequence: int) -> Recorded[CohortPurged]:
    """A purge that names the thrower's stream of the ball, up to this number."""
    head = Head(source=THROWER, subject=BALL, sequence=sequence, digest="ab" * 32)
    data = CohortPurged.model_validate(purge(head)["data"])
    return Recorded(
        UUID(TOMBSTONE), "/bihuan/audit", data.type, "purge:2024-02", START, 1, "audit", data
    )


BEFORE = [record(0, offset, offset + 1, THROWER, BALL) for offset in (0, 1)]
LATE = record(0, 2, 3, THROWER, BALL)
BEHIND = record(0, 3, 1, THROWER, OTHER)
PURGE = tombstone(1, 0)
LOG = (*BEFORE, LATE, BEHIND, PURGE)


def parts(order: InOrder, log: Sequence[Accepted] = LOG) -> list[list[Accepted] | set[str]]:
    """As a copy goes: part by part, with the purges that are carried out between them."""
    found: list[list[Accepted] | set[str]] = []
    for _ in range(9):
        found.append(list(order.part(log)))
        if not order.held:
            return found
        ready = order.ready()
        order.carried_out(ready)
        if not ready and not order.came:
            order.let_all_come()
        found.append({str(one) for one in ready})
    raise AssertionError("it never ends")


def test_a_late_record_and_all_behind_it_come_after_the_purge() -> None:
    order = InOrder([(names(2), ())])
    assert parts(order) == [[*BEFORE, PURGE], {TOMBSTONE}, [LATE, BEHIND]]


def test_so_does_one_of_a_stream_that_the_purge_does_not_name() -> None:
    late = record(0, 2, 1, CATCHER, BALL)
    log = (*BEFORE, late, PURGE)
    assert parts(InOrder([(names(2), ())]), log) == [[*BEFORE, PURGE], {TOMBSTONE}, [late]]


def test_what_the_service_kept_waits_for_nothing() -> None:
    assert parts(InOrder([(names(2), (BALL,))])) == [list(LOG)]


def test_without_anything_late_all_comes_at_once() -> None:
    assert parts(InOrder([(names(3), ())])) == [list(LOG)]
    assert parts(InOrder([])) == [list(LOG)]


def test_a_purge_that_never_comes_holds_nothing_up() -> None:
    """Its record is missing from L: then there is no order in which more could be had."""
    log = (*BEFORE, LATE)
    assert parts(InOrder([(names(2), ())]), log) == [BEFORE, set(), [], set(), [LATE]]
