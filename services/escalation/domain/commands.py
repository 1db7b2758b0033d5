"""What may be asked of a complaint's case stream, by the log and by the 10015 desk."""

from collections.abc import Mapping
from typing import Annotated
from uuid import UUID

from pydantic import Field

from contracts.escalation import CorrectiveAction, Number, ReportedWhat
from contracts.values import (
    Basis,
    CaseTrigger,
    ChannelKind,
    ClockPurpose,
    ClockRef,
    Code,
    Cycle,
    Decision,
    Digest,
    Instant,
    Money,
    PaidBy,
    Reason,
    RegulatorReferral,
    Sealed,
    Urgency,
)
from libs.decider import Command

# --- what is heard --------------------------------------------------------------------------


class RaiseCause(Command):
    """Something happened that may be a cause to escalate; the policy says whether it is."""

    cycle: Cycle
    event: UUID
    trigger: CaseTrigger
    clock: ClockRef | None = None
    purpose: ClockPurpose | None = None
    contact: UUID | None = None
    urge_no: int = 0
    repeat_no: int = 0
    repeat_was: int = 0
    """Which repeat it was counted as before."""
    urgency: Urgency | None = None
    regulator: RegulatorReferral | None = None


class DropBreach(Command):
    """A clock was not breached after all (DOMAIN counting 10)."""

    cycle: Cycle
    clock: ClockRef


class DropRepeats(Command):
    """It repeats fewer complaints than it was counted for; `repeat_no` now."""

    cycle: Cycle
    repeat_no: int


class DropContact(Command):
    """A contact did not belong to this complaint; `urge_no` urges stand now."""

    cycle: Cycle
    contact: UUID
    urge_no: int


class EndOnWithdrawal(Command):
    """The customer took the complaint back."""

    cycle: Cycle


class GoOnAfterMerge(Command):
    """The merge was undone: what it withdrew is asked for again."""

    cycle: Cycle


class EndOnMerge(Command):
    """The complaint goes on as another one."""

    cycle: Cycle


class EndOnClosing(Command):
    """The complaint is closed; `case` when intake says so of a single request (race 2)."""

    cycle: Cycle
    case: Number | None = None


class GoOnInCycle(Command):
    """The complaint was reopened; `trigger` when it goes straight to the desk."""

    cycle: Cycle
    event: UUID
    case: Number | None = None
    trigger: CaseTrigger | None = None
    regulator: RegulatorReferral | None = None


class CarryOutInstruction(Command):
    """A team reports that it did what the officer said."""

    case: Number
    instruction: Number
    report: UUID


class CorrectFinding(Command):
    """A finding sets an earlier one right (DOMAIN rule 9: a supplement, never a rewriting)."""

    cycle: Cycle
    event: UUID
    finding: Number
    corrects: Number
    chain: tuple[Number, ...] = ()
    worth: Mapping[Basis, Money]
    """What it is worth in all by ground; nothing on a ground where it says too little to tell."""
    by: Code
    role: Code
    paid_by: PaidBy


class ProposeCompensation(Command):
    """Somebody proposes `amount` CNY in all for a finding and those it corrects."""

    cycle: Cycle
    event: UUID
    finding: Number
    amount: Money
    chain: tuple[Number, ...] = ()
    basis: Basis
    by: Code
    found_by: Code
    role: Code
    paid_by: PaidBy


# --- what the desk does ---------------------------------------------------------------------


class CaseCommand(Command):
    """The desk does something about one case; `roles` are the caller's."""

    case: Number
    roles: Annotated[tuple[Code, ...], Field(min_length=1)]


class AcceptCase(CaseCommand):
    """An officer takes it."""


class DeclineCase(CaseCommand):
    """The desk does not take it."""

    reason: Reason
    note: Sealed | None = None


class ContactCustomer(CaseCommand):
    """The officer spoke with the customer, or tried to."""

    channel: ChannelKind
    reached: bool
    occurred_at: Instant | None = None


class Instruct(CaseCommand):
    """The officer tells a team what to do, and by when."""

    team: Code
    due: Instant
    text: Sealed


class DecideCase(CaseCommand):
    """The officer decides."""

    decision: Decision
    reasons: Sealed
    final: bool = False
    corrective_action: CorrectiveAction | None = None


class ReportOnCase(CaseCommand):
    """A report that the case owed was given."""

    what: ReportedWhat
    ref: Annotated[str, Field(min_length=1, max_length=64)]
    digest: Digest


class CloseCase(CaseCommand):
    """The case is over; `unfinished` says why although a team has not reported back yet."""

    unfinished: Reason | None = None


class PassUp(CaseCommand):
    """The next tier takes over."""

    reason: Reason


class ApproveCompensation(Command):
    """The next authority gives what was asked for; their role of most authority counts."""

    finding: Number
    roles: Annotated[tuple[Code, ...], Field(min_length=1)]


class RefuseCompensation(Command):
    """The next authority does not give it."""

    finding: Number
    roles: Annotated[tuple[Code, ...], Field(min_length=1)]
    reason: Reason
    note: Sealed | None = None


HeardCommand = (
    RaiseCause
    | DropBreach
    | DropRepeats
    | DropContact
    | EndOnWithdrawal
    | EndOnMerge
    | GoOnAfterMerge
    | EndOnClosing
    | GoOnInCycle
    | CarryOutInstruction
)
DeskCommand = (
    AcceptCase
    | DeclineCase
    | ContactCustomer
    | Instruct
    | DecideCase
    | ReportOnCase
    | CloseCase
    | PassUp
)
MoneyCommand = ProposeCompensation | CorrectFinding | ApproveCompensation | RefuseCompensation
