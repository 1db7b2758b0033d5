"""The rules that people change without a release, as intake reads them from its policy data.

Each policy is one YAML mapping with `name`, `version` and `effective_from`; `compile_policy` is the
reader that the runtime is given. Decisions take the version in force at the fact's instant.
"""

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import cached_property
from typing import Annotated, Any, Literal, NamedTuple, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, model_validator

from contracts.intake import Check, Outcome, Registration
from contracts.values import (
    CaseTrigger,
    Category,
    ChannelKind,
    Kind,
    Language,
    PolicyRef,
    ReopenRoute,
    Urgency,
)
from libs.decider import Policies
from libs.decider.policy import Unsound

CONTACTS = "contacts"
KEYWORDS = "keywords"
REOPENING = "reopening"
VERIFICATION = "verification"

Days = Annotated[int, Field(ge=0, le=3650)]
Id = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]*$", max_length=31)]
"""So short that three of them, joined, still are a name of an event's rule."""
Words = Annotated[
    tuple[Annotated[str, Field(min_length=1, max_length=80)], ...], Field(min_length=1)
]


class _Data(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Policy(_Data):
    """What every policy says of itself."""

    name: str
    version: str
    effective_from: str

    @cached_property
    def ref(self) -> PolicyRef:
        """This version, as events name it."""
        return PolicyRef(name=self.name, version=self.version)


# --- what customers' words say -------------------------------------------------------------------


class Needles(NamedTuple):
    """A word rule, ready to be looked for: groups of words, and words that rule it out."""

    rule: str
    rank: int
    value: Any
    groups: tuple[tuple[str, ...], ...]
    unless: tuple[str, ...]


class WordRule(_Data):
    """Matches a text that has one word of every group of `says`, and none of `unless`."""

    id: Id
    language: Language
    says: Annotated[tuple[Words, ...], Field(min_length=1)]
    unless: tuple[str, ...] = ()

    def needles(self, rank: int, value: Category | Urgency) -> Needles:
        """The same with English words bounded as `plain_english` bounds a text's."""
        bound = _bounded if self.language is Language.EN else str
        groups = tuple(tuple(bound(word) for word in group) for group in self.says)
        return Needles(self.id, rank, value, groups, tuple(bound(word) for word in self.unless))


class CategoryRule(WordRule):
    """Says which category a text is about; only matches of the highest rank count."""

    rank: Annotated[int, Field(ge=1, le=9)]
    category: Category


class UrgencyRule(WordRule):
    """Says how urgent a text is; the first match counts."""

    urgency: Urgency


def plain_english(text: str) -> str:
    """Lower-case words between single blanks, apostrophes dropped: ` i dont have a signal `."""
    letters = text.lower().replace("'", "").replace("’", "")
    return f" {_NO_WORD.sub(' ', letters).strip()} "


_NO_WORD = re.compile(r"[^a-z0-9]+")


def _bounded(word: str) -> str:
    plain = plain_english(word.removesuffix("*"))
    return plain[:-1] if word.endswith("*") else plain


class KeywordsPolicy(Policy):
    """Category and urgency from customers' own words, in both languages (DOMAIN rule 4)."""

    reads_characters_max: Annotated[int, Field(ge=1, le=65_536)]
    categories: tuple[CategoryRule, ...]
    urgency: tuple[UrgencyRule, ...]

    @model_validator(mode="after")
    def _well_formed(self) -> Self:
        ids: set[str] = set()
        for place, rules in (("categories", self.categories), ("urgency", self.urgency)):
            for number, one in enumerate(rules):
                if one.id in ids:
                    problem = f"two keyword rules have one id, {one.id!r}: give this one another"
                    raise Unsound.at("overlap", (place, number, "id"), problem)
                ids.add(one.id)
        for number, rule in enumerate(self.categories):
            if rule.category is Category.UNCLASSIFIED:
                problem = "`unclassified` is what no rule can place; no rule may say it"
                raise Unsound.at("unsound", ("categories", number, "category"), problem)
        return self

    @cached_property
    def by_language(self) -> Mapping[Language, tuple[Needles, ...]]:
        """The category rules of each language, highest rank first."""
        return {
            language: tuple(
                sorted(
                    (
                        rule.needles(rule.rank, rule.category)
                        for rule in self.categories
                        if rule.language is language
                    ),
                    key=lambda needles: -needles.rank,
                )
            )
            for language in Language
        }

    @cached_property
    def urgency_by_language(self) -> Mapping[Language, tuple[Needles, ...]]:
        """The urgency rules of each language, in order."""
        return {
            language: tuple(
                rule.needles(0, rule.urgency) for rule in self.urgency if rule.language is language
            )
            for language in Language
        }


# --- which contact belongs where -----------------------------------------------------------------


class ContactsPolicy(Policy):
    """Which contact belongs to which complaint (DOMAIN rule 2)."""

    window_days: Days
    repeat_days: Days
    future_seconds_max: Annotated[int, Field(ge=0, le=86_400)]
    contacts_max: Annotated[int, Field(ge=1, le=10_000)]
    merge_contacts_max: Annotated[int, Field(ge=1, le=50)]
    merge_text_characters_max: Annotated[int, Field(ge=0, le=65_536)]

    def in_window(self, clock_from: datetime, at: datetime) -> bool:
        """Whether `at` lies inside the duplicate window, its last instant included.

        A contact that was made earlier but came later belongs to it just as well.
        """
        return abs(at - clock_from) <= timedelta(days=self.window_days)

    def repeats(self, earlier: datetime, at: datetime) -> bool:
        """Whether a complaint told at `at` repeats one told at `earlier`; the last instant counts.

        What was told later repeats this one, not the other way round.
        """
        return timedelta(0) <= at - earlier <= timedelta(days=self.repeat_days)

    @property
    def future_max(self) -> timedelta:
        """How far ahead of our clock a message may be dated."""
        return timedelta(seconds=self.future_seconds_max)


# --- verification --------------------------------------------------------------------------------


class When(_Data):
    """What a registration must look like; what is not said does not matter."""

    kinds: tuple[Kind, ...] | None = None
    categories: tuple[Category, ...] | None = None
    channels: tuple[ChannelKind, ...] | None = None
    anonymous: bool | None = None
    representative: bool | None = None
    other_operator: bool | None = None
    evidence: str | None = None

    @cached_property
    def asked(self) -> Mapping[str, frozenset[Any]]:
        """The values that would do of each thing it asks; what it does not ask is not in it."""
        among = self.categories or ()
        wanted: dict[str, frozenset[Any] | None] = {
            "kind": None if self.kinds is None else frozenset(self.kinds),
            "category": None
            if self.categories is None
            else frozenset(one for one in Category if any(one.within(above) for above in among)),
            "channel": None if self.channels is None else frozenset(self.channels),
        }
        for flag in ("anonymous", "representative", "other_operator"):
            wanted[flag] = None if (one := getattr(self, flag)) is None else frozenset((one,))
        if self.evidence is not None:  # there may be several: each sort is there or not
            wanted[f"evidence {self.evidence}"] = frozenset((True,))
        return {thing: values for thing, values in wanted.items() if values is not None}

    def holds(self, registration: Registration) -> bool:
        """Whether all that is said here is so; a category covers those below it."""
        profile = registration.profile
        return (
            (self.kinds is None or profile.kind in self.kinds)
            and (
                self.categories is None
                or any(profile.category.within(one) for one in self.categories)
            )
            and (self.channels is None or profile.channel in self.channels)
            and self.anonymous in (None, registration.correspondent.anonymous)
            and self.representative in (None, profile.representative)
            and self.other_operator in (None, profile.other_operator)
            and (
                self.evidence is None
                or any(one.kind == self.evidence for one in registration.evidence)
            )
        )


class VerificationRule(_Data):
    """Who checks a registration that looks so."""

    id: Id
    when: When
    by: Literal["automatic", "desk"]
    checked: tuple[Check, ...] = ()


class VerificationPolicy(Policy):
    """Who checks that a complaint is valid before it is routed (DOMAIN rule 5)."""

    rules: Annotated[tuple[VerificationRule, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.rules[-1].when != When():
            problem = (
                "the last verification rule must hold for every complaint: "
                "add one with `when: {}` below it"
            )
            raise Unsound.at("gap", ("rules", len(self.rules) - 1), problem)
        return self

    def rule_for(self, registration: Registration) -> VerificationRule:
        """The first rule that holds."""
        return next(rule for rule in self.rules if rule.when.holds(registration))


# --- reopening -----------------------------------------------------------------------------------


class After(_Data):
    """Until when, and after which outcomes, something reopens a closed complaint."""

    within_days: Days
    after: tuple[Outcome, ...]

    def allows(self, outcome: Outcome, closed_at: datetime, at: datetime) -> bool:
        """Whether a complaint closed so, then, is reopened at `at` (last instant included)."""
        return outcome in self.after and at - closed_at <= timedelta(days=self.within_days)


class ContactAfter(After):
    """The same, and where a contact takes it."""

    route: ReopenRoute


class CaseAfter(_Data):
    """Which triggers of a case reopen a closed complaint."""

    triggers: tuple[CaseTrigger, ...]
    triggers_when_withdrawn: tuple[CaseTrigger, ...]


class ReopeningPolicy(Policy):
    """When a new handling cycle starts, and where it goes (DOMAIN rules 10 and 11)."""

    dissatisfied_routes: Annotated[tuple[ReopenRoute, ...], Field(min_length=1)]
    contact: ContactAfter
    late_reply: After
    visit: After
    case: CaseAfter

    def route_after(self, dissatisfied_before: int) -> ReopenRoute:
        """Where a dissatisfied answer goes that has had so many before it."""
        return self.dissatisfied_routes[min(dissatisfied_before, len(self.dissatisfied_routes) - 1)]


# --- reading -------------------------------------------------------------------------------------

_READERS: Mapping[str, type[Policy]] = {
    CONTACTS: ContactsPolicy,
    KEYWORDS: KeywordsPolicy,
    REOPENING: ReopeningPolicy,
    VERIFICATION: VerificationPolicy,
}


def compile_policy(name: str, content: Mapping[str, Any]) -> Policy:
    """Intake's reading of a policy; raises ValueError for what must not come into force."""
    reader = _READERS.get(name)
    if reader is None:
        raise ValueError(f"intake has no policy called {name!r}; it has {', '.join(_READERS)}")
    policy = reader.model_validate(dict(content))
    if policy.name != name:
        raise ValueError(f"the policy calls itself {policy.name!r}, not {name!r}")
    return policy


P = TypeVar("P", bound=Policy)


def _typed(reader: type[P], policies: Policies, name: str, at: datetime) -> P:
    policy = policies.in_force(name, at).compiled
    assert isinstance(policy, reader)
    return policy


def contacts_policy(policies: Policies, at: datetime) -> ContactsPolicy:
    """The contacts policy in force at `at`; raises PolicyMissing."""
    return _typed(ContactsPolicy, policies, CONTACTS, at)


def keywords_policy(policies: Policies, at: datetime) -> KeywordsPolicy:
    """The keyword rules in force at `at`; raises PolicyMissing."""
    return _typed(KeywordsPolicy, policies, KEYWORDS, at)


def reopening_policy(policies: Policies, at: datetime) -> ReopeningPolicy:
    """The reopening policy in force at `at`; raises PolicyMissing."""
    return _typed(ReopeningPolicy, policies, REOPENING, at)


def verification_policy(policies: Policies, at: datetime) -> VerificationPolicy:
    """The verification policy in force at `at`; raises PolicyMissing."""
    return _typed(VerificationPolicy, policies, VERIFICATION, at)
