"""How the tests are shared out between workers: a file stays together, and so do all scenes."""

import gc
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from xdist.scheduler import LoadScopeScheduling

ROOT = Path(__file__).parent.parent

settings.register_profile("bihuan", deadline=None)  # a busy machine is no failure of a rule
settings.load_profile("bihuan")


TRIED = "tried"
SCENES = "scenes"
SECONDS = {
    SCENES: 200,
    "tests/e2e/test_two_instances.py": 145,
    "tests/e2e/test_six_processes.py": 130,
    "tests/e2e/test_kills.py": 90,
    "tests/e2e/test_outages.py": 80,
    "tests/e2e/test_same_again.py": 75,
    "tests/integration/audit/test_mutations.py": 45,
    "tests/integration/audit/test_timeline.py": 45,
    "tests/e2e/test_send.py": 42,
    "tests/e2e/test_no_path_deletes.py": 40,
    "tests/e2e/test_operate.py": 40,
    "tests/e2e/test_real_files.py": 40,
    "tests/integration/audit/test_checkpoints.py": 35,
    "tests/e2e/test_parked.py": 30,
    "tests/e2e/test_s7_six_processes.py": 30,
    "tests/integration/intake/test_intake_over_http.py": 30,
    "tests/integration/local_stack/test_stack.py": 25,
    "tests/integration/runtime/test_records_that_cannot_be_taken.py": 25,
}
"""About how long they take on two cores; what is not named takes less, and comes after them."""


@cache
def _together(path: str) -> str:
    """What a file's tests are played with: all files of scenes, or themselves alone."""
    return SCENES if "\n@scene\n" in (ROOT / path).read_text(encoding="utf-8") else path


class _Sharing(LoadScopeScheduling):  # type: ignore[misc]  # xdist ships no types
    """Each file to one worker, and the files of scenes all to the same.

    The scenes are played together, once, in one world (`tests/e2e/conftest.py`): shared out, each
    worker would play all of them. A file's tests share the servers and systems they start. (The
    mode `loadgroup` would do, but pytest 9.2 does not hand on the names that xdist 3.8 gives.)

    What takes longest begins first, and what is short fills the end: xdist by itself begins with
    the files of most tests, and leaves a file of one long test to one worker when all else is done.
    """

    def _split_scope(self, nodeid: str) -> str:
        return _together(nodeid.partition("::")[0])

    def _assign_work_unit(self, node: Any) -> None:
        longest = max(self.workqueue, key=lambda unit: SECONDS.get(unit, 0))
        self.workqueue.move_to_end(longest, last=False)
        super()._assign_work_unit(node)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> _Sharing:
    """Told by xdist of how many workers there are; without workers nobody asks."""
    return _Sharing(config, log)


@pytest.hookimpl(trylast=True)
@pytest.fixture
def say_tried(record_property: Callable[[str, object], None]) -> Callable[[str], None]:
    """Says how much a test tried; it stands at the end of the run, whoever captures what."""
    return lambda said: record_property(TRIED, said)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """What tests said with `say_tried`, from whichever worker."""
    for reports in terminalreporter.stats.values():
        for report in reports:
            for name, said in getattr(report, "user_properties", ()):
                if name == TRIED and report.when == "call":
                    terminalreporter.write_line(f"tried: {said}")


def pytest_collection_finish() -> None:
    """What is imported by now stays: it is not looked through for garbage again and again."""
    gc.collect()
    gc.freeze()
