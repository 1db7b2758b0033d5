"""What a complaint's case stream folds into: its cases, their causes, and the money granted."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from types import MappingProxyType
from uuid import UUID

from contracts.escalation import CaseCause, CaseOutcome, CorrectiveAction, ReportedWhat
from contracts.values import Basis, CaseTrigger, Decision, PaidBy
from libs.decider import State

REGULATOR_TIER = 4
"""The regulator's appeal: it goes on whatever the customer or the complaint does (EVENTS 8)."""

ZERO = Decimal("0.00")


class Stage(StrEnum):
    """Where a case stands."""

    REQUESTED = "requested"
    ACCEPTED = "accepted"
    DECIDED = "decided"
    DECLINED = "declined"
    CLOSED = "closed"


OPEN = frozenset({Stage.REQUESTED, Stage.ACCEPTED, Stage.DECIDED})


@dataclass(frozen=True, slots=True)
class Instruction:
    """What a team was told to do."""

    number: int
    team: str
    due: datetime
    done: bool = False


@dataclass(frozen=True, slots=True)
class Case:
    """One case: one tier, one request; `causes` are those that stand now."""

    number: int
    tier: int
    cycle: int
    trigger: CaseTrigger
    causes: tuple[CaseCause, ...]
    requested_at: datetime
    stage: Stage = Stage.REQUESTED
    officer: str | None = None
    accepted_at: datetime | None = None
    contacted_at: datetime | None = None
    instructions: tuple[Instruction, ...] = ()
    decision: Decision | None = None
    decided_by: UUID | None = None
    decided_at: datetime | None = None
    final: bool = False
    corrective_action: CorrectiveAction | None = None
    corrected_at: datetime | None = None
    """When it was reported that the corrective action is done."""
    correction_overdue: bool = False
    """It was told that the corrective action is past due."""
    reports: Mapping[ReportedWhat, str] = field(default_factory=lambda: MappingProxyType({}))
    outcome: CaseOutcome | None = None
    reason: str | None = None
    ended_at: datetime | None = None

    @property
    def open(self) -> bool:
        """Whether somebody still has to do something about it."""
        return self.stage in OPEN

    @property
    def taken(self) -> bool:
        """Whether an officer has it: then only the officer ends it (EVENTS race 7)."""
        return self.stage in (Stage.ACCEPTED, Stage.DECIDED)

    @property
    def correction_owed(self) -> bool:
        """Whether a corrective action is not done, and nobody was told yet that it is past due."""
        owes = self.corrective_action is not None and self.corrected_at is None
        return owes and not self.correction_overdue

    @property
    def customer_asked(self) -> bool:
        """Whether the customer asked for it and is to be told."""
        return any(one.trigger is CaseTrigger.WISH for one in self.causes)


@dataclass(frozen=True, slots=True)
class Award:
    """Money for one finding: asked for, granted or refused.

    `granted` is what this finding and those it corrects were given in all until now, in CNY;
    `authority` the role that is asked, `not_by` whom it rests on: they never settle it.
    """

    finding: int
    asked: UUID
    basis: Basis
    amount: Decimal
    proposed_by: str
    not_by: frozenset[str]
    role: str
    paid_by: PaidBy
    pending: bool
    authority: str | None = None
    granted: Decimal = ZERO
    refused: bool = False
    supplement_to: int | None = None
    asked_at: datetime | None = None
    settled_at: datetime | None = None
    settled_by: str | None = None


@dataclass(frozen=True, slots=True)
class Cases(State):
    """All cases and awards of one complaint."""

    cycle: int = 1
    cases: Mapping[int, Case] = field(default_factory=lambda: MappingProxyType({}))
    seen: frozenset[UUID] = frozenset()
    """Every event that was a cause ever: none is one twice."""
    awards: Mapping[int, Award] = field(default_factory=lambda: MappingProxyType({}))
    granted: Decimal = ZERO
    """What the complaint was granted in all, in CNY."""

    @property
    def open_cases(self) -> tuple[Case, ...]:
        """The cases somebody still has to do something about, oldest first."""
        return tuple(case for case in self.cases.values() if case.open)


NOTHING = Cases()
"""A complaint of which escalation has not heard."""
