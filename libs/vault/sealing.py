"""A sealed value: a text token that says whose it is and what; only that person's key opens it.

Token = `bs1.` + base64url without padding of

    person (16) | key id (8) | length of field (1) | field (ASCII) | nonce (12) | ciphertext, tag

AES-256-GCM; the additional data is everything before the nonce, with `bs1` in front. So a token
copied to another person or another field does not open (DESIGN, Personal data).
"""

import dataclasses
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as NotBase64
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from libs.vault.errors import BadToken, TextTooLong
from libs.vault.randomness import KEY_ID_BYTES, NONCE_BYTES

VERSION: Final = b"bs1"
PREFIX: Final = "bs1."
TAG_BYTES: Final = 16
TEXT_BYTES_MAX: Final = 64 * 1024
"""DESIGN, The event: Limits."""

TOKEN_CHARACTERS_MAX: Final = 131_072
FIELD: Final = re.compile(r"[a-z][a-z0-9_.-]{0,62}\Z")
_BASE64URL: Final = re.compile(r"[A-Za-z0-9_-]+\Z")


@dataclass(frozen=True, slots=True)
class Token:
    """A token taken apart. Whose it is, and what field, can be seen; what it says cannot."""

    person: UUID
    key_id: bytes
    field: str
    nonce: bytes
    box: bytes = dataclasses.field(repr=False)

    @property
    def bound(self) -> bytes:
        """The additional data that the ciphertext is bound to."""
        return bound(self.person, self.key_id, self.field)


def bound(person: UUID, key_id: bytes, name: str) -> bytes:
    """What a ciphertext is bound to: format, person, key and field."""
    encoded = name.encode("ascii")
    return VERSION + person.bytes + key_id + bytes([len(encoded)]) + encoded


def seal(key: AESGCM, person: UUID, key_id: bytes, name: str, nonce: bytes, text: str) -> str:
    """The token of `text`; raises TextTooLong, and ValueError for what is no field's name."""
    if not FIELD.match(name):
        raise ValueError("a field is a short name in lower case")
    plain = text.encode("utf-8", "surrogatepass")
    if len(plain) > TEXT_BYTES_MAX:
        raise TextTooLong
    bound_to = bound(person, key_id, name)
    box = key.encrypt(nonce, plain, bound_to)
    content = bound_to[len(VERSION) :] + nonce + box
    return PREFIX + urlsafe_b64encode(content).decode("ascii").rstrip("=")


def parse(text: str) -> Token:
    """The token in `text`; raises BadToken when it cannot be one, and never says more."""
    encoded = text.removeprefix(PREFIX)
    if len(text) > TOKEN_CHARACTERS_MAX or encoded == text or not _BASE64URL.match(encoded):
        raise BadToken
    try:
        content = urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4))
    except NotBase64:
        raise BadToken from None
    if urlsafe_b64encode(content).decode("ascii").rstrip("=") != encoded:
        raise BadToken  # the same bytes have one text, or a changed token could pass for unchanged
    head = 16 + KEY_ID_BYTES
    length = content[head] if len(content) > head else 0
    start = head + 1 + length
    name = content[head + 1 : start].decode("ascii", "replace")
    if not FIELD.match(name) or len(content) < start + NONCE_BYTES + TAG_BYTES:
        raise BadToken
    return Token(
        person=UUID(bytes=content[:16]),
        key_id=content[16:head],
        field=name,
        nonce=content[start : start + NONCE_BYTES],
        box=content[start + NONCE_BYTES :],
    )


def unseal(key: AESGCM, token: Token) -> str:
    """The plaintext; raises BadToken when anything of the token was changed."""
    try:
        plain = key.decrypt(token.nonce, token.box, token.bound)
    except InvalidTag:
        raise BadToken from None
    return plain.decode("utf-8", "surrogatepass")
