"""What routing follows: the decision table and the teams, versioned data with a schema.

An operator changes queues, rules, priorities, teams and their hours by bringing a new version of
`policy/routing.v1.yaml` or `policy/teams.v1.yaml` into force, without a release (DOMAIN, first
paragraph). What is unsound is refused before it counts: a rule that names no known queue, a team
that keeps unknown hours, an agent twice on one team.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from difflib import get_close_matches
from functools import cached_property
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, model_validator

from contracts.housekeeping import Seat
from contracts.routing import ReportedCause
from contracts.values import (
    Category,
    Code,
    CustomerClass,
    DistrictType,
    Kind,
    Language,
    PolicyRef,
    Profile,
    Province,
    ReopenRoute,
    StaffRef,
    Urgency,
    ValueTier,
)
from libs.decider import Policies
from libs.decider.policy import Unsound, as_read

ROUTING = "routing"
TEAMS = "teams"
"""The names of the two policies."""

SHANGHAI = ZoneInfo("Asia/Shanghai")
"""The zone of every local hour (DOMAIN, Clocks)."""

PRIORITY_MAX = 1000

Points = Annotated[int, Field(ge=0, le=PRIORITY_MAX)]


class Schema(BaseModel):
    """A part of a policy: read strictly, never changed."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class BothNames(Schema):
    """What people call a thing, in both languages."""

    zh: str
    en: str


# -- the decision table -------------------------------------------------------------------------


class When(Schema):
    """What a rule keys on (DOMAIN rule 6). Every condition named must hold; none named: always."""

    kinds: tuple[Kind, ...] = ()
    categories: tuple[Category, ...] = ()
    """A category stands for its descendants, too."""
    urgencies: tuple[Urgency, ...] = ()
    provinces: tuple[Province, ...] = ()
    """Where the cause lies."""
    district_types: tuple[DistrictType, ...] = ()
    customer_classes: tuple[CustomerClass, ...] = ()
    value_tiers: tuple[ValueTier, ...] = ()
    products: tuple[Code, ...] = ()
    languages: tuple[Language, ...] = ()
    routes: tuple[ReopenRoute, ...] = ()
    """A reopened cycle's route; named here, the first cycle never matches."""
    about_staff: bool | None = None
    """Whether it complains of an agent or a team."""
    cross_region: bool | None = None
    other_operator: bool | None = None
    media: bool | None = None

    @cached_property
    def _members(self) -> tuple[tuple[str, frozenset[Any]], ...]:
        wanted: dict[str, Iterable[Any]] = {
            "kind": self.kinds,
            "category": [
                one for one in Category if any(one.within(above) for above in self.categories)
            ],
            "urgency": self.urgencies,
            "handling_province": self.provinces,
            "district_type": self.district_types,
            "customer_class": self.customer_classes,
            "value_tier": self.value_tiers,
            "product": self.products,
            "language": self.languages,
            "other_operator": () if self.other_operator is None else (self.other_operator,),
            "media": () if self.media is None else (self.media,),
        }
        return tuple((name, frozenset(values)) for name, values in wanted.items() if values)

    @cached_property
    def asked(self) -> Mapping[str, frozenset[Any]]:
        """The values that would do of each thing it asks; what it does not ask is not in it."""
        more: dict[str, frozenset[Any]] = {
            "route": frozenset(self.routes),
            "about_staff": frozenset(() if self.about_staff is None else (self.about_staff,)),
            "cross_region": frozenset(() if self.cross_region is None else (self.cross_region,)),
        }
        return {**dict(self._members), **{thing: one for thing, one in more.items() if one}}

    def holds(self, profile: Profile, route: ReopenRoute | None) -> bool:
        """Whether a complaint of this profile, reopened on this route if at all, matches."""
        if self.routes and route not in self.routes:
            return False
        if self.about_staff is not None and self.about_staff is not (profile.about is not None):
            return False
        if self.cross_region is not None and self.cross_region is not profile.cross_region:
            return False
        return all(getattr(profile, name) in values for name, values in self._members)


class Rule(Schema):
    """One line of the table; the first that holds decides."""

    code: Code
    when: When = When()
    queue: Code
    skills: tuple[Code, ...] = ()
    """What a seat must be able to handle, all of them."""
    representative: bool = False
    """The customer's named representative is asked first, then the queue (DOMAIN rule 3)."""
    otherwise: Code | None = None
    """The queue when nobody of the first one may take it; None: the table's fallback."""
    priority: Points = 0


