"""Where holds, months and entered days stand, in both languages: told with every refusal."""

from collections.abc import Sized
from typing import Any, Protocol

from contracts.values import Names
from libs.decider import Standing

STATES = {
    "held": Names("保全中", "a hold is on"),
    "not_held": Names("无生效的保全", "no hold is on"),
    "archived": Names("已归档为文件", "its records lie in a file"),
    "not_archived": Names("未归档", "its records lie in the database"),
    "entered": Names("当日已填报", "figures of this day are on record"),
}
"""Code -> what it is called."""


def _named(code: str) -> Standing:
    return Standing(code, STATES[code].zh, STATES[code].en)


class _Holds(Protocol):
    @property
    def on(self) -> Sized: ...


class _Month(Protocol):
    @property
    def file(self) -> str | None: ...


def of_holds(holds: _Holds) -> Standing:
    """Whether any hold is on."""
    return _named("held" if len(holds.on) else "not_held")


def of_cohort(cohort: _Month) -> Standing:
    """Where a month's records lie."""
    return _named("not_archived" if cohort.file is None else "archived")


def of_day(_figures: Any) -> Standing:
    """Something was entered."""
    return _named("entered")
