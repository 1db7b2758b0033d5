"""Ways to tamper with a bundle, each with the events that it harms. Shares nothing with a verifier.

An act is (name, bytes of the file, the events that must be named or None where it harms none).
Zip files are written here by Python's own library, and taken apart by its directory.
"""

import base64
import io
import json
import random
import struct
import zipfile
from collections.abc import Callable, Iterator
from hashlib import sha256
from typing import Any, NamedTuple

Files = dict[str, bytes]
Name = tuple[str, str, int]
Sign = Callable[[bytes], bytes]
"""The operator's own signature under a manifest, for what only an operator can do."""


class Act(NamedTuple):
    name: str
    data: bytes
    harmed: frozenset[Name] | None = None
    """Named, all of them and nobody else; None: it is about no event."""


def opened(data: bytes) -> Files:
    with zipfile.ZipFile(io.BytesIO(data)) as file:
        return {name: file.read(name) for name in file.namelist()}


def entry(name: str, method: int = zipfile.ZIP_STORED) -> zipfile.ZipInfo:
    made = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
    made.create_system, made.external_attr, made.compress_type = 3, 0o644 << 16, method
    return made


def zipped(files: Files, order: Callable[[str], Any] = str, **methods: int) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as file:
        for name in sorted(files, key=order):
            file.writestr(entry(name, methods.get(name.partition(".")[0], 0)), files[name])
    return out.getvalue()


def directory(data: bytes) -> tuple[int, list[int], list[int]]:
    """Where the end record, the central headers and the local headers begin."""
    end = data.rindex(b"PK\5\6")
    count, at = struct.unpack_from("<H4xI", data, end + 10)
    central, local = [], []
    for _ in range(count):
        central.append(at)
        name, extra, comment = struct.unpack_from("<3H", data, at + 28)
        local.append(struct.unpack_from("<I", data, at + 42)[0])
        at += 46 + name + extra + comment
    return end, central, local


def put(data: bytes, at: int, form: str, *values: int) -> bytes:
    packed = struct.pack(form, *values)
    return data[:at] + packed + data[at + len(packed) :]


# -- how it is packed -----------------------------------------------------------------------------


def packings(true: bytes) -> Iterator[Act]:
    """Bytes around, between and in the headers; the files themselves stay as they are."""
    end, central, local = directory(true)
    for junk in (b"\0", b"\n", b"#!/bin/sh\nexit 0\n", b"PK", b"PK\3\4", true, bytes(5_000)):
        yield Act(f"{junk[:4]!r} before", junk + true)
        yield Act(f"{junk[:4]!r} after", true + junk)
        yield Act(f"{junk[:4]!r} as a comment", put(true, end + 20, "<H", len(junk) % 2**16) + junk)
        yield Act(
            f"{junk[:4]!r} before the directory", true[: central[0]] + junk + true[central[0] :]
        )
    for number, (one, there) in enumerate(zip(central, local, strict=True)):
        if number % 3:
            continue
        for at in (4, 5, 6, 8, 10, 12, 14, 16, 20, 24, 28, 30, 32, 34, 36, 38, 42):
            yield Act(f"central {number} byte {at}", put(true, one + at, "<B", true[one + at] ^ 1))
        for at in (4, 6, 8, 10, 12, 14, 18, 22, 26, 28):
            yield Act(
                f"local {number} byte {at}", put(true, there + at, "<B", true[there + at] ^ 1)
            )
    yield from other_forms(true)


