"""What the customer is given: promised times, a finding, compensation, and in the end the answer.

Everything a rule needs from other services (clocks from sla_watch, grants from escalation) comes
with the command, read at the door in the same transaction.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from contracts.money import double_refund, rent_waiver
from contracts.routing import (
    PromiseKind,
    ResumedBy,
    WorkAnswered,
    WorkCompensationProposed,
    WorkFindingRecorded,
    WorkPromised,
    WorkResumed,
)
from contracts.values import Basis, ClockPurpose, ClockRef, FaultLiesWith
from libs.decider import Conflict, Context, Event, Refused
from services.routing.domain.commands import (
    Answer,
    ClockState,
    KnownClock,
    PlanDelay,
    Promise,
    ProposeCompensation,
    RecordFinding,
    fact_time,
)
from services.routing.domain.handling import FromTheFuture, InThePast, NotAcceptedYet
from services.routing.domain.policy import Rules
from services.routing.domain.staffing import Seated, answering, working
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
    """What was found out; a correction is a new finding, the old one stays (DOMAIN rule 9)."""
    rules = Rules.at(context.policies, command.at)
    work, _ = working(work, command.by, rules)
    _check_complete(command)
    if command.corrects is not None:
        corrected = work.finding(command.corrects)
        if corrected is None:
            raise NoSuchFinding
        if corrected.corrected_by is not None:
            raise FindingCorrected
    return [
        WorkFindingRecorded(
            cycle=work.cycle,
            finding=len(work.findings) + 1,
            cause=command.cause,
            overcharged=command.overcharged,
            outage_from=command.outage_from,
            outage_to=command.outage_to,
            monthly_rent=command.monthly_rent,
            corrects=command.corrects,
            chain=_before(work, command.corrects),
            evidence=command.evidence,
            note=command.note,
        )
    ]


def _check_complete(command: RecordFinding) -> None:
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
    """Money for a finding; what is granted, and by whom, escalation decides (EVENTS 25)."""
    rules = Rules.at(context.policies, command.at)
    work, who = working(work, command.by, rules)
    finding = work.finding(command.finding)
    if finding is None:
        raise NoSuchFinding
    if finding.corrected_by is not None:
        raise FindingCorrected
    _check_rights(work, who)
    amount = _due(finding, command)
    known = work.proposal(command.finding)
    if known is not None:
        if (known.basis, known.amount) == (command.basis, amount):
            return []
        raise ProposedAlready
    return [
        WorkCompensationProposed(
            cycle=work.cycle,
            finding=command.finding,
            amount=amount,
            chain=_before(work, finding.corrects),
            basis=command.basis,
            by=command.by.agent,
            role=command.role,
        )
    ]


def _check_rights(work: Work, who: Seated) -> None:
    """The home province keeps the compensation rights (DOMAIN rule 5, `CFG`)."""
    there = who.team.province
    if work.profile.cross_region and there is not None and there != work.profile.home_province:
        raise HomeProvinceDecides


def _due(finding: Finding, command: ProposeCompensation) -> Decimal:
    """The amount due in CNY; raises NothingDue, AmountMissing, AnotherAmount."""
    if command.basis is Basis.GOODWILL:
        if command.amount is None or command.amount <= 0:
            raise AmountMissing
        return command.amount
    amount = Decimal(0)
    if command.basis is Basis.DOUBLE_REFUND and finding.overcharged is not None:
        if finding.cause is not FaultLiesWith.CUSTOMER_EQUIPMENT:
            amount = double_refund(finding.overcharged)
    elif command.basis is Basis.RENT_WAIVER:
        amount = _waived(finding, command.clocks)
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


def _waived(finding: Finding, clocks: Iterable[KnownClock]) -> Decimal:
    rent, begin, finish = finding.monthly_rent, finding.outage_from, finding.outage_to
    if rent is None or begin is None or finish is None or not waiver_owed(finding.cause, clocks):
        return Decimal(0)
    return rent_waiver(rent, begin, finish)


# -- the answer -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Money:
    pending: bool
    granted: Decimal | None


def answer(work: Work | None, command: Answer, context: Context) -> list[Event]:
    """The answer, by the owner's desk, once per cycle; what it waited for is waited for no more.

    What is proposed is first granted or refused (EVENTS 49, 50); the answer states what was
    granted in all, never what somebody typed.
    """
    rules = Rules.at(context.policies, command.at)
    work, who = answering(work, command.by, rules)
    if fact_time(command) > command.at:
        raise FromTheFuture
    money = _settled(work, command)
    if money.pending:
        raise CompensationPending
    answered = WorkAnswered(
        cycle=work.cycle,
        explanation=command.explanation,
        decision=command.decision,
        compensation=money.granted,
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


def _settled(work: Work, command: Answer) -> _Money:
    settled = {one.finding for one in command.settled}
    totals = [one.granted_total for one in command.settled if one.granted_total is not None]
    granted = {one.finding for one in command.settled if one.granted_total is not None}
    pending = any(
        not settled.intersection(_and_corrections(work, one.finding))
        and not granted.intersection(_before(work, one.finding))
        for one in work.proposals
    )
    return _Money(pending, max(totals, default=None))


def _before(work: Work, number: int | None) -> tuple[int, ...]:
    """This finding and those it set right, one before another; nothing for None."""
    chain: list[int] = []
    while number is not None and (finding := work.finding(number)) is not None:
        chain.append(number)
        number = finding.corrects
    return tuple(chain)


def _and_corrections(work: Work, number: int) -> list[int]:
    """A finding and those that set it right, one after another."""
    chain = [number]
    while (finding := work.finding(chain[-1])) is not None and finding.corrected_by is not None:
        chain.append(finding.corrected_by)
    return chain
