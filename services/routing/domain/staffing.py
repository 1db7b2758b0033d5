"""Who may touch a complaint's work: seats, whom it concerns, the handler, the owner's desk.

NotFound   NoSuchWork
Conflict   WorkOver, AnsweredAlready, TakenAlready, NotAsked
Refused    NotASeat, WhichTeam, ConcernsThem, NotTheirQueue, ManagersOnly, SamePerson, NotTheirs,
           NotTheOwnersDesk
"""

from dataclasses import dataclass

from contracts.housekeeping import Seat
from contracts.values import ReopenRoute, StaffRef
from libs.decider import Conflict, NotFound, Refused
from services.routing.domain.commands import Staff
from services.routing.domain.policy import Concerned, Rules, Team
from services.routing.domain.state import Phase, Work


class NoSuchWork(NotFound):
    """No work is known for this complaint; it may not have been verified yet."""

    rule = "no-such-work"
    zh = "该投诉尚无工单(可能尚未审核)"


class WorkOver(Conflict):
    """The work on this complaint has ended; reopen the complaint to go on."""

    rule = "work-over"
    zh = "该工单已结束"


class AnsweredAlready(Conflict):
    """This cycle has been answered; the customer is being asked whether it is enough."""

    rule = "answered-already"
    zh = "本轮处理已答复"


class TakenAlready(Conflict):
    """Somebody else has this work; ask them to transfer it."""

    rule = "taken-already"
    zh = "该工单已由他人受理"


class NotAsked(Conflict):
    """Nobody asks this person to take it now; the time to accept may have passed."""

    rule = "not-asked"
    zh = "该工单未派给您(可能已超时收回),请查看队列"


class NotASeat(Refused):
    """This person has no seat in that team; an administrator can give one."""

    rule = "not-a-seat"
    zh = "您不在该班组名单中"


class WhichTeam(Refused):
    """This person sits in several teams, or none; say for which one this is."""

    rule = "which-team"
    zh = "请指明所属班组"


class ConcernsThem(Refused):
    """The complaint is about this agent or team, who never handle or own it (DOMAIN rule 6)."""

    rule = "concerns-them"
    zh = "投诉涉及本人或本班组,须回避"


class NotTheirQueue(Refused):
    """This team takes nothing from that queue."""

    rule = "not-their-queue"
    zh = "该队列不属于您的班组"


class ManagersOnly(Refused):
    """Only a customer-service manager may take this."""

    rule = "managers-only"
    zh = "仅客服部经理可受理"


class SamePerson(Refused):
    """A dissatisfied customer's complaint goes to another person than before (SCENARIOS S6)."""

    rule = "same-person"
    zh = "不满意的投诉须由另一人处理"


class NotTheirs(Refused):
    """Only who has this work, or the owner's desk, may do this."""

    rule = "not-theirs"
    zh = "仅当前处理人或首问责任班组可操作"


class NotTheOwnersDesk(Refused):
    """The owner's desk answers the customer; return an opinion instead (DOMAIN rule 1)."""

    rule = "not-the-owners-desk"
    zh = "须由首问责任人所在班组答复客户,请提交处理意见"


@dataclass(frozen=True, slots=True)
class Seated:
    """A person in their seat."""

    team: Team
    seat: Seat

    @property
    def ref(self) -> StaffRef:
        """Who it is, for the record."""
        return StaffRef(team=self.team.team, agent=self.seat.agent)


def known(work: Work | None) -> Work:
    """The work, if there is any; raises NoSuchWork."""
    if work is None:
        raise NoSuchWork
    return work


def underway(work: Work | None) -> Work:
    """Work that is still to be done; raises NoSuchWork, WorkOver, AnsweredAlready."""
    work = known(work)
    if work.phase is Phase.ENDED:
        raise WorkOver
    if work.phase is Phase.ANSWERED:
        raise AnsweredAlready
    return work


