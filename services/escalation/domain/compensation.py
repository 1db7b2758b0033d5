"""Money rests on a finding, has limits per role, and is never granted by who proposed it."""

from collections.abc import Sequence
from decimal import Decimal

from contracts.escalation import (
    CompensationGranted,
    CompensationRefused,
    CompensationSubmitted,
    GrantedUnder,
)
from contracts.money import double_refund, rent_waiver
from contracts.values import Basis, FaultLiesWith
from libs.decider import Conflict, Context, Event, NotFound, Refused
from services.escalation.domain.commands import (
    ApproveCompensation,
    CorrectFinding,
    MoneyCommand,
    ProposeCompensation,
    RefuseCompensation,
)
from services.escalation.domain.desk import pseudonym
from services.escalation.domain.policy import POLICY, CompensationLimits, EscalationPolicy
from services.escalation.domain.state import NOTHING, ZERO, Award, Cases


class NothingProposed(NotFound):
    """Nobody proposed compensation for this finding."""

    rule = "nothing-proposed"
    zh = "该认定没有补偿申请"


class CompensationSettled(Conflict):
    """This compensation was granted or refused already; one grant per finding."""

    rule = "compensation-settled"
    zh = "该补偿申请已处理"


class OwnProposal(Refused):
    """Nobody approves or refuses their own proposal."""

    status = 403
    rule = "own-proposal"
    zh = "不得审批本人提出的补偿"


class AboveAuthority(Refused):
    """The complaint's total would be above this role's limit; the next authority decides."""

    status = 403
    rule = "above-authority"
    zh = "超出本岗位补偿权限,请上报"


def decide_money(state: Cases | None, command: MoneyCommand, context: Context) -> Sequence[Event]:
    """What comes of a proposal, a corrected finding, or the next authority's word.

    The complaint's being withdrawn or closed changes nothing here: a grant stands, and what is
    pending may still be granted (EVENTS race 12).
    """
    known = state or NOTHING
    policy = context.policies.in_force(POLICY, command.at).compiled
    assert isinstance(policy, EscalationPolicy)
    match command:
        case ProposeCompensation():
            return _propose(known, command, policy.compensation)
        case CorrectFinding():
            return _correct(known, command, policy.compensation)
        case ApproveCompensation():
            return _approve(known, command, policy.compensation, pseudonym(context.actor))
        case RefuseCompensation():
            return _refuse(known, command, pseudonym(context.actor))


def _propose(
    state: Cases, command: ProposeCompensation, limits: CompensationLimits
) -> Sequence[Event]:
    award = state.awards.get(command.finding)
    if award is not None and not award.refused:
        return ()
    before = _latest(state, command.chain)
    granted = max(one.granted if one else ZERO for one in (award, before))
    more = command.amount - granted
    if more <= ZERO:
        return ()
    return _give(
        state,
        cycle=command.cycle,
        finding=command.finding,
        basis=command.basis,
        amount=more,
        by=pseudonym(command.by),
        role=command.role,
        limits=limits,
        supplement_to=before.finding if before and before.granted else None,
    )


def _correct(state: Cases, command: CorrectFinding, limits: CompensationLimits) -> Sequence[Event]:
    """A corrected finding adds the difference; the first grant is never rewritten (S5)."""
    before = _latest(state, command.chain or (command.corrects,))
    if before is None or before.refused or command.finding in state.awards:
        return ()
    due = due_for(before.basis, command)
    if due is None:
        return ()
    events: list[Event] = []
    if before.pending:
        events.append(_refusal(command.cycle, before, "finding_corrected", "system"))
    more = due - before.granted
    if more > ZERO:
        events += _give(
            state,
            cycle=command.cycle,
            finding=command.finding,
            basis=before.basis,
            amount=more,
            by=before.proposed_by,
            role=before.role,
            limits=limits,
            supplement_to=before.finding if before.granted else None,
        )
    return events


def _latest(state: Cases, chain: Sequence[int]) -> Award | None:
    """The award of the latest finding that has one: a correction may have added nothing."""
    return next((state.awards[one] for one in chain if one in state.awards), None)


def _give(
    state: Cases,
    *,
    cycle: int,
    finding: int,
    basis: Basis,
    amount: Decimal,
    by: str,
    role: str,
    limits: CompensationLimits,
    supplement_to: int | None = None,
) -> Sequence[Event]:
    """Within the role's limit for the whole complaint it is granted, above it submitted."""
    total, limit = state.granted + amount, limits.limit(role)
    if total > limit:
        return [
            CompensationSubmitted(
                cycle=cycle,
                finding=finding,
                basis=basis,
                amount=amount,
                total=total,
                role=role,
                limit=limit,
                proposed_by=by,
                supplement_to=supplement_to,
            )
        ]
    return [
        CompensationGranted(
            cycle=cycle,
            finding=finding,
            basis=basis,
            amount=amount,
            total=total,
            under=GrantedUnder.LIMIT,
            by=by,
            role=role,
            supplement_to=supplement_to,
        )
    ]


def _approve(
    state: Cases, command: ApproveCompensation, limits: CompensationLimits, by: str
) -> Sequence[Event]:
    award = _pending(state, command.finding, by)
    total = state.granted + award.amount
    role = max(sorted(command.roles), key=limits.limit)
    if total > limits.limit(role):
        raise AboveAuthority
    return [
        CompensationGranted(
            cycle=state.cycle,
            finding=award.finding,
            basis=award.basis,
            amount=award.amount,
            total=total,
            under=GrantedUnder.APPROVAL,
            by=by,
            role=role,
            supplement_to=award.supplement_to,
        )
    ]


def _refuse(state: Cases, command: RefuseCompensation, by: str) -> Sequence[Event]:
    award = _pending(state, command.finding, by)
    refusal = _refusal(state.cycle, award, command.reason, by)
    return [refusal.model_copy(update={"note": command.note})]


def _pending(state: Cases, finding: int, by: str) -> Award:
    award = state.awards.get(finding)
    if award is None:
        raise NothingProposed
    if not award.pending:
        raise CompensationSettled
    if award.proposed_by == by:
        raise OwnProposal
    return award


def _refusal(cycle: int, award: Award, reason: str, by: str) -> CompensationRefused:
    return CompensationRefused(
        cycle=cycle,
        finding=award.finding,
        basis=award.basis,
        amount=award.amount,
        reason=reason,
        by=by,
    )


def due_for(basis: Basis, finding: CorrectFinding) -> Decimal | None:
    """What a finding is worth in all, in CNY; None when it says too little to tell.

    Twice the overcharge (双倍返还), or the rent of the outage (`REG`); nothing where the customer's
    own equipment was the cause (DOMAIN rule 9).
    """
    if finding.cause is FaultLiesWith.CUSTOMER_EQUIPMENT:
        return ZERO
    if basis is Basis.DOUBLE_REFUND and finding.overcharged is not None:
        return double_refund(finding.overcharged)
    if (
        basis is Basis.RENT_WAIVER
        and finding.monthly_rent is not None
        and finding.outage_from is not None
        and finding.outage_to is not None
    ):
        return rent_waiver(finding.monthly_rent, finding.outage_from, finding.outage_to)
    return None
