"""While somebody has the work: passing it on, opinions back, waiting, and speaking to the customer.

The owner of record follows all of this and answers in the end; a handling team, province or
partner returns an opinion (DOMAIN rules 1, 5 and 7).
"""

from dataclasses import replace

from contracts.routing import (
    HandlerKind,
    ReportedCause,
    ResumedBy,
    RouteCause,
    WaitingFor,
    WorkContacted,
    WorkPartnerConfirmed,
    WorkReportedBack,
    WorkResumed,
    WorkSuspended,
    WorkTransferred,
)
from libs.decider import Conflict, Context, Event, Refused
from services.routing.domain.choosing import choose, choose_queue, choose_team
from services.routing.domain.commands import (
    ConfirmForward,
    RecordContact,
    ReportBack,
    Resume,
    Suspend,
    TakeConfirmation,
    TakePartnerReport,
    TakeReply,
    Transfer,
    fact_time,
)
from services.routing.domain.policy import Concerned, Rules
from services.routing.domain.queueing import NoSuchTeam, Subject, routed
from services.routing.domain.staffing import (
    ConcernsThem,
    NotTheirs,
    is_handler,
    known,
    on_owners_desk,
    steering,
    unconcerned,
    underway,
    working,
)
from services.routing.domain.state import Forward, Phase, Work


class NotAcceptedYet(Conflict):
    """Nobody has accepted this work yet, so nobody owns it; accept it first (DOMAIN rule 1)."""

    rule = "not-accepted-yet"
    zh = "尚未受理,请先受理"


class ForwardedAlready(Conflict):
    """It is with somebody else already; wait for their opinion, or report it back first."""

    rule = "forwarded-already"
    zh = "已转派,请等待回复"


class NoSuchForward(Conflict):
    """There is no such forward under way."""

    rule = "no-such-forward"
    zh = "没有该转派记录"


class NotReached(Refused):
    """Say either when the forward reached them, not in the future, or why it bounced."""

    rule = "forward-reached-or-bounced"
    zh = "请填写送达时间(不得晚于现在)或退回原因"


class InThePast(Refused):
    """That time has passed; name a later one."""

    rule = "in-the-past"
    zh = "时间已过,请填写将来的时间"


class TooLong(Refused):
    """Work may not wait that long; name an earlier time."""

    rule = "suspended-too-long"
    zh = "挂起时间过长"


class SuspendedAlready(Conflict):
    """It is waiting already."""

    rule = "suspended-already"
    zh = "已处于挂起状态"


class NotSuspended(Conflict):
    """It is not waiting."""

    rule = "not-suspended"
    zh = "未处于挂起状态"


class FromTheFuture(Refused):
    """A late report tells of what has happened, not of what will."""

    rule = "from-the-future"
    zh = "发生时间不得晚于现在"


# -- passing on -----------------------------------------------------------------------------------


def transfer(work: Work | None, command: Transfer, context: Context) -> list[Event]:
    """To a team or a province of ours, which is asked at once; or to a partner, outside."""
    rules = Rules.at(context.policies, command.at)
    work = steering(work, command.by, rules)
    if work.owner is None:
        raise NotAcceptedYet
    if work.forward is not None:
        raise ForwardedAlready
    if command.back_by is not None and command.back_by <= command.at:
        raise InThePast
    if command.reached_at is not None and command.reached_at > command.at:
        raise NotReached
    inside = command.kind is not HandlerKind.PARTNER
    passed_on = WorkTransferred(
        cycle=work.cycle,
        forward=work.forwards + 1,
        to=command.to,
        kind=command.kind,
        complexity=command.complexity,
        reached_at=command.reached_at or (command.at if inside else None),
        reason=command.reason,
        note=command.note,
        back_by=command.back_by,
    )
    if command.kind is HandlerKind.PARTNER:
        if Concerned(work.profile.about, rules.teams).bars_team(command.to):
            raise ConcernsThem
        return [passed_on]
    if command.kind is HandlerKind.TEAM:
        return [passed_on, *_to_team(work, command, context, rules)]
    return [passed_on, *_to_province(work, command, context, rules)]


def _to_team(work: Work, command: Transfer, context: Context, rules: Rules) -> list[Event]:
    if command.to not in rules.teams.by_code:
        raise NoSuchTeam
    if Concerned(work.profile.about, rules.teams).bars_team(command.to):
        raise ConcernsThem
    subject = replace(Subject.of(work), passed={})
    question = subject.question(command.at, context, rules)
    choice = choose_team(question, rules, "transferred", command.to)
    return routed(subject, RouteCause.TRANSFERRED, choice, rules, command.at)


