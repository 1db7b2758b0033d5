"""A checkpoint: what the log was at an instant, in a few lines that are signed and shown around.

Its text is a C2SP tlog-checkpoint in a signed note: the log's name, the tree's size and root, and
in further lines the time, the checkpoint before and each partition. The same fields stand in
`checkpoint.sealed`, so that the text can be written again from the event, byte for byte.
"""

import re
from base64 import b64decode, b64encode, urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

from contracts.housekeeping import CheckpointSealed, PartitionDigest
from libs.decider import Command, Conflict, Context, Decider, Recorded, State
from libs.decider.decider import wire_instant

SUBJECT = "audit"
"""The stream of checkpoints has this subject."""

ED25519 = b"\x01"
"""How a signed note calls this algorithm."""

TEXT_BYTES_MAX = 1024 * 1024
SIGNATURE_MARK = "\N{EM DASH} "


class NotACheckpoint(ValueError):
    """This text is no checkpoint of ours; the message says which line."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """How much of a partition was accepted, and its running digest."""

    partition: int
    records: int
    digest: bytes


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What is signed."""

    origin: str
    size: int
    root: bytes
    sealed_at: datetime
    previous_size: int
    previous_root: bytes | None
    streams: int
    """How many streams grew since the checkpoint before."""
    partitions: tuple[Accepted, ...]

    def text(self) -> str:
        """The lines that are signed, each with its newline."""
        lines = [self.origin, str(self.size), _base64(self.root)]
        lines.append(f"sealed {wire_instant(self.sealed_at)}")
        if self.previous_root is not None:
            lines.append(f"previous {self.previous_size} {_base64(self.previous_root)}")
        lines.append(f"streams {self.streams}")
        lines += [
            f"partition {one.partition} {one.records} {_base64(one.digest)}"
            for one in self.partitions
        ]
        return "".join(f"{line}\n" for line in lines)


@dataclass(frozen=True, slots=True)
class Signed:
    """A checkpoint with the signature somebody put under it; not checked yet."""

    checkpoint: Checkpoint
    key_id: bytes
    signature: bytes

    def note(self) -> str:
        """The signed note: the text, a blank line, the signature."""
        mark = f"{SIGNATURE_MARK}{self.checkpoint.origin} {_base64(self.key_id + self.signature)}\n"
        return f"{self.checkpoint.text()}\n{mark}"


def key_id(origin: str, public_key: bytes) -> bytes:
    """The four bytes by which a signed note names its key."""
    return sha256(origin.encode() + b"\n" + ED25519 + public_key).digest()[:4]


def verifier_key(origin: str, public_key: bytes) -> str:
    """The public key as signed notes publish it: name, id and key in one line."""
    return f"{origin}+{key_id(origin, public_key).hex()}+{_base64(ED25519 + public_key)}"


def read_verifier_key(text: str) -> tuple[str, bytes]:
    """(name, public key) of such a line; raises NotACheckpoint."""
    match = re.fullmatch(r"([!-*,-~]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/]+={0,2})", text.strip())
    key = _unbase64(match[3], 33, "the key") if match else b""
    if match is None or key[:1] != ED25519 or key_id(match[1], key[1:]).hex() != match[2]:
        raise NotACheckpoint("this is no verifier key: <name>+<id>+<base64>")
    return match[1], key[1:]


_SEALED = re.compile(r"sealed (\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6})Z")
_PREVIOUS = re.compile(r"previous (\d{1,18}) (\S+)")
_STREAMS = re.compile(r"streams (\d{1,18})")
_PARTITION = re.compile(r"partition (\d{1,4}) (\d{1,18}) (\S+)")
_NUMBER = re.compile(r"0|[1-9]\d{0,17}")


def read_note(note: str) -> Signed:
    """A signed note as `Signed.note` writes it; raises NotACheckpoint."""
    if len(note) > TEXT_BYTES_MAX:
        raise NotACheckpoint("it is far too long for a checkpoint")
    body, blank, end = note.partition("\n\n")
    lines = body.split("\n")
    if not blank or len(lines) < 5 or not _NUMBER.fullmatch(lines[1]):
        raise NotACheckpoint("a checkpoint has a name, a size, a root, then a blank line")
    sealed, rest = _SEALED.fullmatch(lines[3]), lines[4:]
    previous = _PREVIOUS.fullmatch(rest[0])
    rest = rest[1:] if previous else rest
    streams = _STREAMS.fullmatch(rest[0]) if rest else None
    if sealed is None or streams is None:
        raise NotACheckpoint("after the root come `sealed`, `previous` and `streams`")
    checkpoint = Checkpoint(
        origin=lines[0],
        size=int(lines[1]),
        root=_unbase64(lines[2], 32, "the root"),
        sealed_at=_instant(sealed[1]),
        previous_size=int(previous[1]) if previous else 0,
        previous_root=_unbase64(previous[2], 32, "the root before") if previous else None,
        streams=int(streams[1]),
        partitions=tuple(_partition(line) for line in rest[1:]),
    )
    mark, _, more = end.partition("\n")
    prefix = f"{SIGNATURE_MARK}{lines[0]} "
    if not mark.startswith(prefix):
        raise NotACheckpoint("the first signature is not by the log itself")
    signed = _unbase64(mark.removeprefix(prefix), 68, "the signature")
    result = Signed(checkpoint, signed[:4], signed[4:])
    if result.note() + more != note:
        raise NotACheckpoint("it is not written as a checkpoint is")
    return result


