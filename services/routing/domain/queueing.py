"""From an event or a time-out to a queue and a team, in one decision; and who takes it from there.

What is routed is assigned to a team in the same decision when one may take it now; when none may,
it waits in the queue, where every agent of the queue's teams sees and may take it. An assignment
that is refused or ignored returns to the queue and is routed again, also in the same decision,
past those who had their turn (DOMAIN rule 6): so nothing is asked of anyone for ever, and what
everybody ignores ends in the queue behind, at a higher priority each time.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from contracts.routing import (
    EndReason,
    HandlerKind,
    ReturnReason,
    RouteCause,
    WorkAccepted,
    WorkAssigned,
    WorkEnded,
    WorkResumed,
    WorkReturned,
    WorkRouted,
)
from contracts.routing import ResumedBy as By
from contracts.values import Profile, ReopenRoute, Sealed, StaffRef
from libs.decider import Conflict, Context, Event, Refused, TimerFired
from services.routing.domain.choosing import (
    Choice,
    Question,
    choose,
    choose_queue,
    choose_seat,
    choose_team,
)
from services.routing.domain.commands import (
    Accept,
    Assign,
    EndWork,
    Instruct,
    Reclassify,
    Refuse,
    Reopen,
    Route,
    Take,
    Urge,
)
from services.routing.domain.policy import Concerned, Rules
from services.routing.domain.staffing import (
    ConcernsThem,
    NotASeat,
    NotAsked,
    NotTheirQueue,
    Seated,
    TakenAlready,
    may_take,
    steering,
    unconcerned,
    underway,
)
from services.routing.domain.state import HELD, Phase, Work


class NoSuchTeam(Refused):
    """There is no team of that name."""

    rule = "no-such-team"
    zh = "没有该班组"


class NobodyFree(Conflict):
    """Nobody in that team may or can take it now; choose a person or another team."""

    rule = "nobody-free"
    zh = "该班组暂无可受理的座席"


@dataclass(frozen=True, slots=True)
class Subject:
    """What is to be routed: a complaint's profile and history, of no work yet or of known work."""

    cycle: int
    profile: Profile
    clock_from: datetime
    route: ReopenRoute | None = None
    urges: int = 0
    passed_on: int = 0
    passed: Mapping[str, str] | None = None
    not_again: frozenset[str] = frozenset()
    province: str | None = None
    """The province it was passed on to, while that has it."""
    is_new: bool = False
    """The profile is to be put on record."""

    @classmethod
    def of(cls, work: Work) -> "Subject":
        """Known work in its present cycle."""
        tier1 = work.route is ReopenRoute.TIER1
        away = work.forward is not None and work.forward.kind is HandlerKind.PROVINCE
        return cls(
            cycle=work.cycle,
            profile=work.profile,
            clock_from=work.clock_from,
            route=work.route,
            urges=work.urges,
            passed_on=work.passed_on,
            passed=work.passed,
            not_again=work.earlier_handlers if tier1 else frozenset(),
            province=work.forward.to if away and work.forward else None,
        )

    def question(self, at: datetime, context: Context, rules: Rules) -> Question:
        """What the choice of a team is made on."""
        return Question(
            profile=self.profile,
            at=at,
            subject=context.subject,
            concerned=Concerned(self.profile.about, rules.teams),
            route=self.route,
            passed=self.passed or {},
            not_again=self.not_again,
            province=self.province,
        )


def routed(
    subject: Subject, cause: RouteCause, choice: Choice, rules: Rules, at: datetime
) -> list[Event]:
    """The events of one choice: the queue, and the team that is asked."""
    profile = subject.profile
    told_home = profile.cross_region and cause in (RouteCause.VERIFIED, RouteCause.REOPENED)
    event = WorkRouted(
        cycle=subject.cycle,
        cause=cause,
        queue=choice.queue,
        priority=_priority(subject, choice.rule_priority, rules),
        rule=choice.rule,
        policy=rules.ref,
        considered=choice.considered,
        province=subject.province or profile.handling_province,
        informed=(profile.home_province,) if told_home and profile.home_province else (),
        clock_from=subject.clock_from if subject.is_new else None,
        profile=profile if subject.is_new else None,
        urges=subject.urges,
        route=subject.route,
    )
    if choice.team is None:
        return [event]
    return [event, _asked(subject.cycle, choice.queue, choice.team, choice.agent, rules, at)]


