"""What a new version of intake's policies must be before it counts: whole, and no rule in vain.

Reading a version back asks none of this (docs/decisions/0008-the-law-is-no-policy.md).
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from contracts.values import Category, ChannelKind, Kind, Language
from libs.decider.first_match import never_first
from libs.decider.policy import Fault
from services.intake.domain.policy import (
    KEYWORDS,
    REOPENING,
    VERIFICATION,
    KeywordsPolicy,
    Needles,
    ReopeningPolicy,
    VerificationPolicy,
)


def vet_policy(name: str, content: Mapping[str, Any]) -> Sequence[Fault]:
    """The faults of content that can be read as this policy; empty when it may count."""
    match name:
        case _ if name == KEYWORDS:
            keywords = KeywordsPolicy.model_validate(content)
            return [*_keywords(keywords), *_in_vain(keywords)]
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


def _in_vain(policy: KeywordsPolicy) -> Iterator[Fault]:
    """A rule of words decides nothing where another one finds all that it finds, and goes before.

    Of categories the higher rank goes before, of urgencies what stands above.
    """
    places = {
        one.id: (place, number)
        for place, rules in (("categories", policy.categories), ("urgency", policy.urgency))
        for number, one in enumerate(rules)
    }
    for language in Language:
        ranked, listed = policy.by_language[language], policy.urgency_by_language[language]
        before = [
            *((one, [other for other in ranked if other.rank > one.rank]) for one in ranked),
            *((one, listed[:number]) for number, one in enumerate(listed)),
        ]
        for one, others in before:
            if any(all(_has(word, one.unless) for word in words) for words in one.groups):
                problem = f"{one.rule} finds nothing: `unless` rules out all that it `says`"
                yield Fault("gap", places[one.rule], problem)
                continue
            first = next((other for other in others if _finds_all(other, one)), None)
            if first is not None:
                problem = (
                    f"{first.rule} finds whatever {one.rule} finds and goes before it, so "
                    f"{one.rule} never decides: take out its words there, or the rule here"
                )
                yield Fault("overlap", places[one.rule], problem)


def _finds_all(other: Needles, one: Needles) -> bool:
    """Whether every text that has the words of `one` has those of `other`, as they are written."""
    said = all(
        any(all(_has(word, group) for word in words) for words in one.groups)
        for group in other.groups
    )
    return said and all(_has(word, one.unless) for word in other.unless)


def _has(word: str, group: Sequence[str]) -> bool:
    """Whether who says the word says one of the group: it, or a part of it."""
    return any(part in word for part in group)


def _verification(policy: VerificationPolicy) -> Iterator[Fault]:
    """The first rule that holds decides, so none stands below what always holds before it."""
    ids: set[str] = set()
    for number, rule in enumerate(policy.rules):
        if rule.id in ids:
            problem = f"two rules have one id, {rule.id!r}: give this one another"
            yield Fault("overlap", ("rules", number, "id"), problem)
        ids.add(rule.id)
    asked = [rule.when.asked for rule in policy.rules]
    for number, one in enumerate(asked):
        for thing in (thing for thing, values in one.items() if not values):
            problem = f"an empty list of what its {thing} may be holds for nobody: leave it out"
            yield Fault("gap", ("rules", number), problem)
    for number, above in never_first(asked, _everything(asked)):
        named = " and ".join(policy.rules[one].id for one in above)
        holds = "holds" if len(above) == 1 else "between them hold"
        last = number == len(policy.rules) - 1
        todo = "take one of those above out" if last else "take it out, or put it above"
        yield Fault(
            "overlap", ("rules", number), f"{named} above it {holds} whenever this does: {todo}"
        )


def _everything(asked: Sequence[Mapping[str, frozenset[Any]]]) -> Mapping[str, frozenset[Any]]:
    """All that a registration can be like, as far as the rules ask."""
    either = frozenset((True, False))
    known = {
        "kind": frozenset(Kind),
        "category": frozenset(Category),
        "channel": frozenset(ChannelKind),
    }
    return {thing: known.get(thing, either) for one in asked for thing in one}


def _reopening(policy: ReopeningPolicy) -> Iterator[Fault]:
    """What reopens although the customer has withdrawn reopens all the more when not."""
    for number, trigger in enumerate(policy.case.triggers_when_withdrawn):
        if trigger not in policy.case.triggers:
            problem = f"{trigger.value} is not among `triggers`: add it there, or take it out here"
            yield Fault("gap", ("case", "triggers_when_withdrawn", number), problem)
