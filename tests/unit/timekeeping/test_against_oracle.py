"""Counting against the slow oracle, over random instants of 2004-2026, and its own laws."""

from datetime import datetime, time, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from libs.timekeeping.calendars import library_calendar
from libs.timekeeping.counting import (
    Counting,
    LegalDays,
    Limit,
    RunsThrough,
    WorkingDays,
    daily,
    warnings,
)
from tests.unit.timekeeping import oracle

CHINA = library_calendar()
WORKING = WorkingDays(CHINA)
DESK = daily(time(8), time(18))
WAYS: list[tuple[Counting, oracle.Counts]] = [
    (WORKING, oracle.working_day),
    (DESK, oracle.desk_hour),
    (RunsThrough(), oracle.always),
]

instants = st.datetimes(
    datetime(2004, 1, 1),  # noqa: DTZ001 - Hypothesis adds the zone
    datetime(2026, 11, 15),  # noqa: DTZ001
    timezones=st.just(oracle.CHINA),
)
on_an_edge = st.builds(
    lambda day, hour, off: day.replace(hour=hour, minute=0, second=0, microsecond=0) + off,
    instants,
    st.sampled_from([0, 8, 18]),
    st.sampled_from([timedelta(), timedelta(microseconds=1), timedelta(microseconds=-1)]),
)
moments = instants | on_an_edge
ways = st.sampled_from(WAYS)
spans = st.timedeltas(timedelta(), timedelta(days=4)) | st.integers(0, 96).map(
    lambda hours: timedelta(hours=hours)
)


@given(moments, st.integers(1, 15))
def test_working_days_as_the_oracle_counts_them(start: datetime, days: int) -> None:
    assert WORKING.due(start, Limit(days, "days")) == oracle.working_days_due(start, days)


@given(moments, st.integers(1, 30))
def test_legal_days_as_the_oracle_counts_them(start: datetime, days: int) -> None:
    assert LegalDays(CHINA).due(start, Limit(days, "days")) == oracle.legal_days_due(start, days)


@settings(max_examples=60, deadline=None)
@given(ways, moments, spans)
def test_counted_time_as_the_oracle_counts_it(
    way: tuple[Counting, oracle.Counts], start: datetime, span: timedelta
) -> None:
    counting, counts = way
    assert counting.counted(start, start + span) == oracle.counted(start, start + span, counts)


@settings(max_examples=60, deadline=None)
@given(ways, moments, spans)
def test_the_instant_after_so_much_as_the_oracle_finds_it(
    way: tuple[Counting, oracle.Counts], start: datetime, span: timedelta
) -> None:
    counting, counts = way
    assert counting.after(start, span / 4) == oracle.after(start, span / 4, counts)


@given(ways, moments, spans)
def test_after_and_counted_are_each_others_inverse(
    way: tuple[Counting, oracle.Counts], start: datetime, span: timedelta
) -> None:
    counting, _ = way
    assert counting.counted(start, counting.after(start, span)) == span


@given(ways, moments, spans, spans)
def test_counted_time_adds_up_however_it_is_cut(
    way: tuple[Counting, oracle.Counts], start: datetime, one: timedelta, other: timedelta
) -> None:
    counting, _ = way
    middle, end = start + one, start + one + other
    assert counting.counted(start, middle) + counting.counted(middle, end) == (
        counting.counted(start, end)
    )


@given(moments, moments, st.integers(1, 10))
def test_who_comes_later_is_never_due_earlier(one: datetime, other: datetime, days: int) -> None:
    limit = Limit(days, "days")
    first, second = sorted([one, other])
    assert WORKING.due(first, limit) <= WORKING.due(second, limit)


@given(ways, moments, spans, st.integers(0, 100), st.timedeltas(timedelta(), timedelta(days=9)))
def test_a_pause_never_shortens_or_lengthens_the_counted_time(
    way: tuple[Counting, oracle.Counts],
    start: datetime,
    total: timedelta,
    percent: int,
    wait: timedelta,
) -> None:
    counting, _ = way
    due = counting.after(start, total)
    paused = start + (due - start) * percent // 100
    left = counting.counted(paused, due)
    resumed_due = counting.after(paused + wait, left)
    assert counting.counted(start, paused) + left == total
    assert counting.counted(paused + wait, resumed_due) == left
    assert resumed_due >= due or left == timedelta()


@given(ways, moments, spans)
def test_warnings_come_in_order_and_inside_the_limit(
    way: tuple[Counting, oracle.Counts], start: datetime, total: timedelta
) -> None:
    counting, _ = way
    found = warnings(counting, start, total, total)
    instants_found = [at for _, at in found]
    assert instants_found == sorted(set(instants_found))
    assert all(start < at <= counting.after(start, total) for at in instants_found)
