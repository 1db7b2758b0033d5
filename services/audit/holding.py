"""The archive held against checkpoints: those on record, and one that somebody kept elsewhere.

The digests of the bytes that are there now, in the order that the checkpoints give them, must give
each root that was signed, and each partition's running digest. Where they do not, the list beside
an exported checkpoint names the events.
"""

from bisect import bisect_left
from collections.abc import Collection, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from tempfile import TemporaryFile
from typing import Any, Protocol

from psycopg import Connection

from contracts.housekeeping import CheckpointSealed, GapResolved
from libs.decider.decider import wire_instant
from libs.eventlog.envelope import Unreadable, decode
from services.audit.cold.records import Records
from services.audit.domain.chain import GENESIS, Fault, FaultKind
from services.audit.domain.checkpoint import (
    SUBJECT,
    Checkpoint,
    Signed,
    public_key_of,
    signed_of,
)
from services.audit.domain.leaves import Leaf, LeafList, LogPlace
from services.audit.domain.tree import HASH_BYTES, Frontier
from services.audit.signing import is_signed
from services.audit.tiles import STREAM, read_checkpoint

SOURCE = "/bihuan/audit"
UNKNOWN_MAX = 100_000
CHECKPOINTS_AT_ONCE = 100


@dataclass(frozen=True, slots=True)
class Exported:
    """A checkpoint as somebody kept it, and the list beside it if there is one."""

    signed: Signed
    leaves: LeafList | None = None


class Findings(Protocol):
    """Where faults go."""

    def add(self, *faults: Fault) -> None:
        """Takes them; several about one event become one."""


# -- event by event -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Seen:
    """A record that the list does not know."""

    partition: int
    place: LogPlace
    source: str
    subject: str
    sequence: int | None
    time: datetime | None


class Witness:
    """What a list says was there, beside what is."""

    def __init__(self, leaves: LeafList, sealed_at: datetime) -> None:
        self._runs = leaves.runs
        self._ends = {
            partition: (after, run[-1].place if run else after)
            for partition, (after, run) in leaves.runs.items()
        }
        self._sealed_at = sealed_at
        self._then = f"when {wire_instant(sealed_at)} was sealed"
        self._expected: dict[bytes, int] = {}
        for _, run in leaves.runs.values():
            for leaf in run:
                self._expected[leaf.digest] = self._expected.get(leaf.digest, 0) + 1
        self._found: dict[bytes, list[tuple[int, LogPlace]]] = {}
        self._unknown: list[_Seen] = []

    def see(self, digest: bytes, seen: tuple[Any, ...], findings: Findings) -> None:
        """A record that is there: digest of its bytes; place, name and time as it is filed."""
        if digest in self._expected:
            places = self._found.setdefault(digest, [])
            if len(places) == self._expected[digest]:
                one = _Seen(*seen)
                what = f"the same bytes stand a second time, at offset {one.place[1]}"
                findings.add(self._fault(FaultKind.ADDED, one, what))
            else:
                places.append((seen[0], seen[1]))
            return
        ends = self._ends.get(seen[0])
        if ends and ends[0] < seen[1] <= ends[1] and len(self._unknown) < UNKNOWN_MAX:
            self._unknown.append(_Seen(*seen))

    def settle(self, findings: Findings) -> None:
        """Once all was seen: what is missing, changed, added or elsewhere."""
        lost = self._lost()
        by_place = {(leaf.partition, leaf.place): leaf for leaf in lost}
        by_name = {(leaf.source, leaf.subject, leaf.sequence): leaf for leaf in lost}
        explained: set[int] = set()
        for one in self._unknown:
            leaf = by_name.get((one.source, one.subject, one.sequence)) or by_place.get(
                (one.partition, one.place)
            )
            if leaf is None or id(leaf) in explained:
                what = f"it was not there {self._then}"
                findings.add(self._fault(FaultKind.ADDED, one, what))
                continue
            explained.add(id(leaf))
            what = f"its bytes are not those that were there {self._then}"
            findings.add(self._fault(FaultKind.CHANGED, leaf, what))
        for leaf in lost:
            if id(leaf) not in explained:
                what = f"it was there {self._then} and is not there now"
                findings.add(self._fault(FaultKind.MISSING, leaf, what))
        for leaf in self._elsewhere():
            what = f"it does not stand where it stood {self._then}"
            findings.add(self._fault(FaultKind.SWAPPED, leaf, what))

    def _lost(self) -> list[Leaf]:
        left = {digest: len(places) for digest, places in self._found.items()}
        lost = []
        for _, run in self._runs.values():
            for leaf in run:
                if left.get(leaf.digest, 0):
                    left[leaf.digest] -= 1
                else:
                    lost.append(leaf)
        return lost

    def _elsewhere(self) -> Iterator[Leaf]:
        """Those that lie in another partition, or in another order than they did."""
        for partition, (_, run) in self._runs.items():
            here: list[Leaf] = []
            for leaf in run:
                found = self._found.get(leaf.digest, ())
                if len(found) == 1 and found[0][0] != partition:
                    yield leaf
                elif len(found) == 1:
                    here.append(leaf)
            places = [self._found[leaf.digest][0][1] for leaf in here]
            yield from (here[at] for at in displaced(places))

    def _fault(self, kind: FaultKind, one: Leaf | _Seen, what: str) -> Fault:
        return Fault(kind, one.source, one.subject, one.sequence, what, self._sealed_at)