def _asked(
    cycle: int, queue: str, team: str, agent: str | None, rules: Rules, at: datetime
) -> WorkAssigned:
    accept_by = at + rules.table.accept_within
    return WorkAssigned(cycle=cycle, queue=queue, team=team, agent=agent, accept_by=accept_by)


def _priority(subject: Subject, rule_priority: int, rules: Rules) -> int:
    return rules.table.priority.of(
        subject.profile, rule_priority, subject.urges, subject.passed_on, subject.cycle
    )


def _by_table(subject: Subject, cause: RouteCause, context: Context, at: datetime) -> list[Event]:
    rules = Rules.at(context.policies, at)
    choice = choose(subject.question(at, context, rules), rules)
    return routed(subject, cause, choice, rules, at)


# -- asked by events ------------------------------------------------------------------------------


def route(work: Work | None, command: Route, context: Context) -> list[Event]:
    """A verified complaint finds its queue; after a merge was undone, it finds it again."""
    if work is not None and not (
        work.phase is Phase.ENDED
        and work.end_reason is EndReason.MERGED
        and command.cause is RouteCause.UNMERGED
        and command.cycle >= work.cycle
    ):
        return []
    subject = Subject(
        cycle=command.cycle,
        profile=command.profile,
        clock_from=command.clock_from,
        urges=work.urges if work else 0,
        is_new=True,
    )
    return _by_table(subject, command.cause, context, command.at)


def reopen(work: Work | None, command: Reopen, context: Context) -> list[Event]:
    """A new cycle is routed; to tier 1 never to a person who handled an earlier one."""
    if work is not None and command.cycle <= work.cycle:
        return []
    before = work.earlier_handlers | work.handlers if work else frozenset()
    subject = Subject(
        cycle=command.cycle,
        profile=command.profile,
        clock_from=command.clock_from,
        route=command.route,
        urges=work.urges if work else 0,
        not_again=before if command.route is ReopenRoute.TIER1 else frozenset(),
        is_new=True,
    )
    return _by_table(subject, RouteCause.REOPENED, context, command.at)


def reclassify(work: Work | None, command: Reclassify, context: Context) -> list[Event]:
    """The new class finds its queue; in the same queue those at work keep it, and its pause."""
    if work is None or command.cycle < work.cycle or not work.is_open:
        return []
    subject = replace(Subject.of(work), profile=command.profile, passed={}, is_new=True)
    rules = Rules.at(context.policies, command.at)
    choice = choose(subject.question(command.at, context, rules), rules)
    if choice.queue == work.queue and work.phase in HELD:
        choice = Choice(choice.rule, choice.rule_priority, choice.queue, None, choice.considered)
    return routed(subject, RouteCause.RECLASSIFIED, choice, rules, command.at)


def urge(work: Work | None, command: Urge, context: Context) -> list[Event]:
    """Urges raise the priority; an unlinked one lowers it (DOMAIN rule 2).

    Whoever is at work stays at work, and a pause stays a pause. Where nobody has it, an urge
    starts a fresh round of asking.
    """
    if work is None or command.cycle < work.cycle or not work.is_open:
        return []
    if command.urges == work.urges:
        return []
    more = command.urges > work.urges
    cause = RouteCause.URGE if more else RouteCause.UNLINKED
    subject = replace(Subject.of(work), urges=command.urges)
    if work.phase is Phase.QUEUED and more:
        return _by_table(replace(subject, passed={}), cause, context, command.at)
    rules = Rules.at(context.policies, command.at)
    return routed(subject, cause, _stay(work, rules), rules, command.at)


