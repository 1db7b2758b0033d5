"""The stand-alone verifier's own Ed25519 and tree, by the vectors of their RFCs."""

import ast
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from services.audit.evidence import verify_bundle
from services.audit.evidence.verify_bundle import L, in_tree, signed
from tests.unit.audit.test_tree import INCLUSION, LEAVES, ROOTS

# RFC 8032 section 7.1: public key, message, signature.
RFC_8032 = {
    "test 1": (
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701c"
        "f9b46bd25bf5f0595bbe24655141438e7a100b",
    ),
    "test 2": (
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0"
        "f11d8c387b2eaeb4302aeeb00d291612bb0c00",
    ),
    "test 3": (
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f76098"
        "4dc6594a7c15e9716ed28dc027beceea1ec40a",
    ),
    "test sha(abc)": (
        "ec172b93ad5e563bf4932c70e1245034c35467ef2efd4d64ebf819683467e2bf",
        "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3"
        "feebbd454d4423643ce80e2a9ac94fa54ca49f",
        "dc2a4459e7369633a52b1bf277839a00201009a3efbf3ecb69bea2186c26b58909351fc9ac90b3ecfdfbc7c664"
        "31e0303dca179c138ac17ad9bef1177331a704",
    ),
}


@pytest.mark.parametrize("name", RFC_8032)
def test_the_signatures_of_rfc_8032_are_good_and_changed_ones_are_not(name: str) -> None:
    key, message, signature = map(bytes.fromhex, RFC_8032[name])
    assert signed(key, message, signature)
    assert not signed(key, message + b"x", signature)
    for at in (0, 31, 32, 63):
        changed = bytearray(signature)
        changed[at] ^= 1
        assert not signed(key, message, bytes(changed))
    assert not signed(bytes(32), message, signature)
    malleable = int.from_bytes(signature[32:], "little") + L
    assert not signed(key, message, signature[:32] + malleable.to_bytes(32, "little"))
    assert not signed(key, message, signature[:-1])


@given(seed=st.binary(min_size=32, max_size=32), text=st.binary(max_size=200))
def test_it_agrees_with_the_library_that_signs(seed: bytes, text: bytes) -> None:
    key = Ed25519PrivateKey.from_private_bytes(seed)
    assert signed(key.public_key().public_bytes_raw(), text, key.sign(text))


@pytest.mark.parametrize(("index", "size"), INCLUSION)
def test_the_inclusion_proofs_of_certificate_transparency_hold(index: int, size: int) -> None:
    path = [bytes.fromhex(one) for one in INCLUSION[index, size]]
    root = bytes.fromhex(ROOTS[size])
    assert in_tree(LEAVES[index], index, size, path, root)
    assert not in_tree(LEAVES[index] + b"x", index, size, path, root)
    assert not in_tree(LEAVES[index], index, size, [*path, root], root)


def test_it_is_short_and_uses_nothing_but_the_standard_library() -> None:
    source = Path(verify_bundle.__file__).read_text(encoding="utf-8")
    assert len(source.splitlines()) <= 410
    ast.parse(source, feature_version=(3, 8))
    imported = {
        name.partition(".")[0]
        for node in ast.walk(ast.parse(source))
        for name in (
            [one.name for one in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }
    assert imported <= sys.stdlib_module_names
    assert not imported & {"socket", "urllib", "http", "subprocess", "os"}
