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
def dsns() -> Iterator[tuple[str, str]]:
    """A fresh database for a vault: as its service, and as its owner."""
    with room(["vault"], with_topics=False) as here:
        yield here.service_dsns["vault"], here.dsns["vault"]


@pytest.fixture
def dsn(dsns: tuple[str, str]) -> str:
    """The vault's database, as its service."""
    return dsns[0]


@pytest.fixture
def owners_dsn(dsns: tuple[str, str]) -> str:
    """The same, as its owner."""
    return dsns[1]


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
