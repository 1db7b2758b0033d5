"""Puts an evidence bundle together: the same input gives the same bytes, on any machine.

What goes in was read before; nothing here asks a clock, a database or chance. Files are stored
uncompressed and dated 1980, for neither a compressor's version nor a time may change the bytes.
"""

import json
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import Any, Protocol
from zipfile import ZIP_STORED, ZipFile, ZipInfo

from services.audit.evidence.page import Row, Told, page

HERE = Path(__file__).parent
SHIPPED = ("HOWTO.txt", "verify_bundle.py")
SIGNED_FIRST = b"bihuan bundle\n"
EPOCH = (1980, 1, 1, 0, 0, 0)
FORMAT = "bihuan-bundle-2"
BYTES_MAX = 2**30
"""The verifier reads no more."""


class TooLarge(ValueError):
    """These events make a bundle that nobody could check; the message says how large."""


class Signer(Protocol):
    """Whoever holds the log's key."""

    def sign_bytes(self, data: bytes) -> bytes:
        """Ed25519, 64 bytes."""


@dataclass(frozen=True, slots=True)
class Proven:
    """One event's bytes, the leaf it is, and the path from there to the root; one line."""

    state: bytes
    index: int
    path: Sequence[bytes]


@dataclass(frozen=True, slots=True)
class Content:
    """Everything that goes into a bundle."""

    about: Mapping[str, Any]
    whole: bool
    """Every stream begins with its first event (a complaint's bundle); else it is a stretch."""
    note: str
    key: str
    events: Sequence[Proven]
    """By the number of their leaf: the log's order within each complaint."""
    policies: Sequence[Proven]
    heads: Sequence[Mapping[str, Any]]
    """Of each stream: source, subject, `first` and last number (`sequence`), the last's digest."""
    steps: Sequence[Told] = ()
    promises: Sequence[Row] = ()
    harmed: int = 0
    """How many of the events are not as they were sealed."""
    opened: Mapping[str, str | None] | None = None
    """Token -> what was sealed (None: it does not open any more); None: a sealed bundle."""


def assemble(content: Content, signer: Signer) -> bytes:
    """The bundle as one zip file; raises TooLarge."""
    files = {
        "events.jsonl": _lines(content.events),
        "policies.jsonl": _lines(content.policies),
        "proofs.json": _json(
            {"events": _proofs(content.events), "policies": _proofs(content.policies)}
        ),
        "checkpoint.txt": content.note.encode(),
        "key.txt": f"{content.key}\n".encode(),
        "page.html": page(
            content.about, content.steps, content.promises, len(content.events)
        ).encode(errors="backslashreplace"),
        **{name: (HERE / name).read_bytes() for name in SHIPPED},
    }
    if content.opened is not None:
        files["opened.json"] = _json(content.opened)
    manifest = _json(
        {
            "format": FORMAT,
            "about": content.about,
            "variant": "sealed" if content.opened is None else "opened",
            "whole": content.whole,
            "events": len(content.events),
            "heads": list(content.heads),
            "files": {name: sha256(data).hexdigest() for name, data in sorted(files.items())},
        }
    )
    signature = signer.sign_bytes(SIGNED_FIRST + manifest)
    made = _zip({**files, "manifest.json": manifest, "manifest.sig": b64encode(signature)})
    if len(made) > BYTES_MAX:
        raise TooLarge(f"{len(made):,} bytes; a bundle has at most {BYTES_MAX:,}")
    return made


def _lines(events: Sequence[Proven]) -> bytes:
    return b"".join(one.state + b"\n" for one in events)


def _proofs(events: Sequence[Proven]) -> dict[str, Any]:
    """By the digest of the line that each is about, so that a line taken out harms no other."""
    return {
        sha256(one.state).hexdigest(): {
            "index": one.index,
            "path": [step.hex() for step in one.path],
        }
        for one in events
    }


def _json(content: Any) -> bytes:
    return (json.dumps(content, ensure_ascii=False, indent=1, sort_keys=True) + "\n").encode()


def _zip(files: Mapping[str, bytes]) -> bytes:
    out = BytesIO()
    with ZipFile(out, "w", ZIP_STORED) as bundle:
        for name, data in sorted(files.items()):
            entry = ZipInfo(name, EPOCH)
            entry.create_system = 3
            entry.external_attr = 0o644 << 16
            bundle.writestr(entry, data)
    return out.getvalue()
