"""Which queue a complaint goes to, which of its teams is asked, and why the others were not.

Pure: loads come with the question. Automatic routing knows none, because reading how busy every
team is would make each routing wait for every other; it shares work out by the complaint's id,
which is even over many complaints, and the queue itself is the balance: agents take from it. An
assignment through the API brings the loads and chooses the least loaded seat (DOMAIN rule 6).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from zlib import crc32

from contracts.housekeeping import Seat
from contracts.routing import Considered
from contracts.values import Profile, ReopenRoute
from services.routing.domain.policy import Concerned, Rules, Team

CONSIDERED_MAX = 40
"""Candidates kept on record; a queue with more teams in one province should be split."""

NOBODY_THERE = "no_team"
CONCERNED = "concerned"
PASSED_ON = frozenset({"refused", "ignored"})


@dataclass(frozen=True, slots=True)
class Question:
    """What a choice is made on."""

    profile: Profile
    at: datetime
    subject: str
    """The complaint's id: who gets what must not depend on the order of complaints."""
    concerned: Concerned
    route: ReopenRoute | None = None
    passed: Mapping[str, str] = field(default_factory=dict)
    """Teams and agents that refused or ignored it in this round, and which of the two."""
    not_again: frozenset[str] = frozenset()
    """Agents that handled an earlier cycle: tier 1 is another person (EVENTS 12)."""
    province: str | None = None
    """The province that shall handle it, when not the profile's own."""

    @property
    def handling_province(self) -> str | None:
        """Where it is to be handled (DOMAIN rule 5)."""
        return self.province or self.profile.handling_province


@dataclass(frozen=True, slots=True)
class Choice:
    """A queue, the team asked (None: it waits in the queue for someone to take it), and why."""

    rule: str
    rule_priority: int
    queue: str
    team: str | None
    considered: tuple[Considered, ...]
    agent: str | None = None
    """The one of that team who is asked by name; None: any of its seats."""


def choose(question: Question, rules: Rules) -> Choice:
    """By the decision table: the first rule that holds; its queue, or the one behind it.

    Where the rule says so, the customer's named representative is asked before the queue's teams
    (DOMAIN rule 3); why not, when not, is on record like any other candidate's reason.
    """
    rule = rules.table.rule_for(question.profile, question.route)
    passed_over: tuple[Considered, ...] = ()
    if rule.representative and question.profile.portfolio is not None:
        named, passed_over = _represented(question.profile.portfolio, question, rules)
        if named is not None:
            team, agent = named
            return Choice(rule.code, rule.priority, rule.queue, team, passed_over, agent)
    choice = choose_queue(
        question,
        rules,
        rule.code,
        rule.queue,
        otherwise=rule.otherwise or rules.table.fallback,
        skills=frozenset(rule.skills),
        priority=rule.priority,
    )
    if not passed_over:
        return choice
    named_already = {one.candidate for one in passed_over}
    others = (one for one in choice.considered if one.candidate not in named_already)
    return replace(choice, considered=(*passed_over, *others)[:CONSIDERED_MAX])


def _represented(
    portfolio: str, question: Question, rules: Rules
) -> tuple[tuple[str, str] | None, tuple[Considered, ...]]:
    """Team and agent of whoever represents these customers and may take it now; who was not."""
    entry = rules.teams.representative_of.get(portfolio)
    if entry is None:
        return None, (Considered(candidate=portfolio, why_not="no_representative"),)
    team = rules.teams.by_code[entry.team]
    lost: list[Considered] = []
    for agent in (entry.agent, *entry.deputies):
        why_not = _place_unfit(team, question, rules) or _seat_unfit(
            team.seat_of[agent], team, question, frozenset()
        )
        if why_not is None:
            asked = Considered(candidate=agent)
            return (team.team, agent), _about(question.concerned, (asked, *lost))
        lost.append(Considered(candidate=agent, why_not=why_not))
    return None, tuple(lost)


def choose_queue(
    question: Question,
    rules: Rules,
    rule: str,
    queue: str,
    *,
    otherwise: str,
    skills: frozenset[str] = frozenset(),
    priority: int = 0,
) -> Choice:
    """A team of `queue`; of `otherwise` when nobody there ever can or will take it."""
    teams = rules.teams.candidates(queue, question.handling_province)
    winner, looked_at = _pick(teams, question, rules, skills)
    if winner is None and queue != otherwise and _is_hopeless(looked_at):
        looked_at = (Considered(candidate=queue, why_not=NOBODY_THERE), *looked_at)
        queue = otherwise
        teams = rules.teams.candidates(queue, question.handling_province)
        winner, more = _pick(teams, question, rules, frozenset())
        looked_at += more
    looked_at = _about(question.concerned, looked_at)
    return Choice(rule, priority, queue, winner, looked_at[:CONSIDERED_MAX])


