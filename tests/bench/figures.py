"""Medians and ratios, printed the same way by every benchmark."""

import json
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Figure:
    """One measured thing: the median of its rounds, in `unit`."""

    name: str
    median: float
    unit: str
    rounds: int


def per_second(name: str, count: int, run: Callable[[], None], rounds: int = 5) -> Figure:
    """How many of `count` things a second `run` does; the median of `rounds`."""
    rates = []
    for _ in range(rounds):
        started = time.perf_counter()
        run()
        rates.append(count / (time.perf_counter() - started))
    return Figure(name, statistics.median(rates), "/s", rounds)


def show(figures: list[Figure], baseline: str) -> None:
    """The figures, each also as a ratio of the baseline; JSON on the last line."""
    base = next(one.median for one in figures if one.name == baseline)
    for one in figures:
        print(f"{one.name:48} {one.median:12,.0f} {one.unit:6} x{one.median / base:.2f}")
    json.dump([asdict(one) for one in figures], sys.stdout)
    print()
