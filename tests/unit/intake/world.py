"""Intake in memory, for its tests: real deciders, rows and door; no database, no log, no cipher."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid5
from zoneinfo import ZoneInfo

import yaml

from contracts.intake import Registration
from contracts.values import (
    Category,
    ChannelKind,
    Classified,
    Contact,
    ContactKind,
    Correspondent,
    Profile,
    ReplyTo,
)
from libs.decider import Context, DomainError, Event, Policies, PolicyInForce, Recorded, Row, To
from libs.decider.story import Story
from libs.messaging.channel import RawMessage, Sealed, prepared_anew
from libs.timekeeping.clock import SteppedClock
from services.intake.domain import rows
from services.intake.domain.identity import message_key
from services.intake.domain.policy import compile_policy
from services.intake.domain.receipt import receipt_of
from services.intake.door import IntakeDoor
from services.intake.reactions import react

SHANGHAI = ZoneInfo("Asia/Shanghai")
POLICY = Path(__file__).parents[3] / "services" / "intake" / "policy"


def at(text: str) -> datetime:
    """An instant of Shanghai: `2025-10-11 09:00:00`."""
    return datetime.fromisoformat(text).replace(tzinfo=SHANGHAI).astimezone(UTC)


def seeds() -> Policies:
    """Intake's own policies, in force since 2004."""
    policies = Policies()
    for path in sorted(POLICY.glob("*.yaml")):
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
        policies = policies.adding(
            PolicyInForce(
                name=content["name"],
                version=content["version"],
                sha256="",
                active_from=at("2004-01-01 00:00:00"),
                content=content,
                compiled=compile_policy(content["name"], content),
            )
        )
    return policies


SEEDS = seeds()

TOLD = at("2025-10-11 09:00:00")
COMPLAINT = message_key("10010", "call-7781")
PERSON = UUID("6d8f0a52-0000-4000-8000-000000000001")


def contact(
    message: str = "call-7781",
    when: datetime = TOLD,
    kind: ContactKind = ContactKind.FIRST,
    channel: ChannelKind = ChannelKind.HOTLINE_10010,
    source: str = "10010",
) -> Contact:
    """One time that somebody told us something."""
    return Contact(
        id=message_key(source, message),
        kind=kind,
        channel=channel,
        source=source,
        message=message,
        at=when,
    )


def registration(**changes: Any) -> Registration:
    """A billing dispute told by phone, with `changes` to registration, profile or correspondent."""
    profile = {
        "kind": "complaint",
        "category": Category.BILLING,
        "urgency": "ordinary",
        "channel": ChannelKind.HOTLINE_10010,
    }
    correspondent = {
        "receipt": receipt_of(COMPLAINT),
        "person": PERSON,
        "reply_to": ReplyTo(kind=ChannelKind.SMS, address="sealed-address"),
    }
    rest: dict[str, Any] = {"contact": contact(), "clock_from": TOLD, "summary": "sealed-words"}
    for name, value in changes.items():
        if name in Profile.model_fields:
            profile[name] = value
        elif name in Correspondent.model_fields:
            correspondent[name] = value
        else:
            rest[name] = value
    return Registration(
        correspondent=Correspondent.model_validate(correspondent),
        profile=Profile.model_validate(profile),
        classified=Classified(by="channel"),
        **rest,
    )


def complaint_story() -> Story:
    """A story of the stream `complaint` under the seed policies, on Sat 2025-10-11 09:00."""
    return Story(rows.DECIDERS[0], policies=SEEDS, subject=str(COMPLAINT), now=TOLD)


def event_id(number: int) -> UUID:
    """The id of some event of another service."""
    return UUID(int=0xE0000000 + number)