def _to_province(work: Work, command: Transfer, context: Context, rules: Rules) -> list[Event]:
    """A team there is asked when the table knows one; else the province has a system of its own."""
    subject = replace(Subject.of(work), passed={}, province=command.to)
    choice = choose(subject.question(command.at, context, rules), rules)
    team = rules.teams.by_code.get(choice.team) if choice.team else None
    if team is None or team.province != command.to:
        return []
    return routed(subject, RouteCause.TRANSFERRED, choice, rules, command.at)


def confirm_forward(work: Work | None, command: ConfirmForward, context: Context) -> list[Event]:
    """When the forward reached its goal: partner clocks start there (DOMAIN rule 7, counting 1)."""
    rules = Rules.at(context.policies, command.at)
    work = steering(work, command.by, rules)
    forward = work.forward
    if forward is None or forward.number != command.forward:
        raise NoSuchForward
    if (command.reached_at is None) == (command.bounced is None):
        raise NotReached
    if command.reached_at is not None and command.reached_at > command.at:
        raise NotReached
    if forward.reached_at is not None:
        return [] if command.bounced is None else _refuse_bounce()
    if command.bounced is not None and command.bounced == forward.bounced:
        return []
    return [
        WorkTransferred(
            cycle=work.cycle,
            forward=forward.number,
            to=forward.to,
            kind=forward.kind,
            complexity=forward.complexity,
            reached_at=command.reached_at,
            bounced=command.bounced,
            reason=forward.reason,
            back_by=forward.back_by,
        )
    ]


def _refuse_bounce() -> list[Event]:
    raise NoSuchForward("This forward has reached its goal already; it cannot bounce any more.")


# -- reporting back -------------------------------------------------------------------------------


def report_back(work: Work | None, command: ReportBack, context: Context) -> list[Event]:
    """The handler's opinion; a cause that is not their own goes to the company responsible.

    The partner itself may report, or the desk that follows it writes down what came by mail or
    fax (DOMAIN rule 7). Being responsible elsewhere does not release the partner from answering:
    the opinion stands, and the owner's desk still answers.
    """
    work = underway(work)
    rules = Rules.at(context.policies, command.at)
    if fact_time(command) > command.at:
        raise FromTheFuture
    by, kind, forward = _reporter(work, command, rules)
    opinion = WorkReportedBack(
        cycle=work.cycle,
        by=by,
        kind=kind,
        forward=forward.number if forward else None,
        opinion=command.opinion,
        cause=command.cause,
        responsible=command.responsible,
        case=command.case,
        instruction=command.instruction,
        occurred_at=command.occurred_at,
    )
    if command.cause is ReportedCause.OWN:
        return [opinion]
    return [opinion, *_to_responsible(work, by, command, context, rules)]


def _reporter(
    work: Work, command: ReportBack, rules: Rules
) -> tuple[str, HandlerKind, Forward | None]:
    """Whose opinion it is, and the forward that it answers."""
    forward = work.forward
    outside = forward if forward and forward.kind is not HandlerKind.TEAM else None
    if outside and outside.to in (command.by.team, command.by.agent):
        return outside.to, outside.kind, outside
    who = unconcerned(work, command.by, rules)
    if outside and outside.to in (command.handler, who.team.province):
        if not (is_handler(work, who) or on_owners_desk(work, who)):
            raise NotTheirs
        return outside.to, outside.kind, outside
    if command.handler not in (None, who.team.team):
        raise NoSuchForward
    if work.phase is Phase.ASSIGNED or not is_handler(work, who):
        raise NotTheirs
    mine = forward if forward and forward.to == who.team.team else None
    return who.team.team, HandlerKind.TEAM, mine


def _to_responsible(
    work: Work, by: str, command: ReportBack, context: Context, rules: Rules
) -> list[Event]:
    queue = rules.table.responsible[command.cause]
    # The forward that this answers is over, and with it the province it went to.
    subject = replace(Subject.of(work), passed={by: "not_their_cause"}, province=None)
    question = subject.question(command.at, context, rules)
    rule = f"responsible.{command.cause.value}"
    choice = choose_queue(question, rules, rule, queue, otherwise=rules.table.fallback)
    return routed(subject, RouteCause.REPORTED_BACK, choice, rules, command.at)


