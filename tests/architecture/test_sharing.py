"""How tests are shared out between workers: what takes longest is begun first."""

from collections import OrderedDict
from typing import Any

from tests.conftest import ROOT, SCENES, SECONDS, _Sharing


class Worker:
    """A worker as xdist sees it: is sent numbers of tests."""

    def __init__(self) -> None:
        self.sent: list[int] = []

    def send_runtest_some(self, numbers: list[int]) -> None:
        self.sent += numbers


def test_the_longest_begins_first_and_the_others_in_their_order() -> None:
    outages, kills = "tests/e2e/test_outages.py::b", "tests/e2e/test_kills.py::d"
    names = ["many.py::a", outages, "few.py::c", kills]
    sharing: Any = object.__new__(_Sharing)
    worker = Worker()
    sharing.assigned_work = {}
    sharing.registered_collections = {worker: names}
    sharing.workqueue = OrderedDict((one.partition("::")[0], {one: False}) for one in names)
    for _ in names:
        sharing._assign_work_unit(worker)
    told = [names[number] for number in worker.sent]
    assert told == [kills, outages, "many.py::a", "few.py::c"]


def test_what_is_said_to_take_long_is_there() -> None:
    assert [name for name in SECONDS if name != SCENES and not (ROOT / name).is_file()] == []
