"""No token is obeyed before it is on record, and what is on record against it counts at once."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from libs.web.auth import Authenticator, Caller, Shown, TokenRevoked
from libs.web.problem import NotAuthenticated, Unavailable
from tests.unit.web.test_auth import CLAIMS, KEYS, REAL_S, signed


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
