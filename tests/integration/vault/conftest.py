"""A real vault on a room of its own, and its HTTP."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from libs.vault.keyring import KeyRing, read_keyring
from libs.vault.randomness import Randomness
from libs.vault.store import Vault
from tests.stack import room

KEYS = read_keyring("1 " + "11" * 32)

Start = Callable[..., Vault]


@pytest.fixture
def dsn() -> Iterator[str]:
    """A fresh database for a vault."""
    with room(["vault"], with_topics=False) as here:
        yield here.service_dsns["vault"]


@pytest.fixture
def start(dsn: str) -> Iterator[Start]:
    """Starts one more instance on the same database."""
    with ExitStack() as closing:

        def started(
            ring: KeyRing = KEYS, randomness: Randomness | None = None, **more: int
        ) -> Vault:
            vault = Vault(dsn, ring, randomness, **more)
            closing.callback(vault.close)
            vault.start()
            return vault

        yield started


@pytest.fixture
def vault(start: Start) -> Vault:
    return start()
