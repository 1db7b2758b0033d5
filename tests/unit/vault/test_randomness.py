"""Chance in production; in tests the same things get the same ids, keys and nonces in any order."""

from libs.vault.randomness import Randomness, SeededRandomness, SystemRandomness


def all_of(random: Randomness, about: bytes) -> tuple[object, ...]:
    return random.person(about), random.key_id(about), random.key(about), random.nonce(about)


def test_sizes_are_what_the_format_says() -> None:
    for random in (SystemRandomness(), SeededRandomness(b"seed")):
        person, key_id, key, nonce = all_of(random, b"x")
        assert (len(random.key_id(b"x")), len(random.key(b"x")), len(random.nonce(b"x"))) == (
            8,
            32,
            12,
        )
        assert random.person(b"x").version == 4
        assert len({str(person), str(key_id), str(key), str(nonce)}) == 4


def test_chance_never_repeats() -> None:
    random = SystemRandomness()
    seen = {value for _ in range(1000) for value in all_of(random, b"the same")}
    assert len(seen) == 4000


def test_a_seed_repeats_whatever_was_asked_before() -> None:
    first, second = SeededRandomness(b"seed"), SeededRandomness(b"seed")
    all_of(second, b"something else")
    assert all_of(first, b"x") == all_of(second, b"x")
    assert not set(all_of(first, b"x")) & set(all_of(first, b"y"))
    assert not set(all_of(first, b"x")) & set(all_of(SeededRandomness(b"other"), b"x"))
