"""What the customer is given: promised times, a finding, compensation, and in the end the answer.

Everything a rule needs from other services (clocks from sla_watch, grants from escalation) comes
with the command, read at the door in the same transaction.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from contracts.routing import (
    PromiseKind,
    ResumedBy,
    WorkAnswered,
    WorkCompensationProposed,
    WorkFindingRecorded,
    WorkPromised,
    WorkResumed,
    Worth,
)
from contracts.values import Basis, ClockPurpose, ClockRef, FaultLiesWith, PaidBy, Payer
from libs.decider import Conflict, Context, Event, Refused
from services.routing.domain.commands import (
    Answer,
    ClockState,
    KnownClock,
    PlanDelay,
    Promise,
    ProposeCompensation,
    RecordFinding,
    Settled,
    SettledAs,
    fact_time,
)
from services.routing.domain.handling import FromTheFuture, InThePast, NotAcceptedYet
from services.routing.domain.policy import Refunds, Rules
from services.routing.domain.refunds import refund, rent_waiver
from services.routing.domain.staffing import Seated, answering, proposing, working
from services.routing.domain.state import Finding, Work

BINDING = frozenset(
    {
        ClockPurpose.REPLY,
        ClockPurpose.RESOLVE,
        ClockPurpose.REPAIR,
        ClockPurpose.INSTALL,
        ClockPurpose.ATTITUDE,
        ClockPurpose.FEEDBACK,
        ClockPurpose.PARTNER,
        ClockPurpose.LEGAL_REPAIR,
        ClockPurpose.LEGAL_ANSWER,
    }
)
"""What the policy promises about answering and solving: no promise may be later (DOMAIN rule 8)."""

DELAYABLE = (BINDING | {ClockPurpose.AGREED}) - {
    ClockPurpose.LEGAL_REPAIR,
    ClockPurpose.LEGAL_ANSWER,
}
"""What a delay notice can be about; the law takes none."""


ZERO = Decimal("0.00")


class LaterThanPolicy(Refused):
    """A promise is never later than the policy's own time; tell the customer of a delay instead."""

    rule = "later-than-policy"
    zh = "承诺时间不得晚于规定时限;确需延时请使用延时通知"


class NoSuchClock(Refused):
    """No such promise is running for this complaint; see its clocks."""

    rule = "no-such-clock"
    zh = "没有该项承诺时限"


class NoDelay(Refused):
    """The new time is not later than the promise, so nothing is delayed."""

    rule = "no-delay"
    zh = "新时间并不晚于原承诺时间"


class FindingIncomplete(Refused):
    """A finding names what was overcharged, or from when to when the outage was, in this order."""

    rule = "finding-incomplete"
    zh = "请填写多收金额,或按先后填写中断起止时间"


class PartnerUnclear(Refused):
    """Name the partner where, and only where, a partner was the cause: the party at fault pays."""

    rule = "partner-unclear"
    zh = "责任方为合作伙伴时须填写(且仅此时填写)合作伙伴"


class NoSuchFinding(Refused):
    """Record the finding first; compensation rests on it (DOMAIN rule 9)."""

    rule = "no-such-finding"
    zh = "请先记录核实结果"


class FindingCorrected(Conflict):
    """That finding has been set right by another one; use the latest."""

    rule = "finding-corrected"
    zh = "该核实结果已被更正,请使用最新结果"


class NothingDue(Refused):
    """The finding gives no ground for this kind of compensation (DOMAIN rule 9)."""

    rule = "nothing-due"
    zh = "核实结果不支持该项补偿"


class AnotherAmount(Refused):
    """The amount follows from the finding; leave it out, or name that very amount."""

    rule = "another-amount"
    zh = "金额须与核实结果计算一致"


class AmountMissing(Refused):
    """Goodwill needs an amount of at least 0.01 CNY."""

    rule = "amount-missing"
    zh = "请填写不少于0.01元的金额"


class ProposedAlready(Conflict):
    """Something else has been proposed for this finding already; one grant per finding."""

    rule = "proposed-already"
    zh = "该核实结果已提出补偿"


class HomeProvinceDecides(Refused):
    """Compensation across provinces belongs to the customer's home province (DOMAIN rule 5)."""

    rule = "home-province-decides"
    zh = "跨省投诉的补偿由归属省决定"


class CompensationPending(Conflict):
    """A proposed compensation is neither granted nor refused yet; answer when it is."""

    rule = "compensation-pending"
    zh = "补偿尚未审批,暂不能答复"


# -- promises -------------------------------------------------------------------------------------


def promise(work: Work | None, command: Promise, context: Context) -> list[Event]:
    """A time agreed with the customer: a clock of its own, never later than the policy's.

    The earliest of the policy's times still to come binds. One beyond the known calendar is not
    known and binds nothing (DOMAIN counting 12: never a guess, never a refusal).
    """
    rules = Rules.at(context.policies, command.at)
    work, _ = working(work, command.by, rules)
    if work.owner is None:
        raise NotAcceptedYet
    if command.new_due <= command.at:
        raise InThePast
    limits = [
        clock.due
        for clock in command.clocks
        if clock.purpose in BINDING and clock.due is not None and clock.due > command.at
        if clock.state is ClockState.RUNNING
    ]
    if limits and command.new_due > min(limits):
        raise LaterThanPolicy(
            f"A promise may not be later than {min(limits).isoformat()}; tell of a delay instead."
        )
    return [
        WorkPromised(
            cycle=work.cycle,
            promise=len(work.promises) + 1,
            kind=PromiseKind.AGREED,
            new_due=command.new_due,
            plan=command.plan,
        )
    ]