class Queue(Schema):
    """A named place where work waits."""

    code: Code
    names: BothNames
    managers_only: bool = False
    """Only a customer-service manager may take from it (DOMAIN rule 6, tier 1)."""


class Priorities(Schema):
    """What makes one complaint go before another; points add up, at most 1000."""

    base: Points
    urgency: dict[Urgency, Points]
    value_tier: dict[ValueTier, Points]
    customer_class: dict[CustomerClass, Points]
    media: Points
    urge: Points
    """For each urge that stands (DOMAIN rule 2)."""
    urges_counted_max: Annotated[int, Field(ge=0)]
    passed_on: Points
    """For each assignment that was refused or ignored: nothing is ignored for ever."""
    reopened: Points
    """For each cycle after the first."""

    def of(self, profile: Profile, rule: int, urges: int, passed_on: int, cycle: int) -> int:
        """The priority, 0 to 1000; higher goes first."""
        points = (
            self.base
            + rule
            + self.urgency[profile.urgency]
            + self.value_tier[profile.value_tier]
            + self.customer_class[profile.customer_class]
            + (self.media if profile.media else 0)
            + self.urge * min(urges, self.urges_counted_max)
            + self.passed_on * passed_on
            + self.reopened * (cycle - 1)
        )
        return min(points, PRIORITY_MAX)

    @model_validator(mode="after")
    def _complete(self) -> "Priorities":
        for name, known in (
            ("urgency", Urgency),
            ("value_tier", ValueTier),
            ("customer_class", CustomerClass),
        ):
            if missing := set(known) - set(getattr(self, name)):
                problem = f"priority.{name} says nothing of {', '.join(sorted(missing))}: add it"
                raise Unsound.at("gap", (name,), problem)
        return self


# -- the refund table ---------------------------------------------------------------------------


class RentWaiver(Schema):
    """The rent of an outage past its legal repair limit (`REG`)."""

    period_hours: Annotated[int, Field(ge=6, le=24 * 31)]
    """Each period of so many hours that has begun counts whole."""
    month_days: Annotated[int, Field(ge=28, le=31)] | Literal["actual"]
    """By how many days a month's rent is divided: those of the month the period begins in, or
    always the same number."""


class Refunds(Schema):
    """What a proven fault is worth (DOMAIN rule 9)."""

    overcharge_times: Annotated[int, Field(ge=1, le=10)]
    """How many times the overcharged amount is given back in all (001, 004: twice)."""
    rent: RentWaiver


# -- all of `routing` ---------------------------------------------------------------------------


class RoutingTable(Schema):
    """`routing`: which queue a complaint goes to, how pressing it is, and how long one may wait."""

    accept_within_min: Annotated[int, Field(ge=1, le=24 * 60)]
    """Refused or ignored assignments return after this time (DOMAIN rule 6; `CFG` 30)."""
    suspend_at_most_days: Annotated[int, Field(ge=1, le=366)]
    fallback: Code
    """Where work goes that no rule places: never nowhere (DOMAIN rule 6)."""
    responsible: dict[ReportedCause, Code]
    """The queue responsible for a cause that is not the handler's own (DOMAIN rule 7)."""
    priority: Priorities
    refunds: Refunds
    queues: tuple[Queue, ...]
    rules: tuple[Rule, ...]

    @cached_property
    def queue_of(self) -> Mapping[str, Queue]:
        """Queues by code."""
        return {queue.code: queue for queue in self.queues}

    @cached_property
    def accept_within(self) -> timedelta:
        """How long an assignment waits to be accepted."""
        return timedelta(minutes=self.accept_within_min)

    def rule_for(self, profile: Profile, route: ReopenRoute | None) -> Rule:
        """The first rule that holds; else the fallback, whose code is `fallback`."""
        for rule in self.rules:
            if rule.when.holds(profile, route):
                return rule
        return self._fallback_rule

    @cached_property
    def _fallback_rule(self) -> Rule:
        return Rule(code="fallback", queue=self.fallback)

    @model_validator(mode="after")
    def _sound(self) -> "RoutingTable":
        _no_doubles("queues", "code", (queue.code for queue in self.queues))
        _no_doubles("rules", "code", (rule.code for rule in self.rules))
        for number, rule in enumerate(self.rules):
            if rule.code == "fallback":
                problem = "no rule may be called `fallback`: that is what no rule matched"
                raise Unsound.at("overlap", ("rules", number, "code"), problem)
        for where, queue in self._queues_named():
            if queue not in self.queue_of:
                near = get_close_matches(queue, self.queue_of, n=1)
                hint = f"did you mean {near[0]}?" if near else "name one of `queues`, or add it"
                problem = f"{as_read(where)} names the unknown queue {queue!r}: {hint}"
                raise Unsound.at("unknown", where, problem)
        if missing := {ReportedCause.NETWORK, ReportedCause.BILLING} - set(self.responsible):
            problem = f"responsible says nothing of {', '.join(sorted(missing))}: add it"
            raise Unsound.at("gap", ("responsible",), problem)
        return self

    def _queues_named(self) -> Iterator[tuple[tuple[str | int, ...], str]]:
        yield ("fallback",), self.fallback
        for cause, queue in self.responsible.items():
            yield ("responsible", cause.value), queue
        for number, rule in enumerate(self.rules):
            yield ("rules", number, "queue"), rule.queue
            if rule.otherwise is not None:
                yield ("rules", number, "otherwise"), rule.otherwise


