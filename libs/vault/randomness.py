"""Where ids, keys and nonces come from: chance in production, a seed in tests.

A seeded vault derives each value from what it is for, not from a sequence, so the same messages in
another order make the same persons and tokens (issue 3, guarantee 1).
"""

import hmac
import os
from typing import Final, Protocol
from uuid import UUID

KEY_BYTES: Final = 32
NONCE_BYTES: Final = 12
KEY_ID_BYTES: Final = 8


class Randomness(Protocol):
    """The port; `about` says what a value is for and is ignored where chance decides."""

    def person(self, about: bytes, /) -> UUID:
        """A new person's id: 122 random bits."""
        ...

    def key_id(self, about: bytes, /) -> bytes:
        """8 bytes that name a key of a person."""
        ...

    def key(self, about: bytes, /) -> bytes:
        """32 bytes of key."""
        ...

    def nonce(self, about: bytes, /) -> bytes:
        """12 bytes, never twice under one key."""
        ...


class SystemRandomness:
    """The operating system's."""

    def person(self, _about: bytes, /) -> UUID:
        """A random UUID."""
        return UUID(bytes=os.urandom(16), version=4)

    def key_id(self, _about: bytes, /) -> bytes:
        """8 random bytes."""
        return os.urandom(KEY_ID_BYTES)

    def key(self, _about: bytes, /) -> bytes:
        """32 random bytes."""
        return os.urandom(KEY_BYTES)

    def nonce(self, _about: bytes, /) -> bytes:
        """12 random bytes: under one person's key, far from 2**32 messages (SP 800-38D, 8.3)."""
        return os.urandom(NONCE_BYTES)


class SeededRandomness:
    """For tests only: whoever knows the seed knows every key."""

    def __init__(self, seed: bytes) -> None:
        self._seed = seed

    def person(self, about: bytes, /) -> UUID:
        """The same id for the same number."""
        return UUID(bytes=self._derived(b"person", about)[:16], version=4)

    def key_id(self, about: bytes, /) -> bytes:
        """The same id for the same key."""
        return self._derived(b"key id", about)[:KEY_ID_BYTES]

    def key(self, about: bytes, /) -> bytes:
        """The same key for the same person and key id."""
        return self._derived(b"key", about)

    def nonce(self, about: bytes, /) -> bytes:
        """The same nonce for the same plaintext in the same place, another for any other."""
        return self._derived(b"nonce", about)[:NONCE_BYTES]

    def _derived(self, purpose: bytes, about: bytes) -> bytes:
        return hmac.digest(self._seed, purpose + b"\0" + about, "sha256")
