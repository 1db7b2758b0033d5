"""Money rests on a finding, has limits per role, and is never granted by who proposed it."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

from contracts.escalation import (
    CompensationGranted,
    CompensationLapsed,
    CompensationRefused,
    CompensationSubmitted,
    GrantedUnder,
    LapsedWhy,
)
from contracts.values import Basis, PaidBy
from libs.decider import Conflict, Context, Event, NotFound, Refused
from services.escalation.domain.commands import (
    ApproveCompensation,
    CorrectFinding,
    MoneyCommand,
    ProposeCompensation,
    RefuseCompensation,
)
from services.escalation.domain.desk import pseudonym
from services.escalation.domain.policy import POLICY, Compensation, EscalationPolicy
from services.escalation.domain.state import NOTHING, ZERO, Award, Cases

SYSTEM = "system"
"""Who ends an amount that a later fact overtook."""


class NothingProposed(NotFound):
    """Nobody proposed compensation for this finding."""

    rule = "nothing-proposed"
    zh = "该认定没有补偿申请"


class CompensationSettled(Conflict):
    """This compensation was granted or refused already; one grant per finding."""

    rule = "compensation-settled"
    zh = "该补偿申请已处理"


class OwnProposal(Refused):
    """Nobody approves or refuses what they proposed, or what rests on a finding of theirs."""

    status = 403
    rule = "own-proposal"
    zh = "不得审批本人提出或本人核实的补偿"


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
            return _refuse(known, command, policy.compensation, pseudonym(context.actor))


@dataclass(frozen=True, slots=True)
class _Ask:
    """Money asked for one finding, by a proposal or by a correction; the amounts are in CNY."""

    event: UUID
    cycle: int
    finding: int
    basis: Basis
    due: Decimal
    granted: Decimal
    """What this finding and those it corrects were given."""
    by: str
    role: str
    not_by: frozenset[str]
    paid_by: PaidBy
    supplement_to: int | None


def _propose(state: Cases, command: ProposeCompensation, limits: Compensation) -> list[Event]:
    """A proposal has an outcome, always: an answer waits for it (EVENTS 25)."""
    award = state.awards.get(command.finding)
    if award is not None and award.asked == command.event:
        return []
    before = _latest(state, command.chain)
    ask = _Ask(
        event=command.event,
        cycle=command.cycle,
        finding=command.finding,
        basis=command.basis,
        due=command.amount,
        granted=max(one.granted if one else ZERO for one in (award, before)),
        by=pseudonym(command.by),
        role=command.role,
        not_by=frozenset({pseudonym(command.by), command.found_by}) | _rests_on(award, before),
        paid_by=command.paid_by,
        supplement_to=before.finding if before and before.granted else None,
    )
    if award is not None and award.pending:
        refused = _refusal(command.cycle, award, "proposed_anew", SYSTEM)
        return [refused, *_give(state, ask, limits)]
    if award is not None and not award.refused:
        return [_lapsed(ask, LapsedWhy.COVERED)]
    return _give(state, ask, limits)


def _correct(state: Cases, command: CorrectFinding, limits: Compensation) -> list[Event]:
    """A corrected finding adds the difference; the first grant is never rewritten (S5).

    What is still pending for the old finding is refused in any case: nobody shall approve an
    amount that is known to be wrong.
    """
    before = _latest(state, command.chain or (command.corrects,))
    if before is None or command.finding in state.awards:
        return []
    due = command.worth.get(before.basis)
    ask = _Ask(
        event=command.event,
        cycle=command.cycle,
        finding=command.finding,
        basis=before.basis,
        due=due or ZERO,
        granted=before.granted,
        by=command.by,
        role=command.role,
        not_by=frozenset({command.by}) | _rests_on(before),
        paid_by=command.paid_by,
        supplement_to=before.finding if before.granted else None,
    )
    if before.refused or due is None:
        outcome: list[Event] = [_lapsed(ask, LapsedWhy.PROPOSE_ANEW)]
    else:
        outcome = _give(state, ask, limits)
    if before.pending:
        return [_refusal(command.cycle, before, "finding_corrected", SYSTEM), *outcome]
    return outcome


def _latest(state: Cases, chain: Sequence[int]) -> Award | None:
    """The award of the latest finding that has one: a correction may have added nothing."""
    return next((state.awards[one] for one in chain if one in state.awards), None)


def _rests_on(*awards: Award | None) -> frozenset[str]:
    """Who proposed or recorded what an amount adds to."""
    return frozenset(who for award in awards if award for who in award.not_by)


def _give(state: Cases, ask: _Ask, limits: Compensation) -> list[Event]:
    """What is still missing: within the role's limit for the whole complaint it is granted, above
    it submitted to the next authority.
    """
    amount = ask.due - ask.granted
    if amount <= ZERO:
        return [_lapsed(ask, LapsedWhy.COVERED)]
    total, limit = state.granted + amount, limits.limit(ask.role)
    if limits.reaches(ask.role, total) or limit is None:
        return [
            CompensationGranted(
                cycle=ask.cycle,
                finding=ask.finding,
                asked=ask.event,
                basis=ask.basis,
                amount=amount,
                total=total,
                under=GrantedUnder.LIMIT,
                by=ask.by,
                role=ask.role,
                paid_by=ask.paid_by,
                supplement_to=ask.supplement_to,
            )
        ]
    return [
        CompensationSubmitted(
            cycle=ask.cycle,
            finding=ask.finding,
            asked=ask.event,
            basis=ask.basis,
            amount=amount,
            total=total,
            role=ask.role,
            limit=limit,
            authority=limits.next_for(total),
            proposed_by=ask.by,
            not_by=tuple(sorted(ask.not_by)),
            paid_by=ask.paid_by,
            supplement_to=ask.supplement_to,
        )
    ]


def _lapsed(ask: _Ask, why: LapsedWhy) -> CompensationLapsed:
    return CompensationLapsed(
        cycle=ask.cycle,
        finding=ask.finding,
        asked=ask.event,
        basis=ask.basis,
        reason=why,
        granted=ask.granted,
    )


def _approve(
    state: Cases, command: ApproveCompensation, limits: Compensation, by: str
) -> list[Event]:
    award, role = _to_settle(state, command, limits, by)
    return [
        CompensationGranted(
            cycle=state.cycle,
            finding=award.finding,
            asked=award.asked,
            basis=award.basis,
            amount=award.amount,
            total=state.granted + award.amount,
            under=GrantedUnder.APPROVAL,
            by=by,
            role=role,
            paid_by=award.paid_by,
            supplement_to=award.supplement_to,
        )
    ]


def _refuse(
    state: Cases, command: RefuseCompensation, limits: Compensation, by: str
) -> list[Event]:
    award, _ = _to_settle(state, command, limits, by)
    refusal = _refusal(state.cycle, award, command.reason, by)
    return [refusal.model_copy(update={"note": command.note})]


def _to_settle(
    state: Cases,
    command: ApproveCompensation | RefuseCompensation,
    limits: Compensation,
    by: str,
) -> tuple[Award, str]:
    """What is pending and the caller's role with most authority, which must reach the total."""
    award = state.awards.get(command.finding)
    if award is None:
        raise NothingProposed
    if not award.pending:
        raise CompensationSettled
    if by in award.not_by:
        raise OwnProposal
    total, role = state.granted + award.amount, limits.highest(command.roles)
    if not limits.reaches(role, total):
        raise AboveAuthority(
            f"{total} CNY in all for this complaint: {limits.next_for(total)} decides."
        )
    return award, role


def _refusal(cycle: int, award: Award, reason: str, by: str) -> CompensationRefused:
    return CompensationRefused(
        cycle=cycle,
        finding=award.finding,
        asked=award.asked,
        basis=award.basis,
        amount=award.amount,
        reason=reason,
        by=by,
    )
