"""A month's purge is proposed by one person and approved by another, on exactly the same plan.

The stream of a cohort month: proposals, what was withdrawn or approved, and the signed tombstones
of what went. Between approval and tombstone every service withholds the streams, or says which
complaints were taken up again: these stay (docs/decisions/0021).
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from contracts.housekeeping import (
    CohortPurged,
    Head,
    Month,
    PurgeApproved,
    PurgeProposed,
    PurgeStep,
    PurgeWithdrawn,
)
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
from services.audit.domain.cohorts import BY_ITSELF, COHORTS, PURGE, Cohort
from services.audit.domain.retention import Plan

PURGES_ROWS = "purge"
PARTS_ROWS = "purge_part"
"""Of each purge the events that every service answers."""
ANSWERS = "purge_answer"
"""What each service said to a part of a purge."""
GONE_ROWS = "gone"

TAKEN_UP = "all_taken_up"
"""Why an approved purge is off by itself: no complaint of it is left."""


def subject_of(cohort: str) -> str:
    """The stream of a month's purges, e.g. `purge:2025-08`."""
    return f"{PURGE}:{cohort}"


class Stage(StrEnum):
    """What became of a proposal."""

    PROPOSED = "proposed"
    WITHDRAWN = "withdrawn"
    APPROVED = "approved"
    """Every service withholds the streams and says so."""
    UNDER_WAY = "under_way"
    """The tombstone is on record; every service deletes the streams and says so."""
    PURGED = "purged"
    """All have: only shown, for it follows from their answers."""


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

    `parts` name the streams of the plan as it is now.
    """

    asked: Digest
    plan: Digest
    by: Code
    parts: tuple[PurgeApproved, ...]


class SignPurge(Command):
    """All services have answered: what goes is this; nothing, where all were taken up again."""

    cohort: Month
    plan: Digest
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
    """This month's records lie in a file and are brought back first; nothing is signed before."""

    rule = "cohort-in-file"
    zh = "该月份已归档为文件,恢复后方可清除"


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
    asked: tuple[str, ...] = ()
    """The services that answer."""
    approvals: tuple[UUID, ...] = ()
    """The events that say what is withheld."""
    heads: tuple[Head, ...] = ()
    """What is withheld, until it is known what goes."""
    tombstones: tuple[UUID, ...] = ()
    """The events that say what goes."""


@dataclass(frozen=True, slots=True)
class Purges(State):
    """A month: its proposals, and which of its complaints went by which event."""

    entries: tuple[Entry, ...] = ()
    gone: tuple[tuple[UUID, UUID, datetime], ...] = ()
    """(complaint, event, when)."""

    @property
    def proposed(self) -> Entry | None:
        """What waits for a second person."""
        return self.last(Stage.PROPOSED)

    @property
    def approved(self) -> Entry | None:
        """What waits for the services' answers."""
        return self.last(Stage.APPROVED)

    @property
    def pending(self) -> Entry | None:
        """What may still be withdrawn."""
        return self.proposed or self.approved

    def last(self, stage: Stage) -> Entry | None:
        """The newest entry, where it has come so far."""
        last = self.entries[-1] if self.entries else None
        return last if last is not None and last.stage is stage else None

    def approved_since(self, instant: datetime) -> bool:
        """Whether anything was approved to go at this instant or after it."""
        return any(at >= instant for _, _, at in self.gone)


def decide(
    state: Purges | None,
    command: ProposePurge | WithdrawPurge | ApprovePurge | SignPurge,
    context: Context,
) -> Sequence[PurgeProposed | PurgeWithdrawn | PurgeApproved | CohortPurged]:
    """Two people, one plan; told twice is told once."""
    known = state or Purges()
    match command:
        case ProposePurge():
            return _propose(known, command)
        case WithdrawPurge():
            on = known.pending
            if on is None:
                raise NoPurgeProposed
            told = command
            return [
                PurgeWithdrawn(cohort=told.cohort, plan=on.plan, ground=told.ground, by=told.by)
            ]
        case SignPurge():
            if known.approved is not None:
                _in_the_database(command.cohort, context)
            return _sign(known, command)
        case ApprovePurge():
            return _approve(known, command)


def _in_the_database(cohort: str, context: Context) -> None:
    """What lies in a file is not let go: its bytes would outlive the tombstone.

    Looked at again at the commit.
    """
    month: Cohort | None = context.state_of(COHORTS.kind, cohort)
    if month is not None and month.archived is not None:
        raise CohortInFile


def _propose(known: Purges, command: ProposePurge) -> Sequence[PurgeProposed]:
    if command.complaints == 0:
        raise NothingGoes
    on = known.pending
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


