"""What a service is to the runtime: its streams, what it hears, what it shows. No behaviour."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Protocol

from psycopg import Connection

from libs.decider import Command, Decider, Event, GivenUp, PolicyInForce, Recorded, Row, To
from libs.eventlog.envelope import decode
from libs.eventlog.housekeeping import housekeeping_decider
from libs.eventlog.policies import alone, no_more_faults, policy_decider, version_of
from libs.eventlog.policy_faults import Together, Vet
from libs.eventlog.policy_wordings import Names
from libs.eventlog.purging import AlsoMoved, AlsoPurge
from libs.eventlog.tables import KeptTable, Table


@dataclass(frozen=True, slots=True)
class Housekeeping:
    """The event classes the runtime itself writes (EVENTS, Housekeeping); contracts own them."""

    record_parked: type[Event]
    record_settled: type[Event]
    gap_resolved: type[Event]
    policy_activated: type[Event]
    rebuild_done: type[Event]
    cohort_purged: type[Event]
    """Every service hears it, beside what its own `react` is given: whole streams go."""
    purge_approved: type[Event]
    """Every service hears this too: it adds nothing to these streams from here on."""
    purge_withdrawn: type[Event]
    """And this: they may be added to again."""
    purge_answered: type[Event]
    """What each service says to the approval and to the purge."""


@dataclass(frozen=True, slots=True)
class AccessEvents:
    """The event classes about tokens and roles (`libs.messaging.access`); contracts own them."""

    token_issued: type[Event]
    token_revoked: type[Event]
    role_changed: type[Event]


@dataclass(frozen=True, slots=True)
class LogRecord:
    """One accepted record of `complaints.log`: where it stood, and its bytes unchanged."""

    partition: int
    offset: int
    source: str
    type: str
    subject: str
    position: str
    after: str
    value: bytes


def nothing_stays(_given_up: GivenUp) -> Sequence[To]:
    """Whatever is discarded leads to nothing."""
    return ()


class Upcasts(Protocol):
    """How retired versions of events are read as the newest ones; the contracts own the steps."""

    def newest(self, event_type: str) -> str:
        """The type that an event of this type is read as."""

    def recorded(self, recorded: Recorded[Any]) -> Recorded[Any]:
        """The same record with its body and type as the newest version has them."""


class AsWritten:
    """There are no retired versions."""

    def newest(self, event_type: str) -> str:
        """The type itself."""
        return event_type

    def recorded(self, recorded: Recorded[Any]) -> Recorded[Any]:
        """The record itself."""
        return recorded


AS_WRITTEN = AsWritten()


def no_heard_rows(_recorded: Recorded[Any]) -> Iterable[Row]:
    """Keeps nothing of what it hears."""
    return ()


def plain_policy(_name: str, content: Mapping[str, Any]) -> Any:
    """A policy that its readers take as it is."""
    return content


@dataclass(frozen=True)
class Service:
    """The description `main.build` gives to the runtime.

    - `name`: `intake`; its events have source `/bihuan/intake`.
    - `hears`: event types (names on the wire) whose records are decoded and given to `react`
      and `heard_rows`; all others are only counted.
    - `types`: every version that can be read; `upcasts` leads each to its newest, so that rules,
      folds and `hears` know newest versions only. Stored bytes stay as they are.
    - `archive`: called with (connection, records) inside the batch's transaction for every
      accepted record (audit keeps every byte).
    - `archive_rebuilt`: called with a connection once a rebuild has archived all of the log and
      the service's own events are there again, for what follows from both.
    - `compile_policy(name, content)`: the service's own reading of a policy's content; raises
      ValueError for content that cannot be followed.
    - `vet_policy(name, content)`: the faults of content that can be read but must not come into
      force: gaps, overlaps, what the law forbids. Asked at activation, never when reading back.
    - `vet_together(name, content, others)`: its faults beside the service's other policies as they
      will be in force when it begins; asked at activation.
    - `names`: what people call the codes that its policies are written in, in both languages.
    - `seed_policies`: in force from 2004-01-01 once recorded by this service's first start.
    - `kept`: tables beside its events that no row may leave; `ddl`: others of its own.
    - `stays`: what a record must lead to although it is discarded, e.g. the hold that it may be; it
      raises DomainError for what nobody may discard.
    - `also_purge`: what it deletes besides its streams and rows when complaints are purged;
      `also_moved`: which of these complaints moved on in what it keeps besides.
    - `withheld_is_gone`: tables whose rows about a complaint that a purge withholds are not found,
      so that what its customer says is a complaint of its own. Never those by which it is decided
      what may be destroyed: what is withheld may stay yet.
    - `frees`: commands that take up what is only withheld, e.g. a legal hold; any other is refused.
    - `access`: set by `libs.messaging.access.following`: it keeps what the log says of access.
    - `copies`: event type -> topic that gets a copy of the record (the only door out).
    """

    name: str
    deciders: tuple[Decider[Any], ...]
    types: Mapping[str, type[Event]]
    housekeeping: Housekeeping
    upcasts: Upcasts = AS_WRITTEN
    hears: frozenset[str] = frozenset()
    react: Callable[[Recorded[Any]], Sequence[To]] = lambda _recorded: ()
    heard_rows: Callable[[Recorded[Any]], Iterable[Row]] = no_heard_rows
    tables: tuple[Table, ...] = ()
    archive: Callable[[Connection[Any], Sequence[LogRecord]], None] | None = None
    archive_rebuilt: Callable[[Connection[Any]], object] = lambda _conn: None
    compile_policy: Callable[[str, Mapping[str, Any]], Any] = plain_policy
    vet_policy: Vet = no_more_faults
    vet_together: Together = alone
    names: Names = field(default_factory=dict)
    seed_policies: tuple[Mapping[str, Any], ...] = ()
    copies: Mapping[str, str] = field(default_factory=dict)
    ddl: tuple[str, ...] = ()
    kept: tuple[KeptTable, ...] = ()
    also_purge: AlsoPurge | None = None
    also_moved: AlsoMoved | None = None
    withheld_is_gone: frozenset[str] = frozenset()
    frees: tuple[type[Command], ...] = ()
    stays: Callable[[GivenUp], Sequence[To]] = nothing_stays
    access: AccessEvents | None = None

    @property
    def source(self) -> str:
        """The CloudEvents source of everything this service writes."""
        return f"/bihuan/{self.name}"

    def read(self, state: bytes) -> Recorded[Any]:
        """An event, own or heard, as its newest version has it; raises Unreadable."""
        return self.upcasts.recorded(decode(state, self.types))

    def versions_of(self, event_type: str) -> frozenset[str]:
        """This type, and every retired one that is read as it."""
        older = (one for one in self.types if self.upcasts.newest(one) == event_type)
        return frozenset((event_type, *older))

    @cached_property
    def heard_types(self) -> frozenset[str]:
        """The types on the wire, retired versions included, that lead to one it hears.

        A purge is heard by everyone.
        """
        keeping = self.housekeeping
        purging = (keeping.purge_approved, keeping.purge_withdrawn, keeping.cohort_purged)
        heard = self.hears | {event.type for event in purging}
        return frozenset(one for event_type in heard for one in self.versions_of(event_type))

    @cached_property
    def by_command(self) -> Mapping[type[Command], Decider[Any]]:
        """Which stream a command goes to."""
        return {command: decider for decider in self.all_deciders for command in decider.commands}

    @cached_property
    def by_kind(self) -> Mapping[str, Decider[Any]]:
        """The deciders by their kind of stream."""
        return {decider.kind: decider for decider in self.all_deciders}

    @cached_property
    def types_by_kind(self) -> Mapping[str, frozenset[str]]:
        """The types of events that each kind of stream folds."""
        return {
            decider.kind: frozenset(event.type for event in decider.events)
            for decider in self.all_deciders
        }

    @cached_property
    def all_deciders(self) -> tuple[Decider[Any], ...]:
        """The service's own deciders, the one of its policies and the runtime's own."""
        keeping = self.housekeeping
        return (
            *self.deciders,
            policy_decider(
                keeping.policy_activated,
                self.compile_policy,
                self.policy,
                self.vet_policy,
                self.vet_together,
                self.names,
            ),
            housekeeping_decider(
                (
                    keeping.record_parked,
                    keeping.record_settled,
                    keeping.gap_resolved,
                    keeping.rebuild_done,
                    keeping.purge_answered,
                )
            ),
        )

    def policy(self, recorded: Recorded[Any]) -> PolicyInForce:
        """A `policy.activated` as this service reads it."""
        data = recorded.data
        return version_of(recorded, self.compile_policy(data.name, data.content))
