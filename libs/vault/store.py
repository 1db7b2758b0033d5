"""The vault: who a number is, whose key seals what, and whether it may still be opened.

Everything works on whole batches, one or two round trips each. Plaintext is never sent to the
database, never stands in an exception, a `repr` or a log. State of keys is read at every call;
only unwrapping is remembered, so locking and destroying count at once, on every instance.
"""

import dataclasses
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from threading import Lock
from typing import Any, Final
from uuid import UUID, uuid5

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from psycopg import Connection
from psycopg.errors import LockNotAvailable
from psycopg_pool import ConnectionPool

from libs.decider import DomainError
from libs.vault.errors import (
    BadToken,
    Erased,
    KeyBroken,
    Locked,
    PersonUnknown,
    WrongVaultKey,
)
from libs.vault.keyring import KeyRing, Wrapped, read_master_key
from libs.vault.randomness import NONCE_BYTES, Randomness, SystemRandomness
from libs.vault.schema import prepare
from libs.vault.sealing import Token, parse, seal, unseal

CACHED_KEYS_MAX: Final = 10_000
CONNECTIONS_MAX: Final = 4
CONNECTION_TIMEOUT_S: Final = 5.0
REWRAP_BATCH: Final = 500
REWRITTEN_BYTES_MAX: Final = 128 * 1024 * 1024
"""About a million persons, written anew within a second or two."""


@dataclass(frozen=True, slots=True)
class Plain:
    """An opened value. Its `repr` says nothing of it."""

    person: UUID
    field: str
    text: str = dataclasses.field(repr=False)


Opened = Plain | DomainError
"""What became of a token: its plaintext, or why it stays closed.

Erased, Locked, BadToken, KeyBroken.
"""


@dataclass(frozen=True, slots=True)
class _Key:
    """One person's key as the database has it now."""

    key_id: bytes
    state: str
    wrapped: Wrapped | None = dataclasses.field(repr=False)


