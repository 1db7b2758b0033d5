#!/usr/bin/env python3
"""Checks an evidence bundle of Bihuan with nothing but Python: no network, no other file of ours.

    python -I -S verify_bundle.py BUNDLE.zip [KEY]

KEY is the public key of the log, "<name>+<id>+<base64>", or a file that holds it: get it from
somebody other than who gave you the bundle. Exit code 0: everything holds. 1: what does not is
named. 2: this is no bundle, or it was used wrongly. HOWTO.txt says what is checked, and why.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import struct
import sys
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    Point = tuple[int, int, int, int]
    Key = tuple[str, bytes, bytes]
    Tree = tuple[int, bytes, str]

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


def point_of(data: bytes) -> Point | None:
    """The point that 32 bytes stand for, or None (RFC 8032 5.1.3)."""
    y = int.from_bytes(data, "little")
    sign, y = y >> 255, y & (2**255 - 1)
    square = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(square, (P + 3) // 8, P)
    x = x * pow(2, (P - 1) // 4, P) % P if (x * x - square) % P else x
    if y >= P or (x * x - square) % P or (x == 0 and sign):
        return None
    x = x if x & 1 == sign else P - x
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
    one, other = times(s, BASE), add(r, times(k, a))
    return not any((one[at] * other[2] - other[at] * one[2]) % P for at in (0, 1))


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


# -- the file: stored, not compressed, in the order of the names, and not a byte more -------------

NAMES = "HOWTO.txt checkpoint.txt events.jsonl key.txt manifest.json manifest.sig opened.json "
NAMES += "page.html policies.jsonl proofs.json verify_bundle.py"
BYTES_MAX = 2**30


class NoBundle(Exception):
    """It cannot be read as a bundle at all."""


def packed(files: dict[str, bytes]) -> bytes:
    """The one zip file that these files make."""
    body, index, at = [], [], 0
    for name, data in sorted(files.items()):
        size, said = len(data), name.encode("latin-1")
        form = struct.pack("<5H3I2H", 20, 0, 0, 0, 33, zlib.crc32(data), size, size, len(said), 0)
        index += [b"PK\1\2\x14\3", form, struct.pack("<3H2I", 0, 0, 0, 0o644 << 16, at), said]
        body += [b"PK\3\4", form, said, data]
        at += 30 + len(said) + size
    middle = b"".join(index)
    end = (b"PK\5\6", 0, 0, len(files), len(files), len(middle), at, 0)
    return b"".join([*body, middle, struct.pack("<4s4H2IH", *end)])


def read_files(data: bytes, faults: list[str]) -> dict[str, bytes]:
    """Every file of the bundle by name."""
    files, at = {}, 0
    while data[at : at + 4] == b"PK\3\4" and at + 30 <= len(data):
        flags, method, _, _, _, _, size, length, more = struct.unpack_from("<4H3I2H", data, at + 6)
        if flags or method:
            raise NoBundle("its files are compressed or encrypted: somebody packed it anew")
        begin = at + 30 + length + more
        files[data[at + 30 : at + 30 + length].decode("latin-1")] = data[begin : begin + size]
        at = begin + size
    lacking = sorted(set(NAMES.split()) - set(files) - {"opened.json"})
    if lacking:
        raise NoBundle(f"it is cut off, or packed as no bundle is: {lacking[0]} is not found")
    if set(files) - set(NAMES.split()) or packed(files) != data:
        faults.append("the file: it is not packed, byte for byte, as bundles are")
    return files


def read_json(data: bytes) -> Any:
    """JSON that every reader reads alike; raises ValueError for any other."""

    def number(text: str) -> Any:
        if len(text) > 20 or not re.fullmatch(r"-?\d+(\.\d+)?(e-?\d\d?)?", text):
            raise ValueError("a number is too long, or none")
        return float(text) if set(text) & set(".e") else int(text)

    def once(pairs: Any) -> Any:
        if len(dict(pairs)) < len(pairs):
            raise ValueError("a field is there twice")
        return dict(pairs)

    kinds: Any = dict.fromkeys(("parse_float", "parse_int", "parse_constant"), number)
    try:
        return json.loads(data.decode(), object_pairs_hook=once, **kinds)
    except RecursionError:
        raise ValueError("it is nested too deep") from None


# -- what is signed -------------------------------------------------------------------------------


def unbase64(text: bytes, length: int) -> bytes:
    """So many bytes from the one base64 form that they have, or none."""
    try:
        data = base64.b64decode(text, validate=True)
    except ValueError:
        return b""
    return data if len(data) == length and base64.b64encode(data) == text else b""


def read_key(line: str) -> Key:
    """(name, id, the 32 bytes) of a public key as it is published."""
    match = re.fullmatch(r"([!-*,-~]+)\+([0-9a-f]{8})\+([!-~]+)", line.strip())
    name, named, text = match.groups() if match else ("", "", "")
    data = unbase64(text.encode(), 33)
    if data[:1] != b"\1" or sha256(name.encode() + b"\n" + data)[:4].hex() != named:
        raise NoBundle("the key is not <name>+<id>+<base64>, or its id does not fit it")
    return name, bytes.fromhex(named), data[1:]


def check_manifest(files: dict[str, bytes], key: Key, faults: list[str]) -> Any:
    """The signed manifest, and that every file is what it lists; None if it is not signed."""
    data, signature = files["manifest.json"], unbase64(files["manifest.sig"], 64)
    if not signed(key[2], b"bihuan bundle\n" + data, signature):
        faults.append("manifest.json: it is not signed by this key, so what it lists is not used")
        return None
    manifest = read_json(data)
    if manifest["format"] != "bihuan-bundle-2":
        raise NoBundle("it is of another form: use the verifier that came with it")
    listed, there = manifest["files"], set(files) - {"manifest.json", "manifest.sig"}
    for name in sorted(set(listed) | there):
        fits = name in there and sha256(files[name]).hex() == listed.get(name)
        faults += [] if fits else [f"{name}: it is not what the manifest lists"]
    return manifest


def check_checkpoint(note: bytes, key: Key, faults: list[str]) -> Tree | None:
    """(size, root, time) of the checkpoint; None if it is not signed."""
    body, _, end = note.partition(b"\n\n")
    mark, lines = f"\u2014 {key[0]} ".encode(), body.split(b"\n")
    blob = unbase64(end[len(mark) : -1], 68)
    if end[: len(mark)] + end[-1:] != mark + b"\n" or lines[0] != key[0].encode():
        faults.append("checkpoint.txt: it is of another log, or not written as checkpoints are")
    elif blob[:4] != key[1] or not signed(key[2], body + b"\n", blob[4:]):
        faults.append("checkpoint.txt: it is not signed by this key, so it proves nothing")
    else:
        return int(lines[1]), unbase64(lines[2], 32), lines[3].decode()
    return None


# -- the events -----------------------------------------------------------------------------------


FORM = {"source": r".{1,80}", "subject": r".{1,80}", "sequence": r"[1-9]\d{0,17}", "type": ".+"}
FORM.update(time=r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", previous="[0-9a-f]{64}")
FORM.update(actor=".*", causationid=".*", id=".+")


class Event(NamedTuple):
    """One line, and which leaf of the checkpoint's tree it is; -1: nothing proves it."""

    said: Any
    digest: str
    name: str
    number: int
    leaf: int


