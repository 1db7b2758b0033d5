"""The vault on real PostgreSQL: one person per number, opened while a key lasts."""

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from threading import Event
from uuid import UUID, uuid4

import psycopg
import pytest

from libs.eventlog.envelope import STREAMS
from libs.vault import store
from libs.vault.errors import BadToken, Erased, Locked, PersonUnknown, WrongVaultKey
from libs.vault.keyring import read_keyring
from libs.vault.randomness import SeededRandomness, SystemRandomness
from libs.vault.sealing import parse
from libs.vault.store import Opened, Plain, Vault, accesses
from tests.integration.vault.conftest import Start

WORDS = "我的宽带三天没有信号"
PHONE = "13800138000"
NOON = datetime(2025, 10, 9, 4, 0, tzinfo=UTC)
LATER = datetime(2026, 4, 9, 4, 0, tzinfo=UTC)


def texts(opened: list[Opened]) -> list[str]:
    """Plaintexts, and of what stays closed its rule."""
    return [one.text if isinstance(one, Plain) else one.rule for one in opened]


def whole_database(dsn: str) -> bytes:
    """Everything that stands in the vault's tables, as bytes."""
    found = b""
    with psycopg.connect(dsn) as connection:
        for (table,) in connection.execute(
            "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
        ).fetchall():
            for (row,) in connection.execute(f"SELECT t::text FROM {table} t").fetchall():
                found += row.encode()
    return found


# -- persons --------------------------------------------------------------------------------------


def test_the_same_number_is_the_same_person_and_another_is_not(vault: Vault) -> None:
    one, other, again = vault.find_or_make_persons([PHONE, "13800138001", PHONE])
    assert one == again != other
    assert vault.find_or_make_persons([PHONE]) == [one]
    assert vault.find_persons([PHONE, "13800138002"]) == [one, None]
    assert vault.find_or_make_persons([]) == []


def test_a_person_is_random_and_the_number_is_stored_nowhere(vault: Vault, dsn: str) -> None:
    (person,) = vault.find_or_make_persons([PHONE])
    vault.seal_many([(person, "text", WORDS), (person, "address", PHONE)])
    vault.keep_unreadable("complaints.channel/0/7", f"{PHONE} {WORDS}".encode())
    content = whole_database(dsn)
    assert str(person).encode() in content
    for marker in (PHONE.encode(), WORDS.encode(), PHONE.encode().hex().encode()):
        assert marker not in content


def test_two_instances_that_meet_numbers_at_once_agree(start: Start) -> None:
    numbers = [f"1380013{index:04}" for index in range(300)]
    instances = [start() for _ in range(4)]
    orders = [numbers, numbers[::-1], numbers[150:] + numbers[:150], numbers[::2] + numbers[1::2]]
    with ThreadPoolExecutor(4) as threads:
        for _ in range(3):
            found = threads.map(
                lambda pair: dict(zip(pair[1], pair[0].find_or_make_persons(pair[1]), strict=True)),
                zip(instances, orders, strict=True),
            )
            first, *others = found
            assert all(other == first for other in others)
            assert len(set(first.values())) == 300
            numbers = [f"2{number}" for number in numbers]
            orders = [[f"2{number}" for number in order] for order in orders]


def test_two_instances_that_seal_for_a_new_person_at_once_can_both_open(start: Start) -> None:
    persons = [uuid4() for _ in range(100)]
    instances = [start() for _ in range(4)]
    with ThreadPoolExecutor(4) as threads:
        sealed = list(
            threads.map(
                lambda one: one.seal_many([(person, "text", WORDS) for person in persons]),
                instances,
            )
        )
    for tokens, reader in zip(sealed, reversed(instances), strict=True):
        assert texts(reader.open_many(tokens)) == [WORDS] * 100
    keys = {(one.person, one.key_id) for tokens in sealed for one in map(parse, tokens)}
    assert len(keys) == 100


# -- sealing and opening --------------------------------------------------------------------------