def _approve(known: Purges, command: ApprovePurge) -> Sequence[PurgeApproved]:
    on = known.proposed
    if on is None:
        last = known.approved or known.last(Stage.UNDER_WAY)
        if last is not None and (last.plan, last.by) == (command.asked, command.by):
            return []
        raise NoPurgeProposed
    if on.proposed_by == command.by:
        raise OwnPurge
    if not on.plan == command.asked == command.plan:
        raise PlanChanged
    return command.parts


def _sign(known: Purges, command: SignPurge) -> Sequence[CohortPurged | PurgeWithdrawn]:
    """Nothing that was not approved; told twice, or withdrawn meanwhile, it is nothing."""
    on = known.approved
    if on is None or on.plan != command.plan:
        return []
    if not command.parts:
        return [PurgeWithdrawn(cohort=command.cohort, plan=on.plan, ground=TAKEN_UP, by=BY_ITSELF)]
    if not {head for part in command.parts for head in part.heads} <= set(on.heads):
        raise PlanChanged
    return command.parts


def still_going(heads: Sequence[Head], now: Plan, kept: Collection[UUID]) -> tuple[Head, ...]:
    """Of the streams that were approved those that may go: `now` is the plan as it is now.

    Not the complaints that a service keeps, those that the plan names otherwise or no more, and
    whatever was merged with one of these: a group goes whole or not at all.
    """
    approved: dict[UUID, set[Head]] = {}
    for head in heads:
        approved.setdefault(UUID(head.subject), set()).add(head)
    named: dict[UUID, set[Head]] = {}
    for head in now.heads:
        named.setdefault(UUID(head.subject), set()).add(head)
    groups = {one.complaint: one.group or one.complaint for one in now.goes}
    goes = {one for one in approved if approved[one] == named.get(one) and one not in kept}
    # Of a group that lost one of its members in between all stay.
    whole = {groups[one] for one in goes}.difference(
        groups[one] for one in groups if one not in goes
    )
    return tuple(
        head for head in heads if (one := UUID(head.subject)) in goes and groups[one] in whole
    )


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
            entry = replace(
                known.entries[-1], stage=Stage.WITHDRAWN, by=told.by, at=recorded.time, heads=()
            )
            return replace(known, entries=(*known.entries[:-1], entry))
        case PurgeApproved():
            last = known.entries[-1]
            entry = replace(
                last,
                stage=Stage.APPROVED,
                by=told.by,
                at=recorded.time,
                asked=told.asked,
                approvals=(*last.approvals, recorded.id),
                heads=(*last.heads, *told.heads),
            )
            return replace(known, entries=(*known.entries[:-1], entry))
        case _:
            return _purged(known, recorded)


def _purged(known: Purges, recorded: Recorded[CohortPurged]) -> Purges:
    told = recorded.data
    last = known.entries[-1]
    entry = replace(
        last,
        stage=Stage.UNDER_WAY,
        by=told.by,
        at=recorded.time,
        heads=(),
        tombstones=(*last.tombstones, recorded.id),
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
            parts=len(one.tombstones),
            tombstone=one.tombstones[0] if one.tombstones else None,
        )
        for step, records in (
            (PurgeStep.WITHHELD, one.approvals),
            (PurgeStep.GONE, one.tombstones),
        ):
            for record in records:
                yield Row.of(
                    PARTS_ROWS,
                    {"record": record},
                    cohort=cohort,
                    number=number,
                    step=step.value,
                    asked=list(one.asked),
                )
    for complaint, event, at in state.gone:
        yield Row.of(GONE_ROWS, {"complaint": complaint}, cohort=cohort, tombstone=event, at=at)


_STANDS = {
    Stage.PROPOSED: Standing("proposed", "已提议,待他人批准", "proposed; another must approve"),
    Stage.WITHDRAWN: Standing("withdrawn", "提议已撤回", "the last proposal was withdrawn"),
    Stage.APPROVED: Standing(
        "approved", "已批准,各服务停止追加", "approved; all services withhold"
    ),
    Stage.UNDER_WAY: Standing("under_way", "清除中或已清除", "what was approved goes or is gone"),
}


def stands(state: Purges) -> Standing | None:
    """Where the month stands."""
    return _STANDS[state.entries[-1].stage] if state.entries else None


PURGES: Decider[Purges] = Decider(
    kind=PURGE,
    commands=(ProposePurge, WithdrawPurge, ApprovePurge, SignPurge),
    events=(PurgeProposed, PurgeWithdrawn, PurgeApproved, CohortPurged),
    decide=decide,
    evolve=evolve,
    rows=rows,
    stands=stands,
    subject_is_id=False,
)
"""Subject: `purge:` and the month of registration; the month alone is the stream of its file."""
