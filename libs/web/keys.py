"""Where the keys come from that check tokens: a JWK Set (RFC 7517), in a file or at a URL.

A key that is taken out of the set must soon open nothing any more, and a set that cannot be reached
for a while must not lock everybody out; both times are in docs/operations.md.
"""

import asyncio
import json
import logging
from base64 import urlsafe_b64decode
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, Protocol

import httpx
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, JWKRegistry, OKPKey, RSAKey

from libs.web.problem import Unavailable

JWKS_BYTES_MAX: Final = 64 * 1024
JWKS_KEYS_MAX: Final = 32
RSA_BITS_MIN: Final = 2048
REFRESH_INTERVAL_S: Final = 10
"""An unknown key id asks the source again, but no storm of bad tokens may ask more often."""

KEYS_FRESH_S: Final = 60
"""So long a set counts before it is asked for again: a key that is not in it any more goes then."""

KEYS_KEPT_S: Final = 3600
"""So long the last set counts while there is no other to be had."""

FETCH_TIMEOUT_S: Final = 3.0
ALGORITHMS: Final[Mapping[str, tuple[str, ...]]] = {
    "OKP": ("Ed25519", "EdDSA"),
    "EC": ("ES256",),
    "RSA": ("RS256",),
}
"""What each type of key may sign; the token's own header chooses nothing (RFC 8725, 3.1)."""

log = logging.getLogger("bihuan.web")

PublicKey = OKPKey | ECKey | RSAKey


class KeySource(Protocol):
    """Where public keys come from."""

    async def find(self, kid: str) -> PublicKey | None:
        """The key of that id, or None; raises Unavailable when no keys can be had.

        The same object for as long as it is the same key.
        """
        ...


def read_jwks(text: str | bytes) -> dict[str, PublicKey]:
    """Key id -> public key of a JWK Set (RFC 7517); raises ValueError for one that is not usable.

    Keys of other types, and keys not meant for signing, are left out, as RFC 7517 §5 asks.
    """
    if len(text) > JWKS_BYTES_MAX:
        raise ValueError(f"a key set of more than {JWKS_BYTES_MAX} bytes")
    document = json.loads(text)
    entries = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(entries, list) or len(entries) > JWKS_KEYS_MAX:
        raise ValueError(f"a key set needs `keys`: a list of at most {JWKS_KEYS_MAX}")
    keys: dict[str, PublicKey] = {}
    for entry in entries:
        if not isinstance(entry, dict):
            raise ValueError("a key set needs `keys`: a list of keys")
        if entry.get("kty") not in ALGORITHMS or entry.get("use", "sig") != "sig":
            continue
        if "d" in entry:
            raise ValueError("a published key set holds a private key; replace that key at once")
        if not entry.get("kid") or not _strong(entry):
            continue
        key = JWKRegistry.import_key(entry)
        assert isinstance(key, (OKPKey, ECKey, RSAKey))
        keys[str(entry["kid"])] = key
    return keys


def _strong(entry: Mapping[str, Any]) -> bool:
    if entry["kty"] == "RSA":
        return len(unpadded(str(entry.get("n", "")))) * 8 >= RSA_BITS_MIN
    return entry.get("crv") == ("Ed25519" if entry["kty"] == "OKP" else "P-256")


def unpadded(text: str) -> bytes:
    """The bytes of base64url without padding; raises ValueError for other letters."""
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


class _Kept:
    """A set that is kept, and asked for again when it is old or lacks a key."""

    _told: str
    """What a caller is told where there is none."""
    _again_s: float
    """So soon it is asked for again while there never was one."""

    def __init__(self, real_now_s: Callable[[], float]) -> None:
        self._now = real_now_s
        self._keys: dict[str, PublicKey] = {}
        self._asked_s = self._read_s = float("-inf")
        self._asking = asyncio.Lock()

    async def find(self, kid: str) -> PublicKey | None:
        """The key of that id, or None; raises Unavailable when there is no set to go by."""
        if self._is_due(kid):
            async with self._asking:
                if self._is_due(kid):  # nobody else has asked meanwhile
                    await self._ask()
        if not self._counts():
            raise Unavailable(self._told)
        return self._keys.get(kid)

    def _is_due(self, kid: str) -> bool:
        if self._read_s == float("-inf"):
            wait_s = self._again_s
        else:
            known = kid in self._keys and self._counts()
            wait_s = KEYS_FRESH_S if known else REFRESH_INTERVAL_S
        return not 0 <= self._now() - self._asked_s < wait_s  # a clock may be set back

    def _counts(self) -> bool:
        return self._now() - self._read_s < KEYS_KEPT_S

    async def _ask(self) -> None:
        began_s = self._now()
        try:
            found = read_jwks(await self._text())
        except (OSError, httpx.HTTPError, ValueError, JoseError) as error:
            log.warning("no keys that check tokens", extra={"error": type(error).__name__})
        else:
            self._keys = {kid: _same(self._keys.get(kid), key) for kid, key in found.items()}
            self._read_s = began_s
        self._asked_s = began_s  # only now: who comes meanwhile waits, and goes by no old key

    async def _text(self) -> bytes:
        raise NotImplementedError


def _same(known: PublicKey | None, key: PublicKey) -> PublicKey:
    """The one that is known where it is the same."""
    if known is None or known.as_dict(private=False) != key.as_dict(private=False):
        return key
    return known


class JwksFile(_Kept):
    """Keys in a file, read again when a key id is unknown, and each minute."""

    _told = "The keys that check tokens cannot be read."
    _again_s = 0

    def __init__(self, path: Path, real_now_s: Callable[[], float]) -> None:
        super().__init__(real_now_s)
        self._path = path

    async def _text(self) -> bytes:
        return self._path.read_bytes()


class JwksUrl(_Kept):
    """Keys at a URL, fetched again each minute, and when a key id is unknown each 10 s at most."""

    _told = "The keys that check tokens cannot be fetched."
    _again_s = REFRESH_INTERVAL_S

    def __init__(
        self,
        url: str,
        real_now_s: Callable[[], float],
        client: httpx.AsyncClient | None = None,
    ) -> None:
        super().__init__(real_now_s)
        self._url = url
        self._client = client or httpx.AsyncClient(timeout=FETCH_TIMEOUT_S)

    async def _text(self) -> bytes:
        async with self._client.stream("GET", self._url) as answer:
            answer.raise_for_status()
            body = bytearray()
            async for chunk in answer.aiter_bytes():
                body += chunk
                if len(body) > JWKS_BYTES_MAX:
                    raise ValueError(f"a key set of more than {JWKS_BYTES_MAX} bytes")
        return bytes(body)