def read_event(line: bytes, proof: Any, tree: Tree | None) -> Event:
    """An event and its leaf; raises ValueError."""
    said, digest, leaf = read_json(line), sha256(line), -1
    if not isinstance(said, dict) or not isinstance(said.get("data"), dict):
        raise ValueError("it has no fields")
    for field, form in FORM.items():
        if not isinstance(said.get(field), str) or not re.fullmatch(form, said[field], re.S):
            raise ValueError(f"its {field} is none")
    try:
        index, path = int(proof["index"]), [bytes.fromhex(one) for one in proof["path"]]
        leaf = index if not tree or in_tree(digest, index, tree[0], path, tree[1]) else -1
    except (KeyError, TypeError, ValueError):
        pass
    name = f"{said['source']} {said['subject']} number {said['sequence']}"
    return Event(said, digest.hex(), name, int(said["sequence"]), leaf)


def check_events(file: str, data: bytes, proofs: Any, tree: Tree | None) -> tuple[Any, Any]:
    """(events, faults): each line against its proof, which is found by the line's SHA-256."""
    events: dict[str, Event] = {}
    faults = []
    for at, line in enumerate(data.rstrip(b"\n").split(b"\n") if data else [], 1):
        digest = sha256(line).hex()
        try:
            one = read_event(line, proofs.get(digest), tree)
        except ValueError as error:
            faults.append(f"{file} line {at}: it is no event ({error})")
            continue
        if digest in events:
            faults.append(f"{one.name}: it is there twice (line {at})")
        elif one.leaf < 0:
            faults.append(f"{one.name}: nothing proves that it was sealed so (line {at})")
        events[digest] = one
    leaves = [one.leaf for one in events.values() if one.leaf >= 0]
    if leaves != sorted(leaves):
        faults.append(f"{file}: its lines are not in the order of the log")
    lost = sorted(set(proofs) - set(events))
    faults += [f"{file}: an event is missing or changed, SHA-256 {one[:64]}" for one in lost]
    return list(events.values()), faults


