"""A Kafka client whose start is broken off leaves nothing behind."""

import asyncio
import gc
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.conn import AIOKafkaConnection

from libs.messaging.clients import running
from tests.stack import room


@pytest.mark.parametrize("client", [AIOKafkaProducer, AIOKafkaConsumer])
def test_one_that_is_broken_off_while_it_asks_for_metadata_lets_go_of_its_connection(
    client: type[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """aiokafka itself forgets that connection; the garbage collector finds it at any time later."""
    send = AIOKafkaConnection.send

    async def play(bootstrap: str) -> list[AIOKafkaConnection]:
        asked, may_go_on = asyncio.Event(), asyncio.Event()
        used: list[AIOKafkaConnection] = []

        async def held(connection: AIOKafkaConnection, *request: Any, **options: Any) -> Any:
            if "Metadata" in type(request[0]).__name__:
                used.append(connection)
                asked.set()
                await may_go_on.wait()
            return await send(connection, *request, **options)

        monkeypatch.setattr(AIOKafkaConnection, "send", held)

        async def use() -> None:
            async with running(client(bootstrap_servers=bootstrap)):
                raise AssertionError("it was broken off before it had started")

        using = asyncio.ensure_future(use())
        await asyncio.wait_for(asked.wait(), 10)
        using.cancel()
        await asyncio.sleep(0)
        may_go_on.set()
        with pytest.raises(asyncio.CancelledError):
            await using
        return used

    with room(()) as where:
        used = asyncio.run(play(where.bootstrap))
    assert used
    assert [one for one in used if one.connected()] == []
    del used
    gc.collect()  # what is left open would be an error of this test