def plan_delay(work: Work | None, command: PlanDelay, context: Context) -> list[Event]:
    """A promise will not be kept: the new plan, a new clock; the old one stays (DOMAIN rule 8).

    Also after it lapsed, or where quiet hours hold the notice back: the record is then the more
    needed, and feedback_survey, which knows when the notice leaves, marks it late (EVENTS 22).
    """
    rules = Rules.at(context.policies, command.at)
    work, _ = working(work, command.by, rules)
    if work.owner is None:
        raise NotAcceptedYet
    if command.new_due <= command.at:
        raise InThePast
    clock = _delayed(command)
    assert clock.due is not None
    if command.new_due <= clock.due:
        raise NoDelay
    return [
        WorkPromised(
            cycle=work.cycle,
            promise=len(work.promises) + 1,
            kind=PromiseKind.DELAY_PLAN,
            of_clock=ClockRef(
                clock=clock.clock, instance=clock.instance, started_in=clock.started_in
            ),
            old_due=clock.due,
            new_due=command.new_due,
            plan=command.plan,
        )
    ]


def _delayed(command: PlanDelay) -> KnownClock:
    found = [
        clock
        for clock in command.clocks
        if (clock.clock, clock.instance) == (command.clock, command.instance)
        and clock.purpose in DELAYABLE
        and clock.due is not None
        and clock.state in (ClockState.RUNNING, ClockState.BREACHED)
    ]
    if not found:
        raise NoSuchClock
    return max(found, key=lambda clock: clock.started_in)


# -- findings and money ---------------------------------------------------------------------------


def record_finding(work: Work | None, command: RecordFinding, context: Context) -> list[Event]:
    """What was found out and what it is worth; a correction is a new finding (DOMAIN rule 9)."""
    rules = Rules.at(context.policies, command.at)
    work, _ = working(work, command.by, rules)
    _check_complete(command)
    if command.corrects is not None:
        corrected = work.finding(command.corrects)
        if corrected is None:
            raise NoSuchFinding
        if corrected.corrected_by is not None:
            raise FindingCorrected
    chain = work.chain(command.corrects)
    counted_with = _refund_rules(work, chain, context, command.at)
    return [
        WorkFindingRecorded(
            cycle=work.cycle,
            finding=len(work.findings) + 1,
            by=command.by.agent,
            role=command.role,
            cause=command.cause,
            paid_by=_at_fault(command),
            overcharged=command.overcharged,
            outage_from=command.outage_from,
            outage_to=command.outage_to,
            monthly_rent=command.monthly_rent,
            corrects=command.corrects,
            chain=chain,
            worth=_worth(command, command.clocks, counted_with.table.refunds),
            policy=counted_with.ref,
            evidence=command.evidence,
            note=command.note,
        )
    ]


def _refund_rules(work: Work, chain: tuple[int, ...], context: Context, at: datetime) -> Rules:
    """The version that counts: of a correction that of the first finding, so that a later table
    never changes what was due.
    """
    first = work.finding(chain[-1]) if chain else None
    return Rules.at(context.policies, first.at if first else at)


def _at_fault(command: RecordFinding) -> PaidBy:
    """The party at fault pays (DOMAIN rule 9); where nobody of ours was, goodwill is ours."""
    if command.cause is FaultLiesWith.PARTNER:
        return PaidBy(party=Payer.PARTNER, partner=command.partner)
    return PaidBy(party=Payer.OPERATOR)


def _check_complete(command: RecordFinding) -> None:
    if (command.cause is FaultLiesWith.PARTNER) is not (command.partner is not None):
        raise PartnerUnclear
    if command.overcharged is None and command.outage_from is None:
        raise FindingIncomplete
    if command.outage_from is None and command.outage_to is not None:
        raise FindingIncomplete
    if command.outage_from is None:
        return
    if command.outage_from > command.at:
        raise FindingIncomplete
    if command.outage_to is not None and not (
        command.outage_from < command.outage_to <= command.at
    ):
        raise FindingIncomplete


