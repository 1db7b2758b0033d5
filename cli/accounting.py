"""Every row of a file ends as exactly one thing; this keeps the account until the last one has."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from cli.following import Fate, Outcome
from cli.mapping import Refused

PARKED_MAX = 10_000
"""Parked records remembered that may turn out to be ours."""

STILL_OUT = "published, but nothing told what became of it; send the file again to see"


NO_OUTCOME = "no outcome"


@dataclass(frozen=True, slots=True)
class Ended:
    """What became of one row."""

    row: int
    message: str | None
    """Its id; None: it has none that could be read."""
    outcome: str
    """registered, linked, imported, refused, or `no outcome`."""
    complaint: str | None = None
    """The complaint that it became, or belongs to."""
    reason: str | None = None
    """Why it was refused, or has no outcome."""


def unheard(_ended: Ended) -> None:
    """Nobody keeps what becomes of the single rows."""


@dataclass(slots=True)
class _Out:
    row: int
    said: datetime
    sent_s: float
    place: str | None = None


@dataclass(slots=True)
class Account:
    """The rows read so far, and what became of each. Instants are monotonic seconds."""

    ended: Callable[[Ended], None] = unheard
    """Told once of each row, when it has ended."""
    rows: int = 0
    complaints: int = 0
    imported: int = 0
    """Closed cases of an older system."""
    linked: int = 0
    refused: list[Refused] = field(default_factory=list)
    unaccounted: list[Refused] = field(default_factory=list)
    """Published, but neither taken nor refused: parked, or nothing was heard of them in time."""
    known: int = 0
    """Rows whose outcome is an older one: they had been sent before."""
    settled_s: float = 0.0
    """When the last outcome came."""
    _out: dict[str, _Out] = field(default_factory=dict)
    _by_place: dict[str, str] = field(default_factory=dict)
    _parked: dict[str, Outcome] = field(default_factory=dict)

    # -- rows --------------------------------------------------------------------------------

    def refuse(self, refused: Refused) -> None:
        """A row that is not even sent."""
        self.rows += 1
        self.refused.append(refused)
        self.ended(Ended(refused.row, refused.id, "refused", reason=refused.reason))

    def publish(self, row: int, message: str, said: datetime, now_s: float) -> None:
        """A row on its way, said at this instant; `message` is unique in the file."""
        assert message not in self._out, "the mapping lets no id pass twice"
        self.rows += 1
        self._out[message] = _Out(row, said, now_s)

    def lies_at(self, message: str, place: str) -> None:
        """Kafka has it at `topic/partition/offset`: the only name a parked record has."""
        if message not in self._out:
            return
        parked = self._parked.pop(place, None)
        if parked is None:
            self._out[message].place = place
            self._by_place[place] = message
        else:
            self._leave(message, parked.reason or STILL_OUT)

    def undelivered(self, message: str, why: str) -> None:
        """Kafka did not take it."""
        if message in self._out:
            self._leave(message, f"Kafka did not take it: {why}")

    # -- outcomes ----------------------------------------------------------------------------

    def settle(self, outcome: Outcome, now_s: float) -> bool:
        """Takes note of what became of a message; False where it is none that is out."""
        message = outcome.message
        if outcome.fate is Fate.PARKED:
            assert outcome.place is not None
            message = self._by_place.get(outcome.place)
            if message is None:
                # Perhaps ours: the log may be quicker than Kafka's answer to us.
                self._parked[outcome.place] = outcome
                while len(self._parked) > PARKED_MAX:
                    del self._parked[next(iter(self._parked))]
                return False
        out = self._out.get(message) if message is not None else None
        if message is None or out is None:
            return False
        self.settled_s = now_s
        self.known += outcome.at is not None and outcome.at < out.said
        match outcome.fate:
            case Fate.REGISTERED:
                self.complaints += 1
            case Fate.IMPORTED:
                self.imported += 1
            case Fate.LINKED:
                self.linked += 1
            case Fate.REFUSED:
                self.refused.append(Refused(out.row, outcome.reason or "refused"))
            case Fate.PARKED:
                self.unaccounted.append(Refused(out.row, outcome.reason or STILL_OUT))
        self._forget(message)
        told = NO_OUTCOME if outcome.fate is Fate.PARKED else outcome.fate.value
        self.ended(Ended(out.row, message, told, outcome.complaint, outcome.reason))
        return True

    def give_up(self, reason: str = STILL_OUT) -> None:
        """Nothing more will be heard of what is out."""
        for message in list(self._out):
            self._leave(message, reason)

    # -- looking -----------------------------------------------------------------------------

    @property
    def out(self) -> int:
        """How many are published and have no outcome yet."""
        return len(self._out)

    def waiting(self, longer_than_s: float, now_s: float, limit: int) -> list[str]:
        """Messages out for so long, longest first."""
        found: list[str] = []
        for message, one in self._out.items():
            if len(found) == limit or now_s - one.sent_s <= longer_than_s:
                break
            found.append(message)
        return found

    @property
    def all_well(self) -> bool:
        """Every row is a complaint, a contact or history."""
        return self.rows == self.complaints + self.linked + self.imported

    def told(self) -> dict[str, Any]:
        """The account as one document; its figures add up, or this raises AssertionError."""
        ends = self.complaints + self.linked + self.imported
        ends += len(self.refused) + len(self.unaccounted)
        assert self.rows == ends + self.out, "a row ended twice, or not at all"
        document: dict[str, Any] = {
            "rows": self.rows,
            "complaints": self.complaints,
            "linked": self.linked,
            "refused": _listed(self.refused),
        }
        if self.imported:
            document["imported"] = self.imported
        if self.unaccounted:
            document["unaccounted"] = _listed(self.unaccounted)
        return document

    def _leave(self, message: str, reason: str) -> None:
        row = self._forget(message).row
        self.unaccounted.append(Refused(row, reason))
        self.ended(Ended(row, message, NO_OUTCOME, reason=reason))

    def _forget(self, message: str) -> _Out:
        one = self._out.pop(message)
        if one.place is not None:
            self._by_place.pop(one.place, None)
        return one


def _listed(rows: Sequence[Refused]) -> list[dict[str, Any]]:
    return [{"row": one.row, "reason": one.reason} for one in sorted(rows, key=lambda one: one.row)]
