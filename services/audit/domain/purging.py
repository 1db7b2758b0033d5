"""A month's purge is proposed by one person and approved by another, on exactly the same plan.

The stream of a cohort month: proposals, what was withdrawn, and the signed tombstones of what went.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from contracts.housekeeping import CohortPurged, Month, PurgeProposed, PurgeWithdrawn
from contracts.values import Code, Digest, Reason
from libs.decider import (
    Command,
    Conflict,
    Context,
    Decider,
    NotFound,
    Recorded,
    Refused,
    Row,
    Standing,
    State,
)
from services.audit.domain.cohorts import COHORTS, PURGE, Cohort

PURGES_ROWS = "purge"
GONE_ROWS = "gone"


def subject_of(cohort: str) -> str:
    """The stream of a month's purges, e.g. `purge:2025-08`."""
    return f"{PURGE}:{cohort}"


class Stage(StrEnum):
    """What became of a proposal."""

    PROPOSED = "proposed"
    WITHDRAWN = "withdrawn"
    PURGED = "purged"


class ProposePurge(Command):
    """Let what this plan names go."""

    cohort: Month
    plan: Digest
    complaints: int
    streams: int
    events: int
    kept: int
    ground: Reason
    by: Code


class WithdrawPurge(Command):
    """Do not, after all."""

    cohort: Month
    ground: Reason
    by: Code


class ApprovePurge(Command):
    """Yes, exactly that: `asked` is the plan that was looked at, `plan` what it is now.

    `parts` are the signed tombstones of the plan as it is now.
    """

    asked: Digest
    plan: Digest
    by: Code
    parts: tuple[CohortPurged, ...]


class NothingGoes(Refused):
    """No complaint of this month may go now; `retention plan` says what keeps each."""

    rule = "nothing-goes"
    zh = "该月份目前没有可清除的投诉"


class PurgeIsProposed(Conflict):
    """A purge of this month is proposed already; approve it or withdraw it."""

    rule = "purge-is-proposed"
    zh = "该月份已有清除提议,请批准或撤回"


class NoPurgeProposed(NotFound):
    """No purge of this month is proposed; propose one first."""

    rule = "no-purge-proposed"
    zh = "该月份没有清除提议"


class CohortInFile(Conflict):
    """This month's records lie in a file; restore it (`bihuan archive restore`) before a purge."""

    rule = "cohort-in-file"
    zh = "该月份已归档为文件,须先恢复再清除"


class OwnPurge(Refused):
    """Nobody approves a purge that they proposed; another person must."""

    status = 403
    rule = "own-purge"
    zh = "不得批准本人提出的清除,须由另一人批准"


class PlanChanged(Conflict):
    """The plan is not what was proposed any more; withdraw it, look again and propose anew."""

    rule = "plan-changed"
    zh = "清除计划已变化,请撤回并重新查看、提议"


@dataclass(frozen=True, slots=True)
class Entry:
    """One proposal of a month, and what became of it."""

    stage: Stage
    plan: str
    ground: str
    proposed_by: str
    proposed_at: datetime
    complaints: int
    streams: int
    events: int
    kept: int
    by: str | None = None
    at: datetime | None = None
    parts: int = 0
    tombstone: UUID | None = None
    """The first of the events that say what went."""


@dataclass(frozen=True, slots=True)
class Purges(State):
    """A month: its proposals, and which of its complaints went by which event."""

    entries: tuple[Entry, ...] = ()
    gone: tuple[tuple[UUID, UUID, datetime], ...] = ()
    """(complaint, event, when)."""

    @property
    def proposed(self) -> Entry | None:
        """What waits for a second person."""
        last = self.entries[-1] if self.entries else None
        return last if last is not None and last.stage is Stage.PROPOSED else None

    def approved_since(self, instant: datetime) -> bool:
        """Whether anything was approved to go at this instant or after it."""
        return any(at >= instant for _, _, at in self.gone)


def decide(
    state: Purges | None, command: ProposePurge | WithdrawPurge | ApprovePurge, context: Context
) -> Sequence[PurgeProposed | PurgeWithdrawn | CohortPurged]:
    """Two people, one plan; told twice is told once."""
    known = state or Purges()
    match command:
        case ProposePurge():
            _in_the_database(command.cohort, context)
            return _propose(known, command)
        case WithdrawPurge():
            on = known.proposed
            if on is None:
                raise NoPurgeProposed
            told = command
            return [
                PurgeWithdrawn(cohort=told.cohort, plan=on.plan, ground=told.ground, by=told.by)
            ]
        case ApprovePurge():
            if known.proposed is not None:
                _in_the_database(context.subject.removeprefix(subject_of("")), context)
            return _approve(known, command)


