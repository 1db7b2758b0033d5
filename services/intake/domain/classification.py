"""What a customer's words are about and how pressing they are, as far as the rules are sure.

Runs at the door, where the words are still readable; only its result goes further. What no rule
can place is `unclassified` and goes to a desk: it is never guessed (DOMAIN rule 4).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from contracts.values import Category, Language, Urgency
from services.intake.domain.policy import KeywordsPolicy, Needles, plain_english

RULES_NAMED_MAX = 2
"""Two rules that agree only on a common subject are both named; more would not fit a name."""


@dataclass(frozen=True, slots=True)
class Placement:
    """What the rules make of a text; `rule` is None where none could place it."""

    category: Category
    urgency: Urgency
    rule: str | None = None
    urgency_rule: str | None = None


def language_of(text: str) -> Language:
    """The language of a text that came without one: Chinese as soon as it has a Chinese character.

    A text with no letter at all is taken for Chinese, the operator's own language.
    """
    if any("一" <= sign <= "鿿" for sign in text):
        return Language.ZH
    return Language.EN if any("a" <= sign <= "z" for sign in text.lower()) else Language.ZH


def classify(text: str, language: Language, policy: KeywordsPolicy) -> Placement:
    """Category and urgency of a text in clear, by the rules of its language. Pure."""
    read = text[: policy.reads_characters_max]
    said = plain_english(read) if language is Language.EN else read
    urgent = next(_matches(said, policy.urgency_by_language[language]), None)
    category, rule = _surest(said, policy.by_language[language])
    return Placement(
        category,
        Urgency.ORDINARY if urgent is None else urgent.value,
        rule,
        None if urgent is None else urgent.rule,
    )


def _matches(said: str, rules: Sequence[Needles]) -> Iterator[Needles]:
    for one in rules:
        for group in one.groups:
            if not _holds(said, group):
                break
        else:
            if not _holds(said, one.unless):
                yield one


def _holds(said: str, words: Sequence[str]) -> bool:
    for word in words:  # noqa: SIM110 - `any` over a generator takes twice as long here
        if word in said:
            return True
    return False


def _surest(said: str, rules: Sequence[Needles]) -> tuple[Category, str | None]:
    """What the matches of the highest rank agree on; rules come highest rank first."""
    agreed: list[Needles] = []
    for match in _matches(said, rules):
        if agreed and match.rank < agreed[0].rank:
            break
        agreed.append(match)
    if not agreed:
        return Category.UNCLASSIFIED, None
    category = _common([match.value for match in agreed])
    if category is None:
        return Category.UNCLASSIFIED, None
    naming = [match.rule for match in agreed if match.value is category] or [
        match.rule for match in agreed[:RULES_NAMED_MAX]
    ]
    return category, "+".join(naming[:RULES_NAMED_MAX])


def _common(found: Sequence[Category]) -> Category | None:
    """The most specific category when the others lie above it, else the closest above them all."""
    deepest = max(found, key=lambda one: one.value.count("."))
    if all(deepest.within(one) for one in found):
        return deepest
    above = deepest.parent
    while above is not None and not all(one.within(above) for one in found):
        above = above.parent
    return above