def test_what_was_sealed_opens_in_order_and_says_whose_it_is(vault: Vault) -> None:
    one, other = vault.find_or_make_persons([PHONE, "13800138001"])
    tokens = vault.seal_many(
        [(one, "text", WORDS), (other, "name", "张伟"), (one, "address", PHONE)]
    )
    opened = vault.open_many([*tokens[::-1], tokens[0]])
    assert opened == [
        Plain(one, "address", PHONE),
        Plain(other, "name", "张伟"),
        Plain(one, "text", WORDS),
        Plain(one, "text", WORDS),
    ]
    assert accesses(opened) == {one: ("address", "text"), other: ("name",)}
    assert WORDS not in repr(opened)
    assert PHONE not in repr(opened)


def test_the_same_text_is_never_sealed_alike(vault: Vault) -> None:
    person = uuid4()
    assert len(set(vault.seal_many([(person, "text", WORDS)] * 20))) == 20


def test_with_a_seed_it_is_whatever_came_before(start: Start, dsn: str) -> None:
    first = start(randomness=SeededRandomness(b"s"))
    persons = first.find_or_make_persons(["1", "2"])
    tokens = first.seal_many([(persons[0], "text", WORDS), (persons[1], "text", WORDS)])
    with psycopg.connect(dsn) as connection:
        connection.execute("TRUNCATE person_number, person_key")
    second = start(randomness=SeededRandomness(b"s"))
    assert second.find_or_make_persons(["2", "1"]) == persons[::-1]
    again = second.seal_many([(persons[1], "text", WORDS), (persons[0], "text", WORDS)])
    assert again == tokens[::-1]


def test_a_token_that_is_changed_strange_or_another_vaults_stays_closed(vault: Vault) -> None:
    person = uuid4()
    (token,) = vault.seal_many([(person, "text", WORDS)])
    changed = token[:-6] + ("A" if token[-6] != "A" else "B") + token[-5:]
    opened = vault.open_many([changed, WORDS, "", token])
    assert texts(opened) == ["bad-token", "bad-token", "bad-token", WORDS]
    assert texts(vault.open_many([WORDS])) == ["bad-token"]
    assert vault.open_many([]) == []


def test_the_memory_of_keys_is_bounded(start: Start) -> None:
    vault = start(cached_keys_max=10)
    items = [(uuid4(), "text", WORDS) for _ in range(50)]
    assert texts(vault.open_many(vault.seal_many(items))) == [WORDS] * 50
    assert len(vault._ciphers) == 10


def test_whoever_is_not_the_door_seals_only_for_persons_it_heard_of(vault: Vault) -> None:
    (known,) = vault.find_or_make_persons([PHONE])
    stranger = uuid4()
    with pytest.raises(PersonUnknown):
        vault.seal_many([(known, "text", WORDS), (stranger, "text", WORDS)], known_only=True)
    vault.seal_many([(known, "text", WORDS)], known_only=True)
    vault.seal_many([(stranger, "text", WORDS)])
    vault.seal_many([(stranger, "text", WORDS)], known_only=True)


# -- locking and destroying -----------------------------------------------------------------------


def sealed(vault: Vault, number: str = PHONE, text: str = WORDS) -> tuple[UUID, str]:
    (person,) = vault.find_or_make_persons([number])
    (token,) = vault.seal_many([(person, "text", text)])
    return person, token


def test_what_is_locked_opens_for_an_auditor_only(vault: Vault) -> None:
    person, token = sealed(vault)
    assert vault.lock(person, until=LATER)
    (refused,) = vault.open_many([token])
    assert isinstance(refused, Locked)
    assert texts(vault.open_many([token], locked_too=True)) == [WORDS]
    assert not vault.lock(person)
    assert vault.unlock(person)
    assert texts(vault.open_many([token])) == [WORDS]
    assert vault.lock(person)


def test_a_forged_token_of_a_locked_person_is_not_told_that(vault: Vault) -> None:
    person, token = sealed(vault)
    vault.lock(person)
    changed = token[:-6] + ("A" if token[-6] != "A" else "B") + token[-5:]
    assert isinstance(vault.open_many([changed])[0], BadToken)


def test_whoever_comes_back_after_a_lock_is_heard(vault: Vault) -> None:
    person, old = sealed(vault)
    vault.lock(person)
    again, new = sealed(vault, text="新的投诉")
    assert again == person
    assert texts(vault.open_many([old, new])) == ["locked", "新的投诉"]


