"""Events, commands, and the pure functions between them: the shape every service's domain has.

A `Decider` bundles `decide(state, command, context) -> events` and `evolve(state, event) -> state`
with two more pure functions of the state: the `timers` it waits for and the `rows` it shows. The
runtime stores, publishes, wakes and displays what these say, and nothing else.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, ClassVar, Generic, Protocol, TypeVar
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer

from libs.decider.errors import Standing
from libs.decider.policy import Policies


def wire_instant(instant: datetime) -> str:
    """An instant as the wire and the store have it: UTC, microseconds, `Z`."""
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


Instant = Annotated[AwareDatetime, PlainSerializer(wire_instant, return_type=str, when_used="json")]
"""A moment with its zone; on the wire always UTC with microseconds."""


RFC_3339 = r"(19|2\d)\d\d-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)"


def _as_told(time: object) -> object:
    """Refuses the numbers and bare dates that pydantic would take for an instant.

    Reads the text itself, for in strict mode pydantic takes no text from a validator of ours.
    """
    if isinstance(time, str) and re.fullmatch(RFC_3339, time):
        return datetime.fromisoformat(time)
    if isinstance(time, datetime):
        return time
    raise ValueError("an instant is like 2025-10-09T09:00:00+08:00, with its zone")


Told = Annotated[
    Instant,
    BeforeValidator(_as_told),
    Field(json_schema_extra={"pattern": f"^{RFC_3339}$"}),
]
"""An instant as somebody outside told it: RFC 3339, with its zone, from 1900 on."""


class Event(BaseModel):
    """Something that happened. Frozen; its version never changes once published."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    type: ClassVar[str]
    """Name and version on the wire, e.g. `complaint.registered.v1`."""


class Command(BaseModel):
    """Something asked for. `at` is when the fact behind it happened, not when we decide."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    at: Instant


class TimerFired(Command):
    """A timer that the state asked for has come due; `at` is the due instant itself.

    `complete` is false when it fired without proof that everything earlier had been heard.
    """

    timer: str
    complete: bool = True


class State:
    """Marks what a stream of events folds into; subclasses are frozen slotted dataclasses."""

    __slots__ = ()


E = TypeVar("E", bound=Event)
S = TypeVar("S", bound=State)


@dataclass(frozen=True, slots=True)
class Recorded(Generic[E]):
    """An event as it stands in the log: its CloudEvents envelope and its body."""

    id: UUID
    source: str
    type: str
    subject: str
    time: datetime
    sequence: int
    actor: str
    data: E
    causation: str = ""
    occurred: datetime | None = None
    traceparent: str = ""

    @property
    def at(self) -> datetime:
        """When the fact happened: verdicts use `occurredat`, else `time` (DESIGN, The event)."""
        return self.occurred or self.time


def nothing_known(_kind: str, _subject: str) -> Any:
    """Of a stream that decides by itself alone: no other stream is known."""
    return None


@dataclass(frozen=True, slots=True)
class Context:
    """What a decision may know besides the state and the command."""

    now: datetime
    """The recording service's clock."""
    actor: str
    """Who asked: `agent:…`, `channel:…`, `system:…`; a pseudonym, never a name."""
    policies: Policies
    subject: str = ""
    """The subject of the stream that decides (a complaint id, mostly)."""
    state_of: Callable[[str, str], Any] = nothing_known
    """(kind, subject) -> the folded state of another stream of this service, or None. Read again at
    the commit: had it moved, the whole decision is made anew."""


@dataclass(frozen=True, slots=True)
class To:
    """A command and the stream it goes to; the command's class tells the kind of stream."""

    subject: str
    command: Command
    actor: str = ""
    """Set only where the actor is neither the caller nor `system:<service>`."""


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a read model. `key` and `values` are column -> plain value (JSON for lists)."""

    table: str
    key: tuple[tuple[str, Any], ...]
    values: tuple[tuple[str, Any], ...]

    @staticmethod
    def of(table: str, key: Mapping[str, Any], /, **values: Any) -> "Row":
        """A row from a mapping of key columns and keyword values."""
        return Row(table, tuple(key.items()), tuple(values.items()))


class Lookups(Protocol):
    """What may be read beside a stream while a command is being chosen.

    Everything read here is read again under the writer's lock before the commit: had it moved,
    the whole decision is made anew (DESIGN, Inbox: "a check that every stream read ... has not
    moved"; the duplicate window's guard is such a read).
    """

    def rows(self, table: str, **equal: Any) -> Sequence[Mapping[str, Any]]:
        """The rows of a read model whose columns equal these values, in key order."""
        ...

    def state(self, kind: str, subject: str) -> Any:
        """The folded state of one stream, or None where nothing has happened yet."""
        ...

    def withheld(self, subject: str) -> bool:
        """Whether a purge that is approved withholds this complaint: it may go, or stay yet."""
        ...


def no_timers(_state: Any) -> Mapping[str, datetime]:
    """A stream that waits for nothing."""
    return {}


def no_rows(_subject: str, _state: Any) -> Iterable[Row]:
    """A stream that shows nothing."""
    return ()


def stands_nowhere(_state: Any) -> Standing | None:
    """A stream of which nothing is refused for where it stands."""
    return None


@dataclass(frozen=True, slots=True)
class Decider(Generic[S]):
    """One kind of stream: what may be asked of it, what may happen, and how it folds.

    - `kind`: e.g. `complaint`; a stream is (kind, subject). Streams of kind `complaint`-like (all
      whose subject is a complaint id) use that id as originator; others UUIDv5(kind:subject).
    - `decide(state | None, command, context) -> events`: pure; raises DomainError to refuse;
      `[]` means told twice is told once.
    - `evolve(state | None, recorded) -> state`: pure, total, no guard: it runs at every replay.
      It gets the envelope too, for `time` and `actor` are facts.
    - `timers(state) -> {name: due}`: what the stream waits for now. A timer not named any more is
      cancelled; firing sends `TimerFired(timer=name, at=due)` to `decide`, which must lead to
      a state that no longer names that (name, due), or the timer is dropped with an alarm.
    - `rows(subject, state) -> rows`: the read models this stream keeps up to date.
    - `stands(state) -> standing`: where it stands, told with whatever `decide` refuses.
    """

    kind: str
    commands: tuple[type[Command], ...]
    events: tuple[type[Event], ...]
    decide: Callable[[S | None, Any, Context], Sequence[Event]]
    evolve: Callable[[S | None, Recorded[Any]], S]
    timers: Callable[[S], Mapping[str, datetime]] = no_timers
    rows: Callable[[str, S], Iterable[Row]] = no_rows
    stands: Callable[[S], Standing | None] = stands_nowhere
    subject_is_id: bool = True
    timer_command: type[TimerFired] = TimerFired
