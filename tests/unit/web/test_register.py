"""No token is obeyed before it is on record, and what is on record against it counts at once."""

import asyncio
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import replace
from hashlib import sha256
from typing import Any

import pytest

from libs.web.auth import Authenticator, Caller, Shown, TokenRevoked
from libs.web.problem import NotAuthenticated, Unavailable
from tests.unit.web.test_auth import CLAIMS, EC, KEYS, REAL_S, RSA, signed


class Record:
    """A register in memory; `away` is a database that cannot be reached."""

    def __init__(self) -> None:
        self.tokens: list[Shown] = []
        self.revoked: set[str] = set()
        self.roles: dict[str, frozenset[str]] = {}
        self.away = False

    async def shown(self, token: Shown) -> None:
        if self.away:
            raise Unavailable
        self.tokens.append(token)

    def standing(self, digest: str, caller: Caller) -> Caller:
        if digest in self.revoked:
            raise TokenRevoked
        allowed = self.roles.get(caller.actor)
        return caller if allowed is None else replace(caller, roles=caller.roles & allowed)


def door(record: Record) -> Authenticator:
    return Authenticator(KEYS, lambda: REAL_S, register=record)


def enter(at: Authenticator, token: str) -> Caller:
    return asyncio.run(at.caller(f"Bearer {token}"))


TOKEN = signed({**CLAIMS, "roles": ["agent", "desk"], "jti": "t-1"})


def test_a_token_goes_on_record_before_it_is_obeyed_and_once() -> None:
    """DOMAIN rule 13: "every use of a privilege is on record"."""
    record = Record()
    at = door(record)
    assert enter(at, TOKEN).actor == "agent:8812"
    enter(at, TOKEN)
    (told,) = record.tokens
    assert (told.id, told.actor, told.roles, told.key) == (
        *("t-1", "agent:8812"),
        *(frozenset({"agent", "desk"}), "okp"),
    )
    assert told.expires_s == CLAIMS["exp"]
    assert len(told.digest) == 64
    assert TOKEN not in repr(told)


def test_what_cannot_be_put_on_record_opens_nothing() -> None:
    record = Record()
    record.away = True
    at = door(record)
    with pytest.raises(Unavailable):
        enter(at, TOKEN)
    record.away = False
    assert enter(at, TOKEN).actor == "agent:8812"
    assert len(record.tokens) == 1


def test_a_bad_token_is_not_put_on_record() -> None:
    record = Record()
    with pytest.raises(NotAuthenticated):
        enter(door(record), TOKEN[:-4] + "AAAA")
    assert not record.tokens


def test_a_token_without_an_id_goes_by_its_digest() -> None:
    record = Record()
    enter(door(record), signed(CLAIMS))
    assert record.tokens[0].id == record.tokens[0].digest


@pytest.mark.parametrize("jti", ["shift/7", "../a", "a b", "a%2Fb", "编号", "x" * 97, "-", "?a=b"])
def test_an_id_that_no_path_can_name_is_on_record_by_its_digest(jti: str) -> None:
    """So that each token can be revoked by its id: `POST /tokens/{token}/revoke`."""
    record = Record()
    enter(door(record), signed({**CLAIMS, "jti": jti}))
    assert record.tokens[0].id == f"sha256-{sha256(jti.encode()).hexdigest()[:32]}"


def test_a_revoked_token_is_refused_though_it_was_obeyed_before() -> None:
    record = Record()
    at = door(record)
    enter(at, TOKEN)
    record.revoked.add(record.tokens[0].digest)
    with pytest.raises(TokenRevoked):
        enter(at, TOKEN)
    other = signed({**CLAIMS, "jti": "t-2"})
    assert enter(at, other).actor == "agent:8812", "another token of the same person"


@pytest.mark.parametrize(
    ("held", "left"),
    [({"desk"}, {"desk"}), (set(), set()), ({"desk", "admin"}, {"desk"})],
)
def test_roles_on_record_limit_what_a_token_says_and_add_nothing(held: Any, left: Any) -> None:
    record = Record()
    at = door(record)
    enter(at, TOKEN)
    record.roles["agent:8812"] = frozenset(held)
    assert enter(at, TOKEN).roles == left


P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
"""The order of the curve's group (NIST SP 800-186, 3.2.1.3)."""


def mirrored(token: str) -> str:
    """The same token under the other signature that ECDSA takes: (r, n - s)."""
    text, _, signature = token.rpartition(".")
    raw = urlsafe_b64decode(signature + "==")
    mirror = P256_ORDER - int.from_bytes(raw[32:])
    return f"{text}.{spelt(raw[:32] + mirror.to_bytes(32))}"


def spelt(raw: bytes) -> str:
    return urlsafe_b64encode(raw).decode().rstrip("=")


def respelt(token: str) -> str:
    """The same signature in other letters: base64url leaves the last bits of 64 bytes unused."""
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    return token[:-1] + letters[letters.index(token[-1]) + 1]


@pytest.mark.parametrize(
    "reshaped",
    [
        pytest.param(mirrored, id="the other signature"),
        pytest.param(respelt, id="other letters"),
        pytest.param(lambda token: token + "==", id="padded"),
        pytest.param(lambda token: token + "\n", id="with a line's end"),
    ],
)
def test_a_revoked_token_stays_so_in_whatever_shape_its_signature_is_shown(reshaped: Any) -> None:
    """Whoever holds one token must not have two: what was signed is what is on record."""
    record = Record()
    token = signed({**CLAIMS, "jti": "t-1"}, EC, "ec", "ES256")
    first = door(record)
    enter(first, token)
    record.revoked.add(record.tokens[0].digest)
    for at in (first, door(record)):
        with pytest.raises(NotAuthenticated):
            enter(at, reshaped(token))
    assert len({one.digest for one in record.tokens}) == 1
    assert record.tokens[0].digest == sha256(token.rpartition(".")[0].encode()).hexdigest()


def test_what_was_signed_opens_nothing_under_another_signature() -> None:
    """It is known by what was signed; it is obeyed for its signature only."""
    record = Record()
    at = door(record)
    enter(at, TOKEN)
    text = TOKEN.rpartition(".")[0]
    for signature in ("", spelt(bytes(64)), signed(CLAIMS, RSA, "rsa", "RS256").rpartition(".")[2]):
        with pytest.raises(NotAuthenticated):
            enter(at, f"{text}.{signature}")
