"""Ed25519 as the database checks it, held against RFC 8032 and against `cryptography`."""

import os
import random
from collections.abc import Iterator

import psycopg
import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from tests.stack import room

CASES = int(os.environ.get("BIHUAN_SIGNATURES", "150"))
"""15 ms each; 5,000 were tried when this was written."""

BASE_ORDER = 2**252 + 27742317777372353535851937790883648493
PRIME = 2**255 - 19

RFC_8032: tuple[tuple[str, str, str, str], ...] = (
    (
        "test 1",
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e3970"
        "1cf9b46bd25bf5f0595bbe24655141438e7a100b",
    ),
    (
        "test 2",
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613"
        "d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
    ),
    (
        "test 3",
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760"
        "984dc6594a7c15e9716ed28dc027beceea1ec40a",
    ),
    (
        "test 1024",
        "278117fc144c72340f67d0f2316e8386ceffbf2b2428c9c51fef7c597f1d426e",
        (
            "08b8b2b733424243760fe426a4b54908632110a66c2f6591eabd3345e3e4eb98fa6e264bf09efe12ee50f8f5"
            "4e9f77b1e355f6c50544e23fb1433ddf73be84d879de7c0046dc4996d9e773f4bc9efe5738829adb26c81b37"
            "c93a1b270b20329d658675fc6ea534e0810a4432826bf58c941efb65d57a338bbd2e26640f89ffbc1a858efc"
            "b8550ee3a5e1998bd177e93a7363c344fe6b199ee5d02e82d522c4feba15452f80288a821a579116ec6dad2b"
            "3b310da903401aa62100ab5d1a36553e06203b33890cc9b832f79ef80560ccb9a39ce767967ed628c6ad573c"
            "b116dbefefd75499da96bd68a8a97b928a8bbc103b6621fcde2beca1231d206be6cd9ec7aff6f6c94fcd7204"
            "ed3455c68c83f4a41da4af2b74ef5c53f1d8ac70bdcb7ed185ce81bd84359d44254d95629e9855a94a7c1958"
            "d1f8ada5d0532ed8a5aa3fb2d17ba70eb6248e594e1a2297acbbb39d502f1a8c6eb6f1ce22b3de1a1f40cc24"
            "554119a831a9aad6079cad88425de6bde1a9187ebb6092cf67bf2b13fd65f27088d78b7e883c8759d2c4f5c6"
            "5adb7553878ad575f9fad878e80a0c9ba63bcbcc2732e69485bbc9c90bfbd62481d9089beccf80cfe2df16a2"
            "cf65bd92dd597b0707e0917af48bbb75fed413d238f5555a7a569d80c3414a8d0859dc65a46128bab27af87a"
            "71314f318c782b23ebfe808b82b0ce26401d2e22f04d83d1255dc51addd3b75a2b1ae0784504df543af8969b"
            "e3ea7082ff7fc9888c144da2af58429ec96031dbcad3dad9af0dcbaaaf268cb8fcffead94f3c7ca495e056a9"
            "b47acdb751fb73e666c6c655ade8297297d07ad1ba5e43f1bca32301651339e22904cc8c42f58c30c04aafdb"
            "038dda0847dd988dcda6f3bfd15c4b4c4525004aa06eeff8ca61783aacec57fb3d1f92b0fe2fd1a85f672451"
            "7b65e614ad6808d6f6ee34dff7310fdc82aebfd904b01e1dc54b2927094b2db68d6f903b68401adebf5a7e08"
            "d78ff4ef5d63653a65040cf9bfd4aca7984a74d37145986780fc0b16ac451649de6188a7dbdf191f64b5fc5e"
            "2ab47b57f7f7276cd419c17a3ca8e1b939ae49e488acba6b965610b5480109c8b17b80e1b7b750dfc7598d5d"
            "5011fd2dcc5600a32ef5b52a1ecc820e308aa342721aac0943bf6686b64b2579376504ccc493d97e6aed3fb0"
            "f9cd71a43dd497f01f17c0e2cb3797aa2a2f256656168e6c496afc5fb93246f6b1116398a346f1a641f3b041"
            "e989f7914f90cc2c7fff357876e506b50d334ba77c225bc307ba537152f3f1610e4eafe595f6d9d90d11faa9"
            "33a15ef1369546868a7f3a45a96768d40fd9d03412c091c6315cf4fde7cb68606937380db2eaaa707b4c4185"
            "c32eddcdd306705e4dc1ffc872eeee475a64dfac86aba41c0618983f8741c5ef68d3a101e8a3b8cac60c905c"
            "15fc910840b94c00a0b9d0"
        ),
        "0aab4c900501b3e24d7cdf4663326a3a87df5e4843b2cbdb67cbf6e460fec350aa5371b1508f9f4528ecea23"
        "c436d94b5e8fcd4f681e30a6ac00a9704a188a03",
    ),
    (
        "test sha(abc)",
        "ec172b93ad5e563bf4932c70e1245034c35467ef2efd4d64ebf819683467e2bf",
        "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23"
        "a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
        "dc2a4459e7369633a52b1bf277839a00201009a3efbf3ecb69bea2186c26b58909351fc9ac90b3ecfdfbc7c6"
        "6431e0303dca179c138ac17ad9bef1177331a704",
    ),
)