def propose(work: Work | None, command: ProposeCompensation, context: Context) -> list[Event]:
    """Money for a finding; what is granted, and by whom, escalation decides (EVENTS 25).

    What was refused, or a correction from which nothing followed, may be proposed anew.
    """
    rules = Rules.at(context.policies, command.at)
    work, who = proposing(work, command.by, rules)
    finding = work.finding(command.finding)
    if finding is None:
        raise NoSuchFinding
    if finding.corrected_by is not None:
        raise FindingCorrected
    _check_rights(work, who)
    chain = work.chain(finding.corrects)
    counted_with = _refund_rules(work, chain, context, finding.at)
    amount = _due(finding, command, counted_with.table.refunds)
    if (asked := work.asks.get(command.finding)) is not None:
        now = _outcomes(command.settled).get(asked)
        if now is None or now.state in (SettledAs.SUBMITTED, SettledAs.GRANTED):
            known = work.proposal(command.finding)
            if known is not None and (known.basis, known.amount) == (command.basis, amount):
                return []
            raise ProposedAlready
    return [
        WorkCompensationProposed(
            cycle=work.cycle,
            finding=command.finding,
            amount=amount,
            chain=chain,
            basis=command.basis,
            by=command.by.agent,
            found_by=finding.by,
            paid_by=finding.paid_by,
            role=command.role,
        )
    ]


def _check_rights(work: Work, who: Seated) -> None:
    """The home province keeps the compensation rights (DOMAIN rule 5, `CFG`)."""
    there = who.team.province
    if work.profile.cross_region and there is not None and there != work.profile.home_province:
        raise HomeProvinceDecides


def _due(finding: Finding, command: ProposeCompensation, table: Refunds) -> Decimal:
    """The amount due in CNY; raises NothingDue, AmountMissing, AnotherAmount."""
    if command.basis is Basis.GOODWILL:
        if command.amount is None or command.amount <= 0:
            raise AmountMissing
        return command.amount
    worth = {one.basis: one.amount for one in _worth(finding, command.clocks, table)}
    amount = worth.get(command.basis, Decimal(0))
    if amount <= 0:
        raise NothingDue
    if command.amount is not None and command.amount != amount:
        raise AnotherAmount(f"The finding makes it {amount} CNY.")
    return amount


def waiver_owed(cause: FaultLiesWith, clocks: Iterable[KnownClock]) -> bool:
    """Whether an outage outlasted its legal repair limit, and not by the customer's equipment."""
    return cause is not FaultLiesWith.CUSTOMER_EQUIPMENT and any(
        clock.purpose is ClockPurpose.LEGAL_REPAIR and clock.state is ClockState.BREACHED
        for clock in clocks
    )


def _worth(
    found: Finding | RecordFinding, clocks: Iterable[KnownClock], table: Refunds
) -> tuple[Worth, ...]:
    """What a finding is worth in all, by ground; nothing of a ground it says too little about."""
    nothing = found.cause is FaultLiesWith.CUSTOMER_EQUIPMENT
    worth: list[Worth] = []
    if nothing or found.overcharged is not None:
        amount = refund(found.overcharged or ZERO, table)
        worth.append(Worth(basis=Basis.DOUBLE_REFUND, amount=ZERO if nothing else amount))
    rent, begin, finish = found.monthly_rent, found.outage_from, found.outage_to
    if nothing:
        worth.append(Worth(basis=Basis.RENT_WAIVER, amount=ZERO))
    elif rent is not None and begin is not None and finish is not None:
        owed = waiver_owed(found.cause, clocks)
        amount = rent_waiver(rent, begin, finish, table.rent) if owed else ZERO
        worth.append(Worth(basis=Basis.RENT_WAIVER, amount=amount))
    return tuple(worth)


# -- the answer -----------------------------------------------------------------------------------


def answer(work: Work | None, command: Answer, context: Context) -> list[Event]:
    """The answer, by the owner's desk, once per cycle; what it waited for is waited for no more.

    What is proposed is first granted or refused (EVENTS 49, 50); the answer states what was
    granted in all, never what somebody typed.
    """
    rules = Rules.at(context.policies, command.at)
    work, who = answering(work, command.by, rules)
    if fact_time(command) > command.at:
        raise FromTheFuture
    outcomes = _outcomes(command.settled)
    if _pending(work, outcomes):
        raise CompensationPending
    totals = [one.granted_total for one in command.settled if one.granted_total is not None]
    answered = WorkAnswered(
        cycle=work.cycle,
        explanation=command.explanation,
        decision=command.decision,
        compensation=max(totals, default=None),
        next_steps=command.next_steps,
        told_by=command.told_by,
        team=who.team.team,
        agent=who.seat.agent,
        causes=command.causes,
        occurred_at=command.occurred_at,
    )
    if work.suspension is None:
        return [answered]
    return [WorkResumed(cycle=work.cycle, by=ResumedBy.AGENT), answered]


def _outcomes(settled: Iterable[Settled]) -> Mapping[UUID, Settled]:
    """What became of each ask, the last word counting."""
    return {one.asked: one for one in settled}


def _pending(work: Work, outcomes: Mapping[UUID, Settled]) -> bool:
    """Whether money was asked for a finding that stands, and nothing has become of it yet.

    A correction asks, too, where anything was asked before: the supplement it may cause is waited
    for like a proposal. Escalation answers every ask, if only that nothing more is due.
    """
    for finding in work.findings:
        asked = work.asks.get(finding.number)
        if asked is None or finding.corrected_by is not None:
            continue
        outcome = outcomes.get(asked)
        if outcome is None or outcome.state is SettledAs.SUBMITTED:
            return True
    return False