class FakeVault:
    """Persons by number and tokens by count; keeps what it was given, to be looked at."""

    def __init__(self) -> None:
        self.persons: dict[str, UUID] = {}
        self.plaintexts: dict[str, tuple[UUID, str, str]] = {}
        self.kept: dict[str, bytes] = {}
        self.rounds: list[str] = []
        self.active: dict[UUID, int] = {}
        self.keys: dict[str, int] = {}
        self.closed: set[tuple[UUID, int]] = set()
        self.destroyed: set[UUID] = set()
        self.deaf = False

    def opens(self, token: str) -> bool:
        """Whether operations can read it."""
        person = self.plaintexts[token][0]
        return (person, self.keys[token]) not in self.closed

    def lock_again(self, lockings: Iterable[tuple[UUID, datetime]]) -> int:
        return sum(self._close(person) for person, _ in lockings)

    def destroy_again(self, erasures: Iterable[tuple[UUID, datetime]]) -> int:
        gone = [person for person, _ in erasures if self._close(person)]
        self.destroyed.update(gone)
        self.persons = {key: one for key, one in self.persons.items() if one not in gone}
        return len(gone)

    def _close(self, person: UUID) -> bool:
        if self.deaf:
            return False
        key = self.active.get(person, 0)
        self.closed.add((person, key))
        self.active[person] = key + 1
        return True

    def find_or_make_persons(self, numbers: Sequence[str]) -> Sequence[UUID]:
        self.rounds.append("persons")
        for number in numbers:
            made = UUID(int=0xA0000000 + len(self.persons) + len(self.destroyed))
            self.persons.setdefault(number, made)
        return [self.persons[number] for number in numbers]

    def find_persons(self, numbers: Sequence[str]) -> Sequence[UUID | None]:
        self.rounds.append("found")
        return [self.persons.get(number) for number in numbers]

    def seal_many(self, items: Sequence[tuple[UUID, str, str]]) -> Sequence[str]:
        self.rounds.append("seal")
        tokens = []
        for item in items:
            token = f"token-{len(self.plaintexts)}"
            self.plaintexts[token] = item
            self.keys[token] = self.active.get(item[0], 0)
            tokens.append(token)
        return tokens

    def keep_unreadable(self, place: str, value: bytes) -> None:
        self.kept[place] = value

    def unreadable_places(self) -> Sequence[str]:
        return list(self.kept)

    def settle_unreadable(self, place: str) -> bool:
        return self.kept.pop(place, None) is not None


def message(
    identity: str = "call-7781",
    *,
    source: str = "10010",
    time: str = "2025-10-11T09:00:00+08:00",
    **data: Any,
) -> dict[str, Any]:
    """A channel message as a channel would write it."""
    body = {"kind": "words", "channel": "hotline_10010", "text": "我的话费账单不对", **data}
    return {
        "specversion": "1.0",
        "id": identity,
        "source": source,
        "type": "channel.message.v1",
        "datacontenttype": "application/json",
        "time": time,
        "data": {name: value for name, value in body.items() if value is not None},
    }


def wire(told: Mapping[str, Any]) -> bytes:
    """A channel message in bytes."""
    return json.dumps(told, ensure_ascii=False).encode()