class Vault:
    """Sealing, opening and erasing, on a database of its own. Safe to share between threads."""

    def __init__(
        self,
        dsn: str,
        ring: KeyRing,
        randomness: Randomness | None = None,
        *,
        cached_keys_max: int = CACHED_KEYS_MAX,
    ) -> None:
        """`dsn` is a libpq URI of the vault's own database; nothing is connected before `start`."""
        self._ring = ring
        self._random = randomness or SystemRandomness()
        self._cached_keys_max = cached_keys_max
        self._ciphers: OrderedDict[tuple[UUID, bytes], AESGCM] = OrderedDict()
        self._caching = Lock()
        self._pool: ConnectionPool[Connection[Any]] = ConnectionPool(
            dsn,
            min_size=1,
            max_size=CONNECTIONS_MAX,
            timeout=CONNECTION_TIMEOUT_S,
            open=False,
            kwargs={"autocommit": True},
            check=ConnectionPool.check_connection,
        )

    def start(self) -> None:
        """Connect, and make the tables where they are missing; safe at each start.

        Raises WrongVaultKey for the key file of another vault.
        """
        self._pool.open()
        with self._pool.connection() as connection:
            prepare(connection, self._ring)

    def close(self) -> None:
        """Give the connections back."""
        self._pool.close()

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
        with self._pool.connection() as connection:
            rows = connection.execute(_FIND_OR_MAKE, (distinct, fresh)).fetchall()
        persons = {bytes(index): person for index, person in rows}
        return [persons[index] for index in indexes]

    def find_persons(self, numbers: Sequence[str]) -> list[UUID | None]:
        """The person of each number, or None; makes nobody."""
        indexes = [self._ring.index_of(number) for number in numbers]
        with self._pool.connection() as connection:
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
        with self._pool.connection() as connection:
            keys = self._sealing_keys(connection, persons)
            missing = [person for person in persons if person not in keys]
            if missing:
                with connection.transaction():
                    _alone_with(connection, missing)
                    if known_only:
                        self._refuse_unknown(connection, missing)
                    keys |= self._make_keys(connection, missing)
        ciphers = self._sealing_ciphers(keys)
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

    def _sealing_ciphers(self, keys: dict[UUID, _Key]) -> dict[UUID, AESGCM]:
        """The ciphers of these; a key that does not unwrap any more seals nothing further.

        What it sealed stays closed (KeyBroken) and goes with the person's erasure like any other.
        """
        ciphers: dict[UUID, AESGCM] = {}
        broken: dict[UUID, _Key] = {}
        for person, key in keys.items():
            try:
                ciphers[person] = self._cipher(person, key)
            except KeyBroken:
                broken[person] = key
        if broken:
            with self._pool.connection() as connection, connection.transaction():
                _alone_with(connection, broken)
                connection.execute(
                    "UPDATE person_key SET state = 'retired' "
                    "WHERE person = ANY(%s) AND key_id = ANY(%s) AND state = 'active'",
                    (list(broken), [key.key_id for key in broken.values()]),
                )
                made = self._make_keys(connection, list(broken))
            keys |= made
            ciphers |= {person: self._cipher(person, key) for person, key in made.items()}
        return ciphers

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
        rows = connection.execute(
            "SELECT person, count(*)::integer FROM person_key WHERE person = ANY(%s) "
            "GROUP BY person",
            (ordered,),
        ).fetchall()
        earlier: dict[UUID, int] = dict(rows)
        key_ids, versions, boxes = [], [], []
        for person in ordered:
            key_id = self._random.key_id(person.bytes + earlier.get(person, 0).to_bytes(4))
            about = person.bytes + key_id
            wrapped = self._ring.wrap(
                self._random.key(about), about, self._random.nonce(b"key" + about)
            )
            key_ids.append(key_id)
            versions.append(wrapped.version)
            boxes.append(wrapped.box)
        rows = connection.execute(_MAKE_KEYS, (ordered, key_ids, versions, boxes)).fetchall()
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
        """What each token says, in order, or why it stays closed (`Opened`).

        `locked_too` is the auditor's right. Whoever calls this puts the access on record before
        anybody sees the outcome (`routes`).
        """
        parsed = [_parsed(token) for token in tokens]
        persons = {one.person for one in parsed if isinstance(one, Token)}
        if not persons:
            return [BadToken() for _ in tokens]
        with self._pool.connection() as connection:
            rows = connection.execute(
                "SELECT person, key_id, state, version, box FROM person_key WHERE person = ANY(%s)",
                (list(persons),),
            ).fetchall()
        keys = {(row[0], bytes(row[1])): _key_of(row) for row in rows}
        return [
            self._open(one, keys.get((one.person, one.key_id)), locked_too)
            if isinstance(one, Token)
            else one
            for one in parsed
        ]

    def _open(self, token: Token, key: _Key | None, locked_too: bool) -> Opened:
        if key is None:
            return BadToken()
        if key.wrapped is None:
            self._forget(token.person, key.key_id)
            return Erased()
        try:
            # Before the lock is looked at: a forged token is never told what it would find.
            text = unseal(self._cipher(token.person, key), token)
        except (BadToken, KeyBroken) as refusal:
            return refusal
        if key.state == "locked" and not locked_too:
            return Locked()
        return Plain(token.person, token.field, text)

    def _cipher(self, person: UUID, key: _Key) -> AESGCM:
        """The key, unwrapped; at most `cached_keys_max` are remembered. Raises KeyBroken."""
        place = (person, key.key_id)
        with self._caching:
            known = self._ciphers.get(place)
            if known is not None:
                self._ciphers.move_to_end(place)
                return known
        assert key.wrapped is not None
        try:
            cipher = AESGCM(self._ring.unwrap(key.wrapped, person.bytes + key.key_id))
        except WrongVaultKey:  # the key file was held against this vault at the start
            raise KeyBroken from None
        with self._caching:
            self._ciphers[place] = cipher
            if len(self._ciphers) > self._cached_keys_max:
                self._ciphers.popitem(last=False)
        return cipher

    def _forget(self, person: UUID, key_id: bytes) -> None:
        with self._caching:
            self._ciphers.pop((person, key_id), None)

    # -- erasing ---------------------------------------------------------------------------------

    def lock(self, person: UUID, until: datetime | None = None) -> bool:
        """Lock what was sealed so far: only an auditor opens it, with a purpose (PIPL).

        What the same person says later is sealed with a new key and can be read: a lapsed purpose
        does not stop a new one. `until` is kept for people to see. Returns whether anything was
        locked now. Raises PersonUnknown, Erased.
        """
        with self._pool.connection() as connection:
            self._refuse_nobody(connection, person)
            locked = connection.execute(
                "UPDATE person_key SET state = 'locked', locked_until = %s "
                "WHERE person = %s AND state IN ('active', 'retired')",
                (until, person),
            )
            return locked.rowcount > 0

    def lock_again(self, lockings: Iterable[tuple[UUID, datetime]]) -> int:
        """Apply lockings, (person, when decided), each once ever: told again changes nothing.

        So what a person says after a locking stays readable, although all lockings of the log are
        handed in at each start. Persons without a key are passed over. Returns how many keys were
        locked now.
        """
        asked = sorted(set(lockings))
        if not asked:
            return 0
        persons, ats = [person for person, _ in asked], [at for _, at in asked]
        with self._pool.connection() as connection, connection.transaction():
            fresh = connection.execute(_REMEMBER_LOCKINGS, (persons, ats)).fetchall()
            locked = connection.execute(
                "UPDATE person_key SET state = 'locked' "
                "WHERE person = ANY(%s) AND state IN ('active', 'retired')",
                (sorted({row[0] for row in fresh}),),
            )
            return locked.rowcount

    def readable(self, person: UUID) -> bool:
        """Whether operations can read anything sealed for the person. Raises PersonUnknown."""
        with self._pool.connection() as connection:
            rows = connection.execute(
                "SELECT state FROM person_key WHERE person = %s", (person,)
            ).fetchall()
        if not rows:
            raise PersonUnknown
        return any(row[0] in ("active", "retired") for row in rows)

    def unlock(self, person: UUID) -> bool:
        """Take back a lock, e.g. one put on the wrong person; returns whether there was one.

        The keys open again but seal no more (`retired`): what comes next gets a new key.
        """
        with self._pool.connection() as connection:
            self._refuse_nobody(connection, person)
            unlocked = connection.execute(
                "UPDATE person_key SET state = 'retired', locked_until = NULL "
                "WHERE person = %s AND state = 'locked'",
                (person,),
            )
            return unlocked.rowcount > 0

    def destroy(self, person: UUID, at: datetime) -> bool:
        """Destroy every key the person has: what they sealed can be read by nobody, anywhere.

        Not in Kafka, not in stores, not in archives; no chain breaks, for the tokens stay. The
        number leads to the person no more. `at` is when it was decided (`person.erased`); the same
        erasure again changes nothing, so whatever the person says after it stays readable.
        Returns whether a key was destroyed now.
        """
        return self.destroy_again([(person, at)]) > 0

    def destroy_again(self, erasures: Iterable[tuple[UUID, datetime]]) -> int:
        """Apply erasures, (person, when decided), e.g. all those of the log after a restore.

        A backup brings back keys that were destroyed after it was made. Before intake starts on a
        restored vault, hand in every `person.erased` (destroyed) of the log: those the backup
        knows change nothing, the others destroy what it brought back. Returns how many keys were
        destroyed now.
        """
        asked = sorted(set(erasures))
        if not asked:
            return 0
        persons, ats = [person for person, _ in asked], [at for _, at in asked]
        with self._pool.connection() as connection, connection.transaction():
            _alone_with(connection, persons)
            fresh = connection.execute(_REMEMBER_ERASURES, (persons, ats)).fetchall()
            erased = sorted({row[0] for row in fresh})
            rows = connection.execute(_DESTROY, (erased,)).fetchall()
            numbers = connection.execute(
                "DELETE FROM person_number WHERE person = ANY(%s)", (erased,)
            )
            if rows or numbers.rowcount:
                connection.execute("INSERT INTO vacuum_due DEFAULT VALUES")
        for person, key_id in rows:
            self._forget(person, bytes(key_id))
        return len(rows)

    def vacuum(self) -> bool:
        """Makes the old versions of destroyed rows leave their tables, if that is due.

        PostgreSQL keeps them while anybody still looks at what was there. Then, or when this dies,
        it stays due on record; whoever follows the log tries again (`erasures`). A page keeps the
        bytes of what left it until they are overwritten, so tables of up to `REWRITTEN_BYTES_MAX`
        are written anew, which nobody may wait for longer than a moment. Returns whether nothing is
        due any more.
        """
        with self._pool.connection() as connection:
            (due,) = connection.execute("SELECT max(due) FROM vacuum_due").fetchone() or (None,)
            if due is None:
                return True
            connection.execute("VACUUM person_key, person_number")
            left = connection.execute(
                "SELECT FROM pg_stat_user_tables WHERE n_dead_tup > 0 "
                "AND relname IN ('person_key', 'person_number')"
            ).fetchall()
            if left or not self._rewritten(connection):
                return False
            connection.execute("DELETE FROM vacuum_due WHERE due <= %s", (due,))
            return True

    def _rewritten(self, connection: Connection[Any]) -> bool:
        (size,) = connection.execute(
            "SELECT pg_table_size('person_key') + pg_table_size('person_number')"
        ).fetchone() or (0,)
        if size > REWRITTEN_BYTES_MAX:
            return True
        connection.execute("SET lock_timeout = '1s'")
        try:
            connection.execute("VACUUM FULL person_key, person_number")
        except LockNotAvailable:
            return False
        finally:
            connection.execute("RESET lock_timeout")
        return True

    def erasures(self) -> list[tuple[UUID, datetime]]:
        """Every erasure applied here, (person, when decided), oldest first."""
        with self._pool.connection() as connection:
            return connection.execute(
                "SELECT person, erased_at FROM erasure ORDER BY erased_at, person"
            ).fetchall()

    def _refuse_nobody(self, connection: Connection[Any], person: UUID) -> None:
        found = connection.execute(
            "SELECT state FROM person_key WHERE person = %s ORDER BY state", (person,)
        ).fetchall()
        if not found:
            raise PersonUnknown
        if all(row[0] == "destroyed" for row in found):
            raise Erased

    # -- keys ------------------------------------------------------------------------------------

    def rewrap(self) -> int:
        """Wrap every key with the newest version, in batches; returns how many were rewrapped.

        Tokens do not change. Afterwards older versions may leave the key file.
        """
        total = 0
        while True:
            with self._pool.connection() as connection, connection.transaction():
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
        with self._pool.connection() as connection, connection.transaction():
            rows = connection.execute(
                "SELECT subject, content, version, key_box FROM unreadable WHERE version <> %s "
                "FOR UPDATE",
                (self._ring.newest,),
            ).fetchall()
            for subject, content, version, box in rows:
                about = subject.bytes + bytes(content)
                key = self._ring.unwrap(Wrapped(version, bytes(box)), about)
                wrapped = self._ring.wrap(key, about, SystemRandomness().nonce(about))
                connection.execute(
                    "UPDATE unreadable SET version = %s, key_box = %s "
                    "WHERE subject = %s AND content = %s",
                    (wrapped.version, wrapped.box, subject, content),
                )
        return len(rows)

    # -- bytes that nobody could read ------------------------------------------------------------

    def keep_unreadable(self, place: str, value: bytes) -> None:
        """Keep bytes that are no message, sealed, until they are settled.

        `place` is `topic/partition/offset`, their subject its UUIDv5 (DESIGN, Inbox). The same
        bytes again change nothing. Other bytes at the same place are kept beside the first: a
        topic that was made anew counts its offsets from zero again.
        """
        subject = subject_of(place)
        content = self._ring.content_of(value)
        about = subject.bytes + content
        key = self._random.key(b"unreadable" + about)
        wrapped = self._ring.wrap(key, about, self._random.nonce(b"unreadable key" + about))
        nonce = self._random.nonce(b"unreadable" + about)
        box = nonce + AESGCM(key).encrypt(nonce, value, about)
        with self._pool.connection() as connection:
            connection.execute(
                "INSERT INTO unreadable (subject, content, place, version, key_box, box) "
                "VALUES (%s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING",
                (subject, content, place, wrapped.version, wrapped.box, box),
            )

    def unreadable(self, place: str) -> bytes | None:
        """The bytes kept last for a place, or None when they are settled or were never kept."""
        subject = subject_of(place)
        with self._pool.connection() as connection:
            row = connection.execute(
                "SELECT content, version, key_box, box FROM unreadable WHERE subject = %s "
                "ORDER BY kept DESC LIMIT 1",
                (subject,),
            ).fetchone()
        if row is None:
            return None
        about = subject.bytes + bytes(row[0])
        key = self._ring.unwrap(Wrapped(row[1], bytes(row[2])), about)
        box = bytes(row[3])
        return AESGCM(key).decrypt(box[:NONCE_BYTES], box[NONCE_BYTES:], about)

    def unreadable_places(self) -> list[str]:
        """The places of all bytes that are kept, in the order they came."""
        with self._pool.connection() as connection:
            rows = connection.execute(
                "SELECT place FROM unreadable GROUP BY place ORDER BY min(kept)"
            ).fetchall()
        return [row[0] for row in rows]

    def settle_unreadable(self, place: str) -> bool:
        """The bytes are settled: they and their key are gone. Returns whether there were any."""
        with self._pool.connection() as connection:
            gone = connection.execute(
                "DELETE FROM unreadable WHERE subject = %s", (subject_of(place),)
            )
            return gone.rowcount > 0


