"""What differs between live views and a replay: counted once it stands still, told by service."""

from uuid import UUID

from services.audit.domain.comparing import Difference, Sample, Shown, compare

A, B, C = (UUID(int=number) for number in (1, 2, 3))
EQUAL: Shown = {"intake": {"complaint": [{"state": "open"}]}, "routing": {}}
OTHER: Shown = {"intake": {"complaint": [{"state": "closed"}]}, "routing": {}}
TABLES = (Difference("intake", ("complaint",)),)


def compared(*looks: tuple[Shown, Shown]) -> tuple[Difference, ...] | None:
    """What comes of these looks, one after another; the last one again and again."""
    left = list(looks)
    return compare(lambda: left.pop(0) if len(left) > 1 else left[0], lambda: None)


def test_equal_views_are_no_difference() -> None:
    assert compared((EQUAL, EQUAL)) == ()


def test_what_is_under_way_is_no_difference() -> None:
    assert compared((OTHER, EQUAL), (EQUAL, EQUAL)) == ()


def test_what_differs_and_does_not_move_is_one_by_service_and_table() -> None:
    assert compared((OTHER, EQUAL)) == TABLES


def test_a_service_that_shows_rows_of_which_the_replay_knows_nothing_differs() -> None:
    assert compared((OTHER, {"routing": {}})) == TABLES


def test_what_never_stands_still_is_left_out() -> None:
    numbered = [
        ({"intake": {"complaint": [{"urges": number}]}}, {"intake": {}}) for number in range(9)
    ]
    assert compared(*numbered) is None


def test_every_complaint_has_its_turn_and_those_that_differed_are_first() -> None:
    sample, drawn = Sample(), [[A, B], [B, C], [A]]
    seen = []
    for _ in range(6):
        one = sample.next(lambda: drawn.pop(0))
        assert one is not None
        seen.append(one)
        sample.found(one, TABLES if one == B else ())
    assert seen == [A, B, B, C, B, A]


def test_a_difference_is_told_until_it_is_gone() -> None:
    sample = Sample()
    sample.found(A, TABLES)
    sample.found(B, (Difference("intake", ("contact",)), Difference("routing", ("work",))))
    assert sample.views() == 3
    assert sample.told() == [
        "intake shows 2 of the complaints compared otherwise than their events say (complaint, "
        "contact); see bihuan show --check-sample, then: bihuan rebuild intake --beside --swap",
        "routing shows 1 of the complaints compared otherwise than their events say (work); see "
        "bihuan show --check-sample, then: bihuan rebuild routing --beside --swap",
    ]
    sample.found(A, None)
    assert sample.views() == 3
    sample.found(A, ())
    sample.found(B, ())
    assert (sample.views(), sample.told()) == (0, [])


def test_nothing_to_compare_is_nothing() -> None:
    assert Sample().next(list) is None
