"""What a new version of intake's policies must be before it counts: whole, and no rule in vain.

Reading a version back asks none of this (docs/decisions/0008-the-law-is-no-policy.md).
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from contracts.values import Language
from libs.decider.policy import Fault
from services.intake.domain.policy import (
    KEYWORDS,
    REOPENING,
    VERIFICATION,
    KeywordsPolicy,
    ReopeningPolicy,
    VerificationPolicy,
    When,
)


def vet_policy(name: str, content: Mapping[str, Any]) -> Sequence[Fault]:
    """The faults of content that can be read as this policy; empty when it may count."""
    match name:
        case _ if name == KEYWORDS:
            return list(_keywords(KeywordsPolicy.model_validate(content)))
        case _ if name == VERIFICATION:
            return list(_verification(VerificationPolicy.model_validate(content)))
        case _ if name == REOPENING:
            return list(_reopening(ReopeningPolicy.model_validate(content)))
        case _:
            return ()


def _keywords(policy: KeywordsPolicy) -> Iterator[Fault]:
    """What one language's words can find, the other's can find too (DOMAIN rule 4)."""
    said: dict[tuple[str, str], dict[Language, int]] = {}
    for number, category in enumerate(policy.categories):
        said.setdefault(("categories", category.category), {})[category.language] = number
    for number, urgency in enumerate(policy.urgency):
        said.setdefault(("urgency", urgency.urgency), {})[urgency.language] = number
    for (place, value), numbers in said.items():
        for language in set(Language) - set(numbers):
            yield Fault(
                "missing",
                (place, next(iter(numbers.values()))),
                f"no words in {language.value} say {value}: add a rule with "
                f"`language: {language.value}`",
            )


def _verification(policy: VerificationPolicy) -> Iterator[Fault]:
    """The first rule that holds decides, so none stands below one that asks as much or nothing."""
    seen: dict[str, str] = {}
    ids: set[str] = set()
    for number, rule in enumerate(policy.rules):
        if rule.id in ids:
            problem = f"two rules have one id, {rule.id!r}: give this one another"
            yield Fault("overlap", ("rules", number, "id"), problem)
        ids.add(rule.id)
        above = seen.get(When().model_dump_json()) or seen.get(rule.when.model_dump_json())
        if above is not None:
            problem = f"{above} above it holds whenever this does: take it out, or put it above"
            yield Fault("overlap", ("rules", number), problem)
        seen.setdefault(rule.when.model_dump_json(), rule.id)


def _reopening(policy: ReopeningPolicy) -> Iterator[Fault]:
    """What reopens although the customer has withdrawn reopens all the more when not."""
    for number, trigger in enumerate(policy.case.triggers_when_withdrawn):
        if trigger not in policy.case.triggers:
            problem = f"{trigger.value} is not among `triggers`: add it there, or take it out here"
            yield Fault("gap", ("case", "triggers_when_withdrawn", number), problem)