STREAMS: Final = UUID("3a4c0f5e-7b0d-5a52-8d0e-0c9f2a1be701")
"""The namespace that the event log names streams by; a test keeps the two alike."""


def subject_of(place: str) -> UUID:
    """The subject of a record that cannot be read: UUIDv5 of topic, partition and offset."""
    return uuid5(STREAMS, place)


def accesses(opened: Iterable[Opened]) -> Mapping[UUID, tuple[str, ...]]:
    """Person -> the fields that were really opened, each once, sorted."""
    fields: dict[UUID, set[str]] = {}
    for one in opened:
        if isinstance(one, Plain):
            fields.setdefault(one.person, set()).add(one.field)
    return {person: tuple(sorted(names)) for person, names in fields.items()}


def _alone_with(connection: Connection[Any], persons: Iterable[UUID]) -> None:
    """Makes keys for these, or destroys theirs, after whoever else does so now, until committed.

    Else a key made while its person is destroyed would be seen by neither, and go on sealing.
    """
    connection.execute(_ALONE, (sorted(set(persons)),)).fetchall()


def _parsed(token: str) -> Token | BadToken:
    try:
        return parse(token)
    except BadToken as refusal:
        return refusal


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
INSERT INTO person_key (person, key_id, state, version, box)
SELECT person, key_id, 'active', version, box FROM unnest(
    %s::uuid[], %s::bytea[], %s::integer[], %s::bytea[]
) AS given (person, key_id, version, box) ORDER BY person
ON CONFLICT (person) WHERE state = 'active' DO UPDATE SET state = 'active'
RETURNING person, key_id, state, version, box
"""

_ALONE: Final = """
SELECT pg_advisory_xact_lock(hashtextextended(person::text, 7210468302))
FROM (SELECT unnest(%s::uuid[]) AS person) AS given
"""

_REMEMBER_ERASURES: Final = """
INSERT INTO erasure (person, erased_at) SELECT * FROM unnest(%s::uuid[], %s::timestamptz[])
ON CONFLICT DO NOTHING RETURNING person
"""

_REMEMBER_LOCKINGS: Final = """
INSERT INTO locking (person, locked_at) SELECT * FROM unnest(%s::uuid[], %s::timestamptz[])
ON CONFLICT DO NOTHING RETURNING person
"""

_DESTROY: Final = """
UPDATE person_key SET state = 'destroyed', version = NULL, box = NULL, locked_until = NULL
WHERE person = ANY(%s) AND box IS NOT NULL
RETURNING person, key_id
"""

_KEYS_OF_OLDER: Final = """
SELECT person, key_id, version, box FROM person_key
WHERE version <> %s AND box IS NOT NULL LIMIT %s FOR UPDATE SKIP LOCKED
"""

__all__ = ["Opened", "Plain", "Vault", "accesses", "read_master_key", "subject_of"]
