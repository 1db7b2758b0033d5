"""A clock that was set ahead lowers no floor: what nobody lived through does not count.

DOMAIN, Audit and retention: six calendar months, not lowered by any setting or by a clock. The
server's own clock cannot be set here; that it leapt by a year is told as it looks afterwards: what
it said last lies a year back, though the process has run for a minute since.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from cli import rebuilding
from libs.messaging.beside import Databases, Difference, Held
from libs.messaging.log_source import quiet
from libs.messaging.rebuild import Rebuilt
from libs.messaging.swapping import swap_names
from tests.integration.keeper import test_archive
from tests.integration.keeper.purges import purge
from tests.integration.keeper.test_archive import Archive
from tests.stack import room, shared_stack

DAY, YEAR = timedelta(days=1), timedelta(days=365)
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
KEPT = r"36[34] day.* are not vouched for"

made = test_archive.made


@pytest.fixture
def archive(made: Archive) -> Iterator[Archive]:
    yield made
    made.admin.execute("TRUNCATE archive, head, purged_record, stored_events, keeper.lived_time")


class Clock:
    """What the database's clock says, and what the keeper makes of it."""

    def __init__(self, conn: psycopg.Connection[tuple[datetime]]) -> None:
        self._conn = conn
        self.says = self.vouched = NOON

    def given_unvouched(self, time: timedelta) -> "Clock":
        self.vouched = self.says - time
        return self

    def when(self, passes: timedelta, lived: timedelta | None) -> "Clock":
        """So much passes by the clock, and so much by one that nobody sets (None: a restart)."""
        now = self.says + passes
        row = self._conn.execute(
            "SELECT keeper.vouched_until(%s, %s, %s, %s)", (self.says, self.vouched, now, lived)
        ).fetchone()
        assert row is not None
        self.says, self.vouched = now, row[0]
        return self

    def then_unvouched(self, time: timedelta) -> None:
        assert self.says - min(self.says, self.vouched) == time


@pytest.fixture
def clock(made: Archive) -> Clock:
    return Clock(made.admin)


def test_what_both_clocks_say_counts(clock: Clock) -> None:
    clock.when(MINUTE, lived=MINUTE).then_unvouched(timedelta(0))
    clock.when(DAY, lived=DAY).then_unvouched(timedelta(0))


def test_of_a_leap_only_what_was_lived_counts(clock: Clock) -> None:
    """And a thousandth, for clocks differ."""
    lived = MINUTE * 1.001
    clock.when(YEAR, lived=MINUTE).then_unvouched(YEAR - lived)
    clock.when(MINUTE, lived=MINUTE).then_unvouched(YEAR - lived)


def test_an_answer_that_was_late_is_made_up_for(clock: Clock) -> None:
    clock.when(MINUTE, lived=MINUTE / 3).then_unvouched(MINUTE * (1 - 1.001 / 3))
    clock.when(MINUTE, lived=MINUTE * 5 / 3).then_unvouched(timedelta(0))


def test_a_clock_that_runs_fast_is_no_answer_that_was_late(clock: Clock) -> None:
    """By a sixth, for a day: four hours, less a thousandth."""
    for _ in range(24):
        clock.when(70 * MINUTE, lived=60 * MINUTE)
    clock.then_unvouched(24 * 10 * MINUTE - 24 * 60 * MINUTE * 0.001)


def test_a_clock_that_is_set_back_is_vouched_for_again(clock: Clock) -> None:
    clock.when(YEAR, lived=MINUTE)
    clock.when(-YEAR + MINUTE, lived=MINUTE).then_unvouched(timedelta(0))


def test_but_never_for_more_than_before_it_leapt(clock: Clock) -> None:
    clock.given_unvouched(9 * DAY).when(YEAR, lived=timedelta(0))
    clock.when(-YEAR, lived=timedelta(0)).then_unvouched(9 * DAY)


def test_nor_ahead_of_what_the_clock_says(clock: Clock) -> None:
    clock.when(-DAY, lived=MINUTE).then_unvouched(timedelta(0))


def test_what_was_vouched_for_is_so_again_when_a_clock_set_back_is_set_right(clock: Clock) -> None:
    """But for what it did not show meanwhile."""
    clock.when(-YEAR, lived=MINUTE).then_unvouched(timedelta(0))
    clock.when(180 * MINUTE, lived=180 * MINUTE).then_unvouched(timedelta(0))
    clock.when(YEAR, lived=MINUTE).then_unvouched(180 * MINUTE - MINUTE * 1.001)


def test_across_a_restart_a_day_counts_at_most(clock: Clock) -> None:
    clock.when(timedelta(hours=8), lived=None).then_unvouched(timedelta(0))
    clock.when(10 * DAY, lived=None).then_unvouched(9 * DAY)
    clock.when(-DAY, lived=None).then_unvouched(8 * DAY)


def test_a_claim_counts_for_a_day_at_most(clock: Clock) -> None:
    """Whoever has taken over audit's process cannot call a leap of a year lived."""
    clock.when(YEAR, lived=YEAR)
    for _ in range(3):
        clock.when(timedelta(0), lived=YEAR)
    clock.then_unvouched(364 * DAY - timedelta(seconds=86.4))


