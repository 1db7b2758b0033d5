"""What a new escalation policy must be before it counts: every case has where to go.

Reading a version back asks none of this (docs/decisions/0008-the-law-is-no-policy.md).
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from contracts.values import CaseTrigger
from libs.decider.policy import Fault
from services.escalation.domain.policy import POLICY, EscalationPolicy

REGULATOR_TIER = 4
HIGHEST_OF_OURS = 3
"""Tiers 2 and 3 are the 10015 desks, 4 the regulator's appeal (DOMAIN rule 10)."""


def vet_policy(name: str, content: Mapping[str, Any]) -> Sequence[Fault]:
    """The faults of content that can be read as this policy; empty when it may count."""
    if name != POLICY:
        return ()
    below = ("content",) if "content" in content else ()
    return list(_tiers(EscalationPolicy.model_validate(content.get("content", content)), below))


def _tiers(policy: EscalationPolicy, below: tuple[str, ...]) -> Iterator[Fault]:
    for trigger, tier in policy.tiers.items():
        where = (*below, "tiers", trigger.value)
        if (trigger is CaseTrigger.REGULATOR) != (tier == REGULATOR_TIER):
            problem = (
                f"{trigger.value} asks tier {tier}: the regulator's referral, and nothing else, is "
                f"tier {REGULATOR_TIER} (DOMAIN rule 10)"
            )
            yield Fault("unsound", where, problem)
        elif tier < HIGHEST_OF_OURS and tier not in policy.passes_up:
            problem = f"a case of tier {tier} could pass to nobody: add `{tier}` to `passes_up`"
            yield Fault("gap", where, problem)
