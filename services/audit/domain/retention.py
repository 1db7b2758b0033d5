"""From when a complaint may go, and what keeps it (DOMAIN, Audit and retention).

Default two years after closing, by category perhaps longer; never before six calendar months after
closing, nor after the newest of its records. Open, appealed to the regulator or under a legal hold
it stays, whatever its age; complaints that were merged stay or go together. Persons, policies,
teams and checkpoints are no complaints: nothing here lets them go.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from hashlib import sha256
from typing import Annotated, Any, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, model_validator

from contracts.housekeeping import Head
from contracts.keeping import FLOOR_DAYS, FLOOR_MONTHS, days_after, floor_ends, months_after
from contracts.values import Category, Kind, Names, Version
from libs.decider.policy import FLOOR, Fault, Unsound

RETENTION = "retention"
"""The policy's name."""

COMPLAINTS_AT_ONCE_MAX = 10_000
"""So many go with one approval at most; the rest is proposed again."""

PLAN_TITLE = "bihuan purge plan"


# -- the policy -----------------------------------------------------------------------------------


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class Period(_Part):
    """How long: exactly one of years, months and days, counted from a date to 24:00 of another."""

    years: Annotated[int, Field(le=100)] | None = None
    """Calendar years."""
    months: Annotated[int, Field(le=1200)] | None = None
    """Calendar months; at least 6."""
    days: Annotated[int, Field(le=36_600)] | None = None
    """Days; at least 184, for six calendar months may have as many."""

    @model_validator(mode="after")
    def _one(self) -> Self:
        if sum(one is not None for one in (self.years, self.months, self.days)) != 1:
            raise ValueError("say exactly one of years, months, days")
        return self

    def ends(self, since: datetime) -> datetime:
        """When it is over, counted from the date of this instant in Shanghai."""
        if self.days is not None:
            return days_after(since, self.days)
        months = self.months if self.months is not None else 12 * (self.years or 0)
        return months_after(since, months)

    def faults(self, where: tuple[str | int, ...]) -> Iterable[Fault]:
        """Where it would lower the floor."""
        least = {"years": 1, "months": FLOOR_MONTHS, "days": FLOOR_DAYS}
        for unit, fewest in least.items():
            told = getattr(self, unit)
            if told is not None and told < fewest:
                problem = (
                    f"{told} {unit} would let records go before six calendar months are over, "
                    f"which no setting may: say at least {fewest} {unit}"
                )
                yield Fault(FLOOR, (*where, unit), problem)


class OfCategory(_Part):
    """Complaints of one category, with those below it."""

    category: Category
    """The category; the longest code that fits a complaint counts."""
    keep: Period
    """How long after closing."""


class RetentionPolicy(_Part):
    """One version of how long complaints are kept."""

    name: str
    version: Version
    effective_from: str
    otherwise: Period
    """Every category that has no line of its own."""
    categories: tuple[OfCategory, ...] = ()
    """Those that have one."""

    @model_validator(mode="after")
    def _sound(self) -> Self:
        faults = list(self.otherwise.faults(("otherwise",)))
        seen: set[Category] = set()
        for number, one in enumerate(self.categories):
            faults += one.keep.faults(("categories", number, "keep"))
            if one.category in seen:
                problem = f"{one.category} has a line already: take one of them out"
                faults.append(Fault("overlap", ("categories", number, "category"), problem))
            seen.add(one.category)
        if faults:
            raise Unsound(faults)
        return self

    def period_of(self, category: Category) -> Period:
        """How long complaints of this category are kept."""
        own = {one.category: one.keep for one in self.categories}
        at: Category | None = category
        while at is not None:
            if at in own:
                return own[at]
            at = at.parent
        return self.otherwise


# -- one complaint --------------------------------------------------------------------------------


class Stays(StrEnum):
    """What keeps a complaint."""

    OPEN = "open"
    """Its loop is not closed."""
    APPEALED = "appealed"
    """A case of the regulator (tier 4) is open."""
    HELD = "held"
    """A legal hold is on."""
    NOT_YET = "not_yet"
    """It may go, but from a later instant on."""
    MERGED = "merged"
    """A complaint that it was merged with stays."""
    UNKNOWN = "unknown"
    """What it was merged into is not on record here yet."""
    PARKED = "parked"
    """A record of it waits for a decision (`bihuan dead-letter`)."""
    FAULTY = "faulty"
    """Its chain is broken: it is evidence until somebody has looked."""
    NEXT_TIME = "next_time"
    """It may go, but more complaints than go at once are before it."""


