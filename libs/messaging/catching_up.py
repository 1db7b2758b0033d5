"""Waits until an instance has taken what was on the log when it started.

Until then it lets nobody in: what was revoked while it was down may still lie before it.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from aiokafka.errors import KafkaError
from psycopg import Connection

from libs.eventlog.writer import UNAVAILABLE
from libs.messaging.inbox import Inbox

CATCHING_UP = "catching up with the log as it was at the start"
"""Why an instance is not ready for so long."""

POLL_SECONDS = 0.05


async def caught_up(
    inbox: Inbox,
    ends: Callable[[], Awaitable[Mapping[int, int]]],
    query: Callable[..., Awaitable[Any]],
) -> None:
    """Returns once all that was on the log at the call is taken, here or by another instance.

    What lies behind a gap is not waited for: it is an administrator who resolves one, over HTTP.
    """
    upto: Mapping[int, int] | None = None
    while True:
        with contextlib.suppress(KafkaError, *UNAVAILABLE):
            if upto is None:
                upto = await ends()
            if not await _lacking(inbox, upto, query):
                return
        await asyncio.sleep(POLL_SECONDS)


async def _lacking(
    inbox: Inbox, upto: Mapping[int, int], query: Callable[..., Awaitable[Any]]
) -> set[int]:
    """The partitions that are not taken so far yet."""
    at, stopped = inbox.position(), {gap.partition for gap in inbox.gaps()}
    lacking = {
        number for number, end in upto.items() if at.get(number, 0) < end and number not in stopped
    }
    if not lacking or not inbox.topic_id:
        return lacking
    saved = await query(_saved, inbox.topic, inbox.topic_id)
    return {number for number in lacking if saved.get(number, 0) < upto[number]}


def _saved(conn: Connection[Any], topic: str, topic_id: str) -> dict[int, int]:
    rows = conn.execute(
        "SELECT partition, next FROM inbox_offset WHERE topic = %s AND topic_id = %s",
        (topic, topic_id),
    ).fetchall()
    return {row["partition"]: row["next"] for row in rows}
