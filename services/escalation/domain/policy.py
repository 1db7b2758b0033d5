"""The escalation policy as the domain reads it: triggers, tiers, and who may grant how much."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

from contracts.values import CaseTrigger, ClockPurpose, Code, Money, Tier, Urgency
from libs.decider.policy import Unsound
from services.escalation.domain.state import REGULATOR_TIER

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


class Authority(_Part):
    """What one role may grant a complaint in all."""

    role: Code
    limit: Money | None
    """In CNY; None: without limit."""


class Compensation(_Part):
    """Who may grant how much in all for one complaint (DOMAIN rule 9)."""

    authorities: Annotated[tuple[Authority, ...], Field(min_length=1)]
    """From the lowest up: above one's limit the next approves, and the last has no limit."""

    def reaches(self, role: str, total: Decimal) -> bool:
        """Whether this role may grant a complaint `total` CNY in all; a role not named: nothing."""
        return any(one.role == role and _reaches(one, total) for one in self.authorities)

    def limit(self, role: str) -> Decimal | None:
        """What the role may grant a complaint in all, in CNY; None: without limit; 0: nothing."""
        return next((one.limit for one in self.authorities if one.role == role), Decimal("0.00"))

    def next_for(self, total: Decimal) -> str:
        """The first role that may grant a complaint `total` CNY in all."""
        return next(one.role for one in self.authorities if _reaches(one, total))

    def highest(self, roles: Sequence[str]) -> str:
        """That one of a caller's roles which has most authority; any of them where none has."""
        ranks = {one.role: rank for rank, one in enumerate(self.authorities)}
        return max(sorted(roles), key=lambda role: ranks.get(role, -1))

    @model_validator(mode="after")
    def _ordered(self) -> "Compensation":
        *lower, last = self.authorities
        if last.limit is not None:
            problem = f"above {last.limit} CNY nobody could approve; give it the limit null"
            raise Unsound.at("gap", ("authorities", len(lower), "limit"), problem)
        limits = [one.limit for one in lower]
        if None in limits:
            problem = "only the last authority has no limit: give this one an amount"
            raise Unsound.at("overlap", ("authorities", limits.index(None), "limit"), problem)
        known = [limit for limit in limits if limit is not None]
        if sorted(set(known)) != known:
            problem = "each authority's limit is above the one before it: put the lowest first"
            raise Unsound.at("overlap", ("authorities",), problem)
        roles = [one.role for one in self.authorities]
        if len(set(roles)) < len(roles):
            problem = "an authority is named twice: keep one of them"
            raise Unsound.at("overlap", ("authorities",), problem)
        return self


def _reaches(authority: Authority, total: Decimal) -> bool:
    return authority.limit is None or total <= authority.limit


class EscalationPolicy(_Part):
    """One version of the escalation policy's content."""

    resolution_promises: ResolutionPromises
    urges: Annotated[int, Field(ge=1)]
    repeats: Annotated[int, Field(ge=1)]
    vip_severe: VipSevere
    tiers: Mapping[CaseTrigger, Tier]
    desks: Mapping[Tier, Annotated[frozenset[Code], Field(min_length=1)]]
    """Which roles act on the cases of a tier."""
    passes_up: Mapping[Tier, Tier]
    compensation: Compensation

    @model_validator(mode="after")
    def _complete(self) -> "EscalationPolicy":
        missing = set(CaseTrigger) - set(self.tiers) - {CaseTrigger.PASSED_UP}
        if missing:
            problem = f"tiers says nothing about {', '.join(sorted(missing))}: add a line for each"
            raise Unsound.at("gap", ("tiers",), problem)
        if orphaned := {2, 3, 4} - set(self.desks):
            tiers = ", ".join(map(str, sorted(orphaned)))
            problem = f"desks says nothing about tier {tiers}: name the roles that work its cases"
            raise Unsound.at("gap", ("desks",), problem)
        for trigger, tier in self.tiers.items():
            if (tier == REGULATOR_TIER) is not (trigger is CaseTrigger.REGULATOR):
                problem = "tier 4 is the regulator's referral, and nothing else is: mend the tier"
                raise Unsound.at("unsound", ("tiers", trigger.value), problem)
        for tier, higher in self.passes_up.items():
            if higher == REGULATOR_TIER:
                problem = "nobody passes a case to the regulator, the customer appeals: end below"
                raise Unsound.at("unsound", ("passes_up", str(tier)), problem)
            if higher <= tier:
                problem = f"a case of tier {tier} cannot pass up to tier {higher}: go higher"
                raise Unsound.at("unsound", ("passes_up", str(tier)), problem)
        return self


def compile_policy(name: str, policy: Mapping[str, Any]) -> EscalationPolicy:
    """The policy of that name, ready for decisions; raises ValueError when it is not sound."""
    if name != POLICY:
        raise ValueError(f"escalation has no policy {name!r}")
    return EscalationPolicy.model_validate(policy.get("content", policy))
