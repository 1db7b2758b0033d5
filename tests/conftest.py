"""How the tests are shared out between workers: a file stays together, and so do all scenes."""

import gc
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from xdist.scheduler import LoadScopeScheduling

ROOT = Path(__file__).parent.parent

settings.register_profile("bihuan", deadline=None)  # a busy machine is no failure of a rule
settings.load_profile("bihuan")


@cache
def _together(path: str) -> str:
    """What a file's tests are played with: all files of scenes, or themselves alone."""
    return "scenes" if "\n@scene\n" in (ROOT / path).read_text(encoding="utf-8") else path


class _Sharing(LoadScopeScheduling):  # type: ignore[misc]  # xdist ships no types
    """Each file to one worker, and the files of scenes all to the same.

    The scenes are played together, once, in one world (`tests/e2e/conftest.py`): shared out, each
    worker would play all of them. A file's tests share the servers and systems they start. (The
    mode `loadgroup` would do, but pytest 9.2 does not hand on the names that xdist 3.8 gives.)
    """

    def _split_scope(self, nodeid: str) -> str:
        return _together(nodeid.partition("::")[0])


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> _Sharing:
    """Told by xdist of how many workers there are; without workers nobody asks."""
    return _Sharing(config, log)


@pytest.hookimpl(trylast=True)
def pytest_collection_finish() -> None:
    """What is imported by now stays: it is not looked through for garbage again and again."""
    gc.collect()
    gc.freeze()
