"""Medians and ratios, printed the same way by every benchmark.

Seconds on a machine that others use too say more of them than of us. So what is compared runs in
turn, and by the processor's time where that can be told: ours, that of processes we waited for, and
PostgreSQL's.
"""

import json
import os
import resource
import statistics
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import psycopg

TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Figure:
    """One measured thing: the median of its rounds, in `unit`."""

    name: str
    median: float
    unit: str
    rounds: int
    ratio: float | None = None
    """Of the baseline, the median of the rounds; None: that of the medians."""


def per_second(name: str, count: int, run: Callable[[], None], rounds: int = 5) -> Figure:
    """How many of `count` things a second `run` does; the median of `rounds`."""
    rates = []
    for _ in range(rounds):
        started = time.perf_counter()
        run()
        rates.append(count / (time.perf_counter() - started))
    return Figure(name, statistics.median(rates), "/s", rounds)


def in_turn(
    count: int,
    runs: Mapping[str, Callable[[], None]],
    spent: Callable[[], float],
    rounds: int = 7,
) -> list[Figure]:
    """How many of `count` things a second of `spent` each does, one after another, so often.

    The first is the baseline. `spent` is read before and after each run. Prints what each took by
    the clock on the wall, and how busy the machine was.
    """
    rates: dict[str, list[float]] = {name: [] for name in runs}
    walls: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(rounds):
        for name, run in runs.items():
            started, before = time.perf_counter(), spent()
            run()
            rates[name].append(count / (spent() - before))
            walls[name].append(count / (time.perf_counter() - started))
    first = next(iter(runs))
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors; {rounds} rounds in turn")
    for name, told in walls.items():
        ratio = statistics.median(one / base for one, base in zip(told, walls[first], strict=True))
        print(f"{name:48} {statistics.median(told):12,.0f} /s by the wall clock, x{ratio:.2f}")
    return [
        Figure(
            name,
            statistics.median(told),
            "/s",
            rounds,
            statistics.median(one / base for one, base in zip(told, rates[first], strict=True)),
        )
        for name, told in rates.items()
    ]


def processor_seconds() -> float:
    """Of this process, and of those that it started and waited for."""
    own, ended = (
        resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    )
    return own.ru_utime + own.ru_stime + ended.ru_utime + ended.ru_stime


def with_postgres(dsn: str) -> Callable[[], float]:
    """Processor seconds, with those of all processes of this database's server (Linux only)."""
    with psycopg.connect(dsn) as conn:
        server = int(_stat(conn.info.backend_pid)[1])

    def spent() -> float:
        return processor_seconds() + _server_seconds(server)

    return spent


def _server_seconds(server: int) -> float:
    """Of a process, its children that ended, and those that are there."""
    ticks = sum(map(int, _stat(server)[11:15]))
    for child in Path(f"/proc/{server}/task/{server}/children").read_text("ascii").split():
        try:
            ticks += sum(map(int, _stat(int(child))[11:15]))
        except (FileNotFoundError, ProcessLookupError):
            continue  # it ended since; the next time it is counted with its parent
    return ticks / TICKS_PER_SECOND


def _stat(pid: int) -> list[str]:
    """/proc/PID/stat behind the name: state, parent, ... (proc(5) counts these from 3)."""
    return Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split()


def show(figures: list[Figure], baseline: str) -> None:
    """The figures, each also as a ratio of the baseline; JSON on the last line."""
    base = next(one.median for one in figures if one.name == baseline)
    for one in figures:
        ratio = one.median / base if one.ratio is None else one.ratio
        print(f"{one.name:48} {one.median:12,.0f} {one.unit:6} x{ratio:.2f}")
    json.dump([asdict(one) for one in figures], sys.stdout)
    print()
