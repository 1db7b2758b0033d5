"""A clock that leapt and was set right again: nothing waits for an instant of the leap."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from libs.eventlog.work import partition_of
from services.audit import sealing
from services.audit.cold.refiling import Refiler
from services.audit.domain.checkpoint import SUBJECT
from services.audit.sealing import Sealer

NOW = datetime(2026, 3, 1, 1, 20, tzinfo=UTC)
YEAR = timedelta(days=365)


class App:
    """What a chore sees of its service."""

    def __init__(self) -> None:
        self.wall = NOW
        self.clock = self
        self.registry = CollectorRegistry()
        self.settings = SimpleNamespace(partitions=1)
        self.inbox = SimpleNamespace(progress={partition_of(SUBJECT, 1): None})
        self.store = self

    def now(self) -> datetime:
        return self.wall

    @contextmanager
    def connection(self) -> Iterator[Any]:
        yield None

    async def in_thread(self, call: Callable[..., Any], *args: Any) -> Any:
        return call(*args)


def test_a_checkpoint_is_sealed_at_the_next_full_hour_of_the_clock_that_is_right(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sealing, "last_checkpoint", lambda _: (0, None))
    monkeypatch.setattr(sealing, "accepted", lambda _: {0: (3, None)})
    app: Any = App()
    sealer = Sealer(app, SimpleNamespace(), origin="o", every=timedelta(hours=1))  # type: ignore[arg-type]
    app.wall = NOW + YEAR
    assert sealer.next_due() == datetime(2027, 3, 1, 2, 0, tzinfo=UTC)
    app.wall = NOW
    assert sealer.next_due() == datetime(2026, 3, 1, 2, 0, tzinfo=UTC)
    app.wall = datetime(2026, 3, 1, 1, 59, tzinfo=UTC)
    assert sealer.next_due() == datetime(2026, 3, 1, 2, 0, tzinfo=UTC)


def test_a_month_that_could_not_be_written_is_tried_again_in_a_minute() -> None:
    """One that no purge is under way for any more, as `Refiler._due` reads it."""
    app: Any = App()
    tried, ran_s = list[str](), 0.0

    async def fails(act: str, cohort: str, _: Any) -> str:
        tried.append(cohort)
        return "store_away"

    cold: Any = SimpleNamespace(carry_out=fails)
    refiler = Refiler(app, cold, lambda: ran_s)
    refiler._due = lambda: {"2025-08": False}  # type: ignore[method-assign]
    app.wall = NOW + YEAR
    asyncio.run(refiler.run())
    assert refiler.next_due() is None
    app.wall, ran_s = NOW, 59.0
    assert refiler.next_due() is None
    ran_s = 60.0
    assert refiler.next_due() == NOW
    asyncio.run(refiler.run())
    assert tried == ["2025-08", "2025-08"]