def displaced(places: Sequence[LogPlace]) -> list[int]:
    """Which of these do not stand where the order of the others has them; none, when they rise.

    Two that stand in each other's place both; else as few as leave the others in order.
    """
    order = sorted(range(len(places)), key=places.__getitem__)
    stands = [0] * len(places)
    for at, one in enumerate(order):
        stands[one] = at
    swapped = {one for one, at in enumerate(stands) if at != one and stands[at] == one}
    rest = [one for one in range(len(places)) if one not in swapped]
    kept: list[int] = []
    before: dict[int, int | None] = {}
    for one in rest:
        at = bisect_left(kept, stands[one], key=stands.__getitem__)
        before[one] = kept[at - 1] if at else None
        kept[at : at + 1] = [one]
    rising: set[int] = set()
    last = kept[-1] if kept else None
    while last is not None:
        rising.add(last)
        last = before[last]
    return [one for one in range(len(places)) if one not in rising]


# -- roots ----------------------------------------------------------------------------------------


class Spool:
    """The digests of all bytes that are there, partition by partition, outside memory."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack
        self._files: dict[int, Any] = {}

    def writer(self, partition: int) -> Any:
        """Takes the digests of a partition in order: `write(digest)`."""
        file = self._stack.enter_context(TemporaryFile())  # noqa: SIM115 - the stack closes it
        self._files[partition] = file
        return file

    def rewind(self) -> None:
        """From here on they are read."""
        for file in self._files.values():
            file.seek(0)

    def read(self, partition: int, count: int) -> bytes:
        """The next so many digests of a partition, one after another; fewer at the end."""
        file = self._files.get(partition)
        return b"" if file is None else file.read(count * HASH_BYTES)


@dataclass(slots=True)
class Roots:
    """Makes every root again. `run` once the spool is full; `checkpoints` were looked at."""

    archived: Records
    spool: Spool
    findings: Findings
    trusted: Collection[bytes]
    exported: Exported | None
    checkpoints: int = 0
    held: bool = False
    """The exported checkpoint was met, and is that of this archive."""
    sound: dict[int, datetime] = field(default_factory=dict)
    """Partition -> when the last checkpoint was sealed that it still fits."""
    _frontier: Frontier = field(default_factory=Frontier)
    _had: dict[int, int] = field(default_factory=dict)
    _running: dict[int, bytes] = field(default_factory=dict)
    _spoilt: set[int] = field(default_factory=set)
    _broken: bool = False
    _last: Checkpoint | None = None
    """The last one that the archive gives."""
    _before: Checkpoint | None = None
    """The last one on record."""

    def run(self) -> None:
        """Every checkpoint on record, the exported one among them, oldest first."""
        outside = self.exported.signed if self.exported else None
        if outside is not None and not self._is_ours(outside, self.trusted):
            what = "the checkpoint that was given is not signed by a key of this log"
            self.findings.add(Fault(FaultKind.CHECKPOINT, SOURCE, SUBJECT, None, what))
            outside = None
        archived = self._archived()
        for number, state in self._recorded():
            event = self._read(number, state, archived.get(number))
            if event is None:
                continue
            signed = signed_of(event)
            if outside is not None and signed.checkpoint.size >= outside.checkpoint.size:
                self._outside(outside, signed)
                outside = None
            self._on_record(number, event, signed)
            self._follow(signed.checkpoint, number)
            self.checkpoints += 1
        if outside is not None:
            self._outside(outside, None)

    def _recorded(self) -> Iterator[tuple[int, bytes]]:
        number = 0
        while rows := self.archived.conn.execute(
            "SELECT originator_version, state FROM stored_events WHERE originator_id = %s "
            "AND originator_version > %s ORDER BY originator_version LIMIT %s",
            (STREAM, number, CHECKPOINTS_AT_ONCE),
        ).fetchall():
            for number, state in rows:
                yield number, bytes(state)

    def _archived(self) -> dict[int, bytes]:
        found = self.archived.of([SUBJECT], source=SOURCE)
        return {one.sequence: one.digest for one in found if one.sequence}

    def _read(self, number: int, state: bytes, archived: bytes | None) -> CheckpointSealed | None:
        if archived is not None and sha256(state).digest() != archived:
            self._fault(number, "audit's own store holds other bytes of it than the archive")
        try:
            return read_checkpoint(state)
        except Unreadable:
            self._fault(number, "its bytes are not a checkpoint of ours")
            return None

    def _on_record(self, number: int, event: CheckpointSealed, signed: Signed) -> None:
        key = public_key_of(event)
        if not self._is_ours(signed, [key]):
            self._fault(number, "its signature does not fit what it says: it was forged")
        elif self.trusted and key not in self.trusted:
            self._fault(number, "it is signed with a key that is not this log's: it was forged")
        last, this = self._before, signed.checkpoint
        before = (last.size, last.root) if last else (0, None)
        if (this.previous_size, this.previous_root) != before:
            self._fault(number, "it does not follow the checkpoint before it")
        if last is not None and this.sealed_at < last.sealed_at:
            what = "it was sealed at an earlier time than the one before it"
            self.findings.add(Fault(FaultKind.TIME, SOURCE, SUBJECT, number, what, last.sealed_at))
        self._before = this

    def _outside(self, outside: Signed, signed: Signed | None) -> None:
        """The exported checkpoint, in its place among those on record."""
        checkpoint = outside.checkpoint
        recorded = signed.checkpoint if signed else None
        if recorded != checkpoint:
            what = (
                f"the checkpoint of {checkpoint.size} events that was given, sealed at "
                f"{wire_instant(checkpoint.sealed_at)}, is not on record here"
            )
            self.findings.add(
                Fault(FaultKind.CHECKPOINT, SOURCE, SUBJECT, None, what, self._since())
            )
            self._follow(checkpoint, None)
            return
        self.held = True

    def _follow(self, checkpoint: Checkpoint, number: int | None) -> None:
        """The digests that this checkpoint took in, and whether they give what it says."""
        faults: list[str] = []
        since = self._since()
        for one in checkpoint.partitions:
            new = one.records - self._had.get(one.partition, 0)
            if new < 0:
                continue  # it follows another one than the last; said already
            digests = self.spool.read(one.partition, new)
            self._had[one.partition] = one.records
            running = self._running.get(one.partition, GENESIS)
            for at in range(0, len(digests), HASH_BYTES):
                digest = digests[at : at + HASH_BYTES]
                self._frontier.append(digest)
                running = sha256(running + digest).digest()
            self._running[one.partition] = running
            if one.partition in self._spoilt:
                continue
            if running == one.digest:
                self.sound[one.partition] = checkpoint.sealed_at
                continue
            self._spoilt.add(one.partition)
            lacks = new - len(digests) // HASH_BYTES
            faults.append(
                f"partition {one.partition} lacks {lacks} record(s) of those sealed"
                if lacks
                else f"partition {one.partition} is not what was sealed"
            )
        root = self._frontier.root()
        if (self._frontier.size, root) != (checkpoint.size, checkpoint.root) and not self._broken:
            self._broken = True
            faults.append(f"the {checkpoint.size} events do not give its root")
        last = self._last
        whole = f"; up to the checkpoint of {last.size} events all is as it was" if last else ""
        for what in (f"{one}{whole}" for one in faults):
            self.findings.add(Fault(FaultKind.CHECKPOINT, SOURCE, SUBJECT, number, what, since))
        if not self._broken:
            self._last = checkpoint

    def _since(self) -> datetime | None:
        return self._last.sealed_at if self._last else None

    def _is_ours(self, signed: Signed, keys: Collection[bytes]) -> bool:
        text = signed.checkpoint.text()
        return any(is_signed(text, signed.signature, key) for key in keys)

    def _fault(self, number: int, what: str) -> None:
        self.findings.add(Fault(FaultKind.CHECKPOINT, SOURCE, SUBJECT, number, what, self._since()))


# -- gaps that somebody settled -------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ResolvedGap:
    """Records that were given up on record: of whom, where, between which positions, by whom."""

    source: str
    partition: int
    after: str
    upto: str
    by: str
    reason: str


def resolved_gaps(conn: Connection[Any]) -> dict[tuple[str, int], list[ResolvedGap]]:
    """What audit's operators went on over, by (source, partition)."""
    found: dict[tuple[str, int], list[ResolvedGap]] = {}
    for (state,) in conn.execute(
        "SELECT state FROM stored_events WHERE topic = %s ORDER BY notification_id",
        (GapResolved.type,),
    ).fetchall():
        said: GapResolved = decode(bytes(state), {GapResolved.type: GapResolved}).data
        gap = ResolvedGap(said.source, said.partition, said.after, said.upto, said.by, said.reason)
        found.setdefault((said.source, said.partition), []).append(gap)
    return found
