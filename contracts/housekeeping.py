"""What any service tells about itself: policies, teams, access, parking, holds, proofs."""

from datetime import date
from enum import StrEnum
from typing import Annotated, ClassVar
from uuid import UUID

from pydantic import Field, JsonValue

from contracts.values import (
    Asked,
    Category,
    ChannelKind,
    Code,
    Digest,
    DistrictType,
    HousekeepingEvent,
    Instant,
    Language,
    Plain,
    Province,
    Reason,
    Sealed,
    Value,
    Version,
)

Source = Annotated[str, Field(pattern=r"^/bihuan/[a-z_]+$", max_length=64)]
Position = Annotated[str, Field(min_length=1, max_length=64)]
Month = Annotated[str, Field(pattern=r"^(19|20)[0-9]{2}-(0[1-9]|1[0-2])$")]


class ErasureMode(StrEnum):
    """How far a person's data is gone (PIPL)."""

    LOCKED = "locked"
    DESTROYED = "destroyed"


class ErasureState(StrEnum):
    """Whether a complaint keeps its person's data from being destroyed."""

    WAITS = "waits"
    FREE = "free"


class Settlement(StrEnum):
    """What became of a parked record."""

    RELEASED = "released"
    DISCARDED = "discarded"


class PersonAccessed(HousekeepingEvent):
    """Somebody opened sealed data, and what for (DOMAIN, Audit and retention)."""

    type: ClassVar[str] = "person.accessed.v1"

    complaint: UUID | None = None
    """The complaint it was for."""
    by: Code
    """Who: a pseudonym or a service."""
    purpose: Reason
    """What for."""
    fields: tuple[Code, ...]
    """Which fields."""


class PersonSought(HousekeepingEvent):
    """Somebody asked whose a number is, and nobody here has it: an access too, without the number.

    Of a number that is known the person's own stream says it (`person.accessed`).
    """

    type: ClassVar[str] = "person.sought.v1"

    by: Code
    """Who: a pseudonym."""
    purpose: Reason
    """What for."""


class PersonErased(HousekeepingEvent):
    """A person's data is locked or destroyed."""

    type: ClassVar[str] = "person.erased.v1"

    mode: ErasureMode
    """Locked to storage, or the key destroyed."""
    basis: Reason
    """On what ground."""
    until: Instant | None = None
    """Until when it is locked; None when destroyed or not yet known."""
    complaints: tuple[UUID, ...] = ()
    """The person's complaints, whose asks and notices are cancelled."""
    cycles: tuple[Annotated[int, Field(ge=1)], ...] = ()
    """The handling cycle that each of `complaints` was in: whoever complains again afterwards is
    asked again, unless the data is destroyed."""
    others: tuple[UUID, ...] = ()
    """Other people's complaints that hold words of this person: kept for, asked about as ever."""
    to_be_destroyed: bool = False
    """Locked only for as long as one of these complaints is open, held, appealed or under the floor
    (EVENTS race 15); then the key is destroyed."""


class PersonErasureNoted(HousekeepingEvent):
    """Whether one more complaint still keeps a person's data from being destroyed."""

    type: ClassVar[str] = "person.erasure_noted.v1"

    complaint: UUID
    """The complaint."""
    state: ErasureState
    """It keeps the data, or no longer does."""


class Seat(Value):
    """One place in a team."""

    agent: Code
    """The agent's pseudonym."""
    skills: tuple[Code, ...] = ()
    """What the agent can handle, e.g. category codes."""
    languages: tuple[Language, ...] = (Language.ZH,)
    """What the agent speaks."""
    capacity: Annotated[int, Field(ge=0, le=1000)] = 10
    """How many complaints at once."""
    available: bool = True
    """Whether work may be given."""
    manager: bool = False
    """A customer-service manager (tier 1)."""


