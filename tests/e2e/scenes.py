"""Scenes that share one running system: each plays on its own, one stepped clock plays them all.

A test marked `@scene` is an async function that waits for instants (`await stage.at(...)`) and acts
between them. All collected scenes run in one world: the director always resumes the one that waits
for the earliest instant, alone, so that the time between them is played once, however many scenes
there are. A scene acts on complaints of its own, and looks at nothing else.
"""

import asyncio
import functools
import heapq
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from datetime import datetime
from types import ModuleType

from libs.messaging.stepping import Stepper
from tests.e2e.world import World, sh

MESSAGES_PER_SCENE = 1000

Scene = Callable[["Stage"], Awaitable[None]]
Played = Mapping[Scene, BaseException | None]


def scene(play: Scene) -> Callable[[Played], None]:
    """A test that is played together with all other scenes, and fails where it failed."""

    def test(played: Played) -> None:
        failed = played[play]
        if failed is not None:
            raise failed

    functools.update_wrapper(test, play)
    # pytest would look through to the scene, whose parameter is no fixture.
    del test.__wrapped__  # type: ignore[attr-defined]  # set by update_wrapper
    test.__annotations__ = {"played": Played, "return": None}
    test.scene = play  # type: ignore[attr-defined]  # what the fixture looks for
    return test


def after(*modules: ModuleType) -> Callable[[Callable[[Played], None]], Callable[[Played], None]]:
    """A scene that needs the scenes of these modules in its world, also when it is run alone."""

    def marked(test: Callable[[Played], None]) -> Callable[[Played], None]:
        test.after = modules  # type: ignore[attr-defined]  # what the fixture looks for
        return test

    return marked


def scenes_of(tests: Iterable[object]) -> list[Scene]:
    """The scenes of these tests and those that they need, each once."""
    found: dict[Scene, None] = {}
    for test in tests:
        needed = [one for module in getattr(test, "after", ()) for one in vars(module).values()]
        for one in (*needed, test):
            played = getattr(one, "scene", None)
            if played is not None:
                found[played] = None
    return list(found)


class Stage(World):
    """The shared world as one scene sees it: its own messages, and its turn at every instant."""

    def __init__(self, number: int, shared: World, waiting: "Waiting") -> None:
        self._shared = shared
        super().__init__(shared.system, shared.player, shared.clock)
        self._waiting = waiting
        self._messages = number * MESSAGES_PER_SCENE

    @property
    def stepper(self) -> Stepper:  # type: ignore[override]  # one for all, also when replaced
        """The shared stepper."""
        return self._shared.stepper

    @stepper.setter
    def stepper(self, stepper: Stepper) -> None:
        if hasattr(self._shared, "stepper") and hasattr(self, "_waiting"):
            self._shared.stepper = stepper

    async def at(self, text: str) -> datetime:
        """Its turn at this instant (Asia/Shanghai); timers due at it have not fired yet."""
        instant = sh(text)
        await self._waiting.until(instant)
        return instant


class Waiting:
    """The scenes that wait for an instant, and the one that plays."""

    def __init__(self) -> None:
        self._heap: list[tuple[datetime, int, asyncio.Future[None]]] = []
        self._count = 0
        self._quiet = asyncio.Event()

    async def until(self, wanted: datetime) -> None:
        """Lets others play until this instant has come."""
        turn = asyncio.get_running_loop().create_future()
        self._count += 1
        heapq.heappush(self._heap, (wanted, self._count, turn))
        self._quiet.set()
        await turn

    async def begin(self, scene: Awaitable[None]) -> asyncio.Future[None]:
        """Begins a scene; returns when it waits or has ended."""
        self._quiet.clear()
        task = asyncio.ensure_future(scene)
        task.add_done_callback(lambda _: self._quiet.set())
        await self._quiet.wait()
        return task

    async def resume_all(self, world: World) -> None:
        """Plays on, instant by instant, until no scene waits any more."""
        while self._heap:
            wanted, _, turn = heapq.heappop(self._heap)
            assert wanted >= world.clock.now(), "a scene waits for what has passed"
            await world.stepper.run_until(wanted)
            self._quiet.clear()
            turn.set_result(None)
            await self._quiet.wait()


async def direct(world: World, scenes: Sequence[Scene]) -> Played:
    """Plays all scenes to their ends; for each, what went wrong."""
    waiting = Waiting()
    tasks: dict[Scene, asyncio.Future[None]] = {}
    for number, play in enumerate(scenes, start=1):
        tasks[play] = await waiting.begin(play(Stage(number, world, waiting)))
    await waiting.resume_all(world)
    return {play: task.exception() for play, task in tasks.items()}