SMALL_ORDER = (
    "0100000000000000000000000000000000000000000000000000000000000000",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0000000000000000000000000000000000000000000000000000000000000080",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
)
NOT_CANONICAL = (
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",  # y = p, that is 0
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",  # y = p + 1, that is 1
    "0100000000000000000000000000000000000000000000000000000000000080",  # x = 0 with a sign
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",  # x = 0 with a sign
)

# "Taming the Many EdDSAs" (Chalkias, Garillot, Nikolaenko 2020), cases 2, 4 and 6 to 9:
# public key, message, signature; whether who checks without the cofactor takes it.
SPECCHECK = (
    (
        "a small R under a mixed key",
        "f7badec5b8abeaf699583992219b7b223f1df3fbbea919844e3f7c554a43dd43",
        "aebf3f2601a0c8c5d39cc7d8911642f740b78168218da8471772b35f9d35b9ab",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa8c4bd45aecaca5b24fb97bc1"
        "0ac27ac8751a7dfe1baff8b953ec9f5833ca260e",
        True,
    ),
    (
        "only with the cofactor",
        "cdb267ce40c5cd45306fa5d2f29731459387dbf9eb933b7bd5aed9a765b88d4d",
        "e47d62c63f830dc7a6851a0b1f33ae4bb2f507fb6cffec4011eaccd55b53f56c",
        "160a1cb0dc9c0258cd0a7d23e94d8fa878bcb1925f2c64246b2dee1796bed5125ec6bc982a269b723e0668e5"
        "40911a9a6a58921d6925e434ab10aa7940551a09",
        False,
    ),
    (
        "S above the order",
        "442aad9f089ad9e14647b1ef9099a1ff4798d78589e66f28eca69c11f582a623",
        "85e241a07d148b41e47d62c63f830dc7a6851a0b1f33ae4bb2f507fb6cffec40",
        "e96f66be976d82e60150baecff9906684aebb1ef181f67a7189ac78ea23b6c0e547f7690a0e2ddcd04d87dbc"
        "3490dc19b3b3052f7ff0538cb68afb369ba3a514",
        False,
    ),
    (
        "S far above the order",
        "442aad9f089ad9e14647b1ef9099a1ff4798d78589e66f28eca69c11f582a623",
        "85e241a07d148b41e47d62c63f830dc7a6851a0b1f33ae4bb2f507fb6cffec40",
        "8ce5b96c8f26d0ab6c47958c9e68b937104cd36e13c33566acd2fe8d38aa19427e71f98a473474f2f13f06f9"
        "7c20d58cc3f54b8bd0d272f42b695dd7e89a8c22",
        False,
    ),
    (
        "a non-canonical R",
        "f7badec5b8abeaf699583992219b7b223f1df3fbbea919844e3f7c554a43dd43",
        "fdaebc429f4a735932a160da1301080c13280eea8bc280d1b392c6b9e6ba3a5a",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f454d370c8d9fc323a41450f8"
        "d513eafeb5b0697390c1e505a0d4ddc71f566607",
        False,
    ),
    (
        "a non-canonical R, hashed as it stands",
        "f7badec5b8abeaf699583992219b7b223f1df3fbbea919844e3f7c554a43dd43",
        "84b698d39be126ff55fe45079e6c8bf64a0d7db6994560b4e96b7021eb39c1a1",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f084d5b99c2a9463d9c8bd502"
        "6916996984eeec87ddf1d3be329006ace1b37b09",
        False,
    ),
)

