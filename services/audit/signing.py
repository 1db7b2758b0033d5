"""The keys that sign checkpoints and purges: made at the first start, for their owner's eyes only.

They are two, for whoever may seal what there is must not by that be able to let it go.
"""

import os
import secrets
import stat
from base64 import urlsafe_b64encode
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from services.audit.domain.checkpoint import verifier_key


class UnsafeKeyFile(RuntimeError):
    """Others than its owner may read the key's file, or it holds no Ed25519 key."""


class CheckpointKey:
    """Signs checkpoints; `public` is its other half, 32 bytes."""

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key
        self.public = key.public_key().public_bytes_raw()

    def sign(self, text: str) -> bytes:
        """Ed25519 over the text, 64 bytes."""
        return self.sign_bytes(text.encode())

    def sign_bytes(self, data: bytes) -> bytes:
        """Ed25519 over these bytes."""
        return self._key.sign(data)


def is_signed(text: str, signature: bytes, public_key: bytes) -> bool:
    """Whether this key signed this text."""
    return is_signed_bytes(text.encode(), signature, public_key)


def is_signed_bytes(data: bytes, signature: bytes, public_key: bytes) -> bool:
    """Whether this key signed these bytes."""
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, data)
    except (InvalidSignature, ValueError):
        return False
    return True


class PurgeKey:
    """Signs what says that streams go; `public` is its other half, base64url without padding."""

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key
        self.public = base64url(key.public_key().public_bytes_raw())

    def sign(self, text: bytes) -> str:
        """Ed25519 over the text, base64url without padding."""
        return base64url(self._key.sign(text))


def base64url(data: bytes) -> str:
    """As JSON has keys and signatures: without padding."""
    return urlsafe_b64encode(data).decode("ascii").rstrip("=")


def open_key(path: Path, origin: str) -> CheckpointKey:
    """The key in this file (PEM, mode 0600), made if there is none; its public half beside it.

    The public half goes into `<file>.pub`, as a signed note's verifier key. Raises UnsafeKeyFile.
    """
    key = CheckpointKey(_opened(path))
    _publish(published_beside(path), verifier_key(origin, key.public))
    return key


def open_purge_key(path: Path) -> PurgeKey:
    """The same for purges; `<file>.pub` has a public half a line, base64url, as databases take it.

    The newest is first; who keeps the databases enters it there. Raises UnsafeKeyFile.
    """
    key = PurgeKey(_opened(path))
    _publish(published_beside(path), key.public)
    return key


def _opened(path: Path) -> Ed25519PrivateKey:
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        pem = Ed25519PrivateKey.generate().private_bytes(
            Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
        )
        _write_private(path, pem)
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & 0o077:
        raise UnsafeKeyFile(f"{path.name} has mode {mode:o}; replace the key and set mode 600")
    try:
        loaded = load_pem_private_key(path.read_bytes(), None)
    except (ValueError, TypeError) as error:
        raise UnsafeKeyFile(f"{path.name} holds no key; move it away to make a new one") from error
    if not isinstance(loaded, Ed25519PrivateKey):
        raise UnsafeKeyFile(f"{path.name} holds a key that is not Ed25519")
    return loaded


def published_beside(path: Path) -> Path:
    """Where the public halves lie: the newest key's first, then those that signed before it."""
    return path.with_name(f"{path.name}.pub")


def published_keys(path: Path | None) -> list[str]:
    """The public keys published beside a key's file, newest first; none without a key."""
    if path is None or not published_beside(path).exists():
        return []
    return published_beside(path).read_text(encoding="ascii").split()


def _publish(path: Path, line: str) -> None:
    """Puts a key first; those it replaces stay, for what they signed is checked with them."""
    had = path.read_text(encoding="ascii").split() if path.exists() else []
    if had[:1] == [line]:
        return
    partial = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    lines = [line, *(one for one in had if one != line)]
    partial.write_text("".join(f"{one}\n" for one in lines), encoding="ascii")
    partial.replace(path)


def _write_private(path: Path, content: bytes) -> None:
    """Complete or absent, never readable by others; the first of two writers wins."""
    partial = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    handle = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(content)
    try:
        os.link(partial, path)
    except FileExistsError:
        pass  # another process made the key first: that one counts
    finally:
        partial.unlink()