def instruct(work: Work | None, command: Instruct, context: Context) -> list[Event]:
    """The 10015 desk's instruction re-assigns the work, or re-opens it (EVENTS 45)."""
    if work is None or command.cycle < work.cycle:
        return []
    if work.phase is Phase.ENDED and work.end_reason is EndReason.MERGED:
        return []
    if (command.case, command.instruction) in work.carried_out:
        return []
    rules = Rules.at(context.policies, command.at)
    subject = replace(Subject.of(work), passed={}, not_again=frozenset())
    question = subject.question(command.at, context, rules)
    choice = choose_team(question, rules, "instructed", command.team)
    if work.phase is Phase.ACCEPTED and work.team == choice.team:
        choice = Choice(choice.rule, choice.rule_priority, work.queue, None, choice.considered)
    return routed(subject, RouteCause.INSTRUCTED, choice, rules, command.at)


def end(work: Work | None, command: EndWork) -> list[Event]:
    """Work ends, once; a closing of an older cycle ends nothing (EVENTS race 9).

    What is answered is not merged away: intake undoes such a merge (EVENTS race 8).
    """
    if work is None or command.cycle < work.cycle or work.phase is Phase.ENDED:
        return []
    if command.reason is EndReason.MERGED and work.phase is Phase.ANSWERED:
        return []
    return [WorkEnded(cycle=work.cycle, reason=command.reason)]


def timer(work: Work | None, command: TimerFired, context: Context) -> list[Event]:
    """An acceptance, a working day or a wait ran out; a second firing does nothing."""
    if work is None:
        return []
    if command.timer == "suspend":
        if work.suspension is None or work.suspension.until != command.at:
            return []
        return [WorkResumed(cycle=work.cycle, by=By.TIMER)]
    if command.timer == "accept":
        if work.phase is not Phase.ASSIGNED or work.accept_by != command.at:
            return []
        return returned(work, ReturnReason.IGNORED, None, context, command.at)
    assert command.timer == "hand_over"
    if work.phase is not Phase.ACCEPTED or work.hand_over_at != command.at:
        return []
    return returned(work, ReturnReason.END_OF_DAY, None, context, command.at)


def returned(
    work: Work, reason: ReturnReason, note: Sealed | None, context: Context, at: datetime
) -> list[Event]:
    """The work goes back to its queue and is routed again, past those who had their turn."""
    who = StaffRef(team=work.team, agent=work.agent)
    subject = Subject.of(work)
    if reason is not ReturnReason.END_OF_DAY:
        name = work.agent or work.team
        assert name is not None
        passed = {**work.passed, name: reason.value}
        subject = replace(subject, passed=passed, passed_on=work.passed_on + 1)
    back = WorkReturned(
        cycle=work.cycle, reason=reason, note=note, returned_by=who, queue=work.queue
    )
    return [back, *_again(work, subject, context, at)]


def _again(work: Work, subject: Subject, context: Context, at: datetime) -> list[Event]:
    """The next to be asked: where the table did not choose the queue, first there again."""
    rules = Rules.at(context.policies, at)
    question = subject.question(at, context, rules)
    forward = work.forward
    if forward is not None and forward.kind is HandlerKind.TEAM:
        choice = choose_team(question, rules, work.rule, forward.to)
    elif work.rule.startswith("responsible."):
        choice = choose_queue(
            question, rules, work.rule, work.queue, otherwise=rules.table.fallback
        )
    else:
        choice = choose(question, rules)
    return routed(subject, RouteCause.RETURNED, choice, rules, at)


# -- asked by people ------------------------------------------------------------------------------


def assign(work: Work | None, command: Assign, context: Context) -> list[Event]:
    """A manager, the handler or the owner's desk asks a team or a person to take it."""
    rules = Rules.at(context.policies, command.at)
    work = steering(work, command.by, rules)
    concerned = Concerned(work.profile.about, rules.teams)
    if concerned.bars(command.agent, command.team):
        raise ConcernsThem
    team = rules.teams.by_code.get(command.team)
    if team is None:
        raise NoSuchTeam
    if command.agent is not None:
        seat = team.seat_of.get(command.agent)
        if seat is None:
            raise NotASeat
        may_take(work, Seated(team, seat), rules)
        if work.phase is Phase.ACCEPTED and (work.team, work.agent) == (team.team, command.agent):
            return []
        return [_asked(work.cycle, work.queue, team.team, seat.agent, rules, command.at)]
    subject = Subject.of(work)
    question = subject.question(command.at, context, rules)
    seat, considered = choose_seat(team, question, command.loads)
    if seat is None:
        raise NobodyFree
    may_take(work, Seated(team, seat), rules)
    choice = replace(_stay(work, rules), considered=considered)
    asked = _asked(work.cycle, work.queue, team.team, seat.agent, rules, command.at)
    return [*routed(subject, RouteCause.TRANSFERRED, choice, rules, command.at), asked]