def take_partner_report(work: Work | None, command: TakePartnerReport) -> list[Event]:
    """A partner's ticket: its opinion, while a forward to a partner is under way."""
    if work is None or command.cycle < work.cycle or not work.is_open:
        return []
    forward = work.forward
    if forward is None or forward.kind is not HandlerKind.PARTNER:
        return []
    return [
        WorkReportedBack(
            cycle=work.cycle,
            by=forward.to,
            kind=forward.kind,
            forward=forward.number,
            opinion=command.opinion,
            cause=ReportedCause.OWN,
        )
    ]


# -- waiting --------------------------------------------------------------------------------------


def suspend(work: Work | None, command: Suspend, context: Context) -> list[Event]:
    """Work waits for the customer or a third party, until they move or the time is up."""
    rules = Rules.at(context.policies, command.at)
    work, _ = working(work, command.by, rules)
    if work.suspension is not None:
        raise SuspendedAlready
    if work.owner is None:
        raise NotAcceptedYet
    if command.until <= command.at:
        raise InThePast
    if (command.until - command.at).total_seconds() > rules.table.suspend_at_most_days * 86_400:
        raise TooLong
    return [
        WorkSuspended(
            cycle=work.cycle,
            waiting_for=command.waiting_for,
            reason=command.reason,
            question=command.question,
            until=command.until,
        )
    ]


def resume(work: Work | None, command: Resume, context: Context) -> list[Event]:
    """The handler or the owner's desk goes on."""
    rules = Rules.at(context.policies, command.at)
    work, _ = working(work, command.by, rules)
    if work.suspension is None:
        raise NotSuspended
    return [WorkResumed(cycle=work.cycle, by=ResumedBy.AGENT)]


def take_reply(work: Work | None, command: TakeReply) -> list[Event]:
    """What the customer was asked came: work goes on. It ends no wait for a third party."""
    if work is None or command.cycle < work.cycle or work.suspension is None:
        return []
    if work.suspension.waiting_for is not WaitingFor.CUSTOMER:
        return []
    return [WorkResumed(cycle=work.cycle, by=ResumedBy.CONTACT, contact=command.contact)]


# -- speaking to the customer ---------------------------------------------------------------------


def contact(work: Work | None, command: RecordContact, context: Context) -> list[Event]:
    """An attempt to speak with the customer; only one who was reached meets a clock.

    Also after the answer: a call-back is a contact (DOMAIN rules 7 and 11). A partner's own, told
    by itself or written down by the desk, is its answer to the customer; it owes one to 10010 too.
    """
    work = known(work)
    if work.phase is not Phase.ANSWERED:
        underway(work)
    rules = Rules.at(context.policies, command.at)
    if fact_time(command) > command.at:
        raise FromTheFuture
    partner = _partner(work, command)
    owed = [one.forward for one in work.duties if one.partner == partner and not one.told_customer]
    if partner is None or partner not in (command.by.team, command.by.agent):
        who = unconcerned(work, command.by, rules)
        if not (is_handler(work, who) or on_owners_desk(work, who)):
            raise NotTheirs
    return [
        WorkContacted(
            cycle=work.cycle,
            channel=command.channel,
            reached=command.reached,
            partner=partner,
            forwards=tuple(owed) if command.reached else (),
            occurred_at=command.occurred_at,
        )
    ]


def take_confirmation(work: Work | None, command: TakeConfirmation) -> list[Event]:
    """The customer said on the confirming call whether the partner answered (DOMAIN rule 7)."""
    if work is None:
        return []
    duty = next((one for one in work.duties if one.forward == command.forward), None)
    if duty is None:
        return []
    known = duty.told_customer if command.answered else duty.denied and not duty.told_customer
    if known:
        return []
    return [
        WorkPartnerConfirmed(
            cycle=work.cycle,
            partner=duty.partner,
            forward=duty.forward,
            answered=command.answered,
            call=command.call,
        )
    ]


def _partner(work: Work, command: RecordContact) -> str | None:
    """The partner whose contact it was; raises NoSuchForward for one that was forwarded nothing."""
    asked = {one.partner for one in work.duties}
    if command.handler is not None:
        if command.handler not in asked:
            raise NoSuchForward
        return command.handler
    return next((one for one in (command.by.team, command.by.agent) if one in asked), None)
