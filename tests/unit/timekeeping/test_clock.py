"""The clock port: three clocks, one shape (DESIGN, Time)."""

from datetime import UTC, datetime, timedelta
from threading import Thread
from zoneinfo import ZoneInfo

import pytest

from libs.timekeeping.clock import Clock, ScaledClock, SteppedClock, SystemClock

SHANGHAI = ZoneInfo("Asia/Shanghai")
DAWN = datetime(2025, 10, 9, 8, 0, tzinfo=SHANGHAI)


@pytest.mark.parametrize(
    "clock",
    [SystemClock(), ScaledClock(60, DAWN), SteppedClock(DAWN)],
    ids=lambda c: type(c).__name__,
)
def test_every_clock_says_aware_utc_and_never_runs_backwards(clock: Clock) -> None:
    before = clock.now()
    assert before.tzinfo is UTC
    assert clock.now() >= before


def test_the_system_clock_waits_five_seconds_for_facts_under_way() -> None:
    assert SystemClock().grace == timedelta(seconds=5)
    assert not SystemClock().stepped


def test_a_scaled_clock_runs_from_its_origin_at_its_factor() -> None:
    began = datetime.now(UTC) - timedelta(seconds=10)
    clock = ScaledClock(60, DAWN, anchor=began)
    assert timedelta(minutes=10) <= clock.now() - DAWN < timedelta(minutes=15)
    assert clock.grace == timedelta(minutes=5)
    assert not clock.stepped


def test_processes_with_the_same_anchor_agree_on_the_time() -> None:
    anchor = datetime(2026, 1, 1, tzinfo=UTC)
    one, other = ScaledClock(60, DAWN, anchor), ScaledClock(60, DAWN, anchor)
    assert other.now() - one.now() < timedelta(seconds=60)


@pytest.mark.parametrize("factor", [0, -1, 61, 4320])
def test_play_faster_than_sixty_times_is_refused(factor: int) -> None:
    with pytest.raises(ValueError, match="1 to 60"):
        ScaledClock(factor, DAWN)


def test_a_stepped_clock_stands_still_until_it_is_moved() -> None:
    clock = SteppedClock(DAWN)
    assert clock.now() == clock.now() == DAWN
    assert clock.jump(DAWN + timedelta(microseconds=1)) == DAWN + timedelta(microseconds=1)
    assert clock.grace == timedelta(0)
    assert clock.stepped


def test_a_stepped_clock_never_goes_back() -> None:
    clock = SteppedClock(DAWN)
    assert clock.jump(DAWN - timedelta(hours=1)) == DAWN
    assert clock.now() == DAWN


def test_jumps_from_many_threads_end_at_the_furthest() -> None:
    clock = SteppedClock(DAWN)

    def jumping(thread: int) -> None:
        for step in range(200):
            clock.jump(DAWN + timedelta(seconds=thread * 200 + step))

    threads = [Thread(target=jumping, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert clock.now() == DAWN + timedelta(seconds=799)


@pytest.mark.parametrize("make", [SteppedClock, lambda at: ScaledClock(2, at)])
def test_an_instant_without_a_zone_is_refused(make: type[SteppedClock]) -> None:
    with pytest.raises(ValueError, match="zone"):
        make(DAWN.replace(tzinfo=None))