def test_locking_counts_at_once_on_every_instance(start: Start) -> None:
    one, other = start(), start()
    person, token = sealed(one)
    assert texts(other.open_many([token])) == [WORDS]
    one.lock(person)
    assert texts(other.open_many([token])) == ["locked"]
    one.destroy(person, NOON)
    assert texts(other.open_many([token], locked_too=True)) == ["erased"]
    assert other._ciphers == {}


def test_what_is_destroyed_opens_for_nobody_ever(vault: Vault, start: Start, dsn: str) -> None:
    person, token = sealed(vault)
    vault.lock(person)
    sealed(vault)
    assert vault.destroy(person, NOON)
    (refused,) = vault.open_many([token], locked_too=True)
    assert isinstance(refused, Erased)
    assert refused.status == 410
    assert texts(start().open_many([token], locked_too=True)) == ["erased"]
    with psycopg.connect(dsn) as connection:
        left = connection.execute(
            "SELECT count(box), count(*) FROM person_key WHERE person = %s", (person,)
        ).fetchone()
    assert left == (0, 2)
    with pytest.raises(Erased):
        vault.lock(person)
    with pytest.raises(Erased):
        vault.seal_many([(person, "text", WORDS)], known_only=True)


def test_the_number_leads_to_nobody_after_erasing_and_then_to_somebody_new(vault: Vault) -> None:
    person, _token = sealed(vault)
    vault.destroy(person, NOON)
    assert vault.find_persons([PHONE]) == [None]
    again, token = sealed(vault)
    assert again != person
    assert texts(vault.open_many([token])) == [WORDS]


def test_an_erasure_told_twice_spares_what_was_said_after_it(vault: Vault) -> None:
    stranger = uuid4()
    (old,) = vault.seal_many([(stranger, "text", WORDS)])
    assert vault.destroy(stranger, NOON)
    (new,) = vault.seal_many([(stranger, "text", "再次投诉")])
    assert not vault.destroy(stranger, NOON)
    assert texts(vault.open_many([old, new])) == ["erased", "再次投诉"]
    assert vault.destroy(stranger, LATER)
    assert texts(vault.open_many([old, new])) == ["erased", "erased"]


class Held(SystemRandomness):
    """Stops when a key is made, until it may go on."""

    def __init__(self) -> None:
        self.reached, self.goes_on = Event(), Event()

    def key(self, about: bytes) -> bytes:
        self.reached.set()
        assert self.goes_on.wait(10)
        return super().key(about)


def test_a_key_that_is_being_made_when_the_person_is_destroyed_does_not_survive(
    start: Start,
) -> None:
    vault, held = start(), Held()
    slow = start(randomness=held)
    person, _ = sealed(vault)
    vault.lock(person)
    with ThreadPoolExecutor(2) as threads:
        sealing = threads.submit(slow.seal_many, [(person, "text", WORDS)], known_only=True)
        assert held.reached.wait(10)
        destroying = threads.submit(vault.destroy, person, NOON)
        time.sleep(0.2)  # long enough to get past a key that is not there yet
        held.goes_on.set()
        (token,) = sealing.result(10)
        assert destroying.result(10)
    assert texts(vault.open_many([token])) == ["erased"]
    with pytest.raises(Erased):
        vault.seal_many([(person, "text", WORDS)], known_only=True)


def test_whether_anything_of_a_person_can_be_read(vault: Vault) -> None:
    person, _ = sealed(vault)
    assert vault.readable(person)
    vault.lock_again([(person, NOON)])
    assert not vault.readable(person)
    vault.seal_many([(person, "text", "再次投诉")])
    assert vault.readable(person)
    vault.lock_again([(person, NOON)])
    assert vault.readable(person)
    vault.lock_again([(person, LATER)])
    assert not vault.readable(person)
    with pytest.raises(PersonUnknown):
        vault.readable(uuid4())