def take(work: Work | None, command: Take, context: Context) -> list[Event]:
    """Somebody takes work from a queue of their team, without being asked."""
    work = underway(work)
    rules = Rules.at(context.policies, command.at)
    who = unconcerned(work, command.by, rules)
    if work.phase in (Phase.ACCEPTED, Phase.FORWARDED):
        if (work.team, work.agent) == (who.team.team, who.seat.agent):
            return []
        raise TakenAlready
    if work.phase is Phase.ASSIGNED and not _was_asked(work, who):
        raise TakenAlready
    if work.phase is Phase.QUEUED and not _is_theirs(work, who, rules):
        raise NotTheirQueue
    may_take(work, who, rules)
    return [_accepted(work, who, rules, command.at)]


def accept(work: Work | None, command: Accept, context: Context) -> list[Event]:
    """The one who was asked takes it; the first ever becomes its owner (DOMAIN rule 1)."""
    work = underway(work)
    rules = Rules.at(context.policies, command.at)
    who = unconcerned(work, command.by, rules)
    if work.phase is Phase.ACCEPTED and (work.team, work.agent) == (
        who.team.team,
        who.seat.agent,
    ):
        return []
    if work.phase in (Phase.ACCEPTED, Phase.FORWARDED):
        raise TakenAlready
    if work.phase is not Phase.ASSIGNED or not _was_asked(work, who):
        raise NotAsked
    may_take(work, who, rules)
    return [_accepted(work, who, rules, command.at)]


def refuse(work: Work | None, command: Refuse, context: Context) -> list[Event]:
    """The one who was asked does not take it; the next is asked."""
    work = underway(work)
    rules = Rules.at(context.policies, command.at)
    who = unconcerned(work, command.by, rules)
    if work.phase is not Phase.ASSIGNED or not _was_asked(work, who):
        raise NotAsked
    return returned(work, ReturnReason.REFUSED, command.note, context, command.at)


def _is_theirs(work: Work, who: Seated, rules: Rules) -> bool:
    """From the queue it waits in, or the one it belongs in when it went on to the queue behind."""
    belongs = rules.table.rule_for(work.profile, work.route).queue
    return work.queue in who.team.queues or belongs in who.team.queues


def _was_asked(work: Work, who: Seated) -> bool:
    return work.team == who.team.team and work.agent in (None, who.seat.agent)


def _stay(work: Work, rules: Rules) -> Choice:
    """Where the work is already, with nobody new asked."""
    rule = next((one for one in rules.table.rules if one.code == work.rule), None)
    return Choice(work.rule, rule.priority if rule else 0, work.queue, None, ())


def _accepted(work: Work, who: Seated, rules: Rules, at: datetime) -> WorkAccepted:
    return WorkAccepted(
        cycle=work.cycle,
        team=who.team.team,
        agent=who.seat.agent,
        owner=work.owner or _first_asked(work, who, rules),
        owner_named=work.owner is None,
        hand_over_at=rules.teams.hand_over_at(who.team.team, at),
    )


def _first_asked(work: Work, who: Seated, rules: Rules) -> StaffRef:
    """The owner of record: who took the words in person, else the first to accept them.

    First-question responsibility lies with the first who was asked (DOMAIN rule 1, S4); not with
    a person or team the complaint is about (rule 6, S6).
    """
    taker = work.profile.taken_by
    if taker is None or (taker.agent is None and taker.team is None):
        return who.ref
    if Concerned(work.profile.about, rules.teams).bars(taker.agent, taker.team):
        return who.ref
    if taker.team is None and taker.agent is not None:
        teams = rules.teams.of_agent.get(taker.agent, ())
        team = teams[0].team if len(teams) == 1 else None
        return StaffRef(team=team, agent=taker.agent)
    return taker
