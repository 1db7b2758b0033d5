"""A month's records: in the database, or in a file of their own; and when they may go there.

Nothing is lost by it: who asks gets the same answers from the file. It is for what nothing touches
any more (DESIGN, Audit), for a file is read more slowly than a row.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Annotated, Any, Protocol
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field

from contracts.housekeeping import CohortArchived, CohortRestored
from contracts.keeping import FLOOR_MONTHS, floor_ends, months_after
from contracts.values import Version
from libs.decider import Command, Conflict, Context, Decider, Recorded, Refused, Row, State
from services.audit.domain.standing import of_cohort

NAME = "archive"
"""The policy's name."""
ARCHIVED = "archived_cohort"
"""The table of those that lie in files."""
BROUGHT_BACK = "brought_back"
"""The table of those that were brought back for a purge."""
PURGE = "purge"
"""The kind of a month's purges, and how their subject begins."""
BY_ITSELF = "system:audit"
"""By whom, where nobody asked for just that."""
FOR_A_PURGE = "purge"
"""What a month is brought back for so that what a purge names can go; then it is written again."""
SHANGHAI = ZoneInfo("Asia/Shanghai")
UNDATED = "1970-01"
"""What has no readable time; never archived, for nothing says when it is quiet."""


class ArchivePolicy(BaseModel):
    """One version of when records leave the database, and Kafka."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    name: str
    version: Version
    effective_from: str
    quiet_months: Annotated[int, Field(ge=FLOOR_MONTHS, le=120)]
    """For so many calendar months nothing was recorded of any complaint of the month.

    At least six, for the database itself keeps rows that long (decision 15).
    """
    log_days: Annotated[int, Field(ge=30, le=3_650)]
    """Kafka keeps a record for so many days at least."""


# -- when a month may go --------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Standing:
    """How a month stands in the database."""

    cohort: str
    events: int
    """Records of it that lie in the database now."""
    complaints: int = 0
    open: int = 0
    """Complaints of it that are not closed."""
    newest: datetime | None = None
    """When the last record of any of its complaints was made."""
    parked: int = 0
    """Complaints of it of which a record could not be taken yet."""
    proposed: bool = False
    """A purge of it is proposed, or approved and not known to go yet."""
    going: bool = False
    """What was approved to go is still there."""


class MayNotLeave(Conflict):
    """Something still touches this month; archive it later, or see `archive list` for what."""

    rule = "cohort-may-not-leave"
    zh = "该月份仍有未了结或近期活动的投诉,暂不能归档"


def hindrances(standing: Standing, rules: ArchivePolicy, now: datetime) -> list[str]:
    """Why a month may not leave yet, in words for people; empty when it may."""
    found = []
    if standing.cohort == UNDATED:
        found.append("records without a readable time stay in the database")
    if standing.events == 0:
        found.append("the database holds no records of it")
    if standing.open:
        found.append(f"{standing.open} complaint(s) are open")
    if standing.parked:
        found.append(f"{standing.parked} complaint(s) wait behind a parked record")
    found += purging(standing)
    quiet = months_after(standing.newest or _last_day(standing.cohort), rules.quiet_months)
    if now < quiet:
        found.append(f"not quiet long enough: from {quiet.astimezone(SHANGHAI):%Y-%m-%d} on")
    return found


def purging(standing: Standing) -> list[str]:
    """What a purge under way says against it: in a file, its records would outlive their purge."""
    found = []
    if standing.proposed:
        found.append("a purge of it is proposed or approved: finish or withdraw it first")
    if standing.going:
        found.append("a purge of it was approved and is not carried out yet")
    return found


def may_lie_in_a_file(time: datetime | None, now: datetime) -> bool:
    """Whether a record is past the floor, under which the database keeps its row (decision 15)."""
    return time is None or floor_ends(time) <= now


def _last_day(cohort: str) -> datetime:
    year, month = map(int, cohort.split("-"))
    return datetime(year + month // 12, month % 12 + 1, 1, tzinfo=SHANGHAI) - timedelta(days=1)


# -- on record ------------------------------------------------------------------------------------


class ArchiveCohort(Command):
    """Put on record that a month's file holds; the rows leave in the same transaction."""

    archived: CohortArchived


class RestoreCohort(Command):
    """Put on record that a month's records are back."""

    restored: CohortRestored


class NotArchived(Refused):
    """This month's records lie in no file; `archive list` shows which do."""

    rule = "cohort-not-archived"
    zh = "该月份未归档"


class OtherFile(Conflict):
    """Another file of this month was put on record meanwhile; look at `archive list` again."""

    rule = "cohort-other-file"
    zh = "该月份的归档文件已变更,请重新查看"


@dataclass(frozen=True, slots=True)
class Cohort(State):
    """Where a month's records are: the event that says which file holds, or None."""

    archived: CohortArchived | None = None
    back: str | None = None
    """The file from which a purge had the records brought back; after that it is written again."""

    @property
    def file(self) -> str | None:
        """The digest of the file that holds."""
        return None if self.archived is None else self.archived.file


class _Purges(Protocol):
    @property
    def pending(self) -> object | None: ...

    def approved_since(self, instant: datetime) -> bool: ...


def decide(
    cohort: Cohort | None, command: ArchiveCohort | RestoreCohort, context: Context
) -> Sequence[CohortArchived | CohortRestored]:
    """A file replaces the one that it was made from; told twice is told once.

    `command.at` is when the file was begun: what was approved to go since may be in it.
    """
    file = None if cohort is None else cohort.file
    match command:
        case ArchiveCohort(archived=archived):
            if archived.file == file:
                return []
            if archived.replaces != file:
                raise OtherFile
            purges: _Purges | None = context.state_of(PURGE, f"{PURGE}:{archived.cohort}")
            if purges is not None and (purges.pending or purges.approved_since(command.at)):
                raise MayNotLeave
            return [archived]
        case RestoreCohort(restored=restored):
            if file is None:
                raise NotArchived
            if restored.file != file:
                raise OtherFile
            return [restored]


def evolve(cohort: Cohort | None, recorded: Recorded[Any]) -> Cohort:
    """The newest file, or none."""
    known = cohort or Cohort()
    told = recorded.data
    if isinstance(told, CohortArchived):
        return replace(known, archived=told)
    by_itself = (told.by, told.reason) == (BY_ITSELF, FOR_A_PURGE)
    return Cohort(back=told.file if by_itself else None)


def rows(subject: str, cohort: Cohort) -> Iterator[Row]:
    """The month, while its records lie in a file; and which file a purge had brought back."""
    told = cohort.archived
    if cohort.back is not None:
        yield Row.of(BROUGHT_BACK, {"cohort": subject}, file=cohort.back, written=told is not None)
    if told is not None:
        yield Row.of(
            ARCHIVED,
            {"cohort": subject},
            file=told.file,
            key=told.key,
            bytes=told.bytes,
            events=told.events,
            streams=told.streams,
            ends=[[one.partition, one.life, one.offset] for one in told.partitions],
        )


COHORTS: Decider[Cohort] = Decider(
    kind="cohort",
    commands=(ArchiveCohort, RestoreCohort),
    events=(CohortArchived, CohortRestored),
    decide=decide,
    evolve=evolve,
    rows=rows,
    stands=of_cohort,
    subject_is_id=False,
)
"""Subject: the month, e.g. 2025-09."""