def check_chains(events: list[Event], manifest: Any, faults: list[str]) -> None:
    """Each stream: number by number, each vouching for the bytes before it, up to its head."""
    streams: dict[tuple[str, str], dict[int, Event]] = {}
    for one in sorted(events, key=lambda one: one.leaf):
        streams.setdefault((one.said["source"], one.said["subject"]), {})[one.number] = one
    heads = {(one["source"], one["subject"]): one for one in manifest["heads"]} if manifest else {}
    for key in sorted(set(heads) | set(streams)):
        stream, head = streams.get(key, {}), heads.get(key)
        sure = [number for number in sorted(stream) if stream[number].leaf >= 0]
        first = head["first"] if head else min(sure, default=1)
        last = head["sequence"] if head else max(sure, default=0)
        if manifest and any(not first <= number <= last or not head for number in sure):
            faults.append(f"{key[0]} {key[1]}: the manifest has it begin or end elsewhere")
        there = [first - 1, *(one for one in sorted(stream) if first <= one <= last), last + 1]
        for before, after in zip(there, there[1:]):
            if after - before > 1:
                which = f"number {before + 1}" + f" to {after - 1}" * (after - before > 2)
                faults.append(f"{key[0]} {key[1]} {which}: it is missing")
        if head and last in sure and stream[last].digest != head["digest"]:
            faults.append(f"{stream[last].name}: the manifest ends the stream with another")
        for one in (stream[number] for number in sure):
            was = stream.get(one.number - 1)
            if one.number == 1 and one.said["previous"] != "0" * 64:
                faults.append(f"{one.name}: the first of its stream follows something")
            if was and was.leaf >= 0 and one.said["previous"] != was.digest:
                faults.append(f"{one.name}: it does not continue the bytes of the one before it")
            if was and was.leaf >= 0 and one.said["time"] < was.said["time"]:
                faults.append(f"{one.name}: its time is before that of the one before it")


# -- what it says ---------------------------------------------------------------------------------


def tell(events: list[Event]) -> list[str]:
    """Every step: its number, when, what, by whom, what led to it and why."""
    steps = {one.said["id"]: f"step {at}" for at, one in enumerate(events, 1)}
    told = ["", "STEPS: when, what, by whom <- what led to it (reason)"]
    for at, one in enumerate(events, 1):
        said, reason = one.said, one.said["data"].get("reason")
        line = f"{at:5}  {said['time']}  {said['type']:28} {said['actor']} <- "
        line += steps.get(said["causationid"], said["causationid"])
        line += f" ({reason})" if isinstance(reason, str) else ""
        told.append(line if one.leaf >= 0 else line + "  NOT PROVEN")
    return told


