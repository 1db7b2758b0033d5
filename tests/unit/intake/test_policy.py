"""Rules are data: what is not sound does not come into force, and the version in force counts."""

from itertools import product
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.feedback_survey import SurveyOutcome
from contracts.intake import ComplaintContactLinked, ComplaintReopened, ComplaintVerified
from contracts.values import Language, ReopenRoute
from libs.decider import Policies, PolicyInForce, PolicyMissing
from services.intake.domain.classification import classify
from services.intake.domain.commands import RegisterComplaint
from services.intake.domain.complaint import ClosedTooLongAgo
from services.intake.domain.policy import KeywordsPolicy, ReopeningPolicy, compile_policy
from services.intake.domain.vetting import vet_policy
from tests.unit.intake.given import asked, closed, concluded, link
from tests.unit.intake.world import (
    DAY,
    HOUR,
    POLICY,
    SEEDS,
    TOLD,
    World,
    at,
    complaint_story,
    message,
    registration,
)


def content(policy: str, /, **changes: Any) -> dict[str, Any]:
    text = (POLICY / f"{policy}.v1.yaml").read_text(encoding="utf-8")
    return {**yaml.safe_load(text), **changes}


def with_version(name: str, since: str, **changes: Any) -> Policies:
    told = content(name, version="v2", **changes)
    return SEEDS.adding(PolicyInForce(name, "v2", "", at(since), told, compile_policy(name, told)))


@pytest.mark.parametrize("name", ["contacts", "keywords", "reopening", "verification"])
def test_the_seeds_are_sound(name: str) -> None:
    assert compile_policy(name, content(name)).ref.version == "v1"


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("weather", {}),
        ("contacts", content("reopening")),
        ("contacts", content("contacts", name="reopening")),
        ("contacts", content("contacts", window_days=-1)),
        ("contacts", content("contacts", window_weeks=1)),
        ("reopening", content("reopening", dissatisfied_routes=[])),
        ("reopening", content("reopening", dissatisfied_routes=["nowhere"])),
        ("verification", content("verification", rules=[])),
        (
            "verification",
            content(
                "verification",
                rules=[{"id": "a", "when": {"anonymous": True}, "by": "automatic"}],
            ),
        ),
        ("keywords", content("keywords", categories=content("keywords")["categories"][:1] * 2)),
        (
            "keywords",
            content(
                "keywords",
                categories=[
                    {
                        "id": "a",
                        "language": "zh",
                        "rank": 1,
                        "category": "unclassified",
                        "says": [["x"]],
                    }
                ],
            ),
        ),
    ],
)
def test_what_is_unsound_does_not_come_into_force(name: str, told: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        compile_policy(name, told)


def test_rules_of_the_facts_own_time_count() -> None:
    desk = [{"id": "all", "when": {}, "by": "desk"}]
    policies = with_version("verification", "2025-10-11 12:00:00", rules=desk)
    story = complaint_story()
    story = type(story)(story.decider, policies, story.subject, now=story.now)
    before = story.when(RegisterComplaint(at=TOLD, registration=registration()), now=TOLD + DAY)
    assert before.one(ComplaintVerified).policy.version == "v1"
    later = RegisterComplaint(at=TOLD + 4 * HOUR, registration=registration())
    assert not [one for one in story.when(later).happened if isinstance(one, ComplaintVerified)]


def test_no_rule_in_force_is_an_answer_too() -> None:
    with pytest.raises(PolicyMissing):
        SEEDS.in_force("contacts", at("2003-12-31 23:59:59"))


def test_routes_after_dissatisfaction_are_data() -> None:
    policies = with_version(
        "reopening", "2025-10-01 00:00:00", dissatisfied_routes=["rework", "tier1", "escalate"]
    )
    story = asked()
    story = type(story)(
        story.decider, policies, story.subject, state=story.state, past=story.past, now=story.now
    )
    reopened = story.when(concluded(SurveyOutcome.DISSATISFIED)).one(ComplaintReopened)
    assert reopened.route is ReopenRoute.REWORK


@pytest.mark.parametrize(
    ("before", "route"),
    [(0, ReopenRoute.TIER1), (1, ReopenRoute.ESCALATE), (2, ReopenRoute.ESCALATE)],
)
def test_the_last_route_goes_on_for_ever(before: int, route: ReopenRoute) -> None:
    policy = SEEDS.in_force("reopening", TOLD).compiled
    assert isinstance(policy, ReopeningPolicy)
    assert policy.route_after(before) is route


def test_a_shorter_reopening_window_is_only_data() -> None:
    contact = {**content("reopening")["contact"], "within_days": 1}
    policies = with_version("reopening", "2025-10-01 00:00:00", contact=contact)
    story = closed()
    story = type(story)(
        story.decider, policies, story.subject, state=story.state, past=story.past, now=story.now
    )
    story.when(link("a", TOLD + 1 * DAY)).then_types(ComplaintContactLinked, ComplaintReopened)
    story.when(link("b", TOLD + 2 * DAY)).then_refused(ClosedTooLongAgo)


def test_the_window_is_the_policys() -> None:
    world = World()
    window = SEEDS.in_force("contacts", TOLD).compiled
    assert window.window_days == 7
    world.tell(message("a", subscriber="13900000001", category="billing"))
    (told,) = world.tell(
        message("b", subscriber="13900000001", category="billing", time="2025-10-18T09:00:00+08:00")
    )
    assert told["outcome"] == "linked"


# --- word rules that never decide -----------------------------------------------------------------

WORDS = ("a1", "b2", "c3", "a1b2")


def word_rules(rules: list[tuple[list[list[str]], list[str]]]) -> dict[str, Any]:
    """The keywords policy with these rules of urgency, in this order, and no other."""
    urgency = [
        {"id": f"r{n}", "language": "zh", "urgency": "urgent", "says": says, "unless": unless}
        for n, (says, unless) in enumerate(rules)
    ]
    return content("keywords", categories=[], urgency=urgency)


groups = st.lists(st.sampled_from(WORDS), min_size=1, max_size=3, unique=True)
word_rule = st.tuples(
    st.lists(groups, min_size=1, max_size=2), st.lists(st.sampled_from(WORDS), max_size=1)
)


@settings(max_examples=30, deadline=None)
@given(st.lists(word_rule, min_size=2, max_size=4))
def test_a_word_rule_that_is_refused_decides_for_no_text(
    drawn: list[tuple[list[list[str]], list[str]]],
) -> None:
    """By trying: every text of up to four words; what is refused is never the first to match."""
    told = word_rules(drawn)
    refused = {
        told["urgency"][one.where[1]]["id"]
        for one in vet_policy("keywords", told)
        if one.kind in ("overlap", "gap") and one.where[0] == "urgency"
    }
    policy = KeywordsPolicy.model_validate(told)
    texts = ("".join(said) for n in range(1, 5) for said in product((*WORDS, "字"), repeat=n))
    deciding = {classify(text, Language.ZH, policy).urgency_rule for text in texts}
    assert not refused & deciding
    same = [n for n, one in enumerate(drawn) if one in drawn[:n]]
    assert {f"r{n}" for n in same} <= refused, "what is said twice is told"
