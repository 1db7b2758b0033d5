"""Wrapping keys come in versions, numbers become an index, and the file is its owner's alone."""

import hashlib
import stat
from pathlib import Path

import pytest

from libs.vault.errors import WrongVaultKey
from libs.vault.keyring import KeyRing, make_key_file, read_keyring, read_master_key

ONE, TWO, INDEX = "11" * 32, "22" * 32, "33" * 32
KEY, ABOUT, NONCE = b"k" * 32, b"person and key", b"n" * 12


def hmac_sha256(key: bytes, text: bytes) -> bytes:
    """RFC 2104, written out."""
    padded = key.ljust(64, b"\0")
    inner = hashlib.sha256(bytes(byte ^ 0x36 for byte in padded) + text).digest()
    return hashlib.sha256(bytes(byte ^ 0x5C for byte in padded) + inner).digest()


def test_a_single_line_is_version_one() -> None:
    assert read_keyring(ONE + "\n").versions == read_keyring(f"1 {ONE}").versions == {
        1: bytes.fromhex(ONE)
    }  # fmt: skip


def test_the_newest_version_wraps_and_every_version_unwraps() -> None:
    old, both = read_keyring(f"1 {ONE}"), read_keyring(f"1 {ONE}\n2 {TWO}  # since May\n")
    wrapped_long_ago = old.wrap(KEY, ABOUT, NONCE)
    wrapped_now = both.wrap(KEY, ABOUT, NONCE)
    assert (wrapped_long_ago.version, wrapped_now.version) == (1, 2)
    assert both.unwrap(wrapped_long_ago, ABOUT) == both.unwrap(wrapped_now, ABOUT) == KEY
    with pytest.raises(WrongVaultKey, match="no version 2"):
        old.unwrap(wrapped_now, ABOUT)


def test_a_wrapped_key_belongs_to_its_place_and_its_file() -> None:
    ring = read_keyring(ONE)
    wrapped = ring.wrap(KEY, ABOUT, NONCE)
    assert KEY not in wrapped.box
    for other, about in ((ring, b"another person"), (read_keyring(TWO), ABOUT)):
        with pytest.raises(WrongVaultKey):
            other.unwrap(wrapped, about)


def test_a_number_is_found_by_its_hmac_whatever_wraps_keys_now() -> None:
    named = read_keyring(f"1 {ONE}\nindex {INDEX}")
    assert named.index_of("13800138000") == hmac_sha256(bytes.fromhex(INDEX), b"number13800138000")
    first, rotated = read_keyring(f"1 {ONE}"), read_keyring(f"1 {ONE}\n2 {TWO}")
    assert first.index_of("13800138000") == rotated.index_of("13800138000")
    assert first.index_of("13800138000") != first.index_of("13800138001")
    assert first.index != bytes.fromhex(ONE)


@pytest.mark.parametrize(
    "text",
    ["", "#", "11" * 31, "xx" * 32, f"1 {ONE}\n1 {TWO}", f"x {ONE}", f"index {INDEX}", f"-1 {ONE}"],
)  # fmt: skip
def test_a_key_file_that_is_not_one_is_refused_without_quoting_it(text: str) -> None:
    with pytest.raises(WrongVaultKey) as caught:
        read_keyring(text)
    assert "11111111" not in str(caught.value)


def test_a_key_file_is_made_once_for_its_owner(tmp_path: Path) -> None:
    path = tmp_path / "vault.key"
    made = make_key_file(path)
    assert make_key_file(path).versions == made.versions
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    path.chmod(0o644)
    with pytest.raises(WrongVaultKey, match="644"):
        read_master_key(path)


def test_a_key_is_never_shown() -> None:
    ring = KeyRing({1: bytes.fromhex(ONE)}, bytes.fromhex(INDEX))
    assert repr(ring) == "KeyRing()"
