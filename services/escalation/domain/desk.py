"""What the 10015 desk may do with a case, and in which order (DOMAIN rule 10)."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from contracts.escalation import (
    CaseAccepted,
    CaseCause,
    CaseClosed,
    CaseCustomerContacted,
    CaseDecided,
    CaseDeclined,
    CaseInstructed,
    CaseOutcome,
    CaseReported,
    CaseRequested,
    ReportedWhat,
)
from contracts.values import CaseTrigger, Decision
from libs.decider import Conflict, Context, Event, NotFound, Refused
from services.escalation.domain.commands import (
    AcceptCase,
    CaseCommand,
    CloseCase,
    ContactCustomer,
    DecideCase,
    DeclineCase,
    DeskCommand,
    Instruct,
    PassUp,
    ReportOnCase,
)
from services.escalation.domain.policy import POLICY, EscalationPolicy
from services.escalation.domain.state import REGULATOR_TIER, Case, Cases, Stage

DUE_WITHIN = timedelta(days=3 * 366)
"""The longest that anybody may be given; no rule of the business, a limit on what we store."""


class CaseUnknown(NotFound):
    """This complaint has no case of that number."""

    rule = "case-unknown"
    zh = "该投诉没有此升级单"


class AnotherTier(Refused):
    """Each tier has its own desk; this case is of another one than the caller's."""

    status = 403
    rule = "another-tier"
    zh = "该升级单属于其他层级,本岗位不能处理"


class CaseTaken(Conflict):
    """Another officer has this case already."""

    rule = "case-taken"
    zh = "该升级单已由他人受理"


class CaseOver(Conflict):
    """This case is over; a new cause makes a new one."""

    rule = "case-over"
    zh = "该升级单已结束"


class CaseNotAccepted(Conflict):
    """Accept the case first."""

    rule = "case-not-accepted"
    zh = "请先受理该升级单"


class CaseAlreadyAccepted(Conflict):
    """An accepted case is not declined; decide it."""

    rule = "case-already-accepted"
    zh = "已受理的升级单不能拒绝,请作出处理决定"


class CaseDecidedAlready(Conflict):
    """The case is decided; a decision is not rewritten."""

    rule = "case-decided-already"
    zh = "该升级单已作出决定,不可更改"


class CaseNotDecided(Conflict):
    """Decide the case before you close it."""

    rule = "case-not-decided"
    zh = "请先作出决定再关闭"


class InstructionOpen(Conflict):
    """A team has not carried out its instruction; wait for its report, or say why you do not."""

    rule = "instruction-open"
    zh = "处理指令尚未完成反馈,请等待或说明原因"


class RegulatorReportOwed(Conflict):
    """The regulator has no report yet; give it before you close the case."""

    rule = "regulator-report-owed"
    zh = "尚未向监管机构提交报告"


class NothingToReport(Conflict):
    """This case owes no such report, or gave it already."""

    rule = "nothing-to-report"
    zh = "该升级单没有待提交的此类报告"


class ReferralNotDeclined(Refused):
    """The regulator's referral cannot be declined; it is reported on."""

    rule = "referral-not-declined"
    zh = "监管机构转办的申诉不能拒绝"


class TopTier(Refused):
    """No tier is above this one; give the final response, which names the right to appeal."""

    rule = "top-tier"
    zh = "已是最高层级,请给出最终答复并告知申诉权利"


class DueInThePast(Refused):
    """What a team is told to do must be due later than now."""

    rule = "due-in-the-past"
    zh = "完成时限必须晚于当前时间"


class DueTooFar(Refused):
    """A due instant that far away binds nobody; set one within three years."""

    rule = "due-too-far"
    zh = "完成时限过远,请设在三年以内"


class NothingToCorrect(Refused):
    """What was rejected gives nothing to set right; decide at least partly for the customer."""

    rule = "nothing-to-correct"
    zh = "投诉不成立时不能下达整改要求"


class NotYet(Refused):
    """A contact is reported when it has happened, not before."""

    rule = "not-yet"
    zh = "联系时间不能晚于当前时间"


def decide_desk(state: Cases | None, command: DeskCommand, context: Context) -> Sequence[Event]:
    """What comes of what the desk does; raises the refusals above."""
    case = _case(state, command)
    officer, policy = pseudonym(context.actor), _policy(context, command.at)
    if not policy.desks[case.tier].intersection(command.roles):
        desks = " or ".join(sorted(policy.desks[case.tier]))
        raise AnotherTier(f"This case is of tier {case.tier}, which {desks} works.")
    match command:
        case AcceptCase():
            return _accept(case, officer)
        case DeclineCase():
            return _decline(case, command, officer)
        case ContactCustomer():
            return _contact(case, command)
        case Instruct():
            return _instruct(case, command)
        case DecideCase():
            assert state is not None
            return _decide(state, case, command, policy)
        case ReportOnCase():
            return _report(case, command)
        case CloseCase():
            return _close(case, command)
        case PassUp():
            assert state is not None
            return _pass_up(state, case, command, policy)


def pseudonym(actor: str) -> str:
    """`8812` of `agent:8812`: how an officer or a proposer stands in events."""
    return actor.partition(":")[2] or actor


def _policy(context: Context, at: datetime) -> EscalationPolicy:
    compiled = context.policies.in_force(POLICY, at).compiled
    assert isinstance(compiled, EscalationPolicy)
    return compiled


def _check_due(due: datetime, at: datetime) -> None:
    if due <= at:
        raise DueInThePast
    if due > at + DUE_WITHIN:
        raise DueTooFar


