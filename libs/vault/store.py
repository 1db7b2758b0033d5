"""The vault: who a number is, each person's key, and what happened to it. A database of its own.

Outside the log and outside rebuild; it needs backups of its own. Nothing in clear is ever stored:
numbers are found by their HMAC, keys stand wrapped, and what is sealed lies elsewhere.
"""

import hmac
import os
import stat
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from hashlib import sha256
from pathlib import Path
from threading import Lock
from typing import Any
from uuid import UUID, uuid4

from psycopg import Connection
from psycopg.rows import DictRow, dict_row
from psycopg_pool import ConnectionPool

from libs.decider import Conflict, DomainError
from libs.vault.sealing import (
    KEY_BYTES,
    NONCE_BYTES,
    Token,
    TokenBroken,
    open_token,
    seal,
    unwrap,
    wrap,
)

KEYS_CACHED_MAX = 20_000
CONNECTIONS_MAX = 4

TABLES = (
    "CREATE TABLE IF NOT EXISTS person (person uuid PRIMARY KEY, number_hmac bytea UNIQUE)",
    "CREATE TABLE IF NOT EXISTS person_key ("
    "person uuid PRIMARY KEY, wrapped bytea, state text NOT NULL DEFAULT 'open', "
    "until timestamptz)",
    "CREATE TABLE IF NOT EXISTS unreadable (place text PRIMARY KEY, sealed bytea NOT NULL)",
)


class Erased(DomainError):
    """The person's data has been destroyed; nobody can open it any more."""

    status = 410
    rule = "erased"
    zh = "该个人信息已被删除"


class Locked(DomainError):
    """The person's data is locked to storage; only an auditor with a purpose may open it."""

    status = 403
    rule = "locked"
    zh = "该个人信息已被封存,仅限审计人员说明用途后查看"


class NotAToken(Conflict):
    """What was given is not a token of this vault."""

    status = 422
    rule = "not-a-token"
    zh = "不是有效的密封值"


class KeyFileUnsafe(RuntimeError):
    """The vault's key file is missing, of a wrong form, or readable by others."""


class KeyState(StrEnum):
    """How a person's data may be opened (DOMAIN, Audit and retention: PIPL)."""

    OPEN = "open"
    LOCKED = "locked"
    DESTROYED = "destroyed"


@dataclass(frozen=True, slots=True)
class Randomness:
    """Where ids, keys and nonces come from; seeded in tests."""

    new_id: Callable[[], UUID] = uuid4
    bytes: Callable[[int], bytes] = os.urandom


def read_master_key(path: Path) -> bytes:
    """The installation's 32-byte key from a file of mode 0600, in hexadecimal."""
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
        key = bytes.fromhex(path.read_text(encoding="ascii").strip())
    except (OSError, ValueError) as error:
        raise KeyFileUnsafe(f"{path.name} cannot be read as 64 hexadecimal digits") from error
    if mode & 0o077:
        raise KeyFileUnsafe(f"{path.name} has mode {mode:o}; others must not read it (chmod 600)")
    if len(key) != KEY_BYTES:
        raise KeyFileUnsafe(f"{path.name} must hold 64 hexadecimal digits")
    return key


