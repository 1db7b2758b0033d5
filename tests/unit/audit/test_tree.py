"""RFC 9162 trees: the vectors of Certificate Transparency, and laws for trees of any size.

The vectors are those of `transparency-dev/merkle` (testonly/constants.go, cmd/proofgen/main.go),
the reference trees of Certificate Transparency; they predate RFC 9162 and hold for it unchanged.
"""

from collections.abc import Sequence
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.audit.domain.tree import (
    TILE_HASHES,
    Frontier,
    NotInTree,
    Place,
    Tree,
    consistency_proof,
    includes,
    inclusion_proof,
    is_consistent,
    leaf_hash,
    root_of,
)

LEAVES = [
    bytes.fromhex(one)
    for one in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
INCLUSION = {
    (0, 1): [],
    (0, 8): [
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ],
    (5, 8): [
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ],
    (2, 3): ["fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"],
    (1, 5): [
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
    ],
}
CONSISTENCY = {
    (1, 1): [],
    (1, 8): [
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ],
    (6, 8): [
        "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ],
    (2, 5): [
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
    ],
}


def grown(leaves: Sequence[bytes]) -> Tree:
    def nothing(place: Place) -> bytes:
        raise AssertionError(f"a new tree has no tile {place} elsewhere")

    tree = Tree(0, nothing)
    tree.extend(leaves)
    return tree


def leaf(number: int) -> bytes:
    return sha256(b"event %d" % number).digest()


def slow_root(leaves: Sequence[bytes]) -> bytes:
    """The definition itself, RFC 9162 §2.1.1, word for word."""
    if not leaves:
        return sha256(b"").digest()
    if len(leaves) == 1:
        return sha256(b"\x00" + leaves[0]).digest()
    half = 1
    while half * 2 < len(leaves):
        half *= 2
    return sha256(b"\x01" + slow_root(leaves[:half]) + slow_root(leaves[half:])).digest()


@pytest.mark.parametrize("size", range(9))
def test_the_roots_of_certificate_transparency(size: int) -> None:
    tree = grown(LEAVES)
    assert root_of(size, tree.node).hex() == ROOTS[size]
    frontier = Frontier()
    for data in LEAVES[:size]:
        frontier.append(data)
    assert (frontier.size, frontier.root().hex()) == (size, ROOTS[size])


@pytest.mark.parametrize(("index", "size"), INCLUSION)
def test_the_inclusion_proofs_of_certificate_transparency(index: int, size: int) -> None:
    proof = inclusion_proof(index, size, grown(LEAVES).node)
    assert [one.hex() for one in proof] == INCLUSION[index, size]
    assert includes(LEAVES[index], index, size, proof, bytes.fromhex(ROOTS[size]))


@pytest.mark.parametrize(("first", "second"), CONSISTENCY)
def test_the_consistency_proofs_of_certificate_transparency(first: int, second: int) -> None:
    proof = consistency_proof(first, second, grown(LEAVES).node)
    assert [one.hex() for one in proof] == CONSISTENCY[first, second]
    old, new = (bytes.fromhex(ROOTS[size]) for size in (first, second))
    assert is_consistent(first, old, second, new, proof)


@given(size=st.integers(0, 600), first=st.integers(0, 600))
def test_a_tree_grown_in_two_goes_from_its_tiles_is_the_tree_of_its_definition(
    size: int, first: int
) -> None:
    leaves = [leaf(number) for number in range(size)]
    early = grown(leaves[:first])
    tree = Tree(early.size, early.changed.__getitem__)
    tree.extend(leaves[first:])
    assert tree.root() == slow_root(leaves)
    assert tree.root(min(first, size)) == slow_root(leaves[:first])


def test_tiles_of_two_levels_hold_a_tree_of_more_than_65_536_leaves() -> None:
    leaves = [leaf(number) for number in range(TILE_HASHES**2 + TILE_HASHES + 3)]
    tree, frontier = grown(leaves[:-2]), Frontier()
    for data in leaves:
        frontier.append(data)
    tree.extend(leaves[-2:])
    assert tree.root() == frontier.root()
    assert (2, 0) in tree.changed
    assert len(tree.changed[0, 257]) == 3 * 32
    proof = inclusion_proof(70, tree.size, tree.node)
    assert includes(leaves[70], 70, tree.size, proof, tree.root())


@given(size=st.integers(1, 300), data=st.data())
def test_every_leaf_is_proven_and_no_other_bytes_place_or_path_is(
    size: int, data: st.DataObject
) -> None:
    tree = grown([leaf(number) for number in range(size)])
    index = data.draw(st.integers(0, size - 1))
    root, proof = tree.root(), inclusion_proof(index, size, tree.node)
    assert len(proof) <= (size - 1).bit_length()
    assert includes(leaf(index), index, size, proof, root)
    assert not includes(leaf(size), index, size, proof, root)
    assert not includes(leaf(index), index, size, [*proof, root], root)
    assert not includes(leaf(index), size, size, proof, root)
    other = data.draw(st.integers(0, size - 1))
    if other != index:
        assert not includes(leaf(index), other, size, proof, root)
    for at in range(len(proof)):
        wrong = [*proof[:at], bytes(32), *proof[at + 1 :]]
        assert not includes(leaf(index), index, size, wrong, root)
        assert not includes(leaf(index), index, size, proof[:at] + proof[at + 1 :], root)


@given(second=st.integers(1, 300), data=st.data())
def test_every_beginning_is_proven_and_no_changed_one(second: int, data: st.DataObject) -> None:
    first = data.draw(st.integers(1, second))
    leaves = [leaf(number) for number in range(second)]
    tree = grown(leaves)
    old, new = tree.root(first), tree.root()
    proof = consistency_proof(first, second, tree.node)
    assert is_consistent(first, old, second, new, proof)
    changed = data.draw(st.integers(0, first - 1))
    rewritten = grown([*leaves[:changed], leaf(10_000), *leaves[changed + 1 :]])
    assert not is_consistent(first, old, second, rewritten.root(), proof)
    lie = consistency_proof(first, second, rewritten.node)
    assert not is_consistent(first, old, second, rewritten.root(), lie)
    assert not is_consistent(first, old, second, new, [*proof, new])
    if proof:
        assert not is_consistent(first, old, second, new, proof[1:])
        assert not is_consistent(first, old, second, new, [])


@pytest.mark.parametrize(("index", "size"), [(0, 0), (8, 8), (-1, 8)])
def test_no_proof_of_a_leaf_that_is_not_there(index: int, size: int) -> None:
    with pytest.raises(NotInTree):
        inclusion_proof(index, size, grown(LEAVES).node)
    assert not includes(LEAVES[0], index, size, [], leaf_hash(LEAVES[0]))


@pytest.mark.parametrize(("first", "second"), [(0, 8), (3, 2), (-1, 1)])
def test_no_proof_between_sizes_of_which_none_begins_the_other(first: int, second: int) -> None:
    with pytest.raises(NotInTree):
        consistency_proof(first, second, grown(LEAVES).node)
    assert not is_consistent(first, bytes(32), second, bytes(32), [])


def test_a_tile_that_is_too_short_for_the_tree_is_no_tree() -> None:
    early = grown([leaf(number) for number in range(10)])
    short = {place: tile[:-32] for place, tile in early.changed.items()}
    with pytest.raises(NotInTree):
        Tree(10, short.__getitem__).extend([leaf(10)])
    with pytest.raises(NotInTree):
        Tree(10, short.__getitem__).root()
