"""The vault: who a number is, whose key seals what, and whether it may still be opened.

Everything works on whole batches, one or two round trips each. Plaintext is never sent to the
database, never stands in an exception, a `repr` or a log. State of keys is read at every call;
only unwrapping is remembered, so locking and destroying count at once, on every instance.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from threading import Lock
from typing import Any, Final
from uuid import UUID, uuid5

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from psycopg import Connection

from libs.vault.errors import AlreadyKept, BadToken, Erased, Locked, PersonUnknown
from libs.vault.keyring import KeyRing, Wrapped
from libs.vault.randomness import Randomness, SystemRandomness
from libs.vault.schema import prepare
from libs.vault.sealing import Token, parse, seal, unseal

CACHED_KEYS_MAX: Final = 10_000
REWRAP_BATCH: Final = 500

Connect = Callable[[], AbstractContextManager[Connection[Any]]]
"""Lends a connection, e.g. `ConnectionPool.connection`."""


@dataclass(frozen=True, slots=True)
class Plain:
    """An opened value. Its `repr` says nothing of it."""

    person: UUID
    field: str
    text: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Closed:
    """A value that stays sealed, and why: Erased or Locked."""

    person: UUID
    field: str
    why: Erased | Locked


Opened = Plain | Closed


@dataclass(frozen=True, slots=True)
class _Key:
    """One person's key as the database has it now."""

    key_id: bytes
    state: str
    wrapped: Wrapped | None = field(repr=False)


