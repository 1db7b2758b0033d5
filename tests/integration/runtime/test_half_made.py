"""A rebuild that is broken off leaves nothing that starts as if it were whole."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest

from cli.rebuilding import beside_of, made_whole
from libs.eventlog.half_made import HalfMade
from libs.eventlog.store import Store
from libs.messaging.copying import Copy, Where
from libs.messaging.log_source import KafkaLog, Log, quiet
from libs.messaging.rebuild import Rebuilt
from libs.timekeeping.clock import SteppedClock
from tests.again import made_again
from tests.integration.runtime.test_gaps_and_rebuild import dump, history
from tests.integration.runtime.toys import START, catcher, make_app, playing, thrower
from tests.stack import Room, room, shared_stack

SERVICES = {"thrower": thrower, "catcher": catcher}


class Killed(BaseException):
    """Stands for the end of the process: nothing of ours catches it."""


@contextmanager
def killed_amid(place: str) -> Iterator[None]:
    """The rebuild ends here: at the first records heard, which come behind its own events."""
    with pytest.MonkeyPatch.context() as patch:

        def die(*_: Any, **__: Any) -> None:
            raise Killed

        patch.setattr(Copy, place, die)
        with pytest.raises(Killed):
            yield


def seen(where: Room, name: str) -> dict[str, list[Any]]:
    store = Store(SERVICES[name](), where.service_dsns[name])
    try:
        return dump(store)
    finally:
        store.close()


async def starts(where: Room, keys: Path, name: str) -> None:
    """It starts and stops; raises what keeps it from starting."""
    app = make_app(SERVICES[name](), where, keys, SteppedClock(START))
    try:
        await app.start()
    finally:
        await app.stop()


def test_views_that_are_half_made_keep_their_service_from_starting(tmp_path: Path) -> None:
    async def play(where: Room) -> None:
        clock = SteppedClock(START)
        async with playing(where, tmp_path, clock) as apps:
            await history(apps, clock)
            topic_id = apps[0].inbox.topic_id
        before = seen(where, "thrower")

        async def again() -> Rebuilt:
            return await made_again(
                thrower(),
                where.service_dsns["thrower"],
                where.bootstrap,
                topic=where.prefix + "complaints.log",
                topic_id=topic_id,
                partitions=where.topics[0].partitions,
                whole=False,
            )

        with killed_amid("show"):
            await again()
        assert seen(where, "thrower") != before, "it was half-way"
        with pytest.raises(HalfMade) as told:
            await starts(where, tmp_path, "thrower")
        said = str(told.value)
        assert "of thrower is half made: operator began to make its views again" in said
        assert said.endswith("If it was broken off: bihuan rebuild thrower")
        await starts(where, tmp_path, "catcher")
        await again()
        assert seen(where, "thrower") == before
        await starts(where, tmp_path, "thrower")

    with room(("thrower", "catcher")) as where:
        asyncio.run(play(where))


def test_a_whole_rebuild_broken_off_leaves_the_live_database_as_it_was(tmp_path: Path) -> None:
    async def play(where: Room) -> None:
        clock = SteppedClock(START)
        async with playing(where, tmp_path, clock) as apps:
            await history(apps, clock)
            topic_id = apps[0].inbox.topic_id
        before = seen(where, "thrower")
        live, own = where.dsns["thrower"], where.service_dsns["thrower"]
        databases = beside_of(live, own, shared_stack().dsn("postgres"))
        topic, partitions = where.prefix + "complaints.log", where.topics[0].partitions

        def again() -> tuple[Rebuilt, str | None]:
            log = Log(KafkaLog(where.bootstrap, topic, partitions))
            try:
                return made_whole(
                    thrower(),
                    databases,
                    log,
                    Where(topic, topic_id, partitions),
                    "kafka",
                    "admin:local",
                    quiet,
                )
            finally:
                log.close()

        kept = []
        with pytest.MonkeyPatch.context() as patch:
            # Killed, it leaves the copy; nothing drops it but the next rebuild.
            patch.setattr("cli.rebuilding._drop", lambda *_: None)
            with killed_amid("heard"):
                await asyncio.to_thread(again)
        assert seen(where, "thrower") == before
        await starts(where, tmp_path, "thrower")
        copy = Store(thrower(), databases.own)
        with copy.connection() as conn:
            kept = conn.execute("SELECT what, source, by FROM rebuilding").fetchall()
        copy.close()
        assert [tuple(row.values()) for row in kept] == [("database", "kafka", "admin:local")]
        done, aside = await asyncio.to_thread(again)
        assert (done.what, aside is not None) == ("database", True)
        assert seen(where, "thrower") == before
        await starts(where, tmp_path, "thrower")
        with psycopg.connect(databases.maintenance) as admin:
            names = admin.execute(
                "SELECT datname FROM pg_database WHERE datname LIKE %s ORDER BY 1",
                (f"{psycopg.conninfo.conninfo_to_dict(live)['dbname']}%",),
            ).fetchall()
        assert [name for (name,) in names] == [
            psycopg.conninfo.conninfo_to_dict(live)["dbname"],
            aside,
        ]
        shared_stack().postgres.drop_databases([aside or ""])

    with room(("thrower", "catcher")) as where:
        asyncio.run(play(where))
