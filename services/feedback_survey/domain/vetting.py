"""What a new feedback policy must be before it counts: a customer can be satisfied at all.

Reading a version back asks none of this (docs/decisions/0008-the-law-is-no-policy.md).
"""

from collections.abc import Mapping, Sequence
from typing import Any

from libs.decider.policy import Fault
from services.feedback_survey.domain.policy import POLICY, FeedbackPolicy

SCORE_MAX = 10
"""The best score there is (DOMAIN rule 11: score 1-10)."""


def vet_policy(name: str, content: Mapping[str, Any]) -> Sequence[Fault]:
    """The faults of content that can be read as this policy; empty when it may count."""
    if name != POLICY:
        return ()
    below = ("content",) if "content" in content else ()
    policy = FeedbackPolicy.model_validate(content.get("content", content))
    if policy.survey.dissatisfied_up_to < SCORE_MAX:
        return ()
    problem = f"no score would be satisfied: write less than {SCORE_MAX}"
    return (Fault("limit", (*below, "survey", "dissatisfied_up_to"), problem),)