def _partition(line: str) -> Accepted:
    match = _PARTITION.fullmatch(line)
    if match is None:
        raise NotACheckpoint(
            "a line after `streams` is not `partition <number> <records> <digest>`"
        )
    return Accepted(int(match[1]), int(match[2]), _unbase64(match[3], 32, "a partition's digest"))


def _instant(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text).replace(tzinfo=UTC)
    except ValueError:
        raise NotACheckpoint("its time is none") from None


def _base64(data: bytes) -> str:
    return b64encode(data).decode()


def _unbase64(text: str, length: int, what: str) -> bytes:
    try:
        data = b64decode(text, validate=True)
    except ValueError:
        data = b""
    if len(data) != length:
        raise NotACheckpoint(f"{what} is not base64 of {length} bytes")
    return data


# -- as an event ----------------------------------------------------------------------------------


def event_of(checkpoint: Checkpoint, public_key: bytes, signature: bytes) -> CheckpointSealed:
    """The event that says it."""
    previous = checkpoint.previous_root
    return CheckpointSealed(
        origin=checkpoint.origin,
        size=checkpoint.size,
        root=checkpoint.root.hex(),
        sealed_at=checkpoint.sealed_at,
        previous_size=checkpoint.previous_size,
        previous_root=None if previous is None else previous.hex(),
        heads_changed=checkpoint.streams,
        partitions=tuple(
            PartitionDigest(partition=one.partition, records=one.records, digest=one.digest.hex())
            for one in checkpoint.partitions
        ),
        public_key=_url(public_key),
        signature=_url(signature),
    )


def signed_of(event: CheckpointSealed) -> Signed:
    """The note of an event."""
    checkpoint = Checkpoint(
        origin=event.origin,
        size=event.size,
        root=bytes.fromhex(event.root),
        sealed_at=event.sealed_at,
        previous_size=event.previous_size,
        previous_root=None if event.previous_root is None else bytes.fromhex(event.previous_root),
        streams=event.heads_changed,
        partitions=tuple(
            Accepted(one.partition, one.records, bytes.fromhex(one.digest))
            for one in event.partitions
        ),
    )
    public_key = public_key_of(event)
    return Signed(checkpoint, key_id(event.origin, public_key), _unurl(event.signature))


def public_key_of(event: CheckpointSealed) -> bytes:
    """The key that an event says it was signed with."""
    return _unurl(event.public_key)


def _url(data: bytes) -> str:
    return urlsafe_b64encode(data).decode().rstrip("=")


def _unurl(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


# -- the stream -----------------------------------------------------------------------------------


class Seal(Command):
    """Put this checkpoint on record behind the one before."""

    checkpoint: CheckpointSealed


class Superseded(Conflict):
    """Another checkpoint was sealed meanwhile; begin again from that one."""

    rule = "checkpoint-superseded"
    zh = "其间已有新的检查点"


@dataclass(frozen=True, slots=True)
class Sealed(State):
    """The last checkpoint."""

    size: int
    root: str
    sealed_at: datetime


def decide(state: Sealed | None, command: Seal, _context: Context) -> Sequence[CheckpointSealed]:
    """Checkpoints follow each other: each names the one before, grows, and never goes back."""
    new = command.checkpoint
    size, root = (state.size, state.root) if state else (0, None)
    if (new.previous_size, new.previous_root) != (size, root):
        raise Superseded
    if new.size <= size or (state is not None and new.sealed_at < state.sealed_at):
        raise Superseded
    return [new]


def evolve(_state: Sealed | None, recorded: Recorded[Any]) -> Sealed:
    """The newest counts."""
    event: CheckpointSealed = recorded.data
    return Sealed(event.size, event.root, event.sealed_at)


CHECKPOINTS: Decider[Sealed] = Decider(
    kind="checkpoint",
    commands=(Seal,),
    events=(CheckpointSealed,),
    decide=decide,
    evolve=evolve,
    subject_is_id=False,
)


def next_mark(now: datetime, every: timedelta) -> datetime:
    """The next full hour (or whatever the interval is) after `now`."""
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    return epoch + ((now - epoch) // every + 1) * every
