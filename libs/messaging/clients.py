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
    try:
        await client.start()
        yield client
    finally:
        with contextlib.suppress(KafkaError, TimeoutError):
            await asyncio.wait_for(client.stop(), STOP_SECONDS_MAX)
