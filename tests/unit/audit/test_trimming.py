"""Kafka forgets only what is archived, old enough, and heard by every service (DESIGN, Relay)."""

from services.audit.trimming import Bound, bound

HEARD: dict[str, int | None] = {"intake": 90, "routing": 80, "audit": 95}


def test_the_nearest_limit_counts_and_is_named() -> None:
    assert bound(3, 10, {"archive": 95, "age": 60}, HEARD) == Bound(3, 10, 60, "age")
    assert bound(3, 10, {"archive": 50, "age": 60}, HEARD) == Bound(3, 10, 50, "archive")
    parked = {"archive": 95, "age": 70, "parked": 33}
    assert bound(3, 10, parked, HEARD) == Bound(3, 10, 33, "parked")


def test_nothing_goes_that_a_service_has_not_heard_however_long_it_is_down() -> None:
    lagging: dict[str, int | None] = {**HEARD, "routing": 40}
    assert bound(0, 10, {"archive": 95, "age": 90}, lagging) == Bound(0, 10, 40, "routing")
    never: dict[str, int | None] = {**HEARD, "escalation": None}
    assert bound(0, 10, {"archive": 95, "age": 90}, never) == Bound(0, 10, 10, "escalation")


def test_what_is_gone_already_never_comes_back() -> None:
    assert bound(0, 70, {"archive": 95, "age": 60}, HEARD) == Bound(0, 70, 70, "age")