@dataclass(frozen=True, slots=True)
class Standing:
    """What is known of one complaint, as far as it decides whether it may go.

    `counts_from`: when its closing came on record (of history: its import), or, of what runs no
    loop, when it was told; None: it is open. `recorded`: the time of its newest record.
    """

    complaint: UUID
    category: Category
    counts_from: datetime | None
    recorded: datetime
    into: UUID | None = None
    appealed: bool = False
    holds: tuple[str, ...] = ()
    parked: bool = False
    faulty: bool = False


def counted_from(
    kind: Kind, told_at: datetime | None, kept_from: datetime | None
) -> datetime | None:
    """Where retention counts from: the closing on record, or the telling of what has no loop.

    `told_at` is None once it was reopened, and so runs the loop; of history, it is the import.
    """
    if kept_from is not None:
        return kept_from
    return told_at if kind is not Kind.COMPLAINT else None


@dataclass(frozen=True, slots=True)
class Fate:
    """Whether a complaint may go; if not, everything that keeps it. `due`: from when, if known.

    `group` is the same for all that were merged with each other: the first of them by id.
    """

    complaint: UUID
    reasons: tuple[Stays, ...] = ()
    due: datetime | None = None
    holds: tuple[str, ...] = ()
    group: UUID | None = field(default=None, compare=False)

    @property
    def goes(self) -> bool:
        """Nothing keeps it."""
        return not self.reasons


def may_go_from(standing: Standing, policy: RetentionPolicy) -> datetime | None:
    """When its time is over; None: open. Never before the floor, whatever the policy says."""
    since = standing.counts_from
    if since is None:
        return None
    return max(
        policy.period_of(standing.category).ends(since),
        floor_ends(since),
        floor_ends(standing.recorded),
    )


def fates(
    standings: Mapping[UUID, Standing],
    policy: RetentionPolicy,
    now: datetime,
    gone: frozenset[UUID] = frozenset(),
) -> dict[UUID, Fate]:
    """What may go at `now`, and what keeps the others.

    `standings` holds whatever these were merged with as well, of any month; `gone` are complaints
    that went before: one merged into them is not kept by that.
    """
    found: dict[UUID, Fate] = {}
    for group in _groups(standings.values()):
        found |= _of_group(group, standings, policy, now, gone)
    return found


def _of_group(
    group: Sequence[Standing],
    known: Mapping[UUID, Standing],
    policy: RetentionPolicy,
    now: datetime,
    gone: frozenset[UUID],
) -> dict[UUID, Fate]:
    """Complaints that were merged with each other share their end."""
    reasons = {one.complaint: _reasons(one, known, gone) for one in group}
    stays = any(reasons.values())
    endless = any({Stays.OPEN, Stays.UNKNOWN} & set(each) for each in reasons.values())
    due = None if endless else max(_earliest(one, policy) for one in group)
    found: dict[UUID, Fate] = {}
    for one in group:
        mine = reasons[one.complaint] or ([Stays.MERGED] if stays else [])
        if due is not None and now < due:
            mine = [*mine, Stays.NOT_YET]
        found[one.complaint] = Fate(
            one.complaint, tuple(mine), due, one.holds, group=group[0].complaint
        )
    return found


def _earliest(one: Standing, policy: RetentionPolicy) -> datetime:
    """One that was merged away counts from nothing of its own; its records have the floor."""
    return may_go_from(one, policy) or floor_ends(one.recorded)


def _reasons(one: Standing, known: Mapping[UUID, Standing], gone: frozenset[UUID]) -> list[Stays]:
    """Everything that keeps this one by itself, its age apart."""
    found = {
        Stays.OPEN: one.into is None and one.counts_from is None,
        Stays.UNKNOWN: one.into is not None and one.into not in known and one.into not in gone,
        Stays.APPEALED: one.appealed,
        Stays.HELD: bool(one.holds),
        Stays.PARKED: one.parked,
        Stays.FAULTY: one.faulty,
    }
    return [reason for reason, true in found.items() if true]