class Vault:
    """Sealing, opening and erasing, on a database of its own. Safe to share between threads."""

    def __init__(
        self,
        connect: Connect,
        ring: KeyRing,
        now: Callable[[], datetime],
        randomness: Randomness | None = None,
        *,
        cached_keys_max: int = CACHED_KEYS_MAX,
    ) -> None:
        """`connect` lends connections; `now` is the domain's clock, for when keys were made."""
        self._connect = connect
        self._ring = ring
        self._now = now
        self._random = randomness or SystemRandomness()
        self._cached_keys_max = cached_keys_max
        self._ciphers: OrderedDict[tuple[UUID, bytes], AESGCM] = OrderedDict()
        self._caching = Lock()

    def prepare(self) -> None:
        """Make the tables where they are missing; raises WrongVaultKey for other keys' vault."""
        with self._connect() as connection:
            prepare(connection, self._ring)

    # -- persons ---------------------------------------------------------------------------------

    def find_or_make_persons(self, numbers: Sequence[str]) -> list[UUID]:
        """The random person id of each number, in order; the same number, the same person.

        Numbers come in their one form (the door normalises them). One round trip; two instances
        that meet a number at once agree on its person.
        """
        if not numbers:
            return []
        indexes = [self._ring.index_of(number) for number in numbers]
        distinct = sorted(set(indexes))
        fresh = [self._random.person(index) for index in distinct]
        with self._connect() as connection:
            rows = connection.execute(_FIND_OR_MAKE, (distinct, fresh)).fetchall()
        persons = {bytes(index): person for index, person in rows}
        return [persons[index] for index in indexes]

    def find_persons(self, numbers: Sequence[str]) -> list[UUID | None]:
        """The person of each number, or None; makes nobody."""
        indexes = [self._ring.index_of(number) for number in numbers]
        with self._connect() as connection:
            rows = connection.execute(
                "SELECT number, person FROM person_number WHERE number = ANY(%s)", (indexes,)
            ).fetchall()
        persons = {bytes(index): person for index, person in rows}
        return [persons.get(index) for index in indexes]

    # -- sealing ---------------------------------------------------------------------------------

    def seal_many(
        self, items: Sequence[tuple[UUID, str, str]], *, known_only: bool = False
    ) -> list[str]:
        """A token for each (person, field, plaintext), in order.

        Makes a key for a person who has none that seals: a new one, or one whose earlier keys are
        locked or destroyed. With `known_only` such a person is refused instead (PersonUnknown, or
        Erased), as whoever is not the door may only seal for persons it heard of.
        """
        if not items:
            return []
        persons = list(dict.fromkeys(person for person, _, _ in items))
        with self._connect() as connection:
            keys = self._sealing_keys(connection, persons)
            missing = [person for person in persons if person not in keys]
            if missing and known_only:
                self._refuse_unknown(connection, missing)
            if missing:
                keys |= self._make_keys(connection, missing)
        ciphers = {person: self._cipher(person, key) for person, key in keys.items()}
        return [
            seal(
                ciphers[person],
                person,
                keys[person].key_id,
                name,
                self._random.nonce(_place(person, name, text)),
                text,
            )
            for person, name, text in items
        ]

    def _sealing_keys(
        self, connection: Connection[Any], persons: Sequence[UUID]
    ) -> dict[UUID, _Key]:
        rows = connection.execute(
            "SELECT person, key_id, state, version, box FROM person_key "
            "WHERE person = ANY(%s) AND state = 'active'",
            (list(persons),),
        ).fetchall()
        return {row[0]: _key_of(row) for row in rows}

    def _make_keys(self, connection: Connection[Any], persons: Sequence[UUID]) -> dict[UUID, _Key]:
        """An active key for each; where another instance was quicker, its key."""
        ordered = sorted(persons)
        key_ids, versions, boxes = [], [], []
        for person in ordered:
            about = person.bytes + self._now().isoformat().encode()
            key_id = self._random.key_id(about)
            wrapped = self._ring.wrap(
                self._random.key(person.bytes + key_id),
                person.bytes + key_id,
                self._random.nonce(b"key" + person.bytes + key_id),
            )
            key_ids.append(key_id)
            versions.append(wrapped.version)
            boxes.append(wrapped.box)
        rows = connection.execute(
            _MAKE_KEYS, (ordered, key_ids, versions, boxes, self._now())
        ).fetchall()
        return {row[0]: _key_of(row) for row in rows}

    def _refuse_unknown(self, connection: Connection[Any], persons: Sequence[UUID]) -> None:
        """Raises for whom nothing may be sealed; a person found by number or locked passes."""
        rows = connection.execute(
            "SELECT person, bool_and(state = 'destroyed') FROM person_key "
            "WHERE person = ANY(%(persons)s) GROUP BY person UNION ALL "
            "SELECT person, false FROM person_number WHERE person = ANY(%(persons)s)",
            {"persons": list(persons)},
        ).fetchall()
        erased = {row[0]: bool(row[1]) for row in sorted(rows, key=lambda row: not row[1])}
        for person in persons:
            if person not in erased:
                raise PersonUnknown
            if erased[person]:
                raise Erased

    # -- opening ---------------------------------------------------------------------------------

    def open_many(self, tokens: Sequence[str], *, locked_too: bool = False) -> list[Opened]:
        """What each token says, in order, or why it stays closed.

        `locked_too` is the auditor's right. Raises BadToken when one of them is not a token of
        this vault. Whoever calls this puts the access on record before anybody sees the outcome
        (`routes`).
        """
        parsed = [parse(token) for token in tokens]
        if not parsed:
            return []
        persons = list({token.person for token in parsed})
        with self._connect() as connection:
            rows = connection.execute(
                "SELECT person, key_id, state, version, box FROM person_key WHERE person = ANY(%s)",
                (persons,),
            ).fetchall()
        keys = {(row[0], bytes(row[1])): _key_of(row) for row in rows}
        return [
            self._open(token, keys.get((token.person, token.key_id)), locked_too)
            for token in parsed
        ]

    def _open(self, token: Token, key: _Key | None, locked_too: bool) -> Opened:
        if key is None:
            raise BadToken
        if key.wrapped is None:
            self._forget(token.person, key.key_id)
            return Closed(token.person, token.field, Erased())
        # Opened before the lock is looked at: a forged token is never told what it would find.
        text = unseal(self._cipher(token.person, key), token)
        if key.state == "locked" and not locked_too:
            return Closed(token.person, token.field, Locked())
        return Plain(token.person, token.field, text)

    def _cipher(self, person: UUID, key: _Key) -> AESGCM:
        """The key, unwrapped; at most `cached_keys_max` are remembered."""
        place = (person, key.key_id)
        with self._caching:
            known = self._ciphers.get(place)
            if known is not None:
                self._ciphers.move_to_end(place)
                return known
        assert key.wrapped is not None
        cipher = AESGCM(self._ring.unwrap(key.wrapped, person.bytes + key.key_id))
        with self._caching:
            self._ciphers[place] = cipher
            if len(self._ciphers) > self._cached_keys_max:
                self._ciphers.popitem(last=False)
        return cipher

    def _forget(self, person: UUID, key_id: bytes) -> None:
        with self._caching:
            self._ciphers.pop((person, key_id), None)

    # -- erasing ---------------------------------------------------------------------------------

    def lock(self, person: UUID, at: datetime) -> bool:
        """Lock what was sealed until now: only an auditor opens it, with a purpose (PIPL).

        What the same person says later is sealed with a new key and can be read. Returns whether
        anything was locked. Raises PersonUnknown.
        """
        with self._connect() as connection:
            self._refuse_nobody(connection, person)
            locked = connection.execute(
                "UPDATE person_key SET state = 'locked', locked_at = %s "
                "WHERE person = %s AND state = 'active'",
                (at, person),
            )
            return locked.rowcount > 0

    def unlock(self, person: UUID) -> bool:
        """Take back a lock, e.g. one put on the wrong person; returns whether there was one.

        Only the newest locked key seals again, and only if no other does by now.
        """
        with self._connect() as connection:
            self._refuse_nobody(connection, person)
            unlocked = connection.execute(_UNLOCK, {"person": person})
            return unlocked.rowcount > 0

    def destroy(self, person: UUID, at: datetime, *, made_until: datetime | None = None) -> bool:
        """Destroy the person's keys made until `made_until` (default: all): nobody can read more.

        Not in Kafka, not in stores, not in archives; no chain breaks, for the tokens stay. The
        number no longer leads to the person once no key of theirs is left. Returns whether anything
        was destroyed now; a person without a key is remembered as destroyed all the same.
        """
        return self.destroy_again([(person, at)], made_until=made_until) > 0

    def destroy_again(
        self,
        persons: Iterable[tuple[UUID, datetime]],
        *,
        made_until: datetime | None = None,
    ) -> int:
        """Apply erasures, (person, when erased), e.g. all of the log's after a restore.

        A backup brings keys back that were destroyed after it was made: whoever restores hands
        in the list from the log (`person.erased`, destroyed). Keys made after an erasure are left
        alone. Returns how many keys were destroyed now.
        """
        asked = sorted(persons)
        if not asked:
            return 0
        ids = [person for person, _ in asked]
        ats = [at for _, at in asked]
        until = [made_until or at for _, at in asked]
        with self._connect() as connection:
            rows = connection.execute(_DESTROY, (ids, ats, until)).fetchall()
            connection.execute(_FORGET_NUMBERS, (ids,))
        for person, key_id in rows:
            self._forget(person, bytes(key_id))
        if rows:
            self._vacuum()
        return len(rows)

    def destroyed(self) -> dict[UUID, datetime]:
        """Everybody whose keys were destroyed, and when last; goes with every backup."""
        with self._connect() as connection:
            rows = connection.execute(
                "SELECT person, max(destroyed_at) FROM person_key WHERE state = 'destroyed' "
                "GROUP BY person ORDER BY person"
            ).fetchall()
        return dict(rows)

    def _refuse_nobody(self, connection: Connection[Any], person: UUID) -> None:
        found = connection.execute(
            "SELECT state FROM person_key WHERE person = %s ORDER BY state", (person,)
        ).fetchall()
        if not found:
            raise PersonUnknown
        if all(row[0] == "destroyed" for row in found):
            raise Erased

    def _vacuum(self) -> None:
        """Take the old versions of overwritten rows out of the table as well."""
        with self._connect() as connection:
            before = connection.autocommit
            connection.commit()
            connection.autocommit = True
            try:
                connection.execute("VACUUM person_key, person_number")
            finally:
                connection.autocommit = before

    # -- keys ------------------------------------------------------------------------------------

    def rewrap(self) -> int:
        """Wrap every key with the newest version, in batches; returns how many were rewrapped.

        Tokens do not change. Afterwards older versions may leave the key file.
        """
        total = 0
        while True:
            with self._connect() as connection:
                rows = connection.execute(_KEYS_OF_OLDER, (self._ring.newest, REWRAP_BATCH))
                older = rows.fetchall()
                for person, key_id, version, box in older:
                    about = person.bytes + bytes(key_id)
                    key = self._ring.unwrap(Wrapped(version, bytes(box)), about)
                    wrapped = self._ring.wrap(key, about, SystemRandomness().nonce(about))
                    connection.execute(
                        "UPDATE person_key SET version = %s, box = %s "
                        "WHERE person = %s AND key_id = %s AND box IS NOT NULL",
                        (wrapped.version, wrapped.box, person, key_id),
                    )
            total += len(older)
            if len(older) < REWRAP_BATCH:
                return total + self._rewrap_unreadable()

    def _rewrap_unreadable(self) -> int:
        with self._connect() as connection:
            rows = connection.execute(
                "SELECT subject, version, key_box FROM unreadable WHERE version <> %s FOR UPDATE",
                (self._ring.newest,),
            ).fetchall()
            for subject, version, box in rows:
                key = self._ring.unwrap(Wrapped(version, bytes(box)), subject.bytes)
                nonce = SystemRandomness().nonce(subject.bytes)
                wrapped = self._ring.wrap(key, subject.bytes, nonce)
                connection.execute(
                    "UPDATE unreadable SET version = %s, key_box = %s WHERE subject = %s",
                    (wrapped.version, wrapped.box, subject),
                )
        return len(rows)

    # -- bytes that nobody could read ------------------------------------------------------------

    def keep_unreadable(self, place: str, value: bytes) -> UUID:
        """Keep bytes that are no message, sealed, until they are settled; returns their subject.

        `place` is `topic/partition/offset`, the subject its UUIDv5 (DESIGN, Inbox). The same place
        again changes nothing; other bytes at it raise AlreadyKept.
        """
        subject = subject_of(place)
        key = self._random.key(b"unreadable" + subject.bytes)
        nonce = self._random.nonce(b"unreadable key" + subject.bytes)
        wrapped = self._ring.wrap(key, subject.bytes, nonce)
        nonce = self._random.nonce(b"unreadable" + subject.bytes + sha256(value).digest())
        box = nonce + AESGCM(key).encrypt(nonce, value, subject.bytes)
        with self._connect() as connection:
            made = connection.execute(
                "INSERT INTO unreadable VALUES (%s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING",
                (subject, place, wrapped.version, wrapped.box, box, self._now()),
            )
            fresh = made.rowcount == 1
        if not fresh and self.read_unreadable(place) != value:
            raise AlreadyKept
        return subject

    def read_unreadable(self, place: str) -> bytes | None:
        """The bytes kept for a place, or None when they are settled or were never kept."""
        subject = subject_of(place)
        with self._connect() as connection:
            row = connection.execute(
                "SELECT version, key_box, box FROM unreadable WHERE subject = %s", (subject,)
            ).fetchone()
        if row is None:
            return None
        key = self._ring.unwrap(Wrapped(row[0], bytes(row[1])), subject.bytes)
        box = bytes(row[2])
        return AESGCM(key).decrypt(box[:12], box[12:], subject.bytes)

    def settle_unreadable(self, place: str) -> bool:
        """The bytes are settled: they and their key are gone. Returns whether there were any."""
        with self._connect() as connection:
            gone = connection.execute(
                "DELETE FROM unreadable WHERE subject = %s", (subject_of(place),)
            )
            return gone.rowcount == 1


