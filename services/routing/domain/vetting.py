"""What a new decision table must be before it counts: no rule stands where none can reach it.

Reading a version back asks none of this (docs/decisions/0008-the-law-is-no-policy.md).
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from libs.decider.policy import Fault
from services.routing.domain.policy import ROUTING, RoutingTable, When


def vet_policy(name: str, content: Mapping[str, Any]) -> Sequence[Fault]:
    """The faults of content that can be read as this policy; empty when it may count."""
    if name != ROUTING:
        return ()
    below = ("content",) if "content" in content else ()
    table = RoutingTable.model_validate(content.get("content", content))
    return [*_never_reached(table, below), *_nobody_goes_there(table, below)]


def _never_reached(table: RoutingTable, below: tuple[str, ...]) -> Iterator[Fault]:
    """The first rule that holds decides, so none stands below one that asks as much or nothing."""
    seen: dict[str, str] = {}
    for number, rule in enumerate(table.rules):
        above = seen.get(When().model_dump_json()) or seen.get(rule.when.model_dump_json())
        if above is not None:
            problem = f"{above} above it holds whenever {rule.code} does: put the narrower first"
            yield Fault("overlap", (*below, "rules", number), problem)
        seen.setdefault(rule.when.model_dump_json(), rule.code)


def _nobody_goes_there(table: RoutingTable, below: tuple[str, ...]) -> Iterator[Fault]:
    """A queue that nothing leads to is a rule forgotten."""
    named = {table.fallback, *table.responsible.values()}
    named |= {queue for rule in table.rules for queue in (rule.queue, rule.otherwise) if queue}
    for number, queue in enumerate(table.queues):
        if queue.code not in named:
            problem = f"nothing leads to the queue {queue.code}: add a rule for it, or take it out"
            yield Fault("gap", (*below, "queues", number, "code"), problem)