def _case(state: Cases | None, command: CaseCommand) -> Case:
    case = state.cases.get(command.case) if state else None
    if case is None:
        raise CaseUnknown(f"this complaint has no case {command.case}")
    return case


def _require_taken(case: Case) -> None:
    if case.stage is Stage.REQUESTED:
        raise CaseNotAccepted
    if not case.open:
        raise CaseOver


def _accept(case: Case, officer: str) -> Sequence[Event]:
    if not case.open:
        raise CaseOver
    if case.taken:
        if case.officer == officer:
            return []
        raise CaseTaken
    return [CaseAccepted(cycle=case.cycle, case=case.number, tier=case.tier, officer=officer)]


def _decline(case: Case, command: DeclineCase, officer: str) -> Sequence[Event]:
    if not case.open:
        raise CaseOver
    if case.taken:
        raise CaseAlreadyAccepted
    if case.tier == REGULATOR_TIER:
        raise ReferralNotDeclined
    return [
        CaseDeclined(
            cycle=case.cycle,
            case=case.number,
            tier=case.tier,
            reason=command.reason,
            note=command.note,
            by=officer,
            customer_asked=case.customer_asked,
        )
    ]


def _contact(case: Case, command: ContactCustomer) -> Sequence[Event]:
    """Contact, not acceptance, meets the desk's first-contact clock (EVENTS 44)."""
    _require_taken(case)
    if command.occurred_at is not None and command.occurred_at > command.at:
        raise NotYet
    return [
        CaseCustomerContacted(
            cycle=case.cycle,
            case=case.number,
            tier=case.tier,
            channel=command.channel,
            reached=command.reached,
            occurred_at=command.occurred_at,
        )
    ]


def _instruct(case: Case, command: Instruct) -> Sequence[Event]:
    _require_taken(case)
    _check_due(command.due, command.at)
    return [
        CaseInstructed(
            cycle=case.cycle,
            case=case.number,
            tier=case.tier,
            instruction=len(case.instructions) + 1,
            team=command.team,
            due=command.due,
            text=command.text,
        )
    ]


def _decide(
    state: Cases, case: Case, command: DecideCase, policy: EscalationPolicy
) -> Sequence[Event]:
    _require_taken(case)
    if case.stage is Stage.DECIDED:
        raise CaseDecidedAlready
    if command.corrective_action is not None:
        if command.decision is Decision.REJECTED:
            raise NothingToCorrect
        _check_due(command.corrective_action.due, command.at)
    return [
        CaseDecided(
            cycle=case.cycle,
            case=case.number,
            tier=case.tier,
            decision=command.decision,
            reasons=command.reasons,
            final=command.final or _deadlock(state, case, command.decision, policy),
            corrective_action=command.corrective_action,
        )
    ]


def _deadlock(state: Cases, case: Case, decision: Decision, policy: EscalationPolicy) -> bool:
    """Whether no desk is left to go to: at the last desk tier what is not upheld in full, or what
    is decided there once more. The customer is then told of the right to appeal (DOMAIN rule 10);
    tier 4 is the regulator's own to open.
    """
    if case.tier == REGULATOR_TIER or case.tier in policy.passes_up:
        return False
    again = any(
        one.decision is not None and one.tier == case.tier and one.number != case.number
        for one in state.cases.values()
    )
    return again or decision is not Decision.UPHELD


def _report(case: Case, command: ReportOnCase) -> Sequence[Event]:
    """A corrective action may be done long after the case was closed (003 限时整改)."""
    if case.reports.get(command.what) == command.ref:
        return []
    owed = (
        case.tier == REGULATOR_TIER and case.taken
        if command.what is ReportedWhat.REGULATOR_REPORT
        else case.corrective_action is not None
    )
    if not owed or command.what in case.reports:
        raise NothingToReport
    return [
        CaseReported(
            cycle=case.cycle,
            case=case.number,
            tier=case.tier,
            what=command.what,
            ref=command.ref,
            digest=command.digest,
        )
    ]


def _close(case: Case, command: CloseCase) -> Sequence[Event]:
    """Decided -> instruction carried out -> closed (DOMAIN rule 10)."""
    if case.outcome is CaseOutcome.SETTLED:
        return []
    _require_taken(case)
    if case.stage is not Stage.DECIDED:
        raise CaseNotDecided
    if case.tier == REGULATOR_TIER and ReportedWhat.REGULATOR_REPORT not in case.reports:
        raise RegulatorReportOwed
    unfinished = any(not one.done for one in case.instructions)
    if unfinished and command.unfinished is None:
        raise InstructionOpen
    return [
        CaseClosed(
            cycle=case.cycle,
            case=case.number,
            tier=case.tier,
            outcome=CaseOutcome.SETTLED,
            reason=command.unfinished if unfinished and command.unfinished else "decided",
            answer=case.decided_by,
            answered_at=case.decided_at,
        )
    ]


def _pass_up(
    state: Cases, case: Case, command: PassUp, policy: EscalationPolicy
) -> Sequence[Event]:
    """The next tier is requested in the same decision, so that none falls between two."""
    _require_taken(case)
    higher = policy.passes_up.get(case.tier)
    if higher is None:
        raise TopTier
    first: CaseCause = case.causes[0]
    return [
        CaseClosed(
            cycle=case.cycle,
            case=case.number,
            tier=case.tier,
            outcome=CaseOutcome.PASSED_UP,
            reason=command.reason,
            next_tier=higher,
            answer=case.decided_by,
            answered_at=case.decided_at,
        ),
        CaseRequested(
            cycle=case.cycle,
            case=len(state.cases) + 1,
            tier=higher,
            trigger=CaseTrigger.PASSED_UP,
            cause=first.cause,
            passed_from=case.number,
        ),
    ]