class TeamChanged(HousekeepingEvent):
    """A team's members, skills, seats or availability are now these."""

    type: ClassVar[str] = "team.changed.v1"

    team: Code
    """The team."""
    queues: tuple[Code, ...]
    """The queues it takes work from."""
    seats: tuple[Seat, ...]
    """Its members."""
    province: Province | None = None
    """Where it sits; None: the whole country."""
    district_types: tuple[DistrictType, ...] = ()
    """Urban or rural; empty: both."""
    available: bool = True
    """Whether work may be given."""
    calendar: Code | None = None
    """The service calendar it keeps, e.g. a hall's; None: 7x24."""


class PolicyActivated(HousekeepingEvent):
    """A policy version counts from the later of this event and `effective_from`."""

    type: ClassVar[str] = "policy.activated.v1"

    name: Code
    """The policy's name."""
    version: Version
    """Its version."""
    sha256: Digest
    """The digest of its canonical JSON."""
    content: dict[str, JsonValue]
    """The whole policy."""
    effective_from: Instant
    """From when it means to count; seed versions from 2004-01-01."""
    seed: bool = False
    """It came with the software and counts from `effective_from` itself."""


class MessageRefused(HousekeepingEvent):
    """A channel message was not taken, by which rule, and what to do about it."""

    type: ClassVar[str] = "message.refused.v1"

    channel: ChannelKind | None = None
    """The channel, when the message tells."""
    source: Annotated[str, Field(max_length=200)]
    """The message's `source`; empty when unreadable."""
    message: Annotated[str, Field(max_length=200)]
    """The message's `id`; topic, partition and offset when unreadable."""
    rule: Reason
    """The rule that refused it."""
    problem: Plain
    """What is wrong and what to do; never the message's own words."""
    complaint: UUID | None = None
    """The complaint it was about, when known."""
    person: UUID | None = None
    """The random id of whom it was from, when its number is known here."""
    bytes_sealed: Sealed | None = None
    """Where the unreadable bytes are kept until settled."""


class GapResolved(HousekeepingEvent):
    """An operator let an inbox go on over missing records."""

    type: ClassVar[str] = "gap.resolved.v1"

    source: Annotated[str, Field(max_length=64)]
    """Whose records are missing, or the channel topic."""
    partition: Annotated[int, Field(ge=0)]
    """The partition."""
    after: Position
    """The last position taken."""
    upto: Position
    """The position gone on from."""
    by: Code
    """The operator's pseudonym."""
    reason: Annotated[Plain, Field(min_length=1)]
    """Why, in the operator's words."""


class RoleChanged(HousekeepingEvent):
    """Somebody may use these roles from now, whatever more their tokens say."""

    type: ClassVar[str] = "role.changed.v1"

    who: Code
    """Whose: a pseudonym, as the tokens name it."""
    roles: tuple[Code, ...]
    """The roles that may be used; none: nothing may be done any more."""
    by: Code
    """Who changed it."""
    reason: Reason
    """Why."""
    digest: Digest
    """The digest of the access table in force, which says what these roles may do."""


class TokenIssued(HousekeepingEvent):
    """A token was issued: written by the service that saw it first, before it was obeyed."""

    type: ClassVar[str] = "token.issued.v1"

    token: Code
    """The token's id, never the token."""
    who: Code
    """For whom: a pseudonym."""
    roles: tuple[Code, ...]
    """With which roles."""
    expires: Instant
    """Until when."""
    by: Code
    """Who issued it: `key:` and the id of the key that signed it."""
    digest: Digest
    """The digest of what of the token is signed."""


class TokenRevoked(HousekeepingEvent):
    """A token is good for nothing any more, though it has not run out."""

    type: ClassVar[str] = "token.revoked.v1"

    token: Code
    """The token's id."""
    who: Code
    """Whose it was."""
    by: Code
    """Who revoked it."""
    reason: Reason
    """Why."""
    digest: Digest
    """The digest of what of the token is signed."""


class ExportMade(HousekeepingEvent):
    """Records left the house."""

    type: ClassVar[str] = "export.made.v1"

    what: Code
    """What was exported."""
    complaints: tuple[UUID, ...] = ()
    """The complaints in it, when few."""
    purpose: Reason
    """What for."""
    by: Code
    """Who made it."""
    digest: Digest
    """The digest of what was made."""