def seated(by: Staff, rules: Rules) -> Seated:
    """Where a person sits; raises NotASeat, WhichTeam."""
    if by.team is not None:
        team = rules.teams.by_code.get(by.team)
        seat = team.seat_of.get(by.agent) if team else None
        if team is None or seat is None:
            raise NotASeat
        return Seated(team, seat)
    teams = rules.teams.of_agent.get(by.agent, ())
    if len(teams) != 1:
        raise WhichTeam
    return Seated(teams[0], teams[0].seat_of[by.agent])


def unconcerned(work: Work, by: Staff, rules: Rules) -> Seated:
    """The seat of a person whom it is not about; raises ConcernsThem, NotASeat, WhichTeam."""
    if Concerned(work.profile.about, rules.teams).bars(by.agent, by.team):
        raise ConcernsThem
    return seated(by, rules)


def may_take(work: Work, who: Seated, rules: Rules) -> None:
    """Raises ManagersOnly or SamePerson for one who may not handle this cycle."""
    queue = rules.table.queue_of.get(work.queue)
    if queue is not None and queue.managers_only and not who.seat.manager:
        raise ManagersOnly
    if work.route is ReopenRoute.TIER1 and who.seat.agent in work.earlier_handlers:
        raise SamePerson


def is_handler(work: Work, who: Seated) -> bool:
    """Whether a person has the work, alone or as one of the team that has it."""
    if work.team != who.team.team:
        return False
    return work.phase is not Phase.QUEUED


def on_owners_desk(work: Work, who: Seated) -> bool:
    """Whether a person is the owner of record or sits in the owner's team (DOMAIN rule 1)."""
    owner = work.owner
    if owner is None:
        return False
    return owner.agent == who.seat.agent or (owner.team is not None and owner.team == who.team.team)


def working(work: Work | None, by: Staff, rules: Rules) -> tuple[Work, Seated]:
    """Open work and a person who has it or owns it; raises what the checks raise, NotTheirs."""
    work = underway(work)
    who = unconcerned(work, by, rules)
    if not (is_handler(work, who) or on_owners_desk(work, who)):
        raise NotTheirs
    return work, who


def at_home(work: Work, who: Seated) -> bool:
    """Whether a person sits in the home province of a complaint that another one handles."""
    profile = work.profile
    return profile.cross_region and who.team.province == profile.home_province


def proposing(work: Work | None, by: Staff, rules: Rules) -> tuple[Work, Seated]:
    """As `working`; and the home province may, which keeps the compensation rights (rule 5)."""
    work = underway(work)
    who = unconcerned(work, by, rules)
    if not (is_handler(work, who) or on_owners_desk(work, who) or at_home(work, who)):
        raise NotTheirs
    return work, who


def steering(work: Work | None, by: Staff, rules: Rules) -> Work:
    """Open work, asked for by one who has it, owns it, or steers others' work; else NotTheirs."""
    if not by.steers:
        return working(work, by, rules)[0]
    work = underway(work)
    if Concerned(work.profile.about, rules.teams).bars(by.agent, by.team):
        raise ConcernsThem
    return work


def answering(work: Work | None, by: Staff, rules: Rules) -> tuple[Work, Seated]:
    """Open work and a person who may answer it; raises NotTheOwnersDesk besides.

    The owner's desk answers. In a cycle that went to the manager or to the 10015 desk the person
    who accepted it answers, too: the customer asked for somebody else (004 allows complaining
    straight to the manager, who answers within 24 h). And a desk that no longer exists cannot
    answer: then the handler does.
    """
    work = underway(work)
    who = unconcerned(work, by, rules)
    if on_owners_desk(work, who):
        return work, who
    accepted = work.phase is not Phase.ASSIGNED and is_handler(work, who)
    if accepted and (_went_up(work) or not _desk_exists(work, rules)):
        return work, who
    raise NotTheOwnersDesk() if work.owner is not None else NotTheirs()


def _went_up(work: Work) -> bool:
    return work.route in (ReopenRoute.TIER1, ReopenRoute.ESCALATE)


def _desk_exists(work: Work, rules: Rules) -> bool:
    owner = work.owner
    if owner is None:
        return False
    return owner.team in rules.teams.by_code or (
        owner.agent is not None and owner.agent in rules.teams.of_agent
    )
