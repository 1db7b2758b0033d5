"""The world in which all collected scenes are played, once."""

import asyncio
from collections.abc import Sequence

import pytest
import uvloop

from tests.e2e.scenes import Played, direct, scenes_of
from tests.e2e.world import DATABASES, world
from tests.stack import room

START = "2025-09-26 16:00:00"
"""Before the first instant of any scene."""


@pytest.fixture(scope="session")
def played(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Played:
    """Every collected scene, and what went wrong with it."""
    items: Sequence[pytest.Item] = request.session.items
    scenes = scenes_of(getattr(item, "function", None) for item in items)
    folder = tmp_path_factory.mktemp("scenes")

    async def run() -> Played:
        async with world(where, folder, START) as running:
            return await direct(running, scenes)

    with (
        room(DATABASES) as where,
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,  # as `bihuan up` does
    ):
        return runner.run(run())
