"""How the tests are shared out between workers: a file stays together, and so do all scenes."""

import gc
from collections.abc import Sequence

import pytest


@pytest.hookimpl(tryfirst=True)  # before xdist reads the groups
def pytest_collection_modifyitems(items: Sequence[pytest.Item]) -> None:
    """Put each test into the group that one worker plays: its file, or the world of all scenes.

    The scenes are played together, once, in one world (`tests/e2e/conftest.py`): shared out, each
    worker would play all of them. A file's tests share the servers and systems they start.
    """
    for item in items:
        is_scene = hasattr(getattr(item, "function", None), "scene")
        item.add_marker(pytest.mark.xdist_group("scenes" if is_scene else item.path.name))


@pytest.hookimpl(trylast=True)
def pytest_collection_finish() -> None:
    """What is imported by now stays: it is not looked through for garbage again and again."""
    gc.collect()
    gc.freeze()