STREAMS: Final = UUID("3a4c0f5e-7b0d-5a52-8d0e-0c9f2a1be701")
"""The namespace that the event log names streams by; a test keeps the two alike."""


def subject_of(place: str) -> UUID:
    """The subject of a record that cannot be read: UUIDv5 of topic, partition and offset."""
    return uuid5(STREAMS, place)


def accesses(opened: Iterable[Opened]) -> Mapping[UUID, tuple[str, ...]]:
    """Person -> the fields that were really opened, each once, in order."""
    fields: dict[UUID, dict[str, None]] = {}
    for one in opened:
        if isinstance(one, Plain):
            fields.setdefault(one.person, {})[one.field] = None
    return {person: tuple(names) for person, names in fields.items()}


def _key_of(row: Sequence[Any]) -> _Key:
    wrapped = None if row[4] is None else Wrapped(row[3], bytes(row[4]))
    return _Key(bytes(row[1]), row[2], wrapped)


def _place(person: UUID, field: str, text: str) -> bytes:
    content = sha256(text.encode("utf-8", "surrogatepass")).digest()
    return person.bytes + field.encode() + b"\0" + content


_FIND_OR_MAKE: Final = """
WITH given AS (
    SELECT * FROM unnest(%s::bytea[], %s::uuid[]) AS given (number, person)
), known AS (
    SELECT number, person_number.person FROM person_number JOIN given USING (number)
), made AS (
    INSERT INTO person_number (number, person)
    SELECT number, person FROM given
    WHERE number NOT IN (SELECT number FROM known) ORDER BY number
    -- an update that changes nothing, so that the row of whoever was quicker comes back
    ON CONFLICT (number) DO UPDATE SET number = excluded.number
    RETURNING number, person
)
SELECT number, person FROM known UNION ALL SELECT number, person FROM made
"""

