"""Whether what services show of a complaint is what its events fold to, and what was found so far.

Only what holds still is compared: an event on its way to audit, or from one service to another, is
no difference. So what differs is read again, and counts when nothing has moved meanwhile.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from libs.decider.plain import canonical

TRIES_MAX = 5

Shown = Mapping[str, Any]
"""Service -> table -> rows, in the one canonical form."""


@dataclass(frozen=True, slots=True)
class Difference:
    """A service whose view of a complaint is not what its events fold to."""

    service: str
    tables: tuple[str, ...]


def compare(
    read: Callable[[], tuple[Shown, Shown]], wait: Callable[[], object]
) -> tuple[Difference, ...] | None:
    """The differences between what `read` gives, live and replayed; None: it never stood still."""
    before: Any = None
    for _ in range(TRIES_MAX):
        live, replayed = read()
        if canonical(live) == canonical(replayed):
            return ()
        if before == (live, replayed):
            return tuple(
                Difference(name, _tables(live[name], replayed.get(name, {})))
                for name in sorted(live)
                if canonical(live[name]) != canonical(replayed.get(name, {}))
            )
        before = (live, replayed)
        wait()
    return None


def _tables(live: Shown, replayed: Shown) -> tuple[str, ...]:
    names = sorted(live.keys() | replayed.keys())
    return tuple(name for name in names if live.get(name) != replayed.get(name))


@dataclass(slots=True)
class Sample:
    """Complaints by turns: those that differed are looked at again before any other."""

    different: dict[UUID, tuple[Difference, ...]] = field(default_factory=dict)
    _turn: list[UUID] = field(default_factory=list)

    def next(self, draw: Callable[[], Sequence[UUID]]) -> UUID | None:
        """The one to compare now; `draw` gives the next ones of all when a turn is over."""
        if not self._turn:
            self._turn = [*self.different, *(one for one in draw() if one not in self.different)]
        return self._turn.pop(0) if self._turn else None

    def found(self, complaint: UUID, different: tuple[Difference, ...] | None) -> None:
        """What came of it; what never stood still leaves what was found before."""
        if different:
            self.different[complaint] = different
        elif different is not None:
            self.different.pop(complaint, None)

    def views(self) -> int:
        """Views of a service that differ, over all complaints found so far."""
        return sum(len(one) for one in self.different.values())

    def told(self) -> list[str]:
        """One sentence a service: how many complaints it shows otherwise, in which tables."""
        complaints: dict[str, int] = {}
        names: dict[str, set[str]] = {}
        for different in self.different.values():
            for one in different:
                complaints[one.service] = complaints.get(one.service, 0) + 1
                names.setdefault(one.service, set()).update(one.tables)
        return [
            f"{service} shows {complaints[service]} of the complaints compared otherwise than "
            f"their events say ({', '.join(sorted(names[service]))}); see bihuan show "
            f"--check-sample, then: bihuan rebuild {service} --beside --swap"
            for service in sorted(complaints)
        ]