def _in_the_database(cohort: str, context: Context) -> None:
    """What lies in a file is not let go from here; looked at again at the commit."""
    month: Cohort | None = context.state_of(COHORTS.kind, cohort)
    if month is not None and month.archived is not None:
        raise CohortInFile


def _propose(known: Purges, command: ProposePurge) -> Sequence[PurgeProposed]:
    if command.complaints == 0:
        raise NothingGoes
    on = known.proposed
    if on is not None:
        if (on.plan, on.ground, on.proposed_by) != (command.plan, command.ground, command.by):
            raise PurgeIsProposed
        return []
    return [
        PurgeProposed(
            cohort=command.cohort,
            plan=command.plan,
            complaints=command.complaints,
            streams=command.streams,
            events=command.events,
            kept=command.kept,
            ground=command.ground,
            by=command.by,
        )
    ]


def _approve(known: Purges, command: ApprovePurge) -> Sequence[CohortPurged]:
    on = known.proposed
    if on is None:
        last = known.entries[-1] if known.entries else None
        if last is not None and (last.stage, last.plan, last.by) == (
            Stage.PURGED,
            command.asked,
            command.by,
        ):
            return []
        raise NoPurgeProposed
    if on.proposed_by == command.by:
        raise OwnPurge
    if not on.plan == command.asked == command.plan:
        raise PlanChanged
    return command.parts


def evolve(state: Purges | None, recorded: Recorded[Any]) -> Purges:
    """One more proposal, or what became of the last."""
    known = state or Purges()
    told = recorded.data
    match told:
        case PurgeProposed():
            entry = Entry(
                stage=Stage.PROPOSED,
                plan=told.plan,
                ground=told.ground,
                proposed_by=told.by,
                proposed_at=recorded.time,
                complaints=told.complaints,
                streams=told.streams,
                events=told.events,
                kept=told.kept,
            )
            return replace(known, entries=(*known.entries, entry))
        case PurgeWithdrawn():
            entry = replace(known.entries[-1], stage=Stage.WITHDRAWN, by=told.by, at=recorded.time)
            return replace(known, entries=(*known.entries[:-1], entry))
        case _:
            return _purged(known, recorded)


def _purged(known: Purges, recorded: Recorded[CohortPurged]) -> Purges:
    told = recorded.data
    entry = replace(
        known.entries[-1],
        stage=Stage.PURGED,
        by=told.by,
        at=recorded.time,
        parts=told.parts,
        tombstone=recorded.id if told.part == 1 else known.entries[-1].tombstone,
    )
    went = sorted({UUID(head.subject) for head in told.heads})
    return Purges(
        entries=(*known.entries[:-1], entry),
        gone=(*known.gone, *((one, recorded.id, recorded.time) for one in went)),
    )


def rows(subject: str, state: Purges) -> Iterator[Row]:
    """The proposals of the month, and a row for each complaint that went."""
    cohort = subject.removeprefix(subject_of(""))
    for number, one in enumerate(state.entries, start=1):
        yield Row.of(
            PURGES_ROWS,
            {"cohort": cohort, "number": number},
            stage=one.stage.value,
            plan=one.plan,
            ground=one.ground,
            proposed_by=one.proposed_by,
            proposed_at=one.proposed_at,
            complaints=one.complaints,
            streams=one.streams,
            events=one.events,
            kept=one.kept,
            settled_by=one.by,
            settled_at=one.at,
            parts=one.parts,
            tombstone=one.tombstone,
        )
    for complaint, event, at in state.gone:
        yield Row.of(GONE_ROWS, {"complaint": complaint}, cohort=cohort, tombstone=event, at=at)


_STANDS = {
    Stage.PROPOSED: Standing("proposed", "已提议,待他人批准", "proposed; another must approve"),
    Stage.WITHDRAWN: Standing("withdrawn", "提议已撤回", "the last proposal was withdrawn"),
    Stage.PURGED: Standing("purged", "已清除", "what was proposed last is gone"),
}


def stands(state: Purges) -> Standing | None:
    """Where the month stands."""
    return _STANDS[state.entries[-1].stage] if state.entries else None


PURGES: Decider[Purges] = Decider(
    kind=PURGE,
    commands=(ProposePurge, WithdrawPurge, ApprovePurge),
    events=(PurgeProposed, PurgeWithdrawn, CohortPurged),
    decide=decide,
    evolve=evolve,
    rows=rows,
    stands=stands,
    subject_is_id=False,
)
"""Subject: `purge:` and the month of registration; the month alone is the stream of its file."""
