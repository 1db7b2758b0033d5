"""Purges carried out at their place in L: what came late of a purged complaint stands behind it.

L has an order within each partition only. A record of a complaint that a purge names, beyond the
end that it names, came after the service had carried the purge out: had it come before, the service
would have kept the complaint, and have said so. So a partition stands still there until it is done.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from pydantic_core import from_json

from libs.decider import Recorded
from libs.eventlog.purging import ends_of
from libs.messaging.log_source import Accepted, LogPlace

Stream = tuple[str, str]
"""(source, subject)."""


@dataclass(slots=True)
class _Named:
    """What a purge names that the service let go, and which of these ends have not come yet."""

    ends: Mapping[Stream, int]
    left: set[Stream]
    heard: bool = False
    done: bool = False


@dataclass(slots=True)
class InOrder:
    """Records of L part by part: between two of them the purges that are `ready` are carried out.

    `purges` are those that the service has answered, each with the complaints that it kept.
    """

    purges: Iterable[tuple[Recorded[Any], Collection[str]]]
    came: int = 0
    """How many records the last part had."""
    held: bool = False
    """Whether the last part stopped anywhere."""
    _named: dict[UUID, _Named] = field(default_factory=dict)
    _about: dict[str, list[_Named]] = field(default_factory=dict)
    _taken: dict[int, LogPlace] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for recorded, kept in self.purges:
            ends = {
                (end.source, end.subject): end.sequence
                for end in ends_of(recorded)
                if end.subject not in kept
            }
            named = self._named[recorded.id] = _Named(ends, set(ends))
            for subject in {subject for _, subject in ends}:
                self._about.setdefault(subject, []).append(named)

    def part(self, records: Iterable[Accepted]) -> Iterator[Accepted]:
        """Of all the records the next, as far as none of them waits for a purge."""
        self.came, self.held = 0, False
        standing: set[int] = set()
        for one in records:
            taken = self._taken.get(one.partition)
            if one.partition in standing or (taken is not None and one.place <= taken):
                continue
            if self._is_late(one):
                standing.add(one.partition)
                self.held = True
                continue
            self._taken[one.partition] = one.place
            self.came += 1
            yield one

    def ready(self) -> frozenset[UUID]:
        """The purges that were heard and whose every end has come."""
        return frozenset(
            record
            for record, one in self._named.items()
            if one.heard and not one.left and not one.done
        )

    def carried_out(self, purges: Iterable[UUID]) -> None:
        """Nothing waits for these any more."""
        for record in purges:
            self._named[record].done = True

    def let_all_come(self) -> None:
        """Nothing waits any more: L has no order in which it would come further."""
        for one in self._named.values():
            one.done = True

    def _is_late(self, one: Accepted) -> bool:
        """Takes note of it, where it is not."""
        about = self._about.get(one.key, ())
        if about and one.value:
            sequence, stream = _sequence(one.value), (one.headers.source, one.key)
            if any(not named.done and sequence > named.ends.get(stream, 0) for named in about):
                return True
            for named in about:
                if sequence == named.ends.get(stream):
                    named.left.discard(stream)
        if self._named and one.value:
            self._hear(one)
        return False

    def _hear(self, one: Accepted) -> None:
        if one.headers.type.startswith("cohort.purged."):
            record = from_json(one.value or b"").get("id")
            for known, named in self._named.items():
                named.heard |= str(known) == record


def _sequence(value: bytes) -> int:
    """The number of an event in its stream; 0 of what is none."""
    try:
        return int(from_json(value)["sequence"])
    except (ValueError, KeyError, TypeError):
        return 0
