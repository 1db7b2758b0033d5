"""Given-when-then for any decider, so that a rule's test reads like the rule."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid5

from libs.decider.decider import Command, Context, Decider, Event, Recorded, Row
from libs.decider.errors import DomainError
from libs.decider.policy import Policies

DAWN = datetime(2025, 10, 9, 1, 0, tzinfo=UTC)
SUBJECT = "5b0fdb9c-6f5b-5f3c-9d55-0d3c6a0a4a11"


@dataclass(frozen=True)
class Story:
    """A stream's past, a command, and what comes of it. Immutable: each step is a new story."""

    decider: Decider[Any]
    policies: Policies = field(default_factory=Policies)
    subject: str = SUBJECT
    actor: str = "system:test"
    state: Any = None
    past: tuple[Recorded[Any], ...] = ()
    happened: tuple[Event, ...] = ()
    refusal: DomainError | None = None
    now: datetime = DAWN
    others: Mapping[tuple[str, str], Any] = field(default_factory=dict)
    """States of other streams of the service, by kind and subject."""

    def beside(self, kind: str, subject: str, state: Any) -> "Story":
        """Another stream of the service stands like this."""
        return replace(self, others={**self.others, (kind, subject): state})

    def given(self, *events: Event, at: datetime | None = None, actor: str = "") -> "Story":
        """These events are on record, at `at` (default: `now`)."""
        story = replace(self, now=at or self.now, happened=(), refusal=None)
        for event in events:
            story = story._record(event, actor or self.actor)
        return story

    def when(self, command: Command, *, now: datetime | None = None, actor: str = "") -> "Story":
        """The command is decided at `now` (default: the command's own `at`)."""
        at = now or max(command.at, self.now)
        context = Context(at, actor or self.actor, self.policies, self.subject, self._state_of)
        story = replace(self, now=at, happened=(), refusal=None)
        try:
            events = tuple(self.decider.decide(self.state, command, context))
        except DomainError as refusal:
            return replace(story, refusal=refusal)
        for event in events:
            story = story._record(event, context.actor)
        return replace(story, happened=events)

    def then(self, *expected: Event) -> "Story":
        """Exactly these events happened."""
        assert self.refusal is None, f"refused: {self.refusal!r}"
        assert self.happened == expected, f"\nhappened: {self.happened}\nexpected: {expected}"
        return self

    def then_types(self, *expected: type[Event]) -> "Story":
        """Exactly events of these types happened, in this order."""
        assert self.refusal is None, f"refused: {self.refusal!r}"
        assert tuple(type(event) for event in self.happened) == expected, self.happened
        return self

    def then_nothing(self) -> "Story":
        """Told twice is told once."""
        return self.then()

    def then_refused(self, error: type[DomainError]) -> "Story":
        """The rule said no, with this error, and nothing happened."""
        assert isinstance(self.refusal, error), f"{self.refusal!r}; happened: {self.happened}"
        return self

    def one(self, kind: type[Any]) -> Any:
        """The only event of this type that just happened."""
        found = [event for event in self.happened if isinstance(event, kind)]
        assert len(found) == 1, self.happened
        return found[0]

    @property
    def timers(self) -> Mapping[str, datetime]:
        """What the stream waits for now."""
        return {} if self.state is None else self.decider.timers(self.state)

    @property
    def rows(self) -> Iterable[Row]:
        """What the stream shows now."""
        return () if self.state is None else tuple(self.decider.rows(self.subject, self.state))

    def after(self, delay: timedelta) -> "Story":
        """Time passes."""
        return replace(self, now=self.now + delay)

    def fire(self, timer: str) -> "Story":
        """The named timer fires at its due instant."""
        due = self.timers[timer]
        return self.when(self.decider.timer_command(timer=timer, at=due), now=due)

    def _state_of(self, kind: str, subject: str) -> Any:
        return self.others.get((kind, subject))

    def _record(self, event: Event, actor: str) -> "Story":
        sequence = len(self.past) + 1
        recorded = Recorded(
            id=uuid5(UUID(int=0), f"{self.subject}:{sequence}"),
            source="/bihuan/test",
            type=event.type,
            subject=self.subject,
            time=self.now,
            sequence=sequence,
            actor=actor,
            data=event,
            occurred=event.__dict__.get("occurred_at"),
        )
        state = self.decider.evolve(self.state, recorded)
        return replace(self, state=state, past=(*self.past, recorded))
