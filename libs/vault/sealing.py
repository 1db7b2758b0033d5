"""AES-256-GCM under a key of each person's own; a token says whose it is, which field, which key.

Pure: keys and nonces come from outside. The person's id and the field's name are authenticated
with the ciphertext, so a token moved to another person or field does not open.
"""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

VERSION = "v1"
NONCE_BYTES = 12
KEY_BYTES = 32
WRAP = b"bihuan data key of "


class TokenBroken(ValueError):
    """This is no token of ours, or it was changed; the text never quotes it."""


@dataclass(frozen=True, slots=True)
class Token:
    """`v1.<person>.<field>.<nonce and ciphertext>`; opaque to everybody but the vault."""

    person: UUID
    field: str
    sealed: bytes

    def __str__(self) -> str:
        body = urlsafe_b64encode(self.sealed).decode().rstrip("=")
        return f"{VERSION}.{self.person.hex}.{self.field}.{body}"

    @classmethod
    def parse(cls, text: str) -> "Token":
        """From its text; raises TokenBroken."""
        parts = text.split(".")
        if len(parts) != 4 or parts[0] != VERSION:
            raise TokenBroken("not a sealed token")
        try:
            person = UUID(hex=parts[1])
            sealed = urlsafe_b64decode(parts[3] + "=" * (-len(parts[3]) % 4))
        except ValueError:
            raise TokenBroken("not a sealed token") from None
        if len(sealed) <= NONCE_BYTES:
            raise TokenBroken("not a sealed token")
        return cls(person, parts[2], sealed)


def bound_to(person: UUID, field: str) -> bytes:
    """The additional data: whose it is and what (DESIGN, Personal data)."""
    return f"{person.hex}|{field}".encode()


def seal(key: bytes, person: UUID, field: str, plaintext: str, nonce: bytes) -> Token:
    """A plaintext under a person's key; `nonce` is never used twice with one key."""
    ciphertext = AESGCM(key).encrypt(nonce, plaintext.encode(), bound_to(person, field))
    return Token(person, field, nonce + ciphertext)


def open_token(key: bytes, token: Token) -> str:
    """The plaintext; raises TokenBroken when key, person, field or bytes do not agree."""
    nonce, ciphertext = token.sealed[:NONCE_BYTES], token.sealed[NONCE_BYTES:]
    try:
        plain = AESGCM(key).decrypt(nonce, ciphertext, bound_to(token.person, token.field))
    except InvalidTag:
        raise TokenBroken("the token does not open: it or its key was changed") from None
    return plain.decode()


def wrap(master: bytes, owner: UUID, key: bytes, nonce: bytes) -> bytes:
    """A person's key as it is stored: sealed under the installation's key."""
    return nonce + AESGCM(master).encrypt(nonce, key, WRAP + owner.bytes)


def unwrap(master: bytes, owner: UUID, wrapped: bytes) -> bytes:
    """A person's key again; raises TokenBroken under another installation's key."""
    try:
        return AESGCM(master).decrypt(
            wrapped[:NONCE_BYTES], wrapped[NONCE_BYTES:], WRAP + owner.bytes
        )
    except InvalidTag:
        raise TokenBroken("a person's key does not open under this vault's key") from None
