"""A person's key goes with the last record that holds their words (docs/decisions/0018)."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psycopg

from contracts.housekeeping import Head
from libs.eventlog.envelope import digest
from libs.eventlog.purging import Purge
from services.intake.lapsing import Lapsing
from tests.integration.intake.desk import Desk, desk
from tests.integration.keeper.purges import KEY, public, purge, written
from tests.unit.intake.world import message

MINE, THEIRS = "13800000001", "13800000002"


def told(playing: Desk, name: str, number: str, category: str, **more: Any) -> str:
    said = message(name, subscriber=number, category=category, **more)
    return str(playing.tell(said).json()["complaint"])


def purged(playing: Desk, complaint: str) -> None:
    """As a signed purge of the log is carried out."""
    with playing.writer.store.connection() as conn:
        row = conn.execute(
            "SELECT originator_version, state FROM stored_events WHERE originator_id = %s "
            "ORDER BY originator_version DESC LIMIT 1",
            (complaint,),
        ).fetchone()
    assert row is not None
    head = Head(
        source="/bihuan/intake",
        subject=complaint,
        sequence=row["originator_version"],
        digest=digest(bytes(row["state"])),
    )
    event = purge(head)
    carried_out = Purge(event["id"], json.dumps(event).encode(), (complaint,))
    playing.writer.transact(lambda work: work.extra.purges.append(carried_out), always=True)


def erased(playing: Desk) -> list[tuple[str, str]]:
    with playing.writer.store.connection() as conn:
        rows = conn.execute(
            "SELECT state FROM stored_events WHERE topic = 'person.erased.v1' "
            "ORDER BY notification_id"
        ).fetchall()
    events = [json.loads(bytes(row["state"])) for row in rows]
    return [(one["subject"], one["data"]["basis"]) for one in events]


def lapse(playing: Desk) -> None:
    """The chore, as often as it is due."""

    async def in_thread(call: Callable[..., Any], *args: Any) -> Any:
        return call(*args)

    app: Any = SimpleNamespace(
        clock=playing.clock, store=playing.writer.store, writer=playing.writer, in_thread=in_thread
    )
    chore = Lapsing(app)
    while chore.next_due() is not None:
        asyncio.run(chore.run())


def test_a_key_goes_with_the_last_purge_and_not_before(tmp_path: Path) -> None:
    with desk(tmp_path) as playing:
        with psycopg.connect(playing.owners_dsn) as conn:
            conn.execute("SELECT keeper.trust_purge_key(%s)", (written(public(KEY)),))
        vault = playing.channel.door._vault  # type: ignore[attr-defined]  # a FakeVault
        first = told(playing, "a", MINE, "mobile.coverage")
        second = told(playing, "b", MINE, "billing.overcharge")
        theirs = told(playing, "c", THEIRS, "billing.overcharge")
        mine, other = str(vault.persons[MINE]), str(vault.persons[THEIRS])

        purged(playing, first)
        lapse(playing)
        assert erased(playing) == []  # the second complaint still holds their words
        purged(playing, second)
        purged(playing, theirs)
        third = told(playing, "d", THEIRS, "mobile.coverage")  # before it is decided
        lapse(playing)
        assert erased(playing) == [(mine, "purpose_lapsed")]
        purged(playing, third)
        lapse(playing)
        assert erased(playing) == [(mine, "purpose_lapsed"), (other, "purpose_lapsed")]
        lapse(playing)
        assert len(erased(playing)) == 2
