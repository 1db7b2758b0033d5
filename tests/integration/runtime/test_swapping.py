"""Two databases change names, both or neither, wherever it is broken off."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass

import psycopg
import pytest

from libs.messaging.swapping import swap_names
from tests.stack import room, shared_stack

SWAP = """
import sys
from libs.messaging.swapping import swap_names
swap_names(*sys.argv[1:])
"""


@dataclass(frozen=True)
class Pair:
    """A live database that knows it is `old`, and one that knows it is `new`."""

    maintenance: str
    live: str
    made: str
    aside: str

    def says(self, name: str) -> str:
        """Which of the two has this name now; empty: there is none of it."""
        with psycopg.connect(self.maintenance, autocommit=True) as admin:
            found = admin.execute("SELECT FROM pg_database WHERE datname = %s", (name,))
            if found.fetchone() is None:
                return ""
        with psycopg.connect(psycopg.conninfo.make_conninfo(self.maintenance, dbname=name)) as conn:
            row = conn.execute("SELECT name FROM who").fetchone()
        assert row is not None
        return str(row[0])

    def names(self) -> tuple[str, str, str]:
        return self.says(self.live), self.says(self.made), self.says(self.aside)

    def swap(self) -> None:
        swap_names(self.maintenance, self.live, self.made, self.aside)


BEFORE, AFTER = ("old", "new", ""), ("new", "", "old")


@pytest.fixture
def pair() -> Iterator[Pair]:
    with room(("live", "made"), with_topics=False) as where:
        names = []
        for dsn, who in zip(where.dsns.values(), ("old", "new"), strict=True):
            with psycopg.connect(dsn) as conn:
                conn.execute("CREATE TABLE who AS SELECT %s AS name", (who,))
                names.append(conn.info.dbname)
        live, made = names
        one = Pair(shared_stack().dsn("postgres"), live, made, f"{live}_before")
        yield one
        shared_stack().postgres.drop_databases([one.aside])


def test_each_takes_the_others_place_and_who_was_there_is_sent_away(pair: Pair) -> None:
    live = psycopg.conninfo.make_conninfo(pair.maintenance, dbname=pair.live)
    with (
        psycopg.connect(live, autocommit=True) as idle,
        psycopg.connect(live) as busy,
        psycopg.connect(live) as holding,
    ):
        busy.execute("SELECT pg_current_xact_id()")
        holding.execute("LOCK TABLE who")
        swap_names(pair.maintenance, pair.live, pair.made, pair.aside, holding)
        for gone in (idle, busy):
            with pytest.raises(psycopg.OperationalError):
                gone.execute("SELECT 1")
        assert holding.closed
    assert pair.names() == AFTER


def test_a_lost_one_is_simply_replaced(pair: Pair) -> None:
    shared_stack().postgres.drop_databases([pair.live])
    pair.swap()
    assert pair.names() == ("new", "", "")


@pytest.mark.parametrize(
    "wrong", ["nothing was made", "the name is taken", "the made one is in use"]
)
def test_what_cannot_be_swapped_stays_as_it_was(pair: Pair, wrong: str) -> None:
    made = psycopg.conninfo.make_conninfo(pair.maintenance, dbname=pair.made)
    expected = BEFORE
    if wrong == "nothing was made":
        shared_stack().postgres.drop_databases([pair.made])
        expected = ("old", "", "")
    elif wrong == "the name is taken":
        with psycopg.connect(pair.maintenance, autocommit=True) as admin:
            admin.execute(f"CREATE DATABASE {pair.aside} TEMPLATE {pair.made}")
        expected = ("old", "new", "new")
    with psycopg.connect(made if wrong.endswith("in use") else pair.maintenance) as somebody:
        somebody.execute("SELECT 1")
        with pytest.raises(psycopg.Error):
            pair.swap()
    assert pair.names() == expected


@pytest.mark.parametrize("place", ["amid-swap", "before-swapped"])
def test_killed_at_any_place_the_names_are_as_before_and_it_can_be_done_again(
    pair: Pair, place: str
) -> None:
    killed = subprocess.run(
        [sys.executable, "-c", SWAP, pair.maintenance, pair.live, pair.made, pair.aside],
        env={**os.environ, "BIHUAN_FAILPOINT": place},
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL
    assert pair.names() == BEFORE
    pair.swap()
    assert pair.names() == AFTER
