"""The keys that wrap persons' keys, by version, and the one that turns numbers into index values.

The file has one line per version, `<version> <64 hex digits>`, newest last; a single line of
64 hex digits is version 1. An optional line `index <64 hex digits>` keeps the index key apart,
so that the oldest wrapping key can be retired; without it the index key follows from that one.
"""

import hmac
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from libs.vault.errors import WrongVaultKey
from libs.vault.randomness import KEY_BYTES, NONCE_BYTES

VERSIONS_MAX: Final = 100
_INDEX_INFO: Final = b"bihuan vault: index of numbers"
_CHECK_TEXT: Final = b"bihuan vault: does this key belong here"


@dataclass(frozen=True, slots=True)
class Wrapped:
    """A key as it is stored: the version that wraps it, and nonce plus ciphertext."""

    version: int
    box: bytes


@dataclass(frozen=True, slots=True)
class KeyRing:
    """All versions of the wrapping key; new keys are wrapped with the newest."""

    versions: Mapping[int, bytes] = field(repr=False)
    index: bytes = field(repr=False)

    @property
    def newest(self) -> int:
        """The version that wraps from now on."""
        return max(self.versions)

    def index_of(self, number: str) -> bytes:
        """HMAC-SHA256 of a number in its one form: finds its person, and says nothing else."""
        return hmac.digest(self.index, b"number" + number.encode(), "sha256")

    def content_of(self, value: bytes) -> bytes:
        """HMAC-SHA256 of bytes: tells the same from others, and says nothing else."""
        return hmac.digest(self.index, b"content" + value, "sha256")

    def wrap(self, key: bytes, about: bytes, nonce: bytes) -> Wrapped:
        """`key` sealed with the newest version; `about` binds it to its place (AES-256-GCM)."""
        version = self.newest
        box = AESGCM(self.versions[version]).encrypt(nonce, key, _bound(version, about))
        return Wrapped(version, nonce + box)

    def unwrap(self, wrapped: Wrapped, about: bytes) -> bytes:
        """The key; raises WrongVaultKey when no version here opens it."""
        key = self.versions.get(wrapped.version)
        if key is None:
            raise WrongVaultKey(f"the key file has no version {wrapped.version}")
        nonce, box = wrapped.box[:NONCE_BYTES], wrapped.box[NONCE_BYTES:]
        try:
            return AESGCM(key).decrypt(nonce, box, _bound(wrapped.version, about))
        except (InvalidTag, ValueError):  # the latter for what is too short to be one
            raise WrongVaultKey(f"version {wrapped.version} does not open this key") from None

    def check_of(self, version: int) -> bytes:
        """16 bytes that tell whether a key file belongs to a database, and nothing of the key."""
        joined = self.versions[version] + self.index
        return hmac.digest(joined, _CHECK_TEXT, "sha256")[:16]


def _bound(version: int, about: bytes) -> bytes:
    return b"wrap" + version.to_bytes(4) + about


def read_keyring(text: str) -> KeyRing:
    """The keys in a key file's text; raises WrongVaultKey saying what is wrong with it."""
    versions: dict[int, bytes] = {}
    index: bytes | None = None
    for line in filter(None, (line.split("#")[0].strip() for line in text.splitlines())):
        name, _, digits = line.rpartition(" ")
        key = _key(digits)
        if name == "index":
            index = key
        elif (name or "1").isdecimal() and int(name or "1") not in versions:
            versions[int(name or "1")] = key
        else:
            raise WrongVaultKey("a line of the key file is `<version> <64 hex digits>`, once each")
    if not 1 <= len(versions) <= VERSIONS_MAX:
        raise WrongVaultKey("the key file holds no key")
    return KeyRing(versions, index or _derived(versions[min(versions)]))


def read_master_key(path: Path) -> KeyRing:
    """The keys in a file of mode 0600; raises WrongVaultKey when others can read it."""
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & 0o077:
        raise WrongVaultKey(f"{path.name} has mode {mode:o}: others can read it; set mode 600")
    return read_keyring(path.read_text(encoding="ascii"))


def make_key_file(path: Path) -> KeyRing:
    """The key file at `path`, made (mode 0600) where there is none; never overwritten."""
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return read_master_key(path)
    with os.fdopen(handle, "w", encoding="ascii") as file:
        file.write(f"1 {os.urandom(KEY_BYTES).hex()}\n")
    return read_master_key(path)


def _key(digits: str) -> bytes:
    try:
        key = bytes.fromhex(digits)
    except ValueError:
        key = b""
    if len(key) != KEY_BYTES:
        raise WrongVaultKey("a key of the key file is not 64 hex digits")
    return key


def _derived(key: bytes) -> bytes:
    return HKDF(SHA256(), KEY_BYTES, None, _INDEX_INFO).derive(key)
