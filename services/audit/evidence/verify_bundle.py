#!/usr/bin/env python3
"""Checks an evidence bundle of Bihuan with nothing but Python: no network, no other file of ours.

    python -I -S verify_bundle.py BUNDLE.zip [KEY]

KEY is the public key of the log, "<name>+<id>+<base64>", or a file that holds it: get it from
somebody other than who gave you the bundle. Exit code 0: everything holds. 1: what does not is
named. 2: this is no bundle, or it was used wrongly. HOWTO.txt says what is checked, and why.
"""

import base64
import hashlib
import json
import re
import sys
import zipfile
from pathlib import Path
from typing import Any

Point = tuple[int, int, int, int]
Key = tuple[str, bytes, bytes]
Event = tuple[Any, str, str]

# -- Ed25519, verification only (RFC 8032 section 5.1) --------------------------------------------

P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P


def add(a: Point, b: Point) -> Point:
    """The sum of two points in extended coordinates (RFC 8032 5.1.4)."""
    e, f = (a[1] - a[0]) * (b[1] - b[0]) % P, (a[1] + a[0]) * (b[1] + b[0]) % P
    g, h = 2 * a[3] * b[3] * D % P, 2 * a[2] * b[2] % P
    i, j, k, m = f - e, h - g, h + g, f + e
    return i * j % P, k * m % P, j * k % P, i * m % P


def times(n: int, point: Point) -> Point:
    """A point added to itself n times."""
    found: Point = (0, 1, 1, 0)
    while n:
        if n & 1:
            found = add(found, point)
        point, n = add(point, point), n >> 1
    return found


def same(a: Point, b: Point) -> bool:
    """Whether two points are one."""
    return (a[0] * b[2] - b[0] * a[2]) % P == 0 and (a[1] * b[2] - b[1] * a[2]) % P == 0