def _groups(standings: Iterable[Standing]) -> list[list[Standing]]:
    """Those that were merged with each other, directly or not, together."""
    root: dict[UUID, UUID] = {}

    def top(one: UUID) -> UUID:
        while root.setdefault(one, one) != one:
            root[one] = root[root[one]]
            one = root[one]
        return one

    listed = sorted(standings, key=lambda one: one.complaint)
    for one in listed:
        if one.into is not None:
            root[top(one.complaint)] = top(one.into)
    groups: dict[UUID, list[Standing]] = {}
    for one in listed:
        groups.setdefault(top(one.complaint), []).append(one)
    return list(groups.values())


# -- a month --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Plan:
    """What would go of a month at an instant, and what stays; a dry run, nothing is done."""

    cohort: str
    at: datetime
    policy: str
    goes: tuple[Fate, ...]
    stays: tuple[Fate, ...]
    heads: tuple[Head, ...] = field(default=(), repr=False)
    """The streams that would go, each with its end, by source and subject."""

    @property
    def events(self) -> int:
        """How many events would go: streams count from 1."""
        return sum(head.sequence for head in self.heads)

    @property
    def digest(self) -> str:
        """SHA-256 over the month and exactly these streams and ends, line by line."""
        lines = [PLAN_TITLE, self.cohort]
        lines += [
            f"{head.source}\t{head.subject}\t{head.sequence}\t{head.digest}" for head in self.heads
        ]
        return sha256("".join(f"{line}\n" for line in lines).encode()).hexdigest()


def plan_of(
    cohort: str,
    at: datetime,
    policy: RetentionPolicy,
    members: Iterable[UUID],
    found: Mapping[UUID, Fate],
    heads: Mapping[UUID, Sequence[Head]],
    *,
    most: int = COMPLAINTS_AT_ONCE_MAX,
) -> Plan:
    """The plan of one month: `members` are its complaints, `heads` where their streams end.

    At most `most` go; those merged with each other go together or not at all, so a single group
    of more goes alone.
    """
    told = [found[one] for one in sorted(members)]
    groups: dict[UUID, list[Fate]] = {}
    for one in told:
        if one.goes:
            groups.setdefault(one.group or one.complaint, []).append(one)
    goes: list[Fate] = []
    later: list[Fate] = []
    for group in groups.values():
        if later or (goes and len(goes) + len(group) > most):
            later += [replace(one, reasons=(Stays.NEXT_TIME,)) for one in group]
        else:
            goes += group
    goes.sort(key=_by_id)
    ends = [head for one in goes for head in heads[one.complaint]]
    return Plan(
        cohort=cohort,
        at=at,
        policy=policy.version,
        goes=tuple(goes),
        stays=tuple(sorted([*(one for one in told if not one.goes), *later], key=_by_id)),
        heads=tuple(sorted(ends, key=lambda head: (head.source, head.subject))),
    )


def _by_id(fate: Fate) -> UUID:
    return fate.complaint


def compile_retention(content: Mapping[str, Any]) -> RetentionPolicy:
    """The policy as it is followed; raises ValidationError, with every place that is wrong."""
    return RetentionPolicy.model_validate(content)


STAYS_NAMES: Mapping[Stays, Names] = {
    Stays.OPEN: Names("尚未闭环", "not closed"),
    Stays.APPEALED: Names("监管申诉处理中", "an appeal to the regulator is open"),
    Stays.HELD: Names("留存保全", "under a legal hold"),
    Stays.NOT_YET: Names("保存期未满", "its time is not over"),
    Stays.MERGED: Names("与其合并的投诉仍须留存", "merged with one that stays"),
    Stays.UNKNOWN: Names("合并去向尚未入档", "what it was merged into is not archived yet"),
    Stays.PARKED: Names("有待处理记录", "a record of it is parked"),
    Stays.FAULTY: Names("校验有异常,须先查明", "its chain has a fault: look first"),
    Stays.NEXT_TIME: Names("超出单次清除上限,下次清除", "more than go at once are before it"),
}
"""What keeps a complaint, as people read it."""
