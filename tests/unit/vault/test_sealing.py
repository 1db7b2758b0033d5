"""A token opens with its person's key, for that person and field, unchanged - and not otherwise."""

import traceback
from base64 import urlsafe_b64decode, urlsafe_b64encode
from uuid import UUID

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given, settings
from hypothesis import strategies as st

from libs.vault.errors import BadToken, TextTooLong
from libs.vault.sealing import TEXT_BYTES_MAX, TOKEN_CHARACTERS_MAX, parse, seal, unseal
from tests.unit.vault import aes_oracle

PERSON = UUID("5b0fdb9c-6f5b-5f3c-9d55-0d3c6a0a4a11")
OTHER = UUID("a1b2c3d4-6f5b-4f3c-9d55-0d3c6a0a4a12")
KEY = bytes(range(32))
KEY_ID = b"keynum01"
NONCE = b"nonce of 12."
WORDS = "我的宽带三天没有信号 13800138000 😀"


def test_the_oracle_agrees_with_the_published_vectors() -> None:
    # McGrew and Viega, The Galois/Counter Mode of Operation, Appendix B, test cases 13 and 16
    assert aes_oracle.encrypt(bytes(32), bytes(12), b"", b"").hex() == (
        "530f8afbc74536b9a963b4f1c4cb738b"
    )
    key = bytes.fromhex("feffe9928665731c6d6a8f9467308308" * 2)
    plain = bytes.fromhex(
        "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
        "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39"
    )
    bound = bytes.fromhex("feedfacedeadbeeffeedfacedeadbeefabaddad2")
    nonce = bytes.fromhex("cafebabefacedbaddecaf888")
    assert aes_oracle.encrypt(key, nonce, plain, bound).hex() == (
        "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa"
        "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662"
        "76fc6ece0f4e1768cddf8853bb2d551b"
    )  # fmt: skip


def token(text: str = WORDS, person: UUID = PERSON, field: str = "text") -> str:
    return seal(AESGCM(KEY), person, KEY_ID, field, NONCE, text)


def test_a_token_is_what_its_format_says() -> None:
    head = PERSON.bytes + KEY_ID + b"\x04text"
    box = aes_oracle.encrypt(KEY, NONCE, WORDS.encode(), b"bs1" + head)
    encoded = urlsafe_b64encode(head + NONCE + box).decode().rstrip("=")
    assert token() == f"bs1.{encoded}"


@settings(max_examples=50, deadline=None)
@given(st.text(max_size=300))
def test_what_was_sealed_opens(text: str) -> None:
    parsed = parse(token(text))
    assert (parsed.person, parsed.field, parsed.key_id) == (PERSON, "text", KEY_ID)
    assert unseal(AESGCM(KEY), parsed) == text


def test_a_token_shows_nothing_of_its_text_but_its_length() -> None:
    assert all("!" <= char <= "~" for char in token())
    content = urlsafe_b64decode(token().removeprefix("bs1.") + "==")
    assert WORDS.encode()[:6] not in content
    assert len(token("a" * 40)) == len(token("b" * 40))


def test_another_persons_or_fields_name_on_it_does_not_open() -> None:
    content = bytearray(urlsafe_b64decode(token().removeprefix("bs1.") + "=="))
    for changed in (
        OTHER.bytes + bytes(content[16:]),
        bytes(content[:25]) + b"name" + bytes(content[29:]),
        bytes(content[:16]) + b"keynum02" + bytes(content[24:]),
    ):
        text = "bs1." + urlsafe_b64encode(changed).decode().rstrip("=")
        with pytest.raises(BadToken):
            unseal(AESGCM(KEY), parse(text))


def test_every_single_changed_bit_is_noticed() -> None:
    content = urlsafe_b64decode(token("短").removeprefix("bs1.") + "==")
    for index in range(len(content) * 8):
        changed = bytearray(content)
        changed[index // 8] ^= 1 << index % 8
        text = "bs1." + urlsafe_b64encode(changed).decode().rstrip("=")
        with pytest.raises(BadToken):
            unseal(AESGCM(KEY), parse(text))


def test_another_key_does_not_open() -> None:
    with pytest.raises(BadToken):
        unseal(AESGCM(bytes(32)), parse(token()))


@pytest.mark.parametrize(
    "text",
    ["", "bs1.", "bs2." + token()[4:], token()[4:], token() + "=", token()[:-1] + "!", "bs1.AAAA",
     token()[:60], token() + "A" * TOKEN_CHARACTERS_MAX, "bs1." + "A" * 60, token() + "\n",
     " " + token(), "我的宽带"],
)  # fmt: skip
def test_what_is_no_token_is_refused(text: str) -> None:
    with pytest.raises(BadToken):
        unseal(AESGCM(KEY), parse(text))


def test_one_content_has_one_text() -> None:
    # "短" gives a content whose last base64 digit has bits to spare
    sealed = next(one for size in range(3) if len(one := token("a" * size)) % 4)
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    neighbour = alphabet[alphabet.index(sealed[-1]) ^ 1]
    with pytest.raises(BadToken):
        parse(sealed[:-1] + neighbour)


def test_the_largest_text_fits_an_event_and_one_byte_more_is_refused() -> None:
    assert len(token("a" * TEXT_BYTES_MAX)) < TOKEN_CHARACTERS_MAX
    for text in ("a" * (TEXT_BYTES_MAX + 1), "信" * (TEXT_BYTES_MAX // 3 + 1)):
        with pytest.raises(TextTooLong):
            token(text)


@pytest.mark.parametrize("field", ["", "Text", "a b", "号", "a" * 64, "1a"])
def test_a_field_is_a_short_name(field: str) -> None:
    with pytest.raises(ValueError, match="short name"):
        token(field=field)


def test_no_error_holds_a_plaintext_or_a_key() -> None:
    for attempt in (
        lambda: token("信" * TEXT_BYTES_MAX),
        lambda: token(WORDS, field="!"),
        lambda: unseal(AESGCM(bytes(32)), parse(token())),
        lambda: parse(WORDS),
    ):
        with pytest.raises((BadToken, TextTooLong, ValueError)) as caught:
            attempt()
        error = caught.value
        told = f"{error!r} {error} {error.__cause__!r} {error.__context__!r}"
        assert "信" not in told
        assert "宽带" not in told
        assert error.__suppress_context__ or error.__context__ is None
        assert "13800138000" not in "".join(traceback.format_exception_only(error))
    assert WORDS not in repr(parse(token()))