def other_forms(true: bytes) -> Iterator[Act]:
    """Compressed, encrypted, cut off, with a file more, less, twice or hidden."""
    files, (end, central, local) = opened(true), directory(true)
    for at in (0, 4, 6, 8, 10, 12, 16, 20):
        yield Act(f"end byte {at}", put(true, end + at, "<B", true[end + at] ^ 2))
    for method in (1, 8, 9, 12, 14, 93, 98, 99, 65535):
        both = put(put(true, local[1] + 8, "<H", method), central[1] + 10, "<H", method)
        yield Act(f"compression method {method}", both)
    for flag in (1, 8, 64, 2048, 8192):
        yield Act(
            f"flag {flag}", put(put(true, local[2] + 6, "<H", flag), central[2] + 8, "<H", flag)
        )
    for size in (0, 2**31, 2**32 - 1):
        both = put(put(true, local[2] + 18, "<2I", size, size), central[2] + 20, "<2I", size, size)
        yield Act(f"a file of {size} bytes", both)
    for method in (zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
        yield Act(f"compressed {method}", zipped(files, events=method))
        yield Act(f"a bomb {method}", zipped({**files, "page.html": bytes(10**7)}, page=method))
    yield Act("another order", zipped(files, order=lambda name: name[::-1]))
    yield Act("folders", zipped({f"x/{name}": data for name, data in files.items()}))
    for name in (
        "more.txt",
        "../more",
        "EVENTS.JSONL",
        "events.jsonl ",
        "\u202elnosj.stneve",
        "x" * 60_000,
    ):
        yield Act(f"one more: {name[:20]!a}", zipped({**files, name: b"x"}))
    yield Act("one twice", twice(true, files))
    yield Act("a hidden one", hidden(true))
    for extra in (b"\x99\x99\0\0", b"\1\0\x10\0" + bytes(16), b"ux"):
        yield Act(f"extra {extra[:2]!r}", with_extra(files, extra))
    for cut in range(0, len(true), len(true) // 37):
        yield Act(f"cut off at {cut}", true[:cut])
    for junk in (b"", b"\0" * 100, b"PK\5\6" + bytes(18), b"{}", b"\x1f\x8b\x08" + bytes(20)):
        yield Act(f"no zip: {junk[:3]!r}", junk)
    for name in files:
        yield Act(f"without {name}", zipped({one: files[one] for one in files if one != name}))


def twice(true: bytes, files: Files) -> bytes:
    """The first `events.jsonl` is another than the last; readers differ in which they take."""
    out = io.BytesIO(true)
    with zipfile.ZipFile(out, "a") as file:
        file.fp.seek(file.start_dir)  # type: ignore[attr-defined]
        file.NameToInfo.clear()
        file.writestr(entry("events.jsonl"), files["events.jsonl"].replace(b"8812", b"8813"))
    return out.getvalue()


def hidden(true: bytes) -> bytes:
    """A file that no directory lists, before the directory."""
    end, (first, *_), _ = directory(true)
    other = zipped({"events.jsonl": b"{}\n"})
    local = other[: directory(other)[1][0]]
    return put(true[:first] + local + true[first:], end + len(local) + 16, "<I", first + len(local))


def with_extra(files: Files, extra: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as file:
        for name in sorted(files):
            one = entry(name)
            one.extra = extra if name == "key.txt" else b""
            file.writestr(one, files[name])
    return out.getvalue()


# -- what is signed -------------------------------------------------------------------------------

ORDER = 2**252 + 27742317777372353535851937790883648493


def signatures(true: bytes) -> Iterator[Act]:
    """The manifest, its signature, the checkpoint and the key, in other forms."""
    files = opened(true)
    kept = files["manifest.sig"]
    raw = base64.b64decode(kept)
    more = int.from_bytes(raw[32:], "little") + ORDER
    last = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    forms = {
        "a line end": kept + b"\n",
        "spaces": b" " + kept,
        "a space inside": kept[:40] + b" " + kept[40:],
        "wrapped": kept[:44] + b"\n" + kept[44:],
        "junk that base64 skips": kept[:10] + b"!?*" + kept[10:],
        "a NUL": kept + b"\0",
        "more behind the padding": kept + b"AAAA",
        "without padding": kept.rstrip(b"="),
        "loose bits": kept[:-3] + last[last.index(kept[-3:-2]) + 1 :][:1] + kept[-2:],
        "of the web": kept.replace(b"+", b"-").replace(b"/", b"_") + b"=",
        "hex": raw.hex().encode(),
        "raw": raw,
        "none": b"",
        "twice": kept + kept,
        "reshaped": base64.b64encode(raw[:32] + more.to_bytes(32, "little")),
        "R with its sign turned": base64.b64encode(raw[:31] + bytes([raw[31] ^ 128]) + raw[32:]),
        "zeros": base64.b64encode(bytes(64)),
        "the point one": base64.b64encode(b"\1" + bytes(63)),
        "not ASCII": kept + "\u2003".encode(),
    }
    for form, data in forms.items():
        yield Act(f"manifest.sig: {form}", zipped({**files, "manifest.sig": data}))
    text = files["manifest.json"]
    for form, data in {
        "a space": text + b" ",
        "compact": json.dumps(json.loads(text)).encode(),
        "a field twice": text.replace(b'"events":', b'"events": 1,\n "events":', 1),
        "nested deep": b"[" * 200_000,
        "nested deep and closed": b'{"a":' * 50_000 + b"1" + b"}" * 50_000,
        "NaN": text.replace(b'"whole": ', b'"whole": NaN, "x": ', 1),
        "1e400": text.replace(b'"whole": ', b'"whole": 1e400, "x": ', 1),
        "a long number": b'{"events": ' + b"9" * 50_000 + b"}",
        "UTF-16": text.decode().encode("utf-16"),
        "a mark": b"\xef\xbb\xbf" + text,
        "no JSON": b"\xff\xfe",
        "empty": b"",
        "another list": b"[]",
    }.items():
        yield Act(f"manifest.json: {form}", zipped({**files, "manifest.json": data}))
    note = files["checkpoint.txt"]
    lines = note.split(b"\n")
    for form, data in {
        "a size": note.replace(lines[1], b"%d" % (int(lines[1]) + 1), 1),
        "a root": note.replace(lines[2], base64.b64encode(bytes(32)), 1),
        "a time": note.replace(b"sealed 2025", b"sealed 2024", 1),
        "a second signature": note + lines[-2] + b"\n",
        "a line end": note + b"\n",
        "no line end": note[:-1],
        "CRLF": note.replace(b"\n", b"\r\n"),
        "another log": note.replace(b"bihuan/audit", b"bihuan/auditx"),
        "no blank line": note.replace(b"\n\n", b"\n"),
        "a signature in other bits": note[:-3] + b"B" + note[-2:],
        "a space": note.replace(b"\n\n", b" \n\n", 1),
        "empty": b"",
        "not text": b"\xff\xfe\n\n\xff",
    }.items():
        yield Act(f"checkpoint.txt: {form}", zipped({**files, "checkpoint.txt": data}))
        yield Act(
            f"checkpoint.txt, listed: {form}", zipped(listed({**files, "checkpoint.txt": data}))
        )
    for form, data in {"a space": b" ", "two": files["key.txt"], "not ASCII": b"\xff"}.items():
        yield Act(f"key.txt: {form}", zipped({**files, "key.txt": files["key.txt"] + data}))
    for name in ("page.html", "HOWTO.txt", "verify_bundle.py", "opened.json", "proofs.json"):
        changed = files.get(name, b"") + b" "
        yield Act(f"{name}: a space", zipped({**files, name: changed}))
        yield Act(f"{name}: a space, listed", zipped(listed({**files, name: changed})))
    if "opened.json" in files:
        other = files["opened.json"].replace("漫游".encode(), "宽带".encode())
        yield Act("opened.json: another text", zipped({**files, "opened.json": other}))


def listed(files: Files, sign: Sign | None = None) -> Files:
    """The manifest's digests made to fit; signed anew only by who can."""
    manifest = json.loads(files["manifest.json"])
    manifest["files"] = {
        name: sha256(data).hexdigest() for name, data in files.items() if "manifest" not in name
    }
    text = (json.dumps(manifest, ensure_ascii=False, indent=1, sort_keys=True) + "\n").encode()
    return {**files, "manifest.json": text} | ({"manifest.sig": sign(text)} if sign else {})


# -- the events -----------------------------------------------------------------------------------


def name_of(line: bytes) -> Name:
    event = json.loads(line)
    return event["source"], event["subject"], int(event["sequence"])


def events(true: bytes, dice: random.Random, sign: Sign) -> Iterator[Act]:
    """Lines changed, moved, taken out and put in; as found, and with the manifest made to fit."""
    files = opened(true)
    lines = files["events.jsonl"].split(b"\n")[:-1]

    def act(
        name: str, changed: list[bytes], *harmed: int, file: str = "events.jsonl"
    ) -> Iterator[Act]:
        data = {**files, file: b"".join(line + b"\n" for line in changed)}
        names = frozenset(name_of(lines[one]) for one in harmed)
        yield Act(name, zipped(data), names)
        yield Act(f"{name}, signed by the operator", zipped(listed(data, sign)), names)
        yield Act(f"{name}, listed", zipped(listed(data)))

    every = range(len(lines))
    for at in (0, len(lines) - 1, *dice.sample(every, 5)):
        yield from act(f"line {at} gone", lines[:at] + lines[at + 1 :], at)
        yield from act(f"line {at} twice", [*lines[: at + 1], *lines[at:]], at)
    for at in dice.sample(every, 8):
        line = lines[at]
        for name, new in {
            "a time": line.replace(b'"time":"2025', b'"time":"2024', 1),
            "an actor": line.replace(b"agent:8812", b"agent:8813"),
            "a space": line[:-1] + b" }",
            "spaced": json.dumps(json.loads(line)).encode(),
            "a field twice": line[:-1] + b',"actor":"agent:1"}',
            "CR": line + b"\r",
        }.items():
            yield from act(f"line {at}: {name}", [*lines[:at], new, *lines[at + 1 :]], at)
    at = dice.choice(every)
    for name, new in broken(lines[at]).items():
        yield from act(f"line {at}: {name}", [*lines[:at], new, *lines[at + 1 :]], at)
    at = dice.randrange(len(lines) - 1)
    swapped = [*lines[:at], lines[at + 1], lines[at], *lines[at + 2 :]]
    yield from act(f"lines {at} and {at + 1} swapped", swapped)
    yield from act("the last first", [lines[-1], *lines[:-1]])
    yield from act("the other way round", lines[::-1])
    for name, more in invented(lines[at]).items():
        data = {**files, "events.jsonl": b"\n".join([*lines, more]) + b"\n"}
        yield Act(f"put in: {name}", zipped(listed(data, sign)), frozenset({name_of(more)}))
    yield Act("nothing", zipped({**files, "events.jsonl": b""}))
    yield Act("the last line unended", zipped({**files, "events.jsonl": b"\n".join(lines)}))
    yield Act("blank lines", zipped({**files, "events.jsonl": b"\n\n".join(lines) + b"\n"}))
    yield Act("CRLF", zipped({**files, "events.jsonl": b"\r\n".join(lines) + b"\n"}))


def broken(line: bytes) -> dict[str, bytes]:
    """What a reader could stumble over."""
    return {
        "nested deep": line.replace(b'"data":', b'"data":' + b"[" * 100_000, 1),
        "nested deep and closed": line[:-1] + b',"x":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        "1e400": line[:-1] + b',"x":1e400}',
        "-1e400": line[:-1] + b',"x":-1e400}',
        "NaN": line[:-1] + b',"x":NaN}',
        "Infinity": line[:-1] + b',"x":-Infinity}',
        "a long number": line[:-1] + b',"x":' + b"1" * 100_000 + b"}",
        "a lone surrogate": line.replace(b"agent:8812", rb"\ud800"),
        "bytes of a surrogate": line.replace(b"agent:8812", b"\xed\xa0\x80"),
        "not UTF-8": line.replace(b"agent:8812", b"\xff\xfe"),
        "an escape": line.replace(b"agent:8812", rb"\u001b[2J\u001b[1;31mALL HOLDS"),
        "lines of its own": line.replace(b"agent:8812", rb"x\nALL HOLDS\n"),
        "a direction": line.replace(b"agent:8812", "\u202e2188:tnega\u2066".encode()),
        "a bell raw": line.replace(b"agent:8812", b"\x07\x9b2J"),
        "no object": b"[1]",
        "no data": line.replace(b'"data":', b'"date":', 1),
        "another data": line.replace(b'"data":', b'"data":[],"date":', 1),
        "no actor": line.replace(b'"actor":', b'"actress":', 1),
        "an actor that is none": line.replace(b'"agent:8812"', b"{}", 1),
        "empty": b"",
        "a null": b"null",
        "cut in two": line[:100] + b"\n" + line[100:],
        "very long": line.replace(b"agent:8812", b"x" * 500_000),
    }


def invented(line: bytes) -> dict[str, bytes]:
    """Events that nobody recorded."""
    event = json.loads(line)
    changes: dict[str, dict[str, Any]] = {
        "a far number": {"sequence": str(10**17)},
        "a foreign stream": {"subject": "11111111-1111-5111-8111-111111111111", "sequence": "1"},
        "a foreign source": {"source": "/bihuan/elsewhere"},
    }
    return {
        name: json.dumps({**event, **change}, separators=(",", ":")).encode()
        for name, change in changes.items()
    }


# -- proofs and policies --------------------------------------------------------------------------


def proofs(true: bytes, dice: random.Random, sign: Sign) -> Iterator[Act]:
    """Another index, another path, a proof less or more: the event is named that it was of."""
    files = opened(true)
    lines = files["events.jsonl"].split(b"\n")[:-1]
    true_proofs = json.loads(files["proofs.json"])
    for line in dice.sample(lines, 4):
        digest = sha256(line).hexdigest()
        one = true_proofs["events"][digest]
        for name, other in {
            "another index": {**one, "index": one["index"] + 1},
            "an index that is none": {**one, "index": "x"},
            "a huge index": {**one, "index": 10**18},
            "an index below": {**one, "index": -1},
            "no index": {"path": one["path"]},
            "a path cut": {**one, "path": one["path"][:-1]},
            "a path longer": {**one, "path": [*one["path"], "00" * 32]},
            "a path changed": {**one, "path": ["00" * 32, *one["path"][1:]]},
            "a path that is none": {**one, "path": [1, None]},
            "no hex": {**one, "path": ["zz"]},
            "none": None,
            "a list": [],
        }.items():
            changed = {**true_proofs, "events": {**true_proofs["events"], digest: other}}
            data = {**files, "proofs.json": json.dumps(changed).encode()}
            harmed = frozenset({name_of(line)})
            yield Act(f"proof: {name}", zipped(data), harmed)
            yield Act(f"proof: {name}, signed by the operator", zipped(listed(data, sign)), harmed)
        left = {key: one for key, one in true_proofs["events"].items() if key != digest}
        data = {**files, "proofs.json": json.dumps({**true_proofs, "events": left}).encode()}
        yield Act("proof gone", zipped(listed(data, sign)), frozenset({name_of(line)}))
    for name, text in {
        "another list": b"[]",
        "none": b"",
        "lists": b'{"events": [], "policies": []}',
        "nested": b"[" * 100_000,
        "a proof more": files["proofs.json"].replace(b'"events": {', b'"events": {"ff": {},', 1),
    }.items():
        yield Act(f"proofs: {name}", zipped({**files, "proofs.json": text}))
        yield Act(f"proofs: {name}, signed", zipped(listed({**files, "proofs.json": text}, sign)))


def policies(true: bytes, sign: Sign) -> Iterator[Act]:
    """A policy or a calendar that was followed, changed or taken out."""
    files = opened(true)
    lines = files["policies.jsonl"].split(b"\n")[:-1]
    for at, line in enumerate(lines):
        rest = [*lines[:at], *lines[at + 1 :]]
        changed = line.replace(b"2025", b"2024", 1)
        for name, new, harmed in (
            ("gone", rest, None),
            ("changed", [*lines[:at], changed, *lines[at + 1 :]], frozenset({name_of(line)})),
            ("twice", [*lines, line], frozenset({name_of(line)})),
        ):
            data = {**files, "policies.jsonl": b"".join(one + b"\n" for one in new)}
            yield Act(f"policy {at} {name}", zipped(data), harmed)
            yield Act(f"policy {at} {name}, signed", zipped(listed(data, sign)), harmed)