class Vault:
    """Finds persons, seals and opens. Safe to share between threads."""

    def __init__(
        self,
        dsn: str,
        master: bytes,
        randomness: Randomness = Randomness(),
    ) -> None:
        # Two keys from one: numbers are never hashed with what wraps keys.
        self._wrapping = hmac.digest(master, b"wrapping", "sha256")
        self._finding = hmac.digest(master, b"finding", "sha256")
        self._random = randomness
        self._keys: OrderedDict[UUID, tuple[KeyState, bytes]] = OrderedDict()
        self._lock = Lock()
        self._pool: ConnectionPool[Connection[DictRow]] = ConnectionPool(
            dsn,
            min_size=1,
            max_size=CONNECTIONS_MAX,
            open=False,
            timeout=5,
            kwargs={"autocommit": True, "row_factory": dict_row},
        )

    def start(self) -> None:
        """Opens the pool and makes the tables; safe at each start."""
        self._pool.open()
        with self._pool.connection() as conn, conn.transaction():
            conn.execute("SELECT pg_advisory_xact_lock(7231003)")
            for statement in TABLES:
                conn.execute(statement)

    def close(self) -> None:
        """Gives the connections back."""
        self._pool.close()

    # -- persons ---------------------------------------------------------------------------------

    def find_or_make_persons(self, numbers: Sequence[str]) -> list[UUID]:
        """The random id of each number's person, in order; in one round trip, race-safe."""
        if not numbers:
            return []
        hashes = [self._hash(number) for number in numbers]
        wanted = {one: self._random.new_id() for one in hashes}
        with self._pool.connection() as conn:
            rows = conn.execute(
                # Sorted, so that two batches with the same numbers never wait for each other.
                "WITH given AS (SELECT * FROM unnest(%b::bytea[], %b::uuid[]) AS g(hash, id)), "
                "made AS (INSERT INTO person (person, number_hmac) "
                "SELECT id, hash FROM given ORDER BY hash ON CONFLICT (number_hmac) DO NOTHING "
                "RETURNING person, number_hmac) "
                "SELECT person, number_hmac FROM made UNION ALL "
                "SELECT p.person, p.number_hmac FROM person p JOIN given g "
                "ON p.number_hmac = g.hash",
                (list(wanted), list(wanted.values())),
            ).fetchall()
            found = {bytes(row["number_hmac"]): row["person"] for row in rows}
            if len(found) < len(wanted):
                # Made by another while this statement ran: visible to the next one.
                rows = conn.execute(
                    "SELECT person, number_hmac FROM person WHERE number_hmac = ANY(%b::bytea[])",
                    (list(wanted),),
                ).fetchall()
                found = {bytes(row["number_hmac"]): row["person"] for row in rows}
        return [found[one] for one in hashes]

    def _hash(self, number: str) -> bytes:
        return hmac.digest(self._finding, number.encode(), "sha256")

    # -- sealing and opening ---------------------------------------------------------------------

    def seal_many(self, items: Sequence[tuple[UUID, str, str]]) -> list[str]:
        """A token for each (person, field, plaintext), in order; makes missing keys.

        Raises Erased or Locked when a person's data may not grow any more.
        """
        keys = self._keys_of({person for person, _, _ in items}, make=True)
        tokens = []
        for person, field, plaintext in items:
            state, key = keys[person]
            if state is not KeyState.OPEN:
                raise Erased if state is KeyState.DESTROYED else Locked
            nonce = self._random.bytes(NONCE_BYTES)
            tokens.append(str(seal(key, person, field, plaintext, nonce)))
        return tokens

    def open_many(
        self, tokens: Sequence[str], *, locked_too: bool = False
    ) -> list[str | DomainError]:
        """Each token's plaintext, or why it does not open: Erased, Locked, NotAToken.

        `locked_too` is for an auditor with a purpose (DOMAIN, PIPL).
        """
        parsed: list[Token | None] = []
        for text in tokens:
            try:
                parsed.append(Token.parse(text))
            except TokenBroken:
                parsed.append(None)
        keys = self._keys_of({one.person for one in parsed if one is not None}, make=False)
        return [self._open(one, keys, locked_too) for one in parsed]

    def _open(
        self,
        token: Token | None,
        keys: Mapping[UUID, tuple[KeyState, bytes]],
        locked_too: bool,
    ) -> str | DomainError:
        if token is None or token.person not in keys:
            return NotAToken()
        state, key = keys[token.person]
        if state is KeyState.DESTROYED:
            return Erased()
        if state is KeyState.LOCKED and not locked_too:
            return Locked()
        try:
            return open_token(key, token)
        except TokenBroken:
            return NotAToken()

    def _keys_of(
        self, persons: Iterable[UUID], *, make: bool
    ) -> dict[UUID, tuple[KeyState, bytes]]:
        wanted = set(persons)
        with self._lock:
            keys = {one: self._keys[one] for one in wanted if one in self._keys}
        missing = sorted(wanted - keys.keys())
        if missing:
            keys |= self._load_keys(missing, make=make)
        return keys

    def _load_keys(
        self, persons: Sequence[UUID], *, make: bool
    ) -> dict[UUID, tuple[KeyState, bytes]]:
        with self._pool.connection() as conn:
            if make:
                made = [
                    wrap(
                        self._wrapping,
                        person,
                        self._random.bytes(KEY_BYTES),
                        self._random.bytes(NONCE_BYTES),
                    )
                    for person in persons
                ]
                conn.execute(
                    "INSERT INTO person_key (person, wrapped) "
                    "SELECT * FROM unnest(%b::uuid[], %b::bytea[]) ON CONFLICT DO NOTHING",
                    (list(persons), made),
                )
            rows = conn.execute(
                "SELECT person, wrapped, state FROM person_key WHERE person = ANY(%b::uuid[])",
                (list(persons),),
            ).fetchall()
        loaded = {row["person"]: self._unwrapped(row) for row in rows}
        with self._lock:
            self._keys.update(loaded)
            while len(self._keys) > KEYS_CACHED_MAX:
                self._keys.popitem(last=False)
        return loaded

    def _unwrapped(self, row: Mapping[str, Any]) -> tuple[KeyState, bytes]:
        if row["wrapped"] is None:
            return KeyState.DESTROYED, b""
        key = unwrap(self._wrapping, row["person"], bytes(row["wrapped"]))
        return KeyState(row["state"]), key

    # -- bytes nobody could read -----------------------------------------------------------------

    def keep_unreadable(self, place: str, value: bytes) -> None:
        """Keeps bytes that cannot be read, sealed, until they are settled."""
        nonce = self._random.bytes(NONCE_BYTES)
        owner = UUID(bytes=sha256(place.encode()).digest()[:16])
        with self._pool.connection() as conn:
            conn.execute(
                "INSERT INTO unreadable (place, sealed) VALUES (%s, %s) ON CONFLICT DO NOTHING",
                (place, wrap(self._wrapping, owner, value, nonce)),
            )

    def unreadable(self, place: str) -> bytes | None:
        """The bytes kept for that place, or None."""
        owner = UUID(bytes=sha256(place.encode()).digest()[:16])
        with self._pool.connection() as conn:
            row = conn.execute(
                "SELECT sealed FROM unreadable WHERE place = %s", (place,)
            ).fetchone()
        return None if row is None else unwrap(self._wrapping, owner, bytes(row["sealed"]))

    def settle_unreadable(self, place: str) -> None:
        """They have been settled: away with them."""
        with self._pool.connection() as conn:
            conn.execute("DELETE FROM unreadable WHERE place = %s", (place,))

    # -- erasing ---------------------------------------------------------------------------------

    def lock(self, person: UUID, until: datetime | None) -> None:
        """Locked to storage: operations cannot read, an auditor only with a purpose."""
        self._set(
            "UPDATE person_key SET state = 'locked', until = %s "
            "WHERE person = %s AND state <> 'destroyed'",
            (until, person),
            person,
        )

    def destroy(self, person: UUID) -> None:
        """The key is gone, and with it every plaintext, wherever its tokens lie."""
        self._set(
            "INSERT INTO person_key (person, wrapped, state) VALUES (%s, NULL, 'destroyed') "
            "ON CONFLICT (person) DO UPDATE SET wrapped = NULL, state = 'destroyed', until = NULL",
            (person,),
            person,
        )
        with self._pool.connection() as conn:
            conn.execute("UPDATE person SET number_hmac = NULL WHERE person = %s", (person,))

    def destroy_again(self, persons: Iterable[UUID]) -> None:
        """After a restore: what was destroyed is destroyed again (DESIGN, Personal data)."""
        for person in persons:
            self.destroy(person)

    def _set(self, statement: str, values: tuple[Any, ...], person: UUID) -> None:
        with self._pool.connection() as conn:
            conn.execute(statement, values)
        with self._lock:
            self._keys.pop(person, None)
