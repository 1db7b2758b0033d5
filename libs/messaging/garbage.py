"""Python's search for cyclic garbage, kept from looking at what a replay keeps over and over."""

import gc
import threading
from collections.abc import Iterator
from contextlib import contextmanager

OBJECTS_BETWEEN = 100_000
"""New objects between two searches (Python's own: 700): so much garbage may lie about, no more."""

_guard = threading.Lock()
_inside = 0
_before: tuple[int, int, int] = (0, 0, 0)
_frozen = False


@contextmanager
def seldom_searched() -> Iterator[None]:
    """Searches seldom, and never what was there at the beginning; as before in the end.

    Of the whole process; may be entered again, also by other threads. Where somebody else has
    frozen what was there, it is theirs to let go.
    """
    global _inside, _before, _frozen
    with _guard:
        _inside += 1
        if _inside == 1:
            _before = gc.get_threshold()
            _frozen = gc.get_freeze_count() == 0
            if _frozen:
                gc.freeze()
            gc.set_threshold(OBJECTS_BETWEEN, *_before[1:])
    try:
        yield
    finally:
        with _guard:
            _inside -= 1
            if _inside == 0:
                gc.set_threshold(*_before)
                if _frozen:
                    gc.unfreeze()
