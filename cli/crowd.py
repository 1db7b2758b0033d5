"""A believable day's crowd for the demo: who says what, when and where, from a fixed seed.

The figures are measured ones (docs/data.md), the words our own; both stand in `crowd.yaml`. Pure:
the same seed, start and number of people make the same crowd, to the microsecond.
"""

import random
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Annotated, Any, NamedTuple
from zoneinfo import ZoneInfo

import yaml
from pydantic import BaseModel, ConfigDict, Field

from contracts.messages import MessageKind
from contracts.values import (
    Category,
    ChannelKind,
    CustomerClass,
    DistrictType,
    Language,
    Province,
    ValueTier,
)

SHANGHAI = ZoneInfo("Asia/Shanghai")
PEOPLE_MAX = 1_000_000

Weight = Annotated[int, Field(ge=0)]
Share = tuple[Annotated[int, Field(ge=0)], Annotated[int, Field(ge=1)]]
"""So many of so many."""
Texts = Annotated[tuple[str, ...], Field(min_length=1)]


class Figures(BaseModel):
    """How often what is said, and the words for it (`crowd.yaml`)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    hours: Annotated[tuple[Weight, ...], Field(min_length=24, max_length=24)]
    channels: dict[ChannelKind, Weight]
    languages: dict[Language, Weight]
    anonymous: Share
    representative: Share
    again: Share
    categories: dict[Category, Weight]
    important: Share
    enterprise: Share
    rural: Share
    provinces: tuple[Province, ...]
    again_words: dict[Language, Texts]
    places: dict[Language, Texts]
    words: dict[Category, dict[Language, Texts]]


class Saying(NamedTuple):
    """One message: when it reaches the channel, its CloudEvents source and id, and its body."""

    at: datetime
    source: str
    message: str
    words: dict[str, Any]


@cache
def figures() -> Figures:
    """The figures and words that come with the project."""
    path = Path(__file__).with_name("crowd.yaml")
    return Figures.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))


def crowd(seed: int, start: datetime, people: int) -> list[Saying]:
    """What so many people say in the 24 hours from `start` (aware), in the order of time.

    Some of them write again about the same thing: an urge. Anonymous ones cannot be told apart, so
    they never do. Each person's words fit one category, which intake has to find by itself.
    """
    assert start.tzinfo is not None, "an instant has its zone"
    assert 0 <= people <= PEOPLE_MAX
    told = figures()
    dice = random.Random(seed)  # noqa: S311 - a play, not a secret
    said = [_first(told, dice, start.astimezone(SHANGHAI), number) for number in range(people)]
    known = [one for one in said if "subscriber" in one.words]
    again, of = told.again
    urging = dice.sample(known, min(len(known), round(people * again / (of - again))))
    end = start.astimezone(SHANGHAI) + timedelta(days=1)
    said += [_again(told, dice, one, end, number) for number, one in enumerate(urging)]
    return sorted(said, key=lambda one: (one.at, one.message))


def _first(told: Figures, dice: random.Random, start: datetime, number: int) -> Saying:
    language = _pick(dice, told.languages)
    channel = _pick(dice, told.channels)
    category = _pick(dice, told.categories)
    words: dict[str, Any] = {
        "kind": MessageKind.WORDS.value,
        "channel": channel.value,
        "text": _text(told, dice, category, language),
        "language": language.value,
        "home_province": dice.choice(told.provinces),
        "district_type": _either(
            dice, told.rural, DistrictType.RURAL.value, DistrictType.URBAN.value
        ),
        "value_tier": _either(
            dice, told.important, ValueTier.IMPORTANT.value, ValueTier.ORDINARY.value
        ),
        "customer_class": _either(
            dice, told.enterprise, CustomerClass.ENTERPRISE.value, CustomerClass.PERSONAL.value
        ),
        "representative": _either(dice, told.representative, True, False),
    }
    if not _either(dice, told.anonymous, True, False):
        words["subscriber"] = f"186{number:08d}"
    return Saying(_when(told, dice, start), channel.value, f"crowd-{number}", words)


def _again(told: Figures, dice: random.Random, first: Saying, end: datetime, number: int) -> Saying:
    """The same person once more, later that day: an urge by the same words' category."""
    opening = dice.choice(told.again_words[Language(first.words["language"])])
    words = {**first.words, "text": opening + first.words["text"]}
    left = end - first.at
    at = first.at + left * dice.random()
    return Saying(at, first.source, f"crowd-again-{number}", words)


def _when(told: Figures, dice: random.Random, start: datetime) -> datetime:
    """The next time that it is such an hour; microseconds, so that no two meet."""
    hour = dice.choices(range(24), told.hours)[0]
    within = timedelta(microseconds=dice.randrange(3_600_000_000))
    at = start.replace(hour=hour, minute=0, second=0, microsecond=0) + within
    return at if at >= start else at + timedelta(days=1)


def _text(told: Figures, dice: random.Random, category: Category, language: Language) -> str:
    return dice.choice(told.words[category][language]).format(
        place=dice.choice(told.places[language]),
        days=dice.randint(2, 9),
        amount=f"{dice.randint(5, 300)}.{dice.randint(0, 9)}0",
    )


def _pick(dice: random.Random, weights: Mapping[Any, int]) -> Any:
    options: Sequence[Any] = list(weights)
    return dice.choices(options, list(weights.values()))[0]


def _either(dice: random.Random, share: tuple[int, int], yes: Any, no: Any) -> Any:
    return yes if dice.random() * share[1] < share[0] else no
