"""What a proof found, one fault an event: the strongest first, and what else speaks of it."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, NamedTuple

from services.audit.domain.chain import Fault, FaultKind

FAULTS_MAX = 1_000
"""So many faults are listed; that there are more is told."""


class Identity(NamedTuple):
    """One event, by its stream and number."""

    source: str
    subject: str
    sequence: int


_STRONGEST_FIRST = (
    FaultKind.SWAPPED,
    FaultKind.ADDED,
    FaultKind.MISSING,
    FaultKind.CHANGED,
    FaultKind.MISLABELLED,
    FaultKind.CHAIN,
    FaultKind.TIME,
)


class Found:
    """Everything found, with one fault an event: the strongest, and what else speaks of it."""

    def __init__(self) -> None:
        self.more = False
        self._faults: dict[tuple[Any, ...], list[Fault]] = {}
        self._suspects: dict[Identity, tuple[Identity, datetime | None]] = {}
        self._out_of_time: list[tuple[Fault, Identity]] = []

    def add(self, *faults: Fault) -> None:
        """Takes them; several about one event become one."""
        for fault in faults:
            key: tuple[Any, ...] = (fault.source, fault.subject, fault.sequence)
            if fault.sequence is None:
                key = (fault.kind, fault.what)
            known = self._faults.get(key)
            if known is not None:
                known.append(fault)
            elif len(self._faults) < FAULTS_MAX:
                self._faults[key] = [fault]
            else:
                self.more = True

    def suspect(
        self, fault: Fault, filed: Identity, bytes_say: Identity, time: datetime | None
    ) -> None:
        """A record whose bytes do not fit it; perhaps another one's stand there.

        `time` is what it is filed under.
        """
        self.add(fault)
        if filed != bytes_say and len(self._suspects) < FAULTS_MAX:
            self._suspects[filed] = bytes_say, time

    def out_of_time(self, fault: Fault, before: Identity) -> None:
        """Its time is earlier than that of the event `before` it, unless that one is at fault."""
        if len(self._out_of_time) < FAULTS_MAX:
            self._out_of_time.append((fault, before))
        else:
            self.more = True

    def settled(self) -> tuple[list[Fault], bool]:
        """The faults, those that name an event first, and whether there are more."""
        known_by_then = set(self._faults)
        for fault, before in self._out_of_time:
            if before not in known_by_then:
                self.add(fault)
        for filed, (bytes_say, time) in self._suspects.items():
            known = self._faults.get(filed)
            other = self._suspects.get(bytes_say)
            if known is not None and other is not None and other[0] == filed:
                what = f"the bytes of number {bytes_say.sequence} stand in its place"
                if bytes_say[:2] != filed[:2]:
                    what += f" (of {bytes_say.source}, {bytes_say.subject})"
                known.append(replace(known[0], kind=FaultKind.SWAPPED, what=what, since=time))
        merged = [_merged(faults) for faults in self._faults.values()]
        merged.sort(
            key=lambda one: (one.sequence is None, one.source, one.subject, one.sequence or 0)
        )
        return merged, self.more


def _merged(faults: Sequence[Fault]) -> Fault:
    ranked = sorted(
        faults,
        key=lambda one: (
            _STRONGEST_FIRST.index(one.kind)
            if one.kind in _STRONGEST_FIRST
            else len(_STRONGEST_FIRST)
        ),
    )
    what = "; ".join(dict.fromkeys(one.what for one in ranked))
    known = [one.since for one in ranked if one.kind is ranked[0].kind and one.since is not None]
    return replace(ranked[0], what=what, since=max(known, default=None))
