"""The Merkle tree over everything accepted: one root for the whole log, and short proofs about it.

RFC 9162 §2.1: a leaf is SHA-256 of 0x00 and its bytes, a node SHA-256 of 0x01 and its two children;
here a leaf's bytes are the 32 of an event's own SHA-256. Hashes are kept in tiles of 256, and a
tile of level L holds hashes of complete subtrees of 256^L leaves: appending changes the last tile
of each level only, and a proof reads a few of them.
"""

from collections.abc import Callable, Iterable, Sequence
from hashlib import sha256

TILE_HASHES = 256
TILE_LEVELS = 8
HASH_BYTES = 32

EMPTY_ROOT = sha256(b"").digest()
"""The root of a tree without leaves (RFC 9162 §2.1.1)."""

Node = Callable[[int, int], bytes]
"""(level, index) -> the hash of the complete subtree of 2^level leaves from leaf index·2^level."""

Place = tuple[int, int]
"""(level, index) of a tile."""


class NotInTree(ValueError):
    """A proof was asked of a leaf or a size that the tree does not have."""


def leaf_hash(data: bytes) -> bytes:
    """Of one leaf (RFC 9162 §2.1.1)."""
    return sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Of an inner node (RFC 9162 §2.1.1)."""
    return sha256(b"\x01" + left + right).digest()


# -- roots and proofs -----------------------------------------------------------------------------


def root_of(size: int, node: Node) -> bytes:
    """The root of the tree of the first `size` leaves."""
    return _range_hash(0, size, node) if size else EMPTY_ROOT


def peaks_of(size: int, node: Node) -> list[bytes]:
    """The complete subtrees that make up the tree of `size` leaves, largest first."""
    peaks, start = [], 0
    for level in reversed(range(size.bit_length())):
        if size >> level & 1:
            peaks.append(node(level, start >> level))
            start += 1 << level
    return peaks


def inclusion_proof(index: int, size: int, node: Node) -> list[bytes]:
    """That leaf `index` is in the tree of `size` leaves (RFC 9162 §2.1.3.1); raises NotInTree."""
    if not 0 <= index < size:
        raise NotInTree(f"a tree of {size} leaves has no leaf {index}")
    path: list[bytes] = []
    start, count = 0, size
    while count > 1:
        half = _largest_power_below(count)
        if index - start < half:
            path.append(_range_hash(start + half, count - half, node))
            count = half
        else:
            path.append(_range_hash(start, half, node))
            start, count = start + half, count - half
    return path[::-1]


def consistency_proof(first: int, second: int, node: Node) -> list[bytes]:
    """That the tree of `first` leaves is the beginning of that of `second` (RFC 9162 §2.1.4.1).

    Raises NotInTree unless 0 < first <= second.
    """
    if not 0 < first <= second:
        raise NotInTree(f"a tree of {first} leaves does not begin one of {second}")
    path: list[bytes] = []
    start, count, known = 0, second, True
    while start + count != first:
        half = _largest_power_below(count)
        if first - start <= half:
            path.append(_range_hash(start + half, count - half, node))
            count = half
        else:
            path.append(_range_hash(start, half, node))
            start, count, known = start + half, count - half, False
    if not known:
        path.append(_range_hash(start, count, node))
    return path[::-1]


def _range_hash(start: int, count: int, node: Node) -> bytes:
    """The hash over leaves [start, start + count), where `start` begins such a subtree."""
    parts: list[bytes] = []
    while count:
        level = count.bit_length() - 1
        parts.append(node(level, start >> level))
        start, count = start + (1 << level), count - (1 << level)
    whole = parts.pop()
    while parts:
        whole = node_hash(parts.pop(), whole)
    return whole


def _largest_power_below(count: int) -> int:
    return 1 << ((count - 1).bit_length() - 1)


# -- checking -------------------------------------------------------------------------------------


def includes(data: bytes, index: int, size: int, path: Sequence[bytes], root: bytes) -> bool:
    """Whether `path` proves that this leaf has this index under this root (RFC 9162 §2.1.3.2)."""
    if not 0 <= index < size:
        return False
    at, last, found = index, size - 1, leaf_hash(data)
    for sibling in path:
        if last == 0:
            return False
        if at & 1 or at == last:
            found = node_hash(sibling, found)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            found = node_hash(found, sibling)
        at, last = at >> 1, last >> 1
    return last == 0 and found == root


def is_consistent(
    first: int, first_root: bytes, second: int, second_root: bytes, path: Sequence[bytes]
) -> bool:
    """Whether `path` proves that nothing was changed between the two (RFC 9162 §2.1.4.2)."""
    if not 0 < first <= second:
        return False
    if first == second:
        return not path and first_root == second_root
    whole = [first_root, *path] if first & (first - 1) == 0 else list(path)
    if not whole:
        return False
    at, last = first - 1, second - 1
    while at & 1:
        at, last = at >> 1, last >> 1
    old = new = whole[0]
    for sibling in whole[1:]:
        if last == 0:
            return False
        if at & 1 or at == last:
            old, new = node_hash(sibling, old), node_hash(sibling, new)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            new = node_hash(new, sibling)
        at, last = at >> 1, last >> 1
    return last == 0 and old == first_root and new == second_root


# -- growing --------------------------------------------------------------------------------------


class Frontier:
    """A tree that only remembers what it needs to grow: one hash for each bit of its size."""

    def __init__(self, size: int = 0, peaks: Sequence[bytes] = ()) -> None:
        """Of so many leaves, whose complete subtrees are these (`peaks_of`); raises NotInTree."""
        if len(peaks) != size.bit_count():
            raise NotInTree(f"a tree of {size} leaves has {size.bit_count()} peaks")
        self.size = size
        self._peaks = list(peaks)

    def append(self, data: bytes) -> None:
        """One more leaf; at most log2(size) hashes."""
        whole = leaf_hash(data)
        size = self.size
        while size & 1:
            whole = node_hash(self._peaks.pop(), whole)
            size >>= 1
        self._peaks.append(whole)
        self.size += 1

    def root(self) -> bytes:
        """The root of what was appended so far."""
        if not self._peaks:
            return EMPTY_ROOT
        whole = self._peaks[-1]
        for peak in reversed(self._peaks[:-1]):
            whole = node_hash(peak, whole)
        return whole


class Tree:
    """A tree whose hashes lie in tiles elsewhere; `stored` reads one of them.

    What it changes is in `changed` until whoever stores tiles has them all.
    """

    def __init__(self, size: int, stored: Callable[[Place], bytes]) -> None:
        self.size = size
        self.changed: dict[Place, bytes] = {}
        self._stored = stored
        self._read: dict[Place, bytes] = {}
        self._known: dict[Place, bytes] = {}
        """Inner hashes made already: many proofs share them."""

    def extend(self, leaves: Iterable[bytes]) -> None:
        """Appends leaves, given by their bytes."""
        open_tiles = self._open_tiles()
        self._known.clear()
        for data in leaves:
            self.size += 1
            level, whole = 0, leaf_hash(data)
            while True:
                if level == len(open_tiles):
                    open_tiles.append([])
                tile = open_tiles[level]
                tile.append(whole)
                if len(tile) < TILE_HASHES:
                    break
                index = (self.size >> (TILE_LEVELS * (level + 1))) - 1
                self.changed[level, index] = b"".join(tile)
                whole = _top(tile)
                open_tiles[level] = []
                level += 1
        for level, tile in enumerate(open_tiles):
            if tile:
                self.changed[level, self.size >> (TILE_LEVELS * (level + 1))] = b"".join(tile)

    def node(self, level: int, index: int) -> bytes:
        """The hash of a complete subtree; reads one tile."""
        known = self._known.get((level, index))
        if known is not None:
            return known
        tile_level, above = divmod(level, TILE_LEVELS)
        tile_index, first = divmod(index << above, TILE_HASHES)
        tile = self._tile((tile_level, tile_index))
        held = tile[first * HASH_BYTES : (first + (1 << above)) * HASH_BYTES]
        if len(held) != HASH_BYTES << above:
            raise NotInTree(f"tile {tile_index} of level {tile_level} holds no such hash")
        whole = _top([held[at : at + HASH_BYTES] for at in range(0, len(held), HASH_BYTES)])
        self._known[level, index] = whole
        return whole

    def root(self, size: int | None = None) -> bytes:
        """The root of the first `size` leaves; of all by default."""
        return root_of(self.size if size is None else size, self.node)

    def _tile(self, place: Place) -> bytes:
        tile = self.changed.get(place) or self._read.get(place)
        if tile is None:
            tile = self._read[place] = self._stored(place)
        return tile

    def _open_tiles(self) -> list[list[bytes]]:
        """The last tile of each level, as far as it is not full."""
        tiles: list[list[bytes]] = []
        level = 0
        while held := self.size >> (TILE_LEVELS * level):
            index, count = divmod(held, TILE_HASHES)
            tile = self._tile((level, index)) if count else b""
            if len(tile) < count * HASH_BYTES:
                raise NotInTree(f"tile {index} of level {level} is shorter than the tree")
            tiles.append([tile[at * HASH_BYTES : (at + 1) * HASH_BYTES] for at in range(count)])
            level += 1
        return tiles


def _top(hashes: Sequence[bytes]) -> bytes:
    """The hash of the complete subtree over so many, a power of two."""
    level = list(hashes)
    while len(level) > 1:
        level = [
            node_hash(left, right) for left, right in zip(level[::2], level[1::2], strict=True)
        ]
    return level[0]