# -- the teams ----------------------------------------------------------------------------------


class Hours(Schema):
    """A service calendar of the third kind: open each day from `opens` to `closes`, local time."""

    opens: time
    closes: time

    @model_validator(mode="after")
    def _a_day(self) -> "Hours":
        if self.opens >= self.closes:
            problem = "a day closes after it opens: write the later time here"
            raise Unsound.at("overlap", ("closes",), problem)
        return self

    def open_at(self, instant: datetime) -> bool:
        """Whether `instant` lies in [opens, closes)."""
        local = instant.astimezone(SHANGHAI).time()
        return self.opens <= local < self.closes

    def next_close(self, instant: datetime) -> datetime:
        """The first end of a day after `instant`."""
        local = instant.astimezone(SHANGHAI)
        close = datetime.combine(local.date(), self.closes, SHANGHAI)
        return close if local < close else close + timedelta(days=1)


class Team(Schema):
    """People who take work from certain queues."""

    team: Code
    names: BothNames | None = None
    queues: tuple[Code, ...]
    seats: tuple[Seat, ...]
    province: Province | None = None
    """Where it sits and handles; None: the whole country."""
    district_types: tuple[DistrictType, ...] = ()
    """Urban or rural; empty: both."""
    available: bool = True
    calendar: Code | None = None
    """The hours it keeps; None: 7x24."""

    @cached_property
    def seat_of(self) -> Mapping[str, Seat]:
        """Seats by agent."""
        return {seat.agent: seat for seat in self.seats}

    @model_validator(mode="after")
    def _sound(self) -> "Team":
        _no_doubles("seats", "agent", (seat.agent for seat in self.seats))
        return self


class Representative(Schema):
    """Who looks after a portfolio of customers, by name (DOMAIN rule 3)."""

    portfolio: Code
    """As the channels name it: a company, or many people; never one person's own code."""
    team: Code
    agent: Code
    deputies: tuple[Code, ...] = ()
    """Of the same team; asked in this order when the representative may not or cannot take it."""


class Teams(Schema):
    """`teams`: who there is, what they can do and when."""

    calendars: dict[Code, Hours]
    teams: tuple[Team, ...]
    representatives: tuple[Representative, ...] = ()
    """Who looks after which customers by name; all others go to the dedicated seats."""

    @cached_property
    def representative_of(self) -> Mapping[str, Representative]:
        """Representatives by the portfolio they look after."""
        return {one.portfolio: one for one in self.representatives}

    @cached_property
    def by_code(self) -> Mapping[str, Team]:
        """Teams by code."""
        return {team.team: team for team in self.teams}

    @cached_property
    def of_queue(self) -> Mapping[str, tuple[Team, ...]]:
        """The teams that take from each queue, in the order of the file."""
        queues: dict[str, list[Team]] = {}
        for team in self.teams:
            for queue in team.queues:
                queues.setdefault(queue, []).append(team)
        return {queue: tuple(teams) for queue, teams in queues.items()}

    @cached_property
    def of_agent(self) -> Mapping[str, tuple[Team, ...]]:
        """The teams each agent has a seat in."""
        agents: dict[str, list[Team]] = {}
        for team in self.teams:
            for seat in team.seats:
                agents.setdefault(seat.agent, []).append(team)
        return {agent: tuple(teams) for agent, teams in agents.items()}

    def candidates(self, queue: str, province: str | None) -> tuple[Team, ...]:
        """The teams of a queue that could handle that province: its own, and nation-wide ones."""
        return tuple(
            team
            for team in self.of_queue.get(queue, ())
            if team.province is None or team.province == province
        )

    def open_at(self, team: Team, instant: datetime) -> bool:
        """Whether a team works at `instant`."""
        return team.calendar is None or self.calendars[team.calendar].open_at(instant)

    def hand_over_at(self, team: str, instant: datetime) -> datetime | None:
        """When the day of a team at work at `instant` ends; None: it never closes."""
        known = self.by_code.get(team)
        if known is None or known.calendar is None:
            return None
        return self.calendars[known.calendar].next_close(instant)

    @model_validator(mode="after")
    def _sound(self) -> "Teams":
        _no_doubles("teams", "team", (team.team for team in self.teams))
        for number, team in enumerate(self.teams):
            if team.calendar is not None and team.calendar not in self.calendars:
                problem = (
                    f"team {team.team} keeps the unknown hours {team.calendar!r}: "
                    f"known are {', '.join(sorted(self.calendars))}"
                )
                raise Unsound.at("unknown", ("teams", number, "calendar"), problem)
        _no_doubles("representatives", "portfolio", (one.portfolio for one in self.representatives))
        for number, one in enumerate(self.representatives):
            seated = self.by_code[one.team].seat_of if one.team in self.by_code else {}
            for agent in (one.agent, *one.deputies):
                if agent not in seated:
                    problem = (
                        f"portfolio {one.portfolio} names {agent!r}, who has no seat in "
                        f"{one.team!r}: give them one there first, or name somebody else"
                    )
                    raise Unsound.at("unknown", ("representatives", number), problem)
        return self

    def with_team(self, team: Team) -> "Teams":
        """The same teams with this one new or changed."""
        others = tuple(one for one in self.teams if one.team != team.team)
        return Teams(
            calendars=self.calendars,
            teams=(*others, team),
            representatives=self.representatives,
        )


