"""The demo's crowd: always the same, in measured proportions, and understood by the rules."""

from collections import Counter
from datetime import timedelta

import pytest

from cli.crowd import SHANGHAI, Saying, crowd, figures
from cli.player import message_of
from contracts.values import Category, Language
from services.intake.domain.classification import classify, language_of
from tests.e2e.world import sh
from tests.unit.intake.test_classification import RULES

START = sh("2025-10-09 09:00:00")
MANY = 20_000


@pytest.fixture(scope="module")
def many() -> list[Saying]:
    return crowd(7, START, MANY)


def share(many: list[Saying], of: str, value: object) -> float:
    firsts = [one for one in many if not one.message.startswith("crowd-again")]
    hits = [one for one in firsts if one.words.get(of) == value]
    return len(hits) / len(firsts)


def test_the_same_seed_makes_the_same_crowd_and_another_one_another() -> None:
    assert crowd(1, START, 50) == crowd(1, START, 50)
    assert crowd(1, START, 50) != crowd(2, START, 50)
    assert crowd(1, START, 0) == []


def test_everybody_speaks_within_the_day_in_order_under_an_id_of_their_own(
    many: list[Saying],
) -> None:
    instants = [one.at for one in many]
    assert instants == sorted(instants)
    assert instants[0] >= START
    assert instants[-1] < START + timedelta(days=1)
    assert len({(one.source, one.message) for one in many}) == len(many)


def test_every_saying_is_a_message_that_a_channel_may_send() -> None:
    for one in crowd(3, START, 300):
        message_of(one.source, one.message, one.at, **one.words)


@pytest.mark.parametrize("category", list(figures().categories))
@pytest.mark.parametrize("language", list(Language))
def test_the_rules_find_the_category_of_every_sentence(
    category: Category, language: Language
) -> None:
    told = figures()
    for opening in ("", *told.again_words[language]):
        for sentence in told.words[category][language]:
            for place in told.places[language]:
                text = opening + sentence.format(place=place, days=3, amount="28.00")
                assert language_of(text) is language
                placed = classify(text, language, RULES)
                assert placed.category is category, (text, placed)


# Shares as docs/data.md tells them, to within 1.5 points (four deviations at 20,000 people).
def test_proportions_are_the_measured_ones(many: list[Saying]) -> None:
    assert share(many, "channel", "hotline_10010") == pytest.approx(0.503, abs=0.015)
    assert share(many, "language", "en") == pytest.approx(0.441, abs=0.015)
    assert share(many, "subscriber", None) == pytest.approx(0.441, abs=0.015)
    assert share(many, "representative", True) == pytest.approx(0.091, abs=0.015)
    again = sum(one.message.startswith("crowd-again") for one in many)
    assert again / len(many) == pytest.approx(0.091, abs=0.005)


def test_the_busiest_hour_is_eleven_and_the_night_is_quiet(many: list[Saying]) -> None:
    firsts = [one for one in many if not one.message.startswith("crowd-again")]
    hours = Counter(one.at.astimezone(SHANGHAI).hour for one in firsts)
    assert hours[11] / len(firsts) == pytest.approx(418 / 5040, abs=0.01)
    assert hours[4] / len(firsts) == pytest.approx(21 / 5040, abs=0.005)


def test_who_writes_again_says_the_same_thing_later_and_is_known(many: list[Saying]) -> None:
    firsts = {
        one.words["subscriber"]: one
        for one in many
        if "subscriber" in one.words and not one.message.startswith("crowd-again")
    }
    again = [one for one in many if one.message.startswith("crowd-again")]
    assert again
    for one in again:
        first = firsts[one.words["subscriber"]]
        assert one.at >= first.at
        assert one.words["text"].endswith(first.words["text"])
