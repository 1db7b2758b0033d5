"""What makes a stream provable: each event follows the one before by number, digest and time.

Every event vouches for the bytes of the one before it (`previous`, DESIGN, The event), and the
archive's own head vouches for the last. The same links are looked at twice: one by one as they
arrive (`follow`), and as a whole stream when its proof is made again (`diagnose`).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from itertools import islice

GENESIS = bytes(32)
"""`previous` of a stream's first event, in bytes."""

MISSING_NAMED_MAX = 100
"""So many missing events of one run are named one by one; the rest only counted."""


class FaultKind(StrEnum):
    """What can be wrong with the record of what happened."""

    CHANGED = "changed"
    """The bytes are not those that were accepted."""
    MISSING = "missing"
    """An event that was there is not there."""
    ADDED = "added"
    """An event is there that never was."""
    SWAPPED = "swapped"
    """Two events stand in each other's place."""
    CHAIN = "chain"
    """The next event, or the archive's head, vouches for other bytes."""
    TIME = "time"
    """The recording service's clock went back within a stream."""
    UNREADABLE = "unreadable"
    """The bytes are not an event of ours."""
    MISLABELLED = "mislabelled"
    """It is filed under something else than its bytes say."""
    GAP = "gap"
    """By its positions, a source sent more to this partition than is there."""
    PARTITION = "partition"
    """The running digest of a partition is not what was accepted."""
    CHECKPOINT = "checkpoint"
    """A checkpoint is not what was signed, or the archive is not what it sealed."""
    FILE = "file"
    """A month's file is not there, or not the one on record."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong, and where.

    `sequence` and `source`, `subject` are None and empty where a fault concerns no single event.
    `since`: the latest instant at which all is known to have been as it was accepted. Of an event
    that is there: its own time. Of one that is missing: that of the last one of its stream before
    it (of one that was purged none is left), its own where the log still tells it, or that of the
    checkpoint given that holds it. Of a
    gap: that of its source's last record before it. Of a clock that went back: what it had come
    to. Of a partition: that of its last sound checkpoint. None: no such instant is known.
    """

    kind: FaultKind
    source: str
    subject: str
    sequence: int | None
    what: str
    since: datetime | None = None


@dataclass(frozen=True, slots=True)
class Head:
    """Where a stream ends: the number, digest and time of its last event.

    `time` is None where that event was purged: its place and its digest are all that is left.
    """

    sequence: int
    digest: bytes
    time: datetime | None


NOTHING_PURGED = Head(0, GENESIS, None)


@dataclass(frozen=True, slots=True)
class Link:
    """One event as its chain sees it; `place` is where it lies in the log (life, offset)."""

    sequence: int
    previous: bytes
    digest: bytes
    time: datetime
    place: tuple[int, int]


def follow(source: str, subject: str, head: Head | None, link: Link) -> list[Fault]:
    """What is wrong with the next event of a stream that ends at `head`; [] when all is well."""
    last = head.sequence if head else 0
    if head is not None and link.sequence <= last:
        same = " with the same bytes" if link.digest == head.digest else ""
        what = f"number {link.sequence} comes again{same} after number {last}"
        return [Fault(FaultKind.ADDED, source, subject, link.sequence, what, link.time)]
    faults: list[Fault] = []
    if link.sequence > last + 1:
        many = link.sequence - last - 1
        what = f"{many} event(s) are missing before number {link.sequence}"
        since = head.time if head else None
        faults.append(Fault(FaultKind.MISSING, source, subject, last + 1, what, since))
    elif link.previous != (head.digest if head else GENESIS):
        what = "it does not continue the bytes of the event before it"
        faults.append(Fault(FaultKind.CHAIN, source, subject, link.sequence, what, link.time))
    if head is not None and head.time is not None and link.time < head.time:
        what = f"its time is earlier than that of number {last}"
        faults.append(Fault(FaultKind.TIME, source, subject, link.sequence, what, link.time))
    return faults


def diagnose(
    source: str,
    subject: str,
    links: Sequence[Link],
    head: Head | None,
    purged: Head = NOTHING_PURGED,
) -> list[Fault]:
    """Everything that is wrong with a whole stream; `links` in any order.

    Read backwards: the head vouches for the last event, and each sound event for the one before.
    So a changed event is named itself, and not the sound one after it that gives it away. `purged`
    is where it ended that went after its retention: what came later goes on from there.
    """
    return list(_Diagnosis(source, subject, links, head, purged).run())


