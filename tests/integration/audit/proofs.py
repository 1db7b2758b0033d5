"""Whether an event is a leaf of what was sealed, by RFC 9162 and an exported note alone."""

import base64
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any


def up(leaf: bytes, index: int, size: int, path: list[str]) -> bytes:
    """The root that a path leads to, by RFC 9162 §2.1.3.2 as it is written there."""
    fn, sn, r = index, size - 1, sha256(b"\x00" + leaf).digest()
    for p in map(bytes.fromhex, path):
        assert sn != 0
        if fn % 2 == 1 or fn == sn:
            r = sha256(b"\x01" + p + r).digest()
            while fn % 2 == 0 and fn != 0:
                fn, sn = fn // 2, sn // 2
        else:
            r = sha256(b"\x01" + r + p).digest()
        fn, sn = fn // 2, sn // 2
    assert sn == 0
    return r


def exported_roots(drop: Path) -> dict[int, bytes]:
    """Size -> root of each note that was carried out (docs/auditors.md: name, size, root)."""
    texts = [path.read_text("utf-8").splitlines() for path in drop.glob("*.checkpoint")]
    return {int(size): base64.b64decode(root) for _, size, root, *_ in texts}


def is_sealed(state: bytes, told: Mapping[str, Any], root: bytes) -> bool:
    """Whether an event's bytes are a leaf under this root; `told` is what audit says of it."""
    return up(sha256(state).digest(), told["index"], told["size"], told["path"]) == root