class RebuildDone(HousekeepingEvent):
    """A service was rebuilt from the log."""

    type: ClassVar[str] = "rebuild.done.v1"

    what: Code
    """What was rebuilt: `views`, `database`, or `beside`: a database beside the live one."""
    events: Annotated[int, Field(ge=0)]
    """How many events were folded."""
    generation: Annotated[int, Field(ge=1)]
    """The generation of its positions from now."""
    by: Code
    """Who ordered it."""
    digest: Digest
    """The digest of the rebuilt store."""


class ConnectionEntered(HousekeepingEvent):
    """How a hotline was answered on a day, as somebody wrote it down (004 每日接通率测试表)."""

    type: ClassVar[str] = "connection.entered.v1"

    day: date
    """The day, in Shanghai."""
    line: ChannelKind
    """The hotline."""
    calls: Annotated[int, Field(ge=0, le=100_000_000)]
    """The calls that came, or were made to test it."""
    answered: Annotated[int, Field(ge=0, le=100_000_000)]
    """Those of them answered in time."""
    within_seconds: Annotated[int, Field(ge=1, le=600)]
    """How soon was in time when it was written down."""
    by: Code
    """Who wrote it down: a pseudonym."""
    corrects: bool = False
    """It replaces figures that were written down before."""
    reason: Annotated[Plain, Field(min_length=1)] | None = None
    """Why they were wrong; set when it corrects."""


class HoldPlaced(HousekeepingEvent):
    """A complaint's records must be kept: no purge."""

    type: ClassVar[str] = "hold.placed.v1"

    hold: Code
    """The hold's name."""
    ground: Reason
    """Why."""
    by: Code
    """Who."""
    until: Instant | None = None
    """Until when; None: until lifted."""


class HoldLifted(HousekeepingEvent):
    """A hold is over."""

    type: ClassVar[str] = "hold.lifted.v1"

    hold: Code
    """The hold's name."""
    ground: Reason
    """Why."""
    by: Code
    """Who."""


class StandingHoldPlaced(HousekeepingEvent):
    """A hold reaches what comes on record while it is on: of a person, or as it was asked for.

    Each complaint that it reaches has a `hold.placed` of its own.
    """

    type: ClassVar[str] = "hold.standing_placed.v1"

    hold: Code
    """The hold's name."""
    ground: Reason
    """Why."""
    by: Code
    """Who."""
    person: UUID | None = None
    """Whose complaints and words, or None."""
    told_from: Instant | None = None
    """Complaints told or come on record at or after this instant, or None."""
    told_to: Instant | None = None
    """And before this one."""
    category: Category | None = None
    """And of this category, or of one below it, or None."""
    province: Province | None = None
    """And whose customer or cause is in this province, or None."""
    until: Instant | None = None
    """Until when; None: until lifted."""

    @property
    def asked(self) -> Asked | None:
        """Which complaints are meant by what they are; None: a person's."""
        if self.person is not None:
            return None
        return Asked(
            told_from=self.told_from,
            told_to=self.told_to,
            category=self.category,
            province=self.province,
        )


class StandingHoldLifted(HousekeepingEvent):
    """A hold reaches nothing more that comes."""

    type: ClassVar[str] = "hold.standing_lifted.v1"

    hold: Code
    """The hold's name."""
    ground: Reason
    """Why."""
    by: Code
    """Who."""


class PartitionDigest(Value):
    """How much of one partition of the log was accepted, and its running digest."""

    partition: Annotated[int, Field(ge=0)]
    """The partition."""
    records: Annotated[int, Field(ge=0)]
    """How many records were accepted from it so far."""
    digest: Digest
    """Its running digest."""


class Head(Value):
    """Where a stream ended."""

    source: Source
    """The service."""
    subject: Annotated[str, Field(min_length=1, max_length=200)]
    """The stream's subject."""
    sequence: Annotated[int, Field(ge=1)]
    """Its last sequence number."""
    digest: Digest
    """The digest of its last event."""