def test_a_restored_backup_is_told_of_every_erasure_again(start: Start, dsn: str) -> None:
    vault = start()
    gone, token = sealed(vault)
    kept, other = sealed(vault, "13800138001")
    with psycopg.connect(dsn) as connection:  # the backup
        backup = connection.execute("SELECT * FROM person_key").fetchall()
        numbers = connection.execute("SELECT * FROM person_number").fetchall()
    vault.destroy(gone, NOON)
    log = vault.erasures()
    assert log == [(gone, NOON)]
    with psycopg.connect(dsn) as connection:  # its restoring
        connection.execute("TRUNCATE person_key, person_number, erasure")
        with connection.cursor() as cursor:
            cursor.executemany("INSERT INTO person_key VALUES (%s, %s, %s, %s, %s, %s)", backup)
            cursor.executemany("INSERT INTO person_number VALUES (%s, %s)", numbers)
    restored = start()
    assert texts(restored.open_many([token])) == [WORDS]  # brought back: why the list is needed
    assert restored.destroy_again(log) == 1
    assert restored.destroy_again(log) == 0
    assert texts(restored.open_many([token, other])) == ["erased", WORDS]
    assert restored.find_persons([PHONE, "13800138001"]) == [None, kept]


def test_nobody_cannot_be_locked(vault: Vault) -> None:
    for attempt in (vault.lock, vault.unlock):
        with pytest.raises(PersonUnknown):
            attempt(uuid4())
    assert not vault.destroy(uuid4(), NOON)


# -- wrapping keys --------------------------------------------------------------------------------


def test_another_vaults_key_file_keeps_it_from_starting(start: Start) -> None:
    sealed(start())
    for text in ("1 " + "22" * 32, "2 " + "22" * 32, f"1 {'11' * 32}\nindex {'33' * 32}"):
        with pytest.raises(WrongVaultKey):
            start(read_keyring(text))


def test_keys_are_wrapped_anew_and_the_old_version_may_go(start: Start, dsn: str) -> None:
    vault = start()
    person, token = sealed(vault)
    vault.keep_unreadable("complaints.channel/0/7", b"\xff\xfe")
    for _ in range(3):
        vault.seal_many([(uuid4(), "text", WORDS)])
    index = vault._ring.index.hex()
    both = read_keyring(f"1 {'11' * 32}\n2 {'22' * 32}\nindex {index}")
    rotating = start(both)
    with pytest.raises(WrongVaultKey, match="lacks version 1"):
        start(read_keyring(f"2 {'22' * 32}\nindex {index}"))
    assert rotating.rewrap() == 5
    assert rotating.rewrap() == 0
    after = start(read_keyring(f"2 {'22' * 32}\nindex {index}"))
    assert texts(after.open_many([token])) == [WORDS]
    assert after.find_persons([PHONE]) == [person]
    assert after.unreadable("complaints.channel/0/7") == b"\xff\xfe"


# -- bytes that nobody could read -----------------------------------------------------------------


def test_unreadable_bytes_are_kept_sealed_until_they_are_settled(vault: Vault) -> None:
    place, value = "complaints.channel/3/42", b"\xff{" + WORDS.encode()
    vault.keep_unreadable(place, value)
    vault.keep_unreadable(place, value)
    assert vault.unreadable(place) == value
    assert vault.settle_unreadable(place)
    assert vault.unreadable(place) is None
    assert not vault.settle_unreadable(place)


def test_a_topic_made_anew_does_not_lose_what_the_old_one_left(vault: Vault, dsn: str) -> None:
    place = "complaints.channel/0/0"
    vault.keep_unreadable(place, b"\xff old")
    vault.keep_unreadable(place, b"\xff new")
    assert vault.unreadable(place) == b"\xff new"
    with psycopg.connect(dsn) as connection:
        kept = connection.execute("SELECT count(*) FROM unreadable").fetchone()
    assert kept == (2,)


def test_the_vault_and_the_log_name_a_place_alike() -> None:
    assert store.STREAMS == STREAMS


# -- a key that is damaged ------------------------------------------------------------------------


def test_a_damaged_key_stands_in_nobodys_way_and_not_in_the_way_of_its_erasure(
    start: Start, dsn: str
) -> None:
    person, token = sealed(start())
    _, others = sealed(start(), "13800138001")
    with psycopg.connect(dsn) as connection:
        connection.execute("UPDATE person_key SET box = '\\x00ff' WHERE person = %s", (person,))
    vault = start()  # nothing is remembered of it
    assert texts(vault.open_many([token, others])) == ["key-broken", WORDS]
    again, anew = sealed(vault)
    assert again == person
    assert texts(start().open_many([token, anew, others])) == ["key-broken", WORDS, WORDS]
    assert vault.destroy(person, NOON)
    assert texts(vault.open_many([token, anew])) == ["erased", "erased"]
