"""A replay looks for garbage seldom, and leaves the process as it was."""

import gc
from collections.abc import Iterator
from contextlib import suppress
from weakref import ref

import pytest

from libs.messaging.garbage import OBJECTS_BETWEEN, seldom_searched


class Knot:
    """Refers to itself, so that only a search finds that nobody needs it."""

    def __init__(self) -> None:
        self.itself = self


@pytest.fixture(params=[0, 1])
def frozen(request: pytest.FixtureRequest) -> Iterator[bool]:
    """Whether somebody has frozen what was there."""
    gc.unfreeze()
    if request.param:
        gc.freeze()
    yield bool(request.param)
    gc.unfreeze()


def test_it_is_as_before_in_the_end_however_it_ends(frozen: bool) -> None:
    before = gc.get_threshold()
    with suppress(ZeroDivisionError), seldom_searched(), seldom_searched():
        assert gc.get_threshold() == (OBJECTS_BETWEEN, *before[1:])
        assert gc.get_freeze_count() > 0
        raise ZeroDivisionError
    assert (gc.get_threshold(), gc.get_freeze_count() > 0) == (before, frozen)


def test_it_lasts_until_the_last_one_leaves() -> None:
    before = gc.get_threshold()
    one, other = seldom_searched(), seldom_searched()
    one.__enter__()
    other.__enter__()
    one.__exit__(None, None, None)
    assert gc.get_threshold()[0] == OBJECTS_BETWEEN
    other.__exit__(None, None, None)
    assert gc.get_threshold() == before


def test_garbage_that_comes_up_meanwhile_is_found() -> None:
    """Memory stays bounded: seldom is not never."""
    with seldom_searched():
        knots = [ref(Knot()) for _ in range(2 * OBJECTS_BETWEEN)]
        assert sum(knot() is not None for knot in knots) <= OBJECTS_BETWEEN