class CheckpointSealed(HousekeepingEvent):
    """A signed root over every event accepted so far (RFC 9162).

    The leaves are the events' SHA-256 digests, in this order: checkpoint by checkpoint, of each its
    partitions by number, of each the records that came since, in the order of the log. So anybody
    who has the log can compute the root.
    """

    type: ClassVar[str] = "checkpoint.sealed.v1"

    origin: Annotated[str, Field(pattern=r"^[!-*,-~]+$", max_length=64)]
    """The name of this log, first line of the signed text; it has no blank and no plus."""
    size: Annotated[int, Field(ge=0)]
    """How many leaves the tree has."""
    root: Digest
    """Its root."""
    sealed_at: Instant
    """When it was sealed, as the signed text says it."""
    previous_size: Annotated[int, Field(ge=0)]
    """The size of the checkpoint before; 0: none."""
    previous_root: Digest | None = None
    """The root before."""
    heads_changed: Annotated[int, Field(ge=0)]
    """How many streams grew since."""
    partitions: tuple[PartitionDigest, ...]
    """What was accepted of each partition, by number."""
    public_key: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{43}$")]
    """The Ed25519 key that signed, base64url."""
    signature: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{86}$")]
    """Ed25519 over the text of the checkpoint (C2SP tlog-checkpoint), base64url."""


class PurgeProposed(HousekeepingEvent):
    """Somebody asks that what is past its retention of a month may go; another must approve."""

    type: ClassVar[str] = "purge.proposed.v1"

    cohort: Month
    """The month of registration."""
    plan: Digest
    """The digest of the plan: exactly which streams, each with its end."""
    complaints: Annotated[int, Field(ge=1)]
    """How many complaints would go."""
    streams: Annotated[int, Field(ge=1)]
    """How many streams."""
    events: Annotated[int, Field(ge=1)]
    """How many events."""
    kept: Annotated[int, Field(ge=0)]
    """How many complaints of the month stay."""
    ground: Reason
    """Why they may go."""
    by: Code
    """Who proposed it: a pseudonym."""


class PurgeApproved(HousekeepingEvent):
    """A second person approved the plan; each service withholds its streams, or says which moved.

    Nothing goes by it: `cohort.purged` follows, once all have answered, for what nobody objected
    to. What goes at once may need several of these events; together they are `parts`.
    """

    type: ClassVar[str] = "purge.approved.v1"

    cohort: Month
    """The month of registration."""
    part: Annotated[int, Field(ge=1)]
    """Which part this is, from 1."""
    parts: Annotated[int, Field(ge=1)]
    """How many parts there are."""
    plan: Digest
    """The digest of the plan that was approved."""
    heads: Annotated[tuple[Head, ...], Field(min_length=1, max_length=1000)]
    """The streams that are to go, each with its end, by source and subject."""
    asked: Annotated[tuple[Source, ...], Field(min_length=1, max_length=20)]
    """The services that must answer."""
    by: Code
    """Who approved it: a pseudonym."""


class PurgeStep(StrEnum):
    """Which of the two a service answers."""

    WITHHELD = "withheld"
    """The approval: from here on nothing is added to these streams."""
    GONE = "gone"
    """The tombstone: they are deleted."""


class PurgeAnswered(HousekeepingEvent):
    """A service has done its part of a purge, but for complaints that were taken up again."""

    type: ClassVar[str] = "purge.answered.v1"

    cohort: Month
    """The month of registration."""
    record: UUID
    """The `purge.approved` or `cohort.purged` that it answers."""
    step: PurgeStep
    """Which of the two that is."""
    kept: Annotated[tuple[UUID, ...], Field(max_length=1000)] = ()
    """Complaints whose streams do not end as it says, or that wait for a decision: they stay."""


class PurgeWithdrawn(HousekeepingEvent):
    """A proposed or approved purge is off; nothing went, and what was withheld is free again."""

    type: ClassVar[str] = "purge.withdrawn.v1"

    cohort: Month
    """The month of registration."""
    plan: Digest
    """The plan that is off."""
    ground: Reason
    """Why."""
    by: Code
    """Who withdrew it: a pseudonym."""


