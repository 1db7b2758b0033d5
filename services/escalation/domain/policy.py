"""The escalation policy as the domain reads it: triggers, tiers, and who may grant how much."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

from contracts.values import CaseTrigger, ClockPurpose, Code, Money, Tier, Urgency

POLICY = "escalation"
"""The policy's name."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ResolutionPromises(_Part):
    """Which clocks promise a solution (DOMAIN rule 10)."""

    purposes: frozenset[ClockPurpose]
    clocks: frozenset[Code] = frozenset()
    excepted: Annotated[frozenset[Code], Field(alias="except")] = frozenset()

    def hold(self, clock: str, purpose: ClockPurpose) -> bool:
        """Whether this clock's breach is a cause to escalate."""
        return clock not in self.excepted and (purpose in self.purposes or clock in self.clocks)


class VipSevere(_Part):
    """What is severe for an important customer (DOMAIN rule 10)."""

    urgencies: frozenset[Urgency]


class CompensationLimits(_Part):
    """Who may grant how much in all for one complaint (DOMAIN rule 9)."""

    limits: Mapping[Code, Money]

    def limit(self, role: str) -> Decimal:
        """What the role may grant a complaint in all, in CNY; 0 for a role without authority."""
        return self.limits.get(role, Decimal("0.00"))


class EscalationPolicy(_Part):
    """One version of the escalation policy's content."""

    resolution_promises: ResolutionPromises
    urges: Annotated[int, Field(ge=1)]
    vip_severe: VipSevere
    tiers: Mapping[CaseTrigger, Tier]
    passes_up: Mapping[Tier, Tier]
    compensation: CompensationLimits

    @model_validator(mode="after")
    def _complete(self) -> "EscalationPolicy":
        missing = set(CaseTrigger) - set(self.tiers) - {CaseTrigger.PASSED_UP}
        if missing:
            raise ValueError(f"tiers says nothing about {', '.join(sorted(missing))}")
        for tier, higher in self.passes_up.items():
            if higher <= tier:
                raise ValueError(f"a case of tier {tier} cannot pass up to tier {higher}")
        return self


def compile_policy(name: str, policy: Mapping[str, Any]) -> EscalationPolicy:
    """The policy of that name, ready for decisions; raises ValueError when it is not sound."""
    if name != POLICY:
        raise ValueError(f"escalation has no policy {name!r}")
    return EscalationPolicy.model_validate(policy.get("content", policy))