class _Diagnosis:
    def __init__(
        self, source: str, subject: str, links: Sequence[Link], head: Head | None, purged: Head
    ) -> None:
        self.source = source
        self.subject = subject
        self.head = head
        self.purged = purged
        self.last = head.sequence if head else 0
        self.numbered: dict[int, list[Link]] = {}
        for link in sorted(links, key=lambda one: one.place):
            self.numbered.setdefault(link.sequence, []).append(link)

    def run(self) -> Iterator[Fault]:
        if self.head is None:
            yield from self._headless()
            return
        sound = self._choose(self.head)
        yield from self._added(sound)
        yield from self._missing(sound)
        yield from self._unvouched(sound, self.head)
        yield from self._disorder(sound)

    def _headless(self) -> Iterator[Fault]:
        if self.numbered:
            first = min(self.numbered)
            what = (
                f"{len(self.numbered)} event(s) of a stream that was never accepted, or whose head "
                "was taken away"
            )
            yield self._fault(FaultKind.ADDED, first, what, self.numbered[first][0].time)

    def _choose(self, head: Head) -> dict[int, Link]:
        """Of several events with one number, the one that its neighbours vouch for."""
        chosen: dict[int, Link] = {}
        start = self.purged.sequence + 1
        for number in sorted(self.numbered):
            if not start <= number <= self.last:
                continue
            before = chosen.get(number - 1)
            continues = (
                before.digest if before else (self.purged.digest if number == start else None)
            )
            vouched = (
                {head.digest}
                if number == self.last
                else {link.previous for link in self.numbered.get(number + 1, ())}
            )
            fits = [
                (link.digest in vouched) * 2 + (link.previous == continues)
                for link in self.numbered[number]
            ]
            chosen[number] = self.numbered[number][fits.index(max(fits))]
        return chosen

    def _added(self, sound: dict[int, Link]) -> Iterator[Fault]:
        for number, candidates in sorted(self.numbered.items()):
            for link in candidates:
                if link is sound.get(number):
                    continue
                if number in sound:
                    what = f"a second number {number} stands at offset {link.place[1]}"
                elif number <= self.purged.sequence:
                    what = f"the stream was purged up to number {self.purged.sequence}"
                else:
                    what = f"the stream was accepted up to number {self.last} only"
                yield self._fault(FaultKind.ADDED, number, what, link.time)

    def _missing(self, sound: dict[int, Link]) -> Iterator[Fault]:
        before = self.purged.sequence
        for number in (*sorted(sound), self.last + 1):
            run = range(before + 1, number)
            since = sound[before].time if before in sound else None
            more = len(run) - MISSING_NAMED_MAX
            for missing in islice(run, MISSING_NAMED_MAX):
                what = "it was accepted and is not there"
                if missing == self.last:
                    what += "; it was the last of its stream"
                if more > 0 and missing == run[MISSING_NAMED_MAX - 1]:
                    what += f"; nor are the {more} after it"
                yield self._fault(FaultKind.MISSING, missing, what, since)
            before = number

    def _unvouched(self, sound: dict[int, Link], head: Head) -> Iterator[Fault]:
        """From the last event back: whoever is vouched for vouches for the one before."""
        vouched: bytes | None = head.digest
        for number in sorted(sound, reverse=True):
            link = sound[number]
            if number != self.last and number + 1 not in sound:
                vouched = None
            if vouched is not None and link.digest != vouched:
                witness = "the archive's head" if number == self.last else f"number {number + 1}"
                what = f"{witness} vouches for other bytes than these"
                yield self._fault(FaultKind.CHAIN, number, what, link.time)
                vouched = None
                continue
            vouched = link.previous
        first = self.purged.sequence + 1
        if first in sound and vouched is not None and vouched != self.purged.digest:
            what = (
                "the first of its stream says that another came before it"
                if first == 1
                else "it does not continue the bytes of what was purged before it"
            )
            yield self._fault(FaultKind.CHAIN, first, what, sound[first].time)

    def _disorder(self, sound: dict[int, Link]) -> Iterator[Fault]:
        numbers = sorted(sound)
        standing = sorted(numbers, key=lambda number: sound[number].place)
        for number, there in zip(numbers, standing, strict=True):
            if number != there:
                what = f"number {there} stands where it belongs"
                yield self._fault(FaultKind.SWAPPED, number, what, sound[number].time)
        for number in numbers:
            before, link = sound.get(number - 1), sound[number]
            if before is not None and link.time < before.time:
                what = f"its time is earlier than that of number {number - 1}"
                yield self._fault(FaultKind.TIME, number, what, link.time)

    def _fault(self, kind: FaultKind, sequence: int, what: str, since: datetime | None) -> Fault:
        return Fault(kind, self.source, self.subject, sequence, what, since)
