"""Bytes that nobody could read are forgotten with their record, and not kept for ever.

DOMAIN, Audit and retention: at least six calendar months; 31 August is over on 1 March 00:00.
"""

import asyncio
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from libs.messaging.channel import RawMessage
from libs.messaging.parking import Parking
from libs.vault.store import subject_of
from services.intake.unread import Unread
from tests.integration.intake.desk import Desk, desk
from tests.unit.intake.world import FakeVault, at

BAD = b"\xff{ 13800138000"


def chore(playing: Desk, vault: FakeVault) -> Unread:
    async def in_thread(call: Any, *args: Any) -> Any:
        return call(*args)

    app: Any = SimpleNamespace(
        clock=playing.clock, store=playing.writer.store, writer=playing.writer, in_thread=in_thread
    )
    unread = Unread(app, vault, Parking(playing.writer, "", playing.channel).discard)
    playing.writer.on_commit.append(unread.committed)
    return unread


def run(playing: Desk, unread: Unread) -> None:
    due = unread.next_due()
    if due is not None and due <= playing.clock.now():
        asyncio.run(unread.run())


def parked(playing: Desk, offset: int) -> str:
    """Bytes that came by Kafka and are no message: parked, and kept in the vault."""
    record: Any = SimpleNamespace(
        topic="complaints.channel", partition=0, offset=offset, key=b"", value=BAD, headers=()
    )
    place = f"complaints.channel/0/{offset}"
    (prepared,) = playing.channel.door.prepare([RawMessage(BAD, place)])
    playing.writer.transact(lambda work: playing.channel._one(work, record, prepared), always=True)
    playing.writer.refresh()
    return place


def settled(playing: Desk) -> list[tuple[str, str, str]]:
    with playing.writer.store.connection() as conn:
        rows = conn.execute(
            "SELECT state FROM stored_events WHERE topic = 'record.settled.v1' "
            "ORDER BY notification_id"
        ).fetchall()
    told = [json.loads(bytes(row["state"]))["data"] for row in rows]
    return [(one["record"], one["by"], one["reason"]) for one in told]


def test_unreadable_bytes_go_when_settled_and_after_six_months_on_record(tmp_path: Path) -> None:
    with desk(tmp_path) as playing:
        vault: FakeVault = playing.channel.door._vault  # type: ignore[attr-defined]
        unread = chore(playing, vault)
        first, second = parked(playing, 1), parked(playing, 2)
        run(playing, unread)
        assert list(vault.kept) == [first, second]

        discard = Parking(playing.writer, "", playing.channel).discard
        asyncio.run(discard(str(subject_of(first)), "agent:1", "no message of ours"))
        run(playing, unread)
        assert list(vault.kept) == [second]

        playing.clock.jump(at("2026-04-11 23:59:59"))  # told on 11 October
        run(playing, unread)
        assert list(vault.kept) == [second]
        assert unread.next_due() == at("2026-04-12 00:00:00")
        playing.clock.jump(at("2026-04-12 00:00:00"))
        run(playing, unread)
        assert vault.kept == {}
        assert settled(playing) == [
            (first, "agent:1", "no message of ours"),
            (second, "system:intake", "nobody settled it within six calendar months"),
        ]
        vault.kept["complaints.channel/0/3"] = BAD  # it is only being parked
        unread.committed((), 0.0)
        unread._not_before = 0.0
        run(playing, unread)
        assert list(vault.kept) == ["complaints.channel/0/3"]
