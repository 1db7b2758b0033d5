"""Kafka clients that are always let go of, also when starting one fails or is broken off."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Protocol, TypeVar

from aiokafka.errors import KafkaError

STOP_SECONDS_MAX = 5.0


class Client(Protocol):
    """aiokafka's producer or consumer."""

    async def start(self) -> None:
        """Connects; raises KafkaError where there is no broker."""

    async def stop(self) -> None:
        """Lets go; allowed before `start` has come to an end."""


C = TypeVar("C", bound=Client)


@asynccontextmanager
async def running(client: C) -> AsyncIterator[C]:
    """A client, started; stopped at the end, whatever happened, within STOP_SECONDS_MAX.

    A producer with a failed batch would wait for it; who sends again anyway need not.
    """
    await start(client)
    try:
        yield client
    finally:
        await stop(client)


async def start(client: Client) -> None:
    """Starts it, or leaves nothing of it behind and raises what went wrong.

    aiokafka forgets the connection on which it first asks for metadata when it is broken off while
    it waits for the answer. So a start comes to its end, or to that of STOP_SECONDS_MAX, before
    whoever breaks it off goes on.
    """
    starting = asyncio.ensure_future(client.start())
    try:
        await asyncio.shield(starting)
    except BaseException:
        try:
            await asyncio.wait({starting}, timeout=STOP_SECONDS_MAX)
        finally:
            starting.cancel()
            await asyncio.wait({starting})
            await stop(client)
        raise


async def stop(client: Client) -> None:
    """Lets go of it within STOP_SECONDS_MAX."""
    with contextlib.suppress(KafkaError, TimeoutError):
        await asyncio.wait_for(client.stop(), STOP_SECONDS_MAX)
