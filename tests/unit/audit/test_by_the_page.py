"""An auditor's own program, written from HOWTO.txt alone, comes to the same as the one we ship.

It shares nothing with it: signatures by a library, the tree by its definition, other loops.
"""

import base64
import io
import json
import random
import zipfile
from collections.abc import Iterator
from hashlib import sha256
from itertools import groupby, islice, pairwise
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from tests.unit.audit import tamperer
from tests.unit.audit.bundles import KEY_LINE, bundle, signature
from tests.unit.audit.tamperer import Act, Files


class Wrong(Exception):
    """It does not hold."""


def must(holds: bool, what: str) -> None:
    if not holds:
        raise Wrong(what)


def check(data: bytes, key_line: str) -> list[Any]:
    """The events of a bundle that holds; raises Wrong."""
    try:
        return _checked(data, key_line)
    except (ValueError, KeyError, TypeError, IndexError, AttributeError, OverflowError) as error:
        raise Wrong(repr(error)) from error
    except (RecursionError, InvalidSignature, zipfile.BadZipFile, NotImplementedError) as error:
        raise Wrong(repr(error)) from error
    except (RuntimeError, EOFError, OSError) as error:
        raise Wrong(repr(error)) from error


def _checked(data: bytes, key_line: str) -> list[Any]:
    with zipfile.ZipFile(io.BytesIO(data)) as file:
        files = {name: file.read(name) for name in file.namelist()}
    must(zipped_by_the_page(files) == data, "the one form")
    name, key_id, coded = key_line.split("+", 2)
    key = Ed25519PublicKey.from_public_bytes(base64.b64decode(coded)[1:])
    # 1. the manifest
    raw = base64.b64decode(files["manifest.sig"], validate=True)
    must(base64.b64encode(raw) == files["manifest.sig"], "its signature's one form")
    key.verify(raw, b"bihuan bundle\n" + files["manifest.json"])
    manifest = strict(files["manifest.json"])
    rest = {one: sha256(files[one]).hexdigest() for one in files if "manifest" not in one}
    must(rest == manifest["files"], "the files are those that it lists")
    # 2. the checkpoint
    body, _, mark = files["checkpoint.txt"].decode().partition("\n\n")
    signed = mark.rstrip("\n").split(" ")[-1]
    must(mark == f"\N{EM DASH} {name} {signed}\n", "the last line of a checkpoint")
    blob = base64.b64decode(signed, validate=True)
    must(len(blob) == 68 and blob[:4].hex() == key_id, "it is by this key")
    key.verify(blob[4:], f"{body}\n".encode())
    _, size, root, *_ = body.split("\n")
    # 3. each event is in it
    told = {}
    for part in ("events", "policies"):
        lines = files[f"{part}.jsonl"].split(b"\n")
        must(lines.pop() == b"", "each line ends")
        proofs = strict(files["proofs.json"])[part]
        must(list(map(digest, lines)) == sorted(proofs, key=lambda one: proofs[one]["index"]), "")
        for line in lines:
            one = proofs[digest(line)]
            path = [bytes.fromhex(step) for step in one["path"]]
            leaf = sha256(b"\0" + sha256(line).digest()).digest()
            found = up(leaf, one["index"], int(size), path)
            must(found == base64.b64decode(root) and not path, "leads to the root")
        told[part] = [(strict(line), digest(line)) for line in lines]
    # 4. each stream is whole
    heads = {(one["source"], one["subject"]): one for one in manifest["heads"]}
    ordered = sorted(told["events"], key=lambda one: (stream(one[0]), int(one[0]["sequence"])))
    for which, group in groupby(ordered, key=lambda one: stream(one[0])):
        head, events = heads.pop(which), list(group)
        numbers = [int(event["sequence"]) for event, _ in events]
        must(numbers == list(range(head["first"], head["sequence"] + 1)), "no number is missing")
        must(events[-1][1] == head["digest"], "it ends as listed")
        must(numbers[0] > 1 or events[0][0]["previous"] == "0" * 64, "the first follows nothing")
        for (before, its), (after, _) in pairwise(events):
            must(after["previous"] == its and after["time"] >= before["time"], "it goes on")
    must(not heads, "every stream listed is there")
    return [event for event, _ in told["events"]]


def stream(event: Any) -> tuple[str, str]:
    return event["source"], event["subject"]


def digest(line: bytes) -> str:
    return sha256(line).hexdigest()


def up(leaf: bytes, index: int, size: int, path: list[bytes]) -> bytes:
    """The root by RFC 9162's definition of a path, whose last step is the topmost; uses it up."""
    if size == 1:
        return leaf
    half = 1 << (size - 1).bit_length() - 1
    top = path.pop()
    if index < half:
        return sha256(b"\1" + up(leaf, index, half, path) + top).digest()
    return sha256(b"\1" + top + up(leaf, index - half, size - half, path)).digest()


def strict(text: bytes) -> Any:
    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        must(len(dict(pairs)) == len(pairs), "a field twice")
        return dict(pairs)

    def never(text: str) -> Any:
        raise Wrong(text)

    return json.loads(text.decode(), object_pairs_hook=once, parse_constant=never)


def zipped_by_the_page(files: Files) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as file:
        for name in sorted(files):
            entry = zipfile.ZipInfo(name)
            entry.create_version, entry.create_system, entry.external_attr = 20, 3, 0o644 << 16
            file.writestr(entry, files[name])
    return out.getvalue()


def acts(true: bytes) -> Iterator[Act]:
    dice = random.Random("the page")
    yield from tamperer.packings(true)
    yield from tamperer.signatures(true)
    yield from tamperer.events(true, dice, signature)
    yield from tamperer.proofs(true, dice, signature)
    yield from tamperer.policies(true, signature)


@pytest.mark.parametrize("kind", ["complaint", "period opened"])
def test_who_has_but_the_page_of_text_tells_true_bundles_from_tampered_ones(kind: str) -> None:
    true = bundle(kind)
    assert len(check(true, KEY_LINE)) > 10
    for act in islice(acts(true), len(kind), None, 16):
        with pytest.raises(Wrong):
            print(act.name, len(check(act.data, KEY_LINE)), "passes")