@dataclass
class World:
    """Everything intake is, in one process: tell it messages, let it hear events, look at rows."""

    now: datetime = TOLD
    vault: FakeVault = field(default_factory=FakeVault)
    log: list[Recorded[Any]] = field(default_factory=list)
    states: dict[tuple[str, str], Any] = field(default_factory=dict)
    shown: dict[tuple[str, tuple[Any, ...]], Row] = field(default_factory=dict)
    reads: list[tuple[str, Mapping[str, Any]]] = field(default_factory=list)
    withheld_ones: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.clock = SteppedClock(self.now)
        self.door = IntakeDoor(self.vault, lambda: SEEDS, self.clock)
        self._by_command = {kind: decider for decider in rows.DECIDERS for kind in decider.commands}

    # -- lookups ---------------------------------------------------------------------------------

    def rows(self, table: str, **equal: Any) -> list[dict[str, Any]]:
        self.reads.append((table, equal))
        found = [
            dict((*row.key, *row.values))
            for (name, _), row in sorted(self.shown.items(), key=lambda one: str(one[0]))
            if name == table
        ]
        return [row for row in found if all(row[name] == value for name, value in equal.items())]

    def state(self, kind: str, subject: str) -> Any:
        return self.states.get((kind, subject))

    def withheld(self, subject: str) -> bool:
        return subject in self.withheld_ones

    # -- doing -----------------------------------------------------------------------------------

    def at(self, text: str) -> "World":
        """The clock goes on to this instant of Shanghai."""
        self.clock.jump(at(text))
        return self

    def tell(self, *told: Mapping[str, Any] | bytes | None) -> list[Mapping[str, Any]]:
        """One batch of messages by Kafka; what became of each. The clock goes along with them."""
        for one in told:
            if isinstance(one, Mapping):
                self.clock.jump(datetime.fromisoformat(one["time"]))
        raw = [
            RawMessage(wire(one) if isinstance(one, dict) else one, f"complaints.channel/0/{n}")  # type: ignore[arg-type]
            for n, one in enumerate(told)
        ]
        return prepared_anew(self.door, raw, self._taken)

    def _taken(self, messages: Sequence[Any]) -> list[Mapping[str, Any]]:
        outcomes: list[Mapping[str, Any]] = []
        for prepared in messages:
            if isinstance(prepared, Sealed):
                outcomes.append({"outcome": "parked", "rule": prepared.kind})
                continue
            try:
                for to in prepared.resolve(self):
                    self.apply(to, prepared.actor)
            except DomainError as error:
                for to in prepared.refuse(error):
                    self.apply(to, prepared.actor)
            outcomes.append(prepared.outcome(self))
        return outcomes

    def tell_one(self, **told: Any) -> Mapping[str, Any]:
        """One message by Kafka, and what became of it."""
        return self.tell(message(**told))[0]

    def hear(self, *events: Event, subject: UUID, source: str = "/bihuan/other") -> list[Event]:
        """Events of another service; what intake wrote on hearing them."""
        before = len(self.log)
        for event in events:
            recorded = Recorded(
                id=uuid5(UUID(int=9), f"{source}:{len(self.log)}:{event.type}"),
                source=source,
                type=event.type,
                subject=str(subject),
                time=self.clock.now(),
                sequence=1,
                actor="system:other",
                data=event,
            )
            for row in rows.heard_rows(recorded):
                self._show(row)
            self.react(recorded)
        return [recorded.data for recorded in self.log[before:]]

    def react(self, recorded: Recorded[Any]) -> None:
        """What intake does on hearing this event; a refused reaction is a no-op."""
        for to in react(recorded):
            try:
                self.apply(to, "system:intake")
            except DomainError:
                continue

    def apply(self, to: To, actor: str = "agent:a-1") -> list[Event]:
        """One command through its decider; its events, folded and shown."""
        decider = self._by_command[type(to.command)]
        key = (decider.kind, to.subject)
        context = Context(self.clock.now(), actor, SEEDS, to.subject, self.state)
        events = list(decider.decide(self.states.get(key), to.command, context))
        for event in events:
            recorded = Recorded(
                id=uuid5(UUID(int=8), f"{to.subject}:{len(self.log)}"),
                source="/bihuan/intake",
                type=event.type,
                subject=to.subject,
                time=self.clock.now(),
                sequence=len(self.log) + 1,
                actor=actor,
                data=event,
            )
            before = decider.rows(to.subject, self.states[key]) if key in self.states else ()
            gone = {(row.table, tuple(value for _, value in row.key)) for row in before}
            self.states[key] = decider.evolve(self.states.get(key), recorded)
            for one in gone:
                self.shown.pop(one, None)
            for row in decider.rows(to.subject, self.states[key]):
                self._show(row)
            self.log.append(recorded)
        return events

    def happened(self, *kinds: type[Event]) -> list[Any]:
        """Every event of these types so far."""
        return [one.data for one in self.log if isinstance(one.data, kinds)]

    def complaint(self, subject: UUID) -> Any:
        """The folded state of one complaint."""
        return self.states[("complaint", str(subject))]

    def _show(self, row: Row) -> None:
        key = (row.table, tuple(value for _, value in row.key))
        self.shown[key] = row


HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