# -- whom it complains of -----------------------------------------------------------------------


class Concerned:
    """Whom a complaint is about: never its handler, never its owner (DOMAIN rule 6).

    A complaint about an agent bars the agent's whole team, and a barred team bars every agent
    with a seat in it, whatever team the agent speaks for (SCENARIOS S6: "neither 8812 nor a seat
    of T gets it").
    """

    __slots__ = ("_agent", "_teams", "_whole")

    def __init__(self, about: StaffRef | None, teams: Teams) -> None:
        self._whole = teams
        self._agent = about.agent if about else None
        barred = {about.team} if about and about.team else set()
        if about and about.agent and not about.team:
            barred |= {team.team for team in teams.of_agent.get(about.agent, ())}
        self._teams = frozenset(barred)

    def __bool__(self) -> bool:
        return self._agent is not None or bool(self._teams)

    def bars_team(self, team: str | None) -> bool:
        """Whether that team is complained of."""
        return team is not None and team in self._teams

    def bars(self, agent: str | None, team: str | None = None) -> bool:
        """Whether that agent, speaking for that team, is complained of."""
        if self.bars_team(team):
            return True
        if agent is None or not self:
            return False
        if agent == self._agent:
            return True
        return any(one.team in self._teams for one in self._whole.of_agent.get(agent, ()))

    def names(self) -> tuple[str, ...]:
        """Agent and teams, for the record of the decision."""
        return (*((self._agent,) if self._agent else ()), *sorted(self._teams))


@dataclass(frozen=True, slots=True)
class Rules:
    """The policies in force at an instant, as decisions read them."""

    table: RoutingTable
    teams: Teams
    ref: PolicyRef
    """The decision table's version, for the record."""

    @classmethod
    def at(cls, policies: Policies, instant: datetime) -> "Rules":
        """What counted at `instant`; raises PolicyMissing when nothing did."""
        table = policies.in_force(ROUTING, instant)
        teams = policies.in_force(TEAMS, instant)
        assert isinstance(table.compiled, RoutingTable)
        assert isinstance(teams.compiled, Teams)
        ref = PolicyRef(name=table.name, version=table.version)
        return cls(table.compiled, teams.compiled, ref)


def compile_policy(name: str, policy: Mapping[str, Any]) -> RoutingTable | Teams:
    """The policy of that name, ready for decisions; raises ValueError when it is not sound."""
    content = policy.get("content", policy)
    if name == ROUTING:
        return RoutingTable.model_validate(content)
    if name == TEAMS:
        return Teams.model_validate(content)
    raise ValueError(f"routing follows no policy called {name!r}")


def _no_doubles(among: str, key: str, codes: Iterable[str]) -> None:
    seen: set[str] = set()
    for number, code in enumerate(codes):
        if code in seen:
            problem = f"{key} {code!r} is named twice: keep one of them, or rename this one"
            raise Unsound.at("overlap", (among, number, key), problem)
        seen.add(code)