class ArchivedRun(Value):
    """One partition's records in a cohort's file."""

    partition: Annotated[int, Field(ge=0)]
    """The partition of the log."""
    records: Annotated[int, Field(ge=1)]
    """How many."""
    life: Annotated[int, Field(ge=1)]
    """The life of the log that the last one lay in."""
    offset: Annotated[int, Field(ge=0)]
    """Its offset there."""
    digest: Digest
    """Running SHA-256 over every field of each of them (docs/auditors.md)."""


class CohortArchived(HousekeepingEvent):
    """A month's records lie in a file, read back and found equal; they left the database with this.

    The newest of these events says which file holds: a later one replaces the file of an earlier.
    """

    type: ClassVar[str] = "cohort.archived.v1"

    cohort: Month
    """The month of registration."""
    file: Digest
    """SHA-256 of the file's bytes."""
    key: Annotated[str, Field(pattern=r"^[0-9]{4}-[0-9]{2}/[0-9a-f]{64}\.parquet$")]
    """Its name in the archive's store; where the store is stands in no event."""
    bytes: Annotated[int, Field(ge=1)]
    """How large it is."""
    events: Annotated[int, Field(ge=0)]
    """How many records it holds; 0: all it held were purged."""
    streams: Annotated[int, Field(ge=0)]
    """Of how many streams."""
    partitions: Annotated[tuple[ArchivedRun, ...], Field(max_length=1000)]
    """What it holds of each partition of the log, ascending."""
    replaces: Digest | None = None
    """The file that it stands in place of; None: there was none."""
    by: Code
    """Who ordered it: a pseudonym."""


class CohortRestored(HousekeepingEvent):
    """A month's records are back in the database, as they were; its file holds no more."""

    type: ClassVar[str] = "cohort.restored.v1"

    cohort: Month
    """The month of registration."""
    file: Digest
    """The file that they came from."""
    events: Annotated[int, Field(ge=1)]
    """How many records came back."""
    reason: Annotated[Plain, Field(min_length=1)]
    """What for."""
    by: Code
    """Who ordered it: a pseudonym."""


class CohortPurged(HousekeepingEvent):
    """Complaints of a month passed their retention; exactly these streams go (the tombstone).

    What goes at once may need several of these events; together they are `parts`. All streams of
    one complaint stand in the same part.
    """

    type: ClassVar[str] = "cohort.purged.v1"

    cohort: Month
    """The month of registration."""
    part: Annotated[int, Field(ge=1)]
    """Which part this is, from 1."""
    parts: Annotated[int, Field(ge=1)]
    """How many parts there are."""
    plan: Digest
    """The digest of the plan that was approved."""
    heads: Annotated[tuple[Head, ...], Field(min_length=1, max_length=1000)]
    """The streams that go, each with its end, by source and subject."""
    count: Annotated[int, Field(ge=1)]
    """How many events of these streams go."""
    ground: Reason
    """Why they may."""
    proposed_by: Code
    """Who proposed it: a pseudonym."""
    by: Code
    """Who approved it: another pseudonym."""
    key: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{43}$")]
    """The Ed25519 key that signed, base64url."""
    signature: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{86}$")]
    """Ed25519 over the text that `contracts.purging.purge_text` makes of the rest, base64url."""


class RecordParked(HousekeepingEvent):
    """A record could not be taken; later ones of that complaint wait behind it."""

    type: ClassVar[str] = "record.parked.v1"

    record: Annotated[str, Field(min_length=1, max_length=200)]
    """The parked record's id, or topic, partition and offset."""
    source: Annotated[str, Field(max_length=200)]
    """Who wrote it, when known."""
    position: Annotated[str, Field(max_length=64)]
    """Its position there, when known."""
    error: Reason
    """The kind of error."""
    problem: Plain
    """What is wrong and what to do; never the record's own words."""


class RecordSettled(HousekeepingEvent):
    """A parked record was taken after all, or discarded."""

    type: ClassVar[str] = "record.settled.v1"

    record: Annotated[str, Field(min_length=1, max_length=200)]
    """The parked record's id."""
    settlement: Settlement
    """Released or discarded."""
    by: Code
    """Who."""
    reason: Annotated[Plain, Field(min_length=1)]
    """Why, in the operator's words."""