def lives_on(archive: Archive, lived: timedelta | None) -> timedelta:
    """As audit tells it; how much of the clock is not vouched for."""
    row = archive.own.execute("SELECT clock - vouched FROM keeper.live_on(%s)", (lived,)).fetchone()
    assert row is not None
    told: timedelta = row[0]
    return told


def leaps(archive: Archive, ahead: timedelta) -> None:
    """The server's clock is set ahead by so much."""
    archive.admin.execute(
        "UPDATE keeper.lived_time SET seen = seen - %(by)s, vouched = vouched - %(by)s",
        {"by": ahead},
    )


def test_nothing_leaves_the_archive_by_a_leap(archive: Archive) -> None:
    """Records of two months ago; a clock that leaps by a year says that they are 14 months old.

    Neither a signed purge nor a file takes them, whether audit has told of its time since or not.
    """
    assert lives_on(archive, None) == timedelta(0)
    young = (datetime.now(UTC) - YEAR - timedelta(days=60)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    event = purge(*archive.holds("one", time=young))
    archive.tells("cohort.archived.v1", 6, 5)
    leaps(archive, YEAR)
    for told in (False, True):
        if told:
            assert YEAR - DAY < lives_on(archive, MINUTE) < YEAR
        with pytest.raises(psycopg.DatabaseError, match=KEPT):
            archive.purge(event)
        with pytest.raises(psycopg.DatabaseError, match=KEPT):
            archive.release(5)
    assert archive.counts() == (6, 2, 0)

    leaps(archive, -YEAR)
    assert lives_on(archive, MINUTE) < DAY, "it is set right again"
    archive.admin.execute("TRUNCATE keeper.lived_time")
    assert archive.purge(event) == 6, "by the server's clock alone they go"


def test_a_clock_set_back_for_a_while_keeps_what_was_lived(archive: Archive) -> None:
    assert lives_on(archive, None) == timedelta(0)
    leaps(archive, -YEAR)
    assert lives_on(archive, MINUTE) == timedelta(0)
    leaps(archive, YEAR)
    assert lives_on(archive, MINUTE) < MINUTE


def test_a_row_that_was_lost_lowers_nothing(archive: Archive) -> None:
    """Then time is vouched for up to the newest record, and a day more."""
    now = datetime.now(UTC)
    archive.holds("one", time=(now - YEAR).strftime("%Y-%m-%dT%H:%M:%S.%fZ"))
    unvouched = lives_on(archive, None)
    assert YEAR - DAY <= unvouched < YEAR - DAY + MINUTE


def test_a_service_can_tell_of_time_and_not_write_it(archive: Archive) -> None:
    lives_on(archive, None)
    for statement in (
        "UPDATE keeper.lived_time SET vouched = now()",
        "DELETE FROM keeper.lived_time",
        "INSERT INTO keeper.lived_time (seen, vouched) VALUES (now(), now())",
        "SELECT keeper.vouched_until(now(), now(), now())",
    ):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            archive.own.execute(statement.encode())


class Copied:
    """Stands for `Beside` where nothing but the swap matters."""

    def __init__(self, _: object, databases: Databases, *__: object) -> None:
        self._databases = databases
        self.events = self.records = 0
        self.held = Held()

    def catch_up(self) -> int:
        return 1

    def differences(self) -> list[Difference]:
        return []

    def swap(self, aside: str) -> Rebuilt:
        dsns = self._databases
        live, made = (conninfo_to_dict(one)["dbname"] for one in (dsns.live, dsns.beside))
        swap_names(dsns.maintenance, str(live), str(made), aside)
        return Rebuilt("beside", 0, 0, 1)

    def close(self) -> None:
        pass


@pytest.mark.parametrize("way", ["whole", "beside"])
def test_a_database_made_again_takes_over_what_is_vouched_for(
    way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its newest record may be of a time that the clock leapt to."""
    done, any_of = Rebuilt("database", 0, 0, 1), cast(Any, None)
    monkeypatch.setattr(rebuilding, "rebuilt", lambda *_, **__: done)
    monkeypatch.setattr(rebuilding, "Beside", Copied)
    asks = "SELECT seen, vouched FROM keeper.lived_time"
    with room(("audit",), with_topics=False) as where:
        live = where.dsns["audit"]
        with psycopg.connect(live) as conn:
            conn.execute(
                "INSERT INTO keeper.lived_time (seen, vouched) VALUES (%s, %s)", (NOON, NOON - YEAR)
            )
        databases = rebuilding.beside_of(
            live, where.service_dsns["audit"], shared_stack().dsn("postgres")
        )
        aside: Any
        if way == "whole":
            _, aside = rebuilding.made_whole(
                any_of, databases, any_of, any_of, "kafka", "admin:local", quiet
            )
        else:
            service: Any = SimpleNamespace(name="audit")
            aside = rebuilding.made_beside(
                service, databases, any_of, any_of, True, "admin:local", quiet
            )["set_aside"]
        assert aside is not None
        with psycopg.connect(live) as conn:
            assert conn.execute(asks).fetchall() == [(NOON, NOON - YEAR)]
        shared_stack().postgres.drop_databases([aside])