def choose_team(question: Question, rules: Rules, rule: str, team: str) -> Choice:
    """That very team; the table's choice when it may not or cannot take it (never nowhere)."""
    known = rules.teams.by_code.get(team)
    if known is None:
        looked_at: tuple[Considered, ...] = (Considered(candidate=team, why_not="unknown_team"),)
    else:
        winner, looked_at = _pick((known,), question, rules, frozenset())
        if winner is not None:
            queue = known.queues[0] if known.queues else rules.table.fallback
            return Choice(rule, 0, queue, winner, _about(question.concerned, looked_at))
    choice = choose(question, rules)
    considered = (*looked_at, *choice.considered)[:CONSIDERED_MAX]
    return replace(choice, considered=considered)


def choose_seat(
    team: Team, question: Question, loads: Mapping[str, int]
) -> tuple[Seat | None, tuple[Considered, ...]]:
    """The least loaded seat of a team that may take it, by its share of the seat's capacity."""
    fit: list[tuple[float, int, Seat]] = []
    lost: list[Considered] = []
    for place, seat in enumerate(team.seats):
        load = loads.get(seat.agent, 0)
        why_not = _seat_unfit(seat, team, question, frozenset())
        if why_not is None and load >= seat.capacity:
            why_not = "full"
        if why_not is None:
            fit.append((load / seat.capacity, place, seat))
        else:
            lost.append(Considered(candidate=seat.agent, load=load, why_not=why_not))
    fit.sort(key=lambda one: one[:2])
    ranked = [
        Considered(
            candidate=seat.agent,
            load=loads.get(seat.agent, 0),
            why_not=None if rank == 0 else "more_loaded" if share > fit[0][0] else "later_in_turn",
        )
        for rank, (share, _, seat) in enumerate(fit)
    ]
    return (fit[0][2] if fit else None), (*ranked, *lost)[:CONSIDERED_MAX]


def _pick(
    teams: Sequence[Team], question: Question, rules: Rules, skills: frozenset[str]
) -> tuple[str | None, tuple[Considered, ...]]:
    """The team to ask: its own province before the whole country, else by the complaint's id."""
    fit: list[tuple[bool, int, Team]] = []
    lost: list[Considered] = []
    for team in teams:
        why_not = _team_unfit(team, question, rules, skills)
        if why_not is None:
            turn = crc32(f"{question.subject}:{team.team}".encode()) if len(teams) > 1 else 0
            fit.append((team.province is None, turn, team))
        else:
            lost.append(Considered(candidate=team.team, why_not=why_not))
    if not fit:
        return None, tuple(lost)
    fit.sort(key=lambda one: one[:2])
    far, _, winner = fit[0]
    ranked = [Considered(candidate=winner.team)]
    for also_far, _, team in fit[1:]:
        why_not = "less_local" if also_far and not far else "not_its_turn"
        ranked.append(Considered(candidate=team.team, why_not=why_not))
    return winner.team, (*ranked, *lost)


def _place_unfit(team: Team, question: Question, rules: Rules) -> str | None:
    """Why nobody of a team may be asked at all, if so."""
    if question.concerned.bars_team(team.team):
        return CONCERNED
    if team.team in question.passed:
        return question.passed[team.team]
    if not team.available:
        return "unavailable"
    if team.district_types and question.profile.district_type not in team.district_types:
        return "district"
    if not rules.teams.open_at(team, question.at):
        return "off_duty"
    return None


def _team_unfit(team: Team, question: Question, rules: Rules, skills: frozenset[str]) -> str | None:
    why_not = _place_unfit(team, question, rules)
    if why_not is not None:
        return why_not
    worst = "no_seat"
    for seat in team.seats:
        unfit = _seat_unfit(seat, team, question, skills)
        if unfit is None:
            return None
        worst = unfit
    return worst


def _seat_unfit(seat: Seat, team: Team, question: Question, skills: frozenset[str]) -> str | None:
    if question.concerned.bars(seat.agent, team.team):
        return CONCERNED
    if seat.agent in question.not_again:
        return "same_person"
    if seat.agent in question.passed:
        return question.passed[seat.agent]
    if not seat.available or seat.capacity == 0:
        return "unavailable"
    if question.profile.language not in seat.languages:
        return "language"
    if not skills.issubset(seat.skills):
        return "skill"
    return None


def _is_hopeless(looked_at: Sequence[Considered]) -> bool:
    """Waiting in this queue may be for ever: somebody let it pass, or nobody will ever be able to.

    Where all who could are only away, it waits for them.
    """
    reasons = {one.why_not for one in looked_at}
    return bool(reasons & PASSED_ON) or not reasons & {"unavailable", "off_duty"}


def _about(concerned: Concerned, looked_at: tuple[Considered, ...]) -> tuple[Considered, ...]:
    """Whom it complains of is on record as not asked, candidate or not (SCENARIOS S6)."""
    if not concerned:
        return looked_at
    known = {one.candidate for one in looked_at}
    named = tuple(
        Considered(candidate=name, why_not=CONCERNED)
        for name in concerned.names()
        if name not in known
    )
    return (*looked_at, *named)