def point_of(data: bytes) -> Point | None:
    """The point that 32 bytes stand for, or None (RFC 8032 5.1.3)."""
    y = int.from_bytes(data, "little")
    sign, y = y >> 255, y & (2**255 - 1)
    if y >= P:
        return None
    square = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * pow(2, (P - 1) // 4, P) % P
    if (x * x - square) % P or (x == 0 and sign):
        return None
    if x & 1 != sign:
        x = P - x
    return x, y, 1, x * y % P


BASE = point_of(b"\x58" + b"\x66" * 31)


def signed(public: bytes, text: bytes, signature: bytes) -> bool:
    """Whether the holder of this public key signed this text (RFC 8032 5.1.7)."""
    if len(public) != 32 or len(signature) != 64:
        return False
    a, r, s = point_of(public), point_of(signature[:32]), int.from_bytes(signature[32:], "little")
    if a is None or r is None or BASE is None or s >= L:
        return False
    k = int.from_bytes(hashlib.sha512(signature[:32] + public + text).digest(), "little") % L
    return same(times(s, BASE), add(r, times(k, a)))


# -- the tree (RFC 9162 section 2.1.3.2) ----------------------------------------------------------


def sha256(data: bytes) -> bytes:
    """SHA-256."""
    return hashlib.sha256(data).digest()


def in_tree(leaf: bytes, index: int, size: int, path: list[bytes], root: bytes) -> bool:
    """Whether the path leads from this leaf to this root."""
    if not 0 <= index < size:
        return False
    at, last, found = index, size - 1, sha256(b"\x00" + leaf)
    for other in path:
        if last == 0:
            return False
        if at & 1 or at == last:
            found = sha256(b"\x01" + other + found)
            while at and not at & 1:
                at, last = at >> 1, last >> 1
        else:
            found = sha256(b"\x01" + found + other)
        at, last = at >> 1, last >> 1
    return last == 0 and found == root


# -- the bundle -----------------------------------------------------------------------------------

NEEDED = {"manifest.json", "manifest.sig", "checkpoint.txt", "events.jsonl", "policies.jsonl"}
NEEDED |= {"proofs.json", "key.txt"}


class NoBundle(Exception):
    """It cannot be read as a bundle at all."""


def read_key(line: str) -> Key:
    """(name, id, the 32 bytes) of a public key as it is published."""
    match = re.fullmatch(r"([^+\s]+)\+([0-9a-f]{8})\+(\S+)", line.strip())
    data = base64.b64decode(match.group(3)) if match else b""
    if match is None or len(data) != 33 or data[0] != 1:
        raise NoBundle("the key is not <name>+<id>+<base64>")
    named = sha256(match.group(1).encode() + b"\n" + data)[:4]
    if named.hex() != match.group(2):
        raise NoBundle("the key's id does not fit the key")
    return match.group(1), named, data[1:]


def read_files(path: str) -> dict[str, bytes]:
    """Every file of the bundle by name."""
    with zipfile.ZipFile(path) as bundle:
        names = bundle.namelist()
        if len(names) != len(set(names)) or any("/" in name or "\\" in name for name in names):
            raise NoBundle("it holds a name twice, or a folder")
        if sum(entry.file_size for entry in bundle.infolist()) > 2**32:
            raise NoBundle("it is larger than 4 GB")
        files = {name: bundle.read(name) for name in names}
    if NEEDED - set(files):
        raise NoBundle("it lacks " + ", ".join(sorted(NEEDED - set(files))))
    return files


def check_files(files: dict[str, bytes], key: Key, faults: list[str]) -> Any:
    """The manifest's signature, and that every file is what it lists."""
    signature = base64.b64decode(files["manifest.sig"])
    if not signed(key[2], b"bihuan bundle\n" + files["manifest.json"], signature):
        faults.append("manifest.json: it is not signed by this key")
    manifest = json.loads(files["manifest.json"])
    listed = set(manifest["files"])
    more = sorted(set(files) - listed - {"manifest.json", "manifest.sig"})
    faults += [f"{name}: the manifest does not list it" for name in more]
    for name in sorted(listed):
        if name not in files:
            faults.append(f"{name}: the manifest lists it, and it is not there")
        elif sha256(files[name]).hex() != manifest["files"][name]:
            faults.append(f"{name}: its bytes are not those that the manifest lists")
    return manifest


def check_checkpoint(note: bytes, key: Key, faults: list[str]) -> tuple[int, bytes, str]:
    """The signature under the checkpoint; returns its size, root and time."""
    body, _, end = note.decode().partition("\n\n")
    lines, mark = body.split("\n"), end.split("\n")[0].split(" ")
    blob = base64.b64decode(mark[2])
    if lines[0] != key[0] or mark[:2] != ["\u2014", key[0]] or blob[:4] != key[1]:
        faults.append("checkpoint.txt: it is of another log, or by another key")
    if not signed(key[2], (body + "\n").encode(), blob[4:]):
        faults.append("checkpoint.txt: its signature does not fit its text")
    return int(lines[1]), base64.b64decode(lines[2]), lines[3].partition(" ")[2]


def check_events(
    file: str, lines: list[bytes], proofs: Any, tree: tuple[int, bytes], faults: list[str]
) -> list[Event]:
    """Each event against its proof; returns (event, digest, name) of those that can be read."""
    events = []
    if len(lines) != len(proofs):
        faults.append(f"proofs.json: {len(proofs)} proofs for {len(lines)} events of {file}")
    for number, line in enumerate(lines):
        try:
            event = json.loads(line)
            name = f"{event['source']} {event['subject']} number {int(event['sequence'])}"
        except (ValueError, KeyError, TypeError):
            faults.append(f"{file} line {number + 1}: it is no event")
            continue
        proof: Any = proofs[number] if number < len(proofs) else {"index": -1, "path": []}
        path = [bytes.fromhex(one) for one in proof["path"]]
        if not in_tree(sha256(line), proof["index"], tree[0], path, tree[1]):
            faults.append(f"{name}: no proof that the checkpoint covers these bytes")
        events.append((event, sha256(line).hex(), name))
    return events


def check_chains(events: list[Event], manifest: Any, faults: list[str]) -> None:
    """Each stream: number by number, each vouching for the bytes before it, up to its head."""
    streams: dict[tuple[str, str], dict[int, Event]] = {}
    for event, digest, name in events:
        stream = streams.setdefault((event["source"], event["subject"]), {})
        if int(event["sequence"]) in stream:
            faults.append(f"{name}: it is there twice")
        stream[int(event["sequence"])] = (event, digest, name)
    for (source, subject), stream in sorted(streams.items()):
        for number, (event, _, name) in sorted(stream.items()):
            before = stream.get(number - 1)
            if number == 1:
                if event["previous"] != "0" * 64:
                    faults.append(f"{name}: the first of its stream follows something")
            elif before is None:
                if manifest["whole"]:
                    faults.append(f"{source} {subject} number {number - 1}: it is missing")
            elif event["previous"] != before[1]:
                faults.append(f"{name}: it does not continue the bytes of the one before it")
            elif event["time"] < before[0]["time"]:
                faults.append(f"{name}: its time is before that of the one before it")
    for head in manifest["heads"]:
        last = streams.get((head["source"], head["subject"]), {}).get(head["sequence"])
        if last is None or last[1] != head["digest"]:
            faults.append(
                f"{head['source']} {head['subject']} number {head['sequence']}: "
                "the last of its stream is missing or changed"
            )


def tell(events: list[Event], manifest: Any, sealed_at: str) -> list[str]:
    """What the bundle says, in the order it happened, for whoever has only this terminal."""
    told = [f"It speaks of {json.dumps(manifest['about'])}, as of {sealed_at}."]
    for event, _, _ in sorted(events, key=lambda one: str(one[0]["time"])):
        data = event["data"]
        said = f"{event['time']}  {event['type']:28} {event['actor']}"
        if event["type"].startswith(("clock.met", "clock.breached", "clock.corrected")):
            names = ("clock", "due", "due_at", "at", "was", "is")
            said += "  " + " ".join(f"{name}={data[name]}" for name in names if name in data)
        told.append(said)
    return told


def verify(path: str, trusted: str | None = None) -> tuple[list[str], list[str]]:
    """(what it says, what is wrong with it); raises NoBundle."""
    try:
        files = read_files(path)
        key, faults = read_key(trusted or files["key.txt"].decode()), []
        if trusted and read_key(files["key.txt"].decode()) != key:
            faults.append("key.txt: it is not the key that you trust")
        manifest = check_files(files, key, faults)
        size, root, sealed_at = check_checkpoint(files["checkpoint.txt"], key, faults)
        tree = size, root
        lines = files["events.jsonl"].split(b"\n")[:-1]
        policies = files["policies.jsonl"].split(b"\n")[:-1]
        proofs = json.loads(files["proofs.json"])
        events = check_events("events.jsonl", lines, proofs["events"], tree, faults)
        check_events("policies.jsonl", policies, proofs["policies"], tree, faults)
        check_chains(events, manifest, faults)
        return tell(events, manifest, sealed_at), faults
    except (OSError, ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
        raise NoBundle(f"{type(error).__name__}: {error}") from error
    except zipfile.BadZipFile as error:
        raise NoBundle(str(error)) from error


def main(arguments: list[str]) -> int:
    """The command; see the top of this file."""
    if len(arguments) not in (1, 2):
        sys.stderr.write(__doc__)
        return 2
    trusted = arguments[1] if len(arguments) == 2 else None
    if trusted and Path(trusted).is_file():
        trusted = Path(trusted).read_text("ascii").partition("\n")[0]
    try:
        told, faults = verify(arguments[0], trusted)
    except NoBundle as error:
        sys.stdout.write(f"NO BUNDLE: {error}\n")
        return 2
    for line in told:
        sys.stdout.write(line + "\n")
    for fault in faults:
        sys.stdout.write(f"WRONG  {fault}\n")
    if not trusted:
        sys.stdout.write("The key came from the bundle itself: compare key.txt with yours.\n")
    sys.stdout.write(f"{len(faults)} WRONG\n" if faults else "ALL HOLDS\n")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
