"""What a new decision table must be before it counts: no rule stands where none can reach it.

Reading a version back asks none of this (docs/decisions/0008-the-law-is-no-policy.md).
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Any

from contracts.values import (
    Category,
    CustomerClass,
    DistrictType,
    Kind,
    Language,
    ReopenRoute,
    Urgency,
    ValueTier,
)
from libs.decider.first_match import never_first
from libs.decider.policy import Fault
from services.routing.domain.policy import ROUTING, TEAMS, RoutingTable, Teams

ELSE = "else"
"""Stands for every province, and every product, that no rule names."""


def vet_policy(name: str, content: Mapping[str, Any]) -> Sequence[Fault]:
    """The faults of content that can be read as this policy; empty when it may count."""
    if name != ROUTING:
        return ()
    below = ("content",) if "content" in content else ()
    table = RoutingTable.model_validate(content.get("content", content))
    return [*_never_reached(table, below), *_nobody_goes_there(table, below)]


def vet_together(
    name: str, content: Mapping[str, Any], others: Mapping[str, Mapping[str, Any]]
) -> Sequence[Fault]:
    """The faults of the decision table and the teams beside each other.

    A team may take from a queue that is not there yet: first its team, then the queue.
    """
    if name == ROUTING and TEAMS in others:
        table, teams = _table(content), _teams(others[TEAMS])
        below = ("content",) if "content" in content else ()
        untaken = [
            Fault("gap", (*below, "queues", number, "code"), _untaken(queue.code))
            for number, queue in enumerate(table.queues)
            if queue.code not in _taken(teams)
        ]
        skills = _unskilled(table, teams)
        return [
            *untaken,
            *(Fault("unknown", (*below, *where), problem) for where, problem in skills),
        ]
    if name == TEAMS and ROUTING in others:
        teams, table = _teams(content), _table(others[ROUTING])
        below = ("content",) if "content" in content else ()
        return [
            Fault("gap", (*below, "teams"), _untaken(queue.code))
            for queue in table.queues
            if queue.code not in _taken(teams)
        ]
    return ()


def _unskilled(table: RoutingTable, teams: Teams) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Rules that would find nobody: no seat of their queue has the skills they ask.

    A team may lose its last skilled seat all the same: then the queue behind takes what comes.
    """
    anywhere = {skill for team in teams.teams for seat in team.seats for skill in seat.skills}
    for number, rule in enumerate(table.rules):
        seats = [seat for team in teams.of_queue.get(rule.queue, ()) for seat in team.seats]
        if not seats or any({*rule.skills} <= {*seat.skills} for seat in seats):
            continue
        asked = " and ".join(rule.skills)
        strange = next((skill for skill in rule.skills if skill not in anywhere), "")
        near = get_close_matches(strange, anywhere, n=1)
        hint = f"did you mean {near[0]}?" if near else "give them to a seat of such a team first"
        problem = f"{rule.code}: no seat that takes from {rule.queue} has the skill {asked}: {hint}"
        yield ("rules", number, "skills"), problem


def _untaken(queue: str) -> str:
    return (
        f"no team takes from the queue {queue}, so its complaints would wait for ever: write it in "
        "the `queues` of a team (policy teams)"
    )


def _taken(teams: Teams) -> frozenset[str]:
    return frozenset(queue for team in teams.teams for queue in team.queues)


def _table(content: Mapping[str, Any]) -> RoutingTable:
    return RoutingTable.model_validate(content.get("content", content))


def _teams(content: Mapping[str, Any]) -> Teams:
    return Teams.model_validate(content.get("content", content))


def _never_reached(table: RoutingTable, below: tuple[str, ...]) -> Iterator[Fault]:
    """The first rule that holds decides, so none stands below what always holds before it."""
    asked = [rule.when.asked for rule in table.rules]
    for number, above in never_first(asked, _everything(asked)):
        code = table.rules[number].code
        named = " and ".join(table.rules[one].code for one in above)
        holds = "holds" if len(above) == 1 else "between them hold"
        problem = (
            f"{named} above it {holds} whenever {code} does, so {code} is never reached: "
            "put the narrower first, or take it out"
        )
        yield Fault("overlap", (*below, "rules", number), problem)


def _everything(asked: Sequence[Mapping[str, frozenset[Any]]]) -> Mapping[str, frozenset[Any]]:
    """All that a complaint can be like; codes that no rule names are as good as one, ELSE."""
    either = frozenset((True, False))
    known: dict[str, Iterable[Any]] = {
        "kind": Kind,
        "category": Category,
        "urgency": Urgency,
        "district_type": (*DistrictType, None),
        "customer_class": CustomerClass,
        "value_tier": ValueTier,
        "language": Language,
        "route": (*ReopenRoute, None),
        **dict.fromkeys(("about_staff", "cross_region", "other_operator", "media"), either),
    }
    for thing in ("handling_province", "product"):
        named = (one.get(thing, frozenset()) for one in asked)
        known[thing] = frozenset((ELSE, None)).union(*named)
    return {thing: frozenset(values) for thing, values in known.items()}


def _nobody_goes_there(table: RoutingTable, below: tuple[str, ...]) -> Iterator[Fault]:
    """A queue that nothing leads to is a rule forgotten."""
    named = {table.fallback, *table.responsible.values()}
    named |= {queue for rule in table.rules for queue in (rule.queue, rule.otherwise) if queue}
    for number, queue in enumerate(table.queues):
        if queue.code not in named:
            problem = f"nothing leads to the queue {queue.code}: add a rule for it, or take it out"
            yield Fault("gap", (*below, "queues", number, "code"), problem)