def promises(events: list[Event]) -> list[str]:
    """Each promise: when it began and was due, what became of it, and what corrected that."""
    table: dict[tuple[str, ...], dict[str, Any]] = {}
    for said in (one.said for one in events if one.leaf >= 0):
        kind, data = said["type"].rpartition(".v")[0], said["data"]
        many = {"clock": [data], "clocks": data.get("clocks", [])}.get(kind.partition(".")[0], [])
        for one in many:
            ref = (said["subject"], one["clock"], one["instance"], f"({one['started_in']})")
            row = table.setdefault(ref, {"from": "?", "due": "?", "is": "running"})
            row["from"] = one.get("clock_from", row["from"])
            row["due"] = one.get("due", one.get("due_at", row["due"])) or "not known yet"
            verdict = {"clock.met": "met", "clock.breached": "breached"}.get(kind, one.get("now"))
            named = {"met": f"KEPT at {one.get('at')}", "breached": "BROKEN", None: row["is"]}
            row["is"] = named.get(verdict, verdict)
            if kind == "clock.corrected":
                row["is"] += f" (corrected at {said['time']}: it was {one['was']})"
            elif kind in ("clocks.paused", "clocks.cancelled", "clocks.rescheduled"):
                row["is"] = f"{kind[7:]} since {data['since']} ({data['reason']})"
    told = ["", "PROMISES: complaint, promise (begun in cycle), from, due: what became of it"]
    for which, row in sorted(table.items()):
        told.append("  ".join([*filter(None, which), row["from"], f"{row['due']}: {row['is']}"]))
    return told


def verify(data: bytes, trusted: str | None = None) -> tuple[list[str], list[str]]:
    """(what it says, what is wrong with it); raises NoBundle."""
    faults: list[str] = []
    files = read_files(data, faults)
    key = read_key(trusted or files["key.txt"].decode())
    if trusted and files["key.txt"] != trusted.strip().encode() + b"\n":
        faults.append("key.txt: it is not the key that you trust")
    manifest = check_manifest(files, key, faults)
    tree = check_checkpoint(files["checkpoint.txt"], key, faults)
    try:
        proofs = read_json(files["proofs.json"])
        if [*map(type, (proofs, proofs["events"], proofs["policies"]))] != [dict] * 3:
            raise TypeError
    except (ValueError, KeyError, TypeError):
        raise NoBundle("proofs.json cannot be read as proofs") from None
    events, wrong = check_events("events.jsonl", files["events.jsonl"], proofs["events"], tree)
    more = check_events("policies.jsonl", files["policies.jsonl"], proofs["policies"], tree)
    faults += wrong + more[1]
    check_chains(events, manifest, faults)
    about = json.dumps(manifest["about"]) if manifest else "what nobody signed"
    told = [f"It speaks of {about}; the log was {tree[2] if tree else 'not sealed by this key'}."]
    return [*told, *tell(events), *promises(events), ""], faults


def shown(line: str) -> str:
    """A line that moves no cursor and hides nothing: all but plain ASCII is escaped."""
    return re.sub(r"[^ -\[\]-~]", lambda found: ascii(found.group())[1:-1], line[:500])


def main(arguments: list[str]) -> int:
    """The command; see the top of this file."""
    if len(arguments) not in (1, 2):
        sys.stderr.write(__doc__ or "")
        return 2
    trusted = arguments[1] if len(arguments) == 2 else None
    try:
        if trusted and "+" not in trusted:
            trusted = Path(trusted).read_text("ascii").partition("\n")[0]
        with Path(arguments[0]).open("rb") as file:
            data = file.read(BYTES_MAX + 1)
        if len(data) > BYTES_MAX:
            raise NoBundle("it is larger than any bundle")
        told, faults = verify(data, trusted)
    except Exception as error:  # noqa: BLE001 - whatever it holds, a clear line and an exit code
        kind = "" if isinstance(error, NoBundle) else f"{type(error).__name__}: "
        sys.stdout.write(shown(f"NO BUNDLE: {kind}{error}") + "\n")
        return 2
    told += [f"WRONG  {fault}" for fault in faults]
    if not trusted:
        told.append("The key came from the bundle itself: compare key.txt with yours.")
    holds = "ALL HOLDS" if trusted else "ALL HOLDS, IF THAT IS THE KEY"
    told.append(f"{len(faults)} WRONG" if faults else holds)
    sys.stdout.write("".join(shown(line) + "\n" for line in told))
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