_MAKE_KEYS: Final = """
INSERT INTO person_key (person, key_id, state, version, box, made_at)
SELECT person, key_id, 'active', version, box, %s FROM unnest(
    %s::uuid[], %s::bytea[], %s::integer[], %s::bytea[]
) AS given (person, key_id, version, box) ORDER BY person
ON CONFLICT (person) WHERE state = 'active' DO UPDATE SET state = 'active'
RETURNING person, key_id, state, version, box
"""

_UNLOCK: Final = """
UPDATE person_key SET state = 'active', locked_at = NULL
WHERE person = %(person)s AND state = 'locked'
  AND NOT EXISTS (
      SELECT 1 FROM person_key WHERE person = %(person)s AND state = 'active'
  )
  AND key_id = (
      SELECT key_id FROM person_key WHERE person = %(person)s AND state = 'locked'
      ORDER BY made_at DESC, key_id DESC LIMIT 1
  )
"""

_DESTROY: Final = """
WITH asked AS (
    SELECT * FROM unnest(%s::uuid[], %s::timestamptz[], %s::timestamptz[])
        AS asked (person, erased_at, made_until)
)
UPDATE person_key SET state = 'destroyed', version = NULL, box = NULL, destroyed_at = erased_at
FROM asked
WHERE person_key.person = asked.person AND box IS NOT NULL AND made_at <= made_until
RETURNING person_key.person, key_id
"""

_FORGET_NUMBERS: Final = """
DELETE FROM person_number WHERE person = ANY(%s) AND NOT EXISTS (
    SELECT 1 FROM person_key WHERE person_key.person = person_number.person AND box IS NOT NULL
)
"""

_KEYS_OF_OLDER: Final = """
SELECT person, key_id, version, box FROM person_key
WHERE version <> %s AND box IS NOT NULL LIMIT %s FOR UPDATE SKIP LOCKED
"""