Conn = psycopg.Connection[tuple[bool]]


@pytest.fixture(scope="module")
def conn() -> Iterator[Conn]:
    with (
        room(("keeper",), with_topics=False) as where,
        psycopg.connect(where.dsns["keeper"], autocommit=True) as connected,
    ):
        yield connected


def is_signed(conn: Conn, key: bytes, message: bytes, signature: bytes) -> bool:
    row = conn.execute("SELECT keeper.is_signed(%s, %s, %s)", (key, message, signature)).fetchone()
    assert row is not None
    return row[0]


def library_says(key: bytes, message: bytes, signature: bytes) -> bool:
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


@pytest.mark.parametrize(
    ("key", "message", "signature"), [one[1:] for one in RFC_8032], ids=[one[0] for one in RFC_8032]
)
def test_the_vectors_of_rfc_8032(conn: Conn, key: str, message: str, signature: str) -> None:
    given = (bytes.fromhex(key), bytes.fromhex(message), bytes.fromhex(signature))
    assert is_signed(conn, *given)
    assert not is_signed(conn, given[0], given[1] + b"\0", given[2])


@pytest.mark.parametrize(
    ("key", "message", "signature", "taken"),
    [one[1:] for one in SPECCHECK],
    ids=[one[0] for one in SPECCHECK],
)
def test_edge_cases_where_verifiers_differ(
    conn: Conn, key: str, message: str, signature: str, taken: bool
) -> None:
    given = (bytes.fromhex(key), bytes.fromhex(message), bytes.fromhex(signature))
    assert is_signed(conn, *given) is taken
    assert library_says(*given) is taken


@pytest.mark.parametrize("key", [*SMALL_ORDER, *NOT_CANONICAL])
def test_a_key_under_which_anybody_signs_signs_nothing(conn: Conn, key: str) -> None:
    """With R = the identity and S = 0 the library takes each of these for one message in eight."""
    identity = bytes.fromhex(SMALL_ORDER[0]) + bytes(32)
    messages = [bytes([number]) for number in range(32)]
    given = bytes.fromhex(key)
    assert any(library_says(given, message, identity) for message in messages)
    assert not any(is_signed(conn, given, message, identity) for message in messages[:8])
    taken = next(one for one in messages if library_says(given, one, identity))
    assert not is_signed(conn, given, taken, identity)


def test_a_key_that_is_no_point_signs_nothing(conn: Conn) -> None:
    """About half of all y have no x (RFC 8032 §5.1.3): 2 is the first."""
    key = (2).to_bytes(32, "little")
    assert not is_signed(conn, key, b"", bytes(64))


def forged(dice: random.Random, case: int) -> tuple[bytes, bytes, bytes]:
    """One of five kinds in turn: right, a bit of signature, key or message changed, S + order."""
    secret = Ed25519PrivateKey.from_private_bytes(dice.randbytes(32))
    key, message = bytearray(secret.public_key().public_bytes_raw()), dice.randbytes(case % 300)
    signature = bytearray(secret.sign(message))
    match case % 5:
        case 1:
            signature[dice.randrange(64)] ^= 1 << dice.randrange(8)
        case 2:
            key[dice.randrange(32)] ^= 1 << dice.randrange(8)
        case 3:
            message += b"."
        case 4:
            above = int.from_bytes(signature[32:], "little") + BASE_ORDER
            signature[32:] = above.to_bytes(32, "little")
    return bytes(key), message, bytes(signature)


def test_it_says_what_the_library_says(conn: Conn) -> None:
    """With the check of S left out, every malleable signature (one in five) is taken."""
    dice = random.Random(8032)
    differ, right = [], 0
    for case in range(CASES):
        given = forged(dice, case)
        said = is_signed(conn, *given)
        right += said
        if said is not library_says(*given):
            differ.append(given)
    assert differ == []
    assert right == CASES // 5


@pytest.mark.parametrize(("key", "signature"), [(31, 64), (33, 64), (32, 63), (32, 65), (0, 0)])
def test_what_has_not_its_length_is_no_signature(conn: Conn, key: int, signature: int) -> None:
    assert not is_signed(conn, bytes(key), b"", bytes(signature))
